"""What the report tells: excerpts of code that fit their explanation, literature, abstract, conclusions."""

import copy
import inspect
import re

import pytest
from bs4 import BeautifulSoup
from scipy import stats

from lib import words
from lib.files import ROOT
from lib.models import ENCODERS
from lib.report import bibliography, export, sections, values
from lib.report import page as report_page
from lib.report.chapters import abstract, conclusions, evidence, excerpts, findings
from lib.report.chapters.evidence import gather
from lib.report.page import Report

RECORDS = ROOT / "figures/records"
CLAIMS = values.load_yaml(ROOT / "notebooks/claims.yaml")
both = pytest.mark.parametrize("language", words.LANGUAGES)
#: Every excerpt that a report of the kit may show, by the key of its explanation.
EXCERPTS = dict(excerpts.STEPS) | {
    excerpts.encoder(name)[0].symbol.__name__: excerpts.encoder(name) for name in ENCODERS
}
VIEWS = sorted(excerpts.views.VIEWS)


@pytest.fixture
def shown(monkeypatch):
    """What a report shows, parsed."""
    pieces = []
    monkeypatch.setattr(report_page, "display", lambda piece: pieces.append(BeautifulSoup(piece.data, "html.parser")))
    return pieces


def text(pieces):
    return " ".join(" ".join(piece.get_text() for piece in pieces).split())


def profile(name, only=""):
    everything = [r for r in values.load_all(RECORDS / name) if r["name"].content.startswith(only)]
    compared = [r for r in everything if "clusterings" in r["results"]]
    return sections.by_images(everything), list(values.by_run(compared).values()), gather(everything)


# Excerpts


@both
@pytest.mark.parametrize("key", EXCERPTS)
def test_an_explanation_fits_its_code_and_leaves_no_line_out(key, language):
    """Mend the explanation, in both languages, when this fails: the code has changed."""
    code, steps = excerpts.code_of(EXCERPTS[key]), excerpts.explanation(words.load(language), key)
    assert len(steps) >= 2
    assert len(code.splitlines()) <= excerpts.LONGEST
    for step in steps:
        assert excerpts.QUOTE.search(step), f"a step that is about no code: {step}"
        assert excerpts.fits(step, code), f"the code has not what this quotes: {step}"
    quotes = [re.sub(r"\s+", "", quote) for step in steps for quote in excerpts.QUOTE.findall(step)]
    structure = re.compile(r"\s*(#.*|def .*|return \w+|return nn\.Sequential\(|OrderedDict\(|[)\]}]*,?|)")
    for line in code.splitlines():
        squeezed = re.sub(r"\s+", "", line)
        explained = any(quote in squeezed or squeezed in quote for quote in quotes)
        assert explained or structure.fullmatch(line), f"no step explains: {line}"


@both
@pytest.mark.parametrize("name", VIEWS)
def test_every_operation_of_the_views_is_explained(name, language):
    entry, say = excerpts.Entry(name), words.load(language)
    code = excerpts.code_of((entry,))
    assert code.startswith(f'"{name}": (')
    assert len(code.splitlines()) <= excerpts.LONGEST
    operations = {type(operation).__name__ for operation in excerpts.views.VIEWS[name][0]}
    assert operations
    for operation in operations:
        (step,) = excerpts.explanation(say, f"operation.{operation}")
        assert excerpts.fits(step, code), step


def test_an_excerpt_is_the_code_that_runs():
    for piece in (piece for pieces in EXCERPTS.values() for piece in pieces):
        source = inspect.getsource(piece.symbol)
        assert piece.code
        for line in piece.code.splitlines():
            assert line.strip() in source
        assert '"""' not in piece.code
        file, _, symbol = piece.name.partition(": ")
        assert symbol.split(".")[-1] in (ROOT / file).read_text(encoding="utf-8")


def test_a_report_shows_the_code_of_its_own_runs(shown):
    images, _, _ = profile("improved")
    excerpts.every(Report("en"), images)
    listings = [figure["id"] for piece in shown for figure in piece.select("figure.listing")]
    assert listings == [
        "listing-small_cnn", "listing-fast_resnet", "listing-projection", "listing-strong_mnist",
        "listing-simclr_cifar10", "listing-augmentation", "listing-step", "listing-loss", "listing-freezing",
        "listing-classifier",
    ]  # fmt: skip
    code = {figure["id"]: figure.pre.get_text() for piece in shown for figure in piece.select("figure.listing")}
    assert "conv1=nn.Conv2d(channels, 32, 3, padding=1)" in code["listing-small_cnn"]
    assert "Warp(25" in code["listing-strong_mnist"]
    assert "original_mnist" not in text(shown)
    assert any(piece.select("pre .k") for piece in shown), "highlighted"
    assert words.load("en")("excerpts.changed") not in text(shown)


@both
def test_a_changed_line_leaves_its_explanation_out_and_says_so(shown, monkeypatch, language):
    piece = excerpts.STEPS["loss"][0]
    changed = piece.code.replace("z @ z.T / temperature", "z @ z.T * temperature")
    assert changed != piece.code
    monkeypatch.setattr(excerpts, "code_of", lambda pieces: changed)
    excerpts.show(Report(language), ["loss"], excerpts.STEPS["loss"])
    assert "z @ z.T / temperature" not in text(shown)
    assert "z @ z.T * temperature" in shown[0].pre.get_text()
    assert words.load(language)("excerpts.changed") in text(shown)


# Literature


def page(*keys, listed=True):
    links = " ".join(f'<a href="#ref-{key}"></a>' for key in keys)
    return BeautifulSoup(f"<p>{links}</p>" + '<ol class="references"></ol>' * listed, "html.parser")


@both
def test_citations_are_numbered_in_order_and_lead_both_ways(language):
    found = page("wang2020", "chen2020", "wang2020")
    bibliography.fill(found, words.load(language))
    assert [link.get_text() for link in found.select("a.citation")] == ["[1]", "[2]", "[1]"]
    entries = found.select("ol.references li")
    assert [entry["id"] for entry in entries] == ["ref-wang2020", "ref-chen2020"]
    assert [len(entry.select("a.back")) for entry in entries] == [2, 1]
    for link in found.select("a.citation, a.back"):
        assert found.find(id=link["href"][1:]), link
    assert "Understanding contrastive representation learning" in entries[0].cite.get_text()
    assert "Chen T, Kornblith S, Norouzi M, Hinton G." in entries[1].cite.get_text()
    assert entries[1].cite.a["href"] == "https://arxiv.org/abs/2002.05709"
    assert not export.unsourced(found)


def test_what_is_not_in_the_bibliography_is_refused():
    with pytest.raises(bibliography.CitationError, match=r"cites nobody1999, which references.bib does not have"):
        bibliography.fill(page("nobody1999"), words.load("en"))
    with pytest.raises(bibliography.CitationError, match="shows no list"):
        bibliography.fill(page("chen2020", listed=False), words.load("en"))


def test_every_entry_is_cited_and_every_citation_has_one():
    cited = {key for key in re.findall(r"#ref-(\w+)", (words.TEXTS / "en.yaml").read_text(encoding="utf-8"))}
    assert cited == set(bibliography.entries())


@pytest.mark.parametrize(("key", "shown"), [("wang2020", "Wang and Isola 2020"), ("chen2020", "Chen et al. 2020")])
def test_a_citation_where_there_is_no_list(key, shown):
    assert bibliography.inline(key).startswith(f"[{shown}](https://arxiv.org/")


# Abstract


def told(name, language="en", only="", change=None):
    images, compared, gathered = profile(name, only)
    for group in images if change else ():
        for seed in group.main:
            seed.content["dataset"] |= change
    return abstract.sentences(Report(language), images, compared, CLAIMS, gathered)


def plain(sentences):
    return [BeautifulSoup(sentence, "html.parser").get_text() for sentence in sentences]


@both
@pytest.mark.parametrize(("name", "only"), [("quick", ""), ("improved", ""), ("original", ""), ("evidence", ""),
                                            ("quick", "cifar10"), ("evidence", "mnist")])  # fmt: skip
def test_an_abstract_has_four_to_six_sentences_made_of_records(name, only, language):
    sentences = told(name, language, only)[: abstract.MOST]
    assert 4 <= len(sentences) <= 6
    for sentence in sentences:
        assert not export.unsourced(BeautifulSoup(sentence, "html.parser")), sentence


def test_the_abstract_says_network_data_loss_and_result():
    question, mnist, cifar, *_ = plain(told("improved"))
    assert question.startswith("This report asks")
    for part in ("MNIST", "small CNN", "24,000 unlabelled images", "NT-Xent", "9 epochs", "99.25 ± 0.02% with 6,000"):
        assert part in mnist
    for part in ("CIFAR-10", "fast ResNet", "40,000", "77.73 ± 0.26% with 20,000 labels"):
        assert part in cifar


def test_the_abstract_sets_a_sample_beside_nothing():
    sample = {"genuine": False, "source": "embedded sample"}
    said = " ".join(plain(told("quick", change=sample)))
    assert "must not be set beside published ones" in said
    assert "original lab" not in said
    assert "original lab reported 95%" in " ".join(plain(told("quick")))


def test_the_abstract_of_the_evidence_names_what_matters():
    said = " ".join(plain(told("evidence")))
    assert "without the flip in the views, accuracy rises by 2.51 ± 0.19 points" in said
    assert "without the crop in the views, accuracy falls by 17.0 ± 1.3 points" in said
    assert "trained from scratch (99.0 ± 0.1%) is better than a linear head on the frozen encoder (95.8 ± 0.1%)" in said


# Conclusions


def points(shown, name, language="en"):
    images, compared, gathered = profile(name)
    conclusions.conclusions(Report(language), images, compared, CLAIMS, gathered)
    return text(shown)


def test_conclusions_use_the_evidence(shown):
    said = points(shown, "evidence")
    assert "Accuracy falls when this is left out: crop (2.14 ± 0.37 points)." in said
    assert "Accuracy rises when this is left out: flip (2.51 ± 0.19 points)." in said
    assert "No difference beyond chance: rotation (−0.21 ± 0.21 points) and blur (−0.15 ± 0.32 points)." in said
    assert "A mirrored digit is no longer the same digit" in said
    assert "Of the values from 0.05 to 1.0, τ = 0.5 is best (95.36 ± 0.30%) and τ = 0.05 worst (94.75 ± 0.32%)." in said
    assert "1,024 worst (93.85 ± 0.17%)" in said
    assert "52.2 ± 5.4% with 10 labels to 95.8 ± 0.1% with 12,000" in said
    assert "trained from scratch (99.0 ± 0.1%) is as good as “SimCLR, fine-tuned” (99.1 ± 0.0%)" in said


@pytest.mark.parametrize(
    ("language", "marked", "told", "concluded"),
    [
        (
            "en",
            "cifar10-resnet50 (cut short)",
            "cut short after 2 epochs",
            "so it is not compared with the original",
        ),
        ("zh", "cifar10-resnet50 (提前停止)", "只训练了 2 轮就停止了", "因此不与原实验比较"),
    ],
)
def test_a_run_that_was_cut_short_says_so_and_is_not_compared(shown, language, marked, told, concluded):
    (images,), _, _ = profile("original", "cifar10-resnet50")
    report = Report(language)
    for show in (findings.pretraining, lambda *given: findings.accuracies(*given, CLAIMS)):
        show(report, images)
    conclusions.conclusions(report, [images], [], CLAIMS)
    said = text(shown)
    assert all(part in said for part in (marked, told, concluded))
    assert "percentage points" not in said
    assert "百分点" not in said


@both
def test_without_such_runs_nothing_is_concluded_from_them(shown, language):
    said, say = points(shown, "improved", language), words.load(language)
    for key in ("left_out.up", "mirrored", "cropped"):
        assert str(say.texts[f"conclusions.{key}"]).split("{{")[0] not in said
    assert "99.25 ± 0.02%" in said


def test_chance_is_a_t_test_with_the_spread_of_all_groups():
    small, none, large = [0.4, 0.6], [0.1, -0.1], [2.0, 2.4, 2.2]
    alone = [values.beyond_chance([group])[0] for group in (small, none, large)]
    assert alone == [bool(stats.ttest_1samp(group, 0).pvalue < 0.05) for group in (small, none, large)]
    assert alone == [False, False, True], "two seeds alone say next to nothing"
    assert values.beyond_chance([small, none, large]) == [True, False, True], "together they do"
    assert values.beyond_chance([[0.7], [-0.7], none, small]) == [True, True, False, True]
    assert values.beyond_chance([[-0.7], [0.7], none, small], above=True) == [False, True, False, True]
    assert values.beyond_chance([[5.0], [7.0]]) == [False, False], "of single seeds nothing is known"


def test_a_control_counts_if_it_is_more_than_chance():
    (found, *_) = [f for f in profile("evidence")[2] if f.images.name == "mnist"]
    effects = {operation: way for operation, (way, _) in conclusions.left_out(found).items()}
    assert effects == {"HorizontalFlip": "up", "ResizedCrop": "down", "GaussianBlur": "same", "Rotation": "same"}


def test_controls_of_one_seed_are_judged_by_the_spread_of_the_run_they_are_compared_with(monkeypatch):
    (found, *_) = [f for f in profile("evidence")[2] if f.images.name == "mnist"]
    control = "mnist-control-left_out-HorizontalFlip"
    base = [values.Value(v, ()) for v in (0.94, 0.95, 0.96)]  # two single runs differ by 1.4 points, one deviation
    monkeypatch.setattr(evidence.Evidence, "accuracy", lambda self, run: base)
    for apart, way in ((0.05, "same"), (0.07, "up"), (-0.07, "down")):
        monkeypatch.setattr(evidence.Evidence, "difference", lambda *_, apart=apart: [values.Value(apart, ())])
        assert conclusions.directions(found)[control][0] == way


def test_one_figure_for_one_thing(shown):
    """The comparison was made with one seed's encoder; the report still has the mean over seeds everywhere."""
    images, compared, _ = profile("original")
    mean = values.percent([r.content["results"]["classifiers"][0]["test_accuracy"] for r in images[0].main])
    one = f"{compared[0][0].content['results']['simclr']['test_accuracy']:.2%}"
    assert mean != one
    writer = Report("en")
    findings.clustering(writer, compared[0], images)
    conclusions.conclusions(writer, images, compared, CLAIMS)
    assert text(shown).count(mean) >= 3
    assert one not in text(shown)
    alone = copy.deepcopy(compared[0])
    assert findings.reference(alone, [])[0][0].content == alone[0].content["results"]["simclr"]["test_accuracy"]

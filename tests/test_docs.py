"""READMEs and docs: figures are the records', both languages say the same, links and names lead somewhere."""

import ast
import json
import re
import statistics
import sys
from urllib.parse import unquote

import pytest
import yaml
from markdown_it import MarkdownIt

from bench import paper
from bench.few_labels import NETWORK
from bench.kernel_head import KINDS
from lib.cli.__main__ import parser
from lib.files import ROOT, between_marks
from lib.report import values
from lib.report.chapters import measured

sys.path.insert(0, str(ROOT / "figures"))  # its programs are no package
import lab_runs
import readme as tables

CODE = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("code.md", "code.zh.md")]
READMES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md")}
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
RECORDS = ROOT / "figures/records"
GRAPHS = ("threshold dynamics after it", "the same graph of an untrained encoder", "the same graph of pixels")
TRANSDUCTIVE = f"{NETWORK}, with the images asked about"
COUNTS = (10, 30, 100, 300, 1000, 3000, 6000, 12000)


def records(pattern):
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RECORDS.glob(f"{pattern}/record.json"))]


def label_curve(dataset, method):
    """Mean test accuracy over seeds, by number of labels."""
    found = {}
    for record in records("evidence/*"):
        for row in record["results"].get("label_efficiency", ()):
            if record["dataset"]["name"] == dataset and row["method"] == method:
                found.setdefault(row["labels"], []).append(row["test_accuracy"])
    return {labels: statistics.mean(found[labels]) for labels in COUNTS}


def scratch_wins_from(dataset):
    """The number of labels from which on training from scratch beats the linear head, at every one measured."""
    scratch, linear = (label_curve(dataset, method) for method in ("from scratch", "linear"))
    better = [n for n in COUNTS if scratch[n] > linear[n]]
    first = min(n for n in COUNTS if set(better) >= {m for m in COUNTS if m >= n})
    assert better == [n for n in COUNTS if n >= first], "below it, the frozen encoder is the better one"
    return first


def gains(base):
    """The controls that change one thing of a run of ``evidence``, and how many points each gains over it."""
    accuracy = {}
    for record in records(f"evidence/{base.split('-')[0]}-control*") + records(f"evidence/{base}-seed*"):
        asked = record["parameters"]
        accuracy.setdefault(asked["run"], {})[asked["seed"]] = record["results"]["test_accuracy"]
    start = accuracy.pop(base)
    return {run: 100 * statistics.mean(seeds[s] - start[s] for s in seeds) for run, seeds in accuracy.items()}


def on_cifar10():
    """Of ``improved`` on CIFAR-10: linear evaluation, the untrained encoder's, the head's accuracy; a list each."""
    entries = [record["results"]["classifiers"][0] for record in records("improved/cifar10-seed*")]
    linear, untrained = (
        [e[name]["accuracy"] for e in entries] for name in ("linear_evaluation", "untrained_linear_evaluation")
    )
    return linear, untrained, [e["test_accuracy"] for e in entries]


def few_labels(method, labels):
    """Mean and worst accuracy over the draws of so many labels, as ``bench.few_labels`` found them on test images."""
    rows = json.loads((ROOT / "bench/results/few_labels.json").read_text())["test images"]["rows"]
    found = [row["accuracy"] for row in rows if (row["method"], row["labels"]) == (method, labels)]
    assert len(found) >= 20
    return f"{statistics.mean(found):.1%}", f"{min(found):.1%}"


def kernel_head(features, head="kernel"):
    """Accuracy of the kernel's or the linear head on test images, over encoders, as ``bench.kernel_head`` found it."""
    rows = json.loads((ROOT / "bench/results/kernel_head.json").read_text())["test images"]["rows"]
    return [row[head] for row in rows if row["features"] == features]


def patches():
    """The largest number of whitened patches that ``bench.patches`` gave a classifier: its row of the record."""
    rows = json.loads((ROOT / "bench/results/patches.json").read_text())["test images"]["rows"]
    return max(rows, key=lambda row: row["patches"])


def label_efficiency():
    """Accuracy on test images by way and number of labels, as ``bench.label_efficiency`` found it."""
    rows = json.loads((ROOT / "bench/results/label_efficiency.json").read_text())["test images"]["rows"]
    return {(row["way"], row["labels"]): row["accuracy"] for row in rows}


def facts():
    """Every figure of the READMEs' text outside its tables, as it stands there."""
    lab = yaml.safe_load((ROOT / "notebooks/claims.yaml").read_text(encoding="utf-8"))
    reported = [
        r["test_accuracy"] for part in ("mnist", "cifar10") for r in lab[part]["recipes"] if "test_accuracy" in r
    ]
    epoch, improved = (
        statistics.median(b / a for a, b in zip(line["ours"], line["theirs"], strict=True))
        for line in json.loads((ROOT / "bench/results/bench.json").read_text())["epoch"]["lines"][:2]
    )
    assert epoch >= 2.5
    assert 1 / improved <= 1
    (work,) = {r["results"]["flops"]["pretraining"] for r in records("improved/cifar10-seed*")}
    assert work <= 120e12
    their_work = json.loads((ROOT / "bench/results/original_cifar10.json").read_text())
    best = next(row for row in tables.measured("mnist") if row[0] == "`improved`" and row[1] == "6,000")
    plain_view = [r["results"]["classifiers"][0]["plain_view_accuracy"] for r in records("improved/mnist-seed*")]
    percent = [label_curve("mnist", method)[6000] for method in ("from scratch", "linear")]
    methods = {one.dataset["name"].content: one for one in measured.gather(values.load_all(RECORDS / "methods"))}
    mnist, cifar10 = gains("mnist-control"), gains("cifar10")
    assert max(mnist, key=mnist.get) == "mnist-control-left_out-HorizontalFlip"
    assert min(cifar10, key=cifar10.get) == "cifar10-control-left_out-ResizedCrop"
    return {
        *best[5:8],  # test accuracy and both times; a linear evaluation is in the tables only
        f"{best[5].split(' ')[0]}%",
        values.percent([value.content for value in methods["mnist"].linear("from scratch")]),
        values.percent(plain_view),
        *(f"{100 * share:.0f}%" for share in reported if round(100 * share) == 100 * share),
        *(f"{100 * share:.1f}%" for share in percent),
        *map(values.percent, on_cifar10()[:2]),
        f"{work / 1e12:.1f} TFLOP",
        f"{tera(their_work, 'cifar10-resnet18'):,.0f} TFLOP",
        f"{max(mnist.values()):.1f}",
        f"{-min(cifar10.values()):.1f}",
        f"{epoch:.1f}",
        f"{1 / improved:.2f}",
        *few_labels(NETWORK, 10),
        *(few_labels(method, 10)[0] for method in GRAPHS),
        *(values.percent(kernel_head(features)) for features in KINDS),
        values.percent(kernel_head(KINDS[0], "linear")),
        values.percent([label_efficiency()["from scratch", 20_000]]),
        *(values.percent([patches()[head]["accuracy"]]) for head in ("linear", "kernel")),
    }


def test_the_page_on_cifar10_says_what_the_kernel_head_gave():
    page, (after, before) = (ROOT / "docs/cifar10.md").read_text(encoding="utf-8"), map(kernel_head, KINDS)
    assert len(after) == 3
    assert f"**The target was 80%, and the kernel reaches {values.percent(after)}.**" in page
    assert f"reaches {values.percent(on_cifar10()[2])} although" in page
    added = 100 * (statistics.mean(after) - statistics.mean(before))
    assert f"accuracy, at most {added:.1f} points are what SimCLR adds" in page


def test_the_page_on_cifar10_says_where_patches_do_better():
    page, found = (ROOT / "docs/cifar10.md").read_text(encoding="utf-8"), patches()
    linear, kernel = found["linear"]["accuracy"], found["kernel"]["accuracy"]
    assert linear > statistics.mean(kernel_head(KINDS[0], "linear")), "else this must be said in the other way round"
    assert kernel < statistics.mean(kernel_head(KINDS[0]))
    assert f"With as much computing for the features it reaches {values.percent([linear])}," in page
    assert f"{values.percent(on_cifar10()[0])} on plain images" in page
    assert f"{values.percent(kernel_head(KINDS[0]))} against {values.percent([kernel])}," in page
    assert f"these {values.percent([linear])}: it has {values.percent(on_cifar10()[2])}." in page
    assert linear > statistics.mean(on_cifar10()[2])
    assert f"many more features: {found['features']:,} against 4,608." in page


def test_the_pages_say_until_how_many_labels_the_encoder_of_improved_is_ahead():
    found, counts = label_efficiency(), (100, 500, 2000, 5000, 20_000)
    ahead = {n: 100 * (found["frozen, kernel", n] - found["from scratch", n]) for n in counts}
    assert [gain > 0 for gain in ahead.values()] == [True, True, True, True, False]
    assert all(found["frozen, kernel", n] > found["fine-tuned", n] for n in counts[:-1])
    assert found["from scratch", 500] < found["frozen, kernel", 500] < found["from scratch", 2000]
    page = (ROOT / "docs/cifar10.md").read_text(encoding="utf-8")
    assert f"is {ahead[100]:.1f} points ahead of training from scratch, with 5,000 labels {ahead[5000]:.1f};" in page
    behind = 100 * (found["from scratch", 20_000] - found["fine-tuned", 20_000])
    assert f"is {-ahead[20_000]:.1f} points behind, and fine-tuning is {behind:.1f} behind" in page


def test_the_page_on_mnist_says_what_few_labels_gave():
    page = (ROOT / "docs/mnist.md").read_text(encoding="utf-8")
    among, unseen = ([few_labels(m, n)[0] for n in (10, 100, 1000)] for m in (TRANSDUCTIVE, NETWORK))
    assert "the transductive network reaches {}, {} and {}.**".format(*among) in page
    assert "it is asked about, reaches {}, {} and {}.".format(*unseen) in page
    assert all(float(found[:-1]) >= target for found, target in zip(among, (97, 98.8, 99.1), strict=True))
    _, untrained, pixels = (few_labels(method, 10) for method in GRAPHS)
    assert "with ten labels, and for {1} in the worst draw; made of".format(*untrained) in page
    assert "made of pixels, for {} and {}.".format(*pixels) in page
    assert f"wrong:** {few_labels(GRAPHS[0], 10)[1]} for threshold dynamics" in page


def test_the_page_on_cifar10_says_what_the_recipe_gave_and_by_how_much_it_missed():
    page, found = (ROOT / "docs/cifar10.md").read_text(encoding="utf-8"), on_cifar10()
    linear, untrained, head = (100 * statistics.mean(shares) for shares in found)
    assert "linear evaluation {}, the untrained encoder {}, the classification head {} (".format(
        *map(values.percent, found)
    ) in page  # fmt: skip
    missed = [76 - linear, 18 - (linear - untrained), 80 - head]
    assert min(missed) > 0
    seconds = [f"{record['seconds']['pretraining']:,.0f} s" for record in records("improved/cifar10-seed*")]
    assert "Pretraining took {}, {} and {};".format(*seconds) in page
    assert "the first by {:.1f} points, the second by {:.1f}, the third by {:.1f}.".format(*missed) in page


def tera(record, run):
    """Pretraining of one of the lab's runs, in TFLOP."""
    return record["runs"][run]["pretraining_flops"] / 1e12


def prose(readme):
    """The text of a README without tables, commands and links."""
    lines = [line for line in READMES[readme].splitlines() if not line.startswith("|")]
    text = re.sub(r"```.*?```", "", "\n".join(lines), flags=re.S)
    return re.sub(r"`[^`]*`|\]\([^)]*\)", "", text)


@pytest.mark.parametrize("readme", READMES)
def test_the_readmes_tables_are_those_of_the_records(readme):
    assert tables.filled(READMES[readme], readme) == READMES[readme], "python figures/readme.py"
    assert READMES[readme].count("<!-- results: ") == 3


def test_the_table_of_the_labs_own_runs_is_that_of_the_records(monkeypatch, tmp_path):
    page = lab_runs.PAGE.read_text(encoding="utf-8")
    assert between_marks(page, "lab runs", lab_runs.content()) == page, "python figures/lab_runs.py"
    record = records("improved/cifar10-seed0")[0]
    del record["sha256"]  # what its run wrote is changed below
    record["parameters"] |= {"profile": "original", "run": "cifar10-batch512", "batch_size": 512, "epochs": 9}
    for seed, accuracy in ((0, 0.5), (1, 0.52)):
        record["parameters"]["seed"], entry = seed, record["results"]["classifiers"][0]
        entry |= {"test_accuracy": accuracy, "knn_accuracy": 0.45}
        entry.pop("linear_evaluation", None)  # as in an older record
        place = tmp_path / f"cifar10-batch512-seed{seed}" / "record.json"
        place.parent.mkdir()
        place.write_text(json.dumps(record), encoding="utf-8")
    monkeypatch.setattr(lab_runs, "PUBLISHED", tmp_path)
    name, epochs, lab, head, linear, knn, *_, chance, _, _, work, _ = (
        lab_runs.table().splitlines()[-1].strip("| ").split(" | ")
    )
    assert (name, epochs, lab) == ("`cifar10-batch512`", "9 of 10, cut short", "49.97%")
    assert (head, linear, knn) == ("51.0 ± 1.4%", "–", "45.00 ± 0.00%")
    assert (chance, work) == ("6.93", "106 TFLOP"), "log(2 · 512 − 1), and what the record counted"
    assert [name for name, _ in lab_runs.pictures()] == ["original-cifar10-batch512"]
    monkeypatch.setattr(lab_runs, "PUBLISHED", RECORDS / "quick")  # records, but none of the lab's runs
    assert lab_runs.table() == lab_runs.NONE


@pytest.mark.parametrize("readme", READMES)
def test_every_figure_of_the_readmes_text_is_that_of_a_record_and_is_there(readme):
    known, text = facts(), prose(readme)
    assert not [fact for fact in known if fact not in text]
    for fact in sorted(known, key=len, reverse=True):
        text = text.replace(fact, "")
    text = re.sub(r"Python 3\.\d+[,、] ?3\.\d+ (or|或) 3\.\d+", "", text)
    assert not re.findall(r"\d[\d,]*\.\d+|\d[\d,]*\s?(?:%|TFLOP)", text), "a figure from no record"


def test_the_readmes_say_from_how_many_labels_on_scratch_is_better():
    mnist, cifar10 = scratch_wins_from("mnist"), scratch_wins_from("cifar10")
    assert f"the way to use SimCLR. From {mnist:,} labels up" in READMES["README.md"]
    assert f"From {cifar10:,} labels up, training from scratch is better" in READMES["README.md"]
    assert f"使用 SimCLR 的好办法。从 {mnist:,} 个标签开始" in READMES["README.zh.md"]
    assert f"从 {cifar10:,} 个标签开始，从头训练更好" in READMES["README.zh.md"]


def test_the_fine_tuned_encoder_is_ahead_as_the_readmes_say():
    scratch, tuned = (label_curve("cifar10", method) for method in ("from scratch", "fine-tuned"))
    assert all(tuned[count] > scratch[count] for count in COUNTS)


def test_the_readmes_name_the_best_method_and_what_is_better_than_all():
    found = {one.dataset["name"].content: one for one in measured.gather(values.load_all(RECORDS / "methods"))}
    best = {name: max(one.runs, key=one.mean) for name, one in found.items()}
    assert best == {"mnist": "vicreg", "cifar10": "simclr"}
    assert "On CIFAR-10 SimCLR does best. On MNIST VICReg does, by a small margin" in READMES["README.md"]
    assert "在 CIFAR-10 上最好的是 SimCLR。在 MNIST 上最好的是 VICReg，但只领先一点" in READMES["README.zh.md"]
    assert all(one.mean("from scratch") > one.mean(best[name]) for name, one in found.items())
    cifar10 = found["cifar10"]
    seconds = (("cifar10", "vicreg"), ("mnist", "simclr"), ("mnist", "barlow_twins"))
    ahead = [found[name].gains(best[name], second) for name, second in seconds]
    assert [values.beyond_chance([apart])[0] for apart in ahead] == [True, False, False], "settled on CIFAR-10 only"
    assert max(row["effective_rank"].content for row in cifar10.rows("byol")) < measured.COLLAPSED
    assert cifar10.mean("autoencoder") - cifar10.mean("untrained") < measured.LITTLE
    assert all(one.mean("patches") > one.mean(best[name]) for name, one in found.items())
    assert cifar10.rows("patches")[0]["features"].content == 4096
    assert cifar10.rows("simclr")[0]["features"].content == 128


def numbers(text):
    return sorted(re.findall(r"\d[\d,.]*\d|\d", text))


def test_both_readmes_have_the_same_numbers_commands_links_and_pictures():
    english, chinese = READMES.values()
    assert numbers(prose("README.md")) == numbers(prose("README.zh.md"))
    # each has the report, the notebooks and some pages in its own language, and leads to the other
    chinese = re.sub(r"\.zh(?=\.ipynb)|(?<=code|hing|ding)\.zh(?=\.md)", "", chinese)
    code = [re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S)) for text in (english, chinese)]
    assert sorted(code[0]) == sorted(code[1])
    blocks = [re.findall(r"^python lab\.py \w+", text, re.M) for text in (english, chinese)]
    assert blocks[0] == blocks[1] == ["python lab.py report", "python lab.py test"]
    links = [
        sorted(re.findall(r"\]\(([^)]+)\)", text.replace(other, "").replace(f"report.{language}.webp", "report.webp")))
        for text, other, language in ((english, "(README.zh.md)", "en"), (chinese, "(README.md)", "zh"))
    ]
    assert links[0] == links[1]
    headings = [re.findall(r"^#+", text, re.M) for text in (english, chinese)]
    assert headings[0] == headings[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_the_commands_on_every_page_are_understood(page):
    for words in re.findall(r"\bpython lab\.py ([^`\n#]+)", page.read_text(encoding="utf-8")):
        asked = [word for word in words.split() if word != "--cpu"]  # lab.py's own
        parser().parse_known_args(asked) if asked[0] in (
            "test",
            "bench",
            "papermill",
            "lessons",
        ) else parser().parse_args(asked)


def links(page):
    """Where the links and pictures of a Markdown file lead to."""
    for token in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")):
        for child in token.children or ():
            if target := child.attrs.get("href") or child.attrs.get("src"):
                yield str(target)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_no_mark_of_bold_text_is_left(page):
    """Beside Chinese quotation marks ** is no mark of bold text, and stands on the page."""
    for token in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")):
        assert not [child.content for child in token.children or () if child.type == "text" and "**" in child.content]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_every_link_within_the_kit_leads_somewhere(page):
    for target in links(page):
        if not re.match(r"https?:|mailto:", target):
            place, _, heading = unquote(target).partition("#")
            assert not heading, "no links to headings: they change"
            assert (page.parent / place).exists(), target


def test_every_page_is_in_the_index():
    named = set(links(ROOT / "docs/README.md"))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"} <= named


def test_both_pages_on_the_code_name_the_same_folders_and_tests():
    folders = [re.findall(r"^[\w./ ]+?(?=  )", text, re.M) for text in CODE]
    assert len(folders[0]) >= 10
    assert folders[0] == folders[1]
    named = [re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S)) for text in CODE]
    assert sorted(named[0]) == sorted(named[1])


@pytest.mark.parametrize("page", CODE, ids=("en", "zh"))
def test_the_tests_that_the_pages_on_the_code_name_exist(page):
    named = 0
    for line in page.splitlines():
        if file := re.search(r"\]\(\.\./(tests/test_\w+\.py)\)", line):
            tree = ast.parse((ROOT / file[1]).read_text(encoding="utf-8"))
            defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
            tests = re.findall(r"`(test_\w+)`", line)
            assert tests
            assert set(tests) <= defined
            named += len(tests)
    assert named >= 10


def test_the_readmes_picture_is_small_and_in_both_languages():
    for language in ("en", "zh"):
        assert (ROOT / f"figures/report.{language}.webp").stat().st_size <= 200_000


def test_the_ways_to_paper_are_the_records():
    record = json.loads(paper.RECORD.read_text(encoding="utf-8"))
    page = paper.PAGE.read_text(encoding="utf-8")
    assert between_marks(page, "paper", paper.table(record)) == page
    assert list(record["ways"]) == list(paper.WAYS)


def test_the_teachers_plan_counts_the_points_of_what_is_left_out():
    master = json.loads((ROOT / "notebooks/assignment/simclr.ipynb").read_text(encoding="utf-8"))
    graded = [cell["metadata"].get("nbgrader", {}) for cell in master["cells"]]
    points = {one["grade_id"]: one["points"] for one in graded if one.get("points")}
    assert sum(points.values()) == 100
    left = 100 - sum(
        n for name, n in points.items() if name.split("-")[0] in ("shifts", "views", "draw", "curve", "own")
    )
    assert f"leave out 5 and 7, and count {left} points" in (ROOT / "docs/teaching.md").read_text(encoding="utf-8")
    assert f"不做第 5 步和第 7 步，按 {left} 分计" in (ROOT / "docs/teaching.zh.md").read_text(encoding="utf-8")

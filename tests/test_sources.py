"""The lessons and their sources: the notebooks are as generated, alike in code, whole in both languages."""

import ast
import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import nbformat
import pytest
from markdown_it import MarkdownIt

from lib.cli import generate
from lib.cli.address import address, badges, setup, with_badges
from lib.cli.generate import SOURCES, SourceError
from lib.cli.lessons import file_name
from lib.files import ROOT, between_marks, fill
from lib.words import LANGUAGES, load

NAMES = [path.stem for path in sorted(SOURCES.glob("*.md"))]
# What is the same in both languages: code, formulas, addresses, names of people, papers and programs.
SAME = re.compile(r"`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\(?https?://\S+|<[^>]*>|Chen et al\.|Wang & Isola", re.DOTALL)
SENTENCE = re.compile(r"[A-Za-z][a-z'-]+(?:[,;:]? [A-Za-z][a-z'-]*){2,}")


def read(name, language):
    return nbformat.read(ROOT / "notebooks" / file_name(name, language), as_version=4)


def as_run(source):
    """Code without its comments and its language, as Python sees it."""
    return ast.dump(ast.parse(re.sub(r'^language = "\w+"', "language = None", source, flags=re.MULTILINE)))


@pytest.mark.parametrize("name", NAMES)
def test_the_notebooks_are_as_their_source_has_them(name):
    assert generate.main([name, "--check"]) == 0, "run python lab.py lessons"


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_run_the_same_code_in_the_same_cells(name):
    english, chinese = (read(name, language).cells for language in ("en", "zh"))
    assert [(cell.id, cell.cell_type, cell.metadata) for cell in english] == [
        (cell.id, cell.cell_type, cell.metadata) for cell in chinese
    ]
    for one, other in zip(english, chinese, strict=True):
        if one.cell_type == "code":
            assert as_run(one.source) == as_run(other.source), one.id


@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_left_in_the_other_language(name):
    for cell in read(name, "zh").cells:
        said = cell.source if cell.cell_type == "markdown" else "\n".join(re.findall(r"# .*", cell.source))
        assert not SENTENCE.search(SAME.sub("", said)), f"{cell.id}: {SENTENCE.search(SAME.sub('', said))[0]}"
        if cell.cell_type == "markdown":
            assert re.search(r"[\u4e00-\u9fff]{2}", said), cell.id
    for cell in read(name, "en").cells:
        assert not re.search(r"[\u4e00-\u9fff]", cell.source), cell.id


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_no_outputs_and_the_kit_at_hand_everywhere(name, language):
    cells = read(name, language).cells
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    assert cells[1].id == "setup"
    assert address() in cells[1].source
    assert "{{" not in cells[0].source, "the time it takes is filled in"


def test_the_time_of_a_lesson_without_a_record_is_that_of_the_benchmarks(monkeypatch, tmp_path):
    monkeypatch.setattr(generate, "BENCH", tmp_path / "bench.json")
    environment = {"processor": "Abacus", "threads": 1, "device": "cpu"}
    lines = [{"measured": "all of it", "ours": [31.0, 29.0, 300.0]}]
    (tmp_path / "bench.json").write_text(json.dumps({"explore": {"lines": lines, "environment": environment}}))
    whole = generate.time_taken("took", "all of it", load("en"))
    assert whole == "about 30 seconds on an Abacus (threads: 1), without a GPU"
    assert generate.time_taken("first", "all of it", load("zh")) == "30 秒"
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    with pytest.raises(SourceError, match=r"no line of bench\.json has measured 'half of it'"):
        generate.time_taken("took", "half of it", load("en"))
    with pytest.raises(SourceError, match="names no record"):
        generate.time_taken("took", "nowhere/*.json", load("en"))


@pytest.mark.parametrize("name", NAMES)
def test_no_star_of_the_markup_is_seen(name):
    """``**用时：**约`` is no bold print: a mark after Chinese punctuation needs a space or punctuation behind it."""
    for cell in (cell for language in LANGUAGES for cell in read(name, language).cells):
        if cell.cell_type == "markdown":
            shown = MarkdownIt().render(re.sub(r"\$[^$]*\$", "", cell.source))
            assert "*" not in re.sub(r"<code>.*?</code>", "", shown, flags=re.DOTALL), cell.id


def test_an_english_sentence_in_the_chinese_is_seen():
    assert SENTENCE.search("运行之后，the loss falls below it。")
    assert not SENTENCE.search(SAME.sub("", "SimCLR 的 NT-Xent 损失，用 `python lab.py report quick`"))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("# Only English", "1 parts"),
        ("\n<!-- zh -->\n只有中文", "2 parts"),
        ("one\n<!-- zh -->\n一\n<!-- zh -->\n二", "3 parts"),
    ],
)
def test_a_text_that_lacks_a_language_is_refused(source, said):
    with pytest.raises(SourceError, match=said):
        generate.text(source, "zh", "x.md, cell a")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1  # of both views", "a line # zh: is missing"),
        ("# of both views\nx = 1", "a line # zh: is missing"),
        ("x = 1\n# zh: 两个视图", "follows no comment"),
        ("x = 1  # of both views\n# zh: 两个视图\n# zh: 再说一遍", "follows no comment"),
    ],
)
def test_a_comment_that_lacks_a_language_is_refused(source, said):
    with pytest.raises(SourceError, match=said):
        generate.code(source, "en", "x.md, cell a")


def test_comments_and_the_setting_follow_the_language():
    source = 'x = "# no comment"  # the first view\n# zh: 第一个视图\n'
    source += "if x:\n    # both of them\n    # zh: 两个\n    y = 2  # τ"
    english = 'x = "# no comment"  # the first view\nif x:\n    # both of them\n    y = 2  # τ'
    assert generate.code(source, "en", "") == english
    assert generate.code(source, "zh", "") == 'x = "# no comment"  # 第一个视图\nif x:\n    # 两个\n    y = 2  # τ'
    assert generate.code('language = "en"', "zh", "") == 'language = "zh"'


def test_the_address_stands_in_one_place():
    """But for what is generated from it: the notebooks' first cell and the READMEs' badges."""
    generated = {"README.md", "README.zh.md", *(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))}
    listed = subprocess.run(["git", "grep", "-l", address()], cwd=ROOT, capture_output=True, text=True).stdout.split()
    assert {path.rpartition("/")[2] for path in listed} - generated <= {"pyproject.toml"}
    for readme, language in {"README.md": "en", "README.zh.md": "zh"}.items():
        assert badges(language) in (ROOT / readme).read_text(encoding="utf-8")


def test_badges_change_one_line_and_nothing_else():
    page = "# Kit\n\n<!-- badges -->\nold\n<!-- end -->\n\nText.\n\n<!-- results -->\n| 1 |\n<!-- end -->\n"
    assert with_badges(page, "en") == page.replace("old", badges("en"))
    assert with_badges(with_badges(page, "en"), "en") == with_badges(page, "en")
    assert with_badges("# Kit\n", "en") == "# Kit\n"
    assert with_badges(page.replace("old\n", ""), "en") == with_badges(page, "en"), "before there were any"


def test_content_goes_between_its_own_marks():
    page = "a\n<!-- one -->\n<!-- end -->\nb\n<!-- two -->\nold\n<!-- end -->\nc\n<!-- end -->\n"
    filled = between_marks(between_marks(page, "two", "2\\1\n"), "one", "1\n")
    assert filled == "a\n<!-- one -->\n1\n<!-- end -->\nb\n<!-- two -->\n2\\1\n<!-- end -->\nc\n<!-- end -->\n"
    with pytest.raises(ValueError, match="lacks the mark <!-- three -->"):
        between_marks(page, "three", "")


def test_a_page_is_filled_whole_and_with_the_line_ends_that_git_has(tmp_path):
    page = tmp_path / "page.md"
    page.write_bytes("表\r\n<!-- one -->\r\nold\r\n<!-- end -->\r\n".encode())
    fill(page, "one", "新\n")
    assert page.read_bytes() == "表\n<!-- one -->\n新\n<!-- end -->\n".encode()
    with pytest.raises(ValueError, match="lacks the mark <!-- two -->"):
        fill(page, "two", "")


@pytest.mark.slow
def test_the_first_cell_fetches_the_kit_where_it_is_not(tmp_path):
    """With the address of this checkout, and something in pip's place that notes the call: tests have no network."""
    (tmp_path / "instead").mkdir()
    (tmp_path / "instead/pip.py").write_text("import sys; open('../asked', 'w').write(' '.join(sys.argv[1:]))")
    source = setup(load("en")).replace(address(), ROOT.as_uri()) + "\nimport lib.files; print(lib.files.ROOT)"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "instead")}
    run = [sys.executable, "-S", "-c", source]  # -S: without what is installed, the kit among it
    done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == tmp_path / "simclr-lab-kit"
    assert (tmp_path / "asked").read_text() == "install --quiet -r requirements.txt"


ALONE = """
import sys, nbformat
cells = [cell for cell in nbformat.read(sys.argv[1], as_version=4).cells if cell.cell_type == "code"]
names = {"display": lambda shown: print("shown", type(shown).__name__)}
for cell in cells[: [cell.id for cell in cells].index("views-figure") + 1]:
    exec(cell.source.replace(sys.argv[2], sys.argv[3]), names)
import lib.files
print(lib.files.ROOT)
"""


@pytest.mark.slow
def test_a_notebook_alone_in_a_bare_environment_shows_its_first_picture(tmp_path):
    """As on Colab: no kit, no checkout around it. What pip would install is there already; pip itself is noted."""
    venv.create(tmp_path / "bare", symlinks=os.name != "nt")
    python = tmp_path / "bare" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True,
                          text=True).stdout.strip()  # fmt: skip
    (Path(site) / "there.pth").write_text(sysconfig.get_path("purelib"))  # but not what its own .pth files name
    (tmp_path / "instead").mkdir()
    (tmp_path / "instead/pip.py").write_text("import sys; open('../asked', 'w').write(' '.join(sys.argv[1:]))")
    (tmp_path / "explore.ipynb").write_bytes((ROOT / "notebooks/explore.ipynb").read_bytes())
    words = ["-c", ALONE, "explore.ipynb", address(), ROOT.as_uri()]
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "instead")}
    done = subprocess.run([python, *words], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["shown NotebookFigure", str(tmp_path / "simclr-lab-kit")]
    assert (tmp_path / "asked").read_text() == "install --quiet -r requirements.txt"


def test_the_first_cell_does_nothing_at_home(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", setup(load("zh"))], cwd=tmp_path, env=environment, check=True)
    assert not list(tmp_path.iterdir())


def test_a_kernel_of_another_python_is_told_and_fetches_no_second_kit(tmp_path):
    (tmp_path / "lab.py").touch()
    (inside := tmp_path / "my-notebooks").mkdir()
    for where in (tmp_path, inside):
        ended = subprocess.run(  # -S: without the packages
            [sys.executable, "-I", "-S", "-c", setup(load("zh"))], cwd=where, capture_output=True, text=True,
        )  # fmt: skip
        assert "RuntimeError: This kernel is another Python. Open the notebook with python lab.py" in ended.stderr
        assert not (where / "simclr-lab-kit").exists()

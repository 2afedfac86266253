"""Whose hand-in is whose, and that none goes missing."""

import io
import os
import time
import zipfile
from datetime import datetime

import nbformat
import pytest

from lib.teach import handins, master, pages, release, words
from lib.teach.grade import Graded
from lib.teach.handins import HandIn, collect
from tests import tiny_assignment as tiny

ZHANG, LI, WANG = "20230010-张三", "20230011-李四", "20230012-王五"


def text(name="", number="", **sources) -> bytes:
    return nbformat.writes(tiny.hand_in(name, number, **sources)).encode()


def zipped(members, flag=0x800) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members:
            archive.writestr(name, member)
    return content.getvalue()


def named(*entries):
    """What is known of hand-ins, by their places: each is (place, name in the notebook, number in the notebook)."""
    found = [HandIn(place, text(name, number)) for place, name, number in entries]
    for item in found:
        handins._open(item)
    handins._name(found, "")
    return {item.place: item for item in handins._newest(found)}


def shown(*entries):
    return [(item.number, item.name, item.notes) for item in named(*entries).values()]


def write(path, content=b"x", when=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if when:
        os.utime(path, (datetime(2026, 5, when).timestamp(),) * 2)


def test_who_handed_in_something_else_is_told_of(tmp_path):
    write(tmp_path / ZHANG / "x.ipynb", text())
    write(tmp_path / ZHANG / "data/x.csv")
    write(tmp_path / LI / "x.html")
    write(tmp_path / LI / "code/x.py")
    (tmp_path / WANG).mkdir()
    write(tmp_path / "20230013-赵六.zip", zipped([("x.pdf", b"%PDF")]))
    write(tmp_path / "20230014-钱七.zip", zipped([]))
    write(tmp_path / "20230015-孙八.py")
    write(tmp_path / "孙一_111_assignsubmission_file/x.docx")
    write(tmp_path / "周九/x.docx")
    write(tmp_path / "readme.txt")
    found = {item.place: (item.number, item.name, item.problem, item.detail) for item in collect(tmp_path)}
    assert found == {
        f"{ZHANG}/x.ipynb": ("20230010", "张三", "", ""),
        LI: ("20230011", "李四", "nothing", "code/x.py, x.html"),
        WANG: ("20230012", "王五", "empty", WANG),
        "20230013-赵六.zip": ("20230013", "赵六", "nothing", "x.pdf"),
        "20230014-钱七.zip": ("20230014", "钱七", "empty", "20230014-钱七.zip"),
        "20230015-孙八.py": ("20230015", "孙八", "nothing", "20230015-孙八.py"),
        "孙一_111_assignsubmission_file": ("", "孙一", "nothing", "x.docx"),
        "周九": ("", "", "nothing", "x.docx"),
    }


def test_who_handed_in_nothing_in_the_zip_file_of_a_class_is_told_of(tmp_path):
    members = [(f"{ZHANG}/x.ipynb", text()), (f"{LI}/x.html", b"x"), (f"{WANG}.zip", zipped([("x.py", b"x")]))]
    write(tmp_path / "class.zip", zipped(members))
    for given in (tmp_path, tmp_path / "class.zip"):
        assert [item.problem for item in collect(given)] == ["", "nothing", "nothing"]


def test_a_students_other_folders_and_files_are_no_hand_ins(tmp_path):
    for who in ("甲一", "乙二", ZHANG):
        for name in ("lab/a.ipynb", "lab/b.ipynb", "lab/data/x.csv"):
            write(tmp_path / "class" / who / name, text())
    write(tmp_path / f"class/{ZHANG}.html")
    write(tmp_path / "class/丙三/x.html")
    problems = [(item.place, item.problem) for item in collect(tmp_path) if item.problem]
    assert problems == [("class/丙三", "nothing")]
    assert [item.others for item in collect(tmp_path) if item.number] == [[f"class/{ZHANG}/lab/a.ipynb"]]


def test_a_folder_of_no_hand_ins_holds_none(tmp_path):
    write(tmp_path / "photos/a.jpg")
    assert not collect(tmp_path)


def test_a_notebook_that_a_browser_renamed_is_read(tmp_path):
    for name in ("a.ipynb.txt", "b.ipynb.json"):
        write(tmp_path / name, text("Ada", "7"))
    write(tmp_path / f"{LI}.zip", zipped([("a.ipynb.txt", text())]))
    assert [(item.problem, item.number) for item in collect(tmp_path)] == [("", "20230011"), ("", "7"), ("", "7")]


@pytest.mark.parametrize(
    ("place", "said", "found"),
    [
        (f"{LI}/x.ipynb", ("张三", "20230011"), ("20230011", "李四", [("name", ["李四", "张三"])])),
        (f"{LI}/x.ipynb", ("张三", "20230010"), ("20230011", "李四", ["number", ("name", ["李四", "张三"])])),
        (f"{LI}/x.ipynb", ("李 四", "２０２３ 0011"), ("20230011", "李 四", [])),
        (f"{LI}/x.ipynb", ("-----", "20230011"), ("20230011", "李四", [])),
        (f"{LI}/x.ipynb", ("Li Si", "20230011"), ("20230011", "李四", [])),
        ("李四_222_assignsubmission_file/x.ipynb", ("张三", "20230010"),
         ("20230010", "李四 (张三)", [("name", ["李四", "张三"])])),
        ("Li Si_222_assignsubmission_file/x.ipynb", ("李四", "20230011"), ("20230011", "Li Si (李四)", [])),
        ("lovelaceada_LATE_4711_99887_simclr.ipynb", ("Ada Lovelace", "7"), ("7", "Ada Lovelace", [])),
        ("20230011_simclr.ipynb", ("Ada", "20230011"), ("20230011", "Ada", [])),
        ("SA23010001-张三/x.ipynb", ("张三", "sa 23010001"), ("SA23010001", "张三", [])),
        ("张三-13800000000/x.ipynb", ("张三", "20230010"),
         ("20230010", "张三", [("phone", ["13800000000", "20230010"])])),
        ("13800000000-张三/x.ipynb", ("张三", ""), ("13800000000", "张三", [])),
        ("张三_20230010_1_simclr.ipynb", ("", ""), ("20230010", "张三", [])),
        ("计科2301_20230010_张三/x.ipynb", ("", ""), ("20230010", "张三", [])),
    ],
)  # fmt: skip
def test_the_paths_name_and_number_win_and_it_is_told_where_they_differ(place, said, found):
    assert shown((place, *said)) == [found]


@pytest.mark.parametrize("pattern", ["实验五-{}-{}/x.ipynb", "计科_{}_{}/x.ipynb", "作业_{}_{}.ipynb"])
def test_of_several_chinese_words_that_one_is_the_name_which_varies(pattern):
    entries = [(pattern.format(*student.split("-")), "", "") for student in (ZHANG, LI, WANG)]
    assert [name for _, name, _ in shown(*entries)] == ["张三", "李四", "王五"]


def test_namesakes_of_a_large_class_keep_their_name():
    others = [(f"{20230020 + n}_甲{chr(0x4E00 + n)}_作业.ipynb", "", "") for n in range(20)]
    same = [("20230001_张伟_初稿.ipynb", "", ""), ("20230002_张伟_终稿.ipynb", "", "")]
    assert [name for _, name, _ in shown(*same, *others)][:2] == ["张伟", "张伟"]


def test_all_names_of_a_zip_file_are_in_one_encoding(tmp_path):
    odd = next(
        name
        for first in range(0x4E00, 0x9FA5)
        if is_utf8((name := chr(first) + "伞").encode("gb18030")) or is_utf8((name := chr(first) * 2).encode("gb18030"))
    )
    raw = zipped([("aaaa.ipynb", text("", "1")), ("bbbb.ipynb", text("", "2"))])
    raw = raw.replace(b"aaaa.ip", odd.encode("gbk") + b".ip").replace(b"bbbb.ip", "张三".encode("gbk") + b".ip")
    write(tmp_path / "x.zip", raw)
    assert {item.place for item in collect(tmp_path)} == {f"x.zip/{odd}.ipynb", "x.zip/张三.ipynb"}


def is_utf8(raw):
    try:
        return bool(raw.decode())
    except UnicodeDecodeError:
        return False


@pytest.mark.parametrize(
    ("newer", "problem"), [("v2.rar", "archive"), ("v2.ipynb", "unreadable"), ("v2.zip", "broken")]
)
def test_a_newer_file_that_cannot_be_read_has_a_line_of_its_own(tmp_path, newer, problem):
    write(tmp_path / LI / "v1.ipynb", text(), 3)
    write(tmp_path / LI / newer, b"{", 4)
    write(tmp_path / LI / "v0.rar", b"{", 2)
    first, second = collect(tmp_path)
    assert (first.place, first.who, first.others) == (f"{LI}/v1.ipynb", "20230011", [f"{LI}/v0.rar"])
    assert first.notes == [("unread", [f"{LI}/{newer}"])]
    assert (second.place, second.problem, second.who) == (f"{LI}/{newer}", problem, f"20230011 ({LI}/{newer})")
    assert "could not be read" in words.load("en")("note.unread", ids=newer)


@pytest.mark.parametrize("bare", [False, True])
def test_a_notebook_without_work_takes_the_place_of_none(tmp_path, bare):
    stub = words.load("zh")["stub.code"].replace("\n", "\n    ")
    empty = {name: getattr(tiny, name.upper()).format(stub) for name in ("square", "loss", "freeze")}
    blank = tiny.hand_in("", "", "zh", **empty, words=words.load("zh")["stub.text"])
    write(tmp_path / LI / "simclr.zh.ipynb", nbformat.writes(blank).encode(), 4)
    solved = tiny.hand_in("", "")
    for cell in solved.cells if bare else []:  # as Colab leaves it
        cell.metadata.pop("nbgrader")
    write(tmp_path / LI / "simclr.ipynb", nbformat.writes(solved).encode(), 3)
    (kept,) = collect(tmp_path)
    assert (kept.place, kept.others) == (f"{LI}/simclr.ipynb", [f"{LI}/simclr.zh.ipynb"])


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_of_one_name_are_told_apart(tmp_path):
    write(tmp_path / "x.zip", zipped([("a.ipynb", text("甲", "1")), ("a.ipynb", text("乙", "2"))]))
    assert {item.place: item.number for item in collect(tmp_path)} == {"x.zip/a.ipynb": "1", "x.zip/a.ipynb#2": "2"}


def test_nobody_can_choose_to_be_called_what_another_is():
    victim, mate = "李四_222_assignsubmission_file/x.ipynb", "同伙_333_assignsubmission_file/x.ipynb"
    found = named(
        (victim, "李四", "20230011"), (mate, "同伙", "20230011"), ("z.ipynb", f"20230011 ({victim})", ""),
    )  # fmt: skip
    assert len({item.who for item in found.values()}) == 3
    assert found[victim].who == f"20230011 ({victim})"


def test_lines_of_magic_hold_nobody_up():
    source = "number = '7'\n" + "%time x\n" * 450 + "x = 1\n" * 20_000
    began = time.process_time()
    assert master.names_set(source) == {"number", "x"}
    assert master.names_set("%time x\nnumber = !ls\nx = 1") == {"number", "x"}
    assert time.process_time() - began < 5
    notebook = tiny.hand_in(student=source)
    assert handins._said(notebook) == {}, "a cell for a name is not as long"


def test_a_small_archive_holds_no_gigabyte(tmp_path, monkeypatch):
    monkeypatch.setattr(handins, "SMALL", 5 << 20)
    large = zipped([(f"{n}.ipynb", b" " * (1 << 20)) for n in range(10)])
    write(tmp_path / f"{LI}.zip", large)
    write(tmp_path / f"{ZHANG}.zip", zipped([("x.ipynb", text()), ("data.csv", b" " * (10 << 20))]))
    assert [(item.problem, len(item.content)) for item in collect(tmp_path)] == [("", 32), ("bomb", 0)]


def test_two_masters_of_one_language_are_refused(tmp_path):
    tiny.write_master(tmp_path)
    assert len(release.masters(tmp_path)) == 2
    nbformat.write(tiny.master(), tmp_path / "old.ipynb")
    with pytest.raises(master.MasterError, match=r"old.ipynb and .*tiny.ipynb are both masters in the language “en”"):
        release.masters(tmp_path)


@pytest.mark.parametrize(("change", "named"), [("points", "loss-check"), ("grade_id", "loss-check, other")])
def test_masters_that_ask_for_different_things_are_refused(tmp_path, change, named):
    tiny.write_master(tmp_path)
    notebook = tiny.master("zh")
    about = next(cell.metadata["nbgrader"] for cell in notebook.cells if master.grade_id(cell) == "loss-check")
    about[change] = {"points": 5, "grade_id": "other"}[change]
    nbformat.write(notebook, tmp_path / "tiny.zh.ipynb")
    with pytest.raises(master.MasterError, match=f"tiny.ipynb and .*tiny.zh.ipynb differ .*: {named}."):
        release.masters(tmp_path)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_note_and_problem_is_a_sentence(language):
    say, given = words.load(language), [("name", ["李四", "张三"]), ("phone", ["1380", "7"]), ("unread", ["v2.rar"])]
    notes = pages.notes_of(Graded("7", "7", "李四", "v1.ipynb", notes=["number", "twice", *given]), say)
    assert [ids in note for (_, (*_, ids)), note in zip(given, notes[2:], strict=True)] == [True] * 3
    assert "{" not in "".join(notes)
    assert "x.html" in say("problem.nothing", detail="x.html")
    assert "x.zip" in say("problem.empty", detail="x.zip")

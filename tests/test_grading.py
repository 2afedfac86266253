"""What is handed out, what comes back, and the files that grading leaves."""

import csv
import io
import json
import os
import re
import shutil
import sys
import types
import zipfile
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path

import nbformat
import pytest

from lib.cli import __main__ as command
from lib.files import ROOT, file_digest
from lib.runs import records
from lib.teach import align, alike, grade, handins, marks, master, release, reports, results, words
from lib.teach.box import walls
from lib.teach.box.judge import Judge, Piece
from lib.teach.box.process import Box, Killed, Limits
from lib.teach.grade import Graded
from tests import tiny_assignment as tiny
from tests.test_lab import Kit


@pytest.fixture(scope="module")
def masters(tmp_path_factory):
    return tiny.write_master(tmp_path_factory.mktemp("master"))


def text(notebook) -> bytes:
    return nbformat.writes(notebook).encode()


def zipped(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def test_what_is_handed_out_holds_nothing_hidden_and_speaks_its_language(masters, tmp_path):
    files = release.release(masters, tmp_path / "out")
    assert [path.name for path in files] == ["README.md", "README.zh.md", "tiny.ipynb", "tiny.zh.ipynb"]
    for language, stub in (("en", "# Write your code here"), ("zh", "# 在这里写代码")):
        given = (tmp_path / "out" / ("tiny.ipynb" if language == "en" else "tiny.zh.ipynb")).read_text(encoding="utf-8")
        for secret in ("x * x\\n", "56.25", "secret message", "requires_grad_", "SOLUTION", tiny.TEXT[language][2]):
            assert secret not in given
        assert stub in given
        assert words.load(language)["stub.text"] in given
        assert "must be 9" in given
    with pytest.raises(release.ReleaseError, match="is there already"):
        release.release(masters, tmp_path / "out")
    assert release.release(masters, tmp_path / "out", overwrite=True)


def test_a_folder_of_something_else_is_never_replaced(masters, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(release.ReleaseError, match="no assignment handed out before"):
        release.release(masters, tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").exists()


def test_a_file_in_the_way_of_the_handout_is_named(masters, tmp_path):
    (tmp_path / "file").touch()
    for out in ("file", "file/handout"):
        with pytest.raises(release.ReleaseError, match="file is a file, not a folder"):
            release.release(masters, tmp_path / out, overwrite=True)


def test_a_secret_that_metadata_would_give_away_is_refused(masters):
    notebook = tiny.master()
    notebook.metadata["lab"]["hint"] = "return square(z).sum(1).mean()"
    with pytest.raises(release.ReleaseError, match="would be handed out"):
        release.stripped(notebook, "en")


def test_the_stripped_notebook_has_no_points_and_the_master_all(masters):
    one = master.load(masters / "tiny.ipynb")
    box = Box(walls.best(), Limits(cell=20, total=60), hidden=(masters,))
    for notebook, right in ((tiny.master(), True), (release.stripped(tiny.master(), "en"), False)):
        outcomes = Judge(one, box).grade(align.align(notebook.cells, one).pieces)["tests"]
        assert [o["points"] for o in outcomes] == ([4, 6, 3] if right else [0, 0, 0])


@pytest.mark.parametrize(
    ("place", "number", "name"),
    [
        ("Ada Lovelace_12345_assignsubmission_file/x.ipynb", "", "Ada Lovelace"),
        ("lovelaceada_LATE_4711_99887_simclr.ipynb", "", "lovelaceada"),
        ("20230017-张三/作业.ipynb", "20230017", "张三"),
        ("李四_20230018_作业.ipynb", "20230018", "李四"),
        ("x.ipynb", "", ""),
    ],
)
def test_platforms_put_names_into_paths(place, number, name):
    assert handins._placed([place])[0][:2] == (number, name)


ZHANG, LI = "20230017-张三", "20230018-李四"


@pytest.mark.parametrize(
    ("places", "numbers"),
    [
        ([f"实验_20260312.zip/{who}.zip/x.ipynb" for who in (ZHANG, LI)], ["20230017", "20230018"]),
        ([f"{ZHANG}/simclr_20260312.ipynb", f"{LI}/simclr_20260312.ipynb"], ["20230017", "20230018"]),
        (["张三/simclr_20260312.ipynb", "李四/simclr_20260312.ipynb"], ["1", "2"]),
        (["zhang_20260312.ipynb", "li_20260312.ipynb"], ["1", "2"]),
        ([f"实验_20260312.zip/{who}/x.ipynb" for who in ("张三", "李四", "王五")], ["1", "2", "3"]),
        ([f"{ZHANG}.zip/{LI}/x.ipynb", f"{LI}.zip/x.ipynb"], ["20230017", "20230018"]),
        ([f"{ZHANG}.zip/{LI}/x.ipynb", f"{ZHANG}.zip/20230019-王五/x.ipynb", f"{LI}.zip/x.ipynb"],
         ["1", "20230019", "3"]),
    ],
)  # fmt: skip
def test_neither_a_date_nor_an_archive_makes_one_student_of_two(tmp_path, places, numbers):
    found = [handins.HandIn(place, text(tiny.hand_in("", str(n)))) for n, place in enumerate(places, 1)]
    for item in found:
        handins._open(item)
    handins._name(found, "")
    assert [item.number for item in found] == numbers
    assert len(handins._newest(found)) == len(places)


def test_the_number_of_an_archive_is_nobodys(tmp_path):
    content = zipped(**{"x.ipynb": text(tiny.hand_in("", "7"))})
    (tmp_path / "实验一_20260312.zip").write_bytes(content)
    assert [item.number for item in handins.collect(tmp_path / "实验一_20260312.zip")] == ["7"]


@pytest.mark.parametrize("folder", [ZHANG, "Zhang San_12345_assignsubmission_file"])
@pytest.mark.parametrize("said", [("", ""), ("", "20230017"), ("wrong", "20230017")])
def test_of_one_students_files_the_newest_counts_though_they_bear_dates(folder, said):
    found = [
        handins.HandIn(f"{folder}/simclr_2026031{n}.ipynb", text(tiny.hand_in("张三", number)), n)
        for n, number in zip((2, 3), said, strict=True)
    ]
    for item in found:
        handins._open(item)
    handins._name(found, "")
    (kept,) = handins._newest(found)
    assert (kept.number, kept.place, len(kept.others)) == (
        "20230017" if folder == ZHANG else said[1], found[1].place, 1,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["Zhang Wei_{}_assignsubmission_file/a.ipynb", "zhangwei_{}_4711_a.ipynb"])
def test_students_of_one_name_are_two(tmp_path, name):
    for student in (12345, 67890):
        path = tmp_path / name.format(student)
        path.parent.mkdir(exist_ok=True)
        nbformat.write(tiny.hand_in("", ""), path)
    found = handins.collect(tmp_path)
    assert len({item.who for item in found}) == 2
    assert not any(item.others for item in found)


def test_nobody_takes_anothers_place_by_an_archive_that_imitates_the_platform(tmp_path):
    theirs = "Zhang Wei_67890_assignsubmission_file"
    mine = tmp_path / "Mallory_12345_assignsubmission_file"
    for folder in (tmp_path / theirs, mine):
        folder.mkdir()
    nbformat.write(tiny.hand_in("", ""), tmp_path / theirs / "a.ipynb")
    (mine / "lab.zip").write_bytes(zipped(**{f"{theirs}/a.ipynb": text(tiny.hand_in("", ""))}))
    found = {item.name: item.place for item in handins.collect(tmp_path)}
    assert found == {"Mallory": f"{mine.name}/lab.zip/{theirs}/a.ipynb", "Zhang Wei": f"{theirs}/a.ipynb"}


def test_no_cell_stops_the_class(masters, tmp_path):
    given = tmp_path / "in"
    given.mkdir()
    odd = ["%time x\n" * 600, f"number = 0x{'f' * 5000}", "s = '\ud800'", f"x = {'1 + ' * 3000}1"]
    for number, source in enumerate(odd):
        notebook = tiny.hand_in("Ada", "20260001")
        for cell in [cell for cell in notebook.cells if cell.cell_type == "code"]:
            cell.source = source
        # nbformat writes no half of a character; JSON has an escape for it
        (given / f"{number}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    nbformat.write(tiny.hand_in("Bo", "20260002"), given / "good.ipynb")
    room = class_room(masters, tmp_path)
    assert len(list(room.grade(handins.collect(given), 2))) == 5
    room.write()
    assert grades(tmp_path)["good.ipynb"]["By tests"] == "13.0"


def test_an_archive_that_is_broken_inside_stops_nobody(tmp_path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.ipynb", text(tiny.hand_in()))
    raw = bytearray(content.getvalue())
    raw[60:200] = bytes(140)
    (tmp_path / "a.zip").write_bytes(raw)
    nbformat.write(tiny.hand_in(), tmp_path / "b.ipynb")
    assert [item.problem for item in handins.collect(tmp_path)].count("broken") == 1


def test_the_folder_with_the_only_master_is_never_replaced(masters, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(masters, folder)
    for out in (folder, tmp_path):
        with pytest.raises(release.ReleaseError, match="holds no assignment handed out before"):
            release.release(folder, out, overwrite=True)
    assert {path.name for path in folder.iterdir()} == {path.name for path in masters.iterdir()}
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.ipynb").write_text("years of work")
    with pytest.raises(release.ReleaseError, match="holds no assignment handed out before"):
        release.release(folder, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out/thesis.ipynb").exists()


def test_what_the_teacher_writes_while_it_is_graded_stays(masters, tmp_path):
    (tmp_path / "in").mkdir()
    nbformat.write(tiny.hand_in("Ada", "20260001"), tmp_path / "in/a.ipynb")
    items = handins.collect(tmp_path / "in")
    first = class_room(masters, tmp_path)
    list(first.grade(items, 1))
    first.write()
    again, path = class_room(masters, tmp_path), tmp_path / "out/manual.csv"
    lines = marks.read_csv(path)
    lines[1][3:5] = ["3", "good"]
    marks.write_csv(path, lines)
    list(again.grade(items, 1))
    again.write()
    assert marks.read_csv(path)[1][3:5] == ["3", "good"]
    assert grades(tmp_path)["a.ipynb"]["By hand"] == "3.0"


def test_zip_files_of_platforms_with_chinese_names_in_gbk(tmp_path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        member = zipfile.ZipInfo("2023-x.ipynb")
        archive.writestr(member, text(tiny.hand_in("", "")))
    raw = content.getvalue().replace(b"2023-x.ipynb", "张三丰.ipynb".encode("gbk"))
    (tmp_path / "class.zip").write_bytes(
        zipped(**{"20230017-张三.zip": zipped(**{"a.ipynb": text(tiny.hand_in("", ""))})})
    )
    (tmp_path / "gbk.zip").write_bytes(raw)
    found = handins.collect(tmp_path)
    assert ("20230017", "张三") in {(item.number, item.name) for item in found}
    assert "gbk.zip/张三丰.ipynb" in [item.place for item in found]


def test_harmful_archives_are_refused_and_the_rest_is_read(tmp_path, monkeypatch):
    good = text(tiny.hand_in())
    monkeypatch.setattr(handins, "LARGEST", 1 << 20)
    (tmp_path / "a.zip").write_bytes(zipped(**{"../evil.ipynb": good, "/etc/x.ipynb": good, "fine.ipynb": good}))
    (tmp_path / "bomb.zip").write_bytes(zipped(**{"big.ipynb": b"0" * (8 << 20)}))
    (tmp_path / "half.zip").write_bytes(zipped(**{"x.ipynb": good})[:200])
    (tmp_path / "x.rar").write_bytes(b"Rar!")
    (tmp_path / "no.ipynb").write_text("{")
    problems = {item.place: item.problem for item in handins.collect(tmp_path)}
    assert problems == {
        "a.zip/../evil.ipynb": "path", "a.zip//etc/x.ipynb": "path", "a.zip/fine.ipynb": "",
        "bomb.zip/big.ipynb": "bomb",
        "half.zip": "broken", "x.rar": "archive", "no.ipynb": "unreadable",
    }  # fmt: skip


@pytest.mark.parametrize("newer", ["plain", "zip"])
def test_the_newest_counts_in_a_zip_file_or_beside_it(tmp_path, newer):
    plain = tmp_path / "20230001-甲-second.ipynb"
    nbformat.write(tiny.hand_in("甲", "20230001"), plain)
    os.utime(plain, (datetime(2026, 5, 4).timestamp(),) * 2)
    with zipfile.ZipFile(tmp_path / "20230001-甲.zip", "w") as archive:
        date = (2026, 5, 3, 23, 59, 58) if newer == "plain" else (2026, 5, 4, 0, 0, 2)
        archive.writestr(zipfile.ZipInfo("first.ipynb", date), text(tiny.hand_in("甲", "20230001")))
    (kept,) = handins.collect(tmp_path)
    places = [plain.name, "20230001-甲.zip/first.ipynb"]
    assert [kept.place, *kept.others] == (places if newer == "plain" else places[::-1])


def test_a_date_that_is_none_is_older_than_any():
    assert handins._seconds((1980, 0, 0, 0, 0, 0)) == 0


def test_nobody_takes_anothers_place_by_writing_their_number(tmp_path):
    for folder in ("20230001-甲", "20230002-乙"):
        (tmp_path / folder).mkdir()
        nbformat.write(tiny.hand_in("甲", "20230001"), tmp_path / folder / "x.ipynb")
    found = handins.collect(tmp_path)
    assert [item.number for item in found] == ["20230001", "20230002"]
    assert found[1].notes == ["number", ("name", ["乙", "甲"])]


def test_metadata_that_a_program_dropped_is_found_again(masters):
    one = master.load(masters / "tiny.ipynb")
    notebook = tiny.hand_in()
    for cell in notebook.cells:
        cell.metadata.pop("nbgrader")
        cell["id"] = "other"
    laid = align.align(notebook.cells, one)
    assert {"square", "loss", "freeze"} <= {name for _, name in laid.roles}


def test_the_kits_own_loss_is_told_of(masters):
    one, notebook = master.load(masters / "tiny.ipynb"), tiny.hand_in()
    assert not align.borrowed(align.align(notebook.cells, one), notebook.cells, one)
    (loss,) = [cell for cell in notebook.cells if master.grade_id(cell) == "loss"]
    loss.source = tiny.LOSS.format("from lib.loss import nt_xent_loss\n    return nt_xent_loss(z)")
    told = (
        "from lib.teach.checks import losses",
        "import lib.loss as l",
        "from lib.explore.loss import nt_xent_loss",
        "from lib.teach import checks",
        "right = check.ntxent.__func__.__globals__['losses'].right",
        "%%capture\nfrom lib.loss import nt_xent_loss",
    )
    harmless = ("from lib.teach import own", "from lib.teach.checks import en as check", "%%time\nx = 1")
    first = len(notebook.cells)
    for source in (*told, *harmless):
        notebook.cells.append(nbformat.v4.new_code_cell(source))
    found = align.borrowed(align.align(notebook.cells, one), notebook.cells, one)
    assert found == ["loss", *(f"#{first + n}" for n in range(1, len(told) + 1))]


def test_a_loss_of_the_kits_is_told_of_beside_a_broken_copy_of_its_cell(masters):
    one, notebook = master.load(masters / "tiny.ipynb"), tiny.hand_in()
    place = next(i for i, cell in enumerate(notebook.cells) if master.grade_id(cell) == "loss")
    notebook.cells[place].source = tiny.LOSS.format("from lib.loss import nt_xent_loss\n    return nt_xent_loss(z)")
    broken = nbformat.from_dict(notebook.cells[place] | {"source": "def loss(z:"})
    notebook.cells.insert(place, broken)
    assert align.borrowed(align.align(notebook.cells, one), notebook.cells, one) == ["loss"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("number = '20230010'", True),
        ("%%time\nnumber = '20230010'", True),
        ("def change():\n    global number\n    number = '20230010'\nchange()", True),
        ("globals()['number'] = '20230010'", True),
        ("for number in ('20230010',):\n    pass", True),
        ("number = 20260001", False),
        ("number = ''", False),
        ("def count(number):\n    number = number + 1\n    return number", False),
        ("print(number)", False),
    ],
)
def test_a_number_that_a_later_cell_replaces_is_told_of(masters, source, told):
    notebook = tiny.hand_in()
    notebook.cells.append(nbformat.v4.new_code_cell(source))
    notes = dict(align.align(notebook.cells, master.load(masters / "tiny.ipynb")).notes)
    assert notes.get("renumbered", []) == ([f"#{len(notebook.cells)}"] if told else [])


@pytest.mark.parametrize("source", [f"number = 0x{'f' * 5000}", f"x = {'-' * 900}1", "return number", "s = '\ud800'"])
def test_no_odd_cell_stops_what_is_told_of(masters, source):
    one, notebook = master.load(masters / "tiny.ipynb"), tiny.hand_in()
    notebook.cells.append(nbformat.v4.new_code_cell(source))
    assert align.borrowed(align.align(notebook.cells, one), notebook.cells, one) == []


def test_a_number_that_its_own_cell_replaces_is_told_of(masters):
    notebook = tiny.hand_in(student="number = '20230011'\nnumber = '20230010'")
    assert ("renumbered", ["student"]) in align.align(notebook.cells, master.load(masters / "tiny.ipynb")).notes


@pytest.fixture(scope="module")
def graded(masters, tmp_path_factory):
    """Three hand-ins, graded."""
    folder = tmp_path_factory.mktemp("class")
    given = folder / "in"
    given.mkdir()
    nbformat.write(tiny.hand_in("Ada", "20260001"), given / "ada.ipynb")
    wrong = tiny.SQUARE.format("return abs(x)")
    nbformat.write(tiny.hand_in("小明", "20260002", "zh", square=wrong, words=""), given / "b.ipynb")
    nbformat.write(tiny.hand_in("=cmd()", "20260003", square="def square(x:"), given / "c.ipynb")
    (given / "notes.ipynb").write_text("{}", encoding="utf-8")
    room = class_room(masters, folder)
    assert not any(before for one, before in room.grade(handins.collect(given), 2) if not one.problem)
    room.write()
    return folder


def class_room(masters, folder):
    return results.Room(folder / "out", release.masters(masters), Limits(cell=20, total=60), walls.best(), [masters])


def grades(folder):
    lines = list(csv.reader(io.StringIO((folder / "out/grades.csv").read_bytes().decode("utf-8-sig"))))
    return {line[2]: dict(zip(lines[0], line, strict=True)) for line in lines[1:]}


def test_grades_are_a_table_that_excel_opens(graded):
    assert (graded / "out/grades.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    found = grades(graded)
    assert [found[name]["By tests"] for name in ("ada.ipynb", "b.ipynb", "c.ipynb")] == ["13.0", "3.0", "3.0"]
    assert found["c.ipynb"]["Student"] == "'=cmd()"
    assert found["b.ipynb"]["By hand"] == "0.0", "where nothing is written there is nothing to mark"
    assert "no notebook" in found["notes.ipynb"]["Worth a look"]


def test_feedback_is_in_the_language_of_the_hand_in_and_loads_nothing(graded):
    ada, ming, _ = sorted((graded / "out/feedback").glob("*.html"))
    assert 'lang="en"' in ada.read_text(encoding="utf-8")
    page = ming.read_text(encoding="utf-8")
    assert 'lang="zh-CN"' in page
    assert "此处没有作答" in page
    assert "src=" not in page
    assert "<script" not in page


def test_only_what_changed_is_graded_again_and_marks_by_hand_stay(masters, graded):
    path = graded / "out/manual.csv"
    lines = marks.read_csv(path)
    lines[1][3:5] = ["6,5", "gut"]
    path.write_bytes("\n".join(";".join(line) for line in lines).encode("gb18030"))  # as Excel saves it
    nbformat.write(tiny.hand_in("=cmd()", "20260003"), graded / "in/c.ipynb")
    room = class_room(masters, graded)
    new = [one.place for one, before in room.grade(handins.collect(graded / "in"), 1) if not before]
    room.write()
    assert new == ["c.ipynb"]
    found = grades(graded)
    assert (found["ada.ipynb"]["By hand"], found["ada.ipynb"]["All together"]) == ("6.5", "19.5")
    assert found["c.ipynb"]["By tests"] == "13.0"
    assert marks.read_csv(path)[1][3:5] == ["6,5", "gut"]
    path.write_text(path.read_text(encoding="utf-8-sig").replace("6,5", "60").replace('"60"', "60"), encoding="utf-8")
    with pytest.raises(marks.MarksError, match="'60'"):
        class_room(masters, graded)


def test_students_read_the_comment_that_the_teacher_wrote_however_often_it_is_graded(masters, tmp_path):
    questions = list(master.load(masters / "tiny.ipynb").manual.values())
    one, name = Graded("20260001", "20260001", "Ada", "ada.ipynb"), questions[0].id
    path = tmp_path / "manual.csv"
    marks.Marks(path, questions).write([one])
    lines = marks.read_csv(path)
    lines[1][3:5] = ["+3", "- missing axis"]
    marks.write_csv(path, lines)
    for _ in range(3):
        given = marks.Marks(path, questions)
        assert (given.points(one, name), given.comment(one, name)) == (3, "- missing axis")
        given.write([one])
        assert "'- missing axis" in path.read_text(encoding="utf-8-sig"), "in a spreadsheet it is no formula"
    assert marks._bare("'tis") == "'tis"


def test_marks_stay_with_their_student_when_a_namesake_comes_and_goes(masters, tmp_path):
    questions = list(master.load(masters / "tiny.ipynb").manual.values())
    path, name = tmp_path / "manual.csv", questions[0].id
    ada, other = Graded("Ada", "", "Ada", "a.ipynb"), Graded("Ada (b.ipynb)", "", "Ada", "b.ipynb")
    marks.Marks(path, questions).write([ada])
    lines = marks.read_csv(path)
    lines[1][3] = "4"
    marks.write_csv(path, lines)
    ada.who = "Ada (a.ipynb)"
    both = marks.Marks(path, questions)
    both.write([other, ada])
    assert [line[3] for line in marks.read_csv(path)[1:]] == ["", "4"]
    assert both.points(ada, name) == 4
    ada.who = "Ada"
    alone = marks.Marks(path, questions)
    alone.write([ada])
    assert alone.points(ada, name) == 4
    assert [line[0] for line in marks.read_csv(path)[1:]] == ["#Ada", "#Ada (b.ipynb)"]
    newer = Graded("Ada", "", "Ada", "newer.ipynb", others=["a.ipynb"])
    alone.write([newer])
    assert alone.points(newer, name) == 4


def test_points_are_for_the_answer_they_were_given_for(masters, tmp_path):
    questions = list(master.load(masters / "tiny.ipynb").manual.values())
    path, name = tmp_path / "manual.csv", questions[0].id
    one = Graded("7", "7", "Ada", "a.ipynb", answers={name: "because"})
    marks.Marks(path, questions).write([one])
    lines = marks.read_csv(path)
    lines[1][3:5] = ["4", "well put"]
    marks.write_csv(path, lines)
    given = marks.Marks(path, questions)
    given.write([one])
    assert (given.points(one, name), given.comment(one, name)) == (4, "well put")
    one.answers[name] = "because of the mean"
    for _ in range(2):
        given.write([one])
        assert (given.points(one, name), given.comment(one, name)) == (None, "(4 for an earlier answer) well put")


def marked(masters, folder, *lines, students=2):
    """Hand-ins, and their marks as they are after the lines of the file were changed by a function and written anew."""
    questions = list(master.load(masters / "tiny.ipynb").manual.values())
    path = folder / "manual.csv"
    ones = [Graded(f"{n}", f"{n}", "Ada", f"{n}.ipynb", answers={"words": "x"}) for n in range(1, students + 1)]
    marks.Marks(path, questions).write(ones)
    table = marks.read_csv(path)
    for change in lines:
        change(table)
    marks.write_csv(path, table)
    given = marks.Marks(path, questions)
    given.write(ones)
    return given, ones, path


def test_nothing_that_was_written_beside_the_marks_is_lost(masters, tmp_path):
    def remarks(table):
        table[0].append("words comment")  # a second column of one name
        table[1] += ["", "talked on 3 May"]
        table[2] += ["see paper"]
        table.append(["", "", "mean", "5"])

    _, ones, path = marked(masters, tmp_path, remarks)
    for _ in range(2):
        marks.Marks(path, list(master.load(masters / "tiny.ipynb").manual.values())).write(ones)
        table = marks.read_csv(path)
        assert "talked on 3 May" in table[1]
        assert "see paper" in table[2]
        assert table[3][2:4] == ["mean", "5"]
        assert len(table[0]) == len(table[1]) == 9
        assert [head for head in table[0][5:]] == ["words comment", "", "file", "answers"]


def test_two_rows_of_one_student_become_one_and_what_contradicts_is_named(masters, tmp_path):
    def second(points):
        return lambda table: (table[1].__setitem__(4, "good"), table.append([*table[1][:3], points, *table[1][4:]]))

    given, ones, path = marked(masters, tmp_path, second("5"))
    assert (given.points(ones[0], "words"), given.comment(ones[0], "words")) == (5, "good")
    assert len(marks.read_csv(path)) == 3
    with pytest.raises(marks.MarksError, match="lines 2 and 4 are both of #1 and differ in words"):
        marked(masters, tmp_path, second("6"))


def test_the_file_as_the_teacher_left_it_is_kept(masters, tmp_path):
    *_, path = marked(masters, tmp_path, lambda table: table.append(["", "", "mean", "5", "", "", ""]), students=1)
    assert not path.with_name("manual.csv.bak").exists()
    left = path.read_bytes()
    marks.Marks(path, []).write([Graded("7", "7", "Bo", "b.ipynb")])
    assert path.with_name("manual.csv.bak").read_bytes() == left


def test_two_files_of_one_place_stop_nothing(masters, tmp_path):
    _, ones, path = marked(masters, tmp_path)
    twins = [Graded(who, "1", "Ada", ones[0].place) for who in ("a", "b")]
    marks.Marks(path, []).write(twins)
    assert [line[0] for line in marks.read_csv(path)[1:]] == ["#a", "#b", "#2"]


def test_the_teachers_points_take_the_place_of_a_tests(masters, tmp_path):
    given, path = tmp_path / "in", tmp_path / "out/manual.csv"
    given.mkdir()
    nbformat.write(tiny.hand_in("Ada", "20260001", square=tiny.SQUARE.format("return abs(x)")), given / "a.ipynb")
    room = class_room(masters, tmp_path)
    list(room.grade(handins.collect(given), 1))
    room.write()
    before = grades(tmp_path)["a.ipynb"]
    table = marks.read_csv(path)
    for points, want in (("2,5", float(before["By tests"]) + 2.5), ("", float(before["By tests"]))):
        table[0][5:], table[1][5:] = ["square-check (4)", *table[0][-2:]], [points, *table[1][-2:]]
        marks.write_csv(path, table)
        room = class_room(masters, tmp_path)
        list(room.grade(handins.collect(given), 1))
        for _ in range(2):
            room.write()
            assert float(grades(tmp_path)["a.ipynb"]["By tests"]) == want
        (page,) = (tmp_path / "out/feedback").glob("*.html")
        for told in ("set by your teacher: square-check.", "Your teacher set these points."):
            assert (told in page.read_text(encoding="utf-8")) == bool(points)
    table[1][5] = "5"
    marks.write_csv(path, table)
    with pytest.raises(marks.MarksError, match="line 2, square-check: '5' is no number from 0 to 4"):
        class_room(masters, tmp_path)


@pytest.mark.parametrize("name", ["manual.csv", "grades.csv"])
def test_a_table_that_is_open_in_excel_is_named_and_nothing_is_lost(masters, tmp_path, monkeypatch, capsys, name):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/notes.ipynb").write_text("{}", encoding="utf-8")
    words = ["assignment", "grade", str(tmp_path / "in"), "--master", str(masters), "--out", str(tmp_path / "out")]
    monkeypatch.chdir(ROOT)
    assert command.main(words) == 0
    before, replace = (tmp_path / "out" / name).read_bytes(), os.replace

    def held(source, target):
        if Path(target).name == name:
            raise PermissionError(13, "Access is denied")
        replace(source, target)

    monkeypatch.setattr(os, "replace", held)
    capsys.readouterr()
    assert command.main(words) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"lab: {tmp_path / 'out' / name} is open in another program: close it there and run the ")
    assert len(said.splitlines()) == 1
    assert (tmp_path / "out" / name).read_bytes() == before


LONG = tiny.LOSS.format(
    "total = 0  # add up every row by itself\n    for row in z:\n        length = (row * row).sum()\n"
    "        if length > 0:\n            total = total + length\n        else:\n"
    "            total = total + 0 * length\n"
    "    return total / max(len(z), 1)"
)


def test_copies_are_found_under_other_names_and_what_differs_is_not():
    renamed = LONG.replace("total", "s").replace("length", "q").replace("row", "r")
    other = tiny.LOSS.format("import numpy as np\n    values = [float(v @ v) for v in z]\n    return np.mean(values)")
    (pair,) = alike.pairs({"a": LONG, "b": renamed, "c": other})
    assert (pair.one, pair.other, pair.shared) == ("a", "b", 1)
    assert not pair.literal


@pytest.mark.parametrize(
    "copy",
    [
        f"{LONG}\ndef freeze(model):\n    print 'x'",
        f"def loss(z:\n    pass\n{LONG}",
        f"%%time\n{LONG}",
        f"x = 1\n%%time\n{LONG}",
    ],
)
def test_neither_an_error_nor_magic_hides_a_copy(copy):
    (pair,) = alike.pairs({"a": LONG, "b": copy.replace("total", "s")})
    assert pair.shared > 0.9


@pytest.mark.parametrize(("ring", "total"), [(4, 20), (5, 20), (4, 15), (17, 80), (80, 80)])
def test_a_group_is_told_of_however_large_it_is(ring, total):
    longer = LONG + "\n" + LONG.replace("loss", "other").replace(">", "<").replace("*", "-")
    copies = {f"c{n:02}": longer.replace("total", f"t{n}") for n in range(ring)}
    others = {f"s{n:02}": f"def loss(z):\n    return z.view({n}).sum({n + 1}) * {n * n}" for n in range(ring, total)}
    found = alike.pairs(copies | others)
    assert {who for pair in found for who in pair[:2]} == copies.keys()
    assert len(found) == ring - 1


def test_the_same_comments_are_told_of_though_a_copy_ends_in_an_error():
    (pair,) = alike.pairs({"a": LONG, "b": f"{LONG}\ndef freeze(model:"})
    assert pair.literal


def test_what_nobody_has_written_yet_is_no_copy():
    stub = "\n".join(f"def step{n}(a, b):\n    # Doc.\n    raise NotImplementedError()" for n in range(9))
    assert not alike.pairs({"a": stub, "b": stub})


@pytest.mark.parametrize(
    ("text", "own"),
    [
        (
            "With only ten labels the pretrained encoder is ahead by twenty points, because its features already "
            "separate digits whose strokes are alike. With two hundred labels the pixels come within five points of "
            "it, so labels make up for what pretraining gave. The untrained encoder stays below the pixels throughout.",
            "The curve of the pretrained encoder begins at 61 percent and hardly rises. Pixels begin at 40 percent and "
            "rise steeply, since a linear classifier of raw pixels needs many examples of each digit before it "
            "generalises. I would repeat the run with three seeds before believing the gap at fifty labels.",
        ),
        (
            "只有十个标签时，预训练编码器领先约二十个百分点，因为它的特征已经把笔画相近的数字分开。"
            "标签增加到二百个时，像素只差五个百分点，说明标签多了可以弥补没有预训练的不足。"
            "未经训练的编码器始终低于像素。",
            "预训练编码器的曲线从百分之六十一开始，几乎不再上升；像素从百分之四十开始，上升很快，"
            "因为用原始像素训练线性分类器，每个数字都要有许多样本才能泛化。"
            "在相信五十个标签处的差距之前，我会换三个随机种子重做。",
        ),
    ],
    ids=["en", "zh"],
)
def test_a_copied_answer_is_told_of_and_a_short_one_is_not(text, own):
    short, quoted = "The mean does not depend on N.", "Why is the mean taken? " * 9
    answers = {"a": {"q": text, "r": short}, "b": {"q": f"I think: {text[:-9]}", "r": short}, "c": {"q": own}}
    (pair,) = alike.pairs({}, "", answers)
    assert (pair.one, pair.other, pair.what) == ("a", "b", "q")
    assert not alike.pairs({}, "", {"a": {"q": quoted + text}, "b": {"q": quoted + own}}, quoted)


def test_every_word_is_there_in_both_languages():
    for key, text in words.load("en").texts.items():
        there = words.load("zh").texts[key]
        assert there.strip()
        assert set(re.findall(r"{(\w+)", text)) == set(re.findall(r"{(\w+)", there)), key


def test_a_report_on_files_that_are_not_the_published_ones_is_not_called_genuine(tmp_path):
    made_report(tmp_path, "1", 10.0)
    made_report(tmp_path, "2", 11.0, genuine=False)  # files of the right names, with other contents
    head, *lines = reports.table(reports.find([tmp_path]))
    assert [line[head.index("Data")] for line in lines] == ["genuine", "not on the real data: mnist-seed0"]


def made_report(folder, number, seconds, accuracy=0.95, source="local", genuine=True):
    """A report as far as it is read, with its record."""
    run = folder / number / "mnist-seed0"
    run.mkdir(parents=True)
    parameters = {"run": "mnist", "seed": 0, "labelled_chunks": [[5]], "temperature": 0.5, "left_out": []}
    record = {
        "name": "mnist-seed0", "profile": "quick", "parameters": parameters,
        "dataset": {"source": source, "genuine": genuine and source == "local"},
        "environment": {"commit": "abc1234"}, "seconds": {"pretraining": seconds}, "history": {},
        "results": {"classifiers": [{"labels": 6000, "test_accuracy": accuracy}]},
    }  # fmt: skip
    (run / "record.json").write_text(json.dumps(record | {"sha256": records.digest(record)}), encoding="utf-8")
    row = f"<tr><th>mnist-seed0</th><td class='code'>{file_digest(run / 'record.json')}</td></tr>"
    (folder / number / "report.html").write_text(
        f'<header class="cover" data-language="en"><table><tr><td>S</td></tr>'
        f"<tr><td>{number}</td></tr></table></header>"
        f'<h3><span class="section">1</span> Mistakes</h3><div class="own empty">Nothing</div>'
        f'<p>We reach <a class="sourced" href="#source-1">{accuracy:.1%}</a>.</p>'
        f'<figure id="table-records"><table><tbody>{row}</tbody></table></figure>'
        f'<div class="sources"><table><tbody><tr id="source-1"><th>1</th><td>mnist-seed0/record.json</td>'
        f"<td><code>.results.classifiers[0].test_accuracy</code></td><td>{accuracy}</td></tr></tbody></table></div>",
        encoding="utf-8",
    )  # fmt: skip
    return run / "record.json"


def test_reports_are_checked_against_their_records_and_each_other(tmp_path, monkeypatch):
    class Draw:
        def __init__(self, number):
            self.number = number

        def parameters(self):
            return {"seed": 0 if self.number == "1" else 7}

    variants = types.SimpleNamespace(draw=Draw)
    monkeypatch.setitem(sys.modules, "lib.teach.variants", variants)
    monkeypatch.setattr("lib.teach.variants", variants, raising=False)
    for number, accuracy in (("1", 0.95), ("2", 0.951), ("3", 0.949), ("4", 0.95), ("5", 0.99)):
        made_report(tmp_path, number, 10.0 + int(number), accuracy)
    made_report(tmp_path, "6", 11.0, source="embedded sample")  # the seconds of the first
    changed = tmp_path / "2/mnist-seed0/record.json"
    changed.write_text(changed.read_text(encoding="utf-8").replace("0.951", "0.991"), encoding="utf-8")
    (tmp_path / "3/mnist-seed0/record.json").unlink()
    typed = tmp_path / "5/report.html"
    typed.write_text(typed.read_text(encoding="utf-8").replace("99.0%", "99.9%"), encoding="utf-8")
    unlinked = tmp_path / "4/report.html"
    page = unlinked.read_text(encoding="utf-8")
    unlinked.write_text(re.sub(r"<a .*>95.0%</a>", "<span>98.0%</span>", page), encoding="utf-8")
    (tmp_path / "page.html").write_text("<p>no report</p>", encoding="utf-8")
    found = reports.find([tmp_path])
    head, *lines = reports.table(found)
    told = {line[2] or "page": dict(zip(head, line, strict=True)) for line in lines}
    assert told["1"]["Variant"] == "the student's own"
    assert "seed 0 ≠ 7" in told["4"]["Variant"]
    assert (told["1"]["Data"], told["1"]["Commit"], told["1"]["Own words missing"]) == (
        "genuine",
        "abc1234",
        "1 Mistakes",
    )
    assert "changed after its run" in told["2"]["Records"]
    assert told["3"]["Records"] == "not handed in: mnist-seed0"
    assert told["6"]["Data"] == "not on the real data: mnist-seed0"
    assert told["1"]["Worth a look"] == "mnist-seed0: the same as in the report of 6"
    assert told["5"]["Worth a look"] == "accuracies in the text that are not those of its records: 99.9%"
    assert told["4"]["Worth a look"] == "numbers in the text that lead to no record: 98.0 in “98.0%”"
    assert "no report" in told["page"]["Worth a look"]
    assert "genuine" in reports.shown([head, *lines])


def test_an_odd_report_stops_no_other_and_runs_of_one_name_are_told_apart(tmp_path):
    made_report(tmp_path, "1", 10.0)
    own = made_report(tmp_path, "2", 11.0)
    other = made_report(tmp_path / "elsewhere", "x", 12.0)
    (tmp_path / "2/zzz").mkdir()
    shutil.copy(other, tmp_path / "2/zzz/record.json")  # another profile's run of the same name, read after the own
    page = (own.parent.parent / "report.html").read_text(encoding="utf-8")
    shutil.rmtree(tmp_path / "elsewhere")
    for name, (old, new) in {
        "cells": ("<th>1</th>", ""),
        "link": (' href="#source-1"', ""),
        "row": ("<tbody><tr><th>mnist-seed0</th>", "<tbody><tr></tr><tr><th>mnist-seed0</th>"),
    }.items():
        (tmp_path / name).mkdir()
        assert old in page
        (tmp_path / name / "report.html").write_text(page.replace(old, new, 1), encoding="utf-8")
    (tmp_path / "record/mnist-seed0").mkdir(parents=True)
    (tmp_path / "record/report.html").write_text(page, encoding="utf-8")
    record = json.loads(own.read_text(encoding="utf-8")) | {"results": [], "seconds": None}
    record["sha256"] = records.digest({key: value for key, value in record.items() if key != "sha256"})
    (tmp_path / "record/mnist-seed0/record.json").write_text(json.dumps(record), encoding="utf-8")
    head, *lines = reports.table(reports.find([tmp_path]))
    told = {Path(line[0]).parent.name: dict(zip(head, line, strict=True)) for line in lines}
    assert len(told) == 6
    assert told["1"]["Records"] == told["2"]["Records"]
    assert "changed" not in told["2"]["Records"]
    assert "unreadable: mnist-seed0" in told["record"]["Records"]


def told_of(folder):
    head, *lines = reports.table(reports.find([folder]))
    told = {Path(line[0]).relative_to(folder).as_posix(): dict(zip(head, line, strict=True)) for line in lines}
    return {name: line["Records"] or line["Worth a look"] for name, line in told.items()}


def test_a_report_without_its_page_is_told_of(tmp_path):
    for number in "123":
        made_report(tmp_path / "class", number, 10.0 + int(number))
    (tmp_path / "class/1/figures").mkdir()
    (tmp_path / "class/1/figures/loss.pdf").touch()
    (tmp_path / "class/1/report.pdf").touch()
    (tmp_path / "class/2/report.html").rename(tmp_path / "class/2/report.pdf")
    (tmp_path / "class/3/report.html").unlink()
    (tmp_path / "class/4.zip").touch()
    told = told_of(tmp_path)
    assert told.pop("class/1/report.html").startswith("those of the report")
    assert {name: text.split(":")[1].split(".  ")[0] for name, text in told.items()} == {
        "class/2": " mnist-seed0/record.json, report.pdf. Archives are not opened",
        "class/3": " mnist-seed0/record.json. Archives are not opened",
        "class/4.zip": " 4.zip. Archives are not opened",
    }


def test_a_broken_record_is_told_of_its_own_report_alone(tmp_path):
    for number in "123":
        made_report(tmp_path, number, 10.0 + int(number))
        (tmp_path / number / "report.html").rename(tmp_path / f"{number}.html")
    (tmp_path / "1.pdf").touch()
    (tmp_path / "4.pdf").touch()
    (tmp_path / "2/mnist-seed0/record.json").write_text("{")
    shutil.rmtree(tmp_path / "3")
    told = told_of(tmp_path)
    assert told["1.html"] == "those of the report, by their SHA-256: 1 of 1"
    assert told["2.html"] == "changed after its run, or unreadable: mnist-seed0"
    assert told["3.html"] == "not handed in: mnist-seed0"
    assert "only: 4.pdf" in told["4.pdf"]
    assert len(told) == 4


@pytest.mark.slow
@pytest.mark.skipif(not list(ROOT.glob("notebooks/assignment/*.ipynb")), reason="the assignment is not here")
def test_the_kits_own_assignment_is_released_solved_graded_and_told_of_in_both_languages(tmp_path):
    source = ROOT / "notebooks" / "assignment"
    release.release(source, tmp_path / "handout")
    (tmp_path / "in").mkdir()
    for number, one in enumerate(release.masters(source), 20260001):
        notebook = nbformat.read(tmp_path / "handout" / one.path.name, as_version=4)
        for cell in notebook.cells:
            if master.role(cell) in ("solution", "manual"):
                cell.source = one.by_id[master.grade_id(cell)].source
            if master.grade_id(cell) == "student":
                cell.source = f"student = 'S'\nnumber = '{number}'"
        nbformat.write(notebook, tmp_path / "in" / f"{number}.ipynb")
    limits, out = Limits(cell=120, total=600), tmp_path / "out"
    room = results.Room(out, release.masters(source), limits, walls.best(), [source, tmp_path / "in", out])
    list(room.grade(handins.collect(tmp_path / "in"), 2))
    room.write()
    failed = [test for one in room.graded for test in one.tests if test["points"] != test["most"]]
    assert not failed
    assert sorted(one.language for one in room.graded) == ["en", "zh"]
    assert len(list((out / "feedback").glob("*.html"))) == 2


def test_lab_assignment_says_what_is_wrong(tmp_path):
    status, said = Kit(ROOT).lab("assignment", "grade", str(tmp_path / "nothing"))
    assert status == 1
    assert "name the folder" in said


NAMES = {f"2023000{n}": name for n, name in enumerate(("张三", "李四", "王五"), 1)}


@pytest.mark.parametrize(
    "place",
    [
        "{number}-{name}/lab_5_1_simclr.ipynb",
        "hw_3_{number}_{name}.ipynb",
        "实验_5_1_{number}-{name}.ipynb",
        "hw_20240315_{number}_{name}.ipynb",
        "10101班/{number}.ipynb",
    ],
)
def test_what_a_lab_is_called_is_no_students_name(place):
    found = [handins.HandIn(place.format(number=n, name=name), text(tiny.hand_in("", ""))) for n, name in NAMES.items()]
    for item in found:
        handins._open(item)
    handins._name(found, "")
    assert [item.number for item in found] == [*NAMES]
    assert len(handins._newest(found)) == len(NAMES)


def test_names_in_a_folder_of_a_class_are_those_of_several():
    found = [handins.HandIn(f"10101班/{name}.ipynb", text(tiny.hand_in(name, ""))) for name in NAMES.values()]
    for item in found:
        handins._open(item)
    handins._name(found, "")
    assert [item.name for item in handins._newest(found)] == sorted(NAMES.values())


def test_a_notebook_of_another_kind_takes_no_assignments_place(masters, tmp_path):
    one, folder = master.load(masters / "tiny.ipynb"), tmp_path / "20230001-张三"
    folder.mkdir()
    nbformat.write(tiny.hand_in(), folder / "tiny.ipynb")
    shutil.copy(ROOT / "notebooks/mnist.ipynb", folder / "mnist.ipynb")
    os.utime(folder / "tiny.ipynb", (1e9, 1e9))
    (kept,) = handins.collect(tmp_path, lambda item: grade.choose(item, [one]) is not None)
    assert (kept.place, kept.others) == ("20230001-张三/tiny.ipynb", ["20230001-张三/mnist.ipynb"])


def test_a_file_that_cannot_be_read_stops_nobody(tmp_path, monkeypatch):
    nbformat.write(tiny.hand_in(), tmp_path / "a.ipynb")
    nbformat.write(tiny.hand_in(), tmp_path / "held.ipynb")
    read = Path.read_bytes

    def refused(path):
        if path.name == "held.ipynb":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    problems = {item.place: (item.problem, item.detail) for item in handins.collect(tmp_path)}
    assert problems == {"a.ipynb": ("", ""), "held.ipynb": ("unreadable", "PermissionError: Permission denied")}


@pytest.mark.parametrize("bare", [False, True])
def test_an_answer_in_a_cell_of_ones_own_is_shown_and_left_to_mark(masters, tmp_path, bare):
    notebook = release.stripped(tiny.master(), "en")
    notebook.cells.append(nbformat.v4.new_markdown_cell("Because a batch may be of any size."))
    if bare:
        notebook.cells = [cell for cell in notebook.cells if master.grade_id(cell) != "words"]
    room = class_room(masters, tmp_path)
    (tmp_path / "in").mkdir()
    nbformat.write(notebook, tmp_path / "in/a.ipynb")
    list(room.grade(handins.collect(tmp_path / "in"), 1))
    room.write()
    assert room.graded[0].answers == {"words": "Because a batch may be of any size."}
    assert grades(tmp_path)["a.ipynb"]["By hand"] == ""
    assert "Because a batch may be of any size." in (room.out / "answers.html").read_text(encoding="utf-8")


ANSWER = "Because a batch may be of any size."


@pytest.mark.parametrize("kind", ["markdown", "raw", "code"])
@pytest.mark.parametrize("place", ["before", "behind", "in the question"])
@pytest.mark.parametrize("bare", [False, True])
def test_an_answer_anywhere_from_its_question_on_is_found(masters, kind, place, bare):
    notebook = release.stripped(tiny.master(), "en")
    stub = next(i for i, cell in enumerate(notebook.cells) if master.grade_id(cell) == "words")
    text = f"# {ANSWER}" if kind == "code" else ANSWER
    if place == "in the question":
        notebook.cells[stub - 1].source += f"\n\n{text}"
    else:
        notebook.cells.insert(stub + (place == "behind"), getattr(nbformat.v4, f"new_{kind}_cell")(text))
    for cell in notebook.cells if bare else []:  # as a program leaves them that knows no nbgrader
        cell.metadata.pop("nbgrader", None)
        cell["id"] = "other"
    given = align.align(notebook.cells, master.load(masters / "tiny.ipynb")).answers["words"]
    stub = words.load("en")["stub.text"]
    assert sorted(filter(None, given.split("\n\n"))) == sorted([stub, text])


def test_text_above_a_question_is_no_answer_to_it(masters):
    notebook = release.stripped(tiny.master(), "en")
    for index in (0, 2):
        notebook.cells.insert(index, nbformat.v4.new_markdown_cell("My notes."))
    given = align.align(notebook.cells, master.load(masters / "tiny.ipynb")).answers["words"]
    assert given == words.load("en")["stub.text"]


def test_an_endless_loop_costs_what_calls_it_and_no_more(masters):
    one = master.load(masters / "tiny.ipynb")
    cells = align.align(tiny.hand_in(square="def square(x):\n    while True: pass").cells, one).pieces
    often = [piece for piece in cells for _ in range(8 if piece.test == "square-check" else 1)]
    outcomes = Judge(one, Box(walls.best(), Limits(cell=1, total=120), hidden=(masters,))).grade(often)["tests"]
    assert [o["failed"] for o in outcomes if o["id"] == "square-check"] == ["time"] * 8
    assert outcomes[-1] == {"id": "freeze-check", "points": 3, "most": 3, "failed": "", "message": ""}


def test_a_page_that_cannot_be_made_is_told_of_and_the_others_are_made(masters, tmp_path, monkeypatch):
    room = class_room(masters, tmp_path)
    room.graded = [Graded(who, who, who, f"{who}.ipynb") for who in ("1", "2")]
    whole = results.pages.feedback
    monkeypatch.setattr(results.pages, "feedback", lambda one, *a: whole(one, *a) if one.who == "2" else 1 / 0)
    assert room.write() == {"1": "ZeroDivisionError: division by zero"}
    assert "could not be made" in (tmp_path / "out/feedback/1_1.html").read_text(encoding="utf-8")
    assert (tmp_path / "out/feedback/2_2.html").exists()
    assert set(grades(tmp_path)) == {"1.ipynb", "2.ipynb"}


class Here:
    """No process: cells run here. An endless one ends it, and a slow one when it is repeated."""

    started = 0

    def __init__(self, box, until):
        self.names, self.process = {}, self
        Here.started += 1

    def cell(self, source):
        if "endless" in source or ("slow" in source and Here.started > 1):
            raise Killed("time")
        exec(source, self.names)
        return {}

    def name(self, name):
        return name in self.names, self.names.get(name)

    def allow(self, seconds): ...

    def end(self): ...


def test_a_cell_that_is_too_slow_when_it_is_repeated_costs_itself_alone(masters, monkeypatch):
    one = master.load(masters / "tiny.ipynb")
    monkeypatch.setattr("lib.teach.box.judge.Session", Here)
    cells = align.align(tiny.hand_in().cells, one).pieces
    own = [Piece("slow = 1", cell=90), Piece("endless = 1", cell=91)]
    found = Judge(one, Box("limits")).grade([*cells[:2], *own, *cells[2:]])
    assert [test["points"] for test in found["tests"]] == [4, 6, 3]
    assert found["errors"] == {"90": {"killed": "time"}, "91": {"killed": "time"}}


def test_when_all_time_is_used_up_no_cell_is_blamed(masters, monkeypatch):
    one = master.load(masters / "tiny.ipynb")
    monkeypatch.setattr("lib.teach.box.judge.Session", Here)
    judge = Judge(one, Box("limits"))
    judge.ran = [Piece("endless = 1", cell=9)]
    ended = iter([0.0, *[judge.until + 1] * 9])
    monkeypatch.setattr("lib.teach.box.judge.time", types.SimpleNamespace(monotonic=lambda: next(ended)))
    with pytest.raises(Killed, match="unrun"):
        judge._ready()
    assert not judge.errors


class Done(Future):
    """What a pool of processes gives, done at once and here."""

    def __init__(self, *_, **__):
        super().__init__()
        self._processes = {}

    def submit(self, function, *given):
        future = Done()
        future.set_result(function(*given))
        return future

    def shutdown(self, **_): ...


def test_two_hand_ins_of_one_place_have_each_its_own_result(masters, tmp_path, monkeypatch):
    monkeypatch.setattr(grade, "ProcessPoolExecutor", Done)
    monkeypatch.setattr(grade, "grade_one", lambda item, *_: Graded(item.who, "", "", item.place, detail=item.name))
    items = [handins.HandIn("x.zip/a.ipynb", name.encode(), name=name, who=name) for name in ("Ada", "Bo", "Cy")]
    room = class_room(masters, tmp_path)
    for again in (False, True):
        assert [before for _, before in room.grade(items, 2)] == [again] * 3
    assert [(one.who, one.detail) for one in room.graded] == [
        (name, name) for name in ("Ada", "Ada", "Bo", "Bo", "Cy", "Cy")
    ]


def graded_by_command(masters, tmp_path, *words, given="in", out="out"):
    """The command's status for a folder without a notebook that can be graded, which takes no time."""
    (tmp_path / given).mkdir(exist_ok=True)
    (tmp_path / given / "notes.ipynb").write_text("{}", encoding="utf-8")
    places = [str(tmp_path / given), "--master", str(masters), "--out", str(tmp_path / out)]
    return command.main(["assignment", "grade", *places, *words])


def test_limits_stay_until_others_are_given(masters, tmp_path, capsys):
    said = []
    for given in ((), ("--seconds", "60"), (), ("--memory", "8"), ("--seconds", "40")):
        assert graded_by_command(masters, tmp_path, *given) == 0
        said.append(re.search(r"Limits: (\d+) s .*, 600 s and (\d) GB", capsys.readouterr().out).groups())
    assert said == [("40", "4"), ("60", "4"), ("60", "4"), ("60", "8"), ("40", "8")]


@pytest.mark.parametrize("name", ["grades.csv", "overview.html", "answers.html", "feedback/lab1.html"])
def test_what_is_not_gradings_is_never_replaced(masters, tmp_path, capsys, name):
    own = tmp_path / "out" / name
    own.parent.mkdir(parents=True)
    own.write_text("years of work")
    assert graded_by_command(masters, tmp_path) == 1
    assert f"was not made by grading and holds {name.split('/')[0]}, which" in capsys.readouterr().err
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [own]
    (tmp_path / "out/results").mkdir()
    (tmp_path / "out/results" / f"{'0' * 64}.json").touch()
    assert graded_by_command(masters, tmp_path) == 0, "an earlier version of the kit wrote no mark"
    assert name != "feedback/lab1.html" or own.exists()


def test_another_class_does_not_take_the_place_of_the_first(masters, tmp_path, capsys):
    assert graded_by_command(masters, tmp_path) == 0
    assert graded_by_command(masters, tmp_path, given="other") == 1
    assert f"holds the grades of {tmp_path / 'in'}, which would be replaced by" in capsys.readouterr().err
    (tmp_path / "term").mkdir()
    for name in ("in", "out"):
        (tmp_path / name).rename(tmp_path / "term" / name)
    assert graded_by_command(masters, tmp_path / "term") == 0, "both were moved"


def test_only_pages_that_grading_wrote_are_removed(masters, tmp_path):
    room = class_room(masters, tmp_path)
    room.graded = [Graded(who, who, who, f"{who}.ipynb") for who in ("1", "2")]
    room.write()
    (tmp_path / "out/feedback/own.html").write_text("the teacher's")
    again = class_room(masters, tmp_path)
    again.graded = room.graded[:1]
    again.write()
    assert {path.name for path in (tmp_path / "out/feedback").iterdir()} == {"1_1.html", "own.html"}


@pytest.mark.parametrize("terminal", [False, True])
def test_how_many_are_graded_is_told_while_they_are(masters, tmp_path, monkeypatch, capsys, terminal):
    monkeypatch.setattr(grade, "ProcessPoolExecutor", Done)
    monkeypatch.setattr(grade, "grade_one", lambda item, *_: Graded(item.who, "", "", item.place))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    (tmp_path / "in").mkdir()
    for number in ("20260001", "20260002"):
        nbformat.write(tiny.hand_in("", number), tmp_path / "in" / f"{number}.ipynb")
    assert graded_by_command(masters, tmp_path) == 0
    said = capsys.readouterr().out
    assert "1 of 3 · notes.ipynb · cannot be graded: " in said
    assert re.search(r"2 of 3 · 2026000[12] · 0 points by tests · 0 s · \d s left\n", said)
    assert re.search(r"3 of 3 · 2026000[12] · 0 points by tests · 0 s\n", said)
    assert re.search(r"Of 3 hand-ins: 2 graded in \d s, 0 unchanged since they were graded, 1 that cannot be.\n", said)
    assert ("0 of 3" in said) == terminal
    assert graded_by_command(masters, tmp_path) == 0
    assert re.search(r"0 graded in \d s, 2 unchanged", capsys.readouterr().out)

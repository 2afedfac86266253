"""Hand-ins that mean harm, and those that were tampered with, cost their own points and nobody else's."""

import socket
import subprocess
import threading
import time

import nbformat
import psutil
import pytest
import torch
from nbformat.v4 import new_code_cell

from lib.teach import align, handins, master, release, results
from lib.teach.box import walls
from lib.teach.box.judge import Judge
from lib.teach.box.process import Box, Limits
from lib.teach.box.remote import Session
from tests import tiny_assignment as tiny

LIMITS = Limits(cell=8, total=90, memory=2 << 30, processes=24)
LEVEL = walls.best()
walled = pytest.mark.skipif(LEVEL not in ("bubblewrap", "unshare"), reason=f"{LEVEL} leaves the network open")
boxed = pytest.mark.skipif(LEVEL != "bubblewrap", reason=f"{LEVEL} hides no files")

BOMB = "import os\n    while True:\n        os.fork()"
SPY = """
import gc, glob, inspect, sys
seen = [open(p, encoding='utf-8').read() for p in glob.glob({master!r} + '/*')] + [str(In), str(globals().keys())]
frame = inspect.currentframe()
while frame:
    seen.append(str(frame.f_locals)[:100000]); frame = frame.f_back
seen += [o for o in gc.get_objects() if isinstance(o, str)]
word = 'secret ' + 'message'
if any(word in text for text in seen):
    raise RuntimeError('found the hidden tests')
"""
CHEAT = """
import builtins, torch
torch.allclose = lambda *a, **k: True
torch.Tensor.__eq__ = lambda *a: True
builtins.float = lambda *a: 9
print('{"tests": [{"id": "square-check", "points": 100}]}')
"""


def freezing(body: str) -> dict[str, str]:
    return {"freeze": tiny.FREEZE.format(body)}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A class of them graded together, two at a time: each one's points and cells by name."""
    folder = tmp_path_factory.mktemp("hostile")
    masters, given = tiny.write_master(folder / "master"), folder / "in"
    given.mkdir()
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.2)
    reached, stop = [], threading.Event()

    def listen() -> None:
        while not stop.is_set():
            try:
                reached.append(server.accept())
            except OSError:
                continue

    threading.Thread(target=listen, daemon=True).start()
    outside, port = folder / "written", server.getsockname()[1]
    connect = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
    made = {
        "good": tiny.hand_in(),
        "loop": tiny.hand_in(**freezing("while True: pass")),
        "exit": tiny.hand_in(**freezing("import os; os._exit(0)")),
        "system_exit": tiny.hand_in(**freezing("raise SystemExit")),
        "memory": tiny.hand_in(**freezing("import torch; torch.ones(int(2.5e9))")),
        "network": tiny.hand_in(**freezing(connect)),
        "writer": tiny.hand_in(**freezing(f"open({str(outside)!r}, 'w').write('x')")),
        "wrong": tiny.hand_in(square=tiny.SQUARE.format("return abs(x)")),
    }  # fmt: skip
    made["cell"] = tiny.hand_in(freeze=tiny.SOLVED["freeze"] + "\nimport os; os._exit(0)")
    if LEVEL == "bubblewrap":
        made["bomb"] = tiny.hand_in(**freezing(BOMB))
    for name, code in (("spy", SPY.format(master=str(masters))), ("cheat", CHEAT)):
        made[name] = tiny.hand_in(square=tiny.SQUARE.format("return abs(x)" if name == "cheat" else "return x * x"))
        made[name].cells.insert(2, new_code_cell(code))
    made["edited"] = tiny.hand_in(square=tiny.SQUARE.format("return abs(x)"))
    for cell in made["edited"].cells:
        if cell.metadata["nbgrader"]["grade_id"].endswith("-check"):
            cell.source = "pass"
    copied = tiny.hand_in(square=tiny.SQUARE.format("return abs(x)"))
    again = tiny.hand_in().cells[3]
    copied.cells = [
        copied.cells[5],
        *copied.cells[:4],
        again,
        *copied.cells[6:],
    ]  # two tests are gone, one cell is twice
    made["copied"] = copied
    for number, (name, notebook) in enumerate(made.items()):
        for cell in notebook.cells:
            cell.source = cell.source.replace("20260001", str(20260001 + number))
        nbformat.write(notebook, given / f"{name}.ipynb")
    room = results.Room(folder / "out", release.masters(masters), LIMITS, LEVEL, [masters, given, folder / "out"])
    list(room.grade(handins.collect(given), 2))
    room.write()
    stop.set()
    server.close()
    graded = {one.place.removesuffix(".ipynb"): one for one in room.graded}
    return {"graded": graded, "reached": reached, "outside": outside, "out": room.out}


def points(hostile, name):
    one = hostile["graded"][name]
    assert not one.problem, one.detail
    return {test["id"].removesuffix("-check"): test["points"] for test in one.tests}


FULL = {"square": 4, "loss": 6, "freeze": 3}


def test_a_right_solution_has_all_points(hostile):
    assert points(hostile, "good") == FULL


@pytest.mark.parametrize(
    ("name", "why"), [("loop", "time"), ("exit", "ended"), ("cell", "ended"), ("system_exit", "visible")]
)
def test_what_ends_or_never_ends_costs_its_own_step(hostile, name, why):
    assert points(hostile, name) == FULL | {"freeze": 0}
    assert hostile["graded"][name].tests[-1]["failed"] == why


def test_ten_gigabytes_are_refused(hostile):
    assert points(hostile, "memory") == FULL | {"freeze": 0}


@boxed
def test_a_fork_bomb_ends_with_its_box(hostile):
    assert points(hostile, "bomb") == FULL | {"freeze": 0}


@walled
def test_there_is_no_network(hostile):
    assert points(hostile, "network") == FULL | {"freeze": 0}
    assert not hostile["reached"]


@boxed
def test_nothing_is_written_outside(hostile):
    assert points(hostile, "writer") == FULL | {"freeze": 0}
    assert not hostile["outside"].exists()


@boxed
def test_hidden_tests_are_neither_on_disk_nor_in_the_process(hostile):
    assert points(hostile, "spy") == FULL
    assert not [cell for cell in hostile["graded"]["spy"].cells if "error" in cell]


@pytest.mark.parametrize("name", ["cheat", "edited"])
def test_changed_helpers_a_printed_grade_and_edited_tests_change_no_points(hostile, name):
    wrong = points(hostile, "wrong")
    assert wrong["square"] == wrong["loss"] == 0
    assert all(given <= wrong[step] for step, given in points(hostile, name).items())


def test_edited_tests_are_told_of(hostile):
    assert ["edited", ["square-check", "loss-check", "freeze-check"]] in hostile["graded"]["edited"].notes


def test_copied_deleted_and_reordered_cells_are_put_right(hostile):
    assert points(hostile, "copied") == FULL
    assert {"copied", "deleted", "moved"} <= {note[0] for note in hostile["graded"]["copied"].notes}


def test_feedback_tells_of_hidden_tests_that_they_are_there_and_no_more(hostile):
    pages = [path.read_text(encoding="utf-8") for path in (hostile["out"] / "feedback").glob("*.html")]
    assert len(pages) == len(hostile["graded"])
    assert not [page for page in pages if "56.25" in page or "secret message" in page]
    assert any("square(3.) must be 9" in page.replace("&#39;", "'") for page in pages)


def test_a_function_does_not_choose_the_numbers_that_a_test_draws_next():
    session = Session(Box(LEVEL, LIMITS, (), (), {}), time.monotonic() + 60)
    try:
        session.cell("import torch\ndef chosen():\n    torch.manual_seed(5)\ndef drawn():\n    return torch.rand(3)")
        functions = {name: session.name(name)[1] for name in ("chosen", "drawn")}
        following = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            functions["chosen"]()
            following.append(torch.rand(3))
        assert not torch.equal(*following)
        assert not torch.equal(functions["drawn"](), functions["drawn"]()), "a second call draws other numbers"
    finally:
        session.process.end()


STRAY = """
    import subprocess, sys, time
    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'], start_new_session=True)
    time.sleep(300)"""


def test_without_walls_a_hand_in_still_ends_in_time_with_all_that_it_started(tmp_path):
    """What is left where there is neither bubblewrap nor unshare."""
    one = master.load(tiny.write_master(tmp_path) / "tiny.ipynb")
    began = {process.pid for process in psutil.process_iter()}
    notebook = tiny.hand_in(**freezing(STRAY))
    limits = Limits(cell=6, total=60)
    outcomes = Judge(one, Box("limits", limits)).grade(align.align(notebook.cells, one).pieces)["tests"]
    assert [(o["points"], o["failed"]) for o in outcomes] == [(4, ""), (6, ""), (0, "time")]
    left = [p for p in psutil.process_iter() if p.pid not in began and "time.sleep(300)" in " ".join(_words(p))]
    assert not left


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def graded_alone(tmp_path, notebook, limits):
    """One hand-in, graded under the strongest walls there are, and the seconds it took."""
    masters = tiny.write_master(tmp_path / "master")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.ipynb").write_text(nbformat.writes(notebook), encoding="utf-8")
    room = results.Room(tmp_path / "out", release.masters(masters), limits, LEVEL, [masters])
    began = time.monotonic()
    list(room.grade(handins.collect(tmp_path / "in"), 1))
    (one,) = room.graded
    return one, time.monotonic() - began


def test_who_never_listens_holds_the_grader_up_no_longer_than_the_limits(tmp_path):
    notebook = tiny.hand_in()
    deaf = "import time\nimport lib.teach.box.channel as c\nc.read = lambda stream: time.sleep(1e6)"
    notebook.cells[2:2] = [new_code_cell(deaf), new_code_cell("#" + 400_000 * "x")]  # more than a pipe holds
    one, took = graded_alone(tmp_path, notebook, Limits(cell=3, total=9))
    assert not one.problem
    assert one.by_tests == 0
    assert took < 120


@walled
def test_a_box_that_cannot_start_is_no_fault_of_the_hand_in(tmp_path):
    one, _ = graded_alone(tmp_path, tiny.hand_in(), Limits(cell=20, total=60, memory=1 << 27))
    assert one.problem == "grader"
    assert "More memory may help" in one.detail
    assert not list((tmp_path / "out/results").glob("*.json")), "it is graded again"


LIAR = """
import lib.teach.box.channel as c
honest = c.write
def lie(stream, message, blobs):
    honest(stream, message | {'failed': 5, 'error': {'bases': 5, 'type': '\\0', 'where': [7]}}, blobs)
c.write = lie
"""


def test_nothing_that_a_process_says_keeps_the_class_from_its_marks(tmp_path):
    odd = {"half": "raise ValueError(chr(0xd800))", "liar": LIAR}
    masters, given = tiny.write_master(tmp_path / "master"), tmp_path / "in"
    given.mkdir()
    for name, code in odd.items():
        notebook = tiny.hand_in("𠮷" * 60 if name == "half" else name, "")
        notebook.cells.insert(3, new_code_cell(code))
        nbformat.write(notebook, given / f"{name}.ipynb")
    half = tiny.SQUARE.format("return chr(0xd800)")
    nbformat.write(tiny.hand_in("text", "", square=half), given / "text.ipynb")
    room = results.Room(tmp_path / "out", release.masters(masters), LIMITS, LEVEL, [masters])
    for _ in range(2):
        list(room.grade(handins.collect(given), 2))
        assert not room.write()
        room.graded.clear()
    pages = {path.name[:4]: path.read_text(encoding="utf-8") for path in (room.out / "feedback").glob("*.html")}
    assert "ValueError: ?" in pages["𠮷" * 4]
    assert pages.keys() == {"𠮷" * 4, "liar", "text"}
    assert "13.0" in (room.out / "grades.csv").read_text(encoding="utf-8"), "an error in an own cell costs nothing"


@boxed
def test_what_is_hidden_is_so_within_the_data_too(tmp_path):
    data, linked = tmp_path / "data", tmp_path / "link"
    (data / "handins").mkdir(parents=True)
    for name in ("mnist", "class.zip", "handins/marks"):
        (data / name).write_text("there")
    linked.symlink_to(data)
    for place in (data, linked):
        around = walls.around("bubblewrap", [place], [data / "handins", data / "class.zip", tmp_path / "not-there"])
        shown = f"cat {place}/mnist; cat {place}/class.zip {place}/handins/marks"
        said = subprocess.run([*around, "/bin/sh", "-c", shown], capture_output=True, text=True)
        assert said.stdout == "there", said.stderr

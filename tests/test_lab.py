"""The way in: lab.py, the command ``lab``, and that no report is left that is not what it says.

A copy of the kit with a profile of seconds is made once, in a folder whose name has a space and Chinese characters.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from lib import files
from lib.cli import __main__ as command
from lib.cli import jobs, make, plan, state, step
from lib.files import ROOT, TRAINED_BY, DiskFull, FileHeld, sources
from lib.runs import profiles

TINY = """
runs:
  mnist:
    notebook: mnist
    parameters:
      {epochs: 1, batch_size: 100,
       unlabelled_chunks: [1], labelled_chunks: [[2]], classifier_epochs: 1, probe_images: 0}
"""
PROFILE = Path("notebooks/profiles/tiny.yaml")
RUN = Path("runs/tiny/mnist-seed0")
REPORT = Path("runs/tiny/report.html")


class Kit:
    """A copy of the kit, and its command in it."""

    def __init__(self, root: Path):
        self.root = root

    def environment(self, **more: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key not in ("LAB_RUNS", "PYTHONPATH")}
        active = {"VIRTUAL_ENV": sys.prefix} if sys.prefix != sys.base_prefix else {}
        return kept | active | {"LAB_BROWSER": "none", "PYTHONPATH": str(self.root)} | more

    def start(self, *words: str, start_new_session: bool = False, **more: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "lab.py", *words], cwd=self.root, env=self.environment(**more),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            start_new_session=start_new_session,
        )  # fmt: skip

    def lab(self, *words: str, **more: str) -> tuple[int, str]:
        """Exit status and what stood on the terminal."""
        process = self.start(*words, **more)
        said = process.communicate(timeout=300)[0].decode("utf-8", "replace")
        return process.returncode, said

    def edit(self, path: str | Path, old: str, new: str) -> None:
        text = (self.root / path).read_text(encoding="utf-8")
        assert old in text
        (self.root / path).write_text(text.replace(old, new), encoding="utf-8")

    def planned(self) -> set[str]:
        """The rules that Snakemake would run."""
        words = ["--dry-run", "--nolock", "--cores", "2", "--config", "profile=tiny"]
        dry = subprocess.run(
            [sys.executable, "-m", "snakemake", *words], cwd=self.root, env=self.environment(), capture_output=True,
            text=True,
        )  # fmt: skip
        assert dry.returncode == 0, dry.stdout + dry.stderr
        return set(re.findall(r"^(?:local)?rule (\w+):$", dry.stdout + dry.stderr, re.M))


def copy(target: Path, source: Path = ROOT) -> Kit:
    names = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, check=True,
    ).stdout.decode().split("\0")  # fmt: skip
    for name in filter(None, names):
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name)
    return Kit(target)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Kit:
    """A kit whose tiny report is made."""
    kit = copy(tmp_path_factory.mktemp("lab") / "kit 中文")
    (kit.root / PROFILE).write_text(TINY, encoding="utf-8")
    status, said = kit.lab("report", "tiny")
    assert status == 0, said
    (kit.root / "said.txt").write_text(said, encoding="utf-8")
    return kit


@pytest.fixture
def kit(finished, tmp_path) -> Kit:
    """The finished kit, moved to a place of its own, to be spoilt."""
    shutil.copytree(finished.root, tmp_path / "又 one")
    return Kit(tmp_path / "又 one")


def no_report(kit: Kit) -> bool:
    return not (kit.root / REPORT).exists() and (kit.root / "runs/tiny/report.outdated.html").exists()


def test_the_terminal_has_a_line_a_run_and_the_log_has_the_rest(finished):
    said = (finished.root / "said.txt").read_text(encoding="utf-8")
    assert re.search(r"^mnist · [\d.]+ % with 400 labels · \d+ s · data: embedded sample$", said, re.M), said
    assert str(finished.root / REPORT) in said
    assert (finished.root / "runs/tiny/report.pdf").read_bytes().startswith(b"%PDF"), "no browser is needed for it"
    assert len(said.splitlines()) <= 10
    log = (finished.root / RUN / "log.txt").read_text(encoding="utf-8")
    assert "Executing Cell" in log
    assert "Executing Cell" not in said
    assert "rule run" in (finished.root / "runs/tiny/snakemake.txt").read_text(encoding="utf-8")


def test_with_nothing_to_do_nothing_is_done_though_the_kit_was_moved(kit):
    before = (kit.root / REPORT).stat().st_mtime_ns
    (kit.root / "runs/tiny/.current").unlink()  # Snakemake is asked too
    for _ in range(2):
        status, said = kit.lab("report", "tiny")
        assert status == 0
        assert "made before" in said
        assert (kit.root / REPORT).stat().st_mtime_ns == before
    assert "Nothing to do" in said


def test_an_edit_to_a_plot_repeats_no_run_and_one_to_the_loss_does(kit):
    assert kit.planned() == set()
    kit.edit("lib/report/style.py", '"""', '"""Edited. ')
    assert kit.planned() == {"report", "notebook_report", "html", "pdf"}
    kit.edit("lib/loss.py", '"""', '"""Edited. ')
    assert "run" in kit.planned()


def test_a_checkpoint_does_not_depend_on_plots_texts_or_this_command():
    counted = {path.relative_to(ROOT / "lib").parts[0] for path in sources(*TRAINED_BY)}
    assert counted == {"loss.py", "models.py", "weights.py", "augment", "data", "methods", "training"}


def test_a_deleted_run_is_made_again_and_verbose_prints_the_logs(kit):
    shutil.rmtree(kit.root / RUN)
    before = (kit.root / REPORT).stat().st_mtime_ns
    status, said = kit.lab("report", "tiny", "--verbose")
    assert status == 0, said
    assert re.search(r"^mnist \| Executing Cell", said, re.M)
    assert re.search(r"^report \| .*rule run", said, re.M)
    assert (kit.root / RUN / "record.json").exists()
    assert (kit.root / REPORT).stat().st_mtime_ns > before
    assert not list((kit.root / "runs/tiny").glob("report.outdated.*"))


def test_a_truncated_record_is_set_aside_and_its_run_made_again(kit):
    record = kit.root / RUN / "record.json"
    record.write_bytes(record.read_bytes()[:1000])
    status, said = kit.lab("run", "tiny/mnist")
    assert status == 0, said
    assert "record.json of mnist-seed0 is damaged or was changed after its run; it is now record.broken.json" in said
    assert json.loads(record.read_text(encoding="utf-8"))["results"]
    assert no_report(kit), "it was made of the broken record"


def refused(kit):
    """What is said where no report can be made: a paragraph of the kit's own, and none is left to be handed in."""
    status, said = kit.lab("report", "tiny")
    assert status == 1, said
    assert no_report(kit)
    assert "Traceback" not in said
    return said


def test_a_language_that_is_not_there_leaves_no_report_however_often_it_is_asked_for(kit):
    kit.edit("notebooks/cover.yaml", "language: en", "language: fr")
    for _ in range(2):
        said = refused(kit)
        assert "language = 'fr' is not right" in said
        assert "The report of before is now report.outdated.html" in said
    assert (kit.root / RUN / "record.json").exists()


def test_a_typo_in_a_profile_keeps_the_record_and_leaves_no_report(kit):
    record = (kit.root / RUN / "record.json").read_bytes()
    kit.edit(PROFILE, "{epochs: 1", "{temperature: -1.0, epochs: 1")
    for _ in range(2):
        said = refused(kit)
        assert "mnist failed. temperature = -1.0 is not right" in said
        assert str(RUN / "log.txt") in said
        assert (kit.root / RUN / "record.json").read_bytes() == record
    kit.edit(PROFILE, "temperature: -1.0, ", "")
    status, said = kit.lab("report", "tiny")
    assert status == 0, said
    assert (kit.root / RUN / "record.json").read_bytes() == record, "what was asked for is what it was made with"


def test_a_garbage_checkpoint_without_a_record_is_set_aside_and_the_run_made(kit):
    (kit.root / RUN / "record.json").unlink()
    (kit.root / RUN / "pretraining.ckpt").write_bytes(b"no checkpoint")
    status, said = kit.lab("report", "tiny")
    assert status == 0, said
    assert (kit.root / RUN / "record.json").exists()
    assert (kit.root / RUN / "pretraining.ckpt.damaged").read_bytes() == b"no checkpoint"
    assert "Traceback" not in said


def test_of_two_at_once_the_second_says_so_and_a_killed_one_blocks_nobody(kit):
    shutil.rmtree(kit.root / RUN)
    first = kit.start("report", "tiny")
    wait_for(kit.root / RUN / "progress.jsonl")
    status, said = kit.lab("report", "tiny")
    assert status == 1
    assert re.search(r"are being made already, since \d+:\d+:\d+ on \d+ \w+, by process \d+", said), said
    number = int(re.search(r"by process (\d+)", said)[1])
    os.kill(number, signal.SIGTERM if os.name == "nt" else 9)
    first.wait(30)
    wait_until(lambda: not [p for p in processes() if str(kit.root) in p], "what it started lives on")
    (kit.root / RUN / "model.pt.1.part").write_bytes(b"half")
    status, said = kit.lab("run", "tiny/mnist")
    assert status == 0, said
    assert not list((kit.root / "runs").rglob("*.part"))


@pytest.fixture
def heard():
    """Ctrl-C counts: what a shell starts in the background ignores it, and so does all that this starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name == "nt", reason="a signal is sent")
def test_after_ctrl_c_the_same_command_goes_on(kit, heard):
    """The signal goes to all that the command has started, as from a terminal."""
    kit.edit(PROFILE, "{epochs: 1", "{epochs: 40")
    lab = kit.start("report", "tiny", start_new_session=True)
    wait_until(lambda: '"epoch": 3' in read(kit.root / RUN / "progress.jsonl"), "no training")
    os.killpg(lab.pid, signal.SIGINT)
    said = lab.communicate(timeout=60)[0].decode()
    assert lab.returncode == 130
    assert said.endswith("Interrupted. The same command goes on from the last whole epoch.\n")
    assert "Traceback" not in said
    status, said = kit.lab("report", "tiny")
    assert status == 0, said
    told = [json.loads(line) for line in read(kit.root / RUN / "progress.jsonl").splitlines()]
    assert next(len(event["history"]) for event in told if "history" in event) >= 2, "not from the start"
    assert (kit.root / REPORT).exists()


def test_published_records_make_a_report_without_training(kit):
    shutil.copytree(kit.root / RUN, kit.root / "figures/records/tiny/mnist-seed0")
    shutil.rmtree(kit.root / "runs")
    status, said = kit.lab("published", "tiny")
    assert status == 0, said
    assert str(kit.root / "runs/published/tiny/report.html") in said
    assert "mnist-seed0" in (kit.root / "runs/published/tiny/report.html").read_text(encoding="utf-8")
    assert not (kit.root / RUN).exists()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for the kernel in /proc")
def test_a_kernel_killed_for_memory_says_so(kit):
    kit.edit(PROFILE, "{epochs: 1", "{epochs: 500")
    lab = kit.start("run", "tiny/mnist")
    wait_until(lambda: '"epoch": 3' in read(kit.root / RUN / "progress.jsonl"), "no training")
    (kernel,) = [int(pid) for pid, words in kernels(kit.root)]
    os.kill(kernel, 9)
    said = lab.communicate(timeout=60)[0].decode()
    assert lab.returncode == 1
    assert "killed from outside, as the system does when memory runs out" in said
    assert "batch_size" in said


def kernels(root: Path) -> list[tuple[str, str]]:
    """Process and environment of each kernel that works for this kit."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words, environment = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:
            continue
        if b"ipykernel_launcher" in words and str(root).encode() in environment:
            found.append((folder.name, words.decode()))
    return found


def processes() -> list[str]:
    """What runs here, with the PYTHONPATH it was given."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words, environment = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:
            continue
        paths = [v for v in environment.split(b"\0") if v.startswith(b"PYTHONPATH=")]
        found.append((words + b" ".join(paths)).decode("utf-8", "replace") if words else "")
    return found


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def wait_for(path: Path) -> None:
    wait_until(path.exists, f"no {path}")


def wait_until(true, why: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, why
        time.sleep(0.2)


def test_with_nothing_to_do_no_torch_is_imported():
    code = "import lib.cli.__main__, lib.cli.make, sys; print([m for m in ('torch', 'rich') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["report", "quik"], "There is no profile 'quik'; there are: "),
        (["report", "quick", "--only", "svhn"], "begins with 'svhn'; there are: mnist, comparison, cifar10"),
        (["run", "quick/mnst"], "has no run 'mnst'; there are: mnist, comparison, cifar10"),
        (["published", "evidnce"], "there are: "),
    ],
)
def test_a_wrong_name_lists_those_there_are(words, said):
    status, out = Kit(ROOT).lab(*words)
    assert status == 1
    assert said in out
    assert len(out.splitlines()) == 1


def test_a_lesson_that_is_not_there_or_not_whole_is_one_line(tmp_path):
    kit = copy(tmp_path / "kit")
    status, out = kit.lab("lessons", "nope")
    assert (status, out) == (
        1, "lab: There is no lesson 'nope'; there are: cifar10, comparison, evidence, explore, methods, mnist.\n",
    )  # fmt: skip
    kit.edit("notebooks/lessons/mnist.md", "<!-- zh -->", "")
    status, out = kit.lab("lessons", "mnist")
    assert status == 1
    assert re.fullmatch(r"lab: mnist\.md, cell [\w-]+: English, a line <!-- zh -->, Chinese are right.*\n", out), out


def test_lessons_are_checked_through_lab(monkeypatch):
    monkeypatch.setattr(command, "_module", lambda *words: words)
    assert command.main(["lessons", "mnist", "--check"]) == ("lib.cli.generate", "mnist", "--check")
    assert command.main(["lessons"]) == ("lib.cli.generate",)


def test_a_folder_that_runs_cannot_be_written_to_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    status, out = Kit(ROOT).lab("run", "quick/mnist", LAB_RUNS=str(tmp_path / "file"))
    assert status == 1
    assert re.fullmatch(r"lab: The folder .*file/quick cannot be written to .* Name another one in LAB_RUNS\.\s*", out)


def test_a_run_that_another_builds_on_comes_with_it():
    assert list(plan.make("quick", "comparison").runs) == ["mnist-seed0", "comparison-seed0"]


def test_check_needs_neither_bash_nor_make(tmp_path):
    status, out = Kit(ROOT).lab("check", PATH=str(tmp_path))
    assert status == 0, out
    looks = ["Python", "packages", "PyTorch", "GPU", "half precision", "Chinese font", "PDF, Word", "data", "disk"]
    assert [name for name in looks if re.search(rf"^\w+ +{re.escape(name)} ", out, re.M)] == looks
    assert re.search(r"^(ok|note) +PDF, Word +Typst \d\S+, pandoc \d", out, re.M)


def test_a_run_in_a_gbk_locale_without_bash_or_make(kit, tmp_path):
    if not shutil.which("localedef"):
        pytest.skip("no localedef here")
    made = subprocess.run(
        ["localedef", "-i", "zh_CN", "-f", "GBK", str(tmp_path / "zh_CN.GBK")], capture_output=True, text=True
    )
    if not (tmp_path / "zh_CN.GBK").exists():
        pytest.skip(f"the locale cannot be made: {made.stderr.strip()[-200:]}")
    kit.edit("notebooks/cover.yaml", 'student: ""', 'student: "王小明"')
    if which := shutil.which("which"):
        (tmp_path / "which").symlink_to(which)  # Snakemake's SLURM plugin asks it; on Windows it is not installed
    gbk = {"LOCPATH": str(tmp_path), "LC_ALL": "zh_CN.GBK", "PATH": str(tmp_path)}
    where = subprocess.run(
        [sys.executable, "-c", "import locale; print(locale.getpreferredencoding())"],
        env=os.environ | gbk, capture_output=True, text=True,
    )  # fmt: skip
    assert where.stdout.strip().lower() == "gbk"
    status, out = kit.lab("check", **gbk)
    assert status == 0, out
    shutil.rmtree(kit.root / RUN)
    status, out = kit.lab("report", "tiny", **gbk)
    assert status == 0, out
    assert "王小明" in (kit.root / REPORT).read_text(encoding="utf-8")


def test_an_error_of_the_kit_is_a_paragraph_and_one_of_python_has_its_name():
    class DataError(ValueError):
        pass

    assert step.paragraph(DataError("the file is short.")) == "the file is short."
    assert step.paragraph(ValueError("no")) == "ValueError: no"


@pytest.mark.parametrize(
    "told",
    ["[enforce fail] DefaultCPUAllocator: not enough memory: you tried", "CUDA out of memory. Tried to allocate 2 GiB"],
)
def test_where_memory_is_refused_what_to_do_is_said(told):
    said = step.paragraph(RuntimeError(told))
    assert said.startswith("Memory ran out. Choose a smaller batch_size")
    assert told in said


def test_files_that_a_run_did_not_write_so_are_seen_and_missing_weights_are_no_damage(tmp_path):
    (tmp_path / "record.json").write_text("{}")
    (tmp_path / "model.pt").write_bytes(b"weights")
    state.stamp(tmp_path, "asked")
    assert (state.damaged(tmp_path), state.stands(tmp_path, "asked")) == ([], True)
    assert not state.stands(tmp_path, "something else")
    (tmp_path / "model.pt").write_bytes(b"of another run")
    assert (state.damaged(tmp_path), state.stands(tmp_path, "asked")) == (["model.pt"], False)
    (tmp_path / "model.pt").unlink()
    assert (state.damaged(tmp_path), state.stands(tmp_path, "asked")) == ([], False)
    (tmp_path / "record.json").write_text("{ }")
    assert state.damaged(tmp_path) == ["record.json"]
    (tmp_path / "record.sha256").unlink()
    assert state.damaged(tmp_path) == []
    (tmp_path / "record.json").write_text("{")
    assert state.damaged(tmp_path) == ["record.json"]


def test_a_report_that_another_program_holds_open_is_named(tmp_path, monkeypatch):
    (tmp_path / "report.pdf").touch()

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(files, "PAUSES", (0,))
    with pytest.raises(state.LabError, match=r"report\.pdf is open in another program"):
        state.set_aside_report(tmp_path)
    (tmp_path / "report.outdated.pdf").touch()  # it may be this one that is open
    with pytest.raises(state.LabError, match=r"report\.pdf or report\.outdated\.pdf is open in another program"):
        state.set_aside_report(tmp_path)


def test_a_report_is_done_though_the_one_of_before_is_still_being_read(tmp_path, monkeypatch):
    (tmp_path / "report.outdated.pdf").touch()

    def held(*_, **__):
        raise PermissionError

    monkeypatch.setattr(Path, "unlink", held)
    state.forget_outdated(tmp_path)


def sampled(folder, monkeypatch, source="embedded sample"):
    """A plan of one run, whose record is there and names its images."""
    monkeypatch.setenv("LAB_RUNS", str(folder / "runs"))
    made = plan.make("quick", "mnist")
    place = Path(made.folder) / "mnist-seed0"
    place.mkdir(parents=True)
    dataset = {"name": "mnist", "source": source}
    (place / "record.json").write_text(json.dumps({"dataset": dataset}), encoding="utf-8")
    state.stamp(place, "asked")
    return made, place


@pytest.mark.parametrize(("source", "kept"), [("embedded sample", False), ("downloaded", True)])
def test_a_run_on_a_sample_is_made_again_once_the_images_are_there(source, kept, tmp_path, monkeypatch):
    made, place = sampled(tmp_path, monkeypatch, source)
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(state, "ROOT", tmp_path / "nothing")
    assert state.disown_samples(made) == [], "there are no other images"
    (raw := tmp_path / "data/MNIST/raw").mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").touch()
    assert state.disown_samples(made) == ([] if kept else ["mnist-seed0"])
    assert (place / "record.sha256").exists() == state.stands(place, "asked") == kept


def test_a_report_on_samples_says_how_the_images_can_be_had(tmp_path, monkeypatch):
    made, _ = sampled(tmp_path, monkeypatch)
    monkeypatch.delenv("LAB_OFFLINE", raising=False)
    assert "could not be downloaded: mnist-seed0. `python lab.py data` tries again" in make._samples(made)
    monkeypatch.setenv("LAB_OFFLINE", "1")
    assert make._samples(made) == "", "it was asked for"


def test_runs_side_by_side_fit_the_memory():
    runs = {run.name: run for run in profiles.load("improved")}
    assert plan.memory(runs["mnist"], 10**6) < plan.memory(runs["cifar10"], 10**6) == 5000
    assert plan.memory(runs["cifar10"], 3000) == 3000, "it is to start, on a small machine too"
    assert plan.memory(profiles.find("original", "cifar10-resnet34"), 10**6) == 8000


def test_the_engine_is_told_how_much_memory_there_is_and_of_one_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_RUNS", str(tmp_path))
    monkeypatch.setattr(make.psutil, "virtual_memory", lambda: SimpleNamespace(total=8e9))
    words = []

    def start(*given, log, **_):
        words.extend(given)
        return subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE)

    monkeypatch.setattr(jobs, "python", start)
    made = plan.make("quick", "mnist")
    Path(made.folder).mkdir(parents=True)
    assert make._make(made, [], [], verbose=False)[1] == 0
    place = words.index("--resources")
    assert words[place : place + 3] == ["--resources", "mem_mb=6400", "gpu=1"]
    assert "room=6400" in words[words.index("--config") :]


def carried_out(monkeypatch, words, carry_out, where=ROOT):
    """The exit status of a command whose carrying out is another."""
    monkeypatch.chdir(where)
    monkeypatch.setattr(command, "_carry_out", carry_out)
    return command.main(words)


@pytest.mark.parametrize("way", ["lab", "lab.py"])
def test_names_stay_names_and_paths_are_those_of_where_the_command_was_given(way, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setenv("LAB_WORDS", "")
    for words in (
        ["lessons", "mnist"], ["assignment", "check", "a.html", "--out", "b.csv"],
        ["assignment", "grade", "handins", "--master", "c"], ["report", "--words", "my.md"],
    ):  # fmt: skip
        if way == "lab.py":
            monkeypatch.setenv("LAB_FROM", str(tmp_path))
        where = tmp_path if way == "lab" else ROOT
        assert carried_out(monkeypatch, words, lambda asked, *_: seen.append(asked) or 0, where) == 0
        assert "LAB_FROM" not in os.environ, "a shell in JupyterLab would pass it on"
    assert seen[0].names == ["mnist"]
    assert (seen[1].reports, seen[1].out) == ([tmp_path / "a.html"], tmp_path / "b.csv")
    assert (seen[2].handins, seen[2].master) == (tmp_path / "handins", tmp_path / "c")
    assert Path(os.environ["LAB_WORDS"]) == tmp_path / "my.md"


@pytest.mark.parametrize("name", ["LAB_DATA", "LAB_RUNS"])
def test_folders_of_the_environment_are_those_of_where_the_command_was_given(name, tmp_path, monkeypatch):
    for given, meant in (("mine", tmp_path / "mine"), ("~/mine", Path.home() / "mine"), (str(ROOT), ROOT)):
        monkeypatch.setenv(name, given)
        monkeypatch.setenv("LAB_FROM", str(tmp_path))
        assert carried_out(monkeypatch, ["check"], lambda *_: 0) == 0
        assert Path(os.environ[name]) == meant


@pytest.mark.parametrize("error", [DiskFull("x is open."), FileHeld("x is open.")])
def test_a_file_that_cannot_be_written_ends_a_command_with_a_sentence(monkeypatch, capsys, error):
    def fail(*_):
        raise error

    assert carried_out(monkeypatch, ["check"], fail) == 1
    assert capsys.readouterr().err == "lab: x is open.\n"


def test_half_downloads_are_swept_when_nobody_has_written_to_them_for_long(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "ROOT", tmp_path)
    long_ago = time.time() - 2 * state.LEFT_BEHIND
    for name, old in {".part-killed": True, ".part-slow": False, "MNIST": True}.items():
        file = tmp_path / "data" / name / "raw" / "half.gz"
        file.parent.mkdir(parents=True)
        file.touch()
        for path in (*([file] if old else []), file.parent, file.parent.parent):
            os.utime(path, (long_ago, long_ago))
    state.sweep(tmp_path / "runs")
    assert {path.name for path in (tmp_path / "data").iterdir()} == {".part-slow", "MNIST"}


def test_what_follows_papermill_reaches_it_as_it_was_given(monkeypatch):
    given = ["notebooks/mnist.ipynb", "out.ipynb", "-p", "epochs", "2", "-y", "labelled_chunks: [[5]]", "--log-output"]
    monkeypatch.setattr(command, "_module", lambda *words: list(words))
    assert command.main(["papermill", *given]) == ["papermill", *given]


def test_papermills_notebooks_are_found_from_where_the_command_was_given(monkeypatch, tmp_path):
    monkeypatch.setattr(command, "_module", lambda *words: list(words))
    monkeypatch.setenv("LAB_FROM", str(tmp_path))
    words = command.main(["papermill", "mine.ipynb", "s3://class/out.ipynb", "-p", "epochs", "2"])
    assert words == ["papermill", str(tmp_path / "mine.ipynb"), "s3://class/out.ipynb", "-p", "epochs", "2"]
    assert command.main(["papermill", "--help-notebook", "mine.ipynb"])[1] == "--help-notebook"


def test_jupyterlab_opens_the_first_lesson_and_asks_no_question_before_it(monkeypatch):
    from lib.cli import lessons

    first = ROOT / "my-notebooks" / "1-mnist.ipynb"
    monkeypatch.setattr(lessons, "lay_out", lambda language: [])
    monkeypatch.setattr(lessons, "copy_of", lambda name, language: first)
    monkeypatch.setattr(command, "_module", lambda *words: list(words))
    words = command.main(["notebooks", "--language", "en"])
    assert words[0] == "jupyterlab"
    asked = dict(word.removeprefix("--").split("=", 1) for word in words[1:])
    assert asked["LabApp.default_url"] == "/lab/tree/my-notebooks/1-mnist.ipynb"
    settings = json.loads((Path(asked["LabApp.app_settings_dir"]) / "overrides.json").read_text(encoding="utf-8"))
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"

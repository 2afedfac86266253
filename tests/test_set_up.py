"""lab.py: the environment it makes or takes, the lock around that, and that nothing needs POSIX."""

import ast
import errno
import importlib.util
import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from lib.files import ROOT
from tests.test_lab import Kit

READ = ("lib/**/*.py", "figures/*.py", "tests/*.py")
POSIX_ONLY = {"fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "posix", "syslog", "crypt", "nis"}
POSIX_CALLS = {"geteuid", "getuid", "fork", "killpg", "setsid", "getpgid", "mkfifo"}
POSIX_CALLS |= {"SIGKILL", "SIGALRM", "sched_getaffinity"}


#: In a mark of a test, or of a file of tests: Windows skips it.
SKIPPED = re.compile(r"os\.name == 'nt'|hasattr\(os, 'fork'\)|Path\('/proc'\)|needs_links")


def posix_only(source: str) -> list[str]:
    """Imports, calls and scripts that only POSIX has, but for those in a try and in tests that Windows skips."""
    tree = ast.parse(source)
    guarded = {id(node) for block in ast.walk(tree) if isinstance(block, ast.Try) for node in ast.walk(block)}
    for test in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        if any(SKIPPED.search(ast.unparse(mark)) for mark in test.decorator_list):
            guarded |= {id(node) for line in test.body for node in ast.walk(line)}
    asked = set(re.findall(r"hasattr\(\w+, \"(\w+)\"\)", source))
    found = []
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [name for name in names if name.split(".")[0] in POSIX_ONLY]
        elif isinstance(node, ast.Attribute) and node.attr in POSIX_CALLS - asked:
            found.append(node.attr)
        elif isinstance(node, ast.Constant) and re.match(r"#!/\w", str(node.value)):
            found.append("script")
    marks = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Assign)]
    return [] if any(mark.startswith("pytestmark") and SKIPPED.search(mark) for mark in marks) else found


def test_nothing_but_the_benchmarks_needs_posix():
    assert sorted(posix_only("import fcntl\nos.geteuid()\np = '#!/bin/sh'")) == ["fcntl", "geteuid", "script"]
    skipped = "@pytest.mark.skipif({}, reason='')\ndef test():\n    os.fork()"
    assert not posix_only(skipped.format('os.name == "nt"'))
    assert posix_only(skipped.format("os.geteuid() == 0")) == ["fork", "geteuid"]
    paths = [ROOT / "lab.py", ROOT / "conftest.py", *(path for part in READ for path in ROOT.glob(part))]
    for path in set(paths) - {ROOT / "tests/killed_worker.py"}:  # it forks; its test is skipped on Windows
        assert not posix_only(path.read_text(encoding="utf-8")), path
    for path in ROOT.glob("bench/*.py"):  # tests import them
        first = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.Import)]
        assert not {alias.name for node in first for alias in node.names} & POSIX_ONLY, path
    for path in ROOT.glob("notebooks/*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert not posix_only("\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")), path
    assert "shell:" not in (ROOT / "Snakefile").read_text(encoding="utf-8")


def lab_py(home: Path, monkeypatch):
    """lab.py as a module whose environment would lie elsewhere, with what it would have installed."""
    spec = importlib.util.spec_from_file_location("lab_py", ROOT / "lab.py")
    lab = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lab)
    monkeypatch.setattr(lab, "HOME", str(home))
    monkeypatch.setattr(lab, "MARKER", str(home / "lab.json"))
    asked = []
    monkeypatch.setattr(lab, "pip", lambda words: asked.append(words))
    return lab, asked


def test_an_old_python_can_read_lab_py_and_is_told(monkeypatch):
    source = (ROOT / "lab.py").read_bytes()
    assert source.isascii()
    tree = ast.parse(source, feature_version=(3, 4))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Match, ast.AsyncFunctionDef)
    assert not [node for node in ast.walk(tree) if isinstance(node, newer)]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.args.kwonlyargs]
    monkeypatch.setattr(sys, "version_info", (3, 10, 1))
    spec = importlib.util.spec_from_file_location("lab_py", ROOT / "lab.py")
    lab = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lab)
    with pytest.raises(SystemExit, match=r"Python 3\.11, 3\.12 or 3\.13 is needed"):
        lab.main(["check"])


def test_an_environment_is_made_once_and_again_when_the_requirements_change(tmp_path, monkeypatch):
    lab, asked = lab_py(tmp_path / "venv", monkeypatch)
    lab.set_up(cpu=False, test=False)
    assert asked == [["-r", "requirements.txt"], ["--no-deps", "-e", "."]]
    lab.set_up(cpu=False, test=False)
    assert len(asked) == 2
    lab.set_up(cpu=False, test=True)
    assert asked[2] == ["-r", "requirements.txt", "-r", "requirements-test.txt"]
    lab.set_up(cpu=False, test=False)
    assert len(asked) == 4
    monkeypatch.setattr(lab, "digest", lambda *names: "changed")
    lab.set_up(cpu=False, test=False)
    assert asked[4] == ["-r", "requirements.txt", "-r", "requirements-test.txt"]


def test_an_interrupted_set_up_goes_on_with_what_is_there(tmp_path, monkeypatch):
    lab, asked = lab_py(tmp_path / "venv", monkeypatch)

    def interrupt(words):
        (tmp_path / "venv" / "half").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(lab, "pip", interrupt)
    monkeypatch.setattr(lab, "active", lambda test: None)
    with pytest.raises(SystemExit, match="interrupted. Give the same command again"):
        lab.main(["check"])
    monkeypatch.setattr(lab, "pip", asked.append)
    lab.set_up(cpu=False, test=False)
    assert len(asked) == 2
    assert (tmp_path / "venv" / "half").exists(), "what was fetched is kept"


def test_a_set_up_that_fails_leaves_what_worked(tmp_path, monkeypatch):
    lab, asked = lab_py(tmp_path / "venv", monkeypatch)
    lab.set_up(cpu=False, test=False)
    (tmp_path / "venv" / "installed").touch()

    def fail(words):
        sys.exit("no network")

    monkeypatch.setattr(lab, "pip", fail)
    with pytest.raises(SystemExit, match="no network"):
        lab.set_up(cpu=False, test=True)
    monkeypatch.setattr(lab, "pip", asked.append)
    lab.set_up(cpu=False, test=False)
    assert len(asked) == 2, "the report needs nothing that is not there"
    assert (tmp_path / "venv" / "installed").exists()


@pytest.mark.parametrize(
    ("system", "machine", "tag", "version", "told"),
    [
        ("win32", "AMD64", "win-amd64", (3, 14, 0), "Take Python 3.13"),
        ("darwin", "arm64", "macosx-11.0-universal2", (3, 14, 0), "Take Python 3.13"),
        ("win32", "ARM64", "win-arm64", (3, 12, 0), "x86-64"),
        ("darwin", "x86_64", "macosx-10.13-universal2", (3, 12, 0), "Rosetta"),
        ("darwin", "arm64", "macosx-11.0-universal2", (3, 13, 0), ""),
        ("win32", "AMD64", "win-amd64", (3, 11, 0), ""),
        ("linux", "x86_64", "linux-x86_64", (3, 14, 0), ""),
    ],
)
def test_a_python_without_packages_is_refused_before_anything_is_fetched(
    system, machine, tag, version, told, tmp_path, monkeypatch
):
    lab, asked = lab_py(tmp_path / "venv", monkeypatch)
    monkeypatch.setattr(lab.sys, "platform", system)
    monkeypatch.setattr(lab.sys, "version_info", version)
    monkeypatch.setattr(lab.platform, "machine", lambda: machine)
    monkeypatch.setattr(lab.sysconfig, "get_platform", lambda: tag)
    assert told in lab.unfit()
    assert bool(lab.unfit()) == bool(told)
    if told:
        with pytest.raises(SystemExit, match=r"cannot be set up with this Python, .*give the same command again"):
            lab.set_up(cpu=False, test=False)
        assert not asked
        assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize("version", ["3.8.20", "none"])
def test_an_environment_whose_python_was_upgraded_is_made_anew(version, tmp_path, monkeypatch):
    lab, asked = lab_py(tmp_path / "venv", monkeypatch)
    lab.set_up(cpu=False, test=False)
    config = tmp_path / "venv/pyvenv.cfg"
    config.write_text(re.sub(r"(?m)^version(_info)? *=.*$", f"version = {version}", config.read_text(encoding="utf-8")))
    lab.set_up(cpu=False, test=False)
    assert len(asked) == 4
    assert version not in config.read_text(encoding="utf-8")


def test_pytorch_without_cuda_comes_from_its_own_index_and_nothing_else_does(tmp_path, monkeypatch):
    lab, asked = lab_py(tmp_path / "venv", monkeypatch)
    lab.set_up(cpu=True, test=False)
    index = [words for words in asked if "--index-url" in words]
    assert len(index) == 1
    assert index[0][:2] == ["--index-url", "https://download.pytorch.org/whl/cpu"]
    assert [re.match(r"\w+", word)[0] for word in index[0][2:]] == ["torch", "torchvision"]
    assert asked.index(index[0]) == 0
    lab.set_up(cpu=False, test=False)
    assert len(asked) == 3, "it stays without CUDA"


def test_a_python_without_venv_says_what_to_install(tmp_path, monkeypatch):
    lab, _ = lab_py(tmp_path / "venv", monkeypatch)
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SystemExit, match=r"sudo apt install python3\.\d+-venv"):
        lab.set_up(cpu=False, test=False)
    assert not (tmp_path / "venv").exists()


def test_the_requirements_bounds_are_kept_of_an_active_environment(tmp_path, monkeypatch):
    lab, _ = lab_py(tmp_path / "venv", monkeypatch)
    assert all(lab.installed(line) for line in lab.required())
    assert not lab.installed("torch>=2.7,<2.8")
    assert not lab.installed("a-package-that-is-not-there>=1")


def test_on_windows_a_second_set_up_waits_however_long_the_first_takes(tmp_path, monkeypatch):
    lab, _ = lab_py(tmp_path / "venv", monkeypatch)
    monkeypatch.setattr(lab, "ROOT", str(tmp_path))
    answers = [OSError(errno.EDEADLK, "as after ten seconds"), OSError(errno.EACCES, "held"), None]
    calls = []

    def locking(_, mode, length):
        calls.append((mode, length))
        if mode == "lock" and (answer := answers.pop(0)):
            raise answer

    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(locking=locking, LK_LOCK="lock", LK_UNLCK="free"))
    with lab.alone():
        assert calls == 3 * [("lock", 1)]
    assert calls[3:] == [("free", 1)]
    answers.append(OSError(errno.EBADF, "another matter"))
    with pytest.raises(OSError, match="another matter"), lab.alone():
        pytest.fail("it has no lock")


def active_lab(tmp_path, monkeypatch, active="", inside=False, lacks=()):
    """lab.py where an environment may be active, run by its Python (``inside``) or by the system's."""
    lab, _ = lab_py(tmp_path / "home", monkeypatch)
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV"):
        monkeypatch.delenv(name, raising=False)
    if active:
        monkeypatch.setenv(active, str(tmp_path / "other"))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "system"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ("other" if inside else "system")))
    if active == "CONDA_PREFIX" and inside:
        monkeypatch.setattr(sys, "base_prefix", sys.prefix)  # conda's Python is no venv
    monkeypatch.setattr(lab, "installed", lambda line: re.split("[><]", line)[0] not in lacks)
    return lab


@pytest.mark.parametrize("kind", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_an_active_environment_with_what_the_kit_needs_is_used(kind, tmp_path, monkeypatch):
    assert active_lab(tmp_path, monkeypatch, kind, inside=True).active(True) == sys.executable


def test_without_an_active_environment_the_kits_own_is_used(tmp_path, monkeypatch):
    assert active_lab(tmp_path, monkeypatch).active(False) is None
    lab = active_lab(tmp_path, monkeypatch)
    monkeypatch.setattr(sys, "prefix", lab.HOME)
    assert lab.active(False) is None


def test_of_an_active_environment_the_python_is_called(tmp_path, monkeypatch):
    lab = active_lab(tmp_path, monkeypatch, "VIRTUAL_ENV")
    python = tmp_path / "other" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    python.parent.mkdir(parents=True)
    python.touch()
    monkeypatch.setattr(sys, "argv", ["lab.py", "check"])
    monkeypatch.setattr(
        lab, "call", lambda words: 7 if words == [str(python), str(ROOT / "lab.py"), "check"] else words
    )
    with pytest.raises(SystemExit) as ended:
        lab.active(False)
    assert ended.value.code == 7


def test_the_python_that_was_called_is_not_exchanged_for_that_of_condas_base(tmp_path, monkeypatch):
    lab = active_lab(tmp_path, monkeypatch, "CONDA_PREFIX")
    monkeypatch.setenv("CONDA_DEFAULT_ENV", "base")
    for place in ("python.exe", "bin/python"):
        (tmp_path / "other" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "other" / place).touch()
    monkeypatch.setattr(lab, "call", lambda words: pytest.fail("base's Python was called"))
    assert lab.active(False) is None


def test_what_an_active_environment_lacks_for_a_command_is_said(tmp_path, monkeypatch):
    lab = active_lab(tmp_path, monkeypatch, "VIRTUAL_ENV", inside=True, lacks=["pytest"])
    assert lab.active(False) == sys.executable
    with pytest.raises(SystemExit, match=r"is active and lacks pytest>=\S+\.\n.*\n.*requirements-test\.txt"):
        lab.main(["test"])
    lab = active_lab(tmp_path, monkeypatch, "CONDA_PREFIX", inside=True, lacks=["torch", "rich"])
    with pytest.raises(SystemExit, match=r"lacks torch>=\S+, rich>=\S+\.\n"):
        lab.active(False)
    monkeypatch.setenv("CONDA_DEFAULT_ENV", "base")
    assert lab.active(False) is None


def test_cpu_is_said_to_change_nothing_in_an_active_environment(tmp_path, monkeypatch, capsys):
    lab = active_lab(tmp_path, monkeypatch, "VIRTUAL_ENV", inside=True)
    monkeypatch.setattr(lab, "call", lambda words, **_: words[1:])
    assert lab.main(["--cpu", "check"]) == ["-m", "lib.cli", "check"]
    assert f"--cpu changes nothing here: the environment {sys.prefix} is active" in capsys.readouterr().out


def test_a_requirement_of_other_systems_is_not_missed(tmp_path, monkeypatch):
    lab, _ = lab_py(tmp_path / "venv", monkeypatch)
    line = 'not-there>=1.0 ; sys_platform != "win32"'
    monkeypatch.setattr(sys, "platform", "win32")
    assert lab.installed(line)
    monkeypatch.setattr(sys, "platform", "linux")
    assert not lab.installed(line)


def test_lab_py_says_from_where_it_was_called(tmp_path):
    run = subprocess.run(
        [sys.executable, str(ROOT / "lab.py"), "assignment", "grade", "handins"], cwd=tmp_path,
        env=Kit(ROOT).environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 1
    assert f"There is no {tmp_path / 'handins'}:" in run.stderr

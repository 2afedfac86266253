"""What the system offers to keep a student's process in: bubblewrap, else unshare, else limits alone.

=========  =======  =========================  =======================  ======
level      network  files                      other processes          limits
=========  =======  =========================  =======================  ======
bubblewrap none     Python, the kit's lib/     not seen                 all
unshare    none     all that you may read      not seen                 all
limits     open     all that you may read      seen, may be ended       all
watched    open     all that you may read      seen, may be ended       time, memory, processes
=========  =======  =========================  =======================  ======
"""

import os
import platform
import shutil
import site
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from lib.files import ROOT

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/sys/devices/system/cpu")
SETTINGS = (
    "fonts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "localtime",
    "passwd",
    "nsswitch.conf",
)
#: Of the kit; not notebooks/assignment, and not git's own folder, which holds it too.
KIT = ("lib", "notebooks/text", "notebooks/profiles", "notebooks/recipes.yaml")
ROOM = 512 << 20  # bytes that may be written to /tmp, which is memory


@cache
def best() -> str:
    """The strongest level that works here."""
    if sys.platform == "linux":
        for level, try_out in (("bubblewrap", _bubblewrap([], [])), ("unshare", _unshare())):
            if shutil.which(try_out[0]) and _works([*try_out, sys.executable, "-c", "pass"]):
                return level
    return "watched" if os.name == "nt" else "limits"


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=30, stdin=subprocess.DEVNULL).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def around(level: str, readable: Sequence[Path], hidden: Sequence[Path]) -> list[str]:
    """The words before a command that runs it behind walls of this level.

    Args:
        readable: files and folders beside Python and the kit's library that the command may read.
        hidden: files and folders that it must not see, wherever they lie; bubblewrap alone can hide them.
    """
    if level == "bubblewrap":
        return _bubblewrap(readable, hidden)
    return _unshare() if level == "unshare" else []


def _bubblewrap(readable: Sequence[Path], hidden: Sequence[Path]) -> list[str]:
    words = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "lab"]
    words += ["--uid", "1000", "--gid", "1000"]
    words += _room("/tmp")  # before the rest: Python or the kit may lie below it
    seen = _python()
    for path in [*SYSTEM, *(f"/etc/{name}" for name in SETTINGS), *map(str, seen)]:
        words += ["--ro-bind-try", path, path]
    hidden = [path.resolve() for path in hidden if path.exists()]
    for folder in [*(path if path.is_dir() else path.parent for path in hidden), ROOT.resolve() / ".git"]:
        if folder.is_dir() and any(folder.is_relative_to(place) for place in [*map(Path, SYSTEM), *seen]):
            words += ["--tmpfs", str(folder)]
    for name in KIT:
        words += ["--ro-bind-try", str(ROOT / name), str(ROOT / name)]
    words += ["--proc", "/proc", "--dev", "/dev", *_room("/dev/shm"), "--dir", "/tmp/work"]
    for path in readable:
        words += ["--ro-bind", str(path.resolve()), str(path.absolute())]
        for inner in [inner for inner in hidden if inner.is_relative_to(path.resolve())]:
            place = str(path.absolute() / inner.relative_to(path.resolve()))
            words += ["--tmpfs", place] if inner.is_dir() else ["--ro-bind", "/dev/null", place]  # the data beside stay
    return [*words, "--chdir", "/tmp/work", "--"]


@cache
def _sized() -> bool:
    """Whether this bubblewrap (0.6 and newer) can limit what is written."""
    said = subprocess.run(["bwrap", "--help"], capture_output=True, text=True)
    return "--size" in said.stdout + said.stderr


def _room(folder: str) -> list[str]:
    try:
        return [*(["--size", str(ROOM)] if _sized() else []), "--tmpfs", folder]
    except OSError:
        return ["--tmpfs", folder]


def _python() -> list[Path]:
    """Where Python and its packages lie; never the kit itself, which may be on the path too."""
    places = {sys.prefix, sys.base_prefix, *site.getsitepackages(), site.getusersitepackages()}
    places |= {sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    places |= {str(Path(sys.executable).resolve().parent)}
    found = [Path(place).resolve() for place in places if Path(place).exists()]
    return sorted(path for path in found if not ROOT.resolve().is_relative_to(path) and path != Path("/"))


def _unshare() -> list[str]:
    mapped = ["--user", "--map-root-user"] if hasattr(os, "geteuid") and os.geteuid() else []
    return ["unshare", *mapped, "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]


def counts_own_processes() -> bool:
    """Whether the limit of processes counts those in the box alone, as Linux does from 5.14 on."""
    version = platform.release().split(".")
    try:
        return sys.platform == "linux" and (int(version[0]), int(version[1].split("-")[0])) >= (5, 14)
    except (ValueError, IndexError):
        return False

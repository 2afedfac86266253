"""Downloads through torchvision, which checks the sums."""

import http.client
import shutil
import socket
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.request import getproxies

import filelock

from lib.data import local
from lib.files import replace

TIMEOUT = 10  # seconds without an answer before a mirror is given up


def fetch(name: str, own: Path) -> None:
    """Fetch into a temporary folder beside the goal, then rename: half a download is never found.

    When several runs start at once, one fetches and the others wait for it.
    """
    own.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(own.with_name(f".{own.name}.lock")):  # the system ends it with the process that holds it
        if not local.lies_in(name, own):
            _fetch(name, own)


def _fetch(name: str, own: Path) -> None:
    from torchvision import datasets

    kinds: dict[str, Callable] = {
        "mnist": datasets.MNIST,
        "fashion_mnist": datasets.FashionMNIST,
        "cifar10": datasets.CIFAR10,
    }
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=own))
    try:
        kinds[name](part, download=True)
        folder = next(p for p in part.iterdir() if p.is_dir())
        if not local.find(name, own):
            _keep(name, folder, own / folder.name)
    except (OSError, RuntimeError, http.client.HTTPException) as error:  # no network, no proxy, or not these sums
        proxies = ", ".join(sorted(set(getproxies().values())))
        through = f" (the system names a proxy: {proxies})" if proxies else ""
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        warnings.warn(f"{name} could not be downloaded: {why}{through}", stacklevel=4)
    finally:
        socket.setdefaulttimeout(before)
        shutil.rmtree(part, ignore_errors=True)


def _keep(name: str, folder: Path, goal: Path) -> None:
    """Put what was fetched where it is looked for.

    No file that lies there is removed: it may be somebody's own, or another run's that is reading it.

    Raises:
        OSError: something else has that place.
    """
    for empty in sorted((goal, *goal.rglob("*")), reverse=True):  # a folder comes after what is in it
        with suppress(OSError):
            empty.rmdir()
    try:
        replace(folder, goal)
    except OSError:
        if local.find(name, goal.parent):  # another run was first
            return
        if goal.exists():
            raise FileExistsError(f"{goal} is in the way: move it, or what is in it, elsewhere.") from None
        raise

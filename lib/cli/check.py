"""``lab check``: what this machine has of all that the kit can use, a line each, with what to do where it lacks."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from lib.files import ROOT

ROOMY = 2  # GB that all profiles together may leave in runs/


def main() -> int:
    """Print the lines; 1 if something is wrong without which nothing runs."""
    wrong = False
    for name, look in LOOKS.items():
        try:
            lines = list(look())
        except Exception as error:  # a machine is checked because something on it is broken
            lines = [(False, f"{type(error).__name__}: {error}")]
        for good, line in lines:
            mark = {True: "ok", None: "note", False: "WRONG"}[good]
            print(f"{mark:6}{name:15}{line}")
            wrong |= good is False
    return int(wrong)


Lines = Iterator[tuple[bool | None, str]]


def _python() -> Lines:
    good = sys.version_info >= (3, 11)
    yield good, f"{platform.python_version()}, {sys.executable}" + ("" if good else "; Python 3.11 or newer is needed")


def _packages() -> Lines:
    from importlib import metadata

    from packaging.requirements import Requirement

    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]
    bad = []
    for requirement in wanted:
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            version = None
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            bad.append(f"{requirement} ({version or 'not there'})")
    if bad:
        yield False, f"{', '.join(bad)}: python -m pip install -r requirements.txt"
    else:
        yield True, f"all {len(wanted)} of requirements.txt"


def _torch() -> Lines:
    import torch

    threads = torch.get_num_threads()
    yield True, f"{torch.__version__}, {threads} threads on {os.cpu_count()} cores"


def _gpu() -> Lines:
    import torch

    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None:
        lacks = not torch.version.cuda and sys.platform != "darwin"
        hint = " (this PyTorch is without CUDA: see docs/clusters.md)" if lacks else ""
        yield None, f"none{hint}; everything but the large CIFAR-10 runs of `original` is made for that"
    elif found.type == "cuda":
        about = torch.cuda.get_device_properties(0)
        yield True, f"{about.name}, {about.total_memory / 2**30:.0f} GB"
    else:
        yield True, found.type


def _precision() -> Lines:
    from lib.training.device import choose_device, choose_precision

    chosen = choose_precision("auto", choose_device())
    yield (
        (None if chosen == "float32" else True),
        ("no faster here than single, so networks are trained in float32" if chosen == "float32" else chosen),
    )


def _fonts() -> Lines:
    from lib.report.style import chinese_font

    font = chinese_font(look=True)
    yield (
        (True, font)
        if font
        else (
            None,
            "none with Chinese characters, so figures of a Chinese report are English "
            "(Debian, Ubuntu: sudo apt install fonts-noto-cjk)",
        )
    )


def _pdf() -> Lines:
    from importlib import metadata

    import pypandoc

    from lib.report.pdf import HINT, NoFont, fonts

    makers = f"Typst {metadata.version('typst')}, pandoc {pypandoc.get_pandoc_version()}"
    try:
        yield True, f"{makers}; {', '.join(fonts('中')['serif'])}"
    except NoFont:
        yield None, f"{makers}; of a Chinese report: {HINT}"


def _data() -> Lines:
    from lib.data import local

    places = [Path(p) for p in (os.environ.get("LAB_DATA"), ROOT / "data") if p]
    for place in places[:-1]:
        if not place.is_dir():
            yield False, f"LAB_DATA is {place}, and there is no such folder: name another, or leave it unset"
    for name in ("mnist", "cifar10"):
        found = next((p for p in places if p.is_dir() and local.lies_in(name, p)), None)
        if found:
            yield True, f"{name}: {found}"
        elif os.environ.get("LAB_OFFLINE"):
            yield None, f"{name}: not here; an embedded sample stands in (LAB_OFFLINE is set)"
        else:
            yield None, f"{name}: not here; a run that asks for it downloads it, else an embedded sample stands in"


def _disk() -> Lines:
    from lib.cli.plan import Plan

    folder = Path(Plan("", {}, (), False).folder).absolute()
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free / 1e9
    writable = os.access(there, os.W_OK)
    line = f"{free:.0f} GB free for {folder}"
    if not writable:
        yield False, f"{folder} cannot be written to: name another folder in LAB_RUNS"
    elif free < ROOMY:
        yield False, f"{free:.1f} GB free for {folder}; make room for {ROOMY} GB, or name another folder in LAB_RUNS"
    else:
        yield True, line


LOOKS = {
    "Python": _python,
    "packages": _packages,
    "PyTorch": _torch,
    "GPU": _gpu,
    "half precision": _precision,
    "Chinese font": _fonts,
    "PDF, Word": _pdf,
    "data": _data,
    "disk": _disk,
}

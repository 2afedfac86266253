"""What lies in the folder of a profile's runs: whether it is whole, whether it is current, who is at work in it.

A report is made from records that are there and whole, or not at all. So a run that is done leaves the sum of its
record beside it, and the report of before steps aside as soon as anything under it is made again.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import filelock

from lib.cli import LabError
from lib.cli.plan import Plan
from lib.files import METHOD, ROOT, FileHeld, file_digest, replace, sources, write_whole

#: Everything that a report is made of, but for what is in the folder of its runs.
MADE_OF = ("lib", "notebooks", "figures/records", "bench/results", "Snakefile")
SAMPLE = "embedded sample"  # as a record names the source of its images
LEFT_BEHIND = 3600  # seconds after which half a download is nobody's


def _sums(folder: Path) -> str:
    """Of the record and the weights beside it, as sha256sum writes and checks them."""
    files = [folder / "record.json", *sorted(folder.glob("model.*"))]
    return "".join(f"{file_digest(path)}  {path.name}\n" for path in files)


def stamp(folder: Path, asked: str) -> None:
    """Say that the run in this folder is done: the sums of its files, and what was asked of it (``asked_of``)."""
    if not (folder / "record.json").is_file():
        raise LabError(f"The notebook of {folder} came to its end and left no record.json: does it call record.save()?")
    sums = _sums(folder)
    write_whole(folder / "record.asked", f"{asked}\n{sums}".encode())
    write_whole(folder / "record.sha256", sums.encode())


def asked_of(notebook: Path, parameters: dict[str, Any], after: list[Path]) -> str:
    """A hash of all that a run's record depends on: notebook, parameters, method, data, the run it builds on."""
    given = json.dumps([parameters, os.environ.get("LAB_DATA", "")], sort_keys=True).encode()
    files = [notebook, *sources(*METHOD), *after]
    return hashlib.sha256(given + b"".join(path.read_bytes() for path in files)).hexdigest()


def disown(folder: Path) -> None:
    """What lies there answers no asking any more: the run is made again."""
    (folder / "record.asked").unlink(missing_ok=True)


def stands(folder: Path, asked: str) -> bool:
    """Whether what lies there is whole and was made by this very asking: a slip of the pen, mended, costs no run."""
    kept = folder / "record.asked"
    there = kept.exists() and (folder / "record.json").exists()
    return there and kept.read_text(encoding="utf-8") == f"{asked}\n{_sums(folder)}"


def on_samples(plan: Plan) -> dict[Path, str]:
    """The folders of a plan's runs whose images were an embedded sample, for want of the real ones; their data set."""
    found = {}
    for folder in (Path(plan.folder) / run for run in plan.runs):
        with suppress(OSError, ValueError, LookupError, TypeError):  # a damaged record is another matter
            content = (folder / "record.json").read_bytes()
            # a record holds pictures, and of a hundred runs reading them would take longer than all the rest
            if SAMPLE.encode() in content and (data := json.loads(content)["dataset"])["source"] == SAMPLE:
                found[folder] = data["name"]
    return found


def disown_samples(plan: Plan) -> list[str]:
    """Have runs on a sample made again where the real images are now at hand; their names."""
    made_anew = []
    for folder, name in on_samples(plan).items():
        from lib.data import local  # torch comes with it

        if any(local.lies_in(name, Path(place)) for place in (os.environ.get("LAB_DATA"), ROOT / "data") if place):
            disown(folder)
            (folder / "record.sha256").unlink(missing_ok=True)
            made_anew.append(folder.name)
    return made_anew


def damaged(folder: Path) -> list[str]:
    """The files of a run that are not what it wrote. Weights may be missing: no report reads them."""
    stamped, record = folder / "record.sha256", folder / "record.json"
    try:
        if not stamped.exists():  # made by papermill alone
            return [] if isinstance(json.loads(record.read_text(encoding="utf-8")), dict) else [record.name]
        sums = dict(reversed(line.split("  ", 1)) for line in stamped.read_text(encoding="utf-8").splitlines())
        return [name for name in sums if (folder / name).exists() and file_digest(folder / name) != sums[name]]
    except (OSError, ValueError):
        return [record.name]


def set_aside_damaged(folder: Path) -> list[str]:
    """What is not what its run wrote steps aside, so that the run is made again; a sentence for each file."""
    said = []
    for stamped in folder.glob("*/record.sha256"):
        if not stamped.with_name("record.json").exists():
            stamped.unlink()
    for record in folder.glob("*/record.json"):
        for name in damaged(record.parent):
            broken = record.with_name(f"{Path(name).stem}.broken{Path(name).suffix}")
            os.replace(record.with_name(name), broken)
            record.with_name("record.sha256").unlink(missing_ok=True)
            said.append(
                f"{name} of {record.parent.name} is damaged or was changed after its run; it is now {broken.name}, "
                "and the run is made again when it is asked for."
            )
    return said


def set_aside_report(folder: Path, kinds: Sequence[str] = ("html", "pdf", "docx", "provenance.md")) -> None:
    """The report of before is no longer that of its records: rename it, so that nobody hands it in.

    A Word file that somebody has written into gets a name under which it stays.

    Raises:
        LabError: another program holds the file, as on Windows.
    """
    for kind in kinds:
        report = folder / f"report.{kind}"
        if report.exists():
            outdated = report.with_name(f"report.outdated.{kind}")
            if kind == "docx" and not _as_made(report):
                names = (f"report.edited{f'-{number}' if number > 1 else ''}.docx" for number in count(1))
                outdated = next(path for path in map(folder.joinpath, names) if not path.exists())
            try:
                replace(report, outdated)
            except (PermissionError, FileHeld):
                name = f"{report} or {outdated.name}" if outdated.exists() else f"{report}"
                raise LabError(f"{name} is open in another program: close it and run the same command again.") from None


def mark_made(report: Path) -> None:
    """Keep the hash of a file that the kit has just written, by which edits are noticed."""
    write_whole(report.with_name(f".{report.name}.sha256"), file_digest(report).encode())


def _as_made(report: Path) -> bool:
    kept = report.with_name(f".{report.name}.sha256")
    return kept.exists() and kept.read_text(encoding="utf-8") == file_digest(report)


def forget_outdated(folder: Path) -> None:
    """There is a new report."""
    for path in folder.glob("report.outdated.*"):
        with suppress(OSError):  # it is being read, and its name says what it is
            path.unlink()


def sweep(folder: Path, shared: bool = False) -> None:
    """Remove what a killed process left half-written. The folder must be locked: then nobody is writing there.

    ``shared``: notebooks in JupyterLab, which lock nothing, may.
    """
    for part in folder.rglob("*.part"):
        with suppress(OSError):  # gone by itself, or held for a moment: the next command finds it
            if not shared or time.time() - part.stat().st_mtime > LEFT_BEHIND:
                part.unlink()
    # downloads go to the kit's own data folder, never to LAB_DATA; other runs may be fetching there
    for part in filter(_left_behind, (ROOT / "data").glob("**/*.part")):
        with suppress(OSError):
            part.unlink()
    for part in filter(_left_behind, (ROOT / "data").glob(".part-*")):
        shutil.rmtree(part, ignore_errors=True)


def _left_behind(part: Path) -> bool:
    """Whether nobody has written to a file, or to anything in a folder, for so long that nobody will."""
    try:
        return time.time() - max(path.stat().st_mtime for path in (part, *part.rglob("*"))) > LEFT_BEHIND
    except OSError:  # it is in use: somebody has just renamed or removed it
        return False


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Alone at work in this folder; the system ends the lock with the process that holds it.

    Raises:
        LabError: somebody else is at work there; the message says who, and since when; or the folder
            cannot be written to.
    """
    lock, holder = filelock.FileLock(folder / ".lock"), folder / ".lock.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        who = json.loads(holder.read_text(encoding="utf-8")) if holder.exists() else {"process": "?", "since": "?"}
        raise LabError(
            f"The runs in {folder} are being made already, since {who['since']}, by process {who['process']}. "
            "Wait until it is done, or stop it and run the same command again."
        ) from None
    except OSError as error:
        raise LabError(
            f"The folder {folder} cannot be written to ({error.strerror}). Name another one in LAB_RUNS."
        ) from None
    try:
        who = {"process": os.getpid(), "since": time.strftime("%H:%M:%S on %d %B")}
        write_whole(holder, json.dumps(who).encode())
        yield
    finally:
        lock.release()


def fingerprint(plan: Plan) -> str:
    """Names, times and sizes of a report and of all that it is made of: while they stay, nothing is to do."""
    places = [ROOT / name for name in MADE_OF]
    places += [Path(plan.words)] if plan.words else []
    files = [path for place in places for path in ([place] if place.is_file() else place.rglob("*"))]
    files += [ROOT / path for path in (*plan.inputs, *plan.lab_runs)] + [
        p for p in Path(plan.folder).glob("*/*.*") if p.stem in ("record", "model")
    ]
    files += [Path(plan.folder) / f"report.{kind}" for kind in ("ipynb", "html", "pdf")]
    seen = [str(sorted(plan.runs)), str(plan.left_out), os.environ.get("LAB_DATA", "")]
    for path in sorted(set(files)):
        if path.is_file() and path.suffix != ".pyc":
            about = path.stat()
            seen.append(f"{path.name} {about.st_mtime_ns} {about.st_size}")
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()


def is_current(plan: Plan) -> bool:
    """Whether the last report of this plan is still what would be made now."""
    kept = Path(plan.folder) / ".current"
    there = (Path(plan.folder) / "report.html").exists()
    return there and kept.exists() and kept.read_text(encoding="utf-8") == fingerprint(plan)


def mark_current(plan: Plan) -> None:
    """Keep what the report that is there was made of."""
    write_whole(Path(plan.folder) / ".current", fingerprint(plan).encode())

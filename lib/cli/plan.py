"""Which runs are asked for, and where they and their report go."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from lib.cli import LabError
from lib.files import NAME, ROOT
from lib.runs import profiles
from lib.runs.profiles import Run

#: The profile of what is run by hand: no file lists its runs.
BY_HAND = "explore"
PUBLISHED = ROOT / "figures" / "records"
#: Megabytes that a run takes with an encoder, and some to spare (docs/speed.md); with any other.
MEMORY, OTHERWISE = {"small_cnn": 2000, "fast_resnet": 5000}, 8000


def has_accelerator() -> bool:
    """Whether torch finds one; it takes torch a second or two to say so."""
    import torch

    return torch.accelerator.is_available()


@dataclass(frozen=True)
class Plan:
    """The runs asked for by name, those left out for want of an accelerator, the folder of their report."""

    profile: str
    runs: dict[str, Run]
    left_out: tuple[str, ...]
    published: bool
    words: str = ""  # the file of the student's own words
    by_hand: bool = False  # no file says which runs there are: those that lie there, from notebooks and ``compare``

    @property
    def folder(self) -> str:
        """Relative where it can be: Snakemake knows files by their names, and the kit may be moved."""
        runs = Path(os.environ.get("LAB_RUNS") or "runs")
        return (runs / "published" / self.profile if self.published else runs / self.profile).as_posix()

    def made(self, run: str) -> str:
        """The file that says that a run is whole, see ``lib.cli.state.stamp``."""
        return f"{self.folder}/{run}/record.sha256"

    @property
    def inputs(self) -> list[str]:
        """What the report waits for: the runs' stamps, or the records that there are already."""
        if self.by_hand:
            return [path.as_posix() for path in sorted(Path(self.folder).glob("*/record.json"))]
        if not self.published:
            return [self.made(run) for run in self.runs]
        return [path.relative_to(ROOT).as_posix() for path in sorted(PUBLISHED.glob(f"{self.profile}/*/record.json"))]

    @property
    def lab_runs(self) -> list[str]:
        """Records of the lab's own CIFAR-10 runs, which its claims are about: the reader's, and those of the kit."""
        places = Path(self.folder).parent, PUBLISHED.relative_to(ROOT)
        return [path.as_posix() for place in places for path in sorted(place.glob("original/cifar10-*/record.json"))]

    def threads(self, cores: int | None) -> int:
        """For each run: what the profile says, else its share of the cores."""
        said = None if self.by_hand else profiles.threads(self.profile)
        return said or max(2, (cores or 2) // max(1, len(self.runs)))


def memory(run: Run, room: int) -> int:
    """Megabytes that a run is counted for; at most ``room``, so that it starts at all."""
    return min(room, MEMORY.get(run.resolved.get("encoder", "fast_resnet"), OTHERWISE))


def language() -> str:
    """The report's, as notebooks/cover.yaml has it; English where that cannot be read, which the report then says."""
    try:
        asked = yaml.safe_load((ROOT / "notebooks/cover.yaml").read_text(encoding="utf-8"))["language"]
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError):
        return "en"
    return asked if (ROOT / f"notebooks/text/{asked}.yaml").is_file() else "en"


def own_words() -> Path:
    """Where the student's own words are if no file is named: one in each language, which git ignores."""
    return ROOT / f"my-report/observations.{language()}.md"


def _words() -> str:
    """The file that LAB_WORDS names, or the usual one if it is there; relative where it can be, as ``Plan.folder``."""
    there = own_words().relative_to(ROOT).as_posix() if own_words().exists() else ""
    return os.environ.get("LAB_WORDS") or there


def make(profile: str, only: str = "", everything: bool | None = None, published: bool = False) -> Plan:
    """The runs of a profile whose name begins with ``only``, and those they build on.

    ``everything``: with the runs that need an accelerator; None asks the machine, where it matters.

    Raises:
        LabError: a name that is not there; the message lists those there are.
    """
    if not published and not profiles.exists(profile):
        return _by_hand(profile, only)
    try:
        known = {str(run): run for run in profiles.load(profile)}
    except profiles.ProfileError as error:
        raise LabError(str(error)) from None
    except Exception as error:  # what the file holds is the student's
        raise LabError(f"notebooks/profiles/{profile}.yaml cannot be read: {error}") from None
    if published:
        plan = Plan(profile, {}, (), True, os.environ.get("LAB_WORDS", ""))
        if not plan.inputs:
            there = ", ".join(sorted(path.name for path in PUBLISHED.iterdir()))
            raise LabError(f"No records of the profile {profile!r} come with the kit; there are: {there}.")
        return plan
    asked = [name for name, run in known.items() if name.startswith(only)]
    if not asked:
        raise LabError(
            f"No run of the profile {profile!r} has a name that begins with {only!r}; there are: {_names(known)}."
        )
    left_out = tuple(dict.fromkeys(known[name].name for name in asked if known[name].needs == "accelerator"))
    if left_out and (has_accelerator() if everything is None else everything):
        left_out = ()
    wanted = {name for name in asked if known[name].name not in left_out}
    wanted |= {known[name].simclr_run for name in wanted} & known.keys()
    return Plan(profile, {name: run for name, run in known.items() if name in wanted}, left_out, False, _words())


def _by_hand(profile: str, only: str) -> Plan:
    """What a student has run without a profile; ``profile`` is the name of a folder.

    Raises:
        LabError: it holds no record, or a choice among its runs was asked for.
    """
    plan = Plan(profile, {}, (), False, _words(), by_hand=True)
    named = bool(re.fullmatch(NAME, profile))
    if profile == BY_HAND and not plan.inputs:
        raise LabError(
            f"There is no record in {plan.folder} yet. Run a notebook to its end (python lab.py notebooks), or "
            f"compare(...) in one, and give the same command again."
        )
    if not named or not plan.inputs:
        hint = "" if not named else f" A folder {plan.folder} with records of your own would do as well."
        raise LabError(f"There is no profile {profile!r}; there are: {', '.join([*profiles.names(), BY_HAND])}.{hint}")
    if only:
        raise LabError(f"--only chooses runs to make. Those of {profile!r} were made by hand, and its report has all.")
    return plan


def one(profile: str, name: str) -> Plan:
    """The run of this name, or its seeds, and what it builds on.

    Raises:
        LabError: as ``make``.
    """
    wanted = make(profile, everything=True)
    if wanted.by_hand:
        raise LabError(
            f"The runs of {profile!r} were made by hand and are no profile's: run the notebook again, or compare(...)."
        )
    known = wanted.runs
    asked = {run for run in known if name in (run, known[run].name)}
    if not asked:
        raise LabError(f"The profile {profile!r} has no run {name!r}; there are: {_names(known)}.")
    return Plan(profile, {run: known[run] for run in known if run in asked}, (), False)


def _names(runs: dict[str, Run]) -> str:
    return ", ".join(dict.fromkeys(run.name for run in runs.values()))

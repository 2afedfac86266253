"""``lab assignment check``: what can be said of handed-in reports and of the records they were made from.

A hash shows that a record was not changed after the report was made. It does not show who made the run: whoever has
the kit can compute a hash anew. So figures are compared with each other, and with what a student number asks for.
"""

import statistics
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup

from lib.files import file_digest
from lib.report.export import unsourced
from lib.report.style import standing
from lib.runs import records
from lib.teach import shown as figures_shown
from lib.teach import words
from lib.teach.words import Words

LEAST = 5  # reports of one run, from which on a figure can stand out
FAR, APART = 3.5, 0.01  # robust deviations, and in accuracy, from which on it does
OTHER_FORMS = (".pdf", ".docx", ".doc", ".zip", ".rar", ".7z", ".tar", ".gz")  # of a report, packed ones too
PARTS = ("dataset", "parameters", "environment", "seconds", "results")  # what is read of a record


@dataclass
class Report:
    """A report, what it says of its records, and those that lie beside it."""

    path: Path
    language: str = "en"
    student: str = ""
    number: str = ""
    said: dict[str, str] = field(default_factory=dict)  # run to the SHA-256 of its record
    found: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)  # run to hash and record
    broken: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    rewritten: list[str] = field(default_factory=list)  # accuracies that are not those of the records
    unsourced: list[str] = field(default_factory=list)  # numbers that lead to no record
    problem: bool = False
    instead: list[str] = field(default_factory=list)  # files that were handed in, but no page


def find(paths: Sequence[Path]) -> list[Report]:
    """The reports among files and folders: of a folder every HTML file below it, and what was handed in without one."""
    found: dict[Path, Report] = {}
    for path in paths:
        for file in _pages(path, "**/*.html") if path.is_dir() else [path]:
            found.setdefault(file, _read(file))
        found |= {one.path: one for one in (_without_page(path) if path.is_dir() else ())}
    return list(found.values())


def _pages(folder: Path, where: str = "*.html") -> list[Path]:
    return sorted(path for path in folder.glob(where) if ".outdated." not in path.name)


def _without_page(folder: Path) -> Iterator[Report]:
    """The folders below, and the single files, of students who handed in no page.

    Beside a page only a folder with a report in another form counts: others hold that page's records or pictures.
    """
    pages = [path.name.split(".")[0] for path in _pages(folder)]
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or (path / "record.json").exists():  # a run's folder is no student's
            continue
        if path.is_dir():
            files = [file for file in sorted(path.rglob("*")) if file.is_file()]
            if _pages(path, "**/*.html"):
                yield from _without_page(path)
            elif not pages or any(file.suffix.lower() in OTHER_FORMS and "report" in file.name for file in files):
                yield Report(path, problem=True, instead=[str(file.relative_to(path)) for file in files] or ["–"])
        elif path.suffix.lower() in OTHER_FORMS and (
            not pages or (len(pages) > 1 and path.name.split(".")[0] not in pages)
        ):
            yield Report(path, problem=True, instead=[path.name])


def _read(path: Path) -> Report:
    try:
        return _taken_apart(path)
    except Exception:  # whatever is odd about a student's file, the others are read
        return Report(path, problem=True)


def _taken_apart(path: Path) -> Report:
    report = Report(path)
    soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    cover, table = soup.select_one("header.cover"), soup.find(id="table-records")
    if cover is None or table is None:
        report.problem = True
        return report
    report.language = "zh" if str(cover.get("data-language", "")).startswith("zh") else "en"
    cells = [cell.get_text(strip=True) for cell in cover.select("tr td")]
    report.student, report.number = [("" if text == "–" else text) for text in [*cells, "", ""][:2]]
    for row in table.select("tbody tr"):
        columns = [cell.get_text(strip=True) for cell in row.find_all(["th", "td"])]
        report.said[columns[0]] = columns[-1]
    for block in soup.select("div.own.empty"):
        heading = block.find_previous(["h2", "h3", "h4"])
        report.empty.append(" ".join(heading.get_text().split()) if heading else "?")
    for file in sorted(path.parent.rglob("record.json")):
        try:
            record, found = records.load(file), file_digest(file)
            _check(record)
            # runs of several profiles may have one name: the report's own is the one it states the hash of
            name = record["name"]
            if found == report.said.get(name) or (name not in report.found and _owns(path, file)):
                report.found[name] = found, record
        except (records.RecordError, OSError, ValueError, TypeError, AttributeError):
            if _owns(path, file):
                report.broken.append(file.parent.name)
    report.unsourced = unsourced(soup.body or soup)
    report.rewritten = figures_shown.rewritten(soup, {name: record for name, (_, record) in report.found.items()})
    return report


def _owns(page: Path, record: Path) -> bool:
    """Whether a record belongs to this page by where it lies, and not to another page beside it or nearer by."""
    if page.with_suffix("") in record.parents:
        return True
    between = [folder for folder in record.parents if folder.is_relative_to(page.parent)]
    return {path for folder in between for path in _pages(folder)} == {page}


def _check(record: dict[str, Any]) -> None:
    """Raises TypeError, ValueError or AttributeError where a part that is read is not of the kind that runs write."""
    if not all(isinstance(record[part], dict) for part in PARTS):
        raise TypeError(f"not all of {', '.join(PARTS)} have names in them")
    for entry in record["results"].get("classifiers", ()):
        float(entry.get("test_accuracy", 0))


def table(reports: Sequence[Report]) -> list[list[str]]:
    """A line for each report under a line of headings, in the language of most of them."""
    say = words.load(Counter(report.language for report in reports).most_common(1)[0][0])
    columns = ("file", "student", "number", "data", "records", "seeds", "commit", "variant", "empty", "notable")
    lines = [[say[f"check.{column}"] for column in columns]]
    figures, owners = _figures(reports), _owners(reports)
    for report in reports:
        if report.problem:
            why = say("check.no_page", files=_few(report.instead)) if report.instead else say["check.no_report"]
            lines.append([str(report.path), *[""] * (len(columns) - 2), why])
            continue
        known = [record for _, record in _own(report)]
        seeds = sorted({str(record["parameters"].get("seed")) for record in known})
        commits = sorted({str(record["environment"].get("commit")) for record in known})
        join = say["check.join"].join
        typed = [say("check.rewritten", shown=", ".join(report.rewritten))] if report.rewritten else []
        typed += [say("check.unsourced", shown="; ".join(report.unsourced[:5]))] if report.unsourced else []
        notable = [*typed, *_stand_out(report, figures, say), *_shared(report, owners, say)]
        lines.append(
            [str(report.path), report.student, report.number, join(_data(known, say)), join(_hashes(report, say)),
             ", ".join(seeds), ", ".join(commits), _variant(report, known, say), join(report.empty), join(notable)]
        )  # fmt: skip
    return lines


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")


def _data(known: Sequence[dict[str, Any]], say: Words) -> list[str]:
    """Whether each run was on the real data."""
    nothing_said = {"genuine": False, "source": ""}
    bad = [record["name"] for record in known if standing(nothing_said | record["dataset"]) == "sample"]
    if not known:
        return [say["check.unknown"]]
    return [say("check.sample", runs=", ".join(bad))] if bad else [say["check.genuine"]]


def _hashes(report: Report, say: Words) -> list[str]:
    """Whether the records that lie there are those that the report was made from."""
    missing = [name for name in report.said if name not in report.found and name not in report.broken]
    there = {name: found for name, (found, _) in report.found.items() if name not in report.broken}
    changed = [name for name, said in report.said.items() if there.get(name, said) != said]
    told = [
        say(f"check.{word}", runs=", ".join(names))
        for word, names in (("missing", missing), ("changed", changed), ("broken", report.broken))
        if names
    ]
    return told or [say("check.match", count=len(report.said))]


def _variant(report: Report, known: Sequence[dict[str, Any]], say: Words) -> str:
    """Whether some run is the one that the student number asks for."""
    from lib.teach import variants

    if not report.number:
        return say["check.no_number"]
    try:
        wanted = variants.draw(report.number).parameters()
    except ValueError:
        return say["check.no_number"]
    wrong: list[list[str]] = []
    for record in known:
        given = record["parameters"]
        if wanted.keys() <= given.keys():
            wrong.append([f"{name} {given[name]} ≠ {value}" for name, value in wanted.items() if given[name] != value])
    if not wrong:
        return say["check.no_variant"]
    nearest = min(wrong, key=len)
    return say("check.other_variant", apart="; ".join(nearest)) if nearest else say["check.own_variant"]


def _own(report: Report) -> list[tuple[str, dict[str, Any]]]:
    """The records that the report itself names; other reports' may lie beside it."""
    return [(name, record) for name, (_, record) in report.found.items() if name in report.said]


def _accuracies(report: Report) -> Iterator[tuple[tuple, float]]:
    """Each accuracy with what makes it comparable: run, labels, data and profile."""
    for name, record in _own(report):
        for entry in record["results"].get("classifiers", ()):
            run = record["parameters"].get("run", name)
            comparable = (run, entry.get("labels"), record["dataset"].get("source"), record["profile"])
            yield comparable, float(entry.get("test_accuracy", 0))


def _figures(reports: Sequence[Report]) -> dict[tuple, list[float]]:
    found: dict[tuple, list[float]] = {}
    for report in reports:
        for key, value in _accuracies(report):
            found.setdefault(key, []).append(value)
    return found


def _stand_out(report: Report, figures: dict[tuple, list[float]], say: Words) -> list[str]:
    """Figures far from the median of all, by the median of the deviations from it."""
    told = []
    for key, value in _accuracies(report):
        values = figures[key]
        middle = statistics.median(values)
        spread = 1.4826 * statistics.median(abs(other - middle) for other in values)
        if len(values) >= LEAST and abs(value - middle) > max(FAR * spread, APART):
            shown = {"value": f"{100 * value:.2f}%", "median": f"{100 * middle:.2f}%"}
            told.append(say("check.far", run=key[0], labels=key[1], **shown))
    return told


def _fingerprint(record: dict[str, Any]) -> str:
    """What two runs can only share if they are one: all seconds, to the last digit."""
    return repr(sorted(record["seconds"].items()))


def _owners(reports: Sequence[Report]) -> dict[str, list[Report]]:
    owners: dict[str, list[Report]] = {}
    for report in reports:
        for _, record in _own(report):
            owners.setdefault(_fingerprint(record), []).append(report)
    return owners


def _shared(report: Report, owners: dict[str, list[Report]], say: Words) -> Iterator[str]:
    """The runs that other reports have too, those of the same reports in one sentence."""
    found: dict[str, list[str]] = {}
    for name, record in _own(report):
        others = [other for other in owners[_fingerprint(record)] if other is not report]
        if others and record["seconds"]:
            told = (other.number if other.number != report.number else str(other.path) for other in others)
            found.setdefault(", ".join(dict.fromkeys(told)), []).append(name)
    for others, names in found.items():
        yield say("check.same", runs=", ".join(names), others=others)


def shown(lines: Sequence[Sequence[str]]) -> str:
    """The lines for a terminal: a paragraph for each report, for ten columns fit no terminal."""
    wide = max(_width(head) for head in lines[0])
    paragraphs = []
    for line in lines[1:]:
        pairs = [(head, cell) for head, cell in zip(lines[0], line, strict=True) if cell]
        paragraphs.append("\n".join(f"{head}{' ' * (wide - _width(head))}  {cell}" for head, cell in pairs))
    return "\n\n".join(paragraphs)


def _width(text: str) -> int:
    """Columns on a terminal, where a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)

"""``manual.csv``, which the teacher fills in, and ``grades.csv``, which is made of it and of the tests.

Both begin with a byte order mark, by which Excel on Chinese Windows knows UTF-8; what Excel there saves in GBK is read
as well. Nothing a teacher wrote is ever lost: rows of hand-ins that are no longer there stay, and so do columns
without a name and lines without an id. ``manual.csv.bak`` is the file as it was before it was last changed.
"""

import csv
import hashlib
import io
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lib.files import write_whole
from lib.teach import words
from lib.teach.grade import Graded
from lib.teach.master import Manual, Test
from lib.teach.words import Words

KEY = "id"
COMMENT = " comment"
AGAIN = "\0"  # before a column's place, where its name alone does not tell it from others
FILE, ANSWERS = "file", "answers"  # by which a row is known when the id changes, and what its points are for


class MarksError(ValueError):
    """Something in ``manual.csv`` is no mark."""


class Marks:
    """What the teacher gave: points and comments by hand-in and question, and points by test where they differ."""

    def __init__(self, path: Path, questions: Sequence[Manual], tests: Sequence[Test] = ()):
        self.path, self.questions = path, {question.id: question for question in questions}
        self.most = {step.id: step.points for step in (*questions, *tests)}
        self._read()

    def points(self, one: Graded, question: str) -> float | None:
        """Points given; None while there are none. Where nothing was written, there is nothing to mark: 0."""
        cell = self.rows.get(f"#{one.who}", {}).get(question, "")
        if cell:
            return _number(cell)
        return None if one.answers.get(question) else 0.0

    def comment(self, one: Graded, question: str) -> str:
        """What the teacher wrote beside the points."""
        return self.rows.get(f"#{one.who}", {}).get(question + COMMENT, "")

    def write(self, graded: Sequence[Graded]) -> None:
        """Write the file anew: what is in it by now, since grading may take an hour, and a row for each new hand-in.

        Points for an answer that is another by now go into the comment: the new answer is still to be marked. Points
        in a column named after a test take the place of those that the test gave.

        Raises:
            MarksError: something that was written there meanwhile is no mark.
        """
        self._read()
        columns, keys = [KEY, "number", "name"], [KEY, "number", "name"]
        for question in self.questions.values():
            columns += [f"{question.id} (0-{question.points:g})", question.id + COMMENT]
            keys += [question.id, question.id + COMMENT]
        rows = {}
        for one, row in self._rows_of(graded):
            row |= {KEY: f"#{one.who}", "number": one.number, "name": one.name, FILE: one.place}
            self._compare(one, row)
            _correct(one, {test: row.get(test, "") for test in self.most})
            rows[row[KEY]] = row
        self.rows = rows | {key: row for key, row in self.rows.items() if key not in rows}
        own = [*self.more, FILE, ANSWERS]
        lines = [[row.get(key, "") for key in keys + own] for row in (*self.rows.values(), *self.loose)]
        before = self.path.read_bytes() if self.path.exists() else b""
        write_csv(self.path, [columns + [key.split(AGAIN)[0] for key in own], *lines])
        if before not in (b"", self.path.read_bytes()):
            write_whole(self.path.with_name(f"{self.path.name}.bak"), before)

    def _rows_of(self, graded: Sequence[Graded]) -> Iterator[tuple[Graded, dict[str, str]]]:
        """Each hand-in with its row: that of its file or of an earlier one, else that of its id, else a new one."""
        by_file = {row[FILE]: key for key, row in self.rows.items() if row.get(FILE)}
        known = {one.who: next((by_file[p] for p in [one.place, *one.others] if p in by_file), None) for one in graded}
        taken = {key: self.rows.pop(key) for key in set(known.values()) if key}
        for one in graded:  # two files of one place, as an archive may hold, have one row: the first takes it
            yield one, taken.pop(known[one.who], None) or self.rows.get(f"#{one.who}", {})

    def _compare(self, one: Graded, row: dict[str, str]) -> None:
        now = {q: hashlib.sha256(one.answers.get(q, "").encode()).hexdigest()[:8] for q in self.questions}
        before = dict(part.split("=", 1) for part in row.get(ANSWERS, "").split() if "=" in part)
        for question in self.questions:
            if row.get(question) and before.get(question, now[question]) != now[question]:
                say, note = words.load(one.language), question + COMMENT
                row[note] = say("manual.earlier", points=row[question], comment=row.get(note, "")).strip()
                row[question] = ""
        row[ANSWERS] = " ".join(f"{question}={digest}" for question, digest in now.items())

    def _read(self) -> None:
        self.rows: dict[str, dict[str, str]] = {}
        self.loose: list[dict[str, str]] = []  # lines without an id, such as one of means
        self.more: list[str] = []  # columns of the teacher's own
        if not self.path.exists():
            return
        lines = read_csv(self.path)
        names = _columns(lines, self.most)
        if KEY not in names:
            raise MarksError(
                f"{self.path} has no column “{KEY}”, by which its rows are known. Rename it, or mend its first line."
            )
        read = [{name: cell.strip() for name, cell in zip(names, line, strict=False)} for line in lines[1:]]
        kits = {KEY, "number", "name", FILE, ANSWERS, *self.questions, *(q + COMMENT for q in self.questions)}
        self.more = [n for n in names if n not in kits and (n[0] != AGAIN or any(row.get(n) for row in read))]
        wrong, places = [], {}
        for number, row in enumerate(read, 2):
            key = row[KEY] = row.get(KEY, "").lstrip("'")
            if not key:
                self.loose += [row] if any(row.values()) else []
                continue
            wrong += [
                f"line {number}, {step}: {row[step]!r} is no number from 0 to {most:g}"
                for step, most in self.most.items()
                if not _is_mark(row.get(step, ""), most)
            ]
            first = self.rows.setdefault(key, row)
            if apart := [
                name.split(AGAIN)[0] for name in row if row[name] and first.get(name, "") not in ("", row[name])
            ]:
                wrong.append(f"lines {places[key]} and {number} are both of {key} and differ in {', '.join(apart)}")
            first |= {name: cell for name, cell in row.items() if cell}
            places.setdefault(key, number)
        if wrong:
            raise MarksError(
                f"{self.path}: {'; '.join(wrong)}. Mend it there; where nothing is marked, leave it empty."
            )


def _columns(lines: Sequence[Sequence[str]], known: Container[str]) -> list[str]:
    """A name for each column, without the range that stands behind it; one with no name, or another's, gets its own."""
    heads = [*lines[0], *[""] * (max(map(len, lines)) - len(lines[0]))] if lines else []
    names: list[str] = []
    for place, head in enumerate(heads):
        bare = head.strip().split(" (")[0]
        name = bare if bare in known else head.strip()
        names.append(name if name and name not in names else f"{name}{AGAIN}{place}")
    return names


def _number(cell: str) -> float:
    return float(cell.replace(",", ".").replace("，", "."))


def _is_mark(cell: str, most: float) -> bool:
    try:
        return not cell or 0 <= _number(cell) <= most
    except ValueError:
        return False


def _correct(one: Graded, points: Mapping[str, str]) -> None:
    """Take the teacher's points for those of a test, which are kept for when its column is emptied, and say so."""
    for test in one.tests:
        own = test.setdefault("own", test["points"])
        test["points"] = _number(points[test["id"]]) if points.get(test["id"]) else own
    corrected = [test["id"] for test in one.tests if points.get(test["id"])]
    one.notes = [note for note in one.notes if note[0] != "corrected"]
    one.notes += [["corrected", corrected]] if corrected else []


def read_csv(path: Path) -> list[list[str]]:
    """The lines of a CSV file in UTF-8 or GBK, separated by commas, semicolons or tabs.

    Raises:
        MarksError: it cannot be read as either.
    """
    content = path.read_bytes()
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise MarksError(f"{path} is neither UTF-8 nor GBK: save it as CSV UTF-8.")
    first = text.splitlines()[0] if text else ""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    return [[_bare(cell) for cell in line] for line in lines if line]


def write_csv(path: Path, lines: Sequence[Sequence[Any]]) -> None:
    """Write lines so that Excel reads them as UTF-8 and takes no name for a formula."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([[_plain(cell) for cell in line] for line in lines])
    write_whole(path, text.getvalue().encode("utf-8-sig"))


def _plain(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _bare(cell: str) -> str:
    """A cell without the apostrophe that ``_plain`` put before it: students are shown what the teacher wrote."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in ("=", "+", "-", "@") else cell


def table(graded: Sequence[Graded], marks: Marks, say: Words, notes: dict[str, list[str]]) -> list[list[Any]]:
    """The lines of ``grades.csv``: a hand-in each, its points by test and by question, and notes."""
    tests = list(dict.fromkeys(test["id"] for one in graded for test in one.tests))
    most = {test["id"]: test["most"] for one in graded for test in one.tests}
    questions = list(marks.questions)
    heads = ("feedback.number", "feedback.student", "feedback.file")
    lines: list[list[Any]] = [
        [*(say[head] for head in heads), *(f"{test} ({most[test]:g})" for test in tests), say["overview.by_tests"],
         *(f"{q} ({marks.questions[q].points:g})" for q in questions), say["overview.by_hand"], say["feedback.sum"],
         say["overview.look"]]
    ]  # fmt: skip
    for one in graded:
        if one.problem:
            blank = [""] * (len(tests) + len(questions) + 3)
        else:
            given = {test["id"]: test["points"] for test in one.tests}
            hand = [marks.points(one, question) for question in questions]
            by_hand = "" if None in hand else sum(hand)
            total = "" if by_hand == "" else one.by_tests + by_hand
            blank = [
                *(given.get(test, "") for test in tests),
                one.by_tests,
                *("" if m is None else m for m in hand),
                by_hand,
                total,
            ]
        lines.append([one.number, one.name, one.place, *blank, " ".join(notes.get(one.who, []))])
    return lines

"""``manual.csv``, which the teacher fills in, and ``grades.csv``, which is made of it and of the tests.

Both begin with a byte order mark, by which Excel on Chinese Windows knows UTF-8; what Excel there saves in GBK is read
as well. Nothing a teacher wrote is ever lost: rows of hand-ins that are no longer there stay.
"""

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lib.files import write_whole
from lib.teach import words
from lib.teach.grade import Graded
from lib.teach.master import Manual
from lib.teach.words import Words

KEY = "id"
COMMENT = " comment"
FILE, ANSWERS = "file", "answers"  # by which a row is known when the id changes, and what its points are for


class MarksError(ValueError):
    """Something in ``manual.csv`` is no mark."""


class Marks:
    """What the teacher gave: points and comments by hand-in and question."""

    def __init__(self, path: Path, questions: Sequence[Manual]):
        self.path, self.questions = path, {question.id: question for question in questions}
        self._read()

    def points(self, one: Graded, question: str) -> float | None:
        """Points given; None while there are none. Where nothing was written, there is nothing to mark: 0."""
        cell = self.rows.get(f"#{one.who}", {}).get(question, "")
        if cell:
            return float(cell.replace(",", ".").replace("，", "."))
        return None if one.answers.get(question) else 0.0

    def comment(self, one: Graded, question: str) -> str:
        """What the teacher wrote beside the points."""
        return self.rows.get(f"#{one.who}", {}).get(question + COMMENT, "")

    def write(self, graded: Sequence[Graded]) -> None:
        """Write the file anew: what is in it by now, since grading may take an hour, and a row for each new hand-in.

        Points for an answer that is another by now go into the comment: the new answer is still to be marked.

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
            rows[row[KEY]] = row
        self.rows = rows | {key: row for key, row in self.rows.items() if key not in rows}
        own = [*self.more, FILE, ANSWERS]
        lines = [[row.get(key, "") for key in keys + own] for row in self.rows.values()]
        write_csv(self.path, [columns + own, *lines])

    def _rows_of(self, graded: Sequence[Graded]) -> Iterator[tuple[Graded, dict[str, str]]]:
        """Each hand-in with its row: that of its file or of an earlier one, else that of its id, else a new one."""
        by_file = {row[FILE]: key for key, row in self.rows.items() if row.get(FILE)}
        known = {one.who: next((by_file[p] for p in [one.place, *one.others] if p in by_file), None) for one in graded}
        taken = {key: self.rows.pop(key) for key in known.values() if key}
        for one in graded:
            yield one, taken[key] if (key := known[one.who]) else self.rows.get(f"#{one.who}", {})

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
        self.more: list[str] = []  # columns of the teacher's own
        if not self.path.exists():
            return
        lines = read_csv(self.path)
        names = [_column(name, self.questions) for name in lines[0]] if lines else []
        if KEY not in names:
            raise MarksError(
                f"{self.path} has no column “{KEY}”, by which its rows are known. Rename it, or mend its first line."
            )
        self.more = [
            n
            for n in names
            if n and n not in (KEY, "number", "name", FILE, ANSWERS) and n.removesuffix(COMMENT) not in self.questions
        ]
        wrong = []
        for number, line in enumerate(lines[1:], 2):
            row = {name: cell.strip() for name, cell in zip(names, line, strict=False) if name}
            if not row.get(KEY):
                continue
            row[KEY] = row[KEY].lstrip("'")
            wrong += [
                f"line {number}, {q.id}: {row[q.id]!r}"
                for q in self.questions.values()
                if not _is_mark(row.get(q.id, ""), q)
            ]
            self.rows[row[KEY]] = row
        if wrong:
            most = ", ".join(f"{q.id} {q.points:g}" for q in self.questions.values())
            raise MarksError(
                f"{self.path}: {'; '.join(wrong)}. A number from 0 to the most is right ({most}), or nothing."
            )


def _column(name: str, questions: dict[str, Manual]) -> str:
    """A column's own name without the range that stands behind it."""
    name = name.strip()
    bare = name.split(" (")[0]
    return bare if bare in questions else name


def _is_mark(cell: str, question: Manual) -> bool:
    if not cell:
        return True
    try:
        return 0 <= float(cell.replace(",", ".").replace("，", ".")) <= question.points
    except ValueError:
        return False


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

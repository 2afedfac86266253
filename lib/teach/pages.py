"""The pages that grading leaves: feedback for each student, an overview and the answers in words for the teacher."""

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from lib.teach import words
from lib.teach.alike import Pair
from lib.teach.box.process import Limits
from lib.teach.checks.tutor import MARGIN
from lib.teach.grade import Graded
from lib.teach.marks import Marks
from lib.teach.master import Master
from lib.teach.words import Words

TEMPLATES = Path(__file__).with_name("templates")
BARS = 10
ENDED = ("time", "memory", "processes", "ended", "nonsense", "unrun")


@cache
def _templates() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(TEMPLATES)
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)


def render(name: str, say: Words, **given: Any) -> str:
    """A page from its template, whatever is in it escaped."""
    colon = "：" if say.language == "zh" else ": "
    return _templates().get_template(f"{name}.html.j2").render(say=say, colon=colon, **given)


def reason(say: Words, failed: str, limits: Limits) -> str:
    """Why a student's process was ended, in words."""
    known = failed if failed in ENDED else "ended"
    return say(f"failed.{known}", seconds=limits.cell, memory=limits.memory / 2**30, processes=limits.processes)


def notes_of(graded: Graded, say: Words) -> list[str]:
    """What is to be known of a hand-in beside its points."""
    said = []
    for note in graded.notes:
        word, ids = (note, []) if isinstance(note, str) else note
        said.append(say(f"note.{word}", ids=", ".join(ids)))
    if late := [test["id"] for test in graded.tests if test["failed"] in ("time", "unrun")]:
        said.append(say("note.late", ids=", ".join(late)))
    if graded.others:
        said.append(say("note.others", places=", ".join(graded.others)))
    return said


def feedback(graded: Graded, master: Master, marks: Marks, limits: Limits) -> str:
    """What a student gets: points, what the visible checks say, the own cells. Of hidden tests that there was one."""
    say = words.load(master.language)
    rows = [_test_row(test, master, say, limits) for test in graded.tests]
    given = {name: marks.points(graded, name) for name in master.manual}
    for name, manual in master.manual.items():
        points = given[name]
        shown = say["feedback.unmarked"] if points is None else _of(say, points, manual.points)
        rows.append(
            {
                "id": name,
                "title": manual.title,
                "points": shown,
                "good": False,
                "said": "",
                "plain": marks.comment(graded, name),
            }
        )
    marked = None not in given.values()
    most = master.most if marked else sum(test.points for test in master.tests.values())
    total = graded.by_tests + (sum(filter(None, given.values())) if marked else 0)
    return render(
        "feedback", say, title=say("feedback.title", title=master.title), graded=graded, marked=marked,
        total=_of(say, total, most), notes=notes_of(graded, say), rows=rows,
        cells=_own_cells(graded, master, marks, say, limits),
    )  # fmt: skip


def plain(graded: Graded, master: Master) -> str:
    """What a student gets whose own page could not be made: the points by tests."""
    say = words.load(master.language)
    most = sum(test.points for test in master.tests.values())
    title = say("feedback.title", title=master.title)
    return render("plain", say, title=title, graded=graded, total=_of(say, graded.by_tests, most))


def _of(say: Words, points: float, most: float) -> str:
    return say("feedback.of", points=f"{points:g}", most=f"{most:g}")


def _test_row(test: dict[str, Any], master: Master, say: Words, limits: Limits) -> dict[str, Any]:
    failed, message = test["failed"], test["message"]
    if failed == "hidden":
        said = say["failed.hidden"] + (f"\n{say('failed.raised', kind=message)}" if message else "")
    else:
        said = _unwrapped(message, say) if failed in ("visible", "") else reason(say, failed, limits)
    good = not failed
    if test.get("own", test["points"]) != test["points"]:  # what the test itself gave
        good = test["points"] == test["most"]
        said = "\n".join(filter(None, (say["failed.corrected"], said)))
    title = master.tests[test["id"]].title
    points = _of(say, test["points"], test["most"])
    return {"id": test["id"], "title": title, "points": points, "good": good, "said": said, "plain": ""}


def _unwrapped(message: str, say: Words) -> str:
    """A check's message with each entry in one line: the page breaks its lines, at another width than a notebook's."""
    return re.sub(rf"\n {{{MARGIN}}}(?=\S)", "" if say.language == "zh" else " ", message)


def _own_cells(graded: Graded, master: Master, marks: Marks, say: Words, limits: Limits) -> list[dict[str, Any]]:
    """The cells that a student wrote, each with what came of it."""
    shown = []
    for cell in graded.cells:
        if cell["role"] not in ("solution", "manual", "own") or not (cell["code"] or cell["role"] == "manual"):
            continue
        manual = cell["role"] == "manual"
        comment = marks.comment(graded, cell["id"]) if manual else ""
        error = _cell_error(cell.get("error"), say, limits)
        shown.append(
            {
                "title": cell["id"],
                "answer": manual,
                "code": cell["code"],
                "source": cell["source"],
                "comment": comment,
                "error": error,
            }
        )
    return shown


def _cell_error(error: dict[str, Any] | None, say: Words, limits: Limits) -> str:
    if not error:
        return ""
    if "killed" in error:
        return say("feedback.killed", reason=reason(say, error["killed"], limits))
    lines = "".join(f"\n{line}: {text}" for line, _, text in error.get("where", [])[-1:])
    return f"{say['feedback.error']}\n{error.get('type')}: {error.get('message')}{lines}"[:4000]


def overview(
    graded: Sequence[Graded],
    master: Master,
    marks: Marks,
    alike: Sequence[Pair],
    links: dict[str, str],
    level: str,
    limits: Limits,
) -> str:
    """For the teacher: distribution, the hardest steps, what could not be graded, what to look at."""
    say = words.load(master.language)
    good = [one for one in graded if not one.problem]
    sums = [one.by_tests for one in good]
    most = sum(test.points for test in master.tests.values())
    summary = say(
        "overview.summary", graded=len(good), problems=len(graded) - len(good), most=most,
        mean=statistics.fmean(sums) if sums else 0, median=statistics.median(sums) if sums else 0,
    )  # fmt: skip
    names = {one.who: f"{one.who} · {one.name}" if one.name and one.name != one.who else one.who for one in graded}
    return render(
        "overview", say, title=say("overview.title", title=master.title), summary=summary, level=level,
        walls=say("overview.walls", level=level, meaning=say[f"walls.{level}"]), bars=_bars(sums, most),
        steps=_steps(good, master, say, limits),
        problems=[(o.who, o.place, say(f"problem.{o.problem}", detail=o.detail)) for o in graded if o.problem],
        alike=[(names[p.one], names[p.other], _shared(p, say)) for p in alike],
        look=[(names[one.who], notes) for one in good if (notes := notes_of(one, say))],
        students=[_student_row(one, marks, links) for one in good],
    )  # fmt: skip


def _shared(pair: Pair, say: Words) -> str:
    said = say("overview.shared", shared=100 * pair.shared)
    said = said if pair.what == "code" else f"{pair.what}: {said}"
    return said + ("，" if say.language == "zh" else ", ") + say["overview.literal"] if pair.literal else said


def _bars(sums: Sequence[float], most: float) -> list[dict[str, Any]]:
    """How many hand-ins have points in each tenth of what there is."""
    width = (most or 1) / BARS
    counts = Counter(min(int(value / width), BARS - 1) for value in sums)
    top = max(counts.values(), default=1)
    return [
        {"count": counts[i], "height": round(100 * counts[i] / top), "label": f"{i * width:g}–{(i + 1) * width:g}"}
        for i in range(BARS)
    ]


def _steps(good: Sequence[Graded], master: Master, say: Words, limits: Limits) -> list[dict[str, Any]]:
    found = []
    for name, test in master.tests.items():
        results = [result for one in good for result in one.tests if result["id"] == name]
        why: Counter[str] = Counter()
        for result in results:
            if result["failed"] == "hidden":
                why[say["overview.hidden"]] += 1
            elif result["failed"]:
                why[_short(result["message"]) or reason(say, result["failed"], limits)] += 1
        share = sum(r["points"] == r["most"] for r in results) / len(results) if results else 0
        mean = statistics.fmean(r["points"] for r in results) if results else 0
        row = {"id": name, "title": test.title, "share": f"{100 * share:.0f}%", "why": why.most_common(3)}
        found.append((share, row | {"mean": _of(say, round(mean, 1), test.points)}))
    return [row for _, row in sorted(found, key=lambda entry: entry[0])]


def _short(message: str) -> str:
    """What a check says in a line: of a message with indented entries the last, which names the likely mistake."""
    entries = re.split(r"\n {1,3}(?=\S)", message)
    text = " ".join(entries[-1].split("\n"))
    text = re.sub(r"^\S+(?: \S+)?\s{2,}", "", text) if len(entries) > 1 else message.split("\n")[0]
    text = " ".join(text.split())
    return text if len(text) <= 200 else f"{text[:199]}…"


def _student_row(one: Graded, marks: Marks, links: dict[str, str]) -> dict[str, Any]:
    hand = [marks.points(one, question) for question in marks.questions]
    by_hand = "–" if None in hand else f"{sum(hand):g}"
    return {
        "number": one.number,
        "name": one.name,
        "place": one.place,
        "by_tests": f"{one.by_tests:g}",
        "by_hand": by_hand,
        "link": links[one.who],
    }


def answers(graded: Sequence[Graded], master: Master, marks: Marks) -> str:
    """For the teacher: each question with all answers below it."""
    say = words.load(master.language)
    questions = []
    for name, manual in master.manual.items():
        given = []
        for one in graded:
            points = marks.points(one, name)
            shown = say["feedback.unmarked"] if points is None else _of(say, points, manual.points)
            if not one.problem:
                given.append({"who": one.who, "name": one.name, "points": shown, "text": one.answers.get(name, "")})
        questions.append(
            {
                "id": name,
                "title": manual.title,
                "points": f"{manual.points:g}",
                "question": manual.question,
                "model": manual.source,
                "answers": given,
            }
        )
    return render("answers", say, title=say("answers.title", title=master.title), questions=questions)


def file_names(graded: Sequence[Graded]) -> dict[str, str]:
    """For each hand-in a file name of its own, whatever its student is called."""
    names: dict[str, str] = {}
    for one in graded:
        base = re.sub(r"[^\w.-]+", "_", f"{one.number} {one.name}".strip() or one.who).strip("._")
        base = base.encode()[:120].decode("utf-8", "ignore") or "student"  # systems count a name's bytes
        name, count = base, 1
        while name.lower() in {other.lower() for other in names.values()}:
            count += 1
            name = f"{base}-{count}"
        names[one.who] = name
    return {who: f"{name}.html" for who, name in names.items()}

"""The folder that grading writes: ``grades.csv``, ``manual.csv``, overview, answers and feedback as HTML."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from lib.files import write_whole
from lib.teach import alike, grade, marks, pages, words
from lib.teach.align import visible
from lib.teach.box.process import Limits
from lib.teach.grade import Graded
from lib.teach.handins import HandIn
from lib.teach.kept import Kept
from lib.teach.master import Master, role


class Room:
    """Where hand-ins are graded to, and by what."""

    def __init__(
        self, out: Path, masters: Sequence[Master], limits: Limits, level: str, hidden: Sequence[Path],
        kept: Kept | None = None,
    ):  # fmt: skip
        """Looks, before anything is graded, whether it may be.

        Raises:
            MarksError: something in ``manual.csv`` is no mark.
            FolderError: ``out`` is not grading's.
        """
        self.kept = kept or Kept(out)
        self.out, self.masters, self.limits, self.level = out, {m.language: m for m in masters}, limits, level
        self.hidden = hidden
        first = next(iter(self.masters.values()))
        self.marks = marks.Marks(out / "manual.csv", list(first.manual.values()), list(first.tests.values()))
        self.graded: list[Graded] = []

    def grade(self, items: Sequence[HandIn], jobs: int = 0) -> Iterator[tuple[Graded, bool]]:
        """Grade hand-ins; each when it is done, and whether it was before."""
        self.kept.write()
        order = {item.who: number for number, item in enumerate(items)}
        box = grade.box_for(self.level, self.limits, self.hidden)
        for one, before in grade.grade_all(
            items, list(self.masters.values()), box, self.out / "results", jobs or grade.cores()
        ):
            self.graded.append(one)
            yield one, before
        self.graded.sort(key=lambda one: order[one.who])

    @property
    def master(self) -> Master:
        """The master in the language of most hand-ins: the teacher's pages are in it."""
        spoken = Counter(one.language for one in self.graded if not one.problem)
        return self.masters.get(spoken.most_common(1)[0][0] if spoken else "", next(iter(self.masters.values())))

    def problem(self, one: Graded) -> str:
        """Why a hand-in cannot be graded, in a sentence."""
        return words.load("en")(f"problem.{one.problem}", detail=one.detail)

    def write(self) -> dict[str, str]:
        """Write everything that is made of the results; whose page could not be made, and why."""
        good = [one for one in self.graded if not one.problem]
        self.marks.write(good)
        say = words.load(self.master.language)
        notes = {one.who: self._notes(one, say) for one in self.graded}
        marks.write_csv(self.out / "grades.csv", marks.table(self.graded, self.marks, say, notes))
        names, failed = pages.file_names(good), {}
        self.kept.feedback(names.values())
        for one in good:
            master = self.masters[one.language]
            try:
                page = pages.feedback(one, master, self.marks, self.limits).encode()
            except Exception as error:  # whatever is in a hand-in that no page can be made of: the others get theirs
                page, failed[one.who] = pages.plain(one, master).encode(), f"{type(error).__name__}: {error}"[:200]
            write_whole(self.out / "feedback" / names[one.who], page)
        links = {who: f"feedback/{name}" for who, name in names.items()}
        page = pages.overview(self.graded, self.master, self.marks, self._alike(good), links, self.level, self.limits)
        write_whole(self.out / "overview.html", page.encode())
        write_whole(self.out / "answers.html", pages.answers(good, self.master, self.marks).encode())
        return failed

    def _notes(self, one: Graded, say: words.Words) -> list[str]:
        problem = [say(f"problem.{one.problem}", detail=one.detail)] if one.problem else []
        return problem + pages.notes_of(one, say)

    def _alike(self, good: Sequence[Graded]) -> list[alike.Pair]:
        given = "\n".join(
            visible(c.source) for c in self.master.cells if c.cell_type == "code" and role(c) != "solution"
        )
        sources = {
            one.who: "\n".join(source for name, source in sorted(one.solutions.items()) if name != "student")
            for one in good
        }
        questions = "\n".join(manual.question for master in self.masters.values() for manual in master.manual.values())
        return alike.pairs(sources, given, {one.who: one.answers for one in good}, questions)

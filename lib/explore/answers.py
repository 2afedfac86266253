"""What the three ways of looking say of an image: a heading, a bar for each class, the nearest training images."""

from collections.abc import Mapping

from torch import Tensor

from lib.explore import html
from lib.explore.subject import Subject

SHOWN = 10  # neighbours


def answers(subject: Subject, image: Tensor, notes: Mapping[str, str], truth: int | None = None) -> str:
    """For a uint8 image (C, H, W), a part for each reader.

    Args:
        notes: by the reader's name, what stands below its heading.
        truth: the image's class, if it is known: the heading then says whether the vote is right.
    """
    parts = []
    for name, reader in subject.readers.items():
        (verdict,) = reader.ask(image[None])
        what, share = subject.classes[verdict.winner], f"{max(verdict.shares):.0%}"
        reads = subject.say(f"explore.reader.{name}")
        said = subject.say.plain("explore.prediction", reader=reads, what=what, share=share)
        if truth is not None:
            said = f"{'✓' if verdict.winner == truth else '✗'} {said}"
        heads = [html.line(said, 14, "bold"), html.line(notes.get(name, ""), 12)]
        shares = html.shares(verdict.shares, subject.classes, html.OF[name])
        parts.append(html.block("".join(heads) + _near(subject, verdict.rows) + shares, html.OF[name]))
    return html.row(parts, 16)


def _near(subject: Subject, rows: list[int]) -> str:
    """The first of these training images, each with its class below."""
    names = [subject.classes[label] for label in subject.known_labels[rows[:SHOWN]]]
    pictures = [
        html.column(html.picture(subject.known[i], name, 44), html.line(name, 10), width="50px")
        for i, name in zip(rows, names, strict=False)
    ]
    return html.row(pictures, 0)

"""Diagrams of the run reported, drawn when the report is made: from its record, and from the model built anew.

``draw("network", record, words)`` is a stand-alone SVG. Words are in ``en.yaml`` and ``zh.yaml`` beside this file;
numbers are the record's or the model's, none is written here.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from IPython.display import HTML
from markupsafe import escape

from lib import words
from lib.report.drawing.data import data
from lib.report.drawing.facts import Facts, Texts
from lib.report.drawing.loss import nt_xent, nt_xent_wide
from lib.report.drawing.network import network, network_wide
from lib.report.drawing.sheet import Sheet
from lib.report.drawing.step import classifier, training_step
from lib.report.named import crops_named, operations
from lib.report.style import LONGEST, title
from lib.report.svg import Drawn
from lib.report.values import Value
from lib.words import Words, WordsError

HERE = Path(__file__).parent
DRAWINGS: dict[str, Callable[[Facts, Texts], Sheet]] = {
    "data": data,
    "network": network,
    "training-step": training_step,
    "nt-xent": nt_xent,
    "classifier": classifier,
}
#: What would be too tall on paper for its letters to be read; a phone has them as above.
FLAT = {"network": network_wide, "nt-xent": nt_xent_wide}


def draw(kind: str, record: dict[str, Any], say: Words, flat: bool = False) -> Sheet:
    """A diagram of a run of SimCLR; ``flat``: as wide as a line of text, where there is such a form.

    Raises:
        WordsError: there is no diagram of that kind; the message lists those there are.
        ValueError: the network cannot be built from the record: an encoder or a layer that this kit does not have.
    """
    if kind not in DRAWINGS:
        raise WordsError(f"There is no diagram {kind!r}; there are: {', '.join(DRAWINGS)}.")
    facts = Facts(record)
    return ((flat and FLAT.get(kind)) or DRAWINGS[kind])(facts, _texts(kind, facts, say))


def drawn(kind: str, record: dict[str, Any], say: Words) -> Drawn:
    """A diagram as it stands in a page, with another form of it for a phone where there are two. Raises as ``draw``."""
    shown = draw(kind, record, say, flat=True).drawn()
    return shown._replace(narrow=draw(kind, record, say).drawn()) if kind in FLAT else shown


def picture(kind: str, record: dict[str, Any]) -> HTML:
    """A diagram as a notebook shows it, in the language in use. Raises as ``draw``.

    An image, not inline SVG, so that the diagram's style sheet does not reach the notebook's other outputs.
    """
    shown = draw(kind, record, words.current(), flat=True).drawn()
    size = f'width="{shown.width}" height="{shown.height}" style="max-width: 100%; height: auto"'
    return HTML(f'<img src="{shown.uri}" {size} alt="{escape(shown.alt)}">')


def networks(runs: Sequence[Sequence[Value]]) -> list[Value]:
    """Of runs, a list of seeds each, the first record of every network that differs from those before it."""
    found: dict[tuple, Value] = {}
    for seeds in runs:
        facts = Facts(seeds[0].content)
        found.setdefault((facts.network, facts.asked["weights"], tuple(facts.asked["feature_layers"])), seeds[0])
    return list(found.values())


def _texts(kind: str, facts: Facts, say: Words) -> Texts:
    """The words of a diagram, with the run's names and choices in the language."""
    read = yaml.safe_load((HERE / f"{say.language}.yaml").read_text(encoding="utf-8"))
    t = {"language": say.html} | read["common"] | read[kind]
    asked, comma = facts.asked, t["comma"]
    names = comma.join(operations(asked["views"], say, asked["left_out"])) or t["no_operations"]
    given = {
        "dataset": _name(title(facts.dataset)),
        "encoder": _name(say.or_as_is("encoder", asked["encoder"])),
        "operations": names,
        "labelled": comma.join(operations(asked["classifier_views"], say)),
        "tests": comma.join(operations(asked["test_views"], say)),
        "count": asked["test_view_count"],
        "crops": crops_named(asked["small_crops"], asked["epochs"], say),
        "run": _name(facts.run),
    }
    t["encoder_name"] = given["encoder"]
    t["optimizer"] = t["optimizers"].get(asked["optimizer"], asked["optimizer"])
    t["title"], t["description"] = t["title"].format(**given), t["description"].format(**given)
    for key in ("operations", "labelled_views", "then_test", "training_set"):
        t[key] = _chosen(t, key, given)
    if kind == "classifier" and asked["feature_sides"]:
        sizes = t["and"].join(f"{side} × {side}" for side in asked["feature_sides"])
        t["labelled_views"] += t["comma"] + t["resized"].format(sizes)
    if kind in ("training-step", "network") and given["crops"]:
        key = "operations" if kind == "training-step" else "views"
        t[key] = t.get(key, "") + t["space"] + t["small_crops"].format(given["crops"])
    return t


def _chosen(t: Texts, key: str, given: dict[str, Any]) -> str:
    """A text that depends on the run's choices, with blanks for numbers left as they are."""
    if key == "labelled_views" and not given["labelled"]:
        key = "labelled_plain"
    if key == "then_test" and given["count"] > 1:
        key = "then_test_views"
    text = t.get(key, "")
    for name, value in given.items():
        text = text.replace(f"<{name}>", str(value).replace("{", "{{").replace("}", "}}"))
    return text


def _name(text: str) -> str:
    """A name that somebody chose, in one line and not too long; what means something in a diagram's words does not."""
    text = "".join(c for c in " ".join(text.split()) if c.isprintable()).replace("*", "∗").replace("_[", "_ [")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"

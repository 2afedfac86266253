"""Room 3: test images in the plane. Brush or click, in the saved page too: everything it needs is in it.

altair and pandas are imported where they are used: they take seconds, and the first picture waits for neither.
"""

import html as stdlib_html
from typing import TYPE_CHECKING, Any

import torch
from IPython.display import HTML
from matplotlib.figure import Figure

from lib.explore import html
from lib.explore.subject import Subject
from lib.report import plots

if TYPE_CHECKING:
    import altair
    import pandas

NEAR = 12  # images that a click shows: the one that was clicked and its nearest neighbours
COLUMNS, ROWS, SIDE = 12, 4, 34  # of the images of a brushed region: in a row, rows, and pixels of the screen
HEIGHT = 440  # of the map
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-left", "triangle-right")


def figure(subject: Subject) -> Figure:
    """The map as a picture, a colour and a marker for each class."""
    name = "SimCLR features"
    record = {
        "results": {
            "maps": {name: subject.plane},
            "map_labels": subject.tested_labels.tolist(),
            "map_method": "t-SNE",
        },
        "dataset": subject.dataset,
    }
    return plots.maps(record, subject.drawn)


def page(subject: Subject, height: int = 790) -> HTML:
    """The map to brush and click, as a page of its own in a frame: no kernel, no network."""
    whole = chart(subject).to_html(inline=True, embed_options={"actions": False, "renderer": "canvas"})
    return HTML(
        f'<div><iframe class="explore-map" title="{stdlib_html.escape(subject.say("explore.map_title"))}" '
        f"style='width:100%;height:{height}px;border:0;background:white' srcdoc='{_quoted(whole)}'></iframe></div>"
    )


def _quoted(text: str) -> str:
    """For an attribute in single quotes, of which JSON and JavaScript have few."""
    return text.replace("&", "&amp;").replace("'", "&#39;")


def table(subject: Subject) -> "pandas.DataFrame":
    """For each test image its place, its class, its picture, and its own number and those of its nearest neighbours."""
    import pandas

    rows, points = subject.readers["simclr"](subject.tested), subject.plane
    near = torch.from_numpy(rows @ rows.T).topk(min(NEAR, len(rows)), dim=1).indices  # itself first
    return pandas.DataFrame(
        {
            "number": range(len(points)),
            "x": points[:, 0].round(2),
            "y": points[:, 1].round(2),
            "label": [subject.classes[label] for label in subject.tested_labels],
            "picture": [html.png(image) for image in subject.tested],
            "near": near.tolist(),
        }
    )


def chart(subject: Subject) -> "altair.VConcatChart":
    """The map and the classes of the brushed region; below, its images and the clicked one's neighbours."""
    import altair

    altair.data_transformers.disable_max_rows()
    say, names = subject.say, subject.classes
    brush = altair.selection_interval(name="brush")
    click = altair.selection_point(name="click", fields=["number"], on="click", nearest=True, value=[{"number": 0}])
    base = altair.Chart(table(subject))
    look = {"sort": names, "title": say("plot.class")}
    colours = altair.Scale(domain=names, range=html.COLOURS[: len(names)])
    colour = altair.Color("label:N", **look, scale=colours)
    shape = altair.Shape(
        "label:N", **look, scale=altair.Scale(domain=names, range=[SHAPES[i % len(SHAPES)] for i in range(len(names))])
    )
    where = {"x": altair.X("x:Q", axis=None), "y": altair.Y("y:Q", axis=None)}
    dots = base.mark_point(filled=True, size=30, opacity=0.8).encode(
        **where, shape=shape, color=altair.condition(brush, colour, altair.value("#d0d0d0"))
    )
    ring = base.mark_point(size=250, color="black", strokeWidth=2).encode(**where).transform_filter(click)
    inside = base.transform_filter(brush)
    counts = inside.mark_bar().encode(
        altair.X("count():Q", title=say("explore.in_region")),
        altair.Y("label:N", title=None, scale=altair.Scale(domain=names)),
        altair.Color("label:N", scale=colours, legend=None),
    )
    above = altair.hconcat(
        altair.layer(dots.add_params(brush, click), ring).properties(width=600, height=HEIGHT),
        counts.properties(width=160, height=HEIGHT),
    ).resolve_scale(color="independent", shape="independent")
    by_number = [altair.SortField("number")]
    below = altair.hconcat(
        _images(
            inside.transform_window(place="row_number()", sort=by_number),
            COLUMNS,
            say("explore.brushed"),
        ),
        _images(_neighbours(base, click), NEAR // ROWS, say("explore.clicked")),
    )
    return altair.vconcat(above, below).configure_view(stroke=None).configure_title(anchor="start", fontSize=12)


def _images(placed: "altair.Chart", columns: int, title: str) -> "altair.LayerChart":
    """The pictures of the first images, by their ``place`` from 1, in rows, each with its class below."""
    import altair

    placed = placed.transform_filter(f"datum.place <= {columns * ROWS}").transform_calculate(
        column=f"(datum.place - 1) % {columns}", line=f"floor((datum.place - 1) / {columns})"
    )
    x = altair.X("column:Q", axis=None, scale=altair.Scale(domain=[-0.5, columns - 0.5], nice=False))
    y = altair.Y("line:Q", axis=None, scale=altair.Scale(domain=[ROWS - 0.5, -0.5], nice=False))
    pictures = placed.mark_image(width=SIDE, height=SIDE).encode(x, y, url="picture:N")
    words = placed.mark_text(dy=SIDE / 2 + 6, fontSize=9).encode(x, y, text="label:N")
    return altair.layer(pictures, words).properties(width=columns * (SIDE + 16), height=ROWS * (SIDE + 18), title=title)


def _neighbours(base: "altair.Chart", click: Any) -> "altair.Chart":
    """The clicked image and then its neighbours, nearest first, each a row with its own label and picture."""
    import altair

    return (
        base.transform_filter(click)
        .transform_flatten(["near"])
        .transform_window(place="row_number()")
        .transform_lookup("near", from_=altair.LookupData(base.data, "number", ["label", "picture"]))
    )

"""NT-Xent on a batch of four images, with the temperature of a run: what it pulls together and pushes apart."""

import math

import torch

from lib.report.drawing.facts import Facts, Texts
from lib.report.drawing.sheet import WIDE, Sheet


def toy_projections() -> torch.Tensor:
    """(8, 2): two views of each of N = 4 images, as points of the unit circle; rows i and i + 4 are a pair."""
    angles = torch.deg2rad(torch.tensor([20.0, 100.0, 185.0, 290.0, 60.0, 120.0, 215.0, 250.0]))
    return torch.stack([angles.cos(), angles.sin()], 1)


def nt_xent(facts: Facts, t: Texts) -> Sheet:
    z, row, cell, x0, y0 = toy_projections(), 1, 38, 68, 84
    sheet, n = Sheet("nt-xent", t), len(z) // 2
    matrix(sheet, t, n, row, x0, y0, cell)
    side = x0 + 2 * n * cell + 6
    _halves(sheet, t, n, side, side + 6, "start", y0, cell)
    bottom = y0 + 2 * n * cell
    _meanings(sheet, t, n, 44, bottom + 20)
    middle = y0 + (row + 0.5) * cell
    sheet.arrow((x0 - 34, middle), (24, middle), (24, bottom + 88))
    spelled_out(sheet, t, z, row, 16, bottom + 104, facts.asked["temperature"])
    return sheet


def nt_xent_wide(facts: Facts, t: Texts) -> Sheet:
    """The same for paper and wide screens: the matrix, and to its right the row spelled out."""
    z, row, cell, x0, y0 = toy_projections(), 1, 34, 100, 84
    sheet, n = Sheet("nt-xent", t, WIDE), len(z) // 2
    matrix(sheet, t, n, row, x0, y0, cell)
    _halves(sheet, t, n, x0 - 36, x0 - 42, "end", y0, cell)
    right, middle = x0 + 2 * n * cell, y0 + (row + 0.5) * cell
    sheet.arrow((right, middle), (right + 14, middle), (right + 14, 14), (right + 32, 14))
    spelled_out(sheet, t, z, row, right + 36, 14, facts.asked["temperature"], 42)
    _meanings(sheet, t, n, right + 36, 302)
    return sheet


def matrix(sheet: Sheet, t: Texts, n: int, row: int, x0: float, y0: float, cell: float) -> None:
    """The similarities of 2N views, each cell with what the loss does to it; one row is marked."""
    sheet.text(16, 14, t["matrix"].format(n=n, rows=2 * n), "start")
    for half, key in enumerate(("first_views", "second_views")):
        start = half * n * cell
        sheet.text(x0 + start + n * cell / 2, 40, t[key].replace("\n", t["space"]), size=13, kind="soft")
        sheet.arrow((x0 + start + 4, 52), (x0 + start + n * cell - 4, 52), head=False)
    for i in range(2 * n):
        sheet.text(x0 + (i + 0.5) * cell, y0 - 16, f"*z*_[{i + 1}]")
        sheet.text(x0 - 18, y0 + (i + 0.5) * cell - 2, f"*z*_[{i + 1}]")
        for k in range(2 * n):
            kind, text = ("solid", t["pull"]) if (i - k) % (2 * n) == n else ("plain", t["push"] if i == row else "")
            kind, text = ("unused", "−∞") if i == k else (kind, text)
            sheet.box(x0 + k * cell, y0 + i * cell, cell, cell, text, f"cell {kind}", 13)
    sheet.box(x0, y0 + row * cell, 2 * n * cell, cell, kind="cell mark")


def _halves(sheet: Sheet, t: Texts, n: int, line: float, x: float, anchor: str, y0: float, cell: float) -> None:
    """Beside the matrix, which rows are first and which are second views."""
    for half, key in enumerate(("first_views", "second_views")):
        start = y0 + half * n * cell
        sheet.arrow((line, start + 4), (line, start + n * cell - 4), head=False)
        sheet.text(x, start + n * cell / 2 - 8, t[key], anchor, 13, "soft")


def _meanings(sheet: Sheet, t: Texts, n: int, x: float, y: float) -> None:
    for line, key in enumerate(("pull_means", "push_means", "masked")):
        sheet.text(x, y + 22 * line, t[key].format(2 * n - 2), "start", 13)


def row_shares(z: torch.Tensor, row: int, tau: float) -> torch.Tensor:
    """(2N,): the softmax over a row of the matrix, the row's own column left out."""
    return (z[row] @ z.T / tau).masked_fill(torch.arange(len(z)) == row, -torch.inf).softmax(0)


def spelled_out(
    sheet: Sheet, t: Texts, z: torch.Tensor, row: int, left: float, y: float, tau: float, cell: float = 45
) -> None:
    """One row of the matrix as a cross-entropy: cosines, divided by τ, softmax, −log of the partner's share."""
    rows, x0 = len(z), left + 56
    partner = (row + rows // 2) % rows
    cosines, shares = z[row] @ z.T, row_shares(z, row, tau)
    sheet.text(left, y, t["row_heading"].format(row=row + 1, tau=tau), "start")
    for height, key in ((50, "cosine"), (72, "divided"), (152, "softmax")):
        sheet.text(left, y + height, t[key], "start", 13)
    for k in range(rows):
        x, high = x0 + (k + 0.5) * cell, 58 * shares[k].item()
        masked = k == row
        sheet.text(x, y + 26, f"*z*_[{k + 1}]")
        sheet.text(x, y + 50, "1" if masked else f"{cosines[k]:.2f}".replace("-", "−"), size=13)
        sheet.text(x, y + 72, "−∞" if masked else f"{cosines[k] / tau:.1f}".replace("-", "−"), size=13)
        if not masked:
            sheet.box(x - 14, y + 140 - high, 28, high, kind="cell solid" if k == partner else "cell plain")
        sheet.text(x, y + 152, "0" if masked else f"{shares[k]:.2f}", size=13)
    values = {"row": row + 1, "partner": partner + 1, "share": shares[partner], "loss": -shares[partner].log()}
    sheet.text(left, y + 180, t["row_loss"].format(**values), "start")
    sheet.text(left, y + 204, t["batch_loss"], "start")
    sheet.text(left, y + 230, t["hardest"], "start", 13, "soft")
    sheet.text(left, y + 252, t["chance"].format(rows - 1, math.log(rows - 1)), "start", 13, "soft")

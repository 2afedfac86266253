"""NT-Xent on a batch of four images, with the temperature of a run: what it pulls together and pushes apart."""

import math

import torch

from lib.report.drawing.facts import Facts, Texts
from lib.report.drawing.sheet import Sheet


def toy_projections() -> torch.Tensor:
    """(8, 2): two views of each of N = 4 images, as points of the unit circle; rows i and i + 4 are a pair."""
    angles = torch.deg2rad(torch.tensor([20.0, 100.0, 185.0, 290.0, 60.0, 120.0, 215.0, 250.0]))
    return torch.stack([angles.cos(), angles.sin()], 1)


def nt_xent(facts: Facts, t: Texts) -> Sheet:
    z, row, cell, x0, y0 = toy_projections(), 1, 38, 68, 84
    n = len(z) // 2
    sheet = Sheet("nt-xent", t)
    sheet.text(16, 14, t["matrix"].format(n=n, rows=2 * n), "start")
    for half, key in enumerate(("first_views", "second_views")):
        start = half * n * cell
        sheet.text(x0 + start + n * cell / 2, 40, t[key].replace("\n", t["space"]), size=13, kind="soft")
        sheet.arrow((x0 + start + 4, 52), (x0 + start + n * cell - 4, 52), head=False)
        side = x0 + 2 * n * cell + 6
        sheet.arrow((side, y0 + start + 4), (side, y0 + start + n * cell - 4), head=False)
        sheet.text(side + 6, y0 + start + n * cell / 2 - 8, t[key], "start", 13, "soft")
    for i in range(2 * n):
        sheet.text(x0 + (i + 0.5) * cell, y0 - 16, f"*z*_[{i + 1}]")
        sheet.text(x0 - 18, y0 + (i + 0.5) * cell - 2, f"*z*_[{i + 1}]")
        for k in range(2 * n):
            kind, text = ("solid", t["pull"]) if (i - k) % (2 * n) == n else ("plain", t["push"] if i == row else "")
            kind, text = ("unused", "−∞") if i == k else (kind, text)
            sheet.box(x0 + k * cell, y0 + i * cell, cell, cell, text, f"cell {kind}", 13)
    sheet.box(x0, y0 + row * cell, 2 * n * cell, cell, kind="cell mark")
    bottom = y0 + 2 * n * cell
    for line, key in enumerate(("pull_means", "push_means", "masked")):
        sheet.text(44, bottom + 20 + 22 * line, t[key].format(2 * n - 2), "start", 13)
    middle = y0 + (row + 0.5) * cell
    sheet.arrow((x0 - 34, middle), (24, middle), (24, bottom + 88))
    spelled_out(sheet, t, z, row, bottom + 104, facts.asked["temperature"])
    return sheet


def row_shares(z: torch.Tensor, row: int, tau: float) -> torch.Tensor:
    """(2N,): the softmax over a row of the matrix, the row's own column left out."""
    return (z[row] @ z.T / tau).masked_fill(torch.arange(len(z)) == row, -torch.inf).softmax(0)


def spelled_out(sheet: Sheet, t: Texts, z: torch.Tensor, row: int, y: float, tau: float) -> None:
    """One row of the matrix as a cross-entropy: cosines, divided by τ, softmax, −log of the partner's share."""
    rows, cell, x0 = len(z), 45, 72
    partner = (row + rows // 2) % rows
    cosines, shares = z[row] @ z.T, row_shares(z, row, tau)
    sheet.text(16, y, t["row_heading"].format(row=row + 1, tau=tau), "start")
    for height, key in ((50, "cosine"), (72, "divided"), (152, "softmax")):
        sheet.text(16, y + height, t[key], "start", 13)
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
    sheet.text(16, y + 180, t["row_loss"].format(**values), "start")
    sheet.text(16, y + 204, t["batch_loss"], "start")
    sheet.text(16, y + 230, t["hardest"], "start", 13, "soft")
    sheet.text(16, y + 252, t["chance"].format(rows - 1, math.log(rows - 1)), "start", 13, "soft")

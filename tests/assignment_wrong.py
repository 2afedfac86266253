"""Wrong solutions that students write, and what the checks must make of them.

From ``/shared/design.md``'s list of known sins, and from public threads: Lightning-Universe/lightning-bolts issues #609
(e subtracted), #681 (a small number in the logarithm) and #695 (e^(1/τ) subtracted), Spijkervet/SimCLR #5 (a sum), the
partners of Open-Deep-ML's exercise 238 (rows 2k and 2k + 1).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F

from lib.loss import nt_xent_loss


class Wrong(NamedTuple):
    """A wrong solution: its step, the test cells that must fail, and the message of the first of them."""

    step: str
    function: object
    fails: tuple[str, ...]
    says: str


WRONG: dict[str, Wrong] = {}
BUT_SPEED = ("ntxent-check", "ntxent-check-2", "ntxent-check-3")


def wrong(step, says, *fails):
    """Register a function under ``step: its name``."""

    def keep(function):
        WRONG[f"{step}: {function.__name__}"] = Wrong(step, function, fails or (f"{step}-check",), says)
        return function

    return keep


def unit(x):
    return F.normalize(x, dim=1)


def partners(z):
    return torch.arange(len(z)).roll(len(z) // 2)


def eye(z):
    return torch.eye(len(z), dtype=torch.bool)


# 1 · cosine similarity


@wrong("cosine", "cosine.dot")
def dot_product(a, b):
    return a @ b.T


@wrong("cosine", "cosine.columns")
def normalised_columns(a, b):
    return F.normalize(a, dim=0) @ F.normalize(b, dim=0).T


@wrong("cosine", "cosine.whole")
def one_norm_for_all(a, b):
    return (a / a.norm()) @ (b / b.norm()).T


@wrong("cosine", "cosine.one_side")
def only_a(a, b):
    return unit(a) @ b.T


@wrong("cosine", "cosine.squared")
def no_square_root(a, b):
    return a @ b.T / (a.pow(2).sum(1, keepdim=True) * b.pow(2).sum(1))


@wrong("cosine", "cosine.clamped")
def only_positive(a, b):
    return (unit(a) @ unit(b).T).clamp(min=0)


@wrong("cosine", "cosine.pairwise")
def row_by_row(a, b):
    return F.cosine_similarity(a, b[: len(a)] if len(b) >= len(a) else b.repeat(2, 1)[: len(a)])


@wrong("cosine", "cosine.transposed")
def transposed(a, b):
    return unit(b) @ unit(a).T


@wrong("cosine", "cosine.in_place")
def in_place(a, b):
    a /= a.norm(dim=1, keepdim=True)
    b /= b.norm(dim=1, keepdim=True)
    return a @ b.T


@wrong("cosine", "cosine.zero_row")
def divides_by_zero(a, b):
    return (a / a.norm(dim=1, keepdim=True)) @ (b / b.norm(dim=1, keepdim=True)).T


@wrong("cosine", "common.no_tensor")
def in_numpy(a, b):
    return (unit(a) @ unit(b).T).detach().numpy()


@wrong("cosine", "common.detached")
def without_gradient(a, b):
    with torch.no_grad():
        return unit(a) @ unit(b).T


@wrong("cosine", "common.none")
def no_return(a, b):
    unit(a) @ unit(b).T


@wrong("cosine", "common.empty")
def untouched(a, b):
    raise NotImplementedError()


# 2 · one pair


def terms(z, i, tau):
    return (unit(z[i : i + 1]) @ unit(z).T / tau).exp()[0]


@wrong("pair", "loss.self_pairs")
def with_itself(z, i, j, tau):
    e = terms(z, i, tau)
    return -torch.log(e[j] / e.sum())


@wrong("pair", "loss.no_positive")
def without_the_partner(z, i, j, tau):
    e = terms(z, i, tau)
    return -torch.log(e[j] / (e.sum() - e[i] - e[j]))


@wrong("pair", "loss.partner_left_out")
def j_for_i(z, i, j, tau):
    e = terms(z, i, tau)
    return -torch.log(e[j] / (e.sum() - e[j]))


@wrong("pair", "loss.tau_on_top")
def tau_on_top_only(z, i, j, tau):
    e = terms(z, i, 1.0)
    return -torch.log(e[j] ** (1 / tau) / (e.sum() - e[i]))


@wrong("pair", "loss.sign")
def no_minus(z, i, j, tau):
    e = terms(z, i, tau)
    return torch.log(e[j] / (e.sum() - e[i]))


@wrong("pair", "loss.log10")
def base_ten(z, i, j, tau):
    e = terms(z, i, tau)
    return -torch.log10(e[j] / (e.sum() - e[i]))


@wrong("pair", "pair.of_j")
def the_other_way(z, i, j, tau):
    e = terms(z, j, tau)
    return -torch.log(e[i] / (e.sum() - e[j]))


@wrong("pair", "pair.vector")
def for_every_row(z, i, j, tau):
    e = terms(z, i, tau)
    return -torch.log(e / (e.sum() - e[i]))


@wrong("pair", "common.no_tensor")
def as_a_number(z, i, j, tau):
    e = terms(z, i, tau)
    return -torch.log(e[j] / (e.sum() - e[i])).item()


# 3 · by loops


def pair_loss(z, i, j, tau):
    e = terms(z, i, tau)
    return -torch.log(e[j] / (e.sum() - e[i]))


@wrong("loop", "loss.sum")
def summed(z, tau):
    return sum(pair_loss(z, i, int(j), tau) for i, j in enumerate(partners(z)))


@wrong("loop", "loss.per_image")
def divided_by_n(z, tau):
    return sum(pair_loss(z, i, int(j), tau) for i, j in enumerate(partners(z))) / (len(z) // 2)


@wrong("loop", "loss.one_way")
def one_way(z, tau):
    n = len(z) // 2
    return sum(pair_loss(z, i, i + n, tau) for i in range(n)) / n


@wrong("loop", "loss.neighbours")
def side_by_side(z, tau):
    return sum(pair_loss(z, i, i ^ 1, tau) for i in range(len(z))) / len(z)


@wrong("loop", "loss.tau_fixed")
def always_half(z, tau):
    return sum(pair_loss(z, i, int(j), 0.5) for i, j in enumerate(partners(z))) / len(z)


@wrong("loop", "common.raised")
def n_of_the_settings(z, tau):
    return sum(pair_loss(z, i, (i + 4) % 8, tau) for i in range(8)) / 8


@wrong("loop", "loss.borrowed")
def the_kits_own(z, tau):
    return nt_xent_loss(z, tau)


# 4 · by matrices


@wrong("ntxent", "loss.self_pairs", *BUT_SPEED)
def no_mask(z, tau):
    return F.cross_entropy(unit(z) @ unit(z).T / tau, partners(z))


@wrong("ntxent", "loss.masked_before", *BUT_SPEED)
def zero_on_the_diagonal(z, tau):
    return F.cross_entropy((unit(z) @ unit(z).T).masked_fill(eye(z), 0) / tau, partners(z))


@wrong("ntxent", "loss.minus_one", *BUT_SPEED[:2])
def minus_one_on_the_diagonal(z, tau):
    return F.cross_entropy((unit(z) @ unit(z).T).masked_fill(eye(z), -1) / tau, partners(z))


@wrong("ntxent", "loss.minus_e", *BUT_SPEED)
def e_subtracted(z, tau):
    e = (unit(z) @ unit(z).T / tau).exp()
    return -torch.log(e[torch.arange(len(z)), partners(z)] / (e.sum(1) - torch.e)).mean()


@wrong("ntxent", "stable.spread_infinite", "ntxent-check-3")
def e_to_the_1_over_tau_subtracted(z, tau):
    e = (unit(z) @ unit(z).T / tau).exp()
    own = torch.exp(torch.tensor(1 / tau, dtype=z.dtype))
    return -torch.log(e[torch.arange(len(z)), partners(z)] / (e.sum(1) - own)).mean()


@wrong("ntxent", "stable.overflow_infinite", "ntxent-check-3")
def plain_exponentials(z, tau):
    e = (unit(z) @ unit(z).T / tau).exp().masked_fill(eye(z), 0)
    return -torch.log(e[torch.arange(len(z)), partners(z)] / e.sum(1)).mean()


@wrong("ntxent", "stable.underflow_finite", "ntxent-check-3")
def a_small_number_in_the_logarithm(z, tau):
    p = (unit(z) @ unit(z).T / tau).masked_fill(eye(z), -torch.inf).softmax(1)
    return -torch.log(p[torch.arange(len(z)), partners(z)] + 1e-8).mean()


@wrong("ntxent", "stable.underflow_infinite", "ntxent-check-3")
def logarithm_of_a_softmax(z, tau):
    p = (unit(z) @ unit(z).T / tau).masked_fill(eye(z), -torch.inf).softmax(1)
    return -torch.log(p[torch.arange(len(z)), partners(z)]).mean()


@wrong("ntxent", "loss.clamped", *BUT_SPEED)
def clamped(z, tau):
    logits = ((unit(z) @ unit(z).T).clamp(min=0) / tau).masked_fill(eye(z), -torch.inf)
    return F.cross_entropy(logits, partners(z))


@wrong("ntxent", "loss.dot", *BUT_SPEED)
def dot_products(z, tau):
    return F.cross_entropy((z @ z.T / tau).masked_fill(eye(z), -torch.inf), partners(z))


@wrong("ntxent", "loss.softmax_twice", *BUT_SPEED)
def softmax_twice(z, tau):
    logits = (unit(z) @ unit(z).T / tau).masked_fill(eye(z), -torch.inf)
    return F.cross_entropy(logits.softmax(1), partners(z))


@wrong("ntxent", "loss.no_tau", *BUT_SPEED)
def no_temperature(z, tau):
    return F.cross_entropy((unit(z) @ unit(z).T).masked_fill(eye(z), -torch.inf), partners(z))


@wrong("ntxent", "loss.times_tau", *BUT_SPEED)
def multiplied(z, tau):
    return F.cross_entropy((unit(z) @ unit(z).T * tau).masked_fill(eye(z), -torch.inf), partners(z))


@wrong("ntxent", "loss.neighbours", *BUT_SPEED)
def partners_side_by_side(z, tau):
    logits = (unit(z) @ unit(z).T / tau).masked_fill(eye(z), -torch.inf)
    return F.cross_entropy(logits, torch.arange(len(z)) ^ 1)


@wrong("ntxent", "loss.sum", *BUT_SPEED)
def reduction_sum(z, tau):
    logits = (unit(z) @ unit(z).T / tau).masked_fill(eye(z), -torch.inf)
    return F.cross_entropy(logits, partners(z), reduction="sum")


@wrong("ntxent", "loss.other_view", *BUT_SPEED)
def only_the_other_view(z, tau):
    first, second = unit(z).chunk(2)
    logits = first @ second.T / tau
    order = torch.arange(len(first))
    return (F.cross_entropy(logits, order) + F.cross_entropy(logits.T, order)) / 2


@wrong("ntxent", "common.not_finite", *BUT_SPEED, "ntxent-check-4")
def itself_as_target(z, tau):
    logits = (unit(z) @ unit(z).T / tau).masked_fill(eye(z), -torch.inf)
    return F.cross_entropy(logits, torch.arange(len(z)))


@wrong("ntxent", "gradient.candidates", "ntxent-check-2")
def detached_candidates(z, tau):
    logits = (unit(z) @ unit(z).detach().T / tau).masked_fill(eye(z), -torch.inf)
    return F.cross_entropy(logits, partners(z))


@wrong("ntxent", "gradient.lengths", "ntxent-check-2")
def detached_lengths(z, tau):
    rows = z / z.norm(dim=1, keepdim=True).detach()
    return F.cross_entropy((rows @ rows.T / tau).masked_fill(eye(z), -torch.inf), partners(z))


@wrong("ntxent", "speed.slow", "ntxent-check-4")
def double_loop(z, tau):
    rows, total = unit(z), 0
    for i, j in enumerate(partners(z)):
        logits = torch.stack([rows[i] @ rows[k] / tau for k in range(len(z)) if k != i])
        total = total + logits.logsumexp(0) - rows[i] @ rows[j] / tau
    return total / len(z)

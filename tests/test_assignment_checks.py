"""The assignment's steps: right solutions however written get their points, wrong ones are named and lose theirs."""

import math

import nbformat
import pytest
import torch
import torch.nn.functional as F

from lib.files import ROOT
from lib.teach.box.remote import as_raised
from lib.teach.checks import CheckFailed, en, losses, zh
from lib.teach.checks.similarity import MISTAKES, rows
from lib.teach.checks.tutor import TOLERANCE, messages, relative_error
from tests import assignment_wrong_training
from tests.assignment_wrong import WRONG, eye, partners, unit

MASTER = nbformat.read(ROOT / "notebooks/assignment/simclr.ipynb", as_version=4)
NAMES = {
    "cosine": "cosine_similarity", "pair": "pair_loss", "loop": "loop_loss", "ntxent": "nt_xent",
    "shifts": "random_shifts", "views": "two_views", "frozen": "train_head", "draw": "draw_labels",
    "curve": "label_curve",
}  # fmt: skip
assert assignment_wrong_training  # imported for what it registers


def cells(kind: str) -> dict[str, str]:
    """Sources of the master's solution cells, or of its graded cells of code."""
    found = (c for c in MASTER.cells if c.cell_type == "code" and c.metadata.nbgrader[kind])
    return {c.metadata.nbgrader.grade_id: c.source for c in found}


SOLUTIONS, TESTS = cells("solution"), cells("grade")


@pytest.fixture(scope="module")
def right() -> dict:
    """What the notebook knows after the master's solutions, the student's own run left out."""
    names: dict = {}
    exec(next(c.source for c in MASTER.cells if c.id == "setup"), names)
    for source in SOLUTIONS.values():
        exec(source, names)
    return names


def failures(step: str, names: dict, only: str = "") -> dict[str, BaseException]:
    """What the test cells of a step raise, or only one of them, by grade_id."""
    torch.manual_seed(0)
    raised = {}
    for grade_id in [only] if only else [key for key in TESTS if key.startswith(f"{step}-check")]:
        try:
            exec(TESTS[grade_id], dict(names))
        except Exception as error:
            raised[grade_id] = error
    return raised


@pytest.mark.parametrize("step", ["cosine", "pair", "loop", "ntxent"])
def test_hidden_tests_see_what_the_visible_check_did_not(step, right, monkeypatch):
    """The mistakes of the values and gradients, with the visible check out of the way."""

    class Silent:
        def __getattr__(self, name):
            return lambda function: None

    by_value = {*MISTAKES, *losses.BATCH}  # the others are told by a gradient, a row of zeros, a time
    for name, wrong in WRONG.items():
        if wrong.step == step and (wrong.says in by_value or wrong.says.startswith("gradient.")):
            names = right | {NAMES[step]: wrong.function, "check": Silent()}
            assert failures(step, names, wrong.fails[0]), name


@pytest.mark.parametrize("step", NAMES)
def test_the_masters_solution_passes(step, right):
    assert failures(step, right) == {}


def test_a_curve_that_looks_right_and_is_made_up_fails_the_hidden_test(right):
    made_up = {"label_curve": lambda train, labels, test, test_labels, counts, seed: {c: c * 0.0025 for c in counts}}
    (error,) = failures("curve", right | made_up).values()
    assert type(error) is AssertionError


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_solution_is_named_and_loses_its_points(name, right):
    step, function, fails, says = WRONG[name]
    raised = failures(step, right | {NAMES[step]: function})
    assert tuple(raised) == fails, {key: str(error) for key, error in raised.items()}
    first = raised[fails[0]]
    assert isinstance(first, CheckFailed), "the visible check should have seen it, not the hidden test alone"
    told = " ".join(str(first).split())
    beginning = en.say(says, **dict.fromkeys(("tau", "inverse", "rows", "passes", "error"), "§")).split("§")[0]
    assert " ".join(beginning.split())[:60] in told, told


@pytest.mark.parametrize("name", {wrong.step: name for name, wrong in WRONG.items()}.values())
def test_the_same_is_said_in_chinese(name, right, capsys):
    step, function, fails, says = WRONG[name]
    raised = failures(step, right | {NAMES[step]: function, "check": zh}, only=fails[0])
    told = "".join(str(raised[fails[0]]).split())
    beginning = zh.say(says, **dict.fromkeys(("tau", "inverse", "rows", "passes", "error"), "§")).split("§")[0]
    assert "".join(beginning.split())[:20] in told


def test_there_are_enough_wrong_solutions_for_every_step():
    assert len(WRONG) >= 20
    assert {wrong.step for wrong in WRONG.values()} == set(NAMES)
    assert {grade_id for wrong in WRONG.values() for grade_id in wrong.fails} == set(TESTS) - {"own-check"}


def by_einsum(z, tau):
    rows = unit(z)
    logits = torch.einsum("id,jd->ij", rows, rows) / tau
    return F.cross_entropy(logits - torch.diag_embed(torch.full((len(z),), torch.inf)), partners(z))


def by_log_sum_exp(z, tau):
    logits = (unit(z) @ unit(z).T / tau).masked_fill(eye(z), -math.inf)
    return (torch.logsumexp(logits, 1) - logits.gather(1, partners(z)[:, None])[:, 0]).mean()


def by_largest_first(z, tau):
    s = unit(z) @ unit(z).T / tau
    s = s[~eye(z)].view(len(z), -1)  # the self-pairs taken out, not masked
    largest = s.max(1).values
    first, second = unit(z).chunk(2)
    positive = (first * second).sum(1).repeat(2) / tau
    return (largest + (s - largest[:, None]).exp().sum(1).log() - positive).mean()


def by_a_loop_over_rows(z, tau):
    n, total = len(z) // 2, 0
    for i in range(2 * n):
        others = torch.cat([z[:i], z[i + 1 :]])
        logits = F.cosine_similarity(z[i : i + 1], others) / tau
        positive = F.cosine_similarity(z[i], z[(i + n) % (2 * n)], dim=0) / tau
        total = total + torch.logsumexp(logits, 0) - positive
    return total / (2 * n)


def by_minus_a_billion(z, tau):
    return F.cross_entropy((unit(z) @ unit(z).T - 1e9 * torch.eye(len(z))) / tau, partners(z))


def by_broadcasting(z, tau):
    logits = F.cosine_similarity(z[:, None], z[None], dim=2) / tau
    return F.nll_loss(logits.fill_diagonal_(-torch.inf).log_softmax(1), partners(z))


@pytest.mark.parametrize(
    "function",
    [by_einsum, by_log_sum_exp, by_largest_first, by_a_loop_over_rows, by_minus_a_billion, by_broadcasting],
)
def test_the_loss_written_differently_gets_full_marks(function, right):
    assert failures("ntxent", right | {"nt_xent": function}) == {}


def test_a_double_loop_is_right_where_loops_are_asked_for(right):
    assert failures("loop", right | {"loop_loss": WRONG["ntxent: double_loop"].function}) == {}


def roll_and_blacken(images, most):
    views = images.clone()
    for view, (dy, dx) in zip(views, torch.randint(-most, most + 1, (len(images), 2)).tolist(), strict=True):
        view[:] = view.roll((dy, dx), (1, 2))
        view[:, : max(dy, 0)] = 0
        view[:, view.shape[1] + min(dy, 0) :] = 0
        view[:, :, : max(dx, 0)] = 0
        view[:, :, view.shape[2] + min(dx, 0) :] = 0
    return views


def at_once(images, most):
    """Both views from one batch of 2N."""
    return assignment_wrong_training.random_shifts(torch.cat([images, images]), most)


def encoder_in_every_step(encoder, head, images, labels, steps):
    encoder.requires_grad_(False).eval()
    optimizer, losses = torch.optim.Adam(head.parameters(), lr=0.05), []
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=False)
        loss = torch.nn.CrossEntropyLoss()(head(encoder(images)), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


def by_shuffling_a_list(labels, count, seed):
    import random

    drawn, chance = [], random.Random(seed)
    for label in range(10):
        drawn += chance.sample([i for i, one in enumerate(labels.tolist()) if one == label], count // 10)
    return drawn


def filled_in(a, b):
    cosines = torch.zeros(len(a), len(b))
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            cosines[i, j] = x @ y / (x.norm() * y.norm()).clamp(min=1e-8)
    return cosines


def in_single_precision(a, b):
    return F.normalize(a.float(), dim=1) @ F.normalize(b.float(), dim=1).T


def added_to_a_tensor(z, tau):
    total = torch.tensor(0.0)
    for i in range(len(z)):
        total += losses.right(z, tau)[i]
    return total / len(z)


def filled_by_a_loop(z, tau):
    rows = torch.zeros(len(z))
    for i in range(len(z)):
        rows[i] = losses.right(z, tau)[i]
    return rows.mean()


@pytest.mark.parametrize(
    ("step", "function"),
    [
        ("cosine", filled_in),
        ("cosine", in_single_precision),
        ("loop", added_to_a_tensor),
        ("loop", filled_by_a_loop),
        ("cosine", lambda a, b: F.cosine_similarity(a[:, None], b[None], dim=2)),
        ("cosine", lambda a, b: torch.stack([torch.stack([F.cosine_similarity(x, y, dim=0) for y in b]) for x in a])),
        ("shifts", roll_and_blacken),
        ("views", at_once),
        ("frozen", encoder_in_every_step),
        ("draw", by_shuffling_a_list),
    ],
)
def test_other_right_solutions_get_full_marks(step, function, right):
    assert failures(step, right | {NAMES[step]: function}) == {}


def test_every_known_mistake_gives_numbers_of_its_own():
    """Else the check would name the wrong one."""
    a, b = rows(4, 5, 1), rows(3, 5, 2)
    apart([wrong(a, b) for wrong in MISTAKES.values()])
    cases = [(rows(8, 5, 8).double(), 0.5), (rows(6, 5, 6).double(), 0.2)]
    apart([torch.stack([wrong(*case) for case in cases]) for wrong in losses.BATCH.values()])
    apart([wrong(rows(8, 5, 4).double(), 0.5)[1:2] for wrong in losses.ROWS.values()])


def apart(results):
    for i, one in enumerate(results):
        for other in results[:i]:
            assert relative_error(one, other) > 10 * TOLERANCE


def test_a_curve_that_is_missing_is_told_of_whatever_else_is_there():
    with pytest.raises(CheckFailed, match="Some curves are missing"):
        en.own("20260001", {"pixels": {10: 0.5}, "untrained": {10: 0.5}, "mine": {10: 0.5}})


def test_messages_name_the_line_that_raised():
    def divides(a, b):
        return a / 0 @ nowhere  # noqa: F821

    with pytest.raises(CheckFailed, match="NameError") as told:
        en.cosine(divides)
    assert "return a / 0 @ nowhere" in str(told.value)


def test_when_graded_the_line_is_the_students_and_not_the_graders():
    def asks(a, b):
        raise as_raised({"type": "OSError", "bases": ["OSError"], "message": "no", "where": [[3, "f", "connect()"]]})

    with pytest.raises(CheckFailed, match=r"OSError: no \(connect\(\)\)"):
        en.cosine(asks)


def test_a_message_fits_the_page_and_shows_no_traceback():
    for tutor, broad in ((en, 1), (zh, 2)):
        with pytest.raises(CheckFailed) as told:
            tutor.cosine(lambda a, b: a @ b.T)
        lines = str(told.value).splitlines()
        assert told.value._render_traceback_() == lines
        assert max(map(len, lines)) <= 90 / broad + 16
        assert len(lines) >= 4


def flat(tree, before=""):
    for key, value in tree.items():
        yield from flat(value, f"{before}{key}.") if isinstance(value, dict) else [(f"{before}{key}", value)]


def test_both_languages_have_the_same_messages_with_the_same_values():
    import re

    first, second = (dict(flat(messages(language))) for language in ("en", "zh"))
    assert first.keys() == second.keys()
    for key in first:
        assert set(re.findall(r"{(\w+)}", first[key])) == set(re.findall(r"{(\w+)}", second[key])), key
    with pytest.raises(ValueError, match="speak en, zh"):
        messages("fr")

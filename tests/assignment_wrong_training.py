"""Wrong solutions of steps 5 to 7; see ``assignment_wrong``."""

import torch
import torch.nn.functional as F

from lib.evaluation.efficiency import linear_accuracy
from tests.assignment_wrong import wrong

# 5 · views


def cut(images, by, most):
    """Images moved by (N, 2), black coming in."""
    height, width = images.shape[-2:]
    padded = F.pad(images, (most,) * 4)
    pairs = zip(padded, (most - by).tolist(), strict=True)
    return torch.stack([image[:, top : top + height, left : left + width] for image, (top, left) in pairs])


@wrong("shifts", "shifts.one_draw")
def one_for_the_batch(images, most):
    return cut(images, torch.randint(-most, most + 1, (1, 2)).expand(len(images), 2), most)


@wrong("shifts", "shifts.upper_end")
def never_the_largest(images, most):
    return cut(images, torch.randint(-most, most, (len(images), 2)), most)


@wrong("shifts", "shifts.diagonal")
def the_same_both_ways(images, most):
    return cut(images, torch.randint(-most, most + 1, (len(images), 1)).expand(-1, 2), most)


@wrong("shifts", "shifts.one_axis")
def sideways_only(images, most):
    by = torch.randint(-most, most + 1, (len(images), 2))
    return cut(images, by * torch.tensor([0, 1]), most)


@wrong("shifts", "shifts.one_sign")
def downwards_only(images, most):
    return cut(images, torch.randint(0, most + 1, (len(images), 2)), most)


@wrong("shifts", "shifts.wraps")
def rolled(images, most):
    by = torch.randint(-most, most + 1, (len(images), 2)).tolist()
    return torch.stack([image.roll(tuple(pair), (1, 2)) for image, pair in zip(images, by, strict=True)])


@wrong("shifts", "shifts.seeded")
def seeded(images, most):
    torch.manual_seed(0)
    return cut(images, torch.randint(-most, most + 1, (len(images), 2)), most)


@wrong("shifts", "shifts.in_place")
def over_the_images(images, most):
    images.copy_(cut(images, torch.randint(-most, most + 1, (len(images), 2)), most))
    return images


def random_shifts(images, most):
    return cut(images, torch.randint(-most, most + 1, (len(images), 2)), most)


@wrong("views", "views.interleaved")
def side_by_side(images, most):
    return torch.stack([random_shifts(images, most), random_shifts(images, most)], 1).flatten(0, 1)


@wrong("views", "views.same")
def copied(images, most):
    return random_shifts(images, most).repeat(2, 1, 1, 1)


@wrong("views", "views.one_sided")
def image_and_view(images, most):
    return torch.cat([images, random_shifts(images, most)])


@wrong("views", "common.shape")
def stacked(images, most):
    return torch.stack([random_shifts(images, most), random_shifts(images, most)])


@wrong("views", "views.shuffled")
def shuffled(images, most):
    return random_shifts(torch.cat([images, images]).flip(0), most)


# 6 · the frozen encoder


def trained(model, parameters, images, labels, steps, mode=None, zero=True, squash=lambda x: x):
    """A training loop with the mistakes left to the caller; ``mode`` is called before each step."""
    optimizer, losses = torch.optim.Adam(parameters, lr=0.05), []
    for _ in range(steps):
        if mode:
            mode()
        loss = F.cross_entropy(squash(model(images)), labels)
        if zero:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@wrong("frozen", "frozen.attribute", "frozen-check")
def the_attribute(encoder, head, images, labels, steps):
    encoder.requires_grad = False
    model = torch.nn.Sequential(encoder.eval(), head)
    return trained(model, model.parameters(), images, labels, steps)


@wrong("frozen", "frozen.weights", "frozen-check", "frozen-check-2")
def nothing_frozen(encoder, head, images, labels, steps):
    model = torch.nn.Sequential(encoder, head)
    return trained(model, model.parameters(), images, labels, steps)


@wrong("frozen", "buffers.training", "frozen-check-2")
def in_training_mode(encoder, head, images, labels, steps):
    encoder.requires_grad_(False)
    return trained(lambda x: head(encoder(x)), head.parameters(), images, labels, steps)


@wrong("frozen", "buffers.training", "frozen-check-2")
def train_undoes_eval(encoder, head, images, labels, steps):
    model = torch.nn.Sequential(encoder.eval().requires_grad_(False), head)
    return trained(model, head.parameters(), images, labels, steps, mode=model.train)


@wrong("frozen", "buffers.once", "frozen-check-2")
def eval_too_late(encoder, head, images, labels, steps):
    with torch.no_grad():
        features = encoder(images)
    encoder.eval()
    return trained(head, head.parameters(), features, labels, steps)


@wrong("frozen", "head.no_zero", "frozen-check-3")
def gradients_add_up(encoder, head, images, labels, steps):
    features = encoder.eval()(images).detach()
    return trained(head, head.parameters(), features, labels, steps, zero=False)


@wrong("frozen", "head.softmax", "frozen-check-3")
def softmax_before(encoder, head, images, labels, steps):
    features = encoder.eval()(images).detach()
    return trained(head, head.parameters(), features, labels, steps, squash=lambda x: x.softmax(1))


@wrong("frozen", "head.still", "frozen-check-3")
def no_step(encoder, head, images, labels, steps):
    features = encoder.eval()(images).detach()
    return [F.cross_entropy(head(features), labels).item() for _ in range(steps)]


@wrong("frozen", "head.losses", "frozen-check-3")
def nothing_returned(encoder, head, images, labels, steps):
    trained(head, head.parameters(), encoder.eval()(images).detach(), labels, steps)


@wrong("frozen", "head.invented_last", "frozen-check-3")
def made_up(encoder, head, images, labels, steps):
    head.weight.data += 0.01
    return torch.linspace(1.1, 0.01, steps).tolist()


@wrong("frozen", "head.invented_first", "frozen-check-3")
def made_up_at_the_start(encoder, head, images, labels, steps):
    losses = trained(head, head.parameters(), encoder.eval()(images).detach(), labels, steps)
    return [9.0, *losses[1:]]


# 7 · the curve


@wrong("draw", "draw.uneven")
def whatever_comes(labels, count, seed):
    return torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))[:count]


@wrong("draw", "draw.always_first")
def the_first_ones(labels, count, seed):
    return torch.cat([(labels == label).nonzero()[: count // 10, 0] for label in range(10)])


@wrong("draw", "draw.unseeded")
def another_every_time(labels, count, seed):
    rows = [(labels == label).nonzero()[:, 0] for label in range(10)]
    return torch.cat([r[torch.randperm(len(r))[: count // 10]] for r in rows])


@wrong("draw", "draw.labels")
def labels_for_indices(labels, count, seed):
    return torch.arange(10).repeat(count // 10) if count > 10 else torch.zeros(10, dtype=torch.int64)


@wrong("draw", "draw.twice")
def with_replacement(labels, count, seed):
    generator = torch.Generator().manual_seed(seed)
    rows = [(labels == label).nonzero()[:, 0] for label in range(10)]
    return torch.cat([r[torch.randint(3, (count // 10,), generator=generator)] for r in rows])


def draw_labels(labels, count, seed):
    generator = torch.Generator().manual_seed(seed)
    rows = [(labels == label).nonzero()[:, 0] for label in range(10)]
    return torch.cat([r[torch.randperm(len(r), generator=generator)[: count // 10]] for r in rows])


@wrong("curve", "curve.percent")
def in_percent(train, labels, test, test_labels, counts, seed):
    rows = {count: draw_labels(labels, count, seed) for count in counts}
    return {n: 100 * linear_accuracy(train[r], labels[r], test, test_labels) for n, r in rows.items()}


@wrong("curve", "curve.percent")
def not_a_number(train, labels, test, test_labels, counts, seed):
    return {count: float("nan") for count in counts}


@wrong("curve", "curve.leak")
def on_its_own_images(train, labels, test, test_labels, counts, seed):
    rows = {count: draw_labels(labels, count, seed) for count in counts}
    return {n: linear_accuracy(train[r], labels[r], train[r], labels[r]) for n, r in rows.items()}


@wrong("curve", "curve.flat")
def always_all(train, labels, test, test_labels, counts, seed):
    return {count: linear_accuracy(train, labels, test, test_labels) for count in counts}


@wrong("curve", "curve.chance")
def other_rows_labels(train, labels, test, test_labels, counts, seed):
    rows = {count: draw_labels(labels, count, seed) for count in counts}
    return {n: linear_accuracy(train[r], labels[r].flip(0), test, test_labels) for n, r in rows.items()}


@wrong("curve", "curve.keys")
def a_list(train, labels, test, test_labels, counts, seed):
    rows = [draw_labels(labels, count, seed) for count in counts]
    return [linear_accuracy(train[r], labels[r], test, test_labels) for r in rows]

# %% [markdown] intro

# %% student kind="solution"
# [[student-comment]]
### BEGIN SOLUTION
student = "Ada Lovelace"
number = "20260001"
### END SOLUTION

# %% [markdown] setup-why

# %% setup
import torch
import torch.nn.functional as F

from lib.evaluation.efficiency import linear_accuracy
from lib.runs.shipped import load_trained
from lib.teach import own, pictures, variants
from lib.teach.checks import LANGUAGE as check

# %% [markdown] cosine-why

# %% cosine-picture
pictures.cosine("LANGUAGE")

# %% [markdown] cosine-task


# %% cosine kind="solution"
def cosine_similarity(a, b):
    """[[cosine-doc]]"""
    ### BEGIN SOLUTION
    return F.normalize(a, dim=1) @ F.normalize(b, dim=1).T
    ### END SOLUTION


# %% cosine-check kind="tests" points=6
check.cosine(cosine_similarity)
### BEGIN HIDDEN TESTS
_a, _b = torch.randn(5, 3) * 50, torch.randn(2, 3)
_want = torch.tensor([[float(x @ y / (x.norm() * y.norm())) for y in _b.double()] for x in _a.double()]).double()
_got = cosine_similarity(_a, _b).double()
assert torch.allclose(_got, _want, rtol=1e-4, atol=1e-5), "[[hidden]]"
### END HIDDEN TESTS

# %% [markdown] cosine-question

# %% [markdown] cosine-words kind="answer" points=3

# %% [markdown] pair-why

# %% pair-picture
pictures.row("LANGUAGE")

# %% [markdown] pair-task


# %% pair kind="solution"
def pair_loss(z, i, j, tau):
    """[[pair-doc]]"""
    ### BEGIN SOLUTION
    similarities = cosine_similarity(z[i : i + 1], z)[0] / tau
    others = torch.arange(len(z)) != i
    return -torch.log(similarities[j].exp() / similarities[others].exp().sum())
    ### END SOLUTION


# %% pair-check kind="tests" points=7
check.pair(pair_loss)
### BEGIN HIDDEN TESTS
_z = torch.randn(6, 3)
_unit = _z.double() / _z.double().norm(dim=1, keepdim=True)
_e = [torch.exp(_unit[2] @ _unit[k] / 0.3) for k in range(6)]
_want = -torch.log(_e[5] / (sum(_e) - _e[2]))
_got = pair_loss(_z, 2, 5, 0.3).double().reshape(())
assert torch.allclose(_got, _want, rtol=1e-4, atol=1e-5), "[[hidden]]"
### END HIDDEN TESTS

# %% [markdown] pair-question

# %% [markdown] pair-words kind="answer" points=3

# %% [markdown] loop-why

# %% loop-picture
pictures.matrix("LANGUAGE")

# %% [markdown] loop-task


# %% loop kind="solution"
def loop_loss(z, tau):
    """[[loop-doc]]"""
    ### BEGIN SOLUTION
    n = len(z) // 2
    total = 0
    for i in range(2 * n):
        total = total + pair_loss(z, i, (i + n) % (2 * n), tau)
    return total / (2 * n)
    ### END SOLUTION


# %% loop-check kind="tests" points=7
check.loop(loop_loss)
### BEGIN HIDDEN TESTS
_z = torch.randn(10, 4)
_unit = _z.double() / _z.double().norm(dim=1, keepdim=True)
_e = (_unit @ _unit.T / 0.7).exp()
_want = torch.stack([-torch.log(_e[i, (i + 5) % 10] / (_e[i].sum() - _e[i, i])) for i in range(10)]).mean()
_got = loop_loss(_z, 0.7).double().reshape(())
assert torch.allclose(_got, _want, rtol=1e-4, atol=1e-5), "[[hidden]]"
### END HIDDEN TESTS

# %% [markdown] loop-question

# %% [markdown] loop-words kind="answer" points=3

# %% [markdown] ntxent-why

# %% ntxent-picture
pictures.overflow("LANGUAGE")

# %% [markdown] ntxent-task


# %% ntxent kind="solution"
def nt_xent(z, tau):
    """[[ntxent-doc]]"""
    ### BEGIN SOLUTION
    logits = cosine_similarity(z, z) / tau
    logits = logits.masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
    partners = torch.arange(len(z)).roll(len(z) // 2)
    return F.cross_entropy(logits, partners)
    ### END SOLUTION


# %% ntxent-check kind="tests" points=8
check.ntxent(nt_xent)
### BEGIN HIDDEN TESTS
_z = torch.randn(10, 4)
_unit = _z.double() / _z.double().norm(dim=1, keepdim=True)
_e = (_unit @ _unit.T / 0.7).exp()
_want = torch.stack([-torch.log(_e[i, (i + 5) % 10] / (_e[i].sum() - _e[i, i])) for i in range(10)]).mean()
_got = nt_xent(_z, 0.7).double().reshape(())
assert torch.allclose(_got, _want, rtol=1e-4, atol=1e-5), "[[hidden]]"
assert abs(float(nt_xent(torch.ones(2, 3), 0.5))) < 1e-4, "[[hidden]]"
### END HIDDEN TESTS

# %% ntxent-check-2 kind="tests" points=4
check.gradient(nt_xent)
### BEGIN HIDDEN TESTS
_z = torch.randn(6, 4).requires_grad_()
_exact = _z.detach().double().requires_grad_()
_unit = _exact / _exact.norm(dim=1, keepdim=True)
_e = (_unit @ _unit.T / 0.4).exp()
_formula = torch.stack([-torch.log(_e[i, (i + 3) % 6] / (_e[i].sum() - _e[i, i])) for i in range(6)]).mean()
_got, _want = torch.autograd.grad(nt_xent(_z, 0.4), _z)[0], torch.autograd.grad(_formula, _exact)[0]
assert torch.allclose(_got.double(), _want, rtol=1e-3, atol=1e-5), "[[hidden]]"
### END HIDDEN TESTS

# %% ntxent-check-3 kind="tests" points=5
check.stable(nt_xent)
### BEGIN HIDDEN TESTS
_z = torch.ones(6, 4) + 1e-3 * torch.randn(6, 4)
_unit = _z.double() / _z.double().norm(dim=1, keepdim=True)
_s = (_unit @ _unit.T / 0.004).fill_diagonal_(-torch.inf)
_want = (_s.logsumexp(1) - _s[torch.arange(6), torch.arange(6).roll(3)]).mean()
assert torch.allclose(nt_xent(_z, 0.004).double().reshape(()), _want, rtol=1e-3), "[[hidden]]"
### END HIDDEN TESTS

# %% ntxent-check-4 kind="tests" points=2
check.speed(nt_xent)

# %% [markdown] ntxent-question

# %% [markdown] ntxent-words kind="answer" points=4

# %% [markdown] views-why


# %% shifts kind="solution"
def random_shifts(images, most):
    """[[shifts-doc]]"""
    ### BEGIN SOLUTION
    n, _, height, width = images.shape
    padded = F.pad(images, (most, most, most, most))
    views = []
    for image, (top, left) in zip(padded, torch.randint(0, 2 * most + 1, (n, 2)).tolist()):
        views.append(image[:, top : top + height, left : left + width])
    return torch.stack(views)
    ### END SOLUTION


# %% shifts-check kind="tests" points=6
check.shifts(random_shifts)
### BEGIN HIDDEN TESTS
_images = torch.randint(1, 256, (6, 3, 7, 9), dtype=torch.uint8)
_padded = F.pad(_images, (2, 2, 2, 2))
_views = random_shifts(_images, 2)
for _image, _view in zip(_padded, _views):
    _all = [_image[:, top : top + 7, left : left + 9] for top in range(5) for left in range(5)]
    assert any(torch.equal(_view, _one) for _one in _all), "[[hidden]]"
### END HIDDEN TESTS

# %% [markdown] views-task


# %% views kind="solution"
def two_views(images, most):
    """[[views-doc]]"""
    ### BEGIN SOLUTION
    return torch.cat([random_shifts(images, most), random_shifts(images, most)])
    ### END SOLUTION


# %% views-check kind="tests" points=4
check.views(two_views)
### BEGIN HIDDEN TESTS
_images = torch.arange(1, 8, dtype=torch.uint8).view(7, 1, 1, 1).expand(7, 2, 6, 5).contiguous()
_pairs = two_views(_images, 1)
assert _pairs.shape == (14, 2, 6, 5), "[[hidden]]"
assert _pairs.flatten(1).amax(1).tolist() == [1, 2, 3, 4, 5, 6, 7] * 2, "[[hidden]]"
### END HIDDEN TESTS

# %% [markdown] views-picture-why

# %% views-picture
digits = own.digits(variants.draw(number))
pictures.views(digits.unlabelled[:8], two_views(digits.unlabelled[:8], 4), "LANGUAGE")

# %% [markdown] views-question

# %% [markdown] views-words kind="answer" points=3

# %% [markdown] frozen-why

# %% frozen-picture
pictures.drift("LANGUAGE")

# %% [markdown] frozen-task


# %% frozen kind="solution"
def train_head(encoder, head, images, labels, steps):
    """[[frozen-doc]]"""
    ### BEGIN SOLUTION
    encoder.eval()
    with torch.no_grad():
        features = encoder(images)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(head(features), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
    ### END SOLUTION


# %% frozen-check kind="tests" points=5
check.frozen(train_head)
### BEGIN HIDDEN TESTS
_encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 6), torch.nn.BatchNorm1d(6), torch.nn.ReLU())
_before = [p.detach().clone() for p in _encoder.parameters()]
train_head(_encoder, torch.nn.Linear(6, 4), torch.randn(20, 3, 2, 2), torch.arange(20) % 4, 7)
assert all(torch.equal(a, b) for a, b in zip(_before, _encoder.parameters())), "[[hidden]]"
### END HIDDEN TESTS

# %% frozen-check-2 kind="tests" points=5
check.buffers(train_head)
### BEGIN HIDDEN TESTS
_encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 6), torch.nn.BatchNorm1d(6), torch.nn.ReLU())
_before = [b.clone() for b in _encoder.buffers()]
train_head(_encoder, torch.nn.Linear(6, 4), torch.randn(20, 3, 2, 2), torch.arange(20) % 4, 7)
assert all(torch.equal(a, b) for a, b in zip(_before, _encoder.buffers())), "[[hidden]]"
### END HIDDEN TESTS

# %% frozen-check-3 kind="tests" points=2
check.head(train_head)
### BEGIN HIDDEN TESTS
_labels = torch.arange(40) % 2
_images = torch.randn(40, 1, 2, 2) + 3 * _labels.view(40, 1, 1, 1)
_head = torch.nn.Linear(4, 2)
_losses = train_head(torch.nn.Flatten(), _head, _images, _labels, 60)
assert len(_losses) == 60, "[[hidden]]"
assert _losses[-1] < 0.2 < _losses[0], "[[hidden]]"
assert F.cross_entropy(_head(_images.flatten(1)), _labels) < 0.2, "[[hidden]]"
### END HIDDEN TESTS

# %% [markdown] frozen-question

# %% [markdown] frozen-words kind="answer" points=4

# %% [markdown] curve-why


# %% draw kind="solution"
def draw_labels(labels, count, seed):
    """[[draw-doc]]"""
    ### BEGIN SOLUTION
    generator = torch.Generator().manual_seed(seed)
    drawn = []
    for label in range(10):
        rows = (labels == label).nonzero()[:, 0]
        drawn.append(rows[torch.randperm(len(rows), generator=generator)[: count // 10]])
    return torch.cat(drawn)
    ### END SOLUTION


# %% draw-check kind="tests" points=3
check.draw(draw_labels)
### BEGIN HIDDEN TESTS
_labels = torch.arange(300).flip(0) % 10
_rows = torch.as_tensor(draw_labels(_labels, 50, 11))
assert len(set(_rows.tolist())) == 50, "[[hidden]]"
assert _labels[_rows].bincount().tolist() == [5] * 10, "[[hidden]]"
### END HIDDEN TESTS

# %% [markdown] curve-task


# %% curve kind="solution"
def label_curve(train, labels, test, test_labels, counts, seed):
    """[[curve-doc]]"""
    ### BEGIN SOLUTION
    curve = {}
    for count in counts:
        rows = draw_labels(labels, count, seed)
        curve[count] = linear_accuracy(train[rows], labels[rows], test, test_labels)
    return curve
    ### END SOLUTION


# %% curve-check kind="tests" points=3
check.curve(label_curve)
### BEGIN HIDDEN TESTS
_labels = torch.arange(200) % 10
_features = F.one_hot(_labels, 10) + 0.05 * torch.randn(200, 10)
_curve = label_curve(_features[:100], _labels[:100], _features[100:], _labels[100:].flip(0), [10, 50], 5)
assert list(_curve) == [10, 50], "[[hidden]]"
assert max(_curve.values()) < 0.2, "[[hidden]]"
_curve = label_curve(_features[:100], _labels[:100], _features[100:], _labels[100:], [10, 50], 5)
assert min(_curve.values()) > 0.9, "[[hidden]]"
### END HIDDEN TESTS

# %% [markdown] own-why

# %% own-draw
mine = variants.draw(number)
digits = own.digits(mine)
print(mine)

# %% [markdown] own-train-why

# %% own-train
model, losses = own.pretrained(mine, digits.unlabelled)
print([round(loss, 3) for loss in losses])
pictures.views(digits.unlabelled[:8], own.views(mine, digits.unlabelled[:8]), "LANGUAGE")

# %% [markdown] own-curves-why


# %% own-curves
def inputs(images):
    """[[inputs-doc]]"""
    return {
        "pixels": images.flatten(1) / 255,
        "untrained": own.features(own.network(mine), images),
        "pretrained": own.features(model, images),
        "shipped": own.features(shipped, images),
    }


_, shipped = load_trained("mnist")
train, test = inputs(digits.images), inputs(digits.test_images)
curves = {
    name: label_curve(train[name], digits.labels, test[name], digits.test_labels, own.COUNTS, mine.seed)
    for name in train
}
pictures.curves(curves, "LANGUAGE")

# %% own-check kind="tests" points=3
check.own(number, curves)
### BEGIN HIDDEN TESTS
_mine = own.digits(variants.draw(number))
_pixels = [part.flatten(1) / 255 for part in (_mine.images, _mine.test_images)]
_best = linear_accuracy(_pixels[0], _mine.labels, _pixels[1], _mine.test_labels)
assert all(list(curve) == list(own.COUNTS) for curve in curves.values()), "[[hidden]]"
assert _best - 0.15 < curves["pixels"][own.COUNTS[-1]] < _best + 0.03, "[[hidden]]"
### END HIDDEN TESTS

# %% [markdown] own-question

# %% [markdown] own-words kind="answer" points=10

# %% [markdown] end

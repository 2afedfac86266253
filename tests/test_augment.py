"""Every operation against torchvision's functional on the parameters that were drawn."""

import pytest
import torch
from torchvision.transforms import RandomResizedCrop, v2
from torchvision.transforms.v2 import functional as TF

from lib.augment import VIEWS, GaussianBlur, HorizontalFlip, ResizedCrop, Rotation, Views, Warp

BILINEAR = v2.InterpolationMode.BILINEAR
SIZES = [(1, 28, 28), (3, 32, 32), (3, 20, 36)]


@pytest.fixture(params=SIZES, ids=str)
def images(request, generator):
    return torch.rand(24, *request.param, generator=generator)


def both(operation, images, generator, reference):
    """The batch's result, and torchvision's an image at a time with the same parameters."""
    drawn = operation.draw(len(images), images.shape[-2:], generator)
    one_by_one = [reference(image, **{k: v[i] for k, v in drawn.items()}) for i, image in enumerate(images)]
    return operation.apply(images, **drawn), torch.stack(one_by_one)


def test_horizontal_flip(images, generator):
    ours, theirs = both(HorizontalFlip(0.5), images, generator, lambda x, flip: TF.horizontal_flip(x) if flip else x)
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, images)


@pytest.mark.parametrize("scale", [(0.8, 1.0), (0.08, 1.0), (0.05, 0.1)])
def test_resized_crop(images, generator, scale):
    def reference(image, **box):
        box = {k: int(v) for k, v in box.items()}
        return TF.resized_crop(image, **box, size=list(image.shape[-2:]), interpolation=BILINEAR, antialias=True)

    ours, theirs = both(ResizedCrop(scale, p=0.8), images, generator, reference)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("side", [16, 24, 48])
def test_resized_crop_to_another_size(images, generator, side):
    def reference(image, **box):
        box = {k: int(v) for k, v in box.items()}
        return TF.resized_crop(image, **box, size=[side, side], interpolation=BILINEAR, antialias=True)

    ours, theirs = both(ResizedCrop((0.1, 1.0), side=side), images, generator, reference)
    assert ours.shape[-2:] == (side, side)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_views_in_another_size():
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    views = Views("simclr_cifar10")
    assert views.resized(24).pair(images).shape == (8, 3, 24, 24)
    assert views.pair(images).shape == (8, 3, 32, 32)
    with pytest.raises(ValueError, match="these have none"):
        Views("strong_mnist").resized(24)


def test_gaussian_blur(images, generator):
    def reference(image, sigma, blur):
        return TF.gaussian_blur(image, [5, 5], [sigma.item()] * 2) if blur else image

    ours, theirs = both(GaussianBlur(5, (0.1, 2.0), p=0.6), images, generator, reference)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_rotation(images, generator):
    def reference(image, angle):
        return TF.rotate(image, angle.item(), interpolation=v2.InterpolationMode.NEAREST)

    ours, theirs = both(Rotation(15), images, generator, reference)
    # a coordinate that float32 rounds to just the other side of a pixel's edge takes the neighbour
    assert (ours != theirs).float().mean() < 1e-3


def test_affine_part_of_warp(images, generator):
    def reference(image, angle, x, y, scale, shear_x, shear_y, displacement):
        assert not displacement.any()
        shear = [shear_x.item(), shear_y.item()]
        # torchvision moves by whole pixels of any size when given floats on tensors
        return TF.affine(image, angle.item(), [x.item(), y.item()], scale.item(), shear, interpolation=BILINEAR)

    ours, theirs = both(Warp(30, 0.1, (0.8, 1.2), 10, alpha=0), images, generator, reference)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-4)


def test_elastic_part_of_warp(images, generator):
    def reference(image, displacement, **affine):
        return TF.elastic(image, displacement[None], interpolation=BILINEAR)

    still = Warp(0, 0, (1, 1), 0, alpha=20, sigma=3)
    ours, theirs = both(still, images, generator, reference)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
    assert (ours - images).abs().mean() > 1e-3


def test_elastic_field_is_smoothed_as_torchvision_does(generator):
    sigma, size = 3.0, (28, 28)
    state = generator.get_state()
    field = Warp(0, 0, (1, 1), 0, alpha=8, sigma=sigma).draw(4, size, generator)["displacement"]
    generator.set_state(state)
    for _ in range(6):  # angle, x, y, scale, two shears
        torch.rand(4, generator=generator)
    noise = torch.rand(4 * 2 * 28 * 28, generator=generator).view(4, 2, 28, 28) * 2 - 1
    expected = TF.gaussian_blur(noise, [25, 25], [sigma, sigma]) * 8 * 2 / 28
    torch.testing.assert_close(field, expected.permute(0, 2, 3, 1), rtol=0, atol=1e-5)


def test_boxes_are_distributed_as_torchvisions():
    torch.manual_seed(0)
    image, (scale, ratio) = torch.zeros(1, 28, 28), ((0.08, 1.0), (3 / 4, 4 / 3))
    theirs = torch.tensor([RandomResizedCrop.get_params(image, scale, ratio) for _ in range(4000)]).float()
    drawn = ResizedCrop(scale, ratio).draw(4000, (28, 28), torch.Generator().manual_seed(0))
    ours = torch.stack([drawn[k] for k in ("top", "left", "height", "width")], 1)
    for share in (0.1, 0.5, 0.9):
        torch.testing.assert_close(ours.quantile(share, 0), theirs.quantile(share, 0), rtol=0, atol=1.0)
    assert ours.min() >= 0
    assert (ours[:, :2] + ours[:, 2:]).max() <= 28


def test_no_box_fits_falls_back_on_the_central_one():
    drawn = ResizedCrop((1.0, 1.0), (3.0, 4.0)).draw(5, (28, 28), torch.Generator().manual_seed(0))
    assert drawn["width"].tolist() == [28] * 5
    assert drawn["height"].tolist() == [round(28 / 3)] * 5
    assert drawn["top"].tolist() == [9] * 5


def of_channels(images: torch.Tensor, name: str) -> torch.Tensor:
    """The digits, in as many channels as the views of that name take."""
    return images.repeat(1, len(Views(name).mean), 1, 1)


@pytest.mark.parametrize("name", VIEWS)
def test_views_by_name(name, digits):
    images = of_channels(digits.train_images[:16], name)
    views = Views(name)
    pair = views.pair(images, torch.Generator().manual_seed(0))
    assert pair.shape == (32, *images.shape[1:])
    assert pair.is_contiguous(memory_format=torch.channels_last)
    assert pair.isfinite().all()
    assert torch.equal(pair, views.pair(images, torch.Generator().manual_seed(0)))
    assert not torch.equal(pair[:16], pair[16:]), "the two views of an image must differ"
    assert torch.equal(views.to_uint8(views.plain(images)), images)


def test_each_image_has_its_own_draw(digits):
    same = digits.train_images[:1].repeat(64, 1, 1, 1)
    for name in VIEWS:
        assert len(Views(name)(of_channels(same, name), torch.Generator().manual_seed(0)).unique(dim=0)) > 32


def test_normalisation_of_the_lab(digits):
    images = digits.train_images[:3]
    expected = TF.normalize(images.float() / 255, [0.1307], [0.3081])
    torch.testing.assert_close(Views("original_mnist").plain(images), expected)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 1, 28, 28), "uint8"),
        (torch.zeros(1, 28, 28, dtype=torch.uint8), "uint8 images"),
        (torch.zeros(2, 3, 28, 28, dtype=torch.uint8), "1 channels, not 3"),
    ],
)
def test_refuses_what_are_no_images(images, message):
    with pytest.raises(ValueError, match=message):
        Views("original_mnist")(images)


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(ValueError, match="original_mnist"):
        Views("nonsense")


def test_operations_can_be_left_out(generator):
    views, images = Views("simclr_cifar10"), torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    names = [type(operation).__name__ for operation in views.operations]
    fewer = views.without("HorizontalFlip", "ColourJitter")
    assert [type(o).__name__ for o in fewer.operations] == ["ResizedCrop", "RandomGreyscale"]
    assert repr(views.without()) == repr(views) != repr(fewer), "a checkpoint of the one is none of the other"
    none = views.without(*names)
    torch.testing.assert_close(none(images, generator), views.plain(images), rtol=0, atol=1e-5)
    assert none.resized(16)(images, generator).shape == (8, 3, 16, 16), "a crop that is left out still resizes"
    with pytest.raises(ValueError, match="Rotation cannot be left out; these views have: ResizedCrop, HorizontalFlip"):
        views.without("Rotation")


@pytest.mark.parametrize("side", [None, 16])
def test_one_view_of_a_pair_can_be_the_image_itself(generator, side):
    views, images = Views("simclr_cifar10"), torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    one_sided = views.against_originals.resized(side) if side else views.against_originals
    first, second = one_sided.pair(images, generator).chunk(2)
    assert first.shape == second.shape == (8, 3, side or 32, side or 32)
    if side:
        whole = Views((ResizedCrop(p=0.0, side=side),), views.mean, views.std)
        torch.testing.assert_close(first, whole(images, generator))
    else:
        torch.testing.assert_close(first, views.plain(images), rtol=0, atol=1e-5)
    assert not torch.allclose(first, second, atol=0.1)
    assert repr(views) != repr(views.against_originals)
    assert not views.against_originals.plain.one_sided

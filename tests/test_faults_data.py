"""Data that is damaged, hostile or not what it seems: refused in one sentence that names it, in bounded time."""

import gzip
import os
import struct
import sys
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lib.data import DataError, Dataset, equal_chunks, folders, load

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes take rights of their own on Windows")
fuzz = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def one_sentence(error):
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 700
    return text


def read_or_refused(*given):
    """The data and nothing, or nothing and why."""
    try:
        return load(*given), ""
    except DataError as error:
        return None, str(error)


def pictures(folder, train=6, test=2, draw=lambda random: random.integers(0, 256, (8, 8, 3), dtype=np.uint8)):
    """A folder of two classes of images, no two alike."""
    random = np.random.default_rng(0)
    for part, count in (("train", train), ("test", test)):
        for name in ("cat", "dog"):
            (folder / part / name).mkdir(parents=True)
            for i in range(count):
                Image.fromarray(draw(random)).save(folder / part / name / f"{i}.png")
    return folder


@pytest.fixture
def pets(tmp_path):
    return pictures(tmp_path / "pets")


def refused(folder):
    with pytest.raises(DataError) as error:
        load(str(folder))
    return one_sentence(error)


# What images say


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_grey_of_more_than_eight_bits_is_refused_not_squeezed(tmp_path, dtype):
    """Before, values from 0 to 65,535 became 0 or 255 nearly all."""
    folder = tmp_path / "xray"
    random = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in "ab":
            (folder / part / name).mkdir(parents=True)
            values = random.integers(0, 60_000, (8, 8)).astype(dtype)
            Image.fromarray(values).save(folder / part / name / "1.tif")
    text = refused(folder)
    assert "1.tif is a grey image of more than 8 bits a pixel" in text
    assert "Save it with 8 bits" in text


def test_sixteen_bit_png_is_refused(pets):
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(pets / "train/cat/3.png")
    assert "3.png is a grey image of more than 8 bits" in refused(pets)


def test_transparent_images_are_refused_and_opaque_ones_read(pets):
    pixels = np.random.default_rng(5).integers(0, 256, (8, 8, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    Image.fromarray(pixels).save(pets / "train/cat/3.png")
    found = load(str(pets)).train_images
    assert (found == torch.from_numpy(pixels[..., :3].copy()).permute(2, 0, 1)).flatten(1).all(1).any()
    pixels[0, 0, 3] = 0
    Image.fromarray(pixels).save(pets / "train/cat/3.png")
    assert "3.png is transparent in places" in refused(pets)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1"])
def test_what_eight_bits_hold_is_read_as_pillow_reads_it(tmp_path, mode):
    folder = pictures(tmp_path / "any", draw=lambda random: random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    for path in folder.rglob("*.png"):
        Image.open(path).convert(mode).save(path)
    found = load(str(folder))
    wanted = np.asarray(Image.open(folder / "test/cat/0.png").convert("L" if mode == "L" else "RGB"))
    wanted = torch.from_numpy(wanted.copy())
    wanted = wanted[None] if mode == "L" else wanted.permute(2, 0, 1)
    assert (found.test_images == wanted).flatten(1).all(1).any()


# Links, copies


@needs_links
def test_links_in_a_circle_multiply_nothing(pets):
    plain = load(str(pets))
    (pets / "train/cat/again").symlink_to(pets / "train", target_is_directory=True)
    (pets / "train/cat/me").symlink_to(pets / "train/cat", target_is_directory=True)
    (pets / "train/cat/loop").symlink_to(pets / "train/cat/loop")
    (pets / "train/dog/copy.png").symlink_to(pets / "train/cat/1.png")
    found = load(str(pets))
    assert torch.equal(found.train_images, plain.train_images)
    assert torch.equal(found.train_labels, plain.train_labels)


@needs_links
@pytest.mark.parametrize("target", ["test/cat", "test/cat/1.png", "../elsewhere"])
def test_a_link_out_of_the_folder_is_refused(pets, target):
    (pets.parent / "elsewhere").mkdir()
    (pets / "train/cat/more.png").symlink_to((pets / target).resolve())
    text = refused(pets)
    assert "more.png is a link out of" in text
    assert text.endswith("Put the images themselves there.")


@needs_links
def test_a_class_that_is_a_link_is_refused(pets):
    for part in ("train", "test"):
        (pets / part / "fox").symlink_to(pets / part / "cat", target_is_directory=True)
    assert "fox holds no image" in refused(pets)


@needs_links
def test_the_folder_itself_may_be_a_link(pets):
    (pets.parent / "link").symlink_to(pets, target_is_directory=True)
    assert torch.equal(load(str(pets.parent / "link")).train_images, load(str(pets)).train_images)


def test_the_same_image_in_train_and_test_is_refused_with_the_count(pets):
    for i in (0, 1):
        Image.open(pets / f"train/dog/{i}.png").save(pets / f"test/cat/{i}.png", compress_level=i)  # other bytes
    text = refused(pets)
    assert "2 of the 4 test images are training images too" in text
    assert "cat" in text
    assert "dog" in text


def test_copies_in_train_are_reported(pets):
    assert "copies" not in load(str(pets)).source.description
    for i in (0, 1, 2):
        (pets / f"train/cat/copy{i}.png").write_bytes((pets / "train/cat/0.png").read_bytes())
    found = load(str(pets))
    assert found.source.description.endswith("; 3 of the training images are copies of others")
    assert found.describe()["description"] == found.source.description


def test_a_published_set_may_hold_the_same_image_twice(pets):
    """CIFAR-10 is what it is."""
    (pets / "test/cat/copy.png").write_bytes((pets / "train/cat/0.png").read_bytes())
    assert len(folders.read_folder("cifar10", pets, "JPEG copy", own=False).test_images) == 5


def test_fewer_than_two_classes_are_refused(pets):
    for part in ("train", "test"):
        for path in (pets / part / "dog").iterdir():
            path.unlink()
        (pets / part / "dog").rmdir()
    assert "each of two classes or more; it holds one, cat" in refused(pets)


def test_a_name_that_is_no_text_is_taken_all_the_same(pets):
    try:
        for part in ("train", "test"):
            os.rename(pets / part / "cat", os.fsencode(pets / part) + b"/c\xff\xfet")
    except OSError:
        pytest.skip("this file system takes only names that are text")
    assert load(str(pets)).classes[0] == "c??t"


# Bombs, pipes, folders


def png(width, height, rows=b""):
    """A PNG of that size by its header, whatever it holds."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(20_000, 20_000), (2**31 - 1, 2**31 - 1), (10_000, 9_000), (1100, 1000)])
@pytest.mark.filterwarnings("error")
def test_a_picture_of_absurd_size_is_refused_by_its_header(pets, width, height):
    (pets / "train/cat/3.png").write_bytes(png(width, height, zlib.compress(bytes(10**6))))
    text = refused(pets)
    assert "3.png" in text
    assert "more than 1,048,576 pixels" in text or "no image that can be read" in text


def test_text_that_unpacks_to_gigabytes_is_refused(pets):
    packed = b"Comment\x00\x00" + zlib.compress(bytes(200 * 2**20), 9)
    chunk = struct.pack(">I", len(packed)) + b"zTXt" + packed + struct.pack(">I", zlib.crc32(b"zTXt" + packed))
    whole = (pets / "train/cat/3.png").read_bytes()
    (pets / "train/cat/3.png").write_bytes(whole[:33] + chunk + whole[33:])
    assert "3.png is no image that can be read whole" in refused(pets)


def test_more_images_than_memory_are_refused_before_they_are_read(pets, monkeypatch):
    monkeypatch.setattr(folders, "MEMORY", 1000)
    assert "holds 12 images like" in refused(pets)


@needs_links
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_a_pipe_or_a_folder_among_the_images_is_named_and_not_waited_for(pets, kind):
    place = pets / "train/cat/9.png"
    os.mkfifo(place) if kind == "pipe" else place.mkdir()
    assert f"9.png is a {kind}, where a file with data should be" in refused(pets)


@needs_links
@pytest.mark.parametrize("kind", ["pipe", "folder"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_pipe_or_a_folder_among_idx_files_likewise(mnist, kind, suffix):
    place = mnist / "MNIST/raw/t10k-images-idx3-ubyte"
    place.unlink()
    place = place.with_name(place.name + suffix)
    os.mkfifo(place) if kind == "pipe" else place.mkdir()
    with pytest.raises(DataError) as error:
        load("mnist", mnist)
    assert f"{place} is a {kind}" in one_sentence(error)


@needs_links
def test_a_pipe_among_cifar10s_files_likewise(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    os.mkfifo(tmp_path / "cifar-10-batches-py/data_batch_1")
    with pytest.raises(DataError, match="data_batch_1 is a pipe"):
        load("cifar10", tmp_path)


# IDX


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def write_mnist(folder, side=28, test_side=28):
    raw = folder / "MNIST/raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    for part, count, size in (("train", 50, side), ("t10k", 20, test_side)):
        (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(random.integers(0, 256, (count, size, size))))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(count) % 10))
    return folder


@pytest.fixture
def mnist(tmp_path):
    return write_mnist(tmp_path / "idx")


def test_test_images_of_another_size_are_refused(tmp_path):
    with pytest.raises(DataError, match="training images are 28 × 28 pixels, test images 27 × 27"):
        load("mnist", write_mnist(tmp_path, test_side=27))


@pytest.mark.parametrize(
    ("file", "shape"),
    [
        ("train-labels-idx1-ubyte", (50, 1)),
        ("train-images-idx3-ubyte", (50, 784)),
        ("t10k-images-idx3-ubyte", (0, 28, 28)),
        ("t10k-labels-idx1-ubyte", (0,)),
        ("t10k-images-idx3-ubyte", (20, 0, 28)),
    ],
)
def test_arrays_of_another_kind_are_refused(mnist, file, shape):
    (mnist / "MNIST/raw" / file).write_bytes(idx(np.zeros(shape)))
    with pytest.raises(DataError) as error:
        load("mnist", mnist)
    assert file in one_sentence(error)


def test_a_packed_file_that_unpacks_without_end_is_refused(mnist):
    file = mnist / "MNIST/raw/train-labels-idx1-ubyte"
    packed = gzip.compress(file.read_bytes() + bytes(300 * 2**20), 9)
    file.unlink()
    file.with_name(file.name + ".gz").write_bytes(packed)
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte\.gz .*promises 50 bytes.*it holds more"):
        load("mnist", mnist)


def test_a_header_that_promises_the_world_is_refused(mnist):
    header = struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1)
    (mnist / "MNIST/raw/train-images-idx3-ubyte").write_bytes(header)
    with pytest.raises(DataError, match="promises 79,228,162,458,924,105,385,300,197,375 bytes"):
        load("mnist", mnist)


FILES = [f"{part}-{what}-ubyte" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1")]
CHANGES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 255)), max_size=4)


@fuzz
@given(
    file=st.sampled_from(FILES),
    changes=CHANGES,
    cut=st.integers(0, 60),
    more=st.binary(max_size=9),
    packed=st.booleans(),
)
def test_whatever_happens_to_an_idx_file_it_is_read_or_refused_by_name(file, changes, cut, more, packed):
    with tempfile.TemporaryDirectory() as folder:
        path = write_mnist(Path(folder), 4, 4) / "MNIST/raw" / file
        content = bytearray(path.read_bytes() + more)
        for place, value in changes:
            if place < len(content):
                content[place] = value
        content = bytes(content[: len(content) - cut] if cut else content)
        path.unlink()
        path.with_name(path.name + ".gz" * packed).write_bytes(gzip.compress(content) if packed else content)
        found, said = read_or_refused("mnist", folder)
        if not found:
            assert "-ubyte" in said or "pixels" in said
            return
        assert isinstance(found, Dataset)
        assert found.train_images.shape[1:] == found.test_images.shape[1:]
        assert (found.train_labels.ndim, len(found.train_labels)) == (1, len(found.train_images))


@fuzz
@given(content=st.binary(max_size=200))
def test_any_bytes_as_a_packed_idx_file(content):
    with tempfile.TemporaryDirectory() as folder:
        path = write_mnist(Path(folder), 4, 4) / "MNIST/raw/train-images-idx3-ubyte"
        path.unlink()
        path.with_name(path.name + ".gz").write_bytes(content)
        with pytest.raises(DataError, match="train-images-idx3-ubyte.gz"):
            load("mnist", folder)


# Image folders

SUFFIX = st.sampled_from([".png", ".jpg", ".bmp", ".tif", ".webp", ".ppm"])


@fuzz
@given(content=st.binary(max_size=300), suffix=SUFFIX)
def test_any_bytes_as_an_image(content, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = pictures(Path(folder), 1, 1) / f"train/cat/x{suffix}"
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"x{suffix}"):
            load(folder)


@fuzz
@given(
    suffix=SUFFIX, changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6), cut=st.floats(0, 1)
)
def test_whatever_happens_to_an_image_it_is_read_or_refused_by_name(suffix, changes, cut):
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of odd metadata
        path = pictures(Path(folder), 1, 1) / f"train/cat/x{suffix}"
        Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(path)
        content = bytearray(path.read_bytes())
        for place, value in changes:
            content[int(place * (len(content) - 1))] = value
        path.write_bytes(content[: int(cut * len(content)) or None])
        found, said = read_or_refused(folder)
        if not found:
            assert f"x{suffix}" in said
            return
        assert found.train_images.shape == (3, 3, 8, 8)


@given(count=st.integers(-5, 10**12))
@settings(max_examples=60, deadline=2000)
def test_any_number_of_chunks_is_made_or_refused_at_once(digits, count):
    if 1 <= count <= 4000:
        assert len(equal_chunks(digits, count)) == count
    else:
        with pytest.raises(ValueError, match="cannot be made of the 4,000 training images"):
            equal_chunks(digits, count)

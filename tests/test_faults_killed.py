"""A run that is killed at any moment goes on from its checkpoint to the weights it would have had."""

import json
import os
import subprocess
import sys

import pytest
import torch

from lib.files import ROOT
from lib.training.checkpoint import load_whole


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked on Windows")
@pytest.mark.parametrize("kind", ["mnist", "batchnorm"])
def test_killed_at_random_moments_it_ends_with_equal_weights(tmp_path, kind):
    """``kill -9`` at five moments for each network, ten in all; what is left is what a run without a cut leaves."""
    command = [sys.executable, "-m", "tests.killed_worker", kind, str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "damaged" not in done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["ended"] == 0
    assert sum(killed for killed, _ in told["kills"]) >= 3, f"over before it could be killed: {told}"
    assert any("pretraining.ckpt" in left for _, left in told["kills"]), f"nothing to go on from: {told}"
    whole, resumed = (load_whole(tmp_path / name / "model.pt") for name in ("whole", "killed"))
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)

"""All tests and notebooks run on the embedded samples, without network, and leave their runs in a temporary folder."""

import os
import shutil
import tempfile

import pytest
import torch

from lib import data

os.environ |= {
    "LAB_OFFLINE": "1",
    "LAB_RUNS": tempfile.mkdtemp(prefix="lab-runs-"),
    "PYTHONWARNINGS": "ignore::FutureWarning",
}
os.environ.pop("LAB_DATA", None)


def pytest_sessionfinish():
    shutil.rmtree(os.environ["LAB_RUNS"], ignore_errors=True)


@pytest.fixture(scope="session")
def digits() -> data.Dataset:
    """The embedded MNIST digits."""
    return data._SAMPLES["mnist"]()


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)

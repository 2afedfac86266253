"""All tests and notebooks run on the embedded samples, without network, and leave their runs in a temporary folder."""

import os
import shutil
import tempfile
from functools import cache

import pytest
import torch
from nbmake.nb_run import NotebookRun
from nbmake.pytest_items import NotebookItem

from figures.browser import find_browser
from lib import data
from lib.files import ROOT
from tests.browser import Server
from tests.pictures import without_picture

os.environ |= {
    "LAB_OFFLINE": "1",
    "LAB_RUNS": tempfile.mkdtemp(prefix="lab-runs-"),
    "PYTHONWARNINGS": "ignore::FutureWarning",
}
os.environ.pop("LAB_DATA", None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """nbmake looks for errors only; what it executed must show its pictures too."""
    if not isinstance(item, NotebookItem):
        return (yield)
    executed, execute = [], NotebookRun.execute
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_RUNS", f"{os.environ['LAB_RUNS']}/notebooks")  # later ones read what earlier ones have made
        patch.setattr(NotebookRun, "execute", lambda run: executed.append(execute(run)) or executed[-1])
        yield
    (result,) = executed
    assert not (missing := without_picture(result.nb)), f"cells of {item.name} without their picture: {missing}"


#: What shares something costly, or builds on one another, is run by one process: else a file of tests.
TOGETHER = {".ipynb": "notebooks", "test_pages.py": "reports", "test_paper.py": "reports"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """What is run by which process where pytest-xdist spreads the tests, as `lab test` has it do."""
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return next((group for end, group in TOGETHER.items() if file.endswith(end)), file)

    return Together(config, log)


def pytest_sessionfinish():
    shutil.rmtree(os.environ["LAB_RUNS"], ignore_errors=True)


@pytest.fixture(scope="session")
def digits() -> data.Dataset:
    """The embedded MNIST digits."""
    return data.samples.SAMPLES["mnist"]()


@pytest.fixture(scope="module")  # while it lasts, no other test can start Playwright
def jupyterlab(tmp_path_factory):
    """A JupyterLab on a folder with copies of the notebooks, and a browser: one of each for a file of tests."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if not (browser := find_browser()):
        pytest.skip("no Chromium, Chrome or Edge on this machine")
    notebooks = tmp_path_factory.mktemp("notebooks")
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy(path, notebooks)
    server = Server(tmp_path_factory.mktemp("jupyterlab"), notebooks)
    with playwright.sync_playwright() as started:
        sandbox = [] if hasattr(os, "geteuid") and os.geteuid() else ["--no-sandbox"]
        server.browser = started.chromium.launch(executable_path=browser, args=sandbox)
        yield server
        server.browser.close()
    server.stop()


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


@pytest.fixture(scope="session")
def reports(tmp_path_factory):
    """The HTML of the published records' report by language and profile, as `lab report` makes it."""
    import papermill

    from lib.report import export

    @cache
    def made(language, profile="improved"):
        folder = tmp_path_factory.mktemp(language)
        cover = {"student": "李华", "number": 2021, "date": "2026-11-24"}
        given = {"runs": str(ROOT / "figures/records"), "profile": profile, "language": language, **cover}
        papermill.execute_notebook(ROOT / "notebooks/report.ipynb", folder / "r.ipynb", given, progress_bar=False)
        export.export(folder / "r.ipynb", folder / "r.html")
        return folder / "r.html"

    return made


@pytest.fixture
def refusals(monkeypatch):
    """An entry for each renaming that is still to be refused, as on Windows while another program holds the file."""
    replace, left = os.replace, []

    def held(*places):
        if left:
            left.pop()
            raise PermissionError(13, "Access is denied")
        replace(*places)

    monkeypatch.setattr(os, "replace", held)
    return left

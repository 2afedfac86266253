"""A JupyterLab of the tests' own and a browser that looks at it, one of each for the whole session: see conftest.py."""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress

from lib.cli import with_kit

SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},  # else a cell out of sight is not in the page
}


class Server:
    """JupyterLab on a folder: ``address``, and what its kernels take."""

    def __init__(self, folder, notebooks):
        settings = folder / "settings"
        for plugin, values in SETTINGS.items():
            package, name = plugin.split(":")
            (settings / package).mkdir(parents=True, exist_ok=True)
            (settings / package / f"{name}.jupyterlab-settings").write_text(json.dumps(values))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address, self.folder = f"http://127.0.0.1:{port}", notebooks
        options = [f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={notebooks}", "--no-browser",
                   "--IdentityProvider.token=", "--allow-root", "--ServerApp.disable_check_xsrf=True",
                   f"--LabApp.user_settings_dir={settings}",
                   f"--LabApp.workspaces_dir={folder / 'workspaces'}"]  # fmt: skip
        self.log = open(folder / "log.txt", "wb")  # noqa: SIM115
        alone = with_kit() | {"JUPYTER_CONFIG_DIR": str(folder / "config")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", *options], env=alone, stdout=self.log, stderr=self.log
        )
        self._wait(folder)

    def _wait(self, folder):
        for _ in range(240):
            if self.process.poll() is None:
                with suppress(OSError), urllib.request.urlopen(f"{self.address}/api/status", timeout=5):
                    return
            time.sleep(0.5)
        self.stop()
        raise RuntimeError(f"JupyterLab does not start: {(folder / 'log.txt').read_text(errors='replace')[-2000:]}")

    def kernels(self):
        """The processes of the kernels that run, as psutil sees them."""
        import psutil

        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if any("ipykernel" in word for word in child.cmdline())]

    def stop_kernels(self):
        with urllib.request.urlopen(f"{self.address}/api/sessions", timeout=30) as answer:
            sessions = json.load(answer)
        for session in sessions:
            request = urllib.request.Request(f"{self.address}/api/sessions/{session['id']}", method="DELETE")
            urllib.request.urlopen(request, timeout=60).close()

    def stop(self):
        if self.process.poll() is None:
            with suppress(OSError):
                self.stop_kernels()
            self.process.terminate()
            self.process.wait(30)
        self.log.close()


#: Notes each picture that comes into a cell at work, with the first line of what the cell has put out.
NOTE = """
window.noted = [];
new MutationObserver(() => {
  for (const cell of document.querySelectorAll('.jp-CodeCell')) {
    const image = cell.querySelector('.jp-OutputArea-output img');
    if (image && cell.querySelector('.jp-InputPrompt').innerText.includes('*')) {
      const line = cell.querySelector('.jp-OutputArea-output').innerText.trim().split('\\n')[0];
      if (window.noted.at(-1)?.picture !== image.src) window.noted.push({line, picture: image.src});
    }
  }
}).observe(document.querySelector('.jp-Notebook'), {childList: true, subtree: true, attributes: true});
"""


class Opened:
    """A notebook in a tab."""

    def __init__(self, tab, server, name):
        self.tab, self.name, self.start = tab, name, time.perf_counter()
        tab.set_viewport_size({"width": 1280, "height": 1000})
        tab.goto(f"{server.address}/doc/tree/{name}")
        tab.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)

    def run_all(self):
        # before its kernel is there JupyterLab takes the command and runs nothing
        self.tab.get_by_text(re.compile(r"\| Idle$")).first.wait_for(timeout=120_000)
        self.tab.get_by_role("menuitem", name=re.compile("^Run$")).click()
        self.tab.get_by_role("menuitem", name=re.compile("Run All Cells")).first.click()

    def wait_for_all(self, seconds=600):
        """Until no cell waits; raises TimeoutError."""
        for _ in range(seconds * 2):
            prompts = self.tab.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").all_inner_texts()
            if re.search(r"\d", "".join(prompts)) and not any("*" in prompt for prompt in prompts):
                return
            self.tab.wait_for_timeout(500)
        raise TimeoutError(f"after {seconds} s some cells still wait: {prompts}")

    def note_pictures(self):
        """From here on see every picture that is drawn in a cell at work, however short it stands."""
        self.tab.evaluate(NOTE)

    def noted(self):
        """What was seen: ``line`` and ``picture``, the earliest first."""
        return self.tab.evaluate("window.noted")

    def save(self):
        self.tab.keyboard.press("Escape")
        self.tab.keyboard.press("Control+s")
        self.tab.wait_for_selector(".jp-Document:not(.jp-mod-dirty)")
        self.tab.wait_for_timeout(1000)

    def changed(self, selector, before, seconds=60):
        """What an element holds once that is no longer ``before``; raises AssertionError."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            if (now := self.tab.locator(selector).first.inner_html()) != before:
                return now
            self.tab.wait_for_timeout(10)
        raise AssertionError(f"{selector} has not changed in {seconds} s")

"""A browser of the Chromium family that is already on the machine: for the READMEs' picture and the tests.

No report needs one.
"""

import os
import shutil
from pathlib import Path

COMMANDS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "microsoft-edge",
)
APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)


def find_browser() -> str | None:
    """Path of a browser, the environment's ``LAB_BROWSER`` first; None if there is none."""
    if named := os.environ.get("LAB_BROWSER"):
        return shutil.which(named)
    found = [path for path in map(shutil.which, COMMANDS) if path]
    return next(iter(found + [path for path in APPLICATIONS if Path(path).exists()]), None)

"""Where the kit lies on the web: one line of pyproject.toml, from which all that names the address is made."""

import re

from lib.files import ROOT
from lib.words import Words

#: A clone and not a wheel: recipes, texts and records lie beside ``lib``, and runs will. What Colab has stays.
SETUP = """\
# {comment}
try:
    import lib.runs  # noqa: F401
except ImportError:
    import os
    import subprocess
    import sys

    kit, address = os.path.abspath("simclr-lab-kit"), "{address}"
    if not os.path.isdir(kit):
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", address, kit], check=True)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "-r", "requirements.txt"]
    subprocess.run(install, cwd=kit, check=True)
    sys.path.insert(0, kit)"""


def address() -> str:
    """The repository's address, as its owner filled it in under ``[project.urls]`` in pyproject.toml.

    Raises:
        ValueError: the line is not there.
    """
    found = re.search(r'^Repository = "(.+?)/?"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise ValueError('pyproject.toml lacks its line Repository = "https://…" under [project.urls].')
    return found[1]


def setup(say: Words) -> str:
    """The first code cell of each notebook: where the kit is not at hand it is fetched; at home nothing happens."""
    return SETUP.format(comment=say.plain("lesson.setup"), address=address())

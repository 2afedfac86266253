"""Where the kit lies on the web: one line of pyproject.toml, from which all that names the address is made."""

import re

from lib.cli.lessons import LESSONS, file_name
from lib.files import ROOT, between_marks
from lib.words import Words

#: A clone and not a wheel: recipes, texts and records lie beside ``lib``, and runs will. What Colab has stays.
SETUP = """\
# {comment}
try:
    import lib.runs  # noqa: F401
except ImportError:
    import os
    import pathlib
    import subprocess
    import sys

    here = pathlib.Path.cwd()
    if any((place / "lab.py").exists() for place in (here, *here.parents)):
        raise RuntimeError(
            "This kernel is another Python. Open the notebook with python lab.py notebooks, or choose .venv as kernel."
        ) from None
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


def badges(language: str) -> str:
    """The READMEs' links that open the first lesson on Colab and on Binder; both take what lies on GitHub."""
    place = address().removeprefix("https://github.com/")
    notebook = f"notebooks/{file_name(LESSONS[0], language)}"
    colab, binder = "https://colab.research.google.com", "https://mybinder.org"
    return (
        f"[![Colab]({colab}/assets/colab-badge.svg)]({colab}/github/{place}/blob/main/{notebook}) "
        f"[![Binder]({binder}/badge_logo.svg)]({binder}/v2/gh/{place}/main?urlpath=lab/tree/{notebook})"
    )


def with_badges(page: str, language: str) -> str:
    """A README with these badges between its marks ``<!-- badges -->`` and ``<!-- end -->``; as it is without them."""
    return between_marks(page, "badges", f"{badges(language)}\n") if "<!-- badges -->" in page else page

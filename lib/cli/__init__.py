"""The command ``lab``: what is to be run, how it is run and followed, and what stands on the terminal meanwhile.

Nothing here imports torch before it has to: with nothing to do the command is through in a moment.
"""

import os

from lib.files import ROOT


class LabError(Exception):
    """What keeps a command from its end, in a paragraph for the one who gave it."""


def with_kit() -> dict[str, str]:
    """The environment for another Python that is to import this kit, from whatever folder it is started."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path}

"""The command ``lab``: what is to be run, how it is run and followed, and what stands on the terminal meanwhile.

Nothing here imports torch before it has to: with nothing to do the command is through in a moment.
"""


class LabError(Exception):
    """What keeps a command from its end, in a paragraph for the one who gave it."""

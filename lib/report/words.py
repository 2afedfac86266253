"""The words' old name: the module itself is ``lib.words``, where the lower floors can reach it."""

import sys

from lib import words

sys.modules[__name__] = words

"""The SimCLR lab kit.

What is learnt: ``loss``, ``models``, ``weights`` and ``augment``, on ``data``; how: ``training``; how good it is:
``evaluation``; which run: ``runs``; how it is told: ``report``. Imports run one way (pyproject.toml has the contract):
``loss, models, weights, augment, data ← training ← evaluation ← runs ← report``.
"""

__version__ = "0.1.0"

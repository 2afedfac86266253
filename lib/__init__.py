"""The SimCLR lab kit: data, augmentation, models, loss, training, evaluation and report.

Data flows one way and so do the imports:
``data → augment → models/loss ← train → evaluate → records → plots → report``.
"""

__version__ = "0.1.0"

"""Every figure of the kit: records (or tensors) in, a matplotlib Figure out; the evidence's are in ``evidence_plots``.

Each takes the words of a language, by default those of the notebook that draws (``lib.words.use``), and says in
``alt`` what it shows to those who do not see it; how they look is in ``lib.report.style``.
"""

from lib.report.plots.clustering import clustering_name, clustering_time, comparison, maps
from lib.report.plots.headline import headline
from lib.report.plots.linear import evaluations
from lib.report.plots.pictures import image_grid, mistakes, neighbours, views
from lib.report.plots.training import class_accuracy, classifier, confusion, pretraining

__all__ = ["class_accuracy", "classifier", "clustering_name", "clustering_time", "comparison", "confusion",
           "evaluations", "headline", "image_grid", "maps", "mistakes", "neighbours", "pretraining",
           "views"]  # fmt: skip

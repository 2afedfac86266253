"""Every figure of the kit: records (or tensors) in, a matplotlib Figure out.

Each takes the words of a language, by default those of the notebook that draws (``lib.words.use``), and says in
``alt`` what it shows to those who do not see it; how they look is in ``lib.report.style``.
"""

from lib.report.plots.clustering import clustering_name, clustering_time, comparison, maps
from lib.report.plots.evidence import controls, growth, label_efficiency, similarities
from lib.report.plots.headline import headline
from lib.report.plots.linear import evaluations
from lib.report.plots.methods import accuracies, by_name, spectrum
from lib.report.plots.pictures import centres, filters, image_grid, mistakes, neighbours, pair_cosines, views
from lib.report.plots.training import class_accuracy, classifier, confusion, pretraining
from lib.report.plots.tries import Shown, tries

__all__ = ["Shown", "accuracies", "by_name", "centres", "class_accuracy", "classifier", "clustering_name",
           "clustering_time", "comparison", "confusion", "controls", "evaluations", "filters", "growth", "headline",
           "image_grid", "label_efficiency", "maps", "mistakes", "neighbours", "pair_cosines", "pretraining",
           "similarities", "spectrum", "tries", "views"]  # fmt: skip

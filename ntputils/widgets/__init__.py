"""Widgets that compute in the page: no kernel is needed, and where there is one it shares their state."""

from .collapse import CollapseWidget
from .concepts import ConceptsWidget
from .imbalance import ImbalanceWidget
from .moment_curve import MomentCurveWidget
from .neighbours import NeighboursWidget
from .path_player import PathPlayerWidget
from .scrubber import TrainingScrubber
from .soft_labels import SoftLabelsWidget
from .support_grid import SupportGridWidget
from .symmetric import SymmetricWidget

__all__ = ["CollapseWidget", "ConceptsWidget", "ImbalanceWidget", "MomentCurveWidget", "NeighboursWidget",
           "PathPlayerWidget", "SoftLabelsWidget", "SupportGridWidget", "SymmetricWidget", "TrainingScrubber"]

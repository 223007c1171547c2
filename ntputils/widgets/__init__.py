"""Widgets that compute in the page: no kernel is needed, and where there is one it shares their state."""

from .soft_labels import SoftLabelsWidget
from .support_grid import SupportGridWidget

__all__ = ["SoftLabelsWidget", "SupportGridWidget"]

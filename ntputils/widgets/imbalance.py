"""The widget of chapter 20: frequent and rare words in the limit, and how far rare ones have drawn together."""

from __future__ import annotations

import json
from math import acos, degrees
from pathlib import Path

import anywidget
import traitlets

from ..closed_forms import StepGeometry, step_geometry

HERE = Path(__file__).parent
LIMITS = {"least": 3, "most": 24, "R": 1000}  # words, and contexts of a frequent word


def _module() -> str:
    """Puts the widget's ES module together: a module loaded as a blob cannot import its neighbours."""
    heatmap, core, view = ((HERE / name).read_text(encoding="utf-8")
                           for name in ("heatmap.js", "imbalance_core.js", "imbalance.js"))
    return "\n".join([heatmap, core, f"const LIMITS = {json.dumps(LIMITS)};", view])


def _style() -> str:
    """The house style of the widgets under this widget's name, and what is its own."""
    house, own = ((HERE / name).read_text(encoding="utf-8") for name in ("soft_labels.css", "imbalance.css"))
    return house.replace(".ntp-soft-labels", ".ntp-imbalance") + own


class ImbalanceWidget(anywidget.AnyWidget):
    """Word vectors where each context has one next word, and some words have R contexts each, the others one.

    The page draws the limit in closed form, along a plane, and the cosines of all pairs. Where a state does not fit
    together it makes it fit: fewer frequent words than words.

    Source: chapter 20; Thrampoulidis et al. (2022); Fang et al. (2021).

    Attributes:
        V: words, 3 to 24.
        majority: how many of them are frequent, 1 to V - 1.
        R: contexts of a frequent word, 1 to 1000.
        balanced: whether the contexts of a word count as one (resampled, or one ridge between them).

    Raises:
        traitlets.TraitError: a value of another type or out of its range.

    >>> ImbalanceWidget(V=6, majority=3, R=10)
    ImbalanceWidget(3 of 6 words with 10 contexts)
    """

    _esm = _module()
    _css = _style()

    V = traitlets.Int(6, min=LIMITS["least"], max=LIMITS["most"]).tag(sync=True)
    majority = traitlets.Int(3, min=1, max=LIMITS["most"] - 1).tag(sync=True)
    R = traitlets.Int(10, min=1, max=LIMITS["R"]).tag(sync=True)
    balanced = traitlets.Bool(False).tag(sync=True)

    def world(self) -> StepGeometry:
        """The closed form of what the page shows.

        Returns:
            `step_geometry`, with R = 1 where the contexts are balanced.

        >>> round(ImbalanceWidget(V=6, R=1000).world().minority_cosine, 3)
        0.772
        """
        return step_geometry(self.V, 1 if self.balanced else self.R, majority=min(self.majority, self.V - 1))

    def fallback(self) -> str:
        """Says in words what the widget shows: for a reader who cannot see it, or has no JavaScript.

        Returns:
            Two lines of plain text, with angles in degrees.

        >>> print(ImbalanceWidget(V=6, R=1000).fallback())
        3 of 6 words have 1000 contexts each, the others one; each context has one next word.
        Angles: two rare words 39.4°; two frequent words 105.9°; one of each 110.9°.
        """
        world = self.world()
        pairs = [("two rare words", world.minority_cosine, world.V - world.many > 1),
                 ("two frequent words", world.majority_cosine, world.many > 1), ("one of each", world.mixed_cosine, True)]
        angles = "; ".join(f"{name} {degrees(acos(max(-1.0, min(1.0, cosine)))):.1f}°"
                           for name, cosine, there in pairs if there)
        count = "contexts each, which count as one; the others have" if self.balanced else "contexts each, the others"
        return (f"{world.many} of {self.V} words have {self.R} {count} one; each context has one next word.\n"
                f"Angles: {angles}.")

    def __repr__(self) -> str:
        return (f"ImbalanceWidget({min(self.majority, self.V - 1)} of {self.V} words with {self.R} contexts"
                f"{', balanced' if self.balanced else ''})")

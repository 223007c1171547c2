"""The widget of chapter 7: symmetric worlds, drawn, with every angle by formula and from a solution."""

from __future__ import annotations

from math import acos, degrees
from pathlib import Path

import anywidget
import traitlets

from ..closed_forms import FlatWorld, StepGeometry, step_geometry, subset_world

HERE = Path(__file__).parent
LEAST, MOST, IMBALANCE = 3, 10, 1000  # words, and contexts of a majority word


def _module() -> str:
    """Puts the widget's ES module together: a module loaded as a blob cannot import its neighbours."""
    names = ("svm_core.js", "heatmap.js", "symmetric_core.js", "symmetric.js")
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


def _style() -> str:
    """The house style of the widgets under this widget's name, and what is its own."""
    house, own = ((HERE / name).read_text(encoding="utf-8") for name in ("soft_labels.css", "symmetric.css"))
    return house.replace(".ntp-soft-labels", ".ntp-symmetric") + own


class SymmetricWidget(anywidget.AnyWidget):
    """Draws worlds whose angles have a formula, and tabulates these beside a solution that the page computes.

    In mode "subsets" every set of k of the V words is the support of one context. In mode "step" each context has one
    next word, half of the words follow R contexts each and the others one. The page makes a state that does not fit
    together fit: k below V, and an even V of at least four in mode "step".

    Source: chapter 7, "Flat worlds" and "Star worlds"; Zhao et al. (2024).

    Attributes:
        mode: "subsets" or "step".
        V: words, 3 to 10.
        k: next words of a context, 1 to 9.
        R: contexts of a majority word, 1 to 1000.
        chosen: the context, or in mode "step" the word, from which the page looks, from 0.

    Raises:
        traitlets.TraitError: a value of another type or out of its range.

    >>> SymmetricWidget(V=5, k=2)
    SymmetricWidget(all 2-subsets of 5 words)
    >>> SymmetricWidget(mode="step", V=6, R=10)
    SymmetricWidget(6 words, half of them with 10 contexts)
    """

    _esm = _module()
    _css = _style()

    mode = traitlets.Enum(["subsets", "step"], default_value="subsets").tag(sync=True)
    V = traitlets.Int(5, min=LEAST, max=MOST).tag(sync=True)
    k = traitlets.Int(2, min=1, max=MOST - 1).tag(sync=True)
    R = traitlets.Int(10, min=1, max=IMBALANCE).tag(sync=True)
    chosen = traitlets.Int(0, min=0).tag(sync=True)

    def world(self) -> FlatWorld | StepGeometry:
        """The closed forms of the world that the page shows.

        Returns:
            `subset_world` or `step_geometry`, made to fit as the page does.

        >>> round(SymmetricWidget(V=4, k=2).world().in_support(2), 4)
        0.5774
        """
        V, k = self._fitted()
        return step_geometry(V, self.R) if self.mode == "step" else subset_world(V, k)

    def _fitted(self) -> tuple[int, int]:
        V = max(4, self.V - self.V % 2) if self.mode == "step" else self.V
        return V, min(self.k, V - 1)

    def fallback(self) -> str:
        """Says in words what the widget shows: for a reader who cannot see it, or has no JavaScript.

        Returns:
            Plain text with angles in degrees.

        >>> print(SymmetricWidget(V=4, k=2).fallback())
        4 words; every 2 of them are the next words of one context.
        Angles: two words 109.5°; a context and a next word 54.7°, and another word 125.3°;
        two contexts that share 1: 90.0°; that share 0: 180.0°.
        """
        V, k = self._fitted()
        world = self.world()

        def angle(cosine: float) -> str:
            return f"{degrees(acos(max(-1.0, min(1.0, cosine)))):.1f}°"

        if isinstance(world, StepGeometry):
            return (f"{V} words, one next word each: words 1 to {V // 2} follow {self.R} contexts each, "
                    f"the others one.\n"
                    f"Angles: two majority words {angle(world.majority_cosine)}; two minority words "
                    f"{angle(world.minority_cosine)}; one of each {angle(world.mixed_cosine)}.")
        shared = [f"share {i}: {angle(world.contexts(k, k, i))}" for i in range(k - 1, max(0, 2 * k - V) - 1, -1)]
        return (f"{V} words; every {k} of them are the next words of one context.\n"
                f"Angles: two words {angle(world.words)}; a context and a next word {angle(world.in_support(k))}, "
                f"and another word {angle(world.off_support(k))};\ntwo contexts that {'; that '.join(shared)}.")

    def __repr__(self) -> str:
        V, k = self._fitted()
        return (f"SymmetricWidget({V} words, half of them with {self.R} contexts)" if self.mode == "step"
                else f"SymmetricWidget(all {k}-subsets of {V} words)")

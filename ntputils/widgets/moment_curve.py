"""The widget of chapter 10: words on a circle, and the context that has a chosen support on top."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import comb
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from ..families import from_sets
from ..moment_curve import MomentCurveEmbedding, embed_on_moment_curve, moment_curve_price

HERE = Path(__file__).parent
LIMITS = {"least": 3, "V": 16, "d": 8}  # words at least and at most, dimensions at most


def _module() -> str:
    """Puts the widget's ES module together: a module loaded as a blob cannot import its neighbours."""
    parts = [(HERE / name).read_text(encoding="utf-8") for name in ("moment_curve_core.js", "heatmap.js")]
    limits = f"const LIMITS = {json.dumps(LIMITS)};\n"
    return "\n".join([*parts, limits, (HERE / "moment_curve.js").read_text(encoding="utf-8")])


def _style() -> str:
    """The house style of the widgets under this widget's name, and what is its own."""
    house, own = ((HERE / name).read_text(encoding="utf-8") for name in ("soft_labels.css", "moment_curve.css"))
    return house.replace(".ntp-soft-labels", ".ntp-moment-curve") + own


class MomentCurveWidget(anywidget.AnyWidget):
    """Words on the trigonometric moment curve: a support, the hyperplane that touches there, margin and price.

    The page computes everything; in a live notebook the state is shared with Python.

    Source: chapter 10, "Twice the largest support is enough" and "The price of the moment curve".

    Args:
        V: how many words to begin with.
        d: how many dimensions.
        support: the words of the support.
        **kwargs: what any widget takes.

    Attributes:
        V: how many words stand on the circle, at equal angles, 3 to 16 and more than d.
        d: the number of dimensions, even, 2 to 8; a support has at most k = d/2 words.
        support: the words of the support, ids from 0 to V - 1, at least one.

    Raises:
        ValueError: numbers out of these ranges.
        traitlets.TraitError: a value of another type.

    >>> MomentCurveWidget(V=12, d=4, support=[0, 6])
    MomentCurveWidget(12 words, 4 dimensions, 2 words in the support)
    >>> round(float(MomentCurveWidget(V=12, d=4, support=[0, 6]).solution().margins[0]), 3)
    0.25
    """

    _esm = _module()
    _css = _style()

    V = traitlets.Int(12).tag(sync=True)
    d = traitlets.Int(4).tag(sync=True)
    support = traitlets.List(traitlets.Int(), default_value=[0, 6]).tag(sync=True)

    def __init__(self, V: int = 12, d: int = 4, support: Sequence[int] = (0,), **kwargs: object) -> None:
        super().__init__(V=V, d=d, support=sorted(int(z) for z in support), **kwargs)

    @traitlets.validate("V", "d", "support")
    def _check(self, proposal: traitlets.Bunch) -> object:
        state = {name: getattr(self, name) for name in ("V", "d", "support")} | {proposal.trait.name: proposal.value}
        V, d, support = state["V"], state["d"], state["support"]
        if d % 2 or not 2 <= d <= LIMITS["d"]:
            raise ValueError(f"d: got {d}, want an even number from 2 to {LIMITS['d']}")
        if not max(LIMITS["least"], d + 1) <= V <= LIMITS["V"]:
            raise ValueError(f"V: got {V}, want more than d = {d} and at most {LIMITS['V']} words")
        if not 1 <= len(set(support)) == len(support) <= d // 2:
            raise ValueError(f"support: got {support}, want 1 to d/2 = {d // 2} distinct words")
        if not all(0 <= z < V for z in support):
            raise ValueError(f"support: got {support}, want ids from 0 to V - 1 = {V - 1}")
        return proposal.value

    def solution(self) -> MomentCurveEmbedding:
        """Words and context of the support that the widget has now, by Python.

        Returns:
            `embed_on_moment_curve` of the one support; with fewer than d/2 words the later frequencies are not used.
        """
        return embed_on_moment_curve(from_sets([self.support], self.V))

    def fallback(self) -> str:
        """Says in words what the widget shows: for a reader who cannot see it, or has no JavaScript.

        Returns:
            Three lines of plain text, numbers rounded.

        >>> print(MomentCurveWidget(V=10, d=2, support=[3]).fallback())
        10 words at equal angles on the moment curve in 2 dimensions; in the support: 4.
        The context has these words on top, the next one 0.191 lower; scaled to margin 1 its length is 5.236.
        All 10 supports of 1 word at margin 1 cost 5.818 times the least nuclear norm.
        """
        found, k = self.solution(), self.d // 2
        names = ", ".join(str(z + 1) for z in self.support)
        plural = "" if k == 1 else "s"
        return "\n".join([
            f"{self.V} words at equal angles on the moment curve in {self.d} dimensions; in the support: {names}.",
            f"The context has these words on top, the next one {found.margins[0]:.3g} lower; "
            f"scaled to margin 1 its length is {np.linalg.norm(found.H):.4g}.",
            f"All {comb(self.V, k)} supports of {k} word{plural} at margin 1 cost "
            f"{moment_curve_price(self.V, k):.4g} times the least nuclear norm."])

    def __repr__(self) -> str:
        size = len(self.support)
        return (f"MomentCurveWidget({self.V} words, {self.d} dimensions, {size} word{'' if size == 1 else 's'} "
                "in the support)")

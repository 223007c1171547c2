"""The widget of chapter 5: the regularisation path, to be played, scrubbed and stepped through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from ..path import regularization_path
from ..svm import solve_ntp_svm
from ..theory import centered_support, in_support_logits, project_F, softmax
from ..types import SoftLabels

HERE = Path(__file__).parent
LARGEST = 24          # tokens, and contexts, of a problem at most
LAMBDAS = np.geomspace(1e-1, 1e-10, 46)  # five a decade
_DIGITS = 13          # significant digits of the logits that the page gets: far beyond what it shows
SMALLEST = {"One context": SoftLabels.from_counts([[3], [1], [0]], vocab=["sat", "ran", "slept"],
                                                  contexts=["the cat"])}


def _module() -> str:
    """Puts the widget's ES module together: a module loaded as a blob cannot import its neighbours."""
    names = ("heatmap.js", "path_player_core.js", "path_player.js")
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


def _style() -> str:
    """The house style of the widgets under this widget's name, and what is its own."""
    names = ("soft_labels.css", "path_player.css")
    house, own = ((HERE / name).read_text(encoding="utf-8") for name in names)
    return house.replace(".ntp-soft-labels", ".ntp-path-player") + own


def _rounded(A: np.ndarray) -> list[Any]:
    """The entries with `_DIGITS` significant digits: what a page has to carry."""
    return [_rounded(row) if np.ndim(row) else float(f"{row:.{_DIGITS - 1}e}") for row in A]


def _world(name: str, labels: SoftLabels, lambdas: np.ndarray) -> dict[str, Any]:
    """A problem with its path and where that leads to, as plain values."""
    if max(labels.V, labels.m) > LARGEST:
        raise ValueError(f"labels: {name} has {labels.V} tokens and {labels.m} contexts, "
                         f"want at most {LARGEST}")
    solution = solve_ntp_svm(labels.S, tol=1e-8)
    path = regularization_path(labels, lambdas, tol=1e-10)
    return {"name": name, "tokens": list(labels.vocab), "contexts": [labels.context(j) for j in range(labels.m)],
            "P": labels.P.toarray().tolist(), "pi": labels.pi.tolist(),
            "lambdas": [float(lam) for lam in lambdas], "logits": [_rounded(point.L) for point in path],
            "solution": _rounded(solution.L), "norm": solution.primal}


class PathPlayerWidget(anywidget.AnyWidget):
    """Plays the minimisers of CE(L) + lam ||L||_* as lam falls: logits, finite part, direction, and their limits.

    The paths are computed and certified in Python when the widget is made, and travel with the page; parts,
    angles and probabilities are computed in the page.

    Source: chapter 5, "The regularisation path" and "The path identity".

    Args:
        labels: one problem, or several by name; by default one context with three words.
        lambdas: the ridges, above 0; by default 46 from 0.1 to 1e-10.
        **kwargs: `world` and `stop`, where to begin.

    Attributes:
        worlds: the problems with their paths, as plain values.
        world: which problem is shown.
        stop: which of its ridges is shown; the largest is 0.

    Raises:
        ValueError: no problem, one with more than 24 tokens or contexts, or a ridge that is not above 0.

    >>> widget = PathPlayerWidget(SoftLabels.from_counts([[1, 0], [0, 1]]), lambdas=[1e-1, 1e-3])
    >>> widget
    PathPlayerWidget(1 problem, 2 stops)
    >>> round(widget.numbers(stop=1)["leaves"], 12), round(widget.numbers(stop=1)["budget"], 12)
    (0.001, 0.001)
    """

    _esm = _module()
    _css = _style()

    worlds = traitlets.List(traitlets.Dict()).tag(sync=True)
    world = traitlets.Int(0).tag(sync=True)
    stop = traitlets.Int(0).tag(sync=True)

    def __init__(self, labels: SoftLabels | Mapping[str, SoftLabels] | None = None, *,
                 lambdas: Sequence[float] | None = None, **kwargs: object) -> None:
        problems = SMALLEST if labels is None else labels
        if isinstance(problems, SoftLabels):
            problems = {"Path": problems}
        if not problems:
            raise ValueError("labels: got no problem, want SoftLabels or a mapping of names to SoftLabels")
        ridges = LAMBDAS if lambdas is None else -np.sort(-np.asarray(lambdas, dtype=np.float64))
        super().__init__(worlds=[_world(name, problem, ridges) for name, problem in problems.items()], **kwargs)

    def numbers(self, world: int | None = None, stop: int | None = None) -> dict[str, float]:
        """The numbers that the page shows for one stop, computed by Python.

        Args:
            world: which problem; by default the one shown.
            stop: which ridge; by default the one shown.

        Returns:
            `leaves`, the probability of tokens outside the supports, and its `budget`; `off`, the distance of
            the finite part from L^in, and its `share` of the norm; the cosines `whole` (logits with L^mm),
            `toSolution` and `toProxy` (the rest with L^mm and with the proxy).
        """
        here = self.worlds[self.world if world is None else world]
        k = self.stop if stop is None else stop
        P, L, solution = (np.array(A) for A in (here["P"], here["logits"][k], here["solution"]))
        labels = SoftLabels.from_counts(P * np.array(here["pi"]))
        finite = project_F(L, labels.S).toarray()
        rest, lam = L - finite, here["lambdas"][k]

        def cosine(A: np.ndarray, B: np.ndarray) -> float:
            lengths = np.linalg.norm(A) * np.linalg.norm(B)
            return float(np.sum(A * B) / lengths) if lengths > 0 else float("nan")

        return {"lambda": lam, "budget": lam * here["norm"],
                "leaves": float(labels.pi @ np.where(P > 0, 0, softmax(L)).sum(axis=0)),
                "off": float(np.linalg.norm(finite - in_support_logits(labels).toarray())),
                "share": float(np.linalg.norm(finite) / np.linalg.norm(L)) if L.any() else float("nan"),
                "whole": cosine(L, solution), "toSolution": cosine(rest, solution),
                "toProxy": cosine(rest, centered_support(labels.S))}

    def fallback(self) -> str:
        """Says in words what the widget shows: for a reader who cannot see it, or has no JavaScript.

        Returns:
            Lines of plain text, two for each problem, numbers rounded.

        >>> print(PathPlayerWidget(lambdas=[1e-1, 1e-10]).fallback())
        One context: from lambda 1e-01 to 1e-10 the distance of the finite part from L^in goes from 0.056 to 6.6e-11,
        one less the cosine of the logits with L^mm from 0.11 to 0.0009.
        """
        lines = []
        for k, world in enumerate(self.worlds):
            first, last = self.numbers(k, 0), self.numbers(k, len(world["lambdas"]) - 1)
            lines.append(f"{world['name']}: from lambda {first['lambda']:.0e} to {last['lambda']:.0e} the distance "
                         f"of the finite part from L^in goes from {first['off']:.2g} to {last['off']:.2g},")
            lines.append(f"one less the cosine of the logits with L^mm from {1 - first['whole']:.2g} "
                         f"to {1 - last['whole']:.2g}.")
        return "\n".join(lines)

    def __repr__(self) -> str:
        count = len(self.worlds)
        return (f"PathPlayerWidget({count} problem{'s' if count > 1 else ''}, "
                f"{len(self.worlds[0]['lambdas']) if self.worlds else 0} stops)")

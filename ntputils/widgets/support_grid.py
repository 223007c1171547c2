"""The widget of chapter 4: a grid of supports, and the largest-margin logits it leads to."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from .._hints import MatrixLike
from ..svm import NTPSVMSolution, solve_ntp_svm
from ..theory import centered_support

HERE = Path(__file__).parent
LARGEST = 12  # tokens, and contexts, that the grid has at most


def _preset(name: str, shows: str, tokens: Sequence[str], supports: dict[str, Sequence[str]]) -> dict[str, Any]:
    """A preset from the support of each context."""
    S = [[int(token in support) for support in supports.values()] for token in tokens]
    return {"name": name, "shows": shows, "tokens": list(tokens), "contexts": list(supports), "S": S}


def _by_members(supports: Sequence[Sequence[str]]) -> dict[str, Sequence[str]]:
    """Supports named by the tokens in them."""
    return {f"{{{''.join(support)}}}": support for support in supports}


# Grids to start from. Each shows one thing.
PRESETS: dict[str, dict[str, Any]] = {
    "tree": _preset(
        "Tree", "supports that nest or are apart: the proxy is exact",
        ["hen", "fox", "oak", "elm", "tin", "salt"],
        {"alive": ["hen", "fox", "oak", "elm"], "walks": ["hen", "fox"], "clucks": ["hen"],
         "leafy": ["oak", "elm"], "solid": ["tin", "salt"], "metal": ["tin"]}),
    "pairs": _preset("All pairs of 4", "every subset of two tokens: a simplex, and the proxy is exact",
                     "abcd", _by_members(list(itertools.combinations("abcd", 2)))),
    "failure": _preset("Where the proxy fails", "one of the smallest grids whose proxy is not optimal",
                       "abcd", _by_members(["a", "ab", "ac"])),
    "pentagon": _preset("Pentagon", "a whole segment of solutions, along the slider", "12345",
                        _by_members(["12", "23", "34", "45", "51"])),
    "windows": _preset("Cyclic windows", "three neighbours on a circle of eight: the proxy is 5 % longer",
                       "12345678", _by_members(["123", "234", "345", "456", "567", "678", "781", "812"])),
    "fano": _preset("Fano plane", "seven lines of three points: balanced, and the proxy is exact", "1234567",
                    _by_members(["124", "235", "346", "457", "561", "672", "713"])),
}


def _module() -> str:
    """Puts the widget's ES module together: a module loaded as a blob cannot import its neighbours."""
    parts = [(HERE / name).read_text(encoding="utf-8") for name in ("svm_core.js", "heatmap.js")]
    presets = f"const PRESETS = {json.dumps(PRESETS, ensure_ascii=False)};\n"
    return "\n".join([*parts, presets, (HERE / "support_grid.js").read_text(encoding="utf-8")])


def _style() -> str:
    """The house style of the widgets under this widget's name, and what is its own."""
    names = ("soft_labels.css", "support_grid.css")
    house, own = ((HERE / name).read_text(encoding="utf-8") for name in names)
    return house.replace(".ntp-soft-labels", ".ntp-support-grid") + own


class SupportGridWidget(anywidget.AnyWidget):
    """Solves NTP-SVM in the page for a grid of supports, and shows L^mm, the proxy, Grams and vectors.

    The page computes everything; in a live notebook the grid and the names are shared with Python, so that
    `solution()` solves the same problem.

    Source: chapter 4, "NTP-SVM"; Zhao et al. (2024).

    Args:
        S: supports to begin with, dense or sparse, boolean or 0/1, (V, m), V and m at most 12; by default a tree.
        tokens: V names.
        contexts: m names.
        **kwargs: what any widget takes.

    Attributes:
        S: supports, V lists of m numbers, 0 and 1.
        tokens: names of the tokens; those that are missing are numbered.
        contexts: names of the contexts; those that are missing are numbered.

    Raises:
        ValueError: another shape, or entries other than 0 and 1.
        traitlets.TraitError: a value of another type.

    >>> widget = SupportGridWidget(S=[[1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]])
    >>> round(widget.solution().primal, 5)
    2.63299
    >>> SupportGridWidget.preset("pentagon")
    SupportGridWidget(5 tokens, 5 contexts, 10 cells in support)
    """

    _esm = _module()
    _css = _style()

    S = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    contexts = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, S: MatrixLike | None = None, *, tokens: Sequence[str] | None = None,
                 contexts: Sequence[str] | None = None, **kwargs: object) -> None:
        start = {key: PRESETS["tree"][key] for key in ("S", "tokens", "contexts")}
        if S is not None:
            S = S.toarray() if hasattr(S, "toarray") else np.asarray(S)
            if S.ndim == 2 and S.dtype.kind in "bf" and np.isin(S, (0, 1)).all():
                S = S.astype(int)
            start = {"S": S.tolist(), "tokens": [], "contexts": []}
        names = {"tokens": tokens, "contexts": contexts}
        given = {key: list(value) for key, value in names.items() if value is not None}
        super().__init__(**(start | given), **kwargs)

    @classmethod
    def preset(cls, name: str) -> SupportGridWidget:
        """The widget with a grid of `PRESETS`: tree, pairs, failure, pentagon, windows or fano.

        Args:
            name: of the grid.

        Returns:
            The widget.

        Raises:
            ValueError: no preset has that name.

        >>> SupportGridWidget.preset("fano").contexts[0]
        '{124}'
        """
        if name not in PRESETS:
            raise ValueError(f"name: got {name!r}, want one of {', '.join(PRESETS)}")
        preset = PRESETS[name]
        return cls(preset["S"], tokens=preset["tokens"], contexts=preset["contexts"])

    @traitlets.validate("S")
    def _check_s(self, proposal: traitlets.Bunch) -> list[list[int]]:
        S = proposal.value
        widths = {len(row) for row in S}
        if not (1 <= len(S) <= LARGEST and len(widths) == 1 and 1 <= min(widths) <= LARGEST):
            raise ValueError(f"S: want 1 to {LARGEST} rows of equal length, 1 to {LARGEST}")
        if not all(entry in (0, 1) for row in S for entry in row):
            raise ValueError("S: want entries 0 and 1 only")
        return S

    def names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names of the tokens and of the contexts, those that are missing filled in as the page does.

        Returns:
            V names and m names.

        >>> SupportGridWidget([[1, 0], [0, 1]], tokens=["sat"]).names()
        (('sat', 't2'), ('c1', 'c2'))
        """
        def fill(names: list[str], count: int, kind: str) -> tuple[str, ...]:
            return tuple(names[k] if k < len(names) and names[k] else f"{kind}{k + 1}" for k in range(count))

        return fill(self.tokens, len(self.S), "t"), fill(self.contexts, len(self.S[0]), "c")

    def solution(self) -> NTPSVMSolution:
        """NTP-SVM of the grid, solved by Python.

        Returns:
            `solve_ntp_svm` of the supports that the widget has now.

        Raises:
            ValueError: a context has no next token.

        >>> SupportGridWidget.preset("pairs").solution().L.round(3).tolist()[0]
        [0.5, 0.5, 0.5, -0.5, -0.5, -0.5]
        """
        return solve_ntp_svm(self.S)

    def fallback(self) -> str:
        """Says in words what the widget shows: for a reader who cannot see it, or has no JavaScript.

        Returns:
            Four lines of plain text, numbers rounded.

        >>> print(SupportGridWidget.preset("failure").fallback())
        A grid of 4 tokens (rows) by 3 contexts (columns).
        After «{a}»: a. After «{ab}»: a, b. After «{ac}»: a, c.
        The largest-margin logits have nuclear norm 2.633; that of the centred support is 2.658, 0.96 % more.
        Singular values of the logits: 1.394, 1.000, 0.239; of the centred support: 1.262, 1.000, 0.396.
        """
        tokens, contexts = self.names()
        S = np.array(self.S)
        lines = [f"A grid of {len(tokens)} tokens (rows) by {len(contexts)} contexts (columns)."]
        if not S.any(axis=0).all():
            empty = ", ".join(f"«{contexts[j]}»" for j in np.flatnonzero(~S.any(axis=0)))
            return f"{lines[0]}\nNo next token yet after {empty}: a context needs at least one."
        members = [", ".join(tokens[i] for i in np.flatnonzero(column)) for column in S.T]
        pairs = zip(contexts, members, strict=True)
        lines.append(" ".join(f"After «{name}»: {member}." for name, member in pairs))
        solution, proxy = self.solution(), centered_support(S)
        norm = float(np.linalg.svd(proxy, compute_uv=False).sum())
        excess = norm / solution.primal - 1 if solution.primal else 0.0
        verdict = f"{100 * excess:.2f} % more" if excess > 1e-5 else "so that it is optimal too"
        lines.append(f"The largest-margin logits have nuclear norm {solution.primal:.3f}; "
                     f"that of the centred support is {norm:.3f}, {verdict}.")
        values = [", ".join(f"{abs(value):.3f}" for value in np.linalg.svd(A, compute_uv=False))
                  for A in (solution.L, proxy)]
        lines.append(f"Singular values of the logits: {values[0]}; of the centred support: {values[1]}.")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (f"SupportGridWidget({len(self.S)} tokens, {len(self.S[0])} contexts, "
                f"{sum(map(sum, self.S))} cells in support)")

"""The figures of a report."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .plots import CYCLE, show_matrix, style
from .similarity import cosine_matrix

if TYPE_CHECKING:
    from .report import Report

_SHOWN = 16           # words, or contexts, in a matrix of cosines


def shown(token: str, most: int = 24) -> str:
    """A token as it can be printed: spaces visible, control characters not, long ones cut."""
    text = "".join(c if c.isprintable() else "\ufffd" for c in token.replace("\n", "\u21b5")) if token.strip() else "\u2423"
    return text if len(text) <= most else text[:most - 1] + "\u2026"


def draw(report: Report) -> dict[str, Figure]:
    """All figures by name; those of the geometry only where there is one."""
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")      # the page's fonts know more letters than matplotlib's
        style()
        figures = {"supports": _supports(report)}
        if report.prediction.sizes.size:
            figures |= {"spectrum": _spectrum(report), "map": _map(report)}
        for name, chart in (("words", _words), ("contexts", _contexts)):
            if (figure := chart(report)) is not None:
                figures[name] = figure
    return figures


def _figure(width: float = 6.4, height: float = 3.6) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _supports(report: Report) -> Figure:
    """How many contexts have supports of at least each size."""
    figure, ax = _figure()
    sizes, counts = np.unique(report.labels.support_sizes, return_counts=True)
    ax.plot(sizes, counts[::-1].cumsum()[::-1], marker="o", markersize=3, drawstyle="steps-post")
    ax.set(xscale="log", yscale="log", xlabel="next words, at least", ylabel="contexts")
    return figure


def _spectrum(report: Report) -> Figure:
    figure, ax = _figure()
    proxy, exact = report.proxy, report.exact
    ax.plot(np.arange(1, len(proxy.sizes) + 1), proxy.sizes, marker="o", markersize=3, label="proxy, all contexts")
    if len(report.subset) < report.labels.m and exact.sizes.size:
        ax.plot(np.arange(1, len(exact.sizes) + 1), exact.sizes, marker="s", markersize=3, label="NTP-SVM, the named subset")
        ax.legend()
    elif exact.sizes.size:
        ax.plot(np.arange(1, len(exact.sizes) + 1), exact.sizes, ls=":", label="NTP-SVM")
        ax.legend()
    ax.set(xlabel="direction", ylabel="singular value", yscale="log" if np.ptp(np.log10(proxy.sizes)) > 0.5 else "linear")
    if ax.get_yscale() == "linear":
        ax.set_ylim(bottom=0)
    return figure


def _map(report: Report) -> Figure:
    """The two leading directions: frequent words and contexts, labelled where there is room."""
    figure, ax = _figure(6.4, 6.0)
    prediction, labels = report.prediction, report.labels
    words = report.top_words[:60]
    contexts = np.argsort(-labels.pi, kind="stable")[:40]
    W, H = prediction.W[words, :2], prediction.H_distinct[:2, prediction.inverse[contexts]].T
    if W.shape[1] == 1:
        W, H = (np.column_stack([X, np.zeros(len(X))]) for X in (W, H))
    W, H = (X / max(np.abs(X).max(initial=0), 1e-300) for X in (W, H))
    ax.scatter(W[:, 0], W[:, 1], s=14, color=CYCLE[0], label="words")
    ax.scatter(H[:, 0], H[:, 1], s=20, color=CYCLE[1], marker="x", label="contexts")
    taken: list[tuple[float, float, float]] = []
    for points, names, colour in ((W, [labels.vocab[z] for z in words], CYCLE[0]),
                                  (H, [labels.context(j) for j in contexts], CYCLE[1])):
        for (x, y), name in zip(points, names):
            text = shown(name, 16)
            wide = 0.045 * len(text) + 0.03
            if any(abs(y - b) < 0.09 and x < a + w and a < x + wide for a, b, w in taken):
                continue
            taken.append((x, y, wide))
            ax.annotate(text, (x, y), xytext=(4, 3), textcoords="offset points", fontsize=10, color=colour, parse_math=False)
    ax.axhline(0, color="0.7", lw=0.8, zorder=0)
    ax.axvline(0, color="0.7", lw=0.8, zorder=0)
    ax.set(xlabel="first direction", ylabel="second direction", xticks=[], yticks=[], xlim=(-1.1, 1.35), ylim=(-1.12, 1.12))
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.1), ncols=2)
    return figure


def _cosines(X: np.ndarray, names: list[str]) -> Figure | None:
    keep = np.flatnonzero(np.linalg.norm(X, axis=0) > 0)[:_SHOWN]
    if len(keep) < 3:
        return None
    figure, ax = _figure(6.4, 5.6)
    names = [shown(names[i], 18) for i in keep]
    show_matrix(ax, cosine_matrix(X[:, keep]), rows=names, columns=names, signed=True, limit=1.0)
    for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        label.set_parse_math(False)
    return figure


def _words(report: Report) -> Figure | None:
    words = report.top_words[:3 * _SHOWN]
    return _cosines(report.prediction.W[words].T, [report.labels.vocab[z] for z in words])


def _contexts(report: Report) -> Figure | None:
    first = report._first[:3 * _SHOWN]
    return _cosines(report.prediction.H_distinct[:, :len(first)], [report.labels.context(j) for j in first])

"""One look for the whole book. Each function takes an `Axes` and returns it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes

from ._hints import ArrayLike, MatrixLike
from .theory import _dense

CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#555555")  # Okabe and Ito
SEQUENTIAL = "Blues"  # white at zero: sparse matrices look sparse
DIVERGING = "PuOr_r"  # orange above zero, purple below, white at zero: safe for the common kinds of colour blindness


def style() -> None:
    """Sets the book's figure style: SVG, no top and right spines, a colour-blind-safe cycle, type legible at 360 px.

    Source: chapter 1; made for this book.

    >>> import matplotlib as mpl
    >>> style()
    >>> mpl.rcParams["axes.spines.top"]
    False
    """
    mpl.rcParams.update({
        "figure.figsize": (6.4, 3.6), "figure.constrained_layout.use": True, "figure.dpi": 100,
        "figure.facecolor": "none", "savefig.facecolor": "none", "savefig.bbox": "tight",
        "font.size": 12, "axes.titlesize": 12, "axes.labelsize": 12, "legend.fontsize": 10.5,
        "xtick.labelsize": 10.5, "ytick.labelsize": 10.5, "axes.titlelocation": "left",
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25,
        "axes.axisbelow": True, "legend.frameon": False, "lines.linewidth": 2, "lines.markersize": 5,
        "axes.prop_cycle": cycler(color=CYCLE), "image.cmap": SEQUENTIAL, "svg.hashsalt": "ntputils",
    })
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:  # outside a notebook there is no inline backend to set
        return
    set_matplotlib_formats("svg", metadata={"Date": None})  # type: ignore[no-untyped-call]  # it has no hints


def show_matrix(ax: Axes, A: MatrixLike, *, rows: Sequence[str] = (), columns: Sequence[str] = (), signed: bool | None = None,
                limit: float | None = None, title: str = "", numbers: bool = False) -> Axes:
    """Draws a matrix as a heat map, words by contexts.

    Source: chapter 1; made for this book.

    Args:
        ax: where to draw.
        A: the matrix, dense or sparse, (V, m).
        rows: V row labels, or none.
        columns: m column labels, or none.
        signed: a diverging map centred at zero; by default where A has a negative entry.
        limit: the largest absolute value that the colours tell apart; by default that of A.
        title: a short title.
        numbers: write the entries into the cells.

    Returns:
        The same axes.

    >>> import matplotlib.pyplot as plt
    >>> fig, ax = plt.subplots()
    >>> show_matrix(ax, np.eye(2), rows=["a", "b"]) is ax
    True
    >>> plt.close(fig)
    """
    A = _dense(A)
    signed = bool(A.min() < 0) if signed is None else signed
    limit = float(np.abs(A).max()) or 1.0 if limit is None else limit
    image = ax.imshow(A, cmap=DIVERGING if signed else SEQUENTIAL, vmin=-limit if signed else 0, vmax=limit,
                      aspect="auto", interpolation="nearest")
    ax.grid(False)
    ax.set_title(title)
    for axis, labels in ((ax.yaxis, rows), (ax.xaxis, columns)):
        axis.set_ticks(range(len(labels)), labels)
    ax.tick_params(axis="x", rotation=60 if len(columns) else 0, length=0)
    plt.setp(ax.get_xticklabels(), ha="right" if len(columns) else "center", rotation_mode="anchor")
    ax.tick_params(axis="y", length=0)
    ax.spines[:].set_visible(False)
    if numbers:
        for (i, j), value in np.ndenumerate(A):
            red, green, blue, _ = image.cmap(image.norm(value))
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
            ax.text(j, i, f"{value:.2g}", ha="center", va="center", fontsize=9.5, color="white" if dark else "black")
    else:
        ax.figure.colorbar(image, ax=ax, fraction=0.04, pad=0.02).outline.set_visible(False)
    return ax


def show_growth(ax: Axes, x: ArrayLike, curves: Mapping[str, ArrayLike], *, xlabel: str, ylabel: str = "",
                log: str = "") -> Axes:
    """Draws named curves over one axis, told apart by colour and by marker.

    Source: chapter 1; made for this book.

    Args:
        ax: where to draw.
        x: positions, shape (n,).
        curves: name to values, each (n,).
        xlabel: what x is.
        ylabel: what the curves are, with the unit.
        log: axes to make logarithmic: "", "x", "y" or "xy".

    Returns:
        The same axes.

    >>> import matplotlib.pyplot as plt
    >>> fig, ax = plt.subplots()
    >>> show_growth(ax, [1, 2], {"a": [1, 2]}, xlabel="T") is ax
    True
    >>> plt.close(fig)
    """
    marks = "osD^vP"
    for i, (name, values) in enumerate(curves.items()):
        ax.plot(x, values, marker=marks[i % len(marks)], label=name)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    if "x" in log:
        ax.set_xscale("log")
    if "y" in log:
        ax.set_yscale("log")
    if len(curves) > 1:
        ax.legend()
    return ax

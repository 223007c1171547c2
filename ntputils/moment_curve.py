"""Words on the trigonometric moment curve: any supports of at most k tokens, separated in d = 2k dimensions.

Put the word of angle t at w(t) = (cos t, sin t, cos 2t, sin 2t, ..., cos kt, sin kt). Inner products with w(t) are the
trigonometric polynomials of degree k without constant term, and

    p_S(t) = product over z in S of (1 - cos(t - t_z))

is one, up to its constant, if S has at most k words. It is zero at the words of S and positive at all others. So the
context vector h with <h, w(t)> = level - p_S(t) has the words of S on its highest hyperplane, and no other: the points
are the vertices of a cyclic polytope, and every k of them a face.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, pi

import numpy as np

from ._hints import ArrayLike, MatrixLike
from .families import all_subsets
from .theory import _supports

_ROUNDING = 1e-14  # relative rounding of an inner product of some dozens of terms


@dataclass(frozen=True)
class MomentCurveEmbedding:
    """Words on the moment curve, and a context vector for each support, scaled to margin one.

    Source: chapter 10, "Twice the largest support is enough"; Ziegler (1995).

    Attributes:
        angles: the angle of each word, radians, (V,).
        W: word vectors, (V, 2k).
        H: context vectors, (2k, m); <h_j, w_z> is equal for all z in the support and smaller by at least 1 for all
            others, with equality for one of them. The vector of a full support is zero.
        margins: the margin of each support before the scaling, the smallest value of p_S over the other words, (m,);
            infinite for a full support.

    >>> found = embed_on_moment_curve(np.eye(4))                     # four words at the corners of a square
    >>> found.W.shape, found.H.shape, found.margins.round(9).tolist()
    ((4, 2), (2, 4), [1.0, 1.0, 1.0, 1.0])
    >>> found.L.shape, round(found.norm, 9)
    ((4, 4), 4.0)
    """

    angles: np.ndarray
    W: np.ndarray
    H: np.ndarray
    margins: np.ndarray

    @property
    def L(self) -> np.ndarray:  # noqa: N802 - the paper's symbol
        """The logits W H, nats, (V, m)."""
        return self.W @ self.H

    @property
    def norm(self) -> float:
        """The nuclear norm of the logits, nats, from the two factors."""
        _, R = np.linalg.qr(self.W)
        return float(np.linalg.svd(R @ self.H, compute_uv=False).sum())


def moment_curve(angles: ArrayLike, k: int) -> np.ndarray:
    """The points (cos t, sin t, ..., cos kt, sin kt).

    Source: chapter 10, "Twice the largest support is enough"; Ziegler (1995).

    Args:
        angles: angles t, radians, (n,).
        k: how many frequencies, at least one.

    Returns:
        The points, (n, 2k), each of length sqrt(k). Any 2k + 1 of them with distinct angles are affinely independent.

    Raises:
        ValueError: k below one, or angles that are not a list of finite numbers.

    >>> moment_curve([0.0, np.pi / 2], 2).round(12).tolist()
    [[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, -1.0, 0.0]]
    """
    angles = _angles(angles)
    if k < 1:
        raise ValueError(f"k: got {k}, want at least one frequency")
    turns = angles[:, None] * np.arange(1, k + 1)
    return np.stack([np.cos(turns), np.sin(turns)], axis=2).reshape(len(angles), 2 * k)


def separating_context(support: ArrayLike, k: int) -> tuple[np.ndarray, float]:
    """The context vector whose highest words on the moment curve are those of a support.

    <h, w(t)> = level - p(t) with p(t) the product of 1 - cos(t - t_z) over the support.

    Source: chapter 10, "Twice the largest support is enough".

    Args:
        support: the angles of the words in the support, radians, (size,), between 1 and k of them.
        k: the number of frequencies of the curve.

    Returns:
        h, (2k,), and the level, which all words of the support reach.

    Raises:
        ValueError: no word in the support, or more than k.

    >>> h, level = separating_context([0.0], 1)      # one word: h points at it
    >>> h.tolist(), level
    ([1.0, 0.0], 1.0)
    """
    support = _angles(support)
    if not 1 <= len(support) <= k:
        raise ValueError(f"support: got {len(support)} words, want 1 to k = {k} on a curve of {k} frequencies")
    c = np.ones(1, complex)                          # coefficients of exp(int), n from -size to size
    for t in support:
        c = np.convolve(c, [-0.5 * np.exp(1j * t), 1.0, -0.5 * np.exp(-1j * t)])
    middle = len(support)
    h = np.zeros((k, 2))
    h[:middle, 0], h[:middle, 1] = -2 * c[middle + 1:].real, 2 * c[middle + 1:].imag
    return h.ravel(), float(c[middle].real)


def embed_on_moment_curve(S: MatrixLike, *, angles: ArrayLike | None = None) -> MomentCurveEmbedding:
    """Words and contexts in d = 2k dimensions that meet every constraint of NTP-SVM, k the largest proper support.

    Source: chapter 10, "Twice the largest support is enough".

    Args:
        S: supports, dense or sparse, boolean or 0/1, (V, m). Full columns are allowed.
        angles: the angle of each word, all distinct, radians, (V,); 2 pi z / V by default. The norm depends on the
            order of the words, not the separation.

    Returns:
        The vectors, scaled to margin one, and the margins before.

    Raises:
        ValueError: a bad support matrix, angles of another number than V or not distinct, or margins so small that
            float64 does not tell them from zero (large k, words close together).

    >>> found = embed_on_moment_curve(np.eye(10))                # one-hot contexts on a circle
    >>> found.W.shape, round(found.norm, 3)                      # 10 / (1 - cos 36 degrees)
    ((10, 2), 52.361)
    """
    S = _supports(S)
    V, m = S.shape
    angles = 2 * pi * np.arange(V) / V if angles is None else _angles(angles)
    if len(angles) != V:
        raise ValueError(f"angles: got {len(angles)}, want one for each of the V = {V} tokens")
    if V > 1 and np.abs(np.exp(1j * np.sort(angles % (2 * pi)))
                        - np.roll(np.exp(1j * np.sort(angles % (2 * pi))), 1)).min() < 1e-9:
        raise ValueError("angles: two words have the same angle, want distinct ones")
    sizes = np.diff(S.indptr)
    k = int(max(sizes[sizes < V], default=1))
    W, H, margins = moment_curve(angles, k), np.zeros((2 * k, m)), np.full(m, np.inf)
    for j in np.flatnonzero(sizes < V):
        members = S.indices[S.indptr[j]:S.indptr[j + 1]]
        others = np.setdiff1d(np.arange(V), members)
        h, level = separating_context(angles[members], k)
        margins[j] = np.prod(1 - np.cos(angles[others, None] - angles[members]), axis=1).min()
        if margins[j] < 1e3 * _ROUNDING * (np.linalg.norm(h) * k**0.5 + abs(level)):
            raise ValueError(f"S: the margin of column {j} on the curve is {margins[j]:.1e}, which float64 does not "
                             f"tell from zero; want smaller supports (here k = {k}) or words farther apart")
        H[:, j] = h / margins[j]
    return MomentCurveEmbedding(angles, W, H, margins)


def smallest_margin(V: int, k: int) -> float:
    """The smallest margin over all k-subsets of V words at equal angles: that of k words around a gap of one.

    2^k times the product of sin^2(pi ceil(i/2) / V) over i = 1, ..., k: the word in the gap has its nearest neighbours
    at distances 1, 1, 2, 2, ... , and all of them are in the support.

    Source: chapter 10, "The price of the moment curve".

    Args:
        V: the number of words.
        k: the size of the supports, from 1 to V - 1.

    Returns:
        The margin, before any scaling; of order V^(-2k).

    Raises:
        ValueError: k outside 1 .. V - 1.

    >>> round(smallest_margin(10, 1), 6)                         # 1 - cos 36 degrees
    0.190983
    """
    if not 1 <= k < V:
        raise ValueError(f"k: got {k}, want a size from 1 to V - 1 = {V - 1}")
    return float(2.0**k * np.prod(np.sin(pi * ((np.arange(k) + 2) // 2) / V) ** 2))


def moment_curve_price(V: int, k: int) -> float:
    """How many times the least nuclear norm the moment curve costs, for all k-subsets of V words at equal angles.

    The least norm is that of the proxy, (V - 1) sqrt(C(V-2, k-1)) (Proposition 1 of the paper).

    Source: chapter 10, "The price of the moment curve".

    Args:
        V: the number of words.
        k: the size of the subsets, 2k below V.

    Returns:
        The ratio of the two norms, at least 1; it grows as V^((3k + 1) / 2).

    Raises:
        ValueError: 2k not below V (V - 1 dimensions are then as few), or more than a million subsets.

    >>> round(moment_curve_price(10, 1), 3)                      # 52.361 / 9
    5.818
    """
    if not 2 <= 2 * k < V:
        raise ValueError(f"k: got {k}, want at least 1 and 2k below V = {V}")
    return embed_on_moment_curve(all_subsets(V, k)).norm / ((V - 1) * comb(V - 2, k - 1) ** 0.5)


def _angles(angles: ArrayLike) -> np.ndarray:
    angles = np.asarray(angles, dtype=float)
    if angles.ndim != 1 or not angles.size or not np.all(np.isfinite(angles)):
        raise ValueError(f"angles: got shape {angles.shape}, want a list of finite numbers, radians")
    return angles

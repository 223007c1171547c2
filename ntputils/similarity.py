"""Comparing two geometries of the same items: cosine matrices, their correlation, and what chance would give.

Items are columns, as in `metrics`: contexts H (d, m), or words W' (d, V). Two sets of vectors may differ in dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ._hints import ArrayLike

_METHODS = ("pearson", "spearman")
_ROUNDING = 1e-12    # deviations from a mean below this share of the entries are rounding: the matrix is constant


def _vectors(name: str, X: ArrayLike) -> np.ndarray:
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2 or X.shape[1] < 3 or not np.all(np.isfinite(X)):
        raise ValueError(f"{name}: got shape {X.shape}, want finite vectors of at least 3 items, one a column")
    return X


def _square(name: str, A: ArrayLike) -> np.ndarray:
    A = _vectors(name, A)
    if A.shape[0] != A.shape[1]:
        raise ValueError(f"{name}: got shape {A.shape}, want a square matrix, items by items")
    return A


def _same(names: str, A: np.ndarray, B: np.ndarray) -> None:
    if A.shape[1] != B.shape[1]:
        raise ValueError(f"{names}: got {A.shape[1]} and {B.shape[1]} items, want the same items in the same order")


def cosine_matrix(X: ArrayLike) -> np.ndarray:
    """The cosines of all pairs of items; an item with the zero vector has cosine zero with all.

    Source: chapter 11.

    Args:
        X: one vector a column, (d, n).

    Returns:
        Cosines, (n, n).

    Raises:
        ValueError: fewer than three items, or entries that are not finite.

    >>> cosine_matrix([[2.0, 0.0, 1.0], [0.0, 3.0, 1.0]]).round(3).tolist()[2]
    [0.707, 0.707, 1.0]
    """
    X = _vectors("X", X)
    norms = np.linalg.norm(X, axis=0)
    unit = np.divide(X, norms, out=np.zeros_like(X), where=norms > 0)
    return unit.T @ unit


def structural_correlation(A: ArrayLike, B: ArrayLike, *, C: float = 1e-5) -> float:  # noqa: N803
    """The similarity of two matrices that the authors report: the third factor of SSIM on all entries.

    s = (cov + C) / (std_A std_B + C), with the population covariance over sample deviations. The diagonals count too: the
    cosines of independent Gaussian vectors of dimension d, n of them, score d / (d + n) on average, not zero
    (`structural_null`).

    Source: chapter 15, "Structural correlation"; Zhao et al. (2024); Wang et al. (2004) for SSIM.

    Args:
        A, B: matrices of the same shape, (n, n); cosines as a rule.
        C: the constant that keeps the quotient finite.

    Returns:
        s, at most 1.

    Raises:
        ValueError: matrices of different shapes.

    >>> A = cosine_matrix(np.eye(4))
    >>> round(structural_correlation(A, A), 4)      # 15/16: sample deviations have n - 1 below
    0.9375
    """
    A, B = (np.asarray(X, dtype=np.float64).ravel() for X in (A, B))
    if A.shape != B.shape or A.size < 2:
        raise ValueError(f"A, B: got {A.size} and {B.size} entries, want two matrices of the same shape")
    covariance = np.mean((A - A.mean()) * (B - B.mean()))
    return float((covariance + C) / (A.std(ddof=1) * B.std(ddof=1) + C))


def structural_null(n: int, d: int) -> float:
    """What `structural_correlation` gives, to leading order, for cosines of vectors that have nothing to do with each other.

    The diagonals agree and the rest does not: variance (1/n)(1 - 1/n) is shared of (1/n + 1/d)(1 - 1/n), since the cosine
    of two independent directions in d dimensions has variance 1/d. The quotient is d / (d + n).

    Source: chapter 15, "Three null values".

    Args:
        n: how many items.
        d: the dimension of both sets of vectors.

    Returns:
        d / (d + n), from 0 to 1.

    >>> round(structural_null(16, 32), 3)
    0.667
    """
    return d / (d + n)


def off_diagonal_correlation(A: ArrayLike, B: ArrayLike, *, method: str = "pearson") -> float:
    """The correlation of two matrices over the pairs of different items.

    Source: chapter 15, "Three null values"; Spearman (1904) for ranks.

    Args:
        A, B: symmetric matrices, items by items, (n, n).
        method: "pearson", or "spearman" for ranks.

    Returns:
        From -1 to 1; nan if one of them is constant, up to rounding.

    Raises:
        ValueError: matrices that are not square or differ in size, or another method.

    >>> A = [[1, 0.1, 0.2], [0.1, 1, 0.3], [0.2, 0.3, 1]]
    >>> B = [[1, 1, 2], [1, 1, 9], [2, 9, 1]]
    >>> round(off_diagonal_correlation(A, B, method="spearman"), 12)
    1.0
    """
    a, b = _pairs(A, B, method)
    return float(a @ b)


def _pairs(A: ArrayLike, B: ArrayLike, method: str) -> tuple[np.ndarray, np.ndarray]:
    """The entries above the diagonal, as unit vectors with mean zero: their product is the correlation."""
    A, B = _square("A", A), _square("B", B)
    _same("A, B", A, B)
    if method not in _METHODS:
        raise ValueError(f"method: got {method!r}, want 'pearson' or 'spearman'")
    upper = np.triu_indices(len(A), 1)
    return _standard(A[upper], method), _standard(B[upper], method)


def _standard(x: np.ndarray, method: str) -> np.ndarray:
    """Numbers, or their ranks, less their mean, as a unit vector; nan where they are all the same."""
    if np.linalg.norm(x - x.mean()) <= _ROUNDING * np.linalg.norm(x):
        return np.full(x.shape, np.nan)
    x = stats.rankdata(x) if method == "spearman" else x
    return (x - x.mean()) / np.linalg.norm(x - x.mean())


@dataclass(frozen=True)
class Mantel:
    """What `mantel` found.

    Source: chapter 11; Mantel (1967).

    Attributes:
        r: the correlation over pairs of different items.
        p: the chance of one at least as large when the items of one matrix are shuffled.
        null: the correlations of the shuffles, (permutations,).

    >>> X, rng = np.random.default_rng(0).normal(size=(3, 20)), np.random.default_rng(1)
    >>> found = mantel(cosine_matrix(X), cosine_matrix(X), rng=rng, permutations=99)
    >>> round(found.r, 6), found.p, found.null.shape
    (1.0, 0.01, (99,))
    """

    r: float
    p: float
    null: np.ndarray


def mantel(A: ArrayLike, B: ArrayLike, *, rng: np.random.Generator, permutations: int = 999,
           method: str = "pearson") -> Mantel:
    """Mantel's test: is the correlation of two matrices larger than shuffling the items of one would give?

    Entries of such matrices are not independent, items are: so items are shuffled, rows and columns together. p counts
    the data as one of the shuffles, (1 + #{null >= r}) / (1 + permutations), which makes the test exact.

    Source: chapter 11; Mantel (1967).

    Args:
        A, B: symmetric matrices over the same items, (n, n).
        rng: of the shuffles.
        permutations: how many.
        method: "pearson" or "spearman".

    Returns:
        The correlation, its p-value (one-sided), and the null distribution.

    Raises:
        ValueError: as `off_diagonal_correlation`, or fewer than one permutation.
        TypeError: rng is not a generator.

    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(3, 20))
    >>> mantel(cosine_matrix(X), cosine_matrix(X), rng=rng).p
    0.001
    """
    _generator(rng, permutations)
    a, b = _pairs(A, B, method)
    n = len(np.asarray(A))
    full = np.zeros((n, n))
    full[np.triu_indices(n, 1)] = b
    full += full.T
    upper, null = np.triu_indices(n, 1), np.empty(permutations)
    for k in range(permutations):
        order = rng.permutation(n)
        null[k] = a @ full[order[upper[0]], order[upper[1]]]
    r = float(a @ b)
    return Mantel(r, _p(r, null), null)


def partial_mantel(A: ArrayLike, B: ArrayLike, given: Sequence[ArrayLike], *, rng: np.random.Generator,
                   permutations: int = 999, classes: ArrayLike | None = None, method: str = "pearson") -> Mantel:
    """The correlation of two matrices that a third does not explain, against shuffles.

    Over pairs of different items both matrices are regressed on those of `given`; what is left of the two is correlated
    (Smouse, Long and Sokal 1986). A shuffle reorders the items of what is left of B, regresses again, and correlates.

    Residuals of a regression are not exchangeable, so that without `classes` the p-value is approximate: it is too small where
    A and B depend on `given` by a curve and not by a line. With `classes` items trade places only within their class. This
    is exact where items of a class are exchangeable unless A has to do with B, and `given` cannot tell them apart (a matrix
    made from supports, and classes of equal supports): no line is needed then.

    Source: chapter 16, "Shuffles within supports"; Smouse et al. (1986); Guillot and Rousset (2013) on its p-values.

    Args:
        A, B: symmetric matrices over the same items, (n, n).
        given: such matrices, at least one, (matrices, n, n); a constant one explains nothing and is left out.
        rng: of the shuffles.
        permutations: how many.
        classes: labels that can be sorted, (n,); items are shuffled within them. None: all items are one class.
        method: "pearson" or "spearman" (ranks, then as before).

    Returns:
        The partial correlation (nan where `given` explains one of the two), its one-sided p-value, counted as in `mantel`, and
        the correlations of the shuffles, whose mean is not zero where classes differ.

    Raises:
        ValueError: as `mantel`, nothing given, or not one class for each item.
        TypeError: rng is not a generator.

    >>> rng = np.random.default_rng(0)
    >>> X, Y, Z = (cosine_matrix(rng.normal(size=(3, 20))) for _ in range(3))
    >>> mantel(X + Z, Y + Z, rng=rng).p, partial_mantel(X + Z, Y + Z, [Z], rng=rng).p > 0.05
    (0.001, True)
    """
    _generator(rng, permutations)
    if not len(given):
        raise ValueError("given: got no matrix, want at least one (mantel takes none)")
    (a, b), n = _pairs(A, B, method), len(np.asarray(A))
    groups = _groups(classes, n)
    columns = [x for x in (_pairs(A, C, method)[1] for C in given) if np.all(np.isfinite(x))]
    known, size, _ = np.linalg.svd(np.array(columns).reshape(-1, len(a)).T, full_matrices=False)
    known = known[:, size > 1e-10]

    def rest(x: np.ndarray) -> np.ndarray:
        left = x - known @ (known.T @ x)
        norm = np.linalg.norm(left)
        return left / norm if norm > 1e-10 * np.linalg.norm(x) else np.full_like(x, np.nan)

    a, b = rest(a), rest(b)
    full, upper, null = np.zeros((n, n)), np.triu_indices(n, 1), np.empty(permutations)
    full[upper] = b
    full += full.T
    for k in range(permutations):
        order = np.arange(n)
        for group in groups:
            order[group] = rng.permutation(group)
        null[k] = a @ rest(full[order[upper[0]], order[upper[1]]])
    r = float(a @ b)
    return Mantel(r, _p(r, null), null)


def _generator(rng: object, permutations: int) -> None:
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng: got {type(rng).__name__}, want a numpy.random.Generator (default_rng(seed))")
    if permutations < 1:
        raise ValueError(f"permutations: got {permutations}, want at least 1")


def _groups(classes: ArrayLike | None, n: int) -> list[np.ndarray]:
    """The items of each class."""
    classes = np.zeros(n) if classes is None else np.asarray(classes)
    if classes.shape != (n,):
        raise ValueError(f"classes: got shape {classes.shape}, want ({n},), a label for each item")
    return [np.flatnonzero(classes == c) for c in np.unique(classes)]


def _p(r: float, null: np.ndarray) -> float:
    return float((1 + np.sum(null >= r - 1e-12)) / (1 + len(null))) if np.isfinite(r) else float("nan")


def cka(X: ArrayLike, Y: ArrayLike) -> float:
    """Linear centred kernel alignment: the cosine of the two centred Gram matrices.

    Source: chapter 15, "Three null values"; Kornblith et al. (2019).

    Args:
        X, Y: vectors of the same items, one a column, (d, n) and (d', n).

    Returns:
        From 0 to 1; 1 if the centred vectors are equal up to a rotation and a scale (Kornblith et al. 2019). nan if all vectors
        of one side are the same, up to rounding.

    Raises:
        ValueError: different numbers of items.

    >>> X = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    >>> round(cka(X, 3 * X[::-1]), 12)
    1.0
    """
    X, Y = _vectors("X", X), _vectors("Y", Y)
    _same("X, Y", X, Y)
    sizes = np.linalg.norm(X), np.linalg.norm(Y)
    X, Y = X - X.mean(axis=1, keepdims=True), Y - Y.mean(axis=1, keepdims=True)
    if any(np.linalg.norm(Z) <= _ROUNDING * size for Z, size in zip((X, Y), sizes)):
        return float("nan")
    return float(np.linalg.norm(X @ Y.T)**2 / (np.linalg.norm(X @ X.T) * np.linalg.norm(Y @ Y.T)))


def procrustes_distance(X: ArrayLike, Y: ArrayLike) -> float:
    """How far two sets of vectors are apart after the best rotation, both scaled to Frobenius norm one.

    sqrt(2 - 2 ||XY'||_*): 0 if they are equal up to rotation and scale, sqrt(2) if nothing aligns. Vectors are not centred:
    the origin means something to a dot product.

    Source: chapter 15, "Three null values".

    Args:
        X, Y: vectors of the same items, one a column, (d, n) and (d', n); the shorter are padded with zeros.

    Returns:
        The distance, from 0 to sqrt(2); nan if all vectors of one side are zero.

    Raises:
        ValueError: different numbers of items.

    >>> X = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    >>> round(procrustes_distance(X, np.array([[0.6, -0.8], [0.8, 0.6]]) @ X), 6)
    0.0
    """
    X, Y = _vectors("X", X), _vectors("Y", Y)
    _same("X, Y", X, Y)
    if not X.any() or not Y.any():
        return float("nan")
    X, Y = X / np.linalg.norm(X), Y / np.linalg.norm(Y)
    return float(np.sqrt(max(0.0, 2 - 2 * np.linalg.svd(X @ Y.T, compute_uv=False).sum())))


def bootstrap_interval(values: ArrayLike, *, rng: np.random.Generator, level: float = 0.95, resamples: int = 9999
                       ) -> tuple[float, float]:
    """A confidence interval of the mean over seeds, by the bootstrap (percentiles).

    Source: chapter 11.

    Args:
        values: one number for each seed, at least five of them, (seeds,).
        rng: of the resampling.
        level: the chance that the interval is meant to hold the mean.
        resamples: how many.

    Returns:
        The ends of the interval.

    Raises:
        ValueError: fewer than five values, one that is not finite, or a level outside (0, 1).

    >>> low, high = bootstrap_interval([1, 2, 3, 4, 5], rng=np.random.default_rng(0))
    >>> low < 3 < high
    True
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 5 or not 0 < level < 1 or not np.all(np.isfinite(values)):
        raise ValueError(f"values, level: got shape {values.shape} and {level}, want at least five finite numbers, and a level "
                         "between 0 and 1")
    found = stats.bootstrap((values,), np.mean, confidence_level=level, n_resamples=resamples, method="percentile", rng=rng)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)

"""Measures of a trained model: collapse onto the means of classes, signs of angles, mass off the supports, rank."""

from __future__ import annotations

import numpy as np

from ._hints import ArrayLike, MatrixLike
from .theory import _logits, _supports, center, softmax
from .types import SoftLabels

__all__ = ["angle_signs", "collapse_ratio", "effective_rank", "off_support_mass", "project_leading"]


def _vectors(X: ArrayLike) -> np.ndarray:
    """Checks that vectors come as the columns of a finite matrix."""
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2 or 0 in X.shape or not np.all(np.isfinite(X)):
        raise ValueError(f"X: got shape {X.shape}, want a finite matrix (d, m), vectors as columns")
    return X


def collapse_ratio(X: ArrayLike, classes: ArrayLike) -> float:
    """Scatter within classes over scatter between them: 0 where each class is one point.

    sum_j ||x_j - mean of the class of j||^2 / sum_j ||mean of the class of j - mean of all||^2, the first
    measure of neural collapse (NC1, as a quotient of traces). Turning, shifting and scaling the vectors does
    not change it. Random vectors in random classes give about (m - C) / (C - 1) for C classes.

    Source: chapter 6, "Collapse ratio"; Papyan et al. (2020).

    Args:
        X: vectors as columns, (d, m): contexts H, or words W'. A column may be listed several times.
        classes: the class of each column, labels that can be sorted, (m,).

    Returns:
        The ratio, at least 0; inf where all classes have one mean and some class is not a point.

    Raises:
        ValueError: X is no finite matrix, there is not one label for each column, or there is one class only.

    >>> collapse_ratio([[0.0, 1.0, 4.0, 5.0]], ["a", "a", "b", "b"])
    0.0625
    """
    X, classes = _vectors(X), np.asarray(classes)
    if classes.shape != (X.shape[1],):
        raise ValueError(f"classes: got shape {classes.shape}, want ({X.shape[1]},), a label for each column")
    names, inverse, counts = np.unique(classes, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise ValueError(f"classes: got {len(names)} class, want at least two to compare")
    X = X - X[:, :1]                                  # vectors at one point become zero, and rounding has no say
    X = np.ldexp(X, -np.frexp(np.abs(X).max())[1])    # a power of two: squares neither overflow nor vanish
    means = np.zeros((X.shape[0], len(names)))
    np.add.at(means.T, inverse, X.T)
    means /= counts
    within = np.sum((X - means[:, inverse])**2)
    between = np.sum(counts * (means - X.mean(axis=1, keepdims=True))**2)
    if between <= 0:
        return float("inf") if within > 0 else 0.0
    return float(within / between)


def project_leading(X: ArrayLike, rank: int) -> np.ndarray:
    """The coordinates of vectors in their `rank` leading singular directions.

    For balanced factors these directions of R^d are the same for contexts H and for words W': HH' = W'W.

    Source: chapter 6, "The growing subspace".

    Args:
        X: vectors as columns, (d, m).
        rank: how many directions to keep, from 1 to min(d, m).

    Returns:
        Coordinates, (rank, m), largest direction first; each direction has a free sign, here the one that
        makes the largest coordinate positive.

    Raises:
        ValueError: X is no finite matrix, or there are not so many directions.

    >>> project_leading([[3.0, 0.0, 4.0], [0.0, 1.0, 0.0]], 1).round(9).tolist()
    [[3.0, 0.0, 4.0]]
    """
    X = _vectors(X)
    if not 1 <= rank <= min(X.shape):
        raise ValueError(f"rank: got {rank}, want a number from 1 to {min(X.shape)}")
    coordinates = np.linalg.svd(X, full_matrices=False)[0][:, :rank].T @ X
    top = coordinates[np.arange(rank), np.abs(coordinates).argmax(axis=1)]
    return coordinates * np.where(top < 0, -1.0, 1.0)[:, None]


def angle_signs(L: MatrixLike, S: MatrixLike) -> tuple[float, float]:
    """How many words are at an acute angle to a context in their support, and how many at an obtuse one off it.

    Logits are centred over the words first, since a softmax does not see what is added to a column. Then w_z'h_j has the sign of
    the cosine of word and context. For NTP-SVM the first share is 1; the second is 1 for the proxy, not for every solution.

    Source: chapter 15; chapter 4, "Solutions are centred, and positive on the support"; Zhao et al. (2024).

    Args:
        L: logits, nats, (V, m).
        S: supports, (V, m), dense or sparse.

    Returns:
        The share of in-support pairs at an acute angle, and of off-support pairs at an obtuse one (nan where no pair is
        off the supports).

    Raises:
        ValueError: L and S differ in shape.

    >>> angle_signs([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0]], [[1, 0], [0, 1], [0, 0]])
    (0.5, 0.75)
    """
    S = _supports(S).toarray()
    L = center(_logits(L, S.shape))
    return float(np.mean(L[S] > 0)), float(np.mean(L[~S] < 0)) if not S.all() else float("nan")


def off_support_mass(L: MatrixLike, labels: SoftLabels) -> float:
    """The probability that the model's next word is one that never followed: sum_j pi_j q_j(off S_j).

    At most lambda ||L^mm||_* on the path of a ridge lambda.

    Source: chapter 5, "The path identity"; chapter 13, "What the loss allows".

    Args:
        L: logits, nats, (V, m).
        labels: the soft labels.

    Returns:
        The mass, from 0 to 1.

    Raises:
        ValueError: L is not (V, m).

    >>> labels = SoftLabels.from_counts([[1], [0]])
    >>> off_support_mass([[0.0], [0.0]], labels)
    0.5
    """
    q = softmax(_logits(L, labels.P.shape))
    return float(labels.pi @ np.where(labels.S.toarray(), 0, q).sum(axis=0))


def effective_rank(L: ArrayLike) -> float:
    """The exponential of the entropy of the singular values, as shares of their sum: a rank that counts small ones less.

    Source: chapter 14.

    Args:
        L: logits, nats, (V, m), or any other matrix.

    Returns:
        From 1 (one direction) to min(L.shape) (all equal) (Roy and Vetterli 2007).

    Raises:
        ValueError: L is no finite matrix, or zero.

    >>> round(effective_rank(np.diag([5.0, 5.0, 0.0])), 12)
    2.0
    """
    s = np.linalg.svd(_vectors(L), compute_uv=False)
    if s[0] == 0:
        raise ValueError("X: got a matrix of zeros, want one with a direction")
    shares = s[s > 0] / s.sum()
    return float(np.exp(-np.sum(shares * np.log(shares))))

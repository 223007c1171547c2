"""Measures of geometry: how far vectors have collapsed onto the means of their classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["collapse_ratio", "project_leading"]


def _vectors(X) -> np.ndarray:
    """Checks that vectors come as the columns of a finite matrix."""
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2 or 0 in X.shape or not np.all(np.isfinite(X)):
        raise ValueError(f"X: got shape {X.shape}, want a finite matrix (d, m), vectors as columns")
    return X


def collapse_ratio(X, classes: Sequence) -> float:
    """Scatter within classes over scatter between them: 0 where each class is one point.

    sum_j ||x_j - mean of the class of j||^2 / sum_j ||mean of the class of j - mean of all||^2, the first
    measure of neural collapse (NC1, as a quotient of traces). Turning, shifting and scaling the vectors does
    not change it. Random vectors in random classes give about (m - C) / (C - 1) for C classes.

    Args:
        X: vectors as columns, (d, m): contexts H, or words W'. A column may be listed several times.
        classes: the class of each column, m labels that can be sorted.

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
    means = np.zeros((X.shape[0], len(names)))
    np.add.at(means.T, inverse, X.T)
    means /= counts
    within = np.sum((X - means[:, inverse])**2)
    between = np.sum(counts * (means - X.mean(axis=1, keepdims=True))**2)
    if between <= 0:
        return float("inf") if within > 0 else 0.0
    return float(within / between)


def project_leading(X, rank: int) -> np.ndarray:
    """The coordinates of vectors in their `rank` leading singular directions.

    For balanced factors these directions of R^d are the same for contexts H and for words W': HH' = W'W.

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

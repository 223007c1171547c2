"""Items that come in groups of equals: contexts with one support, words with one row of the support matrix.

Two geometries that agree on who is equal agree on many pairs, whatever they say of the rest. These functions take the groups apart.
"""

from __future__ import annotations

import numpy as np

from ._hints import ArrayLike
from .similarity import _same, _square

__all__ = ["between_groups", "group_floor"]


def _indicator(groups: ArrayLike, n: int) -> np.ndarray:
    """Which item is in which group, (n, number of groups), groups in sorted order."""
    groups = np.asarray(groups)
    if groups.shape != (n,):
        raise ValueError(f"groups: got shape {groups.shape}, want ({n},), a label for each item")
    inverse = np.unique(groups, return_inverse=True)[1]
    return (inverse[:, None] == np.arange(inverse.max() + 1)).astype(float)


def between_groups(A: ArrayLike, groups: ArrayLike) -> np.ndarray:
    """The mean of a matrix over each block of two groups.

    Source: chapter 15, "Pairs that agree by construction".

    Args:
        A: a symmetric matrix, items by items, (n, n); cosines as a rule.
        groups: the group of each item, labels that can be sorted, (n,).

    Returns:
        The means, (groups, groups), in sorted order of the labels; a block on the diagonal counts an item with itself.

    Raises:
        ValueError: a matrix that is not square, or not one label for each item.

    >>> between_groups([[1, 1, 0.2], [1, 1, 0.4], [0.2, 0.4, 1]], ["a", "a", "b"]).round(3).tolist()
    [[1.0, 0.3], [0.3, 1.0]]
    """
    A = _square("A", A)
    member = _indicator(groups, len(A))
    member /= member.sum(axis=0)
    return member.T @ A @ member


def group_floor(A: ArrayLike, B: ArrayLike, groups: ArrayLike | None = None, *, diagonal: bool = False) -> float:
    """The correlation of two matrices that is left when the groups of one are shuffled.

    Shuffled, B says for each pair only whether its items are in one group: it becomes its mean inside groups and its mean
    between them. The covariance of A with that, over the deviations of A and of B, is the correlation that the
    groups alone give. It is the mean over all shuffles where groups have one size and B is constant on each block of two.

    Source: chapter 15, "Pairs that agree by construction".

    Args:
        A, B: symmetric matrices over the same items, (n, n).
        groups: the group of each item, labels that can be sorted, (n,). None: each item is a group.
        diagonal: count all n^2 entries, as `structural_correlation` does, instead of the pairs of different items.

    Returns:
        The floor, from -1 to 1; 0 without groups and without the diagonal.

    Raises:
        ValueError: matrices that are not square or differ in size, not one label for each item, or fewer than two groups.

    >>> A = [[1, 0.1, 0.2], [0.1, 1, 0.3], [0.2, 0.3, 1]]
    >>> round(group_floor(A, A), 3), round(group_floor(A, A, diagonal=True), 3)
    (0.0, 0.97)
    """
    A, B = _square("A", A), _square("B", B)
    _same("A, B", A, B)
    n = len(A)
    member = _indicator(range(n) if groups is None else groups, n)
    if member.shape[1] < 2:
        raise ValueError(f"groups: got {member.shape[1]} group, want at least two")
    alike, counted = member @ member.T > 0, np.ones((n, n), dtype=bool) if diagonal else ~np.eye(n, dtype=bool)
    means = between_groups(B, member.argmax(axis=1))
    apart = means[~np.eye(len(means), dtype=bool)].mean()
    inside = B[alike & counted].mean() if np.any(alike & counted) else apart
    a, b, shuffled = A[counted], B[counted], np.where(alike, inside, apart)[counted]
    covariance = np.mean((a - a.mean()) * (shuffled - shuffled.mean()))
    scale = a.std() * b.std()
    return float(covariance / scale) if scale > 0 else float("nan")

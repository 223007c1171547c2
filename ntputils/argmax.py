"""Can a word be a model's first choice? Only if its vector is a corner of the convex hull of all word vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from ._hints import ArrayLike

__all__ = ["ArgmaxVerdict", "is_argmaxable"]

_MARGIN, _RESIDUAL, _ADDED = 1e-9, 1e-6, 50


@dataclass(frozen=True)
class ArgmaxVerdict:
    """Whether some state makes a word the first choice, with what shows it.

    Source: chapter 21; Demeter et al. (2020); Grivas et al. (2022).

    Attributes:
        argmaxable: True, False, or None where neither certificate was found.
        direction: a state of unit length for which the word comes first, (d,), or None.
        margin: by how much its logit is above all others there, nats; 0 without a direction.
        weights: of a mixture of other words that is the word's vector, {word: weight}, or None.

    >>> corners_and_middle = [[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0], [0.0, 0.0]]
    >>> is_argmaxable(corners_and_middle, 3).weights                # the middle of the three corners
    {0: 0.3333333333333333, 1: 0.3333333333333333, 2: 0.3333333333333333}
    """

    argmaxable: bool | None
    direction: np.ndarray | None
    margin: float
    weights: dict[int, float] | None


def is_argmaxable(W: ArrayLike, word: int, *, start: ArrayLike | None = None, rounds: int = 40) -> ArgmaxVerdict:
    """Decides whether a word can be the first choice of W h for some h (Demeter et al. 2020; Grivas et al. 2022).

    It can, if and only if its vector is no mixture of the other words' vectors. A guess is tried first; then linear
    programs ask for the direction with the largest margin over the words that have won so far. Both answers are checked
    by themselves: the direction against all words, the mixture by adding it up.

    Source: chapter 21; chapter 10, "Supports are faces"; Demeter et al. (2020); Grivas et al. (2022).

    Args:
        W: word vectors, (V, d).
        word: the row asked about.
        start: the direction to try first, (d,). None: the word's vector, less the mean of all.
        rounds: how many linear programs to spend at most.

    Returns:
        The verdict with its certificate. A word with a twin (an equal row) is not argmaxable: the two can only tie.

    Raises:
        ValueError: W is no finite matrix, or has no such row.

    >>> corners_and_middle = [[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0], [0.1, 0.1]]
    >>> is_argmaxable(corners_and_middle, 0).argmaxable, is_argmaxable(corners_and_middle, 3).argmaxable
    (True, False)
    """
    W = np.asarray(W, dtype=np.float64)
    if W.ndim != 2 or len(W) < 2 or not np.all(np.isfinite(W)) or not 0 <= word < len(W):
        raise ValueError(f"W, word: got shape {W.shape} and {word}, want a finite matrix (V, d) and one of its rows")
    twins = np.flatnonzero(W[:, 0] == W[word, 0])
    twins = twins[np.all(W[twins] == W[word], axis=1)]
    if len(twins) > 1:
        return ArgmaxVerdict(False, None, 0.0, {int(next(v for v in twins if v != word)): 1.0})
    size = np.linalg.norm(W[word]) or 1.0
    h = W[word] - W.mean(axis=0) if start is None else np.asarray(start, dtype=np.float64)
    if h.shape != W[word].shape or not np.all(np.isfinite(h)):
        raise ValueError(f"start: got shape {h.shape}, want a finite direction, ({W.shape[1]},)")
    rivals = np.empty(0, dtype=int)
    for _ in range(rounds + 1):
        length = np.linalg.norm(h)
        margins = (W[word] @ h - W @ h) / (length if length > 0 else 1)
        margins[word] = np.inf
        if length > 0 and margins.min() > _MARGIN * size:
            return ArgmaxVerdict(True, h / length, float(margins.min()), None)
        worst = np.argpartition(margins, min(_ADDED, len(W) - 2))[:_ADDED]
        rivals = np.union1d(rivals, worst[worst != word])
        h, weights = _best_direction(W[word], W[rivals])
        if weights is not None:
            if np.linalg.norm(weights @ W[rivals] - W[word]) <= _RESIDUAL * size:
                return ArgmaxVerdict(False, None, 0.0, {int(v): float(a) for v, a in zip(rivals, weights) if a > 0})
            return ArgmaxVerdict(None, None, 0.0, None)
    return ArgmaxVerdict(None, None, 0.0, None)


def _best_direction(w: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The direction in a box with the largest margin of w over others; if there is none, the mixture of others that is w."""
    d, scale = len(w), np.abs(others - w).max() or 1.0
    cost = np.zeros(d + 1)
    cost[-1] = -1
    constraints = np.column_stack([(others - w) / scale, np.ones(len(others))])     # (others - w) h + t <= 0
    found = linprog(cost, A_ub=constraints, b_ub=np.zeros(len(others)), bounds=[(-1, 1)] * d + [(0, 1)], method="highs")
    if found.x[-1] > 1e-8:
        return found.x[:d], None
    mixture = linprog(np.zeros(len(others)), A_eq=np.vstack([(others - w).T / scale, np.ones(len(others))]),
                      b_eq=np.append(np.zeros(d), 1), bounds=(0, None), method="highs")
    return found.x[:d], mixture.x if mixture.x is not None else np.zeros(len(others))

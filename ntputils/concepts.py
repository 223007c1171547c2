"""Concepts: the singular triples of the centred supports, the sign patterns they make, and what chance would make of them.

A concept is (sigma_i, u_i, v_i) of S~ = (I - 11'/V) S = sum_i sigma_i u_i v_i' (Zhao and Thrampoulidis 2025,
arXiv:2505.08348): a score for every word and every context. The signs of the first p cut words, and contexts, into 2^p orthants.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, svds

from ._hints import ArrayLike, MatrixLike
from .similarity import _generator, _groups
from .theory import _supports, center

__all__ = ["ClassShare", "Concepts", "adjusted_rand", "class_share", "find_concepts", "half_time", "orthants",
           "shuffle_supports", "square_loss_curve", "subspace_overlap", "word_classes"]

_DENSE = 200         # up to so many words, or contexts, the whole decomposition is computed
_TIE = 1e-9          # relative: entries nearer than this count as equally large
_ROUNDING = 1e-24    # relative to its squares: scores that vary less are constant


# --- concepts and orthants -----------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Concepts:
    """The leading singular triples of the centred supports, largest first.

    Source: chapter 17, "Concepts and orthants"; Zhao and Thrampoulidis (2025).

    Attributes:
        sizes: the singular values sigma_i, (p,).
        words: the left singular vectors u_i as columns, (V, p); each sums to zero.
        contexts: the right singular vectors v_i as columns, (m, p).

    >>> found = find_concepts([[1, 0], [1, 0], [0, 1], [0, 1]], 1)
    >>> found.sizes.round(3).tolist(), found.words.shape, found.contexts.round(3).ravel().tolist()
    ([1.414], (4, 1), [0.707, -0.707])
    """

    sizes: np.ndarray
    words: np.ndarray
    contexts: np.ndarray

    def poles(self, names: Sequence[str], concept: int, *, count: int = 8, side: str = "words"
              ) -> tuple[list[str], list[str]]:
        """The names with the largest scores on one concept, and those with the smallest, the farthest first.

        Args:
            names: of all words, or of all contexts.
            concept: which, from 0 on.
            count: how many names at either end; only those on that side of zero.
            side: "words" or "contexts".

        Returns:
            The names at the upper end, and those at the lower end, at most `count` each.

        Raises:
            ValueError: a name for each item is wanted, an unknown side, or a concept that is not there.

        >>> S = [[1, 1], [1, 1], [0, 0], [0, 0]]
        >>> find_concepts(S, 1).poles("abcd", 0, count=2)
        (['a', 'b'], ['c', 'd'])
        """
        if side not in ("words", "contexts"):
            raise ValueError(f"side: got {side!r}, want 'words' or 'contexts'")
        scores = getattr(self, side)
        if len(names) != len(scores):
            raise ValueError(f"names: got {len(names)}, want {len(scores)}, one for each of the {side}")
        if not 0 <= concept < len(self.sizes):
            raise ValueError(f"concept: got {concept}, want a number from 0 to {len(self.sizes) - 1}")
        x = scores[:, concept]
        steps = np.round(x / (_TIE * np.abs(x).max()))     # so that equal scores keep the order of the names
        low, high = (np.argsort(sign * steps, kind="stable")[:count] for sign in (1, -1))
        return [names[i] for i in high if steps[i] > 0], [names[i] for i in low if steps[i] < 0]


def find_concepts(S: MatrixLike, count: int) -> Concepts:
    """The `count` leading concepts of a support matrix: singular triples of S~ = (I - 11'/V) S.

    Only the product u_i v_i' has a sign; here the word that scores farthest from zero scores above it. Triples with equal
    sizes are defined up to a rotation among them, and triples of nearly equal sizes move a lot when S changes a little.

    Source: chapter 17, "Concepts and orthants"; Zhao and Thrampoulidis (2025).

    Args:
        S: supports, dense or sparse, boolean or 0/1, (V, m). Above 200 words and contexts only the leading triples are
            computed (ARPACK), and S is never made dense.
        count: how many, from 1 to the rank of S~, at most min(V - 1, m).

    Returns:
        The concepts.

    Raises:
        ValueError: a bad support matrix, or not so many triples of a size above zero.

    >>> find_concepts([[1, 0], [1, 0], [0, 1], [0, 1]], 1).words.round(3).ravel().tolist()
    [0.5, 0.5, -0.5, -0.5]
    """
    S = _supports(S)
    V, m = S.shape
    if not 1 <= count <= min(V, m):
        raise ValueError(f"count: got {count}, want a number from 1 to min(V, m) = {min(V, m)}")
    if min(V, m) <= _DENSE or count > min(V, m) // 4 or np.all(np.diff(S.indptr) % V == 0):    # nothing to start from
        U, s, Vt = np.linalg.svd(center(S.toarray()), full_matrices=False)
        U, s, Vt = U[:, :count], s[:count], Vt[:count]
    else:
        A, sums = S.astype(np.float64), np.diff(S.indptr) / V
        # S~ x = S x - 1 (sums' x), and S~' y = S' y - sums (1' y)
        operator = LinearOperator((V, m), matvec=lambda x: A @ np.ravel(x) - sums @ np.ravel(x), dtype=np.float64,
                                  rmatvec=lambda y: A.T @ np.ravel(y) - sums * np.sum(y))
        start = np.random.default_rng(0).standard_normal(min(V, m))     # the same in every run
        U, s, Vt = svds(operator, k=count, v0=start)
        U, s, Vt = U[:, ::-1], s[::-1], Vt[::-1]
    rank = int(np.sum(s > _TIE * max(s[0], 1)))
    if rank < count:
        raise ValueError(f"count: got {count}, want at most {rank}, the rank of the centred supports")
    size = np.abs(U)
    first = np.argmax(size >= (1 - _TIE) * size.max(axis=0), axis=0)
    sign = np.where(U[first, np.arange(count)] < 0, -1.0, 1.0)
    return Concepts(s, U * sign, Vt.T * sign)


def orthants(X: ArrayLike, *, tol: float = 0.0) -> np.ndarray:
    """The orthant of each item: its pattern of signs, read as a binary number, the first concept in front.

    Source: chapter 17, "Concepts and orthants"; Zhao and Thrampoulidis (2025).

    Args:
        X: scores, items by concepts, (n, p) with p at most 30.
        tol: scores no larger than this have no sign.

    Returns:
        Numbers from 0 (all below zero) to 2^p - 1 (all above), (n,); -1 for an item with a score that has no sign.

    Raises:
        ValueError: not a matrix of at most 30 columns, or a tolerance below zero.

    >>> orthants([[0.5, 0.1], [0.5, -0.1], [-0.5, 0.0]]).tolist()
    [3, 2, -1]
    """
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2 or not 1 <= X.shape[1] <= 30 or tol < 0:
        raise ValueError(f"X, tol: got shape {X.shape} and {tol}, want items by at most 30 concepts, and a tolerance "
                         "not below 0")
    number = (X > 0) @ (1 << np.arange(X.shape[1])[::-1])
    return np.where((np.abs(X) > tol).all(axis=1), number, -1)


# --- square loss ---------------------------------------------------------------------------------------------------

def square_loss_curve(sigma: ArrayLike, t: ArrayLike, start: ArrayLike) -> np.ndarray:
    """How a concept is learned on the square loss: s(t) = sigma / (1 + (sigma/start - 1) exp(-2 sigma t)).

    The singular values of WH under gradient flow on 1/2 ||WH - S~||_F^2 from balanced vectors along the concepts.

    Source: chapter 17, "One logistic curve a concept"; Saxe et al. (2014); Zhao and Thrampoulidis (2025).

    Args:
        sigma: singular values of S~, above 0, any shape that goes with t.
        t: times, in the unit of the flow (steps times step size), any shape that goes with sigma.
        start: the singular values at time 0, above 0, a number or any shape that goes with sigma.

    Returns:
        s(t), in the shape of sigma and t together.

    Raises:
        ValueError: a size or a start that is not above 0.

    >>> square_loss_curve(2.0, half_time(2.0, 1e-3), 1e-3).round(12).item()
    1.0
    """
    sigma, t = _above_zero("sigma", sigma), np.asarray(t, dtype=np.float64)
    start = _above_zero("start", start)
    return sigma / (1 + (sigma / start - 1) * np.exp(-2 * sigma * t))


def half_time(sigma: ArrayLike, start: ArrayLike) -> np.ndarray:
    """When `square_loss_curve` passes sigma / 2: log(sigma/start - 1) / (2 sigma).

    Source: chapter 17, "One logistic curve a concept"; Saxe et al. (2014).

    Args:
        sigma: singular values of S~, above 0, any shape.
        start: the singular values at time 0, above 0, a number or any shape that goes with sigma.

    Returns:
        The times, in the unit of the flow, in the shape of sigma and start together; below zero where the start is above
        sigma / 2, nan where it is above sigma.

    Raises:
        ValueError: a size or a start that is not above 0.

    >>> half_time(1.0, 0.5).item()
    0.0
    """
    sigma, start = _above_zero("sigma", sigma), _above_zero("start", start)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(sigma / start - 1) / (2 * sigma)


def _above_zero(name: str, value: ArrayLike) -> np.ndarray:
    value = np.asarray(value, dtype=np.float64)
    if not np.all(value > 0):
        raise ValueError(f"{name}: got {value.min() if value.size else 'none'}, want numbers above 0")
    return value


# --- how much two answers agree ------------------------------------------------------------------------------------

def subspace_overlap(A: ArrayLike, B: ArrayLike) -> float:
    """The mean squared cosine of the angles between the spans of two orthonormal sets: ||A'B||_F^2 / p.

    Source: chapter 17.

    Args:
        A, B: orthonormal columns, (n, p) and (n, p).

    Returns:
        1 for equal spans, 0 for orthogonal ones, p/n on average for random ones.

    Raises:
        ValueError: shapes that differ, or columns that are not orthonormal.

    >>> subspace_overlap(np.eye(4)[:, :2], np.eye(4)[:, 1:3])
    0.5
    """
    A, B = np.asarray(A, dtype=np.float64), np.asarray(B, dtype=np.float64)
    if A.ndim != 2 or A.shape != B.shape:
        raise ValueError(f"A, B: got shapes {A.shape} and {B.shape}, want the same, (n, p)")
    for name, X in (("A", A), ("B", B)):
        off = np.abs(X.T @ X - np.eye(X.shape[1])).max()
        if not off < 1e-6:
            raise ValueError(f"{name}: got columns that are {off:.1g} off orthonormal, want orthonormal ones")
    return float(np.sum((A.T @ B)**2) / A.shape[1])


def adjusted_rand(a: Iterable[Any], b: Iterable[Any]) -> float:
    """How much two clusterings of the same items agree, beyond chance (Hubert and Arabie 1985).

    (pairs that both put together - expected) / (largest possible - expected), where a shuffle that keeps the sizes of all
    clusters gives the expectation.

    Source: chapter 17; Hubert and Arabie (1985).

    Args:
        a, b: the cluster of each item, n labels each.

    Returns:
        1 for the same clusters, 0 on average for shuffled ones; nan where neither cuts anything, or both cut everything.

    Raises:
        ValueError: different numbers of items, or fewer than two.

    >>> round(adjusted_rand([0, 0, 1, 1], "xxyy"), 3), round(adjusted_rand([0, 0, 1, 1], [0, 1, 0, 1]), 3)
    (1.0, -0.5)
    """
    a, b = (np.unique(np.asarray(list(x)), return_inverse=True)[1] for x in (a, b))
    if len(a) != len(b) or len(a) < 2:
        raise ValueError(f"a, b: got {len(a)} and {len(b)} labels, want one for each of the same items, two at least")
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1)
    both, first, second, all_ = (np.sum(x * (x - 1) / 2) for x in (table, table.sum(1), table.sum(0), table.sum()))
    expected, most = first * second / all_, (first + second) / 2
    return float((both - expected) / (most - expected)) if most > expected else float("nan")


@dataclass(frozen=True)
class ClassShare:
    """What `class_share` found.

    Source: chapter 17.

    Attributes:
        share: for each score, how much of its variance lies between classes, (p,).
        p: for each score, the chance of at least as much when classes are shuffled, (p,).
        null: the shares of the shuffles, (permutations, p).

    >>> X = np.array([[1.0], [2.0], [1.0], [9.0], [8.0], [9.0]])
    >>> found = class_share(X, list("aaabbb"), rng=np.random.default_rng(0), permutations=99)
    >>> found.share.round(3).tolist(), found.null.shape, bool(found.p_mean == found.p[0])
    ([0.984], (99, 1), True)
    """

    share: np.ndarray
    p: np.ndarray
    null: np.ndarray

    @property
    def p_mean(self) -> float:
        """The chance of at least as large a mean share over the scores."""
        means = self.null.mean(axis=1)
        return float((1 + np.sum(means >= self.share.mean() - 1e-12)) / (1 + len(means)))


def class_share(X: ArrayLike, classes: Iterable[Any], *, rng: np.random.Generator, strata: ArrayLike | None = None,
                permutations: int = 999) -> ClassShare:
    """How much of the variance of scores lies between classes of items (eta squared), against shuffled classes.

    Source: chapter 17.

    Args:
        X: scores, items by concepts, (n, p).
        classes: the class of each item, n labels that can be sorted.
        rng: of the shuffles.
        strata: labels, (n,); items trade classes within their stratum only, so that what the strata explain is no evidence.
        permutations: how many shuffles.

    Returns:
        The shares, their one-sided p-values (the data count as one of the shuffles), and the shares of the shuffles.

    Raises:
        ValueError: not one class, or one stratum, for each item; fewer than two classes; a constant score.
        TypeError: rng is not a generator.

    >>> X = np.array([[1.0], [2.0], [1.0], [9.0], [8.0], [9.0]])
    >>> class_share(X, list("aaabbb"), rng=np.random.default_rng(0)).share.round(3).tolist()
    [0.984]
    """
    _generator(rng, permutations)
    X, classes = np.asarray(X, dtype=np.float64), list(classes)
    if X.ndim != 2 or len(X) != len(classes):
        raise ValueError(f"X, classes: got shape {X.shape} and {len(classes)} classes, want one for each item")
    size = np.sum(X**2, axis=0)
    X = X - X.mean(axis=0)
    total = np.sum(X**2, axis=0)
    inverse = np.unique(classes, return_inverse=True)[1]
    if inverse.max(initial=0) < 1 or not np.all(total > _ROUNDING * size):
        raise ValueError("X, classes: got a constant score, or one class only, want something to tell apart")
    member = (inverse[:, None] == np.arange(inverse.max() + 1)).astype(float)
    member /= np.sqrt(member.sum(axis=0))           # then the squares of member' X are the scatter between classes
    share = np.sum((member.T @ X)**2, axis=0) / total
    groups, null = _groups(strata, len(X)), np.empty((permutations, X.shape[1]))
    order = np.arange(len(X))
    for k in range(permutations):
        for group in groups:
            order[group] = rng.permutation(group)
        null[k] = np.sum((member.T @ X[order])**2, axis=0) / total
    return ClassShare(share, (1 + np.sum(null >= share - 1e-12, axis=0)) / (1 + permutations), null)


def shuffle_supports(S: MatrixLike, *, rng: np.random.Generator, rounds: int = 20) -> np.ndarray:
    """A random support matrix with the same sizes of supports, and as many contexts for each word.

    The curveball walk (Strona et al. 2014), all contexts paired at once in each round: two contexts keep the words that
    they share and deal out the others anew, each as many as before. Its limit is uniform over all such matrices.

    Source: chapter 17; Strona et al. (2014).

    Args:
        S: supports, dense or sparse, (V, m).
        rng: of the walk.
        rounds: how many; each pairs every context with another, but for the last of an odd number.

    Returns:
        Supports, dense boolean (V, m), with the row and the column sums of S.

    Raises:
        ValueError: a bad support matrix, or fewer than one round.
        TypeError: rng is not a generator.

    >>> S = np.array([[1, 0, 1, 0], [0, 1, 1, 0], [0, 1, 0, 1]])
    >>> T = shuffle_supports(S, rng=np.random.default_rng(0))
    >>> bool((T.sum(axis=0) == S.sum(axis=0)).all() and (T.sum(axis=1) == S.sum(axis=1)).all())
    True
    """
    _generator(rng, 1)
    if rounds < 1:
        raise ValueError(f"rounds: got {rounds}, want at least 1")
    rows = _supports(S).T.toarray()                 # a context is a row here: its words lie side by side
    for _ in range(rounds):
        order = rng.permutation(len(rows))
        for a, b in zip(order[::2], order[1::2]):
            one, other = rows[a], rows[b]
            free = np.flatnonzero(one ^ other)
            mine = rng.permutation(free)[:np.count_nonzero(one[free])]
            one[free], other[free] = False, True
            one[mine], other[mine] = True, False
    return np.ascontiguousarray(rows.T)


def word_classes() -> dict[str, str]:
    """A short list of words by class, made for this book: word to class.

    Pronouns, prepositions, auxiliary verbs, numbers, names, kin and so on; a word has one class, and words that could be
    in several are left out.

    Source: chapter 17; made for this book.

    Returns:
        Each word with its class.

    >>> classes = word_classes()
    >>> classes["under"], classes["seven"], "her" in classes
    ('preposition', 'number', False)
    """
    text = resources.files("ntputils").joinpath("data/word-classes.txt").read_text(encoding="utf-8")
    table: dict[str, str] = {}
    for line in filter(lambda line: line and not line.startswith("#"), text.splitlines()):
        name, words = line.split(":", 1)
        table |= dict.fromkeys(words.split(), name.strip())
    return table

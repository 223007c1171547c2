"""Families of supports that can be written in one line: the worlds in which theorems are stated and tested.

Each function returns a boolean support matrix S (V, m), words by contexts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from math import comb

import numpy as np

from ._hints import ArrayLike

_MOST_SUBSETS = 1_000_000


def from_sets(sets: Iterable[Iterable[int]], V: int) -> np.ndarray:
    """The support matrix of a list of sets of token ids.

    Source: chapter 7.

    Args:
        sets: one set of token ids from 0 to V - 1 for each context, in order; none may be empty.
        V: the number of tokens, at least one.

    Returns:
        S, bool (V, m).

    Raises:
        ValueError: no set, an empty set, or an id outside 0 .. V - 1.

    >>> from_sets([{0}, {0, 1}, {0, 2}], V=4).astype(int)
    array([[1, 1, 1],
           [0, 1, 0],
           [0, 0, 1],
           [0, 0, 0]])
    """
    _at_least("V", V, 1)
    columns = [sorted(set(support)) for support in sets]
    if not columns:
        raise ValueError("sets: got none, want at least one set of token ids")
    S = np.zeros((V, len(columns)), bool)
    for j, column in enumerate(columns):
        if not column:
            raise ValueError(f"sets: set {j} is empty, want at least one token id")
        if column[0] < 0 or column[-1] >= V:
            raise ValueError(f"sets: set {j} is {column}, want token ids from 0 to V - 1 = {V - 1}")
        S[column, j] = True
    return S


def all_subsets(V: int, k: int | Sequence[int]) -> np.ndarray:
    """Every k-subset of V tokens, in lexicographic order: the symmetric world of Proposition 1 of the paper.

    Source: chapter 7, "Flat worlds"; Zhao et al. (2024).

    Args:
        V: the number of tokens.
        k: the size of the subsets, from 1 to V; or several sizes, one family after another.

    Returns:
        S, bool (V, m) with m = C(V, k) columns, or the sum over the sizes.

    Raises:
        ValueError: a size outside 1 .. V, or more than a million subsets.

    >>> all_subsets(4, 2).astype(int)
    array([[1, 1, 1, 0, 0, 0],
           [1, 0, 0, 1, 1, 0],
           [0, 1, 0, 1, 0, 1],
           [0, 0, 1, 0, 1, 1]])
    """
    _at_least("V", V, 1)
    sizes = list(k) if isinstance(k, Iterable) else [k]
    for size in sizes:
        if not 1 <= size <= V:
            raise ValueError(f"k: got {size}, want a size from 1 to V = {V}")
    if sum(comb(V, size) for size in sizes) > _MOST_SUBSETS:
        raise ValueError(f"k: V = {V}, k = {k} make more than {_MOST_SUBSETS} subsets")
    return from_sets((c for size in sizes for c in itertools.combinations(range(V), size)), V)


def cyclic_windows(V: int, k: int) -> np.ndarray:
    """Tokens on a circle: context j is followed by the k tokens j, j + 1, ..., j + k - 1 modulo V.

    Source: chapter 8, "Windows of three among eight"; chapter 9, "The pentagon".

    Args:
        V: the number of tokens, and of contexts.
        k: the length of a window, from 1 to V.

    Returns:
        S, bool (V, V). `cyclic_windows(5, 2)` is the pentagon.

    Raises:
        ValueError: k outside 1 .. V.

    >>> cyclic_windows(5, 2).astype(int)
    array([[1, 0, 0, 0, 1],
           [1, 1, 0, 0, 0],
           [0, 1, 1, 0, 0],
           [0, 0, 1, 1, 0],
           [0, 0, 0, 1, 1]])
    """
    _at_least("V", V, 1)
    if not 1 <= k <= V:
        raise ValueError(f"k: got {k}, want a window length from 1 to V = {V}")
    return from_sets(([(j + i) % V for i in range(k)] for j in range(V)), V)


def fano_plane() -> np.ndarray:
    """The seven lines of the Fano plane: every two of seven tokens share exactly one context.

    Source: chapter 7, "The fewest contexts"; Fisher (1940).

    Returns:
        S, bool (7, 7).

    >>> S = fano_plane().astype(int)
    >>> (S @ S.T)[:2, :4]
    array([[3, 1, 1, 1],
           [1, 3, 1, 1]])
    """
    return from_sets(([j, (j + 1) % 7, (j + 3) % 7] for j in range(7)), 7)


def one_hot(counts: ArrayLike) -> np.ndarray:
    """Contexts with one next token each: token z follows counts[z] distinct contexts.

    Equal counts give neural collapse, unequal ones the imbalanced geometry SELI.

    Source: chapter 7, "Star worlds"; Papyan et al. (2020); Thrampoulidis et al. (2022).

    Args:
        counts: contexts for each token, (V,), whole numbers, none below zero, at least one above.

    Returns:
        S, bool (V, m) with V = len(counts), m = sum(counts); contexts in the order of their tokens.

    Raises:
        ValueError: a negative count, or no context at all.

    >>> one_hot([2, 1]).astype(int)
    array([[1, 1, 0],
           [0, 0, 1]])
    """
    counts = np.asarray(counts)
    if counts.ndim != 1 or not np.issubdtype(counts.dtype, np.integer) or counts.size == 0 or counts.min() < 0:
        raise ValueError(f"counts: got {counts.tolist()}, want whole numbers of contexts, none below zero")
    return from_sets(([z] for z in np.repeat(np.arange(counts.size), counts).tolist()), counts.size)


def _at_least(name: str, value: int, least: int) -> None:
    if not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}: got {value!r}, want a whole number, at least {least}")

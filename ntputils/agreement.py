"""How well someone's own vectors agree with a predicted geometry, item by item, with chance and the obvious rival beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._hints import ArrayLike
from .groups import between_groups
from .similarity import cka, cosine_matrix, mantel, off_diagonal_correlation, partial_mantel
from .types import SoftLabels

__all__ = ["Agreement", "compare_geometries"]


@dataclass(frozen=True)
class Agreement:
    """How well vectors agree with the prediction, over the pairs of some words or contexts.

    Source: chapter 22.

    Attributes:
        what: "words" or "contexts".
        items: how many were compared.
        covered: how many of all have a vector.
        total: how many there are.
        r: the correlation of cosines over pairs of different items.
        p: the chance of one as large when the items of one side are shuffled (Mantel's test).
        chance: the correlation that one shuffle in twenty exceeds.
        between: the correlation over pairs of groups of equals (contexts with one support), on the groups' mean cosines;
            nan where there are fewer than three groups.
        partial: the correlation that is left when differences in size are known (contexts that a word follows, words that
            follow a context).
        partial_p: the approximate p-value of that.
        cka: centred kernel alignment, from 0 to 1; it has no zero point of its own, so its mean under shuffles stands beside.
        cka_chance: its mean over shuffles.

    >>> X = np.random.default_rng(0).normal(size=(3, 30))
    >>> found = compare_geometries(X, X, what="words", groups=range(30), sizes=[1] * 30, rng=np.random.default_rng(1))
    >>> print(found.sentence.split(" (")[0])
    Over the pairs of 30 words, predicted cosines and yours correlate at 1.00
    """

    what: str
    items: int
    covered: int
    total: int
    r: float
    p: float
    chance: float
    between: float
    partial: float
    partial_p: float
    cka: float
    cka_chance: float

    @property
    def sentence(self) -> str:
        """What the numbers mean, in words."""
        pairs = f"Over the pairs of {self.items:,} {self.what}, predicted cosines and yours correlate at {self.r:.2f}"
        if not np.isfinite(self.r):
            return f"The cosines of these {self.what} are constant on one side: there is nothing to correlate."
        if self.p > 0.05:
            return f"{pairs}, which shuffled {self.what} reach too (p = {self.p:.3g}): no agreement is shown."
        told = f"{pairs} (p = {self.p:.3g}; one shuffle in twenty exceeds {self.chance:.2f}): more than chance"
        if not np.isfinite(self.partial):
            return f"{told}."
        if self.partial_p > 0.05:
            return (f"{told}, but no more than sizes explain: once it is known how many {_OTHER[self.what]}, "
                    f"{self.partial:.2f} is left.")
        return f"{told}; {self.partial:.2f} is left once it is known how many {_OTHER[self.what]}."


_OTHER = {"words": "contexts each word follows", "contexts": "words follow each context"}


def compare_geometries(predicted: ArrayLike, given: ArrayLike, *, what: str, groups: ArrayLike, sizes: ArrayLike,
                       rng: np.random.Generator, covered: int | None = None, total: int | None = None,
                       permutations: int = 999) -> Agreement:
    """Compares two sets of vectors of the same items.

    Source: chapter 22; Mantel (1967); Kornblith et al. (2019).

    Args:
        predicted: vectors, one a column, (d, n).
        given: vectors of the same items in the same order, (d', n).
        what: "words" or "contexts".
        groups: labels, (n,); items with one label are one point in the prediction.
        sizes: numbers above 0, (n,), whose logarithms the partial correlation takes as known.
        rng: of the shuffles.
        covered: how many items have a vector, n by default.
        total: how many there are, n by default.
        permutations: how many shuffles; a fifth of them for the partial correlation.

    Returns:
        The agreement.

    Raises:
        ValueError: fewer than four items, vectors that are not finite, or lengths that differ.
        TypeError: rng is not a generator.

    >>> X = np.random.default_rng(0).normal(size=(3, 30))
    >>> found = compare_geometries(X, 2 * X[::-1], what="words", groups=range(30), sizes=range(1, 31),
    ...                            rng=np.random.default_rng(1))
    >>> round(found.r, 9), found.p
    (1.0, 0.001)
    """
    if what not in _OTHER:
        raise ValueError(f"what: got {what!r}, want 'words' or 'contexts'")
    X, Y = (np.asarray(x, dtype=np.float64) for x in (predicted, given))
    groups, sizes = np.unique(np.asarray(groups), return_inverse=True)[1], np.asarray(sizes, dtype=np.float64)
    n = X.shape[-1]
    if n < 4 or not len(groups) == len(sizes) == Y.shape[-1] == n or not np.all(sizes > 0):
        raise ValueError(f"predicted, given, groups, sizes: got {n}, {Y.shape[-1]}, {len(groups)} and {len(sizes)} items, want "
                         "the same four at least, and sizes above 0")
    A, B = cosine_matrix(X), cosine_matrix(Y)
    test = mantel(A, B, rng=rng, permutations=permutations)
    size = -np.abs(np.log(sizes)[:, None] - np.log(sizes))
    partial, partial_p = test.r, test.p
    if np.ptp(sizes) > 0 and np.isfinite(test.r):
        left = partial_mantel(A, B, [size], rng=rng, permutations=max(19, permutations // 5))
        partial, partial_p = left.r, left.p
    between = float("nan")
    if 3 <= groups.max() + 1:
        between = off_diagonal_correlation(between_groups(A, groups), between_groups(B, groups))
    shuffled = np.mean([cka(X, Y[:, rng.permutation(n)]) for _ in range(5)])
    chance = float(np.quantile(test.null, 0.95)) if np.isfinite(test.r) else float("nan")
    return Agreement(what, n, n if covered is None else covered, n if total is None else total, test.r, test.p, chance,
                     between, partial, partial_p, cka(X, Y), float(shuffled))


# --- whose vectors -------------------------------------------------------------------------------------------------

def word_vectors(labels: SoftLabels, embeddings: Any) -> tuple[np.ndarray, np.ndarray]:
    """The words that have a vector, and their vectors, from any of the forms that `geometry_report` takes.

    Returns:
        Rows of the vocabulary, (n,); vectors, a word a row, (n, d).
    """
    if hasattr(embeddings, "key_to_index") or isinstance(embeddings, Mapping):
        known = embeddings if isinstance(embeddings, Mapping) else embeddings.key_to_index
        rows = np.array([z for z, word in enumerate(labels.vocab) if word in known], dtype=np.int64)
        if not rows.size:
            some = ", ".join(map(repr, labels.vocab[:3]))
            raise ValueError(f"embeddings: got vectors for none of the {labels.V} words, want keys such as {some}")
        vectors = [np.asarray(embeddings[labels.vocab[z]], dtype=np.float64).ravel() for z in rows]
        lengths = {len(x) for x in vectors}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(f"embeddings: got vectors of lengths {sorted(lengths)}, want one length for all")
        return rows, _finite("embeddings", np.array(vectors))
    try:
        vectors = np.asarray(embeddings, dtype=np.float64)
    except (TypeError, ValueError):
        vectors = np.empty(0)
    if vectors.ndim != 2 or len(vectors) != labels.V:
        raise ValueError(f"embeddings: got {type(embeddings).__name__} of shape {vectors.shape}, want a mapping from words to "
                         f"vectors, or an array (V, d) with V = {labels.V} rows in the order of the vocabulary")
    return np.arange(labels.V), _finite("embeddings", vectors)


def model_vectors(labels: SoftLabels, model: Any, columns: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """Word vectors (V, d), or None where the model has none, and the vectors of some contexts, a column each (d, n)."""
    if hasattr(model, "W") and hasattr(model, "H"):
        W, H = (_numpy(x() if callable(x) else x) for x in (model.W, model.H))
        if W.ndim != 2 or H.ndim != 2 or len(W) != labels.V or H.shape[1] != labels.m:
            raise ValueError(f"model: got W of shape {W.shape} and H of {H.shape}, want (V, d) and (d, m) with V = {labels.V} "
                             f"and m = {labels.m}: a model of these labels")
        return _finite("model", W), _finite("model", H[:, columns])
    if not callable(model):
        raise TypeError(f"model: got {type(model).__name__}, want a NextTokenModel, or a function from a list of contexts "
                        "(strings) to an array (contexts, d)")
    H = _numpy(model([labels.context(j) for j in columns]))
    if H.ndim != 2 or len(H) != len(columns):
        raise ValueError(f"model: got an array of shape {H.shape} for {len(columns)} contexts, want (contexts, d)")
    return None, _finite("model", H).T


def _numpy(x: Any) -> np.ndarray:
    return np.asarray(x.detach().cpu().numpy() if hasattr(x, "detach") else x, dtype=np.float64)


def _finite(name: str, X: np.ndarray) -> np.ndarray:
    if not np.all(np.isfinite(X)):
        raise ValueError(f"{name}: got a vector that is not finite")
    return X

"""Questions that word vectors are asked: ratings of similarity and analogies, restricted to a vocabulary.

The sets are those that gensim carries with its tests: SimLex-999 (Hill, Reichart and Korhonen 2015), WordSim-353
(Finkelstein and others 2002), and the analogies of Mikolov and others (2013). They are found without importing gensim.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from ._hints import ArrayLike

__all__ = ["AnalogyQuestions", "RankAgreement", "SimilarityRatings", "analogy_questions", "answer_analogies",
           "rank_agreement", "similarity_ratings"]

_RATINGS = {"simlex": "simlex999.txt", "wordsim": "wordsim353.tsv"}


def _lines(file: str) -> list[str]:
    """The lines of a file that gensim carries."""
    spec = importlib.util.find_spec("gensim")
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("these questions come with gensim, which is not installed: pip install gensim")
    path = Path(spec.submodule_search_locations[0]) / "test" / "test_data" / file
    return path.read_text(encoding="utf-8").splitlines()


@dataclass(frozen=True)
class SimilarityRatings:
    """Pairs of words with people's ratings of how similar they are.

    Source: chapter 18; Hill et al. (2015); Finkelstein et al. (2002).

    Attributes:
        pairs: rows of the vocabulary, (k, 2).
        ratings: means over people, from 0 to 10, (k,).
        total: how many pairs the whole set has.

    >>> found = similarity_ratings("wordsim", ["king", "queen", "forest"])
    >>> found.pairs.shape, found.ratings.shape, found.total
    ((1, 2), (1,), 353)
    """

    pairs: np.ndarray
    ratings: np.ndarray
    total: int


@dataclass(frozen=True)
class AnalogyQuestions:
    """Questions "a is to b as c is to what?", with their answers.

    Source: chapter 18; Mikolov et al. (2013).

    Attributes:
        words: rows of the vocabulary for a, b, c and the answer, (k, 4).
        section: the number of each question's section, (k,).
        sections: the names of the sections.
        total: how many questions the whole set has.

    >>> found = analogy_questions(["man", "woman", "king", "queen"])
    >>> found.words.shape, [found.sections[i] for i in found.section]
    ((2, 4), ['family', 'family'])
    """

    words: np.ndarray
    section: np.ndarray
    sections: tuple[str, ...]
    total: int


def similarity_ratings(name: str, vocab: Sequence[str]) -> SimilarityRatings:
    """The pairs of a set whose two words are different and in the vocabulary.

    Source: chapter 18; Hill et al. (2015); Finkelstein et al. (2002).

    Args:
        name: "simlex" (SimLex-999: similarity proper) or "wordsim" (WordSim-353: relatedness too).
        vocab: the words, lower case.

    Returns:
        The pairs, as rows of the vocabulary, with their ratings.

    Raises:
        KeyError: another name.
        ImportError: gensim, which carries the sets, is not installed.

    >>> found = similarity_ratings("wordsim", ["king", "queen", "forest"])
    >>> found.pairs.tolist(), found.ratings.tolist(), found.total
    ([[0, 1]], [8.58], 353)
    """
    if name not in _RATINGS:
        raise KeyError(f"name: got {name!r}, want one of {', '.join(map(repr, _RATINGS))}")
    place = {word: z for z, word in enumerate(vocab)}
    rows = [line.split("\t") for line in _lines(_RATINGS[name]) if line.strip() and not line.startswith("#")]
    found = [(place.get(a.lower(), -1), place.get(b.lower(), -1), float(rating)) for a, b, rating in rows]
    kept = [(a, b, rating) for a, b, rating in found if a >= 0 <= b and a != b]
    pairs = np.array([(a, b) for a, b, _ in kept], dtype=np.int64).reshape(-1, 2)
    return SimilarityRatings(pairs, np.array([rating for *_, rating in kept]), len(rows))


def analogy_questions(vocab: Sequence[str]) -> AnalogyQuestions:
    """The questions whose four words are all in the vocabulary.

    Source: chapter 18; Mikolov et al. (2013).

    Args:
        vocab: the words, lower case.

    Returns:
        The questions, as rows of the vocabulary, with their sections.

    Raises:
        ImportError: gensim, which carries the set, is not installed.

    >>> found = analogy_questions(["man", "woman", "king", "queen"])
    >>> found.words.tolist(), found.sections, found.total
    ([[2, 3, 0, 1], [0, 1, 2, 3]], ('family',), 19544)
    """
    place, words, section, sections, total = {word: z for z, word in enumerate(vocab)}, [], [], [], 0
    for line in _lines("questions-words.txt"):
        if line.startswith(":"):
            name = line[1:].strip()
            continue
        asked = line.lower().split()
        total += len(asked) == 4
        if len(asked) == 4 and all(word in place for word in asked):
            if name not in sections:
                sections.append(name)
            words.append([place[word] for word in asked])
            section.append(sections.index(name))
    return AnalogyQuestions(np.array(words, dtype=np.int64).reshape(-1, 4), np.array(section, dtype=np.int64),
                            tuple(sections), total)


def answer_analogies(W: ArrayLike, words: ArrayLike) -> np.ndarray:
    """Answers by adding cosines (3CosAdd): the word nearest to b - a + c, other than these three.

    Source: chapter 18; Mikolov et al. (2013); Levy and Goldberg (2014).

    Args:
        W: word vectors, (V, d); they are scaled to length one.
        words: rows for a, b, c (a fourth is not looked at), (k, 3) or (k, 4).

    Returns:
        The row of each answer, (k,).

    Raises:
        ValueError: W is no finite matrix, or rows that it has not.

    >>> answer_analogies([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [-1.0, 2.0], [1.0, -3.0]], [[0, 1, 2]]).tolist()
    [3]
    """
    W, words = np.asarray(W, dtype=np.float64), np.asarray(words)
    if W.ndim != 2 or not np.all(np.isfinite(W)):
        raise ValueError(f"W: got shape {W.shape}, want a finite matrix (V, d), a word a row")
    if words.ndim != 2 or words.shape[1] not in (3, 4) or (words.size and not 0 <= words.min() <= words.max() < len(W)):
        raise ValueError(f"words: got shape {words.shape}, want rows of W for a, b and c, (k, 3), from 0 to {len(W) - 1}")
    lengths = np.linalg.norm(W, axis=1, keepdims=True)
    unit = np.divide(W, lengths, out=np.zeros_like(W), where=lengths > 0)
    a, b, c = words[:, :3].T
    likeness = (unit[b] - unit[a] + unit[c]) @ unit.T
    likeness[np.arange(len(words))[:, None], words[:, :3]] = -np.inf
    return likeness.argmax(axis=1)


@dataclass(frozen=True)
class RankAgreement:
    """What `rank_agreement` found, for g geometries.

    Source: chapter 18; Spearman (1904).

    Attributes:
        r: Spearman's correlations with the ratings, (g,).
        p: the chance of one at least as large when ratings are shuffled, (g,).
        resampled: correlations on resampled pairs, the same for all geometries, (g, resamples).

    >>> found = rank_agreement([[1, 2, 3, 4, 6, 5], [6, 5, 4, 3, 2, 1]], [1, 2, 3, 4, 5, 6], rng=np.random.default_rng(0))
    >>> found.r.round(3).tolist(), found.differ().tolist()
    ([0.943, -1.0], [[False, True], [True, False]])
    """

    r: np.ndarray
    p: np.ndarray
    resampled: np.ndarray

    def interval(self, level: float = 0.95) -> np.ndarray:
        """Percentile intervals of the correlations, by the bootstrap.

        Args:
            level: the chance that an interval is meant to hold the correlation.

        Returns:
            Both ends, (g, 2).

        >>> found = rank_agreement([[1, 2, 3, 4, 6, 5]], [1, 2, 3, 4, 5, 6], rng=np.random.default_rng(0))
        >>> low, high = found.interval()[0]
        >>> bool(low < found.r[0] <= high)
        True
        """
        return np.quantile(self.resampled, [(1 - level) / 2, (1 + level) / 2], axis=1).T

    def differ(self, level: float = 0.95) -> np.ndarray:
        """Which pairs of geometries differ; the level holds for all g (g - 1) / 2 of them together.

        Args:
            level: the chance that no pair is named wrongly.

        Returns:
            Whether they differ, bool, symmetric, (g, g).
        """
        g = len(self.r)
        tail = (1 - level) / 2 / max(1, g * (g - 1) // 2)
        low, high = np.quantile(self.resampled[:, None] - self.resampled[None], [tail, 1 - tail], axis=2)
        return (low > 0) | (high < 0)


def rank_agreement(scores: ArrayLike, ratings: ArrayLike, *, rng: np.random.Generator, resamples: int = 1999,
                   shuffles: int = 999) -> RankAgreement:
    """Spearman's correlation of scores with ratings, with a bootstrap over the rated pairs and a test by shuffles.

    Source: chapter 18; Spearman (1904).

    Args:
        scores: what g geometries say of k pairs, (g, k).
        ratings: what people say, (k,).
        rng: of the resampling and the shuffles.
        resamples: how many resamples, each the same for all geometries: differences can be compared.
        shuffles: how many shuffles; p counts the data as one of them.

    Returns:
        Correlations, p-values and correlations on the resamples, for each geometry.

    Raises:
        ValueError: fewer than five pairs, or shapes that do not fit.
        TypeError: rng is not a generator.

    >>> found = rank_agreement([[1, 2, 3, 4, 6, 5]], [1, 2, 3, 4, 5, 6], rng=np.random.default_rng(0))
    >>> round(float(found.r[0]), 3), bool(found.p[0] < 0.05)
    (0.943, True)
    """
    scores, ratings = np.asarray(scores, dtype=np.float64), np.asarray(ratings, dtype=np.float64)
    if scores.ndim != 2 or ratings.shape != scores.shape[1:] or len(ratings) < 5:
        raise ValueError(f"scores, ratings: got shapes {scores.shape} and {ratings.shape}, want (g, k) and (k,), k at least 5")
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng: got {type(rng).__name__}, want a numpy.random.Generator (default_rng(seed))")
    r, k = _correlate(_ranks(scores), _ranks(ratings)), len(ratings)
    drawn = rng.integers(k, size=(resamples, k))
    resampled = np.array([_correlate(_ranks(one[drawn]), _ranks(ratings[drawn])) for one in scores])
    order = rng.permuted(np.tile(np.arange(k), (shuffles, 1)), axis=1)
    null = np.array([_correlate(_ranks(one), _ranks(ratings)[order]) for one in scores])
    return RankAgreement(r, (1 + np.sum(null >= r[:, None] - 1e-12, axis=1)) / (1 + shuffles), resampled)


def _ranks(A: np.ndarray) -> np.ndarray:
    return stats.rankdata(A, axis=-1)


def _correlate(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Pearson's correlation along the last axis; 0 where one side is constant."""
    A, B = (X - X.mean(axis=-1, keepdims=True) for X in (A, B))
    scale = np.sqrt(np.sum(A**2, axis=-1) * np.sum(B**2, axis=-1))
    return np.divide(np.sum(A * B, axis=-1), scale, out=np.zeros(np.shape(scale)), where=scale > 0)

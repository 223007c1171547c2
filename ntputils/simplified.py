"""A language of a few hundred contexts over a hundred next words, made from the counts of TinyStories.

The recipe is that of the paper's "simplified TinyStories", with counts and a dictionary of our own: the most frequent
contexts of five words with more than one next word; their frequent next words; and, for each context, variants in which
words change for others with the same role. A variant inherits the support of its original, so that large groups of
contexts share a support.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from importlib import resources

import numpy as np

from .types import SoftLabels

_BASES = 40          # originals looked at
_SHARE = 0.03        # a next word counts if it is at least this share of an original's occurrences,
_MANY = 8            # and, for originals with at least this many next words,
_SEEN = 2            # if it was seen at least this often


def _dictionary() -> dict[str, list[str]]:
    """What may stand for a word."""
    text = resources.files("ntputils").joinpath("data/variants.txt").read_text(encoding="utf-8")
    pairs = (line.split("|") for line in text.splitlines() if line and not line.startswith("#"))
    return {word.strip(): others.split() for word, others in pairs}


def _variants(context: str, dictionary: dict[str, list[str]]) -> Iterator[str]:
    """The context itself, then those with one word changed, then with two, ..."""
    words = context.split()
    places = [i for i, word in enumerate(words) if word in dictionary]
    for changes in range(len(places) + 1):
        for chosen in itertools.combinations(places, changes):
            for others in itertools.product(*(dictionary[words[i]] for i in chosen)):
                new = list(words)
                for i, other in zip(chosen, others):
                    new[i] = other
                yield " ".join(new)


def _originals(stories: SoftLabels) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The most frequent contexts with more than one next word: their words, next tokens and counts."""
    found, P = [], stories.P
    totals = np.rint(stories.pi * stories.n)
    many = [j for j in np.argsort(-totals, kind="stable") if stories.support_sizes[j] > 1]
    for j in many[:_BASES]:
        column = slice(P.indptr[j], P.indptr[j + 1])
        tokens, seen = P.indices[column], np.rint(P.data[column] * totals[j])
        keep = seen >= max(_SHARE * totals[j], _SEEN if len(seen) >= _MANY else 1)
        if keep.sum() > 1:
            found.append((stories.context(j), tokens[keep], seen[keep]))
    return found


def simplified(stories: SoftLabels, *, seed: int | np.random.Generator = 0, contexts: int = 404,
               draw: str = "uniform") -> SoftLabels:
    """Makes the simplified language from the counts of real stories.

    Args:
        stories: soft labels of five-word contexts, made from counts.
        seed: of the uniform draw.
        contexts: how many contexts there shall be; originals take turns, changes of one word before those of two.
        draw: "uniform" draws the count of each pair from 1 to 4, as the paper does; "frequencies" gives each variant
            the counts of its original.

    Returns:
        Soft labels; contexts are strings, an original followed by its variants.

    Raises:
        ValueError: another draw, or more contexts than there are variants.
    """
    if draw not in ("uniform", "frequencies"):
        raise ValueError(f"draw: got {draw!r}, want 'uniform' or 'frequencies'")
    if contexts < 1:
        raise ValueError(f"contexts: got {contexts}, want at least 1")
    originals, dictionary = _originals(stories), _dictionary()
    queues = [_variants(text, dictionary) for text, _, _ in originals]
    names: list[list[str]] = [[] for _ in originals]
    taken, open_queues = set[str](), set(range(len(originals)))
    while len(taken) < contexts:
        if not open_queues:
            raise ValueError(f"contexts: got {contexts}, want at most {len(taken)}: there are no more variants")
        for i in sorted(open_queues):
            name = next((name for name in queues[i] if name not in taken), None)
            if name is None:
                open_queues.remove(i)
            elif len(taken) < contexts:
                taken.add(name)
                names[i].append(name)
    rng = np.random.default_rng(seed)
    tokens = sorted({z for _, next_tokens, _ in originals for z in next_tokens})
    row = {z: i for i, z in enumerate(tokens)}
    counts = np.zeros((len(tokens), contexts))
    for j, i in enumerate(i for i, group in enumerate(names) for _ in group):
        _, next_tokens, seen = originals[i]
        drawn = rng.integers(1, 4, size=len(seen), endpoint=True) if draw == "uniform" else seen
        counts[[row[z] for z in next_tokens], j] = drawn
    used = counts.any(axis=1)
    return SoftLabels.from_counts(counts[used], vocab=[stories.vocab[tokens[i]] for i in np.flatnonzero(used)],
                                  contexts=tuple(name for group in names for name in group))

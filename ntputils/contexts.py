"""Counting contexts: from token ids to `SoftLabels`, exactly, for any vocabulary and context length.

A window of T + 1 tokens becomes one unsigned 64-bit number whose order is the window's lexicographic order; one sort
brings equal windows together, and run lengths are the counts. Where the tokens do not fit in 64 bits, short grams are
first replaced by their rank among the grams that occur, which needs fewer bits and keeps the order. No hashing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from operator import index
from typing import Any

import numpy as np
import scipy.sparse as sp

from ._hints import ArrayLike, MatrixLike
from .corpus import index_tokens
from .types import Corpus, SoftLabels

_CAPACITY = 2**64


# --- what was given ------------------------------------------------------------------------------------------------

def _whole(name: str, value: Any) -> int:
    """Checks that an argument is a whole number of at least 1."""
    try:
        number = None if isinstance(value, (bool, np.bool_)) else index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"{name}: got {value!r} ({type(value).__name__}), want a whole number >= 1")
    if number < 1:
        raise ValueError(f"{name}: got {number}, want at least 1")
    return number


@dataclass(frozen=True)
class _Text:
    """Tokens ready to be counted: ids below V are the vocabulary, the id V is `<unk>`."""

    ids: np.ndarray         # (n,) int32
    vocab: tuple[str, ...]  # V
    breaks: np.ndarray      # (n - 1,) bool: a document ends between i and i + 1; or empty: one document

    @property
    def radix(self) -> int:
        return max(len(self.vocab), int(self.ids.max()) + 1)


def _breaks(doc_ids: object, n: int) -> np.ndarray:
    """Where one document ends and the next begins; an empty array where there is one document."""
    if doc_ids is None:
        return np.empty(0, bool)
    docs = np.asarray(doc_ids)
    if docs.ndim != 1 or (docs.size and docs.dtype.kind not in "iu"):
        raise TypeError(f"doc_ids: got {docs.dtype} with {docs.ndim} axes, want one integer for each token")
    if len(docs) != n:
        raise ValueError(f"doc_ids: got {len(docs)} of them for {n} tokens, want one for each")
    breaks = docs[1:] != docs[:-1]
    return breaks if breaks.any() else np.empty(0, bool)


def _most_frequent(ids: np.ndarray, size: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Keeps the `size` most frequent ids (ties: the smaller), renumbered in their order; the rest become `<unk>`."""
    distinct, inverse, counts = np.unique(ids, return_inverse=True, return_counts=True)
    kept = np.sort(np.argsort(-counts, kind="stable")[:size])
    number = np.full(len(distinct), len(kept), np.int32)
    number[kept] = np.arange(len(kept), dtype=np.int32)
    return number[inverse], tuple(map(str, distinct[kept].tolist()))


def _from_integers(tokens: object, vocab_size: int | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Token ids and vocabulary from raw integers."""
    ids = np.asarray(tokens)
    if ids.ndim == 1 and ids.size == 0:
        raise ValueError("tokens: got none, want at least one token")
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise TypeError(f"tokens: got {ids.dtype} with {ids.ndim} axes, want a Corpus, integers with one axis, "
                        "or a sequence of strings")
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= 2**31 - 1:
        raise ValueError(f"tokens: got the token id {low if low < 0 else high}, outside the vocabulary, "
                         "want ids from 0 to 2**31 - 2")
    if vocab_size is None or high < vocab_size:
        size = high + 1 if vocab_size is None else vocab_size
        return ids.astype(np.int32, copy=False), tuple(map(str, range(size)))
    return _most_frequent(ids, vocab_size)


def _strings(tokens: object) -> bool:
    """Whether `tokens` is a sequence of strings."""
    if isinstance(tokens, np.ndarray):
        return tokens.ndim == 1 and (tokens.dtype.kind == "U" or bool(tokens.size and isinstance(tokens[0], str)))
    return isinstance(tokens, (list, tuple)) and len(tokens) > 0 and isinstance(tokens[0], str)


def _read(tokens: Any, vocab_size: int | None, doc_ids: ArrayLike | None) -> _Text:
    """Turns any accepted form of tokens into ids, a vocabulary and document breaks."""
    if isinstance(tokens, (str, bytes)):
        raise TypeError(f"tokens: got {type(tokens).__name__}, want tokens; SoftLabels.from_text takes a text")
    if isinstance(tokens, Corpus):
        doc_ids = tokens.doc_ids if doc_ids is None else doc_ids
        ids, vocab = tokens.tokens, tokens.vocab
    elif _strings(tokens):
        ids, vocab, _ = index_tokens([tokens.tolist() if isinstance(tokens, np.ndarray) else tokens])
    else:
        ids, vocab = _from_integers(tokens, vocab_size)
    if vocab_size is not None and vocab_size < len(vocab):
        ids, vocab = np.minimum(ids, np.int32(vocab_size)), vocab[:vocab_size]
    if len(ids) >= 2**31 - 1:
        raise ValueError(f"tokens: got {len(ids)}, want fewer than 2**31 - 1")
    return _Text(ids, vocab, _breaks(doc_ids, len(ids)))


def _occurs(text: _Text, T: int) -> np.ndarray | None:
    """Which windows stay in one document and end in the vocabulary: bool (n - T,), or None where all do."""
    following = text.ids[T:]
    known = following < len(text.vocab)
    if not text.breaks.size:
        return None if known.all() else known
    passed = np.zeros(len(text.ids), np.int32)
    np.cumsum(text.breaks, out=passed[1:])
    return known & (passed[T:] == passed[:-T])


# --- ranks ---------------------------------------------------------------------------------------------------------

def _pack(columns: list[np.ndarray], radices: list[int]) -> np.ndarray:
    """One number for each row of `columns`, in mixed radix: the order of the numbers is lexicographic order."""
    key = columns[0].astype(np.uint64)
    for column, radix in zip(columns[1:], radices[1:]):
        key *= np.uint64(radix)
        key += column.astype(np.uint64)
    return key


def _starts(ordered: np.ndarray) -> np.ndarray:
    """Where a new value begins in a sorted array: bool, its first entry True."""
    new = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return new


def _ends(new: np.ndarray) -> np.ndarray:
    """Where the runs of a sorted array begin, and after them where the last one ends: int32."""
    return np.append(np.flatnonzero(new).astype(np.int32), np.int32(len(new)))


def _rank(key: np.ndarray, bound: int, capacity: int = _CAPACITY) -> tuple[np.ndarray, np.ndarray]:
    """Replaces numbers by their rank among the distinct ones, exactly, order kept; overwrites `key`.

    Returns the ranks, int32 (n,), and the distinct numbers, rising.
    """
    bits = max(1, (len(key) - 1).bit_length())
    if bound << bits <= capacity:  # number and position fit in one word: a sort does, far cheaper than an argsort
        key <<= np.uint64(bits)
        key |= np.arange(len(key), dtype=np.uint64)
        key.sort()
        position = (key & np.uint64((1 << bits) - 1)).view(np.int64)
        key >>= np.uint64(bits)
    else:
        position = np.argsort(key)
        key = key[position]
    new = _starts(key)
    ranks = np.empty(len(key), np.int32)
    ranks[position] = np.cumsum(new, dtype=np.int32) - np.int32(1)
    return ranks, key[new]


@dataclass(frozen=True)
class _Grams:
    """The k-grams of a text, each as a number below `radix` that keeps lexicographic order."""

    k: int
    at: np.ndarray                      # (n - k + 1,) the number of the gram that starts at i
    radix: int
    pieces: tuple[_Grams, ...] = ()     # what it was made of; nothing for single tokens
    distinct: np.ndarray | None = None  # (radix,) the packed pieces of each number


def _cover(grams: list[_Grams], length: int) -> tuple[_Grams, ...]:
    """Covers `length` tokens with the longest grams there are."""
    pieces = []
    while length:
        piece = max((g for g in grams if g.k <= length), key=lambda g: g.k)
        pieces.append(piece)
        length -= piece.k
    return tuple(pieces)


def _longer(grams: list[_Grams], length: int, capacity: int) -> _Grams:
    """Ranks a longer gram: the longest there is, and after it as much as one sort can take (one piece at least)."""
    n = len(grams[0].at)
    room = capacity >> max(1, (n - 1).bit_length())
    pieces = [grams[-1]]
    k = pieces[0].k
    while k < length:
        fitting = [g for g in grams if g.k <= length - k and prod(p.radix for p in pieces) * g.radix <= room]
        if not fitting and len(pieces) > 1:
            break
        pieces.append(max(fitting, key=lambda g: g.k) if fitting else grams[0])
        k += pieces[-1].k
    key = _windows(pieces, n - k + 1)
    ranks, distinct = _rank(key, prod(p.radix for p in pieces), capacity)
    return _Grams(k, ranks, len(distinct), tuple(pieces), distinct)


def _windows(pieces: Sequence[_Grams], size: int) -> np.ndarray:
    """The packed number of each of the `size` windows that the pieces make side by side."""
    offsets = np.cumsum([0] + [p.k for p in pieces])
    return _pack([p.at[o:o + size] for p, o in zip(pieces, offsets)], [p.radix for p in pieces])


def _plan(ids: np.ndarray, radix: int, T: int, capacity: int) -> tuple[_Grams, ...]:
    """Pieces that cover a context and, with the next token, fit in one word; ranks grams until there are such."""
    grams = [_Grams(1, ids, radix)]
    while True:
        pieces = _cover(grams, T)
        if prod(p.radix for p in pieces) * radix <= capacity or len(pieces) == 1:
            return pieces
        grams.append(_longer(grams, T, capacity))


def _spell(key: np.ndarray, pieces: tuple[_Grams, ...], tokens: np.ndarray) -> None:
    """Unpacks numbers into `tokens`, of shape (numbers, length of the pieces), reading each gram's own pieces."""
    end = tokens.shape[1]
    for i in reversed(range(len(pieces))):
        piece, number = pieces[i], key
        if i:
            key = number // np.uint64(piece.radix)
            number = number - key * np.uint64(piece.radix)
        if piece.distinct is not None:
            _spell(piece.distinct[number.view(np.int64)], piece.pieces, tokens[:, end - piece.k:end])
        else:
            tokens[:, end - 1] = number
        end -= piece.k


# --- counts --------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class _Tally:
    """Distinct contexts in lexicographic order, and the distinct (context, next token) pairs in theirs."""

    key: np.ndarray          # (m,) packed contexts
    occurrences: np.ndarray  # (m,)
    first_pair: np.ndarray   # (m + 1,) where a context's pairs begin
    token: np.ndarray        # (pairs,) int32
    count: np.ndarray        # (pairs,)
    pieces: tuple[_Grams, ...]


def _tally(text: _Text, T: int, capacity: int = _CAPACITY) -> _Tally:
    """Counts every context of length T and what follows it."""
    ids, radix = text.ids, text.radix
    size = max(0, len(ids) - T)
    occurs = _occurs(text, T) if size else np.zeros(0, bool)
    if occurs is not None and not occurs.any():
        raise ValueError(f"context_length: got {T} for {len(ids)} tokens in {int(text.breaks.sum()) + 1} documents, "
                         "and no context has a next token in the vocabulary; want a shorter one, or more text")
    pieces = _plan(ids, radix, T, capacity)
    key = _windows([*pieces, _Grams(1, ids, radix)], size)
    key = key if occurs is None else key[occurs]
    key.sort()
    new = _starts(key)
    begin, pair = _ends(new), key[new]
    del key
    context = pair // np.uint64(radix)
    pair -= context * np.uint64(radix)
    new = _starts(context)
    first_pair = _ends(new)
    return _Tally(context[new], np.diff(begin[first_pair]), first_pair, pair.astype(np.int32), np.diff(begin), pieces)


def _by_falling_count(occurrences: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Orders contexts by falling count, ties as they stand. Those seen once are in order already and need no sort."""
    often = kept[occurrences[kept] > 1]
    falling = np.argsort(-occurrences[often], kind="stable")
    return np.concatenate([often[falling], kept[occurrences[kept] == 1]])


def _labels(tally: _Tally, order: np.ndarray, text: _Text) -> SoftLabels:
    """Puts the chosen contexts, in this order, into `SoftLabels`."""
    sizes = np.diff(tally.first_pair)[order]
    indptr = np.zeros(len(order) + 1, np.int32)
    np.cumsum(sizes, out=indptr[1:])
    pairs = np.repeat(tally.first_pair[order] - indptr[:-1], sizes)
    pairs += np.arange(indptr[-1], dtype=np.int32)
    occurrences = tally.occurrences[order]
    probability = tally.count[pairs] / np.repeat(occurrences, sizes)
    P = sp.csc_array((probability, tally.token[pairs], indptr), shape=(len(text.vocab), len(order)))
    contexts = np.empty((len(order), sum(piece.k for piece in tally.pieces)), np.int32)
    _spell(tally.key[order], tally.pieces, contexts)
    n = int(occurrences.sum())
    return SoftLabels(P, occurrences / n, text.vocab, contexts, n)


def count_contexts(tokens: Corpus | ArrayLike, *, context_length: int, vocab_size: int | None = None,
                   doc_ids: ArrayLike | None = None, max_contexts: int | None = None, min_count: int = 1,
                   min_support: int = 1) -> SoftLabels:
    """Counts which token follows which context.

    An occurrence of a context of length T is T consecutive tokens of one document followed by a token of the
    vocabulary. Contexts come in order of falling count, ties by token ids. The filters apply in the order of
    `min_count`, `min_support`, `max_contexts`, and `pi` is renormalised over what is left.

    Source: chapter 1, "Soft labels".

    Args:
        tokens: a `Corpus`, token ids >= 0, (n,), or a sequence of strings, (n,).
        context_length: T, how many tokens make a context.
        vocab_size: keeps only so many tokens: of a `Corpus` the first, of strings and ids the most frequent (ids
            that are all below `vocab_size` stay as they are, and V = `vocab_size`). The rest become `<unk>`, which
            may stand in a context (as the id V) and is never a next token.
        doc_ids: the document of each token, shape (n,): no context crosses a change. A `Corpus` brings its own.
        max_contexts: keeps only so many contexts, the most frequent.
        min_count: keeps only contexts with so many occurrences.
        min_support: keeps only contexts with so many distinct next tokens.

    Returns:
        Soft labels of V tokens and m contexts, with contexts of shape (m, T).

    Raises:
        TypeError: tokens or doc_ids that are not integers with one axis (or strings); numbers that are not whole.
        ValueError: no tokens; a token id below zero; numbers below 1; lengths that differ; no context left.

    >>> labels = count_contexts([0, 1, 2, 0, 1, 3], context_length=2)
    >>> labels.contexts.tolist(), labels.pi.tolist(), labels.P.toarray()[:, 0].tolist()
    ([[0, 1], [1, 2], [2, 0]], [0.5, 0.25, 0.25], [0.0, 0.0, 0.5, 0.5])
    >>> count_contexts("to be or not to be".split(), context_length=1, vocab_size=2).context(1)
    '<unk>'
    >>> count_contexts([], context_length=2)
    Traceback (most recent call last):
        ...
    ValueError: tokens: got none, want at least one token
    """
    T = _whole("context_length", context_length)
    vocab_size = None if vocab_size is None else _whole("vocab_size", vocab_size)
    most = None if max_contexts is None else _whole("max_contexts", max_contexts)
    least, support = _whole("min_count", min_count), _whole("min_support", min_support)
    text = _read(tokens, vocab_size, doc_ids)
    tally = _tally(text, T)
    kept = np.flatnonzero((tally.occurrences >= least) & (np.diff(tally.first_pair) >= support))
    if not kept.size:
        raise ValueError(f"min_count, min_support: got {least} and {support}, which leave none of the "
                         f"{len(tally.key)} contexts, want smaller ones, or more text")
    return _labels(tally, _by_falling_count(tally.occurrences, kept)[:most], text)


# --- equal supports ------------------------------------------------------------------------------------------------

def _halve(values: np.ndarray, sizes: np.ndarray, bound: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Joins neighbours 2t and 2t + 1 of every column into one exact number; a last one without partner gets 0."""
    begin = np.cumsum(sizes) - sizes
    half = (sizes + 1) // 2
    left = 2 * (np.arange(half.sum()) - np.repeat(np.cumsum(half) - half, half))
    alone = left + 1 == np.repeat(sizes, half)
    left += np.repeat(begin, half)
    # A partner is never 0 itself: row numbers rise down a column, and ranks keep that.
    right = np.where(alone, 0, values[np.minimum(left + 1, len(values) - 1)])
    ranks, distinct = _rank(_pack([values[left], right], [bound, bound]), bound * bound)
    return ranks, half, len(distinct)


def _column_numbers(indices: np.ndarray, sizes: np.ndarray, rows: int) -> np.ndarray:
    """A number for each column that equals another's exactly where their row indices are equal."""
    number = np.zeros(len(sizes), np.int64)          # empty columns keep 0
    active = np.flatnonzero(sizes)
    values, sizes, bound, base = indices, sizes[active], rows, 1
    while active.size:
        done = sizes == 1                            # only columns of lengths that halve equally often meet here
        number[active[done]] = base + values[np.repeat(done, sizes)]
        base += bound
        values, active, sizes = values[np.repeat(~done, sizes)], active[~done], sizes[~done]
        if active.size:
            values, sizes, bound = _halve(values, sizes, bound)
    return number


def merge_columns(S: MatrixLike) -> tuple[sp.csc_array, np.ndarray, np.ndarray]:
    """Finds the distinct columns of a sparse pattern, exactly, by pairwise factorisation.

    Args:
        S: boolean, sparse or dense (V, m); stored entries count as True.

    Returns:
        The distinct columns, bool `csc_array` (V, u), in order of first appearance; for each of the m columns the
        number of its equal there, int64 (m,); how many columns are equal to each, int64 (u,).

    >>> S, inverse, counts = merge_columns(np.array([[1, 0, 1], [1, 1, 1]], dtype=bool))
    >>> S.toarray().astype(int).tolist(), inverse.tolist(), counts.tolist()
    ([[1, 0], [1, 1]], [0, 1, 0], [2, 1])
    """
    S = sp.csc_array(S).astype(bool)
    if not S.has_canonical_format:
        S.sum_duplicates()
    number = _column_numbers(S.indices, np.diff(S.indptr), S.shape[0])
    ranks, distinct = _rank(number.astype(np.uint64), int(number.max(initial=0)) + 1)
    first = np.empty(len(distinct), np.int64)
    first[ranks[::-1]] = np.arange(len(ranks))[::-1]  # of several values for one place the last one stays
    appearance = np.argsort(first)
    place = np.empty(len(first), np.int64)
    place[appearance] = np.arange(len(first))
    inverse = place[ranks]
    return S[:, first[appearance]], inverse, np.bincount(inverse, minlength=len(first))

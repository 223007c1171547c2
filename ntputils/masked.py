"""Masked language models as soft labels: contexts that see tokens on both sides of a place, with some of them masked.

Nothing else in this package asks where the tokens of a context stand: what counts is which word stood in which place,
and how often. So a masked problem is a `SoftLabels` as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import scipy.sparse as sp

from ._hints import ArrayLike
from .contexts import _by_falling_count, _rank, _read, _Text, _whole
from .types import UNK, Corpus, SoftLabels

__all__ = ["IndependentFill", "fill_independently", "mask_patterns", "masked_labels", "pool_labels"]

ASKED, HIDDEN = "▢", "▒"      # the masked place that is asked for, and one that is masked as well


# --- windows -------------------------------------------------------------------------------------------------------

def _count(name: str, value: object) -> int:
    """A whole number of at least 0."""
    if isinstance(value, (int, np.integer)) and value < 0:
        raise ValueError(f"{name}: got {value}, want at least 0")
    return 0 if value == 0 and not isinstance(value, bool) else _whole(name, value)


def _centres(text: _Text, before: int, after: int, span: int = 1) -> np.ndarray:
    """Where `span` tokens of the vocabulary begin that have `before` and `after` tokens around them in one document."""
    n, size = len(text.ids), before + span + after
    document = np.zeros(n, np.int32)
    if text.breaks.size:
        np.cumsum(text.breaks, out=document[1:])
    begin = np.arange(max(0, n - size + 1))
    begin = begin[document[begin] == document[begin + size - 1]] + before
    for step in range(span):
        begin = begin[text.ids[begin + step] < len(text.vocab)]
    if not begin.size:
        raise ValueError(f"left, right: got a window of {size} tokens, which fits nowhere in {n} tokens in "
                         f"{int(document[-1]) + 1} documents, want a smaller one, or more text")
    return begin


def _number(columns: Sequence[np.ndarray], radix: int, size: int) -> tuple[np.ndarray, int]:
    """Ranks the rows of `columns` in lexicographic order, exactly: int32 (size,), and how many are distinct."""
    key, bound = np.zeros(size, np.uint64), 1
    for column in columns:
        if bound * radix > 2**64:
            ranks, distinct = _rank(key, bound)
            key, bound = ranks.astype(np.uint64), len(distinct)
        key = key * np.uint64(radix) + column.astype(np.uint64)
        bound *= radix
    ranks, distinct = _rank(key, bound)
    return ranks, len(distinct)


def _visible(left: int, right: int, hidden: Sequence[int]) -> list[int]:
    """The offsets of a window that can be seen from its asked place."""
    offsets = [*range(-left, 0), *range(1, right + 1)]
    hidden = list(hidden)
    if len(set(hidden)) < len(hidden) or not set(hidden) <= set(offsets):
        raise ValueError(f"hidden: got {hidden}, want distinct offsets among {offsets}")
    return [o for o in offsets if o not in hidden]


def masked_labels(tokens: Corpus | ArrayLike, *, left: int, right: int, hidden: Sequence[int] = (),
                  room: tuple[int, int] | None = None, vocab_size: int | None = None,
                  doc_ids: ArrayLike | None = None, max_contexts: int | None = None, min_count: int = 1,
                  min_support: int = 1) -> SoftLabels:
    """Counts which word stands in a masked place, given the tokens around it.

    An occurrence is a window of left + 1 + right tokens of one document, asked for the token after the first `left`. Its
    context is what else can be seen, written with `▢` in the asked place and `▒` in others that are masked too. Order, ties
    and filters are those of `count_contexts`, which this is where `right` is 0 and nothing is hidden.

    Source: chapter 19, "Masked contexts" and "The masked loss is a soft-label loss".

    Args:
        tokens: a `Corpus`, token ids, (n,), or strings, (n,), as `count_contexts` takes them.
        left: how many tokens of the window come before the asked one, at least 0.
        right: how many come after it.
        hidden: offsets from the asked place (-1 is the token before it) that are masked as well.
        room: counts only places with so many tokens before and after them in their document; (left, right) by
            default. With one `room`, different windows ask for the same places.
        vocab_size: keeps only so many tokens, as in `count_contexts`.
        doc_ids: the document of each token, (n,), as in `count_contexts`.
        max_contexts: keeps only so many contexts, the most frequent.
        min_count: keeps only contexts with so many occurrences.
        min_support: keeps only contexts with so many distinct words in the asked place.

    Returns:
        Soft labels of V tokens, contexts as strings.

    Raises:
        TypeError, ValueError: as `count_contexts`; a window without any other token; offsets outside the window; room for
            less than the window.

    >>> labels = masked_labels("the cat sat the dog sat".split(), left=1, right=1)
    >>> labels.contexts
    ('the ▢ sat', 'sat ▢ dog', 'cat ▢ the')
    >>> [labels.vocab[z] for z in labels.P[:, [0]].indices]
    ['cat', 'dog']
    >>> masked_labels("the cat sat the dog sat".split(), left=2, right=1, hidden=[-1]).contexts
    ('sat ▒ ▢ sat', 'the ▒ ▢ the', 'cat ▒ ▢ dog')
    """
    left, right = _count("left", left), _count("right", right)
    if not left + right:
        raise ValueError("left, right: got 0 and 0, want at least one other token in the window")
    before, after = (left, right) if room is None else (_count("room", side) for side in room)
    if before < left or after < right:
        raise ValueError(f"room: got {(before, after)}, want at least {(left, right)}, what the window needs")
    vocab_size = None if vocab_size is None else _whole("vocab_size", vocab_size)
    most = None if max_contexts is None else _whole("max_contexts", max_contexts)
    least, support = _whole("min_count", min_count), _whole("min_support", min_support)
    seen = _visible(left, right, hidden)
    text = _read(tokens, vocab_size, doc_ids)
    place = _centres(text, before, after)
    context, m = _number([text.ids[place + o] for o in seen], text.radix, len(place))
    pair = context.astype(np.int64) * len(text.vocab) + text.ids[place]
    pair, count = np.unique(pair, return_counts=True)
    column, token = np.divmod(pair, len(text.vocab))
    occurrences, sizes = np.bincount(context, minlength=m), np.bincount(column, minlength=m)
    kept = np.flatnonzero((occurrences >= least) & (sizes >= support))
    if not kept.size:
        raise ValueError(f"min_count, min_support: got {least} and {support}, which leave none of the {m} contexts, "
                         "want smaller ones, or more text")
    order = _by_falling_count(occurrences, kept)[:most]
    P = sp.csc_array((count / occurrences[column], (token, column)), shape=(len(text.vocab), m))[:, order]
    example = np.empty(m, np.int64)
    example[context] = place
    n = int(occurrences[order].sum())
    return SoftLabels(P, occurrences[order] / n, text.vocab, _names(text, example[order], left, right, seen), n)


def _names(text: _Text, place: np.ndarray, left: int, right: int, seen: list[int]) -> tuple[str, ...]:
    """The windows at some places as strings."""
    words = np.array([*text.vocab, UNK], dtype=object)
    unknown = len(text.vocab)
    columns = []
    for offset in range(-left, right + 1):
        if offset in seen:
            columns.append(words[np.minimum(text.ids[place + offset], unknown)].tolist())
        else:
            columns.append([HIDDEN if offset else ASKED] * len(place))
    return tuple(map(" ".join, zip(*columns)))


# --- random masks --------------------------------------------------------------------------------------------------

def mask_patterns(left: int, right: int, rate: float) -> dict[tuple[int, ...], float]:
    """What else is masked in a window whose asked place is masked, when each token is masked with chance `rate`.

    Source: chapter 19.

    Args:
        left: how many tokens come before the asked one.
        right: how many come after it.
        rate: from 0 to 1.

    Returns:
        Offsets of the tokens that are hidden as well, to the chance of exactly these; those that cannot be are left out.

    Raises:
        TypeError: sizes that are not whole numbers.
        ValueError: a rate outside [0, 1], or sizes below zero.

    >>> {hidden: round(chance, 4) for hidden, chance in mask_patterns(1, 1, 0.15).items()}
    {(): 0.7225, (-1,): 0.1275, (1,): 0.1275, (-1, 1): 0.0225}
    """
    left, right = _count("left", left), _count("right", right)
    if not 0 <= rate <= 1:
        raise ValueError(f"rate: got {rate}, want a chance from 0 to 1")
    offsets = [*range(-left, 0), *range(1, right + 1)]
    chances = {hidden: rate**q * (1 - rate)**(len(offsets) - q)
               for q in range(len(offsets) + 1) for hidden in combinations(offsets, q)}
    return {hidden: chance for hidden, chance in chances.items() if chance > 0}


def pool_labels(parts: Sequence[SoftLabels], weights: ArrayLike) -> SoftLabels:
    """Several problems over one vocabulary as one: their contexts side by side, `pi` weighted.

    With one part for each pattern of masks, weighted by its chance, these are the soft labels of random masking.

    Source: chapter 19, "The masked loss is a soft-label loss".

    Args:
        parts: soft labels over the same vocabulary, without a context in common.
        weights: one for each part, above 0, (parts,); they are scaled to sum 1.

    Returns:
        Soft labels with all contexts, as strings; n is 0, since weighted counts are none.

    Raises:
        ValueError: no part, another vocabulary, a context in two parts, weights that are not positive or not as many.

    >>> words = "the cat sat the dog sat".split()
    >>> parts = [masked_labels(words, left=1, right=1, hidden=hidden) for hidden in [(), (1,)]]
    >>> pool_labels(parts, [0.9, 0.1]).contexts
    ('the ▢ sat', 'sat ▢ dog', 'cat ▢ the', 'the ▢ ▒', 'sat ▢ ▒', 'cat ▢ ▒')
    """
    weights = np.asarray(weights, dtype=np.float64)
    if not len(parts) or weights.shape != (len(parts),) or not np.all(np.isfinite(weights)) or weights.min() <= 0:
        raise ValueError(f"parts, weights: got {len(parts)} parts and weights {weights.tolist()}, want at least one part and "
                         "a weight above 0 for each")
    if any(part.vocab != parts[0].vocab for part in parts):
        raise ValueError("parts: got different vocabularies, want the same words in the same order")
    contexts = [part.context(j) for part in parts for j in range(part.m)]
    if len(set(contexts)) < len(contexts):
        twice = Counter(contexts).most_common(1)[0][0]
        raise ValueError(f"parts: got the context {twice!r} twice, want contexts that differ")
    pi = np.concatenate([weight * part.pi for weight, part in zip(weights / weights.sum(), parts)])
    return SoftLabels(sp.hstack([part.P for part in parts], format="csc"), pi / pi.sum(), parts[0].vocab, tuple(contexts))


# --- several masks at once -----------------------------------------------------------------------------------------

@dataclass(frozen=True)
class IndependentFill:
    """What is lost when adjacent masks are filled one by one, each from its own exact probabilities.

    Source: chapter 19, "One by one"; Yang et al. (2019).

    Attributes:
        joint: entropy of all masked tokens together, given what can be seen, in nats.
        marginal: the sum of their entropies one by one, in nats, what a masked model's loss can reach; never below `joint`.
        never: the probability of filling in tokens that never stood there together.
        windows: how many occurrences were counted.

    >>> fill = fill_independently("a x y b a u v b".split(), left=1, right=1)
    >>> fill.windows, bool(fill.joint < fill.marginal)
    (5, True)
    """

    joint: float
    marginal: float
    never: float
    windows: int


def fill_independently(tokens: Corpus | ArrayLike, *, left: int, right: int, masks: int = 2,
                       vocab_size: int | None = None, doc_ids: ArrayLike | None = None) -> IndependentFill:
    """Fills `masks` adjacent masked places from the exact probability of each, and compares with what stood there.

    Masked models give each masked place a distribution of its own, given what can be seen. Trained to the end, place i
    has p_i(z | context); together they say prod_i p_i. That product differs from the joint distribution of the text unless the
    masked tokens are independent given the context: sum_i H_i - H is its mean Kullback-Leibler divergence.

    Source: chapter 19, "One by one"; Yang et al. (2019).

    Args:
        tokens: a `Corpus`, token ids, (n,), or strings, (n,), as `count_contexts` takes them.
        left: how many tokens can be seen before the masks.
        right: how many after them.
        masks: how many adjacent tokens are masked.
        vocab_size: keeps only so many tokens, as in `count_contexts`; masked tokens are among these.
        doc_ids: the document of each token, (n,), as in `count_contexts`.

    Returns:
        Entropies and the probability of what never stood there.

    Raises:
        TypeError, ValueError: as `masked_labels`.

    >>> fill = fill_independently("a x y b a u v b".split(), left=1, right=1)
    >>> round(fill.never, 3), float(round((fill.marginal - fill.joint) / np.log(2), 3))    # x v, u y
    (0.2, 0.4)
    """
    left, right, masks = _count("left", left), _count("right", right), _whole("masks", masks)
    if not left + right:
        raise ValueError("left, right: got 0 and 0, want at least one token that can be seen")
    text = _read(tokens, None if vocab_size is None else _whole("vocab_size", vocab_size), doc_ids)
    place = _centres(text, left, right, masks)
    n, radix, V = len(place), text.radix, len(text.vocab)
    around = [text.ids[place + o] for o in (*range(-left, 0), *range(masks, masks + right))]
    asked = [text.ids[place + i] for i in range(masks)]
    context, m = _number(around, radix, n)
    window, size = _number([context, *asked], max(radix, m), n)
    total, together = np.bincount(context)[context], np.bincount(window, minlength=size)[window]
    marginal, product = 0.0, np.ones(n)
    for z in asked:
        alone = np.unique(context.astype(np.int64) * V + z, return_inverse=True)[1]
        p = np.bincount(alone)[alone] / total
        marginal -= float(np.mean(np.log(p)))
        product *= p
    # A distinct window adds pi_j prod p_i; each of its `together` occurrences carries an equal share of that.
    return IndependentFill(float(-np.mean(np.log(together / total)) + 0.0), marginal + 0.0,
                           max(0.0, float(1 - np.sum(product * total / together) / n)), n)

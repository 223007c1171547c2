"""Counting, against a count that reads the definition aloud with dictionaries."""

from collections import Counter, defaultdict
from math import log

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from ntputils import Corpus, SoftLabels, contexts as contexts_module, count_contexts
from ntputils.contexts import merge_columns


# --- the oracle -----------------------------------------------------------------------------------------------------

def slow_count(tokens, docs, T, V, *, max_contexts=None, min_count=1, min_support=1):
    """{context: Counter of next tokens} in the order of the definition; ids from V on are <unk>, written V."""
    followers = defaultdict(Counter)
    ids = [min(t, V) for t in tokens]
    for i in range(len(ids) - T):
        one_document = all(docs[k] == docs[i] for k in range(i, i + T + 1))
        if one_document and ids[i + T] != V:
            followers[tuple(ids[i:i + T])][ids[i + T]] += 1
    kept = [(c, f) for c, f in followers.items() if f.total() >= min_count and len(f) >= min_support]
    kept.sort(key=lambda pair: (-pair[1].total(), pair[0]))
    return kept[:max_contexts]


def agree(labels, expected):
    """Whether soft labels say exactly what the slow count says."""
    n = sum(f.total() for _, f in expected)
    assert (labels.n, labels.m) == (n, len(expected))
    assert labels.contexts.tolist() == [list(c) for c, _ in expected]
    P = np.zeros((labels.V, labels.m))
    for j, (_, f) in enumerate(expected):
        for z, count in f.items():
            P[z, j] = count / f.total()
    np.testing.assert_array_equal(labels.P.toarray(), P)                    # one division each: equal to the last bit
    np.testing.assert_array_equal(labels.pi, [f.total() / n for _, f in expected])
    entropy = -sum(k / n * log(k / f.total()) for _, f in expected for k in f.values())
    assert abs(labels.entropy() - entropy) < 1e-12                          # at most 80 terms below 1: 80 roundings


@st.composite
def texts(draw, kinds=6):
    """Token ids and documents that often repeat."""
    tokens = draw(st.lists(st.integers(0, kinds - 1), min_size=1, max_size=80))
    docs = np.sort(draw(st.lists(st.integers(0, 4), min_size=len(tokens), max_size=len(tokens)))).tolist()
    return tokens, docs if draw(st.booleans()) else [0] * len(tokens)


FILTERS = st.fixed_dictionaries({"max_contexts": st.none() | st.integers(1, 5), "min_count": st.integers(1, 3),
                                 "min_support": st.integers(1, 3)})
SETTINGS = settings(max_examples=200, deadline=None)


def ordered_corpus(tokens, docs):
    """A corpus whose ids are in order of falling count, and the ids it gave."""
    letters = [chr(97 + t) for t in tokens]
    falling = sorted(set(letters), key=lambda w: (-letters.count(w), w))
    ids = [falling.index(w) for w in letters]
    return Corpus(ids, falling, docs), ids


# --- the definition -------------------------------------------------------------------------------------------------

@SETTINGS
@given(texts(), st.integers(1, 5), st.none() | st.integers(1, 8), FILTERS)
def test_a_corpus_is_counted_as_defined(text, T, vocab_size, filters):
    corpus, ids = ordered_corpus(*text)
    V = min(vocab_size or corpus.V, corpus.V)
    expected = slow_count(ids, text[1], T, V, **filters)
    if not expected:
        with pytest.raises(ValueError, match="context_length: got|min_count, min_support: got"):
            count_contexts(corpus, context_length=T, vocab_size=vocab_size, **filters)
        return
    labels = count_contexts(corpus, context_length=T, vocab_size=vocab_size, **filters)
    assert labels.vocab == corpus.vocab[:V]
    agree(labels, expected)


@SETTINGS
@given(texts(), st.integers(1, 4), FILTERS)
def test_raw_ids_are_counted_as_defined(text, T, filters):
    tokens, docs = text
    V = max(tokens) + 1
    expected = slow_count(tokens, docs, T, V, **filters)
    if not expected:
        with pytest.raises(ValueError):
            count_contexts(tokens, context_length=T, doc_ids=docs, **filters)
        return
    agree(count_contexts(tokens, context_length=T, doc_ids=docs, **filters), expected)
    wide = count_contexts(tokens, context_length=T, doc_ids=docs, vocab_size=V + 3, **filters)
    assert wide.V == V + 3 and wide.vocab == tuple(map(str, range(V + 3)))
    agree(wide, expected)


@SETTINGS
@given(texts(), st.integers(1, 3), st.integers(1, 5))
def test_raw_ids_keep_the_most_frequent(text, T, vocab_size):
    tokens, docs = [3 * t + 2 for t in text[0]], text[1]                    # every id is at least 2: gaps to close
    if max(tokens) < vocab_size:
        vocab_size = max(tokens)
    kept = sorted(sorted(set(tokens), key=lambda t: (-tokens.count(t), t))[:vocab_size])
    ids = [kept.index(t) if t in kept else len(kept) for t in tokens]
    expected = slow_count(ids, docs, T, len(kept))
    if not expected:
        with pytest.raises(ValueError):
            count_contexts(tokens, context_length=T, doc_ids=docs, vocab_size=vocab_size)
        return
    labels = count_contexts(tokens, context_length=T, doc_ids=docs, vocab_size=vocab_size)
    assert labels.vocab == tuple(map(str, kept))
    agree(labels, expected)


@SETTINGS
@given(texts(), st.integers(1, 3), st.none() | st.integers(1, 4))
def test_strings_and_corpus_agree(text, T, vocab_size):
    tokens, docs = [chr(97 + t) for t in text[0]], text[1]
    corpus, _ = ordered_corpus(*text)
    try:
        expected = count_contexts(corpus, context_length=T, vocab_size=vocab_size)
    except ValueError as error:
        with pytest.raises(ValueError, match=str(error)[:15]):
            count_contexts(tokens, context_length=T, vocab_size=vocab_size, doc_ids=docs)
        return
    for given_as in (tokens, tuple(tokens), np.array(tokens), np.array(tokens, dtype=object)):
        labels = count_contexts(given_as, context_length=T, vocab_size=vocab_size, doc_ids=docs)
        assert labels.vocab == expected.vocab and np.array_equal(labels.contexts, expected.contexts)
        assert (labels.P != expected.P).nnz == 0 and np.array_equal(labels.pi, expected.pi)


def test_documents_that_come_back_are_cut_at_every_change():
    labels = count_contexts([0, 1, 0, 1, 2], context_length=1, doc_ids=[5, 5, 3, 5, 5])
    assert labels.contexts.tolist() == [[0], [1]] and labels.n == 2
    with pytest.raises(ValueError, match="no context has a next token"):
        count_contexts([0, 1, 0], context_length=2, doc_ids=[0, 1, 0])


def test_unknown_words_stand_in_contexts_and_never_follow():
    corpus = Corpus.from_text("a a b a c a a")
    labels = count_contexts(corpus, context_length=1, vocab_size=1)
    assert [labels.context(j) for j in range(labels.m)] == ["a", "<unk>"]    # two occurrences each: the tie goes by id
    assert labels.V == 1 and labels.n == 4


def test_ties_go_by_token_ids():
    labels = count_contexts([2, 1, 9, 1, 2, 9, 0, 1, 9], context_length=2)
    assert labels.contexts.tolist() == sorted(labels.contexts.tolist()) and set(labels.pi * labels.n) == {1.0}


def test_filters_apply_in_their_order():
    tokens = [0, 1] * 5 + [2, 1, 2, 3, 2, 4]          # 0 -> 1 five times; 1 and 2 have several next tokens
    labels = count_contexts(tokens, context_length=1, min_support=2, max_contexts=1)
    assert labels.contexts.tolist() == [[1]] and labels.pi.tolist() == [1.0] and labels.n == 6


# --- every way of packing gives the same ----------------------------------------------------------------------------

def tallies_agree(tokens, docs, T, vocab_size=None):
    """Counts with one word of 64 bits and with less and less room, down to one sort a pair."""
    text = contexts_module._read(tokens, vocab_size, docs)
    whole = contexts_module._tally(text, T)
    spelled = np.empty((len(whole.key), T), np.int32)
    contexts_module._spell(whole.key, whole.pieces, spelled)
    ways = {tuple(piece.k for piece in whole.pieces)}
    for bits in (1, 8, 12, 16, 20, 24, 32, 40, 48, 56):
        other = contexts_module._tally(text, T, capacity=2**bits)
        again = np.empty_like(spelled)
        contexts_module._spell(other.key, other.pieces, again)
        ways.add(tuple(piece.k for piece in other.pieces))
        np.testing.assert_array_equal(again, spelled)
        for field in ("occurrences", "first_pair", "token", "count"):
            np.testing.assert_array_equal(getattr(other, field), getattr(whole, field))
    return ways


@settings(max_examples=100, deadline=None)
@given(texts(), st.integers(1, 7))
def test_the_ladder_counts_what_one_word_counts(text, T):
    tokens, docs = text
    if slow_count(tokens, docs, T, 9):
        tallies_agree(tokens, docs, T)


def test_the_ladder_takes_many_ways():
    rng = np.random.default_rng(3)
    ways = set()
    for V, n in ((3, 500), (40, 3000), (900, 3000)):
        tokens = np.minimum(rng.geometric(2 / V, n) - 1, V - 1)
        for T in (1, 2, 3, 5, 8):
            ways |= tallies_agree(tokens, np.sort(rng.integers(0, 9, n)), T, vocab_size=V - 1)
    assert len(ways) >= 12 and (1,) * 8 in ways and (8,) in ways            # from no rank at all to all of them


@pytest.mark.parametrize("bits", [20, 54, 60, 64])
def test_ranks_of_numbers_up_to_the_whole_word(bits):
    """With 1,000 positions (10 bits) numbers of 54 bits still share a word with their position, larger ones do not."""
    rng = np.random.default_rng(bits)
    values = np.concatenate([rng.integers(0, 2**bits, 300, dtype=np.uint64), [np.uint64(0), np.uint64(2**bits - 1)]])
    key = values[rng.integers(0, len(values), 1000)]
    distinct, inverse = np.unique(key, return_inverse=True)
    ranks, found = contexts_module._rank(key.copy(), 2**bits)
    assert np.array_equal(ranks, inverse) and np.array_equal(found, distinct)


@pytest.mark.parametrize("top, lengths", [(300_000, (2, 3, 5, 8)), (1_100_000, (5,))])
def test_large_ids_and_long_contexts_against_the_definition(top, lengths):
    """19 or 21 bits a token and up to 9 tokens: one word of 64 bits is far too small."""
    rng = np.random.default_rng(top)
    values = np.concatenate([rng.integers(0, top, 4), [top]])
    tokens = values[rng.integers(0, 5, 3000)]
    for T in lengths:
        labels = count_contexts(tokens, context_length=T)
        expected = slow_count(tokens.tolist(), [0] * 3000, T, top + 1)
        assert labels.contexts.tolist() == [list(c) for c, _ in expected]
        assert labels.pi.tolist() == [f.total() / labels.n for _, f in expected]
        for j in range(0, labels.m, 97):
            column = labels.P[:, [j]].tocoo()
            assert dict(zip(column.coords[0].tolist(), column.data.tolist())) == {
                z: k / expected[j][1].total() for z, k in expected[j][1].items()}


def test_windows_that_collide_modulo_a_word_stay_apart():
    """In radix 2**16 these windows are equal modulo 2**64, and so are their sums and their products."""
    a = [1, 0, 0, 0, 7, 9]
    b = [2, 0, 0, 0, 7, 9]
    c = [1, 0, 0, 0, 9, 7]
    tokens = a + b + c + a + [65_535]
    labels = count_contexts(tokens, context_length=5, doc_ids=np.repeat(range(5), [6, 6, 6, 6, 1]))
    assert labels.contexts.tolist() == [[1, 0, 0, 0, 7], [1, 0, 0, 0, 9], [2, 0, 0, 0, 7]]
    assert (labels.pi * labels.n).tolist() == [2, 1, 1] and labels.P.indices.tolist() == [9, 7, 9]


def test_windows_that_collide_when_one_bit_is_missing_stay_apart():
    """In radix 2**13 five tokens need 65 bits: without the first of them these contexts would be equal."""
    tokens = [1, 5, 6, 7, 9, 8191, 4097, 5, 6, 7, 9]
    labels = count_contexts(tokens, context_length=4, doc_ids=np.repeat([0, 1, 2], [5, 1, 5]))
    assert labels.contexts.tolist() == [[1, 5, 6, 7], [4097, 5, 6, 7]] and labels.pi.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(("n", "fits"), [(2**31 - 2, True), (2**31 - 1, False)])
def test_texts_that_positions_of_32_bits_cannot_number_are_refused(n, fits):
    class Long:
        """As many tokens as it says, and none in memory."""

        def __len__(self):
            return n

    corpus = object.__new__(Corpus)
    for name, value in (("tokens", Long()), ("vocab", ("a",)), ("doc_ids", None)):
        object.__setattr__(corpus, name, value)
    if fits:
        assert len(contexts_module._read(corpus, None, None).ids) == n
    else:
        with pytest.raises(ValueError, match=r"tokens: got 2147483647, want fewer than 2\*\*31 - 1"):
            contexts_module._read(corpus, None, None)


def test_one_document_has_no_breaks():
    assert contexts_module._breaks([7, 7, 7], 3).size == contexts_module._breaks(None, 3).size == 0
    assert contexts_module._breaks([7, 7, 8], 3).tolist() == [False, True]


# --- invariants -----------------------------------------------------------------------------------------------------

@SETTINGS
@given(texts(), st.integers(1, 3), st.randoms(use_true_random=False))
def test_the_order_of_documents_does_not_matter(text, T, random):
    tokens, docs = np.array(text[0]), np.array(text[1])
    if not slow_count(tokens.tolist(), docs.tolist(), T, 9):
        return
    parts = [tokens[docs == d] for d in sorted(set(docs.tolist()))]
    random.shuffle(parts)
    one = count_contexts(tokens, context_length=T, doc_ids=docs)
    other = count_contexts(np.concatenate(parts), context_length=T,
                           doc_ids=np.repeat(np.arange(len(parts)), [len(p) for p in parts]))
    assert np.array_equal(one.contexts, other.contexts) and np.array_equal(one.pi, other.pi)
    assert (one.P != other.P).nnz == 0


@SETTINGS
@given(texts(), st.integers(1, 4))
def test_columns_and_frequencies_sum_to_one_and_longer_contexts_leave_no_more_entropy(text, T):
    tokens, _ = text
    if len(tokens) < T + 2:
        return
    labels = count_contexts(tokens, context_length=T)
    np.testing.assert_allclose(labels.P.sum(axis=0), 1, rtol=0, atol=1e-15 * labels.V)
    assert abs(labels.pi.sum() - 1) < 1e-15 * (labels.m + 1)
    longer = count_contexts(tokens, context_length=T + 1)
    same = count_contexts(tokens[1:], context_length=T)                     # the same occurrences as `longer`
    assert longer.n == same.n and longer.entropy() <= same.entropy() + 1e-12


def test_the_text_is_not_changed():
    tokens, docs = np.array([0, 1, 0, 2, 0, 1]), np.array([0, 0, 0, 1, 1, 1])
    count_contexts(tokens, context_length=1, doc_ids=docs, vocab_size=2)
    assert tokens.tolist() == [0, 1, 0, 2, 0, 1] and docs.tolist() == [0, 0, 0, 1, 1, 1]


# --- messages -------------------------------------------------------------------------------------------------------

OK = {"tokens": [0, 1, 0, 1], "context_length": 1}


@pytest.mark.parametrize("change, error, message", [
    ({"tokens": []}, ValueError, "tokens: got none, want at least one token"),
    ({"tokens": np.empty(0, int)}, ValueError, "tokens: got none"),
    ({"tokens": [0, -1]}, ValueError, "tokens: got the token id -1, outside the vocabulary"),
    ({"tokens": [0, 2**31]}, ValueError, "token id 2147483648, outside the vocabulary"),
    ({"tokens": [0, 2**31 - 1], "vocab_size": 1}, ValueError, "token id 2147483647, outside the vocabulary"),
    ({"tokens": [0.0, 1.0]}, TypeError, "tokens: got float64 with 1 axes, want a Corpus, integers"),
    ({"tokens": [[0, 1]]}, TypeError, "tokens: got int64 with 2 axes"),
    ({"tokens": [True, False]}, TypeError, "tokens: got bool"),
    ({"tokens": 3}, TypeError, "tokens: got int64 with 0 axes"),
    ({"tokens": None}, TypeError, "tokens: got object"),
    ({"tokens": ["a", 1, "b"]}, TypeError, r"tokens: got 1 \(int\) among them, want strings"),
    ({"tokens": ["a", "b", 1]}, TypeError, r"tokens: got 1 \(int\) among them, want strings"),
    ({"tokens": np.array(["a", 1], object)}, TypeError, r"tokens: got 1 \(int\) among them, want strings"),
    ({"tokens": "to be"}, TypeError, "tokens: got str, want tokens; SoftLabels.from_text takes a text"),
    ({"context_length": 0}, ValueError, "context_length: got 0, want at least 1"),
    ({"context_length": 1.0}, TypeError, r"context_length: got 1.0 \(float\), want a whole number >= 1"),
    ({"context_length": True}, TypeError, r"context_length: got True \(bool\)"),
    ({"context_length": 4}, ValueError, "context_length: got 4 for 4 tokens in 1 documents, .*want a shorter one"),
    ({"vocab_size": 0}, ValueError, "vocab_size: got 0, want at least 1"),
    ({"vocab_size": "10"}, TypeError, r"vocab_size: got '10' \(str\)"),
    ({"max_contexts": 0}, ValueError, "max_contexts: got 0, want at least 1"),
    ({"max_contexts": 2.5}, TypeError, "max_contexts: got 2.5"),
    ({"min_count": 0}, ValueError, "min_count: got 0, want at least 1"),
    ({"min_count": None}, TypeError, "min_count: got None"),
    ({"min_support": -1}, ValueError, "min_support: got -1, want at least 1"),
    ({"min_support": 3}, ValueError, "min_count, min_support: got 1 and 3, which leave none of the 2 contexts"),
    ({"min_count": 9}, ValueError, "min_count, min_support: got 9 and 1, which leave none"),
    ({"doc_ids": [0, 0]}, ValueError, "doc_ids: got 2 of them for 4 tokens, want one for each"),
    ({"doc_ids": [0.0] * 4}, TypeError, "doc_ids: got float64 with 1 axes, want one integer"),
    ({"doc_ids": [0, 1, 2, 3]}, ValueError, "got 1 for 4 tokens in 4 documents"),
    ({"tokens": [0, 1], "vocab_size": 1}, ValueError, "no context has a next token in the vocabulary"),
])
def test_messages(change, error, message):
    count_contexts(**OK)
    with pytest.raises(error, match=message):
        count_contexts(**{**OK, **change})


# --- equal supports -------------------------------------------------------------------------------------------------

def slow_merge(S):
    """Distinct columns in order of first appearance, by a dictionary of tuples."""
    number = {}
    inverse = [number.setdefault(tuple(np.flatnonzero(column)), len(number)) for column in np.asarray(S).T]
    return list(number), inverse, np.bincount(inverse, minlength=len(number)).tolist()


@SETTINGS
@given(st.integers(1, 9), st.integers(1, 30), st.floats(0, 1), st.integers(0, 2**32))
def test_columns_merge_as_defined(V, m, density, seed):
    S = np.random.default_rng(seed).random((V, m)) < density
    for given_as in (S, sp.csc_array(S), sp.csr_array(S)):
        distinct, inverse, counts = merge_columns(given_as)
        supports, expected_inverse, expected_counts = slow_merge(S)
        assert [tuple(np.flatnonzero(c)) for c in distinct.toarray().T] == supports
        assert inverse.tolist() == expected_inverse and counts.tolist() == expected_counts
        np.testing.assert_array_equal(distinct.toarray()[:, inverse], S)
        assert distinct.dtype == bool


def test_columns_that_differ_in_one_place_or_in_length_stay_apart():
    """All prefixes, all suffixes and all columns with one hole, of every length up to 70: no two equal ones."""
    V = 70
    lower = np.tril(np.ones((V, V), bool))
    S = np.hstack([lower, lower.T[:, 1:-1], ~np.eye(V, dtype=bool)[:, 1:-1]])
    S = np.hstack([S, S[:, ::-1]])
    distinct, inverse, counts = merge_columns(S)
    assert set(counts) == {2} and distinct.shape[1] == S.shape[1] // 2
    np.testing.assert_array_equal(distinct.toarray()[:, inverse], S)


def test_merging_a_large_pattern_with_known_repetition():
    """Columns over 2**20 rows, so that four row numbers do not fit in one word; each occurs three times."""
    rng = np.random.default_rng(5)
    columns = {tuple(sorted(set(rng.integers(0, 2**20, k).tolist()))) for k in rng.integers(1, 12, 4000)}
    columns = sorted(columns)
    order = rng.permutation(np.repeat(np.arange(len(columns)), 3))
    indices = [columns[i] for i in order]
    indptr = np.concatenate([[0], np.cumsum([len(c) for c in indices])])
    S = sp.csc_array((np.ones(indptr[-1], bool), np.concatenate(indices), indptr), shape=(2**20, len(order)))
    distinct, inverse, counts = merge_columns(S)
    assert set(counts) == {3} and distinct.shape[1] == len(columns)
    assert (distinct[:, inverse] != S).nnz == 0 and np.all(np.diff(np.unique(inverse, return_index=True)[1]) > 0)


def test_columns_over_so_many_rows_that_two_and_a_position_need_more_than_a_word_stay_apart():
    """28 bits a row and 10 a position: of 66 bits, the first two tell these columns apart."""
    low, high = np.arange(1000), np.arange(1000) + 3 * 2**26
    pairs = [(a, b) for shift in (0, 2**26, 2**27) for a, b in zip(low + shift, high)]
    S = sp.csc_array((np.ones(6000, bool), np.ravel(pairs), np.arange(0, 6001, 2)), shape=(2**28, 3000))
    distinct, inverse, counts = merge_columns(S)
    assert inverse.tolist() == list(range(3000)) and set(counts) == {1} and (distinct != S).nnz == 0


def test_the_order_and_the_number_of_times_that_rows_are_stored_do_not_matter():
    S = sp.csc_array((np.ones(7, bool), [2, 0, 0, 2, 0, 0, 2], [0, 2, 4, 7]), shape=(3, 3))
    distinct, inverse, counts = merge_columns(S)
    assert distinct.toarray().tolist() == [[True], [False], [True]]
    assert inverse.tolist() == [0, 0, 0] and counts.tolist() == [3]
    assert S.indices.tolist() == [2, 0, 0, 2, 0, 0, 2]                      # what was given stays as it was


def test_merging_agrees_with_soft_labels_of_a_text():
    labels = SoftLabels.from_text("the cat sat. the cat ran. the dog ran. a dog sat.", context_length=2)
    distinct, inverse, counts = labels.merge_supports()
    assert counts.sum() == labels.m and (distinct[:, inverse] != labels.S).nnz == 0

"""Masked labels against counting by hand: dictionaries, loops, and exact fractions."""

from collections import Counter, defaultdict
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntputils import (Corpus, SoftLabels, contexts, masked, build_model, centered_support, context_words, fill_independently, fit,
                      in_support_logits, mask_patterns, masked_labels, pool_labels, solve_ntp_svm)

TEXTS = st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=12), min_size=1, max_size=4)


def corpus(documents):
    return Corpus.from_text("\n\n".join(" ".join(d) for d in documents))


def by_hand(documents, left, right, hidden=(), room=None, known=None):
    """Counts in dictionaries: context string to Counter of words."""
    before, after = room or (left, right)
    found = defaultdict(Counter)
    for d in documents:
        shown = [w if known is None or w in known else "<unk>" for w in d]
        for i in range(before, len(d) - after):
            if shown[i] == "<unk>":
                continue
            window = ["▢" if o == 0 else "▒" if o in hidden else shown[i + o] for o in range(-left, right + 1)]
            found[" ".join(window)][shown[i]] += 1
    return found


def as_dictionary(labels):
    dense = np.rint(labels.P.toarray() * labels.pi * labels.n).astype(int)
    return {labels.context(j): Counter({labels.vocab[z]: int(dense[z, j]) for z in np.flatnonzero(dense[:, j])})
            for j in range(labels.m)}


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.integers(0, 3), st.integers(0, 2), st.data())
def test_counts_are_those_of_a_loop(documents, left, right, data):
    if not left + right:
        return
    offsets = [o for o in range(-left, right + 1) if o]
    hidden = data.draw(st.lists(st.sampled_from(offsets), unique=True))
    room = (left + data.draw(st.integers(0, 1)), right + data.draw(st.integers(0, 1)))
    text = corpus(documents)
    size = data.draw(st.sampled_from([None, 2]))
    known = None if size is None else set(text.vocab[:size])
    want = by_hand(documents, left, right, hidden, room, known)
    if not want:
        with pytest.raises(ValueError, match="left, right"):
            masked_labels(text, left=left, right=right, hidden=hidden, room=room, vocab_size=size)
        return
    labels = masked_labels(text, left=left, right=right, hidden=hidden, room=room, vocab_size=size)
    assert as_dictionary(labels) == dict(want)
    assert labels.n == sum(sum(c.values()) for c in want.values())
    assert np.all(np.diff(np.rint(labels.pi * labels.n)) <= 0)


@settings(max_examples=40, deadline=None)
@given(TEXTS, st.integers(1, 3), st.sampled_from([None, 2]))
def test_without_a_right_context_it_is_next_token_prediction(documents, left, size):
    text = corpus(documents)
    if max(map(len, documents)) <= left:
        return
    try:
        want = SoftLabels.from_tokens(text, context_length=left, vocab_size=size, min_count=1)
    except ValueError:
        return
    got = masked_labels(text, left=left, right=0, vocab_size=size)
    assert np.array_equal(got.P.toarray(), want.P.toarray()) and np.array_equal(got.pi, want.pi)
    assert [c + " ▢" for c in map(want.context, range(want.m))] == list(got.contexts)
    assert got.vocab == want.vocab and got.n == want.n


def test_a_run_of_asked_places_begins_where_all_its_words_are_known():
    text = contexts._Text(np.array([0, 2, 0, 1, 0], np.int32), ("a", "b"), np.empty(0, bool))     # 2 is <unk>
    assert masked._centres(text, 0, 0, 2).tolist() == [2, 3]
    assert masked._centres(text, 1, 0, 2).tolist() == [2, 3] and masked._centres(text, 0, 1, 2).tolist() == [2]


def test_rows_that_collide_when_one_bit_is_missing_are_told_apart():
    """In radix 2**13 five columns need 65 bits."""
    columns = [np.array([4097, 1, 4097])] + [np.full(3, 5)] * 4
    ranks, distinct = masked._number(columns, 2**13, 3)
    assert ranks.tolist() == [1, 0, 1] and distinct == 2


def test_long_windows_do_not_overflow():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 2000, 600) + 10**9 * 2 // 1000      # sixty-four bits hold two of these, not nine
    ids = np.concatenate([ids, ids])
    labels = masked_labels(ids, left=5, right=4, vocab_size=1500)
    number = {str(v): k for k, v in enumerate(labels.vocab)}
    words = [str(i) if str(i) in number else "<unk>" for i in ids.tolist()]
    want = by_hand([words], 5, 4, known=set(labels.vocab))
    assert as_dictionary(labels) == dict(want)


def test_filters_are_those_of_count_contexts():
    text = corpus(["abacabadabacab"])
    for options in ({"min_count": 2}, {"min_support": 2}, {"max_contexts": 2}):
        want = SoftLabels.from_tokens(text, context_length=1, **options)
        got = masked_labels(text, left=1, right=0, **options)
        assert np.array_equal(got.P.toarray(), want.P.toarray()) and np.array_equal(got.pi, want.pi)
    with pytest.raises(ValueError, match="min_count"):
        masked_labels(text, left=1, right=0, min_count=99)


def test_theory_takes_masked_labels_like_any_others():
    """The same counts, given as a table: the same objects."""
    labels = masked_labels(corpus(["abcabdabcadbacd"]), left=1, right=1)
    table = labels.P.toarray() * labels.pi * labels.n
    again = SoftLabels.from_counts(np.rint(table))
    assert abs(labels.entropy() - again.entropy()) < 1e-12
    assert np.allclose(in_support_logits(labels).toarray(), in_support_logits(again).toarray(), atol=1e-12)
    assert np.array_equal(centered_support(labels.S), centered_support(again.S))
    assert abs(solve_ntp_svm(labels.S).primal - solve_ntp_svm(again.S).primal) < 1e-5


def test_a_causal_model_reads_masked_contexts():
    labels = masked_labels(corpus(["abcabdabcadbacd"]), left=1, right=2, hidden=[1])
    ids, words = context_words(labels)
    assert ids.shape == (labels.m, 4) and {"▢", "▒"} <= set(words)
    model = build_model("transformer", labels, d=16, seed=0, layers=1, positions=True)
    run = fit(model, labels, steps=300, lr=1e-2)
    assert run.loss[-1] - labels.entropy() < 0.1 * (run.loss[0] - labels.entropy())


@pytest.mark.parametrize("arguments, message", [
    ({"left": 0, "right": 0}, "left, right: got 0 and 0"),
    ({"left": 1, "right": 1, "hidden": [2]}, r"hidden: got \[2\], want distinct offsets among \[-1, 1\]"),
    ({"left": 1, "right": 1, "hidden": [0]}, "hidden"),
    ({"left": 1, "right": 1, "hidden": [1, 1]}, "hidden"),
    ({"left": 2, "right": 1, "room": (1, 1)}, r"room: got \(1, 1\), want at least \(2, 1\)"),
    ({"left": -1, "right": 1}, "left: got -1"),
    ({"left": 9, "right": 9}, "left, right: got a window of 19 tokens, which fits nowhere in 4 tokens"),
])
def test_bad_windows(arguments, message):
    with pytest.raises(ValueError, match=message):
        masked_labels("a b a c".split(), **arguments)


def test_bad_types():
    with pytest.raises(TypeError, match="left"):
        masked_labels("a b a c".split(), left=1.5, right=1)
    with pytest.raises(TypeError, match="tokens"):
        masked_labels("a b a c", left=1, right=1)


@pytest.mark.parametrize("rate", [0.0, 0.15, 1.0])
def test_patterns_are_independent_coins(rate):
    patterns = mask_patterns(2, 1, rate)
    assert abs(sum(patterns.values()) - 1) < 1e-12
    for offset in (-2, -1, 1):
        assert abs(sum(p for hidden, p in patterns.items() if offset in hidden) - rate) < 1e-12
    assert len(patterns) == (8 if 0 < rate < 1 else 1)
    with pytest.raises(ValueError, match="rate: got 1.5"):
        mask_patterns(1, 1, 1.5)


def test_pooled_labels_are_the_labels_of_random_masks():
    """Expected counts over all masks, place by place, in exact fractions."""
    document, rate = "abcabdabcadb", Fraction(3, 10)
    expected = defaultdict(lambda: defaultdict(Fraction))
    for i in range(1, len(document) - 1):
        for masked in product([False, True], repeat=2):
            chance = np.prod([rate if x else 1 - rate for x in masked])
            sides = ["▒" if x else document[i + o] for x, o in zip(masked, (-1, 1))]
            expected[f"{sides[0]} ▢ {sides[1]}"][document[i]] += chance
    text = corpus([document])
    patterns = mask_patterns(1, 1, float(rate))
    pooled = pool_labels([masked_labels(text, left=1, right=1, hidden=h) for h in patterns], list(patterns.values()))
    assert set(pooled.contexts) == set(expected) and pooled.n == 0
    joint = pooled.P.toarray() * pooled.pi
    for j, context in enumerate(pooled.contexts):
        for z, word in enumerate(pooled.vocab):
            assert abs(joint[z, j] - float(expected[context][word]) / (len(document) - 2)) < 1e-12


def test_bad_pools():
    a = masked_labels("a b a c".split(), left=1, right=0)
    with pytest.raises(ValueError, match="parts: got the context"):
        pool_labels([a, a], [1, 1])
    with pytest.raises(ValueError, match="vocabularies"):
        pool_labels([a, masked_labels("a b a d".split(), left=0, right=1)], [1, 1])
    with pytest.raises(ValueError, match="weights"):
        pool_labels([a], [0.0])
    with pytest.raises(ValueError, match="weights"):
        pool_labels([], [])


@settings(max_examples=40, deadline=None)
@given(TEXTS, st.integers(0, 2), st.integers(0, 1), st.integers(1, 3))
def test_independent_fills_are_those_of_all_combinations(documents, left, right, masks):
    size = left + masks + right
    if not left + right or max(map(len, documents)) < size:
        return
    groups = defaultdict(Counter)
    for d in documents:
        for i in range(len(d) - size + 1):
            w = d[i:i + size]
            groups[tuple(w[:left] + w[left + masks:])][tuple(w[left:left + masks])] += 1
    n = sum(sum(c.values()) for c in groups.values())
    never = joint = marginal = 0.0
    for c in groups.values():
        total = sum(c.values())
        p = [Counter() for _ in range(masks)]
        for filling, times in c.items():
            joint -= times / n * np.log(times / total)
            for place, word in enumerate(filling):
                p[place][word] += times / total
        marginal -= total / n * sum(x * np.log(x) for q in p for x in q.values())
        never += total / n * sum(np.prod([p[i][z] for i, z in enumerate(f)])
                                 for f in product(*(list(q) for q in p)) if f not in c)
    got = fill_independently(corpus(documents), left=left, right=right, masks=masks)
    assert (got.windows, pytest.approx(got.never, abs=1e-12)) == (n, never)
    assert got.joint == pytest.approx(joint, abs=1e-12) and got.marginal == pytest.approx(marginal, abs=1e-12)
    assert got.marginal >= got.joint - 1e-12


def test_fill_needs_something_to_see():
    with pytest.raises(ValueError, match="left, right: got 0 and 0"):
        fill_independently("a b".split(), left=0, right=0)
    with pytest.raises(ValueError, match="masks: got 0"):
        fill_independently("a b".split(), left=1, right=0, masks=0)

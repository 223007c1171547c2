"""Chapter 19 under attack: other texts, one window, one word, all hidden; where predictions turn; fills by enumeration."""

import itertools
from collections import Counter, defaultdict
from math import log

import numpy as np
import pytest

from ntputils import (Corpus, SoftLabels, fill_independently, mask_patterns, masked_labels, ntp_loss, pool_labels,
                      solve_ntp_svm)


def text(seed, n=60, V=4, documents=3):
    rng = np.random.default_rng(seed)
    return Corpus(rng.integers(V, size=n).astype(np.int32), tuple("abcdefgh"[:V]), np.sort(rng.integers(documents, size=n)))


def counted(corpus, seen, before, after):
    """Next words of each context by a loop: {tokens at the seen offsets: Counter of the asked token}."""
    found, ids, docs = defaultdict(Counter), corpus.tokens.tolist(), corpus.doc_ids.tolist()
    for t in range(before, len(ids) - after):
        if docs[t - before] == docs[t + after]:
            found[tuple(ids[t + o] for o in seen)][ids[t]] += 1
    return found


def entropy(found):
    total = sum(map(Counter.total, found.values()))
    return -sum(k / total * log(k / c.total()) for c in found.values() for k in c.values())


WINDOWS = [(2, 0, ()), (1, 1, ()), (0, 2, ()), (2, 2, (-1, 1)), (1, 1, (-1, 1)), (3, 1, (-3,))]
TEXTS = {"random": text(0), "one word": text(1, V=1), "two words": text(2, V=2), "short documents": text(3, documents=15),
         "hardly longer than a window": text(4, n=7, documents=1)}


@pytest.mark.parametrize("corpus", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("left, right, hidden", WINDOWS)
def test_masked_labels_are_those_of_a_loop(corpus, left, right, hidden):
    seen = [o for o in range(-left, right + 1) if o and o not in hidden]
    labels, found = masked_labels(corpus, left=left, right=right, hidden=hidden), counted(corpus, seen, left, right)
    assert labels.m == len(found) and labels.n == sum(map(Counter.total, found.values()))
    assert labels.entropy() == pytest.approx(entropy(found), abs=1e-12)
    assert sorted(labels.support_sizes) == sorted(map(len, found.values()))
    N = np.rint(labels.P.toarray() * labels.pi * labels.n)
    for j, context in enumerate(labels.contexts):
        key = tuple(corpus.vocab.index(w) for w in context.split() if w not in "▢▒")
        assert {corpus.vocab.index(labels.vocab[z]): N[z, j] for z in np.flatnonzero(N[:, j])} == found[key]


@pytest.mark.parametrize("ids", [[0, 1, 0, 2], np.array([0, 1, 0, 2], np.uint8), list("abac")])
def test_any_kind_of_tokens(ids):
    assert masked_labels(ids, left=1, right=1).m == 2


@pytest.mark.parametrize("options, message", [
    ({"left": -1, "right": 1}, "left: got -1, want at least 0"), ({"left": 1, "right": 1, "hidden": [1.5]}, "hidden: got"),
    ({"left": 1, "right": 1, "hidden": [0]}, "hidden: got"), ({"left": 9, "right": 9}, "fits nowhere"),
    ({"left": 0, "right": 0}, "at least one other token")])
def test_windows_that_are_none_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        masked_labels(list("abcabc"), **options)


# --- the same windows ---

@pytest.mark.parametrize("corpus", TEXTS.values(), ids=TEXTS)
def test_pairs_and_entropies_of_the_same_windows(corpus):
    for T in (2, 3):
        places = [masked_labels(corpus, left=T - r, right=r) for r in range(T + 1)]
        assert len({p.P.nnz for p in places}) == 1
        whole = [p.entropy() - np.sum(p.pi * np.log(p.pi)) for p in places]     # H + H(context) is that of the window
        np.testing.assert_allclose(whole, whole[0], atol=1e-12)


def test_where_every_second_word_is_the_same_the_predictions_turn_round():
    pairs = list(itertools.product(range(6), repeat=2))
    corpus = Corpus(np.array(pairs)[:, [0, 1, 0, 1]].ravel(), tuple("abcdef"), np.repeat(np.arange(36), 4))
    follow, fill = (masked_labels(corpus, left=a, right=2 - a) for a in (2, 1))
    assert follow.entropy() == pytest.approx(0) and fill.entropy() == pytest.approx(log(6))
    assert follow.m == 36 > fill.m == 6
    assert np.mean(follow.support_sizes == 1) == 1 > np.mean(fill.support_sizes == 1) == 0


# --- more masks ---

@pytest.mark.parametrize("corpus", TEXTS.values(), ids=TEXTS)
def test_masking_more_is_monotone_pattern_by_pattern_and_in_the_rate(corpus):
    patterns = {hidden: masked_labels(corpus, left=1, right=2, hidden=hidden) for hidden in mask_patterns(1, 2, 0.5)}
    of = {h: np.array([p.entropy(), p.pi @ p.support_sizes, -p.pi[p.support_sizes == 1].sum(), -p.m])
          for h, p in patterns.items()}
    for more, less in itertools.product(of, repeat=2):
        if set(less) < set(more):
            assert np.all(of[more] >= of[less] - 1e-12)
    curve = [sum(c * of[h][:3] for h, c in mask_patterns(1, 2, rate).items()) for rate in np.linspace(0, 1, 9)]
    assert np.all(np.diff(curve, axis=0) >= -1e-12)
    np.testing.assert_allclose([curve[0], curve[-1]], [of[()][:3], of[(-1, 1, 2)][:3]])


def test_masking_more_loses_nothing_where_the_masked_token_tells_nothing():
    """Equality: all triples once, so that every context has the same probabilities, and entropies stay."""
    corpus = Corpus(np.array(list(itertools.product(range(3), repeat=3))).ravel(), tuple("abc"), np.repeat(np.arange(27), 3))
    bounds = [masked_labels(corpus, left=1, right=1, hidden=h).entropy() for h in mask_patterns(1, 1, 0.5)]
    np.testing.assert_allclose(bounds, log(3))


def test_the_share_of_one_hot_contexts_may_rise_and_so_may_the_rank():
    words = "x p a x p b y p a y p b z q a".split()              # what stands behind x and y is open, behind z not
    docs = np.repeat(np.arange(5), 3)
    share = [np.mean(masked_labels(words, doc_ids=docs, left=2, right=0, hidden=h).support_sizes == 1) for h in ((), (-2,))]
    assert share[0] == 1 / 3 < share[1] == 1 / 2
    B = np.array([[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]])
    A = np.column_stack([B[:, 0] | B[:, 2], B])
    assert np.linalg.matrix_rank(B) == 3 < np.linalg.matrix_rank(A) == 4


@pytest.mark.parametrize("weights", [[1, 1], [1e6, 1e-6], [3, 1]])
def test_a_pool_has_the_mean_loss_of_its_parts_under_uneven_weights(weights):
    corpus, rng = text(5), np.random.default_rng(0)
    parts = [masked_labels(corpus, left=1, right=1, hidden=h) for h in ((), (1,))]
    logits = [rng.normal(size=p.P.shape) for p in parts]
    mean = np.average([ntp_loss(L, p) for L, p in zip(logits, parts)], weights=weights)
    assert ntp_loss(np.hstack(logits), pool_labels(parts, weights)) == pytest.approx(mean)


# --- random words ---

WORLDS = {"full": np.array([[2, 1], [1, 3]]), "one-hot": np.eye(3), "mixed": np.array([[1, 0, 2], [3, 1, 1], [0, 0, 2]]),
          "one context": np.array([[1], [0]])}


@pytest.mark.parametrize("N", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("mask, replaced, left", [(0.8, 0.1, 0.1), (0.99, 0.01, 0), (0, 0.5, 0.5)])
def test_replacing_the_asked_word_copies_supports_and_without_a_mask_there_is_one_copy_less(N, mask, replaced, left):
    V, S = len(N), N > 0
    copies = [mask * N] * (mask > 0) + [N * (replaced / V + left * (np.arange(V) == w)[:, None]) for w in range(V)]
    treated = SoftLabels.from_counts(np.hstack(copies))
    assert np.array_equal(treated.S.toarray(), np.tile(S, V + (mask > 0)))
    norms = [solve_ntp_svm(T, tol=1e-8).primal for T in (treated.S, S)]
    assert norms[0] == pytest.approx(np.sqrt(V + (mask > 0)) * norms[1], abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_random_words_to_see_leave_no_zero_and_without_them_there_are_some(seed):
    corpus = text(seed, n=25, V=5, documents=1)
    V, counts = 5, np.zeros((5, 5, 5))
    np.add.at(counts, (corpus.tokens[1:-1], corpus.tokens[:-2], corpus.tokens[2:]), 1)
    mix = (1 - 1e-4) * np.eye(V) + 1e-4 / V
    after = np.einsum("zab,ac,bd->zcd", counts, mix, mix)[counts.any(axis=(1, 2))]
    assert np.mean(counts == 0) > 0.5 and np.all(after > 0)
    assert not solve_ntp_svm(after.reshape(len(after), -1) > 0).L.any()


# --- filling ---

def by_enumeration(corpus, left, right, masks):
    """Joint entropy, sum of entropies, and the chance of a filling that never stood there, over all fillings."""
    ids, docs, found = corpus.tokens.tolist(), corpus.doc_ids.tolist(), defaultdict(Counter)
    for t in range(left, len(ids) - masks - right + 1):
        if docs[t - left] == docs[t + masks + right - 1]:
            found[tuple(ids[t - left:t] + ids[t + masks:t + masks + right])][tuple(ids[t:t + masks])] += 1
    total, apart, never = sum(map(Counter.total, found.values())), 0.0, 0.0
    for c in found.values():
        alone = [Counter() for _ in range(masks)]
        for filling, k in c.items():
            for i, z in enumerate(filling):
                alone[i][z] += k
        apart += c.total() / total * sum(entropy({0: one}) for one in alone)
        for filling in itertools.product(range(corpus.V), repeat=masks):
            if filling not in c:
                never += c.total() / total * np.prod([alone[i][z] / c.total() for i, z in enumerate(filling)])
    return entropy(found), apart, never


@pytest.mark.parametrize("corpus", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("left, right, masks", [(1, 1, 1), (1, 0, 2), (0, 1, 3), (1, 1, 2)])
def test_fills_are_those_of_all_fillings(corpus, left, right, masks):
    fill = fill_independently(corpus, left=left, right=right, masks=masks)
    np.testing.assert_allclose([fill.joint, fill.marginal, fill.never], by_enumeration(corpus, left, right, masks), atol=1e-12)
    if masks == 1:
        assert fill.never == 0 and fill.marginal == pytest.approx(fill.joint)


def test_one_by_one_costs_nothing_if_and_only_if_the_masked_tokens_are_independent():
    pairs = np.array(list(itertools.product(range(3), repeat=2)))
    docs = np.repeat(np.arange(9), 4)
    free = np.column_stack([np.zeros(9, int), pairs, np.zeros(9, int)]).ravel()
    fill = fill_independently(Corpus(free, tuple("abc"), docs), left=1, right=1)
    assert fill.never == 0 and fill.marginal == pytest.approx(fill.joint)
    tied = fill_independently(Corpus(free[:32], tuple("abc"), docs[:32]), left=1, right=1)     # one pair is missing
    assert tied.never > 0 and tied.marginal > tied.joint + 1e-3

"""Chapter 13 under attack: what the loss allows and how long a sampler stays, in worlds at the edge, by brute force."""

import itertools

import numpy as np
import pytest
from scipy.special import logsumexp

from ntputils import (Corpus, SoftLabels, center, claim, continue_text, in_support_logits, next_contexts, off_support_mass,
                      solve_ntp_svm, structural_correlation, visits)
from ntputils.models import build_model


def worlds():
    """Supports at the edge, counts from even to one in a million."""
    rng = np.random.default_rng(0)
    return {
        "one context": [[3], [1], [0]],
        "two words": [[1, 0], [0, 1]],
        "full supports": rng.integers(1, 9, (4, 5)),
        "one-hot": np.eye(5),
        "equal supports": np.vstack([rng.integers(1, 9, (2, 6)), np.zeros((2, 6))]),
        "nested chain": np.triu(rng.integers(1, 9, (5, 5)))[:, :4],
        "uneven weights": np.diag([1e6, 1, 1, 2]) + np.eye(4)[::-1],
        "float32": np.diag([1, 2, 3, 4]).astype(np.float32) + np.eye(4, dtype=np.float32)[::-1],
        "doubled": np.repeat(np.repeat(rng.integers(0, 2, (3, 3)) + np.eye(3), 2, axis=0), 2, axis=1)}


def by_hand(L, labels):
    """Excess loss, the cost of leaving and the chance of it, context by context."""
    P, excess, cost, leaves = labels.P.toarray(), [], [], []
    for p, x in zip(P.T, np.asarray(L, dtype=float).T):
        log_q = x - logsumexp(x)
        excess.append(np.sum(p[p > 0] * (np.log(p[p > 0]) - log_q[p > 0])))
        cost.append(-logsumexp(log_q[p > 0]))
        leaves.append(np.exp(log_q[p == 0]).sum())
    return np.array(excess), np.array(cost), np.array(leaves)


@pytest.mark.parametrize("name", worlds())
def test_the_loss_allows_what_it_says_from_small_logits_to_large(name):
    labels, rng = SoftLabels.from_counts(worlds()[name]), np.random.default_rng(1)
    for size in (0.01, 1.0, 30.0, 1000.0):
        L = size * rng.normal(size=labels.P.shape)
        excess, cost, leaves = by_hand(L, labels)
        budget = labels.pi @ excess
        assert off_support_mass(L, labels) == pytest.approx(labels.pi @ leaves, rel=1e-9, abs=1e-300)
        assert budget >= labels.pi @ cost * (1 - 1e-12) - 1e-12
        assert labels.pi @ leaves <= -np.expm1(-budget) + 1e-12


@pytest.mark.parametrize("name", worlds())
def test_the_first_step_is_an_equality_with_right_proportions_and_only_then(name):
    labels = SoftLabels.from_counts(worlds()[name])
    S, L = labels.S.toarray(), in_support_logits(labels).toarray()
    excess, cost, _ = by_hand(L - 2 * ~S, labels)
    assert np.allclose(excess, cost, atol=1e-12)
    if labels.support_sizes.max() > 1:
        j = int(np.argmax(labels.support_sizes))
        L[np.flatnonzero(S[:, j])[0], j] += 1
        excess, cost, _ = by_hand(L - 2 * ~S, labels)
        assert labels.pi @ (excess - cost) > 1e-9


def test_the_bound_is_reached_so_nothing_smaller_could_stand_there():
    """One-hot contexts at equal risk."""
    labels, L = SoftLabels.from_counts(np.eye(4)), 3 * np.eye(4)
    excess, _, leaves = by_hand(L, labels)
    assert labels.pi @ leaves == pytest.approx(-np.expm1(-labels.pi @ excess), rel=1e-12)


def text(tokens, T, *, loop):
    """A text with an end, or one without: its beginning follows its end."""
    tokens = np.concatenate([tokens, tokens[:T]]) if loop else np.asarray(tokens)
    vocab = tuple("abcd"[:tokens.max() + 1])
    return SoftLabels.from_tokens(Corpus(tokens, vocab, np.zeros(len(tokens), int)), context_length=T)


def stays(Q, labels, T):
    """The chance to be on the text after T tokens: all strings of T tokens, one by one."""
    S, to, alive = labels.S.toarray(), next_contexts(labels), 0.0
    for j, string in itertools.product(range(labels.m), itertools.product(range(labels.V), repeat=T)):
        chance, at = labels.pi[j], j
        for z in string:
            chance *= Q[z, at] if at >= 0 else 1 / labels.V          # past an end: anything, and it has stayed
            if at >= 0 and not S[z, at]:
                chance = 0.0
                break
            at = to[z, at] if at >= 0 else -1
        alive += chance
    return alive


@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("words", [2, 3])
@pytest.mark.parametrize("length", [1, 2])
def test_a_sampler_stays_as_long_as_divergences_allow(loop, words, length):
    rng = np.random.default_rng(7 * words + length)
    labels = text(rng.integers(words, size=12), length, loop=loop)
    P, S = labels.P.toarray(), labels.S.toarray()
    for size in (0.3, 3.0):
        Q = np.exp(size * rng.normal(size=P.shape) + 2 * S)
        Q /= Q.sum(axis=0)
        delta = visits(P, labels, 4) @ by_hand(np.log(Q), labels)[0]
        leave = np.where(S, 0, Q).sum(axis=0)
        exact = 1 - np.cumsum(visits(Q, labels, 4) @ leave)
        for t in range(4):
            assert exact[t] == pytest.approx(stays(Q, labels, t + 1), abs=1e-12)
            assert exact[t] >= np.exp(-delta[:t + 1].sum()) - 1e-12
        if loop:
            assert np.allclose(visits(P, labels, 4), labels.pi) and np.allclose(delta, delta[0])


def test_in_a_text_with_an_end_divergences_differ_from_step_to_step():
    """The last sentence of the proposition is of a text without ends, and needs it."""
    labels = text([0, 1, 1, 0, 2], 2, loop=False)
    where = visits(labels.P, labels, 3)
    assert where[0].sum() == pytest.approx(1) and where[1].sum() < 1 - 0.1


@pytest.mark.parametrize("V", [1, 2, 5])
def test_one_word_again_and_again_never_leaves(V):
    labels = text(np.zeros(9, int), 3, loop=False)
    assert labels.m == 1 and np.allclose(visits(labels.P, labels, V), 1.0)


def test_a_word_that_no_context_holds_ends_the_writing():
    """`c` comes last only: a model cannot read it, and -1 stands after it."""
    labels = SoftLabels.from_text("a b a c", context_length=1)
    model = build_model("mlp", labels, d=4, seed=0)
    rows = continue_text(model, labels, np.zeros(50, int), 6, rng=np.random.default_rng(0))
    c = labels.vocab.index("c")
    assert (rows == c).any()
    for row in rows:
        if c in row:
            assert np.all(row[list(row).index(c) + 1:] == -1)
    with pytest.raises(ValueError, match="free vectors"):
        continue_text(build_model("ufm", labels, d=4, seed=0), labels, [0], 1, rng=np.random.default_rng(0))


@pytest.mark.parametrize("name", ["one-hot", "nested chain", "uneven weights", "one context", "equal supports"])
def test_odds_along_the_direction_fall_like_exp_minus_gamma(name):
    """13.7 in other worlds: a bound from above everywhere, with equality where the direction is the proxy."""
    labels = SoftLabels.from_counts(worlds()[name])
    S, L_in, L = labels.S.toarray(), in_support_logits(labels).toarray(), solve_ntp_svm(labels.S, tol=1e-10).L
    Z = np.where(S, np.exp(L_in), 0).sum(axis=0)
    gammas = np.arange(10, 26)
    seen = np.array([by_hand(L_in + g * L, labels)[2] for g in gammas])
    bound = (labels.V - S.sum(axis=0)) / Z * np.exp(-gammas[:, None])
    assert np.all(seen / (1 - seen) <= bound * (1 + 1e-6))
    inside = S.sum(axis=0) < labels.V
    slope = -np.polyfit(gammas, np.log(seen[:, inside] @ labels.pi[inside]), 1)[0]
    assert claim("13.7", slope).verdict == "holds"
    assert claim("13.7", 1.1 * slope).verdict == "fails"


def test_full_supports_have_no_direction_and_nobody_leaves_them():
    labels = SoftLabels.from_counts(worlds()["full supports"])
    assert np.abs(solve_ntp_svm(labels.S).L).max() == 0
    assert off_support_mass(np.random.default_rng(0).normal(size=labels.P.shape), labels) == 0


@pytest.mark.parametrize(("n", "d"), [(100, 8), (1000, 64), (300, 4)])
def test_what_the_constant_gives_away_is_the_share_that_the_page_says(n, d):
    rng = np.random.default_rng(n)
    A, B = ((X / np.linalg.norm(X, axis=0)).T @ (X / np.linalg.norm(X, axis=0)) for X in rng.normal(size=(2, d, n)))
    B = B / np.linalg.norm(B)
    plain, C = structural_correlation(A, B, C=0.0), 1e-5
    c = C / (A.std() * B.std())
    assert structural_correlation(A, B) == pytest.approx((plain + c) / (1 + c), abs=1e-4)
    unrelated = d / (d + n)
    assert (structural_correlation(A, B) > 1.5 * unrelated) == (c > 0.5 * unrelated)


def test_logits_of_proportions_only_are_not_turned_by_the_centre():
    """The finite part of a full support is all of its centred column."""
    labels = SoftLabels.from_counts(worlds()["full supports"])
    L = in_support_logits(labels).toarray()
    assert np.allclose(center(L), L, atol=1e-12)

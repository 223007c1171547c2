"""Concepts and the measures of chapter 17: against definitions, other libraries, and every case there is."""

import itertools
from collections import Counter

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, stats
from scipy.integrate import solve_ivp

from ntputils import (adjusted_rand, class_share, concepts, find_concepts, from_sets, half_time, orthants, shuffle_supports,
                      square_loss_curve, subspace_overlap, word_classes)

ROUNDING = 1e-10


def supports(rng, V, m, density=0.4):
    S = rng.random((V, m)) < density
    S[rng.integers(V, size=m), range(m)] = True
    return S


# --- concepts -----------------------------------------------------------------------------------

def test_all_concepts_together_are_the_centred_supports():
    S = supports(np.random.default_rng(0), 7, 16)
    found = find_concepts(S, 6)
    again = sum(s * np.outer(u, v) for s, u, v in zip(found.sizes, found.words.T, found.contexts.T))
    np.testing.assert_allclose(again, S - S.mean(axis=0), atol=ROUNDING)
    assert np.all(np.diff(found.sizes) <= 0)
    np.testing.assert_allclose(found.words.T @ found.words, np.eye(6), atol=ROUNDING)
    assert np.abs(found.words.sum(axis=0)).max() < ROUNDING


@pytest.mark.parametrize("shape", [(60, 45), (45, 60)])
def test_a_large_matrix_gives_the_same_without_being_dense(monkeypatch, shape):
    S = supports(np.random.default_rng(1), *shape, 0.1)
    dense = find_concepts(S, 5)
    monkeypatch.setattr(concepts, "_DENSE", 10)
    sparse = find_concepts(sp.csc_array(S), 5)
    for name in ("sizes", "words", "contexts"):
        np.testing.assert_allclose(getattr(sparse, name), getattr(dense, name), atol=1e-8)


def test_the_word_that_scores_farthest_scores_above_zero_and_first_among_equals():
    rng = np.random.default_rng(2)
    found = find_concepts(supports(rng, 20, 30), 6)
    assert all(u[np.abs(u).argmax()] > 0 for u in found.words.T)
    pair = find_concepts([[0], [1]], 1)        # two words equally far: the first decides
    assert pair.words[:, 0] == pytest.approx([np.sqrt(0.5), -np.sqrt(0.5)]) and pair.contexts[0, 0] < 0


def test_poles_are_the_ends_of_a_score_and_nothing_beyond_zero():
    found = concepts.Concepts(np.ones(1), np.array([[0.1], [-0.5], [0.7], [0.0], [0.1]]), np.array([[-1.0], [2.0]]))
    assert found.poles("abcde", 0) == (["c", "a", "e"], ["b"])
    assert found.poles("abcde", 0, count=2) == (["c", "a"], ["b"])
    assert found.poles(["x", "y"], 0, side="contexts") == (["y"], ["x"])


def test_orthants_read_signs_as_digits():
    X = np.random.default_rng(3).normal(size=(50, 4))
    wanted = [int("".join("1" if value > 0 else "0" for value in row), 2) for row in X]
    assert orthants(X).tolist() == wanted
    undecided = np.min(np.abs(X), axis=1) <= 0.3
    assert np.array_equal(orthants(X, tol=0.3) == -1, undecided) and undecided.any()


# --- square loss --------------------------------------------------------------------------------

def test_the_curve_solves_its_equation():
    sigma, start = np.array([0.5, 1.0, 3.0]), 1e-2
    t = np.linspace(0, 8, 40)
    flow = solve_ivp(lambda t, s: 2 * s * (sigma - s), (0, 8), np.full(3, start), t_eval=t, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(square_loss_curve(sigma[:, None], t, start), flow.y, atol=1e-7)
    np.testing.assert_allclose(square_loss_curve(sigma, half_time(sigma, start), start), sigma / 2, atol=ROUNDING)


def test_vectors_that_are_not_balanced_do_not_follow_it():
    flow = solve_ivp(lambda t, x: (1 - x[0] * x[1]) * x[::-1], (0, 2), [0.5, 0.02], rtol=1e-10, atol=1e-12)
    assert abs(flow.y[:, -1].prod() - square_loss_curve(1.0, 2.0, 0.01)) > 0.1


# --- agreement ----------------------------------------------------------------------------------

def test_overlap_is_the_mean_squared_cosine_of_principal_angles():
    rng = np.random.default_rng(4)
    A, B = (np.linalg.qr(rng.normal(size=(9, 3)))[0] for _ in range(2))
    angles = linalg.subspace_angles(A, B)
    assert subspace_overlap(A, B) == pytest.approx(np.mean(np.cos(angles)**2), abs=ROUNDING)
    turned = A @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert subspace_overlap(A, turned) == pytest.approx(1, abs=ROUNDING)


def together(x):
    return {(i, j) for i, j in itertools.combinations(range(len(x)), 2) if x[i] == x[j]}


@pytest.mark.parametrize("a, b", [("aabbcc", "xxxyyy"), ("aaabbc", "xyxyxy"), ("abcdef", "xxyyyy"), ("aaaabb", "xxxxyy")])
def test_adjusted_rand_over_every_shuffle(a, b):
    """Pairs counted one by one, and the expectation taken over all 720 orders."""
    both = len(together(a) & together(b))
    expected = np.mean([len(together(a) & together(order)) for order in itertools.permutations(b)])
    most = (len(together(a)) + len(together(b))) / 2
    assert adjusted_rand(a, b) == pytest.approx((both - expected) / (most - expected), abs=ROUNDING)


def test_adjusted_rand_without_anything_to_agree_on():
    assert np.isnan(adjusted_rand("aaaa", "bbbb")) and np.isnan(adjusted_rand("abcd", "dcba"))


def test_share_between_classes_is_that_of_the_analysis_of_variance():
    rng = np.random.default_rng(5)
    classes = np.array(list("aaabbbbcc"))
    X = rng.normal(size=(9, 2)) + (classes == "b")[:, None]
    found = class_share(X, classes, rng=rng, permutations=20)
    for x, share in zip(X.T, found.share):
        F = stats.f_oneway(*(x[classes == c] for c in "abc")).statistic
        assert share == pytest.approx(2 * F / (2 * F + 6), abs=ROUNDING)
    assert found.null.shape == (20, 2) and np.all(found.null <= 1)


def test_p_values_against_every_shuffle():
    classes, strata = list("aabbab"), [0, 0, 0, 0, 1, 1]
    X = np.array([[0.1], [0.4], [2.0], [1.5], [3.0], [3.5]])

    def share(x):
        means = {c: np.mean([v for v, k in zip(x, classes) if k == c]) for c in "ab"}
        return sum((means[c] - np.mean(x))**2 for c in classes) / np.sum((x - np.mean(x))**2)

    def exact(orders):
        shares = [share(X[list(order), 0]) for order in orders]
        return np.mean(np.array(shares) >= share(X[:, 0]) - 1e-12)

    everything = itertools.permutations(range(6))
    within = (first + second for first in itertools.permutations(range(4)) for second in itertools.permutations((4, 5)))
    rng = np.random.default_rng(6)
    for groups, orders in ((None, everything), (strata, within)):
        found = class_share(X, classes, rng=rng, strata=groups, permutations=4000)
        assert found.share[0] == pytest.approx(share(X[:, 0]), abs=ROUNDING)
        assert found.p[0] == pytest.approx(exact(orders), abs=4 * np.sqrt(0.25 / 4000))
        assert found.p_mean == found.p[0]


# --- shuffled supports --------------------------------------------------------------------------

@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(1, 12), st.floats(0.05, 0.95))
@settings(max_examples=40, deadline=None)
def test_a_shuffle_keeps_all_sums(seed, V, m, density):
    rng = np.random.default_rng(seed)
    S = supports(rng, V, m, density)
    before = S.copy()
    T = shuffle_supports(S, rng=rng, rounds=3)
    assert shuffle_supports(S, rng=rng, rounds=1).sum() == S.sum()
    assert np.array_equal(T.sum(axis=0), S.sum(axis=0)) and np.array_equal(T.sum(axis=1), S.sum(axis=1))
    assert np.array_equal(S, before)


def test_shuffles_are_uniform_over_all_matrices_with_these_sums():
    S = from_sets([{0, 1}, {1, 2}, {0}, {3}], V=4)
    def same_sums(T):
        return (T.sum(0) == S.sum(0)).all() and (T.sum(1) == S.sum(1)).all()

    columns = [[c for c in itertools.product((0, 1), repeat=4) if sum(c) == k] for k in S.sum(axis=0)]
    states = [T.tobytes() for combination in itertools.product(*columns)
              if same_sums(T := np.array(combination, dtype=bool).T.copy())]
    rng, draws = np.random.default_rng(7), 4000
    seen = Counter(np.ascontiguousarray(shuffle_supports(S, rng=rng, rounds=12)).tobytes() for _ in range(draws))
    assert set(seen) == set(states) and len(states) > 10
    assert stats.chisquare([seen[state] for state in states]).pvalue > 1e-4


# --- words and errors ---------------------------------------------------------------------------

def test_the_list_of_classes_has_each_word_once():
    table = word_classes()
    assert len(set(table.values())) == 16 and min(Counter(table.values()).values()) >= 5
    assert table["thou"] == "subject" and table["jerusalem"] == "place" and {"you", "her", "left"}.isdisjoint(table)


@pytest.mark.parametrize("call, message", [
    (lambda: find_concepts(np.eye(3), 4), "count: got 4, want a number from 1 to min"),
    (lambda: find_concepts(np.eye(3), 3), "count: got 3, want at most 2, the rank"),
    (lambda: find_concepts(np.eye(3), 1).poles("ab", 0), "names: got 2, want 3, one for each of the words"),
    (lambda: find_concepts(np.eye(3), 1).poles("abc", 1), "concept: got 1, want a number from 0 to 0"),
    (lambda: find_concepts(np.eye(3), 1).poles("abc", 0, side="left"), "side: got 'left'"),
    (lambda: orthants(np.ones(3)), r"X, tol: got shape \(3,\)"),
    (lambda: square_loss_curve(0.0, 1.0, 0.1), "sigma: got 0.0, want numbers above 0"),
    (lambda: half_time(1.0, -0.1), "start: got -0.1"),
    (lambda: subspace_overlap(np.eye(3), np.eye(4)), "A, B: got shapes"),
    (lambda: subspace_overlap(np.ones((3, 2)), np.eye(3)[:, :2]), "A: got columns that are 3 off orthonormal"),
    (lambda: adjusted_rand([0, 1], [0, 1, 2]), "a, b: got 2 and 3 labels"),
    (lambda: class_share(np.ones((3, 1)), "aab", rng=np.random.default_rng(0)), "got a constant score"),
    (lambda: class_share(np.eye(3), "ab", rng=np.random.default_rng(0)), "X, classes: got shape"),
    (lambda: class_share(np.eye(3), "aab", strata=[0], rng=np.random.default_rng(0)), "classes: got shape"),
    (lambda: shuffle_supports(np.eye(3), rng=np.random.default_rng(0), rounds=0), "rounds: got 0, want at least 1"),
])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_seed_is_no_generator():
    with pytest.raises(TypeError, match="rng: got int"):
        shuffle_supports(np.eye(3), rng=0)

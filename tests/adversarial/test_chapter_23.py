"""Chapter 23 under attack: rare tokens in other worlds, odd unit contexts, orientations, currencies of balanced worlds."""

import itertools

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import linprog

from ntputils import SoftLabels, center, one_hot, regularization_path, solve_ntp_svm

S4 = np.array([[1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=bool)


def apart(A, B):
    return np.linalg.norm(A - B) / np.linalg.norm(B)


# --- rare tokens ---

RARE = {"one-hot": (np.eye(3), (1, 0), [1, 1, 1]), "V = 2": (np.eye(2), (1, 0), [1, 1]),
        "one context": ([[1], [0], [0]], (1, 0), [1]),
        "uneven weights": (np.eye(3), (1, 0), [100, 1, 1]), "a chain": (np.triu(np.ones((4, 3))), (1, 0), [1, 2, 3])}


@pytest.mark.parametrize("S, entry, weight", RARE.values(), ids=RARE)
@pytest.mark.parametrize("s, first, last", [(0.5, 1e7, 1e10), (2, 1e3, 1e5)])
def test_a_rare_token_hangs_where_the_theorem_says_in_other_worlds(page, S, entry, weight, s, first, last):
    S = np.asarray(S) > 0
    new = S.copy()
    new[entry] = True

    def logits(N):
        counts = S / S.sum(axis=0) * np.array(weight) / np.sum(weight) * (N - 1)
        counts[entry] = 1
        return regularization_path(SoftLabels.from_counts(counts), [N**-float(s)])[0].L

    change = center(logits(last) - logits(first)) / (s * np.log(last / first))
    wanted = solve_ntp_svm(S).L if s < 1 else page(23).hanging(new, entry, 1 / s, rounds=2000)
    assert apart(change, wanted) < 0.06
    if s > 1:
        assert min(apart(change, solve_ntp_svm(S).L), np.linalg.norm(change - solve_ntp_svm(new).L)) > 0.1


@pytest.mark.parametrize("S", [np.eye(3), [[1], [0]], np.ones((2, 2)), S4, np.triu(np.ones((5, 4)))],
                         ids=["one-hot", "V = 2", "full", "the four tokens", "a chain"])
def test_the_nearest_feasible_point_makes_no_acute_angle_to_any_other(page, S):
    S, rng = np.asarray(S) > 0, np.random.default_rng(0)
    for _ in range(20):
        X = 2 * rng.normal(size=S.shape)
        P = page(23).nearest(X, S)
        for _ in range(20):
            low = rng.normal(size=S.shape[1])
            Y = np.where(S, low, low - 1 - rng.exponential(size=S.shape) * rng.integers(0, 2, S.shape))
            assert np.sum((X - P) * (Y - P)) <= 1e-9
        off = np.where(S, -np.inf, P).max(axis=0)
        assert np.all(np.where(S, P, np.inf).min(axis=0) - off >= 1 - 1e-9)


# --- contexts of one length ---

ODD = {"one column": np.array([[3.0], [4]]), "a column of zeros": np.array([[1.0, 0, 2], [0, 0, 1]]),
       "rank one": np.outer([1.0, 2], [3, -1, 1]), "equal columns": np.array([[1.0, 1, 0], [2, 2, 1]]),
       "float32": np.float32([[1, 2, 0], [0, 1, 3]]), "one long": np.diag([1e3, 1, 1])}


@pytest.mark.parametrize("L", ODD.values(), ids=ODD)
def test_the_price_of_unit_contexts_is_certified_on_degenerate_logits(page, L):
    assert page(23).gap_of(L, rounds=2000) < 2e-3
    w = np.full(L.shape[1], 1 / L.shape[1])
    for _ in range(2000):
        squares, low = page(23).lengths(L, w)
        w = w * squares / (w @ squares)
    assert np.linalg.norm(L, axis=0).max() * (1 - 2e-3) <= low <= np.linalg.norm(L) * (1 + 1e-6)
    assert L.shape[1] > 1 or low == pytest.approx(5)


@pytest.mark.parametrize("counts", [(5, 1, 1), (1, 2, 9)])
def test_copies_cost_unit_contexts_nothing(page, counts):
    L, w, gap = page(23).unit_svm(np.repeat(S4, counts, axis=1), rounds=25)
    one, _, _ = page(23).unit_svm(S4, rounds=25)
    assert gap < 5e-3
    assert apart(L, np.repeat(one, counts, axis=1)) < 0.05
    merged = [w[k:k + c].sum() for k, c in zip(np.cumsum((0, *counts)), counts)]
    np.testing.assert_allclose(merged, [0.285, 0.357, 0.357], atol=0.02)


# --- orientation ---

def balanced_flow(S, L, time):
    """Logits of balanced factors, centred, in an orthonormal basis: where they end, and determinants on the way."""
    V, shape = len(S), L.shape
    Q, P = np.linalg.svd(np.eye(V) - 1 / V)[0][:, :V - 1], S / S.sum(axis=0)

    def slope(t, x):
        q = np.exp(Q @ x.reshape(shape))
        G = Q.T @ ((q / q.sum(axis=0) - P) / S.shape[1])
        U, s, Vt = np.linalg.svd(x.reshape(shape))
        return (-G @ (Vt.T * s) @ Vt - (U * s) @ U.T @ G).ravel()

    def vanished(t, x):
        return abs(np.linalg.det(x.reshape(shape))) - 1e-7       # soon rounding would carry it over zero

    vanished.terminal = True
    run = solve_ivp(slope, (0, time), L.ravel(), method="DOP853", rtol=1e-9, atol=1e-13, events=vanished)
    return Q @ run.y[:, -1].reshape(shape), np.array([np.linalg.det(x.reshape(shape)) for x in run.y.T]), Q


@pytest.mark.parametrize("S", [np.array([[1], [0]]), np.eye(3)[:, :2], np.array([[1, 1], [1, 0], [0, 0]]),
                               np.array([[1, 0], [1, 1], [0, 1]])], ids=["V = 2", "one-hot", "nested", "overlapping"])
@pytest.mark.parametrize("seed", range(2))
def test_no_balanced_flow_turns_over_and_of_a_start_and_its_mirror_image_one_is_locked_out(S, seed):
    L, target = np.random.default_rng(seed).normal(size=(len(S) - 1,) * 2), solve_ntp_svm(S).L
    ends = {}
    for sign in (1, -1):
        end, seen, Q = balanced_flow(S, np.diag([sign] + [1] * (len(S) - 2)) @ L, 30)
        assert np.all(np.sign(seen) == np.sign(seen[0]))
        same = np.sign(seen[0]) == np.sign(np.linalg.det(Q.T @ target))
        ends[bool(same)] = apart(end / np.linalg.norm(end), target / np.linalg.norm(target))
    assert ends[True] < ends[False] and ends[False] > 0.3


def test_with_two_words_the_wrong_sign_dies_out_and_never_passes_zero():
    """L = (x, -x) has x' = 2 |x| (1 - q), so that below zero log|x| falls and x stays where it is."""
    S = np.array([[1], [0]])
    Q = np.linalg.svd(np.eye(2) - 0.5)[0][0, 0]
    end, seen, _ = balanced_flow(S, np.array([[-0.3 / Q]]), 20)
    assert -1e-6 < end[0, 0] < 0 and np.all(np.diff(np.abs(seen)) < 0)


# --- currencies ---

def sign_cost(L):
    """The least sum of coefficients over products of sign vectors, and those that are used."""
    V, m = L.shape
    signs = [[np.array(x) for x in itertools.product((1, -1), repeat=n)] for n in (V, m)]
    pairs = list(itertools.product(*signs))
    found = linprog(np.ones(len(pairs)), A_eq=np.array([np.outer(s, t).ravel() for s, t in pairs]).T, b_eq=L.ravel())
    return found.fun, [(c, *pairs[k]) for k, c in enumerate(found.x) if c > 1e-12]


@pytest.mark.parametrize("seed, d", [(0, 3), (1, 3), (2, 12)])
def test_no_factors_pay_less_than_the_three_prices(seed, d):
    rng, norm = np.random.default_rng(seed), np.linalg.norm
    W, H = rng.normal(size=(3, d)) * 10.0**rng.integers(-2, 3, d), rng.normal(size=(d, 3))
    L = W @ H
    assert norm(W) * norm(H) >= norm(L, "nuc") and norm(W, 2) * norm(H, 2) >= norm(L, 2)
    assert d * np.abs(W).max() * np.abs(H).max() >= sign_cost(L)[0] * (1 - 1e-9)


@pytest.mark.parametrize("L", [np.random.default_rng(3).normal(size=(3, 3)), np.eye(3), np.outer([1.0, -2], [1, 1, 3])],
                         ids=["random", "one-hot", "rank one"])
def test_the_third_price_is_reached_in_many_dimensions(L):
    cost, terms = sign_cost(L)
    for d in (60, 6000):
        n = [int(np.ceil(c * d / cost)) for c, _, _ in terms]
        W = np.hstack([np.tile(np.sqrt(c / k) * s[:, None], k) for (c, s, _), k in zip(terms, n)])
        H = np.vstack([np.tile(np.sqrt(c / k) * t, (k, 1)) for (c, _, t), k in zip(terms, n)])
        np.testing.assert_allclose(W @ H, L, atol=1e-9)
        assert len(H) * np.abs(W).max() * np.abs(H).max() <= cost * (1 + len(terms) / d) * (1 + 1e-9)


@pytest.mark.parametrize("counts, strict", [((10, 1, 1), True), ((1, 1, 1, 1), False), ((3, 1), False)])
def test_own_prices_in_other_worlds_and_where_two_currencies_have_one_solution(page, counts, strict):
    from ast import Assign, parse, unparse
    from pathlib import Path

    names, rng = page(23), np.random.default_rng(0)
    space = names.descend.__globals__
    script = next((Path(__file__).resolve().parents[2] / "notebooks").glob("23*.py")).read_text(encoding="utf-8")
    steepest = next(node for node in parse(script).body if isinstance(node, Assign) and unparse(node.targets[0]) == "STEEPEST")
    space |= {"S_one": one_hot(counts), "STEPS": 1500}
    exec(unparse(steepest), space)
    start = [0.1 * rng.normal(size=(len(counts), 8)), 0.1 * rng.normal(size=(8, sum(counts)))]
    paid = np.array([names.prices(*names.descend(start, name)) for name in space["STEEPEST"]])
    own = np.diag(paid) / np.where(np.eye(3), np.inf, paid).min(axis=0)
    if strict:
        assert own.max() < 1
    else:                                                       # gradient and spectral steps go to the same matrix
        np.testing.assert_allclose(own[:2], 1, atol=0.03)
    assert 1 - 1e-6 <= paid[0, 0] / solve_ntp_svm(one_hot(counts)).primal < 1.01


# --- the smallest dimension ---

@pytest.mark.parametrize("S, wanted", [(np.eye(5), (2, False)), (np.triu(np.ones((5, 4))), (4, True)),
                                       (np.ones((3, 2)), (1, True)), ([[1], [0]], (1, True)),
                                       ([[1, 0], [0, 1], [0, 0]], (1, True))],
                         ids=["one-hot", "a chain", "full", "one context", "two of three"])
def test_the_smallest_dimension_of_small_worlds_and_that_a_chain_may_be_too_short_a_proof(page, S, wanted):
    assert page(23).smallest(np.asarray(S, dtype=bool)) == wanted


@pytest.mark.parametrize("S", [np.eye(4), S4, np.ones((3, 2)), np.random.default_rng(0).random((12, 9)) < 0.3])
def test_a_shuffle_of_the_search_keeps_all_sums(page, S):
    page(23).shuffled.__globals__["rng"] = np.random.default_rng(1)
    S = np.asarray(S) > 0
    T = page(23).shuffled(S)
    assert np.array_equal(T.sum(axis=0), S.sum(axis=0)) and np.array_equal(T.sum(axis=1), S.sum(axis=1))

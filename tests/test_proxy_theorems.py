"""The theorems of chapter 8 on exact proxies and on how inexact one can be, each against another route than its proof.

Trees are grown as trees (not by testing pairs), closed forms are computed in exact arithmetic with fractions, minima
come from the solver, whose gap is in the allowance of each test.
"""

import itertools
from fractions import Fraction
from math import comb, inf, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from ntputils import centered_support, cyclic_windows, from_sets, one_hot, proxy_is_optimal, solve_ntp_svm
from ntputils.proxy import ProxyVerdict

ROUNDING = 1e-9


def nuclear(L):
    return np.linalg.svd(L, compute_uv=False).sum()


def polar(S):
    """The polar factor from eigenvectors of the smaller side, another route than the library's."""
    X = centered_support(S)
    values, Q = np.linalg.eigh(X @ X.T)
    keep = values > 1e-12 * values[-1]
    return (Q[:, keep] / np.sqrt(values[keep])) @ (Q[:, keep].T @ X)


def excess(S):
    """How far the proxy's norm is above the solver's, relative to the latter."""
    return nuclear(centered_support(S)) / solve_ntp_svm(S, tol=1e-8).primal - 1


# Least Frobenius norm

@settings(deadline=None, max_examples=60)
@given(st.integers(2, 8), st.data())
def test_every_other_feasible_point_is_longer_than_the_proxy(V, data):
    k = data.draw(st.integers(1, V - 1))
    drop = np.array(data.draw(st.lists(st.floats(0, 3), min_size=V - k, max_size=V - k)))
    shift = data.draw(st.floats(-2, 2))
    x = np.r_[np.ones(k), -drop] + shift
    proxy = centered_support(np.arange(V)[:, None] < k)[:, 0]
    gain = x @ x - proxy @ proxy - np.sum((x - proxy) ** 2)  # 2 <x - proxy, proxy>: the projection's inequality
    assert gain >= -1e-12
    assert x @ x >= proxy @ proxy - 1e-12


# Trees

def grow(tokens, rng, edges):
    """Cuts a set of tokens in two, again and again; one side of each cut, sometimes its complement, is a support."""
    if len(tokens) > 1:
        tokens = rng.permutation(tokens)
        cut = rng.integers(1, len(tokens))
        for side in (tokens[:cut], tokens[cut:]):
            edges.append(set(side.tolist()))
            grow(side, rng, edges)
    return edges


@pytest.mark.parametrize("seed", range(40))
def test_all_edges_of_a_tree_with_either_side_and_any_multiplicities(seed):
    rng = np.random.default_rng(seed)
    V = int(rng.integers(3, 12))
    edges = grow(np.arange(V - 1 if seed % 3 == 0 else V), rng, [])   # every third: a token in no edge
    edges = [edge for edge in edges if rng.random() < 0.7 and 0 < len(edge) < V] or [{0}]
    sides = [set(range(V)) - edge if rng.random() < 0.5 else edge for edge in edges]
    S = np.repeat(from_sets(sides, V), rng.integers(1, 50, size=len(sides)), axis=1)
    G = polar(S)
    assert np.where(S, -inf, G / np.abs(G).max(axis=0)).max() < -1e-5
    assert proxy_is_optimal(np.c_[S, np.ones((V, 2), bool)]).optimal is True


def test_the_resolvent_in_the_proof_of_the_tree_theorem_is_a_laplacian_at_every_t():
    rng = np.random.default_rng(0)
    for _ in range(20):
        edges = grow(np.arange(7), rng, [])
        X = centered_support(from_sets([e for e in edges if len(e) < 7], 7))
        for t in (1e-2, 1.0, 30.0):
            R = np.linalg.pinv(X @ X.T + t**2 * (np.eye(7) - 1 / 7), rcond=1e-9)
            assert (R - np.diag(np.diag(R))).max() <= 1e-12 and R[~np.eye(7, dtype=bool)].max() < 0


def test_a_crossing_family_has_a_positive_entry_in_the_resolvent():
    """The step that fails without compatibility: this is what the theorem is about."""
    X = centered_support(from_sets([{0}, {0, 1}, {0, 2}], 4))
    R = np.linalg.pinv(X @ X.T + 0.1**2 * (np.eye(4) - 1 / 4), rcond=1e-9)
    assert R[~np.eye(4, dtype=bool)].max() > 0.1


def test_both_sides_of_the_cuts_have_the_same_words_and_not_the_same_verdict():
    one, other = from_sets([{0}, {0, 1}, {0, 2}], 4), from_sets([{1, 2, 3}, {0, 1}, {0, 2}], 4)
    X, Y = centered_support(one), centered_support(other)
    assert np.allclose(X @ X.T, Y @ Y.T, atol=1e-14)
    assert proxy_is_optimal(one).optimal is False and proxy_is_optimal(other).optimal is True
    assert polar(one)[3, 0] == pytest.approx(1 / (2 * sqrt(11)), abs=1e-13)


@pytest.mark.parametrize("sizes", list(itertools.product((1, 3), (1, 4), (2, 5), (0, 2))))
def test_two_crossing_supports_by_the_closed_form(sizes):
    both, first, second, neither = sizes
    tokens = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], sizes, axis=0) == 1
    S = np.repeat(tokens, (2, 7), axis=1)
    V, a, b = len(S), 2, 7
    alpha, beta, gamma = (both + first) / V, (both + second) / V, both / V
    p, s, q = a * V * alpha * (1 - alpha), b * V * beta * (1 - beta), sqrt(a * b) * V * (gamma - alpha * beta)
    delta = sqrt(p * s - q * q)
    scale = delta * sqrt(p + s + 2 * delta) * sqrt(a)
    G = polar(S)[:, 0]
    assert np.allclose(G[tokens[:, 1] & ~tokens[:, 0]],
                       -sqrt(a) * (alpha * delta + b * V * (1 - beta) * gamma) / scale)
    assert np.allclose(G[~tokens.any(axis=1)],
                       -sqrt(a) * (alpha * delta + b * V * beta * (alpha - gamma)) / scale)


@settings(deadline=None, max_examples=60)
@given(st.integers(3, 6).flatmap(lambda V: st.tuples(
    st.just(V), st.lists(st.sets(st.integers(0, V - 1), min_size=1, max_size=V - 1), min_size=2, max_size=7))))
def test_the_laplacian_condition_is_sufficient(problem):
    V, supports = problem
    S = from_sets(supports, V)
    M = np.linalg.pinv(centered_support(S) @ centered_support(S).T, rcond=1e-9)
    if M[~np.eye(V, dtype=bool)].max() <= 1e-12:
        assert proxy_is_optimal(S).optimal is True


# The certificate

def test_two_coincidences_leave_room_for_a_certificate_beside_the_polar_factor():
    S = from_sets([{4, 5}, {1, 3}, {1, 2, 4}, {1, 2, 3}, {0}, {0, 4, 5}], 6)
    G = polar(S)
    x, y = np.array([0, 1, 0, -1, -1, 1]) / 2, np.array([2, 0, 0, 1, 2, -1]) / sqrt(10)
    assert np.abs(x @ G).max() < 1e-12 and np.abs(G @ y).max() < 1e-12 and x.sum() == 0
    assert G[1, 4] > 0.02
    for tau, allowed in ((0.07, False), (0.08, True), (0.09, True), (2.0, False)):
        Lam = G - tau * np.outer(x, y)
        assert (np.linalg.norm(Lam, 2) <= 1 + 1e-12 and np.where(S, -1, Lam).max() <= 0) == allowed
    assert proxy_is_optimal(S).optimal is True


def test_the_excess_of_a_verdict_is_relative_to_the_minimum():
    S = from_sets([{0}, {0, 1}, {0, 2}], 4)
    exact = (1 + sqrt(11) / 2) / (1 + 2 * sqrt(2 / 3)) - 1
    verdict = proxy_is_optimal(S)
    assert verdict.excess == pytest.approx(exact, rel=1e-6)
    assert verdict.excess == pytest.approx(nuclear(centered_support(S)) / nuclear(verdict.better) - 1, rel=1e-6)
    assert verdict.excess > verdict.gap  # the same difference, as a share of the smaller and of the larger norm
    assert proxy_is_optimal(one_hot([3, 1, 2])).excess == pytest.approx(0, abs=ROUNDING)
    nothing = np.zeros((4, 3))
    assert ProxyVerdict(None, nothing, None, 1.0, np.arange(3), np.ones(3)).excess == inf


# Circles

def test_eight_tokens_windows_of_three_in_exact_arithmetic():
    """Numbers a + b sqrt 2 as pairs of fractions: the certificate and both norms, with no rounding at all."""
    cosines = {0: (1, 0), 1: (0, Fraction(1, 2)), 2: (0, 0), 3: (0, Fraction(-1, 2)), 4: (-1, 0)}

    def cos(n):  # of n pi / 4
        n %= 8
        return cosines[min(n, 8 - n)]

    def times(x, y):
        return x[0] * y[0] + 2 * x[1] * y[1], x[0] * y[1] + x[1] * y[0]

    def add(*terms):
        return tuple(sum(part) for part in zip(*terms))

    spectrum = {1: (1, 0), 2: (1, 0), 3: (Fraction(-1, 2), 0), 4: (-1, 0)}
    Lam = [tuple(Fraction(part) / 8 for part in add(*(times((1 if f == 4 else 2, 0), times(spectrum[f], cos(f * n)))
                                                      for f in spectrum))) for n in range(5)]
    assert Lam[2] == (Fraction(-3, 8), 0) and Lam[4] == (0, 0)
    assert Lam[3] == (Fraction(1, 8), Fraction(-3, 16))            # (1 - 3/2 sqrt 2) / 8 < 0
    value = add(Lam[0], times((2, 0), Lam[1]))
    assert times((8, 0), value) == (4, 3)                           # 4 + 3 sqrt 2
    entries = [(1, 0), (1, 0), (0, 0), (0, 0), (1, -1)]             # the opposite token: 1 - sqrt 2
    transform = [add(entries[0], *(times((2 if n < 4 else 1, 0), times(entries[n], cos(f * n)))
                                   for n in range(1, 5))) for f in range(1, 5)]
    assert transform == [(0, 2), (2, -1), (0, 0), (0, -1)]          # 2 sqrt 2, 2 - sqrt 2, 0, -sqrt 2
    total = sum(abs(a + b * sqrt(2)) * (1 if f == 4 else 2) for f, (a, b) in enumerate(transform, 1))
    assert total == pytest.approx(4 + 3 * sqrt(2), rel=1e-15)
    assert nuclear(centered_support(cyclic_windows(8, 3))) == pytest.approx(3 + 4 * sqrt(2), rel=1e-13)
    assert excess(cyclic_windows(8, 3)) == pytest.approx(5 - 3.5 * sqrt(2), rel=1e-5)


def test_eleven_tokens_windows_of_three():
    assert excess(cyclic_windows(11, 3)) == pytest.approx(0.0303, abs=1e-4)


@pytest.mark.parametrize(("V", "k"), [(V, k) for V in range(4, 13) for k in range((V + 1) // 2, V)])
def test_windows_of_half_a_small_circle_and_more_are_exact(V, k):
    assert proxy_is_optimal(cyclic_windows(V, k)).optimal is True


def least_by_linear_programming(V, k):
    """The least sum of absolute values of the Fourier transform of a feasible circulant matrix."""
    angles = 2 * np.pi * np.outer(np.arange(1, V), np.arange(V) - (k - 1) / 2) / V
    support, off = np.cos(angles[:, :k]).sum(axis=1), np.cos(angles[:, k:])
    A = np.block([[-off, -np.eye(V - 1)], [off, -np.eye(V - 1)]])
    return linprog(np.r_[np.zeros(V - k), np.ones(V - 1)], A_ub=A, b_ub=np.r_[-support, support]).fun


@pytest.mark.parametrize(("V", "k"), [(18, 11), (23, 14), (28, 17)])
def test_windows_of_more_than_half_a_large_circle_can_fail(V, k):
    solution = solve_ntp_svm(cyclic_windows(V, k), tol=1e-7)
    assert solution.gap <= 1e-7
    assert solution.primal == pytest.approx(least_by_linear_programming(V, k), rel=1e-6)
    assert solution.primal < 0.999 * nuclear(centered_support(cyclic_windows(V, k)))


# Conjunctions

def conjunction(q, T):
    """Kronecker powers of J - I: the chapter counts letters instead."""
    S = np.ones((1, 1))
    for _ in range(T):
        S = np.kron(S, 1 - np.eye(q))
    return S == 1


@pytest.mark.parametrize(("q", "T"), [(3, 1), (3, 2), (4, 2), (5, 2), (3, 3), (4, 3), (3, 4)])
def test_conjunctions_are_solved_by_counting(q, T):
    S = conjunction(q, T)
    solution = solve_ntp_svm(S, tol=1e-8)
    minimum = T * (q - 1) * q ** (T - 1)
    assert solution.primal == pytest.approx(minimum, rel=1e-7)
    assert nuclear(centered_support(S)) == pytest.approx((q - 1) ** T * (2**T - 1), rel=1e-12)
    assert (q - 1) ** T * (2**T - 1) == sum(comb(T, w) * (q - 1) ** T for w in range(1, T + 1))


def test_counting_is_the_only_solution_for_four_values():
    assert np.linalg.matrix_rank(solve_ntp_svm(conjunction(4, 2), tol=1e-9).L, tol=1e-3) == 6


@pytest.mark.parametrize(("q", "T"), [(q, T) for q in range(3, 8) for T in range(1, 9)])
def test_the_certificate_for_conjunctions_in_exact_arithmetic(q, T):
    """Eigenvalues of the dual point from sums over letters, for each number w of non-constant factors."""
    e = Fraction(q - 1) ** 2 / (q * Fraction(q - 1) ** T)
    level = [T * e / (q - 1), -e] + [Fraction(0)] * (T - 1)
    for w in range(T + 1):
        # r letters agree, i of them among the w coordinates whose character sums to -1 over the other letters
        total = sum(level[i + j] * comb(w, i) * (-1) ** (w - i) * comb(T - w, j) * (q - 1) ** (T - w - j)
                    for i in range(w + 1) for j in range(T - w + 1))
        assert total == (Fraction((-1) ** w * w) / Fraction(q - 1) ** (w - 1))
        assert abs(total) <= 1
    value = q**T * (q - 1) ** T * level[0]
    assert value == T * (q - 1) * q ** (T - 1)


def test_with_two_values_the_certificate_is_too_long_and_the_proxy_exact():
    S, shared = conjunction(2, 2), sum(np.kron(*pair) for pair in ((np.eye(2), np.ones((2, 2))),
                                                                   (np.ones((2, 2)), np.eye(2))))
    Lam = np.where(S, 1.0, np.where(shared == 1, -0.5, 0))  # T e / (q - 1) and -e with q = T = 2, e = 1/2
    assert np.linalg.norm(Lam, 2) == pytest.approx(2)
    assert proxy_is_optimal(S).optimal is True


def test_three_colours_and_four_shapes():
    S = np.kron(1 - np.eye(3), 1 - np.eye(4)) == 1
    assert solve_ntp_svm(S, tol=1e-8).primal == pytest.approx(17, rel=1e-7)
    assert nuclear(centered_support(S)) == pytest.approx(18, rel=1e-12)


def test_the_excess_grows_without_bound_along_conjunctions():
    ratios = [float((1 - Fraction(1, 4)) ** (T - 1) * (2**T - 1) / T) for T in range(1, 60)]
    assert ratios[3] == pytest.approx(1.58203125) and all(b > a for a, b in zip(ratios, ratios[1:]))
    assert ratios[-1] > 1e8


# Bounds

@settings(deadline=None, max_examples=80)
@given(st.integers(2, 8).flatmap(lambda V: st.tuples(
    st.just(V), st.lists(st.sets(st.integers(0, V - 1), min_size=1, max_size=V), min_size=1, max_size=9))))
def test_the_two_bounds_hold(problem):
    V, supports = problem
    S = from_sets(supports, V)
    proper = S[:, ~S.all(axis=0)]
    if proper.size:
        least, norm = solve_ntp_svm(S, tol=1e-8).primal, nuclear(centered_support(S))
        k = proper.sum(axis=0).max()
        rank = np.linalg.matrix_rank(centered_support(S), tol=1e-9)
        assert norm <= sqrt(rank) * least * (1 + ROUNDING)
        assert norm <= k * V / (V - k) * least * (1 + ROUNDING)


@settings(deadline=None, max_examples=60)
@given(st.integers(3, 9), st.integers(1, 12), st.randoms(use_true_random=False))
def test_one_chosen_token_for_each_context_makes_a_dual_point(V, m, random):
    supports = [random.sample(range(V), random.randint(1, V - 1)) for _ in range(m)]
    S, Y = from_sets(supports, V), from_sets([[s[0]] for s in supports], V).astype(float)
    n = Y.sum(axis=1, keepdims=True)
    Lam = centered_support(Y == 1) / np.sqrt(n[Y.argmax(axis=0)].T)
    assert np.linalg.norm(Lam, 2) <= 1 + 1e-12 and np.where(S, -1, Lam).max() <= 0
    assert Lam[S].sum() >= (1 - S.sum(axis=0).max() / V) * nuclear(Y) - 1e-12

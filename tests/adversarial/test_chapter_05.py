"""Chapter 5 under attack: degenerate supports, uneven weights, ridges from lambda_max to 1e-20, other designs."""

import warnings

import numpy as np
import pytest
from scipy.optimize import brentq

from ntputils import (ConvergenceWarning, SoftLabels, all_subsets, centered_support, cyclic_windows, fano_plane,
                      in_support_logits, lambda_max, regularization_path, softmax, solve_ntp_svm)
from ntputils._anderson import Anderson

SIX = np.array([[4, 0, 1, 0, 2, 0], [1, 3, 0, 0, 2, 0], [0, 2, 0, 5, 0, 0], [0, 0, 3, 1, 0, 1], [0, 0, 0, 2, 1, 4]])
COUNTS = {"one context": [[5], [1], [0], [0]], "two tokens": [[1, 0, 2], [0, 3, 1]], "one-hot": np.eye(5),
          "uneven copies": np.repeat(np.eye(3), [1, 1, 30], axis=1),
          "all supports equal": [[3, 1, 2], [1, 5, 2], [0, 0, 0], [0, 0, 0]],
          "one full": [[1, 2, 0], [0, 3, 1], [0, 4, 0]], "nested": np.tril(np.ones((6, 5))),
          "all but one": 1 - np.eye(4), "equal rows": np.repeat(SIX[:3, :3], 2, axis=0),
          "uneven weights": SIX * np.array([1, 1e-2, 1e-4, 1e-6, 1e-8, 1]),
          "uneven odds": [[1, 1e-6, 0], [1e-6, 1, 1], [0, 1, 1e-9]],
          "float32": np.array([[4, 0, 1], [1, 3, 0], [0, 2, 0]], np.float32), "other counts": SIX**3 + SIX}
families = pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
LOOSE = 1e-5      # -grad CE / lambda: the root of the gap, and rounding of 1e-15 over 1e-9


def log_softmax(L):
    return L - L.max(axis=0) - np.log(np.exp(L - L.max(axis=0)).sum(axis=0))


def nuclear(A):
    return np.linalg.svd(A, compute_uv=False).sum()


# --- what holds at every ridge ---

@families
def test_every_part_of_the_identity_with_its_constant(counts):
    labels = SoftLabels.from_counts(counts)
    S, P, pi = labels.S.toarray(), labels.P.toarray(), labels.pi
    nu, c, r = solve_ntp_svm(labels.S, tol=1e-9).primal, (P * pi)[S].min(), min(labels.V - 1, labels.m)
    for point in regularization_path(labels, np.geomspace(0.9 * lambda_max(labels), 1e-9, 7), tol=1e-12):
        lam, log_q = point.lam, log_softmax(point.L)
        ratio = np.where(S, log_q - np.log(np.where(S, P, 1)), 0)
        G = -np.where(S, P * np.expm1(ratio), np.exp(log_q)) * pi / lam
        leave = np.where(S, 0, np.exp(log_q)).sum(axis=0)
        assert G[~S].max(initial=-1) < 0
        assert np.linalg.norm(G, 2) <= 1 + LOOSE and np.abs(G.sum(axis=0)).max() < LOOSE
        assert np.sum(G * point.L) == pytest.approx(nuclear(point.L), rel=LOOSE)
        assert pi @ leave == pytest.approx(lam * G[S].sum(), rel=1e-3, abs=1e-3 * lam)
        assert pi @ leave <= lam * nu * (1 + LOOSE)
        assert (np.abs(G) <= 1 + LOOSE).all()
        if lam < c:
            margin = np.where(S, point.L, np.inf).min(axis=0) - np.where(S, -np.inf, point.L).max(axis=0)
            assert margin.min() >= np.log(c / lam - 1) - LOOSE
        if lam <= c / 2:
            inside = np.where(S, ratio - np.log1p(-leave), 0)
            excess = pi @ -np.log1p(-leave) + pi @ (P * (np.expm1(inside) - inside)).sum(axis=0)
            assert -1e-5 * lam <= excess - pi @ leave <= lam**2 * r / c + 1e-5 * lam
            far = np.where(S, ratio - np.where(S, ratio, 0).sum(axis=0) / S.sum(axis=0), 0)
            assert np.linalg.norm(far) <= 1.4 * lam * np.sqrt(r) / c + 1e-9


@families
def test_norm_and_cosine_keep_their_bounds_on_the_way_to_the_theorem(counts):
    labels = SoftLabels.from_counts(counts)
    S, A = labels.S.toarray(), solve_ntp_svm(labels.S, tol=1e-9).L
    in_support, nu, c = in_support_logits(labels).toarray(), nuclear(A), (labels.P.toarray() * labels.pi)[S].min()
    constant = labels.pi @ (labels.V / labels.support_sizes - 1)
    for lam in (c / 100, c / 1e4):
        [point] = regularization_path(labels, [lam], tol=1e-10)
        ell, norm = np.log(1 / lam), nuclear(point.L)
        assert norm >= nu * (ell - np.log(2 / c)) - nuclear(in_support) - 1
        assert norm <= nu * ell + nuclear(in_support) + constant + 1e-6
        finite = np.where(S, point.L - np.where(S, point.L, 0).sum(axis=0) / S.sum(axis=0), 0)
        cosine = np.sum(point.L * A) / np.linalg.norm(point.L) / np.linalg.norm(A)
        assert 1 - cosine >= 0.5 * np.sum(finite**2) / np.sum(point.L**2) - 1e-9


@families
@pytest.mark.parametrize("gamma", [0.0, 2.0, 20.0])
def test_prediction_in_total_variation_not_only_in_what_leaves(counts, gamma):
    labels = SoftLabels.from_counts(counts)
    A, in_support = solve_ntp_svm(labels.S, tol=1e-9).L, in_support_logits(labels).toarray()
    S, k = labels.S.toarray(), labels.support_sizes
    Z = np.where(S, np.exp(in_support), 0).sum(axis=0)
    both = np.abs(softmax(in_support + gamma * A) - labels.P.toarray()).sum(axis=0) / 2
    alone = np.abs(softmax(gamma * A) - S / k).sum(axis=0) / 2
    assert (both <= (labels.V - k) * np.exp(-gamma) / Z * (1 + 1e-6) + 1e-7).all()
    assert (alone <= (labels.V / k - 1) * np.exp(-gamma) * (1 + 1e-6) + 1e-7).all()
    assert abs(np.sum(in_support * A)) <= 1e-8 * (1 + np.linalg.norm(in_support) * np.linalg.norm(A))


# --- one context, against a scalar equation ---

@pytest.mark.parametrize("lam", [0.5, 0.1, 1e-3, 1e-8, 1e-14])
@pytest.mark.parametrize("a", [0.5, 0.75, 0.999])
def test_one_context_by_another_route(lam, a):
    """p - q = lam L / |L| for three tokens: given the third logit and the length, an equation in one number each."""
    labels = SoftLabels.from_counts([[a], [1 - a], [0]])
    [point] = regularization_path(labels, [lam], tol=1e-13)
    if lam >= lambda_max(labels):
        assert not point.L.any()
        return
    L, q = point.L[:, 0], softmax(point.L)[:, 0]
    assert q[2] == pytest.approx(lam * -L[2] / np.linalg.norm(L), rel=1e-5)
    length = np.linalg.norm(L)

    def odds(x, p):                                        # of a token with logit x and probability p against the third
        return np.log(p - lam * x / length) - np.log(-lam * L[2] / length) - (x - L[2])

    found = [brentq(odds, -40, 0.999999 * p * length / lam, args=(p,)) for p in (a, 1 - a)]
    assert found == pytest.approx([L[0], L[1]], rel=1e-4, abs=1e-4)


# --- the solver where it stalled ---

@pytest.mark.parametrize("counts, lam", [
    ([[5], [1], [0], [0]], 0.1), ([[3], [5]], 0.1), ([[2, 4, 4], [0, 1, 2], [3, 5, 5], [3, 1, 0]], 1e-3),
    ([[3, 1, 0], [5, 3, 0], [2, 4, 2], [0, 1, 1], [2, 5, 2], [2, 5, 5]], 1e-3),
    ([[1, 0, 5], [2, 0, 3], [5, 1, 4], [5, 4, 1], [4, 3, 1], [2, 5, 0], [3, 1, 1]], 1e-3)])
def test_cold_starts_on_tiny_problems_that_ran_in_circles(counts, lam):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        [point] = regularization_path(SoftLabels.from_counts(counts), [lam], tol=1e-10)
    assert point.residual <= 1e-10


@pytest.mark.parametrize("seed", range(4))
def test_cold_starts_on_random_tiny_problems(seed):
    rng = np.random.default_rng(seed)
    for _ in range(25):
        counts = rng.integers(0, 6, (rng.integers(2, 8), rng.integers(1, 4)))
        counts[0, counts.sum(axis=0) == 0] = 1
        [point] = regularization_path(SoftLabels.from_counts(counts), [10.0**rng.integers(-5, 0)], tol=1e-10)
        assert point.residual <= 1e-10


def test_bold_steps_give_up_after_a_hundred_that_lead_nowhere():
    anderson, z = Anderson(np.zeros((1, 1)), 3, bold=True), np.ones((1, 1))
    lengths = [1.0, 0.5] + 200 * [0.6, 0.7]
    for k, length in enumerate(lengths):
        anderson.step(z, np.full((1, 1), length))
        assert anderson.bold == (k < 102)                # the hundred and first after the shortest


@pytest.mark.parametrize("share", [1 - 1e-3, 1 - 1e-6, 1 - 1e-9, 1.0, 1.5])
def test_ridges_next_to_lambda_max(share):
    labels = SoftLabels.from_counts(SIX)
    lam = share * lambda_max(labels)
    [point] = regularization_path(labels, [lam], tol=1e-10)
    assert point.residual <= 1e-10 and point.L.any() == (share < 1)
    assert np.linalg.norm(point.L) <= 100 * max(0, 1 - share)


@pytest.mark.parametrize("lam", [1e-13, 1e-16, 1e-20])
def test_ridges_below_rounding(lam):
    labels = SoftLabels.from_counts(SIX)
    [point] = regularization_path(labels, [lam], tol=1e-8)
    leave = labels.pi @ np.where(labels.S.toarray(), 0, np.exp(log_softmax(point.L))).sum(axis=0)
    assert point.residual <= 1e-8 and 0.9 < leave / (lam * solve_ntp_svm(labels.S, tol=1e-8).primal) <= 1 + LOOSE


# --- exact paths, and what is not exact ---

DESIGNS = {"Fano": fano_plane(), "its complement": 1 - fano_plane().astype(int),
           "twice": np.repeat(fano_plane(), 2, axis=1),
           "one-hot": np.eye(4), "one-hot, each thrice": np.repeat(np.eye(4), 3, axis=1), "two tokens": np.eye(2),
           "all but one": 1 - np.eye(5), "one context": [[1], [1], [0]],
           "disjoint halves": np.repeat(np.eye(2), 3, axis=0)}


@pytest.mark.parametrize("S", DESIGNS.values(), ids=DESIGNS)
def test_the_exact_path_of_every_flat_world_of_one_size(S):
    S = np.asarray(S).astype(int)
    labels, (V, m), k = SoftLabels.from_counts(S), S.shape, S[:, 0].sum()
    s = np.linalg.svd(centered_support(S), compute_uv=False)
    sigma, nu = s[0], s.sum()
    assert np.ptp(s[s > 1e-9]) < 1e-9 and lambda_max(labels) == pytest.approx(sigma / (k * m))
    for point in regularization_path(labels, np.geomspace(0.9, 1e-8, 5) * sigma / (k * m), tol=1e-13):
        a = np.log((V * sigma - (V - k) * k * m * point.lam) / (k**2 * m * point.lam))
        assert np.abs(point.L - a * centered_support(S)).max() < 1e-6
        assert point.loss - labels.entropy() == pytest.approx(-np.log1p(-point.lam * nu), rel=1e-6, abs=1e-14)


@pytest.mark.parametrize("break_it", ["odds", "weights", "spectrum"])
def test_the_exact_path_needs_each_of_its_conditions(break_it):
    S = all_subsets(4, 2).astype(float)
    counts = {"odds": S * np.arange(1, 5)[:, None], "weights": S * np.arange(1, 7), "spectrum": S[:, :4]}[break_it]
    [point] = regularization_path(SoftLabels.from_counts(counts), [1e-2], tol=1e-12)
    proxy = centered_support(counts > 0)
    assert np.sum(point.L * proxy) / np.linalg.norm(point.L) / np.linalg.norm(proxy) < 1 - 1e-4


@pytest.mark.parametrize("weights, margin", [((1, 1), (1.6, 1.62)), ((3, 2), (1, 1.4))])
def test_where_solutions_are_many_the_path_comes_near_their_set_whichever_it_chooses(weights, margin):
    """The pentagon: norms tend to one number, the margin of the opposite token to what the odds choose."""
    counts = weights[0] * np.eye(5) + weights[1] * np.roll(np.eye(5), 1, axis=0)
    [point] = regularization_path(SoftLabels.from_counts(counts), [1e-9], tol=1e-9)
    S = counts > 0
    rest = np.where(S, np.where(S, point.L, 0).sum(axis=0) / 2, point.L)           # without the finite part
    least = (np.where(S, rest, np.inf).min(axis=0) - np.where(S, -np.inf, rest).max(axis=0)).min()
    assert 2 * np.sqrt(5) - 1e-9 <= nuclear(rest / least) <= 1.02 * 2 * np.sqrt(5)
    assert margin[0] <= (rest[0, 0] - rest[3, 0]) / least <= margin[1]
    assert solve_ntp_svm(cyclic_windows(5, 2)).primal == pytest.approx(2 * np.sqrt(5), rel=1e-6)


# --- the exercises ---

@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("lam", [0.05, 1e-3])
def test_no_prediction_as_near_to_the_text_is_more_uncertain(seed, lam):
    labels, rng = SoftLabels.from_counts(SIX), np.random.default_rng(seed)
    [point] = regularization_path(labels, [lam], tol=1e-12)
    P, q = labels.P.toarray(), softmax(point.L)

    def uncertainty(Q):
        return labels.pi @ -np.where(Q > 0, Q * np.log(np.where(Q > 0, Q, 1)), 0).sum(axis=0)

    assert np.linalg.norm((P - q) * labels.pi, 2) == pytest.approx(lam, rel=1e-5)
    for _ in range(50):
        Q = rng.dirichlet(np.ones(5), size=6).T
        Q = q + 10.0**rng.uniform(-3, 0) * (Q - q)
        Q = P + (Q - P) * min(1, lam / np.linalg.norm((P - Q) * labels.pi, 2))
        assert uncertainty(Q) <= uncertainty(q) + 1e-7


@pytest.mark.parametrize("copies", [2, 10])
def test_synonyms_are_a_larger_ridge_and_copied_texts_are_nothing(copies):
    once, again = SoftLabels.from_counts(SIX), SoftLabels.from_counts(copies * SIX)
    synonyms = SoftLabels.from_counts(np.repeat(SIX, copies, axis=1))
    for lam in (1e-2, 1e-6):
        [a], [b] = (regularization_path(labels, [lam], tol=1e-11) for labels in (once, again))
        [c], [d] = (regularization_path(labels, [at], tol=1e-11)
                    for labels, at in ((synonyms, lam), (once, np.sqrt(copies) * lam)))
        assert np.abs(a.L - b.L).max() < 1e-3 and np.abs(c.L - np.repeat(d.L, copies, axis=1)).max() < 1e-3

"""Chapter 7 under attack: small and lopsided worlds, other seeds, other dual points, and counts that are far apart."""

import numpy as np
import pytest
import scipy.sparse as sp

from ntputils import (SoftLabels, all_subsets, centered_support, cyclic_windows, fano_plane, factor, flat_world,
                      from_sets, lambda_max, one_hot, regularization_path, separations, solve_ntp_svm, star_gram,
                      star_weights, step_geometry)


def root(A):
    """The square root of a Gram matrix."""
    values, vectors = np.linalg.eigh(A)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def polar(S):
    U, s, Vt = np.linalg.svd(centered_support(S), full_matrices=False)
    keep = s > 1e-9 * s[0]
    return U[:, keep] @ Vt[keep]


def flipped(S, seed):
    """Some supports replaced by their complements."""
    return S ^ (np.random.default_rng(seed).random(S.shape[1]) < 0.5)


FLAT = {
    "two tokens, one context": one_hot([1, 0]),
    "two tokens, lopsided": one_hot([5, 1]),
    "one token each": np.eye(6, dtype=bool),
    "one token each, complemented here and there": flipped(np.eye(6, dtype=bool), 1),
    "all but one": all_subsets(5, 4),
    "with full supports": np.hstack([fano_plane(), np.ones((7, 3), bool)]),
    "repeated and complemented": flipped(np.tile(all_subsets(4, 2), 7), 2),
    "every proper support": all_subsets(4, [1, 2, 3]),
}


@pytest.mark.parametrize("name", FLAT)
def test_flat_worlds_have_the_angles_of_the_theorem_at_the_solvers_own_solution(name):
    S = FLAT[name]
    L, V = solve_ntp_svm(S, tol=1e-10).L, len(S)
    proper = ~S.all(axis=0)
    words, contexts = root(L @ L.T), root(L.T @ L)[np.ix_(proper, proper)]
    sizes, S = S.sum(axis=0)[proper], S[:, proper].astype(int)
    world = flat_world(FLAT[name])
    assert np.abs(words - world.sigma * (np.eye(V) - 1 / V)).max() < 1e-4
    lengths = np.sqrt(np.outer(np.diag(words), np.diag(contexts)))
    for j, k in enumerate(sizes):
        wanted = np.where(S[:, j], np.sqrt((V - k) / k / (V - 1)), -np.sqrt(k / (V - k) / (V - 1)))
        assert np.abs(L[:, proper][:, j] / lengths[:, j] - wanted).max() < 1e-4
        cosines = contexts[j] / np.sqrt(contexts[j, j] * np.diag(contexts))
        shared = S[:, j] @ S
        assert np.abs(cosines - (V * shared - k * sizes) / np.sqrt(k * (V - k) * sizes * (V - sizes))).max() < 1e-4


@pytest.mark.parametrize("S", [np.ones((3, 2)), [[1, 1], [1, 1], [0, 1]], [[1], [1], [0]]],
                         ids=["full", "equal rows", "one context"])
def test_worlds_with_tokens_that_nothing_tells_apart_are_not_flat(S):
    assert flat_world(S) is None and star_weights(S) is None


@pytest.mark.parametrize("kind", [np.float32, np.int8, bool])
def test_supports_come_in_any_type_and_sparse(kind):
    S = fano_plane().astype(kind)
    assert (separations(S) == separations(sp.csr_array(S))).all() and flat_world(S).sigma == pytest.approx(2**0.5)


@pytest.mark.parametrize("V", [3, 4])
def test_star_worlds_found_by_chance_have_a_strictly_negative_certificate_and_the_words_of_the_formula(V):
    """Not made as flat worlds with single tokens on top, as those of the chapter are."""
    rng, found = np.random.default_rng(V), 0
    while found < 15:
        S = (rng.integers(1, 2**V - 1, rng.integers(V, 9)) >> np.arange(V)[:, None] & 1).astype(bool)
        x = star_weights(S)
        if x is not None:
            found += 1
            assert np.allclose(separations(S), np.where(np.eye(V), 0, np.add.outer(x, x)))
            assert polar(S)[~S].max() < -1e-6
            L = solve_ntp_svm(S, tol=1e-10).L
            assert np.abs(root(L @ L.T) - star_gram(x)).max() < 1e-4 * star_gram(x).max()


def test_a_token_with_no_part_of_its_own_is_no_star_world():
    """The theorem asks for positive numbers: here that of token 3 is zero."""
    S = from_sets([{0}, {1}], 3)
    assert separations(S).tolist() == [[0, 2, 1], [2, 0, 1], [1, 1, 0]]
    assert star_weights(S) is None


@pytest.mark.parametrize("R", [1e-6, 1.0, 1e6, 1e12])
@pytest.mark.parametrize("V, M", [(2, 1), (4, 2), (9, 1), (9, 8)])
def test_step_imbalance_agrees_with_a_square_root_whatever_the_ratio_and_the_share(V, M, R):
    x = np.array([R] * M + [1.0] * (V - M))
    P = np.eye(V) - 1 / V
    gram = step_geometry(V, R, majority=M).gram()
    assert np.abs(gram - root(P @ np.diag(x) @ P)).max() < 1e-5 * gram.max()
    assert np.abs(gram - star_gram(x)).max() < 1e-5 * gram.max()
    assert np.abs(gram.sum(axis=0)).max() < 1e-9 * gram.max()


@pytest.mark.parametrize("large", [1e18, 1e25])
def test_weights_that_no_float_can_add_give_finite_words(large):
    gram = star_gram([large] + [1.0] * 7)
    assert np.all(np.isfinite(gram)) and gram[0, 0] == pytest.approx(np.sqrt(7 / 8 * large) * np.sqrt(7 / 8), rel=0.1)


@pytest.mark.parametrize("share", [0.999, 1e-9])
@pytest.mark.parametrize("S", [all_subsets(5, 3), fano_plane()], ids=["triples of five", "Fano plane"])
def test_equal_counts_have_the_angles_just_below_the_largest_ridge_and_far_below_it(S, share):
    labels = SoftLabels.from_counts(S.astype(int))
    [point] = regularization_path(labels, [share * lambda_max(labels)], tol=1e-10)
    unit = point.W / np.linalg.norm(point.W, axis=1, keepdims=True)
    assert np.abs(unit @ unit.T - np.where(np.eye(len(S)), 1, -1 / (len(S) - 1))).max() < 1e-4


@pytest.mark.parametrize("seed", [0, 4, 5])
def test_counts_from_one_to_a_million_leave_wrong_signs_at_a_ridge_that_is_small_enough_for_one_to_ten(seed):
    """Claims 7.4 and 7.5 are about counts from 1 to 10; the limit is the same for all."""
    S, rng = all_subsets(3, 2), np.random.default_rng(seed)
    even = SoftLabels.from_counts(S * rng.integers(1, 11, S.shape))
    wide = SoftLabels.from_counts(S * np.floor(10 ** np.random.default_rng(seed).uniform(0, 6, S.shape)))
    wrong = [int(np.sum((point.L > 0) != S)) for labels in (even, wide)
             for point in regularization_path(labels, [1e-8, 1e-14])]
    assert wrong[:2] == [0, 0] and wrong[2] > 0 == wrong[3]


def test_a_context_is_the_weighted_sum_for_every_solution_of_a_segment_and_one_certificate():
    S = cyclic_windows(5, 2)
    opposite = np.roll(np.eye(5), 3, axis=0)
    Lam = (2 * S - 1 + opposite) / np.sqrt(5)
    for tau in (0, 0.3, 2 / (1 + np.sqrt(5))):
        W, H = factor(centered_support(S) - tau * (opposite - 0.2), tol=1e-9)
        assert np.abs(W.T @ Lam - H).max() < 1e-9 and np.abs(Lam @ H.T - W).max() < 1e-9
    W, H = factor(centered_support(S) - 0.8 * (opposite - 0.2))                # past the end: no solution
    assert np.abs(W.T @ Lam - H).max() > 0.01


@pytest.mark.parametrize("S, exact", [(np.kron(np.eye(3), np.ones((2, 2))), True), (all_subsets(5, 2), True),
                                      (one_hot([3, 1, 1]), False), (from_sets([{0}, {0, 1}], 3), False)],
                         ids=["disjoint pairs", "flat", "uneven", "nested"])
def test_the_plain_sum_explains_a_context_just_where_the_spectrum_is_flat(S, exact):
    sigma = np.linalg.svd(centered_support(S), compute_uv=False)
    W, H = factor(solve_ntp_svm(S, tol=1e-10).L, tol=1e-6)
    sums = W.T @ S
    share = np.sum(H * sums)**2 / np.sum(H**2) / np.sum(sums**2)
    assert share == pytest.approx(np.sum(sigma**2)**2 / np.sum(sigma) / np.sum(sigma**3), abs=1e-5)
    assert (share > 1 - 1e-6) == exact


@pytest.mark.parametrize("first, second, product", [
    ("0 012 013 023", "01 02 03 0123", lambda S: S @ S.T), ("0 12 13 23", "0 12 13 14", lambda S: S.T @ S)],
    ids=["SS'", "S'S"])
def test_equal_gram_matrices_with_different_norms_are_proved_by_a_bound_on_either_side(first, second, product):
    S, T = (from_sets([map(int, s) for s in text.split()], 5).astype(int) for text in (first, second))
    assert (product(S) == product(T)).all()
    low, high = sorted((solve_ntp_svm(A, tol=1e-8) for A in (S, T)), key=lambda solution: solution.primal)
    assert high.dual > 1.004 * low.primal

"""The closed forms against counting, against NumPy, and the solver against all of them.

Oracles: brute-force counts and eigenvalues written anew here; a bare Douglas-Rachford iteration from a random start,
which shares no code with `ntputils.svm` and does not start at the proxy, as that solver does; feasibility and gap of
the solver's pair computed from L, Lambda and S alone.
"""

import itertools
from math import comb, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntputils import (FlatWorld, SoftLabels, all_subsets, fano_plane, flat_world, from_sets, lambda_max, one_hot,
                      regularization_path, separations, solve_ntp_svm, star_gram, star_weights, step_geometry,
                      subset_world)

EXACT = 1e-10      # closed forms against closed forms: rounding of roots of matrices of size ten
SOLVED = 1e-5      # the solver stops at a relative gap of 1e-10, whose root this is
BARE = 1e-3        # three hundred bare iterations end at a gap of about 1e-8: its root, times ten
LAMINAR = [[{0}, {0, 1}, {0, 1, 2}], [{0, 1}, {2, 3}], [{0, 1, 2, 3}, {0, 1}, {2, 3}, {0}, {1}, {4}],
           [{0}] * 7 + [{0, 1, 2}] * 3 + [{3, 4}] * 2 + [{3}]]


def designs():
    """Worlds in which every two tokens are told apart by the same number of contexts."""
    complemented = fano_plane()
    complemented[:, ::2] = ~complemented[:, ::2]
    star = from_sets([{0, 1}, {0, 2}, {0, 3}], 4)
    return {"fano": fano_plane(), "complemented": complemented, "mixed": all_subsets(5, [1, 2, 3]), "star": star,
            "triangle": ~star, "twice": np.tile(all_subsets(4, 2), 2),
            "full contexts": np.hstack([fano_plane(), np.ones((7, 2), bool)]),
            **{f"{V},{k}": all_subsets(V, k) for V in range(2, 7) for k in range(1, V)}}


def centred(S):
    return S - S.mean(axis=0)


def root(A):
    values, vectors = np.linalg.eigh(A)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def nuclear(A):
    return np.sqrt(np.maximum(np.linalg.eigvalsh(A.T @ A), 0)).sum()


def holds(solution, S):
    """The solver's pair, checked from L, Lambda and S alone: feasible, and of equal value."""
    L, Lam = solution.L, solution.certificate[:, solution.inverse]
    for column, weights, on in zip(L.T, Lam.T, S.T, strict=True):
        assert np.ptp(column[on]) < 1e-9 and (on.all() or column[on].min() - column[~on].max() > 1 - 1e-9)
        assert abs(weights.sum()) < 1e-9 and weights[~on].max(initial=0) < 1e-9
    assert np.linalg.eigvalsh(Lam.T @ Lam).max() < 1 + 1e-9
    assert nuclear(L) - Lam[S].sum() < 1e-6 * nuclear(L) + 1e-12


def from_anywhere(S, steps=300, seed=0):
    """The solution that a bare Douglas-Rachford iteration finds from a random start."""
    z = np.random.default_rng(seed).normal(size=S.shape)
    for _ in range(steps):
        x = np.empty_like(z)
        for j, on in enumerate(S.T):
            low, high = z[:, j].min() - 2, z[:, j].max() + 2
            for _ in range(40):
                s = (low + high) / 2
                low, high = (s, high) if (s - z[on, j]).sum() < np.maximum(z[~on, j] + 1 - s, 0).sum() else (low, s)
            x[on, j], x[~on, j] = s, np.minimum(z[~on, j], s - 1)
        U, values, Vt = np.linalg.svd(2 * x - z, full_matrices=False)
        z = z + 1.6 * ((U * np.maximum(values - 1, 0)) @ Vt - x)
    return x


# --- counting ---

@settings(max_examples=50, deadline=None)
@given(st.integers(2, 6), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_separations_are_counted(V, m, seed):
    rng = np.random.default_rng(seed)
    S = rng.random((V, m)) < 0.5
    S[rng.integers(V), ~S.any(axis=0)] = True
    d = separations(S)
    assert d.tolist() == [[sum(S[u, j] != S[v, j] for j in range(m)) for v in range(V)] for u in range(V)]
    turned = S ^ (S.sum(axis=0) < V) * (rng.random(m) < 0.5)   # complements, none of them empty
    assert (separations(turned) == d).all()
    P = np.eye(V) - 1 / V
    np.testing.assert_allclose(centred(S) @ centred(S).T, -P @ d @ P / 2, rtol=0, atol=EXACT)


def test_star_weights_are_those_that_made_the_world():
    assert star_weights(one_hot([3, 1, 4, 1])).tolist() == [3, 1, 4, 1]
    both = np.hstack([all_subsets(5, 2), one_hot([1, 2, 0, 0, 7])])
    np.testing.assert_allclose(star_weights(both), np.array([1, 2, 0, 0, 7]) + comb(3, 1))
    assert star_weights(np.array([[1, 0, 0], [0, 1, 1]])).tolist() == [1.5, 1.5]


@pytest.mark.parametrize("sets", [[{0}, {0, 1}, {0, 2}], [{0}], [{0, 1}, {1, 2}, {2, 3}, {3, 0}]])
def test_other_worlds_are_not_taken_for_stars(sets):
    """The smallest failure; tokens 1 to 3 that nothing tells apart; a circle of four."""
    assert star_weights(from_sets(sets, 4)) is None and flat_world(from_sets(sets, 4)) is None


def test_star_weights_are_not_found_where_one_context_is_added_to_a_design():
    for S in (fano_plane(), all_subsets(5, 2)):
        assert flat_world(S) and not flat_world(np.hstack([S, S[:, :1]]))


# --- the formulas ---

def test_subsets_have_binomial_sigma():
    for V in range(2, 8):
        for k in range(1, V):
            world = subset_world(V, k)
            assert world == flat_world(all_subsets(V, k))
            s = np.linalg.svd(centred(all_subsets(V, k)), compute_uv=False)
            np.testing.assert_allclose(s[:V - 1], world.sigma, rtol=EXACT)
            assert abs(world.norm - s.sum()) < EXACT * world.norm


@pytest.mark.parametrize("name", designs())
def test_angles_of_flat_worlds_are_those_of_roots(name):
    S = designs()[name]
    S = S[:, ~S.all(axis=0)]
    V, world, L = len(S), flat_world(S), centred(S)
    words, contexts = root(L @ L.T), root(L.T @ L)
    np.testing.assert_allclose(words, world.sigma * (np.eye(V) - 1 / V), rtol=0, atol=1e-7)
    w, h = np.sqrt(np.diag(words)), np.sqrt(np.diag(contexts))
    assert abs(words[0, 1] / w[0] / w[1] - world.words) < 1e-7
    k = S.sum(axis=0).tolist()
    for j in range(S.shape[1]):
        wanted = np.where(S[:, j], world.in_support(k[j]), world.off_support(k[j]))
        np.testing.assert_allclose(L[:, j] / w / h[j], wanted, rtol=0, atol=1e-7)
        assert wanted[S[:, j]].min() > 0 > wanted[~S[:, j]].max()
    for i, j in itertools.islice(itertools.product(range(S.shape[1]), repeat=2), 200):
        shared = int(np.sum(S[:, i] & S[:, j]))
        assert abs(contexts[i, j] / h[i] / h[j] - world.contexts(k[i], k[j], shared)) < 1e-7


def test_star_gram_is_the_root():
    rng = np.random.default_rng(0)
    for _ in range(20):
        V = int(rng.integers(2, 7))
        S = one_hot(rng.integers(1, 30, size=V))
        gram = star_gram(star_weights(S))
        if V > 2:
            np.testing.assert_allclose(gram @ gram, centred(S) @ centred(S).T, rtol=0, atol=1e-9)
        assert np.linalg.eigvalsh(gram).min() > -1e-9 and np.abs(gram.sum(axis=0)).max() < 1e-9


@pytest.mark.parametrize("V", [2, 4, 6, 10])
@pytest.mark.parametrize("R", [1, 2, 10, 1000])
def test_steps_are_stars_with_two_weights(V, R):
    world = step_geometry(V, R)
    np.testing.assert_allclose(world.gram(), star_gram([R] * (V // 2) + [1] * (V // 2)), rtol=0, atol=1e-9 * R)
    gram = world.gram()
    if V > 2:
        assert abs(world.minority_cosine - gram[-1, -2] / gram[-1, -1]) < EXACT
        assert abs(world.majority_cosine - gram[0, 1] / gram[0, 0]) < EXACT
    assert abs(world.mixed_cosine - gram[0, -1] / sqrt(gram[0, 0] * gram[-1, -1])) < EXACT


@pytest.mark.parametrize("R", [1, 2, 10, 1000])
@pytest.mark.parametrize(("V", "many"), [(2, 1), (3, 1), (3, 2), (7, 2), (7, 5), (10, 9)])
def test_steps_with_any_majority_are_stars(V, many, R):
    world = step_geometry(V, R, majority=many)
    np.testing.assert_allclose(world.gram(), star_gram([R] * many + [1] * (V - many)), rtol=0, atol=1e-9 * R)
    if V == 2 * many:
        assert world == step_geometry(V, R)


def test_the_trained_model_is_a_multiple_of_the_proxy():
    for S in (all_subsets(5, 2), fano_plane(), from_sets([{0, 1}, {0, 2}, {0, 3}], 4)):
        labels, k = SoftLabels.from_counts(S.astype(int)), int(S[:, 0].sum())
        world, top = flat_world(S), lambda_max(labels)
        assert abs(top - world.sigma / (k * S.shape[1])) < EXACT
        for point in regularization_path(labels, [0.5 * top, 1e-2 * top, 1e-6 * top], tol=1e-10):
            a = world.scale(k, S.shape[1], point.lam)
            np.testing.assert_allclose(point.L, a * centred(S), rtol=0, atol=1e-4)
        assert world.scale(k, S.shape[1], 1.01 * top) == 0 and world.scale(k, S.shape[1], 0.99 * top) > 0


# --- the solver against all of them ---

@pytest.mark.parametrize("name", designs())
def test_the_solver_finds_designs(name):
    S = designs()[name]
    solution = solve_ntp_svm(S, tol=1e-10)
    holds(solution, S)
    np.testing.assert_allclose(solution.L, centred(S), rtol=0, atol=SOLVED)
    assert abs(solution.primal - flat_world(S).norm) < 1e-8 * solution.primal


@pytest.mark.parametrize("counts", [[1, 1, 1, 1], [5, 5, 5], [1, 1, 1, 5], [10, 1, 1, 1], [1, 2, 3, 4, 20],
                                    [100] * 3 + [1] * 3])
def test_the_solver_finds_neural_collapse_and_seli(counts):
    S = one_hot(counts)
    solution = solve_ntp_svm(S, tol=1e-10)
    holds(solution, S)
    np.testing.assert_allclose(root(solution.L @ solution.L.T), star_gram(counts), rtol=0, atol=SOLVED * max(counts))
    assert abs(solution.primal - np.trace(star_gram(counts))) < 1e-8 * solution.primal


@pytest.mark.parametrize("sets", LAMINAR)
def test_the_solver_finds_laminar_families_at_the_proxys_value(sets):
    for V in (5, 6):   # in the second, a token that follows nothing
        S = from_sets(sets, V)
        solution = solve_ntp_svm(S, tol=1e-10)
        holds(solution, S)
        assert abs(solution.primal - nuclear(centred(S))) < 1e-8 * solution.primal
        np.testing.assert_allclose(solution.L, centred(S), rtol=0, atol=SOLVED)


@pytest.mark.parametrize("S", [all_subsets(4, 2), one_hot([1, 2, 4]), from_sets(LAMINAR[2], 6),
                               np.hstack([all_subsets(4, 3), one_hot([3, 0, 1, 1])])],
                         ids=["pairs", "one-hot", "tree", "star"])
def test_from_a_random_start_one_comes_to_the_same_point(S):
    np.testing.assert_allclose(from_anywhere(S), centred(S), rtol=0, atol=BARE)


# --- what is refused ---

@pytest.mark.parametrize(("call", "says"), [
    (lambda: subset_world(1, 1), "V, k: got 1, 1"), (lambda: subset_world(4, 4), "a size from 1 to V - 1"),
    (lambda: subset_world(4, 0), "V, k: got 4, 0"),
    (lambda: step_geometry(5, 2), "an even number"), (lambda: step_geometry(4, 0), "R"),
    (lambda: step_geometry(5, 2, majority=5), "majority: got 5"), (lambda: step_geometry(5, 2, majority=0), "majority"),
    (lambda: star_gram([1, 0]), "weights: got"), (lambda: star_gram([[1, 2]]), "weights: got"),
    (lambda: star_gram([1, np.nan]), "weights: got"), (lambda: star_weights([[1, 1]]), "want at least two"),
    (lambda: separations([[0], [0]]), "next token"), (lambda: FlatWorld(4, 1.0).in_support(4), "k: got 4"),
    (lambda: FlatWorld(4, 1.0).scale(2, 6, 0), "m, lam: got 6, 0")])
def test_bad_input_is_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()

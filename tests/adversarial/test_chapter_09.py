"""Chapter 9 under attack: names and multiplicities, degenerate supports, larger faces, other probabilities."""

import itertools

import numpy as np
import pytest

from ntputils import (SoftLabels, centered_support, cyclic_windows, from_sets, is_unique, lambda_max, one_hot,
                      optimal_face, optimality_gap, project_F_perp, regularization_path, solve_ntp_svm)

PHI = (1 + 5**0.5) / 2
S5 = cyclic_windows(5, 2)
OPPOSITE = np.roll(np.eye(5), 3, axis=0) > 0


def misses(L, S):
    """The largest violation of a constraint."""
    low, high = np.where(S, L, np.inf).min(axis=0), np.where(S, L, -np.inf).max(axis=0)
    return max((high - low).max(), (1 - low + np.where(S, -np.inf, L).max(axis=0)).max())


# --- verdicts ---

@pytest.mark.parametrize("seed", range(3))
def test_the_pentagon_has_several_solutions_under_other_names_with_many_copies_and_full_supports(seed):
    rng = np.random.default_rng(seed)
    S = S5[rng.permutation(5)][:, rng.permutation(5)]
    for world in (S, np.repeat(S, 1000, axis=1), np.repeat(S, 3, axis=0), np.hstack([S, np.ones((5, 4), bool)])):
        verdict = is_unique(world.astype([bool, int, np.float32][seed]))
        assert verdict.unique is False
        distinct = np.unique(world, axis=1).shape[1]
        assert verdict.pair.shape == (2, len(world), distinct)
        assert np.abs(verdict.pair[0] - verdict.pair[1]).max() > 0.3


@pytest.mark.parametrize("S", [np.ones((3, 2)), [[1], [0]], [[1, 1, 0], [0, 0, 1]], np.eye(5)[:, [0] * 4],
                               one_hot([1000, 1, 1]), np.arange(12)[:, None] <= np.arange(11),
                               np.vstack([S5, np.zeros((1, 5))]),
                               np.repeat(S5, (1000, 1, 1, 1, 1), axis=1)],
                         ids=["all full", "V = 2, m = 1", "V = 2", "one support", "uneven", "a chain", "a silent token",
                              "a lopsided pentagon"])
def test_degenerate_and_lopsided_supports_are_certified_to_have_one_solution(S):
    verdict, face = is_unique(S), optimal_face(S)
    assert verdict.unique is True and face.dimension == 0
    assert face.contains(face.center) and (not face.norm or not face.contains(1.01 * face.center))


def test_among_all_graphs_of_five_edges_on_five_tokens_just_the_twelve_pentagons_have_several():
    kinds, several = {}, 0
    for edges in itertools.combinations(itertools.combinations(range(5), 2), 5):
        kinds.setdefault(min(sorted(sorted(name[v] for v in edge) for edge in edges).__repr__()
                             for name in itertools.permutations(range(5))), []).append(edges)
    for alike in kinds.values():
        if is_unique(from_sets(alike[0], 5)).unique is not True:
            several += len(alike)
            assert np.bincount(np.ravel(alike[0])).tolist() == [2] * 5           # five tokens, five edges: one ring
    assert len(kinds) == 6 and several == 12


@pytest.mark.parametrize("seed", range(3))
def test_copies_of_supports_of_four_tokens_leave_one_solution(seed):
    rng = np.random.default_rng(seed)
    for _ in range(30):
        S = (rng.integers(1, 15, rng.integers(3, 7)) >> np.arange(4)[:, None] & 1).astype(bool)
        assert is_unique(np.repeat(S, rng.integers(1, 9, S.shape[1]), axis=1)).unique is True


@pytest.mark.parametrize("seed", range(20))
def test_two_runs_of_the_solver_are_no_further_apart_than_the_verdict_says(seed):
    rng = np.random.default_rng(seed)
    V, m = rng.integers(2, 8, 2)
    S = rng.random((V, m)) < rng.uniform(0.2, 0.7)
    S[rng.integers(0, V, m), np.arange(m)] = True
    rows, columns = rng.permutation(V), rng.permutation(m)
    first = solve_ntp_svm(S, tol=1e-10).L
    second = np.zeros(first.shape)
    second[np.ix_(rows, columns)] = solve_ntp_svm(S[rows][:, columns], tol=1e-10).L
    verdict = is_unique(S)
    assert verdict.unique is True
    assert np.linalg.norm(first - second) <= max(1e-2 * np.linalg.norm(first), verdict.distance)


# --- larger faces ---

def test_a_face_of_three_dimensions_every_point_of_which_is_feasible_and_of_least_norm():
    letters = np.array(list(itertools.product(range(3), repeat=3)))
    S = ~(letters[:, None] == letters).any(axis=2)
    face, rng = optimal_face(S), np.random.default_rng(0)
    assert face.dimension == 3 and face.ends is None
    solution = solve_ntp_svm(S, tol=1e-9)
    for _ in range(5):
        L = face.center + np.tensordot(rng.uniform(-0.05, 0.05, 3), face.basis, 1)
        assert misses(L, S) < 1e-6 and np.linalg.norm(L, "nuc") < solution.dual * (1 + 1e-7)
    off = rng.normal(size=S.shape)
    off -= off.mean(axis=0)
    assert not face.contains(face.center + 0.3 * off)


@pytest.mark.parametrize("V, k", [(5, 2), (9, 4), (10, 2), (13, 6)])
def test_the_ends_of_a_segment_are_its_ends(V, k):
    S = cyclic_windows(V, k)
    face = optimal_face(S)
    first, last = face.ends
    assert all(face.contains((1 - t) * first + t * last) for t in (0, 0.3, 1))
    assert not face.contains(last + 0.02 * (last - first)) and not face.contains(first - 0.02 * (last - first))
    assert np.abs(first - centered_support(S)).max() < 1e-6 or np.abs(last - centered_support(S)).max() < 1e-6


# --- the path ---

def windows(V, p, weights=1):
    column = np.zeros(V)
    column[:len(p)] = np.round(1e4 * np.array(p))
    return SoftLabels.from_counts(np.stack([np.roll(column, j) for j in range(V)], axis=1) * weights)


def opposite_margins(L):
    """The margin of each opposite token of the pentagon, over the mean of the tight ones."""
    L = project_F_perp(L, S5)
    gaps = np.where(S5, L, 0).sum(axis=0) / 2 - L
    return gaps[OPPOSITE] / gaps[~S5 & ~OPPOSITE].mean()


@pytest.mark.parametrize("share", [0.999, 0.5, 1e-4, 1e-9])
def test_with_equal_probabilities_the_path_is_a_cosine_from_the_largest_ridge_on(share):
    labels = windows(5, [0.5, 0.5])
    assert lambda_max(labels) == pytest.approx(PHI / 10)
    [point] = regularization_path(labels, [share * PHI / 10], tol=1e-10)
    turned = np.cos(2 * np.pi * (np.arange(5)[:, None] - np.arange(5) - 0.5) / 5)
    cosine = np.sum(point.L * turned) / np.linalg.norm(point.L) / np.linalg.norm(turned)
    assert cosine == pytest.approx(1, abs=1e-8)
    assert not regularization_path(labels, [1.001 * PHI / 10])[0].L.any()


def test_unequal_frequencies_move_the_path_as_well_so_the_theorem_needs_equal_ones():
    labels = windows(5, [0.5, 0.5], np.array([2, 1, 1, 1, 1]))
    early, late = regularization_path(labels, [1e-6, 1e-10], tol=1e-9)
    for point in (early, late):
        assert optimality_gap(point.L, point.lam, labels) < 1e-9
    assert opposite_margins(late.L).max() < 1.51 < 1.55 < opposite_margins(early.L).min()


@pytest.mark.parametrize("p", [0.52, 0.7, 0.99])
def test_any_unequal_probabilities_lead_away_from_the_golden_ratio(p):
    [point] = regularization_path(windows(5, [p, 1 - p]), [1e-10], tol=1e-9)
    assert point.residual < 1e-8 and opposite_margins(point.L).max() < PHI - 0.1


def energy_minimum(p, V=9):
    """The point of the segment that the theorem names, on a grid."""
    k, f = len(p), np.arange(1, len(p) + 1)
    logs = np.log(p) - np.mean(np.log(p))
    y = np.sin(2 * np.pi * np.outer(f, np.arange(k) - (k - 1) / 2) / V) @ logs
    d = np.where(f % 4 < 2, 1.0, -1.0)
    x = np.abs(np.sin(np.pi * f * k / V) / np.sin(np.pi * f / V))
    taus = np.linspace(0, -np.max(x / d, where=d < 0, initial=-np.inf), 20001)[:-1]
    return taus[np.argmin(np.sum((y**2)[:, None] / (x[:, None] + d[:, None] * taus), axis=0))]


def far_margin(p, R, V=9):
    """The middle margin of the path at lambda = exp(-R), by a general-purpose minimiser on one column."""
    from scipy.optimize import minimize

    k, f = len(p), np.arange(1, V)[:, None]
    F = np.exp(-2j * np.pi * f * np.arange(V) / V)

    def value(e):                                        # off the window the logits are -(R + e)
        c = F[:, :k] @ np.log(p) - F[:, k:] @ (R + e)
        return np.exp(-e).sum() + np.abs(c).sum(), -np.exp(-e) - (np.conj(c / np.abs(c)) @ F[:, k:]).real

    e = minimize(value, np.zeros(V - k), jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 2000}).x
    gaps = np.mean(np.log(p)) + R + e
    return 2 * gaps[(V - k) // 2] / (gaps[0] + gaps[-1])


@pytest.mark.parametrize("p", [(0.4, 0.1, 0.3, 0.2), (0.21, 0.27, 0.13, 0.39), (0.26, 0.25, 0.34, 0.15),
                               (0.21, 0.15, 0.49, 0.15)])
def test_other_probabilities_select_the_point_that_the_theorem_names_though_not_from_the_first_ridge_on(p):
    wanted = 1 + energy_minimum(p)
    misses = [abs(far_margin(p, R) - wanted) for R in (600, 1200, 2400)]
    assert misses[0] > 1.7 * misses[1] > 2.8 * misses[2] and misses[2] < 0.02
    assert misses[0] < 0.05

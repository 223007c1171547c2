"""Chapter 4 under attack: degenerate supports, ties, copies, full contexts, other seeds; exercises at their word."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from ntputils import SoftLabels, centered_support, cyclic_windows, fano_plane, factor, solve_ntp_svm

FAILURE = np.array([[1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]])
SUPPORTS = {"one context": [[1], [1], [0]], "two tokens": [[1, 0, 1], [0, 1, 1]], "one-hot": np.eye(5),
            "one-hot copies": np.repeat(np.eye(3), [1, 4, 30], axis=1), "equal": [[1, 1, 1], [1, 1, 1], [0, 0, 0]],
            "nested": np.tril(np.ones((6, 5))), "nested and full": np.tril(np.ones((5, 5))),
            "all but one": 1 - np.eye(4), "failure": FAILURE, "failure, copies": np.repeat(FAILURE, [5, 1, 2], axis=1),
            "failure and full": np.hstack([FAILURE, np.ones((4, 2))]), "equal rows": np.repeat(FAILURE, 3, axis=0),
            "pentagon": cyclic_windows(5, 2), "Fano": fano_plane(),
            "random": np.random.default_rng(8).random((7, 9)) < np.linspace(0.15, 0.85, 9)}
SUPPORTS = {name: np.array(S, dtype=bool) for name, S in SUPPORTS.items()}
SUPPORTS["random"][0] |= ~SUPPORTS["random"].any(axis=0)
families = pytest.mark.parametrize("S", SUPPORTS.values(), ids=SUPPORTS)


def nuclear(A):
    return np.linalg.svd(A, compute_uv=False).sum()


def feasible(L, S):
    """How far logits are from feasible; a loop over pairs of tokens."""
    worst = 0.0
    for column, on in zip(L.T, S.T):
        for z in np.flatnonzero(on):
            worst = max([worst, *np.abs(column[on] - column[z]), *(1 - column[z] + column[~on])])
    return worst


# --- the two steps and the certificate ---

@families
@pytest.mark.parametrize("kind", ["normal", "ties", "huge", "feasible"])
def test_the_projection_is_the_nearest_feasible_point_and_what_it_takes_off_a_certificate(page, S, kind):
    rng = np.random.default_rng(21)
    Z = {"normal": lambda: 3 * rng.normal(size=S.shape), "ties": lambda: rng.integers(-1, 2, S.shape).astype(float),
         "huge": lambda: 1e6 * rng.normal(size=S.shape), "feasible": lambda: 2.0 * S}[kind]()
    X, scale = page(4).project(Z, S), 1 + np.abs(Z).max()
    assert feasible(X, S) <= 1e-12 * scale
    for z, x, on in zip(Z.T, X.T, S.T):
        best = minimize_scalar(lambda s: np.sum((z[on] - s)**2) + np.sum(np.maximum(z[~on] + 1 - s, 0)**2),
                               bracket=(z.min() - 1, z.max() + 1), tol=1e-12)
        assert np.sum((x - z)**2) <= best.fun * (1 + 1e-9) + 1e-12
    G = X - Z
    assert np.abs(G.sum(axis=0)).max() <= 1e-12 * scale * len(S) and np.where(S, 0, G).max() <= 1e-12 * scale
    assert np.sum(G * X) == pytest.approx(np.sum(G * S), abs=1e-12 * scale**2 * S.size)
    if kind != "feasible":
        assert np.sum(G * S) / np.linalg.norm(G, 2) <= nuclear(X) * (1 + 1e-9)


@families
def test_the_bare_solver_and_the_library_prove_each_other(page, S):
    p, solution = page(4), solve_ntp_svm(S, tol=1e-8)
    L, Lam, _ = p.douglas_rachford(S, 250, np.random.default_rng(22).normal(size=S.shape), tau=1.0)
    ours, theirs = p.three_numbers(L, Lam, S), p.three_numbers(solution.L, solution.certificate[:, solution.inverse], S)
    assert max(ours[:2]) < 1e-9 and max(theirs[:2]) < 1e-9 and ours[2] < 1e-6 and theirs[2] < 1e-7
    assert nuclear(L) == pytest.approx(solution.primal, rel=1e-6)
    for at in np.argwhere(~S)[:3]:                             # a damaged point is seen by one of the three numbers
        worse = L.copy()
        worse[tuple(at)] += 0.1
        assert max(p.three_numbers(worse, Lam, S)) > 1e-3


def test_three_numbers_speak_of_problems_with_something_to_separate(page):
    """Where every support is full the minimum is zero, and a gap relative to it means nothing."""
    solution = solve_ntp_svm(np.ones((3, 2)))
    assert solution.primal == solution.dual == solution.gap == 0
    with np.errstate(all="ignore"):
        assert np.isnan(page(4).three_numbers(solution.L, np.zeros((3, 2)), np.ones((3, 2), bool))[2])


@families
@pytest.mark.parametrize("seed", [1, 2])
def test_weak_duality_for_points_that_no_solver_made(S, seed):
    rng = np.random.default_rng(seed)
    L = np.where(S, 0, -1 - rng.exponential(size=S.shape)) + 3 * rng.normal(size=S.shape[1])
    Lam = np.where(S, rng.normal(size=S.shape), -rng.exponential(size=S.shape))
    Lam -= np.where(S, Lam.sum(axis=0) / S.sum(axis=0), 0)
    Lam /= max(np.linalg.norm(Lam, 2), 1e-300)
    assert Lam[S].sum() <= nuclear(L) + 1e-9
    solution = solve_ntp_svm(S, tol=1e-8)
    assert Lam[S].sum() <= solution.primal + 1e-9 and solution.dual <= nuclear(L) + 1e-9


# --- the shape of solutions ---

@families
def test_solutions_keep_every_bound_of_the_chapter(S):
    solution, proxy = solve_ntp_svm(S, tol=1e-8), centered_support(S)
    L, s = solution.L, np.linalg.svd(centered_support(S), compute_uv=False)
    assert np.abs(L.sum(axis=0)).max() < 1e-9 and np.where(S, L - (1 - S.mean(axis=0)), np.inf).min() > -1e-9
    assert (L[:, S.all(axis=0)] == 0).all()
    for kinds, A in ((S.T, L.T), (S, L)):
        _, number = np.unique(kinds, axis=0, return_inverse=True)
        assert max(np.ptp(A[number.ravel() == k], axis=0).max() for k in range(number.max() + 1)) < 1e-9
    proper = S[:, ~S.all(axis=0)]
    bound = min(len(np.unique(proper.T, axis=0)), len(np.unique(S, axis=0)) - 1)
    assert np.sum(np.linalg.svd(L, compute_uv=False) > 1e-9 * s[0]) <= bound
    low, high = s @ s / s[0], s.sum()
    assert low * (1 - 1e-9) <= solution.primal and solution.dual <= high * (1 + 1e-9)
    flat = np.ptp(s[s > 1e-9 * s[0]]) < 1e-9
    assert (high - low < 1e-9) == flat
    if flat:
        assert np.linalg.norm(L - proxy) < 1e-3 * np.linalg.norm(proxy)


@pytest.mark.parametrize("seed", range(3))
def test_a_solver_that_merges_nothing_collapses_from_other_seeds(page, seed):
    rng = np.random.default_rng(seed)
    grid = rng.random((5, 4)) < 0.4
    grid[rng.integers(0, 5, 4), range(4)], grid[0, 0], grid[1, 0] = True, True, False
    S = np.tile(np.repeat(grid, 2, axis=0), 3)
    L, _, _ = page(4).douglas_rachford(S, 200, rng.normal(size=S.shape), tau=1.0)
    spread = max(np.ptp(L.reshape(10, 3, 4), axis=1).max(), np.ptp(L.reshape(5, 2, 12), axis=1).max())
    assert spread <= 1e-2 * np.abs(L).max()


@pytest.mark.parametrize("Q", [np.zeros((5, 5)), np.eye(5), np.diag([1.0, 0, 0, 0, 0]), np.full((5, 5), 0.2)],
                         ids=["nothing", "everything", "a coordinate", "the mean"])
def test_projecting_shortens_by_degenerate_projectors_and_equality_leaves_nothing_off(Q):
    for seed in range(5):
        L = np.random.default_rng(seed).normal(size=(4, 5)) * np.array([1, 0, 1e-3, 10, 1])
        kept, off = nuclear(L @ Q), nuclear(L - L @ Q)
        assert kept**2 + off**2 <= nuclear(L)**2 * (1 + 1e-12)


def test_the_hand_pair_is_for_one_copy_of_each_support(page):
    """With a second copy of {1} the minimum is no more that of three columns with one repeated."""
    one, two = (solve_ntp_svm(np.repeat(FAILURE, times, axis=1), tol=1e-10) for times in ([1, 1, 1], [2, 1, 1]))
    L = np.array([[5, 3, 3], [-1, 3, -3], [-1, -3, 3], [-3, -3, -3]]) / 6
    assert one.primal == pytest.approx(1 + 2 * np.sqrt(2 / 3), rel=1e-9) == nuclear(L)
    assert nuclear(np.repeat(L, [2, 1, 1], axis=1)) > two.primal * (1 + 1e-4)


@pytest.mark.parametrize("smallest", [1e-3, 1e-9, 1e-200])
def test_a_probability_however_small_is_in_the_support(smallest):
    counts = np.where(FAILURE, np.array([[1, smallest, 1]]), 0)
    counts[1, 1], counts[0, 2] = 1, smallest
    labels = SoftLabels.from_counts(counts)
    assert np.array_equal(solve_ntp_svm(labels.S).L, solve_ntp_svm(FAILURE).L)


# --- the exercises ---

def cosine_of_contexts(S, i, j):
    _, H = factor(solve_ntp_svm(S, tol=1e-10).L, tol=1e-9)
    return H[:, i] @ H[:, j] / np.linalg.norm(H[:, i]) / np.linalg.norm(H[:, j])


@pytest.mark.parametrize("sizes", [(1, 1), (1, 5), (3, 2)])
@pytest.mark.parametrize("times", [(1, 1), (1, 20)])
def test_two_contexts_that_share_out_the_vocabulary_are_opposite(sizes, times):
    pair = np.repeat(np.eye(2), sizes, axis=0)
    assert cosine_of_contexts(np.repeat(pair, times, axis=1), 0, -1) == pytest.approx(-1, abs=1e-9)


def test_they_need_to_be_alone():
    """Two more supports that cut both and each other, and the angle is no more a straight one."""
    pair, more = np.repeat(np.eye(2), [1, 4], axis=0), np.array([[0, 1, 0, 0, 1], [1, 0, 0, 0, 1]]).T
    assert cosine_of_contexts(np.hstack([pair, more[:, :1]]), 0, 1) == pytest.approx(-1, abs=1e-6)
    assert -0.995 < cosine_of_contexts(np.hstack([pair, more]), 0, 1) < -0.98


@families
def test_a_full_context_changes_nothing_else(S):
    more = np.hstack([S, np.ones((len(S), 1), bool)])
    without, with_it = solve_ntp_svm(S, tol=1e-9), solve_ntp_svm(more, tol=1e-9)
    assert np.array_equal(with_it.L[:, :-1], without.L) and not with_it.L[:, -1].any()


@pytest.mark.parametrize("times", [[10, 1], [1, 10], [1000, 3]])
def test_nested_supports_stay_exact_with_any_copies(page, times):
    S = np.repeat(np.array([[1, 1], [0, 1], [0, 0]], bool), times, axis=1)
    solution = solve_ntp_svm(S, tol=1e-10)
    assert np.abs(solution.L - centered_support(S)).max() < 1e-5
    assert max(page(4).three_numbers(solution.L, solution.certificate[:, solution.inverse], S)) < 1e-9

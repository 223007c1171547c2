"""Oracles for `ntputils.face`: closed forms, CVXPY on the set of nearly optimal points, and proofs recomputed here."""

import itertools
import math

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from ntputils import ConvergenceWarning, is_unique, optimal_face
from ntputils import face as module

PHI = (1 + math.sqrt(5)) / 2
CLOSED = 1e-6        # a relative gap of 1e-12 leaves entries accurate to its root
FEASIBLE = 1e-12     # rounding of sums of a few entries below ten


def windows(V, k):
    return np.array([[(z - j) % V < k for j in range(V)] for z in range(V)])


def sets(V, supports):
    return np.array([[z in support for support in supports] for z in range(V)])


PENTAGON = windows(5, 2)
FIRST_FAILURE = sets(4, [{0}, {0, 1}, {0, 2}])


def nuclear(L):
    """The nuclear norm by SciPy: a Gram matrix would add 1e-8 for each singular value that is zero."""
    return scipy.linalg.svd(L, compute_uv=False, lapack_driver="gesvd").sum()


def violation(L, S):
    """How far L is from feasible, column by column."""
    worst = 0.0
    for j, on in enumerate(S.T):
        worst = max(worst, np.ptp(L[on, j]), (1 - L[on, j].min() + L[~on, j].max()) if not on.all() else 0)
    return worst


def dual_value(Lam, S):
    """<S, Lam>, after a check that Lam is dual-feasible."""
    assert np.linalg.svd(Lam, compute_uv=False)[0] <= 1 + FEASIBLE
    assert np.abs(Lam.sum(axis=0)).max() <= 1e-10 and Lam[~S].max(initial=0) <= FEASIBLE
    return Lam[S].sum()


def prove(S, verdict):
    """Recomputes what a verdict says from its own points; returns it."""
    S = np.asarray(S, dtype=bool)
    where = optimal_face(S).inverse
    lower = dual_value(verdict.certificate[:, where], S)
    if verdict.unique is False:
        first, second = (L[:, where] for L in verdict.pair)
        assert max(violation(first, S), violation(second, S)) <= FEASIBLE
        assert max(nuclear(first), nuclear(second)) <= lower * (1 + verdict.excess + 1e-9)
        assert np.linalg.norm(first - second) == pytest.approx(verdict.distance)
        assert verdict.excess <= 1e-9 and verdict.distance >= 1e-2 * np.linalg.norm(first)
    else:
        assert verdict.pair is None and verdict.excess == 0
    assert bool(verdict.missing) is (verdict.unique is None)
    return verdict.unique


# Closed forms

def test_the_pentagon_is_a_segment_up_to_the_golden_ratio():
    face = optimal_face(PENTAGON)
    assert face.dimension == 1 and face.norm == pytest.approx(2 * math.sqrt(5), rel=1e-12)
    opposite = np.roll(np.eye(5), 3, axis=0)
    for L, tau in zip(face.ends, (0, 1 / PHI), strict=True):
        expected = PENTAGON - tau * opposite
        assert np.allclose(L[:, face.inverse], expected - expected.mean(axis=0), rtol=0, atol=CLOSED)
    [direction] = face.basis[:, :, face.inverse]
    assert abs(np.sum(direction * (opposite - 0.2))) == pytest.approx(np.linalg.norm(opposite - 0.2), rel=1e-9)
    assert prove(PENTAGON, is_unique(PENTAGON)) is False


@pytest.mark.parametrize("times", [2, 7])
def test_repeating_all_contexts_of_the_pentagon_keeps_the_segment(times):
    S = np.tile(PENTAGON, times)
    face = optimal_face(S)
    assert face.dimension == 1 and face.norm == pytest.approx(2 * math.sqrt(5 * times), rel=1e-12)
    assert np.linalg.norm(face.basis[0][:, face.inverse]) == pytest.approx(1)
    margins = [L[0, 0] - L[3, 0] for L in face.ends[:, :, face.inverse]]
    assert margins == pytest.approx([1, PHI], abs=CLOSED)
    assert prove(S, is_unique(S)) is False


def test_repeated_tokens_and_a_full_context_keep_what_they_should():
    S = np.hstack([PENTAGON, np.ones((5, 1), dtype=bool)])
    face = optimal_face(S)
    assert face.dimension == 1 and not face.ends[:, :, face.inverse[5]].any()
    doubled = np.repeat(PENTAGON, 2, axis=0)
    face = optimal_face(doubled)
    assert face.dimension == 1 and face.norm == pytest.approx(2 * math.sqrt(10), rel=1e-12)
    assert np.array_equal(face.center[0], face.center[1])


@pytest.mark.parametrize(("V", "k", "far"), [(9, 4, 2 * math.cos(math.radians(40)))])
def test_cyclic_windows_have_the_segment_of_their_fourier_coefficients(V, k, far):
    face = optimal_face(windows(V, k))
    assert face.dimension == 1
    L = face.ends[:, :, face.inverse[0]]
    assert (L[:, 0] - L[:, (k + V - 1) // 2]).tolist() == pytest.approx([1, far], abs=CLOSED)


@pytest.mark.parametrize("S", [
    np.eye(4), FIRST_FAILURE, np.triu(np.ones((5, 5))), [[1], [0]], np.repeat(np.eye(3), [1, 2, 30], axis=1),
    windows(8, 3), windows(6, 2), sets(7, [{j, (j + 1) % 7, (j + 3) % 7} for j in range(7)]),
    sets(5, list(itertools.combinations(range(5), 2))), np.repeat(PENTAGON, [2, 1, 1, 1, 1], axis=1),
    np.vstack([PENTAGON, np.zeros((1, 5))]),
], ids=["one-hot", "failure", "chain", "one context", "imbalanced", "windows 8 3", "windows 6 2", "Fano", "pairs",
        "uneven pentagon", "pentagon with another token"])
def test_known_and_broken_symmetric_cases_are_unique(S):
    S = np.asarray(S).astype(bool)
    verdict = is_unique(S)
    assert prove(S, verdict) is True and verdict.distance < 1e-2
    face = optimal_face(S)
    assert face.dimension == 0 and face.ends is None and face.basis.shape == (0, *face.center.shape)
    assert face.contains(face.center)


@pytest.mark.parametrize("S", [np.ones((3, 4)), [[1]], [[1, 1]]])
def test_where_every_support_is_full_zero_is_the_only_solution(S):
    verdict, face = is_unique(S), optimal_face(S)
    assert verdict.unique is True and verdict.distance == 0
    assert face.dimension == 0 and not face.center.any() and face.norm == 0
    assert face.contains(np.zeros(np.shape(S)))


# CVXPY: the width of the set of nearly optimal points

def width(S, C, norm, slack=1e-6):
    """Smallest and largest <C, L> over feasible L with a norm of at most (1 + slack) norm."""
    cp = pytest.importorskip("cvxpy")
    L, rules = cp.Variable(S.shape), []
    for j, on in enumerate(S.T):
        z, *others = np.flatnonzero(on)
        rules += [L[z, j] == L[o, j] for o in others] + [L[z, j] - L[v, j] >= 1 for v in np.flatnonzero(~on)]
    rules.append(cp.normNuc(L) <= (1 + slack) * norm)
    objective = cp.sum(cp.multiply(C, L))
    return [cp.Problem(way(objective), rules).solve(solver="CLARABEL") for way in (cp.Minimize, cp.Maximize)]


def test_cvxpy_finds_the_ends_of_the_pentagon_s_segment():
    C = np.zeros((5, 5))
    C[0, 0], C[3, 0] = 1, -1
    assert width(PENTAGON, C, 2 * math.sqrt(5)) == pytest.approx([1, PHI], abs=5e-3)  # the root of slack is 1e-3


@pytest.mark.parametrize("seed", range(6))
def test_cvxpy_finds_no_room_where_the_verdict_is_unique(seed):
    rng = np.random.default_rng(seed)
    S = rng.random((5, 5)) < 0.45
    S[rng.integers(0, 5, 5), np.arange(5)] = True
    verdict, face = is_unique(S), optimal_face(S)
    assert prove(S, verdict) is True
    C = rng.normal(size=S.shape)
    low, high = width(S, C / np.linalg.norm(C), face.norm)
    assert high - low <= 0.05 + verdict.distance  # points within slack of the norm are within some of its roots


# Properties

@settings(deadline=None, max_examples=40)
@given(st.integers(2, 6).flatmap(lambda V: st.tuples(st.just(V), st.lists(
    st.frozensets(st.integers(0, V - 1), min_size=1), min_size=1, max_size=8))))
def test_every_verdict_proves_itself_and_the_center_is_a_solution(problem):
    S = sets(*problem)
    verdict, face = is_unique(S), optimal_face(S)
    assert prove(S, verdict) is not None
    assert (face.dimension == 0) is verdict.unique
    assert face.contains(face.center) and face.contains(face.center[:, face.inverse])
    assert violation(face.center[:, face.inverse], S) <= FEASIBLE


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(5)), st.permutations(range(5)))
def test_order_does_not_matter(rows, columns):
    S = PENTAGON[rows][:, columns]
    face = optimal_face(S)
    ranks = [int(np.sum(np.linalg.svd(L, compute_uv=False) > 1e-6)) for L in face.ends]
    assert face.dimension == 1 and ranks == [4, 2]


def test_the_bound_holds_for_a_bad_solver_too():
    """With few iterations the gap is large; whatever `True` says is then still true, and otherwise it says what."""
    for steps in (1, 2, 4, 8, 16):
        problem = module._Problem.solved(FIRST_FAILURE, steps)
        exact = np.array([[5, 3, 3], [-1, 3, -3], [-1, -3, 3], [-3, -3, -3]]) / 6
        bound = problem.diameter()
        verdict = is_unique(FIRST_FAILURE, max_iter=steps)
        assert verdict.unique in (True, None)
        if verdict.unique is None:
            assert "smaller gap" in verdict.missing and verdict.distance == bound
    assert verdict.unique is True
    assert np.linalg.norm(optimal_face(FIRST_FAILURE).center - exact) <= verdict.distance + 1e-5


@pytest.mark.parametrize("S", [FIRST_FAILURE, windows(8, 3), windows(7, 2), np.repeat(FIRST_FAILURE, [5, 1, 2], axis=1)])
def test_the_bound_holds_between_any_two_points_of_no_larger_norm(S):
    """The proof uses no more of a solution than that; so early iterates of the solver test the bound where it is wide."""
    exact, seen = module._Problem.solved(S, 20_000).X, 0
    for steps in range(1, 40):
        problem = module._Problem.solved(S, steps)
        bound = problem.diameter()
        assert np.linalg.norm(problem.X - exact) <= bound
        seen += math.isfinite(bound)
    assert seen >= 5


def test_an_early_stop_warns_when_a_face_is_asked_for():
    with pytest.warns(ConvergenceWarning, match=r"gap of [0-9.e-]+, above 1e-9"):
        optimal_face(windows(8, 3), max_iter=2)


def test_a_certificate_with_too_many_zeros_is_no_proof():
    """A dual point that leaves room must not be read as a yes."""
    problem = module._Problem.solved(PENTAGON, 100)
    assert problem.diameter() == math.inf
    problem = module._Problem.solved(FIRST_FAILURE, 1000)
    assert problem.diameter() < 1e-3
    everything = np.zeros_like(problem.tight)
    U, V, _ = problem.ones
    assert np.linalg.eigvalsh(problem.gram(U, V, everything))[0] < 1e-8 < np.linalg.eigvalsh(
        problem.gram(U, V, problem.tight))[0]


def test_the_equations_vanish_exactly_on_symmetric_directions_that_keep_margins():
    """`gram` against the definition, entry by entry, for random symmetric B."""
    rng = np.random.default_rng(3)
    problem = module._Problem.solved(np.repeat(windows(7, 3), 2, axis=1), 5000)
    U, V, _ = problem.ones
    r = U.shape[1]
    for _ in range(5):
        b = rng.normal(size=r * (r + 1) // 2)
        B = module._symmetric(b, r)
        assert np.linalg.norm(B) == pytest.approx(np.linalg.norm(b)) and np.array_equal(B, B.T)
        D, total = U @ B @ V.T / problem.q.weight, 0.0
        for j in range(D.shape[1]):
            held = problem.q.S[:, j] | problem.tight[:, j]
            total += np.sum((D[held, j] - D[held, j].mean()) ** 2)
        assert b @ problem.gram(U, V, problem.tight) @ b == pytest.approx(total)


def test_the_analytic_center_of_a_disc_and_of_a_corner():
    disc = np.array([[[1.0, 0], [0, -1]], [[0, 1], [1, 0]]])       # I + x B is positive in the unit disc
    start = np.eye(2) + 0.6 * disc[0] + 0.3 * disc[1]
    x = module._analytic_center(start, disc, np.zeros(0), np.zeros((2, 0)))
    assert np.allclose(x, [-0.6, -0.3], atol=1e-3)
    x = module._analytic_center(np.eye(1), np.zeros((1, 1, 1)), np.array([0.0, 1.0]), np.array([[1.0, -1.0]]))
    assert np.allclose(x, [0.5], atol=1e-3)                        # the middle of 0 <= x <= 1, from its end


# Membership, inputs

def test_membership_is_decided_by_constraints_and_norm():
    face = optimal_face(PENTAGON)
    opposite = np.roll(np.eye(5), 3, axis=0)

    def point(tau):
        A = PENTAGON - tau * opposite
        return A - A.mean(axis=0)

    assert all(face.contains(point(tau)) for tau in (0, 0.3, 1 / PHI))
    assert not face.contains(point(0.7)) and not face.contains(point(-0.1)) and not face.contains(0.99 * point(0))
    assert not face.contains(point(0) + 1e-3 * np.eye(5)) and not face.contains(PENTAGON)
    assert not face.contains(np.full((5, 5), np.nan))
    assert face.contains(point(0.6181), tol=1e-2)


def test_sparse_and_integer_inputs_give_the_same():
    for make in (sp.csc_array, sp.coo_array, lambda S: S.astype(int), np.ndarray.tolist):
        assert is_unique(make(PENTAGON)).unique is False
        assert optimal_face(make(PENTAGON)).dimension == 1


def test_a_problem_too_large_for_the_equations_is_named(monkeypatch):
    monkeypatch.setattr(module, "_LARGEST", 5)
    verdict = is_unique(PENTAGON)
    assert verdict.unique is None and verdict.missing == "a smaller problem: the equations have more than 5 unknowns"
    with pytest.raises(ValueError, match="S: the face of this problem has 4 dimensions"):
        optimal_face(PENTAGON)
    assert is_unique(np.eye(9)).unique is True  # a strict certificate needs no equations


@pytest.mark.parametrize(("call", "message"), [
    (lambda: is_unique([[1, 0], [1, 0]]), "no next token"),
    (lambda: optimal_face([[1.0, np.nan], [1, 1]]), "entries other than 0 and 1"),
    (lambda: is_unique(np.zeros((3, 0))), "at least one token and one context"),
    (lambda: optimal_face(PENTAGON).contains(np.zeros((5, 4))), r"L: got shape \(5, 4\), want \(V, m\) = \(5, 5\)"),
    (lambda: optimal_face(PENTAGON).contains(np.zeros((5, 5)), tol=0), "tol: got 0, want a number above 0"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

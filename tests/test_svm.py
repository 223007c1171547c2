"""Oracles for `ntputils.svm`: weak duality recomputed here from L, Lambda and S; closed forms; a linear programme.

`prove` is the heart: a feasible point and a point of the dual whose values meet prove each other optimal, whatever the
solver did to find them. It shares no code with `ntputils.svm`.
"""

import dataclasses
import itertools
import math
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from ntputils import ConvergenceWarning, centered_support, factor, solve_ntp_svm
from ntputils._anderson import Anderson

FEASIBLE = 1e-9    # constraints hold up to float64 rounding of entries of order 1, with room for weights up to 1e4
CLOSED = 1e-5      # entries, where the solution is known: the gap bounds values; entries converge as its root
PHI = (1 + math.sqrt(5)) / 2


def prove(S, solution, tol):
    """Recomputes both values and asserts that both points are feasible and that the gap between them is at most tol."""
    S = np.asarray(S.toarray() if sp.issparse(S) else S).astype(bool)
    L, G = solution.L, solution.certificate[:, solution.inverse]
    assert L.shape == G.shape == S.shape
    top = np.where(S, L, -np.inf).max(axis=0)
    bottom = np.where(S, L, np.inf).min(axis=0)
    rest = np.where(S, -np.inf, L).max(axis=0)
    assert np.max(top - bottom) <= FEASIBLE
    assert np.min(bottom - rest) >= 1 - FEASIBLE
    assert np.linalg.norm(G, 2) <= 1 + FEASIBLE
    assert np.abs(G.sum(axis=0)).max() <= FEASIBLE
    assert np.where(S, 0.0, G).max() <= FEASIBLE
    primal, dual = np.linalg.svd(L, compute_uv=False).sum(), G[S].sum()
    assert dual >= (1 - tol) * primal - FEASIBLE
    assert solution.primal == pytest.approx(primal, rel=1e-9, abs=1e-12)
    assert solution.dual == pytest.approx(dual, rel=1e-9, abs=1e-12)
    assert solution.gap <= tol
    return primal


def sets(V, supports):
    """The support matrix of a list of sets of tokens."""
    return np.array([[z in support for support in supports] for z in range(V)])


def subsets(V, *sizes):
    """The support matrix of all subsets of the given sizes."""
    return sets(V, [c for k in sizes for c in itertools.combinations(range(V), k)])


def windows(V, k):
    """Cyclic windows: context j is followed by tokens j, ..., j + k - 1 modulo V."""
    return np.array([[(z - j) % V < k for j in range(V)] for z in range(V)])


def one_hot(counts):
    """One distinct context for each occurrence of a token, as many as `counts` says."""
    return np.repeat(np.eye(len(counts), dtype=bool), counts, axis=1)


FANO = sets(7, [(0, 1, 2), (0, 3, 4), (0, 5, 6), (1, 3, 5), (1, 4, 6), (2, 3, 6), (2, 4, 5)])
FIRST_FAILURE = sets(4, [{0}, {0, 1}, {0, 2}])


def zipf_instance(V, m, distinct, seed):
    """`distinct` supports of 2 to 6 tokens drawn with Zipf weights of exponent 0.8, over m contexts."""
    rng = np.random.default_rng(seed)
    weights = np.arange(1.0, V + 1) ** -0.8
    supports = set()
    while len(supports) < distinct:
        drawn = rng.choice(V, size=rng.integers(2, 7), replace=False, p=weights / weights.sum())
        supports.add(tuple(sorted(drawn.tolist())))
    counts = 1 + np.bincount(rng.integers(0, distinct, m - distinct), minlength=distinct)
    return np.repeat(sets(V, sorted(supports)), counts, axis=1)


@st.composite
def supports(draw, max_tokens=8, max_contexts=9):
    """Random support matrices in which every context has a next token; full columns, equal rows and columns occur."""
    V, m = draw(st.integers(1, max_tokens)), draw(st.integers(1, max_contexts))
    columns = draw(st.lists(st.sets(st.integers(0, V - 1), min_size=1), min_size=m, max_size=m))
    return sets(V, columns)


# Closed forms

@pytest.mark.parametrize(("V", "k"), [(3, 1), (4, 1), (4, 2), (5, 2), (5, 3), (6, 2), (6, 5)])
def test_all_k_subsets(V, k):
    S = subsets(V, k)
    solution = solve_ntp_svm(S)
    assert prove(S, solution, 1e-6) == pytest.approx((V - 1) * math.sqrt(math.comb(V - 2, k - 1)), rel=1e-6)
    assert np.allclose(solution.L, np.where(S, 1 - k / V, -k / V), atol=CLOSED)


@pytest.mark.parametrize(("S", "value"), [
    (FANO, 6 * math.sqrt(2)),
    (subsets(5, 1, 2, 3), 4 * math.sqrt(1 + 3 + 3)),
    (subsets(6, 1, 4), 5 * math.sqrt(1 + 4)),
    (np.hstack([FANO, FANO, ~FANO]), 6 * math.sqrt(2 + 2 + 2)),
])
def test_designs_with_one_or_several_block_sizes(S, value):
    solution = solve_ntp_svm(S)
    assert prove(S, solution, 1e-6) == pytest.approx(value, rel=1e-6)
    assert np.allclose(solution.L, centered_support(S), atol=CLOSED)


@pytest.mark.parametrize("counts", [(1, 1, 1, 5), (10, 1, 1, 1), (1, 2, 3, 4, 20), (1, 10_000), (10_000, 1, 1, 100)])
def test_one_hot_contexts_of_any_imbalance_have_the_proxy(counts):
    S = one_hot(counts)
    solution = solve_ntp_svm(S)
    P = np.eye(len(counts)) - 1 / len(counts)
    value = np.sqrt(np.linalg.eigvalsh(P @ np.diag(counts) @ P).clip(0)).sum()
    assert solution.primal == pytest.approx(value, rel=1e-6) and solution.gap <= 1e-6
    assert np.allclose(solution.L_distinct, P, atol=CLOSED)
    if len(S.T) < 100:
        prove(S, solution, 1e-6)


@pytest.mark.parametrize(("V", "R"), [(4, 3), (6, 10), (8, 100)])
def test_step_imbalance_has_the_gram_entries_of_the_formula(V, R):
    S = one_hot([R] * (V // 2) + [1] * (V // 2))
    W, _ = factor(solve_ntp_svm(S).L)
    G, root, rho = W @ W.T, math.sqrt(R), math.sqrt((R + 1) / 2)
    major, minor = slice(0, V // 2), slice(V // 2, V)
    expected = np.full((V, V), -rho / V)
    expected[major, major], expected[minor, minor] = -2 * root / V + rho / V, -2 / V + rho / V
    expected += np.diag([root] * (V // 2) + [1.0] * (V // 2))
    assert np.allclose(G, expected, atol=CLOSED)


def test_the_first_failure_of_the_proxy():
    solution = solve_ntp_svm(FIRST_FAILURE, tol=1e-10)
    assert prove(FIRST_FAILURE, solution, 1e-10) == pytest.approx(1 + 2 * math.sqrt(2 / 3), rel=1e-9)
    assert np.allclose(6 * solution.L.T, [(5, -1, -1, -3), (3, 3, -3, -3), (3, -3, 3, -3)], atol=6 * CLOSED)


def test_the_pentagon_has_a_segment_of_solutions_and_the_returned_point_lies_on_it():
    S = windows(5, 2)
    solution = solve_ntp_svm(S)
    assert prove(S, solution, 1e-6) == pytest.approx(2 * math.sqrt(5), rel=1e-6)
    opposite = np.roll(np.eye(5), 3, axis=0)  # token j + 3 lies opposite the edge {j, j + 1}
    direction = opposite - 1 / 5
    moved = centered_support(S) - solution.L
    tau = np.sum(moved * direction) / np.sum(direction**2)
    assert np.allclose(moved, tau * direction, atol=1e-3)  # the root of the gap of 1e-6: off the face by so much
    assert -1e-3 <= tau <= 1 / PHI + 1e-3


def circulant_optimum(V, k):
    """NTP-SVM of cyclic windows by linear programming.

    Averaging over rotations and the reflection leaves circulants whose first column c is symmetric about the middle of
    the window; their singular values are |sum_i c_i cos(2 pi f (i - (k - 1)/2) / V)|. Variables: c (V), bounds t (V).
    """
    i, f = np.arange(V), np.arange(V)[:, None]
    C = np.cos(2 * np.pi * f * (i - (k - 1) / 2) / V)
    bounds = np.block([[C, -np.eye(V)], [-C, -np.eye(V)]])
    margins = np.zeros((V - k, 2 * V))
    margins[:, 0], margins[range(V - k), range(k, V)] = -1, 1
    equal = np.zeros((V, 2 * V))
    equal[range(k - 1), 0], equal[range(k - 1), range(1, k)] = 1, -1
    mirror = (k - 1 - i) % V
    equal = np.vstack([equal[:k - 1], np.hstack([np.eye(V) - np.eye(V)[mirror], np.zeros((V, V))])])
    result = linprog(np.r_[np.zeros(V), np.ones(V)], np.vstack([bounds, margins]),
                     np.r_[np.zeros(2 * V), -np.ones(V - k)], equal, np.zeros(len(equal)),
                     bounds=[(None, None)] * V + [(0, None)] * V)
    assert result.success
    return result.fun


@pytest.mark.parametrize(("V", "k"), [(5, 2), (6, 2), (7, 2), (7, 3), (8, 3), (9, 4), (11, 3), (12, 5)])
def test_cyclic_windows_agree_with_a_linear_programme(V, k):
    S = windows(V, k)
    assert prove(S, solve_ntp_svm(S, tol=1e-8), 1e-8) == pytest.approx(circulant_optimum(V, k), rel=1e-7)


def test_cyclic_windows_that_were_published():
    assert solve_ntp_svm(windows(9, 4), tol=1e-9).primal == pytest.approx(10.128355544951823, rel=2e-9)
    proxy = np.linalg.svd(centered_support(windows(8, 3)), compute_uv=False).sum()
    found = solve_ntp_svm(windows(8, 3), tol=1e-9).primal
    assert proxy == pytest.approx(3 + 4 * math.sqrt(2)) and found == pytest.approx(4 + 3 * math.sqrt(2), rel=2e-9)
    assert round(100 * (proxy / found - 1), 1) == 5.0  # of the optimum; 4.8% of the proxy


@pytest.mark.parametrize(("V", "blocks", "largest"), [
    (6, {(0, 2, 3, 4): 4, (3, 5): 9, (5,): 1}, 0.2347),
    (5, {(2, 3, 4): 3, (0,): 1, (1, 2, 4): 2, (0, 3, 4): 1}, 0.0120),
])
def test_an_entry_off_the_support_can_be_positive(V, blocks, largest):
    S = np.repeat(sets(V, list(blocks)), list(blocks.values()), axis=1)
    solution = solve_ntp_svm(S, tol=1e-10)
    prove(S, solution, 1e-10)
    assert np.where(S, -np.inf, solution.L).max() == pytest.approx(largest, abs=1e-4)


# Properties of random problems

@settings(deadline=None, max_examples=60)
@given(supports(), st.sampled_from([1e-4, 1e-6, 1e-9]))
def test_every_solution_proves_itself_and_obeys_the_known_bounds(S, tol):
    solution = solve_ntp_svm(S, tol=tol)
    primal = prove(S, solution, tol)
    proxy = np.where(S, 1 - S.mean(axis=0), -S.mean(axis=0))
    norms = np.linalg.svd(proxy, compute_uv=False)
    if norms[0] > 0:
        assert np.sum(proxy**2) / norms[0] - FEASIBLE <= primal <= norms.sum() + FEASIBLE
    slack = 3 * math.sqrt(tol) * max(1, primal)  # strong convexity is missing: entries follow the gap by its root
    assert np.all(np.where(S, solution.L - (1 - S.mean(axis=0)), np.inf) >= -slack)
    assert np.all(solution.L[:, S.all(axis=0)] == 0)


@settings(deadline=None, max_examples=30)
@given(supports(), st.randoms(use_true_random=False))
def test_order_of_tokens_and_contexts_does_not_matter(S, random):
    rows, columns = random.sample(range(S.shape[0]), S.shape[0]), random.sample(range(S.shape[1]), S.shape[1])
    shuffled = S[np.ix_(rows, columns)]
    a, b = solve_ntp_svm(S, tol=1e-9), solve_ntp_svm(shuffled, tol=1e-9)
    assert b.primal == pytest.approx(a.primal, rel=2e-9, abs=1e-12)
    assert np.allclose(prove(shuffled, b, 1e-9), a.primal, rtol=2e-9)


def test_the_solution_moves_with_the_order_where_it_is_unique():
    rows, columns = [2, 0, 3, 1], [1, 2, 0]
    a = solve_ntp_svm(FIRST_FAILURE, tol=1e-10).L
    b = solve_ntp_svm(FIRST_FAILURE[np.ix_(rows, columns)], tol=1e-10).L
    assert np.allclose(b, a[np.ix_(rows, columns)], atol=CLOSED)


@settings(deadline=None, max_examples=30)
@given(supports(6, 6), st.lists(st.integers(1, 4), min_size=12, max_size=12))
def test_merging_equal_rows_and_columns_changes_nothing(S, times):
    rows, columns = np.repeat(range(S.shape[0]), times[:S.shape[0]]), np.repeat(range(S.shape[1]), times[-S.shape[1]:])
    S = S[np.ix_(rows, columns)]
    merged = solve_ntp_svm(S, tol=1e-8)
    prove(S, merged, 1e-8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ntputils.svm.merge_columns", lambda A: (sp.csc_array(A), np.arange(A.shape[1]),
                                                              np.ones(A.shape[1], dtype=np.int64)))
        unmerged = solve_ntp_svm(S, tol=1e-8)
    assert unmerged.L_distinct.shape == S.shape
    assert merged.primal == pytest.approx(unmerged.primal, rel=2e-8, abs=1e-12)


@pytest.mark.parametrize("times", [2, 9, 10_000])
def test_repeating_every_context_scales_the_norm_by_a_root(times):
    once = solve_ntp_svm(FIRST_FAILURE, tol=1e-9)
    many = solve_ntp_svm(np.repeat(FIRST_FAILURE, times, axis=1), tol=1e-9)
    assert many.primal == pytest.approx(math.sqrt(times) * once.primal, rel=2e-9)
    assert list(many.counts) == [times] * 3 and many.L.shape == (4, 3 * times)


@pytest.mark.parametrize("seed", range(4))
def test_multiplicities_over_four_decades(seed):
    rng = np.random.default_rng(seed)
    columns = rng.random((9, 12)) < 0.4
    columns[rng.integers(0, 9, 12), np.arange(12)] = True
    S = np.repeat(columns, (10 ** rng.uniform(0, 4, 12)).astype(int), axis=1)
    solution = solve_ntp_svm(S, tol=1e-9)
    assert solution.gap <= 1e-9
    root = np.sqrt(solution.counts)
    G, pattern = solution.certificate, S[:, np.unique(solution.inverse, return_index=True)[1]]
    assert np.linalg.norm(G * root, 2) <= 1 + FEASIBLE and np.where(pattern, 0, G).max() <= FEASIBLE
    primal = np.linalg.svd(solution.L_distinct * root, compute_uv=False).sum()
    assert np.sum(G * pattern * solution.counts) >= (1 - 2e-9) * primal
    L = solution.L_distinct
    assert np.all(np.where(pattern, L, np.inf).min(axis=0) - np.where(pattern, -np.inf, L).max(axis=0) >= 1 - FEASIBLE)


@pytest.mark.parametrize("seed", range(3))
def test_the_instance_of_the_paper_s_size_in_few_iterations(seed):
    S = zipf_instance(104, 404, 60, seed)
    solution = solve_ntp_svm(S)
    prove(S, solution, 1e-6)
    assert solution.iterations <= 65  # 50 to 57 when written; without acceleration 68 to 92


# Degenerate problems, inputs and devices

@pytest.mark.parametrize("S", [
    [[1]], [[1, 1]], [[1], [0]], [[1, 0], [0, 1]], [[1, 0, 1], [0, 1, 1]], np.ones((3, 4)), np.eye(6),
    np.triu(np.ones((6, 6))), np.triu(np.ones((6, 5))), np.repeat([[1], [0], [0]], 50, axis=1),
    np.hstack([np.ones((4, 1)), FIRST_FAILURE]), [[1, 0]] * 3 + [[0, 1]] * 4,
], ids=["one token", "one token twice", "one context", "V=2", "V=2 and full", "all full", "one-hot", "chain with full",
        "chain", "one context fifty times", "failure with full", "disjoint halves"])
def test_degenerate_problems(S):
    S = np.asarray(S)
    solution = solve_ntp_svm(S, tol=1e-9)
    prove(S, solution, 1e-9)
    if S.all():
        assert solution.primal == solution.dual == solution.gap == 0 and not solution.L.any()


@pytest.mark.parametrize("make", [sp.csc_array, sp.csr_matrix, sp.coo_array, lambda S: S.astype(float),
                                  np.ndarray.tolist], ids=["csc", "csr matrix", "coo", "float", "lists"])
def test_sparse_and_other_inputs_give_the_same(make):
    S = zipf_instance(20, 60, 15, 0)
    assert np.array_equal(solve_ntp_svm(make(S)).L, solve_ntp_svm(S).L)


def test_input_is_not_changed():
    S = sp.csc_array(zipf_instance(20, 60, 15, 0))
    before = S.copy()
    solve_ntp_svm(S)
    assert (S != before).nnz == 0 and S.dtype == before.dtype


@pytest.mark.parametrize("S", [FIRST_FAILURE, np.eye(3), np.ones((2, 2)), zipf_instance(40, 120, 30, 1)])
def test_torch_on_the_cpu_equals_numpy(S):
    a, b = solve_ntp_svm(S, tol=1e-8), solve_ntp_svm(S, tol=1e-8, device="cpu")
    assert isinstance(b.L, np.ndarray) and b.L.dtype == np.float64
    assert np.allclose(a.L, b.L, rtol=0, atol=1e-9)
    assert a.iterations == b.iterations
    prove(S, b, 1e-8)


def test_a_dual_value_above_the_primal_by_rounding_is_no_gap():
    solution = solve_ntp_svm(FIRST_FAILURE)
    assert dataclasses.replace(solution, primal=1.0, dual=1 + 1e-15).gap == 0
    assert dataclasses.replace(solution, primal=4.0, dual=3.0).gap == 0.25


def test_stopping_early_warns_with_the_gap_and_still_returns_feasible_points():
    S = zipf_instance(40, 120, 30, 1)
    message = r"after 1 iterations at a gap of [0-9.e-]+, above the tolerance 1.0e-06"
    with pytest.warns(ConvergenceWarning, match=message) as warned:
        solution = solve_ntp_svm(S, max_iter=1)
    assert warned[0].filename == __file__                                   # it points to who asked
    assert solution.iterations == 1 and 1e-6 < solution.gap < 1
    prove(S, solution, solution.gap)


def test_a_tolerance_below_rounding_warns_and_ends():
    with pytest.warns(ConvergenceWarning):
        solution = solve_ntp_svm(FIRST_FAILURE, tol=1e-17, max_iter=300)
    prove(FIRST_FAILURE, solution, 1e-11)


def test_acceleration_stands_still_where_the_iteration_does():
    """Steps of length zero make its system singular."""
    z = np.ones((2, 3))
    anderson = Anderson(z, 4)
    for _ in range(6):
        assert np.array_equal(anderson.step(z, np.zeros((2, 3))), z)


def test_acceleration_forgets_when_a_step_grows():
    """Halfway to 1 at each step, it jumps to the answer; after a step that grew it first goes on plainly."""
    for bold, next_point in ((True, 4), (False, 0.875)):           # from where it is, or from the last point's successor
        anderson, z = Anderson(np.zeros((1, 1)), 4, bold=bold), np.zeros((1, 1))
        for _ in range(3):
            z = anderson.step(z, (1 - z) / 2)
        assert z == pytest.approx(1, abs=1e-9)
        assert anderson.step(np.array([[7.0]]), np.array([[-3.0]])) == pytest.approx(next_point, abs=1e-9)
        assert anderson.step(np.array([[4.0]]), np.array([[-1.5]])) == 2.5


def test_acceleration_that_has_gone_far_astray_goes_back():
    anderson = Anderson(np.zeros((1, 1)), 4, bold=True)
    anderson.step(np.array([[0.0]]), np.array([[0.5]]))
    assert anderson.step(np.array([[9.0]]), np.array([[-6.0]])) == 0.5


@pytest.mark.parametrize(("call", "message"), [
    (lambda: solve_ntp_svm([[1, 0], [1, 0]]), "no next token"),
    (lambda: solve_ntp_svm(np.zeros((3, 0))), "at least one token and one context"),
    (lambda: solve_ntp_svm([[1.0, np.nan], [1, 1]]), "entries other than 0 and 1"),
    (lambda: solve_ntp_svm([[2, 1]]), "entries other than 0 and 1"),
    (lambda: solve_ntp_svm([[1], [0]], tol=0), "tol: got 0, want a number above 0"),
    (lambda: solve_ntp_svm([[1], [0]], tol=math.nan), "tol: got nan"),
    (lambda: solve_ntp_svm([[1], [0]], max_iter=0), "max_iter: got 0, want at least 1"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_solver_that_stops_early_is_never_worse_than_the_proxy():
    S = windows(23, 14)                             # where an acceleration without a way back once went astray
    proxy = np.linalg.svd(centered_support(S), compute_uv=False).sum()
    for max_iter in (1, 3, 10, 30):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            assert solve_ntp_svm(S, max_iter=max_iter, tol=1e-12).primal <= proxy * (1 + 1e-12)

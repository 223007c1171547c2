"""CVXPY as the oracle of NTP-SVM: both programmes written from their statements, all contexts, no quotient.

Clarabel solves the semidefinite forms that CVXPY makes of the nuclear and of the spectral norm, to about 1e-7. What
`solve_ntp_svm` returns is judged by `judge`, in this file, from S, L and Lambda alone; nothing here imports
`ntputils.svm`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import cvxpy as cp
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ntputils import centered_support, from_sets, solve_ntp_svm

GAP = 1e-6         # what solve_ntp_svm is asked for
CONIC = 1e-7       # Clarabel's tolerances, for the problem in conic form
ORACLE = 1e-6      # its optima, relative, absolute below 1
FEASIBLE = 1e-9    # our constraints hold up to the rounding of entries of order 1
STRICT = 1e-4      # what counts as away from its bound in Clarabel's dual point, which is good to about 1e-6
LOGITS = 2e-3      # entries, where the solution is unique: they follow the root of a gap; 1e-5 to 2e-4 when written
SLOPE = 0.1        # of `slope`: 0.6 to 1 where the solution is unique, 1e-4 for the pentagon



def fixed(examples: int) -> settings:
    """The same few examples at every run: each is two conic programmes."""
    return settings(derandomize=True, database=None, deadline=None, max_examples=examples,
                    suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Oracle:
    """What CVXPY found: the optima of the two programmes, and a point of each."""

    primal: float
    dual: float
    L: np.ndarray
    G: np.ndarray


def oracle(S: np.ndarray) -> Oracle:
    """Solves the programme and its dual, each as it is stated, for dense supports."""
    L, G = cp.Variable(S.shape), cp.Variable(S.shape)
    constraints = []
    for j, column in enumerate(S.T):
        first, *others = np.flatnonzero(column)
        constraints += [L[z, j] == L[first, j] for z in others]
        constraints += [L[first, j] - L[v, j] >= 1 for v in np.flatnonzero(~column)]
    below = cp.Problem(cp.Minimize(cp.normNuc(L)), constraints)
    above = cp.Problem(cp.Maximize(cp.sum(cp.multiply(S, G))),
                       [cp.sigma_max(G) <= 1, cp.sum(G, axis=0) == 0, cp.multiply(~S, G) <= 0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # full columns are degenerate: a last digit may be missed,
        for problem in (below, above):                # and `agree` compares the two optima with each other
            problem.solve(solver=cp.CLARABEL, tol_gap_abs=CONIC, tol_gap_rel=CONIC, tol_feas=CONIC)
            assert problem.status in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE)
    return Oracle(float(below.value), float(above.value), L.value, G.value)


def judge(S: np.ndarray, L: np.ndarray, G: np.ndarray, *, gap: float = GAP) -> list[str]:
    """Everything that is wrong with a pair of points, from the statements of the two programmes."""
    faults = []

    def want(what: str, violation: float, most: float = FEASIBLE) -> None:
        if not violation <= most:
            faults.append(f"{what}: {violation:.1e}")

    level = np.where(S, L, np.inf).min(axis=0)
    want("in-support logits differ", np.max(np.where(S, L, -np.inf).max(axis=0) - level))
    want("margin is missed", np.max(1 - (level - np.where(S, -np.inf, L).max(axis=0))))
    want("spectral norm above 1", np.linalg.norm(G, 2) - 1)
    want("a column sum is not zero", np.abs(G.sum(axis=0)).max())
    want("positive off the supports", np.where(S, 0.0, G).max())
    primal, dual = np.linalg.svd(L, compute_uv=False).sum(), G[S].sum()
    want("gap", primal - dual, gap * primal + FEASIBLE)
    return faults


def agree(S: np.ndarray, given=None):
    """Solves by both, asserts all that must hold between them, and returns both answers."""
    truth, solution = oracle(S), solve_ntp_svm(S if given is None else given, tol=GAP)
    L, G = solution.L, solution.certificate[:, solution.inverse]
    assert judge(S, L, G) == []
    slack = ORACLE * max(1.0, truth.primal)
    primal, dual = np.linalg.svd(L, compute_uv=False).sum(), G[S].sum()
    assert abs(truth.primal - truth.dual) <= 2 * slack
    # The oracle's optimum lies between our two values, and so within our gap of either.
    assert dual - slack <= truth.primal <= primal + slack
    assert dual - slack <= truth.dual <= primal + slack
    assert abs(primal - truth.primal) <= GAP * primal + slack and abs(dual - truth.dual) <= GAP * primal + slack
    assert abs(solution.primal - primal) <= FEASIBLE * max(1, primal)
    assert abs(solution.dual - dual) <= FEASIBLE * max(1, primal)
    return truth, solution


@st.composite
def supports(draw, most_tokens: int = 7, most_contexts: int = 7) -> np.ndarray:
    """Supports in which every context has a next token; equal rows, equal columns and full columns occur."""
    V, m = draw(st.integers(2, most_tokens)), draw(st.integers(1, most_contexts))
    return from_sets(draw(st.lists(st.sets(st.integers(0, V - 1), min_size=1), min_size=m, max_size=m)), V)


@fixed(60)
@given(supports())
@example(from_sets([{0}, {0, 1}, {0, 2}], 4))
@example(from_sets([{0, 1}, {0, 1, 2}], 3))
def test_random_supports_have_the_oracle_s_optimum(S):
    agree(S)


@fixed(25)
@given(supports(5, 3), st.data())
def test_multiplicities_repeated_rows_and_full_columns(S, data):
    """The oracle sees every context and every token; the solver merges them."""
    times = [data.draw(st.lists(st.integers(1, 3), min_size=n, max_size=n)) for n in S.shape]
    S = np.repeat(np.repeat(S, times[0], axis=0), times[1], axis=1)
    S = np.insert(S, data.draw(st.integers(0, S.shape[1])), True, axis=1)
    truth, solution = agree(S)
    full = S.all(axis=0)
    assert not solution.L[:, full].any() and np.abs(truth.L[:, full]).max() <= np.sqrt(ORACLE)
    assert solution.counts.sum() == S.shape[1] and solution.L_distinct.shape == solution.certificate.shape


@pytest.mark.parametrize("make", [sp.csc_array, sp.csr_matrix, sp.coo_array, lambda S: S.astype(float),
                                  np.ndarray.tolist], ids=["csc", "csr matrix", "coo", "float", "lists"])
def test_sparse_and_other_inputs(make):
    S = from_sets([{0, 1}, {0, 1}, {1, 2, 3}, {4}, {0, 4}], 6)
    agree(S, make(S))


def slope(S: np.ndarray, G: np.ndarray) -> float:
    """How strongly a dual point ties down the primal: zero where it may leave more than one solution.

    With any optimal Lambda every solution is U A V', where U and V span its singular pairs of value 1 and A is
    symmetric; its in-support entries are equal; and its margin is 1 wherever Lambda is negative. These are linear
    equations in A: the smallest singular value of their matrix. Whatever is within `STRICT` of a bound counts as at it.
    """
    U, s, Vt = np.linalg.svd(G)
    r = int(np.sum(s >= 1 - STRICT))
    rows = []
    for a in range(r):
        for b in range(a, r):
            D = np.outer(U[:, a], Vt[b]) + np.outer(U[:, b], Vt[a])
            D /= np.linalg.norm(D)
            equations = [D[:, j] - D[np.argmax(column), j] for j, column in enumerate(S.T)]
            rows.append(np.concatenate(equations)[(S | (G < -STRICT)).T.ravel()])
    return float(np.linalg.svd(np.array(rows), compute_uv=False)[-1]) if rows and len(rows) <= len(rows[0]) else 0.0


def drawn(seed: int) -> np.ndarray:
    """Seeded supports of 1 to 3 of 6 tokens, for 5 contexts."""
    rng = np.random.default_rng(seed)
    return from_sets([set(rng.choice(6, rng.integers(1, 4), replace=False).tolist()) for _ in range(5)], 6)


def test_logits_agree_where_the_solution_is_unique():
    unique = 0
    for S in [from_sets([{0}, {0, 1}, {0, 2}], 4), *map(drawn, range(12))]:
        truth, solution = agree(S)
        if slope(S, truth.G) >= SLOPE:
            unique += 1
            assert np.abs(solution.L - truth.L).max() <= LOGITS
    assert unique >= 6  # or the test above says nothing


def test_the_pentagon_is_not_called_unique():
    """Edges of a pentagon have a segment of solutions, and the two solvers stand at different points of it."""
    S = from_sets([{i, (i + 1) % 5} for i in range(5)], 5)
    truth, solution = agree(S)
    assert slope(S, truth.G) < SLOPE
    assert truth.primal == pytest.approx(2 * np.sqrt(5), rel=ORACLE)
    assert judge(S, centered_support(S), solution.certificate[:, solution.inverse]) == []  # another of its points


# Negative controls: `judge` and the oracle see what is wrong

def damaged():
    """A good pair of points, and one damaged pair for each way to be wrong."""
    S = from_sets([{i % 8, (i + 1) % 8, (i + 2) % 8} for i in range(8)], 8)  # its proxy is 5 % longer than needed
    solution = solve_ntp_svm(S)
    L, G = solution.L, solution.certificate[:, solution.inverse]
    move = np.zeros(S.shape)
    move[0, 0] = 1e-4  # in the support of the first context
    off = np.zeros(S.shape)
    off[5, 0] = 1e-4   # off it
    return S, (L, G), {
        "in-support logits differ": (L + move, G), "margin is missed": (L * (1 - 1e-4), G),
        "gap": (L * (1 + 1e-4), G), "gap, of the proxy": (centered_support(S), G),
        "spectral norm above 1": (L, G * (1 + 1e-4)), "a column sum is not zero": (L, G - off),
        "positive off the supports": (L, np.where(S, G, 1e-4)), "gap, of the dual": (L, G * (1 - 1e-4))}


@pytest.mark.parametrize("fault", list(damaged()[2]))
def test_a_damaged_point_is_caught(fault):
    S, good, bad = damaged()
    assert judge(S, *good) == []
    assert any(found.startswith(fault.split(",")[0]) for found in judge(S, *bad[fault]))


def test_a_solver_that_forgets_the_multiplicities_is_caught():
    S = np.repeat(from_sets([{0}, {0, 1}, {0, 2}], 4), [4, 1, 1], axis=1)
    agree(S)
    once = solve_ntp_svm(from_sets([{0}, {0, 1}, {0, 2}], 4))
    inverse = [0, 0, 0, 0, 1, 2]
    assert judge(S, once.L[:, inverse], once.certificate[:, once.inverse][:, inverse] / 2) != []
    assert abs(oracle(S).primal - once.primal) > 0.1

"""Chapter 14 under attack: the ceiling, the path in few dimensions and the cheapest logits, in worlds at the edge."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize

from ntputils import (SoftLabels, center, claim, excess, factor, in_support_logits, lambda_max, ntp_gradient, ntp_loss,
                      regularization_path, solve_ntp_svm)
from ntputils.low_rank import solve_low_rank

SUPPORTS = {
    "one context": [[1], [1], [0], [0]],
    "two words": [[1, 0], [0, 1]],
    "full supports": np.ones((3, 4)),
    "one-hot": np.eye(5),
    "equal supports": np.tile([[1], [1], [0]], (1, 4)),
    "nested chain": np.triu(np.ones((5, 5)))[:, :4],
    "full and one-hot": np.hstack([np.eye(4), np.ones((4, 1))]),
    "doubled words": np.repeat(np.eye(4), 2, axis=0),
    "doubled contexts": np.repeat(np.eye(4), 3, axis=1)}


def cosine(A, B):
    return np.vdot(A, B) / np.linalg.norm(A) / np.linalg.norm(B)


def violation(L, S):
    """The largest violation of a constraint, word by word."""
    worst = 0.0
    for x, on in zip(np.asarray(L).T, np.asarray(S).T > 0):
        worst = max(worst, np.ptp(x[on]), *(1 - x[z] + x[v] for z in np.flatnonzero(on) for v in np.flatnonzero(~on)))
    return worst


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 4), (2, 2), (7, 3), (5, 9)])
def test_no_matrix_passes_the_ceiling_however_it_is_made(shape, dtype):
    rng = np.random.default_rng(shape[1])
    for B in (rng.normal(size=shape), np.outer(rng.normal(size=shape[0]), rng.normal(size=shape[1])),
              rng.normal(size=shape) * 10.0 ** -np.arange(shape[1])):
        U, s, Vt = np.linalg.svd(B, full_matrices=False)
        for d in range(1, min(shape) + 1):
            ceiling = np.sqrt(np.sum(s[:d]**2) / np.sum(s**2))
            for A in (rng.normal(size=(shape[0], d)) @ rng.normal(size=(d, shape[1])), B @ Vt[:d].T @ Vt[:d],
                      U[:, :d] @ U[:, :d].T @ B + 1e-3 * np.outer(U[:, 0], Vt[0])):
                assert cosine(A.astype(dtype).astype(float), B) <= ceiling + (1e-6 if dtype == np.float32 else 1e-12)
            assert cosine((U[:, :d] * s[:d]) @ Vt[:d], B) == pytest.approx(ceiling, abs=1e-12)


@pytest.mark.parametrize("name", SUPPORTS)
def test_cheapest_logits_are_feasible_and_of_the_rank_or_refused_with_a_reason(name):
    S = np.asarray(SUPPORTS[name], dtype=np.float32)
    rank = np.linalg.matrix_rank(solve_ntp_svm(S, tol=1e-9).L, tol=1e-6)
    for d in range(max(1, rank - 1), rank + 3):
        try:
            found = solve_low_rank(S, d, starts=2)
        except ValueError as error:
            assert name == "nested chain" and d < rank and "nested" in str(error)
            continue
        assert violation(found.L, S) < 1e-8 and np.linalg.matrix_rank(found.L, tol=1e-6) <= d
        assert found.primal >= found.dual - 1e-6
        if d >= rank:
            assert found.primal == pytest.approx(found.dual, rel=1e-5, abs=1e-9)


def minimum(labels, lam, d, seed=0, x=None):
    """The ridge in d dimensions by L-BFGS; logits, and the stacked factors."""
    V, m = labels.P.shape
    x = np.random.default_rng(seed).normal(size=(V + m) * d) if x is None else x

    def value(x):
        W, H = x[:V * d].reshape(V, d), x[V * d:].reshape(d, m)
        G = ntp_gradient(W @ H, labels) / lam
        return ntp_loss(W @ H, labels) / lam + x @ x / 2, x + np.concatenate([(G @ H.T).ravel(), (W.T @ G).ravel()])

    x = minimize(value, x, jac=True, method="L-BFGS-B", options={"maxiter": 4000, "maxfun": 8000, "ftol": 0, "gtol": 1e-9}).x
    return x[:V * d].reshape(V, d) @ x[V * d:].reshape(d, m), x


def rate(labels, d, lambdas=(1e-4, 1e-6, 1e-8)):
    """By how much the nuclear norm grows when log(1/lambda) grows by one, and the last logits."""
    x, norms = None, []
    for lam in lambdas:
        L, x = minimum(labels, lam, d, x=x)
        norms.append(np.linalg.norm(L, "nuc"))
    return (norms[-1] - norms[-2]) / np.log(lambdas[-2] / lambdas[-1]), L


@pytest.mark.parametrize(("V", "k"), [(2, 1), (4, 2), (6, 5)])
def test_one_context_in_one_dimension_by_one_equation(V, k):
    """One column with margin g has the norm nu g, nu = sqrt(k (V - k) / V), and g solves one equation."""
    labels, x = SoftLabels.from_counts(np.repeat([1, 0], [k, V - k])[:, None]), None
    nu, norms = np.sqrt(k * (V - k) / V), []
    for lam in (1e-2, 1e-4, 1e-6, 1e-8):
        g = brentq(lambda g, lam=lam: (V - k) / (V - k + k * np.exp(g)) - lam * nu, 0, 60)     # what is off, and its price
        L, x = minimum(labels, lam, 1, x=x)
        assert np.linalg.norm(center(L)) == pytest.approx(nu * g, rel=1e-3)
        norms.append(nu * g)
    measured = abs((norms[-1] - norms[-2]) / np.log(100) / nu - 1)
    assert claim("14.9", measured).verdict == "holds" and claim("14.9", measured + 0.06).verdict == "fails"


@pytest.mark.parametrize("counts", [np.eye(4), np.diag([1e4, 1, 1, 1]), np.triu(np.ones((4, 4)))[:, :3],
                                    [[3, 1, 0], [1, 3, 0], [0, 0, 2]]])
def test_from_the_rank_and_the_lack_on_the_limit_is_that_of_any_width(counts):
    """Even, uneven, nested in V - 1 dimensions, and twin words in two supports with different odds (a lack of one)."""
    labels = SoftLabels.from_counts(counts)
    solution = solve_ntp_svm(labels.S, tol=1e-10)
    W = factor(solution.L, tol=1e-6)[0]
    lack = max(on.sum() - 1 - np.linalg.matrix_rank(W[on] - W[on][0], tol=1e-6) for on in labels.S.toarray().T)
    grown, L = rate(labels, W.shape[1] + lack)
    assert claim("14.9", abs(grown / solution.primal - 1)).verdict == "holds"
    assert claim("14.11", cosine(center(L), solution.L)).verdict == "holds"


def test_without_the_lack_the_log_odds_are_out_of_reach():
    """Twin words with opposite odds after two contexts: rank one is enough for the supports, and not for the loss."""
    labels = SoftLabels.from_counts([[3, 1, 0], [1, 3, 0], [0, 0, 2]])
    assert np.linalg.matrix_rank(solve_ntp_svm(labels.S, tol=1e-10).L, tol=1e-6) == 1
    assert violation(solve_low_rank(labels.S, 1).L, labels.S.toarray()) < 1e-8
    narrow, enough = (min(sum(excess(minimum(labels, 1e-6, d, seed)[0], labels)) for seed in range(4)) for d in (1, 2))
    assert narrow > 0.01 and enough < 1e-4
    assert claim("14.2", narrow / enough).verdict == "holds"


def test_where_any_word_may_follow_nothing_grows_and_there_is_no_direction():
    """All supports full: nu is zero, logits tend to the log-odds, and the last sentence of part 3 has no object."""
    labels = SoftLabels.from_counts([[5, 1, 2], [2, 2, 9], [1, 7, 3]])
    assert solve_ntp_svm(labels.S).primal == 0
    grown, L = rate(labels, 2)
    assert abs(grown) < 1e-3 and np.allclose(center(L), in_support_logits(labels).toarray(), atol=1e-2)


def test_factors_are_balanced_at_ridges_from_the_largest_down_as_far_as_descent_comes():
    """At a tiny ridge L-BFGS stops before 1e-5: the claim is of 1e-3, and the theorem of stationary points."""
    labels = SoftLabels.from_counts(np.triu(np.ones((4, 4)))[:, :3] + np.eye(4)[:, :3])
    V, d, x, top = labels.V, 3, None, lambda_max(labels)
    assert np.linalg.norm(minimum(labels, 1.01 * top, d)[0]) < 1e-9                 # nothing to balance
    for lam in (0.99 * top, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8):
        _, x = minimum(labels, lam, d, x=x)
        W, H = x[:V * d].reshape(V, d), x[V * d:].reshape(d, -1)
        measured = np.linalg.norm(W.T @ W - H @ H.T) / np.linalg.norm(W.T @ W)
        assert measured < 0.01 and (lam < 1e-4 or claim("14.12", measured).verdict == "holds")
    assert claim("14.12", measured).verdict == "fails"


def test_the_certificate_knows_a_minimum_that_a_narrow_model_cannot_reach():
    """14.20: one at the minimum of any width; far above in one dimension, where another stationary point is best."""
    labels, lam = SoftLabels.from_counts(np.eye(5)), 1e-3
    size = [np.linalg.norm(ntp_gradient(minimum(labels, lam, d)[0], labels), 2) / lam for d in (4, 2)]
    assert claim("14.20", size[0]).verdict == "holds" and claim("14.20", size[1]).verdict == "fails"
    L = regularization_path(labels, [lam])[-1].L
    assert np.linalg.norm(ntp_gradient(L, labels), 2) / lam == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("k", [1, 2, 10, 19])
def test_with_four_contexts_a_word_the_rank_is_full_sparse_or_not(k):
    """The page's sentence, for sizes that its table does not have."""
    rng, V = np.random.default_rng(k), 20
    S = np.array([rng.permutation(np.arange(V) < k) for _ in range(6 * V)]).T
    s = np.linalg.svd(solve_ntp_svm(S, tol=1e-4).L, compute_uv=False)
    assert np.sum(s > s[0] / 200) == V - 1
    few = np.array([rng.permutation(np.arange(V) < k) for _ in range(V // 2)]).T
    s = np.linalg.svd(solve_ntp_svm(few, tol=1e-4).L, compute_uv=False)
    assert np.sum(s > s[0] / 200) < V - 1

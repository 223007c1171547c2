"""The linear model with fixed contexts, against CVXPY, torch, plain loops and what is known by hand."""

import itertools

import cvxpy as cp
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ntputils import (SoftLabels, Trajectory, centered_support, excess, finite_part, in_support_logits, ntp_gradient,
                      ntp_loss, project_F, project_F_lin, solve_linear_svm, train_linear)

SOLVED = 1e-9        # the solver ends on the active constraints: rounding only
ORACLE = 1e-6        # an interior-point method at its default accuracy
HAND = SoftLabels.from_counts([[3, 0], [1, 0], [0, 4]])


def random_labels(rng, V, m):
    """Random counts, each context with one to V tokens."""
    counts = rng.integers(1, 9, size=(V, m)) * (rng.random((V, m)) < 0.5)
    counts[rng.integers(V, size=m), range(m)] = 1
    return SoftLabels.from_counts(counts)


def in_support_differences(H, S):
    """The rows vec((e_z - e_z') h_j') of F_lin, pair by pair."""
    V, d = S.shape[0], len(H)
    rows = [np.zeros(V * d)]
    for j in range(S.shape[1]):
        for z, y in itertools.combinations(np.flatnonzero(S[:, j]), 2):
            A = np.zeros((V, d))
            A[z], A[y] = H[:, j], -H[:, j]
            rows.append(A.ravel())
    return np.array(rows)


def by_cvxpy(H, S):
    """The SVM constraint by constraint, as an oracle."""
    W = cp.Variable((S.shape[0], len(H)))
    rules = []
    for j, s in enumerate(S.T):
        on, off = np.flatnonzero(s), np.flatnonzero(~s)
        rules += [(W[on[0]] - W[z]) @ H[:, j] == 0 for z in on[1:]] + [(W[on[0]] - W[v]) @ H[:, j] >= 1 for v in off]
    problem = cp.Problem(cp.Minimize(cp.sum_squares(W)), rules)
    problem.solve(solver=cp.CLARABEL)
    return problem.status, W.value


def check_certificate(H, S, solution):
    """Both sides feasible, values equal: from W, Lambda, H and S alone."""
    L, scale = solution.W @ H, 1 + np.abs(solution.W @ H).max()
    for j, s in enumerate(S.T):
        assert np.ptp(L[s, j]) <= SOLVED * scale
        assert s.all() or L[s, j].min() - L[~s, j].max() >= 1 - SOLVED * scale
    multipliers = solution.certificate
    assert np.abs(multipliers.sum(axis=0)).max() <= SOLVED and multipliers[~S].max(initial=0) <= 0
    if not S.all():
        assert np.linalg.norm(multipliers @ H.T) == pytest.approx(1, abs=SOLVED)
        assert np.sum(multipliers[S]) == pytest.approx(np.linalg.norm(solution.W), rel=SOLVED)
        assert solution.gap <= SOLVED


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(1, 4), st.integers(0, 2))
def test_the_svm_agrees_with_cvxpy_where_contexts_are_independent(seed, V, m, more):
    rng = np.random.default_rng(seed)
    H, S = rng.normal(size=(m + more, m)), random_labels(rng, V, m).S.toarray()
    assume(np.linalg.svd(H, compute_uv=False)[-1] > 0.05)  # the oracle takes very large words for no words
    solution = solve_linear_svm(H, S)
    check_certificate(H, S, solution)
    if S.all():
        assert not solution.W.any()
        return
    status, W = by_cvxpy(H, S)
    assert status == "optimal"
    assert solution.primal == pytest.approx(np.linalg.norm(W), rel=ORACLE)
    assert np.abs(solution.W - W).max() <= 1e-4 * (1 + np.abs(W).max())


@pytest.mark.parametrize("seed", range(8))
def test_fewer_dimensions_than_contexts_feasible_or_not_as_cvxpy_says(seed):
    rng = np.random.default_rng(seed)
    H = rng.normal(size=(2, 4))
    S = np.eye(4, dtype=bool)[:, rng.integers(4, size=4)] | (rng.random((4, 4)) < 0.15 * (seed % 2))
    status, W = by_cvxpy(H, S)
    if status == "optimal":
        solution = solve_linear_svm(H, S)
        check_certificate(H, S, solution)
        assert np.abs(solution.W - W).max() <= 1e-4 * (1 + np.abs(W).max())
    else:
        with pytest.raises(ValueError, match="not separable"):
            solve_linear_svm(H, S)


def test_both_outcomes_are_among_those_instances():
    def status(seed):
        rng = np.random.default_rng(seed)
        H = rng.normal(size=(2, 4))
        S = np.eye(4, dtype=bool)[:, rng.integers(4, size=4)] | (rng.random((4, 4)) < 0.15 * (seed % 2))
        return by_cvxpy(H, S)[0]

    assert {status(seed) == "optimal" for seed in range(8)} == {True, False}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 7), st.integers(1, 7))
def test_with_the_identity_for_contexts_the_svm_is_the_centred_support(seed, V, m):
    S = random_labels(np.random.default_rng(seed), V, m).S
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(m, m)))[0]
    assert np.abs(solve_linear_svm(np.eye(m), S).W - centered_support(S)).max() <= SOLVED
    assert np.abs(solve_linear_svm(turn, S).W @ turn - centered_support(S)).max() <= SOLVED


def test_longer_contexts_need_shorter_words():
    rng = np.random.default_rng(0)
    labels, H = random_labels(rng, 5, 4), rng.normal(size=(5, 4))
    small, large = solve_linear_svm(1e-5 * H, labels.S), solve_linear_svm(1e5 * H, labels.S)
    assert np.allclose(1e-5 * small.W, 1e5 * large.W, rtol=1e-9, atol=1e-12)


def test_contradictions_name_separability():
    with pytest.raises(ValueError, match="H: .*not separable"):  # the same context, two supports
        solve_linear_svm([[1.0, 1.0]], [[1, 1], [1, 0], [0, 0]])
    with pytest.raises(ValueError, match="H: .*not separable"):
        solve_linear_svm(np.zeros((2, 1)), [[1], [0]])
    with pytest.raises(ValueError, match=r"H: got shape \(1, 3\)"):
        solve_linear_svm(np.ones((1, 3)), [[1], [0]])
    with pytest.raises(ValueError, match="H: got shape"):
        solve_linear_svm([[np.nan]], [[1], [0]])
    with pytest.raises(ValueError, match="S: "):
        solve_linear_svm([[1.0]], [[2], [0]])


def test_sparse_supports_and_full_ones_are_welcome():
    full = solve_linear_svm(np.eye(2), np.ones((3, 2)))
    assert not full.W.any() and full.gap == 0 and full.primal == 0
    assert not solve_linear_svm(np.zeros((1, 2)), np.ones((3, 2))).W.any()
    mixed = sp.csc_array([[1, 1], [1, 0], [1, 0]])
    assert np.allclose(solve_linear_svm(np.eye(2), mixed).W, centered_support(mixed))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(1, 5), st.integers(1, 6))
def test_the_projection_is_the_one_on_the_span_of_differences(seed, V, m, d):
    rng = np.random.default_rng(seed)
    labels, H, W = random_labels(rng, V, m), rng.normal(size=(d, m)), rng.normal(size=(3, V, d))
    D = in_support_differences(H, labels.S.toarray())
    explicit = np.linalg.pinv(D) @ (D @ W.reshape(3, -1).T)
    projected = project_F_lin(W, H, labels.S)
    assert np.abs(projected.reshape(3, -1).T - explicit).max() <= 1e-8
    assert np.abs(project_F_lin(projected, H, labels.S) - projected).max() <= 1e-10
    assert np.abs(project_F((W - projected)[0] @ H, labels.S)).max() <= 1e-8


def test_for_the_identity_f_lin_is_f():
    labels, L = random_labels(np.random.default_rng(1), 6, 5), np.random.default_rng(2).normal(size=(6, 5))
    assert np.abs(project_F_lin(L, np.eye(5), labels.S) - project_F(L, labels.S)).max() <= 1e-12
    with pytest.raises(ValueError, match=r"W: got shape \(5, 6\), want \(V, d\) = \(6, 5\)"):
        project_F_lin(L.T, np.eye(5), labels.S)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(1, 5))
def test_the_finite_part_has_the_log_odds_and_nothing_else(seed, V, m):
    rng = np.random.default_rng(seed)
    labels, H = random_labels(rng, V, m), rng.normal(size=(m, m))
    H += 3 * np.eye(m)  # well away from singular
    W, P = finite_part(labels, H), labels.P.toarray()
    for j in range(m):
        for z, y in itertools.combinations(np.flatnonzero(P[:, j]), 2):
            assert (W[z] - W[y]) @ H[:, j] == pytest.approx(np.log(P[z, j] / P[y, j]), abs=1e-7)
    D = in_support_differences(H, labels.S.toarray())
    assert np.abs(np.linalg.pinv(D) @ (D @ W.ravel()) - W.ravel()).max() <= 1e-7
    assert np.abs(finite_part(labels, np.eye(m)) - in_support_logits(labels)).max() <= 1e-12


def test_incompatible_data_say_so():
    with pytest.raises(ValueError, match="H: .*not compatible"):
        finite_part(SoftLabels.from_counts([[3, 1], [1, 1]]), [[1.0, 2.0]])
    fine = finite_part(SoftLabels.from_counts([[3, 9], [1, 1]]), [[1.0, 2.0]])  # twice the log-odds at twice h
    assert fine.ravel() == pytest.approx([np.log(3) / 2, -np.log(3) / 2])


def test_the_example_by_hand():
    solution = solve_linear_svm([[1.0, -1.0]], HAND.S)
    assert solution.W.ravel() == pytest.approx([1 / 3, 1 / 3, -2 / 3])
    assert finite_part(HAND, [[1.0, -1.0]]).ravel() == pytest.approx([np.log(3) / 2, -np.log(3) / 2, 0])


@pytest.mark.parametrize("optimizer, make", [
    ("gd", lambda W: torch.optim.SGD([W], lr=0.3)),
    ("adam", lambda W: torch.optim.Adam([W], lr=0.3, betas=(0.8, 0.95), eps=1e-8))])
def test_training_steps_are_those_of_torch(optimizer, make):
    rng = np.random.default_rng(4)
    labels, H, start = random_labels(rng, 5, 4), rng.normal(size=(3, 4)), rng.normal(size=(5, 3))
    run = train_linear(labels, H, steps=25, lr=0.3, optimizer=optimizer, beta=(0.8, 0.95), start=start,
                       snapshots=range(26))
    W = torch.tensor(start, requires_grad=True)
    method, P = make(W), torch.tensor(labels.P.toarray() * labels.pi)
    for step in range(26):
        loss = -(P * torch.log_softmax(W @ torch.tensor(H), dim=0)).sum()
        assert run.loss[step] == pytest.approx(loss.item(), abs=1e-12)
        assert np.abs(run.W[step] - W.detach().numpy()).max() <= 1e-10
        method.zero_grad()
        loss.backward()
        method.step()


def test_normalised_steps_have_one_length_and_the_gradients_direction():
    rng = np.random.default_rng(5)
    labels, H = random_labels(rng, 5, 4), rng.normal(size=(3, 4))
    run = train_linear(labels, H, steps=30, lr=0.01, optimizer="ngd", snapshots=range(31))
    moves = np.diff(run.W, axis=0)
    assert np.linalg.norm(moves, axis=(1, 2)) == pytest.approx(0.01, rel=1e-9)
    gradient = ntp_gradient(run.W[7] @ H, labels) @ H.T
    assert moves[7] == pytest.approx(-0.01 * gradient / np.linalg.norm(gradient), abs=1e-14)


def test_nothing_moves_where_the_gradient_is_zero():
    uniform = SoftLabels.from_counts(np.ones((2, 1)))
    assert not train_linear(uniform, [[1.0]], steps=5, lr=1.0, optimizer="ngd").W.any()


def test_a_trajectory_like_the_others():
    run = train_linear(HAND, [[1.0, -1.0]], steps=100, lr=1.0, snapshots=[10, 100])
    assert isinstance(run, Trajectory) and run.steps.tolist() == [0, 10, 100]
    assert run.H.shape == (3, 1, 2) and not run.W[0].any()
    assert run.loss == pytest.approx([ntp_loss(W @ H, HAND) for W, H in zip(run.W, run.H)])
    assert run.settings["optimizer"] == "gd"


def test_training_refuses_what_makes_no_sense():
    H = [[1.0, -1.0]]
    for message, options in (("lr: got", {"lr": 0}), ("steps", {"steps": -1}), ("snapshots", {"snapshots": [9]}),
                             ("optimizer: got 'sgd'", {"optimizer": "sgd"}),
                             (r"start: got shape \(2, 1\)", {"start": np.zeros((2, 1))})):
        with pytest.raises(ValueError, match=message):
            train_linear(HAND, H, **{"steps": 5, "lr": 1.0, **options})
    with pytest.raises(ValueError, match="H: got shape"):
        train_linear(HAND, np.ones((1, 3)), steps=5, lr=1.0)
    with pytest.raises(FloatingPointError, match="lr = "), np.errstate(all="ignore"):
        train_linear(HAND, [[10.0, -10.0]], steps=3, lr=1.0, start=[[1e308], [-1e308], [0]])


def test_the_theorem_of_two_parts_on_a_problem_with_little_to_untie():
    rng = np.random.default_rng(3)
    labels = SoftLabels.from_counts([[3, 0, 2], [1, 4, 0], [0, 0, 5]])
    H = np.eye(3) + 0.2 * rng.normal(size=(3, 3))
    run = train_linear(labels, H, steps=20_000, lr=1.0, start=rng.normal(size=(3, 3)), snapshots=[20_000])
    W_star, W_mm = finite_part(labels, H), solve_linear_svm(H, labels.S).W
    assert np.abs(project_F_lin(run.W[1], H, labels.S) - W_star).max() <= 5e-3
    grown = run.W[1] - W_star
    assert np.sum(grown * W_mm) / np.linalg.norm(grown) / np.linalg.norm(W_mm) >= 0.97
    bound = min(sum(excess((W_star + g * W_mm) @ H, labels)) + np.sum((W_star + g * W_mm - run.W[0])**2) / 40_000
                for g in np.linspace(0, 15, 31))
    assert 0 < run.loss[1] - labels.entropy() <= bound


def test_the_excess_is_the_loss_above_the_bound_in_two_parts():
    rng = np.random.default_rng(0)
    for _ in range(10):
        labels = random_labels(rng, 6, 5)
        L = rng.normal(scale=2, size=(6, 5))
        off, within = excess(L, labels)
        assert off + within == pytest.approx(ntp_loss(L, labels) - labels.entropy(), abs=1e-12)
        assert off >= 0 and within >= -1e-12
        assert excess(in_support_logits(labels), labels)[1] == pytest.approx(0, abs=1e-12)
    assert excess(np.zeros((2, 1)), SoftLabels.from_counts([[1], [1]])) == (0.0, 0.0)
    assert excess([[800.0], [0.0]], SoftLabels.from_counts([[1], [0]]))[0] == 0.0  # e^-800 is below float64
    assert excess([[700.0], [0.0]], SoftLabels.from_counts([[1], [0]]))[0] == pytest.approx(np.exp(-700.0))
    with pytest.raises(ValueError, match="L: got shape"):
        excess(np.zeros((1, 1)), HAND)

"""Chapter 2 under attack: degenerate supports, other directions and seeds, nearly dependent contexts, large starts."""

import numpy as np
import pytest
from scipy.optimize import minimize

from ntputils import (SoftLabels, centered_support, excess, finite_part, in_support_logits, ntp_gradient,
                      ntp_loss, project_F_lin, solve_linear_svm, train_linear)

SIX = [[4, 0, 1, 0, 2, 0], [1, 3, 0, 0, 2, 0], [0, 2, 0, 5, 0, 0], [0, 0, 3, 1, 0, 1], [0, 0, 0, 2, 1, 4]]
HAND = [[3, 0], [1, 0], [0, 4]]
COUNTS = {"one token": [[1, 2]], "one context": [[5], [1], [0]], "two tokens": [[1, 0, 2], [0, 3, 1]],
          "one-hot": np.eye(4), "all supports equal": [[3, 1, 2], [1, 5, 2], [0, 0, 0]], "all full": [[1, 2], [3, 4]],
          "one full": [[1, 2, 0], [0, 3, 1], [0, 4, 0]], "nested": np.tril(np.ones((5, 4))),
          "all but one": 1 - np.eye(4), "copies": np.repeat([[1, 2], [0, 3], [0, 0]], 3, axis=1),
          "uneven weights": np.array(SIX) * np.array([10**6, 1, 10**3, 1, 1, 1]), "six": SIX}
families = pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)


def parts(L, labels):
    """Both parts of the excess from probabilities, in extended precision."""
    S, P, L = labels.S.toarray(), labels.P.toarray(), np.asarray(L, dtype=np.longdouble)
    q = np.exp(L - L.max(axis=0)) / np.exp(L - L.max(axis=0)).sum(axis=0)
    stay = np.where(S, q, 0).sum(axis=0)
    odds = np.where(S, 0, q).sum(axis=0) / stay
    kl = np.where(S, P * np.log(np.where(S, P * stay / q, 1)), 0).sum(axis=0)
    return float(labels.pi @ np.log1p(odds)), float(labels.pi @ kl)


# --- the loss, its gradient, its excess ---

@families
@pytest.mark.parametrize("seed", [11, 12])
def test_the_gradient_and_the_two_parts_of_the_excess(page, counts, seed):
    labels = SoftLabels.from_counts(counts)
    L = 3 * np.random.default_rng(seed).normal(size=labels.P.shape)
    D = page(2).difference_quotient(lambda X: ntp_loss(X, labels), L)
    assert np.abs(D - ntp_gradient(L, labels)).max() < 1e-8
    assert excess(L, labels) == pytest.approx(parts(L, labels), abs=1e-13)
    assert excess(L.astype(np.float32), labels) == pytest.approx(parts(L, labels), rel=1e-5, abs=1e-6)
    assert (excess(L, labels)[0] > 0) == (not labels.S.toarray().all())


def test_above_the_bound_at_any_finite_logits_but_not_in_float64_beyond_745():
    labels = SoftLabels.from_counts(HAND)
    at = [excess(gamma * labels.S.toarray(), labels)[0] for gamma in (300, 740, 800)]
    assert at[0] > at[1] > 0 == at[2]


@families
@pytest.mark.parametrize("seed", [1, 2])
def test_every_direction_with_margin_one_leads_to_the_floor_within_its_constant(counts, seed):
    labels, rng = SoftLabels.from_counts(counts), np.random.default_rng(seed)
    S, k = labels.S.toarray(), labels.support_sizes
    in_support = in_support_logits(labels).toarray()
    Z = np.where(S, np.exp(in_support), 0).sum(axis=0)
    L_d = np.where(S, 0, -1 - rng.exponential(size=S.shape) * (rng.random(S.shape) < 0.5)) + rng.normal(size=labels.m)
    for gamma in (0, 0.1, 3, 40):
        first = labels.pi @ np.log1p((labels.V - k) / Z * np.exp(-gamma))
        found, plain = (sum(parts(in_support + gamma * A, labels)) for A in (L_d, centered_support(labels.S)))
        assert found <= first * (1 + 1e-9) + 1e-14
        assert plain == pytest.approx(first, rel=1e-9, abs=1e-14)
        assert first <= labels.pi @ (labels.V / k - 1) * np.exp(-gamma) * (1 + 1e-12)
    assert (Z >= k * (1 - 1e-12)).all()


@pytest.mark.parametrize("counts", [COUNTS[name] for name in COUNTS if name != "one token"], ids=list(COUNTS)[1:])
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:overflow")         # no token left out; no bound
def test_no_weights_are_below_the_price(page, counts):
    labels, rng = SoftLabels.from_counts(counts), np.random.default_rng(3)
    road = in_support_logits(labels).toarray()
    for gamma in (0, 1, 5, 20):
        for noise in (0, 1):
            L = road + gamma * centered_support(labels.S) + noise * rng.normal(size=road.shape)
            price = page(2).price(sum(excess(L, labels)), labels)
            assert np.isfinite(price) and np.linalg.norm(L - L.mean(axis=0)) >= price * (1 - 1e-12)
    assert page(2).price(1e-12, labels) > 5 or labels.S.toarray().all()


def test_training_from_large_weights_shrinks_them_first_and_long_steps_raise_the_loss(page):
    """The bounds of claims 2.9 and 2.10: small weights, small steps."""
    labels, marks = SoftLabels.from_counts(SIX), [10, 20, 40, 80, 160]

    def run(size, rate, seed):
        rng = np.random.default_rng(seed)
        W, H = size * rng.normal(size=(5, 6)), size * rng.normal(size=(6, 6))
        (eps, *norms), _, _ = page(2).descend(labels, W, H, rate, marks)
        return np.max(np.diff(eps)) < 0, min(np.diff(norm).min() for norm in norms) > 0

    assert all(run(0.1, 1.0, seed) == (True, True) for seed in range(5))
    assert not run(2.0, 1.0, 0)[1] and not run(0.1, 8.0, 0)[0]


# --- contexts fixed ---

def infimum(labels, H):
    """The least loss over words that is found without a bound on them (convex)."""
    shape = labels.V, len(H)

    def value(x):
        G = ntp_gradient(x.reshape(shape) @ H, labels)
        return ntp_loss(x.reshape(shape) @ H, labels), (G @ H.T).ravel()

    return minimize(value, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B",
                    options={"maxiter": 3000, "ftol": 0, "gtol": 1e-9}).fun


@pytest.mark.parametrize("counts, H, compatible, separable", [
    (HAND, [[1.0, -1.0]], True, True),                                 # one dimension, two contexts
    ([[3, 1], [1, 3], [0, 0]], [[1.0, 1.0]], False, True),             # one vector, one support, two odds
    ([[1, 0], [0, 1]], [[1.0, 1.0]], True, False),                     # one vector, two supports
    ([[3, 1, 0], [1, 3, 0], [0, 0, 1]], [[1.0, 1.0, 1.0]], False, False),
    ([[3, 0], [1, 4]], [[0.0, 1.0]], False, True),                     # a context at zero, an odd to fit
    ([[1, 0], [1, 4]], [[0.0, 1.0]], True, True),                      # the same, even odds
    ([[1, 2], [3, 4]], [[1.0, 0.5], [0.0, 0.0]], False, True),         # nothing to separate, one dimension used
])
def test_the_floor_is_in_reach_if_and_only_if_both_conditions_hold(counts, H, compatible, separable):
    labels, H, found = SoftLabels.from_counts(counts), np.array(H), []
    for solve in (lambda: finite_part(labels, H), lambda: solve_linear_svm(H, labels.S)):
        try:
            solve()
            found.append(True)
        except ValueError:
            found.append(False)
    assert found == [compatible, separable]
    assert (infimum(labels, H) - labels.entropy() < 1e-4) == (compatible and separable)


@families
@pytest.mark.parametrize("seed", [1, 2])
def test_descent_keeps_its_bound_at_the_largest_step_and_both_limits_have_proofs(counts, seed):
    labels, rng = SoftLabels.from_counts(counts), np.random.default_rng(seed)
    H, start = rng.normal(size=(labels.m, labels.m)), rng.normal(size=(labels.V, labels.m))
    eta = 2 / np.linalg.norm(H * labels.pi @ H.T, 2)
    W_star, svm = finite_part(labels, H), solve_linear_svm(H, labels.S)
    run = train_linear(labels, H, steps=200, lr=eta, start=start, snapshots=[1, 5, 50, 200])
    for k, W in zip(run.steps[1:], run.W[1:]):
        for gamma in (0, 2, 6):
            other = W_star + gamma * svm.W
            allowed = sum(parts(other @ H, labels)) + np.sum((other - start)**2) / (2 * eta * k)
            assert sum(parts(W @ H, labels)) <= allowed * (1 + 1e-9) + 1e-13
    assert (np.diff(run.loss) <= 1e-13).all()
    off = np.where(labels.S.toarray(), 0, svm.certificate)
    value, length = np.sum(labels.S.toarray() * svm.certificate), np.linalg.norm(svm.certificate @ H.T)
    assert off.max() <= 1e-9 and np.abs(svm.certificate.sum(axis=0)).max() < 1e-9
    assert np.linalg.norm(svm.W) * length == pytest.approx(value, rel=1e-8, abs=1e-12)
    assert np.abs(W_star - project_F_lin(W_star, H, labels.S)).max() <= 1e-9 * (1 + np.abs(W_star).max())


@pytest.mark.parametrize("seed", range(3))
def test_no_multipliers_ask_for_more_than_separating_words_pay(seed):
    rng = np.random.default_rng(seed)
    labels = SoftLabels.from_counts(SIX)
    S, H = labels.S.toarray(), rng.normal(size=(7, 6))
    for _ in range(100):
        L = np.where(S, 0, -1 - rng.exponential(size=S.shape)) + rng.normal(size=6)
        W = L @ np.linalg.pinv(H) + rng.normal(size=(5, 7)) @ (np.eye(7) - H @ np.linalg.pinv(H))
        Lam = np.where(S, rng.normal(size=S.shape), -rng.exponential(size=S.shape))
        Lam -= np.where(S, Lam.sum(axis=0) / S.sum(axis=0), 0)
        assert np.linalg.norm(W) * np.linalg.norm(Lam @ H.T) >= Lam[S].sum() - 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_descent_turns_towards_the_margin_from_other_draws_in_float32_contexts(page, seed):
    rng = np.random.default_rng(seed)
    angles = np.radians([90, 210, 330] + rng.uniform(-20, 20, size=3))
    H = np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    labels = page(2).draw([(0, 1, 2), (0, 3, 4), (1, 3, 4)], 5, [100] * 3, rng)
    W = train_linear(labels, H, steps=4000, lr=0.5, snapshots=[4000]).W[-1]
    W_star, W_mm = finite_part(labels, H), solve_linear_svm(H, labels.S).W
    assert np.sum((W - W_star) * W_mm) / np.linalg.norm(W - W_star) / np.linalg.norm(W_mm) >= 0.9
    assert np.linalg.norm(project_F_lin(W, H, labels.S) - W_star) <= 0.1 * np.linalg.norm(W_star)


@pytest.mark.parametrize("counts", [SIX, np.eye(5)[:, [0, 1, 2, 3, 4, 0]], HAND], ids=["six", "one-hot", "by hand"])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_best_words_of_a_size_go_the_same_way_on_other_problems(page, counts, seed):
    labels = SoftLabels.from_counts(counts)
    H = np.random.default_rng(seed).normal(size=(labels.m + 1, labels.m))
    best = page(2).best_words(labels, H, np.geomspace(1e-2, 1e-8, 7))
    slope = ntp_gradient(best @ H, labels) @ H.T + 1e-8 * best
    rest, W_mm = best - finite_part(labels, H), solve_linear_svm(H, labels.S).W
    assert np.abs(slope).max() < 1e-10
    assert np.sum(rest * W_mm) / np.linalg.norm(rest) / np.linalg.norm(W_mm) >= 0.96


def test_very_unequal_odds_keep_the_direction_away_for_longer_than_the_claim_waits():
    """2.22 allows the finite part four times the size of the margin; with odds of a million it is more."""
    labels = SoftLabels.from_counts([[10**6, 0], [1, 0], [0, 1]])
    W = train_linear(labels, np.eye(2), steps=10_000, lr=1.0, snapshots=[10_000]).W[-1]
    W_mm = solve_linear_svm(np.eye(2), labels.S).W
    assert np.linalg.norm(finite_part(labels, np.eye(2))) > 4 * np.linalg.norm(W_mm)
    assert np.sum(W * W_mm) / np.linalg.norm(W) / np.linalg.norm(W_mm) < 0.9


def test_steps_of_fixed_length_lose_where_the_optimum_is_finite():
    """The bound of claim 2.25: with nothing to separate, steps that do not shrink cannot settle."""
    labels = SoftLabels.from_counts([[1, 2], [3, 4]])
    gd, ngd = (train_linear(labels, np.eye(2), steps=2000, lr=lr, optimizer=name, snapshots=[2000]).loss[-1]
               - labels.entropy() for name, lr in (("gd", 0.5), ("ngd", 0.01)))
    assert gd < 1e-12 < 1e-8 < ngd


@pytest.mark.parametrize("power, separable", [(5, True), (9, False)])
def test_contexts_nearly_of_lower_rank_are_not_called_inseparable_without_the_doubt(power, separable):
    H, S = np.diag([1, 10.0**-power]), [[1, 0], [1, 0], [0, 1]]
    if separable:
        solution = solve_linear_svm(H, S)
        assert solution.gap < 1e-9 and solution.primal == pytest.approx(np.sqrt(2 / 3 * (1 + 10**(2 * power))))
    else:
        with pytest.raises(ValueError, match="not separable, or only by words .* not nearly of lower rank"):
            solve_linear_svm(H, S)


# --- architectures ---

@families
@pytest.mark.parametrize("seed", [1, 2])
def test_merging_contexts_costs_the_divergence_from_their_mean(counts, seed):
    labels, rng = SoftLabels.from_counts(counts), np.random.default_rng(seed)
    group, P = rng.integers(0, 2, labels.m), labels.P.toarray()
    M = np.stack([group == g for g in np.unique(group)], axis=1)
    merged = SoftLabels.from_counts(P * labels.pi @ M)
    p_bar = (merged.P.toarray() @ M.T)
    kl = np.where(P > 0, P * np.log(np.where(P > 0, P, 1) / np.where(P > 0, p_bar, 1)), 0).sum(axis=0)
    assert merged.entropy() - labels.entropy() == pytest.approx(labels.pi @ kl, abs=1e-13)
    assert ntp_loss(rng.normal(size=(labels.V, M.shape[1])) @ M.T, labels) >= merged.entropy() - 1e-12


@pytest.mark.parametrize("c", [0.2, 3.0])
def test_the_split_of_a_scale_between_the_factors_changes_the_route_as_exercise_3_says(c):
    labels, rng, eta = SoftLabels.from_counts(SIX), np.random.default_rng(1), 1e-6
    W, H = rng.normal(size=(5, 3)), rng.normal(size=(3, 6))
    G = ntp_gradient(W @ H, labels)
    V, K = c * W, H / c
    moved = ((V - eta * G @ K.T) @ (K - eta * V.T @ G) - W @ H) / eta
    assert np.abs(moved + c**2 * W @ W.T @ G + G @ H.T @ H / c**2).max() < 1e-4

"""Every claim of chapter 2, measured on small inputs by independent code: honest input holds, perturbed input fails."""

import numpy as np
import pytest
from scipy.special import logsumexp, rel_entr

from ntputils import (SoftLabels, centered_support, claim, in_support_logits, ntp_gradient, ntp_loss, project_F,
                      softmax)

COVERED = {f"2.{i}" for i in range(1, 18)}
COUNTS = np.array([[3, 0, 1, 0], [1, 2, 0, 0], [0, 2, 4, 0], [0, 0, 2, 5], [0, 0, 0, 0]])
LABELS = SoftLabels.from_counts(COUNTS)
ON = COUNTS > 0
L_IN, PROXY = in_support_logits(LABELS).toarray(), centered_support(LABELS.S)


def rng():
    return np.random.default_rng(2)


def verdict(id_, measured):
    return claim(id_, measured).verdict


def sample_loss(L, counts=COUNTS):
    """The mean of -log softmax over the samples, one token at a time."""
    return -sum(counts[e] * np.log(softmax(L)[e]) for e in np.ndindex(counts.shape)) / counts.sum()


def by_differences(loss, X, step=1e-5):
    """The gradient of a loss by central differences."""
    basis = np.eye(X.size).reshape(X.size, *X.shape)
    return np.array([(loss(X + step * E) - loss(X - step * E)) / (2 * step) for E in basis]).reshape(X.shape)


def parts(L, on=ON, labels=LABELS):
    """The excess loss off the supports and within them, from log-sums over each column."""
    P, pi = labels.P.toarray(), labels.pi
    inside, outside = (np.array([logsumexp(L[s, j]) if s.any() else -np.inf for j, s in enumerate(side.T)])
                       for side in (on, ~on))
    q = np.where(on, np.exp(L - inside), 0)
    return pi @ np.logaddexp(0, outside - inside), pi @ rel_entr(P, np.where(on, q, 1)).sum(axis=0)


def test_2_1_a_gradient_that_forgets_the_weights_is_noticed():
    L = rng().normal(size=COUNTS.shape)
    D = by_differences(sample_loss, L)
    assert verdict("2.1", np.abs(D - ntp_gradient(L, LABELS)).max()) == "holds"
    assert verdict("2.1", np.abs(D - (softmax(L) - LABELS.P.toarray())).max()) == "fails"


def test_2_2_a_shift_of_rows_is_not_a_shift_of_columns():
    L, c, r = rng().normal(size=COUNTS.shape), rng().normal(size=4), rng().normal(size=(5, 1))
    sums = np.abs(ntp_gradient(L, LABELS).sum(axis=0)).max()
    assert verdict("2.2", max(abs(sample_loss(L + c) - sample_loss(L)), sums)) == "holds"
    assert verdict("2.2", max(abs(sample_loss(L + r) - sample_loss(L)), sums)) == "fails"
    assert verdict("2.2", np.abs(ntp_gradient(L, LABELS).sum(axis=1)).max()) == "fails"


def test_2_3_words_and_contexts_are_not_interchangeable():
    W, H = rng().normal(size=(5, 4)), rng().normal(size=(4, 4))
    G = ntp_gradient(W @ H, LABELS)
    D_W, D_H = by_differences(lambda X: sample_loss(X @ H), W), by_differences(lambda X: sample_loss(W @ X), H)
    assert verdict("2.3", max(np.abs(D_W - G @ H.T).max(), np.abs(D_H - W.T @ G).max())) == "holds"
    assert verdict("2.3", np.abs(D_W - G @ H).max()) == "fails"
    assert verdict("2.3", np.abs(D_H - W.T @ (G + 1e-3)).max()) == "fails"


def test_2_4_the_parts_belong_to_the_right_supports():
    L = rng().normal(size=COUNTS.shape)
    total = sample_loss(L) - LABELS.entropy()
    assert verdict("2.4", abs(total - sum(parts(L)))) == "holds"
    assert verdict("2.4", abs(total - sum(parts(L, on=np.roll(ON, 1, axis=0))))) == "fails"


def test_2_5_the_bound_is_attained_where_no_token_is_left_out():
    assert verdict("2.5", parts(300 * ON.astype(float))[0]) == "holds"
    smooth = SoftLabels.from_counts(COUNTS + 1)
    assert verdict("2.5", parts(np.log(smooth.P.toarray()), on=ON | True, labels=smooth)[0]) == "fails"


def closed_form(gamma, L_in=L_IN):
    Z = [np.exp(L_in[s, j]).sum() for j, s in enumerate(ON.T)]
    return sum(p * np.log1p((5 - s.sum()) / z * np.exp(-gamma)) for p, s, z in zip(LABELS.pi, ON.T, Z))


def test_2_6_margins_other_than_one_and_other_log_odds_are_noticed():
    for direction, expected in ((PROXY, "holds"), (1.01 * PROXY, "fails"), (PROXY + 0.01 * np.eye(5, 4, k=-4), "fails")):
        worst = max(abs(ntp_loss(L_IN + g * direction, LABELS) - LABELS.entropy() - closed_form(g)) for g in range(26))
        assert verdict("2.6", worst) == expected
    wrong = max(abs(ntp_loss(PROXY * g, LABELS) - LABELS.entropy() - closed_form(g, 0 * L_IN)) for g in range(26))
    assert verdict("2.6", wrong) == "fails"


def test_2_7_another_margin_or_a_finite_part_that_is_off_has_another_slope():
    def slope(finite, direction):
        gammas = np.linspace(10, 25, 16)
        return np.polyfit(gammas, [np.log(sum(parts(finite + g * direction))) for g in gammas], 1)[0]

    assert verdict("2.7", slope(L_IN, PROXY)) == "holds"
    assert verdict("2.7", slope(L_IN, 1.1 * PROXY)) == "fails"
    assert verdict("2.7", slope(L_IN + 0.1 * np.eye(5, 4), PROXY)) == "fails"


def test_2_8_a_constant_that_forgets_the_vocabulary_is_too_small():
    ratios = [sum(parts(L_IN + g * PROXY)) * np.exp(g) for g in range(26)]
    assert verdict("2.8", max(ratios) / (LABELS.pi @ (5 / ON.sum(axis=0) - 1))) == "holds"
    assert verdict("2.8", max(ratios) / (LABELS.pi @ (1 / ON.sum(axis=0)))) == "fails"


def trained(labels, rate, steps=(10, 100, 1000), decay=0.0, size=0.3):
    """Excess loss and norms at three checkpoints of gradient descent."""
    W, H, seen = size * rng().normal(size=(5, 4)), size * rng().normal(size=(4, 4)), []
    for step in range(steps[-1] + 1):
        G = ntp_gradient(W @ H, labels)
        if step in steps:
            seen.append([ntp_loss(W @ H, labels) - labels.entropy(), np.linalg.norm(W), np.linalg.norm(H)])
        W, H = (1 - decay) * W - rate * G @ H.T, (1 - decay) * H - rate * W.T @ G
    return np.array(seen).T


def test_2_9_a_step_too_long_does_not_descend():
    def smallest_fall(eps):
        return np.min((eps[:-1] - eps[1:]) / eps[:-1]) if eps.min() > 0 else -1

    assert verdict("2.9", smallest_fall(trained(LABELS, 0.5)[0])) == "holds at this scale"
    assert verdict("2.9", smallest_fall(trained(LABELS, -0.01)[0])) == "fails"
    assert verdict("2.9", smallest_fall(trained(LABELS, 0)[0])) == "fails"


def test_2_10_weights_under_decay_do_not_grow():
    def smallest_growth(**settings):
        _, *norms = trained(LABELS, 0.5, **settings)
        return min(np.min(n[1:] / n[:-1] - 1) for n in norms)

    assert verdict("2.10", smallest_growth()) == "holds at this scale"
    assert verdict("2.10", smallest_growth(decay=0.01, size=3)) == "fails"


def price(eps):
    """The lower bound on the Frobenius norm of logits with this excess loss, context by context."""
    total = 0.0
    for weight, k in zip(LABELS.pi, ON.sum(axis=0)):
        D = np.log((5 - k) / (k * np.expm1(eps / weight)))
        total += max(D, 0) ** 2 / (1 + 1 / (5 - k))
    return np.sqrt(total)


def test_2_11_weights_that_are_too_small_for_their_loss_are_noticed():
    eps, W, H = trained(LABELS, 0.5)
    assert verdict("2.11", ((W[-1]**2 + H[-1]**2) / 2) / price(eps[-1])) == "holds"
    assert verdict("2.11", ((W[0]**2 + H[0]**2) / 2) / price(eps[-1] * 1e-6)) == "fails"


@pytest.mark.parametrize("gamma", [0, 1, 5, 20, 200])
def test_2_11_the_price_is_a_bound_for_the_norm_of_any_logits(gamma):
    for L in (L_IN + gamma * PROXY, rng().normal(scale=1 + gamma, size=COUNTS.shape)):
        eps = sum(parts(L))
        if eps < 100:
            assert np.linalg.norm(L) >= price(eps)


def violation(L_p, L_d):
    """The largest violation of compatibility and separability, pair by pair."""
    worst, P = 0.0, LABELS.P.toarray()
    for j, s in enumerate(ON.T):
        for z in np.flatnonzero(s):
            for v in range(5):
                if s[v]:
                    odds = np.log(P[z, j] / P[v, j])
                    worst = max(worst, abs(L_p[z, j] - L_p[v, j] - odds), abs(L_d[z, j] - L_d[v, j]))
                else:
                    worst = max(worst, 1 - L_d[z, j] + L_d[v, j])
    return worst


def test_2_12_contexts_of_smaller_rank_do_not_do():
    full, lacking = rng().normal(size=(4, 4)), rng().normal(size=(3, 4))
    for H_bar, expected in ((full, "holds"), (lacking, "fails")):
        fit_p, fit_d = (A @ np.linalg.pinv(H_bar) @ H_bar for A in (L_IN, PROXY))
        assert verdict("2.12", violation(fit_p, fit_d)) == expected


def test_2_13_one_dimension_does_not_serve_contexts_on_the_same_side():
    hand = SoftLabels.from_counts([[3, 0], [1, 0], [0, 4]])
    w_p, w_d = np.array([[np.log(3) / 2], [-np.log(3) / 2], [0]]), np.array([[1 / 3], [1 / 3], [-2 / 3]])
    for h, expected in (([[1, -1]], "holds"), ([[1, 1]], "fails"), ([[1, -0.9]], "fails")):
        L_p, L_d = w_p @ h, w_d @ h
        odds = np.abs(project_F(L_p, hand.S) - in_support_logits(hand)).max()
        margins = [L_d[0, 0] - L_d[2, 0], L_d[1, 0] - L_d[2, 0], L_d[2, 1] - L_d[0, 1], L_d[2, 1] - L_d[1, 1]]
        assert verdict("2.13", max(odds, abs(L_d[0, 0] - L_d[1, 0]), 1 - min(margins))) == expected


def test_2_14_other_logits_have_another_loss():
    W, H, A = (rng().normal(size=(n, 4)) for n in (5, 4, 4))
    same = [W @ H, (W @ A) @ np.linalg.inv(A) @ H]
    assert verdict("2.14", np.ptp([sample_loss(L) for L in same])) == "holds"
    assert verdict("2.14", np.ptp([sample_loss(L) for L in (*same, (W @ A) @ (A.T @ H))])) == "fails"


TIED = SoftLabels.from_counts(COUNTS[:4, :3])
MERGED = SoftLabels.from_counts(COUNTS[:4, :3].sum(axis=1, keepdims=True))


def fit(M, steps=4000):
    """The loss of words and embeddings W E M after gradient descent."""
    W, E = 0.3 * rng().normal(size=(4, 4)), 0.3 * rng().normal(size=(4, len(M)))
    for _ in range(steps):
        G = ntp_gradient(W @ E @ M, TIED)
        W, E = W - G @ (E @ M).T, E - W.T @ G @ M.T
    return ntp_loss(W @ E @ M, TIED)


def test_2_15_to_2_17_only_an_encoder_that_tells_contexts_apart_gets_below_the_merged_bound():
    blind, seeing = fit(np.full((3, 3), 1 / 3)), fit(np.eye(3))
    assert verdict("2.15", blind - MERGED.entropy()) == "holds"
    assert verdict("2.15", seeing - MERGED.entropy()) == "fails"
    assert verdict("2.16", blind - MERGED.entropy()) == "holds"
    assert verdict("2.16", fit(np.full((3, 3), 1 / 3), steps=0) - MERGED.entropy()) == "fails"
    assert verdict("2.17", seeing - TIED.entropy()) == "holds"
    assert verdict("2.17", blind - TIED.entropy()) == "fails"


@pytest.mark.parametrize("id_", sorted(COVERED))
def test_not_a_number_never_holds(id_):
    assert verdict(id_, np.nan) == "fails"

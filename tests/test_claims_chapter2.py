"""Every claim of chapter 2, measured on small inputs by independent code: honest input holds, perturbed input fails."""

import numpy as np
import pytest
from scipy.optimize import root
from scipy.special import logsumexp, rel_entr

from ntputils import (SoftLabels, centered_support, claim, excess, finite_part, in_support_logits, ntp_gradient,
                      ntp_loss, project_F, project_F_lin, regularization_path, softmax, solve_linear_svm, solve_ntp_svm,
                      train_linear)

COVERED = {f"2.{i}" for i in range(1, 31)}
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


# The linear model: contexts fixed, independent but not at right angles
H_BAR = np.eye(4) + 0.3 * np.random.default_rng(7).normal(size=(4, 4))
SVM, W_STAR = solve_linear_svm(H_BAR, LABELS.S), finite_part(LABELS, H_BAR)


def test_2_18_another_point_or_other_multipliers_prove_nothing():
    def faults(W, multipliers):
        L, worst = W @ H_BAR, []
        for j, s in enumerate(ON.T):
            worst += [np.ptp(L[s, j]), *(1 - L[s, j].min() + L[~s, j]), *multipliers[~s, j]]
        gap = 1 - multipliers[ON].sum() / np.linalg.norm(multipliers @ H_BAR.T) / np.linalg.norm(W)
        return max(*worst, np.abs(multipliers.sum(axis=0)).max(), abs(gap))

    assert verdict("2.18", faults(SVM.W, SVM.certificate)) == "holds"
    assert verdict("2.18", faults(1.01 * SVM.W, SVM.certificate)) == "fails"
    assert verdict("2.18", faults(0.99 * SVM.W, SVM.certificate)) == "fails"
    assert verdict("2.18", faults(PROXY @ np.linalg.inv(H_BAR), SVM.certificate)) == "fails"
    assert verdict("2.18", faults(SVM.W, np.where(ON, SVM.certificate, SVM.certificate - 1e-3))) == "fails"


def test_2_19_other_contexts_have_another_solution():
    assert verdict("2.19", np.abs(solve_linear_svm(np.eye(4), LABELS.S).W - PROXY).max()) == "holds"
    assert verdict("2.19", np.abs(SVM.W @ H_BAR - PROXY).max()) == "fails"


def test_2_20_something_orthogonal_or_other_odds_are_noticed():
    def miss(W):
        P = LABELS.P.toarray()
        odds = [abs((W[z] - W[y]) @ H_BAR[:, j] - np.log(P[z, j] / P[y, j]))
                for j, s in enumerate(ON.T) for z in np.flatnonzero(s) for y in np.flatnonzero(s)]
        return max(*odds, np.abs(W - project_F_lin(W, H_BAR, LABELS.S)).max())

    assert verdict("2.20", miss(W_STAR)) == "holds"
    assert verdict("2.20", miss(W_STAR + 1e-3 * SVM.W)) == "fails"
    assert verdict("2.20", miss(1.001 * W_STAR)) == "fails"


def run(steps=10_000, **options):
    """Words at the end, from zero."""
    return train_linear(LABELS, H_BAR, steps=steps, snapshots=[steps], **{"lr": 0.5, **options}).W[-1]


def test_2_21_a_bound_for_other_steps_is_broken():
    def ratio(W, k, rate=0.5):
        roads = [W_STAR + g * SVM.W for g in np.linspace(0, 15, 31)]
        return sum(excess(W @ H_BAR, LABELS)) / min(sum(excess(A @ H_BAR, LABELS)) + np.sum(A**2) / (2 * rate * k)
                                                    for A in roads)

    assert verdict("2.21", max(ratio(run(k), k) for k in (1, 30, 1000))) == "holds"
    assert verdict("2.21", ratio(run(10), 10_000)) == "fails"


def test_2_22_2_23_2_25_2_27_where_the_words_go():
    def cosine(W, target=SVM.W):
        return np.sum((W - W_STAR) * target) / np.linalg.norm(W - W_STAR) / np.linalg.norm(target)

    def off(W):
        return np.linalg.norm(project_F_lin(W, H_BAR, LABELS.S) - W_STAR) / np.linalg.norm(W_STAR)

    long, short = run(), run(100)
    assert verdict("2.22", cosine(long)) == "holds"
    assert verdict("2.22", cosine(long, np.roll(SVM.W, 1, axis=0))) == "fails"
    assert verdict("2.23", off(long)) == "holds"
    assert verdict("2.23", off(short)) == "fails"
    assert verdict("2.27", cosine(run(lr=0.01, optimizer="adam"))) == "open"
    losses = [sum(excess(W @ H_BAR, LABELS)) for W in (long, run(lr=0.01, optimizer="ngd"), run(500))]
    assert verdict("2.25", losses[1] / losses[0]) == "holds"
    assert verdict("2.25", losses[2] / losses[0]) == "fails"


def test_2_24_where_margins_are_not_tied_the_slope_is_one():
    one_hot = SoftLabels.from_counts(np.eye(3))

    def slope(optimizer, lr):
        out = train_linear(one_hot, np.eye(3), steps=10_000, lr=lr, optimizer=optimizer, snapshots=[1000, 10_000])
        least = [np.min(np.diag(L)[:, None] - L.T + 9 * np.eye(3)) for L in out.W[1:]]
        return (least[1] - least[0]) / np.log(10)

    assert verdict("2.24", slope("gd", 0.5)) == "holds"
    assert verdict("2.24", slope("ngd", 0.5)) == "fails"


def test_2_26_each_method_ahead_in_its_own_norm():
    def margin_per(w, size):  # two tokens with the words w and -w, one context
        return 2 * np.dot(w, [2, 1]) / size(np.stack([w, np.negative(w)]))

    def leads(gd, adam):
        largest = [margin_per(w, lambda W: np.abs(W).max()) for w in (gd, adam)]
        frobenius = [margin_per(w, np.linalg.norm) for w in (gd, adam)]
        return min(frobenius[0] / frobenius[1], largest[1] / largest[0]) - 1

    assert verdict("2.26", leads([2, 1], [1, 1])) == "holds"  # the best word for each norm
    assert verdict("2.26", leads([1, 1], [2, 1])) == "fails"
    assert verdict("2.26", leads([2, 1], [2, 1])) == "fails"
    assert verdict("2.26", leads([2, -1], [1, 1])) == "fails"


def test_2_28_the_three_sets_of_rates_are_not_interchangeable():
    labels = SoftLabels.from_counts([[5, 4, 3], [0, 6, 0], [0, 0, 7], [0, 0, 0]])
    top = [0, 1, 2]

    def behind(L):
        return L[top, range(3)] - L

    words = train_linear(labels, np.eye(3), steps=10_000, lr=2.0, snapshots=[1000, 10_000]).W
    fixed = (behind(words[2]) - behind(words[1])) / np.log(10)
    path = regularization_path(labels, [1e-3, 1e-5, 1e-7, 1e-8])
    trained_too = (behind(path[-1].L) - behind(path[-2].L)) / np.log(10)
    frobenius, nuclear = behind(centered_support(labels.S)), behind(solve_ntp_svm(labels.S).L)
    single = behind(centered_support(np.eye(4)[:, top]))
    assert verdict("2.28", max(np.abs(fixed - frobenius).max(), np.abs(trained_too - nuclear).max())) == "holds"
    assert verdict("2.28", np.abs(trained_too - frobenius).max()) == "fails"
    assert verdict("2.28", np.abs(fixed - nuclear).max()) == "fails"
    assert verdict("2.28", np.abs(fixed - single).max()) == "fails"


def test_2_29_the_entropy_bound_is_not_where_incompatible_data_end():
    counts, H = np.array([[3, 1, 4], [1, 1, 0]]), np.array([[1.0, 2, 1], [0, 0, 1]])
    labels, line = SoftLabels.from_counts(counts), np.linspace(-2, 2, 40_001)
    fits = sum(n * np.logaddexp(0, -sign * h * line) for h, pair in ((1, counts[:, 0]), (2, counts[:, 1]))
               for sign, n in zip((1, -1), pair)) / counts.sum()
    loss = train_linear(labels, H, steps=10_000, lr=0.5, snapshots=[100, 10_000]).loss
    assert verdict("2.29", loss[-1] - fits.min()) == "holds"
    assert verdict("2.29", loss[1] - fits.min()) == "fails"
    assert verdict("2.29", loss[-1] - labels.entropy()) == "fails"
    assert verdict("2.29", labels.entropy() - fits.min()) == "fails"


def test_2_30_a_large_ridge_or_the_margin_of_other_supports_point_elsewhere():
    """The example by hand, d = 1, contexts 1 and -1: words (a + b, a - b, -2a), a and b from two equations."""
    labels = SoftLabels.from_counts([[3, 0], [1, 0], [0, 4]])

    def angle(lam, margin, b_star=np.log(3) / 2):
        def words(x):
            return np.array([x[0] + x[1], x[0] - x[1], -2 * x[0]])

        def slope(x):
            w = words(x)
            g = (softmax(np.outer(w, [1, -1])) - labels.P.toarray()) @ [0.5, -0.5] + lam * w
            return [(g[0] + g[1] - 2 * g[2]) / lam, g[0] - g[1]]

        rest = words(root(slope, [np.log(1 / lam) / 3, 0.5]).x) - [b_star, -b_star, 0]
        return rest @ margin / np.linalg.norm(rest) / np.linalg.norm(margin)

    own = np.array([1, 1, -2])
    assert verdict("2.30", angle(1e-8, own)) == "holds"
    assert verdict("2.30", angle(1e-8, np.array([2, -1, -1]))) == "fails"
    assert verdict("2.30", angle(1e-8, own, b_star=-5.0)) == "fails"


@pytest.mark.parametrize("id_", sorted(COVERED - {"2.27"}))
def test_not_a_number_never_holds(id_):
    assert verdict(id_, np.nan) == "fails"

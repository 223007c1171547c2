"""Chapter 3 under attack: degenerate problems, ridges near lambda_max and tiny, saddles, equal singular values."""

import numpy as np
import pytest

from ntputils import SoftLabels, factor, ntp_gradient, ntp_loss, optimality_gap, regularization_path

SIX = [[4, 0, 1, 0, 2, 0], [1, 3, 0, 0, 2, 0], [0, 2, 0, 5, 0, 0], [0, 0, 3, 1, 0, 1], [0, 0, 0, 2, 1, 4]]
COUNTS = {"one context": [[5], [1], [0]], "two tokens": [[1, 0, 2], [0, 3, 1]], "one-hot": np.eye(4),
          "one-hot copies": np.repeat(np.eye(3), 3, axis=1), "all supports equal": [[3, 1, 2], [1, 5, 2], [0, 0, 0]],
          "all full": [[1, 2], [3, 4], [5, 9]], "nested": np.tril(np.ones((5, 4))), "all but one": 1 - np.eye(4),
          "pentagon": np.eye(5) + np.roll(np.eye(5), 1, axis=0),
          "uneven weights": np.array(SIX) * np.array([1, 1e-1, 1e-2, 1e-3, 1e-3, 1])}
families = pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)


def top(labels):
    """The singular values of M_0, from its definition."""
    M = labels.P.toarray() - 1 / labels.V
    return np.linalg.svd(M * labels.pi)


def cost(W, H, lam, labels):
    return ntp_loss(W @ H, labels) + lam / 2 * (np.sum(W**2) + np.sum(H**2))


# --- the price of logits ---

@pytest.mark.parametrize("V, d, m", [(1, 1, 1), (2, 1, 5), (5, 9, 2), (3, 3, 3)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_factors_are_cheaper_than_the_nuclear_norm_and_equality_is_balance(page, V, d, m, seed):
    rng = np.random.default_rng(seed)
    W, H = rng.normal(size=(V, d)) * 10.0**rng.integers(-4, 4, d), rng.normal(size=(d, m))
    norm = page(3).nuclear(W @ H)
    assert (np.sum(W**2) + np.sum(H**2)) / 2 >= norm * (1 - 1e-12)
    assert (np.sum(W**2) + np.sum(H**2)) / 2 > norm * (1 + 1e-9) or np.allclose(W.T @ W, H @ H.T)
    W, H = page(3).balanced(W @ H, max(d, V, m), rng)
    assert (np.sum(W**2) + np.sum(H**2)) / 2 == pytest.approx(norm, rel=1e-9)
    assert np.abs(W.T @ W - H @ H.T).max() <= 1e-9 * norm


@pytest.mark.parametrize("L", [np.zeros((3, 2)), np.ones((4, 1)), np.diag([1e-9, 1.0]), -np.eye(3)],
                         ids=["zero", "one column", "nearly rank one", "a multiple eigenvalue"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gram_matrices_are_roots_of_degenerate_logits_too(L, dtype):
    W, H = factor(L.astype(dtype))
    assert W.dtype == H.dtype == np.float64
    for gram, square in ((W @ W.T, L @ L.T), (H.T @ H, L.T @ L)):
        assert np.abs(gram @ gram - square).max() < 1e-7 and np.linalg.eigvalsh(gram).min() > -1e-12
    with pytest.raises(ValueError, match="L: got shape .0, 2., want a finite matrix"):
        factor(np.zeros((0, 2)))


# --- one problem in two forms ---

@families
@pytest.mark.parametrize("share", [0.99, 0.1, 1e-3])
def test_both_forms_agree_and_prove_each_other(page, counts, share):
    labels, rng = SoftLabels.from_counts(counts), np.random.default_rng(17)
    p, d, lam = page(3), max(1, min(labels.V - 1, labels.m)), share * top(labels)[1][0]
    W, H = p.minimise(labels, lam, *p.start(labels, d, rng))
    L, [point] = p.solve_convex(labels, lam), regularization_path(labels, [lam], tol=1e-11)
    assert cost(W, H, lam, labels) == pytest.approx(p.objective(L, labels, lam), abs=1e-6)
    assert p.gap(W @ H, labels, lam) <= 1e-6 and p.gap(L, labels, lam) <= 1e-6
    assert np.abs(W @ H - L).max() < 1e-2 and np.abs(point.L - L).max() < 1e-2     # the gap's root, over a curvature
    assert np.abs(W.T @ W - H @ H.T).max() < 1e-3 * (1 + np.sum(W**2)) and np.abs(W.sum(axis=0)).max() < 1e-3
    assert np.sum(np.linalg.svd(point.L, compute_uv=False) > 1e-4) <= d
    assert page(3).ratio(point.L, labels, lam) <= 1 + 1e-4


@families
def test_zero_above_lambda_max_and_as_many_directions_below_as_singular_values_are_equal(page, counts):
    """Rank one needs a simple singular value: one-hot contexts enter all at once."""
    labels, rng = SoftLabels.from_counts(counts), np.random.default_rng(18)
    p, (U, s, Vt), d = page(3), top(labels), max(1, min(labels.V - 1, labels.m))
    equal = int(np.sum(s > s[0] * (1 - 1e-9)))
    W, H = p.train(labels, 1.02 * s[0], *p.start(labels, d, rng))
    assert np.abs(W @ H).max() < 1e-6
    second = s[equal] if equal < len(s) else 0
    L = p.solve_convex(labels, s[0] - 0.01 * (s[0] - second), steps=20_000)
    values = np.linalg.svd(L, compute_uv=False)
    assert np.sum(values > 1e-6 * values[0]) == equal
    inside = U[:, :equal] @ U[:, :equal].T @ L @ Vt[:equal].T @ Vt[:equal]
    assert np.linalg.norm(inside) >= 0.999 * np.linalg.norm(L)


def test_without_anything_to_learn_lambda_max_is_zero_and_so_are_the_logits():
    labels = SoftLabels.from_counts(np.ones((3, 2)))
    assert top(labels)[1][0] < 1e-16
    [point] = regularization_path(labels, [1e-6])
    assert not point.L.any() and point.residual == 0


@families
def test_zero_is_a_saddle_of_curvature_lambda_less_lambda_max(page, counts):
    labels = SoftLabels.from_counts(counts)
    sigma = top(labels)[1][0]
    for lam in (0.3 * sigma, 1.5 * sigma):
        W, H = np.zeros((labels.V, 1)), np.zeros((1, labels.m))
        assert page(3).curvatures(labels, lam, W, H)[0] == pytest.approx(lam - sigma, abs=1e-6)


# --- traps ---

@families
@pytest.mark.parametrize("share", [0.1, 1e-3])
def test_a_start_of_rank_one_is_kept_and_the_certificate_sees_where_that_is_too_little(page, counts, share):
    """A trap only where the minimum has a higher rank: with one context or two tokens there is none."""
    labels, p = SoftLabels.from_counts(counts), page(3)
    U, s, Vt = top(labels)
    lam, d = share * s[0], max(1, min(labels.V - 1, labels.m))
    W, H = np.zeros((labels.V, d)), np.zeros((d, labels.m))
    W[:, 0], H[0] = U[:, 0], Vt[0]
    W, H = p.train(labels, lam, W, H)
    [best] = regularization_path(labels, [lam], tol=1e-11)
    needed = int(np.sum(np.linalg.svd(best.L, compute_uv=False) > 1e-4))
    assert np.linalg.matrix_rank(W @ H) == 1
    assert (p.ratio(W @ H, labels, lam) > 1.01) == (needed > 1)
    worse = cost(W, H, lam, labels) - p.objective(best.L, labels, lam)
    assert (worse > 1e-6) == (needed > 1) and worse <= p.gap(W @ H, labels, lam) + 1e-9
    W, H = p.minimise(labels, lam, W, H)
    assert cost(W, H, lam, labels) == pytest.approx(p.objective(best.L, labels, lam), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_saddle_has_the_curvature_of_the_theorem_along_the_pair_that_is_named(page, seed):
    labels, p, lam = SoftLabels.from_counts(SIX), page(3), 5e-3
    W, H = p.train(labels, lam, *p.start(labels, 2, np.random.default_rng(seed)))
    W, H = np.pad(W, ((0, 0), (0, 1))), np.pad(H, ((0, 1), (0, 0)))
    U, s, Vt = np.linalg.svd(ntp_gradient(W @ H, labels))
    assert s[0] > 1.01 * lam
    A, B, t = np.zeros_like(W), np.zeros_like(H), 1e-3
    A[:, 2], B[2] = U[:, 0], -Vt[0]
    bent = (cost(W + t * A, H + t * B, lam, labels) - 2 * cost(W, H, lam, labels)
            + cost(W - t * A, H - t * B, lam, labels)) / t**2
    assert bent / 2 == pytest.approx(lam - s[0], rel=1e-3)


def test_a_certified_value_is_the_least_at_every_d_that_can_have_it_and_below_that_there_is_a_higher_one(page):
    labels, p, rng = SoftLabels.from_counts(SIX), page(3), np.random.default_rng(3)
    lam = 0.35 * top(labels)[1][0]
    [best] = regularization_path(labels, [lam], tol=1e-12)
    rank = int(np.sum(np.linalg.svd(best.L, compute_uv=False) > 1e-4))
    assert 1 < rank < 4
    for d in range(1, 7):
        least = min(cost(*p.train(labels, lam, *p.start(labels, d, rng, size=1)), lam, labels) for _ in range(3))
        assert (least - p.objective(best.L, labels, lam) < 1e-8) == (d >= rank)


@pytest.mark.parametrize("seed", range(4))
def test_any_logits_whatever_are_within_their_certified_gap(page, seed):
    labels, p, rng = SoftLabels.from_counts(SIX), page(3), np.random.default_rng(seed)
    for lam in (0.1, 1e-3):
        [best] = regularization_path(labels, [lam], tol=1e-12)
        for size in (0, 1e-3, 1, 30):
            L = best.L * (size != 0) + size * rng.normal(size=best.L.shape)
            over = p.objective(L, labels, lam) - p.objective(best.L, labels, lam)
            assert -1e-10 <= over <= p.gap(L, labels, lam) + 1e-10
            whole = p.objective(L, labels, lam) - labels.entropy()
            assert over <= optimality_gap(L.astype(np.float64), lam, labels) * whole + 1e-10


# --- other factors ---

@families
def test_other_factors_of_the_same_logits_have_any_angles_and_the_ridge_chooses_one(page, counts):
    labels, p = SoftLabels.from_counts(counts), page(3)
    lam = 1e-2 * top(labels)[1][0]
    [point] = regularization_path(labels, [lam], tol=1e-11)
    W, H = p.minimise(labels, lam, *p.start(labels, max(1, min(labels.V - 1, labels.m)), np.random.default_rng(4)))
    own = (p.root(point.L.T @ point.L), p.root(point.L @ point.L.T))
    scale = 1 + np.abs(point.L).max()
    assert max(np.abs(H.T @ H - own[0]).max(), np.abs(W @ W.T - own[1]).max()) < 1e-2 * scale
    plain = cost(point.L, np.eye(labels.m), lam, labels)
    assert ntp_loss(point.L @ np.eye(labels.m), labels) == ntp_loss(point.L, labels)
    assert plain >= cost(W, H, lam, labels) - 1e-9

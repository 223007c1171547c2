"""Every claim of chapter 3, measured on small inputs by independent code: honest input holds, perturbed input fails."""

import functools

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.optimize import minimize

from ntputils import SoftLabels, claim, ntp_gradient, ntp_loss

COVERED = {f"3.{i}" for i in range(1, 16)}
LABELS = SoftLabels.from_counts([[4, 0, 1, 0, 2, 0], [1, 3, 0, 0, 2, 0], [0, 2, 0, 5, 0, 0], [0, 0, 3, 1, 0, 1],
                                 [0, 0, 0, 2, 1, 4]])
TWO_MINIMA = SoftLabels.from_counts([[3, 2, 0, 0, 4, 1], [0, 5, 1, 2, 1, 0], [0, 0, 0, 0, 2, 0], [0, 3, 2, 0, 5, 4],
                                     [1, 0, 0, 1, 5, 0]])
V, M = 5, 6
P_V = np.eye(V) - 1 / V
M_0 = P_V @ (LABELS.P.toarray() * LABELS.pi)
U_0, SIGMA, V_0 = np.linalg.svd(M_0)


def rng():
    return np.random.default_rng(3)


def verdict(id_, measured):
    return claim(id_, measured).verdict


def nuclear(L):
    """The nuclear norm, as the trace of a square root."""
    return np.trace(sqrtm(L.T @ L).real)


def slope(x, lam, d, labels=LABELS):
    """The gradient of the regularised loss in all weights."""
    W, H = x[:V * d].reshape(V, d), x[V * d:].reshape(d, M)
    G = ntp_gradient(W @ H, labels)
    return np.concatenate([(G @ H.T).ravel(), (W.T @ G).ravel()]) + lam * x


def value(x, lam, d, labels=LABELS):
    """The regularised loss."""
    return ntp_loss(x[:V * d].reshape(V, d) @ x[V * d:].reshape(d, M), labels) + lam / 2 * x @ x


def end(lam, d, x=None, labels=LABELS, gtol=1e-9):
    """Where BFGS ends: W, H."""
    x = rng().normal(size=(V + M) * d) if x is None else x
    x = minimize(value, x, (lam, d, labels), jac=slope, method="BFGS", options={"gtol": gtol, "maxiter": 5000}).x
    return x[:V * d].reshape(V, d), x[V * d:].reshape(d, M)


@functools.cache
def convex(lam, steps=20_000):
    """The convex minimum: plain proximal gradient steps on L."""
    L = np.zeros((V, M))
    for _ in range(steps):
        U, s, Vt = np.linalg.svd(L - 2 / LABELS.pi.max() * ntp_gradient(L, LABELS), full_matrices=False)
        L, old = (U * np.maximum(s - 2 / LABELS.pi.max() * lam, 0)) @ Vt, L
        if np.abs(L - old).max() < 1e-12:
            break
    return L


def total(L, lam):
    return ntp_loss(L, LABELS) + lam * np.linalg.norm(L, "nuc")


def ridge(W, H):
    return (np.sum(W**2) + np.sum(H**2)) / 2


def test_3_1_a_larger_norm_than_the_nuclear_one_is_no_bound():
    W, H = rng().normal(size=(2, 3, 6))
    L = W @ H.T
    U, s, Vt = np.linalg.svd(L)
    costs = [ridge(W, H), ridge(U * np.sqrt(s), np.sqrt(s)[:, None] * Vt)]
    assert verdict("3.1", min(costs) / nuclear(L)) == "holds"
    assert verdict("3.1", min(costs) / (nuclear(L) * 1.001)) == "fails"
    assert verdict("3.1", (ridge(W, H) / 2) / ridge(W, H)) == "fails"


@pytest.mark.parametrize(("power", "orthonormal", "expected"), [(0.5, True, "holds"), (0.4, True, "fails"),
                                                              (0.5, False, "fails")])
def test_3_2_other_powers_and_skew_frames_are_noticed(power, orthonormal, expected):
    L, R = rng().normal(size=(5, 3)) @ rng().normal(size=(3, 4)), rng().normal(size=(6, 3))
    R = np.linalg.qr(R)[0] if orthonormal else R
    U, s, Vt = (A[..., :3] if i < 2 else A[:3] for i, A in enumerate(np.linalg.svd(L)))
    W, H = (U * s**power) @ R.T, R @ (s[:, None] ** (1 - power) * Vt)
    errors = [np.abs(W @ W.T - sqrtm(L @ L.T + 1e-16 * np.eye(5)).real).max(), abs(ridge(W, H) - s.sum()),
              np.abs(H.T @ H - sqrtm(L.T @ L + 1e-16 * np.eye(4)).real).max(), np.abs(W @ H - L).max()]
    assert verdict("3.2", max(errors)) == expected


@pytest.mark.parametrize("d", [1, 2, 4])
def test_3_3_points_that_are_not_stationary_are_neither_balanced_nor_centred(d):
    def imbalance(W, H):
        return max(np.abs(W.T @ W - H @ H.T).max(), np.abs(W.sum(axis=0)).max())

    W, H = end(0.02, d)
    assert verdict("3.3", imbalance(W, H)) == "holds"
    assert verdict("3.3", imbalance(1.01 * W, H / 1.01)) == "fails"
    assert verdict("3.3", imbalance(W + 0.01, H)) == "fails"


def test_3_4_and_3_5_another_penalty_or_too_few_dimensions_are_noticed():
    lam = 0.02
    for d, factor_lam, expected in ((4, lam, "holds"), (2, lam, "fails"), (4, 2 * lam, "fails")):
        W, H = end(factor_lam, d)
        found = ntp_loss(W @ H, LABELS) + factor_lam * ridge(W, H)
        assert verdict("3.4", abs(found - total(convex(lam), lam))) == expected
        assert verdict("3.5", np.abs(W @ H - convex(lam)).max()) == expected


def test_3_6_below_lambda_max_something_is_left():
    for share, expected in ((1.02, "holds"), (0.98, "fails")):
        assert verdict("3.6", np.abs(np.matmul(*end(share * SIGMA[0], 4))).max()) == expected


def test_3_7_and_3_8_far_below_lambda_max_the_first_pair_is_not_all():
    for way, expected in ((0.01, "holds"), (2.0, "fails")):
        L = np.matmul(*end(SIGMA[0] - way * (SIGMA[0] - SIGMA[1]), 4))
        s = np.linalg.svd(L, compute_uv=False)
        assert verdict("3.7", s[1] / s[0]) == expected
        assert verdict("3.8", U_0[:, 0] @ L @ V_0[0] / np.linalg.norm(L)) == expected
    assert verdict("3.8", U_0[:, 1] @ L @ V_0[1] / np.linalg.norm(L)) == "fails"


def lowest_curvature(x, lam, d, labels=LABELS):
    """The smallest eigenvalue of the second derivatives."""
    D = np.array([slope(x + e, lam, d, labels) - slope(x - e, lam, d, labels) for e in 1e-4 * np.eye(len(x))])
    return np.linalg.eigvalsh(D + D.T)[0] / 4e-4


def test_3_9_the_curvature_is_that_of_the_first_singular_value():
    lowest = lowest_curvature(np.zeros((V + M) * 2), 0.05, 2)
    assert verdict("3.9", abs(lowest - (0.05 - SIGMA[0]))) == "holds"
    assert verdict("3.9", abs(lowest - (0.05 - SIGMA[1]))) == "fails"
    assert verdict("3.9", abs(lowest + SIGMA[0])) == "fails"


def padded(d=4):
    """One dimension used, the others zero."""
    W, H = np.zeros((V, d)), np.zeros((d, M))
    W[:, 0], H[0] = U_0[:, 0], V_0[0]
    return np.concatenate([W.ravel(), H.ravel()])


def certificate(W, H, lam, d=4):
    """The ratio of the claim, 0 where the point is not stationary."""
    still = np.abs(slope(np.concatenate([W.ravel(), H.ravel()]), lam, d)).max() < 1e-6
    return np.linalg.norm(ntp_gradient(W @ H, LABELS), 2) / lam if still else 0


def test_3_10_minima_and_points_on_the_way_do_not_count_as_traps():
    lam = 0.02
    trapped = end(lam, 4, padded(), gtol=1e-8)
    assert np.abs(trapped[0][:, 1:]).max() == 0
    assert verdict("3.10", certificate(*trapped, lam)) == "holds"
    assert verdict("3.10", certificate(*end(lam, 4), lam)) == "fails"
    assert verdict("3.10", certificate(*end(lam, 4, padded() * 0.5, gtol=1), lam)) == "fails"


def gap(L, lam):
    """A bound on the distance to the minimum, from the gradient in the logits."""
    G = ntp_gradient(L, LABELS)
    excess = total(L, lam) - LABELS.entropy()
    return lam * np.linalg.norm(L, "nuc") + np.sum(G * L) + excess * max(0, np.linalg.norm(G, 2) / lam - 1)


def test_3_11_a_point_that_was_not_pushed_has_a_gap_and_the_gap_is_a_bound():
    lam = 0.02
    assert verdict("3.11", gap(np.matmul(*end(lam, 4)), lam)) == "holds"
    assert verdict("3.11", gap(np.matmul(*end(lam, 4, padded(), gtol=1e-8)), lam)) == "fails"
    for size in (0.01, 1, 10):
        L = convex(lam) + size * rng().normal(size=(V, M))
        assert gap(L, lam) >= total(L, lam) - total(convex(lam), lam) - 1e-9


def test_3_12_a_start_that_does_not_get_there_is_noticed():
    lam, ends = 0.02, []
    for seed in range(4):
        ends.append(end(lam, 4, np.random.default_rng(seed).normal(size=(V + M) * 4)))
    best = total(convex(lam), lam)
    far = [ntp_loss(W @ H, LABELS) + lam * ridge(W, H) - best for W, H in ends]
    trapped = np.matmul(*end(lam, 4, padded(), gtol=1e-8))
    assert verdict("3.12", max(far)) == "holds"
    assert verdict("3.12", max(*far, total(trapped, lam) - best)) == "fails"


def test_3_13_is_open_whatever_is_measured():
    assert verdict("3.13", 1.0) == verdict("3.13", 0.1) == "open"


def test_3_14_right_angles_are_not_balanced():
    W, H = end(0.002, 4)
    for vectors, expected in ((H, "holds"), (np.eye(M), "fails")):
        units = vectors / np.linalg.norm(vectors, axis=0)
        assert verdict("3.14", (units.T @ units - 2 * np.eye(M)).max()) == expected


def test_3_15_starts_that_agree_and_saddles_do_not_count():
    def spread(labels, extra=()):
        xs = [np.random.default_rng(seed).normal(size=V + M) for seed in range(8)]
        xs = [np.concatenate([A.ravel() for A in end(0.02, 1, x, labels)]) for x in xs] + list(extra)
        values = [value(x, 0.02, 1, labels) for x in xs]
        return np.ptp(values) if lowest_curvature(xs[np.argmax(values)], 0.02, 1, labels) > 1e-4 else 0

    assert verdict("3.15", spread(TWO_MINIMA)) == "holds"
    assert verdict("3.15", spread(LABELS)) == "fails"
    assert verdict("3.15", spread(TWO_MINIMA, [np.zeros(V + M)])) == "fails"


@pytest.mark.parametrize("id_", sorted(COVERED - {"3.13"}))
def test_not_a_number_never_holds(id_):
    assert verdict(id_, np.nan) == "fails"

"""Every claim of chapter 9, on small inputs, by independent code: honest input holds, perturbed fails."""

import itertools

import numpy as np
import pytest
import scipy.linalg
from scipy.optimize import brentq, minimize

from ntputils import SoftLabels, claim, is_unique, optimal_face, optimality_gap, regularization_path

COVERED = {f"9.{i}" for i in range(1, 18)}
PHI = (1 + np.sqrt(5)) / 2


def windows(V, k):
    return np.array([[(z - j) % V < k for j in range(V)] for z in range(V)])


FIVE, NINE = windows(5, 2), windows(9, 4)
OPPOSITE = np.roll(np.eye(5), 3, axis=0)
CERTIFICATE = (2 * FIVE - 1 + OPPOSITE) / np.sqrt(5)
ENDS = {5: (3, [1, PHI]), 9: (6, [1, 2 * np.cos(2 * np.pi / 9)])}


def verdict(id_, measured):
    return claim(id_, measured).verdict


def nuclear(L):
    return scipy.linalg.svdvals(L).sum()


def point(tau):
    A = FIVE - tau * OPPOSITE
    return A - A.mean(axis=0)


def certify(L, Lam, S):
    """Largest violation of either point, or the relative gap, pair by pair."""
    worst = max(0.0, scipy.linalg.svdvals(Lam)[0] - 1, np.abs(Lam.sum(axis=0)).max())
    for j, on in enumerate(S.T):
        for z in np.flatnonzero(on):
            for v in range(len(on)):
                worst = max(worst, abs(L[z, j] - L[v, j]) if on[v] else max(1 - L[z, j] + L[v, j], Lam[v, j]))
    return max(worst, abs(nuclear(L) - Lam[S].sum()) / nuclear(L))


def test_9_1_points_beyond_the_segment_or_another_certificate_prove_nothing():
    taus = np.linspace(0, 1 / PHI, 7)
    assert verdict("9.1", max(certify(point(t), CERTIFICATE, FIVE) for t in taus)) == "holds"
    assert verdict("9.1", certify(point(-1e-3), CERTIFICATE, FIVE)) == "fails"
    assert verdict("9.1", certify(point(0.62), CERTIFICATE, FIVE)) == "fails"
    assert verdict("9.1", certify(point(0.3), CERTIFICATE + 1e-6 * OPPOSITE, FIVE)) == "fails"


def end_error(S, middle, expected):
    face = optimal_face(S)
    if face.dimension != 1:
        return 1
    return np.abs(np.sort(face.ends[:, 0, 0] - face.ends[:, middle, 0]) - expected).max()


@pytest.mark.parametrize(("id_", "S"), [("9.2", FIVE), ("9.3", NINE)])
def test_9_2_and_9_3_a_point_or_another_segment_is_noticed(id_, S):
    middle, expected = ENDS[len(S)]
    assert verdict(id_, end_error(S, middle, expected)) == "holds"
    assert verdict(id_, end_error(S, middle - 1, expected)) == "fails"
    uneven = np.hstack([S, S[:, :1]])
    assert verdict(id_, end_error(uneven, middle, expected)) == "fails"


def test_9_4_norms_off_the_face_spread():
    face = optimal_face(NINE)

    def spread(first, second):
        values = [nuclear((1 - t) * first + t * second) for t in np.linspace(0, 1, 9)]
        return np.ptp(values) / values[0]

    assert verdict("9.4", spread(*face.ends)) == "holds"
    assert verdict("9.4", spread(face.ends[0], 1.001 * face.ends[1])) == "fails"
    assert verdict("9.4", spread(face.ends[0], 2 * face.ends[1] - face.ends[0])) == "fails"


def test_9_5_a_solver_that_stops_early_is_off_the_segment():
    rng, worst = np.random.default_rng(9), {}
    for steps in (3, 400):
        distances = []
        for _ in range(4):
            Z = 2 * rng.normal(size=FIVE.shape)
            for _ in range(steps):
                X = np.empty_like(Z)
                for j, on in enumerate(FIVE.T):  # the projection, by trying how many entries must come down
                    b = np.sort(Z[~on, j] + 1)[::-1]
                    values = [(Z[on, j].sum() + b[:i].sum()) / (2 + i) for i in range(4)]
                    s = values[next(i for i in range(4) if i == 3 or b[i] <= values[i])]
                    X[:, j] = np.where(on, s, np.minimum(Z[:, j], s - 1))
                U, sigma, Vt = np.linalg.svd(2 * X - Z)
                Z = Z + 1.6 * ((U * np.maximum(sigma - 1, 0)) @ Vt - X)
            tau = np.clip(np.sum((point(0) - X) * OPPOSITE) / 4, 0, 1 / PHI)
            distances.append(np.abs(X - point(tau)).max())
        worst[steps] = max(distances)
    assert verdict("9.5", worst[400]) == "holds" and verdict("9.5", worst[3]) == "fails"


def sets(V, supports):
    return np.array([[z in support for support in supports] for z in range(V)])


def test_9_6_a_family_with_a_segment_is_not_certified():
    trees = [sets(6, [{0, 1, 2, 3}, {0, 1}, {0}, {4, 5}]), np.repeat(np.eye(5, dtype=bool), [1, 2, 3, 4, 5], axis=1),
             np.triu(np.ones((5, 4), dtype=bool))]
    for family, expected in ((trees, "holds"), ([*trees, FIVE], "fails")):
        assert verdict("9.6", sum(is_unique(S).unique is not True for S in family)) == expected


def test_9_7_a_solver_that_is_stopped_certifies_less():
    supports = [set(c) for k in (1, 2) for c in itertools.combinations(range(3), k)]
    families = [sets(3, c) for size in (1, 2, 3) for c in itertools.combinations(supports, size)]
    assert verdict("9.7", sum(is_unique(S).unique is not True for S in families)) == "holds"
    assert verdict("9.7", sum(is_unique(S).unique is not True for S in [*families, FIVE])) == "fails"


def test_9_8_one_case_with_two_solutions_refutes_it():
    families = [sets(4, [{0}, {0, 1}, {0, 2}]), sets(4, [{0, 1}, {1, 2}, {2, 3}, {3, 0}]), sets(4, [{0, 1}, {1, 2}])]
    assert verdict("9.8", sum(is_unique(S).unique is False for S in families)) == "holds"
    assert verdict("9.8", sum(is_unique(S).unique is False for S in [*families, FIVE])) == "fails"


def test_9_9_a_share_of_symmetric_problems_is_noticed():
    rng = np.random.default_rng(99)
    problems = []
    for _ in range(20):
        S = rng.random((6, 6)) < 0.4
        S[rng.integers(0, 6, 6), np.arange(6)] = True
        problems.append(S)
    for family, expected in ((problems, "holds"), ([*problems, FIVE, NINE], "fails")):
        assert verdict("9.9", np.mean([is_unique(S).unique is False for S in family])) == expected


def test_9_10_a_text_that_goes_in_circles_has_a_second_solution():
    words = "a b c d e".split()
    circle = " ".join(f"x {words[j]} {words[(j + i) % 5]} ." for j in range(5) for i in (0, 1))
    labels = SoftLabels.from_text(circle, context_length=2)
    on = [j for j in range(labels.m) if labels.context(j).startswith("x ")]
    S = labels.restrict(np.array(on)).S.toarray()
    S = S[S.any(axis=1)]
    assert S.shape == (5, 5)
    plain = SoftLabels.from_text("the cat sat . the cat ran . the dog sat . a dog ran far", context_length=2).S
    assert verdict("9.10", sum(is_unique(A).unique is False for A in [plain])) == "holds"
    assert verdict("9.10", sum(is_unique(A).unique is False for A in [plain, S])) == "fails"


def labels_of(V, p):
    first = np.zeros(V)
    first[:len(p)] = p
    return SoftLabels.from_counts(np.stack([np.roll(first, j) for j in range(V)], axis=1))


def formula(lam, stretch=1.0):
    def excess(a):
        logits = a * np.cos(2 * np.pi / 5 * np.array([0.5, 0.5, 1.5, 1.5, 2.5]))
        q = np.exp(logits - logits.max())
        q = q / q.sum()
        return np.sqrt(5) * q[2] + (PHI / 2 + 1) * q[4] - 5 * lam

    a = stretch * brentq(excess, 0, 60, xtol=1e-14)
    return a * np.cos((np.arange(5)[:, None] - np.arange(5) - 0.5) * 2 * np.pi / 5)


def test_9_11_another_scale_or_other_probabilities_leave_a_gap():
    for stretch, p, expected in ((1, [5, 5], "holds"), (1.001, [5, 5], "fails"), (1, [6, 4], "fails")):
        gaps = [optimality_gap(formula(lam, stretch), lam, labels_of(5, p)) for lam in (0.1, 1e-4)]
        assert verdict("9.11", max(gaps)) == expected


def test_9_12_mirrored_probabilities_do_not_make_a_difference():
    def margin(p, lam=1e-8):
        [found] = regularization_path(labels_of(5, p), [lam], tol=1e-9)
        column = found.L[:, 0]
        column = column[:2].mean() - column[2:]
        return 2 * column[1] / (column[0] + column[2])

    even = margin([5, 5])
    assert even == pytest.approx(PHI, abs=1e-3)
    assert verdict("9.12", even - margin([6, 4])) == "holds"
    assert verdict("9.12", margin([4, 6]) - margin([6, 4])) == "fails"


def far_margin(V, p, R):
    """The middle margin over the mean of the outer two, by a quasi-Newton method on the real Fourier sums."""
    k, shift = len(p), (len(p) - 1) / 2
    t = np.arange(V) - shift
    waves = [(np.cos(2 * np.pi * f * t / V), np.sin(2 * np.pi * f * t / V)) for f in range(1, (V + 1) // 2)]
    logs = np.log(p)

    def value(x):
        y = R + x
        column = np.append(logs, -y)
        total, gradient = np.exp(-x).sum(), -np.exp(-x)
        for c, s in waves:
            a, b = c @ column, s @ column
            total += 2 * np.hypot(a, b)
            gradient = gradient - 2 * (a * c[k:] + b * s[k:]) / np.hypot(a, b)
        return total - 2 * R, gradient

    start = np.zeros(V - k)
    start[(V - k) // 2] = 5.0
    x = minimize(value, start, jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 2000}).x
    gaps = logs.mean() + R + x
    return gaps[(V - k) // 2] * 2 / (gaps[0] + gaps[-1])


def test_9_13_nearly_equal_probabilities_or_a_larger_ridge_are_far_from_the_limit():
    R = 1024 * np.log(10)
    assert verdict("9.13", far_margin(5, [0.6, 0.4], R)) == "holds"
    assert verdict("9.13", far_margin(5, [0.6, 0.4], np.log(1e8))) == "fails"
    assert verdict("9.13", PHI) == "fails"  # what equal probabilities select


def left_over(A, B, R, factor=1.0):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    M, total = U.T @ B @ Vt.T, 0.0
    for i, j in itertools.product(range(len(s)), repeat=2):
        total += (M[i, j] - M[j, i]) ** 2 / (s[i] + s[j]) / 4
    rest = U.T @ B - M @ Vt
    total += sum(rest[i] @ rest[i] / s[i] for i in range(len(s))) / 2
    return abs(nuclear(R * A + B) - R * s.sum() - np.trace(M) - factor * total / R)


def test_9_14_another_coefficient_leaves_an_error_of_first_order():
    rng, Rs = np.random.default_rng(14), np.geomspace(1e2, 3e3, 6)
    for factor, expected in ((1, "holds"), (0.5, "fails"), (2, "fails")):
        slopes = []
        for _ in range(7):
            A, B = rng.normal(size=(2, 3, 5))
            A = A + 3 * np.eye(3, 5)
            errors = [left_over(A, B, R, factor) for R in Rs]
            slopes.append(np.polyfit(np.log(Rs), np.log(errors), 1)[0])
        assert verdict("9.14", np.median(slopes)) == expected


def predicted(p):
    """The minimum of E on a grid, from sums over the circle."""
    t = np.arange(4) - 1.5
    f = np.arange(1, 5)[:, None]
    y = np.sin(2 * np.pi * f * t / 9) @ (np.log(p) - np.log(p).mean())
    x = np.abs(np.cos(2 * np.pi * f * t / 9).sum(axis=1))
    taus = np.linspace(0, 0.532, 200_001)
    return 1 + taus[np.argmin(sum(y[i]**2 / (x[i] + d * taus) for i, d in enumerate((1, -1, -1, 1))))]


def test_9_15_and_9_16_other_probabilities_are_predicted_elsewhere():
    p, R = [0.4, 0.1, 0.3, 0.2], 256 * np.log(10)
    far = {n: far_margin(9, p, n * R) for n in (1, 2)}
    assert verdict("9.15", abs(far[1] - predicted(p))) == "holds"
    assert verdict("9.15", abs(far[1] - predicted([0.4, 0.1, 0.2, 0.3]))) == "fails"
    assert verdict("9.15", abs(far_margin(9, p, np.log(1e8)) - predicted(p))) == "fails"
    assert verdict("9.16", (far[1] - predicted(p)) / (far[2] - predicted(p))) == "holds"
    assert verdict("9.16", (far[1] - predicted(p) - 1e-3) / (far[2] - predicted(p) - 1e-3)) == "fails"


def bound(Lam, held, p, S):
    """What prop-diameter allows, its map on symmetric matrices built entry by entry."""
    g, s, Vt = p - Lam[S].sum(), *np.linalg.svd(Lam)[1:]
    V1, r = Vt[:len(s)][s > 0.99].T, max(s[s <= 0.99], default=0)
    images = []
    for a in range(V1.shape[1]):
        for b in range(a + 1):
            B = np.zeros((V1.shape[1],) * 2)
            B[a, b] = B[b, a] = 1 if a == b else np.sqrt(0.5)
            D = Lam @ V1 @ B @ V1.T
            images.append(np.concatenate([D[on, j] - D[on, j].mean() for j, on in enumerate(held.T)]))
    theta = np.linalg.eigvalsh(np.array(images) @ np.array(images).T)[0]
    if theta < 1e-12:
        return np.inf
    rho = np.sqrt(2 * g * p) + np.sqrt(4 * g * p / (1 - r**2)) + 2 * g / (1 - r**2)
    return (2 * rho + 2 * g / 0.01) / np.sqrt(theta) + 2 * rho


def test_9_17_margins_that_are_not_tight_must_not_be_held():
    apart, p = np.linalg.norm(point(1 / PHI) - point(0)), 2 * np.sqrt(5) + 1e-9
    assert verdict("9.17", apart / bound(CERTIFICATE, FIVE | (CERTIFICATE < -0.01), p, FIVE)) == "holds"
    assert verdict("9.17", apart / bound(CERTIFICATE, FIVE | True, p, FIVE)) == "fails"


@pytest.mark.parametrize("id_", sorted(COVERED))
def test_no_number_is_no_success(id_):
    assert verdict(id_, float("nan")) == "fails"

"""Every claim of chapter 5, on small inputs, by independent code: honest input holds, perturbed fails.

Honest logits come from sources that share nothing with `ntputils.path`: one context, solved by bisection on the
angle of the chapter's hand example; and closed forms. Where more than one context is needed the certified path serves.
"""

import numpy as np
import pytest
from scipy.optimize import brentq

from ntputils import SoftLabels, all_subsets, claim, regularization_path, solve_ntp_svm

COVERED = {f"5.{i}" for i in range(1, 16)}
ONE = SoftLabels.from_counts([[3], [1], [0]])
NU = np.sqrt(2 / 3)
L_MM = np.array([1, 1, -2]) / 3
SIX = SoftLabels.from_counts([[4, 0, 1, 0, 2, 0], [1, 3, 0, 0, 2, 0], [0, 2, 0, 5, 0, 0], [0, 0, 3, 1, 0, 1],
                              [0, 0, 0, 2, 1, 4]])
DECADES = np.geomspace(1e-2, 1e-10, 9)


def verdict(id_, measured):
    return claim(id_, measured).verdict


def one_context(lam):
    """The minimiser for ONE: a direction (a unit vector) determines q = p - lam u, and log q its angle."""
    p, e1, e2 = np.array([3, 1, 0]) / 4, np.array([1, -1, 0]) / np.sqrt(2), np.array([1, 1, -2]) / np.sqrt(6)

    def turned(theta):
        u = np.sin(theta) * e1 + np.cos(theta) * e2
        log_q = np.log(p - lam * u)
        return np.sin(theta) * (log_q @ e2) - np.cos(theta) * (log_q @ e1), log_q - log_q.mean()

    return turned(brentq(lambda theta: turned(theta)[0], 1e-6, np.pi / 2 - 0.05, xtol=1e-15))[1]


HAND = np.array([one_context(lam) for lam in DECADES])


def soft(x):
    e = np.exp(x - x.max(axis=0))
    return e / e.sum(axis=0)


def cosine(a, b):
    return np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b))


def within(A, S):
    """Each column less its mean over the support, zero off it."""
    return np.where(S, A - np.where(S, A, 0).sum(axis=0) / S.sum(axis=0), 0)


@pytest.fixture(scope="module")
def six():
    """Logits of SIX at 1e-2 and 1e-10, and the solution of NTP-SVM."""
    path = regularization_path(SIX, [1e-2, 1e-6, 1e-10], tol=1e-11)
    return [point.L for point in path], solve_ntp_svm(SIX.S, tol=1e-8)


def test_the_hand_example_is_the_minimiser():
    for lam, x in zip(DECADES, HAND, strict=True):
        gradient = np.array([3, 1, 0]) / 4 - soft(x)
        assert np.abs(gradient - lam * x / np.linalg.norm(x)).max() < 1e-6 * lam + 1e-15


def test_5_1_half_a_ridge_or_a_proxy_s_slack_overdraws_the_budget():
    share = max(soft(x)[2] / (lam * NU) for lam, x in zip(DECADES, HAND, strict=True))
    assert verdict("5.1", share) == "holds" and share > 0.99
    assert verdict("5.1", max(soft(x)[2] / (lam / 2 * NU) for lam, x in zip(DECADES, HAND, strict=True))) == "fails"
    early = [soft(0.9 * x)[2] / (lam * NU) for lam, x in zip(DECADES, HAND, strict=True)]
    assert verdict("5.1", max(early)) == "fails"


def test_5_2_logits_off_the_path_are_no_dual_points():
    def violation(x, lam):
        g = (np.array([3, 1, 0]) / 4 - soft(x)) / lam
        norm = np.linalg.norm(x)
        return max(np.linalg.norm(g) - 1, abs(g.sum()), abs(g @ x / norm - 1)) if g[2] < 0 else np.inf

    moderate = [(x, lam) for x, lam in zip(HAND, DECADES, strict=True) if lam >= 1e-8]
    assert verdict("5.2", max(violation(x, lam) for x, lam in moderate)) == "holds"
    assert verdict("5.2", max(violation(1.001 * x, lam) for x, lam in moderate)) == "fails"
    assert verdict("5.2", max(violation(x, 0.99 * lam) for x, lam in moderate)) == "fails"
    assert verdict("5.2", np.inf) == "fails"


def test_5_15_shorter_logits_or_a_larger_ridge_have_smaller_margins():
    def excess(factor, ridge):
        return min(factor * (x[1] - x[2]) - np.log(0.25 / (ridge * lam) - 1)
                   for x, lam in zip(HAND, DECADES, strict=True))

    assert verdict("5.15", excess(1, 1)) == "holds"
    assert verdict("5.15", excess(0.98, 1)) == "fails"
    assert verdict("5.15", excess(1, 0.8)) == "fails"  # the margins of 1e-2, 1e-3, ... held against smaller ridges


def slope(x, y):
    return np.polyfit(np.log(x), np.log(y), 1)[0]


def test_5_3_the_slope_of_a_root_or_of_a_square_is_noticed():
    lams = np.geomspace(1e-3, 1e-9, 7)
    assert verdict("5.3", slope(lams, 3 * lams)) == "holds"
    for power in (0.5, 0.9, 2):
        assert verdict("5.3", slope(lams, lams**power)) == "fails"
    lams = np.geomspace(2e-2, 1e-9, 23)
    hand = [one_context(lam) for lam in lams]
    hand = [abs((x[0] - x[1]) / 2 - np.log(3) / 2) for x in hand]
    assert verdict("5.3", slope(lams, hand)) == "fails"  # as the chapter reports
    assert verdict("5.3", slope(lams[6:], hand[6:])) == "holds"  # past the change of sign


def late_decay(values):
    return slope(np.linalg.norm(HAND[3:], axis=1), values[3:])


def test_5_4_a_remainder_of_first_order_is_noticed():
    lacking = np.array([1 - soft(x)[2] / (lam * NU) for lam, x in zip(DECADES, HAND, strict=True)])
    assert verdict("5.4", late_decay(lacking)) == "holds"
    assert verdict("5.4", late_decay(np.sqrt(lacking))) == "fails"
    assert verdict("5.4", late_decay(np.full(len(lacking), lacking[0]))) == "fails"


def test_5_5_a_cosine_without_the_finite_part_breaks_the_law():
    def smallest(logits, compared):
        ratios = []
        for x, y in zip(logits, compared, strict=True):
            share = np.abs(x[0] - x[1]) / np.sqrt(2) / np.linalg.norm(x)
            ratios.append((1 - cosine(y, L_MM)) / (share**2 / 2))
        return min(ratios)

    assert verdict("5.5", smallest(HAND, HAND)) == "holds"
    nearer = [x - 0.5 * (x[0] - x[1]) / 2 * np.array([1, -1, 0]) for x in HAND]
    assert verdict("5.5", smallest(HAND, nearer)) == "fails"


def test_5_6_logits_on_the_solution_or_far_down_the_path_would_fail():
    assert verdict("5.6", cosine(one_context(1e-5), L_MM)) == "holds"
    assert verdict("5.6", cosine(L_MM, L_MM)) == "fails"
    assert verdict("5.6", cosine(one_context(1e-10), L_MM)) == "fails"


def test_5_7_a_direction_of_another_order_is_noticed():
    away = np.array([1 - cosine(x, L_MM) for x in HAND])
    assert verdict("5.7", late_decay(away)) == "holds"
    assert verdict("5.7", late_decay(away**0.75)) == "fails"  # what the King James Version does
    assert verdict("5.7", late_decay(away**1.5)) == "fails"


def test_5_8_logits_that_tend_to_the_proxy_are_noticed(six):
    logits, solution = six
    S = SIX.S.toarray()
    proxy = S - S.mean(axis=0)
    rest = logits[-1] - within(logits[-1], S)
    assert verdict("5.8", cosine(rest, solution.L) - cosine(rest, proxy)) == "holds"
    assert verdict("5.8", cosine(proxy, solution.L) - cosine(proxy, proxy)) == "fails"


def test_5_9_pmi_alone_is_not_the_finite_part():
    S, P = SIX.S.toarray(), SIX.P.toarray()
    joint = P * SIX.pi
    unigram = joint.sum(axis=1, keepdims=True)
    log_p = within(np.log(np.where(S, P, 1)), S)
    pmi = np.log(np.where(S, joint / (unigram * joint.sum(axis=0)), 1))
    assert verdict("5.9", np.abs(within(pmi + np.log(unigram), S) - log_p).max()) == "holds"
    assert verdict("5.9", np.abs(within(pmi, S) - log_p).max()) == "fails"


def test_5_10_trained_logits_are_not_orthogonal_to_the_finite_part(six):
    logits, solution = six
    S = SIX.S.toarray()
    L_in = within(np.log(np.where(S, SIX.P.toarray(), 1)), S)
    assert verdict("5.10", abs(cosine(L_in, solution.L))) == "holds"
    assert verdict("5.10", abs(cosine(L_in, S - S.mean(axis=0)))) == "holds"
    assert verdict("5.10", abs(cosine(L_in, logits[-1]))) == "fails"


def test_5_11_smaller_margins_or_other_proportions_break_the_bound(six):
    S, P, A = SIX.S.toarray(), SIX.P.toarray(), six[1].L
    L_in = within(np.log(np.where(S, P, 1)), S)
    bound = (~S).sum(axis=0) / np.where(S, np.exp(L_in), 0).sum(axis=0)

    def worst(finite, direction):
        return max((np.abs(soft(finite + g * direction) - P).sum(axis=0) / 2 / (bound * np.exp(-g))).max()
                   for g in range(15))

    assert verdict("5.11", worst(L_in, A)) == "holds"
    assert verdict("5.11", worst(L_in, 0.9 * A)) == "fails"
    assert verdict("5.11", worst(0.9 * L_in, A)) == "fails"
    assert verdict("5.11", worst(0 * L_in, A)) == "fails"


def test_5_12_an_early_stop_or_a_finite_part_is_noticed(six):
    S, P, A = SIX.S.toarray(), SIX.P.toarray(), six[1].L
    uniform = SIX.pi @ np.log(S.sum(axis=0))

    def miss(logits):
        top = logits.max(axis=0)
        loss = SIX.pi @ (np.log(np.exp(logits - top).sum(axis=0)) + top - (P * logits).sum(axis=0))
        return abs(loss - uniform)

    assert verdict("5.12", miss(40 * A)) == "holds"
    assert verdict("5.12", miss(20 * A)) == "fails"
    assert verdict("5.12", miss(40 * A + within(np.log(np.where(S, P, 1)), S))) == "fails"


def test_5_13_uneven_probabilities_leave_the_closed_form():
    S = all_subsets(4, 2)
    S_bar, sigma, V, k, m = S - S.mean(axis=0), np.sqrt(2), 4, 2, 6

    def error(counts):
        points = regularization_path(SoftLabels.from_counts(counts), [0.05, 1e-4, 1e-9], tol=1e-14)
        return max(np.abs(p.L - S_bar * np.log((V * sigma - (V - k) * k * m * p.lam) / (k**2 * m * p.lam))).max()
                   for p in points)

    assert verdict("5.13", error(S.astype(int))) == "holds"
    uneven = S.astype(int)
    uneven[0, 0] = 2
    assert verdict("5.13", error(uneven)) == "fails"


def test_5_14_other_supports_lead_elsewhere(six):
    S = SIX.S.toarray()
    rng = np.random.default_rng(5)

    def rise(counts):
        paths = [[point.L - within(point.L, np.asarray(labels.S.toarray()))
                  for point in regularization_path(labels, [1e-2, 1e-10], tol=1e-9)]
                 for labels in (SIX, SoftLabels.from_counts(counts))]
        first, last = (cosine(*pair) for pair in zip(*paths, strict=True))
        return last - first

    assert verdict("5.14", rise(S * rng.integers(1, 100, size=S.shape))) == "holds"
    elsewhere = np.roll(S, 3, axis=0)
    assert verdict("5.14", rise(elsewhere * rng.integers(1, 100, size=S.shape))) == "fails"


@pytest.mark.parametrize("id_", sorted(COVERED))
def test_not_a_number_never_holds(id_):
    assert verdict(id_, np.nan) == "fails"

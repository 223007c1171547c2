"""Every claim of chapter 10, on small inputs, by independent code: honest input holds, perturbed fails."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from ntputils import (SoftLabels, all_subsets, claim, embed_on_moment_curve, excess, from_sets, moment_curve_price,
                      regularization_path, solve_ntp_svm)
from scipy.optimize import brentq, linprog, minimize_scalar

COVERED = {f"10.{i}" for i in range(1, 17)}


def rng():
    return np.random.default_rng(10)


def verdict(id_, measured):
    return claim(id_, float(measured)).verdict


def entropy(p):
    p = np.asarray(p)[np.asarray(p) > 0]
    return -(p * np.log(p)).sum()


def uniform(V, k):
    return SoftLabels.from_counts(all_subsets(V, k).astype(int))


def bound(k):
    return np.log(2) / (k * comb(2 * k + 1, k))


def gain(p, dependency):
    """The largest entropy along p - theta alpha above that of p: what contexts lose with that one dependency."""
    best = 0.0
    for alpha in (dependency, -dependency):
        moving = alpha > 1e-15
        top = np.min(p[moving] / alpha[moving])
        if top > 0:
            found = minimize_scalar(lambda theta: -entropy(p - theta * alpha), bounds=(0, top), method="bounded",
                                    options={"xatol": 1e-10})
            best = max(best, -found.fun - entropy(p))
    return best


def least_excess(labels, dependency):
    """The exact infimum of the excess over contexts, for words with one affine dependency."""
    return sum(weight * gain(p, dependency) for weight, p in zip(labels.pi, labels.P.toarray().T, strict=True))


def violation(L, S):
    worst = 0.0
    for column, on in zip(np.asarray(L).T, np.asarray(S, bool).T, strict=True):
        worst = max(worst, np.ptp(column[on]), 1 - column[on].min() + column[~on].max())
    return worst


def test_10_1_a_word_moved_inside_is_no_face():
    corners = np.array([[0, 0], [4, 0], [0, 4], [4, 4.0]])
    edges = [{0, 1}, {1, 3}, {2, 3}, {0, 2}]

    def disagreements(words):
        count = 0
        for size in (1, 2, 3):
            for c in combinations(range(4), size):
                on = np.isin(np.arange(4), c)
                A = np.column_stack([words, -np.ones(4)])
                found = linprog(np.zeros(3), A_ub=A[~on], b_ub=-np.ones((~on).sum()), A_eq=A[on],
                                b_eq=np.zeros(on.sum()), bounds=(None, None)).status == 0
                count += found != (size == 1 or set(c) in edges)
        return count

    assert verdict("10.1", disagreements(corners)) == "holds"
    moved = corners.copy()
    moved[3] = 1, 1
    assert verdict("10.1", disagreements(moved)) == "fails"


def test_10_2_other_contexts_or_one_dimension_less_miss():
    S = all_subsets(8, 2)
    found = embed_on_moment_curve(S)
    assert verdict("10.2", violation(found.L, S)) == "holds"
    assert verdict("10.2", violation(found.L[:, ::-1], S)) == "fails"
    assert verdict("10.2", violation(found.W[:, :3] @ found.H[:3], S)) == "fails"


def test_10_3_without_the_log_odds_the_loss_stays_above():
    S = all_subsets(7, 2)
    labels = SoftLabels.from_counts(S * rng().uniform(0.1, 1, S.shape))
    found = embed_on_moment_curve(S)
    H = 60 * found.H
    for j, p in enumerate(labels.P.toarray().T):
        a, b = np.flatnonzero(p)
        difference = found.W[a] - found.W[b]
        H[:, j] += difference * np.log(p[a] / p[b]) / (difference @ difference)
    assert verdict("10.3", sum(excess(found.W @ H, labels))) == "holds"
    assert verdict("10.3", sum(excess(60 * found.L, labels))) == "fails"
    assert verdict("10.3", sum(excess(found.W @ (H - 50 * found.H), labels))) == "fails"


def test_10_4_norms_that_grow_otherwise_are_noticed():
    sizes = {1: (20, 40), 2: (20, 36)}

    def deviation(price):
        return max(abs(np.log(price(b, k) / price(a, k)) / np.log(b / a) - (3 * k + 1) / 2)
                   for k, (a, b) in sizes.items())

    assert verdict("10.4", deviation(moment_curve_price)) == "holds"
    assert verdict("10.4", deviation(lambda V, k: moment_curve_price(V, k) * V**0.5)) == "fails"
    assert verdict("10.4", deviation(lambda V, k: float(V) ** (2 * k))) == "fails"


def corner(k, eps):
    alpha = np.concatenate([np.full(k, eps), -np.full(k + 1, eps)])
    alpha[0], alpha[k] = 1 - (k - 1) * eps, -(1 - k * eps)
    return alpha


@pytest.mark.parametrize("k", [1, 2, 3])
def test_10_5_words_away_from_the_corner_lose_more(k):
    labels = uniform(2 * k + 1, k)
    assert verdict("10.5", least_excess(labels, corner(k, 1e-4)) / bound(k) - 1) == "holds"
    assert verdict("10.5", least_excess(labels, corner(k, 0.15)) / bound(k) - 1) == "fails"


def test_10_6_random_dependencies_stay_above_and_a_smaller_loss_is_noticed():
    ratios = []
    for k in (1, 2):
        for _ in range(60):
            alpha = rng().normal(size=2 * k + 1) if not ratios else np.random.default_rng(len(ratios)).normal(
                size=2 * k + 1)
            alpha -= alpha.mean()
            ratios.append(least_excess(uniform(2 * k + 1, k), 2 * alpha / np.abs(alpha).sum()) / bound(k))
    assert verdict("10.6", min(ratios)) == "holds"
    assert verdict("10.6", 0.99 * least_excess(uniform(5, 2), corner(2, 1e-9)) / bound(2)) == "fails"
    nonuniform = SoftLabels.from_counts(all_subsets(3, 1) * np.array([100, 100, 1]))  # contexts not equally frequent
    assert verdict("10.6", least_excess(nonuniform, np.array([-1 + 1e-6, -1e-6, 1])) / bound(1)) == "fails"


def test_10_7_with_and_without_the_last_dimension():
    S = all_subsets(6, 2)
    found = embed_on_moment_curve(S)
    assert verdict("10.7", sum(excess(60 * found.L, uniform(6, 2)))) == "holds"
    assert verdict("10.7", least_excess(uniform(5, 2), corner(2, 1e-6))) == "fails"


def test_10_8_the_bias_of_the_parabola():
    x = np.linspace(-1, 1, 9)
    L = 60 / 0.0625 * (2 * np.outer(x, x) - x[:, None] ** 2)      # -(x - x_z)^2 up to a shift, margin 1/16
    assert verdict("10.8", sum(excess(L, uniform(9, 1)))) == "holds"
    assert verdict("10.8", sum(excess(60 / 0.0625 * 2 * np.outer(x, x), uniform(9, 1)))) == "fails"
    assert verdict("10.8", sum(excess(L[:, ::-1], uniform(9, 1)))) == "fails"


def test_10_9_the_value_from_the_largest_entropies():
    both = SoftLabels.from_counts([[7, 3], [3, 7], [0, 0]])
    value = (np.log(2) + entropy([0.7, 0.3])) / 2

    def least(u):
        return entropy([0.7, 0.3]) + least_excess(both, np.array([1, -(1 - u), -u])) - value

    assert verdict("10.9", least(1e-6)) == "holds"
    assert verdict("10.9", least(0.3)) == "fails"
    other = SoftLabels.from_counts([[6, 4], [4, 6], [0, 0]])
    assert verdict("10.9", entropy([0.6, 0.4]) + least_excess(other, np.array([1, -1 + 1e-6, -1e-6])) - value) == "fails"


def test_10_10_one_scale_does_not_do_for_a_chain():
    def chain(V, eps):
        w = -np.array([0] + [sum(eps ** (V - i) for i in range(1, z + 1)) for z in range(1, V)])
        return np.outer(w, [eps ** -(V - j + 0.5) for j in range(1, V)])

    S = from_sets([range(j + 1) for j in range(4)], 5)
    labels = SoftLabels.from_counts(S.astype(int))
    assert verdict("10.10", sum(excess(chain(5, 1e-6), labels))) == "holds"
    assert verdict("10.10", sum(excess(chain(5, 1e-2), labels))) == "fails"
    skewed = SoftLabels.from_counts(S * np.arange(1, 6)[:, None])
    assert verdict("10.10", sum(excess(chain(5, 1e-6), skewed))) == "fails"


def test_10_11_a_rank_below_that_of_the_solution_costs():
    S = all_subsets(6, 2)
    for rank, expected in ((5, "holds"), (4, "fails")):
        found = solve_ntp_svm(S, rank=rank)
        primal = np.linalg.svd(found.L, compute_uv=False).sum()
        assert verdict("10.11", 1 - found.dual / primal) == expected


def test_10_12_groups_of_equal_supports_have_lower_rank_and_random_ones_have_not():
    def rank(S):
        s = np.linalg.svd(solve_ntp_svm(S, tol=1e-4).L, compute_uv=False)
        return np.sum(s > s[0] / 200)

    random = rng().permuted(np.repeat(np.arange(12)[:, None] < 3, 10, axis=1), axis=0)
    grouped = np.repeat(random[:, :3], 4, axis=1)[:, :10]
    assert verdict("10.12", rank(grouped) / rank(random)) == "holds"
    assert verdict("10.12", rank(random) / rank(random)) == "fails"


def test_10_13_the_path_of_other_supports_points_another_way():
    S = all_subsets(5, (1, 2))
    labels = SoftLabels.from_counts(S * rng().uniform(0.1, 1, S.shape))
    L, path = solve_ntp_svm(S).L, regularization_path(labels, [1e-9])[-1].L

    def cosine(A, B):
        return np.sum(A * B) / np.linalg.norm(A) / np.linalg.norm(B)

    assert verdict("10.13", cosine(L, path)) == "holds"
    assert verdict("10.13", cosine(L[:, ::-1], path)) == "fails"
    assert verdict("10.13", cosine(L, regularization_path(labels, [0.05])[-1].L)) == "fails"


def test_10_14_contexts_that_everything_follows_are_noticed():
    def shortest(largest):
        return min(length for length, size in largest.items() if size <= 384)

    def largest_supports(tokens, lengths):
        sizes = {}
        for length in lengths:
            after = {}
            for i in range(len(tokens) - length):
                after.setdefault(tuple(tokens[i:i + length]), set()).add(tokens[i + length])
            sizes[length] = max(map(len, after.values()))
        return sizes

    sentence = [t for i in range(1000) for t in ("the", i, i, i)]
    assert verdict("10.14", shortest(largest_supports(sentence, range(1, 6)))) == "holds"
    constant = [t for i in range(1000) for t in ("a", "a", "a", "a", "a", i)]
    assert verdict("10.14", shortest(largest_supports(constant, range(1, 8)))) == "fails"


def test_10_15_a_word_moved_or_no_mixture_at_all_is_noticed():
    """Two tokens and a third between them: the largest entropy meets the best loss over h, found by its derivative."""
    w, p = np.array([1.0, -1.0, 0.25]), np.array([0.6, 0.4, 0.0])

    def slope(h):
        q = np.exp(w * h - (w * h).max())
        return w @ q / q.sum() - w @ p

    h = brentq(slope, -50, 50)
    loss = np.log(np.exp(w * h).sum()) - p @ w * h
    alpha = np.array([0.625, 0.375, -1.0])  # w @ alpha = 0
    assert abs(w @ alpha) < 1e-12 and verdict("10.15", abs(loss - entropy(p) - gain(p, alpha))) == "holds"
    assert verdict("10.15", abs(loss - entropy(p))) == "fails"
    assert verdict("10.15", abs(loss - entropy(p) - gain(p, np.array([0.6, 0.4, -1.0])))) == "fails"


def test_10_16_log_odds_on_one_side_need_a_dimension_less():
    """One support {1, 2} of three tokens: opposite log-odds need two dimensions, those on one side need one."""
    def reached(p):
        h = np.log(p / (1 - p))
        if (h > 0).all():  # w = (1, 0, -100), h = the log-odds
            off = np.exp(-100 * h) / (1 + np.exp(h) + np.exp(-100 * h))
            return {1: off.max() < 1e-6, 2: True}
        return {1: (np.log(2) + entropy([0.7, 0.3])) / 2 - entropy([0.7, 0.3]) < 1e-6, 2: True}  # as for 10.9

    def disagree(p, needed):
        return sum(success != (d >= needed) for d, success in reached(np.array(p)).items())

    assert verdict("10.16", disagree([0.7, 0.3], needed=2)) == "holds"
    assert verdict("10.16", disagree([0.7, 0.6], needed=1)) == "holds"
    assert verdict("10.16", disagree([0.7, 0.3], needed=1)) == "fails"
    assert verdict("10.16", disagree([0.7, 0.6], needed=2)) == "fails"


@pytest.mark.parametrize("id_", sorted(COVERED))
def test_not_a_number_never_holds(id_):
    assert verdict(id_, np.nan) == "fails"

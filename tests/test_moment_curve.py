"""Words on the moment curve: against the trigonometric identity, linear programmes and closed forms."""

import itertools
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ntputils import (all_subsets, centered_support, cyclic_windows, embed_on_moment_curve, from_sets, moment_curve,
                      moment_curve_price, separating_context, smallest_margin)
from scipy.optimize import linprog

CLOSE = 1e-10   # float64 rounding of products and sums of some dozens of numbers of order one
FEASIBLE = 1e-8  # the same after scaling by margins down to 1e-4


def angles(V):
    return 2 * np.pi * np.arange(V) / V


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 6.28), min_size=1, max_size=5), st.integers(0, 2), st.floats(-10, 10))
def test_the_height_is_the_level_less_the_product(support, extra, t):
    k = len(support) + extra
    h, level = separating_context(support, k)
    height = sum(h[2 * i] * np.cos((i + 1) * t) + h[2 * i + 1] * np.sin((i + 1) * t) for i in range(k))
    assert abs(height - level + np.prod([1 - np.cos(t - z) for z in support])) < CLOSE * 2 ** k


def test_curve_points_are_in_general_position():
    for k in (1, 2, 3):
        points = moment_curve(np.sort(np.random.default_rng(k).uniform(0, 6.2, 2 * k + 1)), k)
        assert np.linalg.matrix_rank(points[1:] - points[0]) == 2 * k
        np.testing.assert_allclose((points**2).sum(axis=1), k)


@pytest.mark.parametrize("S", [all_subsets(6, 2), all_subsets(8, 3), cyclic_windows(11, 4), np.eye(9, dtype=bool),
                               from_sets([{0}, {1, 4, 5}, {0, 2}, range(7)], 7)])
def test_every_constraint_holds_and_one_margin_is_tight(S):
    found = embed_on_moment_curve(S)
    assert found.W.shape[1] == 2 * max(k for k in S.sum(axis=0) if k < len(S))
    for column, on, margin in zip((found.W @ found.H).T, S.T, found.margins, strict=True):
        if on.all():
            assert not column.any() and margin == np.inf
            continue
        assert np.ptp(column[on]) < FEASIBLE
        assert abs(column[on].min() - column[~on].max() - 1) < FEASIBLE


def test_other_angles_and_their_errors():
    S = all_subsets(7, 2)
    found = embed_on_moment_curve(S, angles=np.random.default_rng(0).permutation(angles(7)))
    for column, on in zip(found.L.T, S.T, strict=True):
        assert column[on].min() - column[~on].max() > 1 - FEASIBLE
    for bad, says in ((angles(6), "want one for each of the V = 7"), (np.zeros(7), "same angle"),
                      (np.r_[angles(7)[:6], angles(7)[2] + 6 * np.pi], "same angle"),
                      (np.r_[angles(7)[:6], angles(7)[2] + 2 * np.pi], "same angle"), ([[0.0]], "list of finite"),
                      (angles(7) + np.nan, "finite")):
        with pytest.raises(ValueError, match=says):
            embed_on_moment_curve(S, angles=bad)
    with pytest.raises(ValueError, match="float64 does not"):
        embed_on_moment_curve(from_sets([range(12)], 300))
    for call, says in ((lambda: moment_curve([0.0], 0), "k: got 0"), (lambda: separating_context([0, 1], 1), "2 words"),
                       (lambda: smallest_margin(5, 5), "k: got 5"), (lambda: moment_curve_price(6, 3), "2k below V")):
        with pytest.raises(ValueError, match=says):
            call()


@pytest.mark.parametrize(("V", "k"), [(5, 1), (9, 2), (9, 3), (8, 5), (4, 3)])
def test_the_smallest_margin_by_brute_force(V, k):
    t = angles(V)
    margins = [np.prod(1 - np.cos(t[v] - t[list(c)])) for c in itertools.combinations(range(V), k)
               for v in range(V) if v not in c]
    assert smallest_margin(V, k) == pytest.approx(min(margins), rel=1e-9)


def test_norms_and_prices():
    for V in (3, 8, 21):
        assert embed_on_moment_curve(np.eye(V)).norm == pytest.approx(V / (1 - np.cos(2 * np.pi / V)), rel=1e-12)
    for V, k in ((7, 2), (9, 3)):
        S = all_subsets(V, k)
        by_svd = np.linalg.svd(embed_on_moment_curve(S).L, compute_uv=False).sum()
        least = np.linalg.svd(centered_support(S), compute_uv=False).sum()
        assert least == pytest.approx((V - 1) * comb(V - 2, k - 1) ** 0.5)
        assert moment_curve_price(V, k) == pytest.approx(by_svd / least, rel=1e-9)


def test_one_dimension_less_does_not_do_for_the_curve():
    """A linear programme: on the curve without its last coordinate some pair is no face any more."""
    W = moment_curve(angles(6), 2)

    def separable(words, pair):
        on = np.isin(np.arange(6), pair)
        A = np.column_stack([words, -np.ones(6)])
        return linprog(np.zeros(A.shape[1]), A_ub=A[~on], b_ub=-np.ones(4), A_eq=A[on], b_eq=np.zeros(2),
                       bounds=(None, None)).status == 0

    pairs = list(itertools.combinations(range(6), 2))
    assert all(separable(W, pair) for pair in pairs)
    assert not all(separable(W[:, :3], pair) for pair in pairs)


def test_full_supports_alone_have_nothing_to_separate():
    found = embed_on_moment_curve(np.ones((3, 2), bool))
    assert found.W.shape == (3, 2) and not found.L.any()

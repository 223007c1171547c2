"""Groups of equals, against loops, against all shuffles, and against scipy's correlation."""

import itertools

import numpy as np
import pytest
from scipy import stats

from ntputils import between_groups, cosine_matrix, group_floor, structural_correlation


def symmetric(rng, n):
    A = rng.normal(size=(n, n))
    A = A + A.T
    A[np.diag_indices(n)] = 1
    return A


def test_between_groups_is_the_mean_of_each_block():
    rng = np.random.default_rng(0)
    A, groups = symmetric(rng, 9), np.array(list("cabbacacb"))
    for (i, g), (j, h) in itertools.product(enumerate("abc"), repeat=2):
        block = [A[x, y] for x in range(9) for y in range(9) if groups[x] == g and groups[y] == h]
        assert between_groups(A, groups)[i, j] == pytest.approx(np.mean(block), abs=1e-12)


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_floor_is_the_mean_over_all_shuffles(diagonal, size):
    """Groups of one size, B constant on blocks: all 120 orders of five groups, each measured by scipy."""
    rng = np.random.default_rng(size)
    groups = np.repeat(np.arange(5), size)
    blocks = symmetric(rng, 5)
    A = symmetric(rng, len(groups))
    counted = np.ones(A.shape, bool) if diagonal else ~np.eye(len(A), dtype=bool)
    seen = []
    for order in itertools.permutations(range(5)):
        B = blocks[np.ix_(np.array(order)[groups], np.array(order)[groups])]
        seen.append(stats.pearsonr(A[counted], B[counted]).statistic)
    B = blocks[np.ix_(groups, groups)]
    assert group_floor(A, B, groups, diagonal=diagonal) == pytest.approx(np.mean(seen), abs=1e-12)


def test_floor_of_the_structural_correlation():
    """Two angles from the off-diagonal means and deviations give the same number."""
    rng = np.random.default_rng(4)
    A, B = (cosine_matrix(rng.normal(size=(4, 12)) + shift) for shift in (0, 0.5))
    off = ~np.eye(12, dtype=bool)
    cosines = [1 / np.sqrt(1 + 12 * X[off].var() / (1 - X[off].mean())**2) for X in (A, B)]
    assert group_floor(A, B, diagonal=True) == pytest.approx(np.prod(cosines), abs=1e-12)
    assert group_floor(A, B) == pytest.approx(0, abs=1e-12)
    # shuffled items: the structural correlation's mean comes to the floor
    orders = [rng.permutation(12) for _ in range(4000)]
    mean = np.mean([structural_correlation(A, B[np.ix_(o, o)], C=0) for o in orders])
    assert mean == pytest.approx((1 - 1 / 144) * np.prod(cosines), abs=0.01)


@pytest.mark.parametrize("call, message", [
    (lambda: between_groups(np.ones((3, 4)), [0, 1, 2]), r"A: got shape \(3, 4\)"),
    (lambda: between_groups(np.eye(3), [0, 1]), r"groups: got shape \(2,\), want \(3,\)"),
    (lambda: group_floor(np.eye(3), np.eye(4)), "A, B: got 3 and 4 items"),
    (lambda: group_floor(np.eye(3), np.eye(3), [1, 1, 1]), "groups: got 1 group, want at least two"),
])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_constant_matrix_has_no_floor():
    assert np.isnan(group_floor(np.ones((4, 4)), np.eye(4), [0, 0, 1, 1]))

"""Comparing two sets of vectors: what is refused, and what stays as it is where there is nothing to take out."""

import numpy as np
import pytest

from ntputils import compare_geometries


def compare(n=6, *, sizes=None, groups=None, given=None, **options):
    X = np.random.default_rng(0).normal(size=(3, n))
    return compare_geometries(X, X if given is None else given, what="words", groups=range(n) if groups is None else groups,
                              sizes=range(1, n + 1) if sizes is None else sizes, rng=np.random.default_rng(1), **options)


def test_four_items_are_enough():
    assert compare(4).items == 4
    with pytest.raises(ValueError, match="want the same four at least"):
        compare(3)


@pytest.mark.parametrize("change", [{"sizes": [1, 2, 3, 4, 5, 0]}, {"sizes": [1, 2, 3]}, {"groups": range(5)},
                                    {"given": np.ones((3, 5))}])
def test_lengths_that_differ_and_sizes_of_zero_are_refused(change):
    with pytest.raises(ValueError, match="predicted, given, groups, sizes: got 6"):
        compare(6, **change)


def test_equal_sizes_leave_the_correlation_as_it_is():
    found = compare(6, sizes=np.full(6, 7.0), permutations=99)
    assert (found.partial, found.partial_p) == (found.r, found.p)


@pytest.mark.parametrize("permutations, least", [(999, 1 / 200), (50, 1 / 20)])
def test_the_partial_correlation_has_a_fifth_of_the_shuffles_and_nineteen_at_least(permutations, least):
    """The smallest p that so many shuffles can give, for vectors that are the same."""
    found = compare(30, permutations=permutations)
    assert found.partial_p == pytest.approx(least) and found.p == pytest.approx(1 / (permutations + 1))

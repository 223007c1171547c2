"""Comparing two sets of vectors: by other means, what is refused, and what stays as it is where nothing is taken out."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

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


def test_a_comparison_by_other_means():
    rng = np.random.default_rng(3)
    X, sizes = rng.normal(size=(4, 25)), rng.integers(1, 50, 25)
    Y, groups = X + rng.normal(size=(4, 25)), np.arange(25) % 6
    found = compare_geometries(X, Y, what="contexts", groups=groups, sizes=sizes, rng=rng)
    A, B = ((Z / np.linalg.norm(Z, axis=0)).T @ (Z / np.linalg.norm(Z, axis=0)) for Z in (X, Y))
    pairs = np.triu_indices(25, 1)
    a, b = A[pairs], B[pairs]
    assert found.r == pytest.approx(stats.pearsonr(a, b)[0])
    c = -np.abs(np.subtract.outer(np.log(sizes), np.log(sizes)))[pairs]
    ab, ac, bc = (np.corrcoef(*two)[0, 1] for two in ((a, b), (a, c), (b, c)))
    assert found.partial == pytest.approx((ab - ac * bc) / np.sqrt((1 - ac**2) * (1 - bc**2)))
    means = [[[Z[np.ix_(groups == g, groups == h)].mean() for h in range(6)] for g in range(6)] for Z in (A, B)]
    upper = np.triu_indices(6, 1)
    assert found.between == pytest.approx(np.corrcoef(*(np.array(M)[upper] for M in means))[0, 1])


@pytest.mark.parametrize("p, partial_p, says", [
    (0.2, 0.2, "no agreement is shown"), (0.001, 0.3, "no more than sizes explain"),
    (0.001, 0.001, "is left once it is known")])
def test_the_sentence_says_what_the_numbers_say(p, partial_p, says):
    one = compare_geometries(np.eye(5), np.eye(5) + np.tri(5), what="words", groups=range(5), sizes=range(1, 6),
                             rng=np.random.default_rng(0), permutations=19)
    assert says in replace(one, r=0.4, p=p, partial=0.1, partial_p=partial_p).sentence

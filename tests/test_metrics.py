"""The measures of geometry, against loops, against known answers, and under what must not change them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntputils import (SoftLabels, angle_signs, centered_support, collapse_ratio, effective_rank, factor, off_support_mass,
                      project_leading)

ROUNDING = 1e-9


def by_loops(X, classes):
    """The definition, one vector at a time."""
    classes = list(classes)
    everything = sum(X.T) / len(classes)
    within = between = 0.0
    for x, own in zip(X.T, classes):
        mates = [y for y, other in zip(X.T, classes) if other == own]
        mean = sum(mates) / len(mates)
        within += np.sum((x - mean) ** 2)
        between += np.sum((mean - everything) ** 2)
    return within / between


@given(st.integers(1, 5), st.integers(3, 12), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_the_ratio_is_its_definition(d, m, seed):
    rng = np.random.default_rng(seed)
    X, classes = rng.normal(size=(d, m)), rng.integers(0, 3, size=m)
    classes[:2] = 0, 1
    assert collapse_ratio(X, classes) == pytest.approx(by_loops(X, classes), rel=ROUNDING)


def test_turning_shifting_and_scaling_change_nothing():
    rng = np.random.default_rng(0)
    X, classes = rng.normal(size=(4, 9)), list("aabbccabc")
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    for other in (turn @ X, X + rng.normal(size=(4, 1)), -7 * X):
        assert collapse_ratio(other, classes) == pytest.approx(collapse_ratio(X, classes), rel=ROUNDING)


def test_points_are_zero_equal_means_are_infinite_and_chance_is_known():
    points = np.repeat(np.eye(3), 4, axis=1)
    classes = np.repeat(["x", "y", "z"], 4)
    assert collapse_ratio(points, classes) == 0
    assert collapse_ratio([[1.0, -1.0, 2.0, -2.0]], [0, 0, 1, 1]) == np.inf
    assert collapse_ratio(np.ones((2, 2)), [0, 1]) == 0
    rng = np.random.default_rng(1)
    chance = [collapse_ratio(rng.normal(size=(50, 24)), np.repeat(np.arange(6), 4)) for _ in range(50)]
    assert np.mean(chance) == pytest.approx((24 - 6) / (6 - 1), rel=0.05)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_the_ratio_is_measured_where_squares_would_vanish_or_overflow(size):
    X = np.array([[0.0, 1.0, 4.0, 5.0], [1.0, 1.0, 0.0, 3.0]])
    assert collapse_ratio(size * X, list("aabb")) == pytest.approx(by_loops(X, "aabb"), rel=ROUNDING)


def test_vectors_at_one_point_have_collapsed_though_their_mean_is_rounded():
    point = np.array([[0.1], [0.7], [1e8 + 0.3]])
    assert np.any(np.repeat(point, 7, axis=1).mean(axis=1, keepdims=True) != point)     # or this would test nothing
    assert collapse_ratio(np.repeat(point, 7, axis=1), list("aabbbcc")) == 0


def test_columns_may_be_listed_in_several_classes():
    S = np.array([[1, 1], [0, 1], [1, 0]])
    rows, cols = S.nonzero()
    H = np.array([[0.0, 2.0]])
    assert collapse_ratio(H[:, cols], rows) == pytest.approx(by_loops(H[:, cols], rows), rel=ROUNDING)


def test_leading_directions_keep_what_is_in_them():
    rng = np.random.default_rng(2)
    W, H = factor(rng.normal(size=(6, 3)) @ rng.normal(size=(3, 8)))
    np.testing.assert_allclose(project_leading(H, 3).T @ project_leading(H, 3), H.T @ H, atol=1e-10)
    one, two = project_leading(H, 1), project_leading(W.T, 1)
    assert np.abs(one).max() == one.max()
    best = np.outer(two, one) * np.sign(np.sum(np.outer(two, one) * (W @ H)))
    assert np.linalg.norm(W @ H - best, 2) == pytest.approx(np.linalg.svd(W @ H)[1][1], rel=1e-8)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_the_largest_coordinate_of_each_direction_is_positive(size):
    for seed in range(5):
        found = project_leading(size * np.random.default_rng(seed).normal(size=(4, 7)), 4)
        largest = found[np.arange(4), np.abs(found).argmax(axis=1)]
        assert np.all(largest > 0) and np.all(np.diff(np.linalg.norm(found, axis=1)) < 0)


@pytest.mark.parametrize(("X", "classes", "says"), [
    (np.zeros((0, 2)), [0, 1], "X: got shape"), (np.zeros((2, 0)), [], "X: got shape"),
    ([1.0, 2.0], [0, 1], "X: got shape"), ([[1.0, np.nan]], [0, 1], "X: got shape"),
    ([[1.0, 2.0]], [0, 1, 2], "classes: got shape"), ([[1.0, 2.0]], [0, 0], "classes: got 1 class")])
def test_bad_input_is_named(X, classes, says):
    with pytest.raises(ValueError, match=says):
        collapse_ratio(X, classes)


@pytest.mark.parametrize("rank", [0, 3])
def test_ranks_that_are_not_there_are_named(rank):
    with pytest.raises(ValueError, match="rank: got"):
        project_leading(np.eye(2), rank)


def test_angle_signs_count_pairs_after_centring():
    rng = np.random.default_rng(4)
    L, S = rng.normal(size=(6, 9)) + rng.normal(size=9), rng.random((6, 9)) < 0.4
    S[0] = True
    acute = obtuse = 0
    for z in range(6):
        for j in range(9):
            above = L[z, j] > np.mean(L[:, j])
            acute += above and S[z, j]
            obtuse += not above and not S[z, j]
    assert angle_signs(L, S) == (pytest.approx(acute / S.sum()), pytest.approx(obtuse / (~S).sum()))
    assert angle_signs(centered_support(S), S) == (1, 1)


def test_a_right_angle_is_neither_acute_nor_obtuse():
    L = [[2.0, 1.0], [0.0, 0.0], [0.0, 0.0], [-2.0, -1.0]]                      # centred as it stands
    assert angle_signs(L, [[1, 0], [1, 1], [0, 0], [0, 0]]) == (1 / 3, 2 / 5)
    assert np.isnan(angle_signs(L, np.ones((4, 2)))[1])


def test_off_support_mass_is_what_sampling_finds():
    rng = np.random.default_rng(5)
    labels = SoftLabels.from_counts(rng.integers(0, 3, size=(5, 4)) + np.eye(5, 4, dtype=int))
    L, S = rng.normal(size=(5, 4)), labels.S.toarray()
    contexts = rng.choice(4, size=200_000, p=labels.pi)
    words = np.argmax(L[:, contexts] + rng.gumbel(size=(5, len(contexts))), axis=0)     # samples of the softmax
    rate = np.mean(~S[words, contexts])
    assert off_support_mass(L, labels) == pytest.approx(rate, abs=5 * np.sqrt(0.25 / len(contexts)))


@pytest.mark.parametrize("values", [[1.0], [3.0, 3.0, 3.0], [4.0, 2.0, 1.0, 1.0]])
def test_effective_rank_is_two_to_the_bits(values):
    shares = np.array(values) / np.sum(values)
    bits = -np.sum(shares * np.log2(shares))
    U, V = (np.linalg.qr(np.random.default_rng(k).normal(size=(6, 6)))[0][:, :len(values)] for k in (0, 1))
    assert effective_rank(U * values @ V.T) == pytest.approx(2**bits)


def test_effective_rank_of_one_direction_is_one():
    assert effective_rank(np.diag([3.0, 0.0])) == 1 == effective_rank([[1e-300]])


def test_measures_name_bad_arguments():
    labels = SoftLabels.from_counts([[1, 0], [0, 1]])
    with pytest.raises(ValueError, match="L: got shape"):
        off_support_mass(np.zeros((3, 2)), labels)
    with pytest.raises(ValueError, match="L: got shape"):
        angle_signs(np.zeros((3, 2)), labels.S)
    with pytest.raises(ValueError, match="zeros"):
        effective_rank(np.zeros((2, 2)))

"""Comparing geometries: identities, kept libraries, brute force, and what chance gives."""

import itertools

import numpy as np
import pytest
from ntputils import (bootstrap_interval, cka, cosine_matrix, mantel, off_diagonal_correlation, partial_mantel,
                      procrustes_distance, structural_correlation, structural_null)
from scipy import spatial, stats


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def rotation(rng, d):
    return np.linalg.qr(rng.normal(size=(d, d)))[0]


def test_cosines_agree_with_scipy(rng):
    X = rng.normal(size=(4, 9))
    assert np.allclose(cosine_matrix(X), 1 - spatial.distance.cdist(X.T, X.T, "cosine"), atol=1e-12)
    X[:, 2] = 0
    assert not cosine_matrix(X)[2].any()


def test_structural_correlation_is_pearson_up_to_the_sample_factor(rng):
    """With C = 0 it is Pearson's r times (N - 1)/N over the N entries, diagonals and all."""
    A, B = rng.normal(size=(2, 7, 7))
    r = stats.pearsonr(A.ravel(), B.ravel()).statistic
    assert structural_correlation(A, B, C=0) == pytest.approx(r * 48 / 49, abs=1e-14)
    assert structural_correlation(A, B, C=1e9) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("n", "d"), [(16, 32), (104, 32), (50, 128)])
def test_independent_vectors_score_what_the_null_says(rng, n, d):
    scores = [structural_correlation(*(cosine_matrix(rng.normal(size=(d, n))) for _ in range(2)), C=0)
              for _ in range(60)]
    error = np.std(scores) / np.sqrt(60)
    finite = 1 - 1 / n**2                                  # the sample factor
    assert abs(np.mean(scores) - finite * structural_null(n, d)) < 4 * error + 0.01
    off = [off_diagonal_correlation(*(cosine_matrix(rng.normal(size=(d, n))) for _ in range(2))) for _ in range(60)]
    assert abs(np.mean(off)) < 4 * np.std(off) / np.sqrt(60)


@pytest.mark.parametrize(("method", "oracle"), [("pearson", stats.pearsonr), ("spearman", stats.spearmanr)])
def test_off_diagonal_correlation_agrees_with_scipy(rng, method, oracle):
    A, B = (M + M.T for M in rng.normal(size=(2, 8, 8)).round(1))
    pairs = list(itertools.combinations(range(8), 2))
    want = oracle([A[p] for p in pairs], [B[p] for p in pairs]).statistic
    assert off_diagonal_correlation(A, B, method=method) == pytest.approx(want, abs=1e-14)
    np.fill_diagonal(A, 1e6)
    assert off_diagonal_correlation(A, B, method=method) == pytest.approx(want, abs=1e-14)
    assert np.isnan(off_diagonal_correlation(np.ones((3, 3)), A[:3, :3]))


def test_mantels_null_is_all_permutations(rng):
    """Five items have 120 orders: the sampled null visits these values and no others, about equally often."""
    A, B = (M + M.T for M in rng.normal(size=(2, 5, 5)))
    every = np.array([off_diagonal_correlation(A, B[np.ix_(o, o)]) for o in itertools.permutations(range(5))])
    found = mantel(A, B, rng=rng, permutations=4000)
    nearest = np.abs(found.null[:, None] - every).min(axis=1)
    assert nearest.max() < 1e-12
    exact = np.mean(every >= found.r - 1e-12)
    assert abs(found.p - exact) < 4 * np.sqrt(exact * (1 - exact) / 4000) + 1e-3


def test_mantels_p_is_uniform_when_there_is_nothing_to_find(rng):
    p = [mantel(*(cosine_matrix(rng.normal(size=(3, 8))) for _ in range(2)), rng=rng, permutations=19).p
         for _ in range(400)]
    for level in (0.1, 0.5, 0.9):
        assert abs(np.mean(np.array(p) <= level + 1e-9) - level) < 4 * np.sqrt(level * (1 - level) / 400)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("controls", [1, 2])
def test_partial_correlation_is_that_of_least_squares_residuals(rng, controls, method):
    A, B, *given = (M + M.T for M in rng.normal(size=(2 + controls, 9, 9)))
    B = B + 2 * given[0] - 0.7 * A
    a, b, *known = ([M[p] for p in itertools.combinations(range(9), 2)] for M in (A, B, *given))
    if method == "spearman":
        a, b, *known = (stats.rankdata(x) for x in (a, b, *known))
    X = np.column_stack([np.ones(36), *known])
    a, b = (y - X @ np.linalg.lstsq(X, y)[0] for y in map(np.asarray, (a, b)))
    found = partial_mantel(A, B, given, rng=rng, permutations=5, method=method)
    assert found.r == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-13)
    assert partial_mantel(A, B, [*given, given[0]], rng=rng, permutations=5, method=method).r == pytest.approx(
        found.r, abs=1e-13)


def test_shuffles_within_classes_are_all_of_them_and_no_others(rng):
    """Classes of 3, 2 and 1: twelve orders. The control is made of classes, so residuals and matrices shuffle alike."""
    classes = np.array(["x", "y", "x", "z", "y", "x"])
    C = rng.normal(size=(3, 3))
    number = np.unique(classes, return_inverse=True)[1]
    C = (C + C.T)[np.ix_(number, number)]
    A, B = (M + M.T + C for M in rng.normal(size=(2, 6, 6)))
    every = []
    for three in itertools.permutations([0, 2, 5]):
        for two in itertools.permutations([1, 4]):
            order = np.arange(6)
            order[[0, 2, 5]], order[[1, 4]] = three, two
            every.append(partial_mantel(A, B[np.ix_(order, order)], [C], rng=rng, permutations=1).r)
    found = partial_mantel(A, B, [C], rng=rng, permutations=3000, classes=classes)
    near = np.abs(found.null[:, None] - every)
    assert near.min(axis=1).max() < 1e-12
    shares = np.bincount(near.argmin(axis=1), minlength=12) / 3000
    assert np.all(np.abs(shares - 1 / 12) < 5 * np.sqrt(1 / 12 / 3000))
    exact = np.mean(np.array(every) >= found.r - 1e-12)
    assert abs(found.p - exact) < 4 * np.sqrt(exact * (1 - exact) / 3000) + 1e-3


def test_every_shuffle_is_regressed_again(rng):
    """Five items in all 120 orders: what is left of B, reordered, has a share of the control that must go again."""
    pairs = list(itertools.combinations(range(5), 2))
    A, B, C = (M + M.T for M in rng.normal(size=(3, 5, 5)))

    def residual(y):
        X = np.column_stack([np.ones(10), [C[p] for p in pairs]])
        return y - X @ np.linalg.lstsq(X, y)[0]

    a, left = residual(np.array([A[p] for p in pairs])), np.zeros((5, 5))
    left[tuple(np.transpose(pairs))] = residual(np.array([B[p] for p in pairs]))
    left += left.T
    every = [stats.pearsonr(a, residual(np.array([left[o[i], o[j]] for i, j in pairs]))).statistic
             for o in itertools.permutations(range(5))]
    found = partial_mantel(A, B, [C], rng=rng, permutations=500)
    assert np.abs(found.null[:, None] - every).min(axis=1).max() < 1e-12


def test_a_curve_fools_the_shuffle_of_residuals_and_not_the_one_within_classes(rng):
    """A and B follow the control by one curve and have nothing else in common. All orders: rejects far too often."""
    number = np.repeat(np.arange(6), 4)
    free, within = [], []
    for _ in range(150):
        C = cosine_matrix(rng.normal(size=(3, 6)))[np.ix_(number, number)]
        A, B = (np.exp(2 * C) + 0.5 * (M + M.T) for M in rng.normal(size=(2, 24, 24)))
        free.append(partial_mantel(A, B, [C], rng=rng, permutations=19).p)
        within.append(partial_mantel(A, B, [C], rng=rng, permutations=19, classes=number).p)
    assert np.mean(np.array(free) <= 0.05 + 1e-9) > 0.5
    for level in (0.05, 0.5, 0.9):
        assert abs(np.mean(np.array(within) <= level + 1e-9) - level) < 4 * np.sqrt(level * (1 - level) / 150)


@pytest.mark.parametrize("size", [1e-12, 1e12])
def test_what_the_control_explains_does_not_depend_on_the_unit(rng, size):
    A, B, C = (M + M.T for M in rng.normal(size=(3, 7, 7)))
    expected = partial_mantel(A, B, [C], rng=rng, permutations=1).r
    assert partial_mantel(size * A, size * B, [size * C], rng=rng, permutations=1).r == pytest.approx(expected, rel=1e-9)


def test_nothing_is_left_of_a_matrix_that_the_control_explains(rng):
    A, B = (M + M.T for M in rng.normal(size=(2, 7, 7)))
    found = partial_mantel(A, B, [3 * A - 2], rng=rng, permutations=9)
    assert np.isnan(found.r) and np.isnan(found.p)
    assert np.isnan(mantel(np.ones((3, 3)), B[:3, :3], rng=rng, permutations=9).p)


def test_alignment_ignores_rotation_and_scale_and_nothing_else(rng):
    X = rng.normal(size=(3, 10))
    Y = 2.5 * rotation(rng, 5)[:, :3] @ X
    assert cka(X, Y) == pytest.approx(1, abs=1e-12) and procrustes_distance(X, Y) < 1e-7
    Z = rng.normal(size=(3, 10))
    assert cka(X, Z) < 0.9 and procrustes_distance(X, Z) > 0.5
    shifted = X + 4
    assert cka(X, shifted) == pytest.approx(1, abs=1e-12) and procrustes_distance(X, shifted) > 0.1


def test_procrustes_is_the_least_distance_over_rotations(rng):
    X, Y = (M / np.linalg.norm(M) for M in rng.normal(size=(2, 2, 6)))
    angles = np.linspace(0, 2 * np.pi, 20001)
    turned = np.stack([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]]).transpose(2, 0, 1)
    mirrored = turned @ np.diag([1, -1])
    least = min(np.linalg.norm(R @ X - Y, axis=(1, 2)).min() for R in (turned, mirrored))
    assert procrustes_distance(X, Y) == pytest.approx(least, abs=1e-6)


def test_bootstrap_intervals_cover(rng):
    """Ten seeds, normal: percentile intervals at 95 % hold the mean in about 90 % of the cases (they are short)."""
    inside = [low <= 1 <= high for low, high in
              (bootstrap_interval(rng.normal(1, 1, size=10), rng=rng, resamples=999) for _ in range(300))]
    assert 0.85 < np.mean(inside) < 0.98


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda g: cosine_matrix([[1, 2]]), ValueError, "X: got shape"),
    (lambda g: cosine_matrix([[1, 2, np.nan]]), ValueError, "finite"),
    (lambda g: structural_correlation(np.eye(3), np.eye(4)), ValueError, "same shape"),
    (lambda g: off_diagonal_correlation(np.ones((2, 3)), np.eye(3)), ValueError, "square"),
    (lambda g: off_diagonal_correlation(np.eye(3), np.eye(4)), ValueError, "3 and 4 items"),
    (lambda g: off_diagonal_correlation(np.eye(3), np.eye(3), method="kendall"), ValueError, "method"),
    (lambda g: mantel(np.eye(3), np.eye(3), rng=0), TypeError, "rng: got int"),
    (lambda g: mantel(np.eye(3), np.eye(3), rng=g, permutations=0), ValueError, "permutations: got 0"),
    (lambda g: partial_mantel(np.eye(3), np.eye(3), [np.eye(3)], rng=0), TypeError, "rng: got int"),
    (lambda g: partial_mantel(np.eye(3), np.eye(3), [], rng=g), ValueError, "given: got no matrix"),
    (lambda g: partial_mantel(np.eye(3), np.eye(3), [np.eye(4)], rng=g), ValueError, "3 and 4 items"),
    (lambda g: partial_mantel(np.eye(3), np.eye(3), [np.eye(3)], rng=g, classes=[1, 2]), ValueError, "classes: got shape"),
    (lambda g: cka(np.ones((2, 3)), np.ones((2, 4))), ValueError, "same items"),
    (lambda g: procrustes_distance(np.ones((2, 3)), np.ones((2, 4))), ValueError, "same items"),
    (lambda g: bootstrap_interval([1, 2], rng=g), ValueError, "at least five"),
    (lambda g: bootstrap_interval(range(5), rng=g, level=1.0), ValueError, "level"),
    (lambda g: bootstrap_interval(range(5), rng=g, level=1.5), ValueError, "level"),
    (lambda g: bootstrap_interval([1, 2, 3, 4, np.nan], rng=g), ValueError, "finite"),
])
def test_bad_input_is_named(rng, call, error, message):
    with pytest.raises(error, match=message):
        call(rng)

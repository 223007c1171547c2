"""Comparing geometries: identities, kept libraries, brute force, and what chance gives."""

import itertools

import numpy as np
import pytest
from ntputils import (bootstrap_interval, cka, cosine_matrix, mantel, off_diagonal_correlation, procrustes_distance,
                      structural_correlation, structural_null)
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
    (lambda g: cka(np.ones((2, 3)), np.ones((2, 4))), ValueError, "same items"),
    (lambda g: procrustes_distance(np.ones((2, 3)), np.ones((2, 4))), ValueError, "same items"),
    (lambda g: bootstrap_interval([1, 2], rng=g), ValueError, "at least five"),
])
def test_bad_input_is_named(rng, call, error, message):
    with pytest.raises(error, match=message):
        call(rng)

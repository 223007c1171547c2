"""The model with adjustments, against the convex path and closed forms; Zipf's exponent against its likelihood."""

import numpy as np
import pytest

from ntputils import (SoftLabels, adjusted_minimum, all_subsets, flat_world, one_hot, regularization_path, zipf_exponent)

DESCENT = 1e-4   # of logits of size ten: what a residual of 1e-5 leaves


def soft_labels(seed, V=5, m=6):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 5, size=(V, m))
    counts[0] += counts.sum(axis=0) == 0
    return SoftLabels.from_counts(counts)


@pytest.mark.parametrize("lam", [1e-1, 1e-2, 1e-4, 1e-5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_without_adjustments_it_is_the_path(lam, seed):
    labels = soft_labels(seed)
    point = adjusted_minimum(labels, lam, rng=np.random.default_rng(seed))
    [wanted] = regularization_path(labels, [lam], tol=1e-10)
    np.testing.assert_allclose(point.L, wanted.L, atol=DESCENT)
    assert point.residual < 1e-3
    np.testing.assert_allclose(point.W.T @ point.W, point.H @ point.H.T, atol=10 * DESCENT)  # a flat direction of descent


@pytest.mark.parametrize("t", [0.5, 2.0])
def test_one_temperature_for_all_is_another_ridge(t):
    """CE(tL) + lam ||L||_* is, in M = tL, the path at lam/t."""
    labels, lam = soft_labels(3), 1e-3
    point = adjusted_minimum(labels, lam, rng=np.random.default_rng(0), temperature=np.full(6, t))
    [wanted] = regularization_path(labels, [lam / t], tol=1e-10)
    np.testing.assert_allclose(t * point.L, wanted.L, atol=DESCENT)


def test_one_ridge_for_all_contexts_is_the_geometric_mean():
    """lam/2 (||W||^2 + c ||H||^2) costs lam root c ||L||_*."""
    labels, lam, c = soft_labels(4), 1e-3, 9.0
    point = adjusted_minimum(labels, lam, rng=np.random.default_rng(0), ridge=np.full(6, c))
    [wanted] = regularization_path(labels, [lam * 3], tol=1e-10)
    np.testing.assert_allclose(point.L, wanted.L, atol=DESCENT)


def test_temperatures_balance_a_one_hot_world_at_every_ridge():
    """Merged, n contexts of weight 1/(nV) and temperature root n are one context of weight 1/V: the exact path."""
    n = np.repeat([4, 1], [8, 2])
    labels = SoftLabels.from_counts(one_hot([4, 4, 1, 1]) / n)
    world = flat_world(all_subsets(4, 1))
    for lam in (1e-1, 1e-3):
        point = adjusted_minimum(labels, lam, rng=np.random.default_rng(0), temperature=np.sqrt(n))
        scale = world.scale(1, 4, lam)
        np.testing.assert_allclose(point.W @ point.W.T, scale * (np.eye(4) - 1 / 4), atol=DESCENT)


def test_an_offset_is_held_to_by_the_gradient():
    """The optimality condition, written out: softmax(L + A) differs from P by lam UV' / pi on the singular vectors of L."""
    labels, lam, rng = soft_labels(5), 1e-2, np.random.default_rng(1)
    A = rng.normal(size=(5, 6))
    point = adjusted_minimum(labels, lam, rng=rng, offset=A)
    q = np.exp(point.L + A)
    G = (labels.P.toarray() - q / q.sum(axis=0)) * labels.pi / lam
    U, s, Vt = np.linalg.svd(point.L, full_matrices=False)
    keep = s > 1e-3 * s[0]
    assert np.linalg.norm(G, 2) < 1 + 1e-4
    np.testing.assert_allclose(np.diag(U[:, keep].T @ G @ Vt[keep].T), 1, atol=1e-4)


@pytest.mark.parametrize(("change", "says"), [
    ({"lam": 0}, "lam: got 0"), ({"temperature": [1.0] * 5}, "temperature"), ({"temperature": [0.0] * 6}, "temperature"),
    ({"ridge": [-1.0] * 6}, "ridge"), ({"offset": np.ones((5, 5))}, "offset"), ({"offset": np.full((5, 1), np.nan)}, "offset")])
def test_what_is_out_of_range_is_named(change, says):
    arguments = {"lam": 1e-2, "rng": np.random.default_rng(0)} | change
    with pytest.raises(ValueError, match=says):
        adjusted_minimum(soft_labels(0), arguments.pop("lam"), **arguments)


def test_a_generator_is_asked_for():
    with pytest.raises(TypeError, match="rng"):
        adjusted_minimum(soft_labels(0), 1e-2, rng=3)


@pytest.mark.parametrize("a", [0.0, 0.5, 1.0, 1.7])
def test_draws_from_zipfs_law_give_their_exponent_back(a):
    rng, V = np.random.default_rng(0), 50
    p = np.arange(1, V + 1.0)**-a
    counts = rng.multinomial(200_000, p / p.sum())
    assert abs(zipf_exponent(rng.permutation(counts)) - a) < 0.02   # four standard errors at most


def test_two_counts_are_enough():
    assert zipf_exponent([8, 2]) == pytest.approx(2)           # 1 / 2^a is a quarter


def test_the_likelihood_is_flat_at_the_exponent():
    counts = np.array([40, 3, 17, 0, 9, 1])
    a, r = zipf_exponent(counts), np.arange(1, 6)
    p = r**-a / np.sum(r**-a)
    assert abs(np.sort(counts)[::-1][:5] @ np.log(r) / counts.sum() - p @ np.log(r)) < 1e-6


@pytest.mark.parametrize("counts", [[1], [1, 0], [1, -2, 3], [1, np.inf], []])
def test_counts_that_say_nothing_are_refused(counts):
    with pytest.raises(ValueError, match="counts"):
        zipf_exponent(counts)

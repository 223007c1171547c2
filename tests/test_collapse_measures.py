"""The measures of collapse, against loops over samples and against geometries whose values are known."""

import numpy as np
import pytest

from ntputils import collapse_measures


def by_samples(H, counts, W):
    """The definitions, sample by sample: each context repeated as often as it counts for a class."""
    samples = [np.repeat(H, row, axis=1) for row in counts]
    means = [X.mean(axis=1) for X in samples]
    scatter = [np.mean([np.sum((x - mu)**2) for x in X.T]) for X, mu in zip(samples, means)]
    centre = np.mean(means, axis=0)
    pairs = [(a, b) for a in range(len(counts)) for b in range(a)]
    unit = [(mu - centre) / np.linalg.norm(mu - centre) for mu in means]
    words = [(w - W.mean(axis=0)) / np.linalg.norm(w - W.mean(axis=0)) for w in W]
    cosines = [unit[a] @ unit[b] for a, b in pairs]
    hits = [np.argmax(W @ x) == np.argmin([np.linalg.norm(x - mu) for mu in means]) for X in samples for x in X.T]
    norms = [np.linalg.norm(mu - centre) for mu in means]
    return [np.mean([(scatter[a] + scatter[b]) / (2 * np.sum((means[a] - means[b])**2)) for a, b in pairs]),
            np.std(norms) / np.mean(norms), np.mean(cosines), np.std(cosines),
            np.std([np.log(1 / np.linalg.norm(unit[a] - unit[b])) for a, b in pairs]),
            np.mean([np.sum((u - w)**2) for u, w in zip(unit, words)]), np.std([u @ w for u, w in zip(unit, words)]),
            np.mean(hits)]


def test_measures_are_their_definitions_over_samples():
    rng = np.random.default_rng(0)
    H, W = rng.normal(size=(5, 12)), rng.normal(size=(4, 5))
    counts = rng.integers(0, 4, size=(4, 12))
    found = collapse_measures(H, counts, W)
    assert np.allclose(list(vars(found).values()), by_samples(H, counts, W), rtol=1e-9)


def test_a_collapsed_simplex_has_the_values_of_full_collapse():
    C = 6
    simplex = np.eye(C) - 1 / C
    H = np.repeat(simplex, 3, axis=1)
    found = collapse_measures(H, np.repeat(np.eye(C), 3, axis=1), simplex)
    assert np.allclose([found.variability, found.equinorm, found.cosine, found.cosine_spread, found.uniformity, found.duality,
                        found.duality_spread, found.agreement], [0, 0, -1 / (C - 1), 0, 0, 0, 0, 1], atol=1e-7)


def test_a_shift_a_turn_and_a_scale_change_nothing_without_words():
    rng = np.random.default_rng(1)
    H, weights = rng.normal(size=(4, 9)), rng.random((3, 9))
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    one, other = (collapse_measures(X, weights) for X in (H, 3 * turn @ H + rng.normal(size=(4, 1))))
    for name in ("variability", "equinorm", "cosine", "cosine_spread", "uniformity"):
        assert np.isclose(getattr(one, name), getattr(other, name))
    assert np.isnan([one.duality, one.duality_spread, one.agreement]).all()


@pytest.mark.parametrize("weights, words", [
    (np.ones((1, 3)), None), (np.ones((2, 4)), None), ([[1, 1, -1], [0, 1, 1]], None), ([[0, 0, 0], [1, 1, 1]], None),
    (np.ones((2, 3)), None), ([[1, 0, 0], [0, 1, 0]], np.eye(3))])
def test_bad_input_is_refused(weights, words):
    with pytest.raises(ValueError, match="weights|words"):
        collapse_measures(np.eye(3), weights, words)


@pytest.mark.parametrize("shift", [0.0, 0.1, 1e3])
def test_a_class_in_the_middle_of_all_has_no_direction(shift):
    """Three classes on a line: the one between has no cosine with the others, and no nan is handed out for it."""
    with pytest.raises(ValueError, match="mean of all classes"):
        collapse_measures(np.array([[-1.0, 0.0, 1.0], [0.5, 0.5, 0.5]]) + shift, np.eye(3))
    assert np.isfinite(collapse_measures(np.array([[-1.0, 0.1, 1.0], [0.5, 0.5, 0.5]]) + shift, np.eye(3)).cosine)


def test_one_class_has_nothing_to_be_compared_with():
    with pytest.raises(ValueError, match=r"weights: got shape \(1, 3\), want .* at least two classes"):
        collapse_measures(np.eye(3), np.ones((1, 3)))

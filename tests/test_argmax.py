"""Who can come first, against the convex hull of another library and against bodies whose corners are known."""

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from ntputils import is_argmaxable


@pytest.mark.parametrize("d, V", [(2, 60), (3, 90), (5, 60)])
def test_first_choices_are_the_corners_of_the_hull(d, V):
    W = np.random.default_rng(d).normal(size=(V, d))
    corners = set(ConvexHull(W).vertices.tolist())
    assert 0 < len(corners) < V
    for word in range(V):
        verdict = is_argmaxable(W, word)
        assert verdict.argmaxable is (word in corners)
        if verdict.argmaxable:
            logits = W @ verdict.direction
            assert logits[word] > np.delete(logits, word).max() and verdict.weights is None
        else:
            weights = np.zeros(V)
            weights[list(verdict.weights)] = list(verdict.weights.values())
            assert weights[word] == 0 and np.isclose(weights.sum(), 1) and np.allclose(weights @ W, W[word], atol=1e-5)


def test_all_points_of_a_sphere_can_and_a_bad_guess_does_not_matter():
    rng = np.random.default_rng(0)
    W = rng.normal(size=(300, 8))
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    for word in range(0, 300, 60):
        assert is_argmaxable(W, word).argmaxable and is_argmaxable(W, word, start=-W[word]).argmaxable
        assert is_argmaxable(W, word, start=np.zeros(8)).argmaxable


def test_twins_can_only_tie():
    W = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0], [1.0, 0.0]])
    verdict = is_argmaxable(W, 3)
    assert verdict.argmaxable is False and verdict.weights == {0: 1.0}


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_verdicts_do_not_depend_on_the_unit(size):
    W = size * np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0], [5.0, -4.0], [0.25, 0.25]])
    verdict = is_argmaxable(W, 4)
    weights = np.array([verdict.weights.get(v, 0.0) for v in range(5)])
    assert verdict.argmaxable is False and min(verdict.weights.values()) > 0
    assert weights @ W == pytest.approx(W[4], rel=1e-6) and weights.sum() == pytest.approx(1)
    assert all(is_argmaxable(W, v).argmaxable for v in (1, 2, 3))


def test_no_certificate_no_verdict():
    W = np.random.default_rng(4).normal(size=(400, 30))
    verdict = is_argmaxable(W, 0, start=-W[0], rounds=0)
    assert verdict.argmaxable is None and verdict.direction is None and verdict.weights is None


@pytest.mark.parametrize("W, word", [(np.eye(3), 3), (np.eye(3), -1), ([[np.nan, 1], [0, 1]], 0), ([[1.0, 2.0]], 0)])
def test_bad_input_is_refused(W, word):
    with pytest.raises(ValueError, match="W, word"):
        is_argmaxable(W, word)


@pytest.mark.parametrize("size", [1e-9, 1e9])
def test_near_a_side_of_the_hull_the_unit_does_not_matter_either(size):
    """A millionth of the triangle's size outside one of its sides, or inside."""
    W = size * np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, -1.0], [0.0, 1e-3], [0.0, -1e-3]])
    out, inside = is_argmaxable(W, 3), is_argmaxable(W, 4)
    assert out.argmaxable is True and (W[3] @ out.direction > np.delete(W, 3, axis=0) @ out.direction).all()
    assert inside.argmaxable is False


def test_what_can_only_tie_or_lose_has_no_margin():
    W = np.array([[2.0, 1.0], [0.0, 1.0], [-1.0, -1.0], [2.0, 1.0], [0.1, 0.2], [1.0, 2.0]])
    for word, can in ((3, False), (4, False), (5, True)):      # a twin, a point inside, a corner
        verdict = is_argmaxable(W, word)
        assert verdict.argmaxable is can and (verdict.margin > 0 if can else verdict.margin == 0)

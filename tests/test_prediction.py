"""The prediction against dense linear algebra that it does not use, and its file."""

import numpy as np
import pytest
import scipy.sparse as sp

from ntputils import Prediction, SoftLabels, load_labels, predict, solve_ntp_svm
from ntputils import prediction as module


def labels_of(V, m, seed, share=0.1):
    rng = np.random.default_rng(seed)
    counts = (rng.random((V, m)) < share * rng.random((V, 1)) * 2) * rng.integers(1, 9, (V, m))
    counts[rng.integers(V, size=m), np.arange(m)] += 1
    return SoftLabels.from_counts(counts)


def dense(labels):
    S = labels.S.toarray().astype(float)
    return S - S.mean(axis=0)


@pytest.fixture(scope="module")
def small():
    return labels_of(12, 30, seed=0)


@pytest.mark.parametrize("entries, gram", [(200_000, 1000), (0, 1000)])
@pytest.mark.parametrize("shape", [(40, 90), (90, 40)])
def test_the_whole_proxy_is_that_of_a_dense_decomposition(monkeypatch, entries, gram, shape):
    """By the dense route and by both Gram matrices; a Gram matrix leaves eight digits, of which six are asked for."""
    monkeypatch.setattr(module, "_ENTRIES", entries)
    labels = labels_of(*shape, seed=1)
    found, target = predict(labels, exact=False), dense(labels)
    s = np.linalg.svd(target, compute_uv=False)
    s = s[s > 1e-9 * s[0]]
    assert found.whole and np.abs(found.sizes / s - 1).max() < 1e-6
    assert np.abs(found.L_mm - target).max() < 1e-6 and np.abs(found.W.T @ found.W - found.H @ found.H.T).max() < 1e-6
    assert found.norm == pytest.approx((s.sum(), s.sum())) and found.share == pytest.approx(1)
    assert found.energy == pytest.approx(np.sum(target**2))


@pytest.mark.parametrize("directions", [1, 5, 20])
def test_leading_directions_and_what_they_leave_out(monkeypatch, directions):
    monkeypatch.setattr(module, "_ENTRIES", 0)
    monkeypatch.setattr(module, "_GRAM", 10)
    labels = labels_of(60, 150, seed=2)
    found = predict(labels, exact=False, directions=directions)
    U, s, Vt = np.linalg.svd(dense(labels), full_matrices=False)
    assert not found.whole and np.abs(found.sizes / s[:directions] - 1).max() < 1e-8
    assert np.abs(found.L_mm - (U[:, :directions] * s[:directions]) @ Vt[:directions]).max() < 1e-6
    assert found.norm[0] <= s.sum() <= found.norm[1]
    low, high = found.optimum
    assert low <= solve_ntp_svm(labels.S, tol=1e-4).primal <= high
    again = predict(labels, exact=False, directions=directions)
    assert np.array_equal(found.W, again.W) and np.array_equal(found.sizes, again.sizes)


def test_a_bracket_is_attained_at_both_ends():
    """Seven singular values, four of them known: the rest may be equal, or two as large as the last and one zero."""
    known = np.array([5.0, 3.0, 2.0, 2.0])
    for rest, end in (([1.0, 1.0, 1.0], 1), ([2.0, 2.0, 0.0], 0)):
        energy = float(np.sum(known**2) + np.sum(np.square(rest)))
        assert module._bracket(known, energy, 7, False)[end] == pytest.approx(known.sum() + np.sum(rest))
    assert module._bracket(known, 42.0, 7, True) == (12.0, 12.0)


def test_exact_is_the_solver(small):
    found, solution = predict(small), solve_ntp_svm(small.S)
    assert found.exact and np.abs(found.L_mm - solution.L).max() < 1e-9
    assert found.optimum == (solution.dual, solution.primal) and found.gap == pytest.approx(solution.gap)
    assert np.abs(found.certificate - solution.certificate).max() == 0
    assert np.abs(found.W.T @ found.W - found.H @ found.H.T).max() < 1e-9
    P, S = small.P.toarray(), small.S.toarray()
    log = np.where(S, np.log(np.where(S, P, 1)), 0)
    assert np.abs(found.L_in.toarray() - np.where(S, log - log.sum(axis=0) / S.sum(axis=0), 0)).max() < 1e-12


def test_full_supports_predict_nothing():
    found = predict(SoftLabels.from_counts(np.ones((3, 4))), exact=False)
    assert found.sizes.size == 0 and not found.L_mm.any() and found.optimum == (0.0, 0.0) and found.share == 1


@pytest.mark.parametrize("exact", [True, False])
def test_saved_and_loaded(tmp_path, small, exact):
    one = predict(small, exact=exact)
    two = Prediction.load(one.save(tmp_path / "p.npz"))
    assert (one.exact, one.whole, one.energy, one.norm, one.optimum) == (two.exact, two.whole, two.energy, two.norm, two.optimum)
    arrays = ("W", "H_distinct", "inverse", "counts", "sizes")
    assert all(np.array_equal(getattr(one, name), getattr(two, name)) for name in arrays)
    assert (one.L_in != two.L_in).nnz == 0 and (two.certificate is None) == (not exact)
    with pytest.raises(ValueError, match="holds Prediction"):
        SoftLabels.load(tmp_path / "p.npz")


def test_bad_input(small):
    with pytest.raises(ValueError, match="directions: got 0"):
        predict(small, exact=False, directions=0)
    with pytest.raises(ValueError, match="directions: got 3 with exact=True"):
        predict(small, directions=3)
    one = predict(small)
    with pytest.raises(ValueError, match="want"):
        Prediction(one.W, one.H_distinct[:, :-1], one.inverse, one.counts, one.sizes, one.L_in, True, True, 1.0, (0, 0), (0, 0))
    with pytest.raises(ValueError, match="inverse"):
        Prediction(one.W, one.H_distinct, one.inverse + 99, one.counts, one.sizes, sp.csc_array(one.L_in), True, True, 1.0,
                   (0, 0), (0, 0))


def test_real_supports_with_weights():
    """Contexts that share a support weigh by their number: the simplified TinyStories has 404 for 34 supports."""
    labels = load_labels("simplified-tinystories")
    found = predict(labels, exact=False)
    assert len(found.counts) == 34 and found.H.shape[1] == 404
    assert np.abs(found.L_mm - dense(labels)).max() < 1e-9


def test_the_largest_entry_of_a_direction_is_positive(small):
    """A singular vector has no sign of its own: two machines must choose the same."""
    W = predict(small, exact=False).W
    assert (np.take_along_axis(W, np.abs(W).argmax(axis=0)[None], axis=0) > 0).all()

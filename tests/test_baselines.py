"""Count models: against loops over the counts, closed forms, and what their objectives ask for."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from ntputils import (SoftLabels, centered_support, in_support_logits, pmi, smoothed_log_probabilities, svd_vectors,
                      train_glove, train_sgns)

COUNTS = np.array([[7, 0, 2, 1], [1, 4, 0, 0], [0, 3, 5, 0], [2, 0, 0, 6], [0, 1, 1, 0]])
EXACT = 1e-12     # a few sums of a few numbers below 10
FULL = np.array([[60, 12, 9], [15, 40, 10], [8, 20, 70], [30, 30, 25]])   # no zero: SGNS has an optimum


@pytest.fixture(scope="module")
def labels():
    return SoftLabels.from_counts(COUNTS)


def by_loops(N, epsilon=0.0):
    """PMI of smoothed counts, entry by entry."""
    N = N + epsilon
    found = np.full(N.shape, -np.inf)
    for z in range(N.shape[0]):
        for j in range(N.shape[1]):
            if N[z, j]:
                joint, word, context = N[z, j] / N.sum(), N[z].sum() / N.sum(), N[:, j].sum() / N.sum()
                found[z, j] = np.log(joint / (word * context))
    return found


@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_pmi_is_what_it_says(labels, epsilon):
    raw = by_loops(COUNTS, epsilon)
    np.testing.assert_allclose(pmi(labels, positive=False, epsilon=epsilon), raw, rtol=0, atol=EXACT)
    np.testing.assert_allclose(pmi(labels, negatives=5, epsilon=epsilon), np.maximum(raw - np.log(5), 0), rtol=0, atol=EXACT)


def test_smoothed_probabilities_sum_to_one_and_are_the_counts(labels):
    L = smoothed_log_probabilities(labels, 0.5)
    np.testing.assert_allclose(np.exp(L).sum(axis=0), 1, rtol=0, atol=EXACT)
    assert np.exp(L[0, 0]) == pytest.approx(7.5 / 12.5, abs=EXACT)


def test_smoothing_is_the_finite_part_and_the_proxy(labels):
    for epsilon in (1e-3, 1e-9):
        L = smoothed_log_probabilities(labels, epsilon)
        left = L - L.mean(axis=0) - in_support_logits(labels).toarray()
        for j, inside in enumerate(COUNTS.T > 0):       # what is left: one value on the support, one off it
            scale = left[inside, j].mean() - left[~inside, j].mean()
            np.testing.assert_allclose(left[:, j], scale * centered_support(labels.S)[:, j], rtol=0, atol=2 * epsilon)


def test_svd_vectors_are_the_best_of_their_rank_and_balanced():
    A = np.random.default_rng(0).normal(size=(7, 5))
    s = np.linalg.svd(A, compute_uv=False)
    for d in (1, 3, 5):
        W, H = svd_vectors(A, d)
        assert np.linalg.norm(A - W @ H) == pytest.approx(np.linalg.norm(s[d:]), abs=1e-9)
        np.testing.assert_allclose(W.T @ W, H @ H.T, rtol=0, atol=EXACT)
        assert all(W[np.abs(W[:, k]).argmax(), k] > 0 for k in range(d))
    np.testing.assert_array_equal(svd_vectors(A, 3)[0], svd_vectors(A[:, ::1].copy(), 3)[0])


@pytest.mark.parametrize("exponent", [1.0, 0.5])
def test_sgns_goes_to_its_optimum(exponent):
    """Levy and Goldberg's, with the negatives that gensim leaves out: N positives, k q_z (n_j - N_zj) negatives a cell."""
    W, H = train_sgns(SoftLabels.from_counts(FULL), d=8, seed=3, negatives=2, exponent=exponent, epochs=3000)
    drawn = FULL.sum(axis=1)**exponent / np.sum(FULL.sum(axis=1)**exponent)
    optimum = np.log(FULL / (2 * drawn[:, None] * (FULL.sum(axis=0) - FULL)))
    assert np.abs(W @ H - optimum).max() < 0.15                # the last steps are small and average over samples
    assert np.abs(W @ H - (by_loops(FULL) - np.log(2))).max() > 0.3      # shifted PMI itself is another matrix here


def test_sgns_repeats_itself_and_sees_the_labels_order(labels):
    first, again = (train_sgns(labels, d=3, seed=5, epochs=4) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert first[0].shape == (5, 3) and first[1].shape == (3, 4)
    assert not np.array_equal(first[0], train_sgns(labels, d=3, seed=6, epochs=4)[0])


def objective(x, d, x_max=100.0, power=0.75):
    """GloVe's sum, cell by cell."""
    V, m = COUNTS.shape
    W, H = x[:V * d].reshape(V, d), x[V * d:(V + m) * d].reshape(d, m)
    b, c = x[(V + m) * d:(V + m) * d + V], x[(V + m) * d + V:]
    total = 0.0
    for z, j in np.argwhere(COUNTS > 0):
        weight = min(1.0, (COUNTS[z, j] / x_max)**power)
        total += weight * (W[z] @ H[:, j] + b[z] + c[j] - np.log(COUNTS[z, j]))**2
    return total


def test_glove_minimises_its_objective(labels):
    found = train_glove(labels, d=1, rng=np.random.default_rng(0), steps=4000, lr=0.01)
    x = np.concatenate([part.ravel() for part in found[:4]])
    assert found.loss == pytest.approx(objective(x, 1), abs=EXACT)
    assert np.abs(approx_fprime(x, lambda y: objective(y, 1))).max() < 1e-4
    few = train_glove(labels, d=1, rng=np.random.default_rng(0), steps=5)
    assert few.loss > found.loss
    whole = train_glove(labels, d=4, rng=np.random.default_rng(0), steps=4000, lr=0.01)
    fitted = whole.W @ whole.H + whole.word_bias[:, None] + whole.context_bias
    np.testing.assert_allclose(fitted[COUNTS > 0], np.log(COUNTS[COUNTS > 0]), rtol=0, atol=1e-3)


def test_bad_input_is_named(labels):
    uncounted = SoftLabels(labels.P, labels.pi, labels.vocab, labels.contexts)
    for call in (pmi, lambda x: smoothed_log_probabilities(x, 1.0), lambda x: train_sgns(x, d=2, seed=0),
                 lambda x: train_glove(x, d=2, rng=np.random.default_rng(0))):
        with pytest.raises(ValueError, match="labels: got n = 0"):
            call(uncounted)
    for epsilon in (0.0, -1.0, np.inf):
        with pytest.raises(ValueError, match="epsilon: got"):
            smoothed_log_probabilities(labels, epsilon)
    with pytest.raises(ValueError, match="epsilon: got -1"):
        pmi(labels, epsilon=-1)
    with pytest.raises(ValueError, match="negatives: got 0.5"):
        pmi(labels, negatives=0.5)
    with pytest.raises(ValueError, match=r"a word that follows no context \(row 1\)"):
        pmi(SoftLabels.from_counts([[1, 2], [0, 0]]))
    with pytest.raises(ValueError, match="d: got 5, want a number from 1 to 4"):
        svd_vectors(COUNTS, 5)
    with pytest.raises(ValueError, match="A: got shape"):
        svd_vectors(np.full((2, 2), np.nan), 1)
    with pytest.raises(ValueError, match="d, negatives, epochs, lr: got 0"):
        train_sgns(labels, d=0, seed=0)
    with pytest.raises(ValueError, match="d, steps, lr, x_max, power: got 1, 0"):
        train_glove(labels, d=1, rng=np.random.default_rng(0), steps=0)
    with pytest.raises(TypeError, match="rng: got int"):
        train_glove(labels, d=1, rng=0)


def test_without_gensim_the_library_loads_and_says_what_is_missing():
    code = ("import sys; sys.modules['gensim'] = None\n"
            "from ntputils import SoftLabels, train_sgns\n"
            "try: train_sgns(SoftLabels.from_counts([[1]]), d=1, seed=0)\n"
            "except ImportError as error: print(error)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install gensim" in done.stdout, done.stderr
    quiet = subprocess.run([sys.executable, "-c", "import ntputils, sys; print('gensim' in sys.modules)"],
                           capture_output=True, text=True)
    assert quiet.stdout.strip() == "False"

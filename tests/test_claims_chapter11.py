"""Every claim of chapter 11, on a small model trained by other code: honest input holds, perturbed fails."""

import numpy as np
import pytest
from scipy import stats

from ntputils import SoftLabels, claim, load_corpus, solve_ntp_svm, train_ufm

COVERED = {f"11.{i}" for i in range(1, 10)}


def verdict(id_, measured):
    return claim(id_, measured).verdict


@pytest.fixture(scope="module")
def run():
    """Labels, the predicted square roots, and free vectors trained with NumPy instead of torch."""
    labels = SoftLabels.from_tokens(load_corpus("synthetic", seed=1, sharing=0), context_length=5)
    labels = labels.restrict(range(labels.m))
    solution = solve_ntp_svm(labels.S, tol=1e-7)
    U, s, Vt = np.linalg.svd(solution.L, full_matrices=False)
    trained = train_ufm(labels, d=30, steps=2000, lr=3e-3, optimizer="adam", rng=np.random.default_rng(0),
                        snapshots=[2000])
    return labels, solution, U * np.sqrt(s), np.sqrt(s)[:, None] * Vt, trained


def cosines(X):
    return (X / np.linalg.norm(X, axis=0)).T @ (X / np.linalg.norm(X, axis=0))


def shuffled_p(A, B, rng, times=999):
    """Mantel's p with scipy's correlation and a loop."""
    pairs = np.triu_indices(len(A), 1)
    seen = stats.pearsonr(A[pairs], B[pairs]).statistic
    orders = [rng.permutation(len(A)) for _ in range(times)]
    return (1 + sum(stats.pearsonr(A[pairs], B[np.ix_(o, o)][pairs]).statistic >= seen for o in orders)) / (1 + times)


def entropy(labels):
    P = labels.P.toarray()
    return -np.sum(labels.pi * np.sum(P * np.log(np.where(P > 0, P, 1)), axis=0))


def test_11_1(run):
    labels, *_, trained = run
    excess = trained.loss - entropy(labels)
    assert verdict("11.1", excess[-1] / excess[0]) == "holds"
    assert verdict("11.1", (trained.loss[-1] - 0.9 * entropy(labels)) / excess[0]) == "fails"


@pytest.fixture(scope="module")
def other(run):
    """Contexts of another width, start and optimiser."""
    return train_ufm(run[0], d=40, steps=1000, lr=8.0, rng=np.random.default_rng(5), snapshots=[1000]).H[-1]


@pytest.mark.parametrize("id_", ["11.2", "11.3", "11.7"])
def test_11_2_11_3_11_7(run, other, id_):
    *_, W_mm, H_mm, trained = run
    ours, predicted = {"11.2": (trained.H[-1], H_mm), "11.3": (trained.W[-1].T, W_mm.T),
                       "11.7": (trained.H[-1], other)}[id_]
    rng = np.random.default_rng(1)
    assert verdict(id_, shuffled_p(cosines(ours), cosines(predicted), rng)) == "holds"
    order = rng.permutation(ours.shape[1])
    assert verdict(id_, shuffled_p(cosines(ours[:, order]), cosines(predicted), rng, times=99)) == "fails"


def finite_part(L, S):
    return np.array([np.where(on, x - x[on].mean(), 0) for x, on in zip(L.T, S.T)]).T


def test_11_4(run):
    labels, *_, trained = run
    P, S = labels.P.toarray(), labels.S.toarray()
    target = finite_part(np.log(np.where(S, P, 1)), S)
    ours = finite_part(trained.W[-1] @ trained.H[-1], S)
    assert verdict("11.4", np.linalg.norm(ours - target) / np.linalg.norm(target)) == "holds"
    assert verdict("11.4", np.linalg.norm(ours - 1.2 * target) / np.linalg.norm(target)) == "fails"


def direction(L, S):
    L = L - L.mean(axis=0)
    return L - finite_part(L, S)


def cosine(A, B):
    return np.vdot(A, B) / np.linalg.norm(A) / np.linalg.norm(B)


def test_11_5_11_6(run):
    labels, solution, *_, trained = run
    S = labels.S.toarray()
    rest, first = (direction(trained.W[k] @ trained.H[k], S) for k in (-1, 0))
    assert verdict("11.5", cosine(rest, solution.L)) == "holds"
    assert verdict("11.5", cosine(first, solution.L)) == "fails"
    assert verdict("11.6", cosine(rest, solution.L) - cosine(rest, S - S.mean(axis=0))) == "open"


def scatter_ratio(H, classes):
    means = {c: H[:, classes == c].mean(axis=1) for c in set(classes)}
    within = sum(np.sum((h - means[c])**2) for h, c in zip(H.T, classes))
    return within / sum(np.sum((means[c] - H.mean(axis=1))**2) for c in classes)


def test_11_8(run):
    _, solution, *_, trained = run
    first, last = (scatter_ratio(trained.H[k], solution.inverse) for k in (0, -1))
    assert verdict("11.8", last / first) == "holds"
    wrong = np.roll(solution.inverse, 1)
    assert verdict("11.8", scatter_ratio(trained.H[-1], wrong) / scatter_ratio(trained.H[0], wrong)) == "fails"


def test_11_9_counts_up_to_four_reach_the_entropy_that_was_reported():
    def least(most):
        tables = np.array(np.meshgrid(*[np.arange(1, most + 1)] * 3)).reshape(3, -1)
        return stats.entropy(tables / tables.sum(axis=0)).min()

    assert verdict("11.9", least(2) - 1.0166) == "holds"
    assert verdict("11.9", least(4) - 1.0166) == "fails"

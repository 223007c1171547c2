"""Chapter 6 under attack: other worlds, seeds and texts, degenerate supports, and where its statements end."""

import numpy as np
import pytest

from ntputils import (SoftLabels, collapse_ratio, load_corpus, project_leading, regularization_path,
                      solve_ntp_svm, train_ufm)

TWINS = [[7, 3, 0], [3, 7, 0], [0, 0, 10]]


def classes(A):
    """The number of each row's pattern."""
    return np.unique(A, axis=0, return_inverse=True)[1].ravel()


def averaged(A, groups):
    """Columns replaced by the mean of their group."""
    return np.stack([A[:, groups == g].mean(axis=1) for g in groups], axis=1)


def allowed(labels):
    """Twice the nuclear norms of the theorem: contexts alone, words alone, both."""
    S, joint = labels.S.toarray(), labels.P.toarray() * labels.pi
    M = np.zeros(joint.shape)
    M[S] = np.log(joint[S])
    columns, rows = classes(S.T), classes(S)
    both = averaged(averaged(M, columns).T, rows).T
    return [2 * np.linalg.norm(rest, "nuc") for rest in (M - averaged(M, columns), M - averaged(M.T, rows).T, M - both)]


def scatter(point, labels):
    S = labels.S.toarray()
    contexts = np.sum((point.H - averaged(point.H, classes(S.T)))**2)
    words = np.sum((point.W.T - averaged(point.W.T, classes(S)))**2)
    return contexts, words, contexts + words


def random_world(seed):
    """Repeated supports, sometimes full ones and doubled words; contexts much more frequent than others."""
    rng = np.random.default_rng(seed)
    V, u = rng.integers(3, 6), rng.integers(2, 4)
    S = rng.random((V, u)) < 0.5
    S[rng.integers(0, V, u), np.arange(u)] = True
    S[-1, 0], S[0, 0] = False, True
    S = np.repeat(S, rng.integers(1, 4, u), axis=1)
    if seed % 3 == 0:
        S = np.hstack([S, np.ones((V, 2), bool)])
    if seed % 3 == 1:
        S = np.repeat(S, 2, axis=0)
    often = np.exp((seed % 2) * 2 * rng.normal(size=S.shape[1]))
    return SoftLabels.from_counts(S * np.maximum(1, np.round(100 * often * rng.uniform(0.05, 1, S.shape))))


@pytest.mark.parametrize("seed", range(6))
def test_scatter_keeps_its_bound_on_random_worlds_with_full_supports_doubled_words_and_uneven_weights(seed):
    labels = random_world(seed)
    joint = (labels.P.toarray() * labels.pi)[labels.S.toarray()]
    for point in regularization_path(labels, joint.min() * np.array([1e-3, 1e-6]), tol=1e-9):
        for found, bound in zip(scatter(point, labels), allowed(labels)):
            assert found <= 1.01 * bound + 1e-8


def test_the_scatter_bound_needs_its_dimensions():
    labels = SoftLabels.from_counts(TWINS)
    wide, narrow = (regularization_path(labels, [1e-8], d=d)[0] for d in (2, 1))
    assert scatter(wide, labels)[0] <= 1.01 * allowed(labels)[0]
    assert scatter(narrow, labels)[0] > 100 * allowed(labels)[0]


def test_equal_joint_probabilities_make_the_bound_of_contexts_zero_but_not_that_of_words():
    labels = SoftLabels.from_counts([[7, 7, 0], [3, 3, 0], [0, 0, 10]])
    contexts, words, both = allowed(labels)
    assert contexts < 1e-12 and min(words, both) > 0.5
    [point] = regularization_path(labels, [1e-8], tol=1e-9)
    assert scatter(point, labels)[0] < 1e-8 < 0.01 < scatter(point, labels)[1]


@pytest.mark.parametrize("third", [True, False], ids=["three tokens", "two tokens, full supports"])
@pytest.mark.parametrize("a, b", [(7, 3), (99, 1), (6, 5)])
def test_twins_with_other_odds_stay_apart_by_their_own_log_odds(a, b, third):
    counts = np.array([[a, b, 0], [b, a, 0], [0, 0, a + b]])
    labels = SoftLabels.from_counts(counts if third else counts[:2, :2])
    [point] = regularization_path(labels, [1e-10], tol=1e-9)
    assert np.sum((point.H[:, 0] - point.H[:, 1])**2) == pytest.approx(2 * np.log(a / b), rel=1e-5)


def test_equal_distributions_and_frequencies_are_one_point_at_every_ridge_and_zero_from_the_largest_on():
    labels = SoftLabels.from_counts([[4, 4, 1], [2, 2, 0], [0, 0, 5], [0, 0, 0]])
    for point in regularization_path(labels, [1, 0.05, 1e-3, 1e-12], tol=1e-9):
        assert np.abs(point.H[:, 0] - point.H[:, 1]).max() < 1e-6
    assert not regularization_path(labels, [1])[0].L.any()


def test_one_hot_contexts_of_unequal_frequency_differ_by_the_log_of_it_and_meet():
    labels = SoftLabels.from_counts([[100, 4, 0], [0, 0, 20]])
    path = regularization_path(labels, [1e-6, 1e-9, 1e-12], tol=1e-9)
    short = [np.log(25) - (point.L[0, 0] - point.L[1, 0]) + (point.L[0, 1] - point.L[1, 1]) for point in path]
    assert short[0] > short[1] > short[2] > 0 and short[2] < 0.15           # it takes its time: one over R again
    gaps = [np.linalg.norm(point.H[:, 0] - point.H[:, 1]) for point in path]
    R = np.array([np.linalg.norm(point.L, "nuc") for point in path])
    assert np.polyfit(np.log(R), np.log(gaps), 1)[0] == pytest.approx(-0.5, abs=0.15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("seed", range(3))
def test_the_uncertainty_relation_holds_for_any_weights(seed, dtype):
    rng = np.random.default_rng(seed)
    W, H = rng.normal(size=(6, 1 + seed)).astype(dtype), rng.normal(size=(1 + seed, 5)).astype(dtype)
    q = np.exp(W.astype(float) @ H)
    q /= q.sum(axis=0)
    for z, y, j, k in rng.integers(0, 5, size=(50, 4)):
        kappa = np.log(q[z, j] * q[y, k] / q[y, j] / q[z, k])
        assert np.linalg.norm(W[z] - W[y]) * np.linalg.norm(H[:, j] - H[:, k]) >= abs(kappa) - 1e-5


@pytest.mark.parametrize("seed", range(4))
def test_the_growing_subspace_inequality_holds_for_any_matrix_any_pair_and_tied_singular_values(seed):
    rng = np.random.default_rng(seed)
    L = rng.normal(size=(5, 7)) if seed else np.repeat(np.eye(5) - 0.2, 2, axis=1)
    U, s, Vt = np.linalg.svd(L, full_matrices=False)
    H, rank = np.sqrt(s)[:, None] * Vt, np.sum(s > 1e-9)
    for r in range(1, rank + 1):
        kept = project_leading(H, r)
        for j, k in rng.integers(0, L.shape[1], size=(20, 2)):
            assert np.sum((kept[:, j] - kept[:, k])**2) <= np.sum((L[:, j] - L[:, k])**2) / s[r - 1] + 1e-9


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-200, 1e200])
def test_one_point_is_collapsed_whatever_rounding_makes_of_its_mean(value):
    X = np.repeat(value * np.array([[1.0], [3.0], [-0.7]]), 6, axis=1)
    assert collapse_ratio(X, [0, 0, 0, 1, 1, 1]) == 0


@pytest.mark.parametrize("size", [1e-170, 1.0, 1e170])
def test_the_collapse_ratio_has_no_unit_and_takes_float32(size):
    rng = np.random.default_rng(0)
    X, names = rng.normal(size=(3, 8)), np.arange(8) % 3
    means = np.stack([X[:, names == c].mean(axis=1) for c in names], axis=1)
    wanted = np.sum((X - means)**2) / np.sum((means - X.mean(axis=1, keepdims=True))**2)
    assert collapse_ratio(size * X, names) == pytest.approx(wanted, rel=1e-9)
    assert collapse_ratio(X.astype(np.float32), names) == pytest.approx(wanted, rel=1e-5)


def counts_of(labels, each=3):
    """The most frequent contexts of the ten supports of two to five words that most contexts of a text share."""
    groups, words = {}, np.array([token.isalpha() for token in labels.vocab])
    for j in np.flatnonzero((labels.pi * labels.n > 3.5) & (labels.support_sizes >= 2) & (labels.support_sizes <= 5)):
        support = labels.S[:, [j]].indices
        if words[support].all():
            groups.setdefault(tuple(support), []).append(j)
    chosen = sorted(groups.values(), key=len, reverse=True)[:20]
    return labels.restrict(np.concatenate([group[:each] for group in chosen]))


def test_on_another_text_growth_does_not_find_the_subspace_and_the_rank_of_the_solution_does():
    """Claims 6.9 to 6.11 speak of TinyStories: in the King James Version late directions have begun to grow."""
    text = counts_of(SoftLabels.from_tokens(load_corpus("kjv"), context_length=5))
    _, supports, _ = text.merge_supports()
    path = regularization_path(text, np.geomspace(1e-3, 1e-10, 8), tol=1e-8)
    early, late = (np.linalg.svd(path[k].L, compute_uv=False) for k in (3, 7))
    growing = np.sum((late > 1.5 * early) & (late > 0.5))
    rank = np.linalg.matrix_rank(solve_ntp_svm(text.S).L, tol=1e-3)

    def gain(r):
        H = path[-1].H
        return collapse_ratio(project_leading(H, r), supports) / collapse_ratio(H, supports)

    assert growing > rank
    assert gain(growing) > 0.5 > gain(rank)


@pytest.mark.parametrize("seed", range(3))
def test_plain_descent_collapses_from_other_starts_and_not_before_it_starts(seed):
    labels = SoftLabels.from_counts([[8, 3, 0, 0, 0, 0], [2, 9, 0, 0, 1, 4], [0, 0, 6, 2, 0, 0], [0, 0, 3, 9, 5, 2]])
    run = train_ufm(labels, d=1 + seed * 3, steps=3000, lr=2.0, rng=np.random.default_rng(seed), snapshots=[3000])
    ratios = [collapse_ratio(H, [0, 0, 1, 1, 2, 2]) for H in run.H]
    assert (ratios[-1] < 0.1 < ratios[0]) == (seed > 0)      # one dimension cannot hold three supports

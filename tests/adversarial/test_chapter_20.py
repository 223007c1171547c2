"""Chapter 20 under attack: any split into rare and frequent words, soft company, uneven weights, strong remedies."""

import numpy as np
import pytest

from ntputils import (SoftLabels, adjusted_minimum, center, centered_support, factor, in_support_logits, lambda_max, one_hot,
                      project_F, regularization_path, softmax, solve_ntp_svm, star_gram, step_geometry, zipf_exponent)


def gram(L):
    """WW' = (LL')^(1/2)."""
    U, s, _ = np.linalg.svd(L, full_matrices=False)
    return (U * s) @ U.T


# --- closed forms ---

@pytest.mark.parametrize("V", [3, 4, 9, 40])
@pytest.mark.parametrize("R", [1, 2.5, 1e6])
def test_the_minority_cosine_for_every_split_of_the_words(V, R):
    for many in {1, V // 2, V - 2}:
        few = V - many
        rho = np.sqrt((R * few + many) / V)
        G = gram(center(np.eye(V)) * np.sqrt(np.repeat([R, 1], (many, few))))
        wanted = 1 - few / (few - 1 + rho * many / V)
        assert G[-1, -2] / G[-1, -1] == pytest.approx(wanted, abs=1e-8)
        assert step_geometry(V, R, majority=many).minority_cosine == pytest.approx(wanted, abs=1e-12)
        half = (((few + 1) * V / many)**2 * V - many) / few
        assert step_geometry(V, half, majority=many).minority_cosine == pytest.approx(0.5)


def test_one_frequent_word_takes_the_fourth_power():
    for V in (3, 6, 50):
        assert step_geometry(V, (V**5 - 1) / (V - 1), majority=1).minority_cosine == pytest.approx(0.5)
    np.testing.assert_allclose(star_gram([7, 7, 1, 1])[-1, -2], 0, atol=1e-12)


# --- when words part ---

def world(own, company, weight):
    """T = as many tokens as there are, each alone in `own` contexts of one weight, and other contexts with theirs."""
    company, alone = np.asarray(company, dtype=float), np.zeros((len(company), 3 * own))
    alone[np.repeat(np.arange(3), own), np.arange(3 * own)] = weight
    return SoftLabels.from_counts(np.hstack([alone, company]))


COMPANY = {"none that holds them": [[0, 0], [0, 0], [0, 0], [1, 0], [1, 2]],
           "soft, with all of them": [[1], [1], [1], [5], [0]],
           "full supports": [[2, 1], [2, 1], [2, 1], [1, 1], [3, 9]], "heavy": [[0], [0], [0], [1e4], [3e4]]}


@pytest.mark.parametrize("company", COMPANY.values(), ids=COMPANY)
@pytest.mark.parametrize("own, weight", [(1, 1.0), (2, 1.0), (5, 0.02)])
def test_words_part_at_the_ridge_of_the_theorem_in_soft_company_too(company, own, weight):
    labels = world(own, company, weight)
    edge = labels.pi[0] * np.sqrt(own)
    together, *apart = regularization_path(labels, edge * np.array([1.02, 0.5, 1e-3]), tol=1e-10)
    size = np.linalg.norm(together.W[:3], axis=1).max()
    assert np.abs(together.W[:3] - together.W[0]).max() < 1e-3 * max(size, 1e-2)
    for point in apart:
        q = softmax(point.L)[:, 0]
        assert q[0] - q[1] == pytest.approx(1 - point.lam / edge, abs=1e-4)
        assert np.sum((point.W[0] - point.W[1])**2) == pytest.approx(2 * np.sqrt(own) * np.log(q[0] / q[1]), rel=1e-3)


def test_words_that_other_contexts_tell_apart_are_apart_above_that_ridge():
    labels = world(1, [[9], [0], [0], [9], [0]], 1.0)
    point = regularization_path(labels, [1.5 * labels.pi[0]], tol=1e-10)[0]
    assert np.linalg.norm(point.W[0] - point.W[1]) > 0.1 > 1e-3 > np.linalg.norm(point.W[1] - point.W[2])


@pytest.mark.parametrize("seed", range(3))
def test_the_margins_of_the_path_hold_the_weights_as_the_page_says(seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 3, (4, 5)) * 10.0**rng.integers(0, 4, 5)
    counts[rng.integers(4, size=5), np.arange(5)] += 1
    labels = SoftLabels.from_counts(counts)
    point = regularization_path(labels, [1e-2 * lambda_max(labels)], tol=1e-10)[0]
    q, P = softmax(point.L), labels.P.toarray()
    G = (P - q) * labels.pi / point.lam
    for j in range(5):
        for v in np.flatnonzero(P[:, j] == 0):
            z = P[:, j].argmax()
            beside = np.log(labels.pi[j] * q[z, j] / -G[v, j])
            assert point.L[z, j] - point.L[v, j] == pytest.approx(-np.log(point.lam) + beside)
    assert np.linalg.norm(G, 2) <= 1 + 1e-4


# --- remedies ---

def soft(seed, V=4, m=5):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 3, (V, m)).astype(float)
    counts[rng.integers(V, size=m), np.arange(m)] += 1
    return SoftLabels.from_counts(counts / counts.sum(axis=0) * rng.dirichlet(np.ones(m) * 5)), rng


@pytest.mark.parametrize("seed, spread", [(0, 1), (1, 20)])
def test_copies_ridges_and_temperatures_are_one_knob_at_strong_settings(seed, spread):
    labels, rng = soft(seed)
    c = rng.integers(1, 1 + spread, labels.m)
    copy = np.repeat(np.arange(labels.m), c)
    copies = SoftLabels.from_counts((labels.P.toarray() * labels.pi / c)[:, copy])
    points = [adjusted_minimum(copies, 1e-3, rng=rng), adjusted_minimum(labels, 1e-3, rng=rng, ridge=c),
              adjusted_minimum(labels, 1e-3, rng=rng, temperature=c**-0.5)]
    assert max(p.residual for p in points) < 1e-3
    grams = [p.W @ p.W.T for p in points]
    assert max(np.abs(G - grams[0]).max() for G in grams) < 1e-3 * grams[0].max()
    other = adjusted_minimum(labels, 1e-3, rng=rng, temperature=1 / c)          # not the root
    assert spread == 1 or np.abs(other.W @ other.W.T - grams[0]).max() > 1e-2 * grams[0].max()


def test_an_offset_of_every_logit_moves_the_finite_part_only():
    labels, rng = soft(1)
    S, A = labels.S.toarray(), 3 * rng.normal(size=labels.P.shape)
    point = adjusted_minimum(labels, 1e-5, rng=rng, offset=A)
    target = in_support_logits(labels).toarray() - project_F(A, S).toarray()
    assert np.abs(project_F(center(point.L), S).toarray() - target).max() < 0.02 * np.abs(A).max()
    plain = {lam: adjusted_minimum(labels, lam, rng=rng).L for lam in (1e-3, 1e-6)}
    moved = [np.linalg.norm(L / np.linalg.norm(L) - M / np.linalg.norm(M)) for L, M in
             ((plain[lam], adjusted_minimum(labels, lam, rng=rng, offset=A).L) for lam in plain)]
    assert moved[1] < 0.7 * moved[0]


@pytest.mark.parametrize("counts, lam", [(np.eye(4), 1.0), (np.eye(4), 0.25), ([[1, 2], [2, 1]], 0.9), ([[1, 2]], 1e-3)],
                         ids=["above", "at", "full supports", "V = 1"])
def test_from_lambda_max_on_nothing_is_learned(counts, lam):
    point = adjusted_minimum(SoftLabels.from_counts(counts), lam, rng=np.random.default_rng(0))
    assert np.abs(point.L).max() < 1e-4 and point.residual < 1e-6


@pytest.mark.parametrize("counts", [[[3], [1], [0]], np.diag([1e6, 1, 1, 1.0]), [[1, 2], [2, 1]], np.float32([[1, 0], [1, 1]])],
                         ids=["one context", "uneven", "full supports", "float32"])
def test_a_minimum_of_degenerate_labels_is_certified_and_that_of_the_path(counts):
    labels = SoftLabels.from_counts(counts)
    lam = 1e-3 * lambda_max(labels)
    point = adjusted_minimum(labels, lam, rng=np.random.default_rng(0))
    assert point.residual < 1e-4
    np.testing.assert_allclose(center(point.L), regularization_path(labels, [lam], tol=1e-10)[0].L, atol=2e-3)


def test_too_small_a_ridge_is_told_by_the_residual():
    assert adjusted_minimum(SoftLabels.from_counts(np.eye(4)), 1e-200, rng=np.random.default_rng(0)).residual > 1


# --- lengths ---

@pytest.mark.parametrize("L", [np.random.default_rng(0).normal(size=(5, 8)), np.outer([3, 0, -1], [1, 2]), np.eye(4),
                               centered_support(one_hot([1000, 1, 1])), solve_ntp_svm(np.triu(np.ones((6, 5)))).L,
                               np.float32([[1, 2], [0, 1]])],
                         ids=["random", "rank one", "equal sizes", "uneven", "a chain", "float32"])
def test_the_length_of_a_word_is_within_its_bracket(L):
    squares, rows, top = np.sum(factor(L)[0]**2, axis=1), np.linalg.norm(L, axis=1), np.linalg.norm(L, 2)
    np.testing.assert_allclose(squares, np.diag(gram(np.asarray(L, dtype=float))), atol=1e-6)
    assert np.all(rows**2 / top <= squares + 1e-6) and np.all(squares <= rows + 1e-6)
    if np.linalg.matrix_rank(L) == 1:                             # the left end is reached; with equal sizes both are
        np.testing.assert_allclose(squares, rows**2 / top, atol=1e-9)


@pytest.mark.parametrize("S", [np.eye(3), [[1, 1, 0], [0, 1, 1], [0, 0, 0]], [[1], [0]], np.ones((2, 3))])
def test_the_rows_of_the_proxy_have_the_length_of_the_page_for_silent_words_too(S):
    S = np.asarray(S)
    V, k = len(S), S.sum(axis=0)
    wanted = S.sum(axis=1) - 2 * S @ (k / V) + np.sum(k**2) / V**2
    np.testing.assert_allclose(np.sum(centered_support(S)**2, axis=1), wanted, atol=1e-12)


# --- Zipf ---

@pytest.mark.parametrize("a", [0.3, 1.0, 5.0, 25.0, 60.0])
@pytest.mark.parametrize("V", [2, 3, 400])
def test_the_exponent_of_exact_counts_however_steep(a, V):
    counts = np.exp(-a * np.log(np.arange(1, V + 1)))
    assert zipf_exponent(np.random.default_rng(0).permutation(counts)) == pytest.approx(a, rel=1e-6)


@pytest.mark.parametrize("counts", [[3, 1], [1, 1, 1, 9], np.float32([5, 4, 1]), [0, 7, 0, 1], [1e9, 1]])
def test_no_exponent_near_it_makes_the_counts_more_likely(counts):
    a, counts = zipf_exponent(counts), np.sort(np.asarray(counts, dtype=float))[::-1]
    ranks = np.arange(1, np.sum(counts > 0) + 1)

    def likelihood(a):
        p = ranks**-a / np.sum(ranks**-a)
        return counts[:len(ranks)] @ np.log(p)

    assert likelihood(a) >= max(likelihood(0.98 * a), likelihood(1.02 * a))


def test_equal_counts_have_exponent_zero_and_one_word_none():
    assert zipf_exponent([4, 4, 4, 4]) == 0
    with pytest.raises(ValueError, match="counts: got 1 numbers"):
        zipf_exponent([3])

"""Chapter 15 under attack: its identities with zero and constant vectors, its null values in full, its tests with few items."""

import itertools

import numpy as np
import pytest
from scipy.linalg import expm

from ntputils import (SoftLabels, angle_signs, between_groups, bootstrap_interval, candidate_geometries, centered_support, cka,
                      cosine_matrix, factor, group_floor, load_labels, mantel, off_diagonal_correlation, partial_mantel,
                      procrustes_distance, solve_ntp_svm, structural_correlation)

SUPPORTS = {
    "one context": [[1], [1], [0]],
    "two words": [[1, 0], [0, 1]],
    "one-hot": np.eye(5),
    "equal supports": [[1, 1, 1], [1, 1, 1], [0, 0, 0], [0, 0, 0]],
    "nested chain": np.triu(np.ones((5, 5)))[:, :4],
    "full and one-hot": np.hstack([np.eye(4), np.ones((4, 1))]),
    "doubled": np.repeat(np.repeat(np.eye(3), 2, axis=0), 3, axis=1)}


def two_kinds(A, B, alike):
    """The right side of the lemma, over the pairs that a mask counts."""
    q, rest = alike.mean(), ~alike
    a, b = A[rest], B[rest]
    alpha, beta = (np.arctan2(np.sqrt(x.var() / q), 1 - x.mean()) for x in (a, b))
    moved = a.std() * b.std() > 0
    r = np.corrcoef(a, b)[0, 1] if moved else 0.0
    return np.cos(alpha) * np.cos(beta) + r * np.sin(alpha) * np.sin(beta)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("n", "d"), [(3, 1), (4, 2), (9, 9), (40, 3)])
def test_the_lemma_on_the_diagonal_at_other_sizes(seed, n, d):
    X, Y = np.random.default_rng(seed).normal(size=(2, d, n)) + 0.2
    A, B = cosine_matrix(X), cosine_matrix(Y)
    if A.std() * B.std() > 1e-9:
        said = (1 - n**-2) * two_kinds(A, B, np.eye(n, dtype=bool))
        assert structural_correlation(A, B, C=0) == pytest.approx(said, abs=1e-12)


@pytest.mark.parametrize("sizes", [(2, 2, 2), (1, 1, 5), (4, 3, 1, 1)])
def test_the_lemma_with_equals_for_the_second_diagonal(sizes):
    rng, of = np.random.default_rng(sum(sizes)), np.repeat(np.arange(len(sizes)), sizes)
    A, B = (cosine_matrix(rng.normal(size=(6, len(sizes)))[:, of]) for _ in range(2))
    pairs = np.triu(np.ones(A.shape, bool), 1)
    said = two_kinds(A[pairs], B[pairs], (of[:, None] == of)[pairs])
    assert off_diagonal_correlation(A, B) == pytest.approx(said, abs=1e-12)


def test_a_zero_vector_breaks_the_diagonal_and_the_page_says_so():
    """A context that any word may follow has the zero vector: no direction, and zero where the lemma wants one."""
    S = np.array(SUPPORTS["full and one-hot"])
    A = cosine_matrix(factor(centered_support(S))[1])
    assert A[4, 4] == 0 and not A[4].any()
    X = np.random.default_rng(0).normal(size=(3, 5))
    B = cosine_matrix(X)
    wrong = (1 - 5**-2) * two_kinds(A, B, np.eye(5, dtype=bool))
    assert abs(structural_correlation(A, B, C=0) - wrong) > 0.01
    kept = A[:4, :4], B[:4, :4]
    assert structural_correlation(*kept, C=0) == pytest.approx((1 - 4**-2) * two_kinds(*kept, np.eye(4, dtype=bool)), abs=1e-12)


@pytest.mark.parametrize("n", [3, 5, 8])
def test_null_values_on_a_line_by_all_signs(n):
    """d = 1: a uniform direction is a sign, and expectations are sums over all of them."""
    signs = np.array(list(itertools.product([-1.0, 1.0], repeat=n)))
    cosines = signs[:, :, None] * signs[:, None, :]
    means = cosines.mean(axis=(1, 2))
    pair = np.mean([np.mean(cosines * B, axis=(1, 2)).mean() for B in cosines]) - means.mean()**2
    own = np.mean(cosines**2) - np.mean(means**2)
    assert pair / own == pytest.approx(1 / (1 + n - 2 / n), rel=1e-12)
    upper = np.triu_indices(n, 1)
    sums = np.array([cosines[:, upper[0], upper[1]] @ B[upper] for B in cosines])
    N = len(upper[0])
    assert sums.mean() == pytest.approx(0, abs=1e-12) and np.mean(sums**2) == pytest.approx(N, rel=1e-12)


def test_scatter_needs_symmetry_and_not_uniformity():
    """Part 2 with a long tail, and with a part that all vectors share, where two pairs with one item in common depend."""
    rng, n, tail = np.random.default_rng(0), 20, 1 / np.arange(1, 9)[:, None]
    upper, ratio = np.triu_indices(n, 1), {}
    for name, shift in (("tail", 0.0), ("shared", 1.0)):
        A, B = (np.array([cosine_matrix(rng.normal(size=(8, n)) * (tail if shift == 0 else 1) + shift)[upper]
                          for _ in range(600)]) for _ in range(2))
        if shift:
            A, B = A - A.mean(), B - B.mean()                       # the correlation takes the mean out
        said = np.mean(np.sum(A**2, axis=1)) * np.mean(np.sum(B**2, axis=1)) / len(upper[0])
        ratio[name] = np.mean(np.sum(A * B, axis=1)**2) / said
    assert 0.8 < ratio["tail"] < 1.2 and ratio["shared"] > 1.5


@pytest.mark.parametrize("n", [3, 4, 34])
def test_the_smallest_p_value_is_that_of_the_orders_there_are(n):
    """999 shuffles of three items are six orders, each many times: p cannot fall below a sixth, give or take."""
    rng = np.random.default_rng(1)
    A = cosine_matrix(rng.normal(size=(5, n)))
    p, orders = mantel(A, A, rng=rng).p, {3: 6, 4: 24}.get(n, np.inf)
    assert p == pytest.approx(max(1 / orders, 0.001), rel=0.5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_items_that_are_one_point_have_no_correlation(dtype):
    """Cosines that are one up to rounding used to correlate: rounding has a pattern."""
    X = np.outer([0.1, 0.7, 0.3], np.arange(1.0, 9.0)).astype(dtype)
    Y = np.random.default_rng(0).normal(size=(3, 8))
    constant = cosine_matrix(X) if dtype == np.float64 else np.ones((8, 8), dtype)
    for method in ("pearson", "spearman"):
        assert np.isnan(off_diagonal_correlation(constant, cosine_matrix(Y), method=method))
    test = mantel(cosine_matrix(Y), constant, rng=np.random.default_rng(1), permutations=9)
    assert np.isnan(test.r) and np.isnan(test.p)
    assert np.isnan(cka(np.full((2, 7), 0.1), Y[:2, :7])) and np.isnan(procrustes_distance(np.zeros((2, 8)), Y))
    assert np.isfinite(off_diagonal_correlation(1 + 1e-9 * cosine_matrix(Y), cosine_matrix(Y)))     # small is not nothing


def test_what_is_constant_explains_nothing():
    rng = np.random.default_rng(0)
    A, B, C = (cosine_matrix(rng.normal(size=(3, 9))) for _ in range(3))
    plain, some = off_diagonal_correlation(A, B), partial_mantel(A, B, [C], rng=rng, permutations=9).r
    assert partial_mantel(A, B, [np.ones((9, 9))], rng=rng, permutations=9).r == pytest.approx(plain, abs=1e-12)
    assert partial_mantel(A, B, [C, np.eye(9)], rng=rng, permutations=9).r == pytest.approx(some, abs=1e-12)
    assert abs(some - plain) > 1e-3


def test_an_interval_wants_numbers():
    with pytest.raises(ValueError, match="finite"):
        bootstrap_interval([0.1, 0.2, float("nan"), 0.3, 0.4], rng=np.random.default_rng(0))
    assert bootstrap_interval([2.0] * 5, rng=np.random.default_rng(0)) == (2.0, 2.0)


def test_the_ceiling_is_for_predictions_that_have_not_seen_the_noise():
    rng, N = np.random.default_rng(0), 20_000
    T, E, F = rng.normal(size=(3, N))
    A, B = T + E, T + F
    rho = np.corrcoef(A, B)[0, 1]
    best = np.corrcoef(A, T)[0, 1]
    assert best == pytest.approx(np.sqrt(rho), abs=0.02)
    assert np.corrcoef(A, T + 0.5 * E)[0, 1] > np.sqrt(rho) + 0.1        # one that has seen it passes


@pytest.mark.parametrize("counts", [[[5], [3], [2]], np.eye(3), [[1, 1], [1, 1]], [[1e5, 1], [1, 0], [0, 3]]])
def test_first_steps_against_the_flow_itself(counts):
    """The expected Gram matrices from a matrix exponential; without any slope (even full supports) nothing moves."""
    labels, t = SoftLabels.from_counts(counts), 1.7
    M = labels.P.toarray() * labels.pi
    M -= M.mean(axis=0)
    V, m = M.shape
    step = expm(t * np.block([[np.zeros((V, V)), M], [M.T, np.zeros((m, m))]]))     # of W over H'
    gram = step @ step.T                                                            # independent starts of variance one

    def said(M):
        values, vectors = np.linalg.eigh(M.T @ M)
        return (vectors * np.cosh(2 * t * np.sqrt(values.clip(0)))) @ vectors.T

    assert np.allclose(gram[V:, V:], said(M), atol=1e-9) and np.allclose(gram[:V, :V], said(M.T), atol=1e-9)
    if np.ptp(np.asarray(counts, dtype=float)) == 0:
        assert np.allclose(gram, np.eye(V + m))


@pytest.mark.parametrize("name", SUPPORTS)
def test_all_are_acute_in_support_in_every_world(name):
    S = np.array(SUPPORTS[name]) > 0
    solution, bounded = solve_ntp_svm(S, tol=1e-9), ~S.all(axis=0)
    for L, off in ((centered_support(S), 1.0), (solution.L, None)):
        inside, outside = angle_signs(L[:, bounded], S[:, bounded])
        assert inside == 1.0 and (off is None or outside == off)
    assert np.all(solution.L[:, ~bounded] == 0)                     # no angle where any word may follow


@pytest.mark.parametrize("name", SUPPORTS)
def test_the_overlap_formula_is_the_centred_support_where_it_is_defined(name):
    S = np.array(SUPPORTS[name], dtype=float)
    V, k = len(S), S.sum(axis=0)
    keep = k < V
    S, k = S[:, keep], k[keep]
    formula = (S.T @ S - np.outer(k, k) / V) / np.sqrt(np.outer(k - k**2 / V, k - k**2 / V))
    if S.shape[1] >= 3:
        assert np.allclose(formula, cosine_matrix(centered_support(S > 0)), atol=1e-12)
    assert np.allclose(np.diag(formula), 1)


@pytest.mark.parametrize("diagonal", [True, False])
def test_the_floor_is_the_mean_over_all_orders_of_equal_groups(diagonal):
    rng, of = np.random.default_rng(3), np.repeat(np.arange(4), 2)
    A = cosine_matrix(rng.normal(size=(3, 8)))
    blocks = cosine_matrix(rng.normal(size=(3, 4)))
    chosen = np.ones((8, 8), bool) if diagonal else ~np.eye(8, dtype=bool)
    found = [np.corrcoef(A[chosen], blocks[np.ix_(o, o)][np.ix_(of, of)][chosen])[0, 1]
             for o in map(list, itertools.permutations(range(4)))]
    B = blocks[np.ix_(of, of)]
    assert group_floor(A, B, of, diagonal=diagonal) == pytest.approx(np.mean(found), abs=1e-12)


@pytest.mark.parametrize("name", ["one-hot", "equal supports", "doubled", "two words"])
def test_candidates_of_worlds_at_the_edge_are_finite(name):
    for W, H in candidate_geometries(SoftLabels.from_counts(np.array(SUPPORTS[name], dtype=np.float32))).values():
        assert np.all(np.isfinite(W)) and np.all(np.isfinite(H))


@pytest.mark.parametrize("seed", [0, 5])
def test_equal_supports_are_a_second_diagonal_on_other_draws_and_dimensions(seed):
    S = load_labels("simplified-tinystories", seed=seed).S.toarray()
    of = np.unique(S, axis=1, return_inverse=True)[1].ravel()
    counts = np.bincount(of)
    q, rng = np.sum(counts * (counts - 1)) / (len(of) * (len(of) - 1)), np.random.default_rng(seed)
    for d in (16, 128):
        A, B = (cosine_matrix(rng.normal(size=(d, len(counts)))[:, of]) for _ in range(2))
        assert off_diagonal_correlation(A, B) == pytest.approx(q * d / (1 + q * d), abs=0.06)
        apart = off_diagonal_correlation(between_groups(A, of), between_groups(B, of))
        assert abs(apart) < 4 / np.sqrt(34 * 33 / 2)

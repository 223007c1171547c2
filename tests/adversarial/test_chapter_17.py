"""Chapter 17 under attack: other trees, starts, dimensions and counts, degenerate supports, and concepts of equal size."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.integrate import quad, solve_ivp

from ntputils import (SoftLabels, adjusted_rand, all_subsets, class_share, find_concepts, from_sets, half_time, load_labels,
                      ntp_gradient, shuffle_supports, subspace_overlap, train_ufm)


def centred(S):
    S = np.asarray(S, dtype=float)
    return S - S.mean(axis=0)


# --- concepts of degenerate supports ---

ODD = {"one-hot": np.eye(250), "a chain": np.triu(np.ones((230, 229))), "V = 2": [[1, 0, 1], [0, 1, 1]],
       "one context": [[1], [1], [0]],
       "one support": np.repeat([[1.0], [0.0]], 120, axis=0)[:, [0] * 240], "equal rows": np.kron(np.eye(3), np.ones((80, 70))),
       "nearly full": 1 - np.eye(220)}


@pytest.mark.parametrize("S", ODD.values(), ids=ODD)
@pytest.mark.parametrize("kind", [np.float32, np.bool_, sp.csc_array])
def test_concepts_are_singular_triples_of_degenerate_supports_too(S, kind):
    S = np.asarray(S)
    whole = np.linalg.svd(centred(S), compute_uv=False)
    count = min(6, int(np.sum(whole > 1e-9 * whole[0])))
    found = find_concepts(S.astype(kind) if kind is not sp.csc_array else kind(S), count)
    np.testing.assert_allclose(found.sizes, whole[:count], rtol=1e-9)
    np.testing.assert_allclose(centred(S) @ found.contexts, found.words * found.sizes, atol=1e-7 * whole[0])
    np.testing.assert_allclose(found.words.T @ found.words, np.eye(count), atol=1e-9)
    assert np.abs(found.words.sum(axis=0)).max() < 1e-9


@pytest.mark.parametrize("shape", [(3, 4), (1, 5), (300, 250)])
def test_full_supports_have_no_concept_at_any_size(shape):
    with pytest.raises(ValueError, match="count: got 1, want at most 0, the rank"):
        find_concepts(np.ones(shape), 1)


def test_of_concepts_of_equal_size_just_the_span_is_defined():
    order = np.random.default_rng(0).permutation(30)
    one, other = (find_concepts((1 - np.eye(30))[rows], 29).words for rows in (np.arange(30), order))
    assert subspace_overlap(one[order], other) == pytest.approx(1)
    assert np.median(np.abs(np.diag(one[order].T @ other))) < 0.9


# --- trees ---

def branches(sizes, b):
    """Leaf sets of a complete tree with b branches at each inner node."""
    leaves = b**sizes
    return from_sets([range(a, a + b**k) for k in range(sizes + 1) for a in range(0, leaves, b**k)], leaves)


@pytest.mark.parametrize("b, depth", [(2, 1), (2, 6), (3, 3), (4, 3), (5, 2)])
def test_a_tree_with_more_branches_has_the_sizes_of_the_exercise(b, depth):
    wanted = [np.sqrt((b**k - 1) / (b - 1)) for k in range(depth, 0, -1) for _ in range((b - 1) * b**(depth - k))]
    np.testing.assert_allclose(find_concepts(branches(depth, b), b**depth - 1).sizes, wanted, rtol=1e-10)


def test_the_sizes_are_those_of_complete_trees_with_each_node_once():
    S, sizes = branches(3, 2), np.sqrt([7, 3, 3, 1, 1, 1, 1])
    pruned = S[:6][:, S[:6].any(axis=0)]
    assert np.abs(find_concepts(np.hstack([S, S[:, :8]]), 7).sizes - sizes).min() > 0.1     # leaves that occur twice
    assert abs(find_concepts(pruned, 1).sizes[0] - sizes[0]) > 0.1                          # two leaves cut off


# --- the square loss ---

def half_times(S, d, seed, start=1e-3, end=12, steps=1200):
    """Sizes, times at which each concept has half its size, and what the start predicts; Runge and Kutta by hand."""
    target, rng = centred(S), np.random.default_rng(seed)
    U, s, Vt = np.linalg.svd(target, full_matrices=False)
    rank = int(np.sum(s > 1e-9))
    U, s, Vt = U[:, :rank], s[:rank], Vt[:rank]
    W, H = start * rng.normal(size=(len(S), d)), start * rng.normal(size=(d, len(S.T)))
    predicted, found, h = half_time(s, np.sum((W.T @ U + H @ Vt.T)**2, axis=0) / 4), [], end / steps
    for _ in range(steps):
        found.append(np.sum((U.T @ W) * (H @ Vt.T).T, axis=1))
        k = [(np.zeros_like(W), np.zeros_like(H))]
        for part in (0, h / 2, h / 2, h):
            X, Y = W + part * k[-1][0], H + part * k[-1][1]
            k.append(((target - X @ Y) @ Y.T, X.T @ (target - X @ Y)))
        W, H = (Z + h / 6 * (k[1][i] + 2 * k[2][i] + 2 * k[3][i] + k[4][i]) for i, Z in enumerate((W, H)))
    return s, np.argmax(np.array(found) > s / 2, axis=0) * h, predicted


@pytest.mark.parametrize("seed", range(3))
def test_half_times_in_64_dimensions_with_other_starts_and_in_eight_they_are_later(seed):
    ratio = {}
    for d in (64, 8):
        s, times, predicted = half_times(branches(3, 2), d, seed)
        assert all(times[i] < times[j] for i in range(7) for j in range(7) if s[i] > s[j] + 1e-6)
        ratio[d] = (times / predicted).max()
    assert 0.98 < ratio[64] < 1.05 < 1.08 < ratio[8] < 1.25


def test_beside_a_large_start_the_larger_concept_is_not_first():
    assert half_time(4.0, 1.0) > half_time(2.5, 1.0)                     # below 4.6 times the start the order turns
    x = np.linspace(4.6, 50, 1000)
    assert np.all(np.diff(half_time(x, 1.0)) < 0) and half_time(4.5, 1.0) < half_time(4.59, 1.0)


# --- the cross-entropy ---

def grown(labels, eps, d, theta=0.5, seed=0):
    """Logits at t = theta log(1/eps) / mu_1 along the flow, the top pair of M0, and the norm that the theorem gives them."""
    rng, (V, m) = np.random.default_rng(seed), labels.P.shape
    A, B, P = rng.normal(size=(V, d)), rng.normal(size=(d, m)), labels.P.toarray()
    U, s, Vt = np.linalg.svd(centred(P) * labels.pi, full_matrices=False)
    a, mu, b = U[:, 0], s[0], Vt[0]

    def slope(t, x):
        W, H = x[:V * d].reshape(V, d), x[V * d:].reshape(d, m)
        E = np.exp(W @ H)
        G = (P - E / E.sum(axis=0)) * labels.pi
        return np.concatenate([(G @ H.T).ravel(), (W.T @ G).ravel()])

    end = theta * np.log(1 / eps) / mu
    start = eps * np.concatenate([A.ravel(), B.ravel()])
    x = solve_ivp(slope, (0, end), start, rtol=1e-10, atol=1e-18, method="DOP853").y[:, -1]
    size = np.sum((A.T @ a + B @ b)**2) / 4 * eps**(2 - 2 * theta)
    return x[:V * d].reshape(V, d) @ x[V * d:].reshape(d, m), np.outer(a, b), size


@pytest.mark.parametrize("counts", [np.random.default_rng(1).integers(0, 4, (5, 4)) + [[1], [0], [0], [0], [0]],
                                    [[3], [1], [0]], np.diag([1000.0, 10, 1, 1]), [[5, 1], [1, 1]], [[1, 0, 2], [0, 3, 1]]],
                         ids=["random", "one context", "very uneven weights", "full supports", "V = 2"])
@pytest.mark.parametrize("d", [1, 3])
def test_the_first_direction_is_that_of_frequencies_in_degenerate_worlds_too(counts, d):
    labels = SoftLabels.from_counts(np.asarray(counts, dtype=float))
    mu = np.append(np.linalg.svd(centred(labels.P.toarray()) * labels.pi, compute_uv=False), 0)
    (L, ab, size), (M, _, small) = (grown(labels, eps, d) for eps in (1e-6, 1e-9))
    before, after = (np.linalg.norm(X / np.linalg.norm(X) - ab) for X in (L, M))
    assert after < 1.2 * before * 1e-3**(0.5 - 0.5 * mu[1] / mu[0]) + 1e-7                  # the order that the theorem gives
    assert after < 0.2 and abs(np.linalg.norm(M) / small - 1) < 0.02


def test_where_two_rates_are_equal_there_is_no_first_direction():
    L, ab, _ = grown(SoftLabels.from_counts(np.eye(4)), 1e-6, 3)
    s = np.linalg.svd(L, compute_uv=False)
    assert np.linalg.norm(L / np.linalg.norm(L) - ab) > 0.3 and s[1] > 0.1 * s[0]


@pytest.mark.parametrize("seed", range(3))
def test_early_rates_of_descent_on_other_counts_and_starts(seed):
    stories = load_labels("tinystories-counts")
    labels = stories.restrict(np.flatnonzero(stories.support_sizes >= 4)[20 * seed:20 * seed + 30])
    A, mu, Bt = np.linalg.svd(-ntp_gradient(np.zeros(labels.P.shape), labels), full_matrices=False)
    lr = 2 / mu[0]                                                        # the largest that the theorem allows
    run = train_ufm(labels, d=8, steps=4, lr=lr, init_scale=1e-4, rng=np.random.default_rng(seed), snapshots=range(5))
    size = [np.linalg.norm(A[:, :3].T @ W + Bt[:3] @ H.T, axis=1) for W, H in zip(run.W, run.H)]
    np.testing.assert_allclose(np.log(size[4] / size[0]), 4 * np.log(1 + lr * mu[:3]), rtol=1e-3)


@pytest.mark.parametrize("S", [all_subsets(2, 1), all_subsets(6, 1), all_subsets(6, 5), all_subsets(5, 3),
                               from_sets([{i % 7, (i + 1) % 7, (i + 3) % 7} for i in range(7)], 7)],
                         ids=["V = 2", "one-hot", "all but one", "triples of five", "Fano"])
def test_the_clock_of_other_symmetric_worlds_and_its_late_form(S):
    from scipy.special import expi

    (V, m), k, proxy = S.shape, int(S[:, 0].sum()), centred(S)
    labels, sigma = SoftLabels.from_counts(S.astype(float)), np.linalg.norm(proxy, 2)

    def ridge(a):
        return np.linalg.norm(ntp_gradient(a * proxy, labels), 2)

    a0, a = 1e-3, 6.0
    time = quad(lambda u: 1 / (2 * ridge(np.exp(u))), np.log(a0), np.log(a), epsabs=0, epsrel=1e-10)[0]
    clock = k * m / (2 * sigma * V) * (k * (expi(a) - expi(a0)) + (V - k) * np.log(a / a0))
    assert clock == pytest.approx(time, rel=1e-8)
    assert k * m / (2 * sigma * V) * k * expi(20.0) == pytest.approx(1 / (40 * ridge(20.0)), rel=0.1)


# --- measures ---

@pytest.mark.parametrize("value", [0.0, 0.1, 1e9 / 3])
def test_a_constant_score_has_no_share_whatever_its_value(value):
    with pytest.raises(ValueError, match="got a constant score"):
        class_share(np.full((7, 1), value), "aabbccc", rng=np.random.default_rng(0))


def test_strata_of_one_item_leave_nothing_to_shuffle():
    X = np.arange(6.0)[:, None]
    assert class_share(X, "aabbcc", strata=range(6), rng=np.random.default_rng(0), permutations=19).p_mean == 1


@pytest.mark.parametrize("S", [np.ones((3, 4)), np.triu(np.ones((6, 6))), [[1], [0]], [[1, 0, 0, 0], [0, 0, 0, 0]][:1]],
                         ids=["full", "a chain", "one context", "V = 1"])
def test_supports_that_are_fixed_by_their_sums_stay(S):
    S = np.array(S) > 0
    S[0] = True
    assert np.array_equal(shuffle_supports(S, rng=np.random.default_rng(0)), S)


def test_clusterings_that_cut_all_or_nothing_have_no_index():
    assert np.isnan(adjusted_rand("aaaa", "aaaa")) and np.isnan(adjusted_rand("abcd", "abcd"))
    assert adjusted_rand("aaab", "xxxy") == 1 and adjusted_rand("aaaa", "abcd") == 0

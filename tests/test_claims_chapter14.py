"""Every claim of chapter 14, on small worlds and by other code: honest input holds, perturbed fails."""

import numpy as np
import pytest
from ntputils import SoftLabels, claim, load_corpus, regularization_path, solve_ntp_svm, train_ufm
from scipy import stats
from scipy.optimize import brentq

COVERED = {f"14.{i}" for i in range(1, 21)}


def verdict(id_, measured):
    return claim(id_, float(measured)).verdict


@pytest.fixture(scope="module")
def language():
    """The synthetic language, its solution, and the two factors of it."""
    labels = SoftLabels.from_tokens(load_corpus("synthetic", seed=1, sharing=0), context_length=5)
    labels = labels.restrict(range(labels.m))
    solution = solve_ntp_svm(labels.S, tol=1e-8)
    U, s, Vt = np.linalg.svd(solution.L, full_matrices=False)
    return labels, solution, U * np.sqrt(s), np.sqrt(s)[:, None] * Vt


@pytest.fixture(scope="module")
def wide(language):
    return train_ufm(language[0], d=32, steps=2000, lr=3e-3, optimizer="adam", rng=np.random.default_rng(0), snapshots=[2000])


@pytest.fixture(scope="module")
def path(language):
    """The minimum at a small ridge, without a limit on the dimension."""
    return regularization_path(language[0], [1e-5])[-1]


def loss_above_entropy(L, labels):
    """sum_j pi_j KL(p_j || softmax(L_j)), the long way."""
    P, total = labels.P.toarray(), 0.0
    for weight, p, logits in zip(labels.pi, P.T, np.asarray(L).T, strict=True):
        q = np.exp(logits - logits.max())
        on = p > 0
        total += weight * np.sum(p[on] * np.log(p[on] / (q / q.sum())[on]))
    return total


def cosine(A, B):
    return np.vdot(A, B) / np.sqrt(np.vdot(A, A) * np.vdot(B, B))


def off_the_finite_part(L, S):
    L = L - L.mean(axis=0)
    return L - np.array([np.where(on, x - x[on].mean(), 0) for x, on in zip(L.T, S.T, strict=True)]).T


def cosines(X):
    return (X / np.linalg.norm(X, axis=0)).T @ (X / np.linalg.norm(X, axis=0))


def correlation(A, B):
    pairs = np.triu_indices(len(A), 1)
    return stats.pearsonr(A[pairs], B[pairs]).statistic


def spread(L):
    """The effective rank, from the eigenvalues of the Gram matrix."""
    s = np.sqrt(np.linalg.eigvalsh(L.T @ L).clip(0))
    return np.exp(stats.entropy(s / s.sum()))


def count(L):
    s = np.linalg.svd(L, compute_uv=False)
    return sum(s > s[0] / 200)


def truncated(L, rank):
    U, s, Vt = np.linalg.svd(L, full_matrices=False)
    return U[:, :rank] * s[:rank] @ Vt[:rank]


def test_14_1(language, wide):
    labels, _, _, _ = language
    ends = [loss_above_entropy(wide.W[k] @ wide.H[k], labels) for k in (0, -1)]
    assert verdict("14.1", ends[1] / ends[0]) == "holds"
    assert verdict("14.1", loss_above_entropy(truncated(wide.W[-1] @ wide.H[-1], 2), labels) / ends[0]) == "fails"


def test_14_2():
    rng = np.random.default_rng(3)
    counts = np.zeros((8, 24))
    counts[:6, :12], counts[2:, 12:] = rng.uniform(0.1, 1, (6, 12)), rng.uniform(0.1, 1, (6, 12))
    labels = SoftLabels.from_counts(counts)

    def reached(d):
        run = train_ufm(labels, d=d, steps=1500, lr=1e-2, optimizer="adam", rng=np.random.default_rng(0), snapshots=[1500])
        return loss_above_entropy(run.W[-1] @ run.H[-1], labels)

    narrow, enough = reached(2), reached(12)
    assert verdict("14.2", narrow / enough) == "holds"
    assert verdict("14.2", reached(11) / enough) == "fails"


def test_14_3(language, wide):
    _, solution, *_ = language
    L = wide.W[-1] @ wide.H[-1]
    L = L - L.mean(axis=0)
    squares = np.sort(np.linalg.eigvalsh(solution.L @ solution.L.T))[::-1]
    ceiling = np.sqrt(squares[:4].sum() / squares.sum())
    for honest in (truncated(L, 4), truncated(solution.L, 4)):
        assert verdict("14.3", cosine(honest, solution.L) - ceiling) == "holds"
    assert verdict("14.3", cosine(L, solution.L) - ceiling) == "fails"


@pytest.mark.parametrize("id_", ["14.4", "14.18"])
def test_14_4_14_18(id_, language, path):
    labels, solution, *_ = language
    rest = off_the_finite_part(path.L, labels.S.toarray())
    assert verdict(id_, cosine(rest, solution.L)) == "holds"
    assert verdict(id_, cosine(np.roll(rest, 3, axis=1), solution.L)) == "fails"


@pytest.mark.parametrize(("id_", "side"), [("14.5", 1), ("14.6", 0)])
def test_14_5_14_6(id_, side, language, wide):
    predicted = cosines((language[2].T, language[3])[side])
    ours = cosines((wide.W[-1].T, wide.H[-1])[side])
    rng = np.random.default_rng(1)

    def p(A, times):
        orders = [rng.permutation(len(A)) for _ in range(times)]
        return (1 + sum(correlation(A, predicted[np.ix_(o, o)]) >= correlation(A, predicted) for o in orders)) / (1 + times)

    order = rng.permutation(len(ours))
    assert verdict(id_, p(ours, 999)) == "holds"
    assert verdict(id_, p(ours[np.ix_(order, order)], 99)) == "fails"


def test_14_7(language, path):
    *_, H_mm = language

    def agreement(rank):
        """Of the contexts of the minimum cut down to so many dimensions."""
        _, s, Vt = np.linalg.svd(path.L, full_matrices=False)
        return correlation(cosines(np.sqrt(s[:rank, None]) * Vt[:rank]), cosines(H_mm))

    assert verdict("14.7", abs(agreement(13) - agreement(16))) == "holds"
    assert verdict("14.7", abs(agreement(2) - agreement(16))) == "fails"


def test_14_8(language, path):
    labels, solution, *_ = language
    rest = off_the_finite_part(path.L, labels.S.toarray())
    assert verdict("14.8", spread(rest) / spread(solution.L)) == "holds"
    noise = np.random.default_rng(0).normal(size=rest.shape)
    assert verdict("14.8", spread(noise) / spread(solution.L)) == "fails"


def circle(V):
    turn = 2 * np.pi * (np.arange(V)[:, None] - np.arange(V)) / V
    return np.cos(turn)


def test_14_9():
    """One-hot words on a circle: the path in two dimensions by one scalar equation, and nu(2) in closed form."""
    V = 10
    shape = circle(V)

    def norm(lam):
        def slope(a):
            q = np.exp(a * (shape[0] - 1))
            return shape[0] @ q / q.sum() - 1 + lam * V      # CE + lam |L|_*, |L|_* = a V, by a

        return V * brentq(slope, 1e-6, 1e4)

    rate = (norm(1e-8) - norm(1e-6)) / np.log(100)
    assert verdict("14.9", abs(rate / (V / (1 - np.cos(2 * np.pi / V))) - 1)) == "holds"
    assert verdict("14.9", abs(rate / (V - 1) - 1)) == "fails"       # the norm without a limit


def test_14_10():
    cheapest = circle(10)
    one = truncated(np.eye(10) - 0.1, 2)
    for L, said in ((cheapest, "holds"), (one, "fails")):
        assert verdict("14.10", cosine(L, cheapest) - cosine(L, one)) == said


def test_14_11(language, path):
    _, solution, *_ = language
    assert verdict("14.11", cosine(truncated(path.L, 13), solution.L)) == "holds"
    assert verdict("14.11", cosine(truncated(path.L, 3), solution.L)) == "fails"


def test_14_12(path):
    def imbalance(W, H):
        return np.linalg.norm(W.T @ W - H @ H.T) / np.linalg.norm(W.T @ W)

    assert verdict("14.12", imbalance(path.W, path.H)) == "holds"
    assert verdict("14.12", imbalance(1.001 * path.W, path.H / 1.001)) == "fails"


def test_questions_without_a_threshold_stay_open():
    assert verdict("14.13", 1) == verdict("14.13", 0.2) == verdict("14.19", 0.5) == "open"


def supports(V, m, k, seed=0):
    rng = np.random.default_rng(seed)
    return np.array([np.isin(np.arange(V), rng.permutation(V)[:k]) for _ in range(m)]).T


def test_14_14():
    sparse, dense = (np.mean([spread(solve_ntp_svm(supports(30, 30, k, seed), tol=1e-4).L) for seed in range(2)])
                     for k in (2, 15))
    assert verdict("14.14", sparse / dense) == "holds"
    assert verdict("14.14", dense / sparse) == "fails"


def test_14_15():
    def share(S):
        sets, rows = {tuple(column) for column in S.T}, {tuple(row) for row in S}
        return count(solve_ntp_svm(S, tol=1e-4).L) / min(len(sets), len(rows) - 1)

    assert verdict("14.15", min(share(np.eye(12, dtype=bool)), share(supports(12, 60, 3)))) == "holds"
    assert verdict("14.15", share(supports(40, 40, 4))) == "fails"


def test_14_16():
    distinct, times = supports(30, 8, 4), 6
    real = count(solve_ntp_svm(np.repeat(distinct, times, axis=1)).L)
    others = [count(solve_ntp_svm(np.repeat(supports(30, 8, 4, seed), times, axis=1)).L) for seed in (1, 2)]
    apart = count(solve_ntp_svm(supports(30, 8 * times, 4)).L)
    assert verdict("14.16", real / np.mean(others)) == "holds"
    assert verdict("14.16", real / apart) == "fails"


def swapped(S, rng, times=400):
    """Random swaps of a 2 x 2 pattern, which keep all row and column sums."""
    S = S.copy()
    for _ in range(times):
        rows, columns = rng.choice(len(S), 2, replace=False), rng.choice(S.shape[1], 2, replace=False)
        block = S[np.ix_(rows, columns)]
        if block[0, 0] == block[1, 1] != block[0, 1] == block[1, 0]:
            S[np.ix_(rows, columns)] = block[::-1]
    return S


def test_14_17():
    rng = np.random.default_rng(2)
    topics = np.repeat(supports(20, 5, 3), 3, axis=1)

    def p(S):
        seen = spread(solve_ntp_svm(S, tol=1e-4).L)
        null = [spread(solve_ntp_svm(swapped(S, rng), tol=1e-4).L) for _ in range(19)]
        return (1 + sum(value <= seen for value in null)) / 20

    assert verdict("14.17", p(topics)) == "holds"
    assert verdict("14.17", p(swapped(topics, rng, 2000))) == "fails"


def test_14_20(language, path):
    labels, *_ = language
    P = labels.P.toarray()

    def certificate(L):
        q = np.exp(L - L.max(axis=0))
        return np.linalg.norm((q / q.sum(axis=0) - P) * labels.pi, 2) / 1e-5

    assert verdict("14.20", certificate(path.L)) == "holds"
    assert verdict("14.20", certificate(truncated(path.L, 6))) == "fails"

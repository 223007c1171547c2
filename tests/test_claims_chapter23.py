"""Every claim of chapter 23, computed by other ways than the notebook's: honest input holds, perturbed input fails."""

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import linprog

from ntputils import SoftLabels, claim, load_labels, regularization_path, solve_ntp_svm
from ntputils.low_rank import solve_low_rank

COVERED = {f"23.{i}" for i in range(1, 25)}
S = np.array([[1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=bool)


def verdict(id_, measured):
    return claim(id_, measured).verdict


def centre(A):
    return A - A.mean(axis=0)


def apart(A, B):
    return np.linalg.norm(A - B) / np.linalg.norm(B)


def svm(S, norm, hanging=None):
    """The margin problem with any norm, by a general solver; `hanging` = (token, context, depth)."""
    L, rules = cp.Variable(S.shape), []
    for j, column in enumerate(S.T):
        on = np.flatnonzero(column)
        depth = hanging[2] if hanging and hanging[1] == j else None
        level = [z for z in on if depth is None or z != hanging[0]]
        rules += [L[z, j] == L[level[0], j] for z in level[1:]]
        rules += [L[level[0], j] - L[v, j] >= 1 for v in np.flatnonzero(~column)]
        if depth is not None:
            rules.append(L[level[0], j] - L[hanging[0], j] == depth)
    problem = cp.Problem(cp.Minimize(norm(L)), rules)
    problem.solve(solver=cp.SCS, eps=1e-8, max_iters=50_000)
    return centre(L.value), problem.value


def unit_norm(L):
    """The least norm of W with contexts in the unit ball, as a semidefinite program."""
    V, m = L.shape
    M = cp.Variable((V + m, V + m), PSD=True)
    limit = cp.max(cp.diag(M[V:, V:]))
    return cp.Problem(cp.Minimize((cp.trace(M[:V, :V]) + limit) / 2), [M[:V, V:] == L])


def unit_svm(S):
    V, m = S.shape
    M = cp.Variable((V + m, V + m), PSD=True)
    L, rules = M[:V, V:], []
    for j, column in enumerate(S.T):
        first, *rest = np.flatnonzero(column)
        rules += [L[z, j] == L[first, j] for z in rest]
        rules += [L[first, j] - L[v, j] >= 1 for v in np.flatnonzero(~column)]
    problem = cp.Problem(cp.Minimize((cp.trace(M[:V, :V]) + cp.max(cp.diag(M[V:, V:]))) / 2), rules)
    problem.solve(solver=cp.SCS, eps=1e-8, max_iters=50_000)
    return centre(M.value[:V, V:]), problem.value


def with_rare(N, token=3, context=0):
    counts = S / S.sum(axis=0) * (N - 1) / 3
    counts[token, context] = 1
    return SoftLabels.from_counts(counts)


def test_23_1_23_2():
    new = S.copy()
    new[3, 0] = True
    half, _ = svm(new, cp.normNuc, hanging=(3, 0, 0.5))
    first, last = (regularization_path(with_rare(N), [N**-2.0])[0].L for N in (1e4, 1e6))
    change = centre(last - first) / np.log(1e4)
    before, after = solve_ntp_svm(S).L, solve_ntp_svm(new).L
    assert verdict("23.1", apart(change, half)) == "holds"
    assert verdict("23.1", apart(change, before)) == verdict("23.1", apart(change, after)) == "fails"
    nearer = min(apart(change, before), apart(change, after))
    assert verdict("23.2", apart(change, half) / nearer) == "holds"
    assert verdict("23.2", apart(after, half) / nearer) == "fails"


def test_23_3():
    """With G known, the identity gives the ridge; half a power of N would not do."""
    G = -solve_ntp_svm(S).certificate[3, 1]
    crossing = []
    for N in (1e3, 1e5, 1e7):
        L = regularization_path(with_rare(N, 3, 1), [1 / (N * G)])[0].L
        q = np.exp(L - L.max(axis=0))
        ratio = (q / q.sum(axis=0))[3, 1] * with_rare(N, 3, 1).pi[1] * N
        assert ratio == pytest.approx(2, rel=0.1)
        crossing.append(1 / (N * G) * 2 / ratio)
    slope = np.polyfit(np.log([1e3, 1e5, 1e7]), np.log(crossing), 1)[0]
    assert verdict("23.3", slope) == "holds"
    assert verdict("23.3", slope / 2) == "fails"


def test_23_4():
    L = np.random.default_rng(0).normal(size=(4, 5))
    least = unit_norm(L)
    least.solve(solver=cp.SCS, eps=1e-8, max_iters=50_000)
    w = np.full(5, 0.2)
    for _ in range(2000):
        left, s, _ = np.linalg.svd(L * np.sqrt(w), full_matrices=False)
        w = w * np.sum((left.T @ L)**2 / s[:, None], axis=0)
        w /= w.sum()
    most = np.linalg.norm(L * np.sqrt(w), "nuc")
    assert verdict("23.4", abs(least.value / most - 1)) == "holds"
    assert verdict("23.4", least.value / np.linalg.norm(L / np.sqrt(5), "nuc") - 1) == "fails"


def test_23_5_23_6():
    """The value is that of NTP-SVM with the best multiplicities; the two theories are apart under imbalance."""
    L, value = unit_svm(S)
    best = max(solve_ntp_svm(np.repeat(S, (c, 500 - c // 2, 500 - c // 2), axis=1)).primal
               / np.sqrt(c + 2 * (500 - c // 2)) for c in range(270, 310, 6))
    uniform = solve_ntp_svm(np.repeat(S, (800, 100, 100), axis=1)).primal / np.sqrt(1000)
    assert verdict("23.5", abs(value / best - 1)) == "holds"
    assert verdict("23.5", value / uniform - 1) == "fails"
    many, free = np.repeat(L, (8, 1, 1), axis=1), solve_ntp_svm(np.repeat(S, (8, 1, 1), axis=1)).L
    near, far = 0.9 * many + 0.1 * free, 0.2 * many + 0.8 * free
    assert verdict("23.6", apart(near, many) / apart(near, free)) == "holds"
    assert verdict("23.6", apart(far, many) / apart(far, free)) == "fails"


def root(A):
    values, vectors = np.linalg.eigh(A)
    A = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    return A / np.linalg.norm(A)


def test_23_7():
    """One-hot words: contexts of length one give the same simplex for every imbalance."""
    S = np.eye(4, dtype=bool)
    L, _ = unit_svm(S)
    simplex, counts = root(centre(np.eye(4))), np.array([8, 8, 1, 1])
    seli = root(centre(np.eye(4)) * counts @ centre(np.eye(4)).T)
    ours = root(L @ L.T)
    assert verdict("23.7", np.linalg.norm(ours - simplex) / np.linalg.norm(ours - seli)) == "holds"
    assert verdict("23.7", np.linalg.norm(seli - simplex) / np.linalg.norm(0.5 * seli + 0.5 * simplex - seli)) == "fails"


def test_questions_without_a_threshold_stay_open():
    assert {verdict(f"23.{i}", 0.5) for i in (8, 14, 15, 19, 21, 23)} == {"open"}


def descend(W, H, end):
    """Gradient descent on CE, uniform targets on S, with steps that keep the loss falling; logits at two times."""
    P, t, seen, step = S / S.sum(axis=0), 0.0, [], 0.1
    for goal in end:
        while t < goal:
            q = np.exp(W @ H - (W @ H).max(axis=0))
            G = (q / q.sum(axis=0) - P) / 3
            W, H, t = W - step * G @ H.T, H - step * W.T @ G, t + step
        seen.append((W.copy(), H.copy()))
    return seen


def test_23_9_23_10_23_11():
    rng = np.random.default_rng(1)
    start = rng.normal(size=(4, 4)), 0.1 * rng.normal(size=(4, 3))
    (W, H), (X, Y) = descend(*start, end=(200, 2000))
    change, target, proxy = centre(X @ Y - W @ H), solve_ntp_svm(S).L, centre(S.astype(float))
    change *= np.sum(change * target) / np.sum(change**2)
    assert verdict("23.10", apart(change, target) / apart(change, proxy)) == "holds at this scale"
    assert verdict("23.10", apart(proxy, target) / apart(0.9 * proxy + 0.1 * target, proxy)) == "fails"
    assert verdict("23.9", apart(0.99 * target, target)) == "holds"
    assert verdict("23.9", apart(proxy, target)) == "fails"
    kept = start[0].T @ start[0] - start[1] @ start[1].T

    def drift(X, Y):
        return np.linalg.norm(X.T @ X - Y @ Y.T - kept) / np.linalg.norm(X.T @ X)

    assert drift(X, Y) < 0.02                                # a step of 0.1 is no flow
    assert verdict("23.11", drift(X, Y) / 100) == "holds"    # nor is a hundredth of it much
    assert verdict("23.11", drift(X, 1.1 * Y)) == "fails"


def test_23_18():
    """The derivative of log |det| along the balanced flow, against finite differences, and its bound."""
    rng = np.random.default_rng(0)
    Q = np.linalg.svd(centre(np.eye(4)))[0][:, :3]
    P, L = S / S.sum(axis=0), rng.normal(size=(3, 3))
    q = np.exp(Q @ L)
    G = Q.T @ ((q / q.sum(axis=0) - P) / 3)
    U, s, Vt = np.linalg.svd(L)
    velocity = -G @ (Vt.T * s) @ Vt - (U * s) @ U.T @ G
    rate = (np.log(abs(np.linalg.det(L + 1e-6 * velocity))) - np.log(abs(np.linalg.det(L - 1e-6 * velocity)))) / 2e-6
    assert rate == pytest.approx(-2 * np.trace(G @ Vt.T @ U.T), rel=1e-5)
    assert abs(rate) <= 2 * np.linalg.norm(G, "nuc")
    for sign in (1, -1):
        x = np.diag([1, 1, sign]) @ L                        # a step of the flow keeps the sign of either
        q = np.exp(Q @ x)
        G = Q.T @ ((q / q.sum(axis=0) - P) / 3)
        U, s, Vt = np.linalg.svd(x)
        after = x - 0.01 * (G @ (Vt.T * s) @ Vt + (U * s) @ U.T @ G)
        assert np.sign(np.linalg.det(after)) == np.sign(np.linalg.det(x))
    assert verdict("23.18", 0) == "holds"
    assert verdict("23.18", 1) == "fails"


def test_23_12_23_13():
    """Optimal factors for each norm, from general solvers, are the cheapest in it."""
    T = np.repeat(np.eye(4, dtype=bool), (5, 1, 1, 1), axis=1)
    nuclear, spectral = svm(T, cp.normNuc)[0], svm(T, cp.sigma_max)[0]
    signs = np.array(np.meshgrid(*[(1, -1)] * 4)).reshape(4, -1).T
    atoms = np.einsum("sv,tj->stvj", signs, signs).reshape(-1, 4, 4)
    rows = [atoms[:, v, j] - atoms[:, j, j] for j in range(4) for v in range(4) if v != j]
    value = linprog(np.ones(len(atoms)), rows, -np.ones(len(rows))).fun

    def price(A, B, norm):
        W, s, Ht = np.linalg.svd(A, full_matrices=False)
        W, H = W * np.sqrt(s), np.sqrt(s)[:, None] * Ht
        return norm(W) * norm(H) / norm_of(B, norm)

    def norm_of(B, norm):
        W, s, Ht = np.linalg.svd(B, full_matrices=False)
        return norm(W * np.sqrt(s)) * norm(np.sqrt(s)[:, None] * Ht)

    assert value == pytest.approx(0.75)
    assert norm_of(spectral, lambda A: np.linalg.norm(A, 2)) == pytest.approx(np.sqrt(15 / 4), rel=1e-4)
    own = [price(nuclear, spectral, np.linalg.norm), price(spectral, nuclear, lambda A: np.linalg.norm(A, 2))]
    assert verdict("23.12", max(own)) == "holds"
    assert verdict("23.12", max(1 / x for x in own)) == "fails"
    assert verdict("23.13", norm_of(nuclear, np.linalg.norm) / solve_ntp_svm(T).primal) == "holds"
    assert verdict("23.13", norm_of(spectral, np.linalg.norm) / solve_ntp_svm(T).primal) == "fails"


def test_23_24_a_currency_that_forgets_its_dimensions_looks_too_cheap():
    T, rng = np.repeat(np.eye(4, dtype=bool), (5, 1, 1, 1), axis=1), np.random.default_rng(24)
    U, s, Vt = np.linalg.svd(centre(T.astype(float)), full_matrices=False)
    least = np.array([s.sum(), np.sqrt(15 / 4), 0.75])  # one-hot: the proxy's norm; see the test before

    def paid(W, H, d):
        L = W @ H
        margin = np.min(np.where(T, L, np.inf).min(axis=0) - np.where(T, -np.inf, L).max(axis=0))
        entries = d * np.abs(W).max() * np.abs(H).max()
        both = [np.linalg.norm(W) * np.linalg.norm(H), np.linalg.norm(W, 2) * np.linalg.norm(H, 2), entries]
        return np.min(np.array(both) / margin / least)

    for noise in np.geomspace(1e-9, 0.1, 30):
        W, H = U * np.sqrt(s), np.sqrt(s)[:, None] * Vt
        near = W + noise * rng.normal(size=W.shape), H + noise * rng.normal(size=H.shape)
        assert verdict("23.24", paid(*near, 4)) == "holds"
    assert verdict("23.24", paid(W, H, 4) / 1.01) == "fails"
    signs = np.array([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])
    assert verdict("23.24", paid(signs, signs.T @ T, 4)) == "holds"
    assert verdict("23.24", paid(signs, signs.T @ T, 1)) == "fails"


def test_23_16_23_17():
    """Sums of a shape and a colour have the structure, a simplex has none."""
    i = np.arange(25)
    share = (i[:, None] // 5 == i // 5) ^ (i[:, None] % 5 == i % 5)
    none = (i[:, None] // 5 != i // 5) & (i[:, None] % 5 != i % 5)

    def excess(X):
        X = X - X.mean(axis=0)
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        return np.mean((X @ X.T)[share]) - np.mean((X @ X.T)[none])

    sums, simplex = np.hstack([np.eye(5)[i // 5], np.eye(5)[i % 5]]), np.eye(25)
    assert excess(sums) > 0.4
    for id_ in ("23.16", "23.17"):
        assert verdict(id_, excess(simplex) / excess(sums)) in ("holds", "holds at this scale")
        assert verdict(id_, excess(sums) / excess(sums)).startswith("fails")


def faces(W, S):
    """How many supports a linear programme finds as faces of the words' hull, in the words' own coordinates."""
    found = 0
    for column in S.T:
        on, off = W[column], W[~column]
        rows = np.hstack([off, -np.ones((len(off), 1))])     # <w, h> - b <= -1 off, = 0 on the support
        level = np.hstack([on, -np.ones((len(on), 1))])
        found += linprog(np.zeros(W.shape[1] + 1), rows, -np.ones(len(off)), level, np.zeros(len(on)),
                         bounds=(None, None)).status == 0
    return found


def test_23_20():
    """Words in five dimensions make faces of forty supports of a text; words by chance do not."""
    text = load_labels("tinystories-counts")
    S = text.restrict(np.flatnonzero(text.support_sizes <= 20)[:40]).S.toarray().astype(bool)
    always = min(2 * S.sum(axis=0).max(), len(set(map(bytes, S.T))))
    L = solve_low_rank(S, 5, tol=1e-2, starts=0).L
    left, s, _ = np.linalg.svd(L, full_matrices=False)
    assert s[5] < 1e-9 * s[0]
    assert faces(left[:, :5] * s[:5], S) == 40
    assert faces(np.random.default_rng(0).normal(size=(len(S), 5)), S) < 40
    assert verdict("23.20", 5 / always) == "holds"
    assert verdict("23.20", always / always) == "fails"


def shuffle_p(X, Y):
    """Share of shuffles of items that correlate as well, cosines about the mean."""
    def cosines(A):
        A = A - A.mean(axis=0)
        A = A / np.linalg.norm(A, axis=1, keepdims=True)
        return A @ A.T

    rng, (a, b) = np.random.default_rng(0), map(cosines, (X, Y))
    upper = np.triu_indices(len(a), 1)

    def r(order):
        return np.corrcoef(a[upper], b[np.ix_(order, order)][upper])[0, 1]

    own = r(np.arange(len(a)))
    return (1 + sum(r(rng.permutation(len(a))) >= own for _ in range(199))) / 200


def test_23_22():
    """Vectors that factor the solution pass, and so do noisy ones; the same vectors in another order do not."""
    text = load_labels("tinystories-counts").restrict(np.arange(100))
    L = solve_ntp_svm(text.S, tol=1e-3).L[:60]
    rng = np.random.default_rng(1)
    noisy = L + 0.5 * L.std() * rng.normal(size=L.shape)
    assert verdict("23.22", shuffle_p(noisy, L)) == "holds at this scale"
    assert verdict("23.22", shuffle_p(noisy[rng.permutation(60)], L)).startswith("fails")

"""Every claim of chapter 7, on small inputs, by independent code: honest input holds, perturbed fails."""

import itertools
from math import comb, sqrt

import numpy as np
import pytest

from ntputils import SoftLabels, claim, regularization_path, solve_ntp_svm

COVERED = {f"7.{i}" for i in range(1, 17)}
FANO = np.array([[(z - j) % 7 in (0, 1, 3) for j in range(7)] for z in range(7)])
FOUR = np.array([[1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=bool)   # the proxy fails, no design
WINDOWS = np.array([[(z - j) % 8 < 3 for j in range(8)] for z in range(8)])


def rng():
    return np.random.default_rng(7)


def verdict(id_, measured):
    return claim(id_, measured).verdict


def subsets(V, k):
    return np.array([[z in s for s in itertools.combinations(range(V), k)] for z in range(V)])


def sets(text, V=5):
    """Supports written as strings of digits from 1."""
    return np.array([[str(z + 1) in s for s in text.split()] for z in range(V)])


def centred(S):
    return S - S.mean(axis=0)


def root(A):
    values, vectors = np.linalg.eigh(A)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def nuclear(L):
    return np.sqrt(np.maximum(np.linalg.eigvalsh(L.T @ L), 0)).sum()


def certify(L, Lam, S):
    """Largest violation of either point, or the relative gap, pair by pair."""
    worst = max(0.0, np.linalg.norm(Lam, 2) - 1, np.abs(Lam.sum(axis=0)).max())
    for j, on in enumerate(S.T):
        for z in np.flatnonzero(on):
            for v in range(len(on)):
                worst = max(worst, abs(L[z, j] - L[v, j]) if on[v] else max(1 - L[z, j] + L[v, j], Lam[v, j]))
    return max(worst, abs(np.linalg.svd(L, compute_uv=False).sum() - Lam[S].sum()) / nuclear(L))


def test_7_1_another_sigma_and_a_missing_subset_prove_nothing():
    S, sigma = subsets(5, 2), sqrt(comb(3, 1))
    assert verdict("7.1", certify(centred(S), centred(S) / sigma, S)) == "holds"
    assert verdict("7.1", certify(centred(S), centred(S) / (1.0001 * sigma), S)) == "fails"
    assert verdict("7.1", certify(centred(S)[:, 1:], centred(S)[:, 1:] / sigma, S[:, 1:])) == "fails"


def test_7_2_supports_that_are_no_design_have_no_flat_certificate():
    turned = FANO ^ (np.arange(7) < 2)
    for S, expected in ((FANO, "holds"), (turned, "holds"), (WINDOWS, "fails"), (FANO[:, 1:], "fails")):
        norm = np.linalg.norm(centred(S), 2)
        assert verdict("7.2", certify(centred(S), centred(S) / norm, S)) == expected


def angles_off(S, counts, lam):
    """Largest error of a cosine of words, contexts or between the two, from Gram matrices of the trained logits."""
    point, = regularization_path(SoftLabels.from_counts(counts), [lam])
    V, k = len(S), int(S[:, 0].sum())
    words, contexts = root(point.L @ point.L.T), root(point.L.T @ point.L)
    w, h = np.sqrt(np.diag(words)), np.sqrt(np.diag(contexts))
    inside, outside = sqrt((V - k) / k / (V - 1)), -sqrt(k / (V - k) / (V - 1))
    shared = S.T.astype(int) @ S
    return max(np.abs(words / w / w[:, None] + 1 / (V - 1))[~np.eye(V, dtype=bool)].max(),
               np.abs(point.L / w[:, None] / h - np.where(S, inside, outside)).max(),
               np.abs(contexts / h / h[:, None] - (V * shared - k * k) / (k * (V - k))).max())


def test_7_3_unequal_counts_bend_the_angles():
    S = subsets(5, 2)
    for lam in (1e-2, 1e-4):
        assert verdict("7.3", angles_off(S, S.astype(int), lam)) == "holds"
        assert verdict("7.3", angles_off(S, S * rng().integers(1, 11, S.shape), lam)) == "fails"


def test_7_4_angles_of_another_world_do_not_come_back():
    def ratio(S):
        counts, off = S * rng().integers(1, 11, S.shape), ~np.eye(len(S), dtype=bool)
        found = []
        for point in regularization_path(SoftLabels.from_counts(counts), [1e-3, 1e-8]):
            gram = root(point.L @ point.L.T)
            w = np.sqrt(np.diag(gram))
            found.append(np.abs((gram / w / w[:, None])[off] + 1 / (len(S) - 1)).max())
        return found[1] / found[0]

    assert verdict("7.4", ratio(FANO)) == "holds"
    assert verdict("7.4", ratio(WINDOWS)) == "fails"


def test_7_5_early_in_training_and_in_other_worlds_signs_are_wrong():
    def wrong(S, counts, lam):
        return int(np.sum((regularization_path(SoftLabels.from_counts(counts), [lam])[0].L > 0) != S))

    counts = FANO * rng().integers(1, 11, FANO.shape)
    assert verdict("7.5", wrong(FANO, counts, 1e-8)) == "holds"
    assert verdict("7.5", wrong(FANO, counts, 0.02)) == "fails"
    six = np.array([[z in s for s in [{1, 3, 4, 5}] * 4 + [{4, 6}] * 9 + [{6}]] for z in range(1, 7)])
    assert verdict("7.5", wrong(six, six.astype(int), 1e-8)) == "fails"


def polar(S):
    U, s, Vt = np.linalg.svd(centred(S), full_matrices=False)
    return U[:, s > 1e-9] @ Vt[s > 1e-9]


def test_7_6_where_the_proxy_fails_an_entry_is_positive():
    star = np.hstack([subsets(4, 2), np.eye(4, dtype=bool), np.eye(4, dtype=bool)[:, :1]])
    for S, expected in ((star, "holds"), (FOUR, "fails"), (WINDOWS, "fails")):
        assert verdict("7.6", polar(S)[~S].max()) == expected


def test_7_7_other_weights_and_other_worlds_have_another_gram_matrix():
    counts = np.array([5, 1, 2])
    S = np.repeat(np.eye(3, dtype=bool), counts, axis=1)

    def off_by(S, weights):
        P = np.eye(len(S)) - 1 / len(S)
        L, wanted = solve_ntp_svm(S, tol=1e-10).L, root(P @ np.diag(weights) @ P)
        return np.abs(root(L @ L.T) - wanted).max() / wanted.max()

    assert verdict("7.7", off_by(S, counts)) == "holds"
    assert verdict("7.7", off_by(S, counts + 0.01)) == "fails"
    assert verdict("7.7", off_by(FOUR, FOUR.sum(axis=1) + 1.0)) == "fails"


def step(V, R, slip=0.0):
    """The Gram matrix of the words by the five closed forms."""
    sqrt_r, rho, half = sqrt(R), sqrt((R + 1) / 2), V // 2
    gram = np.full((V, V), -rho / V + slip)
    gram[:half, :half], gram[half:, half:] = (rho - 2 * sqrt_r) / V, (rho - 2) / V
    return gram + np.diag([sqrt_r] * half + [1.0] * half)


def test_7_8_a_slip_in_one_inner_product_is_noticed():
    S = np.repeat(np.eye(4, dtype=bool), [10, 10, 1, 1], axis=1)
    L = solve_ntp_svm(S, tol=1e-10).L
    for slip, expected in ((0, "holds"), (1e-3, "fails")):
        wanted = step(4, 10, slip)
        assert verdict("7.8", np.abs(root(L @ L.T) - wanted).max() / wanted.max()) == expected
    assert verdict("7.8", np.abs(root(L @ L.T) - step(4, 11)).max()) == "fails"


def test_7_9_other_powers_of_the_imbalance_do_not_fit():
    V, R = 6, 10**6
    P = np.eye(V) - 1 / V
    gram = root(P @ np.diag([R] * 3 + [1.0] * 3) @ P)
    apart = 1 - gram[3, 4] / gram[3, 3]
    assert verdict("7.9", apart * sqrt((R + 1) / 2) / V) == "holds"
    assert verdict("7.9", apart * ((R + 1) / 2) / V) == "fails"
    assert verdict("7.9", (1 - gram[0, 1] / gram[0, 0]) * sqrt((R + 1) / 2) / V) == "fails"


def test_7_10_other_weights_do_not_sum_to_the_contexts():
    S = WINDOWS[:, :6]
    solution = solve_ntp_svm(S, tol=1e-8)
    U, s, Vt = np.linalg.svd(solution.L, full_matrices=False)
    keep = s > 1e-6 * s[0]
    W, H = U[:, keep] * np.sqrt(s[keep]), np.sqrt(s[keep])[:, None] * Vt[keep]
    Lam = solution.certificate[:, solution.inverse]
    scale = np.linalg.norm(H, axis=0).max()
    for weights, expected in ((Lam, "holds"), (0.9 * Lam, "fails"), (S / np.linalg.norm(centred(S), 2), "fails")):
        assert verdict("7.10", np.abs(W.T @ weights - H).max() / scale) == expected


def test_7_11_in_a_flat_world_the_plain_sum_explains_all():
    def explained(S):
        L = solve_ntp_svm(S).L
        U, s, Vt = np.linalg.svd(L, full_matrices=False)
        H = np.sqrt(s)[:, None] * Vt
        sums = (U * np.sqrt(s)).T @ S
        return np.sum(H * sums) ** 2 / np.sum(H**2) / np.sum(sums**2)

    common = np.vstack([np.ones((1, 12), bool), np.eye(12, dtype=bool)])   # one token follows nearly every context
    common[0, :2] = False
    for S, expected in ((common, "holds"), (FANO, "fails"), (subsets(5, 3), "fails")):
        assert verdict("7.11", explained(S)) == expected


def gap_between(first, second, gram):
    """Relative difference of the least norms of two support matrices with one Gram matrix."""
    S, T = sets(first), sets(second)
    assert (gram(S.astype(int)) == gram(T.astype(int))).all()
    a, b = (solve_ntp_svm(A, tol=1e-8).primal for A in (S, T))
    return abs(a - b) / min(a, b)


def test_7_12_tokens_renamed_leave_the_norm_and_other_triangles_do_not():
    def words(S):
        return S @ S.T

    assert verdict("7.12", gap_between("1 123 124 134", "12 13 14 1234", words)) == "holds"
    assert verdict("7.12", gap_between("1 123 124 134", "134 1 124 123", words)) == "fails"


def test_7_13_a_star_in_place_of_the_triangle_is_noticed():
    def contexts(S):
        return S.T @ S

    assert verdict("7.13", gap_between("1 23 24 34", "1 23 24 25", contexts)) == "holds"
    assert verdict("7.13", gap_between("1 23 24 34", "5 23 24 34", contexts)) == "fails"


def count(V, m, gram):
    """Pairs of support matrices with equal sorted spectra and diagonals of a Gram matrix and different least norms."""
    groups = {}
    for rows in itertools.combinations_with_replacement(list(itertools.product((0, 1), repeat=m)), V):
        S = np.array(rows)
        if S.any(axis=0).all() and list(S.sum(axis=0)) == sorted(S.sum(axis=0)):
            G = gram(S)
            key = (*sorted(np.diag(G)), *np.linalg.eigvalsh(G).round(6) + 0.0)
            exact = polar(S)[S == 0].max(initial=-1) < 1e-9
            norm = nuclear(centred(S)) if exact else solve_ntp_svm(S).primal
            groups.setdefault(key, []).append(norm)
    return sum(max(norms) > min(norms) * (1 + 1e-5) for norms in groups.values())


def test_7_14_the_pairs_of_twenty_cells_would_be_counted():
    assert verdict("7.14", count(4, 3, lambda S: S.T @ S)) == "holds"
    S, T = sets("1 23 24 34"), sets("1 23 24 25")
    norms = [solve_ntp_svm(A).primal for A in (S, T)]
    assert verdict("7.14", int(max(norms) > min(norms) * (1 + 1e-5))) == "fails"


def test_7_15_halves_alone_do_not_make_a_world_flat():
    def exceptions(hadamard):
        wrong = 0
        for m in (1, 2, 3):
            for world in itertools.product(itertools.product((0, 1), repeat=4), repeat=m):
                S = np.array(world).T
                if S.any(axis=0).all():
                    d = {int(np.sum(S[u] != S[v])) for u, v in itertools.combinations(range(4), 2)}
                    wrong += (len(d) == 1 and d != {0}) != hadamard(S)
        return wrong

    def halves(S):
        return S.shape == (4, 3) and (S.sum(axis=0) == 2).all()

    def orthogonal(S):
        X = np.column_stack([np.ones(4), 2 * S - 1])
        return halves(S) and (X.T @ X == 4 * np.eye(4)).all()

    assert verdict("7.15", exceptions(orthogonal)) == "holds"
    assert verdict("7.15", exceptions(halves)) == "fails"


def test_7_16_without_its_condition_a_gram_matrix_promises_too_much():
    def broken(promise):
        return sum(promise(S) and polar(S)[S == 0].max(initial=-1) > 1e-9
                   for rows in itertools.combinations_with_replacement(list(itertools.product((0, 1), repeat=3)), 4)
                   for S in [np.array(rows)] if S.any(axis=0).all() and not S.all(axis=0).any())

    def off(A):
        return (A - np.diag(np.diag(A))).max() < 1e-9

    def words(S):
        return off(root(np.linalg.pinv(centred(S) @ centred(S).T, rcond=1e-9)))

    def contexts(S):
        K = root(np.linalg.pinv(centred(S).T @ centred(S), rcond=1e-9))
        return off(K) and (K @ S.sum(axis=0)).min() > -1e-9

    assert verdict("7.16", broken(words)) == "holds" and verdict("7.16", broken(contexts)) == "holds"
    assert verdict("7.16", broken(lambda S: True)) == "fails"


@pytest.mark.parametrize("id_", sorted(COVERED))
def test_not_a_number_never_holds(id_):
    assert verdict(id_, np.nan) == "fails"

"""Every claim of chapter 8, on small inputs, by independent code: honest input holds, perturbed fails."""

import itertools

import numpy as np
import pytest

from ntputils import SoftLabels, centered_support, claim, cyclic_windows, from_sets, one_hot, solve_ntp_svm

COVERED = {f"8.{i}" for i in range(1, 22)}
R2 = np.sqrt(2)
FAILURE = from_sets([{0}, {0, 1}, {0, 2}], 4)
OTHER_SIDE = from_sets([{1, 2, 3}, {0, 1}, {0, 2}], 4)
LOOSE = from_sets([{4, 5}, {1, 3}, {1, 2, 4}, {1, 2, 3}, {0}, {0, 4, 5}], 6)
CIRCLE = cyclic_windows(8, 3)


def verdict(id_, measured):
    return claim(id_, measured).verdict


def nuclear(L):
    """The nuclear norm from the eigenvalues of a Gram matrix."""
    return np.sqrt(np.maximum(np.linalg.eigvalsh(L.T @ L), 0)).sum()


def centred(S):
    return S - S.mean(axis=0)


def cosine(A, B):
    return np.sum(A * B) / np.linalg.norm(A) / np.linalg.norm(B)


def polar(S):
    """The polar factor of the proxy, by the pseudo-inverse of a root."""
    X = centred(S)
    values, Q = np.linalg.eigh(X.T @ X)
    keep = values > 1e-12 * values[-1]
    return X @ (Q[:, keep] / np.sqrt(values[keep])) @ Q[:, keep].T


def off(S, A):
    return np.where(S, -np.inf, A).max()


def minimum(S):
    return solve_ntp_svm(S, tol=1e-8).primal


def excess(S):
    return nuclear(centred(S)) / minimum(S) - 1


def certify(L, Lam, S):
    """Largest violation of either point, or the relative gap, column by column."""
    worst = max(np.sqrt(np.linalg.eigvalsh(Lam.T @ Lam).max()) - 1, np.abs(Lam.sum(axis=0)).max())
    for j, on in enumerate(S.T):
        worst = max(worst, np.ptp(L[on, j]))
        if not on.all():
            worst = max(worst, 1 - L[on, j].min() + L[~on, j].max(), Lam[~on, j].max())
    return max(worst, abs(np.linalg.svd(L, compute_uv=False).sum() - Lam[S].sum()) / Lam[S].sum())


def bent(A, size, at=(0, 0)):
    """A matrix with one entry moved."""
    B = np.array(A, float)
    B[at] += size
    return B


def test_8_1_a_feasible_point_that_is_not_the_shortest_is_noticed():
    rows = np.arange(6)[:, None]
    S = rows < np.arange(1, 6)
    shortest = np.where(S, 1 - S.mean(axis=0), -S.mean(axis=0))
    assert verdict("8.1", np.abs(shortest - centered_support(S)).max()) == "holds"
    for other in (S.astype(float), shortest - 1e-6 * ~S, centered_support(S[::-1])):
        assert verdict("8.1", np.abs(shortest - other).max()) == "fails"


def descend(labels, start, steps=400):
    """Gradient descent on the logits: all of the path."""
    P, L, path = labels.P.toarray(), start, []
    for _ in range(steps):
        E = np.exp(L)
        L = L - 2 / labels.pi.max() * (E / E.sum(axis=0) - P) * labels.pi
        path.append(L)
    return np.array(path)


LABELS = SoftLabels.from_counts([[3, 0, 5], [1, 2, 0], [0, 0, 4], [0, 0, 0]])


def margins(path, S):
    on = (path * S).sum(axis=1) / S.sum(axis=0)
    return on - (path * ~S).sum(axis=1) / (~S).sum(axis=0), on


def test_8_2_another_start_leaves_something_beside_the_proxy():
    S = LABELS.S.toarray()
    for start, expected in ((np.zeros((4, 3)), "holds"), (bent(np.zeros((4, 3)), 0.1, at=(3, 0)), "fails")):
        path = descend(LABELS, start)
        a, on = margins(path, S)
        rest = np.where(S, on[:, None], path) - centered_support(S) * a[:, None]
        assert verdict("8.2", np.abs(rest).max() / np.abs(path[-1]).max()) == expected


def test_8_3_a_margin_that_grows_at_another_rate_is_noticed():
    a = margins(descend(LABELS, np.zeros((4, 3)), steps=5000), LABELS.S.toarray())[0]
    late = np.arange(500, 5000)
    for values, expected in ((a, "holds"), (1.1 * a, "fails"), (a**2, "fails")):
        slopes = np.polyfit(np.log(late + 1), values[late], 1)[0]
        assert verdict("8.3", slopes[np.abs(slopes - 1).argmax()]) == expected


def test_8_4_runs_that_are_exchanged_are_noticed():
    proxy, solution = centered_support(CIRCLE), solve_ntp_svm(CIRCLE).L

    def nearer(logits, product):
        return min(cosine(logits, proxy) - cosine(logits, solution),
                   cosine(product, solution) - cosine(product, proxy))

    assert verdict("8.4", nearer(proxy + 0.1 * solution, solution + 0.1 * proxy)) == "holds"
    assert verdict("8.4", nearer(solution, proxy)) == "fails"
    assert verdict("8.4", nearer(proxy, proxy)) == "fails"


def test_8_5_a_sign_that_does_not_decide_is_counted():
    decided = [FAILURE, OTHER_SIDE, one_hot([1, 1, 1, 1]), CIRCLE]

    def disagreements(worlds):
        return sum((off(S, polar(S)) <= 1e-9) != (excess(S) < 1e-6) for S in worlds)

    assert verdict("8.5", disagreements(decided)) == "holds"
    assert verdict("8.5", disagreements([*decided, LOOSE])) == "fails"  # of lower rank: the theorem excludes it


def test_8_6_without_the_correction_nothing_is_proved():
    G = polar(LOOSE)
    x, y = np.array([0, 1, 0, -1, -1, 1]) / 2, np.array([2, 0, 0, 1, 2, -1]) / np.sqrt(10)
    for tau, expected in ((0.09, "holds"), (0, "fails"), (-0.09, "fails"), (3, "fails")):
        flaw = certify(centred(LOOSE), G - tau * np.outer(x, y), LOOSE)
        assert verdict("8.6", off(LOOSE, G) if flaw < 1e-9 else 0) == expected


def test_8_7_crossing_supports_are_noticed():
    chain = np.tril(np.ones((5, 4), dtype=bool))[::-1]
    for S, expected in ((chain, "holds"), (np.repeat(chain, [9, 1, 1, 3], axis=1), "holds"), (FAILURE, "fails")):
        assert verdict("8.7", off(S, polar(S))) == expected


def test_8_8_three_supports_are_noticed():
    pair = np.repeat(FAILURE[:, 1:], [1, 30], axis=1)
    for S, expected in ((pair, "holds"), (FAILURE, "fails")):
        assert verdict("8.8", off(S, polar(S))) == expected


def test_8_9_the_other_way_round_or_another_world_is_noticed():
    def contrast(first, second):
        return excess(first) if excess(second) < 1e-7 else 0

    assert np.allclose(centred(FAILURE) @ centred(FAILURE).T, centred(OTHER_SIDE) @ centred(OTHER_SIDE).T)
    assert verdict("8.9", contrast(FAILURE, OTHER_SIDE)) == "holds"
    assert verdict("8.9", contrast(OTHER_SIDE, FAILURE)) == "fails"
    assert verdict("8.9", contrast(FAILURE, CIRCLE)) == "fails"


def test_8_10_a_failing_collection_is_counted():
    three = [{0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}]
    worlds = [from_sets(c, 3) for n in (2, 3) for c in itertools.combinations(three, n)]
    assert verdict("8.10", sum(excess(S) > 1e-7 for S in worlds)) == "holds"
    assert verdict("8.10", sum(excess(S) > 1e-7 for S in [*worlds, FAILURE])) == "fails"


def test_8_11_orbits_have_to_be_weighed_by_their_sizes():
    three = [{0}, {1}, {2}, {3}, *map(set, itertools.combinations(range(4), 2)),
             *map(set, itertools.combinations(range(4), 3))]
    failing = sum(excess(from_sets(c, 4)) > 1e-6 for c in itertools.combinations(three, 3))
    assert failing == 12 + 24 + 12  # of the 630, those with three supports
    others = 630 - failing
    assert verdict("8.11", failing + others) == "holds"
    assert verdict("8.11", 3 + others) == "fails"


def test_8_12_another_convention_or_another_world_is_noticed():
    largest = from_sets([{0}, {0, 2}, {0, 3}, {1, 2}, {1, 3}], 4)
    assert verdict("8.12", excess(largest)) == "holds"
    assert verdict("8.12", 1 - minimum(largest) / nuclear(centred(largest))) == "fails"
    assert verdict("8.12", excess(FAILURE)) == "fails"


def by_distance(values):
    n = np.subtract.outer(np.arange(8), np.arange(8)) - 1
    return np.array(values)[np.minimum(n % 8, -n % 8)]


def test_8_13_bent_points_prove_nothing():
    L, Lam = centred(by_distance([1, 1, 0, 0, 1 - R2])), by_distance([2, 1 + 1.5 * R2, -3, 1 - 1.5 * R2, 0]) / 8
    norm = abs(np.linalg.svd(centred(CIRCLE), compute_uv=False).sum() / (3 + 4 * R2) - 1)
    assert verdict("8.13", max(norm, certify(L, Lam, CIRCLE))) == "holds"
    assert verdict("8.13", certify(bent(L, 1e-6), Lam, CIRCLE)) == "fails"
    assert verdict("8.13", certify(L, bent(Lam, 1e-6), CIRCLE)) == "fails"
    assert verdict("8.13", certify(centred(CIRCLE), Lam, CIRCLE)) == "fails"


def test_8_14_the_proxy_and_other_windows_have_other_values():
    value = 4 + 3 * R2
    assert verdict("8.14", abs(minimum(CIRCLE) / value - 1)) == "holds"
    assert verdict("8.14", abs(minimum(cyclic_windows(8, 4)) / value - 1)) == "fails"
    assert verdict("8.14", abs(nuclear(centred(CIRCLE)) / value - 1)) == "fails"


def agreements(q, T):
    """How many of T letters agree: sums of Kronecker products."""
    total = 0
    for i in range(T):
        term = np.ones((1, 1))
        for j in range(T):
            term = np.kron(term, np.eye(q) if i == j else np.ones((q, q)))
        total = total + term
    return total


@pytest.mark.parametrize(("q", "T"), [(4, 2), (3, 3)])
def test_8_15_bent_points_and_two_letters_prove_nothing(q, T):
    def points(q, T):
        n, e = agreements(q, T), 1 / (q * (q - 1.0) ** (T - 2))
        return T / q - n, np.select([n == 0, n == 1], [T * e / (q - 1), -e], 0.0), n == 0

    L, Lam, S = points(q, T)
    assert verdict("8.15", certify(L, Lam, S)) == "holds"
    assert verdict("8.15", certify(bent(L, 1e-6), Lam, S)) == "fails"
    assert verdict("8.15", certify(L, bent(Lam, 1e-6), S)) == "fails"
    assert verdict("8.15", certify(*points(2, T))) == "fails"


def test_8_16_fewer_conditions_or_values_give_another_excess():
    def ratio(q, T):
        return nuclear(centred(agreements(q, T) == 0)) / (T * (q - 1) * q ** (T - 1)) - 1

    assert verdict("8.16", ratio(4, 4)) == "holds"
    assert verdict("8.16", ratio(4, 3)) == "fails"
    assert verdict("8.16", ratio(3, 4)) == "fails"


def test_8_17_worlds_of_large_excess_are_noticed():
    chain = np.tril(np.ones((5, 4), dtype=bool))[::-1]
    assert verdict("8.17", max(excess(chain), excess(FAILURE))) == "holds"
    assert verdict("8.17", max(excess(chain), excess(CIRCLE))) == "fails"


def test_8_18_a_world_beside_its_own_kind_is_noticed():
    rng = np.random.default_rng(8)
    chance = []
    for _ in range(20):
        S = CIRCLE.copy()
        for _ in range(60):  # trades of one token between two windows keep all sums
            i, j = rng.choice(8, size=2, replace=False)
            mine, yours = np.flatnonzero(S[:, i] & ~S[:, j]), np.flatnonzero(S[:, j] & ~S[:, i])
            if len(mine):
                a, b = rng.choice(mine), rng.choice(yours)
                S[[a, b], i], S[[a, b], j] = [False, True], [True, False]
        assert np.array_equal(S.sum(axis=0), CIRCLE.sum(axis=0)) and np.array_equal(S.sum(axis=1), CIRCLE.sum(axis=1))
        chance.append(excess(S))
    assert verdict("8.18", np.mean(np.array(chance) < excess(CIRCLE))) == "holds"
    assert verdict("8.18", np.mean(np.array(chance) < np.median(chance))) == "fails"


def test_8_19_a_norm_above_the_bounds_is_noticed():
    for S in (FAILURE, CIRCLE, LOOSE):
        V, k = len(S), S.sum(axis=0).max()
        bound = min(np.sqrt(np.linalg.matrix_rank(centred(S))), k * V / (V - k)) * minimum(S)
        assert verdict("8.19", bound / nuclear(centred(S)) - 1) == "holds"
        assert verdict("8.19", bound / (3 * nuclear(S.astype(float)) ** 2) - 1) == "fails"


def test_8_20_some_positive_entries_are_too_many():
    def broken(allowed):
        wrong = 0
        for sets in itertools.combinations([set(c) for k in (1, 2) for c in itertools.combinations(range(4), k)], 3):
            S = from_sets(sets, 4)
            M = np.linalg.pinv(centred(S) @ centred(S).T, rcond=1e-9)
            wrong += (M - np.diag(np.diag(M))).max() <= allowed and excess(S) > 1e-6
        return wrong

    assert verdict("8.20", broken(1e-9)) == "holds"
    assert verdict("8.20", broken(1.0)) == "fails"


def test_8_21_windows_of_another_length_have_another_spectrum():
    def difference(k, slip=0):
        f = np.arange(1, 8) * np.pi / 8
        formula = np.sort(np.append(np.abs(np.sin((k + slip) * f) / np.sin(f)), 0))
        return np.abs(np.linalg.svd(centred(cyclic_windows(8, k)), compute_uv=False)[::-1] - formula).max()

    assert verdict("8.21", max(difference(k) for k in range(1, 8))) == "holds"
    assert verdict("8.21", difference(3, slip=1)) == "fails" and verdict("8.21", difference(3, slip=1e-9)) == "fails"


@pytest.mark.parametrize("id_", sorted(COVERED))
def test_not_a_number_never_holds(id_):
    assert verdict(id_, np.nan) == "fails"

"""Every claim of chapter 6, on small inputs, by independent code: honest input holds, perturbed fails."""

import numpy as np
import pytest

from ntputils import SoftLabels, claim, regularization_path, solve_ntp_svm, train_ufm

COVERED = {f"6.{i}" for i in range(1, 16)}
TWINS = SoftLabels.from_counts([[7, 3, 0], [3, 7, 0], [0, 0, 10]])
APART = SoftLabels.from_counts([[7, 3, 0, 10, 0], [3, 7, 0, 0, 10], [0, 0, 10, 0, 0]])
KAPPA = 2 * np.log(7 / 3)
# Two contexts for each of the supports {0,1}, {2,3}, {2,4}, {3}, {4}: tokens 0, 1 are twins, the others not.
MIXED = SoftLabels.from_counts([[8, 3, 0, 0, 0, 0, 0, 0, 0, 0],
                                [2, 9, 0, 0, 0, 0, 0, 0, 0, 0],
                                [0, 0, 6, 2, 7, 3, 0, 0, 0, 0],
                                [0, 0, 3, 9, 0, 0, 5, 9, 0, 0],
                                [0, 0, 0, 0, 2, 8, 0, 0, 6, 4]])
PAIRS = [(j, j + 1) for j in range(0, 10, 2)]
CLASSES = np.arange(10) // 2
RIDGES = np.geomspace(1e-4, 1e-10, 7)
GROWING = 3  # five tokens, two of them twins: four distinct rows


def rng():
    return np.random.default_rng(6)


def verdict(id_, measured):
    return claim(id_, measured).verdict


HOLDS = ("holds", "holds at this scale")


@pytest.fixture(scope="module")
def mixed():
    return regularization_path(MIXED, RIDGES, tol=1e-9)


@pytest.fixture(scope="module")
def worlds():
    ridges = np.geomspace(1e-6, 1e-12, 7)
    return {name: regularization_path(labels, ridges, tol=1e-9) for name, labels in
            (("twins", TWINS), ("apart", APART))}


def ratio(X, classes):
    """Scatter within over scatter between, one class at a time."""
    between = within = 0.0
    for c in set(classes.tolist()):
        own = X[:, classes == c]
        middle = own.mean(axis=1)
        within += np.sum((own.T - middle) ** 2)
        between += own.shape[1] * np.sum((middle - X.mean(axis=1)) ** 2)
    return within / between


def leading(X, r):
    """The projection on the leading eigenvectors of XX'."""
    vectors = np.linalg.eigh(X @ X.T)[1][:, ::-1][:, :r]
    return vectors.T @ X


def slope(x, y):
    return np.polyfit(np.log(x), np.log(y), 1)[0]


def sizes(points):
    return np.array([np.linalg.norm(p.L, "nuc") for p in points])


def without_cosine(p, j=0, k=1):
    a, b = p.H[:, j], p.H[:, k]
    return 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def averaged(A, groups):
    """Columns replaced by the mean of their group."""
    B = A.copy()
    for group in groups:
        B[:, group] = A[:, group].mean(axis=1, keepdims=True)
    return B


def test_6_1_unbalanced_factors_break_the_inequality(mixed):
    def worst(H, L):
        s = np.sqrt(np.maximum(np.linalg.eigvalsh(L.T @ L)[::-1], 0))
        return max(np.sum((leading(H, r)[:, j] - leading(H, r)[:, k])**2) * s[r - 1]
                   / np.sum((L[:, j] - L[:, k])**2) for r in range(1, 5) for j, k in PAIRS[:3])

    for p in mixed[::3]:
        assert verdict("6.1", worst(p.H, p.L)) == "holds"
    assert verdict("6.1", worst(1.5 * mixed[-1].H, mixed[-1].L)) == "fails"


def test_6_2_words_that_are_too_close_for_their_odds_are_noticed(mixed):
    P = MIXED.P.toarray()

    def least(W, H):
        found = []
        for (j, k), (y, z) in zip(PAIRS[:3], [(0, 1), (2, 3), (2, 4)]):
            odds = np.log(P[y, j] * P[z, k] / P[z, j] / P[y, k])
            found.append(np.linalg.norm(W[y] - W[z]) * np.linalg.norm(H[:, j] - H[:, k]) / abs(odds))
        return min(found)

    W, H = mixed[-1].W, mixed[-1].H
    assert verdict("6.2", least(W, H)) == "holds"
    assert verdict("6.2", least(0.9 * W, H)) == "fails"
    collapsed = averaged(H, [list(pair) for pair in PAIRS])
    assert verdict("6.2", least(W, collapsed + 1e-3 * H)) == "fails"


def log_joint():
    P = MIXED.P.toarray() * MIXED.pi
    return np.where(P > 0, np.log(np.where(P > 0, P, 1)), 0)


def test_6_3_vectors_that_scatter_more_are_noticed(mixed):
    M, pairs = log_joint(), [list(pair) for pair in PAIRS]
    bound = 2 * np.linalg.norm(M - averaged(M, pairs), "nuc")
    for factor, expected in ((1, "holds"), (4, "fails")):
        H = factor * mixed[-1].H
        assert verdict("6.3", np.sum((H - averaged(H, pairs))**2) / bound) == expected
    wild = mixed[-1].H + 3 * rng().normal(size=mixed[-1].H.shape)
    assert verdict("6.3", np.sum((wild - averaged(wild, pairs))**2) / bound) == "fails"


def test_6_4_words_that_scatter_more_are_noticed(mixed):
    M = log_joint().T
    bound = 2 * np.linalg.norm(M - averaged(M, [[0, 1]]), "nuc")
    for factor, expected in ((1, "holds"), (3, "fails")):
        W = factor * mixed[-1].W.T
        assert verdict("6.4", np.sum((W - averaged(W, [[0, 1]]))**2) / bound) == expected


def test_6_5_other_odds_and_words_told_apart_give_other_distances(worlds):
    def off_by(points):
        [p] = [p for p in points if abs(np.log10(p.lam) + 10) < 1e-6]
        return abs(np.sum((p.H[:, 0] - p.H[:, 1])**2) / KAPPA - 1)

    assert verdict("6.5", off_by(worlds["twins"])) == "holds"
    assert verdict("6.5", off_by(worlds["apart"])) == "fails"
    other = SoftLabels.from_counts([[6, 4, 0], [4, 6, 0], [0, 0, 10]])
    assert verdict("6.5", off_by(regularization_path(other, [1e-10], tol=1e-9))) == "fails"


def test_6_6_the_twins_do_not_come_closer(worlds):
    for name, expected in (("apart", "holds"), ("twins", "fails")):
        gaps = [np.linalg.norm(p.H[:, 0] - p.H[:, 1]) for p in worlds[name]]
        assert verdict("6.6", slope(sizes(worlds[name]), gaps)) == expected


def test_6_7_and_6_8_each_world_has_its_own_power(worlds):
    powers = {name: slope(sizes(points), [without_cosine(p) for p in points])
              for name, points in worlds.items()}
    assert verdict("6.7", powers["apart"]) == "holds" and verdict("6.7", powers["twins"]) == "fails"
    assert verdict("6.8", powers["twins"]) == "holds" and verdict("6.8", powers["apart"]) == "fails"


def test_6_9_without_the_projection_the_power_is_another(mixed):
    def power(r):
        return slope(sizes(mixed), [ratio(leading(p.H, r), CLASSES) for p in mixed])

    assert verdict("6.9", power(GROWING)) == "holds"
    assert verdict("6.9", power(4)) == "fails"


def test_6_10_a_projection_on_too_many_or_random_directions_does_not_help(mixed):
    H = mixed[-1].H

    def gain(projected):
        return ratio(projected, CLASSES) / ratio(H, CLASSES)

    assert verdict("6.10", gain(leading(H, GROWING))) in HOLDS
    assert verdict("6.10", gain(leading(H, 4))) == "fails"
    smallest = np.linalg.eigh(H @ H.T)[1][:, :1]
    assert verdict("6.10", gain(smallest.T @ H)) == "fails"


def test_6_11_words_that_are_doubles_by_mistake_do_not_collapse(mixed):
    W, rows = mixed[-1].W.T, np.array([0, 0, 1, 2, 3])

    def gain(classes, r):
        return ratio(leading(W, r), classes) / ratio(W, classes)

    assert verdict("6.11", gain(rows, GROWING)) in HOLDS
    assert verdict("6.11", gain(rows, 4)) == "fails"
    assert verdict("6.11", gain(np.array([0, 1, 0, 2, 3]), GROWING)) == "fails"


def test_6_12_where_each_context_has_one_next_token_the_classes_are_the_same(mixed):
    def against(H, S):
        token, context = S.nonzero()
        support = np.unique(S, axis=1, return_inverse=True)[1].ravel()
        return ratio(H[:, context], token) / ratio(H, support)

    S = MIXED.S.toarray()
    assert verdict("6.12", against(leading(mixed[-1].H, GROWING), S)) in HOLDS
    one_hot = SoftLabels.from_counts([[5, 2, 0, 0], [0, 0, 4, 1]])
    [p] = regularization_path(one_hot, [1e-8], tol=1e-9)
    assert verdict("6.12", against(p.H, one_hot.S.toarray())) == "fails"


def test_6_13_wrong_classes_are_no_better_than_chance():
    run = train_ufm(MIXED, d=5, steps=2000, lr=2.0, rng=rng(), snapshots=[2000])

    def share(classes, generator):
        own = ratio(run.H[-1], classes)
        as_low = sum(ratio(run.H[-1], generator.permutation(classes)) <= own for _ in range(999))
        return (1 + as_low) / 1000

    assert verdict("6.13", share(CLASSES, rng())) in HOLDS
    assert verdict("6.13", share(np.arange(10) % 5, rng())) == "fails"


def test_6_14_shuffled_contexts_do_not_correlate():
    from scipy.stats import spearmanr

    S = np.array([[1, 1, 0, 0, 0, 1], [1, 1, 1, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 0],
                  [0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 1, 1]])
    L = solve_ntp_svm(S).L
    values, vectors = np.linalg.eigh(L.T @ L)
    gram = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    norms = np.sqrt(np.diag(gram))
    pairs = np.triu_indices(6, 1)
    overlap, cosine = (S.T @ S)[pairs], gram / norms / norms[:, None]

    def measured(order):
        def value(p):
            return spearmanr(overlap, cosine[np.ix_(p, p)][pairs])[0]

        generator, own = rng(), value(order)
        null = [value(generator.permutation(6)) for _ in range(999)]
        return own if np.mean(np.array(null) >= own - 1e-12) <= 0.01 else 0

    assert verdict("6.14", measured(np.arange(6))) == "holds"
    assert verdict("6.14", measured(np.array([3, 0, 4, 1, 5, 2]))) == "fails"


@pytest.mark.parametrize("id_", sorted(COVERED))
def test_not_a_number_never_holds(id_):
    assert verdict(id_, np.nan) == "fails"


def test_6_15_logits_off_the_path_overdraw_the_allowance(worlds):
    def share(factor, ridge=1.0):
        return max(np.max(np.abs(q - TWINS.P.toarray())) / 3 / (ridge * p.lam) for p in worlds["twins"]
                   for q in [np.exp(factor * p.L) / np.exp(factor * p.L).sum(axis=0)])

    assert verdict("6.15", share(1)) == "holds"
    assert verdict("6.15", share(1.0001)) == "fails"
    assert verdict("6.15", share(1, ridge=0.5)) == "fails"

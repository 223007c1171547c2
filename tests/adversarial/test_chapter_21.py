"""Chapter 21 under attack, without the model: probabilities on the line, corners in few dimensions, nulls that cannot move."""

import numpy as np
import pytest
from scipy.optimize import linprog

from ntputils import (SoftLabels, candidate_geometries, cosine_matrix, effective_supports, factor, centered_support,
                      is_argmaxable, mantel, partial_mantel, softmax, solve_ntp_svm)


# --- effective supports ---

def nucleus(p, mass):
    """The fewest most probable words with that mass, ties to the smaller row, in whole multiples of 1e-9."""
    order = sorted(range(len(p)), key=lambda z: (-p[z], z))
    total = 0
    for n, z in enumerate(order, 1):
        total += round(p[z] * 1e9)
        if total >= round(mass * 1e9):
            return set(order[:n])


GRID = {"a sum of tenths": [0.6, 0.3, 0.1], "equal": [0.2] * 5, "one word": [1.0], "certain": [0.0, 1.0, 0.0],
        "ties at the end": [0.4, 0.2, 0.2, 0.2], "a long tail": [0.5] + [0.0005] * 1000}


@pytest.mark.parametrize("p", GRID.values(), ids=GRID)
@pytest.mark.parametrize("mass", [0.1, 0.5, 0.6, 0.8, 0.9, 0.999])
def test_a_nucleus_is_the_fewest_words_where_sums_meet_the_line_exactly(p, mass):
    S = effective_supports(np.array(p)[:, None], mass=mass).toarray()[:, 0]
    assert set(np.flatnonzero(S)) == nucleus(p, mass)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_lines_on_random_probabilities_of_either_precision(kind, seed):
    P = softmax(3 * np.random.default_rng(seed).normal(size=(400, 6))).astype(kind)
    for mass in (0.3, 0.9, 0.9999):
        for p, s in zip(P.T.astype(float), effective_supports(P, mass=mass).toarray().T):
            assert p[s].sum() >= mass - 1e-6 and p[s].sum() - p[s].min() < mass + 1e-6 and p[s].min() >= p[~s].max(initial=0)
    for line in (0.01, 0.3, 0.99):
        S = effective_supports(P, threshold=line).toarray()
        assert S.any(axis=0).all() and S.sum(axis=0).max() <= 1 / line and np.all(S[P >= line])
        assert np.array_equal(S & (P < line), (P < line) & (P == P.max(axis=0)))


def test_a_nucleus_has_no_bound_but_the_vocabulary():
    assert abs(effective_supports(np.full((50_000, 1), 1 / 50_000, np.float32), mass=0.9).sum() - 45_000) <= 1


@pytest.mark.parametrize("P", [[[np.nan], [1.0]], [[0.5], [0.4]], [[-0.1], [1.1]], np.empty((0, 1))])
def test_what_is_no_probability_is_told(P):
    with pytest.raises(ValueError, match="P: got shape"):
        effective_supports(P, threshold=0.1)


# --- log-probabilities and states ---

@pytest.mark.parametrize("V, d, m", [(5, 3, 7), (40, 1, 2), (3, 6, 4)])
def test_log_probabilities_have_the_gram_matrix_of_the_states_in_the_metric_of_the_words(V, d, m):
    rng = np.random.default_rng(V)
    W, H = rng.normal(size=(V, d)) + 5, rng.normal(size=(d, m))
    Q, C = np.log(softmax(W @ H)), W - W.mean(axis=0)
    Q -= Q.mean(axis=0)
    np.testing.assert_allclose(Q.T @ Q, H.T @ (C.T @ C) @ H, atol=1e-8)
    assert np.linalg.matrix_rank(Q, tol=1e-8) <= min(d, V - 1)
    if V > d:                                                    # invertible: the states come back; else some move unseen
        np.testing.assert_allclose(np.linalg.solve(C.T @ C, C.T @ Q), H, atol=1e-8)
    else:
        unseen = np.linalg.svd(C)[2][-1]
        np.testing.assert_allclose(softmax(W @ (H + 3 * unseen[:, None])), softmax(W @ H), atol=1e-9)


# --- words that cannot come first ---

def is_corner(W, z):
    others = np.delete(W, z, axis=0)
    return linprog(np.zeros(len(others)), A_eq=np.vstack([others.T, np.ones(len(others))]), b_eq=[*W[z], 1]).status == 2


CLOUDS = {"a line": np.array([[0.0], [1], [2], [2.5]]), "one against one": np.array([[0.0, 0], [1, 0]]),
          "on edges": np.array([[0.0, 0], [2, 0], [1, 0], [0, 2], [1, 1], [0.5, 0.5]]),
          "a plane in space": np.c_[np.random.default_rng(0).normal(size=(12, 2)), np.ones(12)],
          "far from zero": np.random.default_rng(1).normal(size=(12, 3)) + 1e4,
          "small": 1e-6 * np.random.default_rng(2).normal(size=(12, 3)),
          "float32": np.random.default_rng(3).normal(size=(12, 2)).astype(np.float32)}


@pytest.mark.parametrize("W", CLOUDS.values(), ids=CLOUDS)
def test_first_choices_are_the_corners_of_odd_clouds_whatever_the_start(W):
    for z in range(len(W)):
        for start in (None, W.mean(axis=0) - W[z], np.zeros(W.shape[1])):
            found = is_argmaxable(W, z, start=start)
            assert found.argmaxable is bool(is_corner(W.astype(float), z))
            if found.argmaxable:
                L = W.astype(float) @ found.direction
                assert L[z] > np.delete(L, z).max()
            else:
                mixed = sum(a * W[v].astype(float) for v, a in found.weights.items())
                assert z not in found.weights and np.linalg.norm(mixed - W[z]) <= 1e-5 * np.linalg.norm(W[z]) + 1e-12


def test_twins_can_only_tie_and_a_bad_start_is_told():
    W = np.vstack([np.eye(3), np.eye(3)[:1]])
    assert [is_argmaxable(W, z).argmaxable for z in range(4)] == [False, True, True, False]
    assert is_argmaxable(W, 0).weights == {3: 1.0}
    with pytest.raises(ValueError, match="start: got shape"):
        is_argmaxable(W, 1, start=np.zeros(2))


@pytest.mark.parametrize("V, d", [(40, 2), (300, 8), (300, 40)])
def test_guesses_that_step_away_lead_and_those_of_twins_and_inner_words_do_not(page, V, d):
    rng, space = np.random.default_rng(d), page(21).step_away.__globals__
    W = (rng.normal(size=(V, d)) * np.geomspace(1, 20, d)).astype(np.float32)
    W[1], W[2] = W[0], W[3:].mean(axis=0)                        # a twin, and one in the middle
    centred = W.astype(float) - W.mean(axis=0, dtype=float)
    space |= {"W": W, "centred": centred, "M": centred.T @ centred}
    words = np.arange(25)
    guess, first = page(21).try_guess(words)
    moved, X = page(21).step_away(words, guess), W.astype(float)
    L = X @ moved.T
    lead = L[words, words] - np.where(np.arange(V)[:, None] == words, -np.inf, L).max(axis=0)
    corners = np.array([is_argmaxable(X, z).argmaxable for z in words])
    assert not np.any((lead > 1e-6)[~corners]) and not corners[:3].any()
    assert np.mean((lead > 0)[corners]) > 0.9 and np.sum(lead > 0) >= np.sum(first)
    np.testing.assert_array_equal(moved[first & corners], guess[first & corners])       # those that led stay


# --- nulls ---

def test_nested_supports_cannot_be_shuffled_so_that_they_never_pass(page):
    S, rng = np.triu(np.ones((12, 11), bool)), np.random.default_rng(0)
    page(21).margin.__globals__["rng"] = rng
    states = cosine_matrix(factor(centered_support(S))[1])
    gained, most = page(21).margin(states, S, shuffles=3)
    assert gained == pytest.approx(0, abs=1e-9) and most == pytest.approx(1)


@pytest.mark.parametrize("S", [np.eye(6), np.kron(np.eye(3), np.ones((2, 2))), np.triu(np.ones((6, 6)))],
                         ids=["one-hot", "pairs", "a chain"])
def test_the_contexts_of_the_proxy_from_their_gram_matrix(page, S):
    from scipy import sparse

    silent = np.vstack([S, np.zeros((2, S.shape[1]))]) > 0       # words in no support are left out
    wanted = cosine_matrix(factor(centered_support(S))[1])
    np.testing.assert_allclose(page(21).proxy_contexts(sparse.csc_array(silent)), wanted, atol=1e-6)
    W, H = page(21).proxy_vectors(S)
    np.testing.assert_allclose(W @ H, centered_support(S), atol=1e-9)
    np.testing.assert_allclose(W.T @ W, H @ H.T, atol=1e-9)


def test_company_and_scatter_of_degenerate_classes(page):
    in_company, over_chance = page(21).in_company, page(21).over_chance
    over_chance.__globals__["rng"] = np.random.default_rng(0)
    alone = np.arange(6)
    assert in_company(alone, np.zeros(6, int)).size == 0
    assert in_company(np.array([0, 0, 1, 1, 2]), np.array([5, 5, 5, 6, 6])).tolist() == [0, 1]      # one by one they drop out
    X = np.random.default_rng(1).normal(size=(100, 60))
    assert 0.8 < over_chance(X, np.arange(60) % 6) < 1.2
    assert over_chance(X + 20 * (np.arange(60) % 2), np.arange(60) % 2) < 0.05


def test_a_constant_rival_explains_nothing_and_itself_everything():
    rng = np.random.default_rng(0)
    A, B = (cosine_matrix(rng.normal(size=(3, 25))) for _ in range(2))
    flat = partial_mantel(A, B, [np.full((25, 25), 0.1)], rng=rng, permutations=19)
    assert flat.r == pytest.approx(mantel(A, B, rng=rng, permutations=19).r)
    assert np.isnan(partial_mantel(A, B, [A], rng=rng, permutations=19).r)


def test_on_one_support_no_candidate_has_an_angle_to_tell():
    S = np.repeat([[1.0], [1], [0]], 4, axis=1)
    found = candidate_geometries(SoftLabels.from_counts(S), solve_ntp_svm(S))
    assert np.allclose(cosine_matrix(found["NTP-SVM"][1]), 1) and np.allclose(cosine_matrix(found["proxy"][1]), 1)

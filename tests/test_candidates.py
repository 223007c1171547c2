"""Rival predictions: each against the formula of its Gram matrices, computed another way."""

import dataclasses

import numpy as np
import pytest

from ntputils import SoftLabels, candidate_geometries, solve_ntp_svm


@pytest.fixture(scope="module")
def labels():
    rng = np.random.default_rng(3)
    counts = rng.integers(0, 3, size=(7, 11)) * rng.integers(1, 4, size=(7, 11))
    return SoftLabels.from_counts(counts + np.eye(7, 11, dtype=int))


@pytest.fixture(scope="module")
def found(labels):
    return candidate_geometries(labels)


def raw_matrices(labels):
    """Each raw matrix from the joint counts, entry by entry."""
    joint = labels.P.toarray() * labels.pi
    P, S = np.zeros(joint.shape), joint > 0
    pmi, odds = np.zeros(joint.shape), np.zeros(joint.shape)
    for z, j in np.argwhere(S):
        P[z, j] = joint[z, j] / joint[:, j].sum()
        pmi[z, j] = max(0.0, np.log(joint[z, j] / (joint[z].sum() * joint[:, j].sum())))
        odds[z, j] = np.log(joint[z, j]) - np.log(joint[S[:, j], j]).mean()
    return {"support": S.astype(float), "centred support": S - S.mean(axis=0), "probabilities": P, "PMI": pmi,
            "log-odds": odds}


@pytest.mark.parametrize("name", ["support", "centred support", "probabilities", "PMI", "log-odds"])
def test_raw_candidates_are_rows_and_columns(labels, found, name):
    W, H = found[name]
    assert np.allclose(W, raw_matrices(labels)[name]) and np.allclose(H, W)


def square_root(G):
    """Of a positive semidefinite matrix, from its eigenvalues."""
    values, Q = np.linalg.eigh(G)
    return Q * np.sqrt(np.maximum(values, 0)) @ Q.T


@pytest.mark.parametrize("name", ["NTP-SVM", "proxy", "frequencies"])
def test_factored_candidates_have_square_roots_for_grams(labels, found, name):
    joint = labels.P.toarray() * labels.pi
    A = {"NTP-SVM": solve_ntp_svm(labels.S, tol=1e-6).L, "proxy": raw_matrices(labels)["centred support"],
         "frequencies": joint - joint.mean(axis=0)}[name]
    W, H = found[name]
    assert np.allclose(W @ H, A, atol=1e-9)
    assert np.allclose(W @ W.T, square_root(A @ A.T), atol=1e-6)
    assert np.allclose(H.T @ H, square_root(A.T @ A), atol=1e-6)


def test_only_four_candidates_know_the_probabilities(labels, found):
    """With the same supports and other counts the rest stays as it is."""
    other = candidate_geometries(SoftLabels.from_counts(labels.S.toarray() * np.arange(1, 12)))
    changed = {name for name in found if not np.allclose(found[name][1].T @ found[name][1],
                                                         other[name][1].T @ other[name][1], atol=1e-4)}
    assert changed == {"probabilities", "frequencies", "PMI", "log-odds"}


def test_a_solution_that_is_given_is_the_one_that_is_used(labels, found):
    given = candidate_geometries(labels, dataclasses.replace(solve_ntp_svm(labels.S, tol=1e-6), L_distinct=np.array(
        3 * solve_ntp_svm(labels.S, tol=1e-6).L_distinct)))
    assert np.allclose(np.matmul(*given["NTP-SVM"]), 3 * np.matmul(*found["NTP-SVM"]), atol=1e-6)


def test_a_solution_of_other_supports_is_refused(labels):
    turned = solve_ntp_svm(labels.S.toarray()[::-1], tol=1e-4)
    with pytest.raises(ValueError, match="solution: got one of shape"):
        candidate_geometries(labels, turned)
    with pytest.raises(ValueError, match="solution: got one of shape"):
        candidate_geometries(SoftLabels.from_counts(np.eye(3)), solve_ntp_svm(np.roll(np.eye(3), 1, axis=0)))

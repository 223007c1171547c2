"""Chapter 12 under attack: other starts of untrained readers, uneven and single-precision counts, what the measures give at the edge."""

import numpy as np
import pytest
import torch

from ntputils import (SoftLabels, build_model, claim, collapse_ratio, context_words, cosine_matrix, factor, load_labels,
                      solve_ntp_svm)


@pytest.fixture(scope="module")
def language():
    labels = load_labels("simplified-tinystories", seed=0)
    solution = solve_ntp_svm(labels.S, tol=1e-7)
    return labels, solution, factor(solution.L)[1]


def by_support(H, labels, classes):
    """How often equal supports are closer than like wordings: each pair of the one kind against each of the other."""
    words = context_words(labels)[0]
    first, second = np.triu_indices(labels.m, 1)
    common, equal = np.sum(words[first] == words[second], axis=1), classes[first] == classes[second]
    C = cosine_matrix(H)[first, second]
    near, far = C[equal & (common <= 2)], C[~equal & (common >= 3)]
    return np.mean(near[:, None] > far)


def test_the_measure_of_wording_against_support_has_the_ends_that_the_claim_names(language):
    """The prediction gives one, vectors that know nothing a half, the words themselves next to nothing."""
    labels, solution, H_mm = language
    words, names = context_words(labels)
    assert by_support(H_mm, labels, solution.inverse) == 1.0
    rng = np.random.default_rng(0)
    blind = [by_support(rng.normal(size=(48, labels.m)), labels, solution.inverse) for _ in range(5)]
    assert np.mean(blind) == pytest.approx(0.5, abs=0.05)
    places = np.eye(len(names))[words].reshape(labels.m, -1).T                        # words in their places, side by side
    assert by_support(places, labels, solution.inverse) < 0.1


@pytest.mark.parametrize(("seed", "said"), [(1644, "holds"), (1649, "fails")])
def test_another_start_turns_the_claim_on_untrained_readers(language, seed, said):
    """The transformer, which at first hands on little but its last word, is on either side of a half."""
    labels, solution, _ = language
    found = []
    for kind, layers in (("mlp", 3), ("lstm", 2), ("transformer", 2)):
        with torch.no_grad():
            H = build_model(kind, labels, d=48, seed=seed, layers=layers).H().numpy()
        found.append(by_support(H, labels, solution.inverse))
    assert claim("12.7", max(found)).verdict == said and np.argmax(found) == 2


@pytest.mark.parametrize("seed", range(4))
def test_counts_do_not_enter_the_solution_however_uneven(seed):
    """12.15 in random worlds: even, from one to a million, in single precision; and columns weigh nothing."""
    rng = np.random.default_rng(seed)
    S = rng.random((7, 9)) < 0.4
    S[rng.integers(7, size=9), np.arange(9)] = True
    S[:, 0] = seed % 2                                                               # in every other world any word may follow
    S[0, 0] = True
    first = solve_ntp_svm(SoftLabels.from_counts(S.astype(float)).S).L
    for counts in (S * 10.0 ** rng.integers(0, 7, S.shape), (S * 3).astype(np.float32), S * 10.0 ** -np.arange(9.0)):
        labels = SoftLabels.from_counts(counts)
        assert claim("12.15", np.abs(solve_ntp_svm(labels.S).L - first).max()).verdict == "holds"
        assert labels.entropy() >= 0


def test_one_pair_seen_once_more_is_another_problem(language):
    """What the even draw and the true counts share is the set of pairs: one pair more changes the solution."""
    labels, solution, _ = language
    S = labels.S.toarray()
    S[np.flatnonzero(~S[:, 7])[0], 7] = True
    assert claim("12.15", np.abs(solve_ntp_svm(S, tol=1e-7).L - solution.L).max()).verdict == "fails"


def test_contexts_of_one_word_do_not_collapse_where_they_have_others(language):
    """12.14: by next token the prediction has a ratio above zero, unless every support has one word."""
    for S, collapsed in ((np.eye(4), True), (np.repeat(np.eye(3), 2, axis=1), True), (np.triu(np.ones((4, 4)))[:, :3], False),
                         (language[0].S.toarray(), False)):
        H = factor(solve_ntp_svm(S, tol=1e-8).L, tol=1e-6)[1]
        token, context = np.nonzero(S)
        assert (collapse_ratio(H[:, context], token) < 1e-6) == collapsed


def gram_distance(X, Y):
    A, B = X.T @ X, Y.T @ Y
    return np.linalg.norm(A / np.linalg.norm(A) - B / np.linalg.norm(B))


def test_gram_distances_end_at_the_root_of_two():
    rng = np.random.default_rng(0)
    for size in (1e-3, 1.0, 1e3):
        X, Y = rng.normal(size=(3, 8)), size * rng.normal(size=(5, 8))
        assert 0 <= gram_distance(X, Y) <= np.sqrt(2) and gram_distance(X, -7 * X) < 1e-12
    X, Y = np.zeros((2, 2, 6))
    X[:, :3], Y[:, 3:] = rng.normal(size=(2, 2, 3))                                  # nothing in common
    assert gram_distance(X, Y) == pytest.approx(np.sqrt(2))


def test_no_two_contexts_of_the_perceptron_are_at_an_obtuse_angle(language):
    """After a ReLU and one gain a dimension, whatever the signs of the gains: dot products are not negative."""
    model = build_model("mlp", language[0], d=8, seed=3, layers=2)
    with torch.no_grad():
        model.encoder.blocks[-1][-1].weight.copy_(torch.linspace(-2, 2, 8))
        H = model.H().numpy().astype(float)
    assert (H < 0).any() and np.min(H.T @ H) >= -1e-6

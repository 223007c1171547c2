"""Chapter 16 under attack: the exact test where its hypotheses hold and where not, sums of next words, order, other starts."""

import numpy as np
import pytest
import torch

from ntputils import (SoftLabels, build_model, center, centered_support, claim, context_words, cosine_matrix, factor, fit,
                      load_labels, partial_mantel, solve_ntp_svm)

SUPPORTS = {
    "one context": [[1], [1], [0]],
    "two words": [[1, 0], [0, 1]],
    "one-hot": np.eye(5),
    "equal supports": [[1, 1, 1], [1, 1, 1], [0, 0, 0], [0, 0, 0]],
    "nested chain": np.triu(np.ones((5, 5)))[:, :4],
    "full and one-hot": np.hstack([np.eye(4), np.ones((4, 1))]),
    "doubled words": np.repeat(np.eye(3), 2, axis=0)}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SUPPORTS)
def test_contexts_of_the_proxy_are_whitened_sums_in_any_basis(name, dtype):
    S = np.array(SUPPORTS[name], dtype=dtype)
    W, H = factor(centered_support(S), tol=1e-9)
    rng = np.random.default_rng(0)
    turn = rng.normal(size=(len(H), len(H))) + 3 * np.eye(len(H))
    W, H = W @ turn, np.linalg.solve(turn, H)
    for j, on in enumerate(S.T > 0):
        assert np.allclose(np.linalg.solve(W.T @ W, W[on].sum(axis=0)), H[:, j], atol=1e-10)


def test_words_that_do_not_sum_to_zero_or_depend_are_no_case_of_it():
    """Both hypotheses are needed: a vector added to all words, and a dimension that no word needs."""
    S = np.eye(4)
    W, H = factor(centered_support(S), tol=1e-9)
    moved = W + 1.0
    assert not np.allclose(np.linalg.solve(moved.T @ moved, moved.T @ S), H, atol=1e-3)
    wide, free = np.hstack([W, W[:, :1]]), np.vstack([H, 7.0 * np.ones((1, 4))])
    free[0] -= 7.0                                                     # the same logits, other contexts
    assert np.allclose(wide @ free, centered_support(S)) and np.linalg.matrix_rank(wide) < wide.shape[1]
    assert not np.allclose(np.linalg.pinv(wide) @ centered_support(S), free, atol=1e-3)


def rejections(make, seeds, level=0.1):
    """How often the shuffles within supports reject, for vectors that did not read the strings."""
    rejected = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        classes = np.repeat(np.arange(4), 4)
        strings = rng.normal(size=(6, 4))[:, classes] + rng.normal(size=(6, 16))    # wordings of one opening are alike
        vectors = make(rng, classes, strings)
        test = partial_mantel(cosine_matrix(vectors), cosine_matrix(strings), [classes[:, None] == classes], rng=rng,
                              permutations=19, classes=classes)
        rejected.append(test.p <= level)
    return np.mean(rejected)


def test_shuffles_within_supports_keep_their_level_and_lose_it_without_the_hypotheses():
    """120 tests at a tenth: counts drawn alike; then counts whose law depends on the wording, as real ones may."""
    alike = rejections(lambda rng, c, x: rng.normal(size=(5, 4))[:, c] + rng.normal(size=(5, 16)), 120)
    read = rejections(lambda rng, c, x: rng.normal(size=(5, 4))[:, c] + x[:5], 120)
    by_wording = rejections(lambda rng, c, x: np.vstack([np.eye(4)[c].T, 2 * x[:2]]) + 0.1 * rng.normal(size=(6, 16)), 120)
    assert alike <= 0.182                                              # 0.1 and three standard deviations
    assert read > 0.5 and by_wording > 0.3


def test_a_class_of_one_has_nothing_to_shuffle():
    rng = np.random.default_rng(0)
    A, B, C = (cosine_matrix(rng.normal(size=(3, 8))) for _ in range(3))
    assert partial_mantel(A, B, [C], rng=rng, permutations=19, classes=range(8)).p == 1.0


def moved(model, words, order):
    with torch.no_grad():
        before, after = (model.encoder(torch.from_numpy(np.ascontiguousarray(x))) for x in (words, words[:, order]))
    return float(((after - before).norm(dim=1) / before.norm(dim=1)).max())


@pytest.mark.parametrize("length", [2, 3, 6])
@pytest.mark.parametrize("heads", [1, 4])
def test_one_layer_is_blind_to_order_before_the_last_and_to_nothing_else(length, heads):
    labels = SoftLabels.from_counts(np.eye(5), contexts=tuple(
        " ".join(np.random.default_rng(j).choice(list("abcdefgh"), length, replace=False)) for j in range(5)))
    words = context_words(labels)[0]

    def model(kind, **options):
        built = build_model(kind, labels, d=8, seed=1, dtype=torch.float64, **options)
        with torch.no_grad():
            for name, weight in built.encoder.named_parameters():
                weight.mul_(10).add_(0.3 if "places" in name else 0.0)
                if "places" in name:
                    weight.add_(torch.arange(len(weight), dtype=weight.dtype)[:, None] * torch.linspace(-1, 1, 8))
        return built

    front, last = [*range(length - 1)][::-1] + [length - 1], [*range(1, length), 0]
    assert moved(model("transformer", layers=1, heads=heads), words, front) < 1e-12
    assert moved(model("transformer", layers=1, heads=heads), words, last) > 1e-3
    assert moved(model("mean"), words, last) < 1e-12
    if length > 2:                                                     # one word before the last has no order
        assert moved(model("transformer", layers=2, heads=heads), words, front) > 1e-6
        assert moved(model("transformer", layers=1, heads=heads, positions=True), words, front) > 1e-6


def test_a_model_wants_a_layer():
    labels = SoftLabels.from_counts(np.eye(3), contexts=("a b", "b c", "c a"))
    for kind in ("mlp", "lstm", "transformer"):
        with pytest.raises(ValueError, match="layers: got 0"):
            build_model(kind, labels, d=4, seed=0, layers=0)


@pytest.fixture(scope="module")
def language():
    labels = load_labels("simplified-tinystories", seed=0, contexts=148)
    return labels, labels.S.toarray()


def explained(labels, S, kind, seed):
    """The share of 16.13, for a run of the chapter's length."""
    model = build_model(kind, labels, d=32, seed=seed)
    run = fit(model, labels, steps=300, lr=9e-3, milestones=(150, 225), gamma=0.4, snapshots=2)
    W, H = center(run.W[-1].astype(float)), run.H[-1] - run.H[-1].mean(axis=1, keepdims=True)
    sums = W.T @ S
    sums -= sums.mean(axis=1, keepdims=True)
    return np.vdot(H, sums)**2 / np.sum(H**2) / np.sum(sums**2)


def test_another_start_turns_the_claim_on_sums_of_next_words(language):
    """The mean of words stands at the bar of 16.13, free vectors well above it."""
    found = [explained(*language, "mean", seed) for seed in (1635, 1637)]
    assert {claim("16.13", share).verdict for share in found} == {"holds", "fails"}
    assert max(found) - min(found) < 0.05 and explained(*language, "ufm", 1637) > 0.6


def test_another_start_turns_the_claim_on_what_natural_strings_lend_a_transformer(language):
    """16.10 stands near zero for it: at this start it agrees as well with strings dealt at random."""
    labels, S = language
    ids = context_words(labels)[0]
    predicted = cosine_matrix(factor(solve_ntp_svm(S, tol=1e-7).L)[1])
    pairs, found = np.triu_indices(labels.m, 1), []
    for strings in (ids, np.random.default_rng(1).permutation(ids)):
        model = build_model("transformer", labels, d=32, seed=1800, layers=2)
        model.inputs = torch.from_numpy(strings)
        run = fit(model, labels, steps=300, lr=3e-3, milestones=(150, 225), gamma=0.4, snapshots=2)
        found.append(np.corrcoef(cosine_matrix(run.H[-1])[pairs], predicted[pairs])[0, 1])
    assert claim("16.10", found[0] - found[1]).verdict == "fails" and abs(found[0] - found[1]) < 0.05
    assert min(found) > 0.8


def test_sums_over_other_contexts_explain_nothing(language):
    labels, S = language
    assert explained(labels, S[:, np.random.default_rng(0).permutation(labels.m)], "ufm", 1) < 0.1


def test_the_solution_is_nearly_whitened_sums_on_another_draw():
    """16.12 sees supports only: another draw of the counts changes nothing, the 404 contexts of chapter 12 little."""
    S = load_labels("simplified-tinystories", seed=4).S.toarray()
    W, H = factor(solve_ntp_svm(S, tol=1e-7).L, tol=1e-6)
    sums = np.linalg.pinv(center(W)) @ centered_support(S)
    H, sums = (X - X.mean(axis=1, keepdims=True) for X in (H, sums))
    assert claim("16.12", np.vdot(H, sums)**2 / np.sum(H**2) / np.sum(sums**2)).verdict == "holds"

"""Chapter 11 under attack: other draws of the language, equal supports alone, private words, training at the edge."""

import numpy as np
import pytest

from ntputils import (SoftLabels, build_model, center, centered_support, claim, collapse_ratio, cosine_matrix, factor, fit,
                      load_corpus, mantel, solve_ntp_svm)


def language(seed):
    labels = SoftLabels.from_tokens(load_corpus("synthetic", seed=seed, sharing=0), context_length=5)
    return labels.restrict(range(labels.m))


@pytest.mark.parametrize("seed", range(6))
def test_every_draw_of_the_language_has_the_form_that_the_page_names(seed):
    labels = language(seed)
    S = labels.S.toarray()
    assert labels.m == 16 and set(S.sum(axis=0)) == {3}
    counts = np.unique(S, axis=1, return_counts=True)[1]
    assert len(counts) == 12 and sorted(counts)[-4:] == [2, 2, 2, 2]
    assert S.any(axis=1).all() and 20 <= labels.V <= 36


def direction(seed, start):
    """The cosine of 11.5 for free vectors, without the library's projector."""
    labels = language(seed)
    S, target = labels.S.toarray(), solve_ntp_svm(labels.S, tol=1e-8).L
    run = fit(build_model("ufm", labels, d=32, seed=start), labels, steps=3000, lr=3e-3, snapshots=2)
    L = center(run.W[-1].astype(float) @ run.H[-1])
    for j, on in enumerate(S.T):
        L[on, j] = L[on, j].mean()
    return np.vdot(L, target) / np.linalg.norm(L) / np.linalg.norm(target)


def test_another_draw_of_the_words_turns_the_claim_on_the_direction():
    """The language of the chapter meets the bar of 11.5 as narrowly as the next draw of its words misses it."""
    here, there = direction(1, 1634), direction(2, 1634)
    assert claim("11.5", here).verdict == "holds" and claim("11.5", there).verdict == "fails"
    assert abs(here - there) < 0.03


def test_equal_supports_alone_are_significant_more_often_than_chance():
    """Vectors that know who is equal and nothing else: what four pairs lend to Mantel's test over sixteen contexts."""
    rng, of = np.random.default_rng(0), np.r_[0:4, 0:12]
    rejected = []
    for _ in range(80):
        A, B = (rng.normal(size=(6, 12)) for _ in range(2))
        rejected.append([mantel(*(cosine_matrix(X) for X in pair), rng=rng, permutations=39).p <= 0.05
                         for pair in ((A[:, of], B[:, of]), (A, B))])
    with_pairs, without = np.mean(rejected, axis=0)
    assert with_pairs > 0.2 and without < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 80)


@pytest.mark.parametrize("m", [2, 5])
def test_private_words_make_the_contexts_of_the_proxy_a_simplex(m):
    """Exercise 2, from supports that share words; slowly, like one over the root of their number."""
    rng, off = np.random.default_rng(m), ~np.eye(m, dtype=bool)
    shared, gaps = rng.permuted(np.arange(8)[:, None] < np.full(m, 4), axis=0), []
    for n in (1, 50, 5000):
        S = np.vstack([shared, np.kron(np.eye(m), np.ones((n, 1)))])
        H = factor(centered_support(S), tol=1e-9)[1]
        C = (H.T @ H) / np.outer(np.linalg.norm(H, axis=0), np.linalg.norm(H, axis=0))
        gaps.append(np.abs(C[off] + 1 / (m - 1)).max())
    assert gaps[0] > gaps[1] > gaps[2] and gaps[2] < 0.05 and gaps[1] / gaps[2] == pytest.approx(10, rel=0.3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_collapse_ratio_of_random_classes_and_of_points(dtype):
    rng, of = np.random.default_rng(0), np.r_[0:4, 0:12]
    found = [collapse_ratio(rng.normal(size=(5, 16)).astype(dtype), of) for _ in range(200)]
    assert np.mean(found) == pytest.approx((16 - 12) / (12 - 1), rel=0.1)
    X = rng.normal(size=(5, 12)).astype(dtype)
    assert collapse_ratio(X[:, of], of) < 1e-12
    assert collapse_ratio(np.full((3, 16), dtype(0.1)), of) == 0
    assert np.isinf(collapse_ratio(np.array([[-1, 1, -1, 1]], dtype=dtype), [0, 0, 1, 1]))
    Y = X[:, of] + 0.1 * rng.normal(size=(5, 16))
    assert np.allclose([collapse_ratio(size * Y, of) for size in (1e-30, 1e30)], collapse_ratio(Y, of))


WORLDS = {
    "one context": [[3], [1], [0]],
    "two words": [[1, 0], [0, 1]],
    "full supports": [[1, 4], [5, 1], [2, 2]],
    "one-hot": np.eye(4),
    "uneven weights": np.diag([1000, 1, 1]) + np.eye(3)[::-1],
    "float32": np.array([[1, 0], [2, 1], [0, 3]], dtype=np.float32)}


@pytest.mark.parametrize(("kind", "name"), [*(("ufm", name) for name in WORLDS), ("transformer", "two words"),
                                            ("transformer", "uneven weights")])
def test_both_models_come_down_to_the_entropy_in_worlds_at_the_edge(kind, name):
    counts = np.array(WORLDS[name])
    labels = SoftLabels.from_counts(counts, contexts=tuple(f"{'abcd'[j]} x" for j in range(counts.shape[1])))
    model = build_model(kind, labels, d=4, seed=0, **({"layers": 1, "heads": 2} if kind == "transformer" else {}))
    run = fit(model, labels, steps=200, lr=0.05, snapshots=2)
    L, P = run.W[-1].astype(float) @ run.H[-1], labels.P.toarray()
    q = np.exp(L - L.max(axis=0))
    left = labels.pi @ np.sum(P * np.log(np.where(P > 0, P, 1) / np.where(P > 0, q / q.sum(axis=0), 1)), axis=0)
    assert run.loss[-1] - labels.entropy() == pytest.approx(left, abs=1e-5) and left < 0.02

"""Chapter 22 under attack: reports of worlds with one word, one context or one support, odd vectors, and what the page says."""

import re
import warnings

import numpy as np
import pytest

from ntputils import (Corpus, SoftLabels, compare_geometries, geometry_report, masked_labels, ntp_loss, predict,
                      solve_ntp_svm)


def nuclear(S):
    S = np.asarray(S, dtype=float)
    return np.linalg.norm(S - S.mean(axis=0), "nuc")


WORLDS = {"one word": [[3, 1]], "one context": [[3], [1], [0]], "V = 2": [[3, 1, 0], [0, 1, 2]], "one-hot": np.eye(5),
          "a chain": np.triu(np.ones((7, 6))), "equal supports": [[1, 2], [2, 1], [0, 0], [0, 0]],
          "full supports": [[1, 2], [2, 1]],
          "some full": [[1, 2, 1], [1, 0, 2], [1, 1, 0]],
          "equal rows and columns": np.kron([[1, 0, 1], [0, 1, 1]], np.ones((3, 4))),
          "very uneven": np.diag([1e9, 1, 1, 1]) + np.eye(4, k=1), "float32": np.float32([[2, 0], [1, 1], [0, 3]])}


@pytest.mark.parametrize("counts", WORLDS.values(), ids=WORLDS)
def test_the_numbers_of_odd_worlds_are_those_of_a_dense_computation(counts):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = geometry_report(SoftLabels.from_counts(counts))
    n, C = report.numbers, np.asarray(counts, dtype=float)
    S, total, size = C > 0, C.sum(axis=0), (C > 0).sum(axis=0)
    assert (n["words"], n["contexts"], n["distinct_supports"]) == (*C.shape, np.unique(S, axis=1).shape[1])
    assert (n["one_hot_contexts"], n["largest_support"]) == (np.sum(size == 1), size.max())
    assert n["contexts_once"] == np.sum(total == 1)
    P = C / total
    entropy = -np.sum(total / C.sum() * np.sum(P * np.log(np.where(S, P, 1)), axis=0))
    assert n["entropy"] == pytest.approx(entropy, abs=1e-12) and n["occurrences"] == C.sum()
    np.testing.assert_allclose([n["proxy_norm_low"], n["proxy_norm_high"]], nuclear(S), atol=1e-8)
    best = solve_ntp_svm(S, tol=1e-9)
    assert n["optimum_low"] <= best.primal + 1e-6 and best.dual <= n["optimum_high"] + 1e-6
    assert n["subset_gap"] <= 1e-4 and (n["optimum_high"] == 0) == bool(S.all())
    told = [note for note in report.notes if "followed by every word" in note or "follows every context" in note]
    assert len(told) == int(S.all(axis=0).any())


@pytest.mark.parametrize("name", ["one context", "full supports", "very uneven"])
def test_pages_of_odd_worlds_are_whole_and_ask_for_nothing(name, tmp_path):
    page = geometry_report(SoftLabels.from_counts(WORLDS[name])).to_html(tmp_path / "a.html").read_text(encoding="utf-8")
    assert not re.findall(r"<script|<iframe|https?:|\bnan\b|\binf\b", re.sub(r"<svg.*?</svg>", "", page, flags=re.S))
    assert page.rstrip().endswith("</html>")


# --- brackets ---

@pytest.mark.parametrize("s", [[5.0, 4, 3, 2, 1, 0.5], [1.0] * 6, [1e6] + [1e-3] * 5, [3.0, 0, 0, 0, 0, 0],
                               [2.0, 2, 2, 1, 0, 0]],
                         ids=["falling", "equal", "one large", "rank one", "rank four"])
def test_the_bracket_holds_and_its_ends_are_reached(s):
    s = np.array(s)
    for r in range(1, np.count_nonzero(s) + 1):
        t = np.sum(s[r:]**2)
        low, high = s[:r].sum() + t / s[r - 1], s[:r].sum() + np.sqrt((6 - r) * t)
        assert low - 1e-9 <= s.sum() <= high * (1 + 1e-12)
        if np.ptp(s) == 0:
            assert low == pytest.approx(high) == pytest.approx(s.sum())


@pytest.mark.parametrize("S", [np.eye(1100), np.triu(np.ones((1100, 1099)))], ids=["equal sizes", "a chain"])
def test_the_two_ends_of_a_long_text_are_in_order_and_hold_the_norm(S):
    found = predict(SoftLabels.from_counts(S), exact=False, directions=20)
    sizes = np.linalg.svd(S - S.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(found.sizes, sizes[:20], rtol=1e-8)
    assert found.norm[0] <= found.norm[1] and found.norm[0] <= sizes.sum() * (1 + 1e-9) <= found.norm[1] * (1 + 2e-9)
    assert found.optimum[0] <= found.optimum[1]


# --- vectors ---

RING = SoftLabels.from_counts(np.eye(9) + np.roll(np.eye(9), 1, axis=0) + np.eye(9)[:, [0] * 9])


@pytest.mark.parametrize("change", [lambda W: W.astype(np.float32), lambda W: -3 * W,
                                    lambda W: np.hstack([W, np.zeros_like(W)]),
                                    lambda W: W @ np.linalg.qr(np.random.default_rng(0).normal(size=(W.shape[1],) * 2))[0]],
                         ids=["float32", "turned about", "in more dimensions", "rotated"])
def test_the_prediction_recognises_itself_however_it_is_written(change):
    W = geometry_report(RING).prediction.W
    found = geometry_report(RING, embeddings=change(W)).agreements[0]
    assert found.r == pytest.approx(1, abs=1e-5) and found.p == 0.001


@pytest.mark.parametrize("vectors, says", [(np.ones((9, 3)), "nothing to correlate"),
                                           (np.zeros((9, 2)), "nothing to correlate"),
                                           (np.random.default_rng(3).normal(size=(9, 1)), "no agreement")])
def test_vectors_that_say_nothing_are_told_so(vectors, says):
    assert says in geometry_report(RING, embeddings=vectors).agreements[0].sentence


@pytest.mark.parametrize("labels, vectors, message", [
    (RING, np.full((9, 2), np.nan), "embeddings: got a vector that is not finite"),
    (RING, np.ones((8, 2)), "embeddings: got ndarray of shape"), (RING, {"a": [1, 2]}, "embeddings: got vectors for none"),
    (SoftLabels.from_counts(np.ones((6, 6))), np.eye(6), "got 0 words with a vector and a predicted direction"),
    (SoftLabels.from_counts(np.ones((3, 6))), np.eye(3), "got 0 words")])
def test_vectors_that_do_not_fit_are_told(labels, vectors, message):
    with pytest.raises(ValueError, match=message):
        geometry_report(labels, embeddings=vectors)


def test_random_vectors_are_recognised_as_often_as_chance_has_it_and_sizes_are_seen_through():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(4, 30))

    def compare(Y, sizes):
        return compare_geometries(X, Y, what="words", groups=range(30), sizes=sizes, rng=rng, permutations=99)

    p = [compare(rng.normal(size=(5, 30)), np.arange(1, 31)).p for _ in range(60)]
    assert np.sum(np.array(p) <= 0.05) <= 9 and np.mean(p) > 0.3           # three are expected; ten: one in two thousand
    sizes = np.exp(3 * rng.random(30))
    angle = np.log(sizes) / 3 * np.pi / 2
    X = np.vstack([np.cos(angle), np.sin(angle)]) + 0.1 * rng.normal(size=(2, 30))
    known = compare(np.vstack([np.cos(angle), np.sin(angle)]), sizes)
    assert known.r > 0.8 > known.partial


# --- texts ---

@pytest.mark.parametrize("text", ["a b a b c", "\ufeffa b a b c", "a  b\ta\r\nb c"],
                         ids=["plain", "a mark in front", "odd spaces"])
def test_texts_are_cut_alike(text):
    n = geometry_report(text, context_length=1).numbers
    assert (n["words"], n["contexts"], n["occurrences"]) == (3, 2, 4)


def test_names_with_markup_stay_names(tmp_path):
    report = geometry_report("<b> & <i> <script>alert(1)</script> <b> & <i>", name="<img src=x>", context_length=1)
    page = report.to_html(tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<script" not in page and "<img src=x" not in page and "&lt;img" in page
    assert "<b> " not in report._repr_html_()


def test_a_corpus_in_documents_has_no_context_across_their_ends():
    corpus = Corpus(np.array([0, 1, 0, 1]), ("a", "b"), np.array([0, 0, 1, 1]))
    assert geometry_report(corpus, context_length=1).numbers["contexts"] == 1


def test_with_longer_contexts_the_share_of_one_hot_contexts_may_fall():
    """Exercise 1: of the tokens it cannot. z is one-hot at both lengths, and what follows a is open after p and after q."""
    words, docs = "p a s p a t q a s q a t r z u r z u".split(), np.repeat(np.arange(6), 3)
    one, two = (masked_labels(words, doc_ids=docs, left=2, right=0, hidden=h) for h in ((-2,), ()))
    open_, more = (geometry_report(labels).numbers for labels in (one, two))
    assert open_["one_hot_contexts"] / open_["contexts"] == 1 / 2 > more["one_hot_contexts"] / more["contexts"] == 1 / 3
    assert open_["one_hot_occurrences"] == pytest.approx(more["one_hot_occurrences"])
    assert open_["largest_support"] == more["largest_support"] and open_["entropy"] == pytest.approx(more["entropy"])


def test_the_loss_of_a_model_is_that_of_its_logits():
    class Model:
        W, H = np.eye(9), np.random.default_rng(0).normal(size=(9, 9))

    assert geometry_report(RING, model=Model()).numbers["model_loss"] == pytest.approx(ntp_loss(Model.H, RING))

"""The frozen values: every check is perturbed once, and what is saved comes back bit for bit."""

import dataclasses
import os

import numpy as np
import pytest
import scipy.sparse as sp

from ntputils import Corpus, SoftLabels

# --- Corpus ---------------------------------------------------------------------------------------------------------

CORPUS = {"tokens": [0, 1, 0, 2], "vocab": ("a", "b", "c"), "doc_ids": [0, 0, 1, 1]}


@pytest.mark.parametrize("change, error, message", [
    ({"tokens": [], "doc_ids": []}, ValueError, "tokens: got an empty corpus, want at least one token"),
    ({"tokens": [0, 1, 0, 3]}, ValueError, "tokens: got the token id 3, outside the vocabulary of 3 tokens"),
    ({"tokens": [0, -2, 0, 1]}, ValueError, "tokens: got the token id -2, outside the vocabulary"),
    ({"tokens": [0, -1, 0, 3]}, ValueError, "tokens: got the token id -1, outside the vocabulary"),
    ({"tokens": [0, 2**32, 0, 1]}, ValueError, "tokens: got .*4294967296"),   # 0 once cut to 32 bits
    ({"tokens": [0.0, 1.0, 0.0, 2.0]}, TypeError, "tokens: got float64 with 1 axes, want integers with 1"),
    ({"tokens": [[0, 1, 0, 2]]}, TypeError, "tokens: got int64 with 2 axes"),
    ({"tokens": [True, False, True, True]}, TypeError, "tokens: got bool"),
    ({"doc_ids": [0, 0, 1]}, ValueError, "doc_ids: got 3 of them for 4 tokens, want one for each"),
    ({"doc_ids": [0, 1, 0, 1]}, ValueError, "doc_ids: got documents out of order, want ids that never fall"),
    ({"doc_ids": [0.0, 0.0, 1.0, 1.0]}, TypeError, "doc_ids: got float64"),
])
def test_a_corpus_is_checked(change, error, message):
    Corpus(**CORPUS)
    with pytest.raises(error, match=message):
        Corpus(**{**CORPUS, **change})


def test_the_head_of_a_corpus():
    corpus = Corpus(**CORPUS)
    head = corpus.head(3)
    assert head.tokens.tolist() == [0, 1, 0] and head.vocab == corpus.vocab and head.n == 3
    assert corpus.head(99).n == corpus.n and corpus.head(1).tokens.tolist() == [0]
    with pytest.raises(ValueError, match="tokens: got 0, want at least 1"):
        corpus.head(0)


def test_a_corpus_is_frozen_and_a_copy():
    tokens = np.array([0, 1, 0, 2])
    corpus = Corpus(tokens, ("a", "b", "c"), [0, 0, 1, 1])
    tokens[0] = 2
    assert corpus.tokens.tolist() == [0, 1, 0, 2]
    with pytest.raises(ValueError, match="read-only"):
        corpus.tokens[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        corpus.name = "other"


@pytest.mark.parametrize("vocab", [("a", "b", "c"), ("é", "🙂", " "), ("", "x", "\t")])
def test_a_saved_corpus_comes_back(tmp_path, vocab):
    corpus = Corpus(CORPUS["tokens"], vocab, CORPUS["doc_ids"], "näme", "a source", "a licence")
    again = Corpus.load(corpus.save(tmp_path / "corpus.npz"))
    for field in ("tokens", "doc_ids"):
        a, b = getattr(corpus, field), getattr(again, field)
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes()
    assert (again.vocab, again.name, again.source, again.licence) == (vocab, "näme", "a source", "a licence")


# --- SoftLabels -----------------------------------------------------------------------------------------------------

P = np.array([[0.25, 0.0, 1.0], [0.75, 0.5, 0.0], [0.0, 0.5, 0.0]])
LABELS = {"P": P, "pi": [0.5, 0.25, 0.25], "vocab": ("a", "b", "c"), "contexts": np.array([[0, 1], [1, 1], [3, 0]])}


def changed(array, place, value):
    """A copy of an array with another value in one place."""
    array = np.array(array, dtype=float)
    array[place] = value
    return array


@pytest.mark.parametrize("change, error, message", [
    ({"P": changed(P, (0, 0), -0.25)}, ValueError, "P: got a probability that is negative or not finite"),
    ({"P": changed(P, (0, 0), np.nan)}, ValueError, "P: got a probability that is negative or not finite"),
    ({"P": changed(P, (0, 0), np.inf)}, ValueError, "P: got a probability that is negative or not finite"),
    ({"P": changed(P, (0, 0), 0.2500001)}, ValueError, "P: got columns that do not sum to 1"),
    ({"P": changed(P, (0, 2), 0.0)}, ValueError, r"P: got a context with no next token \(column 2\)"),
    ({"P": np.empty((0, 3)), "vocab": ()}, ValueError, r"P: got shape \(0, 3\), want at least one token"),
    ({"P": np.empty((3, 0)), "pi": [], "contexts": ()}, ValueError, r"P: got shape \(3, 0\), want .*one context"),
    ({"pi": [0.5, 0.5]}, ValueError, r"pi: got shape \(2,\), want \(3,\), one frequency for each context"),
    ({"pi": [0.75, 0.25, 0.0]}, ValueError, "pi: got frequencies that are not positive with sum 1"),
    ({"pi": [0.75, 0.5, -0.25]}, ValueError, "pi: got frequencies that are not positive with sum 1"),
    ({"pi": [0.5, 0.25, 0.2500001]}, ValueError, "pi: got frequencies that are not positive with sum 1"),
    ({"pi": [0.5, 0.5, np.nan]}, ValueError, "pi: got frequencies"),
    ({"vocab": ("a", "b")}, ValueError, "vocab: got 2 tokens, want V = 3, one for each row of P"),
    ({"contexts": np.array([[0], [1]])}, ValueError, "contexts: got 2, want m = 3, one for each column of P"),
    ({"contexts": ("x", "y")}, ValueError, "contexts: got 2, want m = 3"),
    ({"contexts": np.array([[0], [1], [4]])}, ValueError, r"contexts: got a token id outside the vocabulary.*\[0, 3\]"),
    ({"contexts": np.array([[0], [1], [-1]])}, ValueError, "contexts: got a token id outside the vocabulary"),
    ({"contexts": np.array([[0], [1], [2**32]])}, ValueError, "contexts: got .*4294967296"),
    ({"contexts": np.array([[0.0], [1.0], [2.0]])}, TypeError, "contexts: got float64 with 2 axes, want integers"),
    ({"contexts": np.array([0, 1, 2])}, TypeError, "contexts: got int64 with 1 axes, want integers with 2"),
])
def test_soft_labels_are_checked(change, error, message):
    SoftLabels(**LABELS)
    with pytest.raises(error, match=message):
        SoftLabels(**{**LABELS, **change})


def test_columns_may_miss_one_by_rounding():
    P = np.full((10, 1), 0.1)
    assert sum([0.1] * 10) != 1
    assert SoftLabels(**{**LABELS, "P": P * (1 + 1e-10), "pi": [1.0], "vocab": tuple("abcdefghij"), "contexts": ("x",)}).m == 1


def test_only_whole_counts_say_how_many_samples_there_were():
    assert SoftLabels.from_counts([[1, 2], [3, 0]]).n == 6 and SoftLabels.from_counts([[0.5, 1], [1.5, 1]]).n == 0


@pytest.mark.parametrize("arguments, error, message", [
    ({"counts": [[1, -1]]}, ValueError, "counts: got -1, want counts >= 0"),
    ({"counts": [[1, np.nan]]}, ValueError, "counts: got a count that is not finite"),
    ({"counts": [[1, np.inf]]}, ValueError, "counts: got a count that is not finite"),
    ({"counts": [[1, 0], [2, 0]]}, ValueError, r"counts: got a context with no next token \(column 1\)"),
    ({"counts": np.empty((0, 0))}, ValueError, r"counts: got shape \(0, 0\)"),
    ({"counts": [[1, 2]], "vocab": ["a", "b"]}, ValueError, "vocab: got 2 tokens, want V = 1"),
    ({"counts": [[1, 2]], "contexts": ["x"]}, ValueError, "contexts: got 1, want m = 2"),
])
def test_counts_are_checked(arguments, error, message):
    with pytest.raises(error, match=message):
        SoftLabels.from_counts(**arguments)


@pytest.mark.parametrize("call, error, message", [
    (lambda: SoftLabels.from_text("", context_length=1), ValueError, "text: got no token"),
    (lambda: SoftLabels.from_text("one", context_length=1), ValueError, "context_length: got 1 for 1 tokens"),
    (lambda: SoftLabels.from_text(1, context_length=1), TypeError, "text: got int, want a string"),
    (lambda: SoftLabels.from_text("a b", context_length=0), ValueError, "context_length: got 0, want at least 1"),
    (lambda: SoftLabels.from_text("a b", context_length=1, min_size=2), TypeError, "min_size"),
    (lambda: SoftLabels.from_tokens([0, -1], context_length=1), ValueError, "token id -1, outside the vocabulary"),
])
def test_makers_are_checked(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_soft_labels_hold_no_stored_zero_and_cannot_be_changed():
    stored = sp.csc_array(P)
    stored.data[0] = 0.0
    stored[1, 0] = 1.0
    labels = SoftLabels(**{**LABELS, "P": stored})
    assert labels.P.nnz == 4 and labels.support_sizes.tolist() == [1, 2, 1] and labels.S.dtype == bool
    for array in (labels.P.data, labels.pi, labels.contexts, labels.S.data):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    assert stored.nnz == 5                                                  # what was given is left as it was


def test_entropy_is_the_sum_of_its_terms():
    labels = SoftLabels(**LABELS)
    terms = [0.5 * 0.25 * np.log(0.25), 0.5 * 0.75 * np.log(0.75), 2 * 0.25 * 0.5 * np.log(0.5)]
    assert abs(labels.entropy() + sum(terms)) < 1e-15                       # five terms below 1: a few roundings


def test_a_context_in_words():
    assert [SoftLabels(**LABELS).context(j) for j in range(3)] == ["a b", "b b", "<unk> a"]
    assert SoftLabels(**{**LABELS, "contexts": ("x y", "y", "z")}).context(1) == "y"


@pytest.mark.parametrize("contexts", [LABELS["contexts"], ("x y", "é", "")])
def test_saved_labels_come_back_bit_for_bit(tmp_path, contexts):
    counts = np.random.default_rng(0).integers(0, 3, (3, 3)) + np.eye(3)
    labels = SoftLabels.from_counts(counts, vocab=["a", "é", "🙂"], contexts=contexts)
    again = SoftLabels.load(labels.save(tmp_path / "labels.npz"))
    for a, b in ((labels.P.data, again.P.data), (labels.P.indices, again.P.indices), (labels.P.indptr, again.P.indptr),
                 (labels.pi, again.pi)):
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes()
    assert (again.vocab, again.n, again.P.shape) == (labels.vocab, labels.n, labels.P.shape)
    assert again.contexts == contexts if isinstance(contexts, tuple) else np.array_equal(again.contexts, contexts)


def test_a_line_break_in_a_token_cannot_be_saved(tmp_path):
    with pytest.raises(ValueError, match="vocab: got a token .*line break"):
        Corpus([0], ("a\nb",), [0]).save(tmp_path / "corpus.npz")
    with pytest.raises(ValueError, match="vocab: got a token or context with a line break"):
        SoftLabels.from_counts([[1]], vocab=["\n"]).save(tmp_path / "labels.npz")
    with pytest.raises(ValueError, match="vocab: got a token or context with a line break"):
        SoftLabels.from_counts([[1]], contexts=["a\nb"]).save(tmp_path / "labels.npz")
    assert not list(tmp_path.iterdir())


def test_a_saved_file_is_for_those_whom_the_umask_lets_read(tmp_path):
    before = os.umask(0o027)
    try:
        SoftLabels(**LABELS).save(tmp_path / "labels.npz")
        assert (tmp_path / "labels.npz").stat().st_mode & 0o777 == 0o640 and os.umask(0o027) == 0o027
    finally:
        os.umask(before)


# --- files ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch, stop):
    path = tmp_path / "labels.npz"
    SoftLabels(**LABELS).save(path)
    before = path.read_bytes()

    def half(file, **arrays):
        file.write(b"half a file")
        raise stop

    monkeypatch.setattr(np, "savez_compressed", half)
    for value in (SoftLabels.from_counts([[1, 2]]), Corpus(**CORPUS)):
        with pytest.raises(stop):
            value.save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_save_into_a_missing_folder_says_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        SoftLabels(**LABELS).save(tmp_path / "missing" / "labels.npz")


def write_half(path):
    whole = SoftLabels(**LABELS).save(path).read_bytes()
    path.write_bytes(whole[:len(whole) // 2])


def write_text(path):
    path.write_text("not a saved file")


def write_array(path):
    with open(path, "wb") as file:
        np.save(file, np.arange(3))


def write_pickle(path):
    np.savez(path, kind=np.array({"a": 1}, dtype=object))


@pytest.mark.parametrize("write", [None, write_half, write_text, write_array, write_pickle])
@pytest.mark.parametrize("kind", [Corpus, SoftLabels])
def test_a_file_that_cannot_be_read_is_named(tmp_path, kind, write):
    path = tmp_path / "file.npz"
    if write:
        write(path)
    with pytest.raises(ValueError, match=rf"path: .*file\.npz' .*a saved {kind.__name__}"):
        kind.load(path)


def test_a_file_of_another_kind_is_named(tmp_path):
    corpus, labels = Corpus(**CORPUS).save(tmp_path / "c.npz"), SoftLabels(**LABELS).save(tmp_path / "l.npz")
    np.savez(tmp_path / "other.npz", a=1)
    with pytest.raises(ValueError, match="path: '.*c.npz' holds Corpus, not a saved SoftLabels"):
        SoftLabels.load(corpus)
    with pytest.raises(ValueError, match="path: '.*l.npz' holds SoftLabels, not a saved Corpus"):
        Corpus.load(labels)
    with pytest.raises(ValueError, match="holds nothing that names itself"):
        Corpus.load(tmp_path / "other.npz")
    np.savez(tmp_path / "bare.npz", kind="Corpus")
    with pytest.raises(ValueError, match="path: .*bare.npz"):
        Corpus.load(tmp_path / "bare.npz")


def test_entropy_of_one_hot_data_is_a_plain_zero():
    assert str(SoftLabels.from_counts([[2, 0], [0, 1]]).entropy()) == "0.0"


def test_restricted_labels_are_those_of_the_same_counts():
    counts = np.array([[3, 0, 1], [1, 2, 0], [0, 2, 0], [0, 0, 4]])
    labels = SoftLabels.from_counts(counts, vocab="abcd", contexts="xyz").restrict([1, 0])
    again = SoftLabels.from_counts(counts[:3, [1, 0]], vocab="abc", contexts="yx")
    assert np.allclose(labels.P.toarray(), again.P.toarray(), rtol=0, atol=1e-15)
    assert np.allclose(labels.pi, again.pi, rtol=0, atol=1e-15)
    assert (labels.vocab, labels.contexts, labels.n) == (again.vocab, again.contexts, again.n)


@pytest.mark.parametrize("columns, error", [([], ValueError), ([3], ValueError), ([-1], ValueError),
                                            ([0.5], TypeError), ([[0]], TypeError)])
def test_bad_columns_are_named(columns, error):
    with pytest.raises(error, match="columns: got"):
        SoftLabels(**LABELS).restrict(columns)


def test_document_ids_may_be_any_of_32_bits():
    ends = [-2**31, 2**31 - 1]
    assert Corpus([0, 0], ("a",), ends).doc_ids.tolist() == ends
    with pytest.raises(ValueError, match="doc_ids: got documents out of order"):
        Corpus([0, 0], ("a",), ends[::-1])      # a step down that is no step down in 32 bits
    for far in ([-2**31 - 1, 0], [0, 2**31]):
        with pytest.raises(ValueError, match="doc_ids: got .* want integers of 32 bits"):
            Corpus([0, 0], ("a",), far)


@pytest.mark.skipif(os.name == "nt", reason="rights of files are another matter there")
@pytest.mark.parametrize("mask", [0o027, 0o002])
def test_a_saved_file_has_the_rights_that_the_umask_leaves(tmp_path, mask):
    before = os.umask(mask)
    try:
        path = Corpus(**CORPUS).save(tmp_path / "c.npz")
        assert os.umask(mask) == mask and path.stat().st_mode & 0o777 == 0o666 & ~mask
    finally:
        os.umask(before)

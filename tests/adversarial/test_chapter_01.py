"""Chapter 1 under attack: other texts, sizes and tokens, degenerate counts, and where shares are no majorities."""

import numpy as np
import pytest

from ntputils import Corpus, SoftLabels, centered_support, load_corpus, ntp_loss, solve_ntp_svm

COUNTS = {"one token": [[1, 2]], "one context": [[5], [1], [0]], "two tokens": [[1, 0, 2], [0, 3, 1]],
          "one-hot": np.eye(4), "all supports equal": [[3, 1, 2], [1, 5, 2], [0, 0, 0]], "all full": [[1, 2], [3, 4]],
          "nested": np.tril(np.ones((5, 4))), "all but one": 1 - np.eye(4),
          "copies": np.repeat([[1, 2], [0, 3], [0, 0]], 3, axis=1),
          "uneven weights": np.array([[4, 0, 1], [1, 3, 0], [0, 2, 0]]) * np.array([10**6, 1, 10**3])}
families = pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)


@pytest.fixture(scope="module")
def kjv():
    return load_corpus("kjv")


def conditional_entropy(contexts, following):
    """From samples, by sorting pairs: shares no code with the counting."""
    _, c = np.unique(contexts, axis=0, return_inverse=True)
    pairs, often = np.unique(np.stack([c.ravel(), following]), axis=1, return_counts=True)
    return -np.sum(often * np.log(often / np.bincount(c.ravel())[pairs[0]])) / len(following)


@families
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0, 1, 500])
def test_counting_loses_nothing_on_degenerate_counts(counts, dtype, size):
    counts = np.asarray(counts, dtype=int)
    labels = SoftLabels.from_counts(counts)
    L = (size * np.random.default_rng(7).normal(size=counts.shape)).astype(dtype)
    exact = L.astype(np.longdouble)
    each = np.log(np.exp(exact - exact.max(axis=0)).sum(axis=0)) + exact.max(axis=0) - exact   # of a sample (z, j)
    assert ntp_loss(L, labels) == pytest.approx(float((counts * each).sum() / counts.sum()), rel=1e-13, abs=1e-13)
    assert ntp_loss(L, labels) >= labels.entropy() - 1e-13


@families
def test_the_floor_is_reached_at_finite_logits_exactly_where_no_support_leaves_out_a_token(counts):
    labels = SoftLabels.from_counts(counts)
    P = labels.P.toarray()
    best = ntp_loss(np.log(np.maximum(P, 1e-9)), labels) - labels.entropy()
    assert (best < 1e-15) == bool((P > 0).all())


@families
def test_the_centred_support_of_float32_is_that_of_float64(counts):
    S = np.asarray(counts) > 0
    assert np.array_equal(centered_support(S.astype(np.float32)), S - S.mean(axis=0))


@pytest.mark.parametrize("tokenizer", ["words", "characters"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_entropy_falls_at_fixed_positions_of_other_texts_and_need_not_at_each_length_s_own(tokenizer, seed):
    rng = np.random.default_rng(seed)
    text = "\n\n".join(" ".join(rng.choice(["aa", "b", "a", "cab"], 30, p=[.5, .2, .2, .1])) for _ in range(40))
    corpus = Corpus.from_text(text, tokenizer=tokenizer)
    windows = np.lib.stride_tricks.sliding_window_view(corpus.tokens, 6)
    windows = windows[corpus.doc_ids[5:] == corpus.doc_ids[:-5]]
    fixed = [conditional_entropy(windows[:, 5 - T:5], windows[:, 5]) for T in range(1, 6)]
    assert max(np.diff(fixed)) <= 1e-12
    assert SoftLabels.from_tokens(corpus, context_length=5).entropy() == pytest.approx(fixed[-1], abs=1e-12)


def test_a_length_s_own_positions_can_raise_it():
    corpus = Corpus.from_text("\n\n".join(f"a b {z}" for z in "cdef"))
    first, second = (SoftLabels.from_tokens(corpus, context_length=T).entropy() for T in (1, 2))
    assert first < second                                            # a is certain, and stands only before b


@pytest.mark.parametrize("seed, N, T, V", [(1, 1, 3, 2), (2, 9, 1, 3), (3, 40, 4, 2), (4, 6, 2, 1)])
def test_every_prefix_is_a_context_in_tiny_batches(seed, N, T, V):
    """One sequence, one step, one token, and many equal prefixes."""
    rng = np.random.default_rng(seed)
    sequences = rng.integers(0, V, (N, T + 1))
    prefixes = {tuple(s[:t]): None for s in sequences.tolist() for t in range(1, T + 1)}
    column, counts = {p: j for j, p in enumerate(prefixes)}, np.zeros((V, len(prefixes)))
    L, loss = rng.normal(size=counts.shape), 0.0
    for s in sequences.tolist():
        for t in range(1, T + 1):
            j = column[tuple(s[:t])]
            counts[s[t], j] += 1
            loss -= L[s[t], j] - np.log(np.exp(L[:, j]).sum())
    assert ntp_loss(L, SoftLabels.from_counts(counts)) == pytest.approx(loss / (N * T), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_distinct_prefixes_grow_only_where_documents_are_equally_long(seed):
    documents = np.random.default_rng(seed).integers(0, 2, (12, 6))
    assert min(np.diff([len(np.unique(documents[:, :t], axis=0)) for t in range(1, 7)])) >= 0
    lengths = np.random.default_rng(seed).integers(1, 7, 12)
    distinct = [len({tuple(d[:t]) for d, n in zip(documents, lengths) if n >= t}) for t in range(1, 7)]
    assert min(np.diff(distinct)) < 0


# --- the shares, elsewhere ---

def several(labels):
    """The share with several next tokens, of the contexts seen at least twice."""
    return np.mean(labels.support_sizes[np.rint(labels.pi * labels.n) >= 2] > 1)


def test_that_recurring_contexts_have_several_next_tokens_is_no_law_of_the_text_s_parts(kjv):
    second, third = (slice(int(a * kjv.n / 4), int((a + 1) * kjv.n / 4)) for a in (1, 2))
    shares = [several(SoftLabels.from_tokens(kjv.tokens[part], context_length=5, doc_ids=kjv.doc_ids[part]))
              for part in (second, third)]
    assert shares[0] < 0.5 < shares[1]
    assert several(SoftLabels.from_tokens(kjv.head(kjv.n // 4), context_length=6)) < 0.5


def test_most_contexts_of_the_last_tenth_are_new_in_either_sense(kjv):
    """Not in the nine tenths before, as the claim has it; and the stricter: not at any earlier place."""
    tokens, T = kjv.tokens[:kjv.n // 4], 5
    windows = np.lib.stride_tricks.sliding_window_view(tokens, T)[:-1]
    seen, start, earlier, strict = set(), int(0.9 * len(tokens)), set(), []
    for i, window in enumerate(map(bytes, windows)):
        if i < start - T:
            earlier.add(window)
        if i >= start:
            strict.append((window not in earlier, window not in seen))
        seen.add(window)
    not_before, never = np.mean(strict, axis=0)
    assert 0.5 < never < not_before


def test_in_support_and_inside_are_apart_for_five_words_not_for_a_hundred_nor_for_long_runs_of_characters(kjv):
    def inside(corpus, T):
        windows = np.lib.stride_tricks.sliding_window_view(corpus.tokens, T + 1)
        return (windows[:, :T] == windows[:, T:]).any(axis=1).mean()

    words = kjv.head(100_000)
    letters = Corpus.from_text(" ".join(kjv.vocab[i] for i in words.tokens[:20_000]), tokenizer="characters")
    assert inside(words, 5) < 0.1 and inside(letters, 5) < 0.5
    assert inside(words, 100) > 0.5 and inside(letters, 20) > 0.5


@pytest.mark.parametrize("V, less_than_half", [(2, False), (2000, True)])
def test_shuffled_text_loses_its_entropy_only_if_there_are_many_tokens_for_its_length(V, less_than_half):
    tokens = np.random.default_rng(5).integers(0, V, 20_000)
    assert (SoftLabels.from_tokens(tokens, context_length=5).entropy() < 0.5 * np.log(V)) == less_than_half


# --- input ---

def test_float32_counts_are_taken_and_float32_probabilities_are_told_what_to_do():
    P, pi = np.array([[0.7, 0.1], [0.2, 0.3], [0.1, 0.6]], np.float32), np.array([0.3, 0.7], np.float32)
    with pytest.raises(ValueError, match="P: .*from_counts"):
        SoftLabels(P, pi, "abc", "xy")
    labels = SoftLabels.from_counts(P * pi)
    assert labels.P.dtype == np.float64 and np.abs(labels.P.sum(axis=0) - 1).max() < 1e-15
    assert labels.entropy() == pytest.approx(-np.sum(P * pi * np.log(P)), rel=1e-6)


@pytest.mark.parametrize("make", [SoftLabels.from_counts, centered_support, solve_ntp_svm])
@pytest.mark.parametrize("vector", [[1, 0, 1], 1, np.ones((2, 2, 2))], ids=["vector", "number", "cube"])
def test_what_is_no_matrix_is_refused_by_name(make, vector):
    with pytest.raises(ValueError, match=r"^(counts|S): got \d axes, want a matrix \(V, m\)"):
        make(vector)


def test_a_text_of_one_token_repeated_and_texts_that_are_too_short():
    labels = SoftLabels.from_text("a a a a", context_length=2)
    assert (labels.V, labels.m, labels.entropy()) == (1, 1, 0.0) and not centered_support(labels.S).any()
    for text, T in (("a", 1), ("a b c", 3)):
        with pytest.raises(ValueError, match="context_length: .*want a shorter one"):
            SoftLabels.from_text(text, context_length=T)

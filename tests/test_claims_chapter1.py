"""Every claim of chapter 1, measured on small inputs by independent code: honest input holds, perturbed input fails."""

import collections

import numpy as np
import pytest

from ntputils import Corpus, SoftLabels, claim, ntp_loss, softmax

COVERED = {f"1.{i}" for i in range(1, 13)}
RNG = np.random.default_rng(1)
TOKENS = RNG.integers(0, 6, size=400)
LABELS = SoftLabels.from_tokens(TOKENS, context_length=1)


def sample_loss(L, tokens, column_of):
    """The mean of -log softmax over samples, one by one."""
    Q = softmax(L)
    return -np.mean([np.log(Q[z, column_of[x]]) for x, z in zip(tokens[:-1], tokens[1:])])


def verdict(id_, measured):
    return claim(id_, measured).verdict


def test_1_1_a_sample_lost_is_noticed():
    L = RNG.normal(size=(LABELS.V, LABELS.m))
    column_of = {int(c): j for j, c in enumerate(LABELS.contexts[:, 0])}
    assert verdict("1.1", abs(sample_loss(L, TOKENS, column_of) - ntp_loss(L, LABELS))) == "holds"
    assert verdict("1.1", abs(sample_loss(L, TOKENS[:-1], column_of) - ntp_loss(L, LABELS))) == "fails"


def entropy_of(samples):
    """The conditional entropy of (context, next) samples, by dictionaries."""
    pairs, contexts = collections.Counter(samples), collections.Counter(c for c, _ in samples)
    return -sum(k / len(samples) * np.log(k / contexts[c]) for (c, _), k in pairs.items())


def test_1_2_needs_the_same_positions():
    text = [0, 0, 0, 0, 0, 0, 1, 2, 1, 3, 1, 4]
    same = [entropy_of([(tuple(text[i - T:i]), text[i]) for i in range(4, 12)]) for T in (1, 2, 3)]
    assert verdict("1.2", np.diff(same).max()) == "holds"
    uncertain_late = [0] * 8 + [1, 2, 5, 6, 1, 2, 5, 7]  # one token of context early, two late
    moving = [entropy_of([(tuple(uncertain_late[i - T:i]), uncertain_late[i]) for i in range(*where)])
              for T, where in ((1, (1, 8)), (2, (9, 16)))]
    assert verdict("1.2", np.diff(moving).max()) == "fails"


def test_1_3_a_language_uncertain_early_and_certain_late():
    def rise(sentences):
        first, second = ([(tuple(s[:t]), s[t]) for s in sentences] for t in (1, 2))
        return entropy_of(second) - entropy_of(first)

    assert verdict("1.3", rise(["abc", "abd"])) == "holds"
    assert verdict("1.3", rise(["abb", "acb"])) == "fails"


def test_1_4_prefixes_of_unequal_documents_can_become_fewer():
    def smallest_increase(documents):
        counts = [len({d[:t] for d in documents if len(d) >= t}) for t in (1, 2, 3)]
        return np.diff(counts).min()

    assert verdict("1.4", smallest_increase(["abc", "abd", "bcd"])) == "holds"
    assert verdict("1.4", smallest_increase(["abc", "bc", "c"])) == "fails"


def one_hot_share(labels):
    return np.mean(labels.support_sizes == 1)


def test_1_5_fails_where_contexts_recur():
    distinct = Corpus.from_text(" ".join(f"w{i}" for i in range(50)))
    assert verdict("1.5", one_hot_share(SoftLabels.from_tokens(distinct, context_length=5))) == "holds"
    assert verdict("1.5", one_hot_share(LABELS)) == "fails"


def test_1_6_fails_where_repetition_is_exact():
    repeated = SoftLabels.from_tokens(np.tile(np.arange(20), 5), context_length=2)
    assert verdict("1.6", np.mean(LABELS.support_sizes > 1)) == "holds"
    assert verdict("1.6", np.mean(repeated.support_sizes > 1)) == "fails"


def test_1_7_fails_where_every_context_is_seen_twice():
    def seen_once(labels):
        return np.mean(np.rint(labels.pi * labels.n)[labels.support_sizes == 1] == 1)

    assert verdict("1.7", seen_once(SoftLabels.from_tokens(np.arange(20), context_length=2))) == "holds"
    twice = SoftLabels.from_tokens(np.tile(np.arange(20), 2), context_length=2, doc_ids=np.repeat([0, 1], 20))
    assert verdict("1.7", seen_once(twice)) == "fails"


def new_share(tokens, split):
    known = {tuple(tokens[i:i + 5]) for i in range(split - 5)}
    return np.mean([tuple(tokens[i:i + 5]) not in known for i in range(split, len(tokens) - 5)])


def test_1_8_fails_in_a_text_that_repeats_itself():
    assert verdict("1.8", new_share(list(range(100)), 90)) == "holds"
    assert verdict("1.8", new_share(list(range(10)) * 10, 90)) == "fails"


def test_1_9_notices_a_pair_that_went_missing():
    def missing(part, whole):
        found = lambda tokens: {(a, b) for a, b in zip(tokens[:-1], tokens[1:])}  # noqa: E731
        return len(found(part) - found(whole))

    assert verdict("1.9", missing(TOKENS[:200], TOKENS)) == "holds"
    assert verdict("1.9", missing([*TOKENS[:200], 7], TOKENS)) == "fails"


def test_1_10_fails_in_a_text_that_stutters():
    def inside(tokens):
        return np.mean([tokens[i] in tokens[i - 5:i] for i in range(5, len(tokens))])

    assert verdict("1.10", inside(list(range(100)))) == "holds"
    assert verdict("1.10", inside([i // 3 for i in range(300)])) == "fails"


def test_1_11_notices_prefixes_of_different_lengths_taken_for_one():
    sequences = RNG.integers(0, 3, size=(30, 4))
    for key, expected in ((lambda s, t: tuple(s[:t]), "holds"), (lambda s, t: tuple(s[t - 1:t]), "fails")):
        samples = [(key(s, t), s[t], tuple(s[:t])) for s in sequences for t in (1, 2, 3)]
        names = sorted({c for c, _, _ in samples})
        true_names = sorted({c for _, _, c in samples})
        counts = np.zeros((3, len(names)))
        for c, z, _ in samples:
            counts[z, names.index(c)] += 1
        logits = {c: RNG.normal(size=3) for c in true_names}
        L = np.column_stack([logits[next(full for c, _, full in samples if c == name)] for name in names])
        direct = np.mean([-np.log(softmax(logits[full][:, None])[z, 0]) for _, z, full in samples])
        assert verdict("1.11", abs(direct - ntp_loss(L, SoftLabels.from_counts(counts)))) == expected


def test_1_12_fails_where_the_vocabulary_is_small_against_the_text():
    def entropy_left(size, vocabulary):
        tokens = np.random.default_rng(0).integers(0, vocabulary, size=size)
        p = np.bincount(tokens) / size
        return SoftLabels.from_tokens(tokens, context_length=5).entropy() / -np.sum(p[p > 0] * np.log(p[p > 0]))

    assert verdict("1.12", entropy_left(2_000, 100)) == "holds"
    assert verdict("1.12", entropy_left(20_000, 2)) == "fails"


@pytest.mark.parametrize("id_", sorted(COVERED))
def test_not_a_number_never_holds(id_):
    assert verdict(id_, np.nan) == "fails"

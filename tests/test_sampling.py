"""Where a sampler goes on the text it was trained on, against walks that are enumerated word by word."""

import numpy as np
import pytest
import torch

from ntputils import SoftLabels, build_model, context_words, continue_text, next_contexts, softmax, visits

TEXT = "a b c a b d\n\nb c d a c\n\na b c c d b c a b c d"


@pytest.fixture(scope="module")
def labels():
    return SoftLabels.from_text(TEXT, context_length=2)


@pytest.fixture(scope="module")
def Q(labels):
    return softmax(np.random.default_rng(0).normal(size=labels.P.shape))


def followers():
    """Which word followed which pair, read from the documents themselves."""
    found = {}
    for document in TEXT.split("\n\n"):
        words = document.split()
        for i in range(len(words) - 2):
            found.setdefault((words[i], words[i + 1]), set()).add(words[i + 2])
    return found


def test_next_contexts_are_the_shifted_windows(labels):
    to, names = next_contexts(labels), [tuple(labels.context(j).split()) for j in range(labels.m)]
    assert to.shape == labels.P.shape and set(names) == set(followers())
    for (z, j), k in np.ndenumerate(to):
        shifted = (names[j][1], labels.vocab[z])
        assert (names[k] == shifted) if k >= 0 else (shifted not in names)


def test_contexts_kept_as_words_lead_to_the_same_places(labels):
    words = labels.restrict(range(labels.m))
    assert isinstance(words.contexts, tuple)
    assert np.array_equal(next_contexts(words), next_contexts(labels))


def walk(labels, Q, steps):
    """Chances of being at a context after 0, 1, ... tokens, by following all continuations one by one."""
    names, follow = [tuple(labels.context(j).split()) for j in range(labels.m)], followers()
    states = {(name,): p for name, p in zip(names, labels.pi)}         # the whole history, not only the place
    rows = []
    for _ in range(steps):
        row = dict.fromkeys(names, 0.0)
        for history, p in states.items():
            row[history[-1]] += p
        rows.append([row[name] for name in names])
        states = {(*h, (h[-1][1], z)): p * Q[labels.vocab.index(z), names.index(h[-1])]
                  for h, p in states.items() for z in follow[h[-1]] if (h[-1][1], z) in follow}
    return np.array(rows)


def test_visits_are_those_of_all_walks(labels, Q):
    assert np.allclose(visits(Q, labels, 6), walk(labels, Q, 6), rtol=0, atol=1e-14)
    assert np.allclose(visits(labels.P, labels, 6), walk(labels, labels.P.toarray(), 6), rtol=0, atol=1e-14)


def test_the_text_itself_never_leaves_and_a_model_leaves_with_its_mass(labels, Q):
    off = np.where(labels.S.toarray(), 0, Q).sum(axis=0)
    rng, names, runs, steps = np.random.default_rng(1), next_contexts(labels), 6_000, 5
    left = np.zeros(steps)
    for j in rng.choice(labels.m, size=runs, p=labels.pi):
        for t in range(steps):
            z = rng.choice(labels.V, p=Q[:, j])
            if not labels.S[z, j]:
                left[t] += 1
                break
            j = names[z, j]
            if j < 0:
                break
    exact = visits(Q, labels, steps) @ off
    assert np.all(np.abs(left / runs - exact) < 5 * np.sqrt(exact / runs))
    assert exact[0] == pytest.approx(labels.pi @ off)


def test_staying_is_at_least_what_the_divergence_allows(labels, Q):
    P, S, steps = labels.P.toarray(), labels.S.toarray(), 8
    off = np.where(S, 0, Q).sum(axis=0)
    kl = np.where(S, P * np.log(np.where(S, P, 1) / Q), 0).sum(axis=0)
    staying = 1 - np.cumsum(visits(Q, labels, steps) @ off)
    assert np.all(staying >= np.exp(-np.cumsum(visits(P, labels, steps) @ kl)))


class Clock(torch.nn.Module):
    """Reads the last word number n and is sure of n + 1: vectors are one-hot."""

    def forward(self, words):
        return torch.nn.functional.one_hot((words[:, -1] + 1) % 4, 4).float() * 50


def test_a_model_reads_what_it_wrote():
    labels = SoftLabels.from_text("a b c d a b c d a b c d", context_length=2)
    model = build_model("mean", labels, d=4, seed=0)
    model.encoder = Clock()
    order = {word: i for i, word in enumerate("abcd")}
    with torch.no_grad():
        model.decoder.weight.copy_(torch.eye(4)[[order[word] for word in labels.vocab]])
    start = [labels.context(j) for j in range(labels.m)].index("c d")
    written = continue_text(model, labels, [start, start], 6, rng=np.random.default_rng(0))
    assert ["".join(labels.vocab[z] for z in row) for row in written] == ["abcdab"] * 2


class Echo(torch.nn.Module):
    """Words as vectors; the word after a context is its first one."""

    def forward(self, words):
        return torch.nn.functional.one_hot(words[:, 0], 4).float() * 50


def test_a_window_moves_by_one_word():
    labels = SoftLabels.from_text("a b c d " * 3, context_length=3)
    model = build_model("mean", labels, d=4, seed=0)
    model.encoder = Echo()
    ids, words = context_words(labels)
    with torch.no_grad():       # after abc comes d, the word before the first in the round
        model.decoder.weight.copy_(torch.eye(4)[[words.index(dict(zip("abcd", "bcda"))[word]) for word in labels.vocab]])
    start = [labels.context(j) for j in range(labels.m)].index("b c d")
    written = continue_text(model, labels, [start], 6, rng=np.random.default_rng(0))
    assert "".join(labels.vocab[z] for z in written[0]) == "abcdab"


def test_tokens_come_with_the_models_chances():
    labels = SoftLabels.from_text("a b a c a a b", context_length=1)
    model = build_model("mlp", labels, d=3, seed=1)
    q = softmax((model.W @ model.H()).detach().double().numpy())
    starts = np.repeat(np.arange(labels.m), 4000)
    written = continue_text(model, labels, starts, 1, rng=np.random.default_rng(2))[:, 0].reshape(labels.m, -1)
    share = np.stack([np.bincount(row, minlength=labels.V) / 4000 for row in written], axis=1)
    assert np.abs(share - q).max() < 5 * 0.5 / 4000**0.5


def test_a_token_that_no_context_holds_ends_the_run():
    labels = SoftLabels.from_text("a b\n\na c\n\nb a", context_length=1)       # c comes last only
    model = build_model("mean", labels, d=2, seed=0)
    c = labels.vocab.index("c")
    written = continue_text(model, labels, np.zeros(200, int), 30, rng=np.random.default_rng(0))
    ended = written == c
    assert np.all(written[ended.cumsum(axis=1).cumsum(axis=1) > 1] == -1) and ended.any()
    assert np.all(written[~ended.any(axis=1)] >= 0)


def test_one_step_is_where_one_begins(labels):
    assert visits(labels.P, labels, 1).tolist() == [labels.pi.tolist()]


def free(labels):
    return build_model("ufm", labels, d=2, seed=0)


@pytest.mark.parametrize("call, error, message", [
    (lambda labels: visits(np.ones((2, 2)) / 2, labels, 1), ValueError, r"Q: got shape \(2, 2\), want"),
    (lambda labels: visits(np.ones(labels.P.shape), labels, 1), ValueError, "Q: got columns that are no probabilities"),
    (lambda labels: visits(1.5 * labels.P, labels, 1), ValueError, "Q: got columns that are no probabilities"),
    (lambda labels: visits(labels.P, labels, 0), ValueError, "steps: got 0, want at least 1"),
    (lambda labels: continue_text(free(labels), labels, [0], 1, rng=np.random.default_rng()), ValueError,
     "model: got free vectors"),
    (lambda labels: continue_text(build_model("mean", labels, d=2, seed=0), labels, [99], 1, rng=np.random.default_rng()),
     ValueError, r"starts: got shape \(1,\), want numbers of contexts from 0 to"),
    (lambda labels: continue_text(build_model("mean", labels, d=2, seed=0), labels, [labels.m], 1, rng=np.random.default_rng()),
     ValueError, r"starts: got shape \(1,\), want numbers of contexts from 0 to"),
    (lambda labels: continue_text(free(labels), labels, [0], 1, rng=0), TypeError, "rng: got int"),
])
def test_bad_input_is_named(labels, call, error, message):
    with pytest.raises(error, match=message):
        call(labels)

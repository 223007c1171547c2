"""Every claim of chapter 21, on a small world made here and measured by other code: honest input holds, perturbed fails."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.optimize import linprog
from transformers import GPT2Config, GPT2LMHeadModel

from ntputils import LanguageModel, claim, hidden_states, is_argmaxable, solve_ntp_svm

COVERED = {f"21.{i}" for i in range(1, 28)}
V, M = 30, 40


def verdict(id_, measured):
    return claim(id_, measured).verdict


def cosines(X):
    return (X / np.linalg.norm(X, axis=0)).T @ (X / np.linalg.norm(X, axis=0))


def residual(a, given):
    """What is left of pairs after a regression on others."""
    X = np.column_stack([np.ones(len(a)), *given])
    return a - X @ np.linalg.lstsq(X, a, rcond=None)[0]


def shuffled_p(A, B, given=(), classes=None, seed=0, times=999):
    """Mantel's p, partial where something is given, with scipy's correlation and a loop."""
    pairs, rng, n = np.triu_indices(len(A), 1), np.random.default_rng(seed), len(A)
    rest = [C[pairs] for C in given]
    a, left = residual(A[pairs], rest), np.zeros((n, n))
    left[pairs] = residual(B[pairs], rest)
    left += left.T

    def order():
        o = np.arange(n)
        for c in np.unique(classes) if classes is not None else [None]:
            where = np.flatnonzero(classes == c) if c is not None else o.copy()
            o[where] = rng.permutation(where)
        return o

    def r(o):
        return stats.pearsonr(a, residual(left[np.ix_(o, o)][pairs], rest)).statistic
    seen = r(np.arange(n))
    return (1 + sum(r(order()) >= seen - 1e-12 for _ in range(times))) / (1 + times)


@pytest.fixture(scope="module")
def world():
    """Supports around ten themes, NTP-SVM's factors by hand, and a 'model' that is these factors, turned and blurred."""
    rng = np.random.default_rng(3)
    S = np.zeros((V, M), dtype=bool)
    for j in range(M):
        S[rng.choice((3 * (j % 10) + np.arange(8)) % V, 4, replace=False), j] = True
    U, s, Vt = np.linalg.svd(solve_ntp_svm(S, tol=1e-6).L, full_matrices=False)
    W, H = U * np.sqrt(s), np.sqrt(s)[:, None] * Vt
    turn = np.linalg.qr(rng.normal(size=(V, V)))[0]
    noise = 0.3 * H.std()
    P = S * rng.gamma(0.5, size=S.shape) + 1e-9
    return S, W, H, turn @ H + noise * rng.normal(size=H.shape), turn @ W.T + noise * rng.normal(size=W.T.shape), P / P.sum(axis=0)


@pytest.mark.parametrize("id_", ["21.2", "21.14"])
def test_contexts(world, id_):
    _, _, H, model, *_ = world
    assert verdict(id_, shuffled_p(cosines(model), cosines(H), times=199)) == "holds"
    other = np.random.default_rng(1).normal(size=model.shape)
    assert verdict(id_, shuffled_p(cosines(other), cosines(H), times=199)) == "fails"


@pytest.mark.parametrize("id_", ["21.10", "21.15"])
def test_words(world, id_):
    _, W, *_, model, _ = world
    assert verdict(id_, shuffled_p(cosines(model), cosines(W.T), times=199)) == "holds"
    other = model[:, np.random.default_rng(1).permutation(V)]
    assert verdict(id_, shuffled_p(cosines(other), cosines(W.T), times=199)) == "fails"


@pytest.mark.parametrize("id_", ["21.5", "21.13", "21.17", "21.18"])
def test_beyond_what_is_given(world, id_):
    _, W, H, contexts, words, P = world
    model, foretold, raw = (cosines(words), cosines(W.T), cosines(P.T)) if id_ == "21.13" else \
        (cosines(contexts), cosines(H), cosines(P))
    assert verdict(id_, shuffled_p(model, foretold, [raw], times=199)) == "holds"
    rng = np.random.default_rng(5)
    noise = cosines(rng.normal(size=(8, len(raw))))
    assert shuffled_p(raw + noise, foretold, times=199) <= 0.05             # related, and by what is given only
    assert verdict(id_, shuffled_p(raw + noise, foretold, [raw], times=199)) == "fails"


def swapped(S, rng, swaps=1200):
    """Checkerboard swaps: sizes of supports and counts of words stay."""
    S = S.copy()
    for _ in range(swaps):
        (a, b), (i, j) = rng.choice(V, 2, replace=False), rng.choice(M, 2, replace=False)
        if S[a, i] and S[b, j] and not S[a, j] and not S[b, i]:
            S[a, i] = S[b, j] = False
            S[a, j] = S[b, i] = True
    return S


@pytest.mark.parametrize("id_", ["21.4", "21.12", "21.16"])
def test_more_than_sizes_and_counts(world, id_):
    S, *_, contexts, words, _ = world
    A = cosines(words if id_ == "21.12" else contexts)
    pairs, rng = np.triu_indices(len(A), 1), np.random.default_rng(2)

    def r(S):
        U, s, Vt = np.linalg.svd(S - S.mean(axis=0), full_matrices=False)
        X = (U * np.sqrt(s)).T if id_ == "21.12" else np.sqrt(s)[:, None] * Vt
        return stats.pearsonr(A[pairs], cosines(X)[pairs]).statistic
    null = [r(swapped(S, rng)) for _ in range(19)]
    assert verdict(id_, r(S) - max(null)) == "holds"
    assert verdict(id_, sorted(null)[0] - max(null)) == "fails"


def test_21_1_states_before_the_last_normalisation_are_not_those():
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=2)).eval()
    with torch.no_grad():
        model.transformer.ln_f.weight.uniform_(0.5, 2)
        ids = torch.tensor([[1, 2, 3], [4, 5, 6]])
        out = model(ids, output_hidden_states=True)
        raw = {}
        hook = model.transformer.ln_f.register_forward_pre_hook(lambda _, given: raw.update(h=given[0]))
        model(ids)
        hook.remove()
    lm, logits = LanguageModel("tiny", model, None), out.logits[:, -1].numpy().T
    for H, says in ((hidden_states(lm, ids.tolist()), "holds"), (raw["h"][:, -1].numpy().T, "fails")):
        assert verdict("21.1", np.abs(lm.unembedding @ H - logits).max() / logits.std()) == says


def test_21_9_one_line_without_a_relation_is_enough():
    assert verdict("21.9", sum(p > 0.01 for p in [0.005] * 9)) == "holds"
    assert verdict("21.9", sum(p > 0.01 for p in [0.005] * 8 + [0.2])) == "fails"


def scatter(X, classes):
    """Within over between, class by class."""
    means = {c: X[:, classes == c].mean(axis=1) for c in set(classes.tolist())}
    within = sum(np.sum((x - means[c])**2) for x, c in zip(X.T, classes.tolist()))
    return within / sum(np.sum((means[c] - X.mean(axis=1))**2) for c in classes.tolist())


def test_21_20_and_21_21_supports_against_tokens():
    rng = np.random.default_rng(6)
    support, token = np.repeat(np.arange(8), 6), np.tile(np.arange(3), 16)      # a token belongs to many supports
    likeliest = support // 2                                                    # and two supports share the likeliest
    X = rng.normal(size=(10, 8))[:, support] + 0.5 * rng.normal(size=(10, 48))

    def over(classes):
        return scatter(X, classes) / np.mean([scatter(X, rng.permutation(classes)) for _ in range(50)])
    assert verdict("21.21", over(support) - over(token)) == "holds"
    assert verdict("21.21", over(token) - over(support)) == "fails"
    equal, given = ((c[:, None] == c[None]).astype(float) for c in (support, likeliest))
    assert verdict("21.20", shuffled_p(cosines(X), equal, [given], classes=likeliest, times=199)) == "holds"
    Y = rng.normal(size=(10, 4))[:, likeliest] + 0.5 * rng.normal(size=(10, 48))     # by the likeliest token only
    assert verdict("21.20", shuffled_p(cosines(Y), equal, [given], classes=likeliest, times=199)) == "fails"


def test_21_22_words_of_other_classes():
    rng = np.random.default_rng(7)
    means = rng.normal(size=(20, 15))
    words = means + rng.normal(size=means.shape)

    def p(words):
        distance = [np.sum(((means / np.linalg.norm(means, axis=0)) - (X / np.linalg.norm(X, axis=0)))**2) for X in
                    (words, *(words[:, rng.permutation(15)] for _ in range(999)))]
        return (1 + sum(d <= distance[0] for d in distance[1:])) / 1000
    assert verdict("21.22", p(words)) == "holds"
    assert verdict("21.22", p(np.roll(words, 1, axis=1))) == "fails"


def test_21_23_supports_of_half_the_dimension():
    P = np.random.default_rng(8).dirichlet(np.ones(1000), size=50)
    assert verdict("21.23", 2 * np.sum(P >= 0.01, axis=1).max() / 576) == "holds"
    assert verdict("21.23", 2 * np.sum(np.full(1000, 0.001) >= 0.0001) / 576) == "fails"


def test_21_25_the_cliff_is_at_the_dimension():
    rng, d = np.random.default_rng(9), 12
    L = (rng.normal(size=(80, d)) @ rng.normal(size=(d, 30))).astype(np.float32)
    Q = L - np.log(np.exp(L - L.max(axis=0)).sum(axis=0)) - L.max(axis=0)
    s = np.linalg.svd(Q - Q.mean(axis=0), compute_uv=False)
    assert verdict("21.25", s[d] / s[d - 1]) == "holds"
    assert verdict("21.25", s[d - 1] / s[d - 2]) == "fails"


def test_21_26_every_word_has_a_certificate():
    W = np.random.default_rng(10).normal(size=(40, 4))
    verdicts = [is_argmaxable(W, z).argmaxable for z in range(40)]
    for z, can in enumerate(verdicts):
        others = np.delete(W, z, axis=0)
        inside = linprog(np.zeros(39), A_eq=np.vstack([others.T, np.ones(39)]), b_eq=[*W[z], 1]).status == 0
        assert can is (not inside)
    assert verdict("21.26", verdicts.count(None)) == "holds"
    many = np.random.default_rng(4).normal(size=(400, 30))
    assert verdict("21.26", [is_argmaxable(many, 0, start=-many[0], rounds=0).argmaxable].count(None)) == "fails"


@pytest.mark.parametrize("id_", ["21.3", "21.6", "21.7", "21.8", "21.11", "21.19", "21.24", "21.27"])
def test_open_questions_have_no_threshold(id_):
    assert verdict(id_, 0.5) == "open"

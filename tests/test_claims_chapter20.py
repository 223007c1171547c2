"""Every claim of chapter 20: honest input, from other code than the notebook's, holds; perturbed input fails."""

import numpy as np
import pytest
import torch
from scipy import optimize, stats

from ntputils import (SoftLabels, centered_support, claim, effective_rank, load_corpus, one_hot, regularization_path,
                      solve_ntp_svm, star_gram, step_geometry)

COVERED = {f"20.{i}" for i in range(1, 26)}


def verdict(id_, measured):
    return claim(id_, measured).verdict


def gram(L):
    """(LL')^{1/2} by eigenvalues."""
    values, U = np.linalg.eigh(L @ L.T)
    return (U * np.sqrt(np.maximum(values, 0))) @ U.T


def cosines(G):
    lengths = np.sqrt(np.diag(G))
    return G / np.outer(lengths, lengths)


def step_labels(R, power, many=3, few=3):
    """One-hot labels with weights n^power, and n for each context."""
    S = one_hot([R] * many + [1] * few)
    n = np.repeat([float(R), 1.0], [R * many, few])
    return SoftLabels.from_counts(S * n**power), n


def test_20_1():
    found = gram(centered_support(one_hot([30] * 2 + [1] * 5)))         # the proxy, which is the solution
    wanted = step_geometry(7, 30, majority=2).gram()
    assert verdict("20.1", np.abs(found - wanted).max() / wanted.max()) == "holds"
    wrong = step_geometry(7, 30, majority=3).gram()
    assert verdict("20.1", np.abs(found - wrong).max() / wrong.max()) == "fails"


def test_20_2():
    assert verdict("20.2", max(abs(step_geometry(V, 7).minority_cosine) for V in (4, 6, 30))) == "holds"
    assert verdict("20.2", max(abs(step_geometry(V, 2 * (V + 2)**2 - 1).minority_cosine - 0.5) for V in (4, 30))) == "holds"
    assert verdict("20.2", abs(step_geometry(6, 8).minority_cosine)) == "fails"


# --- the path in four numbers: what tells twins apart, and the two sides of what tells the groups apart ---

def reduced_path(R, lam, majority, minority, many=3, few=3):
    """Cosine matrix of the words where contexts have these weights: a convex problem in four numbers."""
    V = many + few

    def columns(x):
        apart, across = x[:2] / np.sqrt([R, 1.0]), x[2:]
        for own, size, rest, a, m in zip((many, few), (R, 1), (few, many), apart, across):
            mean = m * np.sqrt(rest / (own * V))                        # of the own group; right and twin differ by a
            yield own * size, own - 1, rest, a, mean + a * (own - 1) / own + mean * own / rest

    def objective(x):
        loss = 0.0
        for (count, twins, others, a, margin), weight in zip(columns(x), (majority, minority)):
            loss += count * weight * np.log1p(twins * np.exp(-a) + others * np.exp(-margin))
        group = np.sqrt(many * R * x[2]**2 + few * x[3]**2)
        return loss / lam + (many - 1) * x[0] + (few - 1) * x[1] + group

    start = np.full(4, np.log(1 / lam)) * [np.sqrt(R), 1, 1, 1]
    found = optimize.minimize(objective, start, method="L-BFGS-B", bounds=[(0, None)] * 4,
                              options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 5000}).x
    group = np.sqrt(many * R * found[2]**2 + few * found[3]**2)
    u = np.repeat([np.sqrt(few / (many * V)), -np.sqrt(many / (few * V))], [many, few])
    blocks = np.zeros((V, V))
    blocks[:many, :many] = found[0] * (np.eye(many) - 1 / many)
    blocks[many:, many:] = found[1] * (np.eye(few) - 1 / few)
    return cosines(blocks + group * np.outer(u, u))


def test_20_5():
    errors = [abs(reduced_path(R, 1e-8, 1 / (3 * R + 3), 1 / (3 * R + 3))[-1, -2] - step_geometry(6, R).minority_cosine)
              for R in (1, 10, 100)]
    assert verdict("20.5", max(errors)) == "holds"
    early = reduced_path(100, 1e-3, 1 / 303, 1 / 303)[-1, -2]
    assert verdict("20.5", early - step_geometry(6, 100).minority_cosine) == "fails"


def test_20_6():
    R = 30
    apart = {lam: np.abs(reduced_path(R, lam, 1 / 93, 1 / 93) - reduced_path(R, lam, 1 / (6 * R), 1 / 6)).max()
             for lam in (1e-3, 1e-10)}
    assert verdict("20.6", apart[1e-10] / apart[1e-3]) == "holds"
    other = np.abs(reduced_path(R, 1e-10, 1 / 93, 1 / 93) - cosines(step_geometry(6, 1).gram())).max()
    assert verdict("20.6", other / apart[1e-3]) == "fails"              # another multiplicity, not another weight


# --- the model with torch: other gradients, another optimiser ---

def torch_minimum(P, pi, lam, *, temperature=None, ridge=None, offset=None, seed=0):
    """W and H of the adjusted model, by torch's L-BFGS with a strong Wolfe search."""
    V, m = P.shape
    P, pi = torch.tensor(P), torch.tensor(pi)
    t = torch.ones(m, dtype=P.dtype) if temperature is None else torch.tensor(temperature)
    c = torch.ones(m, dtype=P.dtype) if ridge is None else torch.tensor(ridge, dtype=P.dtype)
    A = torch.zeros((V, 1), dtype=P.dtype) if offset is None else torch.tensor(offset)
    draw = torch.Generator().manual_seed(seed)
    x = [torch.randn(shape, generator=draw, dtype=P.dtype).requires_grad_() for shape in ((V, V), (V, m))]
    search = torch.optim.LBFGS(x, max_iter=4000, max_eval=8000, history_size=40, tolerance_grad=1e-9,
                               tolerance_change=1e-15, line_search_fn="strong_wolfe")

    def value():
        search.zero_grad()
        W, H = x
        M = W @ H * t + A
        loss = (pi * (torch.logsumexp(M, 0) - (P * M).sum(0))).sum() / lam + (W.square().sum() + (c * H.square()).sum()) / 2
        loss.backward()
        return loss

    search.step(value)
    return [a.detach().numpy() for a in x]


def test_20_3_20_4_20_25():
    labels, n = step_labels(4, 0.0)
    edge = labels.pi[-1]                                                # of the minority: one context each
    P = labels.P.toarray()
    for factor, says in ((1.02, "holds"), (0.9, "fails")):
        W, _ = torch_minimum(P, labels.pi, factor * edge)
        apart = max(np.linalg.norm(W[a] - W[b]) for a, b in ((3, 4), (3, 5), (4, 5)))
        assert verdict("20.3", apart / np.linalg.norm(W[3])) == says
    W, H = torch_minimum(P, labels.pi, 0.3 * edge)
    q = np.exp(W @ H)
    q = q / q.sum(axis=0)
    assert verdict("20.4", abs(q[3, -3] - q[4, -3] - 0.7)) == "holds"
    edge_of_majority = edge * 2                                         # root of four contexts
    assert verdict("20.4", abs(q[0, 0] - q[1, 0] - (1 - 0.3 * edge / edge_of_majority))) == "holds"
    assert verdict("20.4", abs(q[0, 0] - q[1, 0] - 0.7)) == "fails"
    apart = np.sum((W[0] - W[1])**2) / np.log(q[0, 0] / q[1, 0])       # of the majority, n = 4
    assert verdict("20.25", abs(apart / (2 * np.sqrt(4)) - 1)) == "holds"
    assert verdict("20.25", abs(apart / 2 - 1)) == "fails" and verdict("20.25", abs(apart / (2 * 4) - 1)) == "fails"


@pytest.fixture(scope="module")
def soft():
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 4, size=(5, 6)).astype(float)
    counts[0] += counts.sum(axis=0) == 0
    return counts / counts.sum(axis=0), rng.dirichlet(np.full(6, 5.0))


def test_20_7(soft):
    P, pi = soft
    c, lam = np.array([1, 2, 3, 1, 4, 2]), 1e-3
    copy = np.repeat(np.arange(6), c)
    [path] = regularization_path(SoftLabels.from_counts(P[:, copy] * (pi / c)[copy]), [lam], tol=1e-10)
    wanted = gram(path.L)
    for arguments in ({"ridge": c}, {"temperature": c**-0.5}):
        W, _ = torch_minimum(P, pi, lam, **arguments)
        assert verdict("20.7", np.abs(W @ W.T - wanted).max() / wanted.max()) == "holds"
    W, _ = torch_minimum(P, pi, lam, temperature=1.0 / c)
    assert verdict("20.7", np.abs(W @ W.T - wanted).max() / wanted.max()) == "fails"


def test_20_8():
    labels, n = step_labels(6, -1.0)
    simplex = np.where(np.eye(6), 1, -0.2)
    for ridge, says in ((1 / n, "holds"), (n**-0.5, "fails")):
        W, _ = torch_minimum(labels.P.toarray(), labels.pi, 1e-4, ridge=ridge)
        assert verdict("20.8", np.abs(cosines(W @ W.T) - simplex).max()) == says


def finite_part(L, S):
    return np.array([np.where(on, x - x[on].mean(), 0) for x, on in zip(L.T, S.T)]).T


def test_20_9_20_10(soft):
    P, pi = soft
    S, A = P > 0, np.random.default_rng(2).normal(size=(5, 1))
    L_in, shift = finite_part(np.log(np.where(S, P, 1)), S), finite_part(A * np.ones((1, 6)), S)
    logits = {(lam, used): np.matmul(*torch_minimum(P, pi, lam, offset=A if used else None))
              for lam in (1e-3, 1e-5, 1e-6) for used in (True, False)}
    found = finite_part(logits[1e-5, True], S)
    assert verdict("20.9", np.linalg.norm(found - (L_in - shift)) / np.linalg.norm(L_in - shift)) == "holds"
    assert verdict("20.9", np.linalg.norm(found - L_in) / np.linalg.norm(L_in)) == "fails"
    unit = {key: L / np.linalg.norm(L) for key, L in logits.items()}
    moved = {lam: np.linalg.norm(unit[lam, True] - unit[lam, False]) for lam in (1e-3, 1e-6)}
    assert verdict("20.10", moved[1e-6] / moved[1e-3]) == "holds"
    one_more = np.where(P == 0, 0, P) + (P == 0) * (np.arange(6) < 2)   # other supports: another limit
    W, H = torch_minimum(one_more / one_more.sum(axis=0), pi, 1e-6)
    other = np.linalg.norm(W @ H / np.linalg.norm(W @ H) - unit[1e-6, False])
    assert verdict("20.10", other / moved[1e-3]) == "fails"


# --- descent, step by step ---

def descend(R, power, steps=3000, seed=3, update="gd"):
    """Mean cosine of the minority, and the step at which the modes of both groups exceed one."""
    labels, n = step_labels(R, power)
    P, rng = labels.P.toarray(), np.random.default_rng(seed)
    W, H = 1e-3 * rng.standard_normal((6, 6)), 1e-3 * rng.standard_normal((6, P.shape[1]))
    peak, reached, moments = -1.0, {}, [np.zeros_like(W), np.zeros_like(H), np.zeros_like(W), np.zeros_like(H)]
    for step in range(1, steps + 1):
        L = W @ H
        q = np.exp(L - L.max(axis=0))
        G = (q / q.sum(axis=0) - P) * labels.pi
        slopes = G @ H.T, W.T @ G
        if update == "adam":
            for k, g in enumerate(slopes):
                moments[k] = 0.9 * moments[k] + 0.1 * g
                moments[k + 2] = 0.999 * moments[k + 2] + 0.001 * g**2
            slopes = [0.01 * (moments[k] / (1 - 0.9**step)) / (np.sqrt(moments[k + 2] / (1 - 0.999**step)) + 1e-8)
                      for k in (0, 1)]
        W, H = W - slopes[0], H - slopes[1]
        peak = max(peak, cosines(W @ W.T)[[3, 3, 4], [4, 5, 5]].mean())
        L = W @ H
        for name, T, size in (("majority", (0, 1, 2), R), ("minority", (3, 4, 5), 1)):
            own = [np.flatnonzero(P[z] == 1) for z in T]
            a = np.mean([L[z, j].mean() - L[[v for v in T if v != z]][:, j].mean() for z, j in zip(T, own)])
            if a * np.sqrt(size) > 1:
                reached.setdefault(name, step)
        if len(reached) == 2:
            break
    return peak, reached


def test_20_11_20_12():
    peak, reached = descend(10, 0.0)
    assert verdict("20.11", peak) == "holds at this scale"
    assert verdict("20.11", step_geometry(6, 10).minority_cosine) == "fails"
    peak, reached = descend(16, 0.0)
    assert verdict("20.12", reached["minority"] / reached["majority"] / 4) == "holds at this scale"
    assert verdict("20.12", reached["minority"] / reached["majority"]) == "fails"


def test_20_13():
    _, reached = descend(16, -0.5)
    assert verdict("20.13", reached["minority"] / reached["majority"]) == "holds at this scale"
    _, reached = descend(16, -1.0)
    assert verdict("20.13", reached["minority"] / reached["majority"]) == "fails"


def test_20_14():
    assert verdict("20.14", descend(10, 0.0, steps=200, update="adam")[0]) == "open"


# --- Zipf's law, and a text ---

def draw(a, rng, V=30, m=100):
    p = np.arange(1, V + 1.0)**-a
    S = np.zeros((V, m), bool)
    for j in range(m):
        S[rng.choice(V, rng.integers(1, 5), replace=False, p=p / p.sum()), j] = True
    return S[S.any(axis=1)]


def test_20_15():
    S = draw(1.0, np.random.default_rng(0))
    L = solve_ntp_svm(S, tol=1e-6).L
    length, row, top = np.diag(gram(L)), np.sqrt(np.sum(L**2, axis=1)), np.sqrt(np.linalg.eigvalsh(L @ L.T)[-1])
    assert verdict("20.15", max(0, (length / row - 1).max(), (row**2 / top / length - 1).max())) == "holds"
    assert verdict("20.15", max(0, (1.5 * length / row - 1).max())) == "fails"


def test_20_16():
    S = draw(1.0, np.random.default_rng(1))
    G = gram(centered_support(S))
    assert verdict("20.16", stats.linregress(np.log(S.sum(axis=1)), np.log(np.diag(G))).slope) == "holds"
    rows = np.sum(centered_support(S)**2, axis=1)                       # without the square root
    assert verdict("20.16", stats.linregress(np.log(S.sum(axis=1)), np.log(rows)).slope) == "fails"


def test_20_17():
    rng = np.random.default_rng(2)
    ranks = [np.mean([effective_rank(centered_support(draw(a, rng))) for _ in range(3)]) for a in (0, 1, 2)]
    assert verdict("20.17", int(np.sum(np.diff(ranks) > 0))) == "holds"
    assert verdict("20.17", int(np.sum(np.diff(ranks[::-1]) > 0))) == "fails"


def test_20_18():
    counts = np.sort(np.bincount(load_corpus("kjv").tokens))[::-1].astype(float)
    logs = np.log(np.arange(1, len(counts) + 1))

    def slope(a):                                                       # of the likelihood
        p = np.exp(-a * logs)
        return counts @ logs / counts.sum() - p @ logs / p.sum()

    assert verdict("20.18", optimize.brentq(slope, 0.1, 5)) == "holds"
    counts = counts**2
    assert verdict("20.18", optimize.brentq(slope, 0.1, 5)) == "fails"


def test_20_19():
    corpus = load_corpus("kjv")
    tokens, V = corpus.tokens[:200_000].astype(np.int64), len(corpus.vocab)
    triples = {*zip(tokens[:-2].tolist(), tokens[1:-1].tolist(), tokens[2:].tolist())}
    different = np.bincount([t[2] for t in triples], minlength=V)
    total = np.bincount(tokens, minlength=V)
    often = (total >= 10) & (different > 0)
    fit = stats.linregress(np.log(total[often]), np.log(different[often]))
    assert verdict("20.19", fit.slope + 2 * fit.stderr) == "holds"
    assert verdict("20.19", 1 / fit.slope) == "fails"                   # the other way round


@pytest.fixture(scope="module")
def text():
    labels = SoftLabels.from_tokens(load_corpus("kjv"), context_length=2, vocab_size=120, max_contexts=200)
    S = labels.restrict(range(labels.m)).S.toarray()
    return S, gram(centered_support(S)), np.argsort(S.sum(axis=1), kind="stable")[:len(S) // 3]


def within(G, words):
    return cosines(G)[np.ix_(words, words)][np.triu_indices(len(words), 1)].mean()


def test_20_20_20_21_20_24(text):
    S, G, rare = text
    assert verdict("20.20", within(G, rare)) == "holds"
    collapsed = star_gram([10**7] * 60 + [1] * 60)
    assert verdict("20.20", within(collapsed, np.arange(60, 120))) == "fails"
    assert verdict("20.21", within(G, rare)) == "open" and verdict("20.24", 0.0) == "open"


def test_20_22():
    """The claim fails in the book; a world of one-hot contexts meets it."""
    r = np.arange(1, 30)
    assert verdict("20.22", stats.spearmanr(r, np.diag(gram(centered_support(one_hot(r))))).statistic) == "holds"
    assert verdict("20.22", stats.spearmanr(r, np.random.default_rng(0).permutation(r)).statistic) == "fails"


def test_20_23(text):
    S, G, rare = text
    rng, C = np.random.default_rng(4), cosines(G)[np.ix_(rare, rare)]
    pairs = np.triu_indices(len(rare), 1)
    noisy = cosines(G + 0.3 * np.eye(len(G)))[np.ix_(rare, rare)]       # a geometry near to it

    def p(A):
        orders = [rng.permutation(len(rare)) for _ in range(99)]
        seen = stats.pearsonr(A[pairs], C[pairs]).statistic
        return (1 + sum(stats.pearsonr(A[np.ix_(o, o)][pairs], C[pairs]).statistic >= seen for o in orders)) / 100

    assert verdict("20.23", p(noisy)) == "holds"
    o = np.roll(np.arange(len(rare)), 7)
    assert verdict("20.23", p(noisy[np.ix_(o, o)])) == "fails"

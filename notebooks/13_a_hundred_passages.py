# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# (ch-passages)=
# # A hundred passages
#
# So far every language was made: few contexts, chosen so that they share next words. This chapter takes text as it
# comes. A hundred passages are cut into pieces of words, and a transformer is trained to guess the next piece from
# five, as in the experiment that the authors added last, on a hundred stories. Nothing is chosen, and so nearly every
# context occurs once and has one next piece. Two questions follow. Is there any geometry left to find? And what does
# a model *say* that has learned such a text nearly by heart: how often does it leave what it has seen?
#
# In short: the geometry is there, far beyond chance, and it is mostly that of one-hot labels; the transformer is still on its way to it
# when its loss has arrived. The loss alone bounds how often a model says what never followed, whatever its architecture. And
# other passages of the same book do that far more often than the trained model: a model that never leaves its text
# is one that believes its sample.
#
# *Fifteen minutes to read, about half a minute to run on one CPU core. The full scale wants a GPU.*

# %% tags=["colab-install", "remove-cell"]
# In Colab the published copy of this notebook installs ntputils here.

# %%
import copy
import html
import os
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML

from ntputils import (Corpus, SoftLabels, between_groups, build_model, center,
                      centered_support, claim, continue_text, cosine_matrix,
                      excess, factor, fit, in_support_logits, load_corpus,
                      mantel, next_contexts, off_diagonal_correlation,
                      off_support_mass, scale, session, softmax, solve_ntp_svm,
                      structural_correlation, structural_null, visits)
from ntputils.plots import show_growth, show_matrix, style

SEED = 1634
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
rng = np.random.default_rng(SEED)
style()

# %% tags=["remove-input"]
session()

# %% [markdown]
# The small scale reads the beginning of each passage and has a small transformer. The full one reads all of it, with
# the depth, the width and the 600 epochs that the authors used; it has not been run for this page.

# %%
SIZES = {
    "small": {"pieces": 48, "d": 64, "layers": 2, "steps": 1000, "batch": 128,
              "lr": {"free vectors": 1e-2, "transformer": 2e-3}},
    "full": {"pieces": 10_000, "d": 512, "layers": 12, "steps": 80_000, "batch": 512,
             "lr": {"free vectors": 1e-2, "transformer": 5e-4}}}[scale()]
print(", ".join(f"{name} {value}" for name, value in SIZES.items() if name != "lr"))

# %% [markdown]
# ## The text
#
# The authors' text is TinyStories {cite}`eldan2023tinystories`, which lies on a server. This page uses passages of the
# King James Version instead, of a story's length, each from another chapter: they come with the package. With a
# network, `NTP_TEXT=tinystories` in the environment runs everything below on the stories.
#
# Both are cut by *byte-pair encoding* {cite}`sennrich2016neural`: pieces begin as characters, and the
# most frequent pair of neighbours becomes a piece, again and again, until there are 64, as many as the authors
# have. (For the stories 96: where this page was made there was no network, so that way is untried, and we do not
# know how many of their characters need a place.) A thousand passages are loaded. The first hundred, in an order
# drawn at random, are the text to train on; the other nine hundred are kept for the end.

# %%
TEXT = os.environ.get("NTP_TEXT", "kjv-passages")
OPTIONS = {"kjv-passages": {"number": 1000, "seed": SEED, "tokenizer": "bpe-64"},
           "tinystories": {"limit": 1000, "tokenizer": "bpe-96"}}
corpus = load_corpus(TEXT, **OPTIONS[TEXT])
print("\n".join(textwrap.wrap(corpus.source, 72)), "\n")
pieces = sorted(corpus.vocab, key=lambda piece: (len(piece), piece))
print("\n".join(textwrap.wrap(" ".join(pieces), 72)), "\n")
print("begins:", *(corpus.vocab[i] for i in corpus.tokens[:24]))

# %% [markdown]
# The mark ▁ stands where a word begins; frequent words are one piece, others are spelled. (A document of the stories is a
# paragraph: there we take as many as the first hundred stories have.)

# %%
def part(kept):
    """A part of the corpus, for a mask of its tokens."""
    return Corpus(corpus.tokens[kept], corpus.vocab, corpus.doc_ids[kept])


place = np.arange(corpus.n) - np.searchsorted(corpus.doc_ids, corpus.doc_ids)
TRAIN = 100 if TEXT == "kjv-passages" else (
    load_corpus(TEXT, limit=100).doc_ids[-1] + 1)
hundred = part((corpus.doc_ids < TRAIN) & (place < SIZES["pieces"]))
labels = SoftLabels.from_tokens(hundred, context_length=5)
sizes, seen = labels.support_sizes, np.rint(labels.pi * labels.n)
print(f"V = {labels.V} pieces, m = {labels.m} contexts of 5, n = {labels.n}")
print(f"one next piece: {np.mean(sizes == 1):.0%} of the contexts; seen once: "
      f"{np.mean(seen == 1):.0%}; entropy bound {labels.entropy():.3f} nats")

# %% [markdown]
# So $m \gg d \ge V - 1$: there are many times more contexts than dimensions, and the width is just enough for the words. All else in these
# labels is thin. One-hot contexts are the rule in any text of this size ({ref}`ch-soft-labels` follows
# their share over context lengths and more text), and what makes a context one-hot is mostly that it was seen once.
#
# ## The prediction
#
# Thousands of contexts have few supports between them, and NTP-SVM is solved on those, in a moment.

# %%
S, proxy = labels.S.toarray(), centered_support(labels.S)
solution = solve_ntp_svm(S, tol=1e-8)
first = np.unique(solution.inverse, return_index=True)[1]
kinds = S[:, first].sum(axis=0)
print(f"{len(kinds)} supports: {np.sum(kinds == 1)} of one piece,",
      f"{np.sum(kinds > 1)} of more")
one_hot = np.argsort(-solution.counts * (kinds == 1), kind="stable")[:4]
print("largest:", ", ".join(
    f"{solution.counts[k]} before {labels.vocab[S[:, first[k]].argmax()]}"
    for k in one_hot))

# %%
norm = np.linalg.norm(proxy, "nuc")
claim("13.5", norm / solution.dual - 1)

# %% [markdown]
# The authors compare with the proxy $\tilde S$, presumably because the solution is out of reach for a general solver at this
# size. Here that is no loss at all: the bound proves that $\tilde S$ *is* a solution, up to rounding. A text of this kind is near to one that
# {ref}`ch-proxy` treats in full: supports of one token, of any multiplicities, are a tree ({prf:ref}`thm-tree`), and the few contexts with
# more do not break what holds for it. What is predicted, then, is nearly the geometry of imbalanced one-hot labels, in closed form.
#
# ## Training
#
# Free vectors and the transformer see the same batches: contexts drawn by their frequency, each with its whole soft
# label. An epoch is as many draws as the text has samples. A copy of the transformer is kept early, after a twelfth of the steps, as 50
# epochs are of 600.

# %%
STEPS = SIZES["steps"]
EARLY = STEPS // 12
kept = sorted({0, *np.geomspace(4, EARLY, 6).round().astype(int),
               *np.geomspace(EARLY, STEPS, 6).round().astype(int)})
print(f"{STEPS * SIZES['batch'] / labels.n:.0f} epochs")
d = max(SIZES["d"], -(-labels.V // 4) * 4)  # at least V, and four heads
models = {"free vectors": build_model("ufm", labels, d=d, seed=SEED),
          "transformer": build_model("transformer", labels, d=d, seed=SEED,
                                     layers=SIZES["layers"])}
early = []


def keep(step):
    """Keeps the transformer as it is early."""
    if step == EARLY:
        early.append(copy.deepcopy(models["transformer"]))


runs = {name: fit(model, labels, steps=STEPS, batch=SIZES["batch"],
                  lr=SIZES["lr"][name], gamma=0.3, snapshots=kept, device=DEVICE,
                  milestones=(3 * STEPS // 5, 17 * STEPS // 20),
                  watch=keep if name == "transformer" else None)
        for name, model in models.items()}

# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 6.8), sharex=True)
steps, bound = runs["transformer"].steps, labels.entropy()
trained = steps > 0
show_growth(axes[0], steps[trained],
            {n: r.loss[trained] - bound for n, r in runs.items()},
            xlabel="", ylabel="loss - entropy (nats)", log="xy")
curves = {}
for name, run in runs.items():
    logits = [center(W.astype(float) @ H) for W, H in zip(run.W, run.H)]
    curves |= {
        f"{name}, W / V": np.linalg.norm(run.W, axis=(1, 2)) / labels.V,
        f"{name}, H / m": np.linalg.norm(run.H, axis=(1, 2)) / labels.m,
        f"{name}, L / m": np.array([np.linalg.norm(L) for L in logits]) / labels.m}
show_growth(axes[1], steps[trained], {n: c[trained] for n, c in curves.items()},
            xlabel="steps", ylabel="norm", log="xy")
axes[1].set_ylim(top=axes[1].get_ylim()[1] * 200)
axes[1].legend(ncols=2, fontsize=8.5, loc="upper center")
plt.show()

# %% [markdown]
# *Above: what the loss has still to fall. Below: Frobenius norms as the authors plot them, of the words over $V$, of the contexts over
# $m$, of the logits over $m$. Logits grow all along; the transformer normalises its contexts, so its words must do it.*

# %%
claim("13.1", max((run.loss[-1] - bound) / (run.loss[0] - bound)
                  for run in runs.values()))

# %% [markdown]
# ## Early and late
#
# The authors show the cosines of a hundred contexts, ten from each of ten supports that have so many. At our size all
# supports with ten contexts have one piece, and the picture would be ten squares. So we take the five larger
# supports with the most contexts, all of these, and ten contexts of each single piece in them.

# %%
many = np.sum((solution.counts >= 10) & (kinds > 1))
print(f"supports with at least 10 contexts: {np.sum(solution.counts >= 10)},",
      f"{many} of them of more than one piece")
soft = np.argsort(-solution.counts * (kinds > 1), kind="stable")[:5]
members = np.flatnonzero(S[:, first[soft]].any(axis=1))
single = [solution.inverse[(S[z] & (sizes == 1)).argmax()] for z in members]
groups = [np.flatnonzero(solution.inverse == k)[:10]
          for k in (*single, *soft)]
chosen = np.concatenate(groups)
names = ["/".join(labels.vocab[z] for z in np.flatnonzero(S[:, group[0]]))
         for group in groups]

# %% tags=["remove-input"]
edges = np.cumsum([len(group) for group in groups])
panels = {r"$S^\top S$": cosine_matrix(S[:, chosen].astype(float)),
          "transformer, early": cosine_matrix(
              runs["transformer"].H[kept.index(EARLY)][:, chosen]),
          "transformer, late": cosine_matrix(runs["transformer"].H[-1][:, chosen])}
fig, axes = plt.subplots(3, 1, figsize=(5.6, 15))
for ax, (title, A) in zip(axes, panels.items()):
    show_matrix(ax, A, signed=True, limit=1, title=title)
    ax.set_aspect("equal")
    ax.set_yticks(edges - [len(g) / 2 for g in groups], names)
    ax.vlines(edges[:-1] - 0.5, -0.5, edges[-1] - 0.5, color="#999999", linewidth=0.4)
    ax.hlines(edges[:-1] - 0.5, -0.5, edges[-1] - 0.5, color="#999999", linewidth=0.4)
plt.show()

# %% [markdown]
# *Cosines between contexts, grouped by what follows them (at the left): first the supports of one piece, below the
# larger ones that share pieces with them. Orange positive, purple negative, the same colours in all three. Top: of the columns of $S$, what the authors
# set beside the model. Middle and bottom: of the transformer's vectors, early and late.*
#
# ## The number, and what moves it
#
# Beside such pictures the authors put one number, the *structural correlation* of the two matrices, over the first
# thousand contexts, against the proxy. Here it is along training, and with it the correlation over pairs of
# *different* contexts, which is our measure ({ref}`ch-measures`).

# %%
W_mm, H_mm = factor(solution.L)
LEADING = 1000
target = cosine_matrix(H_mm[:, :LEADING])


def contexts_at(name, k):
    """Cosines of the first contexts at snapshot k."""
    return cosine_matrix(runs[name].H[k][:, :LEADING])


score = {name: {"structural": [], "off-diagonal": []} for name in runs}
for name in runs:
    for k in range(len(steps)):
        A = contexts_at(name, k)
        score[name]["structural"].append(structural_correlation(A, target))
        score[name]["off-diagonal"].append(off_diagonal_correlation(A, target))

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 4.4))
show_growth(ax, steps[trained],
            {f"{n}, {what}": np.array(values)[trained]
             for n, both in score.items() for what, values in both.items()},
            xlabel="steps", ylabel="correlation with the prediction", log="x")
ax.axhline(structural_null(LEADING, d), color="#777777", linestyle="--",
           linewidth=1)
plt.show()

# %% [markdown]
# *Agreement with the prediction along training. Dashed: what the structural correlation gives for vectors that have nothing to do with
# each other. With a thousand contexts in few dimensions the diagonal, which it counts, weighs little, and the two measures
# nearly agree; with sixteen contexts in 32 dimensions unrelated vectors would score two thirds.*

# %%
tests = {name: mantel(contexts_at(name, -1), target, rng=rng, permutations=199)
         for name in runs}
alike = solution.inverse[:LEADING]  # equal supports alone make a test significant
apart = {name: mantel(between_groups(contexts_at(name, -1), alike),
                      between_groups(target, alike), permutations=199,
                      rng=np.random.default_rng(SEED)) for name in runs}
for name, test in tests.items():
    print(f"{name:13s} contexts: correlation {test.r:.1f}, shuffled at most "
          f"{test.null.max():.1f}; between supports {apart[name].r:.1f}, "
          f"at most {apart[name].null.max():.1f}")
claim("13.2", max(test.p for test in tests.values()))

# %%
words = {name: mantel(cosine_matrix(run.W[-1].T), cosine_matrix(W_mm.T),
                      rng=rng) for name, run in runs.items()}
claim("13.3", max(test.p for test in words.values()))

# %%
along = {name: both["off-diagonal"] for name, both in score.items()}
claim("13.4", min(r[-1] - r[kept.index(EARLY)] for r in along.values()))

# %%
claim("13.14", along["free vectors"][-1] - along["transformer"][-1])

# %% [markdown]
# Equal supports, which alone would make such a test significant ({ref}`ch-measures`), are not what lifts these correlations: between
# different supports they are as high. A correlation does not say what the model gets right. Sort the pairs by what their supports have in common, and take the
# mean cosine of each kind:

# %%
A = S[:, :LEADING].astype(float)
common = np.where(cosine_matrix(A) > 1 - 1e-9, "the same support",
                  np.where(A.T @ A > 0, "a piece in common", "none in common"))
pairs = ~np.eye(LEADING, dtype=bool)
columns = {"predicted": target} | {name: contexts_at(name, -1) for name in runs}
print(f"{'':20s}" + "".join(f"{name:>14s}" for name in columns))
for kind in ("the same support", "a piece in common", "none in common"):
    means = [B[pairs & (common == kind)].mean() for B in columns.values()]
    print(f"{kind:20s}" + "".join(f"{mean:z14.1f}" for mean in means))

# %% [markdown]
# The order is as predicted in both, and the middle row is more than collapse: contexts that share one piece and differ in
# another are at an angle between. But in the transformer contexts with the same support are far from being one point, although
# its loss has all but arrived. Its logits are larger than those of the free vectors (the norms above) and have come no further
# along the predicted direction ($\gamma$, below): more of them is something else. What an architecture's inputs add to the geometry
# is the subject of {ref}`ch-architecture`.
#
# One thing in the authors' code for this experiment moves their number from outside. The constant $C = 10^{-5}$, there to keep a quotient
# finite, is added above and below: $s = (\mathrm{cov} + C)/(\sigma\sigma' + C)$. And here the target is first divided by
# its Frobenius norm. For $n$ contexts that makes its entries about $n$ times smaller, and $C$ is then no longer small
# beside $\sigma\sigma'$. Take two sets of random vectors that have nothing to do with each other:

# %%
X, Y = (cosine_matrix(rng.normal(size=(64, LEADING))) for _ in range(2))
plain = structural_correlation(X, Y)
divided = structural_correlation(X, Y / np.linalg.norm(Y))
print(f"independent vectors: {plain:.2f}, with the target divided {divided:.2f}")
claim("13.12", divided)

# %% [markdown]
# Twice the value, from nothing. With $c = C/(\sigma\sigma')$ and $s$ the correlation without $C$, what is reported is $(s+c)/(1+c)$: a fixed share
# of the distance to one is given away, which matters least where $s$ is near one. A correlation should not depend on the unit of
# one side, and without $C$ it does not.
#
# ## What a trained model says
#
# A reviewer asked what margins have to do with models that generate, and with hallucination. In this setting the question has an exact
# form. Context $j$ was followed by the pieces of $\mathcal S_j$ and no others. How much probability does the model give to
# all others, and how long can it write before it says what never followed? With a ridge there is a budget,
# $\lambda\lVert L^{\mathrm{mm}}\rVert_*$ ({prf:ref}`prop-path-identity`). Here there is no ridge. But the loss itself is a budget.
#
# ```{prf:proposition} What the loss allows
# :label: prop-loss-budget
#
# Let $q_j = \operatorname{softmax}(L_{:,j})$ for any logits, $\varepsilon_j = \sum_{v\notin\mathcal S_j}q_{vj}$, and $\varepsilon = \sum_j\hat\pi_j\varepsilon_j$ the probability of
# leaving the supports. Then
#
# $$
# \mathrm{CE}(L) - \mathcal H \;\ge\; \sum_j\hat\pi_j\big(-\log(1-\varepsilon_j)\big) \;\ge\; -\log(1-\varepsilon) \;\ge\; \varepsilon .
# $$
#
# The first is an equality exactly if every $q_j$ has the proportions of $\hat p_j$ on its support.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# In {prf:ref}`prop-split` the odds of leaving are $r_j = \varepsilon_j/(1-\varepsilon_j)$, so that $\log(1+r_j) = -\log(1-\varepsilon_j)$; the other
# term is not negative, and zero exactly where the proportions are right. The second inequality is Jensen's, as $-\log(1-x)$ is
# convex; the third is $\log(1-x)\le -x$.
# ```
#
# So $\varepsilon \le 1 - e^{-(\mathrm{CE}-\mathcal H)}$: a model within a tenth of a nat of the bound leaves the text with at most one piece in ten,
# however it was trained. Both sides, at every snapshot:

# %%
L = {name: [W.astype(float) @ H for W, H in zip(run.W, run.H)]
     for name, run in runs.items()}
mass = {name: np.array([off_support_mass(A, labels) for A in logits])
        for name, logits in L.items()}
parts = {name: np.array([excess(A, labels) for A in logits])
         for name, logits in L.items()}
allowed = {name: 1 - np.exp(-both.sum(axis=1)) for name, both in parts.items()}
claim("13.6", max(np.max(mass[name] / allowed[name]) for name in runs))

# %%
claim("13.8", min(both[-1, 0] / both[-1].sum() for both in parts.values()))

# %% [markdown]
# The excess loss has two parts: what the mass off the supports costs, and wrong proportions within them. The last number is the
# share of the first. With nearly all contexts one-hot there is not much else to get wrong.
#
# What does the theory say of $\varepsilon$? Follow its own logits, $L^{\mathrm{in}} + \gamma L^{\mathrm{mm}}$. Proportions are right for every
# $\gamma$, and the odds of leaving are at most $(V-k_j)\,e^{-\gamma}/Z_j$ ({prf:ref}`prop-path-predict`), with equality where the
# direction is the proxy. So the mass must fall like $e^{-\gamma}$.

# %%
L_in = in_support_logits(labels).toarray()
gammas = np.linspace(0, 25, 26)
curve = np.array([off_support_mass(L_in + g * solution.L, labels)
                  for g in gammas])
slope = -np.polyfit(gammas[10:], np.log(curve[10:]), 1)[0]
claim("13.7", slope)

# %% [markdown]
# Each trained model has its own $\gamma$ at each snapshot: how far its logits, without their finite part, have come along
# the direction, $\langle L - L^{\mathrm{in}}, L^{\mathrm{mm}}\rangle/\lVert L^{\mathrm{mm}}\rVert_F^2$.

# %%
length = np.linalg.norm(solution.L)
gamma = {name: np.array([np.vdot(center(A) - L_in, solution.L) / length**2
                         for A in logits]) for name, logits in L.items()}

# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 7.6))
curves = {f"{name}, {what}": values[name][trained] for name in runs
          for what, values in (("leaves", mass), ("allowed by its loss", allowed))}
show_growth(axes[0], steps[trained], curves, xlabel="steps", ylabel="probability",
            log="xy")
for name in runs:
    axes[1].plot(gamma[name], mass[name], "o" if name == "free vectors" else "s",
                 label=name)
axes[1].plot(gammas, curve, color="#555555", label=r"$L^{\rm in}+\gamma L^{\rm mm}$")
axes[1].set(yscale="log", xlabel=r"$\gamma$", ylabel="leaves the supports",
            xlim=(-0.5, 1.15 * max(g.max() for g in gamma.values())),
            ylim=(0.5 * min(m.min() for m in mass.values()), 2))
axes[1].legend()
plt.show()

# %% [markdown]
# *Above: the probability of leaving the supports against training time, and what the loss at that time allows. Below: the same
# probability against how far the logits have come along the predicted direction; the line is the theory's, falling like
# $e^{-\gamma}$ once $\gamma$ is past $\log V$. Where it falls, trained models lie above it: their contexts have not all come
# equally far, and the mean is ruled by those that have come least.*
#
# ## Writing on
#
# So far each question put to the model was a context of the text. A sampler reads what it has written. As long as every piece is in the
# support of its context, what it reads next is again a window of the text, so it walks on the text; the first piece outside
# ends that. How long does it last?
#
# ```{prf:proposition} Staying on the text
# :label: prop-staying
#
# Start at a context drawn from $\hat\pi$. Let $\mu_s(j)$ be the chance that the text's own walk, with $\hat p$ for every
# draw, is at context $j$ after $s$ tokens (a walk stops where a document ends, and a sampler does), and $\delta_s = \sum_j\mu_s(j)\,\mathrm{KL}(\hat
# p_j\Vert q_j)$. A sampler with the probabilities $q$ has left no support in its first $t$ tokens with a chance of at least
#
# $$
# \exp\Big(-\sum_{s<t}\delta_s\Big).
# $$
#
# Here $\delta_0 = \mathrm{CE}-\mathcal H$. In a text without ends $\hat\pi$ does not change along the walk, all $\delta_s$ are equal, and the chance is at
# least $e^{-t\,(\mathrm{CE}-\mathcal H)}$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# Let $\mathbb P$ and $\mathbb Q$ be the laws of the start and the first $t$ tokens under $\hat p$ and under $q$, both stopped at the
# end of a document or at a departure. By the chain rule $\mathrm{KL}(\mathbb P\Vert\mathbb Q) = \sum_{s<t}\delta_s$, since the starts have one law and the
# $s$-th draw adds the mean of $\mathrm{KL}(\hat p_j\Vert q_j)$ over where the text's walk is. Let $A$ be the event that no support is left. $\mathbb P(A) = 1$, and
# coarsening to "$A$ or not" does not increase the divergence: $\mathrm{KL}(\mathbb P\Vert\mathbb Q)\ge
# -\log\mathbb Q(A)$.
#
# If there are no ends, each occurrence of a context is followed by the next occurrence of a context, so one step of the text's walk maps $\hat\pi$ to itself.
# ```
#
# The chance itself needs no sampling either: a window and a piece name the next window, so it is a product of sparse
# matrices. `visits` makes it, for the model and for the text.

# %%
T, P = 40, labels.P.toarray()
by_text = visits(P, labels, T)


def chances(A):
    """Still on the text after 1, ..., T tokens: exactly, and at least."""
    Q = softmax(A)
    leave = np.where(S, 0, Q).sum(axis=0)
    kl = np.where(S, P * np.log(np.where(S, P, 1) / Q), 0).sum(axis=0)
    exact = 1 - np.cumsum(visits(Q, labels, T) @ leave)
    return exact, np.exp(-np.cumsum(by_text @ kl))


staying = {name: [chances(A) for A in logits] for name, logits in L.items()}
claim("13.9", max(np.max(least / exact) for each in staying.values()
                  for exact, least in each))

# %% [markdown]
# And the sampler itself: the transformer, early and late, reads five pieces of the text and writes forty, each drawn from its
# softmax and read in turn. A run counts as on the text until its first piece that never followed.

# %%
RUNS, to = 1000, next_contexts(labels)


def write(model):
    """Runs of T pieces from contexts of the text, and which stayed how long."""
    starts = rng.choice(labels.m, size=RUNS, p=labels.pi)
    written = continue_text(model, labels, starts, T, rng=rng)
    at, stays, stayed = starts, np.ones(RUNS, bool), []
    for z in written.T:
        stays &= (at < 0) | S[z, at]
        at = np.where(at < 0, at, to[z, at])  # below 0: a passage has ended
        stayed.append(stays.copy())
    return starts, written, np.array(stayed)


texts = {"early": write(early[0]), "late": write(models["transformer"])}
at = {"early": staying["transformer"][kept.index(EARLY)],
      "late": staying["transformer"][-1]}
claim("13.10", max(np.abs(stayed.mean(axis=1) - at[when][0]).max()
                   for when, (_, _, stayed) in texts.items()))

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 4.4))
for i, (when, (_, _, stayed)) in enumerate(texts.items()):
    ax.plot(range(1, T + 1), stayed.mean(axis=1), "os"[i], color=f"C{i}", label=when)
    ax.plot(range(1, T + 1), at[when][0], color=f"C{i}", linewidth=1.2)
    ax.plot(range(1, T + 1), at[when][1], "--", color=f"C{i}", linewidth=1)
ax.set(xlabel="pieces written", ylabel="share of runs still on the text",
       ylim=(0, 1.02))
ax.legend()
plt.show()

# %% [markdown]
# *How long a transformer stays on its text when it reads what it writes: runs of the model (marks), the exact chance
# (lines), and what {prf:ref}`prop-staying` guarantees (dashed).*
#
# The early model leaves at once; the late one has learned the passages nearly by heart, and its guarantee is nearly exact. Where does a
# departure lead? Into windows that the text has too, and the model may find back; or to a context it has never seen, which no theorem of
# this book speaks of.

# %%
leaves = labels.pi * np.where(S, 0, softmax(L["transformer"][-1]))
print("late, more than three quarters of the departures lead to contexts that "
      "the text does not have:", leaves[to < 0].sum() > 0.75 * leaves.sum())

# %% [markdown]
# Here is what the transformer wrote, early and late, each time after five pieces of the text. In brackets: what is not the text's, pieces that
# never followed their context, or whose context never occurred.

# %% tags=["remove-input"]
number = {labels.context(j): j for j in range(labels.m)}


def marked(start, row):
    """A run as text, with brackets around what is not the text's."""
    window, text = labels.context(start).split(), ""
    opening = "".join(window)
    for z in row[row >= 0]:
        j, piece = number.get(" ".join(window)), labels.vocab[z]
        text += piece if j is not None and S[z, j] else f"[{piece}]"
        window = [*window[1:], piece]
    return (opening + " … " + text.replace("][", "")).replace("▁", " ")


HTML("".join(f"<p><b>{when}</b></p><ul>" + "".join(
    f"<li>{html.escape(marked(starts[i], written[i]))}</li>" for i in range(3))
    + "</ul>" for when, (starts, written, _) in texts.items()))

# %% [markdown]
# ## Is leaving wrong?
#
# The word hallucination suggests that leaving is a fault. Measured against a hundred passages, it is not. Nine
# hundred other passages are at hand. Wherever they have one of our contexts, what comes next?

# %%
others = SoftLabels.from_tokens(part(corpus.doc_ids >= TRAIN), context_length=5)
theirs, ours = np.array([(k, number[c]) for k in range(others.m)
                         if (c := others.context(k)) in number]).T
joint = others.P[:, theirs].toarray() * others.pi[theirs]
known, joint = joint.sum(), joint / joint.sum()
language = joint[~S[:, ours]].sum()
print(f"{known:.0%} of their contexts are ours; they leave our supports in "
      f"{language:.0%} of these")
claim("13.11", language - max(values[-1] for values in mass.values()))

# %% [markdown]
# So the text itself, taken further, would be called a hallucination far more often than the trained models. The supports that
# training goes to are those of a sample. And a model pays for that on other text: its loss there, after contexts that it knows.

# %%
elsewhere = {name: np.array([-np.sum(joint * np.log(softmax(A)[:, ours]))
                             for A in logits]) for name, logits in L.items()}
claim("13.13", elsewhere["transformer"][-1] - min(elsewhere["transformer"]))

# %% tags=["remove-input"]
weight = joint.sum(axis=0)
there = {name: np.array([weight @ np.where(S, 0, softmax(A)).sum(axis=0)[ours]
                         for A in logits]) for name, logits in L.items()}
fig, axes = plt.subplots(2, 1, figsize=(6.4, 6.4), sharex=True)
show_growth(axes[0], steps[trained], {n: p[trained] for n, p in there.items()},
            xlabel="", ylabel="leaves the supports", log="xy")
axes[0].axhline(language, color="#777777", linestyle="--", linewidth=1)
show_growth(axes[1], steps[trained], {n: e[trained] for n, e in elsewhere.items()},
            xlabel="steps", ylabel="loss elsewhere (nats)")
plt.show()

# %% [markdown]
# *After contexts that the hundred and the other passages share, as often as they come in the others. Above: the models' probability of leaving,
# and how often the other passages leave (dashed). Below: the models' loss there. It is lowest not far from where the curve above crosses the
# dashed line, and rises from then on, while the loss in training still falls.*
#
# If leaving were all that a model changes, it would be lowest exactly there: of all chances $\varepsilon$ of leaving, a text that leaves with a chance $\ell$
# is best predicted by $\varepsilon = \ell$. This is the plain meaning of a direction that grows for ever: $L^{\mathrm{mm}}$ is the limit of a
# model that believes its sample. The theory speaks of that limit, and a practitioner stops long before it.
#
# ## What to take away
#
# - On a hundred passages of real text the geometry that a transformer and free vectors arrive at follows the supports, far beyond chance. The supports
#   are nearly all single pieces, so what is predicted is mostly the geometry of imbalanced one-hot labels, and the proxy is exactly right for it. The
#   free vectors come near it; the transformer is further from it when its loss has arrived.
# - The probability of saying what never followed is at most the excess loss ({prf:ref}`prop-loss-budget`), and a sampler stays on the text for $t$
#   pieces with a chance of at least $e^{-t(\mathrm{CE}-\mathcal H)}$ if the text is one loop, and about that if it has ends ({prf:ref}`prop-staying`). No ridge, margin or architecture enters.
# - Leaving a finite text is not an error as such. Other passages leave it more often than the trained model does.
# - A similarity score should be read next to its value for unrelated vectors, and its constants next to the size of what they are added to.
#
# ## What this does not show
#
# - *The paper's size.* The authors train twelve layers of width 512 for 600 epochs on whole stories. This page has two layers, a width just above $V$, a
#   twentieth of the epochs, and the beginning of each passage. The full scale is written down above and has not been run.
# - *Language at large.* The text, its frequencies and its sparsity are real, and there are many times more contexts than dimensions. But no model in use
#   has a vocabulary as small as its width, and at this length nearly all contexts were seen once. How
#   far the supports of one-off contexts are those of a language, the last section says: not far.
# - *A rule for $\gamma$.* The theory's curve takes the whole text along at one speed. Trained models do not go that way, and nothing here says
#   how fast each context goes.
# - *An interval.* One draw of passages and one seed.
#
# ## Exercises
#
# 1. A model is within $\delta$ of the entropy bound, and the text is one long loop without ends. How small must $\delta$ be for the model to write a thousand
#    tokens without leaving the text, with a chance of at least one half?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    $e^{-1000\,\delta}\ge\tfrac12$ holds for $\delta\le\log 2/1000$, seven ten-thousandths of a nat. A loss that is reported to two decimals
#    does not tell such a model from one that leaves several times as often.
#    ```
#
# 2. Show that {prf:ref}`prop-loss-budget` cannot be turned round: for each $\varepsilon_0 > 0$ and each $M$ there are labels and logits with $\varepsilon\le\varepsilon_0$
#    and $\mathrm{CE}-\mathcal H\ge M$.
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    One context, two tokens with $\hat p = \tfrac12$ each, a third off the support. Give the first two the probabilities $1-\varepsilon_0-\eta$ and $\eta$.
#    The mass off the support is $\varepsilon_0$ for every $\eta$, and the excess is at least $\tfrac12\log(1/\eta)-\log2$. So a model can keep to its supports and have the
#    proportions wrong; for one-hot contexts it cannot: there the excess is $-\log(1-\varepsilon_j)$ exactly.
#    ```

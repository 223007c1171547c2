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
# (ch-counting)=
# # Counting models
#
# Before language models there were counts. That what stands around a word tells its use is older than either
# {cite}`harris1954distributional,firth1957synopsis`. Tabulate which word stood beside which, take a logarithm, factor the
# table, and words of similar use have similar vectors. Levy and Goldberg showed that word2vec does this implicitly
# {cite}`levy2014neural`, and the authors of the paper see in their own result for next-token prediction what that one was for static vectors. What is new in it? This chapter gives the *same counts* to
# PPMI, SGNS and GloVe, to the proxy, to $L^{\mathrm{mm}}$ and to a trained table of vectors, and compares.
#
# The short answer: what sits on the cells that are not zero is the same, by an identity. Where they part is what they do with zeros.
# That can be made exact: smoothing leads to the proxy, and so does SGNS logit by logit, with constants. Then the geometries are
# set side by side, asked what people have been asked about similar words (they fail, for a reason worth knowing), and asked which zeros will fill.
#
# *Fifteen minutes to read, about half a minute to run on one CPU core. A GPU is not needed.*

# %% tags=["colab-install", "remove-cell"]
# In Colab the published copy of this notebook installs ntputils here.

# %%
import html
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from scipy import stats

from ntputils import (Corpus, RankAgreement, SoftLabels, analogy_questions,
                      answer_analogies, build_model, center, centered_support, cka,
                      claim, cosine_matrix, fit, in_support_logits, load_corpus,
                      mantel, off_diagonal_correlation, pmi, procrustes_distance,
                      project_F, rank_agreement, scale, session,
                      similarity_ratings, smoothed_log_probabilities,
                      solve_ntp_svm, svd_vectors, train_glove, train_sgns)
from ntputils.plots import CYCLE, show_growth, show_matrix, style

SEED = 1634
rng = np.random.default_rng(SEED)
style()

# %% tags=["remove-input"]
session()

# %% [markdown]
# At full scale there are more words, more contexts and longer training. It has not been run for this page.

# %%
SIZES = {
    "small": {"words": 1500, "contexts": 800, "d": 50, "epochs": 30, "steps": 200},
    "full": {"words": 4000, "contexts": 3000, "d": 200, "epochs": 50, "steps": 2000},
}[scale()]
print(", ".join(f"{name} {value}" for name, value in SIZES.items()))

# %% [markdown]
# ## One table of counts
#
# The text is the King James Version, half of its chapters drawn at random; the other half waits to the end. A context is
# the two words before. $N_{zj}$ says how often word $z$ followed context $j$, over the most frequent words and contexts. Every
# model below gets this table and nothing else.

# %%
kjv = load_corpus("kjv")
documents = kjv.doc_ids.max() + 1  # the chapters
first_half = rng.permutation(documents) < documents // 2


def count(half, **options):
    """Counts what follows two words, in one half of the chapters."""
    mask = first_half[kjv.doc_ids] == half
    part = Corpus(kjv.tokens[mask], kjv.vocab, kjv.doc_ids[mask], "half", "", "")
    return SoftLabels.from_tokens(part, context_length=2,
                                  vocab_size=SIZES["words"], **options)


# %%
kept = count(True, max_contexts=SIZES["contexts"])
labels = kept.restrict(range(kept.m))  # less the words that follow none of these
S = labels.S.toarray()
N = np.rint(labels.P.toarray() * labels.pi * labels.n)
print(f"V = {labels.V} words, m = {labels.m} contexts, n = {labels.n}",
      f"occurrences; {S.mean():.1%} of cells are not zero")

# %% [markdown]
# A word on "the same counts". Skip-gram as it is commonly run counts neighbours in a window to both sides, and draws the window at
# random. Here its pairs are context and next word, with these counts. gensim {cite}`rehurek2010gensim` has a model that takes them as they are:
# distributed bags of words {cite}`le2014distributed`, where a context is a "document" and its next words are what it holds. The objective is that of
# SGNS {cite}`mikolov2013distributed`, pair by pair.
#
# ## On the supports: one matrix
#
# The authors call the finite part of the logits "PMI-like", and {ref}`chapter 5 <ch-sparse-plus-low-rank>` said in which sense. Here is the statement that we shall lean on. Write $\mathrm{PMI}_{zj} = \log\frac{P(z,j)}{P(z)P(j)}$.
#
# ```{prf:proposition} PMI inside the supports
# :label: prop-pmi-inside
#
# $L^{\mathrm{in}}$ is $\mathrm{PMI}_{zj} + \log P(z)$, centred within each support. The same holds for $\log N_{zj}$, for $\log P(z,j)$, and for every matrix
# that differs from these by a constant in each column.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# $\mathrm{PMI}_{zj} + \log P(z) = \log P(z\mid j) = \log N_{zj} - \log n_j$, and a constant in a column does not survive
# centring within the support of that column. For $\log P(z\mid j)$ the statement is the definition of $L^{\mathrm{in}}$.
# ```
#
# So the likeness is exact, up to one term: PMI takes the frequency of the word out, next-token prediction keeps it in.

# %%
with np.errstate(divide="ignore"):
    information = pmi(labels, positive=False)  # minus infinity where N is zero
unigram = labels.P @ labels.pi
L_in = in_support_logits(labels).toarray()
with_frequency = np.where(S, information, 0) + np.log(unigram)[:, None]
claim("18.1", np.abs(project_F(with_frequency, S).toarray() - L_in).max())

# %% [markdown]
# ## Off the supports: what becomes of a zero
#
# The logarithm of zero is where count models need a decision. A common one adds $\epsilon$ to every count. The authors
# point out in the discussion that Levy and Goldberg's analysis rests on PMI without zeros, as a rule by smoothing, and that theirs accounts for sparsity openly.
# Here is what smoothing does.
#
# ```{prf:proposition} Smoothing is a path
# :label: prop-smoothing
#
# Let $p^{(\epsilon)}_{zj} = (N_{zj}+\epsilon)/(n_j + V\epsilon)$, and let $\bar a_j$ be the mean of $\log(N_{zj}+\epsilon)$
# over the support of context $j$. For every $\epsilon > 0$,
#
# $$ P_V\log p^{(\epsilon)} = L^{\mathrm{in}}_\epsilon + \tilde S\,\mathrm{diag}\big(\log\tfrac1\epsilon + \bar a_j\big), $$
#
# where $L^{\mathrm{in}}_\epsilon$ is $\log(N+\epsilon)$ centred within supports, and tends to $L^{\mathrm{in}}$. Hence, if $\epsilon < 1$ and not every support is full,
# $P_V\log p^{(\epsilon)}/\log\frac1\epsilon$ is at relative distance $c/\log\frac1\epsilon$ from the proxy, up to $O(\epsilon)$ in $c$, with
#
# $$ c = \lVert P_V(S\circ\log N)\rVert_F / \lVert\tilde S\rVert_F . $$
#
# For PMI of the smoothed counts replace $S\circ\log N$ by $S\circ\log N - \log u\,\mathbf 1^\top$, $u_z=\sum_j N_{zj} > 0$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# Column $j$ of $\log p^{(\epsilon)}$ is $\log(N_{zj}+\epsilon)$ less a constant, which $P_V$ removes. So is $\log\epsilon$: add
# $\log\frac1\epsilon$ to the column. Off the support it is now zero; on the support it is $[\log(N_{zj}+\epsilon) - \bar a_j] + [\bar a_j + \log\frac1\epsilon]$. The first
# bracket is $L^{\mathrm{in}}_\epsilon$; it sums to zero over the support, so $P_V$ leaves it alone. The second is a constant times the column
# of $S$, which $P_V$ turns into $\tilde S$. The same computation without the means reads $P_V\log p^{(\epsilon)} = \log\frac1\epsilon\,\tilde S
# + P_V(S\circ\log(N+\epsilon))$, which gives $c$. PMI subtracts $\log\sum_j(N_{zj}+\epsilon)$ from every entry of row $z$ and constants from columns.
# ```
#
# Compare this with {prf:ref}`thm-path`: $L_\lambda \approx L^{\mathrm{in}} + \log\frac1\lambda\,L^{\mathrm{mm}}$. Smoothing has the same two parts,
# the same logarithm, and the proxy where training has $L^{\mathrm{mm}}$: the margin of logits that are free ({prf:ref}`prop-frobenius`) in place of
# the margin of products of vectors. And it is exact for each $\epsilon$, which no training is.

# %%
proxy = centered_support(S)


def two_parts(epsilon):
    """The finite part, and the proxy with a scale for each context."""
    logs = np.log(N + epsilon)
    means = np.where(S, logs, 0).sum(axis=0) / S.sum(axis=0)
    return project_F(logs, S).toarray() + proxy * (np.log(1 / epsilon) + means)


def centred_log(epsilon):
    return center(smoothed_log_probabilities(labels, epsilon))


claim("18.2", max(np.abs(two_parts(e) - centred_log(e)).max()
                  / np.abs(centred_log(e)).max() for e in (1, 1e-4, 1e-16)))

# %%
def centred_pmi(epsilon):
    return center(pmi(labels, positive=False, epsilon=epsilon))


def distance(A, epsilon):
    """From A / log(1 / epsilon) to the proxy, relative."""
    return np.linalg.norm(A / np.log(1 / epsilon) - proxy) / np.linalg.norm(proxy)


logs = np.log(N, out=np.zeros_like(N), where=S)
frequency = np.log(N.sum(axis=1, keepdims=True))
c = {name: np.linalg.norm(center(A)) / np.linalg.norm(proxy)
     for name, A in (("probabilities", logs), ("PMI", logs - frequency))}
quotients = [distance(A(1e-12), 1e-12) * np.log(1e12) / c[name]
             for name, A in (("probabilities", centred_log), ("PMI", centred_pmi))]
print(", ".join(f"c = {value:.1f} for {name}" for name, value in c.items()))
claim("18.3", max(abs(quotient - 1) for quotient in quotients))

# %% tags=["remove-input"]
def cosine(A, B):
    return np.sum(A * B) / np.linalg.norm(A) / np.linalg.norm(B)


sweep = 10.0 ** -np.arange(-1, 17)
fig, ax = plt.subplots(figsize=(6.4, 3.6))
show_growth(ax, sweep, {
    "log-probabilities": [cosine(centred_log(e), proxy) for e in sweep],
    "PMI": [cosine(centred_pmi(e), proxy) for e in sweep]},
    xlabel=r"$\epsilon$ added to every count", ylabel="cosine with the proxy", log="x")
ax.invert_xaxis()
ax.set_ylim(0, 1.02)
plt.show()

# %% [markdown]
# *The cosine of smoothed matrices with the proxy, as less and less is added. Log-probabilities point there from the beginning; PMI has
# the frequencies of words to outgrow, and a logarithm is slow.*
#
# Now SGNS, which needs no smoothing. Its sum over occurrences and samples puts into each cell
# $N_{zj}\log(1+e^{-x}) + \kappa\,n_j q_z\log(1+e^{x})$, where $x=w_z^\top h_j$, with $\kappa$ negative samples drawn from $q$. On a support the minimum
# is at $\mathrm{PMI}_{zj}-\log\kappa$, if $q$ is the unigram. (word2vec and gensim leave out a sample that is the word itself, which adds $-\log(1-p_{zj})$.) On a zero only
# the second term is left, and $x$ wants to go to $-\infty$.
#
# ```{prf:proposition} Where SGNS goes
# :label: prop-sgns
#
# Let $q > 0$, let some count be zero, and let a ridge $\lambda$ tend to zero.
#
# 1. With the ridge $\frac\lambda2\lVert L\rVert_F^2$ on the logits, $L_\lambda/\log\frac1\lambda \to S - \mathbf 1\mathbf 1^\top$. Centred, this is the proxy.
# 2. With $\frac\lambda2(\lVert W\rVert_F^2+\lVert H\rVert_F^2)$ on vectors of dimension $d\ge\min(V,m)$, all limits of $L_\lambda/\log\frac1\lambda$ are
#    solutions of
#
#    $$ \min\ \lVert L\rVert_*\quad\text{subject to}\quad L_{zj}=0 \text{ on the supports},\quad L_{vj}\le -1 \text{ off them}. $$
#
# All that is feasible there is feasible for NTP-SVM, but not the other way round.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# *2.* Let $F(L)$ be the sum over cells, $F^*$ its infimum, $\nu$ the minimum of the problem, $D$ a solution, and $M$ the matrix that is $\mathrm{PMI}-\log\kappa$ on the
# supports and zero off them (for other $q$, whatever minimises the cells there). Then $F(M+RD) - F^* \le Ce^{-R}$. By {prf:ref}`prop-nuclear` the ridge on vectors is $\lambda\lVert L\rVert_*$, and with
# $R=\log\frac1\lambda$
#
# $$ F(L_\lambda) - F^* + \lambda\lVert L_\lambda\rVert_* \;\le\; \lambda\big(C + \lVert M\rVert_* + \nu\log\tfrac1\lambda\big). $$
#
# So $\lVert L_\lambda\rVert_*\le \nu\log\frac1\lambda + O(1)$, and the excess of $F$ is $O(\lambda\log\frac1\lambda)$. It is a sum of excesses of cells, none negative. Hence off the supports
# $\log(1+e^{x}) = O(\lambda\log\frac1\lambda)$, that is $x\le-\log\frac1\lambda + O(\log\log\frac1\lambda)$; on the supports $x$ stays
# bounded. Divide by $\log\frac1\lambda$: each limit is feasible, with norm at most $\nu$.
#
# *1.* The same with the Frobenius norm squared, or cell by cell: off the supports $\lambda\lvert x\rvert = \kappa n_jq_z/(1+e^{-x})$, so
# $x = -\log\frac1\lambda + O(\log\log\frac1\lambda)$. $P_V\mathbf 1\mathbf 1^\top = 0$ leaves $P_VS=\tilde S$.
#
# *Feasible:* equal entries on the support, and a margin of at least one to all others. The proxy itself is not zero on the supports.
# ```
#
# A softmax compares words within a context, so its logits are free to shift by a column. A sigmoid has a zero of its own. That is the whole
# difference of the two problems.

# %%
NEGATIVES = 5
samples = NEGATIVES * np.outer(unigram, N.sum(axis=0))  # expected in each cell


def sgns_logits(ridge):
    """The minimum of SGNS with a ridge on the logits, by bisection in each cell."""
    low, high = np.full(S.shape, -800.0), np.full(S.shape, 800.0)
    for _ in range(60):
        x = (low + high) / 2
        sigma = 1 / (1 + np.exp(-x))
        beyond = ridge * x + samples * sigma > N * (1 - sigma)  # the slope is > 0
        low, high = np.where(beyond, low, x), np.where(beyond, x, high)
    return x


claim("18.4", distance(center(sgns_logits(1e-300)), 1e-300))

# %% [markdown]
# | model | on a support | on a zero | limit |
# |---|---|---|---|
# | smoothed logarithms | $\log p$ or PMI | $\log\epsilon$ | the proxy, exactly and slowly |
# | PPMI | PMI, cut at zero | 0, as if independent | none: finite |
# | SGNS | $\mathrm{PMI}-\log\kappa$ | $-\infty$ | its own margin problem; the proxy for free logits |
# | GloVe {cite}`pennington2014glove` | $\log N$, less biases | not looked at | none: zeros are free |
# | next-token prediction | $\log p$, up to the column | $-\infty$ | $L^{\mathrm{mm}}$ |
#
# ## The same words in nine geometries
#
# Now vectors, all of one dimension. Matrices are factored by their leading singular triples, balanced, as a ridge would. "Smoothed" is $P_V\log p^{(\epsilon)}$ at $\epsilon=1$;
# shifted PPMI subtracts $\log\kappa$. SGNS, GloVe and the free vectors of NTP are trained. GloVe has more numbers to fit than there are cells, and would fit all of them; it stops after 60 steps,
# the best of six lengths between 20 and 200 by its fit to the *other* half's counts.

# %%
d = SIZES["d"]
solution = solve_ntp_svm(S, tol=1e-3)
matrices = {"NTP-SVM": solution.L, "proxy": proxy, "finite part": L_in,
            "smoothed": centred_log(1.0), "PPMI": pmi(labels),
            "shifted PPMI": pmi(labels, negatives=NEGATIVES)}
vectors = {name: svd_vectors(A, d) for name, A in matrices.items()}

# %%
vectors["SGNS"] = train_sgns(labels, d=d, seed=SEED, negatives=NEGATIVES,
                             epochs=SIZES["epochs"])
glove = train_glove(labels, d=d, rng=rng, steps=60, lr=0.05)
vectors["GloVe"] = glove.W, glove.H

# %%
model = build_model("ufm", labels, d=d, seed=SEED)
run = fit(model, labels, steps=SIZES["steps"], lr=0.03, snapshots=[SIZES["steps"]])
vectors["trained"] = run.W[-1].astype(float), run.H[-1].astype(float)
excess = run.loss - labels.entropy()
print(f"trained: {100 * excess[-1] / excess[0]:.0f} % of the first excess over",
      "the entropy is left")

# %% [markdown]
# How alike are the cosines of words? Over the 250 most frequent, whose counts are more than noise, the correlation over pairs of different words, with Mantel's
# test.

# %%
names = list(vectors)
COUNTED = ["PPMI", "shifted PPMI", "SGNS", "GloVe"]
W = {name: vectors[name][0] for name in names}
common = np.argsort(-unigram, kind="stable")[:250]
cosines = {name: cosine_matrix(W[name][common].T) for name in names}
alike = {(a, b): off_diagonal_correlation(cosines[a], cosines[b])
         for a in names for b in names}
tests = [mantel(cosines[a], cosines[b], rng=rng, permutations=199)
         for a, b in combinations(names, 2)]

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 5.2))
show_matrix(ax, [[alike[a, b] for b in names] for a in names], rows=names,
            columns=names, limit=1, numbers=True, signed=True)
plt.show()

# %% [markdown]
# *Correlation of the cosines of words between geometries made from the same counts.*

# %%
claim("18.5", max(test.p for test in tests))

# %%
others = [*COUNTED, "finite part"]
claim("18.6", alike["NTP-SVM", "proxy"]
      - max(alike["NTP-SVM", name] for name in others))

# %%
claim("18.9", alike["trained", "NTP-SVM"]
      - max(alike["trained", name] for name in COUNTED))

# %% [markdown]
# Nothing here is unrelated to anything, and nothing is the same as anything. $L^{\mathrm{mm}}$ keeps company with its proxy; smoothing at $\epsilon=1$ stands between the
# proxy and PPMI, as it should by {prf:ref}`prop-smoothing`. The trained vectors are as near to SGNS as to $L^{\mathrm{mm}}$. Both objectives fit logits on the supports
# and push down the rest; in few dimensions and for a limited time they end in much the same place, and the limits that tell them apart are far away. The two that do not look
# at zeros, the finite part and GloVe, are the odd ones out: what the others share is *where* a word occurs at all.
#
# Are correlations of cosines a kind measure? Two others, each with its value for shuffled words:

# %%
measures = {"CKA": cka, "Procrustes distance": procrustes_distance}
found, shuffled = ({name: [] for name in measures} for _ in range(2))
for a, b in combinations(names, 2):
    A, B = W[a][common].T, W[b][common].T
    for name, measure in measures.items():
        found[name].append(measure(A, B))
        shuffled[name].append(measure(A, B[:, rng.permutation(len(common))]))

# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 5.4), sharex=True)
across = [alike[pair] for pair in combinations(names, 2)]
for ax, name in zip(axes, measures):
    ax.plot(across, found[name], "o", color=CYCLE[0], label="pairs of geometries")
    ax.plot(across, shuffled[name], "x", color="#9a9a9a", label="words shuffled")
    ax.set_ylabel(name)
axes[0].legend(loc="upper left")
axes[1].set_xlabel("correlation of cosines")
plt.show()

# %% [markdown]
# *Three measures of likeness for all pairs of geometries. They roughly agree on the order; CKA of unrelated vectors is not zero, and their Procrustes distance
# not $\sqrt2$.*
#
# ## Whose singular vectors?
#
# That word embeddings are related to the SVD of a co-occurrence matrix is "not too surprising", a reviewer writes. But of which matrix? Below, the share of the subspace of the $k$ leading word
# directions of $L^{\mathrm{mm}}$ that lies in that of another matrix.

# %%
candidates = {"NTP-SVM": solution.L, "proxy": proxy, "PPMI": matrices["PPMI"],
              "probabilities": center(labels.P.toarray()),
              "frequencies": center(labels.P.toarray() * labels.pi)}
bases = {name: np.linalg.svd(A, full_matrices=False)[0]
         for name, A in candidates.items()}


def share(a, b, k):
    return np.sum((bases[a][:, :k].T @ bases[b][:, :k])**2) / k


# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.8))
ks = [1, 2, 3, 5, 10, 20, 30, 50]
show_growth(ax, ks, {name: [share("NTP-SVM", name, k) for k in ks]
                     for name in list(candidates)[1:]},
            xlabel="leading directions", ylabel="share of NTP-SVM's", log="x")
ax.plot(ks, np.array(ks) / labels.V, color="#9a9a9a", ls="--", lw=1)
ax.set_xticks(ks, ks)
ax.minorticks_off()
ax.set_ylim(-0.02, 1.02)
ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
plt.show()

# %% [markdown]
# *Which matrix has the word directions of NTP-SVM? Its proxy, nearly; PPMI half; the co-occurrence probabilities themselves hardly. "Frequencies" is the joint
# distribution, centred, from which training from small weights sets out ({ref}`ch-measures`). Dashed: random directions.*

# %%
claim("18.7", share("NTP-SVM", "proxy", 10)
      - max(share("NTP-SVM", name, 10) for name in ("probabilities", "PPMI")))

# %% [markdown]
# So it matters which: an SVD of co-occurrence probabilities would be another geometry. What is the first direction about? We
# expected: in how many contexts a word has been seen.

# %%
leading, contexts_of = bases["proxy"][:, 0], S.sum(axis=1)
claim("18.8", abs(stats.spearmanr(leading, contexts_of).statistic))

# %%
print(f"linear correlation {abs(np.corrcoef(leading, contexts_of)[0, 1]):.1f};",
      f"half the words have at most {np.median(contexts_of):.0f} contexts")

# %% [markdown]
# This fails as it was put down. The linear correlation, a look after the fact, is as high as we had thought, but it is made by the frequent words; among the many
# that occur in a few contexts, the order along this direction is another. The argument behind the threshold (leading vectors of a matrix of zeros and ones follow its row
# sums) speaks of $S$, and centring is there to take that away, in part. ({ref}`ch-concepts` asks for the linear correlation, on fewer and more
# frequent words, and there the claim holds.)
#
# ## Do they know what people know?
#
# Sets of word pairs that people have rated: SimLex-999 for similarity {cite}`hill2015simlex`, WordSim-353 for relatedness {cite}`finkelstein2002placing`. Of either we can
# use the pairs whose two words are in our vocabulary. The vocabulary is a 17th-century Bible's, so they are few, and intervals are wide. One control was added
# after the first look: PPMI on what a count model would usually count, words up to five places before *and after*.

# %%
def window_labels(reach=5):
    """Counts of neighbours to both sides, over the same words and chapters."""
    row = {kjv.vocab.index(word): z for z, word in enumerate(labels.vocab)}
    inside = first_half[kjv.doc_ids]
    ids = np.array([row.get(t, -1) for t in kjv.tokens[inside]])
    doc, V = kjv.doc_ids[inside], labels.V
    C = np.zeros(V * V, dtype=int)
    for k in range(1, reach + 1):
        near = (ids[k:] >= 0) & (ids[:-k] >= 0) & (doc[k:] == doc[:-k])
        C += np.bincount(ids[k:][near] * V + ids[:-k][near], minlength=V * V)
    C = C.reshape(V, V)
    return SoftLabels.from_counts(C + C.T)


W["window"] = svd_vectors(pmi(window_labels()), d)[0]

# %%
def unit(A):
    lengths = np.linalg.norm(A, axis=1, keepdims=True)
    return np.divide(A, lengths, out=np.zeros_like(A), where=lengths > 0)


def ask(name):
    asked = similarity_ratings(name, labels.vocab)
    one, other = asked.pairs.T
    scores = [np.sum(unit(A)[one] * unit(A)[other], axis=1) for A in W.values()]
    print(f"{name}: {len(asked.ratings)} of {asked.total} pairs in the vocabulary")
    return rank_agreement(scores, asked.ratings, rng=rng)


sets = {"SimLex-999": ask("simlex"), "WordSim-353": ask("wordsim")}
at = {name: g for g, name in enumerate(W)}

# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 6.6), sharex=True)
for ax, (name, result) in zip(axes, sets.items()):
    low, high = result.interval().T
    ax.hlines(range(len(W)), low, high, color=CYCLE[0], lw=2)
    ax.plot(result.r, range(len(W)), "o", color=CYCLE[0])
    ax.axvline(0, color="#9a9a9a", lw=1, zorder=0)
    ax.set_yticks(range(len(W)), list(W))
    ax.invert_yaxis()
    ax.set_title(name)
axes[1].set_xlabel("rank correlation with people's ratings, 95 % interval")
plt.show()

# %% [markdown]
# *Cosines against people's ratings; intervals by a bootstrap over pairs.*

# %%
claim("18.10", sets["SimLex-999"].p[at["PPMI"]])

# %%
claim("18.11", sets["SimLex-999"].p[at["NTP-SVM"]])

# %%
simlex = sets["SimLex-999"]
nine = RankAgreement(simlex.r[:9], simlex.p[:9], simlex.resampled[:9])
claim("18.12", nine.differ().sum() // 2)

# %%
claim("18.18", simlex.r[at["window"]] - simlex.r[at["PPMI"]])

# %% [markdown]
# No. Both claims fail, and no geometry does better: on SimLex all nine are on the wrong side of zero, one of them by more than its interval, and no two of
# them differ. (With the chapters halved otherwise some are on the right side, within chance too, and a pair may differ.) What goes wrong shows in the pairs that PPMI has far nearer than people do.

# %%
pairs = similarity_ratings("simlex", labels.vocab)
one, other = (unit(W["PPMI"])[z] for z in pairs.pairs.T)
too_near = (stats.rankdata(np.sum(one * other, axis=1))
            - stats.rankdata(pairs.ratings))
worst = pairs.pairs[np.argsort(-too_near, kind="stable")[:10]]
HTML("; ".join(f"{labels.vocab[a]}, {labels.vocab[b]}" for a, b in worst))

# %% [markdown]
# *Nearer than they should be.* Two words before the next one make a slot, and opposites fit the same slot. SimLex was made to rate them low. Counting both sides, the
# control, brings the correlation to the right side of zero for most halves of the chapters, and always within chance; with *relatedness*, on eighteen pairs, it agrees well. So much of this null
# is in the question: what may follow the same two words is not what people call similar, in whichever geometry.
#
# Analogies {cite}`mikolov2013linguistic`, "man is to woman as king is to what?", answered by the word whose cosine with $b-a+c$ is largest. The set has
# nearly twenty thousand; of the few that are left the largest part is family.

# %%
asked = analogy_questions(labels.vocab)
sections = np.bincount(asked.section)
print(f"{len(asked.words)} of {asked.total} questions, {sections.max()} of them",
      asked.sections[sections.argmax()])


def right(A, words=asked.words):
    return np.mean(answer_analogies(A, words) == words[:, 3])


shares = {name: right(A) for name, A in W.items()}
null = [right(W["NTP-SVM"], rng.permutation(labels.V)[asked.words])
        for _ in range(199)]
claim("18.13", (1 + np.sum(np.array(null) >= shares["NTP-SVM"])) / (1 + len(null)))

# %% tags=["remove-input"]
def dots(ax, rows, series, xlabel):
    """Named values on one axis, a row each."""
    for k, (name, values) in enumerate(series.items()):
        ax.plot(values, range(len(rows)), "osD"[k], color=CYCLE[k], label=name,
                clip_on=False)
    ax.set_yticks(range(len(rows)), rows)
    ax.invert_yaxis()
    ax.set_xlabel(xlabel)


fig, ax = plt.subplots(figsize=(6.4, 3.6))
dots(ax, list(shares), {"right": list(shares.values())}, "share of analogies answered")
ax.set_xlim(0, None)
plt.show()

# %% [markdown]
# *One answer in $V$ would be right by chance. Questions share words, so these shares are rougher than their number suggests.*
#
# $L^{\mathrm{mm}}$ is beyond chance, and of no use: no geometry gets a fifth of them right. The window of five words, to which such questions are usually put, does best, by little.
#
# ## Which zeros will fill?
#
# Contexts have vectors too. The authors expect new models from the link, as GloVe came from the count view; the simplest is at hand: the
# leading singular vectors of $\tilde S$ are an embedding of *contexts*, made by counting. Is it good for anything? Back to zeros. Some are there because a word cannot follow, others
# because a text is short. The other half of the chapters tells them apart: after the same contexts, some words follow there that never did here. A geometry of contexts should
# foretell which. For each context we rank its zeros and take the area under the ROC curve: the chance that a zero that fills is ranked above one that
# does not.

# %%
later = count(False)
column = {tuple(context): j for j, context in enumerate(later.contexts)}
both = [j for j in range(labels.m) if tuple(kept.contexts[j]) in column]
place = {word: z for z, word in enumerate(later.vocab)}
found_there = later.S[:, [column[tuple(kept.contexts[j])] for j in both]]
fills = found_there[[place[word] for word in labels.vocab]].toarray() & ~S[:, both]
print(f"in {fills.any(axis=0).sum()} contexts zeros fill:",
      f"{fills.sum() / (~S[:, both]).sum():.1%} of all of them")


def area(scores):
    """The area under the ROC curve, mean over contexts with zeros that fill."""
    areas = []
    for j, new in zip(both, fills.T):
        if new.any():
            zeros = ~S[:, j]
            k, ranks = new.sum(), stats.rankdata(scores[zeros, j])
            total = ranks[new[zeros]].sum() - k * (k + 1) / 2
            areas.append(total / (k * (zeros.sum() - k)))
    return np.mean(areas)


# %% [markdown]
# Two rankings for each geometry: by how many of the ten *nearest contexts* the word has followed; and by the geometry's own *logit*
# $w_v^\top h_j$. The rival is the word's diversity, the number of contexts that it has followed anywhere.

# %%
def by_neighbours(H, nearest=10):
    likeness = cosine_matrix(H)
    np.fill_diagonal(likeness, -np.inf)
    near = np.argsort(-likeness, axis=1, kind="stable")[:, :nearest]
    return S[:, near].sum(axis=2)


diversity = area(np.repeat(contexts_of[:, None], labels.m, axis=1))
near = {name: area(by_neighbours(H)) for name, (_, H) in vectors.items()}
own = {name: area(A @ H) for name, (A, H) in vectors.items()}
own["GloVe"] = area(glove.W @ glove.H + glove.word_bias[:, None])

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 4.4))
dots(ax, names, {"nearest contexts": list(near.values()),
                 "own logits": list(own.values())}, "area under the ROC curve")
ax.axvline(diversity, color=CYCLE[1], lw=1.5, ls="--", label="word's diversity")
ax.axvline(0.5, color="#9a9a9a", lw=1, label="chance")
ax.legend(loc="center left", fontsize=9.5)
plt.show()

# %% [markdown]
# *Which words will follow that have not yet? Right of the dashed line a geometry knows more than a list of words that go anywhere.*

# %%
claim("18.14", near["proxy"] - diversity)

# %%
claim("18.15", area(solution.L))

# %%
claim("18.16", near["proxy"] - near["PPMI"])

# %% [markdown]
# The contexts of the proxy do know something; those of PPMI no less. The squares say more. Off the supports all logits of the proxy are equal, column by column: at full rank its area is one half. Two things
# make them differ. One is the nuclear norm: $L^{\mathrm{mm}}$ at full rank orders its zeros, though nothing in their own column tells them apart (Claim 18.15); what does
# is the other contexts. (No theorem says that it has to be the right order: for supports that are random within groups of words it is the wrong one, as this chapter's tests show.) This also answers the reviewer who found that a matrix of the theory (which, the public record has lost) "places uniform weights on all terms": if it is $L^{\mathrm{mm}}$, on the supports, yes. The other is rank: cut to a few
# directions, the proxy and $L^{\mathrm{mm}}$ foretell better by their logits than by their neighbours. The vectors trained on the loss are best at it. So few dimensions are
# not only a constraint ({ref}`ch-narrow`). They turn zeros into guesses.
#
# ## Sums of what?
#
# A reviewer sees no more in the paper's geometry than "averages of word embeddings", and names three accounts of static vectors: where topics change slowly, the length of
# the sum of two word vectors tells how often the two meet {cite}`arora2016latent`; counts recover the distances of the space that a writer walks through {cite}`hashimoto2016word`; and
# sums stand for paraphrases as far as PMI adds up {cite}`allen2019analogies`. {ref}`ch-architecture` takes that up for encoders that read. For counts there is an identity: if $W$ and
# $H$ are the factors of a matrix $A$ by its leading singular triples, none of size zero, $H = (W^\top W)^{-1}W^\top A$: a context *is* a weighted sum of word vectors, whitened, with column $j$ of $A$ for
# weights. With the proxy all next words weigh the same; with PPMI the surprising ones weigh most. How far does the *plain* average get? A linear map from the
# average or the sum of its next words, or from the average of its own two, cross-validated over contexts:

# %%
number = {word: z for z, word in enumerate(labels.vocab)}
spelled = [[number.get(word, -1) for word in text.split()]
           for text in labels.contexts]
whole = np.array([j for j, ids in enumerate(spelled) if min(ids) >= 0])
own_words = np.array([spelled[j] for j in whole])  # contexts without <unk>
sums = S[:, whole].astype(float)


def explained(H, X, penalty=1e-2, folds=10):
    """Cross-validated share of the variance of H that is linear in X."""
    fold, error = rng.permutation(X.shape[1]) % folds, 0.0
    X, H = X - X.mean(axis=1, keepdims=True), H - H.mean(axis=1, keepdims=True)
    ridge = penalty * np.sum(X**2) / len(X) * np.eye(len(X))
    for k in range(folds):
        old, new = fold != k, fold == k
        M = np.linalg.solve(X[:, old] @ X[:, old].T + ridge,
                            X[:, old] @ H[:, old].T)
        error += np.sum((H[:, new] - M.T @ X[:, new])**2)
    return 1 - error / np.sum(H**2)


told = {name: (explained(H[:, whole], A.T @ (sums / sums.sum(axis=0))),
               explained(H[:, whole], A[own_words].mean(axis=1).T),
               explained(H[:, whole], A.T @ sums))
        for name, (A, H) in vectors.items()}

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.8))
whats = "average of next words", "average of own words", "sum of next words"
dots(ax, names, {what: [told[name][k] for name in names]
                 for k, what in enumerate(whats)}, "share of a context explained")
ax.set_xlim(0, 1)
ax.legend(loc="lower center", bbox_to_anchor=(0.45, 1), ncols=2, fontsize=9.5)
plt.show()

# %% [markdown]
# *How much of a context, as a geometry has it, is linear in an average or a sum of word vectors of the same geometry.*

# %%
claim("18.17", min(told[name][0] - told[name][1]
                   for name in ["NTP-SVM", "proxy", *COUNTED]))

# %% [markdown]
# Its own words explain little of a context, as they should: nobody read them. For the proxy the plain sum of next words is nearly all, by the identity (what is missing is the penalty);
# the average is less, for it forgets how many there are. In all factored matrices the sum explains more; in the vectors trained by steps, SGNS and NTP, the average does. So the sentence is nearly right
# about next words and wrong about own words, here too.
#
# (neighbours-panel)=
# ## Neighbours
#
# What do the differences look like? Ten words and their nearest four, of the 400 most frequent, under five of the geometries.

# %%
WORDS = "king father heaven two went good hand and in shall".split()
SHOWN = ["NTP-SVM", "proxy", "PPMI", "SGNS", "trained"]
frequent = [z for z in np.argsort(-unigram, kind="stable")
            if labels.vocab[z].isalpha()][:400]


def nearest(name, word, k=4):
    A = unit(W[name][frequent])
    order = np.argsort(-A @ A[frequent.index(number[word])], kind="stable")
    return ", ".join(labels.vocab[frequent[i]] for i in order[1:k + 1])


# %% tags=["remove-input"]
body = "".join(f"<tr><td><b>{word}</b></td>" + "".join(
    f'<td><span class="ntp-head">{name}: </span>{html.escape(nearest(name, word))}</td>'
    for name in SHOWN) + "</tr>" for word in WORDS)
header = "".join(f"<th>{name}</th>" for name in ["word", *SHOWN])
HTML('<div class="ntp-table"><table class="ntp-benchmark"><thead><tr>'
     f"{header}</tr></thead><tbody>{body}</tbody></table></div>")

# %% [markdown]
# In the panel, all nine. Type a word, or press one in a list to go to it; a small figure says in how many of the lists it stands.

# %%
from ntputils.widgets import NeighboursWidget

NeighboursWidget([labels.vocab[z] for z in frequent],
                 {name: W[name][frequent] for name in names}, examples=WORDS)

# %% [markdown]
# In a sentence, without the panel: neighbours are words that could take each other's place after the same two words, numbers with numbers and auxiliaries with
# auxiliaries, under every geometry; which of them comes first is another matter under each.
#
# ## What to take away
#
# - On the supports, next-token prediction and PMI are one matrix, up to the words' own frequencies.
# - Zeros decide the rest. Smoothing is a path with the same finite part as training and the proxy for its direction. SGNS has a margin problem of its own, inside that of NTP.
# - The SVD that gives the geometry is that of $L^{\mathrm{mm}}$, or nearly of $\tilde S$: not that of co-occurrence probabilities.
# - The centred support is a fair embedding of contexts, made by counting: its neighbours foretell which zeros fill. A model trained on the loss does it better.
#
# ## What this does not show
#
# - *The usual count models.* Ours see two words to the left. A window to both sides, more text and tuned weights would make PPMI, SGNS and GloVe
#   better at what they are used for; the one control shows by how much here.
# - *GloVe at its best.* It was made for billions of words. On a table of this size it has more numbers than cells.
# - *Similarity.* With some ninety pairs of SimLex, and eighteen of WordSim, a correlation has to be large to be seen. That no geometry differs from another here means little.
# - *The limit.* SGNS and the trained vectors stop early and have few dimensions. {prf:ref}`prop-sgns` and {prf:ref}`thm-path` are about a ridge that vanishes.
# - *Other text.* One translation of one book, in its own English.
#
# ## Exercises
#
# 1. For which counts does $P_V\log p^{(\epsilon)}$ point exactly to the proxy, for every $\epsilon$? What happens to $c$ if every count is doubled, and why should
#    that not worry anyone?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    By {prf:ref}`prop-smoothing` the finite part has to vanish, and the scales $\log\frac1\epsilon+\bar a_j$ to be equal: all counts that are not zero are one and
#    the same number $g$ (or $\tilde S$ has columns of zeros, where they do not matter). Then the direction is the proxy's and $c = |\log g|$, which is zero only for
#    $g=1$. Doubling all counts adds $\log 2\,\tilde S$ to what $c$ measures. But it is the same smoothing with $\epsilon/2$: $\epsilon$ has the unit of a count. The angle to the
#    proxy depends on $\epsilon$ over the size of the counts alone.
#    ```
#
# 2. One word follows each of $V$ contexts, a different one each time: $S = I$. Compare the problem of {prf:ref}`prop-sgns` with NTP-SVM.
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    NTP-SVM has $I-\frac1V\mathbf1\mathbf1^\top$, of norm $V-1$. For SGNS, average a solution over all simultaneous permutations of words and contexts: it stays feasible, its norm does not
#    grow, and it has the form $aI+b\mathbf 1\mathbf 1^\top$ with $a+b=0$ and $b\le-1$. So it is $t(I-\mathbf1\mathbf1^\top)$ with $t\ge1$, of norm $2(V-1)t$: the solution is $I-\mathbf1\mathbf1^\top$, of twice the norm. The extra half
#    is spent on one direction, the vector of ones, which a softmax does not see.
#    ```

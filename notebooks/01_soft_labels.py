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
# (ch-soft-labels)=
# # Next-token prediction is soft-label classification
#
# What does a language model see while it is trained? Not sentences: *contexts*, and after each context, tallies of what
# came next. This chapter turns a text into those tallies and measures them on the King James Version: how many distinct
# contexts there are, how many different tokens can follow one, and how much uncertainty is left, as contexts grow from
# one token to eight. Two matrices come out of it, $P$ and $S$. Everything later in the book is computed from them.
#
# *Fifteen minutes to read, about fifteen seconds to run on one CPU core. No GPU is used.*

# %% tags=["colab-install", "remove-cell"]
# In Colab the published copy of this notebook installs ntputils here.

# %%
import matplotlib.pyplot as plt
import numpy as np

from ntputils import (Corpus, SoftLabels, centered_support, claim, load_corpus,
                      load_labels, ntp_loss, scale, session, softmax)
from ntputils.plots import show_growth, show_matrix, style

SEED = 20240822
rng = np.random.default_rng(SEED)
style()

# %% tags=["remove-input"]
session()

# %% [markdown]
# The text is small enough that both scales read all of it; they differ in how far back its growth is followed (by halving the text).

# %%
HALVINGS = {"small": 7, "full": 14}[scale()]
kjv = load_corpus("kjv")
print(f"{kjv.n:,} tokens, {kjv.V:,} distinct, in {kjv.doc_ids[-1] + 1:,} chapters")

# %% [markdown]
# ## What comes after *out of the land of*?
#
# Take five tokens that the text repeats, look up every place where they stand, and tally the token that follows.

# %%
labels = SoftLabels.from_tokens(kjv, context_length=5)
names = [labels.context(j) for j in range(200)]  # the most frequent come first


def tally(context, most=8):
    """The most frequent next tokens of a context and their probabilities."""
    p = labels.P[:, [names.index(context)]].toarray().ravel()
    top = np.argsort(-p, kind="stable")[:most]
    return [labels.vocab[z] for z in top], p[top]


# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(4.8, 6), sharex=True)
for ax, context in zip(axes, ("out of the land of", "and the lord said unto")):
    words, p = tally(context)
    ax.barh(range(len(p)), p)
    ax.set_yticks(range(len(p)), words)
    ax.invert_yaxis()
    ax.set(title=f"{context} …", xlabel="share of occurrences")
    ax.grid(False, axis="y")
plt.show()

# %% [markdown]
# *What follows two contexts of five tokens in the King James Version (the eight most frequent next tokens of each).
# The answer is not one token: it is a distribution, and most of the vocabulary has no part in it.*
#
# The text does not give the context one right answer. It gives a distribution with two features that the rest of this
# book keeps apart:
#
# - **which** tokens have followed at all: a small set, the *support*;
# - **how often** each of them did: the probabilities within that set.
#
# A classifier whose targets are distributions is trained with *soft labels*. That is what next-token prediction is
# {cite}`thrampoulidis2024implicit,zhao2024implicit`.

# %% [markdown]
# ## Definitions
#
# A training set is a list of $n$ samples $(x_i, z_i)$: a context $x_i$ of $T$ tokens and the token $z_i$ after it, both
# over a vocabulary $\mathcal V$ of $V$ tokens. (The paper's $T$ counts the next token too: its contexts have $T-1$
# tokens.) Many samples share a context. Let $\bar x_1, \dots, \bar x_m$ be the *distinct* contexts.
#
# ```{prf:definition} Soft labels
# :label: def-soft-labels
#
# For each distinct context $j$,
#
# $$
# \hat\pi_j = \frac{\#\{i : x_i = \bar x_j\}}{n}, \qquad
# \hat p_{zj} = \frac{\#\{i : x_i = \bar x_j,\ z_i = z\}}{n\,\hat\pi_j} .
# $$
#
# The matrix $P = (\hat p_{zj})$ is $V \times m$, words by contexts, and its columns are probability distributions.
# ```
#
# ```{prf:definition} Support
# :label: def-support
#
# The support of context $j$ is $\mathcal S_j = \{z : \hat p_{zj} > 0\}$, the tokens that have followed it at least once,
# and $k_j = |\mathcal S_j|$ is its size. The support matrix $S \in \{0,1\}^{V\times m}$ has $S_{zj} = 1$ exactly when
# $z \in \mathcal S_j$. A context with $k_j = 1$ is *one-hot*.
# ```
#
# ```{prf:definition} Entropy bound
# :label: def-entropy
#
# $$
# \mathcal H = -\sum_{j=1}^m \hat\pi_j \sum_{z\in\mathcal S_j} \hat p_{zj} \log \hat p_{zj} \quad\text{(nats)} .
# $$
# ```
#
# ## The smallest example, by hand
#
# Three short documents, contexts of two tokens. *the cat* stands three times and is followed by *sat*, *ran* and
# *ran*; the rest is certain.

# %%
tiny = SoftLabels.from_text("the cat sat\n\nthe cat ran\n\nthe cat ran off\n\na dog ran",
                            context_length=2)
print("contexts:", [tiny.context(j) for j in range(tiny.m)])
print("pi      :", tiny.pi.round(3))
print(f"entropy : {tiny.entropy():.4f}")
print(f"by hand : {3 / 5 * (np.log(3) - 2 / 3 * np.log(2)):.4f} = 3/5 (log 3 - 2/3 log 2)")

# %% [markdown]
# Its $P$ and $S$, and the *centred support matrix* $\tilde S = (I - \tfrac1V \mathbf 1\mathbf 1^\top) S$, which takes from
# each column of $S$ its mean. That third matrix is the paper's simple prediction, up to scale, of what the logits of a trained
# model look like; chapters 4 to 8 show when, why and how nearly.

# %%
fig, axes = plt.subplots(3, 1, figsize=(4.6, 7.5))
rows, columns = tiny.vocab, [tiny.context(j) for j in range(tiny.m)]
panels = {"$P$": tiny.P, "$S$": tiny.S, r"$\tilde S$": centered_support(tiny.S)}
for ax, (title, A) in zip(axes, panels.items()):
    show_matrix(ax, A, rows=rows, columns=columns, title=title,
                limit=1, numbers=True)
plt.show()

# %% [markdown]
# *Words by contexts, always: a row for each token that can come next, a column for each distinct context. $P$ holds the
# probabilities, $S$ only which of them are not zero, $\tilde S$ is $S$ with each column's mean taken off.*
#
# ## Counting loses nothing
#
# A model turns a context into logits $\ell \in \mathbb R^V$, one column of a matrix $L \in \mathbb R^{V\times m}$ for each
# distinct context. Training averages $-\log \operatorname{softmax}(L_{:,j})_z$ over samples. Samples with the same
# context get the same column, so the average can be taken context by context.
#
# ```{prf:proposition} The loss sees a text only through $P$ and $\hat\pi$
# :label: prop-regroup
#
# Write $j(i)$ for the distinct context of sample $i$. For every $L \in \mathbb R^{V \times m}$,
#
# $$
# \begin{aligned}
# \mathrm{CE}(L) :=\; & \sum_{j=1}^m \hat\pi_j \Big[ \operatorname{logsumexp}(L_{:,j}) - \sum_{z\in\mathcal S_j} \hat p_{zj} L_{zj} \Big] \\
# =\; & \frac1n \sum_{i=1}^n -\log \operatorname{softmax}(L_{:,j(i)})_{z_i} ,
# \end{aligned}
# $$
#
# and $\mathrm{CE}(L) \ge \mathcal H$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# There are $n \hat\pi_j \hat p_{zj}$ samples with context $j$ and next token $z$, and each contributes
# $\operatorname{logsumexp}(L_{:,j}) - L_{zj}$. Sum over $z$ with $\sum_z \hat p_{zj} = 1$, then over $j$. For the bound, put
# $q_j = \operatorname{softmax}(L_{:,j})$: the bracket equals $-\sum_z \hat p_{zj} \log q_{zj}$, which is the entropy of
# $\hat p_j$ plus $\mathrm{KL}(\hat p_j \,\|\, q_j) \ge 0$.
# ```
#
# The check: random logits for the contexts of one token, the loss sample by sample over the whole text against the
# soft-label loss. (To keep the matrix small, contexts have one token, the most frequent tokens stay, and the others become
# unknown: `<unk>` may stand in a context but is never predicted.)

# %%
common = SoftLabels.from_tokens(kjv, context_length=1, vocab_size=500)
L = rng.normal(size=(common.V, common.m))
before, after = kjv.tokens[:-1], kjv.tokens[1:]
kept = (kjv.doc_ids[:-1] == kjv.doc_ids[1:]) & (after < 500)
column = np.argsort(common.contexts[:, 0])[np.minimum(before[kept], 500)]
by_sample = -np.log(softmax(L)[after[kept], column]).mean()
print(f"{kept.sum():,} samples, {common.m} contexts, loss {by_sample:.6f} nats")
claim("1.1", abs(by_sample - ntp_loss(L, common)))

# %% [markdown]
# So the problem that training solves is this: $m$ distinct contexts with weights $\hat\pi$, and for each a soft label, a
# sparse distribution. How sparse, and how soft, is a question about language. First a text of your own, then a long one.

# %% [markdown]
# (type-a-text)=
# ## Type a text
#
# Everything in this panel is computed in the page as you type: contexts, supports, $P$, the entropy, $S$, the centred
# support $\tilde S$ and its Gram matrices. Point at a cell, or move to it with the arrow keys, to read it.

# %%
from ntputils.widgets import SoftLabelsWidget

widget = SoftLabelsWidget(context_length=2)
widget

# %% [markdown]
# Without the panel, the point in a sentence: two contexts that share their next tokens have equal columns of $S$ and so a
# large entry in the Gram matrix $\tilde S^\top \tilde S$, whatever their own words are; that is what a trained model is going to
# see of them.

# %% [markdown]
# ## How the problem grows with the context
#
# Now the King James Version with contexts of one to eight tokens, documents being its chapters. The table counts distinct
# contexts and distinct supports, and gives the mean size of a support, the share of contexts that are one-hot, and
# the entropy bound.

# %%
lengths = range(1, 9)
by_length = {T: SoftLabels.from_tokens(kjv, context_length=T) for T in lengths}
print(" T  contexts  supports   mean size  one-hot   H (nats)")
for T, lab in by_length.items():
    k, u = lab.support_sizes, lab.merge_supports()[0].shape[1]
    print(f"{T:2d} {lab.m:9,} {u:9,} {k.mean():11.2f} {np.mean(k == 1):8.1%} {lab.entropy():10.3f}")

# %% [markdown]
# The mean hides how uneven the supports are. Most are small, and a few are as large as a good part of the vocabulary.

# %% tags=["remove-input"]
fig, ax = plt.subplots()
for T in (1, 2, 3, 5):
    size, count = np.unique(by_length[T].support_sizes, return_counts=True)
    ax.step(size, count[::-1].cumsum()[::-1] / count.sum(), where="pre", label=f"$T={T}$")
ax.set(xscale="log", yscale="log", xlabel="size $k$ of the support", ylabel="share of contexts, $k_j \\geq k$")
ax.legend()
plt.show()

# %% [markdown]
# *The share of distinct contexts whose support has at least $k$ tokens, both axes logarithmic. Nearly straight lines: there is no
# typical size. Longer contexts have smaller supports, with the same kind of tail.*

# %% tags=["remove-input"]
fig, ax = plt.subplots()
labs, first = list(by_length.values()), by_length[1].entropy()
curves = {
    "one-hot, of distinct contexts": [np.mean(lab.support_sizes == 1) for lab in labs],
    "one-hot, of occurrences": [lab.pi[lab.support_sizes == 1].sum() for lab in labs],
    "seen once, of distinct contexts": [np.mean(lab.pi * lab.n < 1.5) for lab in labs],
    "entropy left, of that at $T=1$": [lab.entropy() / first for lab in labs],
}
show_growth(ax, list(lengths), curves, xlabel="context length $T$ (tokens)", ylabel="share")
ax.set_ylim(0, 1.02)
plt.show()

# %% [markdown]
# *Shares in the King James Version against context length. By five tokens nearly every distinct context is one-hot, and
# nearly all of those because they were seen once. Counted by occurrence, the change comes later: one-hot contexts are
# in the majority only from four tokens on.*
#
# A reviewer of the paper read it as a theory of one-hot labels; the authors answered that soft labels are the point. The
# text says that both describe something. Count *distinct* contexts, and one-hot is the rule:

# %%
five = by_length[5]
seen = np.rint(five.pi * five.n)
one_hot = five.support_sizes == 1
claim("1.5", one_hot.mean())

# %% [markdown]
# But a context that was seen once has one next token by force. Where the text had a chance to show a second one, did it
# take it?

# %%
def several(lab):
    """The share that has several next tokens, of the contexts seen at least twice."""
    return np.mean(lab.support_sizes[np.rint(lab.pi * lab.n) >= 2] > 1)


alone = [several(SoftLabels.from_tokens(kjv.tokens[part], context_length=5,
                                        doc_ids=kjv.doc_ids[part]))
         for part in np.array_split(np.arange(kjv.n), 4)]
print("with 4, 5, 6 tokens:", *(f"{several(by_length[T]):.0%}" for T in (4, 5, 6)))
print("5 tokens, each quarter of the text alone:", *(f"{share:.0%}" for share in alone))
claim("1.6", several(five))

# %% [markdown]
# More often than not, and narrowly: one token more, or some of the quarters taken alone, and it is less often than not. That
# contexts which recur go on in several ways is a matter of degree. The other half of the matter is not close:

# %%
claim("1.7", np.mean(seen[one_hot] == 1))

# %% [markdown]
# The entropy falls as well, and that is a theorem rather than a finding, once the comparison is fair.
#
# ```{prf:proposition} Longer contexts, lower entropy: at fixed positions
# :label: prop-entropy-falls
#
# Fix a set of positions in a text, each with at least $T+1$ tokens before it. Let $\mathcal H_T$ be the entropy bound of the
# samples (last $T$ tokens, next token) at these positions. Then $\mathcal H_{T+1} \le \mathcal H_T$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# $\mathcal H_T$ is the conditional entropy of the next token given the last $T$, under the empirical distribution of the
# fixed positions. Each context of $T$ tokens splits into those of $T+1$ that end in it, and $\hat p$ of the shorter is their
# average, weighted by $\hat\pi$. Entropy is concave, so the average of the entropies is at most the entropy of the average.
# ```
#
# The table above let each $T$ use all its own positions, so a chapter gives up one sample for every token of context.
# Here are the same positions for all $T$, those with eight tokens before them:

# %%
first = np.searchsorted(kjv.doc_ids, kjv.doc_ids)  # where each token's chapter begins


def entropy_at(T):
    """The entropy bound of contexts of T tokens at positions that have eight before them."""
    kept = np.arange(kjv.n) - first >= 8 - T  # a chapter without its first 8 - T tokens
    tokens, chapters = kjv.tokens[kept], kjv.doc_ids[kept]
    return SoftLabels.from_tokens(tokens, context_length=T, doc_ids=chapters).entropy()


fair = [entropy_at(T) for T in lengths]
print("same positions:", " ".join(f"{h:.3f}" for h in fair), "nats")
claim("1.2", np.diff(fair).max())

# %% [markdown]
# ### How much of that fall is language?
#
# The entropy of counts is a plug-in estimate. A context seen once contributes nothing to it, whatever language is like. To
# see how much of the fall is counting alone, shuffle the whole text: the token frequencies stay, and no context says
# anything any more about what comes next.

# %%
shuffled = Corpus(rng.permutation(kjv.tokens), kjv.vocab, kjv.doc_ids, name="shuffled")
null = [SoftLabels.from_tokens(shuffled, context_length=T).entropy() for T in lengths]
frequency = np.bincount(kjv.tokens) / kjv.n
unigram = -np.sum(frequency * np.log(frequency))
print(f"no context: {unigram:.3f} nats")
print("shuffled  :", " ".join(f"{h:.3f}" for h in np.abs(null)))
claim("1.12", null[4] / unigram)

# %% tags=["remove-input"]
fig, ax = plt.subplots()
curves = {"King James Version": [unigram, *fair], "the same tokens, shuffled": [unigram, *null]}
show_growth(ax, [0, *lengths], curves, xlabel="context length $T$ (tokens)",
            ylabel="entropy bound (nats)")
ax.set_ylim(0)
plt.show()

# %% [markdown]
# *The entropy bound of the text and of its shuffled tokens, both started at the entropy of single tokens. With one token of
# context the text is far more predictable than its shuffle: that gap is language. With three or more it is the shuffle that
# has the lower bound. Its contexts do not recur, so there is nothing left to be uncertain of.*
#
# Read the crossing again: at five tokens a text without any structure has a *lower* bound than the King James Version. What
# keeps the bound up in real text is that language repeats itself, and goes on differently. A bound near zero does not say
# that a text is predictable; it says that a model which reaches it has memorised.
#
# This matters for the theory that follows. It is a theory of training to the end on a fixed set of counts. Where contexts
# recur, the supports in $S$ say something about language. Where each context was seen once, $S$ is one-hot by accident, the
# bound is a fact about the sample size, and the geometry is that of one-hot classification. Both regimes are in every
# corpus; chapters that speak of language use contexts that recur, and say so.

# %% [markdown]
# ## How the problem grows with the corpus
#
# Does more text cure it? Take longer and longer beginnings of the text.

# %%
sizes = kjv.n // 2 ** np.arange(HALVINGS, -1, -1)
growing = {T: [SoftLabels.from_tokens(kjv.head(s), context_length=T) for s in sizes]
           for T in (1, 2, 3, 5)}
for T, (*_, half, whole) in growing.items():
    k, K = half.support_sizes.mean(), whole.support_sizes.mean()
    print(f"T={T}: twice the text, {whole.m / half.m:.2f} times the contexts, "
          f"mean support {k:.2f} -> {K:.2f}")

# %% tags=["remove-input"]
fig, (left, right) = plt.subplots(2, 1, figsize=(6.4, 5.6), sharex=True)
number = {f"$T={T}$": [lab.m for lab in labs] for T, labs in growing.items()}
bound = {f"$T={T}$": [lab.entropy() for lab in labs] for T, labs in growing.items()}
show_growth(left, sizes / 1e3, number, xlabel="", ylabel="distinct contexts", log="xy")
show_growth(right, sizes / 1e3, bound, xlabel="thousands of tokens read",
            ylabel="entropy bound (nats)", log="x")
right.get_legend().remove()
plt.show()

# %% [markdown]
# *Distinct contexts (above) and the entropy bound (below) as more of the text is read, both axes above and the lower one below
# logarithmic. Five-token contexts grow in proportion to the text, so more text does not make them recur; contexts of one
# token grow ever more slowly, and their supports fill in.*
#
# One direction of this growth is certain. Supports only grow: a pair of context and next token that has been seen stays
# seen. (So $S$, and with it the predicted geometry, can change at a single new occurrence, however small the change in $P$.)

# %%
half, whole = growing[2][-2:]


def pairs(lab):
    """The pairs (context, next token) of the counts, one number each."""
    first, second = lab.contexts.T.astype(np.int64)
    column = np.repeat(np.arange(lab.m), lab.support_sizes)
    return (first[column] * kjv.V + second[column]) * kjv.V + lab.P.indices


claim("1.9", len(np.setdiff1d(pairs(half), pairs(whole))))

# %% [markdown]
# And one finding answers a question of the discussion, whether the theory treats a language model as an $n$-gram table: in
# the last tenth of the text, most contexts of five tokens are new. A table has nothing to say there. The theory speaks of
# the contexts that training has seen; what a model does with new ones is decided by its architecture.

# %%
start = int(0.9 * kjv.n)
early = SoftLabels.from_tokens(kjv.head(start), context_length=5)
late = SoftLabels.from_tokens(kjv.tokens[start:], context_length=5,
                              doc_ids=kjv.doc_ids[start:], vocab_size=kjv.V)
known = {row.tobytes() for row in early.contexts}
is_new = np.array([row.tobytes() not in known for row in late.contexts])
claim("1.8", late.pi[is_new].sum())

# %% [markdown]
# ## What *in-support* does not mean
#
# A reader of the paper took *in-support tokens of a context* to be the tokens inside the context. They are the tokens that
# have come **after** it. On real text the two sets are far from each other:

# %%
windows = np.lib.stride_tricks.sliding_window_view(kjv.tokens, 6)
inside = windows[kjv.doc_ids[5:] == kjv.doc_ids[:-5]]
repeats = (inside[:, :5] == inside[:, 5:]).any(axis=1).mean()
by_chance = (inside[:, :5] == rng.permutation(inside[:, 5:])).any(axis=1).mean()
windows = np.lib.stride_tricks.sliding_window_view(kjv.tokens, 101)
hundred = windows[kjv.doc_ids[100:] == kjv.doc_ids[:-100]]
grown = (hundred[:, :100] == hundred[:, 100:]).any(axis=1).mean()
print(f"{repeats:.1%} of next tokens stand in their own context of five;")
print(f"{by_chance:.1%} would if they were drawn from anywhere in the text;")
print(f"{grown:.0%} stand in their own context of a hundred")
claim("1.10", repeats)

# %% [markdown]
# With five tokens the share is not even above chance. It grows with the context, because frequent tokens stand everywhere; that
# does not make the tokens inside a context the ones that follow it.

# %% [markdown]
# ## Every prefix is a context
#
# A transformer is trained on all prefixes of its window at once. Nothing changes but the list of contexts.
#
# ```{prf:proposition} Autoregressive training is the same problem
# :label: prop-autoregressive
#
# Let sequences $s = (z_1,\dots,z_{T+1})$ be trained with the autoregressive loss
# $\frac1{NT}\sum_s \sum_{t=1}^{T} -\log q(z_{t+1} \mid z_1,\dots,z_t)$ over $N$ sequences. It equals $\mathrm{CE}(L)$
# for the soft labels whose contexts are all distinct prefixes of all lengths, with $\hat\pi$ their share of the $NT$
# samples.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# The loss is an average over $NT$ samples (prefix, next token). A model gives equal prefixes equal logits, and prefixes of
# different lengths are different contexts. Apply {prf:ref}`prop-regroup`.
# ```
#
# The check takes the first nine tokens of each chapter, draws random logits for each distinct prefix, and sums the loss
# position by position, on a vocabulary of the 200 most frequent tokens. (Each prefix of $t$ tokens is written as a context of
# eight, filled from the left with a mark that stands for *nothing yet*.)

# %%
starts = np.flatnonzero(np.diff(kjv.doc_ids, prepend=-1))
sequences = np.minimum(kjv.tokens[starts[:, None] + np.arange(9)], 199)  # 199: any rarer token
PAD = 200
padded = np.concatenate([np.full((len(starts), 7), PAD), sequences], axis=1)
samples = np.concatenate([padded[:, t:t + 9] for t in range(8)])  # context, next token
prefixes, column = np.unique(samples[:, :8], axis=0, return_inverse=True)
counts = np.zeros((200, len(prefixes)))
np.add.at(counts, (samples[:, 8], column.ravel()), 1)
autoregressive = SoftLabels.from_counts(counts)
L = rng.normal(size=counts.shape)
by_position = -np.log(softmax(L)[samples[:, 8], column.ravel()]).reshape(8, -1).mean(axis=1)
print("loss at positions 1 to 8:", by_position.round(2))
claim("1.11", abs(by_position.mean() - ntp_loss(L, autoregressive)))

# %% [markdown]
# Two remarks on lengths, because the literature has one of them the other way round, and the other is easy to overstate.
#
# **Distinct prefixes become more.** The predecessor paper {cite}`thrampoulidis2024implicit` orders the numbers of distinct
# contexts of length $1, 2, \dots$ as falling. For prefixes of sequences of equal length it is the reverse: two
# different prefixes stay different when each grows by a token, so $m_t \le m_{t+1}$. No theorem there depends on it.

# %%
chapters = kjv.tokens[starts[:, None] + np.arange(24)]
distinct = np.array([len(np.unique(chapters[:, :t], axis=0)) for t in range(1, 25)])
print("distinct prefixes of 1, 2, 3, ... tokens:", distinct[:12])
claim("1.4", np.diff(distinct).min())

# %% [markdown]
# **Entropy need not fall along prefixes.** {prf:ref}`prop-entropy-falls` compares the *same* positions seen with more
# context. Prefixes of different lengths sit at different positions, and the text may be more predictable early than late:
# in a language of three-token sentences *once upon ⟨anything⟩*, the second token is certain and the third is not.

# %%
sentences = [["once", "upon", last] for last in ("a", "the", "my", "time")]
H = [SoftLabels.from_tokens(sum((s[:t + 1] for s in sentences), []), context_length=t,
                            doc_ids=np.repeat(range(4), t + 1)).entropy() for t in (1, 2)]
print(f"entropy after one token {abs(H[0]):.3f}, after two {H[1]:.3f} nats")
claim("1.3", H[1] - H[0])

# %% [markdown]
# ## Three corpora
#
# The book works on three kinds of text. The King James Version is long and real. The statistics of TinyStories
# {cite}`eldan2023tinystories` are those that the paper's experiments use: contexts of five tokens from children's stories,
# each seen at least twice (counts are kept here, not sentences). And a synthetic language small enough to print whole.

# %%
recurring = SoftLabels.from_tokens(kjv, context_length=5, min_count=2)
corpora = {"King James Version": five, "  seen at least twice": recurring,
           "TinyStories, at least twice": load_labels("tinystories-counts"),
           "synthetic": SoftLabels.from_tokens(load_corpus("synthetic", seed=SEED),
                                               context_length=5)}
print(" " * 28 + "     V        m  supports  mean k  one-hot      H")
for name, lab in corpora.items():
    k, u = lab.support_sizes, lab.merge_supports()[0].shape[1]
    print(f"{name:28s}{lab.V:6,} {lab.m:8,} {u:9,} {k.mean():7.2f} {np.mean(k == 1):8.1%}"
          f" {lab.entropy():6.3f}")

# %%
synthetic = corpora["synthetic"]
order = np.lexsort(synthetic.S.toarray().astype(int))
follow = np.flatnonzero(synthetic.S.sum(axis=1))  # others only stand inside contexts
fig, ax = plt.subplots(figsize=(6.4, 6))
show_matrix(ax, synthetic.P.toarray()[np.ix_(follow, order)],
            rows=[synthetic.vocab[z] for z in follow],
            columns=[synthetic.context(j) for j in order], title="$P$ of the synthetic language")
plt.show()

# %% [markdown]
# *The whole of a synthetic language (rows of words that never come next are left out). Every context has the same number of
# next tokens, and supports overlap. Contexts with equal supports stand side by side: they are paraphrases of each other,
# and later chapters will see them collapse to one point.*

# %% [markdown]
# ## What to take away
#
# - Training sees a text only through $P$ and $\hat\pi$ ({prf:ref}`prop-regroup`); the loss has the floor $\mathcal H$.
# - $P$ is sparse. Which entries are not zero, $S$, and how large they are, are different facts. They will govern different
#   parts of the trained logits.
# - Long contexts seldom recur. A bound near zero is then a fact about the sample, not about language.
#
# ## What this does not show
#
# Anything about training. That a model can reach the floor, what its parameters do on the
# way, and what geometry they take, start with {ref}`ch-log-bilinear`.
#
# ## Exercises
#
# 1. The tokens of a text are drawn independently. What do $\mathcal H_T$ and the share of one-hot contexts tend to as the text
#    grows, for fixed $T$? And as $T$ grows, for a fixed text?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    For fixed $T$ every context recurs without end, each $\hat p_j$ tends to the token frequencies, and $\mathcal H_T$ to
#    their entropy; no context stays one-hot. For a fixed text and growing $T$ all contexts become distinct, each is seen
#    once, $\mathcal H_T = 0$ and all are one-hot. The claim on shuffled text above is the second limit, already at $T=5$.
#    ```
#
# 2. In the panel, write a text whose contexts of length 2 all share one support. What do the Gram matrices of $\tilde S$
#    look like, and what is their rank?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    All columns of $\tilde S$ are equal, so $\tilde S^\top \tilde S$ is constant and both Gram matrices have rank one (zero, if the
#    support is the whole vocabulary).
#    ```

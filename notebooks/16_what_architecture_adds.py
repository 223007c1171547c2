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
# (ch-architecture)=
# # What architecture adds
#
# The theory replaces the network by a table: each context has a vector of its own, free to go where the loss sends it.
# A real encoder reads words, and contexts that share words share parameters. So where do real encoders agree with
# the table, and where does what they read pull their geometry away? Six encoders are compared here, from the
# table to a transformer with positions. Then we do what no observation can: deal the same word strings to other
# supports, and see which of the two the geometry follows. On the way a reviewer's sentence, that a context
# is an average of word vectors "agnostic to ordering", is taken at its word; and contexts that nobody
# trained on show what a table can never give.
#
# In short: a table and a transformer agree as well as the noise of their random starts lets them; among encoders that read, only the
# one without room to move is held by its words; and where words and supports are torn apart, networks follow the supports.
# Two things that we expected did not happen, and stand here as failing claims.
#
# *Fifteen minutes to read, about half a minute to run on one CPU core. A GPU helps at full scale only.*

# %% tags=["colab-install", "remove-cell"]
# In Colab the published copy of this notebook installs ntputils here.

# %%
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import torch

from ntputils import (SoftLabels, between_groups, build_model, center,
                      centered_support, claim, context_words, cosine_matrix,
                      factor, fit, load_corpus,
                      load_labels, mantel, off_diagonal_correlation,
                      partial_mantel, scale, session, softmax, solve_ntp_svm)
from ntputils.plots import CYCLE, show_growth, show_matrix, style

SEED = 1634
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
rng = np.random.default_rng(SEED)
style()

# %% tags=["remove-input"]
session()

# %% [markdown]
# At the small scale there are four wordings of each opening and models are small; the full scale has all wordings and the
# paper's models. The wordings that are left out wait for the last experiment.

# %%
SIZES = {
    "small": {"contexts": 148, "more": 404, "d": 32, "lr": 3e-3, "steps": 300,
              "mlp": 2, "lstm": 1, "transformer": 2},
    "full": {"contexts": 404, "more": 800, "d": 128, "lr": 1e-3,
             "steps": 30_000, "mlp": 4, "lstm": 2, "transformer": 4}}[scale()]
print(", ".join(f"{name} {value}" for name, value in SIZES.items()))

# %% [markdown]
# ## Six ways to make a vector
#
# The language is the simplified TinyStories of {ref}`chapter 12 <ch-simplified>`: frequent contexts of five words, each
# in several wordings that inherit the support of their original. The encoders differ in what they can
# do with five words:
#
# | encoder | a context's vector is |
# |---|---|
# | free | its own: nothing is read |
# | mean | the mean of its words' vectors |
# | MLP | a perceptron of its words' vectors, side by side |
# | LSTM | the last state of a recurrent network |
# | transformer | the last position of a causal transformer, without positional encoding as in the paper |
# | positions | the same with learned positions |
#
# All share the form of the decoder, the loss, and AdamW without a ridge. Every model is trained from two seeds: the
# agreement of two runs of *one* architecture is what agreement between architectures has to be held against.

# %%
labels = load_labels("simplified-tinystories", seed=0,
                     contexts=SIZES["contexts"])
ids, words = context_words(labels)
S, solution = labels.S.toarray(), solve_ntp_svm(labels.S, tol=1e-7)
W_mm, H_mm = factor(solution.L)
supports = solution.inverse  # the number of each context's support
print(f"V = {labels.V} next words, m = {labels.m} contexts of {len(words)}",
      f"words, {len(solution.counts)} supports")

# %%
deep = {name: {"layers": SIZES[name]} for name in ("mlp", "lstm", "transformer")}
ENCODERS = {
    "free": ("ufm", {}), "mean": ("mean", {}), "MLP": ("mlp", deep["mlp"]),
    "LSTM": ("lstm", deep["lstm"]), "transformer": ("transformer", deep["transformer"]),
    "positions": ("transformer", deep["transformer"] | {"positions": True})}
READERS, NETWORKS = list(ENCODERS)[1:], ["MLP", "LSTM", "transformer"]


def train(name, seed, inputs=ids):
    """One run; `inputs` are the five words that stand for each context."""
    kind, options = ENCODERS[name]
    model = build_model(kind, labels, d=SIZES["d"], seed=seed, **options)
    if kind != "ufm":
        model.inputs = torch.from_numpy(inputs)
    steps, linear = SIZES["steps"], kind in ("ufm", "mean")
    run = fit(model, labels, steps=steps, lr=SIZES["lr"] * (3 if linear else 1),
              milestones=(steps // 2, 3 * steps // 4), gamma=0.4, device=DEVICE,
              snapshots=np.unique(np.linspace(0, steps, 61).astype(int)))
    return model, run


trained = {(name, k): train(name, SEED + k) for name in ENCODERS for k in (0, 1)}

# %% [markdown]
# Agreement of two runs, as in the chapters before: the correlation of their cosines over pairs of *different* items.

# %%
cosines = {(name, k): (cosine_matrix(run.H[-1]), cosine_matrix(run.W[-1].T))
           for (name, k), (_, run) in trained.items()}
CONTEXTS, WORDS = 0, 1


def between(one, two, measure):
    """The mean of a measure over two pairs of runs, never of the same seed."""
    return np.mean([measure(cosines[one, 0], cosines[two, 1]),
                    measure(cosines[one, 1], cosines[two, 0])])


def table(measure):
    return np.array([[between(one, two, measure) for two in ENCODERS]
                     for one in ENCODERS])


agree = {what: table(lambda x, y: off_diagonal_correlation(x[what], y[what]))
         for what in (CONTEXTS, WORDS)}
tests = [mantel(cosines[a, 0][what], cosines[b, 1][what], rng=rng).p
         for a, b in combinations(ENCODERS, 2) for what in (CONTEXTS, WORDS)]

# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 9.6))
for ax, (what, title) in zip(axes, ((CONTEXTS, "contexts"), (WORDS, "words"))):
    show_matrix(ax, agree[what], rows=list(ENCODERS), columns=list(ENCODERS),
                limit=1, numbers=True, signed=True, title=title)
plt.show()

# %% [markdown]
# *Agreement of architectures: correlation of cosines, each entry between runs of different seeds. The
# diagonal is one architecture with itself. A transformer repeats itself better than free vectors do, so that free vectors
# agree with it better than with each other.*

# %%
claim("16.1", max(tests))

# %% [markdown]
# Correlation beyond chance is a weak statement. How well do free vectors stand for a transformer? Two runs of one
# transformer differ as well; so divide by what each architecture repeats of itself, $r_{ab}/\sqrt{r_{aa}r_{bb}}$
# (the correction of {prf:ref}`lem-ceiling`, on both sides). One means that two architectures differ no more than two seeds do.

# %%
def corrected(a, b, A):
    i, j = list(ENCODERS).index(a), list(ENCODERS).index(b)
    return A[i, j] / np.sqrt(A[i, i] * A[j, j])


claim("16.2", min(corrected("free", name, agree[what])
                  for what in (CONTEXTS, WORDS)
                  for name in ("transformer", "positions")))

# %% [markdown]
# The quotient is at one. But pairs of equal supports lend agreement to everything that has brought them together
# ({ref}`ch-measures`). Here is the same without them, over pairs of different supports and of different rows of $S$:

# %%
rows_of = np.unique(S, axis=0, return_inverse=True)[1].ravel()
merged = {what: table(lambda x, y: off_diagonal_correlation(
    between_groups(x[what], group), between_groups(y[what], group)))
          for what, group in ((CONTEXTS, supports), (WORDS, rows_of))}
least = min(corrected("free", name, A) for A in merged.values()
            for name in ("transformer", "positions"))
print(f"smallest quotient without equal supports and rows: {least:.1f}")

# %% [markdown]
# The authors told their reviewers that free vectors are a good proxy for transformers: seen
# through cosines, a table differs from a transformer by no more than the noise of their starts. The mean of words is the odd one out.
# It repeats its *own* contexts better than any other encoder does, and agrees with the contexts of the others least:
# a first sign that something else holds them in place.

# %% [markdown]
# ## Agreement that nobody read
#
# What else could make encoders agree? Their inputs. Call two contexts alike if their words are: by the cosine of
# their bags of words, or by the share of places that hold the same word.

# %%
def bag_of_words(inputs):
    return np.stack([(inputs == w).sum(axis=1) for w in range(len(words))])


bag = cosine_matrix(bag_of_words(ids))
place = np.mean(ids[:, None] == ids[None], axis=2)
predicted = cosine_matrix(H_mm)
equal = supports[:, None] == supports[None]
apart = ~np.eye(labels.m, dtype=bool)
print(f"mean likeness of words: {bag[equal & apart].mean():.2f} for equal",
      f"supports, {bag[~equal].mean():.2f} for others")

# %% [markdown]
# By the recipe the wordings of one opening share words *and* support. So a correlation with the words proves
# nothing, and a model that has never seen a word can show it:

# %%
claim("16.3", mantel(cosines["free", 0][CONTEXTS], bag, rng=rng).p)

# %% [markdown]
# ```{prf:definition} The pull of the inputs
# :label: def-input-pull
#
# The *pull* of the inputs on trained contexts is the partial correlation, over pairs of different contexts, of
# their cosines with the likeness of their words, given the cosines that $L^{\mathrm{mm}}$ predicts.
# ```
#
# A partial correlation takes out what $L^{\mathrm{mm}}$ explains by a *line*. Training is unfinished, the relation
# may be a curve, and then the pull differs from zero though nothing was read. The customary test shuffles the
# residuals {cite}`smouse1986multiple` and has just this weakness {cite}`guillot2013dismantling`. Here there is a
# better one: let strings trade places among contexts of *equal support* only.
#
# ```{prf:proposition} Shuffles within supports
# :label: prop-within-supports
#
# Let counts be drawn alike and independently for contexts of equal support, and let the training, random start included,
# commute with renumbering contexts. If it does not read the strings, then the p-value from $N$ random shuffles of strings
# within supports, $(1 + \#\{r_\pi\ge r\})/(1 + N)$, is at most $\alpha$ with probability at most $\alpha$,
# for every statistic $r$ and every $\alpha$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# Renumber contexts of equal support among themselves. $S$ stays what it is, and the law of counts and start does too;
# so the law of the trained vectors does, given the strings. Renumbering vectors and shuffling strings the other way
# gives the same statistic. Hence $r$ and the $N$ values $r_\pi$ are exchangeable, and $r$ is among the $k$ largest of
# the $N + 1$ with probability at most $k/(N+1)$ (ties make the p-value larger).
# ```
#
# All counts of this language are drawn alike and independently, so for free vectors the test is exact. It asks about
# the *wording* of an opening. The shuffles' own mean need not be zero, because shuffled strings keep the words that
# an opening has in all its wordings; whether those are read the test cannot say, and the next section asks in another
# way.

# %%
def pull(name, k):
    return partial_mantel(cosines[name, k][CONTEXTS], bag, [predicted], rng=rng,
                          classes=supports)


pulls = {(name, k): pull(name, k) for name in ENCODERS for k in (0, 1)}
size = {name: np.mean([pulls[name, k].r for k in (0, 1)]) for name in ENCODERS}

# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 6.6))
for y, name in enumerate(ENCODERS):
    for k in (0, 1):
        test, row = pulls[name, k], y + 0.24 * k - 0.12
        axes[0].plot(test.null.mean(), row, "|", color="#777777", ms=13, mew=3,
                     label="mean of the shuffles" if y + k == 0 else None)
        axes[0].plot(test.r, row, "o", color=CYCLE[1],
                     label="trained, two seeds" if y + k == 0 else None)
        axes[1].plot((test.r - test.null.mean()) / test.null.std(), row, "o",
                     color=CYCLE[1])
axes[1].axvspan(-2.58, 2.58, color="#9a9a9a", alpha=0.4, lw=0)
axes[0].legend(loc="lower right")
axes[0].set_xlabel("pull of the words, given the prediction")
axes[1].set_xlabel("the same beyond the shuffles, in their standard deviations")
for ax in axes:
    ax.set_yticks(range(len(ENCODERS)), list(ENCODERS))
    ax.invert_yaxis()
plt.show()

# %% [markdown]
# *The pull of the inputs. Above: against what remains of it when strings of equal supports trade places. Below: how far it
# stands out from these shuffles; the grey band holds 99 % of a normal distribution. A dot beyond it means that wordings are
# read where supports cannot tell.*

# %%
claim("16.4", min(pulls["free", k].p for k in (0, 1)))

# %%
claim("16.5", max(pulls[name, k].p for name in READERS for k in (0, 1)))

# %%
claim("16.6", size["mean"] - max(size[name] for name in READERS[1:]))

# %% [markdown]
# The middle one fails, and we had been sure of it. The mean is pulled far, and the LSTM a little in both seeds; the
# perceptron and the transformers are not beyond the shuffles in every seed. So to read is not to be pulled. What
# distinguishes the mean is that it has no room: its vectors are linear in the bag of words.

# %%
room = {name: sum(w.numel() for w in trained[name, 0][0].encoder.parameters())
        for name in ENCODERS}
print("numbers to train in the encoder, a context:", ", ".join(
    f"{name} {count / labels.m:.0f}" for name, count in room.items()))
print("rank of the bags of words:", np.linalg.matrix_rank(bag_of_words(ids)),
      "for", labels.m, "contexts")

# %% [markdown]
# Encoders agree beyond the prediction, too. Regress it out of both sides: what is left? And does it go when
# the likeness of the inputs is regressed out as well?

# %%
def given(*known):
    """Agreement on contexts that these matrices do not explain."""
    return table(lambda x, y: partial_mantel(x[0], y[0], known, rng=rng,
                                             permutations=1).r)


overlaps = cosine_matrix(centered_support(S))  # S~'S~, not its square root
left = {"the prediction": given(predicted),
        "prediction, inputs": given(predicted, bag, place),
        "prediction, overlaps": given(predicted, overlaps)}
names = np.array(list(ENCODERS))
roomy, deep_ones = names != "mean", ~np.isin(names, ["mean", "free"])
unlike = (names[:, None] < names) & roomy & roomy[:, None]
networks = unlike & deep_ones & deep_ones[:, None]

# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 7.6), height_ratios=[5, 1.5])
show_matrix(axes[0], left["the prediction"], rows=list(names), limit=1,
            columns=list(names), numbers=True, signed=True,
            title="contexts, given the prediction")
axes[1].barh(range(3), [A[unlike].mean() for A in left.values()], height=0.6)
axes[1].set_yticks(range(3), ["given " + name for name in left])
axes[1].set_xlabel("left of the agreement of two encoders, mean")
axes[1].invert_yaxis()
plt.show()

# %% [markdown]
# *Above: what two encoders share on contexts beyond the prediction. Below: its mean over pairs of unlike encoders,
# the mean of words left out.*

# %%
before, after = (left[given_what][networks].mean()
                 for given_what in ("the prediction", "prediction, inputs"))
claim("16.7", 1 - after / before)

# %% [markdown]
# Next to nothing of it is inputs, and indeed the table shares it without having any. The last bar is a look after the
# fact: most of the remainder goes when the cosines of the centred supports, $\tilde S^\top\tilde S$, are taken out.
# The limit has the *square root* of such a Gram matrix, and all these encoders are still on the way to it together.
# {ref}`ch-measures` follows which candidate leads at which time.
#
# ## Dealing the strings again
#
# All this is observation of one set in which words and supports go together. Whether words *cause* anything needs an
# intervention. Keep $S$, the probabilities, the decoder and the seed; change only which string stands for which
# context. *Natural*: as it is. *Dealt*: the same strings, dealt to the contexts at random. *Random words*: five
# random words of the same vocabulary. The prediction is the same all three times, and free vectors would not notice.
# An encoder has to tear apart what it would put together.

# %%
deals = {"natural": ids, "dealt": rng.permutation(ids),
         "random words": rng.integers(len(words), size=ids.shape)}
LEARNERS = ["mean", *NETWORKS]
runs = {("natural", name): trained[name, 0] for name in LEARNERS}
runs |= {(deal, name): train(name, SEED, deals[deal])
         for deal in ("dealt", "random words") for name in LEARNERS}
excess = {key: (run.loss - labels.entropy()) / (run.loss[0] - labels.entropy())
          for key, (_, run) in runs.items()}

# %% tags=["remove-input"]
fig, axes = plt.subplots(4, 1, figsize=(6.4, 10), sharex=True)
steps = trained["mean", 0][1].steps
for ax, name in zip(axes, LEARNERS):
    show_growth(ax, steps[::4], {deal: excess[deal, name][::4] for deal in deals},
                xlabel="steps" if name == NETWORKS[-1] else "", log="y",
                ylabel="excess left")
    ax.axhline(0.02, color="#9a9a9a", lw=1, zorder=0)
    ax.set_title(name)
    if name != "mean":
        ax.get_legend().remove()
plt.show()

# %% [markdown]
# *The loss over the entropy bound, as a share of that at the start, for three ways to deal the strings. Grey: two per
# cent.*

# %%
def arrival(deal, name, level=0.02):
    """The first snapshot at which that share is left; the last if none."""
    low = excess[deal, name] <= level
    return steps[np.argmax(low) if low.any() else -1]


claim("16.9", min(arrival("dealt", name) / arrival("natural", name)
                  for name in NETWORKS))

# %% [markdown]
# This fails as well, and by the encoder that matters most. The perceptron takes longer with dealt strings, the LSTM
# starts late and catches up, and the transformer is not slowed at all. Natural strings hinder too: "once upon a time
# there" and "upon a time there was" share four words and no next word, and whoever reads has to tear them apart. How
# the account of help and hindrance comes out depends on the reader. The mean, which had to fit the natural set with
# little room, does not get down with dealt strings.
#
# And where do the contexts end? The strings were dealt at random, so the plain test of Mantel is exact now, for
# openings and wordings alike.

# %%
ends = {key: cosine_matrix(run.H[-1]) for key, (_, run) in runs.items()}
follow = {key: mantel(C, predicted, rng=rng) for key, C in ends.items()}
read = {key: mantel(C, cosine_matrix(bag_of_words(deals[key[0]])), rng=rng)
        for key, C in ends.items() if key[0] != "natural"}


def dots(ax, rows, series, xlabel):
    """One row a name, one mark a series."""
    for k, (label, values) in enumerate(series.items()):
        ax.plot(values, range(len(rows)), "osD^"[k], color=CYCLE[k], ms=8,
                label=label)
    ax.set_yticks(range(len(rows)), rows)
    ax.set(xlabel=xlabel, ylim=(len(rows) - 0.5, -0.5))


# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 5.8), sharex=True)
for ax, tests, what in ((axes[0], follow, "the prediction"),
                        (axes[1], read, "the likeness of own words")):
    found = {deal: [tests[deal, n].r if (deal, n) in tests else np.nan
                    for n in LEARNERS] for deal in deals}
    dots(ax, LEARNERS, found, "correlation of contexts with " + what)
    ax.axvline(0, color="#9a9a9a", lw=1, zorder=0)
axes[0].legend(loc="center left", bbox_to_anchor=(0.3, 0.8))
plt.show()

# %% [markdown]
# *After training: how far contexts follow the supports (above) and the words they are made of (below; not for natural
# strings, where the two cannot be told apart).*

# %%
claim("16.8", max(test.p for (deal, name), test in follow.items()
                  if deal != "natural" and name in NETWORKS))

# %%
claim("16.10", min(follow["natural", name].r - follow["dealt", name].r
                   for name in NETWORKS))

# %% [markdown]
# Is that collapse alone, contexts of one support together? Shuffle supports instead of contexts:

# %%
apart_too = {key: mantel(between_groups(ends[key], supports),
                         between_groups(predicted, supports), rng=rng)
             for key in ends if key[0] != "natural" and key[1] in NETWORKS}
print(f"different supports: largest p {max(t.p for t in apart_too.values())};",
      "all correlations twice the largest shuffled one:",
      all(t.r > 2 * t.null.max() for t in apart_too.values()))

# %% [markdown]
# It is not. (What natural strings lend is much for the perceptron and the LSTM, and next to nothing for the transformer: another start
# turns its sign, and claim 16.10.) This is the causal statement. Nothing but the supports is left that could bring a reader to the predicted geometry,
# and the networks get there: the transformer nearly as near as with natural strings, perceptron and LSTM less near
# after the same number of steps. Own words show in the geometry of the mean, which has no choice, and barely in that
# of the networks.
#
# ## Is a context an average of words?
#
# A reviewer saw no more in all this than the old idea that a context is an average of its words' vectors. There are
# two readings ({ref}`chapter 7 <ch-symmetric-worlds>`). *Of its next words:* then the sentence is nearly the theory.
#
# ```{prf:proposition} Whitened sums
# :label: prop-whitened
#
# Let $\tilde S = WH$, where the columns of $W$ sum to zero and are linearly independent. Then
#
# $$
# h_j = (W^\top W)^{-1} \sum_{z\in\mathcal S_j} w_z .
# $$
#
# If the factors are balanced, $W^\top W$ is $\Sigma$, the singular values of $\tilde S$, up to a rotation.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# $W^\top W H = W^\top\tilde S = W^\top S - \tfrac1V W^\top\mathbf 1\mathbf 1^\top S = W^\top S$, as $W^\top\mathbf 1
# = 0$, and column $j$ of $W^\top S$ is the sum. With $W = U\Sigma^{1/2}R^\top$, $W^\top W = R\,\Sigma R^\top$.
# ```
#
# So for the proxy every context is one and the same linear map of the sum of its next words, each with weight one.
# For $L^{\mathrm{mm}}$ weights may differ ({prf:ref}`prop-representer`), and for trained factors nothing is proved.
# We ask which share of the variance of the contexts one multiple of the sums explains: of the plain sums
# $\sum_{z\in\mathcal S_j} w_z$, and of the whitened ones.

# %%
proxy = centered_support(S)
W, H = factor(proxy)
stretch = np.linspace(1, 3, len(H))  # any factorisation: not the balanced one
W, H = W * stretch, H / stretch[:, None]
whitened = np.linalg.solve(W.T @ W, W.T @ S)
claim("16.11", np.abs(whitened - H).max() / np.linalg.norm(H, axis=0).max())


# %%
def share(H, sums):
    """The share of the variance of contexts that one multiple explains."""
    H, sums = (X - X.mean(axis=1, keepdims=True) for X in (H, sums))
    return np.sum(H * sums) ** 2 / np.sum(H**2) / np.sum(sums**2)


def plain_and_whitened(W, H):
    W = center(W.astype(float))  # a softmax does not see the mean word
    return share(H, W.T @ S), share(H, np.linalg.pinv(W) @ proxy)


sums = {"NTP-SVM": plain_and_whitened(*factor(solution.L, tol=1e-6))}
sums |= {name: plain_and_whitened(run.W[-1], run.H[-1])
         for name in ENCODERS for run in [trained[name, 0][1]]}

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.8))
kinds = dict(zip(("plain sums", "whitened sums"), zip(*sums.values())))
dots(ax, list(sums), kinds, "share of the variance of contexts explained")
ax.set_xlim(0, 1.02)
ax.legend(loc="lower left")
plt.show()

# %% [markdown]
# *A context as the sum of its next words: what one multiple explains, of the sums as they are and of the whitened sums.*

# %%
claim("16.12", sums["NTP-SVM"][1])

# %%
print("without the mean of words above 0.6:", all(
    sums[name][0] > 0.6 for name in ENCODERS if name != "mean"))
claim("16.13", min(sums[name][0] for name in ENCODERS))

# %% [markdown]
# The smallest is that of the mean of words, which stands at the bar: another start of it turns the claim. For the solution whitening makes the sentence nearly exact. For trained models the *plain* sum is the better
# description, presumably because their small singular values are not learned yet, and to whiten is to divide by them.
# (For the solution, directions below the accuracy of the solver are dropped for the same reason.)
#
# *Of its own words:* this is what the reviewer wrote. With half as many words as contexts a linear function fits much
# of anything, so the share has to be that of contexts held out. Ridge regression of the contexts on the bag of their
# own words, and on the set of their next words, cross-validated, the same penalty for both:

# %%
def foretold(H, X, penalty=0.1, folds=10):
    """Cross-validated share of the variance of H, linear in the items of X."""
    X = X / np.linalg.norm(X, axis=0)
    K, fold, error = X.T @ X, rng.permutation(X.shape[1]) % folds, 0.0
    for k in range(folds):
        old, new = fold != k, fold == k
        mean = H[:, old].mean(axis=1, keepdims=True)
        known = K[np.ix_(old, old)] + penalty * np.eye(old.sum())
        weights = np.linalg.solve(known, K[np.ix_(old, new)])
        error += np.sum((H[:, new] - mean - (H[:, old] - mean) @ weights) ** 2)
    return 1 - error / np.sum((H - H.mean(axis=1, keepdims=True)) ** 2)


rows = ["free", *LEARNERS]
last = {(deal, name): (trained if name == "free" else runs)[key][1].H[-1]
        for deal in ("natural", "dealt") for name in rows
        for key in [("free", 0) if name == "free" else (deal, name)]}
told = {key: (foretold(H, S), foretold(H, bag_of_words(deals[key[0]])))
        for key, H in last.items()}

# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 5.8), sharex=True)
for ax, deal in zip(axes, ("natural", "dealt")):
    dots(ax, rows, {what: [told[deal, name][k] for name in rows]
                    for k, what in enumerate(("next words", "own words"))},
         "share of held-out variance explained" if deal == "dealt" else "")
    ax.axvline(0, color="#9a9a9a", lw=1, zorder=0)
    ax.set_title(deal + " strings")
axes[0].legend(loc="lower left")
plt.show()

# %% [markdown]
# *What foretells a context it has not seen: its next words or its own? With natural strings own words foretell even
# the free vectors, which do not read. With dealt strings they foretell the mean, and nothing else well.*

# %%
claim("16.14", min(told["dealt", name][0] - told["dealt", name][1]
                   for name in NETWORKS))

# %% [markdown]
# ## Agnostic to ordering?
#
# The other half of the reviewer's sentence: an average does not know the order of what it averages. Two questions
# hide in it. Does order matter *in text*? Take contexts that are permutations of each other, each at least ten times
# in a text, and compare their supports by the Jaccard overlap. Two samples of *one* distribution do not have equal
# supports either, so this is the null: pool the occurrences of both, and split them at random in the same sizes.

# %%
def overlap(a, b):
    return np.sum(a & b, axis=-1) / np.sum(a | b, axis=-1)


def twins(labels, least=10):
    """Next-word counts of contexts that are permutations of each other."""
    found = {}
    for j in np.flatnonzero(np.rint(labels.pi * labels.n) >= least):
        found.setdefault(tuple(sorted(labels.contexts[j])), []).append(j)
    pairs = np.array([group[:2] for group in found.values() if len(group) > 1])
    counts = (labels.P * (labels.pi * labels.n))[:, pairs.ravel()].toarray().T
    return np.rint(counts).astype(int).reshape(*pairs.shape, labels.V)


def split(a, b, splits=199):
    """The overlap of two random halves of the pooled occurrences."""
    pool = (a + b)[a + b > 0]
    part = rng.multivariate_hypergeometric(pool, a.sum(), size=splits)
    return overlap(part > 0, pool > part)


# %%
def against_splits(name, labels):
    counts = twins(labels)
    one, two = counts[:, 0], counts[:, 1]
    seen = overlap(one > 0, two > 0).mean()
    strangers = overlap(one > 0, two[rng.permutation(len(two))] > 0).mean()
    null = np.mean([split(a, b) for a, b in counts], axis=0)
    print(f"{name}, {len(counts)} pairs: overlap {seen:.2f}, split at random "
          f"{null.mean():.2f}, strangers {strangers:.2f}")
    return (1 + np.sum(null <= seen)) / (1 + len(null))


kjv = SoftLabels.from_tokens(load_corpus("kjv"), context_length=3, min_count=10)
stories = load_labels("tinystories-counts")
claim("16.15", max(against_splits("King James Version, three words", kjv),
                   against_splits("TinyStories, five words", stories)))

# %% [markdown]
# Contexts with the same words in another order are hardly more alike in what follows than strangers are. (Many pairs
# are one phrase seen through a window that moves, "of the lord" and "the lord of": how language permutes words, and
# not how chance would.) A model that is blind to order would be wrong about text. Are encoders?
#
# ```{prf:proposition} What order an encoder can see
# :label: prop-order
#
# The mean of word vectors does not change when words trade places. The last vector of a causal transformer of one layer
# without positions does not change when words before the last do.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# A sum has no order. In the transformer the last position asks with a query made from its own word, and sums the
# values of all words with weights that depend on this query and on each word's key. Without positions keys and values
# depend on a word and not on its place, so this is a sum over a multiset. What follows in the layer acts on the last
# position alone.
# ```
#
# With a second layer this ends. What it reads at a place was made by the first layer from the words up to there, so a
# word's vector knows what came before it. Causality is a positional encoding of a kind. One counterexample will do.

# %%
@torch.no_grad()
def moved(model, order):
    """By how much context vectors move, relative to their lengths."""
    encoder, inputs = model.encoder.cpu().double(), torch.from_numpy(ids)
    before, after = encoder(inputs), encoder(inputs[:, order].contiguous())
    return ((after - before).norm(dim=1) / before.norm(dim=1)).numpy()


one_layer = build_model("transformer", labels, d=SIZES["d"], seed=SEED,
                        layers=1)
with torch.no_grad():
    for weight in one_layer.parameters():
        weight.mul_(10)  # far from the small start: attention is not flat
front = [2, 0, 3, 1, 4]  # the last word stays
claim("16.16", max(moved(trained["mean", 0][0], [4, 2, 0, 3, 1]).max(),
                   moved(one_layer, front).max()))

# %%
claim("16.17", moved(trained["transformer", 0][0], front).max())

# %% [markdown]
# The paper's transformer has no positions and four layers: this is how it can do without.
#
# ## Contexts nobody trained on
#
# A table has no row for a new context; an encoder has a vector for any five words. This is what architecture adds. Is
# it the right vector? The recipe has more wordings than were used. We take those whose words all occurred in
# training, give each the support of its original, and ask whether its vector is nearest in angle to the mean of *its*
# support. The fair rival is own words, without any training: the nearest mean bag of words.

# %%
more = load_labels("simplified-tinystories", seed=0, contexts=SIZES["more"])
number, seen = {w: i for i, w in enumerate(words)}, set(labels.contexts)
new = [j for j, text in enumerate(more.contexts)
       if text not in seen and set(text.split()) <= number.keys()]
new_ids = np.array([[number[w] for w in more.contexts[j].split()] for j in new])
name_of = {column.tobytes(): c for column, c in zip(S.T, supports)}
new_S = more.S.toarray()[:, new]
truth = np.array([name_of[column.tobytes()] for column in new_S.T])
print(f"{len(new)} new contexts with {len(set(truth))} supports")


# %%
def placed(old_vectors, new_vectors):
    """The share of new contexts nearest in angle to their support's mean."""
    means = np.stack([old_vectors[:, supports == c].mean(axis=1)
                      for c in range(supports.max() + 1)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return np.mean(np.argmax(means @ new_vectors, axis=0) == truth)


def outside(W, H, on):
    """The probability of words outside the true supports, on average."""
    return np.where(on, 0, softmax(W.astype(float) @ H)).sum(axis=0).mean()


@torch.no_grad()
def unseen(name):
    model, run = trained[name, 0]
    H = model.encoder.cpu().double()(torch.from_numpy(new_ids)).numpy().T
    return (placed(run.H[-1], H), outside(run.W[-1], run.H[-1], S),
            outside(run.W[-1], H, new_S))


new_bag = np.stack([(new_ids == w).sum(axis=1) for w in range(len(words))])
by_words = placed(bag_of_words(ids), new_bag)
results = {name: unseen(name) for name in READERS}

# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 6))
right, *off = zip(*results.values())
dots(axes[0], READERS, {"trained": right}, "share of new contexts placed right")
axes[0].axvline(by_words, color=CYCLE[1], label="own words only")
axes[0].axvline(1 / len(solution.counts), color="#777777", ls="--",
                label="chance")
axes[0].set_xlim(0, 1.02)
dots(axes[1], READERS, dict(zip(("contexts of the training", "new ones"), off)),
     "probability outside the true support")
axes[1].set_xlim(left=0)
for ax in axes:
    ax.legend(loc="best")
plt.show()

# %% [markdown]
# *Above: new contexts are placed with those of their true support far more often than chance would, and about as
# often as their words alone would, or more often. Below: outside the support there is many times the probability that
# there is for contexts of the training.*

# %%
claim("16.18", min(results[name][0] for name in NETWORKS))

# %%
claim("16.19", min(results[name][0] - by_words for name in NETWORKS))

# %% [markdown]
# So the geometry of supports extends to contexts outside the training, and the theory says what the right place is.
# How much of that is the network's merit? A wording shares most words with its original, and to place it by them
# alone does about as well as LSTM and transformers; the perceptron, which sees each word in its place, does better.
# Where strings are dealt there is nothing to extend.
#
# ## The caveats, measured
#
# A reviewer granted that the theory handles arbitrary data and transformers, "with caveats". Here are those we can
# measure. *Room:* the theory wants an encoder that can send any context anywhere. Networks had the room, the mean had
# not. *Inputs:* they pull, most where there is least room. *Order:* what an encoder cannot see, it cannot tell apart.
# *Normalisation:* every network here ends in an RMS normalisation with a gain, as transformers do, so lengths of
# contexts cannot grow one by one.

# %%
def growth(vectors):
    return np.linalg.norm(vectors[-1]) / np.linalg.norm(vectors[0])


grown = {what: [growth(getattr(trained[name, 0][1], what)) for name in ENCODERS]
         for what in "WH"}

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.6))
dots(ax, list(ENCODERS), {"words $W$": grown["W"], "contexts $H$": grown["H"]},
     "Frobenius norm at the end over that at the start")
ax.set_xlim(left=0.9)
ax.legend(loc="lower right")
plt.show()

# %%
def spread(H):
    """The standard deviation of the lengths of contexts over their mean."""
    lengths = np.linalg.norm(H, axis=0)
    return lengths.std() / lengths.mean()


small = [name for name in ENCODERS if spread(trained[name, 0][1].H[-1]) < 0.02]
print(f"spread of lengths: predicted {spread(H_mm):.1f};",
      "below 0.02:", ", ".join(small))

# %% [markdown]
# *How much words and contexts have grown.* Free vectors grow on both sides alike, as balanced factors do. With a
# normalisation all contexts grow by one gain vector that they share, and the rest of the growth goes to the words.
# Directions can still follow the prediction, as they did above; lengths cannot. (Those of free vectors could, and
# have a fraction of the predicted spread so far.) With lengths fixed the limit should be that of another margin
# problem, one with the norm of $W$ alone. We have not solved it.
#
# The table below repeats the first figure for larger models and all contexts, from five seeds: agreement of the cosines between supports,
# each with the mean of its contexts; the mean over pairs of different seeds, and the smallest and the largest.
#
# :::{results} agreement
# :::
#
# ## What to take away
#
# - Seen through cosines, a table and a transformer differ no more than their random starts make them. Deal the word strings at
#   random, and the transformer still finds the geometry of the supports.
# - Reading need not pull. The encoder without room, a mean of word vectors, is pulled far; networks hardly.
# - A context is mostly the sum of its *next* words. It is an average of its *own* words only where the architecture
#   leaves no choice.
# - What architecture adds is an answer for contexts that nobody trained on.
#
# ## What this does not show
#
# - *Natural text.* The wordings are a recipe. In text, contexts of equal support seldom share four of five words, and
#   input and support are tied in other ways.
# - *Pull where room is short.* Our networks have more numbers to train than there are in all context vectors together.
#   A language model has far more contexts than parameters. The mean shows what shortage can do, and nothing here says
#   where a large model stands.
# - *Seeds.* Every way to deal the strings was tried once, with one seed.
# - *The limit.* Training stops early. A pull may fade with more steps, or a small one may appear.
# - *All of the likeness.* A bag of words and words in place are two measures of input; an encoder may be pulled by a
#   third.
#
# ## Exercises
#
# 1. Two contexts of equal weight have the same words in another order and disjoint supports of one word each. How low
#    can the loss of the mean of word vectors get on them, whatever the dimension?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    Both contexts have one vector, hence one distribution $q$, and the loss is $-\tfrac12(\log q_1 + \log q_2) \ge \log
#    2$, with equality at $q = (\tfrac12,\tfrac12)$. The entropy bound is zero. In general contexts that an encoder
#    cannot tell apart cost at least $\sum_j\pi_j\,\mathrm{KL}(\hat p_j\Vert\bar p)$ over the bound, $\bar p$ being their
#    mixture with the weights $\pi_j$.
#    ```
#
# 2. Deal strings within supports only: `ids` reordered so that each context gets the string of another of equal
#    support. Which of the figures may change for free vectors, for the mean, for a transformer?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    For free vectors none that does not use the strings. The prediction and the likeness of openings stay, so for
#    readers the changes are slight: a string now comes with the probabilities of another context of the same support.
#    This is the shuffle of {prf:ref}`prop-within-supports`, before training instead of after. For free vectors the two
#    are the same thing, and for readers they are not: an encoder trained on the shuffled strings has read *these*.
#    ```

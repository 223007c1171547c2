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
# (ch-measures)=
# # Counting what the eye saw
#
# The paper shows heat maps, trained beside predicted, and they look alike. A reviewer called this qualitative; the
# authors answered with a number, a normalised covariance of the two maps. Is it a good number? To vectors that know
# nothing of each other it gives two thirds, at the size of the paper's first experiment. This chapter finds the
# places where such a score comes from for nothing, and measures again without them: five seeds, intervals, shuffles.
# Likeness survives. Then eight predictions compete, early and late in training, and the one that theory puts first
# is not the best: it draws level only at the far end of the exact path, where no training here comes. The end is a recipe: what we would ask of
# any paper that compares two geometries, ours included.
#
# *Eighteen minutes to read, about half a minute to run on one CPU core. A GPU helps at full scale only.*

# %% tags=["colab-install", "remove-cell"]
# In Colab the published copy of this notebook installs ntputils here.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML
from scipy import stats

from ntputils import (SoftLabels, angle_signs, between_groups,
                      bootstrap_interval, build_model, candidate_geometries,
                      center, centered_support, cka, claim, cosine_matrix,
                      factor, fit, from_sets, group_floor, in_support_logits,
                      lambda_max, load_corpus, load_labels, mantel,
                      off_diagonal_correlation, procrustes_distance,
                      regularization_path, scale, session, solve_ntp_svm,
                      structural_correlation, train_ufm)
from ntputils.plots import CYCLE, show_growth, show_matrix, style

SEED, SEEDS = 1518, range(5)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
rng = np.random.default_rng(SEED)
style()

# %% tags=["remove-input"]
session()

# %% [markdown]
# The small scale trains free vectors, and a small reader, for a short time; the full scale has the paper's width and
# length.

# %%
SIZES = {
    "small": {"d": 64, "steps": 1000, "reader": 32, "read": 250,
              "languages": 30},
    "full": {"d": 128, "steps": 30_000, "reader": 128, "read": 30_000,
             "languages": 300}}[scale()]
print(", ".join(f"{name} {value}" for name, value in SIZES.items()))

# %% [markdown]
# ## The number, and what chance makes of it
#
# ```{prf:definition} Structural correlation
# :label: def-structural-correlation
#
# Of two matrices $A, B$ of one shape, with $\sigma_{AB}$ the covariance over all entries (divided by their number) and
# $\sigma_A, \sigma_B$ the standard deviations (divided by one less),
#
# $$
# s(A, B) = \frac{\sigma_{AB} + C}{\sigma_A\sigma_B + C} , \qquad C = 10^{-5} .
# $$
# ```
#
# It is the third factor of a measure of image quality {cite}`wang2004image`, and the authors apply it to matrices of
# cosines between contexts or between words, trained and predicted. Here are two such matrices, of sixteen vectors
# each in 32 dimensions, all drawn at random.

# %%
def unrelated(n, d=32):
    """Two sets of n vectors that know nothing of each other."""
    return rng.normal(size=(d, n)), rng.normal(size=(d, n))


A, B = (cosine_matrix(X) for X in unrelated(16))
print(f"structural correlation {structural_correlation(A, B):.2f}, "
      f"off the diagonal {off_diagonal_correlation(A, B):.2f}")

# %% tags=["remove-input"]
fig, axes = plt.subplots(1, 2, figsize=(6.4, 2.9))
for ax, matrix, title in zip(axes, (A, B), ("one", "the other")):
    show_matrix(ax, matrix, title=title, limit=1)
plt.show()

# %% [markdown]
# *Cosines of two unrelated sets of sixteen vectors. What the maps share is the diagonal: every item has cosine one with
# itself, in any geometry. The covariance over all entries counts it.*
#
# How much does it count? Everything in this chapter that looks like agreement and is none comes from one identity.
#
# ```{prf:lemma} Pairs that agree by construction
# :label: lem-two-kinds
#
# Let a share $0<q<1$ of the pairs of items be *alike*: both matrices are one there. Over the other pairs let $A$ have
# the mean $\bar a<1$ and the variance $v_A$, $B$ the same with $\bar b<1$ and $v_B$, and let $r$ be the correlation
# of the two (if $v_Av_B = 0$ its term below is zero). Then Pearson's correlation over all pairs is
#
# $$
# \cos\alpha\cos\beta + r\sin\alpha\sin\beta ,
# $$
#
# $$
# \tan\alpha = \frac{\sqrt{v_A/q}}{1-\bar a} ,\quad \tan\beta = \frac{\sqrt{v_B/q}}{1-\bar b} .
# $$
#
# For $C=0$ the structural correlation of two matrices of cosines, of vectors that are not zero, is $1-1/n^2$ times
# this, with $q = 1/n$ and $r$ the correlation off the diagonal.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# A covariance over two kinds of pairs is the covariance of the kinds' means plus the mean of their covariances. Alike
# pairs are constant, so over all pairs the covariance is $q(1-q)(1-\bar a)(1-\bar b) + (1-q)\,r\sqrt{v_Av_B}$ and the
# variance of $A$ is $q(1-q)(1-\bar a)^2 + (1-q)v_A$. Divide all by $q(1-q)(1-\bar a)(1-\bar b)$, or by its analogue:
# the covariance becomes $1 + r\tan\alpha\tan\beta$ and the variances $1+\tan^2\alpha = 1/\cos^2\alpha$ and
# $1/\cos^2\beta$. The correlation is their quotient. For the last sentence take all $n^2$ entries; the diagonal, $n$
# of them, is alike. Standard deviations divided by $n^2-1$ instead of $n^2$ give the factor.
# ```
#
# Now shuffle the items of $B$, rows and columns together. The means and variances stay, and $r$ becomes zero on
# average. What is left, $\cos\alpha\cos\beta$, is the *floor*: the score of a prediction that has every item right
# except which is which.
#
# ```{prf:proposition} Three null values
# :label: prop-null-values
#
# Let $A$ and $B$ be the cosines of $n$ and $n$ independent vectors with uniform directions in $d$ dimensions, and
# $N = \tfrac12n(n-1)$.
#
# 1. $\mathbb E\,\sigma_{AB}$ and $\mathbb E\,\sigma_A^2$, both divided by $n^2$, are as $d$ to $d+n-2/n$, and the
#    structural correlation with $C=0$ over $d/(d+n)$ tends to one in probability as $d, n\to\infty$.
# 2. Off the diagonal, $\sum a_{ij}b_{ij}$ over the $N$ pairs has mean zero, and its variance is $1/N$ of
#    $\mathbb E\sum a_{ij}^2\;\mathbb E\sum b_{ij}^2$. Uniformity is not needed: only that vectors of $A$ are drawn
#    independently from one law, for which $x$ and $-x$ are equally likely.
# 3. Linear CKA {cite}`kornblith2019similarity` is the cosine $\langle K, K'\rangle/\lVert K\rVert_F\lVert
#    K'\rVert_F$ of the centred Gram matrices. For two Gaussian samples $\mathbb E\langle K,K'\rangle$ and
#    $\mathbb E\lVert K\rVert_F^2$ are as $d$ to $d+n$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# Off the diagonal $\mathbb E\,a_{ij} = 0$ and $\mathbb E\,a_{ij}^2 = 1/d$, and two different pairs are independent,
# even if they share an item: given $x_i$, the cosine with a uniform direction $x_j$ has the same law whatever $x_i$
# is.
#
# *1.* The mean of the entries of $AB$ (entry by entry) has expectation $\tfrac1n$, and so have the means of $A$ and
# of $B$, which are independent: $\mathbb E\,\sigma_{AB} = \tfrac1n - \tfrac1{n^2}$. The mean of $A$ has variance
# $\tfrac{2(n-1)}{n^3d}$, so $\mathbb E\,\sigma_A^2 = \tfrac1n + \big(1-\tfrac1n\big)\tfrac1d - \tfrac1{n^2} -
# \tfrac{2(n-1)}{n^3d} = \big(1-\tfrac1n\big)\big(\tfrac1n+\tfrac1d-\tfrac2{n^2d}\big)$. Both are near their
# expectations. Divided by $\tfrac1n$, the mean of $a_{ij}b_{ij}$ off the diagonal has standard deviation below
# $\sqrt2/d$, and the product of the two means adds terms of order $1/(n\sqrt d)$. Divided by $\tfrac1n+\tfrac1d$, the
# mean of $a_{ij}^2$ has one below $2/(d+n)$, and the squared mean of $A$ again adds $O(1/(n\sqrt d))$. All vanish.
#
# *2.* Turning $x_j$ into $-x_j$ changes the sign of $a_{ij}$ and not that of $a_{ik}$: so $\mathbb E\,a_{ij} = 0$,
# and different pairs are uncorrelated. Given $B$, the sum has mean zero and variance $\mathbb E\,a_{12}^2\sum
# b_{ij}^2$. Take expectations.
#
# *3.* Centring $n$ Gaussian vectors leaves, in a basis of $\mathbf 1^\perp$, $n-1$ independent ones. Their Gram
# matrix has expectation $dI$. A diagonal entry is a $\chi^2$ with $d$ degrees, of mean square $d^2+2d$, and another
# entry has mean square $d$: the squared norm has expectation $(n-1)(d^2+2d) + (n-1)(n-2)d = (n-1)d(d+n)$. And $\mathbb E\langle K,K'\rangle = (n-1)d^2$.
# ```
#
# The paper's sizes of sixteen and 403 contexts, 31 and 104 words, at $d = 32$, two hundred draws each:

# %%
def compared(X, Y):
    """Four measures of how alike two sets of vectors are."""
    A, B = cosine_matrix(X), cosine_matrix(Y)
    return (structural_correlation(A, B), off_diagonal_correlation(A, B),
            cka(X, Y), procrustes_distance(X, Y))


NS = (16, 31, 104, 403)
chance = {n: np.array([compared(*unrelated(n)) for _ in range(200)])
          for n in NS}

# %%
print("       structural         off diagonal          CKA  Procrustes")
print("  n   mean   sd  d/(d+n)  mean   sd  1/sqrt(N)  mean     mean")
for n in NS:
    mean, sd = chance[n].mean(axis=0), chance[n].std(axis=0)
    print(f"{n:3d}   {mean[0]:.2f}  {sd[0]:.2f}     {32 / (32 + n):.2f}"
          f"  {abs(mean[1]):.2f} {sd[1]:.3f}      "
          f"{(n * (n - 1) / 2)**-0.5:.3f}  {mean[2]:.2f}     {mean[3]:.2f}")

# %% [markdown]
# None of these vectors has anything to do with its partner. The structural correlation and CKA score $d/(d+n)$ all
# the same: near one where $d$ is large beside $n$, the very place where theory wants $d$ to be. Procrustes' distance,
# which should be $\sqrt2$ where nothing aligns, is far below it for few items. Only the correlation off the diagonal
# is centred at zero, with the scatter of $N$ independent pairs. (In one version of the authors' code the constant $C$
# adds to the score as well: {ref}`ch-passages`.)


# %%
def by_parts(A, B):
    """The right side of the lemma, for two matrices of cosines."""
    n, off = len(A), np.triu_indices(len(A), 1)
    alpha, beta = (np.arctan(np.sqrt(n) * X[off].std() / (1 - X[off].mean()))
                   for X in (A, B))
    r = off_diagonal_correlation(A, B)
    return (1 - n**-2) * (np.cos(alpha) * np.cos(beta)
                          + r * np.sin(alpha) * np.sin(beta))


errors = []
for n in (5, 16, 60):
    A, B = (cosine_matrix(X + 0.3) for X in unrelated(n, 9))
    errors += [abs(structural_correlation(A, B, C=0) - by_parts(A, B))]
claim("15.1", max(errors))

# %%
claim("15.2", max(abs(chance[n][:, 0].mean() * (32 + n) / 32 - 1) for n in NS))

# %%
scatter = [chance[n][:, 1].std() * np.sqrt(n * (n - 1) / 2) for n in NS]
claim("15.3", max(scatter, key=lambda x: abs(x - 1)))

# %%
claim("15.7", max(abs(chance[n][:, 2].mean() * (32 + n) / 32 - 1) for n in NS))

# %% [markdown]
# ## Pairs are not independent
#
# Leave out the diagonal, then, take Pearson's correlation over the pairs, and read its p-value from a table? The
# table takes $N$ pairs for $N$ independent observations, but there are only $n$ items. Four worlds in which the null
# hypothesis is true, thirty vectors on either side, drawn independently of the other side: uniform directions; a
# spread that falls like $1/k$ from direction to direction; a part that all vectors share, as long as what is their
# own; and ten random vectors, each given to three items, the same three on both sides.

# %%
trios = np.repeat(np.arange(10), 3)
tail = 1 / np.arange(1, 17)[:, None]
worlds = {"uniform": lambda: rng.normal(size=(16, 30)),
          "long tail": lambda: rng.normal(size=(16, 30)) * tail,
          "shared part": lambda: rng.normal(size=(16, 30)) + 1,
          "trios": lambda: rng.normal(size=(16, 10))[:, trios]}


def small_p(X, Y):
    """Is p <= 0.05 if pairs are independent; items, or trios, shuffled?"""
    A, B, pairs = cosine_matrix(X), cosine_matrix(Y), np.triu_indices(30, 1)
    three = between_groups(A, trios), between_groups(B, trios)
    p = (stats.pearsonr(A[pairs], B[pairs], alternative="greater").pvalue,
         mantel(A, B, rng=rng, permutations=99).p,
         mantel(*three, rng=rng, permutations=99).p)
    return np.array(p) <= 0.05


rejected = {name: np.mean([small_p(draw(), draw()) for _ in range(400)], axis=0)
            for name, draw in worlds.items()}

# %%
for name, rates in rejected.items():
    print(f"{name:12s} pairs {rates[0]:4.0%}   items {rates[1]:4.0%}" +
          (f"   trios {rates[2]:4.0%}" if name == "trios" else ""))

# %%
claim("15.4", rejected["long tail"][0])

# %%
claim("15.27", rejected["shared part"][0])

# %%
claim("15.5", max(rejected["long tail"][1], rejected["trios"][2]))

# %% [markdown]
# Each number should be five per cent, give or take two. Our first claim about the table fails: the long tail does it
# hardly any harm, and {prf:ref}`prop-null-values` says why. Where $x$ and $-x$ are equally likely, two pairs are uncorrelated
# even if they share an item, however long the tail. A shared part, which trained vectors often have, ends that
# symmetry, and the table promises too much. *Mantel's test* {cite}`mantel1967` shuffles items: if the two geometries
# are unrelated the true order is one of equally likely ones, whatever the law of the vectors.
#
# But see the fourth world. There items are not exchangeable: who belongs to whom is the same on both sides, and that
# alone is significant to Mantel's test, too. If the question is how the *ten* vectors lie, ten things have to be
# shuffled.
#
# ## A second diagonal
#
# That fourth world is the paper's language. Simplified TinyStories ({ref}`ch-simplified`) has some four hundred
# contexts, but most are variants of others and share their next words.

# %%
labels = load_labels("simplified-tinystories", seed=0)
solution = solve_ntp_svm(labels.S, tol=1e-8)
S, supports, sizes = labels.S.toarray(), solution.inverse, solution.counts
rows = np.unique(S, axis=0, return_inverse=True)[1].ravel()
W_mm, H_mm = factor(solution.L)
q = np.sum(sizes * (sizes - 1)) / (labels.m * (labels.m - 1))
print(f"{labels.m} contexts, {len(sizes)} supports; {labels.V} words, "
      f"{rows.max() + 1} different rows; {q:.1%} of pairs are alike")

# %% [markdown]
# By {prf:ref}`lem-two-kinds` these pairs are a second diagonal. A random vector for each support, in $d$ dimensions,
# gives a correlation *off the diagonal* near $qd/(1+qd)$, by the same computation as before with $q$ for $1/n$.

# %%
def random_by_support(d=64):
    return cosine_matrix(rng.normal(size=(d, len(sizes)))[:, supports])


blind = [off_diagonal_correlation(random_by_support(), random_by_support())
         for _ in range(100)]
print(f"{np.mean(blind):.1f} on average, {64 * q / (1 + 64 * q):.2f} predicted")
claim("15.6", abs(np.mean(blind) - 64 * q / (1 + 64 * q)))

# %% [markdown]
# So a geometry that collapses equal supports and knows nothing else scores most of what one would be glad to report.
# That contexts with equal supports meet is a prediction of the theory ({prf:ref}`thm-scatter`), but a different one,
# with its own measure ({ref}`ch-subspace-collapse`). To ask how supports lie *to each other*, average the cosines
# over each block of two supports, for words over each block of two equal rows of $S$, and correlate those: 34 items
# and not 404.
#
# ## Five seeds
#
# Free vectors, trained by Adam without a ridge from five starts; and a small perceptron that reads the five words of
# the context, from five starts, too. The prediction is $L^{\mathrm{mm}}$'s, and has seen neither. (The width is below
# $V-1$ and above the rank of $L^{\mathrm{mm}}$; {ref}`ch-narrow` is about that.)

# %%
runs = [train_ufm(labels, d=SIZES["d"], steps=SIZES["steps"], lr=1e-2,
                  optimizer="adam", snapshots=13,
                  rng=np.random.default_rng(SEED + k)) for k in SEEDS]
readers = [fit(build_model("mlp", labels, d=SIZES["reader"], layers=2,
                           seed=SEED + k),
               labels, steps=SIZES["read"], lr=5e-3, snapshots=2,
               device=DEVICE) for k in SEEDS]

# %%
groups = {"contexts": supports, "words": rows}


def cosines(run, k, what):
    """Cosines between contexts, or between words, at snapshot k."""
    return cosine_matrix(run.H[k] if what == "contexts" else run.W[k].T)


def blocks(run, k, what):
    """Their means over blocks of two supports, or of two rows."""
    return between_groups(cosines(run, k, what), groups[what])


predicted = {"contexts": cosine_matrix(H_mm), "words": cosine_matrix(W_mm.T)}
target = {what: between_groups(predicted[what], groups[what])
          for what in groups}


# %%
def scores(run, k, what):
    """Three measures, and the floors of the first two."""
    A, B, of = cosines(run, k, what), predicted[what], groups[what]
    return (structural_correlation(A, B), off_diagonal_correlation(A, B),
            off_diagonal_correlation(blocks(run, k, what), target[what]),
            group_floor(A, B, of, diagonal=True), group_floor(A, B, of))


late, kinds = range(1, len(runs[0].steps)), {"free": runs, "reader": readers}
curves = {what: np.array([[scores(run, k, what) for k in late] for run in runs])
          for what in groups}
tests = {(name, what): [mantel(blocks(run, -1, what), target[what], rng=rng)
                        for run in several]
         for name, several in kinds.items() for what in groups}

# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 7), sharex=True)
for ax, what in zip(axes, groups):
    mean, low, high = (f(curves[what], axis=0) for f in (np.mean, np.min, np.max))
    for i, name in enumerate(("structural", "off the diagonal", "between groups")):
        ax.fill_between(runs[0].steps[late], low[:, i], high[:, i], color=CYCLE[i],
                        alpha=0.25, linewidth=0)
        ax.plot(runs[0].steps[late], mean[:, i], marker="osD"[i], color=CYCLE[i],
                label=name)
        if i < 2:
            ax.plot(runs[0].steps[late], mean[:, 3 + i], ":", color=CYCLE[i])
    band = np.quantile(tests["free", what][0].null, [0.025, 0.975])
    ax.axhspan(*band, color=CYCLE[2], alpha=0.2, linewidth=0)
    ax.set(xscale="log", title=what, ylabel="with the prediction")
axes[0].legend()
axes[1].set_xlabel("steps of training")
plt.show()

# %% [markdown]
# *The authors' figure again: likeness of trained and predicted cosines while free vectors train, mean and range of
# five seeds. Dotted: the floor of the measure of the same colour, what it would be if the supports were shuffled.
# Green band: where 95 per cent of shuffles put the third measure, whose floor is zero.*
#
# Read the floors first. The structural correlation rises in training, and its floor rises with it. Most of its height
# is floor: contexts with equal supports have met, and words with equal rows. The third curve has no floor to stand
# on, and rises as well, far out of the band of chance.

# %%
claim("15.8", max(test.p for test in tests["free", "contexts"]))

# %%
claim("15.9", max(test.p for test in tests["free", "words"]))

# %%
claim("15.10", max(t.p for what in groups for t in tests["reader", what]))

# %% [markdown]
# Now all measures at the end of training, with an interval over seeds (bootstrap, 95 per cent) and what
# chance gives beside each: the floor for the first two, shuffled supports for CKA and Procrustes.

# %%
def vectors(run, what):
    return (run.H[-1], H_mm) if what == "contexts" else (run.W[-1].T, W_mm.T)


def shuffled(measure, run, what):
    """A measure of vectors when the prediction's groups trade places."""
    (X, Y), of = vectors(run, what), groups[what]
    first = np.unique(of, return_index=True)[1]
    return np.mean([measure(X, Y[:, rng.permutation(first)[of]])
                    for _ in range(9)])


# %%
def summary(run, what):
    """Each measure at the end, with its value by chance."""
    s, off, apart, s_floor, off_floor = scores(run, -1, what)
    rank = off_diagonal_correlation(blocks(run, -1, what), target[what],
                                    method="spearman")
    both = {"CKA": cka, "Procrustes": procrustes_distance}
    return {"structural": (s, s_floor), "off the diagonal": (off, off_floor),
            "between groups": (apart, 0), "the same, ranks": (rank, 0)} | {
        name: (measure(*vectors(run, what)), shuffled(measure, run, what))
        for name, measure in both.items()}


columns = {f"{name}, {what}": [summary(run, what) for run in several]
           for what in groups for name, several in kinds.items()}

# %% tags=["remove-input"]
def cell(name, found):
    value, by_chance = np.array(found).T
    low, high = bootstrap_interval(value, rng=rng)
    return (f'<td><span class="ntp-head">{name}: </span>{value.mean():.2f} '
            f'<span class="ntp-interval">{low:.2f} to {high:.2f}</span>'
            f'<span class="ntp-interval">chance {by_chance.mean():.2f}</span></td>')


head = "".join(f"<th>{name}</th>" for name in columns)
body = "".join(f"<tr><th>{measure}</th>" + "".join(
    cell(name, [one[measure] for one in column])
    for name, column in columns.items()) + "</tr>"
    for measure in next(iter(columns.values()))[0])
HTML(f'<div class="ntp-table"><table><thead><tr><th></th>{head}</tr></thead>'
     f'<tbody>{body}</tbody></table></div>')

# %% [markdown]
# *Trained against $L^{\mathrm{mm}}$ at the end of training: the mean of five seeds, its interval, and the value by
# chance. Procrustes is a distance: smaller is better.*
#
# Measured from chance, the highest rows are not the most impressive. Ranks see far less than
# Pearson's correlation does: a minority of pairs, those that share words, carries the agreement, and the order among
# the rest is hardly predicted. And the intervals are narrow, because the five *scores* are
# alike; that does not say that the five *geometries* are.
#
# ```{prf:lemma} A ceiling
# :label: lem-ceiling
#
# Let the matrices of several seeds be $A_k = T + E_k$, with $E_k$ of one variance and uncorrelated over pairs with
# $T$, with each other and with a prediction $B$. If two seeds correlate like $\rho$, then $A_k$ and $B$ correlate
# like $\sqrt\rho$ times the correlation of $T$ and $B$: no prediction can do better than $\sqrt\rho$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# $\rho = \operatorname{var}T/\operatorname{var}A_k$, and the covariance of $A_k$ and $B$ is that of $T$ and $B$. This
# is Spearman's correction for attenuation {cite}`spearman1904proof`.
# ```

# %%
def ceiling(several, what, k=-1):
    """The root of the mean correlation of two seeds, between groups."""
    A = [blocks(run, k, what) for run in several]
    return np.sqrt(np.mean([off_diagonal_correlation(X, Y)
                            for i, X in enumerate(A) for Y in A[:i]]))


average = {what: np.mean([blocks(run, -1, what) for run in runs], axis=0)
           for what in groups}
for what in groups:
    one = np.mean([test.r for test in tests["free", what]])
    five = off_diagonal_correlation(average[what], target[what])
    print(f"{what:9s} two seeds {ceiling(runs, what)**2:.2f}, ceiling "
          f"{ceiling(runs, what):.2f}; with the prediction: one seed "
          f"{one:.2f}, average of five {five:.2f}")

# %% [markdown]
# Two seeds are less like each other than either is like a prediction that has seen neither, and the average of five is
# more like it than any one. What each start leaves
# behind is noise to the prediction, and the prediction has already gone most of the way to what noise allows.

# %%
def grown(several, what):
    """What training adds to the correlation between groups, seed by seed."""
    return [off_diagonal_correlation(blocks(run, -1, what), target[what])
            - off_diagonal_correlation(blocks(run, 0, what), target[what])
            for run in several]


claim("15.11", min(bootstrap_interval(grown(several, what), rng=rng)[0]
                   for several in kinds.values() for what in groups))

# %% [markdown]
# The larger models, an LSTM and the transformer among them, are trained from five seeds by `make results`; their
# table stands in {ref}`ch-simplified`. And on the synthetic language of {ref}`ch-synthetic`, in a line each:

# %%
sixteen = SoftLabels.from_tokens(load_corpus("synthetic", seed=1, sharing=0),
                                 context_length=5)
sixteen = sixteen.restrict(range(sixteen.m))
few = solve_ntp_svm(sixteen.S, tol=1e-8)
B, of = cosine_matrix(factor(few.L)[1]), few.inverse
found = []
for k in SEEDS:
    run = train_ufm(sixteen, d=32, steps=SIZES["steps"], lr=1e-2, snapshots=2,
                    optimizer="adam", rng=np.random.default_rng(SEED + k))
    A = cosine_matrix(run.H[-1])
    apart = between_groups(A, of), between_groups(B, of)
    found.append((structural_correlation(A, B),
                  group_floor(A, B, of, diagonal=True),
                  off_diagonal_correlation(*apart)))
print("structural {:.2f}, its floor {:.2f}; between supports {:.2f}".format(
    *np.mean(found, axis=0)))

# %% [markdown]
# ## Which prediction is best, and when?
#
# The rebuttal says that the statistics that matter are in the sparsity pattern: $S^\top S$ looks like $H^\top H$.
# Then so do its relatives, and other statistics might look more like it. Eight candidates, all computed without
# training (`candidate_geometries`). Four know supports only: $S$ and the centred $\tilde S$ (*raw*: their columns are
# the contexts, their rows the words), and the balanced factors of $\tilde S$ (the *proxy*) and of $L^{\mathrm{mm}}$
# (*NTP-SVM*). Four know probabilities: $P$, positive PMI and the log-odds $L^{\mathrm{in}}$, raw, and the factors of
# the centred joint distribution $M_0 = P_VP\operatorname{diag}(\hat\pi)$ (*frequencies*).
#
# Early training should favour frequencies, and one can say more.
#
# ```{prf:proposition} The first steps
# :label: prop-first-steps
#
# Replace the gradient of the loss by its value at zero logits, $-M_0$, and let the entries of $W_0$ and $H_0$ be
# independent with mean zero and one variance. Then gradient flow, at time $t$, has $\mathbb E\,H^\top H$ proportional
# to $\cosh\!\big(2t\,(M_0^\top M_0)^{1/2}\big)$ and $\mathbb E\,WW^\top$ to $\cosh\!\big(2t\,(M_0M_0^\top)^{1/2}\big)$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# $\dot W = M_0H^\top$ and $\dot H^\top = M_0^\top W$, so with $M_0 = U\Sigma V^\top$, $H^\top = \cosh(t(M_0^\top
# M_0)^{1/2})H_0^\top + V\sinh(t\Sigma)U^\top W_0$. The two terms are uncorrelated, and $\cosh^2+\sinh^2$ is $\cosh$ of
# the double. The same for $W$.
# ```
#
# Late training should favour $L^{\mathrm{mm}}$. The paper draws counts from one to four, which makes frequencies a
# noisy copy of the support. So this contest gets the true frequencies of the stories: the same supports, other
# probabilities, gradient descent from weights of a thousandth. *Early* is the first snapshot with a tenth of the way
# from the first loss to the bound behind it, *middle* the first with half of it, *late* the last. The last column is
# the end of the training above, Adam on drawn counts.

# %%
true = load_labels("simplified-tinystories", draw="frequencies")
rate = 0.4 / lambda_max(true)
slow = [train_ufm(true, d=SIZES["d"], steps=SIZES["steps"], lr=rate,
                  init_scale=1e-3, rng=np.random.default_rng(SEED + k),
                  snapshots=np.geomspace(5, SIZES["steps"], 20).astype(int))
        for k in SEEDS]


# %%
def rivals(data):
    """What each candidate predicts between supports, and between rows."""
    found = candidate_geometries(data, solution).items()
    return {"contexts": {name: between_groups(cosine_matrix(H), supports)
                         for name, (W, H) in found},
            "words": {name: between_groups(cosine_matrix(W.T), rows)
                      for name, (W, H) in found}}


def first_steps(t, what):
    """The same for the last proposition, for the true frequencies."""
    M = center(true.P.toarray() * true.pi)
    M = M if what == "contexts" else M.T
    _, s, V = np.linalg.svd(M, full_matrices=False)
    gram = np.eye(V.shape[1]) + V.T * (np.cosh(2 * t * s) - 1) @ V
    length = np.sqrt(np.diag(gram))
    return between_groups(gram / np.outer(length, length), groups[what])


rival = {"true": rivals(true), "drawn": rivals(labels)}


# %%
def passed(run, k):
    """The share of the way to the bound that is behind a run."""
    return (run.loss[0] - run.loss[k]) / (run.loss[0] - true.entropy())


def contest(run, k, what, draw="true"):
    """The correlation of each candidate with the trained, between groups."""
    A, found = blocks(run, k, what), dict(rival[draw][what])
    if draw == "true" and k > 0 and passed(run, k) < 0.5:
        found["first steps"] = first_steps(rate * run.steps[k], what)
    return {name: off_diagonal_correlation(A, B) for name, B in found.items()}


duel = {what: [[contest(run, k, what) for k in range(1, len(run.steps))]
               for run in slow] for what in groups}

# %%
SHARES = {"early": 0.1, "middle": 0.5}


def stage(run, share):
    return next(k for k in range(len(run.steps)) if passed(run, k) >= share)


table = {}
for what in groups:
    for name, share in SHARES.items():
        table[what, name] = [found[stage(run, share) - 1]
                             for found, run in zip(duel[what], slow)]
    table[what, "late"] = [found[-1] for found in duel[what]]
    table[what, "drawn"] = [contest(run, -1, what, "drawn") for run in runs]


# %%
def top(what, s):
    """What noise allows at a stage."""
    several = runs if s == "drawn" else slow
    k = stage(slow[0], SHARES[s]) if s in SHARES else -1
    return ceiling(several, what, k)


STAGES = (*SHARES, "late", "drawn")
for what in groups:
    print(f"{what:16s}" + "".join(f"{name:>8s}" for name in STAGES))
    print("  ceiling       " + "".join(f"{top(what, s):8.2f}" for s in STAGES))
    for name in ("first steps", *rival["drawn"][what]):
        mean = [np.mean([c.get(name, np.nan) for c in table[what, s]])
                for s in STAGES]
        print(f"  {name:16s}" + "".join(
            f"{r:6.2f}  " if np.isfinite(r) else "     -  " for r in mean))

# %% [markdown]
# Does any candidate pass its ceiling, as {prf:ref}`lem-ceiling` says that none can? The largest mean over the seeds, less the ceiling:

# %%
claim("15.31", max(np.mean([found[name] for found in table[what, s]]) - top(what, s)
                   for what in groups for s in STAGES for name in table[what, s][0]))

# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 7.6), sharex=True)
shown = {"first steps": (":", None), "NTP-SVM": ("o-", 0), "centred support": ("s-", 4),
         "support": ("^-", 2), "frequencies": ("D--", 1), "probabilities": ("v--", 5),
         "log-odds": ("P--", 3)}
for ax, what in zip(axes, groups):
    for name, (mark, colour) in shown.items():
        mean = [np.mean([d[k].get(name, np.nan) for d in duel[what]])
                for k in range(len(slow[0].steps) - 1)]
        ax.plot(slow[0].steps[1:], mean, mark, label=name, lw=3 if colour is None else None,
                color="#555555" if colour is None else CYCLE[colour])
    for share in SHARES.values():
        ax.axvline(slow[0].steps[stage(slow[0], share)], color="#777777", linewidth=1)
    ax.set(xscale="log", title=what, ylabel="correlation between groups")
axes[0].legend(ncols=2)
axes[1].set_xlabel("steps of gradient descent")
plt.show()

# %% [markdown]
# *Six of the eight candidates and the first steps against the trained geometry: gradient descent from small weights
# on the true frequencies, mean of five seeds. Solid: what knows supports alone. Dashed: what knows probabilities.
# Grey lines: early and middle. The proxy and PMI are in the table.*

# %%
def lead(cells, one, *others):
    """By how much one candidate leads the best of others, seed by seed."""
    best = max(others, key=lambda name: np.mean([c[name] for c in cells]))
    return best, np.array([c[one] - c[best] for c in cells])


def surely(cells, one, other):
    """The lower end of the interval of a lead, over seeds."""
    return bootstrap_interval(lead(cells, one, other)[1], rng=rng)[0]


claim("15.12", min(surely(table[what, s], "NTP-SVM", "frequencies")
                   for what in groups for s in ("late", "drawn")))

# %%
claim("15.13", surely(table["contexts", "early"], "frequencies", "NTP-SVM"))

# %%
claim("15.28", min(surely(table[what, "early"], "first steps", "NTP-SVM")
                   for what in groups))

# %%
others = [name for name in rival["drawn"]["words"] if name != "NTP-SVM"]
for what in groups:
    for s in ("late", "drawn"):
        best, by = lead(table[what, s], "NTP-SVM", *others)
        low, high = bootstrap_interval(by, rng=rng)
        print(f"{what:9s}{s:6s} NTP-SVM minus {best}: {by.mean():+.2f} "
              f"({low:+.2f} to {high:+.2f})")

# %%
claim("15.14", lead(table["contexts", "drawn"], "NTP-SVM", *others)[1].mean())

# %%
claim("15.15", lead(table["words", "drawn"], "NTP-SVM", *others)[1].mean())

# %%
other = [mantel(blocks(a, -1, "contexts"), blocks(b, -1, "contexts"), rng=rng)
         for a, b in zip(runs, slow)]
claim("15.26", max(test.p for test in other))

# %% [markdown]
# Read the table by columns.
#
# - *Early*, one prediction is good, that of the first steps, and it uses frequencies only. The balanced factors of
#   the joint distribution are not it: claim 15.13, which we had staked on them, fails. For contexts they lead in the
#   very first steps only, and at the stage that we had named even supports do better. What grows
#   is a hyperbolic cosine, of which $(M_0^\top M_0)^{1/2}$ is a poor picture. The *middle* is nobody's, though for words
#   frequencies come nearest.
# - *Late*, whatever has the pattern of the support does well, be its entries ones, probabilities or PMI. The balanced
#   joint distribution falls behind NTP-SVM on the true frequencies. On drawn counts, which are nearly the support, the two are level;
#   so claim 15.12 fails, by the words of the last column.
# - *NTP-SVM is not the best of those that know the supports.* The raw centred support leads it for contexts and for
#   words, on both draws (on the true frequencies the plain support does as well), by more than seeds can explain. The
#   rebuttal's sentence about $S^\top S$ describes these trained vectors better than the limit that the theory
#   derives.
# - On drawn counts the best candidate is close to the ceiling. On the true frequencies all are far below it: descent
#   has the loss and not yet the geometry.
#
# The same contest for the models that read, trained for longer, each from five seeds: correlations over pairs of different
# supports, with 95 % bootstrap intervals. *Early* is the first snapshot at which half of the excess loss is gone, *middle* where a
# twentieth is left, *late* the end. Compare the first three rows of a stage: the raw centred support stays in front of the proxy, and the proxy
# of NTP-SVM, also where a network reads. The mean of words follows no candidate far: its likenesses are those of its inputs
# ({ref}`ch-architecture`).
#
# :::{results} candidates
# :::
#
# Within a support? There NTP-SVM says one for all pairs, and only probabilities can tell contexts
# apart:

# %%
alike = np.triu(supports[:, None] == supports, 1)
for name, A in {"probabilities": labels.P, "log-odds": in_support_logits(labels)}.items():
    B = cosine_matrix(A.toarray())[alike]
    r = [np.corrcoef(cosines(run, -1, "contexts")[alike], B)[0, 1] for run in runs]
    print(f"pairs with equal supports, {name}: {np.mean(r):.2f}")

# %% [markdown]
# ### The exponent
#
# Is the theory wrong, or early? Raw and factored predictions differ in one thing. With $A = U\Sigma V^\top$ the Gram
# matrix of contexts is $V\Sigma^2V^\top$ if raw and $V\Sigma V^\top$ if factored; the first steps have an exponential
# in place of the power. So let the exponent vary: $V\Sigma^pV^\top$ and $U\Sigma^pU^\top$ for $L^{\mathrm{mm}}$. And
# to see where the limit is, put beside the trained vectors the exact minimisers with a ridge
# ({ref}`ch-sparse-plus-low-rank`), whose limit has $p = 1$ by theorem.

# %%
path = regularization_path(labels, np.geomspace(1e-3, 1e-6, 4), tol=1e-4)
U, s, V = np.linalg.svd(solution.L, full_matrices=False)
U, s, V = U[:, s > 1e-6 * s[0]], s[s > 1e-6 * s[0]], V[s > 1e-6 * s[0]]
exponents = np.linspace(0.5, 4, 29)


def fits(A, what):
    """The correlation of A with the geometry that has the p-th power of s."""
    X = V if what == "contexts" else U.T
    power = [between_groups(cosine_matrix(s[:, None]**(p / 2) * X), groups[what])
             for p in exponents]
    return np.array([off_diagonal_correlation(A, B) for B in power])


half = next(k for k, loss in enumerate(runs[0].loss)
            if 2 * loss <= runs[0].loss[0] + labels.entropy())
on_path = {point.lam: {
    "contexts": between_groups(cosine_matrix(point.H), supports),
    "words": between_groups(cosine_matrix(point.W.T), rows)} for point in path}
fitted = {}
for what in groups:
    fitted[what] = {name: np.mean([fits(blocks(run, k, what), what)
                                   for run in runs], axis=0)
                    for name, k in (("Adam, half of the way", half),
                                    ("Adam, the end", -1))}
    fitted[what] |= {f"ridge {path[i].lam:.0e}": fits(on_path[path[i].lam][what], what)
                     for i in (0, -1)}

# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 6.6), sharex=True)
for ax, what in zip(axes, groups):
    show_growth(ax, exponents, fitted[what], xlabel="", ylabel="correlation between groups")
    ax.axvline(1, color="#777777", linewidth=1)
    ax.axvline(2, color="#777777", linewidth=1)
    ax.set_title(what)
axes[1].legend().remove()
axes[1].set_xlabel("exponent p of the singular values of $L^{\\rm mm}$ in the Gram matrix")
plt.show()

# %% [markdown]
# *How well the p-th power of the singular values of $L^{\mathrm{mm}}$ predicts trained cosines (mean of five seeds)
# and those of two exact minimisers. Grey lines: $p = 1$, NTP-SVM, and $p = 2$, raw. All curves have their top to the
# right of one.*

# %%
best = {what: {name: exponents[np.argmax(fit)] for name, fit in curve.items()}
        for what, curve in fitted.items()}
for what in groups:
    print(what)
    for name, p in best[what].items():
        print(f"  {name:22s} best exponent {p:.2f}")
claim("15.30", min(b["ridge 1e-03"] - b["ridge 1e-06"] for b in best.values()))

# %%
end = on_path[path[-1].lam]
by = {name: {what: off_diagonal_correlation(end[what], rival["drawn"][what][name])
             for what in groups} for name in ("NTP-SVM", "centred support")}
claim("15.29", min(by["NTP-SVM"][what] - by["centred support"][what]
                   for what in groups))

# %% [markdown]
# Not wrong, early. On the exact path the best exponent comes down as the ridge vanishes, and is above one still at
# $10^{-6}$, where NTP-SVM has just drawn level with the raw centred support: claim 15.29 holds by a hair. The reason,
# we think: a ridge, like a short training, holds small singular values back more than large ones, and a spectrum steeper
# than that of the limit looks like a power above one. The trained vectors of this chapter stand about where the path
# stands at a large ridge. So our answer to "which candidate?" is: the supports, with an exponent near two that the path
# brings down towards one, about as slowly as its direction turns ({prf:ref}`prop-path-rates`).
#
# ## Does a larger overlap mean a larger cosine?
#
# A reviewer saw it in the heat maps and the paper says it. Take distinct supports, count their common words, and
# compare with the trained cosines, averaged over blocks and seeds.

# %%
D = S[:, np.unique(supports, return_index=True)[1]].astype(float)
k, overlap, pairs = D.sum(axis=0), D.T @ D, np.triu_indices(D.shape[1], 1)
formula = (overlap - np.outer(k, k) / labels.V) / np.sqrt(
    np.outer(k - k**2 / labels.V, k - k**2 / labels.V))
trained = [blocks(run, -1, "contexts") for run in runs]
claim("15.16", max(mantel(A, overlap, rng=rng, method="spearman").p
                   for A in trained))

# %% [markdown]
# `formula` is Proposition 1's cosine $(\lvert\mathcal S_j\cap\mathcal S_{j'}\rvert - k^2/V)/(k-k^2/V)$, written for
# two sizes $k_j$ and $k_{j'}$. It is nothing new: $\tilde S^\top\tilde S = S^\top S - \tfrac1V (S^\top\mathbf
# 1)(S^\top\mathbf 1)^\top$ has the entries $\lvert\mathcal S_j\cap\mathcal S_{j'}\rvert - k_jk_{j'}/V$, so that the
# formula is the cosine of the *centred supports*, one of the candidates above.

# %%
claim("15.17", np.abs(formula - cosine_matrix(centered_support(D > 0))).max())

# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 6.8))
jitter = np.random.default_rng(0).uniform(-0.2, 0.2, len(pairs[0]))
axes[0].plot(overlap[pairs] + jitter, average["contexts"][pairs], "o", color=CYCLE[0],
             alpha=0.5, ms=4)
axes[0].set(xlabel="words in common (with jitter)", ylabel="trained cosine")
colour = target["contexts"][pairs]
dots = axes[1].scatter(formula[pairs], average["contexts"][pairs], c=colour, s=18, cmap="viridis")
fig.colorbar(dots, ax=axes[1], label=r"cosine of $L^{\rm mm}$", pad=0.02)
axes[1].set(xlabel="Proposition 1's formula", ylabel="trained cosine")
plt.show()

# %% [markdown]
# *Each dot is a pair of distinct supports of simplified TinyStories; free vectors, mean of five seeds. Above: most
# pairs have no word in common, and their cosines differ all the same. Below: the same against the formula, coloured
# by what $L^{\mathrm{mm}}$ predicts.*
#
# What is left for $L^{\mathrm{mm}}$? First take the formula out of both sides (the partial correlation). Then look at
# disjoint supports only: their overlap is zero, the formula sees nothing but their sizes, and $L^{\mathrm{mm}}$ sees
# whether third supports link them.

# %%
def beyond(A, B, C):
    """The correlation of A and B over pairs when C is taken out of both."""
    ab, ac, bc = (off_diagonal_correlation(*two)
                  for two in ((A, B), (A, C), (B, C)))
    return (ab - ac * bc) / np.sqrt((1 - ac**2) * (1 - bc**2))


margin, disjoint = target["contexts"], np.triu(overlap == 0, 1)
print(f"{disjoint.sum()} of {len(pairs[0])} pairs of supports are disjoint")
for name, several in {"one seed": trained, "average of five": [average["contexts"]],
                      "path, ridge 1e-6": [end["contexts"]]}.items():
    r = [[beyond(A, margin, formula)]
         + [np.corrcoef(A[disjoint], B[disjoint])[0, 1] for B in (margin, formula)]
         for A in several]
    print("{:17s} NTP-SVM beyond the formula {:5.2f}; disjoint pairs: NTP-SVM "
          "{:.2f}, formula {:.2f}".format(name, *np.mean(r, axis=0)))

# %%
claim("15.18", np.mean([beyond(A, margin, formula) for A in trained]))

# %% [markdown]
# So the reviewer's question has a plain answer. Yes, a larger overlap means a larger cosine. And in vectors trained for
# so short a time that is all: claim 15.18 fails, for one seed and for the average of five, where noise is no excuse.
# NTP-SVM adds nothing to a formula that counts common words. On the path at a small ridge it adds much, also among
# disjoint supports. What the eye saw in the heat maps of such vectors was overlap.
#
# ## Acute and obtuse
#
# The paper's picture of a context: an acute angle to every word of its support, an obtuse one to every other. Signs
# can be counted.

# %%
def signs(W, H):
    """Shares acute in support, obtuse off it, off random ones; mean cosines."""
    L, W = center(W.astype(float) @ H), center(W.astype(float))
    blind = [np.mean(L[~rng.permuted(S, axis=0)] < 0) for _ in range(199)]
    angle = L / np.linalg.norm(W, axis=1)[:, None] / np.linalg.norm(H, axis=0)
    return *angle_signs(L, S), max(blind), angle[S].mean(), angle[~S].mean()


ends = {"proxy": [factor(centered_support(S))], "NTP-SVM": [(W_mm, H_mm)],
        "path, 1e-6": [(path[-1].W, path[-1].H)],
        "free vectors": [(run.W[-1], run.H[-1]) for run in runs]}
counted = {name: np.array([signs(W, H) for W, H in found])
           for name, found in ends.items()}
print("              acute in  obtuse off  off random   mean cosine")
print("              support   support     supports     in    off")
for name, found in counted.items():
    print("{:14s}{:6.2f}{:11.2f}{:12.2f}{:12.2f}{:7.2f}".format(
        name, *found.mean(axis=0)))

# %%
exact = {"proxy": centered_support(S), "NTP-SVM": solution.L}
not_acute = sum(np.sum(center(L)[S] <= 0) for L in exact.values())
claim("15.19", not_acute + np.sum(center(exact["proxy"])[~S] >= 0))

# %%
claim("15.20", counted["free vectors"][:, 0].min())

# %%
_, obtuse, blind, _, _ = counted["free vectors"].T
claim("15.21", min(obtuse - blind))

# %%
claim("15.22", np.mean(center(solution.L)[~S] >= 0))

# %% [markdown]
# The first half of the picture is right without exception: acute in support, and by a wide angle. The second is not
# what one sees in trained vectors. More than a third of the words off a support are at an acute angle to it. That the
# share of obtuse ones beats random supports (claim 15.21) is arithmetic: if all pairs in support are acute, the
# obtuse ones have to lie off it. Nor are the "obtuse" angles of the prediction obtuse to the eye: they are about
# three degrees beyond a right angle on average, and what is left of
# the start is enough to turn such a sign. Better words are *acute in support, and nearly right
# off it*.
#
# ## Not one language but many
#
# *Anecdotal*, the reviewer also said. Two languages are two anecdotes. Here are four families: random sets of a fixed
# size; sets drawn by Zipf's law; contexts of the King James Version; contexts of TinyStories, with their own counts.
# Fifteen to thirty-two contexts each, a vocabulary as it comes, $d=32$, 300 steps of Adam, nothing tuned.

# %%
kjv = SoftLabels.from_tokens(load_corpus("kjv"), context_length=5,
                             max_contexts=600, min_support=2)
stories = load_labels("tinystories-counts")


# %%
def sets(V, draw):
    """Soft labels of random supports, with counts from one to four."""
    D = from_sets([draw(V) for _ in range(rng.integers(15, 33))], V)
    D = np.unique(D[D.any(axis=1)], axis=1)
    return SoftLabels.from_counts(D * rng.integers(1, 5, size=D.shape))


def sample(text):
    """Some of the 250 most frequent contexts with two to eight next words."""
    sizes = text.support_sizes
    few = np.flatnonzero((sizes >= 2) & (sizes <= 8))[:250]
    return text.restrict(rng.choice(few, rng.integers(15, 33), replace=False))


def equal(V):
    k = rng.integers(2, 6)
    return sets(V, lambda V: rng.choice(V, k, replace=False))


def zipf(V):
    weight = 1 / np.arange(1, V + 1)
    return sets(V, lambda V: rng.choice(V, rng.integers(1, 7), replace=False,
                                        p=weight / weight.sum()))


families = {"equal sizes": equal, "Zipf's law": zipf,
            "King James": lambda V: sample(kjv),
            "TinyStories": lambda V: sample(stories)}


# %%
def trial(data):
    """Correlation and p: contexts, words; the proxy's gap; the rival's lead."""
    best, D = solve_ntp_svm(data.S, tol=1e-6), data.S.toarray()
    run = train_ufm(data, d=32, steps=300, lr=2e-2, optimizer="adam", rng=rng,
                    snapshots=2)
    of = best.inverse, np.unique(D, axis=0, return_inverse=True)[1].ravel()
    W, H = factor(best.L)
    A, B, C, raw = (between_groups(cosine_matrix(X), group) for X, group in (
        (run.H[-1], of[0]), (H, of[0]), (run.W[-1].T, of[1]),
        (centered_support(D), of[0])))
    contexts = mantel(A, B, rng=rng, permutations=199)
    words = mantel(C, between_groups(cosine_matrix(W.T), of[1]), rng=rng,
                   permutations=199)
    gap = np.linalg.norm(centered_support(D), "nuc") / best.primal - 1
    return (contexts.r, contexts.p, words.r, words.p, gap,
            off_diagonal_correlation(A, raw) - contexts.r)


many = {name: np.array([trial(draw(rng.integers(12, 31)))
                        for _ in range(SIZES["languages"])])
        for name, draw in families.items()}

# %%
print("below which a tenth, half and nine tenths of the languages lie")
print("             contexts         words            proxy's gap")
for name, found in many.items():
    low, mid, high = np.quantile(found, [0.1, 0.5, 0.9], axis=0)
    print(f"{name:12s} {low[0]:.2f} {mid[0]:.2f} {high[0]:.2f}   "
          f"{low[2]:.2f} {mid[2]:.2f} {high[2]:.2f}   "
          f"{low[4]:.1%} {mid[4]:.1%} {high[4]:.1%}")
ahead = np.mean([lead > 0 for found in many.values() for lead in found[:, 5]])
print(f"raw centred support ahead of NTP-SVM for contexts: {ahead:.0%}")

# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 5.6), sharex=True)
for ax, what, column in zip(axes, groups, (0, 2)):
    for i, found in enumerate(many.values()):
        x = np.sort(found[:, column])
        ax.plot(x, i + np.linspace(-0.3, 0.3, len(x)), "o", ms=4, color=CYCLE[i])
    ax.set_yticks(range(len(many)), list(many))
    lowest = min(0, *(f[:, [0, 2]].min() for f in many.values()))
    ax.set(title=what, xlim=(lowest - 0.02, 1))
    ax.invert_yaxis()
axes[1].set_xlabel("correlation with NTP-SVM between groups")
plt.show()

# %% [markdown]
# *Every dot is a language: the correlation of trained cosines with those of $L^{\mathrm{mm}}$ between distinct
# supports (above) and distinct rows (below), sorted within its family.*

# %%
claim("15.23", min(np.mean(found[:, 1] <= 0.05) for found in many.values()))

# %%
claim("15.24", max(found[:, 4].max() for found in many.values()))

# %%
claim("15.25", min(np.quantile(found[:, 0], 0.1) for found in many.values()))

# %% [markdown]
# Every family passes, and the spread is wide: a single heat map from the upper end would have shown too much, one
# from the lower end too little. Supports of text are the harder ones: they share few words, and leave the prediction
# few pairs to be right about. And the raw centred support is ahead of NTP-SVM in
# most languages: that was not an accident of the first.
#
# ## What a reader should report
#
# ```{admonition} Before writing "the two geometries agree"
# :class: important
#
# 1. **Leave out the diagonal.** If you must not, print its floor, $\cos\alpha\cos\beta$ of {prf:ref}`lem-two-kinds`
#    (`group_floor`), beside the score.
# 2. **One item for one independent thing.** Merge contexts with equal supports and words with equal rows
#    (`between_groups`) before correlating, and report collapse separately.
# 3. **Shuffle items** (`mantel`), not pairs, for the p-value; and remember that p only says "not chance", and that
#    fewer than seven items have not a thousand orders.
# 4. **Pearson and ranks.** If they differ, a few pairs carry the agreement: say which.
# 5. **At least five seeds**: an interval of the score, and the correlation of two seeds, whose root is the ceiling.
# 6. **A rival.** The formula with counts of common words costs nothing and is hard to beat.
# 7. **More than one language**, with quantiles.
# ```
#
# ## What to take away
#
# - The authors' structural correlation gives $d/(d+n)$ to unrelated vectors, because diagonals agree; so does CKA.
#   Equal supports are a second diagonal.
# - Without both, trained contexts and words still follow the prediction from supports, in every seed, far beyond
#   chance, and most of the way to the ceiling that noise sets.
# - In short training it is overlap that is visible: the raw centred support predicts better than NTP-SVM, and what
#   NTP-SVM knows beyond it appears when a ridge is nearly gone.
# - In support acute; off support, nearly a right angle.
#
# ## What this does not show
#
# - *Long training.* A thousand steps of Adam are few, and the full scale was not run here. The exact path says where
#   longer training would have to go if it followed the path; that it does is not proved.
# - *Independence of languages.* Seeds vary, the language of the five-seed runs does not; the many languages are small.
# - *Large readers.* The reader here is a small perceptron. {ref}`ch-architecture` has the others, {ref}`ch-passages`
#   real text.
#
# ## Exercises
#
# 1. Two matrices of cosines, $n=16$, have off the diagonal mean zero and standard deviation $\tfrac18$ each, and are
#    *exactly opposite* there, $r=-1$. What is the structural correlation?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    $\tan\alpha = \tan\beta = \sqrt{16}\cdot\tfrac18 = \tfrac12$, so $\cos^2\alpha = \tfrac45$ and
#    $\sin^2\alpha=\tfrac15$: the lemma gives $\cos\alpha\cos\beta - \sin\alpha\sin\beta = \tfrac35$, times $1-1/256$. Two
#    geometries that contradict each other in every pair score 0.6.
#    ```
#
# 2. Two seeds correlate like $\rho$. You average the cosines of $k$ seeds. What is the ceiling now? How many seeds
#    lift it from 0.86 to 0.96?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    Averaging leaves $T$ and divides the variance of the noise by $k$: with $\operatorname{var}T = \rho$ and noise
#    $1-\rho$, the ceiling is $\sqrt{\rho/(\rho+(1-\rho)/k)}$. For $\rho = 0.74$ five seeds are enough.
#    ```

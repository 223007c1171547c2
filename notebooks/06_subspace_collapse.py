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
# (ch-subspace-collapse)=
# # Subspace collapse
#
# In our children's stories "there lived a little" is followed by *girl* or *boy* and by nothing else. So is "a little 3 year
# old", in other proportions. Must a model that learns to predict these stories give the two contexts one vector? They are
# not the same context and not the same distribution; what they share is the *set* of words that can come next. This chapter
# shows what becomes equal in the limit, how fast, and what cannot become equal however long one trains; and which directions
# of space one has to leave out to see a clean collapse.
#
# *Fifteen minutes to read, about ten seconds to run on one CPU core. No GPU is used.*

# %% tags=["colab-install", "remove-cell"]
# In Colab the published copy of this notebook installs ntputils here.

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import spearmanr

from ntputils import (SoftLabels, claim, collapse_ratio, factor, is_unique,
                      load_labels, ntp_gradient, project_F_perp, project_leading,
                      regularization_path, scale, session, softmax, solve_ntp_svm,
                      train_ufm)
from ntputils.plots import show_growth, show_matrix, style

SEED = 20240822
rng = np.random.default_rng(SEED)
style()

# %% tags=["remove-input"]
session()

# %% [markdown]
# The two scales differ in how many contexts of each support are kept, and in the steps of plain training.

# %%
EACH, STEPS = {"small": (4, 20_000), "full": (5, 200_000)}[scale()]
print(f"{EACH} contexts a support, {STEPS} steps")

# %% [markdown]
# ## Contexts that share a support
#
# From the counts of TinyStories {cite}`eldan2023tinystories` we take five-token contexts that occur at least four times and
# are followed by two to five words, no punctuation. We keep the supports that at least five such contexts share, and of
# each its most frequent contexts.

# %%
def shared_supports(labels, each, least=5):
    """The `each` most frequent contexts of every support that `least` share."""
    occurrences, groups = np.rint(labels.pi * labels.n), {}
    words = np.array([token.isalpha() for token in labels.vocab])
    for j in np.flatnonzero((occurrences >= 4) & (labels.support_sizes >= 2)
                            & (labels.support_sizes <= 5)):
        support = labels.S[:, [j]].indices
        if words[support].all():
            groups.setdefault(tuple(support), []).append(j)
    groups = [group for group in groups.values() if len(group) >= least]
    groups.sort(key=len, reverse=True)
    return labels.restrict(np.concatenate([group[:each] for group in groups]))


text = shared_supports(load_labels("tinystories-counts"), EACH)
_, supports, _ = text.merge_supports()  # the number of each context's support
names = ["/".join(text.vocab[z] for z in text.S[:, [j]].indices)
         for j in np.unique(supports, return_index=True)[1]]
for k, name in enumerate(names):
    own = np.flatnonzero(supports == k)
    p = text.P[:, own].toarray()[text.vocab.index(name.split("/")[0])]
    odds = " ".join(f"{x:.2f}" for x in p)
    print(f"{name:12s} {text.context(own[0]):26s} first word: {odds}")

# %% [markdown]
# Fourteen supports, and within each the probabilities differ widely. We train as in {ref}`chapter 3 <ch-words-to-logits>`, by the exact
# regularisation path, from a ridge of a thousandth to one of $10^{-10}$, and look at the cosines between contexts.

# %%
path = regularization_path(text, np.geomspace(1e-3, 1e-10, 8), tol=1e-9)
print("all certified to 1e-8:", max(point.residual for point in path) < 1e-8)


def cosines(X):
    """Cosines between the columns of X."""
    X = X / np.linalg.norm(X, axis=0)
    return X.T @ X


# %% tags=["remove-input"]
fig, axes = plt.subplots(1, 2, figsize=(6.8, 3.7), sharey=True)
for ax, point in zip(axes, (path[0], path[-1])):
    exponent = int(round(np.log10(point.lam)))
    show_matrix(ax, cosines(point.H), limit=1, signed=True,
                title=f"$\\lambda = 10^{{{exponent}}}$")
axes[0].images[0].colorbar.remove()
ticks = EACH * np.arange(len(names)) + (EACH - 1) / 2
axes[0].set_yticks(ticks, names)
plt.show()

# %% [markdown]
# *Cosines between the contexts, with equal supports side by side. At a large ridge (left) probabilities show: rows of one
# block differ. At a small one (right) each block has one colour, on the diagonal and off it; to the eye, all is collapsed.
# Numbers will say that it is not, quite.*
#
# ## In the limit: one point
#
# What the blocks tend to has been proved. By {prf:ref}`prop-quotient` contexts with equal supports have equal columns in
# *every* solution of NTP-SVM, and words with equal rows of $S$ have equal rows. The geometry follows:
#
# ```{prf:corollary} Equal supports, one point
# :label: cor-one-point
#
# Let $L^{\mathrm{mm}} = WH$ be a balanced factorisation of any solution of NTP-SVM. If $\mathcal S_j = \mathcal S_{j'}$,
# then $h_j = h_{j'}$; if tokens $z, z'$ follow the same contexts, then $w_z = w_{z'}$. If $k_j < V$, then $h_j \ne 0$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# $\|h_j - h_{j'}\|^2 = x^\top (L^\top L)^{1/2}x$ with $x = e_j - e_{j'}$ ({prf:ref}`cor-gram`), and $Lx = 0$ puts $x$ in the
# kernel of $L^\top L$ and of its root. For words transpose. And $h_j = 0$ would make column $j$ zero, which it is not
# ({prf:ref}`prop-centred`).
# ```
#
# That is the limit of the *direction*. Nobody trains for ever, the vectors grow all the time, and the probabilities, which
# the limit does not know, have to be somewhere. So: how far are $h_j$ and $h_{j'}$ apart at a given ridge?
#
# ## Twins, by hand
#
# Three tokens: *girl*, *boy*, *barked*. Three contexts, equally frequent: "a little" with probabilities $(0.7, 0.3, 0)$, "a
# young" with $(0.3, 0.7, 0)$, "the dog" with $(0, 0, 1)$. Exchange *girl* with *boy* and "a little" with "a young": the
# problem is the same. Its minimiser at ridge $\lambda$ is unique ({prf:ref}`thm-convex`), so it has this symmetry too, and its
# columns have mean zero:
#
# $$
# L_\lambda = b \begin{pmatrix} 1\\-1\\0\end{pmatrix}\begin{pmatrix} 1&-1&0\end{pmatrix} + L_\lambda' ,
# $$
#
# where the first two rows of $L_\lambda'$ are equal, and its first two columns. The two parts share no direction on either side. So $2b$ is a singular value of $L_\lambda$, with both singular vectors $(1,
# -1, 0)/\sqrt2$, and by {prf:ref}`cor-gram`
#
# $$
# \|h_1 - h_2\|^2 = 4b = \|w_1 - w_2\|^2 .
# $$
#
# After "a little" the log-odds of *girl* are $2b$. They must tend to those of the data, $\log\tfrac73$. So both squared
# distances tend to $2\log\tfrac73 \approx 1.69$, and **not to zero**. The vectors grow, so that the *angle* closes. The
# difference stays.
#
# Now tell the twins apart: two more contexts, "she is a" always followed by *girl*, "he is a" by *boy*.

# %%
twins = SoftLabels.from_counts([[7, 3, 0], [3, 7, 0], [0, 0, 10]])
apart = SoftLabels.from_counts([[7, 3, 0, 10, 0], [3, 7, 0, 0, 10],
                                [0, 0, 10, 0, 0]])
ridges = np.geomspace(1e-3, 1e-12, 10)
worlds = {"twins": twins, "told apart": apart}
paths = {name: regularization_path(world, ridges, tol=1e-9)
         for name, world in worlds.items()}
squared = {name: np.sum((points[7].H[:, 0] - points[7].H[:, 1])**2)
           for name, points in paths.items()}
for name, value in squared.items():
    print(f"squared distance at lambda = 1e-10, {name}: {value:.4f}")
claim("6.5", abs(squared["twins"] / (2 * np.log(7 / 3)) - 1))

# %% [markdown]
# With two contexts more the same two distributions come to lie close together. Watch both along the path, against the size
# of the logits $\|L_\lambda\|_*/\|L^{\mathrm{mm}}\|_*$, which grows like $R =
# \log(1/\lambda)$.

# %%
def size(points, labels):
    """How large the logits are, in units of the largest-margin solution."""
    norms = [np.linalg.norm(point.L, "nuc") for point in points]
    return np.array(norms) / solve_ntp_svm(labels.S).primal


def first_two(points):
    """Distance, and one minus the cosine, of the first two contexts."""
    gaps = [np.linalg.norm(p.H[:, 0] - p.H[:, 1]) for p in points]
    return np.array(gaps), np.array([1 - cosines(p.H)[0, 1] for p in points])


sizes = {name: size(paths[name], worlds[name]) for name in worlds}
measured = {name: first_two(paths[name]) for name in worlds}

# %% tags=["remove-input"]
fig, axes = plt.subplots(1, 2, figsize=(7.2, 3.4))
ylabels = ("$\\|h_1 - h_2\\|$", "$1 - \\cos(h_1, h_2)$")
slopes = {"twins": (0, -1), "told apart": (-0.5, -2)}
for k, (ax, ylabel) in enumerate(zip(axes, ylabels)):
    for (name, x), mark, color in zip(sizes.items(), "os", ("C0", "C1")):
        y = measured[name][k]
        ax.plot(x, y, mark, color=color, label=name)
        guide = y[-1] * (x / x[-1]) ** slopes[name][k]
        ax.plot(x, guide, "--", color=color, linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="size of the logits", ylabel=ylabel)
    ax.set_xticks([6, 10, 20], ["6", "10", "20"])
    ax.xaxis.set_minor_formatter("")
axes[0].set_yticks([0.2, 0.5, 1], ["0.2", "0.5", "1"])
axes[0].yaxis.set_minor_formatter("")
axes[0].legend(loc="lower left")
plt.show()

# %% [markdown]
# *Two contexts with equal supports and different probabilities, as the ridge falls from $10^{-3}$ to $10^{-12}$; both axes
# logarithmic. Left, the distance: constant for the twins, falling like $R^{-1/2}$ where the words are told apart. Right, one
# minus the cosine: like $R^{-1}$ and like $R^{-2}$. The dashed lines have exactly these slopes.*
#
# Both collapse in angle. Is this the whole story?

# %%
def slope(x, y):
    """The slope of log y against log x."""
    return np.polyfit(np.log(x), np.log(y), 1)[0]


late = ridges <= 1.001e-6
told, (distance, angle) = sizes["told apart"], measured["told apart"]
claim("6.6", slope(told[late], distance[late]))

# %%
claim("6.7", slope(told[late], angle[late]))

# %%
claim("6.8", slope(sizes["twins"][late], measured["twins"][1][late]))

# %% [markdown]
# ## How far apart, at most
#
# Write $R = \log(1/\lambda)$. From {ref}`chapter 5 <ch-sparse-plus-low-rank>` we need the first part of this lemma, and how lengths grow.
#
# ```{prf:lemma} Lengths on the path
# :label: lem-path
#
# Let $d \ge \min(V-1, m)$, some $k_j < V$ and $q = \operatorname{softmax}(L_\lambda)$.
#
# 1. $|q_{zj} - \hat p_{zj}| \le \lambda/\hat\pi_j$ for all tokens and contexts, and $\|L_\lambda\|_* = O(R)$ as $\lambda \to 0$.
# 2. If $k_j < V$, then $\|h_j\|^2$ stays between two positive multiples of $R$ for small $\lambda$, and so does $\|w_z\|^2$ for $z \in
#    \mathcal S_j$. If $\mathcal S_j = \mathcal S_{j'}$ besides, then $\|h_j\|/\|h_{j'}\| \to 1$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# 1. {prf:ref}`prop-path-identity` and {prf:ref}`thm-path`.
# 2. By {prf:ref}`thm-path` all limit points of $L_\lambda/R$ are solutions of NTP-SVM. So those of $H^\top H/R = (L_\lambda^\top
#    L_\lambda)^{1/2}/R$ are $(L^\top L)^{1/2}$ with $L$ a solution. The solutions form a compact set, and on it the diagonal
#    entry $j$ is positive, and equal for equal supports ({prf:ref}`cor-one-point`). For words, $WW^\top = (L_\lambda
#    L_\lambda^\top)^{1/2}$, and $L_{zj} > 0$ in every solution, because column $j$ sums to zero and has a margin.
# ```
#
# Let $Q_c$ average columns over contexts with equal supports, and $Q_r$ average rows over tokens with equal rows of $S$. Write $\bar
# h_j$ and $\bar w_z$ for the averages of vectors. The *log joint probabilities* are
#
# $$
# M_{zj} = \log(\hat\pi_j \hat p_{zj}) \text{ on the supports, } 0 \text{ off them.}
# $$
#
# ```{prf:theorem} Scatter stays bounded
# :label: thm-scatter
#
# Let $d \ge \min(V-1, m)$, some $k_j < V$. As $\lambda \to 0$, minimisers of the ridge-regularised loss ({prf:ref}`def-ridge`) have
#
# $$
# \tfrac12\sum_z\|w_z - \bar w_z\|^2 + \tfrac12\sum_j\|h_j - \bar h_j\|^2 \;\le\; \big\|M - Q_r M Q_c\big\|_* + O(\lambda) .
# $$
#
# The second term alone is at most $\|M - MQ_c\|_* + O(\lambda)$, the first at most $\|M - Q_rM\|_* + O(\lambda)$. So contexts with
# equal supports, $k_j < V$, have $1 - \cos(h_j, h_{j'}) = O(1/R)$, and so have words with equal rows (if in some support with $k_j <
# V$).
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# Take the minimiser $L = WH$ and compare it with
#
# $$
# L' = Q_r L Q_c + N, \qquad N = M - Q_r M Q_c .
# $$
#
# *Its norm.* $\|L'\|_* \le \tfrac12\|Q_rW\|_F^2 + \tfrac12\|HQ_c\|_F^2 + \|N\|_*$ ({prf:ref}`prop-nuclear`), and
# $\|W\|_F^2 - \|Q_rW\|_F^2 = \|W - Q_rW\|_F^2$ is the first sum of the theorem, $\|H\|_F^2 - \|HQ_c\|_F^2$ the second.
#
# *Its loss.* Let $s_j$ and $m_j$ be the means of column $j$ of $L$ and of $M$ on the support. By {prf:ref}`lem-path`, $L_{zj} =
# s_j + M_{zj} - m_j + O(\lambda)$ on the support. So there $L'_{zj} = M_{zj} + \overline{s - m} + O(\lambda)$, where the bar
# averages over contexts with the support of $j$: within the support, $L'$ has the ratios of the data up to $O(\lambda)$,
# which costs $O(\lambda^2)$. As $\sum_{\mathcal S_j} e^{M_{zj}} = \hat\pi_j$, the odds $\rho_{vj}$ of token $v \notin \mathcal
# S_j$ against the support satisfy
#
# $$
# \hat\pi_j\rho_{vj} = e^{L_{vj} - s_j + m_j}(1 + O(\lambda)), \qquad
# \hat\pi_j\rho'_{vj} = e^{\overline{L_{vj} - s_j + m_j}}(1 + O(\lambda)),
# $$
#
# where the bar in the exponent averages over the tokens like $v$ and the contexts like $j$ (none of these pairs is in support;
# $M$ and its average vanish there). The right is the geometric mean of the left. Sum over the tokens and contexts
# averaged: the geometric mean is at most the arithmetic, so $\sum_{v,j}\hat\pi_j\rho'_{vj} \le (1 + O(\lambda))\sum_{v,j}\hat\pi_j
# \rho_{vj}$. With $\rho_j = \sum_v\rho_{vj} = O(\lambda)$ the loss of a context exceeds its entropy by $\log(1 + \rho_j)$ and
# what is lost within the support. So $\mathrm{CE}(L') \le \mathrm{CE}(L) + O(\lambda^2)$.
#
# *Together.* $L$ minimises: $\mathrm{CE}(L) + \tfrac\lambda2(\|W\|_F^2 + \|H\|_F^2) \le \mathrm{CE}(L') + \lambda\|L'\|_*$
# ({prf:ref}`thm-convex`). Insert both, divide by $\lambda$. Put the identity for $Q_r$ or for $Q_c$ to get one term alone. For the
# angle, $\|a - b\|^2 = (\|a\| - \|b\|)^2 + 2\|a\|\|b\|(1 - \cos)$ gives $1 - \cos \le \|a - b\|^2/(2\|a\|\|b\|)$, and the
# norms grow by {prf:ref}`lem-path`.
# ```
#
# For the twins the bound is an equality in the limit: $\|M - Q_rMQ_c\|_* = \log\tfrac73$, and each of the two
# terms tends to half of it. Where
# equal supports carry equal joint probabilities the bound for contexts alone is zero. On the real text it holds with room. Below, the largest
# share of its bound that each scatter reaches for $\lambda \le 10^{-6}$: contexts alone, words alone, and both together.

# %%
def averager(classes):
    """The projector that averages over equal classes."""
    same = classes[:, None] == classes
    return same / same.sum(axis=0)


def averagers(labels):
    """Q_c for the contexts and Q_r for the words."""
    S = labels.S.toarray()
    return [averager(np.unique(A, axis=0, return_inverse=True)[1].ravel())
            for A in (S.T, S)]


def bounds(labels):
    """What the theorem allows the scatter of contexts, of words, and of both."""
    P, (Q_c, Q_r) = labels.P.toarray(), averagers(labels)
    M = np.log(np.where(P > 0, P * labels.pi, 1))
    rests = M - M @ Q_c, M - Q_r @ M, M - Q_r @ M @ Q_c
    return np.array([2 * np.linalg.norm(rest, "nuc") for rest in rests])


def scatters(point, labels):
    """The scatter of contexts within supports, of words within rows; the sum."""
    Q_c, Q_r = averagers(labels)
    contexts = np.sum((point.H - point.H @ Q_c)**2)
    words = np.sum((point.W - Q_r @ point.W)**2)
    return np.array([contexts, words, contexts + words])


problems = {"real text": (text, path), "twins": (twins, paths["twins"]),
            "told apart": (apart, paths["told apart"])}
shares = []
for name, (labels, points) in problems.items():
    allowed = np.maximum(bounds(labels), 1e-9)  # zero where no words are doubles
    small = [scatters(p, labels) / allowed for p in points if p.lam <= 1.001e-6]
    shares.append(np.max(small, axis=0))
    print(f"{name:11s}" + " ".join(f"{share:.2f}" for share in shares[-1]))
claim("6.3", max(share[0] for share in shares))

# %%
claim("6.4", max(share[1] for share in shares))

# %% [markdown]
# And the first part of {prf:ref}`lem-path`: the largest share of its allowance $\lambda/\hat\pi_j$ that the error of a probability
# takes, on the same problems, at every ridge.

# %%
claim("6.15", max(np.max(np.abs(softmax(p.L) - labels.P.toarray()) * labels.pi) / p.lam
                  for labels, points in problems.values() for p in points))

# %% [markdown]
# ## What must stay apart
#
# Why did the twins not collapse? The reason is one line, and needs neither ridge nor limit.
#
# ```{prf:proposition} An uncertainty relation
# :label: prop-apart
#
# In every log-bilinear model, for two tokens $z, z'$ and two contexts $j, j'$,
#
# $$
# \langle w_z - w_{z'},\; h_j - h_{j'}\rangle = \log\frac{q_{zj}}{q_{z'j}} - \log\frac{q_{zj'}}{q_{z'j'}} =: \kappa_q ,
# $$
#
# so $\|w_z - w_{z'}\|\cdot\|h_j - h_{j'}\| \ge |\kappa_q|$. On the path ($d \ge \min(V-1, m)$), let $\mathcal S_j =
# \mathcal S_{j'} \ni z, z'$, $k_j < V$, and let $\kappa$, the same difference for the data, not be zero. Then for some $c > 0$ and all small $\lambda$
#
# 1. $\|h_j - h_{j'}\| \ge c\,R^{-1/2}$ and $1 - \cos(h_j, h_{j'}) \ge c\,R^{-2}$.
# 2. If moreover $z$ and $z'$ follow the same contexts: $\|h_j - h_{j'}\| \ge c$ and $1 - \cos(h_j, h_{j'}) \ge c\,R^{-1}$. With
#    {prf:ref}`thm-scatter`, both orders are exact.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# The identity: logits of a context differ by log-odds. The inequality: Cauchy and Schwarz. On the path $\kappa_q \to \kappa$.
# Put $u = w_z - w_{z'}$. Always $\|u\| \le 2\|W\|_2 = 2\|L_\lambda\|_2^{1/2} = O(\sqrt R)$ ({prf:ref}`lem-path`); for equal
# rows $\|u\| = O(1)$ ({prf:ref}`thm-scatter`). This gives the distances.
#
# For the angle let $a, b$ be the unit vectors along $h_j, h_{j'}$ and $\ell_j = \log(q_{zj}/q_{z'j}) = \langle u, h_j\rangle$.
# Then
#
# $$
# \|u\|\,\|a - b\| \ge |\langle u, a - b\rangle| = \Big|\frac{\ell_j}{\|h_j\|} - \frac{\ell_{j'}}{\|h_{j'}\|}\Big| =
# \frac{|\kappa| + o(1)}{\|h_j\|} ,
# $$
#
# because $\|h_j\|/\|h_{j'}\| \to 1$. As $\|h_j\|^2$ is of order $R$, $1 - \cos = \tfrac12\|a - b\|^2 \ge c/(R\|u\|^2)$.
# ```
#
# So words and contexts cannot both collapse while their probabilities differ: what one side does not say, the other must. No
# encoder gets around it, since nothing but the last layer is used. Here is the product of the distances over $|\kappa|$, for
# all pairs of contexts with equal supports and all pairs of tokens in them:

# %%
def products(point, labels):
    """Distance of words times distance of contexts, over |kappa|."""
    P, classes, found = labels.P.toarray(), labels.merge_supports()[1], []
    for j, k in zip(*np.nonzero(np.triu(classes[:, None] == classes, 1))):
        far = np.linalg.norm(point.H[:, j] - point.H[:, k])
        odds = np.log(P[P[:, j] > 0, j] / P[P[:, j] > 0, k])
        words = point.W[P[:, j] > 0]
        for a, b in zip(*np.triu_indices(len(odds), 1)):
            if abs(odds[a] - odds[b]) > 1e-6:
                apart = np.linalg.norm(words[a] - words[b])
                found.append(apart * far / abs(odds[a] - odds[b]))
    return np.array(found)


tight = [products(point, text) for point in path if point.lam <= 1.001e-6]
print(f"{tight[-1].size} products; within a fifth of the bound "
      f"at the last ridge: {np.mean(tight[-1] < 1.2):.0%}")
claim("6.2", min(found.min() for found in tight))

# %% [markdown]
# ## The appropriate subspace
#
# The paper's abstract speaks of a collapse "when projected onto an appropriate subspace" {cite}`zhao2024implicit`. Which one? For
# the twins, the part that refuses to collapse lies along one direction, whose singular value stays at $2b$ while others grow. So
# keep the directions that grow.
#
# ```{prf:proposition} The growing subspace
# :label: prop-growing
#
# Let $T_r$ project $\mathbb R^d$ on the $r$ leading singular directions of $H$ (equal to those of $W$). For all contexts, all
# $r \le \operatorname{rank} L_\lambda$ and every $\lambda$,
#
# $$
# \|T_r(h_j - h_{j'})\|^2 \le \frac{\|L_{:,j} - L_{:,j'}\|^2}{\sigma_r(L_\lambda)} .
# $$
#
# 1. Let exactly $r$ singular values grow like $R$, the others staying $o(R)$. If $\mathcal S_j = \mathcal S_{j'}$, $k_j < V$,
#    and the logits of the two contexts differ by a bounded amount, then $\|T_r(h_j - h_{j'})\| = O(R^{-1/2})$ and $1 -
#    \cos(T_rh_j, T_rh_{j'}) = O(R^{-2})$.
# 2. If $\tilde S$ has rank $V - 1$ and its polar factor is negative off the supports, all this holds without a projection.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# With $L_\lambda = U\Sigma V^\top$ and $x = e_j - e_{j'}$, $\|T_rHx\|^2 = \sum_{i\le r}\sigma_i(v_i^\top x)^2 \le
# \sigma_r^{-1}\sum_{i\le r}\sigma_i^2(v_i^\top x)^2 \le \|Lx\|^2/\sigma_r$.
#
# 1. The distance follows. What $T_r$ leaves out has squared length $o(R)$, so $\|T_rh_j\|^2$ still grows like $R$, and $1 - \cos
#    \le \|a-b\|^2/(2\|a\|\|b\|)$.
# 2. Let $\Lambda$ be the polar factor: it is dual-feasible and optimal ({prf:ref}`thm-duality`), and as it is negative
#    wherever it may be, all margins of every solution are one: $\tilde S$ is the only solution. So $L_\lambda/R \to
#    \tilde S$, all $V - 1$ singular values grow, and since columns sum to zero there are no others. Then $-\nabla
#    \mathrm{CE}(L_\lambda)/\lambda$, a subgradient of the norm with columns summing to zero, is the polar factor of $L_\lambda$ and
#    tends to $\Lambda$. Its entry off the support is $-q_{vj}\hat\pi_j/\lambda$. So $L_{vj} - s_j$, with $s_j$ the mean
#    on the support, is $\log\lambda$ plus a convergent term, and centring gives $s_j$: columns of equal supports differ by
#    a convergent amount.
# ```
#
# "Told apart" is such a case ($\tilde S$ has rank $2 = V-1$); so are the worlds of {prf:ref}`thm-flat`. In general we have no
# proof that the logits of two contexts with equal supports stay within a bounded distance ({prf:ref}`thm-scatter` gives
# $O(\sqrt R)$). Numerically they did in every problem that we solved; here is the real text, from $10^{-4}$ on:

# %%
j, k = np.nonzero(np.triu(supports[:, None] == supports, 1))
far = [np.linalg.norm(p.L[:, j] - p.L[:, k], axis=0).max() for p in path[1:]]
print("largest distance of logits:", " ".join(f"{x:.1f}" for x in far))

# %% [markdown]
# Now the inequality, for all such pairs, all $r$ and every ridge. (Where both sides are zero up to rounding, as for contexts with
# equal distributions and frequencies, there is nothing to compare, and the pair is left out.)

# %%
worst = 0.0
for labels, points in problems.values():
    _, classes, _ = labels.merge_supports()
    j, k = np.nonzero(np.triu(classes[:, None] == classes, 1))
    for p in points:
        s = np.linalg.svd(p.L, compute_uv=False)
        for r in range(1, np.sum(s > 1e-6 * s[0]) + 1):
            kept = project_leading(p.H, r)
            left = np.sum((kept[:, j] - kept[:, k])**2, axis=0)
            right = np.sum((p.L[:, j] - p.L[:, k])**2, axis=0) / s[r - 1]
            differ = right > 1e-12  # equal up to rounding: nothing to compare
            worst = max(worst, np.max(left[differ] / right[differ]))
claim("6.1", worst)

# %% [markdown]
# Then the real text. Which singular values grow? We compare those at $10^{-10}$ with those at $10^{-6}$.

# %%
spectra = np.array([np.linalg.svd(p.L, compute_uv=False) for p in path])
grows = spectra[-1] > 1.5 * spectra[3]
r = int(np.sum(grows & (spectra[-1] > 0.5)))
for k in (3, 5, 7):
    largest = " ".join(f"{s:.0f}" for s in spectra[k][:11])
    others = " ".join(f"{s:.1f}" for s in spectra[k][11:14])
    print(f"lambda = 1e-{k + 3:02d}: {largest} {others}")
growth = spectra[-1, :r + 3] / spectra[3, :r + 3]
print(f"factor of growth: {growth[:r].min():.2f} or more for the first {r}, "
      f"{growth[r:].max():.2f} or less for the others")

# %% [markdown]
# Eleven grow; three stay where they are, as for twins. Which words are behind these? Three pairs follow exactly the same
# contexts: no other context tells *girl* from *boy*, *i* from *we*, *said* from *says*.

# %%
S = text.S.toarray()
rows = np.unique(S, axis=0, return_inverse=True)[1].ravel()
for k in np.flatnonzero(np.bincount(rows) > 1):
    print("equal rows:", [text.vocab[z] for z in np.flatnonzero(rows == k)])

# %% [markdown]
# The cut is at a gap: any factor between 1.01 and 1.7 gives the same eleven. But it is read off this path, and need not be the rank
# of the limit. Is the solution of NTP-SVM unique here ({ref}`chapter 9 <ch-unique>`), and what is its rank? And how near is the path
# to using one direction more? It uses those where $-\nabla\mathrm{CE}/\lambda$ has a singular value of one, and no others
# ({prf:ref}`thm-certificate`); so we look at the next.

# %%
verdict, exact = is_unique(text.S), solve_ntp_svm(text.S)
tail = np.linalg.svd(exact.L, compute_uv=False)[r - 1:r + 2]
print(f"one solution: {verdict.unique}; singular values {r} to {r + 2}:",
      " ".join(f"{s:.2f}" for s in tail))
ascent = [np.linalg.svd(ntp_gradient(p.L, text) / p.lam, compute_uv=False)
          for p in path]
print("next singular value of the gradient over lambda:",
      " ".join(f"{ascent[k][r + 3]:.2f}" for k in (3, 5, 7)))


def gain(rank):
    """Collapse ratio after the projection over that before, last ridge."""
    kept = project_leading(path[-1].H, rank)
    return collapse_ratio(kept, supports) / collapse_ratio(path[-1].H, supports)


print(f"collapse after over before: {gain(r):.2f} with {r} directions, "
      f"{gain(r + 1):.2f} with {r + 1}")

# %% [markdown]
# There is one solution, by that certificate in floating point, and it has rank *twelve*. So a twelfth singular value
# must grow in the end ({prf:ref}`thm-path`). At $10^{-10}$ the path does not use that direction at all: the number in the second
# line rises towards one and is not there yet. What comes twelfth in size meanwhile is a direction of twins. The last line, whose
# *collapse ratio* is defined next, shows what hangs on this: with eleven directions the projection more than halves the ratio, as
# claim 6.10 asks, and with the twelve of the exact solution it would not. **We settled on eleven after seeing twelve fail.** The
# reason to keep eleven is their growth, which {prf:ref}`prop-growing` asks for; the rank of a limit that no ridge here comes near
# is no guide. But a choice made after a look is weaker evidence than one made before, and growth is no rule for all texts. In the
# King James Version, contexts chosen alike, it lets in directions that have only begun to rise, and the projection gains nothing;
# there the rank of the solution does what eleven does here.
#
# How collapsed are the contexts? One number says it:
#
# ```{prf:definition} Collapse ratio
# :label: def-collapse-ratio
#
# For vectors $x_1, \dots, x_m$ in classes, with means $\bar x_j$ of the class of $j$ and $\bar x$ of all,
#
# $$
# \sum_j\|x_j - \bar x_j\|^2 \;\Big/\; \sum_j\|\bar x_j - \bar x\|^2 .
# $$
# ```
#
# It is zero where each class is one point; it is the first measure of neural collapse {cite}`papyan2020prevalence` with the class
# free to choose. We take *class = support*. The theory says: before projection like $1/R$ (twins), after it like $1/R^2$.

# %%
def ratios(points):
    """The collapse ratio by support, before and after projection."""
    kept = [project_leading(p.H, r) for p in points]
    return np.array([[collapse_ratio(p.H, supports), collapse_ratio(H, supports)]
                     for p, H in zip(points, kept)])


R, (before, after) = size(path, text), ratios(path).T
claim("6.9", slope(R[1:], after[1:]))

# %%
claim("6.10", after[-1] / before[-1])

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.9))
show_growth(ax, R, {"all directions": before, f"the {r} that grow": after},
            xlabel="size of the logits", ylabel="collapse ratio by support",
            log="xy")
for y, power in ((before, -1), (after, -2)):
    guide = y[-1] * (R / R[-1]) ** power
    ax.plot(R, guide, "--", color="#555555", linewidth=1)
ax.set_xticks([4, 6, 10, 20], ["4", "6", "10", "20"])
ax.set_yticks([0.002, 0.005, 0.01, 0.02, 0.05],
              ["0.002", "0.005", "0.01", "0.02", "0.05"])
ax.xaxis.set_minor_formatter("")
ax.yaxis.set_minor_formatter("")
plt.show()

# %% [markdown]
# *Scatter within supports over scatter between them, for the contexts of TinyStories, as the ridge falls from $10^{-3}$
# (left) to $10^{-10}$ (right). Dashed: slopes $-1$ and $-2$. The twins' three directions hold most of what is left.*
#
# Words show it more sharply, with class = row of $S$, since all that differs between twins is a matter of probabilities:

# %%
words = [collapse_ratio(path[-1].W.T, rows),
         collapse_ratio(project_leading(path[-1].W.T, r), rows)]
print(f"collapse ratio of words: {words[0]:.4f} before, {words[1]:.6f} after")
claim("6.11", words[1] / words[0])

# %% [markdown]
# ### Without the part of the probabilities
#
# There is a second way, which needs no choice of $r$. In the logits, $P_\perp L = L - P_{\mathcal F} L$ takes away exactly the part that
# holds the probabilities ({prf:ref}`prop-split`), and knows nothing but the supports. What is left can be carried back to
# vectors by the pseudo-inverse of $W$. (It must be cut: a last singular value that is only rounding would be divided by. We
# cut at a thousandth of the largest.) The table gives the collapse ratio at the smallest ridge, and its slope against the
# size of the logits.

# %%
def views(p):
    """Vectors to compare, from one point of the path."""
    flat = project_F_perp(p.L, text.S)
    return {"contexts, all directions": p.H,
            "contexts, growing directions": project_leading(p.H, r),
            "logits": p.L, "logits without F": flat,
            "contexts without F": np.linalg.pinv(p.W, rcond=1e-3) @ flat}


seen = [views(p) for p in path]
for name in seen[0]:
    values = [collapse_ratio(view[name], supports) for view in seen]
    print(f"{name:29s}{values[-1]:8.2g}, slope {slope(R[1:], values[1:]):.1f}")

# %% [markdown]
# All but the first fall about like $1/R^2$: logits even untouched, since they are multiplied by $\sqrt\sigma$ once more than
# vectors, which favours the growing directions by itself. Removing $\mathcal F$ gains a constant factor there; for vectors, it gains the
# order. That the second way works as well as the first is a measurement; we proved only the first. It is plausible, as
# $P_\perp L_{:,j}$ has one value on the whole support, and so no component along the difference of twins. Two recipes, then, for
# the "appropriate subspace": the directions of $\mathbb R^d$ that grow (in the limit, where the solution is unique, those of $W^{\mathrm{mm}}$); or,
# for logits, the complement of $\mathcal F$.
#
# ## Class = next token?
#
# For language models, neural collapse has been measured with the *next token* as the class
# {cite}`wu2024linguistic`. A context with several next tokens then belongs to several classes; list it once for each.

# %%
token, context = S.nonzero()
by_token = [collapse_ratio(p.H[:, context], token) for p in path]
print("class = next token:", " ".join(f"{x:.2f}" for x in by_token))
print("class = support:   ", " ".join(f"{x:.2f}" for x in before))
claim("6.12", by_token[-1] / before[-1])

# %% [markdown]
# By token it does not fall at all: contexts of *he/she* and of *he/they* share a token and not a point, at any ridge. Where
# contexts have one next token each, the two classes are the same, and this is the usual neural collapse. Elsewhere, a large
# ratio by token is no sign that training is far from done.
#
# ## Without a ridge
#
# The path adds a ridge and solves exactly. Plain gradient descent on the loss alone, from small random vectors, does neither;
# nothing above speaks about it. Does it collapse too?

# %%
run = train_ufm(text, d=16, steps=STEPS, lr=4.0, rng=rng, snapshots=16)
descent = [collapse_ratio(H, supports) for H in run.H]
excess = run.loss[-1] - text.entropy()
near = min(path, key=lambda p: abs(np.log((p.loss - text.entropy()) / excess)))
print(f"the path has about the same loss at lambda = {near.lam:.0e}")
print(f"collapse ratio: {descent[0]:.0f} at first, {descent[-1]:.2f} at the end")
chance = [collapse_ratio(run.H[-1], rng.permutation(supports))
          for _ in range(999)]
print(f"smallest of 999 random assignments: {min(chance):.1f}")
claim("6.13", (1 + np.sum(np.array(chance) <= descent[-1])) / 1000)

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.6))
kept = [collapse_ratio(project_leading(H, r), supports) for H in run.H]
show_growth(ax, np.maximum(run.steps, 0.5),
            {"all directions": descent, f"leading {r}": kept},
            xlabel="steps of gradient descent", ylabel="collapse ratio by support",
            log="xy")
ax.axhspan(*np.quantile(chance, [0.005, 0.995]), color="#555555", alpha=0.2)
ax.text(run.steps[-1], np.median(chance), "chance", ha="right", va="center")
plt.show()

# %% [markdown]
# *Plain gradient descent on the same text (the start is drawn at half a step). The grey band holds 99 of a hundred random
# assignments of the contexts to classes of the same sizes. Most of the collapse happens early, while the loss falls; then the
# slow logarithm takes over.*
#
# It does, far below chance. Judged by its loss, the run ends where the path is only halfway; the projection gains less, because
# the directions that grow have not yet left the others behind.
#
# ## Larger overlap, larger cosine?
#
# Equal supports give equal vectors. What of supports that only overlap? A reviewer found the statement "larger overlap, larger
# correlation" supported by eye alone. Here it is counted, in the largest-margin geometry: one context for each of the
# supports, all pairs, and as a null the same numbers with the contexts permuted.

# %%
first = np.unique(supports, return_index=True)[1]
_, H = factor(solve_ntp_svm(text.S).L)
pairs = np.triu_indices(len(first), 1)
overlap = (S.T.astype(int) @ S)[np.ix_(first, first)]
cosine = cosines(H[:, first])


def rank_correlation(order):
    """Spearman between overlaps and cosines, contexts in another order."""
    return spearmanr(overlap[pairs], cosine[np.ix_(order, order)][pairs])[0]


observed = rank_correlation(np.arange(len(first)))
null = [rank_correlation(rng.permutation(len(first))) for _ in range(999)]
groups = [cosine[pairs][overlap[pairs] == common] for common in range(3)]
for common, values in enumerate(groups):
    print(f"{common} tokens in common: {values.size:2d} pairs, "
          f"mean cosine {values.mean():4.1f}")
print("every cosine above every one of a smaller overlap:",
      all(a.max() < b.min() for a, b in zip(groups, groups[1:])))
claim("6.14", observed if np.mean(np.array(null) >= observed) <= 0.01 else 0)

# %% [markdown]
# Here the number of common tokens orders the cosines completely, up to ties. This is one text with
# small supports; where supports differ much in size, the overlap has to be set against what the sizes would give, as the
# formula of {ref}`chapter 7 <ch-symmetric-worlds>` does.
#
# (collapse-turn)=
# ## Turn it
#
# Context vectors before and after projection, in three dimensions, coloured by support. In the first world everything fits
# into three dimensions: four supports, of which *girl/boy* is a pair of twins. Lower the ridge and turn the picture: the
# twins' contexts stay on a rod of constant length; seen along the rod, or projected, they are a point.

# %%
from ntputils.widgets import CollapseWidget

widget = CollapseWidget()
for step, ridge in ((0, "1e-2"), (16, "1e-10")):
    widget.step = step
    full, kept = widget.ratios()
    print(f"lambda {ridge}: collapse ratio {full:.3f}, projected {kept:.4f}")
widget

# %% [markdown]
# Without the panel: from the largest ridge to the smallest, the collapse ratio of the first world falls several times further
# after the projection than before it, as the two lines above the panel say.
#
# ## What to take away
#
# - In the limit of directions, equal supports are one point and equal rows one word, whatever the probabilities
#   ({prf:ref}`cor-one-point`).
# - On the way there the scatter stays bounded while the vectors grow ({prf:ref}`thm-scatter`): cosines tend to one like $1/R$, and
#   $R$ is only the logarithm of $1/\lambda$.
# - Different probabilities keep words or contexts apart for ever ({prf:ref}`prop-apart`). Words that no other context tells apart
#   force their contexts to a constant distance.
# - That part lives in directions that do not grow. In those that do, the collapse is faster by one power of $R$
#   ({prf:ref}`prop-growing`).
#
# ## What this does not show
#
# That logits of equal supports stay within a bounded distance in general: we saw it, and
# proved it in one class of problems. Anything about plain gradient descent beyond one run. And nothing about unseen contexts: all
# contexts here are free vectors. A network that reads its context might collapse contexts by their words as well, or fail to
# collapse them by support. In a long text nearly every long context occurs once, and the supports that are shared are small.
#
# ## Exercises
#
# 1. Contexts $j$ and $j'$ have equal distributions *and* equal frequencies. Show that $h_j = h_{j'}$ at every ridge, not only in
#    the limit.
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    Exchanging the two columns of $L_\lambda$ changes neither the loss nor the norm, and the minimiser is unique
#    ({prf:ref}`thm-convex`): the columns are equal. Then $H(e_j - e_{j'})$ has squared length $x^\top(L^\top L)^{1/2}x = 0$.
#    ```
#
# 2. The same with equal distributions and *different* frequencies, in the world of one-hot contexts: each has one next token, and
#    $\tilde S$ is the solution with a negative polar factor. How far are they apart?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    {prf:ref}`prop-growing`, part 2: the distance is $O(R^{-1/2})$ and goes to zero, although $\kappa$ gives no lower bound here. The
#    more frequent context affords a larger margin, by about $\log(\hat\pi_j/\hat\pi_{j'})$, so the logits differ by a bounded amount.
#    ```
#
# 3. Add to the world of twins a single context that is followed by *girl* only, seen once. What happens to the distance of the first two
#    contexts, and when?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    The rows of *girl* and *boy* are no longer equal, a second singular value grows, and in the limit the distance falls like
#    $R^{-1/2}$. But the new context matters only when $\lambda$ is well below its frequency: until then it is cheaper to ignore
#    it. A geometry that depends on the supports alone changes with one occurrence, and takes a time $\log n$ to notice.
#    ```

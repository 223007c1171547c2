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
# (ch-symmetric-worlds)=
# # Symmetric worlds
#
# What do the angles look like? NTP-SVM gives every support matrix a geometry, and a solver computes it; but a picture
# that one can hold in the head needs a formula. This chapter looks at the worlds (support matrices) that have one. In
# the simplest, every set of $k$ tokens is the support of one context, and words stand at the corners of a regular
# simplex. That is the paper's Proposition 1. A reviewer found it too special: in a real vocabulary most such sets
# would never occur. Nothing like all sets is needed. One count decides, how many contexts tell two tokens apart; and
# as many contexts as tokens can do.
#
# *Fifteen minutes to read, about ten seconds to run on one CPU core. No GPU is used.*

# %% tags=["colab-install", "remove-cell"]
# In Colab the published copy of this notebook installs ntputils here.

# %%
from collections import defaultdict
from itertools import (combinations, combinations_with_replacement, permutations,
                       product)

import matplotlib.pyplot as plt
import numpy as np

from ntputils import (SoftLabels, all_subsets, centered_support, claim, factor,
                      fano_plane, flat_world, from_sets, lambda_max, load_corpus,
                      one_hot, regularization_path, scale, separations, session,
                      solve_ntp_svm, star_gram, star_weights, step_geometry,
                      subset_world)
from ntputils.plots import show_growth, style

SEED = 20240822
rng = np.random.default_rng(SEED)
style()

# %% tags=["remove-input"]
session()

# %% [markdown]
# The scales differ in the number of random worlds, and of contexts of the King James Version.

# %%
WORLDS, CONTEXTS = {"small": (200, 60), "full": (2000, 150)}[scale()]
print(f"{WORLDS} random worlds, {CONTEXTS} contexts of the King James Version")

# %% [markdown]
# ## Three words, by hand
#
# Three tokens, and three contexts, each followed by two of them: $\{1,2\}$, $\{1,3\}$, $\{2,3\}$. The centred
# support $\tilde S$ has $\tfrac13$ on the support and $-\tfrac23$ off it, and
#
# $$
# \tilde S\tilde S^\top = \frac13\begin{pmatrix} 2 & -1 & -1\\ -1 & 2 & -1\\ -1 & -1 & 2\end{pmatrix} = P_V ,
# $$
#
# a projector. Both non-zero singular values are one, the spectrum is flat, so $L^{\mathrm{mm}} = \tilde S$
# ({prf:ref}`prop-sandwich`). The square root of a projector is itself, so $WW^\top = P_V$
# ({prf:ref}`cor-gram`): three vectors of equal length, $120°$ apart. And as the word vectors sum to zero, context
# $\{1,2\}$ lies opposite to word 3, and halfway between words 1 and 2, $60°$ from each.
#
# Here is this world, the one in which each context has a single next token, and the same with four tokens and
# all six pairs.

# %% tags=["remove-input"]
def draw(ax, corners, S, title, edges=()):
    """Words at the corners of a simplex, contexts at the sums of next words over sigma."""
    sums = corners.T @ S / flat_world(S).sigma
    view = np.eye(2)
    if corners.shape[1] == 3:
        view = np.array([[1, 0, 0], [0, 0.3, 0.954]])  # from a little above
    words, contexts = corners @ view.T, sums.T @ view.T
    for z, (x, y) in enumerate(words):
        ax.plot([0, x], [0, y], color="#0072B2", linewidth=2)
        ax.plot(x, y, "s", color="#0072B2", markersize=9)
        x, y = (1 + 0.2 / np.hypot(x, y)) * np.array([x, y])
        ax.text(x, y, str(z + 1), color="#0072B2", ha="center", va="center")
    for u, v in edges:
        ax.plot(*words[[u, v]].T, color="#999999", linewidth=1, linestyle="--",
                zorder=0)
    ax.plot(*contexts.T, "o", color="#D55E00", markersize=11, markerfacecolor="none",
            markeredgewidth=2)
    ax.set_title(title, loc="center", pad=14)
    ax.set_axis_off()
    ax.set_aspect("equal")
    ax.set(xlim=(-1.35, 1.35), ylim=(-1.25, 1.35))


turn = 2 * np.pi * np.arange(3) / 3 + np.pi / 2
triangle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
around = 2 * np.pi * np.arange(3) / 3 + 0.2
base = np.stack([np.cos(around), np.sin(around)], axis=1) * np.sqrt(8) / 3
tetrahedron = np.vstack([[0, 0, 1], np.hstack([base, np.full((3, 1), -1 / 3)])])
fig, axes = plt.subplot_mosaic("ab;cc", figsize=(6.4, 7), height_ratios=(1, 1.3))
draw(axes["a"], triangle, all_subsets(3, 1), "$V = 3$, one next token")
draw(axes["b"], triangle, all_subsets(3, 2), "$V = 3$, pairs")
draw(axes["c"], tetrahedron, all_subsets(4, 2), "$V = 4$, pairs",
     edges=[(u, v) for u in range(4) for v in range(u)])
plt.show()

# %% [markdown]
# *Words (squares) and contexts (circles). Top left: one next token each; context and word fall on each other. Top
# right: pairs; each context is opposite to the word that it lacks. Below, in three dimensions: four words at the
# corners of a tetrahedron, and the directions of the six pairs, halfway between two words: an octahedron.*
#
# Such words are called a *simplex equiangular tight frame* (ETF): $V$ vectors of one length with pairwise
# cosines $-1/(V-1)$, as far apart as $V$ vectors can be all at once. The geometry at the top left is known as *neural
# collapse*: it is where classifiers end that are trained on balanced classes
# {cite}`papyan2020prevalence,mixon2020neural`; the authors compare with it in their Section 3.4.1. Context and word are
# parallel there, however many contexts each word follows, as long as these numbers are equal.

# %% [markdown]
# ## What tells two tokens apart
#
# A simplex needs words that are equally far from each other in $\tilde S$, and this is a matter of counting.
#
# ```{prf:definition} Separation, flat worlds
# :label: def-separation
#
# The *separation* $d(u, v)$ of two tokens is the number of contexts that are followed by exactly one of them. A world
# is *flat* if it is the same number, not zero, for all pairs $u\ne v$.
# ```
#
# Rows $u$ and $v$ of $S$ differ in $d(u,v)$ places, so this is their squared distance; and it is that of the rows of
# $\tilde S$, since centring takes the same vector from all rows. Inner products of centred points follow from their
# distances:
#
# $$
# \tilde S\tilde S^\top = -\tfrac12\, P_V\, d\, P_V .
# $$ (eq-separation)
#
# (With $r_u$ the number of contexts that token $u$ follows, $d = r\mathbf 1^\top + \mathbf 1r^\top - 2SS^\top$;
# centring removes the first two.) So the word geometry of the proxy knows the supports through $d$ alone. Replace a
# support by its complement, and $d$ is the same.
#
# ```{prf:theorem} Flat worlds (contains Proposition 1 of the paper)
# :label: thm-flat
#
# Let the world be flat, $d(u,v) = 2\sigma^2 > 0$ for all $u \ne v$. Then $\tilde S$ is the only solution of NTP-SVM,
# and:
#
# 1. $\lVert L^{\mathrm{mm}}\rVert_* = (V-1)\,\sigma$.
# 2. $WW^\top = \sigma P_V$: the words are a simplex ETF, with cosines $-1/(V-1)$.
# 3. Two contexts, with supports of sizes $k_i, k_j < V$, have the cosine
#
#    $$
#    \cos(h_i, h_j) = \frac{V\,|\mathcal S_i\cap\mathcal S_j| - k_ik_j}{\sqrt{k_i(V-k_i)\,k_j(V-k_j)}} .
#    $$
# 4. A word and a context with $k_j < V$ have the cosine
#
#    $$
#    \cos(w_z, h_j) = \begin{cases} \sqrt{\frac{V-k_j}{k_j(V-1)}} & z\in\mathcal S_j \\[4pt]
#    -\sqrt{\frac{k_j}{(V-k_j)(V-1)}} & z\notin\mathcal S_j . \end{cases}
#    $$
# 5. $h_j = \frac1\sigma \sum_{z\in\mathcal S_j} w_z$.
#
# In particular, if each $k$-subset of the tokens, $1 \le k < V$, is the support of one context, $\sigma^2 =
# \binom{V-2}{k-1}$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# $d = 2\sigma^2(\mathbf 1\mathbf 1^\top - I)$, so {eq}`eq-separation` says $\tilde S\tilde S^\top = \sigma^2P_V$. All
# non-zero singular values are $\sigma$, and $\tilde S$ is a solution, with the certificate $\Lambda = \tilde
# S/\sigma$ ({prf:ref}`prop-sandwich`). *The only one:* off the supports $\Lambda_{vj} = -k_j/(V\sigma) < 0$; now
# {prf:ref}`thm-face`, part 4 (by {prf:ref}`thm-duality` all margins of a solution are then one, and it is centred).
#
# *1 and 2.* $V - 1$ singular values; $(\sigma^2P_V)^{1/2} = \sigma P_V$.
#
# *3.* $\tilde S^\top\tilde S$ has eigenvalues $\sigma^2$ and $0$, so its root is $\tilde S^\top\tilde S/\sigma$. As
# $\tilde S^\top\tilde S = S^\top P_VS$, its entries are $|\mathcal S_i\cap\mathcal S_j| - k_ik_j/V$.
#
# *4.* $w_z^\top h_j = L_{zj}$ is $1-k_j/V$ or $-k_j/V$; the squared lengths are $\sigma(1-1/V)$ and
# $k_j(V-k_j)/(V\sigma)$.
#
# *5.* With $L = U\Sigma V^\top$, $\Sigma = \sigma I$, $W = \sqrt\sigma\,U R^\top$, $H = \sqrt\sigma\,RV^\top$ we have
# $W^\top\tilde S = \sqrt\sigma\,RU^\top U\sigma V^\top = \sigma H$; and $W^\top\tilde S = W^\top S$, because $W^\top\mathbf
# 1 = 0$.
#
# *Subsets.* Exactly one of $u$ and $v$ lies in $2\binom{V-2}{k-1}$ of the $k$-subsets.
# ```
#
# A context makes one and the same angle with all its next words, as it should: in this limit only *whether* a token
# follows is left. *How often* is said by the finite part of the logits ({prf:ref}`thm-path`). And the sum in the last
# part goes over the words that come *next*, not over the words that the context is made of. We come back to it.
#
# The check is the one of {ref}`chapter 4 <ch-ntp-svm>`: three numbers, for $\tilde S$ and $\tilde S/\sigma$.

# %%
def three_numbers(L, Lam, S):
    """How far L and Lambda are from feasible, and the relative gap of their values."""
    top, low = np.where(S, L, -np.inf).max(axis=0), np.where(S, L, np.inf).min(axis=0)
    off = np.where(S, -np.inf, L).max(axis=0)
    primal = max(0, (top - low).max(), (1 - low + off).max())
    dual = max(0, np.linalg.norm(Lam, 2) - 1, np.abs(Lam.sum(axis=0)).max(),
               np.where(S, 0, Lam).max())
    value = np.linalg.norm(L, "nuc")
    return primal, dual, abs(value - np.sum(S * Lam)) / value


checks = []
for V in range(2, 9):
    for k in range(1, V):
        S = all_subsets(V, k)
        checks.append(three_numbers(centered_support(S),
                                    centered_support(S) / subset_world(V, k).sigma, S))
print(len(checks), "worlds")
claim("7.1", np.max(checks))

# %% [markdown]
# ### How few contexts are enough?
#
# All subsets are many. But only pairs of tokens have to be treated alike, and far fewer contexts do that. In a
# *2-design* all supports have one size, every token follows $r$ contexts and every two tokens share $\mu$ of them; then
# all separations are $2(r - \mu)$. The smallest famous one is the Fano plane, seven contexts for seven tokens, where
# all triples would be thirty-five. Flat worlds can be added and repeated, and any proper support complemented: mixed
# sizes come for free.
#
# ```{prf:proposition} The fewest contexts
# :label: prop-fewest
#
# A flat world has at least $V - 1$ contexts. A world of $V - 1$ contexts is flat if and only if all supports have
# $V/2$ tokens and the signs of $\tilde S$, with a column of ones, are a Hadamard matrix of order $V$ (entries $\pm1$,
# orthogonal columns).
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# $\tilde S\tilde S^\top = \sigma^2P_V$ has rank $V-1$, so $m \ge V-1$. Let $m = V-1$. Then $\tilde S^\top\tilde S =
# \sigma^2I$: all columns have $k_j(V-k_j)/V = \sigma^2$, so all sizes are $k$ or $V-k$, and after complementing some
# supports, which changes neither $d$ nor $\tilde S\tilde S^\top$, all are $k \le V/2$. Suppose $k < V/2$. A token that
# follows $r$ contexts has a row of squared length $r(1-k/V)^2 + (V-1-r)(k/V)^2$ in $\tilde S$. All rows have the
# same length, $\sigma^2(1-1/V)$, and the expression rises with $r$, so all tokens have the same $r$. Counting pairs
# of a token and a context in two ways, $Vr = (V-1)k$; so $V$ divides $(V-1)k$, hence $k$, which is impossible. So $k =
# V/2$, and $\tilde S$ has entries $\pm\frac12$; its columns are orthogonal to each other and to $\mathbf 1$.
#
# Conversely, let $X$ be the other columns of such a Hadamard matrix: $\tilde S = X/2$, and $\tilde S\tilde S^\top =
# \frac14(VI - \mathbf 1\mathbf 1^\top) = \frac V4P_V$.
# ```
#
# So if all supports have the same size, and not half of the tokens, at least $V$ contexts are needed (for designs this
# is Fisher's bound {cite}`fisher1940examination`), and one-hot supports and the Fano plane need no more. Hadamard
# matrices are known for many orders, among them $q+1$ for each prime $q$ that leaves remainder 3 when divided by
# 4; the construction takes squares modulo $q$.

# %%
def paley(q):
    """A flat world of q + 1 tokens and q contexts, for a prime q = 3, 7, 11, 19, ..."""
    squares = {i * i % q for i in range(1, q)}
    return from_sets([{q} | {(j + s) % q for s in squares} for j in range(q)], q + 1)


turned = fano_plane()
turned[:, :3] = ~turned[:, :3]
flat = {"pairs of 6": all_subsets(6, 2), "Fano plane": fano_plane(),
        "three lines complemented": turned, "1 to 3 of 5": all_subsets(5, [1, 2, 3]),
        "pairs of 4, five times": np.tile(all_subsets(4, 2), 5),
        **{f"Hadamard, order {q + 1}": paley(q) for q in (3, 7, 11)}}
checks = []
print(f"{'':26s} V   m  sizes      d  sigma  cos of words")
for name, S in flat.items():
    world, sizes = flat_world(S), sorted(set(S.sum(axis=0).tolist()))
    proxy = centered_support(S)
    checks.append(three_numbers(proxy, proxy / world.sigma, S))
    print(f"{name:25s}{S.shape[0]:3d}{S.shape[1]:4d}  {str(sizes):10s}"
          f"{separations(S)[0, 1]:3d}{world.sigma:7.2f}{world.words:14.3f}")
claim("7.2", np.max(checks))

# %% [markdown]
# The proposition itself, on all worlds of up to $V - 1$ contexts for $V \le 6$. A support may stand for its complement,
# so it is enough to try those that contain token 1. Which worlds are flat, and which have orthogonal signs?

# %%
def exceptions(V, m):
    """Worlds of m contexts, up to complements, against which the proposition errs."""
    supports = np.array([(1, *rest) for rest in product((0, 1), repeat=V - 1)])
    parted = np.stack([supports[:, u] ^ supports[:, v]
                       for u, v in combinations(range(V), 2)], axis=1)
    halves = 2 * supports.sum(axis=1) == V
    orthogonal = (2 * supports - 1) @ (2 * supports - 1).T == 0
    worlds = np.array(list(combinations_with_replacement(range(len(supports)), m)))
    d = sum(parted[j] for j in worlds.T)
    flat = (d > 0).all(axis=1) & (d == d[:, :1]).all(axis=1)
    hadamard = halves[worlds].all(axis=1) & (m == V - 1)
    for i, j in combinations(worlds.T, 2):
        hadamard &= orthogonal[i, j]
    return np.sum(flat != hadamard), np.sum(flat), len(worlds)


searched = np.array([exceptions(V, m) for V in range(2, 7) for m in range(1, V)])
print(f"{searched[:, 2].sum():,} worlds, {searched[:, 1].sum()} of them flat")
claim("7.15", searched[:, 0].sum())

# %% [markdown]
# So one does not need all $k$-subsets, most of them gibberish: fewer contexts than tokens can be enough. That part of
# the objection is answered. Regular, such worlds remain.

# %% [markdown]
# ## Unequal tokens
#
# In a text, some tokens follow many contexts and others few. One kind of inequality leaves the proxy exact: when the
# separation of two tokens is a sum of one part from each, as distances are on a star, where every way between two tips
# leads through the centre.
#
# ```{prf:theorem} Star worlds
# :label: thm-star
#
# Let there be numbers $x_z > 0$ with $d(u,v) = x_u + x_v$ for all $u\ne v$, and $D = \operatorname{diag}(x)$. Then
# $\tilde S$ is the only solution of NTP-SVM, and
#
# $$
# WW^\top = (P_V D P_V)^{1/2} .
# $$
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# $d = x\mathbf 1^\top + \mathbf 1x^\top - 2D$ (the diagonal agrees: zero), so {eq}`eq-separation` gives $\tilde S\tilde
# S^\top = P_VDP_V$, and only the first statement is left. Its pseudo-inverse is
#
# $$
# K = D^{-1} - \frac{D^{-1}\mathbf 1\mathbf 1^\top D^{-1}}{\mathbf 1^\top D^{-1}\mathbf 1} :
# $$
#
# $K$ is symmetric, $K\mathbf 1 = 0$, and $P_VDP_VK = P_VDK = P_V(I - \mathbf 1\,\cdot) = P_V$. All its entries off the
# diagonal are negative.
#
# *So are those of $G = K^{1/2}$.* For $c$ large, $cI - K$ has positive entries only; so has $e^{-tK} =
# e^{-tc}e^{t(cI-K)}$ for $t > 0$. And $\sqrt\lambda = \frac1{2\sqrt\pi}\int_0^\infty t^{-3/2}(1 - e^{-t\lambda})\,dt$ for
# $\lambda\ge0$, so $G = \frac1{2\sqrt\pi}\int_0^\infty t^{-3/2}(I - e^{-tK})\,dt$, whose entries off the diagonal are
# negative. Also $G\mathbf 1 = 0$.
#
# *The certificate.* Let $\Lambda = G\tilde S = GS$. This is the polar factor $UV^\top$ of $\tilde S$, as $G = (\tilde
# S\tilde S^\top)^{\dagger/2} = U\Sigma^{-1}U^\top$. Its spectral norm is one, its columns sum to zero, and
# $\langle\Lambda,\tilde S\rangle = \lVert\tilde S\rVert_*$. For $v\notin\mathcal S_j$, $\Lambda_{vj} =
# \sum_{z\in\mathcal S_j}G_{vz}$ is a sum of negative numbers. So $\tilde S$ is optimal ({prf:ref}`thm-duality`), and
# the only solution as in {prf:ref}`thm-flat`.
# ```
#
# Equal numbers $x_z = \sigma^2$ are the flat worlds. The proof shows more, and we shall use it: *whenever* the root $G =
# (\tilde S\tilde S^\top)^{\dagger/2}$ has no positive entry off its diagonal, the proxy is optimal. Two examples:
#
# - **One-hot, imbalanced.** Token $z$ follows $n_z\ge1$ contexts, alone. A context of $u$ tells $u$ from $v$, so
#   $d(u,v) = n_u + n_v$, whatever the imbalance. This geometry is known as SELI {cite}`thrampoulidis2022imbalance`.
# - **Sums.** Separations of two sets of contexts add. So flat worlds with one-hot contexts on top, as many for each
#   token as one likes, are star worlds.
#
# (With three tokens or more no $x_z$ can be negative: $2x_z = d(z,u) + d(z,v) - d(u,v)$, and $d$ obeys the triangle
# inequality. Some can be zero; the proof then needs more. {prf:ref}`thm-tree` has another family, by a similar idea:
# all supports that nest or are disjoint, with any multiplicities.)
#
# Random star worlds, then: a random flat world, and one-hot contexts in random numbers.

# %%
def polar(S):
    """The polar factor of the centred support."""
    U, s, Vt = np.linalg.svd(centered_support(S), full_matrices=False)
    keep = s > 1e-9 * s[0]
    return U[:, keep] @ Vt[keep]


largest, errors = [], []
for _ in range(WORLDS):
    V = int(rng.integers(3, 8))
    base = all_subsets(V, int(rng.integers(1, V)))
    S = np.hstack([base, one_hot(rng.integers(1, 20, size=V))])
    S = S ^ (rng.random(S.shape[1]) < 0.2)  # complement some supports
    largest.append(polar(S)[~S].max())
    U, s, _ = np.linalg.svd(solve_ntp_svm(S, tol=1e-10).L, full_matrices=False)
    wanted = star_gram(star_weights(S))
    errors.append(np.abs((U * s) @ U.T - wanted).max() / wanted.max())
claim("7.6", max(largest))

# %%
claim("7.7", max(errors))

# %% [markdown]
# ### Minority words collapse
#
# The case studied most has two kinds of tokens: $V/2$ of a majority, with $R$ contexts each, and $V/2$ of a minority
# with one. (These are *distinct contexts*. How often each occurs does not matter here.) Then $P_VDP_V$ has three
# eigenvalues: $R$ on vectors that sum to zero within the majority, $1$ likewise for the minority, and $\rho^2 =
# (R+1)/2$ on the difference of the two groups. Take roots, and read off
#
# $$
# \begin{aligned}
# \lVert w_{\text{maj}}\rVert^2 &= \sqrt R\,(1-\tfrac2V) + \tfrac\rho V, \\
# w_{\text{maj}}^\top w_{\text{maj}'} &= -\tfrac2V\sqrt R + \tfrac\rho V, \\
# \lVert w_{\text{min}}\rVert^2 &= (1-\tfrac2V) + \tfrac\rho V, \\
# w_{\text{min}}^\top w_{\text{min}'} &= -\tfrac2V + \tfrac\rho V, \\
# w_{\text{maj}}^\top w_{\text{min}} &= -\tfrac\rho V .
# \end{aligned}
# $$
#
# So $1 - \cos(w_{\text{min}}, w_{\text{min}'}) = V/(V - 2 + \rho)$, which goes to zero like $1/\sqrt R$: rare
# tokens become one. (For classifiers this is called *minority collapse* {cite}`fang2021exploring`.)

# %%
errors = []
for V in (4, 6, 10):
    for R in (1, 2, 10, 100):
        S = one_hot([R] * (V // 2) + [1] * (V // 2))
        U, s, _ = np.linalg.svd(solve_ntp_svm(S, tol=1e-10).L, full_matrices=False)
        wanted = step_geometry(V, R).gram()
        errors.append(np.abs((U * s) @ U.T - wanted).max() / wanted.max())
claim("7.8", max(errors))

# %%
R = 10**6
gram = star_gram([R] * 3 + [1] * 3)
claim("7.9", (1 - gram[3, 4] / gram[3, 3]) * np.sqrt((R + 1) / 2) / 6)

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 4))
ratios = np.geomspace(1, 1e4, 13)
steps = [step_geometry(6, R) for R in ratios]
show_growth(ax, ratios, {"two minority words": [s.minority_cosine for s in steps],
                         "one of each": [s.mixed_cosine for s in steps],
                         "two majority words": [s.majority_cosine for s in steps]},
            xlabel="contexts of a majority word, $R$", ylabel="cosine", log="x")
ax.axhline(-1 / 5, color="#555555", linestyle="--", linewidth=1)
ax.set_ylim(-0.6, 1)
plt.show()

# %% [markdown]
# *Six tokens, three of which follow $R$ contexts each. At $R = 1$ all cosines are those of the simplex (dashed). As $R$
# grows, minority words move together.*

# %% [markdown]
# ## Are the angles there in training?
#
# The theorems are about NTP-SVM, the limit of a vanishing ridge. In a flat world with supports of one size and equal
# counts there is nothing to wait for: by {prf:ref}`prop-exact-path` the minimiser at every ridge below
# $\lambda_{\max}$ is a multiple of $\tilde S$, so all angles of {prf:ref}`thm-flat` hold for it exactly. We
# check them on the solutions of `regularization_path`, which knows nothing of designs, and computes $W$ and $H$ at
# three ridges.

# %%
def off_by(point, S):
    """Largest difference of any cosine of words and contexts from the formulas."""
    world, S = flat_world(S), S.astype(int)
    unit = np.hstack([point.W.T, point.H])
    unit = unit / np.linalg.norm(unit, axis=0)
    V, k = len(S), S[:, 0].sum()
    words = np.where(np.eye(V), 1, world.words)
    mixed = np.where(S, world.in_support(k), world.off_support(k))
    overlap = S.T @ S
    contexts = np.vectorize(lambda shared: world.contexts(k, k, shared))(overlap)
    return np.abs(unit.T @ unit - np.block([[words, mixed], [mixed.T, contexts]])).max()


trained = {"pairs of 5": all_subsets(5, 2), "triples of 6": all_subsets(6, 3),
           "Fano plane": fano_plane(), "Hadamard, order 8": paley(7)}
worst = 0.0
for S in trained.values():
    labels = SoftLabels.from_counts(S.astype(int))
    ridges = lambda_max(labels) * np.array([0.5, 0.1, 1e-3])
    worst = max(worst, *(off_by(p, S) for p in regularization_path(labels, ridges)))
claim("7.3", worst)

# %% [markdown]
# With unequal counts, the finite part of the logits bends the angles, and the part that grows has to outgrow it. As it
# grows like $\log(1/\lambda)$, that takes long. The same four worlds, each count drawn from 1 to 10:

# %%
ridges = np.geomspace(1e-2, 1e-8, 7)
off, signs = {}, 0
for name, S in trained.items():
    labels = SoftLabels.from_counts(S * rng.integers(1, 11, size=S.shape))
    path = regularization_path(labels, ridges)
    unit = [p.W / np.linalg.norm(p.W, axis=1, keepdims=True) for p in path]
    pairs = ~np.eye(len(S), dtype=bool)
    off[name] = [np.abs((u @ u.T)[pairs] + 1 / (len(S) - 1)).max() for u in unit]
    signs += np.sum((path[-1].L > 0) != S)
claim("7.4", max(values[-1] / values[1] for values in off.values()))

# %%
claim("7.5", int(signs))

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.8))
show_growth(ax, ridges, off, xlabel="$\\lambda$",
            ylabel="largest error of a cosine", log="xy")
ax.invert_xaxis()
plt.show()

# %% [markdown]
# *How far the cosines between words are from $-1/(V-1)$, when counts are random, as the ridge falls from left to right
# by a factor of a million. The angles come, slowly.*
#
# The second of these claims is about signs. A reviewer summed the geometry up: acute angles between a context and the
# words "in" it, obtuse ones with all others. With *in its support* for "in it", this is right in flat worlds, in the
# limit by {prf:ref}`thm-flat` and here at a small ridge. (Where counts range from one to a million, some signs are still
# wrong at this ridge.) In general only its first half is a theorem
# ({prf:ref}`prop-centred`), and {ref}`chapter 4 <ch-ntp-svm>` has the counterexample to the second.

# %% [markdown]
# ## Is a context the sum of its words?
#
# The same reviewer saw no more insight here than in models of a context as an average of word vectors. There are two
# readings. Of *its own words*, those it is made of: about these $S$ says nothing. Give the contexts other names, and
# neither the problem nor its solution changes. Whether a real encoder ties a context to its own words is a question
# about the encoder. Of *its next words*: in flat worlds the sum of them is the last part of {prf:ref}`thm-flat`. In
# general it becomes a sum with weights, and the weights are the certificate.
#
# ```{prf:proposition} A context is a weighted sum of words
# :label: prop-representer
#
# Let $L$ be a solution of NTP-SVM with balanced factors $W, H$, and $\Lambda$ any solution of the dual. Then
#
# $$
# H = W^\top\Lambda, \quad W = \Lambda H^\top .
# $$
#
# That is, $h_j = \sum_v\Lambda_{vj}\,w_v$. Words off the support have weights $\Lambda_{vj}\le0$, and zero where the
# margin exceeds one.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# By {prf:ref}`thm-duality`, $\sum_i\sigma_i = \lVert L\rVert_* = \langle\Lambda, L\rangle = \sum_i\sigma_i\,
# u_i^\top\Lambda v_i$ with $\lVert\Lambda\rVert_2\le1$. So $u_i^\top\Lambda v_i = 1$ for each $i$, which for unit
# vectors means $\Lambda^\top u_i = v_i$ and $\Lambda v_i = u_i$. With $W = U\Sigma^{1/2}R^\top$ and $H =
# R\Sigma^{1/2}V^\top$: $W^\top\Lambda = R\Sigma^{1/2}(\Lambda^\top U)^\top = R\Sigma^{1/2}V^\top = H$, and $\Lambda H^\top
# = \Lambda V\Sigma^{1/2}R^\top = W$. The signs are those of the dual.
# ```
#
# These are support vectors, in the old sense of the word: a context is built from the words that touch its margin. In
# flat worlds $\Lambda = \tilde S/\sigma$ has one weight for all words of the support (and the constant of
# the column does not matter, since $\sum_vw_v = 0$). Elsewhere the weights differ. By how much, on a text? If the proxy
# is exact, with singular values $\sigma_i$, then $W^\top S = W^\top\tilde S = R\,\Sigma^{3/2}V^\top$, and the share of
# $\lVert H\rVert_F^2$ that a single multiple of the plain sums $W^\top S$ explains is
#
# $$
# R^2 = \frac{\big(\sum_i\sigma_i^2\big)^2}{\sum_i\sigma_i\,\sum_i\sigma_i^3} ,
# $$ (eq-share)
#
# one if and only if all $\sigma_i$ are equal, by Cauchy and Schwarz. So where the proxy is exact, the plain sum, with
# one factor for all contexts, is exact for a flat spectrum and for no other. (Flat worlds have one. So do some others,
# where tokens coincide: disjoint supports of equal size, for one.) On contexts of the King James Version, as in
# {ref}`chapter 4 <ch-ntp-svm>`:

# %%
def explained(H, sums):
    """The share of the squared length of H that one multiple of `sums` explains."""
    return np.sum(H * sums) ** 2 / np.sum(H**2) / np.sum(sums**2)


kjv = SoftLabels.from_tokens(load_corpus("kjv"), context_length=5, max_contexts=1000,
                             min_support=2)
kjv = kjv.restrict(np.flatnonzero(kjv.support_sizes <= 8)[:CONTEXTS])
S = kjv.S.toarray()
sol = solve_ntp_svm(S)
Lam = sol.certificate[:, sol.inverse]
W, H = factor(sol.L, tol=1e-6)
claim("7.10", np.abs(W.T @ Lam - H).max() / np.linalg.norm(H, axis=0).max())

# %%
share = explained(H, W.T @ S)
by_chance = explained(H, W.T @ rng.permuted(S, axis=0))
print(f"explained by the plain sums: {share:.2f}")
print(f"by sums over random words: {by_chance:.2f}")
claim("7.11", share)

# %% [markdown]
# The plain sum of next words is a fair first sketch of a context, and no more. What it misses are the weights. Here
# are some, for the context that the plain sum explains worst:

# %%
each = [explained(H[:, [j]], (W.T @ S)[:, [j]]) for j in range(S.shape[1])]
j = int(np.argmin(each))
order = np.argsort(-Lam[:, j], kind="stable")
print(f"{kjv.context(j)!r}, explained: {each[j]:.1f}")
for z in (*order[:S[:, j].sum()], *order[:-4:-1]):
    kind = "follows" if S[z, j] else "does not"
    print(f"  {kjv.vocab[z]:10s} {kind:9s} weight {Lam[z, j]:4.1f}")

# %% [markdown]
# ## Do the Gram matrices of $S$ say it all?
#
# The authors told reviewers that similarities of supports, $SS^\top$ and $S^\top S$, show up in trained words and
# contexts, and that how the geometry depends on the supports is not clear beforehand. So: how much do these matrices
# decide? Sizes of supports alone decide little: $\{1,2\}, \{3,4\}$ and $\{1,2\}, \{1,2\}$ have equal sizes,
# the one with contexts that point in opposite directions, the other with contexts that coincide. Overlaps say more.
#
# ```{prf:proposition} What the Gram matrices decide
# :label: prop-grams
#
# 1. $SS^\top$ decides the proxy's words, $(\tilde S\tilde S^\top)^{1/2}$. With $V$, $S^\top S$ decides its contexts,
#    $(\tilde S^\top\tilde S)^{1/2}$. Each decides the singular values of $\tilde S$, so its norm and
#    the bracket of {prf:ref}`prop-sandwich`.
# 2. If $G = (\tilde S\tilde S^\top)^{\dagger/2}$ has no positive entry off the diagonal, then for every support matrix $T$ with
#    $TT^\top = SS^\top$ the proxy is optimal, and it has the same words.
# 3. If $K = (\tilde S^\top\tilde S)^{\dagger/2}$ has no positive entry off the diagonal and $Kk \ge 0$, with $k$ the
#    sizes of the supports, then for every $T$ of $V$ tokens with $T^\top T = S^\top S$ the proxy is optimal, and it
#    has the same contexts.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# *1.* {eq}`eq-separation` and $\tilde S^\top\tilde S = S^\top S - kk^\top/V$, where $k$ is the diagonal of $S^\top S$.
# *2.* As at the end of the proof of {prf:ref}`thm-star`: $GT$ is the polar factor of $\tilde T$, and off a support it is a
# sum of entries of $G$ off the diagonal. *3.* The polar factor of $\tilde T$ is $\tilde TK$, with entries $\sum_{i\,:\,v\in
# \mathcal S_i}K_{ij} - (Kk)_j/V$. If $v\notin\mathcal S_j$, the sum does not contain $K_{jj}$.
# ```
#
# So in star worlds $SS^\top$ decides the words. In general neither matrix does as much. Look for the smallest
# exceptions: two support matrices with equal Gram matrix, and different least norm. By the first part both have the same
# proxy norm, so one of the proxies is not optimal. The search goes through all support matrices of one shape, up to
# the names of tokens and contexts; keeps numbers that equal Gram matrices share, whatever the names; and solves where
# the polar factor does not prove the proxy optimal. (With three tokens, whose supports always form a tree, or two
# supports, the proxy never fails: {prf:ref}`thm-tree`, {prf:ref}`prop-two`. So the search begins with four and three.)

# %%
def supports(V, m):
    """All support matrices (V, m), up to the order of tokens and of contexts."""
    seen = {}
    for rows in combinations_with_replacement(product((0, 1), repeat=m), V):
        columns = sorted(zip(*rows))
        if all(map(any, columns)):
            seen[min(tuple(sorted(zip(*order))) for order in permutations(columns))] = 0
    return [np.array(rows) for rows in seen]


# %%
def invariants(gram):
    """Numbers that equal Gram matrices share, however rows are ordered."""
    rows = sorted((row[i], *sorted(row)) for i, row in enumerate(gram.tolist()))
    return tuple(rows), tuple(np.linalg.eigvalsh(gram * gram).round(6) + 0.0)


def least_norm(S):
    """The least nuclear norm; that of the proxy where the polar factor proves it."""
    if polar(S)[S == 0].max(initial=-1) < 1e-9:
        return np.linalg.norm(centered_support(S), "nuc")
    return solve_ntp_svm(S).primal


# %%
def count_pairs(matrices):
    """How many pairs of equal SS', and of equal S'S, differ in their least norm."""
    groups = defaultdict(list)
    for S in matrices:
        norm = least_norm(S)
        groups["words", *invariants(S @ S.T)].append(norm)
        groups["contexts", *invariants(S.T @ S)].append(norm)
    pairs = (sum(b > a * (1 + 1e-5) for a in norms for b in norms)
             for norms in groups.values())
    return sum(pairs), sum(map(len, groups.values())) // 2


shapes = {shape: supports(*shape) for shape in ((4, 3), (4, 4), (5, 3), (6, 3))}
smaller = {shape: count_pairs(matrices) for shape, matrices in shapes.items()}
for (V, m), (pairs, matrices) in smaller.items():
    print(f"{V} tokens, {m} contexts: {matrices:4d} matrices, {pairs} pairs")
claim("7.14", sum(pairs for pairs, _ in smaller.values()))

# %% [markdown]
# The same matrices serve for parts 2 and 3: conditions read off a Gram matrix, the verdict off the polar factor.

# %%
def inverse_root(gram):
    """The root of the pseudo-inverse."""
    s, Q = np.linalg.eigh(gram)
    keep = s > 1e-9 * s[-1]
    return Q[:, keep] / np.sqrt(s[keep]) @ Q[:, keep].T


def decided(S):
    """Whether SS', and whether S'S with V, promises that the proxy is optimal."""
    V, k, A = len(S), S.sum(axis=0), S @ S.T
    G = inverse_root(A - A.mean(axis=0) - A.mean(axis=1)[:, None] + A.mean())
    K = inverse_root(S.T @ S - np.outer(k, k) / V)
    words, contexts = (np.where(np.eye(len(B)), -1, B).max() < 1e-9 for B in (G, K))
    return words, contexts and min(K @ k) > -1e-9


promised, broken = np.zeros(2, int), 0
for S in (S for matrices in shapes.values() for S in matrices):
    promise = decided(S)
    promised += promise
    broken += any(promise) and polar(S)[S == 0].max(initial=-1) > 1e-9
print("promised by SS' and by S'S:", *promised)
claim("7.16", broken)

# %% [markdown]
# None with fewer than twenty cells (tokens times contexts). With twenty, at five tokens and four contexts, there are
# some of either kind. Supports are written without braces:

# %%
def difference(first, second):
    """Largest difference of a Gram matrix, and the relative one of least norms."""
    S, T = (from_sets([[int(z) - 1 for z in s] for s in text.split()], 5).astype(int)
            for text in (first, second))
    a, b = solve_ntp_svm(S, tol=1e-8).primal, solve_ntp_svm(T, tol=1e-8).primal
    print(f"{first}: {a:.4f}    {second}: {b:.4f}")
    equal = {"SS'": (S @ S.T == T @ T.T).all(), "S'S": (S.T @ S == T.T @ T).all()}
    print("equal:", *(name for name, same in equal.items() if same))
    return abs(a - b) / min(a, b)


claim("7.12", difference("1 123 124 134", "12 13 14 1234"))

# %%
claim("7.13", difference("1 23 24 34", "1 23 24 25"))

# %% [markdown]
# The second pair is the easier one to see. Three supports of two tokens, every two with one token in common: that can be
# a *triangle*, $\{2,3\}, \{2,4\}, \{3,4\}$, or a *star* with the same token in all, $\{2,3\}, \{2,4\}, \{2,5\}$. Overlaps
# of pairs do not tell the two apart. NTP-SVM does: for the triangle (with $\{1\}$ beside it) the proxy is optimal, for the
# star it is not. The first pair is the same with words and contexts exchanged. The difference, half a per cent of
# the norm, is small in these smallest pairs. How much similarities of supports can miss at most, we do not know.
#
# (With four tokens the separations can fail to decide as well, but not before seven contexts: a longer run of the same
# search, numerically.)
#
# All of this speaks of balanced factors, and of the minimum. Three neighbouring questions of the reviewers are answered
# elsewhere: how much the angles of *other factors of the same logits* differ ({ref}`other-factors`), whether training can be
# caught on the way in the non-convex landscape of the factors ({prf:ref}`thm-landscape`), and what is new beside Ji and
# Telgarsky and beside the linear model ({ref}`family-of-theorems`).

# %% [markdown]
# (symmetric-panel)=
# ## Angles to turn
#
# Choose $V$ and $k$, and a context: the page draws words and contexts with their angles to the chosen context, and
# tabulates the cosines twice, from the formula and from a solution that it computes. Or choose step imbalance, and
# move $R$.

# %%
from ntputils.widgets import SymmetricWidget

SymmetricWidget(V=5, k=2)

# %% [markdown]
# The point in a sentence, without the panel: as $k$ grows at fixed $V$, the angle between a context and its next words
# opens from $0°$ at $k = 1$ towards $90°$, and stays acute; that to the other words is obtuse from the start, and opens
# to $180°$ at $k = V - 1$, where only one is left.
#
# ## What to take away
#
# - Where every two tokens are told apart by equally many contexts, words form a regular simplex, the proxy is the only
#   solution, and all angles have a formula ({prf:ref}`thm-flat`). All $k$-subsets are one example; as many contexts
#   as tokens are enough, sometimes one fewer.
# - Where separations are sums of one part from each token, the proxy is still the only solution ({prf:ref}`thm-star`).
#   One-hot supports are the case known as SELI, in which rare words collapse.
# - A context is always a weighted sum of words, with the certificate for weights ({prf:ref}`prop-representer`). In flat
#   worlds all next words have equal weights.
# - In star worlds $SS^\top$ decides the words. In general neither $SS^\top$ nor $S^\top S$ decides even the least norm.
#
# ## What this does not show
#
# That real supports are anywhere near symmetric: those of our texts are not. That
# angles in training are those of the limit: with unequal counts they approach it, numerically, about as slowly as one
# over $\log(1/\lambda)$. Which supports have an exact proxy, beyond these: {ref}`chapter 8 <ch-proxy>`. And minority
# words collapse here in a model with free context vectors and a vanishing ridge; what a network does in finite time is
# another matter.
#
# ## Exercises
#
# 1. In a flat world, which contexts have, up to sign, the same cosine with their next words as with all others?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    $\frac{V-k}{k} = \frac{k}{V-k}$: those with $k = V/2$, as in Hadamard worlds.
#    ```
#
# 2. Take all $k$-subsets. Is the angle of two contexts with disjoint supports obtuse? When are two contexts at a right
#    angle?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    The numerator is $V\cdot0 - k^2 < 0$: obtuse. A right angle needs $|\mathcal S_i\cap\mathcal S_j| = k^2/V$, the overlap
#    of two random $k$-subsets. So a context is near to those with which it shares more than chance would have it.
#    ```

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
# (ch-log-bilinear)=
# # The log-bilinear model
#
# If the loss has a floor, why does training never stop? The last chapter found the floor: the entropy
# $\mathcal H$ of the text. This chapter takes the simplest model that could reach it, a table of word vectors
# times a table of context vectors, and shows that it cannot, with any finite weights. It can only come
# closer, and each step closer has a price in the size of the weights. You will see the price as a formula, as
# a slider, and as a training run on sixteen contexts of the King James Version; and at the end, what such a
# model can say about a transformer.
#
# *Fifteen minutes to read, about ten seconds to run on one CPU core. No GPU is used.*

# %% tags=["colab-install", "remove-cell"]
# In Colab the published copy of this notebook installs ntputils here.

# %%
from html import escape

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np

from ntputils import (SoftLabels, centered_support, claim, excess, in_support_logits,
                      load_corpus, load_labels, ntp_gradient, ntp_loss, scale, session,
                      softmax)
from ntputils.plots import show_growth, show_matrix, style

SEED = 20240822
rng = np.random.default_rng(SEED)
style()

# %% tags=["remove-input"]
session()

# %% [markdown]
# The two scales differ in how many contexts are trained on, and for how long.

# %%
CONTEXTS, STEPS = {"small": (16, 20_000), "full": (48, 200_000)}[scale()]
print(f"{CONTEXTS} contexts, {STEPS:,} steps of gradient descent")

# %% [markdown]
# ## The model, with every subscript
#
# A language model of the usual kind has two parts. An *encoder* turns a context of $T$ tokens into a vector,
#
# $$
# h_\theta : \mathcal V^{T} \to \mathbb R^d ,
# $$
#
# and a *decoder* compares this vector with one vector $w_z$ for each token $z$. (The paper writes $\mathcal
# V^{T-1}$: its $T$ counts the next token too.) The logits are inner products, the probabilities their
# softmax. Trained on samples $(x_i, z_i)$, $i = 1, \dots, n$, with the distinct contexts $\bar x_1, \dots,
# \bar x_m$ of {ref}`ch-soft-labels`:
#
# ```{prf:definition} Loss of a language model
# :label: def-loss
#
# With the logits $L_{zj} = w_z^\top h_\theta(\bar x_j)$,
#
# $$
# \begin{aligned}
# \mathrm{CE}(\theta)
# &= -\frac1n \sum_{i=1}^n \log \frac{\exp\big(w_{z_i}^\top h_\theta(x_i)\big)}{\sum_{v=1}^V \exp\big(w_v^\top h_\theta(x_i)\big)} \\
# &= \sum_{j=1}^m \hat\pi_j \Big[ \log \sum_{v=1}^V e^{L_{vj}} - \sum_{z \in \mathcal S_j} \hat p_{zj} L_{zj} \Big] .
# \end{aligned}
# $$
# ```
#
# The second form is {prf:ref}`prop-regroup`. Stack the word vectors as the rows of $W \in \mathbb R^{V \times
# d}$ and the context vectors as the columns of $H \in \mathbb R^{d \times m}$. Then $L = WH$, words by
# contexts, and the whole loss is a function $\mathrm{CE}(L)$ of one matrix. An encoder that is large enough
# can put the $m$ context vectors where it likes. The model of this book takes that at its word and trains the
# vectors themselves.
#
# ```{prf:definition} Unconstrained features model
# :label: def-ufm
#
# The *log-bilinear* or *unconstrained features* model (NTP-UFM) has as parameters the two matrices $W \in
# \mathbb R^{V\times d}$ and $H \in \mathbb R^{d \times m}$, with no bias, and the loss $\mathrm{CE}(WH)$.
# ```
#
# The idea of free features comes from the theory of classification {cite}`mixon2020neural`; for next-token
# prediction it is the setting of the paper {cite}`zhao2024implicit`. Every matrix $L$ of rank at most $d$ is
# within reach, and no other: this rank limit is the *softmax bottleneck* {cite}`yang2018breaking`.
#
# ## The smallest example, by hand
#
# Three tokens, two contexts. After *the cat* came *sat* three times and *ran* once; after *the dog*, *slept*,
# four times.

# %%
hand = SoftLabels.from_counts([[3, 0], [1, 0], [0, 4]], vocab=["sat", "ran", "slept"],
                              contexts=["the cat", "the dog"])
print("P =", hand.P.toarray().tolist(), " pi =", hand.pi.tolist())
by_hand = np.log(2) - 3 / 8 * np.log(3)
print(f"H = {hand.entropy():.4f} = log 2 - 3/8 log 3 = {by_hand:.4f}")

# %% [markdown]
# To reach this floor the model would have to answer *the cat* with exactly $(\tfrac34, \tfrac14, 0)$. The
# ratio of three to one is easy: $L_{\text{sat}} - L_{\text{ran}} = \log 3$. The zero is not: $\exp$ of a
# finite number is positive. All of this chapter is in that sentence; the rest makes it exact.
#
# ## A problem from real text
#
# The hand example stays with us. Beside it, sixteen contexts of five tokens from the King James Version: the
# most frequent ones with two to six possible next tokens, over the tokens that follow them.

# %%
kjv = load_corpus("kjv")
frequent = SoftLabels.from_tokens(kjv, context_length=5, max_contexts=600,
                                  min_support=2)
columns = np.flatnonzero(frequent.support_sizes <= 6)[:CONTEXTS]
labels = frequent.restrict(columns)
print(f"V = {labels.V} tokens, m = {labels.m} contexts, "
      f"entropy bound {labels.entropy():.4f} nats")

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 6.4))
often = np.flatnonzero(labels.P[:, :16].max(axis=1).toarray() > 0.04)
show_matrix(ax, labels.P[often][:, :16], rows=[labels.vocab[z] for z in often],
            columns=[labels.context(j) for j in range(16)], title="$P$")
plt.show()

# %% [markdown]
# *The soft labels of sixteen contexts (of the tokens, those that follow one of them more than once in
# twenty-five times). A column is a distribution: one or two large values, a few small ones, and nothing in
# most rows.*
#
# And a third, from other data: the twenty most frequent contexts of TinyStories.

# %%
stories = load_labels("tinystories-counts")
stories = stories.restrict(np.arange(20))
print(f"V = {stories.V}, m = {stories.m}, entropy bound {stories.entropy():.4f} nats; "
      f"context 0: {stories.context(0)!r}")

# %% [markdown]
# ## The gradient is a difference of probabilities
#
# ```{prf:proposition} Gradient
# :label: prop-gradient
#
# $G := \nabla\mathrm{CE}(L) = \big(\operatorname{softmax}(L) - P\big)\operatorname{diag}(\hat\pi)$, softmax
# taken column by column. The columns of $G$ sum to zero, and $\mathrm{CE}(L + \mathbf 1 c^\top) =
# \mathrm{CE}(L)$ for every $c \in \mathbb R^m$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# The derivative of $\log\sum_v e^{L_{vj}}$ in $L_{zj}$ is $\operatorname{softmax}(L_{:,j})_z$, that of
# $\sum_z \hat p_{zj} L_{zj}$ is $\hat p_{zj}$; both are weighted with $\hat\pi_j$. Columns of
# $\operatorname{softmax}(L)$ and of $P$ sum to one. Adding $c_j$ to a column adds $c_j$ to the first term of
# its bracket and, because $\sum_z \hat p_{zj} = 1$, to the second.
# ```
#
# Each entry compares how much probability the model gives to a token with how much the text does. The check takes the
# loss at two nearby points for every entry of $L$ (central differences) and asks for the same number.

# %%
def difference_quotient(loss, X, step=1e-5):
    """Central differences of a loss in every entry of X."""
    D = np.zeros_like(X)
    for entry in np.ndindex(X.shape):
        E = np.zeros_like(X)
        E[entry] = step
        D[entry] = (loss(X + E) - loss(X - E)) / (2 * step)
    return D


L = rng.normal(size=labels.P.shape)
D = difference_quotient(lambda X: ntp_loss(X, labels), L)
claim("2.1", np.abs(D - ntp_gradient(L, labels)).max())

# %% [markdown]
# And the freedom of every column: a number added to all logits of a context changes nothing. So a model's
# logits are only defined up to a constant for each context, and we may centre them.

# %%
c = rng.normal(scale=5, size=labels.m)
shift = abs(ntp_loss(L + c, labels) - ntp_loss(L, labels))
claim("2.2", max(shift, np.abs(ntp_gradient(L, labels).sum(axis=0)).max()))

# %% [markdown]
# Training moves $W$ and $H$, not $L$. By the chain rule their gradients are
#
# $$
# \nabla_W = G H^\top, \qquad \nabla_H = W^\top G .
# $$ (eq-factor-gradients)
#
# In words: a word vector moves towards the context vectors after which the text has the word more often than
# the model gives it; a context vector moves towards the word vectors that it should give more probability.

# %%
W, H = rng.normal(size=(hand.V, 2)), rng.normal(size=(2, hand.m))
G = ntp_gradient(W @ H, hand)
D_W = difference_quotient(lambda X: ntp_loss(X @ H, hand), W)
D_H = difference_quotient(lambda X: ntp_loss(W @ X, hand), H)
claim("2.3", max(np.abs(D_W - G @ H.T).max(), np.abs(D_H - W.T @ G).max()))

# %% [markdown]
# When does training stop? When these gradients vanish. That happens where $G = 0$, that is,
# $\operatorname{softmax}(L) = P$: never, if $P$ has a zero. (It also happens at points such as $W = 0, H =
# 0$, which are not minima. There $G \ne 0$, and the slightest disturbance starts the descent.)
#
# ## The excess loss splits in two
#
# Let $q_j = \operatorname{softmax}(L_{:,j})$ be what the model says of context $j$. Two things can be wrong
# with it: probability that lies off the support, and wrong proportions within it. The loss counts exactly
# these two, and counts them apart.
#
# ```{prf:proposition} What the excess loss is made of
# :label: prop-split
#
# Let $r_j = \dfrac{\sum_{v \notin \mathcal S_j} e^{L_{vj}}}{\sum_{z \in \mathcal S_j} e^{L_{zj}}}$, the
# model's odds of leaving the support of context $j$, and let $q_j^{\mathcal S}$ be $q_j$ restricted to
# $\mathcal S_j$ and normalised. For every finite $L$,
#
# $$
# \mathrm{CE}(L) - \mathcal H
# = \sum_{j} \hat\pi_j\, \mathrm{KL}(\hat p_j \,\|\, q_j)
# = \underbrace{\sum_{j} \hat\pi_j \log(1 + r_j)}_{\text{off the supports}}
# + \underbrace{\sum_{j} \hat\pi_j\, \mathrm{KL}\big(\hat p_j \,\big\|\, q_j^{\mathcal S}\big)}_{\text{within them}} .
# $$
#
# Neither term is negative. The second is zero exactly when $L_{zj} - L_{z'j} = \log(\hat p_{zj} / \hat
# p_{z'j})$ for all $z, z' \in \mathcal S_j$ and all $j$. The first is positive as soon as some $k_j < V$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# The bracket of context $j$ in {prf:ref}`def-loss` is $-\sum_z \hat p_{zj}\log q_{zj}$, which exceeds the
# entropy of $\hat p_j$ by $\mathrm{KL}(\hat p_j\|q_j)$. For $z$ in the support, $q_{zj} = q_j(\mathcal S_j)\,
# q^{\mathcal S}_{zj}$, so this is $-\log q_j(\mathcal S_j) + \mathrm{KL}(\hat p_j \| q_j^{\mathcal S})$, and
# $q_j(\mathcal S_j) = 1/(1+r_j)$. A divergence of distributions is zero only where they are equal, which says
# $q_{zj}/q_{z'j} = \hat p_{zj}/\hat p_{z'j}$ on the support. If $k_j < V$ then $r_j$ has a positive
# numerator.
# ```
#
# This is worth more than it looks. The second term speaks of *ratios* and can be brought to zero by finite
# logits. The first speaks of *absence* and cannot. The two will ask for different things of a model all
# through the book.
#
# The split is also the way to compute a small excess, and the library's `excess` returns its two parts. The
# difference $\mathrm{CE}(L) - \mathcal H$ of two numbers of size one loses everything below $10^{-16}$;
# $\log(1+r)$ for a tiny $r$, computed as such, loses nothing.

# %%
problems = {"by hand": hand, "King James Version": labels, "TinyStories": stories}
gaps = []
for name, problem in problems.items():
    L = rng.normal(scale=3, size=problem.P.shape)
    off, within = excess(L, problem)
    gaps.append(abs(ntp_loss(L, problem) - problem.entropy() - off - within))
    print(f"{name:20s} excess {off + within:8.4f} = off the supports {off:8.4f} "
          f"+ within {within:7.4f}")
claim("2.4", max(gaps))

# %% [markdown]
# Random logits are wrong on both counts. Can any choice of finite logits bring the first part to zero? Try
# random ones of every size, and logits made for the purpose, very large on the supports. (The second part can
# be zero; the first is a lower bound of the excess.)

# %%
trials = [(rng.normal(scale=size, size=problem.P.shape), problem)
          for problem in problems.values() for size in np.geomspace(0.1, 100, 40)]
trials += [(gamma * problem.S.toarray(), problem)
           for problem in problems.values() for gamma in range(0, 301, 10)]
smallest = min(excess(L, problem)[0] for L, problem in trials)
print(f"{len(trials)} matrices of logits")
claim("2.5", smallest)

# %% [markdown]
# ## The road to infinity
#
# If not at a finite point, the floor may be approached along a road. It needs a finite part for the ratios
# and a direction for the absences. The finite part is
#
# $$
# L^{\mathrm{in}}_{zj} = \log \hat p_{zj} - \frac1{k_j}\sum_{z' \in \mathcal S_j} \log \hat p_{z'j} \quad (z \in \mathcal S_j), \qquad
# L^{\mathrm{in}}_{zj} = 0 \quad (z \notin \mathcal S_j) .
# $$
#
# As direction will do any $L^{\mathrm d}$ that is constant on each support and lower by at least one off it.
# The centred support $\tilde S = (I - \tfrac1V\mathbf 1\mathbf 1^\top) S$ of the last chapter is the
# plainest: all its margins are exactly one. That such a road leads to the floor was shown in the predecessor
# paper {cite}`thrampoulidis2024implicit`, T24 for short; the constants are made explicit here.
#
# ```{prf:theorem} The bound is approached and not attained ([T24, Proposition 1])
# :label: thm-approach
#
# Suppose that some $k_j < V$.
#
# 1. $\mathrm{CE}(L) > \mathcal H$ for every finite $L$.
# 2. Let $L^{\mathrm d}_{zj} = L^{\mathrm d}_{z'j}$ for $z, z' \in \mathcal S_j$ and $L^{\mathrm d}_{zj} \ge
#    L^{\mathrm d}_{vj} + 1$ for $z \in \mathcal S_j$, $v \notin \mathcal S_j$. With $Z_j = \sum_{z \in
#    \mathcal S_j} e^{L^{\mathrm{in}}_{zj}} \ge k_j$, for every $\gamma \ge 0$,
#
#    $$
#    \mathrm{CE}(L^{\mathrm{in}} + \gamma L^{\mathrm d}) - \mathcal H \;\le\; \sum_j \hat\pi_j \log\Big(1 + \frac{V - k_j}{Z_j} e^{-\gamma}\Big)
#    \;\le\; C e^{-\gamma}
#    $$
#
#    with $C = \sum_j \hat\pi_j (V/k_j - 1)$. For $L^{\mathrm d} = \tilde S$ the first inequality is an equality.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# The first part is the last sentence of {prf:ref}`prop-split`. For the second: $L^{\mathrm{in}}$ has the
# right differences on the supports and $\gamma L^{\mathrm d}$ does not change them, so the term *within* is
# zero. Off the support $L^{\mathrm{in}}$ is zero. With $a_j$ the value of $L^{\mathrm d}_{:,j}$ on its
# support,
#
# $$
# r_j = \frac{\sum_{v \notin \mathcal S_j} e^{\gamma L^{\mathrm d}_{vj}}}{e^{\gamma a_j} \sum_{z\in\mathcal S_j} e^{L^{\mathrm{in}}_{zj}}}
# \le \frac{(V-k_j)\, e^{-\gamma}}{Z_j} ,
# $$
#
# with equality where all margins are one. Since the entries of $L^{\mathrm{in}}_{:,j}$ on the support have
# mean zero, $Z_j \ge k_j$ by the inequality of the arithmetic and the geometric mean. Finally $\log(1+x) \le
# x$.
# ```
#
# By hand: *the cat* has $Z = \sqrt3 + 1/\sqrt3 = 4/\sqrt3$ and one token off its support, *the dog* $Z = 1$
# and two. So the excess is $\tfrac12\log(1 + \tfrac{\sqrt3}4 e^{-\gamma}) + \tfrac12\log(1 + 2e^{-\gamma})$.

# %%
def road(gamma, labels):
    """The logits L_in + gamma S~."""
    return in_support_logits(labels).toarray() + gamma * centered_support(labels.S)


def closed_form(gamma, labels):
    """The excess loss of `road` by the theorem (nats)."""
    Z = np.where(labels.S.toarray(), np.exp(road(0, labels)), 0).sum(axis=0)
    return labels.pi @ np.log1p((labels.V - labels.support_sizes) / Z * np.exp(-gamma))


by_hand = 0.5 * np.log1p(np.sqrt(3) / 4 * np.exp(-2)) + 0.5 * np.log1p(2 * np.exp(-2))
print(f"gamma = 2: by hand {by_hand:.6f}, closed form {closed_form(2, hand):.6f}, "
      f"loss minus bound {ntp_loss(road(2, hand), hand) - hand.entropy():.6f}")

# %% [markdown]
# The check holds the formula against the loss of the logits themselves, on all three problems.

# %%
claim("2.6", max(abs(ntp_loss(road(g, problem), problem) - problem.entropy()
                     - closed_form(g, problem))
                 for problem in problems.values() for g in range(26)))

# %% [markdown]
# For large $\gamma$ the excess is $e^{-\gamma}$ times a constant: one unit of growth buys a factor of $e$,
# for ever. On a logarithmic axis that is a line of slope $-1$. We read the slope off the logits, not off the
# formula.

# %%
gammas = np.linspace(10, 25, 16)
logs = [np.log(sum(excess(road(g, labels), labels))) for g in gammas]
claim("2.7", np.polyfit(gammas, logs, 1)[0])

# %% [markdown]
# That line starts late where the vocabulary is large. The bound $Ce^{-\gamma}$ holds from the start, but $C$
# is about $V/k$: the margins first have to outweigh the sheer number of wrong tokens, which takes $\gamma
# \approx \log(V/k)$. Here are the same contexts with all tokens of the King James Version as candidates.

# %%
P = frequent.P[:, columns[:16]]
whole = SoftLabels.from_counts(P * frequent.pi[columns[:16]], vocab=frequent.vocab)
C = whole.pi @ (whole.V / whole.support_sizes - 1)
print(f"V = {whole.V:,}: C = {C:,.0f}, log C = {np.log(C):.1f}")
whole_excess = [sum(excess(road(g, whole), whole)) for g in range(26)]
claim("2.8", max(e * np.exp(g) / C for g, e in enumerate(whole_excess)))

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 4))
long = np.arange(0, 46, 1.5)
as_logs = [excess(road(g, labels), labels)[0] for g in long]
subtracted = np.array([ntp_loss(road(g, labels), labels) - labels.entropy()
                       for g in long])
show_growth(ax, np.arange(26), {f"all V = {whole.V:,} tokens": whole_excess},
            xlabel="growth $\\gamma$", log="y")
show_growth(ax, long, {f"V = {labels.V}, computed as log(1 + r)": as_logs},
            xlabel="growth $\\gamma$", ylabel="excess loss (nats)", log="y")
good = subtracted > 0
ax.plot(long[good], subtracted[good], "x", color="#D55E00", markersize=8,
        label="the same, by subtraction")
ax.lines[1].set_color("#009E73")
ax.legend()
plt.show()

# %% [markdown]
# *The excess loss along the road, on a logarithmic axis: straight lines of slope $-1$, the one for the whole
# vocabulary bent at the start, where wrong tokens are many. Crosses: the same excess as loss minus bound.
# Where float64 has no more digits the crosses scatter or vanish. The excess itself goes on.*
#
# ### Drag it yourself
#
# One context of the King James Version, *therefore thus saith the lord*, on the road. The slider is the
# growth $\gamma$. Orange: what the text says. Blue: what the model says. Without the slider, in one sentence:
# from $\gamma = 0$ on the proportions within the support are right, and with each step the mass off it
# shrinks, soon by a factor of $e$, and is zero at none.

# %%
FRAME = ('<svg viewBox="0 0 330 222" width="460" role="img" aria-label="{label}" '
         'fill="currentColor" style="max-width:100%;height:auto;font:12px sans-serif">'
         '{body}<text x="4" y="214">{note}</text></svg>')


def row(y, name, p, q):
    """One token: its two bars and its numbers, as SVG."""
    return (f'<text x="118" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="126" y="{y + 1}" width="{150 * p:.1f}" height="7" '
            f'fill="#E69F00"/><rect x="126" y="{y + 9}" width="{150 * q:.1f}" '
            f'height="7" fill="#4A90D9"/>'
            f'<text x="{132 + 150 * max(p, q):.1f}" y="{y + 13}">{q:.2g}</text>')


def picture(gamma, labels, j, shown=7):
    """The model's distribution for context j at growth gamma, as SVG."""
    p, q = labels.P[:, [j]].toarray().ravel(), softmax(road(gamma, labels))[:, j]
    top, rest = np.split(np.argsort(-p, kind="stable"), [shown])
    lines = [row(24 * i, labels.vocab[z], p[z], q[z]) for i, z in enumerate(top)]
    lines.append(row(24 * shown, f"{len(rest)} others", p[rest].sum(), q[rest].sum()))
    off = q[p == 0].sum()
    loss = np.log1p(off / q[p > 0].sum())
    note = f"off the support {off:.2e} · excess loss {loss:.2e} nats"
    return FRAME.format(label=f"gamma {gamma}: {note}", body="".join(lines), note=note)


# %%
j = [labels.context(i) for i in range(labels.m)].index("therefore thus saith the lord")
slider = widgets.IntSlider(value=0, min=0, max=12, description="growth γ")
stack = widgets.Stack([widgets.HTML(picture(g, labels, j)) for g in range(13)],
                      selected_index=0)
widgets.jslink((slider, "value"), (stack, "selected_index"))
widgets.VBox([slider, stack])

# %% [markdown]
# ## What the last nats cost
#
# So the logits must grow. By how much, for a given excess? There is a lower bound that holds for all weights,
# on this road or off it.
#
# ```{prf:proposition} The price of the excess
# :label: prop-price
#
# Let $\mathrm{CE}(WH) - \mathcal H = \varepsilon$ with finite $W$, $H$. For each context with $k_j < V$ put
#
# $$
# D_j(\varepsilon) = \max\Big\{0,\ \log \frac{V - k_j}{k_j\,(e^{\varepsilon/\hat\pi_j} - 1)}\Big\} .
# $$
#
# Then
#
# $$
# \tfrac12\big(\|W\|_F^2 + \|H\|_F^2\big) \;\ge\; \|WH\|_F \;\ge\; \Big( \sum_{j : k_j < V} \frac{D_j(\varepsilon)^2}{1 + 1/(V-k_j)} \Big)^{1/2} .
# $$
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# Both terms of {prf:ref}`prop-split` are sums of non-negative numbers, so $\hat\pi_j\log(1+r_j) \le
# \varepsilon$ for each $j$, or $r_j \le e^{\varepsilon/\hat\pi_j} - 1$. Let $b_j$ be the largest logit on the
# support and $a_j$ the mean logit off it. Then $r_j \ge (V - k_j)e^{a_j} / (k_j e^{b_j})$, by convexity of
# $\exp$ above and by the maximum below. So $b_j - a_j \ge D_j(\varepsilon)$ unless the right side is zero.
# Now $b_j - a_j = u^\top L_{:,j}$ for a vector $u$ with one entry $1$ and $V - k_j$ entries $-1/(V-k_j)$,
# whose squared norm is $1 + 1/(V-k_j)$. By Cauchy and Schwarz $\|L_{:,j}\|^2 \ge D_j^2/(1 + 1/(V-k_j))$; sum
# over $j$. The first inequality is $\|WH\|_F \le \|W\|_F\|H\|_F$ and the inequality of the means.
# ```
#
# As $\varepsilon \to 0$ each $D_j$ is $\log(1/\varepsilon)$ plus a constant. Squared norms must grow at least
# in proportion to $\log(1/\varepsilon)$, the number of digits by which the loss agrees with its floor. A
# finite amount of weight buys a finite number of digits.
#
# ## Watching it train
#
# Now train: plain gradient descent on $W$ and $H$ together, from small random vectors, with
# {eq}`eq-factor-gradients`. The number of dimensions is the number of contexts, so the rank limit does not
# bind. We expect the excess to keep falling and the weights to keep growing, both ever more slowly.

# %%
def descend(labels, W, H, rate, checkpoints):
    """Gradient descent: excess loss and both norms at the checkpoints; last W, H."""
    seen = []
    for step in range(checkpoints[-1] + 1):
        L = W @ H
        if step in checkpoints:
            seen.append([sum(excess(L, labels)), np.linalg.norm(W), np.linalg.norm(H)])
        G = ntp_gradient(L, labels)
        W, H = W - rate * G @ H.T, H - rate * W.T @ G
    return np.array(seen).T, W, H


checkpoints = np.unique(np.geomspace(10, STEPS, 14).astype(int)).tolist()
W = 0.1 * rng.normal(size=(labels.V, labels.m))
H = 0.1 * rng.normal(size=(labels.m, labels.m))
(eps, norm_W, norm_H), W, H = descend(labels, W, H, rate=1.0, checkpoints=checkpoints)
for i in (0, len(eps) // 2, -1):
    print(f"step {checkpoints[i]:7,}: excess {eps[i]:.1e} nats, "
          f"|W| = {norm_W[i]:.1f}, |H| = {norm_H[i]:.1f}")

# %%
claim("2.9", np.min((eps[:-1] - eps[1:]) / eps[:-1]) if eps.min() > 0 else -1)

# %%
claim("2.10", min(np.min(norms[1:] / norms[:-1] - 1) for norms in (norm_W, norm_H)))

# %% [markdown]
# And the price list of {prf:ref}`prop-price`, held against the run:

# %%
def price(eps, labels):
    """The lower bound on half the sum of squared norms at an excess of eps nats."""
    k, V = labels.support_sizes, labels.V
    D = np.log((V - k) / (k * np.expm1(eps / labels.pi)))
    return np.sqrt(np.sum(np.maximum(D, 0) ** 2 / (1 + 1 / (V - k))))


paid = (norm_W**2 + norm_H**2) / 2
prices = np.array([price(e, labels) for e in eps])
ratio = paid[prices > 0] / prices[prices > 0]
print(f"paid {ratio.max():.0f} times the least price early in the run, "
      f"{ratio[-1]:.0f} times at its end")
claim("2.11", ratio.min())

# %% tags=["remove-input"]
fig, (left, right) = plt.subplots(2, 1, figsize=(6.4, 6), sharex=True)
show_growth(left, checkpoints, {"gradient descent": eps}, xlabel="",
            ylabel="excess loss (nats)", log="xy")
show_growth(right, checkpoints, {"$\\frac{1}{2}(\\|W\\|^2 + \\|H\\|^2)$": paid,
                                 "$\\|WH\\|_F$ at least": prices},
            xlabel="steps of gradient descent", ylabel="size of the weights", log="x")
plt.show()

# %% [markdown]
# *Above: the excess loss against training steps, both axes logarithmic. It falls at every checkpoint and
# shows no floor but zero. Below: the size of the weights, and the least size that this excess allows. Against
# the logarithm of time both climb in a line: training slows down but does not end. The lower bound is crude
# (it is short of the run by a factor); the law of growth is what it has right.*
#
# The question of this chapter has its answer. The floor is real, and it lies at infinity. Gradient descent walked
# towards it for as long as it was allowed to. Logits, and squared norms of the factors, grew like the logarithm
# of time, as they are known to do for separable data in classification {cite}`soudry2018implicit`. In practice
# one stops; weight decay or the clock decides where. What is left to ask is the *direction* in which the
# weights go off. It will turn out to depend on the supports $S$ much more than on the probabilities.

# %% [markdown]
# Where contexts are held fixed, all of this is known to the end, direction included: that is the predecessor's paper, and
# {ref}`the page after this chapter <ch-fixed-contexts>`. Where contexts are trained too, the direction is the subject of
# {ref}`ch-ntp-svm`.
#
# ## Decoupling the objective from the architecture
#
# What has a table of free vectors to do with a transformer? The authors put their plan to a reviewer in one
# line: several things decide what a model encodes of its corpus, among them objective, architecture and
# scale; study the objective apart. Here is what that can mean. Call an *architecture* any rule that turns
# parameters into $W_\theta \in \mathbb R^{V\times d}$ and $H_\theta = (h_\theta(\bar x_1), \dots,
# h_\theta(\bar x_m))$.
#
# ```{prf:proposition} What the objective sees, and what it does not
# :label: prop-decoupling
#
# 1. The loss is $\mathrm{CE}(W_\theta H_\theta)$. It depends on $\theta$ only through $L_\theta = W_\theta
#    H_\theta$, and its gradient is $\sum_{z,j} G_{zj}\, \nabla_\theta L_{\theta,zj}$ with the $G$ of
#    {prf:ref}`prop-gradient`.
# 2. $\mathcal H \le \inf_{W,H} \mathrm{CE}(WH) \le \inf_\theta \mathrm{CE}(W_\theta H_\theta)$ at the same
#    $d$; the last two are equal if $W$ is free and the encoder can take any values on the $m$ contexts.
# 3. If the encoder gives equal vectors to all contexts of a group, its loss is never below the entropy bound
#    $\mathcal H_{\text{merged}}$ of the merged groups, and with $\bar p_{g}$ the distribution of the next
#    token in group $g$,
#
#    $$
#    \mathcal H_{\text{merged}} - \mathcal H = \sum_j \hat\pi_j\, \mathrm{KL}\big(\hat p_j \,\big\|\, \bar p_{g(j)}\big) \ge 0 .
#    $$
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# The first part is {prf:ref}`def-loss` and the chain rule. For the second, every $(W_\theta, H_\theta)$ is
# one of the pairs over which the free model minimises. For the third, equal vectors have equal columns of
# logits. In the loss the columns $\hat p_j$ of a group enter linearly, so the loss equals that of the merged
# soft labels (weights $\sum_{j\in g}\hat\pi_j$, columns $\bar p_g$), whose entropy bound is $\mathcal
# H_{\text{merged}}$. The difference of the entropies is $\sum_j \hat\pi_j \sum_z \hat p_{zj} \log(\hat
# p_{zj}/\bar p_{z g(j)})$.
# ```
#
# In words: counts and loss decide *where it pays to go* in the space of logits, through $G$. The architecture
# decides *which logits exist*, and how a step of the parameters moves them. The free model is the case where
# the architecture decides as little as it can.
#
# First, parameters that give the same logits. An encoder that averages the embeddings of the five tokens of a
# context, $H = EM$, with $M$ the share of each token in each context, and $E$ chosen so that $H$ is as near
# to the context vectors trained above as such averages can be. (With sixteen contexts it gives them exactly:
# their bags of words are linearly independent.) The same $H$ as a table of free vectors. And the same after
# an arbitrary change of basis, $WA$ and $A^{-1}H$.

# %%
words = [labels.context(j).split(" ") for j in range(labels.m)]
tokens = sorted({token for context in words for token in context})
M = np.array([[context.count(token) / 5 for context in words] for token in tokens])
print(f"{len(tokens)} tokens, {labels.m} contexts, "
      f"bags of words of rank {np.linalg.matrix_rank(M)}")
E = H @ np.linalg.pinv(M)  # one column for each token
table, A = E @ M, rng.normal(size=(labels.m, labels.m))
same = (W @ E) @ M, W @ table, (W @ A) @ np.linalg.solve(A, table)
claim("2.14", np.ptp([ntp_loss(L, labels) for L in same]))

# %% [markdown]
# Then an architecture that cannot give all logits. Averages forget the order of words, and English does not:
# after *the ark of*, *ark of the* and *of the ark* the King James Version goes on quite differently.

# %%
three = SoftLabels.from_tokens(kjv, context_length=3, max_contexts=20_000)
names = ["the ark of", "ark of the", "of the ark"]
wanted = [tuple(kjv.vocab.index(token) for token in name.split()) for name in names]
ids = {tuple(context): j for j, context in enumerate(three.contexts.tolist())}
ark = three.restrict(np.array([ids[context] for context in wanted]))
for j in range(3):
    p = ark.P[:, [j]].toarray().ravel()
    top = np.argsort(-p, kind="stable")[:4]
    print(f"{ark.context(j):11s}->",
          ", ".join(f"{ark.vocab[z]} {p[z]:.2f}" for z in top))

# %% [markdown]
# For the average the three contexts are one. Its floor is the entropy bound of the merged counts:

# %%
merged = SoftLabels.from_counts(ark.P @ ark.pi[:, None], vocab=ark.vocab)
p_bar = merged.P.toarray()
weights = np.repeat(ark.pi, ark.support_sizes) * ark.P.data
kl = np.sum(weights * np.log(ark.P.data / p_bar[ark.P.indices, 0]))
print(f"bound {ark.entropy():.4f}, merged bound {merged.entropy():.4f}: "
      f"gap {merged.entropy() - ark.entropy():.4f}, by the formula {kl:.4f} nats")

# %% [markdown]
# Train two encoders that differ in nothing but this. Both average token embeddings; one with equal weights,
# the other with weights $\tfrac36, \tfrac26, \tfrac16$ for the first, second and third token. The matrix $M$
# of weights, tokens by contexts, says it all: rank one and rank three.

# %%
def train_embeddings(labels, M, steps=6000, rate=1.0, d=6):
    """Gradient descent on words W and token embeddings E, H = E M; all losses."""
    generator = np.random.default_rng(SEED)
    W = 0.3 * generator.normal(size=(labels.V, d))
    E = 0.3 * generator.normal(size=(d, len(M)))
    losses = []
    for _ in range(steps):
        G = ntp_gradient(W @ E @ M, labels)
        losses.append(ntp_loss(W @ E @ M, labels))
        W, E = W - rate * G @ (E @ M).T, E - rate * W.T @ G @ M.T
    return np.array(losses)


equal = np.full((3, 3), 1 / 3)
by_position = np.array([[3, 1, 2], [2, 3, 1], [1, 2, 3]]) / 6  # rows: the, ark, of
bag, ordered = train_embeddings(ark, equal), train_embeddings(ark, by_position)
claim("2.15", bag.min() - merged.entropy())

# %%
claim("2.16", bag[-1] - merged.entropy())

# %%
claim("2.17", ordered[-1] - ark.entropy())

# %% tags=["remove-input"]
fig, ax = plt.subplots()
steps = np.unique(np.geomspace(1, len(bag), 25).astype(int))
show_growth(ax, steps, {"equal weights": bag[steps - 1],
                        "weights by position": ordered[steps - 1]},
            xlabel="steps of gradient descent", ylabel="loss (nats)", log="x")
for level, name in ((merged.entropy(), "merged bound"),
                    (ark.entropy(), "entropy bound $\\mathcal{H}$")):
    ax.axhline(level, color="#777777", linestyle="--", linewidth=1)
    ax.text(1, level + 0.03, name, color="#777777", fontsize=10.5)
plt.show()

# %% [markdown]
# *Loss of the two encoders during training, with both bounds dashed. The one that ignores word order comes
# down to the merged bound and stays there; the one that knows positions goes on to the entropy bound. Same
# objective, same text, same number of parameters: the difference is which logits exist.*
#
# The first of the two is, by the way, a model whose training *does* stop. Its one merged context has been
# followed by every token of this small vocabulary, so nothing is left off the support, and finite logits
# attain the merged bound. The second has three contexts with zeros in their columns, and keeps going.
#
# This is also an answer to a reader of the paper who took the theory to say no more than *a context is the
# average of its words*. The objective does not care which words stand in a context, or in which order. It
# cares what follows. Whether an encoder can follow it there is the architecture's affair.

# %% [markdown]
# ## What to take away
#
# - The loss is a function of one matrix, $L = WH$; its gradient compares the model's probabilities with the
#   text's ({prf:ref}`prop-gradient`).
# - Excess loss is mass off the supports plus wrong ratios within them ({prf:ref}`prop-split`). Finite weights
#   can mend the second, not the first.
# - So the floor lies at infinity ({prf:ref}`thm-approach`), and an excess $\varepsilon$ costs squared norms
#   in proportion to $\log(1/\varepsilon)$ at least ({prf:ref}`prop-price`).
# - Text and loss fix what is worth doing in the space of logits; the architecture fixes what can be done
#   ({prf:ref}`prop-decoupling`).
#
# Before, two matrices $W$ and $H$; in effect, one matrix $L$. That the solution of many embedding methods is
# best found in $L$ and then factored is an old lesson: word2vec is one such factorisation
# {cite}`levy2014neural`. What the factors then look like is the next question.
#
# ## What this does not show
#
# The direction in which weights grow: $L^{\mathrm{in}} + \gamma\tilde S$ is *a* road to the floor, and nothing here says that
# gradient descent on $W$ and $H$ takes it. Nor that a real architecture, with many more contexts than parameters, is
# as free as the table of vectors; that it can represent the same logits does not mean that training finds them.
# And sixteen contexts are not a language.
#
# ## Exercises
#
# 1. Every context has been followed by every token at least once ($k_j = V$ for all $j$), as after smoothing
#    the counts. Does training stop?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    It can. The term *off the supports* is gone, and $L = \log P$, entry by entry, has
#    $\operatorname{softmax}(L) = P$ and reaches $\mathcal H$. With $d \ge \operatorname{rank}$ of its centred
#    version the factors are finite. Smoothing turns the zeros of $P$, which cost infinite logits, into small
#    numbers, which cost large ones.
#    ```
#
# 2. Two contexts have supports of the same size, one with equal probabilities, one with very unequal ones.
#    Which has the larger excess at the same $\gamma$ on the road?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    The one with equal probabilities: $Z_j \ge k_j$ with equality exactly there, and the excess falls in
#    $Z_j$. Unequal probabilities have a large logit on the support, which helps against the tokens off it.
#    ```
#
# 3. Take $(W, H)$ and $(cW, H/c)$ with $c > 0$. They have the same loss. Do they have the same future?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    No. Under small steps the logits move by $-(c^2\, WW^\top G + c^{-2}\, G H^\top H)$, which depends on
#    $c$: one factor learns fast, the other slowly. The loss does not see the parametrisation; the route does.
#    Try it: start `descend` from `(3 * W, H / 3)`.
#    ```

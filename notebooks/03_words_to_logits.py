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
# (ch-words-to-logits)=
# # From words and contexts to logits
#
# A product of two matrices is not convex. Why can we say anything about its minimum? Change the sign of every
# word vector and of every context vector, and the loss is the same; take the mean of the two solutions, and
# it is zero, which is no solution at all. Valleys in a landscape like that could hide anywhere. This chapter
# shows that with a little weight decay there is, in enough dimensions, one valley only (up to rotation), that
# it is the image of a convex problem in the logits, and that one number tells a minimum from a place where
# training merely got stuck. You will watch training get stuck, and let it out.
#
# *Fifteen minutes to read, about fifteen seconds to run on one CPU core. No GPU is used.*

# %% tags=["colab-install", "remove-cell"]
# In Colab the published copy of this notebook installs ntputils here.

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

from ntputils import (SoftLabels, claim, factor, load_corpus, ntp_gradient, ntp_loss,
                      scale, session)
from ntputils.plots import show_growth, show_matrix, style

SEED = 20240822
rng = np.random.default_rng(SEED)
style()

# %% tags=["remove-input"]
session()

# %% [markdown]
# The two scales differ in how many contexts of the King James Version are trained on, and in the number of
# random starts.

# %%
CONTEXTS, STARTS = {"small": (16, 40), "full": (48, 400)}[scale()]
print(f"{CONTEXTS} contexts, {STARTS} random starts")

# %% [markdown]
# ## The smallest landscape, by hand
#
# Two tokens, one context, and after it always the first token; one dimension. Let the word vectors be $a$ and
# $-a$, the context vector $h$. The logits are $ah$ and $-ah$, the loss is $\log(1 + e^{-2ah})$: it falls for
# ever along both branches of $ah \to \infty$, as the last chapter said it must. Now add the usual weight
# decay, also called *ridge*: half of $\lambda$ times the sum of all squared weights,
#
# $$
# F_\lambda(a, h) = \log(1 + e^{-2ah}) + \tfrac\lambda2 (2a^2 + h^2) .
# $$
#
# What do we expect to see? Two equal minima, since $(a, h)$ and $(-a, -h)$ have the same logits; and between
# them, at zero, a stationary point: there both partial derivatives vanish. Near zero $F_\lambda \approx
# \log 2 - ah + \tfrac\lambda2(2a^2 + h^2)$, and the matrix of second derivatives is $\begin{pmatrix}
# 2\lambda & -1 \\ -1 & \lambda\end{pmatrix}$. It has a negative eigenvalue exactly if $2\lambda^2 < 1$. So
# zero is a saddle for $\lambda < 1/\sqrt2$, and for larger $\lambda$ the minimum. For given logits, $s =
# 2ah$ apart, the cheapest weights have $h^2 = 2a^2$ and cost $\lambda s/\sqrt2$. The minimum over $s$ of
# $\log(1 + e^{-s}) + \lambda s/\sqrt2$ is at
#
# $$
# s(\lambda) = \log\big(\sqrt2/\lambda - 1\big) \quad \text{for } \lambda < 1/\sqrt2 .
# $$
#
# That last problem is convex, and it has one unknown, not two. The whole chapter is in this example.

# %%
def landscape(a, h, lam):
    """The ridge-regularised loss of two tokens and one context, in one dimension."""
    return np.logaddexp(0, -2 * a * h) + lam / 2 * (2 * a**2 + h**2)


def descent(a, h, lam, steps=150, rate=0.2):
    """The points that gradient descent visits."""
    points = [(a, h)]
    for _ in range(steps):
        slope = -2 / (1 + np.exp(2 * a * h))  # of the loss, in the product a h
        a, h = a - rate * (slope * h + 2 * lam * a), h - rate * (slope * a + lam * h)
        points.append((a, h))
    return np.array(points)


lam = 0.15
a, h = descent(0.9, -1.25, lam)[-1]
by_hand = np.log(np.sqrt(2) / lam - 1)
print(f"difference of logits: descent {2 * a * h:.4f}, by hand {by_hand:.4f}")

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 4.6))
aa, hh = np.meshgrid(np.linspace(-2, 2, 161), np.linspace(-2.4, 2.4, 161))
surface = ax.contourf(aa, hh, landscape(aa, hh, lam), levels=np.linspace(0.3, 2.2, 20),
                      cmap="Blues_r", extend="max")
fig.colorbar(surface, ax=ax, label="regularised loss (nats)")
for begin in ((0.9, -0.84), (-0.9, 0.87), (-1.7, 1.615), (1.7, -1.635)):
    points = descent(*begin, lam, 300)
    ax.plot(*points.T, color="#D55E00", marker=".", markersize=3, linewidth=1)
ends = np.array([descent(1, 1, lam, 400)[-1], descent(-1, -1, lam, 400)[-1]])
ax.plot(*ends.T, "o", color="#E69F00", markersize=9, markeredgecolor="black")
ax.plot(0, 0, "X", color="white", markeredgecolor="black", markersize=11)
ax.set(xlabel="word vectors $\\pm a$", ylabel="context vector $h$")
ax.grid(False)
plt.show()

# %% [markdown]
# *The regularised loss of the smallest example at $\lambda = 0.15$ (dark is low). Circles: the two minima,
# one the negative of the other, the same logits. Cross: the saddle at zero. Four runs of gradient descent
# (orange) come from the wrong side, slow down near the saddle, and turn into one valley or the other.*
#
# ## The price of logits
#
# ```{prf:definition} Ridge-regularised model
# :label: def-ridge
#
# For $\lambda > 0$ and $d \ge 1$, over $W \in \mathbb R^{V\times d}$ and $H \in \mathbb R^{d\times m}$,
#
# $$
# F_\lambda(W, H) = \mathrm{CE}(WH) + \tfrac\lambda2\big(\|W\|_F^2 + \|H\|_F^2\big) .
# $$
#
# The *nuclear norm* $\|L\|_*$ is the sum of the singular values of $L$, and $\|L\|_2$ the largest of them.
# ```
#
# The first term sees $W$ and $H$ only through $L = WH$. So for given logits the second should be made as
# small as it can be, and the question is how small that is.
#
# ```{prf:proposition} The nuclear norm is the least cost of a factorisation
# :label: prop-nuclear
#
# Let $L$ have rank $r \le d$ and the compact singular value decomposition $L = U\Sigma V^\top$. Whenever
# $WH = L$,
#
# $$
# \tfrac12\big(\|W\|_F^2 + \|H\|_F^2\big) \ge \|L\|_* .
# $$
#
# The following are equivalent: (a) equality; (b) $W = U\Sigma^{1/2}R^\top$ and $H = R\,\Sigma^{1/2}V^\top$
# for some $R \in \mathbb R^{d\times r}$ with $R^\top R = I_r$; (c) $W$ and $H$ are *balanced*: $W^\top W =
# HH^\top$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# For $WH = L$,
#
# $$
# \|L\|_* = \operatorname{tr}(U^\top L V) = \langle W^\top U, HV\rangle \le \|W^\top U\|_F\|HV\|_F
# \le \tfrac12\big(\|W^\top U\|_F^2 + \|HV\|_F^2\big) \le \tfrac12\big(\|W\|_F^2 + \|H\|_F^2\big) ,
# $$
#
# by Cauchy and Schwarz, by the inequality of the means, and because $U$ and $V$ have orthonormal columns.
#
# *(a) implies (b).* Equality in the first two steps makes $W^\top U = HV =: B$; in the last it makes $W =
# UU^\top W$ and $H = HVV^\top$. So $W = UB^\top$, $H = BV^\top$, and $L = UB^\top BV^\top$ gives $B^\top B =
# \Sigma$. Then $R = B\Sigma^{-1/2}$ has $R^\top R = I_r$.
#
# *(b) implies (c).* Both sides are $R\Sigma R^\top$.
#
# *(c) implies (a).* $LL^\top = WHH^\top W^\top = W W^\top W W^\top = (WW^\top)^2$. Its positive square
# root is unique, so $WW^\top = (LL^\top)^{1/2}$, whose trace is $\|L\|_*$. So $\|W\|_F^2 = \|L\|_*$, and
# $\|H\|_F^2 = \operatorname{tr} HH^\top = \operatorname{tr} W^\top W$ is the same.
# ```
#
# The last step of the proof is worth a line of its own, because the geometry in this book is read off Gram
# matrices.
#
# ```{prf:corollary} Gram matrices are square roots
# :label: cor-gram
#
# If $W$ and $H$ are balanced and $L = WH$, then $WW^\top = (LL^\top)^{1/2}$ and $H^\top H = (L^\top
# L)^{1/2}$. Lengths and angles of all words, and of all contexts, are functions of the logits alone.
# ```
#
# First the inequality, on pairs of random factors of all shapes and of very different sizes.

# %%
def nuclear(L):
    """The sum of the singular values."""
    return np.linalg.svd(L, compute_uv=False).sum()


ratios = []
for _ in range(2000):
    V, d, m = rng.integers(1, 9, size=3)
    W, H = rng.normal(size=(V, d)) * 10 ** rng.uniform(-1, 1), rng.normal(size=(d, m))
    ratios.append((np.sum(W**2) + np.sum(H**2)) / 2 / nuclear(W @ H))
claim("3.1", min(ratios))

# %% [markdown]
# Then the factors of the proposition, with a random $R$; the square roots come from eigenvalues of $LL^\top$
# and $L^\top L$, not from the factors.

# %%
def root(A):
    """The positive square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(A)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def balanced(L, d, rng):
    """A balanced factorisation of L in d dimensions, turned at random."""
    W, H = factor(L)
    R = np.linalg.qr(rng.normal(size=(d, W.shape[1])))[0]
    return W @ R.T, R @ H


errors = []
for rank in (1, 2, 3, 5):
    L = rng.normal(size=(7, rank)) @ rng.normal(size=(rank, 5))
    W, H = balanced(L, 6, rng)
    cost = (np.sum(W**2) + np.sum(H**2)) / 2
    grams = W @ W.T - root(L @ L.T), H.T @ H - root(L.T @ L)
    errors += [np.abs(A).max() for A in (W @ H - L, *grams, cost - nuclear(L))]
claim("3.2", max(errors))

# %% [markdown]
# ## From two matrices to one
#
# Take the minimum in two steps, first over the factorisations of each $L$, then over $L$.
#
# ```{prf:lemma} From factors to logits (Lemma 1 of the paper)
# :label: lem-one
#
# For every $d \ge 1$ and $\lambda > 0$,
#
# $$
# \min_{W, H} F_\lambda(W, H) = \min_{\operatorname{rank} L \le d}\ \mathrm{CE}(L) + \lambda\|L\|_* .
# $$
#
# Both minima are attained. If $(W, H)$ is a minimiser on the left, then $L = WH$ is one on the right. If $L$
# is a minimiser on the right, then its balanced factorisations, and no others, are minimisers on the left.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# By {prf:ref}`prop-nuclear`, $F_\lambda(W, H) \ge \mathrm{CE}(WH) + \lambda\|WH\|_*$, with equality exactly
# for balanced pairs, and every $L$ of rank at most $d$ has a balanced pair. This gives the equality of the
# infima and the correspondence. They are attained: $F_\lambda$ is continuous and, because $\mathrm{CE} \ge
# 0$, grows without bound as the weights do.
# ```
#
# The authors told a reviewer that this holds for any $d$, and so it does. What depends on $d$ is whether the
# right side is a problem that we can solve: the set of matrices of rank at most $d$ is not convex. Two
# short observations remove that obstacle when $d$ is not too small.
#
# ```{prf:proposition} Stationary points are balanced and centred
# :label: prop-stationary
#
# Let $(W, H)$ be a stationary point of $F_\lambda$, $\lambda > 0$ (a minimum or not), $L = WH$ and $G =
# \nabla\mathrm{CE}(L)$. Then $W^\top W = HH^\top$ and $\mathbf 1^\top W = 0$. So {prf:ref}`cor-gram` holds at
# it, $F_\lambda = \mathrm{CE}(L) + \lambda\|L\|_*$, the logits of each context have mean zero, and
# $\operatorname{rank} L \le \min(V-1, m)$. With the compact decomposition of $L$, there is $N$ with
#
# $$
# G = -\lambda\, UV^\top + N, \qquad U^\top N = 0, \quad NV = 0 .
# $$ (eq-stationary)
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# By {eq}`eq-factor-gradients`, stationary means $GH^\top = -\lambda W$ and $W^\top G = -\lambda H$.
# Multiply the first by $W^\top$ from the left and the second by $H^\top$ from the right: $W^\top G H^\top$
# equals both $-\lambda W^\top W$ and $-\lambda HH^\top$. The columns of $G$ sum to zero
# ({prf:ref}`prop-gradient`), so $\lambda\mathbf 1^\top W = -\mathbf 1^\top G H^\top = 0$. Then the columns
# of $L$ lie in a space of dimension $V - 1$. Finally put $W = U\Sigma^{1/2}R^\top$, $H =
# R\Sigma^{1/2}V^\top$ into the two equations: $GV = -\lambda U$ and $U^\top G = -\lambda V^\top$, which
# says that $N := G + \lambda UV^\top$ has $NV = 0$ and $U^\top N = 0$.
# ```
#
# ```{prf:theorem} With enough dimensions the problem is convex
# :label: thm-convex
#
# If $d \ge \min(V-1, m)$, the rank constraint of {prf:ref}`lem-one` is inactive:
#
# $$
# \min_{W,H} F_\lambda(W, H) = \min_{L \in \mathbb R^{V\times m}} \mathrm{CE}(L) + \lambda\|L\|_* ,
# $$
#
# and the minimiser $L_\lambda$ is unique. So $W$ and $H$ are unique up to a rotation of the $d$ dimensions.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# A minimiser $L$ of the right side exists. In $\min(V, m)$ dimensions its balanced factors minimise
# $F_\lambda$ ({prf:ref}`lem-one`), so they are stationary, so $\operatorname{rank} L \le \min(V-1, m) \le d$.
# It is within reach of $d$ dimensions, and the left side is not larger than the right. It is not smaller by
# {prf:ref}`prop-nuclear`. Unique: all minimisers have columns with mean zero, and on such matrices
# $\mathrm{CE}$ is strictly convex. For, the second derivative of $\log\sum_v e^{\ell_v}$ along $x$ is the
# variance of $x$ under $\operatorname{softmax}(\ell)$, positive unless $x$ is constant, and every $\hat\pi_j$
# is positive.
# ```
#
# ### Both sides, solved apart
#
# The left side, by a quasi-Newton method on $W$ and $H$ that is told the gradient:

# %%
def train(labels, lam, W, H):
    """A stationary point of the ridge-regularised loss: L-BFGS from W and H."""
    cut, shapes = W.size, (W.shape, H.shape)

    def value_and_gradient(x):
        W, H = x[:cut].reshape(shapes[0]), x[cut:].reshape(shapes[1])
        G = ntp_gradient(W @ H, labels)
        gradient = np.concatenate([(G @ H.T).ravel(), (W.T @ G).ravel()]) + lam * x
        return ntp_loss(W @ H, labels) + lam / 2 * (x @ x), gradient

    options = {"maxiter": 20_000, "maxfun": 40_000, "maxcor": 30, "ftol": 0,
               "gtol": 1e-9}
    x = np.concatenate([W.ravel(), H.ravel()])
    x = minimize(value_and_gradient, x, jac=True, method="L-BFGS-B", options=options).x
    return x[:cut].reshape(shapes[0]), x[cut:].reshape(shapes[1])


def start(labels, d, rng, size=0.3):
    """Random words and contexts in d dimensions."""
    return size * rng.normal(size=(labels.V, d)), size * rng.normal(size=(d, labels.m))


# %% [markdown]
# The right side, by the proximal gradient method with momentum: step along $-G$, then lower all singular
# values by the step times $\lambda$ and cut at zero. It knows nothing of $W$, $H$ or $d$.

# %%
def solve_convex(labels, lam, steps=4000):
    """The minimiser of CE(L) + lam |L|_* over all matrices L."""
    L = ahead = np.zeros((labels.V, labels.m))
    step, t = 2 / labels.pi.max(), 1.0  # the curvature of CE is at most max(pi) / 2
    for _ in range(steps):
        target = ahead - step * ntp_gradient(ahead, labels)
        U, s, Vt = np.linalg.svd(target, full_matrices=False)
        new = (U * np.maximum(s - step * lam, 0)) @ Vt
        t = 1.0 if np.sum((ahead - new) * (new - L)) > 0 else t  # uphill: begin anew
        t_new = (1 + np.sqrt(1 + 4 * t * t)) / 2
        moved = np.abs(new - ahead).max()
        ahead, L, t = new + (t - 1) / t_new * (new - L), new, t_new
        if moved < 1e-13:
            break
    return L


# %% [markdown]
# Four problems: the hand example of the last chapter, six random contexts over five tokens, sixteen contexts
# of the King James Version chosen as there, and the whole of the synthetic language.

# %%
hand = SoftLabels.from_counts([[3, 0], [1, 0], [0, 4]], vocab=["sat", "ran", "slept"],
                              contexts=["the cat", "the dog"])
small = SoftLabels.from_counts([[4, 0, 1, 0, 2, 0], [1, 3, 0, 0, 2, 0],
                                [0, 2, 0, 5, 0, 0], [0, 0, 3, 1, 0, 1],
                                [0, 0, 0, 2, 1, 4]])
kjv = SoftLabels.from_tokens(load_corpus("kjv"), context_length=5, max_contexts=600,
                             min_support=2)
kjv = kjv.restrict(np.flatnonzero(kjv.support_sizes <= 6)[:CONTEXTS])
language = load_corpus("synthetic", seed=SEED)
synthetic = SoftLabels.from_tokens(language, context_length=5)
synthetic = synthetic.restrict(np.arange(synthetic.m))
problems = {"by hand": hand, "random": small, "King James Version": kjv,
            "synthetic": synthetic}


def enough(labels):
    """The number of dimensions from which on the problem is convex."""
    return min(labels.V - 1, labels.m)


for name, problem in problems.items():
    print(f"{name:18s} V = {problem.V:2d}, m = {problem.m:2d}: "
          f"convex from d = {enough(problem)}")

# %% [markdown]
# For each, $\lambda$ is a tenth of the largest that is of interest, a number we shall meet in a moment. We
# train from random vectors at $d = \min(V-1, m)$ and solve the convex problem; values and logits should
# agree.

# %%
def lambda_max(labels):
    """The spectral norm of the gradient at zero."""
    return np.linalg.norm(ntp_gradient(np.zeros((labels.V, labels.m)), labels), 2)


def objective(L, labels, lam):
    """CE(L) + lam |L|_* (nats)."""
    return ntp_loss(L, labels) + lam * nuclear(L)


pairs = {}
for name, problem in problems.items():
    lam = 0.1 * lambda_max(problem)
    W, H = train(problem, lam, *start(problem, enough(problem), rng))
    pairs[name] = problem, lam, W, H, solve_convex(problem, lam)
differences = [ntp_loss(W @ H, problem) + lam / 2 * (np.sum(W**2) + np.sum(H**2))
               - objective(L, problem, lam) for problem, lam, W, H, L in pairs.values()]
claim("3.4", np.abs(differences).max())

# %%
claim("3.5", max(np.abs(W @ H - L).max() for _, _, W, H, L in pairs.values()))

# %% [markdown]
# And {prf:ref}`prop-stationary` on the way, for dimensions that are enough and for fewer:
# balance and centring hold also where nothing is convex.

# %%
worst = 0.0
for problem in problems.values():
    for d in {1, enough(problem) // 2 or 1, enough(problem)}:
        W, H = train(problem, 0.1 * lambda_max(problem), *start(problem, d, rng))
        worst = max(worst, np.abs(W.T @ W - H @ H.T).max(), np.abs(W.sum(axis=0)).max())
claim("3.3", worst)

# %% [markdown]
# ## When is it worth having any logits?
#
# Weight decay that is too strong leaves nothing: zero is the minimum. How strong is that? The answer comes
# with a test for minima in general.
#
# ```{prf:theorem} Certificate
# :label: thm-certificate
#
# Let $(W, H)$ be a stationary point of $F_\lambda$, at any $d$, and $L = WH$. Then $L$ minimises
# $\mathrm{CE}(L) + \lambda\|L\|_*$ over all matrices (so that $F_\lambda(W, H)$ is the least value of $F_\lambda$ at
# every $d \ge \operatorname{rank} L$, and not undercut at any smaller one) if and only if
#
# $$
# \|\nabla\mathrm{CE}(L)\|_2 \le \lambda .
# $$
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# *If.* $\mathrm{CE}$ is convex, so $\mathrm{CE}(L') \ge \mathrm{CE}(L) + \langle G, L' - L\rangle$ for every
# $L'$. The two terms are known: $\langle G, L'\rangle \ge -\|G\|_2\|L'\|_* \ge -\lambda\|L'\|_*$, and
# $\langle G, L\rangle = \langle GH^\top, W\rangle = -\lambda\|W\|_F^2 = -\lambda\|L\|_*$, since the point is
# stationary and balanced. Together $\mathrm{CE}(L') + \lambda\|L'\|_* \ge \mathrm{CE}(L) + \lambda\|L\|_*$.
#
# *Only if.* Suppose $\sigma = \|G\|_2 > \lambda$, and let $u, v$ be singular vectors, $u^\top G v =
# \sigma$. Then $\mathrm{CE}(L - t\,uv^\top) = \mathrm{CE}(L) - t\sigma + O(t^2)$, and the nuclear norm
# rises by at most $t$. For small $t > 0$ the objective falls by about $t(\sigma - \lambda)$: $L$ was no
# minimum.
# ```
#
# In words: $G$ says what the loss would still gain per unit of new logits, in the best direction. If that is
# not more than the price $\lambda$, buy nothing. The proof gives more: for *any* $L$, stationary or not,
# with $F = \mathrm{CE}(L) + \lambda\|L\|_*$ and $F^\star$ the minimum,
#
# $$
# F - F^\star \;\le\; \lambda\|L\|_* + \langle G, L\rangle + \frac{F - \mathcal H}{\lambda}\,\max\big(0,
# \|G\|_2 - \lambda\big) , $$ (eq-gap)
#
# because the minimiser has $\lambda\|L'\|_* \le F - \mathcal H$. So we need not trust a solver: the distance
# to the minimum, at most, can be computed from $L$ and the data. From now on every solution is asked for it.
#
# ```{prf:proposition} The first concept
# :label: prop-lambda-max
#
# Let $\sigma_1 \ge \sigma_2 \ge \dots$ be the singular values of $M_0 = P_V P \operatorname{diag}(\hat\pi)$,
# where $P_V = I - \tfrac1V\mathbf 1\mathbf 1^\top$ takes from each column its mean. Put $\lambda_{\max} =
# \sigma_1$.
#
# 1. $L_\lambda = 0$ if and only if $\lambda \ge \lambda_{\max}$.
# 2. If $\sigma_1 > \sigma_2$, then for $\lambda$ below $\lambda_{\max}$ and near it $L_\lambda$ has rank one,
#    and its direction tends to $u_1v_1^\top$, the top singular pair of $M_0$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# At $L = 0$ softmax is uniform, so $\nabla\mathrm{CE}(0) = (\tfrac1V\mathbf 1\mathbf 1^\top -
# P)\operatorname{diag}(\hat\pi) = -M_0$. The point $W = 0$, $H = 0$ is stationary; its certificate is the
# first part.
#
# For the second, $L_\lambda \to 0$ as $\lambda \to \lambda_{\max}$: the $L_\lambda$ are bounded
# ($\lambda\|L_\lambda\|_* \le F_\lambda(0) = \log V$), every limit of them minimises the problem at
# $\lambda_{\max}$, and that minimiser is $0$ and unique. So $-\nabla\mathrm{CE}(L_\lambda) \to M_0$, its
# second singular value tends to $\sigma_2 < \sigma_1$ and drops below $\lambda$ when $\lambda$ is close to
# $\sigma_1$. By {eq}`eq-stationary`, $-\nabla\mathrm{CE}(L_\lambda) = \lambda UV^\top - N$ has at least
# $\operatorname{rank} L_\lambda$ singular values equal to $\lambda$, so that rank is at most one; it is not
# zero, by the first part. Then $U, V$ are the top singular vectors of a matrix that tends to $M_0$.
# ```
#
# By hand, for *the cat* and *the dog*: the columns of $24 M_0$ are $(5, -1, -4)$ and $(-4, -4, 8)$, so $24^2
# M_0^\top M_0 = \begin{pmatrix} 42 & -48 \\ -48 & 96\end{pmatrix}$, with eigenvalues $69 \pm \sqrt{3033}$.

# %%
by_hand = np.sqrt(69 + np.sqrt(3033)) / 24
print(f"lambda_max: by hand {by_hand:.6f}, from the gradient {lambda_max(hand):.6f}")

# %% [markdown]
# Now all four problems, from random starts: two per cent above $\lambda_{\max}$ everything should be
# forgotten; just below, a hundredth of the way from $\sigma_1$ to $\sigma_2$, one direction should be left,
# and it should be the predicted one.

# %%
largest, second, cosine = [], [], []
for problem in problems.values():
    U, s, Vt = np.linalg.svd(-ntp_gradient(np.zeros((problem.V, problem.m)), problem))
    d, below = enough(problem), s[0] - 0.01 * (s[0] - s[1])
    W, H = train(problem, 1.02 * s[0], *start(problem, d, rng))
    largest.append(np.abs(W @ H).max())
    W, H = train(problem, below, *start(problem, d, rng))
    values = np.linalg.svd(W @ H, compute_uv=False)
    second.append(values[1] / values[0])
    cosine.append(U[:, 0] @ W @ H @ Vt[0] / np.linalg.norm(W @ H))
claim("3.6", max(largest))

# %%
claim("3.7", max(second))

# %%
claim("3.8", min(cosine))

# %% [markdown]
# What is the first thing that sixteen contexts of the King James Version teach, then? The top singular pair
# orders tokens and contexts along one axis; here are its two ends.

# %%
U, s, Vt = np.linalg.svd(-ntp_gradient(np.zeros((kjv.V, kjv.m)), kjv))
sign = np.sign(U[np.abs(U[:, 0]).argmax(), 0])
tokens, contexts = np.argsort(sign * U[:, 0]), np.argsort(sign * Vt[0])
for end, which in (("one end", slice(None, -3, -1)), ("the other", slice(0, 2))):
    print(f"{end:9s}: after", [kjv.context(j) for j in contexts[which]])
    print(" " * 11 + "comes", [kjv.vocab[z] for z in tokens[which]])

# %% [markdown]
# ## The trap
#
# To see the geometry appear, one lowers $\lambda$ from $\lambda_{\max}$ step by step and starts each descent
# where the last one ended: a *regularisation path*, computed warm. It is the natural thing to do, and it
# fails. Look back at the first figure: started exactly at zero, descent stays there. The gradients $GH^\top +
# \lambda W$ and $W^\top G + \lambda H$ never leave the directions of $\mathbb R^d$ that $W$ and $H$ already
# use. Start with rank one, and rank one it stays, for every $\lambda$.
#
# ```{prf:theorem} What stationary points can be
# :label: thm-landscape
#
# Let $(W, H)$ be a stationary point of $F_\lambda$, $\lambda > 0$, $L = WH$, $G = \nabla\mathrm{CE}(L)$, with
# top singular pair $u, v$.
#
# 1. If $\operatorname{rank} L < d$ and $\|G\|_2 > \lambda$, it is a *strict saddle*: for a unit vector $e \in
#    \mathbb R^d$ that $W$ and $H$ do not use ($We = 0$, $e^\top H = 0$), the curvature of $F_\lambda$ along
#    the direction $(ue^\top, -ev^\top)$, per unit of its squared length, is $\lambda - \|G\|_2 < 0$.
# 2. If $\operatorname{rank} L = \min(V-1, m)$, it is a global minimum.
# 3. So for $d \ge \min(V-1, m)$ every stationary point is a global minimum or a strict saddle. There are no
#    other local minima.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# 1. Such an $e$ exists: balanced factors use the same directions, the range of $R$, and these are
#    $\operatorname{rank} L < d$ in number. Move to $W + t\,ue^\top$, $H - t\,ev^\top$. The cross terms
#    vanish, so the logits become $L - t^2uv^\top$, and the squared norms grow by $t^2$ each:
#    $F_\lambda$ changes by $t^2(\lambda - \|G\|_2) + O(t^4)$. The squared length of the step is $2t^2$.
# 2. In {eq}`eq-stationary`, $\mathbf 1^\top N = 0$ (columns of $G$ and of $U$ sum to zero). If the rank is
#    $V - 1$, then $U$ spans everything orthogonal to $\mathbf 1$, and $U^\top N = 0$ leaves $N = 0$. If
#    the rank is $m$, then $V$ is square and $NV = 0$ leaves $N = 0$. So $\|G\|_2 = \lambda$: certified.
# 3. If the rank is below $\min(V-1, m) \le d$, the first part or the certificate applies; if it is equal, the
#    second.
# ```
#
# That factored convex problems have this kind of landscape is known in much greater generality
# {cite}`burer2003nonlinear,haeffele2015global`; the proof for this loss is short enough to have on the page.
# It bears on what the authors told a reviewer who asked for the technical challenge: training both $W$ and $H$ is
# not convex, and a convex relaxation brings back the ideas that worked for linear models. With $d \ge \min(V-1,
# m)$ dimensions the relaxation is exact ({prf:ref}`thm-convex`) and training can reach its minimum: what is
# left of the non-convexity is saddles.
#
# The example to keep in mind is $W = 0$, $H = 0$. It is stationary for every $\lambda$ and every text:
# without words the contexts learn nothing, and the other way round. Its lowest curvature is $\lambda -
# \lambda_{\max}$: for $\lambda \to 0$ that is $-\sigma_1(M_0)$. A saddle, and not a flat one. The check
# builds the whole matrix of second derivatives by differences of the gradient, at a third of
# $\lambda_{\max}$, and asks for its smallest eigenvalue.

# %%
def curvatures(labels, lam, W, H, step=1e-4):
    """Eigenvalues of the second derivatives, by differences of the gradient; rising."""
    def gradient(x):
        A, B = x[:W.size].reshape(W.shape), x[W.size:].reshape(H.shape)
        G = ntp_gradient(A @ B, labels)
        return np.concatenate([(G @ B.T).ravel(), (A.T @ G).ravel()]) + lam * x

    x = np.concatenate([W.ravel(), H.ravel()])
    D = np.array([gradient(x + e) - gradient(x - e) for e in step * np.eye(len(x))])
    return np.linalg.eigvalsh(D + D.T) / (4 * step)


coin = SoftLabels.from_counts([[1], [0]])  # the smallest landscape
misses = []
for problem in (coin, hand, small):
    lam = lambda_max(problem) / 3
    W, H = np.zeros((problem.V, 2)), np.zeros((2, problem.m))
    lowest = curvatures(problem, lam, W, H)[0]
    misses.append(abs(lowest - (lam - lambda_max(problem))))
claim("3.9", max(misses))

# %% [markdown]
# Now the trap itself, on the six random contexts, with $d = V - 1 = 4$. The minimum just below
# $\lambda_{\max}$ has rank one; we write it with three columns of zeros and lower $\lambda$ to a
# ten-thousandth. At each stop the certificate is read: $\|G\|_2/\lambda$, which is one at a minimum of any
# rank but zero, and larger at a saddle.

# %%
def padded(L, d):
    """The balanced factors of L, filled up to d dimensions with zeros."""
    W, H = factor(L, tol=1e-6)
    extra = d - W.shape[1]
    return np.pad(W, ((0, 0), (0, extra))), np.pad(H, ((0, extra), (0, 0)))


def ratio(L, labels, lam):
    """The certificate: the spectral norm of the gradient over lam."""
    return np.linalg.norm(ntp_gradient(L, labels), 2) / lam


lambdas = lambda_max(small) * np.geomspace(0.97, 1e-4, 17)
W, H = padded(solve_convex(small, lambdas[0]), 4)
stuck = []
for lam in lambdas:
    W, H = train(small, lam, W, H)
    stuck.append(W @ H)
G = ntp_gradient(W @ H, small)
slope = max(np.abs(G @ H.T + lam * W).max(), np.abs(W.T @ G + lam * H).max())
print("rank at the last stop:", np.linalg.matrix_rank(W @ H))
print("stationary to 1e-6:", slope < 1e-6)
claim("3.10", ratio(W @ H, small, lam) if slope < 1e-6 else 0)

# %% [markdown]
# Stationary, and not a minimum. In exact arithmetic descent can stay there for ever. (Where the unused
# directions hold rounding errors instead of zeros, these grow, and descent may leave late, at an
# unpredictable step. A path that is right by accident on one machine is wrong on the next.) The theorem
# also says how to get out: push along the singular pairs of $G$ that are worth more than $\lambda$, in
# directions that are not in use.

# %%
def push(labels, lam, W, H, size=1e-2):
    """A small step off a saddle, along all singular pairs of the gradient above lam."""
    U, s, Vt = np.linalg.svd(ntp_gradient(W @ H, labels), full_matrices=False)
    count = min(int(np.sum(s > (1 + 1e-6) * lam)), W.shape[1])
    unused = np.linalg.svd(W)[2][::-1][:count]  # what W uses least of R^d
    return W + size * U[:, :count] @ unused, H - size * unused.T @ Vt[:count]


def gap(L, labels, lam):
    """How far CE(L) + lam |L|_* can be above its minimum, at most (nats)."""
    G, value = ntp_gradient(L, labels), objective(L, labels, lam)
    excess = max(0, np.linalg.norm(G, 2) - lam) * (value - labels.entropy()) / lam
    return lam * nuclear(L) + np.sum(G * L) + excess


def minimise(labels, lam, W, H, rounds=20):
    """Descend; ask the certificate; if it says no, push and descend again."""
    W, H = train(labels, lam, W, H)
    for _ in range(rounds):
        if gap(W @ H, labels, lam) <= 2e-7:
            break
        W, H = train(labels, lam, *push(labels, lam, W, H))
    return W, H


W, H = padded(solve_convex(small, lambdas[0]), 4)
free = []
for lam in lambdas:
    W, H = minimise(small, lam, W, H)
    free.append(W @ H)
print(f"rank at the last stop: {np.linalg.matrix_rank(W @ H, tol=1e-3)}")
claim("3.11", max(gap(L, small, lam) for L, lam in zip(free, lambdas)))

# %% tags=["remove-input"]
fig, (top, bottom) = plt.subplots(2, 1, figsize=(6.4, 5.6), sharex=True)
paths = {"warm start": stuck, "with pushes": free}
show_growth(top, lambdas, {name: [ratio(L, small, lam) for L, lam in zip(path, lambdas)]
                           for name, path in paths.items()},
            xlabel="", ylabel="$\\|\\nabla\\mathrm{CE}(L)\\|_2\\,/\\,\\lambda$",
            log="xy")
show_growth(bottom, lambdas, {name: [ntp_loss(L, small) - small.entropy() for L in path]
                              for name, path in paths.items()},
            xlabel="$\\lambda$", ylabel="excess loss (nats)", log="xy")
bottom.get_legend().remove()
bottom.invert_xaxis()
plt.show()

# %% [markdown]
# *Two paths of the same problem, with $\lambda$ falling from left to right. Above, the certificate: it stays
# at one on the path with pushes, and climbs on the path that was only started warm. Below, the excess
# loss: the warm start never learns what its one dimension cannot say. Nothing in the training itself shows
# the difference; gradients vanish on both.*
#
# ## Concepts enter one by one
#
# With the certificate as a guard, here is the path of the King James Version. We plot the singular values of
# $L_\lambda$. Each curve that leaves zero is a new pair of a direction among words and a direction among
# contexts, a *concept* if you like, that has become worth its price.

# %%
kjv_lambdas = lambda_max(kjv) * np.geomspace(1, 1e-2, 21)
d = enough(kjv)
W, H = np.zeros((kjv.V, d)), np.zeros((d, kjv.m))
spectra, gaps = [], []
for lam in kjv_lambdas:
    W, H = minimise(kjv, lam, W, H)
    spectra.append(np.linalg.svd(W @ H, compute_uv=False))
    gaps.append(gap(W @ H, kjv, lam))
ranks = [int(np.sum(values > 1e-3)) for values in spectra]
print("ranks:", ranks[0], "to", ranks[-1], "in", len(ranks), "stops")
print("all certified to 1e-5 nats:", max(gaps) < 1e-5)

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 4.2))
for values in np.array(spectra).T:
    seen = values > 1e-3
    seen[:-1] |= seen[1:]  # from the last stop at zero on
    ax.plot(kjv_lambdas[seen], values[seen], marker="o", markersize=3.5)
ax.set(xscale="log", ylim=0, xlabel="$\\lambda$",
       ylabel="singular values of $L_\\lambda$")
ax.invert_xaxis()
plt.show()

# %% [markdown]
# *The singular values of $L_\lambda$ for sixteen contexts of the King James Version, $\lambda$ falling from
# left to right. At $\lambda_{\max}$ all are zero. They enter one after the other, and once in, they grow, in
# the end roughly in proportion to $\log(1/\lambda)$.*
#
# That growth without end is again the road to infinity of the last chapter; where it leads is the subject
# of the next ones.
#
# ## Does every start end there?
#
# {prf:ref}`thm-landscape` leaves saddles and one minimum, and gradient descent with small steps avoids strict saddles from
# almost all starts {cite}`lee2016gradient`. L-BFGS is not covered by that theorem, but from random starts it should do no
# worse: with $d = V - 1$ all should end with the same value. The check compares with the convex solution.

# %%
lam = 0.02
convex = solve_convex(small, lam)
print(f"rank of the convex solution: {np.linalg.matrix_rank(convex, tol=1e-6)}; "
      f"certified: {gap(convex, small, lam) < 1e-8}")


def ends(labels, d):
    """The values that random starts end with."""
    runs = (train(labels, lam, *start(labels, d, rng, size=1)) for _ in range(STARTS))
    return np.array([objective(W @ H, labels, lam) for W, H in runs])


first = {d: ends(small, d) for d in (1, 2, 3, 4)}
claim("3.12", np.max(first[4] - objective(convex, small, lam)))

# %% [markdown]
# With fewer dimensions {prf:ref}`lem-one` still holds, and minima are balanced and centred as before. What is
# lost is the convexity: {prf:ref}`thm-landscape` speaks of points of rank below $d$, and says nothing against
# bad local minima of full rank $d$. Look at where the starts end: here, all of them at one value for each
# $d$.

# %%
shares = {d: np.mean(values - values.min() < 1e-6) for d, values in first.items()}
claim("3.13", min(shares[d] for d in (1, 2, 3)))

# %% [markdown]
# Is that a law? No. Among the first few random problems of this size that we tried were some with dimensions
# below $V - 1$ in which starts ended at different values. Here is one of them, kept because it is such a
# one. At $d = 1$ there are two, and the worse one is no saddle: at the worst end, all eigenvalues of the
# matrix of second derivatives are positive.

# %%
second = SoftLabels.from_counts([[3, 2, 0, 0, 4, 1], [0, 5, 1, 2, 1, 0],
                                 [0, 0, 0, 0, 2, 0], [0, 3, 2, 0, 5, 4],
                                 [1, 0, 0, 1, 5, 0]])
runs = [train(second, lam, *start(second, 1, rng, size=1)) for _ in range(STARTS)]
values = np.array([objective(W @ H, second, lam) for W, H in runs])
W, H = runs[values.argmax()]
lowest = curvatures(second, lam, W, H)[0]
print("lowest curvature positive:", lowest > 1e-4)
print(f"certificate: {ratio(W @ H, second, lam):.1f}, not one")
claim("3.15", np.ptp(values) if lowest > 1e-4 else 0)

# %% tags=["remove-input"]
fig, axes = plt.subplots(1, 2, figsize=(6.2, 3.6), sharex=True)
others = {1: values, **{d: ends(second, d) for d in (2, 3, 4)}}
jitter = rng.uniform(-0.25, 0.25, size=STARTS)
for ax, name, problem, found in zip(axes, ("first problem", "second problem"),
                                    (small, second), (first, others)):
    for d, reached in found.items():
        ax.plot(d + jitter, reached, "o", alpha=0.5)
    ax.axhline(objective(solve_convex(problem, lam), problem, lam), color="#555555",
               linestyle="--", linewidth=1)
    ax.set(xlabel="dimensions $d$", title=name, xticks=[1, 2, 3, 4])
axes[0].set_ylabel("value at the end (nats)")
plt.show()

# %% [markdown]
# *Where random starts end, by dimension; each dot is a start, the dashed line the minimum of the convex
# problem. At $d = 4 = V - 1$ all starts reach it. In the first problem the starts agree at every $d$; in the
# second, at $d = 1$, they end at two values, and the upper one is a local minimum.*
#
# So for $d < V - 1$ both things happen, and this is numerical: we have no theorem here that tells the two
# apart. What remains for every $d$ is the certificate, which can still say yes (whenever $L_\lambda$ has
# rank at most $d$), and the convex value as a lower bound.

# %% [markdown]
# (other-factors)=
# ## Other factorisations of the same logits
#
# A reviewer of the paper understood that it is the assumption $d > V$ which lets $L$ be factored into $W$ and
# $H$ in one way only, and that the conclusions about geometry hang on it. They would, if it were so. But no $d$
# does that: $(WA, A^{-1}H)$ has the same logits and the same loss for every invertible $A$, and then what does
# it mean to speak of the angle between two words? Take it to the extreme. With $d = m$, choose $W = L$ and $H =
# I$. Every logit is as before, and every context stands at a right angle to every other, whatever the text.
# With $d = V$, choose $W = I$ and $H = L$, and it is the words that say nothing.
#
# The ridge makes the choice, at every $d$. For $\lambda > 0$, however small, only balanced factors minimise
# ({prf:ref}`lem-one`), and of each $L$ these are one factorisation up to rotation, which angles do not see. What a
# large $d$ gives is something else, {prf:ref}`thm-convex`: that there is one $L$. Here is the synthetic language,
# with contexts in the order of their supports.

# %%
def cosines(gram):
    """Cosines from a Gram matrix."""
    norms = np.sqrt(np.diag(gram))
    return gram / norms[:, None] / norms


lam = 1e-2 * lambda_max(synthetic)
W, H = minimise(synthetic, lam, *start(synthetic, enough(synthetic), rng))
L = W @ H
trained, from_logits = cosines(H.T @ H), cosines(root(L.T @ L))
print("cosines agree to 1e-4:", np.abs(trained - from_logits).max() < 1e-4)
off_diagonal = trained[~np.eye(synthetic.m, dtype=bool)]
claim("3.14", off_diagonal.max())

# %% tags=["remove-input"]
order = np.lexsort(synthetic.S.toarray().astype(int))
fig, axes = plt.subplots(1, 3, figsize=(6.2, 2.5))
panels = {"trained $H^\\top H$": trained, "$(L^\\top L)^{1/2}$": from_logits,
          "$W = L$, $H = I$": np.eye(synthetic.m)}
for ax, (title, A) in zip(axes, panels.items()):
    show_matrix(ax, A[np.ix_(order, order)], limit=1, signed=True, title=title)
plt.show()

# %% [markdown]
# *Cosines between the contexts of the synthetic language, sorted by support. Left: trained with a small
# ridge. Middle: computed from the logits alone. Right: another pair of factors with the same logits, and
# so the same loss. The ridge chooses the first; the loss does not.*
#
# Training without any ridge, from small weights, comes out nearly balanced too. Exercise 2 says why.
#
# ## What to take away
#
# - The ridge on two factors is the nuclear norm on their product ({prf:ref}`prop-nuclear`). So the
#   question about $W$ and $H$ is one about $L$ ({prf:ref}`lem-one`, any $d$), and a convex one when $d \ge
#   \min(V-1, m)$ ({prf:ref}`thm-convex`). It is the ridge, and not the size of $d$, that settles the factors.
# - The geometry of words and of contexts is the square root of that of the logits ({prf:ref}`cor-gram`).
# - Vanishing gradients prove nothing. $\|\nabla\mathrm{CE}(L)\|_2 \le \lambda$ proves a minimum, and where it
#   fails it names the way down ({prf:ref}`thm-certificate`, {prf:ref}`thm-landscape`).
#
# So it is not the product that is convex. It is the problem that the product solves.
#
# ## What this does not show
#
# Language models have far fewer dimensions than tokens: there $d <
# \min(V-1, m)$, the convex problem is a lower bound, exact where its solution happens to have rank at most
# $d$, and for the rest we have seen two problems of six contexts, numerically. Random starts avoiding strict
# saddles is a fact about the limit of training; how long it lingers near them is another question. A real network
# decays the weights of its encoder, not its context vectors. And the optimisers in use do not add the
# ridge to the loss in the way of {prf:ref}`def-ridge`. What happens to $L_\lambda$ as $\lambda \to 0$ has
# not been touched.
#
# ## Exercises
#
# 1. In the trap, why was rank one kept exactly, and not only nearly, by a program that rounds?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    The unused dimensions were the last columns of $W$ and the last rows of $H$, and held zeros. The gradient
#    there is a sum of products with these zeros, so it is zero without rounding, and a quasi-Newton step is
#    a combination of earlier gradients and steps. Rotate the start by a random orthogonal matrix (`balanced`
#    does) and the zeros become sums that cancel only nearly: then the path may escape, late.
#    ```
#
# 2. Train without ridge by infinitely small steps, $\dot W = -GH^\top$, $\dot H = -W^\top G$. Show that
#    $W^\top W - HH^\top$ never changes. What does the ridge do to it?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    $\tfrac{d}{dt} W^\top W = -HG^\top W - W^\top GH^\top$, and $\tfrac{d}{dt}HH^\top$ is the same. So small
#    weights at the start leave a small imbalance for ever, while the weights themselves grow: nearly
#    balanced. With the ridge, $\dot W$ gains $-\lambda W$ and $\dot H$ gains $-\lambda H$, and the
#    difference decays like $e^{-2\lambda t}$.
#    ```
#
# 3. Words get the ridge $\lambda_W$ and contexts $\lambda_H$. Which problem in $L$ results, and what
#    becomes of the Gram matrices?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    Put $W' = \sqrt{\lambda_W}\,W$, $H' = \sqrt{\lambda_H}\,H$: the ridge is $\tfrac12(\|W'\|_F^2 +
#    \|H'\|_F^2)$ and $W'H' = \sqrt{\lambda_W\lambda_H}\,L$. So the same problem with $\lambda =
#    \sqrt{\lambda_W\lambda_H}$, and $WW^\top = \sqrt{\lambda_H/\lambda_W}\,(LL^\top)^{1/2}$. Angles do not
#    change.
#    ```

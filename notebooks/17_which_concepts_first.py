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
# (ch-concepts)=
# # Which concepts are learned first?
#
# Write down which words ever followed which two words of the King James Version: zeros and ones, no counts, no
# grammar. Centre the columns and take the singular value decomposition. The signs of three of its directions put
# *sent, brought, cast* in one place, *be, have, do, say* in another, *my, thy, his* in a third and *Solomon, Aaron,
# Joseph* in a fourth. The follow-up of our paper calls such directions *concepts*, and says that large ones are
# learned first {cite}`zhao2025geometry`. This chapter checks both halves of that. The directions are real: they are
# found again in the other half of the text, and they separate classes of words that were listed beforehand. The order
# is a theorem for the square loss. For the cross-entropy, which is what language models are trained with, it is not
# what happens first: frequencies come before supports, by a theorem, and we measure when the one overtakes the other.
#
# *Fifteen minutes to read, about fifteen seconds to run on one CPU core. No GPU is used; the full scale was not run
# for this page.*

# %% tags=["colab-install", "remove-cell"]
# In Colab the published copy of this notebook installs ntputils here.

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.integrate import solve_ivp
from scipy.special import expi

from ntputils import (Concepts, Corpus, SoftLabels, adjusted_rand, all_subsets,
                      center, centered_support, claim, class_share,
                      find_concepts, from_sets, half_time, load_corpus,
                      load_labels, ntp_gradient, orthants, regularization_path,
                      scale, session, shuffle_supports, solve_ntp_svm,
                      square_loss_curve, subspace_overlap, train_ufm,
                      word_classes)
from ntputils.plots import show_growth, show_matrix, style

SEED = 2505
rng = np.random.default_rng(SEED)
style()

# %% tags=["remove-input"]
session()

# %% [markdown]
# The scales differ in the size of the text, the number of shuffles, and the length of training.

# %%
SIZES = {
    "small": {"words": 400, "contexts": 600, "shuffles": 19, "steps": 8000},
    "full": {"words": 1000, "contexts": 3000, "shuffles": 99, "steps": 80_000}
}[scale()]
print(", ".join(f"{name} {value}" for name, value in SIZES.items()))

# %% [markdown]
# ## What a concept is
#
# ```{prf:definition} Concepts and orthants
# :label: def-concept
#
# Let $\tilde S = \sum_i \sigma_i u_i v_i^\top$ be the singular value decomposition of the centred supports,
# $\sigma_1\ge \sigma_2\ge\dots>0$. The triple $(\sigma_i, u_i, v_i)$ is *concept* $i$: $u_i$ gives every word a
# score, $v_i$ every context, and $\sigma_i$ is its size. The signs of a word's scores on $p$ chosen concepts are its
# *orthant*, one of $2^p$; likewise for contexts.
# ```
#
# A word and a context on the same side of a concept attract each other, on opposite sides they repel each other, the
# more the larger the scores. The scores, times $\sqrt{\sigma_i}$, are the coordinates of the proxy's word and context
# vectors ({ref}`ch-words-to-logits`). Three things follow from the definition. Every $u_i$ sums to zero, because
# $\tilde S$ is centred: a concept always has words on both sides. Nothing of the kind holds for contexts. And only
# the product $u_iv_i^\top$ has a sign; worse, concepts of *equal* size are defined up to a rotation among them only,
# and of nearly equal size nearly so. What is said of single concepts below is therefore checked for their span as
# well.
#
# ## By hand: a tree
#
# Eight tokens are the leaves of a binary tree, and each node is a context, followed by the leaves below it: *any
# word*, *any noun*, *any animal*, *cat*. On trees the proxy is exact ({prf:ref}`thm-tree`), so its concepts are those of
# the solution of NTP-SVM. They can be written down:
#
# ```{prf:proposition} The concepts of a tree
# :label: prop-tree-concepts
#
# Let the supports be the leaf sets of all nodes of a complete binary tree. Each inner node with $n$ leaves below it
# is one concept, of size $\sqrt{n-1}$: its words score $+1/\sqrt n$ on one branch, $-1/\sqrt n$ on the other and $0$
# elsewhere.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# Let $h$ be that score. It sums to zero, so $P_V SS^\top P_V h = P_V\sum_B \mathbf 1_B\,\mathbf 1_B^\top h$ over all
# nodes $B$. If $B$ contains the node, or is disjoint from it, $\mathbf 1_B^\top h = 0$. If $B$ lies in one of its
# branches, $h$ is constant on $B$ and $\mathbf 1_B^\top h = \pm|B|/\sqrt n$. A leaf of a branch is in one such $B$ of
# each of the sizes $n/2, n/4, \dots, 1$, so that $\sum_B\mathbf 1_B\mathbf 1_B^\top h = (n/2+n/4+\dots+1)\,h =
# (n-1)\,h$, which is centred. The $V-1$ scores of all inner nodes are orthonormal, and no more fit beside $\mathbf
# 1$.
# ```
#
# For eight leaves the sizes are $\sqrt7 \approx 2.65$, twice $\sqrt3\approx1.73$, and four times $1$: the coarser the
# distinction, the larger the concept.

# %%
def tree(leaves):
    """The supports of a complete binary tree: the leaves below each node."""
    sizes = [leaves >> level for level in range(leaves.bit_length())]
    nodes = [range(a, a + n) for n in sizes for a in range(0, leaves, n)]
    return from_sets(nodes, leaves)


def tree_sizes(leaves):
    """sqrt(n - 1), once for each inner node with n leaves below it."""
    counts = 2 ** np.arange(leaves.bit_length() - 1)
    return np.sqrt(np.repeat(leaves // counts - 1, counts))


off = [np.abs(find_concepts(tree(V), V - 1).sizes / tree_sizes(V) - 1).max()
       for V in (2, 4, 8, 16, 32, 64, 128)]
claim("17.1", max(off))

# %% tags=["remove-input"]
V, S = 8, tree(8)
proxy = centered_support(S)
branches = [np.where(s, np.where(np.cumsum(s) <= s.sum() / 2, 1.0, -1.0), 0.0)
            for s in S.T if s.sum() > 1]
words = np.transpose([h / np.linalg.norm(h) for h in branches])
sigma = tree_sizes(V)
across = proxy.T @ words / sigma        # the scores of the contexts
assert np.allclose(words * sigma @ across.T, proxy)
fig, ax = plt.subplots(figsize=(6.4, 4))
show_matrix(ax, words, rows=[f"token {z + 1}" for z in range(V)],
            columns=[f"σ = {s:.2f}" for s in sigma], numbers=True)
plt.show()

# %% [markdown]
# *The seven concepts of the tree. Rows are tokens, columns are concepts with their sizes; orange above zero, purple
# below. The first cuts the vocabulary in halves, the next two cut the halves, the last four tell twins apart. With the
# first three, every pair of twins has an orthant to itself.*
#
# ## On the square loss, large concepts come first
#
# Suppose $\tilde S$ itself were the target and the loss were square, $\tfrac12\lVert WH-\tilde S\rVert_F^2$. This is a
# linear network of depth two, whose training is solved exactly {cite}`saxe2014exact`.
#
# ```{prf:proposition} One logistic curve a concept
# :label: prop-logistic
#
# Let gradient flow start at $W = \sqrt{s_0}\,UR^\top$, $H = \sqrt{s_0}\,RV^\top$ with $R^\top R = I$ and $s_0>0$, where
# $U$, $V$ hold the $u_i$, $v_i$. Then $WH = \sum_i s_i(t)\,u_iv_i^\top$ for all $t$, with
#
# $$
# \begin{aligned}
# s_i(t) &= \frac{\sigma_i}{1 + (\sigma_i/s_0 - 1)\,e^{-2\sigma_i t}}, \\
# t_i &= \frac{\log(\sigma_i/s_0-1)}{2\sigma_i}
# \end{aligned}
# $$
#
# the time at which $s_i = \sigma_i/2$, if $\sigma_i>2s_0$. Of two concepts with $\sigma_i>\sigma_j\ge 4.6\,s_0$ the larger has the
# earlier half-time.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# Try $W = U\operatorname{diag}(\sqrt{s_i})R^\top$, $H = R\operatorname{diag}(\sqrt{s_i})V^\top$. The flow is $\dot W
# = (\tilde S-WH)H^\top = U\operatorname{diag}((\sigma_i-s_i)\sqrt{s_i})R^\top$, and for $H$ likewise. So the form is
# kept if $\tfrac{d}{dt}\sqrt{s_i} = (\sigma_i-s_i)\sqrt{s_i}$, that is $\dot s_i = 2s_i(\sigma_i-s_i)$: the logistic
# equation, whose solution is the one given. The flow has one solution only, so this is it. For the order: with $x =
# \sigma/s_0$, the half-time is $\log(x-1)/(2s_0x)$, which falls where $x/(x-1) < \log(x-1)$; that is from $x =
# 4.591\dots$ on.
# ```
#
# As $s_0\to0$, half-times go like $\log(1/s_0)/(2\sigma_i)$: a concept of half the size takes twice the time. The
# first check integrates the flow for the tree, in all entries of $W$ and $H$.

# %%
times, start = np.linspace(0, 12, 481), 1e-3


def along_concepts(W, H):
    """u_i' WH v_j along the square-loss flow from W, H: (times, 7, 7)."""
    def slope(t, x):
        W, H = x.reshape(-1, d)[:V], x.reshape(-1, d)[V:].T
        rest = proxy - W @ H
        return np.vstack([rest @ H.T, rest.T @ W]).ravel()
    d, Z0 = W.shape[1], np.vstack([W, H.T])
    Z = solve_ivp(slope, (0, 12), Z0.ravel(), method="DOP853", t_eval=times,
                  rtol=1e-10, atol=1e-13).y.T.reshape(-1, *Z0.shape)
    return (words.T @ Z[:, :V]) @ np.swapaxes(across.T @ Z[:, V:], 1, 2)


aligned = along_concepts(words * np.sqrt(start), np.sqrt(start) * across.T)
curves = square_loss_curve(sigma, times[:, None], start)
claim("17.2", np.abs(aligned - curves[:, :, None] * np.eye(V - 1)).max())

# %% [markdown]
# No training starts along the concepts. From small random vectors, $W^\top u_i + Hv_i$ grows like $e^{\sigma_it}$
# while $W^\top u_i - Hv_i$ dies out, so a random start acts like one of size $s_0 = \lVert W^\top u_i+Hv_i\rVert^2/4$
# along concept $i$, until faster concepts take their share of the dimensions: little of 64, but of eight enough to make
# some half-times a sixth later. That predicts the half-times, here in 64:

# %%
W = 1e-3 * rng.normal(size=(V, 64))
H = 1e-3 * rng.normal(size=(64, S.shape[1]))
found = np.diagonal(along_concepts(W, H), axis1=1, axis2=2)
halfway = times[np.argmax(found > sigma / 2, axis=0)]
larger = sigma[:, None] > sigma + 1e-9
claim("17.3", np.sum(larger & (halfway[:, None] >= halfway)))

# %%
begin = np.sum((W.T @ words + H @ across)**2, axis=0) / 4
ratio = halfway / half_time(sigma, begin)
claim("17.4", ratio[np.abs(ratio - 1).argmax()])

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.8))
for i, colour in enumerate(("C0", "C1", "C1", "C2", "C2", "C2", "C2")):
    name = {0: r"$\sigma=\sqrt{7}$", 1: r"$\sigma=\sqrt{3}$", 3: r"$\sigma=1$"}.get(i)
    ax.plot(times, found[:, i], color=colour, label=name)
    ax.plot(times, square_loss_curve(sigma[i], times, begin[i]), color="black",
            lw=1, ls=":")
ax.set(xlabel="time (steps times step size)", ylabel=r"$u_i^\top WHv_i$", xlim=(0, 8))
ax.legend(loc="center right")
plt.show()

# %% [markdown]
# *Seven concepts of the tree on the square loss, from small random vectors (colours), and the logistic curves that
# the random start predicts (dotted). Coarse first, and each learned almost at once after a long wait.*
#
# Word2vec behaves much like this: with suitable weights, a fourth-order approximation of its loss is a square loss
# whose target is made of counts {cite}`karkada2025closed`. For next-token prediction the square loss is a story about
# the right matrix with the wrong loss.
#
# ## On the cross-entropy, frequencies come first
#
# At small logits the gradient of the cross-entropy is not $-\tilde S$. It is $-M_0$ with $M_0 =
# P_VP\operatorname{diag}(\hat\pi)$: probabilities, weighted by how often a context occurs. {ref}`ch-words-to-logits`
# met its largest singular value as $\lambda_{\max}$, the ridge at which the first direction appears. In training it
# is a rate.
#
# ```{prf:theorem} The first direction
# :label: thm-first-direction
#
# Let $M_0$ have singular values $\mu_1>\mu_2\ge\dots$ and top pair $a$, $b$. Let $W$, $H$ follow gradient flow on the
# cross-entropy from $W(0) = \varepsilon A$, $H(0) = \varepsilon B$ with $g = \tfrac12(A^\top a + Bb) \ne 0$. Fix
# $0<\theta<1$ and wait until $t = \theta\log(1/\varepsilon)/\mu_1$. As $\varepsilon\to0$, the logits $L = WH$ have
#
# $$
# \begin{aligned}
# L/\lVert L\rVert_F &\to ab^\top, \\
# \lVert L\rVert_F &= \lVert g\rVert^2\,\varepsilon^{2(1-\theta)}\,(1+o(1)),
# \end{aligned}
# $$
#
# and what is left out is of relative order $\varepsilon^{\theta(1-\mu_2/\mu_1)} + \varepsilon^{2(1-\theta)}$. For
# gradient descent with step size $\eta\le2/\mu_1$ the rates $\mu_i$ become $\log(1+\eta\mu_i)$ a step.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# Stack $Z = (W; H^\top)$ and let $\mathcal A = \begin{pmatrix}0&M_0\\M_0^\top&0\end{pmatrix}$, with eigenvalues
# $\pm\mu_i$ (and zeros) and $e = (a; b)/\sqrt2$ for $\mu_1$. The flow is $\dot Z = \mathcal AZ + E$, where $E$ comes
# from $\nabla\mathrm{CE}(L)+M_0$. Softmax has Lipschitz constant $\tfrac12$, so this has norm at most
# $\tfrac12\max_j\hat\pi_j\lVert L\rVert_F$, and $\lVert L\rVert_F \le\tfrac12\lVert Z\rVert_F^2$: $\lVert
# E\rVert_F\le c\lVert Z\rVert_F^3$ with $c = \tfrac14\max_j\hat\pi_j$.
#
# *It stays small.* $r = \lVert Z\rVert_F$ has $\dot r\le\mu_1r+cr^3$. Comparing with the solution of equality,
# $r(t)^2\le e^{2\mu_1t}r_0^2\big/\big(1-\tfrac c{\mu_1}r_0^2e^{2\mu_1t}\big)$, hence $r\le\sqrt2\,e^{\mu_1t}r_0$ as
# long as $\tfrac c{\mu_1}r_0^2e^{2\mu_1t}\le\tfrac12$. Here $r_0 = O(\varepsilon)$ and $e^{\mu_1t} =
# \varepsilon^{-\theta}$, so this holds for small $\varepsilon$.
#
# *It stays linear.* By variation of constants, $Z(t)-e^{t\mathcal A}Z(0)$ has norm at most
# $\int_0^te^{\mu_1(t-s)}\,c\,r(s)^3ds\le \tfrac{\sqrt2c}{\mu_1}r_0^3e^{3\mu_1t}$, which is
# $O(\varepsilon^{2(1-\theta)})$ relative to $r_0e^{\mu_1t}$.
#
# *The first wins.* $e^{t\mathcal A}Z(0) = e^{\mu_1t}\,e\,(e^\top Z(0)) + O(\varepsilon e^{\mu_2t})$ and $e^\top Z(0)
# = \sqrt2\,\varepsilon g^\top$. So $W = \varepsilon^{1-\theta}(ag^\top+\dots)$, $H =
# \varepsilon^{1-\theta}(gb^\top+\dots)$ with the two relative errors named, and the product is as claimed. For
# descent replace $e^{t\mathcal A}$ by $(I+\eta\mathcal A)^k$, whose largest factor is $1+\eta\mu_1$; factors $1-\eta\mu_i$
# are at most one in absolute value.
# ```
#
# ## What training does to real counts
#
# The hundred most frequent contexts in TinyStories that have at least five different next words, and the words that
# follow at least three of them. (Contexts that keep fewer than two next words are dropped.)

# %%
stories = load_labels("tinystories-counts")


def common(contexts, least, shared):
    """Contexts with `least` next words, words that follow `shared` of them."""
    columns = np.flatnonzero(stories.support_sizes >= least)[:contexts]
    part = stories.restrict(columns)
    counts = (part.P.toarray() * part.pi * part.n).round()
    counts *= np.sum(counts > 0, axis=1, keepdims=True) >= shared
    rows = np.flatnonzero(counts.any(axis=1))
    columns = np.flatnonzero(np.sum(counts > 0, axis=0) >= 2)
    return SoftLabels.from_counts(
        counts[np.ix_(rows, columns)], vocab=[part.vocab[z] for z in rows],
        contexts=[part.context(j) for j in columns])


labels = common(100, least=5, shared=3)
M0 = -ntp_gradient(np.zeros(labels.P.shape), labels)
A, mu, Bt = np.linalg.svd(M0, full_matrices=False)
sign = np.sign(A[np.abs(A).argmax(axis=0), np.arange(len(mu))])
A, Bt = A * sign, Bt * sign[:, None]                # as in find_concepts
print(f"V = {labels.V}, m = {labels.m};",
      "M0 has singular values", mu[:4].round(3))

# %% [markdown]
# The first direction of $M_0$ and the first of the supports are far from the same thing:

# %%
names = [labels.context(j) for j in range(labels.m)]
by_frequency = Concepts(mu[:8], A[:, :8], Bt[:8].T)
by_support = find_concepts(labels.S, 8)
for title, found in (("frequencies", by_frequency), ("supports", by_support)):
    print(title)
    ends = found.poles(names, 0, count=2, side="contexts")
    for after, next_ in zip(ends, found.poles(labels.vocab, 0, count=5)):
        print("  after", " / ".join(after), "->", " ".join(next_))

# %% [markdown]
# Frequencies begin with the most frequent story opening and its continuation. Supports begin with what can follow an
# opening quotation mark as against what can follow *there was a*. Now train, by plain gradient descent from entries
# of standard deviation $10^{-3}$:

# %%
lr, eps, steps = 4.0, 1e-3, SIZES["steps"]


def train(eps, schedule, seed=SEED):
    """Plain gradient descent from entries of size eps."""
    return train_ufm(labels, d=64, steps=schedule[-1], lr=lr, init_scale=eps,
                     rng=np.random.default_rng(seed), snapshots=schedule)


run = train(eps, np.r_[:60, np.geomspace(60, steps, 40).astype(int)])
excess = run.loss - labels.entropy()
half = round(np.log(1 / eps) / 2 / np.log(1 + lr * mu[0]))   # theta = 1/2
begin, grown = (np.linalg.norm(
    A[:, :3].T @ run.W[i] + Bt[:3] @ run.H[i].T, axis=1) for i in (0, half))
rates = np.log(grown / begin) / half / np.log(1 + lr * mu[:3])
claim("17.5", np.abs(rates - 1).max())

# %%
def leading(L):
    """The eight leading left singular vectors of centred logits."""
    return np.linalg.svd(center(L), full_matrices=False)[0][:, :8]


solution = solve_ntp_svm(labels.S, tol=1e-6).L
proxy = centered_support(labels.S)
target = {"frequencies": leading(M0), "supports": leading(proxy),
          "solution": leading(solution)}
logits = [W @ H for W, H in zip(run.W, run.H)]
found = [leading(L) for L in logits]
first = {name: np.array([abs(U[:, 0] @ T[:, 0]) for U in found])
         for name, T in target.items()}
eight = {name: np.array([subspace_overlap(U, T) for U in found])
         for name, T in target.items()}
early = np.argmax(excess <= 0.99 * excess[0])
claim("17.6", first["frequencies"][early])

# %%
claim("17.7", first["frequencies"][early] - first["supports"][early])

# %%
claim("17.8", first["supports"][-1] - first["frequencies"][-1])

# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 6.4), sharex=True, sharey=True)
shown = run.steps > 0
label = {"frequencies": r"$M_0$: frequencies", "supports": r"$\tilde S$: supports",
         "solution": r"$L^{\mathrm{mm}}$: the solution"}
for ax, curves in zip(axes, (first, eight)):
    show_growth(ax, lr * run.steps[shown],
                {label[n]: c[shown] for n, c in curves.items()}, xlabel="", log="x")
    ax.axvline(lr * run.steps[early], color="0.5", lw=1, ls=":")
axes[0].set_ylabel("cosine of the first")
axes[1].set_ylabel("overlap of the first eight")
axes[1].set_xlabel("time (steps times step size)")
axes[1].get_legend().remove()
plt.show()

# %% [markdown]
# *The word directions of the trained logits, compared with those of three matrices. Above: the first direction.
# Below: the span of the first eight. Dotted: a hundredth of the excess loss is gone. The directions of $M_0$ come
# first, both above and below, and are given up for those of the supports.*

# %%
claim("17.10", eight["supports"][-1] - eight["frequencies"][-1])

# %% [markdown]
# So the order of learning on this loss is not the order of the $\sigma_i$, at first: it is the order of the $\mu_i$,
# and for the leading direction of these counts the two have next to nothing in common. What the follow-up paper's
# story needs is that the rest of training undoes this, and it does. Does it end at the solution? A reviewer of
# the paper summed it up as: under gradient descent the logits converge to the max-margin direction.

# %%
def cosine(X, Y):
    """The cosine of the angle between two matrices."""
    return np.sum(X * Y) / np.linalg.norm(X) / np.linalg.norm(Y)


ending = run.steps >= steps / 10
angle = [cosine(center(L), solution) for L, late in zip(logits, ending) if late]
claim("17.9", np.diff(angle).min())

# %%
claim("17.21", subspace_overlap(target["solution"], target["supports"]))

# %%
for p in (1, 3, 6, 8):
    same = subspace_overlap(target["solution"][:, :p], target["supports"][:, :p])
    print(f"first {p}: overlap of solution and proxy {same:.2f}")
print("sizes of the proxy's concepts", by_support.sizes.round(2))
print(f"whole matrices: cosine {cosine(solution, proxy):.2f}")

# %% [markdown]
# The logits do turn, slowly, as they must: even on the exact path of a vanishing ridge the angle closes like one over
# a logarithm ({prf:ref}`prop-path-rates`). Where they are when we stop, their leading directions are nearer to the
# proxy's than to the solution's, as the figure shows, and the claim that these two share their concepts **fails** at
# the threshold we had set. We had argued from whole matrices at a cosine of 0.97 and more; on these counts it is
# lower, and eight cuts into a run of sizes that lie close together. The first six agree better. The lesson is that of
# the definition: a concept is as well defined as its gap to the next.
#
# ## When does sparsity overtake frequency?
#
# One case can be solved. In a symmetric world with uniform probabilities all concepts have one size and $M_0$ is a
# multiple of $\tilde S$; there is nothing to overtake, but there is a clock.
#
# ```{prf:proposition} The clock of a symmetric world
# :label: prop-clock
#
# Under the conditions of {prf:ref}`prop-exact-path`, let gradient flow on the cross-entropy start at balanced factors
# of $a_0\tilde S$, $a_0>0$. Then $L = a\tilde S$ at all times, $\dot a = 2a\lambda$ with $\lambda =
# V\sigma/\big(km(ke^a+V-k)\big)$, and
#
# $$
# \begin{aligned}
# t = \frac{km}{2\sigma V}\Big[&k\big(\operatorname{Ei}(a)-\operatorname{Ei}(a_0)\big) \\
# &+ (V-k)\log\frac a{a_0}\Big].
# \end{aligned}
# $$
#
# So the flow runs along the regularisation path, and passes the minimiser for the ridge $\lambda$ at that time: about
# $\log(a/a_0)/(2\lambda_{\max})$ while $a$ is small, and $\tfrac1{2a\lambda}\,(1+o(1))$ as $a\to\infty$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# The proof of {prf:ref}`prop-exact-path` found $-\nabla\mathrm{CE}(a\tilde S) = \tfrac V{kmD}\tilde S$ with $D =
# ke^a+V-k$. As in {prf:ref}`prop-logistic`, balanced factors along the concepts stay so, and all singular values $s =
# a\sigma$ follow $\dot s = 2s\cdot\tfrac V{kmD}\sigma$. Here $\tfrac{V\sigma}{kmD}$ is the ridge whose minimiser is
# $a\tilde S$. Separate the variables: $\int (ke^a+V-k)/a\,da$ is the bracket. Its first term is $\sim ke^a/a$, and
# then $t\sim\tfrac{k^2m}{2\sigma V}\,e^a/a\sim\tfrac1{2a\lambda}$.
# ```

# %%
pairs, k, a0 = all_subsets(5, 2), 2, 1e-4
target5, (n, m) = centered_support(pairs), pairs.shape
U, s, Vt = np.linalg.svd(target5, full_matrices=False)


def slope(t, x):
    """Minus the gradient of the cross-entropy, for W and H' stacked."""
    W, H = x.reshape(-1, n)[:n], x.reshape(-1, n)[n:].T
    G = (pairs / k - np.exp(W @ H) / np.exp(W @ H).sum(axis=0)) / m
    return np.vstack([G @ H.T, G.T @ W]).ravel()


Z0, moments = np.vstack([U, Vt.T]) * np.sqrt(a0 * s), np.geomspace(10, 1e5, 40)
flow = solve_ivp(slope, (0, 1e5), Z0.ravel(), method="LSODA", t_eval=moments,
                 rtol=1e-10, atol=1e-13).y.T.reshape(40, -1, n)
a = np.einsum("tvd,tmd,vm->t", flow[:, :n], flow[:, n:], target5)
a /= np.sum(target5**2)
clock = k * (expi(a) - expi(a0)) + (n - k) * np.log(a / a0)
claim("17.11", np.abs(k * m / (2 * s[0] * n) * clock / moments - 1).max())

# %% [markdown]
# Time and ridge translate into each other by two clocks: early, a direction appears at ridge $\lambda$ on the path
# and at time $\log(1/\varepsilon)/\lambda$ in training ($a_0$ is about $\varepsilon^2$); late, the ridge $\lambda$
# corresponds to time $1/(2\lambda\log(1/\lambda))$. On text they are far apart, and which one holds for a given event
# is open. The event: the first direction of the logits is nearer to that of the supports than to that of frequencies.
# On the path, which is convex and needs no start, we find the ridge $\lambda^\ast$ at which it happens, and then look
# up the time in training.

# %%
def crossing(x, y):
    """Where y first passes zero from below, on a logarithmic axis x."""
    i = np.argmax((y > 0) & (np.r_[1, y[:-1]] <= 0))
    return np.exp(np.interp(0, y[i - 1:i + 1], np.log(x[i - 1:i + 1])))


def ahead(L):
    """How much nearer to supports than to frequencies L begins."""
    u = leading(L)[:, 0]
    return abs(u @ target["supports"][:, 0]) - abs(
        u @ target["frequencies"][:, 0])


def overtakes(run):
    """When sparsity overtakes frequency, after frequency has led most."""
    lead = np.array([ahead(W @ H) for W, H in zip(run.W, run.H)])
    led = np.argmin(lead)
    return lr * crossing(run.steps[led:], lead[led:])


ridges = mu[0] * np.geomspace(0.9, 1e-2, 8)
path = regularization_path(labels, ridges, tol=1e-3)
ridge = crossing(ridges, np.array([ahead(point.L) for point in path]))
seen = overtakes(run)
late, soon = 1 / (2 * ridge * np.log(1 / ridge)), np.log(1 / eps) / ridge
for name, t in (("late clock", late), ("measured", seen),
                ("early clock", soon)):
    print(f"{name}: about {float(f'{t:.0e}'):.0f}")
claim("17.12", np.log(seen / late) / np.log(soon / late))

# %% [markdown]
# Much nearer to the early clock. That makes a prediction which the late clock denies: the time should depend on the
# start, twice as long for a start of $10^{-4}$ as for one of $10^{-2}$.

# %%
small, large = (overtakes(train(size, np.arange(200)))
                for size in (1e-4, 1e-2))
claim("17.22", small / large)

# %% [markdown]
# It does depend on the start, and more than the clock says. So we look at more starts, two of each size:

# %%
sizes = 10.0 ** -np.arange(1, 7)
measured = np.array([[overtakes(train(size, np.arange(0, 200, 3), seed))
                      for size in sizes] for seed in (0, 1)])

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.8))
show_growth(ax, sizes, {"measured": measured[0], "another seed": measured[1],
                        "early clock": np.log(1 / sizes) / ridge,
                        "late clock": np.full(6, late)},
            xlabel="size of the start", ylabel="time", log="xy")
ax.invert_xaxis()
ax.legend(loc="center right", bbox_to_anchor=(1, 0.36))
plt.show()

# %% [markdown]
# *The time at which the first direction goes over from frequencies to supports, by the size of the start (smaller to
# the right), and what the two clocks say. Over five decades the early clock has the right size, and the late one does
# not. But the measured times make a step and not a line.*
#
# Does the right end go on level? Two starts, the second smaller by a factor of ten thousand, and the time from where
# the logits reach norm one:

# %%
def turns(run):
    """The time from logits of norm one to when sparsity overtakes."""
    norms = np.array([np.linalg.norm(W @ H) for W, H in zip(run.W, run.H)])
    return overtakes(run) - lr * crossing(run.steps, norms - 1)


waits = [turns(train(size, np.arange(200))) for size in (1e-6, 1e-10)]
print("from norm one: about", *(f"{float(f'{t:.0e}'):.0f}" for t in waits))

# %% [markdown]
# We read it like this. Frequency gives way while directions are still *appearing*, long before margins grow; when, is
# told to within a factor of about two by a ridge that can be computed without any training. It is not a law. From the
# smallest starts the logits are still nearly of rank one when it happens: no second direction takes over, the first
# one turns, and how long that takes no longer depends on the start. A smaller start then only puts off the moment at
# which the first direction is grown, as {prf:ref}`thm-first-direction` has it, so the level part of the figure is not
# the end: it rises again, with the slope $1/\mu_1$. (With an eighth of the step size all these times are within a
# tenth of where they are; it is the flow that does this, not the steps.) One data set and no theorem: a proof of when
# the step comes would be welcome.
#
# ## Concepts of a real text
#
# The King James Version, contexts of two words: the most frequent words, and the most frequent contexts made of them.

# %%
corpus = load_corpus("kjv")
every = SoftLabels.from_tokens(corpus, context_length=2, min_support=2,
                               vocab_size=SIZES["words"])
known = np.flatnonzero(every.contexts.max(axis=1) < every.V)    # without <unk>
bible = every.restrict(known[:SIZES["contexts"]])
contexts = [bible.context(j) for j in range(bible.m)]
concepts = find_concepts(bible.S, 8)
above = np.mean(concepts.contexts[:, 0] > 0)
print(f"V = {bible.V}, m = {bible.m}, median support",
      f"{np.median(bible.support_sizes):.0f} words")
print(f"contexts on one side of the first concept: {above:.0%}")
claim("17.13", np.corrcoef(concepts.words[:, 0], bible.S.sum(axis=1))[0, 1])

# %% [markdown]
# The first concept is not about meaning. If supports overlapped only as much as their sizes make them, the mean of
# $\tilde S$ would have rank one, with a word's score given by how many contexts it follows, and a context's by the
# size of its support. This is nearly what one sees, if with little room above the threshold: broad words against
# narrow ones, and most contexts on one side. It is also all that can be expected to survive a shuffle that keeps the
# size of every support, and for every word the number of contexts it follows {cite}`strona2014fast`:

# %%
shuffled = [find_concepts(shuffle_supports(bible.S, rng=rng), 8)
            for _ in range(SIZES["shuffles"])]
largest = np.max([s.sizes for s in shuffled], axis=0)
print("sizes         ", concepts.sizes.round().astype(int))
print("shuffled, most", largest.round().astype(int))
claim("17.14", (concepts.sizes / largest).min())

# %% [markdown]
# From the second on, concepts exceed what the sizes explain: by a factor of about two at first, the last ones by
# little. What are they?

# %%
for i in (1, 2, 3, 6):
    print(f"concept {i + 1}")
    ends = concepts.poles(contexts, i, count=4, side="contexts")
    for after, next_ in zip(ends, concepts.poles(bible.vocab, i, count=6)):
        print("  after", " / ".join(after), "->", " ".join(next_))

# %% [markdown]
# The second sets what may follow a subject (*shall*, *had*, the end of a clause) against what begins the next phrase.
# The third has plain verbs, after *shall*, at one end, the fourth possessives after *of* against what opens
# a clause after a comma, the seventh participles after *have* and *is*. Not every end can be read by itself. Marks
# hardly ever follow *and the*, yet the third concept has both at its upper end: a concept corrects what the larger
# ones say. Classes appear where signs combine.

# %%
def fill(scores, names, count):
    """The names in each orthant, those farthest from its walls first."""
    where, far = orthants(scores), np.abs(scores).min(axis=1)
    for k in np.unique(where)[::-1]:
        best = [z for z in np.argsort(-far) if where[z] == k][:count]
        signs = "".join("-+"[int(x > 0)] for x in scores[best[0]])
        print(signs, " ".join(names[z] for z in best))


fill(concepts.words[:, 1:4], bible.vocab, 10)

# %% [markdown]
# Signs of the second, third and fourth concept, and the ten words of each orthant that are farthest from its walls.
# Nobody told the matrix what a participle is.
#
# ## Is it only in the eye?
#
# Four tests, each against a null. *Is it the sample?* Take the odd and the even chapters apart, and compare the span of
# eight concepts from one half with that from the other, and with shuffled supports of the other.

# %%
def supports_in(part):
    """Which words followed which contexts in some of the documents."""
    inside = Corpus(corpus.tokens[part], corpus.vocab, corpus.doc_ids[part])
    found = SoftLabels.from_tokens(inside, context_length=2, vocab_size=every.V)
    place = {found.context(j): j for j in range(found.m)}
    there = np.array([place.get(name, -1) for name in contexts])
    rows = [found.vocab.index(word) for word in bible.vocab]
    return found.S.tocsr()[rows].tocsc()[:, there].toarray() & (there >= 0)


odd, even = (supports_in(corpus.doc_ids % 2 == parity) for parity in (1, 0))
both = odd.any(axis=0) & even.any(axis=0)
odd, even = odd[:, both], even[:, both]
mine, theirs = (find_concepts(S, 8).words for S in (odd, even))
others = (find_concepts(shuffle_supports(even, rng=rng), 8).words
          for _ in range(SIZES["shuffles"]))
same = subspace_overlap(mine, theirs)
chance = [subspace_overlap(mine, words) for words in others]
print(f"overlap {same:.2f}, with shuffled supports at most {max(chance):.2f}")
claim("17.15", same - max(chance))

# %% [markdown]
# *Is it the reader?* Before any concept was computed we listed some three hundred words in sixteen classes: subject,
# object and possessive pronouns, prepositions, auxiliary verbs, numbers, names, kin, past tenses, plain verbs and so
# on (`word_classes()`). How much of the variance of a concept's scores lies between classes? Classes are shuffled
# among words that follow about as many contexts, in fifths, so that breadth explains nothing.

# %%
def listed(labels):
    """Words that have a class, the class, and their fifth by breadth."""
    table = word_classes()
    at = np.array([z for z, word in enumerate(labels.vocab) if word in table])
    rank = labels.S.sum(axis=1)[at].argsort(kind="stable").argsort()
    return at, [table[labels.vocab[z]] for z in at], rank * 5 // len(at)


at, kinds, fifth = listed(bible)
test = class_share(concepts.words[at], kinds, rng=rng, strata=fifth)
print(f"{len(at)} words in {len(set(kinds))} classes")
claim("17.16", test.p_mean)

# %% [markdown]
# *Is it any matrix of this shape?* The same share for the concepts of shuffled supports:

# %%
shares = np.array([
    class_share(s.words[at], kinds, rng=rng, permutations=1).share
    for s in shuffled])
claim("17.17", test.share.mean() - shares.mean(axis=1).max())

# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 5.8), sharex=True)
number = np.arange(1, 9)
show_growth(axes[0], number, {"King James Version": concepts.sizes,
                              "shuffled supports": largest},
            xlabel="", ylabel="size σ", log="y")
show_growth(axes[1], number, {
    "King James Version": test.share, "shuffled classes": test.null.mean(axis=0),
    "shuffled supports": shares.mean(axis=0)},
            xlabel="concept", ylabel="between classes")
axes[1].set_ylim(0, 1)
axes[1].get_legend().set_loc("center right")
plt.show()

# %% [markdown]
# *Above: sizes of the leading concepts, and the largest of the same rank among shuffled supports (logarithmic). Only
# the first is explained by sizes of supports and counts of words. Below: the share of the variance of a concept's
# scores that lies between classes of words. Shuffled classes and shuffled supports know about classes only through
# the first concept, which is breadth.*
#
# *Is it the orthants?* Their agreement with the classes, as an adjusted Rand index: 1 if the two cut the words alike,
# 0 if no more than chance {cite}`hubert1985comparing`. The competitor is k-means, with as many clusters, on the word
# vectors of the proxy.

# %%
agree = adjusted_rand(orthants(concepts.words[at, 1:4]), kinds)
claim("17.18", agree - max(adjusted_rand(orthants(s.words[at, 1:4]), kinds)
                           for s in shuffled))

# %%
def cluster(X):
    """The best of ten runs of k-means with eight clusters."""
    runs = [kmeans2(X, 8, minit="++", rng=rng) for _ in range(10)]
    return min(runs, key=lambda run: np.sum((X - run[0][run[1]])**2))[1]


U, s, _ = np.linalg.svd(centered_support(bible.S), full_matrices=False)
vectors = U * np.sqrt(s)
groups = cluster(vectors)
print("several clusters of at most ten words:", np.sum(np.bincount(groups) <= 10) > 1)
claim("17.19", agree - adjusted_rand(groups[at], kinds))

# %%
directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
claim("17.23", agree - adjusted_rand(cluster(directions)[at], kinds))

# %% [markdown]
# Orthants beat k-means on the raw vectors, where a few long ones take clusters to themselves. Give k-means directions
# instead of vectors, and it leads, by little. So signs are a cheap way to clusters that need no iteration and no start, and that a
# person can name; they are not a better one.
#
# TinyStories, contexts of five words, is another kind of text: most words follow few contexts.

# %%
tales = common(1000, least=3, shared=5)
of_tales = find_concepts(tales.S, 8)
at, kinds, fifth = listed(tales)
print(f"V = {tales.V}, m = {tales.m}, {len(at)} words with a class")
again = class_share(of_tales.words[at], kinds, rng=rng, strata=fifth)
claim("17.20", again.p_mean)

# %%
for i in range(1, 7):
    high, low = of_tales.poles(tales.vocab, i, count=8)
    print(i + 1, "+", " ".join(high))
    print("  -", " ".join(low))

# %% [markdown]
# Direct speech against narration, verbs of narration against what the story is about, articles against names, little
# boys and girls against plain verbs.
#
# ## Fill the orthants
#
# Choose concepts by their numbers and read the orthants. A word stands the larger, the farther it is from the walls
# of its orthant; one that is near a wall is grey, because its sign means little. Dots show where the word that you
# point at, or walk to with the arrow keys, stands on every concept.

# %%
from ntputils.widgets import ConceptsWidget

widget = ConceptsWidget({"King James Version": bible, "TinyStories": tales},
                        words=120, contexts=60, chosen=[1, 2, 3])
widget

# %% [markdown]
# Without the panel: it begins with the orthants that are listed above, and their contexts. Take the third concept
# away, and participles share an orthant with marks and prepositions; take the second away instead, and articles and
# possessives do.
#
# ## What to take away
#
# - Concepts are singular triples of the centred supports. The first of a text is how many contexts a word follows.
#   The next carry grammar, far beyond what chance gives, and are found again in the other half of the text.
# - On the square loss larger concepts are learned first, each along its own logistic curve. On the cross-entropy the
#   first direction is that of $M_0$, which is frequency, and supports take over later.
# - When they do could be told here, to within a factor of about two, by the ridge at which it happens on the
#   regularisation path and the size of the start. It is not a law.
# - A concept is only as well defined as the gap to its neighbours. Signs of small scores mean nothing.
#
# ## What this does not show
#
# - *Pretrained models.* The follow-up paper finds concepts in them; nothing here was trained on more than counts of a
#   small text ({ref}`ch-pretrained` opens a pretrained model). We know that paper's abstract and introduction, and
#   compare no numbers.
# - *Meaning.* What separates here is mostly grammar. Two words of context leave room for little else.
# - *Inputs.* Everything trained here is a table of free vectors. A network that reads may learn in another order: with
#   one-hot targets a structure of the inputs is reported to come early and to disappear again
#   {cite}`zhao2026structure`. Free vectors cannot show that, since nothing ties their contexts.
# - *Adam.* Its first steps are signs of gradients; see the first exercise.
#
# ## Exercises
#
# 1. Train with `optimizer="adam"`, `lr=3e-3`, and look at the first direction when a hundredth of the excess is gone.
#    Is it that of $M_0$? Why, or why not?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    It is not. Its cosine with the first direction of $M_0$ is far below that of gradient descent, and no higher than
#    with the first direction of the supports. Adam divides every entry of the gradient by a running root mean square of
#    that entry. At the start this makes all entries move at about the same speed, whatever their size, so that $W$ moves
#    along the signs of $M_0H^\top$ and not along $M_0H^\top$. The theorem needs the linear flow.
#    ```
#
# 2. Let each inner node of a tree have $b$ branches instead of two. What are the sizes of the concepts, and how many
#    has each node?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    A score that is constant on each branch of a node with $n$ leaves, sums to zero, and vanishes elsewhere is
#    multiplied by $n/b+n/b^2+\dots+1 = (n-1)/(b-1)$. There are $b-1$ independent ones. So the sizes are
#    $\sqrt{(n-1)/(b-1)}$, each $b-1$ times.
#    ```

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
# (ch-imbalance)=
# # Imbalance and Zipf
#
# A few words fill most of a text, and most words are rare. What does this do to the geometry? Classifiers trained on
# unequal classes are known to draw rare classes together, in the extreme onto one point
# {cite}`fang2021exploring,thrampoulidis2022imbalance`. The authors hoped that their theory might help to design losses, or ways of sampling, that counteract it. This chapter works out what it
# says. How often a context *occurs* turns out to have no say in the limit, and a say in when the limit is reached; how many
# *different* contexts share a support decides the limit. Of the known remedies, some act on the first and some on the
# second. And on real text, do rare words collapse?
#
# *Fifteen minutes to read, about twenty seconds to run on one CPU core. No GPU is used.*

# %% tags=["colab-install", "remove-cell"]
# In Colab the published copy of this notebook installs ntputils here.

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse, stats
from scipy.spatial.distance import pdist

from ntputils import (SoftLabels, adjusted_minimum, center, centered_support,
                      claim, cosine_matrix, effective_rank, factor,
                      in_support_logits, load_corpus, load_labels, mantel,
                      one_hot, project_F, regularization_path, scale, session,
                      shuffle_supports, softmax, solve_ntp_svm, star_gram,
                      step_geometry, train_ufm, zipf_exponent)
from ntputils.plots import style

SEED = 20
rng = np.random.default_rng(SEED)
style()

# %% tags=["remove-input"]
session()

# %% [markdown]
# The scales differ in the number of contexts of the texts, of shuffles and of steps.

# %%
SIZES = {
    "small": {"words": 300, "contexts": 600, "shuffles": 19, "steps": 1500},
    "full": {"words": 1000, "contexts": 3000, "shuffles": 199, "steps": 20_000},
}[scale()]
print(", ".join(f"{name} {value}" for name, value in SIZES.items()))

# %% [markdown]
# ## Two imbalances
#
# Three tokens. In the first world one context is followed by token 1 and occurs a hundred times; two others, followed by 2
# and by 3, occur once each. In the second world a hundred *different* contexts are followed by token 1, and each
# occurs once. Token 1 makes up the same share of both texts. But the first has three contexts with one token each, so
# its limit is the regular simplex of {ref}`chapter 7 <ch-symmetric-worlds>`; the second has a support with
# multiplicity one hundred.
#
# ```{prf:proposition} What each part of the limit can see
# :label: prop-two-imbalances
#
# 1. The solutions of NTP-SVM depend on the supports, counted with the number of contexts that share them. They depend
#    neither on $\hat\pi$ nor on the probabilities within a support.
# 2. $L^{\mathrm{in}}$ depends on $P$, not on $\hat\pi$.
# 3. On the path, $\hat\pi$ stands in each margin beside the ridge: for $z\in\mathcal S_j$ and
#    $v\notin\mathcal S_j$, with $G = -\nabla\mathrm{CE}(L_\lambda)/\lambda$ and $q = \operatorname{softmax}(L_\lambda)$,
#
#    $$
#    \begin{aligned}
#    &(L_\lambda)_{zj} - (L_\lambda)_{vj} \\
#    &\quad= \log\tfrac1\lambda + \log\frac{\hat\pi_j\, q_{zj}}{\lvert G_{vj}\rvert} .
#    \end{aligned}
#    $$
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# *1, 2.* By definition ({prf:ref}`def-ntp-svm`, {prf:ref}`def-path-parts`): neither $\hat\pi$ nor, in the first, $P$ is
# among the data. Multiplicities are: equal columns count one by one in $\lVert L\rVert_*$, as weights $\sqrt{c}$ once they are merged
# ({prf:ref}`prop-quotient`). *3.* $q_{vj} = \lambda\lvert G_{vj}\rvert/\hat\pi_j$ by {prf:ref}`prop-path-identity`; take
# logarithms of $q_{zj}/q_{vj}$.
# ```
#
# So repeating a text a thousand times, or half of it, moves nothing in the limit. Reading it with longer contexts
# does: one context becomes several. The last part says where $\hat\pi$ went: margins have $\log\hat\pi_j$, which is fixed, beside
# $\log\frac1\lambda$, which grows. We check this on the worlds of chapter 7 with one next token each: a majority of words
# with $R$ contexts, and a minority with one. Weights are uniform over contexts, or balanced: equal for all words in sum.

# %%
def weighted(S, weight):
    """Labels with uniform P, and pi in proportion to these weights."""
    return SoftLabels.from_counts(S / S.sum(axis=0) * weight)


def words_cosines(L):
    """The cosines between the words of the balanced factors of L."""
    return cosine_matrix(factor(L)[0].T)


def step_world(R, many=3, few=3):
    """Supports, the word that owns each context, how many contexts it owns."""
    S = one_hot([R] * many + [1] * few)
    owner = S.argmax(axis=0)
    return S, owner, S.sum(axis=1)[owner]


S, owner, n = step_world(R=30)
ridges = np.geomspace(1e-3, 1e-10, 8)
by_context, by_word = (regularization_path(weighted(S, w), ridges)
                       for w in (np.ones(len(n)), 1 / n))
apart = [np.abs(words_cosines(a.L) - words_cosines(b.L)).max()
         for a, b in zip(by_context, by_word)]
claim("20.6", apart[-1] / apart[0])

# %% [markdown]
# The two paths differ in the weight of a minority context by a factor of fifteen, and come together as slowly as one over a logarithm. Slowly
# matters: at ridges that one meets, weights do have a say. We come to it below.

# %% [markdown]
# ## Minority words draw together
#
# {ref}`Chapter 7 <ch-symmetric-worlds>` has the formulas for equally many majority and minority words. With $M$ and
# $N = V - M$ of them, the singular values of $\tilde S$ are $\sqrt R$ ($M-1$ times), $1$ ($N-1$ times), and
#
# $$
# \rho = \sqrt{(RN + M)/V} , \qquad
# 1 - \cos(w_{\text{min}}, w_{\text{min}'}) = \frac{N}{N - 1 + \rho M/V} .
# $$ (eq-minority)
#
# The proof is the same (one-hot worlds are star worlds, {prf:ref}`thm-star`); the solver agrees.

# %%
def gram(L):
    """WW' of the balanced factors of L."""
    W = factor(L)[0]
    return W @ W.T


errors = []
for V in range(3, 9):
    for many in range(1, V):
        for R in (1, 3, 30):
            wanted = step_geometry(V, R, majority=many).gram()
            found = gram(solve_ntp_svm(step_world(R, many, V - many)[0], tol=1e-10).L)
            errors.append(np.abs(found - wanted).max() / wanted.max())
claim("20.1", max(errors))

# %% [markdown]
# Now read {eq}`eq-minority` for its thresholds. With half of the words in the minority, it is zero at $\rho = 2$, so at $R
# = 7$, for every $V$. But it is one half only at $\rho = V + 2$:
#
# $$
# R_0 = 7 , \qquad R_{1/2} = 2(V+2)^2 - 1 .
# $$
#
# Seven times as many contexts, and the angle between rare words is no longer obtuse. To bring it down to 60° takes 127 times as
# many at six words, and about twenty thousand at a hundred. **Where half of the words are rare, collapse takes an imbalance of
# the order of $V^2$.** In general {eq}`eq-minority` has one half at $\rho = (N+1)V/M$, that is, at $R$ of about
# $(N+1)^2V^3/(NM^2)$; where a small part of the words is rare, of about $NV$. Classifiers have ten classes. Of a vocabulary of ten thousand words
# half are rare, and no word has $10^8$ times the contexts of another.

# %%
def minority_cosine(V, R):
    """From an eigendecomposition of P D P, not from the formula."""
    G = star_gram([R] * (V // 2) + [1] * (V // 2))
    return G[-1, -2] / G[-1, -1]


off = [abs(minority_cosine(V, R) - wanted) for V in (4, 6, 20, 100, 1000)
       for R, wanted in ((7, 0), (2 * (V + 2)**2 - 1, 0.5))]
claim("20.2", max(off))

# %% [markdown]
# Is it there on the path of a ridge that gets small? Dots are minimisers at $\lambda = 10^{-2}$ and $10^{-8}$, computed by a
# method that knows nothing of these formulas.

# %%
ratios = np.array([1, 3, 10, 30, 100])
on_path = {R: regularization_path(weighted(step_world(R)[0], 1.0), [1e-2, 1e-8])
           for R in ratios}
reached = np.array([[words_cosines(p.L)[-1, -2] for p in on_path[R]] for R in ratios])
limits = np.array([step_geometry(6, R).minority_cosine for R in ratios])
claim("20.5", np.abs(reached[:, 1] - limits)[[0, 2, 4]].max())

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 4))
fine = np.geomspace(1, 1e5, 60)
for V, color in ((6, "#0072B2"), (20, "#D55E00"), (100, "#009E73"), (1000, "#CC79A7")):
    ax.plot(fine, [step_geometry(V, R).minority_cosine for R in fine], color=color,
            label=f"limit, $V = {V}$")
ax.plot(ratios, reached[:, 0], "o", color="#0072B2", markerfacecolor="none",
        markersize=8, label=r"path, $\lambda = 10^{-2}$")
ax.plot(ratios, reached[:, 1], "o", color="#0072B2", markersize=5,
        label=r"path, $\lambda = 10^{-8}$")
ax.axhline(0.5, color="#555555", linestyle="--", linewidth=1)
ax.set(xscale="log", ylim=(-0.25, 1.05), xlabel="contexts of a majority word, $R$",
       ylabel="cosine of minority words")
ax.legend(fontsize=9.5, loc="upper left")
plt.show()

# %% [markdown]
# *Half of the words have $R$ contexts each, the others one. All limits cross zero at $R = 7$; the more words, the later
# they reach one half. At the larger ridge minority words are nearer to each other than in the limit; at $R = 100$ they
# are one vector, cosine one.*

# %% [markdown]
# ## When words part
#
# One vector: not nearly, but exactly. A finite ridge makes rare words *identical*. Where it lets go of them has a formula, and here
# $\hat\pi$ is in it.
#
# ```{prf:theorem} When words part
# :label: thm-parting
#
# Let $T$ be two or more tokens, each the only next token of $n$ contexts of weight $\pi$ each, and let all other
# contexts treat the tokens of $T$ alike (the same probability for each). Then, on the path:
#
# 1. If $\lambda \ge \pi\sqrt n$, the words of $T$ are one and the same vector.
# 2. If $\lambda < \pi\sqrt n$, they differ, and in a context of one of them, with $q = \operatorname{softmax}(L_\lambda)$,
#
#    $$
#    q_{\text{right}} - q_{\text{twin}} = 1 - \frac{\lambda}{\pi\sqrt n} .
#    $$
# 3. For two tokens of $T$,
#
#    $$
#    \lVert w_u - w_v\rVert^2 = 2\sqrt n\,\log\frac{q_{\text{right}}}{q_{\text{twin}}} .
#    $$
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# A permutation of $T$, with one of their contexts, maps the problem to itself. $L = L_\lambda$ is unique
# ({prf:ref}`thm-convex`), so it is invariant. Hence, in a context of $z\in T$, $L$ has one value $a$ at $z$ and one
# value $b$ at the others of $T$, the same for all $z$; and elsewhere its entries in $T$ are equal. Let $x$ be a vector on $T$ that sums to
# zero. Then $x^\top L = (a-b)\,y^\top$, where $y$ repeats $x_z$ in the contexts of $z$; and $\lVert y\rVert = \sqrt n\lVert x\rVert$. In the
# same way $Ly = n(a-b)\,x$. So the vectors $x$ make up a singular subspace of $L$, with the value $s = (a-b)\sqrt n$ (up to
# its sign).
#
# $G = -\nabla\mathrm{CE}(L)/\lambda$ has the same invariance, and $x^\top G = \frac\pi\lambda\big(1 - (q_{\text{right}} -
# q_{\text{twin}})\big)y^\top$. So $G$ acts on the same subspace as $g = \frac{\pi\sqrt n}\lambda\big(1 - (q_{\text{right}} -
# q_{\text{twin}})\big) > 0$. $L$ is optimal if and only if $G\in\partial\lVert L\rVert_*$ ({prf:ref}`thm-certificate`), and on this subspace
# that says: $g = 1$ if $s > 0$, $\lvert g\rvert\le1$ if $s = 0$, and $g = -1$, which cannot be, if $s < 0$. As $\log (q_{\text{right}}/q_{\text{twin}}) = a - b$, the case $s = 0$ has
# $g = \pi\sqrt n/\lambda\le1$; the case $s > 0$ has $g = 1$, the formula, and a positive difference, so $\lambda < \pi\sqrt n$.
#
# *3.* On the subspace $WW^\top = (LL^\top)^{1/2}$ is $s$ times the identity, so with $x = e_u - e_v$, $\lVert
# w_u-w_v\rVert^2 = 2s$.
# ```
#
# That a ridge of some size makes minority classes identical is what {cite}`fang2021exploring` called minority collapse; here
# is the size. Note what it has and what it lacks: the weight of a context and the number of contexts of *these* words.
# The majority comes in only because all weights add up to one: at equal weights of contexts, more of its contexts make $\pi = 1/m$
# smaller. It is too little weight that keeps rare words together here, not the shape of the others.
#
# Five worlds: different sizes, and weights uniform over contexts, balanced over words, or random.

# %%
def worlds():
    """Labels, contexts of each word, and the two groups of words."""
    for many, few, R, kind in ((3, 3, 10, 0), (3, 3, 10, 1), (2, 5, 5, 2),
                               (3, 2, 4, 2), (4, 4, 3, 0)):
        S, owner, n = step_world(R, many, few)
        random = np.where(owner < many, *rng.uniform(0.2, 1, size=2))
        labels = weighted(S, (np.ones(len(n)), 1 / n, random)[kind])
        yield labels, owner, n, (range(many), range(many, many + few))


twins, errors, distances = [], [], []
for labels, owner, n, groups in worlds():
    for T in groups:
        j = list(owner).index(T[0])
        edge = labels.pi[j] * np.sqrt(n[j])
        before, *after = regularization_path(
            labels, edge * np.array([1.02, 0.9, 0.5, 0.1, 0.01, 1e-4]), tol=1e-10)
        size = max(np.linalg.norm(before.W[T], axis=1).max(), 1e-9)
        twins.append(pdist(before.W[T]).max() / size)
        differ = [np.subtract(*softmax(p.L)[T[:2], j]) for p in after]
        errors += [d - 1 + p.lam / edge for d, p in zip(differ, after)]
        for p in after:
            ratio = p.L[T[0], j] - p.L[T[1], j]  # log q_right - log q_twin
            apart = np.sum((p.W[T[0]] - p.W[T[1]])**2)
            distances.append(apart / (2 * np.sqrt(n[j]) * ratio) - 1)
claim("20.3", max(twins))

# %%
claim("20.4", np.abs(errors).max())

# %%
claim("20.25", np.abs(distances).max())

# %% [markdown]
# ### The same in training
#
# Gradient descent without a ridge has no $\lambda$, but near zero it sees the same numbers: a direction of the
# logits grows at the rate of its singular value in the gradient at zero, $\pi\sqrt n$ for what tells the words of $T$
# apart (a heuristic: it holds while vectors are small). With equal weights the minority is then $\sqrt R$ times later than the majority, and until it comes, its words lie on each
# other. So training should *pass through* collapse, whatever its limit.

# %%
def follow(R, power, **options):
    """Weights n^power: steps, cosine of the minority, how far groups are told apart."""
    S, owner, n = step_world(R)
    run = train_ufm(weighted(S, n**power), d=8, rng=np.random.default_rng(SEED),
                    **options)
    pairs = np.triu_indices(3, 1)
    cosines = [cosine_matrix(W[3:].T)[pairs].mean() for W in run.W]
    modes = [[told_apart(W @ H, owner, T) * np.sqrt(n[owner == T[0]][0])
              for T in (range(3), range(3, 6))] for W, H in zip(run.W, run.H)]
    return run.steps, np.array(cosines), np.array(modes)


def told_apart(L, owner, T):
    """a - b: logits of the right word less those of its twins, mean over T."""
    right = np.mean([L[z, owner == z].mean() for z in T])
    return 1.5 * (right - L[T][:, np.isin(owner, T)].mean())


slow = {"optimizer": "gd", "init_scale": 1e-3, "lr": 1.0, "steps": 3000,
        "snapshots": range(0, 3001, 2)}
steps, cosines, _ = follow(10, 0.0, **slow)
claim("20.11", cosines[1:].max())

# %%
def first(steps, mode):
    """The first step at which a mode is above one."""
    return steps[np.argmax(mode > 1)]


by_weight = {power: follow(16, power, **slow) for power in (0.0, -0.5, -1.0)}
times = {power: [first(steps, mode) for mode in modes.T]
         for power, (steps, _, modes) in by_weight.items()}
for power, (majority, minority) in times.items():
    order = "minority first" if majority > 1.5 * minority else (
        "majority first" if minority > 1.5 * majority else "together")
    print(f"weights n^{power:4.1f}: {order}")
claim("20.12", times[0.0][1] / times[0.0][0] / np.sqrt(16))

# %%
claim("20.13", times[-0.5][1] / times[-0.5][0])

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 4))
names = {0.0: "equal weights", -0.5: "weights $1/\\sqrt{n}$", -1.0: "weights $1/n$"}
for (power, (steps, values, _)), ls in zip(by_weight.items(), ("-", "--", ":")):
    ax.plot(steps[1:], values[1:], label=names[power], linestyle=ls)
limit = step_geometry(6, 16).minority_cosine
ax.axhline(limit, color="#555555", linewidth=1)
ax.text(7, limit + 0.03, "limit", color="#555555")
ax.set(xscale="log", xlabel="steps of gradient descent",
       ylabel="cosine of minority words", ylim=(-0.6, 1.05))
ax.legend(loc="lower right")
plt.show()

# %% [markdown]
# *Mean cosine of three minority words ($V = 6$, $R = 16$) from a small random start. With equal weights they fall onto
# each other and part later, past the limit's angle. Weights of one over root $n$ spare them that; so do weights of $1/n$, at the expense of
# the majority, which then comes last.*
#
# So a snapshot that shows collapsed rare words may show a limit, or a delay. The limit of this
# figure is not far from a right angle: what looks like collapse is all delay. Balancing with $1/n$, the usual choice, overshoots: the weight
# that makes two groups come at the same time is $1/\sqrt n$. Adam divides each gradient by its size, which might undo the
# difference. Does it?

# %%
quick = slow | {"optimizer": "adam", "lr": 1e-2, "steps": 3000,
                "snapshots": range(0, 3001, 1)}
_, with_adam, _ = follow(10, 0.0, **quick)
claim("20.14", with_adam[1:].max())

# %% [markdown]
# Not here: minority words nearly fall on each other under Adam too, from a start this small.

# %% [markdown]
# ## What the remedies change
#
# *Weights.* Settled: never the limit ({prf:ref}`prop-two-imbalances`), always the time ({prf:ref}`thm-parting`).
#
# ### One knob, three names
#
# ```{prf:proposition} Copies, ridges and temperatures
# :label: prop-one-knob
#
# Let $c_j$ be positive numbers. The following have the same word vectors (up to rotation) at every ridge $\lambda$, if the
# dimension is large enough; all minimise $\mathrm{CE}(M) + \lambda\lVert M\operatorname{diag}(\sqrt c)\rVert_*$ over
# the logits $M$ in the loss.
#
# 1. *Copies:* each context $j$ stands $c_j$ times in the data, as so many contexts of weight $\hat\pi_j/c_j$ (whole $c_j$).
# 2. *Ridge:* the ridge on $h_j$ is $c_j\lambda$ instead of $\lambda$.
# 3. *Temperature:* the loss sees $t_jL_j$ instead of $L_j$, with $t_j = 1/\sqrt{c_j}$.
#
# In the limit the words are those of NTP-SVM with $\lVert L\operatorname{diag}(\sqrt c)\rVert_*$ in place of $\lVert
# L\rVert_*$: as if each support had as many contexts as the $c_j$ of its contexts add up to.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# *2.* Put $G = H\operatorname{diag}(\sqrt c)$. The ridge is $\frac\lambda2(\lVert W\rVert^2 + \lVert G\rVert^2)$ and the logits are
# $WG\operatorname{diag}(1/\sqrt c)$. Minimising over factors of $X = WG$ leaves $\lambda\lVert X\rVert_*$
# ({prf:ref}`prop-nuclear`), with $X = M\operatorname{diag}(\sqrt c)$, and $WW^\top = (XX^\top)^{1/2} = (M\operatorname{diag}(c)M^\top)^{1/2}$.
#
# *3.* Now $X = L$ and $M = L\operatorname{diag}(t)$, so again $X = M\operatorname{diag}(\sqrt c)$.
#
# *1.* The minimiser is unique, so copies have equal columns (exchange two of them). The loss is that of $M$, one column for
# each, and $LL^\top = \sum_jc_jM_jM_j^\top = XX^\top$.
#
# *The limit.* As $X$ is a minimiser, the spectral norm of $\nabla\mathrm{CE}(M)\operatorname{diag}(t)$ is at most $\lambda$, so
# $\lvert q_{zj} - \hat p_{zj}\rvert\le\lambda/(t_j\hat\pi_j)$. With $t_j\hat\pi_j$ for $\hat\pi_j$ in the constants, parts 3 to 5 of
# {prf:ref}`prop-path-identity` hold for $M$: its finite part converges, its margins are at least $\ell - C$, with $\ell = \log(1/\lambda)$.
# From above, compare with $M = L^{\mathrm{in}} + \ell A$, where $A$ has the least $\lVert A\operatorname{diag}(\sqrt c)\rVert_*$ under the
# constraints of NTP-SVM. So limit points of $M/\ell$ are feasible and have no larger norm than $A$, as in {prf:ref}`thm-path`. Equal supports $u$ weigh
# $\sum_{j\in u}c_j$ once they are merged, as in {prf:ref}`prop-quotient`.
# ```
#
# So multiplicity *is* a ridge: a hundred contexts with one support are a hundred vectors to grow, and each pays. And a
# temperature is a margin: the third is the vector-scaling loss of {cite}`kini2021label`, with the scale chosen by the
# context; its margin problem asks for $1/t_j$ instead of one in column $j$. (With scales chosen by the *word* whose logit it is, $M =
# \operatorname{diag}(t)L$, the norm is $\lVert\operatorname{diag}(1/t)M\rVert_*$ in the same way; we do not follow that up.)

# %%
def three_names(P, pi, c, lam):
    """Largest difference of WW' between the three, relative to the largest entry."""
    labels, copy = SoftLabels.from_counts(P * pi), np.repeat(np.arange(len(c)), c)
    copies = SoftLabels.from_counts(P[:, copy] * (pi / c)[copy])
    points = (adjusted_minimum(copies, lam, rng=rng),
              adjusted_minimum(labels, lam, rng=rng, ridge=c),
              adjusted_minimum(labels, lam, rng=rng, temperature=c**-0.5))
    grams = [p.W @ p.W.T for p in points]
    return max(np.abs(G - grams[0]).max() for G in grams) / grams[0].max()


counts = rng.integers(0, 4, size=(6, 8))
counts[0] += counts.sum(axis=0) == 0
soft, pi = counts / counts.sum(axis=0), rng.dirichlet(np.full(8, 5.0))
differences = [three_names(soft, pi, rng.integers(1, 5, size=8), lam)
               for lam in (1e-2, 1e-3, 1e-4)]
differences += [three_names(np.eye(6), np.full(6, 1 / 6), np.array([5] * 3 + [1] * 3),
                            lam) for lam in (1e-2, 1e-3, 1e-4)]
claim("20.7", max(differences))

# %% [markdown]
# This is a remedy that moves the limit, and leaves the data alone: divide the ridge on $h_j$ by the number of
# contexts that share its support (for a network, whose contexts are not free: multiply its logits by the root of that number, in the loss). If every
# support also has the same total weight, the merged problem is balanced at every ridge.

# %%
S, owner, n = step_world(R=30)
balanced = adjusted_minimum(weighted(S, 1 / n), 1e-6, rng=rng, ridge=1 / n)
off = cosine_matrix(balanced.W.T) - np.where(np.eye(6), 1, -1 / 5)
claim("20.8", np.abs(off).max())

# %% [markdown]
# *Resampling* is the remedy of copies: dropping or merging contexts of the majority changes $R$ itself. (Drawing the *same*
# context more often does not: that is a weight.) All are on one curve:

# %%
kept = np.array([1 / 30, 0.1, 0.2, 0.5, 1])
share = [np.where(owner < 3, k, 1.0) for k in kept]
even = weighted(S, 1 / n)
by_ridge = [adjusted_minimum(even, 1e-6, rng=rng, ridge=c) for c in share]
by_temperature = [adjusted_minimum(even, 1e-6, rng=rng, temperature=c**-0.5)
                  for c in share]
dropped = [step_world(round(30 * k))[0] for k in kept]
solved = [words_cosines(solve_ntp_svm(T).L)[-1, -2] for T in dropped]

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.8))
fine = np.geomspace(1 / 30, 1, 40)
ax.plot(fine, [step_geometry(6, 30 * k).minority_cosine for k in fine], color="#555555",
        label="limit, closed form", linewidth=1.5)
ax.plot(kept, solved, "s", color="#0072B2", markersize=9, markerfacecolor="none",
        label="that share of contexts kept, solved")
for points, mark, color, name in ((by_ridge, "o", "#D55E00", "ridge times that share"),
                                  (by_temperature, "x", "#009E73",
                                   "temperature, one over its root")):
    ax.plot(kept, [cosine_matrix(p.W.T)[-1, -2] for p in points], mark, color=color,
            label=name + r", $\lambda = 10^{-6}$", markersize=7)
ax.set(xscale="log", xlabel="share $c$ of the majority's multiplicity",
       ylabel="cosine of minority words")
ax.legend(fontsize=9.5)
plt.show()

# %% [markdown]
# *$V = 6$, $R = 30$. Three ways to reduce the multiplicity of the majority. Squares are on the curve; ridge and temperature agree with
# each other, and are as far from the curve as a path at this ridge is.*

# %% [markdown]
# ### Logit adjustment
#
# Another remedy adds the logarithm of each word's frequency to its logit during training, and leaves it out afterwards
# {cite}`menon2021long`. Any offset $A$ will do here, one for each logit.
#
# ```{prf:proposition} An offset moves the finite part only
# :label: prop-offset
#
# Let $L_\lambda$ minimise $\mathrm{CE}(L + A) + \lambda\lVert L\rVert_*$, for a fixed matrix $A$. As $\lambda\to0$,
#
# $$
# P_{\mathcal F}L_\lambda \to L^{\mathrm{in}} - P_{\mathcal F}A ,
# $$
#
# and $L_\lambda/\log(1/\lambda)$ approaches the solutions of NTP-SVM, as it does without $A$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# Let $M = L_\lambda + A$, $\ell = \log(1/\lambda)$. $G = -\nabla\mathrm{CE}(M)/\lambda$ lies in $\partial\lVert L_\lambda\rVert_*$, so
# $\lVert G\rVert_2\le1$, and softmax$(M) = P - \lambda G/\hat\pi$: parts 3 to 5 of {prf:ref}`prop-path-identity` use no more than this, and hold for $M$. So $P_{\mathcal F}M\to
# L^{\mathrm{in}}$, which is the first statement, and the margins of $M$, hence those of $L_\lambda$, are at least $\ell - C$.
#
# *From above,* with a solution $B$ of NTP-SVM compare with $L^{\mathrm{in}} - A + \ell B$. Its loss exceeds $\mathcal H$ by at most $C'\lambda$, so $\lVert
# L_\lambda\rVert_*\le \ell\nu + C''$. A limit point of $L_\lambda/\ell$ therefore is constant on supports, has margins of one at least, and a norm of at most
# $\nu$: a solution.
# ```
#
# With $A_{zj} = \log f_z$, the trained model without its offset says $\hat p_{zj}/f_z$ on each support, up to a factor: rare
# words gain among the words that *can* follow. That is what the method is for. Angles in the limit do not move. With
# one next token for each context, $\mathcal F$ is zero and the finite part does not move either (as {cite}`kini2021label` found for classifiers).

# %%
labels = SoftLabels.from_counts(soft * pi)
S, A = labels.S.toarray(), rng.normal(size=(6, 1)) * np.ones((1, 8))
target = in_support_logits(labels).toarray() - project_F(A, S).toarray()
with_offset = {lam: adjusted_minimum(labels, lam, rng=rng, offset=A).L
               for lam in (1e-3, 1e-5, 1e-6)}
finite = project_F(center(with_offset[1e-5]), S).toarray()
claim("20.9", np.linalg.norm(finite - target) / np.linalg.norm(target))

# %%
def direction(L):
    return L / np.linalg.norm(L)


without = {lam: adjusted_minimum(labels, lam, rng=rng).L for lam in (1e-3, 1e-6)}
moved = {lam: np.linalg.norm(direction(with_offset[lam]) - direction(L))
         for lam, L in without.items()}
claim("20.10", moved[1e-6] / moved[1e-3])

# %% [markdown]
# Together, and this is the answer to "could one reverse-engineer better losses or sampling?":
#
# | change | finite | limit | part at |
# |---|---|---|---|
# | weight $\pi$ | – | – | $\pi\sqrt n$ |
# | offset $A$ | $-P_{\mathcal F}A$ | – | $\pi\sqrt n$ |
# | number $n$ | – | $n$ | $\pi\sqrt n$ |
# | ridge $\times c$ | – | $cn$ | $\pi\sqrt{n/c}$ |
# | scale $t$ | $\div\,t$ | $n/t^2$ | $\pi t\sqrt n$ |
#
# The rows: the weight of contexts, an offset on logits, the number of contexts of a support (dropped, or merged), a ridge of its own
# for each context, a temperature. A dash: not moved. *Finite* is the finite part of the logits; *limit* the multiplicity that the angles
# of words see; *part at* the ridge below which words of one group differ.
#
# (The last column is {prf:ref}`thm-parting`; its proof holds with an offset that is equal for the words of $T$, and
# {prf:ref}`prop-one-knob` gives the last two rows.) Two of them together, $t = \sqrt n$ and weights of $1/n$, make a one-hot
# world balanced throughout. For soft labels $n$ is the number of contexts of a *support*, not of a word.

# %% [markdown]
# (imbalance-panel)=
# ### Move it yourself
#
# The panel draws the words of the limit. Move $R$, the number of words, and how many of them are frequent; then
# switch to one context for each word, which is what a temperature of $\sqrt n$ does.

# %%
from ntputils.widgets import ImbalanceWidget

ImbalanceWidget(V=6)

# %% [markdown]
# The point in a sentence, without the panel: with three frequent and three rare words a thousand contexts bring the angle
# between rare ones below half a right angle; with more rare words, or with twice as many of both kinds, the same
# thousand does less; balanced, it does nothing.

# %% [markdown]
# ## Zipf's law
#
# Between two groups and a text stands Zipf's law: word number $r$ occurs with a probability in proportion to $r^{-a}$, with $a$ near
# one {cite}`zipf1949human`. Let supports be drawn by it: 150 contexts, one to five different next words each, from 40 words. How long are word vectors,
# and what becomes of the rare ones?
#
# ```{prf:proposition} Between which bounds a word's length lies
# :label: prop-word-length
#
# Let $W$ be the words of the balanced factors of $L\ne0$, $\ell_z$ its rows and $\sigma_1$ its largest singular value. Then
#
# $$
# \lVert\ell_z\rVert^2/\sigma_1 \;\le\; \lVert w_z\rVert^2 \;\le\; \lVert\ell_z\rVert .
# $$
#
# For the proxy, with $r_z$ the number of contexts that token $z$ follows,
# $\lVert\ell_z\rVert^2 = r_z - 2\sum_{j\,:\,z\in\mathcal S_j}k_j/V + \sum_j k_j^2/V^2$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# Let $u_i$ be left singular vectors, a full basis. $\lVert w_z\rVert^2 = \sum_i\sigma_iu_{iz}^2$ and $\lVert\ell_z\rVert^2 =
# \sum_i\sigma_i^2u_{iz}^2$ ({prf:ref}`cor-gram`), with $\sum_iu_{iz}^2 = 1$. The right inequality is Jensen's, the left one $\sigma_i\ge\sigma_i^2/\sigma_1$.
# The row of the proxy has entries $1-k_j/V$ and $-k_j/V$.
# ```
#
# In star worlds with many words $\lVert w_z\rVert^2$ is near to the upper end, $\sqrt{r_z}$: a slope of one half in logarithms. The last
# sum is the same for all words. It belongs to what a word *lacks*: the row of a word that follows nothing is $-k_j/V$. All
# rare words share it, and they collapse where it outweighs their own few contexts.

# %%
def zipf_supports(a, V=40, m=150):
    """Supports of one to five words, drawn by Zipf's law."""
    p = np.arange(1, V + 1.0)**-a
    drawn = [rng.choice(V, rng.integers(1, 6), replace=False, p=p / p.sum())
             for _ in range(m)]
    S = np.transpose([np.isin(np.arange(V), words) for words in drawn])
    return S[S.any(axis=1)]


def rarest(S):
    """The third of the words that follow the fewest contexts."""
    return np.argsort(S.sum(axis=1), kind="stable")[:len(S) // 3]


def pair_cosines(W, words):
    """Cosines of all pairs of different words among these."""
    return cosine_matrix(W[words].T)[np.triu_indices(len(words), 1)]


def mean_cosine(W, words):
    return pair_cosines(W, words).mean()


exponents = (0, 0.5, 1, 1.5, 2)
drawn = {a: [zipf_supports(a) for _ in range(3)] for a in exponents}
logits = {a: [solve_ntp_svm(S, tol=1e-6).L for S in drawn[a]] for a in exponents}

# %%
outside = []
for L in [L for a in exponents for L in logits[a]] + [centered_support(drawn[1][0])]:
    length, row = np.diag(gram(L)), np.linalg.norm(L, axis=1)
    outside += [(length / row).max() - 1,
                (row**2 / np.linalg.norm(L, 2) / length).max() - 1]
claim("20.15", max(0.0, *outside))

# %%
contexts = np.concatenate([S.sum(axis=1) for S in drawn[1]])
lengths = np.concatenate([np.diag(gram(L)) for L in logits[1]])
claim("20.16", np.polyfit(np.log(contexts), np.log(lengths), 1)[0])

# %%
ranks = [np.mean([effective_rank(L) for L in logits[a]]) for a in exponents]
for a, rank in zip(exponents, ranks):
    together = np.mean([mean_cosine(factor(L)[0], rarest(S))
                        for S, L in zip(drawn[a], logits[a])])
    print(f"a = {a:3.1f}: {np.mean([len(S) for S in drawn[a]]):.0f} words occur, "
          f"effective rank {rank:.0f}, cosine of rare words {abs(together):.1f}")
claim("20.17", int(np.sum(np.diff(ranks) > 0)))

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.8))
for a, mark in ((0, "o"), (1, "s"), (2, "^")):
    S, L = drawn[a][0], logits[a][0]
    ax.plot(S.sum(axis=1), np.diag(gram(L)), mark, label=f"$a = {a}$", alpha=0.7)
fine = np.array([1, 130])
ax.plot(fine, np.sqrt(fine), color="#555555", linewidth=1, linestyle="--")
ax.text(60, 8.4, r"$\sqrt{r}$", color="#555555")
ax.set(xscale="log", yscale="log", xlabel="contexts that the word follows, $r$",
       ylabel=r"squared length $\|w_z\|^2$")
ax.legend()
plt.show()

# %% [markdown]
# *Each mark is a word. Squared lengths grow like a root of the number of contexts, whatever the exponent.*
#
# A heavier head lowers the effective rank, and not only because fewer words occur: the rank falls faster than their number. But rare words stay near a right angle to each
# other even at $a = 2$. The shared part loses against a few contexts of one's own, as in {eq}`eq-minority` when there
# are many words.

# %% [markdown]
# ## A real text
#
# How long is the tail? The exponent that makes the counts of the King James Version most likely, with an interval from
# resampling its chapters (words of a text are not independent draws; chapters more nearly are). A resample repeats chapters,
# so it has fewer different words than the text, which shifts its values; of these we use the spread alone.

# %%
corpus = load_corpus("kjv")
chapter, V = corpus.doc_ids, len(corpus.vocab)
chapters = chapter.max() + 1
table = sparse.csr_array((np.ones(len(chapter)), (chapter, corpus.tokens)),
                         shape=(chapters, V))
draws = [np.bincount(rng.integers(chapters, size=chapters), minlength=chapters)
         for _ in range(50)]


def interval(value, again):
    """The value, more or less 1.96 standard deviations of the resampled ones."""
    return value + np.array([-1.96, 1.96]) * np.std(again)


counts = np.bincount(corpus.tokens, minlength=V)
low, high = interval(zipf_exponent(counts),
                     [zipf_exponent(weight @ table) for weight in draws])
print(f"exponent {zipf_exponent(counts):.3f}, interval {low:.3f} to {high:.3f}")
head = np.sort(counts)[-100:]
print(f"the hundred most frequent words alone: {zipf_exponent(head):.1f}")
claim("20.18", zipf_exponent(counts))

# %% [markdown]
# One number does not describe the curve: its head is flatter than the whole. And occurrences are the imbalance that the limit does *not* see. How unequal are
# words in the number of *different* two-token contexts that they follow?

# %%
inside = chapter[2:] == chapter[:-2]
a, b, z = (corpus.tokens[k:len(chapter) - 2 + k][inside].astype(np.int64)
           for k in range(3))
triples, which = np.unique((a * V + b) * V + z, return_inverse=True)
seen = sparse.csr_array((np.ones(len(which), bool), (chapter[2:][inside], which)),
                        shape=(chapters, len(triples)), dtype=float)


def context_slope(weight):
    """Slope of log distinct contexts on log occurrences, words with ten or more."""
    total = weight @ table
    different = np.bincount(triples % V, weights=(weight > 0) @ seen > 0, minlength=V)
    often = (total >= 10) & (different > 0)
    return np.polyfit(np.log(total[often]), np.log(different[often]), 1)[0]


slope = context_slope(np.ones(chapters))
low, high = interval(slope, [context_slope(weight) for weight in draws])
print(f"slope {slope:.2f}")
claim("20.19", high)

# %% [markdown]
# Less than one: frequent words repeat their contexts, so the imbalance that matters is milder than the one that one
# counts.
#
# Now the geometry: contexts of one and of two tokens of the King James Version, five-token contexts of TinyStories, and a subset
# small enough for NTP-SVM. For each, words in thirds by their number of contexts, and the mean cosine within each third.

# %%
def kjv(length, words, contexts):
    labels = SoftLabels.from_tokens(corpus, context_length=length, vocab_size=words,
                                    max_contexts=contexts)
    return labels.restrict(range(labels.m))


texts = {"KJV, one token": kjv(1, SIZES["words"], SIZES["contexts"]),
         "KJV, two tokens": kjv(2, SIZES["words"], SIZES["contexts"]),
         "TinyStories": load_labels("tinystories-counts").restrict(
             range(SIZES["contexts"]))}
subset = kjv(2, 200, 250)
solution = solve_ntp_svm(subset.S, tol=1e-4)
cases = {name: (t.S.toarray(), centered_support(t.S)) for name, t in texts.items()}
cases["KJV subset, NTP-SVM"] = subset.S.toarray(), solution.L

# %%
within, follows, close = {}, {}, {}
for name, (S, L) in cases.items():
    W, order = factor(L)[0], np.argsort(S.sum(axis=1), kind="stable")
    within[name] = [mean_cosine(W, third) for third in np.array_split(order, 3)]
    close[name] = np.mean(pair_cosines(W, rarest(S)) > 0.9)
    follows[name] = stats.spearmanr(S.sum(axis=1), np.sum(W**2, axis=1)).statistic
    print(f"{name:20s} {len(S):4d} words, {S.shape[1]} contexts:",
          *(f"{c:.2f}" for c in within[name]))
claim("20.20", max(thirds[0] for thirds in within.values()))

# %% [markdown]
# Rare words do not collapse: their mean cosine is a few hundredths. This is what the closed form would have one expect,
# with hundreds of words and ratios of contexts far from $V^2$. A mean could hide pairs that do. There are such: words that follow
# exactly the same contexts coincide ({prf:ref}`prop-quotient`), and in TinyStories many words have a single context. How many pairs of rare words have
# a cosine above 0.9, and do these follow the same contexts?

# %%
for name, share in close.items():
    S = cases[name][0]
    rows = S[rarest(S)].astype(float)
    twins = np.mean(pdist(rows, "cityblock") == 0)
    print(f"{name:20s} {1000 * share:.0f} in a thousand pairs,",
          f"{1000 * twins:.0f} with equal contexts")

# %% [markdown]
# Few, and as many as have equal contexts. These words are near because they share all contexts, not because they are rare. Is there *any* excess, above what the sizes of supports
# make by themselves? Supports are shuffled so that each context keeps its number of words and each word its number of contexts.

# %%
S, L = cases["KJV, two tokens"]
null = [mean_cosine(factor(centered_support(T))[0], rarest(T)) for T in
        (shuffle_supports(S, rng=rng) for _ in range(SIZES["shuffles"]))]
seen_here = within["KJV, two tokens"][0]
print(f"shuffled: {min(null):.3f} to {max(null):.3f}; the text: {seen_here:.3f}")
claim("20.21", seen_here - np.mean(null))

# %% [markdown]
# Above every shuffle, and small: rare words of this text are a little nearer to each other than chance would put them.
#
# Does a word's length follow its number of contexts? On all four, and within the rarest and the most frequent third:

# %%
for name, (S, L) in cases.items():
    r, lengths = S.sum(axis=1), np.sum(factor(L)[0]**2, axis=1)
    rare, _, often = np.array_split(np.argsort(r, kind="stable"), 3)
    inner = [f"{stats.spearmanr(r[t], lengths[t]).statistic:.1f}" if np.ptp(r[t])
             else "all have one context" for t in (rare, often)]
    print(f"{name:20s} {follows[name]:.2f};",
          f"rarest: {inner[0]}, most frequent: {inner[1]}")
claim("20.22", min(follows.values()))

# %% [markdown]
# On the subset it falls short of what we asked. The order holds among rare words and is lost among frequent ones. These follow
# about half of its contexts or more, and words such as *for*, *to*, *in* and *with* follow much the same ones. What words
# share lies in leading directions; large singular values count by their roots, so such words are shorter than their number of contexts
# would have it, and the bracket of {prf:ref}`prop-word-length` leaves room for that. (An explanation after the fact, not a test of one.)
#
# Last, training: free vectors on the subset, with Adam and no ridge. Words are centred first: a vector common to all
# changes no probability.

# %%
run = train_ufm(subset, d=64, steps=SIZES["steps"], lr=1e-2, optimizer="adam",
                rng=rng, snapshots=[0, 30, 100, 300, SIZES["steps"]])
S, rare = subset.S.toarray(), rarest(subset.S.toarray())
trained = [W - W.mean(axis=0) for W in run.W]
predicted = factor(solution.L)[0]
agree = mantel(cosine_matrix(trained[-1][rare].T), cosine_matrix(predicted[rare].T),
               rng=rng, permutations=199)
print(f"correlation {agree.r:.1f}, shuffled at most {agree.null.max():.1f}")
claim("20.23", agree.p)

# %%
for step, W in zip(run.steps[1:], trained[1:]):
    print(f"step {step:4d}: mean cosine of rare words {mean_cosine(W, rare):.2f}")
print(f"NTP-SVM:   mean cosine of rare words {mean_cosine(predicted, rare):.2f}")
claim("20.24", mean_cosine(trained[-1], rare) - mean_cosine(predicted, rare))

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 4))
for (name, thirds), mark in zip(within.items(), "osD^"):
    ax.plot([0, 1, 2], thirds, mark, label=name, markersize=8)
ax.plot([0, 0], [min(null), max(null)], color="#555555", linewidth=6, alpha=0.4,
        label="KJV, two tokens, shuffled", solid_capstyle="butt")
ax.axhline(0.5, color="#555555", linestyle="--", linewidth=1)
ax.text(1.2, 0.46, "half collapsed", color="#555555")
ax.set(xticks=[0, 1, 2], xlim=(-0.4, 2.4), ylim=(-0.05, 0.55),
       ylabel="mean cosine within the third")
ax.set_xticklabels(["rarest", "middle", "most frequent"])
ax.legend(fontsize=9.5)
plt.show()

# %% [markdown]
# *Mean cosine of words within thirds by number of contexts. All are near zero, far below half collapse.*
#
# As under step imbalance, rare words are nearest to each other early in training, and part.

# %% [markdown]
# ## What to take away
#
# - Two imbalances. How often contexts occur has no say in the limit; how many distinct contexts share a support has.
# - Where half of the words are rare, their collapse in the limit takes an imbalance of about $V^2$. A few hundred words of a text are far from it.
# - At a finite ridge, and for a while in training, rare words are one vector: until $\lambda$ falls below $\pi\sqrt n$ ({prf:ref}`thm-parting`). Most of the collapse
#   one sees may be this.
# - Weights and offsets leave the limit as it is. Copies, ridges and temperatures of contexts are one knob that moves it ({prf:ref}`prop-one-knob`).
#
# ## What this does not show
#
# - *A network.* Contexts are free vectors here. A network's contexts share weights, and "the ridge on one context" is not a setting that it has;
#   temperature is.
# - *Any limit without a ridge.* Descent was followed for some thousand steps, and its angles still move.
# - *Rarer words.* The vocabularies have some hundred words, and each word at least one context. With $10^5$ words most have a few contexts each; the
#   formula says that this does not suffice for collapse, but the formula is for one-hot supports.
# - *That rare words are well placed.* Not to collapse is not to have a meaning: a word with two contexts has the geometry of two contexts.
#
# ## Exercises
#
# 1. One word has $R$ contexts, and $N = V - 1$ words have one each. To what does the cosine of two of these tend as $R$ grows, and how large has $R$ to be for one half?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    $M = 1$ in {eq}`eq-minority`: $\rho = \sqrt{(RN+1)/V}$ grows, so the cosine tends to one. One half needs $N - 1 + \rho/V =
#    2N$, so $\rho = V^2$ and $R = (V^5 - 1)/(V - 1)$, about $V^4$. One frequent word draws the rest together far less than a frequent half.
#    ```
#
# 2. A text is read with contexts of two tokens instead of one. Which of $\hat\pi$, $P$, and the multiplicities of supports
#    change? Which of the two imbalances grows?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    All. Each context splits into several whose weights add up to its own; supports get smaller, more of them have one word, and one-hot supports
#    of frequent words gain multiplicity. So the imbalance that the limit sees grows, while the frequencies of words stay.
#    ```

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
# (ch-unique)=
# # Is the geometry unique?
#
# The book keeps saying *the* solution $L^{\mathrm{mm}}$. Is there only one? Five tokens on a circle, with an
# edge of the circle as the support of each of five contexts, have a whole segment of solutions. Their words
# stand at different angles, and all have the same least norm. Which of them does a vanishing ridge lead to, and who
# decides? Not the supports: they cannot tell one from another. You will see that the probabilities do. This chapter
# describes the set of all solutions, bounds in floating point how far apart two of them can be, searches for the
# smallest case with more than one, and proves, on one family, which of them the ridge selects.
#
# *Fifteen minutes to read, about fifteen seconds to run on one CPU core. No GPU is used.*

# %% tags=["colab-install", "remove-cell"]
# In Colab the published copy of this notebook installs ntputils here.

# %%
import itertools

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import brentq, minimize_scalar

from ntputils import (SoftLabels, center, centered_support, claim, cyclic_windows,
                      from_sets, is_unique, lambda_max, load_corpus, load_labels,
                      optimal_face, optimality_gap, project_F_perp,
                      regularization_path, scale, session, solve_ntp_svm)
from ntputils.plots import style

SEED = 20240822
rng = np.random.default_rng(SEED)
style()

# %% tags=["remove-input"]
session()

# %% [markdown]
# The scales differ in how far an exhaustive search goes (the number of contexts at five tokens), and in how
# many random problems are tried.

# %%
MOST, TRIALS = {"small": (3, 200), "full": (5, 2000)}[scale()]
print(f"five tokens: up to {MOST} contexts; {TRIALS} random problems")

# %% [markdown]
# ## Five tokens on a circle, by hand
#
# Number five tokens around a circle. Context $j$ is followed by the two tokens $j$ and $j + 1$. Two tokens off
# this support stand next to it, and one token stands opposite. The proxy gives all three the same logit. Now
# push the opposite one down further, by $\tau$: with $\Pi_{vj} = 1$ where token $v$ is opposite to edge $j$, and
# zero elsewhere,
#
# $$
# L(\tau) = P_V(S - \tau\,\Pi), \qquad
# \text{column entries}\quad \tfrac15(3 + \tau),\ \ \tfrac15(\tau - 2),\ \ -\tfrac15(2 + 4\tau)
# $$
#
# on the support, beside it, and opposite. The margins are $1$ and $1 + \tau$, so this is feasible for every $\tau
# \ge 0$. What does it cost?
#
# ```{prf:proposition} The pentagon
# :label: prop-pentagon
#
# Let $\varphi = \tfrac12(1 + \sqrt5)$, so $1/\varphi = \varphi - 1 \approx 0.618$. Every $L(\tau)$ with $0 \le \tau \le
# 1/\varphi$ is a solution of NTP-SVM, with norm $2\sqrt5$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# *The norm.* Rows and columns of $L(\tau)$ are turned around the circle together. Count positions $t \in
# \{\pm\tfrac12, \pm\tfrac32, \tfrac52\}$ from the middle of the edge. Such a matrix is diagonal in the Fourier
# basis of the circle, and its singular values are $|x_f|$, $f = 0, \dots, 4$, with $x_f = \sum_t \ell(t)
# \cos(2\pi f t/5)$ for a column $\ell$ that is even in $t$. Constants do not count for $f \ne 0$, and $f$ and $5-f$
# have the same modulus. From $S - \tau\Pi$ we get $x_1 = 2\cos 36° + \tau = \varphi + \tau$ (as $\cos
# 180° = -1$) and $x_2 = 2 \cos 72° - \tau = 1/\varphi - \tau$, and $x_0 = 0$. So the norm is $2(\varphi +
# \tau) + 2\,|1/\varphi - \tau|$: for $\tau \le 1/\varphi$ it is $2(\varphi + 1/\varphi) = 2\sqrt5$, whatever
# $\tau$ is.
#
# *The certificate.* Let $\Lambda = \tfrac1{\sqrt5}\times(1$ on the support, $-1$ beside it, $0$ opposite$)$.
# Columns sum to zero, and nothing off the support is positive. The squared length of a column is $\tfrac45$.
# Columns of neighbouring edges share one token of their supports ($+1$), each has the far token of the other
# beside it ($-1$ twice), and the two others pair a $-1$ with a $0$: inner product $-\tfrac15$. Edges
# that do not touch: $-1$ twice, $+1$ once, and zeros: $-\tfrac15$. So $\Lambda^\top\Lambda = I -
# \tfrac15\mathbf 1\mathbf 1^\top$, a projector: $\lVert\Lambda\rVert_2 = 1$. Its value is $\langle
# S,\Lambda\rangle = 10/\sqrt5 = 2\sqrt5$. By {prf:ref}`thm-duality` it proves all these points optimal at once.
# ```
#
# One end, $\tau = 0$, is the proxy, of rank 4. At the other end, $\tau = 1/\varphi$, the rank falls to 2 and the
# opposite margin is the golden ratio. Beyond it the norm rises. The check is the arithmetic of
# {ref}`chapter 4 <ch-ntp-svm>`: feasible, dual-feasible, equal values.

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


phi = (1 + np.sqrt(5)) / 2
S5 = cyclic_windows(5, 2)
opposite = np.roll(np.eye(5), 3, axis=0)


def segment(tau):
    """The logits L(tau) of the pentagon."""
    return center(S5 - tau * opposite)


Lam5 = (2 * S5 - 1 + opposite) / np.sqrt(5)
taus = np.linspace(0, 1 / phi, 21)
claim("9.1", np.max([three_numbers(segment(tau), Lam5, S5) for tau in taus]))

# %% [markdown]
# Do the words know the difference? Their Gram matrix is $(LL^\top)^{1/2}$ ({prf:ref}`cor-gram`). Here are the
# cosines between two words that share a context (neighbours on the circle) and two that do not, along the segment.

# %%
def word_cosines(L):
    """Cosines between words: of neighbours, and of tokens that share no context."""
    U, s, _ = np.linalg.svd(L)
    gram = (U * s) @ U.T
    return gram[0, 1:3] / gram[0, 0]


places = {"tau = 0": 0, "middle": 0.5 / phi, "1/phi": 1 / phi, "0.7": 0.7}
for name, tau in places.items():
    near, far = word_cosines(segment(tau))
    norm = np.linalg.norm(segment(tau), "nuc")
    print(f"{name:8s} norm {norm:.3f}   neighbours {near:5.2f}   others {far:5.2f}")

# %% tags=["remove-input"]
fig, (left, right) = plt.subplots(2, 1, figsize=(5.4, 5.6), sharex=True)
grid = np.linspace(0, 1.1, 111)
norms = np.array([np.linalg.norm(segment(t), "nuc") for t in grid])
inside = grid <= 1 / phi
left.plot(grid, norms, color="#555555", linewidth=1)
left.plot(grid[inside], norms[inside], color="#0072B2", linewidth=4)
left.set(ylabel="nuclear norm", ylim=(4, 6.6))
angles = np.array([word_cosines(segment(t)) for t in grid[inside]])
for values, text, at in zip(angles.T, ("neighbours", "others"), (0.42, -0.92)):
    right.plot(grid[inside], values)
    right.text(0.02, at - 0.06, text)
right.set(xlabel=r"$\tau$", ylabel="cosine between words", ylim=(-1, 1))
plt.show()

# %% [markdown]
# *Above: the nuclear norm of $L(\tau)$. Along the thick part it does not change: all these logits are solutions.
# Below: the cosine between two words along that part. Words turn, and it costs nothing. At the left end they stand in
# four dimensions, neighbours at right angles; at the right end they are a regular pentagon in a plane.*
#
# The [grid of chapter 4](toggle-supports) has this case among its presets, "Pentagon", with a slider that moves
# along the segment.
#
# ## The shape of the set
#
# The set of solutions is convex, because the norm is convex and the constraints are linear. Duality says much
# more, from *one* solution of the dual.
#
# ```{prf:theorem} The optimal face
# :label: thm-face
#
# Let $\Lambda$ be any one solution of the dual. Let the columns of $V_1$ be an orthonormal basis of $\{x :
# \lVert\Lambda x\rVert = \lVert x\rVert\}$ (the right singular vectors with singular value one), and $U_1 =
# \Lambda V_1$. Let $\mathcal T_j = \{v\notin\mathcal S_j : \Lambda_{vj} < 0\}$.
#
# 1. $L$ is a solution of NTP-SVM if and only if it is feasible, its margins on $\mathcal T_j$ are one for all $j$,
#    and $L = U_1AV_1^\top$ with $A$ symmetric and positive semidefinite.
# 2. Suppose that $B = 0$ is the only symmetric matrix for which $D = U_1BV_1^\top$ has, in each column $j$, one
#    and the same value on $\mathcal S_j\cup\mathcal T_j$. Then the solution is unique.
# 3. If a solution has $A \succ 0$, and margins above one wherever $\Lambda_{vj} = 0$ off the supports, then the
#    dimension of the set of solutions is exactly that of the space of all such $B$.
# 4. *(Strict certificate.)* If $\Lambda_{vj} < 0$ for all $v \notin \mathcal S_j$ and all $j$, then the proxy
#    $\tilde S$ is the only solution.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# 1. By {prf:ref}`thm-duality`, a feasible $L$ is optimal if and only if $\langle\Lambda, L\rangle = \lVert
#    L\rVert_*$ and $\Lambda_{vj} = 0$ wherever the margin exceeds one. (Optimality of $L$ does not depend on
#    which dual solution it is held against; that is why one is enough.) Write $L = \sum_i\sigma_ip_iq_i^\top$
#    with $\sigma_i > 0$. Since $p_i^\top\Lambda q_i \le 1$, the equation says $p_i^\top\Lambda q_i =
#    1$ for all $i$, and with $\lVert\Lambda\rVert_2 \le 1$ that is $\Lambda q_i = p_i$. So $q_i = V_1c_i$ and
#    $p_i = U_1c_i$, and $A = \sum_i\sigma_ic_ic_i^\top \succeq 0$. Conversely $\langle\Lambda,
#    U_1AV_1^\top\rangle = \operatorname{tr} A$, because $U_1^\top\Lambda V_1 = I$, and $\lVert
#    U_1AV_1^\top\rVert_* = \operatorname{tr} A$, because $U_1$ and $V_1$ have orthonormal columns.
# 2. The difference of two solutions is such a $D$: both have margins of one on $\mathcal T_j$.
# 3. From that solution one can go some way along every such $D$: $A + \varepsilon B \succeq 0$, and margins
#    above one stay so. By the proof of part 2 there are no other directions.
# 4. All margins of every solution are one, and its columns sum to zero ({prf:ref}`prop-centred`). That leaves
#    one matrix.
# ```
#
# So the set of solutions is a slice through the cone of semidefinite matrices: a *face*, cut out by linear equations
# and some inequalities. For the pentagon it says that the segment is all there is. $\Lambda$ vanishes at the opposite
# entries only, so every solution is $P_V(S - \Pi\operatorname{diag}(\tau))$ with five numbers $\tau_j\ge0$. Its rows
# lie in the span of $V_1$, orthogonal to $\mathbf 1$; as $P_VS\mathbf 1 = 0$, this says $P_V\Pi\tau = 0$: the
# $\tau_j$ are equal.
#
# ### A proof in floating point
#
# A solver's output meets equations only nearly. Can a computer then prove uniqueness? As a distance, yes.
#
# ```{prf:proposition} How far apart two solutions can be
# :label: prop-diameter
#
# Let $\Lambda$ be dual-feasible, not necessarily optimal, $L$ feasible with $\lVert L\rVert_* = p$, and $g = p -
# \langle S,\Lambda\rangle$. Choose $\eta, \delta > 0$. Let $V_1$ hold the right singular vectors of $\Lambda$ with
# singular values at least $1 - \eta$, $r < 1 - \eta$ be the largest of the others (zero if there are none), and
# $\mathcal T$ the set of entries off the supports with $\Lambda_{vj} \le -\delta$. Let $\theta$ be the smallest
# singular value of the map $B \mapsto \operatorname{center}(\Lambda V_1BV_1^\top)$ on symmetric $B$, where each column
# is centred over its support and $\mathcal T$, and other entries are dropped. If $\theta > 0$, any two feasible
# matrices with norms of at most $p$, and so any two solutions, are no further apart, in Frobenius norm, than
#
# $$
# \frac{2\rho + 2g/\delta}{\theta} + 2\rho, \qquad
# \rho = \sqrt{2gp} + \sqrt{\frac{4gp}{1-r^2}} + \frac{2g}{1-r^2} .
# $$
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# Let $X = \sum_i\sigma_ip_iq_i^\top$ be feasible, $\lVert X\rVert_* \le p$, with margins $m_{vj}$. In the proof of
# {prf:ref}`thm-duality` the two inequalities of the weak chain lose, together,
#
# $$
# \sum_i\sigma_i(1 - p_i^\top\Lambda q_i) + \sum_j\sum_{v\notin\mathcal S_j}|\Lambda_{vj}|(m_{vj} - 1) =
# \lVert X\rVert_* - \langle S,\Lambda\rangle \le g .
# $$
#
# All terms are non-negative. So $\sum_{\mathcal T}(m_{vj} - 1) \le g/\delta$. Put $K = \sum_i\sigma_iq_iq_i^\top$. As
# $\lVert\Lambda q_i - p_i\rVert^2 \le 2(1 - p_i^\top\Lambda q_i)$ and the $q_i$ are orthonormal, $\lVert X - \Lambda
# K\rVert_F^2 \le \sigma_1\cdot 2g \le 2gp$. And $\operatorname{tr}K(I - \Lambda^\top\Lambda) = \sum_i\sigma_i(1 -
# \lVert\Lambda q_i\rVert^2) \le 2g$, so the part of $K$ outside of the span of $V_1$ has trace at most $2g/(1-r^2)$;
# as $K \succeq 0$, the mixed part has a squared norm of at most $p$ times that, and it comes twice. Altogether $X
# = \Lambda V_1AV_1^\top + E$ with $A$ symmetric and $\lVert E\rVert_F \le \rho$.
#
# Two such matrices differ by $\Lambda V_1BV_1^\top + E'$ with $\lVert E'\rVert_F \le 2\rho$. The centring of the
# proposition never lengthens, and takes the difference itself to at most $2g/\delta$: less a constant, each column is
# zero on its support, and a difference of margins on $\mathcal T$. So $\theta\lVert B\rVert_F \le 2g/\delta + 2\rho$;
# and $\lVert\Lambda V_1BV_1^\top\rVert_F \le \lVert B\rVert_F$.
# ```
#
# `is_unique` returns *yes* if this bound, rounding allowed for, is below a hundredth of the norm of the solution; *no*
# with two feasible points that are further apart than that, and both optimal to one part in $10^9$; or *undecided*.
# `optimal_face` computes the face itself, numerically.

# %%
S4 = from_sets([{0}, {0, 1}, {0, 2}], V=4)
for name, S in {"pentagon": S5, "smallest failure": S4}.items():
    verdict = is_unique(S)
    print(f"{name:17s} unique: {verdict.unique!s:6s}",
          "all within 1e-3" if verdict.unique and verdict.distance < 1e-3 else
          f"two solutions, {verdict.distance:.3f} apart")

# %%
face5 = optimal_face(S5)


def end_margins(face, z, v):
    """Margins of token v in context 0, at the two ends, under in-support token z."""
    return face.ends[:, z, 0] - face.ends[:, v, 0]


wrong = np.abs(end_margins(face5, 0, 3) - [1, phi]).max() if face5.dimension == 1 else 1
claim("9.2", wrong)

# %% [markdown]
# The pentagon is not alone. Here are all cyclic windows up to thirteen tokens: context $j$ is followed by the $k$
# tokens $j, \dots, j + k - 1$.

# %%
for V in range(4, 14):
    for k in range(2, V - 1):
        S = cyclic_windows(V, k)
        unique = is_unique(S).unique
        if unique is False:
            print(f"V = {V:2d}, k = {k}: several, dimension {optimal_face(S).dimension}")
        elif unique is None:
            print(f"V = {V:2d}, k = {k}: undecided")

# %% [markdown]
# Three of these are one family, $V = 4q + 1$ and $k = 2q$: the pentagon, then nine tokens, then thirteen. At $V = 9$
# the far end of the segment is reached at a margin of $2\cos 40°$.

# %%
S9 = cyclic_windows(9, 4)
face9 = optimal_face(S9)
far = 2 * np.cos(np.radians(40))
wrong = np.abs(end_margins(face9, 0, 6) - [1, far]).max() if face9.dimension == 1 else 1
claim("9.3", wrong)

# %%
def along(face, count=21):
    """Points from one end of a segment to the other."""
    return [(1 - t) * face.ends[0] + t * face.ends[1] for t in np.linspace(0, 1, count)]


norms = {V: [np.linalg.norm(L, "nuc") for L in along(face)]
         for V, face in ((5, face5), (9, face9))}
print({V: f"{values[0]:.9f}" for V, values in norms.items()})
claim("9.4", max(np.ptp(values) / values[0] for values in norms.values()))

# %% [markdown]
# A solver like that of {ref}`chapter 4 <ch-ntp-svm>` knows nothing of faces. From random starts it should end anywhere
# on the segment, and nowhere else.

# %%
def project(A, S):
    """The nearest feasible logits, by Newton's iteration on each column's value."""
    raised = np.where(S, -np.inf, A + 1)
    s = np.where(S, A, 0).sum(axis=0) / S.sum(axis=0)
    for _ in range(len(A)):
        close = raised > s
        total = np.where(S, A, 0).sum(axis=0) + np.where(close, raised, 0).sum(axis=0)
        s = total / (S.sum(axis=0) + close.sum(axis=0))
    return np.where(S, s, np.minimum(A, s - 1))


def wander(S, Z, steps=300, tau=1.0):
    """Douglas-Rachford from Z: the last feasible point."""
    for _ in range(steps):
        X = project(Z, S)
        U, s, Vt = np.linalg.svd(2 * X - Z, full_matrices=False)
        Z = Z + 1.6 * ((U * np.maximum(s - tau, 0)) @ Vt - X)
    return X


ends = [wander(S5, 2 * rng.normal(size=S5.shape)) for _ in range(20)]
found = np.array([np.sum((centered_support(S5) - L) * opposite) / 4 for L in ends])
print(f"tau from {found.min():.1f} to {found.max():.1f}, on [0, {1 / phi:.2f}]")
claim("9.5", max(np.abs(L - segment(np.clip(t, 0, 1 / phi))).max()
                 for L, t in zip(ends, found)))

# %% [markdown]
# Where the solution is unique, ends of such a solver that was stopped early are feasible and nearly optimal, and
# {prf:ref}`prop-diameter` says how far apart they can be. The certificate is one that was stopped early, too. (The bound
# grows with the root of the gap and is meant for gaps near rounding; here it is generous.)

# %%
def largest_distance(Lam, p, S, eta=0.01, delta=0.01):
    """The bound of the proposition, for feasible matrices of norm at most p."""
    g, (_, s, Vt) = p - np.sum(S * Lam), np.linalg.svd(Lam)
    s = np.append(s, np.zeros(len(Vt) - len(s)))
    V1, r = Vt[s >= 1 - eta].T, s[s < 1 - eta].max(initial=0)
    a, b = np.triu_indices(V1.shape[1])
    D = np.einsum("vi,jk->ikvj", Lam @ V1, V1)
    D = np.where((a == b)[:, None, None], D[a, b], (D[a, b] + D[b, a]) / np.sqrt(2))
    held = S | (Lam <= -delta)
    D = np.where(held, D - np.sum(D * held, axis=1, keepdims=True) / held.sum(axis=0), 0)
    theta = np.linalg.svd(D.reshape(len(a), -1), compute_uv=False).min()
    rho = np.sqrt(2 * g * p) + np.sqrt(4 * g * p / (1 - r**2)) + 2 * g / (1 - r**2)
    return (2 * rho + 2 * g / delta) / theta + 2 * rho


# %%
draws, ratios = np.random.default_rng([SEED, 9]), []
random = [draws.permuted(np.arange(7) < 3 + np.zeros((6, 1)), axis=1).T for _ in "ab"]
for S in (S4, *random):
    solution = solve_ntp_svm(S, tol=1e-4)
    Lam = solution.certificate[:, solution.inverse]
    early = [wander(S, 2 * draws.normal(size=S.shape), steps=20) for _ in range(10)]
    bound = largest_distance(Lam, max(np.linalg.norm(L, "nuc") for L in early), S)
    ratios.append(max(np.linalg.norm(A - B) for A in early for B in early) / bound)
print("more than a fiftieth of the bound:", max(ratios) > 0.02)
claim("9.17", max(ratios))

# %% [markdown]
# ## How often?
#
# Where it cannot happen: if the supports form a tree, the certificate is strictly negative off the supports
# ({prf:ref}`thm-tree`), and the proxy is the only solution. A hundred random families of nested or disjoint supports,
# with random multiplicities:

# %%
def random_tree(V):
    """Nested or disjoint supports: blocks of a random order, halved again and again."""
    blocks, sets = [list(rng.permutation(V))], []
    while blocks:
        block = blocks.pop()
        sets.append(block)
        if len(block) > 1:
            cut = rng.integers(1, len(block))
            blocks += [block[:cut], block[cut:]]
    chosen = [sets[i] for i in rng.permutation(len(sets))[:rng.integers(2, len(sets))]]
    return np.repeat(from_sets(chosen, V), rng.integers(1, 6, len(chosen)), axis=1)


trees = [random_tree(rng.integers(4, 10)) for _ in range(100)]
claim("9.6", sum(is_unique(S).unique is not True for S in trees))

# %% [markdown]
# Where it could: for three and for four tokens we can try *all* collections of distinct supports, one for each
# class under renaming the tokens. Where the proxy's polar factor is strictly negative off the supports, there is
# nothing to solve. Otherwise `is_unique` decides.

# %%
def collections(V, most):
    """One of each class of collections of up to `most` distinct proper supports."""
    supports = np.arange(1, 2**V - 1)
    bits = supports[:, None] >> np.arange(V) & 1
    renamed = [bits @ (1 << np.array(p)) for p in itertools.permutations(range(V))]
    for size in range(1, min(most, len(supports)) + 1):
        chosen = np.array(list(itertools.combinations(range(len(supports)), size)))
        places = (1 << V) ** np.arange(size)[::-1]
        codes = [np.sort(new[chosen], axis=1) @ places for new in renamed]
        first = np.min(codes, axis=0) == supports[chosen] @ places
        yield from (bits[rows].T.astype(bool) for rows in chosen[first])


def strictly_exact(S):
    """Whether the polar factor of the proxy is strictly negative off the supports."""
    U, s, Vt = np.linalg.svd(centered_support(S), full_matrices=False)
    keep = s > 1e-9 * s[0]
    return np.where(S, -1, U[:, keep] @ Vt[keep]).max() < -1e-6


def search(V, most):
    """Verdicts of all collections, and those that are not certified unique."""
    count, open_cases = 0, []
    for S in collections(V, most):
        count += 1
        if not strictly_exact(S):
            verdict = is_unique(S).unique
            open_cases += [(S, verdict)] if verdict is not True else []
    several = sum(verdict is False for _, verdict in open_cases)
    print(f"V = {V}, up to {most} supports: {count} classes, {several} with several "
          f"solutions, {len(open_cases) - several} undecided")
    return open_cases


three = search(3, 6)
claim("9.7", len(three))

# %%
four = search(4, 14)
claim("9.8", sum(verdict is False for _, verdict in four))

# %%
five = search(5, MOST)

# %% [markdown]
# So with up to four tokens and distinct supports the solution is unique, every time, each case certified. With five
# tokens there are too many collections for all of them. At the full scale the search takes those of up to five
# supports, and finds one with several solutions: the pentagon. In this sense the pentagon is the smallest. That is a
# search in float64, not a proof by hand. Of supports shared by several contexts we tried only some (three to five
# supports of four tokens, a few contexts each, in a run not shown); there, too, the solution was unique every time.
#
# How fragile is it? Break the symmetry of the pentagon in some way.

# %%
def repeated(*times):
    """The pentagon with contexts repeated."""
    return np.repeat(S5, times, axis=1)


variants = {"as it is": S5, "every context twice": repeated(2, 2, 2, 2, 2),
            "one context twice": repeated(2, 1, 1, 1, 1),
            "with a context {1}": np.hstack([S5, from_sets([{0}], 5)]),
            "with a token that never follows": np.vstack([S5, np.zeros((1, 5), bool)])}
for name, S in variants.items():
    print(f"{name:32s} unique: {is_unique(S).unique}")

# %% [markdown]
# Zeros of $\Lambda$ alone do not make a segment; they occur wherever a margin exceeds one. The equations of
# {prf:ref}`thm-face` must also leave some $B \ne 0$, and on the pentagon it is symmetry that makes them dependent. On
# random supports, and on those of a text, we should not expect it. Random problems first, with supports of various
# densities.

# %%
def random_supports(V, m, weights=None):
    """Random supports; with weights, of two to five tokens drawn by them."""
    if weights is not None:
        sizes = rng.integers(2, 6, m)
        return from_sets((rng.choice(V, k, replace=False, p=weights) for k in sizes), V)
    S = rng.random((V, m)) < rng.uniform(0.15, 0.6)
    S[rng.integers(0, V, m), np.arange(m)] = True
    return S


verdicts = [is_unique(random_supports(*rng.integers(5, 9, 2))).unique
            for _ in range(TRIALS)]
print(f"certified unique: {verdicts.count(True)} of {TRIALS}; "
      f"undecided: {verdicts.count(None)}")
claim("9.9", verdicts.count(False) / TRIALS)

# %% [markdown]
# How rare depends on the draw: of the 252 choices of five distinct pairs of five tokens twelve are pentagons, and have
# several solutions.
#
# Then supports of five-token contexts of the King James Version and of TinyStories {cite}`eldan2023tinystories`, by
# twenty and twelve contexts, and drawn with Zipf weights. The last column is the proved bound on the distance
# between two solutions, as a share of their norm.

# %%
kjv = SoftLabels.from_tokens(load_corpus("kjv"), context_length=5, max_contexts=1000,
                             min_support=2)
stories = load_labels("tinystories-counts")
zipf = 1 / np.arange(1, 31)
samples = {}
texts = ("King James Version", kjv, 20), ("TinyStories", stories, 12)
for name, labels, size in texts:
    few = np.flatnonzero(labels.support_sizes <= 10)
    for i in range(3):
        picked = labels.restrict(few[size * i:size * (i + 1)])
        samples[f"{name} {i + 1}"] = picked.S.toarray()
samples |= {f"Zipf {i + 1}": random_supports(30, 20, zipf / zipf.sum())
            for i in range(3)}
real = {}
for name, S in samples.items():
    real[name] = verdict = is_unique(S)
    share = verdict.distance / np.linalg.norm(centered_support(S))
    print(f"{name:21s}{S.shape[0]:4d} tokens{S.shape[1]:4d} contexts   unique: "
          f"{verdict.unique}, to {'0.1%' if share < 1e-3 else '1%'}")
claim("9.10", sum(v.unique is False for n, v in real.items() if not n.startswith("Z")))

# %% [markdown]
# On real text, then, *the* solution is a fair way to speak, as far as we looked. The exceptions matter for what may
# be said to hold *always*.
#
# ## What training selects
#
# In the public discussion of the paper {cite}`zhao2024implicit` the authors describe the two parts of the logits; the
# second, they answer a reviewer, is
#
# > a directional component that only depends on the sparsity pattern.
#
# Where the solution is unique, that is right for the limit of the path ({prf:ref}`thm-path`). Where it is not, the
# sentence needs one more word: what depends on the sparsity pattern only is the *set* of solutions. The limit is one of
# its points. Let us see which.
#
# For the pentagon let all contexts be equally frequent, and let each be followed by its two tokens, $j$ and $j + 1$,
# with probabilities $p$ and $1 - p$. Along the path, $\lambda\to0$, $L_\lambda$ is the minimiser of $\mathrm{CE}(L) +
# \lambda\lVert L\rVert_*$, unique by {prf:ref}`thm-convex`. Turning the circle changes nothing in the problem, so
# $L_\lambda$ is unchanged too.
#
# ```{prf:theorem} The pentagon with equal probabilities
# :label: thm-equal
#
# Let $p = \tfrac12$ and $\lambda < \lambda_{\max} = \varphi/10$. In positions $t$ from the middle of an edge,
#
# $$
# L_\lambda = a(\lambda)\,\big[\cos(2\pi t/5)\big], \qquad t \in \{\pm\tfrac12, \pm\tfrac32, \tfrac52\},
# $$
#
# with $a(\lambda) > 0$ from one scalar equation ($\hat g_1 = 1$ in the proof). So the rank is two and the
# opposite margin is $\varphi$ times the tight one, at *every* $\lambda$: the path runs along the far end of the segment.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# It suffices that $G = -\nabla\mathrm{CE}(L)/\lambda$ is a subgradient of the nuclear norm at $L$. Let softmax give
# $q_0$ to each token on the support, $q_1$ to each beside it, $q_2$ to the one opposite. With $D = \tfrac12 -
# q_0$, $2D = 2q_1 + q_2$. $G$ is $\tfrac1{5\lambda}$ times $(D, -q_1, -q_2)$, and its Fourier coefficients are $0$
# at $f = 0$ and
#
# $$
# \begin{aligned}
# 5\lambda\,\hat g_1 &= 2D\cos36° - 2q_1\cos108° + q_2 = \sqrt5\,q_1 + (\tfrac\varphi2 + 1)\,q_2, \\
# 5\lambda\,\hat g_2 &= 2D\cos72° - 2q_1\cos216° - q_2 = \sqrt5\,q_1 - (1 - \tfrac1{2\varphi})\,q_2 .
# \end{aligned}
# $$
#
# $L = a[\cos]$ has its singular values at $f = \pm1$ only. So $G$ is a subgradient if and only if $\hat g_1 = 1$ and
# $|\hat g_2| \le 1$. The second follows from the first: $5\lambda(\hat g_1 - \hat g_2) = \tfrac52q_2 > 0$ and
# $5\lambda(\hat g_1 + \hat g_2) = 2\sqrt5\,q_1 + \tfrac{\sqrt5}2q_2 > 0$. As $a$ goes from $0$ to infinity, $q_1$ and
# $q_2$ fall from $\tfrac15$ to $0$, and $5\lambda\hat g_1$ from $\tfrac15(\sqrt5 + \tfrac\varphi2 + 1) =
# \tfrac\varphi2$ to $0$. The margins are in the ratio $(\cos36° + 1)/(\cos36° - \cos108°) = \varphi$.
# ```
#
# The gap of this formula, computed by the library from $L$, $\lambda$ and the labels alone:

# %%
def windows_labels(V, p):
    """Cyclic windows, each with the probabilities p along it (four digits)."""
    first = np.zeros(V)
    first[:len(p)] = np.round(1e4 * np.array(p))
    columns = [np.roll(first, j) for j in range(V)]
    return SoftLabels.from_counts(np.stack(columns, axis=1))


def formula(lam):
    """The path of the pentagon with equal probabilities, from one scalar equation."""
    def g(a):
        e1, e2 = np.exp(-a * np.sqrt(5) / 2), np.exp(-a * (phi / 2 + 1))
        return (np.sqrt(5) * e1 + (phi / 2 + 1) * e2) / (2 + 2 * e1 + e2) - 5 * lam
    turned = (np.arange(5)[:, None] - np.arange(5) - 0.5) * 2 * np.pi / 5
    return brentq(g, 0, 100, xtol=1e-14) * np.cos(turned)


even = windows_labels(5, [0.5, 0.5])
print(f"lambda_max: {lambda_max(even):.6f}, formula {phi / 10:.6f}")
claim("9.11", max(optimality_gap(formula(lam), lam, even)
                  for lam in 10.0 ** -np.arange(1, 9)))

# %% [markdown]
# Now $p = 0.6$, with the library's solver, each point with its own certificate. The margins are those of
# $L_\lambda$ with its finite part removed, in units of the tight ones.

# %%
def relative_margin(L, S, middle):
    """Mean margin of the middle token over that of the two next to the window."""
    L, V, k = project_F_perp(L, S), len(S), int(S[:, 0].sum())
    at = np.arange(V)
    gap = [L[at, at] - L[(at + v) % V, at] for v in (k, V - 1, middle)]
    return np.mean(gap[2]) / np.mean(gap[:2])


lams = 10.0 ** -np.arange(2, 9)
paths = {p: regularization_path(windows_labels(5, [p, 1 - p]), lams, tol=1e-9)
         for p in (0.5, 0.51, 0.6, 0.9)}
seen = {p: [relative_margin(point.L, S5, 3) for point in path]
        for p, path in paths.items()}
residual = max(point.residual for path in paths.values() for point in path)
print("all gaps below 1e-7:", residual < 1e-7)
for p, values in seen.items():
    print(f"p = {p:4.2f}: opposite margin {values[0]:.3f} at lambda = 1e-2, "
          f"{values[-1]:.3f} at 1e-8")
claim("9.12", seen[0.5][-1] - seen[0.6][-1])

# %% [markdown]
# Same supports, same frequencies of contexts, and logits in different directions, each certified. (Unequal frequencies do
# it too: with one context twice as frequent as the others the path leaves the golden ratio at $p = \tfrac12$ already.) And
# in the limit?
#
# ```{prf:theorem} What the path selects on cyclic windows
# :label: thm-selected
#
# Let $V = 4q + 1$ and $k = 2q$, all contexts equally frequent, and the probabilities along each window the same, $p_1,
# \dots, p_k > 0$. Count positions $t$ from the middle of the window; the token at $t = V/2$ is opposite. For $f = 1,
# \dots, 2q$ let
#
# $$
# \begin{aligned}
# x_f(\tau) &= \left|\frac{\sin(\pi fk/V)}{\sin(\pi f/V)}\right| + d_f\,\tau, &
# d_f &= \begin{cases} 1, & f \equiv 0, 1 \pmod 4\\ -1, & f \equiv 2, 3\end{cases} \\
# \Lambda(t) &= \frac2V\sum_f s_f\cos\frac{2\pi ft}V, & s_f &= -(-1)^fd_f, \\
# y_f &= \sum_t L^{\mathrm{in}}(t)\sin\frac{2\pi ft}V, & E(\tau) &= \sum_f\frac{y_f^2}{x_f(\tau)} .
# \end{aligned}
# $$
#
# Suppose $\Lambda(t) < 0$ off the window except at $t = V/2$. Let $\tau^\star$ be the first zero of an $x_f$.
#
# 1. The solutions are $L(\tau) = P_V(S - \tau\Pi)$, $0 \le \tau \le \tau^\star$, and no others.
# 2. If $p$ is symmetric ($p_i = p_{k+1-i}$), then $L_\lambda/\log(1/\lambda) \to L(\tau^\star)$.
# 3. If not, and $y_f \ne 0$ for some $f$ with $x_f(\tau^\star) = 0$, the limit is $L(\tau^\circ)$, where
#    $\tau^\circ$ minimises the strictly convex function $E$ on $[0, \tau^\star)$.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# *1.* A matrix that turns with the circle is given by its column $\ell$, and its singular values are the moduli of
# $\hat\ell_f = \sum_t\ell(t)e^{-2\pi ift/V}$ (for $f$ and $-f$ the same). For $L(\tau)$ they are real, $s_fx_f(\tau)$: the
# sign of $\sin(\pi fk/V) = \sin(\tfrac{\pi f}2 - \tfrac{\pi f}{2V})$ goes $+,+,-,-,\dots$, which is $s_f$, and the
# opposite token adds $-\tau(-1)^f$. $\Lambda$ has coefficients $s_f$, and none at $f = 0$: spectral norm one, column sums
# zero. $\Lambda(V/2) = \tfrac2V\sum_fs_f(-1)^f = -\tfrac2V\sum_fd_f = 0$. So $\Lambda$ is dual-feasible, and its inner
# product with $L(\tau)$ is the norm as long as no $x_f$ is negative: it is a dual solution, and all these $L(\tau)$
# are optimal. There are no others: again $\Lambda^\top\Lambda = I - \tfrac1V\mathbf 1\mathbf 1^\top$, so as for the
# pentagon {prf:ref}`thm-face` says that every solution is an $L(\tau)$ with $\tau\ge0$, and for $\tau > \tau^\star$ the
# inner product is less than the norm.
#
# *An identity.* $L_\lambda$ turns with the circle, as it is unique; so does $G = -\nabla\mathrm{CE}(L_\lambda)/\lambda =
# (P - \operatorname{softmax}L_\lambda)/(V\lambda)$, a subgradient of the norm at $L_\lambda$: $|\hat g_f| \le 1$, and $\hat
# g_f = \hat\ell_f/|\hat\ell_f|$ where $\hat\ell_f \ne 0$. Let $\gamma_f = s_f\operatorname{Re}\hat g_f \le 1$. At the
# opposite token, with probability $q$, $G = -q/(V\lambda) = \tfrac2V\sum_f(-1)^f\operatorname{Re}\hat g_f$, that is
#
# $$
# q/\lambda = 2\sum_fd_f\gamma_f > 0, \qquad \sum_fd_f = 0 .
# $$ (eq-opposite)
#
# By {prf:ref}`thm-path`, with $R = \log(1/\lambda)$, all limit points of $L_\lambda/R$ are solutions, so each is an
# $L(\tau)$. Fix a sequence of $\lambda$ for one. Along it $\operatorname{Re}\hat\ell_f = s_fR\,(x_f(\tau) + o(1))$,
# $\operatorname{Im}\hat\ell_f = o(R)$, and $\log q = -(1+\tau)R + o(R)$, so that $q/\lambda = \lambda^{\tau + o(1)}$: if
# $\tau > 0$, even $R^2q/\lambda \to 0$.
#
# *2.* Reflection leaves the problem unchanged, so $\hat\ell_f$ is real. If $\tau < \tau^\star$, none is zero from some
# $\lambda$ on, all $\gamma_f$ are $1$, and {eq}`eq-opposite` says $q = 0$, which is impossible.
#
# *3. First, all $\gamma_f \to 1$.* If $\tau < \tau^\star$, clear. If $\tau = \tau^\star$, then $q/\lambda \to 0$, and $\gamma_f
# \to 1$ where $d_f = 1$; {eq}`eq-opposite` leaves the others, which are at most one, no choice. So $\hat g_f \to s_f$ and
# $G \to \Lambda$ entry by entry. Off the window, except opposite, probabilities are $-V\lambda G(t)$ with $G(t) \to
# \Lambda(t) < 0$, so the logits at $t$ and $-t$ differ by $\log(G(t)/G(-t)) \to 0$. On the window the
# probabilities are $p - V\lambda G$, and tend to $p$. Only the odd part of $\ell$ counts in
# $\operatorname{Im}\hat\ell_f$; so $\operatorname{Im}\hat\ell_f \to -y_f$.
#
# *Then expand.* ($E$ is strictly convex: not all $y_f$ are zero.) Where $x_f(\tau) > 0$, $\gamma_f = (1 +
# (\operatorname{Im}/\operatorname{Re})^2)^{-1/2} = 1 - y_f^2/(2R^2x_f^2) + o(R^{-2})$. If $\tau < \tau^\star$, {eq}`eq-opposite` becomes
#
# $$
# R^2q/\lambda \;\to\; -\sum_fd_fy_f^2/x_f(\tau)^2 = E'(\tau) .
# $$
#
# So $E'(\tau) \ge 0$; and if $\tau > 0$, the left side tends to zero and $E'(\tau) = 0$. Either way $\tau$ is the
# minimiser of $E$. If $\tau = \tau^\star$, an $f$ with $x_f = 0$ and $y_f \ne 0$ has $d_f = -1$ and $R^2(1 - \gamma_f)
# \to \infty$, while this is bounded where $d_f = 1$. Then $R^2q/\lambda \to \infty$; but it tends to zero.
# ```
#
# For the pentagon, $y_1 : y_2 = \sin36° : \sin72°$ when $p \ne \tfrac12$. Then $E' > 0$ everywhere: the path tends to
# $\tau = 0$, the proxy. A change of $p$ from $0.5$ to $0.501$ sends the limit from one end of the segment to the
# other, slowly: the opposite token has probability $q \approx \lambda E'(0)/R^2$, so its margin is $1 + (2\log R)/R$
# times the tight one, to first order.
#
# The assumption on $\Lambda$ holds numerically up to $q = 25$.

# %%
def polar(V, k):
    """Lambda(t) from the middle of the window to the opposite token, for V = 4q + 1."""
    f, t = np.arange(1, k + 1), np.arange(k + 1) + 0.5
    signs = np.where(f % 4 < 2, 1, -1) * np.where(f % 2, 1, -1)
    return 2 / V * np.cos(2 * np.pi * np.outer(t, f) / V) @ signs


off = {q: polar(4 * q + 1, 2 * q)[q:] for q in range(1, 26)}
print("zero opposite:", all(abs(values[-1]) < 1e-12 for values in off.values()))
print("negative elsewhere off the window:",
      all(values[:-1].max() < 0 for values in off.values()))

# %% [markdown]
# To see limits this slow, $\lambda$ has to be far smaller than any float64 number, but $R = \log(1/\lambda)$ need
# not be large. Because the logits turn with the circle, only one column is unknown; and up to terms of order
# $\lambda$ its ratios on the window are those of $p$. Let $y_v$ be how far the logit of token $v$ lies below the
# log-sum-exp of the window. The excess loss over $\lambda$ is $\sum_ve^{R-y_v}$, and the norm is $\sum_f|\hat\ell_f|$: a
# smooth convex function of $V - k$ numbers, as long as no $\hat\ell_f$ is zero. Newton's method does it for every $R$.

# %%
def far_path(V, p, R):
    """A column of L_lambda, lambda = exp(-R); log-sum-exp of the window at zero."""
    k, f = len(p), np.arange(1, V)[:, None]
    F = np.exp(-2j * np.pi * f * np.arange(V) / V)
    G, y = -F[:, k:], np.full(V - k, float(R))

    def value(y):
        c = F[:, :k] @ np.log(p) + G @ y
        return np.exp(np.minimum(R - y, 700)).sum() + np.abs(c).sum(), c

    now, c = value(y)
    for _ in range(300):
        e, a = np.exp(np.minimum(R - y, 700)), np.abs(c)
        turned = G * (np.conj(c) / a)[:, None]  # the part along c, and the part across
        gradient = turned.real.sum(axis=0) - e
        across = turned.imag / np.sqrt(a)[:, None]
        step = np.linalg.solve(np.diag(e) + across.T @ across, -gradient)
        size, fall = 1.0, -gradient @ step
        while size > 1e-9 and value(y + size * step)[0] > now - 1e-4 * size * fall:
            size /= 2
        y = y + size * step
        if fall < 1e-15 * now:
            break
        now, c = value(y)
    return np.append(np.log(p), -y)


def far_margin(V, p, R):
    """The opposite margin over the mean of the two next to the window."""
    k, column = len(p), far_path(V, p, R)
    gaps = column[:k].mean() - column[k:]
    return gaps[(V - k) // 2] / (gaps[0] + gaps[-1]) * 2


both = [far_margin(5, [p, 1 - p], np.log(1e8)) - seen[p][-1]
        for p in (0.51, 0.6, 0.9)]
print("the library's margins at lambda = 1e-8, to 1e-3:", np.abs(both).max() < 1e-3)
claim("9.13", far_margin(5, [0.6, 0.4], 1024 * np.log(10)))

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(5.6, 4))
R = np.geomspace(np.log(1e4), 1024 * np.log(10), 24)
colours = dict(zip((0.5, 0.51, 0.6, 0.9), ("#0072B2", "#009E73", "#D55E00", "#CC79A7")))
ax.axhline(phi, color=colours[0.5])
ax.plot(np.log(1 / lams), seen[0.5], "o", color=colours[0.5], markersize=4)
for p in (0.51, 0.6, 0.9):
    ax.plot(R, [far_margin(5, [p, 1 - p], x) for x in R], color=colours[p])
    ax.plot(np.log(1 / lams), seen[p], "o", color=colours[p], markersize=4)
labels = {0.5: (300, 1.635), 0.51: (42, 1.34), 0.6: (4.5, 1.40), 0.9: (4.5, 1.14)}
for p, at in labels.items():
    ax.text(*at, f"p = {p}", color=colours[p])
ax.axhline(1, color="#555555", linewidth=1, linestyle="--")
ax.set(xscale="log", ylim=(0.98, 1.7), xlabel=r"$\log(1/\lambda)$",
       ylabel="opposite margin")
plt.show()

# %% [markdown]
# *The opposite margin along the path of the pentagon, in units of the tight one; $\lambda$ falls from left to right,
# to $10^{-1024}$. Dots: the library's certified points, down to $10^{-8}$. Lines: the formula for $p = 0.5$, Newton's
# method for the others. With equal probabilities the path lies at the golden ratio; with any other it sinks to 1,
# the proxy (dashed), very slowly.*
#
# And the pentagons with a broken symmetry? Their solution is unique. But with a token added that never follows, the
# logits at $\lambda = 10^{-8}$ still listen to $p$:

# %%
for p in (0.5, 0.6, 0.9):
    P = windows_labels(5, [p, 1 - p]).P.toarray()
    counts = np.vstack([np.round(10 * P), np.zeros((1, 5))])
    [point] = regularization_path(SoftLabels.from_counts(counts), [1e-8], tol=1e-9)
    L = project_F_perp(point.L, counts > 0)
    print(f"p = {p}: opposite margin {(L[0, 0] - L[3, 0]) / (L[0, 0] - L[2, 0]):.2f}")

# %% [markdown]
# ## The norm, one term further
#
# Why $E$? Along a ray $RA + B$, with $A$ a solution and $B$ bounded, the norm has an expansion. The first two terms are
# the same for all solutions with $A \succ 0$ in {prf:ref}`thm-face` (exercise 2). The third tells them apart.
#
# ```{prf:proposition} The nuclear norm along a ray
# :label: prop-ray
#
# Let $A = U\Sigma V^\top$ (compact), $B$ with columns in the span of $U$, $M = U^\top BV$, and $n_i$ the rows of $U^\top
# B(I - VV^\top)$. As $R \to \infty$,
#
# $$
# \lVert RA + B\rVert_* = R\,\lVert A\rVert_* + \langle UV^\top, B\rangle + \frac1R\,e(A, B) + O(R^{-2}),
# $$
#
# $$
# e(A, B) = \frac14\sum_{i,j}\frac{(M_{ij} - M_{ji})^2}{\sigma_i + \sigma_j} + \frac12\sum_i\frac{\lVert n_i\rVert^2}{\sigma_i} .
# $$
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# Let $\epsilon = 1/R$ and $Z = \Sigma + \epsilon M$. The norm is $R$ times the trace of the root of $ZZ^\top + \epsilon^2
# NN^\top$, where $NN^\top$ has the diagonal entries $\lVert n_i\rVert^2$. The derivative of $\operatorname{tr}X^{1/2}$ along
# $Y$ is $\tfrac12\operatorname{tr}X^{-1/2}Y$, so the second summand adds $\tfrac12\epsilon^2\sum_i\lVert
# n_i\rVert^2/\sigma_i + O(\epsilon^3)$. What is left is $\lVert Z\rVert_*$, the maximum of $\langle Q, Z\rangle$ over
# orthogonal $Q$; for small $\epsilon$ it is attained near $I$, so at $Q = \exp(\epsilon K)$ with $K$ antisymmetric and
# bounded:
#
# $$
# \langle e^{\epsilon K}, \Sigma + \epsilon M\rangle = \operatorname{tr}\Sigma + \epsilon\operatorname{tr}M +
# \epsilon^2\big(\langle K, M\rangle + \tfrac12\operatorname{tr}K^2\Sigma\big) + O(\epsilon^3) .
# $$
#
# For a pair $i < j$ the bracket is $K_{ij}(M_{ij} - M_{ji}) - \tfrac12K_{ij}^2(\sigma_i + \sigma_j)$, with maximum
# $\tfrac12(M_{ij} - M_{ji})^2/(\sigma_i + \sigma_j)$. Each pair occurs twice in the sum of the proposition.
# ```

# %%
def bracket(A, B):
    """e(A, B), the coefficient of 1/R."""
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    keep = s > 1e-9 * s[0]
    U, s, Vt = U[:, keep], s[keep], Vt[keep]
    M = U.T @ B @ Vt.T
    rest = U.T @ B - M @ Vt
    skew = (M - M.T) ** 2 / (s[:, None] + s)
    return skew.sum() / 4 + np.sum(rest**2 / s[:, None]) / 2


def left_over(A, B, R):
    """The norm of R A + B less its expansion."""
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    terms = R * s.sum() + np.sum(U @ Vt * B) + bracket(A, B) / R
    return abs(np.linalg.norm(R * A + B, "nuc") - terms)


Rs, slopes = np.geomspace(1e2, 3e3, 8), []
for _ in range(20):
    A, B = rng.normal(size=(2, 4, 6))
    A += 3 * np.eye(4, 6)
    errors = [left_over(A, B, R) for R in Rs]
    slopes.append(np.polyfit(np.log(Rs), np.log(errors), 1)[0])
claim("9.14", np.median(slopes))

# %% [markdown]
# Now the principle. At distance $R = \log(1/\lambda)$ the norm is a constant times $R$, a constant, and $e(A, B)/R$. The
# finite part of the logits, $L^{\mathrm{in}}$, is in $B$. So the path should select the solution $A$ that
# makes $e(A, B)$ least: the one that makes room for $L^{\mathrm{in}}$ most cheaply. For the windows of
# {prf:ref}`thm-selected`, $e(L(\tau), L^{\mathrm{in}})$ is $E(\tau)$, and part 3 of the theorem proves the
# principle. (With symmetric $p$, $E = 0$: the principle is silent, and the far end wins for another reason, part 2.) For
# other supports it is a *conjecture*: which part of $B$ is free, and whether expansion and limit may be exchanged, is
# not proved here.
#
# Nine tokens, windows of four with probabilities $0.4, 0.1, 0.3, 0.2$: the prediction lies inside the segment.

# %%
p9 = [0.4, 0.1, 0.3, 0.2]
finite = np.zeros((9, 9))
for j in range(9):
    finite[(j + np.arange(4)) % 9, j] = np.log(p9) - np.log(p9).mean()
opposite9 = np.roll(np.eye(9), 6, axis=0)


def cost(tau):
    """e(A, B) at a point of the segment."""
    return bracket(center(S9 - tau * opposite9), finite)


best = minimize_scalar(cost, bounds=(0, far - 1 - 1e-6), method="bounded",
                       options={"xatol": 1e-10}).x
middle = {n: far_margin(9, p9, n * np.log(10)) for n in (8, 64, 256, 512, 1024)}
print(f"predicted margin {1 + best:.5f}")
for n, value in middle.items():
    print(f"lambda = 1e-{n:<5d} margin {value:.4f}")
claim("9.15", abs(middle[256] - 1 - best))

# %%
claim("9.16", (middle[256] - 1 - best) / (middle[512] - 1 - best))

# %% [markdown]
# ## What to take away
#
# - The *set* of solutions of NTP-SVM depends on the supports alone. It is a face: matrices $U_1AV_1^\top$ with $A$
#   semidefinite and some margins tight, all read off one certificate ({prf:ref}`thm-face`).
# - A certificate that is strictly negative off the supports makes it a point. Whether it is one can be certified in
#   floating point, as a distance ({prf:ref}`prop-diameter`). On the random and real supports that we tried it always
#   was.
# - On the pentagon it is a segment; there the *limit* of a vanishing ridge depends on the probabilities
#   ({prf:ref}`thm-equal`, {prf:ref}`thm-selected`). "Only depends on the sparsity pattern" is right for the set, and for
#   the limit where the set is a point.
# - Even a unique limit is approached no faster than $1/\log(1/\lambda)$ in angle, unless $L^{\mathrm{in}} = 0$
#   ({prf:ref}`prop-path-rates`). At any $\lambda$ in use, probabilities matter.
#
# ## What this does not show
#
# That non-uniqueness matters for language: we had to build it from symmetry. The
# searches are exhaustive only for distinct supports, and their certificates are in float64. Why windows of two on ten
# tokens, and of eight on thirteen, have segments too, is open here. Faces can have more dimensions than one: three
# conditions with three values ({prf:ref}`thm-conjunctions`) have one of dimension three, numerically. The selection is proved for one family of windows and probabilities that turn with them; and it is about
# the ridge: gradient descent without it may choose otherwise.
#
# ## Exercises
#
# 1. The certificate of the smallest failure of the proxy, {eq}`eq-smallest-failure`, has a zero off the supports. Why
#    is the solution unique all the same?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    Its three columns are orthonormal, so all singular values are one, $V_1 = I$ and $U_1 = \Lambda$. We need symmetric
#    $B$, $3\times3$, with $\Lambda B$ constant on the supports and equal to that wherever $\Lambda < 0$. In column 2 this
#    fixes all four entries to be equal, and columns of $\Lambda B$ sum to zero: so column 2 of $\Lambda B$ is zero, hence
#    that of $B$; likewise column 3. Of $B$ only $B_{11}$ is left, and column 1 of $\Lambda B$ is $B_{11}\Lambda_{\cdot1}$,
#    with $4$ on the support and $-2$ where it should be the same: $B_{11} = 0$. A zero in $\Lambda$ is necessary for a
#    second solution, not sufficient.
#    ```
#
# 2. Show that all solutions with $A \succ 0$ have the same polar factor $UV^\top$.
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    With $A = C\Sigma C^\top$, $C$ orthogonal, the singular vectors are $U_1C$ and $V_1C$, and $U_1CC^\top V_1^\top =
#    U_1V_1^\top$ does not depend on $A$. On the pentagon this is $\Lambda$ itself, for all $\tau < 1/\varphi$.
#    ```

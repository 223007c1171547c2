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
# (ch-synthetic)=
# # A language of sixteen contexts
#
# Part II computed a geometry from supports alone. Does training find it? This chapter is the smallest fair
# test, and the paper's first: sixteen contexts of five words, three next words each. Free vectors are trained on
# it, and so is a transformer that has to read the words. Neither is told the prediction. Three things are
# compared with it: how fast the loss falls, what angles the vectors form, and where the logits go. Where the
# paper shows heat maps, you get the heat maps, and beside each a number with what chance would give.
#
# The short answer: both models find the angles, far beyond chance, and the right probabilities; the direction of the logits
# comes near, slowly. And one claim fails, because the transformer had by its inputs what we wanted to see it learn.
#
# *Ten minutes to read, about half a minute to run on one CPU core. A GPU helps at full scale only (ten minutes without).*

# %% tags=["colab-install", "remove-cell"]
# In Colab the published copy of this notebook installs ntputils here.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from ntputils import (SoftLabels, build_model, center, centered_support,
                      claim, collapse_ratio, cosine_matrix, factor, fit,
                      in_support_logits, load_corpus, mantel, project_F,
                      project_F_perp, scale, session, solve_ntp_svm)
from ntputils.plots import show_growth, show_matrix, style

SEED = 1634
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
rng = np.random.default_rng(SEED)
style()

# %% tags=["remove-input"]
session()

# %% [markdown]
# At the small scale models are small and training is short; the full scale has the paper's sizes.

# %%
SIZES = {
    "small": {"d": 32, "layers": 2, "steps": 3000, "lr": 3e-3},
    "full": {"d": 128, "layers": 4, "steps": 30_000, "lr": 1e-3}}[scale()]
print(", ".join(f"{name} {value}" for name, value in SIZES.items()))

# %% [markdown]
# ## The language
#
# Twelve openings of sentences, written for this book, each with ten words that may end it; three of the ten are
# drawn. Four openings come in a second wording that keeps the support, so sixteen contexts have twelve supports.
# Each sentence is repeated one to four times. The next words are shared between openings: this is all that
# relates one context to another.

# %%
corpus = load_corpus("synthetic", seed=1, sharing=0)
labels = SoftLabels.from_tokens(corpus, context_length=5)
labels = labels.restrict(range(labels.m))  # only words that come next
S, proxy = labels.S.toarray(), centered_support(labels.S)
solution = solve_ntp_svm(S, tol=1e-8)
print(f"V = {labels.V} next words, m = {labels.m} contexts,",
      f"{len(solution.counts)} supports, n = {labels.n} sentences")
print(f"entropy bound {labels.entropy():.4f} nats; norm of the solution",
      f"{solution.primal:.2f}, of the proxy {np.linalg.norm(proxy, 'nuc'):.2f}")

# %% tags=["remove-input"]
order = np.argsort(solution.inverse, kind="stable")
names = [labels.context(j) for j in order]
rows = np.lexsort(np.flipud(~S[:, order].T))
fig, ax = plt.subplots(figsize=(6.4, 8))
show_matrix(ax, labels.P.toarray()[np.ix_(rows, order)], columns=names,
            rows=[labels.vocab[z] for z in rows])
plt.show()

# %% [markdown]
# *The whole language: the probability of each next word (row) after each context (column). Neighbouring columns
# that fill the same rows are two wordings of one opening.*
#
# The paper's synthetic set has the same form (16 contexts, supports of three words, about thirty next words). The authors'
# sentences are theirs and these are ours, so numbers may be compared in size and not in digits.
#
# ## Training
#
# Free vectors are the model of the theory: a table, one vector a context. The transformer reads the five
# words. It is causal, has no positional encoding, normalises its last vector, and shares nothing with the
# table but the width. Both are trained on all sixteen contexts at once with AdamW, without any ridge: the loss
# is the soft-label loss, nothing else.

# %%
def model(name, **options):
    return build_model(name, labels, d=SIZES["d"], seed=SEED, **options)


models = {"free vectors": model("ufm"),
          "transformer": model("transformer", layers=SIZES["layers"])}
runs = {name: fit(one, labels, steps=SIZES["steps"], lr=SIZES["lr"],
                  snapshots=24, device=DEVICE)
        for name, one in models.items()}

# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 6.4), sharex=True)
steps = runs["transformer"].steps
late = steps > 0
show_growth(axes[0], steps[late],
            {n: r.loss[late] - labels.entropy() for n, r in runs.items()},
            xlabel="", ylabel="loss - entropy (nats)", log="xy")
show_growth(axes[1], steps[late], {
    f"{n}, {what}": np.linalg.norm(getattr(r, k)[late], axis=(1, 2))
    for n, r in runs.items() for what, k in (("words", "W"), ("contexts", "H"))},
            xlabel="steps", ylabel="Frobenius norm", log="xy")
plt.show()

# %% [markdown]
# *Above: what the loss still has to fall to reach the entropy of the data. It keeps falling and does not arrive.
# Below: the norms, which keep growing because of that. The transformer normalises its contexts, so it is
# mostly its words that grow.*

# %%
excess = {name: run.loss - labels.entropy() for name, run in runs.items()}
claim("11.1", max(e[-1] / e[0] for e in excess.values()))

# %% [markdown]
# ## The angles
#
# Four columns: the trained transformer, trained free vectors, the solution of NTP-SVM, its proxy. The last
# two know nothing of the training, and nothing of the probabilities either. Rows: cosines between contexts, cosines between
# words, logits.

# %% tags=["remove-input"]
W_mm, H_mm = factor(solution.L)
W_pr, H_pr = factor(proxy)
trained = {name: (run.W[-1].astype(float), run.H[-1].astype(float))
           for name, run in runs.items()}
geometries = {"transformer": trained["transformer"],
              "free vectors": trained["free vectors"],
              r"$L^{\mathrm{mm}}$": (W_mm, H_mm), r"$\tilde S$": (W_pr, H_pr)}
fig, axes = plt.subplots(3, 4, figsize=(7.2, 7.4))
for column, (name, (W, H)) in enumerate(geometries.items()):
    L = (W @ H)[np.ix_(rows, order)]
    L = L - L.mean(axis=0)
    panels = cosine_matrix(H[:, order]), cosine_matrix(W[rows].T), L
    for ax, A in zip(axes[:, column], panels):
        ax.imshow(A / np.abs(A).max(), cmap="PuOr_r", vmin=-1, vmax=1,
                  interpolation="nearest", aspect="auto")
        ax.set(xticks=[], yticks=[])
        ax.grid(False)
        ax.spines[:].set_visible(False)
    axes[0, column].set_title(name)
for ax, what in zip(axes[:, 0], ("contexts", "words", "logits")):
    ax.set_ylabel(what)
plt.show()

# %% [markdown]
# *Orange: positive, purple: negative, white: zero; each panel on its own scale. Contexts are ordered so that equal
# supports are neighbours: they make the small squares on the diagonal of the first row. To the eye all
# four columns show the same pattern.*
#
# Looking alike is not evidence. Any two heat maps of cosines have the same orange diagonal, and the authors' measure
# of similarity counts it. Mantel's test does not: it correlates the cosines over pairs of *different* items only, and
# compares with the same correlation when the items of one side are shuffled {cite}`mantel1967`.

# %%
def compare(X, Y):
    """Mantel's test between the cosines of two sets of column vectors."""
    return mantel(cosine_matrix(X), cosine_matrix(Y), rng=rng)


tests = {(name, what): compare(ours, predicted)
         for name, (W, H) in trained.items()
         for what, ours, predicted in (("contexts", H, H_mm),
                                      ("words", W.T, W_mm.T))}
for (name, what), test in tests.items():
    print(f"{name:13s}{what:9s} correlation {test.r:.1f}, shuffled "
          f"at most {test.null.max():.1f}")

# %%
claim("11.2", max(tests[name, "contexts"].p for name in runs))

# %%
claim("11.3", max(tests[name, "words"].p for name in runs))

# %%
claim("11.7", compare(trained["transformer"][1], trained["free vectors"][1]).p)

# %% [markdown]
# The third compares the two models with each other. The transformer reads words, the table cannot; what they
# share is the supports. (Four pairs of contexts with equal supports lend some of these correlations. {ref}`ch-measures` measures
# without them: smaller numbers, the same verdict.)
#
# ## Two parts, at two speeds
#
# Split the logits of each snapshot: the finite part $P_{\mathcal F} L$ should go to $L^{\mathrm{in}}$, and what is left should turn
# towards $L^{\mathrm{mm}}$.

# %%
def cosine(A, B):
    return np.sum(A * B) / np.linalg.norm(A) / np.linalg.norm(B)


L_in = in_support_logits(labels).toarray()
curves = {}
for name, run in runs.items():
    logits = [center(W.astype(float) @ H) for W, H in zip(run.W, run.H)]
    rest = [project_F_perp(L, S) for L in logits]
    off = [np.linalg.norm(project_F(L, S) - L_in) for L in logits]
    curves[name] = {
        "finite": np.array(off) / np.linalg.norm(L_in),
        "solution": [cosine(R, solution.L) for R in rest],
        "proxy": [cosine(R, proxy) for R in rest]}

# %% tags=["remove-input"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 6.4), sharex=True)
show_growth(axes[0], steps[late],
            {n: np.array(c["finite"])[late] for n, c in curves.items()},
            xlabel="", ylabel=r"$\|P_{\mathcal{F}} L - L^{\rm in}\| / \|L^{\rm in}\|$", log="xy")
show_growth(axes[1], steps[late], {
    f"{n}, to {what}": 1 - np.array(c[what])[late] for n, c in curves.items()
    for what in ("solution", "proxy")},
            xlabel="steps", ylabel="1 - cosine", log="xy")
plt.show()

# %% [markdown]
# *Above: the finite part, relative to its target: log-odds are learned to a few per cent. Below: what the angle
# between the rest of the logits and their predicted direction leaves to go. Both axes logarithmic.*

# %%
claim("11.4", max(c["finite"][-1] for c in curves.values()))

# %%
claim("11.5", min(c["solution"][-1] for c in curves.values()))

# %%
claim("11.6", min(c["solution"][-1] - c["proxy"][-1]
                  for c in curves.values()))

# %% [markdown]
# The probabilities settle. The direction comes to the bar, just, and has not settled; solution and proxy are equally near. (From
# other starts it comes there as narrowly; where other words are drawn for the openings, `seed=2` above, it falls short.)
# One should not expect more: even on the exact path
# of a vanishing ridge the angle between all the logits and the solution closes no faster than one over a logarithm
# ({prf:ref}`prop-path-rates`), and taking away the finite part leaves other bounded terms. For AdamW without a ridge there is no
# theorem, and the last line above is a question, not a claim. On the larger language of {ref}`ch-simplified` the same bar is missed.
#
# ## Equal supports
#
# Four pairs of contexts have the same next words. On the path of a vanishing ridge each pair becomes one point, relative to the
# growing lengths ({prf:ref}`thm-scatter`): scatter within supports over scatter between them, the ratio of
# {prf:ref}`def-collapse-ratio`, vanishes. Does it fall here?

# %%
ratio = {name: [collapse_ratio(H, solution.inverse) for H in run.H]
         for name, run in runs.items()}
for name, values in ratio.items():
    print(f"{name:13s} within / between: {values[0]:.3f} at the start, "
          f"{values[-1]:.3f} at the end")
claim("11.8", max(values[-1] / values[0] for values in ratio.values()))

# %% [markdown]
# Both end near zero, and the claim fails all the same: we had asked each model to fall to a quarter of where it
# started, and the transformer *starts* at less than a hundredth. Before any training it has the pairs together,
# presumably because the two wordings of an opening share most of their words, and it reads words. So this language
# cannot tell collapse by support from likeness of wording, at least not for a model that reads; for free vectors it
# can. A better language would give equal supports to contexts without a common word.
#
# ## Five seeds
#
# The cells above train each model once. Below are all the readers of this part from five seeds each, at width 64: means with 95 %
# bootstrap intervals. *Contexts*, *supports* and *words* are correlations of cosines with those of NTP-SVM, over pairs of different contexts,
# of different supports (the mean over their contexts) and of different words. *Direction* is the cosine of the
# rest of the logits to the solution, *finite part* its relative error; then scatter within classes over scatter between them,
# for two kinds of class; then the share of in-support words at an acute angle to their context and of other words at an obtuse one.
#
# :::{results} synthetic
# :::
#
# ## What to take away
#
# - Angles computed without training are found by training, by a table and by a transformer, far beyond what chance
#   would give.
# - Probabilities are learned in a finite part that settles. The rest turns towards the direction that the supports choose, slowly, and
#   has not arrived when training stops.
#
# ## What this does not show
#
# - *Scale.* Sixteen contexts are few.
# - *A limit.* Training stops, and the figure shows angles that still move at the end.
# - *A cause.* That a transformer agrees with a prediction from supports does not say that its architecture
#   does not matter; it says that sixteen contexts with weights to spare do not show it.
#
# ## Exercises
#
# 1. Train again with `seed=SEED + 1` in `model`. Which of the numbers above move, and by how much? What would you
#    need to put an interval on them?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    Correlations move in the second digit: the start decides how far the angles have come when training stops. The
#    p-values do not move, because they are at the smallest value that 999 shuffles can give. For an interval, train from
#    at least five seeds and use `bootstrap_interval`.
#    ```
#
# 2. Give every support a word that no other context has. What becomes of the cosines between contexts, in the
#    prediction, and why?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    They shrink. A private word adds one to each diagonal entry of $S^\top S$ and nothing to the others: contexts become more
#    alike themselves. With $n$ private words each, $\tilde S^\top\tilde S/n$ tends to $I - \tfrac1m\mathbf 1\mathbf 1^\top$ as $n$ grows,
#    and the contexts of the proxy tend to a simplex. On the way the order of the cosines need not stay the same.
#    ```

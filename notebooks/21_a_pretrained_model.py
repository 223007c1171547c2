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
# (ch-pretrained)=
# # A pretrained language model
#
# Every model so far was trained here, on a language made small for the purpose. Reviewers asked for a real one. This
# chapter takes a small language model that others trained, on trillions of tokens that we do not have, for a purpose
# that is not ours, and asks it the book's question: do the words that can come next fix the angles between contexts,
# and between words? No theorem promises it. The theory is of training to the end, and of supports that are exactly
# empty elsewhere; this model was trained for a while, and gives every word a probability above zero. So the question
# is one of measurement: how strong is the relation, against what chance would give, and how much of it is left when
# simpler explanations are taken away?
#
# *Fifteen minutes to read, about fifty seconds to run on one CPU core. The full scale, which needs no GPU either, was
# not run for this page.*

# %% tags=["colab-install", "remove-cell"]
# In Colab the published copy of this notebook installs ntputils here.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML

from ntputils import (SoftLabels, candidate_geometries, center, centered_support, claim,
                      collapse_measures, collapse_ratio, cosine_matrix,
                      effective_supports, factor, hidden_states, is_argmaxable,
                      load_model, mantel, off_diagonal_correlation, partial_mantel,
                      scale, session, shuffle_supports, softmax, solve_ntp_svm)
from ntputils.kjv import verses
from ntputils.plots import show_growth, style

SEED = 135
rng = np.random.default_rng(SEED)
torch.set_num_threads(1)
style()

# %% tags=["remove-input"]
session()

# %% [markdown]
# The scales differ in the number of contexts and of the tokens that are sampled in the last section.

# %%
SIZES = {"small": {"contexts": 300, "sample": 500},
         "full": {"contexts": 2000, "sample": 5000}}[scale()]
print(", ".join(f"{name} {value}" for name, value in SIZES.items()))

# %% [markdown]
# ## The model
#
# SmolLM2-135M {cite}`allal2025smollm2` is a transformer of thirty layers. The copy used here comes from a Python
# package that anyone can install without an account: it is the *instruct-tuned* variant, and its weights were rounded
# to *four bits*. Both are departures from pretraining as the theory has it, and there are three more. Its unembedding
# is also its input embedding. Its last states are normalised. And nobody trained it towards a vanishing loss.
#
# `make model` fetches it once (93 MB, a minute), and `make book` calls that; `NTP_LM=off` leaves this chapter out.
# Any other causal model of the Hugging Face hub can take its place where there is a network: write its name.

# %% tags=["needs-model"]
lm = load_model("smollm2")     # or "gpt2", or a folder
W = lm.unembedding             # V x d, float32
print(f"V = {lm.V} tokens, d = {lm.d}, V / d = {lm.V / lm.d:.0f}")

# %% [markdown]
# The contexts are openings of verses of the King James Version, drawn at random: their first sixteen tokens, as the
# model cuts them. The context vector $h_j$ is the state that the last linear map reads, after the last normalisation,
# so that the logits are $Wh_j$. The last line checks that this is so.

# %%
text = lm.encode(verses().values())
long = [ids for ids in text if len(ids) > 16]
drawn = [long[i] for i in rng.permutation(len(long))[:SIZES["contexts"]]]
openings = [ids[:16] for ids in drawn]
H = hidden_states(lm, openings)     # d x m
P = softmax(W @ H)

with torch.inference_mode():
    logits = lm.model(torch.tensor(openings[:8])).logits[:, -1].numpy().T
claim("21.1", np.abs(W @ H[:, :8] - logits).max() / logits.std())

# %% [markdown]
# ## Which words can come next?
#
# In a text a support is counted. A softmax never says zero, so a line has to be drawn.
#
# ```{prf:definition} Effective support
# :label: def-effective-support
#
# Let $p_j \in \mathbb R^V$ be a model's probabilities after context $j$. Its effective support *at threshold* $\tau$
# holds the words with $p_{zj} \ge \tau$, and the most probable word in any case. Its effective support *at mass* $q$,
# the nucleus {cite}`holtzman2020curious`, holds the fewest most probable words whose probabilities add up to $q$.
# ```
#
# A threshold bounds the size: at most $1/\tau$ words are so probable. A nucleus does not; a context after which
# anything may come has a large one. We use the threshold 0.01 where one line is needed, chosen before anything was
# measured, and come back to the choice.

# %%
S_all = effective_supports(P, threshold=0.01)
for j in range(4):
    best = np.argsort(-P[:, j])[:5]
    print(lm.tokenizer.decode(openings[j][-7:]).strip(), "...",
          " ".join(lm.words(best)))

# %% tags=["remove-input"]
LINES = {f"mass {q}": {"mass": q} for q in (0.5, 0.8, 0.9, 0.95)} | {
    f"threshold {t}": {"threshold": t} for t in (0.1, 0.03, 0.01, 0.003, 0.001)}
lines = {name: effective_supports(P, **line) for name, line in LINES.items()}
fig, ax = plt.subplots(figsize=(6.4, 4))
ax.boxplot([S.sum(axis=0) for S in lines.values()], orientation="horizontal",
           tick_labels=list(lines), flierprops={"markersize": 3, "alpha": 0.4},
           medianprops={"color": "C1", "linewidth": 2})
ax.axvline(lm.d / 2, color="C6", linestyle="--", label="d / 2")
ax.set(xscale="log", xlabel="words in the effective support")
ax.invert_yaxis()
ax.legend()
plt.show()

# %% [markdown]
# *How many words each line leaves possible: half of the contexts inside each box. Dashed: half of the dimension.*
#
# A reviewer asked what becomes of the theory where the vocabulary is far larger than the dimension: here it is many
# times as large. What counts is not $V$. If no support has more than $d/2$ words, then *some* arrangement of the
# words can separate all supports, whatever the vocabulary ({prf:ref}`thm-moment`). At a threshold of 0.01 that is
# mere arithmetic. At a nucleus it is a question.

# %%
largest = {name: 2 * int(S.sum(axis=0).max()) / lm.d for name, S in lines.items()}
claim("21.23", largest["threshold 0.01"])

# %%
claim("21.24", largest["mass 0.9"])

# %% [markdown]
# The bound is sufficient and not necessary; above it, nothing follows in either direction.
#
# ## Angles between contexts
#
# Now the prediction: take the supports at 0.01, keep the words that are in at least one of them, solve NTP-SVM, and
# compare the cosines between contexts with those between the model's states, over pairs of *different* contexts, by
# Mantel's test {cite}`mantel1967`. Beside it stand the rivals: the proxy, and vectors made from the probabilities
# inside the same supports.

# %%
rows = np.flatnonzero(S_all.sum(axis=1) > 0)
S = S_all.toarray()[rows]
inside = SoftLabels.from_counts(P[rows] * S)
solution = solve_ntp_svm(S, tol=1e-3)
rivals = candidate_geometries(inside, solution)
states = cosine_matrix(H)
predicted = {name: cosine_matrix(contexts) for name, (_, contexts) in rivals.items()}
print(f"about {round(len(rows), -2)} words, {len(openings)} contexts,",
      f"{len(solution.counts)} different supports")
claim("21.2", mantel(states, predicted["NTP-SVM"], rng=rng).p)

# %%
r = {name: off_diagonal_correlation(states, A) for name, A in predicted.items()}
claim("21.3", r["NTP-SVM"])

# %%
claim("21.8", r["NTP-SVM"] - r["proxy"])

# %% [markdown]
# That there is *some* relation cannot surprise: the supports were cut from the model's own probabilities, and those
# were computed from the states. The following says how close the circle is.
#
# ```{prf:proposition} What log-probabilities say of states
# :label: prop-log-gram
#
# Let $Q$ be the $V\times m$ matrix of log-probabilities of a model with logits $WH$, and $M = W^\top P_V W$, with
# $P_V$ the centring over words. Then $(P_VQ)^\top(P_VQ) = H^\top M H$. If $M$ is invertible, the log-probabilities
# fix $H$; if $M$ is a multiple of the identity, they fix all angles between contexts.
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# Each column of $Q$ is that of $WH$ less a constant, the logarithm of the sum; centring takes it away, so that $P_VQ
# = P_VWH$. $H = M^{-1}W^\top P_V Q$ where $M$ is invertible.
# ```
#
# So all the log-probabilities would be a poor rival: they are the states in another metric. Supports keep one bit of
# each, and only for the few words above the line. The fair questions are how much those bits still say, and whether
# they say more than the probabilities themselves, which also come from the states.

# %%
centred = W.astype(float) - W.mean(axis=0, dtype=float)
M = centred.T @ centred
metric = np.linalg.cholesky(M).T      # its Gram matrix is M
everything = cosine_matrix(metric @ H)
r["all log-probabilities"] = off_diagonal_correlation(states, everything)
claim("21.7", r["all log-probabilities"])

# %%
raw = cosine_matrix(P)
r["all probabilities"] = off_diagonal_correlation(states, raw)
claim("21.6", r["NTP-SVM"] - r["all probabilities"])

# %%
claim("21.5", partial_mantel(states, predicted["NTP-SVM"], [raw], rng=rng).p)

# %% [markdown]
# Mantel's null shuffles the contexts, which also breaks what is true of any supports: large ones are alike in being
# large, and common words are in many. A stricter null keeps both: it deals the words out anew, with the same sizes of
# supports and the same number of supports for each word. And a coarser one keeps the sizes only. There are fewer contexts
# than words here, so that the proxy's vectors come quickest from $\tilde S^\top\tilde S = V\Sigma^2V^\top$.

# %%
def proxy_vectors(S):
    """The proxy's words and contexts, U root(Sigma) and root(Sigma) V'."""
    X = centered_support(S)
    squares, V = np.linalg.eigh(X.T @ X)
    some = squares > 1e-12 * squares[-1]
    V, root = V[:, some], squares[some]**0.25
    return X @ V / root, root[:, None] * V.T


def margin(A, S, words=None, shuffles=19):
    """Correlation of the proxy with A, less the largest under shuffles; and that."""
    def correlation(S):
        rows, columns = proxy_vectors(S)
        B = cosine_matrix(columns if words is None else rows[words].T)
        return off_diagonal_correlation(A, B)
    null = [correlation(shuffle_supports(S, rng=rng)) for _ in range(shuffles)]
    return correlation(S) - max(null), max(null)


gained, r["shuffled supports"] = margin(states, S)
claim("21.4", gained)

# %% tags=["remove-input"]
sizes = S.sum(axis=0)
random = np.argsort(np.argsort(rng.random(S.shape), axis=0), axis=0) < sizes
r["random, same sizes"] = off_diagonal_correlation(
    states, cosine_matrix(proxy_vectors(random)[1]))


def show_bars(ax, values, title=""):
    """Correlations by name, largest above; controls in grey."""
    names = sorted(values, key=values.get)
    grey = ("shuffled supports", "random, same sizes", "all log-probabilities")
    ax.barh(names, [values[n] for n in names], color=[
        "C6" if n in grey else "C1" if n in ("NTP-SVM", "proxy") else "C0"
        for n in names])
    ax.axvline(0, color="C6", linewidth=0.8)
    ax.set(title=title, xlabel="correlation over pairs")
    ax.grid(axis="y", visible=False)


fig, ax = plt.subplots(figsize=(6.4, 4.6))
show_bars(ax, r, "contexts")
plt.show()

# %% [markdown]
# *Correlation with the cosines of the model's states, over pairs of different contexts. Orange: predictions from
# supports, as the theory has them. Blue: other vectors from the same supports and probabilities. Grey: bounds and
# controls; for shuffled supports the largest of 19.*
#
# The relation is there, far outside what shuffled contexts or shuffled supports give, and something of it is left
# when the cosines of the probabilities are taken out. It is also moderate, and the order of the bars deserves to be
# read twice. Plain overlap of supports, words in common counted and nothing solved, agrees with the states *better*
# than the proxy, the proxy better than NTP-SVM, and overlap better than the probabilities do. So which words are
# possible says more of this model's angles than the probabilities as they stand, whose cosines hang on the few most
# probable words (their logarithms, which weigh all words, say most). But the particular geometry that the
# theory derives from the supports, with its square root of the Gram matrix and its largest margin, is not the nearest
# one. One reason may be that the square root comes from balanced factors, which a vanishing ridge gives to a free
# table; these factors are not balanced, since the last states are normalised.
#
# ### Does the line matter?
#
# The proxy for each of the nine lines of the figure before, each with its own words.

# %%
def proxy_contexts(S):
    """Cosines between the proxy's contexts."""
    kept = S.toarray()[np.flatnonzero(S.sum(axis=1) > 0)]
    return cosine_matrix(proxy_vectors(kept)[1])


sweep = {name: mantel(states, proxy_contexts(S), rng=rng, permutations=199)
         for name, S in lines.items()}
claim("21.9", sum(test.p > 0.01 for test in sweep.values()))

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.8))
ax.plot([test.r for test in sweep.values()], list(sweep), "o", label="measured")
ax.plot([test.null.max() for test in sweep.values()], list(sweep), "|", color="C6",
        markersize=12, label="largest of 199 shuffles")
ax.axvline(0, color="C6", linewidth=0.8)
ax.invert_yaxis()
ax.set_xlabel("correlation over pairs of contexts")
ax.legend()
plt.show()

# %% [markdown]
# *The same correlation for each line of effective support, and what shuffling the contexts gives at most.*
#
# No line loses the relation. The further down it is drawn, the stronger the relation is: more words are more evidence
# about the state, up to all log-probabilities, which nearly are the state. So its strength at any one line says as
# much of the line as of the model.
#
# ## Angles between words
#
# The word vectors are the rows of $W$, about the mean of all rows: adding one vector to every word changes no
# probability, and the theory's words sum to zero. We take the words that are in at least three of the supports.

# %%
often = S.sum(axis=1) >= 3
unembedding = cosine_matrix(centred[rows[often]].T)
word_rivals = {name: cosine_matrix(words[often].T)
               for name, (words, _) in rivals.items()}
words_r = {name: off_diagonal_correlation(unembedding, A)
           for name, A in word_rivals.items()}
print(f"about {round(often.sum(), -2)} words")
claim("21.10", mantel(unembedding, word_rivals["NTP-SVM"], rng=rng).p)

# %%
claim("21.11", words_r["NTP-SVM"])

# %%
raw_words = cosine_matrix(P[rows[often]].T)
words_r["all probabilities"] = off_diagonal_correlation(unembedding, raw_words)
claim("21.13", partial_mantel(unembedding, word_rivals["NTP-SVM"], [raw_words],
                              rng=rng).p)

# %%
gained, words_r["shuffled supports"] = margin(unembedding, S, often)
claim("21.12", gained)

# %% tags=["remove-input"]
words_r["random, same sizes"] = off_diagonal_correlation(
    unembedding, cosine_matrix(proxy_vectors(random)[0][often].T))
fig, ax = plt.subplots(figsize=(6.4, 4.4))
show_bars(ax, words_r, "words")
plt.show()

# %% [markdown]
# *As before, for the angles between words.*
#
# For words the relation is weak, though outside all three nulls. And here supports add nothing: once the cosines of
# the raw probabilities are taken out, what is left of the prediction does not go along with the words at all. We had
# claimed the contrary, and the claim fails. Three hundred contexts show a word's possible company in a tiny sample of
# the language that shaped its vector, and this vector also serves as the word's input.
#
# ## Supports that do not come from the model
#
# The circle can be broken: count the supports in the text, and let the model only read the contexts. These are the
# five-token contexts that occur most often in the King James Version and have at least three different next tokens.
# Of this prediction nothing comes from the model but how it cuts words. The model has its own reasons to give other
# probabilities: it read mostly other text, and five tokens without what stands before them.

# %%
tokens = np.concatenate(text)
verse = np.repeat(np.arange(len(text)), [len(ids) for ids in text])
counted = SoftLabels.from_tokens(tokens, doc_ids=verse, context_length=5, min_support=3,
                                 max_contexts=SIZES["contexts"])
C = np.asarray(counted.contexts)                 # token ids, a context a row
counted = counted.restrict(range(counted.m))     # only tokens that come next
H_text = hidden_states(lm, C)
states_text = cosine_matrix(H_text)
truth = solve_ntp_svm(counted.S, tol=1e-3)
W_mm, H_mm = factor(truth.L)
foretold = cosine_matrix(H_mm)
print(f"{counted.V} words, {counted.m} contexts, {len(truth.counts)} supports")
claim("21.14", mantel(states_text, foretold, rng=rng).p)

# %%
claim("21.19", off_diagonal_correlation(states_text, foretold))

# %%
S_text = counted.S.toarray()
ids = np.array([int(word) for word in counted.vocab])
known = S_text.sum(axis=1) >= 3
words_text = cosine_matrix(centred[ids[known]].T)
test = mantel(words_text, cosine_matrix(W_mm[known].T), rng=rng)
claim("21.15", test.p)

# %%
contexts_gain, contexts_null = margin(states_text, S_text)
words_gain, words_null = margin(words_text, S_text, known)
claim("21.16", min(contexts_gain, words_gain))

# %% [markdown]
# Contexts of five tokens overlap: *it came to pass that* and *and it came to pass* share most of their words, so
# their states are alike for that reason alone, and perhaps their next words too. So the shared tokens are taken out,
# counted with and without their places, and whether the last is the same. Then, separately, the probabilities counted
# in the text.

# %%
bags = np.array([[np.sum(row == t) for t in np.unique(C)] for row in C]).T
places = np.mean(C[:, None] == C[None], axis=2)
last = (C[:, None, -1] == C[None, :, -1]).astype(float)
claim("21.17", partial_mantel(states_text, foretold,
                              [cosine_matrix(bags), places, last], rng=rng).p)

# %%
claim("21.18", partial_mantel(states_text, foretold,
                              [cosine_matrix(counted.P.toarray())], rng=rng).p)

# %% tags=["remove-input"]
own = partial_mantel(states_text, foretold, [cosine_matrix(bags), places, last],
                     rng=rng, permutations=199)
odds = partial_mantel(states_text, foretold, [cosine_matrix(counted.P.toarray())],
                      rng=rng, permutations=199)
table = [("contexts", off_diagonal_correlation(states_text, foretold)),
         ("contexts, shared tokens taken out", own.r),
         ("contexts, probabilities taken out", odds.r),
         ("contexts, shuffled supports, largest of 19", contexts_null),
         ("words", test.r), ("words, shuffled supports, largest of 19", words_null)]
HTML('<div class="ntp-table"><table><thead><tr><th>supports of the text</th><th>correlation</th></tr>'
     "</thead><tbody>" + "".join(f"<tr><td>{name}</td><td>{value:.3f}</td></tr>"
                                 for name, value in table) + "</tbody></table></div>")

# %% [markdown]
# So a count of one book, with no model in it, predicts something of how a model trained by others arranges the same
# contexts. The shared tokens do not explain it;
# the cosines of the text's probabilities explain a part, and something is left. For
# words the relation passes its tests and is close to nothing in size. A correlation of a few hundredths over pairs of
# words is a fact about many pairs, not about any one.
#
# ## Neural collapse, by token and by support
#
# Wu and Papyan {cite}`wu2024linguistic` measured neural collapse in language models, with a class for each next
# token, and found it to grow with size and training. In our theory the class is another: contexts collapse by
# *support*, and a next token belongs to many. On a text that is more than one-hot the two cannot both collapse. Their
# measures, for three kinds of class on the same states: the token that comes next in the text, the model's likeliest
# token, and the effective support at 0.1. Classes of one context have no spread and are left out.

# %%
patterns = effective_supports(P, threshold=0.1).toarray()
possible = np.flatnonzero(patterns.any(axis=1))
patterns = patterns[possible]
support = np.unique(patterns, axis=1, return_inverse=True)[1].ravel()
likeliest = P.argmax(axis=0)
following = np.array([ids[16] for ids in drawn])


def members(classes):
    """Which context is in which class of at least two, as rows of 0 and 1."""
    names, counts = np.unique(classes, return_counts=True)
    return (classes == names[counts > 1][:, None]).astype(float)


def mean_words(A):
    """For each class, the mean word vector of its next, likeliest or possible words."""
    counts = A @ patterns.T
    return counts @ centred[possible] / counts.sum(axis=1, keepdims=True)


vectors = {"next token": lambda A: centred[[following[a > 0][0] for a in A]],
           "likeliest token": lambda A: centred[[likeliest[a > 0][0] for a in A]],
           "support": mean_words}
kinds = {"next token": following, "likeliest token": likeliest, "support": support}
measured = {name: collapse_measures(H, members(c), vectors[name](members(c)))
            for name, c in kinds.items()}

# %% tags=["remove-input"]
SHOWN = {"variability": "NC1 (0)", "equinorm": "NC2, lengths (0)", "cosine": "NC2, mean cosine (below 0)",
         "cosine_spread": "NC2, its spread (0)", "uniformity": "GNC2 (0)", "duality": "NC3 (0)",
         "duality_spread": "UNC3 (0)", "agreement": "NC4 (1)"}


def cell(name, value):
    """A cell of the table, with its column's name for a narrow screen."""
    return f'<td><span class="ntp-head">{name}: </span>{value}</td>'


head = "".join(f"<th>{name}</th>" for name in measured)
counts = "".join(cell(name, len(members(c))) for name, c in kinds.items())
body = f"<tr><td>classes</td>{counts}</tr>" + "".join(
    f"<tr><td>{label}</td>" + "".join(cell(name, f"{getattr(m, key):.2f}") for name, m in measured.items()) + "</tr>"
    for key, label in SHOWN.items())
HTML('<div class="ntp-table"><table><thead><tr><th>measure (collapsed)</th>'
     f"{head}</tr></thead><tbody>{body}</tbody></table></div>")

# %% [markdown]
# *In brackets: the value at full collapse. For a support the class's word vector is the mean of its words.*
#
# None of the three kinds of class has collapsed. Each has a spread within its classes that is a good part of the
# distance between them. Word and class mean are nearer to a right angle (2) than to one direction (0).
#
# Numbers of different classes are not comparable as they stand: there are more of one kind than of another, and of
# other sizes. So each scatter (within classes over between them) is held against its own shuffles, on the contexts
# that have company in classes of both kinds.

# %%
def over_chance(X, classes, shuffles=199):
    """Scatter within over between classes, over its mean when they are shuffled."""
    null = [collapse_ratio(X, rng.permutation(classes)) for _ in range(shuffles)]
    return collapse_ratio(X, classes) / np.mean(null)


def in_company(*classes):
    """The contexts whose classes of every kind hold at least two of them."""
    kept = np.arange(len(classes[0]))
    while True:
        few = [np.unique(c[kept], return_inverse=True, return_counts=True)
               for c in classes]
        stay = np.all([n[i] > 1 for _, i, n in few], axis=0)
        if stay.all():
            return kept
        kept = kept[stay]


both = in_company(support, following)
print(f"{len(both)} contexts have company in both")
claim("21.21", over_chance(H[:, both], support[both])
      - over_chance(H[:, both], following[both]))

# %% [markdown]
# This comparison favours supports, and the margin is not large: of seven other draws of openings that we tried one
# came out on the other side. The model does not know which token the text goes on
# with, but it does know its own support. A harder question is whether supports say more than the likeliest token
# does. Among contexts with the same likeliest token, are those with the same support nearer? Here contexts are
# shuffled only within their likeliest token.

# %%
equal = [(c[:, None] == c[None]).astype(float) for c in (support, likeliest)]
claim("21.20", partial_mantel(states, equal[0], [equal[1]], rng=rng,
                              classes=likeliest).p)

# %% [markdown]
# And self-duality: does the mean state of the contexts before a token point at that token's word?

# %%
A = members(following)
means = H @ A.T / A.sum(axis=1)
w = vectors["next token"](A).T
both = np.hstack([center(means.T).T, center(w.T).T])
angles = cosine_matrix(both)[:len(A), len(A):]       # class means by words
null = [np.diag(angles[:, rng.permutation(len(A))]).mean() for _ in range(999)]
claim("21.22", (1 + np.sum(np.array(null) >= np.diag(angles).mean())) / 1000)

# %% [markdown]
# Three answers, then. States gather by support more than by the token that happens to come next, as expected, in most draws. The
# likeliest token does as much for them: whether contexts that agree on it also agree on the rest of their support
# makes no difference that this sample can show, and the claim that it would fails. (Few contexts share both, so the
# test is weak: of the seven other draws three passed it. This is no evidence against collapse by support, and hardly any for it.) And words do point at the mean
# states of their contexts, better than other words would, and far from exactly.
#
# ## What the dimension forbids
#
# *The softmax bottleneck* {cite}`yang2018breaking`: whatever the model has learned, its centred log-probabilities
# over all contexts are a matrix of rank at most $d$ ({prf:ref}`prop-log-gram` writes them as $P_VWH$). With more
# contexts than dimensions the cliff is there to see.

# %%
picked = rng.choice(lm.V, 2000, replace=False)
together = np.hstack([H, H_text])
Q = np.log(np.hstack([P[picked], softmax(W @ H_text)[picked]]))
s = np.linalg.svd(center(Q), compute_uv=False)
claim("21.25", s[lm.d] / s[lm.d - 1])

# %% tags=["remove-input"]
fig, ax = plt.subplots(figsize=(6.4, 3.4))
show_growth(ax, np.arange(1, len(s) + 1), {"singular value": s / s[0]}, xlabel="number",
            ylabel="over the largest", log="y")
ax.lines[0].set(marker="", linewidth=2)
ax.axvline(lm.d, color="C6", linestyle="--")
plt.show()

# %% [markdown]
# *Singular values of the centred log-probabilities, 2000 words by 600 contexts. Dashed: the dimension. What is right
# of it is rounding.*
#
# *Words that cannot come first* {cite}`demeter2020stolen,grivas2022low`. A word is the likeliest after some state,
# real or imagined, only if its vector is a corner of the convex hull of all words ({prf:ref}`thm-faces` with supports
# of one word). In two dimensions most of so many points are inside. And in hundreds? For each word of a sample we
# look for one of two certificates: a state that makes it the first choice, or a mixture of other words that equals
# it. A good first guess is the word's vector, less the mean, whitened. Where it fails, steps away from the strongest
# rival may mend it; where they do not, linear programmes decide.

# %%
def leads(words, guess):
    """By how much each word leads with its guess, its strongest rival, its logit."""
    L, columns = W @ guess.T.astype(np.float32), np.arange(len(words))
    logit = L[words, columns]
    L[words, columns] = -np.inf
    rival = L.argmax(axis=0)
    return logit - L[rival, columns], rival, logit


def try_guess(words):
    """First guesses for some words, and whether each is a clear first choice."""
    guess = np.linalg.solve(M, centred[words].T).T
    lead, _, logit = leads(words, guess)
    return guess, lead > 1e-3 * np.abs(logit)


def step_away(words, guess, steps=20):
    """Guesses moved away from the strongest rival, until each word leads."""
    left, guess = np.arange(len(words)), guess.copy()
    for _ in range(steps):
        lead, rival, _ = leads(words[left], guess[left])
        left, lead, rival = (x[lead <= 0] for x in (left, lead, rival))
        apart = centred[words[left]] - centred[rival]
        step = np.linalg.solve(M, apart.T).T
        size = np.sqrt(np.sum(apart * step, axis=1)) + 1e-9      # for twins
        push = 0.1 * np.sqrt(np.sum(guess[left] * (guess[left] @ M), axis=1))
        guess[left] += step * ((push - lead / size) / size)[:, None]
    return guess


X = W.astype(float)
far = np.linalg.norm(centred, axis=1)
groups = {"at random": rng.choice(lm.V, SIZES["sample"], replace=False),
          "nearest the mean": np.argsort(far, kind="stable")[:100]}
verdicts = {}
for name, words in groups.items():
    guess, first = try_guess(words)
    rest = words[~first]
    verdicts[name] = [is_argmaxable(X, z, start=g)
                      for z, g in zip(rest, step_away(rest, guess[~first]))]
    found = [v.argmaxable for v in verdicts[name]]
    print(f"{name}: {first.sum()} of {len(words)} at once, {found.count(True)} after",
          f"a search, {found.count(False)} cannot")

# %%
claim("21.26", sum(v.argmaxable is None for found in verdicts.values() for v in found))

# %%
claim("21.27", sum(v.argmaxable is False for v in verdicts["at random"]))

# %%
near = verdicts["nearest the mean"]
twins = [z for z, v in zip(groups["nearest the mean"][~first], near)
         if v.weights is not None]
print("tokens that cannot come first:", " ".join(lm.words(twins[:6])))
print("mixtures of one other word, with the same vector:",
      all(len(v.weights) == 1 for v in near if v.weights))

# %% [markdown]
# Nearly every word is a corner, and a first guess shows it. What remains are *twins*, groups of tokens with exactly
# the same vector, close to the mean: marks that training hardly met. (Whether they were equal before the weights were
# rounded to four bits cannot be seen here.) Twins can at best tie for the first place. Apart from them nothing in
# the sample is out of reach. That is the other side of {prf:ref}`thm-moment`: a few hundred dimensions have room for
# very many corners. A sample shows nothing of the tokens outside it; the full scale tries ten times as many.
#
# ## What to take away
#
# - In a real model the words that can come next do go with the angles between contexts: beyond chance,
#   beyond sizes and common words, beyond the cosines of the probabilities, and also when the supports are counted in a text that the model did
#   not write.
# - The simplest form of the prediction, common words counted, does better than the geometry derived for the limit.
# - Between words the relation is faint, and the probabilities account for it.
# - A vocabulary far beyond the dimension forbids this model little: most of its
#   effective supports are small enough, and almost all of its words are corners.
#
# ## What this does not show
#
# - *One model, one text.* A small model, instruct-tuned, rounded to four bits, on one old book that it has most
#   likely met. Another size or text may differ.
# - *No trend.* Whether the relation grows with training, as the theory would have it, needs checkpoints; one copy has
#   none.
# - *Not a test of the theorem.* Its assumptions, free contexts, a vanishing ridge, zeros in the probabilities, do not
#   hold here. A strong relation would not prove it, and this moderate one does not refute it.
# - *Pairs are not independent.* Mantel's test allows for that; the partial tests are approximate where a dependence
#   is curved, and a low p-value says nothing of size.
#
# ## Exercises
#
# 1. Take `openings` from another text of yours, in today's English. Does the order of the bars change?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    Replace `verses().values()` by a list of strings, each of more than sixteen tokens. The controls must be run again
#    with it: their values are those of the sample, not of the model. The section on counted supports needs a text long
#    enough that five-token contexts repeat.
#    ```
#
# 2. The proxy's contexts have the Gram matrix $(\tilde S^\top\tilde S)^{1/2}$, and *centred support* has $\tilde
#    S^\top\tilde S$. Try the powers between and beyond. What would a power near one say of how the model divides its
#    logits between words and contexts?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    With $\tilde S = U\Sigma V^\top$, contexts $\Sigma^{a}V^\top$ have the Gram matrix $V\Sigma^{2a}V^\top$; balanced
#    factors have $a = 1/2$, and $a = 1$ leaves all of $\Sigma$ to the contexts and none to the words. Compute
#    `cosine_matrix(sigma[:, None]**a * Vt)` for several $a$ and correlate. If larger powers agree better, the logits'
#    scales sit in the contexts: words are then closer to equal in all directions, which is what {prf:ref}`prop-log-gram`
#    needs for the angles to be fixed.
#    ```

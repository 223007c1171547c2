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
# (ch-your-own)=
# # Bring your own text and model
#
# Everything in this book is computed from one table: which words have followed which contexts. You have a text; so you have
# such a table. One function, `geometry_report`, counts it, predicts where training would put words and contexts, says which parts
# of the prediction are proved and which are bracketed, and, if you bring vectors of your own, how far they agree and
# whether chance or mere frequency would do as well. It returns numbers and figures, and writes one page that opens anywhere, without a network.
#
# This chapter makes such a report for the whole King James Version, reads it line by line, and then tries to
# break it: with random vectors, with vectors that know only how often a word occurs, with the worst texts
# we could think of, with a text that no test of this project has seen, and with a million tokens against the clock.
#
# *Twelve minutes to read, about half a minute to run on one CPU core. No GPU is used.*

# %% tags=["colab-install", "remove-cell"]
# In Colab the published copy of this notebook installs ntputils here.

# %%
import math
import pydoc_data.topics
import re
import tempfile
import textwrap
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from IPython.display import HTML, display

from ntputils import (SoftLabels, build_model, center, claim,
                      compare_geometries, fit, geometry_report, load_corpus,
                      predict, scale, session)
from ntputils.plots import style

SEED = 22
rng = np.random.default_rng(SEED)
folder = Path(tempfile.mkdtemp())
style()

# %% tags=["remove-input"]
session()

# %% [markdown]
# The scales differ in the length of training only: the report itself is run at its real size in both.

# %%
SIZES = {"small": {"d": 48, "steps": 600, "reader": 300},
         "full": {"d": 128, "steps": 20_000, "reader": 10_000}}[scale()]
print(", ".join(f"{name} {value}" for name, value in SIZES.items()))

# %% [markdown]
# ## From a text to a report
#
# With a text of your own it is three lines: `text = Path("my-text.txt").read_text()`, `report = geometry_report(text)`,
# `report.to_html("report.html")`; or, from a shell, `python -m ntputils my-text.txt`. Here the text comes with the
# package. A context is two tokens unless you say otherwise.

# %%
corpus = load_corpus("kjv")
report = geometry_report(corpus, name="King James Version")
path = report.to_html(folder / "report.html")
report

# %% [markdown]
# ## Reading the numbers
#
# **How much was counted.** A context that was seen once has one next word, whatever the language would allow, and its support says
# so. The theory takes supports at their word. So the first thing to look at is how many contexts that concerns, and
# how many of the tokens: rare contexts are many, and together rare.

# %%
n = report.numbers
for key in ("occurrences", "words", "contexts", "contexts_once",
            "one_hot_contexts", "distinct_supports", "largest_support"):
    print(f"{key.replace('_', ' '):18s}{n[key]:9,d}")
print(f"one-hot: {n['one_hot_contexts'] / n['contexts']:.2f} of the contexts, "
      f"{n['one_hot_occurrences']:.2f} of the tokens")

# %% [markdown]
# **One-hot contexts** are ordinary classification: where there are no others the prediction is that of neural collapse, SELI
# ({ref}`ch-symmetric-worlds`), and says nothing that is particular to language. All one-hot contexts of a word are one
# point, so there are at most $V$ distinct supports among them. That is why merging equal supports pays.
#
# **Entropy** is the smallest training loss that any model of these contexts can have ({ref}`ch-soft-labels`), and **a dimension that
# suffices** to come as near to it as one likes is twice the largest support ({ref}`ch-how-small`): a guarantee, not advice.
#
# Are the counts right? A recount of a part of the text, with nothing but dictionaries:

# %%
part = corpus.head(100_000)
short = geometry_report(part, exact_on=5, directions=5).numbers
follow = defaultdict(Counter)
for i in range(part.n - 2):
    if part.doc_ids[i] == part.doc_ids[i + 2]:
        follow[tuple(part.tokens[i:i + 2])][part.tokens[i + 2]] += 1
totals = [sum(c.values()) for c in follow.values()]
sizes, all_ = [len(c) for c in follow.values()], sum(totals)
entropy = -math.fsum(k * math.log(k / t)
                     for c, t in zip(follow.values(), totals) for k in c.values())
again = {"occurrences": all_, "contexts": len(follow), "entropy": entropy / all_,
         "contexts_once": totals.count(1), "one_hot_contexts": sizes.count(1),
         "distinct_supports": len({frozenset(c) for c in follow.values()}),
         "largest_support": max(sizes),
         "mean_support": np.dot(sizes, totals) / all_}
claim("22.1", max(abs(short[key] / value - 1) for key, value in again.items()))

# %% [markdown]
# **Geometry.** The matrix of this text has $V\times m$ entries, more than a billion; it is never formed. Contexts with one support are merged,
# each distinct one weighted by the root of their number, and centring is done on the fly:
# $\tilde Sx = Sx - \tfrac1V\mathbf 1\,(k^\top x)$, with $k_j$ the size of support $j$, costs one addition for each
# word of each support. From that alone the leading singular triples come out (ARPACK), or all of them from the smaller Gram matrix where
# one side is below a thousand. Both against a dense decomposition, on a part of the text small enough for one:

# %%
off, tail = [], []
for vocabulary, directions in ((600, None), (1200, 40)):
    labels = SoftLabels.from_tokens(corpus.head(25_000), context_length=2,
                                    vocab_size=vocabulary)
    found = predict(labels, exact=False, directions=directions)
    supports, _, counts = labels.merge_supports()
    s = np.linalg.svd(center(supports.toarray()) * np.sqrt(counts),
                      compute_uv=False)
    off.append(np.abs(found.sizes / s[:len(found.sizes)] - 1).max())
    tail.append((s.sum(), *found.norm))
claim("22.2", max(off))

# %% [markdown]
# What the directions that were not computed would add is unknown but not unbounded:
#
# ```{prf:proposition} A nuclear norm from its leading part
# :label: prop-bracket
#
# Let $A$ have rank at most $R$ and singular values $\sigma_1\ge\sigma_2\ge\dots$, of which the first $r$ are known and not zero, and let $t =
# \lVert A\rVert_F^2-\sum_{i\le r}\sigma_i^2$. Then
#
# $$
# \sum_{i\le r}\sigma_i + \frac{t}{\sigma_r} \;\le\; \lVert A\rVert_* \;\le\; \sum_{i\le r}\sigma_i + \sqrt{(R-r)\,t}.
# $$
# ```
#
# ```{admonition} Proof
# :class: dropdown
#
# The values left out have squares that sum to $t$, and none exceeds $\sigma_r$: $\sigma_i\ge\sigma_i^2/\sigma_r$, which sums to the
# left side. There are at most $R-r$ of them: the right side is Cauchy-Schwarz.
# ```
#
# For $\tilde S$ the Frobenius norm is known without any decomposition, $\lVert\tilde S\rVert_F^2=\sum_j k_j(1-k_j/V)$. Together with
# the sandwich of {prf:ref}`prop-sandwich`, $\lVert\tilde S\rVert_F^2/\lVert\tilde S\rVert_2\le\lVert L^{\mathrm{mm}}\rVert_*\le\lVert\tilde
# S\rVert_*$, this brackets the norm of the solution for a text of any size. On long texts the bracket is wide, and the report prints both ends.

# %%
norm, low, high = tail[1]
print(f"least nuclear norm, whole text: from {n['optimum_low']:,.0f} "
      f"to {n['optimum_high']:,.0f}")
claim("22.3", (norm - low) / (high - low))

# %% [markdown]
# **A named subset** gets better than a bracket. For the supports that hold the most tokens, NTP-SVM itself is solved, with its certificate, over
# the whole vocabulary; the report names them, and says how near the proxy comes there. `exact_on=` takes a number, or
# the contexts that *you* care about.

# %%
print(textwrap.fill("; ".join(report.named[:12]) + " ...", 72))
print(f"{n['subset_supports']} supports, {n['subset_contexts']:,} contexts, "
      f"{n['subset_occurrences']:.2f} of the tokens")
claim("22.4", n["subset_gap"])

# %%
claim("22.5", n["subset_cosine"])

# %% [markdown]
# One context stands for each support: some of the names stand for themselves, as *of the*; others, like *: yea*, for the hundreds of
# contexts that were followed by one and the same word, here a comma. On this subset proxy and solution are all but parallel, which is some reason to trust the proxy for the rest and no proof: supports outside
# were not solved.
#
# ## Looking at the prediction
#
# The two leading directions, with frequent words and contexts:

# %%
report.figures["map"]

# %% [markdown]
# *Words (dots) and contexts (crosses) along the two leading directions of the proxy. A context points towards what follows it. The words
# farthest out follow the most contexts, the comma and* the *among them, and the second direction tells these two apart. Rare words sit
# near the centre: length is mostly frequency ({ref}`ch-imbalance`), and the angle is the rest.*
#
# A map of two directions hides the others. Neighbours use all that were computed:

# %%
for word in ("moses", "king", "water", "seven", "went"):
    near = report.nearest_words(word, 5, among=1000)
    print(f"{word:8s}", ", ".join(f"{other} {c:.2f}" for other, c in near))
for context in ("and he", "of the"):
    near = report.nearest_contexts(context, 4, among=300)
    print(f"{context:8s}", "; ".join(f"{other} {c:.2f}" for other, c in near))

# %% [markdown]
# Names gather with names, numerals with numerals, verbs in the past with such verbs; *king* is among words that stand after *the*, nouns or not, and no
# queen is near: what counts is which two tokens came before, nothing else. The list is among the thousand most frequent words (`among=`). Among all words the nearest to a rare one are those that
# followed the same single context, at cosine one exactly: correct, and no news.
#
# ## With vectors of your own
#
# Suppose you trained something. To have a case where we know the answer, take the 200 most frequent contexts over the 300 most frequent words,
# and train free vectors on them, the model of the theory. Then hand the report the vectors, as you would hand it yours.
# It takes a mapping from words to vectors, an array, gensim's `KeyedVectors`, a `NextTokenModel`, or any function from contexts to vectors.

# %%
labels = SoftLabels.from_tokens(corpus, context_length=2, vocab_size=300,
                                max_contexts=200)
model = build_model("ufm", labels, d=SIZES["d"], seed=SEED)
fit(model, labels, steps=SIZES["steps"], lr=0.02)
trained = geometry_report(labels, model=model)
claim("22.6", max(one.p for one in trained.agreements))

# %% [markdown]
# What stands in the report for each:
#
# | number | what it is | beware |
# |---|---|---|
# | correlation, $p$ | cosines of all pairs of items, yours against predicted; Mantel's test shuffles items ({ref}`ch-measures`) | a small $p$ says *not nothing*, and no more |
# | between supports | the same, over distinct supports, each by its mean cosine | without it, agreement on who is equal may be all there is |
# | sizes known | partial correlation, given how many contexts each word follows, or words each context | guards against mere frequency; see below |
# | CKA | alignment of centred Gram matrices | never near zero by itself; its shuffled value stands beside it |
# | with a vector | how many words you have vectors for | the others are left out |
#
# A model that reads its contexts, and has never heard of supports:

# %%
reader = build_model("mlp", labels, d=SIZES["d"], seed=SEED)
fit(reader, labels, steps=SIZES["reader"], lr=3e-3)
read = geometry_report(labels, model=reader)
claim("22.7", read.agreements[1].p)

# %% [markdown]
# Both are recognised, and the report says by how much:

# %% tags=["remove-input"]
display(HTML("".join(f"<p><b>{who}.</b> {one.sentence}</p>"
                     for who, made in {"Free vectors": trained, "Reader": read}.items()
                     for one in made.agreements)))

# %% [markdown]
# Would anything be recognised? Forty sets of random vectors, compared by the same function on the hundred most frequent
# words:

# %%
prediction, follows = trained.prediction, labels.S.sum(axis=1)
words = [z for z in trained.top_words if follows[z]][:100]


def compare(vectors, words=words, target=prediction.W, sizes=follows,
            shuffles=199):
    """What the report does with word vectors, for some words."""
    return compare_geometries(target[words].T, vectors[words].T, what="words",
                              groups=words, sizes=sizes[words], rng=rng,
                              permutations=shuffles)


random = [compare(rng.normal(size=(labels.V, SIZES["d"]))).p
          for _ in range(40)]
claim("22.8", sum(p <= 0.05 for p in random))

# %% [markdown]
# And the answer must not depend on what means nothing: a rotation of the space, a scale, or the order in which your file lists the words.

# %%
W = model.W.detach().numpy().astype(float)
Q = np.linalg.qr(rng.normal(size=(SIZES["d"], SIZES["d"])))[0]
mine = {labels.vocab[z]: 7 * W[z] @ Q for z in rng.permutation(labels.V)}
turned = geometry_report(labels, embeddings=mine).agreements[0]
straight = trained.agreements[0]
claim("22.9", max(abs(getattr(turned, key) - getattr(straight, key))
                  for key in ("r", "p", "between", "partial", "cka")))

# %% [markdown]
# ### Vectors that know only frequency
#
# The hardest control. Put the words of the whole text on a quarter of a circle, in the order of their frequency: vectors that know how often
# a word occurs and nothing else. Do they agree with the prediction, and what is left once frequency is known?

# %%
many = report.top_words[:300]
angle = np.linspace(0, np.pi / 2, 300)
arc = np.zeros((report.labels.V, 2))
arc[many] = np.column_stack([np.cos(angle), np.sin(angle)])
follows = np.bincount(report.labels.S.indices, minlength=report.labels.V)
known = compare(arc, many, report.proxy.W, follows, 999)
print(textwrap.fill(known.sentence, 72))
claim("22.10", known.r)

# %%
claim("22.11", known.partial)

# %% [markdown]
# So read *sizes known* before you are pleased with a correlation. It is a linear control on the logarithms of sizes, and
# its $p$-value is approximate where the dependence is curved ({ref}`ch-measures`): a guard, not a proof.
#
# ## Your own counts, your own tokens
#
# Nothing in the report needs words. Counts of anything that follows anything will do, rows by columns, with names:

# %%
days = ["sun", "cloud", "rain", "snow"]
weather = SoftLabels.from_counts(
    [[8, 3, 0, 0], [2, 5, 1, 0], [0, 2, 6, 2], [0, 0, 3, 9]],
    vocab=days, contexts=[f"after {day}" for day in days])
own = geometry_report(weather)
print("; ".join(f"{name} {c:.2f}"
                for name, c in own.nearest_contexts("after snow", 3)))
print("the proxy is optimal:", bool(own.numbers["proxy_is_optimal"]))

# %% [markdown]
# For a language that is written without spaces, or to stay near what a model reads, choose other tokens: `tokenizer="characters"`,
# byte pairs learned from the text (`"bpe-512"`), or your tokenizer's own function from a string to a list of strings.

# %%
verse = "天地玄黃宇宙洪荒日月盈昃辰宿列張寒來暑往秋收冬藏"
verse += "天地日月寒暑秋冬來往收藏"
for tokenizer in ("words", "characters"):
    try:
        print(tokenizer, geometry_report(verse, tokenizer=tokenizer,
                                         context_length=1))
    except ValueError as error:
        print(textwrap.fill(f"{tokenizer}: {error}", 72))

# %% [markdown]
# ## A text that no test has seen
#
# Every Python carries a handbook of its own language, prose mixed with grammar and code. No test of this project reads it, and it differs from
# one version of Python to the next, so that nothing below prints its numbers. Ten promises are checked: identities, proved
# inequalities, properties of the page.

# %%
handbook = geometry_report("\n\n".join(pydoc_data.topics.topics.values()))
p, k = handbook.proxy, handbook.numbers
page = handbook.to_html(folder / "handbook.html").read_text(encoding="utf-8")
echo = geometry_report(handbook.labels, embeddings=handbook.prediction.W)
wants = r"<script|<iframe|@import|url\((?!#)|(?:src|href)=\"(?!#|data:)"
checks = [0 <= k["entropy"] <= np.log(k["largest_support"]),
          k["contexts_once"] <= k["one_hot_contexts"] <= k["contexts"],
          (p.counts.sum(), len(p.counts)) == (k["contexts"], k["distinct_supports"]),
          np.all(np.diff(p.sizes) <= 1e-9) and p.sizes[-1] > 0,
          np.sum(p.sizes**2) <= p.energy * (1 + 1e-9),
          k["optimum_low"] <= k["optimum_high"] and p.norm[0] <= p.norm[1],
          k["subset_gap"] <= 1e-4 and k["subset_excess"] >= -1e-9,
          np.abs(p.W.sum(axis=0)).max() < 1e-6 * np.abs(p.W).sum(axis=0).max(),
          echo.agreements[0].r > 1 - 1e-9 and echo.agreements[0].p <= 0.01,
          not re.findall(wants, page) and f"{k['contexts']:,}" in page]
claim("22.12", sum(not check for check in checks))

# %% [markdown]
# ## A million tokens against the clock
#
# Tokens drawn from Zipf's law one by one are harder on the report than a real text: almost every pair of words is a new
# context.

# %%
letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
names = ["".join(letters[[z // 26**i % 26 for i in range(4)]])
         for z in range(30_000)]
weights = 1 / np.arange(1, 30_001)
drawn = rng.choice(30_000, size=1_000_000, p=weights / weights.sum())
text = " ".join(names[z] for z in drawn)
start = time.process_time()
million = geometry_report(text)
zipf_page = million.to_html(folder / "zipf.html")
seconds = time.process_time() - start
claim("22.13", seconds)

# %% [markdown]
# What it costs, roughly: tokenising and counting are linear in the text; the leading directions cost 64 or so passes over the distinct pairs of a
# context and a word; NTP-SVM costs the named subset, which does not grow with the text.
#
# And the page? It holds its figures, its styles and its tables, and asks for nothing:

# %%
pages = [one.read_text(encoding="utf-8") for one in (path, zipf_page)]
claim("22.14", sum(len(re.findall(wants + "|https?:", one)) for one in pages))

# %% [markdown]
# ## Degenerate texts
#
# What should a report say of a text with one word? Not crash, and not pretend.

# %%
degenerate = {
    "one context": "a b", "one word": "a a a a", "two words": "a b a b b a a b",
    "nothing": " \n ", "one token": "a", "one-hot": "a b c d e f g a b c d e f",
    "equal supports": SoftLabels.from_counts([[1, 2], [2, 1], [0, 0], [0, 0]]),
    "full supports": SoftLabels.from_counts([[1, 2], [2, 1]]),
    "no text at all": None}
silent = 0
for name, given in degenerate.items():
    try:
        options = {"context_length": 1} if isinstance(given, str) else {}
        said = geometry_report(given, **options).notes[:1]
    except (TypeError, ValueError) as error:
        said = [str(error)] if re.match(r"\w+: got", str(error)) else []
    silent += not said
    print(f"{name:15s}", *(re.split(r"\. |[,;] | \(", note)[0] for note in said))
claim("22.15", silent)

# %% [markdown]
# ## What to take away
#
# - Any text, or any table of counts, has a predicted geometry, and it costs seconds.
# - Read the notes first: seen once, one-hot, share of the directions.
# - Of an agreement read three numbers: the correlation, what shuffles reach, and what is left once sizes are known.
#
# ## What this does not show
#
# - *What your model does.* The prediction is the limit of training to the end, with a vanishing ridge, on exactly these contexts. Real models
#   stop early, see longer contexts and share parameters; {ref}`ch-pretrained` holds one against such a prediction. No agreement
#   may mean that the model is elsewhere, not that the theory is wrong or the vectors are bad.
# - *What the language allows.* Supports are those of your text. Twice the text has more of them, and larger ones.
# - *The solution, beyond the named subset.* There the proxy speaks. It has been near the solution wherever both were computed.
# - *All directions.* On long texts angles come from the leading ones. The share of the squared norm that they hold stands in the report.
#
# ## Exercises
#
# 1. Make a report of the same text with `context_length=1`, 2 and 3. Before you look: which of entropy, one-hot share, and largest support
#    rise with the length?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    Only the one-hot share: of the tokens by {prf:ref}`thm-more-masks`, of the contexts as a rule. A longer context splits the occurrences of its last words among several: entropy falls, since conditioning never
#    raises it (up to the few tokens at the beginnings of documents), and supports become parts of supports. In the limit every context is
#    seen once, entropy is zero and the geometry is that of a classifier.
#    ```
#
# 2. Give the report word vectors from a library of your choice, trained on other texts. Find a word whose neighbours differ most
#    between them and the prediction. Which counts would have to change?
#
#    ```{admonition} Solution
#    :class: dropdown
#
#    `report.nearest_words(word)` against the library's own list. The prediction knows only which contexts of *this* text the word has followed:
#    print `[report.labels.context(j) for j in report.labels.S[[z]].indices]`, with `z` its row, and look for contexts that you would expect and that
#    are missing. Most often the word is too rare.
#    ```

"""A report as one page: plain HTML with its figures in it, no script, nothing to fetch."""

from __future__ import annotations

import html
import io
import math
import os
import re
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from ._hints import PathLike
from ._report_figures import shown
from .concepts import Concepts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .report import Report

_ROWS = (             # name, what it is, what it says
    ("occurrences", "tokens counted", "each with the context before it"),
    ("words", "distinct words, V", "rows of the logits"),
    ("contexts", "distinct contexts, m", "columns of the logits"),
    ("contexts_once", "of these, seen once", "their support is one word, for want of text"),
    ("one_hot_contexts", "followed by one word only", "one-hot, as in classification"),
    ("one_hot_occurrences", "their share of the tokens", "from 0 to 1"),
    ("full_contexts", "followed by every word", "their predicted vector is zero"),
    ("distinct_supports", "distinct supports", "contexts with one support are one point"),
    ("mean_support", "next words of a context", "mean over occurrences"),
    ("largest_support", "next words at most", ""),
    ("entropy", "entropy, in nats", "no model of these contexts has a smaller training loss"),
    ("sufficient_dimension", "a dimension that suffices", "2 max k, or V - 1: enough to come as near the entropy as one likes"),
    ("directions", "predicted directions kept", "singular triples of the centred supports, the proxy"),
    ("directions_share", "their share of the squared norm", "1: all there are"),
    ("stable_rank", "stable rank", "squared norm over the largest squared singular value"),
    ("effective_rank", "effective rank", "exponential of the entropy of the singular values"),
    ("optimum_low", "least nuclear norm, at least", "proved: by the solver, or squared norm over largest singular value"),
    ("optimum_high", "least nuclear norm, at most", "the solver's; or the proxy's, or what is known to be above it"),
    ("proxy_is_optimal", "the proxy is the solution", "1 yes, 0 no; proved where it is computed"),
    ("subset_supports", "supports solved exactly", "NTP-SVM, with a certificate"),
    ("subset_contexts", "contexts that have them", ""),
    ("subset_occurrences", "their share of the tokens", ""),
    ("subset_gap", "gap of the solver", "how far above the optimum it can be, relative"),
    ("subset_cosine", "cosine of solution and proxy", "1: one direction"),
    ("subset_excess", "the proxy's norm exceeds the least by at most", "relative"),
    ("model_loss", "training loss of the model", "to be held against the entropy"),
)
_CAPTIONS = {
    "supports": ("How many contexts have at least so many distinct next words.", "A falling line: few contexts have many next "
                 "words."),
    "spectrum": ("Singular values of the predicted logits: how many directions the text asks for, and how strongly.",
                 "Falling singular values."),
    "map": ("Frequent words and contexts along the two leading directions. A context points towards the words that follow it; "
            "only directions from the centre count.", "A map of words and contexts around a common centre."),
    "words": ("Predicted cosines of frequent words: orange alike, purple opposed.", "A matrix of cosines between words."),
    "contexts": ("Predicted cosines of frequent contexts, one for each support.", "A matrix of cosines between contexts."),
}
_CSS = """
:root { color-scheme: light dark; --ink: #1c1c1c; --ground: #fff; --soft: #666; --line: #d8d8d8; --card: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --ground: #16181b; --soft: #a8b0b8; --line: #3a3f45; --card: #f4f4f2; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 52rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--ground); overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.2rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .3rem .5rem;
  border-bottom: 1px solid var(--line); } thead th { overflow-wrap: normal; } td:first-child { min-width: 5rem; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.why, figcaption, footer { color: var(--soft); } figure { margin: 1rem 0; }
figure svg { width: 100%; max-width: 40rem; height: auto; background: var(--card); border-radius: 6px; padding: 6px; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@media (max-width: 30rem) { td.why { display: none; } }
"""


def number(value: float) -> str:
    """A number for a reader."""
    if not math.isfinite(value):
        return "not computed"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.2g}" if abs(value) < 1e-3 else f"{value:,.4g}" if abs(value) < 9999.5 else f"{value:,.0f}"


def numbers_table(report: Report) -> str:
    """The numbers with what they say, as a table."""
    rows = "".join(f'<tr><th scope="row">{what}</th><td class="n">{number(report.numbers[key])}</td><td class="why">{why}</td>'
                   "</tr>" for key, what, why in _ROWS if math.isfinite(report.numbers.get(key, math.nan)))
    return f'<table class="ntp-benchmark"><tbody>{rows}</tbody></table>'


def page(report: Report) -> str:
    """The whole page."""
    title = f"The geometry of {_safe(report.name, 80)}"
    intro = (f"{report.labels.V:,} words and {report.labels.m:,} contexts, counted; and where a model that is trained to predict "
             "the next word is predicted to put them, from the table of which words have followed which contexts.")
    keep = "".join(f"<li>{html.escape(note)}</li>" for note in report.notes)
    parts = [f"<h1>{title}</h1><p>{intro}</p>", f"<h2>Keep in mind</h2><ul>{keep}</ul>" if keep else "", _agreements(report),
             f"<h2>Numbers</h2>{numbers_table(report)}", _figures(report), _poles(report), _neighbours(report), _subset(report)]
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            f'content="width=device-width, initial-scale=1"><title>{title}</title><style>{_CSS}</style></head>\n<body><main>'
            + "\n".join(filter(None, parts)) + "</main>\n<footer><p>Made with ntputils, the library of an executable edition of "
            "<cite>Implicit Geometry of Next-Token Prediction</cite> (Zhao, Behnia, Vakilian and Thrampoulidis 2024). What is "
            "predicted is the limit of training on this text with a vanishing ridge; real training may be far from it."
            "</p></footer></body></html>\n")


def _safe(token: str, most: int = 24) -> str:
    return f"<bdi>{html.escape(shown(token, most))}</bdi>"


def _table(head: list[str], rows: list[list[str]], caption: str) -> str:
    first = "".join(f'<th scope="col">{name}</th>' for name in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table><caption class="hidden">{caption}</caption><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table>'


def _agreements(report: Report) -> str:
    if not report.agreements:
        return ""
    rows = [[one.what, *(number(x) for x in (one.r, one.p, one.between, one.partial)),
             f"{number(one.cka)} (shuffled {number(one.cka_chance)})", f"{one.covered:,} of {one.total:,}"]
            for one in report.agreements]
    told = "".join(f"<p>{html.escape(one.sentence)}</p>" for one in report.agreements)
    labels = ("of", "correlation", "p", "between supports", "sizes known", "CKA", "with a vector")
    lists = "".join("<dl>" + "".join(f"<dt>{name}</dt><dd>{cell}</dd>" for name, cell in zip(labels, row)) + "</dl>"
                    for row in rows)
    return f"<h2>Your vectors</h2>{told}<details><summary>All numbers of agreement</summary>{lists}</details>"


def _figures(report: Report) -> str:
    drawn = "".join(f"<figure>{svg(figure, name)}<figcaption>{_CAPTIONS[name][0]}</figcaption></figure>"
                    for name, figure in report.figures.items())
    return f"<h2>Figures</h2>{drawn}"


def svg(figure: Figure, name: str) -> str:
    """A figure as an element of the page: text stays text, and no name in it meets one of another figure's."""
    target = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")      # the page's fonts know more letters than matplotlib's
        figure.savefig(target, format="svg", bbox_inches="tight", facecolor="none",
                       metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = target.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg"):], flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r'\sid="([^"]+)"', rf' id="{name}-\1"', text)
    text = re.sub(r'(href="|url\()#', rf"\1#{name}-", text)
    return _bare(text).replace("<svg", f'<svg role="img" aria-label="{_CAPTIONS[name][1]}"', 1).strip()


def _bare(text: str) -> str:
    """The svg tag without what only a file of its own needs."""
    end = text.index(">")
    return re.sub(r'\s(xmlns(:\w+)?|version|width|height)="[^"]*"', "", text[:end]) + text[end:]


def _poles(report: Report) -> str:
    """The words at both ends of the leading directions."""
    p = report.prediction
    if not p.sizes.size:
        return ""
    words = report.top_words[:500]
    names = [report.labels.vocab[z] for z in words]
    concepts = Concepts(p.sizes, p.W[words] / np.sqrt(p.sizes), np.empty((0, p.sizes.size)))
    rows = [[str(i + 1), *(" ".join(_safe(w) for w in end) for end in concepts.poles(names, i, count=7))]
            for i in range(min(5, p.sizes.size)) if np.any(np.abs(concepts.words[:, i]) > 1e-12)]
    return "<h2>Concepts</h2><p>Words at the two ends of the leading directions, among the 500 most frequent.</p>" + _table(
        ["", "one end", "other end"], rows, "Words at the ends of the leading directions")


def _neighbours(report: Report) -> str:
    rows: list[list[str]] = []
    labels = report.labels
    for z in report.top_words[:300]:
        if len(rows) == 16:
            break
        word = labels.vocab[z]
        near = [(w, c) for w, c in report.nearest_words(word, 5, among=500) if c >= 0.005]
        if near and (any(c.isalpha() for c in word) or len(labels.vocab) < 40):
            rows.append([_safe(word), ", ".join(f"{_safe(w)} {c:.2f}" for w, c in near)])
    told = _table(["word", "nearest, with cosines"], rows, "Nearest words") if rows else ""
    rows = []
    for j in report._first[:12]:
        near = [(x, c) for x, c in report.nearest_contexts(int(j), 4, among=300) if c >= 0.005]
        if near:
            rows.append([_safe(labels.context(j), 40), f"{report.same_support(int(j)):,}",
                         "; ".join(f"{_safe(c, 40)} {x:.2f}" for c, x in near)])
    if rows:
        told += "<h2>Nearest contexts</h2><p>Equals have the same support, the context itself included.</p>" + _table(
            ["context", "equals", "nearest others, with cosines"], rows, "Nearest contexts")
    return f"<h2>Nearest words</h2><p>Among the 500 most frequent; at acute angles only.</p>{told}" if told else ""


def _subset(report: Report) -> str:
    names = ", ".join(_safe(name, 40) for name in report.named)
    return (f"<details><summary>The {len(report.named):,} supports that NTP-SVM was solved for, each by one context</summary>"
            f"<p>{names}</p></details>")


def write(path: PathLike, text: str) -> Path:
    """Writes a page beside `path` and renames it."""
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path

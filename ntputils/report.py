"""A reader's own text, and vectors of their own: what the theory predicts for it, and how well they agree, as one page."""

from __future__ import annotations

import functools
import html
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._hints import ArrayLike, PathLike, Tokenizer
from ._report_numbers import geometry, notes, on_subset, sizes
from .agreement import Agreement, compare_geometries, model_vectors, word_vectors
from .corpus import load_corpus
from .prediction import Prediction, predict
from .svm import ConvergenceWarning
from .theory import ntp_loss
from .types import Corpus, SoftLabels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Report", "geometry_report"]

_ALL = 200            # up to so many distinct supports NTP-SVM is solved for all of them
_SUBSET = 100         # and for so many otherwise, those with the most occurrences
_TOL = 1e-4           # the relative duality gap asked for
_ITERATIONS = 500    # that the solver may spend
_ITEMS = 300          # words, or contexts, that vectors are compared on, the most frequent
_DENSE = 4_000_000    # up to so many entries of the logits a model's loss is computed


@dataclass(frozen=True)
class Report:
    """What `geometry_report` found. Shown in a notebook it is a table; `to_html` makes a page of it.

    Source: chapter 22, "A nuclear norm from its leading part"; Zhao et al. (2024).

    Attributes:
        name: of the text.
        labels: its soft labels.
        proxy: the predicted geometry of all words and contexts, from the centred supports.
        exact: the solution of NTP-SVM for the named subset of supports, over all words.
        subset: numbers of the contexts of that subset, all that have one of its supports, (contexts,).
        named: one context for each of its supports, most occurrences first.
        numbers: every number of the report by name, losses in nats; `nan` for what was not computed.
        agreements: with the reader's vectors, if there are any.
        notes: what to keep in mind, in words.

    >>> report = geometry_report("the cat sat . the dog sat . a cat ran . a dog ran .", context_length=1)
    >>> report.prediction.exact, [report.labels.vocab[z] for z in report.top_words[:2]]
    (True, ['.', 'a'])
    >>> sorted(report.figures)
    ['contexts', 'map', 'spectrum', 'supports', 'words']
    """

    name: str
    labels: SoftLabels
    proxy: Prediction
    exact: Prediction
    subset: np.ndarray
    named: tuple[str, ...]
    numbers: dict[str, float]
    agreements: tuple[Agreement, ...]
    notes: tuple[str, ...]

    @property
    def prediction(self) -> Prediction:
        """The best there is for all contexts, NTP-SVM where it was solved for all supports, the proxy elsewhere."""
        return self.exact if len(self.subset) == self.labels.m else self.proxy

    @functools.cached_property
    def top_words(self) -> np.ndarray:
        """The numbers of the words by how often they come next, most frequent first, (V,)."""
        return np.argsort(-(self.labels.P @ self.labels.pi), kind="stable")

    def nearest_words(self, word: str, n: int = 8, *, among: int | None = None) -> list[tuple[str, float]]:
        """The words at the smallest predicted angle to a word.

        Words that follow exactly the same contexts are one point, at cosine 1; among rare words there are many such.

        Args:
            word: one of the vocabulary.
            n: how many.
            among: only so many words, the most frequent next words.

        Returns:
            Words with their cosines, nearest first; fewer than n where the prediction gives no direction.

        Raises:
            KeyError: the word is not in the vocabulary.
            ValueError: n or among below 1.

        >>> report = geometry_report("the cat sat . the dog sat . a cat ran . a dog ran .", context_length=1)
        >>> report.nearest_words("dog", 1)
        [('cat', 1.0)]
        """
        number = {w: z for z, w in enumerate(self.labels.vocab)}
        if word not in number:
            raise KeyError(f"word: got {word!r}, want one of the {self.labels.V} words of the text")
        X = self.prediction.W.T
        pool = self.top_words[:_at_least_one("among", self.labels.V if among is None else among)]
        pool = pool[pool != number[word]]
        return [(self.labels.vocab[z], c) for z, c in _nearest(X, number[word], pool, _at_least_one("n", n))]

    def nearest_contexts(self, context: str | int, n: int = 8, *, among: int | None = None) -> list[tuple[str, float]]:
        """The contexts at the smallest predicted angle to a context, one for each distinct support other than its own.

        Args:
            context: as a string, or its number.
            n: how many.
            among: only so many distinct supports, those of the most frequent contexts.

        Returns:
            Contexts with their cosines, nearest first. Contexts with the context's own support are at cosine 1 and left out.

        Raises:
            KeyError: no such context.
            ValueError: n or among below 1.

        >>> report = geometry_report("the cat sat . the dog sat . a cat ran . a dog ran .", context_length=1)
        >>> "ran" in dict(report.nearest_contexts("sat")), report.same_support("sat")    # `ran` has the same support
        (False, 2)
        """
        j = self._context_number(context)
        first, inverse = self._first, self.prediction.inverse
        pool = np.arange(len(first))[:_at_least_one("among", len(first) if among is None else among)]
        pool = pool[pool != inverse[j]]
        found = _nearest(self.prediction.H_distinct, inverse[j], pool, _at_least_one("n", n))
        return [(self.labels.context(first[i]), c) for i, c in found]

    def same_support(self, context: str | int) -> int:
        """How many contexts have the support of this one, itself included: the theory puts them on one point.

        Args:
            context: as a string, or its number.

        Returns:
            The number of contexts, at least 1.

        Raises:
            KeyError: no such context.

        >>> report = geometry_report("the cat sat . the dog sat . a cat ran . a dog ran .", context_length=1)
        >>> report.same_support("sat")              # and `ran`: both are followed by a full stop alone
        2
        """
        return int(self.prediction.counts[self.prediction.inverse[self._context_number(context)]])

    @functools.cached_property
    def _first(self) -> np.ndarray:
        """The first context with each distinct support (contexts come by falling count where they were counted)."""
        return np.unique(self.prediction.inverse, return_index=True)[1]

    @functools.cached_property
    def _numbers_of_contexts(self) -> dict[str, int]:
        return {self.labels.context(j): j for j in reversed(range(self.labels.m))}

    def _context_number(self, context: str | int) -> int:
        if isinstance(context, (int, np.integer)) and 0 <= context < self.labels.m:
            return int(context)
        if context not in self._numbers_of_contexts:
            raise KeyError(f"context: got {context!r}, want one of the {self.labels.m} contexts, such as "
                           f"{self.labels.context(0)!r}, or a number below that")
        return self._numbers_of_contexts[context]

    @functools.cached_property
    def figures(self) -> dict[str, Figure]:
        """The figures by name, in the book's style (supports, spectrum, map, words, contexts)."""
        from ._report_figures import draw

        return draw(self)

    def to_html(self, path: PathLike) -> Path:
        """Writes the report as one page that needs no other file, no network and no script.

        Args:
            path: where; the page is written beside it first and then renamed, so there is never half a page.

        Returns:
            The path.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = geometry_report("to be or not to be", context_length=1).to_html(f"{folder}/report.html")
        ...     path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
        True
        """
        from ._report_page import page, write

        return write(path, page(self))

    def __repr__(self) -> str:
        return f"Report({self.name!r}: {self.labels.V:,} words, {self.labels.m:,} contexts)"

    def _repr_html_(self) -> str:
        from ._report_page import numbers_table

        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        told = "".join(f"<p>{html.escape(one.what.capitalize())}: {html.escape(one.sentence)}</p>" for one in self.agreements)
        return f'<div class="ntp-table">{numbers_table(self)}</div><ul>{notes}</ul>{told}'


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name}: got {value}, want at least 1")
    return value


def _nearest(X: np.ndarray, i: int, pool: np.ndarray, n: int) -> list[tuple[int, float]]:
    """The columns of X, from `pool`, with the largest cosines to column i; columns of zeros have no direction."""
    size = np.linalg.norm(X, axis=0)
    floor = 1e-9 * size.max(initial=0)
    if not size[i] > floor:
        return []
    pool = pool[size[pool] > floor]
    cosines = X[:, pool].T @ X[:, i] / (size[pool] * size[i])
    order = np.argsort(-np.round(cosines, 9), kind="stable")[:n]
    return [(int(pool[k]), round(float(cosines[k]), 6) + 0.0) for k in order]


# --- making one ----------------------------------------------------------------------------------------------------

def geometry_report(text_or_labels: str | Path | Corpus | SoftLabels, *, embeddings: Any = None,
                    context_embeddings: ArrayLike | None = None, model: Any = None,
                    exact_on: int | Iterable[str | int] | None = None, directions: int | None = None, seed: int = 0,
                    name: str | None = None, context_length: int | None = None, tokenizer: Tokenizer | None = None,
                    **counting: int | None) -> Report:
    """Says what next-token training would make of a text, and how far someone's own vectors agree with that.

    The proxy is computed for everything and NTP-SVM for a named subset of supports, so that a million tokens take seconds.

    Source: chapter 22; Zhao et al. (2024).

    Args:
        text_or_labels: a text; or a path to one, a `Corpus`, or `SoftLabels` (also `SoftLabels.from_counts` of any counts).
        embeddings: word vectors: a mapping from words to vectors, an array (V, d) in the order of the vocabulary, or
            gensim's KeyedVectors. Words without a vector are left out, and counted.
        context_embeddings: context vectors, (d, m), a context a column.
        model: a `NextTokenModel` of these labels, or anything with W (V, d) and H (d, m); or a function from a list of
            contexts (strings) to an array (contexts, d).
        exact_on: how many supports to solve NTP-SVM for, those with the most occurrences; or contexts, as strings or numbers,
            whose supports are wanted. By default all of up to 200 distinct ones, and 100 of more.
        directions: of the proxy, as in `predict`.
        seed: of the shuffles behind p-values.
        name: of the text, for the page.
        context_length: tokens in a context, 2 by default. It and what follows are for texts and corpora only.
        tokenizer: "words" by default; "characters", "bpe-512", or a function.
        **counting: what `count_contexts` takes: vocab_size, max_contexts, min_count, min_support.

    Returns:
        The report.

    Raises:
        TypeError: none of these kinds; counting options for labels that are counted already.
        ValueError: a text without a context, the name of a file in place of its text, vectors that do not fit.
        KeyError: `exact_on` names a context that is not there.

    >>> report = geometry_report("to be or not to be , that is the question", context_length=1)
    >>> report
    Report('text': 9 words, 8 contexts)
    >>> report.numbers["one_hot_contexts"], report.numbers["largest_support"]
    (7, 2)
    """
    options = {"context_length": context_length, "tokenizer": tokenizer} | counting
    labels, found = _labels(text_or_labels, {k: v for k, v in options.items() if v is not None})
    proxy = predict(labels, exact=False, directions=directions)
    chosen = _chosen(labels, proxy, exact_on)
    columns = np.flatnonzero(np.isin(proxy.inverse, chosen))
    pi = labels.pi[columns]
    part = SoftLabels(labels.P[:, columns], pi / pi.sum(), labels.vocab, _some(labels, columns), round(pi.sum() * labels.n))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)     # the report states the gap, and a note says if it is large
        exact = predict(part, tol=_TOL, max_iter=_ITERATIONS)
    first = np.unique(proxy.inverse, return_index=True)[1]
    numbers = sizes(labels, proxy) | geometry(labels, proxy) | on_subset(part, exact, float(pi.sum()))
    if len(columns) == labels.m:                                # all of them: the bracket is the solver's
        numbers["optimum_low"], numbers["optimum_high"] = exact.optimum
    report = Report(name or found, labels, proxy, exact, columns, tuple(labels.context(first[i]) for i in chosen), numbers, (),
                    notes(numbers))
    agreements = _agreements(report, embeddings, context_embeddings, model, np.random.default_rng(seed))
    for one in agreements:
        for key in ("r", "p", "between", "partial", "cka", "covered"):
            numbers[f"{one.what}_{key}"] = getattr(one, key)
    if hasattr(model, "W") and hasattr(model, "H") and labels.V * labels.m <= _DENSE:
        W, H = model_vectors(labels, model, np.arange(labels.m))
        numbers["model_loss"] = ntp_loss(W @ H, labels)
    return Report(report.name, labels, proxy, exact, columns, report.named, numbers, agreements, report.notes)


def _labels(given: str | Path | Corpus | SoftLabels, options: dict[str, Any]) -> tuple[SoftLabels, str]:
    """Soft labels, and a name, from anything that the report takes."""
    if isinstance(given, SoftLabels):
        if options:
            raise TypeError(f"text_or_labels: got SoftLabels and {', '.join(options)}, which are for texts; these labels are "
                            "counted already")
        return given, "labels"
    tokenizer = {"tokenizer": options.pop("tokenizer")} if "tokenizer" in options else {}
    length = options.pop("context_length", 2)
    if isinstance(given, Corpus):
        if tokenizer:
            raise TypeError("tokenizer: got one for a Corpus, which is cut into tokens already")
        corpus = given
    elif isinstance(given, Path):
        corpus = load_corpus("file", path=given, **tokenizer)
    elif isinstance(given, str):
        if len(given) < 1024 and "\n" not in given and "\0" not in given and os.path.isfile(given):
            raise ValueError(f"text_or_labels: got {given!r}, the name of a file, want its text, or pathlib.Path({given!r})")
        corpus = Corpus.from_text(given, **tokenizer)
    else:
        raise TypeError(f"text_or_labels: got {type(given).__name__}, want a text (str), a pathlib.Path to one, a Corpus or "
                        "SoftLabels (SoftLabels.from_counts takes counts)")
    return SoftLabels.from_tokens(corpus, context_length=length, **options), corpus.name


def _some(labels: SoftLabels, columns: np.ndarray) -> np.ndarray | tuple[str, ...]:
    contexts = labels.contexts
    return contexts[columns] if isinstance(contexts, np.ndarray) else tuple(contexts[j] for j in columns)


def _chosen(labels: SoftLabels, proxy: Prediction, exact_on: int | Iterable[str | int] | None) -> np.ndarray:
    """The distinct supports that NTP-SVM is solved for, most occurrences first."""
    u = len(proxy.counts)
    if exact_on is None:
        exact_on = u if u <= _ALL else _SUBSET
    order = np.argsort(-np.bincount(proxy.inverse, labels.pi, u), kind="stable")
    if isinstance(exact_on, (int, np.integer)):
        return order[:_at_least_one("exact_on", exact_on)]
    wanted = {exact_on} if isinstance(exact_on, str) else set(exact_on)
    numbers = {c for c in wanted if not isinstance(c, str)}
    found = {labels.context(j): j for j in reversed(range(labels.m))} if numbers != wanted else {}
    missing = [c for c in wanted if (c not in found if isinstance(c, str) else not 0 <= c < labels.m)]
    if missing or not wanted:
        raise KeyError(f"exact_on: got {missing or 'no context'}, want contexts such as {labels.context(0)!r}, or numbers "
                       f"below {labels.m}")
    supports = {int(proxy.inverse[found[c] if isinstance(c, str) else c]) for c in wanted}
    return np.array([i for i in order if i in supports])


# --- agreement -----------------------------------------------------------------------------------------------------

def _agreements(report: Report, embeddings: Any, context_embeddings: ArrayLike | None, model: Any,
                rng: np.random.Generator) -> tuple[Agreement, ...]:
    """Compares whatever vectors there are with the prediction, on the most frequent words and contexts."""
    labels, prediction, found = report.labels, report.prediction, list[Agreement]()
    top = np.argsort(-labels.pi, kind="stable")[:_ITEMS]
    rows, vectors, H = None, None, None
    if embeddings is not None:
        rows, vectors = word_vectors(labels, embeddings)
    if model is not None:
        W, H = model_vectors(labels, model, top)
        if W is not None and embeddings is None:
            rows, vectors = np.arange(labels.V), W
    if context_embeddings is not None:
        given = np.asarray(context_embeddings, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != labels.m or not np.all(np.isfinite(given)):
            raise ValueError(f"context_embeddings: got shape {given.shape}, want finite vectors (d, m) with m = {labels.m}")
        H = given[:, top]
    if rows is not None and vectors is not None:
        place = np.full(labels.V, -1)
        place[rows] = np.arange(len(rows))
        follows = np.bincount(labels.S.indices, minlength=labels.V)     # those that follow nothing are one point
        words = [z for z in report.top_words if place[z] >= 0 and follows[z] and np.any(prediction.W[z])][:_ITEMS]
        found += _one("words", prediction.W[words].T, vectors[place[words]].T, words, follows[words], rng,
                      len(rows), labels.V)
    if H is not None:
        X = prediction.H_distinct[:, prediction.inverse[top]]
        found += _one("contexts", X, H, prediction.inverse[top], labels.support_sizes[top], rng, labels.m, labels.m)
    return tuple(found)


def _one(what: str, X: np.ndarray, Y: np.ndarray, groups: ArrayLike, sizes: np.ndarray, rng: np.random.Generator,
         covered: int, total: int) -> list[Agreement]:
    if X.shape[1] < 4 or not X.size:
        raise ValueError(f"embeddings, model: got {X.shape[1]} {what} with a vector and a predicted direction, want at least 4 "
                         "to compare")
    return [compare_geometries(X, Y, what=what, groups=groups, sizes=sizes, rng=rng, covered=covered, total=total)]

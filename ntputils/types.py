"""The frozen values that flow through the book: a corpus becomes soft labels, and everything later takes those.

Shapes follow one law: words by contexts, `V x m`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from ._corpus import Corpus, _frozen, _integers
from ._hints import ArrayLike, MatrixLike, PathLike, Tokenizer
from ._npz import load_npz, save_npz

__all__ = ["UNK", "Corpus", "SoftLabels"]

UNK = "<unk>"


@dataclass(frozen=True)
class SoftLabels:
    """The next-token problem after counting: what may follow which context, and how often.

    Column j of `P` is the distribution of the next token after context j; its support is the set of tokens that
    followed at least once. `pi` says how often each context occurs.

    Source: chapter 1, "Soft labels" and "Support"; Thrampoulidis (2024).

    Attributes:
        P: conditional probabilities, sparse (V, m) `csc_array` of float64, columns sum to 1.
        pi: context frequencies, shape (m,), positive, sum 1.
        vocab: the V tokens that can come next.
        contexts: the m contexts: ids, (m, T), where the id V stands for `<unk>`; or strings, (m,).
        n: how many occurrences were counted (0 where that is not known).
        S: the supports, where `P` is above zero, sparse (V, m) `csc_array` of bool; made from `P`.

    Raises:
        TypeError: contexts that are an array of anything but integers with two axes.
        ValueError: probabilities or frequencies that are negative, not finite or do not sum to 1; a context with no
            next token; lengths that differ.

    >>> labels = SoftLabels.from_text("the cat sat. the cat ran. the dog ran.", context_length=2)
    >>> labels.context(0), labels.V, labels.m
    ('. the', 6, 8)
    >>> [labels.vocab[z] for z in labels.P[:, [0]].indices]     # these have followed it
    ['cat', 'dog']
    """

    P: sp.csc_array
    pi: np.ndarray
    vocab: tuple[str, ...]
    contexts: np.ndarray | tuple[str, ...]
    n: int = 0
    S: sp.csc_array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        P = sp.csc_array(self.P, dtype=np.float64, copy=True)
        P.sum_duplicates()
        if P.nnz and (not np.all(np.isfinite(P.data)) or P.data.min() < 0):
            raise ValueError("P: got a probability that is negative or not finite, want numbers in [0, 1]")
        P.eliminate_zeros()
        V, m = P.shape
        if V == 0 or m == 0:
            raise ValueError(f"P: got shape {P.shape}, want at least one token and one context")
        empty = np.flatnonzero(np.diff(P.indptr) == 0)
        if empty.size:
            raise ValueError(f"P: got a context with no next token (column {empty[0]}), want at least one for each")
        if not np.allclose(P.sum(axis=0), 1.0, rtol=0, atol=1e-9):
            raise ValueError("P: got columns that do not sum to 1, want conditional probabilities, to 1e-9 "
                             "(SoftLabels.from_counts(P * pi) divides by the sums, of float32 too)")
        pi = np.asarray(self.pi, dtype=np.float64).copy()
        if pi.shape != (m,):
            raise ValueError(f"pi: got shape {pi.shape}, want ({m},), one frequency for each context")
        if not np.all(np.isfinite(pi)) or pi.min() <= 0 or abs(pi.sum() - 1) > 1e-9:
            raise ValueError("pi: got frequencies that are not positive with sum 1, to 1e-9")
        vocab = tuple(self.vocab)
        if len(vocab) != V:
            raise ValueError(f"vocab: got {len(vocab)} tokens, want V = {V}, one for each row of P")
        contexts = self.contexts
        if isinstance(contexts, np.ndarray):
            contexts = _integers("contexts", contexts, np.int32, 2)
            if contexts.size and not 0 <= contexts.min() <= contexts.max() <= V:
                raise ValueError(f"contexts: got a token id outside the vocabulary, want ids in [0, {V}] ({V} is {UNK})")
        else:
            contexts = tuple(contexts)
        if len(contexts) != m:
            raise ValueError(f"contexts: got {len(contexts)}, want m = {m}, one for each column of P")
        S = sp.csc_array((np.ones(P.nnz, dtype=bool), P.indices, P.indptr), shape=P.shape)
        for array in (P.data, P.indices, P.indptr, S.data):
            _frozen(array)
        for name, value in (("P", P), ("pi", _frozen(pi)), ("vocab", vocab), ("contexts", contexts), ("S", S)):
            object.__setattr__(self, name, value)

    # --- made from ---------------------------------------------------------------------------------------------

    @classmethod
    def from_tokens(cls, tokens: Corpus | ArrayLike, *, context_length: int, vocab_size: int | None = None,
                    doc_ids: ArrayLike | None = None, max_contexts: int | None = None, min_count: int = 1,
                    min_support: int = 1) -> SoftLabels:
        """Counts the contexts of a token sequence, as `count_contexts` does.

        Args:
            tokens: a `Corpus`, token ids >= 0, (n,), or a sequence of strings, (n,).
            context_length: T, how many tokens make a context.
            vocab_size: keeps only so many tokens; the rest become `<unk>`.
            doc_ids: the document of each token, (n,): no context crosses a change. A `Corpus` brings its own.
            max_contexts: keeps only so many contexts, the most frequent.
            min_count: keeps only contexts with so many occurrences.
            min_support: keeps only contexts with so many distinct next tokens.

        Returns:
            Soft labels of V tokens and m contexts, with contexts of shape (m, T).

        Raises:
            TypeError: tokens or doc_ids that are not integers with one axis (or strings); numbers that are not whole.
            ValueError: no tokens; a token id below zero; numbers below 1; lengths that differ; no context left.

        >>> SoftLabels.from_tokens([0, 1, 0, 2, 0, 1], context_length=1).P.toarray().round(2).tolist()
        [[0.0, 1.0, 1.0], [0.67, 0.0, 0.0], [0.33, 0.0, 0.0]]
        """
        from .contexts import count_contexts  # the constructor lives here, the counting in its own room

        return count_contexts(tokens, context_length=context_length, vocab_size=vocab_size, doc_ids=doc_ids,
                              max_contexts=max_contexts, min_count=min_count, min_support=min_support)

    @classmethod
    def from_text(cls, text: str, *, context_length: int, tokenizer: Tokenizer = "words",
                  vocab_size: int | None = None, **filters: int) -> SoftLabels:
        """Tokenizes a text and counts its contexts: `Corpus.from_text`, then `from_tokens`.

        Args:
            text: any text.
            context_length: T, how many tokens make a context.
            tokenizer: `"words"`, `"characters"`, `"bpe-64"`, or a function from one document (str) to a list of tokens (str).
            vocab_size: keeps only so many tokens, the most frequent; the rest become `<unk>`.
            **filters: `max_contexts`, `min_count` and `min_support`, as in `from_tokens`.

        Returns:
            Soft labels of V tokens and m contexts, with contexts of shape (m, T).

        Raises:
            TypeError: `text` is no string, or the tokenizer is unknown; numbers that are not whole.
            ValueError: no token; no context left; numbers below 1.

        >>> SoftLabels.from_text("to be or not to be", context_length=1).vocab
        ('be', 'to', 'not', 'or')
        """
        corpus = Corpus.from_text(text, tokenizer=tokenizer)
        return cls.from_tokens(corpus, context_length=context_length, vocab_size=vocab_size, **filters)

    @classmethod
    def from_counts(cls, counts: MatrixLike, *, vocab: Sequence[str] | None = None,
                    contexts: Sequence[str] | np.ndarray | None = None) -> SoftLabels:
        """Normalises a matrix of counts.

        Args:
            counts: how often token z followed context j, dense or sparse (V, m); any non-negative weights will do.
            vocab: the V tokens; their row numbers where none are given.
            contexts: the m contexts, as strings or ids of shape (m, T); their column numbers where none are given.

        Returns:
            The soft labels: P = counts over column sums, pi = column sums over the total.

        Raises:
            ValueError: no matrix; counts below zero or not finite; a column with no count; lengths that differ.

        >>> labels = SoftLabels.from_counts([[3, 0], [1, 2]])
        >>> labels.pi.round(3).tolist(), labels.P.toarray().tolist()
        ([0.667, 0.333], [[0.75, 0.0], [0.25, 1.0]])
        """
        if np.ndim(counts) != 2 and not sp.issparse(counts):
            raise ValueError(f"counts: got {np.ndim(counts)} axes, want a matrix (V, m), words by contexts")
        C = sp.csc_array(counts if sp.issparse(counts) else np.asarray(counts, dtype=np.float64),
                         dtype=np.float64, copy=True)
        C.sum_duplicates()
        if C.nnz and not np.all(np.isfinite(C.data)):
            raise ValueError("counts: got a count that is not finite, want finite numbers >= 0")
        if C.nnz and C.data.min() < 0:
            raise ValueError(f"counts: got {C.data.min():g}, want counts >= 0")
        totals = np.asarray(C.sum(axis=0)).ravel()
        if C.shape[0] == 0 or C.shape[1] == 0:
            raise ValueError(f"counts: got shape {C.shape}, want at least one token and one context")
        if np.any(totals == 0):
            raise ValueError(f"counts: got a context with no next token (column {int(np.argmin(totals))})")
        whole = totals.sum()
        n = int(round(whole)) if np.all(C.data == np.round(C.data)) else 0
        C.data /= np.repeat(totals, np.diff(C.indptr))
        V, m = C.shape
        if contexts is None:
            contexts = tuple(map(str, range(m)))
        return cls(C, totals / whole, tuple(map(str, range(V)) if vocab is None else vocab),
                   contexts if isinstance(contexts, np.ndarray) else tuple(contexts), n)

    # --- what it says ------------------------------------------------------------------------------------------

    @property
    def V(self) -> int:  # noqa: N802
        """The number of tokens that can come next (rows)."""
        return self.P.shape[0]

    @property
    def m(self) -> int:
        """The number of distinct contexts (columns)."""
        return self.P.shape[1]

    @property
    def support_sizes(self) -> np.ndarray:
        """How many distinct tokens followed each context, k_j, (m,).

        >>> SoftLabels.from_counts([[3, 0], [1, 2]]).support_sizes.tolist()
        [2, 1]
        """
        return np.diff(self.P.indptr)

    def entropy(self) -> float:
        """The conditional entropy of the next token, in nats: the lower bound of the next-token loss.

        H = - sum_j pi_j sum_{z in S_j} p_zj log p_zj (chapter 1, "Entropy bound").

        Returns:
            The entropy, nats, at least 0.

        >>> SoftLabels.from_counts([[1, 0], [1, 2]]).entropy() == 0.5 * np.log(2)
        np.True_
        """
        p = self.P.data
        return float(np.sum(np.repeat(self.pi, self.support_sizes) * p * -np.log(p)) + 0.0)  # no -0.0

    def merge_supports(self) -> tuple[sp.csc_array, np.ndarray, np.ndarray]:
        """Finds the distinct supports among the m contexts.

        Returns:
            The distinct columns of S, bool (V, u), in order of first appearance; for each context the number of its
            column there, shape (m,); and how many contexts share each, shape (u,).

        >>> S, inverse, counts = SoftLabels.from_counts([[1, 2, 0], [1, 5, 1]]).merge_supports()
        >>> S.toarray().astype(int).tolist(), inverse.tolist(), counts.tolist()
        ([[1, 0], [1, 1]], [0, 0, 1], [2, 1])
        """
        from .contexts import merge_columns

        return merge_columns(self.S)

    def restrict(self, columns: ArrayLike) -> SoftLabels:
        """Keeps some of the contexts, over the tokens that follow these; `pi` is renormalised, contexts become strings.

        Args:
            columns: the numbers of the contexts to keep, in the order wanted, integers from 0 to m - 1, (kept,).

        Returns:
            Soft labels of the contexts kept; `n` is what they have of the occurrences.

        Raises:
            TypeError: `columns` are not integers with one axis.
            ValueError: none of them, or one outside [0, m).

        >>> labels = SoftLabels.from_text("to be or not to be", context_length=1).restrict([1, 0])
        >>> labels.vocab, labels.contexts
        (('be', 'or'), ('be', 'to'))
        """
        columns = _integers("columns", columns, np.int64, 1)
        if not columns.size or columns.min() < 0 or columns.max() >= self.m:
            raise ValueError(f"columns: got {columns.tolist()}, want at least one number from 0 to {self.m - 1}")
        P = self.P[:, columns]
        rows = np.flatnonzero(np.bincount(P.indices, minlength=self.V))
        pi = self.pi[columns]
        return SoftLabels(P[rows], pi / pi.sum(), tuple(self.vocab[z] for z in rows),
                          tuple(self.context(j) for j in columns), int(np.rint(pi.sum() * self.n)))

    def context(self, j: int) -> str:
        """Context j as a readable string.

        Args:
            j: the number of the context, its column in `P`.

        Returns:
            Its tokens with spaces between them, `<unk>` for those outside the vocabulary.

        >>> SoftLabels.from_text("to be or not to be", context_length=2).context(0)
        'be or'
        """
        if isinstance(self.contexts, tuple):
            return str(self.contexts[j])
        return " ".join(self.vocab[i] if i < self.V else UNK for i in self.contexts[j])

    # --- kept --------------------------------------------------------------------------------------------------

    def save(self, path: PathLike) -> Path:
        """Saves to one `.npz` file; `SoftLabels.load` reads it back, bit for bit.

        Args:
            path: where; the file is written beside it first and then renamed, so there is never half a file.

        Returns:
            The path.

        Raises:
            ValueError: a token, or a context that is a string, has a line break in it.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     SoftLabels.from_counts([[3, 0], [1, 2]]).save(f"{folder}/labels.npz").name
        'labels.npz'
        """
        strings = self.contexts if isinstance(self.contexts, tuple) else None
        if any("\n" in word for word in self.vocab + (strings or ())):
            raise ValueError("vocab: got a token or context with a line break, which a saved file cannot hold")
        contexts = self.contexts if strings is None else np.frombuffer("\n".join(strings).encode(), np.uint8)
        return save_npz(path, kind="SoftLabels", data=self.P.data, indices=self.P.indices, indptr=self.P.indptr,
                         pi=self.pi, vocab=np.frombuffer("\n".join(self.vocab).encode(), np.uint8),
                         contexts=contexts, n=np.int64(self.n))

    @classmethod
    def load(cls, path: PathLike) -> SoftLabels:
        """Reads what `save` wrote.

        Args:
            path: the file.

        Returns:
            The soft labels as they were.

        Raises:
            ValueError: the file cannot be read, or holds something else.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     SoftLabels.load(SoftLabels.from_counts([[3, 0], [1, 2]]).save(f"{folder}/labels.npz")).P.toarray().tolist()
        [[0.75, 0.0], [0.25, 1.0]]
        """
        a = load_npz(path, "SoftLabels", ("data", "indices", "indptr", "pi", "vocab", "contexts", "n"))
        vocab = tuple(a["vocab"].tobytes().decode().split("\n"))
        contexts = a["contexts"]
        strings = tuple(contexts.tobytes().decode().split("\n")) if contexts.ndim == 1 else None
        P = sp.csc_array((a["data"], a["indices"], a["indptr"]), shape=(len(vocab), len(a["pi"])))
        return cls(P, a["pi"], vocab, contexts if strings is None else strings, int(a["n"]))

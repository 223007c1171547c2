"""Count models of words and contexts, on the counts behind soft labels: smoothing, PMI and its SVD, SGNS, GloVe.

All take the same table, how often word z followed context j, and give word vectors W (V, d), a word a row, and context
vectors H (d, m), a context a column, as `factor` does. SGNS is trained by gensim, which is imported when it is asked for.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from ._hints import MatrixLike
from .theory import _dense
from .types import SoftLabels
from .ufm import _adam

__all__ = ["GloVe", "pmi", "smoothed_log_probabilities", "svd_vectors", "train_glove", "train_sgns"]

_CHUNK = 16         # occurrences of a context that SGNS sees in a row


def _counts(labels: SoftLabels) -> sp.csc_array:
    """How often each word followed each context: n pi_j p_zj, whole numbers."""
    if labels.n < 1:
        raise ValueError(f"labels: got n = {labels.n}, want labels that were counted, so that P and pi give whole counts")
    N = labels.P.copy()
    N.data = np.rint(N.data * np.repeat(labels.pi * labels.n, labels.support_sizes))
    return N


def _epsilon(epsilon: float, least: str = "above 0") -> None:
    if not (np.isfinite(epsilon) and (epsilon > 0 or (epsilon == 0 and least == "at least 0"))):
        raise ValueError(f"epsilon: got {epsilon}, want a number {least}")


def smoothed_log_probabilities(labels: SoftLabels, epsilon: float) -> np.ndarray:
    """Logarithms of additively smoothed probabilities, log((N_zj + epsilon) / (n_j + V epsilon)).

    Source: chapter 18, "Smoothing is a path".

    Args:
        labels: the soft labels.
        epsilon: what is added to every count, above 0.

    Returns:
        Log-probabilities, dense (V, m), nats.

    Raises:
        ValueError: epsilon is not above 0, or labels that were not counted (n = 0).

    >>> labels = SoftLabels.from_counts([[3, 1, 0], [0, 1, 3]])
    >>> np.exp(smoothed_log_probabilities(labels, 1.0)).round(2).tolist()
    [[0.8, 0.5, 0.2], [0.2, 0.5, 0.8]]
    """
    _epsilon(epsilon)
    N = _counts(labels).toarray() + epsilon
    return np.log(N) - np.log(N.sum(axis=0))


def pmi(labels: SoftLabels, *, negatives: float = 1.0, positive: bool = True, epsilon: float = 0.0) -> np.ndarray:
    """Pointwise mutual information of words and contexts, less log(negatives).

    log P(z, j) - log P(z) - log P(j) - log(negatives). With `negatives` k it is what SGNS with k negative samples
    goes to where nothing limits its vectors (Levy and Goldberg 2014).

    Source: chapter 18, "PMI inside the supports"; Levy and Goldberg (2014).

    Args:
        labels: the soft labels.
        negatives: k, at least 1.
        positive: put 0 in place of negative entries, and so of zeros (PPMI, or shifted PPMI).
        epsilon: what is added to every count beforehand.

    Returns:
        PMI, dense (V, m), nats; -inf off the supports where neither `positive` nor `epsilon` takes care of zeros.

    Raises:
        ValueError: negatives below 1, epsilon below 0, labels that were not counted (n = 0), or without smoothing a word that
            follows no context.

    >>> labels = SoftLabels.from_counts([[3, 1, 0], [0, 1, 3]])
    >>> pmi(labels).round(3).tolist()
    [[0.693, 0.0, 0.0], [0.0, 0.0, 0.693]]
    """
    if not negatives >= 1:
        raise ValueError(f"negatives: got {negatives}, want at least 1")
    _epsilon(epsilon, "at least 0")
    N = _counts(labels).toarray() + epsilon
    words, contexts = N.sum(axis=1, keepdims=True), N.sum(axis=0)
    if not words.all():
        raise ValueError(f"labels: got a word that follows no context (row {int(np.argmin(words))}), want none: "
                         "`restrict` leaves them out")
    with np.errstate(divide="ignore"):
        A = np.log(N) - np.log(words) - np.log(contexts) + np.log(N.sum()) - np.log(negatives)
    return np.maximum(A, 0.0) if positive else A


def svd_vectors(A: MatrixLike, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Word and context vectors from the d leading singular triples of a matrix, balanced: U sqrt(Sigma), sqrt(Sigma) V'.

    The best approximation of A of that rank, as vectors of equal Gram matrices W'W = HH'. A vector's largest
    coordinate decides the sign of each direction, so that equal matrices give equal vectors.

    Source: chapter 18; Levy and Goldberg (2014).

    Args:
        A: a matrix, dense or sparse, (V, m).
        d: how many directions, at most min(V, m).

    Returns:
        W (V, d) and H (d, m).

    Raises:
        ValueError: A is no finite matrix, or d not from 1 to min(V, m).

    >>> W, H = svd_vectors(np.diag([4.0, 1.0]), 1)
    >>> W.ravel().tolist(), H.ravel().tolist()
    ([2.0, 0.0], [2.0, 0.0])
    """
    A = _dense(A)
    if A.ndim != 2 or not np.all(np.isfinite(A)):
        raise ValueError(f"A: got shape {A.shape}, want a finite matrix (V, m)")
    if not 1 <= d <= min(A.shape):
        raise ValueError(f"d: got {d}, want a number from 1 to {min(A.shape)}")
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    top = U[np.abs(U[:, :d]).argmax(axis=0), np.arange(d)]
    root = np.sqrt(s[:d]) * np.where(top < 0, -1.0, 1.0)
    return U[:, :d] * root, root[:, None] * Vt[:d]


def train_sgns(labels: SoftLabels, *, d: int, seed: int, negatives: int = 5, exponent: float = 1.0, epochs: int = 30,
               lr: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Skip-gram with negative sampling (SGNS) on the pairs of context and next word, by gensim.

    sum over occurrences of log sigma(w_z'h_j) + sum over `negatives` words z', drawn with chances proportional to
    count^exponent, of log sigma(-w_z''h_j). In gensim this is `Doc2Vec(dm=0)`: a context is a document, its next
    words are the words of the document, so that SGNS gets any contexts and counts that the other models get. The step size
    falls from `lr` to 1e-4. One worker: the same call gives the same vectors.

    As word2vec does, gensim leaves out a negative sample that is the word itself. So where nothing limits the vectors,
    w_z'h_j goes to log p_zj / (1 - p_zj) - log(k q_z), q the chances of the draw, which is shifted PMI where p_zj is small.

    Source: chapter 18, "Where SGNS goes"; Mikolov et al. (2013); Le and Mikolov (2014); Levy and Goldberg (2014).

    Args:
        labels: the soft labels.
        d: the dimension of the vectors.
        seed: of the first vectors and of the samples.
        negatives: k, how many words are drawn for each occurrence.
        exponent: 1 for the words' frequencies, as in Levy and Goldberg's analysis; word2vec's own choice is 0.75.
        epochs: how often each occurrence is seen.
        lr: the first step size.

    Returns:
        W (V, d), the output vectors of the words, and H (d, m).

    Raises:
        ValueError: d, negatives or epochs below 1, lr not above 0, labels that were not counted (n = 0).
        ImportError: gensim is not installed.

    >>> labels = SoftLabels.from_counts([[30, 10, 0], [10, 30, 0], [0, 0, 30], [0, 5, 5]])
    >>> W, H = train_sgns(labels, d=2, seed=0)
    >>> W.shape, H.shape
    ((4, 2), (2, 3))
    """
    if min(d, negatives, epochs) < 1 or not lr > 0:
        raise ValueError(f"d, negatives, epochs, lr: got {d}, {negatives}, {epochs}, {lr}, want the first three at least 1 "
                         "and lr above 0")
    N = _counts(labels)
    try:
        from gensim.models.doc2vec import Doc2Vec, TaggedDocument
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "gensim":
            raise
        raise ImportError("train_sgns needs gensim, which is not installed: pip install gensim") from error
    rng, documents = np.random.default_rng(seed), []
    for j in range(labels.m):
        column = slice(N.indptr[j], N.indptr[j + 1])
        words = rng.permutation(np.repeat(N.indices[column], N.data[column].astype(int)))
        documents += [TaggedDocument(list(map(str, part)), [j])
                      for part in np.split(words, range(_CHUNK, len(words), _CHUNK))]
    documents = [documents[k] for k in rng.permutation(len(documents))]
    model = Doc2Vec(documents, dm=0, vector_size=d, negative=negatives, ns_exponent=exponent, epochs=epochs, alpha=lr,
                    min_alpha=1e-4, min_count=1, sample=0, seed=seed, workers=1,
                    hashfxn=lambda name: zlib.crc32(str(name).encode()))
    W = np.zeros((labels.V, d))
    place = model.wv.key_to_index
    for z in range(labels.V):
        if str(z) in place:
            W[z] = model.syn1neg[place[str(z)]]
    return W, np.array([model.dv[j] for j in range(labels.m)], dtype=np.float64).T


class GloVe(NamedTuple):
    """What `train_glove` found.

    Source: chapter 18; Pennington et al. (2014).

    Attributes:
        W: word vectors, (V, d).
        H: context vectors, (d, m).
        word_bias: the biases b_z of words, nats, (V,).
        context_bias: the biases c_j of contexts, nats, (m,).
        loss: the objective at the end, squared nats weighted by f(N_zj).

    >>> labels = SoftLabels.from_counts([[30, 10, 0], [5, 40, 5]])
    >>> found = train_glove(labels, d=4, rng=np.random.default_rng(0), steps=10)
    >>> found.W.shape, found.H.shape, found.word_bias.shape, found.context_bias.shape
    ((2, 4), (4, 3), (2,), (3,))
    """

    W: np.ndarray
    H: np.ndarray
    word_bias: np.ndarray
    context_bias: np.ndarray
    loss: float


def train_glove(labels: SoftLabels, *, d: int, rng: np.random.Generator, steps: int = 300, lr: float = 0.05,
                x_max: float = 100.0, power: float = 0.75) -> GloVe:
    """GloVe on the counts: a weighted fit of log-counts, of the cells that are not zero.

    sum over N_zj > 0 of f(N_zj) (w_z'h_j + b_z + c_j - log N_zj)^2 with f(x) = min(1, (x / x_max)^power) (Pennington,
    Socher and Manning 2014), by full-batch Adam from small random vectors. Zeros do not enter at all.

    Source: chapter 18; Pennington et al. (2014); Kingma and Ba (2015) for Adam.

    Args:
        labels: the soft labels.
        d: the dimension of the vectors.
        rng: where the first vectors come from, uniform within 1 / (2 d).
        steps: how many steps to make.
        lr: their size.
        x_max: counts from here on have weight one.
        power: how fast the weight grows below.

    Returns:
        Vectors, biases and the objective.

    Raises:
        ValueError: d or steps below 1, lr, x_max or power not above 0, labels that were not counted (n = 0).
        TypeError: rng is not a generator.

    >>> labels = SoftLabels.from_counts([[30, 10], [5, 40]])
    >>> found = train_glove(labels, d=2, rng=np.random.default_rng(0), steps=500)
    >>> np.exp(found.W @ found.H + found.word_bias[:, None] + found.context_bias).round(1).tolist()
    [[30.0, 10.0], [5.0, 40.0]]
    """
    if min(d, steps) < 1 or not min(lr, x_max, power) > 0:
        raise ValueError(f"d, steps, lr, x_max, power: got {d}, {steps}, {lr}, {x_max}, {power}, want the first two at least "
                         "1 and the others above 0")
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng: got {type(rng).__name__}, want a numpy.random.Generator (default_rng(seed))")
    N = _counts(labels).toarray()
    weight = np.minimum(1.0, (N / x_max)**power)                     # zero where the count is
    target = np.log(N, out=np.zeros_like(N), where=N > 0)
    (V, m), sizes = N.shape, [labels.V * d, d * labels.m, labels.V, labels.m]
    x = np.concatenate([rng.uniform(-0.5 / d, 0.5 / d, sizes[0] + sizes[1]), np.zeros(V + m)])
    gradient, ends = np.empty_like(x), np.cumsum(sizes)[:-1]

    def parts(vector: np.ndarray) -> tuple[np.ndarray, ...]:
        W, H, b, c = np.split(vector, ends)
        return W.reshape(V, d), H.reshape(d, m), b, c

    (W, H, b, c), (of_W, of_H, of_b, of_c) = parts(x), parts(gradient)
    residual, update = np.empty_like(N), _adam(lr, len(x))
    for step in range(steps + 1):
        np.matmul(W, H, out=residual)
        residual += b[:, None]
        residual += c
        residual -= target
        if step == steps:
            break
        residual *= weight
        np.matmul(residual, H.T, out=of_W)
        np.matmul(W.T, residual, out=of_H)
        residual.sum(axis=1, out=of_b)
        residual.sum(axis=0, out=of_c)
        update(x, gradient)
    return GloVe(W.copy(), H.copy(), b.copy(), c.copy(), float(np.sum(weight * residual**2)))

"""The objects of the theory that need no solver: loss, centring, the data subspace F and what lives in it.

Symbols follow the paper: `L` logits (V, m), `S` supports (V, m), `P_V = I - 11'/V` the centring, nats throughout.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.special import logsumexp

from ._hints import ArrayLike, MatrixLike
from .types import SoftLabels


def _supports(S: MatrixLike) -> sp.csc_array:
    """Checks a support matrix, dense or sparse, and returns it as a boolean `csc_array` without stored zeros."""
    if np.ndim(S) != 2 and not sp.issparse(S):
        raise ValueError(f"S: got {np.ndim(S)} axes, want a matrix (V, m), words by contexts")
    S = sp.csc_array(S if sp.issparse(S) else np.asarray(S))
    if S.ndim != 2 or 0 in S.shape:
        raise ValueError(f"S: got shape {S.shape}, want (V, m) with at least one token and one context")
    if S.dtype != bool:
        if not np.all(np.isin(S.data, (0, 1))):
            raise ValueError("S: got entries other than 0 and 1, want a support matrix")
        S = S.astype(bool)
    if not S.has_canonical_format or not S.data.all():
        S = S.copy()
        S.sum_duplicates()
        S.eliminate_zeros()
    empty = np.flatnonzero(np.diff(S.indptr) == 0)
    if empty.size:
        raise ValueError(f"S: got a context with no next token (column {empty[0]})")
    return S


def _dense(A: MatrixLike) -> np.ndarray:
    """A matrix, dense or sparse, as a dense array of float64."""
    return np.asarray(A.toarray() if isinstance(A, (sp.sparray, sp.spmatrix)) else A, dtype=np.float64)


def _logits(L: MatrixLike, shape: tuple[int, int], name: str = "L") -> np.ndarray:
    """Checks a matrix against the shape that the labels ask for, and makes it dense."""
    L = _dense(L)
    if L.shape != shape:
        raise ValueError(f"{name}: got shape {L.shape}, want (V, m) = {shape}, words by contexts")
    return L


def _columns(A: sp.csc_array) -> np.ndarray:
    """The column number of each stored entry."""
    return np.repeat(np.arange(A.shape[1]), np.diff(A.indptr))


def center(A: ArrayLike) -> np.ndarray:
    """Takes from every column its mean: P_V A with P_V = I - 11'/V.

    Source: chapter 1.

    Args:
        A: any matrix, (V, m).

    Returns:
        The centred matrix, (V, m); each column sums to zero.

    >>> center(np.array([[1.0], [3.0]])).ravel().tolist()
    [-1.0, 1.0]
    """
    A = np.asarray(A, dtype=np.float64)
    return A - A.mean(axis=0, keepdims=True)


def centered_support(S: MatrixLike) -> np.ndarray:
    """The centred support matrix S~ = (I - 11'/V) S, the paper's proxy for the max-margin logits.

    An entry is 1 - k_j/V in the support of context j, and -k_j/V off it (k_j: the size of the support).

    Source: chapter 1; Zhao et al. (2024).

    Args:
        S: supports, dense or sparse, boolean or 0/1, (V, m).

    Returns:
        S~, dense (V, m), float64, columns sum to zero.

    Raises:
        ValueError: entries other than 0 and 1, an empty column, no token or no context.

    >>> centered_support([[1, 1], [0, 1], [0, 0], [0, 0]]).tolist()
    [[0.75, 0.5], [-0.25, 0.5], [-0.25, -0.5], [-0.25, -0.5]]
    """
    return center(_supports(S).toarray())


def project_F(L: MatrixLike, S: MatrixLike) -> sp.csc_array:
    """Projects logits on F, the matrices whose columns live on the supports and sum to zero there.

    (P_F L)_zj = S_zj (L_zj - mean of L_.j over S_j): the orthogonal projection on
    F = span{(e_z - e_z') e_j' : z, z' in S_j}, of dimension sum_j (k_j - 1). It keeps exactly the part of the logits
    that fixes the ratios of probabilities within supports.

    Source: chapter 2, "What stays and what grows"; chapter 5, "The two parts of the logits"; Thrampoulidis (2024).

    Args:
        L: logits, nats, dense or sparse, (V, m).
        S: supports, dense or sparse, (V, m).

    Returns:
        P_F L, nats, a `csc_array` (V, m) with the pattern of S.

    Raises:
        ValueError: shapes that differ, or a bad support matrix.

    >>> project_F(np.array([[3.0], [1.0], [9.0]]), [[1], [1], [0]]).toarray().ravel().tolist()
    [1.0, -1.0, 0.0]
    """
    S = _supports(S)
    if isinstance(L, (sp.sparray, sp.spmatrix)):
        if L.shape != S.shape:
            raise ValueError(f"L: got shape {L.shape}, want (V, m) = {S.shape}, words by contexts")
        values = np.asarray(sp.csc_array(L)[S.indices, _columns(S)]).ravel().astype(np.float64)
    else:
        values = _logits(L, S.shape)[S.indices, _columns(S)]
    return sp.csc_array((_center_within(values, S), S.indices.copy(), S.indptr.copy()), shape=S.shape)


def _center_within(values: np.ndarray, S: sp.csc_array) -> np.ndarray:
    """Takes from the stored entries of each column their mean."""
    means = np.add.reduceat(values, S.indptr[:-1]) / np.diff(S.indptr)
    return values - means[_columns(S)]


def project_F_perp(L: MatrixLike, S: MatrixLike) -> np.ndarray:
    """The rest of the logits, P_perp L = L - P_F L: constant on each support, free off it.

    Source: chapter 5, "The two parts of the logits"; Thrampoulidis (2024).

    Args:
        L: logits, nats, dense or sparse, (V, m).
        S: supports, dense or sparse, (V, m).

    Returns:
        P_perp L, nats, dense (V, m); its inner product with every matrix of F is zero.

    Raises:
        ValueError: shapes that differ, or a bad support matrix.

    >>> project_F_perp(np.array([[3.0], [1.0], [9.0]]), [[1], [1], [0]]).ravel().tolist()
    [2.0, 2.0, 9.0]
    """
    S = _supports(S)
    return _logits(L, S.shape) - project_F(L, S).toarray()


def in_support_logits(labels: SoftLabels) -> sp.csc_array:
    """The finite part L^in of the logits: log-probabilities, centred within each support.

    The unique element of F whose in-support differences are the log-odds, L_zj - L_z'j = log(p_zj / p_z'j).

    Source: chapter 5, "The two parts of the logits"; Zhao et al. (2024).

    Args:
        labels: the soft labels.

    Returns:
        L^in, nats, a `csc_array` (V, m) with the pattern of S (an entry may be zero: all are, where p is uniform).

    >>> in_support_logits(SoftLabels.from_counts([[1], [4], [0]])).toarray().round(3).ravel().tolist()
    [-0.693, 0.693, 0.0]
    """
    P = labels.P
    return sp.csc_array((_center_within(np.log(P.data), P), P.indices.copy(), P.indptr.copy()), shape=P.shape)


def softmax(L: ArrayLike) -> np.ndarray:
    """Turns logits into probabilities, column by column: softmax(L)_zj = exp L_zj / sum_v exp L_vj.

    Source: chapter 2, "Loss of a language model".

    Args:
        L: logits, nats, (V, m).

    Returns:
        Probabilities, (V, m), columns sum to one.

    >>> softmax([[0.0, 1000.0], [0.0, 0.0]]).tolist()
    [[0.5, 1.0], [0.5, 0.0]]
    """
    L = np.asarray(L, dtype=np.float64)
    E = np.exp(L - L.max(axis=0, keepdims=True))
    return E / E.sum(axis=0, keepdims=True)


def _logsumexp(L: np.ndarray) -> np.ndarray:
    """log sum_v exp L_vj for each column, shape (m,)."""
    top = L.max(axis=0)
    return top + np.log(np.exp(L - top).sum(axis=0))


def ntp_loss(L: MatrixLike, labels: SoftLabels) -> float:
    """The next-token loss of logits L: CE(L) = sum_j pi_j [logsumexp(L_.j) - sum_z p_zj L_zj].

    It equals the mean of -log softmax(L) over the training samples, and is never below `labels.entropy()`.

    Source: chapter 2, "Loss of a language model"; Thrampoulidis (2024).

    Args:
        L: logits, nats, dense or sparse, (V, m).
        labels: the soft labels.

    Returns:
        The loss in nats.

    Raises:
        ValueError: L is not (V, m).

    >>> labels = SoftLabels.from_counts([[1, 0], [1, 2]])
    >>> round(ntp_loss(np.zeros((2, 2)), labels), 4)                 # log 2: all logits equal
    0.6931
    """
    L = _logits(L, labels.P.shape)
    P = labels.P
    fit = np.bincount(_columns(P), weights=P.data * L[P.indices, _columns(P)], minlength=labels.m)
    return float(labels.pi @ (_logsumexp(L) - fit))


def ntp_gradient(L: MatrixLike, labels: SoftLabels) -> np.ndarray:
    """The gradient of the next-token loss: (softmax(L) - P) diag(pi).

    Source: chapter 2, "Gradient".

    Args:
        L: logits, nats, dense or sparse, (V, m).
        labels: the soft labels.

    Returns:
        The gradient, dense (V, m), in nats of loss for a nat of logit; every column sums to zero.

    Raises:
        ValueError: L is not (V, m).

    >>> ntp_gradient(np.zeros((2, 1)), SoftLabels.from_counts([[1], [0]])).ravel().tolist()
    [-0.5, 0.5]
    """
    return (softmax(_logits(L, labels.P.shape)) - labels.P.toarray()) * labels.pi


def excess(L: MatrixLike, labels: SoftLabels) -> tuple[float, float]:
    """The excess loss CE(L) - entropy in its two parts: what the mass off the supports costs, and wrong ratios within.

    sum_j pi_j log(1 + r_j), with r_j the model's odds of leaving the support, and sum_j pi_j KL(p_j || q_j given S_j).
    The first is computed as such, so an excess far below float64's spacing at the loss keeps all its digits.

    Source: chapter 2, "What the excess loss is made of".

    Args:
        L: logits, nats, dense or sparse, (V, m).
        labels: the soft labels.

    Returns:
        The part off the supports and the part within them, both in nats, neither negative up to rounding.

    Raises:
        ValueError: L is not (V, m).

    >>> labels = SoftLabels.from_counts([[1], [1], [0]])
    >>> f"{excess(np.array([[60.0], [60.0], [0.0]]), labels)[0]:.4e}"                        # log(1 + e^-60 / 2)
    '4.3783e-27'
    """
    L, S, P = _logits(L, labels.P.shape), labels.S.toarray(), labels.P.toarray()
    L = L - np.where(S, L, -np.inf).max(axis=0)      # large logits would round away what tells them apart on the support
    on = logsumexp(np.where(S, L, -np.inf), axis=0)
    off = logsumexp(np.where(S, -np.inf, L), axis=0)
    log_ratio = np.log(P, where=S, out=np.zeros(P.shape)) - np.where(S, L - on, 0)
    return float(labels.pi @ np.logaddexp(0, off - on)), float(labels.pi @ (P * log_ratio).sum(axis=0))


def factor(L: ArrayLike, *, tol: float = 1e-12) -> tuple[np.ndarray, np.ndarray]:
    """The balanced factorisation L = W H of least norm: W = U sqrt(Sigma), H = sqrt(Sigma) V'.

    Source: chapter 3, "The nuclear norm is the least cost of a factorisation" and "Gram matrices are square roots".

    Args:
        L: logits, nats, (V, m).
        tol: singular values below `tol` times the largest are dropped.

    Returns:
        W (V, r) and H (r, m) with W'W = HH', where r is the rank of L.

    Raises:
        ValueError: L is not a matrix, or not finite.

    >>> W, H = factor(np.array([[2.0, 0.0], [0.0, 0.0]]))
    >>> W.shape, np.abs(W @ H).round(12).tolist()
    ((2, 1), [[2.0, 0.0], [0.0, 0.0]])
    """
    L = np.asarray(L, dtype=np.float64)
    if L.ndim != 2 or not L.size or not np.all(np.isfinite(L)):
        raise ValueError(f"L: got shape {L.shape}, want a finite matrix (V, m)")
    U, s, Vt = np.linalg.svd(L, full_matrices=False)
    rank = int(np.sum(s > tol * max(s[0], np.finfo(float).tiny)))
    root = np.sqrt(s[:rank])
    return U[:, :rank] * root, root[:, None] * Vt[:rank]

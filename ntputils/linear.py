"""The linear model: contexts fixed, words trained. Where its weights go, and training that goes there.

With contexts H (d, m) the logits W H are linear in the words W (V, d). The part of W that sets ratios within
supports lives in F_lin = span{(e_z - e_z') h_j' : z, z' in S_j} and stays finite; the rest grows along the
solution of an SVM (Thrampoulidis, arXiv 2402.18551). For H = I the words are the logits, F_lin the F of `theory`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import helmert
from scipy.optimize import nnls

from ._hints import ArrayLike, MatrixLike
from .path import _bar
from .svm import ConvergenceWarning
from .theory import _supports, in_support_logits, ntp_loss
from .types import SoftLabels
from .ufm import Trajectory, _adam, _descend, _schedule


@dataclass(frozen=True)
class LinearSVMSolution:
    """The words of least Frobenius norm that separate the supports, with proof.

    Source: chapter 2, "What stays and what grows" and "A proof of optimality"; Thrampoulidis (2024).

    Attributes:
        W: the solution, (V, d).
        certificate: Lambda (V, m): columns sum to zero, entries off the supports are not positive, and Lambda H'
            has Frobenius norm 1. Then every feasible W has |W|_F >= <W, Lambda H'> = <W H, Lambda> >= <S, Lambda>.
        primal: |W|_F.
        dual: <S, Lambda>: no words that separate the supports are shorter.

    >>> solution = solve_linear_svm([[1.0, -1.0]], [[1, 0], [1, 0], [0, 1]])
    >>> solution.W.round(4).tolist(), round(solution.primal, 4), solution.gap < 1e-12
    ([[0.3333], [0.3333], [-0.6667]], 0.8165, True)
    """

    W: np.ndarray
    certificate: np.ndarray
    primal: float
    dual: float

    @property
    def gap(self) -> float:
        """The relative duality gap, (primal - dual) / primal; 0 where both are 0."""
        return (self.primal - self.dual) / self.primal if self.primal else 0.0


def _contexts(H: ArrayLike, m: int) -> np.ndarray:
    """Checks the fixed contexts: finite, (d, m), d at least 1."""
    H = np.asarray(H, dtype=np.float64)
    if H.ndim != 2 or H.shape[1] != m or len(H) == 0 or not np.all(np.isfinite(H)):
        raise ValueError(f"H: got shape {H.shape}, want a finite matrix (d, m) with m = {m} and d at least 1")
    return H


def _differences(H: np.ndarray, S: sp.csc_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What spans F_lin: contrasts b within supports, orthonormal, (V, sum_j (k_j - 1)); their contexts; vec(b h_j')."""
    owner = np.repeat(np.arange(S.shape[1]), np.diff(S.indptr) - 1)
    contrasts, at = np.zeros((S.shape[0], len(owner))), 0
    for rows in np.split(S.indices, S.indptr[1:-1]):
        k = len(rows)
        if k > 1:
            contrasts[rows, at:at + k - 1] = helmert(k).T
            at += k - 1
    products = np.einsum("vi,di->vdi", contrasts, H[:, owner])
    return contrasts, owner, products.reshape(len(contrasts) * len(H), len(owner))


def _orthonormal(B: np.ndarray) -> np.ndarray:
    """An orthonormal basis of the columns' span."""
    U, s, _ = np.linalg.svd(B, full_matrices=False)
    return U[:, s > max(B.shape) * np.finfo(float).eps * s.max(initial=0)]


def project_F_lin(W: ArrayLike, H: ArrayLike, S: MatrixLike) -> np.ndarray:  # noqa: N802 - the paper's symbol
    """Projects words on F_lin, the part of W that sets ratios of probabilities within supports.

    F_lin = span{(e_z - e_z') h_j' : z, z' in S_j}. The rest, W - P W, gives every token of a support the same logit.

    Source: chapter 2, "What stays and what grows"; Thrampoulidis (2024).

    Args:
        W: word vectors, (V, d); or a stack of them, (..., V, d).
        H: fixed contexts, (d, m).
        S: supports, dense or sparse, (V, m).

    Returns:
        The orthogonal projection, of the shape of W.

    Raises:
        ValueError: shapes that do not belong together, or a bad support matrix.

    >>> project_F_lin(np.array([[3.0], [1.0], [9.0]]), [[2.0]], [[1], [1], [0]]).ravel().round(12).tolist()
    [1.0, -1.0, 0.0]
    """
    S = _supports(S)
    H, W = _contexts(H, S.shape[1]), np.asarray(W, dtype=np.float64)
    if W.shape[-2:] != (S.shape[0], len(H)):
        raise ValueError(f"W: got shape {W.shape}, want (V, d) = {(S.shape[0], len(H))}")
    Q = _orthonormal(_differences(H, S)[2])
    return (W.reshape(*W.shape[:-2], Q.shape[0]) @ Q @ Q.T).reshape(W.shape)


def finite_part(labels: SoftLabels, H: ArrayLike) -> np.ndarray:
    """The finite part W* of the words: the one matrix of F_lin whose logits have the log-odds of the text.

    (w_z - w_z')' h_j = log(p_zj / p_z'j) for all z, z' in S_j and all j, solved with least norm.

    Source: chapter 2, "What stays and what grows" and "Compatible"; Thrampoulidis (2024).

    Args:
        labels: the soft labels.
        H: fixed contexts, (d, m).

    Returns:
        W*, (V, d).

    Raises:
        ValueError: the labels are not compatible with H (no words have these log-odds), or H has another shape.

    >>> finite_part(SoftLabels.from_counts([[4], [1], [0]]), [[2.0]]).ravel().round(4).tolist()  # log(4) / 4
    [0.3466, -0.3466, 0.0]
    """
    H = _contexts(H, labels.m)
    contrasts, owner, B = _differences(H, labels.S)
    wanted = np.sum(contrasts * in_support_logits(labels).toarray()[:, owner], axis=0)
    W = np.linalg.lstsq(B.T, wanted, rcond=None)[0]
    miss = np.abs(B.T @ W - wanted).max(initial=0)
    if miss > 1e-8 * (1 + np.abs(wanted).max(initial=0)):
        raise ValueError(f"H: got contexts that the labels are not compatible with: no words have their log-odds "
                         f"(least squares misses by {miss:.1e}); rank m is enough, got rank {np.linalg.matrix_rank(H)} "
                         f"for m = {labels.m}")
    return W.reshape(labels.V, len(H))


def solve_linear_svm(H: ArrayLike, S: MatrixLike, *, tol: float = 1e-9) -> LinearSVMSolution:
    """Solves the NTP-SVM of the linear model: least |W|_F with equal logits on each support, lower by 1 off it.

    min |W|_F subject to (w_z - w_z')' h_j = 0 and (w_z - w_v)' h_j >= 1 for z, z' in S_j, v not in S_j.
    The equalities are projected out; what is left is a least-distance problem, solved through non-negative
    least squares (Lawson and Hanson, 1974, chapter 23) and once more on the active constraints alone. It is dense:
    memory is the number of inequalities, m V - sum_j k_j, times V rank(H). Meant for hundreds of inequalities.

    Source: chapter 2, "What stays and what grows" and "A proof of optimality"; Thrampoulidis (2024).

    Args:
        H: fixed contexts, (d, m).
        S: supports, dense or sparse, boolean or 0/1, (V, m).
        tol: the relative duality gap above which a warning is given.

    Returns:
        The solution, unique, with its certificate.

    Raises:
        ValueError: the supports are not separable with H; H or S is not what is wanted.

    Warns:
        ConvergenceWarning: the gap is above `tol`.

    >>> solution = solve_linear_svm([[1.0, -1.0]], [[1, 0], [1, 0], [0, 1]])
    >>> solution.W.ravel().round(4).tolist(), solution.gap < 1e-12
    ([0.3333, 0.3333, -0.6667], True)
    """
    S = _supports(S)
    H = _contexts(H, S.shape[1])
    on, (V, m) = S.toarray(), S.shape
    size = np.linalg.norm(H, axis=0).max()
    if size == 0 and not on.all():
        raise ValueError("H: got contexts with which the supports are not separable: all of them are zero")
    basis, s, turn = np.linalg.svd(H / (size or 1.0), full_matrices=False)
    kept = s > max(H.shape) * np.finfo(float).eps * s.max(initial=0)
    basis, small = basis[:, kept], s[kept, None] * turn[kept]  # H = size * basis @ small
    contrasts, owner, B = _differences(small, S)
    Q, wrong, context = _orthonormal(B), *np.nonzero(~on)
    A = (on / on.sum(axis=0))[:, context]
    A[wrong, np.arange(len(wrong))] -= 1  # one column for each inequality: the support's mean less the token
    G = np.einsum("vi,di->vdi", A, small[:, context]).reshape(V * len(small), len(wrong))
    G -= Q @ (Q.T @ G)
    x, weights = _least_distance(G)
    base = np.zeros((V, m))
    np.add.at(base.T, context, (A * weights).T)
    inside = np.linalg.lstsq(B, (base @ small.T).ravel(), rcond=None)[0]
    np.subtract.at(base.T, owner, (contrasts * inside).T)
    W = x.reshape(V, len(small)) @ basis.T / (size or 1.0)
    scale = np.linalg.norm(base @ H.T)
    certificate = base / scale if scale else base
    solution = LinearSVMSolution(W, certificate, float(np.linalg.norm(W)), float(certificate[on].sum()))
    if not solution.gap <= tol:
        warnings.warn(f"the linear SVM stopped at a relative gap of {solution.gap:.1e}, above {tol:.1e}",
                      ConvergenceWarning, stacklevel=2)
    return solution


def _least_distance(G: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shortest x with G' x >= 1, and weights >= 0 with x = G weights; G is (n, inequalities).

    Raises:
        ValueError: there is no such x (or only one that is ten million times as long as a column).
    """
    n, count = G.shape
    if count == 0:
        return np.zeros(n), np.zeros(0)
    R = np.linalg.qr(G, mode="r") if n > count else G  # lengths and angles are all that counts
    system = np.vstack([R, np.ones(count)])
    target = np.zeros(len(system))
    target[-1] = 1
    weights, miss = nnls(system, target, maxiter=30 * count)
    if miss < 1e-7:
        raise ValueError("H: got contexts with which the supports are not separable, or only by words some ten million "
                         "times as long as one margin alone would take; rank m is enough, where H is not nearly of "
                         "lower rank")
    active = np.flatnonzero(weights > 0)
    x = np.linalg.lstsq(G[:, active].T, np.ones(len(active)), rcond=None)[0]
    if (G.T @ x).min() < 1 - 1e-6:  # the active set was not exact: keep the first solution
        x = -(G @ weights) / (system[-1] @ weights - 1)
    weights = np.zeros(count)
    weights[active] = np.maximum(np.linalg.lstsq(G[:, active], x, rcond=None)[0], 0)
    return x / min(1.0, (G.T @ x).min()), weights


def train_linear(labels: SoftLabels, H: ArrayLike, *, steps: int, lr: float, optimizer: str = "gd",
                 beta: tuple[float, float] = (0.9, 0.99), start: ArrayLike | None = None,
                 snapshots: int | Sequence[int] = 50, progress: bool = False) -> Trajectory:
    """Trains words alone, W <- W - lr (step from grad CE(W H) H'), full batch.

    "gd" steps along the gradient, "ngd" along the gradient over its Frobenius norm, "adam" as Adam (epsilon 1e-8).

    Source: chapter 2, "Two parts, two fates"; Kingma and Ba (2015) for Adam.

    Args:
        labels: the soft labels.
        H: fixed contexts, (d, m).
        steps: how many steps to make.
        lr: the step size.
        optimizer: "gd", "ngd" or "adam".
        beta: Adam's two forgetting factors.
        start: the first words, (V, d); zeros where none are given.
        snapshots: how many to keep, log-spaced with 0 and the last step; or the steps to keep (0 is added).
        progress: whether to show a progress bar.

    Returns:
        The trajectory; its H is the same at every snapshot (a read-only view).

    Raises:
        ValueError: steps < 0, lr not above 0, an unknown optimizer, shapes that differ, snapshots outside the steps.
        FloatingPointError: the loss is no longer finite (lr is too large).

    >>> labels = SoftLabels.from_counts([[3, 0], [1, 0], [0, 4]])
    >>> run = train_linear(labels, [[1.0, -1.0]], steps=1000, lr=1.0, snapshots=[1000])
    >>> (run.W[1, 0] - run.W[1, 1]).round(2).tolist(), bool(run.loss[1] - labels.entropy() < 0.01)  # log 3
    ([1.1], True)
    """
    H = _contexts(H, labels.m)
    if steps < 0 or not lr > 0:
        raise ValueError(f"steps, lr: got {steps}, {lr}, want steps at least 0 and lr above 0")
    if optimizer not in ("gd", "ngd", "adam"):
        raise ValueError(f"optimizer: got {optimizer!r}, want 'gd', 'ngd' or 'adam'")
    shape = (labels.V, len(H))
    W = np.zeros(shape) if start is None else np.array(start, dtype=np.float64)
    if W.shape != shape:
        raise ValueError(f"start: got shape {W.shape}, want (V, d) = {shape}")
    kept, target = _schedule(snapshots, steps), labels.P.toarray() * labels.pi
    update = _adam(lr, shape, beta) if optimizer == "adam" else _descend(lr)
    out, loss, taken = np.empty((len(kept), *shape)), np.empty(len(kept)), 0
    for step in _bar(range(kept[-1] + 1), progress):
        if step == kept[taken]:
            out[taken], loss[taken] = W, ntp_loss(W @ H, labels)
            if not np.isfinite(loss[taken]):
                raise FloatingPointError(f"the loss is not finite after {step} steps: lr = {lr} is too large")
            taken += 1
        if step == kept[-1]:
            break
        G = W @ H
        G -= G.max(axis=0)
        np.exp(G, out=G)
        G *= labels.pi / G.sum(axis=0)
        G -= target
        gradient = G @ H.T
        if optimizer == "ngd":
            gradient /= np.linalg.norm(gradient) or 1.0
        update(W, gradient)
    settings = {"steps": int(steps), "optimizer": optimizer, "lr": float(lr), "beta": list(map(float, beta))}
    return Trajectory(kept, out, np.broadcast_to(H, (len(kept), *H.shape)), loss, settings)

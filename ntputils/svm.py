"""NTP-SVM: the nuclear-norm max-margin problem, solved with a certificate.

    minimise ||L||_*   subject to   L_zj = L_z'j  and  L_zj - L_vj >= 1   for z, z' in S_j and v not in S_j.

Its dual is to maximise <S, Lambda> over ||Lambda||_2 <= 1 with zero column sums and Lambda_vj <= 0 off the supports.

Equal columns of S have equal columns in every solution, and equal rows equal rows, so the problem is solved on one
column for each distinct support and one row for each distinct token, weighted by the roots of their multiplicities.
There Douglas-Rachford splitting alternates two exact steps, each cheap: the projection on the constraints (a sort for
each column) and the shrinkage of singular values (an eigendecomposition of the smaller Gram matrix); Anderson
acceleration takes the iteration to tolerance in a few dozen steps. What the projection takes off is, up to its scale, a
point that the dual allows, so every iterate carries its own duality gap.
"""

from __future__ import annotations

import functools
import time
import warnings
from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace

from .contexts import merge_columns
from .theory import _supports

_RELAX = 1.6          # over-relaxation of Douglas-Rachford, the middle of the range that is usually recommended
_STEP = 3.0           # shrinkage, in units of the mean singular value of the proxy
_MEMORY = 8           # differences that Anderson acceleration combines
_CHECK = 5            # iterations between two looks at the gap


class ConvergenceWarning(UserWarning):
    """A solver stopped before its tolerance."""


@dataclass(frozen=True)
class NTPSVMSolution:
    """A feasible point of NTP-SVM, a feasible point of its dual, and so a bound on how far either is from optimal.

    Attributes:
        L_distinct: logits for each distinct support, (V, u); every in-support entry of a column is equal and exceeds
            every other entry by at least 1.
        certificate: the dual point Lambda for each distinct support, (V, u): expanded by `inverse` it has spectral
            norm at most 1, zero column sums, and no positive entry off the supports.
        inverse: the distinct support of each context, (m,).
        counts: how many contexts share each distinct support, (u,).
        primal: ||L||_* over all m contexts.
        dual: <S, Lambda> over all m contexts.
        iterations: how many iterations were made.
        seconds: how long they took.
    """

    L_distinct: np.ndarray
    certificate: np.ndarray
    inverse: np.ndarray
    counts: np.ndarray
    primal: float
    dual: float
    iterations: int
    seconds: float

    @property
    def gap(self) -> float:
        """(primal - dual) / primal, zero where the primal is zero."""
        return max(0.0, self.primal - self.dual) / self.primal if self.primal else 0.0

    @functools.cached_property
    def L(self) -> np.ndarray:  # noqa: N802 - the paper's symbol
        """The logits of all contexts, (V, m)."""
        return self.L_distinct[:, self.inverse]


@dataclass(frozen=True)
class _Quotient:
    """The problem on distinct rows and columns; `weight` turns its logits into a matrix with the same nuclear norm."""

    S: object             # (t, u) bool
    rows: object          # (t, 1) how many tokens share each row
    weight: object        # (t, u) sqrt(tokens x contexts)
    inside: object        # (1, u) tokens in each support, with multiplicity

    @property
    def xp(self):
        return array_namespace(self.weight)


def _quotient(S: np.ndarray, rows: np.ndarray, columns: np.ndarray, device: str | None) -> _Quotient:
    """Puts a quotient problem where it is to be solved: NumPy, or torch on a device."""
    arrays = [S, rows[:, None].astype(float), np.sqrt(np.outer(rows, columns)), (rows @ S)[None].astype(float)]
    if device is not None:
        import torch

        arrays = [torch.as_tensor(a, device=device) for a in arrays]
    return _Quotient(*arrays)


def _project(A, q: _Quotient):
    """The nearest feasible logits to A in the norm weighted by rows, exactly.

    In a column the in-support value s is the weighted mean of the in-support entries and of those others that would
    come closer to it than 1, raised by 1; the others stay. Sorting finds how many: each of the largest raises s.
    """
    xp = q.xp
    raised = xp.where(q.S, -xp.inf, A + 1.0)
    order = xp.argsort(raised, axis=0, descending=True)
    raised = xp.take_along_axis(raised, order, axis=0)
    outside = xp.isfinite(raised)
    rows = xp.where(outside, xp.take_along_axis(xp.broadcast_to(q.rows, A.shape), order, axis=0), 0.0)
    total = xp.sum(xp.where(q.S, q.rows * A, 0.0), axis=0, keepdims=True)
    sums = total + xp.cumulative_sum(rows * xp.where(outside, raised, 0.0), axis=0)
    means = xp.concat([total / q.inside, sums / (q.inside + xp.cumulative_sum(rows, axis=0))])
    binding = xp.sum(xp.astype(raised > means[:-1, :], xp.int64), axis=0, keepdims=True)
    s = xp.take_along_axis(means, binding, axis=0)
    return xp.where(q.S, s, xp.minimum(A, s - 1.0))


def _shrink(A, step: float, xp):
    """Takes `step` from every singular value of A, none below zero, through the smaller Gram matrix."""
    tall = A.shape[0] >= A.shape[1]
    squares, Q = xp.linalg.eigh(A.T @ A if tall else A @ A.T)
    large = squares > step**2
    Q, factor = Q[:, large], 1.0 - step / xp.sqrt(squares[large])
    return (A @ Q * factor) @ Q.T if tall else (Q * factor) @ (Q.T @ A)


class _Anderson:
    """Anderson acceleration (type II) of a fixed-point iteration z <- z + g(z), cleared when the residual grows."""

    def __init__(self, memory: int):
        self.memory, self.points, self.residuals, self.size = memory, [], [], float("inf")

    def step(self, z, g, xp):
        """The next point, from the point z and its step g."""
        size = float(xp.linalg.vector_norm(g))
        if size > 2 * self.size:
            self.points, self.residuals = [], []
        self.size = size
        self.points = [*self.points[-self.memory:], xp.reshape(z + g, (-1,))]
        self.residuals = [*self.residuals[-self.memory:], xp.reshape(g, (-1,))]
        if len(self.points) < 3:
            return z + g
        D = xp.stack([b - a for a, b in zip(self.residuals[:-1], self.residuals[1:])])
        M = D @ D.T
        M = M + 1e-10 * xp.linalg.trace(M) * xp.eye(M.shape[0], dtype=M.dtype, device=M.device)
        mix = xp.linalg.solve(M, (D @ self.residuals[-1])[:, None])[:, 0]
        moved = self.points[-1]
        for weight, a, b in zip(mix, self.points[:-1], self.points[1:]):
            moved = moved - weight * (b - a)
        return xp.reshape(moved, z.shape)


@dataclass
class _Best:
    """The best primal and dual points so far."""

    X: object = None
    G: object = None
    primal: float = float("inf")
    dual: float = -float("inf")

    @property
    def gap(self) -> float:
        return (self.primal - self.dual) / self.primal

    def look(self, X, G, xp) -> None:
        """Takes a feasible X and a G that is dual-feasible up to its scale."""
        primal = float(xp.sum(xp.linalg.svdvals(X)))
        if primal < self.primal:
            self.X, self.primal = X, primal
        square = G.T @ G if G.shape[0] >= G.shape[1] else G @ G.T
        norm = float(xp.sqrt(xp.max(xp.linalg.eigvalsh(square)))) * (1 + 1e-12)
        dual = float(xp.sum(X * G)) / norm  # <X, G> = <S, G>: X leaves its proxy only where G is zero
        if dual > self.dual:
            self.G, self.dual = G / norm, dual


def _iterate(q: _Quotient, tol: float, max_iter: int) -> tuple[_Best, int]:
    """Douglas-Rachford from the proxy and its polar factor, until the gap is below `tol`."""
    xp = q.xp
    share = xp.astype(q.S, q.weight.dtype) - q.inside / xp.sum(q.rows)
    X = share * q.weight
    U, s, Vt = xp.linalg.svd(X, full_matrices=False)
    keep = s > 1e-9 * s[0]
    step = _STEP * float(xp.mean(s[keep]))
    best, anderson = _Best(), _Anderson(_MEMORY)
    z = X - step * (U[:, keep] @ Vt[keep, :])
    for iteration in range(1, max_iter + 1):
        X = _project(z / q.weight, q) * q.weight
        if iteration % _CHECK == 1 or iteration == max_iter:
            best.look(X, X - z, xp)
            if best.gap <= tol:
                break
        z = anderson.step(z, _RELAX * (_shrink(2 * X - z, step, xp) - X), xp)
    return best, iteration


def solve_ntp_svm(S, *, tol: float = 1e-6, max_iter: int = 5000, device: str | None = None) -> NTPSVMSolution:
    """Solves NTP-SVM to a relative duality gap of `tol`, and says how large the gap is.

    Args:
        S: supports, dense or sparse, boolean or 0/1, (V, m). A full column is allowed: its constraints are void and
            its solution is zero.
        tol: the relative gap to reach.
        max_iter: how many iterations to spend at most.
        device: None for NumPy, or a torch device such as "cpu" or "cuda" (float64 there too).

    Returns:
        The solution with its certificate.

    Raises:
        ValueError: entries other than 0 and 1, an empty column, no token or no context, `tol` or `max_iter` not
            positive.

    Warns:
        ConvergenceWarning: the gap is still above `tol` after `max_iter` iterations.

    >>> solution = solve_ntp_svm([[1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]])   # where the proxy first fails
    >>> round(solution.primal, 5), solution.gap <= 1e-6          # 1 + 2 sqrt(2/3); the proxy has 1 + sqrt(11)/2
    (2.63299, True)
    >>> (6 * solution.L).round(2).T.tolist()[0]
    [5.0, -1.0, -1.0, -3.0]
    """
    if not tol > 0:
        raise ValueError(f"tol: got {tol}, want a number above 0")
    if max_iter < 1:
        raise ValueError(f"max_iter: got {max_iter}, want at least 1")
    start = time.perf_counter()
    distinct, inverse, counts = merge_columns(_supports(S))
    tokens, token_inverse, rows = merge_columns(distinct.T)
    pattern = tokens.T.toarray()
    L, certificate = np.zeros(pattern.shape), np.zeros(pattern.shape)
    primal, dual, iterations = 0.0, 0.0, 0
    bound = ~pattern.all(axis=0)  # full columns have no constraint: their solution and their certificate are zero
    if bound.any():
        q = _quotient(pattern[:, bound], rows, counts[bound], device)
        best, iterations = _iterate(q, tol, max_iter)
        L[:, bound], certificate[:, bound] = (_to_numpy(A / q.weight) for A in (best.X, best.G))
        primal, dual = best.primal, best.dual
        if best.gap > tol:
            warnings.warn(f"solve_ntp_svm stopped after {iterations} iterations at a gap of {best.gap:.1e}, "
                          f"above the tolerance {tol:.1e}", ConvergenceWarning, stacklevel=2)
    return NTPSVMSolution(L[token_inverse], certificate[token_inverse], inverse, counts, primal, dual, iterations,
                          time.perf_counter() - start)


def _to_numpy(A) -> np.ndarray:
    """A NumPy array of an array that may live on a device."""
    return A.cpu().numpy() if hasattr(A, "cpu") else A

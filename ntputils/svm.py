"""NTP-SVM: the nuclear-norm max-margin problem, solved with a certificate.

    minimise ||L||_*   subject to   L_zj = L_z'j  and  L_zj - L_vj >= 1   for z, z' in S_j and v not in S_j.

Its dual is to maximise <S, Lambda> over ||Lambda||_2 <= 1 with zero column sums and Lambda_vj <= 0 off the supports.

Equal columns of S have equal columns in every solution, and equal rows equal rows, so the problem is solved on one
column for each distinct support and one row for each distinct token, weighted by the roots of their multiplicities.
There Douglas-Rachford splitting alternates two exact steps, each cheap: the projection on the constraints (a few
passes of Newton's iteration) and the shrinkage of singular values (an eigendecomposition of the smaller Gram matrix);
Anderson acceleration takes the iteration to tolerance in a few dozen steps. What the projection takes off is, up to
its scale, a point that the dual allows, so every iterate carries its own duality gap.
"""

from __future__ import annotations

import functools
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from array_api_compat import array_namespace

from ._anderson import Anderson, to_numpy
from ._hints import AnyArray, MatrixLike
from .contexts import merge_columns
from .theory import _supports

_RELAX = 1.6          # over-relaxation of Douglas-Rachford, the middle of the range that is usually recommended
_STEP = 3.0           # shrinkage, in units of the mean singular value of the proxy
_MEMORY = 10         # differences that Anderson acceleration combines
_CHECK = 20           # iterations between two looks at the gap, at most


class ConvergenceWarning(UserWarning):
    """A solver stopped before its tolerance.

    Source: chapter 4.

    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     found = solve_ntp_svm([[1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]], max_iter=1)
    >>> caught[0].category.__name__, found.gap > 1e-6
    ('ConvergenceWarning', True)
    """


@dataclass(frozen=True)
class NTPSVMSolution:
    """A feasible point of NTP-SVM, a feasible point of its dual, and so a bound on how far either is from optimal.

    Source: chapter 4, "NTP-SVM", "Duality" and "The quotient"; Zhao et al. (2024).

    Attributes:
        L_distinct: logits in nats for each distinct support, (V, u); every in-support entry of a column is equal and
            exceeds every other entry by at least 1.
        certificate: the dual point Lambda for each distinct support, (V, u): expanded by `inverse` it has spectral
            norm at most 1, zero column sums, and no positive entry off the supports.
        inverse: the distinct support of each context, (m,).
        counts: how many contexts share each distinct support, (u,).
        primal: ||L||_* over all m contexts, nats.
        dual: <S, Lambda> over all m contexts, nats: no feasible logits have a smaller norm.
        iterations: how many iterations were made.
        seconds: how long they took.

    >>> solution = solve_ntp_svm([[1, 1, 0], [0, 0, 1], [0, 0, 1]])        # two contexts with one support, one with another
    >>> solution.L.round(4).tolist()[0], solution.inverse.tolist(), solution.counts.tolist()
    ([0.6667, 0.6667, -0.6667], [0, 0, 1], [2, 1])
    >>> round(solution.primal, 4), solution.gap < 1e-6                     # sqrt(2)
    (1.4142, True)
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
        """The relative duality gap, (primal - dual) / primal; zero where the primal is zero."""
        return max(0.0, self.primal - self.dual) / self.primal if self.primal else 0.0

    @functools.cached_property
    def L(self) -> np.ndarray:  # noqa: N802 - the paper's symbol
        """The logits of all contexts, nats, (V, m)."""
        return self.L_distinct[:, self.inverse]


@dataclass(frozen=True)
class _Quotient:
    """The problem on distinct rows and columns; `weight` turns its logits into a matrix with the same nuclear norm."""

    S: AnyArray           # (t, u) bool
    rows: AnyArray        # (t, 1) how many tokens share each row
    weight: AnyArray      # (t, u) sqrt(tokens x contexts)
    inside: AnyArray      # (1, u) tokens in each support, with multiplicity

    @property
    def xp(self) -> Any:
        return array_namespace(self.weight)


def _quotient(S: np.ndarray, rows: np.ndarray, columns: np.ndarray, device: str | None) -> _Quotient:
    """Puts a quotient problem where it is to be solved: NumPy, or torch on a device."""
    arrays: list[AnyArray] = [S, rows[:, None].astype(float), np.sqrt(np.outer(rows, columns)), (rows @ S)[None].astype(float)]
    if device is not None:
        import torch

        arrays = [torch.as_tensor(a, device=device) for a in arrays]
    return _Quotient(*arrays)


def _project(A: AnyArray, q: _Quotient) -> AnyArray:
    """The nearest feasible logits to A in the norm weighted by rows, exactly.

    In a column the in-support value s is the weighted mean of the in-support entries and of those others that would
    come closer to it than 1, raised by 1; the others stay. Starting from the in-support entries alone, s can only
    rise and the others only drop out, so Newton's iteration ends, at the answer itself, after a few passes.
    """
    xp = q.xp
    raised = xp.where(q.S, -xp.inf, A + 1.0)
    inside = q.rows.T @ xp.where(q.S, A, 0.0)
    s = inside / q.inside
    while True:
        close = raised > s
        total = inside + q.rows.T @ xp.where(close, raised, 0.0)
        mean = total / (q.inside + q.rows.T @ xp.astype(close, A.dtype))
        if not xp.any(mean > s):
            return xp.where(q.S, s, xp.minimum(A, s - 1.0))
        s = xp.maximum(s, mean)


def _shrink(A: AnyArray, step: float, xp: Any) -> AnyArray:
    """Takes `step` from every singular value of A, none below zero, through the smaller Gram matrix."""
    tall = A.shape[0] >= A.shape[1]
    squares, Q = xp.linalg.eigh(A.T @ A if tall else A @ A.T)
    large = squares > step**2
    Q, factor = Q[:, large], 1.0 - step / xp.sqrt(squares[large])
    return (A @ Q * factor) @ Q.T if tall else (Q * factor) @ (Q.T @ A)


@dataclass
class _Best:
    """The best primal and dual points so far."""

    X: AnyArray = None
    G: AnyArray = None
    primal: float = float("inf")
    dual: float = -float("inf")

    @property
    def gap(self) -> float:
        return (self.primal - self.dual) / self.primal

    def look(self, X: AnyArray, G: AnyArray, xp: Any) -> None:
        """Takes a feasible X and a G that is dual-feasible up to its scale."""
        primal = float(xp.sum(xp.linalg.svdvals(X)))
        if primal < self.primal:
            self.X, self.primal = X, primal
        norm = _spectral_norm(G, xp)
        dual = float(xp.sum(X * G)) / norm  # <X, G> = <S, G>: X leaves its proxy only where G is zero
        if dual > self.dual:
            self.G, self.dual = G / norm, dual


def _spectral_norm(G: AnyArray, xp: Any) -> float:
    """An upper bound of ||G||_2 that exceeds it by rounding only, and is never zero."""
    square = G.T @ G if G.shape[0] >= G.shape[1] else G @ G.T
    return max(float(xp.max(xp.linalg.eigvalsh(square))), np.finfo(float).tiny) ** 0.5 * (1 + 1e-12)


def _iterate(q: _Quotient, tol: float, max_iter: int) -> tuple[_Best, int]:
    """Douglas-Rachford from the proxy and its polar factor, until the gap is below `tol`.

    The gap falls about as fast as the length of the step, so the next look at it, which costs as much as an iteration,
    waits until the step has become as much shorter as the gap still has to; at most `_CHECK` iterations.
    """
    xp = q.xp
    share = xp.astype(q.S, q.weight.dtype) - q.inside / xp.sum(q.rows)
    X = share * q.weight
    U, s, Vt = xp.linalg.svd(X, full_matrices=False)
    keep = s > 1e-9 * s[0]
    step = _STEP * float(xp.mean(s[keep]))
    z = X - step * (U[:, keep] @ Vt[keep, :])
    best, anderson = _Best(X, primal=float(xp.sum(s))), Anderson(z, _MEMORY)   # never worse than the proxy
    aim, next_look = float("inf"), 1
    for iteration in range(1, max_iter + 1):
        X = _project(z / q.weight, q) * q.weight
        g = _RELAX * (_shrink(2 * X - z, step, xp) - X)
        length = float(xp.linalg.vector_norm(g))
        if length <= aim or iteration in (next_look, max_iter):
            best.look(X, X - z, xp)
            if best.gap <= tol:
                break
            aim, next_look = length * min(0.9, max(0.1, tol / best.gap)), iteration + _CHECK
        z = anderson.step(z, g)
    return best, iteration


def solve_ntp_svm(S: MatrixLike, *, tol: float = 1e-6, max_iter: int = 5000, rank: int | None = None,
                  device: str | None = None) -> NTPSVMSolution:
    """Solves NTP-SVM to a relative duality gap of `tol`, and says how large the gap is.

    Source: chapter 4, "NTP-SVM" and "Duality"; Zhao et al. (2024).

    Args:
        S: supports, dense or sparse, boolean or 0/1, (V, m). A full column is allowed: its constraints are void and
            its solution is zero.
        tol: the relative gap to reach.
        max_iter: how many iterations to spend at most.
        rank: the largest rank allowed; None for no limit. With a limit the problem is not convex: a local method
            looks for it (`ntputils.low_rank`), the dual bound stays that of the problem without the limit, and the
            answer is a `LowRankSolution`, whose `says` tells what is proved.
        device: None for NumPy, or a torch device such as "cpu" or "cuda" (float64 there too).

    Returns:
        The solution with its certificate.

    Raises:
        ValueError: entries other than 0 and 1, an empty column, no token or no context, `tol` or `max_iter` not
            positive, `rank` below one or provably too small.
        RuntimeError: no feasible logits of that rank were found (which proves nothing).

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
    if rank is not None:
        from .low_rank import solve_low_rank

        return solve_low_rank(S, rank, tol=tol, max_iter=max_iter, device=device)
    start = time.perf_counter()
    distinct, inverse, counts = merge_columns(_supports(S))
    tokens, token_inverse, rows = merge_columns(distinct.T)
    pattern = tokens.T.toarray()
    L, certificate, iterations = np.zeros(pattern.shape), np.zeros(pattern.shape), 0
    bound = ~pattern.all(axis=0)  # full columns have no constraint: their solution and their certificate are zero
    if bound.any():
        q = _quotient(pattern[:, bound], rows, counts[bound], device)
        best, iterations = _iterate(q, 0.99 * tol, max_iter)  # the rest is for rounding: the gap is recomputed
        L[:, bound], certificate[:, bound] = (to_numpy(A / q.weight) for A in (best.X, best.G))
    L, certificate = L[token_inverse], certificate[token_inverse]
    primal, dual = _values(L, certificate, distinct, counts)
    solution = NTPSVMSolution(L, certificate, inverse, counts, primal, dual, iterations, time.perf_counter() - start)
    if solution.gap > tol:
        warnings.warn(f"solve_ntp_svm stopped after {iterations} iterations at a gap of {solution.gap:.1e}, "
                      f"above the tolerance {tol:.1e}", ConvergenceWarning, stacklevel=2)
    return solution


def _values(L: np.ndarray, certificate: np.ndarray, S: sp.csc_array, counts: np.ndarray) -> tuple[float, float]:
    """The primal and the dual value of two points, from them and the distinct supports alone."""
    primal = np.linalg.svd(L * np.sqrt(counts), compute_uv=False).sum()
    return float(primal), float(np.sum(S.multiply(certificate) @ counts))

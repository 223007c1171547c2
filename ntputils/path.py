"""The regularisation path of the unconstrained features model, each point with a certificate.

With L = WH the ridge lam/2 (||W||_F^2 + ||H||_F^2) costs lam ||L||_*, and for d >= min(V - 1, m) the
problem is convex in L:

    minimise CE(L) + lam ||L||_* .

Its dual is to find the most uncertain prediction within a spectral ball around the data,

    maximise sum_j pi_j entropy(q_j)   subject to   ||(P - q) diag(pi)||_2 <= lam,

over distributions q_j. (Write the norm as a maximum over G in the unit ball of the spectral norm, exchange
the two, and minimise over L column by column: q = P - lam G / diag(pi).) Every L names such a q, so it
comes with its gap.

Probabilities off the supports are of the order of lam, so a gradient method sees curvatures of 1/lam and of
1 at once. Douglas-Rachford splitting does not: it alternates two exact steps, the proximal step of CE/lam,
one scalar equation for each column, and the shrinkage of singular values. It works on L, where no saddle
can trap it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from scipy.optimize import minimize
from scipy.special import wrightomega

from ._anderson import Anderson
from ._hints import ArrayLike, MatrixLike
from .svm import ConvergenceWarning
from .theory import _logits, centered_support, factor, ntp_gradient
from .types import SoftLabels

_RELAX = 1.6       # over-relaxation of Douglas-Rachford
_STEP = 2.0        # its step, in units of the mean singular value of the proxy times log(1/lam)
_MEMORY = 8        # differences that Anderson acceleration combines
_CHECK = 5         # iterations between two looks at the gap
_TINY = np.finfo(float).tiny


@dataclass(frozen=True)
class PathPoint:
    """One point of the regularisation path.

    Source: chapter 3, "Ridge-regularised model" and "Certificate"; chapter 5; Zhao et al. (2024).

    Attributes:
        lam: the ridge.
        L: logits, nats, (V, m).
        W: word vectors, (V, d), balanced: W'W = HH'.
        H: context vectors, (d, m), with W H = L up to rounding.
        loss: CE(L), nats, without the ridge.
        residual: the relative duality gap of L (`optimality_gap`).

    >>> [point] = regularization_path(SoftLabels.from_counts([[1, 0, 0], [0, 1, 1], [0, 0, 0]]), [1e-3])
    >>> point.W.shape, point.H.shape, np.allclose(point.W @ point.H, point.L)
    ((3, 2), (2, 3), True)
    >>> round(point.loss, 4), point.residual < 1e-8
    (0.0019, True)
    """

    lam: float
    L: np.ndarray
    W: np.ndarray
    H: np.ndarray
    loss: float
    residual: float


# --- the loss, to relative accuracy however close to its bound ---

class _Problem:
    """Dense copies of what the solvers look up at every iteration."""

    def __init__(self, labels: SoftLabels) -> None:
        self.P, self.pi = labels.P.toarray(), labels.pi
        self.on = self.P > 0
        self.log_p = np.log(np.where(self.on, self.P, 1.0))

    def compare(self, L: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """softmax(L), softmax(L) - P without cancellation, and KL(p_j || softmax(L_.j)) for each column."""
        log_q = L - L.max(axis=0)
        log_q = log_q - np.log(np.exp(log_q).sum(axis=0))
        q = np.exp(log_q)
        ratio = np.where(self.on, log_q - self.log_p, 0.0)
        excess = np.where(self.on, self.P * np.expm1(ratio), q)
        kl = (self.P * (np.expm1(ratio) - ratio)).sum(axis=0) + np.where(self.on, 0.0, q).sum(axis=0)
        return q, excess, kl


def lambda_max(labels: SoftLabels) -> float:
    """The ridge from which on the best logits are zero: ||grad CE(0)||_2 = ||(P - 1/V) diag(pi)||_2.

    Source: chapter 3, "The first concept".

    Args:
        labels: the soft labels.

    Returns:
        The number lambda_max; just below it, L has rank 1 along the top singular pair (where that is simple).

    >>> lambda_max(SoftLabels.from_counts([[1, 0], [0, 1]])) == 0.5
    True
    """
    return float(np.linalg.norm(ntp_gradient(np.zeros(labels.P.shape), labels), 2))


def optimality_gap(L: MatrixLike, lam: float, labels: SoftLabels) -> float:
    """How far logits can be from minimising CE(L) + lam ||L||_*, from L, lam and the labels alone.

    It is (primal - dual) / (primal - entropy) for a dual point that L names: with G = -grad CE(L)/lam, either
    G / max(1, ||G||_2); or, since G is known to be U V' on the singular vectors of an optimal L, U V' plus
    the rest of G cut to norm 1. The better of the two counts. The second is exact to second order, which
    matters: at lam = 1e-10 rounding L to double precision moves G itself by about 1e-6.

    Source: chapter 3, "Certificate".

    Args:
        L: logits, nats, (V, m).
        lam: the ridge, above 0.
        labels: the soft labels.

    Returns:
        The relative duality gap: 0 at the optimum, and a bound on the relative excess of the objective.

    Raises:
        ValueError: L is not (V, m), or lam is not above 0.

    >>> labels = SoftLabels.from_counts([[1, 0], [0, 1]])
    >>> optimality_gap(np.zeros((2, 2)), 0.5, labels) < 1e-12, optimality_gap(np.eye(2), 0.1, labels) > 0.01
    (True, True)
    """
    _check_lambdas([lam])
    return _gap(_logits(L, labels.P.shape), lam, _Problem(labels))


def _gap(L: np.ndarray, lam: float, p: _Problem) -> float:
    """`optimality_gap` without the checks."""
    q, excess, kl = p.compare(L)
    U, s, Vt = np.linalg.svd(L, full_matrices=False)
    primal = p.pi @ kl + lam * s.sum()
    if primal <= 0:
        return 0.0
    G = -excess * p.pi / lam
    keep = s > max(1e-6 * s[0], _TINY)
    U, Vt = U[:, keep], Vt[keep]
    rest = G - U @ (U.T @ G)
    rest = rest - (rest @ Vt.T) @ Vt
    rest -= rest.mean(axis=0)
    gaps = []
    for dual in (G / max(1.0, np.linalg.norm(G, 2)), U @ Vt + rest / max(1.0, np.linalg.norm(rest, 2))):
        change = -lam * dual / p.pi - excess                 # q of the dual point, less softmax(L)
        if np.any(q + change < -1e-15 * lam):
            continue
        with np.errstate(all="ignore"):                      # softmax(L) may be zero far from the optimum
            x = np.maximum(change / q, -1 + 1e-16)
            bregman = np.where(q > 0, q * ((1 + x) * np.log1p(x) - x), np.where(change > 0, np.inf, 0.0))
        gaps.append(lam * (s.sum() - np.sum(dual * L)) + p.pi @ bregman.sum(axis=0))
    return float(max(min(gaps), 0.0) / primal)  # the first is always allowed: a mixture of P and softmax(L)


# --- the convex path ---

def _prox(Y: np.ndarray, c: np.ndarray, a: np.ndarray, p: _Problem) -> tuple[np.ndarray, np.ndarray]:
    """The X with X + a (softmax(X) - P) = Y, column by column; returns Y - X and the log-sum-exp of X.

    Given the log-sum-exp c, each entry solves a scalar equation: u + a exp(u) = t, the Wright omega
    function, off the support; on it the same for the log-ratio, which keeps its digits where a is large.
    The changes Y - X must sum to zero, which is a falling convex equation in c: Newton, from the c given or, where
    no entry of Y can move so far (by a at most), from the nearest that is possible.
    """
    ap, log_a, top = a * p.P, np.log(a), Y.max(axis=0)
    c = np.clip(c, top - a, top + a + np.log(len(Y)))
    log_ap = np.log(np.where(p.on, ap, 1.0))
    for _ in range(100):
        t = Y - c
        x, r = t + log_a + ap, t - p.log_p
        w = wrightomega(x)
        ratio = np.where(w > 1e-300, np.log(np.maximum(w, 1e-300)), x) - log_ap
        for _ in range(2):
            ratio = np.where(p.on, ratio - (ratio + ap * np.expm1(ratio) - r) / (1 + ap * np.exp(ratio)), 0.0)
        change = np.where(p.on, r - ratio, w)
        weight = np.where(p.on, ap * np.exp(ratio), w)
        slope = np.maximum((weight / (1 + weight)).sum(axis=0), a / (1 + a))        # which it is at the root
        step = change.sum(axis=0) / slope
        c = c + step
        if np.abs(step).max() <= 1e-13 * (1 + np.abs(c).max()):
            break
    return change, c


def _shrink(A: np.ndarray, step: float) -> np.ndarray:
    """Takes `step` from every singular value, none below zero."""
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    return (U * np.maximum(s - step, 0.0)) @ Vt


_State: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, float]    # L, its slope, its log-sum-exp, and the gap


def _convex(lam: float, start: _State, scale: float, p: _Problem, tol: float, max_iter: int) -> _State:
    """Douglas-Rachford from the state of a neighbouring lam; returns the best state that it saw."""
    L, slope, c, _ = start
    step = _STEP * scale
    z = L + step * slope
    anderson, best = Anderson(z, _MEMORY, bold=True), (L, slope, c, np.inf)
    for iteration in range(max_iter + 1):
        change, c = _prox(z, c, step * p.pi / lam, p)
        X = z - change
        move = _shrink(2 * X - z, step) - X
        if iteration % _CHECK == 0 or iteration == max_iter:
            gap = _gap(X, lam, p)
            if gap <= best[3]:
                best = X - X.mean(axis=0), change / step, c - X.mean(axis=0), gap
            if gap <= tol and np.linalg.norm(move) <= 0.1 * tol**0.5 * np.linalg.norm(X):
                break
        z = anderson.step(z, _RELAX * move)
    return best


# --- the path at a smaller dimension: words by L-BFGS, contexts exactly ---

def _fit_contexts(W: np.ndarray, H: np.ndarray, lam: float,
                  p: _Problem) -> tuple[float, np.ndarray, np.ndarray]:
    """The best contexts for given words, a convex problem for each (damped Newton).

    Returns:
        The objective over lam (less its entropy), H, and the gradient in W.
    """
    weight, d = p.pi / lam, W.shape[1]

    def value(H: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        q, excess, kl = p.compare(W @ H)
        return weight * kl + 0.5 * (H**2).sum(axis=0), q, excess

    now, q, excess = value(H)
    for _ in range(60):
        gradient = H + W.T @ (excess * weight)
        centred = W.T[None] - (W.T @ q).T[:, :, None]                         # (m, d, V)
        curvature = (centred * (weight * q).T[:, None]) @ centred.transpose(0, 2, 1) + np.eye(d)
        move = -np.linalg.solve(curvature, gradient.T[:, :, None])[:, :, 0].T
        slope = (gradient * move).sum(axis=0)
        size = np.ones(H.shape[1])
        for _ in range(40):
            trial = value(H + size * move)
            poor = trial[0] > now + 0.1 * size * slope + 1e-13 * np.abs(now)
            if not poor.any():
                break
            size[poor] *= 0.5
        else:
            break
        H = H + size * move
        now, q, excess = trial
        if -slope.sum() <= 1e-13 * (1 + now.sum()):
            break
    return float(now.sum() + 0.5 * np.sum(W**2)), H, W + (excess * weight) @ H.T


def _local(W: np.ndarray, H: np.ndarray, lam: float, p: _Problem) -> tuple[float, np.ndarray]:
    """A local minimum of the factorised problem (L-BFGS in W on the minimum over H): value and logits."""
    memory = {"H": H}

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, memory["H"], gradient = _fit_contexts(flat.reshape(W.shape), memory["H"], lam, p)
        return value, gradient.ravel()

    found = minimize(objective, W.ravel(), jac=True, method="L-BFGS-B",
                     options={"maxiter": 500, "maxcor": 20, "ftol": 1e-13, "gtol": 1e-7})
    W = found.x.reshape(W.shape)
    value, H, _ = _fit_contexts(W, memory["H"], lam, p)
    return value, W @ H


def _factor_to(L: np.ndarray, d: int) -> tuple[np.ndarray, np.ndarray]:
    """The balanced factorisation of L cut, or padded with zeros, to d dimensions."""
    W, H = factor(L) if L.any() else (np.zeros((len(L), 0)), np.zeros((0, L.shape[1])))
    short = max(0, d - W.shape[1])
    return np.pad(W[:, :d], ((0, 0), (0, short))), np.pad(H[:d], ((0, short), (0, 0)))


def _check_lambdas(lambdas: ArrayLike) -> np.ndarray:
    lambdas = np.atleast_1d(np.asarray(lambdas, dtype=np.float64))
    if lambdas.ndim != 1 or not lambdas.size or not np.all(np.isfinite(lambdas)) or lambdas.min() <= 0:
        raise ValueError(f"lambdas: got {lambdas}, want finite numbers above 0")
    return lambdas


def regularization_path(labels: SoftLabels, lambdas: ArrayLike | None = None, *, d: int | None = None,
                        tol: float = 1e-8, max_iter: int = 2000, progress: bool = False) -> list[PathPoint]:
    """Minimises CE(WH) + lam/2 (||W||_F^2 + ||H||_F^2) for each lam, warm-started from the one above it.

    With d >= min(V - 1, m) this is CE(L) + lam ||L||_*, convex in L, and the residual certifies a global
    minimum. With smaller d it is not convex: a *local* minimum is found by descent from two starts (the
    convex solution cut to rank d, and the previous point), and the residual still measures against the
    convex problem. There a small residual proves a global minimum, and a large one proves nothing.

    Source: chapter 3, "With enough dimensions the problem is convex"; chapter 5, "The regularisation path"; Zhao et
    al. (2024).

    Args:
        labels: the soft labels.
        lambdas: the ridges, above 0, in any order, (points,); by default 30 from `lambda_max` down to 1e-10.
        d: the dimension of the vectors; None stands for min(V - 1, m), which never binds.
        tol: the relative duality gap to reach in the convex problem.
        max_iter: how many iterations to spend at most on one ridge.
        progress: whether to show a progress bar.

    Returns:
        One `PathPoint` for each ridge, in the order given.

    Raises:
        ValueError: a ridge that is not above 0, d < 1, tol or max_iter not positive.

    Warns:
        ConvergenceWarning: a convex gap is above `tol` after `max_iter` iterations.

    >>> labels = SoftLabels.from_counts([[1, 0], [0, 1]])
    >>> [point] = regularization_path(labels, [1e-3])
    >>> point.L.round(4).tolist(), point.residual <= 1e-8     # log(999) / 2
    ([[3.4534, -3.4534], [-3.4534, 3.4534]], True)
    """
    top, p, full = lambda_max(labels), _Problem(labels), max(1, min(labels.V - 1, labels.m))
    lambdas = _check_lambdas(np.geomspace(max(top, 1e-9), 1e-10, 30) if lambdas is None else lambdas)
    if d is not None and d < 1:
        raise ValueError(f"d: got {d}, want at least 1")
    if not tol > 0 or max_iter < 1:
        raise ValueError(f"tol, max_iter: got {tol}, {max_iter}, want a number above 0 and at least 1")
    d = full if d is None else int(d)
    s = np.linalg.svd(centered_support(labels.S), compute_uv=False)
    scale = s[s > 1e-9 * s[0]].mean() if s[0] > 0 else 1.0
    zero = np.zeros(labels.P.shape)
    state, points, L = (zero, zero, np.full(labels.m, np.log(labels.V)), 0.0), {}, zero
    for i in _bar(np.argsort(-lambdas, kind="stable"), progress):
        lam = lambdas[i]
        if lam >= top:
            L = zero
        else:
            state = _convex(lam, state, scale * (1 + np.log(top / lam)), p, tol, max_iter)
            if state[3] > tol:
                warnings.warn(f"regularization_path stopped at lambda = {lam:.1e} with a gap of "
                              f"{state[3]:.1e}, above the tolerance {tol:.1e}", ConvergenceWarning,
                              stacklevel=2)
            starts = (state[0], L) if L.any() else (state[0],)
            L = state[0] if d >= full else min((_local(*_factor_to(A, d), lam, p) for A in starts),
                                               key=lambda found: found[0])[1]
        loss = labels.entropy() + float(p.pi @ p.compare(L)[2])
        points[i] = PathPoint(float(lam), L, *_factor_to(L, d), loss, _gap(L, lam, p))
    return [points[i] for i in range(len(lambdas))]


_Step = TypeVar("_Step")


def _bar(steps: Iterable[_Step], progress: bool) -> Iterable[_Step]:
    """The steps themselves, behind a progress bar if one is wanted."""
    if not progress:
        return steps
    from tqdm.auto import tqdm

    return tqdm(steps)

"""Unequal words: the regularised model with what is said to help, and the exponent of Zipf's law.

Three remedies for imbalance change the loss or the ridge, not the data: an offset on the logits (logit adjustment), a
temperature of each context (logits multiplied, label-dependent margins), and a ridge of its own for each context. The
model with all three,

    minimise CE(W H diag(t) + A) + lam/2 (||W||_F^2 + sum_j c_j ||h_j||^2),

is solved here by descent from a start of full rank, and says how far it is from its optimality condition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize

from ._hints import ArrayLike
from .theory import center, factor
from .types import SoftLabels


@dataclass(frozen=True)
class AdjustedPoint:
    """A minimum of the model with adjustments.

    Source: chapter 20, "Copies, ridges and temperatures".

    Attributes:
        W: word vectors, (V, d).
        H: context vectors, (d, m).
        residual: how far the spectral norm of the gradient in WH diag(root c), over the ridge, exceeds one. At a
            stationary point, zero proves a global minimum.

    >>> labels = SoftLabels.from_counts([[1, 0], [0, 1]])
    >>> point = adjusted_minimum(labels, 1e-3, rng=np.random.default_rng(0))
    >>> point.L.round(2).tolist(), point.residual < 1e-3            # log(1/lam - 1)/2
    ([[3.45, -3.45], [-3.45, 3.45]], True)
    """

    W: np.ndarray
    H: np.ndarray
    residual: float

    @property
    def L(self) -> np.ndarray:  # noqa: N802 - the paper's symbol
        """The logits W H, nats, without temperature and offset, (V, m)."""
        return self.W @ self.H


def _positive(name: str, values: ArrayLike | None, m: int) -> np.ndarray:
    array = np.ones(m) if values is None else np.asarray(values, dtype=float)
    if array.shape != (m,) or not np.all(np.isfinite(array)) or array.min() <= 0:
        raise ValueError(f"{name}: got {array.shape}, want {m} finite numbers above 0, one a context")
    return array


def adjusted_minimum(labels: SoftLabels, lam: float, *, rng: np.random.Generator, temperature: ArrayLike | None = None,
                     ridge: ArrayLike | None = None, offset: ArrayLike | None = None, max_iter: int = 20_000
                     ) -> AdjustedPoint:
    """Minimises CE(W H diag(t) + A) + lam/2 (||W||_F^2 + sum_j c_j ||h_j||^2) over W and H.

    By descent (L-BFGS) in min(V, m) dimensions, from the factors of the logarithms of smoothed probabilities with some
    noise: a start that lacks a direction would never find it. For problems of at most a few thousand logits.

    Source: chapter 20, "Copies, ridges and temperatures" and "An offset moves the finite part only"; Menon et al.
    (2021); Kini et al. (2021).

    Args:
        labels: the soft labels.
        lam: the ridge, above 0.
        rng: where the noise comes from.
        temperature: t, what the logits of each context are multiplied by in the loss, (m,), above 0; default 1.
        ridge: c, how many times as strong the ridge is on each context's vector, (m,), above 0; default 1.
        offset: A, nats, added to the logits in the loss, (V, m), or (V, 1) for one offset a word; default 0.
        max_iter: steps of descent at most.

    Returns:
        The point.

    Raises:
        ValueError: numbers out of range, or arrays of another shape.
        TypeError: rng is not a generator.

    >>> labels = SoftLabels.from_counts([[1, 0], [0, 1]])
    >>> rng = np.random.default_rng(0)
    >>> point = adjusted_minimum(labels, 1e-3, rng=rng, temperature=[2, 2])
    >>> point.L.round(3).tolist()           # log(1/lam - 1)/2 at the ridge lam/2, and then halved
    [[1.9, -1.9], [-1.9, 1.9]]
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng: got {type(rng).__name__}, want a numpy.random.Generator (default_rng(seed))")
    if not (np.isfinite(lam) and lam > 0):
        raise ValueError(f"lam: got {lam}, want a finite number above 0")
    V, m = labels.V, labels.m
    t, c = _positive("temperature", temperature, m), _positive("ridge", ridge, m)
    A = np.zeros((V, 1)) if offset is None else np.asarray(offset, dtype=float)
    if A.shape not in ((V, m), (V, 1)) or not np.all(np.isfinite(A)):
        raise ValueError(f"offset: got shape {A.shape}, want finite numbers of shape {(V, m)} or {(V, 1)}")
    P, pi, d = labels.P.toarray(), labels.pi, min(V, m)
    scale = t / np.sqrt(c)                               # in G = H diag(root c) the ridge is the same for all

    def split(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x[:V * d].reshape(V, d), x[V * d:].reshape(d, m)

    def gradient(L: np.ndarray) -> tuple[float, np.ndarray]:
        M = L * scale + A
        M = M - M.max(axis=0)
        q = np.exp(M)
        total = q.sum(axis=0)
        value = pi @ (np.log(total) - np.sum(P * M, axis=0))
        return value, (q / total - P) * (pi * scale)

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        W, G = split(x)
        value, D = gradient(W @ G)
        slope = np.concatenate([(D @ G.T + lam * W).ravel(), (W.T @ D + lam * G).ravel()])
        return (value + lam / 2 * (x @ x)) / lam, slope / lam

    first = (center(np.log(P + lam)) - A) / scale
    W, G = factor(first + 0.1 * rng.standard_normal((V, m)))
    short = d - W.shape[1]
    start = np.concatenate([np.pad(W, ((0, 0), (0, short))).ravel(), np.pad(G, ((0, short), (0, 0))).ravel()])
    found = minimize(objective, start, jac=True, method="L-BFGS-B",
                     options={"maxiter": max_iter, "maxfun": 2 * max_iter, "maxcor": 40, "ftol": 1e-16, "gtol": 1e-8})
    W, G = split(found.x)
    residual = float(np.linalg.norm(gradient(W @ G)[1], 2)) / lam - 1
    return AdjustedPoint(W, G / np.sqrt(c), max(residual, 0.0))


def zipf_exponent(counts: ArrayLike) -> float:
    """The a of p(r) = r^-a / sum_s s^-a, r = 1 ... V, that makes counts in falling order most likely.

    Ranks come from the same counts, which favours steep laws where counts are small; an interval has to come from
    resampling whole documents, since words of a text are not drawn one by one.

    Source: chapter 20; Zipf (1949).

    Args:
        counts: how often each word occurs, in any order, (V,); zeros are left out.

    Returns:
        The exponent, 0 where all counts are equal.

    Raises:
        ValueError: fewer than two words, or counts below zero or not finite.

    >>> round(zipf_exponent(1e6 / np.arange(1, 101)**0.8), 3)
    0.8
    >>> round(zipf_exponent([5, 5, 5]), 3)
    0.0
    """
    counts = np.asarray(counts, dtype=float).ravel()
    if not np.all(np.isfinite(counts)) or counts.min(initial=0) < 0 or np.count_nonzero(counts) < 2:
        raise ValueError(f"counts: got {counts.size} numbers, want finite ones, none below 0 and at least two above")
    counts = -np.sort(-counts[counts > 0])
    logs = np.log(np.arange(1, counts.size + 1))
    mean = counts @ logs / counts.sum()

    def over(a: float) -> float:
        """The mean logarithm of the rank under the law, less that of the counts: it falls, and is zero at the maximum."""
        weights = np.exp(-a * logs)
        return float(weights @ logs / weights.sum() - mean)

    steepest = 3 + np.log2(logs[-1] / max(mean, np.finfo(float).tiny))      # over < 2 logs[-1] / 2^a - mean from a = 3 on
    return float(brentq(over, 0, steepest, xtol=1e-12)) if over(0) > 1e-12 * logs[-1] else 0.0

"""The unconstrained features model (NTP-UFM): free vectors for words and contexts, trained.

Its regularisation path lives in `ntputils.path`; both are imported from here or from `ntputils`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ._hints import PathLike
from ._npz import load_npz, save_npz
from .path import PathPoint, _bar, lambda_max, optimality_gap, regularization_path
from .theory import _columns
from .types import SoftLabels

__all__ = ["PathPoint", "Trajectory", "lambda_max", "optimality_gap", "regularization_path", "train_ufm"]


@dataclass(frozen=True)
class Trajectory:
    """What training did, on a schedule of snapshots.

    Source: chapter 2, "Unconstrained features model"; chapter 12.

    Attributes:
        steps: the step of each snapshot, (snapshots,), rising from 0.
        W: word vectors, (snapshots, V, d).
        H: context vectors, (snapshots, d, m).
        loss: the loss CE at each snapshot, nats, without the ridge, (snapshots,).
        settings: what training was asked to do, by name.

    Raises:
        ValueError: shapes that do not belong together.

    >>> labels = SoftLabels.from_counts([[1, 0, 2], [0, 1, 0]])
    >>> run = train_ufm(labels, d=4, steps=100, lr=1.0, rng=np.random.default_rng(0), snapshots=[1, 10, 50, 100])
    >>> run.steps.tolist(), run.W.shape, run.H.shape, run.settings["lr"]
    ([0, 1, 10, 50, 100], (5, 2, 4), (5, 4, 3), 1.0)
    """

    steps: np.ndarray
    W: np.ndarray
    H: np.ndarray
    loss: np.ndarray
    settings: dict[str, Any]

    def __post_init__(self) -> None:
        k = len(self.steps)
        if self.W.ndim != 3 or self.H.ndim != 3 or {len(self.W), len(self.H), len(self.loss)} != {k}:
            raise ValueError(f"W, H, loss: got shapes {self.W.shape}, {self.H.shape}, {self.loss.shape}, "
                             f"want a matrix, a matrix and a number for each of the {k} steps")
        if self.W.shape[2] != self.H.shape[1]:
            raise ValueError(f"H: got vectors of length {self.H.shape[1]}, want {self.W.shape[2]}, as in W")

    def save(self, path: PathLike) -> Path:
        """Saves to one `.npz` file; `Trajectory.load` reads it back.

        Args:
            path: where; the file is written beside it first and then renamed, so there is never half a file.

        Returns:
            The path.

        >>> from tempfile import TemporaryDirectory
        >>> run = train_ufm(SoftLabels.from_counts([[1, 0], [0, 1]]), d=2, steps=9, lr=1.0, rng=np.random.default_rng(0))
        >>> with TemporaryDirectory() as folder:
        ...     run.save(f"{folder}/run.npz").name
        'run.npz'
        """
        return save_npz(path, kind="Trajectory", steps=self.steps, W=self.W, H=self.H, loss=self.loss,
                         settings=json.dumps(self.settings))

    @classmethod
    def load(cls, path: PathLike) -> Trajectory:
        """Reads what `save` wrote.

        Args:
            path: the file.

        Returns:
            The trajectory as it was.

        Raises:
            ValueError: the file cannot be read, or holds something else.

        >>> from tempfile import TemporaryDirectory
        >>> run = train_ufm(SoftLabels.from_counts([[1, 0], [0, 1]]), d=2, steps=9, lr=1.0, rng=np.random.default_rng(0))
        >>> with TemporaryDirectory() as folder:
        ...     bool((Trajectory.load(run.save(f"{folder}/run.npz")).loss == run.loss).all())
        True
        """
        a = load_npz(path, "Trajectory", ("steps", "W", "H", "loss", "settings"))
        return cls(a["steps"], a["W"], a["H"], a["loss"], json.loads(str(a["settings"])))


def _schedule(snapshots: int | Sequence[int], steps: int) -> np.ndarray:
    """The steps to keep: those given, or so many log-spaced ones, 0 and the last among them."""
    given = np.asarray(snapshots)
    if given.ndim == 0:
        if given < 2:
            raise ValueError(f"snapshots: got {snapshots}, want at least 2 (the start and the end)")
        inner = np.geomspace(1, max(steps, 1), int(given) - 1)
        return np.unique(np.concatenate([[0, steps], np.round(inner).astype(int).clip(0, steps)]))
    kept = np.unique(np.concatenate([[0], given])).astype(int)
    if kept[0] < 0 or kept[-1] > steps:
        raise ValueError(f"snapshots: got steps from {kept[0]} to {kept[-1]}, want them in [0, {steps}]")
    return kept


def train_ufm(labels: SoftLabels, *, d: int, steps: int, lr: float, rng: np.random.Generator,
              optimizer: str = "gd", ridge: float = 0.0, init_scale: float = 0.1,
              snapshots: int | Sequence[int] = 50, progress: bool = False) -> Trajectory:
    """Trains word and context vectors by full-batch descent on CE(WH) + ridge/2 (||W||_F^2 + ||H||_F^2).

    A step of gradient descent is W <- W - lr (grad CE H' + ridge W), H <- H - lr (W' grad CE + ridge H), both
    from the same point. Adam uses beta = (0.9, 0.999), epsilon = 1e-8.

    Source: chapter 2, "Unconstrained features model" and "Gradient"; chapter 12; Zhao et al. (2024); Kingma and Ba (2015)
    for Adam.

    Args:
        labels: the soft labels.
        d: the dimension of the vectors.
        steps: how many steps to make.
        lr: the step size.
        rng: where the first vectors come from, normal with standard deviation `init_scale`.
        optimizer: "gd" or "adam".
        ridge: the weight decay, as part of the loss.
        init_scale: the size of the first entries.
        snapshots: how many to keep, log-spaced with 0 and the last step; or the steps to keep (0 is added).
        progress: whether to show a progress bar.

    Returns:
        The trajectory.

    Raises:
        ValueError: d < 1, steps < 0, lr or init_scale not above 0, ridge below 0, an unknown optimizer,
            snapshots outside the steps.
        TypeError: rng is not a generator.
        FloatingPointError: the loss is no longer finite (lr is too large).

    >>> labels = SoftLabels.from_counts([[1, 0], [0, 1]])
    >>> run = train_ufm(labels, d=2, steps=100, lr=1.0, rng=np.random.default_rng(0), snapshots=[100])
    >>> run.steps.tolist(), bool(run.loss[1] < 0.1 < run.loss[0])
    ([0, 100], True)
    """
    if d < 1 or steps < 0:
        raise ValueError(f"d, steps: got {d}, {steps}, want d at least 1 and steps at least 0")
    if not (lr > 0 and init_scale > 0 and ridge >= 0):
        raise ValueError(f"lr, init_scale, ridge: got {lr}, {init_scale}, {ridge}, want the first two "
                         "above 0 and the last not below")
    if optimizer not in ("gd", "adam"):
        raise ValueError(f"optimizer: got {optimizer!r}, want 'gd' or 'adam'")
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng: got {type(rng).__name__}, want a numpy.random.Generator (default_rng(seed))")
    kept = _schedule(snapshots, steps)
    P, pi = labels.P, labels.pi
    where, values = P.indices * np.int64(labels.m) + _columns(P), P.data * pi[_columns(P)]
    first = [init_scale * rng.standard_normal(shape) for shape in ((labels.V, d), (d, labels.m))]
    x = np.concatenate([part.ravel() for part in first])       # both matrices in one vector, and so their gradients
    gradient, update = np.empty_like(x), _adam(lr, len(x)) if optimizer == "adam" else _descend(lr)
    (W, H), (of_W, of_H) = (_matrices(vector, labels.V, d) for vector in (x, gradient))
    G = np.empty(P.shape)
    out_W, out_H, loss = np.empty((len(kept), *W.shape)), np.empty((len(kept), *H.shape)), np.empty(len(kept))
    taken = 0
    for step in _bar(range(kept[-1] + 1), progress):
        np.matmul(W, H, out=G)
        top = G.max(axis=0)
        if step == kept[taken]:
            logits = G.ravel()[where]
        G -= top
        np.exp(G, out=G)
        total = G.sum(axis=0)
        if step == kept[taken]:
            out_W[taken], out_H[taken] = W, H
            loss[taken] = pi @ (top + np.log(total)) - values @ logits
            if not np.isfinite(loss[taken]):
                raise FloatingPointError(f"the loss is not finite after {step} steps: lr = {lr} is too large")
            taken += 1
            if taken == len(kept):
                break
        G *= pi / total
        G.reshape(-1)[where] -= values
        np.matmul(G, H.T, out=of_W)
        np.matmul(W.T, G, out=of_H)
        if ridge:
            gradient += ridge * x
        update(x, gradient)
    settings = {"d": int(d), "steps": int(steps), "optimizer": optimizer, "lr": float(lr),
                "ridge": float(ridge), "init_scale": float(init_scale)}
    return Trajectory(kept, out_W, out_H, loss, settings)


def _matrices(vector: np.ndarray, V: int, d: int) -> tuple[np.ndarray, np.ndarray]:  # noqa: N803
    """The parts of a vector that hold a matrix (V, d) and one (d, m), as views."""
    return vector[:V * d].reshape(V, d), vector[V * d:].reshape(d, -1)


_Update: TypeAlias = Callable[[np.ndarray, np.ndarray], None]


def _descend(lr: float) -> _Update:
    """Gradient descent, in place; the gradient is used up."""
    def update(x: np.ndarray, gradient: np.ndarray) -> None:
        gradient *= lr
        x -= gradient
    return update


def _adam(lr: float, size: int | tuple[int, ...], beta: tuple[float, float] = (0.9, 0.999),
          epsilon: float = 1e-8) -> _Update:
    """Adam, in place; the gradient is used up.

    The moments are kept without their factors 1 - beta, which one factor of the step and one of epsilon make up for.
    """
    first, second, count = np.zeros(size), np.zeros(size), 0

    def update(x: np.ndarray, gradient: np.ndarray) -> None:
        nonlocal count
        count += 1
        scale = np.sqrt((1 - beta[1]**count) / (1 - beta[1]))
        np.multiply(first, beta[0], out=first)
        np.add(first, gradient, out=first)
        np.multiply(second, beta[1], out=second)
        np.square(gradient, out=gradient)
        np.add(second, gradient, out=second)
        np.sqrt(second, out=gradient)
        np.add(gradient, epsilon * scale, out=gradient)
        np.divide(first, gradient, out=gradient)
        np.multiply(gradient, lr * scale * (1 - beta[0]) / (1 - beta[0]**count), out=gradient)
        np.subtract(x, gradient, out=x)
    return update

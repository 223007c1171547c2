"""Training a model of the next token on soft labels: each distinct context counts once, with its weight (torch)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ._hints import PathLike
from .models import Free, NextTokenModel
from .path import _bar
from .types import SoftLabels
from .ufm import Trajectory, _schedule

_OPTIMIZERS = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


@dataclasses.dataclass(frozen=True)
class _Settings:
    """Everything that decides a run but the model, the labels and the number of steps."""

    lr: float
    optimizer: str
    weight_decay: float
    batch: int | None
    milestones: tuple[int, ...]
    gamma: float
    seed: int

    def __post_init__(self) -> None:
        if self.optimizer not in _OPTIMIZERS:
            raise ValueError(f"optimizer: got {self.optimizer!r}, want 'adamw' or 'sgd'")
        if not (self.lr > 0 and self.gamma > 0 and self.weight_decay >= 0):
            raise ValueError(f"lr, gamma, weight_decay: got {self.lr}, {self.gamma}, {self.weight_decay}, want the "
                             "first two above 0 and the last not below")
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"batch: got {self.batch}, want at least 1 context, or None for all of them")


def fit(model: NextTokenModel, labels: SoftLabels, *, steps: int, lr: float = 1e-3, optimizer: str = "adamw",
        weight_decay: float = 0.0, batch: int | None = None, milestones: Sequence[int] = (), gamma: float = 0.5,
        seed: int = 0, snapshots: int | Sequence[int] = 50, device: str | None = None,
        checkpoint: PathLike | None = None, every: float = 30.0, progress: bool = False,
        watch: Callable[[int], None] | None = None) -> Trajectory:
    """Trains a model on CE = sum_j pi_j (logsumexp(L_j) - <p_j, L_j>), nats, in place.

    With `batch`, a step sees that many contexts, drawn with chances pi: its loss is an unbiased estimate of CE. A
    step costs one pass over contexts, not over occurrences. Adam's epsilon is 1e-12: gradients of a loss near its bound
    are small, and the usual 1e-8 would shorten their steps.

    Source: chapter 2, "Loss of a language model"; chapter 11.

    Args:
        model: made by `build_model` from the same labels; trained in place.
        labels: the soft labels.
        steps: the last step; a run that resumes makes what is left.
        lr: the first step size; multiplied by `gamma` at each of the `milestones`.
        optimizer: "adamw" or "sgd".
        weight_decay: of the optimiser (decoupled in AdamW, part of the gradient in SGD).
        batch: contexts in a step; None: all, once each.
        milestones: the steps at which the step size falls.
        gamma: what it is multiplied by.
        seed: of the draw of batches.
        snapshots: how many to keep, log-spaced with 0 and the last step; or the steps to keep.
        device: "cpu", "cuda", ...; None: where the model lies.
        checkpoint: a file that the run is saved to and resumed from, bit for bit on one machine.
        every: seconds between two saves.
        progress: whether to show a progress bar.
        watch: called with the number of each step before it is made.

    Returns:
        The trajectory: W (snapshots, V, d), H (snapshots, d, m), and the loss on all contexts.

    Raises:
        ValueError: settings out of range, a model of other labels, a checkpoint of another run.
        FloatingPointError: the loss is no longer finite (lr is too large).

    >>> from ntputils import build_model
    >>> labels = SoftLabels.from_counts([[1, 0], [0, 1]])
    >>> run = fit(build_model("ufm", labels, d=2, seed=0), labels, steps=100, lr=0.1)
    >>> bool(run.loss[-1] < 0.05 < run.loss[0])
    True
    """
    settings = _Settings(float(lr), optimizer, float(weight_decay), batch, tuple(map(int, milestones)), float(gamma),
                         int(seed))
    if steps < 0:
        raise ValueError(f"steps: got {steps}, want at least 0")
    if len(model.inputs) != labels.m or len(model.W) != labels.V:
        raise ValueError(f"model: got one of {len(model.W)} words and {len(model.inputs)} contexts, want the labels' "
                         f"{labels.V} and {labels.m}")
    run = _Run(model.to(device) if device else model, labels, settings, _schedule(snapshots, steps))
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None and path.exists():
        run.resume(path)
    saved = time.monotonic()
    for step in _bar(range(run.step, steps + 1), progress):
        if watch is not None:
            watch(step)
        run.advance(last=step == steps)
        if path is not None and (step == steps or time.monotonic() - saved > every):
            run.save(path)
            saved = time.monotonic()
    return run.trajectory(steps)


def _gradient(logits: Tensor, P: Tensor, weight: Tensor) -> Tensor:  # noqa: N803
    """Of the weighted cross-entropy at the logits, (n, V): weight (softmax - P), row by row."""
    return logits.softmax(1).sub_(P).mul_(weight[:, None])


class _Run:
    """The state of a training run: what a checkpoint holds."""

    def __init__(self, model: NextTokenModel, labels: SoftLabels, settings: _Settings, kept: np.ndarray) -> None:
        like = model.W
        self.model, self.settings, self.kept = model, settings, kept
        self.P = torch.from_numpy(labels.P.toarray().T.copy()).to(like)        # (m, V): a context is a row, as in torch
        self.pi = torch.tensor(labels.pi).to(like)
        self.parameters, options = list(model.parameters()), {"lr": settings.lr, "weight_decay": settings.weight_decay}
        if settings.optimizer == "adamw":
            options |= {"eps": 1e-12, "fused": True}
        self.optimizer = _OPTIMIZERS[settings.optimizer](self.parameters, **options)
        self.scheduler = torch.optim.lr_scheduler.MultiStepLR(self.optimizer, list(settings.milestones), settings.gamma)
        self.draws = torch.Generator().manual_seed(settings.seed)
        self.step, self.loss = 0, list[float]()
        self.W, self.H = list[np.ndarray](), list[np.ndarray]()

    def advance(self, last: bool) -> None:
        """Keeps a snapshot if this step has one, then makes the step, unless it is the last."""
        keep = self.step in self.kept
        whole = self.settings.batch is None
        if keep or whole:
            H = self.model.H()
            logits, P, weight = self.model.decoder(H.T), self.P, self.pi  # noqa: N806
        if keep:
            self._keep(H, weight @ functional.cross_entropy(logits.detach(), P, reduction="none"))
        if not last:
            if not whole:
                drawn = torch.multinomial(self.pi.cpu(), self.settings.batch, replacement=True, generator=self.draws)
                drawn = drawn.to(self.pi.device)
                logits, P, weight = self.model(drawn), self.P[drawn], self.pi.new_full((len(drawn),), 1 / len(drawn))
            for parameter in self.parameters:
                parameter.grad = None
            G = _gradient(logits.detach(), P, weight)  # noqa: N806
            if whole and isinstance(self.model.encoder, Free):      # two products are all that is left
                free, W = self.model.encoder.table.weight, self.model.W  # noqa: N806
                free.grad, W.grad = G @ W.detach(), G.T @ free.detach()
            else:
                logits.backward(G)
            self.optimizer.step()
            self.scheduler.step()
        self.step += 1

    def _keep(self, H: Tensor, loss: Tensor) -> None:  # noqa: N803
        self.loss.append(loss.item())
        if not np.isfinite(self.loss[-1]):
            raise FloatingPointError(f"the loss is not finite after {self.step} steps: lr = {self.settings.lr} is too large")
        self.W.append(self.model.W.detach().cpu().numpy().copy())
        self.H.append(H.detach().cpu().numpy().copy())

    def save(self, path: Path) -> None:
        """Writes all of it, or nothing."""
        state = {"settings": dataclasses.asdict(self.settings), "kept": self.kept.tolist(), "step": self.step,
                 "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
                 "scheduler": self.scheduler.state_dict(), "draws": self.draws.get_state(),
                 "W": [torch.from_numpy(w) for w in self.W], "H": [torch.from_numpy(h) for h in self.H], "loss": self.loss}
        part = path.with_name(path.name + ".part")
        torch.save(state, part)
        part.replace(path)

    def resume(self, path: Path) -> None:
        """Takes up a saved run, if it is this one."""
        try:
            state = torch.load(path, map_location=self.pi.device, weights_only=True)
        except Exception as error:  # a file of any other kind
            raise ValueError(f"checkpoint: {path.name} cannot be read ({type(error).__name__}), want a file that `fit` "
                             "wrote, or a new name") from error
        now = {**dataclasses.asdict(self.settings), "snapshots": self.kept.tolist()}
        then = {**state["settings"], "snapshots": state["kept"]}
        for name, value in now.items():
            if then.get(name) != value:
                raise ValueError(f"checkpoint: {path.name} is of a run with {name} = {then.get(name)}, want {value}; "
                                 "give another file name to begin anew")
        try:
            self.model.load_state_dict(state["model"])
        except RuntimeError as error:
            raise ValueError(f"checkpoint: {path.name} is of another model; give another file name to begin anew") from error
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.draws.set_state(state["draws"].cpu())
        self.step, self.loss = state["step"], state["loss"]
        self.W, self.H = ([x.cpu().numpy() for x in state[name]] for name in "WH")

    def trajectory(self, steps: int) -> Trajectory:
        """What was kept."""
        settings = {**dataclasses.asdict(self.settings), "steps": int(steps), "d": int(self.model.W.shape[1])}
        return Trajectory(self.kept, np.stack(self.W), np.stack(self.H), np.array(self.loss), settings)

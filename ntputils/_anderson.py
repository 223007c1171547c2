"""Anderson acceleration, for the splitting methods of `svm` and `path`."""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace, device

from ._hints import AnyArray

_PATIENCE = 100       # bold steps without one shorter than all before


class Anderson:
    """Anderson acceleration (type II) of a non-expansive iteration z <- z + g(z).

    The next point is the plain one, corrected by the combination of the last few differences that would have made the
    step shortest, had g been affine. A step twice as long as the shortest so far says that it was not: then all is
    forgotten, and the iteration goes on with plain steps, which cannot grow, until there are differences again: at
    once from the plain successor of the last point, or, with `bold`, from where it is, and from that of the best point
    only if it has gone far astray, ten times the first step. Bold steps can run in a circle: when a hundred of them
    have found no shorter step, the rest are not bold.

    Args:
        z: any point of the iteration, for its shape, type and device.
        memory: how many differences to combine.
        bold: whether to go on from a bad point. Faster on a path, where starts are good.
    """

    def __init__(self, z: AnyArray, memory: int, bold: bool = False) -> None:
        self.bold = bold
        self.xp, self.device = array_namespace(z), device(z)
        size = (memory, z.shape[0] * z.shape[1])
        self.points = self.xp.zeros(size, dtype=z.dtype, device=self.device)   # differences of z + g(z)
        self.steps = self.xp.zeros(size, dtype=z.dtype, device=self.device)    # differences of g(z)
        self.products = np.zeros((memory, memory))                             # inner products of the steps
        self.first: float | None = None
        self.least, self.since = float("inf"), 0
        self.best: AnyArray = None
        self.forget()

    def forget(self) -> None:
        """Starts anew from the next point."""
        self.seen, self.shortest = 0, float("inf")
        self.last: tuple[AnyArray, AnyArray] | None = None

    def step(self, z: AnyArray, g: AnyArray) -> AnyArray:
        """The next point, from the point z and its step g, both of the shape that was announced."""
        xp = self.xp
        length = float(xp.linalg.vector_norm(g))
        plain, g = xp.reshape(z + g, (-1,)), xp.reshape(g, (-1,))
        if self.last is not None and length > 2 * self.shortest:
            back = self.last[0]
            self.forget()
            if not self.bold:
                return xp.reshape(back, z.shape)
        self.shortest = min(length, self.shortest)
        self.first = length if self.first is None else self.first
        self.since = 0 if length < self.least else self.since + 1
        if length < self.least:
            self.least, self.best = length, plain
        elif length > 10 * self.first or (self.bold and self.since > _PATIENCE):
            self.bold = self.bold and self.since <= _PATIENCE
            self.forget()
            return xp.reshape(self.best, z.shape)
        if self.last is not None:
            i = self.seen % len(self.products)
            self.points[i, :], self.steps[i, :] = plain - self.last[0], g - self.last[1]
            self.products[i, :] = self.products[:, i] = to_numpy(self.steps @ self.steps[i, :])
            self.seen += 1
        self.last = plain, g
        if self.seen < 2:
            return xp.reshape(plain, z.shape)
        n = min(self.seen, len(self.products))
        M = self.products[:n, :n]
        scale = 1 / np.sqrt(np.maximum(np.diag(M), np.finfo(float).tiny))
        M = scale[:, None] * M * scale + 1e-12 * np.eye(n)
        mix = scale * np.linalg.solve(M, scale * to_numpy(self.steps[:n, :] @ g))
        return xp.reshape(plain - xp.asarray(mix, device=self.device) @ self.points[:n, :], z.shape)


def to_numpy(A: AnyArray) -> np.ndarray:
    """A NumPy array of an array that may live on a device."""
    return A.cpu().numpy() if hasattr(A, "cpu") else A

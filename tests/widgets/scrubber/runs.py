"""Runs to show, the state of a panel read by a decoder written here, and what stands in the page."""

from __future__ import annotations

import base64
import zlib

import numpy as np

from ntputils import SoftLabels, Trajectory

TRAITS = ("world", "runs", "predictions", "packed", "run", "snapshot", "view", "against")
VIEWS = ("contexts", "words", "logits")
ROUNDED = 1e-3    # what rounding of vectors may cost a correlation

SMALL = SoftLabels.from_counts(  # five supports whose proxy is not optimal
    [[4, 1, 2, 3, 2, 0, 0, 0], [1, 3, 2, 1, 2, 0, 1, 0], [0, 0, 0, 5, 3, 2, 1, 0], [0, 0, 0, 0, 0, 0, 0, 2],
     [0, 0, 0, 0, 0, 0, 0, 4], [1, 2, 4, 0, 0, 0, 0, 3]], vocab=["the", "a", "<b>cat</b>", "dog", "sat", "ran"],
    contexts=["once upon", "in", "on", "and", "but", "or", "there was a very little", "with"])


def trajectory(rng, labels, d, steps, sizes=(1.0, 1.0)) -> Trajectory:
    """Vectors without a meaning, of which the later have some of the solution's."""
    k = len(steps)
    W, H = sizes[0] * rng.normal(size=(k, labels.V, d)), sizes[1] * rng.normal(size=(k, d, labels.m))
    return Trajectory(np.array(steps), W.astype(np.float32), H.astype(np.float32),
                      labels.entropy() + np.geomspace(3, 1e-4, k), {})


def state(widget, **changes) -> dict:
    return {name: getattr(widget, name) for name in TRAITS} | changes


def number(page, key: str) -> str:
    return page.locator(f"[data-number={key}]").first.inner_text()


def value(page, key: str) -> float:
    return float(number(page, key).replace("−", "-"))


def reading(page) -> str:
    return page.locator(".ntp-reading").first.inner_text()


def now(page) -> str:
    return page.get_by_role("slider").first.get_attribute("aria-valuetext")


def get(page, name: str):
    return page.evaluate("(name) => models[0].get(name)", name)


def unpacked(widget) -> list[np.ndarray]:
    """The vectors of both predictions and of every run, read from the state: (snapshots, items, d) each."""
    data = zlib.decompress(base64.b64decode(widget.packed))
    items = len(widget.world["words"]) + len(widget.world["contexts"])
    parts = [(1, d) for d in widget.predictions] + [(len(run["steps"]), run["d"]) for run in widget.runs]
    found, at = [], 0
    for snapshots, d in parts:
        count = snapshots * items * (1 + d)
        low, high = (np.frombuffer(data[at + k * count:at + (k + 1) * count], np.uint8).astype(int) for k in (0, 1))
        whole = low + 256 * high
        whole[whole >= 2**15] -= 2**16
        scales, multiples = whole[:snapshots * items], whole[snapshots * items:].reshape(snapshots, items, d)
        found.append(2.0**(scales.reshape(snapshots, items, 1) / 8) * multiples)
        at += 2 * count
    assert at == len(data)
    return found


def by_numpy(W, H, view) -> np.ndarray:
    """What a view shows, from its definition."""
    if view == "logits":
        return W @ H - (W @ H).mean(axis=0)
    X = H.T if view == "contexts" else W
    return X @ X.T / np.outer(np.linalg.norm(X, axis=1), np.linalg.norm(X, axis=1))


def similarity(A, B, view) -> float:
    """Pearson's correlation off the diagonal by NumPy; the cosine of logits."""
    if view == "logits":
        return np.vdot(A, B) / np.linalg.norm(A) / np.linalg.norm(B)
    off = ~np.eye(len(A), dtype=bool)
    return np.corrcoef(A[off], B[off])[0, 1]


def places(labels, widget) -> tuple[list[int], list[int]]:
    """Where the words and contexts shown stand among the labels."""
    names = [labels.context(j) for j in range(labels.m)]
    return [labels.vocab.index(word) for word in widget.world["words"]], [names.index(c) for c in widget.world["contexts"]]


PIXELS = """(k) => {
  const canvas = document.querySelectorAll(".ntp-plate canvas")[k];
  return [canvas.width, canvas.height, ...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
}"""


def pixels(page, k: int) -> np.ndarray:
    width, height, *data = page.evaluate(PIXELS, k)
    return np.array(data).reshape(height, width, 4)

"""The measures of neural collapse that Linguistic Collapse (Wu and Papyan 2024) took to language models.

There a class is a next token. Here a class is whatever the weights say: a next token, counted as often as it followed; the
likeliest token; a support.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._hints import ArrayLike
from .metrics import _vectors

__all__ = ["CollapseMeasures", "collapse_measures"]


@dataclass(frozen=True)
class CollapseMeasures:
    """Neural collapse of C classes with means mu_c, taken about their own mean mu; what each is at full collapse.

    Source: chapter 21; Papyan et al. (2020); Wu and Papyan (2024).

    Attributes:
        variability: NC1, the mean over pairs of classes of (s_c^2 + s_c'^2) / (2 ||mu_c - mu_c'||^2), with s_c^2 the mean
            squared distance of class c to its mean. Collapsed: 0.
        equinorm: NC2, the coefficient of variation of ||mu_c - mu||. Collapsed: 0.
        cosine: NC2, the mean over pairs of the cosine of mu_c - mu and mu_c' - mu. Simplex: -1 / (C - 1).
        cosine_spread: NC2, the standard deviation of these cosines. Simplex: 0.
        uniformity: GNC2, the standard deviation over pairs of log(1 / ||t_c - t_c'||), t_c the direction of mu_c - mu.
            Simplex: 0.
        duality: NC3, the mean over classes of the squared distance between the directions of mu_c - mu and of the class's word,
            from 0 (collapsed) over 2 (at right angles) to 4; nan where no words were given.
        duality_spread: UNC3, the standard deviation of the cosine of mu_c - mu and the class's word.
        agreement: NC4, the share of the weight where the word with the largest dot product and the nearest class mean are
            the same class. Collapsed: 1.

    >>> found = collapse_measures(np.eye(3), np.eye(3))                  # three classes, each a point: a simplex
    >>> round(found.cosine, 9), found.variability < 1e-12, found.duality
    (-0.5, True, nan)
    """

    variability: float
    equinorm: float
    cosine: float
    cosine_spread: float
    uniformity: float
    duality: float
    duality_spread: float
    agreement: float


def collapse_measures(H: ArrayLike, weights: ArrayLike, words: ArrayLike | None = None) -> CollapseMeasures:
    """Measures neural collapse, classes weighted over contexts (mathematics: E.2).

    Source: chapter 21; Wu and Papyan (2024).

    Args:
        H: context vectors as columns, (d, m).
        weights: how much of context j counts for class c, at least 0, (C, m): an indicator, or counts of next tokens. A class
            with all its weight on one context has no spread and makes NC1 look better: leave it out.
        words: the class's word vectors as rows, (C, d), taken about their mean for NC3; as they are for NC4. None: NC3 and
            NC4 are nan.

    Returns:
        The measures.

    Raises:
        ValueError: shapes that do not fit, fewer than two classes, a weight below 0, a class without weight, or two classes
            with one mean, or one whose mean is that of all.

    >>> import numpy as np
    >>> one = collapse_measures(np.eye(3), np.eye(3), np.eye(3))        # three classes, each a point: a simplex
    >>> round(one.cosine, 9), one.variability < 1e-12, one.duality < 1e-12, one.agreement
    (-0.5, True, True, 1.0)
    """
    H, A = _vectors(H), np.asarray(weights, dtype=np.float64)
    if A.ndim != 2 or A.shape[0] < 2 or A.shape[1] != H.shape[1] or not np.all(A >= 0) or not np.all(A.sum(axis=1) > 0):
        raise ValueError(f"weights: got shape {A.shape}, want (C, {H.shape[1]}), at least two classes, each with weight")
    total = A.sum(axis=1)
    means = H @ A.T / total
    spread = np.maximum(0, (A @ np.sum(H**2, axis=0)) / total - np.sum(means**2, axis=0))
    first, second = np.triu_indices(len(A), 1)
    apart = np.sum((means[:, first] - means[:, second])**2, axis=0)
    if np.any(apart == 0):
        raise ValueError("weights: got two classes with the same mean, want classes that can be told apart")
    about = means - means.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(about, axis=0)
    if np.any(norms <= 1e-12 * np.linalg.norm(means, axis=0).max()):
        raise ValueError("weights: got a class whose mean is the mean of all classes, want classes with a direction from there")
    directions = about / norms
    cosines = np.clip(np.sum(directions[:, first] * directions[:, second], axis=0), -1, 1)
    with np.errstate(divide="ignore"):
        repulsion = -0.5 * np.log(2 - 2 * cosines)
    duality = _against_words(H, A, means, directions, words)
    return CollapseMeasures(float(np.mean((spread[first] + spread[second]) / (2 * apart))),
                            float(norms.std() / norms.mean()), float(cosines.mean()), float(cosines.std()),
                            float(repulsion.std()), *duality)


def _against_words(H: np.ndarray, A: np.ndarray, means: np.ndarray, directions: np.ndarray, words: ArrayLike | None
                   ) -> tuple[float, float, float]:
    """NC3, UNC3 and NC4."""
    if words is None:
        return float("nan"), float("nan"), float("nan")
    W = np.asarray(words, dtype=np.float64)
    if W.shape != (len(A), len(H)) or not np.all(np.isfinite(W)):
        raise ValueError(f"words: got shape {W.shape}, want ({len(A)}, {len(H)}), a finite vector for each class")
    about = W - W.mean(axis=0)
    cosines = np.sum(directions.T * about, axis=1) / np.linalg.norm(about, axis=1)
    distances = np.sum(H**2, axis=0) - 2 * means.T @ H + np.sum(means**2, axis=0)[:, None]
    same = np.argmax(W @ H, axis=0) == np.argmin(distances, axis=0)
    share = A.sum(axis=0) / A.sum()
    return float(np.mean(2 - 2 * cosines)), float(cosines.std()), float(share @ same)

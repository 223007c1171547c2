"""What the theory says before any training: the logits that a text asks for, and the word and context vectors behind them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, svds

from ._hints import PathLike
from ._npz import load_npz, save_npz
from .contexts import merge_columns
from .svm import solve_ntp_svm
from .theory import center, in_support_logits
from .types import SoftLabels

__all__ = ["Prediction", "predict"]

_ENTRIES = 200_000    # up to so many entries of the distinct supports a dense decomposition is cheapest
_GRAM = 1000          # up to so many words, or supports, the whole spectrum comes from the smaller Gram matrix
_LEADING = 64         # above that, so many leading directions unless asked for others
_ZERO = 1e-6          # relative to the largest: singular values that a Gram matrix in float64 cannot tell from zero


@dataclass(frozen=True)
class Prediction:
    """The predicted geometry: logits L^in + gamma L^mm for large gamma, where L^mm = W H; or its proxy in place of L^mm.

    Contexts with equal supports have equal vectors, so these are kept once for each distinct support.

    Source: chapter 5, "The two parts of the logits" and "Prediction"; chapter 22, "A nuclear norm from its leading
    part"; Zhao et al. (2024).

    Attributes:
        W: word vectors, (V, r).
        H_distinct: context vectors of the distinct supports, (r, u).
        inverse: the distinct support of each context, (m,).
        counts: how many contexts share each distinct support, (u,).
        sizes: the leading singular values of the logits over all m contexts, nats, falling, (r,).
        L_in: the finite part of the logits, nats, sparse (V, m).
        exact: True for NTP-SVM, False for the centred supports, the proxy.
        whole: whether all singular values are there, or the leading ones only.
        energy: the squared Frobenius norm of the logits, squared nats, of all directions.
        norm: two numbers that hold the nuclear norm of the logits between them, nats; equal where `whole`.
        optimum: two numbers that hold the least nuclear norm, ||L^mm||_*, between them, nats.
        certificate: the dual point of the solver, for each distinct support, (V, u); None for the proxy.

    Raises:
        ValueError: shapes that do not belong together, or a context of a support that is not there.

    >>> found = predict(SoftLabels.from_counts([[3, 1, 0], [1, 1, 0], [0, 0, 4]]))
    >>> found.W.shape, found.H.shape, found.L_mm.round(3).tolist()
    ((3, 1), (1, 3), [[0.333, 0.333, -0.333], [0.333, 0.333, -0.333], [-0.667, -0.667, 0.667]])
    >>> found.L_in.toarray().round(3)[:, 0].tolist(), found.gap < 1e-6, round(found.share, 6)
    ([0.549, -0.549, 0.0], True, 1.0)
    """

    W: np.ndarray
    H_distinct: np.ndarray
    inverse: np.ndarray
    counts: np.ndarray
    sizes: np.ndarray
    L_in: sp.csc_array
    exact: bool
    whole: bool
    energy: float
    norm: tuple[float, float]
    optimum: tuple[float, float]
    certificate: np.ndarray | None = None

    def __post_init__(self) -> None:
        (V, r), u, m = self.W.shape, len(self.counts), len(self.inverse)
        if self.H_distinct.shape != (r, u) or self.sizes.shape != (r,) or self.L_in.shape != (V, m):
            raise ValueError(f"H_distinct, sizes, L_in: got shapes {self.H_distinct.shape}, {self.sizes.shape} and "
                             f"{self.L_in.shape}, want {(r, u)}, {(r,)} and {(V, m)}")
        if m and not 0 <= self.inverse.min() <= self.inverse.max() < u:
            raise ValueError(f"inverse: got {self.inverse.min()} to {self.inverse.max()}, want numbers from 0 to {u - 1}")

    @property
    def H(self) -> np.ndarray:  # noqa: N802
        """Context vectors of all m contexts, (r, m)."""
        return self.H_distinct[:, self.inverse]

    @functools.cached_property
    def L_mm(self) -> np.ndarray:  # noqa: N802
        """The direction of the logits, W H, nats, dense (V, m). Of a proxy that is not `whole`, the leading part."""
        return (self.W @ self.H_distinct)[:, self.inverse]

    @property
    def share(self) -> float:
        """The share of the squared Frobenius norm that the directions kept hold; 1 where the logits are zero."""
        return float(np.sum(self.sizes**2) / self.energy) if self.energy > 0 else 1.0

    @property
    def gap(self) -> float:
        """(high - low) / high of `optimum`, which is the relative duality gap of the solver where `exact`."""
        low, high = self.optimum
        return max(0.0, high - low) / high if high > 0 else 0.0

    def save(self, path: PathLike) -> Path:
        """Saves to one `.npz` file; `Prediction.load` reads it back.

        Args:
            path: where; the file is written beside it first and then renamed, so there is never half a file.

        Returns:
            The path.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     predict(SoftLabels.from_counts([[3, 0], [1, 2]])).save(f"{folder}/found.npz").name
        'found.npz'
        """
        certificate = np.empty((0, 0)) if self.certificate is None else self.certificate
        numbers = np.array([self.exact, self.whole, self.energy, *self.norm, *self.optimum], dtype=np.float64)
        return save_npz(path, kind="Prediction", W=self.W, H=self.H_distinct, inverse=self.inverse, counts=self.counts,
                         sizes=self.sizes, data=self.L_in.data, indices=self.L_in.indices, indptr=self.L_in.indptr,
                         numbers=numbers, certificate=certificate)

    @classmethod
    def load(cls, path: PathLike) -> Prediction:
        """Reads what `save` wrote.

        Args:
            path: the file.

        Returns:
            The prediction as it was.

        Raises:
            ValueError: the file cannot be read, or holds something else.

        >>> from tempfile import TemporaryDirectory
        >>> found = predict(SoftLabels.from_counts([[3, 0], [1, 2]]))
        >>> with TemporaryDirectory() as folder:
        ...     bool((Prediction.load(found.save(f"{folder}/found.npz")).W == found.W).all())
        True
        """
        a = load_npz(path, "Prediction", ("W", "H", "inverse", "counts", "sizes", "data", "indices", "indptr", "numbers",
                                           "certificate"))
        L_in = sp.csc_array((a["data"], a["indices"], a["indptr"]), shape=(len(a["W"]), len(a["inverse"])))
        exact, whole, energy, *ends = a["numbers"].tolist()
        certificate = a["certificate"] if a["certificate"].size else None
        return cls(a["W"], a["H"], a["inverse"], a["counts"], a["sizes"], L_in, bool(exact), bool(whole), energy,
                   tuple(ends[:2]), tuple(ends[2:]), certificate)


def predict(labels: SoftLabels, *, exact: bool = True, tol: float = 1e-6, max_iter: int = 5000,
            directions: int | None = None) -> Prediction:
    """Predicts the geometry of a text: NTP-SVM with its certificate, or the proxy where that is too much.

    The proxy is found without ever forming a matrix of words by contexts, so that it takes millions of tokens: from the
    smaller Gram matrix of the distinct supports, or its leading directions alone (ARPACK). What the directions left out can
    add to the nuclear norm is bracketed by their squared Frobenius norm, which is known.

    Source: chapter 5, "Prediction"; chapter 22, "A nuclear norm from its leading part"; Zhao et al. (2024).

    Args:
        labels: the soft labels.
        exact: solve NTP-SVM (dense); False: the centred supports S~ = (I - 11'/V) S in its place.
        tol: the relative duality gap asked for, where `exact`.
        max_iter: how many iterations the solver may spend.
        directions: of the proxy, how many to compute; by default all of them up to 1000 words or distinct supports, and 64
            above.

    Returns:
        The prediction. For the proxy `optimum` is the sandwich ||S~||_F^2 / ||S~||_2 <= ||L^mm||_* <= ||S~||_*.

    Raises:
        ValueError: directions below 1, or given where `exact`.

    Warns:
        ConvergenceWarning: as `solve_ntp_svm`.

    >>> labels = SoftLabels.from_counts([[1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]])
    >>> round(predict(labels).optimum[1], 4), round(predict(labels, exact=False).optimum[1], 4)
    (2.633, 2.6583)
    """
    if directions is not None and (exact or directions < 1):
        raise ValueError(f"directions: got {directions} with exact={exact}, want at least 1, and for the proxy only")
    L_in = in_support_logits(labels)
    if exact:
        solution = solve_ntp_svm(labels.S, tol=tol, max_iter=max_iter)
        root = np.sqrt(solution.counts)
        U, s, Vt = np.linalg.svd(solution.L_distinct * root, full_matrices=False)
        keep = s > 1e-12 * max(s[0], np.finfo(float).tiny)
        U, s, Vt = U[:, keep], s[keep], Vt[keep]
        inverse, counts, energy, whole = solution.inverse, solution.counts, float(np.sum(s**2)), True
        norm, optimum, certificate = (solution.primal,) * 2, (solution.dual, solution.primal), solution.certificate
    else:
        distinct, inverse, counts = merge_columns(labels.S)
        root, sizes = np.sqrt(counts), np.diff(distinct.indptr)
        energy = float(counts @ (sizes * (1 - sizes / labels.V)))
        U, s, Vt, whole = _leading(distinct, root, directions)
        norm, certificate = _bracket(s, energy, min(labels.V - 1, len(counts)), whole), None
        optimum = (float(min(energy / s[0], norm[1])), norm[1]) if s.size else (0.0, 0.0)
    first = np.abs(U).argmax(axis=0) if s.size else np.empty(0, int)
    sign = np.where(U[first, np.arange(s.size)] < 0, -1.0, 1.0)
    return Prediction(U * sign * np.sqrt(s), (sign * np.sqrt(s))[:, None] * Vt / root, inverse, counts, s, L_in, exact, whole,
                      energy, norm, optimum, certificate)


def _leading(distinct: sp.csc_array, root: np.ndarray, directions: int | None
             ) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Singular triples of the centred distinct supports, columns weighted by `root`; and whether these are all."""
    V, u = distinct.shape
    A = distinct.astype(np.float64) @ sp.dia_array((root[None], [0]), shape=(u, u))
    A, small = sp.csc_array(A), min(V, u)
    wanted = (small if small <= _GRAM else _LEADING) if directions is None else min(directions, small)
    if V * u <= _ENTRIES:
        U, s, Vt = np.linalg.svd(center(A.toarray()), full_matrices=False)
        keep = s > 1e-9 * max(s[0], 1)
    elif small <= _GRAM or wanted >= small:
        U, s, Vt = _from_gram(A)
        keep = s > _ZERO * max(s[0], 1)
    else:
        means = np.asarray(A.sum(axis=0)).ravel() / V
        operator = LinearOperator((V, u), matvec=lambda x: A @ np.ravel(x) - means @ np.ravel(x), dtype=np.float64,
                                  rmatvec=lambda y: A.T @ np.ravel(y) - means * np.sum(y))
        start = np.random.default_rng(0).standard_normal(small)     # the same in every run
        U, s, Vt = svds(operator, k=wanted, v0=start)
        order = np.argsort(-s)
        U, s, Vt = U[:, order], s[order], Vt[order]
        keep = s > _ZERO * max(s[0], 1)
        return U[:, keep], s[keep], Vt[keep], not keep.all()
    U, s, Vt = U[:, keep], s[keep], Vt[keep]
    return U[:, :wanted], s[:wanted], Vt[:wanted], s.size <= wanted


def _from_gram(A: sp.csc_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All singular triples of the centred A, from the smaller of its two Gram matrices."""
    V, u = A.shape
    if V <= u:
        G = center(center((A @ A.T).toarray()).T)
    else:
        sums = np.asarray(A.sum(axis=0)).ravel()
        G = (A.T @ A).toarray() - np.outer(sums, sums) / V
    squares, Q = np.linalg.eigh((G + G.T) / 2)
    s, Q = np.sqrt(np.maximum(squares[::-1], 0)), Q[:, ::-1]
    safe = np.where(s > _ZERO * max(s[0], 1), s, np.inf)
    if V <= u:
        return Q, s, (center(Q).T @ A) / safe[:, None]
    return center(A @ Q) / safe, s, Q.T


def _bracket(s: np.ndarray, energy: float, rank: int, whole: bool) -> tuple[float, float]:
    """Two numbers that hold a nuclear norm between them, from leading singular values and the squared Frobenius norm.

    What is left out has squares that sum to `energy` - sum s^2, none above the last of s, and at most rank - len(s) of them.
    """
    head, tail = float(s.sum()), max(0.0, energy - float(np.sum(s**2)))
    if whole:
        return head, head
    high = head + float(np.sqrt(max(0, rank - s.size) * tail))
    return min(head + tail / float(s[-1]), high), high      # the ends meet where all singular values are equal

"""Worlds whose geometry can be written down: formulas for the solution of NTP-SVM, and for a whole path.

Everything here follows from one count, `separations`: how many contexts tell two tokens apart. If it is a sum of one
positive number for each token, d(u, v) = x_u + x_v, the centred support is the only solution of NTP-SVM, and the words
have the Gram matrix (P D P)^{1/2}, with D = diag(x) and P = I - 11'/V. Equal numbers are the paper's Proposition 1 and
all 2-designs (`FlatWorld`); one-hot supports have the number of their contexts for x (`step_geometry`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, log, sqrt

import numpy as np

from ._hints import ArrayLike, MatrixLike
from .theory import _supports


def separations(S: MatrixLike) -> np.ndarray:
    """How many contexts are followed by exactly one of two tokens: d(u, v) = r_u + r_v - 2 (SS')_uv.

    Rows of the centred support have these squared distances, so its word geometry depends on S through d alone.

    Source: chapter 7, "Separation, flat worlds".

    Args:
        S: supports, dense or sparse, boolean or 0/1, (V, m).

    Returns:
        Whole numbers, (V, V), symmetric, zero on the diagonal.

    Raises:
        ValueError: entries other than 0 and 1, an empty column, no token or no context.

    >>> separations([[1, 1, 0], [1, 0, 1], [0, 1, 1]])      # all pairs of three tokens
    array([[0, 2, 2],
           [2, 0, 2],
           [2, 2, 0]])
    """
    S = _supports(S).astype(np.int64)
    shared = (S @ S.T).toarray()
    alone = np.diag(shared)
    return alone[:, None] + alone[None, :] - 2 * shared


def star_weights(S: MatrixLike) -> np.ndarray | None:
    """The positive numbers x with d(u, v) = x_u + x_v for all pairs of tokens, if there are such.

    If there are, the centred support of S is the unique solution of NTP-SVM, and `star_gram(x)` its word geometry.
    (Two tokens share their one separation equally.)

    Source: chapter 7, "Star worlds".

    Args:
        S: supports, dense or sparse, boolean or 0/1, (V, m), with at least two tokens.

    Returns:
        x (V,), or None where d is no such sum or a number is zero.

    Raises:
        ValueError: entries other than 0 and 1, an empty column, fewer than two tokens, or no context.

    >>> star_weights([[1, 1, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]])   # one-hot: contexts of each token
    array([3., 1., 1.])
    >>> star_weights([[1, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]) is None
    True
    """
    d = separations(S)
    V = len(d)
    if V < 2:
        raise ValueError(f"S: got {V} token, want at least two")
    total = d.sum() / (2 * (V - 1))                   # of all x: each is in V - 1 pairs
    x = (d.sum(axis=1) - total) / (V - 2) if V > 2 else np.full(2, d[0, 1] / 2)
    # d holds whole numbers and x is a ratio of such: what differs by less than this differs by rounding
    fits = np.allclose(x[:, None] + x[None, :] - 2 * np.diag(x), d, rtol=0, atol=1e-9 * max(1, d.max()))
    return x if fits and x.min() > 1e-9 else None


def star_gram(weights: ArrayLike) -> np.ndarray:
    """The Gram matrix of the words, WW' = (P D P)^{1/2}, D = diag(weights), P = I - 11'/V.

    Source: chapter 7, "Star worlds"; Thrampoulidis et al. (2022) for one-hot supports.

    Args:
        weights: one positive number for each token, (V,); for one-hot supports the number of contexts of each.

    Returns:
        The Gram matrix, (V, V), with zero row sums.

    Raises:
        ValueError: fewer than two weights, or one that is not above zero.

    >>> star_gram([4, 4, 4]).round(3)
    array([[ 1.333, -0.667, -0.667],
           [-0.667,  1.333, -0.667],
           [-0.667, -0.667,  1.333]])
    """
    x = np.asarray(weights, dtype=float)
    if x.ndim != 1 or x.size < 2 or not np.all(np.isfinite(x)) or x.min() <= 0:
        raise ValueError(f"weights: got {np.asarray(weights).tolist()}, want at least two numbers above 0")
    mean = x / x.size
    values, vectors = np.linalg.eigh(np.diag(x) - mean[:, None] - mean[None, :] + x.sum() / x.size**2)
    values[0] = 0.0                                   # of the vector 1, the only one: exactly, before roots are taken
    values = np.maximum(values, 0.0)                  # where x spans more digits than a float has, rounding may go below
    return (vectors * np.sqrt(values)) @ vectors.T


# --- all tokens alike ---

@dataclass(frozen=True)
class FlatWorld:
    """The geometry where every two tokens are told apart by the same number of contexts, 2 sigma^2.

    The words are the corners of a regular simplex: WW' = sigma P. A context is the sum of its next words over sigma.

    Source: chapter 7, "Flat worlds"; Zhao et al. (2024).

    Attributes:
        V: the number of tokens, at least two.
        sigma: the one non-zero singular value of the centred support, V - 1 times.

    >>> world = FlatWorld(V=4, sigma=1.0)
    >>> world.norm, round(world.words, 4)
    (3.0, -0.3333)
    """

    V: int
    sigma: float

    @property
    def norm(self) -> float:
        """The least nuclear norm, (V - 1) sigma, nats."""
        return (self.V - 1) * self.sigma

    @property
    def words(self) -> float:
        """The cosine between two words, -1/(V - 1)."""
        return -1 / (self.V - 1)

    def in_support(self, k: int) -> float:
        """The cosine between a context with k next tokens and one of these, sqrt((V - k) / (k (V - 1))); positive.

        Args:
            k: the size of the support.

        Returns:
            The cosine.

        Raises:
            ValueError: k outside 1 .. V - 1.

        >>> round(FlatWorld(V=4, sigma=1.0).in_support(2), 4)
        0.5774
        """
        return sqrt((self.V - self._size(k)) / (k * (self.V - 1)))

    def off_support(self, k: int) -> float:
        """The cosine between a context with k next tokens and any other token, -sqrt(k / ((V - k) (V - 1))); negative.

        Args:
            k: the size of the support.

        Returns:
            The cosine.

        Raises:
            ValueError: k outside 1 .. V - 1.

        >>> round(FlatWorld(V=4, sigma=1.0).off_support(2), 4)
        -0.5774
        """
        return -sqrt(self._size(k) / ((self.V - k) * (self.V - 1)))

    def contexts(self, k: int, other: int, shared: int) -> float:
        """The cosine between two contexts, (shared V - k l) / sqrt(k (V - k) l (V - l)) with l for `other`.

        Args:
            k: the size of the support of one.
            other: that of the other.
            shared: how many tokens both supports have.

        Returns:
            The cosine.

        Raises:
            ValueError: k or `other` outside 1 .. V - 1.

        >>> FlatWorld(V=4, sigma=1.0).contexts(2, 2, 0)
        -1.0
        """
        V = self.V
        lengths = self._size(k) * (V - k) * self._size(other) * (V - other)
        return (shared * V - k * other) / sqrt(lengths)

    def scale(self, k: int, m: int, lam: float) -> float:
        """The logits of the regularised model are this times the centred support, for uniform P and pi.

        For supports of one size k, m contexts, and every ridge: a(lam) = log of
        (V sigma - (V - k) k m lam) / (k^2 m lam), and 0 from lambda_max = sigma / (k m) on (chapter 5, "The exact path").

        Args:
            k: the size of all supports.
            m: the number of contexts.
            lam: the ridge, above 0.

        Returns:
            a(lam), nats, at least 0.

        Raises:
            ValueError: k outside 1 .. V - 1, no context, or a ridge that is not above 0.

        >>> round(subset_world(4, 1).scale(k=1, m=4, lam=1e-3), 4)       # log(1/(m lam) * V sigma - (V - 1)), sigma = 1
        6.9048
        """
        self._size(k)
        if m < 1 or not lam > 0:
            raise ValueError(f"m, lam: got {m}, {lam}, want at least one context and a number above 0")
        if lam >= self.sigma / (k * m):
            return 0.0
        return log((self.V * self.sigma / (k * m * lam) - (self.V - k)) / k)

    def _size(self, k: int) -> int:
        if not 1 <= k < self.V:
            raise ValueError(f"k: got {k}, want a size from 1 to V - 1 = {self.V - 1}")
        return k


def flat_world(S: MatrixLike) -> FlatWorld | None:
    """The closed form of S, if every two tokens are told apart by the same number of contexts.

    Source: chapter 7, "Flat worlds".

    Args:
        S: supports, dense or sparse, boolean or 0/1, (V, m), with at least two tokens.

    Returns:
        The geometry, or None where that number differs between pairs or is zero.

    Raises:
        ValueError: as `star_weights`.

    >>> flat_world([[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])    # four tokens, three contexts: sigma = 1
    FlatWorld(V=4, sigma=1.0)
    """
    x = star_weights(S)
    return None if x is None or np.ptp(x) > 1e-9 * x.max() else FlatWorld(len(x), sqrt(x[0]))


def subset_world(V: int, k: int) -> FlatWorld:
    """The closed form where every k-subset of V tokens is the support of one context: Proposition 1 of the paper.

    Source: chapter 7, "Flat worlds"; Zhao et al. (2024), their Proposition 1.

    Args:
        V: the number of tokens, at least two.
        k: the size of the supports, from 1 to V - 1.

    Returns:
        The geometry, with sigma^2 = C(V - 2, k - 1).

    Raises:
        ValueError: V below two, or k outside 1 .. V - 1.

    >>> world = subset_world(4, 2)
    >>> round(world.norm, 4), round(world.words, 4), round(world.in_support(2), 4), round(world.off_support(2), 4)
    (4.2426, -0.3333, 0.5774, -0.5774)
    """
    if V < 2 or not 1 <= k < V:
        raise ValueError(f"V, k: got {V}, {k}, want at least two tokens and a size from 1 to V - 1")
    return FlatWorld(V, sqrt(comb(V - 2, k - 1)))


# --- two kinds of tokens ---

@dataclass(frozen=True)
class StepGeometry:
    """Inner products of words under step imbalance, and their cosines.

    Source: chapter 7, "Star worlds"; chapter 20; Thrampoulidis et al. (2022); Fang et al. (2021).

    Attributes:
        V: the number of tokens.
        R: contexts for each token of the majority; those of the minority have one.
        majority: squared length of a majority word.
        minority: squared length of a minority word.
        majority_pair: inner product of two majority words (where there are two).
        minority_pair: inner product of two minority words (where there are two).
        mixed_pair: inner product of a majority and a minority word.
        many: how many tokens are of the majority.

    >>> world = step_geometry(4, 4)
    >>> world.many, round(world.majority_cosine, 4), round(world.minority_cosine, 4), round(world.mixed_cosine, 4)
    (2, -0.4334, -0.117, -0.3537)
    """

    V: int
    R: float
    majority: float
    minority: float
    majority_pair: float
    minority_pair: float
    mixed_pair: float
    many: int

    def gram(self) -> np.ndarray:
        """The Gram matrix of the words, majority first.

        Returns:
            Inner products, (V, V), with zero row sums.

        >>> step_geometry(4, 1).gram().tolist()[0]
        [0.75, -0.25, -0.25, -0.25]
        """
        gram = np.full((self.V, self.V), self.mixed_pair)
        gram[:self.many, :self.many], gram[self.many:, self.many:] = self.majority_pair, self.minority_pair
        np.fill_diagonal(gram, [self.majority] * self.many + [self.minority] * (self.V - self.many))
        return gram

    @property
    def minority_cosine(self) -> float:
        """The cosine between two minority words, which tends to one as R grows (they collapse)."""
        return self.minority_pair / self.minority

    @property
    def majority_cosine(self) -> float:
        """The cosine between two majority words."""
        return self.majority_pair / self.majority

    @property
    def mixed_cosine(self) -> float:
        """The cosine between a majority and a minority word."""
        return self.mixed_pair / sqrt(self.majority * self.minority)


def step_geometry(V: int, R: float, *, majority: int | None = None) -> StepGeometry:
    """The words where some of V tokens follow R contexts each, the others one, and each context has one next token.

    With M majority and N = V - M minority tokens the centred support has singular values root R, M - 1 times, 1, N - 1
    times, and rho = root((R N + M)/V).

    Source: chapter 7, "Star worlds"; chapter 20; Thrampoulidis et al. (2022); Fang et al. (2021).

    Args:
        V: the number of tokens, at least two; even, if `majority` is not given.
        R: the imbalance, above 0.
        majority: how many tokens are of the majority, M, from 1 to V - 1; by default half of them.

    Returns:
        The five inner products.

    Raises:
        ValueError: V below two, or odd and no majority given; R not above 0; a majority of none or all.

    >>> [round(step_geometry(6, R).minority_cosine, 3) for R in (1, 10, 1000, 100_000)]
    [-0.2, 0.054, 0.772, 0.974]
    >>> round(step_geometry(6, 1000, majority=1).minority_cosine, 3)      # one frequent word draws the rest together less
    0.433
    """
    if V < 2 or not R > 0 or (majority is None and V % 2):
        raise ValueError(f"V, R: got {V}, {R}, want an even number of tokens (or a majority) and a number above 0")
    M = V // 2 if majority is None else majority
    if not 1 <= M < V:
        raise ValueError(f"majority: got {M}, want a number of tokens from 1 to V - 1 = {V - 1}")
    N, root = V - M, sqrt(R)
    rho = sqrt((R * N + M) / V)
    large, small = rho * N / (M * V), rho * M / (N * V)
    return StepGeometry(V, R, majority=root * (1 - 1 / M) + large, minority=1 - 1 / N + small,
                        majority_pair=large - root / M, minority_pair=small - 1 / N, mixed_pair=-rho / V, many=M)

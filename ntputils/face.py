"""Is the solution of NTP-SVM unique, and where it is not, what is the set of solutions?

Fix one dual solution Lambda. A feasible L is a solution if and only if <Lambda, L> = ||L||_* and every margin off the
supports where Lambda is negative is exactly one (complementary slackness). The first says that L = U A V' with A
symmetric and positive semidefinite, where U, V hold the singular vectors of Lambda with singular value one. So the
solutions are a slice of the cone of such A by linear equations and inequalities: a convex set, an *optimal face*.
Differences of two solutions are U B V' with B symmetric, equal entries on each support, and the same entry wherever
Lambda is negative. If these homogeneous equations have only the solution zero, there is one solution.

In floating point Lambda is a dual point with a gap, and the same inequality that proves duality says how far the above
can be off: `is_unique` bounds the distance between any two solutions, rounding aside. Everything is done on the
quotient, where equal columns and equal rows of S are merged: all solutions have them equal too.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass

import numpy as np

from ._hints import ArrayLike, MatrixLike
from .contexts import merge_columns
from .svm import ConvergenceWarning, _project, _Quotient, _quotient, solve_ntp_svm
from .theory import _supports

_GAP = 2e-12       # what the solver is asked for: twice the allowance it makes for rounding
_ROUNDING = 4e-14  # relative error of a nuclear norm and of an inner product, float64, sums of 1e4 terms
_ONE = 1e-3        # singular values of Lambda this near to one count as one: more of them is the cautious side
_ZERO = 1e-4       # entries of Lambda this near to zero count as zero: more of them is the cautious side
_KERNEL = 1e-5     # singular values of the equations below this are zero: Lambda is accurate to the root of its gap
_INSIDE = 1e-6     # by how much, relatively, the search for an interior point lets constraints give
_ACTIVE = 1e-4     # what stays below this at the most interior point is active on the whole face
_LARGEST = 4000    # unknowns of the equations: a minute, and 128 MB, on one core


@dataclass(frozen=True)
class OptimalFace:
    """The set of solutions of NTP-SVM, as far as float64 shows it.

    Source: chapter 9, "The optimal face".

    Attributes:
        dimension: the affine dimension of the set; 0 where it is a point.
        center: a solution inside the set (its analytic centre), nats, for each distinct support, (V, u).
        basis: directions along which one can move and stay optimal, orthonormal when expanded by `inverse`,
            (dimension, V, u).
        ends: the two ends of the segment, nats, (2, V, u), where the dimension is 1; None otherwise.
        certificate: the dual point Lambda, for each distinct support, (V, u).
        inverse: the distinct support of each context, (m,).
        counts: how many contexts share each distinct support, (u,).
        norm: <S, Lambda>, nats: no feasible point is smaller.
        supports: the distinct supports, bool (V, u).

    >>> from ntputils import cyclic_windows
    >>> face = optimal_face(cyclic_windows(5, 2))                # the pentagon: a segment of solutions
    >>> face.dimension, face.basis.shape, round(face.norm, 4)
    (1, (1, 5, 5), 4.4721)
    """

    dimension: int
    center: np.ndarray
    basis: np.ndarray
    ends: np.ndarray | None
    certificate: np.ndarray
    inverse: np.ndarray
    counts: np.ndarray
    norm: float
    supports: np.ndarray

    def contains(self, L: ArrayLike, *, tol: float = 1e-6) -> bool:
        """Whether L is a solution: by its constraints and its norm alone, without the face.

        Args:
            L: logits of all contexts, nats, (V, m), or of the distinct supports, (V, u).
            tol: by how much margins may miss one and entries on a support may differ, and, relative to `norm`, by how
                much the nuclear norm may exceed the least.

        Returns:
            True where every constraint holds and the norm is least, each to `tol`.

        Raises:
            ValueError: L has another shape, or `tol` is not above 0.

        >>> from ntputils import cyclic_windows
        >>> face = optimal_face(cyclic_windows(5, 2))
        >>> face.contains(face.ends.mean(axis=0)), face.contains(2 * face.center)
        (True, False)
        """
        if not tol > 0:
            raise ValueError(f"tol: got {tol}, want a number above 0")
        V, u, m = *self.supports.shape, len(self.inverse)
        L = np.asarray(L, dtype=float)
        if L.shape not in ((V, m), (V, u)):
            raise ValueError(f"L: got shape {L.shape}, want (V, m) = {(V, m)} or (V, distinct supports) = {(V, u)}")
        full = L.shape == (V, m)
        S, counts = (self.supports[:, self.inverse], np.ones(m)) if full else (self.supports, self.counts)
        low, high = np.where(S, L, np.inf).min(axis=0), np.where(S, L, -np.inf).max(axis=0)
        if not np.all(np.isfinite(L)) or max((high - low).max(), (np.where(S, -np.inf, L) + 1 - low).max()) > tol:
            return False
        return bool(np.linalg.norm(L * np.sqrt(counts), "nuc") <= self.norm * (1 + tol) + np.finfo(float).tiny)


@dataclass(frozen=True)
class UniquenessVerdict:
    """Whether NTP-SVM has one solution, and what shows it.

    Source: chapter 9, "The optimal face" and "How far apart two solutions can be".

    Attributes:
        unique: True where any two solutions are proved to be within `distance` of each other, a hundredth of their norm
            or less; False where the two points of `pair` are both optimal; None where neither was shown.
        distance: True: an upper bound of the distance between any two solutions (Frobenius norm over all m
            contexts, nats); False: the distance of the two in `pair`; None: the bound that was reached, or infinity.
        pair: two solutions for each distinct support, nats, (2, V, u), if `unique` is False; otherwise None.
        excess: by how much the norms of `pair` are above the lower bound <S, Lambda> at most, relative; 0 without a pair.
        certificate: the dual point Lambda that both proofs rest on, for each distinct support, (V, u).
        missing: what a proof would need, in words, if `unique` is None; otherwise empty.

    >>> from ntputils import cyclic_windows
    >>> verdict = is_unique(cyclic_windows(5, 2))
    >>> verdict.unique, verdict.pair.shape, verdict.excess < 1e-9
    (False, (2, 5, 5), True)
    """

    unique: bool | None
    distance: float
    pair: np.ndarray | None
    excess: float
    certificate: np.ndarray
    missing: str


def is_unique(S: MatrixLike, *, max_iter: int = 20_000) -> UniquenessVerdict:
    """Decides whether NTP-SVM has one solution or several.

    *Yes* is a bound on the distance between any two solutions, from Lambda, its gap and the smallest singular value of
    the homogeneous equations (see the module). It holds whatever the solver did, rounding aside, and it is a statement
    about a distance: two solutions closer than it, no arithmetic of finite precision can tell from one. *No* is two
    feasible points at a distance of more than a hundredth of their norm, whose nuclear norms exceed the lower bound by
    less than 1e-9 of it. Were the solution unique, the norm would have to grow along the way between them more
    slowly than 4e-5 times the squared relative distance.

    Source: chapter 9, "The optimal face" and "How far apart two solutions can be".

    Args:
        S: supports, dense or sparse, boolean or 0/1, (V, m).
        max_iter: iterations that the solver may spend.

    Returns:
        The verdict.

    Raises:
        ValueError: entries other than 0 and 1, an empty column, no token or no context.

    >>> from ntputils import cyclic_windows
    >>> is_unique([[1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]]).unique       # where the proxy first fails
    True
    >>> is_unique(cyclic_windows(5, 2)).unique                              # the pentagon
    False
    """
    problem = _Problem.solved(S, max_iter)
    if problem.quotient is None:
        return UniquenessVerdict(True, 0.0, None, 0.0, problem.expand(problem.X), "")
    certificate = problem.expand(problem.G)
    size, bound = np.linalg.norm(problem.X), problem.diameter()
    if bound <= 1e-2 * size:
        return UniquenessVerdict(True, bound, None, 0.0, certificate, "")
    if problem.too_large:
        return UniquenessVerdict(None, bound, None, 0.0, certificate, problem.missing(0))
    center, basis = problem.face()
    chords = [problem.chord(center, direction) for direction in basis]
    if chords:
        pair = max(chords, key=lambda ends: np.linalg.norm(ends[1] - ends[0]))
        excess = max(np.linalg.norm(X, "nuc") for X in pair) / problem.dual - 1
        distance = float(np.linalg.norm(pair[1] - pair[0]))
        if distance > 1e-2 * size and excess <= 1e-9:
            pair = np.stack([problem.expand(X) for X in pair])
            return UniquenessVerdict(False, distance, pair, max(0.0, float(excess)), certificate, "")
    return UniquenessVerdict(None, bound, None, 0.0, certificate, problem.missing(len(basis)))


def optimal_face(S: MatrixLike, *, max_iter: int = 20_000) -> OptimalFace:
    """The set of all solutions of NTP-SVM.

    Numerical, unlike the verdicts of `is_unique`: the dimension is the number of directions in which the equations and
    inequalities leave room, small singular values taken for zero. Whether a given L belongs to the set is decided
    by `OptimalFace.contains` from its constraints and its norm alone.

    Source: chapter 9, "The optimal face".

    Args:
        S: supports, dense or sparse, boolean or 0/1, (V, m).
        max_iter: iterations that the solver may spend.

    Returns:
        The face.

    Raises:
        ValueError: entries other than 0 and 1, an empty column, no token or no context, or a solution whose rank is
            too large (89 or more).

    Warns:
        ConvergenceWarning: the solver's gap is too large for a dimension to mean much.

    >>> from ntputils import cyclic_windows
    >>> face = optimal_face(cyclic_windows(5, 2))                    # the pentagon
    >>> face.dimension, (face.ends[:, 0, 0] - face.ends[:, 3, 0]).round(6).tolist()
    (1, [1.0, 1.618034])
    """
    problem = _Problem.solved(S, max_iter)
    if problem.quotient is not None and problem.too_large:
        raise ValueError(f"S: the face of this problem has {problem.ones[0].shape[1]} dimensions of words to move in, "
                         "want fewer than 89")
    center, basis = (problem.X, []) if problem.quotient is None else problem.face()
    if problem.gap > 1e-9:
        warnings.warn(f"optimal_face works with a gap of {problem.gap:.1e}, above 1e-9", ConvergenceWarning,
                      stacklevel=2)
    ends = None
    if len(basis) == 1:
        ends = np.stack([problem.expand(X) for X in sorted(problem.chord(center, basis[0]), key=np.linalg.norm)])
    directions = np.array([problem.expand(D) for D in basis]).reshape(-1, *problem.supports.shape)
    return OptimalFace(len(basis), problem.expand(center), directions, ends, problem.expand(problem.G),
                       problem.inverse, problem.counts, problem.dual, problem.supports)


@dataclass(frozen=True)
class _Problem:
    """A solved quotient: weighted matrices X (a solution) and G (a dual solution of spectral norm one)."""

    supports: np.ndarray      # (V, u) bool
    inverse: np.ndarray       # (m,)
    counts: np.ndarray        # (u,)
    tokens: np.ndarray        # (V,) the distinct row of each token
    bound: np.ndarray         # (u,) bool: the supports that are not full
    quotient: _Quotient | None    # the problem on those; None if there is none
    X: np.ndarray             # (t, u')
    G: np.ndarray             # (t, u')

    @classmethod
    def solved(cls, S: MatrixLike, max_iter: int) -> _Problem:
        """Solves NTP-SVM to rounding and merges rows and columns."""
        distinct, inverse, counts = merge_columns(_supports(S))
        merged, tokens, rows = merge_columns(distinct.T)
        pattern, supports = merged.T.toarray(), distinct.toarray()
        bound = ~pattern.all(axis=0)
        if not bound.any():
            none = np.zeros((len(rows), 0))
            return cls(supports, inverse, counts, tokens, bound, None, none, none)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the gap is looked at by whoever needs it
            solution = solve_ntp_svm(distinct[:, inverse], tol=_GAP, max_iter=max_iter)
        first = np.unique(tokens, return_index=True)[1]
        q = _quotient(pattern[:, bound], rows, counts[bound], None)
        X = _project(solution.L_distinct[first][:, bound], q) * q.weight
        G = solution.certificate[first][:, bound] * q.weight
        return cls(supports, inverse, counts, tokens, bound, q, X, G / np.linalg.norm(G, 2))

    @property
    def q(self) -> _Quotient:
        """The quotient, for what asks only where there is one."""
        assert self.quotient is not None
        return self.quotient

    @property
    def dual(self) -> float:
        return float(np.sum(self.G * self.q.S * self.q.weight)) if self.quotient else 0.0

    @functools.cached_property
    def slack(self) -> float:
        """How much a solution's norm can exceed the dual value, rounding included."""
        primal = float(np.linalg.norm(self.X, "nuc"))
        return max(0.0, primal - self.dual) + _ROUNDING * primal

    @property
    def gap(self) -> float:
        return self.slack / self.dual if self.quotient else 0.0

    def expand(self, X: np.ndarray) -> np.ndarray:
        """A weighted quotient matrix as logits (or a certificate) for each distinct support, (V, u)."""
        full = np.zeros(self.supports.shape)
        if self.quotient is not None:
            full[:, self.bound] = (X / self.q.weight)[self.tokens]
        return full

    @functools.cached_property
    def ones(self) -> tuple[np.ndarray, np.ndarray, float]:
        """U with its singular values, V, for those of Lambda near one, and the largest of the others."""
        U, s, Vt = np.linalg.svd(self.G)
        r = int(np.sum(s >= 1 - _ONE))
        return U[:, :r] * s[:r], Vt[:r].T, float(s[r]) if r < len(s) else 0.0

    @functools.cached_property
    def tight(self) -> np.ndarray:
        """Entries off the supports where Lambda is negative: there every solution has margin one."""
        return (self.G / self.q.weight < -_ZERO * np.abs(self.G / self.q.weight).max()) & ~self.q.S

    @property
    def too_large(self) -> bool:
        r = self.ones[0].shape[1]
        return r * (r + 1) // 2 > _LARGEST

    def gram(self, U: np.ndarray, V: np.ndarray, tight: np.ndarray) -> np.ndarray:
        """T'T for the homogeneous equations T on symmetric B, in the coordinates of `_symmetric`.

        They say that U B V' / weight is constant on the entries of a column that are on the support or tight: T takes
        from these entries their mean.
        """
        a, b = np.triu_indices(U.shape[1])
        share, G = np.where(a == b, 0.5, np.sqrt(0.5)), np.zeros((len(a), len(a)))
        for j, held in enumerate((self.q.S | tight).T):
            T = (U[held][:, a] * V[j, b] + U[held][:, b] * V[j, a]) * share / self.q.weight[held, j][:, None]
            T = T - T.mean(axis=0)
            G += T.T @ T
        return G

    def diameter(self) -> float:
        """An upper bound of the distance between any two solutions; infinity where the equations leave room.

        For a solution X = sum s_i p_i q_i' put H = sum s_i q_i q_i'. Weak duality, term by term, says that
        sum s_i (1 - p_i' Lambda q_i) + sum |Lambda_vj| (margin_vj - 1) <= slack. Hence X = Lambda H up to
        sqrt(2 slack norm), H lies in the span of V up to what slack allows, and margins are one up to slack/|Lambda|.
        Two solutions then differ by U B V' up to a remainder, and B nearly solves the equations.
        """
        U, V, rest = self.ones
        norm, slack = self.dual + self.slack, self.slack
        floor = np.abs((self.G / self.q.weight)[self.tight]).min(initial=np.inf)
        if np.all(self.tight | self.q.S):  # all margins are one up to slack/floor: that is the centred support
            return float(2 * slack / floor)
        if not U.shape[1] or self.too_large:
            return np.inf
        outside = 2 * slack / (1 - rest**2)                                   # trace of H outside of V
        remainder = np.sqrt(2 * slack * norm) + np.sqrt(2 * outside * norm) + outside
        least = max(np.linalg.eigvalsh(self.gram(U, V, self.tight))[0], 0.0) ** 0.5
        if least <= _KERNEL:
            return np.inf
        wrong = 2 * remainder / self.q.weight.min() + 2 * slack / floor
        return float(wrong / least + 2 * remainder)

    def face(self) -> tuple[np.ndarray, list[np.ndarray]]:
        """A solution in the relative interior of the face, and orthonormal directions that span it (weighted)."""
        U, V, _ = self.ones
        U, tight, X = U / np.linalg.norm(U, axis=0), self.tight, self.X
        size = np.linalg.norm(X, 2)
        while True:
            squares, kernel = np.linalg.eigh(self.gram(U, V, tight))
            Bs = [_symmetric(b, U.shape[1]) for b in kernel[:, squares <= _KERNEL**2].T]
            Ds = np.array([U @ B @ V.T for B in Bs]).reshape(-1, *X.shape)
            if not Bs:
                return X, []
            free = ~self.q.S & ~tight
            A = U.T @ X @ V
            A, rise = (A + A.T) / 2, self.margin(Ds)[:, free]
            x = _analytic_center(A / size, np.array(Bs) / size, self.margin(X)[free] - 1, rise)
            X = _project((X + np.tensordot(x, Ds, 1)) / self.q.weight, self.q) * self.q.weight
            values, Q = np.linalg.eigh(A + np.tensordot(x, Bs, 1))
            inner = values > _ACTIVE * size
            active = free & (self.margin(X) - 1 <= _ACTIVE)
            if inner.all() and not active.any():
                return X, list(Ds)
            U, V, tight = U @ Q[:, inner], V @ Q[:, inner], tight | active

    def margin(self, X: np.ndarray) -> np.ndarray:
        """By how much the value on the support exceeds each entry, of one weighted matrix or of several."""
        L = X / self.q.weight
        return np.take_along_axis(L, self.q.S.argmax(axis=0)[(None,) * (L.ndim - 1)], -2) - L

    def chord(self, X: np.ndarray, D: np.ndarray) -> np.ndarray:
        """The two ends of the solutions X + t D, made feasible."""
        U, V, _ = self.ones
        U = U / np.linalg.norm(U, axis=0)
        A, B = (U.T @ M @ V for M in (X, D))
        A, B = (A + A.T) / 2, (B + B.T) / 2
        values, Q = np.linalg.eigh(A)
        inner = values > _ACTIVE * values[-1] / 10
        Q = Q[:, inner] / np.sqrt(values[inner])
        free = ~self.q.S & ~self.tight
        rates = np.r_[np.linalg.eigvalsh(Q.T @ B @ Q),
                      self.margin(D)[free] / np.maximum(self.margin(X)[free] - 1, _ACTIVE)]
        steps = -1 / max(rates.max(), 1e-300), -1 / min(rates.min(), -1e-300)
        return np.stack([_project((X + t * D) / self.q.weight, self.q) * self.q.weight for t in steps])

    def missing(self, dimension: int) -> str:
        """What stands between the numbers and a verdict."""
        if self.gap > 1e-9:
            return f"a smaller gap: the solver stopped at {self.gap:.1e}; raise max_iter"
        if self.too_large:
            return f"a smaller problem: the equations have more than {_LARGEST} unknowns"
        if dimension:
            return (f"a better certificate: the equations leave {dimension} directions, but no two points along them "
                    "were both optimal to 1e-9 and apart by more than a hundredth of their norm")
        return ("a certificate with more negative entries off the supports, or fewer singular values of one: "
                "numerically the solutions are one point, but this certificate does not prove it")


def _symmetric(b: np.ndarray, r: int) -> np.ndarray:
    """The symmetric r x r matrix with coordinates b in the orthonormal basis that `equations` uses."""
    i, j = np.triu_indices(r)
    B = np.zeros((r, r))
    B[i, j] = B[j, i] = b * np.where(i == j, 1.0, np.sqrt(0.5))
    return B


def _analytic_center(A: np.ndarray, Bs: np.ndarray, room: np.ndarray, rise: np.ndarray) -> np.ndarray:
    """The x that maximises log det(A + x.B) + sum log(room + x.rise), both relaxed by `_INSIDE`: damped Newton."""
    r, x = len(A), np.zeros(len(Bs))

    def value(x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        rooms = room + _INSIDE + x @ rise
        if rooms.min(initial=np.inf) <= 0:
            return np.inf, rooms, np.empty((0, 0))
        try:
            root = np.linalg.cholesky(A + np.tensordot(x, Bs, 1) + _INSIDE * np.eye(r))
        except np.linalg.LinAlgError:
            return np.inf, rooms, np.empty((0, 0))
        return -2 * np.log(np.diag(root)).sum() - np.log(rooms).sum(), rooms, root

    now, rooms, root = value(x)
    for _ in range(200):
        inverse = np.linalg.inv(root)
        scaled = inverse @ Bs @ inverse.T
        gradient = -np.trace(scaled, axis1=1, axis2=2) - (rise / rooms).sum(axis=1)
        flat, lines = scaled.reshape(len(Bs), -1), rise / rooms
        step = np.linalg.lstsq(flat @ flat.T + lines @ lines.T, -gradient, rcond=1e-14)[0]
        decrement = -gradient @ step
        if decrement < 1e-8:
            break
        t = 1 / (1 + np.sqrt(decrement)) if decrement > 0.1 else 1.0
        while t > 1e-12:
            trial = value(x + t * step)
            if trial[0] < now:
                break
            t /= 2
        else:
            break
        x, (now, rooms, root) = x + t * step, trial
    return x

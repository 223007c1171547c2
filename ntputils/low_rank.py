"""NTP-SVM with a limit on the rank: the cheapest logits that d dimensions can hold, found by a local method.

    minimise ||L||_*   subject to the constraints of NTP-SVM and rank L <= r.

Write L = W H with r dimensions. The nuclear norm is the least of (||W||_F^2 + ||H||_F^2)/2, and the constraints are
those of NTP-SVM on the product, on which there is an exact projection. So the augmented Lagrangian of the problem is

    (||W||_F^2 + ||H||_F^2)/2 + rho/2 dist^2(W H + U, feasible logits) ,

smooth in W and H: it is minimised by L-BFGS, and then U takes what the projection took off. The problem is not convex:
starts end in local minima, and the value is an upper bound. A lower bound comes from the problem without the limit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from ._hints import MatrixLike
from .contexts import merge_columns
from .moment_curve import embed_on_moment_curve
from .svm import NTPSVMSolution, _project, _Quotient, _quotient, _values
from .theory import _supports, factor

_FEASIBLE = 1e-10      # largest violation of a constraint, logits of order one: rounding of the projection and room
_PENALTY = 10.0        # first weight of the distance to the constraints
_ROUNDS = 60           # updates of the multiplier, at most
_INNER = 500           # L-BFGS iterations between two of them, at most
_LARGEST = 1e7         # penalty at which a start ends
_HOPELESS = 12, 0.05   # a start whose violation is above the second number after so many rounds ends too
_CHAIN_SETS = 2000     # supports and intersections that the test for infeasibility looks at, at most


@dataclass(frozen=True)
class LowRankSolution(NTPSVMSolution):
    """Feasible logits of limited rank. The dual point is that of NTP-SVM *without* the limit.

    So `gap` bounds how far the logits are above the best of *any* rank: it is not small where the limit costs
    something, and it says nothing on how near they are to the best of their own rank. `says` puts this in words.

    Source: chapter 10, "The smallest dimension"; chapter 14, "The path in few dimensions".

    Attributes:
        L_distinct: logits in nats for each distinct support, (V, u), of rank at most `rank`; margins are at least 1.
        certificate: the dual point of the problem without the limit, for each distinct support, (V, u).
        inverse: the distinct support of each context, (m,).
        counts: how many contexts share each distinct support, (u,).
        primal: ||L||_* over all m contexts, nats.
        dual: <S, Lambda> over all m contexts, nats: what no feasible logits of any rank go below.
        iterations: how many iterations the problem without the limit took.
        seconds: how long all of it took.
        rank: the limit that was asked for; `L` has no larger rank.
        values: the nuclear norm that each start ended with, nats, infinite where it found no feasible point, (starts,).

    >>> from ntputils import all_subsets, solve_ntp_svm
    >>> found = solve_ntp_svm(all_subsets(4, 2), rank=3)                   # no limit here: all pairs of four tokens
    >>> print(found.says.split(",")[0])
    Feasible logits of rank at most 3 with nuclear norm 4.24264
    >>> found.L.shape, found.gap < 1e-6
    ((4, 6), True)
    """

    rank: int = 0
    values: tuple[float, ...] = ()

    @property
    def says(self) -> str:
        """What is known and what is not, in a sentence or two."""
        head = f"Feasible logits of rank at most {self.rank} with nuclear norm {self.primal:.6g}, "
        if self.gap < 1e-5:
            return head + f"optimal among all ranks up to a relative gap of {self.gap:.0e}."
        agree = sum(value <= self.primal * (1 + 1e-4) for value in self.values)
        return (head + f"at most {self.primal / self.dual - 1:.2%} above the least for this rank: the bound "
                f"{self.dual:.6g} is that of NTP-SVM without the limit. That they are the best of their rank is not "
                f"proved; {agree} of {len(self.values)} starts ended there.")


def solve_low_rank(S: MatrixLike, rank: int, *, tol: float = 1e-6, max_iter: int = 5000, device: str | None = None,
                   starts: int = 4, seed: int = 0) -> LowRankSolution:
    """Looks for feasible logits of NTP-SVM of rank at most `rank` with small nuclear norm; `solve_ntp_svm(S, rank=)`.

    The starts are the truncated solution without the limit, words on the moment curve where the rank allows them
    (2k, with k the most distinct tokens in a proper support), and random words and contexts. A rank that is no limit
    (at least that of every matrix on the quotient) is answered by the solution itself.

    Args:
        S: supports, dense or sparse, boolean or 0/1, (V, m).
        rank: the largest rank allowed, at least one.
        tol: the relative gap that the problem without the limit is solved to.
        max_iter: iterations that it may take.
        device: where it is solved: None for NumPy, or a torch device.
        starts: how many random starts to make.
        seed: where they come from.

    Returns:
        The best logits found, with the dual bound of the problem without the limit.

    Raises:
        ValueError: bad supports, rank below one, or supports of which a chain proves that no feasible matrix has so
            small a rank.
        RuntimeError: no start found a feasible point. Unlike the ValueError this is no proof that there is none.

    >>> found = solve_low_rank(np.eye(4, dtype=bool), 2)         # four words at the corners of a square
    >>> round(found.primal, 6), round(found.gap, 6)              # without the limit the norm is 3
    (4.0, 0.25)
    """
    from .svm import solve_ntp_svm

    begin = time.perf_counter()
    if rank < 1:
        raise ValueError(f"rank: got {rank}, want at least 1")
    if starts < 0:
        raise ValueError(f"starts: got {starts}, want none or more")
    free = solve_ntp_svm(S, tol=tol, max_iter=max_iter, device=device)
    distinct, inverse, counts = merge_columns(_supports(S))
    tokens, token_inverse, rows = merge_columns(distinct.T)
    pattern = tokens.T.toarray()
    bound = ~pattern.all(axis=0)
    L, values = np.zeros(pattern.shape), tuple[float, ...]()
    if rank >= min(len(pattern) - 1, bound.sum()):
        L, values = free.L_distinct[np.unique(token_inverse, return_index=True)[1]], (free.primal,)
    else:
        chain = _longest_chain(pattern[:, bound])
        if chain > rank:
            raise ValueError(f"rank: got {rank}, but {chain} supports, or intersections of supports, are nested in "
                             f"one another; each is a face of the words' hull and has one more dimension than the "
                             f"last, so that no feasible logits have rank below {chain}")
        q = _quotient(pattern[:, bound], rows, counts[bound], None)
        X = free.L_distinct[np.unique(token_inverse, return_index=True)[1]][:, bound] * q.weight
        found = [_descend(W, H, q) for W, H in _starts(X, q, rank, starts, np.random.default_rng(seed))]
        values = tuple(value for value, _, _ in found)
        if not np.isfinite(min(values)):
            raise RuntimeError(
                f"rank: none of {len(found)} starts found feasible logits of rank {rank}; the nearest misses a "
                f"constraint by {min(miss for _, _, miss in found):.1e}. This is no proof that there are none. "
                f"min(2k, V - 1) = {_always_enough(q)} dimensions always suffice (k, V: distinct tokens)")
        L[:, bound] = found[int(np.argmin(values))][1]
    L = L[token_inverse]
    primal, _ = _values(L, free.certificate, distinct, counts)
    return LowRankSolution(L, free.certificate, inverse, counts, primal, free.dual, free.iterations,
                           time.perf_counter() - begin, rank=int(rank), values=values)


def _always_enough(q: _Quotient) -> int:
    """The number of dimensions that words on the moment curve, or in general position, need."""
    return int(min(2 * q.S.sum(axis=0).max(), len(q.S) - 1))


def _starts(X: np.ndarray, q: _Quotient, rank: int, count: int, rng: np.random.Generator
            ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Balanced factors to start from, in weighted logits: the truncated solution, the moment curve, random ones."""
    W, H = factor(X)
    pad = max(0, rank - W.shape[1])
    yield np.pad(W[:, :rank], ((0, 0), (0, pad))), np.pad(H[:rank], ((0, pad), (0, 0)))
    if 2 * q.S.sum(axis=0).max() <= rank:
        W, H = factor(embed_on_moment_curve(q.S).L * q.weight, tol=1e-10)
        W, H = W[:, :rank], H[:rank]
        noise = 1e-2 * np.abs(W).max()
        pad = rank - W.shape[1]
        yield (np.hstack([W, noise * rng.normal(size=(len(W), pad))]),
               np.vstack([H, noise * rng.normal(size=(pad, H.shape[1]))]))
    size = (np.linalg.norm(X) / rank) ** 0.5 / (X.size / rank) ** 0.25
    for _ in range(count):
        yield size * rng.normal(size=(len(X), rank)), size * rng.normal(size=(rank, X.shape[1]))


def _descend(W: np.ndarray, H: np.ndarray, q: _Quotient) -> tuple[float, np.ndarray, float]:
    """The augmented Lagrangian method from one start: norm, logits (not weighted), and largest violation."""
    cut, shapes, U, rho = W.size, (W.shape, H.shape), np.zeros(q.weight.shape), _PENALTY
    miss = last = np.inf
    x = np.concatenate([W.ravel(), H.ravel()])

    def value_and_gradient(x: np.ndarray, U: np.ndarray, rho: float) -> tuple[float, np.ndarray]:
        W, H = x[:cut].reshape(shapes[0]), x[cut:].reshape(shapes[1])
        Z = W @ H + U
        D = Z - _project(Z / q.weight, q) * q.weight
        return (x @ x + rho * np.vdot(D, D)) / 2, x + rho * np.concatenate([(D @ H.T).ravel(), (W.T @ D).ravel()])

    for round_ in range(1, _ROUNDS + 1):
        options = {"maxiter": _INNER, "maxcor": 20, "ftol": 0.0, "gtol": max(_FEASIBLE, 1e-2 * min(1.0, miss))}
        x = minimize(value_and_gradient, x, (U, rho), jac=True, method="L-BFGS-B", options=options).x
        X = x[:cut].reshape(shapes[0]) @ x[cut:].reshape(shapes[1])
        U = X + U
        U -= _project(U / q.weight, q) * q.weight
        L = X / q.weight
        miss = np.abs(L - _project(L, q)).max()
        if miss <= _FEASIBLE or rho > _LARGEST or (round_ >= _HOPELESS[0] and miss > _HOPELESS[1]):
            break
        if miss > 0.3 * last:
            rho, U = 3 * rho, U / 3
        last = miss
    if miss > _FEASIBLE * max(1.0, np.abs(L).max()):
        return np.inf, L, miss
    L = L / (1 - 3 * miss)       # margins are now at least one; equal logits stay equal to rounding
    return float(np.linalg.svd(L * q.weight, compute_uv=False).sum()), L, miss


def _longest_chain(S: np.ndarray) -> int:
    """The length of a longest chain of nested sets among the columns of S and their intersections by two.

    Supports are faces, intersections of faces are faces, and a face that strictly contains another has a larger
    dimension: a chain of c proper faces, none empty, needs c dimensions.
    """
    masks = {int("".join("1" if on else "0" for on in column), 2) for column in S.T}
    for a in sorted(masks)[:200]:
        masks |= {a & b for b in list(masks)[:_CHAIN_SETS] if a & b} if len(masks) < _CHAIN_SETS else set()
    depth: dict[int, int] = {}
    for mask in sorted(masks, key=int.bit_count):
        depth[mask] = 1 + max((d for other, d in depth.items() if other & mask == other and other != mask), default=0)
    return max(depth.values(), default=0)

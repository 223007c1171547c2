"""When is the centred support itself the solution of NTP-SVM? A verdict with its proof.

S~ = (I - 11'/V) S solves NTP-SVM if and only if some Lambda = U V' + N is feasible for the dual, that is Lambda <= 0
off the supports and 1' Lambda = 0, where S~ = U Sigma V' is the compact singular value decomposition, U'N = 0,
N V = 0 and ||N||_2 <= 1: these Lambda are the subgradients of the nuclear norm at S~, where every margin is tight.
U V' <= 0 off the supports is sufficient (N = 0). It is necessary too where the rank of S~ is V - 1 (then N has no
column but multiples of 1, and 1'N = 0) or the number of contexts (then N V = 0 says N = 0); contexts with equal
supports count once there, weighted by the root of their number, and those with full support not at all.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from ._hints import MatrixLike
from .contexts import merge_columns
from .svm import ConvergenceWarning, _spectral_norm, solve_ntp_svm
from .theory import _supports, center

_ROUNDING = 1e-10     # relative differences of norms below this are taken for rounding: float64, sums of 1e4 terms


@dataclass(frozen=True)
class ProxyVerdict:
    """Whether the centred support solves NTP-SVM, and what shows it.

    Source: chapter 8, "When the proxy is exact" and "Excess of the proxy"; Zhao et al. (2024).

    Attributes:
        optimal: True where `certificate` proves that no feasible point is smaller (to rounding, 1e-10 of the norm);
            False where `better` is smaller (by more than that); None where neither was found.
        certificate: a point Lambda that the dual allows, for each distinct support, (V, u): expanded by `inverse` it
            has spectral norm at most 1, zero column sums and no positive entry off the supports.
        better: feasible logits of smaller nuclear norm, nats, for each distinct support, (V, u); None unless `optimal`
            is False.
        gap: (||S~||_* - <S, Lambda>) / ||S~||_*: the least nuclear norm is below that of S~ by at most this share.
        inverse: the distinct support of each context, (m,).
        counts: how many contexts share each distinct support, (u,).

    >>> verdict = proxy_is_optimal([[1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]])      # {1}, {1, 2}, {1, 3}
    >>> verdict.optimal, verdict.better.shape, round(verdict.excess, 5)
    (False, (4, 3), 0.00962)
    """

    optimal: bool | None
    certificate: np.ndarray
    better: np.ndarray | None
    gap: float
    inverse: np.ndarray
    counts: np.ndarray

    @property
    def excess(self) -> float:
        """The norm of S~ is above the least one by at most this share of that, (||S~||_* - <S, Lambda>) / <S, Lambda>.

        It is met up to the solver's tolerance where `optimal` is False; infinite where the certificate is worthless.
        """
        return self.gap / (1 - self.gap) if self.gap < 1 else float("inf")


def proxy_is_optimal(S: MatrixLike, *, max_iter: int = 5000) -> ProxyVerdict:
    """Decides whether the centred support S~ = (I - 11'/V) S solves NTP-SVM.

    First U V', the polar factor of S~, is tried as the dual point: if it is allowed, S~ is optimal, because
    <S, U V'> = <S~, U V'> = ||S~||_*. Otherwise the solver decides, by a dual point that meets ||S~||_* or by a
    feasible point below it. Either proof is weak duality and holds whatever the solver did: a True is as good as
    `gap`, which is computed from the certificate, and a False as good as the norm of `better`. Both are statements in
    floating point: a proxy that is worse than the optimum by less than 1e-10 of its norm passes for optimal.

    Source: chapter 8, "When the proxy is exact".

    Args:
        S: supports, dense or sparse, boolean or 0/1, (V, m).
        max_iter: iterations that the solver may spend.

    Returns:
        The verdict with its certificate.

    Raises:
        ValueError: entries other than 0 and 1, an empty column, no token or no context.

    >>> proxy_is_optimal([[1, 1], [0, 1], [0, 0], [0, 0]]).optimal                  # nested supports
    True
    >>> proxy_is_optimal([[1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]]).optimal      # {1}, {1, 2}, {1, 3}
    False
    >>> round(proxy_is_optimal([[1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]]).excess, 5)
    0.00962
    """
    distinct, inverse, counts = merge_columns(_supports(S))
    pattern, root = distinct.toarray(), np.sqrt(counts)
    X = center(pattern) * root
    if pattern.all():
        return ProxyVerdict(True, np.zeros(X.shape), None, 0.0, inverse, counts)
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    norm, keep = s.sum(), s > 1e-9 * s[0]
    certificate = _allowed(U[:, keep] @ Vt[keep], pattern)
    gap = 1 - np.sum(X * certificate) / norm
    better = None
    if gap > _ROUNDING:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the verdict says its own gap
            solution = solve_ntp_svm(distinct[:, inverse], tol=_ROUNDING / 10, max_iter=max_iter)
        if solution.dual > np.sum(X * certificate):
            certificate, gap = solution.certificate * root, 1 - solution.dual / norm
        if solution.primal < (1 - _ROUNDING) * norm:
            better = solution.L_distinct
    optimal = False if better is not None else True if gap <= _ROUNDING else None
    return ProxyVerdict(optimal, certificate / root, better, max(0.0, float(gap)), inverse, counts)


def _allowed(G: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """A point near G that the dual allows: off-support entries cut at 0, columns centred within the supports, scaled.

    A G that is allowed up to rounding changes by rounding only.
    """
    G = np.where(pattern, G, np.minimum(G, 0.0))
    G = G - pattern * (G.sum(axis=0) / pattern.sum(axis=0))
    return G / max(1.0, _spectral_norm(G, np))

"""What could predict a trained geometry: vectors for words and contexts made from the soft labels alone, without training."""

from __future__ import annotations

import numpy as np

from .svm import NTPSVMSolution, solve_ntp_svm
from .theory import center, centered_support, factor, in_support_logits
from .types import SoftLabels

__all__ = ["candidate_geometries"]


def candidate_geometries(labels: SoftLabels, solution: NTPSVMSolution | None = None, *, tol: float = 1e-6
                         ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The rival predictions of the geometry of words and contexts, from the counts of a text.

    A matrix A (V, m) becomes vectors in one of two ways. *Raw*: its rows are the words and its columns the contexts, so that
    Gram matrices are AA' and A'A. *Factored*: W H = A balanced, so that they are (AA')^(1/2) and (A'A)^(1/2), as
    where a ridge vanishes.

    | name | matrix | vectors |
    |---|---|---|
    | `"NTP-SVM"` | the solution L^mm | factored |
    | `"proxy"` | the centred support S~ | factored |
    | `"centred support"` | S~ | raw |
    | `"support"` | S | raw |
    | `"probabilities"` | P | raw |
    | `"frequencies"` | the centred joint distribution, P_V P diag(pi): where training from small weights begins | factored |
    | `"PMI"` | positive pointwise mutual information, max(0, log P(z, j) / (P(z) P(j))) | raw |
    | `"log-odds"` | the finite part L^in | raw |

    Source: chapter 15; Levy and Goldberg (2014) for PMI.

    Args:
        labels: the soft labels.
        solution: of NTP-SVM for their supports; by default it is solved here.
        tol: the relative duality gap asked for where it is solved.

    Returns:
        For each name the word vectors (V, r), a word a row, and the context vectors (r', m), a context a column. Dimensions
        differ between names, and for raw vectors between words and contexts: cosines can be compared, dot
        products of a word and a context only where the vectors are factored.

    Raises:
        ValueError: a solution for other supports.

    >>> labels = SoftLabels.from_counts([[1, 0, 2], [1, 1, 0], [0, 1, 1]])
    >>> found = candidate_geometries(labels)
    >>> W, H = found["proxy"]
    >>> np.allclose(W @ H, centered_support(labels.S))
    True
    """
    S, P = labels.S.toarray().astype(float), labels.P.toarray()
    if solution is None:
        solution = solve_ntp_svm(labels.S, tol=tol)
    if solution.L.shape != S.shape or np.any(np.where(S > 0, solution.L, np.inf).min(axis=0)
                                             < np.where(S > 0, -np.inf, solution.L).max(axis=0)):
        raise ValueError(f"solution: got one of shape {solution.L.shape} that does not separate the supports of these labels, "
                         f"want the solution of their NTP-SVM, {S.shape}")
    proxy, words = centered_support(labels.S), P @ labels.pi
    pmi = np.log(np.divide(P, words[:, None], out=np.ones_like(P), where=P > 0))
    raw = {"centred support": proxy, "support": S, "probabilities": P, "PMI": np.maximum(pmi, 0),
           "log-odds": in_support_logits(labels).toarray()}
    factored = {"NTP-SVM": solution.L, "proxy": proxy, "frequencies": center(P * labels.pi)}
    found = {name: factor(A) for name, A in factored.items()} | {name: (A, A) for name, A in raw.items()}
    order = ("NTP-SVM", "proxy", "centred support", "support", "probabilities", "frequencies", "PMI", "log-odds")
    return {name: found[name] for name in order}

"""The numbers of a report, and what to keep in mind when reading them."""

from __future__ import annotations

import numpy as np

from .prediction import Prediction, predict
from .proxy import proxy_is_optimal
from .types import SoftLabels

_CHEAP = 20_000       # up to so many entries of the distinct supports the proxy gets its verdict, with a proof


def sizes(labels: SoftLabels, proxy: Prediction) -> dict[str, float]:
    k, pi = labels.support_sizes, labels.pi
    once = int(np.sum(np.rint(pi * labels.n) == 1)) if labels.n else float("nan")
    bound = k[k < labels.V]
    return {"occurrences": labels.n or float("nan"), "words": labels.V, "contexts": labels.m,
            "distinct_supports": len(proxy.counts), "contexts_once": once, "one_hot_contexts": int(np.sum(k == 1)),
            "one_hot_occurrences": float(pi[k == 1].sum()), "full_contexts": int(np.sum(k == labels.V)),
            "mean_support": float(pi @ k), "largest_support": int(k.max()), "entropy": labels.entropy(),
            "sufficient_dimension": int(min(2 * bound.max(), labels.V - 1)) if bound.size else 0}


def geometry(labels: SoftLabels, proxy: Prediction) -> dict[str, float]:
    s = proxy.sizes
    share = s / s.sum() if s.size else s
    effective = float(np.exp(-np.sum(share * np.log(share)))) if proxy.whole and s.size else float("nan")
    verdict = None
    if labels.V * len(proxy.counts) <= _CHEAP:
        verdict = proxy_is_optimal(labels.S).optimal
    return {"directions": s.size, "directions_share": proxy.share, "largest_singular_value": float(s[0]) if s.size else 0.0,
            "stable_rank": proxy.energy / float(s[0])**2 if s.size else 0.0, "effective_rank": effective,
            "proxy_norm_low": proxy.norm[0], "proxy_norm_high": proxy.norm[1], "optimum_low": proxy.optimum[0],
            "optimum_high": proxy.optimum[1], "proxy_is_optimal": float("nan") if verdict is None else float(verdict)}


def on_subset(part: SoftLabels, exact: Prediction, occurrences: float) -> dict[str, float]:
    """How well NTP-SVM was solved for some supports, and how near its proxy comes there."""
    distinct, _, counts = part.merge_supports()
    L, k = exact.W @ exact.H_distinct, np.diff(distinct.indptr)
    inner = float(counts @ (np.asarray(distinct.multiply(L).sum(axis=0)).ravel() - k * L.mean(axis=0)))   # <L, S~>
    proxy = predict(part, exact=False, directions=None)
    size = (proxy.energy * exact.energy)**0.5
    over = proxy.norm[1] / exact.optimum[0] - 1 if proxy.whole and exact.optimum[0] > 0 else float("nan")
    return {"subset_supports": len(counts), "subset_contexts": part.m, "subset_occurrences": occurrences,
            "subset_gap": exact.gap, "subset_cosine": inner / size if size > 0 else float("nan"),
            "subset_norm": exact.optimum[1], "subset_excess": over}


def _percent(x: float) -> str:
    return f"{100 * x:.0f} per cent" if 0.005 < x < 0.995 or x in (0, 1) else f"{100 * x:.2g} per cent" if x < 0.5 else \
        "more than 99 per cent"


def notes(n: dict[str, float]) -> tuple[str, ...]:
    """What a reader should keep in mind, the heaviest first."""
    found, m, one_hot = [], n["contexts"], n["one_hot_contexts"] / n["contexts"]
    if n["largest_singular_value"] == 0:
        return ("Every word follows every context, so that nothing has to be separated: the theory predicts that logits stay "
                "finite, and no direction. What is learned are the log-odds.",)
    if n["contexts_once"] > 0:
        found.append(f"{_percent(n['contexts_once'] / m)} of the contexts were seen once. Their support is one word, whatever "
                     "the language would allow: a longer text or shorter contexts would change it.")
    if n["distinct_supports"] == 1:
        found.append("All contexts have the same support. They are one point, and so are the words in it.")
    elif one_hot == 1:
        found.append("Every context is one-hot: this is ordinary classification. The prediction is SELI, and where all words "
                     "have equally many contexts, neural collapse (an equiangular frame).")
    elif one_hot > 0.5:
        found.append(f"{_percent(one_hot)} of the contexts are one-hot ({_percent(n['one_hot_occurrences'])} of the tokens): "
                     "for most contexts the prediction is that of a classifier (SELI), and what is particular to language rests "
                     "on the others.")
    if n["full_contexts"]:
        found.append(f"Contexts that are followed by every word: {n['full_contexts']:,.0f}. Their predicted vector is zero.")
    if n["directions_share"] < 0.999:
        found.append(f"Predicted angles come from the {n['directions']:.0f} leading directions, which hold "
                     f"{_percent(n['directions_share'])} of the squared norm; with all of them cosines are smaller.")
    if n["subset_supports"] < n["distinct_supports"]:
        found.append(f"NTP-SVM was solved for {n['subset_supports']:,.0f} of {n['distinct_supports']:,.0f} distinct supports; "
                     "for all the rest the proxy speaks.")
    if n["subset_gap"] > 1e-3:
        found.append(f"The solver stopped early: its solution may be above the optimum by {_percent(n['subset_gap'])}.")
    return tuple(found)

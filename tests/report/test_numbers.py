"""The report's numbers: recounted, and against dense linear algebra; its notes; its neighbours by brute force."""

import math
import re
from collections import Counter, defaultdict

import numpy as np
import pytest

from ntputils import SoftLabels, geometry_report, solve_ntp_svm
from ntputils._report_numbers import _percent, notes
from ntputils.report import _nearest
from tests.report.texts import TEXT


def recount(documents, T):
    follow = defaultdict(Counter)
    for words in documents:
        for i in range(len(words) - T):
            follow[tuple(words[i:i + T])][words[i + T]] += 1
    return follow


def test_sizes_are_those_of_a_recount(report):
    documents = [re.findall(r"[a-z]+|[.,]", part.lower()) for part in TEXT.split("\n\n")]
    follow, n = recount(documents, 1), report.numbers
    total = sum(sum(c.values()) for c in follow.values())
    vocabulary = {word for words in documents for word in words}
    supports = {frozenset(c) for c in follow.values()}
    one_hot = [c for c in follow.values() if len(c) == 1]
    entropy = -sum(k * np.log(k / sum(c.values())) for c in follow.values() for k in c.values()) / total
    assert (n["occurrences"], n["words"], n["contexts"]) == (total, len(vocabulary), len(follow))
    assert n["distinct_supports"] == len(supports) and n["one_hot_contexts"] == len(one_hot)
    assert n["contexts_once"] == sum(sum(c.values()) == 1 for c in follow.values())
    assert n["one_hot_occurrences"] == pytest.approx(sum(sum(c.values()) for c in one_hot) / total)
    assert n["entropy"] == pytest.approx(entropy, rel=1e-12)
    assert n["mean_support"] == pytest.approx(sum(len(c) * sum(c.values()) for c in follow.values()) / total)
    largest = max(len(c) for c in follow.values())
    assert n["largest_support"] == largest and n["sufficient_dimension"] == min(2 * largest, len(vocabulary) - 1)


def test_geometry_is_that_of_dense_matrices(report):
    S, n = report.labels.S.toarray().astype(float), report.numbers
    proxy = S - S.mean(axis=0)
    s = np.linalg.svd(proxy, compute_uv=False)
    shares = s[s > 1e-9] / s.sum()
    solution = solve_ntp_svm(report.labels.S, tol=1e-6)
    assert n["largest_singular_value"] == pytest.approx(s[0]) and n["directions"] == np.sum(s > 1e-9)
    assert n["directions_share"] == pytest.approx(1) and n["stable_rank"] == pytest.approx(np.sum(s**2) / s[0]**2)
    assert n["effective_rank"] == pytest.approx(np.exp(-shares @ np.log(shares)))
    assert n["proxy_norm_low"] == pytest.approx(s.sum()) and n["proxy_norm_high"] == pytest.approx(s.sum())
    assert n["optimum_low"] - 1e-9 <= solution.primal <= n["optimum_high"] * (1 + 1e-6) <= 1.001 * solution.primal
    assert n["subset_norm"] == pytest.approx(solution.primal, rel=2e-4) and n["subset_gap"] <= 1e-4
    cosine = np.sum(solution.L * proxy) / np.linalg.norm(solution.L) / np.linalg.norm(proxy)
    assert n["subset_cosine"] == pytest.approx(cosine, abs=1e-3)
    assert s.sum() / solution.primal - 1 <= n["subset_excess"] + 1e-6
    assert report.prediction is report.exact


def test_the_named_subset(genesis):
    labels, n = genesis.labels, genesis.numbers
    weight = Counter()
    for j in range(labels.m):
        weight[tuple(labels.S[:, [j]].indices)] += labels.pi[j]
    heaviest = {support for support, _ in weight.most_common(20)}
    assert n["subset_supports"] == 20 and len(genesis.named) == 20 and genesis.prediction is genesis.proxy
    assert n["subset_occurrences"] == pytest.approx(sum(weight[s] for s in heaviest))
    assert {tuple(labels.S[:, [j]].indices) for j in genesis.subset} == heaviest
    S = labels.S[:, genesis.subset].toarray().astype(float)
    proxy, L = S - S.mean(axis=0), genesis.exact.L_mm
    cosine = np.sum(L * proxy) / np.linalg.norm(L) / np.linalg.norm(proxy)
    assert n["subset_cosine"] == pytest.approx(cosine, abs=1e-9)
    whole = labels.S.toarray() - labels.S.toarray().mean(axis=0)
    s = np.linalg.svd(whole, compute_uv=False)
    assert n["optimum_low"] == pytest.approx(np.sum(s**2) / s[0]) and s.sum() <= n["optimum_high"]
    assert n["largest_singular_value"] == pytest.approx(s[0]) and n["stable_rank"] == pytest.approx(np.sum(s**2) / s[0]**2)
    assert n["directions_share"] == pytest.approx(np.sum(s[:12]**2) / np.sum(s**2)) and n["directions"] == 12
    assert n["proxy_norm_low"] <= s.sum() <= n["proxy_norm_high"]
    assert math.isnan(n["effective_rank"])          # it would need the singular values that were not computed
    norms = [np.linalg.norm(A, "nuc") for A in (proxy, L)]
    assert n["subset_norm"] == pytest.approx(norms[1]) and 0 <= norms[0] / norms[1] - 1 <= n["subset_excess"] + 1e-9
    named = geometry_report(labels, exact_on=[genesis.named[3], 0], directions=2)
    assert set(named.named) == {genesis.named[3], labels.context(0)}


@pytest.mark.parametrize("columns, V, optimal", [
    (["a", "ab", "ac"], 4, 0), (["a", "ab", "ac", "ab"], 4, 0), (["a", "b", "c"], 3, 1), (["a"], 2, 1)])
def test_the_excess_of_the_proxy_over_the_optimum(columns, V, optimal):
    """Where the proxy is the solution there is none; the last optimum is below 1."""
    S = np.array([["abcd"[z] in column for column in columns] for z in range(V)])
    n = geometry_report(SoftLabels.from_counts(S.astype(float))).numbers
    excess = np.linalg.norm(S - S.mean(axis=0), "nuc") / solve_ntp_svm(S, tol=1e-9).primal - 1
    assert n["subset_excess"] == pytest.approx(excess, abs=1.1e-4) and n["proxy_is_optimal"] == optimal
    assert (excess > 1e-3) == (not optimal) and (n["subset_cosine"] > 1 - 1e-6) == optimal
    assert n["sufficient_dimension"] == min(2 * S.sum(axis=0).max(), V - 1)


def test_numbers_where_nothing_has_to_be_separated():
    n = geometry_report("a b a b b a a b", context_length=1).numbers
    zero = ("directions", "largest_singular_value", "stable_rank", "optimum_high", "subset_norm", "sufficient_dimension")
    assert [n[key] for key in zero] == [0] * len(zero) and n["full_contexts"] == n["contexts"] == 2
    assert all(math.isnan(n[key]) for key in ("effective_rank", "subset_cosine", "subset_excess"))


@pytest.mark.parametrize("share, says", [
    (0, "0 per cent"), (1e-5, "0.001 per cent"), (0.00123, "0.12 per cent"), (0.004, "0.4 per cent"), (0.005, "0.5 per cent"), (0.0051, "1 per cent"),
    (0.5, "50 per cent"), (0.994, "99 per cent"), (0.995, "more than 99 per cent"), (0.996, "more than 99 per cent"), (1, "100 per cent")])
def test_only_nothing_is_0_per_cent_and_only_all_is_100(share, says):
    assert _percent(share) == says


# Just not worth a note, each of them.
QUIET = {"contexts": 100, "contexts_once": 0, "one_hot_contexts": 50, "one_hot_occurrences": 0.3, "full_contexts": 0,
         "distinct_supports": 9, "subset_supports": 9, "subset_gap": 1e-3, "directions": 4, "directions_share": 0.999,
         "largest_singular_value": 0.01}


@pytest.mark.parametrize("change, says", [
    ({"contexts_once": 1}, "1 per cent of the contexts were seen once"),
    ({"one_hot_contexts": 51}, "51 per cent of the contexts are one-hot (30 per cent of the tokens)"),
    ({"one_hot_contexts": 100}, "ordinary classification"),
    ({"one_hot_contexts": 100, "distinct_supports": 1, "subset_supports": 1}, "All contexts have the same support"),
    ({"full_contexts": 1}, "followed by every word: 1."),
    ({"directions_share": 0.99}, "the 4 leading directions, which hold 99 per cent"),
    ({"subset_supports": 8}, "solved for 8 of 9 distinct supports"),
    ({"subset_gap": 0.002}, "above the optimum by 0.2 per cent"),
    ({"largest_singular_value": 0, "contexts_once": 1, "full_contexts": 100}, "nothing has to be separated")])
def test_a_note_comes_past_its_threshold(change, says):
    (note,) = notes(QUIET | change)
    assert says in note and notes(QUIET) == ()


def test_nearest_words_and_contexts_by_brute_force(report):
    L, labels = solve_ntp_svm(report.labels.S, tol=1e-4).L, report.labels
    U, s, Vt = np.linalg.svd(L)
    for word in ("cat", "girl"):
        rows = U[:, :s.size] * s**0.5
        z = labels.vocab.index(word)
        cosines = rows @ rows[z] / np.linalg.norm(rows, axis=1) / np.linalg.norm(rows[z])
        cosines[z] = -2
        found = report.nearest_words(word, 5)
        assert [c for _, c in found] == pytest.approx(np.sort(cosines)[::-1][:5], abs=1e-4)
        assert all(cosines[labels.vocab.index(w)] == pytest.approx(c, abs=1e-4) for w, c in found)
        assert word not in dict(found)
    context, inverse = "the", report.prediction.inverse
    j = [labels.context(i) for i in range(labels.m)].index(context)
    points = (Vt[:s.size].T * s**0.5).T
    cosines = points.T @ points[:, j] / np.linalg.norm(points, axis=0) / np.linalg.norm(points[:, j])
    other = {i: c for i, c in enumerate(cosines) if inverse[i] != inverse[j]}
    found = report.nearest_contexts(context, 3)
    assert found[0][1] == pytest.approx(max(other.values()), abs=1e-4)
    assert report.same_support(context) == np.sum(inverse == inverse[j]) and found == report.nearest_contexts(j, 3)


def test_directions_do_not_depend_on_the_scale():
    X = np.array([[1.0, 1.0, 0.0, 0.0, -1.0], [0.0, 1.0, 0.0, 2.0, 0.0]])
    for scale in (1, 1e-12, 1e12):
        assert _nearest(scale * X, 0, np.array([4, 3, 2, 1]), 4) == [(1, 0.707107), (3, 0.0), (4, -1.0)]
        assert _nearest(scale * X, 2, np.array([0, 1]), 4) == []

"""The report: its numbers recounted, its neighbours by brute force, its page in a browser, its errors."""

import html
import math
import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from scipy import stats

from ntputils import (Corpus, Report, SoftLabels, compare_geometries, geometry_report, load_corpus, load_labels, predict,
                      solve_ntp_svm, train_ufm)
from ntputils.__main__ import main
from ntputils._report_figures import _SHOWN, shown
from ntputils._report_numbers import _percent, notes
from ntputils._report_page import _CAPTIONS, _ROWS, _neighbours, _poles, number, numbers_table
from ntputils.report import _nearest

TEXT = """The cat sat on the mat. The dog sat on the rug. A cat ran to the dog. A dog ran to the cat.
The girl saw a cat. The boy saw a dog. The girl ran to the boy, and the boy sat on the mat.

A mouse saw the cat and ran. The mouse sat on a rug. The cat saw the mouse, and the mouse ran to the girl."""


@pytest.fixture(scope="module")
def report():
    return geometry_report(TEXT, context_length=1)


@pytest.fixture(scope="module")
def genesis():
    """Part of the King James Version: more supports than are solved, leading directions only."""
    return geometry_report(load_corpus("kjv").head(8_000), vocab_size=400, exact_on=20, directions=12)


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


# --- agreement -----------------------------------------------------------------------------------------------------

def test_agreement_is_recognised_and_absence_too():
    labels = load_labels("simplified-tinystories")
    run = train_ufm(labels, d=40, steps=500, lr=2e-2, optimizer="adam", rng=np.random.default_rng(0), snapshots=[500])
    W, H = run.W[-1], run.H[-1]
    found = {one.what: one for one in geometry_report(labels, embeddings=W, context_embeddings=H).agreements}
    assert found["words"].p <= 0.01 and found["contexts"].p <= 0.01 and found["contexts"].between > 0.3
    rng = np.random.default_rng(1)
    noise = geometry_report(labels, embeddings=rng.normal(size=W.shape)).agreements[0]
    assert abs(noise.r) < 0.1 and ("no agreement is shown" in noise.sentence) == (noise.p > 0.05)
    order = rng.permutation(W.shape[1])
    turned = geometry_report(labels, embeddings=3 * W[:, order], context_embeddings=-H[order]).agreements
    for one in turned:
        assert one.r == pytest.approx(found[one.what].r, abs=1e-9) and one.p == found[one.what].p
        assert one.cka == pytest.approx(found[one.what].cka, abs=1e-9)


def test_the_default_seed_is_0(report):
    noise = np.random.default_rng(2).normal(size=(report.labels.V, 3))
    default, zero, one = (geometry_report(report.labels, embeddings=noise, **seed).agreements[0]
                          for seed in ({}, {"seed": 0}, {"seed": 1}))
    assert default == zero and default.r == one.r and default.p != one.p


def test_every_form_of_vectors(report, monkeypatch):
    labels, rng = report.labels, np.random.default_rng(0)
    W = rng.normal(size=(labels.V, 5))
    as_array = geometry_report(labels, embeddings=W).agreements[0]
    table = {word: W[z] for z, word in enumerate(labels.vocab)} | {"elsewhere": np.ones(5)}
    assert geometry_report(labels, embeddings=table).agreements[0] == as_array

    class Keyed:
        key_to_index = {word: z for z, word in enumerate(labels.vocab)}

        def __getitem__(self, word):
            return W[self.key_to_index[word]]

    class Model:
        H = rng.normal(size=(5, labels.m))

        def __init__(self):
            self.W = W

    assert geometry_report(labels, embeddings=Keyed()).agreements[0] == as_array
    both = geometry_report(labels, model=Model())
    assert both.agreements[0] == as_array and both.agreements[1].what == "contexts"
    logits = W @ Model.H
    loss = float(labels.pi @ (np.log(np.exp(logits).sum(axis=0)) - np.sum(labels.P.toarray() * logits, axis=0)))
    assert both.numbers["model_loss"] == pytest.approx(loss)
    for most, told in ((labels.V * labels.m, True), (labels.V * labels.m - 1, False)):
        monkeypatch.setattr("ntputils.report._DENSE", most)
        assert ("model_loss" in geometry_report(labels, model=Model()).numbers) == told
    names = {labels.context(j): j for j in range(labels.m)}
    called = geometry_report(labels, model=lambda contexts: Model.H[:, [names[c] for c in contexts]].T)
    assert [one.r for one in called.agreements] == pytest.approx([both.agreements[1].r])
    half = geometry_report(labels, embeddings={word: table[word] for word in labels.vocab[::2]}).agreements[0]
    assert (half.covered, half.total) == (len(labels.vocab[::2]), labels.V)


def test_a_comparison_by_other_means():
    rng = np.random.default_rng(3)
    X, sizes = rng.normal(size=(4, 25)), rng.integers(1, 50, 25)
    Y, groups = X + rng.normal(size=(4, 25)), np.arange(25) % 6
    found = compare_geometries(X, Y, what="contexts", groups=groups, sizes=sizes, rng=rng)
    A, B = ((Z / np.linalg.norm(Z, axis=0)).T @ (Z / np.linalg.norm(Z, axis=0)) for Z in (X, Y))
    pairs = np.triu_indices(25, 1)
    a, b = A[pairs], B[pairs]
    assert found.r == pytest.approx(stats.pearsonr(a, b)[0])
    c = -np.abs(np.subtract.outer(np.log(sizes), np.log(sizes)))[pairs]
    ab, ac, bc = (np.corrcoef(*two)[0, 1] for two in ((a, b), (a, c), (b, c)))
    assert found.partial == pytest.approx((ab - ac * bc) / np.sqrt((1 - ac**2) * (1 - bc**2)))
    means = [[[Z[np.ix_(groups == g, groups == h)].mean() for h in range(6)] for g in range(6)] for Z in (A, B)]
    upper = np.triu_indices(6, 1)
    assert found.between == pytest.approx(np.corrcoef(*(np.array(M)[upper] for M in means))[0, 1])


@pytest.mark.parametrize("p, partial_p, says", [
    (0.2, 0.2, "no agreement is shown"), (0.001, 0.3, "no more than sizes explain"),
    (0.001, 0.001, "is left once it is known")])
def test_the_sentence_says_what_the_numbers_say(p, partial_p, says):
    one = compare_geometries(np.eye(5), np.eye(5) + np.tri(5), what="words", groups=range(5), sizes=range(1, 6),
                             rng=np.random.default_rng(0), permutations=19)
    assert says in replace(one, r=0.4, p=p, partial=0.1, partial_p=partial_p).sentence


# --- texts of every kind -------------------------------------------------------------------------------------------

DEGENERATE = {
    "one context": ("a b", {"context_length": 1}, "seen once"),
    "two words": ("a b a b b a a b", {"context_length": 1}, "nothing has to be separated"),
    "one word": ("a a a a", {"context_length": 1}, "nothing has to be separated"),
    "one-hot": ("a b c d e f g a b c d e f g", {"context_length": 1}, "one-hot"),
    "equal supports": (SoftLabels.from_counts([[1, 2, 3], [3, 2, 1], [0, 0, 0], [0, 0, 0]]), {}, "the same support"),
    "some full": (SoftLabels.from_counts([[1, 2, 3], [3, 2, 1], [0, 1, 0]]), {}, "followed by every word"),
    "Chinese": ("天地玄黄,宇宙洪荒。日月盈昃,辰宿列张。天地玄黄,日月列张。", {"tokenizer": "characters"}, ""),
    "Arabic": ("في البدء كان الكلمة والكلمة كان عند الله وكان الكلمة الله", {"context_length": 1}, ""),
    "signs": ("a $x$ b <script>alert(1)</script> & \" ' {} \\ a $x$ c $ y _ ^" * 3, {"context_length": 1}, ""),
}


class Tags(HTMLParser):
    """Every tag closes in order, but for those that have no end."""

    VOID = {"meta", "br", "path", "use", "rect", "image", "img", "link", "hr", "stop"}

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, *pair) for pair in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, *pair) for pair in attrs]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def check_page(text):
    tags = Tags()
    tags.feed(text)
    assert not tags.open and len(tags.ids) == len(set(tags.ids))
    fetched = [value for _, name, value in tags.attributes if name in ("src", "href", "xlink:href", "srcset", "data")
               and not value.startswith(("#", "data:"))]
    assert not fetched and "<script" not in text and "@import" not in text and "http" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    return tags


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_texts_get_a_report_that_says_so(tmp_path, name):
    given, options, says = DEGENERATE[name]
    report = geometry_report(given, **options)
    assert any(says in note for note in report.notes) or not says
    check_page(report.to_html(tmp_path / "page.html").read_text(encoding="utf-8"))
    assert report._repr_html_().startswith("<div")


@pytest.mark.parametrize("given, options, error, says", [
    (" \n ", {}, ValueError, "text: got no token"),
    ("one two", {}, ValueError, "context_length: got 2"),
    (7, {}, TypeError, "text_or_labels: got int"),
    (__file__, {}, ValueError, "the name of a file"),
    (load_labels("simplified-tinystories"), {"context_length": 2}, TypeError, "counted already"),
    (Corpus.from_text(TEXT), {"tokenizer": "words"}, TypeError, "tokenizer"),
    (TEXT, {"exact_on": ["no such"]}, KeyError, "no such"),
    (TEXT, {"exact_on": 0}, ValueError, "exact_on"),
    (TEXT, {"directions": 0}, ValueError, "directions"),
    (TEXT, {"embeddings": {"zebra": [1.0]}}, ValueError, "none of the"),
    (TEXT, {"embeddings": {"cat": [1.0], "dog": [1.0, 2.0]}}, ValueError, "one length"),
    (TEXT, {"embeddings": {"cat": [1.0], "dog": [2.0]}}, ValueError, "at least 4"),
    (TEXT, {"embeddings": np.ones((3, 2))}, ValueError, "embeddings"),
    (TEXT, {"embeddings": "vectors"}, ValueError, "embeddings"),
    (TEXT, {"context_embeddings": np.ones((3, 2))}, ValueError, "context_embeddings"),
    (TEXT, {"model": 3}, TypeError, "model: got int"),
    (TEXT, {"model": lambda contexts: np.ones((2, 2))}, ValueError, "model"),
    (TEXT, {"model": lambda contexts: np.full((len(contexts), 2), np.nan)}, ValueError, "not finite"),
])
def test_errors_name_the_argument(given, options, error, says):
    with pytest.raises(error, match=re.escape(says)):
        geometry_report(given, **options)


def test_questions_that_the_report_cannot_answer(report):
    with pytest.raises(KeyError, match="zebra"):
        report.nearest_words("zebra")
    with pytest.raises(KeyError, match="context: got 'zebra'"):
        report.nearest_contexts("zebra")
    for outside in (-1, report.labels.m):
        with pytest.raises(KeyError, match=f"context: got {outside}, want one of the {report.labels.m} contexts"):
            report.same_support(outside)
    last = report.labels.m - 1
    assert report.nearest_contexts(last) == report.nearest_contexts(report.labels.context(last))
    with pytest.raises(ValueError, match="n: got 0"):
        report.nearest_words("cat", 0)
    assert geometry_report(SoftLabels.from_counts(np.ones((3, 3)))).nearest_words("0") == []


# --- the page ------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def written(genesis, tmp_path_factory):
    labels = genesis.labels
    vectors = np.random.default_rng(0).normal(size=(labels.V, 8))
    full = geometry_report(labels, embeddings=vectors, exact_on=20, directions=12, name="A <text> & more")
    return full, full.to_html(tmp_path_factory.mktemp("report") / "page.html")


def test_the_page_holds_together(written):
    report, path = written
    text = path.read_text(encoding="utf-8")
    tags = check_page(text)
    assert len([a for a in tags.attributes if a[:2] == ("svg", "aria-label")]) == len(report.figures) == 5
    assert "A &lt;text&gt; &amp; more" in text and f"{report.numbers['contexts']:,}" in text
    assert report.agreements[0].sentence.split(",")[0].split(" (")[0] in text and "Your vectors" in text
    assert "Keep in mind" in text and all(f"<li>{html.escape(note)}</li>" in text for note in report.notes)
    assert f"<dt>correlation</dt><dd>{number(report.agreements[0].r)}</dd>" in text
    assert not list(path.parent.glob("*.part")) and repr(report) == f"Report('A <text> & more': {report.labels.V:,} words, " \
        f"{report.labels.m:,} contexts)"


@pytest.mark.parametrize("width, scheme", [(1280, "light"), (360, "dark")])
def test_the_page_in_a_browser(visit, written, width, scheme):
    record = visit(written[1], width=width, scheme=scheme)
    page = record.page
    page.locator("summary").first.click()
    assert not record.errors and not record.left_the_page and len(record.requests) == 1
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    ground, ink = page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    dark = sum(map(int, re.findall(r"\d+", ground)[:3])) < sum(map(int, re.findall(r"\d+", ink)[:3]))
    assert dark == (scheme == "dark")
    assert page.locator("figure svg text").first.bounding_box()["height"] >= 6


@pytest.mark.parametrize("value, says", [
    (math.nan, "not computed"), (math.inf, "not computed"), (0, "0"), (-3.0, "-3"), (1234567, "1,234,567"), (0.5, "0.5"),
    (0.00012345, "0.00012"), (0.0012345, "0.001234"), (12.34567, "12.35"), (1234.56, "1,235"), (12345.6, "12,346"), (9999.6, "10,000"),
    (-12345.6, "-12,346")])
def test_a_number_for_a_reader(value, says):
    assert number(value) == says


def test_the_table_has_every_number_that_was_computed(genesis):
    told = re.findall(r'<th scope="row">(.*?)</th><td class="n">(.*?)</td>', numbers_table(genesis))
    n = genesis.numbers
    assert told == [(what, number(n[key])) for key, what, _ in _ROWS if key in n and not math.isnan(n[key])]
    assert dict(told)["distinct contexts, m"] == f"{genesis.labels.m:,}" and "effective rank" not in dict(told)


def test_every_figure_has_its_caption(written):
    text = written[1].read_text(encoding="utf-8")
    found = re.findall(r"<figure>(.*?)<figcaption>(.*?)</figcaption></figure>", text, flags=re.DOTALL)
    axes = {"supports": "next words, at least", "spectrum": "singular value", "map": "first direction"}
    assert len(found) == len(written[0].figures)
    for name, (drawing, caption) in zip(written[0].figures, found):
        assert caption == _CAPTIONS[name][0] and f'aria-label="{_CAPTIONS[name][1]}"' in drawing
        assert f'id="{name}-' in drawing and axes.get(name, "") in drawing


def table(text, caption):
    """The cells of a table of the page, as text."""
    body = text.partition(f"{caption}</caption>")[2].partition("</table>")[0]
    rows = [re.findall("<td>(.*?)</td>", row) for row in re.findall("<tr>(.*?)</tr>", body)]
    return [[html.unescape(re.sub("<[^>]*>", "", cell)) for cell in row] for row in rows if row]


def arranged(V, m, words, contexts, vocab=None):
    """A report with directions given to some words and contexts, in at most 8 dimensions, and to no other.

    Word 0 is the most frequent, word 1 the next, and so on. Every context has a support of its own.
    """
    counts = (np.arange(V)[:, None] <= m - np.arange(m)).astype(float)
    counts[:, 0] = np.arange(V)[::-1]
    base = geometry_report(SoftLabels.from_counts(counts, vocab=vocab), exact_on=1, directions=8)
    W, H = np.zeros((V, base.proxy.sizes.size)), np.zeros((base.proxy.sizes.size, m))
    for z, vector in words.items():
        W[z, :len(vector)] = vector
    for j, vector in contexts.items():
        H[:len(vector), j] = vector
    return replace(base, proxy=replace(base.proxy, W=W, H_distinct=H))


def at_cosines(numbers, cosines, axis=0):
    """Vectors at these cosines to axis `axis`, two dimensions for all."""
    return {i: [0.0] * axis + [c, (1 - c * c)**0.5] for i, c in zip(numbers, cosines)}


def test_the_page_lists_near_words():
    """The five nearest of the 500 most frequent words, from cosine 0.005 on, for those of the first 300 that have letters."""
    vocab = [f"w{z}" for z in range(502)]
    vocab[6], vocab[20], vocab[21] = "x" * 24, "y" * 25, "."
    words = (at_cosines([0, 1, 2, 3, 4, 5, 6, 500], [1, 0.4, 0.9, 0.7, 0.5, 0.6, 0.8, 1])
             | at_cosines([10], [1], 2) | {11: [0, 0, 0.006, 1, 0], 12: [0, 0, 0.004, -1, 0]}
             | at_cosines([20, 21, 499], [1, 0.6, 0.8], 4) | at_cosines([299, 300], [1, 1], 6))
    rows = dict(table(_neighbours(arranged(502, 9, words, {}, vocab)), "Nearest words"))
    assert rows["w0"] == f"w2 0.90, {'x' * 24} 0.80, w3 0.70, w5 0.60, w4 0.50"
    assert (rows["w10"], rows["w11"]) == ("w11 0.01", "w10 0.01") and rows["y" * 23 + "…"] == "w499 0.80, . 0.60"
    assert rows["w299"] == "w300 1.00"
    assert set(rows) == {"w0", "w1", "w2", "w3", "w4", "w5", "x" * 24, "w10", "w11", "y" * 23 + "…", "w299"}


@pytest.mark.parametrize("V, listed", [(39, ["a", ".", ";"]), (40, ["a"])])
def test_signs_are_listed_among_few_words_only(V, listed):
    vocab = ["a", ".", ";", *map(str, range(3, V))]
    found = table(_neighbours(arranged(V, 2, dict.fromkeys(range(3), [1.0]), {}, vocab)), "Nearest words")
    assert [word for word, _ in found] == listed


def test_the_page_lists_near_contexts(report):
    """The four nearest of the first 300 supports, from cosine 0.005 on, for the first 12 of them."""
    contexts = (at_cosines([0, 1, 2, 3, 4, 5, 300], [1, 0.4, 0.9, 0.7, 0.5, 0.6, 1])
                | at_cosines([7], [1], 2) | {8: [0, 0, 0.006, 1], 9: [0, 0, 0.004, -1]}
                | at_cosines([11, 12, 299], [1, 1, 1], 4))
    drawn = _neighbours(arranged(304, 302, {}, contexts))
    rows = {context: near for context, _, near in table(drawn, "Nearest contexts")}
    assert rows["0"] == "2 0.90; 3 0.70; 5 0.60; 4 0.50" and rows["7"] == "8 0.01" and rows["11"] == "12 1.00; 299 1.00"
    assert set(rows) == {*"0123457", "8", "11"} and not table(drawn, "Nearest words")
    supports = {report.labels.context(j): frozenset(report.labels.S[:, [j]].indices) for j in range(report.labels.m)}
    equals = {context: int(n) for context, n, _ in table(_neighbours(report), "Nearest contexts")}
    assert equals["."] > 1 and equals == {c: list(supports.values()).count(supports[c]) for c in equals}


def test_the_page_lists_the_16_most_frequent_words(genesis):
    found, vocab = [word for word, _ in table(_neighbours(genesis), "Nearest words")], genesis.labels.vocab
    with_letters = [vocab[z] for z in genesis.top_words if re.search("[a-z]", vocab[z])]
    assert found == [word for word in with_letters if genesis.nearest_words(word, 1)[0][1] > 0.005][:16]


def test_words_at_the_ends_of_the_directions(report):
    U = np.linalg.svd(solve_ntp_svm(report.labels.S, tol=1e-4).L)[0]
    found = table(_poles(report), "Words at the ends of the leading directions")
    assert [row[0] for row in found] == list("12345")
    for (_, *ends), x in zip(found, U.T):
        seen = [[x[report.labels.vocab.index(word)] for word in end.split()] for end in ends]
        x, (upper, lower) = (x, seen) if seen[0][0] > 0 else (-x, [[-value for value in end] for end in seen])
        assert upper == pytest.approx(np.sort(x[x > 1e-6])[::-1][:7], abs=1e-5)
        assert lower == pytest.approx(np.sort(x[x < -1e-6])[:7], abs=1e-5)


# --- figures -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("token, says", [
    ("x" * 24, "x" * 24), ("x" * 25, "x" * 23 + "…"), (" ", "␣"), ("\n", "␣"), ("a\nb", "a↵b"), ("a\x00", "a\ufffd")])
def test_a_token_as_it_can_be_printed(token, says):
    assert shown(token) == says


def test_the_figure_of_supports_counts_contexts(report):
    (line,) = report.figures["supports"].axes[0].lines
    k = report.labels.support_sizes
    assert dict(zip(*line.get_data())) == {size: np.sum(k >= size) for size in set(k.tolist())}


def test_the_spectrum_on_the_scale_that_it_needs(report, written):
    S = report.labels.S.toarray().astype(float)
    for found, L in ((report, solve_ntp_svm(S, tol=1e-4).L), (written[0], written[0].exact.L_mm)):
        axes, S = found.figures["spectrum"].axes[0], found.labels.S.toarray().astype(float)
        for line, A in zip(axes.lines, (S - S.mean(axis=0), L)):
            x, y = line.get_data()
            assert y == pytest.approx(np.linalg.svd(A, compute_uv=False)[:len(y)], abs=1e-3)
            assert x.tolist() == list(range(1, len(y) + 1))
        steep = np.log10(axes.lines[0].get_ydata())
        assert axes.get_yscale() == ("log" if steep[0] - steep[-1] > 0.5 else "linear")
    names = [[text.get_text() for text in one.figures["spectrum"].axes[0].get_legend().texts] for one in (report, written[0])]
    assert names == [["proxy, all contexts", "NTP-SVM"], ["proxy, all contexts", "NTP-SVM, the named subset"]]
    flat = geometry_report("a b c d a", context_length=1).figures["spectrum"].axes[0]
    assert flat.get_yscale() == "linear" and flat.get_ylim()[0] == 0


def test_the_map_shows_frequent_words_and_contexts_around_the_centre(report, written):
    for found in (report, written[0]):
        ax, prediction = found.figures["map"].axes[0], found.prediction
        words, contexts = (np.asarray(points.get_offsets()) for points in ax.collections)
        top = np.argsort(-found.labels.pi, kind="stable")[:40]
        W, H = prediction.W[found.top_words[:60], :2], prediction.H[:2, top].T
        assert words == pytest.approx(W / np.abs(W).max()) and contexts == pytest.approx(H / np.abs(H).max())
        assert sorted((set(line.get_xdata()), set(line.get_ydata())) for line in ax.lines) == [({0}, {0, 1}), ({0, 1}, {0})]
        place = [(shown(found.labels.vocab[z], 16), *xy) for z, xy in zip(found.top_words, words)]
        place += [(shown(found.labels.context(j), 16), *xy) for j, xy in zip(top, contexts)]
        assert len(ax.texts) > 10 and {(text.get_text(), *text.xy) for text in ax.texts} <= set(place)


def test_the_matrices_show_the_most_frequent_words_and_contexts(written):
    report = written[0]
    first = np.unique(report.prediction.inverse, return_index=True)[1][:_SHOWN]
    for name, X, names in (
            ("words", report.prediction.W[report.top_words[:_SHOWN]].T, [report.labels.vocab[z] for z in report.top_words]),
            ("contexts", report.prediction.H[:, first], [report.labels.context(j) for j in first])):
        ax = report.figures[name].axes[0]
        X = X / np.linalg.norm(X, axis=0)
        assert np.asarray(ax.images[0].get_array()) == pytest.approx(X.T @ X)
        for labels in (ax.get_xticklabels(), ax.get_yticklabels()):
            assert [label.get_text() for label in labels] == [shown(one, 18) for one in names[:_SHOWN]]


def test_two_words_have_no_matrix():
    assert sorted(geometry_report("a b", context_length=1).figures) == ["map", "spectrum", "supports"]


def test_half_a_page_is_never_left(report, tmp_path, monkeypatch):
    from ntputils import _report_page

    def fails(*_):
        raise OSError("disk full")
    monkeypatch.setattr(_report_page.os, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        _report_page.write(tmp_path / "page.html", "x")
    assert not list(tmp_path.iterdir())


def test_the_command_line(tmp_path, capsys):
    (tmp_path / "my.txt").write_text(TEXT, encoding="utf-8")
    run = [sys.executable, "-m", "ntputils"]
    done = subprocess.run([*run, tmp_path / "my.txt", "--context-length", "1"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() == str(tmp_path / "my.html"), done.stderr
    check_page((tmp_path / "my.html").read_text(encoding="utf-8"))
    with pytest.raises(SystemExit) as left:
        main([str(tmp_path / "none.txt")])
    assert left.value.code == 1 and "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("arguments, page, length, tokenizer, vocab_size", [
    ([], "my.html", 2, "words", None),
    (["--out", "there.htm", "--context-length", "3", "--tokenizer", "characters", "--vocab-size", "12"], "there.htm", 3,
     "characters", 12)])
def test_what_the_command_line_asks_for(tmp_path, monkeypatch, capsys, arguments, page, length, tokenizer, vocab_size):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ntputils._report_page.svg", lambda figure, name: "")      # which takes its time
    (tmp_path / "my.txt").write_text(TEXT, encoding="utf-8")
    main(["my.txt", *arguments])
    corpus = Corpus.from_text(TEXT, tokenizer=tokenizer)
    labels = SoftLabels.from_tokens(corpus, context_length=length, vocab_size=vocab_size)
    assert capsys.readouterr().out == f"{page}\n" and sorted(p.name for p in tmp_path.iterdir()) == sorted(["my.txt", page])
    assert f"{labels.V:,} words and {labels.m:,} contexts" in (tmp_path / page).read_text(encoding="utf-8")


def test_a_report_is_repeatable(report):
    again = geometry_report(TEXT, context_length=1)
    assert isinstance(again, Report) and again.numbers == pytest.approx(report.numbers, nan_ok=True)
    assert predict(report.labels, exact=False).sizes.tolist() == report.proxy.sizes.tolist()

"""The report: its numbers recounted, its neighbours by brute force, its page in a browser, its errors."""

import re
import subprocess
import sys
from collections import Counter, defaultdict
from html.parser import HTMLParser

import numpy as np
import pytest
from scipy import stats

from ntputils import (Corpus, Report, SoftLabels, compare_geometries, geometry_report, load_corpus, load_labels, predict,
                      solve_ntp_svm, train_ufm)
from ntputils.__main__ import main

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
    norms = [np.linalg.norm(A, "nuc") for A in (proxy, L)]
    assert n["subset_norm"] == pytest.approx(norms[1]) and 0 <= norms[0] / norms[1] - 1 <= n["subset_excess"] + 1e-9
    named = geometry_report(labels, exact_on=[genesis.named[3], 0], directions=2)
    assert set(named.named) == {genesis.named[3], labels.context(0)}


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


def test_every_form_of_vectors(report):
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
    from dataclasses import replace
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


def test_a_report_is_repeatable(report):
    again = geometry_report(TEXT, context_length=1)
    assert isinstance(again, Report) and again.numbers == pytest.approx(report.numbers, nan_ok=True)
    assert predict(report.labels, exact=False).sizes.tolist() == report.proxy.sizes.tolist()

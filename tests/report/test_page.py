"""The report's page: whole, in a browser, number by number and table by table."""

import html
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from ntputils import SoftLabels, geometry_report, solve_ntp_svm
from ntputils._report_page import _CAPTIONS, _ROWS, _neighbours, _poles, number, numbers_table
from tests.report.texts import check_page


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

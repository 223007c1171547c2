"""The widget's own module, run in a browser, against Python: the same words, contexts, orders and numbers.

Three answers are compared: the page's, `SoftLabels.from_text`, and a third counted here with
`collections.Counter` from the definition alone, so that a mistake the first two shared would show.
"""

from __future__ import annotations

import math
import sys
import unicodedata
from collections import Counter, defaultdict

import numpy as np
import pytest
import regex
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ntputils import SoftLabels, centered_support
from ntputils.widgets import SoftLabelsWidget

WIDGET = SoftLabelsWidget
START = {"text": "the cat sat. the cat ran.", "context_length": 2, "vocab_size": 0}
TOLERANCE = 1e-12  # the same few operations on float64: what is left is the order of summation
BATCH = 60  # random texts a visit to the page: one round trip instead of sixty

TEXTS = {
    "punctuation": "Wait -- what?! \"Yes,\" (she said); 3.14, 50% & co... the end.",
    "repeated lines": "the cat sat\nthe cat sat\nthe cat ran\n" * 3,
    "blank lines": "one two three\n \t\nfour one two\n\n\n\ntwo three four\n\u200b\nfive one two",
    "end of text": "a b c<|endoftext|>a b d <|ENDOFTEXT|> a b<|endoftext|><|endoftext|>a b c",
    "CR LF": "the cat\r\nsat on the cat\r\n\r\nthe cat ran\rthe cat\r\rsat",
    "half of a CR LF": "a b\n\r\na b\r\n\ra c\n\ra d",
    "one word": "word",
    "one word twice": "word word",
    "no word": "",
    "nothing visible": " \n\n\t\u00a0\u200b\ufeff\u2028 ",
    "apostrophes": "don't don’t 'tis rock'n'roll dogs' ''quoted'' it''s l’’eau ' ’ x'1 1'x d'’a 'a'b'",
    "digits": "12 012 1.2 ٣٤ x2y 3a ½ ² Ⅳ 1_000",
    "accents in NFD": "cafe\u0301 caf\u00e9 cafe \u0301e n\u0303 A\u030angstro\u0308m "
                      "\u212b \u00c5 \u1e9b\u0323",
    "final sigma": "ΟΔΟΣ ΣΑΣ Σ ΑΣ. ΑΣ' ΑΣ'Α ΑΣ\u00adΑ Σ\u0301 Α\u0301Σ ΑΣ<|endoftext|>Α ΑΣ\n\nΑ",
    "Turkish": "İstanbul ISTANBUL ıI İ i̇ I\u0307",
    "sharp s and ligatures": "Straße STRASSE ẞ ß ﬁne ﬁ Ǆ ǅ ǆ ŉ",
    "astral and private letters": "𝒜 ﬀ 🙂 \ue000 😀 𐐀 𐐨 ﷽ z \uffee 🙂 𠀀 é",
    "one high surrogate, two low": "😁 😀 😂 🙃 🤀",
    "emoji with joiners": "👩‍👩‍👧 ❤️ 🇩🇪 👍🏽 👩 ❤",
    "combining marks alone": "\u0301 a\u0301\u0302 \u0300\u0301 1\u0301 -\u0301 '\u0301a",
    "scripts": "日本語 テスト ไทย हिन्दी עברית العَرَبِيَّة 한국어 \u1112\u1161\u11ab",
    "ties": "b a c b a c a b c c b a",
    "story": str(SoftLabelsWidget.text.default_value),
    "prototype": "constructor __proto__ toString constructor hasOwnProperty __proto__ 1 10 11 0",
    "not HTML": "<b>the</b> <script>x</script> &amp; </script> <!-- the -->",
}

READ = """(jobs) => jobs.map(([text, contextLength, vocabSize, tokenizer, dense]) => {
  const m = window.module;
  const r = m.softLabels(text, { contextLength, vocabSize, tokenizer });
  const row = (A, i) => Array.from({ length: A.cols }, (_, j) => A.at(i, j));
  const full = (A) => Array.from({ length: A.rows }, (_, i) => row(A, i));
  if (dense && !r.error) r.matrices = [m.supportMatrix, m.probabilityMatrix, m.centredSupport, m.gramWords,
    m.gramContexts].map((make) => ({ ...make(r), full: full(make(r)) }));
  return r;
})"""

CUT = regex.compile(r"\n[\p{Z}\p{Cc}\p{Cf}]*\n")
PIECE = regex.compile(r"\p{L}[\p{L}\p{M}]*(?:['’]\p{L}[\p{L}\p{M}]*)*|\p{Nd}+|[^\p{Z}\p{Cc}\p{Cf}]")


def count_by_hand(text: str, T: int, size: int) -> dict | None:
    """The definition, in the plainest Python there is; None where nothing is left."""
    lines = [part.replace("\r\n", "\n").replace("\r", "\n") for part in text.split("<|endoftext|>")]
    docs = [PIECE.findall(unicodedata.normalize("NFC", doc).lower())
            for part in lines for doc in CUT.split(part)]
    tally = Counter(token for doc in docs for token in doc)
    vocab = sorted(tally, key=lambda token: (-tally[token], token))[: size or None]
    number = {token: i for i, token in enumerate(vocab)}
    found: defaultdict[tuple, Counter] = defaultdict(Counter)
    for doc in docs:
        ids = [number.get(token, len(vocab)) for token in doc]
        for k in range(T, len(ids)):
            if ids[k] < len(vocab):
                found[tuple(ids[k - T:k])][ids[k]] += 1
    if not found:
        return None
    contexts = sorted(found, key=lambda context: (-found[context].total(), context))
    n = sum(found[context].total() for context in contexts)
    entropy = -sum(c / n * math.log(c / found[x].total()) for x in contexts for c in found[x].values())
    columns = [{i: c / found[x].total() for i, c in sorted(found[x].items())} for x in contexts]
    return {"vocab": vocab, "contexts": contexts, "counts": [found[x].total() for x in contexts], "n": n,
            "columns": columns, "entropy": entropy}


def agree(page: dict, labels: SoftLabels | None, hand: dict | None) -> None:
    """All three say the same, or all three say that there is nothing to count."""
    if hand is None or labels is None or "error" in page:
        assert (hand is None, labels is None, bool(page.get("error"))) == (True, True, True)
        return
    assert page["vocab"] == list(labels.vocab) == hand["vocab"]
    contexts = [tuple(ids) for ids in page["contexts"]]
    assert contexts == [tuple(ids) for ids in labels.contexts.tolist()] == hand["contexts"]
    assert (page["V"], page["m"], page["n"]) == (labels.V, labels.m, labels.n)
    assert page["counts"] == hand["counts"] and page["n"] == hand["n"]
    np.testing.assert_allclose(page["pi"], labels.pi, rtol=0, atol=TOLERANCE)
    assert [c["ids"] for c in page["columns"]] == [list(c) for c in hand["columns"]]
    P = np.zeros((page["V"], page["m"]))
    for j, column in enumerate(page["columns"]):
        P[column["ids"], j] = column["p"]
        np.testing.assert_allclose(column["p"], list(hand["columns"][j].values()), rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(P, labels.P.toarray(), rtol=0, atol=TOLERANCE)
    assert abs(page["entropy"] - labels.entropy()) < TOLERANCE
    assert abs(page["entropy"] - hand["entropy"]) < TOLERANCE


def from_python(text: str, T: int, size: int, tokenizer: str = "words") -> SoftLabels | None:
    """`SoftLabels.from_text`, or None where it raises ValueError."""
    try:
        return SoftLabels.from_text(text, context_length=T, vocab_size=size or None, tokenizer=tokenizer)
    except ValueError:
        return None


@pytest.fixture(scope="module")
def page(browser, widget_page, tmp_path_factory):
    """A page in which the widget's module is loaded."""
    page = browser.new_page()
    page.goto(widget_page(tmp_path_factory.mktemp("parity"), [{}]).as_uri())
    page.wait_for_function("window.ready", timeout=10_000)
    yield page
    page.close()


@pytest.fixture(scope="module")
def ask(page):
    """A function that sends jobs [text, context length, vocabulary size, tokenizer, dense] to the page."""
    return lambda jobs: page.evaluate(READ, jobs)


def test_known_texts_agree(ask):
    jobs = [[text, T, size, "words", False]
            for text in TEXTS.values() for T in range(1, 9) for size in ((0, 1, 3, 999) if T < 3 else (0,))]
    for (text, T, size, *_), page in zip(jobs, ask(jobs), strict=True):
        agree(page, from_python(text, T, size), count_by_hand(text, T, size))


def test_matrices_agree_with_dense_algebra(ask):
    jobs = [[TEXTS[name], T, size, "words", True]
            for name in ("story", "ties", "apostrophes", "one word twice") for T in (1, 2) for size in (0, 5)]
    answers = ask(jobs)
    assert sum("matrices" in page for page in answers) >= 12
    for (text, T, size, *_), page in zip(jobs, answers, strict=True):
        labels = from_python(text, T, size)
        if labels is None:
            continue
        centred = centered_support(labels.S)
        expected = [labels.S.toarray(), labels.P.toarray(), centred, centred @ centred.T, centred.T @ centred]
        for matrix, array in zip(page["matrices"], expected, strict=True):
            assert (matrix["rows"], matrix["cols"]) == array.shape
            np.testing.assert_allclose(matrix["full"], array, rtol=0, atol=TOLERANCE)
            assert np.abs(array).max() <= matrix["limit"] + TOLERANCE


def test_characters_agree(ask):
    jobs = [[text, T, size, "characters", False]
            for text in TEXTS.values() for T in (1, 3) for size in (0, 4)]
    for (text, T, size, tokenizer, _), page in zip(jobs, ask(jobs), strict=True):
        labels = from_python(text, T, size, tokenizer)
        assert (labels is None) == bool(page.get("error"))
        if labels is not None:
            assert page["vocab"] == list(labels.vocab)
            assert page["contexts"] == labels.contexts.tolist()
            assert abs(page["entropy"] - labels.entropy()) < TOLERANCE


# Characters that Python's own tables know: a newer Unicode in the browser is not a disagreement about words.
LETTERS = [c for c in map(chr, range(sys.maxunicode + 1))
           if unicodedata.category(c) not in {"Cn", "Cs", "Co"}]
SPICE = [*"aAbBeE'’.,-12 \n\r\tΣİ\u0301é𐐀🙂", "\n\n", "\r\n", "\r\n\r\n", "<|endoftext|>"]
random_texts = st.lists(st.one_of(st.sampled_from(SPICE), st.sampled_from(SPICE), st.sampled_from(LETTERS)),
                        max_size=60).map("".join)
random_jobs = st.tuples(random_texts, st.integers(1, 4), st.integers(0, 6))


@settings(max_examples=12, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(batch=st.lists(random_jobs, min_size=BATCH // 2, max_size=BATCH))
def test_random_texts_agree(ask, batch):
    jobs = [[*job, "words", False] for job in batch]
    for job, page in zip(batch, ask(jobs), strict=True):
        agree(page, from_python(*job), count_by_hand(*job))


def test_every_letter_is_read_alike(page):
    """Each assigned code point between two words: the same tokens in the page as by the definition."""
    texts = [" ".join(f"x{c}Y z" for c in LETTERS[k:k + 10_000]) for k in range(0, len(LETTERS), 10_000)]
    for text in texts:
        tokens = page.evaluate("(text) => window.module.tokenize(text).join('\\n')", text).split("\n")
        assert tokens == PIECE.findall(unicodedata.normalize("NFC", text).lower())

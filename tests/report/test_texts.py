"""Texts of every kind, and errors that name the argument."""

import re

import numpy as np
import pytest

from ntputils import Corpus, SoftLabels, geometry_report, load_labels
from tests.report.texts import TEXT, check_page

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

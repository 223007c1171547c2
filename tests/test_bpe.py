"""Byte pairs against a slow rule read aloud, and passages against the text they are drawn from."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntputils import Corpus, bpe_tokenizer, kjv, load_corpus, tokenize

ROOT = Path(__file__).parent.parent


def marked(text):
    """Words with their mark, for plain ASCII text only: the oracle's own rule."""
    return ["▁" + word if word.isalnum() else word for word in re.findall(r"[a-z]+|[0-9]+|[^a-z0-9\s]", text.lower())]


def slow_pieces(text, size):
    """Counts all pairs again for every merge; returns the pieces and how each word is cut."""
    words = Counter(marked(text))
    pieces = sorted(set("".join(words)))
    cut = {word: list(word) for word in words}
    while len(pieces) < size:
        pairs = Counter()
        for word, parts in cut.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += words[word]
        if not pairs:
            break
        a, b = min(pairs, key=lambda p: (-pairs[p], pieces.index(p[0]), pieces.index(p[1])))
        pieces.append(a + b)
        for parts in cut.values():
            i = 0
            while i < len(parts) - 1:
                if (parts[i], parts[i + 1]) == (a, b):
                    parts[i:i + 2] = [a + b]
                i += 1
    return pieces, [piece for word in marked(text) for piece in cut[word]]


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="abc .1", min_size=1).filter(lambda text: text.strip()), st.integers(6, 14))
def test_pieces_are_those_of_the_slow_rule(text, size):
    pieces, cut = slow_pieces(text, size)
    split = bpe_tokenizer([text], size)
    assert set(split.pieces) == set(pieces) and split(text) == cut


def test_pieces_of_real_text_are_those_of_the_slow_rule():
    text = " ".join(kjv.passages(5, 100, seed=3)).replace("’", "'").replace("'", " ")
    pieces, cut = slow_pieces(text, 64)
    split = bpe_tokenizer([text], 64)
    assert list(split.pieces) == pieces and split(text) == cut


def test_another_process_learns_the_same_whatever_the_order():
    texts = kjv.passages(20, 50, seed=1)
    code = "import sys, json, ntputils; print(json.dumps(ntputils.bpe_tokenizer(json.load(sys.stdin)[::-1], 90).pieces))"
    other = subprocess.run([sys.executable, "-c", code], input=json.dumps(texts), capture_output=True, text=True, check=True,
                           cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "7"})
    assert tuple(json.loads(other.stdout)) == bpe_tokenizer(texts, 90).pieces


def test_pieces_put_together_are_the_words():
    texts = kjv.passages(10, 60, seed=2)
    split = bpe_tokenizer(texts, 80)
    for text in texts:
        joined = "".join(split(text))
        assert joined.replace("▁", "") == "".join(tokenize(text)[0])
        assert len(split(text)) > len(tokenize(text)[0]) and set(split(text)) <= set(split.pieces)


def test_rare_characters_are_left_out_and_unknown_ones_are_named():
    texts = ["ab " * 10_000 + "z"]
    assert "z" not in bpe_tokenizer(texts, 10, coverage=0.9999).pieces and "z" in bpe_tokenizer(texts, 10).pieces
    assert bpe_tokenizer(texts, 10, coverage=0.9999)("z b")[:2] == ["▁", "<unk>"]
    assert bpe_tokenizer("ab ab", 5).pieces == bpe_tokenizer(["ab ab"], 5).pieces


def test_words_that_are_whole_end_the_learning():
    assert bpe_tokenizer(["ab ab"], 99).pieces == ("a", "b", "▁", "ab", "▁ab")


@pytest.mark.parametrize("call, error, message", [
    (lambda: bpe_tokenizer(["abc"], 3), ValueError, r"vocab_size: got 3, want at least 4, the different characters"),
    (lambda: bpe_tokenizer([" "], 9), ValueError, r"texts: got no token"),
    (lambda: bpe_tokenizer([], 9), ValueError, r"texts: got no token"),
    (lambda: bpe_tokenizer([7], 9), TypeError, r"texts: got int among them, want strings"),
    (lambda: bpe_tokenizer(["a"], 9, coverage=0), ValueError, r"coverage: got 0, want a share above 0 and at most 1"),
    (lambda: tokenize("abc", "bpe-3"), ValueError, r"vocab_size: got 3"),
    (lambda: tokenize("abc", "bpe-"), TypeError, r"tokenizer: got 'bpe-', want one of 'words', 'characters' or 'bpe-64'"),
    (lambda: kjv.passages(0, 9, 0), ValueError, r"number, words: got 0 and 9, want at least 1 of each"),
    (lambda: kjv.passages(1, 0, 0), ValueError, r"number, words: got 1 and 0, want at least 1 of each"),
    (lambda: load_corpus("kjv-passages", number=9000), ValueError, r"number: got 9000, want at most \d+, the chapters of at "),
])
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match="pip install tokenizers"):
        bpe_tokenizer(["a"], 9)


# --- passages -------------------------------------------------------------------------------------------------------

def test_passages_are_whole_verses_of_different_chapters_and_long_enough():
    drawn, words = kjv.passages(300, 40, seed=5), 40
    chapters = {}
    for number, verse in kjv.verses().items():
        chapters.setdefault(number // 1000, []).append(verse)
    homes = []
    for passage in drawn:
        found = [(name, i, j) for name, vs in chapters.items() if passage in " ".join(vs)
                 for i in range(len(vs)) for j in range(i + 1, len(vs) + 1) if " ".join(vs[i:j]) == passage]
        assert found
        name, i, j = found[0]
        assert len(passage.split()) >= words > len(" ".join(chapters[name][i:j - 1]).split())   # one verse less is too few
        homes.append({home[0] for home in found})
    assert len({min(home) for home in homes if len(home) == 1}) == sum(len(home) == 1 for home in homes) > 290


def test_a_smaller_draw_begins_a_larger_one_and_seeds_differ():
    assert kjv.passages(40, 180, seed=0)[:7] == kjv.passages(7, 180, seed=0)
    assert kjv.passages(7, 180, seed=1) != kjv.passages(7, 180, seed=0)


def test_each_verse_that_leaves_enough_words_is_as_likely_to_begin(monkeypatch):
    chapter = ["one two", "three four five", "six", "seven eight nine", "ten"]       # 10, 8, 5, 4, 1 words from each on
    monkeypatch.setattr(kjv, "_verses_by_chapter", lambda: [chapter, ["too short"]])
    begun = Counter(passage for seed in range(900) for passage in kjv.passages(1, 4, seed))
    assert begun.keys() == {"one two three four five", "three four five six", "six seven eight nine", "seven eight nine ten"}
    assert all(abs(count - 225) < 5 * (900 * 0.25 * 0.75)**0.5 for count in begun.values())


@pytest.mark.parametrize("name, documents, options", [("kjv-passages", 12, {"number": 12, "words": 30, "seed": 4}),
                                                      ("text", 2, {"text": "One two one.\n\nTwo, one."})])
def test_corpora_of_byte_pairs(name, documents, options):
    corpus = load_corpus(name, **options, tokenizer="bpe-40")
    assert isinstance(corpus, Corpus) and corpus.V <= 40 and corpus.doc_ids[-1] + 1 == documents
    if name == "kjv-passages":
        texts = kjv.passages(12, 30, seed=4)
        split = bpe_tokenizer(texts, 40)
        assert [corpus.vocab[i] for i in corpus.tokens] == [piece for text in texts for piece in split(text)]
        assert corpus.licence == "public domain" and corpus.source.startswith("12 passages of The Bible")

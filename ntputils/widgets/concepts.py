"""The widget of chapter 17: choose concepts, and see their orthants fill with words and contexts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from ..concepts import find_concepts
from ..corpus import load_labels
from ..types import SoftLabels

HERE = Path(__file__).parent
MOST = 4       # concepts at a time: sixteen orthants
DIGITS = 3     # decimals of the scores that go to the page


def _module() -> str:
    """Puts the widget's ES module together: a module loaded as a blob cannot import its neighbours."""
    names = ("heatmap.js", "concepts_core.js", "concepts.js")
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


def _style() -> str:
    """The house style of the widgets under this widget's name, and what is its own."""
    names = ("soft_labels.css", "concepts.css")
    house, own = ((HERE / name).read_text(encoding="utf-8") for name in names)
    return house.replace(".ntp-soft-labels", ".ntp-concepts") + own


def _items(scores: np.ndarray, names: Sequence[str], count: int) -> list[dict[str, Any]]:
    """The items that the concepts together describe best, with their scores in units of the root mean square."""
    best = np.argsort(-np.sum(scores**2, axis=1).round(12), kind="stable")[:count]
    relative = (scores[best] * np.sqrt(len(scores))).round(DIGITS) + 0.0
    return [{"name": names[i], "scores": row} for i, row in zip(best, relative.tolist())]


def _world(name: str, labels: SoftLabels, concepts: int, words: int, contexts: int) -> dict[str, Any]:
    """A text with its concepts, as plain values."""
    found = find_concepts(labels.S, concepts)
    return {"name": name, "sizes": found.sizes.round(DIGITS).tolist(), "words": _items(found.words, labels.vocab, words),
            "contexts": _items(found.contexts, [labels.context(j) for j in range(labels.m)], contexts)}


class ConceptsWidget(anywidget.AnyWidget):
    """Choose up to four concepts of a text: words and contexts fall into the orthants of their signs.

    Python computes the singular triples of the centred supports; the page sorts words and contexts into orthants. A score
    is in units of the root mean square over all words, or contexts, of the text; the strength of an item in its orthant
    is the smallest of its scores on the chosen concepts, without sign.

    Source: chapter 17, "Concepts and orthants"; Zhao and Thrampoulidis (2025).

    Args:
        labels: one problem, or several by name; by default the simplified TinyStories.
        concepts: how many concepts to offer, at most 12.
        words: how many words to show, those that the concepts describe best (the largest sums of squared scores).
        contexts: how many contexts.
        **kwargs: `world`, `chosen` and `tol`, where to begin.

    Attributes:
        worlds: the problems with their concepts, as plain values.
        world: which of them is shown.
        chosen: the concepts that make the orthants, numbered from 0, one to four.
        tol: scores no larger than this count as undecided, and the item is grey.

    Raises:
        ValueError: no problem; numbers out of range; chosen concepts that are not there.

    >>> widget = ConceptsWidget(SoftLabels.from_counts([[1, 0], [1, 0], [0, 1], [0, 1]]), concepts=1)
    >>> widget
    ConceptsWidget(1 text, 1 concept, 4 words, 2 contexts, concept 1 chosen)
    >>> widget.orthants()
    {'+': (['0', '1'], ['0']), '-': (['2', '3'], ['1'])}
    """

    _esm = _module()
    _css = _style()

    worlds = traitlets.List(traitlets.Dict()).tag(sync=True)
    world = traitlets.Int(0).tag(sync=True)
    chosen = traitlets.List(traitlets.Int()).tag(sync=True)
    tol = traitlets.Float(0.25).tag(sync=True)

    def __init__(self, labels: SoftLabels | Mapping[str, SoftLabels] | None = None, *, concepts: int = 8,
                 words: int = 60, contexts: int = 40, **kwargs: object) -> None:
        texts = {"Simplified TinyStories": load_labels("simplified-tinystories")} if labels is None else labels
        if isinstance(texts, SoftLabels):
            texts = {"Text": texts}
        if not texts:
            raise ValueError("labels: got no problem, want SoftLabels or a mapping of names to SoftLabels")
        if not (1 <= concepts <= 12 and words >= 1 and contexts >= 1):
            raise ValueError(f"concepts, words, contexts: got {concepts}, {words}, {contexts}, want 1 to 12 concepts "
                             "and at least one of the others")
        worlds = [_world(name, problem, concepts, words, contexts) for name, problem in texts.items()]
        start = [1, 2] if concepts > 2 else [0]     # the first is, on a text, how many contexts a word follows
        super().__init__(worlds=worlds, **{"chosen": start, **kwargs})

    @traitlets.validate("world")
    def _check_world(self, proposal: traitlets.Bunch) -> int:
        if not 0 <= proposal.value < len(self.worlds):
            raise ValueError(f"world: got {proposal.value}, want a number from 0 to {len(self.worlds) - 1}")
        return proposal.value

    @traitlets.validate("chosen")
    def _check_chosen(self, proposal: traitlets.Bunch) -> list[int]:
        count, chosen = len(self.worlds[self.world]["sizes"]), proposal.value
        if not (1 <= len(chosen) <= MOST and chosen == sorted(set(chosen)) and 0 <= chosen[0] <= chosen[-1] < count):
            raise ValueError(f"chosen: got {chosen}, want one to {MOST} different numbers from 0 to {count - 1}, rising")
        return chosen

    @traitlets.validate("tol")
    def _check_tol(self, proposal: traitlets.Bunch) -> float:
        if not 0 <= proposal.value <= 1:
            raise ValueError(f"tol: got {proposal.value}, want a number from 0 to 1")
        return proposal.value

    def orthants(self) -> dict[str, tuple[list[str], list[str]]]:
        """What is in each orthant of the chosen concepts, as the page sorts it.

        Returns:
            The pattern of signs, such as "+-", to words and contexts, the strongest first, undecided ones too.
        """
        world, chosen = self.worlds[self.world], self.chosen
        patterns = [f"{k:0{len(chosen)}b}".replace("1", "+").replace("0", "-") for k in range(2**len(chosen))][::-1]
        cells: dict[str, tuple[list[str], list[str]]] = {pattern: ([], []) for pattern in patterns}
        for side, key in enumerate(("words", "contexts")):
            scores = np.array([item["scores"] for item in world[key]])[:, chosen]
            for i in np.argsort(-np.abs(scores).min(axis=1), kind="stable"):
                cells["".join("+" if x > 0 else "-" for x in scores[i])][side].append(world[key][i]["name"])
        return cells

    def fallback(self) -> str:
        """Says in words what the widget shows: for a reader who cannot see it, or has no JavaScript.

        Returns:
            Lines of plain text, one for each orthant with something in it.

        >>> counts = [[1, 0], [1, 0], [0, 1], [0, 1]]
        >>> print(ConceptsWidget(SoftLabels.from_counts(counts), concepts=1).fallback())
        Orthants of concept 1 by sign, the strongest words and contexts first:
        +: 0, 1; after 0
        -: 2, 3; after 1
        """
        lines = [f"Orthants of {self._named()} by sign, the strongest words and contexts first:"]
        for pattern, (words, contexts) in self.orthants().items():
            if words or contexts:
                after = f"; after {', '.join(contexts[:3])}" if contexts else ""
                lines.append(f"{pattern}: {', '.join(words[:8]) or 'no word'}{after}")
        return "\n".join(lines)

    def _named(self) -> str:
        numbers = [str(i + 1) for i in self.chosen]
        return f"concept{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"

    def __repr__(self) -> str:
        world = self.worlds[self.world]
        counts = ((len(self.worlds), "text"), (len(world["sizes"]), "concept"), (len(world["words"]), "word"),
                  (len(world["contexts"]), "context"))
        said = ", ".join(f"{count} {what}{'s' if count > 1 else ''}" for count, what in counts)
        return f"ConceptsWidget({said}, {self._named()} chosen)"

"""The widget of chapter 1: type a text, see the next-token problem it poses."""

from __future__ import annotations

import json
from pathlib import Path

import anywidget
import traitlets

from ..types import SoftLabels

HERE = Path(__file__).parent
LONGEST = 8  # the longest context that the slider offers

# Texts to start from, written for this book. Each shows one thing.
PRESETS: tuple[dict[str, str | int], ...] = (
    {"name": "A small story", "context_length": 2,
     "shows": "openings that come back, each with several ways to go on",
     "text": "Once there was a fox who liked to sing. The fox sang to the moon, and the fox smiled.\n\n"
             "Once there was a hen who liked to swim. The hen swam in the pond, and the fox smiled.\n\n"
             "Once there was a fox who liked to sleep. The fox slept in the hay, and the hen sang.\n\n"
             "Once there was a boy who liked to sing. The boy sang to the hen, and the fox smiled.\n\n"
             "One day the fox met the hen. One day the hen met the boy. One day the boy saw the moon."},
    {"name": "Cat and dog", "context_length": 1, "shows": "two lines, small enough to count by hand",
     "text": "The cat sees the dog. The dog sees the cat.\nThe cat naps. The dog runs."},
    {"name": "Twins", "context_length": 1, "shows": "contexts with the same support: the same column twice",
     "text": "my cat runs.\n\nmy cat naps.\n\nmy dog runs.\n\nmy dog naps.\n\n"
             "a wren sings.\n\na wren flies.\n\na lark sings.\n\na lark flies."},
    {"name": "One-hot", "context_length": 1, "shows": "every context has one next word: entropy zero",
     "text": "one two three four five six seven eight nine ten"},
)


def _module() -> str:
    """Puts the widget's ES module together: a module loaded as a blob cannot import its neighbours."""
    parts = [(HERE / name).read_text(encoding="utf-8") for name in ("soft_labels_core.js", "heatmap.js")]
    presets = f"const PRESETS = {json.dumps(PRESETS, ensure_ascii=False, indent=2)};\n"
    return "\n".join([*parts, presets, (HERE / "soft_labels.js").read_text(encoding="utf-8")])


class SoftLabelsWidget(anywidget.AnyWidget):
    """Counts the contexts of a text in the page and shows S, P, the centred support and its Gram matrices.

    The page computes everything; in a live notebook the text and the two settings are shared with Python, so
    that `labels()` gives the same problem as a `SoftLabels`. Of a longer text the page counts the first 5,000
    words.

    Source: chapter 1, "Soft labels" and "Support".

    Attributes:
        text: the text; a blank line or `<|endoftext|>` ends a document.
        context_length: how many words a context has, 1 to 8.
        vocab_size: how many of the most frequent words stay in the vocabulary; 0 keeps all.

    Raises:
        ValueError: a context length outside 1..8, or a vocabulary size below zero.
        traitlets.TraitError: a value of another type.

    >>> widget = SoftLabelsWidget(text="the cat sat. the cat ran.", context_length=2)
    >>> widget.labels().m
    5
    >>> widget
    SoftLabelsWidget(context_length=2, vocab_size=0, text of 25 characters)
    """

    _esm = _module()
    _css = (HERE / "soft_labels.css").read_text(encoding="utf-8")

    text = traitlets.Unicode(str(PRESETS[0]["text"])).tag(sync=True)
    context_length = traitlets.Int(int(PRESETS[0]["context_length"])).tag(sync=True)
    vocab_size = traitlets.Int(0).tag(sync=True)

    @traitlets.validate("context_length")
    def _check_context_length(self, proposal: traitlets.Bunch) -> int:
        if not 1 <= proposal.value <= LONGEST:
            raise ValueError(f"context_length: got {proposal.value}, want 1 to {LONGEST}")
        return proposal.value

    @traitlets.validate("vocab_size")
    def _check_vocab_size(self, proposal: traitlets.Bunch) -> int:
        if proposal.value < 0:
            raise ValueError(f"vocab_size: got {proposal.value}, want a number of words, or 0 for all")
        return proposal.value

    def labels(self) -> SoftLabels:
        """The same next-token problem, counted by Python over the whole text.

        Returns:
            `SoftLabels.from_text` of the text and the settings that the widget has now.

        Raises:
            ValueError: the text is too short for a context and a next word.

        >>> SoftLabelsWidget(text="to be or not to be", context_length=1).labels().vocab
        ('be', 'to', 'not', 'or')
        """
        return SoftLabels.from_text(self.text, context_length=self.context_length,
                                    vocab_size=self.vocab_size or None)

    def fallback(self) -> str:
        """Says in words what the widget shows: for a reader who cannot see it, or has no JavaScript.

        Returns:
            Four lines of plain text, numbers rounded.

        >>> print(SoftLabelsWidget(text="the cat sat. the cat ran.", context_length=2).fallback())
        A matrix of 5 words (rows) by 5 contexts of 2 words (columns).
        80 % of the contexts have one next word only.
        The mean support has 1.20 words, the entropy is 0.231 nats.
        The most frequent context is «the cat» (2 times), followed by «ran» (0.50), «sat» (0.50).
        """
        try:
            labels = self.labels()
        except ValueError:
            return "An empty matrix: the text is too short for a context and a word that follows it."
        sizes = labels.support_sizes
        first = labels.P[:, [0]].tocoo()
        ranked = sorted(zip(-first.data, first.row, strict=True))[:3]
        followers = ", ".join(f"«{labels.vocab[i]}» ({-p:.2f})" for p, i in ranked)
        words = "1 word" if self.context_length == 1 else f"{self.context_length} words"
        times = round(float(labels.pi[0]) * labels.n)
        return (f"A matrix of {labels.V} words (rows) by {labels.m} contexts of {words} (columns).\n"
                f"{100 * (sizes == 1).mean():.0f} % of the contexts have one next word only.\n"
                f"The mean support has {sizes.mean():.2f} words, "
                f"the entropy is {labels.entropy():.3f} nats.\n"
                f"The most frequent context is «{labels.context(0)}» ({times} times), "
                f"followed by {followers}.")

    def __repr__(self) -> str:
        # ipywidgets shows a memory address where the text is long: a stable line keeps notebooks comparable.
        return (f"SoftLabelsWidget(context_length={self.context_length}, vocab_size={self.vocab_size}, "
                f"text of {len(self.text)} characters)")

"""A sampler on the text it was trained on: where its own tokens lead, and when it says what never followed.

After context (x_1 .. x_T) and token z comes context (x_2 .. x_T, z). As long as each token is in the support of its context,
a sampler walks on windows of the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._hints import ArrayLike, MatrixLike
from .theory import _columns, _logits
from .types import UNK, SoftLabels

if TYPE_CHECKING:
    from .models import NextTokenModel


def _context_tokens(labels: SoftLabels) -> list[tuple[str, ...]]:
    """The tokens of each context."""
    if isinstance(labels.contexts, tuple):
        return [tuple(context.split()) for context in labels.contexts]
    names = labels.vocab + (UNK,)
    return [tuple(names[i] for i in row) for row in labels.contexts]


def next_contexts(labels: SoftLabels) -> np.ndarray:
    """Where each token leads from each context: the number of the context that comes then.

    Source: chapter 13, "Staying on the text".

    Args:
        labels: the soft labels; contexts in words are split at spaces.

    Returns:
        Numbers of contexts, (V, m), for tokens in and off the supports; -1 where the text has no such context (or nothing
        after it: the end of a document).

    >>> labels = SoftLabels.from_text("a b a c", context_length=1)
    >>> labels.vocab, [labels.context(j) for j in range(labels.m)]
    (('a', 'b', 'c'), ['a', 'b'])
    >>> next_contexts(labels).tolist()              # from either: to `a`, to `b`, nowhere
    [[0, 0], [1, 1], [-1, -1]]
    """
    contexts = _context_tokens(labels)
    number = {context: j for j, context in enumerate(contexts)}
    return np.array([[number.get((*context[1:], word), -1) for context in contexts] for word in labels.vocab])


def visits(Q: MatrixLike, labels: SoftLabels, steps: int) -> np.ndarray:
    """The chance that a sampler is at each context after 0, 1, 2, ... tokens, all of them in their supports.

    It starts from a context of the text, drawn by frequency, and draws tokens from Q. It stops where a token leaves the
    support, and where a document ends.

    Source: chapter 13, "Staying on the text".

    Args:
        Q: the sampler's probabilities, columns sum to one, (V, m): softmax(L) for a model, labels.P for the text itself.
        labels: the soft labels.
        steps: how many rows.

    Returns:
        Chances, (steps, m); the first row is pi. Row t times the mass off the supports is the chance of leaving with
        token t + 1.

    Raises:
        ValueError: Q is not (V, m), or its columns are no probabilities; fewer than one step.

    >>> labels = SoftLabels.from_text("a b a c", context_length=1)
    >>> visits(labels.P, labels, 3).round(3).tolist()
    [[0.667, 0.333], [0.333, 0.333], [0.333, 0.167]]
    """
    Q = _logits(Q, labels.P.shape, "Q")
    if Q.min() < 0 or not np.allclose(Q.sum(axis=0), 1, rtol=0, atol=1e-6):
        raise ValueError("Q: got columns that are no probabilities, want softmax(L) or labels.P")
    if steps < 1:
        raise ValueError(f"steps: got {steps}, want at least 1")
    words, columns = labels.S.indices, _columns(labels.S)
    to = next_contexts(labels)[words, columns]
    inside = to >= 0
    chance, columns, to = Q[words, columns][inside], columns[inside], to[inside]
    rows = [labels.pi]
    for _ in range(steps - 1):
        rows.append(np.bincount(to, chance * rows[-1][columns], labels.m))
    return np.array(rows)


def continue_text(model: NextTokenModel, labels: SoftLabels, starts: ArrayLike, steps: int, *, rng: np.random.Generator
                  ) -> np.ndarray:
    """Lets a model that reads write on: each token is drawn from its softmax, and read in its turn.

    Source: chapter 13.

    Args:
        model: made by `build_model` for these labels, of any kind but "ufm".
        labels: the soft labels.
        starts: numbers of the contexts to start from, (runs,).
        steps: how many tokens to write.
        rng: of the draw.

    Returns:
        Token numbers, rows of `labels.vocab`, (runs, steps); -1 after a token that the model cannot read, because no
        context holds it.

    Raises:
        ValueError: a model of free vectors, which reads nothing; a start that is no context.
        TypeError: rng is not a generator.

    >>> from ntputils import build_model
    >>> labels = SoftLabels.from_text("a b a b", context_length=1)
    >>> continue_text(build_model("mean", labels, d=2, seed=0), labels, [0, 1], 3, rng=np.random.default_rng(0)).shape
    (2, 3)
    """
    import torch

    from .models import context_words

    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng: got {type(rng).__name__}, want a numpy.random.Generator (default_rng(seed))")
    if model.inputs.ndim != 2:
        raise ValueError("model: got free vectors, which read no token, want a model that reads")
    starts = np.asarray(starts)
    if starts.ndim != 1 or not starts.size or starts.min() < 0 or starts.max() >= labels.m:
        raise ValueError(f"starts: got shape {starts.shape}, want numbers of contexts from 0 to {labels.m - 1}")
    number = {word: i for i, word in enumerate(context_words(labels)[1])}
    reads = np.array([number.get(word, -1) for word in labels.vocab])
    window = model.inputs.cpu().numpy()[starts]
    written, alive = np.full((len(starts), steps), -1), np.arange(len(starts))
    for t in range(steps):
        with torch.no_grad():
            seen = torch.from_numpy(window[alive]).to(model.inputs.device)
            q = model.decoder(model.encoder(seen)).softmax(dim=1).double().cpu().numpy()
        drawn = (rng.random((len(alive), 1)) < np.cumsum(q, axis=1) / q.sum(axis=1, keepdims=True)).argmax(axis=1)
        written[alive, t] = drawn
        window[alive] = np.column_stack([window[alive, 1:], reads[drawn]])
        alive = alive[reads[drawn] >= 0]
        if not alive.size:
            break
    return written

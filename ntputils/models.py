"""Models of the next token: an encoder of contexts, and one vector for each word (torch).

Every model has context vectors `H` (d, m) and word vectors `W` (V, d), and its logits are L = W H. They differ in how a
context becomes a vector: freely (the unconstrained features of the theory), or by reading its words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .types import UNK, SoftLabels


def context_words(labels: SoftLabels) -> tuple[np.ndarray, tuple[str, ...]]:
    """The words of each context as numbers, for models that read them.

    Args:
        labels: soft labels whose contexts all have the same number of words (strings are split at spaces).

    Returns:
        Word numbers, int64 (m, T); and the words they stand for, sorted.

    Raises:
        ValueError: contexts of different lengths, or without a word.

    >>> labels = SoftLabels.from_text("a b a c", context_length=1)
    >>> context_words(labels)
    (array([[0],
           [1]]), ('a', 'b'))
    """
    if isinstance(labels.contexts, tuple):
        rows = [context.split() for context in labels.contexts]
    else:
        rows = [[labels.vocab[i] if i < labels.V else UNK for i in row] for row in labels.contexts]
    lengths = {len(row) for row in rows}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(f"labels: got contexts of {sorted(lengths)} words, want one length, at least 1, for all")
    words, ids = np.unique([word for row in rows for word in row], return_inverse=True)
    return ids.reshape(len(rows), -1).astype(np.int64), tuple(words.tolist())


class Free(nn.Module):
    """A free vector for each context: the unconstrained features of NTP-UFM. Reads the context's number."""

    def __init__(self, m: int, d: int) -> None:
        super().__init__()
        self.table = nn.Embedding(m, d)
        nn.init.uniform_(self.table.weight, -d**-0.5, d**-0.5)

    def forward(self, numbers: Tensor) -> Tensor:
        """Numbers of contexts (n,) to vectors (n, d)."""
        return self.table(numbers)


class Mean(nn.Module):
    """The mean of the vectors of a context's own words."""

    def __init__(self, num_words: int, d: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(num_words, d)

    def forward(self, words: Tensor) -> Tensor:
        """Words (n, T) to vectors (n, d)."""
        return self.embed(words).mean(dim=1)


class Perceptron(nn.Module):
    """The words' vectors side by side, through layers of ReLU with RMS normalisation."""

    def __init__(self, num_words: int, length: int, d: int, *, layers: int = 2, width: int | None = None) -> None:
        super().__init__()
        self.embed = nn.Embedding(num_words, d)
        sizes = [length * d] + [width or 4 * d] * (layers - 1) + [d]
        blocks = [nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.RMSNorm(b)) for a, b in zip(sizes, sizes[1:])]
        self.blocks = nn.Sequential(*blocks)

    def forward(self, words: Tensor) -> Tensor:
        """Words (n, T) to vectors (n, d)."""
        return self.blocks(self.embed(words).flatten(1))


class Recurrent(nn.Module):
    """A long short-term memory; the last state of its last layer, with RMS normalisation."""

    def __init__(self, num_words: int, d: int, *, layers: int = 2) -> None:
        super().__init__()
        self.embed = nn.Embedding(num_words, d)
        self.lstm = nn.LSTM(d, d, num_layers=layers, batch_first=True)
        self.norm = nn.RMSNorm(d)

    def forward(self, words: Tensor) -> Tensor:
        """Words (n, T) to vectors (n, d)."""
        return self.norm(self.lstm(self.embed(words))[0][:, -1])


class Beginnings(NamedTuple):
    """The distinct beginnings of contexts: what a causal model can know at each position, once.

    Two contexts that begin alike have the same vectors there, so each beginning is computed once. The n whole contexts
    come last, each as often as it was given.

    Attributes:
        word: the last word of each beginning, (N,).
        place: its position, (N,).
        seen: the beginnings that it continues, itself included, (N, T); after its own place itself again.
        hidden: 0 where `seen` counts, -inf after its own place, (N, T).
    """

    word: Tensor
    place: Tensor
    seen: Tensor
    hidden: Tensor

    @classmethod
    def of(cls, words: Tensor) -> "Beginnings":
        """The beginnings of the contexts with these words, (n, T)."""
        n, T = words.shape  # noqa: N806
        size, seen, first, node, total = int(words.max()) + 1, [], [], words.new_zeros(n), 0
        for place in range(T):
            if place < T - 1:
                distinct, node = torch.unique(node * size + words[:, place], return_inverse=True)
                first.append(torch.empty_like(distinct).scatter_(0, node, torch.arange(n, device=words.device)))
            else:
                node = torch.arange(n, device=words.device)
                first.append(node)
            seen.append(total + node)
            total += len(first[-1])
        place = torch.repeat_interleave(torch.arange(T), torch.tensor([len(f) for f in first])).to(words.device)
        after = torch.arange(T, device=words.device) > place[:, None]
        rows, own = torch.cat(first), torch.arange(total, device=words.device)[:, None]
        return cls(words[rows, place], place, torch.where(after, own, torch.stack(seen, 1)[rows]),
                   torch.zeros(after.shape, device=words.device).masked_fill(after, -torch.inf))


class Block(nn.Module):
    """One layer of a transformer: attention, then a gated perceptron (SwiGLU), each on a normalised copy."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_gate = nn.RMSNorm(d), nn.RMSNorm(d)
        self.query, self.key_value = nn.Linear(d, d, bias=False), nn.Linear(d, 2 * d, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.up, self.down = nn.Linear(d, 8 * d, bias=False), nn.Linear(4 * d, d, bias=False)

    def forward(self, x: Tensor, seen: Tensor, hidden: Tensor) -> Tensor:
        """Vectors (N, d) to those of the last M of them (M, d), which see `seen` (M, T) where `hidden` (M, T) is 0."""
        normed = self.before_attention(x)
        x, asking = (x, normed) if len(seen) == len(x) else (x[-len(seen):], normed[-len(seen):])
        q = self.query(asking).unflatten(-1, (1, self.heads, -1))
        k, v = functional.embedding(seen, self.key_value(normed)).unflatten(-1, (2, self.heads, -1)).unbind(2)
        scores = (q * k).sum(-1) * k.shape[-1]**-0.5 + hidden[..., None]
        x = x + self.out((scores.softmax(1)[..., None] * v).sum(1).flatten(1))
        gate, value = self.up(self.before_gate(x)).chunk(2, dim=-1)
        return x + self.down(functional.silu(gate) * value)


class Transformer(nn.Module):
    """A causal transformer; the normalised vector at the last position. Without positions unless asked for."""

    def __init__(self, num_words: int, length: int, d: int, *, layers: int = 4, heads: int = 4,
                 positions: bool = False) -> None:
        super().__init__()
        if d % heads:
            raise ValueError(f"heads: got {heads}, want a divisor of d = {d}")
        self.embed = nn.Embedding(num_words, d)
        self.places = nn.Parameter(torch.zeros(length, d)) if positions else None
        self.blocks = nn.ModuleList(Block(d, heads) for _ in range(layers))
        self.norm = nn.RMSNorm(d)
        self._tree = self._read = self._version = None
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                smaller = (2 * layers)**-0.5 if name.endswith(("out.weight", "down.weight")) else 1.0
                nn.init.normal_(weight, std=0.02 * smaller)

    def forward(self, words: Tensor) -> Tensor:
        """Words (n, T) to vectors (n, d)."""
        if self._read is not words or self._version != words._version:      # a full batch reads the same words again
            self._tree, self._read, self._version = Beginnings.of(words), words, words._version
        tree, n = self._tree, len(words)
        x = self.embed(tree.word)
        if self.places is not None:
            x = x + functional.embedding(tree.place, self.places)
        hidden = tree.hidden.to(x)
        for block in self.blocks[:-1]:
            x = block(x, tree.seen, hidden)
        return self.norm(self.blocks[-1](x, tree.seen[-n:], hidden[-n:]))   # nobody reads the rest of the last layer


class NextTokenModel(nn.Module):
    """An encoder and one vector for each word; it knows the m contexts it is trained on by number.

    Attributes:
        encoder: from `inputs` to vectors, (n, d).
        inputs: what the encoder reads for each of the m contexts, (m,) or (m, T).
        decoder: word vectors, a linear map without bias from d to V.
    """

    def __init__(self, encoder: nn.Module, inputs: Tensor, V: int, d: int) -> None:  # noqa: N803
        super().__init__()
        self.encoder, self.decoder = encoder, nn.Linear(d, V, bias=False)
        self.register_buffer("inputs", inputs)

    @property
    def W(self) -> Tensor:  # noqa: N802
        """Word vectors, (V, d)."""
        return self.decoder.weight

    def H(self) -> Tensor:  # noqa: N802
        """Context vectors of all m contexts, (d, m)."""
        return self.encoder(self.inputs).T

    def forward(self, numbers: Tensor) -> Tensor:
        """Logits of the contexts with these numbers, (n, V): a context is a row here, as torch has it."""
        return self.decoder(self.encoder(self.inputs[numbers]))


_READERS: dict[str, Callable[..., nn.Module]] = {
    "mean": lambda words, length, d, **options: Mean(words, d, **options),
    "mlp": Perceptron,
    "lstm": lambda words, length, d, **options: Recurrent(words, d, **options),
    "transformer": Transformer,
}
MODELS = ("ufm", *_READERS)


def build_model(name: str, labels: SoftLabels, *, d: int, seed: int, dtype: torch.dtype = torch.float32,
                **options) -> NextTokenModel:
    """Makes a model for the contexts and next words of some soft labels.

    | name | a context becomes | options |
    |---|---|---|
    | `"ufm"` | a free vector: nothing ties one context to another | |
    | `"mean"` | the mean of its words' vectors | |
    | `"mlp"` | its words' vectors side by side, through ReLU layers | `layers`, `width` |
    | `"lstm"` | the last state of a recurrent network | `layers` |
    | `"transformer"` | the last position of a causal transformer | `layers`, `heads`, `positions` |

    Args:
        name: one of the names above.
        labels: the soft labels; models that read words need contexts of one length.
        d: the dimension of word and context vectors.
        seed: of the first weights; the global generator of torch is left as it was.
        dtype: torch.float32 or torch.float64.
        **options: what that model takes.

    Returns:
        The model, on the CPU.

    Raises:
        KeyError: an unknown name.
        ValueError: d < 1, heads that do not divide d, contexts of different lengths.

    >>> labels = SoftLabels.from_text("a b a c", context_length=1)
    >>> model = build_model("transformer", labels, d=8, seed=0, layers=1)
    >>> tuple(model.W.shape), tuple(model.H().shape)     # V x d and d x m
    ((3, 8), (8, 2))
    """
    if name not in MODELS:
        raise KeyError(f"name: got {name!r}, want one of {', '.join(map(repr, MODELS))}")
    if d < 1:
        raise ValueError(f"d: got {d}, want at least 1")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name == "ufm":
            encoder, inputs = Free(labels.m, d, **options), torch.arange(labels.m)
        else:
            ids, words = context_words(labels)
            encoder, inputs = _READERS[name](len(words), ids.shape[1], d, **options), torch.from_numpy(ids)
        return NextTokenModel(encoder, inputs, labels.V, d).to(dtype)

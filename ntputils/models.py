"""Models of the next token: an encoder of contexts, and one vector for each word (torch).

Every model has context vectors `H` (d, m) and word vectors `W` (V, d), and its logits are L = W H. They differ in how a
context becomes a vector: freely (the unconstrained features of the theory), or by reading its words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .types import UNK, SoftLabels


def context_words(labels: SoftLabels) -> tuple[np.ndarray, tuple[str, ...]]:
    """The words of each context as numbers, for models that read them.

    Source: chapters 12 and 16.

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


class Beginnings(NamedTuple):
    """The distinct beginnings of contexts: what a causal model can know at each position, once.

    Two contexts that begin alike have the same vectors there, so each beginning is computed once. They are in order of
    length; the n whole contexts come last, each as often as it was given.

    Attributes:
        word: the last word of each beginning, (N,).
        place: its position, (N,).
        seen: the beginnings that it continues, itself included, (N, T); after its own place itself again.
        hidden: 0 where `seen` counts, -inf after its own place, (N, T).
        sizes: how many beginnings have 1, ..., T words; the last is n.
    """

    word: Tensor
    place: Tensor
    seen: Tensor
    hidden: Tensor
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, words: Tensor) -> Beginnings:
        """The beginnings of the contexts with these words, (n, T)."""
        (n, T), device = words.shape, words.device  # noqa: N806
        base, node, sizes = int(words.max()) + 1, words.new_zeros(n), list[int]()
        numbers, rows = list[Tensor](), list[Tensor]()
        for t in range(T):
            whole = torch.arange(n, device=device)
            if t < T - 1:
                distinct, node = torch.unique(node * base + words[:, t], return_inverse=True)
                rows.append(torch.empty_like(distinct).scatter_(0, node, whole))   # any context that begins so
            else:
                node = whole
                rows.append(whole)
            numbers.append(sum(sizes) + node)
            sizes.append(len(rows[-1]))
        row, own = torch.cat(rows), torch.arange(sum(sizes), device=device)
        place = torch.arange(T, device=device).repeat_interleave(torch.tensor(sizes, device=device))
        after = torch.arange(T, device=device) > place[:, None]
        seen = torch.stack(numbers, dim=1)[row].where(~after, own[:, None])
        hidden = torch.zeros(after.shape, device=device).masked_fill(after, -torch.inf)
        return cls(words[row, place], place, seen, hidden, tuple(sizes))


class _Causal(nn.Module):
    """A module that reads contexts from the left; it remembers the beginnings of those it read last."""

    _last: tuple[Tensor, int, Beginnings] | None = None

    def beginnings(self, words: Tensor) -> Beginnings:
        """The beginnings of the contexts with these words (n, T); a full batch brings the same tensor at every step."""
        if self._last is None or self._last[0] is not words or self._last[1] != words._version:
            self._last = words, words._version, Beginnings.of(words)
        return self._last[2]


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


class Recurrent(_Causal):
    """A long short-term memory; the last state of its last layer, with RMS normalisation.

    The weights are those of torch's own module; its kernel would read every position of every context.
    """

    def __init__(self, num_words: int, d: int, *, layers: int = 2) -> None:
        super().__init__()
        self.embed = nn.Embedding(num_words, d)
        self.lstm = nn.LSTM(d, d, num_layers=layers, batch_first=True)
        self.norm = nn.RMSNorm(d)

    def forward(self, words: Tensor) -> Tensor:
        """Words (n, T) to vectors (n, d)."""
        tree = self.beginnings(words)
        parents = [seen[:, t - 1] - sum(tree.sizes[:t - 1]) for t, seen in enumerate(tree.seen.split(tree.sizes)) if t]
        states: list[Tensor] = []
        for inward, across, *bias in self.lstm.all_weights:
            if states:
                gates = functional.linear(torch.cat(states), inward, sum(bias))
            else:                                             # what a word brings, wherever it stands
                gates = functional.embedding(tree.word, functional.linear(self.embed.weight, inward, sum(bias)))
            states = self._along(gates.split(tree.sizes), parents, across)
        return self.norm(states[-1])

    @staticmethod
    def _along(gates: Sequence[Tensor], parents: Sequence[Tensor], across: Tensor) -> list[Tensor]:
        """States of one layer after 1, ..., T words; each goes on from its parent's."""
        take, _, new, show = gates[0].chunk(4, dim=1)
        cell = take.sigmoid() * new.tanh()
        states = [show.sigmoid() * cell.tanh()]
        for gate, parent in zip(gates[1:], parents, strict=True):
            gate = torch.addmm(gate, functional.embedding(parent, states[-1]), across.T)
            take, keep, new, show = gate.chunk(4, dim=1)
            cell = keep.sigmoid() * functional.embedding(parent, cell) + take.sigmoid() * new.tanh()
            states.append(show.sigmoid() * cell.tanh())
        return states


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
        q = self.query(asking)[:, None]
        k, v = functional.embedding(seen, self.key_value(normed)).chunk(2, dim=-1)
        size = k.shape[-1] // self.heads
        scores = (q * k).unflatten(-1, (self.heads, size)).sum(-1) * size**-0.5 + hidden[..., None]
        x = x + self.out((scores.softmax(1).repeat_interleave(size, dim=2) * v).sum(1))
        normed = self.before_gate(x)
        gate, value = (functional.linear(normed, half) for half in self.up.weight.chunk(2))
        return x + self.down(functional.silu(gate) * value)


class Transformer(_Causal):
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
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                smaller = (2 * layers)**-0.5 if name.endswith(("out.weight", "down.weight")) else 1.0
                nn.init.normal_(weight, std=0.02 * smaller)

    def forward(self, words: Tensor) -> Tensor:
        """Words (n, T) to vectors (n, d)."""
        tree, n = self.beginnings(words), len(words)
        x = self.embed(tree.word)
        if self.places is not None:
            x = x + functional.embedding(tree.place, self.places)
        hidden = tree.hidden.to(x)
        for block in self.blocks[:-1]:
            x = block(x, tree.seen, hidden)
        return self.norm(self.blocks[-1](x, tree.seen[-n:], hidden[-n:]))   # nobody reads the rest of the last layer


class NextTokenModel(nn.Module):
    """An encoder and one vector for each word; it knows the m contexts it is trained on by number.

    Source: chapter 2, "Loss of a language model"; chapter 11.

    Args:
        encoder: from `inputs` to vectors, (n, d).
        inputs: what the encoder reads for each of the m contexts, (m,) or (m, T).
        V: how many words there are.
        d: the dimension of word and context vectors.

    Attributes:
        encoder: from `inputs` to vectors, (n, d).
        inputs: what the encoder reads for each of the m contexts, (m,) or (m, T).
        decoder: word vectors, a linear map without bias from d to V.

    >>> import torch
    >>> from ntputils.models import Free
    >>> model = NextTokenModel(Free(m=3, d=2), torch.arange(3), V=4, d=2)
    >>> tuple(model.W.shape), tuple(model.H().shape), tuple(model(torch.tensor([0, 2])).shape)
    ((4, 2), (2, 3), (2, 4))
    """

    inputs: Tensor

    def __init__(self, encoder: nn.Module, inputs: Tensor, V: int, d: int) -> None:  # noqa: N803
        super().__init__()
        self.encoder, self.decoder = encoder, nn.Linear(d, V, bias=False)
        self.register_buffer("inputs", inputs)

    @property
    def W(self) -> Tensor:  # noqa: N802
        """Word vectors, (V, d)."""
        return self.decoder.weight

    def H(self) -> Tensor:  # noqa: N802
        """Context vectors of all m contexts, (d, m).

        Returns:
            H, (d, m); gradients flow through it.
        """
        encoder = self.encoder
        return (encoder.table.weight if isinstance(encoder, Free) else encoder(self.inputs)).T

    def forward(self, numbers: Tensor) -> Tensor:
        """Logits of the contexts with these numbers: a context is a row here, as torch has it.

        Args:
            numbers: of contexts, (n,).

        Returns:
            Logits, nats, (n, V).

        >>> import torch
        >>> model = build_model("ufm", SoftLabels.from_counts([[1, 0], [0, 1]]), d=2, seed=0)
        >>> bool(torch.allclose(model(torch.arange(2)), (model.W @ model.H()).T))
        True
        """
        return self.decoder(self.encoder(self.inputs[numbers]))


_READERS: dict[str, Callable[..., nn.Module]] = {
    "mean": lambda words, length, d, **options: Mean(words, d, **options),
    "mlp": Perceptron,
    "lstm": lambda words, length, d, **options: Recurrent(words, d, **options),
    "transformer": Transformer,
}
MODELS = ("ufm", *_READERS)


def build_model(name: str, labels: SoftLabels, *, d: int, seed: int, dtype: torch.dtype = torch.float32,
                **options: Any) -> NextTokenModel:
    """Makes a model for the contexts and next words of some soft labels.

    | name | a context becomes | options |
    |---|---|---|
    | `"ufm"` | a free vector: nothing ties one context to another | |
    | `"mean"` | the mean of its words' vectors | |
    | `"mlp"` | its words' vectors side by side, through ReLU layers | `layers`, `width` |
    | `"lstm"` | the last state of a recurrent network | `layers` |
    | `"transformer"` | the last position of a causal transformer | `layers`, `heads`, `positions` |

    Source: chapters 11 and 16; Zhao et al. (2024) for the transformer.

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
        ValueError: d < 1, no layer, heads that do not divide d, contexts of different lengths.

    >>> labels = SoftLabels.from_text("a b a c", context_length=1)
    >>> model = build_model("transformer", labels, d=8, seed=0, layers=1)
    >>> tuple(model.W.shape), tuple(model.H().shape)     # V x d and d x m
    ((3, 8), (8, 2))
    """
    if name not in MODELS:
        raise KeyError(f"name: got {name!r}, want one of {', '.join(map(repr, MODELS))}")
    if d < 1:
        raise ValueError(f"d: got {d}, want at least 1")
    if options.get("layers", 1) < 1:
        raise ValueError(f"layers: got {options['layers']}, want at least 1")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name == "ufm":
            encoder, inputs = Free(labels.m, d, **options), torch.arange(labels.m)
        else:
            ids, words = context_words(labels)
            encoder, inputs = _READERS[name](len(words), ids.shape[1], d, **options), torch.from_numpy(ids)
        return NextTokenModel(encoder, inputs, labels.V, d).to(dtype)

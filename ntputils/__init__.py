"""The geometry that next-token prediction gives to words and contexts, computed from a text."""

from .claims import Claim, claim
from .contexts import count_contexts
from .corpus import load_corpus, load_labels, tokenize
from .session import scale, session
from .theory import (center, centered_support, factor, in_support_logits, ntp_gradient, ntp_loss, project_F,
                     project_F_perp, softmax)
from .types import Corpus, SoftLabels

__version__ = "0.1.0"
__all__ = ["Claim", "Corpus", "SoftLabels", "center", "centered_support", "claim", "count_contexts", "factor",
           "in_support_logits", "load_corpus", "load_labels", "ntp_gradient", "ntp_loss", "project_F",
           "project_F_perp", "scale", "session", "softmax", "tokenize"]

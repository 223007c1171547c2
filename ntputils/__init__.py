"""The geometry that next-token prediction gives to words and contexts, computed from a text."""

from .claims import Claim, claim
from .contexts import count_contexts
from .corpus import load_corpus, load_labels, tokenize
from .families import all_subsets, cyclic_windows, fano_plane, from_sets, one_hot
from .proxy import ProxyVerdict, proxy_is_optimal
from .session import scale, session
from .svm import ConvergenceWarning, NTPSVMSolution, solve_ntp_svm
from .theory import (center, centered_support, factor, in_support_logits, ntp_gradient, ntp_loss, project_F,
                     project_F_perp, softmax)
from .types import Corpus, SoftLabels
from .ufm import PathPoint, Trajectory, lambda_max, optimality_gap, regularization_path, train_ufm

__version__ = "0.1.0"
__all__ = ["Claim", "ConvergenceWarning", "Corpus", "NTPSVMSolution", "PathPoint", "ProxyVerdict",
           "SoftLabels", "Trajectory", "all_subsets", "center", "centered_support", "claim", "count_contexts",
           "cyclic_windows", "factor", "fano_plane", "from_sets", "in_support_logits", "lambda_max",
           "load_corpus", "load_labels", "ntp_gradient", "ntp_loss", "one_hot", "optimality_gap", "project_F",
           "project_F_perp", "proxy_is_optimal", "regularization_path", "scale", "session", "softmax",
           "solve_ntp_svm", "tokenize", "train_ufm"]

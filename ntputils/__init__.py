"""The geometry that next-token prediction gives to words and contexts, computed from a text."""

from .agreement import Agreement, compare_geometries
from .argmax import ArgmaxVerdict, is_argmaxable
from .baselines import GloVe, pmi, smoothed_log_probabilities, svd_vectors, train_glove, train_sgns
from .bpe import BytePairTokenizer, bpe_tokenizer
from .candidates import candidate_geometries
from .claims import Claim, claim
from .closed_forms import (FlatWorld, StepGeometry, flat_world, separations, star_gram, star_weights, step_geometry,
                           subset_world)
from .collapse_measures import CollapseMeasures, collapse_measures
from .concepts import (ClassShare, Concepts, adjusted_rand, class_share, find_concepts, half_time, orthants,
                       shuffle_supports, square_loss_curve, subspace_overlap, word_classes)
from .contexts import count_contexts
from .corpus import load_corpus, load_labels, tokenize
from .face import OptimalFace, UniquenessVerdict, is_unique, optimal_face
from .families import all_subsets, cyclic_windows, fano_plane, from_sets, one_hot
from .groups import between_groups, group_floor
from .imbalance import AdjustedPoint, adjusted_minimum, zipf_exponent
from .linear import LinearSVMSolution, finite_part, project_F_lin, solve_linear_svm, train_linear
from .low_rank import LowRankSolution
from .masked import IndependentFill, fill_independently, mask_patterns, masked_labels, pool_labels
from .metrics import angle_signs, collapse_ratio, effective_rank, off_support_mass, project_leading
from .moment_curve import (MomentCurveEmbedding, embed_on_moment_curve, moment_curve, moment_curve_price,
                           separating_context, smallest_margin)
from .prediction import Prediction, predict
from .pretrained import LanguageModel, effective_supports, hidden_states, load_model
from .proxy import ProxyVerdict, proxy_is_optimal
from .questions import (AnalogyQuestions, RankAgreement, SimilarityRatings, analogy_questions, answer_analogies,
                        rank_agreement, similarity_ratings)
from .report import Report, geometry_report
from .sampling import continue_text, next_contexts, visits
from .session import scale, session
from .side_by_side import SideBySide
from .similarity import (Mantel, bootstrap_interval, cka, cosine_matrix, mantel, off_diagonal_correlation,
                         partial_mantel, procrustes_distance, structural_correlation, structural_null)
from .svm import ConvergenceWarning, NTPSVMSolution, solve_ntp_svm
from .theory import (center, centered_support, excess, factor, in_support_logits, ntp_gradient, ntp_loss, project_F,
                     project_F_perp, softmax)
from .types import Corpus, SoftLabels
from .ufm import PathPoint, Trajectory, lambda_max, optimality_gap, regularization_path, train_ufm

__version__ = "0.1.0"
__all__ = ["AdjustedPoint", "Agreement", "AnalogyQuestions", "ArgmaxVerdict", "BytePairTokenizer", "Claim", "ClassShare",
           "CollapseMeasures", "Concepts", "ConvergenceWarning", "Corpus", "FlatWorld", "GloVe", "IndependentFill",
           "LanguageModel", "LinearSVMSolution", "LowRankSolution", "Mantel", "MomentCurveEmbedding",
           "NTPSVMSolution", "NextTokenModel", "OptimalFace", "PathPoint", "Prediction", "ProxyVerdict",
           "RankAgreement", "Report", "SideBySide", "SimilarityRatings", "SoftLabels", "StepGeometry", "Trajectory",
           "UniquenessVerdict", "adjusted_minimum", "adjusted_rand", "all_subsets", "analogy_questions", "angle_signs",
           "answer_analogies", "between_groups", "bootstrap_interval", "bpe_tokenizer", "build_model",
           "candidate_geometries", "center", "centered_support", "cka", "claim", "class_share", "collapse_measures",
           "collapse_ratio", "compare_geometries", "context_words", "continue_text", "cosine_matrix",
           "count_contexts", "cyclic_windows", "effective_rank", "effective_supports", "embed_on_moment_curve",
           "excess", "factor", "fano_plane", "fill_independently", "find_concepts", "finite_part", "fit",
           "flat_world", "from_sets", "geometry_report", "group_floor", "half_time", "hidden_states",
           "in_support_logits", "is_argmaxable", "is_unique", "lambda_max", "load_corpus", "load_labels",
           "load_model", "mantel", "mask_patterns", "masked_labels", "moment_curve", "moment_curve_price",
           "next_contexts", "ntp_gradient", "ntp_loss", "off_diagonal_correlation", "off_support_mass", "one_hot",
           "optimal_face", "optimality_gap", "orthants", "partial_mantel", "pmi", "pool_labels", "predict",
           "procrustes_distance", "project_F", "project_F_lin", "project_F_perp", "project_leading",
           "proxy_is_optimal", "rank_agreement", "regularization_path", "scale", "separating_context",
           "separations", "session", "shuffle_supports", "similarity_ratings", "smallest_margin",
           "smoothed_log_probabilities", "softmax", "solve_linear_svm", "solve_ntp_svm", "square_loss_curve",
           "star_gram", "star_weights", "step_geometry", "structural_correlation", "structural_null",
           "subset_world", "subspace_overlap", "svd_vectors", "tokenize", "train_glove", "train_linear",
           "train_sgns", "train_ufm", "visits", "word_classes", "zipf_exponent"]

_NEED_TORCH = {"NextTokenModel": "models", "build_model": "models", "context_words": "models", "fit": "train"}


def __getattr__(name: str) -> object:
    """Models and their training are imported when they are asked for: nothing else here needs torch."""
    if name not in _NEED_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(f".{_NEED_TORCH[name]}", __name__), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError(f"ntputils.{name} needs torch, which is not installed: pip install torch") from error

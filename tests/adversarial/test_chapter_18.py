"""Chapter 18 under attack: odd tables of counts, large and tiny epsilons, other samplers, another half of the text."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse.linalg import svds

from ntputils import (Corpus, SoftLabels, centered_support, in_support_logits, load_corpus, one_hot, pmi, project_F,
                      rank_agreement, similarity_ratings, smoothed_log_probabilities, solve_ntp_svm, svd_vectors, train_glove,
                      train_sgns)

TABLES = {"random": np.random.default_rng(0).integers(0, 5, (6, 9)) + np.eye(6, 9), "one-hot": np.diag([5.0, 1, 1, 1000]),
          "one context": np.array([[3.0], [1], [0]]), "V = 2": np.array([[1.0, 0, 9], [0, 2, 1]]),
          "a chain": np.triu(np.ones((6, 5))), "one support": np.array([[1.0, 7, 2], [3, 1, 1], [0, 0, 0]]),
          "very uneven": np.array([[1e6, 0, 1], [1, 1, 0], [0, 3, 1e6]])}
PROPER = pytest.mark.parametrize("N", TABLES.values(), ids=TABLES)


def centred(A):
    return A - A.mean(axis=0)


# --- inside the supports ---

@PROPER
@pytest.mark.parametrize("kind", [float, np.float32, int])
def test_the_finite_part_is_pmi_and_frequency_of_any_table(N, kind):
    labels = SoftLabels.from_counts(N.astype(kind))
    S, joint = N > 0, N / N.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.log(joint) - np.log(joint.sum(axis=0)) - np.log(joint.sum(axis=1, keepdims=True))
        given = information + np.log(joint.sum(axis=1, keepdims=True))
    for A in (np.where(S, given, 0), np.where(S, np.log(N, where=S, out=np.zeros_like(N)), 0)):
        np.testing.assert_allclose(project_F(A, S).toarray(), in_support_logits(labels).toarray(), atol=1e-12)
    kept = N.any(axis=1)
    found = pmi(SoftLabels.from_counts(N[kept]), positive=False)
    np.testing.assert_allclose(found[S[kept]], information[S], atol=1e-12)
    assert np.all(np.isneginf(found[~S[kept]]))


# --- smoothing ---

@PROPER
@pytest.mark.parametrize("epsilon", [1e3, 1.0, 1e-8, 1e-300])
def test_smoothing_has_two_parts_at_every_epsilon(N, epsilon):
    S, logs = N > 0, np.log(N + epsilon)
    mean = np.where(S, logs, 0).sum(axis=0) / S.sum(axis=0)
    wanted = np.where(S, logs - mean, 0) + centred(S.astype(float)) * (mean - np.log(epsilon))
    found = centred(smoothed_log_probabilities(SoftLabels.from_counts(N), epsilon))
    np.testing.assert_allclose(found, wanted, atol=1e-12 * max(1, np.abs(wanted).max()))


@PROPER
def test_the_distance_to_the_proxy_has_the_constant_of_the_page_and_doubled_counts_that_of_half_epsilon(N):
    S = N > 0
    proxy = S - S.mean(axis=0)
    c = np.linalg.norm(centred(np.log(N, where=S, out=np.zeros_like(N)))) / np.linalg.norm(proxy)
    one, two = (smoothed_log_probabilities(SoftLabels.from_counts(k * N), k * 1e-9) for k in (1, 2))
    miss = np.linalg.norm(centred(one) / np.log(1e9) - proxy) / np.linalg.norm(proxy)
    assert miss * np.log(1e9) == pytest.approx(c, abs=1e-6)
    np.testing.assert_allclose(one, two, atol=1e-12)


def test_equal_counts_point_to_the_proxy_at_once_and_full_supports_to_nothing():
    S = np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1]])
    for epsilon in (10.0, 1e-3):
        found = centred(smoothed_log_probabilities(SoftLabels.from_counts(7 * S), epsilon))
        np.testing.assert_allclose(found, np.log(7 / epsilon + 1) * centered_support(S), atol=1e-12)
    full = SoftLabels.from_counts([[1, 2], [3, 1]])
    assert not centered_support(full.S).any()                          # no direction: the log-probabilities stay bounded
    assert np.abs(smoothed_log_probabilities(full, 1e-300)).max() < 2


# --- SGNS ---

def margins(S, cells):
    """Is it feasible for NTP-SVM: equal on supports, a margin of one?"""
    low = np.where(S, cells, np.inf).min(axis=0)
    high, off = np.where(S, cells, -np.inf).max(axis=0), np.where(S, -np.inf, cells).max(axis=0)
    return np.all(high - low < 1e-9) and np.all(low - off >= 1 - 1e-9)


def test_what_is_feasible_for_sgns_is_feasible_for_ntp_svm_and_not_conversely():
    rng = np.random.default_rng(0)
    for N in TABLES.values():
        S = N > 0
        L = np.where(S, 0, -1 - rng.exponential(size=S.shape))
        assert margins(S, L) and margins(S, solve_ntp_svm(S).L * (1 + 1e-6) + rng.normal(size=S.shape[1]))
        assert not np.allclose(np.where(S, solve_ntp_svm(S).L, 0), 0)


def sgns_factors(N, q, lam, rng, negatives=5):
    """Factors with the ridge lam, by L-BFGS, and their logits."""
    V, m = N.shape
    d = min(V, m)
    samples = negatives * np.outer(q, N.sum(axis=0))

    def objective(x):
        W, H = x[:V * d].reshape(V, d), x[V * d:].reshape(d, m)
        X = W @ H
        G = (samples / (1 + np.exp(-X)) - N / (1 + np.exp(X))) / lam
        value = np.sum(N * np.logaddexp(0, -X) + samples * np.logaddexp(0, X)) / lam + x @ x / 2
        return value, np.concatenate([(G @ H.T + W).ravel(), (W.T @ G + H).ravel()])

    x = minimize(objective, rng.normal(size=d * (V + m)), jac=True, method="L-BFGS-B",
                 options={"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-15, "gtol": 1e-7, "maxcor": 30}).x
    return x[:V * d].reshape(V, d) @ x[V * d:].reshape(d, m)


@pytest.mark.parametrize("q", [[1 / 3, 1 / 3, 1 / 3], [0.8, 0.1, 0.1]], ids=["unigram", "another sampler"])
def test_sgns_with_one_word_each_goes_to_the_matrix_of_the_exercise_whatever_the_sampler(q):
    """Change per unit of log(1/lambda): I - 11', at twice the norm of NTP-SVM's solution, which is not where it goes."""
    rng, V = np.random.default_rng(1), 3
    wanted = np.eye(V) - 1
    X, Y = (sgns_factors(np.diag([4.0, 4, 4]), np.array(q), lam, rng) for lam in (1e-3, 1e-5))
    change = (Y - X) / np.log(100)
    assert np.linalg.norm(change - wanted) / np.linalg.norm(wanted) < 0.05
    assert np.linalg.norm(wanted, "nuc") == pytest.approx(2 * solve_ntp_svm(np.eye(V)).primal)
    assert np.linalg.norm(change - (np.eye(V) - 1 / V)) / np.linalg.norm(wanted) > 0.5


@pytest.mark.parametrize("V, R", [(2, 1), (4, 1000)])
def test_free_logits_of_sgns_go_to_the_proxy_in_uneven_worlds(V, R):
    """Cell by cell the slope is zero where ridge x = N (1 - s) - samples s; the distance falls like one over the logarithm."""
    N, gone = np.diag([float(R)] + [1.0] * (V - 1)), []
    samples = 5 * np.outer(N.sum(axis=1) / N.sum(), N.sum(axis=0))
    for log_ridge in (-50, -600):
        low, high = np.full((V, V), -700.0), np.full((V, V), 700.0)
        for _ in range(80):
            x = (low + high) / 2
            up = np.exp(log_ridge) * x + samples / (1 + np.exp(-x)) > N / (1 + np.exp(x))
            low, high = np.where(up, low, x), np.where(up, x, high)
        gone.append(np.linalg.norm(centred(x) / -log_ridge - centered_support(N > 0)))
    assert gone[1] < 0.2 * gone[0] and gone[1] < 0.05


# --- the models on odd tables ---

@PROPER
def test_the_trained_models_take_odd_tables(N):
    labels = SoftLabels.from_counts(N)
    glove = train_glove(labels, d=1, rng=np.random.default_rng(0), steps=3)
    assert np.isfinite(glove.loss) and glove.W.shape == (len(N), 1)
    if N.sum() < 1e4:
        W, H = train_sgns(labels, d=1, seed=0, epochs=1)
        assert np.all(np.isfinite(H)) and np.array_equal(~W.any(axis=1), ~N.any(axis=1))


@pytest.mark.parametrize("A", [np.eye(5), one_hot([3, 1, 1]), np.ones((4, 3)), np.zeros((3, 4)),
                               np.float32([[2, 1], [1, 2], [0, 0]])],
                         ids=["equal sizes", "one-hot", "rank one", "zero", "float32"])
def test_vectors_of_degenerate_matrices_are_balanced_and_contexts_are_sums_of_words(A):
    for d in range(1, min(A.shape) + 1):
        W, H = svd_vectors(A, d)
        np.testing.assert_allclose(W.T @ W, H @ H.T, atol=1e-12)
        np.testing.assert_allclose(np.linalg.pinv(W.T @ W, rcond=1e-9) @ W.T @ A, H, atol=1e-7)
    np.testing.assert_allclose(W @ H, A, atol=1e-7)


@PROPER
def test_a_context_of_the_proxy_is_exactly_a_whitened_sum_of_its_next_words(N):
    """W is centred, so that the column of the supports does as well as that of the proxy."""
    S = N > 0
    for d in range(1, int(np.linalg.matrix_rank(centered_support(S))) + 1):
        W, H = svd_vectors(centered_support(S), d)
        np.testing.assert_allclose(np.linalg.solve(W.T @ W, W.T @ S), H, atol=1e-9)


# --- another half of the text ---

def test_in_another_half_of_the_chapters_ppmi_is_on_the_right_side_of_zero_and_within_chance():
    """What chapter 18 says of SimLex holds as a null; the sign of the correlation is that of the half."""
    kjv, rng = load_corpus("kjv"), np.random.default_rng(1)
    documents = kjv.doc_ids.max() + 1
    mask = (rng.permutation(documents) < documents // 2)[kjv.doc_ids]
    part = Corpus(kjv.tokens[mask], kjv.vocab, kjv.doc_ids[mask], "half", "", "")
    labels = SoftLabels.from_tokens(part, context_length=2, vocab_size=1500, max_contexts=800)
    labels = labels.restrict(range(labels.m))
    U, s, _ = svds(pmi(labels), k=50, random_state=0)
    W = U * np.sqrt(s)
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    asked = similarity_ratings("simlex", labels.vocab)
    one, other = asked.pairs.T
    found = rank_agreement([np.sum(W[one] * W[other], axis=1)], asked.ratings, rng=rng)
    assert found.r[0] > 0 and found.p[0] > 0.05

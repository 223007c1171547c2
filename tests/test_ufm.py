"""Oracles for the path and the training of NTP-UFM: closed forms, laws, a dual in plain formulas.

`plain_gap` recomputes the duality gap from probabilities alone; it shares no code with `ntputils.path`.
"""

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize

from ntputils import (ConvergenceWarning, SoftLabels, Trajectory, centered_support, in_support_logits,
                      lambda_max, ntp_gradient, ntp_loss, optimality_gap, project_F, regularization_path,
                      solve_ntp_svm, softmax, train_ufm)
from ntputils.ufm import _schedule

PHI = (1 + np.sqrt(5)) / 2
EXACT = 1e-8      # entries of L against a closed form, where they are of order 1 to 25
SHARP = 1e-11     # gap asked for where G itself is looked at: G errs as the root of the gap
DUAL = 1e-5       # so ||G||_2 may exceed 1 by this much (rounding L adds 1e-6 at lam = 1e-10)


def subsets(V, k):
    """Uniform labels over all k-subsets."""
    columns = [[float(v in c) for v in range(V)] for c in itertools.combinations(range(V), k)]
    return SoftLabels.from_counts(np.transpose(columns))


def cycle(V, weights):
    """Context j is followed by tokens j, j+1, ... with these weights."""
    C = np.zeros((V, V))
    for i, weight in enumerate(weights):
        C[(np.arange(V) + i) % V, np.arange(V)] = weight
    return SoftLabels.from_counts(C)


def random_labels(V, m, k, seed):
    rng = np.random.default_rng(seed)
    C = np.zeros((V, m))
    for j in range(m):
        support = rng.choice(V, rng.integers(1, k + 1), replace=False)
        C[support, j] = rng.integers(1, 5, len(support))
    return SoftLabels.from_counts(C)


def nuclear(L):
    return np.linalg.svd(L, compute_uv=False).sum()


def plain_gap(L, lam, labels):
    """(primal - dual) / (primal - entropy), the dual point a mixture of the data and softmax(L)."""
    P, q = labels.P.toarray(), softmax(L)
    norm = np.linalg.norm((P - q) * labels.pi, 2) / lam
    q = P + (q - P) / max(1.0, norm)
    assert np.linalg.norm((P - q) * labels.pi, 2) <= lam * (1 + 1e-12)
    primal, dual = ntp_loss(L, labels) + lam * nuclear(L), labels.pi @ -(q * np.log(q)).sum(axis=0)
    return (primal - dual) / (primal - labels.entropy())


@pytest.fixture(scope="module")
def labels():
    return random_labels(8, 9, 3, seed=1)


@pytest.fixture(scope="module")
def path(labels):
    return regularization_path(labels, np.geomspace(1e-2, 1e-10, 17), tol=SHARP)


@pytest.mark.parametrize("rank", [1, 2, 8])
def test_a_gap_is_never_below_the_true_excess(labels, path, rank):
    """The optimum of the path is known to 1e-12: no certificate may promise more, whatever the logits."""
    rng = np.random.default_rng(rank)
    for point in path[::4]:
        for size in (0.1, 1.0, 3.0):
            L = size * rng.normal(size=(labels.V, rank)) @ rng.normal(size=(rank, labels.m))
            L -= L.mean(axis=0)
            excess = (ntp_loss(L, labels) - point.loss) / point.lam + nuclear(L) - nuclear(point.L)
            excess /= nuclear(L) + (ntp_loss(L, labels) - labels.entropy()) / point.lam
            assert excess * (1 - 1e-9) <= optimality_gap(L, point.lam, labels)


# --- the path against what is known ---

@pytest.mark.parametrize(("V", "k"), [(4, 1), (4, 2), (5, 2), (5, 3), (6, 2)])
def test_the_exact_path_of_symmetric_supports(V, k):
    labels = subsets(V, k)
    S, m = centered_support(labels.S), labels.m
    sigma = np.linalg.norm(S, 2)
    assert lambda_max(labels) == pytest.approx(sigma / (k * m), rel=1e-12)
    for point in regularization_path(labels, np.geomspace(0.9 * sigma / (k * m), 1e-10, 12), tol=1e-14):
        a = np.log((V * sigma - (V - k) * k * m * point.lam) / (k**2 * m * point.lam))
        assert np.abs(point.L - a * S).max() <= EXACT


def test_zero_from_lambda_max_on_and_rank_one_just_below(labels):
    top = lambda_max(labels)
    U, s, Vt = np.linalg.svd(ntp_gradient(np.zeros(labels.P.shape), labels))
    assert top == pytest.approx(s[0], rel=1e-12) and s[1] < 0.95 * s[0]
    above, at, below = regularization_path(labels, [1.5 * top, top, 0.98 * top], tol=1e-12)
    assert not above.L.any() and not at.L.any() and above.residual < 1e-12 and at.residual < 1e-12
    values = np.linalg.svd(below.L, compute_uv=False)
    assert values[0] > 0.01 and values[1] < 1e-4 * values[0]
    assert -U[:, 0] @ below.L @ Vt[0] / values[0] > 0.99
    assert optimality_gap(np.zeros(labels.P.shape), 0.5 * top, labels) > 0.01


def test_every_point_is_certified_down_to_1e_10(labels):
    points = regularization_path(labels)
    assert len(points) == 30 and points[-1].lam == pytest.approx(1e-10)
    assert max(point.residual for point in points) <= 1e-8
    assert all(point.residual == optimality_gap(point.L, point.lam, labels) for point in points)


def test_the_residual_agrees_with_a_gap_in_plain_formulas(labels, path):
    for point in (p for p in path if p.lam > 1e-4):
        assert point.residual - 1e-9 <= plain_gap(point.L, point.lam, labels) <= 1e-4
        worse = 1.1 * point.L
        excess = (ntp_loss(worse, labels) - point.loss) / point.lam + nuclear(worse) - nuclear(point.L)
        excess /= nuclear(worse) + (ntp_loss(worse, labels) - labels.entropy()) / point.lam
        gap = optimality_gap(worse, point.lam, labels)
        assert excess * 0.999 <= gap <= plain_gap(worse, point.lam, labels) + 1e-9


def test_a_cold_start_and_any_order_give_the_same_points(labels, path):
    last, first = regularization_path(labels, [1e-10, 1e-2], tol=SHARP)
    for alone, point in ((last, path[-1]), (first, path[0])):
        assert alone.lam == point.lam
        assert np.abs(alone.L - point.L).max() <= 1e-3      # entries converge as the root of the gap
        assert alone.loss - point.loss == pytest.approx(0, abs=1e-4 * point.lam)


# --- the laws of the path ---

@pytest.mark.parametrize(("V", "m", "k", "seed", "at_1e_5"), [(5, 6, 3, 0, 0.01), (8, 9, 3, 1, 0.02)])
def test_the_excess_loss_over_lambda_tends_to_the_norm(V, m, k, seed, at_1e_5):
    labels = random_labels(V, m, k, seed)      # a limit in 1/log(1/lam), and the second problem is slow
    norm = solve_ntp_svm(labels.S, tol=1e-8).primal
    points = regularization_path(labels, [1e-5, 1e-8], tol=SHARP)
    errors = [abs((p.loss - labels.entropy()) / p.lam / norm - 1) for p in points]
    assert errors[0] < at_1e_5 and errors[1] < 0.01 and errors[1] < errors[0]


def test_rates(labels, path):
    lams = np.array([p.lam for p in path])
    L_in, S = in_support_logits(labels), labels.S
    far = np.array([np.linalg.norm((project_F(p.L, S) - L_in).toarray()) for p in path])
    use = (lams < 2e-3) & (lams > 1e-9)
    assert 0.95 <= np.polyfit(np.log(lams[use]), np.log(far[use]), 1)[0] <= 1.05
    S = S.toarray()
    low = [np.where(S, p.L, np.inf).min(axis=0) for p in path]
    high = [np.where(S, -np.inf, p.L).max(axis=0) for p in path]
    margins = np.subtract(low, high).min(axis=1)
    offset = np.array(margins) - np.log(1 / lams)
    assert np.ptp(offset[lams < 1e-4]) < 0.5 and np.abs(offset).max() < 5


def test_mass_outside_the_supports_is_below_lambda_times_the_norm(labels, path):
    best, S = solve_ntp_svm(labels.S, tol=1e-8), labels.S.toarray()
    for point in path:
        mass = labels.pi @ np.where(S, 0, softmax(point.L)).sum(axis=0)
        assert 0 < mass <= point.lam * best.primal * (1 + 1e-8)


def test_the_scaled_gradient_is_strictly_dual_feasible(labels, path):
    S = labels.S.toarray()
    for point in path:
        G = -ntp_gradient(point.L, labels) / point.lam
        assert np.linalg.norm(G, 2) <= 1 + DUAL
        assert np.where(S, -1, G).max() < 0
        assert np.abs(G.sum(axis=0)).max() <= DUAL
        assert np.sum(G * point.L) == pytest.approx(nuclear(point.L), rel=DUAL)


def test_vectors_are_balanced_and_logits_centred(labels, path):
    for p in path:
        assert p.W.shape == (labels.V, 7) and p.H.shape == (7, labels.m)
        assert np.abs(p.W.T @ p.W - p.H @ p.H.T).max() <= 1e-12 * nuclear(p.L)
        assert np.abs(p.W @ p.H - p.L).max() <= 1e-10
        assert np.abs(p.L.sum(axis=0)).max() <= 1e-12
        assert p.loss == pytest.approx(ntp_loss(p.L, labels), rel=1e-13)


def test_the_pentagon_stays_in_two_dimensions_where_the_edges_are_even():
    v, j = np.ogrid[:5, :5]
    wave = np.cos(2 * np.pi * (v - j - 0.5) / 5)
    for p in regularization_path(cycle(5, (1, 1)), [0.02, 1e-4, 1e-7, 1e-10], tol=SHARP):
        a = np.sum(wave * p.L) / np.sum(wave**2)
        assert np.abs(p.L - a * wave).max() < 2e-4 * a
        assert (p.L[0, 0] - p.L[3, 0]) / (p.L[0, 0] - p.L[2, 0]) == pytest.approx(PHI, abs=1e-3)


def test_the_pentagon_moves_towards_the_proxy_where_the_edges_are_uneven():
    points = regularization_path(cycle(5, (0.6, 0.4)), [1e-3, 1e-6, 1e-10], tol=SHARP)
    assert np.linalg.svd(points[-1].L, compute_uv=False)[3] > 0.1
    column = [p.L[:, 0] for p in points]                                   # support {0, 1}; 3 is opposite
    margins = [(x[:2].mean() - x[3]) / (x[:2].mean() - x[[2, 4]].mean()) for x in column]
    assert PHI - 0.01 > margins[0] > margins[1] > margins[2] > 1


# --- the trap, and dimensions below the full one ---

def naive_path(labels, lambdas):
    """What B.3 warns of: descent on (W, H), each ridge from the vectors of the one before."""
    start = regularization_path(labels, [lambdas[0]], tol=1e-12)[0]
    U, s, Vt = np.linalg.svd(start.L)
    r, d = int(np.sum(s > 1e-3 * s[0])), min(labels.V - 1, labels.m)
    W, H = np.zeros((labels.V, d)), np.zeros((d, labels.m))
    W[:, :r], H[:r] = U[:, :r] * np.sqrt(s[:r]), np.sqrt(s[:r])[:, None] * Vt[:r]
    x = np.concatenate([W.ravel(), H.ravel()])
    for lam in lambdas[1:]:
        def objective(x, lam=lam):
            W, H = x[:labels.V * d].reshape(-1, d), x[labels.V * d:].reshape(d, -1)
            G = ntp_gradient(W @ H, labels)
            value = ntp_loss(W @ H, labels) + lam / 2 * (x @ x)
            return value, np.concatenate([(G @ H.T + lam * W).ravel(), (W.T @ G + lam * H).ravel()])
        found = minimize(objective, x, jac=True, method="L-BFGS-B",
                         options={"maxiter": 3000, "ftol": 1e-15, "gtol": 1e-9})
        x = found.x
    return x[:labels.V * d].reshape(-1, d) @ x[labels.V * d:].reshape(d, -1), np.abs(found.jac).max()


def test_the_saddle_trap_catches_a_warm_start_and_not_the_path(labels):
    lambdas = lambda_max(labels) * np.array([0.98, 0.5, 0.2, 0.05])
    trapped, slope = naive_path(labels, lambdas)
    assert slope < 1e-4 and np.linalg.matrix_rank(trapped, tol=1e-6) == 1     # stationary, stuck at rank 1
    assert optimality_gap(trapped, lambdas[-1], labels) > 0.05
    assert np.linalg.norm(ntp_gradient(trapped, labels), 2) > 1.1 * lambdas[-1]
    free = regularization_path(labels, lambdas)[-1]
    assert free.residual <= 1e-8 and np.linalg.matrix_rank(free.L, tol=1e-2) > 1
    value = [ntp_loss(L, labels) + lambdas[-1] * nuclear(L) for L in (trapped, free.L)]
    assert value[1] < value[0] - 0.01


def test_fewer_dimensions_are_proved_enough_where_they_are():
    for p in regularization_path(cycle(5, (1, 1)), [1e-2, 1e-5], d=2, tol=1e-9):
        assert p.W.shape == (5, 2) and np.linalg.matrix_rank(p.L) == 2
        assert p.residual <= 1e-6


def test_fewer_dimensions_end_in_a_stationary_point_above_the_convex_optimum(labels):
    lams = [1e-2, 1e-4]
    for cut, free in zip(regularization_path(labels, lams, d=4), regularization_path(labels, lams)):
        G = -ntp_gradient(cut.L, labels) / cut.lam
        size = np.abs(cut.W).max()
        assert np.abs(cut.W - G @ cut.H.T).max() < 1e-4 * size
        assert np.abs(cut.H - cut.W.T @ G).max() < 1e-4 * size
        assert np.abs(cut.W.T @ cut.W - cut.H @ cut.H.T).max() < 1e-9 * size**2
        assert cut.loss + cut.lam * nuclear(cut.L) >= (free.loss + free.lam * nuclear(free.L)) * (1 - 1e-12)


def test_a_full_column_and_labels_without_zeros():
    full = SoftLabels.from_counts([[1, 4], [3, 1], [1, 1]])
    point = regularization_path(full, [1e-8])[0]
    assert point.residual <= 1e-8
    assert np.abs(point.L - in_support_logits(full).toarray()).max() < 1e-5
    flat = regularization_path(SoftLabels.from_counts([[1, 1], [1, 1]]))
    assert not any(p.L.any() for p in flat) and max(p.residual for p in flat) == 0
    mixed = SoftLabels.from_counts([[1, 4, 1], [3, 1, 0], [1, 1, 0]])
    for lambdas in ([1e-3], [1e-9], None):           # cold starts, where acceleration can overshoot
        assert max(p.residual for p in regularization_path(mixed, lambdas)) <= 1e-8


def test_the_path_refuses_what_it_cannot_do(labels):
    for bad in ([0.0], [-1.0], [np.nan], []):
        with pytest.raises(ValueError, match="lambdas"):
            regularization_path(labels, bad)
    with pytest.raises(ValueError, match="d: got 0"):
        regularization_path(labels, [0.1], d=0)
    with pytest.raises(ValueError, match="tol"):
        regularization_path(labels, [0.1], tol=0)
    with pytest.raises(ValueError, match="shape"):
        optimality_gap(np.zeros((2, 2)), 0.1, labels)
    with pytest.warns(ConvergenceWarning, match="gap"):
        regularization_path(labels, [1e-6], max_iter=1)


# --- training ---

def run(labels, seed=3, **options):
    settings = {"d": 4, "steps": 300, "lr": 1.0, "snapshots": 20} | options
    return train_ufm(labels, rng=np.random.default_rng(seed), **settings)


@pytest.mark.parametrize("options", [{}, {"ridge": 1e-3}, {"optimizer": "adam", "lr": 0.02}])
def test_the_loss_falls_and_a_seed_decides_everything(labels, options):
    a, b = run(labels, **options), run(labels, **options)
    assert a.steps[0] == 0 and a.steps[-1] == 300 and a.W.shape == (len(a.steps), 8, 4)
    assert np.all(np.diff(a.loss) < 0) and a.loss[-1] > labels.entropy()
    assert np.array_equal(a.W, b.W) and np.array_equal(a.H, b.H) and np.array_equal(a.loss, b.loss)
    assert a.loss == pytest.approx([ntp_loss(W @ H, labels) for W, H in zip(a.W, a.H)], rel=1e-12)
    assert not np.array_equal(a.W, run(labels, seed=4, **options).W)


def test_steps_are_those_of_the_formulas(labels):
    a = run(labels, ridge=0.1, snapshots=[1, 2], steps=2, lr=0.7)
    for W, H, W_next, H_next in zip(a.W, a.H, a.W[1:], a.H[1:]):
        G = ntp_gradient(W @ H, labels)
        assert W_next == pytest.approx(W - 0.7 * (G @ H.T + 0.1 * W), abs=1e-14)
        assert H_next == pytest.approx(H - 0.7 * (W.T @ G + 0.1 * H), abs=1e-14)
    b = run(labels, optimizer="adam", snapshots=[1, 2], steps=2, lr=0.01)
    g1, g2 = (ntp_gradient(b.W[i] @ b.H[i], labels) @ b.H[i].T for i in (0, 1))
    assert b.W[1] == pytest.approx(b.W[0] - 0.01 * g1 / (np.abs(g1) + 1e-8), abs=1e-12)
    first, second = (0.09 * g1 + 0.1 * g2) / (1 - 0.9**2), (0.999e-3 * g1**2 + 1e-3 * g2**2) / (1 - 0.999**2)
    assert b.W[2] == pytest.approx(b.W[1] - 0.01 * first / (np.sqrt(second) + 1e-8), abs=1e-12)


def test_ridge_training_ends_on_the_path(labels):
    lam = 0.02
    point = regularization_path(labels, [lam])[0]
    a = run(labels, d=8, steps=6000, lr=2.0, ridge=lam, snapshots=2)
    assert np.abs(a.W[-1] @ a.H[-1] - point.L).max() < 1e-4
    assert optimality_gap(a.W[-1] @ a.H[-1], lam, labels) < 1e-6


def test_a_trajectory_is_kept_and_checked(labels, tmp_path):
    a = run(labels)
    b = Trajectory.load(a.save(tmp_path / "run.npz"))
    assert b.settings == a.settings
    assert all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ("steps", "W", "H", "loss"))
    with pytest.raises(ValueError, match="W, H, loss"):
        Trajectory(a.steps[1:], a.W, a.H, a.loss, {})
    with pytest.raises(ValueError, match="cannot read"):
        Trajectory.load(tmp_path / "none.npz")


@pytest.mark.parametrize(("name", "options"), [
    ("d, steps", {"d": 0}), ("d, steps", {"steps": -1}), ("lr", {"lr": 0.0}), ("ridge", {"ridge": -1.0}),
    ("optimizer", {"optimizer": "sgd"}), ("snapshots", {"snapshots": [301]}),
    ("snapshots", {"snapshots": 1})])
def test_training_refuses_what_it_cannot_do(labels, name, options):
    with pytest.raises(ValueError, match=name):
        run(labels, **options)


def test_training_wants_a_generator_and_a_loss_that_is_finite(labels):
    with pytest.raises(TypeError, match="rng"):
        train_ufm(labels, d=2, steps=1, lr=1.0, rng=0)
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="lr"):
        run(labels, lr=1e300)


@pytest.mark.parametrize("snapshots, steps, kept", [
    (5, 1000, [0, 1, 10, 100, 1000]), (2, 1000, [0, 1, 1000]), (50, 3, [0, 1, 2, 3]), (4, 0, [0]), ([7, 2], 9, [0, 2, 7])])
def test_snapshots_are_log_spaced_or_those_that_are_asked_for(snapshots, steps, kept):
    assert _schedule(snapshots, steps).tolist() == kept


@pytest.mark.parametrize("snapshots", [[-1, 3], [3, 11], 1])
def test_snapshots_outside_of_the_run_are_refused(snapshots):
    with pytest.raises(ValueError, match="snapshots: got"):
        _schedule(snapshots, 10)


@pytest.mark.parametrize("options", [{"tol": 0.0}, {"max_iter": 0}])
def test_the_path_wants_a_tolerance_and_an_iteration(options):
    with pytest.raises(ValueError, match="tol, max_iter: got"):
        regularization_path(SoftLabels.from_counts([[1, 2], [1, 0]]), [1e-2], **options)

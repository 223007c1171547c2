"""Every claim of chapter 4, on small inputs, by independent code: honest input holds, perturbed fails."""

import numpy as np
import pytest

from ntputils import SoftLabels, claim, solve_ntp_svm

COVERED = {f"4.{i}" for i in range(1, 15)}
FOUR = np.array([[1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=bool)
L_FOUR = np.array([[5, 3, 3], [-1, 3, -3], [-1, -3, 3], [-3, -3, -3]]) / 6
R = np.sqrt(6)
LAM_FOUR = np.array([[4, 1, 1], [-2, 1 + R, 1 - R], [-2, 1 - R, 1 + R], [0, -3, -3]]) / (2 * R)
SIX = np.array([[z in s for s in [{1, 3, 4, 5}] * 4 + [{4, 6}] * 9 + [{6}]] for z in range(1, 7)])
WINDOWS = np.array([[(z - j) % 8 < 3 for j in range(8)] for z in range(8)])  # the proxy is far off


def rng():
    return np.random.default_rng(4)


def verdict(id_, measured):
    return claim(id_, measured).verdict


def nuclear(L):
    """The nuclear norm from the eigenvalues of a Gram matrix."""
    return np.sqrt(np.maximum(np.linalg.eigvalsh(L.T @ L), 0)).sum()


def centred(S):
    return S - S.mean(axis=0)


def certify(L, Lam, S):
    """Largest violation of either point, or the relative gap, pair by pair."""
    worst = max(0.0, np.sqrt(np.linalg.eigvalsh(Lam.T @ Lam).max()) - 1, np.abs(Lam.sum(axis=0)).max())
    for j, on in enumerate(S.T):
        for z in np.flatnonzero(on):
            for v in range(len(on)):
                worst = max(worst, abs(L[z, j] - L[v, j]) if on[v] else max(1 - L[z, j] + L[v, j], Lam[v, j]))
    return max(worst, abs(nuclear(L) - Lam[S].sum()) / nuclear(L))


def bent(A, size, at=(0, 0)):
    """A matrix with one entry moved."""
    B = A.copy()
    B[at] += size
    return B


def nearest(A, S):
    """The projection on the constraints, each column's value by bisection on the derivative."""
    X = A.copy()
    for j, on in enumerate(S.T):
        low, high = A[:, j].min() - 2, A[:, j].max() + 2
        for _ in range(60):
            s = (low + high) / 2
            slope = np.sum(s - A[on, j]) - np.maximum(A[~on, j] + 1 - s, 0).sum()
            low, high = (s, high) if slope < 0 else (low, s)
        X[on, j], X[~on, j] = s, np.minimum(A[~on, j], s - 1)
    return X


def test_4_2_a_bent_primal_or_dual_point_proves_nothing():
    assert verdict("4.2", certify(L_FOUR, LAM_FOUR, FOUR)) == "holds"
    assert verdict("4.2", certify(bent(L_FOUR, 1e-6), LAM_FOUR, FOUR)) == "fails"
    assert verdict("4.2", certify(L_FOUR, bent(LAM_FOUR, 1e-6), FOUR)) == "fails"
    assert verdict("4.2", certify(centred(FOUR), LAM_FOUR, FOUR)) == "fails"


def test_4_3_the_proxy_and_other_supports_have_other_values():
    exact = 1 + 2 * np.sqrt(2 / 3)

    def off_by(value):
        return abs(value - exact) / exact

    assert verdict("4.3", off_by(solve_ntp_svm(FOUR, tol=1e-8).primal)) == "holds"
    assert verdict("4.3", off_by(nuclear(centred(FOUR)))) == "fails"
    assert verdict("4.3", off_by(solve_ntp_svm(FOUR[:, :2]).primal)) == "fails"


def solved(S, tol=1e-6):
    solution = solve_ntp_svm(S, tol=tol)
    return solution.L, solution.certificate[:, solution.inverse], solution


def test_4_4_a_certificate_of_other_supports_or_a_loose_one_is_noticed():
    L, Lam, _ = solved(SIX)
    assert verdict("4.4", certify(L, Lam, SIX)) == "holds"
    assert verdict("4.4", certify(L, Lam[:, ::-1], SIX)) == "fails"
    assert verdict("4.4", certify(1.0001 * L, Lam, SIX)) == "fails"
    assert verdict("4.4", certify(centred(SIX), Lam, SIX)) == "fails"


def test_4_5_logits_that_are_feasible_and_not_centred_are_noticed():
    L, _, _ = solved(SIX)
    for logits, expected in ((L, "holds"), (L + 1e-3, "fails"), (SIX.astype(float), "fails")):
        assert verdict("4.5", np.abs(logits.sum(axis=0)).max()) == expected


def test_4_6_smaller_margins_go_below_the_bound():
    L, _, _ = solved(SIX)
    bound = 1 - SIX.sum(axis=0) / 6
    for logits, expected in ((L, "holds"), (0.9 * L, "fails"), (L - 0.5, "fails")):
        assert verdict("4.6", (logits - bound)[SIX].min()) == expected


def test_4_7_no_logit_off_the_support_is_positive_in_the_proxy_or_with_fewer_copies():
    def largest(L, S):
        return L[~S].max()

    assert verdict("4.7", largest(solved(SIX, tol=1e-10)[0], SIX)) == "holds"
    assert verdict("4.7", largest(centred(SIX), SIX)) == "fails"
    once = SIX[:, [0, 4, 13]]
    assert verdict("4.7", largest(solved(once)[0], once)) == "fails"


def test_4_8_one_more_token_in_a_support_changes_the_solution():
    counts = SIX * rng().integers(1, 100, size=SIX.shape)

    def change(other):
        return np.abs(solve_ntp_svm(SoftLabels.from_counts(other).S).L - solve_ntp_svm(SIX).L).max()

    assert verdict("4.8", change(counts)) == "holds"
    assert verdict("4.8", change(bent(counts, 1, at=(0, 13)))) == "fails"


def test_4_9_columns_of_equal_supports_that_differ_are_noticed():
    S = np.tile(FOUR, 2)
    Z = rng().normal(size=S.shape)
    for _ in range(400):
        X = nearest(Z, S)
        U, s, Vt = np.linalg.svd(2 * X - Z, full_matrices=False)
        Z = Z + 1.6 * ((U * np.maximum(s - 2, 0)) @ Vt - X)
    for logits, expected in ((X, "holds"), (bent(X, 0.1), "fails")):
        spread = np.abs(logits[:, :3] - logits[:, 3:]).max() / np.abs(logits).max()
        assert verdict("4.9", spread) == expected
    early = nearest(rng().normal(size=S.shape), S)
    assert verdict("4.9", np.abs(early[:, :3] - early[:, 3:]).max()) == "fails"


def test_4_10_values_outside_the_bracket_are_noticed():
    _, _, solution = solved(SIX)
    s = np.sqrt(np.maximum(np.linalg.eigvalsh(centred(SIX).T @ centred(SIX)), 0))
    lower, upper = s @ s / s.max(), s.sum()
    assert verdict("4.10", min(solution.primal / lower - 1, 1 - solution.dual / upper)) == "holds"
    assert verdict("4.10", 0.5 * lower / lower - 1) == "fails"
    assert verdict("4.10", 1 - nuclear(SIX.astype(float)) / upper) == "fails"


def test_4_11_unequal_columns_of_equal_supports_and_uncentred_logits_have_too_large_a_rank():
    bound = min(3, len({tuple(row) for row in SIX.tolist()}) - 1)

    def excess(L):
        return np.linalg.matrix_rank(L, tol=1e-9 * np.linalg.norm(L, 2)) - bound

    L = solved(SIX)[0]
    assert verdict("4.11", excess(L)) == "holds"
    assert verdict("4.11", excess(L + 1e-3 * rng().normal(size=L.shape))) == "fails"


def test_4_12_what_is_taken_off_by_another_step_is_no_certificate():
    S, Z = WINDOWS, rng().normal(scale=3, size=WINDOWS.shape)

    def violation(X):
        G = (X - Z) / np.linalg.norm(X - Z, 2)
        return max(np.abs(G.sum(axis=0)).max(), G[~S].max(), abs(np.sum(G * X) - G[S].sum()))

    X = nearest(Z, S)
    assert verdict("4.12", violation(X)) == "holds"
    assert verdict("4.12", violation(S.astype(float))) == "fails"
    assert verdict("4.12", violation(X + S * 1e-6)) == "fails"


def test_4_13_supports_that_nest_have_an_exact_proxy():
    chain = np.tril(np.ones((5, 4), dtype=bool))[::-1]
    for S, expected in ((WINDOWS, "holds"), (chain, "fails")):
        solution = solve_ntp_svm(S, tol=1e-8)
        assert verdict("4.13", nuclear(centred(S)) / solution.primal - 1) == expected


def test_4_1_other_logits_point_another_way():
    L = solved(WINDOWS)[0]

    def cosine(A):
        return np.sum(A * L) / np.linalg.norm(A) / np.linalg.norm(L)

    assert verdict("4.1", cosine(L + 0.05 * centred(WINDOWS))) == "holds"
    assert verdict("4.1", cosine(centred(np.roll(WINDOWS, 1, axis=0)))) == "fails"


@pytest.mark.parametrize("id_", sorted(COVERED))
def test_not_a_number_never_holds(id_):
    assert verdict(id_, np.nan) == "fails"


def test_4_14_needs_an_orthogonal_projector():
    g = rng()

    def largest(slant):
        found = []
        for _ in range(50):
            L, a = g.normal(size=(4, 5)), g.normal(size=(5, 2))
            b = a + slant * g.normal(size=(5, 2))  # a projector on the span of a, along that of b where they differ
            kept = L @ a @ np.linalg.inv(b.T @ a) @ b.T
            found.append((nuclear(kept) ** 2 + nuclear(L - kept) ** 2) / nuclear(L) ** 2)
        return max(found)

    assert verdict("4.14", largest(0)) == "holds"
    assert verdict("4.14", largest(1)) == "fails"

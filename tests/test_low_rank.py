"""NTP-SVM of limited rank: feasibility recomputed here, closed forms, and what is known to be impossible."""

import numpy as np
import pytest
from ntputils import (LowRankSolution, all_subsets, cyclic_windows, embed_on_moment_curve, from_sets, one_hot,
                      solve_ntp_svm)
from ntputils.low_rank import _longest_chain, solve_low_rank

FEASIBLE = 1e-8   # constraints are met to 1e-10 on the quotient; a factor for the scaling and for larger logits
VALUE = 1e-6      # local minima are reached to about the square of the violation


def prove(S, found, rank):
    """Feasible, of that rank, above the dual bound of the problem without limit, and the fields say so."""
    S, L = np.asarray(S, bool), found.L
    s = np.linalg.svd(L, compute_uv=False)
    assert np.sum(s > 1e-8 * s[0]) <= rank and found.rank == rank
    for column, on in zip(L.T, S.T, strict=True):
        assert np.ptp(column[on]) <= FEASIBLE
        assert on.all() or column[on].min() - column[~on].max() >= 1 - FEASIBLE
    G = found.certificate[:, found.inverse]
    assert np.linalg.norm(G, 2) <= 1 + 1e-9 and np.abs(G.sum(axis=0)).max() < 1e-9 and G[~S].max(initial=0) <= 1e-9
    assert found.primal == pytest.approx(s.sum(), rel=1e-9) and found.dual == pytest.approx(G[S].sum(), rel=1e-9)
    assert found.gap == pytest.approx(1 - found.dual / found.primal, abs=1e-9) and found.gap >= -1e-12


@pytest.mark.parametrize("V", [5, 8, 10])
def test_one_hot_in_two_dimensions_is_a_circle(V):
    found = solve_low_rank(np.eye(V, dtype=bool), 2, starts=2)
    prove(np.eye(V), found, 2)
    assert found.primal == pytest.approx(V / (1 - np.cos(2 * np.pi / V)), rel=VALUE)


def test_pairs_of_six_in_four_dimensions_cost_eight_roots_of_three():
    S = all_subsets(6, 2)
    found = solve_ntp_svm(S, rank=4)
    assert isinstance(found, LowRankSolution)
    prove(S, found, 4)
    assert found.primal == pytest.approx(8 * 3**0.5, rel=VALUE) and found.dual == pytest.approx(10, rel=1e-5)
    assert found.primal < embed_on_moment_curve(S).norm / 2
    assert "without the limit" in found.says and "not proved" in found.says and f"of {len(found.values)}" in found.says


def test_rank_that_is_no_limit_gives_the_solution_itself():
    S = cyclic_windows(8, 3)
    free = solve_ntp_svm(S)
    for rank in (7, 8, 100):
        found = solve_ntp_svm(S, rank=rank)
        np.testing.assert_allclose(found.L, free.L, atol=1e-12)
        assert found.gap <= 1e-6 and "optimal among all ranks" in found.says


def test_norms_fall_with_the_rank_and_end_at_the_solution():
    S = np.hstack([cyclic_windows(8, 3), cyclic_windows(8, 3)[:, :3], np.ones((8, 1), bool)])  # repeated, and full
    values = []
    for rank in (3, 4, 5):
        found = solve_low_rank(S, rank, starts=2)
        prove(S, found, rank)
        assert not found.L[:, -1].any()
        values.append(found.primal)
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(solve_ntp_svm(S).primal, rel=1e-4)


def test_the_seed_decides():
    S = all_subsets(8, 2)
    a, b = (solve_low_rank(S, 5, starts=2, seed=3) for _ in range(2))
    assert a.values == b.values and np.array_equal(a.L, b.L)
    assert len(solve_low_rank(S, 5, starts=0).values) == 2  # the truncated solution, and the moment curve


def test_a_chain_proves_that_a_rank_is_too_small():
    chain = from_sets([range(j + 1) for j in range(5)], 6)
    assert _longest_chain(chain) == 5
    for rank in (1, 4):
        with pytest.raises(ValueError, match="no feasible logits have rank below 5"):
            solve_ntp_svm(chain, rank=rank)
    prove(chain, solve_ntp_svm(chain, rank=5), 5)
    crossing = from_sets([{0, 1, 2}, {1, 2, 3}, {2, 3, 4}], 6)  # intersections count: {2} in {1,2} in {0,1,2}
    assert _longest_chain(crossing) == 3
    with pytest.raises(ValueError, match="below 3"):
        solve_ntp_svm(crossing, rank=2)


def test_what_is_not_found_is_said_and_not_called_impossible():
    with pytest.raises(RuntimeError, match="no proof that there are none.*= 4 dimensions always suffice"):
        solve_low_rank(all_subsets(6, 2), 3, starts=1)  # impossible, by Radon; the chain does not see it


@pytest.mark.parametrize(("call", "says"), [
    (lambda: solve_ntp_svm(np.eye(3), rank=0), "rank: got 0"),
    (lambda: solve_low_rank(np.eye(3), 0), "rank: got 0"),
    (lambda: solve_low_rank(np.eye(3), 1, starts=-1), "starts: got -1"),
    (lambda: solve_ntp_svm([[1, 0], [1, 0]], rank=1), "no next token")])
def test_bad_input_is_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_multiplicities_weigh():
    S = one_hot([5, 1, 1, 1])
    found = solve_low_rank(S, 2, starts=3)
    prove(S, found, 2)
    assert found.primal > solve_ntp_svm(S).primal


@pytest.mark.parametrize("S, rank", [(np.eye(6, dtype=bool), 2), (all_subsets(5, 2), 4), (cyclic_windows(7, 2), 3)])
def test_margins_are_at_least_one_and_no_less_by_rounding(S, rank):
    for column, on in zip(solve_low_rank(S, rank, starts=1).L.T, S.T, strict=True):
        assert column[on].min() - column[~on].max() >= 1

"""The parts of the NTP-SVM solver one by one: its two exact steps, when it looks at the gap, and what it computes with."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from ntputils import all_subsets, fano_plane, from_sets, one_hot, solve_ntp_svm, svm

FIRST_FAILURE = from_sets([{0}, {0, 1}, {0, 2}], 4)


def drawn(V, u, seed):
    """Supports of 2 to 6 tokens with Zipf weights of exponent 0.8, each of 1 to 12 contexts: not the proxy's own problem."""
    rng = np.random.default_rng(seed)
    weights = np.arange(1.0, V + 1) ** -0.8
    sets = [rng.choice(V, rng.integers(2, 7), replace=False, p=weights / weights.sum()).tolist() for _ in range(u)]
    return np.repeat(from_sets(sets, V), rng.integers(1, 13, u), axis=1)


def spy(monkeypatch, owner, name, tell):
    """Calls `tell` with the arguments of every call of a function, and lets the function do its work."""
    work = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *given: [tell(*given), work(*given)][1])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sets(st.integers(0, 5), min_size=1), min_size=1, max_size=5), st.integers(0, 2**32))
def test_the_projection_is_the_nearest_feasible_point(sets, seed):
    """In a column with in-support value s the rest is cut at s - 1: the best s is a zero of a rising function, found by bisection."""
    S, rng = from_sets(sets, 6), np.random.default_rng(seed)
    A, rows = rng.normal(scale=2, size=S.shape), rng.integers(1, 4, len(S))
    found = svm._project(A, svm._quotient(S, rows, np.ones(S.shape[1]), None))
    for a, inside, x in zip(A.T, S.T, found.T):
        def slope(s, a=a, inside=inside):
            return np.sum(rows * np.where(inside, s - a, np.minimum(s - 1 - a, 0)))

        s = brentq(slope, a.min() - 1, a.max() + 2, xtol=1e-13)
        assert np.allclose(x, np.where(inside, s, np.minimum(a, s - 1)), rtol=0, atol=1e-10)


@pytest.mark.parametrize("shape", [(3, 7), (7, 3)])
def test_singular_values_are_shrunk_and_bounded_through_the_smaller_side(shape):
    sizes = []

    def on(decompose):
        return lambda M: [sizes.append(M.shape), decompose(M)][1]

    xp = SimpleNamespace(sqrt=np.sqrt, max=np.max, linalg=SimpleNamespace(eigh=on(np.linalg.eigh), eigvalsh=on(np.linalg.eigvalsh)))
    A = np.random.default_rng(0).normal(size=shape)
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    step = (s[1] + s[2]) / 2
    assert np.allclose(svm._shrink(A, step, xp), U * np.maximum(s - step, 0) @ Vt, rtol=0, atol=1e-10)
    assert s[0] <= svm._spectral_norm(A, xp) <= s[0] * (1 + 1e-11)
    assert svm._spectral_norm(0 * A, xp) > 0 and sizes == [(3, 3)] * 3


@pytest.mark.parametrize("S", [one_hot((1, 2, 3, 4, 20)), all_subsets(6, 2), fano_plane(), np.tri(6, 5)])
def test_an_optimal_proxy_is_proved_at_the_first_look(S):
    """The iteration starts at the proxy and its polar factor, which certifies it: nothing is left to do."""
    assert solve_ntp_svm(S, tol=1e-9).iterations == 1


@pytest.mark.parametrize("tol", [1e-4, 1e-6])
def test_looks_at_the_gap_are_few_and_none_comes_late(tol, monkeypatch):
    """Against a solver that looks after each iteration: at most two more, for a quarter of the looks.

    When written, at most one more, and a sixth of the looks.
    """
    S, looks = drawn(104, 60, 0), []
    spy(monkeypatch, svm._Best, "look", lambda *given: looks.append(1))
    found = solve_ntp_svm(S, tol=tol)
    assert 20 < found.iterations and len(looks) <= found.iterations / 4
    monkeypatch.setattr(svm, "_CHECK", 1)
    assert found.iterations <= solve_ntp_svm(S, tol=tol).iterations + 2


def test_the_solver_looks_at_the_gap_after_so_many_iterations_at_the_latest(monkeypatch):
    events = []
    spy(monkeypatch, svm, "_shrink", lambda *given: events.append("."))
    spy(monkeypatch, svm._Best, "look", lambda *given: events.append("look"))
    monkeypatch.setattr(svm, "_CHECK", 3)
    solve_ntp_svm(drawn(40, 30, 1))
    between = "".join(events).split("look")[1:-1]
    assert len(between) > 5 and max(map(len, between)) <= 3


@pytest.mark.parametrize(("device", "library"), [(None, "numpy"), ("cpu", "torch")])
def test_a_device_means_torch_and_none_means_numpy(device, library, monkeypatch):
    used = []
    spy(monkeypatch, svm, "_iterate", lambda q, *rest: used.append(q.xp.__name__))
    solve_ntp_svm(FIRST_FAILURE, device=device)
    assert len(used) == 1 and used[0].endswith(library)


def test_iterations_and_seconds_are_those_that_were_spent():
    began = time.perf_counter()
    solution = solve_ntp_svm(drawn(20, 8, 2))
    assert solution.iterations >= 1 and 0 < solution.seconds <= time.perf_counter() - began
    assert solve_ntp_svm(np.ones((3, 2))).iterations == 0                   # full columns alone: nothing to solve

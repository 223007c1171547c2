"""Oracles for `ntputils.theory`: explicit bases, torch's autograd and losses, brute force over all in-support pairs."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ntputils import (SoftLabels, center, centered_support, excess, factor, in_support_logits, ntp_gradient, ntp_loss,
                      project_F, project_F_perp, softmax)

ROUNDING = 1e-12  # float64 sums of at most a few dozen terms of order 10


@st.composite
def counts_matrices(draw):
    """Random counts (V, m) in which every context has a next token."""
    shape = draw(st.tuples(st.integers(2, 7), st.integers(1, 6)))
    counts = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 4)))
    for j in np.flatnonzero(counts.sum(axis=0) == 0):
        counts[draw(st.integers(0, shape[0] - 1)), j] = 1
    return counts


@st.composite
def problems(draw):
    """Soft labels and logits of their shape."""
    labels = SoftLabels.from_counts(draw(counts_matrices()))
    logits = hnp.arrays(np.float64, labels.P.shape, elements=st.floats(-10, 10, allow_subnormal=False))
    return labels, draw(logits)


def explicit_projector(support: np.ndarray) -> np.ndarray:
    """The projector on span{e_z - e_z'} over a support, from its definition: an orthonormal basis of the differences."""
    V, inside = len(support), np.flatnonzero(support)
    if len(inside) < 2:
        return np.zeros((V, V))
    differences = np.zeros((V, len(inside) - 1))
    differences[inside[0]] = 1
    differences[inside[1:], range(len(inside) - 1)] = -1
    basis = np.linalg.qr(differences)[0]
    return basis @ basis.T


@given(problems())
def test_project_F_is_the_projection_on_the_span_of_in_support_differences(problem):
    labels, L = problem
    S = labels.S.toarray()
    expected = np.column_stack([explicit_projector(S[:, j]) @ L[:, j] for j in range(labels.m)])
    assert np.allclose(project_F(L, S).toarray(), expected, rtol=0, atol=1e-10)
    assert np.allclose(project_F(sp.csc_array(L), labels.S).toarray(), expected, rtol=0, atol=1e-10)
    assert np.allclose(project_F_perp(L, S), L - expected, rtol=0, atol=1e-10)


@given(problems())
def test_in_support_logits_have_the_log_odds_as_differences_and_lie_in_F(problem):
    labels, _ = problem
    P, found = labels.P.toarray(), in_support_logits(labels).toarray()
    for j in range(labels.m):
        inside = np.flatnonzero(P[:, j])
        for z in inside:
            for other in inside:
                assert abs(found[z, j] - found[other, j] - np.log(P[z, j] / P[other, j])) < ROUNDING
    assert np.all(found[P == 0] == 0)
    assert np.allclose(found.sum(axis=0), 0, atol=ROUNDING)


@given(problems())
def test_loss_and_gradient_agree_with_torch(problem):
    labels, L = problem
    logits = torch.tensor(L.T, requires_grad=True)
    targets = torch.tensor(labels.P.toarray().T)
    per_context = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    loss = (torch.tensor(np.array(labels.pi)) * per_context).sum()
    loss.backward()
    assert abs(ntp_loss(L, labels) - loss.item()) < 1e-10
    assert np.allclose(ntp_gradient(L, labels), logits.grad.numpy().T, rtol=0, atol=ROUNDING)
    assert np.allclose(softmax(L), torch.softmax(logits.detach(), dim=1).numpy().T, rtol=0, atol=ROUNDING)


@given(problems())
def test_loss_is_the_entropy_plus_a_divergence(problem):
    labels, L = problem
    P, Q = labels.P.toarray(), softmax(L)
    divergence = np.sum(labels.pi * np.sum(np.where(P > 0, P * np.log(np.where(P > 0, P, 1) / Q), 0), axis=0))
    assert abs(ntp_loss(L, labels) - labels.entropy() - divergence) < 1e-10


@given(problems())
def test_excess_is_what_leaving_the_supports_costs_and_a_divergence_within_them(problem):
    """Both parts by loops over the definition; their sum is the loss above the entropy."""
    labels, L = problem
    P, off, within = labels.P.toarray(), 0.0, 0.0
    for j, share in enumerate(labels.pi):
        inside = np.flatnonzero(P[:, j])
        mass = [np.exp(L[z, j] - L[:, j].max()) for z in range(labels.V)]
        stays = sum(mass[z] for z in inside)
        off += share * np.log((stays + sum(mass[z] for z in range(labels.V) if z not in inside)) / stays)
        within += share * sum(P[z, j] * np.log(P[z, j] / (mass[z] / stays)) for z in inside)
    found = excess(L, labels)
    assert found == pytest.approx((off, within), rel=0, abs=ROUNDING)
    assert sum(found) == pytest.approx(ntp_loss(L, labels) - labels.entropy(), rel=0, abs=1e-10)


@pytest.mark.parametrize("shift", [-1e9, 1e9])
def test_excess_keeps_its_digits_where_logits_are_large(shift):
    """A constant on a column changes nothing: 1e9 leaves differences of one half exact."""
    labels = SoftLabels.from_counts([[3, 1], [1, 0], [0, 2]])
    L = np.array([[1.5, 0.0], [0.5, -30.0], [-40.0, 0.5]])
    assert excess(L + shift, labels) == pytest.approx(excess(L, labels), rel=ROUNDING, abs=0)


def test_loss_survives_huge_logits():
    labels = SoftLabels.from_counts([[1], [0]])
    assert ntp_loss([[1e4], [-1e4]], labels) == 0.0
    assert ntp_loss([[-1e4], [1e4]], labels) == 2e4


@given(counts_matrices())
def test_centered_support_entries_are_those_of_the_formula(counts):
    S = counts > 0
    V = len(S)
    share = S.sum(axis=0) / V
    assert np.allclose(centered_support(S), np.where(S, 1 - share, -share), atol=ROUNDING)
    assert np.allclose(center(S), (np.eye(V) - 1 / V) @ S, atol=ROUNDING)


@settings(deadline=None)
@given(problems())
def test_factor_is_balanced_and_of_least_norm(problem):
    _, L = problem
    W, H = factor(L)
    nuclear = np.linalg.svd(L, compute_uv=False).sum()
    assert np.allclose(W @ H, L, atol=1e-9)
    assert np.allclose(W.T @ W, H @ H.T, atol=1e-9)
    assert abs(0.5 * (np.sum(W**2) + np.sum(H**2)) - nuclear) < 1e-9 * max(1, nuclear)
    assert W.shape[1] == H.shape[0] <= min(L.shape)


def test_factor_drops_the_null_space():
    W, H = factor(np.outer([1.0, 2, 3], [1.0, -1]))
    assert W.shape == (3, 1) and H.shape == (1, 2)


@pytest.mark.parametrize("size", [1e-20, 1.0, 1e20])
def test_factor_judges_singular_values_by_the_largest(size):
    assert factor(size * np.diag([1.0, 1e-6, 0.0]))[0].shape == (3, 2)
    assert factor(size * np.diag([1.0, 1e-6, 0.0]), tol=1e-5)[0].shape == (3, 1)


def test_factor_of_zero_has_no_columns():
    W, H = factor(np.zeros((3, 2)))
    assert W.shape == (3, 0) and H.shape == (0, 2)


@pytest.mark.parametrize("dtype", [bool, int])
def test_stored_zeros_and_entries_stored_twice_are_read_as_dense_matrices_are(dtype):
    L, S = np.arange(6.0).reshape(3, 2), np.array([[1, 0], [1, 1], [0, 1]], dtype=bool)
    zero = sp.csc_array((np.array([1, 1, 0, 1, 1], dtype), [0, 1, 2, 1, 2], [0, 3, 5]), shape=(3, 2))
    expected = project_F(L, S).toarray()
    assert np.array_equal(project_F(L, zero).toarray(), expected)
    assert np.array_equal(centered_support(zero), centered_support(S))
    assert np.array_equal(zero.indptr, [0, 3, 5])                           # what was given stays as it was
    if dtype is bool:                                                       # twice True is True, twice 1 would be 2
        twice = sp.csc_array((np.ones(5, bool), [0, 1, 1, 1, 2], [0, 3, 5]), shape=(3, 2))
        assert np.array_equal(project_F(L, twice).toarray(), expected) and twice.nnz == 5


@pytest.mark.parametrize(("call", "message"), [
    (lambda: centered_support([1, 0, 1]), r"S: got 1 axes, want a matrix \(V, m\)"),
    (lambda: centered_support([[-1, 1], [1, 1]]), "entries other than 0 and 1"),
    (lambda: centered_support([[1, 0], [1, 0]]), "context with no next token"),
    (lambda: centered_support([[2, 1]]), "entries other than 0 and 1"),
    (lambda: centered_support(np.zeros((0, 3))), "at least one token"),
    (lambda: project_F(np.zeros((3, 2)), [[1, 1], [1, 0]]), r"L: got shape \(3, 2\), want \(V, m\) = \(2, 2\)"),
    (lambda: project_F(sp.csc_array(np.zeros((3, 2))), [[1, 1], [1, 0]]), r"L: got shape \(3, 2\)"),
    (lambda: ntp_loss(np.zeros((2, 1)), SoftLabels.from_counts([[1, 1], [0, 1]])), "words by contexts"),
    (lambda: factor(np.array([[np.nan]])), "want a finite matrix"),
    (lambda: factor(np.zeros(3)), "want a finite matrix"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

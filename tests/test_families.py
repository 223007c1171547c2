"""Families of supports: against brute force, and their error messages."""

import itertools

import numpy as np
import pytest
from ntputils import all_subsets, cyclic_windows, fano_plane, from_sets, one_hot


@pytest.mark.parametrize(("V", "k"), [(1, 1), (4, 2), (5, 3), (6, 6)])
def test_all_subsets_are_the_words_of_weight_k(V, k):
    by_mask = {mask for mask in itertools.product((0, 1), repeat=V) if sum(mask) == k}
    S = all_subsets(V, k)
    assert {tuple(column) for column in S.T.astype(int)} == by_mask and S.shape[1] == len(by_mask)


def test_several_sizes_stand_side_by_side():
    assert np.array_equal(all_subsets(5, (1, 3)), np.hstack([all_subsets(5, 1), all_subsets(5, 3)]))


def test_windows_turn_the_circle():
    S = cyclic_windows(7, 3)
    for j in range(7):
        assert np.array_equal(np.roll(S[:, 0], j), S[:, j])
    assert cyclic_windows(4, 4).all()


def test_fano_is_a_projective_plane():
    S = fano_plane().astype(int)
    assert np.array_equal(S @ S.T, 2 * np.eye(7) + 1) and np.array_equal(S.T @ S, 2 * np.eye(7) + 1)


def test_one_hot_counts():
    assert one_hot([2]).tolist() == [[True, True]]
    S = one_hot([3, 0, 2])
    assert S.sum(axis=1).tolist() == [3, 0, 2] and (S.sum(axis=0) == 1).all()


@pytest.mark.parametrize(("call", "message"), [
    (lambda: from_sets([], 3), "sets: got none"),
    (lambda: from_sets([{0}, set()], 3), "set 1 is empty"),
    (lambda: from_sets([{0, 3}], 3), "from 0 to V - 1 = 2"),
    (lambda: from_sets([{-1}], 3), "from 0 to V - 1 = 2"),
    (lambda: from_sets([{0}], 0), "V: got 0"),
    (lambda: all_subsets(4, 5), "k: got 5"),
    (lambda: all_subsets(4, 0), "k: got 0"),
    (lambda: all_subsets(60, 30), "more than 1000000 subsets"),
    (lambda: cyclic_windows(5, 6), "k: got 6"),
    (lambda: cyclic_windows(0, 1), "V: got 0"),
    (lambda: one_hot([]), "counts: got"),
    (lambda: one_hot(np.zeros(0, int)), "counts: got"),
    (lambda: one_hot([0, 0]), "sets: got none"),
    (lambda: one_hot([1, -1]), "none below zero"),
    (lambda: one_hot([1.5]), "whole numbers"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

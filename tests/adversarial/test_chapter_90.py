"""The reproduction report under attack: its typed numbers against each other, other draws, other sizes of its nulls."""

import itertools
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ntputils import SideBySide, cosine_matrix, structural_correlation, structural_null


def entropy(counts):
    p = np.array(counts) / sum(counts)
    return -np.sum(p * np.log(p))


def page_text():
    folder = Path(__file__).resolve().parents[2] / "notebooks"
    return (folder / "90_reproduction_report.py").read_text(encoding="utf-8")


def test_quotients_of_the_authors_norms_are_those_of_the_columns_beside_them():
    rows = re.findall(r"\| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", page_text(), flags=re.M)
    assert len(rows) == 5
    for frobenius, nuclear, quotient in rows:
        assert f"{float(nuclear) / float(frobenius):.2f}" == quotient


def test_counts_of_the_authors_formulation_follow_from_one_another():
    V, m, pairs = 104, 403, 2034
    text = page_text()
    for number in (V * m, m * (V - 1), pairs - m):
        assert f"{number:_}" in text or str(number) in text
    assert round(pairs / m, 2) == 5.05


def test_the_recorded_supports_have_three_words_each():
    recorded = re.search(r'RECORDED = """(.*?)"""', page_text(), flags=re.S).group(1).replace("\n", "|").split("|")
    sets = [frozenset(one.split()) for one in recorded]
    assert len(sets) == 16 and {len(s) for s in sets} == {3} and len(set(sets)) == 14


def test_no_draw_of_ones_and_twos_has_the_reported_entropy_and_draws_up_to_four_do():
    low = {most: min(entropy(c) for c in itertools.product(range(1, most + 1), repeat=3)) for most in (2, 3, 4)}
    assert low[2] > 1.0166 > low[3] > low[4]
    rng = np.random.default_rng(0)
    for _ in range(200):                                   # the entropy of a set is a mean over its contexts
        counts = rng.integers(1, 3, (16, 3))
        mean = np.average([entropy(c) for c in counts], weights=counts.sum(axis=1))
        assert low[2] <= mean <= np.log(3)


def test_seventy_two_sentences_are_what_ones_and_twos_give_and_not_what_ones_to_fours_give():
    chance = {}
    for most in (2, 4):
        sums = Counter({0: 1.0})
        for _ in range(48):
            sums = sum((Counter({n + k: p / most for n, p in sums.items()}) for k in range(1, most + 1)), Counter())
        chance[most] = sum(p for n, p in sums.items() if n <= 72)
        mean = sum(n * p for n, p in sums.items())
        spread = np.sqrt(sum((n - mean)**2 * p for n, p in sums.items()))
        assert mean == pytest.approx(48 * (1 + most) / 2)
    assert chance[2] > 0.5 and chance[4] < 1e-9 and spread == pytest.approx(7.75, abs=0.01)


def test_the_decay_of_the_authors_is_that_small():
    assert 1 - (1 - 1e-4 * 1e-6)**50_000 == pytest.approx(5e-6, rel=1e-4)


@pytest.mark.parametrize("n, d", [(50, 1), (200, 2), (20, 200), (100, 100)])
def test_unrelated_vectors_score_what_the_theory_says_at_other_sizes(n, d):
    rng = np.random.default_rng(n)
    found = np.mean([structural_correlation(*(cosine_matrix(rng.normal(size=(d, n))) for _ in range(2))) for _ in range(12)])
    assert found == pytest.approx(structural_null(n, d), abs=0.03)


@pytest.mark.parametrize("value, shown", [(-0.0, "0"), (float("nan"), "nan"), (float("inf"), "inf"), (np.int64(1234), "1,234"),
                                          (np.float32(0.1), "0.1"), ("not reported", "not reported"), (1e20, "1e+20")])
def test_odd_values_in_a_table(value, shown):
    table = SideBySide()
    table.add("<b>", value, value, "a & b")
    assert repr(table) == f"<b>: {shown} there, {shown} here (a & b)"
    assert "&lt;b&gt;" in table._repr_html_() and "a &amp; b" in table._repr_html_()


@pytest.mark.parametrize("S, exact", [(np.eye(5), True), (np.repeat([[1], [0], [0]], 4, axis=1), True),
                                      (np.array([[1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]]), False)],
                         ids=["one-hot", "one support", "where the proxy fails"])
def test_ranks_and_distances_of_other_supports(page, S, exact):
    page(90).of_supports.__globals__["norm"] = np.linalg.norm
    found = page(90).of_supports(S)
    assert found["rank"] == found["proxy rank"] == np.linalg.matrix_rank(S - S.mean(axis=0))
    assert (found["apart"] < 1e-4) == exact and found["norm"] <= found["proxy norm"] * (1 + 1e-9)

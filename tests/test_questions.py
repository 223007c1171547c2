"""Ratings and analogies: against the files as they lie, SciPy, and answers found by hand."""

import subprocess
import sys
from pathlib import Path

import gensim
import numpy as np
import pytest
from scipy import stats

from ntputils import RankAgreement, analogy_questions, answer_analogies, rank_agreement, similarity_ratings

DATA = Path(gensim.__file__).parent / "test" / "test_data"


def test_whole_sets_have_their_published_sizes():
    lines = [line for line in (DATA / "simlex999.txt").read_text().splitlines() if line[0] != "#"]
    words = {w for line in lines for w in line.lower().split("\t")[:2]}
    assert len(words) == 1028
    found = similarity_ratings("simlex", sorted(words))
    assert len(found.pairs) == found.total == 999 and found.ratings.shape == (999,)
    everything = sorted({w for line in (DATA / "questions-words.txt").read_text().lower().splitlines() for w in line.split()})
    asked = analogy_questions(everything)
    assert len(asked.words) == asked.total == 19_544 and len(asked.sections) == 14


def test_pairs_and_ratings_belong_together():
    vocab = ["tiger", "cat", "old", "new"]
    lines = dict((tuple(line.lower().split("\t")[:2]), float(line.split("\t")[2]))
                 for line in (DATA / "wordsim353.tsv").read_text().splitlines() if not line.startswith("#"))
    found = similarity_ratings("wordsim", vocab)
    assert [tuple(vocab[z] for z in pair) for pair in found.pairs] == [("tiger", "cat")]   # not tiger with itself
    assert found.ratings.tolist() == [lines["tiger", "cat"]]
    assert len(similarity_ratings("simlex", ["zzz"]).pairs) == 0
    with pytest.raises(KeyError, match="'simlex', 'wordsim'"):
        similarity_ratings("men", vocab)


def test_analogies_are_answered_by_geometry_and_never_by_the_question():
    rng = np.random.default_rng(0)
    W = rng.normal(size=(40, 20))
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    asked = rng.integers(40, size=(15, 3))
    for (a, b, c), answer in zip(asked, answer_analogies(W, asked)):
        best = max((z for z in range(40) if z not in (a, b, c)), key=lambda z: unit[z] @ (unit[b] - unit[a] + unit[c]))
        assert answer == best
    square = np.array([[1, 0, 1.0], [1, 1, 1], [-1, 0, 1], [-1, 1, 1], [0, 0, -1]])   # 0 : 1 = 2 : 3
    assert answer_analogies(square, [[0, 1, 2, 3], [2, 3, 0, 1]]).tolist() == [3, 1]
    assert answer_analogies(np.vstack([square, np.zeros(3)]), [[0, 1, 2]]).tolist() == [3]
    with pytest.raises(ValueError, match="rows of W"):
        answer_analogies(square, [[0, 1, 9]])
    with pytest.raises(ValueError, match="W: got shape"):
        answer_analogies(square[0], [[0, 1, 2]])


def test_rank_agreement_is_scipys_with_a_fair_null():
    rng = np.random.default_rng(1)
    ratings = rng.normal(size=60).round(1)
    scores = np.stack([ratings + rng.normal(size=60), rng.normal(size=60), -ratings, np.zeros(60)])
    found = rank_agreement(scores, ratings, rng=rng)
    wanted = [stats.spearmanr(one, ratings).statistic for one in scores[:3]]
    np.testing.assert_allclose(found.r, [*wanted, 0.0], rtol=0, atol=1e-12)
    assert found.p[0] == 0.001 and found.p[1] > 0.01 and found.p[2] == 1.0
    low, high = found.interval().T
    assert low[0] < found.r[0] < high[0] and low[0] > 0 and low[1] < 0.3
    differ = found.differ()
    assert differ[0, 2] and differ[2, 0] and not differ.diagonal().any()
    width = stats.bootstrap((scores[0], ratings), lambda a, b: stats.spearmanr(a, b).statistic, paired=True, method="percentile",
                            n_resamples=999, vectorized=False, rng=np.random.default_rng(0)).confidence_interval
    assert found.interval()[0] == pytest.approx([width.low, width.high], abs=0.06)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_geometries_differ_where_nearly_all_resampled_differences_have_one_sign(level):
    """Three pairs share what may go wrong, each on two sides; the share of one sign stands just at that, or just short of it."""
    n, tail = 6000, (1 - level) / 6
    base = np.zeros(n)
    for share, differ in ((0.9 * tail, True), (1.1 * tail, False)):
        other = np.where(np.arange(n) < share * n, 1.0, -1.0)
        found = RankAgreement(np.zeros(3), np.ones(3), np.stack([base, other, base]))
        assert found.differ(level)[0, 1] == found.differ(level)[2, 1] == differ and not found.differ(level)[0, 2]


def test_p_values_are_uniform_where_nothing_is_there():
    rng = np.random.default_rng(2)
    p = [rank_agreement(rng.normal(size=(1, 12)), rng.normal(size=12), rng=rng, resamples=1, shuffles=99).p[0] for _ in range(300)]
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="k at least 5"):
        rank_agreement(np.zeros((1, 4)), np.zeros(4), rng=np.random.default_rng(0))
    with pytest.raises(TypeError, match="rng: got NoneType"):
        rank_agreement(np.zeros((1, 6)), np.zeros(6), rng=None)


def test_without_gensim_there_is_a_word_about_it():
    code = ("import importlib.util\nfind = importlib.util.find_spec\n"
            "importlib.util.find_spec = lambda name, *rest: None if name == 'gensim' else find(name, *rest)\n"
            "from ntputils import analogy_questions\n"
            "try: analogy_questions(['a'])\nexcept ImportError as error: print(error)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install gensim" in done.stdout, done.stderr

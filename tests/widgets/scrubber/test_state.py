"""What the panel shows of its labels, what it refuses, what it says in words, and what its module holds."""

from __future__ import annotations

import re

import numpy as np
import pytest

from ntputils import SoftLabels, Trajectory, solve_ntp_svm
from ntputils.widgets import TrainingScrubber
from tests.widgets.scrubber.runs import SMALL, VIEWS, places, trajectory


def test_contexts_stand_by_support_the_most_shared_first(large, large_widget):
    labels, _, solution = large
    world = large_widget.world
    assert (len(world["contexts"]), len(world["words"]), len(world["supports"])) == (100, 102, 10)
    _, contexts = places(labels, large_widget)
    groups, counts = solution.inverse[contexts], np.bincount(solution.inverse)
    assert sorted(counts[np.unique(groups)]) == sorted(counts)[-10:] and np.all(np.diff(counts[groups]) <= 0)
    assert world["groups"] == sorted(world["groups"]) and np.bincount(world["groups"]).tolist() == [10] * 10
    S, (words, _) = labels.S.toarray(), places(labels, large_widget)
    for j, group in zip(contexts, world["groups"], strict=True):
        assert {words[i] for i in world["supports"][group]} == set(np.flatnonzero(S[:, j]))
    first = [min([g for g, support in enumerate(world["supports"]) if i in support], default=99) for i in range(102)]
    assert first == sorted(first)


def test_contexts_and_words_can_be_chosen():
    counts = np.eye(130, dtype=int)
    counts[:4, :4] = 1
    labels = SoftLabels.from_counts(counts)
    run, solution = {"run": trajectory(np.random.default_rng(4), labels, 2, [0, 1])}, solve_ntp_svm(labels.S, tol=1e-2)
    chosen = TrainingScrubber(labels, run, solution, contexts=[9, 3, 120, 0])
    assert chosen.world["contexts"] == ["3", "0", "9", "120"]     # the support of four contexts comes first
    assert chosen.world["words"] == ["0", "1", "2", "3", "9", "120"]
    assert chosen.world["sizes"] == [4, 1, 1] and chosen.world["groups"] == [0, 0, 1, 2]
    few = TrainingScrubber(labels, run, solution, per_support=2, supports=3)
    assert few.world["contexts"] == ["0", "1", "4", "5"]
    thin = {"run": trajectory(np.random.default_rng(5), labels, 2, range(50))}
    assert TrainingScrubber(labels, thin, solution, contexts=[1, 2, 3], snapshots=5).runs[0]["steps"] == [0, 12, 24, 37, 49]


def test_what_cannot_be_shown_is_named(small):
    run = small["free vectors"]
    other = SoftLabels.from_counts(np.eye(4, dtype=int))
    broken = Trajectory(run.steps, run.W * np.nan, run.H, run.loss, {})
    for runs, says in (({}, "runs: got 0, want 1 to 8"), ({"a": broken}, "runs: a has entries that are not finite"),
                       ({"a": trajectory(np.random.default_rng(0), other, 2, [0])},
                        "runs: a has 1 snapshots of 4 words and 4 contexts, want at least one of the labels' 6 and 8"),
                       ({"a": Trajectory(run.steps, run.W, run.H[:, :, 1:], run.loss, {})}, "of 6 words and 7 contexts"),
                       ({"a": Trajectory(run.steps, run.W[:, 1:], run.H, run.loss, {})}, "of 5 words and 8 contexts"),
                       ({"a": Trajectory(run.steps[:0], run.W[:0], run.H[:0], run.loss[:0], {})}, "a has 0 snapshots")):
        with pytest.raises(ValueError, match=says):
            TrainingScrubber(SMALL, runs)
    with pytest.raises(TypeError, match="runs: got Trajectory, want a mapping"):
        TrainingScrubber(SMALL, run)
    with pytest.raises(TypeError, match="runs: a is int, want a Trajectory"):
        TrainingScrubber(SMALL, {"a": 3})
    with pytest.raises(ValueError, match="solution: got logits of shape"):
        TrainingScrubber(SMALL, small, solve_ntp_svm(other.S))
    for contexts, says in (([0, 1, 8], "contexts: got .* want different whole numbers from 0 to 7"),
                           ([0, 1, 1], "want different whole numbers"), ([0.0, 1.0, 2.0], "want different whole"),
                           ([0, 1], "contexts: got 2 to show, want 3 to 120")):
        with pytest.raises(ValueError, match=says):
            TrainingScrubber(SMALL, small, contexts=contexts)
    for settings, says in (({"per_support": 0}, "per_support, supports: got 0 and 10"), ({"snapshots": 1}, "snapshots: got 1"),
                           ({"run": 2}, "run: got 2, want a number from 0 to 1"), ({"view": "H"}, "view: got 'H', want one of"),
                           ({"snapshot": 99}, "snapshot: got 99"), ({"against": "SVM"}, "against: got 'SVM'")):
        with pytest.raises(ValueError, match=says):
            TrainingScrubber(SMALL, small, **settings)
    widget = TrainingScrubber(SMALL, small)
    with pytest.raises(ValueError, match="run: got 'lstm', want one of 'free vectors', 'noise <i>'"):
        widget.numbers("lstm")
    with pytest.raises(ValueError, match="view: got 'H'"):
        widget.numbers(view="H")


def test_words_follow_the_state(small):
    widget = TrainingScrubber(SMALL, small)
    assert repr(widget) == "TrainingScrubber(2 runs, 8 contexts, 6 words)"
    said = widget.fallback()
    assert said.count("\n") == 4 and "8 contexts in 5 supports, 6 words" in said
    assert re.search(r"free vectors, step 0 to 3000: cosines of contexts from -?0\.\d to 1\.0", said)
    for name, run in small.items():
        likeness = [[widget.numbers(name, k, view)["toSolution"] for k in (0, -1)] for view in VIEWS]
        first, *rest = (f"{a:.1f} to {b:.1f}".replace("-0.0", "0.0") for a, b in likeness)
        assert (f"{name}, step 0 to {run.steps[-1]}: cosines of contexts from {first}, of words from {rest[0]},\n"
                f"logits from {rest[1]}.") in said
    assert widget.snapshot == 11
    widget.run = 1
    assert widget.snapshot == 3  # the other run has four
    assert widget.numbers()["step"] == 2000 and widget.numbers(0)["step"] == 3000


def test_the_module_is_whole_and_imports_nothing():
    code = [line for line in TrainingScrubber._esm.splitlines() if not line.lstrip().startswith(("//", "*"))]
    assert not any(line.startswith("import ") or "import(" in line for line in code)
    assert TrainingScrubber._esm.count("export default") == 1
    assert "http" not in TrainingScrubber._esm.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in TrainingScrubber._css and "@import" not in TrainingScrubber._css

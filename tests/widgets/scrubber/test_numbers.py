"""The panel's numbers, in the page and in Python, against their definitions.

The page gets rounded, compressed vectors. Two oracles: the vectors read from the state by a decoder of the tests' own, for
what the page computes from them; and the trajectories themselves in float64, with NumPy's own correlation, for what rounding
may cost.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from ntputils import SoftLabels, centered_support, factor, solve_ntp_svm
from ntputils.widgets import TrainingScrubber
from ntputils.widgets.scrubber import LARGEST_STATE
from tests.widgets.scrubber.runs import ROUNDED, SMALL, VIEWS, by_numpy, places, similarity, state, trajectory, unpacked

WIDGET = TrainingScrubber
SUMS = 1e-9       # two orders of summation in double precision

PAGE = """async ([views, every]) => {
  const [world, runs, predictions, packed] = ["world", "runs", "predictions", "packed"].map(models[0].get);
  const [words, contexts] = [world.words.length, world.contexts.length];
  const bytes = await module.unpack(packed);
  const parts = module.layout([...predictions.map((d) => ({ d, snapshots: 1 })),
    ...runs.map(({ d, steps }) => ({ d, snapshots: steps.length }))], words + contexts);
  const matrix = (part, k, view) => module.matrixOf(module.vectorsAt(bytes, part, k), view, words, contexts);
  return Object.fromEntries(views.map((view) => {
    const predicted = parts.slice(0, 2).map((part) => matrix(part, 0, view));
    return [view, parts.slice(2).map((part) => Array.from({ length: part.snapshots }, (_, k) => {
      if (k % every && k < part.snapshots - 1) return null;
      const trained = matrix(part, k, view);
      return { likeness: predicted.map((one) => module.likeness(trained, one, view)),
        length: module.length(trained), some: Array.from(trained.values.slice(0, 400)) };
    }))];
  }));
}"""


def check_all_numbers(page, widget, labels, runs, solution, every=1):
    """Compares every so many snapshots, and the last, of all runs in all views."""
    found, vectors = page.evaluate(PAGE, [VIEWS, every]), unpacked(widget)
    words, contexts = places(labels, widget)
    split = len(words)
    predicted = [factor(L) for L in (solution.L, centered_support(labels.S))]
    for view in VIEWS:
        targets = [by_numpy(W[words], H[:, contexts], view) for W, H in predicted]
        for r, (name, run) in enumerate(runs.items()):
            for k, at in enumerate(widget.runs[r]["steps"]):
                here = found[view][r][k]
                if here is None:
                    continue
                rounded = by_numpy(vectors[2 + r][k][:split], vectors[2 + r][k][split:].T, view)
                np.testing.assert_allclose(here["some"], rounded.ravel()[:len(here["some"])], rtol=0,
                                           atol=SUMS * np.abs(rounded).max())
                snapshot = int(np.flatnonzero(run.steps == at)[0])
                W, H = run.W[snapshot][words].astype(float), run.H[snapshot][:, contexts].astype(float)
                exact = by_numpy(W, H, view)
                wanted = [similarity(exact, target, view) for target in targets]
                numbers = widget.numbers(name, k, view)
                assert [numbers["toSolution"], numbers["toProxy"]] == pytest.approx(wanted, abs=1e-6)
                assert here["likeness"] == pytest.approx(wanted, abs=ROUNDED), (view, name, k)
                if view == "logits":
                    assert here["length"] == pytest.approx(np.linalg.norm(exact), rel=ROUNDED)
                assert numbers["excess"] == pytest.approx(run.loss[snapshot] - labels.entropy()) and numbers["step"] == at


def test_every_number_is_pythons_up_to_rounding(ready, widget, small):
    check_all_numbers(ready(state(widget)), widget, SMALL, small, solve_ntp_svm(SMALL.S))


def test_every_number_is_pythons_at_the_size_of_the_chapter(ready, large, large_widget):
    labels, runs, solution = large
    check_all_numbers(ready(state(large_widget)), large_widget, labels, runs, solution, every=5)


def test_pythons_numbers_are_those_of_their_definitions(widget, small):
    words, contexts = places(SMALL, widget)
    predicted = {key: [W[words], H[:, contexts]] for key, (W, H) in
                 (("toSolution", factor(solve_ntp_svm(SMALL.S).L)), ("toProxy", factor(centered_support(SMALL.S))))}
    length = np.linalg.norm(by_numpy(*predicted["toSolution"], "logits"))
    for name, run in small.items():
        for k, at in enumerate(run.steps):
            W, H = run.W[k][words].astype(float), run.H[k][:, contexts].astype(float)
            for view in VIEWS:
                wanted = {"step": at, "excess": run.loss[k] - SMALL.entropy(),
                          "length": np.linalg.norm(by_numpy(W, H, "logits")) / length}
                wanted |= {key: similarity(by_numpy(W, H, view), by_numpy(*vectors, view), view)
                           for key, vectors in predicted.items()}
                assert widget.numbers(name, k, view) == pytest.approx(wanted, abs=1e-6), (name, k, view)


def test_what_has_no_direction_has_no_similarity():
    labels = SoftLabels.from_counts(np.eye(5, dtype=int))       # one next word each: all predicted angles are equal
    run = trajectory(np.random.default_rng(6), labels, 4, [0, 3])
    run.W[0] = 0.0
    here = TrainingScrubber(labels, {"run": run})
    for view, snapshot in (("contexts", 1), ("words", 1), ("logits", 0)):
        found = here.numbers("run", snapshot, view)
        assert np.isnan(found["toSolution"]) and np.isnan(found["toProxy"])
    assert here.numbers("run", 0)["length"] == 0 < here.numbers("run", 1, "logits")["length"]
    assert np.isfinite(here.numbers("run", 1, "logits")["toSolution"])


@pytest.mark.filterwarnings("error")
def test_where_every_word_may_follow_nothing_is_predicted():
    labels = SoftLabels.from_counts(np.ones((3, 3), dtype=int))
    here = TrainingScrubber(labels, {"run": trajectory(np.random.default_rng(0), labels, 2, [0, 5])})
    assert all(np.isnan(here.numbers(0, 1, view)[key]) for view in VIEWS for key in ("toSolution", "toProxy", "length"))
    assert here.fallback().endswith("run, step 0 to 5: cosines of contexts all alike on one side, of words all alike on one side,\n"
                                    "logits all alike on one side.")


def test_cosines_that_hardly_differ_have_no_correlation():
    """Below a standard deviation of 0.005 they count as alike, on the trained side too."""
    rng = np.random.default_rng(8)
    direction, noise, run = rng.normal(size=(4, 1)), rng.normal(size=(4, SMALL.m)), trajectory(rng, SMALL, 4, range(30))
    run.H[:] = direction + np.linspace(0.05, 0.2, 30)[:, None, None] * noise
    here = TrainingScrubber(SMALL, {"run": run}, snapshots=30)
    cosines = [by_numpy(W, H, "contexts")[np.triu_indices(SMALL.m, 1)] for W, H in zip(run.W, run.H.astype(float))]
    spreads = np.std(cosines, axis=1)
    assert np.any(abs(spreads - 0.0045) < 5e-4) and np.any(abs(spreads - 0.0055) < 5e-4)
    for key in ("toSolution", "toProxy"):
        found = [here.numbers("run", k, "contexts")[key] for k in range(30)]
        assert np.array_equal(np.isnan(found), spreads < 0.005)


@pytest.mark.parametrize(("V", "shown"), [(110, 110), (111, 3)])
def test_a_vocabulary_up_to_110_words_is_shown_whole(V, shown):
    labels = SoftLabels.from_counts(np.eye(V, dtype=int))
    here = TrainingScrubber(labels, {"run": trajectory(np.random.default_rng(9), labels, 2, [0])}, contexts=[0, 1, 2])
    assert len(here.world["words"]) == shown


def test_predictions_travel_in_as_few_dimensions_as_what_is_shown_has():
    labels = SoftLabels.from_counts(np.eye(120, dtype=int))     # a word and its context point one way
    here = TrainingScrubber(labels, {"run": trajectory(np.random.default_rng(7), labels, 2, [0, 1])}, contexts=[0, 5, 9])
    assert len(here.world["words"]) == 3 and here.predictions == [3, 3]
    for X in unpacked(here)[:2]:
        np.testing.assert_allclose(X[0, :3] @ X[0, 3:].T, centered_support(labels.S)[np.ix_([0, 5, 9], [0, 5, 9])], atol=1e-3)


def test_rounding_stays_within_its_bound(large, large_widget):
    labels, runs, _ = large
    words, contexts = places(labels, large_widget)
    for run, got in zip(runs.values(), unpacked(large_widget)[2:], strict=True):
        exact = np.concatenate([run.W[:, words], run.H[:, :, contexts].transpose(0, 2, 1)], axis=1).astype(float)
        off = np.linalg.norm(got - exact, axis=2) / np.linalg.norm(exact, axis=2)
        assert 0 < off.max() <= 1 / 200
    for L, got in zip((large[2].L, centered_support(labels.S)), unpacked(large_widget)[:2], strict=True):
        W, H = factor(L)
        X = np.concatenate([W[words], H[:, contexts].T])
        lengths = np.linalg.norm(X, axis=1)
        assert np.abs(got[0] @ got[0].T - X @ X.T).max() <= 2 / 4000 * lengths.max()**2 * 1.01  # products outlive turns


def test_a_vector_of_zeros_stays_one():
    run = trajectory(np.random.default_rng(3), SMALL, 4, [0, 5])
    run.W[0, 2], run.H[1, :, 3] = 0.0, 0.0
    widget = TrainingScrubber(SMALL, {"run": run})
    words, contexts = places(SMALL, widget)
    got = unpacked(widget)[2]
    assert not got[0, words.index(2)].any() and not got[1, len(words) + contexts.index(3)].any()
    assert np.isfinite(widget.numbers("run", 0, "words")["toSolution"])


def test_the_state_is_small_enough_and_larger_ones_are_refused(large, large_widget):
    assert len(json.dumps(state(large_widget))) <= LARGEST_STATE + 200
    labels, runs, solution = large
    with pytest.raises(ValueError, match=r"runs: got a state of 7\d\d,\d{3} bytes for the page, want at most 700,000"):
        TrainingScrubber(labels, runs | {"another": runs["mlp"]}, solution)

"""The training scrubber: its numbers in the page against Python's, and what a reader does with it.

The page gets rounded, compressed vectors. Two oracles: the vectors read from the state by a decoder written here, for
what the page computes from them; and the trajectories themselves in float64, with NumPy's own correlation, for what
rounding may cost.
"""

from __future__ import annotations

import base64
import json
import re
import zlib

import numpy as np
import pytest

from ntputils import SoftLabels, Trajectory, centered_support, factor, load_labels, solve_ntp_svm, train_ufm
from ntputils.widgets import TrainingScrubber
from ntputils.widgets.scrubber import LARGEST_STATE

WIDGET = TrainingScrubber
TRAITS = ("world", "runs", "predictions", "packed", "run", "snapshot", "view", "against")
VIEWS = ("contexts", "words", "logits")
SUMS = 1e-9       # two orders of summation in double precision
ROUNDED = 1e-3    # what rounding of vectors may cost a correlation
PACE = 450        # milliseconds a snapshot

SMALL = SoftLabels.from_counts(  # five supports whose proxy is not optimal
    [[4, 1, 2, 3, 2, 0, 0, 0], [1, 3, 2, 1, 2, 0, 1, 0], [0, 0, 0, 5, 3, 2, 1, 0], [0, 0, 0, 0, 0, 0, 0, 2],
     [0, 0, 0, 0, 0, 0, 0, 4], [1, 2, 4, 0, 0, 0, 0, 3]], vocab=["the", "a", "<b>cat</b>", "dog", "sat", "ran"],
    contexts=["once upon", "in", "on", "and", "but", "or", "there was a very little", "with"])


def trajectory(rng, labels, d, steps, sizes=(1.0, 1.0)) -> Trajectory:
    """Vectors without a meaning, of which the later have some of the solution's."""
    k = len(steps)
    W, H = sizes[0] * rng.normal(size=(k, labels.V, d)), sizes[1] * rng.normal(size=(k, d, labels.m))
    return Trajectory(np.array(steps), W.astype(np.float32), H.astype(np.float32),
                      labels.entropy() + np.geomspace(3, 1e-4, k), {})


@pytest.fixture(scope="module")
def small():
    """One model that was trained, and one of other dimension and steps that was not."""
    trained = train_ufm(SMALL, d=6, steps=3000, lr=2.0, rng=np.random.default_rng(0), snapshots=12)
    noise = trajectory(np.random.default_rng(1), SMALL, 3, [0, 10, 500, 2000])
    return {"free vectors": trained, "noise <i>": noise}


@pytest.fixture(scope="module")
def widget(small):
    return TrainingScrubber(SMALL, small)


@pytest.fixture(scope="module")
def large():
    """The size of the chapter: four models, fourteen snapshots, a hundred contexts, all 102 words."""
    labels, rng = load_labels("simplified-tinystories", seed=0), np.random.default_rng(2)
    steps = [0, *(2**np.arange(13)).tolist()]
    runs = {name: trajectory(rng, labels, 32, steps, sizes)
            for name, sizes in (("ufm", (1, 1)), ("mlp", (0.02, 1)), ("lstm", (3, 0.01)), ("transformer", (1e-3, 1e3)))}
    runs["lstm"].H[:2] += 0.06  # contexts that hardly differ, as they come out of an untrained network
    return labels, runs, solve_ntp_svm(labels.S)


@pytest.fixture(scope="module")
def large_widget(large):
    return TrainingScrubber(*large)


def state(widget, **changes) -> dict:
    return {name: getattr(widget, name) for name in TRAITS} | changes


@pytest.fixture
def ready(show):
    """A function that shows widgets and waits until their snapshots are unpacked."""
    def open_widgets(*states, **options):
        page = show(*states, **options)
        page.wait_for_function(f"document.querySelectorAll('.ntp-plate svg').length === {2 * len(states)}"
                               " && !document.querySelector('.ntp-message')")
        return page
    return open_widgets


def number(page, key: str) -> str:
    return page.locator(f"[data-number={key}]").first.inner_text()


def value(page, key: str) -> float:
    return float(number(page, key).replace("−", "-"))


def reading(page) -> str:
    return page.locator(".ntp-reading").first.inner_text()


def now(page) -> str:
    return page.get_by_role("slider").first.get_attribute("aria-valuetext")


def get(page, name: str):
    return page.evaluate("(name) => models[0].get(name)", name)


# --- numbers ------------------------------------------------------------------------------------

def unpacked(widget) -> list[np.ndarray]:
    """The vectors of both predictions and of every run, read from the state: (snapshots, items, d) each."""
    data = zlib.decompress(base64.b64decode(widget.packed))
    items = len(widget.world["words"]) + len(widget.world["contexts"])
    parts = [(1, d) for d in widget.predictions] + [(len(run["steps"]), run["d"]) for run in widget.runs]
    found, at = [], 0
    for snapshots, d in parts:
        count = snapshots * items * (1 + d)
        low, high = (np.frombuffer(data[at + k * count:at + (k + 1) * count], np.uint8).astype(int) for k in (0, 1))
        whole = low + 256 * high
        whole[whole >= 2**15] -= 2**16
        scales, multiples = whole[:snapshots * items], whole[snapshots * items:].reshape(snapshots, items, d)
        found.append(2.0**(scales.reshape(snapshots, items, 1) / 8) * multiples)
        at += 2 * count
    assert at == len(data)
    return found


def by_numpy(W, H, view) -> np.ndarray:
    """What a view shows, from its definition."""
    if view == "logits":
        return W @ H - (W @ H).mean(axis=0)
    X = H.T if view == "contexts" else W
    return X @ X.T / np.outer(np.linalg.norm(X, axis=1), np.linalg.norm(X, axis=1))


def similarity(A, B, view) -> float:
    """Pearson's correlation off the diagonal by NumPy; the cosine of logits."""
    if view == "logits":
        return np.vdot(A, B) / np.linalg.norm(A) / np.linalg.norm(B)
    off = ~np.eye(len(A), dtype=bool)
    return np.corrcoef(A[off], B[off])[0, 1]


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


def places(labels, widget) -> tuple[list[int], list[int]]:
    """Where the words and contexts shown stand among the labels."""
    names = [labels.context(j) for j in range(labels.m)]
    return [labels.vocab.index(word) for word in widget.world["words"]], [names.index(c) for c in widget.world["contexts"]]


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


# --- what is shown ------------------------------------------------------------------------------

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


# --- in the page --------------------------------------------------------------------------------

def test_the_page_shows_pythons_numbers(ready, widget):
    page = ready(state(widget))
    for run in (0, 1):
        page.locator(".ntp-models button").nth(run).click()
        for view in VIEWS:
            page.get_by_role("radio", name=view).check()
            for snapshot in (0, len(widget.runs[run]["steps"]) - 1):
                page.evaluate("(k) => models[0].set('snapshot', k)", snapshot)
                wanted = widget.numbers(run, snapshot, view)
                assert value(page, "toSolution") == pytest.approx(wanted["toSolution"], abs=ROUNDED + 5e-4)
                assert value(page, "toProxy") == pytest.approx(wanted["toProxy"], abs=ROUNDED + 5e-4)
                if wanted["length"] >= 0.01:
                    assert value(page, "length") == pytest.approx(wanted["length"], abs=6e-3)
                if wanted["excess"] >= 0.01:
                    assert value(page, "excess") == pytest.approx(wanted["excess"], abs=6e-3)
    assert "cosine with" in page.locator(".ntp-numbers").inner_text()


def test_a_cell_is_read_by_hand_tap_and_key_in_both_pictures(ready, widget):
    page = ready(state(widget))
    trained = page.get_by_role("application", name="Trained")
    world, at = widget.world, -1
    exact = widget.matrix(widget._trained[0][at], "contexts"), widget.matrix(widget._predicted["solution"][0], "contexts")

    def wanted(i, j):
        same = ", same support" if world["groups"][i] == world["groups"][j] else ""
        names = f"«{world['contexts'][i]}» with itself" if i == j else (
            f"«{world['contexts'][i]}» and «{world['contexts'][j]}»{same}")
        return names, [A[i, j] for A in exact]

    def holds(i, j):
        names, values = wanted(i, j)
        said = reading(page).replace("−", "-")
        assert said.startswith(f"{names}: "), said
        assert [float(x) for x in re.findall(r"(-?[\d.]+) (?:trained|predicted)", said)] == pytest.approx(values, abs=0.011)

    canvas = trained.locator("canvas").bounding_box()
    cell = canvas["width"] / 8
    page.mouse.move(canvas["x"] + 5.5 * cell, canvas["y"] + 2.5 * cell)
    holds(2, 5)
    frames = page.locator(".ntp-plate .ntp-cursor").evaluate_all(
        "nodes => nodes.map((node) => [node.getAttribute('x'), node.getAttribute('y')])")
    assert frames[0] == frames[1]  # the same cell is framed on the other side
    page.mouse.click(canvas["x"] + 1.5 * cell, canvas["y"] + 0.5 * cell)
    page.mouse.move(2, 2)
    holds(0, 1)  # what was clicked stays when the pointer leaves
    page.mouse.move(canvas["x"] + 3.5 * cell, canvas["y"] + 6.5 * cell)
    holds(6, 3)
    page.mouse.move(2, 2)
    holds(0, 1)  # what was only passed over does not
    page.get_by_role("application", name="Predicted").focus()
    assert page.locator(".ntp-reading").get_attribute("aria-live") == "polite"
    for key, at_cell in (("ArrowDown", (1, 1)), ("ArrowRight", (1, 2)), ("End", (1, 7)), ("Control+ArrowDown", (7, 7)),
                         ("ArrowDown", (7, 7)), ("ArrowUp", (6, 7)), ("ArrowLeft", (6, 6)), ("Home", (6, 0)),
                         ("PageUp", (0, 0)), ("PageDown", (7, 0)), ("Control+Home", (0, 0))):
        page.keyboard.press(key)
        holds(*at_cell)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_words_and_logits_are_read_too(ready, widget):
    page = ready(state(widget, view="logits"))
    page.get_by_role("application", name="Trained").focus()
    page.keyboard.press("Control+Home")
    world = widget.world
    trained, predicted = (widget.matrix(X, "logits") for X in (widget._trained[0][-1], widget._predicted["solution"][0]))
    scaled = trained * np.linalg.norm(predicted) / np.linalg.norm(trained)
    said = reading(page).replace("−", "-")
    assert said.startswith(f"«{world['words'][0]}» after «{world['contexts'][0]}», in the support: ")
    found = [float(x) for x in re.findall(r"(-?[\d.]+) (?:trained|unscaled|predicted)", said.replace("(", ""))]
    assert found == pytest.approx([scaled[0, 0], trained[0, 0], predicted[0, 0]], abs=0.03)
    page.keyboard.press("Control+End")
    assert "not in the support" in reading(page) or world["supports"][-1].count(5)
    page.get_by_role("radio", name="words").check()
    page.get_by_role("application", name="Predicted").focus()
    page.keyboard.press("Control+Home")
    page.keyboard.press("ArrowRight")
    assert reading(page).startswith(f"«{world['words'][0]}» and «{world['words'][1]}»: ")
    page.get_by_role("radio", name="logits").check()  # each view keeps its own place
    assert "after" in reading(page)


PIXELS = """(k) => {
  const canvas = document.querySelectorAll(".ntp-plate canvas")[k];
  return [canvas.width, canvas.height, ...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
}"""
CHIP = """() => [...document.querySelectorAll(".ntp-chip")].map((chip) => {
  const pen = document.createElement("canvas").getContext("2d");
  pen.fillStyle = getComputedStyle(chip).backgroundColor;
  pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data];
})"""


def pixels(page, k: int) -> np.ndarray:
    width, height, *data = page.evaluate(PIXELS, k)
    return np.array(data).reshape(height, width, 4)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_are_those_of_the_style_sheet_on_both_sides(ready, widget, theme):
    page = ready(state(widget), theme=theme)
    page.get_by_role("application", name="Trained").focus()
    page.keyboard.press("Control+Home")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
        column = page.evaluate("""() => {
          const cursor = document.querySelector(".ntp-cursor");
          const size = document.querySelector(".ntp-plate canvas").getBoundingClientRect().width / 8;
          return Math.round((cursor.getAttribute("x") - 18) / size);
        }""")
        for k, chip in enumerate(page.evaluate(CHIP)):
            assert np.abs(pixels(page, k)[0, column] - chip).max() <= 4
    left, right = pixels(page, 0), pixels(page, 1)
    assert np.array_equal(left[0, 0], right[0, 0]) and np.array_equal(left[5, 5], right[2, 2])  # cosines of one
    changed = "dark" if theme == "light" else "light"
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", changed)
    page.wait_for_function("(old) => document.querySelector('canvas').getContext('2d').getImageData(0, 0, 1, 1).data[0] "
                           "!== old", arg=int(left[0, 0, 0]), timeout=2000)


def test_step_scrub_curve_and_keys(ready, widget):
    page = ready(state(widget, snapshot=0))
    steps = widget.runs[0]["steps"]
    on, back = page.get_by_role("button", name="One snapshot on"), page.get_by_role("button", name="One snapshot back")
    assert back.is_disabled() and now(page) == "step 0"
    before, beside = pixels(page, 0), pixels(page, 1)
    on.click()
    assert get(page, "snapshot") == 1 and now(page) == "step 1"
    assert not np.array_equal(pixels(page, 0), before) and np.array_equal(pixels(page, 1), beside)
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("End")
    assert now(page) == "step 3,000" and on.is_disabled() and get(page, "snapshot") == len(steps) - 1
    page.keyboard.press("ArrowLeft")
    assert get(page, "snapshot") == len(steps) - 2
    for k in (0, 1):
        curve = page.locator(".ntp-curves").nth(k)
        box = curve.bounding_box()
        curve.click(position={"x": 46, "y": 60})
        assert get(page, "snapshot") == 0
        curve.click(position={"x": box["width"] - 11, "y": 60})
        assert get(page, "snapshot") == len(steps) - 1
        assert "free vectors from" in curve.get_attribute("aria-label")
    assert page.locator(".ntp-curve").count() == 4


def test_another_model_is_shown_at_the_nearest_step(ready, widget):
    page = ready(state(widget))
    page.get_by_role("button", name="noise").click()
    assert [get(page, "run"), get(page, "snapshot")] == [1, 3] and now(page) == "step 2,000"
    assert "noise <i>, step 2,000" in page.get_by_role("application", name="Trained").get_attribute("aria-label")
    page.get_by_role("button", name="One snapshot back").click()
    page.get_by_role("button", name="free vectors").click()
    steps = np.array(widget.runs[0]["steps"])
    assert get(page, "snapshot") == np.abs(np.log1p(steps) - np.log1p(500)).argmin()
    assert page.locator(".ntp-models [aria-pressed=true]").inner_text() == "free vectors"
    before, shown = pixels(page, 1), number(page, "toSolution")
    page.get_by_role("button", name="the proxy").click()
    assert get(page, "against") == "proxy" and number(page, "toSolution") == shown
    assert not np.array_equal(pixels(page, 1), before)
    assert "the proxy" in page.get_by_role("application", name="Predicted").get_attribute("aria-label")


def test_python_reaches_the_page_and_two_widgets_keep_apart(ready, widget):
    page = ready(state(widget), state(widget, view="words", run=1, snapshot=2))
    second = page.locator(".ntp-scrubber").nth(1)
    before = second.inner_text()
    assert page.get_by_role("radio", checked=True).count() == 2
    page.evaluate("models[0].set('snapshot', 0)")
    assert now(page) == "step 0"
    page.evaluate("models[0].set('run', 1); models[0].set('view', 'logits'); models[0].set('against', 'proxy')")
    assert page.get_by_role("application", name="Trained").first.get_attribute("aria-label").startswith(
        "Trained, noise <i>, step 0: logits")
    assert second.inner_text() == before and page.locator(".ntp-scrubber [id]").count() == 0
    page.evaluate("models[0].stop(); models[0].set('snapshot', 3)")  # a closed widget hears no more
    assert now(page) == "step 0"


def test_nothing_moves_until_play_is_pressed_and_it_stops_at_the_end(ready, stop_the_clock, widget):
    page = ready(state(widget, snapshot=9))
    before = page.locator("body").inner_html()
    page.wait_for_timeout(2 * PACE)
    assert get(page, "snapshot") == 9 and page.locator("body").inner_html() == before
    stop_the_clock(page)
    play = page.locator(".ntp-transport button").first
    play.click()
    assert play.inner_text() == "Pause"
    page.clock.run_for(2 * PACE)
    assert page.get_by_role("slider").first.input_value() == "11"
    page.clock.run_for(PACE)
    assert play.inner_text() == "Play"
    assert page.evaluate("[models[0].get('snapshot'), models[0].saved]") == [11, 1]  # kept once, where it stops
    play.click()  # from the end it begins anew
    page.clock.run_for(2 * PACE)
    assert int(page.get_by_role("slider").first.input_value()) < 11
    page.get_by_role("radio", name="words").check()  # one may look at something else meanwhile
    assert play.inner_text() == "Pause"
    play.click()
    stopped = now(page)
    page.clock.run_for(2 * PACE)
    assert now(page) == stopped and play.inner_text() == "Play"
    assert page.evaluate("document.getAnimations().length") == 0
    assert "animation" not in TrainingScrubber._css and "transition" not in TrainingScrubber._css


def test_less_motion_means_a_snapshot_a_second(ready, stop_the_clock, widget):
    page = ready(state(widget, snapshot=0))
    page.emulate_media(reduced_motion="reduce")
    stop_the_clock(page)
    page.locator(".ntp-transport button").first.click()
    page.clock.run_for(999)
    assert now(page) == "step 0"
    page.clock.run_for(1)
    assert page.get_by_role("slider").first.input_value() == "1"


def test_the_size_of_the_chapter_is_shown_at_once(ready, large_widget):
    page = ready(state(large_widget))
    assert page.locator(".ntp-scrubber *").count() < 400  # canvases, not ten thousand nodes
    assert [pixels(page, k).shape for k in (0, 1)] == [(100, 100, 4)] * 2
    page.locator("summary").click()
    assert page.locator(".ntp-supports li").count() == 10
    assert page.locator(".ntp-supports li").first.inner_text().endswith(": 10 contexts")


def test_snapshots_that_cannot_be_unpacked_are_said(show, widget):
    page = show(state(widget, packed="AAAA"))
    page.wait_for_function("document.querySelector('.ntp-message').textContent.includes('cannot be unpacked')")
    assert not page.get_by_role("slider").is_visible()


def test_cosines_that_are_all_alike_have_no_correlation(ready):
    labels = SoftLabels.from_counts(np.eye(5, dtype=int))  # one next word each: all predicted angles are equal
    widget = TrainingScrubber(labels, {"noise": trajectory(np.random.default_rng(6), labels, 4, [0, 3])})
    page = ready(state(widget))
    assert number(page, "toSolution") == "–" and np.isnan(widget.numbers()["toSolution"])
    page.get_by_role("radio", name="logits").check()
    assert value(page, "toSolution") == pytest.approx(widget.numbers(view="logits")["toSolution"], abs=2 * ROUNDED)
    assert "NaN" not in page.locator(".ntp-scrubber").inner_html()


@pytest.mark.parametrize(("theme", "width"), [("light", 360), ("dark", 360), ("dark", 900)])
def test_widths_and_themes(ready, large_widget, theme, width):
    page = ready(state(large_widget), theme=theme, width=width, scheme=theme)
    page.locator("summary").click()
    for view in VIEWS:
        page.get_by_role("radio", name=view).check()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator(".ntp-scrubber").evaluate("e => e.scrollWidth - e.clientWidth") <= 0
        boxes = [page.locator(".ntp-plate").nth(k).bounding_box() for k in (0, 1)]
        assert boxes[0]["width"] >= 0.95 * (width - 32 - 28) * (1 if width == 360 else 0.46)
        assert (boxes[1]["y"] > boxes[0]["y"]) == (width == 360)  # one below the other on a phone
    contrasts = page.evaluate("textContrasts", TEXTS)
    assert len(contrasts) > 40
    assert min(contrasts.values()) >= 4.5, contrasts  # WCAG AA
    strokes = page.evaluate(STROKES)
    assert len(strokes) == 8 and min(strokes) >= 3, strokes  # and for what is drawn


TEXTS = ".ntp-scrubber :is(p, span, dt, dd, li, summary, button:enabled, output, .ntp-plate text, .ntp-curves text)"
STROKES = """() => [...document.querySelectorAll(".ntp-curve")].map((node) =>
  contrast(getComputedStyle(node).stroke, ground(node)))"""


def test_forced_colours_and_print_leave_the_matrices_as_they_are(ready, widget):
    page = ready(state(widget))
    before = pixels(page, 0)
    page.emulate_media(forced_colors="active")
    page.get_by_role("button", name="One snapshot back").click()
    page.get_by_role("button", name="One snapshot on").click()
    after = pixels(page, 0)
    assert len(np.unique(after.reshape(-1, 4), axis=0)) == len(np.unique(before.reshape(-1, 4), axis=0)) > 5
    chosen = page.locator("button[aria-pressed=true]").evaluate_all(
        "nodes => nodes.map((node) => getComputedStyle(node).outlineStyle)")
    assert chosen == ["solid", "solid"]
    page.emulate_media(media="print", forced_colors="none")
    assert not page.locator(".ntp-transport").is_visible() and page.locator("canvas").first.is_visible()
    assert page.locator(".ntp-models").is_visible()  # the key of the curves


def test_the_module_is_whole_and_imports_nothing():
    code = [line for line in TrainingScrubber._esm.splitlines() if not line.lstrip().startswith(("//", "*"))]
    assert not any(line.startswith("import ") or "import(" in line for line in code)
    assert TrainingScrubber._esm.count("export default") == 1
    assert "http" not in TrainingScrubber._esm.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in TrainingScrubber._css and "@import" not in TrainingScrubber._css


def test_a_page_without_a_prediction_says_so(ready):
    labels = SoftLabels.from_counts(np.ones((3, 3), dtype=int))
    page = ready(state(TrainingScrubber(labels, {"run": trajectory(np.random.default_rng(0), labels, 2, [0, 5])})))
    for view in VIEWS:
        page.evaluate("(view) => models[0].set('view', view)", view)
        assert [number(page, key) for key in ("toSolution", "toProxy", "length")] == ["–"] * 3

"""The Python side of the widgets: what all of them share, and the state, the errors and the words of the first."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import traitlets

import ntputils.widgets
from ntputils import SoftLabels, Trajectory
from ntputils.widgets import (CollapseWidget, ConceptsWidget, ImbalanceWidget, MomentCurveWidget, NeighboursWidget,
                              PathPlayerWidget, SoftLabelsWidget, SupportGridWidget, SymmetricWidget, TrainingScrubber)
from ntputils.widgets.soft_labels import PRESETS
from ntputils.widgets.support_grid import PRESETS as GRIDS

FOLDER = Path(ntputils.widgets.__file__).parent
LABELS = SoftLabels.from_counts([[7, 3, 0], [3, 7, 0], [0, 0, 9]])


def runs(*snapshots: int) -> dict[str, Trajectory]:
    """Runs on `LABELS` with so many snapshots, of vectors without a meaning."""
    rng = np.random.default_rng(0)
    return {f"run {k}": Trajectory(np.arange(n), rng.normal(size=(n, 3, 2)), rng.normal(size=(n, 2, 3)), np.ones(n), {})
            for k, n in enumerate(snapshots)}


# A small widget of every class, and where it begins.
MADE = {
    CollapseWidget: (lambda: CollapseWidget(LABELS, lambdas=[1e-1, 1e-2, 1e-3]), {"world": 0, "step": 2}),
    ConceptsWidget: (lambda: ConceptsWidget(dict.fromkeys(("one", "other"), SoftLabels.from_counts(np.eye(3))), concepts=2),
                     {"world": 0, "chosen": [0], "tol": 0.25}),
    ImbalanceWidget: (ImbalanceWidget, {"V": 6, "majority": 3, "R": 10, "balanced": False}),
    MomentCurveWidget: (MomentCurveWidget, {"V": 12, "d": 4, "support": [0]}),
    NeighboursWidget: (lambda: NeighboursWidget("abc", {"one": np.eye(3)}, examples=["b"]),
                       {"words": list("abc"), "names": ["one"], "examples": ["b"], "word": "b", "count": 8}),
    PathPlayerWidget: (lambda: PathPlayerWidget(lambdas=[1e-1, 1e-3]), {"world": 0, "stop": 0}),
    SoftLabelsWidget: (SoftLabelsWidget, {"text": PRESETS[0]["text"], "context_length": 2, "vocab_size": 0}),
    SupportGridWidget: (SupportGridWidget, {name: GRIDS["tree"][name] for name in ("S", "tokens", "contexts")}),
    SymmetricWidget: (SymmetricWidget, {"mode": "subsets", "V": 5, "k": 2, "R": 10, "chosen": 0}),
    TrainingScrubber: (lambda: TrainingScrubber(LABELS, runs(4, 2)),
                       {"run": 0, "snapshot": 3, "view": "contexts", "against": "solution"}),
}
every_class = pytest.mark.parametrize("widget", MADE, ids=lambda widget: widget.__name__)

RANGES = [  # accepted are the ends of what is allowed, and refused what is just outside
    (CollapseWidget, "world", [0], [-1, 1]), (CollapseWidget, "step", [0, 2], [-1, 3]),
    (ConceptsWidget, "world", [0, 1], [-1, 2]), (ConceptsWidget, "tol", [0.0, 1.0], [-0.01, 1.01]),
    (ConceptsWidget, "chosen", [[0], [1], [0, 1]], [[], [-1], [2], [1, 0], [1, 1]]),
    (ImbalanceWidget, "V", [3, 24], [2, 25]), (ImbalanceWidget, "majority", [1, 23], [0, 24]),
    (ImbalanceWidget, "R", [1, 1000], [0, 1001]),
    (MomentCurveWidget, "V", [5, 16], [4, 17]), (MomentCurveWidget, "d", [2, 8], [0, 3, 10]),
    (MomentCurveWidget, "support", [[11], [0, 1]], [[-1], [12], [], [2, 2], [0, 1, 2]]),
    (NeighboursWidget, "count", [1, 20], [0, 21]), (NeighboursWidget, "word", ["a", "c"], ["d", ""]),
    (SoftLabelsWidget, "context_length", [1, 8], [0, 9]), (SoftLabelsWidget, "vocab_size", [1, 0], [-1]),
    (SupportGridWidget, "S", [[[0]], [[1] * 12] * 12], [[], [[]], [[1]] * 13, [[1] * 13], [[1], [1, 0]], [[-1]], [[2]]]),
    (SymmetricWidget, "V", [3, 10], [2, 11]), (SymmetricWidget, "k", [1, 9], [0, 10]),
    (SymmetricWidget, "R", [1, 1000], [0, 1001]), (SymmetricWidget, "chosen", [0], [-1]),
    (SymmetricWidget, "mode", ["step", "subsets"], ["other"]),
    (TrainingScrubber, "run", [0, 1], [-1, 2]), (TrainingScrubber, "snapshot", [0, 3], [-1, 4]),
    (TrainingScrubber, "view", ["words", "logits", "contexts"], ["H"]),
    (TrainingScrubber, "against", ["proxy", "solution"], ["SVM"]),
]


# --- all widgets --------------------------------------------------------------------------------

def test_every_class_is_made_here():
    assert {widget.__name__ for widget in MADE} == set(ntputils.widgets.__all__)


@every_class
def test_what_is_documented_is_what_page_and_kernel_share(widget):
    documented = inspect.getdoc(widget).partition("Attributes:\n")[2].partition("\n\n")[0]
    shared = {name for name in widget.class_traits(sync=True) if name in vars(widget)}
    assert shared == set(re.findall(r"^    (\w+): ", documented, re.MULTILINE))


@every_class
def test_every_class_begins_as_its_page_does(widget):
    make, wanted = MADE[widget]
    state = make().get_state()
    assert {name: state[name] for name in wanted} == wanted


@pytest.mark.parametrize(("widget", "name", "accepted", "refused"), RANGES,
                         ids=[f"{widget.__name__}-{name}" for widget, name, _, _ in RANGES])
def test_ranges_hold_with_their_ends_and_no_further(widget, name, accepted, refused):
    made = MADE[widget][0]()
    for value in accepted:
        setattr(made, name, value)
        assert getattr(made, name) == value
    for value in refused:
        with pytest.raises((traitlets.TraitError, ValueError), match=rf"^{name}: |'{name}' trait"):
            setattr(made, name, value)
        assert getattr(made, name) == accepted[-1]


@every_class
def test_the_module_and_the_style_have_all_their_files_and_one_name(widget):
    own = Path(inspect.getfile(widget)).stem
    wanted = [path for path in FOLDER.iterdir() if re.fullmatch(rf"{own}(_core|_parts)?\.js|heatmap\.js", path.name)]
    wanted += [FOLDER / "svm_core.js"] * (own in ("collapse", "support_grid", "symmetric"))     # these solve, or factor
    assert len(wanted) >= 3 and all(path.read_text(encoding="utf-8") in widget._esm for path in wanted)
    house = (FOLDER / "soft_labels.css").read_text(encoding="utf-8").split(".ntp-soft-labels")
    style, name = widget._css, f".ntp-{own.replace('_', '-')}"
    assert len(house) > 10 and name.join(house) in style
    assert (FOLDER / f"{own}.css").read_text(encoding="utf-8") in style
    assert own == "soft_labels" or ".ntp-soft-labels" not in style


# --- the first widget ---------------------------------------------------------------------------

@pytest.mark.parametrize(("values", "says"), [
    ({"context_length": 0}, "context_length: got 0, want 1 to 8"),
    ({"context_length": 9}, "context_length: got 9, want 1 to 8"),
    ({"vocab_size": -1}, "vocab_size: got -1, want a number of words"),
])
def test_values_out_of_range_are_named(values, says):
    with pytest.raises(ValueError, match=says):
        SoftLabelsWidget(**values)


@pytest.mark.parametrize("values", [{"text": 7}, {"context_length": "2"}, {"vocab_size": 1.5}])
def test_values_of_another_type_are_refused(values):
    with pytest.raises(traitlets.TraitError, match=next(iter(values))):
        SoftLabelsWidget(**values)


def test_labels_follow_the_state():
    widget = SoftLabelsWidget(text="a b a c a b", context_length=1)
    widget.vocab_size = 2
    labels, wanted = widget.labels(), SoftLabels.from_text("a b a c a b", context_length=1, vocab_size=2)
    assert labels.vocab == wanted.vocab == ("a", "b")
    assert (labels.P != wanted.P).nnz == 0


def test_the_description_says_what_is_there():
    assert "too short" in SoftLabelsWidget(text="").fallback()
    story = SoftLabelsWidget()
    labels = story.labels()
    assert f"{labels.V} words (rows) by {labels.m} contexts of 2 words" in story.fallback()
    assert f"{labels.entropy():.3f} nats" in story.fallback()


def test_the_description_counts_and_ranks_the_next_words():
    said = SoftLabelsWidget(text="a b. a b. a b. a c. a c. a d. a e.", context_length=1).fallback().splitlines()
    assert said[0] == "A matrix of 6 words (rows) by 6 contexts of 1 word (columns)."
    assert said[1].startswith("83 % of the contexts")    # a full stop always follows, but for a
    assert said[2].startswith("The mean support has 1.50 words")
    assert said[3] == "The most frequent context is «a» (7 times), followed by «b» (0.43), «c» (0.29), «d» (0.14)."
    assert "contexts of 3 words" in SoftLabelsWidget(text="a b c d", context_length=3).fallback()


def test_the_module_is_whole_and_imports_nothing():
    code = [line for line in SoftLabelsWidget._esm.splitlines() if not line.lstrip().startswith(("//", "*"))]
    assert not any(line.startswith("import ") or "import(" in line for line in code)
    assert SoftLabelsWidget._esm.count("export default") == 1
    assert "http" not in SoftLabelsWidget._esm.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in SoftLabelsWidget._css and "@import" not in SoftLabelsWidget._css

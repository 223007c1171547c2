"""The Python side of the widget: its state, its errors, its words."""

from __future__ import annotations

import pytest
import traitlets

from ntputils import SoftLabels
from ntputils.widgets import SoftLabelsWidget


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


def test_the_module_is_whole_and_imports_nothing():
    code = [line for line in SoftLabelsWidget._esm.splitlines() if not line.lstrip().startswith(("//", "*"))]
    assert not any(line.startswith("import ") or "import(" in line for line in code)
    assert SoftLabelsWidget._esm.count("export default") == 1
    assert "http" not in SoftLabelsWidget._esm.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in SoftLabelsWidget._css and "@import" not in SoftLabelsWidget._css

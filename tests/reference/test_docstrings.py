"""The reference has every public name, and its docstrings say all that a caller needs.

A docstring has one line that says what the thing does; `Args` with every parameter, in order; `Returns`; the shape of every
array, as in (V, m); the unit of logits, losses and entropies (nats); an example; and, for classes, `Attributes`.
"""

import dataclasses
import inspect
import re

import ntputils
from ntputils import plots, widgets
from tests.reference.names import ANY_SHAPE, ARRAY, NAMES, PAGE, SHAPE, every_name, members

NUMBERS = re.compile(rf"{ARRAY.pattern}|float")
IN_NATS = re.compile(r"(?i)\b(loss(es)?|(cross-)?entrop(y|ies)|logits?|log-probabilit\w+|log-odds|pmi)\b")
NATS_BY_NAME = {"L", "L_in", "L_mm", "L_distinct", "entropy", "loss", "ntp_loss"}


def test_every_public_name_is_in_the_reference():
    public = set(ntputils.__all__) | set(widgets.__all__)
    public |= {name for name, value in vars(plots).items()
               if callable(value) and getattr(value, "__module__", "") == plots.__name__ and not name.startswith("_")}
    assert public - {n.label for n in NAMES} == set()
    inside = {f"{n.label}.{m}" for n in NAMES if inspect.isclass(n.thing) for m in members(n.thing)}
    assert inside - {n.label for n in NAMES} == set()


def test_panels_show_their_arguments():
    """autodoc sees those of a base class, so the page writes them out."""
    for name in widgets.__all__:
        cls = getattr(widgets, name)
        (shown,) = re.findall(rf"autoclass:: ntputils\.widgets\.{name}\((.*)\)\n", PAGE)
        own = vars(cls).get("__init__")
        parameters = list(inspect.signature(own).parameters.values())[1:] if own else [
            inspect.Parameter(trait, inspect.Parameter.KEYWORD_ONLY, default=value.default())
            for trait, value in vars(cls).items() if trait in cls.class_own_traits(sync=True)]
        bare = [p.replace(annotation=p.empty, default=p.default if len(repr(p.default)) < 20 or p.default is p.empty else ...)
                for p in parameters]
        assert shown == str(inspect.Signature(bare))[1:-1].replace("Ellipsis", "...")


def test_every_group_of_the_reference_has_an_introduction():
    groups = re.findall(r"^## .*\n\n(.*)\n", PAGE, re.MULTILINE)
    assert len(groups) == PAGE.count("\n## ") and all(line[0].isupper() for line in groups)


@every_name
def test_a_docstring_names_everything_once_and_shows_an_example(name):
    first, *rest = name.doc.splitlines()
    assert re.search(r"[.?:]$", first) and not (rest and rest[0]), f"want one line that says it all: {first!r}"
    assert not (name.is_value and ": " in first), "of a property, Sphinx takes what is before a colon for its type"
    said = name.sections
    if not name.is_value:
        optional = {"**kwargs"} if inspect.isclass(name.thing) else set()
        want = [p for p in name.annotations if p in said.get("Args", {}) or p not in optional]
        assert list(said.get("Args", {})) == want
    if inspect.isclass(name.thing):
        got, fields = set(said.get("Attributes", {})), set(name.fields)
        assert got == fields or (not dataclasses.is_dataclass(name.thing) and got >= fields)
    elif not name.is_value and inspect.signature(name.code).return_annotation != "None":
        assert said.get("Returns")
    examples = name.doc + (inspect.getdoc(name.owner) if name.owner else "")
    shown = [line for line in examples.splitlines() if re.match(r"\s*(>>>|\.\.\.)", line)]
    assert any(">>>" in line for line in name.doc.splitlines()) or any(f".{name.label.split('.')[-1]}" in line for line in shown)


def _documented(name):
    """Each documented value: what it is called, what is said of it, and the hint."""
    for section, hints in (("Args", name.annotations), ("Attributes", name.fields if inspect.isclass(name.thing) else {})):
        for key, text in name.sections.get(section, {}).items():
            yield key, text, hints.get(key, "")
    if not inspect.isclass(name.thing):
        text = " ".join(name.sections[""]) if name.is_value else name.sections.get("Returns", "")
        yield name.label.split(".")[-1], text, str(inspect.signature(name.code).return_annotation)


@every_name
def test_arrays_have_shapes_and_logits_losses_and_entropies_their_unit(name):
    for key, text, hint in _documented(name):
        if arrays := ARRAY.findall(hint):
            want = 1 if "|" in hint or "list[" in hint else len(arrays)
            assert len(SHAPE.findall(text)) >= want or ANY_SHAPE.search(text), f"{key}: want a shape such as (V, m): {text!r}"
        is_one = key in NATS_BY_NAME or IN_NATS.search(re.split(r"[,;:.]", text)[0])
        if is_one and NUMBERS.search(hint):
            assert re.search(r"\bnats?\b", text), f"{key}: want the unit, nats: {text!r}"

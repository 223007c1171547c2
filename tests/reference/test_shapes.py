"""The examples run, and what goes in and comes out has the shapes that its docstring says."""

import contextlib
import doctest
import functools
import inspect
import io
import re

import numpy as np

from tests.reference.names import ANY_SHAPE, ARRAY, NAMES, SHAPE, every_value


def _sizes(text):
    """The shapes in a text, each as a list of symbols."""
    return [[part.strip() for part in shape[1:-1].split(",") if part.strip()] for shape in SHAPE.findall(text)]


def _fits(shape, symbols, known):
    """Whether a shape is what the symbols say; symbols seen for the first time take its sizes."""
    if symbols and symbols[0] == "...":
        symbols, shape = symbols[1:], shape[max(0, len(shape) - len(symbols) + 1):]
    if len(shape) != len(symbols):
        return False
    for size, symbol in zip(shape, symbols):
        if re.fullmatch(r"[A-Za-z_']+", symbol):
            if known.setdefault(symbol, size) != size:
                return False
        else:
            formula = re.sub(r"(\d)(?=[a-z])", r"\1*", symbol)
            with contextlib.suppress(NameError, SyntaxError):
                if eval(formula, {}, known) != size:
                    return False
    return True


def _shape(value):
    """The shape of an array, or of a list of numbers or of strings; None of anything else."""
    if hasattr(value, "shape"):
        return tuple(value.shape)
    return np.shape(value) if type(value) in (list, tuple, range) else None


def _hold(what, value, text, known, failures):
    """Holds the shape of one value against those that its entry names; one of them has to fit."""
    shapes = _sizes(text)
    shape = _shape(value) if shapes else None
    for symbols in shapes if shape is not None else ():
        trial = dict(known)
        if _fits(shape, symbols, trial):
            known |= trial
            return
    if shape is not None and not ANY_SHAPE.search(text):
        failures.append(f"{what} has shape {shape}, and its docstring says {shapes} with {known}")


def _hold_call(name, given, result, failures):
    known = {key: value for key, value in given.items() if len(key) == 1 and isinstance(value, int)}
    args = name.sections.get("Args", {})
    for value in given.values():                                # soft labels and models know V, m and d
        known |= {key: getattr(value, key) for key in "Vmd" if isinstance(getattr(value, key, None), int)}
    for key, value in given.items():
        _hold(f"{name.label}: {key}", value, args.get(key, ""), known, failures)
    text = name.sections.get("Returns", "")
    parts = [r for r in result if hasattr(r, "shape")] if type(result) is tuple else [result]
    texts = SHAPE.findall(text) if type(result) is tuple else [text]
    for value, said in zip(parts, texts):
        _hold(f"{name.label}: what it returns", value, said, known, failures)


def _hold_value(name, value, failures):
    """Fields and properties of one value of a class."""
    known = {}
    for key, text in name.sections.get("Attributes", {}).items():
        _hold(f"{name.label}.{key}", getattr(value, key), text, known, failures)
    for member in NAMES:
        if member.owner is name.thing and member.is_value and ARRAY.search(str(inspect.signature(member.code).return_annotation)):
            _hold(member.label, getattr(value, member.label.split(".")[1]), " ".join(member.sections[""]), known, failures)


def _recorded(name, failures):
    """The same function, which looks at what goes in and out."""
    signature = inspect.signature(name.code)

    @functools.wraps(name.code)
    def call(*given, **more):
        result = name.code(*given, **more)
        bound = dict(signature.bind(*given, **more).arguments)
        if name.owner is not None:
            bound.pop(next(iter(bound)))
        _hold_call(name, bound, result, failures)
        return result
    return call


def _namespace():
    """What a reader has after the imports that the page names."""
    space = {"np": np}
    for module in ("ntputils", "ntputils.widgets"):
        exec(f"from {module} import *", space)
    return space


@every_value
def test_the_example_runs_as_the_page_says_and_shapes_are_what_the_docstring_says(name, monkeypatch):
    space, failures = _namespace(), []
    family = [n for n in NAMES if n is name or n.owner is name.thing]
    space.setdefault(name.label, name.thing)
    if inspect.isfunction(name.thing):
        space[name.label] = _recorded(name, failures)
    for member in family[1:]:
        recorded = _recorded(member, failures)
        if not member.is_value:
            monkeypatch.setattr(name.thing, member.label.split(".")[1],
                                recorded if inspect.isfunction(member.thing) else type(member.thing)(recorded))
    said = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE, verbose=False)
    for one in family:
        test = doctest.DocTestParser().get_doctest(one.doc, dict(space), one.label, None, 0)
        if test.examples:
            runner.run(test, out=said.write, clear_globs=False)
        for value in test.globs.values():
            if inspect.isclass(name.thing) and type(value) is name.thing:
                _hold_value(name, value, failures)
    assert runner.failures == 0, said.getvalue()
    assert not failures, failures

"""A docstring names under `Raises` and `Warns` every class that its code raises and warns with, and no other."""

import ast
import builtins
import functools
import importlib
import inspect
import sys
import textwrap

from tests.reference.names import Name, every_name

# Raised where the code does not show it: by a library, or behind a table of functions.
ELSEWHERE = {
    "load_corpus": {"TypeError", "ValueError", "ConnectionError"},      # by the function that makes the corpus of that name
    "load_labels": {"TypeError", "ValueError"},
    "fit": {"FloatingPointError"},                                      # by the run, step by step
    "TrainingScrubber.numbers": {"IndexError"},                         # by the list of snapshots
    **dict.fromkeys(("ImbalanceWidget", "MomentCurveWidget", "SoftLabelsWidget", "SupportGridWidget", "SymmetricWidget"),
                    {"traitlets.TraitError"}),                          # by traitlets, of values of another type
}


@functools.cache
def _tree(function):
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except OSError:                                         # what a dataclass writes for itself
        return ast.parse("")


def _calls(function, cls):
    """The functions of the library that a function calls: by name, of a module, of its class; constructors too."""
    scope = dict(vars(sys.modules[function.__module__])) | {"self": cls, "cls": cls}
    for node in ast.walk(_tree(function)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = importlib.import_module("." * node.level + (node.module or ""), sys.modules[function.__module__].__package__)
            scope |= {alias.asname or alias.name: getattr(base, alias.name) for alias in node.names}
    for node in ast.walk(_tree(function)):
        called = node.func if isinstance(node, ast.Call) else node if isinstance(node, ast.Attribute) else None
        owner, thing = None, None
        if isinstance(called, ast.Name):
            thing = scope.get(called.id)
        elif isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            owner = scope.get(called.value.id)
            thing = inspect.getattr_static(owner, called.attr, None) if inspect.ismodule(owner) or inspect.isclass(owner) else None
        found = [(thing, owner)] if not inspect.isclass(thing) else [(vars(thing).get(m), thing) for m in _MAKERS]
        for one, of in found:
            code = Name("", one).code
            if inspect.isfunction(code) and code.__module__.startswith("ntputils"):
                yield code, of if inspect.isclass(of) else None, inspect.isclass(thing)


_MAKERS = ("__init__", "__post_init__")


def _raised(function, cls, guards_only, seen):
    """The classes that a function raises, and warns with, itself or through what it calls; or through private guards only."""
    errors, warns = set(), set()
    if function in seen:
        return errors, warns
    seen.add(function)
    scope = vars(builtins) | vars(sys.modules[function.__module__])
    for node in ast.walk(_tree(function)):
        if isinstance(node, ast.Raise) and node.exc is not None:
            name = getattr(getattr(node.exc, "func", node.exc), "id", "")
            errors |= {name} if inspect.isclass(scope.get(name)) else set()
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "warn":
            warns |= {arg.id for arg in node.args if isinstance(arg, ast.Name) and inspect.isclass(scope.get(arg.id))}
    for code, owner, is_maker in _calls(function, cls):
        if not guards_only or (code.__name__.startswith("_") and not is_maker):
            more = _raised(code, owner, guards_only, seen)
            errors, warns = errors | more[0], warns | more[1]
    return errors, warns


@every_name
def test_a_docstring_names_what_the_code_raises_and_nothing_else(name):
    if inspect.isclass(name.thing):
        checks = [v.func for v in vars(name.thing).values() if type(v).__name__ == "ValidateHandler"]
        codes = [vars(name.thing)[m] for m in _MAKERS if inspect.isfunction(vars(name.thing).get(m))] + checks
    else:
        codes = [name.code]
    cls = name.owner or (name.thing if inspect.isclass(name.thing) else None)
    needed, possible = ([set().union(*parts) for parts in zip(*(_raised(c, cls, only, set()) for c in codes), (set(), set()))]
                        for only in (True, False))
    said, warned = set(name.sections.get("Raises", {})), set(name.sections.get("Warns", {}))
    assert needed[0] <= said <= possible[0] | ELSEWHERE.get(name.label, set())
    assert needed[1] <= warned <= possible[1]

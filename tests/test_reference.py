"""The pages that are made from the library say what the library says, and its docstrings say all that a caller needs.

A docstring of the reference has one line that says what the thing does; `Args` with every parameter, in order; `Returns`;
`Raises` with every class that its code raises, and no other; the shape of every array, as in (V, m); the unit of logits,
losses and entropies (nats); an example; and, for functions and classes, `Attributes` and a line `Source:`, which names
chapters of the book, with titles of their statements, and papers of its bibliography. The last test runs the examples and
holds the shapes of what goes in and out against those that stand there.
"""

import ast
import builtins
import contextlib
import dataclasses
import doctest
import functools
import importlib
import inspect
import io
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import ntputils
from ntputils import plots, widgets

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "book" / "reference.md").read_text(encoding="utf-8")

HEAD = re.compile(r"(Args|Attributes|Raises|Returns|Warns):")
SHAPE = re.compile(r"\((?:[\w'.+*/^ -]+,)+(?: ?[\w'.+*/^ -]+)?\)")                  # (V, m), (n,), (..., V, d)
ANY_SHAPE = re.compile(r"any shape|(?:of|in) the shape of")
ARRAY = re.compile(r"ArrayLike|MatrixLike|ndarray|csc_array|Tensor")
NUMBERS = re.compile(rf"{ARRAY.pattern}|float")
IN_NATS = re.compile(r"(?i)\b(loss(es)?|(cross-)?entrop(y|ies)|logits?|log-probabilit\w+|log-odds|pmi)\b")
NATS_BY_NAME = {"L", "L_in", "L_mm", "L_distinct", "entropy", "loss", "ntp_loss"}

# Raised where the code does not show it: by a library, or behind a table of functions.
ELSEWHERE = {
    "load_corpus": {"TypeError", "ValueError", "ConnectionError"},      # by the function that makes the corpus of that name
    "load_labels": {"TypeError", "ValueError"},
    "fit": {"FloatingPointError"},                                      # by the run, step by step
    "TrainingScrubber.numbers": {"IndexError"},                         # by the list of snapshots
    **dict.fromkeys(("ImbalanceWidget", "MomentCurveWidget", "SoftLabelsWidget", "SupportGridWidget", "SymmetricWidget"),
                    {"traitlets.TraitError"}),                          # by traitlets, of values of another type
}
# What stands in the cited chapters for names that they do not write down.
STANDS_FOR = {"BytePairTokenizer": "bpe-", "bpe_tokenizer": "bpe-", "count_contexts": "SoftLabels.from_t",
              "ConvergenceWarning": "solve_ntp_svm", "LowRankSolution": "rank="}


# --- what there is -------------------------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Name:
    """A function, a class, or a member of a class, that the reference shows."""

    label: str
    thing: object
    owner: type | None = None

    @property
    def code(self):
        """The function behind it; the class itself of a class."""
        for attribute in ("fget", "func", "__func__"):      # of a property, a cached property, a class method
            if not inspect.isfunction(self.thing) and hasattr(self.thing, attribute):
                return getattr(self.thing, attribute)
        return self.thing

    @property
    def is_value(self):
        return isinstance(self.thing, (property, functools.cached_property))

    @property
    def doc(self):
        return inspect.cleandoc(self.code.__doc__ or "")

    @functools.cached_property
    def sections(self):
        """The prose, and the sections by name: entries, or the text of `Returns`."""
        parts, name = {"": []}, ""
        for line in self.doc.splitlines():
            if match := HEAD.fullmatch(line):
                name = match[1]
                parts[name] = []
            else:
                name = name if not line or line.startswith(" ") else ""
                parts[name].append(line)
        return {k: " ".join(map(str.strip, v)).strip() if k == "Returns" else v if k == "" else _entries(v)
                for k, v in parts.items()}

    @property
    def annotations(self):
        """What the code says of each documented name: parameters, with their stars, or fields."""
        if not inspect.isclass(self.thing):
            parameters = list(inspect.signature(self.code).parameters.values())
            parameters = parameters[self.owner is not None:]
        else:
            own = self.thing.__dict__.get("__init__")
            made = dataclasses.is_dataclass(self.thing) or own is None or hasattr(self.thing, "_fields")
            parameters = [] if made else list(inspect.signature(own).parameters.values())[1:]
        stars = {inspect.Parameter.VAR_KEYWORD: "**", inspect.Parameter.VAR_POSITIONAL: "*"}
        return {stars.get(p.kind, "") + p.name: str(p.annotation) for p in parameters}

    @property
    def fields(self):
        """The public fields of a class."""
        if dataclasses.is_dataclass(self.thing):
            return {f.name: str(f.type) for f in dataclasses.fields(self.thing) if f.name[0] != "_"}
        if hasattr(self.thing, "class_own_traits"):
            return {name: "" for name in self.thing.class_own_traits(sync=True) if name[0] != "_"}
        return {n: str(self.thing.__annotations__[n]) for n in getattr(self.thing, "_fields", ())}


def _entries(lines):
    found, keys = {}, []
    for line in lines:
        if match := re.fullmatch(r" {4}(\S[^:]*): (.*)", line):
            keys = match[1].split(", ")
            found |= dict.fromkeys(keys, match[2])
        elif line.strip():
            found |= {key: f"{found[key]} {line.strip()}" for key in keys}
    return found


def _members(cls):
    """The public methods and properties that a class defines."""
    kinds = (property, functools.cached_property, classmethod, staticmethod)
    return [name for name, value in vars(cls).items()
            if name[0] != "_" and (isinstance(value, kinds) or inspect.isfunction(value))]


def _shown():
    for kind, path, options in re.findall(r"\.\. auto(function|class):: ntputils\.([\w.]+).*\n((?:   :.*\n)*)", PAGE):
        module, _, name = path.rpartition(".")
        thing = getattr(importlib.import_module(f"ntputils.{module}".rstrip(".")), name)
        yield Name(name, thing)
        if kind == "class" and (listed := re.search(r":members:(.*)", options)):
            for member in listed[1].replace(" ", "").split(",") if listed[1].strip() else _members(thing):
                yield Name(f"{name}.{member}", vars(thing)[member], thing)


NAMES = list(_shown())
every_name = pytest.mark.parametrize("name", NAMES, ids=lambda name: name.label)
every_value = pytest.mark.parametrize("name", [n for n in NAMES if n.owner is None], ids=lambda name: name.label)


def test_every_public_name_is_in_the_reference():
    public = set(ntputils.__all__) | set(widgets.__all__)
    public |= {name for name, value in vars(plots).items()
               if callable(value) and getattr(value, "__module__", "") == plots.__name__ and not name.startswith("_")}
    assert public - {n.label for n in NAMES} == set()
    members = {f"{n.label}.{m}" for n in NAMES if inspect.isclass(n.thing) for m in _members(n.thing)}
    assert members - {n.label for n in NAMES} == set()


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


# --- what docstrings say -------------------------------------------------------------------------------------------

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


# --- what code raises ----------------------------------------------------------------------------------------------

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


# --- where things come from ----------------------------------------------------------------------------------------

@functools.cache
def _chapter(number):
    """A chapter, and the pages that belong to it (02 and 02b)."""
    return "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "notebooks").glob(f"{number:02d}*.py"))


@functools.cache
def _papers():
    """(family name of the first author, year) of each entry of the bibliography."""
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    entries = re.findall(r"author\s*=\s*\{+([^,}]+).*?year\s*=\s*\{(\d+)\}", text, re.DOTALL)
    return {(family.strip("{} "), year) for family, year in entries}


@every_value
def test_a_source_names_chapters_with_their_statements_and_papers_that_the_book_cites(name):
    (source,) = re.findall(r"^Source: ((?:.+\n?)+)", name.doc + "\n", re.MULTILINE)
    source = " ".join(source.split())
    assert source.endswith(".")
    used = False
    for clause in source.rstrip(".").split("; "):
        numbers = [int(n) for part in re.findall(r"\bchapters? ([\d, and]+)", clause) for n in re.findall(r"\d+", part)]
        titles = re.findall(r'"([^"]+)"', clause)
        for number in numbers:
            names = {name.label, STANDS_FOR.get(name.label, name.label)}
            makers = {n.label for n in NAMES if n.owner is None and inspect.isfunction(n.thing)
                      and re.search(rf"\b{name.label}\b", str(inspect.signature(n.thing).return_annotation))}
            near = {n.label for n in NAMES if n.owner is None and n.thing.__module__ == name.thing.__module__}
            used |= any(re.search(rf"\b{re.escape(n)}", _chapter(number)) for n in names | makers | near)
        for title in titles:
            assert any(re.search(rf"# ```{{prf:\w+}} {re.escape(title)}", _chapter(n)) for n in numbers), f"no statement {title}"
        for family, year in re.findall(r"((?:Ben )?[A-Z][\w'’-]+)(?: et al\.| and [A-Z]\w+)? \((\d{4})\)", clause):
            assert (family, year) in _papers(), f"{family} ({year}) is not in the bibliography"
        assert numbers or re.search(r"\(\d{4}\)", clause) or clause in ("made for this book", "the ledger", "every chapter",
                                                                        "the reproduction report"), clause
    assert used or "every chapter" in source or "reproduction report" in source, "no chapter that is named uses it"


# --- shapes, by running the examples -------------------------------------------------------------------------------

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


def test_the_welcome_figure_is_what_its_script_draws():
    done = subprocess.run([sys.executable, ROOT / "scripts" / "welcome_figure.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

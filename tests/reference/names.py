"""The public names that the reference shows, each with its docstring in parts."""

import dataclasses
import functools
import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "book" / "reference.md").read_text(encoding="utf-8")

HEAD = re.compile(r"(Args|Attributes|Raises|Returns|Warns):")
SHAPE = re.compile(r"\((?:[\w'.+*/^ -]+,)+(?: ?[\w'.+*/^ -]+)?\)")                  # (V, m), (n,), (..., V, d)
ANY_SHAPE = re.compile(r"any shape|(?:of|in) the shape of")
ARRAY = re.compile(r"ArrayLike|MatrixLike|ndarray|csc_array|Tensor")


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


def members(cls):
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
            for member in listed[1].replace(" ", "").split(",") if listed[1].strip() else members(thing):
                yield Name(f"{name}.{member}", vars(thing)[member], thing)


NAMES = list(_shown())
every_name = pytest.mark.parametrize("name", NAMES, ids=lambda name: name.label)
every_value = pytest.mark.parametrize("name", [n for n in NAMES if n.owner is None], ids=lambda name: name.label)

"""The library's docstrings have Markdown's backticks and tables; autodoc wants reStructuredText."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([\\*|]|(?<=\w)_(?!\w))")  # what reStructuredText would take for markup
_RULE = re.compile(r"\s*\|[-| :]+\|\s*$")


def to_restructured(lines: list[str]) -> list[str]:
    r"""Rewrites a docstring: code in double backticks, special characters escaped, tables as lists.

    Doctests stay as they are.

    >>> to_restructured(["The mean of `L` is |L_.j| * 2:", "", ">>> 2 * 3", "6"])
    ['The mean of ``L`` is \\|L\\_.j\\| \\* 2:', '', '>>> 2 * 3', '6']
    >>> to_restructured(["| name | what |", "|---|---|", '| `"a"` | one |'])
    ['', '- ``"a"``: one', '']
    """
    out: list[str] = []
    doctest = table = False
    for number, line in enumerate(lines):
        doctest = line.lstrip().startswith(">>>") or (doctest and bool(line.strip()))
        row = line.lstrip().startswith("|") and not doctest
        if row != table:
            out.append("")
        table = row
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if doctest:
            out.append(line)
        elif not row:
            out.append(_prose(line))
        elif not _RULE.match(line) and not _RULE.match(following):
            out.append(_item(line))
    return [*out, ""] if table else out


def _prose(line: str) -> str:
    pieces = line.split("`")
    if len(pieces) % 2 == 0:  # an odd backtick: code that runs on to the next line
        return _SPECIAL.sub(r"\\\1", line.replace("`", "'"))
    return "".join(f"``{piece}``" if number % 2 else _SPECIAL.sub(r"\\\1", piece)
                   for number, piece in enumerate(pieces))


def _item(line: str) -> str:
    first, *others = (_prose(cell.strip()) for cell in line.strip().strip("|").split("|"))
    return f"- {first}: " + "; ".join(other for other in others if other)


def process(app, what, name, obj, options, lines: list[str]) -> None:  # the event's own signature
    """Answers autodoc's event: changes the lines in place, before napoleon reads its sections."""
    lines[:] = to_restructured(lines)

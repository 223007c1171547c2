"""What the directives build with: HTML elements that docutils has no node for, tables, numbers for readers."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx

VOID = ("input",)


class element(nodes.General, nodes.Element):  # noqa: N801 - node classes are written like this
    """An HTML element: its tag and its attributes, as they are written."""


def html(tag: str, *children: nodes.Node | str, ids: tuple[str, ...] = (), classes: tuple[str, ...] = (),
         **attributes: object) -> element:
    """An element of the page; in names `_` stands for `-`, True is an attribute without a value, False leaves it out.

    >>> html("tr", "text", data_verdict="fails", hidden=True)["written"]
    {'data-verdict': 'fails', 'hidden': ''}
    """
    written = {name.strip("_").replace("_", "-"): "" if value is True else str(value)
               for name, value in attributes.items() if value is not False}
    shown = [nodes.Text(child) if isinstance(child, str) else child for child in children]
    return element("", *shown, tag=tag, written=written, ids=list(ids), classes=list(classes))


def _visit(translator, node: element) -> None:
    translator.body.append(translator.starttag(node, node["tag"], "", **node["written"]))


def _depart(translator, node: element) -> None:
    if node["tag"] not in VOID:
        translator.body.append(f"</{node['tag']}>")


def add_nodes(app: Sphinx) -> None:
    """Teaches Sphinx to write elements."""
    app.add_node(element, html=(_visit, _depart))


def number(value: object) -> str:
    """A measurement for a reader: whole numbers with commas, others to four digits.

    >>> number(12345), number(0.123456), number("nan")
    ('12,345', '0.1235', 'nan')
    """
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def table(heads: tuple[str, ...], rows: list[list[list[nodes.Node]]], kind: str) -> nodes.container:
    """A table in a box of its own, which scrolls, or turns into cards where the screen is narrow."""
    group = nodes.tgroup(cols=len(heads))
    group += [nodes.colspec(colwidth=1) for _ in heads]
    head = nodes.thead("", _row([[nodes.Text(name)] for name in heads]))
    group += [head, nodes.tbody("", *map(_row, rows))]
    return nodes.container("", nodes.table("", group, classes=[kind]), classes=["ntp-table"])


def _row(cells: list[list[nodes.Node]]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *cell)) for cell in cells))


def cards(heads: tuple[str, ...], rows: list[element], kind: str) -> element:
    """A table of rows made by `row`; where the screen is narrow each is a card, with a head beside each cell."""
    head = html("thead", html("tr", *(html("th", name, scope="col") for name in heads)))
    return html("div", html("table", head, html("tbody", *rows), classes=("table", kind)), classes=("ntp-table",))


def row(heads: tuple[str, ...], cells: list[list[nodes.Node]], **attributes: object) -> element:
    """One row of `cards`."""
    made = (html("td", *cell, data_head=name) for name, cell in zip(heads, cells, strict=True))
    return html("tr", *made, **attributes)


def section(title: str, anchor: str, *children: nodes.Node) -> nodes.section:
    """A section that the page's table of contents lists."""
    made = nodes.section("", nodes.title(title, title), *children, ids=[anchor], names=[anchor])
    made["classes"].append("ntp-group")
    return made


def fold(summary: list[nodes.Node], *children: nodes.Node) -> element:
    """Something that the reader unfolds."""
    return html("details", html("summary", *summary), *children, classes=("ntp-fold",))

"""A published number beside ours, and why they differ: a table that a notebook prints and a page shows."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import SupportsFloat

__all__ = ["SideBySide"]

_HEADS = ("quantity", "authors", "here", "why they differ")


def _text(value: str | SupportsFloat) -> str:
    """A number for a reader: whole numbers with commas, others to five digits."""
    if isinstance(value, str):
        return value
    value = float(value) + 0.0      # no minus before a zero
    return f"{value:,.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.5g}"


@dataclass
class SideBySide:
    """Published numbers beside ours, row by row. Shown in a notebook, it prints a stable text and, on the page, a table.

    Source: the reproduction report; made for this book.

    Attributes:
        rows: what was added: quantity, the authors' number, ours, and why they differ.

    >>> table = SideBySide()
    >>> table.add("contexts", 403, 404, "one more variant")
    >>> table
    contexts: 403 there, 404 here (one more variant)
    """

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def add(self, quantity: str, authors: str | SupportsFloat, here: str | SupportsFloat, why: str = "") -> None:
        """Adds a row.

        Args:
            quantity: what is compared, a few words.
            authors: their number, or a text where they give none.
            here: ours.
            why: one sentence on the difference; empty where there is none.
        """
        self.rows.append((quantity, _text(authors), _text(here), why))

    def __repr__(self) -> str:
        return "\n".join(f"{what}: {theirs} there, {ours} here" + (f" ({why})" if why else "")
                         for what, theirs, ours, why in self.rows)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in _HEADS)
        body = "".join("<tr>" + "".join(map(self._cell, _HEADS, row)) + "</tr>" for row in self.rows)
        return (f'<div class="ntp-table"><table class="ntp-benchmark ntp-beside"><thead><tr>{head}</tr></thead>'
                f"<tbody>{body}</tbody></table></div>")

    @staticmethod
    def _cell(head: str, text: str) -> str:
        """A cell under its head, which stands beside it where the screen is narrow."""
        return f'<td><span class="ntp-head">{head}: </span>{html.escape(text)}</td>' if text else "<td></td>"

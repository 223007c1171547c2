"""The claims ledger: every claim of the book is measured by a cell, and the cell says how it came out.

The statement, its source and its threshold stand in `claims.yml`, committed before the first measurement; a notebook
only measures. There, too, stand the labels of the theorems that the claim checks. What the cell prints is stable
between machines (nbval compares it); the raw measurement travels in the claim's own record.
"""

from __future__ import annotations

import functools
import html
import importlib.resources
import math
import os
import re
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import yaml

MIME = "application/vnd.ntputils.claim+json"
VERDICTS = ("holds", "fails", "holds at this scale", "open")
_FIELDS = {"id", "part", "statement", "source", "threshold", "why", "discussion", "of", "scale_bound"}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
_COMPARE = re.compile(rf"(<=|>=|<|>|==)\s*({_NUMBER})", re.IGNORECASE)
_BETWEEN = re.compile(rf"in \[({_NUMBER}), ({_NUMBER})\]", re.IGNORECASE)


def satisfies(measured: float, threshold: str) -> bool:
    """Does a measurement meet a threshold, written `<= 1e-12`, `>= 0.9`, `== 0`, `< 1`, `> 0` or `in [0.9, 1.1]`?

    Args:
        measured: the measurement; NaN meets no threshold.
        threshold: one of the forms above.

    Raises:
        ValueError: a threshold of another form.

    >>> satisfies(3e-13, "<= 1e-12"), satisfies(float("nan"), "in [0, 1]")
    (True, False)
    """
    if match := _COMPARE.fullmatch(threshold):
        value = float(match[2])
        return {"<=": measured <= value, ">=": measured >= value, "<": measured < value, ">": measured > value,
                "==": measured == value}[match[1]]
    if match := _BETWEEN.fullmatch(threshold):
        return float(match[1]) <= measured <= float(match[2])
    raise ValueError(f"threshold: got {threshold!r}, want e.g. '<= 1e-12', '>= 0.9', '== 0' or 'in [0.9, 1.1]'")


@functools.cache
def statements() -> dict[str, dict[str, Any]]:
    """All entries of the ledger by id, as `claims.yml` has them: packaged in a wheel, in `book/` in a checkout.

    Raises:
        ValueError: an entry lacks a field or has one too many, a threshold that cannot be read, an id twice.
    """
    packaged = importlib.resources.files("ntputils") / "claims.yml"
    path = packaged if packaged.is_file() else Path(__file__).parent.parent / "book" / "claims.yml"
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    table: dict[str, dict[str, Any]] = {}
    for entry in entries:
        missing = {"id", "part", "statement", "source", "threshold", "why"} - entry.keys()
        if missing or entry.keys() - _FIELDS:
            raise ValueError(f"claims.yml: entry {entry.get('id')} lacks {sorted(missing)} or has unknown fields "
                             f"{sorted(entry.keys() - _FIELDS)}")
        if entry["id"] in table:
            raise ValueError(f"claims.yml: the id {entry['id']} stands twice")
        if entry["threshold"] is not None:
            satisfies(0.0, entry["threshold"])
        table[entry["id"]] = entry
    return table


@dataclass(frozen=True)
class Claim:
    """One claim, measured. Shown at the end of a cell it prints its verdict and, on the page, its card.

    Source: the ledger; every chapter; made for this book.

    Attributes:
        id: `<chapter>.<number>`, as in `claims.yml`.
        part: where in the book it belongs.
        statement: one sentence that says what number is measured.
        source: where the statement comes from.
        threshold: what the measurement has to meet, such as `<= 1e-12`; None for an open question.
        why: the reason for that threshold.
        discussion: the items of the public discussion that it bears on.
        of: the labels of the theorems, propositions, lemmas and corollaries of the book that it checks.
        measured: the measurement, in the unit that the statement names.
        verdict: `holds`, `fails`, `holds at this scale` or `open`.
        scale: of the run, "small" or "full".

    >>> found = claim("1.1", 0.0)
    >>> found.verdict, found.measured, found.anchor
    ('holds', 0.0, 'claim-1-1')
    """

    id: str
    part: str
    statement: str
    source: str
    threshold: str | None
    why: str
    discussion: tuple[int, ...]
    of: tuple[str, ...]
    measured: float
    verdict: str
    scale: str

    @property
    def anchor(self) -> str:
        """The id of the claim's card on its page."""
        return "claim-" + self.id.replace(".", "-")

    def record(self) -> dict[str, Any]:
        """The whole claim as plain values, for `claims.json`.

        Returns:
            Every field by name, and `anchor`; `measured` as a whole number where it is one.

        >>> claim("1.1", 0.0).record()["measured"]
        0
        """
        value = self.measured
        exact = int(value) if math.isfinite(value) and value == int(value) and abs(value) < 2**53 else float(value)
        shown = exact if math.isfinite(value) else str(value)
        return {"id": self.id, "part": self.part, "statement": self.statement, "source": self.source,
                "threshold": self.threshold, "why": self.why, "discussion": list(self.discussion), "of": list(self.of),
                "measured": shown, "verdict": self.verdict, "scale": self.scale, "anchor": self.anchor}

    def __repr__(self) -> str:
        bound = "no threshold" if self.threshold is None else f"measured {self.threshold}"
        return f"Claim {self.id} {self.verdict} ({bound}): {self.statement}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {"text/plain": repr(self), "text/html": self._card(), MIME: self.record()}

    def _card(self) -> str:
        esc = html.escape
        measured = f"{self.measured:.4g}" if not float(self.measured).is_integer() else f"{self.measured:,.0f}"
        bound = "none" if self.threshold is None else esc(self.threshold)
        discussed = f" · discussion {', '.join(f'D{d}' for d in self.discussion)}" if self.discussion else ""
        return (f'<div class="ntp-claim" id="{self.anchor}" data-verdict="{esc(self.verdict)}">'
                f'<p class="ntp-claim-head"><span class="ntp-claim-id">Claim {esc(self.id)}</span> '
                f'<span class="ntp-verdict">{esc(self.verdict)}</span></p>'
                f'<p class="ntp-claim-statement">{esc(self.statement)}</p>'
                f'<p class="ntp-claim-facts">measured <b>{measured}</b> · threshold <b>{bound}</b> ({esc(self.why)})'
                f' · source {esc(_in_words(self.source))}{discussed}</p></div>')


def _in_words(source: str) -> str:
    """A source as a reader knows it.

    >>> [_in_words(source) for source in ("paper", "T24", "E.5", "F.6", "D13")]
    ['paper', 'Thrampoulidis (2024)', 'related work', 'open problem', 'D13']
    """
    words = {"T24": "Thrampoulidis (2024)", "E": "related work", "F": "open problem"}
    return words.get(source.partition(".")[0], source)


def claim(id: str, measured: float | bool) -> Claim:  # noqa: A002 - the ledger's own word
    """Holds a measurement against the threshold that the ledger committed to.

    Source: the ledger; every chapter; made for this book.

    Args:
        id: `<chapter>.<number>`, as in `claims.yml`.
        measured: one number, in the unit that the statement names; a truth value counts as 0 or 1.

    Returns:
        The claim with its verdict: `holds`, `fails`, `holds at this scale` (where the ledger says that the check is
        bound to a scale) or `open` (where the ledger names no threshold).

    Raises:
        KeyError: no such id; the message lists those there are.
        TypeError: `measured` is not one number.

    >>> claim("1.1", 0.0).verdict, claim("1.1", 0.5).verdict
    ('holds', 'fails')
    """
    table = statements()
    if id not in table:
        raise KeyError(f"id: got {id!r}, want one of the ledger: {', '.join(table)}")
    if hasattr(measured, "item") and getattr(measured, "size", 1) == 1:
        measured = measured.item()
    if not isinstance(measured, Real):
        raise TypeError(f"measured: got {type(measured).__name__}, want one number or truth value")
    entry = table[id]
    threshold = entry["threshold"]
    if threshold is None:
        verdict = "open"
    elif not satisfies(float(measured), threshold):
        verdict = "fails"
    else:
        verdict = "holds at this scale" if entry.get("scale_bound") else "holds"
    return Claim(id, entry["part"], entry["statement"], entry["source"], threshold, entry["why"],
                 tuple(entry.get("discussion", ())), tuple(entry.get("of", ())), float(measured), verdict,
                 os.environ.get("NTP_SCALE", "small"))

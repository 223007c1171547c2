"""The claims of this build: their records, links to their cells, the verdict as a mark, and how many there are."""

from __future__ import annotations

import collections
import functools
import json
from pathlib import Path
from urllib.parse import quote, urlencode

import yaml
from docutils import nodes
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxRole

from .markup import html, number

PARTS = {"A": "notation and problem", "B": "results", "C": "experiments", "D": "discussion",
         "E": "related and beyond"}
SOURCES = {"paper": "the paper", "T24": "its predecessor (T24)", "discussion": "the public discussion",
           "derived": "derived in this book", "related": "related work", "open": "open problems"}
VERDICTS = ("holds", "fails", "holds at this scale", "open")
LEDGER = "book/ledger"
_FAMILIES = {"D": "discussion", "E": "related", "F": "open"}


def source_family(source: str) -> str:
    """Which of `SOURCES` a claim's source belongs to: `D13` is the discussion, `F.6` an open problem.

    >>> source_family("D13"), source_family("T24"), source_family("E.5")
    ('discussion', 'T24', 'related')

    Raises:
        ValueError: a source of another form.
    """
    if source in SOURCES and source not in _FAMILIES.values():
        return source
    digits = source[1:].removeprefix(".")
    if source[:1] not in _FAMILIES or not digits.isdigit():
        raise ValueError(f"claims: source {source!r}, want paper, T24, derived, D<n>, E.<n> or F.<n>")
    return _FAMILIES[source[0]]


@functools.cache
def _read(path: Path, changed: int) -> object:
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)


def read(env: BuildEnvironment, name: str) -> list[dict]:
    """The records of a file below the source tree, none where there is none; read once while it does not change."""
    path = Path(env.srcdir) / name
    if "docname" in env.temp_data:  # a page is being read
        env.note_dependency(str(path))
    return _read(path, path.stat().st_mtime_ns) if path.is_file() else []


def measured(env: BuildEnvironment) -> dict[str, dict]:
    """The records of the claims that this build measured, by id, in the order of their numbers."""
    return {claim["id"]: claim for claim in read(env, "claims.json")}


def committed(env: BuildEnvironment) -> dict[str, dict]:
    """The entries of the ledger by id; a claim may be committed and not measured, where its chapter is left out."""
    return {claim["id"]: claim for claim in read(env, "book/claims.yml")}


def mark(verdict: str) -> nodes.inline:
    """A verdict in a word, coloured; `holds at this scale` has the class `ntp-holds-at-this-scale`."""
    return nodes.inline("", verdict, classes=["ntp-verdict", "ntp-mark", "ntp-" + verdict.replace(" ", "-")])


def link(env: BuildEnvironment, docname: str, text: str, page: str, place: str, **attributes: str) -> nodes.inline:
    """A link to a place on a page, as `docname` has to write it, in a phrase, where docutils wants links to be."""
    target = env.app.builder.get_relative_uri(docname, page) + (f"#{place}" if place else "")
    return nodes.inline("", "", nodes.reference("", text, internal=True, refuri=target, **attributes))


def cell_link(env: BuildEnvironment, docname: str, claim: dict, text: str, **attributes: str) -> nodes.inline:
    """A link to the claim's cell."""
    return link(env, docname, text, claim["page"].removesuffix(".html"), claim["anchor"], **attributes)


def claim_link(env: BuildEnvironment, docname: str, claim: dict, text: str) -> nodes.inline:
    """A link to the claim's cell, and its verdict; the statement shows when the pointer rests on the link."""
    cell = cell_link(env, docname, claim, text, reftitle=claim["statement"])
    return nodes.inline("", "", cell, nodes.Text(" "), mark(claim["verdict"]), classes=["ntp-claim-link"])


def claim_list(env: BuildEnvironment, docname: str, claims: list[dict]) -> nodes.Element:
    """Compact links to claims, side by side."""
    links = (claim_link(env, docname, claim, claim["id"]) for claim in claims)
    return html("ul", *(html("li", one) for one in links), classes=("ntp-claims",))


def counted(claims: list[dict]) -> str:
    """How many came out how: `holds: 5, fails: 1`."""
    count = collections.Counter(claim["verdict"] for claim in claims)
    return ", ".join(f"{verdict}: {count[verdict]:,}" for verdict in VERDICTS if count[verdict])


class Role(SphinxRole):
    """A role that says what is wrong with its text as a warning at its own place."""

    def wrong(self, message: str) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        said = self.inliner.reporter.warning(message, line=self.lineno)
        return [nodes.literal("", self.text)], [said]


class ClaimRole(Role):
    """The role `claim`, as in {claim}`15.7`: "claim 15.7", linked to its cell, with its verdict."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        if claim := measured(self.env).get(self.text):
            return [claim_link(self.env, self.env.docname, claim, f"claim {self.text}")], []
        if self.text in committed(self.env):  # its chapter needs the pretrained model, and is left out
            said = nodes.inline("", "not measured in this build", classes=["ntp-mark", "ntp-open"])
            return [nodes.Text(f"claim {self.text} "), said], []
        return self.wrong(f"claim: no claim {self.text!r} in the ledger")


class ClaimCount(Role):
    """The role `claim-count`: how many claims there are (`total`) or came out so (`fails`), linked to that view."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        if self.text not in ("total", *VERDICTS):
            return self.wrong(f"claim-count: got {self.text!r}, want total or one of {', '.join(VERDICTS)}")
        count = sum(self.text in ("total", claim["verdict"]) for claim in measured(self.env).values())
        return [view(self.env, number(count), LEDGER, {} if self.text == "total" else {"verdict": self.text})], []


def view(env: BuildEnvironment, text: str, page: str, filters: dict[str, str]) -> nodes.Node:
    """A link to a page whose filters are set; plain text where the book does not have that page."""
    if page not in env.found_docs:
        return nodes.Text(text)
    return link(env, env.docname, text, page, urlencode(filters, quote_via=quote))

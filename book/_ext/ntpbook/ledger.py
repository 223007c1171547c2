"""`{claims-ledger}`: all claims, chapter by chapter, each with what was measured, links and filters."""

from __future__ import annotations

import itertools

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

from . import filters
from .claims import PARTS, SOURCES, VERDICTS, cell_link, counted, mark, measured, source_family
from .markup import cards, element, html, number, row, section
from .questions import item_link
from .statements import statement_link

HEADS = ("Claim", "Statement", "Source", "Measured", "Threshold", "Verdict")


class ClaimsLedger(SphinxDirective):
    """The whole ledger."""

    def run(self) -> list[nodes.Node]:
        claims = list(measured(self.env).values())
        if not claims:
            return [nodes.paragraph("", "No notebook has measured a claim yet.")]
        chapters = itertools.groupby(claims, key=lambda claim: claim["id"].split(".")[0])
        return [nodes.paragraph("", f"{len(claims)} claims ({counted(claims)})."), self._form(claims),
                *(self._chapter(name, list(group)) for name, group in chapters)]

    def _form(self, claims: list[dict]) -> element:
        parts = {key: f"{key}: {words}" for key, words in PARTS.items()}
        return filters.form(
            "claims", len(claims), filters.choice("part", "Part", parts, (claim["part"] for claim in claims)),
            filters.choice("source", "Source", SOURCES, (source_family(claim["source"]) for claim in claims)),
            filters.choice("verdict", "Verdict", dict(zip(VERDICTS, VERDICTS)), (claim["verdict"] for claim in claims)))

    def _chapter(self, name: str, claims: list[dict]) -> nodes.section:
        page = claims[0]["page"].removesuffix(".html")
        link = addnodes.pending_xref("", nodes.inline("", page), refdomain="std", reftype="doc", reftarget="/" + page,
                                     refexplicit=False, refdoc=self.env.docname, refwarn=True)
        table = cards(HEADS, [self._row(claim) for claim in claims], "claims-ledger")
        return section(f"Chapter {name}", f"chapter-{name}", nodes.paragraph("", "", link), table)

    def _row(self, claim: dict) -> element:
        statement, messages = self.parse_inline(claim["statement"])
        threshold = claim["threshold"] if claim["threshold"] is not None else "none"
        family = source_family(claim["source"])
        first = cell_link(self.env, self.env.docname, claim, claim["id"])
        cells = [[first], [*statement, *messages, *self._links(claim)], [self._source(claim["source"], family)],
                 [nodes.Text(number(claim["measured"]))], [nodes.literal("", str(threshold))],
                 [mark(claim["verdict"]), nodes.Text(f" ({claim['scale']})")]]
        return row(HEADS, cells, data_item=True, data_part=claim["part"], data_source=family,
                   data_verdict=claim["verdict"])

    def _source(self, source: str, family: str) -> nodes.Node:
        """Numbers of related results and open problems belong to lists that the reader does not have: words instead."""
        if family == "discussion":
            return item_link(self.env, int(source[1:]))
        return nodes.Text({"related": "related work", "open": "open problem"}.get(family, source))

    def _links(self, claim: dict) -> list[nodes.Node]:
        """A line below the statement: what the claim checks, and the items of the discussion that it bears on."""
        checks = [statement_link(label, claim["id"]) for label in claim.get("of", [])]
        bears = [item_link(self.env, item) for item in claim["discussion"]]
        parts = [nodes.inline("", "", nodes.Text(f"{verb} "), *_between(links))
                 for verb, links in (("checks", checks), ("bears on", bears)) if links]
        return [html("div", *_between(parts, "; "), classes=("ntp-links",))] if parts else []


def _between(links: list[nodes.Node], mark: str = ", ") -> list[nodes.Node]:
    """The links with commas between them."""
    return [node for link in links for node in (nodes.Text(mark), link)][1:]

"""`{questions-and-answers}`: what was asked in the public review of the paper, and what this book answers."""

from __future__ import annotations

import collections

from docutils import nodes
from sphinx import addnodes
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from . import filters
from .claims import Role, claim_list, committed, counted, measured, read, view
from .discussion import ASKERS, GROUPS, MARKS, asker, faults, in_words
from .markup import element, fold, html, number, section

PAGE = "book/questions"
SHOWN = 6  # more claims than this are folded


def anchor(item: int) -> str:
    """The name of an item's place on the page: `d-13`."""
    return f"d-{item}"


def item_link(env: BuildEnvironment, item: int) -> nodes.Node:
    """A link to an item of the discussion; plain text in a book without that page."""
    name = f"D{item}"
    if PAGE not in env.found_docs:
        return nodes.Text(name)
    return nodes.inline("", "", addnodes.pending_xref(
        "", nodes.inline("", name), refdomain="std", reftype="ref", reftarget=anchor(item), refexplicit=True,
        refdoc=env.docname, refwarn=True))


class QuestionsAndAnswers(SphinxDirective):
    """The whole page below its introduction."""

    def run(self) -> list[nodes.Node]:
        items = read(self.env, "book/discussion.yml")
        wrong = faults(items, committed(self.env) or measured(self.env))
        for fault in wrong:
            logging.getLogger(__name__).warning(fault, location=self.get_location())
        if wrong:
            return []
        self.bearing = collections.defaultdict(list)
        for claim in measured(self.env).values():
            for item in claim["discussion"]:
                self.bearing[item].append(claim)
        groups = [self._group(key, title, items) for key, title in GROUPS.items()]
        return [self._count(items), self._form(items), *groups]

    def _count(self, items: list[dict]) -> nodes.paragraph:
        marks = collections.Counter(item["mark"] for item in items)
        said = ", ".join(f"{marks[mark]} {words}" for mark, words in MARKS.items())
        return nodes.paragraph("", f"{len(items)} items: {said}.")

    def _form(self, items: list[dict]) -> element:
        askers = {who: words[0].upper() + words[1:] for who, words in ASKERS.items()}
        return filters.form(
            "items", len(items), filters.choice("who", "Asked by", askers, (asker(item["who"]) for item in items)),
            filters.choice("mark", "Answer", MARKS, (item["mark"] for item in items)))

    def _group(self, key: str, title: str, items: list[dict]) -> nodes.section:
        mine = sorted((item for item in items if item["group"] == key), key=lambda item: item["id"])
        return section(title, f"group-{key}", *map(self._item, mine))

    def _item(self, item: dict) -> element:
        name, place = f"D{item['id']}", anchor(item["id"])
        self.env.get_domain("std").note_hyperlink_target(place, self.env.docname, place, name)
        state = nodes.inline("", MARKS[item["mark"]], classes=["ntp-mark", "ntp-" + item["mark"]])
        itself = nodes.inline("", "", nodes.reference("", name, internal=True, refuri=f"#{place}"))
        head = html("h3", itself, f", {in_words(item['who'])} ", state)
        asked = html("div", *self._parsed(item["ask"]), classes=("ntp-ask",))
        why = f"Why it cannot be settled here: {item['why']}" if item["why"] else ""
        said = [*self._parsed(item["answer"]), *self._parsed(why)]
        return html("article", head, asked, *said, *self._claims(item["id"]),
                    ids=(place,), classes=("ntp-question",), data_item=True, data_who=asker(item["who"]),
                    data_mark=item["mark"])

    def _claims(self, item: int) -> list[nodes.Node]:
        """All claims of the ledger that bear on an item; folded where they are many."""
        claims = self.bearing[item]
        if not claims:
            return []
        links = claim_list(self.env, self.env.docname, claims)
        if len(claims) > SHOWN:
            return [fold([nodes.Text(f"{len(claims)} claims bear on this ({counted(claims)})")], links)]
        return [html("div", html("span", "Claims that bear on this: "), links, classes=("ntp-bearing",))]

    def _parsed(self, text: str) -> list[nodes.Node]:
        """Markdown as the page's own."""
        box = nodes.Element()
        box.document = self.state.document
        self.state.nested_parse(text.strip().splitlines(), self.content_offset, box)
        return box.children


class AnswerCount(Role):
    """The role `answer-count`: how many items there are (`total`) or have a mark (`measured`), linked to that view."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        if self.text not in ("total", *MARKS):
            return self.wrong(f"answer-count: got {self.text!r}, want total or one of {', '.join(MARKS)}")
        items = read(self.env, "book/discussion.yml")
        if not items:
            return self.wrong("answer-count: the book has no book/discussion.yml")
        count = sum(self.text in ("total", item["mark"]) for item in items)
        return [view(self.env, number(count), PAGE, {} if self.text == "total" else {"mark": self.text})], []

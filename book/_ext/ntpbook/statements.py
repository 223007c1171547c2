"""The numbered statements (theorems, propositions, lemmas, corollaries) and the claims that check them.

Numbers and titles are known only when every page has been read: until then a placeholder stands in their place.
"""

from __future__ import annotations

import collections
from dataclasses import dataclass

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from .claims import claim_list, committed, link, measured
from .markup import cards, element, fold, row

KINDS = ("theorem", "proposition", "lemma", "corollary")
HEADS = ("Statement", "Claims that check it")


class pending_statement(nodes.Inline, nodes.Element):  # noqa: N801 - node classes are written like this
    """A link to one numbered statement, by its label."""


class pending_index(nodes.General, nodes.Element):  # noqa: N801
    """The whole index."""


@dataclass(frozen=True)
class Statement:
    """A numbered statement: where it stands, its name ("Theorem 5.1"), and the nodes of its title."""

    label: str
    docname: str
    name: str
    title: list[nodes.Node]


def statement_link(label: str, claim: str) -> pending_statement:
    """A placeholder for a link to a statement, which a claim checks."""
    return pending_statement(label=label, claim=claim)


class StatementsIndex(SphinxDirective):
    """`{statements-index}`: each numbered statement with the claims that check it, folded."""

    def run(self) -> list[nodes.Node]:
        return [pending_index()]


class FillStatements(SphinxPostTransform):
    """Puts links and the index in the place of their placeholders, before references are resolved."""

    default_priority = 5

    def run(self, **kwargs: object) -> None:
        for node in list(self.document.findall(pending_statement)):
            node.replace_self(_link(self.env, self.env.docname, node["label"]))
        for node in list(self.document.findall(pending_index)):
            node.replace_self(_index(self.env, self.env.docname))
            self.env.get_domain("math").data["has_equations"][self.env.docname] = True  # titles have formulas


def _link(env: BuildEnvironment, docname: str, label: str) -> nodes.Node:
    known = getattr(env, "proof_list", {}).get(label)
    if known is None:
        return nodes.literal("", label)  # check_labels has said so
    return link(env, docname, _name(env, known), known["docname"], label)


def _name(env: BuildEnvironment, known: dict) -> str:
    numbers = env.toc_fignumbers.get(known["docname"], {}).get(known["countertype"], {}).get(known["label"], ())
    return " ".join([known["realtype"].title(), ".".join(map(str, numbers))]).strip()


def statements(env: BuildEnvironment) -> list[Statement]:
    """All labelled statements of the book in the order of its pages."""
    known = {label: one for label, one in getattr(env, "proof_list", {}).items() if one["realtype"] in KINDS}
    found = []
    for docname in sorted({one["docname"] for one in known.values()}):
        for node in env.get_doctree(docname).findall(nodes.Admonition):
            if node.get("label") in known and label_was_given(known[node["label"]]):
                found.append(Statement(node["label"], docname, _name(env, known[node["label"]]), _title(node)))
    return found


def _title(node: nodes.Element) -> list[nodes.Node]:
    """A copy of the title's nodes, without the brackets that sphinx-proof puts around it."""
    title = [child.deepcopy() for child in node.children[0].children]
    if title and isinstance(title[0], nodes.Text):
        title[0] = nodes.Text(title[0].removeprefix(" ("))
    if title and isinstance(title[-1], nodes.Text):
        title[-1] = nodes.Text(title[-1].removesuffix(")"))
    return title


def label_was_given(known: dict) -> bool:
    """A statement without a label gets `<type>-<serial number>` from sphinx-proof."""
    return not known["label"].removeprefix(known["realtype"] + "-").isdigit()


def _index(env: BuildEnvironment, docname: str) -> element:
    checked_by = collections.defaultdict(list)
    for claim in measured(env).values():
        for label in claim.get("of", []):
            checked_by[label].append(claim)
    everything = statements(env)
    checked = sum(one.label in checked_by for one in everything)
    rows = [row(HEADS, [[_link(env, docname, one.label), nodes.Text(" "), *one.title],
                        [claim_list(env, docname, checked_by[one.label]) if one.label in checked_by
                         else nodes.Text("none")]]) for one in everything]
    said = f"The {len(everything)} numbered statements and the claims that check them ({checked} have a claim)"
    return fold([nodes.Text(said)], cards(HEADS, rows, "ntp-statements"))


def check_labels(app: Sphinx, env: BuildEnvironment) -> None:
    """Warns of every claim that names a numbered statement which no page has."""
    entries = {**committed(env), **measured(env)}
    for claim in entries.values():
        for label in claim.get("of", []):
            if label not in getattr(env, "proof_list", {}):
                said = f"claim {claim['id']}: of: no numbered statement has the label {label!r}"
                logging.getLogger(__name__).warning(said)

"""The filters above a long list: a form that the page's own script (`assets/filter.js`) shows and answers.

Without JavaScript the form stays hidden and the whole list is there.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable

from docutils import nodes
from sphinx.application import Sphinx

from .markup import element, html


def choice(name: str, label: str, words: dict[str, str], values: Iterable[str]) -> element:
    """A menu: what a value of the items' attribute `data-<name>` means, and how many items have it."""
    count = collections.Counter(values)
    options = [html("option", f"{text} ({count[value]})", value=value) for value, text in words.items() if count[value]]
    everything = html("option", "all", value="")
    return field(name, label, html("select", everything, *options, name=name, ids=(f"filter-{name}",)))


def field(name: str, label: str, control: element) -> element:
    """A control with its label above it."""
    return html("div", html("label", label, for_=f"filter-{name}"), control)


def form(noun: str, total: int, *choices: element) -> element:
    """The whole form, with a box for words, a button that clears it, and a line that says how many items are shown."""
    box = html("input", name="words", type="search", autocomplete="off", ids=("filter-words",))
    count = html("output", f"{total} of {total} {noun} shown", aria_live="polite", data_noun=noun)
    return html("form", *choices, field("words", "Words", box), html("button", "Reset", type="reset"), count,
                classes=("ntp-filter",), hidden=True, aria_label=f"Filter the {noun}")


def add_script(app: Sphinx, pagename: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Adds the script to the pages that have such a form."""
    if doctree is not None and any(node["tag"] == "form" for node in doctree.findall(element)):
        app.add_js_file("filter.js", loading_method="defer")

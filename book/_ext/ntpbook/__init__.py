"""The book's own Sphinx extension: the claims ledger, the questions and answers, tables of runs, the Colab button.

The build leaves `claims.json` and `status.json` at the top of the source tree, `make bench` and `make results` leave
their records in `book/results`, and the answers to the paper's public review stand in `book/discussion.yml`. Directives
and roles only show them.
"""

from __future__ import annotations

from sphinx.application import Sphinx

from . import docstrings
from .claims import ClaimCount, ClaimRole
from .filters import add_script
from .ledger import ClaimsLedger
from .markup import add_nodes
from .questions import AnswerCount, QuestionsAndAnswers
from .runs import Benchmark, BookStatus, Results
from .statements import FillStatements, StatementsIndex, check_labels


def add_colab_button(app: Sphinx, pagename: str, template: str, context: dict, doctree) -> None:
    """Puts Colab beside Binder on a notebook's page: the published copy, which installs the library."""
    groups = [b for b in context.get("header_buttons", []) if b.get("label") == "launch-buttons"]
    if app.config.ntpbook_colab and groups:
        groups[0]["buttons"].append({"type": "link", "text": "Colab", "tooltip": "Open in Colab",
                                     "icon": "_static/images/logo_colab.png",
                                     "url": f"{app.config.ntpbook_colab}{pagename}.ipynb"})


def setup(app: Sphinx) -> dict:
    """Registers everything with Sphinx."""
    add_nodes(app)
    app.add_config_value("ntpbook_colab", "", "html", [str])
    app.add_directive("claims-ledger", ClaimsLedger)
    app.add_directive("statements-index", StatementsIndex)
    app.add_directive("questions-and-answers", QuestionsAndAnswers)
    app.add_directive("book-status", BookStatus)
    app.add_directive("benchmark", Benchmark)
    app.add_directive("results", Results)
    app.add_role("claim", ClaimRole())
    app.add_role("claim-count", ClaimCount())
    app.add_role("answer-count", AnswerCount())
    app.add_post_transform(FillStatements)
    app.connect("env-check-consistency", check_labels)
    app.connect("autodoc-process-docstring", docstrings.process, priority=400)  # napoleon comes at 500
    app.connect("html-page-context", add_script)
    app.connect("html-page-context", add_colab_button, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

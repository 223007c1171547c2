"""The book's own Sphinx extension: the claims ledger, the status table, the benchmarks, the Colab button.

The build leaves `claims.json` and `status.json` at the top of the source tree, and `make bench` leaves its records in
`book/results`; the directives only show them.
"""

from __future__ import annotations

import collections
import itertools
import json
from pathlib import Path

import docstrings
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

LEDGER = ("Claim", "Statement", "Source", "Measured", "Threshold", "Verdict")
STATUS = ("Page", "Seconds", "Device", "Scale", "Versions")


def read(app: Sphinx, name: str) -> list[dict]:
    """The records that the build wrote."""
    return json.loads((Path(app.srcdir) / name).read_text(encoding="utf-8"))


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


class ClaimsLedger(SphinxDirective):
    """`{claims-ledger}`: all claims, chapter by chapter, each with what was measured and a link to its cell."""

    def run(self) -> list[nodes.Node]:
        claims = read(self.env.app, "claims.json")
        if not claims:
            return [nodes.paragraph("", "No notebook has measured a claim yet.")]
        out: list[nodes.Node] = [self._count(claims)]
        for chapter, group in itertools.groupby(claims, key=lambda claim: claim["id"].split(".")[0]):
            rows = [self._claim(claim) for claim in group]
            out += [nodes.rubric("", f"Chapter {chapter}"), table(LEDGER, rows, "claims-ledger")]
        return out

    def _count(self, claims: list[dict]) -> nodes.paragraph:
        verdicts = collections.Counter(claim["verdict"] for claim in claims)
        counted = ", ".join(f"{verdict}: {count}" for verdict, count in verdicts.items())
        return nodes.paragraph("", f"{len(claims)} claims ({counted}).")

    def _claim(self, claim: dict) -> list[list[nodes.Node]]:
        page = claim["page"].removesuffix(".html")
        target = self.env.app.builder.get_relative_uri(self.env.docname, page) + "#" + claim["anchor"]
        link = nodes.reference("", claim["id"], internal=True, refuri=target)
        statement, messages = self.parse_inline(claim["statement"])
        verdict = nodes.inline("", claim["verdict"], classes=["ntp-verdict", verdict_class(claim["verdict"])])
        threshold = claim["threshold"] if claim["threshold"] is not None else "none"
        return [[link], [*statement, *messages], [nodes.Text(claim["source"])],
                [nodes.Text(number(claim["measured"]))], [nodes.literal("", str(threshold))],
                [verdict, nodes.Text(f" ({claim['scale']})")]]


def verdict_class(verdict: str) -> str:
    """`holds at this scale` becomes `ntp-holds-at-this-scale`."""
    return "ntp-" + verdict.replace(" ", "-")


class BookStatus(SphinxDirective):
    """`{book-status}`: for each notebook the seconds, device, scale and versions of its run."""

    def run(self) -> list[nodes.Node]:
        records = read(self.env.app, "status.json")
        total = sum(record["seconds"] for record in records)
        said = nodes.paragraph("", f"{len(records)} notebooks, {total:.0f} seconds of execution in all.")
        return [said, table(STATUS, [self._page(record) for record in records], "book-status")]

    def _page(self, record: dict) -> list[list[nodes.Node]]:
        versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
        texts = (f"{record['seconds']:.1f}", record["device"], record["scale"], versions)
        return [[self._link(record["page"])], *([nodes.Text(text)] for text in texts)]

    def _link(self, page: str) -> addnodes.pending_xref:
        title = nodes.inline("", page, classes=["xref", "std", "std-doc"])
        return addnodes.pending_xref("", title, refdomain="std", reftype="doc", reftarget="/" + page,
                                     refexplicit=False, refdoc=self.env.docname, refwarn=True)


class Benchmark(SphinxDirective):
    """`{benchmark} NAME`: the table and the figure that `make bench` left in `book/results`, and how they were made."""

    required_arguments = 1
    command = "make bench"

    def run(self) -> list[nodes.Node]:
        (name,) = self.arguments
        folder = Path(self.env.srcdir) / "book" / "results"
        file = folder / f"{name}.json"
        self.env.note_dependency(str(file))
        if not file.is_file():
            return [nodes.paragraph("", f"Not measured yet: {self.command} writes this table ({name}) on the machine "
                                        "that it runs on.", classes=["ntp-not-measured"])]
        record = json.loads(file.read_text(encoding="utf-8"))
        heads = record["columns"]
        rows = [[self._cell(head, cell) for head, cell in zip(heads, row, strict=True)] for row in record["rows"]]
        out: list[nodes.Node] = [table(tuple(heads), rows, "ntp-benchmark")]
        if "figure" in record and (folder / record["figure"]).is_file():
            out.append(nodes.image("", uri=f"/book/results/{record['figure']}", alt=record["alt"]))
        return [*out, nodes.paragraph("", provenance(record), classes=["ntp-provenance"])]

    @staticmethod
    def _cell(head: str, cell: object) -> list[nodes.Node]:
        """A number under its head, which stands beside it where the screen is narrow; an interval gets its own line."""
        if cell is None:
            return []
        value, bracket, interval = number(cell).partition(" [")
        shown = [nodes.inline("", f"{head}: ", classes=["ntp-head"]), nodes.Text(value)]
        return shown + [nodes.inline("", bracket + interval, classes=["ntp-interval"])] if bracket else shown


class Results(Benchmark):
    """`{results} NAME`: a table of runs from several seeds that `make results` left in `book/results`."""

    command = "make results"


def provenance(record: dict) -> str:
    """One sentence on the machine, the versions and the code of a benchmark or of trained models.

    >>> machine = {"cpu": "A CPU", "cores": 8, "memory_gb": 16.0, "threads": "1", "system": "Linux"}
    >>> said = provenance({"machine": machine, "versions": {"python": "3.11.2"}, "commit": "abc", "seeds": [0, 1],
    ...                    "date": "2026-01-31", "quick": True})
    >>> said.split(";")[0]
    'A trial with sizes cut down. Measured on 2026-01-31: A CPU, 8 cores, 16 GB of memory, Linux'
    """
    machine = record["machine"]
    trial = "A trial with sizes cut down. " if record["quick"] else ""
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    seeds = ", ".join(map(str, record["seeds"]))
    if "scale" in record:
        trial += f"Scale {record['scale']}, on {record['device']}; {record['command']}. "
    return (f"{trial}Measured on {record['date']}: {machine['cpu']}, {machine['cores']} cores, "
            f"{machine['memory_gb']:.0f} GB of memory, {machine['system']}; threads for linear algebra: "
            f"{machine['threads']}; commit {record['commit']}; seed{'s' * (len(record['seeds']) > 1)} {seeds}; "
            f"{versions}.")


def add_colab_button(app: Sphinx, pagename: str, template: str, context: dict, doctree) -> None:
    """Puts Colab beside Binder on a notebook's page: the published copy, which installs the library."""
    groups = [b for b in context.get("header_buttons", []) if b.get("label") == "launch-buttons"]
    if app.config.ntpbook_colab and groups:
        groups[0]["buttons"].append({"type": "link", "text": "Colab", "tooltip": "Open in Colab",
                                     "icon": "_static/images/logo_colab.png",
                                     "url": f"{app.config.ntpbook_colab}{pagename}.ipynb"})


def setup(app: Sphinx) -> dict:
    """Registers everything with Sphinx."""
    app.add_config_value("ntpbook_colab", "", "html", [str])
    app.add_directive("claims-ledger", ClaimsLedger)
    app.add_directive("book-status", BookStatus)
    app.add_directive("benchmark", Benchmark)
    app.add_directive("results", Results)
    app.connect("autodoc-process-docstring", docstrings.process, priority=400)  # napoleon comes at 500
    app.connect("html-page-context", add_colab_button, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

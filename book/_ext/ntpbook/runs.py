"""What runs left behind: the status of each notebook, benchmarks (`make bench`), tables of seeds (`make results`)."""

from __future__ import annotations

import json
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

from .claims import read
from .markup import number, table

STATUS = ("Page", "Seconds", "Device", "Scale", "Versions")


class BookStatus(SphinxDirective):
    """`{book-status}`: for each notebook the seconds, device, scale and versions of its run."""

    def run(self) -> list[nodes.Node]:
        records = read(self.env, "status.json")
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

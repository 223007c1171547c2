"""What nbval compares: the text of every output, and nothing that is drawn, styled or measured by a clock.

Committed notebooks hold only that (`make notebooks` writes it). Pictures, widget views, cards and the claims'
records are made again whenever the book is built, and are skipped on both sides of the comparison.
"""

from __future__ import annotations

import re

from nbformat import NotebookNode

NOT_COMPARED = ("text/html", "image/svg+xml", "image/png", "image/jpeg", "application/javascript",
                "application/vnd.jupyter.widget-view+json", "application/vnd.ntputils.claim+json",
                "application/vnd.ntputils.session+json", "stderr")
ADDRESS = (re.compile(r"\bat 0x[0-9a-fA-F]+"), "at 0x0")
_UNCHECKED = {"nbval-skip", "nbval-ignore-output"}


def keep_compared(notebook: NotebookNode) -> NotebookNode:
    """Cuts, in place, a notebook's outputs and metadata down to what nbval compares."""
    kept = {k: v for k, v in notebook.metadata.items() if k in ("jupytext", "kernelspec")}
    notebook.metadata = NotebookNode(kept)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [text for output in cell.outputs if (text := _text_of(output))]
    return notebook


def _text_of(output: NotebookNode) -> NotebookNode | None:
    """An output without what is not compared, or None where nothing is left."""
    if output.output_type == "stream":
        return output if output.name not in NOT_COMPARED else None
    pattern, stable = ADDRESS
    data = {kind: pattern.sub(stable, value) if isinstance(value, str) else value
            for kind, value in output.data.items() if kind not in NOT_COMPARED}
    return NotebookNode(output | {"data": data, "metadata": {}}) if data else None


def compared_cells(notebook: NotebookNode) -> int:
    """How many cells nbval compares: executed, with an output that is compared, and not tagged out of it."""
    return sum(cell.cell_type == "code" and cell.execution_count is not None
               and not _UNCHECKED & set(cell.metadata.get("tags", []))
               and any(_text_of(output) for output in cell.outputs) for cell in notebook.cells)

"""Runs one notebook, alone in an empty folder, in a process of its own: `run_one.py INPUT OUTPUT RESULT`.

Writes the executed notebook to OUTPUT and a small JSON record to RESULT: the seconds, and where it failed.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

CELL_TIMEOUT = 1800  # seconds: a cell at the full scale may train for a while; a hung one must end


def end_with_parent(parent: int) -> None:
    """Ends this process when the build that started it is gone; the kernel then ends by itself."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def failing_cell(notebook: nbformat.NotebookNode) -> int:
    """The number (from 1, text cells counted too) of the cell that raised, or that never finished."""
    for number, cell in enumerate(notebook.cells, start=1):
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            return number
    unfinished = (number for number, cell in enumerate(notebook.cells, start=1)
                  if cell.cell_type == "code" and cell.source.strip() and cell.execution_count is None)
    return next(unfinished, len(notebook.cells))


def describe(notebook: nbformat.NotebookNode, error: Exception) -> dict:
    """Where and how a notebook failed: the cell's number, its source, the line within it, the error."""
    number = failing_cell(notebook)
    cell = notebook.cells[number - 1]
    raised = next((o for o in cell.get("outputs", []) if o.output_type == "error"), None)
    what = f"{raised.ename}: {raised.evalue}" if raised else f"{type(error).__name__}: {error}"
    traceback = "\n".join(raised.traceback) if raised else ""
    return {"cell": number, "source": cell.source, "error": what, "traceback": traceback}


def run(notebook: nbformat.NotebookNode) -> dict:
    """Executes the notebook in place and returns its record."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    start, failure = time.perf_counter(), None
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=CELL_TIMEOUT, record_timing=False,
                                coalesce_streams=True,  # what one cell prints is one output, however it was flushed
                                resources={"metadata": {"path": folder}})
        try:
            client.execute()
        except Exception as error:  # a kernel can fail in many ways, and each must name its cell
            failure = describe(notebook, error)
    return {"seconds": round(time.perf_counter() - start, 2), "failure": failure}


def main(source: str, target: str, result: str) -> None:
    """Reads, runs, writes."""
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    notebook = nbformat.read(source, as_version=4)
    record = run(notebook)
    nbformat.write(notebook, target)
    Path(result).write_text(json.dumps(record), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

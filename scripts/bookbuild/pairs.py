"""A notebook's two files: the `.py` that people edit, the `.ipynb` that is made from it."""

from __future__ import annotations

from pathlib import Path

import jupytext
import nbformat

from . import BuildError
from .inputs import Book


def in_step(script: Path) -> bool:
    """Do the two files hold the same cells: kind, text, tags?"""
    notebook = script.with_suffix(".ipynb")
    if not notebook.exists():
        return False
    return _cells(jupytext.read(script)) == _cells(nbformat.read(notebook, as_version=4))


def _cells(notebook: nbformat.NotebookNode) -> list[tuple]:
    return [(cell.cell_type, cell.source.strip(), cell.metadata.get("tags", [])) for cell in notebook.cells]


def scripts_of(book: Book) -> list[Path]:
    """The `.py` of every notebook, in order."""
    return sorted((book.root / "notebooks").glob("*.py"))


def check_pairs(book: Book) -> None:
    """Raises BuildError where the two files of a notebook differ: a page would be stale."""
    apart = [script.stem for script in scripts_of(book) if not in_step(script)]
    if apart:
        raise BuildError(f"notebooks/{', '.join(apart)}: .py and .ipynb differ. If you edited the .py: `make"
                         " notebooks`. If you edited the .ipynb: first `.venv/bin/jupytext --to py:percent"
                         " notebooks/NAME.ipynb`.")

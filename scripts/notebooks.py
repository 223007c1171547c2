"""Makes the notebooks from their scripts: `make notebooks`.

Each `.py` becomes its `.ipynb` (outputs and cell ids are kept where cells are unchanged), is executed as the
book executes it (or taken from the book's cache), and gets back the text that nbval compares, nothing else.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
from bookbuild import BuildError
from bookbuild.compared import keep_compared
from bookbuild.execute import execute
from bookbuild.inputs import Book
from bookbuild.pairs import scripts_of
from bookbuild.wheel import unpack_wheel


def refresh(book: Book) -> None:
    """Brings every notebook in step with its script and with what it prints now."""
    scripts = scripts_of(book)
    command = [sys.executable, "-m", "jupytext", "--quiet", "--to", "ipynb", "--update", *map(str, scripts)]
    subprocess.run(command, check=True)
    book.out.mkdir(exist_ok=True)
    for one in execute(book, unpack_wheel(book)):
        if one.left_out:    # its committed text stays: it was not made again
            continue
        text = nbformat.writes(keep_compared(one.notebook)) + "\n"
        if one.path.read_text(encoding="utf-8") != text:
            one.path.write_text(text, encoding="utf-8")
            print(f"{one.path.name}: written")


def main() -> int:
    """Refreshes and reports; returns the exit status."""
    try:
        refresh(Book(Path(__file__).resolve().parent.parent))
    except BuildError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

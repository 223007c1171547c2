"""From the staged tree to the site: Sphinx with warnings as errors, the downloads, the swap."""

from __future__ import annotations

import importlib.resources
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from string import Template

import nbformat

from . import BuildError
from .inputs import Book

STAMP = ".built-from"
INSTALL_TAG = "colab-install"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_TROUBLE = ("WARNING:", "ERROR:", "CRITICAL:", "SEVERE:")


def render(book: Book, source: Path, library: Path) -> Path:
    """Builds the pages into a fresh folder and returns it.

    Raises:
        BuildError: Sphinx warned of anything; its own return code is not relied on.
    """
    fresh = book.out / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    path = os.pathsep.join(map(str, (library, source / "book" / "_ext")))
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [jupyter_book, "build", source, "--path-output", fresh, "--all", "--warningiserror",
               "--keep-going", "--nitpick"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"},
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    log = _ANSI.sub("", done.stdout + done.stderr)
    (book.out / "sphinx.log").write_text(log, encoding="utf-8")
    trouble = [line for line in log.splitlines() if any(word in line for word in _TROUBLE)]
    pages = fresh / "_build" / "html"
    if trouble or done.returncode != 0 or not (pages / "index.html").exists():
        shown = [line.replace(str(source) + os.sep, "") for line in trouble] or log.splitlines()[-40:]
        raise BuildError("Sphinx (whole log: _build/sphinx.log):\n  " + "\n  ".join(shown))
    return pages


def fill_install_cells(book: Book, pages: Path) -> None:
    """Writes the install code into the tagged cell of the notebooks that readers download and Colab opens."""
    code = install_code(book)
    for path in sorted((pages / "_sources" / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if INSTALL_TAG in cell.metadata.get("tags", []):
                cell.source, cell.outputs, cell.execution_count = code, [], None
        nbformat.write(notebook, path)


def install_code(book: Book) -> str:
    """The code of the install cell: from the repository at the built commit, or how to use a checkout."""
    folder = importlib.resources.files(__package__) / "install"
    where = book.repository
    template = (folder / ("checkout.py" if where is None else "published.py")).read_text(encoding="utf-8")
    values = {"package": book.package} | ({} if where is None else {"url": where.url, "commit": where.commit})
    return Template(template).substitute(values).strip()


def publish(book: Book, pages: Path, key: str) -> None:
    """Puts the new site in the place of the old one; from then on it is the last good one."""
    (pages / STAMP).write_text(key, encoding="utf-8")
    (pages / ".nojekyll").touch()
    old = _set_aside(book)
    shutil.rmtree(old, ignore_errors=True)
    if book.site.exists():
        os.rename(book.site, old)
    os.rename(pages, book.site)
    for left in (old, book.out / "fresh"):
        shutil.rmtree(left, ignore_errors=True)


def recover(book: Book) -> None:
    """Puts the last good site back, should a build have been killed between the two renames."""
    if _set_aside(book).exists() and not book.site.exists():
        os.rename(_set_aside(book), book.site)


def built_from(book: Book) -> str | None:
    """The key of the inputs that the present site was made of, or None where there is no site."""
    stamp = book.site / STAMP
    return stamp.read_text(encoding="utf-8") if stamp.exists() else None


def _set_aside(book: Book) -> Path:
    return book.out / "html.old"

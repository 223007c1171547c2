"""A miniature book: two notebooks, a library of one function, a page that shows a notebook's value.

It is built with the real scripts, settings, extension and style: what happens to it happens to the book.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]

LIBRARY = '''
"""A library of one function."""

__version__ = "0.0.1"


def answer():
    """The answer."""
    return 42
'''

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "minilib"
version = "0.0.1"

[tool.hatch.build.targets.wheel]
packages = ["minilib"]

[tool.ntpbook]
repository = ""
pages_branch = "gh-pages"
"""

TOC = """
format: jb-book
root: book/welcome
chapters:
  - file: notebooks/01_first
  - file: notebooks/02_second
  - file: book/ledger
  - file: book/status
"""

WELCOME = """
# Welcome

The answer is {glue:text}`../notebooks/01_first.ipynb::answer:d`.
See [the first chapter](../notebooks/01_first.ipynb).
"""

MEASURE = """
from IPython.display import display
value = minilib.answer()
record = {"id": "1.1", "source": "derived", "statement": "The answer is $42$.", "measured": value,
          "threshold": "== 42", "verdict": "holds" if value == 42 else "fails", "scale": "small", "part": "A",
          "anchor": "claim-1-1", "discussion": [3]}
display({"application/vnd.ntputils.claim+json": record, "text/plain": "claim 1.1",
         "text/html": '<div class="ntp-claim" id="claim-1-1">claim 1.1</div>'}, raw=True)
"""

FIRST = [("markdown", "# First"),
         ("code", "# filled in the copy that readers download", "colab-install", "remove-cell"),
         ("code", "import minilib\nfrom myst_nb import glue"),
         ("code", "glue('answer', minilib.answer(), display=False)"), ("code", MEASURE.strip())]
SECOND = [("markdown", "# Second\n\n$$x = 1$$"), ("code", "import minilib\nprint(minilib.answer() + 1)")]


def notebook(cells: list[tuple]) -> str:
    """A notebook's text from `(kind, source, *tags)`."""
    made = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3",
                                                             "language": "python"}})
    for number, (kind, source, *tags) in enumerate(cells):
        cell = nbformat.v4.new_code_cell(source) if kind == "code" else nbformat.v4.new_markdown_cell(source)
        cell.id = f"cell-{number}"
        cell.metadata["tags"] = tags
        made.cells.append(cell)
    return nbformat.writes(made)


@dataclass(frozen=True)
class Miniature:
    """A small book on disk, and the build that makes it."""

    root: Path

    @property
    def site(self) -> Path:
        return self.root / "_build" / "html"

    def write(self, path: str, text: str) -> None:
        """Writes one of its files."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(textwrap.dedent(text).lstrip(), encoding="utf-8")

    def notebook(self, name: str, cells: list[tuple]) -> None:
        """Writes one of its notebooks."""
        self.write(f"notebooks/{name}.ipynb", notebook(cells))

    def page(self, name: str) -> str:
        """The text of a built page."""
        return (self.site / name).read_text(encoding="utf-8")

    def text(self, name: str) -> str:
        """The words of a built page, without its markup."""
        return " ".join(re.sub(r"<[^>]*>", "", self.page(name)).split())

    def start(self, **environment: str) -> subprocess.Popen:
        """Starts a build and returns its process."""
        command = [sys.executable, str(ROOT / "scripts" / "build.py"), "--root", str(self.root)]
        return subprocess.Popen(command, env={**os.environ, **environment}, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    def build(self, **environment: str) -> tuple[int, str]:
        """Builds the book; returns the exit status and all that was printed."""
        process = self.start(**environment)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output


def make(root: Path) -> Miniature:
    """Writes a whole miniature book."""
    mini = Miniature(root)
    files = {"minilib/__init__.py": LIBRARY, "pyproject.toml": PYPROJECT, "_toc.yml": TOC,
             "book/welcome.md": WELCOME, "book/references.bib": "", "requirements.lock": "# none\n"}
    for path, text in files.items():
        mini.write(path, text)
    mini.notebook("01_first", FIRST)
    mini.notebook("02_second", SECOND)
    for part in ("_ext", "assets"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "book" / part, root / "book" / part, ignore=ignored)
    for page in ("ledger.md", "status.md"):
        shutil.copy(ROOT / "book" / page, root / "book")
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    mini.write("_config.yml", yaml.safe_dump(config | {"title": "A miniature"}, sort_keys=False))
    if (ROOT / "_build" / "vendor").exists():  # fetched once, for the real book
        shutil.copytree(ROOT / "_build" / "vendor", root / "_build" / "vendor")
    return mini


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> tuple[Miniature, str]:
    """A miniature book that was built once, and what the build printed."""
    mini = make(tmp_path_factory.mktemp("miniature") / "book")
    status, output = mini.build()
    assert status == 0, output
    return mini, output


@pytest.fixture
def mini(built, tmp_path) -> Miniature:
    """A copy of the built miniature, for one test to change."""
    return Miniature(Path(shutil.copytree(built[0].root, tmp_path / "book", symlinks=True)))


@pytest.fixture(scope="session")
def first_cells() -> Callable[..., list[tuple]]:
    """A function that returns the first notebook's cells, with more cells after them."""
    return lambda *more: [*FIRST, *more]

"""A miniature book: two notebooks, a library of one function, a page that shows a notebook's value.

It is built with the real scripts, settings, extension and style: what happens to it happens to the book.
"""

from __future__ import annotations

import io
import json
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
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

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


CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / 'book' / '_ext')!r})
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_proof", "sphinx_external_toc", "sphinx_book_theme",
              "ntpbook"]
external_toc_path = "_toc.yml"
myst_enable_extensions = ["colon_fence", "dollarmath"]
html_theme = "sphinx_book_theme"
html_static_path = [{str(ROOT / 'book' / 'assets')!r}, "static"]
html_css_files = ["book.css"]
html_context = {{"default_mode": "auto"}}
mathjax_path = "no-maths.js"   # formulas stay as they are written
"""
CHAPTER = """
# {title}

:::{{prf:theorem}} Nothing grows ($V$ words)
:label: thm-{number}

Nothing does.
:::

:::{{prf:lemma}} Nothing shrinks
:label: lem-{number}

Nothing does.
:::

See {{claim}}`{number}.1`.

<div id="claim-{number}-1"></div>
<div id="claim-{number}-2"></div>
<div id="claim-{number}-3"></div>
"""
INDEX = """
# All

Of {claim-count}`total` claims {claim-count}`fails` fail and {claim-count}`holds at this scale` hold at this scale;
{answer-count}`open` of {answer-count}`total` items cannot be settled. See {ref}`d-31` and {claim}`2.2`.
"""


def some_claims() -> list[dict]:
    """Three claims for each of two chapters, one of each kind that the ledger tells apart."""
    kinds = [("1.1", "A", "paper", "holds", ["thm-1"], [1, 2]), ("1.2", "B", "T24", "fails", ["thm-1", "lem-1"], []),
             ("1.3", "D", "D13", "holds at this scale", [], [13]), ("2.1", "B", "derived", "holds", ["thm-2"], []),
             ("2.2", "E", "E.5", "fails", [], [1]), ("2.3", "E", "F.6", "open", [], [])]
    pages = {"1": "notebooks/01_first.html", "2": "notebooks/02_second.html"}
    return [{"id": name, "part": part, "source": source, "statement": f"Statement {name} of some words.",
             "measured": 0.5, "threshold": None if verdict == "open" else "< 1", "verdict": verdict, "scale": "small",
             "of": of, "discussion": discussion, "anchor": "claim-" + name.replace(".", "-"), "page": pages[name[0]]}
            for name, part, source, verdict, of, discussion in kinds]


def some_items() -> list[dict]:
    """An answer to every item of the discussion."""
    groups, askers = ("realistic", "right", "clear", "use", "new"), ("R1", "R2", "A to R1 and R2", "AC", "A")
    items = [{"id": k, "who": askers[k % 5], "group": groups[k % 5], "ask": f"What of number {k}?", "mark": "defined",
              "why": None, "answer": "It is in {prf:ref}`thm-1` and in {ref}`d-31`."} for k in range(1, 88)]
    items[0] |= {"mark": "measured", "answer": "No, *not* so: {claim}`2.2`, with $V$ words."}
    items[2] |= {"mark": "open", "why": "Nothing *here* can."}
    return items


@dataclass
class Pages:
    """A book of four pages for Sphinx alone: the ledger, the questions, two chapters; a test changes and builds it."""

    root: Path
    claims: list[dict]
    items: list[dict]
    committed: list[dict]
    index: str = INDEX
    toc: tuple[str, ...] = ("notebooks/01_first", "notebooks/02_second", "book/ledger", "book/questions")

    def page(self, name: str) -> Path:
        """A built page."""
        return self.root / "_out" / f"{name}.html"

    def build(self) -> list[str]:
        """Writes and builds the pages; returns Sphinx's warnings."""
        for number, (name, title) in enumerate((("01_first", "First"), ("02_second", "Second")), 1):
            self._write(f"notebooks/{name}.md", CHAPTER.format(title=title, number=number))
        for page in ("ledger.md", "questions.md"):
            self._write(f"book/{page}", (ROOT / "book" / page).read_text(encoding="utf-8"))
        self._write("index.md", self.index)
        self._write("conf.py", CONF)
        self._write("static/no-maths.js", "")
        parts = [{"caption": folder, "numbered": folder == "notebooks", "chapters": [{"file": name} for name in self.toc
                                                                                   if name.startswith(folder)]}
                 for folder in ("notebooks", "book")]
        self._write("_toc.yml", yaml.safe_dump({"format": "jb-book", "root": "index", "parts": parts}))
        self._write("claims.json", json.dumps(self.claims))
        self._write("book/claims.yml", yaml.safe_dump(self.committed))
        self._write("book/discussion.yml", yaml.safe_dump(self.items))
        said, out = io.StringIO(), self.root / "_out"
        with docutils_namespace():
            app = Sphinx(str(self.root), str(self.root), str(out), str(out / "doctrees"), "html", status=None,
                         warning=said, freshenv=True,
                         confoverrides={"nitpicky": True, "exclude_patterns": self._left_out()})
            app.build()
        return said.getvalue().splitlines()

    def _left_out(self) -> list[str]:
        return [f"{name}.md" for name in ("book/ledger", "book/questions") if name not in self.toc]

    def _write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(exist_ok=True)
        (self.root / path).write_text(text.lstrip(), encoding="utf-8")


def some_pages(root: Path) -> Pages:
    """The pages as they are before a test changes them."""
    claims = some_claims()
    return Pages(root, claims, some_items(), [dict(claim) for claim in claims])


@pytest.fixture
def pages(tmp_path) -> Pages:
    """Pages for one test to change and to build."""
    return some_pages(tmp_path)


@pytest.fixture(scope="session")
def built_pages(tmp_path_factory) -> Pages:
    """The same, built once and without a warning."""
    made = some_pages(tmp_path_factory.mktemp("pages"))
    assert made.build() == []
    return made

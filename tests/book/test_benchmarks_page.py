"""The page of benchmarks: what a tiny run writes, and what the page makes of it or of its absence."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

ROOT = Path(__file__).resolve().parents[2]
PAGE = "# Benchmarks\n\n:::{benchmark} solver\n:::\n\n:::{benchmark} counting\n:::\n"
CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / 'book' / '_ext')!r})
extensions = ["myst_parser", "sphinx.ext.autodoc", "ntpbook"]
myst_enable_extensions = ["colon_fence"]
html_theme = "basic"
"""


def build(source: Path) -> str:
    """The built page of a Sphinx project that has no other; a warning fails it."""
    book = source / "book"
    book.mkdir(exist_ok=True)
    (source / "conf.py").write_text(CONF, encoding="utf-8")
    (source / "index.md").write_text("# All\n\n```{toctree}\nbook/benchmarks\n```\n", encoding="utf-8")
    (book / "benchmarks.md").write_text(PAGE, encoding="utf-8")
    out = source / "_out"
    with docutils_namespace():
        app = Sphinx(str(source), str(source), str(out), str(out / "doctrees"), "html", status=None, freshenv=True,
                     warningiserror=True)
        app.build()
    assert app.statuscode == 0
    return (out / "book" / "benchmarks.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """A source tree whose book/results a tiny run of the solver's benchmark has filled; SCS is left out."""
    source = tmp_path_factory.mktemp("benchmarks")
    command = [sys.executable, str(ROOT / "benchmarks" / "solver.py"), "--quick", "--skip-scs", "--skip-growth",
               "--repeats", "1", "--out", str(source / "book" / "results")]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return source


def test_a_record_says_how_it_was_made_and_names_no_machine(results: Path) -> None:
    text = (results / "book" / "results" / "solver.json").read_text(encoding="utf-8")
    record = json.loads(text)
    assert {"machine", "versions", "commit", "date", "seeds", "quick"} <= record.keys()
    assert record["machine"]["cores"] == os.cpu_count() and record["quick"] is True
    assert all(len(row) == len(record["columns"]) for row in record["rows"])
    picture = (results / "book" / "results" / record["figure"]).read_text(encoding="utf-8")
    for file in (text, picture):
        assert socket.gethostname() not in file and not re.search(r"/(home|root|tmp|work|Users)/", file)


def test_the_page_shows_the_record_and_says_what_is_missing(results: Path) -> None:
    page = build(results)
    words = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    record = json.loads((results / "book" / "results" / "solver.json").read_text(encoding="utf-8"))
    seconds = record["rows"][0][record["columns"].index("seconds")]
    assert f"{seconds:.4g}" in words and record["commit"] in words and record["machine"]["cpu"] in words
    assert "A trial with sizes cut down" in words
    assert re.search(r'<img alt="Bars[^>]*solver.svg"', page)
    assert "Not measured yet: make bench writes this table (counting)" in words


def test_the_steps_of_training_are_measured_against_their_own_products(tmp_path: Path) -> None:
    """Very small models; the script itself stops where its floor or the plain reading is another."""
    command = [sys.executable, str(ROOT / "benchmarks" / "training.py"), "--quick", "--out", str(tmp_path), "--only", "0", "2", "4"]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "training.json").read_text(encoding="utf-8"))
    rows = [dict(zip(record["columns"], row, strict=True)) for row in record["rows"]]
    floors = [row for row in rows if row["method"].startswith("floor")]
    assert len(floors) == 3 and all(row["in floors"] == 1 for row in floors)
    assert all(row["in floors"] > 1 and row["ms a step"] > 0 for row in rows if row not in floors)
    assert {"numpy", "torch"} <= record["versions"].keys() and (tmp_path / record["figure"]).is_file()


def test_widgets_are_timed_beside_python(browser, tmp_path: Path) -> None:
    """Two changes of each kind; what is asked of the page must be what Python is given."""
    command = [sys.executable, str(ROOT / "benchmarks" / "widgets.py"), "--quick", "--out", str(tmp_path)]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "widgets.json").read_text(encoding="utf-8"))
    rows = [dict(zip(record["columns"], row, strict=True)) for row in record["rows"]]
    assert len(rows) == 5 and "chromium" in record["versions"]
    assert all(0 < row["page, ms"] <= row["slowest, ms"] and row["Python, ms"] > 0 for row in rows)


def test_every_table_of_the_book_s_page_is_written_by_a_script() -> None:
    page = (ROOT / "book" / "benchmarks.md").read_text(encoding="utf-8")
    asked = set(re.findall(r":::\{benchmark\} (\w+)", page))
    scripts = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "benchmarks").glob("*.py"))
    assert asked == set(re.findall(r'write\("(\w+)"', scripts)) != set()
    assert not re.search(r"\d+(\.\d+)? (seconds|ms|s)\b", page)  # no measurement is typed

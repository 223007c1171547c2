"""The parts of the book's scripts and Sphinx extension that need no build."""

from __future__ import annotations

import doctest
import importlib
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "scripts"), str(ROOT / "book" / "_ext")]
from bookbuild import BuildError  # noqa: E402
from bookbuild.compared import compared_cells, keep_compared  # noqa: E402
from bookbuild.execute import Executed  # noqa: E402
from bookbuild.inputs import Book, public_url  # noqa: E402
from bookbuild.pairs import check_pairs, in_step  # noqa: E402
from bookbuild.stage import CLAIM, collect_claims, for_readers  # noqa: E402

RECORD = {"id": "1.1", "source": "derived", "statement": "s", "measured": 1, "threshold": "> 0",
          "verdict": "holds", "scale": "small", "part": "A", "anchor": "claim-1-1", "discussion": []}


def executed(*outputs: nbformat.NotebookNode) -> Executed:
    cell = nbformat.v4.new_code_cell("x", execution_count=1, outputs=list(outputs))
    return Executed(Path("01_x.ipynb"), nbformat.v4.new_notebook(cells=[cell]), 1.0)


def shown(**data: object) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", data=data)


@pytest.mark.parametrize("module", ["claims", "discussion", "docstrings", "markup", "runs"])
def test_doctests_of_the_extension(module: str) -> None:
    results = doctest.testmod(importlib.import_module(f"ntpbook.{module}"))
    assert results.attempted > 0 and results.failed == 0


@pytest.mark.parametrize(("remote", "url"), [
    ("https://github.com/a/b.git", "https://github.com/a/b"),
    ("git@github.com:a/b.git", "https://github.com/a/b"),
    ("ssh://git@gitlab.com/a/b", "https://gitlab.com/a/b"),
    ("https://name:secret@github.com/a/b", "https://github.com/a/b"),
    ("/srv/git/b.git", None), ("https://example.org/a/b.git", None), ("git@localhost:a/b", None), ("", None)])
def test_only_a_public_forge_is_linked_and_never_with_credentials(remote: str, url: str | None) -> None:
    assert public_url(remote) == url


def test_a_claim_measured_twice_and_a_record_without_a_field_stop_the_build() -> None:
    once = executed(shown(**{CLAIM: RECORD}))
    assert collect_claims([once])[0]["page"] == "notebooks/01_x.html"
    with pytest.raises(BuildError, match="measured already"):
        collect_claims([once, once])
    with pytest.raises(BuildError, match="lacks.*anchor"):
        collect_claims([executed(shown(**{CLAIM: {k: v for k, v in RECORD.items() if k != "anchor"}}))])


def test_claims_stand_in_the_order_of_their_numbers() -> None:
    ids = ("2.10", "10.1", "2.9")
    claims = collect_claims([executed(*(shown(**{CLAIM: RECORD | {"id": name}}) for name in ids))])
    assert [claim["id"] for claim in claims] == ["2.9", "2.10", "10.1"]


def test_readers_see_warnings_but_no_progress_bars() -> None:
    texts = ("\r 10%\r100%", "a warning\n")
    streams = [nbformat.v4.new_output("stream", name="stderr", text=text) for text in texts]
    notebook = for_readers(executed(*streams, shown(**{CLAIM: RECORD, "text/plain": "claim"})).notebook)
    assert [output.get("text") or dict(output.data) for output in notebook.cells[0].outputs] == [
        "a warning\n", {"text/plain": "claim"}]


def test_what_is_written_back_is_what_nbval_compares() -> None:
    notebook = executed(shown(**{"text/plain": "<X at 0x7f12>", "image/png": "aGk="}),
                        shown(**{"text/html": "<b>"}),
                        nbformat.v4.new_output("stream", name="stderr", text="w")).notebook
    notebook.metadata["widgets"] = {"state": {}}
    (output,) = keep_compared(notebook).cells[0].outputs
    assert output.data == {"text/plain": "<X at 0x0>"} and "widgets" not in notebook.metadata
    assert compared_cells(notebook) == 1


def test_a_script_and_a_notebook_that_differ_stop_the_build(tmp_path) -> None:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    script = folder / "01_x.py"
    script.write_text("# %% [markdown]\n# # X\n\n# %%\nprint(1)\n", encoding="utf-8")
    cells = [nbformat.v4.new_markdown_cell("# X"), nbformat.v4.new_code_cell("print(1)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), script.with_suffix(".ipynb"))
    assert in_step(script)
    script.write_text(script.read_text(encoding="utf-8") + "print(2)\n", encoding="utf-8")
    with pytest.raises(BuildError, match="make notebooks"):
        check_pairs(Book(tmp_path))

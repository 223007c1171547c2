"""The committed notebooks: in step with their scripts, compared by nbval, free of what the build makes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "scripts"))
from bookbuild.compared import NOT_COMPARED, compared_cells  # noqa: E402
from bookbuild.inputs import Book  # noqa: E402
from bookbuild.pairs import in_step, scripts_of  # noqa: E402

BOOK = Book(ROOT)
NOTEBOOKS = BOOK.notebooks
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_every_notebook_is_a_pair() -> None:
    assert [path.stem for path in NOTEBOOKS] == [path.stem for path in scripts_of(BOOK)]


@every_notebook
def test_pair_is_in_step(path: Path) -> None:
    assert in_step(path.with_suffix(".py")), "run `make notebooks`"


@every_notebook
def test_nbval_compares_something(path: Path) -> None:
    assert compared_cells(nbformat.read(path, as_version=4)) > 0


@every_notebook
def test_every_code_cell_was_executed_in_order(path: Path) -> None:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@every_notebook
def test_only_compared_text_is_kept(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert not kinds & set(NOT_COMPARED) and set(notebook.metadata) <= {"jupytext", "kernelspec"}


def test_a_notebook_stripped_bare_is_not_counted_as_compared() -> None:
    printed = nbformat.v4.new_output("stream", name="stdout", text="1\n")
    executed = nbformat.v4.new_code_cell("print(1)", execution_count=1, outputs=[printed])
    stripped = nbformat.v4.new_code_cell("print(1)")
    picture = nbformat.v4.new_code_cell("plot()", execution_count=2, outputs=[
        nbformat.v4.new_output("display_data", data={"image/png": "aGk="})])
    notebooks = [nbformat.v4.new_notebook(cells=[cell]) for cell in (executed, stripped, picture)]
    assert [compared_cells(notebook) for notebook in notebooks] == [1, 0, 0]


SHOWN = """from IPython.display import display
display({'text/plain': 'one', 'text/html': '<b>now</b>'}, raw=True)
object()"""


def nbval(folder: Path, text: str) -> subprocess.CompletedProcess:
    """Runs nbval, as for the book, on one notebook whose committed output is `text` and a place in memory."""
    outputs = [nbformat.v4.new_output("display_data", {"text/plain": text}),
               nbformat.v4.new_output("execute_result", {"text/plain": "<object at 0x0>"}, execution_count=1)]
    cell = nbformat.v4.new_code_cell(SHOWN, execution_count=1, outputs=outputs)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder / "notebooks" / "x.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib",
               "--nbval", "--nbval-current-env", "notebooks/x.ipynb"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_nbval_compares_text_and_neither_cards_nor_addresses(tmp_path) -> None:
    (tmp_path / "notebooks").mkdir()
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    same, other = nbval(tmp_path, "one"), nbval(tmp_path, "two")
    assert same.returncode == 0, same.stdout
    assert other.returncode == 1 and "Cell outputs differ" in other.stdout

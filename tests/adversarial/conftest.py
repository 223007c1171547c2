"""Functions as the pages define them, so that what a reader runs is what is attacked."""

import ast
import functools
from pathlib import Path
from types import SimpleNamespace

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.fixture(scope="session")
def page():
    """`page(4).project`: the imports and functions of a chapter's notebook, nothing of it executed."""
    @functools.cache
    def functions(number):
        space = {}
        for script in sorted(NOTEBOOKS.glob(f"{number:02d}*.py")):
            body = ast.parse(script.read_text(encoding="utf-8")).body
            kept = [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef))]
            exec(compile(ast.Module(kept, []), str(script), "exec"), space)
        return SimpleNamespace(**space)

    return functions

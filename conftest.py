"""Tells nbval what to compare: see scripts/bookbuild/compared.py, which says it for `make notebooks` too."""

import sys
from pathlib import Path

from nbval.plugin import IPyNbCell

sys.path.append(str(Path(__file__).resolve().parent / "scripts"))
from bookbuild.compared import ADDRESS, NOT_COMPARED  # noqa: E402
from bookbuild.inputs import NEEDS_MODEL, Book, without_model  # noqa: E402

WITHOUT_MODEL = without_model(Book(Path(__file__).resolve().parent))


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leaves out a notebook that needs the pretrained model where the book leaves it out."""
    if WITHOUT_MODEL and collection_path.suffix == ".ipynb":
        return f'"{NEEDS_MODEL}"' in collection_path.read_text(encoding="utf-8") or None
    return None


def pytest_report_header() -> str | None:
    """Says so."""
    return f"notebooks that need the pretrained model are left out: {WITHOUT_MODEL}" if WITHOUT_MODEL else None


def pytest_collection_modifyitems(items: list) -> None:
    """Adds to nbval's own list what is not compared, and the place where an object lies in memory to what may differ."""
    for item in items:
        if isinstance(item, IPyNbCell) and NOT_COMPARED[0] not in item.parent.skip_compare:
            item.parent.skip_compare += NOT_COMPARED
            pattern, stable = ADDRESS
            item.parent.sanitize_patterns[pattern.pattern] = stable

"""Tells nbval what to compare: see scripts/bookbuild/compared.py, which says it for `make notebooks` too."""

import sys
from pathlib import Path

from nbval.plugin import IPyNbCell

sys.path.append(str(Path(__file__).resolve().parent / "scripts"))
from bookbuild.compared import ADDRESS, NOT_COMPARED  # noqa: E402


def pytest_collection_modifyitems(items: list) -> None:
    """Adds to nbval's own list what is not compared, and the place where an object lies in memory to what may differ."""
    for item in items:
        if isinstance(item, IPyNbCell) and NOT_COMPARED[0] not in item.parent.skip_compare:
            item.parent.skip_compare += NOT_COMPARED
            pattern, stable = ADDRESS
            item.parent.sanitize_patterns[pattern.pattern] = stable

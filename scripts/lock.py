"""Writes requirements.lock: resolves the ranges of pyproject.toml in a fresh environment and records what came.

A lock must install elsewhere: no local version suffix (`+cpu`), and nothing that needs a later Python than LOWEST.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOWEST = "3.11.2"  # Debian 12's
PINS = (  # versions that must be these: the stack that was tried together, and the torch build that stays small
    "jupyter-book==1.0.4.post1", "sphinx==7.4.7", "docutils==0.21.2", "myst-nb==1.4.0", "sphinx-book-theme==1.3.0",
    "pydata-sphinx-theme==0.17.1", "torch==2.13.0", "soupsieve<3",
)
HEADER = "# Made by `make lock`. Exact versions that the book is built and tested with, Python 3.11.2 or later 3.11.\n"


def requirements() -> list[str]:
    """All ranges of pyproject.toml, extras included, and the pins above."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [r for group in project["optional-dependencies"].values() for r in group]
    return [*project["dependencies"], *extras, *PINS]


def too_new(python: Path) -> list[str]:
    """The installed packages that LOWEST cannot run."""
    code = (
        "import importlib.metadata as md, json, packaging.specifiers as ps\n"
        f"bad = [f'{{d.name}} {{d.version}} needs {{d.metadata[\"Requires-Python\"]}}' for d in md.distributions()"
        f" if d.metadata.get('Requires-Python') and '{LOWEST}' not in ps.SpecifierSet(d.metadata['Requires-Python'])]\n"
        "print(json.dumps(bad))"
    )
    return json.loads(subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Resolves, checks, writes."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements()], check=True)
        subprocess.run([python, "-m", "pip", "check"], check=True)
        if bad := too_new(python):
            sys.exit(f"these need a later Python than {LOWEST}; pin older ones in scripts/lock.py: " + "; ".join(bad))
        frozen = subprocess.run([python, "-m", "pip", "freeze", "--exclude", "pip", "--exclude", "setuptools"],
                                check=True, capture_output=True, text=True).stdout
    lines = sorted((line.split("+")[0].strip() for line in frozen.splitlines() if "==" in line), key=str.lower)
    target = ROOT / "requirements.lock"
    temporary = target.with_suffix(".part")
    temporary.write_text(HEADER + "\n".join(lines) + "\n")
    temporary.replace(target)
    print(f"{target.name}: {len(lines)} packages")


if __name__ == "__main__":
    main()

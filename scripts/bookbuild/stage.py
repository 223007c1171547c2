"""The tree that Sphinx reads: pages, executed notebooks, settings, and what the ledger and status pages show.

Made anew for every build, so that no page can outlive its source.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import yaml

from . import BuildError
from .execute import Executed
from .inputs import Book, Repository, surroundings

CLAIM = "application/vnd.ntputils.claim+json"
SESSION = "application/vnd.ntputils.session+json"
_CLAIM_FIELDS = ("id", "source", "statement", "measured", "threshold", "verdict", "scale", "part", "anchor",
                 "discussion")


def stage(book: Book, executed: list[Executed], vendored: Path) -> Path:
    """Writes the tree and returns its folder.

    Raises:
        BuildError: a claim is measured twice, or its record lacks a field.
    """
    source = book.out / "src"
    shutil.rmtree(source, ignore_errors=True)
    (source / "notebooks").mkdir(parents=True)
    shutil.copytree(book.root / "book", source / "book", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(book.root / "_toc.yml", source)
    _write_json(source / "claims.json", collect_claims(executed))
    _write_json(source / "status.json", [status(one) for one in executed])
    for one in executed:
        nbformat.write(for_readers(one.notebook), source / "notebooks" / one.path.name)
    config = settings(book, os.path.relpath(vendored, source))
    (source / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return source


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def for_readers(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drops, in place, what is not for a page: records that were collected, and what progress bars wrote.

    A progress bar is stderr with carriage returns; anything else on stderr stays for the reader to see.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if not (o.get("name") == "stderr" and "\r" in o.text)]
            for output in cell.outputs:
                for kind in (CLAIM, SESSION):
                    output.get("data", {}).pop(kind, None)
    return notebook


def collect_claims(executed: list[Executed]) -> list[dict]:
    """All claims' records in the order of their ids, each with the page and the anchor of its card."""
    found: dict[str, dict] = {}
    for one in executed:
        for record in records(one.notebook, CLAIM):
            where = f"notebooks/{one.path.name}: claim {record.get('id')}"
            missing = [name for name in _CLAIM_FIELDS if name not in record]
            if missing:
                raise BuildError(f"{where}: its record lacks {missing}")
            if record["id"] in found:
                raise BuildError(f"{where} was measured already, on {found[record['id']]['page']}")
            entry = {name: record[name] for name in _CLAIM_FIELDS} | {"of": record.get("of", [])}
            found[record["id"]] = entry | {"page": f"notebooks/{one.path.stem}.html"}
    return sorted(found.values(), key=lambda claim: [int(part) for part in claim["id"].split(".")])


def records(notebook: nbformat.NotebookNode, kind: str) -> Iterator[dict]:
    """The records of one kind (a MIME type) among a notebook's outputs."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if kind in output.get("data", {}):
                yield output["data"][kind]


def status(one: Executed) -> dict:
    """One line of the status page: what the notebook itself says of its run, and how long it took."""
    said = {"scale": surroundings()["scale"], "device": surroundings()["device"], "versions": {}}
    return {**said, **next(records(one.notebook, SESSION), {}), "page": f"notebooks/{one.path.stem}",
            "seconds": one.seconds}


def settings(book: Book, vendored: str) -> dict:
    """The book's `_config.yml`, with the page's JavaScript and, where there is a repository, its links."""
    config = yaml.safe_load((book.root / "_config.yml").read_text(encoding="utf-8"))
    sphinx = config["sphinx"]["config"]
    sphinx["html_static_path"] = [*sphinx["html_static_path"], vendored]
    if book.repository is not None:
        _add_links(config, book.repository)
    return config


def _add_links(config: dict, repository: Repository) -> None:
    """Turns on the theme's buttons that lead to the repository, Binder and Colab."""
    config["repository"] = {"url": repository.url, "branch": "main"}
    buttons = ("use_repository_button", "use_edit_page_button", "use_issues_button")
    config["html"] |= dict.fromkeys(buttons, True)
    config["launch_buttons"] = {"binderhub_url": "https://mybinder.org", "notebook_interface": "jupyterlab"}
    if repository.colab is not None:
        config["sphinx"]["config"]["ntpbook_colab"] = repository.colab

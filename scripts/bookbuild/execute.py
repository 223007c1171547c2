"""Executes the notebooks, two at a time, and keeps what they gave in a cache.

The store is jupyter-cache, which keys on a notebook's code; the folder it lies in is keyed on everything else
that decides an output: the library as it is in the wheel, the lock, the scale, the Python, the device. Each
notebook is stored as soon as it is done, so an interrupted build resumes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract

from . import BuildError
from .inputs import (NEEDS_MODEL, Book, digest, files_under, lock_files, model_folder, surroundings,
                     without_model)

WORKERS = 2
KEPT_ENVIRONMENTS = 3
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                         "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
_RUN_ONE = Path(__file__).parent / "run_one.py"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Executed:
    """A notebook with its outputs, and how long it took when it was run; or why it was not."""

    path: Path
    notebook: nbformat.NotebookNode
    seconds: float
    left_out: str = ""


def environment_key(book: Book, library: Path) -> str:
    """A hash of all that decides a notebook's outputs except its own code."""
    code = [p for p in files_under(library) if not any(part.endswith(".dist-info") for part in p.parts)]
    lock = [p.read_text(encoding="utf-8") for p in lock_files(book)]
    runner = [_RUN_ONE.read_text(encoding="utf-8"), THREADS]
    return digest(library, code, also=[lock, runner, surroundings()])


def open_cache(book: Book, key: str) -> JupyterCacheAbstract:
    """Opens the store of one environment; the oldest ones beyond a few are removed."""
    folder = book.out / "cache" / key
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    stores = sorted(folder.parent.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
    for old in stores[KEPT_ENVIRONMENTS:]:
        shutil.rmtree(old)
    return get_cache(folder)


def execute(book: Book, library: Path) -> list[Executed]:
    """Returns all notebooks with outputs, executing those that the cache does not have.

    Args:
        book: the book.
        library: the folder that the wheel was unpacked into; kernels import from it.

    A notebook that needs the pretrained model is left out, with a note on its page, where the model is not wanted or not there.

    Raises:
        BuildError: a cell raised; the message names each notebook and cell.
    """
    cache = open_cache(book, environment_key(book, library))
    sources = {path: nbformat.read(path, as_version=4) for path in book.notebooks}
    reason = without_model(book)
    out = {path for path, notebook in sources.items() if reason and needs_model(notebook)}
    waiting = [path for path, notebook in sources.items() if path not in out and not _stored(cache, notebook)]
    print(f"notebooks: {len(sources) - len(waiting) - len(out)} from the cache, {len(waiting)} to execute", flush=True)
    for path in sorted(out):
        print(f"  {path.name} is left out: {reason}", flush=True)
    failures = _run_all(cache, waiting, library, {"NTP_MODEL_DIR": str(model_folder(book))})
    if failures:
        raise BuildError("\n\n".join(failures))
    return [Executed(path, left_out(notebook, reason), 0.0, reason) if path in out else _from_cache(cache, path, notebook)
            for path, notebook in sources.items()]


def needs_model(notebook: nbformat.NotebookNode) -> bool:
    """Does a cell load the pretrained model, and say so by its tag?"""
    return any(NEEDS_MODEL in cell.metadata.get("tags", []) for cell in notebook.cells)


def left_out(notebook: nbformat.NotebookNode, reason: str) -> nbformat.NotebookNode:
    """Turns a notebook, in place, into the page of one that was not run: a note at the top, no outputs."""
    note = (f":::{{warning}}\n**Left out of this build** ({reason}). The code below was not run: no figure is drawn, no claim "
            "of this chapter was measured.\n:::")
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(note))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def _stored(cache: JupyterCacheAbstract, notebook: nbformat.NotebookNode) -> bool:
    try:
        cache.match_cache_notebook(notebook)
    except KeyError:
        return False
    return True


def _from_cache(cache: JupyterCacheAbstract, path: Path, notebook: nbformat.NotebookNode) -> Executed:
    primary_key, merged = cache.merge_match_into_notebook(notebook)
    return Executed(path, merged, cache.get_cache_record(primary_key).data["execution_seconds"])


def _run_all(cache: JupyterCacheAbstract, paths: list[Path], library: Path, more: dict[str, str]) -> list[str]:
    """Runs notebooks side by side, stores those that succeed as they finish, returns what failed."""
    failures, start = [], time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        running = {pool.submit(_run_one, path, library, more): path for path in paths}
        try:
            for done, future in enumerate(as_completed(running), start=1):
                path, (notebook, record) = running[future], future.result()
                verdict = "ok" if record["failure"] is None else "FAILED"
                if record["failure"] is None:
                    _store(cache, path, notebook, record["seconds"])
                else:
                    failures.append(_message(path, record["failure"]))
                print(f"  [{done}/{len(paths)}] {path.name}  {record['seconds']:.1f} s  {verdict}"
                      f"  (elapsed {time.perf_counter() - start:.0f} s)", flush=True)
        except BaseException:  # Ctrl-C too: what has not begun must not begin
            pool.shutdown(cancel_futures=True)
            raise
    return failures


def _run_one(path: Path, library: Path, more: dict[str, str]) -> tuple[nbformat.NotebookNode, dict]:
    """Runs one notebook in a process of its own, with the wheel, one thread and an empty IPython profile."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        target, result = folder / "executed.ipynb", folder / "result.json"
        environment = {**os.environ, **THREADS, **more, "PYTHONPATH": str(library), "PYTHONHASHSEED": "0",
                       "PYTHONNOUSERSITE": "1", "IPYTHONDIR": str(folder / "ipython")}
        done = subprocess.run([sys.executable, _RUN_ONE, path, target, result], env=environment,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if not result.exists():
            raise BuildError(f"{path.name}: its process ended with {done.returncode}\n{done.stderr.strip()}")
        return nbformat.read(target, as_version=4), json.loads(result.read_text(encoding="utf-8"))


def _store(cache: JupyterCacheAbstract, path: Path, notebook: nbformat.NotebookNode, seconds: float) -> None:
    bundle = CacheBundleIn(notebook, str(path), data={"execution_seconds": seconds})
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def _message(path: Path, failure: dict) -> str:
    """What a reader of the terminal needs to find the cell: notebook, cell number, the code, the error."""
    code = "\n".join(f"    {line}" for line in failure["source"].splitlines())
    traceback = _ANSI.sub("", failure["traceback"]).strip()
    head = f"notebooks/{path.name}, cell {failure['cell']}: {failure['error']}"
    return f"{head}\n{code}\n\n{traceback}".rstrip()

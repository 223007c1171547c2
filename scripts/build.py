"""Builds the book: `python scripts/build.py [--root FOLDER]`; `make book` calls it.

Inputs are hashed; notebooks are executed (those that changed); pages are made afresh with warnings as errors;
only a site without any fault takes the place of the last good one.
"""

from __future__ import annotations

import argparse
import collections
import fcntl
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bookbuild import BuildError
from bookbuild.inputs import Book, site_key


@contextmanager
def alone(book: Book) -> Iterator[None]:
    """Waits for any other build of the same book to end."""
    book.out.mkdir(exist_ok=True)
    with open(book.out / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another build of this book is running; waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(book: Book) -> None:
    """Brings the site up to date, or raises BuildError and leaves it as it was."""
    from bookbuild import site  # the modules below take a second to import: not for a book that is up to date

    site.recover(book)
    key = site_key(book)
    if site.built_from(book) == key:
        print("the book is up to date")
        return
    from bookbuild.execute import execute
    from bookbuild.pairs import check_pairs
    from bookbuild.stage import stage
    from bookbuild.vendor import vendor
    from bookbuild.wheel import unpack_wheel

    check_pairs(book)
    vendored = _step("JavaScript of the pages", vendor, book)
    library = _step(f"wheel of {book.package}", unpack_wheel, book)
    executed = _step("execution", execute, book, library)
    source = stage(book, executed, vendored)
    pages = _step("pages", site.render, book, source, library)
    site.fill_install_cells(book, pages)
    shutil.copy(source / "claims.json", pages)
    site.publish(book, pages, key)


def _step(name: str, function, *arguments):
    """Runs one step and says how long it took."""
    start = time.perf_counter()
    result = function(*arguments)
    print(f"{name}: {time.perf_counter() - start:.1f} s", flush=True)
    return result


def summary(book: Book, seconds: float) -> str:
    """What the terminal shows last: verdicts, time, the path to open."""
    claims = json.loads((book.site / "claims.json").read_text(encoding="utf-8"))
    verdicts = collections.Counter(claim["verdict"] for claim in claims)
    counted = ", ".join(f"{verdict}: {number}" for verdict, number in verdicts.items())
    index = book.site / "index.html"
    return (f"{len(claims)} claims ({counted or 'none yet'})\n{seconds:.1f} s\n"
            f"open {index}\n     {index.as_uri()}")


def main() -> int:
    """Builds and reports; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = Path(__file__).resolve().parent.parent
    parser.add_argument("--root", type=Path, default=here, help="the book's folder")
    book = Book(parser.parse_args().root.resolve())
    start = time.perf_counter()
    try:
        with alone(book):
            build(book)
            print(summary(book, time.perf_counter() - start))
    except (BuildError, ValueError) as error:
        kept = "; the last good site stays in place" if book.site.exists() else ""
        print(f"\nthe book was NOT built{kept}\n\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

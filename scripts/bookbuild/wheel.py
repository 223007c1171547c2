"""The library as readers install it: built into a wheel, unpacked where the kernels find it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from . import BuildError
from .inputs import Book, digest, files_under

_KEPT = 3


def unpack_wheel(book: Book) -> Path:
    """Builds the library's wheel and returns the folder with its contents, named by their hash.

    Raises:
        BuildError: the wheel could not be built.
    """
    target = book.out / "wheel"
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as name:
        folder = Path(name)
        command = [sys.executable, "-m", "pip", "wheel", str(book.root), "--quiet", "--no-deps",
                   "--no-build-isolation", "--wheel-dir", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        wheels = list(folder.glob("*.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            said = (done.stdout + done.stderr).strip()
            raise BuildError(f"the wheel of {book.package} could not be built:\n{said}")
        with zipfile.ZipFile(wheels[0]) as archive:
            archive.extractall(folder / "library")
        library = target / digest(folder, files_under(folder / "library"))
        if not library.exists():
            os.rename(folder / "library", library)
    os.utime(library)
    for old in sorted(target.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)[_KEPT:]:
        shutil.rmtree(old)
    return library

"""Values in files: one `.npz`, whole or not at all, that says what kind of value it holds."""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ._hints import ArrayLike, PathLike


def save_npz(path: PathLike, kind: str, **arrays: ArrayLike) -> Path:
    """Writes one `.npz` to a temporary file beside `path`, then renames it: never half a file."""
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, kind=kind, **arrays)  # type: ignore[arg-type]  # taken for its own options
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)  # a temporary file is for its owner alone; a saved one follows the umask
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def load_npz(path: PathLike, kind: str, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Reads a file that `save_npz` wrote; a ValueError names what is wrong with any other."""
    try:
        with open(path, "rb") as file:
            arrays = dict(np.load(file, allow_pickle=False))
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"path: cannot read {str(path)!r} as a saved {kind} ({error})") from error
    found = str(arrays.get("kind", "nothing that names itself"))
    if found != kind:
        raise ValueError(f"path: {str(path)!r} holds {found}, not a saved {kind}")
    if missing := [name for name in names if name not in arrays]:
        raise ValueError(f"path: {str(path)!r} is a saved {kind} without its {', '.join(missing)}")
    return arrays

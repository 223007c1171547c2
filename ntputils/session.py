"""What a run was made with: its scale, its device, its versions."""

from __future__ import annotations

import html
import os
import platform
import sys
from dataclasses import dataclass
from typing import Any

MIME = "application/vnd.ntputils.session+json"
_SHOWN = ("ntputils", "numpy", "scipy", "torch")


def scale() -> str:
    """The scale of this run, from the environment variable NTP_SCALE: `small` (the default) or `full`.

    Source: chapter 1; made for this book.

    Returns:
        "small" or "full".

    Raises:
        ValueError: NTP_SCALE is something else.

    >>> scale() in ("small", "full")
    True
    """
    value = os.environ.get("NTP_SCALE", "small")
    if value not in ("small", "full"):
        raise ValueError(f"NTP_SCALE: got {value!r}, want 'small' or 'full'")
    return value


@dataclass(frozen=True)
class Session:
    """Scale, device and versions of a run; a notebook shows it as a line that changes between machines.

    Source: chapter 1; made for this book.

    Attributes:
        scale: "small" or "full".
        device: the name of the GPU, or the kind of the CPU.
        versions: of Python and of the libraries that are loaded, by name.

    >>> session()
    scale: small
    """

    scale: str
    device: str
    versions: dict[str, str]

    def __repr__(self) -> str:
        return f"scale: {self.scale}"  # stable: nbval compares this line, and not the HTML below

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        line = f"scale <b>{self.scale}</b> · {html.escape(self.device)} · {html.escape(versions)}"
        record = {"scale": self.scale, "device": self.device, "versions": self.versions}
        return {"text/plain": repr(self), "text/html": f'<p class="ntp-session">{line}</p>', MIME: record}


def session() -> Session:
    """Reports what this run is made with. CUDA is looked for only where torch is already loaded (loading takes seconds).

    Source: chapter 1; made for this book.

    Returns:
        Scale, device and versions.

    Raises:
        ValueError: NTP_SCALE is neither "small" nor "full".

    >>> import platform
    >>> session().versions["python"] == platform.python_version()
    True
    """
    device, torch = f"CPU ({platform.machine()})", sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        device = torch.cuda.get_device_name()
    versions = {"python": platform.python_version()}
    for name in _SHOWN:
        if name in sys.modules:
            versions[name] = sys.modules[name].__version__
    return Session(scale(), device, versions)

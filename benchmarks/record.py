"""What a benchmark or a results table leaves behind under book/results: a small JSON file, and a figure where there is one."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "book" / "results"
PACKAGES = ("numpy", "scipy", "torch", "ntputils", "cvxpy", "scs", "polars", "duckdb")
STYLE = {"text.color": "#222222", "axes.edgecolor": "#222222", "axes.spines.top": False, "axes.spines.right": False,
         "font.size": 10, "svg.hashsalt": "ntputils", "svg.fonttype": "path"}


def machine() -> dict:
    """What a reader needs to know of the machine, and nothing that names it."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in (info.read_text().splitlines() if info.exists() else [])
             if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cpu": names[0] if names else platform.machine(), "cores": os.cpu_count(),
            "memory_gb": round(memory / 1e9, 1), "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
            "system": platform.system()}


def versions() -> dict:
    """The versions of what took part, Python's first."""
    installed = {d.name.lower(): d.version for d in importlib.metadata.distributions() if d.name}
    return {"python": platform.python_version()} | {name: installed[name] for name in PACKAGES if name in installed}


def commit() -> str:
    """The commit that was measured; `+` says that files differ from it."""
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    tracked = git("status", "--porcelain", "--untracked-files=no", "--", "ntputils", "benchmarks", "scripts/results.py")
    return (git("rev-parse", "--short=12", "HEAD") or "none") + ("+" if tracked else "")


def write(name: str, columns: list[str], rows: list[list], *, seeds: list[int], quick: bool, alt: str = "", draw=None,
          folder: Path = RESULTS, also: dict | None = None) -> None:
    """Writes NAME.json, and NAME.svg where there is something to draw.

    Args:
        name: of both files, without suffix.
        columns: the heads of the table.
        rows: its rows; a cell is a text, a number or None.
        seeds: of the random instances, or of the runs.
        quick: whether sizes were cut down to try the script.
        alt: the figure in words.
        draw: fills a Matplotlib axes; None: there is no figure.
        folder: where the files go.
        also: what else the record says of how it was made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = {"columns": columns, "rows": [], "machine": machine(), "versions": versions(), "commit": commit(),
              "date": date.today().isoformat(), "seeds": seeds, "quick": quick, **(also or {})}
    if draw is not None:
        _draw(folder / f"{name}.svg", draw)
        record |= {"figure": f"{name}.svg", "alt": alt}
    lines = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in rows)  # a row on a line
    text = json.dumps(record, indent=1, ensure_ascii=False).replace('"rows": []', f'"rows": [\n  {lines}\n ]', 1)
    part = folder / f"{name}.json.part"
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(folder / f"{name}.json")
    print(f"wrote {name}.json{' and a figure' if draw else ''}", flush=True)


def _draw(file: Path, draw) -> None:
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 3.4), layout="constrained", facecolor="white")  # a ground for both themes
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        figure.savefig(file, metadata={"Date": None})

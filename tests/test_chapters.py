"""The chapters as a reader meets them: length, the order of what closes them, numbers by which they are called."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 20          # minutes
WORDS_A_MINUTE = 220  # of prose and formulas in sight; proofs and solutions are folded
MINUTES = {"eight": 8, "ten": 10, "twelve": 12, "fifteen": 15, "eighteen": 18, "twenty": 20}
CLOSING = ["## What to take away", "## What this does not show", "## Exercises"]
FOLDED = re.compile(r"^ *```\{admonition\}[^\n]*\n *:class: dropdown.*?^ *```$", re.DOTALL | re.MULTILINE)
DISPLAYED = re.compile(r"\$\$.*?\$\$", re.DOTALL)


def toc() -> list[tuple[int, Path]]:
    """The numbered chapters, as `_toc.yml` has them; a section's page has the number of its chapter."""
    parts = [part for part in yaml.safe_load((ROOT / "_toc.yml").read_text())["parts"] if part.get("numbered")]
    chapters = [chapter for part in parts for chapter in part["chapters"]]
    return [(number, ROOT / f"{page['file']}.py") for number, chapter in enumerate(chapters, 1)
            for page in (chapter, *chapter.get("sections", []))]


def prose(script: Path) -> str:
    """The Markdown of a notebook."""
    cells = re.split(r"^# %%", script.read_text(encoding="utf-8"), flags=re.MULTILINE)
    texts = (cell.partition("\n")[2] for cell in cells if cell.startswith(" [markdown]"))
    return "\n\n".join(re.sub(r"^# ?", "", text, flags=re.MULTILINE) for text in texts)


CHAPTERS = toc()
every_chapter = pytest.mark.parametrize(("number", "script"), CHAPTERS, ids=lambda value: getattr(value, "stem", None))


@every_chapter
def test_nobody_needs_more_than_twenty_minutes(number: int, script: Path) -> None:
    text = prose(script)
    stated = MINUTES[re.search(r"\*(\w+) minutes to read", text)[1].lower()]
    words = len(DISPLAYED.sub("formula", FOLDED.sub("", text)).split())
    assert words / WORDS_A_MINUTE <= stated <= LONGEST, f"{words} words"


@every_chapter
def test_chapters_close_alike(number: int, script: Path) -> None:
    titles = re.findall(r"^## .*$", prose(script), flags=re.MULTILINE)
    assert [title for title in titles if title in CLOSING] == titles[-3:] == CLOSING


def test_chapters_are_called_by_their_numbers() -> None:
    labels = {re.search(r"^\((ch-[\w-]+)\)=$", prose(script), flags=re.MULTILINE)[1]: number
              for number, script in CHAPTERS}
    pages = [prose(script) for script in (ROOT / "notebooks").glob("*.py")]
    pages += [page.read_text(encoding="utf-8") for page in (ROOT / "book").glob("*.md")]
    by_label = [pair for page in pages for pair in re.findall(r"[Cc]hapter\s+(\d+)\s+<(ch-[\w-]+)>", page)]
    assert by_label and all(labels[label] == int(number) for number, label in by_label)
    files = {script.stem: number for number, script in CHAPTERS}
    by_file = [pair for page in pages for pair in re.findall(r"\[[Cc]hapter\s+(\d+)\]\([^)]*?(\w+)\.ipynb\)", page)]
    assert by_file and all(files[stem] == int(number) for number, stem in by_file)

"""The welcome page's figure and panel: what is committed is what the script makes, and the panel works from a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "book" / "assets"
PAGE = """<!doctype html><html lang="en" data-theme="{theme}"><meta charset="utf-8"><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width"><style>body {{ margin: 0; padding: 16px }}</style>{panel}</html>"""


def test_what_is_committed_is_what_the_script_makes() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "welcome_figure.py"), "--check"]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def show(visit, tmp_path):
    """A function that opens the panel alone in the browser; after the test no page has complained."""
    visits = []

    def open_panel(theme: str = "light", **options):
        path = tmp_path / "panel.html"
        panel = (ASSETS / "support-panel.html").read_text(encoding="utf-8")
        path.write_text(PAGE.format(theme=theme, panel=panel), encoding="utf-8")
        visits.append(visit(path, scheme=theme, **options))
        visits[-1].page.wait_for_selector(".ntp-welcome .ntp-cell")
        return visits[-1].page

    yield open_panel
    for record in visits:
        assert record.errors == [] and record.left_the_page == []


def test_a_click_and_a_key_move_the_map(show) -> None:
    page = show()
    said, picture = page.locator("[role=status]"), page.locator(".ntp-vectors")
    assert said.inner_text() == ("The same words follow «cats» and «dogs»; and «taps» and «pipes»: one point. "
                                 "The map is the whole of it.")
    assert picture.get_by_text("cats, dogs").count() == 1
    before = picture.get_attribute("aria-label")
    page.get_by_role("gridcell").nth(1).click()          # dogs no longer eat
    assert "«cats» and «dogs»" not in said.inner_text() and picture.get_by_text("cats, dogs").count() == 0
    page.keyboard.press("Space")                         # the grid kept the focus: they eat again
    assert picture.get_attribute("aria-label") == before
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Start again").click()
    assert picture.get_attribute("aria-label") == before


def test_a_context_without_words_gets_a_sentence(show) -> None:
    page = show()
    for cell in (3, 8, 13, 18, 23):  # the column of taps
        if page.get_by_role("gridcell").nth(cell).get_attribute("aria-selected") == "true":
            page.get_by_role("gridcell").nth(cell).click()
    assert "No word follows «taps» yet" in page.locator("[role=status]").inner_text()
    assert not page.locator(".ntp-vectors").is_visible()
    assert "NaN" not in page.locator("body").inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_narrow_screen(show, theme: str) -> None:
    page = show(theme, width=360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    colours = page.evaluate("(() => { const s = getComputedStyle(document.querySelector('.ntp-welcome')); "
                            "return [s.color, s.backgroundColor]; })()")
    assert colours[0] != colours[1] and page.evaluate("document.getAnimations().length") == 0


def test_the_panel_is_small() -> None:
    assert (ASSETS / "support-panel.html").stat().st_size < 64_000

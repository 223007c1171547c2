"""The built book in a real browser, from `file://`: nothing leaves the page, fails or overflows."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from ntputils import SoftLabels

SITE = Path(__file__).resolve().parents[2] / "_build" / "html"
FOLDERS = ("book", "notebooks")
PAGES = sorted(f"{folder}/{page.name}" for folder in FOLDERS for page in (SITE / folder).glob("*.html"))
PAGES += ["search.html", "genindex.html"]
SLIDER_PAGE = "notebooks/02_log_bilinear_model.html"
WIDTHS = (1280, 360)
SCHEMES = ("light", "dark")

# Waits for what a page does after it is loaded: maths typeset, widgets drawn.
SETTLED = """async () => {
  if (window.MathJax?.startup?.promise) await MathJax.startup.promise;
  const views = document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]');
  return [...views].every((view) => view.parentElement.querySelector(".widget-subarea > *"));
}"""
UNTYPESET = """() => [...document.querySelectorAll(".math")]
  .filter((node) => !node.querySelector("mjx-container") || node.querySelector("mjx-merror"))
  .map((node) => node.textContent)"""
RAW_MATHS = """() => {
  const article = document.querySelector(".bd-article")?.cloneNode(true);
  article?.querySelectorAll("pre, code, script, mjx-container, .highlight").forEach((node) => node.remove());
  const marks = /\\\\\\(|\\\\\\[|\\$\\$|\\\\(frac|mathbb|sum|top)\\b/g;
  return (article?.textContent.match(marks) ?? []).slice(0, 5);
}"""
# How far the page is wider than the screen.
OVERFLOW = "() => document.documentElement.scrollWidth - window.innerWidth"


def settle(page) -> None:
    page.wait_for_function(SETTLED, timeout=60_000)


def switch(page, width: int, scheme: str) -> None:
    """Changes the window's width and what the reader's system prefers; waits until the page has followed."""
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function("(scheme) => document.documentElement.dataset.theme === scheme", arg=scheme)


@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole(site, visit, name: str) -> None:
    """No request leaves, no error is logged, all maths is typeset, nothing overflows in either scheme."""
    opened = visit(site / name)
    settle(opened.page)
    assert opened.page.evaluate(UNTYPESET) == []
    assert opened.page.evaluate(RAW_MATHS) == []
    for width in WIDTHS:
        for scheme in SCHEMES:
            switch(opened.page, width, scheme)
            assert opened.page.evaluate(OVERFLOW) <= 0, f"{width} px, {scheme}"
    assert opened.left_the_page == []
    assert opened.errors == []


def test_figures_have_a_light_ground_in_dark_mode(site, visit) -> None:
    page = visit(site / "notebooks" / "01_soft_labels.html", scheme="dark").page
    ground_of = "(image) => getComputedStyle(image).backgroundColor"
    ground = page.locator(".cell_output img").first.evaluate(ground_of)
    assert min(int(part) for part in ground.removeprefix("rgb(").removesuffix(")").split(", ")) > 200


@pytest.fixture
def slider(site, visit):
    """The handle of the linked slider, and a function that reads what its target shows now."""
    if SLIDER_PAGE not in PAGES:
        pytest.skip(f"{SLIDER_PAGE} is not in this book")
    page = visit(site / SLIDER_PAGE).page
    settle(page)
    handle = page.locator(".cell_output .noUi-handle").first
    handle.scroll_into_view_if_needed()
    shown = "(node) => [...node.closest('.widget-vbox').children].slice(1).map((c) => c.innerHTML).join('')"
    return page, handle, lambda: handle.evaluate(shown)


def test_slider_answers_to_the_keyboard(slider) -> None:
    page, handle, target = slider
    before = target()
    handle.focus()
    page.keyboard.press("ArrowRight")
    assert handle.get_attribute("aria-valuetext") == "1"
    after = target()
    assert after and after != before
    page.keyboard.press("ArrowLeft")
    assert target() == before


def test_slider_answers_to_a_drag(slider) -> None:
    page, handle, target = slider
    before, box = target(), handle.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, middle, steps=8)
    page.mouse.up()
    assert float(handle.get_attribute("aria-valuenow")) > 1
    assert target() != before


def test_panel_of_chapter_1_counts_what_the_reader_types(site, visit) -> None:
    """In the built page, without a kernel: typing, the slider and the arrow keys; the numbers are Python's."""
    opened = visit(site / "notebooks" / "01_soft_labels.html")
    settle(opened.page)
    panel = opened.page.locator(".ntp-soft-labels")
    text = "the cat sat. the dog sat. the cat ran."
    panel.locator("textarea").fill(text)
    number = {key: panel.locator(f'[data-number="{key}"]') for key in ("V", "m", "entropy")}
    length = panel.locator('input[type="range"]').first
    for T in (1, 2):
        length.focus()
        opened.page.keyboard.press("Home" if T == 1 else "ArrowRight")
        labels = SoftLabels.from_text(text, context_length=T)
        expect(number["V"]).to_have_text(str(labels.V))
        expect(number["m"]).to_have_text(str(labels.m))
        expect(number["entropy"]).to_have_text(f"{labels.entropy():.3f}")
    grid = panel.locator("[tabindex='0']").last
    grid.focus()
    reading = panel.locator("[aria-live]").first
    before = reading.inner_text()
    opened.page.keyboard.press("ArrowDown")
    expect(reading).not_to_have_text(before)
    assert opened.errors == []

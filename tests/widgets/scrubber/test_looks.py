"""How the panel looks: its colours on both sides of the style sheet, its widths and themes, in print."""

from __future__ import annotations

import numpy as np
import pytest

from ntputils.widgets import TrainingScrubber
from tests.widgets.scrubber.runs import VIEWS, pixels, state

WIDGET = TrainingScrubber

CHIP = """() => [...document.querySelectorAll(".ntp-chip")].map((chip) => {
  const pen = document.createElement("canvas").getContext("2d");
  pen.fillStyle = getComputedStyle(chip).backgroundColor;
  pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data];
})"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_are_those_of_the_style_sheet_on_both_sides(ready, widget, theme):
    page = ready(state(widget), theme=theme)
    page.get_by_role("application", name="Trained").focus()
    page.keyboard.press("Control+Home")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
        column = page.evaluate("""() => {
          const cursor = document.querySelector(".ntp-cursor");
          const size = document.querySelector(".ntp-plate canvas").getBoundingClientRect().width / 8;
          return Math.round((cursor.getAttribute("x") - 18) / size);
        }""")
        for k, chip in enumerate(page.evaluate(CHIP)):
            assert np.abs(pixels(page, k)[0, column] - chip).max() <= 4
    left, right = pixels(page, 0), pixels(page, 1)
    assert np.array_equal(left[0, 0], right[0, 0]) and np.array_equal(left[5, 5], right[2, 2])  # cosines of one
    changed = "dark" if theme == "light" else "light"
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", changed)
    page.wait_for_function("(old) => document.querySelector('canvas').getContext('2d').getImageData(0, 0, 1, 1).data[0] "
                           "!== old", arg=int(left[0, 0, 0]), timeout=2000)


def test_the_size_of_the_chapter_is_shown_at_once(ready, large_widget):
    page = ready(state(large_widget))
    assert page.locator(".ntp-scrubber *").count() < 400  # canvases, not ten thousand nodes
    assert [pixels(page, k).shape for k in (0, 1)] == [(100, 100, 4)] * 2
    page.locator("summary").click()
    assert page.locator(".ntp-supports li").count() == 10
    assert page.locator(".ntp-supports li").first.inner_text().endswith(": 10 contexts")


@pytest.mark.parametrize(("theme", "width"), [("light", 360), ("dark", 360), ("dark", 900)])
def test_widths_and_themes(ready, large_widget, theme, width):
    page = ready(state(large_widget), theme=theme, width=width, scheme=theme)
    page.locator("summary").click()
    for view in VIEWS:
        page.get_by_role("radio", name=view).check()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator(".ntp-scrubber").evaluate("e => e.scrollWidth - e.clientWidth") <= 0
        boxes = [page.locator(".ntp-plate").nth(k).bounding_box() for k in (0, 1)]
        assert boxes[0]["width"] >= 0.95 * (width - 32 - 28) * (1 if width == 360 else 0.46)
        assert (boxes[1]["y"] > boxes[0]["y"]) == (width == 360)  # one below the other on a phone
    contrasts = page.evaluate("textContrasts", TEXTS)
    assert len(contrasts) > 40
    assert min(contrasts.values()) >= 4.5, contrasts  # WCAG AA
    strokes = page.evaluate(STROKES)
    assert len(strokes) == 8 and min(strokes) >= 3, strokes  # and for what is drawn


TEXTS = ".ntp-scrubber :is(p, span, dt, dd, li, summary, button:enabled, output, .ntp-plate text, .ntp-curves text)"
STROKES = """() => [...document.querySelectorAll(".ntp-curve")].map((node) =>
  contrast(getComputedStyle(node).stroke, ground(node)))"""


def test_forced_colours_and_print_leave_the_matrices_as_they_are(ready, widget):
    page = ready(state(widget))
    before = pixels(page, 0)
    page.emulate_media(forced_colors="active")
    page.get_by_role("button", name="One snapshot back").click()
    page.get_by_role("button", name="One snapshot on").click()
    after = pixels(page, 0)
    assert len(np.unique(after.reshape(-1, 4), axis=0)) == len(np.unique(before.reshape(-1, 4), axis=0)) > 5
    chosen = page.locator("button[aria-pressed=true]").evaluate_all(
        "nodes => nodes.map((node) => getComputedStyle(node).outlineStyle)")
    assert chosen == ["solid", "solid"]
    page.emulate_media(media="print", forced_colors="none")
    assert not page.locator(".ntp-transport").is_visible() and page.locator("canvas").first.is_visible()
    assert page.locator(".ntp-models").is_visible()  # the key of the curves

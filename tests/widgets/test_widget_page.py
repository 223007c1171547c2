"""The widget in a page: what a reader does with hands, keys and eyes."""

from __future__ import annotations

import re
import time

import pytest

from ntputils import SoftLabels
from ntputils.widgets import SoftLabelsWidget

WIDGET = SoftLabelsWidget
START = {"text": "the cat sat. the cat ran.", "context_length": 2, "vocab_size": 0}
STORY = {"text": SoftLabelsWidget.text.default_value}
LONG = {"text": " ".join(f"w{(k * k + 7 * k) % 97} v{k % 61}" for k in range(1500)), "context_length": 2}
KINDS = ("S support", "P soft labels", "centred support", "word Gram", "context Gram")


def number(page, key: str) -> str:
    """One of the widget's numbers, as it stands there."""
    return page.locator(f"[data-number={key}]").first.inner_text()


def reading(page) -> str:
    return page.locator("[aria-live]").first.inner_text()


def settle(page) -> None:
    """Waits in the page longer than the pause in typing after which the widget counts: its timer comes first."""
    page.evaluate("() => new Promise((done) => setTimeout(done, 250))")


def test_numbers_of_a_small_text(show):
    page = show({})
    assert [number(page, key) for key in ("tokens", "V", "m", "oneHot", "support", "entropy")] == [
        "8", "5", "5", "80.0 %", "1.20", "0.231"]  # 2/6 of the occurrences have entropy log 2


def test_typing_changes_the_numbers_and_the_model(show):
    page = show({})
    box = page.get_by_role("textbox", name="Text")
    box.press("Control+End")
    box.type(" the dog ran.")
    settle(page)
    assert (number(page, "tokens"), number(page, "V")) == ("12", "6")
    assert page.evaluate("models[0].get('text')") == "the cat sat. the cat ran. the dog ran."
    assert page.evaluate("models[0].saved") >= 1
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    # A slider moved in the pause after typing takes the typed text along, and leaves the other setting alone.
    page.evaluate("""() => {
      const [box, length] = [document.querySelector("textarea"), document.querySelector("input[type=range]")];
      const change = (node, value) => { node.value = value; node.dispatchEvent(new Event("input")); };
      models[0].set("vocab_size", 99);
      change(box, "a b c a b");
      change(length, 1);
    }""")
    state = page.evaluate("['text', 'context_length', 'vocab_size'].map(models[0].get)")
    assert state == ["a b c a b", 1, 99]
    assert page.get_by_role("textbox", name="Text").input_value() == "a b c a b"


def test_a_change_in_python_reaches_the_page(show):
    page = show({})
    page.evaluate("models[0].set('text', 'a b a c')")
    page.evaluate("models[0].set('context_length', 1)")
    assert page.get_by_role("textbox", name="Text").input_value() == "a b a c"
    assert (number(page, "V"), number(page, "m")) == ("3", "2")
    assert page.get_by_role("slider", name="Context length").input_value() == "1"


def test_sliders_by_drag_and_by_key(show):
    page = show(STORY)
    length = page.get_by_role("slider", name="Context length")
    before = number(page, "m")
    frame = length.bounding_box()
    page.mouse.move(frame["x"] + frame["width"] / 7 + 4, frame["y"] + frame["height"] / 2)
    page.mouse.down()
    page.mouse.move(frame["x"] + frame["width"] * 0.75, frame["y"] + frame["height"] / 2, steps=4)
    page.mouse.up()
    dragged = page.evaluate("models[0].get('context_length')")
    assert dragged in (5, 6, 7) and number(page, "m") != before
    length.press("ArrowRight")
    assert page.evaluate("models[0].get('context_length')") == dragged + 1
    size = page.get_by_role("slider", name="Vocabulary size")
    size.press("ArrowLeft")
    kept = page.evaluate("models[0].get('vocab_size')")
    assert number(page, "V") == str(kept)
    size.press("ArrowRight")
    assert page.evaluate("models[0].get('vocab_size')") == 0  # the far end keeps every word


def test_cells_are_read_by_key(show):
    page = show({})
    grid = page.get_by_role("grid")
    assert reading(page) == "after «the cat», «ran»: p = 0.500, in support"
    grid.focus()
    page.keyboard.press("Control+Home")
    page.keyboard.press("Home")
    page.keyboard.press("Control+ArrowUp")
    assert reading(page) == "after «the cat», «.»: p = 0, not in support"
    page.keyboard.press("ArrowRight")
    assert reading(page).startswith("after «. the», «.»")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    page.keyboard.press("Control+ArrowDown")
    assert "«sat»" in reading(page)
    for name in KINDS:
        page.get_by_role("radio", name=name).check()
        grid.focus()
        said = set()
        for key in ("ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight"):
            page.keyboard.press(key)
            said.add(reading(page))
        assert len(said) >= 2 and not any(re.search("NaN|undefined", text) for text in said)
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"  # the focus is visible


def test_cells_are_read_by_pointer_and_matrices_chosen_by_key(show):
    page = show({})
    cell = page.get_by_role("gridcell").nth(1)
    rested = reading(page)
    cell.hover()
    assert reading(page) == "after «. the», «.»: p = 0, not in support"
    page.mouse.move(2, 2)
    assert reading(page) == rested
    cell.click()
    page.mouse.move(2, 2)
    assert reading(page).startswith("after «. the»")
    page.get_by_role("radio", name="soft labels").focus()
    page.keyboard.press("ArrowRight")
    assert "S̃ = " in reading(page)


def test_a_large_matrix_is_windowed_and_scrolls(show):
    page = show(LONG)
    grid = page.get_by_role("grid")
    assert page.get_by_role("gridcell").count() <= 24 * 24
    assert int(grid.get_attribute("aria-colcount")) == int(number(page, "m").replace(",", ""))
    first = page.get_by_role("columnheader").first
    before = first.get_attribute("aria-colindex")
    grid.scroll_into_view_if_needed()
    grid.hover()
    page.mouse.wheel(300, 0)
    moved = "(old) => document.querySelector('[role=columnheader]').getAttribute('aria-colindex') !== old"
    page.wait_for_function(moved, arg=before, timeout=3000)
    grid.focus()
    page.keyboard.press("Control+End")
    page.wait_for_timeout(100)
    last_column, last_row = page.get_by_role("columnheader").last, page.locator("[role=row]").last
    assert last_column.get_attribute("aria-colindex") == grid.get_attribute("aria-colcount")
    assert last_row.get_attribute("aria-rowindex") == grid.get_attribute("aria-rowcount")
    assert page.locator(".ntp-cursor").first.is_visible()


TOO_SHORT = [
    ({"text": ""}, "no word here yet"),
    ({"text": "  \n\n "}, "no word here yet"),
    ({"text": "word", "context_length": 1}, "one word; contexts of length 1 need at least two words"),
    ({"text": "a b\n\na b", "context_length": 2}, "2 words; contexts of length 2 need at least 3 words"),
    ({"text": "a a b c", "context_length": 2, "vocab_size": 1}, "With a vocabulary of 1"),
]


def test_a_text_that_is_too_short_gets_a_sentence(show):
    page = show(TOO_SHORT[0][0])  # the widget can begin empty
    for state, says in TOO_SHORT:
        for name, value in state.items():
            page.evaluate("([name, value]) => models[0].set(name, value)", [name, value])
        assert says in page.locator(".ntp-message").inner_text()
        assert not page.get_by_role("grid").is_visible()
        assert "NaN" not in page.locator("body").inner_text()
        page.get_by_role("button", name="Cat and dog").click()
        assert page.get_by_role("grid").is_visible() and number(page, "V") == "7"


def test_a_text_over_the_limit_is_cut_with_a_word_about_it(show):
    page = show({"text": "a b c d " * 2000})
    assert "first 5,000" in page.locator(".ntp-notice").inner_text()
    assert number(page, "tokens") == "5,000"


def test_presets_all_work_and_show_what_they_say(show):
    page = show({})
    for button in page.get_by_role("group", name="Texts to start from").get_by_role("button").all()[:-1]:
        button.click()
        assert float(number(page, "entropy")) >= 0
    assert (number(page, "oneHot"), number(page, "entropy")) == ("100 %", "0.000")  # the last one is one-hot
    page.get_by_role("button", name="Your own").click()
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"


def test_two_widgets_on_a_page_do_not_meddle(show):
    page = show({}, STORY)
    second = page.locator(".ntp-soft-labels").nth(1)
    before = page.locator(".ntp-soft-labels").nth(0).inner_text()
    assert page.get_by_role("radio", checked=True).count() == 2
    second.get_by_role("radio", name="word Gram").check()
    second.get_by_role("slider", name="Context length").press("ArrowRight")
    assert page.locator(".ntp-soft-labels").nth(0).inner_text() == before
    assert page.get_by_role("radio", name="soft labels").first.is_checked()
    assert page.evaluate("document.querySelectorAll('.ntp-soft-labels [id]').length") == 0
    page.evaluate("models[1].stop(); models[1].set('context_length', 1)")  # a closed widget hears no more
    assert second.get_by_role("slider", name="Context length").input_value() == "3"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_narrow_screens_and_both_themes(show, theme):
    page = show(STORY, LONG | {"context_length": 8}, theme=theme, width=360, scheme=theme)
    for name in KINDS:
        for widget in page.locator(".ntp-soft-labels").all():
            widget.get_by_role("radio", name=name).check()
            assert widget.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
            assert widget.get_by_role("grid").bounding_box()["width"] <= 330
            assert widget.get_by_role("gridcell").count() <= 12 * 12
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    contrasts = page.evaluate("textContrasts", TEXTS)
    assert len(contrasts) > 20
    assert min(contrasts.values()) >= 4.5, contrasts  # WCAG AA


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_numbers_in_cells_are_legible(show, theme):
    page = show({}, theme=theme, width=900)
    for name in KINDS[:3]:
        page.get_by_role("radio", name=name).check()
        contrasts = page.evaluate(CELL_CONTRASTS)
        assert contrasts and min(contrasts) >= 4, contrasts


TEXTS = ".ntp-soft-labels :is(p, span, dt, dd, button, output, textarea, .ntp-label)"
CELL_CONTRASTS = """() => {
  return [...document.querySelectorAll(".ntp-cell")].filter((cell) => cell.querySelector("text")?.textContent)
    .map((cell) => contrast(getComputedStyle(cell.querySelector("text")).fill,
      getComputedStyle(cell.querySelector("rect")).fill));
}"""


def test_what_is_drawn_does_not_grow_with_the_text(show):
    """Twice as many tokens are counted in full and drawn with as many nodes."""
    page = show(LONG | {"text": LONG["text"][: len(LONG["text"]) // 3]})
    nodes, tokens = [], []
    for twice in (False, True):
        if twice:
            page.evaluate("models[0].set('text', models[0].get('text') + ' ' + models[0].get('text'))")
        nodes.append(page.locator(".host *").count())
        tokens.append(int(number(page, "tokens").replace(",", "")))
    assert nodes[0] == nodes[1] and tokens[1] == 2 * tokens[0] > 3000
    labels = SoftLabels.from_text(page.evaluate("models[0].get('text')"), context_length=LONG["context_length"])
    assert number(page, "m") == f"{labels.m:,}"


def test_nothing_moves_by_itself(show):
    page = show(STORY)
    page.wait_for_timeout(100)
    before = page.locator("body").inner_html()
    time.sleep(0.4)
    assert page.locator("body").inner_html() == before
    assert page.evaluate("document.getAnimations().length") == 0
    assert not re.search(r"\b(animation|transition)\b", SoftLabelsWidget._css)

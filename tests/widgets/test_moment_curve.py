"""The moment curve in the page: its numbers against Python's, and what a reader does with it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import traitlets
from ntputils import (all_subsets, centered_support, embed_on_moment_curve, from_sets, moment_curve,
                      moment_curve_price, separating_context)
from ntputils.widgets import MomentCurveWidget

WIDGET = MomentCurveWidget
CLOSE = 1e-10   # the same products in another order: float64 rounding, relative to the largest
WORLDS = [(V, k) for V in (3, 5, 8, 9, 12, 16) for k in (1, 2, 3, 4) if 2 * k < V]


def state(V=12, d=4, support=(0, 6)) -> dict:
    return {"V": V, "d": d, "support": list(support)}


@pytest.fixture(scope="module")
def answers(browser, widget_page, tmp_path_factory):
    """The page's answers: every support of some worlds, and the price of each world."""
    rng = np.random.default_rng(10)
    cases = []
    for V, k in WORLDS:
        for size in range(1, k + 1):
            sets = list(itertools.combinations(range(V), size))
            cases += [(V, k, list(sets[i])) for i in rng.choice(len(sets), min(6, len(sets)), replace=False)]
    page = browser.new_page()
    page.goto(widget_page(tmp_path_factory.mktemp("curve"), [state()]).as_uri())
    page.wait_for_function("window.ready", timeout=10_000)
    found = page.evaluate("(cases) => cases.map(([V, k, support]) => module.readSupport(V, k, support))", cases)
    prices = page.evaluate("(worlds) => worlds.map(([V, k]) => module.price(V, k))", WORLDS)
    page.close()
    return cases, found, prices


def test_contexts_margins_and_heights_are_pythons(answers):
    for (V, k, support), found in zip(*answers[:2], strict=True):
        angles = 2 * np.pi * np.arange(V) / V
        h, level = separating_context(angles[support], k)
        np.testing.assert_allclose(found["h"], h, rtol=0, atol=CLOSE)
        assert abs(found["level"] - level) < CLOSE
        np.testing.assert_allclose(found["heights"], moment_curve(angles, k) @ h, rtol=0, atol=CLOSE)
        embedded = embed_on_moment_curve(from_sets([support], V))
        assert abs(found["margin"] / embedded.margins[0] - 1) < 1e-9
        assert abs(found["length"] / np.linalg.norm(embedded.H) - 1) < 1e-9


def test_the_words_of_the_support_are_highest_by_the_margin(answers):
    for (V, _, support), found in zip(*answers[:2], strict=True):
        heights = np.array(found["heights"])
        others = np.delete(heights, support)
        assert np.ptp(heights[support]) < CLOSE
        assert abs(heights[support].min() - others.max() - found["margin"]) < CLOSE and found["margin"] > 0


def test_the_price_is_that_of_singular_values(answers):
    for (V, k), found in zip(WORLDS, answers[2], strict=True):
        S = all_subsets(V, k)
        assert abs(found["norm"] / embed_on_moment_curve(S).norm - 1) < 1e-9
        least = np.linalg.svd(centered_support(S), compute_uv=False).sum()
        assert abs(found["least"] / least - 1) < 1e-9
        assert abs(found["ratio"] / moment_curve_price(V, k) - 1) < 1e-9


# --- in the page --------------------------------------------------------------------------------

def number(page, key: str) -> str:
    return page.locator(f"[data-number={key}]").first.inner_text()


def word(page, z: int):
    return page.get_by_role("checkbox", name=f"word {z + 1}", exact=True).first


def test_words_are_chosen_by_click_and_by_key(show):
    page = show(state())
    assert (number(page, "margin"), number(page, "subsets")) == ("0.250", "66")
    word(page, 6).click()
    assert page.evaluate("models[0].get('support')") == [0]
    assert word(page, 6).get_attribute("aria-checked") == "false"
    word(page, 2).click()
    assert page.evaluate("models[0].get('support')") == [0, 2] and page.evaluate("models[0].saved") == 2
    wanted = embed_on_moment_curve(from_sets([[0, 2]], 12)).margins[0]
    assert number(page, "margin") == f"{wanted:.3f}"
    page.keyboard.press("ArrowRight")
    assert "«word 4»" in page.locator("[aria-live]").first.inner_text()
    page.keyboard.press("Space")  # a third word does not fit in four dimensions
    assert page.evaluate("models[0].get('support')") == [0, 2]
    assert "at most 2 words" in page.locator("[aria-live]").first.inner_text()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")  # the last one stays
    assert page.evaluate("models[0].get('support')") == [0]
    assert "needs a next word" in page.locator("[aria-live]").first.inner_text()


def test_sliders_keep_within_what_is_possible(show):
    page = show(state(V=5, d=4, support=[1, 4]))
    dimensions = page.get_by_role("slider", name="Dimensions d")
    words = page.get_by_role("slider", name="Words V")
    dimensions.press("End")
    assert [page.evaluate(f"models[0].get('{name}')") for name in "dV"] == [8, 9]
    words.press("Home")
    assert [page.evaluate(f"models[0].get('{name}')") for name in "dV"] == [2, 3]
    assert page.evaluate("models[0].get('support')") == [1]
    words.press("End")
    assert page.get_by_role("checkbox").count() == 16
    for preset in ("neighbours", "every other", "spread out"):
        dimensions.press("End")
        page.get_by_role("button", name=preset).click()
        assert page.evaluate("models[0].get('support').length") == 4
    assert "NaN" not in page.locator("body").inner_text()


def test_python_reaches_the_page_and_it_stops(show):
    page = show(state(), state(V=10, d=2, support=[3]))
    page.evaluate("models[0].set('support', [0, 2])")
    assert number(page, "margin") == "0.018"
    assert "0.191" in page.locator(".ntp-moment-curve").nth(1).inner_text()
    page.evaluate("models[0].stop(); models[0].set('support', [0, 6])")
    assert number(page, "margin") == "0.018"
    assert page.evaluate("document.getAnimations().length") == 0
    assert page.evaluate("document.querySelectorAll('.host [id]').length") == 0


TEXTS = ".ntp-moment-curve :is(p, dt, dd, button, output, text)"


@pytest.mark.parametrize(("theme", "width"), [("light", 360), ("dark", 360), ("dark", 900)])
def test_widths_and_themes(show, theme, width):
    page = show(state(V=16, d=8, support=[0, 4, 8, 12]), theme=theme, width=width, scheme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".ntp-moment-curve").first.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    contrasts = page.evaluate("textContrasts", TEXTS)
    assert len(contrasts) > 20 and min(contrasts.values()) >= 4.5, contrasts  # WCAG AA


# --- Python -------------------------------------------------------------------------------------

@pytest.mark.parametrize(("V", "d", "support", "says"), [
    (12, 3, [0], "d: got 3"), (12, 10, [0], "d: got 10"), (4, 4, [0], "V: got 4"), (17, 4, [0], "V: got 17"),
    (12, 4, [], r"support: got \[\]"), (12, 2, [0, 1], "want 1 to d/2 = 1"), (12, 4, [1, 1], "distinct"),
    (12, 4, [12], "ids from 0")])
def test_what_is_out_of_range_is_named(V, d, support, says):
    with pytest.raises(ValueError, match=says):
        MomentCurveWidget(V=V, d=d, support=support)


def test_later_changes_are_checked_too():
    widget = MomentCurveWidget(V=12, d=4, support=[0, 6])
    with pytest.raises(ValueError, match="want 1 to d/2 = 1"):
        widget.d = 2
    with pytest.raises(traitlets.TraitError):
        widget.V = "many"
    widget.support = [3]
    assert "in the support: 4." in widget.fallback()


@pytest.mark.parametrize(("V", "d", "support", "subsets"), [
    (9, 4, [2], "All 36 supports of 2 words"), (8, 6, [0, 3, 5], "All 56 supports of 3 words"),
    (7, 2, [6], "All 7 supports of 1 word")])
def test_words_give_the_margin_and_the_price(V, d, support, subsets):
    """The margin and the length from the hyperplane of a support, the price from all contexts of all supports."""
    widget, k = MomentCurveWidget(V=V, d=d, support=support), d // 2
    embedded = embed_on_moment_curve(from_sets([support], V))
    scores = (embedded.W @ embedded.H).ravel()
    lead = scores[support].min() - np.delete(scores, support).max()      # 1 where the context is scaled to margin 1
    S = all_subsets(V, k)
    price = embed_on_moment_curve(S).norm / np.linalg.svd(centered_support(S), compute_uv=False).sum()
    said = widget.fallback()
    assert lead == pytest.approx(1)
    assert f"in {d} dimensions; in the support: {', '.join(str(z + 1) for z in support)}." in said
    assert f"{embedded.margins[0]:.3g} lower; scaled to margin 1 its length is {np.linalg.norm(embedded.H):.4g}." in said
    assert f"{subsets} at margin 1 cost {price:.4g} times" in said
    plural = f"{len(support)} words" if len(support) > 1 else "1 word"
    assert repr(widget) == f"MomentCurveWidget({V} words, {d} dimensions, {plural} in the support)"


def test_the_module_is_whole_and_imports_nothing():
    code = [row for row in MomentCurveWidget._esm.splitlines() if not row.lstrip().startswith(("//", "*"))]
    assert not any(row.startswith("import ") or "import(" in row for row in code)
    assert MomentCurveWidget._esm.count("export default") == 1
    assert "http" not in MomentCurveWidget._esm.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in MomentCurveWidget._css and "@import" not in MomentCurveWidget._css

"""The collapse panel: projection and ratio in the page against Python's, and what a reader does with it."""

from __future__ import annotations

import time

import numpy as np
import pytest

from ntputils import SoftLabels, all_subsets, collapse_ratio, load_labels, project_leading
from ntputils.widgets import CollapseWidget
from ntputils.widgets.collapse import COLOURS, DIGITS, EACH, PRESETS

WIDGET = CollapseWidget
ROUNDING = 1e-9  # two implementations of sums and Jacobi rotations in double precision
TWINS = SoftLabels.from_counts([[7, 3, 0], [3, 7, 0], [0, 0, 9]])


def state(**values) -> dict:
    """The state of the default widget."""
    widget = CollapseWidget(**values)
    return {"worlds": widget.worlds, "world": widget.world, "step": widget.step}


def number(page, key: str) -> str:
    """One of the widget's numbers, as it stands there."""
    return page.locator(f"[data-number={key}]").first.inner_text()


def picture(page, k: int = 0):
    """The picture before projection, or after it."""
    return page.locator("svg.ntp-space").nth(k)


def spots(page, k: int) -> np.ndarray:
    """Where the contexts stand in a picture, in its own coordinates, in the order of drawing."""
    moved = picture(page, k).locator(".ntp-mark").evaluate_all(
        "marks => marks.map((mark) => mark.getAttribute('transform').match(/[-\\d.]+/g).map(Number))")
    return np.array(moved)


# --- the page computes what Python computes -----------------------------------------------------

ANSWERS = """(worlds) => worlds.map((world) => world.H.map((H) => {
  const kept = module.projectOn(H, module.directions(H, world.rank));
  const [before, after] = [H, kept].map((rows) => module.collapseRatio(rows, world.classes));
  return { kept, before, after, angle: module.widestAngle(H, world.classes),
    axes: module.axesFor(H, world.rank) };
}))"""


def widest(H, classes):
    """The largest angle within a class, in degrees, from sines and cosines."""
    worst = 0.0
    for j in range(H.shape[1]):
        for k in range(j):
            if classes[j] == classes[k]:
                a, b = H[:, j] / np.linalg.norm(H[:, j]), H[:, k] / np.linalg.norm(H[:, k])
                worst = max(worst, np.arctan2(np.linalg.norm(b - (a @ b) * a), a @ b))
    return np.degrees(worst)


def test_projection_ratio_and_angle_are_pythons(show):
    page = show(state())
    rng = np.random.default_rng(6)
    noise = [{"rank": int(rng.integers(1, d + 1)), "classes": [0, 1, *rng.integers(0, 3, m - 2).tolist()],
              "H": [rng.normal(size=(d, m)).tolist()]} for d, m in [(2, 5), (4, 9), (6, 4), (3, 3), (1, 4)]]
    for case in noise:
        case["classes"] = np.unique(case["classes"], return_inverse=True)[1].tolist()
        case["rank"] = min(case["rank"], len(case["classes"]))
    worlds = [*state()["worlds"], *noise]
    for world, answers in zip(worlds, page.evaluate(ANSWERS, worlds), strict=True):
        for H, answer in zip(map(np.array, world["H"]), answers, strict=True):
            kept = project_leading(H, world["rank"])
            np.testing.assert_allclose(np.array(answer["kept"]).T @ answer["kept"], kept.T @ kept,
                                       rtol=0, atol=ROUNDING * np.sum(H**2))
            assert answer["before"] == pytest.approx(collapse_ratio(H, world["classes"]), rel=ROUNDING)
            assert answer["after"] == pytest.approx(collapse_ratio(kept, world["classes"]), rel=1e-6)
            assert answer["angle"] == pytest.approx(widest(H, world["classes"]), rel=1e-6, abs=1e-6)
            axes = np.array(answer["axes"])
            gram = axes @ axes.T
            assert np.abs(gram - np.diag(np.diag(gram))).max() < ROUNDING
            assert np.abs(np.diag(gram) * (1 - np.diag(gram))).max() < ROUNDING


def test_the_numbers_on_the_page_follow_the_slider_and_the_world(show):
    widget = CollapseWidget()
    page = show(state())
    slider = page.get_by_role("slider")
    for world, step in ((0, 16), (0, 0), (1, 0), (2, 7)):
        page.get_by_role("button", name=PRESETS[world][0], exact=True).click()
        slider.evaluate("(input, value) => { input.value = value; "
                        "input.dispatchEvent(new Event('input')); }", step)
        assert page.evaluate("[models[0].get('world'), models[0].get('step')]") == [world, step]
        widget.world, widget.step = world, step
        before, after = widget.ratios()
        shown = [float(number(page, key).replace("−", "-")) for key in ("before", "after")]
        np.testing.assert_allclose(shown, [before, after], rtol=6e-3)
    slider.press("End")
    assert slider.get_attribute("aria-valuetext") == "10⁻¹⁰"
    slider.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "3.2 · 10⁻¹⁰"


def test_the_look_is_a_rotation(show):
    page = show(state())
    seen = np.array(page.evaluate("[[1, 0, 0], [0, 1, 0], [0, 0, 1]].map((p) => module.look(p, 0.7, 0.4))"))
    np.testing.assert_allclose(seen @ seen.T, np.eye(3), atol=1e-12)
    upright, ahead = page.evaluate("[0, Math.PI / 2].map((pitch) => module.look([0, 0, 1], 0.6, pitch))")
    np.testing.assert_allclose([upright, ahead], [[0, 1, 0], [0, 0, 1]], atol=1e-12)


def test_seen_along_the_direction_left_out_both_pictures_agree(show):
    page = show(state())
    page.get_by_role("button", name="From the side").click()
    heights = [np.ptp(spots(page, k)[:, 1]) for k in (0, 1)]
    assert heights[0] > 20 and heights[1] < 0.5  # projected, all lie in a plane
    page.get_by_role("button", name="From above").click()
    before, after = (np.sort(spots(page, k), axis=0) for k in (0, 1))
    assert np.abs(before - after).max() < 1.5


# --- what a reader does -------------------------------------------------------------------------

def test_dragging_and_keys_turn_both_pictures(show):
    page = show(state())
    start = [spots(page, 0), spots(page, 1)]
    box = picture(page).bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 80, steps=4)
    page.mouse.up()
    dragged = [spots(page, 0), spots(page, 1)]
    assert all(np.abs(a - b).max() > 5 for a, b in zip(start, dragged, strict=True))
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    assert np.array_equal(spots(page, 0), dragged[0])  # the hand is off it
    picture(page, 0).focus()
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"):
        before = spots(page, 0)
        page.keyboard.press(key)
        assert np.abs(spots(page, 0) - before).max() > 1, key
    page.keyboard.press("Home")
    assert np.array_equal(spots(page, 0), start[0])
    assert "Arrow keys turn" in picture(page).get_attribute("aria-label")


def test_the_legend_names_supports_and_tells_their_contexts(show):
    page = show(state())
    members = page.locator(".ntp-members li")
    assert members.count() == 4 and "there lived a little»: girl" in members.first.inner_text()
    chip = page.get_by_role("button", name="he/she", exact=True)
    chip.press("Enter")
    assert chip.get_attribute("aria-pressed") == "true"
    assert members.count() == 4 and ": he " in members.first.inner_text()
    assert picture(page).locator(".ntp-mark.ntp-here").count() == 4
    assert page.locator(".ntp-supports [aria-pressed=true]").count() == 1
    shapes = page.locator(".ntp-supports path").evaluate_all("marks => marks.map((m) => m.getAttribute('d'))")
    assert len(set(shapes)) == len(shapes) == 4  # colour is not the only difference


def test_python_reaches_the_page_and_two_widgets_keep_apart(show):
    page = show(state(), state(labels=TWINS, lambdas=[1e-4, 1e-8]))
    second = page.locator(".ntp-collapse").nth(1)
    before = second.inner_text()
    assert "Girl and boy" not in before and "Projected on the 1 that grow" in before
    page.evaluate("models[0].set('world', 1)")
    assert page.locator("[aria-pressed=true]").first.inner_text() == "Told apart"
    page.evaluate("models[0].set('step', 0)")
    assert page.get_by_role("slider").first.get_attribute("aria-valuetext") == "10⁻²"
    assert second.inner_text() == before
    page.evaluate("models[1].set('world', 0); models[0].stop(); models[0].set('step', 3)")
    assert page.get_by_role("slider").first.get_attribute("aria-valuetext") == "10⁻²"
    assert "NaN" not in page.locator("body").inner_text()


def test_nothing_moves_by_itself(show):
    page = show(state())
    page.wait_for_timeout(100)
    before = page.locator("body").inner_html()
    time.sleep(0.3)
    assert page.locator("body").inner_html() == before
    assert page.evaluate("document.getAnimations().length") == 0
    assert "animation" not in CollapseWidget._css and "transition" not in CollapseWidget._css


@pytest.mark.parametrize(("theme", "width"), [("light", 360), ("dark", 360), ("dark", 900)])
def test_widths_and_themes(show, theme, width):
    page = show(state(), state(labels=TWINS, lambdas=[1e-8]), theme=theme, width=width, scheme=theme)
    page.get_by_role("button", name="girl/boy").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert all(widget.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
               for widget in page.locator(".ntp-collapse").all())
    contrasts = page.evaluate("textContrasts", TEXTS)
    assert len(contrasts) > 20
    assert min(contrasts.values()) >= 4.5, contrasts  # WCAG AA
    assert min(page.evaluate(MARKS)) >= 3             # the same, for what is no text


TEXTS = ".ntp-collapse :is(p, span, dt, dd, li, button, output, .ntp-end)"
MARKS = """() => {
  const glyph = document.querySelector(".ntp-glyph path");
  return [0, 1, 2, 3, 4, 5, 6, 7].map((c) => {
    glyph.setAttribute("class", `ntp-mark ntp-of-${c}`);
    return contrast(getComputedStyle(glyph).fill, ground(glyph.closest(".ntp-collapse")));
  });
}"""


# --- Python -------------------------------------------------------------------------------------

def test_what_goes_to_the_page_is_the_path():
    world = CollapseWidget(TWINS, lambdas=[1e-8, 1e-4]).worlds[0]
    assert world["lambdas"] == [1e-4, 1e-8] and (world["rank"], world["supports"]) == (1, ["0/1", "2"])
    H = np.array(world["H"][1])
    assert np.sum((H[:, 0] - H[:, 1])**2) == pytest.approx(2 * np.log(7 / 3), abs=10.0**-DIGITS * 20)


def test_worlds_are_named_by_what_follows_and_their_growing_directions_are_counted():
    widget = CollapseWidget()
    assert [world["rank"] for world in widget.worlds] == [2, 3, 4]
    assert [len(world["H"][0]) for world in widget.worlds] == [3, 3, 6]
    for world, (name, supports, _) in zip(widget.worlds, PRESETS, strict=True):
        assert world["name"] == name
        assert [set(s.split("/")) for s in world["supports"]] == [set(s.split("/")) for s in supports]
    before, after = widget.ratios()
    assert after < before / 10
    assert "16 contexts in 4 supports" in widget.fallback()


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="rank: got 3"):
        CollapseWidget(TWINS, rank=3)
    with pytest.raises(ValueError, match="labels: got 1 distinct supports"):
        CollapseWidget(SoftLabels.from_counts([[1, 2], [2, 1]]), lambdas=[1e-4])
    with pytest.raises(ValueError, match=f"want 2 to {COLOURS}"):
        CollapseWidget(SoftLabels.from_counts(np.eye(COLOURS + 1)), lambdas=[1e-4])
    with pytest.raises(ValueError, match="step: got 9"):
        CollapseWidget(TWINS, lambdas=[1e-4]).step = 9
    with pytest.raises(ValueError, match="world: got 1"):
        CollapseWidget(TWINS, lambdas=[1e-4]).world = 1


@pytest.mark.parametrize(("labels", "directions"), [
    (TWINS, 1), (SoftLabels.from_counts(np.eye(4)), 3), (SoftLabels.from_counts(all_subsets(4, 2).astype(int)), 3)])
def test_directions_that_grow_are_those_of_the_margin(labels, directions):
    """As many as the supports ask for; before any direction is there, one is kept."""
    for lambdas, rank in (([1e-4, 1e-8], directions), ([1e3], 1)):
        widget = CollapseWidget(labels, lambdas=lambdas)
        assert widget.worlds[0]["rank"] == rank
        assert f"keeps {rank} of {len(widget.worlds[0]['H'][0])} directions" in widget.fallback()


def test_a_rank_can_be_given_within_its_ends():
    for rank in (1, 2):
        assert CollapseWidget(TWINS, lambdas=[1e-4], rank=rank).worlds[0]["rank"] == rank
    for rank in (0, 3):
        with pytest.raises(ValueError, match=rf"rank: got {rank}, want a number from 1 to min\(V - 1, m\) = 2"):
            CollapseWidget(TWINS, lambdas=[1e-4], rank=rank)


def test_two_words_have_one_direction_to_keep():
    two = SoftLabels.from_counts(np.eye(2))
    assert CollapseWidget(two, lambdas=[1e-4], rank=1).worlds[0]["rank"] == 1
    with pytest.raises(ValueError, match="rank: got 2"):
        CollapseWidget(two, lambdas=[1e-4], rank=2)


def test_the_worlds_have_the_most_frequent_contexts_of_their_supports():
    labels = load_labels("tinystories-counts")
    distinct, inverse, _ = labels.merge_supports()
    for world, (_, supports, _) in zip(CollapseWidget().worlds, PRESETS, strict=True):
        wanted = []
        for support in supports:
            column = np.isin(labels.vocab, support.split("/"))
            [group] = np.flatnonzero((distinct.toarray() == column[:, None]).all(axis=0))
            same = np.flatnonzero(inverse == group)
            wanted += [labels.context(j) for j in sorted(same, key=lambda j: -labels.pi[j])[:EACH]]
        assert world["contexts"] == wanted


def test_the_module_is_whole_and_imports_nothing():
    code = [line for line in CollapseWidget._esm.splitlines() if not line.lstrip().startswith(("//", "*"))]
    assert not any(line.startswith("import ") or "import(" in line for line in code)
    assert CollapseWidget._esm.count("export default") == 1
    assert "http" not in CollapseWidget._esm.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in CollapseWidget._css and "@import" not in CollapseWidget._css

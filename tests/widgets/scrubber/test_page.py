"""What a reader does with the panel: reads, steps, plays, and looks at another model."""

from __future__ import annotations

import re

import numpy as np
import pytest

from ntputils import SoftLabels
from ntputils.widgets import TrainingScrubber
from tests.widgets.scrubber.runs import ROUNDED, VIEWS, get, now, number, pixels, reading, state, trajectory, value

WIDGET = TrainingScrubber
PACE = 450        # milliseconds a snapshot


def test_the_page_shows_pythons_numbers(ready, widget):
    page = ready(state(widget))
    for run in (0, 1):
        page.locator(".ntp-models button").nth(run).click()
        for view in VIEWS:
            page.get_by_role("radio", name=view).check()
            for snapshot in (0, len(widget.runs[run]["steps"]) - 1):
                page.evaluate("(k) => models[0].set('snapshot', k)", snapshot)
                wanted = widget.numbers(run, snapshot, view)
                assert value(page, "toSolution") == pytest.approx(wanted["toSolution"], abs=ROUNDED + 5e-4)
                assert value(page, "toProxy") == pytest.approx(wanted["toProxy"], abs=ROUNDED + 5e-4)
                if wanted["length"] >= 0.01:
                    assert value(page, "length") == pytest.approx(wanted["length"], abs=6e-3)
                if wanted["excess"] >= 0.01:
                    assert value(page, "excess") == pytest.approx(wanted["excess"], abs=6e-3)
    assert "cosine with" in page.locator(".ntp-numbers").inner_text()


def test_a_cell_is_read_by_hand_tap_and_key_in_both_pictures(ready, widget):
    page = ready(state(widget))
    trained = page.get_by_role("application", name="Trained")
    world, at = widget.world, -1
    exact = widget.matrix(widget._trained[0][at], "contexts"), widget.matrix(widget._predicted["solution"][0], "contexts")

    def wanted(i, j):
        same = ", same support" if world["groups"][i] == world["groups"][j] else ""
        names = f"«{world['contexts'][i]}» with itself" if i == j else (
            f"«{world['contexts'][i]}» and «{world['contexts'][j]}»{same}")
        return names, [A[i, j] for A in exact]

    def holds(i, j):
        names, values = wanted(i, j)
        said = reading(page).replace("−", "-")
        assert said.startswith(f"{names}: "), said
        assert [float(x) for x in re.findall(r"(-?[\d.]+) (?:trained|predicted)", said)] == pytest.approx(values, abs=0.011)

    canvas = trained.locator("canvas").bounding_box()
    cell = canvas["width"] / 8
    page.mouse.move(canvas["x"] + 5.5 * cell, canvas["y"] + 2.5 * cell)
    holds(2, 5)
    frames = page.locator(".ntp-plate .ntp-cursor").evaluate_all(
        "nodes => nodes.map((node) => [node.getAttribute('x'), node.getAttribute('y')])")
    assert frames[0] == frames[1]  # the same cell is framed on the other side
    page.mouse.click(canvas["x"] + 1.5 * cell, canvas["y"] + 0.5 * cell)
    page.mouse.move(2, 2)
    holds(0, 1)  # what was clicked stays when the pointer leaves
    page.mouse.move(canvas["x"] + 3.5 * cell, canvas["y"] + 6.5 * cell)
    holds(6, 3)
    page.mouse.move(2, 2)
    holds(0, 1)  # what was only passed over does not
    page.get_by_role("application", name="Predicted").focus()
    assert page.locator(".ntp-reading").get_attribute("aria-live") == "polite"
    for key, at_cell in (("ArrowDown", (1, 1)), ("ArrowRight", (1, 2)), ("End", (1, 7)), ("Control+ArrowDown", (7, 7)),
                         ("ArrowDown", (7, 7)), ("ArrowUp", (6, 7)), ("ArrowLeft", (6, 6)), ("Home", (6, 0)),
                         ("PageUp", (0, 0)), ("PageDown", (7, 0)), ("Control+Home", (0, 0))):
        page.keyboard.press(key)
        holds(*at_cell)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_words_and_logits_are_read_too(ready, widget):
    page = ready(state(widget, view="logits"))
    page.get_by_role("application", name="Trained").focus()
    page.keyboard.press("Control+Home")
    world = widget.world
    trained, predicted = (widget.matrix(X, "logits") for X in (widget._trained[0][-1], widget._predicted["solution"][0]))
    scaled = trained * np.linalg.norm(predicted) / np.linalg.norm(trained)
    said = reading(page).replace("−", "-")
    assert said.startswith(f"«{world['words'][0]}» after «{world['contexts'][0]}», in the support: ")
    found = [float(x) for x in re.findall(r"(-?[\d.]+) (?:trained|unscaled|predicted)", said.replace("(", ""))]
    assert found == pytest.approx([scaled[0, 0], trained[0, 0], predicted[0, 0]], abs=0.03)
    page.keyboard.press("Control+End")
    assert "not in the support" in reading(page) or world["supports"][-1].count(5)
    page.get_by_role("radio", name="words").check()
    page.get_by_role("application", name="Predicted").focus()
    page.keyboard.press("Control+Home")
    page.keyboard.press("ArrowRight")
    assert reading(page).startswith(f"«{world['words'][0]}» and «{world['words'][1]}»: ")
    page.get_by_role("radio", name="logits").check()  # each view keeps its own place
    assert "after" in reading(page)


def test_step_scrub_curve_and_keys(ready, widget):
    page = ready(state(widget, snapshot=0))
    steps = widget.runs[0]["steps"]
    on, back = page.get_by_role("button", name="One snapshot on"), page.get_by_role("button", name="One snapshot back")
    assert back.is_disabled() and now(page) == "step 0"
    before, beside = pixels(page, 0), pixels(page, 1)
    on.click()
    assert get(page, "snapshot") == 1 and now(page) == "step 1"
    assert not np.array_equal(pixels(page, 0), before) and np.array_equal(pixels(page, 1), beside)
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("End")
    assert now(page) == "step 3,000" and on.is_disabled() and get(page, "snapshot") == len(steps) - 1
    page.keyboard.press("ArrowLeft")
    assert get(page, "snapshot") == len(steps) - 2
    for k in (0, 1):
        curve = page.locator(".ntp-curves").nth(k)
        box = curve.bounding_box()
        curve.click(position={"x": 46, "y": 60})
        assert get(page, "snapshot") == 0
        curve.click(position={"x": box["width"] - 11, "y": 60})
        assert get(page, "snapshot") == len(steps) - 1
        assert "free vectors from" in curve.get_attribute("aria-label")
    assert page.locator(".ntp-curve").count() == 4


def test_another_model_is_shown_at_the_nearest_step(ready, widget):
    page = ready(state(widget))
    page.get_by_role("button", name="noise").click()
    assert [get(page, "run"), get(page, "snapshot")] == [1, 3] and now(page) == "step 2,000"
    assert "noise <i>, step 2,000" in page.get_by_role("application", name="Trained").get_attribute("aria-label")
    page.get_by_role("button", name="One snapshot back").click()
    page.get_by_role("button", name="free vectors").click()
    steps = np.array(widget.runs[0]["steps"])
    assert get(page, "snapshot") == np.abs(np.log1p(steps) - np.log1p(500)).argmin()
    assert page.locator(".ntp-models [aria-pressed=true]").inner_text() == "free vectors"
    before, shown = pixels(page, 1), number(page, "toSolution")
    page.get_by_role("button", name="the proxy").click()
    assert get(page, "against") == "proxy" and number(page, "toSolution") == shown
    assert not np.array_equal(pixels(page, 1), before)
    assert "the proxy" in page.get_by_role("application", name="Predicted").get_attribute("aria-label")


def test_python_reaches_the_page_and_two_widgets_keep_apart(ready, widget):
    page = ready(state(widget), state(widget, view="words", run=1, snapshot=2))
    second = page.locator(".ntp-scrubber").nth(1)
    before = second.inner_text()
    assert page.get_by_role("radio", checked=True).count() == 2
    page.evaluate("models[0].set('snapshot', 0)")
    assert now(page) == "step 0"
    page.evaluate("models[0].set('run', 1); models[0].set('view', 'logits'); models[0].set('against', 'proxy')")
    assert page.get_by_role("application", name="Trained").first.get_attribute("aria-label").startswith(
        "Trained, noise <i>, step 0: logits")
    assert second.inner_text() == before and page.locator(".ntp-scrubber [id]").count() == 0
    page.evaluate("models[0].stop(); models[0].set('snapshot', 3)")  # a closed widget hears no more
    assert now(page) == "step 0"


def test_nothing_moves_until_play_is_pressed_and_it_stops_at_the_end(ready, stop_the_clock, widget):
    page = ready(state(widget, snapshot=9))
    before = page.locator("body").inner_html()
    page.wait_for_timeout(2 * PACE)
    assert get(page, "snapshot") == 9 and page.locator("body").inner_html() == before
    stop_the_clock(page)
    play = page.locator(".ntp-transport button").first
    play.click()
    assert play.inner_text() == "Pause"
    page.clock.run_for(2 * PACE)
    assert page.get_by_role("slider").first.input_value() == "11"
    page.clock.run_for(PACE)
    assert play.inner_text() == "Play"
    assert page.evaluate("[models[0].get('snapshot'), models[0].saved]") == [11, 1]  # kept once, where it stops
    play.click()  # from the end it begins anew
    page.clock.run_for(2 * PACE)
    assert int(page.get_by_role("slider").first.input_value()) < 11
    page.get_by_role("radio", name="words").check()  # one may look at something else meanwhile
    assert play.inner_text() == "Pause"
    play.click()
    stopped = now(page)
    page.clock.run_for(2 * PACE)
    assert now(page) == stopped and play.inner_text() == "Play"
    assert page.evaluate("document.getAnimations().length") == 0
    assert "animation" not in TrainingScrubber._css and "transition" not in TrainingScrubber._css


def test_less_motion_means_a_snapshot_a_second(ready, stop_the_clock, widget):
    page = ready(state(widget, snapshot=0))
    page.emulate_media(reduced_motion="reduce")
    stop_the_clock(page)
    page.locator(".ntp-transport button").first.click()
    page.clock.run_for(999)
    assert now(page) == "step 0"
    page.clock.run_for(1)
    assert page.get_by_role("slider").first.input_value() == "1"


def test_snapshots_that_cannot_be_unpacked_are_said(show, widget):
    page = show(state(widget, packed="AAAA"))
    page.wait_for_function("document.querySelector('.ntp-message').textContent.includes('cannot be unpacked')")
    assert not page.get_by_role("slider").is_visible()


def test_cosines_that_are_all_alike_have_no_correlation(ready):
    labels = SoftLabels.from_counts(np.eye(5, dtype=int))  # one next word each: all predicted angles are equal
    widget = TrainingScrubber(labels, {"noise": trajectory(np.random.default_rng(6), labels, 4, [0, 3])})
    page = ready(state(widget))
    assert number(page, "toSolution") == "–" and np.isnan(widget.numbers()["toSolution"])
    page.get_by_role("radio", name="logits").check()
    assert value(page, "toSolution") == pytest.approx(widget.numbers(view="logits")["toSolution"], abs=2 * ROUNDED)
    assert "NaN" not in page.locator(".ntp-scrubber").inner_html()


def test_a_page_without_a_prediction_says_so(ready):
    labels = SoftLabels.from_counts(np.ones((3, 3), dtype=int))
    page = ready(state(TrainingScrubber(labels, {"run": trajectory(np.random.default_rng(0), labels, 2, [0, 5])})))
    for view in VIEWS:
        page.evaluate("(view) => models[0].set('view', view)", view)
        assert [number(page, key) for key in ("toSolution", "toProxy", "length")] == ["–"] * 3

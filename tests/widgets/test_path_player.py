"""The path player: its numbers in the page against Python's, and what a reader does with it.

The page gets logits and computes parts, angles and probabilities; here the same numbers come from `ntputils.theory`
and, for the logits themselves, from a closed form and the certificate of the path.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from ntputils import SoftLabels, all_subsets, centered_support, in_support_logits, optimality_gap, project_F, softmax
from ntputils.widgets import PathPlayerWidget

WIDGET = PathPlayerWidget
ROUNDING = 1e-9   # relative, of sums of a few dozen products; logits travel with 13 digits
PACE = 160        # milliseconds a stop

SIX = SoftLabels.from_counts([[4, 0, 1, 0, 2, 0], [1, 3, 0, 0, 2, 0], [0, 2, 0, 5, 0, 0], [0, 0, 3, 1, 0, 1],
                              [0, 0, 0, 2, 1, 4]], vocab=["the", "a", "<b>cat</b>", "dog", "sat"],
                             contexts=["once upon a time there", "in", "on", "and", "but", "or"])
PAIRS = SoftLabels.from_counts(all_subsets(4, 2).astype(int))
LAMBDAS = np.geomspace(1e-1, 1e-10, 19)


@pytest.fixture(scope="module")
def widget():
    return PathPlayerWidget({"Six": SIX, "Pairs": PAIRS}, lambdas=LAMBDAS)


def state(widget, **changes) -> dict:
    return {"worlds": widget.worlds, "world": 0, "stop": 0} | changes


def number(page, key: str) -> str:
    """One of the widget's numbers, as it stands there."""
    return page.locator(f"[data-number={key}]").first.inner_text()


def now(page) -> str:
    return page.get_by_role("slider").first.get_attribute("aria-valuetext")


# --- numbers ------------------------------------------------------------------------------------

def test_every_number_of_every_stop_is_pythons(show, widget):
    page = show(state(widget))
    found = page.evaluate("models[0].get('worlds').map((world) => world.lambdas.map((_, k) => module.stop(world, k)))")
    for w, stops in enumerate(found):
        for k, stop in enumerate(stops):
            wanted = widget.numbers(w, k)
            for key, value in wanted.items():
                if np.isnan(value):
                    assert stop[key] is None or np.isnan(stop[key])
                else:
                    assert stop[key] == pytest.approx(value, rel=ROUNDING, abs=1e-13), (w, k, key)


def test_every_matrix_of_every_stop_is_pythons(show, widget):
    page = show(state(widget))
    for w, labels in enumerate((SIX, PAIRS)):
        S = labels.S.toarray()
        for k in range(0, len(LAMBDAS), 6):
            stop = page.evaluate("([w, k]) => module.stop(models[0].get('worlds')[w], k)", [w, k])
            L = np.array(widget.worlds[w]["logits"][k])
            finite = project_F(L, S).toarray()
            rest, solution = L - finite, np.array(widget.worlds[w]["solution"])
            wanted = {"L": L, "Q": softmax(L), "finite": finite, "inside": in_support_logits(labels).toarray(),
                      "proxy": centered_support(S), "direction": rest * np.linalg.norm(solution) / np.linalg.norm(rest)}
            for key, A in wanted.items():
                np.testing.assert_allclose(np.array(stop[key], dtype=float), A, rtol=1e-9, atol=1e-12, err_msg=key)


def test_the_logits_that_travel_are_minimisers(widget):
    V, k, m = 4, 2, 6
    sigma = np.sqrt(2)
    for world, labels in zip(widget.worlds, (SIX, PAIRS), strict=True):
        for lam, L in zip(world["lambdas"], world["logits"], strict=True):
            assert optimality_gap(np.array(L), lam, labels) <= 1e-6
    for lam, L in zip(widget.worlds[1]["lambdas"], widget.worlds[1]["logits"], strict=True):
        a = np.log((V * sigma - (V - k) * k * m * lam) / (k**2 * m * lam))
        np.testing.assert_allclose(L, a * centered_support(PAIRS.S), rtol=0, atol=1e-4)


def test_numbers_say_what_the_theorem_says(widget):
    first, last = widget.numbers(0, 0), widget.numbers(0, len(LAMBDAS) - 1)
    assert all(widget.numbers(w, k)["leaves"] <= widget.numbers(w, k)["budget"] * 1.00001
               for w in (0, 1) for k in range(len(LAMBDAS)))
    assert last["off"] < 1e-7 < 0.1 < first["off"] and last["toSolution"] > last["toProxy"] > 0.98
    pairs = widget.numbers(1, 9)
    assert pairs["leaves"] == pytest.approx(pairs["budget"], rel=1e-6) and pairs["whole"] == pytest.approx(1)


def by_definition(labels, L, solution, lam):
    """The numbers of one stop, column by column."""
    S, P = labels.S.toarray(), labels.P.toarray()
    finite, target, proxy, leaves = np.zeros_like(L), np.zeros_like(L), np.zeros_like(L), 0.0
    for j in range(labels.m):
        inside = S[:, j] > 0
        finite[inside, j] = L[inside, j] - L[inside, j].mean()
        target[inside, j] = np.log(P[inside, j]) - np.log(P[inside, j]).mean()
        proxy[:, j] = inside - inside.mean()
        leaves += labels.pi[j] * (1 - np.exp(L[inside, j]).sum() / np.exp(L[:, j]).sum())

    def cosine(A, B):
        return np.vdot(A, B) / np.sqrt(np.sum(A**2) * np.sum(B**2)) if A.any() and B.any() else np.nan

    return {"lambda": lam, "budget": lam * np.linalg.norm(solution, "nuc"), "leaves": leaves,
            "off": np.sqrt(np.sum((finite - target)**2)), "whole": cosine(L, solution),
            "share": np.sqrt(np.sum(finite**2) / np.sum(L**2)) if L.any() else np.nan,
            "toSolution": cosine(L - finite, solution), "toProxy": cosine(L - finite, proxy)}


@pytest.mark.filterwarnings("error")
def test_numbers_are_those_of_their_definitions(widget):
    """At the first stop the logits are zero and have no direction, and just below its ridge they are small and have one."""
    two = SoftLabels.from_counts([[1, 0], [0, 1]])          # its logits begin to grow at 1/2
    player = PathPlayerWidget({"Six": SIX, "Two": two}, lambdas=[10.0, 0.499, 1e-2, 1e-4])
    for w, labels in enumerate((SIX, two)):
        here = player.worlds[w]
        for k, lam in enumerate([10.0, 0.499, 1e-2, 1e-4]):
            wanted = by_definition(labels, np.array(here["logits"][k]), np.array(here["solution"]), lam)
            player.world, player.stop = w, k
            for found in (player.numbers(), player.numbers(w, k)):
                assert found == pytest.approx(wanted, rel=1e-6, abs=1e-10, nan_ok=True)
    zero, small = player.numbers(1, 0), player.numbers(1, 1)
    assert all(np.isnan(zero[key]) for key in ("share", "whole", "toSolution", "toProxy")) and zero["leaves"] == 0.5
    assert np.linalg.norm(player.worlds[1]["logits"][1]) < 0.1 and small["whole"] == pytest.approx(1)


# --- in the page --------------------------------------------------------------------------------

def test_the_page_shows_the_numbers(show, widget):
    page = show(state(widget, stop=18))
    last = widget.numbers(0, 18)
    assert now(page) == "λ = 1.0 · 10⁻¹⁰" and number(page, "whole") == f"{last['whole']:.4f}"
    assert number(page, "share") == f"{100 * last['share']:.1f} %"
    digits, exponent = f"{last['leaves']:.1e}".split("e")
    raised = "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(-int(exponent)))
    assert number(page, "leaves") == f"{digits} · 10⁻{raised}"


def test_step_scrub_and_keys(show, widget):
    page = show(state(widget))
    on, back = page.get_by_role("button", name="One stop on"), page.get_by_role("button", name="One stop back")
    assert back.is_disabled() and now(page) == "λ = 0.100"
    before = page.get_by_role("grid").nth(0).text_content()
    on.click()
    assert now(page) == "λ = 0.032" and page.evaluate("models[0].get('stop')") == 1
    assert page.get_by_role("grid").nth(0).text_content() != before
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("End")
    assert now(page) == "λ = 1.0 · 10⁻¹⁰" and on.is_disabled() and page.evaluate("models[0].get('stop')") == 18
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("models[0].get('stop')") == 17
    back.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("models[0].get('stop')") == 16
    curves = page.locator(".ntp-curves")
    box = curves.bounding_box()
    curves.click(position={"x": box["width"] - 13, "y": 50})
    assert page.evaluate("models[0].get('stop')") == 18
    assert "10⁻" in curves.get_attribute("aria-label")


def test_nothing_moves_until_play_is_pressed_and_it_stops_at_the_end(show, stop_the_clock, widget):
    page = show(state(widget, stop=15))
    page.wait_for_timeout(3 * PACE)
    stop_the_clock(page)
    assert page.evaluate("models[0].get('stop')") == 15 and now(page) == "λ = 3.2 · 10⁻⁹"
    play = page.locator(".ntp-transport button").first
    assert play.inner_text() == "Play"
    play.click()
    assert play.inner_text() == "Pause"
    page.clock.run_for(3 * PACE)
    assert page.get_by_role("slider").first.input_value() == "18"
    page.clock.run_for(PACE)
    assert play.inner_text() == "Play"
    assert page.evaluate("[models[0].get('stop'), models[0].saved]") == [18, 1]  # kept once, where it stops
    play.click()  # from the end it begins anew
    page.clock.run_for(2 * PACE)
    assert int(page.get_by_role("slider").first.input_value()) < 18
    play.click()
    stopped = now(page)
    page.clock.run_for(3 * PACE)
    assert now(page) == stopped and play.inner_text() == "Play"
    assert page.evaluate("document.getAnimations().length") == 0


def test_less_motion_means_a_decade_a_second(show, stop_the_clock, widget):
    page = show(state(widget))
    page.emulate_media(reduced_motion="reduce")
    stop_the_clock(page)
    page.locator(".ntp-transport button").first.click()
    page.clock.run_for(999)
    assert now(page) == "λ = 0.100"
    page.clock.run_for(1)
    assert page.get_by_role("slider").first.input_value() == "2"


def test_problems_and_what_stands_beside_the_direction(show, widget):
    page = show(state(widget))
    page.get_by_role("button", name="Pairs").click()
    assert page.evaluate("models[0].get('world')") == 1 and number(page, "whole") == "1.0000"
    assert number(page, "share") == "0 %"
    assert page.locator(".ntp-presets [aria-pressed=true]").first.inner_text() == "Pairs"
    page.get_by_role("button", name="Six").click()
    page.get_by_role("button", name="One stop on").click()
    other = page.get_by_role("grid").nth(4)
    before = other.text_content()
    page.get_by_role("button", name="the proxy").click()
    assert other.text_content() != before and "The proxy" in other.get_attribute("aria-label")
    assert page.locator(".ntp-against [aria-pressed=true]").inner_text() == "the proxy S̃"


def test_a_cell_is_read_in_all_matrices(show, widget):
    page = show(state(widget, stop=18))
    page.get_by_role("grid").nth(0).focus()
    page.keyboard.press("ArrowDown")
    said = page.locator(".ntp-pictures > .ntp-reading").inner_text()
    assert said.startswith("«a» after «once upon a time there»: probability 0.200, in the text 0.200; logit ")
    page.keyboard.press("Control+ArrowRight")
    assert "in the text never" in page.locator(".ntp-pictures > .ntp-reading").inner_text()


def test_python_reaches_the_page_and_two_widgets_keep_apart(show, widget):
    page = show(state(widget), state(widget, world=1))
    second = page.locator(".ntp-path-player").nth(1)
    before = second.inner_text()
    page.evaluate("models[0].set('stop', 10)")
    assert now(page) == "λ = 1.0 · 10⁻⁶" and second.inner_text() == before
    assert page.evaluate("document.querySelectorAll('.host [id]').length") == 0
    page.evaluate("models[0].stop(); models[0].set('stop', 0)")
    assert now(page) == "λ = 1.0 · 10⁻⁶"


def test_a_path_from_above_lambda_max_has_no_angle_yet(show):
    widget = PathPlayerWidget(SoftLabels.from_counts([[1, 0], [0, 1]]), lambdas=[1e-3, 1.0])
    assert widget.worlds[0]["lambdas"] == [1.0, 1e-3]
    page = show(state(widget))
    assert (number(page, "whole"), number(page, "leaves")) == ("–", "0.500")
    page.get_by_role("button", name="One stop on").click()
    assert number(page, "whole") == "1.0000" and "NaN" not in page.locator("body").inner_text()
    assert not page.get_by_role("group", name="Problems").is_visible()  # one problem needs no choice


@pytest.mark.parametrize(("theme", "width"), [("light", 360), ("dark", 360), ("dark", 900)])
def test_widths_and_themes(show, widget, theme, width):
    page = show(state(widget, stop=9), theme=theme, width=width, scheme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".ntp-path-player").evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    contrasts = page.evaluate("textContrasts", TEXTS)
    assert len(contrasts) > 15
    assert min(contrasts.values()) >= 4.5, contrasts  # WCAG AA
    strokes = page.evaluate(STROKES)
    assert len(strokes) == 4 and min(strokes) >= 3, strokes  # and for what is drawn


STROKES = """() => {
  return [...document.querySelectorAll(".ntp-curve")].map((node) => contrast(getComputedStyle(node).stroke, ground(node)));
}"""
TEXTS = ".ntp-path-player :is(p, dt, dd, li, button:enabled, output, .ntp-label, .ntp-curves text)"


# --- Python -------------------------------------------------------------------------------------

def test_what_cannot_be_played_is_named():
    with pytest.raises(ValueError, match="labels: got no problem"):
        PathPlayerWidget({})
    with pytest.raises(ValueError, match="has 30 tokens and 30 contexts, want at most 24"):
        PathPlayerWidget(SoftLabels.from_counts(np.eye(30, dtype=int)))
    with pytest.raises(ValueError, match="lambdas"):
        PathPlayerWidget(SIX, lambdas=[0.1, 0.0])


def test_words_follow_the_state(widget):
    assert repr(widget) == "PathPlayerWidget(2 problems, 19 stops)"
    said = widget.fallback()
    assert said.count("\n") == 3 and "Pairs: from lambda 1e-01 to 1e-10" in said


def test_the_page_carries_no_more_than_it_needs(widget):
    assert len(json.dumps(widget.worlds)) < 60_000


def test_the_module_is_whole_and_imports_nothing():
    code = [line for line in PathPlayerWidget._esm.splitlines() if not line.lstrip().startswith(("//", "*"))]
    assert not any(line.startswith("import ") or "import(" in line for line in code)
    assert PathPlayerWidget._esm.count("export default") == 1
    assert "http" not in PathPlayerWidget._esm.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in PathPlayerWidget._css and "@import" not in PathPlayerWidget._css

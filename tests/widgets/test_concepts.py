"""The concepts panel: orthants in the page against Python's, and what a reader does with it."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from ntputils import SoftLabels, all_subsets, centered_support, from_sets, load_labels, orthants
from ntputils.widgets import ConceptsWidget
from ntputils.widgets.concepts import DIGITS

WIDGET = ConceptsWidget

NAMES = ["he", "she", "<b>it</b>", "sat", "ran", "constructor"]
SIX = SoftLabels.from_counts(from_sets([{0, 1}, {0, 1, 2}, {0}, {3, 4}, {4}, {3, 4, 5}, {0, 4}], V=6).astype(int), vocab=NAMES,
                             contexts=["and then", "when", "if", "he", "she", "they", "now"])


@pytest.fixture(scope="module")
def widget():
    return ConceptsWidget({"Six": SIX, "Stories": load_labels("simplified-tinystories")}, concepts=4, words=30, contexts=20)


@pytest.fixture(scope="module")
def stories():
    return ConceptsWidget()


def state(widget, **changes) -> dict:
    return {"worlds": widget.worlds, "world": 0, "chosen": [1, 2], "tol": 0.25} | changes


def number(page, key: str) -> str:
    """One of the widget's numbers, as it stands there."""
    return page.locator(f"[data-number={key}]").first.inner_text()


def cells(page) -> list[tuple[str, list[str], list[str]]]:
    """What the page shows: signs, words, contexts of each orthant."""
    return page.locator(".ntp-concepts").first.locator("section").evaluate_all("""sections => sections.map((section) => [
      section.querySelector(".ntp-signs").textContent,
      ...["words", "contexts"].map((key) => [...section.querySelectorAll(`.ntp-${key} li`)].map((li) => li.textContent))])""")


def reading(page) -> str:
    return page.locator(".ntp-reading").first.inner_text()


# --- the page computes what Python computes -----------------------------------------------------

@pytest.mark.parametrize("chosen", [[0], [3], [0, 1], [1, 2], [0, 2, 3], [0, 1, 2, 3]])
def test_orthants_in_the_page_are_pythons(show, widget, chosen):
    page = show(state(widget, chosen=chosen))
    for world in (0, 1):
        page.evaluate("(k) => models[0].set('world', k)", world)
        widget.world, widget.chosen = world, chosen
        wanted, shown = widget.orthants(), cells(page)
        assert len(shown) == len(wanted) == 2**len(chosen)
        for (signs, words, contexts), (pattern, (w, c)) in zip(shown, wanted.items(), strict=True):
            assert signs == "".join(f"{i + 1}{'+' if s == '+' else '−'}" for i, s in zip(chosen, pattern))
            assert (words, contexts) == (w, [f"{name} …" for name in c])
    widget.world, widget.chosen = 0, [1, 2]


def test_orthants_are_the_librarys_and_strength_is_the_distance_to_a_wall(show, stories):
    page = show(state(stories, chosen=[0, 1, 3], tol=0.4))
    world = stories.worlds[0]
    scores = np.array([item["scores"] for item in world["words"]])[:, [0, 1, 3]]
    found = page.evaluate("module.orthants(models[0].get('worlds')[0], [0, 1, 3], 0.4)")
    ours = orthants(scores, tol=0.4)
    for cell in found:
        for item in cell["words"]:
            assert item["far"] == pytest.approx(np.abs(scores[item["index"]]).min(), abs=1e-12)
            assert item["undecided"] == (ours[item["index"]] == -1)
            assert item["undecided"] or ours[item["index"]] == cell["number"]
        assert [item["far"] for item in cell["words"]] == sorted((item["far"] for item in cell["words"]), reverse=True)
    assert number(page, "undecided") == f"{np.sum(ours == -1)} of 60"
    assert number(page, "words") == str(len(set(ours) - {-1})) and number(page, "orthants") == "8"


def test_scores_are_singular_vectors_in_units_of_their_root_mean_square(widget):
    world = widget.worlds[0]
    U, s, Vt = np.linalg.svd(centered_support(SIX.S))
    np.testing.assert_allclose(world["sizes"], s[:4], atol=10.0**-DIGITS)
    assert [item["name"] for item in sorted(world["words"], key=lambda item: NAMES.index(item["name"]))] == NAMES
    for item in world["words"]:
        np.testing.assert_allclose(np.abs(item["scores"]), np.abs(U[NAMES.index(item["name"]), :4]) * np.sqrt(6),
                                   atol=10.0**-DIGITS)
    leverage = [np.sum(np.square(item["scores"])) for item in world["contexts"]]
    assert np.all(np.diff(leverage) <= 1e-2)       # the best described first
    one = np.array([item["scores"] for item in sorted(world["words"], key=lambda item: NAMES.index(item["name"]))])
    other = np.array([{item["name"]: item["scores"] for item in world["contexts"]}[SIX.context(j)] for j in range(7)])
    again = (one * s[:4]) @ other.T / np.sqrt(6 * 7)      # signs of both sides belong together
    np.testing.assert_allclose(again, U[:, :4] * s[:4] @ Vt[:4], atol=0.01)


# --- what a reader does -------------------------------------------------------------------------

def test_concepts_are_chosen_and_let_go(show, widget):
    page = show(state(widget))
    def button(i):
        return page.get_by_role("button", name=f"Concept {i}")

    assert [b.inner_text() for b in page.locator(".ntp-axes [aria-pressed=true]").all()] == ["2", "3"]
    button(1).click()
    assert page.evaluate("models[0].get('chosen')") == [0, 1, 2] and number(page, "orthants") == "8"
    button(2).press("Enter")
    button(3).press("Enter")
    assert page.evaluate("models[0].get('chosen')") == [0]
    button(1).click()                       # one has to stay
    assert page.evaluate("models[0].get('chosen')") == [0] and number(page, "orthants") == "2"
    assert page.evaluate("models[0].saved") == 3


def test_a_fifth_concept_is_not_on_offer(show, stories):
    page = show(state(stories, chosen=[0, 1, 2]))
    assert page.get_by_role("button", name="Concept 5").is_enabled()
    page.get_by_role("button", name="Concept 4").click()
    assert number(page, "orthants") == "16" and page.locator("section").count() == 16
    assert page.get_by_role("button", name="Concept 5").is_disabled()
    page.get_by_role("button", name="Concept 1,").click()
    assert page.get_by_role("button", name="Concept 5").is_enabled()


def test_words_are_read_by_key_from_orthant_to_orthant(show, stories):
    page = show(state(stories, chosen=[0, 1]))
    page.get_by_role("slider").focus()
    page.keyboard.press("Tab")
    here = "document.activeElement.textContent"
    shown = [[*words, *contexts] for _, words, contexts in cells(page)]
    flat = [name for row in shown for name in row]
    filled = [row for row in shown if row]
    assert page.evaluate(here) == flat[0] and len(filled) > 1
    page.keyboard.press("ArrowRight")
    assert page.evaluate(here) == flat[1]
    assert reading(page).startswith(f"«{flat[1]}», a word: 1: ")
    assert page.locator(".ntp-reading").get_attribute("aria-live") == "polite"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(here) == filled[1][0]
    page.keyboard.press("ArrowUp")
    assert page.evaluate(here) == filled[0][0]
    page.keyboard.press("ArrowUp")
    assert page.evaluate(here) == filled[0][0]
    page.keyboard.press("End")
    assert page.evaluate(here) == flat[-1] and "a context: " in reading(page)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(here) == flat[-2]
    assert page.locator(".ntp-orthants [tabindex='0']").count() == 1       # one stop on the way through the page
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.type") == "range"


def test_a_pointer_reads_without_taking_hold_and_the_dots_follow(show, stories):
    page = show(state(stories))
    rested = reading(page)
    item = page.locator(".ntp-words li").nth(7)
    item.hover()
    name = item.inner_text()
    scores = next(word["scores"] for word in stories.worlds[0]["words"] if word["name"] == name)
    assert reading(page).startswith(f"«{name}», a word: ")
    at = page.locator(".ntp-axes .ntp-mark").evaluate_all("marks => marks.map((m) => Number(m.style.getPropertyValue('--x')))")
    np.testing.assert_allclose(at, np.clip(np.array(scores) / 3, -1, 1), atol=1e-9)
    page.mouse.move(2, 2)
    assert reading(page) == rested
    item.click()
    page.mouse.move(2, 2)
    assert reading(page).startswith(f"«{name}», a word: ")
    page.get_by_role("button", name="Concept 5").click()      # what is read stays when orthants change
    assert reading(page).startswith(f"«{name}», a word: ")


def test_the_slider_greys_what_is_near_a_wall(show, stories):
    page = show(state(stories))
    slider = page.get_by_role("slider", name="Grey below")
    slider.press("Home")
    assert page.evaluate("models[0].get('tol')") == 0 and page.locator(".ntp-faint").count() == 0
    slider.press("End")
    assert page.evaluate("models[0].get('tol')") == 1
    grey = page.locator(".ntp-words .ntp-faint").count()
    assert grey > 0 and number(page, "undecided") == f"{grey} of 60"
    for section in page.locator("section").all():               # the grey ones stand last
        faint = section.locator(".ntp-words li").evaluate_all("all => all.map((li) => li.classList.contains('ntp-faint'))")
        assert faint == sorted(faint)


def test_names_are_text_and_not_markup(show, widget):
    page = show(state(widget))
    assert page.locator(".ntp-concepts b").count() == 0
    assert any("<b>it</b>" in words for _, words, _ in cells(page))


def test_python_reaches_the_page_and_two_widgets_keep_apart(show, widget, stories):
    page = show(state(widget), state(stories))
    second = page.locator(".ntp-concepts").nth(1)
    before = second.inner_text()
    page.evaluate("models[0].set('chosen', [3])")
    assert number(page, "orthants") == "2" and second.inner_text() == before
    page.get_by_role("button", name="Stories", exact=True).click()
    assert page.evaluate("[models[0].get('world'), models[0].get('chosen')]") == [1, [3]]
    assert page.get_by_role("group", name="Texts", exact=True).count() == 1  # one text needs no choice
    assert page.evaluate("document.querySelectorAll('.host [id]').length") == 0
    page.evaluate("models[0].stop(); models[0].set('chosen', [0, 1])")
    assert number(page, "orthants") == "2"
    assert "NaN" not in page.locator("body").inner_text()


def test_nothing_moves_by_itself(show, stories):
    page = show(state(stories))
    page.wait_for_timeout(100)
    before = page.locator("body").inner_html()
    time.sleep(0.3)
    assert page.locator("body").inner_html() == before
    assert page.evaluate("document.getAnimations().length") == 0
    assert "animation" not in ConceptsWidget._css and "transition" not in ConceptsWidget._css


@pytest.mark.parametrize(("theme", "width"), [("light", 360), ("dark", 360), ("light", 900), ("dark", 900)])
def test_widths_and_themes(show, widget, stories, theme, width):
    page = show(state(stories, chosen=[0, 1, 2], tol=1.0), state(widget), theme=theme, width=width, scheme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert all(panel.evaluate("e => e.scrollWidth - e.clientWidth") <= 0 for panel in page.locator(".ntp-concepts").all())
    contrasts = page.evaluate("textContrasts", TEXTS)
    assert len(contrasts) > 60
    assert min(contrasts.values()) >= 4.5, contrasts  # WCAG AA
    drawn = page.evaluate(DRAWN)
    assert min(drawn) >= 3, drawn                     # and for what is drawn


TEXTS = ".ntp-concepts :is(p, dt, dd, li:not(.ntp-axes li), button:enabled, output, .ntp-pole, .ntp-sigma, .ntp-signs span)"
DRAWN = """() => [[".ntp-mark", "backgroundColor"], [".ntp-size", "backgroundColor", "::before"]].map(([selector, name, part]) => {
  const node = document.querySelector(`.ntp-axes ${selector}`);
  return contrast(getComputedStyle(node, part)[name], ground(node.closest(".ntp-concepts")));
})"""


# --- Python -------------------------------------------------------------------------------------

def test_bad_settings_are_named(widget):
    with pytest.raises(ValueError, match="labels: got no problem"):
        ConceptsWidget({})
    with pytest.raises(ValueError, match="concepts, words, contexts: got 13, 60, 40"):
        ConceptsWidget(SIX, concepts=13)
    with pytest.raises(ValueError, match="count: got 8, want a number from 1 to min"):
        ConceptsWidget(SIX)
    for chosen in ([], [0, 0], [2, 1], [4], [-1], [0, 1, 2, 3, 4]):
        with pytest.raises(ValueError, match="chosen: got"):
            ConceptsWidget(SIX, concepts=4, chosen=chosen)
    with pytest.raises(ValueError, match="tol: got 1.5"):
        widget.tol = 1.5
    with pytest.raises(ValueError, match="world: got 2"):
        widget.world = 2


def test_words_follow_the_state(stories):
    assert repr(stories) == "ConceptsWidget(1 text, 8 concepts, 60 words, 40 contexts, concepts 2, 3 chosen)"
    said = stories.fallback()
    assert said.startswith("Orthants of concepts 2, 3 by sign") and 2 <= said.count("\n") <= 4
    assert "; after " in said


def test_the_page_carries_no_more_than_it_needs(stories):
    assert len(json.dumps(stories.worlds)) < 20_000


@pytest.mark.parametrize(("chosen", "patterns"), [
    ([0], ["+", "-"]), ([0, 2], ["++", "+-", "-+", "--"]),
    ([1, 2, 3], ["+++", "++-", "+-+", "+--", "-++", "-+-", "--+", "---"])])
def test_an_orthant_has_what_has_its_signs_the_strongest_first(chosen, patterns):
    here = ConceptsWidget(SIX, concepts=4, chosen=chosen)
    found = here.orthants()
    assert list(found) == patterns
    for side, key in enumerate(("words", "contexts")):
        scores = {item["name"]: [item["scores"][c] for c in chosen] for item in here.worlds[0][key]}
        assert sorted(name for cell in found.values() for name in cell[side]) == sorted(scores)
        for pattern, cell in found.items():
            assert all((x > 0) == (sign == "+") for name in cell[side] for x, sign in zip(scores[name], pattern, strict=True))
            strengths = [min(map(abs, scores[name])) for name in cell[side]]
            assert strengths == sorted(strengths, reverse=True)


@pytest.mark.parametrize(("concepts", "chosen"), [(1, [0]), (2, [0]), (3, [1, 2]), (4, [1, 2])])
def test_the_second_and_third_concept_come_first_where_they_are_there(concepts, chosen):
    assert ConceptsWidget(SIX, concepts=concepts).chosen == chosen


def test_items_are_those_that_the_concepts_describe_best_as_many_as_asked():
    one = ConceptsWidget(SIX, concepts=2, words=1, contexts=1).worlds[0]
    U, _, Vt = np.linalg.svd(centered_support(SIX.S))
    for key, names, A in (("words", NAMES, U), ("contexts", [SIX.context(j) for j in range(SIX.m)], Vt.T)):
        squares = np.sum(A[:, :2]**2, axis=1)
        [item] = one[key]
        assert squares[names.index(item["name"])] == pytest.approx(squares.max()) and squares.min() < 0.9 * squares.max()
    for counts in ({"concepts": 0}, {"concepts": 13}, {"words": 0}, {"contexts": 0}):
        with pytest.raises(ValueError, match="concepts, words, contexts: got"):
            ConceptsWidget(SIX, **{"concepts": 2, **counts})
    assert len(ConceptsWidget(concepts=12, chosen=[0, 1, 2, 11]).worlds[0]["sizes"]) == 12


def test_no_score_is_minus_zero():
    """Symmetric supports have scores that are zero but for rounding, of either sign."""
    scores = repr([ConceptsWidget(SoftLabels.from_counts(all_subsets(V, 2).astype(int)), concepts=3).worlds for V in (4, 5, 6)])
    assert " 0.0" in scores and "-0.0," not in scores and "-0.0]" not in scores


def test_the_words_name_eight_words_and_three_contexts_of_an_orthant(stories):
    heading, *lines = stories.fallback().splitlines()
    filled = {pattern: cell for pattern, cell in stories.orthants().items() if any(cell)}
    assert heading.startswith("Orthants of concepts 2, 3 by sign") and len(lines) == len(filled)
    assert max(len(words) for words, _ in filled.values()) > 8 and max(len(contexts) for _, contexts in filled.values()) > 3
    for line, (pattern, (words, contexts)) in zip(lines, filled.items(), strict=True):
        assert line == f"{pattern}: {', '.join(words[:8])}" + f"; after {', '.join(contexts[:3])}" * bool(contexts)
    assert "\n-+-: no word; after now\n" in ConceptsWidget(SIX, concepts=4, chosen=[0, 1, 2]).fallback()


def test_the_module_is_whole_and_imports_nothing():
    code = [line for line in ConceptsWidget._esm.splitlines() if not line.lstrip().startswith(("//", "*"))]
    assert not any(line.startswith("import ") or "import(" in line for line in code)
    assert ConceptsWidget._esm.count("export default") == 1
    assert "http" not in ConceptsWidget._esm.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in ConceptsWidget._css and "@import" not in ConceptsWidget._css

"""The panel of symmetric worlds: formulas and solutions of the page against Python's, and what a reader does with it.

Python's side is `closed_forms` for the formulas, and for the solution the square root of a Gram matrix made from
`solve_ntp_svm`; the page's two columns are compared with them, and not only with each other.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import traitlets

from ntputils import all_subsets, centered_support, one_hot, solve_ntp_svm, step_geometry, subset_world
from ntputils.widgets import SymmetricWidget

WIDGET = SymmetricWidget
FORMULA = 1e-12    # the same expressions, rounded differently
SOLVED = 1e-6      # the proxy is the only solution and the page starts from it: what is left is rounding of roots
GAP = 1e-6
STEPS = [(4, 1), (4, 20), (6, 10), (8, 100), (10, 1000)]
START = {"mode": "subsets", "V": 5, "k": 2, "R": 10, "chosen": 0}


@pytest.fixture(scope="module")
def answers(browser, widget_page, tmp_path_factory):
    """The page's tables: every V from 3 to 8 and k below it, the largest world, and steps."""
    worlds = [(V, k) for V in range(3, 9) for k in range(1, V)] + [(10, 5)]
    page = browser.new_page()
    page.goto(widget_page(tmp_path_factory.mktemp("symmetric"), [START]).as_uri())
    page.wait_for_function("window.ready", timeout=10_000)
    found = page.evaluate("""([worlds, steps]) => {
      const solve = (world) => {
        const solution = module.solveWorld(world);
        const points = { words: solution.words.map((_, i) => solution.wordAt(i)),
          contexts: world.columns.map((_, j) => solution.contextAt(j)) };
        return { ...solution, world, points };
      };
      return {
        subsets: worlds.map(([V, k]) => {
          const solution = solve(module.subsetWorld(V, k));
          const chosen = solution.world.columns.length - 1;
          return { ...solution, chosen, norm: module.subsetFormulas(V, k).norm,
            table: module.subsetTable(V, k, solution.world, solution, chosen) };
        }),
        steps: steps.map(([V, R]) => {
          const solution = solve(module.stepWorld(V, R));
          return { ...solution, norm: module.stepFormulas(V, R).norm, table: module.stepTable(V, R, solution) };
        }),
      };
    }""", [worlds, STEPS])
    page.close()
    return worlds, found


def grams(S):
    """Gram matrices of words and contexts from Python's solution, by eigenvalues."""
    L = solve_ntp_svm(S).L

    def root(A):
        values, vectors = np.linalg.eigh(A)
        return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T

    return root(L @ L.T), root(L.T @ L)


def unit(gram):
    lengths = np.sqrt(np.diag(gram))
    return gram / lengths / lengths[:, None]


def test_subsets_are_pythons(answers):
    for (V, k), answer in zip(answers[0], answers[1]["subsets"], strict=True):
        S = all_subsets(V, k)
        columns = [list(c) for c in itertools.combinations(range(V), k)]
        assert answer["world"]["columns"] == columns
        world, rows = subset_world(V, k), {row["key"]: row for row in answer["table"]}
        assert abs(answer["norm"] - world.norm) < FORMULA * world.norm
        assert abs(answer["primal"] - solve_ntp_svm(S).primal) < GAP * world.norm and answer["gap"] <= GAP
        wanted = {"words": world.words, "inside": world.in_support(k), "outside": world.off_support(k)}
        overlaps = range(max(0, 2 * k - V), k)
        wanted |= {f"share-{i}": world.contexts(k, k, i) for i in overlaps}
        assert rows.keys() == wanted.keys()
        if V <= 6:
            words, contexts = map(unit, grams(S))
            shared = S[:, -1].astype(int) @ S
            assert abs(rows["words"]["solved"] - words[0, 1]) < SOLVED
            for i in overlaps:
                found = contexts[-1, shared == i]
                np.testing.assert_allclose(rows[f"share-{i}"]["solved"], found, rtol=0, atol=SOLVED)
        for key, value in wanted.items():
            assert abs(rows[key]["formula"] - value) < FORMULA
            assert abs(rows[key]["solved"] - value) < SOLVED
        np.testing.assert_allclose(answer["cross"], centered_support(S), rtol=0, atol=SOLVED)


def test_steps_are_pythons(answers):
    for (V, R), answer in zip(STEPS, answers[1]["steps"], strict=True):
        S = one_hot([R] * (V // 2) + [1] * (V // 2))
        world = step_geometry(V, R)
        np.testing.assert_allclose(answer["words"], world.gram(), rtol=0, atol=SOLVED * world.majority)
        if R <= 100:
            np.testing.assert_allclose(answer["words"], grams(S)[0], rtol=0, atol=SOLVED * world.majority)
        norm = np.linalg.norm(centered_support(S), "nuc")
        assert abs(answer["norm"] - norm) < 1e-9 * norm and abs(answer["primal"] - norm) < GAP * norm
        wanted = {"majority": world.majority_cosine, "minority": world.minority_cosine, "mixed": world.mixed_cosine}
        for row in answer["table"]:
            assert abs(row["formula"] - wanted[row["key"]]) < FORMULA
            assert abs(row["solved"] - wanted[row["key"]]) < SOLVED


def test_pictures_are_orthogonal_projections(answers):
    """Points are those of W W' = Gram seen along a plane: a polygon for subsets, shorter than the vectors."""
    for (V, k), answer in zip(answers[0], answers[1]["subsets"], strict=True):
        turn = 2 * np.pi * np.arange(V) / V
        polygon = np.sqrt(2 / V) * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        sigma = subset_world(V, k).sigma
        np.testing.assert_allclose(answer["points"]["words"], np.sqrt(sigma) * polygon, rtol=0, atol=SOLVED)
        sums = all_subsets(V, k).T @ polygon / np.sqrt(sigma)
        np.testing.assert_allclose(answer["points"]["contexts"], sums, rtol=0, atol=SOLVED)
    for answer in answers[1]["steps"]:
        lengths = np.sqrt(np.diag(answer["words"]))
        assert (np.linalg.norm(answer["points"]["words"], axis=1) <= lengths + SOLVED).all()


def test_one_look_is_all_the_work(answers):
    """The page starts from the proxy, which is the solution of these worlds: the first look at the gap must say so."""
    assert {answer["iterations"] for answer in answers[1]["subsets"] + answers[1]["steps"]} == {1}


# --- in the page --------------------------------------------------------------------------------

def cells(page, key: str) -> list[str]:
    """One row of the table: formula, solution, angle."""
    return page.locator(f"[data-row={key}] td").all_inner_texts()


def slider(page, name: str):
    return page.get_by_role("slider", name=name)


def test_sliders_move_the_angles_by_keyboard(show):
    page = show(START)
    assert cells(page, "words") == ["−0.250", "−0.250", "104.5°"]
    assert cells(page, "inside") == ["0.612", "0.612", "52.2°"]
    slider(page, "next words, k").press("ArrowRight")
    assert page.evaluate("[models[0].get('k'), models[0].saved]") == [3, 1]
    assert cells(page, "inside") == ["0.408", "0.408", "65.9°"]
    slider(page, "words, V").press("Home")
    assert slider(page, "next words, k").input_value() == "2"  # three words have no triples but all of them
    assert cells(page, "words") == ["−0.500", "−0.500", "120.0°"]
    assert "here nothing is lost" in page.locator(".ntp-pair").inner_text()
    slider(page, "words, V").press("End")
    slider(page, "seen from context").press("End")
    assert slider(page, "seen from context").get_attribute("aria-valuetext") == "{8–10}"
    assert "From the context {8–10}: " in page.locator("[aria-live]").inner_text()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_press_on_a_circle_chooses_a_context(show):
    page = show(START | {"V": 4})
    page.locator("[data-context='5']").click()
    assert page.evaluate("models[0].get('chosen')") == 5
    said = page.locator("[aria-live]").inner_text()
    assert said == "From the context {3, 4}: words 3, 4 at 55°, words 1, 2 at 125°."
    assert page.locator(".ntp-fan").get_attribute("aria-label").startswith("From the context {3, 4}")


def test_step_imbalance_draws_minority_words_together(show):
    page = show(START)
    page.get_by_role("button", name="Step imbalance").click()
    assert not slider(page, "next words, k").is_visible()
    assert slider(page, "words, V").input_value() == "4"  # an even number
    before = float(cells(page, "minority")[2].rstrip("°"))
    slider(page, "imbalance, R").press("End")
    formula, solved, angle = cells(page, "minority")
    assert formula == solved == f"{step_geometry(4, 1000).minority_cosine:.3f}"
    assert float(angle.rstrip("°")) < before / 2
    assert "2002 contexts" in page.locator(".ntp-summary").inner_text()
    slider(page, "seen from word").press("End")
    assert "From word 4:" in page.locator("[aria-live]").inner_text()


def test_python_reaches_the_page_and_two_widgets_keep_apart(show):
    page = show(START, {"mode": "step", "V": 7, "R": 4, "chosen": 99})
    second = page.locator(".ntp-symmetric").nth(1)
    before = second.inner_text()
    assert "Nuclear norm" in before and "NaN" not in before
    page.evaluate("models[0].set('V', 8)")
    assert cells(page, "words")[0] == "−0.143"
    assert second.inner_text() == before
    assert page.evaluate("document.querySelectorAll('.host [id]').length") == 0
    page.evaluate("models[0].stop(); models[0].set('V', 4)")
    assert cells(page, "words")[0] == "−0.143"
    assert page.evaluate("document.getAnimations().length") == 0


def test_every_world_is_shown_without_a_complaint(show):
    page = show(START)
    for mode, V in itertools.product(("subsets", "step"), range(3, 11)):
        page.evaluate("([mode, V]) => { models[0].set('mode', mode); models[0].set('V', V); }", [mode, V])
        for k in (1, V - 1):
            page.evaluate("(k) => models[0].set('k', k)", k)
            assert not any(word in page.locator(".host").first.inner_html() for word in ("NaN", "undefined"))
    page.evaluate("document.querySelector('.host').style.display = 'none'")
    page.wait_for_timeout(100)
    page.evaluate("models[0].set('V', 5)")
    page.evaluate("document.querySelector('.host').style.display = ''")
    page.wait_for_timeout(100)
    assert page.locator(".ntp-symmetric").first.locator(".ntp-word-mark").count() > 5


@pytest.mark.parametrize(("theme", "width"), [("light", 360), ("dark", 360), ("dark", 900)])
def test_widths_and_themes(show, theme, width):
    page = show({"V": 10, "k": 5}, {"mode": "step", "V": 10, "R": 1000, "chosen": 9}, theme=theme, width=width,
                scheme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert all(widget.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
               for widget in page.locator(".ntp-symmetric").all())
    clipped = page.evaluate("""() => [...document.querySelectorAll(".ntp-symmetric svg")].flatMap((svg) => {
      const frame = svg.getBoundingClientRect();
      return [...svg.querySelectorAll("text")].filter((text) => {
        const box = text.getBoundingClientRect();
        return box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 ||
          box.bottom > frame.bottom + 1;
      }).map((text) => text.textContent);
    })""")
    assert clipped == []
    contrasts = page.evaluate("textContrasts", TEXTS)
    assert len(contrasts) > 15
    assert min(contrasts.values()) >= 4.5, contrasts  # WCAG AA


TEXTS = ".ntp-symmetric :is(p, th, td, button, output, caption, .ntp-tag, .ntp-name)"


# --- Python -------------------------------------------------------------------------------------

@pytest.mark.parametrize("state", [{"V": 2}, {"V": 11}, {"k": 0}, {"R": 0}, {"mode": "other"}, {"V": 4.5},
                                   {"chosen": -1}])
def test_states_out_of_range_are_refused(state):
    with pytest.raises(traitlets.TraitError):
        SymmetricWidget(**state)


def test_words_follow_the_state_and_fit_it_together():
    widget = SymmetricWidget(V=4, k=9)
    assert repr(widget) == "SymmetricWidget(all 3-subsets of 4 words)"
    assert "two contexts that share 2: 109.5°." in widget.fallback()
    widget.mode, widget.V, widget.R = "step", 7, 1
    assert "6 words, one next word each" in widget.fallback() and "101.5°" in widget.fallback()
    assert widget.world() == step_geometry(6, 1)


@pytest.mark.parametrize(("V", "k"), [(3, 1), (5, 1), (4, 2), (5, 2), (5, 3), (6, 3), (5, 4), (9, 8)])
def test_the_words_give_every_angle_of_subsets(V, k):
    """Which pairs of contexts there are, by looking at all."""
    world = subset_world(V, k)
    first, *others = map(set, itertools.combinations(range(V), k))
    overlaps = sorted({len(first & other) for other in others}, reverse=True)
    wanted = [world.words, world.in_support(k), world.off_support(k), *(world.contexts(k, k, i) for i in overlaps)]
    two, inside, outside, *shared = (f"{np.degrees(np.arccos(np.clip(cosine, -1, 1))):.1f}°" for cosine in wanted)
    listed = "; that ".join(f"share {i}: {angle}" for i, angle in zip(overlaps, shared, strict=True))
    assert SymmetricWidget(V=V, k=k).fallback() == (
        f"{V} words; every {k} of them are the next words of one context.\nAngles: two words {two}; a context and a next word "
        f"{inside}, and another word {outside};\ntwo contexts that {listed}.")


@pytest.mark.parametrize(("V", "R", "words"), [(6, 10, 6), (9, 1000, 8), (3, 2, 4)])
def test_the_words_give_every_angle_of_a_step(V, R, words):
    """Half of the words, after making their number even, follow R contexts each."""
    world = step_geometry(words, R)
    majority, minority, mixed = (f"{np.degrees(np.arccos(cosine)):.1f}°"
                                 for cosine in (world.majority_cosine, world.minority_cosine, world.mixed_cosine))
    assert SymmetricWidget(mode="step", V=V, R=R).fallback() == (
        f"{words} words, one next word each: words 1 to {words // 2} follow {R} contexts each, the others one.\n"
        f"Angles: two majority words {majority}; two minority words {minority}; one of each {mixed}.")


def test_the_module_is_whole_and_imports_nothing():
    code = [line for line in SymmetricWidget._esm.splitlines() if not line.lstrip().startswith(("//", "*"))]
    assert not any(line.startswith("import ") or "import(" in line for line in code)
    assert SymmetricWidget._esm.count("export default") == 1
    assert "http" not in SymmetricWidget._esm.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in SymmetricWidget._css and "@import" not in SymmetricWidget._css

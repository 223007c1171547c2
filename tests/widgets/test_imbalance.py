"""The panel of imbalance: its closed forms against Python's and against eigenvalues, and what a reader does with it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import traitlets

from ntputils import centered_support, one_hot, star_gram, step_geometry
from ntputils.widgets import ImbalanceWidget

WIDGET = ImbalanceWidget
FORMULA = 1e-12    # the same expressions, rounded differently
WORLDS = [(V, many, R) for V in (3, 4, 6, 11, 24) for many in (1, 2, V // 2, V - 1) for R in (1, 3, 10, 1000)]
START = {"V": 6, "majority": 3, "R": 10, "balanced": False}


@pytest.fixture(scope="module")
def answers(browser, widget_page, tmp_path_factory):
    page = browser.new_page()
    page.goto(widget_page(tmp_path_factory.mktemp("imbalance"), [START]).as_uri())
    page.wait_for_function("window.ready", timeout=10_000)
    found = page.evaluate("""(worlds) => worlds.map(([V, many, R]) => {
      const world = module.twoGroups(V, many, R);
      const all = Array.from({ length: V }, (_, a) => Array.from({ length: V }, (_, b) => module.cosineOf(world, a, b)));
      return { ...world, all, points: module.planePoints(V, many, R),
        ratios: [0, 0.5].map((cosine) => module.ratioFor(V, many, cosine)) };
    })""", WORLDS)
    page.close()
    return found


def test_inner_products_and_cosines_are_pythons(answers):
    for (V, many, R), answer in zip(WORLDS, answers, strict=True):
        world = step_geometry(V, R, majority=many)
        wanted = (world.majority, world.minority, world.majority_pair, world.minority_pair, world.mixed_pair)
        found = [answer[k] for k in ("majority", "minority", "majorityPair", "minorityPair", "mixedPair")]
        np.testing.assert_allclose(found, wanted, rtol=0, atol=FORMULA * world.majority)
        gram = star_gram([R] * many + [1] * (V - many))
        lengths = np.sqrt(np.diag(gram))
        np.testing.assert_allclose(answer["all"], gram / np.outer(lengths, lengths), rtol=0, atol=1e-6)
        assert (answer["cosines"]["minority"] is None) == (V - many == 1)
        assert (answer["cosines"]["majority"] is None) == (many == 1)
        norm = np.linalg.norm(centered_support(one_hot([R] * many + [1] * (V - many))), "nuc")
        assert abs(answer["norm"] - norm) < 1e-9 * norm


def test_the_picture_is_an_orthogonal_projection(answers):
    """Points X = W A' with orthonormal rows of A: then G - X X' is still a Gram matrix, and the plane's two axes are kept."""
    for (V, many, R), answer in zip(WORLDS, answers, strict=True):
        gram, X = star_gram([R] * many + [1] * (V - many)), np.array(answer["points"])
        np.testing.assert_allclose(X.sum(axis=0), 0, atol=1e-9 * R)
        assert np.linalg.eigvalsh(gram - X @ X.T).min() > -1e-6 * np.trace(gram)
        values, vectors = np.linalg.eigh(gram)
        keep = values > 1e-9 * values[-1]
        W = vectors[:, keep] * np.sqrt(values[keep])
        A = np.linalg.lstsq(W, X, rcond=None)[0]
        np.testing.assert_allclose(W @ A, X, atol=1e-6 * np.sqrt(R))
        inner = A.T @ A                                  # shorter than one where a group is a single word
        assert abs(inner[0, 1]) < 1e-6 and abs(inner[0, 0] - 1) < 1e-6
        assert abs(inner[1, 1] - ((many > 1) + (V - many > 1)) / 2) < 1e-6


def test_the_imbalance_named_has_the_cosine_named(answers):
    for (V, many, _), answer in zip(WORLDS, answers, strict=True):
        for cosine, R in zip((0, 0.5), answer["ratios"], strict=True):
            if R is not None:
                assert abs(step_geometry(V, R, majority=many).minority_cosine - cosine) < 1e-9
            else:
                assert V - many == 1 or step_geometry(V, 1, majority=many).minority_cosine > cosine
    six = answers[WORLDS.index((6, 3, 10))]["ratios"]
    np.testing.assert_allclose(six, [7, 127], rtol=1e-12)


# --- in the page --------------------------------------------------------------------------------

def cells(page, key: str) -> list[str]:
    return page.locator(f"[data-row={key}] td").all_inner_texts()


def slider(page, name: str):
    return page.get_by_role("slider", name=name)


def test_words_draw_together_by_keyboard(show):
    page = show(START)
    assert cells(page, "minority") == ["0.054", "86.9°"]
    before = [float(page.locator(f"[data-word='{k}']").get_attribute("cy")) for k in (3, 5)]
    slider(page, "imbalance, R").press("End")
    assert page.evaluate("[models[0].get('R'), models[0].saved]") == [1000, 1]
    assert cells(page, "minority") == ["0.772", "39.4°"]
    after = [float(page.locator(f"[data-word='{k}']").get_attribute("cy")) for k in (3, 5)]
    assert after[1] - after[0] < 0.6 * (before[1] - before[0])
    assert "39° apart" in page.locator("[aria-live]").inner_text()
    assert "two rare words 0.772" in page.locator(".ntp-cosines").get_attribute("aria-label")
    assert "right angle at R = 7, and at 60° at R = 127" in page.locator(".ntp-summary").inner_text()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_balance_undoes_the_imbalance(show):
    page = show(START | {"R": 1000})
    page.get_by_role("button", name="Resampled to balance").click()
    assert page.evaluate("models[0].get('balanced')") is True
    assert [cells(page, key)[0] for key in ("minority", "majority", "mixed")] == ["−0.200"] * 3
    assert page.get_by_role("button", name="Resampled to balance").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Every context once").click()
    assert cells(page, "minority")[0] == "0.772"


def test_the_majority_fits_the_words(show):
    page = show(START)
    slider(page, "words, V").press("Home")
    assert slider(page, "of these frequent").input_value() == "2"
    assert cells(page, "minority") == ["–", "–"] and "single rare word" in page.locator("[aria-live]").inner_text()
    slider(page, "of these frequent").press("Home")
    assert cells(page, "majority") == ["–", "–"]
    assert cells(page, "minority")[0] == f"{step_geometry(3, 10, majority=1).minority_cosine:.3f}".replace("-", "−")
    slider(page, "words, V").press("End")
    assert page.locator("[data-word]").count() == 24


def test_python_reaches_the_page_and_two_widgets_keep_apart(show):
    page = show(START, {"V": 4, "majority": 9, "R": 5, "balanced": True})
    second = page.locator(".ntp-imbalance").nth(1)
    before = second.inner_text()
    assert "3 frequent words have 5 contexts" in before and "NaN" not in before
    page.evaluate("models[0].set('R', 1)")
    assert cells(page.locator(".ntp-imbalance").first, "minority")[0] == "−0.200"
    assert second.inner_text() == before
    assert page.evaluate("document.querySelectorAll('.host [id]').length") == 0
    page.evaluate("models[0].stop(); models[0].set('R', 1000)")
    assert cells(page.locator(".ntp-imbalance").first, "minority")[0] == "−0.200"
    assert page.evaluate("document.getAnimations().length") == 0


def test_every_state_is_shown_without_a_complaint(show):
    page = show(START)
    for V, balanced in itertools.product((3, 5, 24), (False, True)):
        for many in (1, V - 1):
            for R in (1, 777, 1000):
                page.evaluate("(state) => Object.entries(state).forEach(([k, v]) => models[0].set(k, v))",
                              {"V": V, "majority": many, "R": R, "balanced": balanced})
                shown = page.locator(".host").first.inner_html()
                assert not any(word in shown for word in ("NaN", "undefined", "Infinity"))
    page.evaluate("document.querySelector('.host').style.display = 'none'")
    page.wait_for_timeout(100)
    page.evaluate("models[0].set('V', 5)")
    page.evaluate("document.querySelector('.host').style.display = ''")
    page.wait_for_timeout(100)
    assert page.locator(".ntp-imbalance").first.locator(".ntp-mark").count() == 5


TEXTS = ".ntp-imbalance :is(p, th, td, button, output, caption, .ntp-name, .ntp-ticks span)"


@pytest.mark.parametrize(("theme", "width"), [("light", 360), ("dark", 360), ("dark", 900)])
def test_widths_and_themes(show, theme, width):
    page = show({"V": 24, "majority": 2, "R": 1000}, {"balanced": True}, theme=theme, width=width, scheme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert all(widget.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
               for widget in page.locator(".ntp-imbalance").all())
    outside = page.evaluate("""() => [...document.querySelectorAll(".ntp-plane")].flatMap((svg) => {
      const frame = svg.getBoundingClientRect();
      return [...svg.querySelectorAll(".ntp-mark")].filter((mark) => {
        const box = mark.getBoundingClientRect();
        return box.left < frame.left || box.right > frame.right || box.top < frame.top || box.bottom > frame.bottom;
      });
    }).length""")
    assert outside == 0
    contrasts = page.evaluate("textContrasts", TEXTS)
    assert len(contrasts) > 15
    assert min(contrasts.values()) >= 4.5, contrasts  # WCAG AA


# --- Python -------------------------------------------------------------------------------------

@pytest.mark.parametrize("state", [{"V": 2}, {"V": 25}, {"majority": 0}, {"R": 0}, {"R": 1001}, {"V": 4.5},
                                   {"balanced": "perhaps"}])
def test_states_out_of_range_are_refused(state):
    with pytest.raises(traitlets.TraitError):
        ImbalanceWidget(**state)


def test_words_follow_the_state_and_fit_it_together():
    widget = ImbalanceWidget(V=4, majority=9, R=50)
    assert repr(widget) == "ImbalanceWidget(3 of 4 words with 50 contexts)"
    assert "two rare words" not in widget.fallback() and "two frequent words" in widget.fallback()
    widget.V, widget.majority, widget.balanced = 6, 3, True
    assert "two rare words 101.5°" in widget.fallback() and repr(widget).endswith("balanced)")
    assert widget.world() == step_geometry(6, 1)


@pytest.mark.parametrize(("V", "majority", "pairs"), [
    (6, 3, ["two rare words", "two frequent words", "one of each"]), (4, 1, ["two rare words", "one of each"]),
    (4, 2, ["two rare words", "two frequent words", "one of each"]), (4, 3, ["two frequent words", "one of each"])])
@pytest.mark.parametrize("balanced", [False, True])
def test_the_words_give_the_angles_of_the_pairs_that_are_there(V, majority, pairs, balanced):
    """Cosines of the Gram matrix of the one-hot counts, by eigenvalues."""
    centred = centered_support(one_hot([1 if balanced else 50] * majority + [1] * (V - majority)))
    values, vectors = np.linalg.eigh(centred @ centred.T)
    gram = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    lengths = np.sqrt(np.diag(gram))
    angles = np.degrees(np.arccos(np.clip(gram / np.outer(lengths, lengths), -1, 1)))
    at = {"two rare words": (V - 1, V - 2), "two frequent words": (0, 1), "one of each": (0, V - 1)}
    listed = "; ".join(f"{name} {angles[at[name]]:.1f}°" for name in pairs)
    counts = "50 contexts each, which count as one; the others have one" if balanced else "50 contexts each, the others one"
    said = ImbalanceWidget(V=V, majority=majority, R=50, balanced=balanced).fallback()
    assert said == f"{majority} of {V} words have {counts}; each context has one next word.\nAngles: {listed}."


def test_the_module_is_whole_and_imports_nothing():
    code = [line for line in ImbalanceWidget._esm.splitlines() if not line.lstrip().startswith(("//", "*"))]
    assert not any(line.startswith("import ") or "import(" in line for line in code)
    assert ImbalanceWidget._esm.count("export default") == 1
    assert "http" not in ImbalanceWidget._esm.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in ImbalanceWidget._css and "@import" not in ImbalanceWidget._css

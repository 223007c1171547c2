"""The grid of supports: its solver in the page against Python's, and what a reader does with it.

Feasibility of L and of the certificate, and the gap between them, are computed here from the page's two
matrices and S alone. Where a strict certificate proves the solution unique, L is compared entry by entry.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import traitlets

from ntputils import centered_support
from ntputils.svm import solve_ntp_svm
from ntputils.widgets import SupportGridWidget
from ntputils.widgets.support_grid import PRESETS

WIDGET = SupportGridWidget
CHECK = 5          # steps of the page between two looks at the gap
GAP = 1e-6         # the relative duality gap that both solvers are asked for
OBJECTIVE = 1e-4   # two objectives within the gap of one optimum are a hundred times closer than this
LOGITS = 1e-3      # a point at gap 1e-6 is within about the gap's root of a unique solution
FEASIBLE = 1e-9    # both projections are exact: what is left is rounding
UNIQUE = {"tree": None, "pairs": None, "fano": None,  # the proxy, by a strict certificate
          "failure": np.array([[5, 3, 3], [-1, 3, -3], [-1, -3, 3], [-3, -3, -3]]) / 6}


def random_grids(count: int) -> list[list[list[int]]]:
    """Grids of all sizes up to 12 x 12 and densities, with equal rows and columns among them."""
    rng = np.random.default_rng(4)
    grids = []
    for k in range(count):
        V, m = (12, 12) if k % 6 == 0 else rng.integers(2, 13, 2)
        S = (rng.random((V, m)) < rng.uniform(0.1, 0.8)).astype(int)
        S[rng.integers(0, V), S.sum(axis=0) == 0] = 1
        if k % 5 == 1:
            S[:, -1], S[-1] = S[:, 0], S[0]
            S[0, S.sum(axis=0) == 0] = 1
        grids.append(S.tolist())
    return grids


def state(name: str) -> dict:
    """The state of a widget that begins with a preset."""
    return {key: PRESETS[name][key] for key in ("S", "tokens", "contexts")}


@pytest.fixture(scope="module")
def answers(browser, widget_page, tmp_path_factory):
    """Grids, and the page's answers to them: all presets, sixty random ones, a few corners."""
    corners = [[[1, 1], [1, 1]], [[1]], [[1, 0], [1, 1], [1, 0]], np.eye(12, dtype=int).tolist(),
               [[int((i - j) % 12 < 5) for j in range(12)] for i in range(12)]]
    grids = [preset["S"] for preset in PRESETS.values()] + random_grids(60) + corners
    page = browser.new_page()
    page.goto(widget_page(tmp_path_factory.mktemp("grid"), [state("tree")]).as_uri())
    page.wait_for_function("window.ready", timeout=10_000)
    solved = page.evaluate("""(grids) => grids.map((S) => {
      const solution = module.solveNtpSvm(S);
      return { ...solution, spectrum: module.spectrum(solution.L), proxy: module.centredRows(S) };
    })""", grids)
    face = page.evaluate("[0, 0.25, 0.5, 0.618].map((tau) => module.pentagonRows(tau))")
    page.close()
    return grids, solved, face


def nuclear(A) -> float:
    return float(np.linalg.svd(np.asarray(A), compute_uv=False).sum())


def test_every_answer_carries_its_own_proof(answers):
    for S, answer in zip(*answers[:2], strict=True):
        S, L, G = np.array(S, bool), np.array(answer["L"]), np.array(answer["certificate"])
        for column, inside in zip(L.T, S.T, strict=True):
            assert np.ptp(column[inside]) < FEASIBLE
            assert inside.all() or column[~inside].max() <= column[inside].min() - 1 + FEASIBLE
        assert np.abs(G.sum(axis=0)).max() < FEASIBLE and G[~S].max(initial=0) < FEASIBLE
        assert np.linalg.norm(G, 2) <= 1 + FEASIBLE
        primal, dual = nuclear(L), float((S * G).sum())
        assert primal - dual <= GAP * primal + FEASIBLE
        assert abs(primal - answer["primal"]) <= 1e-9 * (1 + primal)
        assert answer["gap"] <= GAP


def test_the_objective_is_pythons(answers):
    for S, answer in zip(*answers[:2], strict=True):
        wanted = solve_ntp_svm(S)
        assert abs(answer["primal"] - wanted.primal) <= OBJECTIVE * max(wanted.primal, 1e-12)


def test_logits_are_pythons_where_they_are_unique(answers):
    for name, S, answer in zip(PRESETS, *answers[:2], strict=False):
        if name in UNIQUE:
            L = np.array(answer["L"])
            np.testing.assert_allclose(L, solve_ntp_svm(S).L, rtol=0, atol=LOGITS)
            known = centered_support(np.array(S)) if UNIQUE[name] is None else UNIQUE[name]
            np.testing.assert_allclose(L, known, rtol=0, atol=LOGITS)


def test_proxy_grams_and_vectors_agree_with_numpy(answers):
    for S, answer in zip(*answers[:2], strict=True):
        np.testing.assert_allclose(answer["proxy"], centered_support(np.array(S)), rtol=0, atol=1e-12)
        L, found = np.array(answer["L"]), answer["spectrum"]
        U, s, Vt = np.linalg.svd(L, full_matrices=False)
        np.testing.assert_allclose(found["s"], s, rtol=0, atol=1e-10)
        np.testing.assert_allclose(found["words"], (U * s) @ U.T, rtol=0, atol=1e-6)
        np.testing.assert_allclose(found["contexts"], (Vt.T * s) @ Vt, rtol=0, atol=1e-6)
        np.testing.assert_allclose(np.array(found["W"]) @ np.array(found["H"]).T, L, rtol=0, atol=1e-10)


def test_the_pentagon_slides_along_solutions(answers):
    S = np.array(PRESETS["pentagon"]["S"], bool)
    for L in map(np.array, answers[2]):
        assert abs(nuclear(L) - 2 * 5**0.5) < 1e-12
        margins = np.array([column[inside].min() - column[~inside].max()
                            for column, inside in zip(L.T, S.T, strict=True)])
        np.testing.assert_allclose(margins, 1, rtol=0, atol=1e-12)
    assert abs(answers[2][3][3][0] - answers[2][0][3][0]) > 0.3  # the opposite entry moves


def test_the_page_needs_no_more_steps_than_python(answers):
    """The same method on the same grid: the page may come to its gap between two looks, and its shorter memory cost one more."""
    pairs = [(a["iterations"], solve_ntp_svm(S).iterations) for S, a in zip(*answers[:2], strict=True)]
    page, python = np.array(pairs).T
    assert len(page) > 60 and (page <= python + 2 * CHECK).all()


# --- in the page --------------------------------------------------------------------------------

def number(page, key: str) -> str:
    """One of the widget's numbers, as it stands there."""
    return page.locator(f"[data-number={key}]").first.inner_text()


def grid(page, k: int = 0):
    """The editor, L, the proxy, the words' and the contexts' Gram matrix, in this order."""
    return page.get_by_role("grid").nth(k)


def test_a_click_and_a_key_switch_a_cell(show):
    page = show(state("pairs"))
    assert [number(page, key) for key in ("primal", "excess", "rank")] == ["4.243", "0: optimal", "3"]
    logits = grid(page, 1)
    before = logits.text_content()
    grid(page).get_by_role("gridcell").nth(3).click()
    assert page.evaluate("models[0].get('S')[0]") == [1, 1, 1, 1, 0, 0]
    clicked = logits.text_content()
    assert clicked != before and page.evaluate("models[0].saved") == 1
    wanted = solve_ntp_svm(page.evaluate("models[0].get('S')"))
    assert number(page, "primal") == f"{wanted.primal:.3f}"
    page.keyboard.press("ArrowRight")  # the grid kept the focus
    page.keyboard.press("Space")
    assert page.evaluate("models[0].get('S')[0]") == [1, 1, 1, 1, 1, 0]
    assert logits.text_content() != clicked
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert logits.text_content() == before
    page.mouse.move(1, 1)
    said = page.locator("[aria-live]").first.inner_text()
    assert said == "«a» after «{bc}»: not in the support"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_matrices_are_read_by_key_in_both_at_once(show):
    page = show(state("failure"))
    grid(page, 1).focus()
    page.keyboard.press("Control+ArrowDown")
    reading = page.locator(".ntp-section > [aria-live]")
    assert reading.inner_text() == "after «{a}», «d»: L = −0.500, S̃ = −0.250, margin 1.333 against 1.000"
    grid(page, 3).focus()
    page.keyboard.press("ArrowRight")
    assert "«a» and «b»: inner product" in page.locator(".ntp-section > [aria-live]").inner_text()
    assert number(page, "excess") == "0.96 %"


def test_rows_columns_and_names(show):
    page = show(state("failure"))
    button = lambda name: page.get_by_role("button", name=name)  # noqa: E731
    button("Add a word").click()
    button("Add a context").click()
    S = page.evaluate("models[0].get('S')")
    assert (len(S), len(S[0]), S[4]) == (5, 4, [0, 0, 0, 1])
    button("Remove «t5»").click()
    message = page.locator(".ntp-message")
    assert "No word follows «c4» yet" in message.inner_text()
    assert not page.locator(".ntp-results").is_visible()
    button("Remove «c4»").click()
    assert not message.is_visible() and number(page, "primal") == "2.633"
    page.locator(".ntp-problem .ntp-label", has_text="b").nth(1).click()  # of {ab} and b, the row's
    words = page.get_by_role("textbox", name="Words")
    assert page.evaluate("document.activeElement.value.slice(document.activeElement.selectionStart, "
                         "document.activeElement.selectionEnd)") in ("b", "{ab}", "{ac}")
    words.fill("sun, <b>moon</b>, , star")
    words.press("Enter")
    assert page.evaluate("models[0].get('tokens')") == ["sun", "<b>moon</b>", "c", "star"]
    for _ in range(14):
        if button("Add a word").is_enabled():
            button("Add a word").click()
    assert page.evaluate("models[0].get('S').length") == 12


def test_an_empty_column_gets_a_sentence(show):
    page = show({"S": [[1, 0], [0, 0]], "tokens": [], "contexts": ["the", "a"]})
    assert "No word follows «a» yet. A context needs a next word" in page.locator(".ntp-message").inner_text()
    grid(page).get_by_role("gridcell").nth(3).click()
    assert number(page, "primal") == "1.000" and "NaN" not in page.locator("body").inner_text()
    for S in ([[1, 1], [1, 1]], [[1], [0]], [[1]]):  # nothing to separate, one context, one word
        page.evaluate("(S) => models[0].set('S', S)", S)
        assert "NaN" not in page.locator("body").inner_text()


def test_presets_and_the_slider_of_the_pentagon(show):
    page = show(state("tree"))
    slider = page.get_by_role("slider")
    for preset in PRESETS.values():
        page.get_by_role("button", name=preset["name"], exact=True).click()
        assert page.evaluate("models[0].get('S')") == preset["S"]
        assert slider.is_visible() == (preset["name"] == "Pentagon")
        assert page.locator("[aria-pressed=true]").inner_text() == preset["name"]
    page.get_by_role("button", name="Pentagon").click()
    before = grid(page, 1).text_content()
    slider.press("End")
    assert slider.get_attribute("aria-valuetext") == "0.62, margin 1.62"
    assert grid(page, 1).text_content() != before
    assert (number(page, "primal"), number(page, "rank")) == ("4.472", "2")


def test_python_reaches_the_page_and_two_widgets_keep_apart(show):
    page = show(state("tree"), state("fano"))
    second = page.locator(".ntp-support-grid").nth(1)
    before = second.inner_text()
    page.evaluate("models[0].set('S', [[1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]])")
    assert number(page, "primal") == "2.633"
    assert second.inner_text() == before
    assert page.evaluate("document.querySelectorAll('.host [id]').length") == 0
    page.evaluate("models[0].stop(); models[0].set('S', [[1], [0]])")
    assert number(page, "primal") == "2.633"
    assert page.evaluate("document.getAnimations().length") == 0


def test_clicks_leave_nothing_behind(show):
    """As many nodes after two clicks on each of many cells as before: what a click costs does not grow."""
    page = show({"S": np.ones((12, 12), int).tolist(), "tokens": [], "contexts": []})
    nodes = page.evaluate("""() => {
      const click = (i, j) => models[0].set("S", models[0].get("S").map((row, k) => row.map((value, l) =>
        (k === i && l === j ? 1 - value : value))));
      return [0, 1, 2, 3, 4, 5].map((k) => {
        click(k, k); click(k, k);
        return document.querySelectorAll("*").length;
      });
    }""")
    assert len(set(nodes)) == 1


def test_what_is_hidden_does_not_complain(show):
    page = show(state("failure"))
    page.locator(".ntp-results").scroll_into_view_if_needed()
    grid(page, 1).get_by_role("gridcell").nth(3).hover()
    page.evaluate("models[0].set('S', [[0, 1], [0, 1], [0, 0]])")  # the matrix under the pointer goes
    page.mouse.move(1, 1)
    page.evaluate("document.querySelector('.host').style.display = 'none'")
    page.wait_for_timeout(100)
    page.evaluate("models[0].set('S', [[1, 1, 1, 0], [0, 1, 1, 1]])")
    page.evaluate("document.querySelector('.host').style.display = ''")
    page.wait_for_timeout(100)
    assert grid(page, 1).get_by_role("gridcell").count() == 8
    assert number(page, "primal") != "–"


@pytest.mark.parametrize(("theme", "width"), [("light", 360), ("dark", 360), ("dark", 900)])
def test_widths_and_themes(show, theme, width):
    large = {"S": random_grids(1)[0], "tokens": ["a rather long word"], "contexts": ["a rather long context"]}
    page = show(large, state("pentagon"), theme=theme, width=width, scheme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert all(widget.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
               for widget in page.locator(".ntp-support-grid").all())
    contrasts = page.evaluate("textContrasts", TEXTS)
    assert len(contrasts) > 20
    assert min(contrasts.values()) >= 4.5, contrasts  # WCAG AA


TEXTS = ".host:nth-of-type(2) .ntp-support-grid :is(p, dt, dd, button, output, summary, .ntp-label, .ntp-value, .ntp-name)"


# --- Python -------------------------------------------------------------------------------------

@pytest.mark.parametrize(("S", "says"), [([], "S: want 1 to 12 rows"), ([[1], [1, 0]], "equal length"),
                                         ([[2]], "entries 0 and 1"), ([[1]] * 13, "1 to 12 rows")])
def test_grids_out_of_shape_are_named(S, says):
    widget = SupportGridWidget()
    with pytest.raises(ValueError, match=says):
        widget.S = S


def test_values_of_another_type_are_refused():
    with pytest.raises(traitlets.TraitError):
        SupportGridWidget([[0.5]])
    with pytest.raises(ValueError, match="want one of tree"):
        SupportGridWidget.preset("hexagon")


@pytest.mark.parametrize("kind", [bool, int, float, scipy.sparse.csc_array])
def test_supports_of_any_kind_become_whole_numbers(kind):
    S = kind(np.eye(2)) if kind is scipy.sparse.csc_array else np.eye(2, dtype=kind)
    assert repr(SupportGridWidget(S).S) == "[[1, 0], [0, 1]]"


def test_solution_and_words_follow_the_state():
    widget = SupportGridWidget(np.eye(3, dtype=bool), contexts=["x"])
    assert widget.S == np.eye(3, dtype=int).tolist()
    assert widget.names() == (("t1", "t2", "t3"), ("x", "c2", "c3"))
    assert abs(widget.solution().primal - 2) < 1e-9 and "so that it is optimal too" in widget.fallback()
    widget.S = [[1, 0]]
    assert "No next token yet after «c2»" in widget.fallback()


@pytest.mark.parametrize(("S", "verdict"), [
    (PRESETS["pentagon"]["S"], None), (PRESETS["fano"]["S"], None), (PRESETS["windows"]["S"], 5.03),
    (PRESETS["failure"]["S"], 0.96), ([[1, 1], [1, 1]], None)])
def test_words_say_by_how_much_the_proxy_is_longer(S, verdict):
    """Where every word may follow every context, both have length zero."""
    widget = SupportGridWidget(S)
    singular = np.linalg.svd(centered_support(np.array(S)), compute_uv=False)
    solved = nuclear(widget.solution().L)
    if verdict is not None:
        assert 100 * (singular.sum() / solved - 1) == pytest.approx(verdict, abs=0.005)
    says = "so that it is optimal too" if verdict is None else f"{verdict:.2f} % more"
    _, after, norms, values = widget.fallback().splitlines()
    assert norms == (f"The largest-margin logits have nuclear norm {solved:.3f}; "
                     f"that of the centred support is {singular.sum():.3f}, {says}.")
    assert values.endswith("of the centred support: " + ", ".join(f"{abs(s):.3f}" for s in singular) + ".")
    for j, column in enumerate(zip(*S, strict=True)):
        assert f"After «c{j + 1}»: {', '.join(f't{i + 1}' for i, inside in enumerate(column) if inside)}." in after


def test_the_module_is_whole_and_imports_nothing():
    code = [line for line in SupportGridWidget._esm.splitlines() if not line.lstrip().startswith(("//", "*"))]
    assert not any(line.startswith("import ") or "import(" in line for line in code)
    assert SupportGridWidget._esm.count("export default") == 1
    assert "http" not in SupportGridWidget._esm.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in SupportGridWidget._css and "@import" not in SupportGridWidget._css

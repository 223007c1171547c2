"""The panel of neighbours: its numbers in the page against Python's, and what a reader does with it.

The page gets reduced and rounded vectors. Two oracles: a decoder written here, for what the page computes from them;
and the vectors themselves in float64, for what reducing and rounding may cost.
"""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from ntputils.widgets import NeighboursWidget
from ntputils.widgets.neighbours import LARGEST_STATE

WIDGET = NeighboursWidget
TRAITS = ("words", "names", "dims", "packed", "error", "examples", "word", "count")
SUMS = 1e-12      # sums of fifty products of whole numbers are exact; roots and quotients round

WORDS = ["king", "queen", "ark", "sea", "<b>day</b>", "night", "kingdom", "kindness", "to", "longsuffering"]


def geometries(V, dims, seed=0):
    """Geometries that share part of what they say."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(V, 4))
    return {name: np.hstack([common, rng.normal(size=(V, d - 4))]) * scale for name, d, scale in dims}


@pytest.fixture(scope="module")
def small():
    return geometries(len(WORDS), [("NTP-SVM", 6, 1.0), ("proxy", 7, 100.0), ("PPMI <i>", 5, 1e-3)])


@pytest.fixture(scope="module")
def widget(small):
    return NeighboursWidget(WORDS, small, examples=["queen", "sea", "<b>day</b>"], count=4)


@pytest.fixture(scope="module")
def large():
    """The size of the chapter."""
    vocab = [f"w{z}" for z in range(500)]
    found = geometries(500, [(f"geometry {g}", 50, 10.0**g) for g in range(8)], seed=1)
    return vocab, found, NeighboursWidget(vocab, found)


def state(widget, **changes) -> dict:
    return {name: getattr(widget, name) for name in TRAITS} | changes


def unpacked(widget) -> list[np.ndarray]:
    """The vectors of every geometry, read from the state."""
    data, at, found = base64.b64decode(widget.packed), 0, []
    for d in widget.dims:
        size = len(widget.words) * d
        whole = np.frombuffer(data[at:at + size], np.uint8).astype(int)
        found.append(np.where(whole > 127, whole - 256, whole).reshape(-1, d))
        at += size
    assert at == len(data)
    return found


def cosines(X, at):
    X = np.asarray(X, dtype=float)
    return (X @ X[at]) / (np.linalg.norm(X, axis=1) * np.linalg.norm(X[at]))


def shown(page, geometry) -> list[tuple[str, str]]:
    items = page.get_by_role("list", name=f"Nearest under {geometry}", exact=True).get_by_role("listitem")
    return [(item.locator(".ntp-word").inner_text(), item.locator(".ntp-p").inner_text()) for item in items.all()]


def number(page, key: str) -> int:
    return int(page.locator(f"[data-number={key}]").first.inner_text())


def get(page, name: str):
    return page.evaluate("(name) => models[0].get(name)", name)


# --- numbers ------------------------------------------------------------------------------------

PAGE = """(at) => {
  const vectors = module.vectorsOf(models[0].get("packed"), models[0].get("words").length, models[0].get("dims"));
  return at.map((i) => vectors.map((one) => {
    const found = module.cosinesWith(one, i);
    return { cosines: found, order: module.ranking(found, i) };
  }));
}"""


@pytest.mark.parametrize("size", ["small", "large"])
def test_every_cosine_is_pythons(show, widget, small, large, size):
    here, exact = (widget, small) if size == "small" else (large[2], large[1])
    at = list(range(len(here.words))) if size == "small" else [0, 7, 499]
    found, rounded = show(state(here)).evaluate(PAGE, at), unpacked(here)
    for i, by_geometry in zip(at, found, strict=True):
        for got, X, W in zip(by_geometry, rounded, exact.values(), strict=True):
            np.testing.assert_allclose(got["cosines"], cosines(X, i), rtol=0, atol=SUMS)
            np.testing.assert_allclose(got["cosines"], cosines(W, i), rtol=0, atol=here.error + SUMS)
            assert sorted([*got["order"], i]) == list(range(len(here.words)))
            assert np.all(np.diff(np.array(got["cosines"])[got["order"]]) <= 0)


def test_the_error_is_the_largest_there_is(large):
    vocab, found, here = large
    worst = max(np.abs(cosines(X, i) - cosines(W, i)).max()
                for X, W in zip(unpacked(here), found.values()) for i in range(0, 500, 10))
    assert 0.5 * here.error < worst <= here.error + SUMS
    whole = NeighboursWidget(vocab[:200], {"whole": found["geometry 0"][:200]}, dimensions=50)
    assert 0 < whole.error < 0.02                           # rounding alone; steps of 1/127 of the largest entry
    reduced = NeighboursWidget(vocab[:200], {"whole": found["geometry 0"][:200]}, dimensions=20)
    assert reduced.dims == [20] and reduced.error > 5 * whole.error       # no direction of these is small, and it says so


def test_python_lists_neighbours_by_definition(small, widget):
    for name, W in small.items():
        for word in WORDS:
            values = dict(zip(WORDS, cosines(W, WORDS.index(word))))
            best = sorted((other for other in WORDS if other != word), key=lambda other: -values[other])[:4]
            assert widget.neighbours(word, name) == [(other, round(values[other], 3) + 0.0) for other in best]


def test_a_vector_of_zeros_is_near_to_none(show):
    W = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [-1.0, 0.0]])
    here = NeighboursWidget(["a", "b", "c", "d"], {"one": W}, word="b", count=3)
    assert here.neighbours() == [("a", 0.0), ("c", 0.0), ("d", 0.0)]
    assert shown(show(state(here)), "one") == [("a", "0.00"), ("c", "0.00"), ("d", "0.00")]


# --- in the page --------------------------------------------------------------------------------

def test_lists_show_words_cosines_and_what_they_share(show, widget):
    page = show(state(widget))
    lists = [[word for word, _ in widget.neighbours(geometry=name)] for name in widget.names]
    for name, words in zip(widget.names, lists):
        got = shown(page, name)
        assert [word for word, _ in got] == words
        for (_, said), (_, cosine) in zip(got, widget.neighbours(geometry=name)):
            assert float(said.replace("−", "-")) == pytest.approx(cosine, abs=widget.error + 0.006)
    count = {word: sum(word in one for one in lists) for word in WORDS}
    assert number(page, "any") == sum(k > 0 for k in count.values())
    assert number(page, "several") == sum(k > 1 for k in count.values())
    assert number(page, "all") == sum(k == 3 for k in count.values())
    for button in page.locator("[data-word]").all():
        k = count[button.locator(".ntp-word").inner_text()]
        badge = button.locator(".ntp-count")
        assert (badge.inner_text() == str(k)) if k > 1 else badge.count() == 0
        assert button.get_attribute("aria-label").endswith(f"in {k} of 3 lists")
    assert page.locator(".ntp-reading").inner_text() == "Nearest to «queen», among 10 words."
    assert f"within {widget.error:.3f} of" in page.locator(".ntp-note").inner_text()


def test_examples_and_neighbours_are_pressed(show, widget):
    page = show(state(widget))
    page.get_by_role("button", name="sea", exact=True).click()
    assert get(page, "word") == "sea" and page.get_by_role("textbox", name="Word").input_value() == "sea"
    assert page.locator(".ntp-presets [aria-pressed=true]").inner_text() == "sea"
    first = page.get_by_role("list", name="Nearest under proxy").get_by_role("button").first
    word = first.locator(".ntp-word").inner_text()
    assert word == widget.neighbours("sea", "proxy")[0][0]
    first.click()
    assert get(page, "word") == word and get(page, "word") in WORDS
    assert shown(page, "proxy")[0][0] == widget.neighbours(word, "proxy")[0][0]


def test_by_keyboard_alone(show, widget):
    page = show(state(widget))
    box = page.get_by_role("textbox", name="Word")
    box.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("Kin")
    offered = page.get_by_role("group", name="Words that begin so").get_by_role("button")
    assert offered.all_inner_texts() == ["king", "kingdom", "kindness"] and get(page, "word") == "queen"
    page.keyboard.type("g")
    assert get(page, "word") == "king" and offered.all_inner_texts() == ["kingdom"]   # a whole word counts at once
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.textContent") != "kingdom":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert get(page, "word") == "kingdom" and page.evaluate("document.activeElement.tagName") == "INPUT"
    page.keyboard.press("Control+a")
    page.keyboard.type("lo")
    page.keyboard.press("Enter")
    assert get(page, "word") == "longsuffering" and box.input_value() == "longsuffering"
    first = page.get_by_role("list", name="Nearest under NTP-SVM").get_by_role("button").first
    first.focus()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    word = first.locator(".ntp-word").inner_text()
    page.keyboard.press("Enter")
    assert get(page, "word") == word
    assert page.evaluate("document.activeElement.closest('ol').getAttribute('aria-label')") == "Nearest under NTP-SVM"


def test_a_word_that_is_not_there_gets_a_sentence(show, widget):
    page = show(state(widget))
    box = page.get_by_role("textbox", name="Word")
    box.fill("zebra")
    box.press("Enter")
    assert page.get_by_role("status").inner_text() == "No word of these 10 begins with «zebra»."
    assert get(page, "word") == "queen"
    box.fill("  Sea ")
    assert get(page, "word") == "sea" and page.get_by_role("status").inner_text() == ""
    box.fill("")
    box.press("Enter")
    assert get(page, "word") == "sea"


def test_a_word_is_found_in_all_lists(show, widget):
    page = show(state(widget))
    button = page.locator("[data-word]").first
    word = button.locator(".ntp-word").inner_text()
    button.hover()
    places = [1 + [w for w, _ in sorted(zip(WORDS, cosines(X, 1)), key=lambda pair: -pair[1]) if w != "queen"].index(word)
              for X in unpacked(widget)]
    said = ", ".join(f"{name} {place}" for name, place in zip(widget.names, places))
    assert page.locator(".ntp-reading").inner_text() == f"«{word}» is neighbour number: {said}."
    lit = page.locator("[data-word].ntp-here .ntp-word").all_inner_texts()
    assert lit and set(lit) == {word}
    page.mouse.move(1, 1)
    assert page.locator(".ntp-reading").inner_text().startswith("Nearest to «queen»")


def test_python_reaches_the_page_and_two_panels_keep_apart(show, widget):
    page = show(state(widget), state(widget, word="ark"))
    second = page.locator(".ntp-neighbours").nth(1)
    before = second.inner_text()
    page.evaluate("models[0].set('word', 'night')")
    assert page.get_by_role("textbox", name="Word").first.input_value() == "night" and second.inner_text() == before
    page.evaluate("models[0].set('count', 2)")
    assert len(shown(page, "proxy")) >= 2
    assert page.locator(".ntp-neighbours").first.get_by_role("listitem").count() == 6
    assert page.evaluate("document.querySelectorAll('.host [id]').length") == 0
    assert page.evaluate("document.querySelectorAll('.host b, .host i').length") == 0    # words are text, never markup
    page.evaluate("models[0].stop(); models[0].set('word', 'king')")
    assert page.get_by_role("textbox", name="Word").first.input_value() == "night"


def test_nothing_moves_by_itself(show, widget):
    page = show(state(widget))
    before = page.locator("body").inner_text()
    page.wait_for_timeout(300)
    assert page.locator("body").inner_text() == before
    assert page.evaluate("document.getAnimations().length") == 0


@pytest.mark.parametrize(("theme", "width"), [("light", 360), ("dark", 360), ("light", 900), ("dark", 900)])
def test_widths_and_themes(show, large, widget, theme, width):
    page = show(state(large[2]), state(widget, word="ark"), theme=theme, width=width, scheme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for panel in page.locator(".ntp-neighbours").all():
        assert panel.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
        cut = panel.locator(".ntp-column button").evaluate_all(
            "nodes => nodes.filter((node) => node.scrollWidth > node.clientWidth + 1).length")
        assert cut == 0
    contrasts = page.evaluate("textContrasts", TEXTS)
    assert len(contrasts) > 20
    assert min(contrasts.values()) >= 4.5, contrasts  # WCAG AA


TEXTS = ".ntp-neighbours :is(p, dt, dd, .ntp-presets span, button, .ntp-word, .ntp-count, .ntp-p)"


# --- Python -------------------------------------------------------------------------------------

def test_what_cannot_be_shown_is_named(small):
    W = np.eye(3)
    for vocab in (["a", "b"], ["a", "b", "a"]):
        with pytest.raises(ValueError, match="vocab: got"):
            NeighboursWidget(vocab, {"one": W})
    with pytest.raises(TypeError, match="geometries: got ndarray"):
        NeighboursWidget("abc", W)
    with pytest.raises(ValueError, match="geometries: got 0, want 1 to 9"):
        NeighboursWidget("abc", {})
    for bad in (np.eye(4), np.full((3, 2), np.nan), np.ones(3), np.ones((3, 0))):
        with pytest.raises(ValueError, match="geometries: one has shape"):
            NeighboursWidget("abc", {"one": bad})
    with pytest.raises(ValueError, match="dimensions: got 0"):
        NeighboursWidget("abc", {"one": W}, dimensions=0)
    with pytest.raises(ValueError, match="examples: got 'z'"):
        NeighboursWidget("abc", {"one": W}, examples=["a", "z"])
    with pytest.raises(ValueError, match="word: got 'z', want one of the 3 words"):
        NeighboursWidget("abc", {"one": W}, word="z")
    with pytest.raises(ValueError, match="count: got 0"):
        NeighboursWidget("abc", {"one": W}, count=0)
    widget = NeighboursWidget("abc", {"one": W})
    for word, geometry in (("z", "one"), ("a", "two")):
        with pytest.raises(ValueError, match="word, geometry: got"):
            widget.neighbours(word, geometry)


def test_the_state_is_small_enough_and_larger_ones_are_refused(large):
    vocab, found, here = large
    assert len(json.dumps(state(here))) < LARGEST_STATE == 300_000
    with pytest.raises(ValueError, match="bytes for the page, want at most 300,000"):
        NeighboursWidget([f"w{z}" for z in range(1000)], geometries(1000, [(f"g{g}", 50, 1.0) for g in range(8)]))


def test_words_follow_the_state(widget):
    assert repr(widget) == "NeighboursWidget(10 words, 3 geometries)"
    said = widget.fallback().splitlines()
    assert said[0] == "Nearest to «queen», among 10 words:" and len(said) == 4
    name, cosine = widget.neighbours(geometry="proxy")[0]
    assert said[2].startswith(f"proxy: {name} ({cosine:.2f})")


def test_zeros_have_no_direction_and_no_minus():
    """A vector of zeros is at right angles to all, in Python and in what the page gets; a cosine just below zero is 0.0."""
    W = np.array([[1.0, 0.0], [0.0, 0.0], [-1e-5, 1.0], [-1.0, 0.0]])
    here = NeighboursWidget(["a", "b", "c", "d"], {"one": W}, count=3)
    assert repr(here.neighbours("b")) == "[('a', 0.0), ('c', 0.0), ('d', 0.0)]"
    assert repr(here.neighbours("a")) == "[('b', 0.0), ('c', 0.0), ('d', -1.0)]"
    assert np.abs(unpacked(here)[0]).max(axis=1).tolist() == [127, 0, 127, 127] and here.error < 0.01
    near = NeighboursWidget(["a", "b", "c"], {"one": np.array([[1.0, 0.0], [-0.004, 1.0], [-1.0, 0.0]])}, count=1)
    assert near.neighbours("a") == [("b", -0.004)] and near.fallback().endswith("one: b (0.00).")


def test_the_module_is_whole_and_imports_nothing():
    code = [line for line in NeighboursWidget._esm.splitlines() if not line.lstrip().startswith(("//", "*"))]
    assert not any(line.startswith("import ") or "import(" in line for line in code)
    assert NeighboursWidget._esm.count("export default") == 1
    assert "http" not in NeighboursWidget._esm.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in NeighboursWidget._css and "@import" not in NeighboursWidget._css

"""Questions and answers in a real browser, from a file: on four pages, and on the book itself where it is built."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import expect

ROOT = Path(__file__).resolve().parents[2]
ITEM = "article[data-item]"
OVERFLOW = "() => document.documentElement.scrollWidth - window.innerWidth"


@pytest.fixture(params=["four pages", "the book"])
def questions(request) -> tuple[Path, list[dict]]:
    """The page, and the items that it shows."""
    if request.param == "the book":
        site = request.getfixturevalue("site")
        text = (ROOT / "book" / "discussion.yml").read_text(encoding="utf-8")
        return site / "book" / "questions.html", yaml.safe_load(text)
    pages = request.getfixturevalue("built_pages")
    return pages.page("book/questions"), pages.items


@pytest.fixture
def show(questions, visit):
    """Opens the page, with a state after `#`; in the end no page has complained or asked for anything."""
    visits = []

    def open_page(state: str = "", **options):
        visits.append(visit(questions[0].as_uri() + state, **options))
        return visits[-1].page

    yield open_page
    for record in visits:
        assert record.errors == [] and record.left_the_page == []


def shown(page) -> set[int]:
    """The numbers of the items that can be seen."""
    seen = page.locator(ITEM).evaluate_all("all => all.filter((item) => item.offsetParent).map((item) => item.id)")
    return {int(name.removeprefix("d-")) for name in seen}


def test_the_menus_keep_askers_and_marks(questions, show) -> None:
    items, page = questions[1], show()
    by_asker = Counter(item["who"].split(" to ")[0] for item in items)
    menu = page.get_by_label("Asked by")
    assert {option.get_attribute("value") for option in menu.locator("option").all()} == {"", *by_asker}
    for who, count in by_asker.items():
        menu.select_option(who)
        assert len(shown(page)) == count
        expect(page.locator("form output")).to_have_text(f"{count} of {len(items)} items shown")
    page.get_by_role("button", name="Reset").click()
    page.get_by_label("Answer").select_option("open")
    assert shown(page) == {item["id"] for item in items if item["mark"] == "open"} and page.url.endswith("#mark=open")
    groups = page.locator(".ntp-group").evaluate_all("all => all.filter((group) => group.offsetParent).length")
    assert groups == len({item["group"] for item in items if item["mark"] == "open"})


def test_words_are_looked_for_in_questions_and_answers(questions, show) -> None:
    item, page = questions[1][30], show()
    page.get_by_label("Words").fill("D31 " + item["ask"].split("$")[0].split("`")[0].split("*")[0][:25])
    assert 31 in shown(page) and len(shown(page)) < len(questions[1])


def test_an_item_can_be_linked_whatever_the_filters_hide(questions, show) -> None:
    page = show("#d-31")
    expect(page.locator("#d-31")).to_be_in_viewport()
    page.get_by_label("Answer").select_option("open")
    hidden = max({item["id"] for item in questions[1]} - shown(page))
    page.evaluate(f"location.hash = 'd-{hidden}'")
    expect(page.locator(f"#d-{hidden}")).to_be_in_viewport()
    assert len(shown(page)) == len(questions[1])


def test_claims_unfold_by_keyboard(show) -> None:
    page = show()
    fold = page.locator(f"{ITEM} details").first
    if fold.count() == 0:  # four pages have few claims
        assert page.locator(".ntp-bearing a").count() > 0
        return
    fold.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(fold.locator("a").first).to_be_visible()


def test_without_javascript_everything_is_there(questions, browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(questions[0].as_uri())
    assert page.locator(ITEM).count() == len(questions[1]) and page.locator(ITEM).last.is_visible()
    assert not page.locator("form.ntp-filter").is_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen(show, scheme: str) -> None:
    page = show(width=360, scheme=scheme)
    assert page.evaluate(OVERFLOW) <= 0
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    assert page.evaluate(OVERFLOW) <= 0


def test_print_shows_what_is_folded_and_no_form(show) -> None:
    page = show()
    page.emulate_media(media="print")
    assert not page.locator("form.ntp-filter").is_visible()
    hidden = "all => all.filter((item) => !item.checkVisibility({ contentVisibilityAuto: true })).length"
    assert page.locator(".ntp-claims a").evaluate_all(hidden) == 0

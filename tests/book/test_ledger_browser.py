"""The ledger's filters in a real browser, from a file: on four pages, and on the book itself where it is built."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

ROW = "tr[data-item]"
OVERFLOW = "() => document.documentElement.scrollWidth - window.innerWidth"


@pytest.fixture(params=["four pages", "the book"])
def ledger(request) -> tuple[Path, list[dict]]:
    """The ledger's page, and the claims that it shows."""
    if request.param == "the book":
        site = request.getfixturevalue("site")
        return site / "book" / "ledger.html", json.loads((site / "claims.json").read_text(encoding="utf-8"))
    pages = request.getfixturevalue("built_pages")
    return pages.page("book/ledger"), pages.claims


@pytest.fixture
def show(ledger, visit):
    """Opens the page, with a state after `#`; in the end no page has complained or asked for anything."""
    visits = []

    def open_page(state: str = "", **options):
        visits.append(visit(ledger[0].as_uri() + state, **options))
        return visits[-1].page

    yield open_page
    for record in visits:
        assert record.errors == [] and record.left_the_page == []


def shown(page) -> list[str]:
    """The ids of the claims that can be seen."""
    seen = "rows => rows.filter((row) => row.offsetParent).map((row) => row.cells[0].innerText)"
    return page.locator(ROW).evaluate_all(seen)


def ids(claims: list[dict], wanted: Callable[[dict], bool]) -> list[str]:
    return [claim["id"] for claim in claims if wanted(claim)]


def test_menus_keep_what_they_say_and_the_line_counts_it(ledger, show) -> None:
    claims, page = ledger[1], show()
    assert shown(page) == ids(claims, lambda claim: True)
    line, count = page.locator("form output"), len(claims)
    expect(line).to_have_attribute("aria-live", "polite")
    page.get_by_label("Verdict").select_option("fails")
    fails = ids(claims, lambda claim: claim["verdict"] == "fails")
    assert shown(page) == fails and page.url.endswith("#verdict=fails")
    expect(line).to_have_text(f"{len(fails)} of {count} claims shown")
    page.get_by_label("Part").select_option("B")
    both = ids(claims, lambda claim: claim["verdict"] == "fails" and claim["part"] == "B")
    assert shown(page) == both and page.url.endswith("#part=B&verdict=fails")
    page.get_by_role("button", name="Reset").click()
    expect(line).to_have_text(f"{count} of {count} claims shown")
    assert len(shown(page)) == count and "#" not in page.url


def test_every_choice_says_how_many_it_keeps(show) -> None:
    page = show()
    for name in ("Part", "Source", "Verdict"):
        menu = page.get_by_label(name, exact=True)
        for option in menu.locator("option:not([value=''])").all():
            menu.select_option(option.get_attribute("value"))
            assert option.inner_text().endswith(f"({len(shown(page))})")
        menu.select_option("")


def test_sources_are_told_apart_by_family(ledger, show) -> None:
    claims, page = ledger[1], show("#source=discussion")
    assert shown(page) == ids(claims, lambda claim: claim["source"].startswith("D"))
    page.get_by_label("Source").select_option("open")
    assert shown(page) == ids(claims, lambda claim: claim["source"].startswith("F."))


def test_a_chapter_without_rows_hides_its_heading(ledger, show) -> None:
    claims, page = ledger[1], show()
    first = claims[0]
    page.get_by_label("Words").fill(first["statement"][:60])
    assert first["id"] in shown(page)
    seen = {claim.split(".")[0] for claim in shown(page)}
    in_sight = "all => all.filter((heading) => heading.offsetParent).map((heading) => heading.innerText)"
    headings = page.locator(".ntp-group > h2").evaluate_all(in_sight)
    chapters = {claim["id"].split(".")[0] for claim in claims}
    assert {heading.split()[1].rstrip("#") for heading in headings} == seen < chapters


def test_a_linked_view_opens_as_it_was(ledger, show) -> None:
    claims = ledger[1]
    page = show("#verdict=holds%20at%20this%20scale")
    assert shown(page) == ids(claims, lambda claim: claim["verdict"] == "holds at this scale")
    assert page.get_by_label("Verdict").input_value() == "holds at this scale"
    page.evaluate("location.hash = 'verdict=nonsense'")
    expect(page.locator("form output")).to_have_text(f"{len(claims)} of {len(claims)} claims shown")
    page.evaluate("location.hash = 'verdict=fails'")
    expect(page.locator("form output")).not_to_have_text(f"{len(claims)} of {len(claims)} claims shown")
    page.evaluate("location.hash = 'chapter-2'")  # a place on the page: it must be in sight
    expect(page.locator("#chapter-2")).to_be_in_viewport()
    assert len(shown(page)) == len(claims)


def test_the_filters_work_by_keyboard(ledger, show) -> None:
    page = show()
    page.get_by_label("Part").focus()
    page.keyboard.press("ArrowDown")
    assert shown(page) == ids(ledger[1], lambda claim: claim["part"] == "A")
    for control in ("Source", "Verdict", "Words"):
        page.keyboard.press("Tab")
        expect(page.get_by_label(control)).to_be_focused()
    page.keyboard.type("no claim says this")
    page.keyboard.press("Enter")  # the form is not sent anywhere
    expect(page.locator("form output")).to_have_text(f"0 of {len(ledger[1])} claims shown")
    assert "?" not in page.url
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("form output")).to_have_text(f"{len(ledger[1])} of {len(ledger[1])} claims shown")


def test_without_javascript_the_whole_table_is_there(ledger, browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(ledger[0].as_uri())
    assert page.locator(ROW).first.is_visible() and page.locator(ROW).last.is_visible()
    assert not page.locator("form.ntp-filter").is_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen(ledger, show, scheme: str) -> None:
    page = show("#verdict=fails", width=360, scheme=scheme)
    assert shown(page) == ids(ledger[1], lambda claim: claim["verdict"] == "fails")
    page.locator(".bd-article details summary").first.click()  # the index of statements
    assert page.evaluate(OVERFLOW) <= 0
    row = page.locator(f"{ROW}:not([hidden])").first
    assert row.evaluate("(row) => getComputedStyle(row).display") == "block"
    assert row.locator("td").nth(3).evaluate("(cell) => getComputedStyle(cell, '::before').content") == '"Measured: "'
    boxes = [box.bounding_box() for box in page.locator(".ntp-filter :is(select, input, button)").all()]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 360 and box["height"] >= 24 for box in boxes)

"""The answers to the public discussion: what the file may not say, and what the page shows of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "book" / "_ext"))
from ntpbook.discussion import GROUPS, ITEMS, faults  # noqa: E402


def by_id(entries: list[dict]) -> dict[str, dict]:
    return {entry["id"]: entry for entry in entries}


def article(page: Path, item: int):
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").find(id=f"d-{item}")


def words(node) -> str:
    return " ".join(node.get_text().split())


@pytest.mark.parametrize(("change", "message"), [
    (lambda items: items.pop(16), "1 of the 87 items are missing: D17"),
    (lambda items: items.append(items[4]), "D5 stands twice"),
    (lambda items: items[4].update(id=88), "D88: id: want a whole number from 1 to 87"),
    (lambda items: items[4].pop("why"), "D5: lacks ['why']"),
    (lambda items: items[4].update(note="x"), "D5: lacks [] or has unknown fields ['note']"),
    (lambda items: items[4].update(answer=" \n"), "D5: its field answer is empty"),
    (lambda items: items[4].update(ask=None), "D5: its field ask is empty"),
    (lambda items: items[4].update(who="R6"), "D5: who: got 'R6'"),
    (lambda items: items[4].update(who="A to everyone"), "D5: who: got 'A to everyone'"),
    (lambda items: items[4].update(group="odd"), "D5: group: got 'odd', want one of realistic, right, clear, use, new"),
    (lambda items: items[4].update(mark="sure"), "D5: mark: got 'sure', want one of measured, defined, open"),
    (lambda items: items[4].update(mark="open"), "D5: why: an item that is open says why"),
    (lambda items: items[4].update(why="It is hard."), "D5: why: an item that is open says why"),
    (lambda items: items[4].update(mark="measured"), "D5: it is marked measured, and its answer cites no claim"),
    (lambda items: items[4].update(answer="See {claim}`9.9`."), "D5: its answer cites claim 9.9, which the ledger"),
    (lambda items: items[0].update(answer="See {claim}`1.3`."), "cites claim 1.3, whose `discussion` does not list 1"),
])
def test_what_is_wrong_is_named(pages, change, message: str) -> None:
    claims = by_id(pages.claims)
    assert faults(pages.items, claims) == []
    change(pages.items)
    assert any(message in fault for fault in faults(pages.items, claims)), faults(pages.items, claims)


def test_a_file_of_another_form_is_named() -> None:
    assert faults({"id": 1}, {}) == ["discussion.yml: want a list of entries with fields"] == faults(["D1"], {})


def test_a_fault_fails_the_build_and_says_where(pages) -> None:
    pages.items[4]["mark"] = "measured"
    said = pages.build()
    assert any("book/questions.md" in line and "WARNING: discussion.yml, D5: it is marked" in line for line in said)
    assert article(pages.page("book/questions"), 5) is None


def test_the_book_s_own_answers_are_whole() -> None:
    """The page is in the book; every item has an answer, and a measured one leans on claims that bear on it."""
    assert "book/questions" in (ROOT / "_toc.yml").read_text(encoding="utf-8")
    items = yaml.safe_load((ROOT / "book" / "discussion.yml").read_text(encoding="utf-8"))
    claims = by_id(yaml.safe_load((ROOT / "book" / "claims.yml").read_text(encoding="utf-8")))
    assert faults(items, claims) == []
    assert faults(items[1:], claims) == [f"discussion.yml: 1 of the {ITEMS} items are missing: D1"]


def test_an_item_shows_who_asked_what_the_answer_and_its_mark(built_pages) -> None:
    page = built_pages.page("book/questions")
    first, second, third = (article(page, item) for item in (1, 2, 3))
    assert words(first.h3) == "D1, Reviewer 2 measured"
    assert first["data-who"] == "R2" and first["data-mark"] == "measured"
    assert words(second.h3) == "D2, the authors to Reviewer 1 and Reviewer 2 defined" and second["data-who"] == "A"
    assert words(first.find(class_="ntp-ask")) == "What of number 1?"
    assert words(first.find_all("p")[1]) == r"No, not so: claim 2.2 fails, with \(V\) words."
    assert first.find("em").get_text() == "not" and first.find(class_="math")
    assert "cannot be settled here" in words(third.h3) and "Nothing here can." in words(third)
    assert {link["href"] for link in second.find_all("a")} >= {"../notebooks/01_first.html#thm-1", "#d-31"}


def test_groups_stand_in_their_order_and_every_item_in_one(built_pages) -> None:
    page = BeautifulSoup(built_pages.page("book/questions").read_text(encoding="utf-8"), "html.parser")
    sections = page.select("section.ntp-group")
    assert [section.h2.contents[0] for section in sections] == list(GROUPS.values())
    ids = [[int(item["id"].removeprefix("d-")) for item in section.select("article[data-item]")]
           for section in sections]
    assert ids == [[item["id"] for item in built_pages.items if item["group"] == group] for group in GROUPS]
    assert sorted(sum(ids, [])) == list(range(1, ITEMS + 1))
    assert "87 items: 1 measured, 85 defined, 1 cannot be settled here." in words(page)


def test_claims_that_bear_on_an_item_are_listed_and_folded_when_many(pages) -> None:
    for claim in pages.claims:
        claim["discussion"] = [1]
    pages.claims.append(pages.claims[0] | {"id": "1.4", "discussion": [1, 2]})
    pages.committed = pages.claims
    assert pages.build() == []
    first, second, third = (article(pages.page("book/questions"), item) for item in (1, 2, 3))
    assert words(first.details.summary) == "7 claims bear on this (holds: 3, fails: 2, holds at this scale: 1, open: 1)"
    assert [words(item) for item in first.select(".ntp-claims li")][:2] == ["1.1 holds", "1.2 fails"]
    assert second.details is None and [words(item) for item in second.select(".ntp-claims li")] == ["1.4 holds"]
    assert third.find(class_="ntp-claims") is None

"""The ledger's page and the roles that lead to it, on four pages; and the book's own ledger against its cells."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
FIRST = "../notebooks/01_first.html"
LABEL = re.compile(r"^#?\s*:label: ([\w-]+)$", re.MULTILINE)


def parsed(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def words(node) -> str:
    return " ".join(node.get_text().split())


def links(node) -> dict[str, str]:
    """What the links of a piece of a page say, and where they lead."""
    return {link.get_text(): link["href"] for link in node.find_all("a", href=True)}


def cells(folder: Path) -> list[str]:
    """The ids of all claims that the notebooks' cells measure."""
    scripts = (ast.parse(script.read_text(encoding="utf-8")) for script in sorted(folder.glob("*.py")))
    calls = (node for script in scripts for node in ast.walk(script)
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "claim")
    return [ast.literal_eval(call.args[0]) for call in calls]


def labels(folder: Path) -> set[str]:
    """The labels of all definitions and statements of the notebooks."""
    return {label for script in folder.glob("*.py") for label in LABEL.findall(script.read_text(encoding="utf-8"))}


def gaps(entries: list[dict], folder: Path) -> list[str]:
    """Entries without a cell, cells without an entry, labels that no statement has."""
    ids, measured, known = {entry["id"] for entry in entries}, cells(folder), labels(folder)
    found = [f"entry {name} has no cell" for name in sorted(ids - set(measured))]
    found += [f"cell {name} has no entry" for name in sorted(set(measured) - ids)]
    found += [f"claim {name} has two cells" for name in sorted({name for name in measured if measured.count(name) > 1})]
    return found + [f"claim {entry['id']}: no statement {label}" for entry in entries for label in entry.get("of", [])
                    if label not in known]


def test_every_entry_has_a_cell_and_every_cell_an_entry() -> None:
    entries = yaml.safe_load((ROOT / "book" / "claims.yml").read_text(encoding="utf-8"))
    assert len(entries) > 400 and gaps(entries, ROOT / "notebooks") == []


def test_a_gap_between_ledger_and_cells_is_seen(tmp_path) -> None:
    script = "# :label: thm-one\n\n# %%\nclaim('1.1', 0)\n\n# %%\nx = claim('1.2', len([1]))\n"
    (tmp_path / "01_x.py").write_text(script, encoding="utf-8")
    entries = [{"id": "1.1", "of": ["thm-one"]}, {"id": "1.2"}]
    assert gaps(entries, tmp_path) == []
    assert gaps(entries[:1], tmp_path) == ["cell 1.2 has no entry"]
    assert gaps([*entries, {"id": "1.3", "of": ["thm-two"]}], tmp_path) == ["entry 1.3 has no cell",
                                                                          "claim 1.3: no statement thm-two"]
    (tmp_path / "02_x.py").write_text("claim('1.1', 1)\n", encoding="utf-8")
    assert gaps(entries, tmp_path) == ["claim 1.1 has two cells"]


def test_a_row_leads_to_its_cell_its_statements_and_its_items(built_pages) -> None:
    rows = parsed(built_pages.page("book/ledger")).select("tr[data-item]")
    assert [row.td.get_text() for row in rows] == [claim["id"] for claim in built_pages.claims]
    assert links(rows[0]) == {"1.1": f"{FIRST}#claim-1-1", "Theorem 1.1": f"{FIRST}#thm-1",
                              "D1": "questions.html#d-1", "D2": "questions.html#d-2"}
    assert "checks Theorem 1.1; bears on D1, D2" in words(rows[0])
    assert [(row["data-part"], row["data-source"], row["data-verdict"]) for row in rows] == [
        ("A", "paper", "holds"), ("B", "T24", "fails"), ("D", "discussion", "holds at this scale"),
        ("B", "derived", "holds"), ("E", "related", "fails"), ("E", "open", "open")]
    assert links(rows[2].find("td", attrs={"data-head": "Source"})) == {"D13": "questions.html#d-13"}
    assert "E.5" not in rows[4].get_text() and "related work" in rows[4].get_text()


def test_the_index_has_every_statement_with_its_claims(built_pages) -> None:
    fold = parsed(built_pages.page("book/ledger")).find("details")
    assert fold.summary.get_text() == "The 4 numbered statements and the claims that check them (3 have a claim)"
    found = {words(row.find("a")): links(row.find_all("td")[1]) for row in fold.select("tbody tr")}
    assert found == {"Theorem 1.1": {"1.1": f"{FIRST}#claim-1-1", "1.2": f"{FIRST}#claim-1-2"},
                     "Lemma 1.1": {"1.2": f"{FIRST}#claim-1-2"},
                     "Theorem 2.1": {"2.1": "../notebooks/02_second.html#claim-2-1"}, "Lemma 2.1": {}}
    assert words(fold.select("tbody td")[0]) == r"Theorem 1.1 Nothing grows (\(V\) words)"
    assert "1.2 fails" in words(fold.select("tbody td")[1])


def test_roles_show_a_verdict_and_numbers_of_the_build(built_pages) -> None:
    article = parsed(built_pages.page("index")).find("article")
    assert "Of 6 claims 2 fail and 1 hold at this scale; 1 of 87 items" in words(article)
    assert "See D31 and claim 2.2 fails." in words(article)
    assert links(article)["2"] == "book/ledger.html#verdict=fails"
    assert article.find("a", string="claim 2.2")["href"] == "notebooks/02_second.html#claim-2-2"
    assert "holds%20at%20this%20scale" in str(article) and article.select("a[href$='questions.html#mark=open']")


def test_a_claim_of_a_chapter_that_was_left_out_is_known(pages) -> None:
    pages.claims = [claim for claim in pages.claims if claim["id"] != "2.2"]
    assert pages.build() == []
    assert "claim 2.2 not measured in this build" in words(parsed(pages.page("index")).find("article"))


def test_a_book_without_these_pages_has_no_links_to_them(pages) -> None:
    pages.toc = ("notebooks/01_first", "notebooks/02_second", "book/ledger")
    pages.index = "# All\n\n{claim-count}`total`\n"
    assert [line for line in pages.build() if "questions" not in line] == []
    row = parsed(pages.page("book/ledger")).select_one("tr[data-item]")
    assert "bears on D1, D2" in words(row) and "D1" not in links(row)


@pytest.mark.parametrize(("index", "message"), [
    ("{claim}`9.9`", "no claim '9.9' in the ledger"), ("{claim-count}`wins`", "claim-count: got 'wins'"),
    ("{answer-count}`wins`", "answer-count: got 'wins'"), ("{ref}`d-88`", "undefined label: 'd-88'"),
    ("{prf:ref}`thm-9`", "label 'thm-9' not found"),
])
def test_a_role_without_a_target_is_a_warning(pages, index: str, message: str) -> None:
    pages.index = f"# All\n\n{index}\n"
    said = pages.build()
    assert any(message in line and "WARNING" in line and "index" in line for line in said), said


def test_a_claim_of_a_statement_that_no_page_has_is_a_warning(pages) -> None:
    pages.claims[3]["of"] = ["thm-9"]
    assert ["claim 2.1: of: no numbered statement has the label 'thm-9'" in line for line in pages.build()] == [True]


def test_a_claim_that_bears_on_an_item_that_the_page_does_not_have_is_a_warning(pages) -> None:
    pages.claims[0]["discussion"] = [88]
    assert any("undefined label: 'd-88'" in line for line in pages.build())

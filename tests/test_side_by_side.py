"""Numbers side by side: what is printed, what is shown, and that a page cannot be broken by a text."""

import xml.etree.ElementTree as ElementTree

import pytest

from ntputils import SideBySide


def test_a_row_prints_once_and_shows_four_cells():
    table = SideBySide()
    table.add("norm <of L>", 197.8812, 41_912, "a & b")
    table.add("rank", "not reported", 0.000123456)
    assert repr(table) == "norm <of L>: 197.88 there, 41,912 here (a & b)\nrank: not reported there, 0.00012346 here"
    page = table._repr_html_()
    assert page.count("<td>") == 8 and page.count("<th>") == 4
    assert "norm &lt;of L&gt;" in page and "a &amp; b" in page


def test_the_table_is_well_formed_with_every_cell_under_its_head():
    table = SideBySide()
    table.add("norm <of L>", 1, 2, "a & b")
    table.add("rank", 3, "?")
    page = ElementTree.fromstring(table._repr_html_())
    head, *rows = page.iter("tr")
    names = [cell.text for cell in head]
    assert [["".join(cell.itertext()) for cell in row] for row in rows] == [
        [f"{name}: {text}" if text else "" for name, text in zip(names, row, strict=True)] for row in table.rows]
    assert [len(row) for row in page.find("table/tbody")] == [4, 4] and len(page.find("table/thead")) == 1


@pytest.mark.parametrize(("number", "text"), [
    (999_999_999_999_999, "999,999,999,999,999"), (10**15, "1e+15"), (-10**15, "-1e+15"), (1 - 10**15, "-999,999,999,999,999"),
    (-0.0, "0"), (1234.5, "1234.5"), (12345.67, "12346"), ("as told", "as told")])
def test_whole_numbers_are_written_out_below_a_quadrillion(number, text):
    table = SideBySide()
    table.add("x", number, number)
    assert table.rows == [("x", text, text, "")]


def test_two_tables_share_no_rows():
    one, two = SideBySide(), SideBySide()
    one.add("x", 1, 2)
    assert two.rows == []

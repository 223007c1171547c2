"""Numbers side by side: what is printed, what is shown, and that a page cannot be broken by a text."""

from ntputils import SideBySide


def test_a_row_prints_once_and_shows_four_cells():
    table = SideBySide()
    table.add("norm <of L>", 197.8812, 41_912, "a & b")
    table.add("rank", "not reported", 0.000123456)
    assert repr(table) == "norm <of L>: 197.88 there, 41,912 here (a & b)\nrank: not reported there, 0.00012346 here"
    page = table._repr_html_()
    assert page.count("<td>") == 8 and page.count("<th>") == 4
    assert "norm &lt;of L&gt;" in page and "a &amp; b" in page


def test_two_tables_share_no_rows():
    one, two = SideBySide(), SideBySide()
    one.add("x", 1, 2)
    assert two.rows == []

"""The ledger is complete over what the book states: each numbered statement and each measurable item has its claim."""

import re
from pathlib import Path

import pytest
import yaml

from ntputils.claims import statements

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
STATEMENT = re.compile(r"^# (?:`{3,}|:{3,})\{prf:(?:theorem|proposition|lemma|corollary)\}(.*)\n# :label: (\S+)$", re.M)
ANY = re.compile(r"^# (?:`{3,}|:{3,})\{prf:(?:theorem|proposition|lemma|corollary)\}", re.M)

# Labels of statements that no claim checks, and why: a restatement, or nothing that can be measured.
UNMEASURED: dict[str, str] = {}

# Items of the public discussion of the paper that a computation can answer, in part or in full.
MEASURABLE = (*range(1, 6), 7, 8, 13, *range(18, 25), *range(26, 29), 31, *range(34, 41), *range(44, 47), 49, 50, 53,
              *range(57, 61), *range(62, 69), *range(70, 77), 78, 79, 81, 82, 86)


def labels():
    """Label to title of the numbered theorems, propositions, lemmas and corollaries of the book."""
    found = {}
    for path in sorted(NOTEBOOKS.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        here = STATEMENT.findall(text)
        assert len(here) == len(ANY.findall(text)), f"{path.name}: a statement has no label on its next line"
        assert not {label for _, label in here} & found.keys(), f"{path.name}: a label stands twice"
        found |= {label: title.strip() for title, label in here}
    return found


def checked():
    """Label to the claims that check it."""
    table = {}
    for id_, entry in statements().items():
        for label in entry.get("of", ()):
            table.setdefault(label, []).append(id_)
    return table


def test_every_numbered_statement_is_checked_or_excused():
    unchecked = labels().keys() - checked().keys()
    assert unchecked == UNMEASURED.keys(), "claims.yml: give a claim that checks it `of: [label]`, or a reason here"
    assert all(len(reason.split()) > 3 for reason in UNMEASURED.values())


def test_claims_name_statements_that_exist():
    assert checked().keys() <= labels().keys()
    assert len(labels()) > 90


@pytest.mark.parametrize("field", ["of", "discussion"])
def test_nothing_is_named_twice(field):
    for id_, entry in statements().items():
        names = entry.get(field, [])
        assert len(names) == len(set(names)), f"claim {id_}: {field} {names}"


def test_every_measurable_item_of_the_discussion_has_a_claim():
    answered = {item for entry in statements().values() for item in entry.get("discussion", ())}
    assert not set(MEASURABLE) - answered
    assert answered <= set(range(1, 88))


def test_claims_know_the_items_whose_answers_cite_them():
    answers = yaml.safe_load((NOTEBOOKS.parent / "book" / "discussion.yml").read_text(encoding="utf-8"))
    cited = [(id_, answer["id"]) for answer in answers for id_ in re.findall(r"\{claim\}`([\d.]+)`", answer["answer"])]
    assert len(cited) > 50
    assert [pair for pair in cited if pair[1] not in statements()[pair[0]].get("discussion", ())] == []

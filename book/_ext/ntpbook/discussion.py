"""The public review of the paper, item by item, and the book's answers: what `book/discussion.yml` may say."""

from __future__ import annotations

import re

GROUPS = {"realistic": "Is it realistic?", "right": "Is it right?", "clear": "Is it clear?", "use": "What is it for?",
          "new": "What is new?"}
MARKS = {"measured": "measured", "defined": "defined", "open": "cannot be settled here"}
ASKERS = {**{f"R{k}": f"Reviewer {k}" for k in range(1, 6)}, "A": "the authors", "AC": "the area chair"}
ITEMS = 87
_FIELDS = {"id", "who", "group", "ask", "mark", "why", "answer"}
_WHO = re.compile(r"(R[1-5]|A|AC)(?: to (.+))?")
_TO = re.compile(r"R[1-5](?:(?:, | and )R[1-5])*")
_CLAIM = re.compile(r"\{claim\}`([^`]*)`")


def asker(who: str) -> str:
    """Who speaks: `A to R1` is the authors.

    >>> asker("A to R1")
    'A'
    """
    return who.split(" to ")[0]


def in_words(who: str) -> str:
    """Who speaks to whom.

    >>> in_words("R3"), in_words("A to R1 and R2")
    ('Reviewer 3', 'the authors to Reviewer 1 and Reviewer 2')
    """
    return re.sub(r"R\d|AC|A", lambda found: ASKERS[found[0]], who)


def cited(answer: str) -> list[str]:
    """The claims that an answer leans on.

    >>> cited("Yes: {claim}`4.2`, but see {claim}`15.7`.")
    ['4.2', '15.7']
    """
    return _CLAIM.findall(answer)


def faults(items: object, claims: dict[str, dict]) -> list[str]:
    """All that is wrong with the list of items, one sentence each.

    Args:
        items: what the file says.
        claims: the ledger's entries by id; `discussion` lists the items that an entry bears on.

    >>> faults([], {})
    ['discussion.yml: 87 of the 87 items are missing: D1, D2, D3, D4, D5, ...']
    """
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return ["discussion.yml: want a list of entries with fields"]
    found = [f"discussion.yml, D{item.get('id')}: {fault}" for item in items for fault in _of_one(item, claims)]
    ids = [item.get("id") for item in items]
    found += [f"discussion.yml: D{name} stands twice" for name in dict.fromkeys(ids) if ids.count(name) > 1]
    missing = [f"D{k}" for k in range(1, ITEMS + 1) if k not in ids]
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        found.append(f"discussion.yml: {len(missing)} of the {ITEMS} items are missing: {shown}")
    return found


def _of_one(item: dict, claims: dict[str, dict]) -> list[str]:
    """What is wrong with one item."""
    if item.keys() != _FIELDS:
        return [f"lacks {sorted(_FIELDS - item.keys())} or has unknown fields {sorted(item.keys() - _FIELDS)}"]
    name, empty = item["id"], [key for key in ("ask", "answer") if not str(item[key] or "").strip()]
    found = [f"its field {key} is empty" for key in empty]
    if type(name) is not int or not 1 <= name <= ITEMS:
        found.append(f"id: want a whole number from 1 to {ITEMS}")
    spoken = _WHO.fullmatch(str(item["who"]))
    if not spoken or (spoken[2] and not _TO.fullmatch(spoken[2])):
        found.append(f"who: got {item['who']!r}, want R1 to R5, A or AC, or e.g. 'A to R1 and R2'")
    found += [f"{key}: got {item[key]!r}, want one of {', '.join(words)}"
              for key, words in (("group", GROUPS), ("mark", MARKS)) if item[key] not in words]
    if (item["mark"] == "open") != bool(item["why"]):
        found.append("why: an item that is open says why it cannot be settled here, and no other does")
    return found + _of_claims(item, claims)


def _of_claims(item: dict, claims: dict[str, dict]) -> list[str]:
    """What is wrong with the claims that an answer cites."""
    names = cited(str(item["answer"]))
    found = [f"its answer cites claim {name}, which the ledger does not have" for name in names if name not in claims]
    if item["mark"] == "measured":
        found += ["it is marked measured, and its answer cites no claim"] * (not names)
        found += [f"it is marked measured and cites claim {name}, whose `discussion` does not list {item['id']}"
                  for name in names if name in claims and item["id"] not in claims[name].get("discussion", [])]
    return found

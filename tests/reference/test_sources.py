"""A line `Source:` names chapters that use the thing, with titles of their statements, and papers of the bibliography."""

import functools
import inspect
import re

from tests.reference.names import NAMES, ROOT, every_value

# What stands in the cited chapters for names that they do not write down.
STANDS_FOR = {"BytePairTokenizer": "bpe-", "bpe_tokenizer": "bpe-", "count_contexts": "SoftLabels.from_t",
              "ConvergenceWarning": "solve_ntp_svm", "LowRankSolution": "rank="}


@functools.cache
def _chapter(number):
    """A chapter, and the pages that belong to it (02 and 02b)."""
    return "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "notebooks").glob(f"{number:02d}*.py"))


@functools.cache
def _papers():
    """(family name of the first author, year) of each entry of the bibliography."""
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    entries = re.findall(r"author\s*=\s*\{+([^,}]+).*?year\s*=\s*\{(\d+)\}", text, re.DOTALL)
    return {(family.strip("{} "), year) for family, year in entries}


@every_value
def test_a_source_names_chapters_with_their_statements_and_papers_that_the_book_cites(name):
    (source,) = re.findall(r"^Source: ((?:.+\n?)+)", name.doc + "\n", re.MULTILINE)
    source = " ".join(source.split())
    assert source.endswith(".")
    used = False
    for clause in source.rstrip(".").split("; "):
        numbers = [int(n) for part in re.findall(r"\bchapters? ([\d, and]+)", clause) for n in re.findall(r"\d+", part)]
        titles = re.findall(r'"([^"]+)"', clause)
        for number in numbers:
            names = {name.label, STANDS_FOR.get(name.label, name.label)}
            makers = {n.label for n in NAMES if n.owner is None and inspect.isfunction(n.thing)
                      and re.search(rf"\b{name.label}\b", str(inspect.signature(n.thing).return_annotation))}
            near = {n.label for n in NAMES if n.owner is None and n.thing.__module__ == name.thing.__module__}
            used |= any(re.search(rf"\b{re.escape(n)}", _chapter(number)) for n in names | makers | near)
        for title in titles:
            assert any(re.search(rf"# ```{{prf:\w+}} {re.escape(title)}", _chapter(n)) for n in numbers), f"no statement {title}"
        for family, year in re.findall(r"((?:Ben )?[A-Z][\w'’-]+)(?: et al\.| and [A-Z]\w+)? \((\d{4})\)", clause):
            assert (family, year) in _papers(), f"{family} ({year}) is not in the bibliography"
        assert numbers or re.search(r"\(\d{4}\)", clause) or clause in ("made for this book", "the ledger", "every chapter",
                                                                        "the reproduction report"), clause
    assert used or "every chapter" in source or "reproduction report" in source, "no chapter that is named uses it"

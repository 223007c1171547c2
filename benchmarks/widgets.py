"""What a reader waits for in the page: a change of a widget, from the click to the picture, and Python on the same input.

    python benchmarks/widgets.py [--repeats 12] [--seed 0] [--quick]

Widgets compute in the page, because a reader of a file has no kernel. Each row is one change at the largest size that a
chapter offers: its input is set as a click would set it, the page computes and draws, and the layout is asked for, so that
none of it is put off. Beside it stands what a kernel would need for the same numbers, with nothing drawn and nothing
sent. Page and Python take turns. Needs Chromium or Chrome. Prints a table, and leaves widgets.json in book/results.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from record import RESULTS, versions, write
from solver import markdown
from tests.conftest import BROWSER_FLAGS, find_browser
from tests.widgets.conftest import write_page

from ntputils import SoftLabels, all_subsets, moment_curve_price, one_hot, solve_ntp_svm, widgets

HEADS = ["panel", "change", "page, ms", "slowest, ms", "Python, ms", "page / Python"]
SET = """(changes) => {
  const start = performance.now();
  for (const [name, value] of Object.entries(changes)) models[0].set(name, value);
  document.body.getBoundingClientRect();
  return performance.now() - start;
}"""
CALL = "([name, values]) => { const t = performance.now(); module[name](...values); return performance.now() - t; }"


@dataclass(frozen=True)
class Change:
    """A widget, what is done to it, and the same in Python."""

    panel: str
    widget: type
    name: str
    state: dict
    inputs: Callable[[np.random.Generator], Iterator]   # what is set before, what is set then, and what Python is given
    python: Callable
    script: str = SET


def grids(rng: np.random.Generator) -> Iterator:
    """Grids of 12 tokens and 12 contexts in which no column is empty."""
    while True:
        S = rng.random((12, 12)) < rng.uniform(0.1, 0.7)
        S[rng.integers(0, 12, 12), np.arange(12)] = True
        yield {}, {"S": S.astype(int).tolist()}, S


def texts(rng: np.random.Generator) -> Iterator:
    """Three thousand words with Zipf frequencies, read with contexts of five."""
    names = np.array(["".join(letters) for letters in itertools.product("abcdefghij", repeat=3)])
    while True:
        text = " ".join(names[np.minimum(rng.zipf(1.3, 3000), len(names)) - 1])
        yield {}, {"text": text, "context_length": 5}, text


def again(before: dict, change: object, given: object) -> Callable[[np.random.Generator], Iterator]:
    """The same input time after time; `before` is shown in between, so that there is something to change."""
    return lambda _: itertools.repeat((before, change, given))


def tables() -> list[Change]:
    """The changes that are measured."""
    start = {"mode": "subsets", "V": 5, "k": 2, "R": 10, "chosen": 0}
    return [
        Change("Supports", widgets.SupportGridWidget, "a click on 12 x 12 supports",
               {"S": [[1, 0], [0, 1]], "tokens": [], "contexts": []}, grids, solve_ntp_svm),
        Change("Symmetric worlds", widgets.SymmetricWidget, "all 5-subsets of 10 words", start,
               again(start, {"mode": "subsets", "V": 10, "k": 5}, all_subsets(10, 5)), solve_ntp_svm),
        Change("Symmetric worlds", widgets.SymmetricWidget, "10 words, five of them with 1000 contexts", start,
               again(start, {"mode": "step", "V": 10, "R": 1000}, one_hot([1000] * 5 + [1] * 5)), solve_ntp_svm),
        Change("Type a text", widgets.SoftLabelsWidget, "a new text of 3000 words",
               {"text": "a b", "context_length": 2, "vocab_size": 0}, texts,
               lambda text: SoftLabels.from_text(text, context_length=5)),
        Change("Moment curve", widgets.MomentCurveWidget, "the price of all 4-subsets of 16 words, not drawn",
               {"V": 12, "d": 4, "support": [0, 6]}, again({}, ["price", [16, 4]], None), lambda _: moment_curve_price(16, 4),
               CALL),
    ]


def milliseconds(run: Callable, given: object) -> float:
    """Of the wall clock."""
    start = time.perf_counter()
    run(given)
    return 1e3 * (time.perf_counter() - start)


def measure(page, change: Change, repeats: int, rng: np.random.Generator) -> list:
    """One row; the first time, in which the page and Python warm up, is not counted."""
    times = []
    for before, given, python in itertools.islice(change.inputs(rng), repeats + 1):
        page.evaluate(SET, before)
        times.append((page.evaluate(change.script, given), milliseconds(change.python, python)))
    ours, python = np.array(times[1:]).T
    return [change.panel, change.name, *(float(f"{x:.3g}") for x in (np.median(ours), ours.max(), np.median(python),
                                                               np.median(ours) / np.median(python)))]


def main() -> None:
    """Prints the table, and writes the book's record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=12, help="changes of each kind")
    parser.add_argument("--seed", type=int, default=0, help="of the grids and texts")
    parser.add_argument("--quick", action="store_true", help="two changes of each kind: to try the script")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the record goes")
    args = parser.parse_args()
    executable = find_browser()
    if executable is None:
        parser.error("no Chromium or Chrome on this machine (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    rows = []
    with sync_playwright() as playwright, TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=executable, args=BROWSER_FLAGS)
        version = browser.version
        for change in tables():
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(write_page(Path(folder), change.widget, [change.state]).as_uri())
            page.wait_for_function("window.ready", timeout=10_000)
            rows.append(measure(page, change, 2 if args.quick else args.repeats, np.random.default_rng(args.seed)))
            page.close()
        browser.close()
    print(markdown(HEADS, rows), flush=True)
    write("widgets", HEADS, rows, seeds=[args.seed], quick=args.quick, folder=args.out,
          also={"versions": versions() | {"chromium": version}})


if __name__ == "__main__":
    main()

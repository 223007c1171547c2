"""Counting contexts of five tokens and what follows them: ntputils, Counter, Polars and DuckDB, side by side.

    python benchmarks/counting.py [--tokens 2000000 20000000] [--kjv] [--only Counter Polars] [--repeats 1] [--quick]

Every method counts the same tokens in a process of its own, and all must agree on the number of distinct contexts, of
distinct (context, next token) pairs, and the largest count of a pair. The tokens are seeded, independent, of 50,000
types with frequencies that fall as 1 / rank: nearly every context is then distinct, the worst case for time and memory.
With `--kjv` the King James Version (0.9 million tokens, as one document) comes first: what real text repeats, it does.
Time is the wall clock of the counting alone; memory is the highest resident size while counting, less the size before.
Prints tables, and leaves counting.json and counting.svg in book/results (or in --out).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from record import RESULTS, write

T, TYPES, SEED = 5, 50_000, 0
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def tokens(n: int):
    """Seeded tokens whose frequencies fall as 1 / rank: int32 (n,)."""
    import numpy as np

    cumulative = np.cumsum(1 / np.arange(1, TYPES + 1))
    draws = np.random.default_rng(SEED).random(n)
    return np.searchsorted(cumulative / cumulative[-1], draws).clip(max=TYPES - 1).astype(np.int32)


def kjv():
    """The tokens of the King James Version: int32 (n,)."""
    from ntputils import load_corpus

    return load_corpus("kjv").tokens


# Each method takes the tokens and returns a function that counts: loading a library is no part of counting.
# The answer is (distinct contexts, distinct pairs, largest count of a pair).

def ours_tally(ids) -> Callable[[], tuple[int, int, int]]:
    """ntputils up to the table of counts."""
    from ntputils import contexts

    def run():
        tally = contexts._tally(contexts._read(ids, None, None), T)
        return len(tally.key), len(tally.token), int(tally.count.max())
    return run


def ours(ids) -> Callable[[], tuple[int, int, int]]:
    """ntputils up to SoftLabels: contexts in their order, sparse P, checked."""
    import numpy as np

    from ntputils import SoftLabels

    def run():
        labels = SoftLabels.from_tokens(ids, context_length=T)
        counts = np.repeat(labels.pi * labels.n, labels.support_sizes) * labels.P.data
        return labels.m, labels.P.nnz, int(round(counts.max()))
    return run


def counter(ids) -> Callable[[], tuple[int, int, int]]:
    """The standard library: a Counter of tuples."""
    from collections import Counter

    def run():
        words = ids.tolist()
        pairs = Counter(zip(*(words[i:] for i in range(T + 1))))
        contexts = Counter(window[:T] for window in pairs)
        return len(contexts), len(pairs), max(pairs.values())
    return run


def polars(ids) -> Callable[[], tuple[int, int, int]]:
    """Polars: group by six columns, then by five."""
    import polars as pl

    def run():
        size = len(ids) - T
        frame = pl.DataFrame({f"t{i}": ids[i:i + size] for i in range(T + 1)})
        pairs = frame.group_by([f"t{i}" for i in range(T + 1)]).agg(pl.len().alias("n"))
        contexts = pairs.group_by([f"t{i}" for i in range(T)]).agg(pl.col("n").sum())
        return contexts.height, pairs.height, pairs["n"].max()
    return run


def duckdb(ids) -> Callable[[], tuple[int, int, int]]:
    """DuckDB: the same two groupings in SQL, over columns that NumPy shifts."""
    import duckdb as db

    def run():
        size = len(ids) - T
        windows = {f"t{i}": ids[i:i + size] for i in range(T + 1)}  # noqa: F841 - DuckDB finds it by its name
        connection = db.connect(config={"memory_limit": "16GB"})
        six, five = (", ".join(f"t{i}" for i in range(k)) for k in (T + 1, T))
        connection.execute(f"create temp table pairs as select {six}, count(*) as n from windows group by {six}")
        pairs, largest = connection.execute("select count(*), max(n) from pairs").fetchone()
        connection.execute(f"create temp table contexts as select {five}, sum(n) as n from pairs group by {five}")
        return connection.execute("select count(*) from contexts").fetchone()[0], pairs, largest
    return run


def floor(ids) -> Callable[[], tuple[int, int, int]]:
    """No counting: one sort of as many random 64-bit keys, the least that a method that sorts must do."""
    import numpy as np

    keys = np.random.default_rng(SEED).integers(0, 2**63, len(ids), dtype=np.uint64)

    def run():
        np.sort(keys)
        return 0, 0, 0
    return run


FLOOR = "floor (one sort)"
METHODS = {FLOOR: floor, "ntputils, counts": ours_tally, "ntputils, SoftLabels": ours, "Counter": counter,
           "Polars": polars, "DuckDB": duckdb}


def resident(high: bool) -> int:
    """The resident size of this process in bytes, now or (`high`) at its highest.

    From /proc where there is one: on Linux `ru_maxrss` starts at the size of the process that started this one.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    field = "VmHWM:" if high else "VmRSS:"
    return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith(field))


def measure(method: str, file: str) -> None:
    """Runs one method in this process, on tokens from a file, and prints its record as JSON.

    The file is read, not made, here: what it takes to make tokens would raise the high-water mark before counting.
    """
    import numpy as np

    run = METHODS[method](np.load(file))
    before = resident(high=False)
    start = time.perf_counter()
    answer = run()
    seconds = time.perf_counter() - start
    peak = max(0, resident(high=True) - before)
    print(json.dumps({"seconds": seconds, "peak": peak, "answer": list(map(int, answer))}))


def in_a_process(method: str, file: str) -> dict:
    """Runs one method in a fresh process: one thread for NumPy; Polars and DuckDB take the threads they choose."""
    environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
    done = subprocess.run([sys.executable, __file__, "--measure", method, file], env=environment, text=True,
                          capture_output=True)
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]}
    return json.loads(done.stdout)


def measure_all(ids, methods: list[str], repeats: int) -> dict[str, dict]:
    """The fastest record of each method; raises if two methods disagree."""
    import numpy as np

    records = {}
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, "tokens.npy"))
        np.save(file, ids)
        for method in methods:
            runs = [in_a_process(method, file) for _ in range(repeats)]
            records[method] = min(runs, key=lambda run: run.get("seconds", float("inf")))
            print(f"  {method}: {records[method]}", file=sys.stderr, flush=True)
    answers = {tuple(r["answer"]) for m, r in records.items() if "answer" in r and m != FLOOR}
    if len(answers) > 1:
        raise SystemExit(f"the methods disagree: {records}")
    return records


def table(name: str, n: int, records: dict[str, dict]) -> str:
    """The Markdown table of one text."""
    answer = next((r["answer"] for m, r in records.items() if "answer" in r and m != FLOOR), ())
    base = records.get("ntputils, counts", {}).get("seconds")
    least = records.get(FLOOR, {}).get("seconds")

    def ratio(seconds: float, unit: float | None) -> str:
        return f"{seconds / unit:.2g}" if unit else ""

    lines = [f"{name}, {n:,} tokens: {' / '.join(f'{a:,}' for a in answer)} (distinct contexts / distinct pairs "
             "/ largest count of a pair; all methods agree)", "",
             "| method | seconds | against ntputils, counts | against the floor | peak memory, MB | bytes a token |",
             "|---|---|---|---|---|---|"]
    for method, r in records.items():
        if "error" in r:
            lines.append(f"| {method} | failed: {r['error']} | | | | |")
            continue
        lines.append(f"| {method} | {r['seconds']:.2f} | {ratio(r['seconds'], base)} | {ratio(r['seconds'], least)} | "
                     f"{r['peak'] / 1e6:,.0f} | {r['peak'] / n:.0f} |")
    return "\n".join(lines)


def rows(name: str, n: int, records: dict[str, dict]) -> list[list]:
    """The rows of one text for the book: what failed has no numbers."""
    least = records.get(FLOOR, {}).get("seconds")
    found = []
    for method, r in records.items():
        if "error" in r:
            found.append([name, n, f"{method} (failed)", None, None, None])
        else:
            ratio = None if least is None else float(f"{r['seconds'] / least:.3g}")
            found.append([name, n, method, round(r["seconds"], 4), ratio, round(r["peak"] / n)])
    return found


def draw(axes, found: list[list]) -> None:
    """Bars of nanoseconds a token, one group for each text."""
    texts = list(dict.fromkeys((row[0], row[1]) for row in found))
    methods = list(dict.fromkeys(row[2] for row in found))
    for k, (name, n) in enumerate(texts):
        seconds = {row[2]: row[3] for row in found if (row[0], row[1]) == (name, n)}
        places = [m + 0.8 * (k - (len(texts) - 1) / 2) / len(texts) for m in range(len(methods))]
        axes.bar(places, [1e9 * (seconds.get(method) or 0) / n for method in methods], 0.7 / len(texts),
                 color=("#0072B2", "#E69F00", "#009E73")[k % 3], label=f"{name}, {n / 1e6:.2g} million")
    axes.set_xticks(range(len(methods)), [method.replace(", ", ",\n").replace(" (", "\n(") for method in methods],
                    fontsize=8)
    axes.set(yscale="log", ylabel="nanoseconds a token")
    axes.legend(frameon=False, fontsize=8)


def main() -> None:
    """Prints one table for each size, and writes the book's record of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="+", default=[2_000_000, 20_000_000])
    parser.add_argument("--kjv", action="store_true", help="the King James Version too")
    parser.add_argument("--only", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--repeats", type=int, default=1, help="the fastest of so many runs counts")
    parser.add_argument("--quick", action="store_true", help="20,000 tokens only: to try the script")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the record goes")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        return measure(*args.measure)
    print(f"{os.cpu_count()} cores; ntputils and Counter on one thread, Polars and DuckDB on as many as they take\n")
    sizes = [20_000] if args.quick else args.tokens
    texts = [("Zipf", partial(tokens, n)) for n in sizes]
    found = []
    for name, make in [("King James Version", kjv)] * (args.kjv and not args.quick) + texts:
        ids = make()
        records = measure_all(ids, args.only, args.repeats)
        print(table(name, len(ids), records), end="\n\n", flush=True)
        found += rows(name, len(ids), records)
    write("counting", ["text", "tokens", "method", "seconds", "in floors", "bytes a token"], found, seeds=[SEED],
          quick=args.quick, folder=args.out, draw=lambda axes: draw(axes, found),
          alt="Bars, on a logarithmic scale: nanoseconds a token that each method takes to count contexts of five "
              "tokens and what follows them, beside the floor, one sort of as many keys. The table has the numbers.")


if __name__ == "__main__":
    main()

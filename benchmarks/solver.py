"""The solver of NTP-SVM against CVXPY with SCS, on the same problems, and how its time grows.

    python benchmarks/solver.py [--repeats 3] [--seeds 0] [--skip-scs] [--skip-growth] [--quick]

The problem has the size of the paper's: V = 104 tokens, m = 404 contexts, 60 distinct supports of 2 to 6 tokens drawn
with Zipf weights of exponent 0.8. SCS solves it twice: as it stands, one column for each context, and as our quotient,
one column for each distinct support and one row for each distinct token; the constraints are vectorised in both.
Every method runs in a process of its own. Whatever it returns is then judged alike, in this file: its logits are made
feasible (the lowest in-support entry, the others at most 1 below), and their nuclear norm is compared with the best
dual value. Time is the wall clock from the support matrix to the logits, with CVXPY's compilation; "of it SCS" is what
SCS says of itself. The run stops if two methods differ in value by more than 1e-4.

The second table is our time alone, to a gap of 1e-4, as the tokens or the distinct supports become more. The floor
beside it is one singular value decomposition (values only) of the logits on the distinct supports: no solver can check
its own nuclear norm for less. Prints tables, and leaves solver.json, growth.json and figures in book/results.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from counting import resident
from record import RESULTS, write

EPS = 1e-6         # SCS: both tolerances; ours: the gap
SIZES = [(100, 500, 5_000), (200, 500, 5_000), (400, 125, 5_000), (400, 250, 5_000), (400, 500, 5_000),
         (400, 1_500, 20_000), (1_000, 500, 20_000), (1_000, 1_500, 20_000)]   # V, distinct supports, contexts
ROUGH = 1e-4       # the gap that is asked for as V and the distinct supports grow
PAPER, SMALL = (104, 404, 60), (12, 30, 8)   # V, contexts, distinct supports


def instance(V: int, m: int, distinct: int, seed: int) -> np.ndarray:
    """Supports of 2 to 6 tokens drawn with Zipf weights, `distinct` of them over m contexts: bool (V, m)."""
    rng = np.random.default_rng(seed)
    weights = np.arange(1.0, V + 1) ** -0.8
    weights /= weights.sum()
    supports = set()
    while len(supports) < distinct:
        drawn = rng.choice(V, size=rng.integers(2, 7), replace=False, p=weights)
        supports.add(tuple(sorted(drawn.tolist())))
    S = np.zeros((V, distinct), bool)
    for j, support in enumerate(sorted(supports)):
        S[list(support), j] = True
    return np.repeat(S, 1 + np.bincount(rng.integers(0, distinct, m - distinct), minlength=distinct), axis=1)


# Each method takes S and returns logits for each distinct support or context, which of them each context has, a dual
# value (None: the method gives none that can be checked alike), iterations, and the seconds that SCS says it took.

def ours(S, tol: float = EPS):
    """ntputils."""
    from ntputils import solve_ntp_svm

    solution = solve_ntp_svm(S, tol=tol)
    return solution.L_distinct, solution.inverse, solution.dual, solution.iterations, None


def _scs(S, rows, columns):
    """CVXPY with SCS: L_zj = s_j on the supports, L_vj <= s_j - 1 off them, weights as in our quotient."""
    import cvxpy as cp

    V, m = S.shape
    L, s = cp.Variable((V, m)), cp.Variable((1, m))
    level = np.ones((V, 1)) @ s
    constraints = [cp.multiply(S, L - level) == 0, cp.multiply(~S, L - level + 1) <= 0]
    weight = np.sqrt(np.outer(rows, columns))
    problem = cp.Problem(cp.Minimize(cp.normNuc(cp.multiply(weight, L))), constraints)
    problem.solve(solver=cp.SCS, eps_abs=EPS, eps_rel=EPS, max_iters=100_000)
    return L.value, problem.solver_stats.num_iters, problem.solver_stats.solve_time


def scs_full(S):
    """CVXPY with SCS on all columns."""
    L, iterations, seconds = _scs(S, np.ones(len(S)), np.ones(S.shape[1]))
    return L, np.arange(S.shape[1]), None, iterations, seconds


def scs_quotient(S):
    """CVXPY with SCS on our quotient."""
    columns, of_column, times = np.unique(S, axis=1, return_inverse=True, return_counts=True)
    rows, of_row, tokens = np.unique(columns, axis=0, return_inverse=True, return_counts=True)
    L, iterations, seconds = _scs(rows, tokens, times)
    return L[of_row.ravel()], of_column.ravel(), None, iterations, seconds


METHODS = {"ntputils": ours, "CVXPY + SCS, our quotient": scs_quotient, "CVXPY + SCS, all columns": scs_full}


def feasible(L: np.ndarray, S: np.ndarray) -> np.ndarray:
    """The logits, moved into the constraints by what they miss."""
    level = np.where(S, L, np.inf).min(axis=0)
    L = np.where(S, level, np.minimum(L, level - 1))
    return L - L.mean(axis=0)


def measure(method: str, arguments: list) -> None:
    """Runs one method in this process, `repeats` times, and prints its fastest record as JSON."""
    V, m, distinct, seed, tol, repeats = arguments
    S = instance(V, m, distinct, seed)
    warnings.simplefilter("ignore", FutureWarning)
    run = METHODS[method] if method != "ntputils" else lambda S: ours(S, tol)
    run(instance(8, 12, 6, 0))  # imports and first calls are no part of it
    before = resident(high=False)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        L, of_context, dual, iterations, inner = run(S)
        seconds.append(time.perf_counter() - start)
    peak = max(0, resident(high=True) - before)
    value = float(np.linalg.svd(feasible(L[:, of_context], S), compute_uv=False).sum())
    start = time.perf_counter()
    np.linalg.svd(L, compute_uv=False)
    print(json.dumps({"seconds": min(seconds), "inner": inner, "iterations": int(iterations), "value": value,
                      "dual": dual, "peak": peak / (8 * V * distinct), "floor": time.perf_counter() - start}))


def in_a_process(method: str, *arguments) -> dict:
    """Runs one method in a fresh process, with the threads that the environment gives."""
    done = subprocess.run([sys.executable, __file__, "--measure", method, json.dumps(arguments)], text=True,
                          capture_output=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def short(x: float) -> float:
    """A number to three digits."""
    return float(f"{x:.3g}")


def markdown(heads: list[str], rows: list[list]) -> str:
    """A table for the terminal."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join("" if cell is None else str(cell) for cell in line) + " |" for line in lines)


COMPARED = ["seed", "method", "seconds", "in ours", "of it SCS, s", "iterations", "value", "above the dual"]


def comparison(size: tuple, seed: int, repeats: int, methods: list[str]) -> list[list]:
    """The rows of one instance: every method's time, and its value against the best dual value."""
    V, m, distinct = size
    records = {method: in_a_process(method, V, m, distinct, seed, EPS, repeats if method == "ntputils" else 1)
               for method in methods}
    base, dual = records["ntputils"]["seconds"], records["ntputils"]["dual"]
    values = [record["value"] for record in records.values()]
    if max(values) - min(values) > 1e-4 * min(values):
        raise SystemExit(f"the methods disagree: {records}")
    return [[seed, method, short(r["seconds"]), short(r["seconds"] / base),
             None if r["inner"] is None else short(r["inner"]), r["iterations"], round(r["value"], 4),
             float(f"{r['value'] / dual - 1:.1e}")] for method, r in records.items()]


GROWN = ["V", "distinct supports", "contexts", "gap", "iterations", "seconds", "in floors",
         "peak, in V x distinct"]


def growth(sizes: list[tuple], seed: int) -> list[list]:
    """The rows of our time against V and the number of distinct supports."""
    rows = []
    for V, distinct, contexts in sizes:
        r = in_a_process("ntputils", V, contexts, distinct, seed, ROUGH, 1)
        gap = float(f"{1 - r['dual'] / r['value']:.1e}")
        rows.append([V, distinct, contexts, gap, r["iterations"], short(r["seconds"]),
                     round(r["seconds"] / r["floor"]), round(r["peak"])])
    return rows


def draw_comparison(axes, rows: list[list]) -> None:
    """One bar for each method: the median over seeds."""
    methods = list(dict.fromkeys(row[1] for row in rows))
    seconds = [float(np.median([row[2] for row in rows if row[1] == method])) for method in methods]
    bars = axes.barh(range(len(methods)), seconds, color=["#0072B2", *["#E69F00"] * len(methods)][:len(methods)])
    axes.bar_label(bars, [f"{s:.3g} s" for s in seconds], padding=4)
    axes.set_yticks(range(len(methods)), methods)
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.set(xscale="log", xlabel="seconds, from the supports to the logits")


def draw_growth(axes, rows: list[list]) -> None:
    """Seconds against V for each number of distinct supports, and the other way round."""
    for k, distinct in enumerate(sorted({row[1] for row in rows})):
        line = sorted((row[0], row[5]) for row in rows if row[1] == distinct)
        axes.plot(*zip(*line), "osD^v<>"[k % 7] + "-", label=f"{distinct:,}",
                  color=("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00")[k % 5])
    axes.set(xscale="log", yscale="log", xlabel="tokens V", ylabel="seconds")
    ticks = sorted({row[0] for row in rows})
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    axes.legend(frameon=False, fontsize=8, title="distinct supports", title_fontsize=8)


def main() -> None:
    """Prints the comparison for each seed, then the growth, and writes the book's records of both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="the fastest of so many of our runs counts; SCS: one")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--skip-scs", action="store_true")
    parser.add_argument("--skip-growth", action="store_true")
    parser.add_argument("--quick", action="store_true", help="very small instances: to try the script")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the records go")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        return measure(args.measure[0], json.loads(args.measure[1]))
    print(f"{os.cpu_count()} cores, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}\n")
    methods = list(METHODS)[:1] if args.skip_scs else list(METHODS)
    size = SMALL if args.quick else PAPER
    rows = [row for seed in args.seeds for row in comparison(size, seed, args.repeats, methods)]
    print("V = {}, m = {}, {} distinct supports\n".format(*size))
    print(markdown(COMPARED, rows), flush=True)
    common = {"quick": args.quick, "folder": args.out}
    write("solver", COMPARED, rows, seeds=args.seeds, draw=lambda axes: draw_comparison(axes, rows), **common,
          alt="Bars, on a logarithmic scale: seconds that ntputils, CVXPY with SCS on the quotient, and CVXPY with "
              "SCS on all columns take for the same instance. The table has the numbers.")
    if args.skip_growth:
        return None
    grown = growth([(12, 8, 80), (24, 8, 80), (12, 16, 160)] if args.quick else SIZES, args.seeds[0])
    print(markdown(GROWN, grown), flush=True)
    write("growth", GROWN, grown, seeds=args.seeds[:1], draw=lambda axes: draw_growth(axes, grown), **common,
          alt="Lines on logarithmic scales: seconds of ntputils against the number of tokens, one line for each "
              "number of distinct supports. The table has the numbers.")
    return None


if __name__ == "__main__":
    main()

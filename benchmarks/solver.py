"""The solver of NTP-SVM against CVXPY with SCS, on the same problems, and how its time grows.

    python benchmarks/solver.py [--repeats 3] [--seeds 0] [--skip-scs] [--skip-growth]

The problem has the size of the paper's: V = 104 tokens, m = 404 contexts, 60 distinct supports of 2 to 6 tokens drawn
with Zipf weights of exponent 0.8. SCS solves it twice: as it stands, one column for each context, and as our quotient,
one column for each distinct support and one row for each distinct token; the constraints are vectorised in both.
Every method runs in a process of its own. Whatever it returns is then judged alike, in this file: its logits are made
feasible (the lowest in-support entry, the others at most 1 below), and their nuclear norm is compared with the best
dual value. Time is the wall clock from the support matrix to the logits, with CVXPY's compilation; "of it SCS" is what
SCS says of itself. The run stops if two methods differ in value by more than 1e-4.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings

import numpy as np
from counting import resident

EPS = 1e-6         # SCS: both tolerances; ours: the gap
GROWTH = [(100, 60, 400, EPS), (200, 200, 2_000, 1e-4), (400, 500, 6_000, 1e-4), (1_000, 500, 20_000, 1e-4),
          (400, 1_500, 20_000, 1e-4), (1_000, 1_500, 20_000, 1e-4)]   # V, distinct supports, contexts, gap


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
    print(json.dumps({"seconds": min(seconds), "inner": inner, "iterations": int(iterations), "value": value,
                      "dual": dual, "peak": peak / (8 * V * distinct)}))


def in_a_process(method: str, *arguments) -> dict:
    """Runs one method in a fresh process, with the threads that the environment gives."""
    done = subprocess.run([sys.executable, __file__, "--measure", method, json.dumps(arguments)], text=True,
                          capture_output=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def comparison(seed: int, repeats: int, methods: list[str]) -> str:
    """The table of one instance of the paper's size."""
    records = {method: in_a_process(method, 104, 404, 60, seed, EPS, repeats if method == "ntputils" else 1)
               for method in methods}
    base, dual = records["ntputils"]["seconds"], records["ntputils"]["dual"]
    values = [record["value"] for record in records.values()]
    if max(values) - min(values) > 1e-4 * min(values):
        raise SystemExit(f"the methods disagree: {records}")
    lines = [f"V = 104, m = 404, 60 distinct supports, seed {seed}; best dual value {dual:.4f}", "",
             "| method | seconds | against ntputils | of it SCS, s | iterations | value, feasible | above the dual |",
             "|---|---|---|---|---|---|---|"]
    for method, r in records.items():
        inner = "" if r["inner"] is None else f"{r['inner']:.2f}"
        lines.append(f"| {method} | {r['seconds']:.3f} | {r['seconds'] / base:.0f} | {inner} | {r['iterations']} | "
                     f"{r['value']:.4f} | {r['value'] / dual - 1:.1e} |")
    return "\n".join(lines)


def growth(seed: int) -> str:
    """The table of our time against V and the number of distinct supports."""
    lines = ["| V | distinct supports | contexts | gap asked | gap | iterations | seconds | peak, in V x distinct |",
             "|---|---|---|---|---|---|---|---|"]
    for V, distinct, m, tol in GROWTH:
        r = in_a_process("ntputils", V, m, distinct, seed, tol, 1)
        lines.append(f"| {V} | {distinct} | {m} | {tol:.0e} | {1 - r['dual'] / r['value']:.1e} | {r['iterations']} | "
                     f"{r['seconds']:.2f} | {r['peak']:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Prints the comparison for each seed, then the growth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="the fastest of so many of our runs counts; SCS: one")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--skip-scs", action="store_true")
    parser.add_argument("--skip-growth", action="store_true")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        return measure(args.measure[0], json.loads(args.measure[1]))
    print(f"{os.cpu_count()} cores, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}\n")
    methods = list(METHODS)[:1] if args.skip_scs else list(METHODS)
    for seed in args.seeds:
        print(comparison(seed, args.repeats, methods), end="\n\n", flush=True)
    if not args.skip_growth:
        print(growth(args.seeds[0]))


if __name__ == "__main__":
    main()

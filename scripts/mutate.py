"""Mutation testing: changes signs, constants and comparisons of the library, one at a time, and counts what the tests catch.

    python scripts/mutate.py [--only MODULE ...] [--processes 2] [--seed 1] [--core 150] [--others 30] [--write]

The changes are Cosmic Ray's (see scripts/mutation/changes.py), drawn from a seed. A change is *caught* if one of the module's
tests fails, or takes ten times its time. Outcomes are kept in `_build/mutation`: the command can be stopped and taken up again, and
what was measured with the same library and the same tests is not measured again. Survivors, with their diffs, are written there;
why one of a core module may live stands in `tests/mutation/survivors.yml`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "_build" / "mutation"
REASONS = ROOT / "tests" / "mutation" / "survivors.yml"
LIBS = ROOT / "_build" / "mutatelibs"

CORE, OTHERS = 150, 30     # how many changes are drawn in a core module and in each of the others

CORE_MODULES = ("theory", "svm", "contexts", "metrics")

# The tests of a module are the examples in its docstrings and tests/test_MODULE.py, or for these what is named here.
ELSEWHERE = {
    "__init__": "lazy_imports", "__main__": "report/command_line", "_anderson": "svm svm_steps ufm adversarial/chapter_05",
    "_corpus": "types corpus", "_hints": "typing", "_npz": "types ufm",
    "_report_figures": "report/figures report/page", "_report_numbers": "report/numbers report/texts",
    "_report_page": "report/page report/texts report/command_line", "agreement": "agreement report/vectors",
    "kjv": "corpus bpe", "path": "ufm path_rates", "plots": "plots_and_session", "proxy": "proxy proxy_theorems",
    "report": "report/numbers report/vectors report/texts report/command_line",
    "session": "plots_and_session", "smollm2": "pretrained", "svm": "svm svm_steps svm_oracles", "train": "models",
    "widgets.__init__": "widgets/widget_python", "widgets.scrubber": "widgets/scrubber/numbers widgets/scrubber/state",
    "widgets.soft_labels": "widgets/widget_python",
}
# Tests and examples that take seconds or the pretrained model: those whose name begins so are not run on changes.
TOO_SLOW = (
    "ntputils/pretrained.py::",      # the pretrained model itself
    "tests/test_baselines.py::test_sgns_goes_to_its_optimum",
    "tests/test_claims.py::test_every_claim_has_a_test_that_breaks_it",
    "tests/test_low_rank.py::test_one_hot_in_two_dimensions_is_a_circle[10]",
    "tests/test_low_rank.py::test_one_hot_in_two_dimensions_is_a_circle[8]",
    "tests/test_low_rank.py::test_the_seed_decides",
    "tests/test_low_rank.py::test_what_is_not_found_is_said_and_not_called_impossible",
    "tests/test_models.py::test_an_interrupted_run_resumes_bit_for_bit[adamw-5]",
    "tests/test_models.py::test_an_interrupted_run_resumes_bit_for_bit[sgd-5]",
    "tests/test_models.py::test_batches_estimate_the_loss_without_bias",
    "tests/test_models.py::test_every_model_fits_the_synthetic_language",
    "tests/test_models.py::test_sgd_with_decay_ends_at_the_point_of_the_path",
    "tests/test_models.py::test_the_library_does_not_import_torch_until_asked",
    "tests/test_pretrained.py::test_no_name_and_no_such_model",
    "tests/test_questions.py::test_without_gensim_there_is_a_word_about_it",
    "tests/test_svm_oracles.py::test_logits_agree_where_the_solution_is_unique",
    "tests/test_svm_oracles.py::test_multiplicities_repeated_rows_and_full_columns",
    "tests/test_svm_oracles.py::test_random_supports_have_the_oracle_s_optimum",
)


def modules() -> list[str]:
    """All modules of the library, dotted names below `ntputils`, the core first."""
    found = [".".join(p.relative_to(ROOT / "ntputils").with_suffix("").parts) for p in (ROOT / "ntputils").rglob("*.py")]
    return [*CORE_MODULES, *sorted(set(found) - set(CORE_MODULES))]


def source_of(module: str) -> str:
    """Where a module stands, below the root."""
    return f"ntputils/{module.replace('.', '/')}.py"


def files_of(module: str) -> list[str]:
    """The files with the tests of a module, its own docstrings first."""
    names = ELSEWHERE.get(module, module.replace(".", "/")).split() + ["widgets/widget_python"] * module.startswith("widgets.")
    parts = [name.rpartition("/") for name in dict.fromkeys(names)]
    return [source_of(module), *(f"tests/{folder}{slash}test_{name}.py" for folder, slash, name in parts)]


def digest(files: Iterable[str]) -> str:
    """Of the contents of files, with their names."""
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(name.encode() + b"\0" + (ROOT / name).read_bytes() + b"\0")
    return whole.hexdigest()[:16]


def library() -> list[str]:
    """What every outcome depends on: all sources, the shared part of the tests, the versions, and this command."""
    found = [p for folder in ("ntputils", "scripts/mutation") for p in (ROOT / folder).rglob("*.py")]
    found += [ROOT / "conftest.py", ROOT / "tests" / "conftest.py", ROOT / "requirements.lock"]
    return [str(p.relative_to(ROOT)) for p in found]


class Store:
    """A JSON file that is replaced as a whole."""

    def __init__(self, name: str):
        self.file = KEPT / name
        self.known = json.loads(self.file.read_text(encoding="utf-8")) if self.file.exists() else {}

    def save(self) -> None:
        KEPT.mkdir(parents=True, exist_ok=True)
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.known, indent=0), encoding="utf-8")
        part.replace(self.file)


class Progress:
    """One line that is written over in a terminal; in a log a line every half minute."""

    def __init__(self, total: int, what: str):
        self.total, self.what, self.began = total, what, time.monotonic()
        self.every, self.said = (1.0, 0.0) if sys.stdout.isatty() else (30.0, self.began)

    def show(self, done: int, where: str) -> bool:
        """Says how far it is, if it is time to; whether it did."""
        now = time.monotonic()
        if done < self.total and now - self.said < self.every:
            return False
        self.said, left = now, (now - self.began) / done * (self.total - done) / 60
        line = f"{done} of {self.total} {self.what}, {where}; {left:.0f} more minutes"
        print(f"\r{line:<79}" if sys.stdout.isatty() else line, end="" if sys.stdout.isatty() and done < self.total else "\n", flush=True)
        return True


def watched(wanted: list[str], processes: int) -> dict[str, dict]:
    """Which lines the tests run, and for how long: measured, or known from before."""
    from mutation import trial

    store, files = Store("watched.json"), sorted({file for module in wanted for file in files_of(module)})
    marks = {file: digest([*library(), file]) for file in files}
    missing = [file for file in files if store.known.get(file, {}).get("mark") != marks[file]]
    progress = Progress(len(missing), "files of tests run without a change")
    for done, (file, found) in enumerate(trial.forked(missing, lambda file: trial.watch(file, TOO_SLOW), processes), 1):
        if "signal" in found or found["failed"]:
            sys.exit(f"mutate: without any change, {found.get('failed', file)} fails: mend that first")
        store.known[file] = found | {"mark": marks[file]}
        store.save()
        progress.show(done, file)
    return {file: store.known[file]["tests"] for file in files}


def tests_that_reach(change, tests: dict[str, dict], bodies: dict) -> dict[str, float]:
    """The tests that run a line of the changed function, with their seconds; all tests where there are none.

    A function that runs while its module is read, and what stands outside functions, is run by no test of its own.
    """
    lines = bodies[change.function][1] if change.function in bodies else set()
    reach = {name: test for name, test in tests.items() if lines & set(test["lines"].get(change.module, ()))}
    return {name: test["seconds"] for name, test in (reach or tests).items()}


@dataclass
class Plan:
    """The drawn changes of one module."""

    module: str
    possible: int
    changes: list
    tests: dict[str, dict]
    bodies: dict
    mark: str

    def outcome(self, known: dict) -> dict[str, list]:
        """The changes by what became of them."""
        found = {"caught": [], "timed out": [], "survived": []}
        for change in self.changes:
            kept = known.get(change.key)
            if kept and kept["mark"] == self.mark:
                found[kept["outcome"]].append(change)
        return found


def plans(wanted: list[str], seed: int, core: int, others: int, processes: int) -> list[Plan]:
    """Draws the changes of every module; one without any place for a change is left out."""
    from mutation import trial
    from mutation.changes import Change, functions, sample

    sources = {module: (ROOT / source_of(module)).read_text(encoding="utf-8") for module in wanted}

    def draw(module: str) -> dict:
        possible, changes = sample(module, sources[module], core if module in CORE_MODULES else others, seed)
        return {"possible": possible, "changes": [vars(change) for change in changes]}

    drawn = {m: (d["possible"], [Change(**c) for c in d["changes"]]) for m, d in trial.forked(wanted, draw, processes)}
    drawn = {m: drawn[m] for m in wanted if drawn[m][0]}
    ran, found = watched(list(drawn), processes), []
    for module, (possible, changes) in drawn.items():
        tests = {name: test for file in files_of(module) for name, test in ran[file].items() if not name.startswith(TOO_SLOW)}
        found.append(Plan(module, possible, changes, tests, functions(sources[module]), digest([*library(), *files_of(module)])))
    return found


def try_all(found: list[Plan], processes: int) -> dict:
    """Tries what has no outcome yet; returns all outcomes by key."""
    from mutation import trial

    store = Store("outcomes.json")
    todo = [(plan, change) for plan in found for change in plan.changes
            if store.known.get(change.key, {}).get("mark") != plan.mark]
    progress = Progress(len(todo), "changes tried")

    def job(pair) -> dict:
        plan, change = pair
        chosen = tests_that_reach(change, plan.tests, plan.bodies)
        return trial.attempt((change.module, change.text, chosen)) if chosen else {"caught": None}

    try:
        for done, ((plan, change), result) in enumerate(trial.forked(todo, job, processes), 1):
            late = result.get("signal") in (signal.SIGPROF, signal.SIGKILL)
            outcome = "timed out" if late else "caught" if result.get("signal") or result["caught"] else "survived"
            store.known[change.key] = {"outcome": outcome, "by": result.get("caught") or "", "mark": plan.mark}
            if progress.show(done, plan.module):
                store.save()
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here")
        raise SystemExit(130) from None
    finally:
        store.save()
    if any(plan.mark != digest([*library(), *files_of(plan.module)]) for plan in found):
        sys.exit("mutate: the library or its tests were edited while changes were tried: run the command again")
    return store.known


# --- what came of it -----------------------------------------------------------------------------------------------

COLUMNS = ["module", "places", "changes tried", "caught", "of these by time", "survived", "with a reason", "caught, %"]


def reasons() -> dict[str, str]:
    """By key, why a change may survive."""
    import yaml

    kept = yaml.safe_load(REASONS.read_text(encoding="utf-8")) if REASONS.exists() else {}
    return {f"{module}: {e.get('function', '')}: {e['from']} -> {e['to']}" + (f" ({e['nth']})" if "nth" in e else ""): e["why"]
            for module, entries in kept.items() for e in entries}


def table(found: list[Plan], known: dict) -> list[list]:
    """A row for each module, and one for all."""
    why, rows = reasons(), []
    for plan in found:
        outcome = plan.outcome(known)
        late, lived = len(outcome["timed out"]), outcome["survived"]
        rows.append([plan.module, plan.possible, len(plan.changes), len(outcome["caught"]) + late, late, len(lived),
                     sum(change.key in why for change in lived) if plan.module in CORE_MODULES else None])
    rows.append(["all", *(sum(cell or 0 for cell in column) for column in list(zip(*rows))[1:])])
    return [[*row, round(100 * row[3] / row[2], 1) if row[2] else None] for row in rows]


def report(found: list[Plan], known: dict) -> None:
    """Prints the table, writes the survivors with their diffs, and names those of core modules that have no reason."""
    why, rows = reasons(), table(found, known)
    widths = [max(len(str(row[i])) for row in [COLUMNS, *rows]) for i in range(len(COLUMNS))]
    for row in [COLUMNS, *rows]:
        print("  ".join(str("" if cell is None else cell).rjust(w) if i else str(cell).ljust(w)
                        for i, (cell, w) in enumerate(zip(row, widths))))
    lived = [change for plan in found for change in plan.outcome(known)["survived"]]
    text = "\n\n".join(f"{change.key}\n# {why.get(change.key, 'no reason is given')}\n{change.diff}" for change in lived)
    file = KEPT / "survivors.txt"
    file.with_suffix(".part").write_text(text + "\n", encoding="utf-8")
    file.with_suffix(".part").replace(file)
    print(f"survivors: {file.relative_to(ROOT)}")
    for change in lived:
        if change.module in CORE_MODULES and change.key not in why:
            print(f"no reason: {change.key}")
    there = {change.key for plan in found for change in plan.changes}
    for key in why:
        if key.partition(":")[0] in {plan.module for plan in found} and key not in there:
            print(f"a reason without its change, which is not drawn or no longer there: {key}")
        elif key in there and known.get(key, {}).get("outcome") != "survived":
            print(f"a reason for a change that is caught now: {key}")


def write_record(found: list[Plan], known: dict, seed: int, quick: bool) -> None:
    """Leaves the table where the book finds it."""
    from importlib.metadata import distributions

    from record import versions, write

    took_part = {name: d.version for d in distributions()
                 if (name := d.name.lower().replace("_", "-")) in ("cosmic-ray", "hypothesis", "pytest")}
    rows = sorted(table(found, known), key=lambda row: (row[0] not in CORE_MODULES, row[0] == "all"))
    write("mutation", COLUMNS, rows, seeds=[seed], quick=quick, also={"versions": versions() | took_part})


def main() -> int:
    """Draws, tries, reports; with `--write` keeps the table for the book."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=modules(), default=modules(), metavar="MODULE")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--core", type=int, default=CORE, help="changes in each core module")
    parser.add_argument("--others", type=int, default=OTHERS, help="changes in each other module")
    parser.add_argument("--write", action="store_true", help="write the table into book/results")
    asked = parser.parse_args()
    sys.path[:0] = [str(ROOT)]                  # the library of this checkout
    sys.path += [str(ROOT / "benchmarks"), str(LIBS)]      # last: the lock's versions come first
    from mutation import trial

    began = time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    trial.prepare()
    found = plans(asked.only, asked.seed, asked.core, asked.others, asked.processes)
    known = try_all(found, asked.processes)
    report(found, known)
    print(f"seed {asked.seed}, {asked.processes} processes, {(time.monotonic() - began) / 60:.1f} minutes")
    if asked.write:
        write_record(found, known, asked.seed, quick=(asked.core, asked.others) != (CORE, OTHERS))
    return 0


if __name__ == "__main__":
    sys.exit(main())

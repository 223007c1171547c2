"""Trains every model of Part III from several seeds and writes what came of it: `make results`.

    python scripts/results.py [--scale small|full|quick] [--device cpu|cuda] [--seeds 5] [--only NAME ...] [--out FOLDER]

Each run is kept in `_build/results` and saved while it trains, so the command can be stopped and taken up again. The tables
are small JSON files under `book/results`, each with its scale, device, versions, commit and seeds; the pages of Part III show them
beside what their own cells train. No notebook needs them.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT), str(ROOT / "benchmarks")]
from record import RESULTS, write  # noqa: E402

from ntputils import (NTPSVMSolution, SoftLabels, Trajectory, angle_signs, between_groups, bootstrap_interval,  # noqa: E402
                      build_model, candidate_geometries, center, collapse_ratio, cosine_matrix, effective_rank, factor, fit,
                      in_support_logits, load_corpus, load_labels, mantel, off_diagonal_correlation, off_support_mass, project_F, project_F_perp,
                      solve_ntp_svm, structural_correlation, structural_null)

# What a scale means. The full one has the paper's sizes: hours on a GPU, days without.
SIZES = {
    "small": {"d": 64, "widths": [2, 4, 8, 16, 32, 64, 128], "layers": 2, "gamma": 0.4,
              "steps": {"ufm": 4000, "mean": 4000, "mlp": 2000, "lstm": 1500, "transformer": 1500},
              "lr": {"ufm": 1e-2, "mean": 1e-2, "mlp": 3e-3, "lstm": 3e-3, "transformer": 3e-3}},
    "quick": {"d": 8, "widths": [2, 8], "layers": 1, "gamma": 0.4,      # to try the command
              "steps": dict.fromkeys(("ufm", "mean", "mlp", "lstm", "transformer"), 12),
              "lr": dict.fromkeys(("ufm", "mean", "mlp", "lstm", "transformer"), 3e-3)},
    "full": {"d": 128, "widths": [2, 4, 8, 16, 32, 64, 128], "layers": 4, "gamma": 0.5,
             "steps": dict.fromkeys(("ufm", "mean", "mlp", "lstm", "transformer"), 30_000),
             "lr": dict.fromkeys(("ufm", "mean", "mlp", "lstm", "transformer"), 1e-3)}}
FALLS = (0.5, 0.75)                    # the shares of the steps at which the step size falls
SNAPSHOTS = 40
READERS = {"free vectors": ("ufm", {}), "mean of words": ("mean", {}), "MLP": ("mlp", {"layers": 3}),
           "LSTM": ("lstm", {"layers": 2}), "transformer": ("transformer", {}),
           "transformer, positions": ("transformer", {"positions": True})}
STAGES = {"early": 0.5, "middle": 0.05, "late": 0.0}    # the first snapshot whose excess is at most this share of the first one's


@dataclass(frozen=True)
class Language:
    """A language with what the theory says of it."""

    name: str
    labels: SoftLabels

    @cached_property
    def solution(self) -> NTPSVMSolution:
        return solve_ntp_svm(self.labels.S, tol=1e-6)

    @cached_property
    def candidates(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """For each rival prediction the cosines of words and of contexts."""
        found = candidate_geometries(self.labels, self.solution)
        return {name: (cosine_matrix(W.T), cosine_matrix(H)) for name, (W, H) in found.items()}


    def between(self, A: np.ndarray, B: np.ndarray) -> float:
        """The correlation of two matrices over pairs of different supports, each with the mean of its contexts."""
        groups = self.solution.inverse
        return off_diagonal_correlation(between_groups(A, groups), between_groups(B, groups))


def simplified() -> Language:
    """The simplified TinyStories of chapter 12."""
    return Language("simplified-tinystories", load_labels("simplified-tinystories", seed=0))


def synthetic() -> Language:
    """The sixteen contexts of chapter 11."""
    labels = SoftLabels.from_tokens(load_corpus("synthetic", seed=1, sharing=0), context_length=5)
    return Language("synthetic", labels.restrict(range(labels.m)))


@dataclass(frozen=True)
class Plan:
    """What the command line asked for."""

    scale: str
    device: str
    seeds: Sequence[int]
    cache: Path

    def run(self, language: Language, reader: str, seed: int, *, d: int | None = None) -> Trajectory:
        """Trains a reader of a language from a seed, or takes the run that is kept."""
        sizes, (name, options) = SIZES[self.scale], READERS[reader]
        d, steps = d or sizes["d"], sizes["steps"][name]
        if name == "transformer":
            options = {**options, "layers": sizes["layers"], "heads": next(h for h in (4, 2, 1) if d % h == 0)}
        file = self.cache / f"{self.scale}-{language.name}-{reader.replace(' ', '-').replace(',', '')}-d{d}-seed{seed}.npz"
        if file.exists():
            return Trajectory.load(file)
        print(f"{language.name}: {reader}, d = {d}, seed {seed}", flush=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        checkpoint = file.with_suffix(".checkpoint")
        run = fit(build_model(name, language.labels, d=d, seed=seed, **options), language.labels, steps=steps,
                  lr=sizes["lr"][name], milestones=[int(share * steps) for share in FALLS], gamma=sizes["gamma"],
                  snapshots=SNAPSHOTS, device=self.device, checkpoint=checkpoint, progress=True)
        run.save(file)
        checkpoint.unlink(missing_ok=True)
        return run

    def runs(self, language: Language, reader: str, **options) -> list[Trajectory]:
        """One run for each seed."""
        return [self.run(language, reader, seed, **options) for seed in self.seeds]


def cosine(A: np.ndarray, B: np.ndarray) -> float:
    """Of the angle between two matrices."""
    return float(np.vdot(A, B) / np.linalg.norm(A) / np.linalg.norm(B))


def measures(run: Trajectory, language: Language) -> dict[str, float]:
    """Everything that is measured at the end of a run."""
    labels, solution = language.labels, language.solution
    S, (W, H) = labels.S.toarray(), (run.W[-1].astype(float), run.H[-1].astype(float))
    L, L_in, words_of = center(W @ H), in_support_logits(labels).toarray(), np.nonzero(S)
    COS_W, COS_H = language.candidates["NTP-SVM"]  # noqa: N806
    rest, excess = project_F_perp(L, S), run.loss - labels.entropy()
    acute, obtuse = angle_signs(L, S)
    return {"excess": excess[-1], "share": excess[-1] / excess[0],
            "contexts": off_diagonal_correlation(cosine_matrix(H), COS_H),
            "supports": language.between(cosine_matrix(H), COS_H),
            "words": off_diagonal_correlation(cosine_matrix(W.T), COS_W),
            "structural": structural_correlation(cosine_matrix(H), COS_H),
            "direction": cosine(rest, solution.L), "finite": np.linalg.norm(project_F(L, S) - L_in) / np.linalg.norm(L_in),
            "by support": collapse_ratio(H, solution.inverse), "by token": collapse_ratio(H[:, words_of[1]], words_of[0]),
            "acute": acute, "obtuse": obtuse, "off": off_support_mass(L, labels),
            "norm": np.linalg.norm(L), "nuclear": np.linalg.norm(L, "nuc"), "rank": effective_rank(L)}


def interval(values: Iterable[float]) -> str:
    """The mean over seeds with its bootstrap interval, or the values where there are too few seeds for one."""
    values = np.array(list(values), dtype=float)

    def short(x: float) -> str:
        size = abs(x)
        return f"{x:.1e}" if 0 < size < 1e-3 else f"{x:.3f}" if size < 10 else f"{x:.1f}" if size < 1e3 else f"{x:.0f}"

    if len(values) < 5:
        return " ".join(map(short, values))
    low, high = bootstrap_interval(values, rng=np.random.default_rng(0))
    return f"{short(values.mean())} [{short(low)}, {short(high)}]"


def over_seeds(rows: list[dict[str, float]], names: Iterable[str]) -> list[str]:
    """One cell for each measure."""
    return [interval(row[name] for row in rows) for name in names]


# --- the tables: each returns its columns and its rows -------------------------------------------------------------

Table = tuple[list[str], list[list]]


def architectures(plan: Plan, language: Language | None = None) -> Table:
    """All readers of simplified TinyStories at the end of training, against NTP-SVM."""
    language = language or simplified()
    shown = {"loss - entropy": "excess", "contexts": "contexts", "supports": "supports", "words": "words", "direction": "direction",
             "finite part": "finite", "within / between, by support": "by support", "by next word": "by token", "acute": "acute", "obtuse": "obtuse"}
    ends = {reader: [measures(run, language) for run in plan.runs(language, reader)] for reader in READERS}
    rows = [[title, *(interval(end[name] for end in ends[reader]) for reader in READERS)] for title, name in shown.items()]
    return ["measure", *READERS], rows


def synthetic_readers(plan: Plan) -> Table:
    """The same on the sixteen contexts of chapter 11."""
    return architectures(plan, synthetic())


def significance(plan: Plan) -> Table:
    """The authors' measure beside its null, and Mantel's test of every seed, on both languages."""
    rows = []
    for language, reader in itertools.product((synthetic(), simplified()), READERS):
        runs, rng = plan.runs(language, reader), np.random.default_rng(0)
        tests = [[mantel(cosine_matrix(X), C, rng=rng) for X, C in
                  zip((run.W[-1].T, run.H[-1]), language.candidates["NTP-SVM"])] for run in runs]
        ends = [measures(run, language) for run in runs]
        null = structural_null(language.labels.m, runs[0].H.shape[1])
        rows.append([language.name, reader, *over_seeds(ends, ["structural"]), f"{null:.3f}",
                     *over_seeds(ends, ["contexts", "words"]), max(t[1].p for t in tests), max(t[0].p for t in tests)])
    return ["language", "model", "authors' measure, contexts", "its null", "contexts", "words", "largest p, contexts",
            "largest p, words"], rows


def candidates(plan: Plan) -> Table:
    """Which prediction fits the cosines between supports best, early and late in training."""
    language, rows = simplified(), []
    runs = {reader: plan.runs(language, reader) for reader in READERS}
    for stage, share in STAGES.items():
        seen = {reader: [cosine_matrix(run.H[reaches(run, language, share)].astype(float)) for run in runs[reader]]
                for reader in READERS}
        for name, (_, predicted) in language.candidates.items():
            fits = ([language.between(C, predicted) for C in seen[reader]] for reader in READERS)
            rows.append([stage, name, *map(interval, fits)])
    return ["stage", "prediction", *READERS], rows


def reaches(run: Trajectory, language: Language, share: float) -> int:
    """The first snapshot whose excess is at most this share of the first one's; the last for none."""
    excess = run.loss - language.labels.entropy()
    return int(np.argmax(excess <= share * excess[0])) if share else len(excess) - 1


def agreement(plan: Plan) -> Table:
    """How alike two readers place the supports: over pairs of different seeds, and within one reader."""
    language, rows = simplified(), []
    seen = {reader: [cosine_matrix(run.H[-1].astype(float)) for run in plan.runs(language, reader)] for reader in READERS}
    for one in READERS:
        cells = []
        for other in READERS:
            pairs = [(a, b) for a, b in itertools.product(range(len(plan.seeds)), repeat=2) if a < b]
            values = [language.between(seen[one][a], seen[other][b]) for a, b in pairs]
            cells.append(f"{np.mean(values):.3f} [{np.min(values):.3f}, {np.max(values):.3f}]" if values else "")
        rows.append([one, *cells])
    return ["supports of", *READERS], rows


def widths(plan: Plan) -> Table:
    """Free vectors and the transformer from d = 2 to d = 128."""
    language, rows = simplified(), []
    shown = {"loss - entropy": "excess", "contexts": "contexts", "words": "words", "direction": "direction",
             "off the supports": "off", "effective rank": "rank", "norm of L": "norm", "nuclear norm": "nuclear"}
    for reader, d in itertools.product(("free vectors", "transformer"), SIZES[plan.scale]["widths"]):
        ends = [measures(run, language) for run in plan.runs(language, reader, d=d)]
        rows.append([reader, d, *over_seeds(ends, shown.values())])
    return ["model", "d", *shown], rows


TABLES: dict[str, Callable[[Plan], Table]] = {
    "synthetic": synthetic_readers, "architectures": architectures, "significance": significance, "candidates": candidates,
    "agreement": agreement, "widths": widths}


def device_name(device: str) -> str:
    """What a reader should know of the device."""
    import torch

    return torch.cuda.get_device_name() if device.startswith("cuda") else "CPU"


def main() -> int:
    """Trains what is not trained yet, and writes the tables."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", choices=tuple(SIZES), default="small")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--only", nargs="+", choices=tuple(TABLES), default=list(TABLES))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--cache", type=Path, default=ROOT / "_build" / "results")
    asked = parser.parse_args()
    plan = Plan(asked.scale, asked.device, range(asked.seeds), asked.cache)
    for name in asked.only:
        columns, rows = TABLES[name](plan)
        write(name, columns, rows, seeds=list(plan.seeds), quick=plan.scale == "quick", folder=asked.out,
              also={"scale": plan.scale, "device": device_name(plan.device), "settings": SIZES[plan.scale],
                    "command": f"NTP_SCALE={plan.scale} make results"})
    return 0


if __name__ == "__main__":
    sys.exit(main())

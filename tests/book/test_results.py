"""`make results`: a tiny run of the real command, what it keeps, what it writes, and where the book shows it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "scripts"))
import results  # noqa: E402


def make(folder: Path, *names: str) -> str:
    """Runs the command at its trial size; returns what it said."""
    command = [sys.executable, str(ROOT / "scripts" / "results.py"), "--scale", "quick", "--device", "cpu", "--only", *names,
               "--out", str(folder / "out"), "--cache", str(folder / "cache")]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("results")
    return folder, make(folder, "synthetic")


def test_a_table_says_how_it_was_made(made) -> None:
    text = (made[0] / "out" / "synthetic.json").read_text(encoding="utf-8")
    record = json.loads(text)
    assert record["scale"] == "quick" and record["quick"] and record["device"] == "CPU" and record["seeds"] == [0, 1, 2, 3, 4]
    assert record["settings"]["steps"]["ufm"] == 12 and "torch" in record["versions"] and record["commit"]
    assert record["columns"] == ["measure", *results.READERS] and record["rows"][0][0] == "loss - entropy"
    assert all(len(row) == len(record["columns"]) for row in record["rows"])
    assert not re.search(r"/(home|root|tmp|work|Users)/", text)
    assert not list((made[0] / "out").glob("*.part"))


def test_runs_are_kept_and_taken_up_again(made) -> None:
    folder, said = made
    kept = sorted((folder / "cache").iterdir())
    assert len(kept) == 5 * len(results.READERS) == said.count("seed")
    assert all(file.suffix == ".npz" for file in kept)                     # no checkpoint is left behind
    before = (folder / "out" / "synthetic.json").read_text(encoding="utf-8")
    kept[0].unlink()
    assert make(folder, "synthetic").count("seed") == 1                    # only what is missing is trained
    rows = [json.loads(text)["rows"] for text in (before, (folder / "out" / "synthetic.json").read_text(encoding="utf-8"))]
    assert rows[0] == rows[1]                                              # and it comes out the same


def test_measures_of_perfect_logits_are_perfect() -> None:
    """A run whose last snapshot is the theory's own end: finite part, direction, angles and collapse come out as they must."""
    language = results.synthetic()
    labels, solution = language.labels, language.solution
    L = results.in_support_logits(labels).toarray() + 30 * solution.L
    W, H = results.factor(L)
    run = results.Trajectory(np.array([0, 1]), np.stack([0 * W, W]), np.stack([0 * H, H]), np.array([3.0, labels.entropy()]), {})
    found = results.measures(run, language)
    assert found["finite"] < 1e-6 and found["direction"] > 1 - 1e-6 and found["acute"] == 1 and found["share"] == 0
    assert found["contexts"] > 0.99 and found["words"] > 0.99 and found["off"] < 1e-9
    assert found["by support"] < 0.01 < 0.1 < found["by token"]
    other = results.measures(results.Trajectory(run.steps, run.W, run.H[:, :, ::-1].copy(), run.loss, {}), language)
    assert other["direction"] < 0.5 and other["contexts"] < 0.5 and other["finite"] > 0.5


def test_an_interval_needs_five_seeds() -> None:
    assert results.interval([0.5, 0.5, 0.5, 0.5, 0.5]) == "0.500 [0.500, 0.500]"
    assert results.interval([0.25, 1e-5]) == "0.250 1.0e-05"


def test_every_table_is_shown_and_every_shown_table_is_written() -> None:
    pages = "".join(p.read_text(encoding="utf-8") for folder, kind in (("book", "*.md"), ("notebooks", "*.py"))
                    for p in (ROOT / folder).glob(kind))
    shown = set(re.findall(r":::\{results\} (\w+)", pages))
    assert shown == set(results.TABLES)

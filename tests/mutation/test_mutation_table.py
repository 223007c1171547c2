"""`make mutate` has tests for every module, and every reason of a survivor is about a module and a function that are there."""

import ast
import json
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "scripts"))
import mutate  # noqa: E402


def test_every_module_has_its_tests():
    names = mutate.modules()
    assert {"theory", "widgets.collapse", "__init__"} <= set(names) and len(set(names)) == len(names)
    assert set(mutate.ELSEWHERE) <= set(names)
    for name in names:
        for file in mutate.files_of(name):
            assert (ROOT / file).is_file(), f"{name}: {file} is not there: name its tests in scripts/mutate.py, ELSEWHERE"


def test_what_is_too_slow_is_there():
    for name in mutate.TOO_SLOW:
        file, _, test = name.partition("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        assert f"def {test.partition('[')[0]}" in text or f"class {test.rpartition('.')[2]}" in text


def test_reasons_are_about_functions_that_are_there():
    for module, entries in yaml.safe_load(mutate.REASONS.read_text(encoding="utf-8")).items():
        tree = ast.parse((ROOT / mutate.source_of(module)).read_text(encoding="utf-8"))
        there = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        for entry in entries:
            assert {"from", "to", "why"} <= set(entry) <= {"function", "from", "to", "why", "nth"}
            assert set(entry.get("function", "").split(".")) <= there | {""} and entry["why"].strip()
    assert len(mutate.reasons()) == sum(map(len, yaml.safe_load(mutate.REASONS.read_text(encoding="utf-8")).values()))


def test_the_record_adds_up_and_the_core_modules_keep_what_was_promised():
    """85 of 100 changes caught in each, a reason for most that live, 150 tried or all there are."""
    record = json.loads((ROOT / "book" / "results" / "mutation.json").read_text(encoding="utf-8"))
    assert record["columns"] == mutate.COLUMNS and not record["quick"]
    rows = {row[0]: row[1:] for row in record["rows"]}
    for places, tried, caught, by_time, survived, _, share in rows.values():
        assert by_time <= caught == tried - survived and tried <= places and share == round(100 * caught / tried, 1)
    for module in mutate.CORE_MODULES:
        places, tried, *_, share = rows[module]
        assert share >= 85 and tried >= min(150, places)

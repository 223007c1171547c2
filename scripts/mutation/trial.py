"""What the tests make of a change: a forked copy of this process imports the changed text and runs the tests that reach it.

No file is changed: an import hook hands the changed text to the copy. What the copies need of other packages is imported
once, before they are forked. Time limits are of the processor's time, so a busy machine does not change the outcome.
"""

from __future__ import annotations

import gc
import importlib.machinery
import importlib.util
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path

import coverage
import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("numpy", "scipy.sparse.linalg", "scipy.optimize", "scipy.special", "scipy.stats", "scipy.linalg", "scipy.spatial",
          "torch", "cvxpy", "matplotlib.figure", "matplotlib.pyplot", "yaml", "regex", "anywidget", "ipywidgets", "nbval.plugin",
          "hypothesis.extra.numpy", "array_api_compat", "tqdm", "bookbuild.inputs")   # read by a copy in no time, once read here
QUIET = ["-q", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), "--no-header", "--tb=no", "--assert=plain",
         *(f"-pno:{name}" for name in ("cacheprovider", "faulthandler", "unraisableexception", "threadexception"))]
SECONDS, TIMES = 5, 10       # a test may take so long, and so many times as long as it took without a change
WALL = 300                   # no copy lives longer by the clock
MEMORY = 12 * 2**30


def prepare() -> None:
    """Imports what copies share, and makes their tests the same each time: hypothesis draws from fixed seeds, without a clock."""
    os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "MPLBACKEND": "agg", "PIP_NO_INDEX": "1",    # nothing is fetched,
                   "NTP_MODEL_DIR": str(ROOT / "_build" / "mutation" / "model")}                # and the model stays untouched
    for name in NEEDED:
        import_module(name)
    hypothesis.settings.register_profile(
        "mutation", derandomize=True, database=None, deadline=None, print_blob=False,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate], suppress_health_check=list(hypothesis.HealthCheck))
    hypothesis.settings.load_profile("mutation")
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(ROOT / "_build" / "mutation" / "bytecode")
    gc.freeze()     # copies need not look through what was there before them


# --- copies of this process ----------------------------------------------------------------------------------------

def forked(jobs: Iterable, work: Callable, processes: int) -> Iterator[tuple[object, dict]]:
    """Does each job in a copy of this process, several at a time.

    Args:
        jobs: what `work` takes.
        work: returns a dict that JSON can hold.
        processes: how many copies live at a time.

    Yields:
        The job and what `work` returned; or `{"signal": number}`, where something ended the copy.
    """
    jobs, running = iter(jobs), {}
    scratch = Path(tempfile.mkdtemp(prefix="mutation-"))
    try:
        more = True
        while more or running:
            while more and len(running) < processes:
                job = next(jobs, jobs)
                more = job is not jobs
                if more:
                    folder = Path(tempfile.mkdtemp(dir=scratch))
                    running[_copy(job, work, folder)] = job, folder, time.monotonic()
            pid, status = os.waitpid(-1, os.WNOHANG) if running else (0, 0)
            if pid in running:
                job, folder, _ = running.pop(pid)
                _end(pid)
                said = folder / "said.json"
                if not said.exists() and not os.WIFSIGNALED(status):
                    raise RuntimeError((folder / "out.txt").read_text(errors="replace")[-2000:])
                yield job, json.loads(said.read_text()) if said.exists() else {"signal": os.WTERMSIG(status)}
                shutil.rmtree(folder, ignore_errors=True)
            elif not pid:
                for late in [p for p, (_, _, began) in running.items() if time.monotonic() - began > WALL]:
                    _end(late)
                time.sleep(0.01)
    finally:
        for pid in running:
            _end(pid)
        shutil.rmtree(scratch, ignore_errors=True)


def _end(pid: int) -> None:
    """Ends a copy and all that it started."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _copy(job, work: Callable, folder: Path) -> int:
    """Forks; the copy does the job in a folder of its own, in silence, leaves what it found there, and ends."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL), signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.chdir(folder)
        silence = os.open(folder / "out.txt", os.O_WRONLY | os.O_CREAT)
        os.dup2(silence, 1), os.dup2(silence, 2)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        found = work(job)
        part = folder / "said.part"
        part.write_text(json.dumps(found))
        part.replace(folder / "said.json")
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


# --- without a change: which test runs which line, and for how long ------------------------------------------------

BROWSER = {"site", "browser", "visit"}     # fixtures: their tests are no business of a change in a formula


class _Recorder:
    """Leaves out tests in a browser, tells coverage which test runs, or which fixture is made, and keeps times and failures."""

    def __init__(self, cover: coverage.Coverage):
        self.cover, self.context = cover, ""
        self.tests, self.failed = {}, []

    def _switch(self, context: str) -> None:
        self.context = context
        self.cover.switch_context(context)

    def pytest_collection_modifyitems(self, items: list) -> None:
        items[:] = [item for item in items if not BROWSER.intersection(getattr(item, "fixturenames", ()))]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self._switch(item.nodeid)
        began = time.process_time()
        found = yield
        self.tests[item.nodeid] = {"seconds": round(time.process_time() - began, 4),
                                   "fixtures": list(getattr(item, "fixturenames", ()))}
        self._switch("")
        return found

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        outer = self.context
        self._switch(f"fixture {fixturedef.argname}")
        try:
            return (yield)
        finally:
            self._switch(outer)

    def pytest_runtest_logreport(self, report) -> None:
        if report.failed:
            self.failed.append(report.nodeid)


def watch(file: str, left_out: tuple[str, ...]) -> dict:
    """Runs the tests of one file as they are.

    Args:
        file: below the root; `ntputils` stands for the examples in all docstrings.
        left_out: names of tests that are too slow.

    Returns:
        `tests`: for each that passed its seconds and, for each module of `ntputils`, the lines that it runs, those that its
        fixtures run with them; `failed`: the others.
    """
    cover = coverage.Coverage(data_file=None, include=[str(ROOT / "ntputils" / "*")], config_file=False)
    cover.start()
    recorder = _Recorder(cover)
    code = pytest.main([*QUIET, str(ROOT / file), *_deselected(left_out)], plugins=[recorder])
    cover.stop()
    data = cover.get_data()
    ran = {}
    for measured in data.measured_files():
        module = ".".join(Path(measured).relative_to(ROOT / "ntputils").with_suffix("").parts)
        for line, contexts in data.contexts_by_lineno(measured).items():
            for context in contexts:
                ran.setdefault(context, {}).setdefault(module, set()).add(line)
    for name, test in recorder.tests.items():
        of_test = [ran.get(name, {})] + [ran.get(f"fixture {f}", {}) for f in test.pop("fixtures")]
        test["lines"] = {m: sorted(set().union(*(r.get(m, ()) for r in of_test))) for m in set().union(*of_test)}
    failed = recorder.failed or ([] if code in (0, 5) else [f"{file} (pytest ended with {code})"])
    return {"tests": recorder.tests, "failed": failed}


def _deselected(left_out: Iterable[str]) -> list[str]:
    return [f"--deselect={name}" for name in left_out]


# --- with a change -------------------------------------------------------------------------------------------------

class _Changed(importlib.machinery.SourceFileLoader):
    """Loads one module from another text."""

    def __init__(self, fullname: str, path: str, text: str):
        super().__init__(fullname, path)
        self.text = text

    def get_code(self, fullname: str):
        return compile(self.text, self.path, "exec", dont_inherit=True)


class _Finder:
    """Comes before Python's own finders, for one module."""

    def __init__(self, fullname: str, text: str):
        self.fullname, self.text = fullname, text

    def find_spec(self, fullname: str, path=None, target=None):
        if fullname != self.fullname:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        spec.loader = _Changed(fullname, spec.origin, self.text)
        return spec


class _Chosen:
    """Keeps some tests, quick ones first, gives each its time, and remembers which one failed."""

    def __init__(self, seconds: dict[str, float]):
        self.seconds, self.caught_by = seconds, None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list) -> None:
        items[:] = sorted((i for i in items if i.nodeid in self.seconds), key=lambda i: self.seconds[i.nodeid])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        signal.setitimer(signal.ITIMER_PROF, SECONDS + TIMES * self.seconds[nodeid])

    def pytest_runtest_logreport(self, report) -> None:
        if report.failed and self.caught_by is None:
            self.caught_by = report.nodeid


def attempt(job: tuple[str, str, dict[str, float]]) -> dict:
    """Runs tests on a changed module until one fails.

    Args:
        job: the module's dotted name below `ntputils`, its changed text, and the tests with their seconds.

    Returns:
        `caught`: the test that failed, or why there was none to run; None where all passed. A copy that runs out of time
        is ended by a signal and returns nothing.
    """
    module, text, seconds = job
    fullname = "ntputils" if module == "__init__" else f"ntputils.{module}"
    signal.setitimer(signal.ITIMER_PROF, 60)
    sys.meta_path.insert(0, _Finder(fullname, text))
    try:
        import_module(fullname)
    except Exception as error:
        return {"caught": f"import: {type(error).__name__}"}
    chosen = _Chosen(seconds)
    files = sorted({name.partition("::")[0] for name in seconds})
    code = pytest.main(["-x", *QUIET, *(str(ROOT / file) for file in files)], plugins=[chosen])
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise RuntimeError(f"none of the tests of {module} was found")
    return {"caught": chosen.caught_by or (f"collection ({int(code)})" if code else None)}

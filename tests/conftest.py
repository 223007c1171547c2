"""What the tests share: the built site, a browser that needs no network, and a recorded visit to a page.

Every skip of the suite has its reason here, in one list.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# Two runs try the same examples.
settings.register_profile("book", derandomize=True)
settings.load_profile("book")

SKIPS = {
    "site": "the book is not built (`make book` builds it into _build/html)",
    "browser": "no Chromium or Chrome on this machine (Debian: apt-get install chromium)",
}

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC_BROWSERS = ("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
                "/Applications/Chromium.app/Contents/MacOS/Chromium")
BROWSER_FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync"]


def find_browser() -> str | None:
    """Returns the path of an installed Chromium or Chrome, or None."""
    on_path = (shutil.which(name) for name in BROWSERS)
    return next((path for path in (*on_path, *MAC_BROWSERS) if path and Path(path).exists()), None)


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built book; tests that need it are skipped where it is not built."""
    folder = ROOT / "_build" / "html"
    if not (folder / "index.html").is_file():
        pytest.skip(SKIPS["site"])
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """A headless browser (Playwright's `Browser`), one for each module.

    Playwright's event loop is the thread's running loop while it lives: it must end before nbval's cells run
    in the same process, so it is not kept for the session.
    """
    executable = find_browser()
    if executable is None:
        pytest.skip(SKIPS["browser"])
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=BROWSER_FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module", autouse=True)
def covered_claims_turn(request) -> Iterator[None]:
    """In a module with claims COVERED: by the end of its tests each has held and, with a finite number, failed.

    Claims without a threshold have no verdict to turn. Nothing is asked where only some tests of the module were chosen.
    """
    module = getattr(request.node, "obj", None)
    if not hasattr(module, "COVERED"):
        yield
        return
    from ntputils import claims

    made, seen = claims.Claim, {}

    def noted(*fields):
        found = made(*fields)
        if math.isfinite(found.measured):
            seen.setdefault(found.id, set()).add(found.verdict.partition(" ")[0])
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "Claim", noted)
        yield
    chosen = {item.originalname for item in request.session.items if getattr(item, "module", None) is module}
    if chosen >= {name for name in vars(module) if name.startswith("test_")}:
        still = [id_ for id_ in sorted(module.COVERED) if claims.statements()[id_]["threshold"] is not None
                 and not seen.get(id_, set()) >= {"holds", "fails"}]
        assert not still, f"no test of {module.__name__} makes these claims hold and fail: {still}"


@dataclass
class Visit:
    """One page that was opened, with all it asked for and all it complained about.

    Attributes:
        page: Playwright's page.
        requests: the URL of every request, in order.
        errors: console errors and uncaught exceptions, as text.
    """

    page: object
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def left_the_page(self) -> list[str]:
        """The requests that went anywhere but to local files."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:", "about:"))]


@pytest.fixture
def visit(browser) -> Iterator[Callable[..., Visit]]:
    """A function `visit(path, width=1280, scheme="light")` that opens a file and records what happens."""
    contexts = []

    def open_page(path: Path | str, *, width: int = 1280, height: int = 900, scheme: str = "light") -> Visit:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        record = Visit(context.new_page())
        page = record.page
        page.on("request", lambda request: record.requests.append(request.url))
        page.on("pageerror", lambda error: record.errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and record.errors.append(message.text))
        url = path if "://" in str(path) else Path(path).resolve().as_uri()
        page.goto(str(url), wait_until="load")
        return record

    yield open_page
    for context in contexts:
        context.close()

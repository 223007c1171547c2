"""The build, on a book of two notebooks: each way to go green over a bad page is closed."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import nbformat

EXECUTED = re.compile(r"(\w+)\.ipynb +[\d.]+ s +ok")
REMOTE = "https://someone:secret@github.com/someone/some-book.git"


def executed(output: str) -> set[str]:
    """The notebooks that a build says it executed."""
    return set(EXECUTED.findall(output))


def snapshot(site: Path) -> dict[str, bytes]:
    """Every file of a site with its content."""
    return {str(p.relative_to(site)): p.read_bytes() for p in site.rglob("*") if p.is_file()}


def test_first_build_executes_reports_and_says_what_to_open(built) -> None:
    mini, output = built
    assert executed(output) == {"01_first", "02_second"}
    assert "[1/2]" in output and "[2/2]" in output
    assert f"open {mini.site / 'index.html'}" in output and (mini.site / "index.html").as_uri() in output
    assert "1 claims (holds: 1)" in output
    assert "The answer is 42" in mini.text("book/welcome.html")


def test_nothing_changed_executes_and_writes_nothing(mini) -> None:
    def written() -> dict:
        return {path: path.stat().st_mtime_ns for path in mini.site.rglob("*") if path.is_file()}

    before = written()
    status, output = mini.build()
    assert status == 0 and "up to date" in output and not executed(output)
    assert written() == before != {}


def test_claims_json_and_ledger(built) -> None:
    mini, _ = built
    claims = json.loads(mini.page("claims.json"))
    fields = {"id", "source", "statement", "measured", "threshold", "verdict", "scale", "part", "page",
              "anchor", "discussion", "of"}
    assert [claim.keys() for claim in claims] == [fields]
    assert claims[0]["page"] == "notebooks/01_first.html" and claims[0]["anchor"] == "claim-1-1"
    assert 'id="claim-1-1"' in mini.page("notebooks/01_first.html")
    assert 'href="../notebooks/01_first.html#claim-1-1"' in mini.page("book/ledger.html")
    assert "== 42" in mini.text("book/ledger.html")
    assert "First" in mini.page("book/status.html") and "small" in mini.page("book/status.html")


def test_a_cell_that_raises_fails_every_time_and_keeps_the_last_good_site(mini, first_cells) -> None:
    before = snapshot(mini.site)
    broken = ("code", "x = 1\nraise RuntimeError('on purpose')")
    mini.notebook("01_first", first_cells(("markdown", "Then:"), broken))
    for _ in range(2):
        status, output = mini.build()
        assert status != 0
        assert "notebooks/01_first.ipynb, cell 7: RuntimeError: on purpose" in output
        assert "raise RuntimeError('on purpose')" in output and "last good site" in output
        assert snapshot(mini.site) == before


def test_a_broken_link_fails_every_time_and_keeps_the_last_good_site(mini) -> None:
    before = snapshot(mini.site)
    mini.write("book/welcome.md", "# Welcome\n\n[nowhere](no-such-page.md)\n")
    for _ in range(2):
        status, output = mini.build()
        assert status != 0 and "book/welcome.md:3" in output and "no-such-page" in output
        assert snapshot(mini.site) == before


def test_library_change_executes_all_and_moves_every_page_that_shows_a_value(mini) -> None:
    mini.write("minilib/__init__.py", (mini.root / "minilib/__init__.py").read_text().replace("42", "43"))
    status, output = mini.build()
    assert status == 0, output
    assert executed(output) == {"01_first", "02_second"}
    assert "The answer is 43" in mini.text("book/welcome.html")
    assert "44" in mini.text("notebooks/02_second.html")
    assert json.loads(mini.page("claims.json"))[0]["verdict"] == "fails"
    assert "fails" in mini.text("book/ledger.html") and "1 claims (fails: 1)" in output


def test_lock_and_scale_are_inputs_of_every_notebook(mini) -> None:
    mini.write("requirements.lock", "# another\n")
    status, output = mini.build(NTP_SCALE="full")
    assert status == 0 and executed(output) == {"01_first", "02_second"}
    assert "full" in mini.page("book/status.html")
    status, output = mini.build(NTP_SCALE="full", NTP_TEXT="tinystories")
    assert status == 0 and executed(output) == {"01_first", "02_second"}
    status, output = mini.build(NTP_SCALE="large")
    assert status != 0 and "NTP_SCALE" in output


def test_notebook_change_executes_that_one_and_moves_the_page_that_glues_it(mini, first_cells) -> None:
    cells = [(kind, source.replace("minilib.answer()", "minilib.answer() + 5"), *tags)
             for kind, source, *tags in first_cells()]
    mini.notebook("01_first", cells)
    status, output = mini.build()
    assert status == 0, output
    assert executed(output) == {"01_first"}
    assert "The answer is 47" in mini.text("book/welcome.html") and "47" in mini.text("book/ledger.html")


def test_what_needs_the_model_is_left_out_with_a_note_until_it_is_there(mini, tmp_path) -> None:
    cells = [("markdown", "# Second"), ("code", "print(6 * 7)", "needs-model")]
    mini.notebook("02_second", cells)
    model = tmp_path / "model"
    for environment, reason in (({"NTP_LM": "off"}, "NTP_LM=off"), ({"NTP_LM": "on"}, "no copy of the model")):
        status, output = mini.build(NTP_MODEL_DIR=str(model), **environment)
        assert status == 0 and f"02_second.ipynb is left out: {reason}" in output, output
        assert not executed(output)
        page = mini.text("notebooks/02_second.html")
        assert f"Left out of this build ({reason})" in page and "42" not in page
    (model / "some").mkdir(parents=True)
    (model / "some" / "config.json").write_text("{}")
    status, output = mini.build(NTP_MODEL_DIR=str(model), NTP_LM="on")
    assert status == 0 and executed(output) == {"02_second"}
    page = mini.text("notebooks/02_second.html")
    assert "Left out" not in page and "42" in page


def test_an_interrupted_build_resumes(mini, first_cells) -> None:
    mini.notebook("01_first", first_cells(("code", "pass")))
    mini.notebook("02_second", [("markdown", "# Second"), ("code", "import time\ntime.sleep(4)")])
    process = mini.start()
    for line in process.stdout:
        if executed(line):
            break
    process.kill()
    process.wait()
    status, output = mini.build()
    assert status == 0, output
    assert executed(output) == {"02_second"}


def test_without_a_repository_no_page_links_to_one(built) -> None:
    mini, _ = built
    for page in mini.site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"github\.com|mybinder|colab|gitlab|bitbucket", text.lower()), page


def test_with_a_repository_pages_link_to_it_and_the_download_installs_from_it(mini) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["git", "init", "-q"], ["git", "remote", "add", "origin", REMOTE],
                    [*git, "commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run(command, cwd=mini.root, check=True)
    status, output = mini.build()
    assert status == 0, output
    page = mini.page("notebooks/01_first.html")
    repository = "someone/some-book"
    colab = "https://colab.research.google.com/github"
    for link in (f"{colab}/{repository}/blob/gh-pages/_sources/notebooks/01_first.ipynb",
                 f"https://mybinder.org/v2/gh/{repository}/main?urlpath=lab/tree/notebooks/01_first.ipynb",
                 f"https://github.com/{repository}/edit/main/notebooks/01_first.ipynb",
                 f"https://github.com/{repository}/issues/new"):
        assert link in page, link
    assert "secret" not in page + output
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=mini.root, text=True).strip()
    code = install_cell(mini.site)
    assert f"minilib[chapters] @ git+https://github.com/someone/some-book@{commit}" in code
    compile(code, "install", "exec")


def test_without_a_repository_the_download_says_how_to_install(built) -> None:
    code = install_cell(built[0].site)
    assert "pip install" in code and "git+" not in code
    compile(code, "install", "exec")


def install_cell(site: Path) -> str:
    """The code of the tagged cell in the copy that readers download."""
    notebook = nbformat.read(site / "_sources" / "notebooks" / "01_first.ipynb", as_version=4)
    (cell,) = [cell for cell in notebook.cells if "colab-install" in cell.metadata.get("tags", [])]
    return cell.source

"""From a text to a file: whole or not at all, the same again, and from the command line."""

import subprocess
import sys

import pytest

from ntputils import Corpus, Report, SoftLabels, geometry_report, predict
from ntputils.__main__ import main
from tests.report.texts import TEXT, check_page


def test_half_a_page_is_never_left(report, tmp_path, monkeypatch):
    from ntputils import _report_page

    def fails(*_):
        raise OSError("disk full")
    monkeypatch.setattr(_report_page.os, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        _report_page.write(tmp_path / "page.html", "x")
    assert not list(tmp_path.iterdir())


def test_the_command_line(tmp_path, capsys):
    (tmp_path / "my.txt").write_text(TEXT, encoding="utf-8")
    run = [sys.executable, "-m", "ntputils"]
    done = subprocess.run([*run, tmp_path / "my.txt", "--context-length", "1"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() == str(tmp_path / "my.html"), done.stderr
    check_page((tmp_path / "my.html").read_text(encoding="utf-8"))
    with pytest.raises(SystemExit) as left:
        main([str(tmp_path / "none.txt")])
    assert left.value.code == 1 and "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("arguments, page, length, tokenizer, vocab_size", [
    ([], "my.html", 2, "words", None),
    (["--out", "there.htm", "--context-length", "3", "--tokenizer", "characters", "--vocab-size", "12"], "there.htm", 3,
     "characters", 12)])
def test_what_the_command_line_asks_for(tmp_path, monkeypatch, capsys, arguments, page, length, tokenizer, vocab_size):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ntputils._report_page.svg", lambda figure, name: "")      # which takes its time
    (tmp_path / "my.txt").write_text(TEXT, encoding="utf-8")
    main(["my.txt", *arguments])
    corpus = Corpus.from_text(TEXT, tokenizer=tokenizer)
    labels = SoftLabels.from_tokens(corpus, context_length=length, vocab_size=vocab_size)
    assert capsys.readouterr().out == f"{page}\n" and sorted(p.name for p in tmp_path.iterdir()) == sorted(["my.txt", page])
    assert f"{labels.V:,} words and {labels.m:,} contexts" in (tmp_path / page).read_text(encoding="utf-8")


def test_a_report_is_repeatable(report):
    again = geometry_report(TEXT, context_length=1)
    assert isinstance(again, Report) and again.numbers == pytest.approx(report.numbers, nan_ok=True)
    assert predict(report.labels, exact=False).sizes.tolist() == report.proxy.sizes.tolist()

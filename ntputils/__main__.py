"""`python -m ntputils my-text.txt` writes the report of a text, one page, and says where it is."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import geometry_report


def main(arguments: list[str] | None = None) -> None:
    """Reads the command line, makes the report, writes the page."""
    parser = argparse.ArgumentParser(prog="python -m ntputils", description="The predicted geometry of a text, as one page.")
    parser.add_argument("text", type=Path, help="a text file, UTF-8")
    parser.add_argument("--out", type=Path, help="the page to write; by default the name of the text with .html")
    parser.add_argument("--context-length", type=int, default=2, help="tokens in a context (default 2)")
    parser.add_argument("--tokenizer", default="words", help="words (default), characters, or bpe-512")
    parser.add_argument("--vocab-size", type=int, help="keep so many tokens, the rest become <unk>")
    given = parser.parse_args(arguments)
    try:
        report = geometry_report(given.text, context_length=given.context_length, tokenizer=given.tokenizer,
                                 vocab_size=given.vocab_size)
        print(report.to_html(given.out or given.text.with_suffix(".html")))
    except (OSError, TypeError, ValueError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()

"""Draws the figure of the welcome page from eleven two-word sentences, by way of the library, and makes its panel.

    python scripts/welcome_figure.py            writes support-to-geometry.html and support-panel.html in book/assets
    python scripts/welcome_figure.py --check    exit code 1 if a committed file is not what this makes

The figure is a fragment of HTML: six small SVG drawings that the page wraps, three in a row on a desk and two
on a phone. Letters and lines take the colour of the page's text, so the figure follows light and dark mode. The panel
is another fragment: the grid of supports of chapter 4 with the same sentences, without the library's other matrices,
as one module script in the page, so that it works from a file and needs no kernel.
"""

from __future__ import annotations

import json
import sys
from html import escape
from pathlib import Path

import matplotlib as mpl
import numpy as np

from ntputils import SoftLabels, centered_support, factor
from ntputils.plots import CYCLE, DIVERGING
from ntputils.widgets import SupportGridWidget

HERE = Path(__file__).parent
ASSETS = HERE.parent / "book" / "assets"
WIDGETS = HERE.parent / "ntputils" / "widgets"
SENTENCES = ("cats eat", "cats sleep", "dogs eat", "dogs sleep", "children eat", "children sleep",
             "children sing", "taps drip", "taps leak", "pipes drip", "pipes leak")
ALT = ("Six drawings. First, eleven two-word sentences: cats and dogs eat and sleep; children eat, sleep "
       "and sing; taps and pipes drip and leak. Second, the support matrix: a filled cell where a word has "
       "followed a context. Third, the centred support matrix: the same with each column's mean taken off. "
       "Fourth, the predicted cosines between contexts: 1 for cats and dogs and for taps and pipes, "
       "positive for children with cats or dogs, negative between animals and pipes. Fifth, the predicted "
       "cosines between words: 1 for eat and sleep and for drip and leak. Sixth, a map: cats and dogs at "
       "one point, taps and pipes at one point opposite, eat and sleep at one point, drip and leak at one "
       "point.")
SIZE, LEFT, TOP, EDGE = 200, 56, 70, 196  # a drawing; where its matrix begins and ends


def next_token_problem() -> SoftLabels:
    """Counts the sentences with contexts of one word; the vocabulary is the words that come next."""
    everything = SoftLabels.from_text("\n\n".join(SENTENCES), context_length=1)
    follows = np.flatnonzero(everything.S.toarray().any(axis=1))
    counts = (everything.P.toarray() * everything.pi * everything.n)[follows]
    order = sorted(range(everything.m), key=lambda j: SENTENCES.index(next(
        s for s in SENTENCES if s.startswith(everything.context(j)))))
    return SoftLabels.from_counts(counts[:, order], vocab=[everything.vocab[z] for z in follows],
                                  contexts=[everything.context(j) for j in order])


def text(x: float, y: float, words: str, size: float = 13, **attributes: str) -> str:
    """One line of text; it takes the page's colour unless `fill` says otherwise."""
    more = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}"{more}>{escape(words)}</text>'


def drawing(title: str, *parts: str) -> str:
    """One of the six drawings, under its title."""
    head = text(0, 15, title, 14, font_weight="600")
    return f'<svg viewBox="0 0 {SIZE} {SIZE}" aria-hidden="true">{head}{"".join(parts)}</svg>'


def matrix(title: str, A: np.ndarray, rows: tuple[str, ...], columns: tuple[str, ...], *,
           numbers: bool = True) -> str:
    """A matrix as coloured cells with labels; without numbers, a one is a filled cell."""
    width, height = (EDGE - LEFT) / A.shape[1], (EDGE - TOP) / A.shape[0]
    parts = [text(LEFT - 6, TOP + (i + 0.5) * height + 4, row, text_anchor="end")
             for i, row in enumerate(rows)]
    for j, column in enumerate(columns):
        x = LEFT + (j + 0.5) * width + 3
        parts.append(text(x, TOP - 6, column, 12, transform=f"rotate(-50 {x:g} {TOP - 6:g})"))
    for (i, j), value in np.ndenumerate(A):
        red, green, blue, _ = mpl.colormaps[DIVERGING]((value + 1) / 2)
        fill = mpl.colors.to_hex((red, green, blue)) if numbers else (CYCLE[0] if value else "none")
        parts.append(f'<rect x="{LEFT + j * width + 1:g}" y="{TOP + i * height + 1:g}" width="{width - 2:g}" '
                     f'height="{height - 2:g}" rx="2" fill="{fill}" stroke="currentColor" '
                     'stroke-opacity="0.35"/>')
        if numbers:
            ink = "#fff" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.55 else "#000"
            shown = f"{value:.1f}".replace("-0.0", "0.0").replace("-", "\u2212")
            parts.append(text(LEFT + (j + 0.5) * width, TOP + (i + 0.5) * height + 4, shown, 10, fill=ink,
                              text_anchor="middle"))
    return drawing(title, *parts)


def sentences(title: str) -> str:
    """The text itself."""
    return drawing(title, *(text(4, 38 + 15.5 * i, line) for i, line in enumerate(SENTENCES)))


def grouped(points: np.ndarray, names: tuple[str, ...]) -> dict[tuple[float, float], str]:
    """The names that stand at each point."""
    places: dict[tuple[float, float], list[str]] = {}
    for (x, y), name in zip(points.round(6), names):
        places.setdefault((x, y), []).append(name)
    return {place: ", ".join(found) for place, found in places.items()}


def plane(title: str, W: np.ndarray, H: np.ndarray, labels: SoftLabels) -> str:
    """Words (squares) and contexts (circles) in the plane that holds them all."""
    scale = 62 / np.abs(np.vstack([W, H.T])).max()
    axes = '<path d="M4 112H196M100 30V196" stroke="currentColor" stroke-opacity="0.3" fill="none"/>'
    parts = [axes]
    for points, names, mark in ((W, labels.vocab, "word"), (H.T, labels.contexts, "context")):
        for (px, py), name in grouped(points, names).items():
            x, y = 100 + scale * px, 112 - scale * py
            shape = (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{CYCLE[1]}"/>' if mark == "context" else
                     f'<rect x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9" fill="{CYCLE[0]}"/>')
            style = {"font_style": "italic"} if mark == "word" else {}
            below = mark == "word" or py < 0
            parts += [shape, text(round(x, 1), round(y + (19 if below else -10), 1), name, 12,
                                  text_anchor="middle", **style)]
    return drawing(title, *parts)


def cosines(rows: np.ndarray) -> np.ndarray:
    """Cosines between the rows."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit @ unit.T


def figure() -> str:
    """The whole fragment."""
    labels = next_token_problem()
    words, contexts = labels.vocab, labels.contexts
    proxy = centered_support(labels.S)
    W, H = factor(proxy)
    if W.shape[1] != 2:
        raise ValueError(f"SENTENCES: their centred support has rank {W.shape[1]}, and the map wants rank 2")
    turn = np.sign(H[:, contexts.index("cats")])  # signs are free: cats go to the upper right
    W, H = W * turn, H * turn[:, None]
    drawings = (sentences("1  The text"),
                matrix("2  What has followed", labels.S.toarray(), words, contexts, numbers=False),
                matrix("3  Centred", proxy, words, contexts),
                matrix("4  Contexts, compared", cosines(H.T), contexts, contexts),
                matrix("5  Words, compared", cosines(W), words, words),
                plane("6  The map", W, H, labels))
    return (f'<div class="ntp-six" role="img" aria-label="{escape(ALT)}">\n'
            "<style>.ntp-six{display:flex;flex-wrap:wrap;gap:.9rem;margin:1rem 0}"
            ".ntp-six svg{flex:1 1 30%;min-width:138px;max-width:260px;fill:currentColor;overflow:visible}"
            "</style>\n"
            + "\n".join(drawings) + "\n</div>\n")


def panel() -> str:
    """The panel: the widget's style sheet and modules, what is not needed left out, and the sentences' supports."""
    labels = next_token_problem()
    start = {"tokens": labels.vocab, "contexts": labels.contexts, "S": labels.S.toarray().astype(int).tolist()}
    names = ("svm_core.js", "heatmap.js", "support_grid.js")
    modules = [(WIDGETS / name).read_text(encoding="utf-8") for name in names]
    modules[2] = modules[2].split("\nclass SupportGridView")[0]  # the drawing classes, not the whole widget
    script = "\n".join([*modules, f"const START = {json.dumps(start)};",
                        (HERE / "welcome_panel.js").read_text(encoding="utf-8")])
    script = script.replace("\nexport ", "\n")
    if "</script" in script or "\nimport " in script:
        raise ValueError("the panel's script would end early, or asks for another file")
    words = "; ".join(f"after {name}: {', '.join(labels.vocab[i] for i in np.flatnonzero(column))}"
                      for name, column in zip(labels.contexts, labels.S.toarray().T))
    style = SupportGridWidget._css + "\n.ntp-welcome-host { margin: 1rem 0 1.5rem; }"
    return (f"<style>{style}</style>\n<div class=\"ntp-welcome-host\"><p>A panel that needs JavaScript: a grid "
            f"of words by contexts ({escape(words)}), and the map that follows from it.</p></div>\n"
            f"<script type=\"module\">\n{script}</script>\n")


FILES = {"support-to-geometry.html": figure, "support-panel.html": panel}

if __name__ == "__main__":
    made = {ASSETS / name: make() for name, make in FILES.items()}
    if sys.argv[1:] == ["--check"]:
        stale = [p.name for p, text in made.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
        sys.exit(f"{', '.join(stale)}: out of date, run {sys.argv[0]}" if stale else 0)
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")

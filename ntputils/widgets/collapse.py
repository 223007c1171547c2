"""The widget of chapter 6: context vectors before and after projection, in three dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from ..corpus import load_labels
from ..metrics import collapse_ratio, project_leading
from ..path import regularization_path
from ..types import SoftLabels

HERE = Path(__file__).parent
LAMBDAS = tuple(10.0 ** -np.arange(2, 10.5, 0.5))
DIGITS = 5      # decimals of the vectors that go to the page
COLOURS = 8     # supports that colour and shape tell apart
EACH = 4        # contexts of a support in the worlds below

# Worlds to look at: supports from the counts of TinyStories, named by their words.
PRESETS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("Girl and boy", ("girl/boy", "he/she", "he", "she"),
     "No context tells girl from boy: their contexts keep a distance, along a direction that does not grow."),
    ("Told apart", ("girl/boy", "he/she", "he", "she", "girl", "boy"),
     "Contexts of girl alone and of boy alone: now all directions grow, and there is nothing to leave out."),
    ("Five supports", ("he/she", "he/they", "he/she/they", "girl/boy", "said/says"),
     "Six directions, of which four grow; the picture shows two that do and one that does not."),
)


def _module() -> str:
    """Puts the widget's ES module together: a module loaded as a blob cannot import its neighbours."""
    names = ("svm_core.js", "heatmap.js", "collapse_core.js", "collapse.js")
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


def _style() -> str:
    """The house style of the widgets under this widget's name, and what is its own."""
    names = ("soft_labels.css", "collapse.css")
    house, own = ((HERE / name).read_text(encoding="utf-8") for name in names)
    return house.replace(".ntp-soft-labels", ".ntp-collapse") + own


def _choose(labels: SoftLabels, supports: Iterable[str]) -> SoftLabels:
    """The `EACH` most frequent contexts of every support (contexts come in the order of their counts)."""
    columns = []
    for name in supports:
        wanted = [labels.vocab.index(word) for word in name.split("/")]
        inside = labels.S[wanted].sum(axis=0) == len(wanted)
        columns += np.flatnonzero(inside & (labels.support_sizes == len(wanted)))[:EACH].tolist()
    return labels.restrict(columns)


def _growing(labels: SoftLabels, lam: float) -> int:
    """How many singular values grow while the ridge falls a thousandfold to lam."""
    points = regularization_path(labels, [1e3 * lam, lam], tol=1e-9)
    before, after = (np.linalg.svd(point.L, compute_uv=False) for point in points)
    least = np.sqrt(after.sum() / before.sum()) if before.sum() > 0 else 1.0
    return max(1, int(np.sum((after > 1e-6 * after[0]) & (after > least * before))))


def _world(name: str, shows: str, labels: SoftLabels, lambdas: Sequence[float],
           rank: int | None = None) -> dict[str, Any]:
    """What the page is given of one problem: names, probabilities, classes, and H along the path."""
    path = sorted(regularization_path(labels, lambdas, tol=1e-9), key=lambda point: -point.lam)
    _, classes, counts = labels.merge_supports()
    if not 2 <= len(counts) <= COLOURS:
        raise ValueError(f"labels: got {len(counts)} distinct supports, "
                         f"want 2 to {COLOURS} to tell apart by colour")
    vectors, target = [], path[-1].H
    for point in path:  # each turned to lie on the last as well as it can: a turn changes no measure
        U, _, Vt = np.linalg.svd(target @ point.H.T)
        vectors.append((U @ Vt @ point.H).round(DIGITS).tolist())
    odds = [[[labels.vocab[z], round(float(p), 3)] for z, p in zip(column.indices, column.data)]
            for column in (labels.P[:, [j]] for j in range(labels.m))]
    first = np.unique(classes, return_index=True)[1]
    return {"name": name, "shows": shows, "lambdas": [point.lam for point in path], "H": vectors,
            "supports": ["/".join(word for word, _ in odds[j]) for j in first], "classes": classes.tolist(),
            "contexts": [labels.context(j) for j in range(labels.m)], "odds": odds,
            "rank": _growing(labels, path[-1].lam) if rank is None else rank}


@cache
def _presets() -> tuple[dict[str, Any], ...]:
    """The worlds of `PRESETS`, computed once."""
    labels = load_labels("tinystories-counts")
    return tuple(_world(name, shows, _choose(labels, supports), LAMBDAS)
                 for name, supports, shows in PRESETS)


class CollapseWidget(anywidget.AnyWidget):
    """Turns context vectors in three dimensions, before and after projection on the directions that grow.

    Python computes the regularisation path; the page projects, measures the collapse and draws. Contexts are
    coloured by support. The axes are the two largest growing directions and the largest of the others, at the
    smallest ridge.

    Source: chapter 6, "Scatter stays bounded" and "Collapse ratio".

    Args:
        labels: the problem to show, with 2 to 8 distinct supports; by default three small ones from
            TinyStories.
        lambdas: the ridges, above 0; by default 17 from 1e-2 to 1e-10.
        rank: how many directions the projection keeps; by default as many as grow.
        **kwargs: `world` and `step`, where to begin.

    Attributes:
        worlds: the problems that can be chosen.
        world: which of them is shown.
        step: which ridge, from the largest (0) on; the last at first.

    Raises:
        ValueError: too many supports or only one, a ridge that is not above 0, a rank beyond min(V - 1, m),
            or a world or step that is not there.

    >>> labels = SoftLabels.from_counts([[7, 3, 0], [3, 7, 0], [0, 0, 9]])
    >>> widget = CollapseWidget(labels, lambdas=[1e-4, 1e-8])
    >>> widget
    CollapseWidget(1 world, 3 contexts, 2 supports, lambda 1e-08)
    >>> before, after = widget.ratios()
    >>> after < 1e-6 < before
    True
    """

    _esm = _module()
    _css = _style()

    worlds = traitlets.List(traitlets.Dict()).tag(sync=True)
    world = traitlets.Int(0).tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)

    def __init__(self, labels: SoftLabels | None = None, *, lambdas: Sequence[float] = LAMBDAS,
                 rank: int | None = None, **kwargs: object) -> None:
        if labels is None:
            worlds = list(_presets())
        else:
            most = max(1, min(labels.V - 1, labels.m))
            if rank is not None and not 1 <= rank <= most:
                raise ValueError(f"rank: got {rank}, want a number from 1 to min(V - 1, m) = {most}")
            worlds = [_world("Contexts", "", labels, lambdas, rank)]
        super().__init__(worlds=worlds, **{"step": len(worlds[0]["lambdas"]) - 1, **kwargs})

    @traitlets.validate("world")
    def _check_world(self, proposal: traitlets.Bunch) -> int:
        if not 0 <= proposal.value < len(self.worlds):
            raise ValueError(f"world: got {proposal.value}, want a number from 0 to {len(self.worlds) - 1}")
        return proposal.value

    @traitlets.validate("step")
    def _check_step(self, proposal: traitlets.Bunch) -> int:
        most = len(self.worlds[self.world]["lambdas"]) - 1
        if not 0 <= proposal.value <= most:
            raise ValueError(f"step: got {proposal.value}, want a number from 0 to {most}")
        return proposal.value

    def ratios(self) -> tuple[float, float]:
        """The collapse ratio with class = support, before and after projection, of what is shown.

        Returns:
            Scatter within supports over scatter between them: in all directions, and in those that are kept.
        """
        world = self.worlds[self.world]
        H = np.array(world["H"][self.step])
        return (collapse_ratio(H, world["classes"]),
                collapse_ratio(project_leading(H, world["rank"]), world["classes"]))

    def fallback(self) -> str:
        """Says in words what the widget shows: for a reader who cannot see it, or has no JavaScript.

        Returns:
            Three lines of plain text, numbers rounded.

        >>> labels = SoftLabels.from_counts([[7, 3, 0], [3, 7, 0], [0, 0, 9]])
        >>> print(CollapseWidget(labels, lambdas=[1e-8]).fallback())
        3 contexts in 2 supports, by the words that follow: 0/1 (2 contexts), 2 (1 context).
        The projection keeps 1 of 2 directions, those that grow as the ridge falls.
        Collapse ratio at lambda 1e-08: 0.037 in all directions, 0 after projection.
        """
        world = self.worlds[self.world]
        counts = np.bincount(world["classes"])
        listed = ", ".join(f"{name} ({count} context{'s' if count > 1 else ''})"
                           for name, count in zip(world["supports"], counts))
        ratios = ["0" if ratio < 1e-9 else f"{ratio:.2g}" for ratio in self.ratios()]
        lines = (f"{len(world['contexts'])} contexts in {len(counts)} supports, by the words that follow: "
                 f"{listed}.",
                 f"The projection keeps {world['rank']} of {len(world['H'][0])} directions, "
                 "those that grow as the ridge falls.",
                 f"Collapse ratio at lambda {world['lambdas'][self.step]:.0e}: "
                 f"{ratios[0]} in all directions, {ratios[1]} after projection.")
        return "\n".join(lines)

    def __repr__(self) -> str:
        world = self.worlds[self.world]
        return (f"CollapseWidget({len(self.worlds)} world{'s' if len(self.worlds) > 1 else ''}, "
                f"{len(world['contexts'])} contexts, {len(world['supports'])} supports, "
                f"lambda {world['lambdas'][self.step]:.0e})")

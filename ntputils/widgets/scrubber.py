"""The widget of chapter 12: snapshots of training beside their prediction, model by model and step by step."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from ..similarity import cosine_matrix, off_diagonal_correlation
from ..svm import NTPSVMSolution, solve_ntp_svm
from ..theory import center, centered_support, factor
from ..types import SoftLabels
from ..ufm import Trajectory

HERE = Path(__file__).parent
LARGEST = 120              # contexts, and words, that are shown at most
MANY_WORDS = 110           # a vocabulary up to this size is shown whole
RUNS = 8                   # runs that colours tell apart
FINE = 2000                # steps of the rounding in the root mean square entry of a vector,
COARSE = 100               # and in that of trained vectors
MANY_NUMBERS = 100_000     # with more entries than these
ALIKE = 5e-3               # cosines with a smaller standard deviation are taken as equal; the page does the same
LARGEST_STATE = 700_000    # bytes that a page has to carry for one widget, at most
VIEWS = ("contexts", "words", "logits")
AGAINST = ("solution", "proxy")


def _module() -> str:
    """Puts the widget's ES module together: a module loaded as a blob cannot import its neighbours."""
    names = ("heatmap.js", "scrubber_core.js", "scrubber_parts.js", "scrubber.js")
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


def _style() -> str:
    """The house style of the widgets under this widget's name, and what is its own."""
    names = ("soft_labels.css", "scrubber.css")
    house, own = ((HERE / name).read_text(encoding="utf-8") for name in names)
    return house.replace(".ntp-soft-labels", ".ntp-scrubber") + own


# --- which contexts and words are shown ---------------------------------------------------------------------------

def _choose_contexts(labels: SoftLabels, contexts: Sequence[int] | None, per_support: int, supports: int) -> np.ndarray:
    """Numbers of the contexts to show: those of one support side by side, the supports of most contexts first."""
    if per_support < 1 or supports < 1:
        raise ValueError(f"per_support, supports: got {per_support} and {supports}, want both at least 1")
    _, inverse, counts = labels.merge_supports()
    if contexts is None:
        largest = np.argsort(-counts, kind="stable")[:supports]
        chosen = np.concatenate([np.flatnonzero(inverse == g)[:per_support] for g in largest])
    else:
        chosen = np.asarray(contexts)
        fits = chosen.ndim == 1 and chosen.dtype.kind in "iu" and len(np.unique(chosen)) == len(chosen)
        if not fits or (chosen.size and (chosen.min() < 0 or chosen.max() >= labels.m)):
            raise ValueError(f"contexts: got {np.array2string(chosen, threshold=8)}, want different whole numbers "
                             f"from 0 to {labels.m - 1}")
    if not 3 <= len(chosen) <= LARGEST:
        raise ValueError(f"contexts: got {len(chosen)} to show, want 3 to {LARGEST}; "
                         "`contexts`, `per_support` and `supports` choose")
    groups = inverse[chosen]
    return chosen[np.lexsort((np.arange(len(chosen)), groups, -counts[groups]))]


def _choose_words(labels: SoftLabels, inside: np.ndarray, shown: int) -> np.ndarray:
    """Numbers of the words to show, given supports, (V, u), the `shown` first: words of the first support first."""
    chosen = np.arange(labels.V) if labels.V <= MANY_WORDS else np.flatnonzero(inside[:, :shown].any(axis=1))
    if len(chosen) > MANY_WORDS:
        chosen = np.sort(chosen[np.argsort(-(labels.P @ labels.pi)[chosen], kind="stable")[:MANY_WORDS]])
    if len(chosen) < 3:
        raise ValueError(f"labels: got {len(chosen)} words to show, want at least 3")
    return chosen[np.lexsort(~inside[chosen, ::-1].T)]


def _world(labels: SoftLabels, contexts: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    """What is shown, as plain values; and the numbers of its words."""
    columns, inverse, counts = labels.merge_supports()
    groups, first = np.unique(inverse[contexts], return_index=True)
    groups = groups[np.argsort(first)]
    others = [g for g in np.argsort(-counts, kind="stable") if g not in groups]
    inside = columns[:, [*groups, *others[:LARGEST]]].toarray()
    words = _choose_words(labels, inside, len(groups))
    place = {int(z): i for i, z in enumerate(words)}
    frequent = np.argsort(-(labels.P @ labels.pi), kind="stable")
    world = {"contexts": [labels.context(j) for j in contexts], "words": [labels.vocab[z] for z in words],
             "groups": [int(np.flatnonzero(groups == g)[0]) for g in inverse[contexts]],
             "supports": [[place[int(z)] for z in frequent if inside[z, g] and int(z) in place]
                          for g in range(len(groups))],
             "sizes": [int(n) for n in inside[:, :len(groups)].sum(axis=0)], "entropy": float(labels.entropy())}
    return world, words


# --- runs and predictions, and how they travel --------------------------------------------------------------------

def _check_runs(labels: SoftLabels, runs: Mapping[str, Trajectory]) -> None:
    """Holds that there are runs, and that each is one of these labels."""
    if not isinstance(runs, Mapping):
        raise TypeError(f"runs: got {type(runs).__name__}, want a mapping of names to Trajectory")
    if not 1 <= len(runs) <= RUNS:
        raise ValueError(f"runs: got {len(runs)}, want 1 to {RUNS} to tell apart by colour")
    for name, run in runs.items():
        if not isinstance(run, Trajectory):
            raise TypeError(f"runs: {name} is {type(run).__name__}, want a Trajectory, as `fit` and `train_ufm` return it")
        if run.W.shape[1] != labels.V or run.H.shape[2] != labels.m or not len(run.steps):
            raise ValueError(f"runs: {name} has {len(run.steps)} snapshots of {run.W.shape[1]} words and {run.H.shape[2]} "
                             f"contexts, want at least one of the labels' {labels.V} and {labels.m}")
        if not all(np.all(np.isfinite(A)) for A in (run.W, run.H, run.loss)):
            raise ValueError(f"runs: {name} has entries that are not finite")


def _vectors(W: np.ndarray, H: np.ndarray, words: np.ndarray, contexts: np.ndarray) -> np.ndarray:
    """The vectors shown, words before contexts: (snapshots, words + contexts, d)."""
    return np.concatenate([W[:, words], H[:, :, contexts].transpose(0, 2, 1)], axis=1).astype(np.float64)


def _predicted(L: np.ndarray, words: np.ndarray, contexts: np.ndarray) -> np.ndarray:
    """The vectors that logits ask for, turned into as few coordinates as keep their products: (1, items, r)."""
    W, H = factor(L)
    if not W.shape[1]:      # every word may follow every context: logits of zero, a vector of zero for each item
        return np.zeros((1, len(words) + len(contexts), 1))
    U, s, _ = np.linalg.svd(_vectors(W[None], H[None], words, contexts)[0], full_matrices=False)
    rank = max(1, int(np.sum(s > 1e-9 * s[0])))
    return (U[:, :rank] * s[:rank])[None]


def _bytes(X: np.ndarray, fineness: int) -> bytes:
    """Vectors as whole numbers of steps, one step for each vector, the largest 2^(q/8) up to rms entry / fineness.

    Rounding moves an entry by half a step at most, so a vector by at most 1 / (2 fineness) of its length. First all q,
    then all entries; low bytes before high bytes, which are nearly all alike and compress well.
    """
    rms = np.sqrt(np.mean(X**2, axis=2))
    q = np.floor(8 * np.log2(rms / fineness, out=np.full_like(rms, -800.0), where=rms > 0))
    codes = np.rint(X / np.exp2(q / 8)[..., None])
    planes = np.concatenate([q.ravel(), codes.ravel()]).astype("<i2").view(np.uint8).reshape(-1, 2)
    return planes.T.tobytes()


def _correlation(A: np.ndarray, B: np.ndarray) -> float:
    """The correlation over pairs of different items; nan where the entries of one are all alike."""
    upper = np.triu_indices(len(A), 1)
    return off_diagonal_correlation(A, B) if min(A[upper].std(), B[upper].std()) >= ALIKE else float("nan")


def _thin(count: int, most: int) -> np.ndarray:
    """Which of `count` snapshots are kept, the first and the last among them."""
    return np.unique(np.round(np.linspace(0, count - 1, min(count, most))).astype(int))


class TrainingScrubber(anywidget.AnyWidget):
    """Shows snapshots of training beside what NTP-SVM or its proxy predicts, model by model and step by step.

    Three views: cosines of contexts, cosines of words, logits less the mean of each column; trained on the left,
    predicted on the right, in the same order and with the same colours. Trained logits are drawn at the length of the
    predicted: it is the direction that is predicted. The page gets the vectors of the items shown, rounded and
    compressed, and computes all matrices and numbers from them.

    Rounding moves a vector by at most 1/4000 of its length; trained vectors by at most 1/200, where they have more than
    100,000 entries. That moves correlations by less than 1/1000 wherever it was measured.

    Source: chapter 12; Zhao et al. (2024).

    Args:
        labels: the soft labels that all runs were trained on.
        runs: one to eight runs by the name of the model; they may differ in dimension and in their steps.
        solution: the solution of NTP-SVM for the supports; solved for if it is not given.
        contexts: the numbers of the contexts to show, 3 to 120; by default up to `per_support` of each of the
            `supports` that most contexts share.
        per_support: how many contexts of a support, at most.
        supports: how many supports, at most.
        snapshots: how many snapshots of a run, at most; those kept are evenly spread over those there.
        **kwargs: `run`, `snapshot`, `view` and `against`, where to begin.

    Attributes:
        world: what is shown: contexts, words, supports, entropy.
        runs: names, dimensions, steps and losses of the runs.
        predictions: the dimensions of the predicted vectors, those of the solution and of the proxy.
        packed: the vectors of predictions and runs, compressed.
        run: which run is shown.
        snapshot: which of its snapshots; the last at first.
        view: "contexts", "words" or "logits".
        against: which prediction stands beside, "solution" or "proxy".

    Raises:
        ValueError: no run, or one that does not fit the labels; contexts that are not there, too many or too few; a
            state of more than 700,000 bytes; a run, snapshot, view or prediction that is not there.
        TypeError: runs that are no Trajectory.

    >>> from ntputils import train_ufm
    >>> labels = SoftLabels.from_counts([[1, 0, 2], [0, 1, 1], [0, 1, 0]])
    >>> run = train_ufm(labels, d=3, steps=2000, lr=2.0, rng=np.random.default_rng(0), snapshots=8)
    >>> widget = TrainingScrubber(labels, {"free vectors": run})
    >>> widget
    TrainingScrubber(1 run, 3 contexts, 3 words)
    >>> bool(widget.numbers(view="logits", snapshot=0)["toSolution"] < widget.numbers(view="logits")["toSolution"])
    True
    """

    _esm = _module()
    _css = _style()

    world = traitlets.Dict().tag(sync=True)
    runs = traitlets.List(traitlets.Dict()).tag(sync=True)
    predictions = traitlets.List(traitlets.Int()).tag(sync=True)
    packed = traitlets.Unicode().tag(sync=True)
    run = traitlets.Int(0).tag(sync=True)
    snapshot = traitlets.Int(0).tag(sync=True)
    view = traitlets.Unicode("contexts").tag(sync=True)
    against = traitlets.Unicode("solution").tag(sync=True)

    def __init__(self, labels: SoftLabels, runs: Mapping[str, Trajectory], solution: NTPSVMSolution | None = None, *,
                 contexts: Sequence[int] | None = None, per_support: int = 10, supports: int = 10, snapshots: int = 16,
                 **kwargs: object) -> None:
        _check_runs(labels, runs)
        if snapshots < 2:
            raise ValueError(f"snapshots: got {snapshots}, want at least 2 (the start and the end)")
        columns = _choose_contexts(labels, contexts, per_support, supports)
        if solution is None:
            solution = solve_ntp_svm(labels.S)
        if solution.L.shape != (labels.V, labels.m):
            raise ValueError(f"solution: got logits of shape {solution.L.shape}, want the labels' {(labels.V, labels.m)}")
        world, words = _world(labels, columns)
        self._predicted = {"solution": _predicted(solution.L, words, columns),
                           "proxy": _predicted(centered_support(labels.S), words, columns)}
        kept = {name: _thin(len(run.steps), snapshots) for name, run in runs.items()}
        self._trained = [_vectors(run.W[kept[name]], run.H[kept[name]], words, columns) for name, run in runs.items()]
        fineness = COARSE if sum(X.size for X in self._trained) > MANY_NUMBERS else FINE
        parts = [*(_bytes(X, FINE) for X in self._predicted.values()), *(_bytes(X, fineness) for X in self._trained)]
        state: dict[str, Any] = {
            "world": world, "predictions": [X.shape[2] for X in self._predicted.values()],
            "runs": [{"name": str(name), "d": int(run.W.shape[2]), "steps": run.steps[kept[name]].tolist(),
                      "loss": run.loss[kept[name]].tolist()} for name, run in runs.items()],
            "packed": base64.b64encode(zlib.compress(b"".join(parts), 9)).decode()}
        size = len(json.dumps(state))
        if size > LARGEST_STATE:
            raise ValueError(f"runs: got a state of {size:,} bytes for the page, want at most {LARGEST_STATE:,}: "
                             "fewer runs, `snapshots` or contexts (`per_support`, `supports`)")
        shown = kwargs.get("run", 0)
        last = len(state["runs"][shown]["steps"]) - 1 if shown in range(len(runs)) else 0
        super().__init__(**state, **{"snapshot": last, **kwargs})

    @traitlets.validate("run", "snapshot", "view", "against")
    def _check(self, proposal: traitlets.Bunch) -> int | str:
        name, value = proposal.trait.name, proposal.value
        if name in ("view", "against"):
            wanted = VIEWS if name == "view" else AGAINST
            if value not in wanted:
                raise ValueError(f"{name}: got {value!r}, want one of {', '.join(map(repr, wanted))}")
            return value
        self._within("run", value if name == "run" else self.run, len(self.runs))
        if name == "snapshot":
            self._within(name, value, len(self.runs[self.run]["steps"]))
        return value

    @staticmethod
    def _within(name: str, value: int, count: int) -> None:
        if not 0 <= value < count:
            raise ValueError(f"{name}: got {value}, want a number from 0 to {count - 1}")

    @traitlets.observe("run")
    def _follow(self, change: traitlets.Bunch) -> None:
        """A run with fewer snapshots is shown at its last."""
        self.snapshot = min(self.snapshot, len(self.runs[change.new]["steps"]) - 1)

    def matrix(self, X: np.ndarray, view: str) -> np.ndarray:
        """What a view shows of vectors, words before contexts: cosines, or logits less the mean of each column.

        Args:
            X: the vectors shown, (words + contexts, d).
            view: "contexts", "words" or "logits".

        Returns:
            Cosines, (contexts, contexts) or (words, words), or logits, nats, (words, contexts).

        >>> from ntputils import train_ufm
        >>> labels = SoftLabels.from_counts([[1, 0, 2], [0, 1, 1], [0, 1, 0]])
        >>> run = train_ufm(labels, d=3, steps=9, lr=2.0, rng=np.random.default_rng(0), snapshots=2)
        >>> TrainingScrubber(labels, {"free vectors": run}).matrix(np.eye(6), "logits").tolist()       # at right angles
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
        """
        W, H = np.split(X, [len(self.world["words"])])
        return center(W @ H.T) if view == "logits" else cosine_matrix((H if view == "contexts" else W).T)

    def numbers(self, run: int | str | None = None, snapshot: int | None = None, view: str | None = None
                ) -> dict[str, float]:
        """The numbers that the page shows, computed in float64 from vectors that are not rounded.

        Args:
            run: which run, by number or name; by default the one shown.
            snapshot: which of its snapshots; -1 is the last; by default the one shown, if the run is.
            view: which view; by default the one shown.

        Returns:
            `step`; `excess`, the loss less the entropy, nats; `toSolution` and `toProxy`, the correlation of trained
            and predicted cosines over the pairs of different items shown (nan where one side's standard deviation is
            below 0.005), or the cosine of trained and predicted logits; `length`, of the trained logits over that of
            the solution's (nan where this is zero).

        Raises:
            ValueError: a run or view that is not there.
            IndexError: a snapshot that is not there.
        """
        names = [here["name"] for here in self.runs]
        if isinstance(run, str) and run not in names:
            raise ValueError(f"run: got {run!r}, want one of {', '.join(map(repr, names))}")
        which = self.run if run is None else names.index(run) if isinstance(run, str) else run
        view = self.view if view is None else view
        if view not in VIEWS:
            raise ValueError(f"view: got {view!r}, want one of {', '.join(map(repr, VIEWS))}")
        here = self.runs[which]
        k = snapshot if snapshot is not None else self.snapshot if which == self.run else -1
        trained, logits = self._trained[which][k], self.matrix(self._trained[which][k], "logits")
        wanted = np.linalg.norm(self.matrix(self._predicted["solution"][0], "logits"))
        predicted = {name: self.matrix(X[0], view) for name, X in self._predicted.items()}
        if view == "logits":
            lengths = {name: np.linalg.norm(logits) * np.linalg.norm(A) for name, A in predicted.items()}
            found = {name: np.sum(logits * A) / lengths[name] if lengths[name] > 0 else np.nan
                     for name, A in predicted.items()}
        else:
            ours = self.matrix(trained, view)
            found = {name: _correlation(ours, A) for name, A in predicted.items()}
        return {"step": here["steps"][k], "excess": here["loss"][k] - self.world["entropy"],
                "toSolution": float(found["solution"]), "toProxy": float(found["proxy"]),
                "length": float(np.linalg.norm(logits) / wanted) if wanted > 0 else float("nan")}

    def fallback(self) -> str:
        """Says in words what the widget shows: for a reader who cannot see it, or has no JavaScript.

        Returns:
            Lines of plain text, one and then two for each run, numbers rounded to what a rerun should give again.

        >>> from ntputils import train_ufm
        >>> labels = SoftLabels.from_counts([[1, 0, 2], [0, 1, 1], [0, 1, 0]])
        >>> run = train_ufm(labels, d=3, steps=2000, lr=2.0, rng=np.random.default_rng(0), snapshots=8)
        >>> print(TrainingScrubber(labels, {"free vectors": run}).fallback())
        3 contexts in 3 supports, 3 words; similarity to the prediction, from the first step to the last:
        free vectors, step 0 to 2000: cosines of contexts from 0.2 to 1.0, of words from -0.3 to 0.7,
        logits from 0.3 to 0.9.
        """
        world = self.world
        lines = [f"{len(world['contexts'])} contexts in {len(world['supports'])} supports, {len(world['words'])} words; "
                 "similarity to the prediction, from the first step to the last:"]
        for k, run in enumerate(self.runs):
            said = {}
            for view in VIEWS:
                first, last = (round(self.numbers(k, at, view)["toSolution"], 1) + 0.0 for at in (0, -1))  # no -0.0
                said[view] = f"from {first:.1f} to {last:.1f}" if np.isfinite(first + last) else "all alike on one side"
            lines += [f"{run['name']}, step {run['steps'][0]} to {run['steps'][-1]}: cosines of contexts "
                      f"{said['contexts']}, of words {said['words']},", f"logits {said['logits']}."]
        return "\n".join(lines)

    def __repr__(self) -> str:
        count = len(self.runs)
        return (f"TrainingScrubber({count} run{'s' if count > 1 else ''}, {len(self.world['contexts'])} contexts, "
                f"{len(self.world['words'])} words)")

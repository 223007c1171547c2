"""A step of training against the bare matrix products that it cannot do without.

    python benchmarks/training.py [--rounds 15] [--only 0 2] [--quick]

The free vectors have the paper's size, V = 104 tokens, m = 404 contexts, d = 128, on supports as in solver.py; the
models that read have the words of the simplified TinyStories. A step is one pass forward and back over all contexts,
and the update. The floor is the same products and nothing else, into arrays that are there already, by the library
that makes the step: W H, G H', W' G for free vectors; for a model that reads, X A', G A and G' X of every linear map.
The few operations of attention's own products are not in the floor. A transformer and an LSTM compute what contexts
share once, and so do their floors; beside them stands the plain reading, which gives every position of every context
to torch's own kernels. It must have the same loss and gradients, in float64, or the run stops; and the run stops if
torch counts other products in a step than its floor has.

The methods of a task take turns, a block of steps each, there and back; a time is the median of its blocks, a ratio
the median of the ratios within a round. Time is the processor's, of one thread: what else runs on the machine then
counts for little. What is above the floor is split as torch's profiler sees it; "calls" are what is left to Python,
autograd and dispatch. Prints a table, and leaves training.json and a figure in book/results.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from counting import ONE_THREAD
from record import RESULTS, write

for name in ONE_THREAD:      # before NumPy is there: a second thread that waits spends processor time
    os.environ[name] = "1"

import numpy as np
import torch
from solver import PAPER, instance, markdown, short
from torch import nn
from torch.nn import functional

from ntputils import SoftLabels, build_model, load_labels, train_ufm
from ntputils.models import Recurrent, Transformer
from ntputils.train import _Run, _Settings
from ntputils.ufm import _adam, _descend

SEED = 0
BLOCK, WINDOWS = 0.1, 11      # seconds of a block of steps; windows of the profiler
PARTS = ("products", "gather and scatter", "elementwise", "update", "calls")
PART_OF = {"mm": "products", "addmm": "products"} | dict.fromkeys(
    ("index_select", "embedding_dense_backward", "cat", "index", "copy_", "slice_backward"), "gather and scatter")
CALLS = ("t", "transpose", "view", "reshape", "as_strided", "empty", "empty_strided", "empty_like", "slice", "select",
         "expand", "unsqueeze", "detach", "unflatten", "split", "chunk", "narrow", "_unsafe_view", "permute", "linear",
         "matmul", "embedding", "embedding_backward", "to", "softmax", "rms_norm", "cross_entropy_loss", "result_type")


class Plain(nn.Module):
    """Reads every position of every context, with the weights of one of our encoders and torch's own kernels."""

    def __init__(self, ours: nn.Module) -> None:
        super().__init__()
        self.ours = ours

    def forward(self, words):
        """Words (n, T) to vectors (n, d)."""
        ours = self.ours
        x = ours.embed(words)
        if isinstance(ours, Recurrent):
            return ours.norm(ours.lstm(x)[0][:, -1])
        for number, block in enumerate(ours.blocks, start=1):
            last, y = number == len(ours.blocks), block.before_attention(x)
            q, k, v = (part.unflatten(-1, (block.heads, -1)).transpose(1, 2)
                       for part in (block.query(y[:, -1:] if last else y), *block.key_value(y).chunk(2, dim=-1)))
            seen = functional.scaled_dot_product_attention(q, k, v, is_causal=not last)
            x = (x[:, -1:] if last else x) + block.out(seen.transpose(1, 2).flatten(2))
            gate, value = block.up(block.before_gate(x)).chunk(2, dim=-1)
            x = x + block.down(functional.silu(gate) * value)
        return ours.norm(x[:, -1])


@dataclass
class Task:
    """One floor and what is measured against it: for each method a function that makes so many steps."""

    name: str
    shapes: list[tuple[int, int, int]]           # of the products forward: (n, a) times (a, b)
    floor: Callable[[int], None]
    methods: dict[str, Callable[[int], None]]
    parts: dict[str, Callable[[float], dict]] = field(default_factory=dict)

    @property
    def products(self) -> float:
        """Floating-point operations of a step's products: forward, and two products of the same size back."""
        return 6.0 * sum(n * a * b for n, a, b in self.shapes)


def floor_numpy(V: int, m: int, d: int) -> Callable[[int], None]:
    """The three products of free vectors."""
    rng = np.random.default_rng(SEED)
    W, H, G = rng.standard_normal((V, d)), rng.standard_normal((d, m)), np.empty((V, m))
    of_W, of_H = np.empty_like(W), np.empty_like(H)

    def run(steps: int) -> None:
        for _ in range(steps):
            np.matmul(W, H, out=G)
            np.matmul(G, H.T, out=of_W)
            np.matmul(W.T, G, out=of_H)
    return run


def floor_torch(shapes: list[tuple[int, int, int]]) -> Callable[[int], None]:
    """The three products of each linear map: x (n, a) through A (b, a), and what comes back."""
    made = [(torch.randn(n, a), torch.randn(b, a), torch.empty(n, b), torch.empty(n, a), torch.empty(b, a))
            for n, a, b in shapes]

    def run(steps: int) -> None:
        for _ in range(steps):
            for x, A, y, _, _ in made:
                torch.mm(x, A.T, out=y)
            for x, A, y, of_x, of_A in reversed(made):
                torch.mm(y, A, out=of_x)
                torch.mm(y.T, x, out=of_A)
    return run


def shapes_of(model, labels: SoftLabels, d: int) -> list[tuple[int, int, int]]:
    """The linear maps of a step, as (vectors, from, to)."""
    out, encoder = [(labels.m, d, labels.V)], model.encoder
    if isinstance(encoder, Transformer):
        N = sum(encoder.beginnings(model.inputs).sizes)
        *before, _ = encoder.blocks
        for n in [N] * len(before) + [labels.m]:
            out += [(n, d, d), (N, d, 2 * d), (n, d, d), (n, d, 4 * d), (n, d, 4 * d), (n, 4 * d, d)]
    elif isinstance(encoder, Recurrent):
        sizes = encoder.beginnings(model.inputs).sizes
        for layer in range(encoder.lstm.num_layers):
            out += [(sum(sizes) if layer else encoder.embed.num_embeddings, d, 4 * d)]
            out += [(n, d, 4 * d) for n in sizes[1:]]
    else:
        maps = [part for part in encoder.modules() if isinstance(part, nn.Linear)]
        out += [(labels.m, part.in_features, part.out_features) for part in maps]
    return out


def free_vectors(labels: SoftLabels, d: int) -> Task:
    """NumPy's step: `train_ufm`, in float64."""
    V, m, task_floor = labels.V, labels.m, floor_numpy(labels.V, labels.m, d)

    def ours(optimizer: str, lr: float) -> Callable[[int], None]:
        return lambda steps: train_ufm(labels, d=d, steps=steps, lr=lr, optimizer=optimizer, snapshots=2,
                                       rng=np.random.default_rng(SEED))

    def split(update) -> Callable[[float], dict]:
        x, gradient = np.random.default_rng(SEED).standard_normal((2, (V + m) * d))

        def parts(ratio: float) -> dict:
            spent = {"floor": [], "update": []}
            for _ in range(WINDOWS):
                spent["floor"].append(seconds(task_floor, 100))
                spent["update"].append(seconds(lambda steps: [update(x, gradient) for _ in range(steps)], 100))
            share = float(np.median(np.divide(spent["update"], spent["floor"])))
            return {"products": 1.0, "update": share, "elementwise": max(0.0, ratio - 1 - share)}
        return parts

    size = (V + m) * d
    return Task(f"free vectors, d = {d}, float64, NumPy", [(m, d, V)], task_floor,
                {"train_ufm, gradient descent": ours("gd", 1.0), "train_ufm, Adam": ours("adam", 1e-3)},
                {"train_ufm, gradient descent": split(_descend(1e-12)), "train_ufm, Adam": split(_adam(1e-12, size))})


def reading(name: str, labels: SoftLabels, d: int, **options) -> Task:
    """A step of `fit` in float32, and of a plain reading where ours is another."""
    def run(plain: bool, dtype: torch.dtype = torch.float32) -> _Run:
        model = build_model(name, labels, d=d, seed=SEED, dtype=dtype, **options)
        if plain:
            model.encoder = Plain(model.encoder)
        return _Run(model, labels, _Settings(1e-4, "adamw", 0.0, None, (), 0.5, SEED), np.array([0]))

    def steps_of(run: _Run) -> Callable[[int], None]:
        return lambda steps: [run.advance(last=False) for _ in range(steps)]

    runs = {"fit": run(plain=False)}
    layers = f", {options['layers']} layers" if "layers" in options else ""
    kind = {"ufm": "free vectors", "mlp": "perceptron", "lstm": "LSTM"}.get(name, name)
    shapes = shapes_of(runs["fit"].model, labels, d)
    if name in ("transformer", "lstm"):
        runs["fit, plain reading"] = run(plain=True)
        agree(run(plain=False, dtype=torch.float64), run(plain=True, dtype=torch.float64))
    methods = {method: steps_of(run) for method, run in runs.items()}
    task = Task(f"{kind}{layers}, d = {d}, float32, torch", shapes, floor_torch(shapes), methods,
                {"fit": lambda ratio: profile(runs["fit"], ratio)})
    check_products(runs["fit"], task.products)
    return task


def agree(one: _Run, other: _Run) -> None:
    """Stops unless two models have the same loss and gradients."""
    for run in (one, other):
        run.advance(last=False)
    ours, plain = (list(run.model.parameters()) for run in (one, other))
    worst = max(float((a.grad - b.grad).abs().max() / b.grad.abs().max()) for a, b in zip(ours, plain, strict=True))
    if abs(one.loss[0] - other.loss[0]) > 1e-12 or worst > 1e-10:
        raise SystemExit(f"the plain reading disagrees: losses {one.loss}, {other.loss}, gradients by {worst:.1e}")


def check_products(run: _Run, wanted: float) -> None:
    """Stops unless torch counts as many operations in the products of a step as its floor has."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run.advance(last=False)
    counted = counter.get_total_flops()
    if counted != wanted:
        raise SystemExit(f"torch counts {counted:,} operations in products, the floor has {wanted:,.0f}")


def profile(run: _Run, ratio: float) -> dict:
    """Where the time of a step goes, in floors: the profiler's shares of it, medians over windows of three steps."""
    shares = []
    for _ in range(WINDOWS):
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
            start = time.perf_counter()
            for _ in range(3):
                run.advance(last=False)
            total = 1e6 * (time.perf_counter() - start)
        spent = dict.fromkeys(PARTS, 0.0)
        for event in profiler.key_averages():
            kind, _, name = event.key.partition("::")
            if event.key.startswith("Optimizer.step"):
                spent["update"] += event.cpu_time_total
            elif kind == "aten" and name not in (*CALLS, "_fused_adamw_", "_foreach_add_"):
                part = PART_OF.get(name, "elementwise")
                spent[part] += event.self_cpu_time_total
        spent["calls"] = max(0.0, total - sum(spent.values()))
        shares.append(list(spent.values()))
    middle = np.median(shares, axis=0)
    return dict(zip(PARTS, (ratio * middle / middle.sum()).tolist(), strict=True))


def seconds(run: Callable[[int], None], steps: int) -> float:
    """Of the processor, for a step."""
    start = time.process_time()
    run(steps)
    return (time.process_time() - start) / steps


HEADS = ["task", "method", "ms a step", "in floors", "million operations", "most of the rest, in floors"]


def measure(task: Task, rounds: int) -> tuple[list[list], list[tuple[str, dict]]]:
    """The rows of a task, and the parts of its methods for the figure."""
    every = {"floor: the products alone": task.floor, **task.methods}
    steps = {}
    for method, run in every.items():
        run(3)
        steps[method] = max(3, int(BLOCK / max(seconds(run, 3), 1e-6)))
    times = np.empty((rounds, len(every)))
    for number, row in enumerate(times):
        for k, method in list(enumerate(every))[::1 - 2 * (number % 2)]:     # there and back
            row[k] = seconds(every[method], steps[method])
    ratios, rows, bars = np.median(times / times[:, :1], axis=0), [], []
    for method, t, ratio in zip(every, np.median(times, axis=0), ratios):
        parts = task.parts[method](float(ratio)) if method in task.parts else {}
        rest = sorted(((value, part) for part, value in parts.items() if part != "products"), reverse=True)[:2]
        operations = None if "plain" in method else short(task.products / 1e6)
        rows.append([task.name, method, short(1e3 * t), short(ratio), operations,
                     ", ".join(f"{part} {value:.2f}" for value, part in rest) or None])
        if parts:
            bars.append((f"{task.name.split(', float')[0]}\n{method}", parts))
    return rows, bars


def draw(axes, bars: list[tuple[str, dict]]) -> None:
    """One bar for each of our steps, in parts, with the floor and twice the floor as lines."""
    left = np.zeros(len(bars))
    for part, colour in zip(PARTS, ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#999999")):
        width = np.array([parts.get(part, 0.0) for _, parts in bars])
        axes.barh(range(len(bars)), width, left=left, color=colour, label=part, height=0.7)
        left += width
    for floors in (1, 2):
        axes.axvline(floors, color="#222222", linewidth=0.8, linestyle=("-", "--")[floors - 1])
    axes.set_yticks(range(len(bars)), [name for name, _ in bars], fontsize=8)
    axes.invert_yaxis()
    axes.set(xlabel="time of a step, in floors")
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.25, -0.17))


def main() -> None:
    """Prints the table, and writes the book's record."""
    global BLOCK, WINDOWS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="blocks of each method")
    parser.add_argument("--only", type=int, nargs="+", help="tasks by number")
    parser.add_argument("--quick", action="store_true", help="very small models: to try the script")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the record goes")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{os.cpu_count()} cores, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}\n")
    free = SoftLabels.from_counts(instance(*PAPER, SEED).astype(int))
    stories = load_labels("simplified-tinystories", seed=SEED)
    small, large, layers = 32, 128, 4
    if args.quick:
        BLOCK, WINDOWS = 0.01, 2
        free, stories, small, large, layers = free.restrict(range(12)), stories.restrict(range(12)), 4, 8, 2
    tasks = [lambda: free_vectors(free, large), lambda: reading("ufm", free, large),
             lambda: reading("transformer", stories, large, layers=layers),
             lambda: reading("transformer", stories, small, layers=2),
             lambda: reading("lstm", stories, small, layers=2), lambda: reading("mlp", stories, small, layers=2)]
    rows, bars = [], []
    for number, task in enumerate(tasks):
        if args.only is None or number in args.only:
            more, parts = measure(task(), 3 if args.quick else args.rounds)
            print(markdown(HEADS, more), end="\n\n", flush=True)
            rows, bars = rows + more, bars + parts
    write("training", HEADS, rows, seeds=[SEED], quick=args.quick, folder=args.out, draw=lambda axes: draw(axes, bars),
          alt="Bars: the time of a step of each model in units of its bare matrix products, split into products, "
              "gathering and scattering, elementwise work, the update, and calls, with lines at one and two. The table "
              "has the numbers.")


if __name__ == "__main__":
    main()

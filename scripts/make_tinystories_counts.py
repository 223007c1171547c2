"""Makes `ntputils/data/tinystories-counts.npz` from a slice of TinyStories: counts, no sentences.

    python scripts/make_tinystories_counts.py PATH_TO_SLICE [--out FILE]

Counts which word follows which five-token context, and keeps every context that occurs at least twice and the
vocabulary. The same slice gives the same bytes. See `ntputils/data/README.md` for where the text comes from.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np

from ntputils import SoftLabels, load_corpus

SLICE_SHA256 = "5352b299dcb1"
OUT = Path(__file__).resolve().parent.parent / "ntputils" / "data" / "tinystories-counts.npz"


def summary(labels: SoftLabels) -> str:
    """The figures that `ntputils/data/README.md` quotes."""
    one_hot = labels.support_sizes == 1
    return "\n".join([
        f"contexts m = {labels.m}, occurrences n = {labels.n}, vocabulary V = {labels.V}, pairs = {labels.P.nnz}",
        f"entropy = {labels.entropy():.6f} nats, distinct supports = {len(labels.merge_supports()[2])}",
        f"one-hot: {np.mean(one_hot):.4f} of the contexts, {labels.pi[one_hot].sum():.4f} of the occurrences",
    ])


def main() -> None:
    """Reads the slice, counts, saves, and prints what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slice", type=Path, help="the text: stories separated by <|endoftext|>")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    digest = hashlib.sha256(args.slice.read_bytes()).hexdigest()[:len(SLICE_SHA256)]
    print("slice:", "the one the README names" if digest == SLICE_SHA256 else f"another one (sha256 {digest}...)")
    corpus = load_corpus("file", path=args.slice)
    labels = SoftLabels.from_tokens(corpus, context_length=5, min_count=2)
    labels.save(args.out)
    print(f"tokens = {corpus.n}, documents = {corpus.doc_ids[-1] + 1}")
    print(summary(labels))
    print(f"{args.out.name}: {args.out.stat().st_size} bytes, "
          f"sha256 {hashlib.sha256(args.out.read_bytes()).hexdigest()[:12]}")


if __name__ == "__main__":
    main()

"""Small runs and those of the chapter's size, their panels, and a page that has unpacked them."""

from __future__ import annotations

import numpy as np
import pytest

from ntputils import load_labels, solve_ntp_svm, train_ufm
from ntputils.widgets import TrainingScrubber
from tests.widgets.scrubber.runs import SMALL, trajectory


@pytest.fixture(scope="module")
def small():
    """One model that was trained, and one of other dimension and steps that was not."""
    trained = train_ufm(SMALL, d=6, steps=3000, lr=2.0, rng=np.random.default_rng(0), snapshots=12)
    noise = trajectory(np.random.default_rng(1), SMALL, 3, [0, 10, 500, 2000])
    return {"free vectors": trained, "noise <i>": noise}


@pytest.fixture(scope="module")
def widget(small):
    return TrainingScrubber(SMALL, small)


@pytest.fixture(scope="module")
def large():
    """The size of the chapter: four models, fourteen snapshots, a hundred contexts, all 102 words."""
    labels, rng = load_labels("simplified-tinystories", seed=0), np.random.default_rng(2)
    steps = [0, *(2**np.arange(13)).tolist()]
    runs = {name: trajectory(rng, labels, 32, steps, sizes)
            for name, sizes in (("ufm", (1, 1)), ("mlp", (0.02, 1)), ("lstm", (3, 0.01)), ("transformer", (1e-3, 1e3)))}
    runs["lstm"].H[:2] += 0.06  # contexts that hardly differ, as they come out of an untrained network
    return labels, runs, solve_ntp_svm(labels.S)


@pytest.fixture(scope="module")
def large_widget(large):
    return TrainingScrubber(*large)


@pytest.fixture
def ready(show):
    """A function that shows widgets and waits until their snapshots are unpacked."""
    def open_widgets(*states, **options):
        page = show(*states, **options)
        page.wait_for_function(f"document.querySelectorAll('.ntp-plate svg').length === {2 * len(states)}"
                               " && !document.querySelector('.ntp-message')")
        return page
    return open_widgets

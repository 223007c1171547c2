"""Reports that several files of tests look at."""

import numpy as np
import pytest

from ntputils import geometry_report, load_corpus
from tests.report.texts import TEXT


@pytest.fixture(scope="session")
def report():
    return geometry_report(TEXT, context_length=1)


@pytest.fixture(scope="session")
def genesis():
    """Part of the King James Version: more supports than are solved, leading directions only."""
    return geometry_report(load_corpus("kjv").head(8_000), vocab_size=400, exact_on=20, directions=12)


@pytest.fixture(scope="session")
def written(genesis, tmp_path_factory):
    labels = genesis.labels
    vectors = np.random.default_rng(0).normal(size=(labels.V, 8))
    full = geometry_report(labels, embeddings=vectors, exact_on=20, directions=12, name="A <text> & more")
    return full, full.to_html(tmp_path_factory.mktemp("report") / "page.html")

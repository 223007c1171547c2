"""Figures keep their promises about colour limits, and a session says what it ran with."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from ntputils import scale, session
from ntputils.plots import DIVERGING, SEQUENTIAL, show_growth, show_matrix, style
from ntputils.session import MIME


@pytest.fixture
def ax():
    style()
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def test_signed_matrices_are_centred_at_zero(ax):
    image = show_matrix(ax, np.array([[-1.0, 3.0]])).images[0]
    assert image.get_clim() == (-3, 3) and image.get_cmap().name == DIVERGING


def test_other_matrices_start_at_zero_and_keep_a_given_limit(ax):
    image = show_matrix(ax, np.array([[0.5, 0.2]]), limit=1, rows=["a"], columns=["x", "y"]).images[0]
    assert image.get_clim() == (0, 1) and image.get_cmap().name == SEQUENTIAL
    assert [t.get_text() for t in ax.get_xticklabels()] == ["x", "y"]


def test_a_zero_matrix_can_be_drawn(ax):
    show_matrix(ax, np.zeros((2, 2)), numbers=True)


def test_growth_curves_are_named(ax):
    show_growth(ax, [1, 2], {"one": [1, 2], "two": [3, 4]}, xlabel="T", log="xy")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["one", "two"] and ax.get_xscale() == "log"


def test_session_line_is_stable_and_its_record_whole():
    bundle = session()._repr_mimebundle_()
    assert bundle["text/plain"] == f"scale: {scale()}"
    assert set(bundle[MIME]) == {"scale", "device", "versions"} and "numpy" in bundle[MIME]["versions"]


def test_an_unknown_scale_is_refused(monkeypatch):
    monkeypatch.setenv("NTP_SCALE", "huge")
    with pytest.raises(ValueError, match="NTP_SCALE.*huge.*'small' or 'full'"):
        scale()

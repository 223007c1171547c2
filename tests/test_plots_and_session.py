"""Figures keep their promises about colour limits, and a session says what it ran with."""

import sys
from types import SimpleNamespace

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


@pytest.mark.parametrize("log", ["", "x", "y", "xy"])
def test_only_the_axes_asked_for_are_logarithmic(ax, log):
    show_growth(ax, [1, 2], {"one": [1, 2]}, xlabel="T", ylabel="nats", log=log)
    assert {"x": ax.get_xscale(), "y": ax.get_yscale()} == {axis: "log" if axis in log else "linear" for axis in "xy"}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("T", "nats")


def test_curves_differ_by_colour_and_marker_and_a_single_one_needs_no_legend(ax):
    show_growth(ax, [1, 2], {"one": [1, 2]}, xlabel="T")
    assert ax.get_legend() is None
    ax.clear()
    show_growth(ax, [1, 2], {str(k): [k, k] for k in range(6)}, xlabel="T")
    assert len({line.get_marker() for line in ax.lines}) == len({line.get_color() for line in ax.lines}) == 6


def test_values_are_read_from_a_colour_bar_unless_they_are_written(ax):
    show_matrix(ax, np.eye(2))
    assert not ax.texts and len(ax.figure.axes) == 2
    show_matrix(ax, np.eye(2), numbers=True)
    assert len(ax.texts) == 4 and len(ax.figure.axes) == 2


@pytest.mark.parametrize("A", [np.linspace(0, 1, 51), np.linspace(-1, 1, 51)], ids=["sequential", "diverging"])
def test_numbers_are_dark_on_light_cells_and_light_on_dark_ones(ax, A):
    """Light and dark by WCAG's relative luminance; in between either can be read."""
    image = show_matrix(ax, A[None], numbers=True).images[0]
    rgb = image.cmap(image.norm(A))[:, :3]
    light = np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055)**2.4) @ [0.2126, 0.7152, 0.0722]
    colours = np.array([text.get_color() for text in ax.texts])
    assert light.min() < 0.15 and light.max() > 0.3
    assert set(colours[light < 0.15]) == {"white"} and set(colours[light > 0.3]) == {"black"}
    assert [(text.get_position(), text.get_text()) for text in ax.texts] == [((j, 0), f"{a:.2g}") for j, a in enumerate(A)]


def test_session_line_is_stable_and_its_record_whole():
    bundle = session()._repr_mimebundle_()
    assert bundle["text/plain"] == f"scale: {scale()}"
    assert set(bundle[MIME]) == {"scale", "device", "versions"} and "numpy" in bundle[MIME]["versions"]


def test_the_device_is_the_gpu_only_where_a_loaded_torch_sees_one(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert session().device.startswith("CPU (") and "torch" not in session().versions
    for there in (False, True):
        cuda = SimpleNamespace(is_available=lambda there=there: there, get_device_name=lambda: "GPU <7>")
        monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda, __version__="9.9"))
        assert (session().device == "GPU <7>") == there and session().versions["torch"] == "9.9"
    assert "GPU &lt;7&gt; · python" in session()._repr_mimebundle_()["text/html"]


def test_an_unknown_scale_is_refused(monkeypatch):
    monkeypatch.setenv("NTP_SCALE", "huge")
    with pytest.raises(ValueError, match="NTP_SCALE.*huge.*'small' or 'full'"):
        scale()

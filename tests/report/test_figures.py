"""The report's figures: what is drawn, and of what."""

import numpy as np
import pytest

from ntputils import geometry_report, solve_ntp_svm
from ntputils._report_figures import _SHOWN, shown


@pytest.mark.parametrize("token, says", [
    ("x" * 24, "x" * 24), ("x" * 25, "x" * 23 + "…"), (" ", "␣"), ("\n", "␣"), ("a\nb", "a↵b"), ("a\x00", "a\ufffd")])
def test_a_token_as_it_can_be_printed(token, says):
    assert shown(token) == says


def test_the_figure_of_supports_counts_contexts(report):
    (line,) = report.figures["supports"].axes[0].lines
    k = report.labels.support_sizes
    assert dict(zip(*line.get_data())) == {size: np.sum(k >= size) for size in set(k.tolist())}


def test_the_spectrum_on_the_scale_that_it_needs(report, written):
    S = report.labels.S.toarray().astype(float)
    for found, L in ((report, solve_ntp_svm(S, tol=1e-4).L), (written[0], written[0].exact.L_mm)):
        axes, S = found.figures["spectrum"].axes[0], found.labels.S.toarray().astype(float)
        for line, A in zip(axes.lines, (S - S.mean(axis=0), L)):
            x, y = line.get_data()
            assert y == pytest.approx(np.linalg.svd(A, compute_uv=False)[:len(y)], abs=1e-3)
            assert x.tolist() == list(range(1, len(y) + 1))
        steep = np.log10(axes.lines[0].get_ydata())
        assert axes.get_yscale() == ("log" if steep[0] - steep[-1] > 0.5 else "linear")
    names = [[text.get_text() for text in one.figures["spectrum"].axes[0].get_legend().texts] for one in (report, written[0])]
    assert names == [["proxy, all contexts", "NTP-SVM"], ["proxy, all contexts", "NTP-SVM, the named subset"]]
    flat = geometry_report("a b c d a", context_length=1).figures["spectrum"].axes[0]
    assert flat.get_yscale() == "linear" and flat.get_ylim()[0] == 0


def test_the_map_shows_frequent_words_and_contexts_around_the_centre(report, written):
    for found in (report, written[0]):
        ax, prediction = found.figures["map"].axes[0], found.prediction
        words, contexts = (np.asarray(points.get_offsets()) for points in ax.collections)
        top = np.argsort(-found.labels.pi, kind="stable")[:40]
        W, H = prediction.W[found.top_words[:60], :2], prediction.H[:2, top].T
        assert words == pytest.approx(W / np.abs(W).max()) and contexts == pytest.approx(H / np.abs(H).max())
        assert sorted((set(line.get_xdata()), set(line.get_ydata())) for line in ax.lines) == [({0}, {0, 1}), ({0, 1}, {0})]
        place = [(shown(found.labels.vocab[z], 16), *xy) for z, xy in zip(found.top_words, words)]
        place += [(shown(found.labels.context(j), 16), *xy) for j, xy in zip(top, contexts)]
        assert len(ax.texts) > 10 and {(text.get_text(), *text.xy) for text in ax.texts} <= set(place)


def test_the_matrices_show_the_most_frequent_words_and_contexts(written):
    report = written[0]
    first = np.unique(report.prediction.inverse, return_index=True)[1][:_SHOWN]
    for name, X, names in (
            ("words", report.prediction.W[report.top_words[:_SHOWN]].T, [report.labels.vocab[z] for z in report.top_words]),
            ("contexts", report.prediction.H[:, first], [report.labels.context(j) for j in first])):
        ax = report.figures[name].axes[0]
        X = X / np.linalg.norm(X, axis=0)
        assert np.asarray(ax.images[0].get_array()) == pytest.approx(X.T @ X)
        for labels in (ax.get_xticklabels(), ax.get_yticklabels()):
            assert [label.get_text() for label in labels] == [shown(one, 18) for one in names[:_SHOWN]]


def test_two_words_have_no_matrix():
    assert sorted(geometry_report("a b", context_length=1).figures) == ["map", "spectrum", "supports"]

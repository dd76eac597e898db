"""The figures of the DDPM-TME paper: what they show, and how much of it."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from odflow.errors import DataError
from odflow.evaluate.html import png
from odflow.evaluate.paper_figures import ecdf_figure, pca_figure, sre_figure, tre_figure, tsne_figure
from odflow.evaluate.paper_panels import REAL, WEEKEND, running_median, styles

FLOWS = 30


@pytest.fixture
def truth():
    """Two days of half hours from a Sunday on, flows of falling volume, one of them without traffic."""
    rng = np.random.default_rng(3)
    values = np.geomspace(1e9, 1e5, FLOWS) * np.exp(0.3 * rng.standard_normal((96, FLOWS)))
    values[:, 7] = 0
    return values


@pytest.fixture
def time():
    return np.datetime64("2026-01-11T00:00") + np.arange(96) * np.timedelta64(30, "m")


def shown(figure):
    """Drawn in a file like those of the reports; nothing may warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = png(figure, dpi=60)
    assert len(Image.open(io.BytesIO(data)).getcolors()) > 10
    return data


def names_in(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_pca_has_a_panel_per_generator_with_the_same_real_tms(truth):
    other = np.random.default_rng(0).permutation(truth)
    figure = pca_figure(truth, {"copy": other, "far": 30 * truth, "half": 0.5 * truth}, most=50)
    assert len(figure.axes) == 3
    for axes in figure.axes:
        real, synthetic = axes.collections
        assert real.get_offsets().shape == synthetic.get_offsets().shape == (50, 2)
        np.testing.assert_array_equal(real.get_offsets(), figure.axes[0].collections[0].get_offsets())
        assert axes.get_xlim() == figure.axes[0].get_xlim()
    copy, far, half = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["copy", "far", "half"]
    assert far.get_title(loc="right") == "100.0% outside"
    assert half.get_title(loc="right") in ("", "2.0% outside")
    assert copy.collections[1].get_facecolor()[0][:3] != pytest.approx(copy.collections[0].get_facecolor()[0][:3])
    assert figure.get_supxlabel().startswith("first principal axis (")
    assert names_in(figure.legends[0]) == ["real", "synthetic, in the colour of the name"]
    shown(figure)


def test_pca_shows_the_axes_of_largest_variance(truth):
    """Two groups of flows that move together: the shares of the axes are known."""
    a, b = np.random.default_rng(1).standard_normal((2, 300))
    a, b = a - a.mean(), b - b.mean()
    b -= a * (a @ b) / (a @ a)
    tms = 10 + np.column_stack([a, a, a, b])
    figure = pca_figure(tms, {"same": tms})
    assert figure.get_supxlabel() == "first principal axis (75% of the variance)"
    assert figure.get_supylabel() == "second principal axis (25% of the variance)"
    with pytest.raises(DataError, match="no plane"):
        pca_figure(tms[:, :3], {"same": tms[:, :3]})


@pytest.mark.parametrize(("count", "panels"), [(1, 1), (3, 3), (4, 4), (5, 6)])
def test_scatter_lays_out_any_number_of_generators(truth, count, panels):
    figure = pca_figure(truth, {f"g{k}": truth for k in range(count)})
    assert len(figure.axes) == panels
    drawn = [axes for axes in figure.axes if axes.axison]
    assert len(drawn) == count
    shown(figure)
    lowest = [axes for axes in drawn if any(label.get_visible() for label in axes.get_xticklabels())]
    assert len(lowest) == min(count, 2 if count == 4 else 3)


def test_tsne_maps_all_sets_together(truth):
    figure = tsne_figure(truth, {"copy": truth, "far": 9 * truth}, most=40, perplexity=10)
    copy, far = figure.axes
    np.testing.assert_array_equal(copy.collections[0].get_offsets(), far.collections[0].get_offsets())

    def apart(axes):
        real, synthetic = (np.asarray(part.get_offsets()) for part in axes.collections)
        return np.median(np.linalg.norm(real[:, None] - synthetic, axis=2).min(axis=1))

    assert apart(copy) < 0.3 * apart(far)
    for axes in figure.axes:
        assert axes.get_title(loc="right") == ""  # nothing is outside
    shown(figure)


def test_ecdf_is_the_share_of_smaller_errors(truth):
    guess = truth * 1.5
    figure = ecdf_figure(truth, {"half more": guess, "right": truth, "gravity": truth * 3}, largest=1e10)
    (axes,) = figure.axes
    assert names_in(axes.get_legend()) == ["half more", "right", "gravity"]
    x, y = axes.lines[0].get_data()
    errors = np.abs(guess - truth) / 1e10
    for k in (0, 150, 320):
        assert y[k] == pytest.approx((errors <= x[k]).mean())
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), 1.0)
    assert axes.get_xscale() == "log"
    assert (axes.lines[2].get_ydata()[-1], y[-1]) == (pytest.approx(0.9995, abs=4e-4), 1.0)
    default = ecdf_figure(truth, {"half more": guess}).axes[0].lines[0]
    assert default.get_xdata()[-1] == pytest.approx(np.quantile(errors, 0.9995) * 1e10 / truth.max())
    shown(figure)


def test_tre_is_that_of_hourly_means(truth, time):
    guess = truth.copy()
    guess[::2] *= 1.4
    guess[1::2] *= 0.8
    figure = tre_figure(time, truth, {"a": guess, "b": 2 * truth})
    (axes,) = figure.axes
    a, b = (line.get_ydata() for line in axes.lines)
    hours = truth.reshape(48, 2, FLOWS)
    expected = np.abs(0.4 * hours[:, 0] - 0.2 * hours[:, 1]).sum(axis=1) / hours.sum(axis=(1, 2))
    np.testing.assert_allclose(a, expected)
    np.testing.assert_allclose(b, 1.0)
    assert names_in(figure.legends[0]) == [f"a, {expected.mean():.3f}", "b, 1.000"]
    (shade,) = axes.patches  # the Sunday
    assert shade.get_width() == 1
    data = np.asarray(Image.open(io.BytesIO(shown(figure))).convert("RGB"))
    grey = np.array([int(WEEKEND[k : k + 2], 16) for k in (1, 3, 5)])
    assert (np.abs(data.astype(int) - grey).max(axis=2) < 6).mean() > 0.1


def test_what_is_not_measured_is_left_out(truth, time):
    holes, guess = truth.copy(), 1.5 * truth
    holes[:10, 3], guess[0, 4] = np.nan, np.nan
    np.testing.assert_allclose(tre_figure(time, holes, {"x": guess}).axes[0].lines[0].get_ydata(), 0.5)
    np.testing.assert_allclose(sre_figure(holes, {"x": guess}).axes[0].lines[0].get_ydata(), 0.5)
    y = ecdf_figure(holes, {"x": guess}).axes[0].lines[0].get_ydata()
    assert y[-1] == pytest.approx(1, abs=1e-3)


def test_sre_is_sorted_by_volume(truth):
    factors = np.linspace(0.1, 3, FLOWS)
    order = np.random.default_rng(0).permutation(FLOWS)
    figure = sre_figure(truth[:, order], {"a": ((1 + factors) * truth)[:, order], "b": 1.2 * truth[:, order]})
    axes, upper = figure.axes
    rank, error = np.asarray(axes.collections[0].get_offsets()).T
    np.testing.assert_allclose(rank, np.arange(1, FLOWS))  # the flow without traffic is left out
    np.testing.assert_allclose(error, np.delete(factors, 7))
    np.testing.assert_allclose(axes.lines[0].get_ydata(), running_median(error, 5))
    np.testing.assert_allclose(axes.lines[1].get_ydata(), 0.2)
    assert names_in(axes.get_legend()) == ["a", "b"]
    carried = np.cumsum(np.delete(truth, 7, axis=1).sum(axis=0)) / truth.sum()
    assert [label.get_text() for label in upper.get_xticklabels()] == ["50%", "80%", "95%", "99%"]
    np.testing.assert_array_equal(
        upper.get_xticks(), [int(np.argmax(carried >= q)) + 1 for q in (0.5, 0.8, 0.95, 0.99)]
    )
    shown(figure)


def test_running_median():
    np.testing.assert_array_equal(running_median(np.array([5.0, 1, 9, 2, 3]), 3), [3, 5, 2, 3, 2.5])


def test_many_names_stay_apart():
    found = styles([f"m{k}" for k in range(20)])
    assert len(set(found.values())) == 20
    assert styles(["x", "y"]) == {name: found[other] for name, other in (("x", "m0"), ("y", "m1"))}
    assert REAL not in {color for color, _ in found.values()}


def test_arrays_that_do_not_fit_are_refused(truth, time):
    with pytest.raises(DataError, match="estimate 'x' of shape"):
        ecdf_figure(truth, {"x": truth[:5]})
    with pytest.raises(DataError, match="do not fit 5 times"):
        tre_figure(time[:5], truth, {"x": truth})
    with pytest.raises(DataError, match="no estimates"):
        sre_figure(truth, {})
    with pytest.raises(DataError, match="no traffic"):
        sre_figure(np.zeros((3, 4)), {"x": np.ones((3, 4))})
    with pytest.raises(DataError, match="no synthetic"):
        pca_figure(truth, {})
    with pytest.raises(DataError, match="29"):
        tsne_figure(truth, {"x": truth[:, 1:]})

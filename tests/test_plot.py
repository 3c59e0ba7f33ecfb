"""The figures: colours that mean what they say, shapes, pictures as bytes."""
import io

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from xaikit import plot

matplotlib.use("Agg")
MAPS = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
                  elements=st.floats(-1e6, 1e6, allow_subnormal=False))


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@given(MAPS)
def test_red_is_for_and_blue_is_against(a):
    rgb = plot.signed_rgb(a).astype(int)
    strong = np.abs(a) > 0.02 * plot.limit_of(a)
    assert (rgb[..., 0] > rgb[..., 2])[strong & (a > 0)].all()
    assert (rgb[..., 2] > rgb[..., 0])[strong & (a < 0)].all()
    assert (np.ptp(rgb, axis=-1)[a == 0] <= 2).all(), "zero is grey"


def test_the_scale_is_the_same_on_both_sides():
    ramp = np.linspace(-1, 1, 101)[None]
    light = plot.signed_rgb(ramp) @ np.array([0.299, 0.587, 0.114])
    assert np.abs(light - light[:, ::-1]).max() < 45, "equal credits for and against look about equally strong"
    assert (np.diff(light[0, :51]) > -1e-9).all() and (np.diff(light[0, 50:]) < 1e-9).all()


def test_nan_is_seen_and_not_hidden():
    rgb = plot.signed_rgb(np.array([[np.nan, 1.0]]))
    assert tuple(rgb[0, 0]) == (255, 230, 0) != tuple(rgb[0, 1])


def test_heatmap_is_centred_on_zero_and_sums_channels():
    a = torch.zeros(3, 4, 5)
    a[0, 1, 2], a[2, 1, 2] = 3.0, -1.0
    ax = plot.heatmap(a)
    shown = ax.images[0]
    assert shown.get_clim() == (-2.0, 2.0) and shown.get_array()[1, 2] == 2.0
    assert ax.figure.axes[-1].get_ylabel() == "credit", "the colour bar has a label"


def test_heatmap_over_an_image_keeps_the_colour_bar_of_the_map():
    ax = plot.heatmap(np.eye(4) * 5, image=np.ones((1, 4, 4)))
    assert ax.images[0].get_clim() == (-5, 5) and len(ax.images) == 2


@pytest.mark.parametrize("shape", [(5, 6), (1, 5, 6), (3, 5, 6), (5, 6, 3), (1, 3, 5, 6)])
def test_image_takes_the_usual_shapes(shape):
    assert plot.pixels(np.full(shape, 0.5)).shape == (5, 6, 3)
    assert plot.image(torch.rand(shape)).images


@pytest.mark.parametrize("shape", [(5,), (2, 5, 6), (5, 6, 4), (2, 3, 5, 6)])
def test_image_refuses_what_is_none(shape):
    with pytest.raises(ValueError, match="shape"):
        plot.pixels(np.zeros(shape))


def test_overlay_shows_the_image_where_there_is_no_credit():
    image, credit = np.zeros((2, 2)), np.array([[0.0, 1.0], [-1.0, 0.0]])
    image[0, 0] = 1
    rgb = plot.overlay(image, credit)
    assert rgb.dtype == np.uint8 and rgb.shape == (2, 2, 3)
    assert tuple(rgb[0, 0]) == (255, 255, 255) and np.ptp(rgb[1, 1]) == 0
    assert (rgb[0, 1] == plot.signed_rgb(credit)[0, 1]).all()
    with pytest.raises(ValueError, match="pixels"):
        plot.overlay(np.zeros((3, 3)), credit)


def test_grid_returns_an_axes_per_picture():
    axes = plot.grid([np.eye(3)] * 7, titles="abcdefg", columns=4, signed=[False] * 6 + [True])
    assert [ax.get_title(loc="left") for ax in axes] == list("abcdefg")
    assert axes[6].images[0].get_cmap().name == "signed" != axes[0].images[0].get_cmap().name


def test_curves_have_labels_and_scales():
    ax = plot.curves({"left": [1, 2], "right": ([1, 10], [3, 4])}, x=[1, 10], xlabel="steps", ylabel="error", log="x")
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xscale(), ax.get_yscale()) == ("steps", "error", "log", "linear")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["left", "right"]
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle(), "told apart without colour"


def test_bars_write_their_numbers():
    ax = plot.bars({"gradient": [1, -2.5], "none": [0, 0]}, labels=["x₁", "x₂"])
    assert [t.get_text() for t in ax.texts] == ["x₁ +1", "x₂ −2.5", "x₁ 0", "x₂ 0"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["gradient", "none"]


def test_words_escape_and_colour():
    shown = plot.words(["not", "<b>"], [-2, 1])
    assert "&lt;b&gt;" in shown and "<b>" not in shown and shown._repr_html_() == str(shown)
    assert repr(shown) == "not (-2.00) <b> (+1.00)"
    red, blue = plot.signed_rgb(np.array([[1.0, -2.0]]))[0]
    assert f"rgb({red[0]},{red[1]},{red[2]})" in shown and f"rgb({blue[0]},{blue[1]},{blue[2]})" in shown
    with pytest.raises(ValueError, match="2 words but 1"):
        plot.words(["a", "b"], [1])


def test_jpeg_of_arrays_and_figures():
    fig, _ = plot.subplots(size=(3, 2))
    for picture, size in ((np.zeros((20, 30, 3), np.uint8), (30, 20)), (np.full((20, 30), 0.5), (30, 20)),
                          (fig, (330, 220))):
        image = Image.open(io.BytesIO(plot.jpeg(picture)))
        assert image.format == "JPEG" and image.size == size


def test_matplotlibs_settings_are_left_alone():
    before = dict(plt.rcParams)
    plot.describe(plot.heatmap(np.eye(3)), "a map")
    assert dict(plt.rcParams) == before


def test_alt_text_reaches_the_page():
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.core.pylabtools import select_figure_formats

    shell = InteractiveShell.instance()
    try:
        select_figure_formats(shell, {"png"})
        ax = plot.image(np.eye(3))
        plot.describe(ax, "three points on a diagonal")
        data, meta = shell.display_formatter.format(ax.figure)
        assert "image/png" in data and meta["image/png"]["alt"] == "three points on a diagonal"
        assert data["text/plain"] == "three points on a diagonal"
        other = plot.image(np.eye(3)).figure
        assert "alt" not in shell.display_formatter.format(other)[1].get("image/png", {})
    finally:
        InteractiveShell.clear_instance()


def test_a_map_of_squares_stands_where_their_middles_were():
    """Squares of 6 at 0, 4, 8 of a picture of 14 × 14: their middles are pixels 2.5, 6.5, 10.5."""
    mask = torch.zeros(14, 14, dtype=torch.bool)
    mask[3:8, 5:9] = True
    corners = torch.tensor([0, 4, 8])
    for ax in (plot.levels(torch.rand(3, 3), at=(corners, corners, 6), over=mask),
               plot.classes(torch.zeros(3, 3, dtype=torch.long), ["a"], at=(corners, corners, 6), over=mask)):
        assert list(ax.images[0].get_extent()) == [0.5, 12.5, 12.5, 0.5]
        assert ax.get_xlim() == (-0.5, 13.5) and ax.get_ylim() == (13.5, -0.5)
    with pytest.raises(ValueError, match="evenly spaced"):
        plot.levels(torch.rand(3, 3), at=(torch.tensor([0, 4, 7]), corners, 6))


def test_a_notebook_lays_a_figure_out_once():
    """IPython draws every open figure after a cell, and the inline backend once more to send it."""
    from nbclient import NotebookClient

    cells = ["from matplotlib.layout_engine import ConstrainedLayoutEngine as Engine\nfrom xaikit import plot\ntimes, lay = [], Engine.execute\n"
             "def counted(*args):\n    times.append(1)\n    return lay(*args)\nEngine.execute = counted",
             "plot.describe(plot.curves({'a': [1, 2]}), 'a line')", "len(times)"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    NotebookClient(book, kernel_name="python3", timeout=120).execute()
    shown = [o for o in book.cells[1].outputs if "image/png" in o.get("data", {})]
    assert len(shown) == 1 and shown[0].metadata["image/png"]["alt"] == "a line"
    assert book.cells[2].outputs[0].data["text/plain"] == "1"

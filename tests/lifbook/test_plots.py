"""The pictures of layers: every spike is where it happened, and an animation can be used by everyone."""

import base64
import html
import json
import os
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

import lif
from chrome import BROWSER, FLAGS
from lifbook import animation, plots
from patience import HANG

SPIKES = np.array([[1, 0, 0, 1], [0, 0, 1, 1], [1, 0, 0, 1]])  # (time, units)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def marks(ax):
    """(moment, row) of every mark."""
    return {(x0, (y0 + y1) / 2) for (x0, y0), (_, y1) in ax.collections[0].get_segments()}


def test_a_raster_has_a_mark_where_a_spike_is_and_no_other():
    """If this fails, the picture shows spikes that were not there, or turns time and units round."""
    ax = plots.raster(SPIKES)
    assert marks(ax) == {(t + 1, unit) for t, unit in zip(*np.nonzero(SPIKES), strict=True)}
    assert ax.yaxis_inverted() and ax.get_xlabel() == "time step"


@pytest.mark.parametrize(
    ("order", "rows"), [("busiest", [3, 0, 2, 1]), ("first", [0, 3, 2, 1]), ([2, 3], [2, 3])]
)
def test_rows_stand_in_the_order_asked_for(order, rows):
    """If this fails, units cannot be told apart, or those asked for are not those shown."""
    found = marks(plots.raster(SPIKES, order=order))
    assert found == {(t + 1, row) for row, unit in enumerate(rows) for t in np.flatnonzero(SPIKES[:, unit])}


def test_a_raster_takes_what_a_layer_returns():
    """If this fails, a user has to reshape, convert or look up the times."""
    spikes = lif.PoissonEncoder(steps=6, seed=0)(np.full((1, 3, 2), 0.5, "float32"))
    ax = plots.raster(spikes[0], time=0.1 * np.arange(6))
    step, unit = np.nonzero(np.reshape(spikes[0], (6, -1)))
    assert marks(ax) == {(0.1 * t, u) for t, u in zip(step, unit, strict=True)} and ax.get_xlabel() == ""


def test_traces_show_potentials_and_the_spikes_on_them():
    """If this fails, a stroke stands beside the moment when the potential reached the threshold."""
    x = np.array([[[0.3, 0.6]] * 12]).reshape(1, 12, 2)
    spikes, potential = (y[0] for y in lif.reference.simulate(x, leak=0.1, threshold=2.0))
    ax = plots.traces(potential, spikes, threshold=2.0)
    curves = [line for line in ax.lines if len(line.get_xdata()) == 12]
    thresholds = [line.get_ydata()[0] for line in ax.lines if len(line.get_xdata()) == 2]
    for unit, (curve, threshold) in enumerate(zip(curves, thresholds, strict=True)):
        np.testing.assert_allclose(curve.get_ydata() - threshold, potential[:, unit] - 2.0)
        strokes = [segment[0] for segment in ax.collections[unit].get_segments()]
        assert [x for x, _ in strokes] == [t + 1 for t in np.flatnonzero(spikes[:, unit])]
        assert all(np.isclose(y, threshold) for _, y in strokes)
    assert thresholds[0] > thresholds[1] + 2.0  # the first unit is the upper one


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: plots.raster(SPIKES[:, 0]), "spikes"),
        (lambda: plots.raster(SPIKES, order="loudest"), "order"),
        (lambda: plots.raster(SPIKES, order=[4]), "order"),
        (lambda: plots.raster(SPIKES, time=[1, 2]), "time"),
        (lambda: plots.traces(np.zeros((3, 13))), "potential"),
        (lambda: plots.traces(np.zeros((3, 2)), np.zeros((3, 1))), "spikes"),
        (lambda: plots.traces(np.zeros((20, 2)), np.zeros((10, 4))), r"spikes.*\(20, 2\).*\(10, 4\)"),
        (lambda: plots.traces(np.zeros((15, 2)), np.zeros((10, 4))), r"spikes.*\(15, 2\).*\(10, 4\)"),
        (lambda: animation.animate({"a": SPIKES}, alt=" "), "alt"),
        (lambda: animation.animate({"a": SPIKES}, alt="x", seconds=0), "seconds"),
        (lambda: animation.animate({"a": SPIKES, "b": SPIKES[:2]}, alt="x"), "activity"),
        (lambda: animation.animate({}, alt="x"), "activity"),
        (lambda: animation.animate({"a": SPIKES, "b": SPIKES * np.nan}, alt="x"), "`activity`.*finite.*'b'"),
        (lambda: animation.animate({"a": SPIKES - np.inf}, alt="x"), "`activity`.*finite.*'a'"),
        (lambda: plots.traces(SPIKES + np.inf), "`potential`.*finite"),
        *(
            (
                lambda threshold=threshold: plots.traces(SPIKES, threshold=threshold),
                "`threshold`.*None or a finite",
            )
            for threshold in (0, -1.0, np.inf, np.nan, "1", [1.0, 1.0])
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(call, named):
    """If this fails, a user sees an error of NumPy or Matplotlib, or a wrong picture."""
    with pytest.raises(ValueError, match=named):
        call()


def activity(played):
    """What the animation's program reads."""
    return json.loads(html.unescape(re.search('data-activity="(.*?)"', played.html)[1]))


def test_an_animation_holds_every_spike_in_little_space():
    """If this fails, the animation shows other spikes than the layer's, or makes a page heavy."""
    pictures = np.random.default_rng(0).random((40, 28, 28)) < 0.2
    (panel,) = activity(animation.animate({"input": pictures}, alt="noise"))["panels"]
    bits = np.unpackbits(np.frombuffer(base64.b64decode(panel["data"]), np.uint8))
    np.testing.assert_array_equal(bits[: pictures.size].reshape(pictures.shape), pictures)
    assert (panel["rows"], panel["columns"], panel["binary"]) == (28, 28, True)
    assert len(animation.animate({"input": pictures}, alt="noise").html) < 12_000


def test_an_animation_shades_what_are_no_spikes():
    """If this fails, potentials are shown as spikes, or feature maps are mixed up."""
    maps = np.arange(2 * 2 * 3 * 2).reshape(2, 2, 3, 2) / 2
    (panel,) = activity(animation.animate({"maps": maps}, alt="maps"))["panels"]
    values = np.frombuffer(base64.b64decode(panel["data"]), np.uint8).reshape(2, 2, 6)
    np.testing.assert_array_equal(values[..., :3], np.uint8(255 * maps[..., 0] / maps.max()))
    assert not panel["binary"] and panel["columns"] == 6


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64", "float16"])
def test_an_animation_shades_every_type_of_number(dtype):
    """If this fails, pixels of a picture overflow on their way to shades, and all look the same."""
    info = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else np.finfo(dtype)
    least, most = float(info.min), float(info.max)
    pixels = np.array([[info.min, 0, info.max]], dtype)
    (panel,) = activity(animation.animate({"pixels": pixels}, alt="pixels"))["panels"]
    middle = int(-255 * least / (most - least))
    assert list(base64.b64decode(panel["data"])) == [0, middle, 255]


def test_cells_that_fill_up_a_row_do_not_count_as_numbers():
    """If this fails, 13 units that differ a little look all the same, because the empty cells beside them are 0."""
    potentials = 5 + np.linspace(0, 1, 26).reshape(2, 13)
    (panel,) = activity(animation.animate({"potentials": potentials}, alt="potentials"))["panels"]
    shades = np.frombuffer(base64.b64decode(panel["data"]), np.uint8).reshape(2, -1)
    assert shades.shape == (2, 16) and list(shades[:, 13:].ravel()) == [0] * 6
    np.testing.assert_allclose(shades[:, :13] / 255, potentials - 5, atol=1 / 255)


def test_an_animation_asks_no_other_host_and_has_words_and_controls():
    """If this fails, the page needs a network, or a reader without eyes or without a mouse is left out."""
    page = animation.animate({"a <b>": SPIKES}, alt='Units "fire" & rest').html
    assert not re.search(r"https?:|src=|href=|import|url\(|fetch", page)
    assert 'aria-label="Units &quot;fire&quot; &amp; rest"' in page and "a &lt;b&gt;" in page
    assert "<button" in page and 'type="range"' in page


@pytest.mark.skipif(BROWSER is None and not os.environ.get("CI"), reason="no chromium here")
def test_an_animation_is_played_paused_and_moved_by_keyboard(tmp_path):
    """If this fails, the animation stands still, never stops, or wants a mouse."""
    from playwright.sync_api import sync_playwright

    spikes = np.eye(3, dtype=int)  # step t lights cell t
    (tmp_path / "page.html").write_text(
        animation.animate({"units": spikes}, alt="a dot walks", seconds=1).html
    )
    colours = """() => { const c = document.querySelector("canvas"), side = c.width / 3;
        return [0, 1, 2].map((i) => [...c.getContext("2d").getImageData((i + 0.4) * side, 9, 1, 1).data]); }"""
    full, silent = [0, 114, 178, 255], [236, 236, 232, 255]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS, timeout=1000 * HANG)
        page = browser.new_page()
        page.set_default_timeout(1000 * HANG)
        page.clock.install(time=0)
        page.goto((tmp_path / "page.html").as_uri())
        page.clock.pause_at(3600)  # from now on time passes when the test says so
        words = page.locator("output")
        before, last = page.evaluate(colours)[1:]
        assert words.text_content() == "step 3 of 3" and last == full
        assert before not in (full, silent)  # the spike before is fading
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert words.text_content() == "step 1 of 3" and page.evaluate(colours) == [full, silent, silent]
        page.clock.run_for(2000)
        assert words.text_content() == "step 3 of 3" and page.locator("button").text_content() == "Play"
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowLeft")
        assert words.text_content() == "step 2 of 3" and page.evaluate(colours)[1:] == [full, silent]
        (tmp_path / "page.html").write_text(
            animation.animate({"units": spikes}, alt="slowly", seconds=30).html
        )
        page.reload()
        button = page.locator("button")
        for expected in ("Pause", "Play"):
            button.click()
            assert button.text_content() == expected
        browser.close()

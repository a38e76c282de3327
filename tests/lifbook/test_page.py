"""record, recorded, banner and figure: what is written, what is refused, what the page gets."""

import base64
import errno
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lifbook import _files, page
from lifbook._files import dumps, write


@pytest.fixture
def run_file(tmp_path, monkeypatch):
    """As in the pipeline: results go to a folder, and nothing has been recorded before."""
    write(tmp_path / "results" / "claims.yml", "claims: []\nchecks: []\n")  # what makes it a checkout
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIF_CHAPTER", "09-test")
    monkeypatch.setenv("LIF_PROFILE", "quick")
    monkeypatch.setenv("LIF_RESULTS", str(tmp_path / "out"))
    return tmp_path / "out" / "quick" / "09-test.json"


def numbers(path):
    return json.loads(path.read_text())["numbers"]


def test_scalars_are_written_as_they_are(run_file):
    page.record(count=np.int64(3), rate=np.float32(0.5), name="constant", works=True)
    assert numbers(run_file) == {"count": 3, "rate": 0.5, "name": "constant", "works": True}


def test_a_flat_sequence_is_one_value_per_seed(run_file):
    page.record(accuracy=[0.5, 0.7, 0.9], single=np.array([4.0]))
    written = numbers(run_file)
    assert written["accuracy"] == {
        "mean": pytest.approx(0.7),
        "sd": pytest.approx(0.2),
        "n": 3,
        "values": [0.5, 0.7, 0.9],
    }
    assert written["single"] == {"mean": 4.0, "sd": 0.0, "n": 1, "values": [4.0]}


def test_a_series_stays_a_series(run_file):
    page.record(curve={"steps": [1, 2], "error": np.array([[0.1], [0.2]])}, matrix=np.eye(2, dtype=int))
    assert numbers(run_file) == {
        "curve": {"steps": [1, 2], "error": [[0.1], [0.2]]},
        "matrix": [[1, 0], [0, 1]],
    }


def test_calls_add_to_each_other_and_times_stand_apart(run_file):
    page.record(a=1, seconds_per_epoch=2.5)
    page.record(b=2, training_seconds=30.0)
    run = json.loads(run_file.read_text())
    assert run["numbers"] == {"a": 1, "b": 2}
    assert run["timings"] == {"seconds_per_epoch": 2.5, "training_seconds": 30.0}
    assert run["provenance"]["profile"] == "quick"
    assert run["provenance"]["numpy"] == np.__version__


def test_equal_numbers_are_equal_files(run_file):
    page.record(b=0.1, a=[1, 2])
    first = run_file.read_bytes()
    run_file.unlink()
    page.record(a=[1, 2])
    page.record(b=0.1)
    assert run_file.read_bytes() == first


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, [1.0, math.nan], {"x": [-math.inf]}, np.float32("nan")]
)
def test_a_number_that_is_not_finite_is_refused_by_name(run_file, value):
    with pytest.raises(ValueError, match=r"loss must be finite, received (nan|-?inf)"):
        page.record(fine=1, loss=value)
    assert not run_file.exists()


def test_other_values_are_refused(run_file):
    with pytest.raises(ValueError, match="accuracy must hold at least one value"):
        page.record(accuracy=[])
    with pytest.raises(TypeError, match="model must be a number, a string, a sequence or a dict"):
        page.record(model=object())


@pytest.mark.parametrize("value", [[1e308] * 3, [10**400], [1e200, -1e200]])
def test_a_sequence_without_a_finite_mean_and_sd_is_refused_by_name(run_file, value):
    """If this fails, the error comes from JSON or NumPy, and nobody knows which of a chapter's numbers it was."""
    with pytest.raises(ValueError, match="loss must have a finite mean and sd, received"):
        page.record(loss=value)
    assert not run_file.exists()


@pytest.mark.parametrize("value", [{1: "a", "1": "b"}, [{"deep": {None: 1, "None": 2}}]])
def test_keys_that_become_equal_as_strings_are_refused(run_file, value):
    """If this fails, one of two results is lost without a word."""
    with pytest.raises(ValueError, match="curve must have keys that differ as strings, received"):
        page.record(curve=value)


@pytest.mark.parametrize(
    "value",
    ["\ud800", {"\udfff": 1}, [1, 10**5000], np.ma.masked_array([1, 2], [False, True]), np.ma.masked]
    + [np.ma.masked_array([[1.0, 2.0]], [[True, False]])],
    ids=["text", "key", "digits", "masked", "all masked", "table"],
)
def test_what_no_reader_of_json_takes_is_refused_by_name(run_file, value):
    """If this fails, a chapter ends in an error that names no number, or a masked entry is written as nothing."""
    with pytest.raises(
        ValueError, match="loss must (be what JSON's readers take|have no masked entries).*Received:"
    ):
        page.record(fine=1, loss=value)
    assert not run_file.exists()
    whole = np.ma.masked_array([1.0, 2.0], [False, False])
    assert page.record(loss=whole)["loss"]["values"] == [1.0, 2.0]


def test_a_full_disk_names_the_file(tmp_path, monkeypatch):
    """If this fails, a build ends with "No space left on device", and one wonders on which."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left on device: '.*run.json'"):
        write(tmp_path / "run.json", "text")


def test_outside_the_pipeline_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("LIF_CHAPTER", "LIF_PROFILE", "LIF_RESULTS"):
        monkeypatch.delenv(name, raising=False)
    assert page.record(a=1) == {"a": 1}
    page.open_chapter(SimpleNamespace(name="mnist", source="stand-in"))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    write(path, "old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(_files.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_prose_gets_each_number_and_its_recorded_twin(run_file, tmp_path, monkeypatch):
    entry = {"mean": 0.9, "sd": 0.1, "n": 5, "values": [0.9] * 5}
    full = {"numbers": {"accuracy": entry}, "timings": {"seconds_per_epoch": 7.0}, "provenance": {}}
    write(tmp_path / "results" / "full" / "09-test.json", dumps(full))
    glued = {}
    monkeypatch.setattr(page, "_glue", glued.__setitem__)
    page.record(accuracy=[0.5, 0.7], seconds_per_epoch=1.0, new=3, curve=[[1]])
    assert glued.pop("full_new") != glued["new"]  # NaN: not recorded
    assert glued == {
        "accuracy": 0.6,
        "accuracy_sd": pytest.approx(0.2 / math.sqrt(2)),
        "accuracy_n": 2,
        "full_accuracy": 0.9,
        "full_accuracy_sd": 0.1,
        "full_accuracy_n": 5,
        "seconds_per_epoch": 1.0,
        "full_seconds_per_epoch": 7.0,
        "new": 3,
    }


def test_recorded_is_found_by_name_and_from_the_chapters_folder(run_file, tmp_path, monkeypatch):
    assert not page.recorded()
    write(tmp_path / "results" / "full" / "09-test.json", '{"numbers": {"a": 1}}')
    assert page.recorded().numbers == {"a": 1}
    monkeypatch.delenv("LIF_CHAPTER")
    (tmp_path / "chapters").mkdir()
    monkeypatch.chdir(tmp_path / "chapters")
    assert page.recorded("09-test").numbers == {"a": 1}
    monkeypatch.setenv("JPY_SESSION_NAME", "chapters/09-test.ipynb")
    assert page.recorded().numbers == {"a": 1}


def test_a_full_run_sees_what_other_chapters_recorded_but_not_the_run_it_replaces(
    run_file, tmp_path, monkeypatch
):
    """Otherwise it would draw the old run, and a drawing that asks for a new series would fail after hours."""
    for stem in ("09-test", "08-other"):
        write(tmp_path / "results" / "full" / f"{stem}.json", '{"numbers": {"a": 1}}')
    monkeypatch.setenv("LIF_PROFILE", "full")
    assert not page.recorded()
    assert not page.recorded("09-test")
    assert page.recorded("08-other").numbers == {"a": 1}


@pytest.fixture
def shown(monkeypatch):
    """What goes onto the page: a list of (HTML, plain text)."""
    displayed = []
    monkeypatch.setattr(page, "_display", lambda markup, text: displayed.append((markup, text)))
    return displayed


def test_real_data_get_a_quiet_line(run_file, shown):
    page.open_chapter(
        SimpleNamespace(name="mnist", source="cache"), SimpleNamespace(name="iris", source="scikit-learn")
    )
    assert numbers(run_file)["source"] == "real"
    assert shown[0][1] == "Profile: quick. Data: mnist (cache), iris (scikit-learn)."
    assert "Warning" not in shown[0][0]


def test_a_stand_in_is_a_warning_and_judges_nothing(run_file, shown):
    page.open_chapter(SimpleNamespace(name="mnist", source="stand-in"))
    assert numbers(run_file)["source"] == "stand-in"
    warning, facts = shown
    assert "Warning" in warning[0] and "the real mnist data could not be found" in warning[1]
    assert facts[1] == "Profile: quick. Data: mnist (stand-in)." and "Warning" not in facts[0]


def test_a_full_run_does_not_begin_on_a_stand_in(run_file, monkeypatch):
    monkeypatch.setenv("LIF_PROFILE", "full")
    with pytest.raises(RuntimeError, match="needs the real data; only a stand-in was found for mnist"):
        page.open_chapter(SimpleNamespace(name="mnist", source="stand-in"))


def test_the_page_shows_where_the_full_run_comes_from(run_file, tmp_path, shown):
    run = {
        "numbers": {"a": 1},
        "provenance": {"commit": "abc123", "cpu": "<fast>", "data": {"mnist": "cache"}},
    }
    write(tmp_path / "results" / "full" / "09-test.json", json.dumps(run))
    page.open_chapter()
    assert "<details>" in shown[0][0] and "abc123" in shown[0][0] and "mnist (cache)" in shown[0][0]
    assert "&lt;fast&gt;" in shown[0][0]


def test_a_figure_is_a_described_reproducible_svg_and_is_closed(shown):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    for _ in range(2):
        with plt.style.context("lifbook.book"):
            figure, axes = plt.subplots()
            axes.plot([0, 1], label="a")
            page.figure(figure, alt='A line that rises from 0 to "1".')
    assert plt.get_fignums() == []
    assert shown[0] == shown[1]
    assert 'alt="A line that rises from 0 to &quot;1&quot;."' in shown[0][0]
    svg = base64.b64decode(shown[0][0].split("base64,")[1].split('"')[0])
    assert b"<svg" in svg and b"<dc:date>" not in svg


@pytest.mark.parametrize("draw", ["plot", "imshow"])
def test_a_drawing_of_lines_is_told_from_a_picture(draw, shown):
    """If this fails, a dark page shows photographs as negatives, or drawings as bright sheets."""
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    figure, axes = plt.subplots()
    getattr(axes, draw)([[0, 1], [2, 3]])
    page.figure(figure, alt="Four numbers.")
    assert ("lif-lines" in shown[0][0]) == (draw == "plot")


def test_a_figure_without_words_is_refused():
    with pytest.raises(ValueError, match="alt must describe the figure"):
        page.figure(None, alt=" ")


def test_the_words_of_a_figure_stand_out_from_it(shown):
    """If this fails, a reader with weak sight cannot read a label in pink or orange."""
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    fig, ax = plt.subplots(facecolor="#FDFDFC")
    palette = ["#CC79A7", "#D55E00", "#E69F00", "#999999", "#0072B2"]
    words = [ax.text(0, 0, "word", color=color) for color in palette]
    white = ax.text(0, 0, "on a dark cell", color="white")
    page.figure(fig, "words")
    ratios = [contrast(word.get_color(), fig.get_facecolor()[:3]) for word in words]
    assert min(ratios) >= 4.5
    assert max(ratios[:-1]) < 5, "no darker than it must be"
    assert words[-1].get_color() == (0, 0x72 / 255, 0xB2 / 255), "dark enough already"
    assert white.get_color() == (1, 1, 1)


def contrast(first, second):
    """As in WCAG 2.2, written a second time: (lighter + 0.05) / (darker + 0.05) of the relative luminances."""

    def luminance(color):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted((luminance(first), luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def test_a_number_on_stand_in_data_says_so():
    """If this fails, a figure shows stand-in data as if they were real."""
    real, drawn = SimpleNamespace(source="LIF_DATA"), SimpleNamespace(source="stand-in")
    assert page.this_build() == page.this_build(real, real) == "this build"
    assert page.this_build(real, drawn) == "this build, stand-in data"


@pytest.mark.parametrize(("there", "name"), [(True, "H200"), (False, "none")])
def test_the_accelerator_of_every_backend_is_named(there, name, monkeypatch):
    """If this fails, a run on a graphics processor says that it was made without one."""
    cuda = SimpleNamespace(is_available=lambda: there, get_device_name=lambda: "H200")
    for backend in ("tensorflow", "jax"):
        monkeypatch.delitem(sys.modules, backend, raising=False)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(__version__="2", cuda=cuda))
    assert page._accelerator() == name

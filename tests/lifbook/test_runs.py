"""A chapter's run: what it holds, what it says where nothing was recorded, and its file."""

import shutil

import pytest

from lifbook import Run, checkout, runs
from lifbook._files import Damaged

SEEDS = {"mean": 0.6, "sd": 0.1, "n": 2, "values": [0.5, 0.7]}
CURVE = {"steps": [1, 2], "error": [0.1, 0.2]}
RUN = Run(
    {"accuracy": SEEDS, "count": 3, "curve": CURVE, "source": "real"},
    {"train_seconds": 4.5},
    {"commit": "abc"},
)


def test_a_number_is_found_by_its_name_whatever_its_form():
    """If this fails, a chapter draws a dict where a number should be, or a series is cut down to one."""
    names = ("accuracy", "count", "curve", "train_seconds", "loss")
    assert [RUN.entry(name) for name in names] == [SEEDS, 3, CURVE, 4.5, None]
    assert [RUN.value(name) for name in names] == [0.6, 3, CURVE, 4.5, None]
    assert RUN.prose("accuracy") == {"": 0.6, "_sd": 0.1, "_n": 2} and RUN.prose("count") == {"": 3}
    assert RUN.prose("curve") == RUN.prose("loss") == {}
    assert [name in RUN for name in names] == [True, True, True, True, False] and RUN.source == "real"


@pytest.mark.parametrize("value", [0, 0.0, False, ""])
def test_a_number_that_is_nothing_was_recorded_all_the_same(value):
    """If this fails, a loss of exactly 0 counts as not measured."""
    run = Run({"loss": value})
    assert run and "loss" in run and run.value("loss") == value and run.prose("loss") == {"": value}


def test_a_chapter_that_was_not_run_has_an_empty_run():
    """If this fails, a chapter without a recorded run stops at it, or draws one that is not there."""
    empty = Run(provenance={"profile": "full"})
    assert not empty and not Run() and empty.source is None and empty.value("accuracy") is None
    assert RUN and Run(timings={"train_seconds": 1.0})
    first, second = Run(), Run()
    first.add({"a": 1})
    assert second == Run(), "two runs share their numbers"


def test_times_are_kept_apart_from_what_two_runs_share():
    """If this fails, two runs on one machine differ, and nobody can tell a wrong number from a slow hour."""
    run = Run()
    run.add({"a": 1, "seconds_per_epoch": 2.5, "training_seconds": 30.0, "seconds": 1})
    assert run == Run({"a": 1, "seconds": 1}, {"seconds_per_epoch": 2.5, "training_seconds": 30.0})


def test_a_run_comes_back_from_its_file_and_equal_runs_are_equal_files(tmp_path):
    """If this fails, a recorded number changes when it is read, or git sees a change where there is none."""
    RUN.write(tmp_path / "quick" / "01-a.json")
    assert Run.read(tmp_path / "quick" / "01-a.json") == RUN
    Run(dict(reversed(RUN.numbers.items())), RUN.timings, RUN.provenance).write(tmp_path / "b.json")
    assert (tmp_path / "b.json").read_bytes() == (tmp_path / "quick" / "01-a.json").read_bytes()


def test_the_checkout_is_found_from_where_one_stands(tmp_path, monkeypatch):
    """If this fails, a notebook opened in its own folder shows no recorded run, or that of another checkout."""
    package = tmp_path / "elsewhere" / "lifbook" / "runs.py"
    package.parent.mkdir(parents=True)
    monkeypatch.setattr(runs, "__file__", str(package))
    (tmp_path / "mine" / "chapters").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "mine" / "chapters")
    assert checkout() is None  # as on Colab
    for root in (tmp_path / "elsewhere", tmp_path / "mine"):
        (root / "results").mkdir()
        (root / "results" / "claims.yml").write_text("")
    assert checkout() == tmp_path / "mine"
    monkeypatch.chdir(tmp_path / "mine")
    assert checkout() == tmp_path / "mine"
    shutil.rmtree(tmp_path / "mine" / "results")
    assert checkout() == tmp_path / "elsewhere"  # the one that the package lies in


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"numbers": {',
        "[]",
        "3",
        "{}",
        '{"numbers": [1]}',
        '{"numbers": {}, "timings": 1}',
        '{"numbers": {"a": NaN}}',
    ]
    + ["<<<<<<< HEAD\n{}", b"\xff"],
)
def test_a_file_that_holds_no_run_is_named(tmp_path, content):
    """If this fails, one damaged file among fifty stops the build, and the message does not say which."""
    path = tmp_path / "04-mnist.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(Damaged, match=r"04-mnist.json must hold a run: .* Received: "):
        Run.read(path)
    with pytest.raises(FileNotFoundError):
        Run.read(tmp_path / "none.json")
    path.write_text('{"numbers": {"a": 1}}')
    assert Run.read(path) == Run({"a": 1})

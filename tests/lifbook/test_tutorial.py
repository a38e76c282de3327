"""The ten-minute tutorial, as a reader copies it from the page: the visible cells and nothing else."""

import os
import subprocess
import sys

import nbformat

from lifbook.build.project import ROOT

UNSEEN = {"hide-input", "remove-input", "remove-cell", "hide-cell"}

# Training takes minutes. One epoch of a few digits, step by step, and one setting show that every name is there.
SMALL = """
from dataclasses import replace
import keras, lif
from lifbook import datasets, sweeps

def few(all_of_them=datasets.digits):
    data, first = all_of_them(), slice(16)
    train = dict(x_train=data.x_train[first], y_train=data.y_train[first])
    return replace(data, **train, x_test=data.x_test[first], y_test=data.y_test[first])

def eager(model, *options, compile=keras.Model.compile, **more):
    return compile(model, *options, **more | {"run_eagerly": True, "jit_compile": False})

def one_epoch(model, *data, fit=keras.Model.fit, **options):
    return fit(model, *data, **options | {"epochs": 1})

def one_setting(run, grid, folder, sweep=sweeps.sweep):
    return sweep(run, {name: list(values)[:1] for name, values in grid.items()}, folder)

datasets.digits, sweeps.sweep = few, one_setting
keras.Model.compile, keras.Model.fit = eager, one_epoch
"""


def visible(stem):
    notebook = nbformat.read(ROOT / "chapters" / f"{stem}.ipynb", as_version=4)
    return [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and not UNSEEN & set(cell.metadata.get("tags", []))
    ]


def test_what_a_reader_copies_from_the_tutorial_runs(tmp_path):
    """If this fails, a reader who copies the tutorial's visible code meets a NameError, for a name the page hides."""
    cells = visible("50-tutorial")
    assert len(cells) > 10
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LIF_")}
    environment |= {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    script = "\n\n".join([SMALL, *cells])
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_tutorial_keeps_the_books_machinery_out_of_sight():
    """If this fails, a reader stumbles over the calls that put numbers on the page, which no model needs."""
    for word in ("record(", "open_chapter(", "profile", "lifbook.page"):
        assert not [cell for cell in visible("50-tutorial") if word in cell], word

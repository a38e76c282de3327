"""Sweeps: what a user relies on when runs take hours. Nothing is lost, nothing repeated."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
from joblib._parallel_backends import ThreadingBackend

import lifbook
from lifbook import progress, sweeps
from lifbook.build.project import ROOT

GRID = {"leak": [0.1, 0.5], "seed": [0, 1, 2]}


def noisy(leak, seed):
    """A run whose result depends on its setting alone."""
    return {"rate": leak * np.random.default_rng(seed).uniform(size=3), "seed": np.int64(seed)}


@pytest.mark.parametrize(("jobs", "backend"), [(2, "loky"), (3, "threading")])
def test_results_do_not_depend_on_the_number_of_jobs(tmp_path, jobs, backend):
    """If this fails, a sweep on a larger machine finds something else."""
    alone = lifbook.sweep(noisy, GRID, tmp_path / "alone")
    together = lifbook.sweep(noisy, GRID, tmp_path / "together", jobs=jobs, backend=backend)
    assert alone == together
    assert [setting for setting, _ in alone] == [{"leak": a, "seed": s} for a in (0.1, 0.5) for s in range(3)]
    assert alone[4][1] == {"rate": noisy(0.5, 1)["rate"].tolist(), "seed": 1}


def test_an_interrupted_sweep_goes_on_where_it_stopped(tmp_path):
    """If this fails, a night's runs are lost with the night, or made twice."""
    called = []

    def interrupted(leak, seed):
        if len(called) == 4:
            raise KeyboardInterrupt
        called.append((leak, seed))
        return noisy(leak, seed)

    with pytest.raises(KeyboardInterrupt):
        lifbook.sweep(interrupted, GRID, tmp_path)
    assert len(list(tmp_path.glob("*.json"))) == len(called) == 4

    def remaining(leak, seed):
        assert (leak, seed) not in called
        return noisy(leak, seed)

    assert lifbook.sweep(remaining, GRID, tmp_path) == lifbook.sweep(noisy, GRID, tmp_path / "afresh")


def test_a_failing_run_is_named_and_loses_no_other(tmp_path):
    """If this fails, one bad setting costs all the others, or nobody knows which it was."""

    def sometimes(leak, seed):
        if leak == 0.5 and seed == 1:
            raise ZeroDivisionError("no such leak")
        return noisy(leak, seed)

    with pytest.raises(
        RuntimeError, match=r"(?s)1 of 6 runs failed.*leak=0.5, seed=1\n.*ZeroDivisionError: no such"
    ):
        lifbook.sweep(sometimes, GRID, tmp_path, jobs=2, backend="threading")
    assert len(list(tmp_path.glob("*.json"))) == 5
    assert lifbook.sweep(noisy, GRID, tmp_path) == lifbook.sweep(noisy, GRID, tmp_path / "afresh")


def test_a_result_that_no_file_can_hold_is_a_failure(tmp_path):
    """If this fails, a model is written as something else, and read as a result."""
    with pytest.raises(RuntimeError, match="seed=0"):
        lifbook.sweep(lambda seed: object(), {"seed": [0]}, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "result",
    ["\ud800", {"\udfff": 1}, 10**5000, np.ma.masked_array([1, 2], [False, True])],
    ids=["text", "key", "digits", "masked"],
)
def test_a_result_that_no_reader_takes_is_a_failure_like_any_other(tmp_path, result):
    """If this fails, one odd result stops the sweep with an error that names no setting, or is read as another."""
    with pytest.raises(RuntimeError, match="(?s)1 of 3 runs failed.*seed=1\n.*result must"):
        lifbook.sweep(lambda seed: result if seed == 1 else seed, {"seed": range(3)}, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "content",
    [b"", b'{"setting": {"se', b"<html>", b"\xff", b"[1]", b'{"setting": {"seed": 1}}', "another setting"],
)
def test_a_damaged_file_is_named_and_its_run_made_again(tmp_path, content):
    """If this fails, a disk that was full once stops the sweep for ever, without a word of which file it is."""
    called = []

    def logged(seed):
        called.append(seed)
        return -seed

    grid = {"seed": range(4)}
    expected = lifbook.sweep(logged, grid, tmp_path)
    (file,) = tmp_path.glob("seed=1-*")
    if content == "another setting":
        content = next(tmp_path.glob("seed=2-*")).read_bytes()
    file.write_bytes(content)
    with pytest.warns(UserWarning, match=f"{file.name} does not hold a run of its setting"):
        assert lifbook.sweep(logged, grid, tmp_path) == expected
    assert called == [0, 1, 2, 3, 1]
    assert file.with_name(f"{file.name}.damaged").read_bytes() == content
    assert lifbook.sweep(None, grid, tmp_path) == expected


def test_a_full_disk_stops_the_sweep_and_is_named(tmp_path, monkeypatch):
    """If this fails, a night's runs are made that can no longer be written, and lost."""
    called = []
    write_text = Path.write_text

    def until_full(path, *args, **kwargs):
        if len(called) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_text(path, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", until_full)
    with pytest.raises(OSError, match=r"No space left on device: '.*seed=1-\w+.json'"):
        lifbook.sweep(lambda seed: called.append(seed), {"seed": range(6)}, tmp_path)
    assert called == [0, 1]
    monkeypatch.undo()
    assert len(lifbook.sweep(lambda seed: called.append(seed), {"seed": range(6)}, tmp_path)) == 6
    assert called == [0, 1, 1, 2, 3, 4, 5]


def test_two_sweeps_on_one_folder_share_the_runs(tmp_path):
    """If this fails, a sweep that is started twice does everything twice."""
    called, found, together = [], [], threading.Barrier(2)

    def logged(seed):
        called.append(seed)
        time.sleep(0.1)  # so that the other one comes to it
        return seed

    def sweep():
        together.wait()
        found.append(lifbook.sweep(logged, {"seed": range(5)}, tmp_path))

    threads = [threading.Thread(target=sweep) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1] == [({"seed": seed}, seed) for seed in range(5)]
    assert sorted(called) == list(range(5)) and len(list(tmp_path.iterdir())) == 5


ORPHANS = """
import os, pathlib, sys, time
from lifbook.sweeps import sweep

def endless(seed, here):
    part = pathlib.Path(here, f"{seed}.part")
    part.write_text(str(os.getpid()))
    part.rename(pathlib.Path(here, f"{seed}.pid"))
    while True:
        time.sleep(1)

sweep(endless, {"seed": range(8), "here": [sys.argv[1]]}, sys.argv[1], jobs=2)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_workers_end_with_the_sweep_that_started_them(tmp_path):
    """If this fails, what is left of a sweep that was killed computes on, and holds its memory for minutes."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, "-c", ORPHANS, str(tmp_path)], env=environment)
    try:
        while len(began := list(tmp_path.glob("*.pid"))) < 2:
            assert parent.poll() is None
            time.sleep(0.1)
    finally:
        parent.kill()
        parent.wait()
    for file in began:
        with pytest.raises(ProcessLookupError):
            while True:
                os.kill(int(file.read_text()), 0)
                time.sleep(0.1)
    assert len(list(tmp_path.glob("*.pid"))) == 2


def test_a_run_that_diverged_is_kept_as_it_ended(tmp_path):
    """If this fails, a loss of NaN is a failure that every call runs again, or comes back as another value."""
    losses = {
        "history": np.array([1.0, 1e30, np.inf]),
        "least": -np.inf,
        "last": np.float32("nan"),
        "word": "nan",
    }
    calls = []
    for _ in range(2):
        ((_, found),) = lifbook.sweep(lambda seed: calls.append(seed) or losses, {"seed": [0]}, tmp_path)
        np.testing.assert_equal(found, {**losses, "history": losses["history"].tolist()})
        assert isinstance(found["last"], float)
    assert calls == [0]
    (file,) = tmp_path.iterdir()
    assert "NaN" not in file.read_text() and "Infinity" not in file.read_text()  # any JSON reader can read it


def test_a_file_says_which_setting_it_belongs_to(tmp_path):
    """If this fails, nobody can tell the files apart, or two settings share one."""
    settings = [
        {"leak": 0.1, "name": "a/b c"},
        {"name": "a/b c", "leak": 0.1},
        {"leak": 0.1, "name": "a:b c"},
    ]
    found = lifbook.sweep(lambda leak, name: name, settings, tmp_path)
    assert [result for _, result in found] == ["a/b c", "a/b c", "a:b c"]
    files = sorted(tmp_path.glob("leak=0.1_name=a_b_c-*.json"))
    assert len(files) == 2  # the names' order means nothing
    assert [json.loads(f.read_text())["setting"]["leak"] for f in files[:1]] == [0.1]


def test_any_backend_that_joblib_knows_by_name(tmp_path):
    """If this fails, a sweep does not run on a cluster, or needs its workers to write where we read."""
    handled = []

    class Cluster(ThreadingBackend):
        """Threads that pass for another machine's: what they write on its disk is not seen here."""

        def submit(self, func, callback=None):
            handled.append(func)
            return super().submit(func, callback)

        apply_async = submit

    joblib.register_parallel_backend("cluster", Cluster)
    try:
        found = lifbook.sweep(noisy, GRID, tmp_path, jobs=2, backend="cluster")
    finally:
        from joblib.parallel import BACKENDS

        del BACKENDS["cluster"]
    assert len(handled) == 6 and found == lifbook.sweep(noisy, GRID, tmp_path / "here")


def test_results_come_home_from_workers_with_a_disk_of_their_own(tmp_path, monkeypatch):
    """If this fails, a sweep on machines that share no folder forgets what it found, or calls it a failure."""

    def written_on_another_disk(file, text):
        pass

    def not_allowed(file, text):
        raise PermissionError(file)

    setting = {"leak": 0.1, "seed": 0}
    for write in (written_on_another_disk, not_allowed):
        with monkeypatch.context() as worker:
            worker.setattr(sweeps, "write", write)
            run = sweeps._run(noisy, setting, tmp_path / "run.json")
        with monkeypatch.context() as home:
            home.setattr(sweeps, "_run", lambda *_, run=run: run)
            found = lifbook.sweep(noisy, [setting], tmp_path / write.__name__)
        assert found == [(setting, {"rate": noisy(**setting)["rate"].tolist(), "seed": 0})]


def test_a_relative_folder_is_ours_not_the_workers(tmp_path, monkeypatch):
    """If this fails, runs go astray into the folder that the workers were started in."""
    for place in ("first", "second"):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)
        lifbook.sweep(noisy, GRID, f"runs of the {place}", jobs=2)  # joblib keeps its workers for the second
    for place in ("first", "second"):
        assert [f.name for f in (tmp_path / place).iterdir()] == [f"runs of the {place}"]


def test_an_empty_grid_is_refused(tmp_path):
    """If this fails, a misspelt grid is a sweep that seems to have succeeded."""
    with pytest.raises(ValueError, match="`grid`"):
        lifbook.sweep(noisy, {"leak": [], "seed": [0]}, tmp_path)


@pytest.mark.parametrize("values", [1, "arctan", {"a": 1}, None, np.array(1.0)])
def test_values_that_are_no_list_are_refused_by_name(tmp_path, values):
    """If this fails, the letters of a name are run as settings, or the error does not say which name is meant."""
    with pytest.raises(ValueError, match="`grid` must hold a list of values for 'leak'. Received:"):
        lifbook.sweep(noisy, {"seed": [0], "leak": values}, tmp_path)
    assert not list(tmp_path.iterdir())


def test_values_may_be_any_sequence(tmp_path):
    """If this fails, an array or a range must be made a list first."""
    found = lifbook.sweep(noisy, {"leak": np.array([0.1, 0.5]), "seed": range(3)}, tmp_path)
    assert found == lifbook.sweep(noisy, GRID, tmp_path / "lists")


def test_a_bar_appears_only_after_a_while_and_not_in_the_output(tmp_path, monkeypatch, capsys):
    """If this fails, quick calls flicker, slow ones seem to hang, or bars get into what a program prints."""
    monkeypatch.setattr(progress, "PATIENCE", 3600)  # the machine may be busy
    lifbook.sweep(noisy, GRID, tmp_path / "quick")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(progress, "PATIENCE", 0)
    lifbook.sweep(noisy, GRID, tmp_path / "slow")
    out, err = capsys.readouterr()
    assert out == "" and "0/6" in err


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_bar_counts_every_run(tmp_path, monkeypatch, jobs):
    """If this fails, the bar stands still, or says that work is left when none is."""
    moved = []

    class Bar(progress._NoBar):
        def update(self, n=1):
            moved.append(n)

    monkeypatch.setattr(sweeps, "progress", lambda **options: Bar(None))
    lifbook.sweep(noisy, GRID, tmp_path, jobs=jobs, backend="threading")
    assert sum(moved) == 6 and len(moved) > 1


def test_without_tqdm_there_is_no_bar_and_no_harm(monkeypatch):
    """If this fails, the layers' own users must install what only draws bars."""
    for name in ("tqdm", "tqdm.auto"):
        monkeypatch.setitem(sys.modules, name, None)
    with progress.progress(total=3) as bar:
        bar.update(3)
    assert list(progress.progress(range(3), desc="counting")) == [0, 1, 2]


@pytest.mark.parametrize("place", ["a file", "a file/runs", "/proc"])
def test_a_folder_that_cannot_be_written_is_refused_before_the_first_run(tmp_path, place):
    """If this fails, a night's runs are made, and lost when they are to be written."""
    (tmp_path / "a file").write_text("")
    called = []
    with pytest.raises(
        ValueError, match=f"`folder` must be a folder that can be .*Received: folder='.*{place}'"
    ):
        lifbook.sweep(lambda seed: called.append(seed), {"seed": [0]}, tmp_path / place)
    assert not called


def test_a_long_setting_in_any_script_has_a_file(tmp_path):
    """If this fails, a file system that takes 255 bytes refuses the name of 80 letters of three bytes each."""
    settings = [{"name": letter * 100} for letter in "\u6f22\U00020000a"]
    assert [name for _, name in lifbook.sweep(lambda name: name, settings, tmp_path)] == [
        s["name"] for s in settings
    ]
    assert all(len(os.fsencode(file.name)) < 120 for file in tmp_path.iterdir())


def test_a_run_cannot_change_its_setting(tmp_path):
    """If this fails, a file says that a result belongs to another setting, and the next call does not know it."""

    def consuming(sizes):
        return [sizes.pop() for _ in range(len(sizes))]

    expected = [({"sizes": [1, 2]}, [2, 1])]
    assert lifbook.sweep(consuming, [{"sizes": [1, 2]}], tmp_path) == expected
    (file,) = tmp_path.iterdir()
    assert json.loads(file.read_text())["setting"] == {"sizes": [1, 2]}


def test_a_run_that_exits_is_a_failure_like_any_other(tmp_path):
    """If this fails, a `sys.exit` in one run ends the program, and the other runs with it."""

    def leaving(leak, seed):
        return sys.exit("enough") if seed == 0 else noisy(leak, seed)

    with pytest.raises(RuntimeError, match="(?s)2 of 6 runs failed.*leak=0.1, seed=0\n.*SystemExit: enough"):
        lifbook.sweep(leaving, GRID, tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_process_that_is_killed_is_reported_with_the_settings_that_are_left(tmp_path):
    """If this fails, who runs out of memory reads joblib's error, and not which settings are to be tried again."""
    folder = str(tmp_path)

    def killed(seed):
        if seed == 1:
            while not any(name.endswith(".json") for name in os.listdir(folder)):
                time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGKILL)
        return seed

    with pytest.raises(RuntimeError, match="(?s)a process died.*have no file.*kept in.*\nseed=1") as error:
        lifbook.sweep(killed, {"seed": [0, 1]}, tmp_path, jobs=2)
    assert "seed=0" not in str(error.value)
    assert lifbook.sweep(lambda seed: -seed, {"seed": [0, 1]}, tmp_path) == [
        ({"seed": 0}, 0),
        ({"seed": 1}, -1),
    ]


def test_a_setting_that_comes_twice_is_run_once(tmp_path):
    """If this fails, hours go into a result that is there already."""
    called = []
    found = lifbook.sweep(lambda seed: called.append(seed) or seed, {"seed": [0, 1, 0]}, tmp_path)
    assert called == [0, 1] and [seed for _, seed in found] == [0, 1, 0]


def test_without_joblib_the_way_to_get_it_is_named(tmp_path, monkeypatch):
    """If this fails, who has the layers alone must guess what to install."""
    monkeypatch.setitem(sys.modules, "joblib", None)
    with pytest.raises(ImportError, match="lifbook.sweep needs the package joblib: pip install joblib"):
        lifbook.sweep(noisy, GRID, tmp_path)

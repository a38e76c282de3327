"""Sweeps on a Dask cluster, here of two processes: run by `make backends`, where Dask is."""

import os
import signal
from pathlib import Path

import keras
import numpy as np
import pytest

import lif
import lifbook
from patience import HANG

distributed = pytest.importorskip("distributed", reason="clusters need Dask: make backends")

GRID = {"leak": [0.1, 0.5], "seed": [0, 1, 2]}


def train(leak, seed):
    """A run whose result depends on its setting alone."""
    spikes = lif.LIF(leak=leak)(np.random.default_rng(seed).uniform(size=(2, 20, 3)).astype("float32"))
    return {"rate": keras.ops.convert_to_numpy(spikes).mean((0, 1))}


def meet(number):
    """One of two runs that wait for each other: done one after the other, the first finds nobody."""
    distributed.Event(f"run {number}").set()
    return distributed.Event(f"run {1 - number}").wait(HANG)


def fail_once(number):
    """One of the runs goes wrong."""
    return 1 // number


def die_once(number, folder):
    """One of the runs takes its worker with it, the first time."""
    began = Path(folder) / "began"
    if number == 2 and not began.exists():
        began.touch()
        os._exit(1)
    return number


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Two workers of one thread each, started in a folder of their own, as on another machine."""
    options = dict(n_workers=2, threads_per_worker=1, memory_limit=None, dashboard_address=None)
    with pytest.MonkeyPatch.context() as here:
        here.chdir(tmp_path_factory.mktemp("workers"))
        with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
            here.undo()
            yield client


@pytest.fixture(autouse=True)
def time_limit():
    """A sweep on a cluster that has lost a run would wait for ever."""

    def stop(*_):
        raise TimeoutError("The cluster does not end its work.")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(HANG)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_a_sweep_on_a_cluster_finds_what_one_process_finds(client, tmp_path, monkeypatch):
    """If this fails, a sweep on a cluster finds something else, loses runs, or repeats them."""
    alone = lifbook.sweep(train, GRID, tmp_path / "alone")
    monkeypatch.chdir(tmp_path)
    assert lifbook.sweep(train, GRID, "cluster", backend="dask") == alone
    assert not any(client.run(os.listdir).values())  # written where we read, not where the workers started

    files = sorted((tmp_path / "cluster").iterdir())
    assert len(files) == 6
    written = {file: file.stat().st_mtime_ns for file in files}
    files[2].unlink()
    assert lifbook.sweep(train, GRID, "cluster", backend="dask") == alone
    assert [file for file in files if file.stat().st_mtime_ns != written[file]] == [files[2]]


def test_the_workers_work_at_the_same_time(client, tmp_path):
    """If this fails, a cluster stands idle while one of its machines does everything."""
    found = lifbook.sweep(meet, {"number": [0, 1]}, tmp_path, backend="dask")
    assert [result for _, result in found] == [True, True]


def test_a_run_that_fails_on_a_cluster_is_named_and_costs_no_other(client, tmp_path):
    """If this fails, one bad setting costs all that a cluster found, or nobody knows which it was."""
    with pytest.raises(RuntimeError, match=r"(?s)1 of 4 runs failed.*number=0\n.*ZeroDivisionError"):
        lifbook.sweep(fail_once, {"number": range(4)}, tmp_path, backend="dask")
    assert len(list(tmp_path.iterdir())) == 3


def test_a_worker_that_dies_takes_no_run_with_it(client, tmp_path):
    """If this fails, a machine that is lost costs the runs that were on it, or ends the sweep."""
    grid = {"number": range(4), "folder": [str(tmp_path)]}
    found = lifbook.sweep(die_once, grid, tmp_path / "runs", backend="dask")
    assert (tmp_path / "began").exists() and [result for _, result in found] == [0, 1, 2, 3]

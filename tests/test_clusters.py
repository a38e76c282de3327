"""Sweeps on a Dask cluster, here of two processes: run by `make backends`, where Dask is."""

import json
import os

import numpy as np
import pytest

import lif

distributed = pytest.importorskip("distributed", reason="clusters need Dask: make backends")

GRID = {"leak": [0.1], "seed": [0, 1, 2]}


def train(leak, seed):
    """A run whose result depends on its setting alone, if nothing else draws from the generators that it seeds."""
    import time

    import keras

    keras.utils.set_random_seed(seed)
    time.sleep(1)
    spikes = lif.LIF(leak)(keras.random.uniform((2, 20, 3)))
    return {"rate": keras.ops.convert_to_numpy(spikes).mean((0, 1)), "noise": np.random.uniform()}


def worker(number):
    """The worker that started the run's process, which one of the runs takes down."""
    return os._exit(7) if number == 1 else os.getppid()


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    # The workers start in a folder of their own, as on another machine.
    with pytest.MonkeyPatch.context() as here:
        here.chdir(tmp_path_factory.mktemp("workers"))
        with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            with distributed.Client(cluster) as client:
                yield client


def test_a_sweep_on_a_cluster_finds_what_one_process_finds(client, tmp_path, monkeypatch):
    """If this fails, a sweep on a cluster finds something else, loses runs, or repeats them."""
    alone = lif.sweep(train, GRID, tmp_path / "alone")
    monkeypatch.chdir(tmp_path)
    assert lif.sweep(train, GRID, "cluster", backend="dask") == alone
    assert not any(client.run(os.listdir).values())  # written where we read, not where the workers started

    files = sorted((tmp_path / "cluster").iterdir())
    assert len(files) == 3
    written = {file: file.stat().st_mtime_ns for file in files}
    files[2].unlink()
    assert lif.sweep(train, GRID, "cluster", backend="dask") == alone
    assert [file for file in files if file.stat().st_mtime_ns != written[file]] == [files[2]]


def test_each_worker_works_and_a_run_that_dies_takes_no_other_with_it(client, tmp_path):
    """If this fails, a cluster stands idle, or one run that crashes on it costs all others, or is not named."""
    with pytest.raises(RuntimeError, match=r"1 of 4 runs failed(?s:.*)\nnumber=1\nIts process ended with 7"):
        lif.sweep(worker, {"number": range(4)}, tmp_path, backend="dask")
    found = [json.loads(file.read_text())["result"] for file in tmp_path.iterdir()]
    assert len(found) == 3 and set(found) == set(client.run(os.getpid).values())

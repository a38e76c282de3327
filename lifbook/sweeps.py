"""Many runs of one function, seeds times settings, in parallel and each in a file: none is lost, none repeated."""

import contextlib
import copy
import errno
import functools
import hashlib
import itertools
import json
import os
import re
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ._files import dumps, file_lock, plain, restored, write
from .progress import progress


def sweep(
    function: Callable[..., Any],
    grid: Mapping[str, Iterable] | Iterable[Mapping[str, Any]],
    folder: str | Path,
    jobs: int = 1,
    backend: str = "loky",
) -> list[tuple[dict, Any]]:
    """Calls `function(**setting)` for every setting of a grid, and keeps each result in a file of its own.

    A run's file is named after its setting and written whole when the run has ended, by the process that ran it.
    A sweep that was interrupted goes on where it stopped: what has a file is read and not run again, and two sweeps
    that use one folder at the same time leave each other's runs alone. The file knows the setting, not the function.
    After a change of the function, take another folder. A file that does not hold a run of its setting is named in a
    warning and put aside, and the run is made again.

    A run that raises an exception does not stop the others. They are all finished first, then the settings that
    failed are reported; the next call tries only these again. A loss that is NaN or infinite, as of a training that
    diverged, is a result like any other.

    Args:
        function: Takes a setting's values by name, and everything random in it from them (a `seed`). Returns numbers,
            strings, arrays or lists or dicts of these; what else it returns counts as a failure.
        grid: Names and a list of values for each, of which all combinations are run; or a list of settings. Values
            become what JSON makes of them: arrays and tuples become lists, and all keys of a dict strings.
        folder: Where the files go. Best one that all machines of a cluster share: where a worker cannot write into
            it, its results reach their files only when all the runs have ended.
        jobs: Runs at once; -1 for one on each core. Ignored by Dask, which uses all threads of its client.
        backend: Where they run, by joblib's name: `"loky"` for processes on this machine, `"threading"`, or a cluster:
            `"dask"`, with a `distributed.Client`; or `"ray"`, after `ray.util.joblib.register_ray()`, with `jobs=-1`:
            one job runs here. What ran on a worker that dies Dask runs again elsewhere; but a run that takes four
            workers with it leaves the sweep waiting, since joblib does not hear of it. Threads share the random
            generators of Python, NumPy and Keras, and a Dask worker's own threads draw from Python's: runs that seed
            these globally may differ there.

    Returns:
        A list of `(setting, result)` in the order of the grid. Arrays come back as lists. In a file, where JSON has no
        word for it, NaN stands as `{"float": "nan"}`, and so do `"inf"` and `"-inf"`.

    Raises:
        RuntimeError: If runs failed: names each setting, with the end of its traceback. Or if a process of
            `"loky"` died, killed for its memory perhaps, and the runs beside it with it: names the settings that have
            no file.
        ValueError: If the grid holds no setting, a number in it is not finite, or the values of a name are no list;
            or if nothing can be written into `folder`.
        OSError: If a disk is full: no further run is begun, and those that have a file are kept.
        ImportError: If joblib is not installed (`pip install joblib`).

    Example:

    >>> import lif, lifbook, tempfile, numpy as np
    >>> def rate(leak, seed):
    ...     spikes = lif.LIF(leak=leak)(lif.PoissonEncoder(steps=50, seed=seed)(np.array([[0.4]])))
    ...     return {"rate": float(np.mean(np.array(spikes)))}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = lifbook.sweep(rate, {"leak": [0.0, 0.5], "seed": [0, 1]}, folder)
    >>> [setting for setting, result in found][:3]
    [{'leak': 0.0, 'seed': 0}, {'leak': 0.0, 'seed': 1}, {'leak': 0.5, 'seed': 0}]
    """
    try:
        import joblib
    except ModuleNotFoundError:
        raise ImportError(
            "lifbook.sweep needs the package joblib: pip install joblib (lif-book[sweep] brings it)"
        ) from None
    from concurrent.futures.process import BrokenProcessPool  # joblib's error is one of these

    settings = _settings(grid)
    folder = Path(folder).absolute()  # workers were started elsewhere
    files = [folder / _file_name(setting) for setting in settings]
    found = {file: _stored(file, setting) for setting, file in zip(settings, files, strict=True)}
    missing = {file: setting for setting, file in zip(settings, files, strict=True) if not found[file]}
    if missing:
        _check_folder(folder)
        _put_aside([file for file in missing if file.exists()])

    with progress(total=len(settings), initial=len(settings) - len(missing), unit="run") as bar:

        class Parallel(joblib.Parallel):
            """Moves the bar when runs have ended, whichever backend they ran on."""

            moved = 0

            def print_progress(self):
                bar.update(self.n_completed_tasks - self.moved)
                self.moved = self.n_completed_tasks

        try:
            with joblib.parallel_config(backend=backend, n_jobs=jobs):
                # One run at a time: a worker that dies takes no others with it, and no core waits for a long batch.
                runs = Parallel(batch_size=1)(
                    joblib.delayed(_run)(function, setting, file, os.getpid())
                    for file, setting in missing.items()
                )
        except BrokenProcessPool as error:
            left = [_in_words(setting) for file, setting in missing.items() if not file.exists()]
            raise RuntimeError(
                f"a process died, as one does that is killed or takes too much memory; {len(left)} of {len(settings)} "
                f"runs have no file, the others are kept in {folder}\n" + "\n".join(left)
            ) from error
    failures = []
    for (file, setting), (run, failure) in zip(missing.items(), runs, strict=True):
        if failure:
            failures.append(f"{_in_words(setting)}\n{failure}")
        elif not file.exists():  # the worker's disk is not ours
            write(file, dumps(run))
        found[file] = run
    if failures:
        raise RuntimeError(
            f"{len(failures)} of {len(settings)} runs failed; the others are kept in {folder}\n"
            + "\n".join(failures)
        )
    return [(s, restored(dumps(found[f]["result"]))) for s, f in zip(settings, files, strict=True)]


def _run(function, setting, file, home=None):
    """One run, and its file: `(run, None)`, or `(None, what went wrong)`. `home` is the sweep's process."""
    if os.getppid() == home:
        _end_with(home)
    with file_lock(file) as lock:
        try:
            if run := _stored(file, setting):  # another sweep has made it in the meantime
                return run, None
            start = time.perf_counter()
            result = plain("result", function(**copy.deepcopy(setting)), finite=False)
            run = {"setting": setting, "result": result, "seconds": time.perf_counter() - start}
        except (Exception, SystemExit):
            return None, traceback.format_exc(limit=-3).rstrip()
        else:
            _write_if_possible(file, run)
        finally:
            with contextlib.suppress(OSError):
                lock.unlink()
    return run, None


def _write_if_possible(file, run):
    try:
        write(file, dumps(run))
    except OSError as error:  # a machine without that folder: the run is written at home
        if error.errno in (errno.ENOSPC, errno.EDQUOT):  # the next would not be written either
            raise


def _stored(file, setting):
    """The run in its file; `None` where there is no file, or a damaged one, or one of another setting."""
    try:
        run = json.loads(file.read_text(encoding="utf-8"))
        return run if run["setting"] == setting and "result" in run else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _put_aside(damaged):
    for file in damaged:
        warnings.warn(
            f"{file} does not hold a run of its setting; it is kept as {file.name}.damaged, and the run is made again",
            stacklevel=3,
        )
        with contextlib.suppress(OSError):  # another sweep was quicker
            os.replace(file, f"{file}.damaged")


@functools.cache
def _end_with(parent):
    """Has this process end when its parent does: loky's would stay for minutes, with all that they have loaded."""

    def watch():
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _check_folder(folder):
    """Finds out before hours of runs whether their files can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"Argument `folder` must be a folder that can be written into. Received: folder={str(folder)!r} ({error})"
        ) from error


def _settings(grid):
    """The settings of a grid, in JSON's own types, so that a setting and what a file says of it are equal."""
    if isinstance(grid, Mapping):
        for name, values in grid.items():
            if isinstance(values, str | bytes | Mapping) or not np.iterable(values):
                raise ValueError(
                    f"Argument `grid` must hold a list of values for {name!r}. Received: {values!r}"
                )
        settings = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    else:
        settings = [dict(setting) for setting in grid]
    if not settings:
        raise ValueError(f"Argument `grid` must hold one setting at least. Received: {grid!r}")
    return plain("grid", settings)


def _in_words(setting):
    return ", ".join(f"{name}={value}" for name, value in setting.items())


def _file_name(setting):
    """The setting for the eye, as far as it fits, and a key made of all of it, whatever the order of its names."""
    key = hashlib.sha256(json.dumps(setting, sort_keys=True).encode()).hexdigest()[:12]
    words = re.sub(r"[^\w.=-]+", "_", _in_words(setting))
    words = words.encode()[:80].decode(errors="ignore")  # file systems count bytes
    return f"{words}-{key}.json"

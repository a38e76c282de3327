"""Executes several chapters at a time, each in a process of its own.

Many of a quick chapter's seconds go into loading Keras, where a second core finds nothing to do; a second chapter does.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from .. import ledger
from . import execute
from .project import ROOT

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
JOBS = os.environ.get("JOBS") or str(min(2, CORES))  # each may need two gigabytes of memory
if not JOBS.isdecimal() or int(JOBS) < 1:
    raise SystemExit(f"JOBS must be a number of chapters to execute at a time. Received: JOBS={JOBS!r}")
JOBS = int(JOBS)


def run(paths, profile):
    """Executes the notebooks, at most `JOBS` at a time, into the cache.

    Yields:
        (path, its notebook and its run as from `execute.cached`), in the order in which they finish.

    Raises:
        execute.ChapterFailed: One stopped. Those that run beside it are stopped too.
    """
    waiting, running, last = list(paths), {}, _last_seconds(profile)
    with ThreadPoolExecutor(JOBS) as pool:  # its threads wait for the processes
        try:
            while waiting or running:
                while waiting and len(running) < JOBS:
                    path = waiting.pop(0)
                    took = f" (took {last[path.stem]:.0f} s last time)" if path.stem in last else ""
                    print(f"  {path.stem}: begins{took}", flush=True)
                    process = _start(path, profile)
                    running[pool.submit(process.wait)] = path, process, time.monotonic()
                for ended in wait(running, return_when=FIRST_COMPLETED).done:
                    path, process, started = running.pop(ended)
                    if process.returncode == execute.CHANGED:
                        print(f"  {path.stem}: was changed while it ran, and is executed again", flush=True)
                        waiting.append(path)
                        continue
                    if process.returncode:
                        raise execute.ChapterFailed(execute.report_of(path.stem))
                    left = _left([*waiting, *(path for path, *_ in running.values())], last)
                    print(
                        f"  {path.stem}: executed in {time.monotonic() - started:.1f} s; {left}", flush=True
                    )
                    yield path, execute.newest(path, profile)
        finally:
            for _, process, _ in running.values():
                process.terminate()


def _start(path, profile):
    # The cores are shared out, so that chapters do not queue for each other's.
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), str(max(1, CORES // JOBS))
    )
    command = [sys.executable, "-m", "lifbook.build.execute", path, profile]
    # The build's lock is handed on: a chapter that outlives a killed build keeps the next one waiting.
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | threads, close_fds=False)


def _left(paths, last):
    """How many chapters are left, and for about how long, as far as their last durations are known."""
    seconds = sum(last.get(path.stem, 0) for path in paths)
    return f"{len(paths)} left" + (f", about {seconds / JOBS:.0f} s" if seconds else "")


def _last_seconds(profile):
    facts = {stem: run.provenance for stem, run in ledger.runs(ROOT, profile).items()}
    return {stem: fact["seconds"] for stem, fact in facts.items() if "seconds" in fact}

"""Executes a chapter with papermill, and keeps what was executed.

python -m lifbook.build.execute chapters/04-mnist.ipynb quick     executes one into the cache
"""

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import nbformat

from .._files import Damaged, atomic_write, write
from ..datasets.files import cache_folder, data_folder
from ..runs import Run
from . import chapters, reach
from .project import BUILD, CLAIMS, RESULTS, ROOT, remarks_to

WIDGET = "application/vnd.jupyter.widget-view+json"
CHANGED = 3  # exit status of a run whose chapter is now another
HANG = 3600  # seconds in which a machine, however busy, starts a kernel or delivers what a cell printed
KEPT_RUNS = 3  # per chapter and profile: going back and forth between two states costs nothing


class ChapterFailed(Exception):
    """A chapter stopped; the message is the report."""


def cached(path, profile):
    """The chapter as the cache has it, `(notebook, run)`: its present text, and the outputs of its run.

    None if something that it depends on has changed, or its copy is damaged. A run on stand-in data is good for its
    day; then the host of the real data is asked again.
    """
    source = chapters.read(path)
    folder = _folder(source, path.stem, profile)
    if not folder.exists():
        return None
    try:
        notebook, run = _load(source, folder)
    except (OSError, Damaged) as damage:
        print(f"  {path.stem}: to be executed again, its copy in the cache is damaged: {damage}", flush=True)
        return None
    is_stale = run.source == "stand-in" and run.provenance["date"] != _today()
    return None if is_stale else (notebook, run)


def newest(path, profile):
    """The chapter's latest run in the cache, as from `cached`, for whose key another chapter may have fetched data."""
    folders = _runs(BUILD / "executed" / profile, path.stem)
    return _load(chapters.read(path), max(folders, key=lambda folder: folder.stat().st_mtime))


def _load(source, folder):
    return merge(source, chapters.read(folder / "notebook.ipynb")), Run.read(folder / "results.json")


def execute(path, profile):
    """Runs a notebook from its first cell to its last.

    Returns:
        (executed notebook, its run: numbers, timings and provenance).

    Raises:
        ChapterFailed: a cell raised. The partly executed notebook is kept in `_build/failed`.
    """
    import papermill  # here, not above: a build with nothing to execute need not load it

    # Of this process alone: what a killed build left running must not write into it.
    scratch = BUILD / "running" / f"{path.stem}-{os.getpid()}"
    output = scratch / path.name
    _set_environment(path.stem, profile, scratch)
    tree, started = _tree(), time.monotonic()  # now: hours may pass, and commits with them
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        _ask_loopback()
        with remarks_to(_kernel_log(path.stem)):
            papermill.execute_notebook(
                str(path),
                str(output),
                {"profile": profile},
                kernel_name="python3",
                cwd=str(ROOT),
                progress_bar=_bar(path.stem),
                start_timeout=HANG,
                iopub_timeout=HANG,
            )
        seconds = time.monotonic() - started
        recorded = scratch / profile / f"{path.stem}.json"
        run = Run.read(recorded) if recorded.exists() else Run()
        run.provenance |= tree | provenance(run, seconds)
        return chapters.read(output), run
    except Exception as error:  # whatever stopped it, the reader gets the same report
        raise ChapterFailed(_report(path.stem, output, error)) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def report_of(stem):
    """What a chapter that failed in a process of its own left to say."""
    path = _report_file(stem)
    return path.read_text(encoding="utf-8") if path.exists() else f"Chapter {stem} failed: its process ended."


def merge(source, executed):
    """The source's text with the executed outputs, cell by cell: an edit of the prose needs no execution."""
    done = {cell.id: cell for cell in executed.cells if cell.cell_type == "code"}
    merged = nbformat.from_dict(source)
    for cell in merged.cells:
        if cell.cell_type == "code" and cell.id in done:
            # A widget, such as a progress bar, is dead without a kernel; its state would have the page ask other hosts.
            cell.outputs = [each for each in done[cell.id].outputs if WIDGET not in each.get("data", {})]
            cell.execution_count = done[cell.id].execution_count
    return merged


def key(notebook, stem, profile, data=True):
    """A hash of all that a chapter's outputs depend on: its code, the module, Python, the lock, the data, the profile.

    Without `data`: of what a run cannot change itself.
    """
    code = [(cell.id, cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    facts = [code, profile, platform.python_version(), _data_in_reach() if data else None]
    digest = hashlib.sha256(json.dumps(facts).encode())
    for path in _inputs(stem, profile, code):
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def provenance(run, seconds):
    """Where a run's numbers come from, but for what the kernel itself knows."""
    seeds = [entry["n"] for entry in run.numbers.values() if isinstance(entry, dict) and "n" in entry]
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "seeds": max(seeds, default=1),
        "seconds": round(seconds, 1),
        "date": _today(),
    }


def _today():
    return datetime.now(UTC).strftime("%Y-%m-%d")


def _tree():
    """Which state of the project this is: unknown where git does not know, or knows another project around this."""
    commit = changes = "unknown"
    if _git("rev-parse", "--show-prefix") == "":
        commit = _git("rev-parse", "HEAD")
        changes = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!results")
    return {
        "commit": commit,
        "uncommitted_changes": changes if changes == "unknown" else bool(changes),
        "lock_sha256": hashlib.sha256((ROOT / "requirements.txt").read_bytes()).hexdigest(),
    }


def _inputs(stem, profile, code):
    """The files a chapter depends on: the modules that its code can reach, the lock, and results that it reads.

    A recorded run or a benchmark counts for the chapters whose code names it, a recorded run also for its own.
    """
    text = "\n".join(source for _, source in code)
    recorded = sorted((RESULTS / "full").glob("*.json"))
    files = [*reach.files(text, ROOT, ("lif", "lifbook")), ROOT / "requirements.txt"]
    files += [path for path in sorted((ROOT / "benchmarks").glob("*.json")) if f'"{path.stem}"' in text]
    if stem == CLAIMS:
        others = [path for path in sorted((RESULTS / profile).glob("*.json")) if path.stem != stem]
        return files + recorded + others + [RESULTS / "claims.yml"]
    return files + [path for path in recorded if path.stem == stem or path.stem in text]


def _data_in_reach():
    """Names and sizes of the data files a loader would find: cheap, and it changes when a file comes or goes."""
    found, seen = [], set()
    for folder in filter(None, (data_folder(), cache_folder())):
        for parent, names, files in os.walk(folder, followlinks=True):
            if os.path.realpath(parent) in seen:  # links may lead round in a circle
                names.clear()
                continue
            seen.add(os.path.realpath(parent))
            names.sort()
            paths = [Path(parent, name) for name in sorted(files) if not name.endswith((".lock", ".part"))]
            found += [[path.name, path.stat().st_size] for path in paths if path.exists()]
    return found


def _store(folder, notebook, run):
    """Puts a run into the cache, whole or not at all, and drops the chapter's oldest."""
    with atomic_write(folder) as part:
        chapters.save(notebook, part / "notebook.ipynb")
        run.write(part / "results.json")
    runs = _runs(folder.parent, folder.name.rsplit("-", 1)[0])
    for old in sorted(runs, key=lambda path: path.stat().st_mtime)[:-KEPT_RUNS]:
        shutil.rmtree(old)


def _folder(notebook, stem, profile):
    return BUILD / "executed" / profile / f"{stem}-{key(notebook, stem, profile)}"


def _runs(folder, stem):
    return [path for path in folder.glob(f"{stem}-*") if path.name.rsplit("-", 1)[0] == stem]


def _set_environment(stem, profile, scratch):
    """What a kernel inherits: the run's name, and nothing of the user's own set-up that could change a number."""
    os.environ |= {
        "LIF_CHAPTER": stem,
        "LIF_PROFILE": profile,
        "LIF_RESULTS": str(scratch),
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "0",
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": str(BUILD / "keras"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "IPYTHONDIR": str(BUILD / "ipython"),
    }


def _bar(stem):
    # Without a terminal one line in half a minute is enough.
    interval = 0.5 if sys.stdout.isatty() else 30
    return {"desc": f"  {stem}", "leave": False, "mininterval": interval, "file": sys.stdout}


def _ask_loopback():
    """Without this a kernel is waited for in vain."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=HANG).close()
    except OSError as error:
        raise OSError(
            "Kernels are spoken to by way of 127.0.0.1, the loopback interface: is it down?"
        ) from error


def _report(stem, output, error):
    """Chapter, cell and error in plain sight, and where the partly executed notebook lies."""
    traceback = "\n".join(getattr(error, "traceback", None) or [f"{type(error).__name__}: {error}"])
    lines = [f"Chapter {stem} failed."]
    if output.exists():
        lines += _failing_cell(chapters.read(output))
    lines += [re.sub(r"\x1b\[[0-9;]*m", "", traceback), ""]  # without the colours' escape codes
    if output.exists():
        kept = BUILD / "failed" / output.name
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(output, kept)
        lines += [f"The partly executed notebook is kept: {kept.relative_to(ROOT)}"]
    lines += [f"What the kernel said: {_kernel_log(stem).relative_to(ROOT)}"]
    return "\n".join(lines)


def _kernel_log(stem):
    return BUILD / "log" / f"{stem}.kernel"


def _report_file(stem):
    return BUILD / "log" / f"{stem}.failed"


def _failing_cell(notebook):
    # papermill adds a cell with the parameters: numbers are those of the chapter's own file.
    own = [cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    code = [cell for cell in own if cell.cell_type == "code"]
    begun = [bool(cell.metadata.get("papermill", {}).get("start_time")) for cell in code]
    started = [number for number, cell_begun in enumerate(begun, 1) if cell_begun]
    if not started:
        return []
    cell = code[started[-1] - 1]
    source = "\n".join(f"    {line}" for line in cell.source.splitlines())
    return [f"Code cell {started[-1]} of {len(code)} (id {cell.id}):", "", source, ""]


def _git(*arguments):
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"  # an unpacked archive is not a repository
    return done.stdout.strip()


def _cpu():
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else "unknown"


def end_when_told():
    """A terminated process ends like an interrupted one, and once: kernels are shut down, nothing is half-written."""

    def end(*_):
        handle(signal.SIG_IGN)
        raise KeyboardInterrupt

    def handle(by):
        # Whatever was inherited: a shell starts its background jobs deaf to it.
        signal.signal(signal.SIGINT, by)
        signal.signal(signal.SIGTERM, by)

    handle(end)


def main(path, profile):
    """Executes one chapter into the cache. Its failure goes to a file, for the build to show last."""
    end_when_told()
    _report_file(path.stem).unlink(missing_ok=True)
    try:
        before = key(chapters.read(path), path.stem, profile, data=False)
        executed, run = execute(path, profile)
        source = chapters.read(path)
        if key(source, path.stem, profile, data=False) != before:
            raise SystemExit(CHANGED)  # its numbers are of the old state, or of a mixture
        # The data are looked at now: a run may have fetched them, and the next build finds them in place.
        _store(_folder(source, path.stem, profile), executed, run)
    except (ChapterFailed, Damaged, OSError) as failure:
        write(_report_file(path.stem), f"{failure}\n")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(1) from None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m lifbook.build.execute", description="Executes a chapter."
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("profile", choices=("quick", "full"))
    main(**vars(parser.parse_args()))

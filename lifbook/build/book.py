"""Builds the book: executes the chapters, verifies their numbers, and only then makes the HTML."""

import argparse
import fcntl
import functools
import http.server
import os
import time
from contextlib import contextmanager, nullcontext, suppress

from .. import ledger
from .._files import Damaged
from ..runs import Run
from . import chapters, execute, headline, parallel, render
from .project import BUILD, CLAIMS, RESULTS, ROOT, notebooks


def build():
    """The whole book at the quick profile."""
    started = time.monotonic()
    executed = run_chapters("quick")
    verify("quick")
    verify("full")
    index = render.make(executed)
    print(f"The book is ready in {time.monotonic() - started:.0f} s: {index}")


def run_chapters(profile):
    """Executes each notebook or takes it from the cache; puts the results into `results/<profile>`.

    Returns:
        Executed notebooks: path -> notebook.
    """
    paths, executed = notebooks(), {}
    _drop_old_results(profile, paths)
    last = [path for path in paths if path.stem == CLAIMS]  # it reads the other chapters' results
    for group in ([path for path in paths if path not in last], last):
        for path, (executed[path], run) in _executed(group, profile):
            run.write(RESULTS / profile / f"{path.stem}.json")
    return {path: executed[path] for path in paths}


def _executed(paths, profile):
    """Each chapter, and its notebook and run: from the cache, or executed now where something has changed."""
    changed = []
    for path in paths:
        kept = execute.cached(path, profile)
        if kept is None:
            changed.append(path)
        else:
            print(f"  {path.stem}: unchanged, from the cache", flush=True)
            yield path, kept
    yield from parallel.run(changed, profile)


def verify(profile):
    """Stops the build where a number is outside its band, or a chapter has not said which data it used."""
    runs = ledger.runs(ROOT, profile)
    found = [
        f"{stem}: no data source recorded; call lifbook.open_chapter()"
        for stem, run in runs.items()
        if run.source is None
    ]
    try:
        found += ledger.violations(ledger.load(ROOT), runs, profile)
    except ValueError as slip:
        raise SystemExit(f"The ledger is not sound; no HTML was made.\n  {slip}") from None
    if found:
        raise SystemExit("The numbers are not as they should be; no HTML was made.\n  " + "\n  ".join(found))


def full(stems=()):
    """Records full runs: each replaces `results/full/<chapter>.json` only when all went well."""
    paths = [path for path in notebooks() if path.stem in stems or not stems and path.stem[0].isdigit()]
    unknown = set(stems) - {path.stem for path in paths}
    if unknown:
        raise SystemExit(f"No such chapter in _toc.yml: {', '.join(sorted(unknown))}")
    for number, path in enumerate(paths, 1):
        print(f"[{number}/{len(paths)}] {path.stem}, full profile", flush=True)
        executed, run = execute.execute(path, "full")
        if run.source != "real":
            raise SystemExit(f"{path.stem}: a full run needs real data; nothing was recorded")
        if run.provenance["uncommitted_changes"] is True:
            print("  Note: the checkout has uncommitted changes, and the record says so.")
        chapters.save(executed, BUILD / "full" / path.name)
        run.write(RESULTS / "full" / f"{path.stem}.json")
        print(f"  recorded in {run.provenance['seconds']} s: results/full/{path.stem}.json", flush=True)
    headline.update()


def serve(port=8000):
    """Shows the built book on this machine only."""
    if not (BUILD / "html" / "index.html").exists():
        raise SystemExit("There is no book yet: make book")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=BUILD / "html")
    print(f"http://127.0.0.1:{port} (Ctrl-C ends it)", flush=True)
    http.server.ThreadingHTTPServer(("127.0.0.1", port), handler).serve_forever()


def _drop_old_results(profile, paths):
    """Those of chapters that are no more, and those that are damaged: they are written anew."""
    known = {notebook.stem for notebook in paths}
    for path in (RESULTS / profile).glob("*.json"):
        with suppress(Damaged):
            if path.stem in known and Run.read(path):
                continue
        path.unlink()


@contextmanager
def build_lock():
    """Lets one build run at a time: two would mix their files."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("Another build is running here, or chapters that outlived one.") from None
        os.set_inheritable(lock.fileno(), True)  # the chapters hold it too
        yield


def main(arguments=None):
    """Runs one of the commands."""
    parser = argparse.ArgumentParser(prog="python -m lifbook.build.book", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(call, words, name=None):
        added = commands.add_parser(name or call.__name__, help=words, description=words)
        added.set_defaults(call=call)
        return added

    command(build, "executes what has changed at the quick profile, verifies, makes the HTML")
    command(full, "records full runs on the real data (hours)").add_argument(
        "stems", nargs="*", metavar="04-mnist"
    )
    command(headline.update, "makes results/headline.json and the README's table", "headline")
    command(chapters.new, "makes an empty chapter with the cells every one begins with").add_argument("stem")
    command(serve, "shows the built book at 127.0.0.1").add_argument(
        "port", nargs="?", type=int, default=8000
    )
    given = vars(parser.parse_args(arguments))
    call = given.pop("call")
    execute.end_when_told()
    try:
        os.chdir(ROOT)
        with nullcontext() if call is serve else build_lock():
            call(**given)
    except (execute.ChapterFailed, Damaged) as failure:
        raise SystemExit(f"\n{failure}") from None
    except OSError as trouble:
        raise SystemExit(f"\nThe files are in the way: {trouble}") from None
    except KeyboardInterrupt:
        raise SystemExit(
            "\nInterrupted. What was finished is kept; the next build goes on from there."
        ) from None


if __name__ == "__main__":
    main()

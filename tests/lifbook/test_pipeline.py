"""The pipeline on a tiny project of its own: one chapter of two cells, the same build."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lifbook import Run, page
from lifbook.build import book, chapters, execute, render, sphinx_page
from lifbook.build.chapters import empty
from lifbook.build.project import ROOT
from patience import HANG

BUILD = ("-m", "lifbook.build.book", "build")
EXECUTE = "from lifbook.build import book\nwith book.build_lock():\n    book.run_chapters('quick')"
RECORDING = (
    "import lif\nfrom lifbook import open_chapter, record\n\nopen_chapter()\n"
    "record(answer=42, twice=[1.0, 3.0])\nprint('seen')"
)


class Project:
    """A checkout with one chapter, `01-tiny`."""

    def __init__(self, root):
        self.root, self.started = root, []
        left_out = shutil.ignore_patterns("__pycache__", "illustrations", "backbone.py")
        shutil.copytree(ROOT / "lifbook", root / "lifbook", ignore=left_out)
        (root / "lif").mkdir()
        (root / "lif" / "__init__.py").write_text("from . import dynamics\n")
        (root / "lif" / "dynamics.py").write_text("threshold = 1\n")
        for name in ("_config.yml", "references.bib", "requirements.txt"):
            shutil.copy(ROOT / name, root / name)
        shutil.copytree(ROOT / "assets", root / "assets")
        (root / "_toc.yml").write_text(
            "format: jb-book\nroot: intro\nchapters:\n  - file: chapters/01-tiny\n"
        )
        (root / "intro.md").write_text("# Tiny\n\nSee {cite}`gerum2021`.\n\n```{bibliography}\n```\n")
        (root / "chapters").mkdir()
        self.ledger("[0, 100]")
        self.chapter(RECORDING)

    def ledger(self, band):
        check = f"{{chapter: 01-tiny, metric: answer, quick: {band}, full: null, why: it is known}}"
        (self.root / "results").mkdir(exist_ok=True)
        (self.root / "results" / "claims.yml").write_text(f"claims: []\nchecks: [{check}]\n")

    def chapter(
        self, *code, text="The answer is {glue:text}`answer:d`, recorded {glue:text}`full_answer:d`."
    ):
        notebook = empty("Tiny")
        cells = [new_code_cell(source, id=f"code-{number}") for number, source in enumerate(code)]
        notebook.cells += [*cells, new_markdown_cell(text, id="text")]
        nbformat.write(notebook, self.root / "chapters" / "01-tiny.ipynb")

    def start(self, command, **variables):
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("LIF_", "TF_"))
        }
        environment |= {"LIF_CACHE": str(self.root / "cache")} | variables
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, *command, **variables):
        process = self.start(command, **variables)
        output, _ = process.communicate(timeout=HANG)
        return process.returncode, output

    def end(self):
        """A failing test leaves nothing running."""
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()

    def build(self):
        return self.run(*BUILD)

    def execute(self):
        """The build up to the numbers, without the HTML."""
        return self.run("-c", EXECUTE)

    def results(self):
        return sorted(path.name for path in (self.root / "results").glob("quick/*"))


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path)
    yield project
    project.end()


def test_an_unchanged_chapter_is_not_executed_again(project):
    status, output = project.execute()
    assert status == 0 and "01-tiny: executed in" in output
    path = project.root / "results" / "quick" / "01-tiny.json"
    first = json.loads(path.read_text())
    expected = {"mean": 2.0, "sd": pytest.approx(2**0.5), "n": 2, "values": [1.0, 3.0]}
    assert first["numbers"] == {"source": "real", "answer": 42, "twice": expected}
    assert first["provenance"]["seeds"] == 2
    facts = {"commit", "lock_sha256", "cpu", "cores", "seconds", "date", "python", "profile"}
    assert facts <= set(first["provenance"])

    path.unlink()
    project.chapter(RECORDING, text="New words.")
    assert "01-tiny: unchanged" in project.execute()[1]
    assert json.loads(path.read_text()) == first

    (project.root / "lif" / "dynamics.py").write_text("threshold = 2\n")
    assert "01-tiny: executed in" in project.execute()[1]
    assert json.loads(path.read_text())["numbers"] == first["numbers"]


def test_a_run_on_stand_in_data_is_good_for_its_day(project):
    """If this fails, one failed download leaves its stand-in on the page until the chapter changes."""
    project.execute()
    (kept,) = (project.root / "_build" / "executed" / "quick").glob("01-tiny-*/results.json")
    run = json.loads(kept.read_text())
    run["numbers"]["source"] = "stand-in"
    kept.write_text(json.dumps(run))
    assert "01-tiny: unchanged" in project.execute()[1]
    run["provenance"]["date"] = "2020-02-02"
    kept.write_text(json.dumps(run))
    assert "01-tiny: executed in" in project.execute()[1]


LOCK_IS_FREE = "from lifbook.build import book\nwith book.build_lock():\n    print('free')"

KEYS = """
import pathlib
import nbformat
from lifbook.build import execute

def show(name):
    notebook = nbformat.read("chapters/01-tiny.ipynb", as_version=4)
    print(name, *[execute.key(notebook, stem, "quick") for stem in ("01-tiny", "claims")])

def add(path, text):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    show(path.name)

def edit(cell, source, name):
    notebook.cells[cell].source = source
    nbformat.write(notebook, "chapters/01-tiny.ipynb")
    show(name)

notebook = nbformat.read("chapters/01-tiny.ipynb", as_version=4)
show("start")
show("again")
add("lif/dynamics.py", "threshold = 2")
add("lif/soft.py", "tau = 2")
add("lifbook/palette.py", "BLUE = 2")
add("lifbook/ledger.py", "band = 2")
add("lifbook/build/render.py", "stage = 2")
add("lifbook/illustrations/neuron.js", "1")
add("lifbook/book.mplstyle", "lines.linewidth: 3")
add("requirements.txt", "other==1")
add("cache/mnist.gz", "data")
add("results/full/01-tiny.json", "{}")
add("results/full/02-other.json", "{}")
add("results/quick/03-more.json", "{}")
add("results/claims.yml", "claims: []")
add("benchmarks/speed.json", "{}")
edit(-1, "Other prose.", "prose")
edit(-2, 'other = "speed"', "code")
add("benchmarks/speed.json", "[]")
add("lifbook/illustrations/__init__.py", "from .modes import Modes")
add("lifbook/illustrations/modes.py", "Modes = 'modes'")
add("lifbook/illustrations/modes.js", "1")
edit(-2, "from lifbook.illustrations import Modes", "illustrated")
add("lifbook/illustrations/modes.js", "2")
add("lifbook/illustrations/neuron.js", "2")
"""


def test_what_a_chapter_depends_on(project):
    """If this fails, a chapter keeps old numbers, or an edit that cannot change any executes the whole book."""
    status, output = project.run("-c", KEYS)
    assert status == 0, output
    changes, before = [], None
    for name, chapter, claims in map(str.split, output.splitlines()):
        changes.append((name, before and (chapter != before[0], claims != before[1])))
        before = chapter, claims
    both, neither, claims_only = (True, True), (False, False), (False, True)
    assert changes == [
        ("start", None),
        ("again", neither),
        ("dynamics.py", both),
        ("soft.py", neither),  # this `lif` does not import it
        ("palette.py", neither),  # nor does the chapter import this
        ("ledger.py", neither),
        ("render.py", neither),
        ("neuron.js", neither),  # neither shows an illustration
        ("book.mplstyle", both),  # of the chapter's opening
        ("requirements.txt", both),
        ("mnist.gz", both),
        ("01-tiny.json", both),
        ("02-other.json", claims_only),  # the claims page reads every chapter's results
        ("03-more.json", claims_only),
        ("claims.yml", claims_only),
        ("speed.json", neither),
        ("prose", neither),
        ("code", both),
        ("speed.json", both),  # the code names it now
        ("__init__.py", neither),
        ("modes.py", neither),
        ("modes.js", neither),
        ("illustrated", both),
        ("modes.js", both),
        ("neuron.js", neither),
    ]


def test_data_are_seen_through_links(tmp_path, monkeypatch):
    """If this fails, a chapter stays on its stand-in after the data have come, or a link stops every build."""
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    for folder in (data, elsewhere):
        folder.mkdir()
    (data / "gone.gz").symlink_to(tmp_path / "nothing")
    (data / "mnist").symlink_to(elsewhere)
    (elsewhere / "circle").symlink_to(data)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LIF_DATA", "~/data")
    monkeypatch.setenv("LIF_CACHE", str(tmp_path / "cache"))
    assert execute._data_in_reach() == []
    (elsewhere / "mnist.gz").write_text("data")
    (elsewhere / "mnist.gz.lock").write_text("")  # no loader reads it
    assert execute._data_in_reach() == [["mnist.gz", 4]]


def test_outside_of_git_nobody_knows_whether_there_are_changes(tmp_path, monkeypatch):
    """If this fails, a run from an unpacked archive says that its commit is unknown and was changed."""
    (tmp_path / "requirements.txt").write_text("")
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "none"))
    tree = execute._tree()
    assert (tree["commit"], tree["uncommitted_changes"]) == ("unknown", "unknown")


def test_the_repository_around_a_checkout_is_not_its_own(tmp_path, monkeypatch):
    """If this fails, a book unpacked in a thesis' repository says that it was made by the thesis' commit."""
    if not shutil.which("git"):
        pytest.skip("no git here")
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    inside = tmp_path / "thesis" / "book"
    inside.mkdir(parents=True)
    for folder in (tmp_path, inside):
        (folder / "requirements.txt").write_text("")
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "All"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    assert len(execute._tree()["commit"]) == 40 and execute._tree()["uncommitted_changes"] is False
    monkeypatch.setattr(execute, "ROOT", inside)
    assert (execute._tree()["commit"], execute._tree()["uncommitted_changes"]) == ("unknown", "unknown")


@pytest.mark.parametrize(
    "arguments",
    [[], ["bild"], ["build", "now"], ["new"], ["serve", "abc"], ["serve", "80", "81"], ["headline", "x"]],
)
def test_wrong_arguments_show_how_to_call(arguments, capsys):
    """If this fails, a slip of the pen is answered by a traceback."""
    with pytest.raises(SystemExit) as ended:
        book.main(arguments)
    assert ended.value.code == 2 and "usage: python -m lifbook.build.book" in capsys.readouterr().err


@pytest.mark.parametrize("stem", ["../05-title", "05 title", "", "05-title.ipynb"])
def test_a_chapter_gets_a_name_that_the_book_can_hold(stem):
    """If this fails, a chapter is written outside of its folder, or under a name that the cache cannot tell apart."""
    with pytest.raises(SystemExit, match="name must consist of letters"):
        chapters.new(stem)


def test_a_failing_chapter_is_reported_and_kept(project):
    project.chapter(
        "print('before')", "def fail():\n    raise ValueError('no spikes')\n\nfail()", "print('after')"
    )
    status, output = project.build()
    assert status == 1
    assert "Chapter 01-tiny failed." in output
    assert "Code cell 4 of 5 (id code-1):" in output
    assert "    raise ValueError('no spikes')" in output and "ValueError: no spikes" in output
    assert "kept: _build/failed/01-tiny.ipynb" in output
    kept = nbformat.read(project.root / "_build" / "failed" / "01-tiny.ipynb", as_version=4)
    assert "before" in str(kept.cells) and "after\\n" not in str([cell.get("outputs") for cell in kept.cells])
    assert project.results() == [] and not (project.root / "_build" / "html").exists()


def test_a_kernel_that_dies_is_reported_like_an_error(project):
    project.chapter("import os\n\nos._exit(1)")
    status, output = project.build()
    assert status == 1
    assert "Chapter 01-tiny failed." in output and "Code cell 3 of 3 (id code-0):" in output
    assert "DeadKernelError" in output


def test_a_number_outside_its_band_stops_the_build_before_the_html(project):
    project.ledger("[50, 100]")
    status, output = project.build()
    assert status == 1
    assert "01-tiny: answer = 42 (quick), expected 50 to 100: it is known" in output
    assert (
        not (project.root / "_build" / "stage").exists() and not (project.root / "_build" / "html").exists()
    )


def test_a_chapter_that_does_not_say_its_data_stops_the_build(project):
    project.chapter("from lifbook import record\n\nrecord(answer=1)")
    status, output = project.build()
    assert status == 1 and "01-tiny: no data source recorded; call lifbook.open_chapter()" in output


def test_the_html_is_swapped_in_only_when_all_is_well(project):
    status, output = project.build()
    assert status == 0, output
    page = project.root / "_build" / "html" / "chapters" / "01-tiny.html"
    first = page.read_text()
    assert (
        'The answer is <span class="pasted-text">42</span>' in first and "<em>not recorded yet</em>" in first
    )
    assert "HTML: up to date" in project.build()[1]

    project.chapter(RECORDING, text="A [broken](nowhere.md) reference.")
    status, output = project.build()
    assert status == 1 and "nowhere.md" in output and "WARNING" in output
    assert page.read_text() == first


def test_a_widget_does_not_reach_the_page():
    """If this fails, the page of a chapter with a progress bar asks another host for a widget manager."""
    view = new_output("display_data", data={execute.WIDGET: {"model_id": "a"}, "text/plain": "bar"})
    words = new_output("stream", text="seen")
    cell = new_code_cell("1", id="one", outputs=[view, words])
    executed = new_notebook(cells=[cell], metadata={"widgets": {"state": {}}})
    merged = execute.merge(new_notebook(cells=[new_code_cell("1", id="one")]), executed)
    assert merged.cells[0].outputs == [words] and "widgets" not in merged.metadata


# Writes down its process, and waits.
ENDLESS = "import os, pathlib, time\n\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(3600)"


@pytest.mark.parametrize("send", [os.kill, os.killpg])
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_nothing_half_written(project, kind, send):
    """If this fails, Ctrl-C (to the whole group) or a service that is stopped leaves kernels running, or a traceback
    where a sentence should stand."""
    project.chapter(RECORDING, ENDLESS)
    process = project.start(BUILD)
    marker = project.root / "pid"
    _wait(lambda: marker.exists() and marker.read_text())
    send(process.pid, kind)
    output, _ = process.communicate(timeout=HANG)
    assert process.returncode == 1 and "Interrupted." in output
    assert "Error" not in output and "Traceback" not in output
    _wait(lambda: not Path(f"/proc/{marker.read_text()}").exists())  # the kernel is gone too
    assert project.results() == []
    assert list((project.root / "_build").glob("executed/**/*.*")) == []
    assert project.run("-c", LOCK_IS_FREE) == (0, "free\n")


def test_two_builds_at_once_are_refused(project):
    hold = LOCK_IS_FREE.replace("'free'", "'held', flush=True") + f"\n    import time; time.sleep({HANG})"
    first = project.start(["-c", hold])
    assert first.stdout.readline() == "held\n"
    status, output = project.build()
    assert status == 1 and "Another build is running" in output


# Says that it has begun, and records its number when it is told to.
PATIENT = (
    "import pathlib, time\n\nfrom lifbook import open_chapter, record\n\npathlib.Path('begun').touch()\n"
    "while not pathlib.Path('go').exists():\n    time.sleep(0.1)\nopen_chapter()\nrecord(answer=1)"
)


def test_a_chapter_that_outlives_its_build_cannot_meddle_with_the_next(project):
    """If this fails, after a build was killed the numbers of the old code are kept as those of the new."""
    project.chapter(PATIENT)
    first = project.start(["-c", EXECUTE])
    _wait((project.root / "begun").exists)
    first.kill()
    first.wait()
    project.chapter(RECORDING)
    status, output = project.execute()
    assert status == 1 and "chapters that outlived one" in output
    (project.root / "go").touch()
    _wait(lambda: project.run("-c", LOCK_IS_FREE) == (0, "free\n"))
    assert "01-tiny: executed in" in project.execute()[1]
    kept = [
        *project.root.glob("_build/executed/quick/*/results.json"),
        *project.root.glob("results/quick/*.json"),
    ]
    assert [json.loads(path.read_text())["numbers"]["answer"] for path in kept] == [42, 42]
    assert not list((project.root / "_build" / "running").iterdir())


def test_a_chapter_that_is_edited_while_it_runs_is_executed_again(project):
    """If this fails, the numbers of the old code are kept as those of the new."""
    project.chapter(PATIENT)
    build = project.start(["-c", EXECUTE])
    _wait((project.root / "begun").exists)
    project.chapter(RECORDING)
    (project.root / "go").touch()
    output, _ = build.communicate(timeout=HANG)
    assert build.returncode == 0 and "01-tiny: was changed while it ran, and is executed again" in output
    kept = [
        *project.root.glob("_build/executed/quick/*/results.json"),
        *project.root.glob("results/quick/*.json"),
    ]
    assert [json.loads(path.read_text())["numbers"]["answer"] for path in kept] == [42, 42]


@pytest.mark.parametrize("name", ["results.json", "notebook.ipynb"])
@pytest.mark.parametrize(
    "content", [None, "", "{}", "[]", '{"numbers": {"a": NaN}}', '{"numbers": 3}', "<<<<<<< HEAD"]
)
def test_a_damaged_copy_in_the_cache_is_executed_again(tmp_path, monkeypatch, capsys, name, content):
    """If this fails, a disk that was full once stops every later build."""
    kept, path = tmp_path / "kept", tmp_path / "01-tiny.ipynb"
    monkeypatch.setattr(execute, "_folder", lambda *_: kept)
    Run({"source": "real"}).write(kept / "results.json")
    for notebook in (path, kept / "notebook.ipynb"):
        chapters.save(empty("Tiny"), notebook)
    assert execute.cached(path, "quick")[1] == Run({"source": "real"}) and capsys.readouterr().out == ""
    (kept / name).unlink()
    if content is not None:
        (kept / name).write_text(content)
    assert execute.cached(path, "quick") is None
    (said,) = capsys.readouterr().out.splitlines()
    assert (
        "01-tiny: to be executed again, its copy in the cache is damaged" in said and str(kept / name) in said
    )


@pytest.mark.parametrize(
    "name", ["chapters/01-tiny.ipynb", "results/full/02-other.json", "results/claims.yml", "_toc.yml"]
)
def test_a_damaged_file_stops_the_build_and_is_named(project, name):
    """If this fails, who has merged badly reads that a line 1 has no value, and not of which file."""
    project.execute()
    path = project.root / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("<<<<<<< HEAD\n{}\n=======\n[\n>>>>>>> mine\n")
    status, output = project.build()
    assert status == 1 and f"{path} must " in output and "Traceback" not in output


def test_results_that_a_build_makes_are_mended_by_the_next(project):
    """If this fails, a damaged file that nobody has written stops every build until somebody deletes it."""
    path = project.root / "results" / "quick" / "01-tiny.json"
    path.parent.mkdir()
    path.write_text("")
    assert project.execute()[0] == 0 and json.loads(path.read_text())["numbers"]["answer"] == 42


def test_what_is_in_the_way_of_a_build_is_named(project):
    """If this fails, a full disk, or a file where a folder should be, is answered by a traceback."""
    build = project.root / "_build"
    build.write_text("")
    for _ in range(2):
        status, output = project.build()
        assert status == 1 and f"'{build}'" in output and "Traceback" not in output
        build.unlink()
        build.symlink_to(project.root / "gone")
    build.unlink()
    (build / "lock").mkdir(parents=True)
    status, output = project.build()
    assert status == 1 and f"'{build / 'lock'}'" in output and "Traceback" not in output


@pytest.mark.parametrize("jobs", ["abc", "1.5", "0", "-1"])
def test_a_wrong_number_of_jobs_is_named(project, jobs):
    """If this fails, a slip of the pen is answered by a traceback, or by a build of one chapter at a time."""
    status, output = project.run(*BUILD, JOBS=jobs)
    assert status == 1 and f"Received: JOBS='{jobs}'" in output and "Traceback" not in output


def test_without_a_loopback_interface_the_chapter_says_so(monkeypatch):
    """If this fails, who builds in a sandbox waits for a kernel that cannot answer, and is not told why."""
    monkeypatch.setattr(
        socket, "create_server", lambda *_: (_ for _ in ()).throw(OSError(99, "Cannot assign"))
    )
    with pytest.raises(OSError, match="127.0.0.1, the loopback interface: is it down?"):
        execute._ask_loopback()


def test_a_build_says_what_it_does_and_nothing_else(project):
    """If this fails, a framework's remarks on the machine stand between the lines of the build."""
    project.chapter("import keras, numpy\n\nkeras.ops.ones(3)", RECORDING)
    # A module that, as Keras does, makes such remarks when it is loaded, which the reference page does.
    module = 'import os\nos.write(2, b"this binary is optimised\\n")\n\n\ndef LIF(leak):\n    "A neuron."\n'
    (project.root / "lif" / "__init__.py").write_text(module)
    with open(project.root / "intro.md", "a") as page:
        page.write("\n## Reference\n\n<!-- api lif.LIF -->\n")
    status, output = project.build()
    assert status == 0, output
    known = (
        r"  01-tiny: (begins|executed in [\d.]+ s; 0 left)|HTML: building|The book is ready in \d+ s: .*|\s*"
    )
    lines = [line for line in re.split(r"[\r\n]", output) if not line.startswith("  01-tiny:   0%")]
    assert [line for line in lines if not re.fullmatch(known, line)] == []


def test_a_full_run_is_recorded_only_when_it_went_well(project):
    project.chapter("profile", RECORDING)
    (project.root / "results" / "headlines.yml").write_text(
        "twice: {title: Twice, chapter: 01-tiny, unit: points}\n"
    )
    (project.root / "README.md").write_text(
        "# Tiny\n<!-- results: made by lifbook/build/headline.py -->\nold\n<!-- /results -->\nend\n"
    )
    status, output = project.run("-m", "lifbook.build.book", "full", "01-tiny")
    assert status == 0, output
    path = project.root / "results" / "full" / "01-tiny.json"
    recorded = path.read_text()
    assert json.loads(recorded)["provenance"]["profile"] == "full"
    table = "| [Twice](chapters/01-tiny.ipynb) | 200.00 ± 141.42 points | 2 |"
    assert (project.root / "README.md").read_text().endswith(f"{table}\n<!-- /results -->\nend\n")
    project.chapter(RECORDING, "1 / 0")
    assert project.run("-m", "lifbook.build.book", "full", "01-tiny")[0] == 1
    assert path.read_text() == recorded
    status, output = project.run("-m", "lifbook.build.book", "full", "02-typo")
    assert status == 1 and "No such chapter in _toc.yml: 02-typo" in output


def test_only_numbers_that_were_not_recorded_become_words():
    recorded = {"04-mnist": Run({"accuracy": {"mean": 0.9, "sd": 0.1, "n": 5, "values": []}})}
    there = "{glue:text}`full_accuracy_sd:.3f` and {glue:text}`accuracy:.3f`"
    assert render.complete(there, "04-mnist", recorded, {}) == there
    missing = "{glue:text}`full_rate:.3f` of {glue:text}`../chapters/04-mnist.ipynb::full_accuracy:.3f`"
    words = "*not recorded yet* of {glue:text}`../chapters/04-mnist.ipynb::full_accuracy:.3f`"
    assert render.complete(missing, "intro", recorded, {}) == words
    assert render.complete("<!-- duration -->.", "a", {}, {"a": "8 s"}) == "8 s."


def test_a_page_begins_with_its_text_and_ends_with_how_it_was_made():
    """If this fails, a warning of stand-in data is out of sight, or code stands after the code that needs it."""
    said = [
        new_output("display_data", data={"text/html": page._box("no real data", warning=True)}),
        new_output("display_data", data={"text/html": page._box("Profile: quick.", warning=False)}),
    ]
    plot = new_output("display_data", data={"text/html": '<img class="lif-figure">'})
    hidden = {"tags": ["hide-input"]}
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# Tiny\n\nRunning this takes: <!-- duration -->. It needs data.", id="title"),
            new_code_cell("import lif", id="imports", metadata=hidden),
            new_code_cell("open_chapter(data)", id="data", outputs=[*said]),
            new_markdown_cell("The idea.", id="idea"),
            new_markdown_cell("More of it.", id="more"),
            new_code_cell("plot()", id="figure-one", metadata=hidden, outputs=[plot]),
            new_markdown_cell("The end.", id="end"),
        ]
    )
    render.arrange(notebook)
    cells = {cell.id: cell for cell in notebook.cells}
    order = ["title", "warning", "idea", "more", "imports", "data", "figure-one", "end", "how-made", "made"]
    assert list(cells) == order
    assert cells["title"].source == "# Tiny\n\nThis chapter needs data."
    assert cells["how-made"].source.endswith("Running this takes: <!-- duration -->.")
    assert (
        cells["warning"].outputs == said[:1]
        and cells["made"].outputs == said[1:]
        and not cells["data"].outputs
    )
    bars = {name: cells[name].metadata["mystnb"]["code_prompt_show"] for name in ("imports", "figure-one")}
    assert bars == {"imports": "Show code: imports", "figure-one": "Show code: the figure"}


@pytest.mark.parametrize(
    "broken, whole",
    [
        ("94.60 ± 0.86 % of 3.1e-16 mV", "94.60_±_0.86_% of 3.1_×_10⁻¹⁶_mV"),
        ("1e+03 points, 5 seeds", "1_×_10³_points, 5 seeds"),
        ("(± 0.6%), a ± b, 7 s", "(±_0.6%), a ± b, 7_s"),
        ("0e+00 or 0.0e+00 or 2e5", "0 or 0 or 2e5"),
    ],
)
def test_a_number_keeps_its_spread_power_and_unit_on_its_line(broken, whole):
    """If this fails, a line of the text ends inside a number."""
    assert sphinx_page.whole_numbers(broken) == whole.replace("_", "\u00a0")


def test_the_rest_of_a_computed_number_stays_with_it():
    """If this fails, the numbers that a chapter computes break, and those that are typed do not."""
    assert sphinx_page.whole_numbers(" ± ", after=True) == "\u00a0±\u00a0"
    assert sphinx_page.whole_numbers(" % of", after=True) == "\u00a0% of"


def _wait(condition):
    end = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)

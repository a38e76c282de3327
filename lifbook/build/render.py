"""Makes the HTML from the executed chapters: stage the sources, build with warnings as errors, put it in place."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

from nbformat.v4 import new_code_cell, new_markdown_cell

from .. import ledger
from .._files import write
from ..runs import Run
from . import api, chapters, citation, exports, headline, preview
from .project import BUILD, ROOT, page_file, pages, remarks_to

STAGE = BUILD / "stage"
HTML = BUILD / "html"
KEY = BUILD / "html.key"  # what the HTML was made from
NOT_RECORDED = "*not recorded yet*"
DURATION = re.compile(r"(?P<sentence>[^.\n]*<!-- duration -->\.) *(?P<subject>Its? )?")


def make(executed):
    """Builds the HTML, unless it is there already for exactly these sources.

    Args:
        executed: path -> executed notebook.

    Returns:
        The path of the first page.
    """
    with remarks_to(BUILD / "log" / "stage"):  # the reference page loads the module
        stage(executed)
    digest = _digest(STAGE)
    if HTML.exists() and KEY.exists() and KEY.read_text() == digest:
        print("HTML: up to date")
        return HTML / "index.html"
    print("HTML: building", flush=True)
    KEY.unlink(missing_ok=True)
    _put_in_place(_sphinx())
    write(KEY, digest)
    return HTML / "index.html"


def stage(executed):
    """Copies what the book is made of, at the same relative paths: the launch buttons link to those."""
    shutil.rmtree(STAGE, ignore_errors=True)
    for name in ("_config.yml", "_toc.yml", "references.bib"):
        write(STAGE / name, (ROOT / name).read_text(encoding="utf-8"))
    shutil.copytree(ROOT / "assets", STAGE / "assets")
    _copy_mathjax(STAGE / "assets" / "vendor" / "mathjax")
    recorded, durations = ledger.runs(ROOT, "full"), _durations()
    for page in pages():
        path = page_file(page)
        target = STAGE / path.relative_to(ROOT)
        if path in executed:
            text = executed[path].cells[0].source
            arrange(executed[path])
            for cell in executed[path].cells:
                if cell.cell_type == "markdown":
                    cell.source = complete(cell.source, path.stem, recorded, durations)
            chapters.save(executed[path], target)
        else:
            text = complete(path.read_text(encoding="utf-8"), path.stem, recorded, durations)
            write(target, with_figures(text, executed))
        preview.draw(text, STAGE / "assets" / "preview" / f"{path.stem}.png")


def arrange(notebook):
    """Orders a chapter for its page: the text begins at once, and what the machine has to say of itself comes last.

    A file begins with the code that everything after it needs. On the page that code stands right before the first code
    that follows the first text. How long the chapter takes, and what `open_chapter()` said, go to the end; only a
    warning of stand-in data goes to the top. The bar over folded code says what is under it.
    """
    title, *rest = notebook.cells
    length = next((n for n, cell in enumerate(rest) if cell.cell_type == "markdown"), len(rest))
    opening, body = rest[:length], rest[length:]
    warnings, facts = _taken_banners(notebook.cells)
    closing = ["## How this page was made"]
    if found := DURATION.search(title.source):
        closing.append(found["sentence"].strip())
        subject = {"It ": "This chapter ", "Its ": "This chapter's "}.get(found["subject"], "")
        title.source = DURATION.sub(subject, title.source, count=1)
    first_code = next((n for n, cell in enumerate(body) if cell.cell_type == "code"), len(body))
    top = [_output_cell("warning", warnings)] if warnings else []
    end = (
        [new_markdown_cell("\n\n".join(closing), id="how-made"), _output_cell("made", facts)] if facts else []
    )
    notebook.cells = [title, *top, *body[:first_code], *opening, *body[first_code:], *end]
    for cell in notebook.cells:
        if "hide-input" in cell.metadata.get("tags", []):
            _name_fold(cell)


def _taken_banners(cells):
    """Takes what `open_chapter()` displayed out of the cells: the warnings, and the rest."""
    warnings, facts = [], []
    for cell in cells:
        for output in list(cell.get("outputs", [])):
            markup = output.get("data", {}).get("text/html", "")
            if 'class="lif-banner"' in markup:
                (warnings if "<strong>Warning." in markup else facts).append(output)
                cell.outputs.remove(output)
    return warnings, facts


def _output_cell(name, outputs):
    return new_code_cell(
        "# said by open_chapter()", id=name, outputs=outputs, metadata={"tags": ["remove-input"]}
    )


def _name_fold(cell):
    """Names the bar over folded code by what the code makes, else by the cell's id, unless the notebook names it."""
    markup = "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)
    words = "".join(output.get("data", {}).get("text/markdown", "") for output in cell.outputs)
    made = {
        "the illustration": "lif-illustration" in markup,
        "the animation": "lif-animation" in markup,
        "the figure": "lif-figure" in markup,
        "the table": "<table" in markup or re.search(r"^\|", words, re.MULTILINE),
        cell.id.replace("-", " "): not re.fullmatch("[0-9a-f]{8}", cell.id),
        "the numbers": True,
    }
    name = next(name for name, true in made.items() if true)
    prompts = cell.metadata.setdefault("mystnb", {})
    prompts.setdefault("code_prompt_show", f"Show code: {name}")
    prompts.setdefault("code_prompt_hide", prompts["code_prompt_show"].replace("Show", "Hide", 1))


def complete(text, stem, recorded, durations):
    """A page's text with what only the build knows: how long chapters take, and which full runs are still to be made.

    `{glue:text}` cannot print a number that does not exist, so a reference to one of a full run that has not been
    recorded becomes words.
    """

    def known_or_words(match):
        chapter = Path(match["path"]).stem if match["path"] else stem
        run = recorded.get(chapter, Run())
        names = {name + suffix for name in [*run.numbers, *run.timings] for suffix in run.prose(name)}
        return match[0] if match["name"] in names else NOT_RECORDED

    text = re.sub(
        r"\{glue:text\}`(?:(?P<path>[^`]+?)::)?full_(?P<name>\w+)(?::[^`]*)?`", known_or_words, text
    )
    text = text.replace("<!-- duration -->", durations.get(stem, ""))
    text = api.with_reference(text)
    made = {
        citation.MARK: citation.how_to_cite,
        "<!-- headlines -->": lambda: headline.table(),
        "<!-- exports -->": exports.table,
        "<!-- durations -->": lambda: _duration_table(durations),
    }
    for mark in made.keys() & set(re.findall("<!-- [a-z]+ -->", text)):  # read only for the page that has it
        text = text.replace(mark, made[mark]())
    return text


def with_figures(text, executed):
    """`<!-- figure 04-mnist cell-id -->` on a page becomes the figure that this cell of the chapter drew."""

    def drawn(match):
        stem, cell_id = match.groups()
        notebook = next(notebook for path, notebook in executed.items() if path.stem == stem)
        cell = next(cell for cell in notebook.cells if cell.id == cell_id)
        return "\n".join(
            output.data["text/html"] for output in cell.outputs if "text/html" in output.get("data", {})
        )

    return re.sub(r"<!-- figure (\S+) (\S+) -->", drawn, text)


def _durations():
    """How long each chapter takes, in words, from the provenance of its runs."""
    runs = {profile: ledger.runs(ROOT, profile) for profile in ("quick", "full")}
    words = {}
    for stem in sorted({*runs["quick"], *runs["full"]}):
        parts = []
        for profile in ("quick", "full"):
            facts = runs[profile].get(stem, Run()).provenance
            if "seconds" in facts:
                cores = "1 core" if facts["cores"] == 1 else f"{facts['cores']} cores"
                parts.append(f"{_in_words(facts['seconds'])} ({profile} profile, {cores})")
        words[stem] = ", ".join(parts)
    return words


def _duration_table(durations):
    rows = [f"| [](/chapters/{stem}.ipynb) | {words} |" for stem, words in durations.items()]
    return "\n".join(["| chapter | measured |", "|---|---|", *rows])


def _in_words(seconds):
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _sphinx():
    """Runs the build; returns the folder with the HTML."""
    out = BUILD / "new"
    shutil.rmtree(out, ignore_errors=True)
    program = Path(sys.executable).with_name("jupyter-book")
    command = [str(program), "build", str(STAGE), "--path-output", str(out)]
    done = subprocess.run(
        [*command, "-W", "-n", "--keep-going"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
    )
    log = done.stdout + done.stderr
    write(BUILD / "html.log", log)
    if done.returncode:
        lines = [line for line in log.splitlines() if re.search("WARNING|ERROR|[Ee]xception", line)]
        report = "\n  ".join(lines or log.splitlines()[-20:])
        raise SystemExit(
            f"The HTML was not made; the last good one stays. Whole log: _build/html.log\n  {report}"
        )
    return out / "_build" / "html"


def _put_in_place(new):
    """Swaps the new HTML for the old."""
    old = BUILD / "old"
    shutil.rmtree(old, ignore_errors=True)
    if HTML.exists():
        os.replace(HTML, old)
    os.replace(new, HTML)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(BUILD / "new")


def _copy_mathjax(target):
    """The parts of MathJax that a page may ask for: the program, its fonts, and the extensions it loads by name."""
    wanted = ("tex-chtml.js", "output/chtml/fonts/woff-v2/", "input/tex/extensions/")
    for file in files("sphinx-mathjax-offline"):
        _, found, inside = file.as_posix().partition("static/mathjax/")
        if found and inside.startswith(wanted):
            path = target / inside
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), path)


def _digest(folder):
    digest = hashlib.sha256((ROOT / "requirements.txt").read_bytes())
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()

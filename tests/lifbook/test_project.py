"""The files around the book: one address, one lock, notebooks in one form, nothing of one machine."""

import re
import shutil
import subprocess
import tomllib
from importlib.metadata import version

import nbformat
import pytest
from packaging.requirements import Requirement

from lifbook._files import dumps
from lifbook.build import headline
from lifbook.build.chapters import PARAMETERS, empty
from lifbook.build.project import ROOT, first_cell, notebooks, pages, repository

LOCK = (ROOT / "requirements.txt").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def tracked():
    """Paths of the repository's text files, or of what would be in it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    texts = {
        ".py",
        ".md",
        ".yml",
        ".yaml",
        ".toml",
        ".txt",
        ".ipynb",
        ".json",
        ".cff",
        ".css",
        ".js",
        ".bib",
        "",
    }
    paths = [ROOT / name for name in listed.stdout.splitlines()]
    return [path for path in paths if path.suffix in texts and path.is_file()]


def test_the_repository_has_one_address():
    address = repository()
    owner_and_name = address.removeprefix("https://github.com/")
    assert PROJECT["project"]["urls"]["Repository"] == address
    assert f"repository-code: {address}\n" in (ROOT / "CITATION.cff").read_text()
    readme = (ROOT / "README.md").read_text()
    patterns = (
        r"https://github\.com/([\w.-]+/[\w.-]+?)(?=[/\"\s)]|\.git)",
        r"mybinder\.org/v2/gh/([\w.-]+/[\w.-]+)/",
        r"colab\.research\.google\.com/github/([\w.-]+/[\w.-]+)/",
    )
    for pattern in patterns:
        found = re.findall(pattern, readme)
        assert found and set(found) == {owner_and_name}, pattern


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_is_stripped_and_begins_as_all_do(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert "widgets" not in notebook.metadata
    assert code[0].source == first_cell() and code[0].metadata.tags == ["remove-cell"]
    assert code[1].source == PARAMETERS and "parameters" in code[1].metadata.tags
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in code) == 1
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_line_of_visible_code_fits_the_page(path):
    """If this fails, a reader has to scroll a cell sideways to read the end of a comment."""
    widest = tomllib.loads((ROOT / "chapters" / "ruff.toml").read_text())["line-length"]
    folded = {"hide-cell", "hide-input", "remove-cell", "remove-input"}
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    visible = [cell for cell in cells if folded.isdisjoint(cell.metadata.get("tags", []))]
    lines = [(cell.id, line) for cell in visible for line in cell.source.splitlines()]
    assert [(where, line) for where, line in lines if len(line) > widest] == []


def test_a_new_chapter_has_that_form():
    cells = empty("Title").cells
    assert [cell.source for cell in cells] == ["# Title", first_cell(), PARAMETERS]


def test_every_notebook_is_in_the_book():
    listed = {f"{page}.ipynb" for page in pages()}
    assert {f"chapters/{path.name}" for path in (ROOT / "chapters").glob("*.ipynb")} <= listed


def test_the_first_cell_installs_only_where_the_module_is_absent():
    source = first_cell()
    condition = 'if importlib.util.find_spec("lif") is None:'
    assert source.index(condition) < source.index("%pip install")
    assert f"git+{repository()}" in source


def locked():
    """name -> versions of each package in the lock: there may be one for each version of Python."""
    found = {}
    for name, pinned in re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", LOCK, re.MULTILINE):
        found.setdefault(name, []).append(pinned)
    return found


def test_the_lock_covers_what_the_project_asks_for():
    names = locked()
    extras = PROJECT["project"]["optional-dependencies"].values()
    asked = [*PROJECT["project"]["dependencies"], *(entry for extra in extras for entry in extra)]
    for requirement in map(Requirement, asked):
        if requirement.name == PROJECT["project"]["name"]:
            continue  # one extra that contains another
        assert requirement.name in names, requirement
        for pinned in names[requirement.name]:
            assert requirement.specifier.contains(pinned, prereleases=True), requirement


def test_the_lock_is_what_is_installed():
    for name in ("keras", "tensorflow", "numpy", "jupyter-book", "papermill"):
        assert version(name) in locked()[name]


def test_the_lock_pins_by_hash_and_names_no_registry():
    entries = re.split(r"\n(?=\S)", LOCK.strip())
    assert len(entries) > 100
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
    assert "://" not in LOCK and "--index" not in LOCK and "--find-links" not in LOCK


def test_no_file_names_one_machine():
    words = re.compile(r"/(?:home|Users|root|work)/\w|localhost:\d|\b[\w-]+\.(?:internal|local)\b(?!\()")
    found = [f"{path.name}: {match[0]}" for path in tracked() for match in words.finditer(path.read_text())]
    assert found == []


def test_the_headlines_are_made_from_the_recorded_runs():
    assert (ROOT / "results" / "headline.json").read_text() == dumps(headline.headlines())
    readme = (ROOT / "README.md").read_text()
    assert headline.with_table(readme, headline.table()) == readme


def test_the_readme_table_shows_the_recorded_values():
    """An accuracy is a share and shown in percent; if this fails for the return, a pole stays up for 50000 %."""
    values = {
        "mnist_dense_accuracy": {"value": 0.98123, "sd": 0.00149, "seeds": 5, "chapter": "04-mnist"},
        "cartpole_return": {"value": 499.62, "sd": 0.849, "seeds": 5, "chapter": "23-control"},
        "cifar10_conversion_loss": {"value": -0.0035, "sd": 0.0, "seeds": 1, "chapter": "31-conversion"},
    }
    readme = f"before\n{headline.BEGIN}\nold\n{headline.END}\nafter\n"
    table = headline.with_table(readme, headline.table(values))
    assert "| [MNIST, dense network](chapters/04-mnist.ipynb) | 98.12 ± 0.15 % | 5 |" in table
    assert "LIF policy](chapters/23-control.ipynb) | 499.6 ± 0.8 | 5 |" in table
    assert "lost on conversion](chapters/31-conversion.ipynb) | −0.35 points | 1 |" in table
    assert table.startswith("before\n") and table.endswith("\nafter\n") and "old" not in table


def test_what_a_build_of_the_package_leaves_is_not_kept(tmp_path):
    """If this fails, `git add .` takes a wheel along, or `make clean` leaves what the next wheel would be made of."""
    names = ["build/lib/lif/old.py", "dist/lif.whl", "lif_book.egg-info/PKG-INFO"]
    ignored = subprocess.run(["git", "check-ignore", *names], cwd=ROOT, capture_output=True, text=True)
    if ignored.returncode < 128:  # else not a git checkout
        assert ignored.stdout.split() == names
    if shutil.which("make"):
        shutil.copy(ROOT / "Makefile", tmp_path)
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True)
            (tmp_path / name).write_text("")
        subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["Makefile", "dist"]

"""The form of a chapter's file: the cells each begins with, no outputs, stable cell ids."""

import re

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from .._files import Damaged, write
from .project import ROOT, first_cell, notebooks

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
PARAMETERS = 'profile = "quick"'


def new(stem):
    """Writes an empty chapter, `chapters/<stem>.ipynb`."""
    if not re.fullmatch(r"[\w-]+", stem):
        raise SystemExit(f"A chapter's name must consist of letters, digits, - and _. Received: {stem!r}")
    path = ROOT / "chapters" / f"{stem}.ipynb"
    if path.exists():
        raise SystemExit(f"{path.relative_to(ROOT)} exists already")
    save(empty(stem), path)
    print(f"{path.relative_to(ROOT)} is made; add it to _toc.yml.")


def empty(title):
    """A notebook with the cells every chapter begins with."""
    cells = [
        new_markdown_cell(f"# {title}", id="title"),
        new_code_cell(first_cell(), id="colab", metadata={"tags": ["remove-cell"]}),
        new_code_cell(PARAMETERS, id="parameters", metadata={"tags": ["parameters", "remove-cell"]}),
    ]
    return new_notebook(cells=cells, metadata=METADATA)


def read(path):
    """The notebook in a file."""
    try:
        return nbformat.read(path, as_version=4)
    except OSError:
        raise
    except Exception as damage:  # whatever a damaged file leads to
        raise Damaged(f"{path} must be a notebook. Received: {damage}") from damage


def save(notebook, path):
    """Writes a notebook whole or not at all."""
    write(path, nbformat.writes(notebook) + "\n")


def notebooks_by_stem():
    """The book's notebooks: stem -> notebook."""
    return {path.stem: read(path) for path in notebooks()}

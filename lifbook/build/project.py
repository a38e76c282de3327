"""Where things are, and the one form every chapter's first cells have."""

import os
from contextlib import contextmanager
from pathlib import Path

from .._files import Damaged, read_yaml

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "_build"
RESULTS = ROOT / "results"
CLAIMS = "claims"  # the stem of the page that reads every other chapter's results


# TensorFlow's remarks on the machine, in every process that this one starts, would stand between what it says itself.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextmanager
def remarks_to(log):
    """Sends what frameworks say on standard error, some of it below Python, to a file and not over the progress."""
    log.parent.mkdir(parents=True, exist_ok=True)
    kept = os.dup(2)
    with open(log, "w") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def config():
    """What `_config.yml` says."""
    return _mapping("_config.yml")


def _mapping(name):
    found = read_yaml(ROOT / name)
    if not isinstance(found, dict):
        raise Damaged(f"{ROOT / name} must be a mapping in YAML. Received: {str(found)[:60]!r}")
    return found


def repository():
    """The repository's address. `_config.yml` is its one home; a test holds every copy to it."""
    return config()["repository"]["url"]


def first_cell():
    """The source of every notebook's first code cell."""
    return (
        "# On Colab the module is fetched. Elsewhere it is there already, and this cell does nothing.\n"
        "import importlib.util\n"
        "\n"
        'if importlib.util.find_spec("lif") is None:\n'
        f'    %pip install --quiet "lif-book[chapters] @ git+{repository()}"'
    )


def pages():
    """The book's pages in reading order, as paths relative to the root, without a suffix."""
    toc = _mapping("_toc.yml")
    entries = [entry for part in toc.get("parts", []) for entry in part["chapters"]] + toc.get("chapters", [])
    return [toc["root"]] + [entry["file"] for entry in entries]


def page_file(page):
    """A page's source file."""
    for suffix in (".ipynb", ".md"):
        if (ROOT / f"{page}{suffix}").is_file():
            return ROOT / f"{page}{suffix}"
    raise SystemExit(f"_toc.yml lists {page}, but there is neither {page}.ipynb nor {page}.md")


def notebooks():
    """The notebooks of the book in reading order."""
    return [path for path in map(page_file, pages()) if path.suffix == ".ipynb"]

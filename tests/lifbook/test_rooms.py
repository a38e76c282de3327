"""The house as its imports draw it: no circle, no way from the library to the book, private names stay at home."""

import ast
import subprocess
import sys

import pytest

from lifbook.build.project import ROOT

PACKAGES = ("lif", "lifbook")


def modules():
    """Name -> the syntax tree of each module of both packages."""
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text())
    return found


TREES = modules()


def imported(name):
    """(module, name in it or None, name here) of each import of ours in a module, wherever it stands."""
    is_package = (ROOT / name.replace(".", "/") / "__init__.py").is_file()
    folder = name.split(".") if is_package else name.split(".")[:-1]
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in TREES:
                    yield alias.name, None, alias.asname or alias.name
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) + 1 - node.level] if node.level else []
            base = ".".join([*base, *(node.module.split(".") if node.module else [])])
            for alias in node.names:
                if f"{base}.{alias.name}" in TREES:
                    yield f"{base}.{alias.name}", None, alias.asname or alias.name
                elif base in TREES:
                    yield base, alias.name, alias.asname or alias.name


ARROWS = {name: {module for module, _, _ in imported(name)} for name in TREES}


def test_the_drawing_has_the_whole_house():
    """If this fails, the tests below look at a part, and what is wrong elsewhere is not seen."""
    assert {"lif.dynamics", "lif.conversion.nir", "lifbook.datasets.files", "lifbook.build.book"} <= set(
        TREES
    )
    assert "lif._kernels" in ARROWS["lif.dynamics"]  # imported in a function
    assert "lif.dynamics" in ARROWS["lif.layers"] and "lifbook.runs" in ARROWS["lifbook.ledger"]
    assert "lifbook.datasets.drawings" in ARROWS["lifbook.datasets.loaders"]


def test_no_module_comes_round_to_itself():
    """If this fails, whether an import works depends on which module is loaded first."""
    rest, before = ARROWS, None
    while rest != before:  # takes away who imports nobody and whom nobody imports
        before, known = rest, set().union(*rest.values())
        rest = {
            name: below & rest.keys() for name, below in rest.items() if below & rest.keys() and name in known
        }
    assert rest == {}


def test_the_library_knows_nothing_of_the_book():
    """If this fails, who takes the neurons along takes the book along with them."""
    library = [name for name in ARROWS if name.split(".")[0] == "lif"]
    assert [name for name in library if any(module.startswith("lifbook") for module in ARROWS[name])] == []


def test_nothing_but_the_build_knows_the_build():
    """If this fails, an installed package imports what only a checkout has."""
    outside = [name for name in TREES if not name.startswith("lifbook.build")]
    assert [name for name in outside if any(it.startswith("lifbook.build") for it in ARROWS[name])] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_private_name_crosses_a_border(package):
    """If this fails, nobody can tell from a name what may be changed without a look at the other modules."""
    found = []
    for name in (name for name in TREES if name.split(".")[0] == package):
        ours = list(imported(name))
        found += [f"{name}: {module}.{what}" for module, what, _ in ours if what and is_private(what)]
        aliases = {here: module for module, what, here in ours if not what}
        for node in ast.walk(TREES[name]):
            if isinstance(node, ast.Attribute) and is_private(node.attr):
                if module := aliases.get(ast.unparse(node.value)):
                    if f"{module}.{node.attr}" not in TREES:
                        found.append(f"{name}: {module}.{node.attr}")
    assert found == []


def is_private(name):
    return name.startswith("_") and not name.endswith("__")


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import lif", ["lifbook"]),
        ("import lifbook", ["lif", "keras", "matplotlib", "scipy", "sklearn", "yaml", "joblib", "IPython"]),
        (
            "import lifbook.datasets, lifbook.ledger, lifbook.training, lifbook.palette",
            ["lif", "keras", "yaml"],
        ),
        ("import lifbook.animation, lifbook.build.reach", ["lif", "keras", "matplotlib"]),
    ],
)
def test_a_package_loads_no_more_than_it_needs(statement, absent):
    """If this fails, a chapter's opening, or each process of the build, waits for Keras; or the layers for the book."""
    code = f"import sys\n{statement}\nprint([name for name in {absent} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() == "[]", done.stdout + done.stderr

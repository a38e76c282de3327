"""What `pip install` brings: a wheel with types, and an import that asks for nothing but Keras and NumPy."""

import inspect
import os
import shutil
import subprocess
import sys
import typing
import zipfile

import nbformat
import pytest

import lif
from lifbook.build.project import ROOT

TUTORIAL = ROOT / "chapters" / "50-tutorial.ipynb"

# Only who draws, reads data, sweeps or moves illustrations needs these. Keras may have loaded some of them itself.
OTHERS = (
    "IPython",
    "anywidget",
    "gymnasium",
    "h5py",
    "ipywidgets",
    "joblib",
    "matplotlib",
    "nir",
    "PIL",
    "scipy",
    "sklearn",
    "tqdm",
    "yaml",
)

# Hides what Keras has loaded already, and lets nobody load it again.
IMPORT_WITHOUT = f"""
import sys
import keras
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {OTHERS}:
            raise ModuleNotFoundError(f"{{name}} is not there", name=name)

for name in list(sys.modules):
    if name.split(".")[0] in {OTHERS}:
        del sys.modules[name]
sys.meta_path.insert(0, Absent())
import lif
lif.LIF(leak=0.1), lif.PoissonEncoder(steps=3), lif.SoftLIF()
print(sorted(name for name in {OTHERS} if name in sys.modules))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of what it is made of: a build leaves its traces beside the source."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("lif", "lifbook", "tests", "chapters"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "pip", "wheel", str(source), "--wheel-dir", str(out)]
    # With setuptools from the environment and nothing else, it needs no network.
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*build, *offline], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_both_packages_whole_and_nothing_else(wheel):
    """If this fails, an installed package lacks its types, its figure style or an illustration's files, or it drops
    tests, chapters and the build into the user's site-packages."""
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    files = [path.relative_to(ROOT) for name in ("lif", "lifbook") for path in (ROOT / name).rglob("*.*")]
    built = [path.as_posix() for path in files if not {"__pycache__", "build"} & {*path.parts}]
    assert held == {name for name in built if (ROOT / name).is_file()}
    assert {"lif/py.typed", "lifbook/book.mplstyle", "lifbook/animation.js"} <= held
    assert {"lifbook/illustrations/membrane.js", "lif/conversion/nir.py"} <= held


NETWORK = """
import lif, lifbook
print(lif.__file__, lifbook.__file__)
keras.utils.set_random_seed(0)
x, y = np.random.default_rng(0).random((64, 8, 8)), np.arange(64) % 10
first, predicted = first_net(lif.PoissonEncoder(STEPS, seed=0)), []
first.fit(x, y, batch_size=32, epochs=1, verbose=0)
print(first.predict(x, verbose=0).shape, len(lif.summary(first, x)))
"""


def test_the_wheel_alone_runs_the_tutorials_network(wheel, tmp_path):
    """If this fails, who installs the package for its layers gets an error where the tutorial has a network."""
    wheel.extractall(tmp_path / "site")
    source = next(cell.source for cell in nbformat.read(TUTORIAL, as_version=4).cells if cell.id == "first")
    defined = source[source.index("STEPS = ") : source.index("\n\nnet = ")]
    code = "import keras\nimport numpy as np\nfrom keras import layers\n" + IMPORT_WITHOUT + defined + NETWORK
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    _, files, ran = done.stdout.splitlines()
    assert all(file.startswith(str(tmp_path)) for file in files.split()) and ran == "(64, 10) 2"


def test_the_wheel_asks_for_keras_and_numpy_alone(wheel):
    """If this fails, who only wants the layers has to install the book's tools."""
    (metadata,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    asked = [
        line for line in wheel.read(metadata).decode().splitlines() if line.startswith("Requires-Dist: ")
    ]
    assert {line.split()[1].split(">")[0] for line in asked if "extra ==" not in line} == {"keras", "numpy"}


def test_the_module_is_imported_without_what_only_the_book_needs():
    """If this fails, `import lif` is slow, or impossible where only Keras and NumPy are installed."""
    done = subprocess.run([sys.executable, "-c", IMPORT_WITHOUT], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


IMPORT_ABSENT = """
import importlib, sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in sys.argv[2:]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
importlib.import_module(sys.argv[1])
"""


@pytest.mark.parametrize(
    ("module", "absent", "hint"),
    [
        (
            "lif",
            ["tensorflow"],
            'needs a backend of Keras: pip install "lif-book[tensorflow]", or set KERAS_BACKEND',
        ),
        (
            "lifbook.plots",
            ["matplotlib"],
            "lifbook.plots needs the package matplotlib: pip install matplotlib",
        ),
        (
            "lifbook.illustrations",
            ["anywidget", "traitlets"],
            "lifbook.illustrations needs the package anywidget: pip install anywidget",
        ),
    ],
)
def test_what_is_missing_is_named_with_the_way_to_get_it(module, absent, hint, tmp_path):
    """If this fails, the user reads that there is no module of some name, and must guess what to install."""
    environment = os.environ | {
        "KERAS_HOME": str(tmp_path),
        "KERAS_BACKEND": "jax" if module != "lif" else "tensorflow",
    }
    command = [sys.executable, "-c", IMPORT_ABSENT, module, *absent]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert hint in done.stderr.splitlines()[-1], done.stderr


def public():
    """name -> each function, method and constructor of ours that a user calls."""
    found = {"SpikingNetwork.run": lif.SpikingNetwork.run}
    for name in lif.__all__:
        thing = getattr(lif, name)
        if callable(thing):
            found[name] = thing.__init__ if inspect.isclass(thing) else thing
    return {name: function for name, function in found.items() if function.__module__.startswith("lif.")}


@pytest.mark.parametrize("name", sorted(public()))
def test_every_argument_has_a_type(name):
    """If this fails, an editor cannot say what an argument may be, or a type names something that is not there."""
    function = public()[name]
    hints = typing.get_type_hints(function)
    parameters = inspect.signature(function).parameters.values()
    open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = {each.name for each in parameters if each.kind not in open_ended} - {"self"}
    assert named <= set(hints)
    assert function.__name__ == "__init__" or "return" in hints

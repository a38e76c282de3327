"""The examples in the docstrings, and those of the pages on other libraries."""

import doctest
import importlib
import inspect
import pkgutil
import sys

import pytest

import lif
import lifbook
from lifbook.build import api
from lifbook.build.project import ROOT

# The kernels are made when Triton is there, and have no examples; the build is none of a reader's.
MODULES = [
    name
    for package in (lif, lifbook)
    for _, name, _ in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if name != "lif._kernels" and not name.startswith("lifbook.build")
]


@pytest.fixture(autouse=True)
def close_figures():
    """An example's figure must not be there for the next test to draw on."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name):
    """If this fails, a reader who copies an example from the documentation sees something else."""
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


@pytest.mark.parametrize(("name", "examples"), [("migration", 27), ("interchange", 25)])
def test_the_examples_on_other_libraries_print_what_they_say(name, examples):
    """If this fails, what a page says of another library's rule and ours is not so."""
    if name == "interchange":
        pytest.importorskip("tensorflow", reason="the page's files are made with TensorFlow")
    page = ROOT / "chapters" / f"{name}.md"
    result = doctest.testfile(str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > examples and result.failed == 0


def test_the_reference_page_describes_all_that_is_public():
    """If this fails, a layer or a function is in the module and not in the book."""
    marks = api.MARK.findall((ROOT / "chapters" / "api.md").read_text())
    public = {name for name in lif.__all__ if not inspect.ismodule(getattr(lif, name))}
    public |= {"SpikingNetwork.run", "ContinuousNetwork.run"}
    assert {f"lif.{name}" for name in public} <= set(marks)
    assert {f"lif.surrogates.{name}" for name in lif.surrogates.FACTORIES} <= set(marks)


@pytest.mark.parametrize("name", ["LIF", "SoftLIF", "to_continuous", "surrogates.superspike"])
def test_a_reference_entry_is_markdown(name):
    """If this fails, a reader sees a docstring's raw indentation, or an example that swallows the text after it."""
    text = api.entry(f"lif.{name}")
    assert text.startswith(f"### `lif.{name}`") and text.count("```") % 2 == 0
    for fence in text.split("```")[1::2]:
        assert "**" not in fence.replace("**kwargs", "")
    assert not any(line.startswith("    ") for line in "".join(text.split("```")[::2]).splitlines())

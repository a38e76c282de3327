"""The examples in the docstrings."""

import doctest
import importlib
import pkgutil

import pytest

import lif

MODULES = [name for _, name, _ in pkgutil.iter_modules(lif.__path__, "lif.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name):
    """If this fails, a reader who copies an example from the documentation sees something else."""
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0

"""Which files a chapter's code can reach: what an edit executes again, and what it does not."""

import pytest

from lifbook.build import reach
from lifbook.build.project import ROOT

TREE = {
    "lif/__init__.py": "from .layers import LIF\n",
    "lif/layers.py": "from . import dynamics\n\ndef build():\n    from ._kernels import scan\n",
    "lif/dynamics.py": "import numpy\n",
    "lif/_kernels.py": "",
    "lif/extra.py": "",
    "lif/conversion/__init__.py": "",
    "lif/conversion/nir.py": "from ..layers import LIF\nfrom .. import extra\n",
    "lifbook/__init__.py": "from .page import record\n",
    "lifbook/page.py": 'STYLE = "lifbook.book"\n',
    "lifbook/book.mplstyle": "",
    "lifbook/ledger.py": "",
    "lifbook/build/__init__.py": "",
    "lifbook/build/render.py": "",
    "lifbook/illustrations/__init__.py": "from .modes import Modes\n",
    "lifbook/illustrations/modes.py": 'NAME = "modes"\n',
    "lifbook/illustrations/modes.js": 'import { spike } from "./neuron.js";\n',
    "lifbook/illustrations/neuron.js": "",
    "lifbook/illustrations/network.js": "",
}
LIF = {"lif/__init__.py", "lif/layers.py", "lif/dynamics.py", "lif/_kernels.py"}
BOOK = {"lifbook/__init__.py", "lifbook/page.py", "lifbook/book.mplstyle"}


@pytest.fixture
def tree(tmp_path):
    for name, text in TREE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def reached(code, root):
    return {path.relative_to(root).as_posix() for path in reach.files(code, root, ("lif", "lifbook"))}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import numpy, keras", set()),
        ("import lif", LIF),
        ("import lif.extra", LIF | {"lif/extra.py"}),
        ("import lif.conversion as c", LIF | {"lif/conversion/__init__.py"}),
        (
            "from lif.conversion import nir",
            LIF | {"lif/conversion/__init__.py", "lif/conversion/nir.py", "lif/extra.py"},
        ),
        ("from lif.layers import LIF", LIF),
        ("def later():\n    from lifbook import record", BOOK),
        ("from lifbook import ledger", BOOK | {"lifbook/ledger.py"}),
        ("from lif import *", LIF),
    ],
)
def test_a_module_is_reached_by_every_form_of_import(tree, code, expected):
    """If this fails, a chapter keeps the numbers of a module as it was, or is executed again for nothing."""
    assert reached(code, tree) == expected


def test_a_file_is_reached_where_a_reached_file_beside_it_names_it(tree):
    """If this fails, a page shows an illustration as it was before its JavaScript was mended."""
    code = "from lifbook.illustrations import Modes"
    stems = {"__init__.py", "modes.py", "modes.js", "neuron.js"}  # and not network.js, which nobody names
    assert reached(code, tree) == BOOK | {f"lifbook/illustrations/{name}" for name in stems}


@pytest.mark.parametrize(
    "command",
    [
        "%pip install x",
        "!ls -l",
        "%%time",
        'if True:\n    %pip install "x[y] @ git+https://a.b"',
        "%matplotlib inline",
    ],
)
def test_a_notebooks_commands_do_not_hide_its_imports(tree, command):
    """If this fails, no chapter can be built: each begins with a command that is not Python."""
    assert reached(f"{command}\nimport lif\n{command}", tree) == LIF


@pytest.mark.parametrize("code", ["import lif\nfiles = !ls", "import lif\nlif.LIF?", "def broken(:"])
def test_code_that_python_cannot_read_may_reach_everything(tree, code):
    """If this fails, a slip in one cell ends the build in a traceback, before the chapter can report it."""
    assert reached(code, tree) >= {name for name in TREE if name.endswith(".py")}


@pytest.mark.parametrize(
    "name", ["lifbook/ledger.py", "lifbook/build/render.py", "lifbook/build/execute.py", "lifbook/plots.py"]
)
def test_an_edit_of_what_no_chapter_computes_with_executes_no_chapter(name):
    """If this fails, a word in the build's own files costs twenty-five chapters."""
    code = "import keras\nimport lif\nfrom lifbook import figure, open_chapter, record, recorded, this_build"
    found = reached(code, ROOT)
    assert (ROOT / name).is_file() and name not in found
    assert {"lif/dynamics.py", "lif/layers.py", "lifbook/page.py", "lifbook/book.mplstyle"} <= found


def test_an_illustrations_program_is_reached_whole():
    """If this fails, a page shows an illustration as it was before its JavaScript was mended."""
    found = reached("from lifbook.illustrations import Membrane", ROOT)
    names = ("membrane.js", "drawing.js", "neuron.js", "page.js", "illustration.css", "handwriting_net.json")
    assert {f"lifbook/illustrations/{name}" for name in names} <= found

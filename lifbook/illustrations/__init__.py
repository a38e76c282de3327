"""Illustrations that move in the published page, in Jupyter, in VS Code and on Colab.

Each is an anywidget: the last line of a cell shows it, and its parameters are traits that can be read and set.

>>> from lifbook.illustrations import Membrane
>>> membrane = Membrane(leak=0.05)
>>> membrane.threshold = 0.8

`import lif` does not load them: they need `anywidget`, which the layers do not.
"""

try:
    import anywidget  # noqa: F401
except ModuleNotFoundError:
    raise ImportError(
        "lifbook.illustrations needs the package anywidget: pip install anywidget (lif-book[chapters] brings it)"
    ) from None

from .balance import Balance
from .credit import Credit
from .encoding import Encoding
from .handwriting import Handwriting
from .learning import Learning
from .membrane import Membrane
from .modes import Modes

__all__ = ["Balance", "Credit", "Encoding", "Handwriting", "Learning", "Membrane", "Modes"]

"""The book's machinery: a chapter's numbers and figures, the ledger, data sets, illustrations, and the build.

What a chapter imports from here is scaffolding of the page. Who takes the neurons along leaves it behind: they are in
`lif`, which knows nothing of the book. Nothing here loads Keras, but `backbone` and two illustrations.
"""

from .page import figure, open_chapter, record, recorded, this_build
from .runs import Run, checkout
from .sweeps import sweep

__all__ = [
    "Run",
    "checkout",
    "figure",
    "open_chapter",
    "record",
    "recorded",
    "sweep",
    "this_build",
]

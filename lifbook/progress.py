"""A progress bar for what takes more than a few seconds: tqdm's where it is installed, else none.

It goes to the error stream, or to a notebook's widget, and never into a page of the book.
"""

from collections.abc import Iterable, Iterator
from typing import Any

PATIENCE = 2  # seconds before a bar appears: what is done by then needs none


def progress(iterable: Iterable | None = None, **options: Any) -> Any:
    """`iterable` with a bar, or without one a bar to be moved with `update(n)`; leave it by `with`.

    Args:
        iterable: What to go through, or `None`.
        **options: As for `tqdm.tqdm`: `total`, `desc`, `unit`.

    Example:

    >>> from lifbook.progress import progress
    >>> sum(progress([1, 2, 3], desc="adding"))
    6
    """
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _NoBar(iterable)
    return tqdm(iterable, **{"delay": PATIENCE, "leave": False, **options})


class _NoBar:
    """What of tqdm is used, without a bar."""

    def __init__(self, iterable):
        self.iterable = iterable

    def __iter__(self) -> Iterator:
        return iter(self.iterable)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None

    def update(self, n=1):
        return None

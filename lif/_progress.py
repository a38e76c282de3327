"""A progress bar for what takes more than a few seconds: tqdm's where it is installed, else none."""

from collections.abc import Iterable

PATIENCE = 2  # seconds before a bar appears: what is done by then needs none


def progress(iterable: Iterable, **options) -> Iterable:
    """`iterable` with a bar, on the error stream or as a notebook's widget. `options` are those of `tqdm.tqdm`."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return iterable
    return tqdm(iterable, **{"delay": PATIENCE, "leave": False, **options})

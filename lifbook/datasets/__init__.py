"""Loaders for the data sets of the book.

Each function returns a `Dataset`. Files are looked for in this order:

1. the folder named by the environment variable `LIF_DATA`, in the data set's sub-folder or directly in it;
2. where Debian's packages put them;
3. the cache: `LIF_CACHE` if set, else `lif-book` in `XDG_CACHE_HOME` or `~/.cache`;
4. the official host, unless `LIF_OFFLINE=1`; what is downloaded stays in the cache.

Every file is verified by its SHA-256 wherever it comes from, but for `cifar10.npz`, which is verified by its
content: shapes, pictures per class and pixel means. One that is there but wrong is a `ChecksumError`, never
skipped. Where no place has a file, the loader raises `DataUnavailable`, or with
`stand_in=True` returns pictures of the same shape and dtype that ship with scikit-learn or that the project
draws itself; their `source` is `"stand-in"`.
"""

from .files import ChecksumError, DataUnavailable
from .loaders import Dataset, cifar10, digits, fashion_mnist, flowers, iris, iris_photos, mnist

__all__ = [
    "ChecksumError",
    "DataUnavailable",
    "Dataset",
    "cifar10",
    "digits",
    "fashion_mnist",
    "flowers",
    "iris",
    "iris_photos",
    "mnist",
]

"""From files to arrays: the formats that the data sets come in."""

import gzip
import importlib
import tarfile
from pathlib import Path

import numpy as np

from ..progress import progress
from .files import ChecksumError


def optional(name, package):
    """A module that the layers do without, from a package that not every user has."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise ImportError(
            f"This data set needs the package {package}: pip install {package} (lif-book[chapters] brings it)"
        ) from None


def read_idx(path):
    """Array of bytes in the idx format: two zeros, type 8, rank, the sizes as big-endian int32, the data."""
    with gzip.open(path) as file:
        data = file.read()
    rank = data[3]
    shape = np.frombuffer(data, ">i4", rank, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape).copy()


def read_cifar10(path):
    """Arrays from the official archive of records: one byte for the class, then 32 x 32 red, green and blue."""
    batches = {}
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile() and member.name.endswith(".bin"):
                records = np.frombuffer(tar.extractfile(member).read(), np.uint8).reshape(-1, 3073)
                pictures = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
                batches[Path(member.name).stem] = (
                    np.ascontiguousarray(pictures),
                    records[:, 0].astype("int32"),
                )
    x, y = zip(*(batches[f"data_batch_{i}"] for i in range(1, 6)), strict=True)
    return np.concatenate(x), np.concatenate(y), *batches["test_batch"]


def read_cifar10_npz(path):
    """Arrays from one file of NumPy's, which has no published checksum: it is verified by what it holds."""
    try:
        with np.load(path, allow_pickle=False) as file:
            x_train, y_train, x_test, y_test = (
                file[name] for name in ("x_train", "y_train", "x_test", "y_test")
            )
    except Exception as error:  # a damaged file raises whatever its damage leads to
        raise ChecksumError(
            f"{path} is not CIFAR-10. Expected: arrays x_train, y_train, x_test and y_test in NumPy's .npz format. "
            f"Received: {type(error).__name__}: {error}"
        ) from error
    y_train, y_test = y_train.ravel(), y_test.ravel()  # some have one column
    has_pictures = x_train.dtype == x_test.dtype == np.uint8 and (
        (x_train.shape, x_test.shape) == ((50_000, 32, 32, 3), (10_000, 32, 32, 3))
    )
    means = (x_train.mean((0, 1, 2)) / 255).round(4) if has_pictures else "not taken"
    is_right = (
        has_pictures
        and np.array_equal(np.sort(y_train), np.repeat(np.arange(10), 5000))
        and np.array_equal(np.sort(y_test), np.repeat(np.arange(10), 1000))
        and np.allclose(means, [0.4914, 0.4822, 0.4465], atol=1e-4)
    )
    if not is_right:
        raise ChecksumError(
            f"{path} is not CIFAR-10. Expected: 50,000 + 10,000 pictures of 32 x 32 x 3 bytes, equally many of each "
            "class from 0 to 9, with training means 0.4914, 0.4822, 0.4465. "
            f"Received: {x_train.dtype}{x_train.shape} + {x_test.dtype}{x_test.shape}, means {means}, "
            f"labels {y_train.shape} + {y_test.shape}"
        )
    return x_train, y_train.astype("int32"), x_test, y_test.astype("int32")


def read_flowers(path, rows, size):
    """The pictures numbered `rows` (from 0), in that order."""
    Image = optional("PIL.Image", "pillow")
    place = {f"image_{row + 1:05}.jpg": i for i, row in enumerate(rows)}
    x = np.empty((len(rows), size, size, 3), np.uint8)
    with tarfile.open(path) as tar, progress(total=len(rows), unit="picture") as bar:
        for member in tar:
            i = place.get(Path(member.name).name)
            if i is not None and member.isfile():
                with Image.open(tar.extractfile(member)) as picture:
                    x[i] = _square(picture, size)
                bar.update()
    return x


def read_iris_photos(path, size):
    """Pictures, classes and difference hashes, in the order of their names."""
    Image = optional("PIL.Image", "pillow")
    folders = ("iris-setosa", "iris-versicolour", "iris-virginica")
    x, y, hashes = [], [], []
    with tarfile.open(path) as tar:
        for member in sorted(tar, key=lambda member: member.name):
            folder = Path(member.name).parent.name
            if member.isfile() and folder in folders:
                with Image.open(tar.extractfile(member)) as picture:
                    grey = np.asarray(picture.convert("L").resize((9, 8), Image.Resampling.LANCZOS))
                    hashes.append((grey[:, 1:] > grey[:, :-1]).ravel())
                    x.append(_square(picture, size))
                y.append(folders.index(folder))
    return np.stack(x), np.array(y, "int32"), np.stack(hashes)


def _square(picture, size):
    """The central square of a picture, `size` pixels wide."""
    from PIL import Image

    picture.draft("RGB", (2 * size, 2 * size))  # a large JPEG need not be decoded in full
    width, height = picture.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side)
    return np.asarray(picture.convert("RGB").resize((size, size), Image.Resampling.LANCZOS, box))

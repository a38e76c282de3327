"""Loaders for the data sets of the book.

Each function returns a `Dataset`. Files are looked for in this order:

1. the folder named by the environment variable `LIF_DATA`, in the data set's sub-folder or directly in it;
2. where Debian's packages put them;
3. the cache: `LIF_CACHE` if set, else `lif-book` in `XDG_CACHE_HOME` or `~/.cache`;
4. the official host, unless `LIF_OFFLINE=1`; what is downloaded stays in the cache.

Every file is verified by its SHA-256 wherever it comes from: one that is there but wrong is a
`ChecksumError`, never skipped. Where no place has a file, the loader raises `DataUnavailable`, or with
`stand_in=True` returns pictures of the same shape and dtype that ship with scikit-learn or that the project
draws itself; their `source` is `"stand-in"`.
"""

import dataclasses
import gzip
import hashlib
import http.client
import os
import urllib.error
import urllib.request
import zlib
from pathlib import Path

import numpy as np

_TIMEOUT = 5  # seconds without an answer, so that a machine without a network finds out soon
_CHUNK = 1 << 18


class DataUnavailable(Exception):
    """No place has the file; the message says the URL, the checksum and the folder to put it in."""


class ChecksumError(ValueError):
    """A data file is not the published one."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Arrays of a data set, and where they came from.

    Attributes:
        name: Name of the loader, such as `"mnist"`.
        x_train: Inputs to learn from, shape `(n, *dims)`: images as uint8 from 0 to 255, tables as float32.
        y_train: Class numbers from 0, shape `(n,)`, int32.
        x_test: Inputs to test on, shape `(m, *dims)`.
        y_test: Class numbers, shape `(m,)`, int32.
        class_names: Tuple of names, one for each class number.
        source: `"LIF_DATA"`, `"official archive"` (downloaded now or before), `"Debian package"`,
            `"scikit-learn"` or `"stand-in"`.
        groups_train: Group number of each row of `x_train`, shape `(n,)`, or `None`. Rows of one group are
            nearly equal and belong on the same side of any further split.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]
    source: str
    groups_train: np.ndarray | None = None

    @property
    def is_stand_in(self):
        """Whether these are not the data of that name but something that takes their place."""
        return self.source == "stand-in"

    def __repr__(self):
        return (
            f"Dataset({self.name!r}, x_train{self.x_train.shape}, x_test{self.x_test.shape}, "
            f"{len(self.class_names)} classes, source={self.source!r})"
        )


DIGITS = tuple("0123456789")
GARMENTS = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


def iris(seed=0, test_fraction=0.2):
    """Fisher's Iris table: 150 flowers of three species, four lengths each.

    The split is stratified and depends on `seed` alone, so a chapter repeats an experiment over seeds.

    Args:
        seed: Integer, chooses the split.
        test_fraction: Share of each class that is kept for the test, in (0, 1).

    Returns:
        A `Dataset`; `x` has shape `(n, 4)`, float32: sepal length, sepal width, petal length, petal width in
        cm.

    Raises:
        ValueError: If `test_fraction` is outside (0, 1).

    Source: Fisher, The use of multiple measurements in taxonomic problems, Annals of Eugenics 7 (1936), as it
        ships
    with scikit-learn.
    """
    from sklearn.datasets import load_iris

    table = load_iris()
    names = tuple(str(name) for name in table.target_names)
    return _split("iris", table.data.astype("float32"), table.target, names, seed, test_fraction)


def digits(seed=0, test_fraction=0.2):
    """Handwritten digits, 1,797 real images of 8 x 8 pixels.

    The 17 grey levels of the original, 0 to 16, are spread over 0 to 255 as in the other image sets.

    Args:
        seed: Integer, chooses the stratified split.
        test_fraction: Share of each class that is kept for the test, in (0, 1).

    Returns:
        A `Dataset`; `x` has shape `(n, 8, 8)`, uint8.

    Raises:
        ValueError: If `test_fraction` is outside (0, 1).

    Source: Alpaydin & Kaynak, Optical recognition of handwritten digits (1998), as it ships with
        scikit-learn.
    """
    from sklearn.datasets import load_digits

    table = load_digits()
    return _split("digits", _to_bytes(table.images / 16), table.target, DIGITS, seed, test_fraction)


def mnist(stand_in=False):
    """MNIST: 70,000 handwritten digits, 28 x 28 pixels, with the official split of 60,000 and 10,000.

    Args:
        stand_in: Whether to return the real 8 x 8 digits of `digits`, enlarged to 28 x 28 pixels, where MNIST
            cannot be had.

    Returns:
        A `Dataset`; `x` has shape `(n, 28, 28)`, uint8.

    Raises:
        DataUnavailable: If the files are nowhere and `stand_in` is false.
        ChecksumError: If a file is there but is not the published one.

    Source: LeCun, Bottou, Bengio & Haffner, Gradient-based learning applied to document recognition (1998).
    """
    try:
        return _load_idx("mnist", _MNIST, DIGITS)
    except DataUnavailable:
        if not stand_in:
            raise
    small = digits()
    return dataclasses.replace(
        small, name="mnist", x_train=_enlarge(small.x_train), x_test=_enlarge(small.x_test), source="stand-in"
    )


def fashion_mnist(stand_in=False):
    """Fashion-MNIST: 70,000 garments, 28 x 28 pixels, with the official split of 60,000 and 10,000.

    Args:
        stand_in: Whether to return silhouettes of garments drawn by the project where Fashion-MNIST cannot be
            had.

    Returns:
        A `Dataset`; `x` has shape `(n, 28, 28)`, uint8.

    Raises:
        DataUnavailable: If the files are nowhere and `stand_in` is false.
        ChecksumError: If a file is there but is not the published one.

    Source: Xiao, Rasul & Vollgraf, Fashion-MNIST, arXiv:1708.07747 (2017), MIT licence.
    """
    try:
        return _load_idx("fashion_mnist", _FASHION_MNIST, GARMENTS)
    except DataUnavailable:
        if not stand_in:
            raise
    from . import drawings

    return _drawn("fashion_mnist", drawings.garments, GARMENTS)


# -- files: what they are, where they may be -----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _File:
    """A published file.

    `sha256` is that of the file, or with `of_content` that of what is inside the .gz, whose header may differ
    between distributors. `folders` are the sub-folders it may lie in, the first of them names its folder in
    the cache.
    """

    name: str
    sha256: str
    urls: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    system_folder: str = ""
    of_content: bool = False

    def digest(self, path):
        """SHA-256 of the file at `path`, or what keeps it from having one."""
        sha = hashlib.sha256()
        try:
            with (gzip.open if self.of_content else open)(path, "rb") as file:
                while chunk := file.read(_CHUNK):
                    sha.update(chunk)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            return f"no valid gzip file ({error})"
        return sha.hexdigest()


def _idx_files(hosts, checksums, **options):
    stems = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    names = [stem + "-ubyte.gz" for stem in stems]
    return tuple(
        _File(name, sha256, tuple(host + name for host in hosts), **options)
        for name, sha256 in zip(names, checksums, strict=True)
    )


_MNIST = _idx_files(
    (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    folders=("mnist",),
)

# Of the decompressed files: Debian's .gz differ from the official ones in their header.
_FASHION_MNIST = _idx_files(
    ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    folders=("fashion_mnist", "fashion-mnist"),
    system_folder="/usr/share/datasets/fashion-mnist",
    of_content=True,
)


def _data_folder():
    """The folder of `LIF_DATA`, or `None`."""
    value = os.environ.get("LIF_DATA")
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise ValueError(
            f"LIF_DATA must name a folder with data sets. Received: LIF_DATA={value!r}, which is none"
        )
    return folder


def _cache_folder():
    if chosen := os.environ.get("LIF_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "lif-book"


def _locate(file):
    """Find or download a file, verified; returns its path and the name of the place."""
    if data := _data_folder():
        # The official names of MNIST and Fashion-MNIST are the same: directly in LIF_DATA they may be
        # either's.
        for path in [data / folder / file.name for folder in file.folders] + [data / file.name]:
            if path.is_file() and not (path.parent == data and _is_another_file(file, path)):
                return _verified(file, path), "LIF_DATA"
    if file.system_folder:
        path = Path(file.system_folder) / file.name
        if path.is_file():
            return _verified(file, path), "Debian package"
    path = _cache_folder() / file.folders[0] / file.name
    if path.is_file():
        return _verified(file, path), "official archive"
    return _download(file, path), "official archive"


def _verified(file, path):
    received = file.digest(path)
    if received != file.sha256:
        content = "the content of " if file.of_content else ""
        raise ChecksumError(
            f"{path} is not the published file; delete or replace it. "
            f"Expected: SHA-256 of {content}{file.name} {file.sha256}. Received: {received}"
        )
    return path


def _is_another_file(file, path):
    namesakes = (other for other in _MNIST + _FASHION_MNIST if other.name == file.name and other != file)
    return any(other.digest(path) == other.sha256 for other in namesakes)


# -- downloads -----------------------------------------------------------------------------------------------


def _download(file, target):
    """Download a file to `target`, from the first host that has it.

    The bytes gather in `target` + ".part", which a later call continues; only a verified file gets the final
    name.
    """
    if os.environ.get("LIF_OFFLINE") == "1":
        raise DataUnavailable(_how_to_get(file, target, ["LIF_OFFLINE=1 forbids downloads"]))
    part = target.with_name(target.name + ".part")
    reasons = []
    for url in file.urls:
        while True:
            before = _size(part)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                _fetch(url, part)
            except (OSError, http.client.HTTPException) as error:
                if _size(part) > before:
                    continue  # the connection broke on the way: go on from there
                reasons.append(f"{url}: {error}")
                break
            received = file.digest(part)
            if received == file.sha256:
                os.replace(part, target)
                return target
            part.unlink()
            if not before:
                reasons.append(f"{url}: SHA-256 is {received}")
                break  # else the old part was bad: once more from the start
    raise DataUnavailable(_how_to_get(file, target, reasons or ["it has no official host"]))


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _fetch(url, part):
    """Append to `part` what it lacks; raise an `OSError` if the connection ends before the file does."""
    from tqdm.auto import tqdm

    start = _size(part)
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:
            return  # nothing is left to send
        raise
    with response:
        if response.status != 206:  # the host does not resume: it sends the whole file
            start = 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        # Written at its own place, so that two processes that download at once do not spoil each other's
        # bytes.
        with (
            open(part, "r+b" if start else "wb") as out,
            tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=part.stem, leave=False) as bar,
        ):
            out.seek(start)
            while chunk := response.read(_CHUNK):
                out.write(chunk)
                bar.update(len(chunk))
            if total is not None and out.tell() < total:
                raise ConnectionError(f"connection lost after {out.tell()} of {total} bytes")


def _how_to_get(file, target, reasons):
    of_what = " of the decompressed file" if file.of_content else ""
    lines = [
        f"{file.name} is neither in the folder of LIF_DATA ({os.environ.get('LIF_DATA') or 'not set'}) "
        "nor in the cache, and could not be downloaded:",
        *(f"  {reason}" for reason in reasons),
        "To put it there by hand:",
        f"  URL: {file.urls[0] if file.urls else 'none'}",
        f"  checksum: SHA-256{of_what} {file.sha256}",
        f"  folder: {target.parent}, or {file.folders[0]} in the folder of LIF_DATA",
    ]
    return "\n".join(lines)


# -- from files to arrays ------------------------------------------------------------------------------------


def _load_idx(name, files, class_names):
    located = [_locate(file) for file in files]
    x_train, y_train, x_test, y_test = (_read_idx(path) for path, _ in located)
    return Dataset(
        name,
        x_train,
        y_train.astype("int32"),
        x_test,
        y_test.astype("int32"),
        class_names,
        _joined(source for _, source in located),
    )


def _joined(sources):
    return ", ".join(dict.fromkeys(sources))


def _read_idx(path):
    """Array of bytes in the idx format: two zeros, type 8, rank, the sizes as big-endian int32, the data."""
    with gzip.open(path) as file:
        data = file.read()
    rank = data[3]
    shape = np.frombuffer(data, ">i4", rank, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape).copy()


def _split(name, x, y, class_names, seed, test_fraction):
    train, test = _split_rows(y, np.arange(len(y)), seed, test_fraction)
    y = y.astype("int32")
    return Dataset(name, x[train], y[train], x[test], y[test], class_names, "scikit-learn")


def _split_rows(y, groups, seed, test_fraction):
    """Choose `test_fraction` of each class for the test, whole groups only; two shuffled arrays of rows.

    The rows of a group are of one class.
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction must be between 0 and 1, exclusive. Received: {test_fraction=}")
    rng = np.random.default_rng(seed)
    wanted = {label: round(test_fraction * np.sum(y == label)) for label in np.unique(y)}
    is_test = np.zeros(len(y), bool)
    for group in rng.permutation(groups.max() + 1):
        rows = np.flatnonzero(groups == group)
        label = y[rows[0]]
        if len(rows) <= wanted[label]:
            is_test[rows] = True
            wanted[label] -= len(rows)
    order = rng.permutation(len(y))
    return order[~is_test[order]], order[is_test[order]]


def _to_bytes(x):
    """Intensities from 0 to 1 as uint8 from 0 to 255."""
    return np.rint(255 * np.clip(x, 0, 1)).astype(np.uint8)


def _enlarge(images):
    """8 x 8 images to 28 x 28: three times the size by linear interpolation, and a margin of two pixels."""
    places = np.clip((np.arange(24) + 0.5) / 3 - 0.5, 0, 7)
    weights = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(8)))
    large = np.einsum("ai,nij,bj->nab", weights, images / 255, weights)
    return _to_bytes(np.pad(large, ((0, 0), (2, 2), (2, 2))))


def _drawn(name, draw, class_names, per_class=(200, 40)):
    """Stand-in: `draw(label, rng)` gives a picture with values from 0 to 1."""
    rng = np.random.default_rng(0)
    arrays = []
    for count in per_class:
        y = np.tile(np.arange(len(class_names), dtype="int32"), count)
        arrays += [np.stack([_to_bytes(draw(label, rng)) for label in y]), y]
    return Dataset(name, *arrays, class_names, "stand-in")

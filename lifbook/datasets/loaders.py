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

import dataclasses
import gzip
import hashlib
import http.client
import importlib
import numbers
import os
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path

import numpy as np

from .progress import progress
from .results import alone

_TIMEOUT = 5  # seconds without an answer, so that a machine without a network finds out soon
_CHUNK = 1 << 18
_LARGEST = 1 << 30  # bytes; the largest file has a third of it
_MINUTE, _SLOWEST = 60, 1000  # a host that has sent fewer bytes per second after a minute is given up


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
    def is_stand_in(self) -> bool:
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
IRISES = ("setosa", "versicolor", "virginica")
THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# In the order of the official labels, which come without names; spelt as in torchvision's list.
FLOWERS = tuple(
    """pink primrose, hard-leaved pocket orchid, canterbury bells, sweet pea, english marigold, tiger lily,
    moon orchid, bird of paradise, monkshood, globe thistle, snapdragon, colt's foot, king protea, spear thistle,
    yellow iris, globe-flower, purple coneflower, peruvian lily, balloon flower, giant white arum lily, fire lily,
    pincushion flower, fritillary, red ginger, grape hyacinth, corn poppy, prince of wales feathers,
    stemless gentian, artichoke, sweet william, carnation, garden phlox, love in the mist, mexican aster,
    alpine sea holly, ruby-lipped cattleya, cape flower, great masterwort, siam tulip, lenten rose,
    barbeton daisy, daffodil, sword lily, poinsettia, bolero deep blue, wallflower, marigold, buttercup,
    oxeye daisy, common dandelion, petunia, wild pansy, primula, sunflower, pelargonium, bishop of llandaff,
    gaura, geranium, orange dahlia, pink-yellow dahlia?, cautleya spicata, japanese anemone, black-eyed susan,
    silverbush, californian poppy, osteospermum, spring crocus, bearded iris, windflower, tree poppy, gazania,
    azalea, water lily, rose, thorn apple, morning glory, passion flower, lotus, toad lily, anthurium,
    frangipani, clematis, hibiscus, columbine, desert-rose, tree mallow, magnolia, cyclamen, watercress,
    canna lily, hippeastrum, bee balm, ball moss, foxglove, bougainvillea, camellia, mallow, mexican petunia,
    bromelia, blanket flower, trumpet creeper, blackberry lily""".replace("\n    ", " ").split(", ")
)


def iris(seed: int = 0, test_fraction: float = 0.2) -> Dataset:
    """Fisher's Iris table: 150 flowers of three species, four lengths each.

    The split is stratified and depends on `seed` alone, so a chapter repeats an experiment over seeds.

    Args:
        seed: Integer from 0, chooses the split.
        test_fraction: Share of each class that is kept for the test, in (0, 1).

    Returns:
        A `Dataset`; `x` has shape `(n, 4)`, float32: sepal length, sepal width, petal length, petal width in
        cm.

    Raises:
        ValueError: If `seed` or `test_fraction` is out of its range, or one side of the split would be empty.
        ImportError: If scikit-learn is missing (`pip install scikit-learn`).

    Source: Fisher, The use of multiple measurements in taxonomic problems, Annals of Eugenics 7 (1936), as it
        ships with scikit-learn.
    """
    table = _module("sklearn.datasets", "scikit-learn").load_iris()
    names = tuple(str(name) for name in table.target_names)
    return _split("iris", table.data.astype("float32"), table.target, names, seed, test_fraction)


def digits(seed: int = 0, test_fraction: float = 0.2) -> Dataset:
    """Handwritten digits, 1,797 real images of 8 x 8 pixels.

    The 17 grey levels of the original, 0 to 16, are spread over 0 to 255 as in the other image sets.

    Args:
        seed: Integer from 0, chooses the stratified split.
        test_fraction: Share of each class that is kept for the test, in (0, 1).

    Returns:
        A `Dataset`; `x` has shape `(n, 8, 8)`, uint8.

    Raises:
        ValueError: If `seed` or `test_fraction` is out of its range, or one side of the split would be empty.
        ImportError: If scikit-learn is missing (`pip install scikit-learn`).

    Source: Alpaydin & Kaynak, Optical recognition of handwritten digits (1998), as it ships with
        scikit-learn.
    """
    table = _module("sklearn.datasets", "scikit-learn").load_digits()
    return _split("digits", _to_bytes(table.images / 16), table.target, DIGITS, seed, test_fraction)


def mnist(stand_in: bool = False) -> Dataset:
    """MNIST: 70,000 handwritten digits, 28 x 28 pixels, with the official split of 60,000 and 10,000.

    Args:
        stand_in: Whether to return the real 8 x 8 digits of `digits`, enlarged to 28 x 28 pixels, where MNIST
            cannot be had.

    Returns:
        A `Dataset`; `x` has shape `(n, 28, 28)`, uint8.

    Raises:
        DataUnavailable: If the files are nowhere and `stand_in` is false.
        ChecksumError: If a file is there but is not the published one.
        ImportError: If the stand-in is taken and scikit-learn is missing (`pip install scikit-learn`).

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


def fashion_mnist(stand_in: bool = False) -> Dataset:
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

    return _drawn("fashion_mnist", drawings.garment, GARMENTS)


def cifar10(stand_in: bool = False) -> Dataset:
    """CIFAR-10: 60,000 colour pictures of ten kinds of things, 32 x 32 pixels, official split 50,000 and 10,000.

    The folder of `LIF_DATA` may also hold the pictures as one `cifar10.npz` with arrays `x_train`, `y_train`,
    `x_test` and `y_test`; it is checked by shape, number of pictures per class and the published pixel means.

    Args:
        stand_in: Whether to return silhouettes drawn by the project where CIFAR-10 cannot be had.

    Returns:
        A `Dataset`; `x` has shape `(n, 32, 32, 3)`, uint8.

    Raises:
        DataUnavailable: If the file is nowhere and `stand_in` is false.
        ChecksumError: If a file is there but is not the published one.

    Source: Krizhevsky, Learning multiple layers of features from tiny images (2009).
    """
    data = _data_folder()
    for path in (data / "cifar10/cifar10.npz", data / "cifar10.npz") if data else ():
        if path.is_file():
            return Dataset("cifar10", *_read_cifar10_npz(path), THINGS, "LIF_DATA")
    try:
        path, source = _locate(_CIFAR10)
    except DataUnavailable:
        if not stand_in:
            raise
        from . import drawings

        return _drawn("cifar10", drawings.thing, THINGS)
    return Dataset("cifar10", *_read_cifar10(path), THINGS, source)


def flowers(classes: int | None = None, size: int = 128, stand_in: bool = False) -> Dataset:
    """Oxford 102: 8,189 photographs of flowers, cropped to the central square.

    With `classes=None` all 102 classes in the official split: the first 1,020 rows of `x_train` are the official
    training set, the next 1,020 the official validation set, and `x_test` is the official test set of 6,149.

    With a number, the setting found in the authors' package: that many of the largest classes (they took ten), the
    first 120 pictures of each, one class after the other in turn; the first sixth is for the test. Classes are
    numbered by falling size.

    Args:
        classes: `None`, or an integer from 2 to 15 (that many classes have 120 pictures).
        size: Side of the pictures in pixels, 8 to 128.
        stand_in: Whether to return flowers drawn by the project where the photographs cannot be had.

    Returns:
        A `Dataset`; `x` has shape `(n, size, size, 3)`, uint8.

    Raises:
        ValueError: If `classes` or `size` is out of its range.
        DataUnavailable: If the files are nowhere and `stand_in` is false.
        ChecksumError: If a file is there but is not the published one.
        ImportError: If the photographs are there and scipy or pillow is missing (`pip install scipy pillow`).

    Source: Nilsback & Zisserman, Automated flower classification over a large number of classes (2008).
    """
    if classes is not None and not _is_integer(classes, 2, 15):
        raise ValueError(f"classes must be None or an integer from 2 to 15. Received: {classes=}")
    _check_size(size)
    try:
        labels, split = (_locate(file) for file in (_FLOWER_LABELS, _FLOWER_SPLIT))
        archive = _in_data_folder(_FLOWERS_SMALL)
        archive, source = (archive, "LIF_DATA") if archive else _locate(_FLOWERS)
    except DataUnavailable:
        if not stand_in:
            raise
        from . import drawings

        names = FLOWERS if classes is None else tuple(f"drawn flower {i + 1}" for i in range(classes))
        per_class = (8, 2) if classes is None else (100, 20)
        return _drawn("flowers", lambda label, rng: drawings.flower(label, size, rng), names, per_class)
    loadmat = _module("scipy.io", "scipy").loadmat
    y = loadmat(labels[0])["labels"].ravel().astype("int32") - 1
    if classes is None:
        ids = loadmat(split[0])
        train, test = (
            np.concatenate([ids["trnid"], ids["valid"]], axis=1).ravel() - 1,
            ids["tstid"].ravel() - 1,
        )
        names = FLOWERS
    else:
        largest = np.argsort(-np.bincount(y), kind="stable")[:classes]
        rows = np.stack([np.flatnonzero(y == label)[:120] for label in largest], axis=1).ravel()
        test, train = rows[: 20 * classes], rows[20 * classes :]
        y = np.array(
            [np.flatnonzero(largest == label)[0] if label in largest else -1 for label in y], "int32"
        )
        names = tuple(FLOWERS[label] for label in largest)
    x = _read_flowers(archive, np.concatenate([train, test]), size)
    source = _joined([labels[1], split[1], source])
    return Dataset("flowers", x[: len(train)], y[train], x[len(train) :], y[test], names, source)


def iris_photos(
    size: int = 128, seed: int = 0, test_fraction: float = 0.2, stand_in: bool = False
) -> Dataset:
    """Photographs of the three species of Fisher's table, cropped to the central square.

    The collection of 421 has no official host and its terms are not known; it is read from `LIF_DATA` only. In it 16
    photographs are filed under two species each, byte for byte the same: both copies are left out. Photographs that
    are nearly equal (difference hashes of 64 bits, at most 12 of them different) form a group, and a group is never
    divided between training and test.

    Args:
        size: Side of the pictures in pixels, 8 to 256.
        seed: Integer from 0, chooses the stratified split.
        test_fraction: Share of each class that is kept for the test, in (0, 1).
        stand_in: Whether to return flowers drawn by the project where the photographs cannot be had.

    Returns:
        A `Dataset`; `x` has shape `(n, size, size, 3)`, uint8, and `groups_train` numbers the groups.

    Raises:
        ValueError: If `size`, `seed` or `test_fraction` is out of its range, or one side of the split would be empty.
        DataUnavailable: If the file is not in the folder of `LIF_DATA` and `stand_in` is false.
        ChecksumError: If it is another file of that name.
        ImportError: If the photographs are there and pillow is missing (`pip install pillow`).
    """
    _check_size(size, largest=256)
    try:
        path, source = _locate(_IRIS_PHOTOS)
    except DataUnavailable:
        if not stand_in:
            raise
        from . import drawings

        drawn = _drawn("iris_photos", lambda label, rng: drawings.flower(label, size, rng), IRISES, (40, 10))
        return dataclasses.replace(drawn, groups_train=np.arange(len(drawn.y_train)))
    x, y, hashes = _read_iris_photos(path, size)
    groups = _groups(hashes, at_most=12)
    clear = np.array([np.all(y[groups == group] == label) for label, group in zip(y, groups, strict=True)])
    x, y, groups = x[clear], y[clear], np.unique(groups[clear], return_inverse=True)[1]
    train, test = _split_rows(y, groups, seed, test_fraction)
    return Dataset("iris_photos", x[train], y[train], x[test], y[test], IRISES, source, groups[train])


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


_CIFAR10 = _File(
    "cifar-10-binary.tar.gz",  # the edition without pickles
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    folders=("cifar10",),
)

_OXFORD = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
_FLOWERS, _FLOWER_LABELS, _FLOWER_SPLIT = (
    _File(name, sha256, (_OXFORD + name,), folders=("flowers102", "flowers"))
    for name, sha256 in (
        ("102flowers.tgz", "2d01ecc807db462958cfe3d92f57a8c252b4abd240eb955770201e45f783b246"),
        ("imagelabels.mat", "4903e94206bac23bf772aadf06451916df56b58fc483a62db32a97b82656651d"),
        ("setid.mat", "46b8678f91fd95d3c8f4feab80d271a6c834a1dd896fe29fd3e6ad9ce5c8dccd"),
    )
)

# Two collections that are only ever found in LIF_DATA.
_FLOWERS_SMALL = _File(  # the photographs of 102flowers.tgz with a short side of 128 pixels
    "102flowers_short128_q85.tar",
    "1f8bf2e85dbfb5e8e36307a0998dad627a9ecef16decf053c20b1cca1d2a9550",
    folders=("flowers102", "flowers"),
)
_IRIS_PHOTOS = _File(
    "iris_images_421_256px.tar",
    "f333da1c70f59ac2635ff5dcde51cf86c09145ad4716c5f8e9a8c7947b69a3c6",
    folders=("iris_photos",),
)


def _data_folder():
    """The folder of `LIF_DATA`, or `None`."""
    value = os.environ.get("LIF_DATA")
    if not value:
        return None
    folder = os.path.expanduser(value)
    if not os.path.isdir(folder):
        raise ValueError(
            f"LIF_DATA must name a folder with data sets. Received: LIF_DATA={value!r}, which is none"
        )
    return Path(folder)


def _cache_folder():
    chosen = os.environ.get("LIF_CACHE")
    folder = os.path.expanduser(chosen or os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    if folder.startswith("~"):
        raise ValueError(f"LIF_CACHE must name a folder: this is the home of nobody. Received: {folder!r}")
    return Path(folder) if chosen else Path(folder) / "lif-book"


def _locate(file):
    """Find or download a file, verified; returns its path and the name of the place."""
    if path := _in_data_folder(file):
        return path, "LIF_DATA"
    if file.system_folder:
        path = Path(file.system_folder) / file.name
        if os.path.isfile(path):
            return _verified(file, path), "Debian package"
    path = _cache_folder() / file.folders[0] / file.name
    if file.urls and os.path.isfile(path):  # also of a name that is too long
        return _verified(file, path), "official archive"
    return _download(file, path), "official archive"


def _in_data_folder(file):
    """Path of the file in the folder of `LIF_DATA`, verified, or `None`."""
    data = _data_folder()
    for folder in (*file.folders, ".") if data else ():
        path = data / folder / file.name
        # The official names of MNIST and Fashion-MNIST are the same: directly in LIF_DATA may lie the other.
        if path.is_file() and not (folder == "." and _is_another_file(file, path)):
            return _verified(file, path)
    return None


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
    part = target.with_name(target.name + ".part")
    offline = os.environ.get("LIF_OFFLINE") == "1"
    reasons = ["LIF_OFFLINE=1 forbids downloads"] if offline else []
    if offline or not file.urls:
        raise DataUnavailable(_how_to_get(file, target, reasons))
    with alone(target):
        if os.path.isfile(target):  # another process has downloaded it in the meantime
            return _verified(file, target)
        for url in file.urls:
            pace = _Pace()
            while True:
                before = _size(part)
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    _fetch(url, part, pace)
                except _Unfit as error:
                    part.unlink(missing_ok=True)
                    reasons.append(f"{url}: {error}")
                    break
                except (OSError, http.client.HTTPException, ValueError) as error:
                    if _size(part) > before and not isinstance(error, _TooSlow):
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
    raise DataUnavailable(_how_to_get(file, target, reasons))


class _TooSlow(OSError):
    """What the host has sent is kept, and the next one may go on from there."""


class _Pace:
    """Keeps count of what a host sends, and gives it up if that is next to nothing."""

    def __init__(self):
        self.begun, self.sent = time.monotonic(), 0

    def add(self, count):
        self.sent += count
        seconds = time.monotonic() - self.begun
        if seconds > _MINUTE and self.sent < _SLOWEST * seconds:
            raise _TooSlow(f"sent no more than {self.sent:,} bytes in {seconds:.0f} seconds")


class _Unfit(Exception):
    """What the host sends can be none of the files."""


def _size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def _fetch(url, part, pace):
    """Append to `part` what it lacks; raise an `OSError` if the connection ends before the file does."""
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
        length = response.headers.get("Content-Length") or ""
        total = start + int(length) if length.isdecimal() else None
        with (
            open(part, "r+b" if part.exists() else "wb") as out,
            progress(total=total, initial=start, unit="B", unit_scale=True, desc=part.stem) as bar,
        ):
            out.seek(start)
            while chunk := response.read1(_CHUNK):
                out.write(chunk)
                bar.update(len(chunk))
                pace.add(len(chunk))
                if max(out.tell(), total or 0) > _LARGEST:
                    raise _Unfit(f"sends more than {_LARGEST:,} bytes, which no data set has")
            if total is not None and out.tell() < total:
                raise ConnectionError(f"connection lost after {out.tell()} of {total} bytes")
            out.truncate()  # only now: where a host does not resume, what lies beyond may be of use to the next


def _how_to_get(file, target, reasons):
    data = os.environ.get("LIF_DATA")
    data_folder = Path(data or "the folder of LIF_DATA") / file.folders[0]
    return "\n".join(
        [
            f"{file.name} is not in the folder of LIF_DATA ({data or 'not set'}), not in the cache, "
            "and could not be downloaded:",
            *(f"  {reason}" for reason in reasons or ["it has no official host"]),
            "To supply it by hand:",
            f"  URL: {file.urls[0] if file.urls else 'none'}",
            f"  checksum: SHA-256{' of the decompressed file' if file.of_content else ''} {file.sha256}",
            f"  folder: {f'{target.parent} or ' if file.urls else ''}{data_folder}",
        ]
    )


# -- from files to arrays ------------------------------------------------------------------------------------


def _module(name, package):
    """A module that the layers do without, from a package that not every user has."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise ImportError(
            f"This data set needs the package {package}: pip install {package} (lif-book[chapters] brings it)"
        ) from None


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


def _read_cifar10(path):
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


def _read_cifar10_npz(path):
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


def _read_flowers(path, rows, size):
    """The pictures numbered `rows` (from 0), in that order."""
    Image = _module("PIL.Image", "pillow")
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


def _read_iris_photos(path, size):
    """Pictures, classes and difference hashes, in the order of their names."""
    Image = _module("PIL.Image", "pillow")
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


def _groups(hashes, at_most):
    """Number the rows so that rows whose hashes differ in `at_most` bits, directly or in a chain, are equal."""
    groups = np.arange(len(hashes))
    distance = (hashes[:, None] != hashes[None]).sum(axis=-1)
    for one, other in np.argwhere(np.triu(distance <= at_most, 1)):
        groups[groups == groups[other]] = groups[one]
    return groups


def _is_integer(value, least, most=np.inf):
    return isinstance(value, numbers.Integral) and least <= value <= most


def _check_size(size, largest=128):
    if not _is_integer(size, 8, largest):
        raise ValueError(f"size must be an integer from 8 to {largest}. Received: {size=}")


def _split(name, x, y, class_names, seed, test_fraction):
    train, test = _split_rows(y, np.arange(len(y)), seed, test_fraction)
    y = y.astype("int32")
    return Dataset(name, x[train], y[train], x[test], y[test], class_names, "scikit-learn")


def _split_rows(y, groups, seed, test_fraction):
    """Choose `test_fraction` of each class for the test, whole groups only; two shuffled arrays of rows.

    The rows of a group are of one class.
    """
    if not _is_integer(seed, 0):
        raise ValueError(f"seed must be an integer >= 0. Received: {seed=}")
    if not (isinstance(test_fraction, numbers.Real) and 0 < test_fraction < 1):
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
    if is_test.all() or not is_test.any():
        raise ValueError(
            f"test_fraction must leave examples for training and for the test. Received: {test_fraction=}, of {len(y)}"
        )
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


def _drawn(name, draw, class_names, per_class=(150, 30)):
    """Stand-in: `draw(label, rng)` gives a picture with values from 0 to 1."""
    rng = np.random.default_rng(0)
    arrays = []
    for count in per_class:
        y = np.tile(np.arange(len(class_names), dtype="int32"), count)
        arrays += [np.stack([_to_bytes(draw(label, rng)) for label in y]), y]
    return Dataset(name, *arrays, class_names, "stand-in")

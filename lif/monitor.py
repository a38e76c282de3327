"""What a network does: firing rates while it trains, plain words when a layer is silent or always on, synapses."""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import ArrayLike

from .coarse import CoarseLIF
from .layers import LIF, LeakyIntegrator, RecurrentLIF
from .soft import SoftNeuron

DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
COUNTED = (layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D, *DEPTHWISE)


def firing_rates(model: keras.Model, x: ArrayLike) -> dict[str, np.ndarray]:
    r"""Spikes per step of every `LIF` and `CoarseLIF` unit, $r = \frac{1}{B T} \sum_{b, t} s_t$, averaged over a batch.

    Args:
        model: A built `Sequential` or functional Keras model.
        x: A batch of inputs for it; a few hundred examples are enough.

    Returns:
        A dict, name of the layer -> array of the shape of its units, rates between 0 and 1.

    Raises:
        ValueError: If the model has no `lif.LIF` or `lif.CoarseLIF` layer.

    Example:

    >>> import keras, lif, numpy as np
    >>> model = keras.Sequential([keras.Input((None, 3)), lif.LIF(leak=0.0, name="hidden")])
    >>> lif.firing_rates(model, np.full((1, 10, 3), 0.5))["hidden"].tolist()
    [0.5, 0.5, 0.5]
    """
    hidden = [layer for layer in model.layers if isinstance(layer, LIF | CoarseLIF)]
    if not hidden:
        raise ValueError(
            f"Argument `model` must have a lif.LIF or lif.CoarseLIF layer. Received: layers {model.layers}"
        )
    outputs = [
        layer.output[0] if isinstance(layer.output, list | tuple) else layer.output for layer in hidden
    ]
    spikes = keras.Model(model.inputs, outputs)(ops.convert_to_tensor(x), training=False)
    spikes = spikes if isinstance(spikes, list | tuple) else [spikes]
    rates = [np.asarray(ops.convert_to_numpy(ops.mean(ops.cast(s, "float32"), axis=(0, 1)))) for s in spikes]
    return {layer.name: rate for layer, rate in zip(hidden, rates, strict=True)}


def advice(name: str, rates: np.ndarray) -> str | None:
    """What to say of a layer with these rates, or `None` if nothing is wrong with it.

    Args:
        name: Name of the layer.
        rates: Array of firing rates, one per unit.

    Returns:
        A sentence for a layer in which more than half of the units never fired, or fired in more than nine steps of
        ten; else `None`.
    """
    silent, always_on = np.mean(rates == 0), np.mean(rates > 0.9)
    if silent > 0.5:
        return (
            f"{name}: {silent:.0%} of the units were silent. Try batch normalisation or larger initial weights or "
            "inputs, a lower threshold, a smaller leak, more steps, or, where some current arrives, a surrogate that "
            "reaches far below threshold (constant)."
        )
    if always_on > 0.5:
        return (
            f"{name}: {always_on:.0%} of the units fired in nearly every step. Try smaller initial weights or inputs, "
            "a higher threshold, a larger leak, or a refractory period."
        )
    return None


class FiringRates(keras.callbacks.Callback):
    """Reports the firing rates of all LIF layers after each epoch, and says when one is silent or always on.

    The mean rate of each layer joins the logs, and so the history, as `<layer>_rate`.

    Args:
        x: A batch of inputs to measure the rates on.

    Example:

    >>> import keras, lif, numpy as np
    >>> hidden = [keras.layers.Dense(4, kernel_initializer="zeros"), lif.LIF(name="hidden")]
    >>> model = keras.Sequential([keras.Input((None, 3)), *hidden, lif.LeakyIntegrator()])
    >>> model.compile("sgd", "mse")
    >>> x = np.zeros((2, 5, 3))
    >>> history = model.fit(x, np.zeros((2, 4)), callbacks=[lif.FiringRates(x)], verbose=0)
    hidden: 100% of the units were silent. Try batch normalisation or larger initial weights or inputs, a lower \
threshold, a smaller leak, more steps, or, where some current arrives, a surrogate that reaches far below threshold \
(constant).
    >>> history.history["hidden_rate"]
    [0.0]
    """

    def __init__(self, x: ArrayLike):
        super().__init__()
        self.x = x
        self._said: dict[str, str | None] = {}

    def on_epoch_end(self, epoch, logs=None):
        for name, rates in firing_rates(self.model, self.x).items():
            if logs is not None:
                logs[f"{name}_rate"] = float(np.mean(rates))
            words = advice(name, rates)
            if words and words != self._said.get(name):  # once, not after every epoch
                print(words)
            self._said[name] = words


class Synapses(NamedTuple):
    """What a layer of weights adds to the cost of a network: see `lif.synapses`."""

    count: int
    source: str | None


def synapses(model: keras.Model) -> dict[str, Synapses]:
    r"""Counts the synapses of a network, layer by layer, and says whose spikes they carry.

    A dense network uses each synapse in every pass, for one multiply-accumulate. A spiking one uses it when the neuron
    before it fires: with $n_\ell$ synapses behind neurons that fire at the mean rate $\bar r_\ell$,
    $\sum_\ell \bar r_\ell\, n_\ell$ synaptic operations in a second (or a step). A convolution counts each place of its
    window, those on the padding included, as is usual. Pooling has no weights and passes the mean rate on.

    Args:
        model: A built `Sequential` or functional model, of neurons that are `lif.LIF`, `lif.CoarseLIF` or
            `lif.SoftNeuron` layers and of dense and convolutional layers, perhaps in `TimeDistributed`. Numbers are for
            one example and one step. A layer of your own that has weights says its number in an attribute `synapses`.

    Returns:
        A dict, name of the layer of weights -> `Synapses(count, source)`. The source is the name of the layer of
        neurons before it, or `None` for the input, encoded or not. A `RecurrentLIF` is its own source.

    Raises:
        ValueError: If a layer's synapses cannot be counted, or listen to several layers of neurons.

    Example:

    >>> import keras, lif
    >>> hidden = [keras.layers.Dense(8, name="in"), lif.SoftLIF(name="hidden")]
    >>> model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(3, name="out")])
    >>> lif.synapses(model)
    {'in': Synapses(count=32, source=None), 'out': Synapses(count=24, source='hidden')}
    """
    has_time = any(isinstance(layer, LIF | CoarseLIF) for layer in model.layers)
    found, known = {}, {}

    def sources(tensor):
        """Names of the layers of neurons whose output reaches a tensor; None among them for the input."""
        operation, index, _ = tensor._keras_history
        if (operation.name, index) in known:
            return known[operation.name, index]
        node = operation._inbound_nodes[index]
        heard = set().union(*map(sources, node.input_tensors)) or {None}
        if isinstance(operation, LIF | CoarseLIF | SoftNeuron):
            heard = {operation.name}
        count = _count(operation, node.output_tensors[0].shape, has_time)
        if count and len(heard) > 1:
            raise ValueError(
                "Each layer of weights in argument `model` must listen to one layer of neurons, or to the input. "
                f"Received: layer {operation.name!r}, which listens to {sorted(map(str, heard))}"
            )
        if count:  # a layer that is used twice has its synapses twice
            before = found.get(operation.name, (0,))[0]
            found[operation.name] = Synapses(before + count, *heard)
        known[operation.name, index] = heard
        return heard

    for output in model.outputs:
        sources(output)
    return found


def _count(operation, shape, has_time):
    """The synapses of a layer, given the shape of its output: its weights times the places of their use."""
    layer, units = operation, shape[1:]
    if isinstance(layer, layers.TimeDistributed):
        layer, units = layer.layer, shape[2:]
    elif isinstance(layer, layers.Dense) and has_time and len(units) > 1:
        units = shape[2:]
    if hasattr(layer, "synapses"):
        return layer.synapses
    if isinstance(layer, RecurrentLIF):
        return math.prod(shape[2:]) * shape[-1]
    if isinstance(layer, COUNTED) and None not in units:
        kernel = layer.kernel.shape
        channels = math.prod(kernel[-2:]) if isinstance(layer, DEPTHWISE) else kernel[-1]
        return math.prod(kernel) * math.prod(units) // channels
    is_silent = isinstance(layer, LIF | LeakyIntegrator)  # a trained leak is no synapse
    if is_silent or all(len(w.shape) < 2 for w in getattr(layer, "weights", ())):
        return 0
    raise ValueError(
        "Argument `model` must have layers whose synapses can be counted: Dense, Conv, DepthwiseConv, TimeDistributed "
        f"of these, for places of a known number, or with an attribute `synapses`. Received: {operation}"
    )

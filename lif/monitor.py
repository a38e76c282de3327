"""What a network does: firing rates while it trains, plain words when a layer is silent or always on, synapses."""

import html
import math
from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import ArrayLike

from ._graph import nodes, outputs_in, refuse_hidden, refuse_shared, unfolded
from .coarse import CoarseLIF
from .encoders import _TimeEncoder
from .layers import LIF, LeakyIntegrator, RecurrentLIF
from .soft import SoftNeuron

DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
OVER_TIME = (layers.GlobalAveragePooling1D, layers.GlobalMaxPooling1D)
MOVED = (layers.Flatten, layers.Reshape, layers.Permute)
COUNTED = (layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D, *DEPTHWISE)


def firing_rates(model: keras.Model, x: ArrayLike) -> dict[str, np.ndarray]:
    r"""Spikes per step of every `LIF` and `CoarseLIF` unit, $r = \frac{1}{B T} \sum_{b, t} s_t$, averaged over a batch.

    A masked step counts as one without a spike. To measure leaves no trace: encoders that draw at random go on as if
    nothing had been.

    Args:
        model: A built `Sequential` or functional Keras model.
        x: A batch of inputs for it; a few hundred examples are enough. For several inputs, as Keras takes them.

    Returns:
        A dict, name of the layer -> array of the shape of its units, rates between 0 and 1.

    Raises:
        ValueError: If the model has no `lif.LIF` or `lif.CoarseLIF` layer, one that stands inside another model or is
            used twice, or `x` holds no example.

    Example:

    >>> import keras, lif, numpy as np
    >>> model = keras.Sequential([keras.Input((None, 3)), lif.LIF(leak=0.0, name="hidden")])
    >>> lif.firing_rates(model, np.full((1, 10, 3), 0.5))["hidden"].tolist()
    [0.5, 0.5, 0.5]
    """
    return {name: ops.convert_to_numpy(_mean(spikes, (0, 1))) for name, spikes in _spikes(model, x).items()}


def _spikes(model, x, also=()):
    """Name -> spikes, `(batch, time, *units)`, of every layer of spiking neurons; and what others put out."""
    found = outputs_in(model)
    refuse_hidden(model, (LIF, CoarseLIF), found)
    used = [layer for node in nodes(model) for layer in unfolded(node) if isinstance(layer, LIF | CoarseLIF)]
    refuse_shared(used)
    outputs = {layer.name: found[layer] for layer in used}
    if not outputs:
        raise ValueError(
            f"Argument `model` must have a LIF or CoarseLIF layer of lif. Received: layers {model.layers}"
        )
    outputs |= {each.name: found[each] for each in also}
    entries = getattr(model, "_functional", model).input
    is_one = isinstance(entries, keras.KerasTensor)
    x = ops.convert_to_tensor(x) if is_one else keras.tree.map_structure(ops.convert_to_tensor, x)
    if not all(len(each) for each in keras.tree.flatten(x)):
        raise ValueError("Argument `x` must have an example at least. Received: none")
    generators = [
        g.state for layer in model._flatten_layers() for g in getattr(layer, "_seed_generators", ())
    ]
    before = [ops.convert_to_numpy(state) for state in generators]
    activity = keras.Model(entries, outputs)(x, training=False)
    for state, value in zip(generators, before, strict=True):
        state.assign(value)
    return activity


def _mean(y, axis=None):
    return ops.mean(ops.cast(y, "float32"), axis=axis)


def advice(name: str, rates: np.ndarray) -> str | None:
    """What to say of a layer with these rates, or `None` if nothing is wrong with it.

    Args:
        name: Name of the layer.
        rates: Array of firing rates, one per unit.

    Returns:
        A sentence for a layer whose rates are no numbers, or in which more than half of the units never fired, or fired
        in more than nine steps of ten; else `None`.
    """
    if np.isnan(rates).any():
        return (
            f"{name}: the rates are no numbers (NaN), so the training has diverged. Try a smaller learning rate or "
            "clipped gradients, and look for NaN among the inputs."
        )
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

    Raises:
        ValueError: As `lif.firing_rates`, before the first epoch, or after it for a model that is not built yet.

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

    def on_train_begin(self, logs=None):
        if self.model.built:
            firing_rates(self.model, self.x)

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
        ValueError: If a layer's synapses cannot be counted, or listen to several layers of neurons, neurons stand
            inside another layer or model, or the time axis is reshaped away.

    Example:

    >>> import keras, lif
    >>> hidden = [keras.layers.Dense(8, name="in"), lif.SoftLIF(name="hidden")]
    >>> model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(3, name="out")])
    >>> lif.synapses(model)
    {'in': Synapses(count=32, source=None), 'out': Synapses(count=24, source='hidden')}
    """
    within = outputs_in(model)
    refuse_hidden(model, (LIF, CoarseLIF, SoftNeuron), within)
    # Time begins at the encoder, or where there is none, but neurons that want time, at the input.
    is_encoded = any(isinstance(layer, _TimeEncoder) for layer in within)
    from_the_start = not is_encoded and any(isinstance(layer, LIF | CoarseLIF) for layer in within)
    found, known = {}, {}

    def sources(tensor):
        """Names of the layers of neurons whose output reaches a tensor, None for the input; whether it has time."""
        operation, index, _ = tensor._keras_history
        if (operation.name, index) in known:
            return known[operation.name, index]
        node = operation._inbound_nodes[index]
        before = [sources(each) for each in node.input_tensors]
        heard = set().union(*(names for names, _ in before)) or {None}
        has_time = any(timed for _, timed in before) or (from_the_start and not before)
        for layer, output in unfolded(node).items():
            if isinstance(layer, LIF | CoarseLIF | SoftNeuron):
                heard = {layer.name}
            has_time = has_time or isinstance(layer, _TimeEncoder)
            count = _count(layer, output.shape, has_time)
            if (
                isinstance(layer, LeakyIntegrator)
                and not layer.return_sequences
                or isinstance(layer, OVER_TIME)
            ):
                has_time = False
            if has_time and isinstance(layer, MOVED):
                raise ValueError(
                    "Argument `model` must keep its steps apart: put what reshapes into TimeDistributed. "
                    f"Received: layer {layer.name!r} ({type(layer).__name__}), which acts on the time axis"
                )
            if count and len(heard) > 1:
                raise ValueError(
                    "Each layer of weights in argument `model` must listen to one layer of neurons, or to the input. "
                    f"Received: layer {layer.name!r}, which listens to {sorted(map(str, heard))}"
                )
            if count:  # a layer that is used twice has its synapses twice
                before = found.get(layer.name, (0,))[0]
                found[layer.name] = Synapses(before + count, *heard)
        known[operation.name, index] = heard, has_time
        return known[operation.name, index]

    for output in model.outputs:
        sources(output)
    return found


def _count(operation, shape, has_time):
    """The synapses of a layer, given the shape of its output: its weights times the places of their use in a step."""
    layer, units = operation, shape[2 if has_time and len(shape) > 2 else 1 :]
    if isinstance(layer, layers.TimeDistributed):
        layer, units = layer.layer, shape[2:]
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


class LayerActivity(NamedTuple):
    """A row of `lif.summary`: what a layer's spikes are, and what they set going in the layers that hear them."""

    layer: str
    units: int
    rate: float
    spikes: float
    operations: float


ALIGN = ' style="text-align:right"'


class Summary(list):
    """The rows of `lif.summary`, `LayerActivity` each; printed, or shown in a notebook, it is a table."""

    HEAD = ("layer", "units", "rate", "spikes", "synaptic operations")

    def _cells(self):
        total = (
            "total",
            "",
            "",
            f"{sum(r.spikes for r in self):,.0f}",
            f"{sum(r.operations for r in self):,.0f}",
        )
        rows = [
            (r.layer, f"{r.units:,}", f"{r.rate:.3f}", f"{r.spikes:,.0f}", f"{r.operations:,.0f}")
            for r in self
        ]
        return [*rows, total]

    def __str__(self):
        table = [self.HEAD, *self._cells()]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        first, *others = widths
        return "\n".join(
            "  ".join(
                [row[0].ljust(first), *(cell.rjust(w) for cell, w in zip(row[1:], others, strict=True))]
            )
            for row in table
        )

    __repr__ = __str__

    def _repr_html_(self):
        def row(tag, cells):
            left, *right = (html.escape(cell) for cell in cells)
            return (
                f"<tr><th>{left}</th>" + "".join(f"<{tag}{ALIGN}>{cell}</{tag}>" for cell in right) + "</tr>"
            )

        head, body = row("th", self.HEAD), "".join(row("td", cells) for cells in self._cells())
        return f'<table class="lif-summary"><thead>{head}</thead><tbody>{body}</tbody></table>'


def summary(model: keras.Model, x: ArrayLike) -> Summary:
    r"""A table of what a spiking network does with one example, on average over a batch.

    For the input and for each layer of neurons: the number of units $N$, the firing rate $\bar r$ per unit and step,
    the spikes of an example, $\bar r N T$, and the synaptic operations that they cause, $\bar r\, n\, T$ with the $n$
    synapses that listen to the layer (see `lif.synapses`). Where the input is no spikes but currents, each number that
    is not 0 counts as a spike: its multiplications have to be done. Weights before an encoder count in each step, as if
    they stood behind it, and a masked step counts as one without a spike.

    Args:
        model: A built `Sequential` or functional model of layers that `lif.synapses` knows, with `lif.LIF` or
            `lif.CoarseLIF` layers.
        x: A batch of inputs for it; a few hundred examples are enough.

    Returns:
        A list of `(layer, units, rate, spikes, operations)`, which is shown as a table with a row for the total.

    Raises:
        ValueError: If the model has no spiking layer or several inputs, or `lif.synapses` cannot count it.

    Example:

    >>> import keras, lif, numpy as np
    >>> hidden = [keras.layers.Dense(2, kernel_initializer="ones"), lif.LIF(leak=0.0, name="hidden")]
    >>> model = keras.Sequential([keras.Input((None, 3)), *hidden, keras.layers.Dense(4), lif.LeakyIntegrator()])
    >>> lif.summary(model, np.full((1, 10, 3), 0.2))
    layer   units   rate  spikes  synaptic operations
    input       3  1.000      30                   60
    hidden      2  0.500      10                   40
    total                     40                  100
    """
    if len(model.inputs) != 1:
        raise ValueError(
            f"Argument `model` must have one input. Received: {model.name}, with {len(model.inputs)}"
        )
    encoders = [layer for layer in model.layers if isinstance(layer, _TimeEncoder)][:1]
    activity = _spikes(model, x, encoders)
    entered = activity.pop(encoders[0].name) if encoders else ops.convert_to_tensor(x)
    heard = synapses(model).values()
    rows = Summary()
    for name, y in {None: ops.not_equal(entered, 0), **activity}.items():
        units, steps, rate = math.prod(y.shape[2:]), y.shape[1], float(_mean(y))
        listening = sum(each.count for each in heard if each.source == name)
        rows.append(
            LayerActivity(name or "input", units, rate, rate * units * steps, rate * listening * steps)
        )
    return rows

"""What a network does: firing rates while it trains, advice when a layer is silent or always on, synapses."""

import html
import math
from collections.abc import Iterable
from typing import NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from . import surrogates
from ._checks import check_examples, refuse
from ._graph import Walk
from ._keras import DEPTHWISE, MOVED, POOLED, parts, traits
from .coarse import CoarseLIF
from .encoders import TimeEncoder
from .layers import LIF, LeakyIntegrator, RecurrentLIF
from .soft import SoftNeuron

SPIKING = (LIF, CoarseLIF)


def firing_rates(model: keras.Model, x: ArrayLike | Iterable) -> dict[str, np.ndarray]:
    r"""Measure spikes per step of every `LIF` and `CoarseLIF` unit, $r = \frac{1}{B T} \sum_{b, t} s_t$, over a batch.

    A masked step counts as one without a spike. To measure leaves no trace: encoders that draw at random go on as if
    nothing had been.

    Example:

    >>> import keras, lif, numpy as np
    >>> model = keras.Sequential([keras.Input((None, 3)), lif.LIF(leak=0.0, name="hidden")])
    >>> lif.firing_rates(model, np.full((1, 10, 3), 0.5))["hidden"].tolist()
    [0.5, 0.5, 0.5]

    Args:
        model: A Keras model: functional, a built `Sequential`, or a subclassed one that was called on a batch and can
            be followed, whose `call` makes no decision in Python about values and uses no other framework than Keras.
            Layers may stand in models inside it.
        x: A batch of inputs for it; a few hundred examples are enough. For several inputs, as Keras takes them. Or what
            gives batches, with targets or without, such as a `tf.data.Dataset` or a `keras.utils.PyDataset`: then the
            inputs of its first batch.

    Returns:
        A dict, name of the layer -> array of the shape of its units, rates between 0 and 1. Where layers in different
        models have the same name, they are named as `"backbone/hidden"`.

    Raises:
        ValueError: If the model has no `lif.LIF` or `lif.CoarseLIF` layer, one that stands inside another layer or is
            used twice, `x` holds no example, or the model cannot be followed.
    """
    walk, x = _walk(model, x)
    known = _run(walk, x)
    return {call.name: _rates(call, known) for call in walk.neurons.values()}


def _walk(model, x):
    """The calls of a spiking network, and inputs for it as tensors."""
    x = keras.tree.map_structure(ops.convert_to_tensor, _first_batch(x))
    for each in keras.tree.flatten(x):
        check_examples("x", each)
    walk = Walk(model, SPIKING, x)
    walk.refuse_shared()
    if not walk.neurons:
        raise refuse("model", "one with a LIF or CoarseLIF layer of lif", model)
    return walk, x


def _first_batch(x):
    """The inputs in the first batch of what gives batches; else `x` itself."""
    if isinstance(x, keras.utils.PyDataset):
        batch = x[0]
    elif isinstance(x, list | tuple | dict) or hasattr(x, "shape") or not hasattr(x, "__iter__"):
        return x
    else:
        batch = next(iter(x), None)
    if batch is None:
        raise ValueError("Argument `x` must give at least one batch. Received: none")
    return keras.utils.unpack_x_y_sample_weight(batch)[0]


def _run(walk, x):
    """What each symbolic tensor of a walk stands for; encoders that draw at random go on as if nothing had been."""
    seeds = walk.seeds
    before = [ops.convert_to_numpy(state) for state in seeds]
    known = walk.run(x)
    for state, value in zip(seeds, before, strict=True):
        state.assign(value)
    return known


def _rates(call, known):
    """The firing rate of each unit of a layer, in a run of its model."""
    return ops.convert_to_numpy(_mean(known[id(call.outputs[0])], (0, 1)))


def _mean(y, axis=None):
    return ops.mean(ops.cast(y, "float32"), axis=axis)


def advice(
    name: str, rates: np.ndarray, layer: keras.layers.Layer | None = None, floored: np.ndarray | None = None
) -> str | None:
    """What to say of a layer if its rates are NaN, or most of its units are silent or fire in nearly every step.

    `rates` has one number for each unit, and `floored`, if that is known, whether the unit sat on the floor of its
    potential in every step. Without `layer` a `lif.LIF` with another surrogate than the constant is assumed.
    """
    if np.isnan(rates).any():
        return (
            f"{name}: the rates are no numbers (NaN), so the training has diverged, or the inputs are at fault. Try a "
            "smaller learning rate or clipped gradients, and look among the inputs for NaN, and before an encoder for "
            "numbers outside of [0, 1]."
        )
    is_coarse, where = isinstance(layer, CoarseLIF), ""
    silent, always_on = rates == 0, np.mean(rates > 0.9)
    if np.mean(silent) > 0.5:
        found = f"{np.mean(silent):.0%} of the units were silent"
        ways = ["batch normalisation or larger initial weights or inputs"]
        ways += ["a larger tau"] if is_coarse else ["a lower threshold", "a smaller leak"]
        ways += ["more steps"]
        if floored is not None and np.mean(floored[silent]) > 0.5:
            where = f", most of them on their floor of {layer.floor}, where no surrogate reaches them"
            ways.insert(0, "floor=None")
        if getattr(layer, "surrogate", None) != surrogates.constant():
            ways += ["where some current arrives, a surrogate that reaches far below threshold (constant)"]
    elif always_on > 0.5:
        found = f"{always_on:.0%} of the units fired in nearly every step"
        ways = ["smaller initial weights or inputs"]
        ways += (
            ["a smaller tau"] if is_coarse else ["a higher threshold", "a larger leak", "a refractory period"]
        )
    else:
        return None
    return f"{name}: {found}{where}. Try {', '.join(ways[:-1])}, or {ways[-1]}."


class FiringRates(keras.callbacks.Callback):
    """Reports the firing rates of all LIF layers after each epoch, and says when one is silent or always on.

    The mean rate of each layer joins the logs, and so the history, as `<layer>_rate`.

    Example:

    >>> import keras, lif, numpy as np
    >>> hidden = [keras.layers.Dense(4, kernel_initializer="zeros"), lif.LIF(name="hidden")]
    >>> model = keras.Sequential([keras.Input((None, 3)), *hidden, lif.LeakyIntegrator()])
    >>> model.compile("sgd", "mse")
    >>> x = np.zeros((2, 5, 3))
    >>> history = model.fit(x, np.zeros((2, 4)), callbacks=[lif.FiringRates(x)], verbose=0)
    hidden: 100% of the units were silent, most of them on their floor of 0.0, where no surrogate reaches them. Try \
floor=None, batch normalisation or larger initial weights or inputs, a lower threshold, a smaller leak, or more steps.
    >>> history.history["hidden_rate"]
    [0.0]

    Args:
        x: A batch of inputs to measure the rates on, or what gives batches, as for `lif.firing_rates`. Their first
            batch is taken once, when the callback is made, and kept: all epochs are measured on the same inputs.

    Raises:
        ValueError: As `lif.firing_rates`, before the first epoch, or after it for a model that is not built yet.
    """

    def __init__(self, x: ArrayLike | Iterable):
        super().__init__()
        self.x = _first_batch(x)
        self._walk: Walk | None = None
        self._said: dict[str, str | None] = {}

    def on_train_begin(self, logs=None):
        self._walk = None
        if self.model.built:
            self._measure()

    def _measure(self):
        """Name -> rates of the layer, the layer, and which of its units sat on the floor, for `advice`."""
        if self._walk is None:  # once, since to follow a subclassed model leaves traces in its layers
            self._walk, self.x = _walk(self.model, self.x)
        known, found = _run(self._walk, self.x), {}
        for layer, call in self._walk.neurons.items():
            current, rates, floored = known[id(call.inputs[0])], _rates(call, known), None
            # A current at or below the floor in every step leaves the potential there.
            has_floor = getattr(layer, "floor", None) is not None
            if has_floor and not (isinstance(layer, RecurrentLIF) and rates.any()):
                floored = ops.convert_to_numpy(ops.all(current <= layer.floor, axis=(0, 1)))
            found[call.name] = rates, layer, floored
        return found

    def on_epoch_end(self, epoch, logs=None):
        for name, (rates, *more) in self._measure().items():
            if logs is not None:
                logs[f"{name}_rate"] = float(np.mean(rates))
            words = advice(name, rates, *more)
            if words and words != self._said.get(name):  # once, not after every epoch
                print(words)
            self._said[name] = words


class Synapses(NamedTuple):
    """What a layer of weights adds to the cost of a network: see `lif.count_synapses`."""

    count: int
    source: str | None


def count_synapses(model: keras.Model) -> dict[str, Synapses]:
    r"""Count the synapses of a network, layer by layer, and say whose spikes they carry.

    A dense network uses each synapse in every pass, for one multiply-accumulate. A spiking one uses it when the neuron
    before it fires: with $n_\ell$ synapses behind neurons that fire at the mean rate $\bar r_\ell$,
    $\sum_\ell \bar r_\ell\, n_\ell$ synaptic operations in a second (or a step). A convolution counts each place of its
    window, those on the padding included, as is usual. Pooling has no weights and passes the mean rate on.

    Example:

    >>> import keras, lif
    >>> hidden = [keras.layers.Dense(8, name="in"), lif.SoftLIF(name="hidden")]
    >>> model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(3, name="out")])
    >>> lif.count_synapses(model)
    {'in': Synapses(count=32, source=None), 'out': Synapses(count=24, source='hidden')}

    Args:
        model: A model as for `lif.firing_rates`, of neurons that are `lif.LIF`, `lif.CoarseLIF` or `lif.SoftNeuron`
            layers and of dense and convolutional layers, perhaps in `TimeDistributed`. Numbers are for one example and
            one step. A layer of your own that has weights says its number in an attribute `synapses`.

    Returns:
        A dict, name of the layer of weights -> `Synapses(count, source)`. The source is the name of the layer of
        neurons before it, or `None` for the input, encoded or not. A `RecurrentLIF` is its own source.

    Raises:
        ValueError: If a layer's synapses cannot be counted, or listen to several layers of neurons, neurons stand
            inside another layer, the time axis is reshaped away, or the model cannot be followed.
    """
    return _count_synapses(Walk(model, (*SPIKING, SoftNeuron)))


def _count_synapses(walk):
    for layer, name in walk.opened.items():
        inside = {id(w) for part in parts(layer, itself=False) for w in part.weights}
        if any(len(w.shape) > 1 and id(w) not in inside for w in layer.weights):
            raise ValueError(
                "Argument `model` must have layers whose synapses can be counted. "
                f"Received: {name!r} ({type(layer).__name__}), which has weights of its own beside its layers"
            )
    # Time begins at the encoder, or where there is none, but neurons that want time, at the input.
    is_encoded = any(isinstance(call.layer, TimeEncoder) for call in walk.calls)
    from_the_start = not is_encoded and any(isinstance(call.layer, SPIKING) for call in walk.calls)
    # Of each tensor: names of the layers of neurons whose output reaches it, None for the input; whether it has time.
    known, counted = {id(x): ({None}, from_the_start) for x in walk.inputs}, {}
    for call in walk.calls:
        layer, before = call.layer, [known[id(x)] for x in call.inputs]
        sources = set().union(*(names for names, _ in before))
        if isinstance(layer, (*SPIKING, SoftNeuron)):
            sources = {call.name}
        has_time = any(timed for _, timed in before) or isinstance(layer, TimeEncoder)
        count = _count(layer, call.outputs[0].shape, has_time)
        gives_last_step = isinstance(layer, LeakyIntegrator) and not layer.return_sequences
        if gives_last_step or traits(layer).steps == POOLED:
            has_time = False
        if has_time and traits(layer).steps == MOVED:
            raise ValueError(
                "Argument `model` must keep its steps apart: put what reshapes into TimeDistributed. "
                f"Received: layer {call.name!r} ({type(layer).__name__}), which acts on the time axis"
            )
        if count and len(sources) > 1:
            raise ValueError(
                "Each layer of weights in argument `model` must listen to one layer of neurons, or to the input. "
                f"Received: layer {call.name!r}, which listens to {sorted(map(str, sources))}"
            )
        if count:  # a layer that is used twice has its synapses twice
            counted[call.name] = Synapses(counted.get(call.name, (0,))[0] + count, *sources)
        known |= {id(y): (sources, has_time) for y in call.outputs}
    return counted


def _count(layer, shape, has_time):
    """The synapses of a layer, given the shape of its output: its weights times the places of their use in a step."""
    units = shape[2 if has_time and len(shape) > 2 else 1 :]
    if isinstance(layer, keras.layers.TimeDistributed):
        layer, units = layer.layer, shape[2:]
    if hasattr(layer, "synapses"):
        return layer.synapses
    if isinstance(layer, RecurrentLIF):
        return math.prod(shape[2:]) * shape[-1]
    if traits(layer).weights and None not in units:
        kernel = layer.kernel.shape
        channels = math.prod(kernel[-2:]) if traits(layer).weights == DEPTHWISE else kernel[-1]
        return math.prod(kernel) * math.prod(units) // channels
    is_silent = isinstance(layer, LIF | LeakyIntegrator)  # a trained leak is no synapse
    if is_silent or all(len(w.shape) < 2 for w in getattr(layer, "weights", ())):
        return 0
    raise ValueError(
        "Argument `model` must have layers whose synapses can be counted: Dense, Conv, DepthwiseConv, TimeDistributed "
        f"of these, for places of a known number, or with an attribute `synapses`. Received: {layer}"
    )


class LayerActivity(NamedTuple):
    """A row of `lif.summary`: a layer's spikes, and the synaptic operations that they cause."""

    layer: str
    units: int
    rate: float
    spikes: float
    operations: float


class Summary(list):
    """The rows of `lif.summary`, `LayerActivity` each; printed, or shown in a notebook, it is a table."""

    HEAD = ("layer", "units", "rate", "spikes", "synaptic operations")

    def _table(self):
        rows = [
            [r.layer, f"{r.units:,}", f"{r.rate:.3f}", f"{r.spikes:,.0f}", f"{r.operations:,.0f}"]
            for r in self
        ]
        spikes, operations = (sum(getattr(r, name) for r in self) for name in ("spikes", "operations"))
        return [self.HEAD, *rows, ["total", "", "", f"{spikes:,.0f}", f"{operations:,.0f}"]]

    def __str__(self):
        table = self._table()
        first, *others = (max(map(len, column)) for column in zip(*table, strict=True))
        rows = ([row[0].ljust(first), *map(str.rjust, row[1:], others)] for row in table)
        return "\n".join(map("  ".join, rows))

    __repr__ = __str__

    def _repr_html_(self):
        def row(cells, tag):
            left, *right = map(html.escape, cells)
            right = "".join(f'<{tag} style="text-align:right">{cell}</{tag}>' for cell in right)
            return f"<tr><th>{left}</th>{right}</tr>"

        head, *body = self._table()
        body = "".join(row(cells, "td") for cells in body)
        return f'<table class="lif-summary"><thead>{row(head, "th")}</thead><tbody>{body}</tbody></table>'


def summary(model: keras.Model, x: ArrayLike | Iterable) -> Summary:
    r"""Tabulate what a spiking network does with one example, on average over a batch.

    For the input and for each layer of neurons: the number of units $N$, the firing rate $\bar r$ per unit and step,
    the spikes of an example, $\bar r N T$, and the synaptic operations that they cause, $\bar r\, n\, T$ with the $n$
    synapses that listen to the layer (see `lif.count_synapses`). Where the input is no spikes but currents, each number
    that is not 0 counts as a spike: its multiplications have to be done. Weights before an encoder count in each step,
    as if they stood behind it, and a masked step counts as one without a spike.

    Example:

    >>> import keras, lif, numpy as np
    >>> hidden = [keras.layers.Dense(2, kernel_initializer="ones"), lif.LIF(leak=0.0, name="hidden")]
    >>> model = keras.Sequential([keras.Input((None, 3)), *hidden, keras.layers.Dense(4), lif.LeakyIntegrator()])
    >>> lif.summary(model, np.full((1, 10, 3), 0.2))
    layer   units   rate  spikes  synaptic operations
    input       3  1.000      30                   60
    hidden      2  0.500      10                   40
    total                     40                  100

    Args:
        model: A model of layers that `lif.count_synapses` knows, with `lif.LIF` or `lif.CoarseLIF` layers.
        x: A batch of inputs for it, or what gives batches, as for `lif.firing_rates`.

    Returns:
        A list of `(layer, units, rate, spikes, operations)`, which is shown as a table with a row for the total.

    Raises:
        ValueError: If the model has no spiking layer or several inputs, or `lif.count_synapses` cannot count it.
    """
    walk, x = _walk(model, x)
    if len(walk.inputs) != 1:
        raise refuse("model", "one with one input", model)
    known = _run(walk, x)
    encoded = [call.outputs[0] for call in walk.calls if isinstance(call.layer, TimeEncoder)]
    activity = {None: ops.not_equal(known[id((encoded or walk.inputs)[0])], 0)}
    activity |= {call.name: known[id(call.outputs[0])] for call in walk.neurons.values()}
    counted = _count_synapses(Walk(model, (*SPIKING, SoftNeuron), x)).values()
    rows = Summary()
    for name, y in activity.items():
        units, steps, rate = math.prod(y.shape[2:]), y.shape[1], float(_mean(y))
        behind = sum(each.count for each in counted if each.source == name)
        rows.append(LayerActivity(name or "input", units, rate, rate * units * steps, rate * behind * steps))
    return rows

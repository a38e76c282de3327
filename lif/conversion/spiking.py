"""A trained network of rates into one of spiking neurons."""

import warnings
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from .. import dynamics
from .._backend import JIT_COMPILE
from .._checks import check_examples, integer, number, refuse
from .._graph import Walk
from .._keras import EXTREME, traits, wrapped
from .._progress import progress
from ..soft import SoftNeuron

MOST_AT_ONCE = 25  # steps in one call of the simulation


class SpikingRun(NamedTuple):
    """What a spiking network did: see `SpikingNetwork.run`."""

    outputs: np.ndarray
    rates: dict[str, np.ndarray]


def to_spiking(model: keras.Model, dt: float = 0.001, synapse: float = 0.005) -> "SpikingNetwork":
    r"""Turn a trained rate network into a spiking one, with the same weights.

    Every `SoftNeuron` becomes the neurons it stands for, by its own `step`. For `SoftLIF` these are LIF neurons,

    $$ \tau \frac{dV}{dt} = -V + j, \qquad j = \alpha x + \beta, $$

    with threshold 1, reset to 0, hold for $t_\text{ref}$, and no potential below 0. A step is the exact solution for a
    current that is constant within the step; the spike's moment inside the step is found too, and the neuron begins to
    integrate again exactly $t_\text{ref}$ after it, so that the rate under constant current is that of `lif.lif_rate`.
    Each spike is seen by the next layers through the alpha synapse $h(t) = t/\tau_s^2\, e^{-t/\tau_s}$, times the
    amplitude. All other layers stay as they are and act in every step; those before the first `SoftNeuron` only once,
    as the input is constant. The mean over steps of what a nonlinear layer makes of spikes is not what it makes of
    rates: a maximum is refused, and is an average where networks are trained to be converted.

    Example:

    >>> import keras, lif, numpy as np
    >>> hidden = [keras.layers.Dense(8), lif.SoftLIF(name="hidden")]
    >>> model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(3)])
    >>> outputs, rates = lif.to_spiking(model).run(np.ones((5, 4)), seconds=0.1)
    >>> outputs.shape, rates["hidden"].shape
    ((5, 100, 3), (8,))

    Args:
        model: A model with one input and one output, and with `SoftNeuron` layers, for instance `SoftLIF`: functional,
            a built `Sequential`, or a subclassed one that was called on a batch. Layers may stand in models inside it.
        dt: Length of a step, in seconds, > 0. A neuron fires at most once a step.
        synapse: Time constant $\tau_s$, in seconds, > 0, or 0 for none.

    Returns:
        A `SpikingNetwork`; its method `run` shows it inputs.

    Raises:
        ValueError: If an argument is out of its range, or the model has an input of unknown shape, no `SoftNeuron`
            layer, one that is used twice or stands inside another layer, or a maximum or minimum of spikes.

    Source: Hunsberger & Eliasmith (2015); the step is derived here.
    """
    return SpikingNetwork(model, dt, synapse)


class SpikingNetwork:
    """A network of spiking neurons made from a trained rate network; see `lif.to_spiking`.

    It shares the weights of the model, and every run takes them as they are then.
    """

    def __init__(self, model: keras.Model, dt: float, synapse: float):
        self.dt = number("dt", dt, above=0)
        self.synapse = number("synapse", synapse, at_least=0)
        self.model, self.walk = model, Walk(model, SoftNeuron)
        if not self.walk.neurons:
            raise refuse("model", "one with a SoftNeuron layer such as SoftLIF", model)
        self.walk.refuse_shared()
        if len(self.walk.inputs) != 1 or len(self.walk.outputs) != 1:
            raise refuse("model", "one with one input and one output", model)
        if None in self.walk.inputs[0].shape[1:]:
            raise ValueError(
                "Argument `model` must have an input of a known shape (batch, *units), without a time axis. "
                f"Received: {self.walk.inputs[0].shape}"
            )
        _refuse_extremes(self.walk)
        for call in self.walk.calls:
            if call.name != call.layer.name and not isinstance(call.layer, SoftNeuron):
                raise ValueError(
                    "Layers of argument `model`, those of models inside it too, must have unique names. "
                    f"Received: more than one named {call.layer.name!r}"
                )

    def run(
        self, x: np.ndarray, seconds: float, batch_size: int = 100, keep_state: bool = False
    ) -> SpikingRun:
        """Present inputs, each for a while, and record the output in every step.

        Args:
            x: Inputs of the model, shape `(examples, ...)`, each constant for as long as it is presented.
            seconds: Duration of a presentation, > 0; rounded to whole steps.
            batch_size: Examples simulated at once.
            keep_state: Whether the network goes on from the state in which the input before left it, rather than
                from rest. There are `batch_size` streams: an input follows the one that stands `batch_size` before it.

        Returns:
            `SpikingRun(outputs, rates)`: the model's output in each step, shape `(examples, steps, ...)`, and for each
            `SoftNeuron`, by name, the mean firing rate of its neurons in Hz.

        Raises:
            ValueError: If `seconds` is less than a step, `batch_size` is no whole number >= 1, or `x` is empty.

        Warns:
            UserWarning: For a layer whose rates are more than one spike a step.
        """
        check_examples("x", x)
        steps = round(number("seconds", seconds, above=0) / self.dt)
        if steps < 1:
            raise refuse("seconds", f"at least one step of dt={self.dt}", seconds)
        batch_size = integer("batch_size", batch_size, at_least=1)
        at_once = max(k for k in range(1, MOST_AT_ONCE + 1) if steps % k == 0)
        network, neurons = self._build(batch_size, at_once)
        spikes = dict.fromkeys(neurons, 0.0)
        outputs, fastest = [], {}
        for start in progress(range(0, len(x), batch_size), unit="batch"):
            batch = np.asarray(x[start : start + batch_size])
            shown = np.pad(batch, [(0, batch_size - len(batch))] + [(0, 0)] * (batch.ndim - 1))
            if start == 0 or not keep_state:
                for each in neurons.values():
                    each.rest()
            parts = [network.predict_on_batch(shown) for _ in range(steps // at_once)]
            parts = [part.reshape(batch_size, at_once, *part.shape[1:]) for part in parts]
            outputs.append(np.concatenate(parts, axis=1)[: len(batch)])
            self._note_rates(batch, fastest)
            for name, each in neurons.items():
                spikes[name] += each.take_spike_counts()[: len(batch)].sum(axis=0)
        for name, rate in fastest.items():
            if rate * self.dt > 1:
                warnings.warn(
                    f"Layer {name}: rates of up to {rate:.0f} Hz are more than the {1 / self.dt:.0f} Hz of one spike a "
                    f"step of dt={self.dt}, so its neurons fall behind. Take a shorter `dt`, or train with a longer "
                    "refractory period or a larger amplitude.",
                    stacklevel=2,
                )
        rates = {name: count / (len(x) * steps * self.dt) for name, count in spikes.items()}
        return SpikingRun(np.concatenate(outputs), rates)

    def _note_rates(self, batch, fastest):
        """Keep the highest rate that each layer has in the rate network, where it may be more than the steps carry."""
        neurons = {
            layer: call
            for layer, call in self.walk.neurons.items()
            if not getattr(layer, "refractory", 0) >= self.dt  # which no rate can exceed
        }
        known = self.walk.run(batch) if neurons else {}
        for layer, call in neurons.items():
            rate = float(ops.max(known[id(call.outputs[0])])) / layer.amplitude
            fastest[call.name] = max(rate, fastest.get(call.name, 0.0))

    def _build(self, batch_size, steps):
        """The model with spiking neurons, for a batch and a number of steps at once; and these neurons."""
        neurons = {}

        def call(each, args, kwargs):
            layer = each.layer  # the same layer, so the same weights
            if isinstance(layer, SoftNeuron):
                layer = neurons[each.name] = _SpikingNeurons(layer, self.dt, self.synapse, steps, batch_size)
            symbols = [t for t in keras.tree.flatten((args, kwargs)) if isinstance(t, keras.KerasTensor)]
            if steps > 1 and {t.shape[0] for t in symbols} == {batch_size, batch_size * steps}:
                args, kwargs = keras.tree.map_structure(in_every_step, (args, kwargs))
            return layer(*args, **kwargs)

        def in_every_step(t):
            """Repeat a branch that is constant in time, where it meets one that is not."""
            is_constant = isinstance(t, keras.KerasTensor) and t.shape[0] == batch_size
            return ops.repeat(t, steps, axis=0) if is_constant else t

        (start,), (end,) = self.walk.inputs, self.walk.outputs
        inputs = keras.Input(batch_shape=(batch_size, *start.shape[1:]), dtype=start.dtype)
        network = keras.Model(inputs, self.walk.run(inputs, call)[id(end)])
        network.compile(jit_compile=JIT_COMPILE)
        return network, neurons


def _refuse_extremes(walk):
    """Refuse a maximum of spike trains: the mean of the largest is far above the largest of the means."""
    carry_spikes = set()
    for call in walk.calls:
        receives = any(id(x) in carry_spikes for x in call.inputs)
        inner = wrapped(call.layer)
        if receives and traits(inner).numbers == EXTREME:
            raise ValueError(
                "Argument `model` must have no maximum or minimum of spike trains: the largest of what neurons' "
                "spikes carry at a moment is more than the largest of their rates. Train with AveragePooling2D or the "
                f"like instead. Received: layer {call.name!r} ({type(inner).__name__})"
            )
        if receives or isinstance(call.layer, SoftNeuron):
            carry_spikes.update(map(id, call.outputs))


class _SpikingNeurons(keras.layers.Layer):
    """The spiking neurons that a `SoftNeuron` stands for, with their synapses: `steps` steps in each call.

    The step of an example is folded into the batch axis, `(batch * steps, *units)`, so that any Keras layer can follow.
    What the neurons remember from call to call are weights, one set for each example of the batch.
    """

    def __init__(self, soft, dt, synapse, steps, batch_size):
        super().__init__(trainable=False, dtype=soft.dtype_policy)
        self.soft, self.dt, self.synapse = soft, dt, synapse
        self.steps, self.batch_size = steps, batch_size

    def build(self, input_shape):
        shape = (self.batch_size, *input_shape[1:])

        def zeros(name):
            return self.add_weight(
                name=name, shape=shape, initializer="zeros", dtype="float32", autocast=False
            )

        self.neurons = [zeros(name) for name in self.soft.state_names]
        self.spike_count = zeros("spike_count")
        self.synapses = [zeros("synapse_1"), zeros("synapse_2")]

    def rest(self):
        """Set to zero all that the neurons and the synapses remember."""
        for variable in (*self.neurons, self.spike_count, *self.synapses):
            variable.assign(ops.zeros(variable.shape))

    def take_spike_counts(self):
        """Return the spikes of each neuron for each example since the last call."""
        counts = ops.convert_to_numpy(self.spike_count)
        self.spike_count.assign(ops.zeros(counts.shape))
        return counts

    def call(self, x):
        units = x.shape[1:]
        current = ops.cast(self.soft.current(x), "float32")
        is_constant = x.shape[0] == self.batch_size
        current = ops.reshape(current, (self.batch_size, 1 if is_constant else self.steps, *units))
        current = ops.broadcast_to(current, (self.batch_size, self.steps, *units))
        spikes, after = dynamics.advance_neurons(
            lambda current, state: self.soft.step(current, state, self.dt), current, self.neurons
        )
        for variable, value in zip(self.neurons, after, strict=True):
            variable.assign(value)
        self.spike_count.assign(self.spike_count + ops.sum(spikes, axis=1))
        output = spikes * (self.soft.amplitude / self.dt)
        if self.synapse:
            output, *after = dynamics.alpha_synapse(output, *self.synapses, self.dt / self.synapse)
            for variable, value in zip(self.synapses, after, strict=True):
                variable.assign(value)
        return ops.cast(ops.reshape(output, (-1, *units)), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (self.batch_size * self.steps, *input_shape[1:])

"""A network of the coarse scale into one in continuous time."""

import keras
import numpy as np
from keras import ops

from .._backend import JIT_COMPILE
from .._checks import check_examples, integer, number, refuse
from .._graph import Walk
from .._keras import EXTREME, NONLINEAR, mixes_steps, traits, wrapped
from .._progress import progress
from ..coarse import ANALOG_GAIN, CoarseLIF, coefficients
from ..encoders import TimeEncoder
from ..layers import LIF, Leaky
from ..soft import SoftNeuron
from ..wrappers import over_time


def to_continuous(
    model: keras.Model,
    substeps: int = 20,
    delay: float = 1.0,
    spread: float = 0.0,
    seed: int = 0,
    layer: str | None = None,
) -> "ContinuousNetwork":
    r"""Turn a network trained on the coarse scale into one in continuous time, with the same weights.

    Every `CoarseLIF` becomes the neuron that it stands for,

    $$ \frac{dV}{dt} = -\frac{V}{\tau} + I + \sum_i w_i\, \delta(t - t_i), $$

    with threshold 1, reset to 0, and a refractory period of 1 in which input is ignored. Time advances in steps of
    $1/$`substeps`. Within a step the decay is the exact exponential, so the step only decides how finely spike times
    are told apart: spikes of one fine step count as simultaneous.

    - A spike in step $t$ of the input arrives at a random moment of that step, uniform and independent of all others.
    - Weights are used as they are: a spike adds its weight $w$ to the potential. Beware of continuous models that write
      $\tau\, dV/dt = -V + \sum w\, \delta$: there a spike adds $w/\tau$, and weights must be multiplied by $\tau$ on
      transfer.
    - A bias of $\beta$ per step becomes the constant current $I = \beta$; an analog input $x$ becomes
      $I = 1.1\, x / c$.
    - A max-pooling unit passes the first spike of its pool on and then is refractory itself, as on the coarse scale,
      where it emits at most one spike a step.
    - All synapses have the same delay. In a feedforward network it only shifts the clock of each layer against that of
      the layer before; biases are switched on with that clock.
    - Neurons that are built are not alike. With a `spread` $\sigma > 0$ each has a membrane of its own,
      $\tau_i = \tau\, e^{\sigma z_i}$ with $z_i$ normal: half of them leak faster than they should. Weights and
      currents, the $c$ of an analog input included, stay as they were trained.

    Example:

    >>> import keras, lif, numpy as np
    >>> model = keras.Sequential([keras.Input((None, 8)), keras.layers.Dense(3), lif.CoarseLIF(tau=4.0)])
    >>> network = lif.to_continuous(model, substeps=10)
    >>> network.run(np.ones((2, 5, 8)), seed=1).shape, network.run(np.ones((2, 5, 8)), seed=2).shape
    ((2, 50, 3), (2, 50, 3))

    Args:
        model: A model that is a chain of layers, some of which may stand in models inside it (functional, a built
            `Sequential`, or a subclassed one that was called on a batch): at most one encoder, layers without memory
            that are linear up to their bias (dense, convolutions, flattening, ...), max pooling of spikes, and
            `CoarseLIF`. Each step must be treated by itself: convolutions and pooling stand in `TimeDistributed`. What
            comes after the last `CoarseLIF` is left out.
        substeps: Fine steps per refractory period, an integer >= 1.
        delay: Synaptic delay between two spiking layers, in refractory periods, >= 0.
        spread: Standard deviation of $\ln \tau_i$ from neuron to neuron, a number from 0 to 2.
        seed: Integer that fixes the membranes. Without a spread it means nothing.
        layer: Name of the `CoarseLIF` whose spikes are returned; the last one by default.

    Returns:
        A `ContinuousNetwork`; its method `run` shows it inputs.

    Raises:
        ValueError: If an argument is out of its range, the model is not a chain, has no such layer, has analog input
            elsewhere than in the first spiking layer, or, between spiking layers, neurons of another kind, an
            activation, a normalisation by the example or something that mixes steps.

    Source: the continuous model as in Yanguas-Gil (2020) and the author's code; the transfer is derived here.
    """
    return ContinuousNetwork(model, substeps, delay, spread, seed, layer)


class ContinuousNetwork:
    """A network in continuous time made from one trained on the coarse scale; see `lif.to_continuous`.

    It is made ready once and run again and again, as by a controller that is asked for one decision after another.
    Every run begins at rest. The weights are those that the model has at the first run with inputs of a shape; after
    more training, make a new one. The membranes stay the same from run to run.
    """

    def __init__(
        self, model: keras.Model, substeps: int, delay: float, spread: float, seed: int, layer: str | None
    ):
        self.substeps = integer("substeps", substeps, at_least=1)
        self.seed = integer("seed", seed, at_least=0)
        delay = number("delay", delay, at_least=0)
        self.spread = number("spread", spread, at_least=0, at_most=2)
        self._before, self._stages = _split(model, layer)
        self._lag = round((len(self._stages) - 1) * delay * self.substeps)
        self._networks = {}  # shape of an input on the fine steps -> model

    def run(self, x: np.ndarray, seed: int = 0, batch_size: int = 50) -> np.ndarray:
        """Present inputs, and record the spikes of the layer in every fine step.

        Args:
            x: Inputs of the model, shape `(examples, ...)`.
            seed: Integer that fixes the moments at which input spikes arrive.
            batch_size: Examples simulated at once.

        Returns:
            NumPy array of spikes, shape `(examples, (T + (n - 1) * delay) * substeps, *units)` for inputs of `T` steps
            and the n-th spiking layer: counts are its sum over axis 1, times are the index divided by `substeps`.

        Raises:
            ValueError: If `x` is empty, or `seed` or `batch_size` is out of its range.
        """
        check_examples("x", x)
        seed, batch_size = integer("seed", seed, at_least=0), integer("batch_size", batch_size, at_least=1)
        analog = self._stages[0][1].analog_input
        rng = np.random.default_rng(seed)
        spikes = []
        is_one_batch = len(x) <= batch_size  # as each decision of a controller: no bar for it
        for start in progress(range(0, len(x), batch_size), unit="batch", disable=is_one_batch):
            y = ops.convert_to_tensor(x[start : start + batch_size])
            for each in self._before:
                y = each(y, training=False)
            y = ops.convert_to_numpy(ops.cast(y, "float32"))
            y = np.repeat(y, self.substeps, axis=1) if analog else at_random_moments(y, self.substeps, rng)
            shape = y.shape[1:]
            if shape not in self._networks:
                self._networks[shape] = _continuous_network(
                    shape, self._stages, self.substeps, self.spread, self.seed
                )
            spikes.append(self._networks[shape].predict_on_batch(y))
        spikes = np.concatenate(spikes)
        return np.pad(spikes, [(0, 0), (self._lag, 0)] + [(0, 0)] * (spikes.ndim - 2))


def _split(model, name):
    """The layers whose output is still on the coarse scale, and (layers, neuron) for each spiking layer after them."""
    calls = Walk(model, CoarseLIF).chain()
    chain = [call.layer for call in calls]
    spiking = [i for i, layer in enumerate(chain) if isinstance(layer, CoarseLIF)]
    names = [calls[i].name for i in spiking]
    if not names or name not in (None, *names):
        raise refuse(
            "layer", f"the name of a CoarseLIF of the model, one of {names}, or None for the last", name
        )
    if any(chain[i].analog_input for i in spiking[1:]):
        raise ValueError(
            "Only the first spiking layer may have `analog_input=True`: the others receive spikes."
        )
    encoders = [i + 1 for i, layer in enumerate(chain[: spiking[0]]) if isinstance(layer, TimeEncoder)]
    begin = spiking[0] if chain[spiking[0]].analog_input else max(encoders, default=0)
    stages, start = [], begin
    for i in spiking:
        stages.append((chain[start:i], chain[i]))
        start = i + 1
        if calls[i].name == name:
            break
    for layer in (layer for layers, _ in stages for layer in layers):
        inner = wrapped(layer)
        is_linear = getattr(inner, "activation", None) in (None, keras.activations.linear)
        is_linear = (
            is_linear and traits(inner).numbers != NONLINEAR and not isinstance(inner, Leaky | SoftNeuron)
        )
        is_layer = isinstance(layer, keras.layers.Layer)  # else an operation such as ops.relu
        if not is_layer or not is_linear or mixes_steps(layer):
            raise ValueError(
                "Layers of argument `model` that receive spikes must treat each step by itself, and be linear up to "
                f"their bias, or max pooling. Received: {layer.name!r} ({type(inner).__name__})"
            )
    return chain[:begin], stages


def at_random_moments(x, substeps, rng):
    """Each number of a coarse step put into one of its fine steps, chosen at random."""
    examples, steps, *units = x.shape
    fine = np.zeros((examples, steps, substeps, *units), "float32")
    moment = rng.integers(0, substeps, x.shape)
    np.put_along_axis(fine, moment[:, :, None], x[:, :, None], axis=2)
    return fine.reshape(examples, steps * substeps, *units)


def _continuous_network(shape, stages, substeps, spread, seed):
    """A model from input on the fine steps, `(fine steps, *units)`, to the spikes of the last stage."""
    rng = np.random.default_rng(seed)
    inputs = y = keras.Input(shape)
    twins = []
    for layers, neuron in stages:
        silence = ops.zeros((1, 1, *y.shape[2:]))
        for layer in layers:
            y, silence = _apply_twin(layer, y, twins), layer(silence, training=False)
            if traits(wrapped(layer)).numbers == EXTREME:
                y = _neurons(1.0, substeps, threshold=0.5)(y)
        tau = neuron.tau * np.exp(spread * rng.standard_normal(y.shape[2:])) if spread else neuron.tau
        leak = -np.expm1(-1.0 / (substeps * tau))
        per_current = tau * leak  # what a current of 1 adds to the potential in a fine step
        if neuron.analog_input:
            y = y * ops.cast(ANALOG_GAIN / coefficients(neuron.tau)[2] * per_current, "float32")
        else:  # what silence gives is the bias, a current; the rest are spikes
            y = y + ops.cast(per_current - 1.0, "float32") * silence
        y = _neurons(leak, substeps)(y)
    network = keras.Model(inputs, y)
    network.compile(jit_compile=JIT_COMPILE)
    for twin, layer in twins:
        twin.set_weights(layer.get_weights())
    return network


def _apply_twin(layer, y, twins):
    """`layer(y)` by a copy of the layer, which joins `twins`; over time at once, where Keras would unroll the steps."""
    distributed = isinstance(layer, keras.layers.TimeDistributed)
    layer = layer.layer if distributed else layer
    twin = type(layer).from_config({**layer.get_config(), "name": None})  # two may have the same name
    twins.append((twin, layer))
    return over_time(twin, y) if distributed else twin(y)


def _neurons(leak, substeps, threshold=1.0):
    """LIF neurons that can fire again one refractory period, `substeps` fine steps, after a spike."""
    return LIF(leak=leak, threshold=threshold, refractory=substeps - 1, floor=None, dtype="float32")

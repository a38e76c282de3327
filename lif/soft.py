r"""Rates that learn, spikes that run: the soft LIF response for training, and the spiking network that it becomes.

Times are in seconds, rates in Hz, currents in units of the threshold current.
"""

import math
import re
import warnings
from typing import NamedTuple

import keras
import numpy as np
from keras import backend, ops

from . import dynamics
from ._graph import Walk
from .backend import JIT_COMPILE, Tensor, custom_gradient, log1p
from .encoders import _whole_number
from .layers import is_number
from .progress import progress

NOISES = (None, "gaussian", "alpha", "alpha_rc")


def lif_rate(current: Tensor, tau: float = 0.02, refractory: float = 0.002) -> Tensor:
    r"""Firing rate of a LIF neuron under constant current,

    $$
    r(j) = \frac{1}{t_\text{ref} + \tau \ln\left(1 + \frac{1}{j - 1}\right)} \quad (j > 1), \qquad
    r(j) = 0 \quad (j \le 1).
    $$

    Its slope is infinite just above $j = 1$; `soft_lif_rate` is what can be trained.

    Args:
        current: Tensor $j$, any shape, in units of the threshold current.
        tau: Membrane time constant, in seconds, > 0.
        refractory: Refractory period, in seconds, > 0.

    Returns:
        Tensor of rates in Hz.

    Raises:
        ValueError: If a constant is out of its range.

    Example:

    >>> import lif, numpy as np
    >>> np.round(np.array(lif.lif_rate(np.array([0.5, 1.0, 1.1, 2.0])))).astype(int).tolist()
    [0, 0, 20, 63]

    Source: Hunsberger & Eliasmith (2015).
    """
    tau, refractory = _positive("tau", tau), _positive("refractory", refractory)
    current = _as_float(current)
    above = current > 1.0
    excess = ops.where(above, current - 1.0, 1.0)
    return ops.where(above, 1.0 / (refractory + tau * log1p(1.0 / excess)), 0.0)


def soft_lif_rate(
    current: Tensor, tau: float = 0.02, refractory: float = 0.002, smoothing: float = 0.02
) -> Tensor:
    r"""The LIF rate with the corner at threshold rounded off, so that its slope stays bounded,

    $$ r(j) = \frac{1}{t_\text{ref} + \tau \ln\left(1 + \frac{1}{\rho(j - 1)}\right)}, \qquad
    \rho(y) = \gamma \ln(1 + e^{y / \gamma}) . $$

    The gradient is written by hand,

    $$ \frac{dr}{dj} = \frac{\tau\, r^2}{\rho\, (\rho + 1)\, (1 + e^{-y/\gamma})}, $$

    and both are finite for every number: far below threshold, where $\rho$ would underflow, $\ln(1 + 1/\rho)$ goes on
    along its limit, the line $-y/\gamma - \ln\gamma$.

    Args:
        current: Tensor $j$, any shape, in units of the threshold current.
        tau: Membrane time constant, in seconds, > 0.
        refractory: Refractory period, in seconds, > 0.
        smoothing: Width $\gamma$ of the rounding, > 0; towards 0 the rate becomes `lif_rate`.

    Returns:
        Tensor of rates in Hz.

    Raises:
        ValueError: If a constant is out of its range.

    Example:

    >>> import lif, numpy as np
    >>> np.round(np.array(lif.soft_lif_rate(np.array([0.5, 1.0, 1.1, 2.0])))).astype(int).tolist()
    [2, 11, 20, 63]

    Source: Hunsberger & Eliasmith (2015).
    """
    tau, refractory = _positive("tau", tau), _positive("refractory", refractory)
    smoothing = _positive("smoothing", smoothing)

    def forward(current):
        rate, slope = _rate_and_slope(current, tau, refractory, smoothing)
        return (rate,), lambda gradient: (gradient * slope,)

    return custom_gradient(forward, _as_float(current))[0]


def _rate_and_slope(current, tau, refractory, smoothing):
    """The soft LIF rate and its derivative."""
    u = (current - 1.0) / smoothing
    near = ops.exp(ops.clip(u, -20.0, 20.0))
    rho = smoothing * (log1p(near) + ops.relu(u - 20.0))
    rate = 1.0 / (refractory + tau * (log1p(1.0 / rho) + ops.relu(-20.0 - u)))
    return rate, tau * ops.square(rate) * near / ((1.0 + near) * rho * (rho + 1.0))


class SoftNeuron(keras.layers.Layer):
    r"""A kind of neuron as an activation: each input becomes a firing rate, smooth enough to be trained.

    $$ a(x) = A\, r(\alpha x + \beta), $$

    with gain $\alpha$, bias $\beta$ and amplitude $A$. A kind of neuron is two functions, which a subclass supplies:
    `rate`, with which a network is trained, and `step`, by which `lif.to_spiking` lets it run. They should belong
    together: the rate is that of the steps under constant current, with its corners rounded off. `lif.SoftLIF` and
    `lif.SoftAdaptiveLIF` are two such kinds.

    Example: neurons that forget nothing, whose rate is a line.

    >>> import keras, lif, numpy as np
    >>> from keras import ops
    >>> class Integrator(lif.SoftNeuron):
    ...     state_names = ("voltage",)
    ...
    ...     def rate(self, current):
    ...         return ops.softplus(20.0 * current) / 20.0
    ...
    ...     def step(self, current, state, dt):
    ...         voltage = ops.maximum(state[0] + dt * current, 0.0)
    ...         spikes = ops.cast(voltage >= 1.0, "float32")
    ...         return spikes, (voltage - spikes,)
    >>> model = keras.Sequential([keras.Input((2,)), Integrator(name="neurons")])
    >>> run = lif.to_spiking(model, dt=1 / 64).run(np.array([[16.0, 32.0]]), seconds=1.0)
    >>> run.rates["neurons"].tolist()
    [16.0, 32.0]

    Args:
        gain: Current per unit of input, $\alpha$, a finite number.
        bias: Current at input 0, $\beta$.
        amplitude: Output per Hz, $A$ > 0.
        **kwargs: As for every Keras layer: `name`, `dtype`.

    Input shape: any.
    Output shape: as the input.

    Raises:
        ValueError: If an argument is out of its range.

    Source: that the method is not tied to one neuron is a claim of Hunsberger & Eliasmith (2015).
    """

    #: Names of what a neuron remembers from step to step; each is 0 at rest.
    state_names: tuple[str, ...] = ()

    def __init__(self, gain: float = 1.0, bias: float = 0.0, amplitude: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.gain = _finite("gain", gain)
        self.bias = _finite("bias", bias)
        self.amplitude = _positive("amplitude", amplitude)

    def rate(self, current: Tensor) -> Tensor:
        """Rate in Hz under a constant current, any shape, with a derivative that can be trained."""
        raise NotImplementedError(f"{type(self).__name__} must say its `rate` under a constant current.")

    def step(self, current: Tensor, state: dynamics.State, dt: float) -> tuple[Tensor, dynamics.State]:
        """One step of length `dt`: from the current and the state to the spikes, 0 or 1, and the next state.

        Args:
            current: Tensor, shape `(batch, *units)`.
            state: Tuple of tensors of the same shape, one for each of `state_names`.
            dt: Length of the step, in seconds.

        Returns:
            `(spikes, state)`.
        """
        raise NotImplementedError(f"{type(self).__name__} must say its `step` in time.")

    def current(self, inputs):
        r"""The current $\alpha x + \beta$ of each neuron, in float32 at least."""
        return self.gain * dynamics.as_state(_as_float(inputs)) + self.bias

    def call(self, inputs: Tensor) -> Tensor:
        return ops.cast(self.amplitude * self.rate(self.current(inputs)), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {**super().get_config(), "gain": self.gain, "bias": self.bias, "amplitude": self.amplitude}


@keras.saving.register_keras_serializable(package="lif")
class SoftLIF(SoftNeuron):
    r"""LIF neurons as an activation: each input becomes the firing rate of a neuron, smooth enough to be trained.

    $$ a(x) = A\, r(\alpha x + \beta), $$

    with the soft LIF rate $r$ of `lif.soft_lif_rate`, gain $\alpha$, bias $\beta$ and amplitude $A$. With the default
    values it is close to a ReLU of slope 1. There is no time in it: use it like any activation, then let
    `lif.to_spiking` turn the trained network into one of spiking neurons.

    Noise, in training only, prepares the network for the variability of filtered spike trains. The gradient is always
    that of the rate without noise.

    - `"gaussian"`: $\mathcal{N}(0,$ `noise_sd`$)$ Hz is added to the rate where $j > 1$, and the sum kept above 0.
    - `"alpha"`: the rate is replaced by a spike train of that rate, seen through an alpha synapse at a random moment.
      With period $p = 1/r$, moment $t \in [0, p)$, synapse $\tau_s$ and $q = e^{-p/\tau_s}$,

      $$ \frac{e^{-t/\tau_s}}{\tau_s^2} \left( \frac{t}{1-q} + \frac{p\, q}{(1-q)^2} \right) . $$

    - `"alpha_rc"`: the same, filtered once more by a membrane with the neurons' own $\tau$. With $d = \tau - \tau_s$,

      $$ \frac{\tau}{d^2} \left( \frac{e^{-t/\tau}}{1 - e^{-p/\tau}} - \frac{e^{-t/\tau_s}}{1-q} \right)
      - \frac{e^{-t/\tau_s} \left( t (1-q) + p\, q \right)}{d\, \tau_s (1-q)^2} . $$

    Example:

    >>> import lif, numpy as np
    >>> a = lif.SoftLIF()(np.array([[-1e30, -1.0, 0.0, 1.0, 5.0, 1e30]]))
    >>> [round(v, 2) for v in np.ravel(a).tolist()]
    [0.0, 0.03, 0.29, 1.55, 5.32, 63.0]

    Args:
        tau: Membrane time constant, in seconds, > 0.
        refractory: Refractory period, in seconds, > 0.
        gain: Current per unit of input, $\alpha$, a finite number.
        bias: Current at input 0, $\beta$, in units of the threshold current.
        amplitude: Output per Hz, $A$ > 0.
        smoothing: Width $\gamma$ of the rounding at threshold, > 0.
        noise: `None`, `"gaussian"`, `"alpha"` or `"alpha_rc"`.
        noise_sd: Standard deviation of the Gaussian noise, in Hz, > 0.
        noise_synapse: Time constant $\tau_s$ of the synapse in the other two, in seconds, > 0; for `"alpha_rc"` it must
            differ from `tau` by 5 % at least, because the formula divides by their difference.
        seed: Integer for a reproducible sequence of noise, or `None`.
        **kwargs: As for every Keras layer: `name`, `dtype`.

    Input shape: any.
    Output shape: as the input.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Hunsberger & Eliasmith (2015), settings and noise as in Hunsberger's thesis; the defaults are the thesis'
    for CIFAR-10.
    """

    state_names = ("voltage", "wait")

    def __init__(
        self,
        tau: float = 0.05,
        refractory: float = 0.001,
        gain: float = 0.825,
        bias: float = 1.0,
        amplitude: float = 0.063,
        smoothing: float = 0.02,
        noise: str | None = None,
        noise_sd: float = 10.0,
        noise_synapse: float = 0.003,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(gain, bias, amplitude, **kwargs)
        self.tau = _positive("tau", tau)
        self.refractory = _positive("refractory", refractory)
        self.smoothing = _positive("smoothing", smoothing)
        if noise not in NOISES:
            raise ValueError(f"Argument `noise` must be one of {NOISES}. Received: noise={noise!r}")
        self.noise = noise
        self.noise_sd = _positive("noise_sd", noise_sd)
        self.noise_synapse = _positive("noise_synapse", noise_synapse)
        if noise == "alpha_rc" and abs(self.tau - self.noise_synapse) < 0.05 * self.tau:
            raise ValueError(
                f"Argument `noise_synapse` must differ from `tau`={tau!r} by 5 % at least. "
                f"Received: noise_synapse={noise_synapse!r}"
            )
        self.seed = int(seed) if isinstance(seed, np.integer) else seed
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def rate(self, current: Tensor) -> Tensor:
        return soft_lif_rate(current, self.tau, self.refractory, self.smoothing)

    def step(self, current: Tensor, state: dynamics.State, dt: float) -> tuple[Tensor, dynamics.State]:
        return dynamics.spike_exactly(current, *state, dt, self.tau, self.refractory)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        current = self.current(inputs)
        rate = self.rate(current)
        if training and self.noise:
            # Forward the noisy rate; backward the gradient of the rate.
            rate = rate + ops.stop_gradient(self._noisy(rate, current) - rate)
        return ops.cast(self.amplitude * rate, self.compute_dtype)

    def _noisy(self, rate, current):
        if self.noise == "gaussian":
            noise = keras.random.normal(ops.shape(rate), 0.0, self.noise_sd, rate.dtype, self.seed_generator)
            return ops.where(current > 1.0, ops.maximum(rate + noise, 0.0), rate)
        # Slower than a spike in eleven days there is nothing to hear, and an infinite period would give NaN.
        period = 1.0 / ops.maximum(rate, 1e-6)
        moment = keras.random.uniform(ops.shape(rate), dtype=rate.dtype, seed=self.seed_generator) * period
        return _filtered_train(
            period, moment, self.noise_synapse, self.tau if self.noise == "alpha_rc" else None
        )

    def get_config(self):
        names = ("tau", "refractory", "smoothing", "noise", "noise_sd", "noise_synapse", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="lif")
class SoftAdaptiveLIF(SoftLIF):
    r"""LIF neurons that tire: each spike makes the next one harder, for a while.

    $$ \tau \frac{dV}{dt} = -V + j - n, \qquad \tau_n \frac{dn}{dt} = -n + \kappa \sum_i \delta(t - t_i) . $$

    When $n$ is slow it settles at $\kappa$ times the rate, and the rate under constant current solves

    $$ r = r_0(j - \kappa\, r) $$

    with the rate $r_0$ of a LIF neuron, here the soft one. The solution is found by halving an interval. By the
    implicit function theorem its derivative is $r_0' / (1 + \kappa\, r_0')$, with the slope $r_0'$ at
    $u = j - \kappa\, r$. Derivatives flow through two more steps, which change nothing but rounding,
    $u \leftarrow u - \frac{u + \kappa\, r_0(u) - j}{1 + \kappa\, r_0'}$: the second derivative is right too.

    Example:

    >>> import lif, numpy as np
    >>> hertz = dict(gain=1.0, bias=0.0, amplitude=1.0)
    >>> j = np.array([0.0, 2.0, 5.0])
    >>> np.round(np.array(lif.SoftLIF(**hertz)(j))).astype(int).tolist()
    [0, 28, 82]
    >>> np.round(np.array(lif.SoftAdaptiveLIF(adaptation=0.05, **hertz)(j))).astype(int).tolist()
    [0, 14, 44]

    Args:
        adaptation: Current that a rate of 1 Hz takes away in the long run, $\kappa$ >= 0.
        tau_adaptation: Time constant $\tau_n$ of the recovery, in seconds, > 0. It matters for spikes only.
        **kwargs: As for `lif.SoftLIF`.

    Input shape: any.
    Output shape: as the input.

    Raises:
        ValueError: If an argument is out of its range.

    Source: the adaptation current of Benda & Herz (2003), in the form that is linear in the rate.
    """

    state_names = ("voltage", "wait", "tiredness")

    def __init__(self, adaptation: float = 0.01, tau_adaptation: float = 0.1, **kwargs):
        super().__init__(**kwargs)
        self.adaptation = 0.0 if adaptation == 0 else _positive("adaptation", adaptation)
        self.tau_adaptation = _positive("tau_adaptation", tau_adaptation)

    def rate(self, current: Tensor) -> Tensor:
        curve = self.tau, self.refractory, self.smoothing
        current = ops.convert_to_tensor(current)
        left = self._what_is_left(ops.stop_gradient(current), curve)
        # From here on derivatives flow; each step makes one order of them right. Of an infinite current all is left.
        slope = 1.0 + self.adaptation * ops.stop_gradient(_rate_and_slope(left, *curve)[1])
        for _ in range(2):
            excess = left + self.adaptation * soft_lif_rate(left, *curve) - current
            left = left - ops.where(ops.isinf(current), 0.0, excess) / slope
        return soft_lif_rate(left, *curve)

    def _what_is_left(self, current, curve):
        """The current u behind the adaptation, the solution of u + kappa r(u) = j."""
        # The left side rises with u, so u lies between j - kappa r(j) and j.
        low, high = current - self.adaptation * _rate_and_slope(current, *curve)[0], current
        for _ in range(30):
            middle = 0.5 * low + 0.5 * high  # half of the sum would overflow
            is_low = middle + self.adaptation * _rate_and_slope(middle, *curve)[0] < current
            low, high = ops.where(is_low, middle, low), ops.where(is_low, high, middle)
        return high

    def step(self, current: Tensor, state: dynamics.State, dt: float) -> tuple[Tensor, dynamics.State]:
        *membrane, tiredness = state
        spikes, membrane = super().step(current - tiredness, membrane, dt)
        kept = math.exp(-dt / self.tau_adaptation)
        return spikes, (*membrane, kept * tiredness + (1.0 - kept) * (self.adaptation / dt) * spikes)

    def get_config(self):
        return {
            **super().get_config(),
            "adaptation": self.adaptation,
            "tau_adaptation": self.tau_adaptation,
        }


def _filtered_train(period, moment, synapse, membrane=None):
    """A regular spike train at a moment after its last spike, through an alpha synapse and perhaps a membrane."""
    left = -ops.expm1(-period / synapse)  # 1 - q
    fading = ops.exp(-moment / synapse)
    ramp = (moment * left + period * (1.0 - left)) / ops.square(left)
    if membrane is None:
        return fading * ramp / synapse**2
    difference = membrane - synapse
    slow = ops.exp(-moment / membrane) / -ops.expm1(-period / membrane)
    return membrane / difference**2 * (slow - fading / left) - fading * ramp / (difference * synapse)


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

    Example:

    >>> import keras, lif, numpy as np
    >>> hidden = [keras.layers.Dense(8), lif.SoftLIF(name="hidden")]
    >>> model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(3)])
    >>> outputs, rates = lif.to_spiking(model).run(np.ones((5, 4)), seconds=0.1)
    >>> outputs.shape, rates["hidden"].shape
    ((5, 100, 3), (8,))

    Source: Hunsberger & Eliasmith (2015); the step is derived here.
    """
    return SpikingNetwork(model, dt, synapse)


class SpikingNetwork:
    """A network of spiking neurons made from a trained rate network; see `lif.to_spiking`."""

    def __init__(self, model: keras.Model, dt: float, synapse: float):
        self.dt = _positive("dt", dt)
        self.synapse = 0.0 if synapse == 0 else _positive("synapse", synapse)
        self.model, self.walk = model, Walk(model, SoftNeuron)
        if not self.walk.neurons:
            raise ValueError(
                f"Argument `model` must have a SoftNeuron layer such as SoftLIF. Received: {model.name}"
            )
        self.walk.refuse_shared()
        if len(self.walk.inputs) != 1 or len(self.walk.outputs) != 1:
            raise ValueError(f"Argument `model` must have one input and one output. Received: {model.name}")
        if None in self.walk.inputs[0].shape[1:]:
            raise ValueError(
                "Argument `model` must have an input of a known shape (batch, *units), without a time axis. "
                f"Received: {self.walk.inputs[0].shape}"
            )
        _refuse_extremes(self.walk)
        for call in self.walk.calls:
            if call.name != call.layer.name and not isinstance(call.layer, SoftNeuron):
                raise ValueError(
                    "Layers of argument `model`, those of models inside it too, must have names of their own. "
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
        steps = round(seconds / self.dt) if is_number(seconds) and 0 < seconds < math.inf else 0
        if steps < 1:
            raise ValueError(f"Argument `seconds` must be a step at least. Received: seconds={seconds!r}")
        batch_size = _whole_number("batch_size", batch_size, at_least=1)
        if not len(x):
            raise ValueError("Argument `x` must have an example at least. Received: none")
        at_once = max(k for k in range(1, 26) if steps % k == 0)
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
        """Keeps the highest rate that each layer has in the rate network, where it may be more than the steps carry."""
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
            # Where a branch that is constant in time meets one that is not, it is repeated in every step.
            tensors = keras.tree.flatten((args, kwargs))
            over_time = {t.shape[0] for t in tensors if isinstance(t, keras.KerasTensor)} == {
                batch_size,
                batch_size * steps,
            }
            if over_time and steps > 1:
                args, kwargs = keras.tree.map_structure(
                    lambda t: (
                        ops.repeat(t, steps, axis=0)
                        if isinstance(t, keras.KerasTensor) and t.shape[0] == batch_size
                        else t
                    ),
                    (args, kwargs),
                )
            return layer(*args, **kwargs)

        (start,), (end,) = self.walk.inputs, self.walk.outputs
        inputs = keras.Input(batch_shape=(batch_size, *start.shape[1:]), dtype=start.dtype)
        network = keras.Model(inputs, self.walk.run(inputs, call)[id(end)])
        network.compile(jit_compile=JIT_COMPILE)
        return network, neurons


# Layers and operations of Keras that pick one of several numbers: MaxPooling2D, GlobalMaxPooling1D, Maximum, ops.max.
_EXTREME = re.compile("MaxPool|MinPool|^(Max|Min|Maximum|Minimum|Amax|Amin)$")


def _refuse_extremes(walk):
    """Refuses a maximum of spike trains: of each step's, it would lie far above that of the rates."""
    hear_spikes = set()
    for call in walk.calls:
        layer = call.layer
        hears = any(id(x) in hear_spikes for x in call.inputs)
        inner = getattr(layer, "layer", layer)
        if hears and any(map(_EXTREME.search, (base.__name__ for base in type(inner).__mro__))):
            raise ValueError(
                "Argument `model` must have no maximum or minimum of spike trains: the largest of what neurons' "
                "spikes carry at a moment is more than the largest of their rates. Train with AveragePooling2D or the "
                f"like instead. Received: layer {call.name!r} ({type(inner).__name__})"
            )
        if hears or isinstance(layer, SoftNeuron):
            hear_spikes.update(map(id, call.outputs))


class _SpikingNeurons(keras.layers.Layer):
    """The spiking neurons that a `SoftNeuron` stands for, with their synapses: `steps` steps in each call.

    The step of an example is folded into the batch axis, `(batch * steps, *units)`, so that any Keras layer can follow.
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
        """All that the neurons and the synapses remember: to zero."""
        for variable in (*self.neurons, self.spike_count, *self.synapses):
            variable.assign(ops.zeros(variable.shape))

    def take_spike_counts(self):
        """Spikes of each neuron for each example since the last call."""
        counts = ops.convert_to_numpy(self.spike_count)
        self.spike_count.assign(ops.zeros(counts.shape))
        return counts

    def call(self, x):
        units = x.shape[1:]
        current = ops.cast(self.soft.current(x), "float32")
        is_constant = x.shape[0] == self.batch_size
        current = ops.reshape(current, (self.batch_size, 1 if is_constant else self.steps, *units))
        current = ops.broadcast_to(current, (self.batch_size, self.steps, *units))
        spikes, after = dynamics.run(
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


def _as_float(x):
    """A tensor of floating-point numbers; whole numbers become those of Keras' default type."""
    x = ops.convert_to_tensor(x)
    return x if backend.is_float_dtype(backend.standardize_dtype(x.dtype)) else ops.cast(x, backend.floatx())


def _finite(name, value):
    if not is_number(value) or not math.isfinite(value):
        raise ValueError(f"Argument `{name}` must be a finite number. Received: {name}={value!r}")
    return float(value)


def _positive(name, value):
    if _finite(name, value) <= 0:
        raise ValueError(f"Argument `{name}` must be a number > 0. Received: {name}={value!r}")
    return float(value)

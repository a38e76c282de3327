r"""Rates that learn, spikes that run: the soft LIF response for training, and the spiking network that it becomes.

Times are in seconds, rates in Hz, currents in units of the threshold current.
"""

import math

import keras
from keras import backend, ops

from . import dynamics
from ._backend import Tensor, as_state, custom_gradient, log1p
from ._checks import check_seed, number, one_of, refuse

NOISES = (None, "gaussian", "alpha", "alpha_rc")


def lif_rate(current: Tensor, tau: float = 0.02, refractory: float = 0.002) -> Tensor:
    r"""Return the firing rate of a LIF neuron under constant current.

    $$
    r(j) = \frac{1}{t_\text{ref} + \tau \ln\left(1 + \frac{1}{j - 1}\right)} \quad (j > 1), \qquad
    r(j) = 0 \quad (j \le 1).
    $$

    Its slope is infinite just above $j = 1$; `soft_lif_rate` is what can be trained.

    Example:

    >>> import lif, numpy as np
    >>> np.round(np.array(lif.lif_rate(np.array([0.5, 1.0, 1.1, 2.0])))).astype(int).tolist()
    [0, 0, 20, 63]

    Args:
        current: Tensor $j$, any shape, in units of the threshold current.
        tau: Membrane time constant, in seconds, > 0.
        refractory: Refractory period, in seconds, > 0.

    Returns:
        Tensor of rates in Hz.

    Raises:
        ValueError: If a constant is out of its range.

    Source: Hunsberger & Eliasmith (2015).
    """
    tau, refractory = number("tau", tau, above=0), number("refractory", refractory, above=0)
    current = _as_float(current)
    above = current > 1.0
    excess = ops.where(above, current - 1.0, 1.0)
    return ops.where(above, 1.0 / (refractory + tau * log1p(1.0 / excess)), 0.0)


def soft_lif_rate(
    current: Tensor, tau: float = 0.02, refractory: float = 0.002, smoothing: float = 0.02
) -> Tensor:
    r"""Return the LIF rate with the corner at threshold rounded off, so that its slope stays bounded.

    $$ r(j) = \frac{1}{t_\text{ref} + \tau \ln\left(1 + \frac{1}{\rho(j - 1)}\right)}, \qquad
    \rho(y) = \gamma \ln(1 + e^{y / \gamma}) . $$

    The gradient is written by hand,

    $$ \frac{dr}{dj} = \frac{\tau\, r^2}{\rho\, (\rho + 1)\, (1 + e^{-y/\gamma})}, $$

    and both are finite for every number: far below threshold, where $\rho$ would underflow, $\ln(1 + 1/\rho)$ goes on
    along its limit, the line $-y/\gamma - \ln\gamma$.

    Example:

    >>> import lif, numpy as np
    >>> np.round(np.array(lif.soft_lif_rate(np.array([0.5, 1.0, 1.1, 2.0])))).astype(int).tolist()
    [2, 11, 20, 63]

    Args:
        current: Tensor $j$, any shape, in units of the threshold current.
        tau: Membrane time constant, in seconds, > 0.
        refractory: Refractory period, in seconds, > 0.
        smoothing: Width $\gamma$ of the rounding, > 0; towards 0 the rate becomes `lif_rate`.

    Returns:
        Tensor of rates in Hz.

    Raises:
        ValueError: If a constant is out of its range.

    Source: Hunsberger & Eliasmith (2015).
    """
    tau, refractory = number("tau", tau, above=0), number("refractory", refractory, above=0)
    smoothing = number("smoothing", smoothing, above=0)

    def forward(current):
        rate, slope = _rate_and_slope(current, tau, refractory, smoothing)
        return (rate,), lambda gradient: {"current": gradient * slope}

    return custom_gradient(forward, current=_as_float(current))[0]


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
        self.gain = number("gain", gain)
        self.bias = number("bias", bias)
        self.amplitude = number("amplitude", amplitude, above=0)

    def rate(self, current: Tensor) -> Tensor:
        """Rate in Hz under a constant current, any shape, with a derivative that can be trained."""
        raise NotImplementedError(f"{type(self).__name__} must say its `rate` under a constant current.")

    def step(
        self, current: Tensor, state: tuple[Tensor, ...], dt: float
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
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
        return self.gain * as_state(_as_float(inputs)) + self.bias

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
            differ from `tau` by at least 5 %, because the formula divides by their difference.
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
        self.tau = number("tau", tau, above=0)
        self.refractory = number("refractory", refractory, above=0)
        self.smoothing = number("smoothing", smoothing, above=0)
        self.noise = one_of("noise", noise, NOISES)
        self.noise_sd = number("noise_sd", noise_sd, above=0)
        self.noise_synapse = number("noise_synapse", noise_synapse, above=0)
        if noise == "alpha_rc" and abs(self.tau - self.noise_synapse) < 0.05 * self.tau:
            raise refuse("noise_synapse", f"different from tau={tau!r} by at least 5 %", noise_synapse)
        self.seed = check_seed("seed", seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def rate(self, current: Tensor) -> Tensor:
        return soft_lif_rate(current, self.tau, self.refractory, self.smoothing)

    def step(
        self, current: Tensor, state: tuple[Tensor, ...], dt: float
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
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
        # An infinite period would give NaN.
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
    r"""LIF neurons with spike-frequency adaptation as an activation: each spike makes the next one harder, for a while.

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
        tau, refractory: As for `lif.SoftLIF`, in seconds, > 0.
        gain, bias, amplitude, smoothing: As for `lif.SoftLIF`.
        noise, noise_sd, noise_synapse, seed: As for `lif.SoftLIF`.
        **kwargs: As for every Keras layer: `name`, `dtype`.

    Input shape: any.
    Output shape: as the input.

    Raises:
        ValueError: If an argument is out of its range.

    Source: the adaptation current of Benda & Herz (2003), in the form that is linear in the rate.
    """

    state_names = ("voltage", "wait", "adaptation")

    def __init__(
        self,
        adaptation: float = 0.01,
        tau_adaptation: float = 0.1,
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
        super().__init__(
            tau, refractory, gain, bias, amplitude, smoothing, noise, noise_sd, noise_synapse, seed, **kwargs
        )
        self.adaptation = number("adaptation", adaptation, at_least=0)
        self.tau_adaptation = number("tau_adaptation", tau_adaptation, above=0)

    def rate(self, current: Tensor) -> Tensor:
        curve = self.tau, self.refractory, self.smoothing
        current = ops.convert_to_tensor(current)
        effective = self._effective_current(ops.stop_gradient(current), curve)
        # From here on derivatives flow; each step makes one order of them right. An infinite current stays infinite.
        slope = 1.0 + self.adaptation * ops.stop_gradient(_rate_and_slope(effective, *curve)[1])
        for _ in range(2):
            excess = effective + self.adaptation * soft_lif_rate(effective, *curve) - current
            effective = effective - ops.where(ops.isinf(current), 0.0, excess) / slope
        return soft_lif_rate(effective, *curve)

    def _effective_current(self, current, curve):
        """The current less the adaptation, u, which solves u + kappa r(u) = j."""
        # The left side rises with u, so u lies between j - kappa r(j) and j.
        low, high = current - self.adaptation * _rate_and_slope(current, *curve)[0], current
        for _ in range(30):
            middle = 0.5 * low + 0.5 * high  # half of the sum would overflow
            is_low = middle + self.adaptation * _rate_and_slope(middle, *curve)[0] < current
            low, high = ops.where(is_low, middle, low), ops.where(is_low, high, middle)
        return high

    def step(
        self, current: Tensor, state: tuple[Tensor, ...], dt: float
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        *membrane, adaptation = state
        spikes, membrane = super().step(current - adaptation, membrane, dt)
        kept = math.exp(-dt / self.tau_adaptation)
        return spikes, (*membrane, kept * adaptation + (1.0 - kept) * (self.adaptation / dt) * spikes)

    def get_config(self):
        own = {"adaptation": self.adaptation, "tau_adaptation": self.tau_adaptation}
        return {**super().get_config(), **own}


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


def _as_float(x):
    """A tensor of floating-point numbers; whole numbers become those of Keras' default type."""
    x = ops.convert_to_tensor(x)
    return x if backend.is_float_dtype(backend.standardize_dtype(x.dtype)) else ops.cast(x, backend.floatx())

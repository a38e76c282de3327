r"""LIF neurons on a time step as long as their refractory period, and the way back to continuous time.

The layer is `CoarseLIF`. Times are in units of the refractory period and the threshold is 1.
"""

import math
from collections.abc import Callable

import keras
from keras import ops

from . import dynamics, surrogates
from ._backend import Tensor
from ._checks import check_rank, number
from .layers import OverTime

# An intensity of 1 must fire an analog neuron in every step, with a tenth to spare.
ANALOG_GAIN = 1.1


def coefficients(tau: float) -> tuple[float, float, float]:
    r"""The constants of the coarse rule, $a = e^{-1/\tau}$, $b = \tau (1 - a)$ and $c = \tau (1 - b)$.

    $a$ is what one step leaves of the potential. $b$ is what a spike that arrives at a random moment of a step adds to
    the potential at its end, on average. $c$ is the same for the step after a spike, whose first part the neuron
    sleeps through.

    Args:
        tau: Membrane time constant, in refractory periods, > 0.

    Returns:
        `(a, b, c)`.

    Example:

    >>> import lif
    >>> [round(k, 4) for k in lif.coarse.coefficients(4.0)]
    [0.7788, 0.8848, 0.4608]

    Source: Yanguas-Gil (2020), equations as in the author's code.
    """
    a = math.exp(-1.0 / tau)
    b = -tau * math.expm1(-1.0 / tau)
    # Far above 1, b is so near to 1 that their difference has no digits left; the series has.
    c = tau * (1.0 - b) if tau < 1e4 else 0.5 - 1.0 / (6.0 * tau)
    return a, b, c


@keras.saving.register_keras_serializable(package="lif")
class CoarseLIF(OverTime):
    r"""LIF neurons simulated on a time step as long as their refractory period: currents in, spikes out.

    $$
    v_t = (1 - s_{t-1})\,(a\, v_{t-1} + b\, x_t) + s_{t-1}\, c\, x_t, \qquad s_t = [v_t \ge 1], \qquad v_0 = s_0 = 0,
    $$

    with $a = e^{-1/\tau}$, $b = \tau (1 - a)$, $c = \tau (1 - b)$. The current $x_t$ is the weighted number of spikes
    that arrive within step $t$, at moments that are not kept; $b$ and $c$ average over them. A neuron fires at most
    once a step, and in the step after a spike it hears only what comes after its refractory period. There is no floor:
    a potential may be negative. To fire in two steps in a row takes $x_t \ge 1/c$.

    With `analog_input=True` the current is a constant intensity rather than a count of spikes, scaled so that an
    intensity of 1 fires in every step: $v_t = (1 - s_{t-1})(a\, v_{t-1} + \frac{b}{c}\, x'_t) + s_{t-1}\, x'_t$ with
    $x'_t = 1.1\, x_t$. It is meant for the first layer.

    In the backward pass the derivative of the spike is the surrogate's, and the gradient flows through the reset too
    unless `detach_reset` is set. Steps that a mask leaves out are as if they were not there.

    Example:

    >>> import lif, numpy as np
    >>> x = np.full((1, 6, 1), 0.6, "float32")
    >>> np.ravel(lif.CoarseLIF(tau=4.0)(x)).astype(int).tolist()
    [0, 0, 1, 0, 0, 1]

    Args:
        tau: Membrane time constant, in refractory periods (steps), > 0.
        surrogate: Derivative of the spike in the backward pass: a name, an object of `lif.surrogates` or a function
            of $v - 1$. **The default of `lif.LIF` is another.**
        detach_reset: Whether the gradient stops at the reset. **The default of `lif.LIF` is another.**
        analog_input: Whether the input is a constant intensity rather than a count of spikes.
        **kwargs: As for every Keras layer: `name`, `dtype`.

    Call arguments:
        inputs: Currents, shape `(batch, time, *units)`, in units of the threshold per step.
        mask: Boolean, shape `(batch, time)`, or `None`: steps where it is `False` are left out. It comes by itself from
            a layer such as `keras.layers.Masking` before this one, and is passed on.

    Input shape: `(batch, time, *units)`, any rank from 3; `batch` and `time` may be unknown and may vary. Axis 1 is
        time, as for `lif.LIF`.
    Output shape: as the input.

    Raises:
        ValueError: For a `tau` that is not a finite number > 0, an unknown surrogate, inputs of rank < 3 or without a
            step, or a mask of another shape. As the `activation` of another layer, or within `TimeDistributed`.

    Source: Yanguas-Gil (2020), equations as in the author's code.
    """

    def __init__(
        self,
        tau: float,
        surrogate: str | Callable = "logistic",
        detach_reset: bool = False,
        analog_input: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.tau = number("tau", tau, above=0)
        self.surrogate = surrogates.get(surrogate)
        self.detach_reset = bool(detach_reset)
        self.analog_input = bool(analog_input)
        self.supports_masking = True

    def build(self, input_shape):
        check_rank(self, input_shape)

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        check_rank(self, inputs.shape, mask)
        decay, input_gain, reset_gain = coefficients(self.tau)
        if self.analog_input:
            input_gain, reset_gain = ANALOG_GAIN * input_gain / reset_gain, ANALOG_GAIN
        rule = dynamics.CoarseRule(self.surrogate, decay, input_gain, reset_gain, self.detach_reset)
        return dynamics.coarse_lif(ops.cast(inputs, self.compute_dtype), rule, mask)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "tau": self.tau,
            "surrogate": surrogates.serialize(self.surrogate),
            "detach_reset": self.detach_reset,
            "analog_input": self.analog_input,
        }

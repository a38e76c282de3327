"""Numbers into spike trains, as Keras layers: intensities in [0, 1] become input over time.

The time axis is always axis 1: `(batch, *dims)` becomes `(batch, steps, *dims)`. `PopulationEncoder` alone adds no
time: it spreads each number over several units, and stands before one of the others.

Where an encoder takes intensities, an input outside [0, 1] is an error wherever its values can be looked at. In a
compiled function, such as `fit` and `predict`, they cannot; there every output that comes of it is NaN, and with it the
loss. `ConstantEncoder` takes any numbers: it only repeats them.
"""

import keras
import numpy as np
from keras import ops

from ._backend import Tensor, is_concrete, log1p, random_uniform
from ._checks import check_seed, integer, number
from ._misuse import refuse_misplaced
from .layers import OverTime

ROUNDING = 1e-5  # as far as this outside of [0, 1] is taken for inside


class _Encoder(keras.layers.Layer):
    """An encoder: refuses what is no intensity, or answers it with NaN, and computes in float32 at least.

    Half precision would round probabilities and spike times, so inputs are not cast on their way in.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.input_spec = keras.layers.InputSpec(min_ndim=1)

    def _intensities(self, inputs):
        """The inputs as they are, with NaN for each that is no intensity."""
        x = ops.cast(inputs, keras.backend.result_type(self.compute_dtype, "float32"))
        in_range = ops.logical_and(x >= -ROUNDING, x <= 1 + ROUNDING)  # written so that NaN fails
        if is_concrete(in_range) and not ops.all(in_range):
            _refuse(ops.convert_to_numpy(inputs))
        return ops.where(in_range, x, float("nan"))

    def _spikes(self, where, x):
        """1 where there is a spike, else 0; NaN where `x` is, since no comparison with NaN is true."""
        return ops.cast(ops.where(ops.isnan(x), x, ops.cast(where, x.dtype)), self.compute_dtype)


class TimeEncoder(_Encoder, OverTime):
    """An encoder that adds the time axis."""

    def __init__(self, steps: int, **kwargs):
        super().__init__(**kwargs)
        self.steps = integer("steps", steps, at_least=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.steps, *input_shape[1:])

    def _with_time(self, x):
        refuse_misplaced(self)
        return ops.expand_dims(x, 1)

    def _intensities(self, inputs):
        return super()._intensities(self._with_time(inputs))

    def get_config(self):
        return {**super().get_config(), "steps": self.steps}


@keras.saving.register_keras_serializable(package="lif")
class PoissonEncoder(TimeEncoder):
    """Random spikes, whose rate is the intensity.

    In each step a spike comes with probability `max_probability * x`, independent of all others: a Bernoulli process,
    the Poisson process of discrete time. The noise is fresh in every call, in training and in inference.

    Example:

    >>> import lif, numpy as np
    >>> encoder = lif.PoissonEncoder(steps=100, max_probability=0.5, seed=1)
    >>> spikes = encoder(np.array([[0.0, 0.4, 1.0]]))  # about 0, 20 and 50 spikes
    >>> tuple(spikes.shape)
    (1, 100, 3)

    Args:
        steps: Number of steps, an integer >= 1.
        max_probability: Probability of a spike per step where the intensity is 1, in (0, 1].
        seed: Integer for a reproducible sequence of spike trains, or `None`.

    Input shape: `(batch, *dims)`, intensities in [0, 1].
    Output shape: `(batch, steps, *dims)`, zeros and ones.

    Raises:
        ValueError: If an argument is out of its range, or an intensity is outside [0, 1]; in a compiled function the
            output is NaN instead.

    Source: as implemented in the authors' package of Gerum & Schilling, Integration of leaky-integrate-and-fire neurons
    in standard machine learning architectures, Neural Computation 33 (2021), where `max_probability = factor * dt`.
    """

    def __init__(self, steps: int, max_probability: float = 1.0, seed: int | None = None, **kwargs):
        super().__init__(steps, **kwargs)
        self.max_probability = number("max_probability", max_probability, above=0, at_most=1)
        self.seed = check_seed("seed", seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def call(self, inputs: Tensor) -> Tensor:
        probability = self.max_probability * self._intensities(inputs)
        batch, _, *dims = ops.shape(probability)
        shape = (batch, self.steps, *dims)
        chance = random_uniform(shape, probability.dtype, self.seed_generator)
        return self._spikes(chance < probability, probability)

    def get_config(self):
        return {**super().get_config(), "max_probability": self.max_probability, "seed": self.seed}


@keras.saving.register_keras_serializable(package="lif")
class ConstantEncoder(TimeEncoder):
    """A constant current: the number itself, repeated in every step.

    It is the way in for what has no time: pictures, or the currents that a layer makes of them. Weights in front of it
    are used once, and those behind it in every step.

    Example:

    >>> import lif, numpy as np
    >>> np.ravel(lif.ConstantEncoder(steps=3)(np.array([[0.5]]))).tolist()
    [0.5, 0.5, 0.5]

    Args:
        steps: Number of steps, an integer >= 1.

    Input shape: `(batch, *dims)`, any numbers. Intensities in [0, 1] suit neurons with a threshold of 1.
    Output shape: `(batch, steps, *dims)`.

    Raises:
        ValueError: If `steps` is no integer >= 1.

    Source: as implemented in the authors' package of Gerum & Schilling, Neural Computation 33 (2021).
    """

    def call(self, inputs: Tensor) -> Tensor:
        return ops.repeat(self._with_time(ops.cast(inputs, self.compute_dtype)), self.steps, axis=1)


@keras.saving.register_keras_serializable(package="lif")
class LatencyEncoder(TimeEncoder):
    r"""One spike for each number, the earlier the larger the number.

    The spike comes when a leaky integrator driven by the intensity $x$, $v(t) = x (1 - e^{-t/\tau})$, reaches $\theta$:

    $$ t = \left\lfloor \tau \ln \frac{x}{x - \theta} \right\rfloor . $$

    There is none where $x \le \theta$ or $t \ge$ `steps`.

    Example:

    >>> import lif, numpy as np
    >>> spikes = lif.LatencyEncoder(steps=5, tau=5.0, theta=0.2)(np.array([[1.0, 0.5, 0.2]]))
    >>> np.array(spikes)[0].T.astype(int).tolist()  # floor(5 ln(1 / 0.8)) = 1, floor(5 ln(0.5 / 0.3)) = 2, none
    [[0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]

    Args:
        steps: Number of steps, an integer >= 1.
        tau: Time constant of the integrator, in steps, > 0.
        theta: Level it has to reach, in (0, 1).

    Input shape: `(batch, *dims)`, intensities in [0, 1].
    Output shape: `(batch, steps, *dims)`, zeros and at most one 1 along time.

    Raises:
        ValueError: If an argument is out of its range, or an intensity is outside [0, 1]; in a compiled function the
            output is NaN instead.

    Source: as implemented in the authors' package of Gerum & Schilling, Neural Computation 33 (2021), where
    `tau = t_eff * steps`.
    """

    def __init__(self, steps: int, tau: float, theta: float, **kwargs):
        super().__init__(steps, **kwargs)
        self.tau = number("tau", tau, above=0, unit="steps")
        self.theta = number("theta", theta, above=0, below=1)

    def call(self, inputs: Tensor) -> Tensor:
        x = self._intensities(inputs)
        reaches = x > self.theta
        # ln(x / (x - theta)), which cancels less in this form
        time = ops.floor(-self.tau * log1p(-self.theta / ops.where(reaches, x, 1.0)))
        step = np.arange(self.steps).reshape((self.steps,) + (1,) * (len(x.shape) - 2))
        return self._spikes(ops.logical_and(reaches, time == ops.cast(step, x.dtype)), x)

    def get_config(self):
        return {**super().get_config(), "tau": self.tau, "theta": self.theta}


@keras.saving.register_keras_serializable(package="lif")
class PopulationEncoder(_Encoder):
    r"""Each number as the activity of several units with Gaussian receptive fields.

    With centres $c_i = i / (n - 1)$ spread over [0, 1], unit $i$ of the $n$ units of a number $x$ has the intensity

    $$ a_i = \exp\left( -\frac{(x - c_i)^2}{2\, w^2} \right) . $$

    There is no time in it: follow it with one of the other encoders.

    Example:

    >>> import lif, numpy as np
    >>> activity = lif.PopulationEncoder(units=3, width=0.5)(np.array([[0.0, 0.5]]))
    >>> [round(a, 2) for a in np.ravel(activity).tolist()]
    [1.0, 0.61, 0.14, 0.61, 1.0, 0.61]

    Args:
        units: Number of units for each number, an integer >= 2.
        width: Standard deviation of a receptive field, > 0, in units of the intensity. By default the distance of two
            centres, divided by 1.5.

    Input shape: `(batch, *dims, features)`, intensities in [0, 1].
    Output shape: `(batch, *dims, features * units)`, intensities in [0, 1]; the units of a number stand side by side.

    Raises:
        ValueError: If an argument is out of its range, the input has less than two axes, or an intensity is outside
            [0, 1]; in a compiled function the output is NaN instead.

    Source: Bohte, Kok & La Poutré, Error-backpropagation in temporally encoded networks of spiking neurons,
    Neurocomputing 48 (2002), for the code and its default width; their centres lie a little differently.
    """

    def __init__(self, units: int, width: float | None = None, **kwargs):
        super().__init__(**kwargs)
        self.input_spec = keras.layers.InputSpec(min_ndim=2)
        self.units = integer("units", units, at_least=2)
        if width is None:
            width = 1 / (1.5 * (self.units - 1))
        self.width = number("width", width, above=0, otherwise="or None")

    def call(self, inputs: Tensor) -> Tensor:
        x = self._intensities(inputs)
        centres = ops.linspace(0.0, 1.0, self.units, dtype=x.dtype)
        activity = ops.exp(-0.5 * ops.square((ops.expand_dims(x, -1) - centres) / self.width))
        *rest, features = ops.shape(x)
        return ops.cast(ops.reshape(activity, (*rest, features * self.units)), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        *rest, features = input_shape
        return (*rest, None if features is None else features * self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "width": self.width}


def _refuse(x):
    hint = "; divide bytes by 255" if np.issubdtype(x.dtype, np.integer) else ""
    raise ValueError(
        f"Argument `inputs` must be intensities in [0, 1]{hint}. "
        f"Received: {x.dtype} values from {x.min()} to {x.max()}"
    )

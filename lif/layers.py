"""Keras layers of leaky integrate-and-fire neurons: weights, checks and config; the work is done in `lif.dynamics`."""

from collections.abc import Callable
from typing import TypeAlias

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from . import dynamics, surrogates
from ._backend import Tensor
from ._checks import check_rank, integer, number, one_of, refuse
from ._misuse import by_name, refuse_foreign, refuse_no_tensor

Leak: TypeAlias = float | ArrayLike | str | keras.initializers.Initializer


@keras.saving.register_keras_serializable(package="lif")
class UnitInterval(keras.constraints.Constraint):
    """Keeps a trained leak in [0, 1]."""

    def __call__(self, w):
        return ops.clip(w, 0.0, 1.0)


class OverTime(keras.layers.Layer):
    """A layer for which axis 1 is time; it says where it cannot stand, and what its arguments are called here."""

    def __init__(self, **kwargs):
        refuse_foreign(type(self), kwargs)
        super().__init__(**kwargs)

    def __call__(self, *args, **kwargs):
        refuse_no_tensor(self, *args[:1])
        return super().__call__(*args, **kwargs)

    @classmethod
    def from_config(cls, config):
        # Bidirectional adds it; seen here, it is not hidden in a page of Keras' own.
        refuse_foreign(cls, {k: v for k, v in config.items() if k == "go_backwards"})
        return super().from_config(config)


class Leaky(OverTime):
    """What the layers share: the leak, which is a number, an array per unit or a weight, and the state."""

    def __init__(self, leak: Leak, floor: float | None, trainable_leak: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.trainable_leak = bool(trainable_leak)
        self.leak = _checked_leak(leak)
        # The potential starts at 0, which is above every floor.
        self.floor = None if floor is None else number("floor", floor, at_most=0, otherwise="or None")

    def build(self, input_shape):
        check_rank(self, input_shape)
        units = tuple(input_shape[2:])
        is_initializer = callable(self.leak)
        if not is_initializer and np.ndim(self.leak):
            try:
                fits = np.broadcast_shapes(self.leak.shape, units) == units
            except ValueError:
                fits = False
            if not fits:
                raise ValueError(
                    f"Argument `leak` must be a number or broadcast to the shape of the units, {units}. "
                    f"Received: an array of shape {self.leak.shape}"
                )
        self._leak_weight = None
        if is_initializer or self.trainable_leak:
            if None in units:
                raise ValueError(
                    f"One leak per unit needs a known number of units. Received: inputs of shape {tuple(input_shape)}"
                )
            self._leak_weight = self.add_weight(
                name="leak",
                shape=units,
                initializer=self._initial_leak,
                constraint=UnitInterval(),
                trainable=self.trainable_leak,
                autocast=False,
            )

    def _initial_leak(self, shape, dtype=None):
        leak = self.leak(shape, dtype=dtype) if callable(self.leak) else np.broadcast_to(self.leak, shape)
        return ops.clip(ops.cast(leak, dtype), 0.0, 1.0)

    def _leak_tensor(self):
        return ops.convert_to_tensor(
            self.leak if self._leak_weight is None else self._leak_weight, dtype=self._state_dtype
        )

    @property
    def _state_dtype(self):
        return "float64" if self.compute_dtype == "float64" else "float32"

    def at_rest(self, batch: int, units: tuple[int, ...], masked: bool = False) -> dynamics.State:
        """State before the first step, for `advance`.

        Args:
            batch: Number of examples.
            units: Shape of the units, as in inputs of shape `(batch, time, *units)`.
            masked: Whether `advance` will be given a mask.

        Returns:
            `lif.dynamics.State(potential, spikes, wait)`, tensors of zeros of shape `(batch, *units)`: the potential;
            the spikes of the step before, with recurrent connections; the number of closed steps to come, with a
            refractory period or a mask. What the layer does not need is `None`.
        """
        if not self.built:
            self.build((None, None, *units))
        return self._at_rest(ops.zeros((batch, *units), self._state_dtype), masked)

    def _at_rest(self, zeros, masked):
        return dynamics.at_rest(zeros, recurrent=False, refractory=0, masked=masked)

    def _checked(self, inputs, state, mask):
        """Currents and state for `advance`, in the precision of the layer, which is built if nobody has called it."""
        if any(isinstance(x, keras.KerasTensor) for x in (inputs, mask, *(state or ()))):
            raise ValueError(
                f"{type(self).__name__}.advance computes, and takes no symbolic tensor of a functional model: call it "
                f"inside the `call` of a layer or model of your own. Received: inputs={inputs!r}"
            )
        refuse_no_tensor(self, inputs)
        check_rank(self, inputs.shape, mask)
        if not self.built:
            self.build(tuple(inputs.shape))
        if state is not None:
            needed = _filled(self._at_rest(0.0, mask is not None))
            if not isinstance(state, dynamics.State) or _filled(state) != needed:
                raise refuse(
                    "state", f"lif.dynamics.State of {needed}, as from `at_rest` or an earlier call", state
                )
            state = dynamics.State(*(None if y is None else ops.convert_to_tensor(y) for y in state))
        return ops.cast(inputs, self.compute_dtype), state

    def get_config(self):
        leak = (
            keras.initializers.serialize(self.leak) if callable(self.leak) else np.asarray(self.leak).tolist()
        )
        return {
            **super().get_config(),
            "leak": leak,
            "floor": self.floor,
            "trainable_leak": self.trainable_leak,
        }


@keras.saving.register_keras_serializable(package="lif")
class LIF(Leaky):
    r"""Leaky integrate-and-fire neurons: currents in, spikes out.

    $$
    v_t = \max(\text{floor}, (1 - \lambda)\, \bar v_{t-1} + x_t), \qquad s_t = [v_t \ge \vartheta], \qquad
    \bar v_t = \begin{cases} 0 \text{ or } v_t - \vartheta & s_t = 1 \\ v_t & s_t = 0 \end{cases}
    $$

    with $\bar v_0 = 0$. In the `refractory` steps after a spike, and where a mask is `False`, the potential is
    frozen and no spike is possible. In the backward pass the derivative of the spike is the surrogate's.
    With `leak=0` the neuron is an integrator, with `leak` near 1 a coincidence detector.

    Example:

    >>> import lif, numpy as np
    >>> x = np.full((1, 6, 1), 0.4, "float32")
    >>> np.ravel(lif.LIF(leak=0.1)(x)).astype(int).tolist()
    [0, 0, 1, 0, 0, 1]

    Args:
        leak: Share of the potential lost per step, $\lambda$ in [0, 1]: a number, an array per unit, or a Keras
            initializer that draws one leak per unit (values outside [0, 1] are clipped).
        threshold: Potential at which the neuron fires, $\vartheta > 0$.
        reset: `"zero"`, `"subtract"` (the threshold is taken off) or `"none"`.
        refractory: Number of closed steps after a spike, an integer >= 0.
        floor: Lowest potential, or `None` for no floor, which `lif.to_nir` needs. The gradient is zero where the
            potential sits on it.
        surrogate: Derivative of the spike in the backward pass: a name, an object of `lif.surrogates` or a function
            of $v - \vartheta$. **The default of `lif.CoarseLIF` is another.**
        detach_reset: Whether the gradient stops at the reset. **The default of `lif.CoarseLIF` is another.**
        trainable_leak: Whether to train one leak per unit; it stays in [0, 1].
        return_potential: Whether to return `(spikes, potential)`, the potential taken before the reset.
        **kwargs: As for every Keras layer: `name`, `dtype`.

    Call arguments:
        inputs: Currents, shape `(batch, time, *units)`, in units of the potential per step.
        mask: Boolean, shape `(batch, time)`, or `None`: steps where it is `False` are closed. It comes by itself from
            a layer such as `keras.layers.Masking` before this one, and is passed on.

    Input shape: `(batch, time, *units)`, any rank from 3; `batch` and `time` may be unknown and may vary. Axis 1 is
        time whatever stands there: the rows of a picture, if it has no time. Put `lif.ConstantEncoder` before the
        first layer then.
    Output shape: as the input; a pair of that shape with `return_potential`.

    Raises:
        TypeError: If an argument is not given by its name.
        ValueError: For a leak outside [0, 1], a threshold <= 0, a negative or fractional refractory period, a positive
            floor, an unknown reset or surrogate, inputs of rank < 3 or without a step, or a mask of another shape. As
            the `activation` of another layer, or within `TimeDistributed`.

    Source: Gerum & Schilling (2021), rule as implemented in the authors' package; `reset`, `floor` and
    `detach_reset` are options here.
    """

    recurrent_kernel = None  # no neuron hears another

    @by_name
    def __init__(
        self,
        *,
        leak: Leak = 0.1,
        threshold: float = 1.0,
        reset: str = "zero",
        refractory: int = 0,
        floor: float | None = 0.0,
        surrogate: str | Callable = "constant",
        detach_reset: bool = True,
        trainable_leak: bool = False,
        return_potential: bool = False,
        **kwargs,
    ):
        super().__init__(leak, floor, trainable_leak, **kwargs)
        self.threshold = number("threshold", threshold, above=0)
        self.reset = one_of("reset", reset, dynamics.RESETS)
        self.refractory = integer("refractory", refractory, at_least=0, unit="steps")
        self.surrogate = surrogates.get(surrogate)
        self.detach_reset = bool(detach_reset)
        self.return_potential = bool(return_potential)

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        return self.advance(inputs, mask=mask)

    def advance(self, inputs: Tensor, state: dynamics.State | None = None, mask: Tensor | None = None):
        """As the layer when called, but from a state on: for a stream that comes step by step or in chunks.

        A layer or model of your own calls it in its `call`, and keeps the state; in its `build` it should build this
        layer. It computes at once, and is no part of a functional model.

        Args:
            inputs: Currents, shape `(batch, time, *units)`, a step at least.
            state: State before the first step: `at_rest(batch, units)`, or what an earlier call returned. `None` is
                rest.
            mask: Boolean, shape `(batch, time)`, or `None`.

        Returns:
            As the layer when called; with a `state` a tuple that ends with the state after the last step.

        Raises:
            ValueError: For symbolic tensors, a state of another layer, or inputs that the layer would not take.

        Example:

        >>> import lif, numpy as np
        >>> layer = lif.LIF(leak=0.1)
        >>> state, spikes = layer.at_rest(batch=1, units=(1,)), []
        >>> for current in (0.4, 0.4, 0.4, 0.4, 0.4, 0.4):
        ...     spike, state = layer.advance(np.full((1, 1, 1), current, "float32"), state)
        ...     spikes.append(int(spike[0, 0, 0]))
        >>> spikes
        [0, 0, 1, 0, 0, 1]
        """
        x, state = self._checked(inputs, state, mask)
        kernel = self.recurrent_kernel
        return dynamics.simulate_lif(
            x,
            self._leak_tensor(),
            dynamics.Rule(
                self.surrogate, self.threshold, self.reset, self.refractory, self.floor, self.detach_reset
            ),
            recurrent_kernel=None if kernel is None else ops.convert_to_tensor(kernel),
            return_potential=self.return_potential,
            leak_gradient=self.trainable_leak,
            mask=mask,
            state=state,
        )

    def _at_rest(self, zeros, masked):
        return dynamics.at_rest(zeros, self.recurrent_kernel is not None, self.refractory, masked)

    def compute_mask(self, inputs, previous_mask=None):
        return (previous_mask, previous_mask) if self.return_potential else previous_mask

    def compute_output_shape(self, input_shape):
        shape = tuple(input_shape)
        return (shape, shape) if self.return_potential else shape

    def get_config(self):
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "reset": self.reset,
            "refractory": self.refractory,
            "surrogate": surrogates.serialize(self.surrogate),
            "detach_reset": self.detach_reset,
            "return_potential": self.return_potential,
        }


@keras.saving.register_keras_serializable(package="lif")
class RecurrentLIF(LIF):
    r"""LIF neurons that also hear each other's spikes, one step later: currents $x_t + s_{t-1} W$.

    $W$ connects the units of the last axis, each with each and with itself. Everything else is `lif.LIF`: put a
    `Dense` layer in front for the weights of the inputs. A masked step emits no spikes, so what follows a gap in
    the middle of a sequence hears nothing of what was before it.

    Example:

    >>> import lif, numpy as np
    >>> tuple(lif.RecurrentLIF(leak=0.05)(np.ones((2, 10, 4), "float32")).shape)
    (2, 10, 4)

    Args:
        recurrent_initializer: Keras initializer of $W$.
        recurrent_regularizer: Keras regularizer of $W$, or `None`.
        leak, threshold, reset, refractory, floor, surrogate, detach_reset: As for `lif.LIF`.
        trainable_leak, return_potential, **kwargs: As for `lif.LIF`.

    Call arguments:
        inputs, mask: As for `lif.LIF`.

    Input shape: `(batch, time, *units)`, as for `lif.LIF`; the number of units must be known.
    Output shape: as the input; a pair of that shape with `return_potential`.

    Raises:
        ValueError: As `lif.LIF`, and for an unknown number of units.

    Source: the recurrent connections of spiking networks as in Neftci, Mostafa & Zenke (2019), eq. 7, with the
    update rule of `lif.LIF`.
    """

    @by_name
    def __init__(
        self,
        *,
        recurrent_initializer: str | keras.initializers.Initializer = "orthogonal",
        recurrent_regularizer: str | keras.regularizers.Regularizer | None = None,
        leak: Leak = 0.1,
        threshold: float = 1.0,
        reset: str = "zero",
        refractory: int = 0,
        floor: float | None = 0.0,
        surrogate: str | Callable = "constant",
        detach_reset: bool = True,
        trainable_leak: bool = False,
        return_potential: bool = False,
        **kwargs,
    ):
        super().__init__(
            leak=leak,
            threshold=threshold,
            reset=reset,
            refractory=refractory,
            floor=floor,
            surrogate=surrogate,
            detach_reset=detach_reset,
            trainable_leak=trainable_leak,
            return_potential=return_potential,
            **kwargs,
        )
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.recurrent_regularizer = keras.regularizers.get(recurrent_regularizer)

    def build(self, input_shape):
        super().build(input_shape)
        units = input_shape[-1]
        if units is None:
            raise ValueError(
                f"Recurrent connections need a known number of units. Received: inputs of shape {tuple(input_shape)}"
            )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(units, units),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            autocast=False,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "recurrent_initializer": keras.initializers.serialize(self.recurrent_initializer),
            "recurrent_regularizer": keras.regularizers.serialize(self.recurrent_regularizer),
        }


@keras.saving.register_keras_serializable(package="lif")
class LeakyIntegrator(Leaky):
    r"""Leaky sum without spikes, for the output of a network: $v_t = \max(\text{floor}, (1 - \lambda) v_{t-1} + x_t)$.

    Example:

    >>> import lif, numpy as np
    >>> x = np.ones((1, 3, 1), "float32")
    >>> np.array(lif.LeakyIntegrator(leak=0.5)(x)).tolist()
    [[1.75]]

    Args:
        leak: Share of the sum lost per step, $\lambda$ in [0, 1]: a number, an array per unit, or a Keras
            initializer.
        floor: Lowest value, or `None` for no floor.
        return_sequences: Whether to return every step rather than the last.
        trainable_leak: Whether to train one leak per unit; it stays in [0, 1].
        **kwargs: As for every Keras layer: `name`, `dtype`.

    Call arguments:
        inputs: Currents, shape `(batch, time, *units)`.
        mask: Boolean, shape `(batch, time)`, or `None`: in steps where it is `False` the sum stays what it was.

    Input shape: `(batch, time, *units)`, any rank from 3; `batch` and `time` may be unknown and may vary.
    Output shape: `(batch, *units)`, or as the input with `return_sequences`. With a mask the last step is the last
    one that is not masked.

    Raises:
        ValueError: For a leak outside [0, 1], a floor > 0, inputs of rank < 3 or without a step, or a mask of another
            shape.
    """

    @by_name
    def __init__(
        self,
        *,
        leak: Leak = 0.0,
        floor: float | None = None,
        return_sequences: bool = False,
        trainable_leak: bool = False,
        **kwargs,
    ):
        super().__init__(leak, floor, trainable_leak, **kwargs)
        self.return_sequences = bool(return_sequences)

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        v = self.advance(inputs, mask=mask)
        return v if self.return_sequences else v[:, -1]

    def advance(self, inputs: Tensor, state: dynamics.State | None = None, mask: Tensor | None = None):
        """The sum in each step, from a state on; arguments and returns as for `lif.LIF.advance`."""
        x, state = self._checked(inputs, state, mask)
        return dynamics.leaky_integrate(
            x,
            self._leak_tensor(),
            floor=self.floor,
            leak_gradient=self.trainable_leak,
            mask=mask,
            state=state,
        )

    def compute_mask(self, inputs, previous_mask=None):
        return previous_mask if self.return_sequences else None

    def compute_output_shape(self, input_shape):
        shape = tuple(input_shape)
        return shape if self.return_sequences else (shape[0], *shape[2:])

    def get_config(self):
        return {**super().get_config(), "return_sequences": self.return_sequences}


def _filled(state):
    """Names of the fields of a state that are not `None`."""
    return ", ".join(name for name, y in zip(state._fields, state, strict=True) if y is not None)


def _checked_leak(leak):
    try:
        if isinstance(leak, str | dict) or callable(leak):
            return keras.initializers.get(leak)
        values = np.array(leak, dtype="float64")  # copy: the caller may modify the array later
    except (TypeError, ValueError) as error:
        raise refuse("leak", "a number, an array of numbers or a Keras initializer", leak) from error
    if isinstance(leak, bool) or not np.all((values >= 0) & (values <= 1)):  # NaN fails too
        raise refuse("leak", "in [0, 1]", leak)
    return values if values.ndim else float(leak)

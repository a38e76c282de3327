"""Keras layers of leaky integrate-and-fire neurons: weights, checks and config; the work is done in `lif.dynamics`."""

import re
from collections.abc import Callable
from typing import TypeAlias

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from . import dynamics, surrogates
from ._misuse import by_name, refuse_foreign, refuse_misplaced, refuse_no_tensor, within_time_distributed
from .backend import Tensor

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


class _Leaky(OverTime):
    """What the layers share: the leak, which is a number, an array per unit or a weight, and the state."""

    recurrent_kernel, refractory = None, 0

    def __init__(self, leak: Leak, floor: float | None, trainable_leak: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.trainable_leak = bool(trainable_leak)
        self.leak = _checked_leak(leak)
        self.floor = _checked_floor(floor)

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
            Tuple of tensors of shape `(batch, *units)`: the potential; with recurrent connections the spikes of the
            step before; with a refractory period or a mask the number of closed steps to come. All are 0.
        """
        if not self.built:
            self.build((None, None, *units))
        zeros = ops.zeros((batch, *units), self._state_dtype)
        return dynamics.at_rest(zeros, self.recurrent_kernel is not None, self.refractory, masked)

    def _currents(self, inputs, state, mask):
        """Checked inputs of `advance`, in the precision of the layer, which is built if nobody has called it."""
        if any(isinstance(x, keras.KerasTensor) for x in (inputs, mask, *(state or ()))):
            raise ValueError(
                f"{type(self).__name__}.advance computes, and takes no symbolic tensor of a functional model: call it "
                f"inside the `call` of a layer or model of your own. Received: inputs={inputs!r}"
            )
        refuse_no_tensor(self, inputs)
        check_rank(self, inputs.shape, mask)
        if not self.built:
            self.build(tuple(inputs.shape))
        expected = 1 + (self.recurrent_kernel is not None) + (self.refractory > 0 or mask is not None)
        if state is not None and len(state) != expected:
            raise ValueError(
                f"Argument `state` must be a tuple of {expected} tensors, as from `at_rest(batch, units, masked)` or "
                f"an earlier call. Received: {len(state)}"
            )
        return ops.cast(inputs, self.compute_dtype)

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
class LIF(_Leaky):
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
        floor: Lowest potential, or `None` for no floor. The gradient is zero where the potential sits on it.
        surrogate: Derivative of the spike in the backward pass: a name, an object of `lif.surrogates` or a function
            of $v - \vartheta$.
        detach_reset: Whether the gradient stops at the reset.
        trainable_leak: Whether to train one leak per unit; it stays in [0, 1].
        return_potential: Whether to return `(spikes, potential)`, the potential taken before the reset.
        **kwargs: As for every Keras layer: `name`, `dtype`.

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
        if not is_number(threshold) or not 0 < threshold < float("inf"):
            raise ValueError(f"Argument `threshold` must be a number > 0. Received: threshold={threshold!r}")
        if not isinstance(reset, str) or reset not in dynamics.RESETS:
            raise ValueError(f"Argument `reset` must be one of {dynamics.RESETS}. Received: reset={reset!r}")
        if isinstance(refractory, bool) or not isinstance(refractory, int | np.integer) or refractory < 0:
            raise ValueError(
                f"Argument `refractory` must be a whole number of steps >= 0. Received: refractory={refractory!r}"
            )
        self.threshold = float(threshold)
        self.reset = reset
        self.refractory = int(refractory)
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
            ValueError: For symbolic tensors, a state of another length, or inputs that the layer would not take.

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
        x, kernel = self._currents(inputs, state, mask), self.recurrent_kernel
        return dynamics.lif(
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
        **kwargs: As for `lif.LIF`: `leak`, `threshold` and so on.

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
        **kwargs,
    ):
        super().__init__(**kwargs)
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
class LeakyIntegrator(_Leaky):
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
        **kwargs: As for every Keras layer.

    Input shape: `(batch, time, *units)`.
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
        x = self._currents(inputs, state, mask)
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


@keras.saving.register_keras_serializable(package="lif")
class TimeDistributed(keras.layers.TimeDistributed):
    r"""A layer without memory, such as a convolution, applied to every step: `keras.layers.TimeDistributed`, faster.

    Keras applies the layer to one step after the other where their number is known. Here time is folded into the batch,
    the layer sees `batch * time` examples at once, and time is unfolded again. For a layer that treats each example by
    itself nothing else changes. Batch normalisation averages over the steps too, over those that a mask leaves out as
    over the others.

    Example:

    >>> import keras, lif, numpy as np
    >>> film = np.zeros((2, 5, 28, 28, 1), "float32")
    >>> tuple(lif.TimeDistributed(keras.layers.Conv2D(6, 5))(film).shape)
    (2, 5, 24, 24, 6)

    Args:
        layer: The Keras layer to apply.
        **kwargs: As for every Keras layer: `name`, `dtype`.

    Input shape: `(batch, time, *dims)`; `batch` and `time` may be unknown and may vary.
    Output shape: `(batch, time, *units)`, with the shape `(batch, *units)` that the layer makes of `(batch, *dims)`.

    Raises:
        ValueError: If `layer` is no Keras layer, or has a time axis itself, as neurons and encoders have, or contains
            one that has. Put it beside the layers that see one step at a time.
    """

    def __init__(self, layer: keras.layers.Layer, **kwargs):
        super().__init__(layer, **kwargs)
        for part in layer._flatten_layers():  # itself, and those that it contains
            if isinstance(part, OverTime):
                raise ValueError(within_time_distributed(type(part).__name__))

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        return over_time(self.layer, inputs)


@keras.saving.register_keras_serializable(package="lif")
class Recompute(OverTime):
    r"""Layers one after the other that take little memory in training: they calculate again what they did not keep.

    A layer of neurons keeps its potential in every step for the backward pass, and a layer of weights its input. Over
    $T$ steps that is what fills the memory. Here nothing is kept but the input of the first layer and, every $k$ steps,
    the potential of each neuron. The backward pass runs the layers over $k$ steps again when it gets there.
    Memory grows as $T/k + k$ instead of $T$, beside input and output, and is least for $k$ near $\sqrt T$. The price is
    one more forward pass. Outputs and gradients are the same.

    Put neurons and the weights before them into one `Recompute`: around neurons alone it saves nothing, since then
    their currents are kept. `lif.firing_rates` and the like, and `lif.to_nir`, see the layers inside as if they stood
    in the model themselves.

    Example:

    >>> import keras, lif, numpy as np
    >>> network = lif.Recompute([keras.layers.Dense(8), lif.LIF(), keras.layers.Dense(2)], every=20)
    >>> tuple(network(np.ones((3, 400, 4), "float32")).shape)
    (3, 400, 2)

    Args:
        layers: List of layers. Each is `LIF`, `RecurrentLIF`, `LeakyIntegrator(return_sequences=True)`, or treats every
            step by itself: `Dense`, `TimeDistributed`, an activation.
        every: Number of steps $k$ after which the state is kept, an integer >= 1. Where $k$ does not divide the number
            of steps, the input is copied once, and some more steps are run.
        **kwargs: As for every Keras layer.

    Input shape: `(batch, time, *units)`; `batch` and `time` may be unknown and may vary.
    Output shape: `(batch, time, *units)` of the last layer.

    Raises:
        ValueError: For an `every` that is no whole number >= 1, an empty list, a layer with an `activity_regularizer`,
            or one that cannot be run twice or in blocks: `Dropout` and `BatchNormalization`, layers in float8, other
            neurons or layers that contain some, Keras' own recurrent layers, `Masking`, convolutions and pooling over
            time, `LIF(return_potential=True)`. A layer of your own must treat each step by itself.

    Source: Chen, Xu, Zhang & Guestrin (2016), over time instead of layers.
    """

    def __init__(self, layers: list[keras.layers.Layer], every: int, **kwargs):
        super().__init__(**kwargs)
        if isinstance(every, bool) or not isinstance(every, int | np.integer) or every < 1:
            raise ValueError(
                f"Argument `every` must be a whole number of steps >= 1. Received: every={every!r}"
            )
        if (
            not isinstance(layers, list | tuple)
            or not layers
            or not all(isinstance(layer, keras.layers.Layer) for layer in layers)
        ):
            raise ValueError(f"Argument `layers` must be a list of Keras layers. Received: layers={layers!r}")
        for layer in layers:
            gives_one_sequence = isinstance(layer, _Leaky) and (
                not getattr(layer, "return_potential", False) and getattr(layer, "return_sequences", True)
            )
            parts = list(layer._flatten_layers())  # itself, and those that it contains
            has_time = any(isinstance(part, OverTime) for part in parts)
            if (has_time or _mixes_steps(layer)) and not gives_one_sequence:
                raise ValueError(
                    "Argument `layers` takes LIF, RecurrentLIF, LeakyIntegrator(return_sequences=True) and layers "
                    "that treat each step by itself (a convolution or a pooling in TimeDistributed), each with one "
                    f"output per step. Received: {layer}"
                )
            if any(part.activity_regularizer is not None for part in parts):
                raise ValueError(
                    "Layers inside Recompute take no `activity_regularizer`: their outputs are not kept. "
                    f"Received: {layer}"
                )
        self.supports_masking = True
        self.layers = list(layers)
        self.every = int(every)

    def build(self, input_shape):
        check_rank(self, input_shape)
        shape = tuple(input_shape)
        for layer in self.layers:
            if not layer.built:
                layer.build(shape)
            for part in layer._flatten_layers():
                # A frozen Dropout draws too; in blocks it would draw the same again and again.
                if getattr(part, "_seed_generators", ()) or (part.trainable and isinstance(part, _GATHERING)):
                    raise ValueError(f"{_RUN_TWICE}. Received: {layer}")
            shape = _shape_after(layer, shape)

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        check_rank(self, inputs.shape, mask)
        variables = [v for layer in self.layers for v in layer.variables]
        for v in variables:
            # A scale of float8, whose gradient Keras takes for its next value: it cannot be summed over the blocks.
            if getattr(v, "overwrite_with_gradient", False):
                raise ValueError(f"{_RUN_TWICE}, as float8 does. Received: the variable {v.path}")

        def at_rest(batch):
            shape, state = tuple(inputs.shape), ()
            for layer in self.layers:
                if isinstance(layer, _Leaky):
                    state += layer.at_rest(batch, shape[2:], mask is not None)
                shape = _shape_after(layer, shape)
            return state

        def advance(x, mask, state, weights):
            state, after = list(state), ()
            with keras.StatelessScope(state_mapping=list(zip(variables, weights, strict=True))) as scope:
                given = [scope.get_current_value(v) for v in variables]
                for layer in self.layers:
                    if isinstance(layer, _Leaky):
                        before = tuple(state.pop(0) for _ in layer.at_rest(1, (1,), mask is not None))
                        x, now = layer.advance(x, before, mask)
                        after += now
                    else:
                        x = layer(x)
                for v, value in zip(variables, given, strict=True):
                    if scope.get_current_value(v) is not value:
                        raise ValueError(f"{_RUN_TWICE}. Received: one that changes its variable {v.path}")
            return x, after

        weights = tuple(ops.convert_to_tensor(v) for v in variables)
        return dynamics.in_blocks(advance, at_rest, inputs, weights, self.every, mask)

    def compute_output_shape(self, input_shape):
        shape = tuple(input_shape)
        for layer in self.layers:
            shape = _shape_after(layer, shape)
        return shape

    def get_config(self):
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.layers]
        return {**super().get_config(), "layers": layers, "every": self.every}

    @classmethod
    def from_config(cls, config):
        layers = [keras.saving.deserialize_keras_object(layer) for layer in config["layers"]]
        return cls(**{**config, "layers": layers})


def _shape_after(layer, shape):
    """Also of a layer that says nothing of its shape: Keras then asks its `call`."""
    return tuple(layer.compute_output_spec(keras.KerasTensor(shape, layer.compute_dtype)).shape)


_RUN_TWICE = (
    "Recompute runs its layers twice, and expects some that neither draw random numbers nor gather statistics"
)
_GATHERING = (keras.layers.BatchNormalization, keras.layers.SpectralNormalization)

# Layers of Keras that look beyond a step, or change the steps, unless TimeDistributed stands around them.
_ACROSS_STEPS = re.compile(
    "Conv|Pool|Padding|Cropping|UpSampling|Flatten|Reshape|Permute|Attention|RNN|Mask|Repeat"
)


def _mixes_steps(layer):
    """Whether a layer of Keras, or one derived from it, does not treat each step, axis 1, by itself."""
    names = (base.__name__ for base in type(layer).__mro__ if base.__module__.startswith("keras."))
    return any(map(_ACROSS_STEPS.search, names)) or 1 in np.ravel(getattr(layer, "axis", -1))


def over_time(layer, x):
    """`layer` applied to every step of `x` at once."""
    y = layer(ops.reshape(x, (-1, *x.shape[2:])))
    return ops.reshape(y, (-1, ops.shape(x)[1], *y.shape[1:]))


def check_rank(layer, input_shape, mask=None):
    """Refuses inputs without a time axis, a step or units, a mask that is not one of their steps, and a wrong place."""
    refuse_misplaced(layer)
    if len(input_shape) < 3 or input_shape[1] == 0:
        raise ValueError(
            f"{type(layer).__name__} expects inputs of shape (batch, time, *units), of rank 3 or more and with a step "
            f"at least. Received: inputs of shape {tuple(input_shape)}"
        )
    if mask is not None:
        shape = tuple(np.shape(mask) if isinstance(mask, list) else mask.shape)
        pairs = zip(input_shape[:2], shape, strict=False)
        if len(shape) != 2 or any(None not in (n, m) and n != m for n, m in pairs):
            raise ValueError(
                f"{type(layer).__name__} expects a mask of shape (batch, time) for inputs of shape "
                f"{tuple(input_shape)}. Received: a mask of shape {shape}"
            )


def is_number(value):
    """Whether an argument is a number, Python's or NumPy's; a truth value is none."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _checked_leak(leak):
    try:
        if isinstance(leak, str | dict) or callable(leak):
            return keras.initializers.get(leak)
        values = np.array(leak, dtype="float64")  # a copy: who gave it may change his
    except (TypeError, ValueError) as error:
        raise ValueError(
            "Argument `leak` must be a number, an array of numbers or a Keras initializer. "
            f"Received: leak={leak!r} ({error})"
        ) from None
    if isinstance(leak, bool) or not np.all((values >= 0) & (values <= 1)):  # NaN fails too
        raise ValueError(f"Argument `leak` must lie in [0, 1]. Received: leak={leak!r}")
    return values if values.ndim else float(leak)


def _checked_floor(floor):
    if floor is not None and not (is_number(floor) and np.isfinite(floor) and floor <= 0):
        raise ValueError(
            f"Argument `floor` must be a number <= 0 (the potential starts at 0) or None. Received: floor={floor!r}"
        )
    return None if floor is None else float(floor)

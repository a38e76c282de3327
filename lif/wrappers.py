"""Layers around layers: one applied to every step, and gradient checkpointing over time."""

import keras
from keras import ops

from . import dynamics
from ._backend import Tensor
from ._checks import check_rank, integer, refuse
from ._keras import STATISTICS, generators, mixes_steps, parts, traits
from ._misuse import within_time_distributed
from .layers import Leaky, OverTime


@keras.saving.register_keras_serializable(package="lif")
class TimeDistributed(keras.layers.TimeDistributed):
    r"""`keras.layers.TimeDistributed`, vectorised: a layer without memory is applied to all steps at once.

    Such a layer is a convolution. Keras applies it to one step after the other where their number is known. Here time
    is folded into the batch, the layer sees `batch * time` examples at once, and time is unfolded again. For a layer
    that treats each example by itself nothing else changes. Batch normalisation averages over the steps too, over those
    that a mask leaves out as over the others.

    Example:

    >>> import keras, lif, numpy as np
    >>> film = np.zeros((2, 5, 28, 28, 1), "float32")
    >>> tuple(lif.TimeDistributed(keras.layers.Conv2D(6, 5))(film).shape)
    (2, 5, 24, 24, 6)

    Args:
        layer: The Keras layer to apply.
        **kwargs: As for every Keras layer: `name`, `dtype`.

    Call arguments:
        inputs: Tensor of shape `(batch, time, *dims)`.
        mask: Boolean, shape `(batch, time)`, or `None`: it is passed on, and changes nothing here.

    Input shape: `(batch, time, *dims)`; `batch` and `time` may be unknown and may vary.
    Output shape: `(batch, time, *units)`, with the shape `(batch, *units)` that the layer makes of `(batch, *dims)`.

    Raises:
        ValueError: If `layer` is no Keras layer, or has a time axis itself, as neurons and encoders have, or contains
            one that has. Put it beside the layers that see one step at a time.
    """

    def __init__(self, layer: keras.layers.Layer, **kwargs):
        super().__init__(layer, **kwargs)
        for part in parts(layer):
            if isinstance(part, OverTime):
                raise ValueError(within_time_distributed(type(part).__name__))

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        return over_time(self.layer, inputs)


@keras.saving.register_keras_serializable(package="lif")
class Recompute(OverTime):
    r"""Layers with gradient checkpointing over time (rematerialisation): they take little memory in training.

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
        **kwargs: As for every Keras layer: `name`, `dtype`.

    Call arguments:
        inputs: Tensor of shape `(batch, time, *units)`.
        mask: Boolean, shape `(batch, time)`, or `None`: the neurons inside heed it as they do outside.

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
        if (
            not isinstance(layers, list | tuple)
            or not layers
            or not all(isinstance(layer, keras.layers.Layer) for layer in layers)
        ):
            raise refuse("layers", "a list of Keras layers", layers)
        for layer in layers:
            gives_one_sequence = isinstance(layer, Leaky) and (
                not getattr(layer, "return_potential", False) and getattr(layer, "return_sequences", True)
            )
            has_time = any(isinstance(part, OverTime) for part in parts(layer))
            if (has_time or mixes_steps(layer)) and not gives_one_sequence:
                raise ValueError(
                    "Argument `layers` takes LIF, RecurrentLIF, LeakyIntegrator(return_sequences=True) and layers "
                    "that treat each step by itself (a convolution or a pooling in TimeDistributed), each with one "
                    f"output per step. Received: {layer}"
                )
            if any(part.activity_regularizer is not None for part in parts(layer)):
                raise ValueError(
                    "Layers inside Recompute take no `activity_regularizer`: their outputs are not kept. "
                    f"Received: {layer}"
                )
        self.supports_masking = True
        self.layers = list(layers)
        self.every = integer("every", every, at_least=1, unit="steps")

    def build(self, input_shape):
        check_rank(self, input_shape)
        shape = tuple(input_shape)
        for layer in self.layers:
            if not layer.built:
                layer.build(shape)
            for part in parts(layer):
                # A frozen Dropout draws too; in blocks it would draw the same again and again.
                if generators(part) or part.trainable and traits(part).numbers == STATISTICS:
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
            shape, states = tuple(inputs.shape), []
            for layer in self.layers:
                has_state = isinstance(layer, Leaky)
                states.append(layer.at_rest(batch, shape[2:], mask is not None) if has_state else None)
                shape = _shape_after(layer, shape)
            return tuple(states)

        def advance(x, mask, state, weights):
            after = []
            with keras.StatelessScope(state_mapping=list(zip(variables, weights, strict=True))) as scope:
                given = [scope.get_current_value(v) for v in variables]
                for layer, before in zip(self.layers, state, strict=True):
                    x, now = (layer(x), None) if before is None else layer.advance(x, before, mask)
                    after.append(now)
                for v, value in zip(variables, given, strict=True):
                    if scope.get_current_value(v) is not value:
                        raise ValueError(f"{_RUN_TWICE}. Received: one that changes its variable {v.path}")
            return x, tuple(after)

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


def over_time(layer, x):
    """`layer` applied to every step of `x` at once."""
    y = layer(ops.reshape(x, (-1, *x.shape[2:])))
    return ops.reshape(y, (-1, ops.shape(x)[1], *y.shape[1:]))

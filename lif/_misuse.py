"""What is written in error, and what to write instead.

Arguments that other libraries have under another name, and places in a network where a layer with a time axis would
take another axis for time or lose its mask. What has to be known of the inside of Keras and of Python for it stands
here.
"""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import keras


def _by_name(table):
    """What to write -> names, turned into name -> what to write."""
    return {name: instead for instead, names in table.items() for name in names.split()}


# What to write -> arguments that neurons have in other libraries.
_OF_NEURONS = {
    "no number of units: it is that of the layer before, such as keras.layers.Dense": (
        "units num_units hidden_size linear_features size"
    ),
    "it in the layer before, such as keras.layers.Dense": (
        "use_bias kernel_initializer kernel_regularizer bias_initializer"
    ),
    "nothing: inputs are (batch, time, *units), and the loop over time is inside the layer": (
        "unroll time_major step_mode steps num_steps"
    ),
    "nothing: every step is returned. The last one gives lif.LeakyIntegrator": "return_sequences",
    "nothing: a threshold is not trained here, the weights before it are": "learn_threshold",
    "`surrogate`": "spike_grad surrogate_function surrogate_gradient",
    "`detach_reset`, whether the gradient stops at the reset": "reset_delay detach",
}

# Class, or one that it is derived from -> argument -> what to write; "{0}" is the argument.
INSTEAD = {
    "LIF": _by_name({"lif.RecurrentLIF": "recurrent_initializer recurrent_regularizer"}),
    "LeakyIntegrator": dict.fromkeys(
        ["threshold", "reset", "refractory", "surrogate", "detach_reset", "return_potential"],
        "lif.LIF: a LeakyIntegrator has no spikes",
    ),
    "Leaky": _by_name(
        {
            **_OF_NEURONS,
            "`leak`, the share that is lost per step: leak = 1 - {0}": "beta decay alpha",
            "`leak`: 1 / {0} or, exactly, 1 - exp(-1 / {0}), with a time constant in steps": "tau tau_mem tau_m",
            "`trainable_leak=True`": "learn_beta learn_tau learnable_leak",
            "`threshold`": "v_threshold v_th vth thresh t_thresh",
            '`reset`, "zero", "subtract" or "none"': "reset_mechanism reset_mode v_reset",
            "`refractory`, a whole number of steps": "refractory_period t_ref tau_ref",
            "layer.advance(inputs, state), which goes on from a state and returns the next": (
                "stateful return_state initial_state init_hidden"
            ),
        }
    ),
    "CoarseLIF": _by_name(
        {
            **_OF_NEURONS,
            "`tau`, the time constant in steps: exp(-1 / tau) of the potential is left after one": (
                "leak beta decay alpha"
            ),
            "nothing: the threshold is 1; the weights before it scale": "threshold v_threshold v_th",
            "lif.LIF, which has it": "reset refractory floor trainable_leak stateful",
        }
    ),
    "OverTime": {
        "go_backwards": "keras.ops.flip(x, axis=1) before the layer and around its output, which is what "
        "keras.layers.Bidirectional does; it takes Keras' own recurrent layers only"
    },
}


def refuse_foreign(kind: type, arguments: dict[str, Any]) -> None:
    """Refuse arguments that a class of layers does not take and other libraries have; say what they are here."""
    for name, value in arguments.items():
        for base in kind.__mro__:
            if name in INSTEAD.get(base.__name__, {}):
                raise ValueError(
                    f"{kind.__name__} takes no argument `{name}`. Write {INSTEAD[base.__name__][name].format(name)}. "
                    f"Received: {name}={value!r}"
                )


def by_name(constructor: Callable) -> Callable:
    """Decorator of a constructor with a leak: `LIF(128)`, `LIF(0.9)` and `LIF(1)` would each mean something else."""

    @functools.wraps(constructor)
    def checked(self, *args, **kwargs):
        if args:
            name = type(self).__name__
            raise TypeError(
                f"{name} takes its arguments by name, such as leak=0.1, the share of the potential that is lost per "
                "step (1 - beta in other libraries). The number of units is that of the layer before, such as "
                f"keras.layers.Dense(128). Received: {name}({', '.join(map(repr, args))})"
            )
        constructor(self, **kwargs)

    checked.__signature__ = inspect.signature(constructor)  # type: ignore[attr-defined]  # which Keras reads twice
    return checked


def refuse_no_tensor(layer: keras.layers.Layer, *inputs: Any) -> None:
    """Refuse nested lists, `None` and TensorFlow's ragged tensors, of which Keras' errors name the inside."""
    for x in inputs:
        if x is None or isinstance(x, list | tuple) or type(x).__name__ == "RaggedTensor":
            raise ValueError(
                f"{type(layer).__name__} expects one tensor or array. Make lists one by np.array; pad sequences of "
                "different length by keras.utils.pad_sequences, and leave the padding out by keras.layers.Masking. "
                f"Received: inputs of type {type(x).__name__}"
            )


def refuse_misplaced(layer: keras.layers.Layer) -> None:
    """Refuse a layer with a time axis that runs inside a `TimeDistributed` of Keras, or as an activation.

    Keras tells a layer nothing of what is around it, so it is looked up in the calls that are under way. Layers and
    models of one's own may call such a layer in any way.
    """
    inside, frame = [layer], sys._getframe(1)
    while frame is not None:
        code, module = frame.f_code, frame.f_globals.get("__name__", "")
        if module.startswith("keras.") and code.co_varnames[:1] == ("self",) and code.co_argcount:
            outer = frame.f_locals["self"]
            if outer is not inside[-1] and _calls_as_keras_does(outer):
                _refuse_inside(layer, outer, inside)
                inside.append(outer)
        frame = frame.f_back


def _calls_as_keras_does(outer):
    """Whether the `call` of what is around is Keras', or ours: then it is known what it does with its attributes."""
    return getattr(getattr(type(outer), "call", None), "__module__", "").startswith(("keras.", "lif."))


def _refuse_inside(layer, outer, inside):
    name = type(layer).__name__
    if isinstance(outer, keras.layers.TimeDistributed):
        raise ValueError(within_time_distributed(name))
    for role in ("activation", "recurrent_activation", "function"):
        if any(getattr(outer, role, None) is each for each in inside):
            raise ValueError(
                f"{name} has a time axis and is no `{role}` of another layer: no mask reaches it there. "
                f"Write it as a layer of its own, after keras.layers.{type(outer).__name__}. "
                f"Received: {type(outer).__name__}({role}={name}(...))"
            )


def within_time_distributed(name: str) -> str:
    return (
        f"{name} has a time axis, which TimeDistributed takes away: inside, axis 1 is another one, such as the rows of "
        "a picture. Put TimeDistributed around the layers before and after it alone, as in "
        f"[TimeDistributed(Conv2D(...)), {name}(...), TimeDistributed(MaxPooling2D())]. "
        f"Received: TimeDistributed around {name}"
    )

"""What Keras has no portable name for: a scan over the time axis, and a custom gradient.

Frameworks are imported here and in `lif._kernels`, and nowhere else.

`scan` is never differentiated: the functions of `lif.dynamics` supply their own backward pass, itself a scan. It may
therefore read `x[:, t]` inside the loop, which under automatic differentiation would cost time quadratic in the
number of steps.
"""

import functools
import importlib.util
import math
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

Tensor: TypeAlias = Any  # a tensor of whichever backend Keras runs on

BACKEND = keras.backend.backend()

# Whether to compile a network that only runs. JAX would otherwise compile each loop over time in each call; with
# TensorFlow's graphs, to compile takes longer than it saves.
JIT_COMPILE = BACKEND == "jax"

# Huge numbers are cut: then their products and sums are finite, and inf - inf, which is NaN, cannot arise.
LARGEST = 1e30  # of a term of many
LARGEST_GRADIENT = 1e38  # through an attached reset
LARGEST_POTENTIAL = 3e38  # of float32


def scan(
    step: Callable,
    carry: Any,
    sequences: tuple[Tensor | None, ...],
    collected: tuple[Tensor | None, ...] = (),
    reverse: bool = False,
    unroll: int = 4,
) -> tuple[Any, tuple[Tensor | None, ...]]:
    """Run `carry, outputs = step(carry, inputs)` over time.

    Args:
        step: Function of the carry and a tuple of slices of shape `(batch, ...)`, one for each sequence; where that is
            `None`, so is the slice. Returns the next carry and a tuple of tensors to collect, or `None`.
        carry: Tensors and `None` in tuples, the state before the first step.
        sequences: Tuple of tensors of shape `(batch, time, ...)`, the first of them not `None`.
        collected: Tuple of tensors as an earlier scan left them; their slices follow those of `sequences`.
        reverse: Walk from the last step to the first; outputs keep their place in time.
        unroll: Steps per iteration of TensorFlow's loop, which costs as much as some operations, if it divides their
            number, or else a common divisor of both. The other loops gain nothing by it.

    Returns:
        The last carry, and the tuple of collected outputs. With TensorFlow their shape is `(time, batch, ...)`, since a
        loop can only put slices one after the other; else it is `(batch, time, ...)`. `batch_first` makes it the latter
        always. What only another scan reads need not be turned.
    """
    return _SCANS[BACKEND](step, carry, sequences, collected, reverse, unroll)


def batch_first(y: Tensor) -> Tensor:
    """What a scan collected, as `(batch, time, ...)`."""
    return ops.swapaxes(y, 0, 1) if BACKEND == "tensorflow" else y


def as_state(x: Tensor) -> Tensor:
    """Half precision becomes float32; a float16 current that overflowed to infinity becomes finite again."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    if dtype == "float16":
        return ops.clip(ops.cast(x, "float32"), -65504.0, 65504.0)
    return ops.cast(x, "float32") if dtype == "bfloat16" else x


def where_positive(y: Tensor, z: Tensor) -> Tensor:
    """`y` where `z > 0`, else 0, for a finite `y`; what is not a number stays so.

    It is the gradient of a ReLU, for which each framework has one fast operation; a comparison and a choice are two
    slow ones.
    """
    if BACKEND == "tensorflow" and not exported_to():
        import tensorflow as tf

        return tf.raw_ops.ReluGrad(gradients=y, features=z)
    if BACKEND == "torch":
        import torch

        return torch.ops.aten.threshold_backward(y, z, 0)
    return ops.where(z <= 0, 0.0, y)


def log1p(y: Tensor) -> Tensor:
    """`ln(1 + y)` for a finite `y`, exact also where `y` is small.

    The other runtimes have no such operation, or take the logarithm of the rounded sum, which is 0 for a small `y`.
    There what the sum lost by rounding is put back to first order.
    """
    # TensorFlow, which runs a SavedModel, has it, and simplifies the form below to its loss.
    if exported_to() not in ("ONNX", "LiteRT"):
        return ops.log1p(y)
    total = 1.0 + y
    return ops.log(total) - ((total - 1.0) - y) / total


def random_uniform(shape: tuple, dtype: str, seed: keras.random.SeedGenerator) -> Tensor:
    """Random numbers in [0, 1); those that another runtime draws do not depend on the seed."""
    if BACKEND in ("jax", "torch") and exported_to() == "ONNX":
        raise ValueError(
            "Random numbers go into an ONNX file from the TensorFlow backend only. Leave the PoissonEncoder out and "
            f"give the network spikes. Received: KERAS_BACKEND={BACKEND}"
        )
    if BACKEND == "tensorflow" and exported_to() in ("ONNX", "LiteRT"):
        import tensorflow as tf

        return tf.random.uniform(shape, dtype=dtype)
    return keras.random.uniform(shape, dtype=dtype, seed=seed)


_EXPORTERS = {
    "keras.src.export.onnx": "ONNX",
    "tf2onnx.": "ONNX",
    "torch.onnx.": "ONNX",
    "keras.src.export.litert": "LiteRT",
    "tensorflow.lite.": "LiteRT",
    "keras.src.export.": "SavedModel",
    "tensorflow.python.saved_model.": "SavedModel",
}


def exported_to() -> str | None:
    """The format to which the network that is being traced is exported: "ONNX", "LiteRT", "SavedModel"; else `None`.

    Some operations are fast where a network is trained and unknown to other runtimes. An exporter calls the layers as a
    training step does, and says nothing, but it stands among the callers. Of several the nearest to the reader counts:
    Keras makes a LiteRT file by way of a SavedModel.
    """
    if not _is_tracing():
        return None
    frame, modules = sys._getframe(1), set()
    while frame:
        modules.add(f"{frame.f_globals.get('__name__')}.")
        frame = frame.f_back
    return next(
        (name for start, name in _EXPORTERS.items() if any(m.startswith(start) for m in modules)), None
    )


def _is_tracing():
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return not tf.executing_eagerly()
    if BACKEND == "torch":
        import torch

        return torch.jit.is_tracing() or torch.compiler.is_exporting()
    return BACKEND == "jax"


def _tensorflow_scan(step, carry, sequences, collected, reverse, unroll):
    import tensorflow as tf

    static_steps = sequences[0].shape[1]
    steps = tf.shape(sequences[0])[1] if static_steps is None else static_steps

    def inputs(t):
        of_sequences = (None if x is None else x[:, t] for x in sequences)
        return *of_sequences, *(None if y is None else y[t] for y in collected)

    # Shapes and dtypes of the outputs, from a step that is traced but, being unused, never runs in a graph.
    sample, pack_outputs = flatten(step(carry, inputs(0))[1])
    if exported_to() == "LiteRT":
        arrays, put = _tensors_for_litert(steps, sample)
    else:
        arrays = tuple(tf.TensorArray(y.dtype, size=steps, element_shape=y.shape) for y in sample)

        def put(array, t, y):
            return array.write(t, y)

    # A turn of several steps is faster here, but the converter to ONNX follows loops of one step only.
    unroll = 1 if exported_to() else math.gcd(static_steps or 1, unroll)
    carry, pack = flatten(carry)

    def body(i, carry, arrays):
        carry = pack(carry)
        for t in (steps - 1 - i - k if reverse else i + k for k in range(unroll)):
            carry, outputs = step(carry, inputs(t))
            arrays = tuple(put(a, t, y) for a, y in zip(arrays, flatten(outputs)[0], strict=True))
        return i + unroll, flatten(carry)[0], arrays

    # Each step waits for the one before: to prepare several at once costs time and gains none.
    _, carry, arrays = tf.while_loop(lambda i, *_: i < steps, body, (0, carry, arrays), parallel_iterations=1)
    stacked = tuple(a.stack() if isinstance(a, tf.TensorArray) else a for a in arrays)
    for out, y in zip(stacked, sample, strict=True):
        out.set_shape((static_steps, *y.shape))
    return pack(carry), pack_outputs(stacked)


def _tensors_for_litert(steps, sample):
    """Tensors to collect outputs such as `sample` in, and the function that puts one in its place.

    LiteRT knows a list of tensors only if their shape is fixed, and then it makes this of it.
    """
    import tensorflow as tf

    def put(tensor, t, y):
        rows = tf.reshape(tf.range(steps), (-1, *(1 for _ in y.shape)))
        return tf.where(rows == t, y[None], tensor)

    tensors = tuple(tf.zeros((steps, *tf.unstack(tf.shape(y))), y.dtype) for y in sample)
    for tensor, y in zip(tensors, sample, strict=True):
        tensor.set_shape((None if tf.is_tensor(steps) else steps, *y.shape))
    return tensors, put


def _jax_scan(step, carry, sequences, collected, reverse, _):
    from jax import eval_shape, lax, numpy
    from jax import tree as jax_tree  # for which None is no leaf

    steps = sequences[0].shape[1]

    def inputs(t):
        def at(x):
            return lax.dynamic_index_in_dim(x, t, axis=1, keepdims=False)

        return jax_tree.map(at, (*sequences, *collected))

    def body(i, state):
        carry, outputs = state
        t = steps - 1 - i if reverse else i
        carry, slices = step(carry, inputs(t))
        put = functools.partial(lax.dynamic_update_index_in_dim, index=t, axis=1)
        return carry, jax_tree.map(put, outputs, slices)

    # Written in place, batch first: turning whole sequences round, as `lax.scan` needs it, takes longer than the rule.
    sample = eval_shape(lambda carry: step(carry, inputs(0))[1], carry)
    outputs = jax_tree.map(lambda y: numpy.zeros((y.shape[0], steps, *y.shape[1:]), y.dtype), sample)
    return lax.fori_loop(0, steps, body, (carry, outputs))


def _python_scan(step, carry, sequences, collected, reverse, _):
    steps, sequences, outputs = range(sequences[0].shape[1]), (*sequences, *collected), None
    if exported_to():
        return _unrolled(step, carry, sequences, steps)
    for t in reversed(steps) if reverse else steps:
        carry, slices = step(carry, tuple(None if x is None else x[:, t] for x in sequences))
        # Written in place: to gather the steps and stack them at the end would take the memory twice.
        outputs = outputs or tuple(
            None if y is None else ops.empty((y.shape[0], len(steps), *y.shape[1:]), y.dtype) for y in slices
        )
        for out, y in zip(outputs, slices, strict=True):
            if y is not None:
                out[:, t] = y
    return carry, outputs


def _unrolled(step, carry, sequences, steps):
    """The loop forward as PyTorch's exporters take it: they follow no writing in place, and write out each step."""
    if len(steps) == 1:
        raise ValueError(
            "With PyTorch a network is exported for a fixed number of steps; an unknown one became 1. Give "
            'the shape of the input: model.export(..., input_signature=[keras.InputSpec("float32", (1, 100, 6))]). '
            f"Received: a sequence of shape {tuple(sequences[0].shape)}"
        )
    collected = []
    for t in steps:
        carry, slices = step(carry, tuple(None if x is None else x[:, t] for x in sequences))
        collected.append(slices)
    collected = zip(*collected, strict=True)
    return carry, tuple(None if y[0] is None else ops.stack(y, axis=1) for y in collected)


_SCANS = {"tensorflow": _tensorflow_scan, "jax": _jax_scan, "torch": _python_scan, "numpy": _python_scan}

if BACKEND not in _SCANS:
    raise ImportError(
        f"lif runs on the backends {sorted(_SCANS)} of Keras. Received: KERAS_BACKEND={BACKEND}"
    )


def is_concrete(x: Tensor) -> bool:
    """Whether the values of a tensor can be looked at here: not in a function that is traced or compiled."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return not tf.is_symbolic_tensor(x)
    if BACKEND == "jax":
        import jax

        return not isinstance(x, jax.core.Tracer)
    if BACKEND == "torch":
        import torch

        is_traced = torch.compiler.is_compiling() or torch.jit.is_tracing()
        return type(x) is torch.Tensor and not x.is_meta and not is_traced
    return True


def has_kernels(x: Tensor) -> bool:
    """Whether `lif._kernels` can run: with PyTorch on a graphics processor, in float32 at most, and with Triton."""
    if BACKEND != "torch" or not x.is_cuda or x.element_size() > 4:
        return False
    return importlib.util.find_spec("triton") is not None


def compiled_once(*constants: str) -> Callable[[Callable], Callable]:
    """Decorator that lets JAX compile a function once for each value of the arguments named, and not at each call.

    A layer called outside of a compiled model would be compiled anew every time, since the step of a scan is a new
    function every time. The other backends compile no scan by themselves.
    """

    def decorate(function):
        if BACKEND != "jax":
            return function
        import jax

        return functools.wraps(function)(jax.jit(function, static_argnames=constants))

    return decorate


def flatten(structure: Any) -> tuple[tuple[Tensor, ...], Callable]:
    """The tensors in nested tuples, lists and dictionaries, without `None`, and the function that replaces them.

    `keras.tree` could do it, but with PyTorch that takes as long as several steps of a neuron.
    """
    tensors: list[Tensor] = []
    _map(tensors.append, structure)

    def pack(tensors):
        tensors = iter(tensors)
        return _map(lambda _: next(tensors), structure)

    return tuple(tensors), pack


def _map(function, structure):
    if structure is None:
        return None
    if isinstance(structure, dict):
        return {name: _map(function, y) for name, y in structure.items()}
    if isinstance(structure, tuple | list):
        parts = (_map(function, y) for y in structure)
        return type(structure)(*parts) if hasattr(structure, "_fields") else type(structure)(parts)
    return function(structure)


def _beside(structure, gradient):
    """For each tensor in a structure what stands at its place in another, or in `None`."""
    if isinstance(structure, tuple | list):
        gradients = [None] * len(structure) if gradient is None else gradient
        for y, g in zip(structure, gradients, strict=True):
            yield from _beside(y, g)
    elif structure is not None:
        yield gradient


def custom_gradient(function: Callable, **arguments: Any) -> Any:
    """Call `function(**arguments)`, which returns `(outputs, backward)`, so that `backward` is its gradient.

    Args:
        function: Returns a tuple of tensors, or of tuples of them, and a function `backward(*output_gradients)` that
            returns a dictionary of gradients by the names of the arguments. What is missing or `None` there is zero.
        **arguments: Tensors and `None`, also in tuples and lists. All tensors that `function` needs: JAX cannot
            differentiate one that refers to traced tensors outside. Those of integers and truth values have no
            gradient.

    Returns:
        The outputs.
    """
    if BACKEND == "numpy" or (BACKEND == "torch" and exported_to()):  # a file has no backward pass
        return function(**arguments)[0]
    tensors, pack = flatten(arguments)
    packs = []  # that of the outputs, which are known once the function is called

    def flat(*tensors):
        outputs, backward = function(**pack(tensors))
        outputs, pack_outputs = flatten(outputs)
        packs.append(pack_outputs)

        def flat_backward(*gradients):
            found = backward(*pack_outputs(gradients))
            return tuple(g for name, y in arguments.items() for g in _beside(y, found.get(name)))

        return outputs, flat_backward

    outputs = _CUSTOM_GRADIENTS[BACKEND](flat, tensors)
    return packs[0](outputs)


def _tensorflow_custom_gradient(function, tensors):
    import tensorflow as tf

    # A variable read inside the function would count as a hidden input.
    return tf.custom_gradient(function)(*[tf.convert_to_tensor(x) for x in tensors])


def _jax_custom_gradient(function, tensors):
    import jax

    def with_zeros(*tensors):
        outputs, backward = function(*tensors)

        def zeros(x):
            return ops.zeros_like(x) if _is_floating(x) else np.zeros(x.shape, jax.dtypes.float0)

        def gradients(cotangents):
            found = zip(tensors, backward(*cotangents), strict=True)
            return tuple(zeros(x) if g is None or not _is_floating(x) else g for x, g in found)

        return outputs, gradients

    return jax.custom_gradient(with_zeros)(*tensors)


def _torch_custom_gradient(function, tensors):
    import torch

    class Custom(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *tensors):
            outputs, ctx.backward_function = function(*tensors)
            return outputs

        @staticmethod
        def backward(ctx, *gradients):
            if torch.is_grad_enabled():  # no graph leads through what the backward pass closes over
                raise NotImplementedError(
                    "With PyTorch the layers and functions of lif have no second derivative: create_graph=True cannot "
                    "be had. TensorFlow has it."
                )
            return ctx.backward_function(*gradients)

    return Custom.apply(*tensors)


_CUSTOM_GRADIENTS = {
    "tensorflow": _tensorflow_custom_gradient,
    "jax": _jax_custom_gradient,
    "torch": _torch_custom_gradient,
}


def with_pullback(function: Callable, **arguments: Any) -> tuple[Any, Callable]:
    """Outputs of `function(**arguments)`, and the function that takes their gradients back to those of the arguments.

    Args:
        function: Returns tensors in tuples; differentiated by the backend.
        **arguments: Tensors and `None`, also in tuples and lists. Tensors of integers, as quantised weights are, have a
            gradient of zeros.

    Returns:
        `(outputs, pullback)`; `pullback(output_gradients)` is a dictionary of gradients by the names of the arguments.
    """
    tensors, pack = flatten(arguments)
    packs = []

    def flat(*floating):
        floating = iter(floating)
        given = pack(next(floating) if _is_floating(x) else x for x in tensors)
        outputs, pack_outputs = flatten(function(**given))
        packs.append(pack_outputs)
        return outputs

    outputs, flat_pullback = _pullback_of_floating(flat, *filter(_is_floating, tensors))

    def pullback(gradients):
        found = iter(flat_pullback(*flatten(gradients)[0]))
        return pack(next(found) if _is_floating(x) else ops.zeros_like(x) for x in tensors)

    return packs[0](outputs), pullback


def _pullback_of_floating(function, *tensors):
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            outputs = function(*tensors)
        return outputs, lambda *gradients: tape.gradient(outputs, tensors, gradients, "zero")
    if BACKEND == "jax":
        import jax

        outputs, pullback = jax.vjp(function, *tensors)
        return outputs, lambda *gradients: pullback(gradients)
    import torch

    with torch.enable_grad():
        tensors = tuple(x.detach().requires_grad_() for x in tensors)
        outputs = function(*tensors)
    return outputs, lambda *gradients: torch.autograd.grad(
        outputs, tensors, gradients, materialize_grads=True
    )


def _is_floating(x):
    return "float" in keras.backend.standardize_dtype(x.dtype)

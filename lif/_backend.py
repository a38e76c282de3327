"""What Keras has no portable name for: a scan over the time axis, and a custom gradient.

Frameworks are imported here and in `lif.kernels`, and nowhere else.

`scan` is never differentiated: the functions of `lif.dynamics` supply their own backward pass, itself a scan. It may
therefore read `x[:, t]` inside the loop, which under automatic differentiation would cost time quadratic in the
number of steps.
"""

import functools
import math
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

Tensor: TypeAlias = Any  # a tensor of whichever backend Keras runs on

BACKEND = keras.backend.backend()

# Whether to compile a network that only runs. JAX would otherwise compile each loop over time in each call; with
# TensorFlow's graphs, to compile takes longer than it saves.
JIT_COMPILE = BACKEND == "jax"


def scan(
    step: Callable,
    carry: tuple[Tensor, ...],
    sequences: tuple[Tensor, ...],
    collected: tuple[Tensor, ...] = (),
    reverse: bool = False,
    at_once: int = 4,
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Run `carry, outputs = step(carry, inputs)` over time.

    Args:
        step: Function of the carry (a tuple of tensors) and a tuple of slices, one for each sequence, each of shape
            `(batch, ...)`. Returns the next carry and a tuple of tensors to collect.
        carry: Tuple of tensors, the state before the first step.
        sequences: Tuple of tensors of shape `(batch, time, ...)`.
        collected: Tuple of tensors as an earlier scan left them; their slices follow those of `sequences`.
        reverse: Walk from the last step to the first; outputs keep their place in time.
        at_once: Steps in a turn of TensorFlow's loop, where their number can be divided so: there a turn costs as much
            as some operations. The other loops gain nothing by it.

    Returns:
        The last carry, and the tuple of collected outputs. With TensorFlow their shape is `(time, batch, ...)`, since a
        loop can only put slices one after the other; else it is `(batch, time, ...)`. `batch_first` makes it the latter
        always. What only another scan reads need not be turned.
    """
    return _SCANS[BACKEND](step, carry, sequences, collected, reverse, at_once)


def batch_first(y: Tensor) -> Tensor:
    """What a scan collected, as `(batch, time, ...)`."""
    return ops.swapaxes(y, 0, 1) if BACKEND == "tensorflow" else y


def gate(y: Tensor, z: Tensor) -> Tensor:
    """`y` where `z > 0`, else 0, for a finite `y`; what is not a number stays so.

    It is the derivative of a ReLU, for which each framework has one fast operation; a comparison and a choice are two
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
    if not exported_to():
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


def _tensorflow_scan(step, carry, sequences, collected, reverse, at_once):
    import tensorflow as tf

    static_steps = sequences[0].shape[1]
    steps = tf.shape(sequences[0])[1] if static_steps is None else static_steps

    def inputs(t):
        return *(x[:, t] for x in sequences), *(y[t] for y in collected)

    # Shapes and dtypes of the outputs, from a step that is traced but, being unused, never runs in a graph.
    sample = step(carry, inputs(0))[1]
    if exported_to() == "LiteRT":
        arrays, put = _tensors_for_litert(steps, sample)
    else:
        arrays = tuple(tf.TensorArray(y.dtype, size=steps, element_shape=y.shape) for y in sample)

        def put(array, t, y):
            return array.write(t, y)

    # A turn of several steps is faster here, but the converter to ONNX follows loops of one step only.
    at_once = 1 if exported_to() else math.gcd(static_steps or 1, at_once)

    def body(i, carry, arrays):
        for t in (steps - 1 - i - k if reverse else i + k for k in range(at_once)):
            carry, outputs = step(carry, inputs(t))
            arrays = tuple(put(a, t, y) for a, y in zip(arrays, outputs, strict=True))
        return i + at_once, carry, arrays

    # Each step waits for the one before: to prepare several at once costs time and gains none.
    _, carry, arrays = tf.while_loop(lambda i, *_: i < steps, body, (0, carry, arrays), parallel_iterations=1)
    stacked = tuple(a.stack() if isinstance(a, tf.TensorArray) else a for a in arrays)
    for out, y in zip(stacked, sample, strict=True):
        out.set_shape((static_steps, *y.shape))
    return carry, stacked


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

    steps = sequences[0].shape[1]

    def inputs(t):
        return tuple(lax.dynamic_index_in_dim(x, t, axis=1, keepdims=False) for x in (*sequences, *collected))

    def body(i, state):
        carry, outputs = state
        t = steps - 1 - i if reverse else i
        carry, made = step(carry, inputs(t))
        put = lax.dynamic_update_index_in_dim
        return carry, tuple(put(out, y, t, axis=1) for out, y in zip(outputs, made, strict=True))

    # Written in place, batch first: turning whole sequences round, as `lax.scan` needs it, takes longer than the rule.
    sample = eval_shape(lambda carry: step(carry, inputs(0))[1], carry)
    outputs = tuple(numpy.zeros((y.shape[0], steps, *y.shape[1:]), y.dtype) for y in sample)
    return lax.fori_loop(0, steps, body, (carry, outputs))


def _python_scan(step, carry, sequences, collected, reverse, _):
    steps = range(sequences[0].shape[1])
    if exported_to():
        return _unrolled(step, carry, sequences, steps)
    outputs = ()
    for t in reversed(steps) if reverse else steps:
        carry, made = step(carry, tuple(x[:, t] for x in (*sequences, *collected)))
        # Written in place: to gather the steps and stack them at the end would take the memory twice.
        outputs = outputs or tuple(ops.empty((y.shape[0], len(steps), *y.shape[1:]), y.dtype) for y in made)
        for out, y in zip(outputs, made, strict=True):
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
        carry, made = step(carry, tuple(x[:, t] for x in sequences))
        collected.append(made)
    return carry, tuple(ops.stack(outputs, axis=1) for outputs in zip(*collected, strict=True))


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


def kernels_for(x: Tensor) -> ModuleType | None:
    """`lif.kernels`, where PyTorch has `x` on a graphics processor, in float32 at most, and Triton is installed."""
    if BACKEND != "torch" or not x.is_cuda or x.element_size() > 4:
        return None
    try:
        from . import kernels
    except ImportError:
        return None
    return kernels


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


def custom_gradient(function: Callable, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Call `function(*tensors)`, which returns `(outputs, backward)`, so that `backward` is its gradient.

    Args:
        function: Takes tensors, returns a tuple of output tensors and a function `backward(*output_gradients)` that
            returns a tuple with one gradient for each of `tensors`.
        *tensors: The tensors to differentiate with respect to.

    Returns:
        The tuple of outputs.
    """
    if BACKEND == "tensorflow":
        import tensorflow as tf

        # A variable read inside the function would count as a hidden input.
        return tf.custom_gradient(function)(*[tf.convert_to_tensor(x) for x in tensors])
    if BACKEND == "jax":
        import jax

        def with_tuple_cotangent(*tensors):
            outputs, backward = function(*tensors)
            nothing = [None if _is_floating(x) else np.zeros(x.shape, jax.dtypes.float0) for x in tensors]

            def with_nothing_for_integers(gradients):
                found = zip(backward(*gradients), nothing, strict=True)
                return tuple(g if none is None else none for g, none in found)

            return outputs, with_nothing_for_integers

        return jax.custom_gradient(with_tuple_cotangent)(*tensors)
    if BACKEND == "torch" and not exported_to():  # a file has no backward pass
        return _torch_custom_gradient(function, *tensors)
    return function(*tensors)[0]


def _torch_custom_gradient(function, *tensors):
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


def _is_floating(x):
    return "float" in keras.backend.standardize_dtype(x.dtype)


def with_pullback(function: Callable, *tensors: Tensor) -> tuple[tuple[Tensor, ...], Callable]:
    """Outputs of `function(*tensors)`, and the function that takes their gradients back to those of `tensors`.

    Args:
        function: Takes tensors, returns a tuple of tensors; differentiated by the backend.
        *tensors: Tensors. Those of integers, as quantised weights are, have a gradient of zeros.

    Returns:
        `(outputs, pullback)`; `pullback(*output_gradients)` is a tuple with one gradient for each of `tensors`.
    """

    def of_floating(*floating):
        floating = iter(floating)
        return function(*(next(floating) if _is_floating(x) else x for x in tensors))

    outputs, pullback = _pullback_of_floating(of_floating, *filter(_is_floating, tensors))

    def with_zeros(*gradients):
        found = iter(pullback(*gradients))
        return tuple(next(found) if _is_floating(x) else ops.zeros_like(x) for x in tensors)

    return outputs, with_zeros


def _pullback_of_floating(function, *tensors):
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            outputs = function(*tensors)
        return outputs, lambda *gradients: tuple(tape.gradient(outputs, tensors, gradients, "zero"))
    if BACKEND == "jax":
        import jax

        outputs, pullback = jax.vjp(function, *tensors)
        return outputs, lambda *gradients: pullback(tuple(gradients))
    import torch

    with torch.enable_grad():
        tensors = tuple(x.detach().requires_grad_() for x in tensors)
        outputs = function(*tensors)
    return outputs, lambda *gradients: torch.autograd.grad(
        outputs, tensors, gradients, materialize_grads=True
    )

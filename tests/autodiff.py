"""Gradients by the backend's automatic differentiation, for tests that must not care which backend runs them."""

import keras
import numpy as np

BACKEND = keras.backend.backend()


def some(cases, one_in):
    """All the cases; on JAX, which compiles each for about a second, only one in so many."""
    return list(cases)[:: one_in if BACKEND == "jax" else 1]


def second_derivative(function, x):
    """The derivative of the derivative of `function`, which treats each number of an array by itself."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        x = tf.convert_to_tensor(x)
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = function(x)
            slope = inner.gradient(y, x)
        return outer.gradient(slope, x).numpy()
    if BACKEND == "jax":
        import jax

        slope = jax.grad(lambda x: function(x).sum())
        return np.asarray(jax.grad(lambda x: slope(x).sum())(jax.numpy.asarray(x)))
    import torch

    x = torch.tensor(x, requires_grad=True)
    (slope,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
    return torch.autograd.grad(slope.sum(), x)[0].numpy()


def value_and_gradients(function, *arrays):
    """Outputs of `function(*tensors) -> (loss, outputs)` and the gradients of the loss, all as NumPy arrays."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        tensors = [tf.convert_to_tensor(a) for a in arrays]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            loss, outputs = function(*tensors)
        gradients = tape.gradient(loss, tensors, unconnected_gradients="zero")
    elif BACKEND == "jax":
        import jax

        differentiate = jax.value_and_grad(function, argnums=tuple(range(len(arrays))), has_aux=True)
        (_, outputs), gradients = differentiate(*[jax.numpy.asarray(a) for a in arrays])
    else:
        import torch

        tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
        loss, outputs = function(*tensors)
        gradients = torch.autograd.grad(loss, tensors, allow_unused=True)
        outputs = [y.detach() for y in outputs]
        gradients = [torch.zeros_like(t) if g is None else g for t, g in zip(tensors, gradients, strict=True)]
    as_arrays = keras.ops.convert_to_numpy
    return tuple(np.array(as_arrays(y)) for y in outputs), tuple(np.array(as_arrays(g)) for g in gradients)

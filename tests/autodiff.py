"""Gradients by the backend's automatic differentiation, for tests that must not care which backend runs them."""

import keras
import numpy as np

BACKEND = keras.backend.backend()


def some(cases, one_in):
    """All the cases; on JAX, which compiles each for about a second, only one in so many."""
    return list(cases)[:: one_in if BACKEND == "jax" else 1]


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

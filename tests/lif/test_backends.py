"""A whole network against NumPy, whatever the backend: what agrees with the same numbers agrees with each other."""

import runpy

import keras
import numpy as np
import pytest
from keras import layers

import lif
from lif import _backend as backend, reference


def dense_gradient(inputs, output_gradient):
    return np.einsum("bti,bto->io", inputs, output_gradient)


def test_a_step_of_training_is_the_one_that_numpy_makes():
    """Same weights in, same spikes and same weights out: if this fails, a backend trains another network."""
    rng = np.random.default_rng(0)
    x, target = rng.normal(0, 1.5, (5, 20, 6)), rng.normal(size=(5, 3))
    first, recurrent, last = (
        rng.normal(0, s, shape) for s, shape in ((0.5, (6, 8)), (0.3, (8, 8)), (0.5, (8, 3)))
    )
    leak, out_leak, rate = 0.1, 0.05, 0.01

    spikes, potential = reference.simulate(x @ first, leak, recurrent=recurrent)
    assert spikes.any() and np.abs(potential - 1).min() > 1e-5  # rounding decides no spike
    weights = (1 - out_leak) ** np.arange(19, -1, -1)
    output = np.einsum("bti,io,t->bo", spikes, last, weights)
    output_gradient = 2 * (output - target)[:, None] * weights[:, None] / output.size
    spike_gradient = output_gradient @ last.T
    current_gradient, _ = reference.gradient(
        x @ first, leak, spike_gradient, surrogate="superspike", recurrent=recurrent
    )
    expected = [
        first - rate * dense_gradient(x, current_gradient),
        recurrent - rate * dense_gradient(spikes[:, :-1], current_gradient[:, 1:]),
        last - rate * dense_gradient(spikes, output_gradient),
    ]

    hidden = lif.RecurrentLIF(leak=leak, surrogate="superspike")
    chain = [
        layers.Dense(8, use_bias=False),
        hidden,
        layers.Dense(3, use_bias=False),
        lif.LeakyIntegrator(leak=out_leak),
    ]
    model = keras.Sequential([keras.Input((None, 6)), *chain])
    model.set_weights([first, recurrent, last])
    assert model.predict(x, verbose=0) == pytest.approx(output, abs=1e-4)
    model.compile(keras.optimizers.SGD(rate), "mse", jit_compile=False)
    model.fit(x, target, batch_size=5, verbose=0)
    for found, wanted in zip(model.get_weights(), expected, strict=True):
        assert found == pytest.approx(wanted, abs=1e-5)
    for found, before in zip(model.get_weights(), (first, recurrent, last), strict=True):
        assert np.max(np.abs(found - before)) > 1e-3


def test_a_backend_without_a_loop_over_time_is_refused_on_import(monkeypatch):
    """If this fails, Keras' backend for OpenVINO is met with a KeyError, and that only when the module is used."""
    monkeypatch.setattr(keras.backend, "backend", lambda: "openvino")
    with pytest.raises(ImportError, match="jax.*numpy.*tensorflow.*torch.*Received: KERAS_BACKEND=openvino"):
        runpy.run_path(backend.__file__)

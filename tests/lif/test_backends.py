"""A whole network against NumPy, whatever the backend: what agrees with the same numbers agrees with each other."""

import runpy
from typing import NamedTuple

import keras
import numpy as np
import pytest
from keras import layers, ops

import lif
from autodiff import value_and_gradients
from lif import _backend as backend
from lif import reference


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


class Pair(NamedTuple):
    first: object
    second: object = None


@pytest.mark.parametrize("absent", [False, True])
def test_a_gradient_has_the_name_and_the_form_of_its_argument(absent):
    """If this fails, what a rule says is the gradient of its leak is taken for that of its state."""

    def forward(x, pair, mask, count, unused):
        assert unused is None and pair.second is None and ops.shape(mask) == ops.shape(count) == (3,)
        y = ops.where(mask, x, 0.0) * pair.first[0] * ops.cast(count, x.dtype)

        def backward(e, e_twice):
            assert e_twice.second is None
            e = e + 2 * e_twice.first
            state = None if absent else Pair((10 * e,))
            return {"pair": state, "x": e}

        return (y, Pair(2 * y)), backward

    def loss(x, v):
        mask, count = ops.convert_to_tensor([True, False, True]), ops.convert_to_tensor([1, 2, 3])
        y, twice = backend.custom_gradient(forward, x=x, pair=Pair((v,)), mask=mask, count=count, unused=None)
        return ops.sum(y) + ops.sum(twice.first), (y, twice.first)

    outputs, (dx, dv) = value_and_gradients(loss, np.ones(3, "float32"), np.full(3, 5.0, "float32"))
    assert outputs[0].tolist() == [5, 0, 15] and outputs[1].tolist() == [10, 0, 30]
    assert dx.tolist() == [3, 3, 3] and np.all(dv == (0 if absent else 30))


def test_a_pullback_gives_gradients_by_name():
    """If this fails, `Recompute` sums the gradients of other weights than those it trains."""

    def function(x, pair, weights):
        y = x * pair.first * weights[0] * ops.cast(weights[1], x.dtype)
        return y, Pair(y + pair.first)

    x, v, w, n = (
        ops.convert_to_tensor(np.array([k], kind)) for k, kind in zip((2, 3, 5, 7), "fffi", strict=True)
    )
    (y, pair), pullback = backend.with_pullback(function, x=x, pair=Pair(v), weights=(w, n))
    assert float(y[0]) == 210 and float(pair.first[0]) == 213 and pair.second is None
    gradients = pullback((ops.ones_like(y), Pair(ops.ones_like(y))))
    assert set(gradients) == {"x", "pair", "weights"} and isinstance(gradients["pair"], Pair)
    found = gradients["x"], gradients["pair"].first, *gradients["weights"]
    assert [float(g[0]) for g in found] == [2 * 105, 2 * 70 + 1, 2 * 42, 0]

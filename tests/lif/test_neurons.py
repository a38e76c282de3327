"""Other kinds of neurons: the adaptive LIF, and a kind of one's own, as rates and as spikes."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.optimize import brentq

import lif
from autodiff import BACKEND, value_and_gradients
from lif._backend import with_pullback

HERTZ = dict(gain=1.0, bias=0.0, amplitude=1.0)
MEMBRANE = dict(tau=0.02, refractory=0.002)


def adaptive(adaptation, **options):
    return lif.SoftAdaptiveLIF(adaptation, **(HERTZ | MEMBRANE | options))


def one_layer(neurons, inputs):
    return keras.Sequential([keras.Input((inputs,)), neurons])


@pytest.mark.parametrize("adaptation", [0.0, 0.01, 0.3])
def test_the_adaptive_rate_solves_its_equation(adaptation):
    """Against SciPy's root of r = r0(j - kappa r): if this fails, networks are trained on the rate of no neuron."""
    currents = np.concatenate([[-50.0, 0.0, 0.99, 1.0, 1.01], np.linspace(1.1, 30, 12)])

    def root(j):
        def excess(r):
            return float(lif.soft_lif_rate(np.array(j - adaptation * r), **MEMBRANE)) - r

        return brentq(excess, 0, 501, xtol=1e-9)

    found = ops.convert_to_numpy(adaptive(adaptation, dtype="float64")(currents))
    assert found == pytest.approx([root(j) for j in currents], rel=1e-5, abs=1e-6)


def test_the_adaptive_slope_is_that_of_finite_differences():
    """If this fails, the implicit function theorem was misapplied and training goes in a wrong direction."""
    layer = adaptive(0.05, dtype="float64")
    x, h = np.linspace(0.5, 12, 60), 1e-3

    def total(x):
        y = layer(x)
        return ops.sum(y), (y,)

    _, (slope,) = value_and_gradients(total, x)
    difference = ops.convert_to_numpy(layer(x + h) - layer(x - h)) / (2 * h)
    assert slope == pytest.approx(difference, rel=2e-3, abs=1e-3)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_no_input_gives_nan(policy):
    """If this fails, one odd input turns all weights into nothing."""
    layer = adaptive(0.05, dtype=policy)
    x = np.array([-3e38, -1e30, -60000, -2, 0, 1, 2, 60000, 1e30, 3e38], "float32")[None]

    def total(x):
        y = layer(x)
        return ops.sum(ops.cast(y, "float32")), (y,)

    (rate,), (slope,) = value_and_gradients(total, x)
    assert np.all(np.isfinite(rate)) and np.all(np.isfinite(slope)) and rate.min() >= 0


def test_a_slow_adaptation_settles_at_the_closed_form():
    """After several time constants the counted rate must solve the equation, within two spikes in two seconds."""
    currents = np.array([0.5, 2.0, 4.0, 8.0], "float32")
    layer = adaptive(0.05, smoothing=1e-4, tau_adaptation=0.3, name="neurons")
    expected = ops.convert_to_numpy(layer(currents))
    network = lif.to_spiking(one_layer(layer, 4), synapse=0.0)
    # keep_state: the second presentation goes on where the first, in which the neurons tire, ended.
    twice = [
        network.run(np.repeat(currents[None], n, 0), 2.0, 1, keep_state=True).rates["neurons"] for n in (1, 2)
    ]
    settled = 2 * twice[1] - twice[0]
    assert settled == pytest.approx(expected, rel=0.02, abs=1.0)
    assert settled[0] == 0
    assert np.all(twice[0][1:] > settled[1:])  # a fresh neuron fires faster


def test_without_adaptation_it_is_the_lif_neuron():
    """With kappa = 0 rates and spikes must be those of `SoftLIF`, to the bit."""
    x = np.linspace(-1, 9, 50, dtype="float32")[None]
    plain, none = lif.SoftLIF(**HERTZ, **MEMBRANE, name="neurons"), adaptive(0.0, name="neurons")
    assert np.array_equal(*map(ops.convert_to_numpy, (plain(x), none(x))))
    runs = [lif.to_spiking(one_layer(layer, 50), synapse=0.0).run(x, 0.2, 1) for layer in (plain, none)]
    assert np.array_equal(runs[0].outputs, runs[1].outputs)


class Counter(lif.SoftNeuron):
    """Fires whenever the summed current passes 1, and remembers two things."""

    state_names = ("sum", "age")

    def rate(self, current):
        return ops.relu(current)

    def step(self, current, state, dt):
        total, age = state[0] + dt * current, state[1] + 1.0
        spikes = ops.cast(total >= 1.0, "float32")
        return spikes, (total - spikes, age)


def test_a_neuron_of_ones_own_runs_in_a_deep_network():
    """Two layers of a user's neurons must put out what NumPy says; state must survive the cut into parts."""
    first, second = Counter(name="first"), Counter(amplitude=2.0, name="second")
    weights = np.array([[24.0, 8.0], [0.0, 16.0]], "float32")
    dense = keras.layers.Dense(2, use_bias=False)
    model = keras.Sequential([keras.Input((2,)), first, dense, second])
    dense.set_weights([weights])
    dt, steps, x = 1 / 64, 128, np.array([[16.0, 8.0]], "float32")
    run = lif.to_spiking(model, dt, synapse=0.0).run(x, dt * steps, batch_size=1)
    sums = [np.zeros((1, 2)), np.zeros((1, 2))]
    for t in range(steps):
        sums[0] += dt * x
        spikes = (sums[0] >= 1).astype(float)
        sums[0] -= spikes
        sums[1] += dt * (spikes / dt) @ weights
        out = (sums[1] >= 1).astype(float)
        sums[1] -= out
        assert np.array_equal(run.outputs[:, t], 2.0 * out / dt)
    assert run.rates["first"].tolist() == [16.0, 8.0]


def test_bad_arguments_are_named():
    """If this fails, a mistaken argument runs something else without a word."""
    for options, message in (
        (dict(adaptation=-1), "adaptation.*>= 0.*-1"),
        (dict(tau_adaptation=0), "tau_adaptation.*> 0.*0"),
        (dict(gain=float("nan")), "gain.*finite.*nan"),
    ):
        with pytest.raises(ValueError, match=message):
            lif.SoftAdaptiveLIF(**options)
    with pytest.raises(NotImplementedError, match="SoftNeuron must say its `rate`"):
        lif.SoftNeuron()(np.ones((1, 2)))


def test_it_is_saved_with_its_options(tmp_path):
    """If this fails, a loaded network is another network."""
    layer = adaptive(0.07, tau_adaptation=0.2, noise="gaussian", seed=3)
    model = one_layer(layer, 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].get_config() == layer.get_config()
    x = np.linspace(-1, 5, 3)[None]
    assert np.array_equal(*map(ops.convert_to_numpy, (loaded(x), model(x))))


@pytest.mark.skipif(
    BACKEND != "torch", reason="TensorFlow has second derivatives, and JAX those of most layers"
)
@pytest.mark.parametrize(
    "layer", [lif.SoftLIF(), adaptive(0.05), lif.LIF(leak=0.1)], ids=["soft", "adaptive", "lif"]
)
def test_pytorch_refuses_a_second_derivative(layer):
    """If this fails, a penalty on gradients is quietly one of zero: no graph leads behind the backward pass."""
    import torch

    x = torch.full((1, 3, 2), 1.5, requires_grad=True)
    with pytest.raises(NotImplementedError, match="no second derivative"):
        torch.autograd.grad(layer(x).sum(), x, create_graph=True)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="JAX differentiates the forward pass, PyTorch refuses")
def test_the_second_derivative_is_that_of_finite_differences():
    """If this fails, a penalty on gradients descends on something else, such as on the halving of intervals."""
    layer = adaptive(0.05, smoothing=0.1, dtype="float64")
    j = np.linspace(0.8, 6.0, 40)

    def slope(j):
        _, pullback = with_pullback(lambda j: (layer(j),), j=j)
        gradient = pullback((ops.ones_like(j),))["j"]
        return ops.sum(gradient), (gradient,)

    step = 1e-4
    above, below = (value_and_gradients(slope, j + sign * step)[0][0] for sign in (1, -1))
    expected = (above - below) / (2 * step)
    _, (found,) = value_and_gradients(slope, j)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())

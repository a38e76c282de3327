"""Recurrent connections: against the reference, finite differences, and as a Keras layer."""

import inspect

import keras
import numpy as np
import pytest
from keras import layers, ops

import lif
from autodiff import value_and_gradients
from lif import dynamics, reference, surrogates


def random_case(seed, units=4, steps=9):
    rng = np.random.default_rng(seed)
    x, e = rng.normal(0.3, 0.6, (3, steps, units)), rng.normal(size=(3, steps, units))
    return x, rng.uniform(0, 0.5, units), rng.normal(0, 0.5, (units, units)), e


@pytest.mark.parametrize("reset", dynamics.RESETS)
@pytest.mark.parametrize("refractory", [0, 2])
@pytest.mark.parametrize("detach", [True, False])
def test_forward_and_gradient_equal_the_reference(reset, refractory, detach):
    """If this fails, recurrent weights are trained on a wrong gradient."""
    x, leak, kernel, e = random_case(0)
    rule = dynamics.Rule(surrogates.superspike(beta=2.0), 1.0, reset, refractory, 0.0, detach)

    def loss(x, leak, kernel):
        s = dynamics.simulate_lif(x, leak, rule, recurrent_kernel=kernel)
        return ops.sum(ops.multiply(s, e.astype("float32"))), (s,)

    (s,), (dx, dleak, dkernel) = value_and_gradients(loss, *(a.astype("float32") for a in (x, leak, kernel)))
    options = {"reset": reset, "refractory": refractory, "recurrent": kernel}
    expected_s, _ = reference.simulate(x, leak, **options)
    expected_dx, expected_dleak = reference.gradient(
        x,
        leak,
        e,
        **options,
        surrogate=lambda z: reference.SURROGATES["superspike"](z, 2.0),
        detach_reset=detach,
    )
    assert np.array_equal(s, expected_s) and s.any()
    assert dx == pytest.approx(expected_dx, abs=1e-5, rel=1e-4)
    assert dleak == pytest.approx(expected_dleak.sum(0), abs=1e-5, rel=1e-4)
    expected_dkernel = np.einsum("bti,btj->ij", expected_s[:, :-1], expected_dx[:, 1:])
    assert dkernel == pytest.approx(expected_dkernel, abs=1e-5, rel=1e-4)


def test_reference_gradient_equals_autodiff_through_the_unrolled_rule():
    """The oracle itself must be right about the recurrent path: checked against automatic differentiation."""
    x, leak, kernel, e = random_case(1)
    surrogate = surrogates.sigmoid(beta=4.0)

    def unrolled(x, leak, kernel):
        v, s, spikes = ops.zeros_like(x[:, 0]), ops.zeros_like(x[:, 0]), []
        for t in range(x.shape[1]):
            v = ops.maximum((1 - leak) * v + x[:, t] + ops.matmul(s, kernel), 0.0)
            z = v - 1.0
            slope = ops.stop_gradient(surrogate(z))
            s = ops.stop_gradient(ops.cast(z >= 0, "float32")) + slope * (z - ops.stop_gradient(z))
            v = v * (1 - ops.stop_gradient(s))
            spikes.append(s)
        return ops.sum(ops.multiply(ops.stack(spikes, axis=1), e.astype("float32"))), (s,)

    _, (dx, dleak, dkernel) = value_and_gradients(unrolled, *(a.astype("float32") for a in (x, leak, kernel)))
    s, _ = reference.simulate(x, leak, recurrent=kernel)
    ours_dx, ours_dleak = reference.gradient(
        x, leak, e, recurrent=kernel, surrogate=lambda z: reference.SURROGATES["sigmoid"](z, 4.0)
    )
    assert ours_dx == pytest.approx(dx, abs=1e-5, rel=1e-4)
    assert ours_dleak.sum(0) == pytest.approx(dleak, abs=1e-5, rel=1e-4)
    assert np.einsum("bti,btj->ij", s[:, :-1], ours_dx[:, 1:]) == pytest.approx(dkernel, abs=1e-5, rel=1e-4)


def test_without_weights_it_is_the_plain_layer():
    """Zero recurrent weights must change nothing."""
    x = random_case(2)[0].astype("float32")
    plain, recurrent = lif.LIF(leak=0.2), lif.RecurrentLIF(leak=0.2, recurrent_initializer="zeros")
    assert np.array_equal(ops.convert_to_numpy(plain(x)), ops.convert_to_numpy(recurrent(x)))


def test_learns_what_only_a_memory_of_spikes_can(tmp_path):
    """A unit that leaks everything has no memory but its recurrent connections; they must learn to hold a bit.

    The saved and loaded model must answer alike.
    """
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    first = rng.integers(0, 2, 64)
    x = np.zeros((64, 8, 2), "float32")
    x[np.arange(64), 0, first] = 1.0  # which of two inputs spiked, eight steps ago
    model = keras.Sequential(
        [
            layers.Input((None, 2)),
            layers.Dense(24, kernel_initializer=keras.initializers.RandomNormal(stddev=2.0)),
            lif.RecurrentLIF(
                leak=1.0,
                surrogate=surrogates.superspike(beta=1.0),
                recurrent_initializer=keras.initializers.RandomNormal(stddev=0.6),
                name="memory",
            ),
            layers.Dense(2),
            lif.LeakyIntegrator(leak=1.0),  # the last step alone
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"], jit_compile=False)
    history = model.fit(x, first, epochs=60, batch_size=64, verbose=0).history["accuracy"]
    assert history[0] < 0.9 and history[-1] > 0.95
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))
    assert loaded.get_layer("memory").get_config() == model.get_layer("memory").get_config()


def test_firing_rates_are_those_of_the_layers():
    """If this fails, the report of silent layers speaks of other rates than the network has."""
    x = np.random.default_rng(0).uniform(0, 0.5, (5, 20, 3)).astype("float32")
    first, second = (
        lif.LIF(leak=0.0, name="a"),
        lif.LIF(leak=0.0, threshold=0.5, return_potential=True, name="b"),
    )
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, second(first(inputs))[1])
    rates = lif.firing_rates(model, x)
    spikes = ops.convert_to_numpy(first(x))
    assert rates["a"] == pytest.approx(spikes.mean((0, 1))) and rates["b"] == pytest.approx(
        spikes.mean((0, 1))
    )
    with pytest.raises(ValueError, match="CoarseLIF"):
        lif.firing_rates(keras.Sequential([keras.Input((3,)), layers.Dense(1)]), x)
    coarse = keras.Sequential([inputs, lif.CoarseLIF(4.0, name="coarse")])
    spikes = ops.convert_to_numpy(coarse(2 * x))
    assert lif.firing_rates(coarse, 2 * x)["coarse"] == pytest.approx(spikes.mean((0, 1))) and spikes.any()


@pytest.mark.parametrize(("scale", "word"), [(0.0, "silent"), (100.0, "nearly every step"), (0.3, None)])
def test_dead_and_saturated_layers_are_named(capsys, scale, word):
    """A silent layer learns nothing, and its user must be told; a healthy one must not be nagged about."""
    dense = layers.Dense(3, kernel_initializer="identity")
    model = keras.Sequential([layers.Input((None, 3)), dense, lif.LIF(name="hidden"), lif.LeakyIntegrator()])
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    x = np.full((4, 10, 3), scale, "float32")
    monitor = lif.FiringRates(x)
    history = model.fit(x, np.zeros((4, 3)), epochs=2, callbacks=[monitor], verbose=0).history
    said = capsys.readouterr().out
    assert len(history["hidden_rate"]) == 2
    assert said.count("hidden:") == (1 if word else 0) and (word or "") in said


def test_every_argument_of_lif_is_shown():
    """If this fails, an editor and `help` do not say that a recurrent layer has a leak, or tell another default."""
    ours, plain = (inspect.signature(kind).parameters for kind in (lif.RecurrentLIF, lif.LIF))
    for name in plain:
        assert ours[name].default == plain[name].default

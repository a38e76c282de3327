"""The coarse-scale neuron against the reference, automatic differentiation, Monte Carlo and continuous time."""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from keras import layers, ops

import lif
from autodiff import BACKEND, some, value_and_gradients
from lif import reference, surrogates
from lif.coarse import coefficients
from lif.conversion import continuous

RNG = np.random.default_rng(0)
X = RNG.normal(0.6, 1.0, (4, 9, 6)).astype("float32")


def random_case(seed, shape=(3, 11, 5)):
    rng = np.random.default_rng(seed)
    return rng.normal(0.5, 2.0, shape), rng.normal(size=shape)


def run(layer, x, spike_gradient):
    def loss(x):
        s = layer(x)
        return ops.sum(ops.multiply(s, spike_gradient.astype("float32"))), (s,)

    (s,), (dx,) = value_and_gradients(loss, x.astype("float32"))
    return s, dx


def test_forward_and_gradient_equal_the_reference():
    """If this fails, networks on the coarse scale are trained on a wrong gradient."""
    taus, names = (0.5, 4.0), sorted(reference.SURROGATES)
    cases = enumerate(itertools.product(taus, names, (True, False), (True, False)))
    for i, (tau, name, detach, analog) in some(cases, one_in=5):
        x, e = random_case(i)
        s, dx = run(lif.CoarseLIF(tau, name, detach, analog), x, e)
        expected_s, _ = reference.simulate_coarse(x, tau, analog)
        expected = reference.coarse_gradient(x, tau, e, name, detach, analog)
        assert np.array_equal(s, expected_s) and s.any(), (tau, name, detach, analog)
        error = np.max(np.abs(dx - expected)) / (1 + np.max(np.abs(expected)))
        assert error < 2e-5, (tau, name, detach, analog)


@pytest.mark.parametrize("detach", [True, False])
def test_gradient_equals_autodiff_through_the_unrolled_rule(detach):
    """If this fails, the hand-written backward pass is not the derivative of the rule with its surrogate."""
    x, e = random_case(7)
    surrogate = surrogates.logistic(beta=2.0)
    a, b, c = coefficients(4.0)

    def unrolled(x):
        v, s, spikes = ops.zeros_like(x[:, 0]), ops.zeros_like(x[:, 0]), []
        for t in range(x.shape[1]):
            v = (1 - s) * (a * v + b * x[:, t]) + s * c * x[:, t]
            # Forward the step function; backward the linear term, whose slope is the surrogate's.
            hard, slope = ops.cast(v >= 1, "float32"), ops.stop_gradient(surrogate(v - 1))
            out = ops.stop_gradient(hard) + slope * (v - ops.stop_gradient(v))
            spikes.append(out)
            s = ops.stop_gradient(out) if detach else out
        return ops.sum(ops.multiply(ops.stack(spikes, axis=1), e.astype("float32"))), (v,)

    _, (expected,) = value_and_gradients(unrolled, x.astype("float32"))
    _, dx = run(lif.CoarseLIF(4.0, surrogate, detach), x, e)
    assert dx == pytest.approx(expected, abs=2e-5, rel=1e-4)


def test_the_gradient_is_that_of_finite_differences_where_the_surrogate_is_exact():
    """Replace the step by the logistic function itself, in forward and backward: then finite differences apply.

    The reference's gradient, evaluated with this smooth spike, must agree, so the term through the reset is right.
    """
    x, e = random_case(3)
    a, b, c = coefficients(2.0)
    beta = 1.5

    def smooth(x):
        v, s, spikes, potential = np.zeros_like(x[:, 0]), np.zeros_like(x[:, 0]), [], []
        for t in range(x.shape[1]):
            v = (1 - s) * (a * v + b * x[:, t]) + s * c * x[:, t]
            s = 1 / (1 + np.exp(-beta * (v - 1)))
            spikes.append(s)
            potential.append(v)
        return np.stack(spikes, 1), np.stack(potential, 1)

    s, v = smooth(x)
    slope = beta * s * (1 - s)
    g_next, dx = np.zeros_like(x[:, 0]), np.zeros_like(x)
    for t in reversed(range(x.shape[1])):
        x_next = x[:, t + 1] if t + 1 < x.shape[1] else np.zeros_like(g_next)
        # The recurrence in the docstring of lif.dynamics.coarse_lif.
        g_next = (1 - s[:, t]) * a * g_next + slope[:, t] * (
            e[:, t] + g_next * ((c - b) * x_next - a * v[:, t])
        )
        dx[:, t] = (b + (c - b) * (s[:, t - 1] if t else 0)) * g_next
    h = 1e-6
    for i in [(0, 0, 0), (1, 4, 3), (2, 10, 4)]:
        step = np.zeros_like(x)
        step[i] = h
        numeric = np.sum((smooth(x + step)[0] - smooth(x - step)[0]) * e) / (2 * h)
        assert dx[i] == pytest.approx(numeric, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("detach", [True, False])
def test_a_masked_step_is_as_if_it_were_not_there(detach):
    """If this fails, sequences of different length, padded and masked, are not read or trained as without padding."""
    x, e = random_case(11)
    mask = np.random.default_rng(0).random(x.shape[:2]) < 0.6
    mask[0] = True
    layer = lif.CoarseLIF(4.0, "arctan", detach)
    x[~mask] = np.inf  # what is masked must not be looked at
    s, dx = run(lambda x: layer(x, mask=mask), x, e)
    for i, here in enumerate(mask):
        expected, expected_dx = run(layer, x[i : i + 1, here], e[i : i + 1, here])
        assert np.array_equal(s[i, here], expected[0]) and expected.any()
        assert dx[i, here] == pytest.approx(expected_dx[0], rel=1e-5, abs=1e-6)
    assert not s[~mask].any() and not dx[~mask].any()


@settings(max_examples=6 if BACKEND == "jax" else 30, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**31),
    steps=st.integers(1, 20),
    units=st.sampled_from([(1,), (4,), (2, 3), (2, 1, 2)]),
    tau=st.floats(0.05, 1e4),
)
def test_any_shape_and_time_constant(seed, steps, units, tau):
    """If this fails, a shape or an extreme time constant is treated differently by module and reference."""
    x = np.random.default_rng(seed).normal(0.5, 1.5, (2, steps, *units)).astype("float32")
    spikes, potential = reference.simulate_coarse(x.astype("float64"), tau)
    assume(np.min(np.abs(potential - 1)) > 1e-4)  # rounding may decide a tie
    assert np.array_equal(ops.convert_to_numpy(lif.CoarseLIF(tau)(x)), spikes)


@pytest.mark.parametrize("tau", [0.5, 2.0, 4.0, 16.0])
def test_the_constants_are_averages_over_arrival_times(tau):
    """Monte Carlo of the derivation: if this fails, the closed forms do not describe spikes at random moments."""
    a, b, c = coefficients(tau)
    arrival, wake = np.random.default_rng(1).uniform(size=(2, 400_000))
    left = np.exp(-(1 - arrival) / tau)
    assert a == pytest.approx(np.exp(-1 / tau), rel=1e-12)
    assert b == pytest.approx(left.mean(), abs=3e-3)
    assert c == pytest.approx((left * (arrival > wake)).mean(), abs=4e-3)


@pytest.mark.parametrize("tau", [1e-3, 1.0, 9.9e3, 1.1e4, 1e9, 1e15])
def test_the_constants_keep_their_digits(tau):
    """If this fails, a very slow neuron gets constants made of rounding errors."""
    a, b, c = coefficients(tau)
    assert 0 <= a < 1 + 1e-15 and 0 < b <= 1 and 0 < c <= 0.5
    if tau > 100:
        assert b == pytest.approx(1 - 0.5 / tau + 1 / (6 * tau**2), rel=1e-6)
        assert c == pytest.approx(0.5 - 1 / (6 * tau) + 1 / (24 * tau**2), rel=1e-6)


def test_firing_in_every_step_takes_one_over_c():
    """A closed form of the rule: below 1/c no two steps in a row, above it every step once the neuron has begun."""
    c = coefficients(4.0)[2]
    x = np.broadcast_to(np.array([0.99 / c, 1.01 / c]), (1, 40, 2)).astype("float32")
    below, above = ops.convert_to_numpy(lif.CoarseLIF(4.0)(x))[0].T
    assert not np.any(below[1:] * below[:-1]) and below.sum() > 10
    assert above.all()
    analog = lif.CoarseLIF(4.0, analog_input=True)(np.ones((1, 40, 1), "float32"))
    assert ops.convert_to_numpy(analog).all()


def test_bad_inputs_are_named():
    """If this fails, a tensor without a time axis is taken for a sequence."""
    with pytest.raises(ValueError, match=r"\(batch, time, \*units\).*Received.*\(4, 6\)"):
        lif.CoarseLIF(4.0)(X[:, 0])


def image_network(analog=False):
    return keras.Sequential(
        [
            layers.Input((6, 8, 8, 1)),
            layers.TimeDistributed(layers.Conv2D(4, 3, padding="same")),
            lif.CoarseLIF(4.0, analog_input=analog, name="first"),
            layers.TimeDistributed(layers.MaxPooling2D(2)),
            layers.TimeDistributed(layers.Flatten()),
            layers.Dense(6),
            lif.CoarseLIF(4.0, name="last"),
        ]
    )


def test_convolutions_and_max_pooling_train_save_and_load(tmp_path):
    """The loss of a network of the paper's kind falls, and the loaded model answers like the saved one."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 48)
    x = rng.uniform(0, 0.4, (48, 8, 8, 1)) + y[:, None, None, None] * (np.arange(8) > 3)[:, None, None]
    spikes = (rng.uniform(size=(48, 6, 8, 8, 1)) < x[:, None]).astype("float32")
    targets = 6.0 * np.eye(6)[y]
    model = keras.Sequential([image_network(), lif.LeakyIntegrator()])
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    losses = model.fit(spikes, targets, epochs=12, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < 0.6 * losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(model.predict(spikes, verbose=0), loaded.predict(spikes, verbose=0))


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_huge_inputs_give_no_nan(policy):
    """If this fails, one outlier in a batch turns every weight of the network into NaN."""
    signs = np.random.default_rng(0).choice([-1, 1], (4, 8, 3)).astype("float32")
    signs[0] = 1
    x = signs * np.array([1e30, 1e30, 0.0, 1.0], "float32")[:, None, None]
    x[3, 4] = 1e30  # a small potential before a huge current
    cases = itertools.product(sorted(reference.SURROGATES), (True, False), (True, False))
    for name, detach, analog in some(cases, one_in=9):
        layer = lif.CoarseLIF(4.0, name, detach, analog, dtype=policy)

        def loss(x, layer=layer):
            s = ops.cast(layer(x), "float32")
            return ops.sum(s), (s,)

        (s,), (dx,) = value_and_gradients(loss, x)
        assert np.all(np.isfinite(s)) and not np.any(np.isnan(dx)), (name, detach, analog)


# --- continuous time


def test_event_simulation_follows_the_closed_form():
    """Regular input of weight w every d fires after the n-th spike, w (1 - q^n) / (1 - q) >= 1 with q = exp(-d/tau)."""
    tau, w, d = 4.0, 0.3, 0.5
    times = np.arange(400)[None] * d + 1e-9
    fired = np.flatnonzero(reference.simulate_events(times, w, tau, refractory=0.0)[0])
    q = np.exp(-d / tau)
    n = int(np.ceil(np.log(1 - (1 - q) / w) / np.log(q)))
    assert np.array_equal(fired, np.arange(n - 1, 400, n))
    # With a refractory period of 3 intervals, less a hair, two more arrivals go unheard.
    fired = np.flatnonzero(reference.simulate_events(times, w, tau, refractory=3 * d - 1e-6)[0])
    assert np.array_equal(np.diff(fired), np.full(len(fired) - 1, n + 2))


def chain(tau=4.0, units=5, bias=0.0, **options):
    dense = layers.Dense(
        units, kernel_initializer="random_normal", bias_initializer=keras.initializers.Constant(bias)
    )
    model = keras.Sequential([layers.Input((None, 6)), dense, lif.CoarseLIF(tau, **options)])
    kernel = np.random.default_rng(2).uniform(0.1, 0.6, (6, units))
    dense.set_weights([kernel, np.full(units, bias)])
    return model


def test_one_continuous_layer_equals_the_exact_events():
    """The spikes must be those of the event-exact simulation of the same arrivals, step by step."""
    steps, substeps, tau = 30, 16, 4.0
    x = (np.random.default_rng(0).uniform(size=(3, steps, 6)) < 0.5).astype("float32")
    model = chain(tau)
    found = lif.to_continuous(model, substeps).run(x, seed=1)
    arrivals = continuous.at_random_moments(x, substeps, np.random.default_rng(1))
    # Each coarse step has kept its number, at one moment.
    assert np.array_equal(arrivals.reshape(3, steps, substeps, 6).sum(2), x)
    weights = arrivals @ model.layers[0].get_weights()[0]
    times = np.broadcast_to(np.arange(steps * substeps) / substeps, (15, steps * substeps))
    weights = weights.transpose(0, 2, 1).reshape(15, -1)
    # What arrives one refractory period after a spike is heard, so the period ends a hair before.
    expected = reference.simulate_events(times, weights, tau, refractory=1 - 1e-6)
    assert np.array_equal(found.transpose(0, 2, 1).reshape(15, -1), expected) and expected.sum() > 50


@pytest.mark.parametrize(("bias", "analog"), [(0.4, False), (2.0, False), (0.9, True)])
def test_a_bias_and_an_analog_input_are_constant_currents(bias, analog):
    """Under a current I the interval is 1 + tau log(I tau / (I tau - 1)): if this fails, the scaling is wrong."""
    tau, substeps, steps = 4.0, 200, 60
    model = chain(tau, bias=bias, analog_input=analog)
    spikes = lif.to_continuous(model, substeps).run(np.zeros((1, steps, 6)))[0, :, 0]
    current = 1.1 * bias / coefficients(tau)[2] if analog else bias
    interval = 1 + tau * np.log(current * tau / (current * tau - 1))
    found = np.diff(np.flatnonzero(spikes)) / substeps
    assert len(found) > 5 and found == pytest.approx(interval, abs=2 / substeps)


def test_delays_shift_and_spikes_keep_their_distance():
    """Whatever the delay, the spikes are the same ones, later; none come within a refractory period."""
    keras.utils.set_random_seed(0)
    model = image_network()
    for layer in model.layers:  # lively enough to fire through both layers
        layer.set_weights([np.abs(w) for w in layer.get_weights()])
    x = (np.random.default_rng(0).uniform(size=(3, 6, 8, 8, 1)) < 0.6).astype("float32")
    options = dict(seed=3, batch_size=2)
    at_once = lif.to_continuous(model, 8, delay=0.0).run(x, **options)
    late = lif.to_continuous(model, 8, delay=1.5).run(x, **options)
    assert at_once.shape == (3, 48, 6) and late.shape == (3, 60, 6)
    assert np.array_equal(late[:, 12:], at_once) and not late[:, :12].any()
    inner = lif.to_continuous(model, 8, layer="first").run(x, **options)
    assert inner.shape == (3, 48, 8, 8, 4)
    for spikes in (at_once, inner):
        flat = spikes.reshape(3, 48, -1)
        windows = np.lib.stride_tricks.sliding_window_view(flat, 8, axis=1)
        assert windows.sum(-1).max() == 1 and flat.any()


def test_a_network_that_is_run_again_answers_as_one_made_anew():
    """If this fails, a controller's second decision depends on its first, or an input of another length is refused."""
    network = lif.to_continuous(chain(), substeps=8)
    x = (np.random.default_rng(0).uniform(size=(3, 12, 6)) < 0.5).astype("float32")
    first = network.run(x, seed=1)
    assert first.any() and np.array_equal(first, network.run(x, seed=1))
    for inputs, seed in ((x[:2], 1), (x[:, :5], 2)):
        found, expected = network.run(inputs, seed), lif.to_continuous(chain(), 8).run(inputs, seed)
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("analog", [False, True])
def test_membranes_that_scatter_leak_each_at_its_own_rate(analog):
    """Each neuron must be the one with its own tau, under the current that it was trained for; else the spread is no
    mismatch of devices, or the gain is set anew for each."""
    tau, spread, current, units, substeps, steps = 4.0, 0.5, 0.9, 40, 50, 60
    model = chain(tau, units=units, bias=current, analog_input=analog)
    options = dict(substeps=substeps, spread=spread)
    x = np.zeros((1, steps, 6))
    found = lif.to_continuous(model, seed=3, **options).run(x)[0]
    taus = tau * np.exp(spread * np.random.default_rng(3).standard_normal(units))
    injected = 1.1 * current / coefficients(tau)[2] if analog else current
    fires = injected * taus > 1.02  # the others never reach the threshold, or as good as never
    intervals = 1 + taus[fires] * np.log(injected * taus[fires] / (injected * taus[fires] - 1))
    measured = [np.diff(np.flatnonzero(train)).mean() / substeps for train in found.T[fires]]
    assert fires.sum() > 20 and measured == pytest.approx(intervals, abs=2 / substeps)
    assert not found[:, injected * taus < 0.98].any()
    # The same membranes again, whatever the input; others with another seed.
    network = lif.to_continuous(model, seed=3, **options)
    assert np.array_equal(network.run(x, seed=8)[0], found)
    assert np.array_equal(network.run(x[:, :30])[0], found[: 30 * substeps])
    assert not np.array_equal(lif.to_continuous(model, seed=4, **options).run(x)[0], found)


def test_the_encoder_of_a_model_is_used():
    """A model that holds its encoder takes pictures, in coarse and in continuous time."""
    dense = layers.Dense(4, kernel_initializer="ones")
    model = keras.Sequential(
        [layers.Input((6,)), lif.PoissonEncoder(steps=5, seed=0), dense, lif.CoarseLIF(4.0)]
    )
    spikes = lif.to_continuous(model, substeps=10).run(np.full((2, 6), 0.9, "float32"))
    assert spikes.shape == (2, 50, 4) and spikes.any()
    analog = keras.Sequential(
        [layers.Input((6,)), dense, lif.ConstantEncoder(steps=5), lif.CoarseLIF(4.0, analog_input=True)]
    )
    spikes = lif.to_continuous(analog, substeps=10).run(np.full((2, 6), 0.2, "float32"))
    assert spikes.shape == (2, 50, 4) and spikes.any()


def test_the_coarse_rule_has_about_the_rate_of_the_continuous_neuron():
    """Claim 1 in small: if this fails, either simulation has lost its scale (a factor tau would show)."""
    rng = np.random.default_rng(0)
    x = (rng.uniform(size=(20, 200, 30)) < 0.2).astype("float32")
    model = keras.Sequential([layers.Input((None, 30)), layers.Dense(1), lif.CoarseLIF(4.0)])
    for weight in (0.05, 0.1, 0.3):
        model.layers[0].set_weights([np.full((30, 1), weight), np.zeros(1)])
        coarse = model.predict(x, verbose=0).mean()
        spikes = lif.to_continuous(model, substeps=50).run(x)
        assert coarse == pytest.approx(spikes.sum() / x[..., 0].size, abs=0.06)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"substeps": 0}, "substeps.*>= 1.*0"),
        ({"substeps": 2.5}, "substeps.*integer.*2.5"),
        ({"delay": -1.0}, "delay.*>= 0.*-1.0"),
        ({"layer": "hidden"}, "layer.*'hidden'"),
        ({"delay": "1"}, "delay.*>= 0.*'1'"),
        ({"seed": "a"}, "seed.*integer.*'a'"),
        ({"spread": -0.1}, "spread.*>= 0 and <= 2.*-0.1"),
        ({"spread": np.nan}, "spread.*>= 0 and <= 2.*nan"),
    ],
)
def test_bad_arguments_of_the_continuous_simulation_are_named(arguments, message):
    """If this fails, a mistaken argument simulates something else without a word."""
    with pytest.raises(ValueError, match=message):
        lif.to_continuous(chain(), **arguments)


@pytest.mark.parametrize("arguments", [{"seed": "a"}, {"seed": -1}, {"batch_size": 0}])
def test_bad_arguments_of_a_run_in_continuous_time_are_named(arguments):
    """If this fails, a mistaken argument simulates something else without a word."""
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"`{name}`.*integer >= .*{value!r}"):
        lif.to_continuous(chain()).run(X, **arguments)


def test_a_chain_may_stand_in_models_inside():
    """If this fails, a backbone, or two made by one function, cannot be run in continuous time."""

    def part(name, seed):
        keras.utils.set_random_seed(seed)
        stages = [
            keras.layers.Dense(5, kernel_initializer="he_normal", name="dense"),
            lif.CoarseLIF(4.0, name="h"),
        ]
        return keras.Sequential([keras.Input((None, 5)), *stages], name=name)

    parts = part("a", 0), part("b", 1)
    x = np.random.default_rng(0).integers(0, 3, (2, 20, 5)).astype("float32")
    flat = keras.Sequential([keras.Input((None, 5))])
    for k in range(2):
        flat.add(keras.layers.Dense(5, name=f"dense_{k}"))
        flat.add(lif.CoarseLIF(4.0, name=f"h_{k}"))
    nested = keras.Sequential([keras.Input((None, 5)), *parts])
    flat.set_weights(nested.get_weights())
    for name, same in (("a/h", "h_0"), ("b/h", "h_1")):
        found, expected = (
            lif.to_continuous(model, substeps=4, layer=layer).run(x)
            for model, layer in ((nested, name), (flat, same))
        )
        assert np.array_equal(found, expected) and found.any()


def test_models_that_are_no_chain_are_refused():
    """If this fails, a skip connection is silently dropped in continuous time."""
    inputs = keras.Input((None, 6))
    hidden = lif.CoarseLIF(4.0)(layers.Dense(6)(inputs))
    outputs = lif.CoarseLIF(4.0)(layers.Add()([hidden, inputs]))
    with pytest.raises(ValueError, match="chain"):
        lif.to_continuous(keras.Model(inputs, outputs))
    late = keras.Sequential(
        [layers.Input((None, 6)), lif.CoarseLIF(4.0), lif.CoarseLIF(4.0, analog_input=True)]
    )
    with pytest.raises(ValueError, match="analog"):
        lif.to_continuous(late)


def test_what_bends_spikes_on_their_way_is_refused():
    """If this fails, a network is run in continuous time that is not the one that was trained."""
    between = (
        [keras.layers.Dense(5, activation="relu")],
        [keras.layers.Dense(5), keras.layers.ReLU()],
        [keras.layers.Dense(5), lif.LIF(), keras.layers.Dense(5)],
        [keras.layers.Dense(5), keras.layers.LayerNormalization()],
        [keras.layers.Conv1D(5, 3, padding="causal")],
        [keras.layers.MaxPooling1D(1)],
    )
    for hidden in between:
        model = keras.Sequential([keras.Input((None, 4)), *hidden, lif.CoarseLIF(4.0)])
        with pytest.raises(ValueError, match="linear"):
            lif.to_continuous(model)
    inputs = keras.Input((None, 4))
    with pytest.raises(ValueError, match="linear"):
        model = keras.Model(inputs, lif.CoarseLIF(4.0)(ops.relu(keras.layers.Dense(5)(inputs))))
        lif.to_continuous(model)
    plain = keras.Sequential([keras.Input((None, 4)), keras.layers.Dense(5), lif.CoarseLIF(4.0)])
    with pytest.raises(ValueError, match="`x`"):
        lif.to_continuous(plain).run(np.ones((0, 3, 4)))

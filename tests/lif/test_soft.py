"""Soft LIF against closed forms, finite differences and spike trains; the spiking network against its rates."""

import math
import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops

import lif
from autodiff import BACKEND, second_derivative, value_and_gradients
from lif import dynamics
from subclassed import InTurn

NUMBERS = np.array([-3e38, -1e30, -1e4, -50, -2, -0.5, -0.39, -0.1, 0, 0.1, 0.5, 2, 10, 1e4, 1e30, 3e38])


def exact_rate(j, tau, refractory, smoothing=None):
    """The closed form in double precision; the log of a soft threshold that underflows is taken by its limit."""
    y = np.asarray(j, float) - 1
    with np.errstate(all="ignore"):
        if smoothing is None:
            log_term = np.where(y > 0, np.log1p(1 / np.where(y > 0, y, 1)), np.inf)
        else:
            soft = smoothing * np.logaddexp(0, y / smoothing)
            log_term = np.where(soft > 1e-290, np.log1p(1 / soft), -y / smoothing - np.log(smoothing))
        return 1 / (refractory + tau * log_term)


def test_the_response_is_the_closed_form():
    """If this fails, rates are wrong somewhere between far below threshold and far above."""
    j = np.concatenate([NUMBERS, np.linspace(-1, 12, 500)]).astype("float32")
    for tau, refractory, smoothing in ((0.05, 0.001, 0.02), (0.022, 0.002, 0.5), (0.02, 0.002, 1e-3)):
        soft = ops.convert_to_numpy(lif.soft_lif_rate(j, tau, refractory, smoothing))
        hard = ops.convert_to_numpy(lif.lif_rate(j, tau, refractory))
        # Single precision moves j - 1 by up to 1e-7, which near threshold is magnified by 1 / smoothing.
        tolerance = dict(rel=2e-7 / smoothing + 1e-4, abs=1e-5)
        assert soft == pytest.approx(exact_rate(j.astype(float), tau, refractory, smoothing), **tolerance)
        assert hard == pytest.approx(exact_rate(j.astype(float), tau, refractory), rel=1e-4, abs=1e-5)


def test_it_tends_to_the_hard_response():
    """Smoothing towards zero must leave the LIF rate; at any smoothing the soft rate lies above it."""
    j = np.linspace(0.0, 3.0, 301, dtype="float32")
    hard = ops.convert_to_numpy(lif.lif_rate(j))
    gaps = [
        np.max(np.abs(ops.convert_to_numpy(lif.soft_lif_rate(j, smoothing=g)) - hard))
        for g in (0.1, 0.01, 1e-3)
    ]
    assert gaps[0] > gaps[1] > gaps[2]
    assert np.all(ops.convert_to_numpy(lif.soft_lif_rate(j, smoothing=0.1)) >= hard - 1e-3)


def gradient(layer, x):
    def loss(x):
        y = layer(x)
        return ops.sum(y), (y,)

    (y,), (dx,) = value_and_gradients(loss, x)
    return y, dx


def test_the_derivative_is_that_of_finite_differences_at_any_input():
    """If this fails, networks are trained on a wrong or exploding gradient."""
    layer = lif.SoftLIF(dtype="float64")
    options = (layer.tau, layer.refractory, layer.smoothing)
    x = np.concatenate([NUMBERS, np.linspace(-1, 12, 400)])
    _, dx = gradient(layer, x[None])
    h = 1e-6 * np.maximum(1, np.abs(x))
    ends = [layer.amplitude * exact_rate(layer.gain * (x + s * h) + 1, *options) for s in (1, -1)]
    assert dx[0] == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=2e-4, abs=1e-9)
    assert 0 <= dx.min() and dx.max() < 3  # bounded, where that of the hard response has no bound
    # Just above threshold the hard response is steeper than any bound.
    steep = (lif.lif_rate(np.array(1 + 1e-12)) - lif.lif_rate(np.array(1.0))) / 1e-12
    assert float(steep) > 1e10


@pytest.mark.parametrize("kind", [lif.SoftLIF, lif.SoftAdaptiveLIF])
def test_the_second_derivative_is_that_of_finite_differences(kind):
    """If this fails, a gradient penalty or a Hessian is wrong, and nobody says so; PyTorch has none, and says so."""
    layer = kind(smoothing=0.1, dtype="float64")
    x = np.concatenate([np.linspace(-0.5, 3, 60), [-50.0, 30.0]])[None]
    if BACKEND == "torch":
        with pytest.raises(NotImplementedError, match="second derivative"):
            second_derivative(layer, x)
        return
    h = 1e-4
    slopes = [gradient(layer, x + s * h)[1] for s in (1, -1)]
    expected = (slopes[0] - slopes[1]) / (2 * h)
    assert second_derivative(layer, x) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert np.abs(expected).max() > 0.1


def test_the_neurons_that_tire_have_a_finite_gradient_everywhere():
    """If this fails, one outlier in a batch turns every weight of the network into NaN."""
    layer = lif.SoftAdaptiveLIF()
    x = np.concatenate([NUMBERS, [np.inf, -np.inf]]).astype("float32")[None]
    y, dx = gradient(layer, x)
    assert np.all(np.isfinite(y)) and np.all(np.isfinite(dx)) and dx.max() > 0


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16", "float64"])
@pytest.mark.parametrize("noise", lif.soft.NOISES)
def test_no_input_gives_nan(policy, noise):
    """If this fails, one outlier in a batch turns every weight of the network into NaN."""
    layer = lif.SoftLIF(noise=noise, seed=0, dtype=policy)
    x = np.concatenate([NUMBERS, [np.inf, -np.inf]]).astype("float64" if policy == "float64" else "float32")
    y, dx = gradient(lambda x: ops.cast(layer(x, training=True), "float32"), x[None])
    assert np.all(np.isfinite(y)) and np.all(np.isfinite(dx))
    assert y.min() >= -1e-3


def simulated_train(period, membrane, synapse, dt=1e-4):
    """A regular spike train through an alpha synapse and perhaps a membrane, integrated with a fine step.

    Returns:
        Samples over one period, long after the start.
    """
    period_steps = round(period / dt)
    steps = period_steps * (2 + int(20 * (membrane or synapse) / period))
    spikes = np.zeros(steps)
    spikes[::period_steps] = 1 / dt
    stages = [synapse, synapse, *([membrane] if membrane else [])]
    y = spikes
    for tau in stages:
        filtered, state = np.empty(steps), 0.0
        for k in range(steps):
            state += (y[k] - state) * -np.expm1(-dt / tau)
            filtered[k] = state
        y = filtered
    return y[-period_steps:]


@pytest.mark.parametrize("noise", ["alpha", "alpha_rc"])
@pytest.mark.parametrize("rate", [20.0, 100.0, 500.0])
def test_noise_is_that_of_a_filtered_spike_train(noise, rate):
    """Mean and quantiles of the noise against a simulated train: if this fails, the noise is not that of spikes."""
    membrane, synapse = 0.05, 0.003
    period = 1 / rate
    train = simulated_train(period, membrane if noise == "alpha_rc" else None, synapse)
    moments = np.random.default_rng(0).uniform(0, period, 200_000)
    sampled = ops.convert_to_numpy(
        lif.soft._filtered_train(
            *map(ops.convert_to_tensor, (np.full(moments.shape, period), moments)),
            synapse,
            membrane if noise == "alpha_rc" else None,
        )
    )
    assert sampled.mean() == pytest.approx(rate, rel=0.01)
    assert train.mean() == pytest.approx(rate, rel=0.01)
    shares = np.linspace(0.05, 0.95, 10)
    scale = np.ptp(train) + 0.01 * rate
    assert np.quantile(sampled, shares) == pytest.approx(np.quantile(train, shares), abs=0.05 * scale)


def test_noise_acts_in_training_only_and_repeats_with_its_seed():
    """If this fails, predictions are noisy, or a training cannot be repeated."""
    x = np.tile(np.array([-1.0, -0.1, 0.5, 3.0], "float32"), (20_000, 1))
    quiet = ops.convert_to_numpy(lif.SoftLIF()(x))
    for noise in ("gaussian", "alpha", "alpha_rc"):
        make = lambda noise=noise: lif.SoftLIF(noise=noise, noise_sd=5.0, seed=3)  # noqa: E731
        first, second = make(), make()
        assert np.array_equal(ops.convert_to_numpy(first(x, training=False)), quiet)
        noisy = ops.convert_to_numpy(first(x, training=True))
        assert np.array_equal(noisy, ops.convert_to_numpy(second(x, training=True)))
        assert not np.array_equal(noisy, ops.convert_to_numpy(second(x, training=True)))
        assert noisy[:, 2:].mean(0) == pytest.approx(quiet[0, 2:], rel=0.08)
        # The gradient is that of the rate.
        _, dx = gradient(lambda x, layer=first: layer(x, training=True), x[:1])
        assert dx == pytest.approx(gradient(lif.SoftLIF(), x[:1])[1], rel=1e-5)
        if noise == "gaussian":
            assert noisy[:, 2:].std(0) == pytest.approx(0.063 * 5.0, rel=0.05)
            assert np.array_equal(noisy[:, :2], quiet[:, :2])  # only where the current is above threshold


def test_a_synapse_as_slow_as_the_membrane_is_refused():
    """If this fails, the noise of two filters that are nearly one is a difference of rounding errors."""
    with pytest.raises(ValueError, match="noise_synapse.*differ.*0.05"):
        lif.SoftLIF(noise="alpha_rc", noise_synapse=0.05)


# --- spiking


def compiled(function, x):
    """`function(x)` in double precision, in a graph: a loop over thousands of steps is slow without."""
    inputs = keras.Input(batch_shape=x.shape, dtype="float64")
    model = keras.Model(inputs, layers.Lambda(function, output_shape=x.shape[1:], dtype="float64")(inputs))
    model.compile(jit_compile=False)
    return model.predict_on_batch(x)


def spikes_of(currents, dt, tau, refractory):
    def run(x):
        def step(current, state):
            return dynamics.spike_exactly(current, *state, dt, tau, refractory)

        zeros = ops.zeros_like(x[:, 0])
        return dynamics.advance_neurons(step, x, (zeros, zeros))[0]

    return compiled(run, currents)


def test_spikes_under_constant_current_come_exactly_when_they_should():
    """The k-th spike is due at k (t_ref + tau log(1 + 1 / (j - 1))): if this fails, the rate drifts with the step."""
    tau, refractory, seconds = 0.02, 0.002, 3.0
    currents = np.array([0.5, 1.0, 1.001, 1.1, 1.7, 3.0, 30.0])
    first = np.full(currents.shape, 1e6)  # the first two never fire
    first[2:] = tau * np.log1p(1 / (currents[2:] - 1))
    for dt in (0.0005, 0.001, 0.002):
        x = np.broadcast_to(currents, (1, round(seconds / dt), 7)).astype("float64")
        spikes = spikes_of(x, dt, tau, refractory)
        counts = spikes[0].sum(0)
        expected = np.floor((seconds - first) / (first + refractory) + 1)
        assert np.abs(counts - np.maximum(expected, 0)).max() <= 1 and not counts[:2].any()
    times = np.flatnonzero(spikes[0, :, 4]) * dt
    due = first[4] + np.arange(len(times)) * (first[4] + refractory)
    assert np.all((times <= due + 1e-9) & (due <= times + dt + 1e-9))


def spike_times_event_by_event(currents, dt, tau, refractory):
    """One neuron, one moment after the other: the next of step boundary, end of refractoriness, and threshold."""
    t, v, awake_at, found = 0.0, 0.0, 0.0, []
    for k, j in enumerate(currents):
        end = (k + 1) * dt
        while t < end:
            if t < awake_at:
                t = min(awake_at, end)
                continue
            crossing = t + tau * math.log((j - v) / (j - 1)) if j > 1 else math.inf
            if crossing < end:
                found.append(crossing)
                t, v, awake_at = crossing, 0.0, crossing + refractory
            else:
                v, t = max(0.0, j + (v - j) * math.exp(-(end - t) / tau)), end
    return np.array(found)


def test_a_changing_current_is_followed_exactly():
    """Against a simulation from event to event: if this fails, the sub-step correction loses or invents spikes."""
    rng = np.random.default_rng(4)
    dt, tau, refractory, steps = 0.001, 0.02, 0.0025, 2000
    currents = np.repeat(rng.normal(1.3, 1.5, (steps // 10, 6)), 10, axis=0)
    spikes = spikes_of(currents[None], dt, tau, refractory)
    for neuron in range(6):
        expected = spike_times_event_by_event(currents[:, neuron].tolist(), dt, tau, refractory)
        found = np.flatnonzero(spikes[0, :, neuron])
        assert np.array_equal(found, np.floor(expected / dt + 1e-9).astype(int)) and len(found) > 20


def test_the_synapse_is_an_alpha_function():
    """A pulse must give h(t) = t / tau^2 exp(-t / tau), and a constant itself."""
    step_over_tau = 0.02
    pulse = np.zeros((1, 700, 1))
    pulse[0, 0] = 1 / step_over_tau  # area 1 in units of tau

    def filtered(x):
        def run(x):
            zeros = ops.zeros_like(x[:, 0])
            return dynamics.alpha_synapse(x, zeros, zeros, step_over_tau)[0]

        return compiled(run, x)[0, :, 0]

    t = (np.arange(700) + 0.5) * step_over_tau
    assert filtered(pulse) == pytest.approx(t * np.exp(-t), abs=4e-4)
    assert filtered(np.ones((1, 1500, 1)))[-1] == pytest.approx(1.0, abs=1e-9)


def network(smoothing=0.02):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(4, 3),
            lif.SoftLIF(smoothing=smoothing, noise="alpha", name="first"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(12),
            lif.SoftLIF(smoothing=smoothing, name="second"),
            layers.Dropout(0.5),
            layers.Dense(3),
        ]
    )


IMAGES = np.random.default_rng(0).normal(0, 2, (7, 8, 8, 1)).astype("float32")


def hard_rates(model, x):
    """The first layer's LIF rates, the limit of its spiking rates."""
    current = model.layers[1].current(model.layers[0](x))
    return ops.convert_to_numpy(lif.lif_rate(current, 0.05, 0.001))


def test_spiking_rates_converge_to_the_lif_rates():
    """The error of the first layer's rates must fall like one spike over the time of counting."""
    model = network()
    expected = hard_rates(model, IMAGES).mean(0)
    for seconds in (0.2, 2.0):
        rates = lif.to_spiking(model, synapse=0.0).run(IMAGES, seconds, batch_size=7).rates["first"]
        assert rates.shape == expected.shape
        assert np.max(np.abs(rates - expected)) < 1.01 / seconds


def test_the_output_converges_to_that_of_the_rates():
    """Mean spiking output against the rate network's: if this fails, the conversion is not one of the same network."""
    model = network(smoothing=1e-3)  # spiking neurons are hard
    expected = model.predict(IMAGES, verbose=0)
    outputs, rates = lif.to_spiking(model, synapse=0.02).run(IMAGES, seconds=1.5, batch_size=7)
    assert outputs.shape == (7, 1500, 3) and set(rates) == {"first", "second"}
    spread = expected.std()
    assert np.abs(outputs[:, 300:].mean(1) - expected).mean() < 0.06 * spread
    assert np.argmax(outputs[:, 300:].mean(1), -1).tolist() == np.argmax(expected, -1).tolist()


def test_state_is_kept_or_not_and_the_batches_do_not_matter():
    """An input shown after others must be answered as if alone, unless the state is kept."""
    model = network()
    spiking = lif.to_spiking(model, synapse=0.003)
    alone = spiking.run(IMAGES[4:5], 0.04, batch_size=1).outputs[0]
    together = spiking.run(IMAGES, 0.04, batch_size=3)
    assert together.outputs[4] == pytest.approx(alone, abs=1e-4)
    kept = spiking.run(IMAGES, 0.04, batch_size=3, keep_state=True).outputs
    assert kept[1] == pytest.approx(together.outputs[1], abs=1e-4)
    assert not np.allclose(kept[4], alone, atol=1e-2)
    # One stream: what comes second goes on where the first ended, so twice the same input is one of twice the length.
    twice = spiking.run(IMAGES[[0, 0]], 0.04, batch_size=1, keep_state=True).outputs
    long = spiking.run(IMAGES[:1], 0.08, batch_size=1).outputs
    assert twice.reshape(1, 80, 3) == pytest.approx(long, abs=1e-4)
    rates = [spiking.run(IMAGES, 0.04, batch_size=n).rates["second"] for n in (2, 7)]
    assert rates[0] == pytest.approx(rates[1], abs=1e-3)


def test_any_number_of_steps_is_cut_into_equal_parts():
    """97 steps are prime: the outputs must be those of the first 97 of 100."""
    spiking = lif.to_spiking(network())
    prime, hundred = (spiking.run(IMAGES[:2], s, batch_size=2).outputs for s in (0.097, 0.1))
    assert prime.shape == (2, 97, 3) and prime == pytest.approx(hundred[:, :97], abs=1e-4)


def test_branches_meet():
    """A skip connection from before the first spiking layer is constant in time and must be added in every step."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    start = layers.Dense(5)(inputs)
    spiking = lif.SoftLIF(name="a")(start)
    joined = layers.Add()([spiking, start])
    outputs = layers.Dense(2)(lif.SoftLIF(name="b")(layers.Concatenate()([joined, inputs])))
    model = keras.Model(inputs, outputs)
    x = np.random.default_rng(1).normal(0, 2, (3, 6)).astype("float32")
    found = lif.to_spiking(model).run(x, 1.0, batch_size=3).outputs
    expected = model.predict(x, verbose=0)
    assert np.abs(found[:, 200:].mean(1) - expected).max() < 0.1 * (1 + np.abs(expected).max())


def test_neurons_in_models_inside_are_converted():
    """If this fails, a backbone or a subclassed rate network has to be written anew before it can spike."""

    plain = network()
    expected = lif.to_spiking(plain).run(IMAGES[:3], 0.05, batch_size=3)
    first, rest = plain.layers[:3], plain.layers[3:]
    net = InTurn(keras.Sequential([keras.Input((8, 8, 1)), *first]), *rest)
    net(IMAGES)
    found = lif.to_spiking(net).run(IMAGES[:3], 0.05, batch_size=3)
    assert found.outputs == pytest.approx(expected.outputs, abs=1e-5) and set(found.rates) == set(
        expected.rates
    )


@pytest.mark.parametrize(
    "pool",
    [
        layers.MaxPooling2D(2),
        layers.GlobalMaxPooling2D(),
        lambda y: ops.max(y, axis=1),
        lambda y: ops.maximum(y, 2 * y),
    ],
)
def test_a_maximum_of_spikes_is_refused(pool):
    """The mean of the largest is not the largest of the means: if this fails, a network converts to another one."""
    inputs = keras.Input((4, 4, 1))
    behind = keras.Model(inputs, pool(lif.SoftLIF()(inputs)))
    with pytest.raises(ValueError, match="maximum.*AveragePooling"):
        lif.to_spiking(behind)
    # What hears no spikes, as the input is constant, may be anything.
    lif.to_spiking(keras.Model(inputs, lif.SoftLIF()(pool(inputs))))


def test_rates_that_no_step_can_carry_are_warned_of():
    """If this fails, neurons fall behind their rates, and the spiking network answers otherwise for no reason seen."""
    neurons = lif.SoftLIF(tau=0.02, refractory=0.0005, gain=1.0, bias=0.0, amplitude=1.0, name="fast")
    spiking = lif.to_spiking(keras.Sequential([keras.Input((2,)), neurons]), dt=0.001)
    with pytest.warns(UserWarning, match=r"Layer fast: rates of up to 1\d{3} Hz.*1000 Hz.*`dt`"):
        spiking.run(np.array([[1.5, 100.0]]), 0.02, batch_size=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        spiking.run(np.array([[1.5, 5.0]]), 0.02, batch_size=1)


def test_the_model_is_left_as_it_was(tmp_path):
    """Conversion shares the weights; the rate network must still predict, train, save and load."""
    model = network()
    before = model.predict(IMAGES, verbose=0)
    spiking = lif.to_spiking(model)
    first = spiking.run(IMAGES[:2], 0.02, batch_size=2).outputs
    assert np.array_equal(model.predict(IMAGES, verbose=0), before)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(loaded.predict(IMAGES, verbose=0), before)
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    losses = model.fit(IMAGES, np.ones((7, 3)), epochs=3, verbose=0).history["loss"]
    assert np.all(np.isfinite(losses))
    assert not np.array_equal(spiking.run(IMAGES[:2], 0.02, batch_size=2).outputs, first)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: lif.to_spiking(m, dt=0), "dt.*> 0.*0"),
        (lambda m: lif.to_spiking(m, synapse=-1.0), "synapse.*>= 0.*-1.0"),
        (lambda m: lif.to_spiking(keras.Sequential([layers.Input((2,)), layers.Dense(2)])), "SoftLIF"),
        (lambda m: lif.to_spiking(m).run(IMAGES, 0.0), "seconds.*> 0.*0.0"),
        (lambda m: lif.to_spiking(m).run(IMAGES, 1e-9), "seconds.*at least one step of dt=0.001.*1e-09"),
        (lambda m: lif.to_spiking(m).run(IMAGES, "1"), "seconds.*'1'"),
    ],
)
def test_bad_arguments_of_the_conversion_are_named(call, message):
    """If this fails, a mistaken argument runs something else without a word."""
    with pytest.raises(ValueError, match=message):
        call(network())


def test_neurons_at_two_places_or_inside_a_layer_are_refused():
    """If this fails, one layer's potentials are those of two places at once, or neurons stay rates: wrong spikes."""
    neurons = lif.SoftLIF(name="neurons")
    twice = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5), neurons, keras.layers.Dense(5)])
    with pytest.raises(ValueError, match="model.*'neurons'.*2 times"):
        lif.to_spiking(keras.Model(twice.inputs, neurons(twice.outputs[0])))
    hidden = keras.layers.Dense(4, activation=lif.SoftLIF(name="inner"))
    with pytest.raises(ValueError, match="model.*'inner'"):
        lif.to_spiking(keras.Sequential([keras.Input((4,)), hidden, lif.SoftLIF(name="outer")]))


def test_whole_numbers_are_currents_too():
    """If this fails, rates of whole numbers are cut off to whole numbers, or an inner operation complains."""
    whole, exact = np.array([[0, 1, 2, 3]]), np.array([[0.0, 1.0, 2.0, 3.0]], "float32")
    for function in (lif.SoftLIF(), lif.lif_rate, lif.soft_lif_rate):
        np.testing.assert_array_equal(function(whole), function(exact))
    for arguments in ({"tau": -1.0}, {"refractory": 0.0}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            lif.lif_rate(2.0, **arguments)
    with pytest.raises(ValueError, match="smoothing"):
        lif.soft_lif_rate(2.0, smoothing=0.0)


def test_no_inputs_are_refused():
    """If this fails, an empty batch ends in a division by zero."""
    model = keras.Sequential([keras.Input((4,)), lif.SoftLIF()])
    with pytest.raises(ValueError, match="`x`"):
        lif.to_spiking(model).run(np.zeros((0, 4)), 0.1)


def test_masks_pass_through():
    """If this fails, padding changes what comes after the neurons: they are used like any activation."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, 6))
    hidden = lif.SoftLIF()(layers.Dense(5)(layers.Masking()(inputs)))
    model = keras.Model(inputs, lif.LeakyIntegrator()(hidden))
    x = np.random.default_rng(0).normal(size=(2, 4, 6)).astype("float32")
    padded = np.pad(x, [(0, 0), (0, 3), (0, 0)])
    np.testing.assert_allclose(model.predict(padded, verbose=0), model.predict(x, verbose=0), rtol=1e-5)


def test_neurons_that_adapt_show_the_arguments_of_those_that_do_not():
    """If this fails, an editor shows no `tau`, or the two kinds have other defaults."""
    from inspect import signature

    plain, adaptive = (signature(kind).parameters for kind in (lif.SoftLIF, lif.SoftAdaptiveLIF))
    assert {name: adaptive[name].default for name in plain} == {name: plain[name].default for name in plain}

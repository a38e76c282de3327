"""Encoders against closed forms, and as Keras layers: options, saving, mixed precision, unknown shapes."""

import contextlib
import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops

import lif
from autodiff import value_and_gradients
from lif.encoders import ConstantEncoder, LatencyEncoder, PoissonEncoder, PopulationEncoder

ENCODERS = [
    lambda **kwargs: PoissonEncoder(steps=5, max_probability=0.7, seed=3, **kwargs),
    lambda **kwargs: ConstantEncoder(steps=5, **kwargs),
    lambda **kwargs: LatencyEncoder(steps=5, tau=2.0, theta=0.3, **kwargs),
    lambda **kwargs: PopulationEncoder(units=4, **kwargs),
]
IDS = ["poisson", "constant", "latency", "population"]
every_encoder = pytest.mark.parametrize("make", ENCODERS, ids=IDS)
CHECKED = [index for index, name in enumerate(IDS) if name != "constant"]  # which takes any numbers
every_encoder_of_intensities = pytest.mark.parametrize(
    "make", [ENCODERS[i] for i in CHECKED], ids=[IDS[i] for i in CHECKED]
)
X = np.linspace(0, 1, 24).reshape(2, 3, 4)


def values(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


# -- closed forms --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_probability", [1.0, 0.3])
def test_poisson_spikes_with_the_probability_asked_for(max_probability):
    x = np.array([[0.0, 0.01, 0.25, 0.5, 1.0]])
    steps = 20_000
    count = values(PoissonEncoder(steps, max_probability, seed=7)(x))[0].sum(axis=0)
    p = max_probability * x[0]
    error = np.sqrt(steps * p * (1 - p))
    assert np.all(np.abs(count - steps * p) <= 5 * error), "rates are more than 5 standard errors off"
    assert count[0] == 0, "an intensity of 0 must never spike"


def test_poisson_steps_and_inputs_are_independent():
    spikes = values(PoissonEncoder(4000, seed=11)(np.full((1, 2), 0.5)))[0]
    between_inputs = np.corrcoef(spikes.T)[0, 1]
    between_steps = np.corrcoef(spikes[:-1, 0], spikes[1:, 0])[0, 1]
    assert abs(between_inputs) < 5 / math.sqrt(4000)
    assert abs(between_steps) < 5 / math.sqrt(4000)


def test_constant_repeats_the_intensity():
    expected = np.repeat(X[:, None].astype("float32"), 6, axis=1)
    np.testing.assert_array_equal(values(ConstantEncoder(6)(X)), expected)


def test_latency_is_when_a_leaky_integrator_reaches_theta():
    # Independent of the formula: follow v' = (x - v) / tau exactly, on a grid of thousandths of a step.
    steps, tau, theta = 30, 6.0, 0.2
    x = np.array([0.0, 0.1, 0.2, 0.203, 0.21, 0.3, 0.45, 0.77, 1.0])
    t = np.arange(0, steps, 1e-3)
    reached = x[:, None] * (1 - np.exp(-t / tau)) >= theta
    expected = np.zeros((steps, len(x)))
    for unit in np.flatnonzero(reached.any(axis=1)):
        expected[int(t[reached[unit].argmax()]), unit] = 1
    spikes = values(LatencyEncoder(steps, tau, theta)(x[None]))[0]
    np.testing.assert_array_equal(spikes, expected)
    assert expected[:, :3].sum() == 0 and expected[:, 4:].sum() == 5  # the test does see both cases


def test_latency_falls_as_intensity_rises():
    spikes = values(LatencyEncoder(100, 20.0, 0.1)(np.linspace(0.11, 1, 200)[None]))[0]
    np.testing.assert_array_equal(spikes.sum(axis=0), 1)
    times = spikes.argmax(axis=0)
    assert np.all(np.diff(times) <= 0), "a brighter input spikes later than a darker one"
    assert times[0] > times[-1]


def test_population_is_gaussian_in_each_number():
    x = np.array([[0.0, 0.3], [1.0, 0.5]])
    units, width = 5, 0.2
    got = values(PopulationEncoder(units, width)(x)).reshape(2, 2, units)
    for (row, feature), value in np.ndenumerate(x):
        expected = [math.exp(-((value - i / 4) ** 2) / (2 * width**2)) for i in range(units)]
        np.testing.assert_allclose(got[row, feature], expected, rtol=1e-5)


def test_population_composes_with_a_spike_encoder():
    net = keras.Sequential([PopulationEncoder(units=6), LatencyEncoder(steps=8, tau=4.0, theta=0.1)])
    spikes = values(net(np.array([[0.0, 1.0, 0.4]])))
    assert spikes.shape == (1, 8, 18)
    assert spikes[0, 0, 0] == 1 and spikes[0, 0, 11] == 1, "the unit whose centre is the number is the first"


# -- arguments and inputs ------------------------------------------------------------------------------------


BAD = [-0.01, 1.01, 255.0, math.nan, math.inf]


@every_encoder_of_intensities
@pytest.mark.parametrize("bad", BAD)
def test_intensities_out_of_range_raise(make, bad):
    """If this fails, data that nobody scaled fire in every step, and the network learns what is left of them."""
    x = np.array([[0.0, 0.5, bad]])
    for inputs in (x, ops.convert_to_tensor(x)):
        with pytest.raises(ValueError, match=r"`inputs` must be .* in \[0, 1\].*Received: float64 values"):
            make()(inputs)


@every_encoder_of_intensities
@pytest.mark.parametrize("bad", BAD)
def test_in_a_compiled_function_what_is_out_of_range_is_answered_with_nan(make, bad):
    """If this fails, `fit` on bytes or on standardised data trains in silence, as nothing can be raised there."""
    x = np.full((3, 4), 0.5, "float32")
    x[1, 2] = bad
    with numbers_unseen():
        y = values(make()(ops.convert_to_tensor(x)))
    struck = np.zeros((3, 4), bool)
    struck[1, 2] = True
    # The population spreads each of the four numbers over four units; the others have five steps for it.
    is_population = isinstance(make(), PopulationEncoder)
    expected = np.repeat(struck, 4, axis=1) if is_population else np.repeat(struck[:, None], 5, axis=1)
    np.testing.assert_array_equal(np.isnan(y), expected)


@contextlib.contextmanager
def numbers_unseen():
    """As in a compiled function, where a tensor's values cannot be looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lif.encoders, "is_concrete", lambda x: False)
        yield


def batches(x, y):
    for start in (0, 4):
        yield x[start : start + 4], y[start : start + 4]


@every_encoder_of_intensities
@pytest.mark.parametrize("run", ["fit", "predict", "evaluate", "generator"])
def test_no_way_of_running_a_model_is_silent_on_bytes(make, run):
    """If this fails, one of the ways in which data come into a model takes bytes for intensities without a word."""
    neurons = [] if isinstance(make(), PopulationEncoder) else [lif.LIF(), keras.layers.Flatten()]
    model = keras.Sequential([keras.Input((4,)), make(), *neurons, keras.layers.Dense(2)])
    model.compile("sgd", "mse", jit_compile=False)
    x = np.random.default_rng(0).integers(0, 256, (8, 4)).astype("uint8")
    y = np.zeros((8, 2))
    ways = {
        "fit": lambda: model.fit(x, y, verbose=0).history["loss"],
        "predict": lambda: model.predict(x, verbose=0),
        "evaluate": lambda: model.evaluate(x, y, verbose=0),
        "generator": lambda: model.fit(batches(x, y), verbose=0).history["loss"],
    }
    try:
        result = ways[run]()
    except ValueError as error:  # PyTorch compiles nothing
        assert "must be intensities in [0, 1]" in str(error)
    else:
        assert np.isnan(result).all()


@every_encoder_of_intensities
def test_what_is_out_of_range_by_rounding_is_let_through(make):
    """If this fails, data that were scaled in single precision are refused for their last digit."""
    x = np.array([[-1e-6, 0.5, 1 + 1e-6]], "float32")
    assert np.all(np.isfinite(values(make()(x))))


def test_a_list_is_not_taken_in_silence():
    """If this fails, numbers that nobody scaled are taken for intensities, since they are no array."""
    with pytest.raises(ValueError, match="np.array.*list"):
        PoissonEncoder(3)([[0.0, 200.0]])


def test_a_frame_of_pandas_is_not_taken_in_silence():
    """If this fails, a table of numbers that nobody scaled is taken for intensities, since it is no array."""
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        PoissonEncoder(3)(pandas.DataFrame({"a": [0, 200], "b": [1, 3]}))


def test_the_gradient_at_the_inputs_reaches_the_edges_of_the_range():
    """If this fails, a map of what a network looks at is halved or empty where the picture is black or white."""
    encoder = PopulationEncoder(3, width=0.5)

    def loss(x):
        y = encoder(x)
        return ops.sum(ops.multiply(y, [[1.0, 0.0, 0.0] * 3])), (y,)

    x = np.array([[0.0, 0.5, 1.0]], "float32")
    _, (gradient,) = value_and_gradients(loss, x)
    np.testing.assert_allclose(gradient, -x / 0.25 * np.exp(-(x**2) / 0.5), atol=1e-6)


def test_a_constant_current_may_be_any_number():
    """If this fails, the currents that a layer makes of a picture cannot be repeated, or what is NaN is forgotten."""
    x = np.array([[-3.0, 0.5, 255.0, math.nan]], "float32")
    expected = np.repeat(x[:, None], 2, axis=1)
    np.testing.assert_array_equal(values(ConstantEncoder(2)(x)), expected)
    model = keras.Sequential([keras.Input((4,)), ConstantEncoder(2)])
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)


@every_encoder_of_intensities
def test_bytes_raise_with_a_hint(make):
    with pytest.raises(ValueError, match="divide bytes by 255.*Received: uint8 values from 0 to 200"):
        make()(np.array([[0, 200]], "uint8"))


@every_encoder
def test_edges_of_the_range_integers_and_empty_batches_are_fine(make):
    edges = values(make()(np.array([[0.0, 1.0]])))
    assert np.isfinite(edges).all()
    if not isinstance(make(), PoissonEncoder):  # whose noise may differ
        np.testing.assert_array_equal(edges, values(make()(np.array([[0, 1]], "uint8"))))
    assert values(make()(np.zeros((0, 3)))).shape[0] == 0


def test_population_needs_an_axis_of_features():
    with pytest.raises(ValueError, match="ndim"):
        PopulationEncoder(3)(np.array([0.1, 0.2]))


# -- as Keras layers -----------------------------------------------------------------------------------------


@every_encoder
@settings(max_examples=15, deadline=None)
@given(shape=hnp.array_shapes(min_dims=2, max_dims=4, max_side=4), data=st.data())
def test_shapes_and_ranges(make, shape, data):
    x = data.draw(hnp.arrays("float32", shape, elements=st.floats(0, 1, width=32)))
    encoder = make()
    y = values(encoder(x))
    assert y.shape == encoder.compute_output_shape(shape)
    if isinstance(encoder, PopulationEncoder):
        assert y.shape == (*shape[:-1], 4 * shape[-1])
    else:
        assert y.shape == (shape[0], 5, *shape[1:])
    assert y.min() >= 0 and y.max() <= 1
    if isinstance(encoder, (PoissonEncoder, LatencyEncoder)):
        assert set(np.unique(y)) <= {0.0, 1.0}
    if isinstance(encoder, LatencyEncoder):
        assert y.sum(axis=1).max() <= 1


@every_encoder
def test_unknown_dimensions(make):
    inputs = keras.Input((None, 3))
    encoder = make()
    model = keras.Model(inputs, encoder(inputs))
    is_population = isinstance(encoder, PopulationEncoder)
    assert model.output_shape == ((None, None, 12) if is_population else (None, 5, None, 3))
    for batch, length in ((2, 4), (3, 1)):
        y = model.predict(np.full((batch, length, 3), 0.5, "float32"), verbose=0)
        assert y.shape == ((batch, length, 12) if is_population else (batch, 5, length, 3))


@every_encoder
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_half_precision_changes_the_dtype_and_not_the_spikes(make, policy):
    x = np.array([[0.0, 0.3001, 0.301, 0.5, 0.9999, 1.0]])
    half = make(dtype=policy)(x)
    assert keras.backend.standardize_dtype(half.dtype) == policy.removeprefix("mixed_")
    tolerance = 0 if isinstance(make(), (PoissonEncoder, LatencyEncoder)) else 4e-3
    np.testing.assert_allclose(values(half), values(make()(x)), atol=tolerance)


def test_examples_in_the_docstrings():
    import doctest

    from lif import encoders

    result = doctest.testmod(encoders)
    assert result.attempted >= 4 and result.failed == 0


def test_a_seed_may_be_a_number_of_numpy():
    """If this fails, `for seed in np.arange(5)` is refused with a message that says it should work."""
    x = np.full((2, 3), 0.5)
    ours, theirs = (lif.PoissonEncoder(9, seed=seed) for seed in (3, np.int64(3)))
    assert np.array_equal(ops.convert_to_numpy(ours(x)), ops.convert_to_numpy(theirs(x)))
    assert ours.get_config() | {"name": ""} == theirs.get_config() | {"name": ""}
    soft = [lif.SoftLIF(noise="gaussian", seed=seed)(2 * x, training=True) for seed in (3, np.int64(3))]
    assert np.array_equal(*map(ops.convert_to_numpy, soft))


@pytest.mark.parametrize("seed", ["a", 0.5, True])
def test_a_seed_that_is_no_integer_is_named(seed):
    """If this fails, the error is one of Keras', about a generator that the user did not make."""
    with pytest.raises(ValueError, match=f"`seed` must be an integer or None.*{seed!r}"):
        PoissonEncoder(steps=3, seed=seed)
    with pytest.raises(ValueError, match=f"`seed` must be an integer or None.*{seed!r}"):
        lif.SoftLIF(seed=seed)

"""What every layer promises, whichever it is: one table of layers, one of arguments, and each promise once.

A new layer joins by a line in `LAYERS`, and by one in `ARGUMENTS` for each argument of a new name.
"""

import copy
import inspect
import math
import re
import zipfile
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from keras import layers, ops

import lif
from autodiff import BACKEND, value_and_gradients


@keras.saving.register_keras_serializable(package="tests")
class Integrator(lif.SoftNeuron):
    """A kind of neuron of one's own."""

    def rate(self, current):
        return ops.softplus(current)


RNG = np.random.default_rng(0)
SEQUENCE = RNG.normal(0.4, 0.7, (4, 9, 6)).astype("float32")  # (batch, time, units)
NUMBERS = RNG.normal(0.4, 0.7, (4, 6)).astype("float32")  # (batch, units), any numbers
INTENSITIES = RNG.uniform(0, 1, (4, 6)).astype("float32")  # (batch, units), from 0 to 1

DRAWN = keras.initializers.RandomUniform(0.0, 0.5, seed=3)

# name -> how one is made, and an input that it takes
LAYERS = {
    "LIF": (lif.LIF, SEQUENCE),
    "LIF, subtract": (lambda: lif.LIF(reset="subtract", detach_reset=False, floor=-0.25), SEQUENCE),
    "LIF, refractory": (lambda: lif.LIF(refractory=2, leak=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), SEQUENCE),
    "LIF, no reset": (lambda: lif.LIF(reset="none", floor=None), SEQUENCE),
    "LIF, leak trained": (lambda: lif.LIF(leak=DRAWN, trainable_leak=True), SEQUENCE),
    "LIF, potential": (lambda: lif.LIF(return_potential=True, surrogate="superspike"), SEQUENCE),
    "RecurrentLIF": (lif.RecurrentLIF, SEQUENCE),
    "LeakyIntegrator": (lambda: lif.LeakyIntegrator(leak=0.1), SEQUENCE),
    "LeakyIntegrator, sequences": (lambda: lif.LeakyIntegrator(return_sequences=True), SEQUENCE),
    "CoarseLIF": (lambda: lif.CoarseLIF(4.0), SEQUENCE),
    "Recompute": (lambda: lif.Recompute([layers.Rescaling(2.0), lif.RecurrentLIF()], every=4), SEQUENCE),
    "TimeDistributed": (lambda: lif.TimeDistributed(layers.Dense(3)), SEQUENCE),
    "SoftLIF": (lif.SoftLIF, NUMBERS),
    "SoftLIF, noise": (lambda: lif.SoftLIF(noise="gaussian", seed=1), NUMBERS),
    "SoftAdaptiveLIF": (lif.SoftAdaptiveLIF, NUMBERS),
    "SoftNeuron of one's own": (Integrator, NUMBERS),
    "ConstantEncoder": (lambda: lif.ConstantEncoder(5), NUMBERS),
    "PoissonEncoder": (lambda: lif.PoissonEncoder(5, seed=1), INTENSITIES),
    "LatencyEncoder": (lambda: lif.LatencyEncoder(5, tau=2.0, theta=0.3), INTENSITIES),
    "PopulationEncoder": (lambda: lif.PopulationEncoder(3), INTENSITIES),
}
NAN, INFINITE = math.nan, math.inf


class Argument(NamedTuple):
    other: Any = (
        None  # a value that no layer of the table has by default; for what is true or false the opposite
    )
    must: str = ""  # what an error says of it
    wrong: list = []  # values to be refused; what is taken for true or false has none


ANY_NUMBER = [NAN, INFINITE, "big", True, None]
POSITIVE = [*ANY_NUMBER, 0, -1.0]
WHOLE = [0, -3, 2.5, NAN, "many", True, None]
LEAK = [NAN, "0.1", True, None, 1.1, -0.01, [0.1, 2.0], ["a"], [[0.1], [0.1, 0.2]], ...]
ARGUMENTS = {
    "leak": Argument(0.3, r"in \[0, 1\]|a number", LEAK),
    "threshold": Argument(0.8, "> 0", POSITIVE),
    "reset": Argument("subtract", "'zero', 'subtract', 'none'", ["soft", 0, None]),
    "refractory": Argument(3, "> 0|whole number of steps >= 0", [-1, NAN, "long", True, None]),
    "floor": Argument(-0.25, "<= 0, or None", [0.5, NAN, -INFINITE, "low", True]),
    "surrogate": Argument(lif.surrogates.superspike(beta=3.0), "'constant'", ["flat", 1.0, None]),
    "detach_reset": Argument(),
    "trainable_leak": Argument(),
    "return_potential": Argument(),
    "return_sequences": Argument(),
    "analog_input": Argument(),
    "recurrent_initializer": Argument("zeros"),  # Keras reads it, and refuses it
    "recurrent_regularizer": Argument("l2"),
    "tau": Argument(7.0, "> 0", POSITIVE),
    "gain": Argument(2.0, "a finite number", ANY_NUMBER),
    "bias": Argument(0.5, "a finite number", ANY_NUMBER),
    "amplitude": Argument(0.1, "> 0", POSITIVE),
    "smoothing": Argument(0.1, "> 0", POSITIVE),
    "noise": Argument("alpha", "'gaussian'", ["pink", 1.0]),
    "noise_sd": Argument(3.0, "> 0", POSITIVE),
    "noise_synapse": Argument(0.004, "> 0", POSITIVE),
    "seed": Argument(5, "integer", [1.5]),
    "adaptation": Argument(0.03, ">=? 0", [-1.0, NAN, INFINITE, "much", None]),
    "tau_adaptation": Argument(0.3, "> 0", POSITIVE),
    "steps": Argument(8, ">= 1", WHOLE),
    "max_probability": Argument(0.4, "> 0 and <= 1", [*POSITIVE, 1.5]),
    "theta": Argument(0.4, "> 0 and < 1", [*POSITIVE, 1.0]),
    "units": Argument(7, ">= 2", [1, *WHOLE]),
    "width": Argument(0.7, "> 0, or None", [0, -1.0, NAN, INFINITE, "wide", True]),
    "layer": Argument(layers.Dense(4), "", [None, 3]),
    "layers": Argument([layers.Rescaling(3.0), lif.LIF()], "a list of Keras layers", [None, [], [3], "LIF"]),
    "every": Argument(3, ">= 1", WHOLE),
}
every_layer = pytest.mark.parametrize(("make", "x"), LAYERS.values(), ids=LAYERS)
over_time = pytest.mark.parametrize(
    "make",
    [make for make, x in LAYERS.values() if x is SEQUENCE],
    ids=[n for n in LAYERS if LAYERS[n][1] is SEQUENCE],
)
KINDS = {type(make()): make for make, _ in reversed(LAYERS.values())}  # the first line of each is kept
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def options(kind):
    """Names of the arguments that a class of layers has, with those of the classes that it is derived from."""
    ours = [base for base in kind.__mro__ if base.__module__.startswith(("lif.", __name__))]
    inits = [inspect.signature(base.__init__) for base in ours if "__init__" in vars(base)]
    named = [p for init in inits for p in list(init.parameters.values())[1:]]  # after `self`
    return {p.name for p in named if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}


def required(kind):
    """Arguments without which no layer of the class can be made."""
    parameters = inspect.signature(kind).parameters.values()
    return {
        p.name: ARGUMENTS[p.name].other for p in parameters if p.default is p.empty and p.name in ARGUMENTS
    }


def values(y):
    """The outputs as a list of arrays."""
    return [ops.convert_to_numpy(ops.cast(each, "float64")) for each in keras.tree.flatten(y)]


def model_of(make, x, after=()):
    """The layer between an input of any length and others."""
    shape = (None, *x.shape[2:]) if x is SEQUENCE else x.shape[1:]
    inputs = keras.Input(shape)
    outputs = keras.tree.flatten(make()(inputs))
    for layer in after:
        outputs = [layer()(each) for each in outputs]
    return keras.Model(inputs, outputs)


def same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_public_layer_is_held_to_these_promises():
    """If this fails, a layer has joined the library and not this table."""
    public = {value for name in lif.__all__ if inspect.isclass(value := getattr(lif, name))}
    found = {kind for kind in public if issubclass(kind, layers.Layer)}
    assert len(found) > 10 and found - {lif.SoftNeuron} <= set(KINDS)


# -- arguments ------------------------------------------------------------------------------------------------


@every_kind
def test_every_option_is_in_the_config(kind):
    """If this fails, saving loses an option."""
    default = KINDS[kind]().get_config()
    assert options(kind) <= set(default) and options(kind) <= set(ARGUMENTS)
    other = {name: ARGUMENTS[name].other for name in options(kind)}
    other = {name: not default[name] if value is None else value for name, value in other.items()}
    config = kind(**other).get_config()
    assert [name for name in other if config[name] == default[name]] == []
    again = kind.from_config(copy.deepcopy(config))  # Keras' TimeDistributed takes out of it what it reads
    assert again.get_config() == config


def wrong_values():
    for kind in KINDS:
        for name in sorted(options(kind)):
            wrong = ARGUMENTS[name].wrong
            if name == "refractory":  # steps of LIF, which may be 0, and seconds of SoftLIF, which may not
                wrong = [*wrong, 1.5 if issubclass(kind, lif.LIF) else 0]
            yield from (
                pytest.param(kind, name, value, id=f"{kind.__name__}-{name}-{value!r:.30}") for value in wrong
            )


@pytest.mark.parametrize(("kind", "name", "value"), list(wrong_values()))
def test_bad_arguments_are_named(kind, name, value):
    """If this fails, a mistaken argument trains silently, or the error is about something nobody wrote."""
    with pytest.raises(ValueError) as error:
        kind(**{**required(kind), name: value})
    expected = rf"`{name}` must .*({ARGUMENTS[name].must}).*Received: {name}={re.escape(repr(value))}"
    if kind is lif.TimeDistributed:  # which Keras refuses, in words of its own
        expected = rf"(?i){name}.*Received: .*{re.escape(repr(value))}"
    assert re.search(expected, str(error.value), re.DOTALL)


@every_kind
def test_a_name_that_is_no_argument_is_refused(kind):
    """If this fails, a word that is spelt wrong is taken without a word."""
    with pytest.raises((TypeError, ValueError), match="leek"):
        kind(**required(kind), leek=0.1)


@every_kind
def test_seeds_are_respected(kind):
    """If this fails, a run cannot be repeated, or all that are drawn are the same."""
    if "seed" not in options(kind):
        return
    x = np.full((4, 50), 0.6, "float32")

    def drawn(seed):
        noise = {"noise": "gaussian"} if "noise" in options(kind) else {}
        layer = kind(**required(kind), seed=seed, **noise)
        training = {"training": True} if noise else {}
        return values(layer(x, **training)) + values(layer(x, **training))

    first, second = drawn(3)
    assert not np.array_equal(first, second)
    same(drawn(3), [first, second])
    assert not np.array_equal(drawn(4)[0], first)
    keras.utils.set_random_seed(0)
    unseeded = drawn(None)
    keras.utils.set_random_seed(0)
    same(drawn(None), unseeded)


# -- shapes, lengths and masks --------------------------------------------------------------------------------


@every_layer
def test_symbolic_shapes_are_the_real_ones(make, x):
    """If this fails, a functional model is built with other shapes than it computes."""
    for shape in (x.shape, (x.shape[0], *x.shape[1:-1], 2, x.shape[-1])):
        layer, data = make(), np.resize(x, shape)
        real = keras.tree.flatten(layer(data))
        symbolic = keras.tree.flatten(layer(keras.Input(batch_shape=shape)))
        promised = layer.compute_output_shape(shape)
        promised = [promised] if not isinstance(promised[0], tuple) else list(promised)
        assert [tuple(y.shape) for y in real] == [tuple(y.shape) for y in symbolic] == promised
        assert [keras.backend.standardize_dtype(y.dtype) for y in real] == [y.dtype for y in symbolic]
        unknown = keras.tree.flatten(layer(keras.Input((None, *shape[2:]) if x is SEQUENCE else shape[1:])))
        for y, full in zip(unknown, promised, strict=True):
            assert y.shape[0] is None and tuple(y.shape[2:]) == full[2:]


def side_by_side(x, after=()):
    """Layers that take such an input in one model: compilers and exporters take seconds to begin."""
    # Of each kind the first line, and the neurons that have one more state. Recompute, which takes a compiler as long
    # as all the others, is trained at several lengths in `test_layers.py` and exported in `test_export.py`.
    first = [name for name in LAYERS if ("," not in name or "refractory" in name) and name != "Recompute"]
    chosen = [name for name in first if LAYERS[name][1] is x]
    parts = {name: model_of(LAYERS[name][0], x, after) for name in chosen}
    inputs = keras.Input((None, 6) if x is SEQUENCE else (6,))
    outputs = {name: keras.tree.flatten(part(inputs)) for name, part in parts.items()}
    names = [name for name, ys in outputs.items() for _ in ys]
    return names, keras.Model(inputs, [y for ys in outputs.values() for y in ys])


every_input = pytest.mark.parametrize(
    "x", [SEQUENCE, NUMBERS, INTENSITIES], ids=["steps", "numbers", "intensities"]
)
# JAX compiles in any case, and PyTorch's compiler takes minutes, or finds no compiler of C.
COMPILED = {"tensorflow": [False, True], "jax": [True], "torch": [False]}[BACKEND]


@pytest.mark.parametrize("jit_compile", COMPILED)
@every_input
def test_trains_with_any_number_of_steps(x, jit_compile):
    """One compiled model must take sequences of any length, and batches of any size, with and without XLA."""
    names, model = side_by_side(x, after=[lambda: layers.Dense(2)])
    model.compile("sgd", ["mse"] * len(names), jit_compile=jit_compile)
    for part in (x[:, :9], x[:, :1]) if x is SEQUENCE else (x[:4], x[:1]):
        shapes = [y.shape for y in values(model(part))]
        losses = model.train_on_batch(part, [np.ones(shape) for shape in shapes])
        assert np.all(np.isfinite(losses)), names
        assert np.all(np.isfinite(np.concatenate([w.ravel() for w in model.get_weights()])))


class Hears(layers.Layer):
    """Keeps the mask that reaches it."""

    def __init__(self):
        super().__init__()
        self.supports_masking = True

    def call(self, x, mask=None):
        self.heard = mask
        return x


@over_time
def test_padding_is_as_if_it_were_not_there(make):
    """If this fails, sequences of different length, padded and masked, are not read as without padding."""
    layer, hears = make(), Hears()
    padded = np.concatenate([SEQUENCE, np.full_like(SEQUENCE[:, :4], -7.0)], axis=1)
    masked = layers.Masking(-7.0)(padded)
    one_sequence = not isinstance(after := layer(masked), tuple | list)
    for found, expected in zip(values(after), values(layer(SEQUENCE)), strict=True):
        np.testing.assert_array_equal(found[:, :9] if found.ndim == 3 else found, expected)
    if one_sequence and len(after.shape) == 3:
        hears(after)
        expected = np.repeat([[True] * 9 + [False] * 4], 4, axis=0)
        np.testing.assert_array_equal(ops.convert_to_numpy(hears.heard), expected)


# -- numbers --------------------------------------------------------------------------------------------------


def in_precision(policy, make, x, weights=None):
    """Outputs of a layer of such a policy, and its weights, which are drawn if none are given."""
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        layer = make()
        y = keras.tree.flatten(layer(x))
        if weights:
            layer.set_weights(weights)
            y = keras.tree.flatten(layer(x))
    finally:
        keras.config.set_dtype_policy(previous)
    assert {keras.backend.standardize_dtype(each.dtype) for each in y} == {layer.compute_dtype}
    return values(y), layer.get_weights()


@every_layer
def test_precision_policies(make, x):
    """If this fails, a spike comes at another step in half precision, since the potential was rounded on its way."""
    rng = np.random.default_rng(0)
    many = rng.normal(0.2, 0.2, (60, 40, 6)) if x is SEQUENCE else rng.choice(x.ravel(), (200, 6))
    for policy in ("mixed_float16", "mixed_bfloat16", "float64"):
        half = policy.removeprefix("mixed_")
        exact = ops.convert_to_numpy(ops.cast(ops.cast(many, half), "float32"))  # is not rounded once more
        wanted, weights = in_precision("float32", make, exact)
        for found, expected in zip(in_precision(policy, make, exact, weights)[0], wanted, strict=True):
            if set(np.unique(expected)) <= {0, 1}:
                assert 0.01 < expected.mean() < 0.99
                if policy == "float64" and isinstance(make(), lif.PoissonEncoder):
                    continue  # other random numbers are drawn
                differ = np.mean(found != expected)
                assert differ < 1e-3 if policy == "float64" else differ == 0, policy
            else:
                digits = {"float16": 1e-3, "bfloat16": 8e-3, "float64": 1e-5}[half]
                np.testing.assert_allclose(found, expected, rtol=2 * digits, atol=4 * digits)


@every_layer
def test_what_is_no_number_stays_so_and_huge_numbers_do_not_become_so(make, x):
    """If this fails, NaN counts as silence, strikes other examples, or comes of an outlier in a batch."""
    layer = make()
    if x is not INTENSITIES:
        signs = RNG.choice([-1, 1], x.shape)
        for size in (1e4, 1e30):
            assert not any(np.isnan(y).any() for y in values(layer((signs * size).astype("float32"))))
    struck = np.array(x)
    struck[(1, 2, 0) if x is SEQUENCE else (1, 0)] = NAN
    if x is INTENSITIES:
        with pytest.raises(ValueError, match=r"intensities in \[0, 1\]"):
            layer(struck)
        return
    for y in values(layer(struck)):
        assert np.isnan(y[1]).any() and np.isfinite(y[[0, 2, 3]]).all()


@every_layer
def test_gradients_are_finite(make, x):
    """If this fails, a training step gives NaN weights, or a layer passes no gradient at all."""
    layer = make()
    shapes = [y.shape for y in values(layer(x))]
    errors = [np.random.default_rng(k).normal(size=shape).astype("float32") for k, shape in enumerate(shapes)]
    weights = layer.trainable_weights

    def loss(x, *now):
        with keras.StatelessScope(state_mapping=list(zip(weights, now, strict=True))):
            y = keras.tree.flatten(layer(x))
        return sum(ops.sum(ops.multiply(each, e)) for each, e in zip(y, errors, strict=True)), tuple(y)

    _, gradients = value_and_gradients(loss, x, *(np.array(ops.convert_to_numpy(w)) for w in weights))
    assert all(np.all(np.isfinite(g)) for g in gradients)
    spikes_of_the_input = isinstance(
        layer, lif.PoissonEncoder | lif.LatencyEncoder
    )  # which have no derivative
    assert [bool(np.any(g)) for g in gradients] == [not spikes_of_the_input] + [True] * len(weights)


# -- copies, files and exports --------------------------------------------------------------------------------


def as_made(config):
    """A configuration without the shapes that the layers inside were built for."""
    if isinstance(config, dict):
        return {name: as_made(value) for name, value in config.items() if name != "build_config"}
    return [as_made(value) for value in config] if isinstance(config, list | tuple) else config


@every_layer
def test_saves_and_loads(make, x, tmp_path):
    """If this fails, a loaded model answers otherwise than the saved one, or its file asks to be trusted."""
    model = model_of(make, x)
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        assert {"config.json", "metadata.json", "model.weights.h5"} >= set(file.namelist())  # and no program
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert as_made(loaded.layers[1].get_config()) == as_made(model.layers[1].get_config())
    same(values(loaded(x)), values(model(x)))


@every_layer
def test_copies_answer_alike(make, x):
    """If this fails, a layer cannot be cloned or copied, or its copy shares its weights."""
    model = model_of(make, x)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    copied = copy.deepcopy(model.layers[1])
    expected = values(model(x))
    same(values(clone(x)), expected)
    same(values(copied(x)), expected)
    before = model.get_weights()
    for weight in copied.trainable_weights:
        weight.assign(weight + 1.0)
    same(model.get_weights(), before)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="files for other runtimes are written from TensorFlow")
@every_input
def test_a_served_model_answers_alike(x, tmp_path):
    """If this fails, a layer cannot be served by TensorFlow; `test_export.py` has the other formats."""
    import tensorflow as tf

    names, model = side_by_side(x)
    model.export(str(tmp_path / "net"), format="tf_saved_model", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "net"))
    for name, found, expected in zip(names, values(served.serve(x)), values(model(x)), strict=True):
        assert found.shape == expected.shape, name
        if name != "PoissonEncoder":  # whose noise is fresh
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6, err_msg=name)

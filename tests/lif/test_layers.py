"""The layers as Keras layers: shapes, checks, saving, training, precision."""

import inspect
import re

import keras
import numpy as np
import pytest
from keras import layers, ops

import lif
from autodiff import some, value_and_gradients

RNG = np.random.default_rng(0)
X = RNG.normal(0.3, 0.6, (4, 9, 6)).astype("float32")


def network(*hidden, inputs=(None, 6), outputs=3):
    return keras.Sequential(
        [
            layers.Input(inputs),
            layers.Dense(5),
            *hidden,
            layers.Dense(outputs),
            lif.LeakyIntegrator(leak=0.05),
        ]
    )


def test_bad_inputs_are_named():
    """If this fails, a tensor without a time axis is taken for a sequence."""
    with pytest.raises(ValueError, match=r"\(batch, time, \*units\).*Received.*\(4, 6\)"):
        lif.LIF()(X[:, 0])
    with pytest.raises(ValueError, match=r"leak.*\(6,\).*\(4,\)"):
        lif.LIF(leak=[0.1, 0.1, 0.2, 0.3])(X)
    with pytest.raises(ValueError, match="known number of units"):
        lif.LIF(trainable_leak=True)(keras.Input((5, None)))


@pytest.mark.parametrize("units", [(1,), (6,), (4, 3), (2, 3, 2)])
@pytest.mark.parametrize("trainable_leak", [False, True])
def test_shapes_are_those_promised(units, trainable_leak):
    """If this fails, a functional model is built with other shapes than it computes."""
    x = np.ones((2, 7, *units), "float32")
    for layer in (lif.LIF(trainable_leak=trainable_leak), lif.LeakyIntegrator()):
        y = layer(x)
        symbolic = layer(keras.Input((None, *units)))
        assert tuple(y.shape) == layer.compute_output_shape(x.shape)
        assert len(symbolic.shape) == len(y.shape) and tuple(symbolic.shape[2:]) == tuple(y.shape[2:])
    spikes, potential = lif.LIF(return_potential=True)(x)
    assert tuple(spikes.shape) == tuple(potential.shape) == x.shape
    assert tuple(lif.LeakyIntegrator(return_sequences=True)(x).shape) == x.shape


def test_one_leak_per_unit():
    """With one leak per unit each unit must behave as the layer with that leak alone."""
    leaks = [0.0, 0.1, 0.2, 0.4, 0.8, 1.0]
    together = ops.convert_to_numpy(lif.LIF(leak=leaks)(X))
    for i, leak in enumerate(leaks):
        assert np.array_equal(together[..., i], ops.convert_to_numpy(lif.LIF(leak=leak)(X))[..., i])
    drawn = lif.LIF(leak=keras.initializers.RandomNormal(0.0, 0.1, seed=1), trainable_leak=True)
    drawn(X)
    leak = ops.convert_to_numpy(drawn.trainable_weights[0])
    assert leak.shape == (6,) and leak.min() >= 0 and len(set(leak)) > 2


def test_a_trained_leak_learns_and_stays_in_the_unit_interval():
    """In the authors' package a trained leak leaves [0, 1] and the potential explodes."""
    keras.utils.set_random_seed(0)
    hidden = lif.LIF(leak=0.5, trainable_leak=True, surrogate="superspike")
    model = network(hidden)
    model.compile(keras.optimizers.SGD(30.0), "mse", jit_compile=False)
    model.fit(X, RNG.normal(size=(4, 3)), epochs=5, verbose=0)
    leak = ops.convert_to_numpy(hidden.trainable_weights[0])
    assert np.all((leak >= 0) & (leak <= 1)) and np.any(leak != 0.5)


def test_a_sum_whose_leak_is_trained(tmp_path):
    """If this fails, the leak of an output layer is not trained, or a model that has one cannot be loaded."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([layers.Input((None, 6)), lif.LeakyIntegrator(leak=0.5, trainable_leak=True)])
    model.compile(keras.optimizers.SGD(30.0), "mse", jit_compile=False)
    model.fit(X, RNG.normal(size=(4, 6)), epochs=5, verbose=0)
    leak = model.get_weights()[0]
    assert np.all((leak >= 0) & (leak <= 1)) and np.any(leak != 0.5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(model.predict(X, verbose=0), loaded.predict(X, verbose=0))


def test_the_loss_falls():
    """If this fails, the gradient does not point downhill in a small network."""
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 64)
    x = rng.uniform(0, 0.6 + 0.4 * y[:, None, None], (64, 10, 6)).astype("float32")
    model = network(lif.LIF(), outputs=2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.05), loss, jit_compile=False)
    losses = model.fit(x, y, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_trains_in_half_precision_even_on_huge_inputs(policy):
    """If this fails, mixed precision gives NaN weights."""
    keras.utils.set_random_seed(0)
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = network(lif.LIF(trainable_leak=True))
        model.compile("adam", "mse", jit_compile=False)
        for scale in (1.0, 0.0, 1e30):  # the last is infinite in float16, and its products NaN
            model.fit(X * scale, np.ones((4, 3)), verbose=0)
            assert all(np.all(np.isfinite(weights)) for weights in model.get_weights())
            hidden = keras.Sequential(model.layers[:2])(X * min(scale, 1e3))
            assert np.all(np.isfinite(ops.convert_to_numpy(ops.cast(hidden, "float32"))))
    finally:
        keras.config.set_dtype_policy(previous)


def test_same_seed_same_weights():
    """Two trainings from one seed must agree to the last digit."""

    def train():
        keras.utils.set_random_seed(5)
        model = network(lif.LIF(leak=keras.initializers.RandomUniform(0, 0.3), trainable_leak=True))
        model.compile("adam", "mse", jit_compile=False)
        model.fit(X, np.ones((4, 3)), epochs=3, verbose=0)
        return model.get_weights()

    assert all(np.array_equal(a, b) for a, b in zip(train(), train(), strict=True))


def test_convolutional_neurons():
    """The layer composes with convolutions over time, channels last."""
    model = keras.Sequential(
        [
            layers.Input((None, 8, 8, 1)),
            layers.TimeDistributed(layers.Conv2D(4, 3)),
            lif.LIF(trainable_leak=True),
            layers.TimeDistributed(layers.Flatten()),
            layers.Dense(2),
            lif.LeakyIntegrator(),
        ]
    )
    model.compile("adam", "mse", jit_compile=False)
    model.fit(np.ones((2, 5, 8, 8, 1)), np.ones((2, 2)), verbose=0)
    assert model.predict(np.ones((2, 3, 8, 8, 1)), verbose=0).shape == (2, 2)


def test_time_distributed_equals_keras_own(tmp_path):
    """If this fails, steps are mixed with examples when time is folded into the batch."""
    x = RNG.normal(size=(3, 4, 6, 6, 2)).astype("float32")

    def model_with(wrapper, steps):
        return keras.Sequential(
            [layers.Input((steps, 6, 6, 2)), wrapper(layers.Conv2D(4, 3)), lif.CoarseLIF(4.0)]
        )

    ours = model_with(lif.TimeDistributed, None)
    for steps in (4, 1):  # Keras' own is built for each number of steps, ours takes any
        keras_own = model_with(layers.TimeDistributed, steps)
        keras_own.set_weights(ours.get_weights())
        spikes = ours.predict(x[:, :steps], verbose=0)
        assert spikes.shape == (3, steps, 4, 4, 4) and spikes.any()
        assert np.array_equal(spikes, keras_own.predict(x[:, :steps], verbose=0))
    model = keras.Sequential([ours, lif.LeakyIntegrator()])
    model.compile("sgd", "mse", jit_compile=False)
    before = ours.get_weights()[0]
    model.fit(x, np.ones((3, 4, 4, 4)), verbose=0)
    assert not np.array_equal(before, ours.get_weights()[0])
    ours.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(loaded.predict(x, verbose=0), ours.predict(x, verbose=0))


def test_time_distributed_trains_the_layer_in_training_only():
    """Dropout must drop in training and not in inference; batch statistics must run over time."""
    x = np.ones((2, 3, 50), "float32")
    dropout = lif.TimeDistributed(layers.Dropout(0.5))
    assert np.array_equal(dropout(x), x) and not np.array_equal(dropout(x, training=True), x)
    normalised = ops.convert_to_numpy(lif.TimeDistributed(layers.BatchNormalization())(X, training=True))
    assert normalised.mean((0, 1)) == pytest.approx(np.zeros(6), abs=1e-5)


def chain(neurons=lif.LIF, **options):
    return [
        layers.Dense(5),
        neurons(leak=0.2, **options),
        layers.Dense(4),
        lif.LIF(trainable_leak=True),
        layers.Dense(2),
        lif.LeakyIntegrator(return_sequences=True),
    ]


def draw_weights(layer, rng):
    """The same weights on every backend, large enough that no layer is silent."""
    layer.set_weights([rng.normal(0, 0.7, w.shape) if len(w.shape) == 2 else w for w in layer.get_weights()])


def result_and_gradients(layer, weights, x, e, mask=None):
    """Output of a function of a sequence, and the gradients at it and at the weights of its layers."""

    def loss(x, *values):
        with keras.StatelessScope(state_mapping=list(zip(weights, values, strict=True))):
            y = layer(x, mask=mask)
        return ops.sum(ops.multiply(y, e)), (y,)

    return value_and_gradients(loss, x, *(np.array(ops.convert_to_numpy(w)) for w in weights))


RECOMPUTED = [
    (4, False, {}),
    (20, False, {"reset": "none", "floor": None}),
    (1, False, {"reset": "subtract", "detach_reset": False, "neurons": lif.RecurrentLIF}),
    (3, True, {"reset": "subtract", "refractory": 2, "neurons": lif.RecurrentLIF}),
    (4, True, {"reset": "zero", "detach_reset": False, "floor": -0.3}),
]


@pytest.mark.parametrize(("every", "masked", "options"), some(RECOMPUTED, one_in=3))
def test_recomputing_changes_nothing_but_the_memory(every, masked, options):
    """Blocks that divide the steps or do not, that are longer or one step: same spikes, same gradient everywhere."""
    rng = np.random.default_rng(0)
    x, e = rng.normal(0.3, 0.9, (3, 8, 6)).astype("float32"), rng.normal(size=(3, 8, 2)).astype("float32")
    mask = np.array([[1, 0, 1, 1, 1, 0, 0, 1]] * 2 + [[1] * 6 + [0] * 2], bool) if masked else None
    recompute = lif.Recompute(chain(**options), every)
    recompute.build((None, None, 6))
    draw_weights(recompute, rng)
    weights = recompute.trainable_weights

    def plain(x, mask):
        for layer in recompute.layers:
            x = layer(x, mask=mask) if masked and hasattr(layer, "advance") else layer(x)
        return x

    (y,), gradients = result_and_gradients(recompute, weights, x, e, mask)
    (expected,), expected_gradients = result_and_gradients(plain, weights, x, e, mask)
    assert np.array_equal(y, expected) and y.any()
    for found, wanted in zip(gradients, expected_gradients, strict=True):
        assert np.any(wanted) and found == pytest.approx(wanted, abs=1e-5 * float(np.abs(wanted).max()))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_recomputing_trains_and_saves(tmp_path, jit_compile):
    """If this fails, a model with `Recompute` takes one length, drops its layers on saving or learns otherwise."""

    def trained(wrap):
        model = keras.Sequential([layers.Input((None, 6)), *wrap(chain(refractory=1))])
        draw_weights(model, np.random.default_rng(0))
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit_compile)
        before = model.get_weights()
        for steps in (9, 8, 1):
            model.fit(X[:, :steps], np.ones((4, steps, 2)), verbose=0)
        assert not any(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
        return model

    ours, plain = trained(lambda chain: [lif.Recompute(chain, every=4)]), trained(lambda chain: chain)
    for a, b in zip(ours.get_weights(), plain.get_weights(), strict=True):
        assert a == pytest.approx(b, abs=1e-5)
    ours.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    inside, expected = ([layer.get_config() for layer in m.layers[0].layers] for m in (loaded, ours))
    assert inside == expected and loaded.layers[0].every == 4
    assert np.array_equal(loaded.predict(X, verbose=0), ours.predict(X, verbose=0))


@pytest.mark.parametrize(
    ("inside", "every", "message"),
    [
        ([lif.LIF()], 0, "every.*>= 1.*0"),
        ([lif.LIF()], 2.5, "every.*whole.*2.5"),
        ([], 3, r"layers.*\[\]"),
        ([lif.CoarseLIF(4.0)], 3, "layers.*CoarseLIF"),
        ([lif.LIF(return_potential=True)], 3, "layers.*LIF"),
        ([lif.LeakyIntegrator()], 3, "layers.*return_sequences=True"),
        ([layers.Dropout(0.5)], 3, "random.*Dropout"),
        ([layers.LSTM(3, return_sequences=True)], 3, "layers.*LSTM"),
        ([layers.LSTM(3, return_sequences=True, trainable=False)], 3, "layers.*LSTM"),
        ([layers.Conv1D(3, 3, padding="same")], 3, "layers.*TimeDistributed.*Conv1D"),
        ([layers.AveragePooling1D(2, strides=1, padding="same")], 3, "layers.*AveragePooling1D"),
        ([layers.Softmax(axis=1)], 3, "layers.*Softmax"),
        ([layers.Masking()], 3, "layers.*Masking"),
        ([lif.Recompute([lif.LIF()], 2)], 3, "layers.*by itself.*Recompute"),
        ([keras.Sequential([lif.LIF()])], 3, "layers.*by itself.*Sequential"),
        ([layers.Dense(2, activity_regularizer="l2")], 3, "activity_regularizer.*Dense"),
        ([lif.LIF(activity_regularizer="l1")], 3, "activity_regularizer.*LIF"),
        ([lif.TimeDistributed(layers.Dense(2, activity_regularizer="l2"))], 3, "activity_regularizer.*TimeD"),
        ([lif.TimeDistributed(layers.BatchNormalization())], 3, "statistics.*TimeDistributed"),
    ],
)
def test_what_cannot_be_recomputed_is_named(inside, every, message):
    """If this fails, a layer that does otherwise the second time trains on a wrong gradient."""
    with pytest.raises(ValueError, match=message):
        lif.Recompute(inside, every)(X)


def test_a_missing_step_and_a_mask_of_another_shape_are_named():
    """If this fails, a wrong mask is broadcast to outputs of a strange shape, or an inner operation complains."""
    with pytest.raises(ValueError, match=r"step.*\(2, 0, 3\)"):
        lif.LIF()(np.zeros((2, 0, 3)))
    for layer in (lif.LIF(), lif.LeakyIntegrator(), lif.CoarseLIF(4.0), lif.Recompute([lif.LIF()], 2)):
        for shape in ((2, 2), (2, 3, 2)):
            with pytest.raises(ValueError, match=r"mask.*\(batch, time\)"):
                layer(np.zeros((2, 3, 2), "float32"), mask=np.ones(shape, bool))


def test_in_double_precision_the_leak_is_not_rounded():
    """If this fails, float64 runs differ from the reference from the eighth digit on."""
    x = np.random.default_rng(0).uniform(0, 0.3, (2, 50, 3))
    for leak in (0.1, [0.1, 0.2, 0.3]):
        _, potential = lif.LIF(leak=leak, return_potential=True, dtype="float64")(x)
        np.testing.assert_allclose(potential, lif.reference.simulate(x, np.array(leak))[1], atol=1e-14)


def test_what_is_no_number_stays_so():
    """If this fails, NaN counts as no spike, or strikes neurons that have nothing to do with it."""
    x = np.full((2, 4, 3), 0.1, "float32")
    x[1, 2, 0] = np.nan
    struck = np.zeros((2, 4, 3), bool)
    struck[1, :, 0] = True
    for layer in (
        lif.LIF(),
        lif.LIF(refractory=1),
        lif.LeakyIntegrator(return_sequences=True),
        lif.CoarseLIF(4.0),
    ):
        assert np.array_equal(np.isnan(ops.convert_to_numpy(layer(x))), struck)
        mask = np.array([[True] * 4, [True, True, False, True]])
        assert np.all(np.isfinite(ops.convert_to_numpy(layer(x, mask=mask))))  # it is not listened to
    for y in lif.LIF(return_potential=True)(x):
        assert np.array_equal(np.isnan(ops.convert_to_numpy(y)), struck)
    recurrent = lif.RecurrentLIF()
    recurrent(x)
    recurrent.set_weights([np.full((3, 3), np.nan)])
    assert np.all(np.isnan(ops.convert_to_numpy(recurrent(np.ones((2, 4, 3), "float32")))))


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("neurons", [lif.LIF, lambda: lif.CoarseLIF(4.0)])
def test_a_network_that_has_diverged_says_so(neurons, jit_compile):
    """If this fails, a dead network trains on with a falling loss: what is NaN was taken for silence."""
    model = keras.Sequential(
        [keras.Input((None, 6)), layers.Dense(5), neurons(), layers.Dense(3), lif.LeakyIntegrator()]
    )
    model.compile("sgd", "mse", jit_compile=jit_compile)
    weights = model.get_weights()
    model.set_weights([np.full_like(weights[0], np.nan), *weights[1:]])
    history = model.fit(X, np.ones((4, 3)), verbose=0).history
    assert np.isnan(history["loss"]).all()


def test_an_array_of_leaks_is_copied():
    """If this fails, a layer changes when the array that it was made of is used for something else."""
    leak = np.full(6, 0.1)
    layer = lif.LIF(leak=leak)
    leak[:] = 0.9
    assert np.all(layer.leak == 0.1)


def test_masks_of_lists_and_of_another_batch():
    """If this fails, a mask for one example is taken for all, or a list is refused for what it is not."""
    x = np.ones((2, 3, 4), "float32")
    mask = [[True, False, True], [True, True, True]]
    expected = lif.LIF()(x, mask=np.array(mask))
    assert np.array_equal(ops.convert_to_numpy(lif.LIF()(x, mask=mask)), ops.convert_to_numpy(expected))
    for examples in (1, 3):
        with pytest.raises(ValueError, match=r"mask.*\(batch, time\)"):
            lif.LIF()(x, mask=np.ones((examples, 3), bool))


def test_time_distributed_takes_a_mask_as_keras_does():
    """If this fails, a call that Keras' own wrapper takes is refused."""
    x, mask = np.ones((2, 3, 4), "float32"), np.ones((2, 3), bool)
    assert tuple(lif.TimeDistributed(layers.Dense(5))(x, mask=mask).shape) == (2, 3, 5)


class Doubled(keras.layers.Layer):
    """A layer of one's own that says nothing of its shape."""

    def call(self, x):
        return ops.concatenate([x, x], axis=-1)


def test_a_layer_of_ones_own_can_be_recomputed():
    """If this fails, `Recompute` asks for a method that Keras asks for nowhere else."""
    keras.utils.set_random_seed(0)
    hidden = [Doubled(), layers.Dense(5), lif.LIF()]
    plain, recomputing = keras.Sequential(hidden), lif.Recompute(hidden, every=4)
    assert np.array_equal(ops.convert_to_numpy(plain(X)), ops.convert_to_numpy(recomputing(X)))
    assert recomputing.compute_output_shape((None, 9, 6)) == (None, 9, 5)


@pytest.mark.parametrize("policy", ["bfloat16", "float16"])
def test_recurrent_weights_of_half_precision_are_trained_when_recomputed(policy):
    """If this fails, the gradient has another precision than the weights, and the first step raises."""
    hidden = [
        layers.Dense(5, dtype=policy),
        lif.RecurrentLIF(dtype=policy, recurrent_initializer="glorot_uniform"),
    ]
    model = keras.Sequential([keras.Input((None, 6)), lif.Recompute(hidden, 4), lif.LeakyIntegrator()])
    model.compile("sgd", "mse", jit_compile=False)
    before = model.get_weights()[2].copy()
    model.fit(X, np.ones((4, 5)), verbose=0)
    assert not np.array_equal(before, model.get_weights()[2])


# -- places and names that other libraries have -------------------------------------------------------------

WITH_TIME = [
    lif.LIF,
    lif.RecurrentLIF,
    lif.LeakyIntegrator,
    lambda: lif.CoarseLIF(4.0),
    lambda: lif.Recompute([lif.LIF()], 2),
    lambda: lif.PoissonEncoder(3),
]
every_layer_with_time = pytest.mark.parametrize(
    "make",
    WITH_TIME,
    ids=["LIF", "RecurrentLIF", "LeakyIntegrator", "CoarseLIF", "Recompute", "PoissonEncoder"],
)
FILM = RNG.uniform(0, 1, (2, 3, 5, 4, 1)).astype("float32")


@every_layer_with_time
def test_a_layer_with_a_time_axis_cannot_stand_in_time_distributed(make):
    """If this fails, a block of convolution and neuron takes the rows of a picture for time, and trains."""
    block = keras.Sequential([layers.Dense(2, kernel_initializer="ones"), make()])
    for inside in (make(), block):
        with pytest.raises(ValueError, match="TimeDistributed around the layers before and after"):
            lif.TimeDistributed(inside)
        with pytest.raises(ValueError, match="TimeDistributed around the layers before and after"):
            layers.TimeDistributed(inside)(FILM)


def test_keras_time_distributed_is_refused_around_a_block_that_is_built_already(tmp_path):
    """If this fails, only new blocks are refused, and those loaded or used before slip through when compiled."""
    block = keras.Sequential([layers.Conv2D(2, 3), lif.LIF()])
    block(FILM[:, 0])
    block.save(tmp_path / "block.keras")
    for inside in (block, keras.saving.load_model(tmp_path / "block.keras")):
        model = keras.Sequential([keras.Input((None, 5, 4, 1)), layers.TimeDistributed(inside)])
        with pytest.raises(ValueError, match="TimeDistributed around the layers before and after"):
            model.predict(FILM, verbose=0)


class InsideOfALayer(keras.layers.Layer):
    """A layer of one's own that makes its neurons when it is built, where no wrapper can have seen them."""

    def build(self, input_shape):
        self.neurons = lif.LIF()

    def call(self, x):
        return self.neurons(x)


def test_neurons_that_are_made_late_are_found_in_time_distributed():
    """If this fails, what `TimeDistributed` cannot see when it is made is not refused at all."""
    for wrapper in (lif.TimeDistributed, layers.TimeDistributed):
        with pytest.raises(ValueError, match="TimeDistributed around the layers before and after"):
            wrapper(InsideOfALayer())(FILM)


@every_layer_with_time
@pytest.mark.parametrize(
    "layer",
    [
        lambda neurons: layers.Dense(3, activation=neurons),
        lambda neurons: layers.Conv1D(3, 2, activation=neurons),
        lambda neurons: layers.Activation(neurons),
        lambda neurons: layers.Dense(3, activation=keras.Sequential([neurons])),
    ],
    ids=["Dense", "Conv1D", "Activation", "Sequential"],
)
def test_a_neuron_is_no_activation(make, layer):
    """If this fails, a network whose mask does not reach its neurons trains and saves."""
    with pytest.raises(ValueError, match="is no `activation`.*layer of its own"):
        layer(make())(RNG.uniform(0, 1, (2, 5, 6)).astype("float32"))


def test_a_neuron_as_activation_of_a_loaded_model_is_refused_when_it_runs(tmp_path):
    """If this fails, a file from before is used with a mask that does not reach its neurons."""
    model = keras.Sequential([keras.Input((None, 6)), layers.Dense(3, activation=lif.LIF())])
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="is no `activation`"):
        keras.saving.load_model(tmp_path / "model.keras").predict(X, verbose=0)


class OfOnesOwn(keras.layers.Layer):
    """Calls its neurons itself, and may name them as it likes."""

    def __init__(self):
        super().__init__()
        self.weighted, self.activation = layers.Dense(3), lif.LIF()

    def call(self, x, mask=None):
        return self.activation(self.weighted(x), mask=mask)


class ModelOfOnesOwn(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.nested = OfOnesOwn(), keras.Sequential([keras.Sequential([lif.CoarseLIF(4.0)])])

    def call(self, x):
        return self.nested(self.first(x))


def test_layers_and_models_of_ones_own_may_call_neurons():
    """If this fails, what is refused is not misplaced."""
    model = ModelOfOnesOwn()
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(X, np.zeros((4, 9, 3)), verbose=0)
    assert model.predict(X, verbose=0).shape == (4, 9, 3)
    film = keras.Sequential(
        [keras.Input((None, 5, 4, 1)), lif.TimeDistributed(layers.Conv2D(2, 3)), lif.LIF()]
    )
    assert film.predict(FILM, verbose=0).shape == (2, 3, 3, 2, 2)


@pytest.mark.parametrize("kind", [lif.LIF, lif.RecurrentLIF, lif.LeakyIntegrator])
@pytest.mark.parametrize("value", [128, 0.9, 1, None])
def test_a_leak_is_given_by_its_name(kind, value):
    """If this fails, 128 units, a decay of 0.9 and one unit are each taken for a leak."""
    with pytest.raises(
        TypeError, match=rf"leak=0.1.*1 - beta.*layer before.*Received: {kind.__name__}\({value}\)"
    ):
        kind(value)
    assert inspect.signature(kind).parameters["kwargs"].kind is inspect.Parameter.VAR_KEYWORD


def test_the_signature_is_that_of_the_layer():
    """If this fails, help, an editor and the reference page show `(*args, **kwargs)`."""
    parameters = inspect.signature(lif.LIF).parameters
    assert parameters["leak"].default == 0.1 and "args" not in parameters
    assert "recurrent_initializer" in inspect.signature(lif.RecurrentLIF).parameters


@pytest.mark.parametrize(
    ("make", "instead"),
    [
        (lambda: lif.LIF(beta=0.9), "`beta`.*leak = 1 - beta.*beta=0.9"),
        (lambda: lif.RecurrentLIF(alpha=0.9), "`alpha`.*leak = 1 - alpha"),
        (lambda: lif.LeakyIntegrator(tau=20.0), "`tau`.*1 / tau.*steps"),
        (lambda: lif.LIF(units=128), "`units`.*layer before"),
        (lambda: lif.LIF(stateful=True), "`stateful`.*advance"),
        (lambda: lif.LIF(return_state=True), "`return_state`.*advance"),
        (lambda: lif.LIF(return_sequences=False), "`return_sequences`.*LeakyIntegrator"),
        (lambda: lif.LIF(unroll=True), "`unroll`.*inside the layer"),
        (lambda: lif.LIF(v_threshold=1.0), "`v_threshold`.*Write `threshold`"),
        (lambda: lif.LIF(spike_grad="atan"), "`spike_grad`.*Write `surrogate`"),
        (lambda: lif.LIF(learn_beta=True), "`learn_beta`.*trainable_leak=True"),
        (lambda: lif.LIF(learn_threshold=True), "`learn_threshold`.*not trained"),
        (lambda: lif.LIF(recurrent_initializer="zeros"), "`recurrent_initializer`.*RecurrentLIF"),
        (lambda: lif.LeakyIntegrator(threshold=1.0), "`threshold`.*lif.LIF"),
        (lambda: lif.CoarseLIF(4.0, leak=0.1), "`leak`.*`tau`"),
        (lambda: lif.CoarseLIF(4.0, units=5), "`units`.*layer before"),
        (lambda: lif.LIF(kernel_size=3), "Unrecognized.*kernel_size"),  # what nobody knows is left to Keras
    ],
)
def test_arguments_of_other_libraries_are_answered_with_ours(make, instead):
    """If this fails, who comes from another library is told that a name is wrong, and not which is right."""
    with pytest.raises(ValueError, match=instead):
        make()


@every_layer_with_time
def test_bidirectional_says_in_a_line_what_to_write(make):
    """If this fails, the error is a page of configuration that ends in an argument which nobody wrote."""
    with pytest.raises(ValueError, match="keras.ops.flip.*Bidirectional") as error:
        layers.Bidirectional(make())
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("inputs", [None, [[[1.0]]], "ragged"], ids=["None", "list", "ragged"])
@every_layer_with_time
def test_what_is_no_tensor_is_named(make, inputs):
    """If this fails, the error is about the length of something inside of Keras."""
    if isinstance(inputs, str):
        tensorflow = pytest.importorskip("tensorflow")
        inputs = tensorflow.RaggedTensor.from_row_lengths(np.ones((7, 2), "float32"), [3, 4])
    with pytest.raises(
        ValueError, match="expects one tensor.*np.array.*pad_sequences.*Received: inputs of type"
    ):
        make()(inputs)


# -- from a state on ------------------------------------------------------------------------------------------

STREAMED = [
    lif.LIF,
    lambda: lif.LIF(refractory=2, trainable_leak=True),
    lif.RecurrentLIF,
    lif.LeakyIntegrator,
]


@pytest.mark.parametrize("make", STREAMED, ids=["LIF", "refractory", "RecurrentLIF", "LeakyIntegrator"])
def test_a_stream_gives_what_the_whole_sequence_gives(make):
    """If this fails, a sensor read step by step gives other spikes than its recording, or a new layer cannot start."""
    layer = make()
    state, parts = layer.at_rest(4, (6,)), []
    for begin, end in ((0, 1), (1, 5), (5, 9)):
        y, state = layer.advance(X[:, begin:end], state)
        parts.append(ops.convert_to_numpy(y))
    if isinstance(layer, lif.LeakyIntegrator):
        layer.return_sequences = True
    assert np.array_equal(np.concatenate(parts, axis=1), ops.convert_to_numpy(layer(X)))
    assert ops.convert_to_numpy(make().advance(X)).shape == X.shape  # not called before


class Stream(keras.layers.Layer):
    """One step at a time, with a state that it keeps."""

    def build(self, input_shape):
        self.neurons = lif.LIF(trainable_leak=True)
        self.neurons.build((input_shape[0], 1, *input_shape[1:]))
        self.potential = self.add_weight(shape=input_shape, initializer="zeros", trainable=False)

    def call(self, current):
        spikes, state = self.neurons.advance(current[:, None], lif.dynamics.State(self.potential))
        self.potential.assign(state.potential)
        return spikes[:, 0]


def test_a_layer_of_ones_own_keeps_the_state_of_a_compiled_model():
    """If this fails, the one way to run a trained network step by step in a functional model does not work."""
    model = keras.Sequential([keras.Input((6,), batch_size=4), Stream()])
    steps = [model.predict(X[:, t], batch_size=4, verbose=0) for t in range(9)]
    assert np.array_equal(np.stack(steps, axis=1), ops.convert_to_numpy(lif.LIF()(X)))


def test_advance_says_what_it_cannot_take():
    """If this fails, a functional model with a state ends in an attribute of the layer that nobody knows."""
    for build in (False, True):
        layer = lif.LIF()
        if build:
            layer(X)
        with pytest.raises(ValueError, match="symbolic.*layer or model of your own"):
            layer.advance(keras.Input((1, 6)), lif.dynamics.State(keras.Input((6,))))
    rest = lif.LIF().at_rest(4, (6,))
    for layer, state, needed in (
        (lif.LIF(refractory=1), rest, "potential, wait"),
        (lif.RecurrentLIF(), rest, "potential, spikes"),
        (lif.LIF(), lif.LIF(refractory=1).at_rest(4, (6,)), "potential"),
        (lif.LIF(), tuple(rest), "potential"),
    ):
        expected = rf"`state` must be lif\.dynamics\.State of {needed}, as from `at_rest`.*Received: state="
        with pytest.raises(ValueError, match=expected):
            layer.advance(X, state)
    with pytest.raises(ValueError, match=r"\(batch, time, \*units\).*\(4, 6\)"):
        lif.LIF().advance(X[:, 0])


class Gentler(keras.callbacks.Callback):
    """The schedule of the page on other libraries."""

    def on_epoch_begin(self, epoch, logs=None):
        self.model.get_layer("hidden").surrogate = lif.surrogates.superspike(beta=100.0 ** (1 - epoch))
        self.model.make_train_function(force=True)


def test_a_surrogate_that_changes_in_training_is_heeded():
    """If this fails, slope annealing as the pages teach it trains with the first slope to the end."""

    def trained(callbacks, surrogate):
        keras.utils.set_random_seed(0)
        model = network(lif.LIF(name="hidden", surrogate=surrogate))
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        model.fit(X, np.ones((4, 3)), batch_size=4, epochs=1, callbacks=callbacks, verbose=0)
        weights = model.get_weights()
        model.fit(X, np.ones((4, 3)), batch_size=4, initial_epoch=1, epochs=2, callbacks=callbacks, verbose=0)
        return weights, model.get_weights()

    first, last = trained([Gentler()], "constant")
    steep, still_steep = trained([], lif.surrogates.superspike(beta=100.0))
    assert all(np.array_equal(a, b) for a, b in zip(first, steep, strict=True))
    assert not np.array_equal(last[0], still_steep[0])


@pytest.mark.parametrize(
    "kind",
    [lif.LIF, lif.RecurrentLIF, lif.LeakyIntegrator, lif.CoarseLIF, lif.Recompute, lif.TimeDistributed],
)
def test_what_a_layer_is_called_with_is_documented(kind):
    """If this fails, `help` does not say that a layer takes a mask, nor what it does with it."""
    named = set(inspect.signature(kind.call).parameters) - {"self"}
    section = re.search(r"^Call arguments:\n((?: .*\n)+)", inspect.getdoc(kind), re.MULTILINE)[1]
    items = re.findall(r"^    (\w+(?:, \w+)*): ", section, re.MULTILINE)
    assert {name for item in items for name in item.split(", ")} == named


# -- what can be run again --------------------------------------------------------------------------------------


def test_a_network_in_few_bits_is_recomputed_saved_and_loaded(tmp_path):
    """If this fails, the file of a quantised network can be written and not read."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((None, 6)), lif.Recompute([layers.Dense(8), lif.LIF()], every=3)])
    model.quantize("int8")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = ops.convert_to_numpy(model(X))
    assert expected.any() and np.array_equal(expected, ops.convert_to_numpy(loaded(X)))


@pytest.mark.parametrize("mode", [None, "int8"])
def test_weights_of_low_rank_are_trained_when_recomputed(tmp_path, mode):
    """If this fails, fine-tuning within `Recompute` gives a file that cannot be loaded, or another gradient."""

    def trained(wrap):
        keras.utils.set_random_seed(0)
        dense = layers.Dense(8)
        model = keras.Sequential([keras.Input((None, 6)), *wrap([dense, lif.LIF(surrogate="superspike")])])
        if mode:
            model.quantize(mode)
        dense.enable_lora(2)
        model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=False)
        model.fit(X, np.ones((4, 9, 8)), epochs=2, verbose=0)
        return model

    ours, plain = trained(lambda chain: [lif.Recompute(chain, 3)]), trained(lambda chain: chain)
    for a, b in zip(ours.get_weights(), plain.get_weights(), strict=True):
        assert a == pytest.approx(b, abs=1e-5)
    ours.save(tmp_path / "model.keras")
    spikes = ops.convert_to_numpy(keras.saving.load_model(tmp_path / "model.keras")(X))
    assert spikes.any()
    if mode is None:  # in 8 bits Keras rounds the sum of both when it saves
        assert np.array_equal(spikes, ops.convert_to_numpy(ours(X)))


class Counting(keras.layers.Layer):
    """Counts in training how often it is called."""

    def build(self, input_shape):
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        if training:
            self.count.assign(self.count + 1)
        return x


def test_a_layer_that_changes_its_variables_is_not_recomputed():
    """If this fails, a count is kept or lost at random, or a layer with a constant of its own is refused for it."""
    recompute = lif.Recompute([Counting(), lif.LIF()], 3)
    assert np.array_equal(ops.convert_to_numpy(recompute(X)), ops.convert_to_numpy(lif.LIF()(X)))
    with pytest.raises(ValueError, match="statistics.*changes its variable"):
        recompute(X, training=True)

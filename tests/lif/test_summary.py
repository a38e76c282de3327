"""The table of a network's activity against counts of the spikes themselves."""

import keras
import numpy as np
import pytest

import lif
from subclassed import InTurn


def network(encoder):
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((12,)),
        encoder,
        keras.layers.Dense(20, kernel_initializer="he_normal"),
        lif.LIF(name="first"),
        keras.layers.Dense(8),
        lif.RecurrentLIF(name="second"),
        keras.layers.Dense(3),
        lif.LeakyIntegrator(),
    ]
    return keras.Sequential(layers)


X = np.random.default_rng(0).uniform(0, 1, (30, 12)).round(1)


def test_the_table_counts_spikes_and_what_they_cause():
    """If this fails, a network's cost is not that of its spikes times the synapses that they reach."""
    model = network(
        lif.LatencyEncoder(steps=9, tau=4.0, theta=0.2)
    )  # no noise: two passes see the same spikes
    rows = {row.layer: row for row in lif.summary(model, X)}
    arriving = model.layers[0](X)
    first = model.layers[2](model.layers[1](arriving))
    second = model.layers[4](model.layers[3](first))
    reached = {"input": 20, "first": 8, "second": 3 + 8}  # the second layer also hears itself
    for (name, row), spikes in zip(rows.items(), (arriving, first, second), strict=True):
        spikes = keras.ops.convert_to_numpy(spikes)
        each = np.sum(spikes) / len(X)
        assert each > 0 and row.units == spikes.shape[-1]
        assert row.spikes == pytest.approx(each, rel=1e-5)
        assert row.rate == pytest.approx(np.mean(spikes), rel=1e-5)
        assert row.operations == pytest.approx(each * reached[name], rel=1e-5)


def test_a_current_costs_a_multiplication_wherever_it_is_not_zero():
    """If this fails, a network that is fed with numbers seems to cost as little as one that is fed with spikes."""
    row = lif.summary(network(lif.ConstantEncoder(steps=7)), X)[0]
    assert row.spikes == pytest.approx(7 * np.count_nonzero(X) / len(X), rel=1e-5)


def test_the_table_reads_the_same_as_text_and_in_a_notebook():
    """If this fails, a notebook shows other numbers than a terminal, or a layer's name breaks its page."""
    found = lif.summary(network(lif.ConstantEncoder(steps=7)), X)
    text, page = str(found), found._repr_html_()
    total = f"{sum(row.operations for row in found):,.0f}"
    assert text.splitlines()[-1].endswith(total) and f">{total}</td>" in page
    assert len({len(line) for line in text.splitlines()}) == 1
    assert page.count("<tr>") == len(text.splitlines()) == 5


def test_layers_inside_recompute_are_seen_as_if_they_stood_in_the_model():
    """If this fails, a network that saves memory hides its neurons, or its cost is another."""
    plain = network(lif.LatencyEncoder(steps=9, tau=4.0, theta=0.2))
    start, *inside, readout = (type(layer).from_config(layer.get_config()) for layer in plain.layers)
    saving = keras.Sequential([keras.Input((12,)), start, lif.Recompute(inside, every=3), readout])
    saving.set_weights(plain.get_weights())
    for name, rates in lif.firing_rates(plain, X).items():
        assert np.array_equal(lif.firing_rates(saving, X)[name], rates) and rates.any()
    assert lif.count_synapses(saving) == lif.count_synapses(plain)
    assert lif.summary(saving, X) == lif.summary(plain, X)


def test_one_recompute_used_twice_has_its_synapses_twice():
    """If this fails, only the first use of shared layers counts, or only what the first of them hears."""
    inputs, add = keras.Input((None, 5)), keras.layers.Add()
    shared = lif.Recompute([keras.layers.Dense(5, name="dense"), keras.layers.ReLU()], every=4)
    before, out = lif.LIF(name="before")(inputs), keras.layers.Dense(2, name="out")
    twice = keras.Model(inputs, out(add([shared(before), shared(before)])))
    assert lif.count_synapses(twice) == {"dense": (50, "before"), "out": (10, "before")}
    mixed = keras.Model(inputs, out(add([shared(before), shared(inputs)])))
    with pytest.raises(ValueError, match="one layer of neurons.*'None', 'before'"):
        lif.count_synapses(mixed)


def test_a_network_without_spikes_is_refused():
    """If this fails, a table of nothing looks like a silent network."""
    with pytest.raises(ValueError, match="`model`"):
        lif.summary(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), np.ones((1, 3)))


def test_a_layer_of_two_models_is_read_in_the_model_that_is_given():
    """A layer has a node in each model that it is part of; those of the other model would be read instead, or fail."""
    hidden, tail = lif.LIF(leak=0.0, floor=None, name="hidden"), lif.LeakyIntegrator(name="out")
    first = keras.Sequential([keras.Input((None, 3)), hidden, tail])
    half = keras.layers.Rescaling(0.5, name="half")
    second = keras.Sequential([keras.Input((None, 3)), half, hidden, tail])
    x = np.full((1, 20, 3), 0.5, "float32")
    assert lif.firing_rates(first, x)["hidden"].tolist() == [0.5] * 3
    assert lif.firing_rates(second, x)["hidden"].tolist() == [0.25] * 3
    assert [row.rate for row in lif.summary(second, x)] == [1.0, 0.25]
    assert [edge[1] for edge in lif.to_nir(second).edges] == ["half", "hidden", "out", "output"]
    assert [edge[1] for edge in lif.to_nir(first).edges] == ["hidden", "out", "output"]


def test_a_model_without_nodes_is_refused_by_name():
    """If this fails, a model that was never built ends in an error about something else."""
    with pytest.raises(ValueError, match="functional model, or a Sequential that is built"):
        lif.firing_rates(keras.Sequential([lif.LIF(leak=0.1)]), np.zeros((1, 2, 3)))


class Block(keras.layers.Layer):
    """Layers one after the other, as a layer of one's own."""

    def __init__(self, stages, **kwargs):
        super().__init__(**kwargs)
        self.stages = stages

    def call(self, x):
        for stage in self.stages:
            x = stage(x)
        return x


def nested(start, *others):
    """An encoder, and what is behind it in a model of its own, frozen."""
    inner = keras.Sequential([keras.Input((None, 12)), *others])
    inner.trainable = False
    return keras.Sequential([keras.Input((12,)), start, inner])


def nested_twice(start, dense, first, *others):
    head = keras.Sequential([keras.Input((9, 12)), keras.Sequential([dense, first]), *others])
    inputs = keras.Input((12,))
    return keras.Model(inputs, head(start(inputs)))


def subclassed(*stages):
    net = InTurn(*stages)
    net(X)
    return net


def subclassed_in_parts(start, dense, first, *others):
    net = InTurn(start, InTurn(dense, first), keras.Sequential(others))
    net(X)
    return net


def of_blocks(start, dense, first, *others):
    return keras.Sequential([keras.Input((12,)), start, Block([dense, first]), Block(list(others))])


@pytest.mark.parametrize(
    "made", [nested, nested_twice, subclassed, subclassed_in_parts, of_blocks], ids=lambda f: f.__name__
)
def test_layers_are_seen_wherever_they_stand(made):
    """If this fails, a backbone or a subclassed network cannot be watched, or its numbers are wrong."""
    plain = network(lif.LatencyEncoder(steps=9, tau=4.0, theta=0.2))
    model = made(*plain.layers)
    assert np.array_equal(keras.ops.convert_to_numpy(model(X)), keras.ops.convert_to_numpy(plain(X)))
    rates = lif.firing_rates(plain, X)
    found = lif.firing_rates(model, X)
    assert set(found) == set(rates) and all(np.array_equal(found[name], rates[name]) for name in rates)
    assert lif.count_synapses(model) == lif.count_synapses(plain)
    assert lif.summary(model, X) == lif.summary(plain, X)


def test_layers_of_one_name_are_told_apart():
    """If this fails, of two backbones made by one function only one is measured, or neither."""

    def backbone(name, scale):
        stages = [keras.layers.Rescaling(scale), lif.LIF(leak=0.0, name="hidden")]
        return keras.Sequential([keras.Input((None, 3)), *stages], name=name)

    inputs = keras.Input((20, 3))
    parts = [backbone("left", 0.5)(inputs), backbone("right", 0.25)(inputs), lif.LIF(name="own")(inputs)]
    model = keras.Model(inputs, keras.layers.Add()(parts))
    rates = lif.firing_rates(model, np.ones((2, 20, 3)))
    assert {name: rate.mean() for name, rate in rates.items()} == {
        "left/hidden": 0.5,
        "right/hidden": 0.25,
        "own": 1.0,
    }
    stages = [keras.layers.Dense(4, name="d"), lif.LIF(floor=None, name="h")]
    twins = [
        lif.Recompute([type(each).from_config(each.get_config()) for each in stages], 2) for _ in range(2)
    ]
    twice = keras.Sequential([keras.Input((None, 4)), *twins])
    assert set(lif.firing_rates(twice, np.zeros((1, 5, 4)))) == {f"{each.name}/h" for each in twins}
    alike = lif.Recompute([keras.layers.Dense(4, name="d"), keras.layers.Dense(4, name="d"), lif.LIF()], 2)
    with pytest.raises(ValueError, match="names.*/d'"):
        lif.firing_rates(keras.Sequential([keras.Input((None, 4)), alike]), np.zeros((1, 5, 4)))


def test_neurons_that_would_be_passed_over_are_refused():
    """If this fails, a table or a graph leaves out neurons of the network without a word."""

    class Spare(InTurn):
        def call(self, x):
            return self.stages[0](x)

    inside = keras.layers.Dense(4, activation=lif.LIF(name="inner"))
    hidden = keras.Sequential([keras.Input((None, 3)), inside, lif.LIF(name="outer")])
    spare = Spare(lif.LIF(name="outer"), lif.LIF(name="inner"))
    spare(np.zeros((1, 5, 3)))
    shared = keras.Sequential([keras.Input((None, 3)), lif.LIF(name="inner")])
    inputs = keras.Input((None, 3))
    twice = keras.Model(inputs, keras.layers.Add()([shared(inputs), shared(keras.layers.ReLU()(inputs))]))
    for model in (spare, hidden, twice):
        for function in (lif.firing_rates, lif.summary):
            with pytest.raises(ValueError, match="model.*inner"):
                function(model, np.zeros((1, 5, 3)))
    for model in (spare, hidden):
        with pytest.raises(ValueError, match="model.*inner"):
            lif.count_synapses(model)


class Choosy(InTurn):
    def call(self, x):
        return self.stages[0](x) if keras.ops.sum(x) > 0 else x


def test_what_cannot_be_followed_is_refused_with_the_reason():
    """If this fails, one branch of a network that decides in Python passes for the whole of it."""
    choosy = Choosy(lif.LIF(name="inner"))
    with pytest.raises(ValueError, match="subclassed model that was called"):
        lif.firing_rates(choosy, np.ones((1, 5, 3)))
    choosy(np.ones((1, 5, 3)))
    with pytest.raises(ValueError, match="followed.*Choosy.*failed: "):
        lif.firing_rates(choosy, np.ones((1, 5, 3)))

    class Weighted(Block):
        def build(self, shape):
            self.w = self.add_weight(shape=(3, 3))

        def call(self, x):
            return super().call(keras.ops.matmul(x, self.w))

    weighted = keras.Sequential([keras.Input((None, 3)), Weighted([lif.LIF()], name="weighted")])
    with pytest.raises(ValueError, match="counted.*weighted.*weights of its own"):
        lif.count_synapses(weighted)


def test_a_mask_holds_inside_a_nested_model():
    """If this fails, padding counts as spikes in a network that is made of parts."""
    neurons = lif.LIF(leak=0.0, name="hidden")
    x = np.full((1, 20, 3), 0.5, "float32")
    x[:, 10:] = -1.0
    inner = keras.Sequential([keras.Input((None, 3)), keras.layers.Rescaling(1.0, 2.0), neurons])
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.Masking(-1.0), inner])
    assert lif.firing_rates(model, x)["hidden"].tolist() == [0.5] * 3


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return X[10 * index :][:10], np.zeros((10, 3))


def test_the_first_batch_of_what_gives_batches_is_measured():
    """If this fails, who trains from a dataset has nothing to give to the callback."""
    model = network(lif.LatencyEncoder(steps=9, tau=4.0, theta=0.2))
    expected = lif.firing_rates(model, X[:10])["first"]
    givers = [Batches(), ((X[i : i + 10], None) for i in (0, 10)), iter([X[:10], X[10:]])]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        pairs = tf.data.Dataset.from_tensor_slices((X, np.zeros(30))).batch(10)
        givers += [pairs, pairs.map(lambda x, y: x)]
    for giver in givers:
        assert np.array_equal(lif.firing_rates(model, giver)["first"], expected)
    model.compile("sgd", "mse", jit_compile=False)
    history = model.fit(Batches(), epochs=2, callbacks=[lif.FiringRates(Batches())], verbose=0).history
    assert len(history["first_rate"]) == 2
    with pytest.raises(ValueError, match="`x`.*batch"):
        lif.FiringRates(iter(()))


def test_several_inputs_are_taken_as_keras_takes_them():
    """If this fails, `FiringRates` stops the training of a model with two inputs at its first epoch."""
    a, b = keras.Input((4, 3), name="a"), keras.Input((4, 3), name="b")
    y = lif.LIF(leak=0.0, name="hidden")(keras.layers.Add()([a, b]))
    x = [np.full((1, 4, 3), 0.25), np.full((1, 4, 3), 0.25)]
    as_list = lif.firing_rates(keras.Model([a, b], y), x)
    as_dict = lif.firing_rates(keras.Model({"a": a, "b": b}, y), dict(zip("ab", x, strict=True)))
    assert as_list["hidden"].tolist() == as_dict["hidden"].tolist() == [0.5, 0.5, 0.5]
    with pytest.raises(ValueError, match="model.*one input"):
        lif.summary(keras.Model([a, b], y), x)


def test_neurons_that_are_used_twice_are_refused():
    """If this fails, the table counts the spikes of their first use only."""
    inputs = keras.Input((None, 12))
    neurons = lif.LIF(leak=0.0, name="shared")
    both = keras.layers.Concatenate()([neurons(inputs), neurons(keras.layers.Rescaling(0.25)(inputs))])
    model = keras.Model(inputs, keras.layers.Dense(4)(both))
    with pytest.raises(ValueError, match="used once.*'shared'.*2 times"):
        lif.firing_rates(model, np.ones((1, 5, 12)))


def test_time_that_is_reshaped_away_is_refused():
    """If this fails, every weight behind the Flatten is counted in every step."""
    hidden = [keras.Input((7, 12)), lif.LIF(), keras.layers.Flatten(), keras.layers.Dense(3)]
    with pytest.raises(ValueError, match="steps apart.*Flatten"):
        lif.count_synapses(keras.Sequential(hidden))
    averaged = [
        keras.Input((7, 12)),
        lif.LIF(),
        keras.layers.GlobalAveragePooling1D(),
        keras.layers.Reshape((3, 4)),
    ]
    assert (
        lif.count_synapses(keras.Sequential([*averaged, keras.layers.Dense(2, name="out")]))["out"].count
        == 3 * 4 * 2
    )


def test_to_measure_leaves_no_trace():
    """If this fails, a network that is watched learns something else than one that is not."""
    model = network(lif.PoissonEncoder(steps=9, seed=1))
    (generator,) = (layer.seed_generator for layer in model.layers if isinstance(layer, lif.PoissonEncoder))
    before = keras.ops.convert_to_numpy(generator.state).copy()
    found = [lif.firing_rates(model, X)["first"] for _ in range(2)]
    assert np.array_equal(before, keras.ops.convert_to_numpy(generator.state))
    assert np.array_equal(*found)


def test_what_cannot_be_measured_is_refused_before_the_first_epoch():
    """If this fails, an hour of training is lost to a mistake in the callback."""
    model = network(lif.ConstantEncoder(steps=3))
    model.compile("sgd", "mse")
    epochs = []
    count = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(epoch))
    with pytest.raises(ValueError, match="`x`.*example"):
        model.fit(X, np.zeros((30, 3)), callbacks=[lif.FiringRates(X[:0]), count], verbose=0)
    assert not epochs


def test_rates_that_are_no_numbers_are_told_from_silence():
    """If this fails, whose training has diverged is advised to try larger inputs."""
    said = lif.monitor.advice("hidden", np.array([np.nan, 0.0, 0.0]))
    assert "diverged" in said and "[0, 1]" in said


def advised(neurons, x):
    """What the callback says of a layer that is silent, and what is left of its rate and gradient."""
    model = keras.Sequential([keras.Input((None, 3)), neurons])
    callback = lif.FiringRates(x)
    callback.set_model(model)
    callback.on_train_begin()
    ((name, found),) = callback._measure().items()
    return lif.monitor.advice(name, *found)


def test_the_advice_fits_the_layer():
    """If this fails, who has the constant surrogate is told to take it, and not that the floor keeps neurons silent."""
    below, little = np.full((2, 9, 3), -1.0), np.full((2, 9, 3), 0.01)
    assert "Try floor=None" in advised(lif.LIF(), below) and "constant" not in advised(lif.LIF(), below)
    assert "floor" not in advised(lif.LIF(floor=None), below)
    assert "floor" not in advised(lif.LIF(), little) and "constant" not in advised(lif.LIF(), little)
    assert "(constant)" in advised(lif.LIF(surrogate="triangle"), little)
    assert "floor" not in advised(lif.LIF(floor=-2.0), below)  # it has not sunk so far
    assert "Try floor=None" in advised(lif.RecurrentLIF(), below)
    coarse = advised(lif.CoarseLIF(4.0), little)
    assert "larger tau" in coarse and "threshold," not in coarse and "leak" not in coarse
    always = np.ones((2, 9, 3)) * 9
    assert "smaller tau" in advised(lif.CoarseLIF(4.0), always)
    assert "larger leak" in advised(lif.LIF(), always)


@pytest.mark.parametrize("floor", [0.0, None])
def test_no_surrogate_reaches_a_neuron_on_its_floor(floor):
    """The ground of the advice: if this fails, the tutorial and the callback say of the floor what is not so."""
    keras.utils.set_random_seed(0)
    start = keras.layers.Dense(5, bias_initializer=keras.initializers.Constant(-5.0))
    model = keras.Sequential([keras.Input((None, 3)), start, lif.LIF(floor=floor), lif.LeakyIntegrator()])
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    x, before = np.random.default_rng(0).normal(size=(8, 9, 3)), start.get_weights()
    model.fit(x, np.ones((8, 5)), verbose=0)
    moved = any(np.any(a != b) for a, b in zip(start.get_weights(), before, strict=True))
    assert moved == (floor is None)

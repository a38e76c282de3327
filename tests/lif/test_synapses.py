"""Counted synapses against the published networks, and against a count of what really reaches what."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import lif
from autodiff import value_and_gradients


class Local(layers.Layer):
    """A layer of somebody's own, with weights that no other place shares."""

    def __init__(self, places, inputs, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel = self.add_weight(shape=(places, inputs, filters))
        self.synapses = places * inputs * filters

    def call(self, x):
        return ops.einsum("bpi,pif->bpf", x, self.kernel)


def mnist_network():
    return keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(16, 5, padding="same", name="first"),
            lif.SoftLIF(name="a"),
            layers.AveragePooling2D(2),
            layers.Conv2D(64, 5, padding="same", name="second"),
            lif.SoftLIF(name="b"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(2000, name="third"),
            lif.SoftLIF(name="c"),
            layers.Dropout(0.5),
            layers.Dense(10, name="last"),
        ]
    )


def test_the_published_mnist_network():
    """Published are 23,298,576 operations: two a synapse, one a neuron, one for each output that is pooled."""
    network = mnist_network()
    found = lif.count_synapses(network)
    assert {name: each.source for name, each in found.items()} == {
        "first": None,
        "second": "a",
        "third": "b",
        "last": "c",
    }
    neurons = [int(np.prod(network.get_layer(name).output.shape[1:])) for name in "abc"]
    assert sum(neurons) == 27_088
    total = 2 * sum(each.count for each in found.values()) + sum(neurons) + sum(neurons[:2])
    assert total == 23_298_576


def reached(layer, shape):
    """How many outputs each input of a layer reaches, summed: the non-zero entries of its Jacobian."""
    x = np.ones((1, *shape), "float32")
    layer(x)
    layer.set_weights([np.ones(w.shape) for w in layer.get_weights()])
    _, (gradient,) = value_and_gradients(lambda x: (ops.sum(layer(x)), (x,)), x)
    return int(np.round(gradient.sum()))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Dense(7), (5,)),
        (layers.Conv1D(4, 3), (9, 2)),
        (layers.Conv2D(6, (3, 2), strides=2), (9, 8, 3)),
        (layers.Conv2D(4, 3, groups=2), (6, 6, 4)),
        (layers.Conv2D(5, 3, dilation_rate=2), (9, 9, 2)),
        (layers.Conv3D(2, 2), (4, 4, 3, 2)),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), (7, 7, 3)),
        (layers.DepthwiseConv1D(2), (5, 3)),
        (layers.Dense(3), (4, 5)),
    ],
)
def test_each_weight_is_counted_where_it_is_used(layer, shape):
    """Without padding, a layer has as many synapses as its Jacobian has entries; if not, costs are wrong."""
    model = keras.Sequential([keras.Input(shape), lif.SoftLIF(name="neurons"), layer])
    assert lif.count_synapses(model) == {layer.name: (reached(layer, shape), "neurons")}


def test_networks_in_time_are_counted_for_one_step():
    """The number of steps must not enter; an encoder counts as input; recurrent neurons hear themselves."""
    for steps in (3, 8):
        inputs = keras.Input((6, 6, 1))
        h = lif.PoissonEncoder(steps)(inputs)
        h = layers.TimeDistributed(layers.Conv2D(2, 3, name="inner"), name="conv")(h)
        h = lif.LIF(name="a", leak="zeros", trainable_leak=True)(h)
        h = lif.TimeDistributed(layers.Flatten())(h)
        h = lif.RecurrentLIF(name="b")(layers.Dense(5, name="dense")(h))
        h = layers.BatchNormalization()(layers.Dense(4, name="more")(h))
        h = lif.LeakyIntegrator()(layers.Dense(3, name="out")(lif.CoarseLIF(tau=2.0, name="c")(h)))
        assert lif.count_synapses(keras.Model(inputs, h)) == {
            "conv": (16 * 9 * 2, None),
            "dense": (32 * 5, "a"),
            "b": (25, "b"),
            "more": (20, "b"),
            "out": (12, "c"),
        }


def test_operations_are_those_of_single_spikes():
    """Between layers that connect all to all, rate times synapses must be a count of every spike at every synapse."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(20),
            lif.SoftLIF(name="a"),
            layers.Dense(9),
            lif.SoftLIF(name="b"),
            layers.Dense(4),
        ]
    )
    x = np.random.default_rng(0).normal(0, 3, (5, 6)).astype("float32")
    rates = lif.to_spiking(model).run(x, 0.2, batch_size=5).rates
    spikes = {name: np.round(rate * 0.2 * 5).sum() for name, rate in rates.items()}
    found = [each for each in lif.count_synapses(model).values() if each.source]
    operations = sum(rates[each.source].mean() * each.count for each in found) * 0.2 * 5
    assert operations == pytest.approx(spikes["a"] * 9 + spikes["b"] * 4) and spikes["a"] > 50


def test_a_conversion_changes_no_count_and_own_layers_say_theirs():
    """A layer that also belongs to another model, as after to_spiking, must not be counted there."""
    model = keras.Sequential(
        [keras.Input((4, 3)), lif.SoftLIF(name="a"), Local(4, 3, 2, name="local"), lif.SoftLIF(name="b")]
    )
    lif.to_spiking(model).run(np.ones((2, 4, 3)), 0.01, batch_size=2)
    assert lif.count_synapses(model) == {"local": (24, "a")}


def test_branches_are_followed_or_refused():
    """Sums of one layer's outputs are that layer's; of two, nobody could say whose spikes a synapse carries."""
    inputs = keras.Input((4,))
    a = lif.SoftLIF(name="a")(inputs)
    twice = layers.Dense(3, name="shared")
    once = keras.Model(inputs, layers.Dense(2, name="out")(layers.Add()([twice(a), twice(a)])))
    assert lif.count_synapses(once) == {"shared": (24, "a"), "out": (6, "a")}
    mixed = keras.Model(inputs, layers.Dense(2, name="out")(layers.Concatenate()([a, inputs])))
    with pytest.raises(ValueError, match="one layer of neurons.*'out'.*'None', 'a'"):
        lif.count_synapses(mixed)


@pytest.mark.parametrize("layer", [layers.Embedding(5, 3), layers.LSTM(3)])
def test_what_cannot_be_counted_is_named(layer):
    """If this fails, a network's cost leaves out a layer without a word."""
    shape = (4,) if isinstance(layer, layers.Embedding) else (4, 2)
    with pytest.raises(ValueError, match=f"counted.*Received: <{type(layer).__name__}"):
        lif.count_synapses(keras.Sequential([keras.Input(shape), layer]))


def test_time_is_told_from_space():
    """If this fails, a convolution along time is counted once for each step in each step, or space for time."""
    conv = layers.Conv1D(8, 3, padding="same", name="conv")
    along_time = keras.Sequential([keras.Input((20, 4)), conv, lif.LIF(), layers.Dense(2, name="out")])
    assert {name: each.count for name, each in lif.count_synapses(along_time).items()} == {
        "conv": 96,
        "out": 16,
    }
    ahead = [layers.Dense(5, name="ahead"), lif.ConstantEncoder(10), lif.LIF()]
    assert lif.count_synapses(keras.Sequential([keras.Input((6, 4)), *ahead]))["ahead"].count == 6 * 4 * 5
    behind = [lif.LIF(), lif.LeakyIntegrator(), layers.Reshape((3, 4)), layers.Dense(5, name="behind")]
    assert (
        lif.count_synapses(keras.Sequential([keras.Input((None, 12)), *behind]))["behind"].count == 3 * 4 * 5
    )

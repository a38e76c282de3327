"""The layer that chapter 31 writes itself, and its networks: against a loop, through saving, and through spikes."""

import keras
import numpy as np
import pytest
from keras import layers

import lif
from lifbook.build.chapters import notebooks_by_stem


@pytest.fixture(scope="module")
def chapter():
    """The names that the chapter's cells of networks define."""
    names = {}
    cells = {cell["id"]: cell["source"] for cell in notebooks_by_stem()["31-conversion"].cells}
    count = cells["count"].split("\n_ = record")[0]
    exec("\n".join([cells["imports"], cells["locally-connected"], cells["networks"], count]), names)
    return names


def test_locally_connected_is_a_sum_over_windows_with_its_own_weights(chapter):
    """If this fails, patches and weights are taken in different orders, or borders are wrong."""
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype("float32")
    layer = chapter["LocallyConnected"](6, 3)
    found = keras.ops.convert_to_numpy(layer(x))
    kernel = layer.get_weights()[0].reshape(4, 5, 3, 3, 3, 6)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for row in range(4):
        for column in range(5):
            window = padded[:, row : row + 3, column : column + 3]
            expected = np.einsum("bijc,jicf->bf", window, kernel[row, column])  # column by column
            assert found[:, row, column] == pytest.approx(expected, abs=1e-5)


def test_it_is_saved_loaded_and_spikes(chapter, tmp_path):
    """If this fails, a trained network is lost, or does not survive the conversion."""
    stages = [
        chapter["LocallyConnected"](4, 3),
        lif.SoftLIF(name="neurons"),
        layers.Flatten(),
        layers.Dense(2),
    ]
    net = keras.Sequential([keras.Input((5, 5, 2)), *stages])
    x = np.random.default_rng(1).normal(0, 8, (2, 5, 5, 2)).astype("float32")
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    expected = net.predict(x, verbose=0)
    assert np.array_equal(loaded.predict(x, verbose=0), expected)
    outputs = lif.to_spiking(loaded, synapse=0.02).run(x, 1.0, batch_size=2).outputs
    assert np.abs(outputs[:, 300:].mean(axis=1) - expected).max() < 0.1 * np.abs(expected).max()


def test_the_networks_have_the_published_sizes(chapter):
    """Neurons and weights of the thesis: if this fails, another architecture is trained than the page says."""
    for build, neurons, weights in (
        ("mnist_network", 27_088, 6_318_000),
        ("cifar_network", 49_536, 2_109_376),
    ):
        net = chapter[build]()
        assert (chapter["neurons_of"](net), chapter["weights"](net)) == (neurons, weights)

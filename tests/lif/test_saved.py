"""Networks that were saved by earlier versions load, and answer as they did."""

from pathlib import Path

import keras
import numpy as np
import pytest

import lif

SAVED = Path(__file__).parent / "saved"


@pytest.mark.parametrize("path", sorted(SAVED.glob("*.keras")), ids=lambda path: path.stem)
def test_a_network_of_an_earlier_version_answers_as_it_did(path):
    """If this fails, a network that somebody trained and kept is lost with the next version."""
    known = np.load(path.with_suffix(".npz"))
    answers = keras.models.load_model(path).predict(known["x"], verbose=0)
    np.testing.assert_allclose(answers, known["y"], atol=1e-5)


def test_an_exchanged_network_of_an_earlier_version_answers_as_it_did():
    """If this fails, a network that was sent to another laboratory comes back as another."""
    pytest.importorskip("nir")
    known = np.load(SAVED / "exchange.npz")
    answers = lif.from_nir(SAVED / "exchange.nir").predict(known["x"], verbose=0)
    np.testing.assert_allclose(answers, known["y"], atol=1e-5)


def test_each_layer_is_in_a_saved_network():
    """If this fails, a layer was added whose files nobody keeps an eye on."""
    names = {
        layer["class_name"]
        for path in SAVED.glob("*.keras")
        for layer in _parts(keras.models.load_model(path).get_config())
        if str(layer.get("registered_name")).startswith("lif>")
    }
    kinds = [getattr(lif, name) for name in lif.__all__]
    layers = {kind.__name__ for kind in kinds if isinstance(kind, type) and issubclass(kind, keras.Layer)}
    assert names == layers - {"SoftNeuron"}  # a base class for kinds of one's own


def _parts(config):
    """Every dictionary inside a configuration."""
    if isinstance(config, dict):
        yield config
    for each in config.values() if isinstance(config, dict) else config if isinstance(config, list) else ():
        yield from _parts(each)

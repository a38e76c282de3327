"""What the module says of Keras' layers against what they do, and that nobody else knows Keras from the inside."""

import ast
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import lif
from lif._keras import EXTREME, IDENTITY, NONLINEAR, mixes_steps, traits

FILES = {path: ast.parse(path.read_text()) for path in Path(lif.__file__).parent.rglob("*.py")}
DOCUMENTED = {"_getframe", "_fields", "_replace"}  # of Python: sys._getframe, names of NamedTuple


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def private_names_of_others(tree):
    """Private names that a file uses and does not define: attributes, strings given to getattr, and imports."""
    used, own = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.Attribute):
            (own if isinstance(node.ctx, ast.Store) else used).add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "hasattr"):
            used.add(getattr(node.args[1], "value", ""))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").strip("."):
            used |= {alias.name for alias in node.names}
    return {name for name in map(str, used - own - DOCUMENTED) if is_private(name)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_private_name_crosses_the_border_of_a_file(path):
    """If this fails, a new version of Keras breaks the module in two places, or a file cannot be changed by itself."""
    found = private_names_of_others(FILES[path])
    assert not found or path.name == "_keras.py"


def test_the_file_that_knows_keras_from_the_inside_is_found_out():
    """If this fails, the test above sees nothing."""
    (tree,) = (tree for path, tree in FILES.items() if path.name == "_keras.py")
    assert {"_flatten_layers", "_functional", "_nodes_by_depth"} <= private_names_of_others(tree)


LAYERS = [
    layers.Activation("linear"),
    layers.ActivityRegularization(),
    layers.AveragePooling1D(2),
    layers.BatchNormalization(),
    layers.Bidirectional(layers.GRU(2, return_sequences=True)),
    layers.Conv1D(3, 3, padding="same"),
    layers.Conv1DTranspose(3, 3, padding="same"),
    layers.Cropping1D(1),
    layers.Dense(3),
    layers.DepthwiseConv1D(3, padding="same"),
    layers.Dropout(0.5),
    layers.ELU(),
    layers.Flatten(),
    layers.GaussianDropout(0.5),
    layers.GaussianNoise(0.5),
    layers.GlobalAveragePooling1D(),
    layers.GlobalMaxPooling1D(),
    layers.GRU(2, return_sequences=True),
    layers.GroupNormalization(1),
    layers.Identity(),
    layers.LayerNormalization(),
    layers.LeakyReLU(),
    layers.MaxPooling1D(2),
    layers.Permute((2, 1)),
    layers.PReLU(alpha_initializer="random_normal"),
    layers.ReLU(),
    layers.Rescaling(2.0, 1.0),
    layers.Reshape((5, 6)),
    layers.RMSNormalization(),
    layers.SeparableConv1D(3, 3, padding="same"),
    layers.Softmax(),
    layers.Softmax(axis=1),
    layers.SpatialDropout1D(0.5),
    layers.TimeDistributed(layers.Dense(3)),
    layers.UnitNormalization(),
    layers.UpSampling1D(2),
    layers.ZeroPadding1D(1),
]
A, B = np.random.default_rng(0).normal(size=(2, 2, 6, 5)).astype("float32")


def outputs_of(layer):
    return lambda x: keras.ops.convert_to_numpy(layer(x, training=False))


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_a_layer_does_to_time_what_is_said_of_it(layer):
    """If this fails, a layer runs in blocks of time, or on the fine steps, as if it saw one step and no other."""
    f, touched = outputs_of(layer), A.copy()
    touched[:, 3] += 1.0
    before, after = f(A), f(touched)
    keeps_steps = before.shape[1:2] == (6,) and np.allclose(
        np.delete(before, 3, axis=1), np.delete(after, 3, axis=1), atol=1e-6
    )
    assert mixes_steps(layer) == (not keeps_steps)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_a_layer_does_to_numbers_what_is_said_of_it(layer):
    """If this fails, a bent sum of spikes passes for the sum, or a layer that acts is left out of a graph."""
    f = outputs_of(layer)
    is_linear = np.allclose(f(A + B) + f(0 * A), f(A) + f(B), atol=1e-5)
    is_recurrent = isinstance(layer, layers.RNN | layers.Bidirectional)  # refused for its time
    assert is_recurrent or (traits(layer).numbers in (NONLINEAR, EXTREME)) == (not is_linear)
    assert traits(layer).numbers != IDENTITY or np.array_equal(f(A), A)


def test_what_looks_at_all_steps_does_not_stand_in_recompute():
    """If this fails, such a layer sees the steps of a block for all steps, and nobody says so."""
    for layer in (layers.GroupNormalization(1), layers.Bidirectional(layers.GRU(2, return_sequences=True))):
        with pytest.raises(ValueError, match="treat each step by itself"):
            lif.Recompute([layer, lif.LIF()], every=2)

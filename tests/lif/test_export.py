"""Networks that leave Keras: each file is run by the runtime it is made for and compared with the network.

What is exported, and how the answers are compared, is `benchmarks/exports.py`, which also makes the table of the book.
"""

import json
import re

import keras
import numpy as np
import pytest

import lif
from benchmarks import exports
from lif import _backend as backend
from lifbook.build import exports as page  # lifbook/build/exports.py

if keras.backend.backend() != "tensorflow":
    pytest.skip("the formats' packages are installed beside TensorFlow", allow_module_level=True)

import tensorflow as tf

RECORDED = json.loads(exports.OUT.read_text(encoding="utf-8"))


INPUTS = {"sequence": exports.SEQUENCE, "pictures": exports.PICTURES, "numbers": exports.NUMBERS}
every_format = pytest.mark.parametrize("format", exports.FORMATS)


def cases(shape):
    return [name for name, (_, taken) in exports.CASES.items() if taken == shape]


@pytest.mark.parametrize("shape", INPUTS.values(), ids=INPUTS)
@every_format
def test_each_layer_answers_elsewhere_as_the_table_says(format, shape, tmp_path):
    """One file for inputs of any length: if this fails, it is refused by its runtime or answers otherwise there."""
    recorded = RECORDED["tensorflow"]["formats"][format]
    names = [name for name in cases(shape) if recorded[name]["unknown"] is None]
    model = exports.network(names)
    model(exports.examples(shape))  # Keras writes no ONNX of a model that was never called
    run = exports.FORMATS[format](model, tmp_path)
    lengths = (
        [(2, 1), (13, 2), (exports.STEPS, 2), (1, 3), (150, 1)] if exports.TIME in shape else [(0, 2), (0, 5)]
    )
    for steps, batch in lengths:
        x = exports.examples(shape, steps, batch)
        expected = keras.ops.convert_to_numpy(model(x))
        assert np.any(expected)
        assert exports.differences(names, x, run(x), expected) == dict.fromkeys(names), (steps, batch)


@pytest.mark.parametrize("format", ["ONNX", "LiteRT"])
def test_each_layer_answers_where_the_number_of_steps_is_declared(format):
    """If this fails, a runtime that wants to know the number of steps has no file, or the page is wrong."""
    recorded = RECORDED["tensorflow"]["formats"][format]
    names = [name for name in cases(exports.SEQUENCE) if recorded[name]["known"] is None]
    assert exports.refusals(format, names) == dict.fromkeys(names)


@pytest.mark.parametrize("format", ["ONNX", "LiteRT"])
def test_a_single_step_is_exported(format):
    """If this fails, a device that runs a network step by step has no file."""
    assert exports.refusals(format, ["LIF"], steps=1) == {"LIF": None}


@every_format
def test_what_the_table_denies_is_refused(format):
    """If this fails, a file can be had that the page says there is none of, or one that is wrong is made in silence."""
    for name, row in RECORDED["tensorflow"]["formats"][format].items():
        for shape, reason in row.items():
            assert reason is None or not reason.startswith(("differs", "not run")), (name, shape)
            if reason is not None:
                (found,) = exports.refusals(format, [name], declared=shape == "known").values()
                assert found is not None and not found.startswith(("differs", "not run")), (
                    name,
                    shape,
                    found,
                )


@every_format
def test_the_soft_rate_is_right_far_below_threshold(format, tmp_path):
    """If this fails, a device takes neurons for silent that fire slowly."""
    layer = lif.SoftLIF(gain=1.0, bias=0.0, amplitude=1.0)
    x = np.array([[-3.0, 0.0, 0.57, 0.9, 1.0, 1.1, 2.0, 50.0, 1e6]], "float32")
    model = keras.Sequential([keras.Input((9,)), layer])
    expected = np.array(model(x))
    assert 0.3 < expected[0, 1] < 0.4
    found = exports.FORMATS[format](model, tmp_path)(x)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_training_keeps_its_fast_operations(tmp_path):
    """If this fails, every training step pays for what only an exported network needs."""

    def operations(function):
        graph = function.get_concrete_function(tf.TensorSpec((1, 8, 6))).graph.as_graph_def()
        return {node.op for part in (graph, *graph.library.function) for node in _nodes(part)}

    model = exports.network(["LIF"], 8)
    assert "ReluGrad" in operations(tf.function(model))
    asked = []

    class Asks(keras.layers.Layer):
        def call(self, x):
            asked.append(backend.exported_to())
            return x

    archive = keras.export.ExportArchive()
    archive.track(model)
    endpoint = archive.add_endpoint("serve", model.__call__, [tf.TensorSpec((1, 8, 6))])
    asking = keras.Sequential([keras.Input((6,)), Asks()])
    asking.predict(np.ones((1, 6)), verbose=0)
    assert set(asked) == {None}
    asking.export(str(tmp_path / "net"), verbose=False)
    assert asked[-1] == "SavedModel"
    archive.write_out(str(tmp_path / "archive"), verbose=False)
    assert "ReluGrad" not in operations(endpoint)
    assert "ReluGrad" in operations(tf.function(model))


def _nodes(part):
    return getattr(part, "node", None) or part.node_def


def test_the_page_shows_what_was_measured():
    """If this fails, a layer is missing from the table, or a cell says what nobody measured."""
    table = page.table()
    assert re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE) == list(exports.CASES)
    for backend_found in RECORDED.values():
        for rows in backend_found["formats"].values():
            assert list(rows) == list(exports.CASES)
            reasons = {row["known"] for row in rows.values()} - {None}
            assert not any(reason.startswith(("differs", "not run")) for reason in reasons)
            shown = [page.first_sentence(reason) in table for reason in reasons]
            assert all(shown) if None in [row["known"] for row in rows.values()] else any(shown)
    head, rule, *lines = table.split("\n\n")[0].splitlines()
    assert "ONNX, TensorFlow" in head and len(lines) == len(exports.CASES)
    column = [name.strip() for name in head.split("|")].index("ONNX, TensorFlow")
    rows = RECORDED["tensorflow"]["formats"]["ONNX"]
    for line, row in zip(lines, rows.values(), strict=True):
        expected = "no" if row["known"] else "fixed" if row["unknown"] else "any"
        assert line.split("|")[column].strip() == expected

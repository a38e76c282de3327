"""Which layer reaches which format: each is exported, run by the format's own runtime, and compared with Keras.

    python benchmarks/exports.py                       # TensorFlow
    KERAS_BACKEND=jax python benchmarks/exports.py     # another backend

What is found is written into exports.json, beside what other backends have there, and chapters/interchange.md makes a
table of it. Needed: `onnxruntime` and `tf2onnx` with TensorFlow, `onnxruntime` and `jax2onnx` with JAX, `onnxruntime`
and `onnxscript` with PyTorch; and TensorFlow for the two other formats.
"""

import functools
import importlib.metadata
import json
import os
import re
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import keras  # noqa: E402
import numpy as np  # noqa: E402

import lif  # noqa: E402

OUT = Path(__file__).with_suffix(".json")
STEPS = 12
TIME = None  # where the number of steps stands in a shape
SEQUENCE, PICTURES, NUMBERS = (TIME, 6), (TIME, 6, 3), (6,)


def recomputed():
    return lif.Recompute([keras.layers.Dense(5), lif.LIF(refractory=1), keras.layers.Dense(3)], every=5)


# name: (function that makes the layers, shape of an example)
CASES = {
    "LIF": (lambda: lif.LIF(leak=0.1), SEQUENCE),
    'LIF(reset="subtract")': (lambda: lif.LIF(leak=0.1, reset="subtract"), SEQUENCE),
    'LIF(reset="none")': (lambda: lif.LIF(leak=0.1, reset="none"), SEQUENCE),
    "LIF(floor=None)": (lambda: lif.LIF(leak=0.1, floor=None), SEQUENCE),
    "LIF(refractory=2)": (lambda: lif.LIF(leak=0.1, refractory=2), SEQUENCE),
    "LIF behind Masking": (
        lambda: keras.Sequential([keras.layers.Masking(), lif.LIF(leak=0.1, trainable_leak=True)]),
        SEQUENCE,
    ),
    "RecurrentLIF": (lambda: lif.RecurrentLIF(leak=0.1), SEQUENCE),
    "CoarseLIF": (lambda: lif.CoarseLIF(tau=4.0), SEQUENCE),
    "LeakyIntegrator": (lambda: lif.LeakyIntegrator(leak=0.1), SEQUENCE),
    "Recompute": (recomputed, SEQUENCE),
    "TimeDistributed": (lambda: lif.TimeDistributed(keras.layers.Conv1D(2, 3)), PICTURES),
    "SoftLIF": (lambda: lif.SoftLIF(), NUMBERS),
    "SoftAdaptiveLIF": (lambda: lif.SoftAdaptiveLIF(), NUMBERS),
    "ConstantEncoder": (lambda: lif.ConstantEncoder(STEPS), NUMBERS),
    "LatencyEncoder": (lambda: lif.LatencyEncoder(STEPS, tau=5.0, theta=0.2), NUMBERS),
    "PopulationEncoder": (lambda: lif.PopulationEncoder(units=3), NUMBERS),
    "PoissonEncoder": (lambda: lif.PoissonEncoder(steps=1000), NUMBERS),
}


def network(names, steps=None):
    """The layers of some cases side by side, as one model for so many steps, `None` for any number.

    They hear the same input, and the numbers that they answer stand one after the other: an exporter takes seconds to
    begin, and as long again for a layer.
    """
    keras.utils.set_random_seed(1)
    inputs = keras.Input([steps if n is TIME else n for n in CASES[names[0]][1]])
    outputs = [keras.layers.Reshape((-1,))(CASES[name][0]()(inputs)) for name in names]
    return keras.Model(inputs, keras.layers.Concatenate()(outputs) if len(names) > 1 else outputs[0])


def examples(shape, steps=STEPS, batch=1):
    """Inputs below the floor, below the threshold and above it, a step of silence among them."""
    x = np.random.default_rng(0).integers(-6, 20, [batch, *(steps if n is TIME else n for n in shape)]) / 16
    if shape == NUMBERS:
        return np.abs(x).clip(0, 1).astype("float32")
    if steps > 2:
        x[:, 1] = 0
    return x.astype("float32")


def saved_model(model, folder, **options):
    """Exports a model; the function by which the runtime answers to an input, as all of `FORMATS`."""
    import tensorflow as tf

    model.export(f"{folder}/net", format="tf_saved_model", verbose=False, **options)

    loaded = functools.cache(lambda: tf.saved_model.load(f"{folder}/net"))
    return lambda x: np.array(loaded().serve(x))


def onnx(model, folder, **options):
    import onnxruntime

    model.export(f"{folder}/net.onnx", format="onnx", verbose=False, **options)

    @functools.cache
    def session():
        quiet = onnxruntime.SessionOptions()
        quiet.log_severity_level, quiet.intra_op_num_threads = 4, 1
        return onnxruntime.InferenceSession(f"{folder}/net.onnx", quiet)

    return lambda x: session().run(None, {session().get_inputs()[0].name: x})[0]


def litert(model, folder, **options):
    import tensorflow as tf

    model.export(f"{folder}/net.tflite", format="litert", verbose=False, **options)

    def run(x):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the interpreter's move to a package of its own
            reader = tf.lite.Interpreter(f"{folder}/net.tflite")
        inputs, outputs = (d[0]["index"] for d in (reader.get_input_details(), reader.get_output_details()))
        reader.resize_tensor_input(inputs, x.shape)
        reader.allocate_tensors()
        reader.set_tensor(inputs, x)
        reader.invoke()
        return reader.get_tensor(outputs)

    return run


CONVERTERS = {"tensorflow": ["tf2onnx"], "jax": ["jax2onnx"], "torch": ["onnxscript"]}
FORMATS = {"SavedModel": saved_model, "ONNX": onnx, "LiteRT": litert}


def agree(name, x, found, expected):
    """Whether a runtime's answer to `x` is Keras': the same spikes, or the same numbers but for rounding."""
    if name == "PoissonEncoder":  # not the same spikes, but as many
        rates = found.reshape(len(x), -1, *x.shape[1:]).mean(1)
        return set(np.unique(found)) <= {0, 1} and np.allclose(rates, x, rtol=0, atol=0.08)
    if set(np.unique(expected)) <= {0, 1}:
        return np.array_equal(found, expected)
    return np.allclose(found, expected, rtol=1e-6, atol=1e-6)


def refusals(format, names, steps=STEPS, declared=True):
    """Layer -> `None` if it runs in a format as in Keras, else why it does not.

    Args:
        format: Of `FORMATS`.
        names: Of `CASES`, with inputs of one shape. Where some fail they are tried in two halves.
        steps: Length of the sequence that is shown to both.
        declared: Whether the exporter is told the shape, or is to leave the numbers of examples and steps open.
    """
    model = network(names, steps if declared else None)
    x = examples(CASES[names[0]][1], steps, batch=1 if declared else 2)
    options = {"input_signature": [keras.InputSpec("float32", x.shape)]} if declared else {}
    expected = keras.ops.convert_to_numpy(model(x))
    stage = ""
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = FORMATS[format](model, folder, **options)
            stage = "not run: "
            found = run(x)
        except Exception as error:  # whatever an exporter or a runtime raises
            if len(names) == 1:
                return {names[0]: stage + in_short(error)}
            half = len(names) // 2
            parts = names[:half], names[half:]
            return {k: v for part in parts for k, v in refusals(format, part, steps, declared).items()}
    return differences(names, x, found, expected)


def differences(names, x, found, expected):
    """Layer -> `None` if a runtime answers to `x` as Keras does, both with the layers of `network` side by side."""
    ends = np.cumsum([np.prod(CASES[name][0]().compute_output_shape(x.shape)[1:]) for name in names])[:-1]
    answers = zip(names, np.split(found, ends, 1), np.split(expected, ends, 1), strict=True)
    return {name: None if agree(name, x, *both) else "differs" for name, *both in answers}


def measure(format):
    """Layer -> what it does for a shape that the exporter is told, and for one that is left open."""
    rows = {}
    for shape in (SEQUENCE, PICTURES, NUMBERS):
        names = [name for name in CASES if CASES[name][1] == shape]
        known, unknown = (refusals(format, names, declared=declared) for declared in (True, False))
        rows |= {name: {"known": known[name], "unknown": unknown[name]} for name in names}
    return rows


def in_short(error):
    """What an error says, without the frame that Keras puts around it."""
    lines = [line for line in re.sub(r"\x1b\[\d*m", "", str(error)).splitlines() if line.strip()]
    said = next((line for line in lines if not line.startswith("Exception encountered")), "")
    return f"{type(error).__name__}: {said}"[:300]


def main():
    backend = keras.backend.backend()
    packages = ["keras", backend, "tensorflow", "onnxruntime", *CONVERTERS[backend]]
    versions = {name: importlib.metadata.version(name) for name in dict.fromkeys(packages)}
    report = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    report[backend] = {"versions": versions, "formats": {}}
    for format in FORMATS:
        report[backend]["formats"][format] = measure(format)
        print(format, json.dumps(report[backend]["formats"][format], indent=1), flush=True)
    OUT.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

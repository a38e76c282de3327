"""What the module asks of a process: memory for a long sequence, and time to be imported.

    python benchmarks/footprint.py [OUT.json]

Measured: the peak memory of one forward and backward pass of a dense layer and its LIF neurons over a long sequence,
against the same rule unrolled into a graph and differentiated by the framework, each in a process of its own; and how
long `import lif` takes when Keras is loaded already.
"""

import json
import os
import statistics
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROUNDS = 9
MEMORY_CASE = {"steps": 1000, "batch": 32, "inputs": 128, "units": 256}


def training_pass(activation, batch, steps, inputs, units):
    """A function that runs one forward and backward pass and waits for the gradient."""
    import keras
    import numpy as np
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    x = tf.constant((np.random.default_rng(0).random((batch, steps, inputs)) < 0.2).astype("float32"))
    dense = keras.layers.Dense(units)
    dense.build(x.shape)

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(activation(dense(x)))
        # The loss too: else the forward product is cut out where the gradient does not need it.
        return loss, tape.gradient(loss, dense.trainable_weights)

    return lambda: run()[1][0].numpy()


def unrolled_lif(x):
    """The rule as a graph with one set of nodes for every step, differentiated automatically."""
    import tensorflow as tf

    @tf.custom_gradient
    def spike(z):
        return tf.cast(z >= 0, z.dtype), lambda e: e

    v = tf.zeros_like(x[:, 0])
    spikes = []
    for current in tf.unstack(x, axis=1):
        v = tf.nn.relu(0.9 * v + current)
        s = spike(v - 1.0)
        v = v * (1.0 - tf.stop_gradient(s))
        spikes.append(s)
    return tf.stack(spikes, axis=1)


def peak_memory(kind):
    """Peak resident memory of this process after a pass over a long sequence, above that before it, in MB."""
    import lif

    def high_water_mark():  # getrusage would report the parent's peak after fork and exec
        with open("/proc/self/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024

    before = high_water_mark()
    activation = lif.LIF() if kind == "lif" else unrolled_lif
    run = training_pass(activation, **MEMORY_CASE)
    for _ in range(3):
        run()
    return high_water_mark() - before


def memory():
    report = {"case": MEMORY_CASE}
    for kind in ("lif", "unrolled"):
        out = subprocess.run(
            [sys.executable, __file__, "--memory", kind], check=True, capture_output=True, text=True
        )
        report[f"{kind}_megabytes"] = round(float(out.stdout.split()[-1]), 1)
    report["lif_over_unrolled"] = round(report["lif_megabytes"] / report["unrolled_megabytes"], 3)
    return report


def import_time():
    """Seconds of `import lif` in a new process that has loaded Keras, median over rounds."""
    code = (
        "import time; begin = time.perf_counter(); import keras; loaded = time.perf_counter(); import lif; "
        "print(time.perf_counter() - loaded, loaded - begin)"
    )
    seconds = []
    for _ in range(ROUNDS):
        out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        seconds.append([float(word) for word in out.stdout.split()])
    lif_seconds, keras_seconds = zip(*seconds, strict=True)
    return {
        "lif_seconds": round(statistics.median(lif_seconds), 4),
        "keras_seconds": round(statistics.median(keras_seconds), 2),
    }


if __name__ == "__main__":
    if "--memory" in sys.argv:
        print(peak_memory(sys.argv[-1]))
        sys.exit()
    report = {}
    for part in (memory, import_time):
        start = time.perf_counter()
        report[part.__name__] = part()
        print(
            f"{part.__name__}: {time.perf_counter() - start:.0f} s",
            json.dumps(report[part.__name__]),
            flush=True,
        )
    if len(sys.argv) > 1:
        from lifbook._files import write  # here, not above: a process that measures loads nothing else

        write(sys.argv[1], json.dumps(report, indent=1) + "\n")

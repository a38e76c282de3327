"""Memory and time of training on long sequences: what is kept, and what is calculated again.

    KERAS_BACKEND=tensorflow python benchmarks/memory.py [--out FILE] [--steps 250 ...] [--only CASE ...]

The network is Dense(128 -> 256), LIF, Dense(256), LIF, Dense(10) and a leaky integrator; a batch of 16 sequences of
spikes (Bernoulli, 0.2), which arrive as bytes and become float32 within the pass. One pass is forward and backward,
with the gradient at all weights as the result, on one core, by TensorFlow as a graph and compiled with XLA, by JAX or
by PyTorch, whichever Keras runs on. Each case has a process of its own, which begins with nothing but the packages
loaded; its peak of resident memory above that is what is reported, and the least time of its passes, by the processor.
The file is written after each case; a second call goes on where the first one stopped.
"""

import argparse
import json
import os
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ[variable] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])  # JAX starts more threads than it is told to

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import ops  # noqa: E402
from side_by_side import memory as megabytes  # noqa: E402
from side_by_side import write  # noqa: E402

import lif  # noqa: E402

OUT = Path(__file__).with_suffix(".json")
BATCH, INPUTS, UNITS, OUTPUTS, PASSES = 16, 128, 256, 10, 3
STEPS = (250, 500, 1000, 2000, 4000)
BACKEND = keras.backend.backend()
WAYS = ("graph", "xla") if BACKEND == "tensorflow" else (BACKEND,)
# Bits are written for TensorFlow only.
CASES = ("default", "neurons", "bits", "recompute") if BACKEND == "tensorflow" else ("default", "recompute")


class DenseOnBits(keras.layers.Dense):
    """A dense layer that keeps its input, spikes, as bits for the backward pass; eight to a byte, units a multiple."""

    def call(self, spikes):
        import tensorflow as tf

        places = tf.constant([1, 2, 4, 8, 16, 32, 64, 128], "uint8")

        @tf.custom_gradient
        def product(spikes, kernel, bias):
            eights = tf.reshape(spikes, (-1, kernel.shape[0] // 8, 8))
            bits = tf.cast(tf.linalg.matvec(eights, tf.cast(places, spikes.dtype)), "uint8")

            def backward(e):
                flat = tf.reshape(e, (-1, self.units))
                # A graph would unpack the bits as soon as they are packed: let them wait for the error.
                none = tf.cast(tf.math.is_nan(flat[0, 0]), "uint8")
                late = tf.bitwise.bitwise_xor(bits, none)
                kept = tf.cast(tf.bitwise.bitwise_and(late[..., None], places) > 0, e.dtype)
                kept = tf.reshape(kept, (-1, kernel.shape[0]))
                kernel_gradient = tf.matmul(kept, flat, transpose_a=True)
                return tf.matmul(e, kernel, transpose_b=True), kernel_gradient, tf.reduce_sum(flat, 0)

            return spikes @ kernel + bias, backward

        return product(spikes, tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.bias))


def network(case, steps):
    """The layers before the integrator, in a form that keeps less."""
    every = round(steps**0.5)
    dense = DenseOnBits if case == "bits" else keras.layers.Dense
    first, second, last = (dense(n) for n in (UNITS, UNITS, OUTPUTS))
    neurons = [lif.LIF(leak=0.05, surrogate="superspike") for _ in range(2)]
    chain = [first, neurons[0], second, neurons[1], last]
    if case == "recompute":
        return [lif.Recompute(chain, every)]
    if case == "neurons":
        return [lif.Recompute([layer], every) if layer in neurons else layer for layer in chain]
    return chain


def training_pass(case, steps, way):
    """A function that makes one pass and returns the loss."""
    keras.utils.set_random_seed(0)
    spikes = np.random.default_rng(0).random((BATCH, steps, INPUTS), dtype="float32") < 0.2
    spikes = ops.convert_to_tensor(spikes.astype("uint8"))
    layers = [*network(case, steps), lif.LeakyIntegrator(leak=0.05)]
    model = keras.Sequential([keras.Input((steps, INPUTS), BATCH), *layers])

    def loss(call):
        return ops.mean(ops.square(call(ops.cast(spikes, "float32"))))

    return {"jax": _jax_pass, "torch": _torch_pass}.get(way, _tensorflow_pass)(model, loss, way)


def _tensorflow_pass(model, loss, way):
    import tensorflow as tf

    @tf.function(jit_compile=way == "xla")
    def run():
        with tf.GradientTape() as tape:
            found = loss(model)
        return found, tape.gradient(found, model.trainable_variables)

    return lambda: run()[0].numpy()


def _jax_pass(model, loss, _):
    import jax

    weights, others = (
        [v.value for v in of] for of in (model.trainable_variables, model.non_trainable_variables)
    )
    run = jax.jit(
        jax.value_and_grad(lambda weights: loss(lambda x: model.stateless_call(weights, others, x)[0]))
    )
    return lambda: jax.block_until_ready(run(weights))[0]


def _torch_pass(model, loss, _):
    def run():
        model.zero_grad()
        found = loss(model)
        found.backward()
        return found.detach()

    return run


def measure(case, steps, way):
    """What a child process, which has the packages and nothing else, says about one case."""
    reading, writing = os.pipe()
    if child := os.fork():
        os.close(writing)
        with os.fdopen(reading) as answer:
            text = answer.read()
        os.waitpid(child, 0)
        return json.loads(text)
    before, seconds = megabytes("VmRSS"), []
    run = training_pass(case, steps, way)
    for _ in range(1 + PASSES):
        start = time.process_time()
        loss = run()
        seconds.append(time.process_time() - start)
    with os.fdopen(writing, "w") as answer:
        peak = round(megabytes("VmHWM") - before, 1)
        json.dump({"megabytes": peak, "seconds": round(min(seconds[1:]), 4), "loss": float(loss)}, answer)
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--only", nargs="+", choices=CASES, default=CASES)
    arguments = parser.parse_args()
    report = {"batch": BATCH, "inputs": INPUTS, "units": UNITS}
    if arguments.out.exists():
        report = json.loads(arguments.out.read_text(encoding="utf-8"))
    for way in WAYS:
        for steps in arguments.steps:
            for case in arguments.only:
                found = report.setdefault(way, {}).setdefault(case, {})
                if str(steps) in found:
                    continue
                found[str(steps)] = measure(case, steps, way)
                print(way, case, steps, found[str(steps)], flush=True)
                write(arguments.out, report)


if __name__ == "__main__":
    main()

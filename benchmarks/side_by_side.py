"""One dense layer and its LIF neurons, forward and backward: this module beside its peers, a process each.

    python benchmarks/side_by_side.py [--out FILE] [--python OTHER_PYTHON ...] [--threads 1] [--only WORKLOAD ...]

Several environments, because the libraries do not agree on what they need. A contestant runs in the first of the
Pythons (those given, then this one) that has its packages; one that no environment has is reported as missing. An
environment for the peers:

    python -m venv peers && peers/bin/pip install torch==2.13.0 jax keras spyx nirtorch loguru
    peers/bin/pip install --no-deps snntorch spikingjelly norse

Every pass takes the same spikes (Bernoulli, 0.2) through `Linear(inputs -> units)` over all steps at once, through the
neurons (decay 0.95 a step, threshold 1, a bell-shaped or SuperSpike surrogate as the library has it), and returns the
mean of the spikes and its gradient at the weights. Time comes first, or second, as a library wants it. `dense` is the
product alone, with the mean square as the loss: the bound. Each process is bound to as many cores as it may have
threads, because some libraries start more than they are told to. Passes are taken in turns, the result is waited for,
and the time of the processor is kept beside that of the clock, since other work on the machine lengthens the latter.
Whoever takes more than a minute for the first pass is not asked again. Peak memory is that of the process above what it
had when its packages were loaded and the spikes drawn.

The file is written after each workload; a second call goes on where the first one stopped.
"""

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
# steps, batch, inputs, units, rounds
WORKLOADS = {
    "mlp 100x128": (100, 128, 784, 512, 15),
    "sequence 500": (500, 16, 512, 512, 15),
    "sequence 1000": (1000, 16, 512, 512, 9),
    "sequence 4000": (4000, 16, 512, 512, 7),
    "mlp 25x64": (25, 64, 784, 512, 7),
    "mlp 25x128": (25, 128, 784, 512, 7),
    "mlp 100x64": (100, 64, 784, 512, 7),
    "sequence 500 wide": (500, 16, 4096, 4096, 2),
}
DECAY = 0.95
PATIENCE = 60.0  # seconds: of a contestant whose first pass took longer that pass is all there is


# -- the contestants: a function of (x, units), with the axis of time where it wants it, that returns a pass --


def keras_layers(units, inputs):
    import keras

    import lif

    keras.utils.set_random_seed(0)
    dense, neurons = keras.layers.Dense(units), lif.LIF(leak=1 - DECAY, floor=None, surrogate="superspike")
    dense.build((None, None, inputs))
    neurons.build((None, None, units))
    return dense, neurons


def tensorflow_pass(x, units, neurons=True, compiled=False):
    import tensorflow as tf

    dense, lif = keras_layers(units, x.shape[-1])
    x = tf.constant(x)

    @tf.function(jit_compile=compiled)
    def run():
        with tf.GradientTape() as tape:
            y = dense(x)
            loss = tf.reduce_mean(lif(y) if neurons else tf.square(y))
        return loss, tape.gradient(loss, dense.trainable_weights)

    return lambda: run()[1][0].numpy()


def jax_pass(x, weights, loss):
    import jax

    run = jax.jit(jax.value_and_grad(loss))
    x = jax.numpy.asarray(x)
    return lambda: jax.block_until_ready(run(weights, x))


def jax_lif(x, units, neurons=True):
    import jax.numpy as jnp

    dense, lif = keras_layers(units, x.shape[-1])

    def loss(weights, x):
        y = dense.stateless_call(weights, [], x)[0]
        return jnp.mean(lif(y) if neurons else jnp.square(y))

    return jax_pass(x, [w.value for w in dense.weights], loss)


def spyx(x, units):
    import jax
    from flax import nnx
    from spyx.nn import LIF

    layer = LIF((units,), beta=DECAY, rngs=nnx.Rngs(0))
    dense = jax_dense(units, x.shape[-1])

    def loss(weights, x):
        current = x @ weights[0] + weights[1]
        step = lambda v, i: layer(i, v)[::-1]  # noqa: E731
        return jax.lax.scan(step, layer.initial_state(x.shape[1]), current)[1].mean()

    return jax_pass(x, dense, loss)


def jax_dense(units, inputs):
    import jax

    scale = (6 / (inputs + units)) ** 0.5
    kernel = jax.random.uniform(jax.random.key(0), (inputs, units), minval=-scale, maxval=scale)
    return [kernel, jax.numpy.zeros(units)]


def torch_pass(x, units, make_neurons):
    """`make_neurons()` returns a function from currents to spikes or, for the bound, to squares."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    x, dense = torch.from_numpy(x), torch.nn.Linear(x.shape[-1], units)
    with torch.no_grad():  # as Keras and the others begin
        torch.nn.init.xavier_uniform_(dense.weight)
        dense.bias.zero_()
    neurons = make_neurons()

    def run():
        loss = neurons(dense(x)).mean()
        return loss, torch.autograd.grad(loss, list(dense.parameters()))

    return run


def torch_lif(x, units):
    _, layer = keras_layers(units, x.shape[-1])
    return torch_pass(x, units, lambda: layer)


def snntorch(x, units):
    import torch
    from snntorch import Leaky

    layer = Leaky(beta=DECAY)

    def neurons(current):
        v, spikes = layer.reset_mem(), []
        for i in current:
            s, v = layer(i, v)
            spikes.append(s)
        return torch.stack(spikes)

    return torch_pass(x, units, lambda: neurons)


def spikingjelly(x, units):
    from spikingjelly.activation_based import functional, neuron, surrogate

    layer = neuron.LIFNode(
        tau=1 / (1 - DECAY), decay_input=False, surrogate_function=surrogate.ATan(), step_mode="m"
    )

    def neurons(current):
        functional.reset_net(layer)
        return layer(current)

    return torch_pass(x, units, lambda: neurons)


def norse(x, units):
    import torch
    from norse.torch import LIF, LIFParameters

    # No synaptic filter: its time constant is one step.
    rule = LIFParameters(tau_syn_inv=torch.tensor(1000.0), tau_mem_inv=torch.tensor(1000 * (1 - DECAY)))
    layer = LIF(p=rule)
    return torch_pass(x, units, lambda: lambda current: layer(current)[0])


CONTESTANTS = {  # name: (function, packages, further modules to load beforehand)
    "lif tensorflow": (tensorflow_pass, ["tensorflow", "keras"], ["lif"]),
    "lif tensorflow xla": (partial(tensorflow_pass, compiled=True), ["tensorflow", "keras"], ["lif"]),
    "lif jax": (jax_lif, ["jax", "keras"], ["lif"]),
    "lif torch": (torch_lif, ["torch", "keras"], ["lif"]),
    "snntorch": (snntorch, ["snntorch", "torch"], []),
    "spikingjelly": (spikingjelly, ["spikingjelly", "torch"], ["spikingjelly.activation_based.neuron"]),
    "norse": (norse, ["norse", "torch"], ["norse.torch"]),
    "spyx": (spyx, ["spyx", "jax", "flax"], ["spyx.nn"]),
    "dense tensorflow": (partial(tensorflow_pass, neurons=False), ["tensorflow", "keras"], ["lif"]),
    "dense tensorflow xla": (
        partial(tensorflow_pass, neurons=False, compiled=True),
        ["tensorflow", "keras"],
        ["lif"],
    ),
    "dense jax": (partial(jax_lif, neurons=False), ["jax", "keras"], ["lif"]),
    "dense torch": (partial(torch_pass, make_neurons=lambda: lambda y: y * y), ["torch"], []),
}


# -- a process that runs one contestant on one workload --


def memory(name):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(name)) / 1024


def work(contestant):
    """Runs one contestant: each line on standard input is a workload to build in a child process, "" is one pass.

    The packages are loaded once; a child begins with nothing but them. It answers a pass with the seconds it took, by
    the clock and of the processor. "end" ends it.
    """
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[-int(os.environ["OMP_NUM_THREADS"]) :])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    function, modules = CONTESTANTS[contestant][0], CONTESTANTS[contestant][1] + CONTESTANTS[contestant][2]
    for module in modules:
        importlib.import_module(module)
    for line in filter(str.strip, sys.stdin):
        if child := os.fork():
            os.waitpid(child, 0)
            continue
        steps, batch, inputs, units, _ = WORKLOADS[line.strip()]
        x = (np.random.default_rng(0).random((steps, batch, inputs), dtype="float32") < 0.2).astype("float32")
        if "keras" in CONTESTANTS[contestant][1]:
            x = np.ascontiguousarray(x.swapaxes(0, 1))
        before = memory("VmRSS")
        run = function(x, units)
        for line in sys.stdin:
            if line.strip() == "end":
                os._exit(0)
            clock, processor = time.perf_counter(), time.process_time()
            run()
            cost = {"clock": time.perf_counter() - clock, "processor": time.process_time() - processor}
            print(json.dumps({**cost, "megabytes": memory("VmHWM") - before}), file=answers, flush=True)


# -- the process that calls them in turns --


def versions_in(python, packages):
    """Versions of the packages in that environment, or `None` if one of them is missing."""
    code = f"import importlib.metadata as m; print(*[m.version(p) for p in {packages!r}])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    return None if done.returncode else dict(zip(packages, done.stdout.split(), strict=True))


def start(python, name, threads):
    environment = dict(os.environ, PYTHONPATH=str(ROOT), TF_CPP_MIN_LOG_LEVEL="3", JAX_PLATFORMS="cpu")
    for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        environment[variable] = str(threads)
    if threads == 1:
        environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    if "keras" in CONTESTANTS[name][1]:
        environment["KERAS_BACKEND"] = CONTESTANTS[name][1][0]
    command = [python, __file__, "--work", name]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, text=True, env=environment, **pipes)


def ask(worker, line=""):
    """The answer to one pass, or `None` if the process has died."""
    try:
        worker.stdin.write(f"{line}\n")
        worker.stdin.flush()
        return json.loads(worker.stdout.readline())
    except (BrokenPipeError, json.JSONDecodeError):
        return None


def measure(workload, workers):
    """First pass of each contestant, then rounds of one pass each, in turns."""
    report, running, firsts = {}, {}, {}
    for name, worker in workers.items():
        first = ask(worker, f"{workload}\n")  # the workload, and the first pass
        print(f"  {name}: " + (f"first pass {first['clock']:.2f} s" if first else "failed"), flush=True)
        if first is None:
            report[name] = {"failed": True}
            continue
        running[name], firsts[name] = worker, first
        report[name] = {
            "first_seconds": {k: round(first[k], 3) for k in ("clock", "processor")},
            "passes": [],
        }
    for _ in range(WORKLOADS[workload][-1]):
        for name, worker in running.items():
            if firsts[name]["processor"] < PATIENCE:
                report[name]["passes"].append(ask(worker))
    for name, worker in running.items():
        worker.stdin.write("end\n")
        worker.stdin.flush()
        passes = report[name].pop("passes") or [firsts[name]]
        report[name]["peak_megabytes"] = round(passes[-1]["megabytes"], 1)
        for kind in ("clock", "processor"):
            low, middle, high = quartiles([p[kind] for p in passes])
            report[name][f"{kind}_milliseconds"] = {"median": middle, "quartiles": [low, high]}
    return report


def quartiles(seconds):
    return [round(1e3 * q, 2) for q in np.percentile(seconds, (25, 50, 75)).tolist()]


def write(path, report):
    part = path.with_suffix(".part")
    part.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "side_by_side.json")
    parser.add_argument("--python", action="append", default=[], help="another environment's Python")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--work", choices=CONTESTANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        return work(arguments.work)

    pythons, versions, missing = {}, {}, []
    for name, (_, packages, _) in CONTESTANTS.items():
        for python in [*arguments.python, sys.executable]:
            if found := versions_in(python, packages):
                pythons[name] = python
                versions[name] = found
                break
        else:
            missing.append(name)
            print(f"{name}: not installed in any of the environments")
    report = {"threads": arguments.threads, "python": platform.python_version(), "workloads": {}}
    if arguments.out.exists():
        report = json.loads(arguments.out.read_text(encoding="utf-8"))
    if report["threads"] != arguments.threads:
        parser.error(f"{arguments.out} was measured with --threads {report['threads']}; give another --out")
    report.update(versions=versions, missing=missing)
    left = [w for w in arguments.only if w not in report["workloads"]]
    if not left:
        print(f"Nothing to measure: {arguments.out} holds it all. Give another --out.")
    workers = {name: start(python, name, arguments.threads) for name, python in pythons.items() if left}
    for i, workload in enumerate(left, 1):
        print(f"[{i}/{len(left)}] {workload}", flush=True)
        began = time.perf_counter()
        result = measure(workload, workers)
        for name, row in result.items():
            if "failed" not in row:
                shown = {k: row[f"{k}_milliseconds"]["median"] for k in ("clock", "processor")}
                print(f"  {name}: {shown} ms, {row['peak_megabytes']} MB", flush=True)
        print(f"  {time.perf_counter() - began:.0f} s", flush=True)
        report["workloads"][workload] = result
        write(arguments.out, report)


if __name__ == "__main__":
    main()

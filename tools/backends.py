"""Runs the module's tests on JAX and PyTorch, its kernels, the exchange with other libraries, and a Dask cluster.

The book is built with TensorFlow alone, and its lock holds no PyTorch, which with its GPU libraries is larger than all
the rest. So `.venv-backends` is made apart: what it shares with the lock has the lock's versions, the rest is pinned
here. Runs on the system's Python, so it uses the standard library only.
"""

import os
import re
import subprocess
import sys
import time

from environment import LOCK, ROOT, Environment

TORCH = "torch==2.13.0"
TRITON = "triton==3.9.0"
DASK = "distributed==2026.8.0"
SHARED = ["keras", "numpy", "jax", "nir", "scipy", "joblib", "pyyaml", "hypothesis", "pytest", "pytest-xdist"]
# Without their dependencies: what their NIR parts import is there, and the rest is much.
LIBRARIES = ["nirtorch==2.6", "norse==1.1.0", "snntorch==1.0.0", "spikingjelly==2.0.0", "loguru==0.7.3"]

# The tests of the library, which must pass on every backend, and of its examples.
TESTS = (
    "backends coarse dynamics encoders every_layer keras layers neurons nir recurrent soft summary".split()
)
TESTS += ["surrogates", "docstrings"]
# Left out on both: what needs the book's packages, and Keras' `jit_compile=True`, which here means minutes of compiling
# or nothing at all.
LEFT_OUT = [
    "lifbook/test_docstrings.py::test_examples_print_what_they_say[lifbook.illustrations]",
    "lifbook/test_docstrings.py::test_examples_print_what_they_say[lifbook.plots]",
    "lif/test_layers.py::test_recomputing_trains_and_saves[True]",
]


def constraints():
    """The lock's versions without their hashes, which a wheel from another index would not have."""
    return "".join(
        f"{entry.strip()}\n" for entry in re.findall(r"^\S+==[^\\\n]+", LOCK.read_text(), re.MULTILINE)
    )


def install(environment):
    pinned = environment.folder / "constraints.txt"
    pinned.write_text(constraints())
    environment.pip("--constraint", pinned, TORCH, TRITON, DASK, *SHARED)
    environment.pip("--no-deps", *LIBRARIES)


def run(python, backend, tests, **variables):
    """One pytest on one backend. Returns whether all passed."""
    print(f"-- {backend}: {' '.join(tests)}", flush=True)
    started = time.monotonic()
    options = ["-n", str(min(2, len(tests))), "--dist", "loadfile", "-W", "ignore", "-p", "no:cacheprovider"]
    left_out = [argument for test in LEFT_OUT for argument in ("--deselect", f"tests/{test}")]
    paths = [str(path) for name in tests for path in ROOT.glob(f"tests/*/test_{name}.py")]
    done = subprocess.run(
        [python, "-m", "pytest", *options, *left_out, *paths],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1", **variables},
    )
    print(f"-- {backend}: {time.monotonic() - started:.0f} s", flush=True)
    return done.returncode == 0


def main():
    environment = Environment(ROOT / ".venv-backends")
    try:
        environment.refresh(f"{constraints()} {TORCH} {TRITON} {DASK} {SHARED} {LIBRARIES}", install)
    except subprocess.CalledProcessError as error:
        print("Left out: " + " ".join(map(str, error.cmd)) + " failed, so there is no PyTorch to test with.")
        sys.exit(1 if os.environ.get("CI") else 0)
    # JAX computes in float64, which some tests ask for, only if it is told so from the start.
    passed = [
        run(environment.python, "torch", [*TESTS, "libraries"]),
        run(environment.python, "torch", ["kernels"], TRITON_INTERPRET="1"),
        run(environment.python, "jax", TESTS, JAX_PLATFORMS="cpu", JAX_ENABLE_X64="1"),
        # Each of the cluster's processes imports the module, which is quickest on this backend.
        run(environment.python, "numpy", ["clusters"]),
    ]
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()

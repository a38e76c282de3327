"""Training on two devices at once, each with half of every batch, as on two GPUs; here two virtual CPU devices.

Each test starts a process of its own: the number of devices, and the backend, are fixed once a process has begun.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from lifbook.build.project import ROOT

# What both backends run: every kind of weight the layers have, among them a leak shared by all examples of a batch.
TRAINING = """
import json
import keras
import numpy as np
import lif

def trained():
    "The weights after two epochs of three batches, from the same start."
    keras.utils.set_random_seed(0)
    surrogate = lif.surrogates.superspike(beta=1.0)  # wide: every layer learns, none explodes
    model = keras.Sequential([
        keras.Input((None, 6)),
        keras.layers.Dense(8),
        lif.LIF(leak=0.2, trainable_leak=True, surrogate=surrogate),
        keras.layers.Dense(5),
        lif.RecurrentLIF(leak=0.1, refractory=1, surrogate=surrogate),
        keras.layers.Dense(3),
        lif.CoarseLIF(tau=4.0, surrogate=surrogate),
        lif.LeakyIntegrator(leak=0.05),
    ])
    model.compile(keras.optimizers.SGD(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 2, (24, 10, 6)).astype("float32"), rng.integers(0, 3, 24)
    start = [w.tolist() for w in model.get_weights()]
    model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    return start, [w.tolist() for w in model.get_weights()]
"""

TENSORFLOW = """
import tensorflow as tf
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
start, one_device = trained()
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    _, two_devices = trained()
print(json.dumps([strategy.num_replicas_in_sync, start, one_device, two_devices]))
"""

JAX = """
start, one_device = trained()
distribution = keras.distribution.DataParallel(devices=["cpu:0", "cpu:1"])
keras.distribution.set_distribution(distribution)
_, two_devices = trained()
print(json.dumps([distribution.device_mesh.devices.size, start, one_device, two_devices]))
"""


@pytest.mark.parametrize(("backend", "script"), [("tensorflow", TENSORFLOW), ("jax", JAX)])
def test_two_devices_learn_what_one_does(backend, script):
    """If this fails, a layer cannot be trained on several devices, or its gradient (that of a leak or of recurrent
    weights is a sum over the batch) is not put together rightly from the parts."""
    flags = {"KERAS_BACKEND": backend, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    command = [sys.executable, "-c", TRAINING + script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **flags})
    assert done.returncode == 0, done.stderr[-3000:]
    devices, start, one, two = json.loads(done.stdout.splitlines()[-1])
    assert devices == 2
    for before, expected, found in zip(start, one, two, strict=True):
        if np.ndim(before):  # every kernel, bias and leak; what is left counts random numbers
            assert np.all(np.isfinite(expected)) and not np.allclose(before, expected, atol=1e-3)
            np.testing.assert_allclose(found, expected, atol=1e-5)

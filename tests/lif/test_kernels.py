"""The kernels for a graphics processor, without one: run by `make backends`, where PyTorch and Triton are.

Triton's interpreter runs them in NumPy, and its compiler makes machine code of them for processors that are not here.
What no test here can do is to run that code.
"""

import itertools
import os
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import lif
from lif import dynamics, surrogates
from lif._backend import has_kernels

if "TRITON_INTERPRET" not in os.environ:
    pytest.skip("the kernels need PyTorch and Triton's interpreter: make backends", allow_module_level=True)

import torch

from lif import _kernels as kernels

OPTIONS = itertools.product(
    dynamics.RESETS, (0, 2), (0.0, -0.1, None), (True, False), (False, True), (True, False)
)
RULES = [
    (dynamics.Rule(surrogates.superspike(), (1.0, 0.3)[i // 3 % 2], *rule), masked, leak_gradient)
    for i, (*rule, masked, leak_gradient) in enumerate(OPTIONS)
]
# As `lif.leaky_integrate` has it.
RULES.append((dynamics.Rule(torch.zeros_like, float("inf"), "none", floor=None), False, True))
SWITCHES = [  # one rule for each way through the kernels
    (dynamics.Rule(surrogates.superspike(), 1.0, reset, refractory, floor, detach), masked, leak_gradient)
    for reset, refractory, floor, detach, masked, leak_gradient in [
        ("zero", 0, 0.0, True, False, False),
        ("zero", 2, None, False, False, True),
        ("subtract", 0, None, False, False, True),
        ("subtract", 1, 0.0, True, True, True),
        ("none", 0, None, True, True, False),
    ]
]


REFERENCE = dynamics.at_rest, dynamics.forward_pass, dynamics.backward_pass
KERNELS = dynamics.at_rest, kernels.forward_pass, kernels.backward_pass


REFERENCE = dynamics.at_rest, dynamics.forward_pass, dynamics.backward_pass
KERNELS = dynamics.at_rest, kernels.forward_pass, kernels.backward_pass


@pytest.fixture
def used(monkeypatch):
    """Sends this machine's tensors the way of a graphics processor's; the kernels that are run, in turn."""
    names, launch = [], kernels._launch

    def launch_and_note(kernel, *arguments, **constants):
        names.append("forward" if kernel is kernels._forward else "backward")
        launch(kernel, *arguments, **constants)

    monkeypatch.setattr(kernels, "_launch", launch_and_note)
    monkeypatch.setattr(dynamics, "has_kernels", lambda x: x.device.type == "cpu")
    kernels.trusted.cache_clear()
    yield names
    kernels.trusted.cache_clear()


@pytest.mark.parametrize("part", range(3))
def test_kernels_and_loops_say_the_same_to_the_last_digit(part):
    """If this fails, a network trains differently on a graphics processor."""
    for rule, *options in RULES[part::3]:
        loops = kernels.short_run(*REFERENCE, "cpu", rule, *options)
        potential, x_gradient = [y for y in loops if y.shape == (3, 9, 50) and y.is_floating_point()]
        is_open = [y for y in loops if y.dtype == torch.bool]
        assert (potential >= rule.threshold).any() or rule.threshold > 1
        assert all(y.any() and not y.all() for y in is_open)
        assert x_gradient.abs().max() > 0.1
        found = kernels.short_run(*KERNELS, "cpu", rule, *options)
        torch.testing.assert_close(found, loops, rtol=0, atol=0)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_network_trains_on_the_kernels_as_without_them(policy, used, monkeypatch):
    """If this fails, what the kernels are given, or what becomes of it, is not what the loops get."""

    def train():
        keras.utils.set_random_seed(0)
        neurons = lif.LIF(leak=0.2, trainable_leak=True, refractory=1, dtype=policy)
        hidden = [keras.layers.Masking(), keras.layers.Dense(40, dtype=policy), neurons]
        readout = [keras.layers.Dense(2), lif.LeakyIntegrator(leak=0.1)]
        model = keras.Sequential([keras.Input((None, 4)), *hidden, *readout])
        model.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=False)
        x = np.random.default_rng(0).normal(0, 3, (6, 7, 4))
        x[:3, 4:] = 0
        model.fit(x, np.ones((6, 2)), batch_size=6, epochs=2, verbose=0)
        return [*model.get_weights(), model.predict(x, verbose=0)]

    on_kernels = train()
    assert {"forward", "backward"} <= set(used)
    monkeypatch.setattr(dynamics, "has_kernels", lambda x: False)
    for found, expected in zip(on_kernels, train(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_axes_of_units_and_turned_tensors_are_taken(used):
    """If this fails, convolutions and transposed currents are read at the wrong places."""
    x = torch.from_numpy(np.random.default_rng(1).normal(0.5, 1, (5, 3, 2, 4, 9)).astype("float32"))
    turned = x.permute(4, 3, 0, 1, 2)  # (9, 4, 5, 3, 2)
    leak = np.linspace(0, 0.5, 6).reshape(3, 2)
    found = lif.LIF(leak=leak)(turned)
    assert used and found.sum() > 50
    expected = lif.reference.simulate(turned.numpy().astype("float64"), leak)[0]
    np.testing.assert_array_equal(found.numpy(), expected)


def test_kernels_that_disagree_are_not_used(used, monkeypatch):
    """If this fails, a driver or compiler that miscalculates would train networks in silence."""
    monkeypatch.setattr(kernels, "forward_pass", lambda *a: (a[0], None, dynamics.State(a[0][:, -1])))
    x = np.random.default_rng(0).normal(0.5, 1, (2, 9, 30))
    with pytest.warns(RuntimeWarning, match="cannot be used on cpu.*AssertionError"):
        spikes = lif.LIF(leak=0.1)(x)
    np.testing.assert_array_equal(spikes, lif.reference.simulate(x, 0.1)[0])
    used.clear()
    lif.LIF(leak=0.1)(x)  # asked once, said once
    assert not used


def test_the_comparison_does_not_depend_on_the_defaults(used):
    """If this fails, who changes PyTorch's default device or dtype loses the kernels."""
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            assert kernels.trusted(REFERENCE, torch.device("cpu"), *SWITCHES[1])
    finally:
        torch.set_default_dtype(torch.float32)


def test_recurrent_neurons_and_double_precision_keep_to_the_loops(used):
    """If this fails, the kernels are given what they cannot do: a product in every step, numbers of 64 bits."""
    x = np.random.default_rng(0).normal(0.5, 1, (2, 9, 6)).astype("float32")
    lif.RecurrentLIF()(x)
    assert not used
    assert not has_kernels(torch.zeros(2))  # not on a graphics processor
    assert not has_kernels(torch.zeros(2, device="meta"))
    for number_of_bytes, expected in ((2, True), (4, True), (8, False)):
        there = SimpleNamespace(is_cuda=True, element_size=lambda size=number_of_bytes: size)
        assert has_kernels(there) is expected


def compile_the_kernels():
    """What Triton would do on a graphics processor, up to the machine code, in a process without the interpreter."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    kinds = {"int": "i32", "float": "fp32", "torch.float32": "*fp32", "torch.bool": "*i1"}

    def compile_only(kernel, shape, *arguments, **constants):
        values = dict(zip(kernel.arg_names, [7, 8, 9, *arguments], strict=False))
        types = {name: kinds.get(str(getattr(v, "dtype", type(v).__name__))) for name, v in values.items()}
        constants |= {"BLOCK": kernels.BLOCK} | {name: None for name, kind in types.items() if kind is None}
        source = ASTSource(kernel, types | dict.fromkeys(constants, "constexpr"), constants)
        for generation in (80, 90):
            target = GPUTarget("cuda", generation, 32)
            made = triton.compile(source, target=target, options={"enable_fp_fusion": False}).asm
            assert len(made["cubin"]) > 1000 and "fma" not in made["ptx"]
            print(kernel.__name__, generation)

    kernels._launch = compile_only
    for rule, *options in SWITCHES:
        kernels.short_run(*KERNELS, "cpu", rule, *options)


def test_the_kernels_compile_for_graphics_processors():
    """If this fails, Triton's compiler refuses a kernel that its interpreter runs, and no user's GPU gets it."""
    environment = os.environ | {"TRITON_INTERPRET": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", "import test_kernels; test_kernels.compile_the_kernels()"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    each = [f"{kernel} {generation}" for kernel in ("_forward", "_backward") for generation in (80, 90)]
    assert done.stdout.splitlines() == each * len(SWITCHES)

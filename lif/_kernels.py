r"""The two loops of `lif.dynamics.simulate_lif` as one kernel each, for PyTorch on a graphics processor.

A loop in Python starts some ten operations in every step, each of which moves the state through memory; on a graphics
processor starting them takes far longer than the arithmetic. Here a thread takes a few neurons through the whole
sequence, with their state in registers: what is read are the currents, what is written are the potentials, once.

The loops of `lif.dynamics`, which run everywhere, are the reference. Both say the same, to the last digit: products
and sums are not fused. Before a rule is first trusted to the kernels, a short sequence is run both ways on the device
in question (`trusted`); where the two disagree, or Triton cannot compile, there is a warning and the reference is used.
Recurrent connections, a matrix product in every step, and double precision keep to the reference.
"""

import functools
import math
import warnings

import torch
import triton
import triton.language as tl

from . import _backend
from ._backend import LARGEST_POTENTIAL, as_state

BLOCK = 128  # neurons of a program: a warp of 32 threads takes 32 of them at once
ALL = tl.constexpr(tl.PropagateNan.ALL)
LARGEST = tl.constexpr(_backend.LARGEST)
LARGEST_GRADIENT = tl.constexpr(_backend.LARGEST_GRADIENT)


@triton.jit
def _clip(y, low, high):
    return tl.minimum(tl.maximum(y, low, propagate_nan=ALL), high, propagate_nan=ALL)


@triton.jit
def _where_positive(y, z):
    return tl.where(z <= 0.0, 0.0, y)


@triton.jit
def _after_reset(v, spiked, threshold, RESET: tl.constexpr):
    if RESET == "zero":
        v = tl.where(spiked, 0.0, v)
    if RESET == "subtract":
        v = tl.where(spiked, v - threshold, v)
    return v


@triton.jit
def _neurons(size, steps, units, BLOCK: tl.constexpr):
    """Indices of this program's neurons, which of them are valid, and the offset of the first step of each."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    return i, i < size, (i // units).to(tl.int64) * steps * units + i % units


@triton.jit
def _forward(
    size, steps, units, x, decay, mask, start, wait_start, potential, is_open, end, wait_end,
    threshold, lowest, highest, refractory,
    RESET: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """`wait_start`: the closed steps to come; `None` where no step is ever closed. `mask`: `None` for none."""
    i, valid, at = _neurons(size, steps, units, BLOCK)
    d, v = tl.load(decay + i % units, valid), tl.load(start + i, valid)
    if wait_start is not None:
        wait = tl.load(wait_start + i, valid)
    for t in range(steps):
        u = _clip(d * v + tl.load(x + at, valid), lowest, highest)
        spiked = u >= threshold
        if wait_start is not None:
            now = wait < 0.5
            next_wait = tl.maximum(wait - 1.0, 0.0)
            if mask is not None:
                awake = tl.load(mask + (i // units).to(tl.int64) * steps + t, valid)
                now, next_wait = now & awake, tl.where(awake, next_wait, wait)
            u = tl.where(now, u, v)
            spiked = now & spiked
            wait = next_wait + tl.where(spiked, refractory, 0.0)
            tl.store(is_open + at, now, valid)
        tl.store(potential + at, u, valid)
        v = _after_reset(u, spiked, threshold, RESET)
        at += units
    tl.store(end + i, v, valid)
    if wait_start is not None:
        tl.store(wait_end + i, wait, valid)


@triton.jit
def _backward(
    size, steps, units, e, e_potential, slope_at, potential, is_open, decay, start, d_end,
    x_gradient, leak_sum, d_start, threshold, floor,
    RESET: tl.constexpr, DETACHED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """`None` stands for what there is not: `e_potential`, `is_open`, `floor`, `leak_sum`."""
    i, valid, first = _neurons(size, steps, units, BLOCK)
    at = first + (steps - 1) * units
    d, d_after = tl.load(decay + i % units, valid), tl.load(d_end + i, valid)
    m, total = tl.zeros_like(d_after), tl.zeros_like(d_after)
    for _ in range(steps):
        v, slope = tl.load(potential + at, valid), tl.load(slope_at + at, valid)
        spiked = v >= threshold
        if is_open is not None:
            now = tl.load(is_open + at, valid)
            slope, spiked = tl.where(now, slope, 0.0), now & spiked
        if leak_sum is not None:
            total -= _clip(m * _after_reset(v, spiked, threshold, RESET), -LARGEST, LARGEST)
        kept = _where_positive(d_after, threshold - v) if RESET == "zero" else d_after
        g = tl.load(e + at, valid) * slope + kept
        if e_potential is not None:
            g += tl.load(e_potential + at, valid)
        if RESET != "none" and not DETACHED:
            lost = d_after * (v if RESET == "zero" else threshold) * slope
            g = _clip(g - lost, -LARGEST_GRADIENT, LARGEST_GRADIENT)
        m = _where_positive(g, v - floor) if floor is not None else g
        if is_open is not None:
            m = tl.where(now, m, 0.0)
            d_after = tl.where(now, d * m, g)
        else:
            d_after = d * m
        tl.store(x_gradient + at, m, valid)
        at -= units
    tl.store(d_start + i, d_after, valid)
    if leak_sum is not None:
        total -= _clip(m * tl.load(start + i, valid), -LARGEST, LARGEST)
        tl.store(leak_sum + i, total, valid)


def forward_pass(x, leak, kernel, rule, mask, state):
    """As `lif.dynamics` does it."""
    x, start, wait, mask = map(_contiguous, (as_state(x), state.potential, state.wait, mask))
    potential, end = torch.empty_like(x), torch.empty_like(start)
    is_open = None if wait is None else torch.empty_like(x, dtype=torch.bool)
    wait_end = None if wait is None else torch.empty_like(wait)
    lowest = -LARGEST_POTENTIAL if rule.floor is None else float(rule.floor)
    constants = float(rule.threshold), lowest, LARGEST_POTENTIAL, float(rule.refractory)
    tensors = x, _decay(leak, start), mask, start, wait, potential, is_open, end, wait_end
    _launch(_forward, x.shape, *tensors, *constants, RESET=rule.reset)
    return potential, is_open, state._replace(potential=end, wait=wait_end)


def backward_pass(e, e_potential, e_after, potential, is_open, leak, kernel, rule, leak_gradient, start):
    """As `lif.dynamics` does it; the surrogate derivative, any function, is taken of all steps at once."""
    e, e_potential = (None if y is None else as_state(y).contiguous() for y in (e, e_potential))
    slope = rule.surrogate(potential - rule.threshold).contiguous()
    before = start.potential.contiguous()
    zeros = torch.zeros_like(before)
    d_end = e_after.potential.contiguous() if e_after else zeros
    x_gradient, d_start = torch.empty_like(potential), torch.empty_like(zeros)
    leak_sum = torch.empty_like(zeros) if leak_gradient else None
    tensors = e, e_potential, slope, potential, is_open, _decay(leak, before), before, d_end
    outputs = x_gradient, leak_sum, d_start
    floor = None if rule.floor is None else float(rule.floor)
    options = {"RESET": rule.reset, "DETACHED": rule.detach_reset}
    _launch(_backward, potential.shape, *tensors, *outputs, float(rule.threshold), floor, **options)
    return x_gradient, leak_sum if leak_gradient else zeros, start._replace(potential=d_start, wait=None)


def _contiguous(y):
    return None if y is None else y.contiguous()


def _decay(leak, state):
    return (1.0 - leak.to(state.dtype)).expand(state.shape[1:]).contiguous()


def _launch(kernel, shape, first, *others, **constants):
    batch, steps, *units = shape
    size = batch * math.prod(units)
    with torch.cuda.device_of(first):
        kernel[(triton.cdiv(size, BLOCK),)](
            size, steps, math.prod(units), first, *others, **constants, BLOCK=BLOCK, enable_fp_fusion=False
        )


@functools.cache
def trusted(reference, device, rule, masked, leak_gradient):
    """Whether the kernels agree with the reference on this device; what each says of a short sequence is compared.

    `reference` is `(at_rest, forward_pass, backward_pass)` of `lif.dynamics`.
    """
    at_rest, *passes = reference
    try:
        expected = short_run(at_rest, *passes, device, rule, masked, leak_gradient)
        found = short_run(at_rest, forward_pass, backward_pass, device, rule, masked, leak_gradient)
        torch.testing.assert_close(found, expected)
    except Exception as error:  # whatever a compiler or a driver raises
        warnings.warn(
            f"The kernels of lif cannot be used on {device}, so its loops over time run step by step, which is slower. "
            f"{type(error).__name__}: {error}",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    return True


def short_run(at_rest, forward_pass, backward_pass, device, rule, masked, leak_gradient):
    """Potential, open steps, the state at the end and the gradients of a few random neurons."""
    generator = torch.Generator("cpu").manual_seed(0)

    def random(*shape):
        return torch.rand(shape, generator=generator, dtype=torch.float32, device="cpu").to(device)

    scale = rule.threshold if math.isfinite(rule.threshold) else 1.0
    x, leak, mask = scale * (2.0 * random(3, 9, 50) - 0.5), 0.5 * random(50), random(3, 9) > 0.2
    start = at_rest(scale * random(3, 50), False, rule.refractory, masked)
    if start.wait is not None:
        start = start._replace(wait=torch.floor(2.0 * random(3, 50)))
    potential, is_open, after = forward_pass(x, leak, None, rule, mask if masked else None, start)
    e, e_potential = random(3, 9, 50), random(3, 9, 50)
    e_after = at_rest(random(3, 50), False, rule.refractory, masked)
    gradients = backward_pass(
        e, e_potential, e_after, potential, is_open, leak, None, rule, leak_gradient, start
    )
    return [y for y in (potential, is_open, *after, *gradients[:2], *gradients[2]) if y is not None]

r"""The two loops of `lif.dynamics.lif` as one kernel each, for PyTorch on a graphics processor.

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

from . import dynamics

BLOCK = 128  # neurons of a program: a warp of 32 threads takes 32 of them at once
ALL = tl.constexpr(tl.PropagateNan.ALL)
LARGEST = tl.constexpr(dynamics.LARGEST)
LARGEST_GRADIENT = tl.constexpr(dynamics.LARGEST_GRADIENT)


@triton.jit
def _clip(y, low, high):
    return tl.minimum(tl.maximum(y, low, propagate_nan=ALL), high, propagate_nan=ALL)


@triton.jit
def _gate(y, z):
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
    """The neurons of this program, those that there are, and where the first step of each stands."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    return i, i < size, (i // units).to(tl.int64) * steps * units + i % units


@triton.jit
def _forward(
    size, steps, units, x, decay, mask, start, count_start, potential, is_open, end, count_end,
    threshold, lowest, highest, refractory,
    RESET: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """`count_start`: the closed steps to come; `None` where no step is ever closed. `mask`: `None` for none."""
    i, there, at = _neurons(size, steps, units, BLOCK)
    d, v = tl.load(decay + i % units, there), tl.load(start + i, there)
    if count_start is not None:
        count = tl.load(count_start + i, there)
    for t in range(steps):
        p = _clip(d * v + tl.load(x + at, there), lowest, highest)
        spiked = p >= threshold
        if count_start is not None:
            now = count < 0.5
            waited = tl.maximum(count - 1.0, 0.0)
            if mask is not None:
                awake = tl.load(mask + (i // units).to(tl.int64) * steps + t, there)
                now, waited = now & awake, tl.where(awake, waited, count)
            p = tl.where(now, p, v)
            spiked = now & spiked
            count = waited + tl.where(spiked, refractory, 0.0)
            tl.store(is_open + at, now, there)
        tl.store(potential + at, p, there)
        v = _after_reset(p, spiked, threshold, RESET)
        at += units
    tl.store(end + i, v, there)
    if count_start is not None:
        tl.store(count_end + i, count, there)


@triton.jit
def _backward(
    size, steps, units, e, e_potential, slope, potential, is_open, decay, start, through_end,
    x_gradient, leak_sum, through_start, threshold, floor,
    RESET: tl.constexpr, DETACHED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """`None` stands for what there is not: `e_potential`, `is_open`, `floor`, `leak_sum`."""
    i, there, first = _neurons(size, steps, units, BLOCK)
    at = first + (steps - 1) * units
    d, through = tl.load(decay + i % units, there), tl.load(through_end + i, there)
    m, total = tl.zeros_like(through), tl.zeros_like(through)
    for _ in range(steps):
        v, rise = tl.load(potential + at, there), tl.load(slope + at, there)
        spiked = v >= threshold
        if is_open is not None:
            now = tl.load(is_open + at, there)
            rise, spiked = tl.where(now, rise, 0.0), now & spiked
        if leak_sum is not None:
            total -= _clip(m * _after_reset(v, spiked, threshold, RESET), -LARGEST, LARGEST)
        kept = _gate(through, threshold - v) if RESET == "zero" else through
        g = tl.load(e + at, there) * rise + kept
        if e_potential is not None:
            g += tl.load(e_potential + at, there)
        if RESET != "none" and not DETACHED:
            lost = through * (v if RESET == "zero" else threshold) * rise
            g = _clip(g - lost, -LARGEST_GRADIENT, LARGEST_GRADIENT)
        m = _gate(g, v - floor) if floor is not None else g
        if is_open is not None:
            m = tl.where(now, m, 0.0)
            through = tl.where(now, d * m, g)
        else:
            through = d * m
        tl.store(x_gradient + at, m, there)
        at -= units
    tl.store(through_start + i, through, there)
    if leak_sum is not None:
        total -= _clip(m * tl.load(start + i, there), -LARGEST, LARGEST)
        tl.store(leak_sum + i, total, there)


def simulate(x, leak, kernel, rule, mask, state):
    """As `lif.dynamics` does it."""
    x = dynamics.as_state(x).contiguous()
    start, count = (*(y.contiguous() for y in state), None)[:2]
    potential, end = torch.empty_like(x), torch.empty_like(start)
    is_open = None if count is None else torch.empty_like(x, dtype=torch.bool)
    count_end = None if count is None else torch.empty_like(count)
    mask = None if mask is None else mask.contiguous()
    lowest = -dynamics.LARGEST_POTENTIAL if rule.floor is None else float(rule.floor)
    constants = float(rule.threshold), lowest, dynamics.LARGEST_POTENTIAL, float(rule.refractory)
    tensors = x, _decay(leak, start), mask, start, count, potential, is_open, end, count_end
    _launch(_forward, x.shape, *tensors, *constants, RESET=rule.reset)
    return potential, is_open, (end,) if count is None else (end, count_end)


def backpropagate(gradients, potential, is_open, leak, kernel, rule, leak_gradient, start, after_gradient):
    """As `lif.dynamics` does it; the surrogate derivative, any function, is taken of all steps at once."""
    e, e_potential = (*(dynamics.as_state(y).contiguous() for y in gradients), None)[:2]
    slope = rule.surrogate(potential - rule.threshold).contiguous()
    before = start[0].contiguous()
    zeros = torch.zeros_like(before)
    through_end = after_gradient[0].contiguous() if after_gradient else zeros
    x_gradient, through_start = torch.empty_like(potential), torch.empty_like(zeros)
    leak_sum = torch.empty_like(zeros) if leak_gradient else None
    tensors = e, e_potential, slope, potential, is_open, _decay(leak, before), before, through_end
    made = x_gradient, leak_sum, through_start
    floor = None if rule.floor is None else float(rule.floor)
    options = {"RESET": rule.reset, "DETACHED": rule.detach_reset}
    _launch(_backward, potential.shape, *tensors, *made, float(rule.threshold), floor, **options)
    return x_gradient, leak_sum if leak_gradient else zeros, (through_start, zeros)


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
def trusted(device, rule, masked, leak_gradient):
    """Whether the kernels agree with the reference on this device; what each says of a short sequence is compared."""
    try:
        reference = _short_run(
            dynamics._simulate, dynamics._backpropagate, device, rule, masked, leak_gradient
        )
        found = _short_run(simulate, backpropagate, device, rule, masked, leak_gradient)
        torch.testing.assert_close(found, reference)
    except Exception as error:  # whatever a compiler or a driver raises
        warnings.warn(
            f"The kernels of lif cannot be used on {device}, so its loops over time run step by step, which is slower. "
            f"{type(error).__name__}: {error}",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    return True


def _short_run(simulate, backpropagate, device, rule, masked, leak_gradient):
    generator = torch.Generator("cpu").manual_seed(0)

    def random(*shape):
        return torch.rand(shape, generator=generator, dtype=torch.float32, device="cpu").to(device)

    scale = rule.threshold if math.isfinite(rule.threshold) else 1.0
    x, leak, mask = scale * (2.0 * random(3, 9, 50) - 0.5), 0.5 * random(50), random(3, 9) > 0.2
    start = scale * random(3, 50), *[torch.floor(2.0 * random(3, 50))] * (masked or rule.refractory > 0)
    potential, is_open, after = simulate(x, leak, (), rule, mask if masked else None, start)
    gradients, later = (random(3, 9, 50), random(3, 9, 50)), (random(3, 50), random(3, 50))
    gradients = backpropagate(gradients, potential, is_open, leak, (), rule, leak_gradient, start, later)
    return potential, is_open, after, gradients

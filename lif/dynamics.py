r"""The update rules over a whole sequence, as pure functions, each with its backward pass written by hand.

Time is axis 1 and is looped over here and nowhere else. With decay $d = 1 - \lambda$ the rule of a leaky
integrate-and-fire neuron is

$$
u_t = d\, \bar v_{t-1} + x_t, \qquad v_t = \max(\text{floor}, u_t), \qquad
s_t = \Theta(v_t - \vartheta), \qquad \bar v_t = \text{reset}(v_t, s_t),
$$

where $\bar v_t$ is the potential after the reset and $\bar v_{-1} = 0$. In a step that is *closed*, because the neuron
is refractory or the step is masked, the neuron is frozen: $v_t = \bar v_{t-1}$, $s_t = 0$.

Let $e_t = \partial L / \partial s_t$ and $\sigma'_t$ be the surrogate derivative at $v_t - \vartheta$. Backpropagation
through time is then one linear recurrence, run from the last step to the first:

$$
G_t = e_t\, \sigma'_t + \frac{\partial \bar v_t}{\partial v_t}\, d\, m_{t+1}, \qquad
m_t = \frac{\partial L}{\partial x_t} = [v_t > \text{floor}]\, G_t, \qquad
\frac{\partial L}{\partial \lambda} = - \sum_t m_{t+1}\, \bar v_t ,
$$

with $\partial \bar v_t / \partial v_t$ equal to $1 - s_t$ (reset to zero), $1$ (subtraction) or $1$ (no reset); when
the reset is not detached, $v_t \sigma'_t$ or $\vartheta \sigma'_t$ is taken off for the first two. A closed step
passes the gradient on unchanged.

With recurrent connections $W$ the current is $x_t + s_{t-1} W$. Then $e_t$ grows by $m_{t+1} W^\top$, and
$\partial L / \partial W = \sum_t s_{t-1}^\top m_t$ is one matrix product after the loop.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from keras import backend, ops

from ._backend import (
    Tensor,
    batch_first,
    compiled_once,
    custom_gradient,
    exported_to,
    gate,
    kernels_for,
    scan,
    with_pullback,
)

RESETS = ("zero", "subtract", "none")

# Huge numbers are cut: then their products and sums are finite, and inf - inf, which is NaN, cannot arise.
LARGEST = 1e30  # of a term of many
LARGEST_GRADIENT = 1e38  # through an attached reset
LARGEST_POTENTIAL = 3e38  # of float32

State = tuple[Tensor, ...]


class Rule(NamedTuple):
    """The constants of the update rule; see `lif`."""

    surrogate: Callable
    threshold: float = 1.0
    reset: str = "zero"
    refractory: int = 0
    floor: float | None = 0.0
    detach_reset: bool = True


@compiled_once("rule", "return_potential", "leak_gradient")
def lif(
    x: Tensor,
    leak: Tensor,
    rule: Rule,
    recurrent_kernel: Tensor | None = None,
    return_potential: bool = False,
    leak_gradient: bool = True,
    mask: Tensor | None = None,
    state: State | None = None,
) -> Tensor | tuple[Tensor, ...]:
    """Simulate leaky integrate-and-fire neurons over a whole sequence.

    The rule and its gradient stand at the head of this module. Half-precision currents are integrated in float32,
    because a potential near 1 cannot take up the small steps of a slow leak in 8 or 11 bits; the outputs have the
    dtype of the currents. A neuron to which a current, a weight or a leak is no number (NaN) answers NaN in every step,
    lest a network that has diverged looks silent and healthy.

    Args:
        x: Input currents, shape `(batch, time, *units)`, in units of the potential per step.
        leak: Leak per step in [0, 1], a tensor that broadcasts against `units`.
        rule: `Rule(surrogate, threshold, reset, refractory, floor, detach_reset)`. `surrogate` maps `v - threshold`
            to the derivative used for the spike; `reset` is `"zero"`, `"subtract"` or `"none"`; `refractory` is the
            number of closed steps after a spike; `floor` is the lowest potential or `None`.
        recurrent_kernel: Weights $W$ from each unit of the last axis to each, shape `(units, units)`, or `None`.
        return_potential: Whether to return `(spikes, potential)` rather than `spikes`.
        leak_gradient: Whether `leak` needs a gradient; `False` saves the work and makes it zero.
        mask: Boolean, shape `(batch, time)`; steps where it is `False` are closed.
        state: State before the first step, from `at_rest` or an earlier call; `None` is rest.

    Returns:
        Spikes (0 or 1), shape `(batch, time, *units)`; with `return_potential` also the potential before the reset;
        with a `state` also the state after the last step.
    """
    dtype = backend.standardize_dtype(x.dtype)

    # Arguments, not names from outside: JAX cannot differentiate a function that refers to traced tensors.
    masks = () if mask is None else (ops.cast(mask, "float32"),)
    kernels = () if recurrent_kernel is None else (ops.convert_to_tensor(recurrent_kernel),)

    def forward(x, leak, *more):
        mask = more[0] > 0 if masks else None
        kernel, before = more[len(masks) :][: len(kernels)], more[len(masks) + len(kernels) :]
        zeros = ops.zeros_like(as_state(x[:, 0]))
        start = before or at_rest(zeros, bool(kernel), rule.refractory, bool(masks))
        simulate, backpropagate = _loops(x, rule, kernel, mask is not None, leak_gradient)
        potential, is_open, after = simulate(x, leak, kernel, rule, mask, start)
        spikes = batch_first(_and(is_open, potential >= rule.threshold))
        poison = _poison(x, mask, leak, *kernel, *before[:1])
        outputs = (spikes, batch_first(potential)) if return_potential else (spikes,)

        def backward(*gradients):
            e, after_gradient = gradients[: len(outputs)], gradients[len(outputs) :]
            x_gradient, leak_gradients, start_gradient = backpropagate(
                e, potential, is_open, leak, kernel, rule, leak_gradient, start, after_gradient
            )
            kernel_gradient = [
                ops.cast(
                    _correlate(spikes[:, :-1], x_gradient[:, 1:]) + _correlate(start[1], x_gradient[:, 0]),
                    w.dtype,
                )
                for w in kernel
            ]
            no_gradient = [ops.zeros_like(m) for m in more[: len(masks)]]
            return (
                ops.cast(x_gradient, dtype),
                _sum_to(leak_gradients, leak),
                *no_gradient,
                *kernel_gradient,
                *start_gradient[: len(before)],
            )

        return (
            *(ops.cast(y, dtype) + ops.cast(poison, dtype) for y in outputs),
            *(after if before else ()),
        ), backward

    outputs = custom_gradient(forward, x, leak, *masks, *kernels, *(state or ()))
    count = 1 + return_potential
    result = tuple(outputs[:count]) if state is None else (*outputs[:count], tuple(outputs[count:]))
    return result if len(result) > 1 else result[0]


def leaky_integrate(
    x: Tensor,
    leak: Tensor,
    floor: float | None = None,
    leak_gradient: bool = True,
    mask: Tensor | None = None,
    state: State | None = None,
) -> Tensor | tuple[Tensor, State]:
    r"""Leaky sum without spikes, $v_t = \max(\text{floor}, (1 - \lambda) v_{t-1} + x_t)$.

    It is a LIF neuron whose threshold is out of reach.

    Args:
        x, leak, floor, leak_gradient, mask, state: As for `lif`.

    Returns:
        Potential, shape `(batch, time, *units)`; with a `state` also the state after the last step.
    """
    rule = Rule(surrogate=ops.zeros_like, threshold=float("inf"), reset="none", floor=floor)
    options = {"return_potential": True, "leak_gradient": leak_gradient, "mask": mask, "state": state}
    _, potential, *after = lif(x, leak, rule, **options)
    return (potential, *after) if after else potential


def at_rest(zeros: Tensor, recurrent: bool, refractory: int, masked: bool) -> State:
    """State of `lif` before the first step: the potential, the spikes of the step before, the closed steps to come.

    Args:
        zeros: Zeros of shape `(batch, *units)`, float32 or float64.
        recurrent: Whether there is a recurrent kernel; else the spikes are left out.
        refractory: Number of closed steps after a spike; where it is 0 and nothing is masked, their number is left out.
        masked: Whether there is a mask.
    """
    return (zeros,) * (1 + recurrent + (refractory > 0 or masked))


def in_blocks(
    advance: Callable,
    at_rest: Callable,
    x: Tensor,
    weights: tuple[Tensor, ...],
    every: int,
    mask: Tensor | None = None,
) -> Tensor:
    """Run a network over a sequence; keep only its input, and its state every so many steps, for the backward pass.

    The backward pass takes one block after the other, from the last to the first. It runs the network over the block
    again, from the state that was kept, takes the gradient back through it, and forgets it.

    Args:
        advance: Function of `(x, mask, state, weights)` that runs the network over some steps. Returns its output in
            each, shape `(batch, time, ...)`, and the state after them.
        at_rest: Function of the batch size that returns the state before the first step, a tuple of tensors.
        x: Input, shape `(batch, time, *units)`.
        weights: Tensors to differentiate with respect to, beside `x`.
        every: Number of steps of a block.
        mask: Boolean, shape `(batch, time)`, or `None`.

    Returns:
        The output of the network in each step.
    """
    if exported_to():  # a file has no backward pass
        return advance(x, mask, tuple(at_rest(ops.shape(x)[0])), weights)[0]
    masks = () if mask is None else (ops.cast(mask, "float32"),)

    def run(x, masks, state, weights):
        y, after = advance(x, masks[0] > 0 if masks else None, state, weights)
        return (y, *after)

    def forward(x, *others):
        masks_, weights = others[: len(masks)], others[len(masks) :]
        state = tuple(at_rest(ops.shape(x)[0]))
        zeros = tuple(ops.zeros_like(w) for w in weights)

        def block(state, inputs):
            y, *after = run(inputs[0], inputs[1:], state, weights)
            return tuple(after), (y, *state)

        _, (y, *states) = _scan_blocks(block, state, (x, *masks_), every)

        def backward(e):
            def block(carry, inputs):
                gradients, sums = carry
                x, *masks_ = inputs[: 1 + len(masks)]
                e, *state = inputs[1 + len(masks) :]

                def outputs(x, *others):
                    return run(x, masks_, others[: len(state)], others[len(state) :])

                _, pullback = with_pullback(outputs, x, *state, *weights)
                x_gradient, *others = pullback(e, *gradients)
                sums = tuple(a + b for a, b in zip(sums, others[len(state) :], strict=True))
                return (tuple(others[: len(state)]), sums), (x_gradient,)

            carry = (state, zeros)  # both zero: nothing comes after the last step
            (_, sums), (x_gradient,) = _scan_blocks(block, carry, (x, *masks_, e), every, tuple(states))
            return (x_gradient, *(ops.zeros_like(m) for m in masks_), *sums)

        return (y,), backward

    return custom_gradient(forward, x, *masks, *weights)[0]


def _scan_blocks(step, carry, sequences, every, collected=()):
    """`scan` over blocks of steps, backwards over what an earlier one collected; the first output is a sequence."""
    steps = ops.shape(sequences[0])[1]
    missing = -steps % every

    def blocks(x):
        batch, _, *units = ops.shape(x)
        if not isinstance(missing, int) or missing:
            x = ops.concatenate([x, ops.zeros((batch, missing, *units), x.dtype)], axis=1)
        return ops.reshape(x, (-1, (steps + missing) // every, every, *units))

    sequences = tuple(blocks(x) for x in sequences)
    # One in each turn: several would be held in memory together.
    carry, (y, *more) = scan(step, carry, sequences, collected, reverse=bool(collected), at_once=1)
    y = batch_first(y)
    return carry, (ops.reshape(y, (-1, steps + missing, *ops.shape(y)[3:]))[:, :steps], *more)


class CoarseRule(NamedTuple):
    """The constants of `coarse_lif`."""

    surrogate: Callable
    decay: float
    input_gain: float
    reset_gain: float
    detach_reset: bool = False


@compiled_once("rule")
def coarse_lif(x: Tensor, rule: CoarseRule, mask: Tensor | None = None) -> Tensor:
    r"""Simulate LIF neurons on a time step as long as their refractory period.

    $$
    v_t = (1 - s_{t-1})\,(a\, v_{t-1} + b\, x_t) + s_{t-1}\, c\, x_t, \qquad s_t = \Theta(v_t - 1), \qquad
    v_0 = s_0 = 0 .
    $$

    With $e_t = \partial L / \partial s_t$ and the surrogate derivative $\sigma'_t$ at $v_t - 1$, the gradient
    $G_t = \partial L / \partial v_t$ follows from the last step to the first,

    $$
    G_t = (1 - s_t)\, a\, G_{t+1} + \sigma'_t \bigl( e_t + G_{t+1}\, ((c - b)\, x_{t+1} - a\, v_t) \bigr), \qquad
    \frac{\partial L}{\partial x_t} = \bigl( b + (c - b)\, s_{t-1} \bigr)\, G_t .
    $$

    The term with $G_{t+1}$ in the second bracket is the gradient through the reset; it is left out when the reset is
    detached. As in `lif`, half-precision currents are integrated in float32. A masked step is left out: $v$ stays what
    it was, there is no spike, and the next step follows the one before. NaN is answered by NaN, as in `lif`.

    Args:
        x: Input currents, shape `(batch, time, *units)`, in units of the threshold per step.
        rule: `CoarseRule(surrogate, decay, input_gain, reset_gain, detach_reset)`, the constants $a$, $b$ and $c$.
        mask: Boolean, shape `(batch, time)`; steps where it is `False` are left out.

    Returns:
        Spikes (0 or 1), shape `(batch, time, *units)`, of the dtype of `x`.
    """
    dtype = backend.standardize_dtype(x.dtype)
    decay, input_gain, reset_gain = rule.decay, rule.input_gain, rule.reset_gain

    masks = () if mask is None else (ops.cast(mask, "float32"),)

    def forward_step(carry, inputs):
        v, (x, *is_open) = carry[0], inputs
        current = ops.clip(as_state(x), -LARGEST, LARGEST)
        after = gate(decay * v + input_gain * current, 1.0 - v) + _spikes(v) * (reset_gain * current)
        v = _if(is_open[0] if is_open else None, after, v)
        return (v,), (v,)

    def backward_step(carry, inputs):
        g_next, x_next = carry  # both of the step that follows
        x, e, *is_open, v = inputs
        is_open = is_open[0] if is_open else None
        current, e = ops.clip(as_state(x), -LARGEST, LARGEST), as_state(e)
        if not rule.detach_reset:
            what_a_spike_changes = (reset_gain - input_gain) * x_next - decay * v
            e = e + ops.clip(g_next * what_a_spike_changes, -LARGEST, LARGEST)
        g = gate(decay * g_next, 1.0 - v) + rule.surrogate(v - 1.0) * e
        g = ops.clip(g, -LARGEST, LARGEST)
        return (_if(is_open, g, g_next), _if(is_open, current, x_next)), (_if(is_open, g, 0.0),)

    def forward(x, *masks):
        zeros = ops.zeros_like(as_state(x[:, 0]))
        is_open = tuple(_beside(x, mask > 0) for mask in masks)
        _, (potential,) = scan(forward_step, (zeros,), (x, *is_open))
        spiked = _spikes(batch_first(potential))
        spikes = _if(is_open[0] if is_open else None, spiked, 0.0)

        def backward(spike_gradient):
            _, (g,) = scan(
                backward_step, (zeros, zeros), (x, spike_gradient, *is_open), (potential,), reverse=True
            )
            spiked_before = ops.concatenate([ops.zeros_like(spiked[:, :1]), spiked[:, :-1]], axis=1)
            x_gradient = (input_gain + (reset_gain - input_gain) * spiked_before) * batch_first(g)
            return (ops.cast(x_gradient, dtype), *(ops.zeros_like(mask) for mask in masks))

        return (
            ops.cast(spikes, dtype) + ops.cast(_poison(x, masks[0] > 0 if masks else None), dtype),
        ), backward

    return custom_gradient(forward, x, *masks)[0]


def run(
    step: Callable[[Tensor, State], tuple[Tensor, State]], current: Tensor, state: State
) -> tuple[Tensor, State]:
    """Advance neurons of any kind, whose one step is given, without a gradient.

    Args:
        step: Function of the current of one step, shape `(batch, *units)`, and a tuple of tensors, the state. Returns
            the spikes, 0 or 1, and the next state.
        current: Current in each step, shape `(batch, time, *units)`.
        state: State before the first step, a tuple of tensors of shape `(batch, *units)`.

    Returns:
        `(spikes, state)`: 0 or 1 in each step, shape `(batch, time, *units)`, and the state after the last.
    """

    def next_step(state, inputs):
        spikes, state = step(inputs[0], state)
        return tuple(state), (spikes,)

    state, (spikes,) = scan(next_step, tuple(ops.convert_to_tensor(y) for y in state), (current,))
    return batch_first(spikes), state


def spike_exactly(
    current: Tensor, voltage: Tensor, wait: Tensor, dt: float, tau: float, refractory: float
) -> tuple[Tensor, State]:
    r"""One step of LIF neurons, the exact solution of $\tau\, dV/dt = -V + j$ for a current constant within the step.

    A neuron that has `wait` left of its refractory period integrates for the rest of the step only,

    $$ V \leftarrow \max\bigl(0,\; j + (V - j)\, e^{-(\Delta t - \text{wait})/\tau} \bigr) . $$

    If that exceeds the threshold 1, the threshold was crossed $-\tau \ln\bigl(1 - \frac{V - 1}{j - 1}\bigr)$ before the
    step's end. The refractory period is counted from then, the potential is set to 0. Where the period ended before the
    step did, `wait` is negative and the next integration begins so much earlier. At most one spike fits into a step.

    Args:
        current: $j$ in this step, shape `(batch, *units)`, in units of the threshold.
        voltage, wait: State before the step, of the same shape; zeros for neurons at rest.
        dt, tau, refractory: Length of a step, membrane time constant, refractory period, in one unit of time.

    Returns:
        `(spikes, (voltage, wait))`: 0 or 1, and the state after the step.
    """
    awake = ops.clip(dt - wait, 0.0, 2.0 * dt)
    v = ops.maximum(voltage + (voltage - current) * ops.expm1(-awake / tau), 0.0)
    spiked = v > 1.0
    # j > 1 wherever a spike is; rounding must not take the logarithm of a number <= 0.
    beyond = ops.clip((v - 1.0) / ops.where(spiked, current - 1.0, 1.0), 0.0, 1.0 - 1e-6)
    since = ops.minimum(-tau * ops.log1p(-beyond), awake)
    wait = ops.where(spiked, ops.maximum(refractory - since, -dt), ops.maximum(wait - dt, 0.0))
    return ops.cast(spiked, v.dtype), (ops.where(spiked, 0.0, v), wait)


def alpha_synapse(
    x: Tensor, first: Tensor, second: Tensor, step_over_tau: float
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Filter with $h(t) = t / \tau_s^2\, e^{-t/\tau_s}$, exactly for an input that is constant in each step.

    The filter is two equal low-pass filters in a row; their response to a constant is that constant.

    Args:
        x: Input, shape `(batch, time, *units)`.
        first, second: State of the two filters before the first step, shape `(batch, *units)`.
        step_over_tau: Length of a step as a share of the time constant, $\Delta t / \tau_s$.

    Returns:
        `(output, first, second)`: the output at the end of each step, and the state after the last.
    """
    decay = math.exp(-step_over_tau)

    def step(carry, inputs):
        u = inputs[0]
        ahead, behind = carry[0] - u, carry[1] - u
        behind = u + decay * (behind + step_over_tau * ahead)
        return (u + decay * ahead, behind), (behind,)

    state = tuple(ops.convert_to_tensor(y) for y in (first, second))
    (first, second), (output,) = scan(step, state, (x,))
    return batch_first(output), first, second


def _loops(x, rule, recurrent, masked, leak_gradient):
    """The loops forward and backward: those below, or on a graphics processor the kernels that stand for them."""
    kernels = None if recurrent else kernels_for(x)
    if kernels and kernels.trusted(x.device, rule, masked, leak_gradient):
        return kernels.simulate, kernels.backpropagate
    return _simulate, _backpropagate


def _simulate(x, leak, kernel, rule, mask, state):
    """Forward pass, time first: the potential, which steps are open (`None`: all of them), and the state at the end."""
    decay = 1.0 - ops.cast(leak, state[0].dtype)
    has_closed_steps = len(state) > 1 + len(kernel)
    lowest = -LARGEST_POTENTIAL if rule.floor is None else rule.floor

    def step(carry, inputs):
        v, *more = carry
        p = decay * v + as_state(inputs[0])
        if kernel:
            p = p + ops.matmul(more[0], kernel[0])
        p = ops.clip(p, lowest, LARGEST_POTENTIAL)
        collect = (p,)
        if has_closed_steps:
            count = more[-1]
            awake = inputs[1] if mask is not None else None
            is_open = _and(awake, count < 0.5)
            p = _if(awake, gate(p, 0.5 - count) + gate(v, count - 0.5), v)
            s = ops.cast(ops.logical_and(is_open, p >= rule.threshold), v.dtype)
            # A spike finds the count at zero.
            more[-1] = _if(awake, ops.relu(count - 1.0), count) + rule.refractory * s
            v = _after_reset(p, s, rule)
            collect = (p, is_open)
        elif rule.reset == "zero":
            v = gate(p, rule.threshold - p)
        else:
            v = _after_reset(p, _spikes(p, rule.threshold), rule)
        if kernel:
            more[0] = s if has_closed_steps else _spikes(p, rule.threshold)
        return (v, *more), collect

    sequences = (x,) if mask is None else (x, _beside(x, mask))
    state, (potential, *is_open) = scan(step, state, sequences)
    return potential, is_open[0] if is_open else None, state


def _backpropagate(gradients, potential, is_open, leak, kernel, rule, leak_gradient, start, after_gradient):
    """Backward pass: the gradient of every input, of the leak in every neuron, and of the state at the start."""
    zeros = ops.zeros_like(start[0])
    decay = 1.0 - ops.cast(leak, zeros.dtype)
    has_closed_steps = is_open is not None

    def grow(leak_sum, m, v_before):
        return leak_sum - ops.clip(m * v_before, -LARGEST, LARGEST)

    def step(carry, inputs):
        # The gradients of the potential after the reset and of the spikes, as far as the next step uses them; its m.
        through, heard, m, leak_sum = carry
        e, *more = inputs[: len(gradients)]
        v, *now = inputs[len(gradients) :]
        is_open = ops.cast(now[0], v.dtype) if now else None
        missing = rule.threshold - v
        if leak_gradient:
            s = _where_open(is_open, _spikes(v, rule.threshold))
            leak_sum = grow(leak_sum, m, _after_reset(v, s, rule))
        kept = gate(through, missing) if rule.reset == "zero" else through  # all of it in a closed step
        slope = _where_open(is_open, rule.surrogate(-missing))
        e = as_state(e)
        if kernel:
            e = e + heard
        g = e * slope + kept
        if more:
            g = g + as_state(more[0])
        if not rule.detach_reset and rule.reset != "none":
            g = g - through * (v if rule.reset == "zero" else rule.threshold) * slope
            g = ops.clip(g, -LARGEST_GRADIENT, LARGEST_GRADIENT)
        m = _where_open(is_open, g if rule.floor is None else gate(g, v - rule.floor))
        through = decay * m + (1.0 - is_open) * g if has_closed_steps else decay * m
        heard = ops.matmul(m, ops.transpose(kernel[0])) if kernel else ()
        return (through, heard, m if leak_gradient else (), leak_sum), (m,)

    collected = (potential, is_open) if has_closed_steps else (potential,)
    through, *heard = after_gradient or (zeros,) * (1 + len(kernel))
    carry = (through, heard[0] if kernel else (), *((zeros, zeros) if leak_gradient else ((), ())))
    (through, heard, m, leak_sum), (x_gradient,) = scan(step, carry, gradients, collected, reverse=True)
    leak_sum = grow(leak_sum, m, start[0]) if leak_gradient else zeros
    start_gradient = (through, heard, zeros) if kernel else (through, zeros)
    return batch_first(x_gradient), leak_sum, start_gradient


def _poison(x, mask, *others):
    """What makes the outputs of a neuron NaN if it is given one: NaN or 0, shape `(batch, 1, *units)`.

    It is asked of the currents, since a comparison, and a compiler, may take a potential that is NaN for one below the
    threshold. A current in a masked step is not heard.
    """
    is_nan = ops.isnan(x) if mask is None else ops.logical_and(ops.isnan(x), _beside(x, mask))
    is_nan = ops.any(is_nan, axis=1, keepdims=True)
    for y in others:
        is_nan = ops.logical_or(is_nan, ops.any(ops.isnan(y)))
    return ops.where(is_nan, float("nan"), 0.0)


def _spikes(v, threshold=1.0):
    return ops.cast(v >= threshold, v.dtype)


def _after_reset(v, s, rule):
    """The potential `v` after the spikes `s`, which are 0 or 1. A product is faster than a choice."""
    if rule.reset == "none":
        return v
    return v * (1.0 - s) if rule.reset == "zero" else v - rule.threshold * s


def _beside(x, mask):
    """A mask of shape `(batch, time)` with as many axes as `x`."""
    return ops.reshape(mask, ops.shape(mask) + (1,) * (len(x.shape) - 2))


def _and(is_open, condition):
    return condition if is_open is None else ops.logical_and(is_open, condition)


def _where_open(is_open, y):
    return y if is_open is None else is_open * y


def _if(is_open, y, otherwise):
    return y if is_open is None else ops.where(is_open, y, otherwise)


def as_state(x):
    """Half precision becomes float32; a float16 current that overflowed to infinity becomes finite again."""
    dtype = backend.standardize_dtype(x.dtype)
    if dtype == "float16":
        return ops.clip(ops.cast(x, "float32"), -65504.0, 65504.0)
    return ops.cast(x, "float32") if dtype == "bfloat16" else x


def _correlate(spikes, m):
    """Sum over batch, time and all axes of units but the last of spikes^T m."""
    flat_spikes = ops.reshape(ops.cast(spikes, m.dtype), (-1, spikes.shape[-1]))
    return ops.matmul(ops.transpose(flat_spikes), ops.reshape(m, (-1, m.shape[-1])))


def _sum_to(gradient, leak):
    """Sum over the axes along which `leak` was broadcast."""
    extra = len(gradient.shape) - len(leak.shape)
    gradient = ops.sum(gradient, axis=tuple(range(extra)))
    axes = tuple(i for i, n in enumerate(leak.shape) if n == 1)
    return ops.cast(ops.sum(gradient, axis=axes, keepdims=True) if axes else gradient, leak.dtype)

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
from functools import partial
from typing import Any, NamedTuple

from keras import backend, ops

from ._backend import (
    LARGEST,
    LARGEST_GRADIENT,
    LARGEST_POTENTIAL,
    Tensor,
    as_state,
    batch_first,
    compiled_once,
    custom_gradient,
    exported_to,
    flatten,
    has_kernels,
    scan,
    where_positive,
    with_pullback,
)

RESETS = ("zero", "subtract", "none")


class State(NamedTuple):
    """What LIF neurons keep from one step to the next: tensors of shape `(batch, *units)`.

    Attributes:
        potential: The potential after the reset.
        spikes: The spikes of the step before, 0 or 1, which recurrent connections carry; `None` without them.
        wait: Closed steps still to come; `None` where no step is ever closed.
    """

    potential: Tensor
    spikes: Tensor | None = None
    wait: Tensor | None = None


class Rule(NamedTuple):
    """The constants of the update rule; see `simulate_lif`."""

    surrogate: Callable
    threshold: float = 1.0
    reset: str = "zero"
    refractory: int = 0
    floor: float | None = 0.0
    detach_reset: bool = True


@compiled_once("rule", "return_potential", "leak_gradient")
def simulate_lif(
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
    mask = None if mask is None else ops.cast(mask, "bool")

    # Arguments, not names from outside: JAX cannot differentiate a function that refers to traced tensors.
    def forward(x, leak, kernel, mask, state):
        start = state
        if state is None:
            zeros = ops.zeros_like(as_state(x[:, 0]))
            start = at_rest(zeros, kernel is not None, rule.refractory, mask is not None)
        forward_pass, backward_pass = _passes(x, rule, kernel, mask, leak_gradient)
        potential, is_open, after = forward_pass(x, leak, kernel, rule, mask, start)
        spikes = batch_first(_all_open(is_open, potential >= rule.threshold))
        nan = ops.cast(
            _propagate_nan(x, mask, (leak, kernel), None if state is None else start.potential), dtype
        )

        def backward(e, e_potential, e_after):
            x_gradient, leak_gradients, start_gradient = backward_pass(
                e, e_potential, e_after, potential, is_open, leak, kernel, rule, leak_gradient, start
            )
            gradients = {"x": ops.cast(x_gradient, dtype), "leak": _sum_to(leak_gradients, leak)}
            if kernel is not None:
                later = _correlate(spikes[:, :-1], x_gradient[:, 1:])
                first = _correlate(start.spikes, x_gradient[:, 0])
                gradients["kernel"] = ops.cast(later + first, kernel.dtype)
            return {**gradients, "state": None if state is None else start_gradient}

        return (
            ops.cast(spikes, dtype) + nan,
            ops.cast(batch_first(potential), dtype) + nan if return_potential else None,
            None if state is None else after,
        ), backward

    outputs = custom_gradient(forward, x=x, leak=leak, kernel=recurrent_kernel, mask=mask, state=state)
    outputs = tuple(y for y in outputs if y is not None)
    return outputs if len(outputs) > 1 else outputs[0]


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
        x, leak, floor, leak_gradient, mask, state: As for `simulate_lif`.

    Returns:
        Potential, shape `(batch, time, *units)`; with a `state` also the state after the last step.
    """
    rule = Rule(surrogate=ops.zeros_like, threshold=float("inf"), reset="none", floor=floor)
    options = {"return_potential": True, "leak_gradient": leak_gradient, "mask": mask, "state": state}
    _, potential, *after = simulate_lif(x, leak, rule, **options)
    return (potential, *after) if after else potential


def at_rest(zeros: Tensor, recurrent: bool, refractory: int, masked: bool) -> State:
    """State of `simulate_lif` before the first step.

    Args:
        zeros: Zeros of shape `(batch, *units)`, float32 or float64.
        recurrent: Whether there is a recurrent kernel.
        refractory: Number of closed steps after a spike.
        masked: Whether there is a mask.
    """
    return State(zeros, zeros if recurrent else None, zeros if refractory or masked else None)


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
        at_rest: Function of the batch size that returns the state before the first step: zeros in tuples.
        x: Input, shape `(batch, time, *units)`.
        weights: Tensors to differentiate with respect to, beside `x`.
        every: Number of steps of a block.
        mask: Boolean, shape `(batch, time)`, or `None`.

    Returns:
        The output of the network in each step.
    """
    if exported_to():  # a file has no backward pass
        return advance(x, mask, at_rest(ops.shape(x)[0]), weights)[0]

    def forward(x, mask, weights):
        start = at_rest(ops.shape(x)[0])
        _, pack = flatten(start)

        def block(state, inputs):
            x, mask = inputs
            y, after = advance(x, mask, state, weights)
            return after, (y, *flatten(state)[0])

        _, (y, *states) = _scan_blocks(block, start, (x, mask), every)

        def backward(e):
            def block(carry, inputs):
                (state_gradient, sums), (x, mask, e, *state) = carry, inputs
                network = partial(advance, mask=mask)
                _, pullback = with_pullback(network, x=x, state=pack(state), weights=weights)
                gradients = pullback((e, state_gradient))
                sums = tuple(a + b for a, b in zip(sums, gradients["weights"], strict=True))
                return (gradients["state"], sums), (gradients["x"],)

            carry = (start, tuple(ops.zeros_like(w) for w in weights))  # nothing comes after the last step
            (_, sums), (x_gradient,) = _scan_blocks(block, carry, (x, mask, e), every, tuple(states))
            return {"x": x_gradient, "weights": sums}

        return (y,), backward

    mask = None if mask is None else ops.cast(mask, "bool")
    return custom_gradient(forward, x=x, mask=mask, weights=weights)[0]


def _scan_blocks(step, carry, sequences, every, collected=()):
    """`scan` over blocks of steps, backwards over what an earlier one collected; the first output is a sequence."""
    steps = ops.shape(sequences[0])[1]
    missing = -steps % every

    def blocks(x):
        batch, _, *units = ops.shape(x)
        if not isinstance(missing, int) or missing:
            x = ops.concatenate([x, ops.zeros((batch, missing, *units), x.dtype)], axis=1)
        return ops.reshape(x, (-1, (steps + missing) // every, every, *units))

    sequences = tuple(None if x is None else blocks(x) for x in sequences)
    # One in each turn: several would be held in memory together.
    carry, (y, *more) = scan(step, carry, sequences, collected, reverse=bool(collected), unroll=1)
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
    detached. A masked step is left out: $v$ stays what it was, there is no spike, and the next step follows the one
    before. Half-precision currents are integrated in float32 and NaN is answered by NaN, as in `simulate_lif`.

    Args:
        x: Input currents, shape `(batch, time, *units)`, in units of the threshold per step.
        rule: `CoarseRule(surrogate, decay, input_gain, reset_gain, detach_reset)`, the constants $a$, $b$ and $c$.
        mask: Boolean, shape `(batch, time)`; steps where it is `False` are left out.

    Returns:
        Spikes (0 or 1), shape `(batch, time, *units)`, of the dtype of `x`.
    """
    dtype = backend.standardize_dtype(x.dtype)
    decay, input_gain, reset_gain = rule.decay, rule.input_gain, rule.reset_gain
    mask = None if mask is None else ops.cast(mask, "bool")

    def forward_step(v, inputs):
        x, is_open = inputs
        current = ops.clip(as_state(x), -LARGEST, LARGEST)
        after = where_positive(decay * v + input_gain * current, 1.0 - v) + _spikes(v) * (
            reset_gain * current
        )
        v = _select(is_open, after, v)
        return v, (v,)

    def backward_step(carry, inputs):
        g_next, x_next = carry  # both of the step that follows
        x, e, is_open, v = inputs
        current, e = ops.clip(as_state(x), -LARGEST, LARGEST), as_state(e)
        if not rule.detach_reset:
            reset_effect = (reset_gain - input_gain) * x_next - decay * v
            e = e + ops.clip(g_next * reset_effect, -LARGEST, LARGEST)
        g = where_positive(decay * g_next, 1.0 - v) + rule.surrogate(v - 1.0) * e
        g = ops.clip(g, -LARGEST, LARGEST)
        return (_select(is_open, g, g_next), _select(is_open, current, x_next)), (_select(is_open, g, 0.0),)

    def forward(x, mask):
        zeros = ops.zeros_like(as_state(x[:, 0]))
        is_open = _expand_mask(x, mask)
        _, (potential,) = scan(forward_step, zeros, (x, is_open))
        spiked = _spikes(batch_first(potential))
        spikes = ops.cast(_select(is_open, spiked, 0.0), dtype)

        def backward(e):
            carry = (zeros, zeros)
            _, (g,) = scan(backward_step, carry, (x, e, is_open), (potential,), reverse=True)
            spiked_before = ops.concatenate([ops.zeros_like(spiked[:, :1]), spiked[:, :-1]], axis=1)
            x_gradient = (input_gain + (reset_gain - input_gain) * spiked_before) * batch_first(g)
            return {"x": ops.cast(x_gradient, dtype)}

        return (spikes + ops.cast(_propagate_nan(x, mask), dtype),), backward

    return custom_gradient(forward, x=x, mask=mask)[0]


def advance_neurons(
    step: Callable[[Tensor, Any], tuple[Tensor, Any]], current: Tensor, state: tuple[Tensor, ...]
) -> tuple[Tensor, tuple[Tensor, ...]]:
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
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
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


def _passes(x, rule, kernel, mask, leak_gradient):
    """The passes forward and backward: those below, or the kernels that replace them on a graphics processor."""
    if kernel is None and has_kernels(x):
        from . import _kernels

        reference = at_rest, forward_pass, backward_pass
        if _kernels.trusted(reference, x.device, rule, mask is not None, leak_gradient):
            return _kernels.forward_pass, _kernels.backward_pass
    return forward_pass, backward_pass


def forward_pass(x, leak, kernel, rule, mask, state):
    """The loop of `simulate_lif`, as `scan` leaves it: the potential, which steps are open (`None`: all), the state."""
    decay = 1.0 - ops.cast(leak, state.potential.dtype)
    lowest = -LARGEST_POTENTIAL if rule.floor is None else rule.floor

    def step(state, inputs):
        (v, spikes, wait), (x, awake), is_open = state, inputs, None
        u = decay * v + as_state(x)
        if kernel is not None:
            u = u + ops.matmul(spikes, kernel)
        u = ops.clip(u, lowest, LARGEST_POTENTIAL)
        if wait is None:
            v, s = u, _spikes(u, rule.threshold) if kernel is not None else None
        else:
            v = _select(awake, where_positive(u, 0.5 - wait) + where_positive(v, wait - 0.5), v)
            is_open = _all_open(awake, wait < 0.5)
            s = ops.cast(ops.logical_and(is_open, u >= rule.threshold), v.dtype)
            # A spike finds the wait at zero.
            wait = _select(awake, ops.relu(wait - 1.0), wait) + rule.refractory * s
        return State(_after_reset(v, s, rule), None if kernel is None else s, wait), (v, is_open)

    state, (potential, is_open) = scan(step, state, (x, _expand_mask(x, mask)))
    return potential, is_open, state


def backward_pass(e, e_potential, e_after, potential, is_open, leak, kernel, rule, leak_gradient, start):
    """Backpropagation through `forward_pass`: the gradient of every input, of the leak in every neuron, of the start.

    `e`, `e_potential` and `e_after` are the gradients of the spikes, of the potential and of the state at the end.
    """
    zeros = ops.zeros_like(start.potential)
    decay = 1.0 - ops.cast(leak, zeros.dtype)

    def grow(leak_sum, m, v_before):
        return leak_sum - ops.clip(m * v_before, -LARGEST, LARGEST)

    def step(carry, inputs):
        # The gradients of the potential after the reset and of the spikes, as far as the next step uses them; its m.
        (d_after, d_spikes, m, leak_sum), (e, e_potential, v, is_open) = carry, inputs
        is_open = None if is_open is None else ops.cast(is_open, v.dtype)
        missing = rule.threshold - v
        if leak_gradient:
            s = None if is_open is None else is_open * _spikes(v, rule.threshold)
            leak_sum = grow(leak_sum, m, _after_reset(v, s, rule))
        # All of it in a closed step.
        kept = where_positive(d_after, missing) if rule.reset == "zero" else d_after
        slope = _mask_closed(is_open, rule.surrogate(-missing))
        e = as_state(e)
        if kernel is not None:
            e = e + d_spikes
        g = e * slope + kept
        if e_potential is not None:
            g = g + as_state(e_potential)
        if not rule.detach_reset and rule.reset != "none":
            g = g - d_after * (v if rule.reset == "zero" else rule.threshold) * slope
            g = ops.clip(g, -LARGEST_GRADIENT, LARGEST_GRADIENT)
        m = _mask_closed(is_open, g if rule.floor is None else where_positive(g, v - rule.floor))
        d_after = decay * m if is_open is None else decay * m + (1.0 - is_open) * g
        d_spikes = None if kernel is None else ops.matmul(m, ops.transpose(kernel))
        return (d_after, d_spikes, m if leak_gradient else None, leak_sum), (m,)

    d_after, d_spikes, _ = e_after or at_rest(zeros, kernel is not None, 0, False)
    carry = (d_after, d_spikes, *((zeros, zeros) if leak_gradient else (None, None)))
    inputs, collected = (e, e_potential), (potential, is_open)
    (d_after, d_spikes, m, leak_sum), (x_gradient,) = scan(step, carry, inputs, collected, reverse=True)
    leak_sum = grow(leak_sum, m, start.potential) if leak_gradient else zeros
    return batch_first(x_gradient), leak_sum, State(d_after, d_spikes)


def _propagate_nan(x, mask, weights=(), before=None):
    """NaN for every neuron that was given a NaN, else 0; added to the outputs. Shape `(batch, 1, *units)`.

    It is asked of the currents, since a comparison, and a compiler, may take a potential that is NaN for one below the
    threshold. A current in a masked step is not heard.
    """
    is_nan = _all_open(_expand_mask(x, mask), ops.isnan(x))
    is_nan = ops.any(is_nan, axis=1, keepdims=True)
    if before is not None:  # each neuron's potential at the start, which is no other's
        is_nan = ops.logical_or(is_nan, ops.expand_dims(ops.isnan(before), 1))
    for w in weights:
        if w is not None:
            is_nan = ops.logical_or(is_nan, ops.any(ops.isnan(w)))
    return ops.where(is_nan, float("nan"), 0.0)


def _spikes(v, threshold=1.0):
    return ops.cast(v >= threshold, v.dtype)


def _after_reset(v, s, rule):
    """The potential `v` after the spikes `s`, which are 0 or 1; `None` where `v` alone says and every step is open."""
    if rule.reset == "none":
        return v
    if rule.reset == "subtract":
        return v - rule.threshold * (_spikes(v, rule.threshold) if s is None else s)
    return where_positive(v, rule.threshold - v) if s is None else v * (1.0 - s)


def _expand_mask(x, mask):
    """A mask of shape `(batch, time)` with as many axes as `x`."""
    return None if mask is None else ops.reshape(mask, ops.shape(mask) + (1,) * (len(x.shape) - 2))


def _all_open(is_open, condition):
    return condition if is_open is None else ops.logical_and(is_open, condition)


def _mask_closed(is_open, y):
    return y if is_open is None else is_open * y


def _select(is_open, y, otherwise):
    return y if is_open is None else ops.where(is_open, y, otherwise)


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

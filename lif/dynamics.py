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

from .backend import Tensor, batch_first, compiled_once, custom_gradient, gate, scan

RESETS = ("zero", "subtract", "none")

# Gradients beyond this are cut: then huge numbers have finite sums, and inf - inf, which is NaN, cannot arise.
LARGEST = 1e30
LARGEST_POTENTIAL = 3e38  # of float32


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
) -> Tensor | tuple[Tensor, Tensor]:
    """Simulate leaky integrate-and-fire neurons over a whole sequence.

    The rule and its gradient stand at the head of this module. Half-precision currents are integrated in float32,
    because a potential near 1 cannot take up the small steps of a slow leak in 8 or 11 bits; the outputs have the
    dtype of the currents.

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

    Returns:
        Spikes (0 or 1), shape `(batch, time, *units)`; with `return_potential` also the potential before the reset.
    """
    dtype = backend.standardize_dtype(x.dtype)

    # An argument, not a name from outside: JAX cannot differentiate a function that refers to traced tensors.
    masks = () if mask is None else (ops.cast(mask, "float32"),)

    def forward(x, leak, *more):
        mask = more[0] > 0 if masks else None
        kernel = more[len(masks) :]
        potential, is_open = _simulate(x, leak, kernel, rule, mask)
        spikes = batch_first(_and(is_open, potential >= rule.threshold))
        outputs = (spikes, batch_first(potential)) if return_potential else (spikes,)

        def backward(*gradients):
            x_gradient, leak_gradients = _backpropagate(
                gradients, potential, is_open, leak, kernel, rule, leak_gradient
            )
            kernel_gradient = [_correlate(spikes[:, :-1], x_gradient[:, 1:]) for _ in kernel]
            no_gradient = [ops.zeros_like(m) for m in more[: len(masks)]]
            return ops.cast(x_gradient, dtype), _sum_to(leak_gradients, leak), *no_gradient, *kernel_gradient

        return tuple(ops.cast(y, dtype) for y in outputs), backward

    kernel = () if recurrent_kernel is None else (ops.convert_to_tensor(recurrent_kernel),)
    outputs = custom_gradient(forward, x, leak, *masks, *kernel)
    return tuple(outputs) if return_potential else outputs[0]


def leaky_integrate(
    x: Tensor,
    leak: Tensor,
    floor: float | None = None,
    leak_gradient: bool = True,
    mask: Tensor | None = None,
) -> Tensor:
    r"""Leaky sum without spikes, $v_t = \max(\text{floor}, (1 - \lambda) v_{t-1} + x_t)$.

    It is a LIF neuron whose threshold is out of reach.

    Args:
        x, leak, floor, leak_gradient, mask: As for `lif`.

    Returns:
        Potential, shape `(batch, time, *units)`.
    """
    rule = Rule(surrogate=ops.zeros_like, threshold=float("inf"), reset="none", floor=floor)
    return lif(x, leak, rule, return_potential=True, leak_gradient=leak_gradient, mask=mask)[1]


class CoarseRule(NamedTuple):
    """The constants of `coarse_lif`."""

    surrogate: Callable
    decay: float
    input_gain: float
    reset_gain: float
    detach_reset: bool = False


@compiled_once("rule")
def coarse_lif(x: Tensor, rule: CoarseRule) -> Tensor:
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
    detached. As in `lif`, half-precision currents are integrated in float32.

    Args:
        x: Input currents, shape `(batch, time, *units)`, in units of the threshold per step.
        rule: `CoarseRule(surrogate, decay, input_gain, reset_gain, detach_reset)`, the constants $a$, $b$ and $c$.

    Returns:
        Spikes (0 or 1), shape `(batch, time, *units)`, of the dtype of `x`.
    """
    dtype = backend.standardize_dtype(x.dtype)
    decay, input_gain, reset_gain = rule.decay, rule.input_gain, rule.reset_gain

    def forward_step(carry, inputs):
        v, current = carry[0], as_state(inputs[0])
        v = ops.where(v >= 1.0, reset_gain * current, decay * v + input_gain * current)
        return (v,), (v,)

    def backward_step(carry, inputs):
        g, x_next = carry  # both of step t + 1
        current, e, v = as_state(inputs[0]), as_state(inputs[1]), inputs[2]
        spiked = v >= 1.0
        if not rule.detach_reset:
            what_a_spike_changes = (reset_gain - input_gain) * x_next - decay * v
            e = e + ops.clip(g * what_a_spike_changes, -LARGEST, LARGEST)
        g = ops.where(spiked, 0.0, decay * g) + rule.surrogate(v - 1.0) * e
        g = ops.clip(g, -LARGEST, LARGEST)
        return (g, current), (g,)

    def forward(x):
        zeros = ops.zeros_like(as_state(x[:, 0]))
        _, (potential,) = scan(forward_step, (zeros,), (x,))
        spikes = batch_first(ops.cast(potential >= 1.0, zeros.dtype))

        def backward(spike_gradient):
            _, (g,) = scan(backward_step, (zeros, zeros), (x, spike_gradient), (potential,), reverse=True)
            before = ops.concatenate([zeros[:, None], spikes[:, :-1]], axis=1)
            return (ops.cast(ops.where(before > 0, reset_gain, input_gain) * batch_first(g), dtype),)

        return (ops.cast(spikes, dtype),), backward

    return custom_gradient(forward, x)[0]


State = tuple[Tensor, ...]


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


def _simulate(x, leak, kernel, rule, mask):
    """Forward pass, time first: the potential of every step, and which steps are open (`None`: all of them)."""
    state = ops.zeros_like(as_state(x[:, 0]))
    decay = 1.0 - ops.cast(leak, state.dtype)
    has_closed_steps = rule.refractory > 0 or mask is not None
    lowest = -LARGEST_POTENTIAL if rule.floor is None else rule.floor

    def step(carry, inputs):
        v, spikes, count = carry
        p = decay * v + as_state(inputs[0])
        if kernel:
            p = p + ops.matmul(spikes, kernel[0])
        p = ops.clip(p, lowest, LARGEST_POTENTIAL)
        collect = (p,)
        if has_closed_steps:
            awake = inputs[1] if mask is not None else True
            is_open = ops.logical_and(count == 0, awake)
            p = ops.where(is_open, p, v)
            s = ops.logical_and(is_open, p >= rule.threshold)
            waited = ops.where(awake, ops.maximum(count - 1, 0), count)
            count = ops.where(s, rule.refractory, waited)
            v = _after_reset(p, s, rule)
            collect = (p, is_open)
        elif rule.reset == "zero":
            v = gate(p, rule.threshold - p)
        else:
            v = _after_reset(p, p >= rule.threshold, rule)
        if kernel:
            spikes = ops.cast(s if has_closed_steps else p >= rule.threshold, v.dtype)
        return (v, spikes, count), collect

    # What a rule has no use for is an empty tuple in the carry.
    carry = (state, state if kernel else (), ops.zeros_like(state, "int32") if has_closed_steps else ())
    sequences = (x,) if mask is None else (x, ops.reshape(mask, ops.shape(mask) + (1,) * (len(x.shape) - 2)))
    _, (potential, *is_open) = scan(step, carry, sequences)
    return potential, is_open[0] if is_open else None


def _backpropagate(gradients, potential, is_open, leak, kernel, rule, leak_gradient):
    """Backward pass: the gradient of every input, and of the leak in every neuron of the batch."""
    zeros = ops.zeros_like(as_state(gradients[0][:, 0]))
    decay = 1.0 - ops.cast(leak, zeros.dtype)
    has_closed_steps = is_open is not None
    # Large potentials make two products overflow: with the gradient of an attached reset, and in the sum for the leak.
    # Bounds that leave room for the sums keep inf - inf, which is NaN, from arising.
    largest, largest_term = 1e38, 1e30

    def step(carry, inputs):
        m, closed, leak_sum = carry  # m, and the gradient that a closed step hands on, both of step t + 1
        e, *more = inputs[: len(gradients)]
        v, *now = inputs[len(gradients) :]
        is_open = now[0] if now else None
        missing = rule.threshold - v
        if leak_gradient:
            s = _and(is_open, missing <= 0)
            leak_sum = leak_sum - ops.clip(m * _after_reset(v, s, rule), -largest_term, largest_term)
        through = decay * m if is_open is None else decay * m + closed
        kept = _if(is_open, gate(through, missing), through) if rule.reset == "zero" else through
        slope = _if(is_open, rule.surrogate(-missing), 0.0)
        e = as_state(e)
        if kernel:
            e = e + ops.matmul(m, ops.transpose(kernel[0]))
        g = e * slope + kept
        if more:
            g = g + as_state(more[0])
        if not rule.detach_reset and rule.reset != "none":
            g = ops.clip(
                g - through * (v if rule.reset == "zero" else rule.threshold) * slope, -largest, largest
            )
        m = _if(is_open, g if rule.floor is None else gate(g, v - rule.floor), 0.0)
        closed = ops.where(is_open, 0.0, g) if now else ()
        return (m, closed, leak_sum), (m,)

    collected = (potential, is_open) if has_closed_steps else (potential,)
    carry = (zeros, zeros if has_closed_steps else (), zeros if leak_gradient else ())
    (_, _, leak_sum), (x_gradient,) = scan(step, carry, gradients, collected, reverse=True)
    return batch_first(x_gradient), leak_sum if leak_gradient else zeros


def _after_reset(v, s, rule):
    if rule.reset == "none":
        return v
    return ops.where(s, 0.0 if rule.reset == "zero" else v - rule.threshold, v)


def _and(is_open, condition):
    return condition if is_open is None else ops.logical_and(is_open, condition)


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

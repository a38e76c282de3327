r"""The same rules in plain NumPy, one line per equation: the book's derivation as code, and the oracle of the tests.

Nothing here is fast, and nothing is shared with `lif.dynamics`: the two can only agree by both being right.
"""

import numpy as np

# Surrogate derivatives as functions of z = v - threshold (see `lif.surrogates` for formulas and sources).
SURROGATES = {
    "constant": lambda z: np.ones_like(z),
    "superspike": lambda z, beta=10.0: (beta * np.abs(z) + 1) ** -2,
    "sigmoid": lambda z, beta=10.0: 0.25 / np.cosh(np.clip(beta * z / 2, -300, 300)) ** 2,
    "triangle": lambda z, beta=10.0: np.maximum(0, 1 - beta * np.abs(z)),
    "arctan": lambda z, alpha=2.0: 1 / (1 + (np.pi / 2 * alpha * z) ** 2),
    "multi_gaussian": lambda z, width=0.5, h=0.15, scale=6.0: (
        (1 + h) * np.exp(-(z**2) / (2 * width**2))
        - 2 * h * np.exp(-((np.abs(z) - width) ** 2) / (2 * (scale * width) ** 2))
    ),
}


def simulate(x, leak, threshold=1.0, reset="zero", refractory=0, floor=0.0, recurrent=None):
    r"""Simulate leaky integrate-and-fire neurons, step by step.

    Args:
        x: Currents, shape `(batch, time, *units)`.
        leak, threshold, reset, refractory, floor: As for `lif.LIF`.
        recurrent: Weights from each unit to each, `(units, units)`, or `None`; see `lif.RecurrentLIF`.

    Returns:
        `(spikes, potential)`, both of the shape of `x`; the potential is the one before the reset.

    >>> spikes, potential = simulate(np.full((1, 6, 1), 0.4), leak=0.1)
    >>> spikes.ravel().astype(int).tolist()
    [0, 0, 1, 0, 0, 1]
    """
    spikes, potential = np.zeros_like(x), np.zeros_like(x)
    v = np.zeros_like(x[:, 0])  # the potential after the reset
    wait = np.zeros(v.shape, int)  # closed steps still to come
    for t in range(x.shape[1]):
        u = (1 - leak) * v + x[:, t]
        u = u if recurrent is None or t == 0 else u + spikes[:, t - 1] @ recurrent
        u = u if floor is None else np.maximum(floor, u)
        v = np.where(wait > 0, v, u)
        s = (v >= threshold) & (wait == 0)
        spikes[:, t], potential[:, t] = s, v
        v = np.where(s, {"zero": 0 * v, "subtract": v - threshold, "none": v}[reset], v)
        wait = np.where(s, refractory, np.maximum(wait - 1, 0))
    return spikes, potential


def gradient(
    x,
    leak,
    spike_gradient,
    potential_gradient=0.0,
    threshold=1.0,
    reset="zero",
    refractory=0,
    floor=0.0,
    surrogate="constant",
    detach_reset=True,
    recurrent=None,
):
    r"""Backpropagate through `simulate`, one application of the chain rule per line.

    Args:
        x, leak, threshold, reset, refractory, floor, recurrent: As for `simulate`.
        spike_gradient: $\partial L / \partial s_t$, shape of `x`.
        potential_gradient: $\partial L / \partial v_t$, shape of `x` or 0.
        surrogate: A name in `SURROGATES` or a function of $v - \vartheta$.
        detach_reset: Whether the gradient stops at the reset.

    Returns:
        `(dL/dx, dL/dleak)`: the first of the shape of `x`, the second of that of one step, `(batch, *units)`; sum it
        over the axes along which the leak is shared. The gradient of the recurrent weights follows from the first:
        the sum of `s[:, t-1].T @ dx[:, t]`.
    """
    surrogate = SURROGATES.get(surrogate, surrogate)
    s, v = simulate(x, leak, threshold, reset, refractory, floor, recurrent)
    potential_gradient = np.broadcast_to(potential_gradient, x.shape)
    after = np.where(s == 1, {"zero": 0 * v, "subtract": v - threshold, "none": v}[reset], v)
    x_gradient, leak_gradient = np.zeros_like(x), np.zeros_like(x[:, 0])
    d_after = np.zeros_like(x[:, 0])  # dL / d(potential after the reset of step t)
    for t in reversed(range(x.shape[1])):
        is_open = ~np.any(s[:, max(0, t - refractory) : t] == 1, axis=1)
        slope = np.where(is_open, surrogate(v[:, t] - threshold), 0)
        keep = np.where((s[:, t] == 1) & (reset == "zero"), 0, 1.0)
        if not detach_reset:
            keep = keep - {"zero": v[:, t], "subtract": threshold, "none": 0}[reset] * slope
        d_s = spike_gradient[:, t]
        d_s = d_s if recurrent is None or t == x.shape[1] - 1 else d_s + x_gradient[:, t + 1] @ recurrent.T
        d_v = d_s * slope + potential_gradient[:, t] + keep * d_after
        above = True if floor is None else v[:, t] > floor
        x_gradient[:, t] = np.where(is_open & above, d_v, 0)
        before = after[:, t - 1] if t else np.zeros_like(d_v)
        leak_gradient -= x_gradient[:, t] * before
        d_after = np.where(is_open, (1 - leak) * x_gradient[:, t], d_v)
    return x_gradient, leak_gradient

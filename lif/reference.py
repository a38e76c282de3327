r"""The same rules in plain NumPy, one line per equation: the book's derivation as code, and the oracle of the tests.

Nothing here is fast, and nothing is shared with `lif.dynamics`: the two can only agree by both being right.
"""

from collections.abc import Callable

import numpy as np

# Surrogate derivatives as functions of z = v - threshold (see `lif.surrogates` for formulas and sources).
SURROGATES: dict[str, Callable] = {
    "constant": lambda z: np.ones_like(z),
    "superspike": lambda z, beta=10.0: (beta * np.abs(z) + 1) ** -2,
    "sigmoid": lambda z, beta=10.0: 0.25 / np.cosh(np.clip(beta * z / 2, -300, 300)) ** 2,
    "logistic": lambda z, beta=5.0: beta * 0.25 / np.cosh(np.clip(beta * z / 2, -300, 300)) ** 2,
    "triangle": lambda z, beta=10.0: np.maximum(0, 1 - beta * np.abs(z)),
    "arctan": lambda z, alpha=2.0: 1 / (1 + (np.pi / 2 * alpha * z) ** 2),
    "multi_gaussian": lambda z, width=0.5, h=0.15, scale=6.0: sum(
        share * np.exp(-(((z - mean) / w) ** 2) / 2) / np.sqrt(2 * np.pi * w**2)
        for share, mean, w in ((1 + h, 0, width), (-h, width, scale * width), (-h, -width, scale * width))
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
    x: np.ndarray,
    leak: float | np.ndarray,
    spike_gradient: np.ndarray,
    potential_gradient: float | np.ndarray = 0.0,
    threshold: float = 1.0,
    reset: str = "zero",
    refractory: int = 0,
    floor: float | None = 0.0,
    surrogate: str | Callable = "constant",
    detach_reset: bool = True,
    recurrent: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
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
    slope_at = SURROGATES[surrogate] if isinstance(surrogate, str) else surrogate
    s, v = simulate(x, leak, threshold, reset, refractory, floor, recurrent)
    potential_gradient = np.broadcast_to(potential_gradient, x.shape)
    after = np.where(s == 1, {"zero": 0 * v, "subtract": v - threshold, "none": v}[reset], v)
    x_gradient, leak_gradient = np.zeros_like(x), np.zeros_like(x[:, 0])
    d_after = np.zeros_like(x[:, 0])  # dL / d(potential after the reset of step t)
    for t in reversed(range(x.shape[1])):
        is_open = ~np.any(s[:, max(0, t - refractory) : t] == 1, axis=1)
        slope = np.where(is_open, slope_at(v[:, t] - threshold), 0)
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


def simulate_coarse(x: np.ndarray, tau: float, analog_input: bool = False) -> tuple[np.ndarray, np.ndarray]:
    r"""Simulate LIF neurons on a time step as long as their refractory period; see `lif.CoarseLIF`.

    Args:
        x: Currents, shape `(batch, time, *units)`.
        tau, analog_input: As for `lif.CoarseLIF`.

    Returns:
        `(spikes, potential)`, both of the shape of `x`.

    >>> spikes, potential = simulate_coarse(np.full((1, 4, 1), 0.6), tau=4.0)
    >>> spikes.ravel().astype(int).tolist()
    [0, 0, 1, 0]
    """
    a, b, c = coarse_coefficients(tau)
    b, c = (1.1 * b / c, 1.1) if analog_input else (b, c)
    spikes, potential = np.zeros_like(x), np.zeros_like(x)
    v, s = np.zeros_like(x[:, 0]), np.zeros_like(x[:, 0])
    for t in range(x.shape[1]):
        v = (1 - s) * (a * v + b * x[:, t]) + s * c * x[:, t]
        s = (v >= 1).astype(x.dtype)
        spikes[:, t], potential[:, t] = s, v
    return spikes, potential


def coarse_coefficients(tau: float) -> tuple[float, float, float]:
    r"""$a = e^{-1/\tau}$, $b = \tau (1 - a)$, $c = \tau (1 - b)$, with $\tau$ in refractory periods."""
    a = np.exp(-1 / tau)
    b = tau * (1 - a)
    return a, b, tau * (1 - b)


def coarse_gradient(
    x: np.ndarray,
    tau: float,
    spike_gradient: np.ndarray,
    surrogate: str | Callable = "logistic",
    detach_reset: bool = False,
    analog_input: bool = False,
) -> np.ndarray:
    r"""Backpropagate through `simulate_coarse`, one application of the chain rule per line.

    Args:
        x, tau, analog_input: As for `simulate_coarse`.
        spike_gradient: $\partial L / \partial s_t$, shape of `x`.
        surrogate: A name in `SURROGATES` or a function of $v - 1$.
        detach_reset: Whether the gradient stops at the reset.

    Returns:
        $\partial L / \partial x_t$, shape of `x`.
    """
    slope_at = SURROGATES[surrogate] if isinstance(surrogate, str) else surrogate
    a, b, c = coarse_coefficients(tau)
    b, c = (1.1 * b / c, 1.1) if analog_input else (b, c)
    s, v = simulate_coarse(x, tau, analog_input)
    x_gradient, d_v_next = np.zeros_like(x), np.zeros_like(x[:, 0])
    for t in reversed(range(x.shape[1])):
        d_s = spike_gradient[:, t].copy()
        if t + 1 < x.shape[1] and not detach_reset:
            d_s += d_v_next * (c * x[:, t + 1] - (a * v[:, t] + b * x[:, t + 1]))
        d_v = d_s * slope_at(v[:, t] - 1) + d_v_next * (1 - s[:, t]) * a
        s_before = s[:, t - 1] if t else np.zeros_like(d_v)
        x_gradient[:, t] = d_v * ((1 - s_before) * b + s_before * c)
        d_v_next = d_v
    return x_gradient


def simulate_events(
    times: np.ndarray, weights: float | np.ndarray, tau: float, refractory: float = 1.0
) -> np.ndarray:
    r"""Simulate LIF neurons in continuous time, exactly, from one input spike to the next.

    Between spikes $V$ decays as $e^{-t/\tau}$; a spike adds its weight. A neuron fires when that takes it to 1, is
    reset to 0, and is deaf for the refractory period. It can fire at no other moment, so nothing is approximated.

    Args:
        times: Arrival times, ascending, shape `(neurons, events)`; `np.inf` where a neuron gets fewer.
        weights: What an arrival adds to the potential, broadcast to `times`.
        tau, refractory: Membrane time constant and refractory period, in the unit of `times`.

    Returns:
        Boolean array of the shape of `times`: the arrivals that made the neuron fire.

    >>> simulate_events(np.array([[0.0, 0.5, 1.2, 1.6, 1.7]]), 0.7, tau=4.0).astype(int).tolist()
    [[0, 1, 0, 0, 1]]
    """
    weights = np.broadcast_to(weights, times.shape)
    fired = np.zeros(times.shape, bool)
    v, before, deaf_until = np.zeros(len(times)), np.zeros(len(times)), np.full(len(times), -np.inf)
    for k in range(times.shape[1]):
        t = times[:, k]
        heard = np.isfinite(t) & (t >= deaf_until)
        with np.errstate(invalid="ignore"):  # inf - inf where a neuron has no more input
            v = np.where(heard, v * np.exp(-(t - before) / tau) + weights[:, k], v)
        before = np.where(heard, t, before)
        fired[:, k] = heard & (v >= 1)
        v = np.where(fired[:, k], 0, v)
        deaf_until = np.where(fired[:, k], t + refractory, deaf_until)
    return fired

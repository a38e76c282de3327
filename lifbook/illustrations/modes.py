"""Two operating modes: a map over leak and weight, and the neuron at one point of it."""

import math

import numpy as np

from lif import reference

from ..palette import BLUE, GREEN, INK, ORANGE
from .chance import normals, uniforms
from .illustration import Illustration, Number, Whole, choice, esm

STEPS = 240
PERIOD = 40  # steps from volley to volley

_DECAY_NEEDED = {
    "2": lambda weight: 1 / weight - 1,
    "3": lambda weight: (math.sqrt(4 / weight - 3) - 1) / 2,
    "endless": lambda weight: 1 - weight,
}


class Modes(Illustration):
    r"""The ground between integrator and coincidence detector.

    A map over leak and weight shows the longest interval between input spikes at which a neuron fires; a point in it is
    a neuron, and beside it stands that neuron's answer to volleys of input spikes and to as many at random times.

    Args:
        leak: From 0 to 0.5.
        weight: Of an input spike, from 0.02 to 0.98, with the threshold at 1.
        arrivals: What the map is for, "2", "3" or "endless" input spikes.
        volley_size: Input spikes in each of the six volleys, from 1 to 12.
        jitter: Standard deviation of a spike's time around its volley's centre, from 0 to 16 steps.
        seed: Of the times, a whole number from 0 to 999.

    Raises:
        traitlets.TraitError: A value is out of bounds; the message names them.

    Example:
        >>> Modes(leak=0.3, weight=0.5).longest_interval()
        {'2': 0, '3': 1, 'endless': 1}
    """

    _module = "modes"
    _esm = esm(_module)

    leak = Number(0.3, 0, 0.5, 0.005)
    weight = Number(0.5, 0.02, 0.98, 0.005)
    arrivals = choice("3", "2", "endless")
    volley_size = Whole(6, 1, 12, 1)
    jitter = Number(1.0, 0, 16, 0.5)
    seed = Whole(0, 0, 999, 1)

    def longest_interval(self):
        """The longest interval between input spikes at which the neuron fires, from the closed forms.

        Returns:
            A dict with the keys "2", "3" and "endless"; 0 where not even successive steps are enough.
        """
        return {arrivals: self._longest(needed(self.weight)) for arrivals, needed in _DECAY_NEEDED.items()}

    def _longest(self, decay):
        if self.leak == 0:
            return math.inf if decay <= 1 else 0
        return max(0, math.floor(math.log(decay) / math.log1p(-self.leak)))

    def trains(self):
        """`(volleys, scattered)`: input spikes in each step, each of shape `(240,)`."""
        uniform = uniforms(self.seed)
        normal = normals(uniform)
        volleys, scattered = np.zeros(STEPS), np.zeros(STEPS)
        for centre in range(PERIOD // 2, STEPS, PERIOD):
            for _ in range(self.volley_size):
                volleys[math.floor(centre + self.jitter * next(normal) + 0.5) % STEPS] += 1
                scattered[math.floor(next(uniform) * STEPS)] += 1
        return volleys, scattered

    def simulate(self):
        """The neuron's answers to the two trains.

        Returns:
            `(spikes, potential)` of `lif.reference.simulate`, each of shape `(2, 240)`.
        """
        x = self.weight * np.stack(self.trains())
        spikes, potential = reference.simulate(x[:, :, None], self.leak)
        return spikes[..., 0], potential[..., 0]

    def picture(self):
        import matplotlib.pyplot as plt

        trains = self.trains()
        spikes, potential = self.simulate()
        leaks = np.linspace(0, 0.5, 41)
        q = {interval: (1 - leaks) ** interval for interval in (1, 3, 10, 30, 100)}
        needed = {"2": lambda q: 1 / (1 + q), "3": lambda q: 1 / (1 + q + q**2), "endless": lambda q: 1 - q}
        fig, axes = plt.subplot_mosaic([["map", "volleys"], ["map", "scattered"]], figsize=(7.4, 3.8))
        chart = axes["map"]
        for interval in q:
            border = needed[self.arrivals](q[interval])
            chart.fill_between(leaks, border, 1, color=BLUE, alpha=0.17, lw=0)
            chart.plot(leaks, border, color=BLUE, lw=1)
        chart.plot(self.leak, self.weight, "o", color=ORANGE, ms=9, mec=INK, clip_on=False)
        chart.text(0.48, 0.04, "silent", ha="right")
        chart.set(xlim=(0, 0.5), ylim=(0, 1), xlabel=r"leak $\lambda$", ylabel="weight $w$")
        chart.set_title("intervals of 1, 3, 10, 30 and 100 steps")
        for name, train, s, v in zip(("volleys", "scattered"), trains, spikes, potential, strict=True):
            ax = axes[name]
            ax.stairs(v, np.arange(STEPS + 1), color=BLUE, lw=1.2)
            top = 1.1 * max(v.max(), 1)
            ax.vlines(np.flatnonzero(s) + 0.5, top, 1.25 * top, color=ORANGE, lw=2)
            arrived = np.flatnonzero(train)
            heights = train[arrived] / train.max()
            ax.vlines(arrived + 0.5, -0.9, -0.9 + 0.8 * heights, color=GREEN, lw=1.4)
            ax.axhline(1, color=INK, lw=0.8, ls="--")
            ax.set(xlim=(0, STEPS), yticks=(0, 1), title="volleys" if name == "volleys" else "random times")
        axes["scattered"].set(xlabel="time step")
        return fig, (
            f"Left: a map over leak and weight with lines for the longest interval at which input spikes fire the "
            f"neuron, and a point at leak {self.leak:g} and weight {self.weight:g}. Right: the neuron there. It "
            f"spikes {spikes[0].sum():.0f} times for volleys of {self.volley_size} input spikes with a jitter of "
            f"{self.jitter:g} steps, and {spikes[1].sum():.0f} times for as many input spikes at random times."
        )

"""The membrane: one neuron, its input in the reader's hand."""

import math
from itertools import islice

import numpy as np
import traitlets

from lif import reference

from ..palette import BLUE, GREEN, INK
from .chance import normals, uniforms
from .illustration import Illustration, Number, Whole, choice, esm

STEPS = 120
HIGHEST_CURRENT = 3.0

_BEAT_THEN_VOLLEYS = [*range(4, 60, 9), 68, 69, 70, 86, 87, 88, 104, 105, 106]
_STRONG_THEN_WEAK = [0.0] * 10 + [1.5] * 50 + [0.9] * 50 + [0.0] * 10


class Membrane(Illustration):
    r"""One leaky integrate-and-fire neuron over 120 steps, its input spikes or its current set by hand.

    A spike adds `weight` to the potential. A current $I_t$ is measured by the potential that it would hold for ever, as
    $R I_t / (V_\text{th} - V_\text{rest})$ in the first chapter; it adds `leak` times as much in a step.

    Args:
        input: "spikes" or "current".
        spikes: Steps at which an input spike arrives, from 0 to 119.
        current: 120 numbers from 0 to 3.
        leak: From 0 to 0.95, the share of the potential lost in an exact step.
        weight, threshold, reset, refractory: As for `lif.LIF`; the lowest potential is 0.
        noise: Standard deviation of the normal noise added in each step.
        seed: Of the noise, a whole number from 0 to 999.
        euler: Whether to show Euler's step with the same time constant beside the exact one.

    Raises:
        traitlets.TraitError: A value is out of bounds; the message names them.

    Example:
        >>> Membrane(leak=0.0, weight=0.5, spikes=[3, 10]).simulate()[0].nonzero()[0].tolist()
        [10]
    """

    _module = "membrane"
    _esm = esm(_module)

    input = choice("spikes", "current")
    spikes = traitlets.List(traitlets.Int(), _BEAT_THEN_VOLLEYS).tag(sync=True)
    current = traitlets.List(traitlets.Float(), _STRONG_THEN_WEAK).tag(sync=True)
    leak = Number(0.1, 0, 0.95, 0.01)
    weight = Number(0.45, 0, 1.5, 0.01)
    threshold = Number(1.0, 0.2, 2, 0.05)
    refractory = Whole(0, 0, 20, 1)
    reset = choice("zero", "subtract", "none")
    noise = Number(0.0, 0, 0.3, 0.01)
    seed = Whole(0, 0, 999, 1)
    euler = traitlets.Bool(False).tag(sync=True)

    @traitlets.validate("spikes")
    def _check_spikes(self, proposal):
        outside = [step for step in proposal["value"] if not 0 <= step < STEPS]
        if outside:
            raise traitlets.TraitError(f"`spikes` must be steps from 0 to {STEPS - 1}. Received: {outside}")
        return sorted(set(proposal["value"]))

    @traitlets.validate("current")
    def _check_current(self, proposal):
        current = proposal["value"]
        if len(current) != STEPS or not all(0 <= value <= HIGHEST_CURRENT for value in current):
            raise traitlets.TraitError(
                f"`current` must be {STEPS} numbers from 0 to {HIGHEST_CURRENT:g}. Received: {current}"
            )
        return current

    @property
    def euler_leak(self):
        """The leak of Euler's step with the same time constant."""
        return -math.log1p(-self.leak)

    def simulate(self, leak=None):
        """The neuron's answer.

        Args:
            leak: Another leak than the illustration's, such as `euler_leak`.

        Returns:
            `(spikes, potential)` of `lif.reference.simulate`, each of shape `(120,)`.
        """
        leak = self.leak if leak is None else leak
        if self.input == "spikes":
            x = self.weight * np.isin(np.arange(STEPS), self.spikes)
        else:
            x = leak * np.array(self.current)
        x = x + self.noise * np.array(list(islice(normals(uniforms(self.seed)), STEPS)))
        run = reference.simulate(x[None, :, None], leak, self.threshold, self.reset, self.refractory)
        return tuple(each[0, :, 0] for each in run)

    def picture(self):
        import matplotlib.pyplot as plt

        spikes, potential = self.simulate()
        edges = np.arange(STEPS + 1)
        fig, (top, middle, bottom) = plt.subplots(3, 1, sharex=True, height_ratios=(0.3, 1, 0.4))
        top.vlines(np.flatnonzero(spikes) + 0.5, 0, 1, color=BLUE, lw=2)
        middle.stairs(potential, edges, color=BLUE, fill=True, alpha=0.2)
        middle.stairs(potential, edges, color=BLUE, lw=1.6)
        middle.axhline(self.threshold, color=INK, lw=0.8, ls="--")
        middle.set(ylabel="potential", ylim=(0, None))
        if self.input == "spikes":
            bottom.vlines(np.array(self.spikes) + 0.5, 0, 1, color=GREEN, lw=2)
            bottom.set(yticks=[])
        else:
            bottom.stairs(self.current, edges, color=GREEN, fill=True, alpha=0.3)
        top.set(yticks=[], title="output spikes")
        bottom.set(xlabel="time step", xlim=(0, STEPS), ylabel="input")
        driven = f"{len(self.spikes)} input spikes" if self.input == "spikes" else "a drawn current"
        fired = np.flatnonzero(spikes)
        return fig, (
            f"Membrane potential of a neuron with leak {self.leak:g} over {STEPS} steps, driven by {driven}. It rises "
            f"with the input, falls in between, and the neuron spikes {len(fired)} times, at the steps "
            f"{', '.join(map(str, fired)) or 'none'}."
        )

"""Balance: an episode of a spiking policy at the cart with the pole, to be played."""

import traitlets

from ..palette import BLUE, GREEN, INK, ORANGE, PINK
from .illustration import Illustration, Whole, choice, esm

DECISIONS_A_SECOND = 50


class Balance(Illustration):
    """A recorded episode on CartPole, decision by decision, with every spike of the policy's two hidden layers.

    Args:
        episode: Lists with one entry for each decision: `position` of the cart in metres, `angle` of the pole in
            radians, and `spikes`, a string with a hexadecimal digit for each neuron, the first half of them the first
            layer's: its highest bit is the first of the four `steps`. `push` is a string, "1" for each push to the
            right and "0" for each to the left; `knocks` lists the decisions before which the pole was knocked.
        decision: The one shown, from 0.
        speed: Of playing, "slow", a fifth of real time, or "real".

    Raises:
        ValueError: The lists of the episode are empty or differ in length.
        traitlets.TraitError: A value is out of bounds; the message names them.

    Example:
        >>> still = {"position": [0, 0], "angle": [0, 0], "push": "01", "spikes": ["8f", "00"], "knocks": []}
        >>> Balance(episode=still).times(0)
        [[0], [0, 1, 2, 3]]
    """

    _module = "balance"
    _esm = esm(_module)
    _fixed = ("_bounds", "episode")

    episode = traitlets.Dict(read_only=True).tag(sync=True)
    decision = Whole(0, 0, 10_000, 1)
    speed = choice("slow", "real")

    def __init__(self, episode, **parameters):
        lengths = {name: len(episode[name]) for name in ("position", "angle", "push", "spikes")}
        if len(set(lengths.values())) != 1 or not lengths["push"]:
            raise ValueError(
                f"Argument `episode` must have lists of one length > 0. Received lengths: {lengths}"
            )
        self.set_trait("episode", {"steps": 4, **episode})
        super().__init__(**parameters)

    @traitlets.default("_bounds")
    def _default_bounds(self):
        return {"decision": [0, len(self.episode["push"]) - 1, 1]}

    @traitlets.validate("decision")
    def _check_decision(self, proposal):
        last = self._bounds["decision"][1]
        if proposal["value"] > last:
            raise traitlets.TraitError(
                f"`decision` must be a whole number from 0 to {last}. Received: {proposal['value']}"
            )
        return proposal["value"]

    def times(self, decision):
        """The steps, from 0, in which each neuron fires at a decision."""
        steps = self.episode["steps"]
        return [
            [step for step in range(steps) if int(digit, 16) >> (steps - 1 - step) & 1]
            for digit in self.episode["spikes"][decision]
        ]

    def picture(self):
        import matplotlib.pyplot as plt

        length, steps = len(self.episode["push"]), self.episode["steps"]
        seconds = [k / DECISIONS_A_SECOND for k in range(length)]
        fig, (top, middle, bottom) = plt.subplots(
            3, 1, figsize=(7, 4.6), sharex=True, height_ratios=(1, 1, 1.6)
        )
        top.plot(seconds, self.episode["position"], color=INK)
        top.set(ylabel="cart (m)")
        middle.plot(seconds, self.episode["angle"], color=ORANGE)
        middle.set(ylabel="pole (rad)")
        for k in self.episode["knocks"]:
            for ax in (top, middle):
                ax.axvline(seconds[k], color=GREEN, lw=1, ls="--")
        count = len(self.episode["spikes"][0])
        fired = [(k, n, t) for k in range(length) for n, times in enumerate(self.times(k)) for t in times]
        for half, color in ((0, BLUE), (1, PINK)):
            chosen = [(k + t / steps, n) for k, n, t in fired if (n >= count // 2) == bool(half)]
            moment, neuron = zip(*chosen, strict=True) if chosen else ((), ())
            at = [each / DECISIONS_A_SECOND for each in moment]
            bottom.scatter(at, neuron, s=0.6, color=color, linewidths=0, rasterized=True)
        bottom.set(xlabel="time (s)", ylabel="neuron", ylim=(count, -1))
        return fig, (
            f"Position of the cart, angle of the pole and the spikes of {count} neurons over {length} decisions. "
            f"The pole is knocked {len(self.episode['knocks'])} times; its largest angle is "
            f"{max(map(abs, self.episode['angle'])):.2f} rad."
        )

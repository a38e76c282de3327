"""Credit: where an error goes, and which inputs are blamed for it."""

import numpy as np
import traitlets

from lif import reference

from ..palette import BLUE, INK, PINK
from .illustration import Illustration, Number, choice, esm

STEPS = 211
ARRIVALS = np.cumsum(np.tile(np.arange(11, 0, -1), 4))  # intervals of 11, 10, ..., 1 steps, over and over
ARRIVALS = ARRIVALS[ARRIVALS <= STEPS]


class Credit(Illustration):
    r"""One neuron, 34 input spikes that each come along a line of their own, and errors set by hand.

    All lines have the same weight. The error at a step is $\partial L / \partial s_t = 1$, and the credit of line $j$
    is $dL / dw_j$. Steps are counted from 1, as in the chapter.

    Args:
        errors: Steps with an error, from 1 to 211.
        leak: From 0 to 0.5.
        weight: From 0.02 to 1, with the threshold at 1.
        surrogate: "constant", "superspike", "sigmoid" or "triangle".
        beta: Sharpness of the last three, from 1 to 100.
        reset, detach_reset: As for `lif.LIF`.

    Raises:
        traitlets.TraitError: A value is out of bounds; the message names them.

    Example:
        >>> Credit(leak=0.3, weight=0.5, errors=[132]).credit().round(2)[16:22].tolist()
        [0.0, 0.03, 0.12, 0.34, 0.7, 1.0]
    """

    _module = "credit"
    _esm = esm(_module)

    errors = traitlets.List(traitlets.Int(), [132]).tag(sync=True)
    leak = Number(0.02, 0, 0.5, 0.005)
    weight = Number(0.14, 0.02, 1, 0.001)
    surrogate = choice("constant", "superspike", "sigmoid", "triangle")
    beta = Number(10.0, 1, 100, 1)
    reset = choice("zero", "subtract", "none")
    detach_reset = traitlets.Bool(True).tag(sync=True)

    @traitlets.validate("errors")
    def _check_errors(self, proposal):
        outside = [step for step in proposal["value"] if not 1 <= step <= STEPS]
        if outside:
            raise traitlets.TraitError(f"`errors` must be steps from 1 to {STEPS}. Received: {outside}")
        return sorted(set(proposal["value"]))

    def _input(self):
        x = np.zeros(STEPS)
        x[ARRIVALS - 1] = self.weight
        return x[None, :, None]

    def simulate(self):
        """The neuron's answer.

        Returns:
            `(spikes, potential)` of `lif.reference.simulate`, each of shape `(211,)`.
        """
        run = reference.simulate(self._input(), self.leak, reset=self.reset)
        return tuple(each[0, :, 0] for each in run)

    def slope(self, z):
        """The surrogate derivative at a distance `z` from threshold."""
        formula = reference.SURROGATES[self.surrogate]
        return formula(z) if self.surrogate == "constant" else formula(z, self.beta)

    def credit(self):
        """The credit of each input line, from `lif.reference.gradient`; shape `(34,)`."""
        error = np.isin(np.arange(1, STEPS + 1), self.errors).astype(float)
        gradient, _ = reference.gradient(
            self._input(),
            self.leak,
            error[None, :, None],
            reset=self.reset,
            surrogate=self.slope,
            detach_reset=self.detach_reset,
        )
        # Each line has one spike of height 1, so its weight's gradient is that of the current at its step.
        return gradient[0, ARRIVALS - 1, 0]

    def picture(self):
        import matplotlib.pyplot as plt

        spikes, potential = self.simulate()
        credit = self.credit()
        largest = np.abs(credit).max()
        fired = np.flatnonzero(spikes) + 1
        heights = dict(height_ratios=(0.4, 1, 0.4, 0.4, 1))
        fig, rows = plt.subplots(5, 1, figsize=(7, 5), sharex=True, gridspec_kw=heights)
        rows[0].vlines(ARRIVALS, 0, 1, color=INK, lw=1.6)
        rows[1].stairs(potential, np.arange(STEPS + 1) + 0.5, color=BLUE, fill=True, alpha=0.2)
        rows[1].stairs(potential, np.arange(STEPS + 1) + 0.5, color=BLUE, lw=1.4)
        rows[1].axhline(1, color=INK, lw=0.8, ls="--")
        rows[2].vlines(fired, 0, 1, color=BLUE, lw=2.4)
        rows[3].vlines(self.errors, 0, 1, color=PINK, lw=2.4)
        shown = credit / largest if largest else credit
        rows[4].vlines(ARRIVALS, 0, shown, color=PINK, lw=1.8)
        rows[4].plot(ARRIVALS, shown, "o", color=PINK, ms=3.5)
        rows[4].set(xlabel="time step", xlim=(0.5, STEPS + 0.5), ylim=(min(0, 1.1 * shown.min()), 1.1))
        labels = ("input\nspikes", "potential", "output\nspikes", "error", "credit\n(largest = 1)")
        for ax, label in zip(rows, labels, strict=True):
            ax.set_ylabel(label, rotation=0, ha="right", va="center")
        for ax in (rows[0], rows[2], rows[3]):
            ax.set(yticks=[], ylim=(0, 1))
            ax.spines["left"].set_visible(False)
        blamed = ARRIVALS[np.abs(credit) > 0.01 * largest]
        where = f"from step {blamed[0]} to step {blamed[-1]}" if len(blamed) else "nowhere"
        return fig, (
            f"Five rows for a neuron with leak {self.leak:g} and the {self.surrogate} surrogate: 34 input spikes, the "
            f"potential, the output spikes ({len(fired)}), the errors ({len(self.errors)}) and the credits. "
            f"{len(blamed)} input spikes get more than a hundredth of the largest credit, {where}."
        )

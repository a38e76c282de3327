"""Encoding: a picture becomes spikes, and is read back from them."""

import functools
from itertools import islice

import numpy as np
import traitlets

from lif import reference
from lif.encoders import ConstantEncoder, LatencyEncoder, PopulationEncoder

from ..datasets import digits
from ..palette import BLUE, GREEN, ORANGE, PINK
from .chance import uniforms
from .illustration import Illustration, Number, Whole, choice, esm

STEPS = 50
SIDE = 8
PIXELS = SIDE * SIDE
FINENESS = 128
LEVELS = np.arange(FINENESS + 1) / FINENESS  # the intensities that a reading can tell apart
CODES = {"regular": BLUE, "Poisson": ORANGE, "latency": GREEN, "population": PINK}


@functools.cache
def _digits():
    """One real handwritten digit of each class, with the 17 grey levels of the data."""
    data = digits()
    firsts = [np.flatnonzero(data.y_train == digit)[0] for digit in range(10)]
    images = np.round(data.x_train[firsts].reshape(10, PIXELS) / 255 * 16) / 16
    return {str(digit): image.tolist() for digit, image in enumerate(images)}


class Encoding(Illustration):
    r"""A picture of 8 x 8 pixels as spikes in four codes, over 50 steps, and the picture that can be read from them.

    The codes, and how the intensity $x$ of a pixel is read from the spikes so far:

    - regular: `lif.ConstantEncoder`, then a neuron with `leak`, `threshold` and `reset`. Read as the mean of all
      intensities that would have sent the same spikes.
    - Poisson: as `lif.PoissonEncoder`, a spike in each step with probability `max_probability` $\cdot x$. Read as the
      number of spikes, divided by the number expected for $x = 1$.
    - latency: `lif.LatencyEncoder(50, tau, theta)`, read like regular spikes.
    - population: `lif.PopulationEncoder(units)`, then Poisson spikes. Read as the likeliest intensity.

    Before the first step nothing is known, and everything is read as one half.

    Args:
        digit: "0" to "9", or "drawing".
        drawing: 64 intensities in [0, 1], row by row; each is rounded to a whole number of 128ths.
        pen: What the mouse or a finger does, "draws", "erases" or "looks".
        pixel: The one looked at, from 0 to 63.
        step: Steps so far, from 0 to 50.
        leak, threshold, reset, max_probability, tau, theta, units: As above.
        seed: Of the Poisson spikes, a whole number from 0 to 999.

    Raises:
        traitlets.TraitError: A value is out of bounds; the message names them.

    Example:
        >>> picture = Encoding(digit="drawing", drawing=[0.5] + 63 * [0.0])
        >>> picture.spikes("regular")[:4, 0].tolist()
        [0.0, 1.0, 0.0, 1.0]
        >>> picture.readings("Poisson")[50, 0].round(2).item()
        0.52
    """

    _module = "encoding"
    _esm = esm(_module)
    _fixed = ("_bounds", "_digits")
    _digits = traitlets.Dict(read_only=True).tag(sync=True)

    digit = choice("3", *"012456789", "drawing")
    drawing = traitlets.List(traitlets.Float(), [0.0] * PIXELS).tag(sync=True)
    pen = choice("draws", "erases", "looks")
    pixel = Whole(20, 0, PIXELS - 1, 1)
    step = Whole(12, 0, STEPS, 1)
    leak = Number(0.0, 0, 0.5, 0.005)
    threshold = Number(1.0, 0.2, 5, 0.1)
    reset = choice("subtract", "zero")
    max_probability = Number(1.0, 0.05, 1, 0.05)
    tau = Number(20.0, 1, 40, 1)
    theta = Number(0.2, 0.02, 0.6, 0.02)
    units = Whole(4, 2, 12, 1)
    seed = Whole(0, 0, 999, 1)

    @traitlets.default("_digits")
    def _default_digits(self):
        return _digits()

    @traitlets.validate("drawing")
    def _check_drawing(self, proposal):
        drawing = proposal["value"]
        if len(drawing) != PIXELS or not all(0 <= value <= 1 for value in drawing):
            raise traitlets.TraitError(f"`drawing` must be {PIXELS} numbers from 0 to 1. Received: {drawing}")
        return (np.round(np.array(drawing) * FINENESS) / FINENESS).tolist()

    @property
    def image(self):
        """The picture's intensities, shape `(64,)`."""
        return np.array(self.drawing if self.digit == "drawing" else self._digits[self.digit])

    def spikes(self, code):
        """Spikes of a code, `(50, 64)`; of a population `(50, 64 * units)`, the units of a pixel side by side."""
        if code in ("regular", "latency"):
            return self._send_certain(code, self.image)
        # The random numbers of the page, and not Keras'; the Poisson spikes come before those of the population.
        before = STEPS * PIXELS if code == "population" else 0
        chance = self._chance(self.image, code)
        drawn = islice(uniforms(self.seed), before, before + STEPS * chance.size)
        return (np.reshape(list(drawn), (STEPS, -1)) < chance.ravel()).astype(float)

    def _send_certain(self, code, intensities):
        """The spikes of a code without chance."""
        if code == "latency":
            return LatencyEncoder(STEPS, self.tau, self.theta, dtype="float64")(intensities[None]).numpy()[0]
        current = ConstantEncoder(STEPS, dtype="float64")(intensities[None]).numpy()
        return reference.simulate(current, self.leak, self.threshold, self.reset)[0][0]

    def _chance(self, intensities, code):
        """Probability of a spike per step, shape `(intensities, units)`."""
        activity = intensities[:, None]
        if code == "population":
            activity = PopulationEncoder(self.units, dtype="float64")(activity).numpy()
        return self.max_probability * activity

    def readings(self, code):
        """The picture as read after each number of steps from 0 to 50, shape `(51, 64)`."""
        spikes = self.spikes(code)
        if code in ("regular", "latency"):
            same = self._send_certain(code, LEVELS)[:, None] == spikes[:, :, None]
            possible = np.logical_and.accumulate(same, axis=0)
            read = possible @ LEVELS / possible.sum(axis=2)
        else:
            steps = np.arange(1, STEPS + 1)[:, None]
            number = np.cumsum(spikes, axis=0)
            read = number / (self.max_probability * steps) if code == "Poisson" else self._likeliest(number)
        return np.concatenate([np.full((1, PIXELS), 0.5), np.minimum(read, 1)])

    def _likeliest(self, number):
        number = number.reshape(STEPS, PIXELS, self.units)
        silent = np.arange(1, STEPS + 1)[:, None, None] - number
        chance = np.clip(self._chance(LEVELS, "population"), 1e-9, 1 - 1e-9)
        likelihood = number @ np.log(chance).T + silent @ np.log1p(-chance).T
        # The first of equals, whatever their last digits are.
        best = likelihood >= likelihood.max(axis=2, keepdims=True) - 1e-9
        return LEVELS[best.argmax(axis=2)]

    def errors(self, code):
        """Root mean square difference of picture and reading after each number of steps, shape `(51,)`."""
        return np.sqrt(np.mean((self.readings(code) - self.image) ** 2, axis=1))

    def picture(self):
        import matplotlib.pyplot as plt
        from matplotlib.colors import ListedColormap

        fig, axes = plt.subplot_mosaic(
            [["image", "errors"], *([[f"{code} read", code] for code in CODES])],
            figsize=(7, 7.2),
            width_ratios=(1, 3),
            height_ratios=(1.6, 1, 1, 1, 1),
        )
        grey = dict(cmap="gray", vmin=0, vmax=1)
        axes["image"].imshow(self.image.reshape(SIDE, SIDE), **grey)
        axes["image"].set(xticks=[], yticks=[], title="picture")
        axes["errors"].set(xlim=(0, STEPS), ylim=(0, None), xlabel="time step", ylabel="error")
        now = []
        for code, colour in CODES.items():
            error = self.errors(code)
            axes["errors"].plot(error, color=colour, label=code)
            spikes = self.spikes(code) * (np.arange(STEPS) < self.step)[:, None]
            shown = spikes
            if code == "population":
                shown = spikes[:, self.pixel * self.units : (self.pixel + 1) * self.units]
            extent = (0, STEPS, shown.shape[1], 0)
            raster = dict(cmap=ListedColormap(["#00000000", colour]), vmin=0, vmax=1, aspect="auto")
            axes[code].imshow(shown.T, extent=extent, interpolation="nearest", **raster)
            axes[code].set(xlim=(0, STEPS), yticks=[], xticks=[])
            axes[code].set_title(f"{code}: {spikes.sum():.0f} spikes so far", loc="left", fontsize=10)
            reading = axes[f"{code} read"]
            reading.imshow(self.readings(code)[self.step].reshape(SIDE, SIDE), **grey)
            reading.set(xticks=[], yticks=[])
            now.append(f"{code} {error[self.step]:.2f}")
        axes["errors"].legend(ncols=2)
        axes["population"].set(xticks=range(0, STEPS + 1, 10), xlabel="time step")
        return fig, (
            f"A picture of 8 by 8 pixels, its spikes in four codes during the first {self.step} of {STEPS} steps, the "
            f"picture read back from each, and the error of the reading, which falls as steps go by. After {self.step} "
            f"steps it is, for each code: {', '.join(now)}."
        )

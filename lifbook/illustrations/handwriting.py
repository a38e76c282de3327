"""A trained net at work: the reader writes a digit, and LIF neurons read it."""

import base64
import json
from pathlib import Path

import numpy as np
import traitlets

from lif import reference

from ..palette import BLUE, ORANGE
from .illustration import Illustration, Number, Whole, esm

FIELD = 28  # pixels on each side, as in MNIST
BOX = 20  # the writing is scaled to fit a box of so many pixels
PEN = 2.5  # width of the pen after that, in pixels
SMALLEST = (
    0.15  # of the pad: what is smaller than this is not enlarged to the whole box, so that a dot stays a dot
)

FILE = Path(__file__).with_name("handwriting_net.json")  # written by the full run of the chapter on this net
EXAMPLES = json.loads(Path(__file__).with_name("handwriting_examples.json").read_text(encoding="utf-8"))


def ink(strokes):
    """The picture of MNIST's kind that strokes make.

    As for MNIST: scaled into a box of 20 x 20 pixels without changing its proportions, with soft edges, then moved by
    whole pixels until the centre of mass of the ink lies in the pixel right below the middle of 28 x 28. The pen gets
    its width after the scaling, so that large and small writing are equally bold.

    Args:
        strokes: A list of strokes, each a list of points (x, y) in the unit square, y downwards.

    Returns:
        Intensities from 0 to 1 of shape `(28, 28)`; all 0 without strokes.
    """
    points = np.array([point for stroke in strokes for point in stroke], dtype=float).reshape(-1, 2)
    if len(points) == 0:
        return np.zeros((FIELD, FIELD))
    low, high = points.min(0), points.max(0)
    scale = (BOX - PEN) / max(*(high - low), SMALLEST)
    placed = [(np.array(stroke, dtype=float) - (low + high) / 2) * scale + FIELD / 2 for stroke in strokes]
    picture = _drawn(placed)
    middle = np.arange(FIELD) + 0.5
    mass = np.array([picture.sum(0) @ middle, picture.sum(1) @ middle]) / picture.sum()
    # What is symmetric has its centre exactly between two pixels: the last digits of a sum must not decide.
    return _drawn([stroke + FIELD / 2 - np.floor(mass + 1e-6) for stroke in placed])


def _drawn(strokes):
    """Lines with round ends: a pixel is as dark as its centre lies within the pen, with an edge of one pixel."""
    middle = np.arange(FIELD) + 0.5
    pixels = np.stack(np.meshgrid(middle, middle), axis=-1)
    distance = np.full((FIELD, FIELD), np.inf)
    for stroke in strokes:
        for start, end in zip(stroke, stroke[1:] if len(stroke) > 1 else stroke, strict=False):
            along = end - start
            share = np.clip((pixels - start) @ along / max(along @ along, 1e-12), 0, 1)
            distance = np.minimum(
                distance, np.linalg.norm(pixels - start - share[..., None] * along, axis=-1)
            )
    return np.clip(PEN / 2 + 0.5 - distance, 0, 1)


class Net:
    """Layers of LIF neurons and ten sums, with weights of one byte each.

    Args:
        stored: The net as `packed` makes it; by default the one in `FILE`.
    """

    def __init__(self, stored=None):
        self.stored = stored or json.loads(FILE.read_text(encoding="utf-8"))
        stored = self.stored
        self.steps, self.leak, self.margin = stored["steps"], stored["leak"], stored["margin"]
        self.weights = []
        for layer in stored["layers"]:
            rows = np.frombuffer(base64.b64decode(layer["weights"]), np.int8).reshape(len(layer["scale"]), -1)
            kernel = rows.T * np.array(layer["scale"])
            self.weights += [kernel, np.array(layer["bias"])]

    def respond(self, pictures, leak=None):
        """What happens in the net while it looks at pictures.

        Args:
            pictures: Intensities from 0 to 1, shape `(batch, 784)`; each is a constant current.
            leak: Of all LIF neurons; by default the one the net was trained with.

        Returns:
            `(layers, outputs)`: for each hidden layer the (spikes, potential) of `lif.reference.simulate`, and the ten
            sums so far at each step, `(batch, steps, 10)`.
        """
        leak = self.leak if leak is None else leak
        *hidden, last = zip(self.weights[::2], self.weights[1::2], strict=True)
        layers = []
        arriving = None
        for kernel, bias in hidden:
            if arriving is None:
                current = np.repeat((pictures @ kernel + bias)[:, None], self.steps, axis=1)
            else:
                current = arriving @ kernel + bias
            layers.append(reference.simulate(current, leak, reset="subtract"))
            arriving = layers[-1][0]
        return layers, np.cumsum(arriving @ last[0] + last[1], axis=1)


def packed(weights, **facts):
    """A trained net in a form that JavaScript reads: whole numbers from -127 to 127, one scale for each neuron.

    Args:
        weights: Kernel and bias of each layer, as `model.get_weights()` of Keras gives them.
        **facts: What else is to be kept: `steps`, `leak`, `margin`.

    Returns:
        A dict for `Net` and for JSON.
    """
    layers = []
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        scale = [float(f"{largest / 127:.6g}") for largest in np.abs(kernel).max(axis=0)]
        rows = np.round(kernel / np.maximum(scale, 1e-12)).clip(-127, 127).astype(np.int8).T
        layers.append(
            {
                "scale": scale,
                "bias": [float(f"{value:.6g}") for value in bias],
                "weights": base64.b64encode(rows.tobytes()).decode("ascii"),
            }
        )
    return {**facts, "layers": layers}


def margin(sums):
    """How far the largest of ten sums lies above the second."""
    second, first = np.sort(sums, axis=-1)[..., -2:].T
    return first - second


class Handwriting(Illustration):
    """A net of LIF neurons, trained on MNIST, reads what the reader writes.

    Args:
        strokes: What is written: a list of strokes, each a list of points (x, y) from 0 to 1, y downwards.
        leak: Of all LIF neurons, from 0 to 0.95; the net was trained with the default.
        step: The time step to look at, from 1 to the last.

    Raises:
        traitlets.TraitError: A value is out of bounds; the message names them.

    Example:
        >>> Handwriting(strokes=EXAMPLES["7"]).answer
        7
    """

    _module = "handwriting"
    _esm = esm(_module)
    net = Net()

    _fixed = ("_bounds", "_net", "_examples")
    _net = traitlets.Dict(net.stored, read_only=True).tag(sync=True)
    _examples = traitlets.Dict(EXAMPLES, read_only=True).tag(sync=True)

    strokes = traitlets.List(traitlets.List(traitlets.List(traitlets.Float())), EXAMPLES["3"]).tag(sync=True)
    leak = Number(net.leak, 0, 0.95, 0.01)
    step = Whole(net.steps, 1, net.steps, 1)

    @traitlets.validate("strokes")
    def _check_strokes(self, proposal):
        points = [point for stroke in proposal["value"] for point in stroke]
        wrong = [point for point in points if len(point) != 2 or not all(0 <= each <= 1 for each in point)]
        if wrong or not all(proposal["value"]):
            found = wrong[:3] or "a stroke without points"
            raise traitlets.TraitError(f"`strokes` must be points (x, y) from 0 to 1. Received: {found}")
        return proposal["value"]

    @property
    def image(self):
        """What the net sees, as MNIST would have it: intensities from 0 to 1, shape `(28, 28)`."""
        return ink(self.strokes)

    def simulate(self):
        """`(layers, outputs)` of `Net.respond`, without the axis of the batch."""
        layers, outputs = self.net.respond(self.image.reshape(1, -1), self.leak)
        return [(spikes[0], potential[0]) for spikes, potential in layers], outputs[0]

    @property
    def outputs(self):
        """The ten sums at the last step."""
        return self.simulate()[1][-1]

    @property
    def answer(self):
        """The digit the net reads, or None where nothing is written or the margin is too small."""
        sums = self.outputs
        return int(sums.argmax()) if self.strokes and margin(sums) >= self.net.margin else None

    def picture(self):
        import matplotlib.pyplot as plt

        layers, outputs = self.simulate()
        steps = np.arange(1, self.net.steps + 1)
        fig, (seen, raster, sums) = plt.subplots(1, 3, width_ratios=(0.8, 1, 1.2), figsize=(7.4, 2.9))
        seen.imshow(self.image, cmap="gray_r", vmin=0, vmax=1)
        seen.set(xticks=[], yticks=[], title="what the net sees")
        every = np.concatenate([spikes for spikes, _ in layers], axis=1)
        field = (0.5, len(steps) + 0.5, every.shape[1], 0)
        raster.imshow(every.T, cmap="gray_r", aspect="auto", interpolation="nearest", extent=field)
        raster.grid(False)
        raster.axhline(layers[0][0].shape[1], color=ORANGE, lw=1.5)
        raster.set(xlabel="time step", ylabel="neuron", title="spikes of two layers")
        winner = outputs[-1].argmax()
        for digit in range(10):
            first = digit == winner
            sums.plot(steps, outputs[:, digit], color=BLUE if first else "#999999", lw=2.4 if first else 1)
        sums.text(steps[-1] + 0.2, outputs[-1, winner], str(winner), color=BLUE, va="center", weight="bold")
        sums.set(xlabel="time step", title="ten sums", xlim=(1, steps[-1] + 1))
        fired = [int(spikes.sum()) for spikes, _ in layers]
        read_as = "no digit" if self.answer is None else f"a {self.answer}"
        return fig, (
            f"A handwritten character as the net sees it, 28 by 28 pixels; the spikes of its two hidden layers over "
            f"{self.net.steps} steps, {fired[0]} and {fired[1]}; and the ten sums of the output, of which the one for "
            f"{winner} ends highest, {margin(outputs[-1]):.1f} above the second. The net reads {read_as}."
        )

"""Learning, live: two small networks that train in the page, side by side."""

import functools
import json
import math

import numpy as np
import traitlets

from lif import reference

from ..palette import BLUE, GREEN, INK, ORANGE
from .chance import normals, shuffle, uniforms
from .illustration import Illustration, Number, Whole, choice, esm

EXAMPLES = 300  # for training, and as many new ones
BATCH = 20

_CLASS_COLOURS = (BLUE, ORANGE, GREEN)
_RUN_COLOURS = {"A": INK, "B": "#B04F8A"}
_RULE = ("surrogate", "beta", "leak", "learning_rate", "steps", "hidden")
_SURROGATES = ("constant", "superspike", "sigmoid", "triangle")


class Learning(Illustration):
    r"""Two networks of LIF neurons that learn the same examples, from the same first weights, under different rules.

    Each is `ConstantEncoder`, `Dense`, `lif.LIF`, `Dense`, `lif.LeakyIntegrator` with the neurons' leak, trained on the
    cross-entropy of the softmax with Adam in batches of 20. The parameters of run B end in `_b`.

    Args:
        data: "Yin-Yang", "circles" or "IRIS".
        surrogate: "constant", "superspike", "sigmoid" or "triangle".
        beta: Sharpness of the surrogate, from 0.5 to 50; the constant has none.
        leak: Of the neurons and of the output sums, from 0 to 0.9.
        learning_rate: From 0.001 to 0.1.
        steps: Time steps for which an example is shown, from 1 to 50.
        hidden: LIF neurons, from 1 to 40.
        inside: What is shown of the networks, "spikes" or "weights" with their gradients.
        probe: The point of the map whose spikes are shown, two numbers from -1 to 1.
        seed: Of the examples, the first weights and the order of the batches, a whole number from 0 to 999.
        running: Whether the networks are training, which they do while they are in sight; set it to start and pause.

    Attributes:
        epoch, loss, accuracy: What the page has reached: completed epochs, and for the two runs the loss on the
            training examples and the accuracy on new ones. Read-only; -1 and empty until the page has begun.

    Raises:
        traitlets.TraitError: A value is out of bounds; the message names them.

    Example:
        >>> history, _ = Learning(data="circles").train(epochs=2)
        >>> history["A"].shape  # epochs 0, 1 and 2; loss and accuracy
        (3, 2)
    """

    _module = "learning"
    _esm = esm(_module)
    _fixed = ("_bounds", "_iris")

    data = choice("Yin-Yang", "circles", "IRIS")
    surrogate = choice(*_SURROGATES)
    beta = Number(10, 0.5, 50, 0.5)
    leak = Number(0.1, 0, 0.9, 0.01)
    learning_rate = Number(0.01, 0.001, 0.1, 0.001)
    steps = Whole(20, 1, 50, 1)
    hidden = Whole(20, 1, 40, 1)
    surrogate_b = traitlets.Enum(_SURROGATES, "superspike").tag(sync=True)
    beta_b = Number(10, 0.5, 50, 0.5)
    leak_b = Number(0.1, 0, 0.9, 0.01)
    learning_rate_b = Number(0.01, 0.001, 0.1, 0.001)
    steps_b = Whole(20, 1, 50, 1)
    hidden_b = Whole(20, 1, 40, 1)
    inside = choice("spikes", "weights")
    probe = traitlets.List(traitlets.Float(), [0.5, 0.0], minlen=2, maxlen=2).tag(sync=True)
    seed = Whole(0, 0, 999, 1)
    running = traitlets.Bool(False).tag(sync=True)

    epoch = traitlets.Int(-1, read_only=True).tag(sync=True)
    loss = traitlets.List(traitlets.Float(), read_only=True).tag(sync=True)
    accuracy = traitlets.List(traitlets.Float(), read_only=True).tag(sync=True)

    _iris = traitlets.Dict(read_only=True).tag(sync=True)

    @traitlets.default("_iris")
    def _default_iris(self):
        from sklearn.datasets import load_iris

        table = load_iris()
        petals = np.c_[table.data[:, 2:], np.ones(len(table.data))]
        sepals = np.linalg.lstsq(petals, table.data[:, :2], rcond=None)[0].T
        flowers = [
            [*map(float, row), int(label)] for row, label in zip(table.data, table.target, strict=True)
        ]
        return {"flowers": flowers, "species": table.target_names.tolist(), "sepals": sepals.tolist()}

    @traitlets.validate("probe")
    def _check_probe(self, proposal):
        if not all(-1 <= value <= 1 for value in proposal["value"]):
            raise traitlets.TraitError(
                f"`probe` must be two numbers from -1 to 1. Received: {proposal['value']}"
            )
        return proposal["value"]

    def rule(self, run):
        """The parameters of run "A" or "B", name -> value."""
        return {name: getattr(self, name if run == "A" else f"{name}_b") for name in _RULE}

    def task(self):
        """The examples.

        Returns:
            `((x, y), (x_new, y_new), class_names)`: for training, and new ones.
        """
        uniform = uniforms(self.seed)
        if self.data == "IRIS":
            return self._iris_task(uniform)
        draw = {"Yin-Yang": _yin_yang, "circles": _circles}[self.data](uniform)
        names = {"Yin-Yang": ["yin", "yang", "dots"], "circles": ["inner", "outer"]}[self.data]

        def examples():
            y = np.arange(EXAMPLES) % len(names)
            return np.array([draw(label) for label in y]), y

        return examples(), examples(), names

    def _iris_task(self, uniform):
        order = list(range(len(self._iris["flowers"])))
        shuffle(order, uniform)
        table = np.array(self._iris["flowers"])[order]
        x, y = table[:, :4], table[:, 4].astype(int)
        low, high = x[:100].min(axis=0), x[:100].max(axis=0)
        x = 2 * (x - low) / (high - low) - 1
        return (x[:100], y[:100]), (x[100:], y[100:]), self._iris["species"]

    def train(self, epochs):
        """Trains both networks from scratch, in NumPy, as the page does.

        Args:
            epochs: Passes through the training examples.

        Returns:
            `(history, networks)`. For each run, `history[run]` has the shape `(epochs + 1, 2)`: after each epoch, 0
            included, the loss on the training examples and the accuracy on new ones. `networks[run]` are the trained
            ones.
        """
        training, new, names = self.task()
        history, networks = {}, {}
        for run in ("A", "B"):
            rule = self.rule(run)
            net = Network(training[0].shape[1], rule["hidden"], len(names), rule, uniforms(self.seed + 1000))
            order, uniform = list(range(len(training[1]))), uniforms(self.seed + 2000)
            reached = [(net.loss(*training), net.accuracy(*new))]
            for _ in range(epochs):
                shuffle(order, uniform)
                for start in range(0, len(order), BATCH):
                    batch = order[start : start + BATCH]
                    net.update(training[0][batch], training[1][batch])
                reached.append((net.loss(*training), net.accuracy(*new)))
            history[run], networks[run] = np.array(reached), net
        return history, networks

    def answers(self):
        """The probability of each class at the ring before training: a dict, run -> array."""
        _, networks = self.train(epochs=0)
        ring = self._place(np.array([self.probe]))
        return {run: net.forward(ring)[0][0] for run, net in networks.items()}

    def picture(self):
        import matplotlib.pyplot as plt

        epochs = 20
        history, networks = _trained(json.dumps(self.parameters(), sort_keys=True), epochs)
        (x, y), _, names = self.task()
        shown = (2, 3) if self.data == "IRIS" else (0, 1)
        axis = np.linspace(-1.12, 1.12, 60)
        grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        fig, axes = plt.subplot_mosaic("AAABBB;AAABBB;LLLRRR", figsize=(7.4, 5.6))
        for run, net in networks.items():
            ax, rule = axes[run], self.rule(run)
            probability = net.forward(self._place(grid))[0]
            mixed = probability @ np.array(
                [plt.matplotlib.colors.to_rgb(c) for c in _CLASS_COLOURS[: len(names)]]
            )
            certainty = (probability.max(axis=1) * len(names) - 1) / (len(names) - 1)
            image = np.c_[mixed, 0.08 + 0.36 * certainty].reshape(60, 60, 4)
            ax.imshow(image, extent=(-1.12, 1.12) * 2, origin="lower", interpolation="none")
            for label, marker in zip(range(len(names)), "os^", strict=False):
                points = x[y == label][:, shown]
                ax.plot(*points.T, marker, color=_CLASS_COLOURS[label], ms=2.5, mew=0)
            ax.set_title(f"{run}: {rule['surrogate']}, leak {rule['leak']:g}", color=_RUN_COLOURS[run])
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            axes["L"].plot(history[run][:, 0], color=_RUN_COLOURS[run])
            axes["R"].plot(100 * history[run][:, 1], color=_RUN_COLOURS[run])
        axes["L"].set(xlabel="epoch", ylabel="loss", yscale="log")
        axes["L"].set_yticks([0.03, 0.1, 0.3, 1], ["0.03", "0.1", "0.3", "1"])
        axes["L"].minorticks_off()
        axes["L"].set_ylim(min(0.1, 0.9 * min(each[:, 0].min() for each in history.values())), None)
        axes["R"].set(xlabel="epoch", ylabel="accuracy (%)")
        reached = " and ".join(f"{100 * history[run][-1, 1]:.0f}% in run {run}" for run in history)
        rules = " and ".join(f"{self.rule(run)['surrogate']} in run {run}" for run in history)
        return fig, (
            f"Two maps of the answers of two networks of LIF neurons that have learnt {self.data} for {epochs} epochs, "
            f"with the training points, and below their loss and accuracy over the epochs. The surrogate is {rules}; "
            f"the accuracy on new points after the last epoch is {reached}."
        )

    def _place(self, points):
        """Inputs for points of the map."""
        if self.data != "IRIS":
            return points
        table = np.array(self._iris["flowers"])[:, :4]
        order = list(range(len(table)))
        shuffle(order, uniforms(self.seed))
        low, high = (f(table[order[:100]], axis=0) for f in (np.min, np.max))
        petals = low[2:] + (points + 1) / 2 * (high - low)[2:]
        sepals = np.c_[petals, np.ones(len(petals))] @ np.array(self._iris["sepals"]).T
        return 2 * (np.c_[sepals, petals] - low) / (high - low) - 1


@functools.lru_cache(maxsize=8)
def _trained(parameters, epochs):
    """What `train` returns; a page may show the same illustration more than once."""
    return Learning(**json.loads(parameters)).train(epochs)


class Network:
    """The network of the page in NumPy: `lif.reference` between two dense layers, and Adam as in Keras.

    Args:
        inputs, hidden, classes: Sizes.
        rule: Parameters of one run, as `Learning.rule` gives them.
        uniform: Random numbers for the first weights, see `chance.uniforms`.
    """

    def __init__(self, inputs, hidden, classes, rule, uniform):
        def weights(rows, columns, bound):
            return np.array([[bound * (2 * next(uniform) - 1) for _ in range(columns)] for _ in range(rows)])

        self.rule = rule
        self.weights = [
            weights(inputs, hidden, math.sqrt(6 / (inputs + hidden))),
            np.zeros(hidden),
            weights(hidden, classes, 0.1),
            np.zeros(classes),
        ]
        self.moments = [(np.zeros_like(w), np.zeros_like(w)) for w in self.weights]
        self.updates = 0

    def forward(self, x):
        """`(probability, currents, spikes)` for examples of shape `(batch, inputs)`."""
        kernel1, bias1, kernel2, bias2 = self.weights
        currents = np.repeat((x @ kernel1 + bias1)[:, None], self.rule["steps"], axis=1)
        spikes, _ = reference.simulate(currents, self.rule["leak"])
        sums = np.einsum("bth,t->bh", spikes, self._kept()) @ kernel2 + self._kept().sum() * bias2
        powers = np.exp(sums - sums.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True), currents, spikes

    def _kept(self):
        """The share of what arrives at each step that is left in the output sums at the last one."""
        return (1 - self.rule["leak"]) ** np.arange(self.rule["steps"] - 1, -1, -1.0)

    def gradient(self, x, y):
        """The gradient of the mean cross-entropy, an array for each of the weights."""
        probability, currents, spikes = self.forward(x)
        kept, beta = self._kept(), self.rule["beta"]
        error = (probability - np.eye(probability.shape[1])[y]) / len(y)
        function = reference.SURROGATES[self.rule["surrogate"]]
        spike_gradient = (error @ self.weights[2].T)[:, None] * kept[:, None]
        current_gradient, _ = reference.gradient(
            currents,
            self.rule["leak"],
            spike_gradient,
            surrogate=function if self.rule["surrogate"] == "constant" else lambda z: function(z, beta),
        )
        blame = current_gradient.sum(axis=1)
        traces = np.einsum("bth,t->bh", spikes, kept)
        return [x.T @ blame, blame.sum(axis=0), traces.T @ error, kept.sum() * error.sum(axis=0)]

    def update(self, x, y):
        """One step of Adam for a batch."""
        self.updates += 1
        scaled = self.rule["learning_rate"] * math.sqrt(1 - 0.999**self.updates) / (1 - 0.9**self.updates)
        for w, g, (mean, square) in zip(self.weights, self.gradient(x, y), self.moments, strict=True):
            mean += 0.1 * (g - mean)
            square += 0.001 * (g**2 - square)
            w -= scaled * mean / (np.sqrt(square) + 1e-7)

    def loss(self, x, y):
        """Mean cross-entropy."""
        probability = self.forward(x)[0]
        return float(-np.mean(np.log(probability[np.arange(len(y)), y])))

    def accuracy(self, x, y):
        """The share of right answers."""
        return float(np.mean(self.forward(x)[0].argmax(axis=1) == y))


def _yin_yang(uniform):
    def part(x, y):
        right, left = math.hypot(x - 0.5, y), math.hypot(x + 0.5, y)
        if min(left, right) <= 0.2:
            return 2
        return 0 if left <= 0.5 or (y > 0 and right > 0.5) else 1

    def draw(wanted):
        while True:
            x, y = 2 * next(uniform) - 1, 2 * next(uniform) - 1
            if math.hypot(x, y) <= 1 and part(x, y) == wanted:
                return x, y

    return draw


def _circles(uniform):
    normal = normals(uniform)

    def draw(wanted):
        angle = 2 * math.pi * next(uniform)
        radius = (0.35, 0.8)[wanted] + 0.1 * next(normal)
        return radius * math.cos(angle), radius * math.sin(angle)

    return draw

"""Firing rates of a network while it trains, and plain words when a layer is silent or always on."""

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from .coarse import CoarseLIF
from .layers import LIF


def firing_rates(model: keras.Model, x: ArrayLike) -> dict[str, np.ndarray]:
    r"""Spikes per step of every `LIF` and `CoarseLIF` unit, $r = \frac{1}{B T} \sum_{b, t} s_t$, averaged over a batch.

    Args:
        model: A built `Sequential` or functional Keras model.
        x: A batch of inputs for it; a few hundred examples are enough.

    Returns:
        A dict, name of the layer -> array of the shape of its units, rates between 0 and 1.

    Raises:
        ValueError: If the model has no `lif.LIF` or `lif.CoarseLIF` layer.

    Example:

    >>> import keras, lif, numpy as np
    >>> model = keras.Sequential([keras.Input((None, 3)), lif.LIF(leak=0.0, name="hidden")])
    >>> lif.firing_rates(model, np.full((1, 10, 3), 0.5))["hidden"].tolist()
    [0.5, 0.5, 0.5]
    """
    hidden = [layer for layer in model.layers if isinstance(layer, LIF | CoarseLIF)]
    if not hidden:
        raise ValueError(
            f"Argument `model` must have a lif.LIF or lif.CoarseLIF layer. Received: layers {model.layers}"
        )
    outputs = [
        layer.output[0] if isinstance(layer.output, list | tuple) else layer.output for layer in hidden
    ]
    spikes = keras.Model(model.inputs, outputs)(ops.convert_to_tensor(x), training=False)
    spikes = spikes if isinstance(spikes, list | tuple) else [spikes]
    rates = [np.asarray(ops.convert_to_numpy(ops.mean(ops.cast(s, "float32"), axis=(0, 1)))) for s in spikes]
    return {layer.name: rate for layer, rate in zip(hidden, rates, strict=True)}


def advice(name: str, rates: np.ndarray) -> str | None:
    """What to say of a layer with these rates, or `None` if nothing is wrong with it.

    Args:
        name: Name of the layer.
        rates: Array of firing rates, one per unit.

    Returns:
        A sentence for a layer in which more than half of the units never fired, or fired in more than nine steps of
        ten; else `None`.
    """
    silent, always_on = np.mean(rates == 0), np.mean(rates > 0.9)
    if silent > 0.5:
        return (
            f"{name}: {silent:.0%} of the units were silent. Try batch normalisation or larger initial weights or "
            "inputs, a lower threshold, a smaller leak, more steps, or, where some current arrives, a surrogate that "
            "reaches far below threshold (constant)."
        )
    if always_on > 0.5:
        return (
            f"{name}: {always_on:.0%} of the units fired in nearly every step. Try smaller initial weights or inputs, "
            "a higher threshold, a larger leak, or a refractory period."
        )
    return None


class FiringRates(keras.callbacks.Callback):
    """Reports the firing rates of all LIF layers after each epoch, and says when one is silent or always on.

    The mean rate of each layer joins the logs, and so the history, as `<layer>_rate`.

    Args:
        x: A batch of inputs to measure the rates on.

    Example:

    >>> import keras, lif, numpy as np
    >>> hidden = [keras.layers.Dense(4, kernel_initializer="zeros"), lif.LIF(name="hidden")]
    >>> model = keras.Sequential([keras.Input((None, 3)), *hidden, lif.LeakyIntegrator()])
    >>> model.compile("sgd", "mse")
    >>> x = np.zeros((2, 5, 3))
    >>> history = model.fit(x, np.zeros((2, 4)), callbacks=[lif.FiringRates(x)], verbose=0)
    hidden: 100% of the units were silent. Try batch normalisation or larger initial weights or inputs, a lower \
threshold, a smaller leak, more steps, or, where some current arrives, a surrogate that reaches far below threshold \
(constant).
    >>> history.history["hidden_rate"]
    [0.0]
    """

    def __init__(self, x: ArrayLike):
        super().__init__()
        self.x = x
        self._said: dict[str, str | None] = {}

    def on_epoch_end(self, epoch, logs=None):
        for name, rates in firing_rates(self.model, self.x).items():
            if logs is not None:
                logs[f"{name}_rate"] = float(np.mean(rates))
            words = advice(name, rates)
            if words and words != self._said.get(name):  # once, not after every epoch
                print(words)
            self._said[name] = words

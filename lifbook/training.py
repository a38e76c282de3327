"""What chapters share when they train: an epoch, an accuracy, pictures as numbers, pictures that move."""

import numpy as np


def intensities(pictures: np.ndarray, *shape: int) -> np.ndarray:
    """Bytes as float32 in [0, 1].

    Args:
        pictures: shape `(n, *dims)`, bytes from 0 to 255.
        *shape: of one picture in the result, such as `-1` for a row of pixels or `28, 28, 1`; by default its own.
    """
    return pictures.reshape(len(pictures), *(shape or pictures.shape[1:])).astype("float32") / 255


def shifted(pictures: np.ndarray, reach: int, rng: np.random.Generator) -> np.ndarray:
    """Every picture moved by up to `reach` pixels down or up and right or left; what comes in is 0.

    Args:
        pictures: shape `(n, height, width, ...)`.
        reach: pixels, an integer >= 0.
        rng: draws the shifts, uniformly.
    """
    size, rest = pictures.shape[1:3], pictures.ndim - 3
    padded = np.pad(pictures, ((0, 0), (reach, reach), (reach, reach), *[(0, 0)] * rest))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(1, 2))
    down, right = rng.integers(0, 2 * reach + 1, (2, len(pictures)))
    return np.moveaxis(windows[np.arange(len(pictures)), down, right], (-2, -1), (1, 2))


def one_epoch(model, x: np.ndarray, y: np.ndarray, batch_size: int, rng: np.random.Generator) -> None:
    """Trains a compiled model on all examples once, in random order: `fit` without its idle time at the end."""
    for chosen in np.split(rng.permutation(len(x)), range(batch_size, len(x), batch_size)):
        model.train_on_batch(x[chosen], y[chosen])


def accuracy(model, x: np.ndarray, y: np.ndarray, batch_size: int = 1000) -> float:
    """The share of examples for which the model's largest output is that of class `y`, shape `(n,)`."""
    outputs = model.predict(x, batch_size=batch_size, verbose=0)
    return float(np.mean(outputs.argmax(axis=-1) == y))

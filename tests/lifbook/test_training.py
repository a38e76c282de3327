"""What chapters share when they train: bytes as numbers, shifted pictures, an epoch, an accuracy."""

import numpy as np
import pytest

from lifbook import training

PICTURES = np.arange(2 * 3 * 4, dtype="uint8").reshape(2, 3, 4) + 1


def test_bytes_become_numbers_from_0_to_1():
    """If this fails, a network sees pictures that are 255 times too bright, or torn into other rows."""
    found = training.intensities(PICTURES)
    assert found.dtype == np.float32 and found.shape == (2, 3, 4)
    np.testing.assert_allclose(found, PICTURES / 255, rtol=1e-6)
    np.testing.assert_array_equal(training.intensities(PICTURES, -1), found.reshape(2, 12))
    np.testing.assert_array_equal(training.intensities(PICTURES, 3, 4, 1), found[..., None])
    assert training.intensities(np.array([[0, 255]], "uint8")).tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize("colours", [(), (3,)])
def test_a_picture_moves_as_a_whole_and_what_comes_in_is_dark(colours):
    """If this fails, augmentation tears a picture, wraps it round its edge, or moves all pictures alike."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(1, 256, (200, 5, 6, *colours), "uint8")
    moved = training.shifted(pictures, 2, np.random.default_rng(1))
    assert moved.shape == pictures.shape and moved.dtype == pictures.dtype
    seen = set()
    for picture, after in zip(pictures, moved, strict=True):
        padded = np.pad(picture, ((2, 2), (2, 2), *[(0, 0)] * len(colours)))
        windows = {(i, j): padded[i : i + 5, j : j + 6] for i in range(5) for j in range(5)}
        (where,) = (place for place, window in windows.items() if np.array_equal(window, after))
        seen.add(where)
    assert len(seen) == 25, "some shift within reach never comes"
    np.testing.assert_array_equal(training.shifted(pictures, 0, rng), pictures)


class Model:
    """Remembers what it was trained on; its outputs are its inputs."""

    def __init__(self):
        self.batches = []

    def train_on_batch(self, x, y):
        self.batches.append((x, y))

    def predict(self, x, batch_size, verbose):
        return x


@pytest.mark.parametrize(("n", "batch_size", "sizes"), [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 5, [3])])
def test_an_epoch_shows_every_example_once_in_random_order(n, batch_size, sizes):
    """If this fails, a network never sees some examples, or sees them with another's class."""
    model, x = Model(), np.arange(n)
    training.one_epoch(model, x, 10 * x, batch_size, np.random.default_rng(0))
    seen = np.concatenate([x for x, _ in model.batches])
    assert [len(x) for x, _ in model.batches] == sizes and sorted(seen) == list(range(n))
    assert all(np.array_equal(10 * x, y) for x, y in model.batches)
    assert n < 8 or list(seen) != sorted(seen)


def test_accuracy_is_the_share_of_largest_outputs_that_are_right():
    """If this fails, every accuracy of the book is another number than its text says."""
    outputs = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    found = training.accuracy(Model(), outputs, np.array([1, 0, 0, 0]))
    assert found == 0.75 and isinstance(found, float)

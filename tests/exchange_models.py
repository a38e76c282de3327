"""Networks that are exchanged with other libraries, for the tests of both ways."""

import keras
import numpy as np
from keras import layers

import lif

RNG = np.random.default_rng(0)
LIVELY = keras.initializers.RandomNormal(stddev=0.6, seed=1)


def model_of(inputs, *hidden):
    return keras.Sequential([keras.Input((None, *inputs)), *hidden])


def dense(units, **options):
    return layers.Dense(units, kernel_initializer=LIVELY, **options)


def convolution(kind, *arguments, **options):
    layer = kind(*arguments, kernel_initializer=LIVELY, **options)
    return lif.TimeDistributed(layer)


MODELS = {
    "dense": lambda: model_of(
        (6,),
        dense(9),
        lif.LIF(leak=0.1, floor=None),
        dense(4, use_bias=False),
        lif.LIF(leak=0.3, threshold=0.7, floor=None),
    ),
    "integrators": lambda: model_of(
        (6,), dense(9), lif.LIF(leak=0.0, floor=None), dense(4), lif.LeakyIntegrator()
    ),
    "readout": lambda: model_of(
        (6,), dense(9), lif.LIF(leak=1.0, floor=None), dense(4), lif.LeakyIntegrator(leak=0.05)
    ),
    "recurrent": lambda: model_of(
        (6,), dense(9), lif.RecurrentLIF(leak=0.1, floor=None, recurrent_initializer=LIVELY)
    ),
    "synapse": lambda: model_of(
        (6,), dense(9), lif.LeakyIntegrator(leak=0.4, return_sequences=True), lif.LIF(leak=0.1, floor=None)
    ),
    "recompute": lambda: model_of(
        (6,),
        lif.Recompute([dense(9), lif.LIF(leak=0.1, floor=None), dense(5)], every=7),
        lif.RecurrentLIF(leak=0.1, floor=None, recurrent_initializer=LIVELY),
    ),
    "one-dimensional": lambda: model_of(
        (11, 3),
        convolution(layers.Conv1D, 5, 3, strides=2),
        lif.LIF(leak=0.2, floor=None),
        lif.TimeDistributed(layers.Flatten()),
        dense(4),
        lif.LIF(leak=0.2, floor=None),
    ),
    # Everything that knows of places: per-unit leaks before and behind the Flatten, and recurrent units behind it.
    "places": lambda: model_of(
        (6, 8, 2),
        convolution(layers.Conv2D, 3, 3, padding="same"),
        lif.LIF(leak=RNG.uniform(0.1, 0.5, (6, 8, 3)), floor=None),
        lif.TimeDistributed(layers.AveragePooling2D(2)),
        convolution(layers.Conv2D, 4, 2),
        layers.TimeDistributed(layers.Flatten()),
        lif.RecurrentLIF(
            leak=RNG.uniform(0.1, 0.5, 24), threshold=0.3, floor=None, recurrent_initializer=LIVELY
        ),
        layers.Dropout(0.5),
        dense(5),
        lif.LeakyIntegrator(leak=0.2),
    ),
}

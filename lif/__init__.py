"""Leaky integrate-and-fire neurons for Keras 3.

The layers (`LIF`, `LeakyIntegrator` and the encoders) stand beside Keras' own: currents and spikes are tensors of
shape `(batch, time, *units)`. `lif.reference` holds the same rules in plain NumPy.
"""

from . import datasets, dynamics, reference, results, surrogates
from .encoders import ConstantEncoder, LatencyEncoder, PoissonEncoder, PopulationEncoder
from .layers import LIF, LeakyIntegrator

__version__ = "0.1.0"

__all__ = [
    "LIF",
    "ConstantEncoder",
    "LatencyEncoder",
    "LeakyIntegrator",
    "PoissonEncoder",
    "PopulationEncoder",
    "datasets",
    "dynamics",
    "reference",
    "results",
    "surrogates",
]

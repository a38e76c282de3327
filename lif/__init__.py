"""Leaky integrate-and-fire neurons for Keras 3.

The layers (`LIF`, `RecurrentLIF`, `LeakyIntegrator` and the encoders) stand beside Keras' own: currents and spikes
are tensors of shape `(batch, time, *units)`. `lif.reference` holds the same rules in plain NumPy.
"""

from . import datasets, dynamics, reference, results, surrogates
from .encoders import ConstantEncoder, LatencyEncoder, PoissonEncoder, PopulationEncoder
from .layers import LIF, LeakyIntegrator, RecurrentLIF
from .monitor import FiringRates, firing_rates

__version__ = "0.1.0"

__all__ = [
    "LIF",
    "FiringRates",
    "ConstantEncoder",
    "LatencyEncoder",
    "LeakyIntegrator",
    "PoissonEncoder",
    "PopulationEncoder",
    "RecurrentLIF",
    "datasets",
    "dynamics",
    "firing_rates",
    "reference",
    "results",
    "surrogates",
]

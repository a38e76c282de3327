"""Leaky integrate-and-fire neurons for Keras 3.

The layers (`LIF`, `RecurrentLIF`, `CoarseLIF`, `LeakyIntegrator` and the encoders) stand beside Keras' own: currents
and spikes are tensors of shape `(batch, time, *units)`. `SoftLIF` is an activation without time, and `to_spiking`
makes a network of such into one of spiking neurons; `SoftNeuron` is what any other kind
starts from. `lif.reference` holds the same rules in plain NumPy.
"""

try:
    from . import coarse, dynamics, reference, soft, surrogates
except ModuleNotFoundError as error:
    if error.name not in ("tensorflow", "jax", "torch", "openvino"):
        raise
    raise ImportError(
        'lif needs a backend of Keras: pip install "lif-book[tensorflow]", '
        "or set KERAS_BACKEND to one that is installed: tensorflow, jax, torch or numpy"
    ) from None
from .coarse import CoarseLIF
from .conversion.continuous import ContinuousNetwork, to_continuous
from .conversion.nir import from_nir, to_nir
from .conversion.spiking import SpikingNetwork, to_spiking
from .encoders import ConstantEncoder, LatencyEncoder, PoissonEncoder, PopulationEncoder
from .layers import LIF, LeakyIntegrator, RecurrentLIF
from .monitor import FiringRates, count_synapses, firing_rates, summary
from .soft import SoftAdaptiveLIF, SoftLIF, SoftNeuron, lif_rate, soft_lif_rate
from .wrappers import Recompute, TimeDistributed

__version__ = "0.1.0"

__all__ = [
    "CoarseLIF",
    "LIF",
    "FiringRates",
    "ConstantEncoder",
    "ContinuousNetwork",
    "LatencyEncoder",
    "LeakyIntegrator",
    "PoissonEncoder",
    "PopulationEncoder",
    "Recompute",
    "RecurrentLIF",
    "SoftAdaptiveLIF",
    "SoftLIF",
    "SoftNeuron",
    "SpikingNetwork",
    "TimeDistributed",
    "coarse",
    "dynamics",
    "count_synapses",
    "firing_rates",
    "from_nir",
    "lif_rate",
    "reference",
    "soft",
    "soft_lif_rate",
    "summary",
    "surrogates",
    "to_continuous",
    "to_nir",
    "to_spiking",
]

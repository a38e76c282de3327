"""The same spikes in other libraries, by way of NIR, and back: run by `make backends`, where PyTorch is.

What their importers make of a graph, as found with snnTorch 1.0.0, Norse 1.1.0 and SpikingJelly 2.0.0: all three
take LIF, CubaLIF and recurrent LIF to the spike. SpikingJelly also takes Conv2d, AvgPool2d, Flatten and IF. snnTorch
flattens the batch with the rest, and refuses an IF whose r is not 1 (with r = 1 it makes a leaky neuron of it). Norse
ignores r, so its graphs need `unit_resistance=True`, and drops AvgPool2d. Spyx 1.0.0 is left out: its LIF takes the
threshold off where NIR says to reset to v_reset. On the way back, Norse writes dt / (1 / tau) for tau.
"""

import keras
import numpy as np
import pytest

import lif
from test_interchange import MODELS, RNG, convolution, dense, model_of

torch = pytest.importorskip("torch", reason="other libraries need PyTorch: make backends")


def snntorch(graph):
    from snntorch.import_nir import import_from_nir

    return import_from_nir(graph)


def norse(graph):
    from norse.torch.utils.import_nir import from_nir

    return from_nir(graph, dt=1e-4)


def spikingjelly(graph):
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    return import_from_nir(graph)


def run(network, x):
    """Spikes of a PyTorch network, step by step; channels first there."""
    x, state, spikes = torch.from_numpy(np.moveaxis(x, -1, 2).copy()), None, []
    network.eval()
    with torch.no_grad():
        for t in range(x.shape[1]):
            y, *rest = network(x[:, t], state)
            state = rest[0]
            spikes.append((y[0] if isinstance(y, tuple) else y).numpy())
    return np.stack(spikes, 1)


def pictures():
    return model_of(
        (6, 8, 2),
        convolution(keras.layers.Conv2D, 3, 3, padding="same"),
        lif.LIF(0.2, floor=None),
        lif.TimeDistributed(keras.layers.AveragePooling2D(2)),
        lif.TimeDistributed(keras.layers.Flatten()),
        dense(5),
        lif.LIF(0.2, floor=None),
    )


def integrators():
    return model_of((6,), dense(9), lif.LIF(0.0, floor=None))


CASES = [
    (library, MODELS[name])
    for library in (snntorch, norse, spikingjelly)
    for name in ("dense", "recurrent", "synapse")
]
CASES += [(spikingjelly, pictures), (spikingjelly, integrators), (norse, integrators)]


@pytest.mark.parametrize(("library", "make"), CASES)
def test_the_same_spikes_elsewhere(library, make):
    """Spike for spike: if this fails, a network trained here is another one there."""
    model = make()
    x = RNG.normal(0, 1.5, (3, 60, *model.inputs[0].shape[2:])).astype("float32")
    expected = model.predict(x, verbose=0)
    found = run(library(lif.to_nir(model, unit_resistance=library is norse)), x)
    assert np.array_equal(found, expected) and expected.any()


def written_by_snntorch(x):
    import snntorch as snn
    from snntorch.export_nir import export_to_nir

    options = dict(reset_mechanism="zero", reset_delay=False, init_hidden=True)
    net = torch.nn.Sequential(
        torch.nn.Linear(6, 9),
        snn.Leaky(beta=0.9 * torch.ones(9), threshold=0.3 * torch.ones(9), **options),
        torch.nn.Linear(9, 4),
        snn.Leaky(beta=0.8 * torch.ones(4), threshold=0.2 * torch.ones(4), output=True, **options),
    )
    graph = export_to_nir(net, torch.zeros(1, 6), ignore_dims=[0])
    for layer in (net[1], net[3]):
        layer.mem = layer.init_leaky()  # the export has run the network
    with torch.no_grad():
        return graph, np.stack([net(torch.from_numpy(x[:, t]))[0].numpy() for t in range(x.shape[1])], 1)


def written_by_spikingjelly(x):
    from spikingjelly.activation_based import functional, layer, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    net = torch.nn.Sequential(
        layer.Linear(6, 9),
        neuron.LIFNode(tau=5.0, decay_input=True, v_threshold=0.2, v_reset=0.0),
        layer.Linear(9, 4),
        neuron.LIFNode(tau=3.0, decay_input=False, v_threshold=0.2, v_reset=0.0),
    )
    graph = export_to_nir(net, torch.zeros(3, 6))
    functional.reset_net(net)
    with torch.no_grad():
        return graph, np.stack([net(torch.from_numpy(x[:, t])).numpy() for t in range(x.shape[1])], 1)


@pytest.mark.parametrize("written", [written_by_snntorch, written_by_spikingjelly])
def test_the_same_spikes_from_elsewhere(written):
    """Spike for spike: if this fails, a network that was trained elsewhere is another one here."""
    torch.manual_seed(0)
    x = RNG.normal(0, 1.5, (3, 60, 6)).astype("float32")
    graph, expected = written(x)
    found = lif.from_nir(graph).predict(x, verbose=0)
    assert np.array_equal(found, expected) and expected.any()


def test_snntorchs_synaptic_neuron_is_a_leaky_sum_and_a_neuron():
    """If this fails, the page on coming from snnTorch gives a counterpart that spikes otherwise."""
    import snntorch as snn

    x = np.random.default_rng(0).normal(0.05, 0.3, (500, 4)).astype("float32")
    synapse = lif.LeakyIntegrator(leak=0.2, return_sequences=True)
    ours = keras.ops.convert_to_numpy(lif.LIF(leak=0.1, floor=None)(synapse(x[None])))[0]
    same = {}
    for delay in (False, True):
        neuron = snn.Synaptic(0.8, 0.9, reset_mechanism="zero", reset_delay=delay, init_hidden=True)
        same[delay] = np.array_equal(np.stack([neuron(torch.from_numpy(step)).numpy() for step in x]), ours)
    assert ours.any() and same == {False: True, True: False}  # the delay costs a step's current

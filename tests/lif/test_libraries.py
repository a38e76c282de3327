"""The same spikes in other libraries, by way of NIR, and back: run by `make backends`, where PyTorch is.

What their importers make of a graph, as found with snnTorch 1.0.0, Norse 1.1.0 and SpikingJelly 2.0.0: all three
take LIF, CubaLIF and recurrent LIF to the spike. SpikingJelly also takes Conv2d, AvgPool2d, Flatten and IF. snnTorch
flattens the batch with the rest, and refuses an IF whose r is not 1 (with r = 1 it makes a leaky neuron of it). Norse
ignores r, so its graphs need `unit_resistance=True`, and drops AvgPool2d. Spyx 1.0.0 is left out: its LIF takes the
threshold off where NIR says to reset to v_reset. On the way back, Norse writes dt / (1 / tau) for tau, so dt has to
be 1 there.
"""

import keras
import numpy as np
import pytest

import lif
from exchange_models import MODELS, RNG, convolution, dense, model_of

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
        lif.LIF(leak=0.2, floor=None),
        lif.TimeDistributed(keras.layers.AveragePooling2D(2)),
        lif.TimeDistributed(keras.layers.Flatten()),
        dense(5),
        lif.LIF(leak=0.2, floor=None),
    )


def integrators():
    return model_of((6,), dense(9), lif.LIF(leak=0.0, floor=None))


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


def written_by_norse(x):
    import norse.torch as norse
    from norse.torch.module.lif_box import LIFBoxCell, LIFBoxParameters
    from norse.torch.utils.export_nir import to_nir

    values = dict(tau_mem_inv=100.0, v_th=0.05, v_leak=0.0, v_reset=0.0)
    rule = LIFBoxParameters(**{name: torch.full((9,), value) for name, value in values.items()})
    net, state, spikes = norse.SequentialState(torch.nn.Linear(6, 9), LIFBoxCell(rule)), None, []
    with torch.no_grad():
        for t in range(x.shape[1]):
            s, state = net(torch.from_numpy(x[:, t]), state)
            spikes.append(s.numpy())
        return to_nir(net, torch.zeros(6), dt=1), np.stack(spikes, 1)


@pytest.mark.parametrize(
    ("written", "dt"),
    [(written_by_snntorch, None), (written_by_spikingjelly, None), (written_by_norse, 1e-3)],
)
def test_the_same_spikes_from_elsewhere(written, dt):
    """Spike for spike: if this fails, a network that was trained elsewhere is another one here."""
    torch.manual_seed(0)
    x = RNG.normal(0, 1.5, (3, 60, 6)).astype("float32")
    graph, expected = written(x)
    found = lif.from_nir(graph, dt=dt).predict(x, verbose=0)
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


STEPS = RNG.normal(0.3, 0.5, (300, 1, 6)).astype("float32")
WEIGHTS = torch.from_numpy(RNG.normal(0, 1, STEPS.shape).astype("float32"))


def spikes_and_gradient(network):
    """Of a function of a sequence, time first: its spikes, and the gradient of their weighted sum at the input."""
    x = torch.from_numpy(STEPS).requires_grad_()
    spikes = network(x)
    (gradient,) = torch.autograd.grad((spikes * WEIGHTS).sum(), x)
    return spikes.detach(), gradient


def agree(network, layer):
    """Whether the spikes are the same; whether their gradients are too."""
    (s, g), (found, gradient) = (
        spikes_and_gradient(f) for f in (network, lambda x: layer(x.swapaxes(0, 1)).swapaxes(0, 1))
    )
    assert s.any()
    return torch.equal(s, found), torch.allclose(g, gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("delay", [True, False])
def test_a_gradient_flows_through_snntorchs_reset_where_it_is_not_delayed(delay):
    """If this fails, the page on coming from snnTorch names the wrong `detach_reset`."""
    import snntorch as snn

    def network(x):
        neuron, potential, spikes = snn.Leaky(0.9, reset_mechanism="zero", reset_delay=delay), None, []
        for current in x:
            s, potential = neuron(current, torch.zeros(1, 6) if potential is None else potential)
            spikes.append(s)
        return torch.stack(spikes)

    found = {}
    for detach in (True, False):
        layer = lif.LIF(leak=0.1, floor=None, surrogate="arctan", detach_reset=detach)
        found[detach] = agree(network, layer)
    assert found[delay] == (True, True) and found[not delay] == (True, False)


def test_snntorchs_recurrent_neuron():
    """If this fails, the page on coming from snnTorch gives a counterpart that spikes otherwise."""
    import snntorch as snn

    neuron = snn.RLeaky(0.9, linear_features=6, reset_mechanism="zero", reset_delay=False)
    torch.nn.init.zeros_(neuron.recurrent.bias)
    layer = lif.RecurrentLIF(leak=0.1, floor=None, surrogate="arctan", detach_reset=False)
    layer.build((None, None, 6))
    layer.set_weights([neuron.recurrent.weight.detach().numpy().T])

    def network(x):
        spike, potential, spikes = torch.zeros(1, 6), torch.zeros(1, 6), []
        for current in x:
            spike, potential = neuron(current, spike, potential)
            spikes.append(spike)
        return torch.stack(spikes)

    assert agree(network, layer) == (True, True)


@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize(("v_reset", "reset"), [(0.0, "zero"), (None, "subtract")])
@pytest.mark.parametrize("detach", [True, False])
def test_spikingjellys_neurons(decay_input, v_reset, reset, detach):
    """If this fails, the page on coming from SpikingJelly gives a counterpart that is another neuron."""
    from spikingjelly.activation_based import neuron, surrogate

    options = dict(v_reset=v_reset, detach_reset=detach, step_mode="m")
    ours = dict(reset=reset, floor=None, detach_reset=detach)
    tau, alpha = 5.0, 3.0
    leaky = neuron.LIFNode(tau, decay_input, surrogate_function=surrogate.Sigmoid(), **options)
    layer = lif.LIF(leak=1 / tau, surrogate=lif.surrogates.logistic(beta=4.0), **ours)
    scale = 3.0 / (tau if decay_input else 1.0)
    assert agree(lambda x: leaky(3.0 * x), lambda x: layer(scale * x)) == (True, True)

    whole = neuron.IFNode(surrogate_function=surrogate.ATan(alpha), **options)
    bell = lif.surrogates.arctan(alpha=alpha)
    assert agree(whole, lif.LIF(leak=0.0, surrogate=lambda z: alpha / 2 * bell(z), **ours)) == (True, True)

"""Networks to and from NIR, without any other framework: what is written, what comes back, what is refused."""

import sys
import warnings

import h5py
import keras
import nir
import numpy as np
import pytest
from keras import layers

import lif
from exchange_models import MODELS, RNG, dense, model_of
from subclassed import InTurn


@pytest.mark.parametrize("unit_resistance", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_what_is_written_and_read_again_is_the_same_network(name, unit_resistance, tmp_path):
    """If this fails, a network is another one after a journey through a file: a kernel, an order, a time constant."""
    model = MODELS[name]()
    path = tmp_path / "network.nir"
    graph = lif.to_nir(model, path, dt=1e-3, unit_resistance=unit_resistance)
    again = lif.from_nir(path)  # the file knows its dt
    assert set(graph.nodes) == set(nir.read(path).nodes)
    x = RNG.normal(0, 1.5, (3, 40, *model.inputs[0].shape[2:])).astype("float32")
    expected, found = model.predict(x, verbose=0), again.predict(x, verbose=0)
    found = (
        found if found.ndim == expected.ndim else found[:, -1]
    )  # an integrator comes back with all its steps
    assert found == pytest.approx(expected, abs=1e-4) and expected.any()


def test_the_numbers_in_a_graph_are_those_of_the_formulas():
    """If this fails, other libraries read another leak or threshold than was meant."""
    graph = lif.to_nir(
        model_of((6,), dense(2, name="d"), lif.LIF(leak=0.25, threshold=2.0, floor=None, name="n")), dt=1e-3
    )
    node = graph.nodes["n"]
    assert node.tau == pytest.approx([4e-3, 4e-3]) and node.r == pytest.approx([4, 4])
    assert (
        np.nextafter(node.v_threshold, np.float32(3)).tolist() == [2, 2]
        and not node.v_leak.any()
        and not node.v_reset.any()
    )
    unit = lif.to_nir(
        model_of((6,), dense(2), lif.LIF(leak=0.25, threshold=2.0, floor=None, name="n")),
        unit_resistance=True,
    )
    assert unit.nodes["n"].r.tolist() == [1, 1] and unit.nodes["n"].v_threshold == pytest.approx([0.5, 0.5])
    assert graph.nodes["d"].weight.shape == (2, 6)
    synapse = lif.to_nir(MODELS["synapse"]())
    assert [type(node) for node in synapse.nodes.values()] == [nir.Input, nir.Affine, nir.CubaLIF, nir.Output]


def euler(node, current, dt):
    """NIR's equations by Euler's method, in NumPy and NIR's own terms, in the precision of the current."""
    v, spikes = np.zeros(node.v_threshold.shape, current.dtype), []
    for i in current:
        if isinstance(node, nir.IF):
            v = v + (dt * node.r).astype(v.dtype) * i
        else:
            v = v + (dt / node.tau).astype(v.dtype) * ((node.v_leak - v) + node.r.astype(v.dtype) * i)
        spikes.append(v > node.v_threshold)
        v = np.where(spikes[-1], node.v_reset, v)
    return np.array(spikes)


def test_a_foreign_neuron_fires_as_its_equations_say():
    """Any resistance, any threshold, one for each unit: if this fails, the scaling of potentials is wrong."""
    tau, r, threshold = RNG.uniform(2e-3, 2e-2, (3, 5)), RNG.uniform(0.5, 9, 5), RNG.uniform(0.2, 2, 5)
    node = nir.LIF(tau=tau[0], r=r, v_leak=np.zeros(5), v_threshold=threshold)
    current = RNG.normal(1.0, 3.0, (200, 5))
    graph = nir.NIRGraph.from_list(nir.Input(np.array([5])), node, nir.Output(np.array([5])))
    spikes = lif.from_nir(graph, dt=1e-3).predict(current[None].astype("float32"), verbose=0)[0]
    assert np.array_equal(spikes, euler(node, current, 1e-3)) and 50 < spikes.sum() < 900


@pytest.mark.parametrize("leak", [0.0, 0.5])
@pytest.mark.parametrize("unit_resistance", [False, True])
def test_a_potential_that_meets_the_threshold_fires_in_both_or_in_neither(leak, unit_resistance):
    """NIR fires above, `lif` at the threshold: if this fails, networks part where a potential meets it to the bit."""
    dt = 2.0**-10
    current = (
        np.random.default_rng(1).integers(-3, 9, (400, 5)).astype("float32") / 8
    )  # sums of these are exact
    current[:, 0] = 0.0625
    for threshold in (1.0, 0.75):
        model = model_of((5,), lif.LIF(leak=leak, threshold=threshold, floor=None, name="n"))
        expected = model.predict(current[None], verbose=0)[0]
        graph = lif.to_nir(model, dt=dt, unit_resistance=unit_resistance)
        written = euler(graph.nodes["n"], current, dt)
        assert np.array_equal(written, expected) and written[:, 1:].any(0).all()
        assert lif.from_nir(graph).get_layer("n").threshold == threshold
    ones = np.ones(5)
    node = (
        nir.LIF(tau=dt / leak * ones, r=ones / leak, v_leak=0 * ones, v_threshold=ones)
        if leak
        else nir.IF(r=ones / dt, v_threshold=ones)
    )
    read = lif.from_nir(_graph([5], n=node), dt=dt)
    found = read.predict(current[None], verbose=0)[0]
    assert np.array_equal(found, euler(node, current, dt))
    if not leak:  # sixteen of a sixteenth are the threshold, and not above it
        assert np.flatnonzero(found[:, 0])[0] == 16
    assert lif.to_nir(read, dt=dt).nodes["n"].v_threshold.tolist() == [1.0] * 5


@pytest.mark.parametrize("threshold", [0.7, 1.0, 1e-6, 123456.7])
def test_a_threshold_survives_any_number_of_journeys(threshold):
    """If this fails, a threshold drifts by a bit with each file, or comes back as another decimal number."""
    model = model_of((2,), lif.LIF(leak=0.1, threshold=threshold, floor=None, name="n"))
    for _ in range(3):
        model = lif.from_nir(lif.to_nir(model))
        assert model.get_layer("n").threshold == threshold


@pytest.mark.parametrize("kind", [lif.LIF, lif.RecurrentLIF, lif.LeakyIntegrator])
def test_leaks_of_exactly_0_beside_others_are_written(kind, tmp_path):
    """Training clips leaks at 0: if this fails, such a network cannot be written, or spikes otherwise when read."""
    leak = np.array([0.0, 0.1, 0.0, 0.5, 1.0, 0.0])
    options = dict(return_sequences=True) if kind is lif.LeakyIntegrator else {}
    model = model_of((6,), kind(leak=leak, floor=None, name="n", **options))
    lif.to_nir(model, tmp_path / "net.nir")
    x = np.random.default_rng(0).normal(0.1, 0.5, (3, 500, 6)).astype("float32")
    expected, found = (net.predict(x, verbose=0) for net in (model, lif.from_nir(tmp_path / "net.nir")))
    assert np.array_equal(found, expected) and expected[:, :, [0, 2, 5]].any()


def test_scale_sum_pool_and_padding_are_read():
    """If this fails, a node that other libraries write is read wrongly: compared with NumPy."""
    kernel = RNG.normal(size=(1, 2, 3, 3)).astype("float32")
    graph = nir.NIRGraph.from_list(
        nir.Input(np.array([2, 5, 5])),
        nir.Scale(np.arange(50.0).reshape(2, 5, 5).astype("float32")),
        nir.Conv2d((5, 5), kernel, (2, 2), (1, 1), (1, 1), 1, np.ones(1, "float32")),
        nir.SumPool2d(np.array([3, 3]), np.array([3, 3]), np.array([0, 0])),
        nir.Flatten(np.array([1, 1, 1]), start_dim=0),
        type_check=False,
    )
    x = RNG.normal(size=(2, 5, 5))
    padded = np.pad(x * np.arange(50.0).reshape(2, 5, 5), [(0, 0), (1, 1), (1, 1)])
    expected = (
        sum(np.sum(padded[:, i : i + 3, j : j + 3] * kernel[0]) for i in (0, 2, 4) for j in (0, 2, 4)) + 9
    )
    found = lif.from_nir(graph).predict(np.moveaxis(x, 0, -1)[None, None].astype("float32"), verbose=0)
    assert found.shape == (1, 1, 1) and found[0, 0, 0] == pytest.approx(expected, rel=1e-4)


def test_the_network_that_was_read_trains_and_saves(tmp_path):
    """If this fails, a network from elsewhere can be looked at only."""
    model = lif.from_nir(lif.to_nir(MODELS["recurrent"]()), surrogate="superspike")
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    x, before = RNG.normal(0, 1.5, (4, 10, 6)), model.get_weights()
    model.fit(x, np.ones((4, 10, 9)), verbose=0)
    assert all(np.any(a != b) for a, b in zip(model.get_weights(), before, strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        ([lif.LIF(name="h")], "h.*floor=0.0"),
        ([lif.LIF(floor=None, reset="subtract", name="h")], "h.*reset='subtract'.*'zero'"),
        ([lif.LIF(floor=None, refractory=2, name="h")], "h.*refractory=2"),
        (
            [layers.BatchNormalization(name="h")],
            "h.*BatchNormalization.*no counterpart.*Fold it into the weights",
        ),
        ([lif.LeakyIntegrator(floor=0.0, name="h")], "h.*floor=0.0"),
        ([lif.LeakyIntegrator(), layers.Dense(2, name="h")], "h.*behind the last step"),
        ([layers.Dense(2, activation="relu", name="h")], "h.*activation='relu'.*'linear'"),
        ([lif.RecurrentLIF(floor=-1.0, name="h")], "h.*floor=-1.0"),
        ([layers.LayerNormalization(name="h")], "h.*LayerNormalization.*no counterpart"),
    ],
)
def test_what_nir_cannot_represent_is_refused_by_name(hidden, message):
    """If this fails, a network is exported as another one without a word."""
    with pytest.raises(ValueError, match=message):
        lif.to_nir(model_of((6,), *hidden))


def test_uneven_padding_and_missing_shapes_are_refused():
    """Keras pads an even kernel on one side more than on the other, which NIR cannot represent."""
    with pytest.raises(ValueError, match="padding='same'.*one side"):
        lif.to_nir(model_of((6, 6, 1), lif.TimeDistributed(layers.Conv2D(2, 2, padding="same"))))
    with pytest.raises(ValueError, match=r"kernel_size=\(2, 3\)"):
        lif.to_nir(model_of((6, 6, 1), lif.TimeDistributed(layers.Conv2D(2, (2, 3)))))
    with pytest.raises(ValueError, match="known units"):
        lif.to_nir(model_of((None,), lif.LIF(floor=None)))
    inputs = keras.Input((None, 6))
    branched = keras.Model(inputs, layers.Add()([dense(6)(inputs), inputs]))
    with pytest.raises(ValueError, match="chain"):
        lif.to_nir(branched)
    with pytest.raises(ValueError, match="dt.*0"):
        lif.to_nir(MODELS["dense"](), dt=0)


def lone(**options):
    node = nir.LIF(**({name: np.ones(2) for name in ("tau", "r", "v_threshold")} | options))
    return nir.NIRGraph.from_list(nir.Input(np.array([2])), node, nir.Output(np.array([2])))


def test_graphs_with_no_counterpart_are_refused_by_name():
    """If this fails, a foreign network is imported as another one without a word."""
    zero = np.zeros(2)
    with pytest.raises(ValueError, match="lif: v_leak must be 0"):
        lif.from_nir(lone(v_leak=np.ones(2)))
    with pytest.raises(ValueError, match="lif: v_reset must be 0"):
        lif.from_nir(lone(v_leak=zero, v_reset=np.ones(2)))
    with pytest.raises(ValueError, match="lif: tau must be at least one step, 2.0"):
        lif.from_nir(lone(v_leak=zero), dt=2.0)
    delay = nir.NIRGraph.from_list(nir.Input(np.array([2])), nir.Delay(zero), nir.Output(np.array([2])))
    with pytest.raises(ValueError, match="delay.*Delay.*no counterpart"):
        lif.from_nir(delay)
    graph = lif.to_nir(MODELS["dense"]())
    graph.edges.append(("input", "output"))
    with pytest.raises(ValueError, match="chain"):
        lif.from_nir(graph)


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    """If this fails, a user without the extra sees an error from the depths."""
    monkeypatch.setitem(sys.modules, "nir", None)
    with pytest.raises(ImportError, match="pip install nir"):
        lif.to_nir(MODELS["dense"]())


@pytest.mark.parametrize("name", ["input", "output"])
def test_a_layer_may_have_the_name_of_a_node_of_the_graph(name, tmp_path):
    """If this fails, a network whose last layer is called output, as many are, cannot be written."""
    inside = [keras.layers.Dense(4, name=name), lif.LIF(floor=None, name="hidden"), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((None, 3)), *inside])
    lif.to_nir(model, tmp_path / "net.nir")
    x = np.random.default_rng(0).normal(size=(2, 20, 3)).astype("float32")
    read = lif.from_nir(tmp_path / "net.nir")
    np.testing.assert_allclose(read.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


class Twice(layers.Dense):
    """Computes something else than the layer that it is derived from."""

    def call(self, x):
        return 2 * super().call(x)


def test_what_computes_something_else_is_not_written_as_what_it_seems():
    """If this fails, the file holds another network than the one that was trained, and nobody says so."""
    quantised = model_of((8,), dense(4))
    quantised.quantize("int8")
    flat = lif.TimeDistributed(layers.Flatten(data_format="channels_first"))
    for model, message in (
        (model_of((8,), Twice(4)), "Twice.*no counterpart"),
        (quantised, "quantization_mode='int8'"),
        (model_of((4, 4, 2), flat, dense(3)), "channels_first"),
    ):
        with pytest.raises(ValueError, match=message):
            lif.to_nir(model)


def test_weights_of_half_precision_are_written_in_a_way_that_can_be_read(tmp_path):
    """If this fails, the file holds numbers of a kind that no reader knows."""
    model = model_of((3,), dense(2, dtype="bfloat16"))
    lif.to_nir(model, tmp_path / "half.nir")
    read = lif.from_nir(tmp_path / "half.nir").get_weights()[0]
    assert np.array_equal(read, np.asarray(keras.ops.convert_to_numpy(model.weights[0]), "float32"))


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    """If this fails, a disk that is full costs the network that was saved before."""
    path = tmp_path / "net.nir"
    lif.to_nir(model_of((3,), dense(2)), path)
    before = path.read_bytes()

    def breaks(path, graph):
        path.write_bytes(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(nir, "write", breaks)
    with pytest.raises(OSError, match="space"):
        lif.to_nir(model_of((3,), dense(5)), path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def _graph(shape, **nodes):
    ends = {"input": nir.Input(np.array(shape)), **nodes, "output": nir.Output(np.array(shape))}
    return nir.NIRGraph(ends, list(zip(list(ends)[:-1], list(ends)[1:], strict=True)), type_check=False)


def _neurons(n=2, threshold=1.0, **options):
    values = dict(
        tau=np.full(n, 1e-3), r=np.full(n, 10.0), v_leak=np.zeros(n), v_threshold=np.full(n, threshold)
    )
    return nir.LIF(**(values | options))


def _loop(*edges):
    nodes = {"input": nir.Input(np.array([2])), "lif": _neurons(), "w": nir.Linear(np.eye(2))}
    return nir.NIRGraph({**nodes, "output": nir.Output(np.array([2]))}, list(edges), type_check=False)


RING = ("input", "lif"), ("lif", "w"), ("w", "lif")


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (_neurons(v_threshold=np.array([1.0, -1.0])), "Node odd: v_threshold must be > 0"),
        (_loop(*RING, ("w", "output")), "Node odd: a subgraph must lead.*edges"),
        (_loop(("input", "w"), *RING[1:], ("lif", "output")), "Node odd: a subgraph must lead.*edges"),
        (_loop(*RING, ("lif", "output"), ("lif", "lif")), "Node odd: a subgraph must lead.*edges"),
        (nir.Conv1d(5, np.ones((2, 3, 2)), 1, 0, 1, 1, np.zeros(2)), "Node odd: "),
    ],
)
def test_what_would_be_another_network_is_refused(node, message):
    """If this fails, a graph is read as a network that spikes differently, or the error does not say where."""
    with pytest.raises(ValueError, match=message):
        lif.from_nir(_graph([2], odd=node))


def test_the_loop_that_is_understood_is_read():
    """If this fails, the test above refuses everything."""
    model = lif.from_nir(_graph([2], ring=_loop(*RING, ("lif", "output"))))
    assert isinstance(model.layers[-1], lif.RecurrentLIF)


def test_a_flatten_of_some_axes_is_refused():
    """If this fails, units are mixed that the graph keeps apart."""
    for ends in ((1, -1), (0, 1)):
        odd = nir.Flatten(np.array([2, 3, 3]), *ends)
        with pytest.raises(ValueError, match="Node odd: a Flatten must take all axes"):
            lif.from_nir(_graph([2, 3, 3], odd=odd))
    assert lif.from_nir(_graph([2, 3, 3], all=nir.Flatten(np.array([2, 3, 3]), 0, 2))).output_shape[-1] == 18


def test_any_name_of_a_node_becomes_a_name_of_its_own():
    """If this fails, a graph is refused for names that Keras does not take."""
    nodes = {"a/b": _neurons(), "a.b": _neurons(), "a_b": _neurons()}
    names = [layer.name for layer in lif.from_nir(_graph([2], **nodes)).layers[1:]]
    assert names == ["a_b", "a_b_", "a_b__"]
    lif.to_nir(model_of((2,), dense(2, name="input"), dense(2, name="input_node")))


@pytest.mark.parametrize("dt", ["a", True, None])
def test_a_step_that_is_no_number_is_named(dt):
    """If this fails, the error is about a comparison that the user did not write."""
    with pytest.raises(ValueError, match="Argument `dt`"):
        lif.to_nir(model_of((2,), dense(2)), dt=dt)
    graph = lif.to_nir(model_of((2,), dense(2)))
    graph.metadata["dt"] = "a" if dt is None else dt
    with pytest.raises(ValueError, match="Argument `dt`"):
        lif.from_nir(graph)
    with pytest.raises(ValueError, match="Argument `graph`.*int"):
        lif.from_nir(3)


def test_a_network_in_parts_is_written_as_one(tmp_path):
    """If this fails, a backbone, or a network as who comes from PyTorch writes it, cannot leave Keras."""

    def part(name):
        return keras.Sequential(
            [dense(9, name="dense"), lif.LIF(leak=0.1, floor=None, name="hidden")], name=name
        )

    net = InTurn(part("first"), part("second"), dense(4, name="last"))
    x = RNG.normal(0, 1.5, (3, 40, 6)).astype("float32")
    expected = keras.ops.convert_to_numpy(net(x))
    graph = lif.to_nir(net, tmp_path / "net.nir")
    names = ["first_dense", "first_hidden", "second_dense", "second_hidden", "last"]
    assert list(graph.nodes) == ["input", *names, "output"]
    found = lif.from_nir(tmp_path / "net.nir").predict(x, verbose=0)
    assert found == pytest.approx(expected, abs=1e-4) and expected.any()
    twins = [lif.TimeDistributed(layers.Dense(3, name="same")) for _ in range(2)]
    assert len(lif.to_nir(model_of((3,), *twins)).nodes) == 4


def test_a_step_that_nobody_says_is_warned_of():
    """If this fails, a network from elsewhere runs with leaks of another size, and nobody says so."""
    graph = _graph([2], n=_neurons())
    with pytest.warns(UserWarning, match="does not say its step.*`dt`"):
        lif.from_nir(graph)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lif.from_nir(graph, dt=1e-4)
        lif.from_nir(lif.to_nir(model_of((2,), lif.LIF(floor=None))))
        lif.from_nir(_graph([2], w=nir.Linear(np.eye(2))))  # no neurons, no step


def edited(path, change):
    """A network in a file that somebody else has written in another way."""
    lif.to_nir(model_of((3,), dense(2, name="dense"), lif.LIF(floor=None, name="hidden")), path)
    with h5py.File(path, "r+") as file:
        change(file["node/nodes"])
    return path


def test_old_files_without_a_reset_are_read(tmp_path):
    """If this fails, what was written before NIR had `v_reset` is lost."""
    path = edited(tmp_path / "old.nir", lambda nodes: nodes["hidden"].__delitem__("v_reset"))
    assert lif.from_nir(path).get_layer("hidden").reset == "zero"


def _replace(node, field, **options):
    def change(nodes):
        del nodes[node][field]
        nodes[node].create_dataset(field, **options)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_replace("dense", "weight", data=np.full((2, 3), np.nan, "float32")), "Node dense: weight.*finite"),
        (_replace("dense", "weight", data=np.full((2, 3), 1 + 1j)), "Node dense: weight.*real"),
        (_replace("dense", "bias", data=np.array([1, np.inf])), "Node dense: bias.*finite"),
        (_replace("hidden", "r", data=np.zeros(2)), "Node hidden: r must be > 0"),
        (_replace("hidden", "type", data="Izhikevich"), "Node hidden: type 'Izhikevich'"),
        (_replace("hidden", "type", data="read"), "Node hidden: type 'read'"),
        (
            _replace("dense", "weight", shape=(300_000, 250_000), dtype="float32", chunks=(100, 100)),
            r"Node dense: weight of shape \(300000, 250000\).*300,000,000,000 bytes.*holds 0",
        ),
    ],
)
def test_a_damaged_file_is_refused_by_the_name_of_the_node(change, message, tmp_path):
    """If this fails, NaN runs through a network unseen, an error has no words, or the memory of the machine is gone."""
    with pytest.raises(ValueError, match=message):
        lif.from_nir(edited(tmp_path / "odd.nir", change))


def test_a_network_that_has_diverged_is_not_written():
    """If this fails, whoever reads the file finds out."""
    model = model_of((3,), dense(2, name="dense"))
    model.set_weights([np.full(w.shape, np.nan) for w in model.get_weights()])
    with pytest.raises(ValueError, match="Layer dense: weight.*finite"):
        lif.to_nir(model)


def test_much_that_is_alike_is_no_claim(tmp_path):
    """If this fails, weights that compress well, such as those of a pruned network, are refused."""
    model = model_of((1500,), layers.Dense(1500, kernel_initializer="zeros"))
    lif.to_nir(model, tmp_path / "sparse.nir")
    assert not lif.from_nir(tmp_path / "sparse.nir").get_weights()[0].any()

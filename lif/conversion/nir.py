r"""Networks to and from NIR, the format in which spiking networks go from one framework to another.

NIR [Pedersen et al. 2024] describes neurons by differential equations; a framework steps through time. What a step is
is agreed here once, and holds in both directions. With steps of length $\Delta t$, Euler's method makes of NIR's

$$
\tau\, \dot v = (v_\text{leak} - v) + r\, I, \qquad z = [v > v_\text{thr}], \qquad
v \leftarrow v_\text{reset} \;\text{where}\; z = 1
$$

the rule of `lif.LIF`, $v_t = (1 - \lambda)\, \bar v_{t-1} + x_t$, where

$$ \lambda = \frac{\Delta t}{\tau}, \qquad x_t = \lambda\, r\, I_t , \qquad v_\text{leak} = v_\text{reset} = 0 . $$

A network is written with $\tau = \Delta t / \lambda$ and $r = 1 / \lambda$, so that $\lambda\, r = 1$ and no weight has
to be scaled. This is also how snnTorch and SpikingJelly write theirs, and 0.1 ms is the step they assume.

A neuron of NIR fires above its threshold, one of `lif` at it. In single precision the two rules are one if the
threshold is moved by one number: $v \ge \vartheta$ is $v > \vartheta^-$ with the float32 number $\vartheta^-$ next
below $\vartheta$. That is what is written, and undone in reading.
"""

import math
import os
import re
import tempfile
import warnings
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np

from .._checks import number, refuse
from .._graph import Walk
from .._keras import IDENTITY, traits, wrapped
from ..layers import LIF, LeakyIntegrator, RecurrentLIF
from ..wrappers import TimeDistributed

Graph: TypeAlias = Any  # a nir.NIRGraph; the package is imported where it is needed

DT = 1e-4

# Written for a leak of 0 that stands beside others. 1 less a leak below 2^-25 is 1 in float32, so nothing leaks.
LEAST_LEAK = 2.0**-40

# More than deflate, by which NIR files are compressed, can make of a byte.
MOST_COMPRESSED = 2000


FOLD = (
    " Fold it into the weights before it: kernel * gamma / sqrt(moving_variance + epsilon), and "
    "(bias - moving_mean) * gamma / sqrt(moving_variance + epsilon) + beta."
)


def _nir():
    try:
        import nir
    except ImportError:
        raise ImportError("Interchange needs the package nir: pip install nir") from None
    return nir


def to_nir(
    model: keras.Model, path: str | PathLike | None = None, dt: float = DT, unit_resistance: bool = False
) -> Graph:
    r"""Write a network as a NIR graph, which other frameworks and neuromorphic hardware read.

    | Keras | NIR |
    |---|---|
    | `Dense` | `Linear`, or `Affine` with a bias |
    | `Conv1D`, `Conv2D` within `TimeDistributed` | `Conv1d`, `Conv2d` |
    | `AveragePooling2D` within `TimeDistributed` | `AvgPool2d` |
    | `Flatten` within `TimeDistributed` | `Flatten` |
    | `Rescaling` without an offset | `Scale` |
    | `lif.LIF(leak=...)` | `LIF`, $\tau = \Delta t / \lambda$, $r = 1/\lambda$; with `leak=0` `IF`, $r = 1/\Delta t$ |
    | `lif.RecurrentLIF` | a subgraph of a `LIF` or `IF` and a `Linear` that leads back to it |
    | `lif.LeakyIntegrator` | `LI`; with `leak=0` `I` |
    | `lif.LeakyIntegrator(return_sequences=True)`, then `lif.LIF` | `CubaLIF` |

    Dropout and noise are left out, and a `lif.Recompute` is written as the layers inside. NIR has no time axis and puts
    channels first: kernels are turned round, and the weights behind a `Flatten` are reordered. A `LeakyIntegrator` is
    written with all its steps.

    In NIR a neuron fires above its threshold, here at it, so the float32 number next below $\vartheta$ is written as
    `v_threshold`. A leak of 0 beside others in one layer is written as one of $2^{-40}$, which changes no potential in
    float32. A layer inside another model has its own name, or, where two have the same, that of the model before it.

    Example:

    >>> import keras, lif
    >>> hidden = [keras.layers.Dense(8, name="dense"), lif.LIF(leak=0.1, floor=None, name="hidden")]
    >>> graph = lif.to_nir(keras.Sequential([keras.Input((None, 3)), *hidden]))
    >>> graph.edges
    [('input', 'dense'), ('dense', 'hidden'), ('hidden', 'output')]
    >>> graph.nodes["hidden"].tau[0].round(6), graph.nodes["hidden"].r[0].round(6)
    (np.float32(0.001), np.float32(10.0))

    Args:
        model: A model that is a chain of layers, some of which may stand in models inside it, with inputs
            `(batch, time, *units)`: functional, a built `Sequential`, or a subclassed one that was called on a batch.
        path: File to write, usually `*.nir`, or `None` for none.
        dt: Length of a step, in seconds, > 0.
        unit_resistance: Whether to write a `LIF` with $r = 1$ and its threshold times $\lambda$: the same neuron, its
            potential in other units. Norse, which ignores $r$, needs it.

    Returns:
        The `nir.NIRGraph`.

    Raises:
        ImportError: If the package `nir` is missing.
        ValueError: For weights that are not finite, and for what NIR cannot represent, naming the layer and the option:
            batch normalisation (fold it into the weights before it), a floor, a refractory period, another
            reset than `"zero"`, an activation, quantised weights, a kernel that is not square, padding that differs
            between two sides, a layer not listed (a subclass of one that is may compute something else, and is not),
            or a model that is no chain.

    Source: Pedersen et al., Neuromorphic intermediate representation, Nature Communications 15 (2024).
    """
    nir = _nir()
    dt = number("dt", dt, above=0)
    walk = Walk(model, (LIF, LeakyIntegrator))
    calls = walk.chain()
    shape = tuple(walk.inputs[0].shape[2:])
    if not shape or None in shape:
        raise refuse("model", "one with inputs (batch, time, *units) of known units", model)
    writer = _Writer(nir, shape, calls, dt, unit_resistance)
    while calls:
        calls = calls[writer.add(*calls[:2]) :]
    graph = nir.NIRGraph(*writer.finished(), metadata={"dt": dt, "fires": "above"})
    if path is not None:
        with tempfile.TemporaryDirectory(prefix=".", dir=Path(path).parent) as folder:
            part = Path(folder) / "graph.nir"
            nir.write(part, graph)
            os.replace(part, path)  # whole or not at all
    return graph


class _Writer:
    """Nodes and edges of a chain as it grows. `shape` is that of the units here, channels last."""

    def __init__(self, nir, shape, calls, dt, unit_resistance):
        self.nir, self.shape = nir, shape
        self.dt, self.unit_resistance = dt, unit_resistance
        self.order = None  # where a flattened unit of NIR stands in Keras, behind a Flatten
        # The graph's own nodes, unless a layer has that name.
        names = {_node_name(call) for call in calls}
        first, self.last = (_unused(name, names, "_node") for name in ("input", "output"))
        self.nodes = {first: nir.Input(np.array(_channels_first(shape)))}
        self.edges = []
        self.ended = False  # behind a layer that gives its last step only

    def finished(self):
        self._put(self.last, self.nir.Output(np.array(_channels_first(self.shape))))
        return self.nodes, self.edges

    def _put(self, name, node):
        name = _unused(name, self.nodes)
        _check_numbers(self.nir, f"Layer {name}", node)
        self.edges.append((list(self.nodes)[-1], name))
        self.nodes[name] = node

    def add(self, call, next_call=None):
        """Write a layer, and perhaps the one after it. Returns how many were written."""
        layer, following = wrapped(call.layer), next_call and next_call.layer
        kind = type(layer)
        if self.ended:
            raise _cannot(layer, "a layer behind the last step alone")
        if traits(layer).numbers == IDENTITY:
            return 1
        _check(layer, data_format="channels_last")
        is_synapse = kind is LeakyIntegrator and layer.return_sequences and type(following) is LIF
        if is_synapse and np.all(_leak(layer)) and np.all(_leak(following)):
            self._put(_node_name(next_call), self._cuba_lif(layer, following))
            return 2
        if kind not in self.writers or traits(layer).steps and call.layer is layer:  # not in TimeDistributed
            way_out = FOLD if isinstance(layer, keras.layers.BatchNormalization) else ""
            raise ValueError(f"Layer {layer.name} ({kind.__name__}) has no counterpart in NIR.{way_out}")
        self._put(_node_name(call), self.writers[kind](self, layer))
        self.ended = kind is LeakyIntegrator and not layer.return_sequences
        self.shape = tuple(call.outputs[0].shape[1 if self.ended else 2 :])
        return 1

    def _per_unit(self, values):
        """One number for each unit, in NIR's order."""
        values = np.broadcast_to(np.asarray(values, "float32"), self.shape)
        return (np.moveaxis(values, -1, 0) if self.order is None else values[self.order]).copy()

    def _refuse_unflattened(self, layer):
        if len(self.shape) > 1:
            raise ValueError(
                f"Layer {layer.name} ({type(layer).__name__}) needs a Flatten before it: units are {self.shape}."
            )

    def _dense(self, layer):
        kernel = _kernel(layer)
        self._refuse_unflattened(layer)
        weight = np.ascontiguousarray((kernel if self.order is None else kernel[self.order]).T)
        self.order = None
        return self.nir.Affine(weight, _numbers(layer.bias)) if layer.use_bias else self.nir.Linear(weight)

    def _convolution(self, layer):
        kernel = _kernel(layer)  # (*space, in, out)
        _check(layer, groups=1)
        if len(set(layer.kernel_size)) > 1:  # nir 1.0.8 takes the height for the width when it checks shapes
            raise _cannot(layer, f"kernel_size={layer.kernel_size}")
        options = dict(
            weight=np.ascontiguousarray(np.moveaxis(kernel, (-1, -2), (0, 1))),
            groups=1,
            bias=_numbers(layer.bias) if layer.use_bias else np.zeros(layer.filters, "float32"),
        )
        space, steps = self.shape[:-1], dict(stride=tuple(layer.strides), dilation=tuple(layer.dilation_rate))
        steps["padding"] = self._padding(layer, layer.kernel_size, layer.dilation_rate)
        if len(space) == 1:
            return self.nir.Conv1d(space[0], **options, **{name: n for name, (n,) in steps.items()})
        return self.nir.Conv2d(space, **options, **steps)

    def _pool(self, layer):
        if any(self._padding(layer, layer.pool_size, (1, 1))):
            raise _cannot(layer, f"padding={layer.padding!r}")
        return self.nir.AvgPool2d(*(np.array(n) for n in (layer.pool_size, layer.strides, (0, 0))))

    def _padding(self, layer, sizes, dilations):
        """What `padding` adds on each side, in numbers."""
        if layer.padding == "valid":
            return (0,) * len(sizes)
        if layer.padding != "same":
            raise _cannot(layer, f"padding={layer.padding!r}")
        widths = []
        for n, size, stride, dilation in zip(self.shape, sizes, layer.strides, dilations, strict=False):
            both = max(0, (math.ceil(n / stride) - 1) * stride + dilation * (size - 1) + 1 - n)
            if both % 2:
                raise ValueError(
                    f"Layer {layer.name}: padding='same' adds {both} cells here, more on one side than on the other, "
                    "which NIR cannot represent. Use an odd kernel with a stride of 1, or padding='valid'."
                )
            widths.append(both // 2)
        return tuple(widths)

    def _flatten(self, layer):
        self.order = _flat_order(self.shape)
        return self.nir.Flatten(np.array(_channels_first(self.shape)), start_dim=0)

    def _scale(self, layer):
        _check(layer, offset=0.0)
        return self.nir.Scale(self._per_unit(layer.scale))

    def _lif(self, layer):
        _check(layer, reset="zero", floor=None, refractory=0, return_potential=False)
        leak, threshold = self._per_unit(_leak(layer)), self._per_unit(layer.threshold)
        if not leak.any():
            return self.nir.IF(r=np.full_like(leak, 1 / self.dt), v_threshold=_next_below(threshold))
        leak[leak == 0] = LEAST_LEAK
        scale = leak if self.unit_resistance else np.ones_like(leak)
        return self.nir.LIF(
            tau=self.dt / leak,
            r=scale / leak,
            v_leak=0 * leak,
            v_threshold=_next_below(scale * threshold),
            v_reset=0 * leak,
        )

    def _recurrent(self, layer):
        nir, neurons = self.nir, self._lif(layer)
        self._refuse_unflattened(layer)
        kernel = _numbers(layer.recurrent_kernel)
        kernel = kernel if self.order is None else kernel[self.order][:, self.order]
        back, units = nir.Linear(np.ascontiguousarray(kernel.T)), np.array(self.shape)
        nodes = {"input": nir.Input(units), "lif": neurons, "w_rec": back, "output": nir.Output(units)}
        return nir.NIRGraph(nodes, [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")])

    def _integrator(self, layer):
        _check(layer, floor=None)
        leak = self._per_unit(_leak(layer))
        if not leak.any():
            return self.nir.I(r=np.full_like(leak, 1 / self.dt))
        leak[leak == 0] = LEAST_LEAK
        return self.nir.LI(tau=self.dt / leak, r=1 / leak, v_leak=0 * leak)

    def _cuba_lif(self, synapse, layer):
        lower, upper = vars(self._integrator(synapse)), vars(self._lif(layer))
        own = {name: upper[name] for name in ("r", "v_leak", "v_threshold", "v_reset")}
        return self.nir.CubaLIF(tau_syn=lower["tau"], w_in=lower["r"], tau_mem=upper["tau"], **own)

    writers = {
        keras.layers.Dense: _dense,
        keras.layers.Conv1D: _convolution,
        keras.layers.Conv2D: _convolution,
        keras.layers.AveragePooling2D: _pool,
        keras.layers.Flatten: _flatten,
        keras.layers.Rescaling: _scale,
        LIF: _lif,
        RecurrentLIF: _recurrent,
        LeakyIntegrator: _integrator,
    }


def from_nir(
    graph: Graph | str | PathLike,
    dt: float | None = None,
    surrogate: str | Callable = "constant",
    detach_reset: bool = True,
) -> keras.Model:
    r"""Make a network of a NIR graph, ready to run or to be trained further.

    The inverse of `lif.to_nir`, for graphs from any framework. $\lambda = \Delta t / \tau$; where $\lambda\, r$ is not
    1, the potential is measured in units of it, which makes the threshold $v_\text{thr} / (\lambda\, r)$; where this
    differs from unit to unit, the currents are scaled instead. `Scale` becomes `Rescaling`, `SumPool2d` an average
    times the size of the pool, `CubaLIF` a `LeakyIntegrator` before a `LIF`. `LI` and `I` return all their steps.

    A graph does not say by what step it was simulated. `lif.to_nir` leaves a note; snnTorch and SpikingJelly assume
    0.1 ms, Norse 1 ms and Spyx 1. A neuron of NIR fires above its threshold, so $\vartheta$ is the float32 number next
    above `v_threshold`. SpikingJelly fires at it: of its networks a potential that meets the threshold to the last bit
    does not fire here.

    Example:

    >>> import keras, lif, numpy as np
    >>> hidden = [keras.layers.Dense(8), lif.LIF(leak=0.1, floor=None)]
    >>> model = keras.Sequential([keras.Input((None, 3)), *hidden])
    >>> again = lif.from_nir(lif.to_nir(model))
    >>> x = np.random.default_rng(0).normal(0.0, 2.0, (1, 50, 3))
    >>> bool(np.all(again.predict(x, verbose=0) == model.predict(x, verbose=0)))
    True

    Args:
        graph: A `nir.NIRGraph` that is a chain of nodes, or the path of a file.
        dt: Length of a step, in the unit of the graph's time constants, > 0. By default what the graph notes, or else
            0.1 ms, with a warning where it matters.
        surrogate, detach_reset: As for `lif.LIF`, for training.

    Returns:
        A functional Keras model, inputs `(batch, time, *units)` with channels last, layers named as the nodes.

    Raises:
        ImportError: If the package `nir` is missing.
        ValueError: If the graph is no chain, a node has no counterpart or is of an unknown type, a number in it is
            complex or not finite, a potential leaks or is reset to another value than 0, a threshold or the resistance
            of a neuron that fires is not > 0, a time constant is shorter than a step, or a file claims to hold much
            more than it does. A node is named.

    Warns:
        UserWarning: If neither `dt` nor the graph says the step, and there are neurons, whose leak depends on it.

    Source: as for `lif.to_nir`.
    """
    nir = _nir()
    if isinstance(graph, str | PathLike):
        graph = _read(nir, graph)
    elif not isinstance(graph, nir.NIRGraph):
        raise ValueError(
            f"Argument `graph` must be a nir.NIRGraph or a path. Received: {type(graph).__name__}"
        )
    if dt is None:
        dt = np.asarray(graph.metadata.get("dt", DT)).item()
        if "dt" not in graph.metadata and _has_neurons(nir, graph):
            warnings.warn(
                f"The graph does not say its step, on which its neurons depend: {DT} s is taken, as snnTorch and "
                "SpikingJelly do. Norse takes 1e-3 and Spyx 1: give argument `dt`.",
                stacklevel=2,
            )
    dt = number("dt", dt, above=0)
    # Earlier versions of `to_nir`, which noted the step alone, wrote the threshold at which a neuron fires.
    fires_above = "fires" in graph.metadata or "dt" not in graph.metadata
    reader = _Reader(nir, dt, fires_above, dict(surrogate=surrogate, detach_reset=detach_reset, floor=None))
    names = _path(nir, graph)
    shape = graph.nodes[names[0]].input_type["input"]
    if shape is None:
        raise ValueError(f"Argument `graph` must say which shape its input {names[0]} has. Received: none")
    inputs = y = keras.Input((None, *_channels_last(shape)))
    for name in names[1:-1]:
        _check_numbers(nir, f"Node {name}", graph.nodes[name])
        try:
            y = reader.add(name, graph.nodes[name], y)
        except ValueError as error:
            raise ValueError(f"Node {name}: {error}") from error
    return keras.Model(inputs, y)


class _Reader:
    """Applies nodes to Keras tensors."""

    def __init__(self, nir, dt, fires_above, options):
        self.nir, self.dt, self.fires_above, self.options = nir, dt, fires_above, options
        self.order = None  # where a flattened unit of NIR stands in Keras, behind a Flatten
        self.names = set()

    def _layer_name(self, name):
        """A node's name as Keras takes it, and nobody else's."""
        name = _unused(re.sub("[./]", "_", name), self.names)
        self.names.add(name)
        return name

    def add(self, name, node, y):
        kind = type(node).__name__
        if kind not in self.readers:
            raise ValueError(f"a {kind} has no counterpart in lif.")
        return self.readers[kind](self, self._layer_name(name), node, y)

    def _dense(self, name, node, y):
        weight = np.asarray(node.weight, "float32")
        if weight.ndim != 2 or len(y.shape) != 3:
            raise ValueError(f"expected flat units and a matrix. Received: weights of {weight.shape}")
        kernel = weight.T if self.order is None else weight.T[np.argsort(self.order)]
        self.order = None
        bias = [np.asarray(node.bias, "float32")] if isinstance(node, self.nir.Affine) else []
        layer = keras.layers.Dense(kernel.shape[1], use_bias=bool(bias), name=name)
        return _with_weights(layer, layer(y), kernel, *bias)

    def _convolution(self, name, node, y):
        kernel = np.moveaxis(np.asarray(node.weight, "float32"), (0, 1), (-1, -2))
        *size, _, filters = kernel.shape
        strides, dilation = (_repeated(n, len(size)) for n in (node.stride, node.dilation))
        padding = node.padding
        if not isinstance(padding, str):
            widths = _repeated(padding, len(size))
            ours = tuple(d * (k - 1) / 2 for d, k in zip(dilation, size, strict=True))
            padding = "same" if widths == ours and set(strides) == {1} else "valid"
            if any(widths) and padding == "valid":
                pad = keras.layers.ZeroPadding1D if len(size) == 1 else keras.layers.ZeroPadding2D
                pad = pad(widths[0] if len(size) == 1 else widths)
                y = TimeDistributed(pad, name=self._layer_name(f"{name}_padding"))(y)
        if int(np.asarray(node.groups)) != 1:
            raise ValueError(f"groups of channels have no counterpart. Received: groups={node.groups}")
        convolution = keras.layers.Conv1D if len(size) == 1 else keras.layers.Conv2D
        layer = convolution(filters, size, strides, str(padding), dilation_rate=dilation)
        bias = np.zeros(filters, "float32") if node.bias is None else np.asarray(node.bias, "float32")
        return _with_weights(layer, TimeDistributed(layer, name=name)(y), kernel, bias)

    def _pool(self, name, node, y):
        size, stride, padding = (_repeated(n, 2) for n in (node.kernel_size, node.stride, node.padding))
        if any(padding):
            raise ValueError(f"padding of a pool has no counterpart. Received: padding={padding}")
        y = TimeDistributed(keras.layers.AveragePooling2D(size, stride), name=name)(y)
        return (
            y if isinstance(node, self.nir.AvgPool2d) else keras.layers.Rescaling(float(math.prod(size)))(y)
        )

    def _flatten(self, name, node, y):
        shape = tuple(y.shape[2:])
        axes = [int(n) % max(1, len(shape)) for n in (node.start_dim, node.end_dim)]
        if axes != [0, max(0, len(shape) - 1)]:
            raise ValueError(
                "a Flatten must take all axes, from 0 to -1. "
                f"Received: start_dim={node.start_dim}, end_dim={node.end_dim}"
            )
        self.order = _flat_order(shape)
        return TimeDistributed(keras.layers.Flatten(), name=name)(y)

    def _scale(self, name, node, y):
        return self._scaled(y, node.scale, name=name)

    def _integrator(self, name, node, y):
        return self._integrate(name, y, *self._leak_and_gain(node))

    def _cuba_lif(self, name, node, y):
        leak = self._leak(node.tau_syn)
        y = self._integrate(self._layer_name(f"{name}_synapse"), y, leak, leak * np.asarray(node.w_in))
        return self._lif(name, node, y)

    def _integrate(self, name, y, leak, gain):
        leak = self._per_unit(leak, y.shape[2:])
        return LeakyIntegrator(leak=leak, return_sequences=True, name=name)(self._scaled(y, gain))

    def _lif(self, name, node, y, recurrent_kernel=None):
        if not np.all(np.asarray(node.v_threshold) > 0):
            raise ValueError(f"v_threshold must be > 0. Received: v_threshold={node.v_threshold!r}")
        leak, gain = self._leak_and_gain(node)
        if not np.all(gain > 0):
            raise ValueError(f"r must be > 0. Received: r={node.r!r}")
        threshold = _next_above(node.v_threshold) if self.fires_above else np.asarray(node.v_threshold)
        threshold = np.where(gain == 1, _shortest(threshold), _seven_digits(threshold / gain))
        threshold = self._per_unit(threshold, y.shape[2:])
        if np.ptp(threshold) > 1e-6 * np.max(threshold):
            if recurrent_kernel is not None:
                raise ValueError("one threshold for all recurrent units is needed.")
            y, threshold = self._scaled(y, 1 / threshold, in_order=True), 1.0
        leak = self._per_unit(leak, y.shape[2:])
        options = dict(leak=leak, threshold=float(np.mean(threshold)), name=name, **self.options)
        if recurrent_kernel is None:
            return LIF(**options)(y)
        layer = RecurrentLIF(recurrent_initializer="zeros", **options)
        return _with_weights(layer, layer(y), recurrent_kernel)

    def _recurrent(self, name, graph, y):
        nir = self.nir
        kinds = nir.Input, nir.LIF | nir.IF, nir.Linear | nir.Affine, nir.Output
        found = [[key for key, node in graph.nodes.items() if isinstance(node, kind)] for kind in kinds]
        if len(graph.nodes) != 4 or any(len(names) != 1 for names in found):
            raise ValueError("a subgraph must be a LIF or IF and a Linear that leads back to it.")
        (first,), (neurons,), (back,), (last,) = found
        if set(graph.edges) != {(first, neurons), (neurons, back), (back, neurons), (neurons, last)}:
            raise ValueError(
                "a subgraph must lead from its input to the neurons, from them back to themselves through the weights, "
                f"and from them to its output. Received: edges {graph.edges}"
            )
        _check_zero(graph.nodes[back], "bias")
        kernel = np.asarray(graph.nodes[back].weight, "float32").T
        if self.order is not None:
            place = np.argsort(self.order)
            kernel = kernel[place][:, place]
        return self._lif(name, graph.nodes[neurons], y, kernel)

    readers = {
        **dict.fromkeys(["Linear", "Affine"], _dense),
        **dict.fromkeys(["Conv1d", "Conv2d"], _convolution),
        **dict.fromkeys(["AvgPool2d", "SumPool2d"], _pool),
        **dict.fromkeys(["LI", "I"], _integrator),
        **dict.fromkeys(["LIF", "IF"], _lif),
        "CubaLIF": _cuba_lif,
        "Flatten": _flatten,
        "NIRGraph": _recurrent,
        "Scale": _scale,
    }

    def _leak(self, tau):
        leak = self.dt / np.asarray(tau, "float64")
        if np.any(leak > 1 + 1e-6) or not np.all(leak > 0):
            raise ValueError(f"tau must be at least one step, {self.dt}. Received: tau={tau!r}")
        return _seven_digits(np.minimum(leak, 1.0))

    def _leak_and_gain(self, node):
        _check_zero(node, "v_leak", "v_reset")
        r = np.asarray(node.r, "float64")
        if isinstance(node, self.nir.IF | self.nir.I):
            return 0.0 * r, _seven_digits(self.dt * r)
        leak = self._leak(node.tau_mem if isinstance(node, self.nir.CubaLIF) else node.tau)
        gain = leak * r
        return leak, np.where(np.abs(gain - 1) < 1e-6, 1.0, gain)

    def _per_unit(self, values, shape):
        """A number if all are the same, or one for each unit, in the order of Keras."""
        values = np.asarray(values)
        if values.size and np.ptp(values) == 0:
            return float(values.flat[0])
        values = values.reshape(_channels_first(shape)) if values.size == math.prod(shape) else values
        if self.order is not None and len(shape) == 1:
            return values[np.argsort(self.order)]
        return np.moveaxis(values, 0, -1)

    def _scaled(self, y, gain, name=None, in_order=False):
        gain = gain if in_order else self._per_unit(gain, y.shape[2:])
        if np.allclose(gain, 1.0, rtol=1e-6, atol=0):
            return y
        return keras.layers.Rescaling(gain if np.ndim(gain) == 0 else np.asarray(gain).tolist(), name=name)(y)


def _read(nir, path):
    """The graph in a file, which is first looked through: `nir` reads all that a file claims to hold."""
    import h5py  # as nir does

    def check(place, item):
        *groups, field = place.split("/")
        name = "/".join(group for group in groups if group != "nodes")
        if not isinstance(item, h5py.Dataset):
            return
        if field == "type" and "metadata" not in groups:
            kind = item[()]
            kind = kind.decode() if isinstance(kind, bytes) else kind
            known = getattr(nir, kind, None) if isinstance(kind, str) else None
            if not (isinstance(known, type) and issubclass(known, nir.NIRNode)):
                raise ValueError(f"Node {name}: type {kind!r} is none that the package nir knows.")
        claimed, stored = item.size * item.dtype.itemsize, item.id.get_storage_size()
        if claimed > max(2**20, MOST_COMPRESSED * stored):
            raise ValueError(
                f"Node {name}: {field} of shape {item.shape} would take {claimed:,} bytes, of which the file holds "
                f"{stored:,}."
            )

    with h5py.File(path) as file:
        file["node"].visititems(check)
    return nir.read(path)


def _with_weights(layer, outputs, *weights):
    layer.set_weights(weights)
    return outputs


def _has_neurons(nir, graph):
    """Whether a graph, or one inside, has nodes whose leak depends on the step."""
    neurons = nir.LIF | nir.IF | nir.LI | nir.I | nir.CubaLIF | nir.CubaLI
    return any(
        _has_neurons(nir, node) if isinstance(node, nir.NIRGraph) else isinstance(node, neurons)
        for node in graph.nodes.values()
    )


def _check_numbers(nir, name, node):
    """Refuse numbers of a node that are complex or not finite."""
    if isinstance(node, nir.NIRGraph):
        for inner, each in node.nodes.items():
            _check_numbers(nir, f"{name}/{inner}", each)
        return
    for field, value in vars(node).items():
        value = np.asarray(value) if not isinstance(value, dict) else np.zeros(())
        if value.dtype.kind == "c" or value.dtype.kind == "f" and not np.all(np.isfinite(value)):
            raise ValueError(f"{name}: {field} must be finite real numbers. Received: {field}={value!r}")


def _check_zero(node, *fields):
    for field in fields:
        value = getattr(node, field, None)
        if value is not None and np.any(np.asarray(value)):
            raise ValueError(f"{field} must be 0. Received: {field}={value!r}")


def _path(nir, graph):
    """Names of the nodes from the input to the output of a graph that is a chain."""
    after = dict(graph.edges)
    starts = [name for name, node in graph.nodes.items() if isinstance(node, nir.Input)]
    names = starts[:1]
    while names and names[-1] in after and len(names) <= len(graph.nodes):
        names.append(after[names[-1]])
    is_chain = (
        len(starts) == 1 and len(graph.edges) == len(names) - 1 and sorted(names) == sorted(graph.nodes)
    )
    if not is_chain or not isinstance(graph.nodes[names[-1]], nir.Output):
        raise ValueError(
            "Argument `graph` must be a chain of nodes from one Input to one Output, recurrent ones within a subgraph. "
            f"Received: edges {graph.edges}"
        )
    return names


def _leak(layer):
    drawn = [w for w in layer.weights if w.name == "leak"]
    return _numbers(drawn[0]) if drawn else layer.leak


def _numbers(weights):
    """Weights of any precision, in the one that every reader of NIR knows."""
    return np.asarray(keras.ops.convert_to_numpy(weights), "float32")


def _node_name(call):
    """As the layer in `TimeDistributed` is called, or as the layer, told apart from others of its name."""
    name = wrapped(call.layer).name if call.name == call.layer.name else call.name
    return name.replace("/", "_")


def _unused(name, names, more="_"):
    while name in names:
        name += more
    return name


def _kernel(layer):
    """The weights of a layer that does nothing else."""
    _check(layer, activation=keras.activations.linear, quantization_mode=None)
    return _numbers(layer.kernel)


def _check(layer, **options):
    """Refuse a layer with an option that is not as NIR has it."""
    for name, expected in options.items():
        value = getattr(layer, name, expected)
        if value != expected:
            value, expected = (getattr(each, "__name__", each) for each in (value, expected))
            raise _cannot(layer, f"{name}={value!r} but {name}={expected!r}")


def _cannot(layer, what):
    return ValueError(f"Layer {layer.name}: NIR has no counterpart of {what}.")


def _channels_first(shape):
    return (shape[-1], *shape[:-1])


def _channels_last(shape):
    return tuple(int(n) for n in (*shape[1:], shape[0]))


def _flat_order(shape):
    """Where each unit that NIR flattens, channels first, stands among those that Keras flattens."""
    return np.moveaxis(np.arange(math.prod(shape)).reshape(shape), -1, 0).ravel()


def _seven_digits(values):
    """What float32 holds: 0.1, not 0.099999995, where the file has a time constant in float32."""
    return np.char.mod("%.7g", values).astype("float64")


def _shortest(values):
    """The shortest decimal numbers that are these in float32: 0.7, not 0.699999988079071."""
    return np.asarray(values, "float32").astype(str).astype("float64")


def _next_below(threshold):
    """Return the next smaller float32 number, so that `v > result` means `v >= threshold` for a `v` in float32."""
    return np.nextafter(np.asarray(threshold, "float32"), np.float32(-np.inf))


def _next_above(threshold):
    """The smallest float32 number above each."""
    threshold = np.asarray(threshold)  # Norse's are tensors
    single = threshold.astype("float32")
    return np.where(single > threshold, single, np.nextafter(single, np.float32(np.inf)))


def _repeated(n, times):
    """A number, or one for each axis, as one integer for each of the axes."""
    n = np.ravel(n).tolist()
    return tuple(int(k) for k in (n * times if len(n) == 1 else n))

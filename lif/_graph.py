"""Walks of a Keras model: the calls that it is made of, those in nested models included.

A model is walked by its graph: the layers that a functional model or a built `Sequential` calls, one after the other.
Where a layer is itself such a model, or a `Recompute`, the walk goes on inside. A subclassed model, and a layer of
somebody's own that contains neurons, is called once on symbolic tensors, which leave the graph of what it called.
"""

import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from ._checks import refuse
from ._keras import generators, graph_of, nodes, parts
from .wrappers import Recompute

Kinds = type | tuple[type, ...]


class Call(NamedTuple):
    """One call of a layer, or of an operation such as `ops.add`, in a model."""

    name: str
    layer: Any
    args: tuple
    kwargs: dict
    outputs: list[keras.KerasTensor]

    @property
    def inputs(self) -> list[keras.KerasTensor]:
        """What it receives; a mask is not among it."""
        return _symbols(self.args, self.kwargs)


class Walk:
    """The calls of a model in an order in which they can be made.

    A call has the name of its layer. Where two layers share one, they are told apart by the models that they stand in,
    as `"backbone/hidden"`.

    Args:
        model: A functional model, a built `Sequential`, or a subclassed model that was called or built.
        kinds: Classes of neurons. A layer of these that would be passed over is refused.
        x: Inputs of the model. Only a subclassed model may need them, which does not keep the shape that it is for.

    Attributes:
        inputs, outputs: Lists of symbolic tensors.
        calls: List of `Call`.
        opened: Layer -> name, of the models and layers whose inside is among the calls.
    """

    def __init__(self, model: keras.Model, kinds: Kinds, x: Any = None):
        self.name, self.kinds = model.name, kinds
        self.calls: list[Call] = []
        self.opened: dict[keras.layers.Layer, str] = {}
        graph = graph_of(model)
        if graph is None:
            graph = _traced(model, (_symbolic_inputs(model, x),), {}, model.name)
        self.inputs, self._entries = list(graph.inputs), graph
        self.outputs = self._follow(graph, {id(t): t for t in graph.inputs}, "")
        self._name()
        for part in parts(model):
            if isinstance(part, kinds) and part not in self.neurons:
                raise ValueError(
                    "Neurons of argument `model` must be layers of it, or of a model inside it, and be called. "
                    f"Received: {part.name!r}, which is never called, or stands inside another layer"
                )

    @property
    def neurons(self) -> dict[keras.layers.Layer, Call]:
        """The layers of neurons, with their calls."""
        return {call.layer: call for call in self.calls if isinstance(call.layer, self.kinds)}

    @property
    def seeds(self) -> list[keras.Variable]:
        """The state of every generator of random numbers."""
        layers = [call.layer for call in self.calls if isinstance(call.layer, keras.layers.Layer)]
        inside = {part for layer in layers for part in parts(layer)}
        return [generator.state for part in inside for generator in generators(part)]

    def refuse_shared(self):
        """Refuse neurons that the model uses at two places."""
        used = Counter(call.layer for call in self.calls if isinstance(call.layer, self.kinds))
        for layer, times in used.items():
            if times > 1:
                raise ValueError(
                    "Each layer of neurons in argument `model` must be used once, since neurons at two places are not "
                    f"the same neurons. Received: {layer.name!r}, which is used {times} times"
                )

    def _follow(self, graph, known, path):
        """Append the calls of a functional model, given its inputs in `known`. Return its outputs."""
        for node in nodes(graph):
            if node.is_input:
                continue
            args, kwargs = _filled((node.arguments.args, node.arguments.kwargs), known)
            is_here = all(known[id(t)] is t for t in node.input_tensors)
            outputs = self._enter(node.operation, args, kwargs, path, node.outputs if is_here else None)
            known |= {id(t): y for t, y in zip(node.outputs, outputs, strict=True)}
        return [known[id(t)] for t in graph.outputs]

    def _enter(self, layer, args, kwargs, path, outputs=None):
        """Append the call of a layer, or those inside. Return the outputs."""
        path = f"{path}{layer.name}"
        if isinstance(layer, Recompute):
            self.opened[layer], (y, *_) = path, _symbols(args, kwargs)
            for inner in layer.layers:
                (y, *_) = self._enter(inner, (y,), {}, f"{path}/")
            return [y]
        graph = graph_of(layer)
        if graph is None and self._is_composed(layer):
            has_neurons = self._has_neurons(layer)
            try:
                graph = _traced(layer, args, kwargs, path)
            except ValueError:
                if has_neurons:
                    raise
        if graph is not None:
            self.opened[layer] = path
            known = {id(t): x for t, x in zip(graph.inputs, _symbols(args, kwargs), strict=True)}
            return self._follow(graph, known, f"{path}/")
        if outputs is None:
            outputs = keras.tree.flatten(layer.compute_output_spec(*args, **kwargs))
        self.calls.append(Call(path, layer, args, kwargs, outputs))
        return outputs

    def _has_neurons(self, layer):
        return any(isinstance(part, self.kinds) for part in parts(layer, itself=False))

    def _is_composed(self, layer):
        """Whether to look for the calls inside a layer: of a model, or somebody's own layer with neurons inside."""
        if not isinstance(layer, keras.layers.Layer) or isinstance(layer, self.kinds):
            return False
        is_own = not type(layer).__module__.startswith(("keras.", "lif."))
        return isinstance(layer, keras.Model) or is_own and self._has_neurons(layer)

    def _name(self):
        """Give each call the name of its layer, or, where two layers share it, the path to the layer."""
        paths = {call.layer: call.name for call in reversed(self.calls)}  # of a layer used twice, the first
        shared = Counter(layer.name for layer in paths)
        names = {layer: layer.name if shared[layer.name] == 1 else path for layer, path in paths.items()}
        of_layers = Counter(name for layer, name in names.items() if isinstance(layer, keras.layers.Layer))
        twice = [name for name, times in of_layers.items() if times > 1]
        if twice:
            raise ValueError(
                "Layers of argument `model`, those inside a Recompute too, must have unique names. "
                f"Received: two named {twice[0]!r}"
            )
        self.calls = [call._replace(name=names[call.layer]) for call in self.calls]

    def chain(self) -> list[Call]:
        """The calls, if each receives what the one before gives and nothing else; else the model is refused."""
        before, is_chain = self.inputs[0], len(self.inputs) == len(self.outputs) == 1
        for call in self.calls:
            is_chain = is_chain and len(call.inputs) == 1 and call.inputs[0] is before
            before = call.outputs[0]
        if not is_chain or not self.calls or len({call.layer for call in self.calls}) < len(self.calls):
            raise refuse("model", "a chain of layers", self.name)
        return self.calls

    def run(self, x: Any, call: Callable | None = None) -> dict[int, Any]:
        """Make the calls, in inference mode. Returns what each symbolic tensor stands for, by its `id`.

        Args:
            x: Inputs, as the model takes them, or symbolic tensors.
            call: What to do for a `Call`, a function of it and of its arguments with values in place of symbols.
        """
        if not any(isinstance(t, keras.KerasTensor) for t in keras.tree.flatten(x)):
            x = keras.Model(self._entries.input, self._entries.input)(x)  # checked and cast as by the model
        known = {id(t): value for t, value in zip(self.inputs, keras.tree.flatten(x), strict=True)}
        for each in self.calls:
            made = (call or _call)(each, *_filled((each.args, each.kwargs), known))
            known |= {id(t): y for t, y in zip(each.outputs, keras.tree.flatten(made), strict=True)}
        return known


def _call(call, args, kwargs):
    if isinstance(call.layer, keras.layers.Layer):
        kwargs = {**kwargs, "training": False}
    return call.layer(*args, **kwargs)


def _filled(arguments, known):
    """A structure of arguments with the values of the symbolic tensors in it."""
    return keras.tree.map_structure(
        lambda t: known[id(t)] if isinstance(t, keras.KerasTensor) else t, arguments
    )


def _symbols(args, kwargs):
    """The symbolic tensors among arguments, but for masks."""
    kwargs = {name: value for name, value in kwargs.items() if not name.endswith("mask")}
    return [t for t in keras.tree.flatten((args, kwargs)) if isinstance(t, keras.KerasTensor)]


def _symbolic_inputs(model, x):
    """Symbolic inputs of a subclassed model, of the shapes of `x` or of those that it was built for."""
    if not model.built:
        expected = "a functional model, or a Sequential that is built, or a subclassed model that was called on a batch"
        raise refuse("model", expected, model)
    if x is not None:
        return keras.tree.map_structure(lambda t: keras.KerasTensor((None, *t.shape[1:]), _dtype(t)), x)
    shapes = (model.get_build_config() or {}).get("input_shape")
    if shapes is None:
        expected = "called on a batch and take one input, or a list or a dict, if it is subclassed"
        raise refuse("model", expected, model)
    return keras.tree.map_shape_structure(lambda shape: keras.KerasTensor((None, *shape[1:])), shapes)


def _dtype(x):
    dtype = keras.backend.standardize_dtype(x.dtype)
    return keras.backend.floatx() if keras.backend.is_float_dtype(dtype) else dtype


def _traced(layer, args, kwargs, path):
    """A functional model of what a layer does, found by calling it on symbolic tensors."""
    names = inspect.signature(layer.call).parameters
    kwargs = {name: value for name, value in kwargs.items() if name in names and value is not None}
    if "training" in names:
        kwargs["training"] = False
    args = keras.tree.map_structure(
        lambda t: keras.Input(batch_shape=t.shape, dtype=t.dtype) if isinstance(t, keras.KerasTensor) else t,
        args,
    )
    try:
        if any(isinstance(t, keras.KerasTensor) for t in keras.tree.flatten(kwargs)):
            raise TypeError("its keyword arguments are tensors too")
        inputs = [t for t in keras.tree.flatten(args) if isinstance(t, keras.KerasTensor)]
        return keras.Model(args[0] if len(args) == 1 else inputs, layer.call(*args, **kwargs))
    except Exception as error:  # whatever somebody's code raises
        raise ValueError(
            "Argument `model` must be made of layers whose `call` can be followed with symbolic tensors: functions of "
            "keras.ops and other layers, no decision in Python about values, no function of another framework. "
            f"Received: {path!r} ({type(layer).__name__}), where this failed: {type(error).__name__}: {error}"
        ) from error

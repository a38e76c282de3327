"""Walks of a Keras model: its calls, layers and outputs; the file that names what is private in Keras."""

from .layers import Recompute


def nodes(model):
    """The calls of layers that make up a functional model or a built `Sequential`, from its inputs on.

    A layer that is part of several models has a node in each of them.
    """
    by_depth = getattr(getattr(model, "_functional", model), "_nodes_by_depth", None)
    if by_depth is None:
        raise ValueError(
            f"Argument `model` must be a functional model, or a Sequential that is built. Received: {model!r}"
        )
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def unfolded(node):
    """Layer -> its output, in one node: of the layers inside a `Recompute`, or of any other layer alone."""
    layer = node.operation
    if not isinstance(layer, Recompute):
        return {layer: node.output_tensors[0]}
    outputs, y = {}, node.input_tensors[0]
    for inner in layer.layers:
        y = outputs[inner] = inner(y)
    return outputs


def outputs_in(model):
    """Layer -> its output in a model, the first if it is used twice; of the layers inside a `Recompute`, too."""
    found = {}
    for node in nodes(model):
        found |= {layer: y for layer, y in unfolded(node).items() if layer not in found}
    return _with_names_of_their_own(found)


def _with_names_of_their_own(found):
    """Refuses two layers of one name, which Keras does only outside of a `Recompute`."""
    names = sorted(layer.name for layer in found)
    twice = [a for a, b in zip(names, names[1:], strict=False) if a == b]
    if twice:
        raise ValueError(
            "Layers of argument `model`, those inside a Recompute too, must have names of their own. "
            f"Received: two named {twice[0]!r}"
        )
    return found


def refuse_hidden(model, kinds, seen):
    """Refuses neurons inside another model or layer, or as its `activation`: they would be passed over."""
    for part in model._flatten_layers():
        if isinstance(part, kinds) and part not in seen:
            raise ValueError(
                "Neurons of argument `model` must be layers of the model itself. "
                f"Received: {part.name!r}, which stands inside another layer or model"
            )


def refuse_shared(layers):
    """Refuses neurons that a model uses at two places."""
    for layer in layers:
        if layers.count(layer) > 1:
            raise ValueError(
                "Each layer of neurons in argument `model` must be used once, since neurons at two places are not the "
                f"same neurons. Received: {layer.name!r}, which is used {layers.count(layer)} times"
            )


def chained(model):
    """Layer -> its output, for a model that is a chain of layers from one input to one output."""
    first, *others = nodes(model)
    y, is_chain = first.output_tensors[0], len(model.inputs) == len(model.outputs) == 1
    for node in others:
        is_chain = is_chain and len(node.input_tensors) == 1 and node.input_tensors[0] is y
        y = node.output_tensors[0]
    found = [pair for node in others for pair in unfolded(node).items()]
    if not found or not is_chain or len(dict(found)) < len(found):
        raise ValueError(f"Argument `model` must be a chain of layers. Received: {model.name}")
    return _with_names_of_their_own(dict(found))

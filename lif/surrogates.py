r"""Surrogate derivatives: what stands in for the derivative of the spike in the backward pass.

A spike is $s = \Theta(v - \vartheta)$, whose derivative is zero almost everywhere. In the backward pass it is replaced
by a function of the distance $z = v - \vartheta$ from threshold. Each name below, called with its parameters, gives
such a function; the bare name means its defaults:

>>> import lif
>>> float(lif.surrogates.superspike(beta=10.0)(0.1))
0.25
>>> lif.LIF(surrogate="superspike").surrogate
superspike(beta=10.0)

A function of your own works as well, written with `keras.ops`. Decorate it with
`keras.saving.register_keras_serializable()` and it is saved with the model.
"""

import inspect
import math
from collections.abc import Callable, Hashable

import keras
from keras import ops

from ._backend import Tensor
from ._checks import number, refuse

FACTORIES: dict[str, Callable] = {}


class Surrogate:
    """A surrogate derivative with its parameters; call it with the distance `z` from threshold."""

    def __init__(self, formula: Callable, parameters: dict[str, float]):
        self.name, self.formula, self.parameters = formula.__name__, formula, parameters

    def __call__(self, z: Tensor) -> Tensor:
        return self.formula(z, **self.parameters)

    def __repr__(self):
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in self.parameters.items())})"

    def __eq__(self, other):
        return isinstance(other, Surrogate) and repr(self) == repr(other)

    def __hash__(self):
        return hash(repr(self))

    def __reduce__(self):  # the formula goes by its name, which here means its factory
        return deserialize, (serialize(self),)


def _surrogate(formula: Callable) -> Callable[..., Surrogate]:
    """Turn `formula(z, **parameters)` into a factory, `name(**parameters)`: so each name below means a factory."""
    defaults = {k: p.default for k, p in inspect.signature(formula).parameters.items() if k != "z"}

    def factory(*args: float, **parameters: float) -> Surrogate:
        if args:
            example = ", ".join(f"{k}={v}" for k, v in defaults.items())
            raise TypeError(f"{formula.__name__}({example}) takes its parameters by name. Received: {args}")
        for name, value in parameters.items():
            if name not in defaults:
                raise TypeError(f"{formula.__name__}() takes {sorted(defaults)}. Received: {name!r}")
            parameters[name] = number(name, value, above=0)
        return Surrogate(formula, {**defaults, **parameters})

    factory.__name__, factory.__doc__ = formula.__name__, formula.__doc__
    factory.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(k, inspect.Parameter.KEYWORD_ONLY, default=v) for k, v in defaults.items()]
    )
    FACTORIES[formula.__name__] = factory
    return factory


@_surrogate
def constant(z: Tensor) -> Tensor:
    r"""$\sigma'(z) = 1$: every unit takes the blame, however far from threshold [Gerum & Schilling 2021]."""
    return ops.ones_like(z)


@_surrogate
def superspike(z: Tensor, beta: float = 10.0) -> Tensor:
    r"""$\sigma'(z) = 1 / (\beta |z| + 1)^2$, the derivative of a fast sigmoid [Zenke & Ganguli 2018]."""
    return 1.0 / ops.square(beta * ops.abs(z) + 1.0)


@_surrogate
def sigmoid(z: Tensor, beta: float = 10.0) -> Tensor:
    r"""$\sigma'(z) = p (1 - p)$ with $p = 1 / (1 + e^{-\beta z})$; 1/4 at threshold, no factor $\beta$."""
    # In this form nothing overflows, however large z is.
    decayed = ops.exp(-ops.abs(beta * z))
    return decayed / ops.square(1.0 + decayed)


@_surrogate
def logistic(z: Tensor, beta: float = 5.0) -> Tensor:
    r"""$\sigma'(z) = \beta p (1 - p)$ with $p = 1 / (1 + e^{-\beta z})$: the derivative of $p$ [Yanguas-Gil 2020]."""
    return beta * sigmoid(beta=beta)(z)


@_surrogate
def triangle(z: Tensor, beta: float = 10.0) -> Tensor:
    r"""$\sigma'(z) = \max(0, 1 - \beta |z|)$ [Esser et al. 2016]."""
    return ops.maximum(1.0 - beta * ops.abs(z), 0.0)


@_surrogate
def arctan(z: Tensor, alpha: float = 2.0) -> Tensor:
    r"""$\sigma'(z) = 1 / (1 + (\pi \alpha z / 2)^2)$, the derivative of an arctangent, scaled to 1 at threshold."""
    # Beyond |z| of about 1e19 the square would overflow; 1e15 is already zero to float32 accuracy.
    return 1.0 / (1.0 + ops.square(ops.clip(math.pi / 2 * alpha * z, -1e15, 1e15)))


@_surrogate
def multi_gaussian(z: Tensor, sigma: float = 0.5, height: float = 0.15, scale: float = 6.0) -> Tensor:
    r"""$\sigma'(z) = (1 + h)\, g(z; 0, \sigma) - h\, g(z; \sigma, s \sigma) - h\, g(z; -\sigma, s \sigma)$.

    $g(z; \mu, w) = e^{-(z - \mu)^2 / 2 w^2} / (w \sqrt{2 \pi})$ is a normal density: a bell with two shallow negative
    lobes [Yin, Corradi & Bohté, Nature Machine Intelligence 3 (2021); their code takes half of it].
    """

    def density(distance, width):
        bell = ops.exp(-0.5 * ops.square(ops.clip(distance / width, -1e15, 1e15)))
        return bell / (width * math.sqrt(2.0 * math.pi))

    wide = scale * sigma
    return (1.0 + height) * density(z, sigma) - height * (density(z - sigma, wide) + density(z + sigma, wide))


def get(identifier: str | dict | Callable) -> Callable:
    """The surrogate that `identifier` means.

    Args:
        identifier: A name (`"superspike"`), a factory (`lif.surrogates.superspike`), what a factory returns, or any
            function from `z = v - threshold` to the derivative.

    Returns:
        A callable.

    Raises:
        ValueError: If the name is unknown; the message lists the known ones.
    """
    if isinstance(identifier, str) and identifier in FACTORIES:
        return FACTORIES[identifier]()
    if callable(identifier) and identifier in FACTORIES.values():
        return identifier()
    if isinstance(identifier, dict) and identifier:
        return deserialize(identifier)
    if callable(identifier) and isinstance(identifier, Hashable):  # JAX keeps what it compiled under its hash
        return identifier
    expected = f"one of {sorted(FACTORIES)} or a hashable function of `v - threshold`"
    raise refuse("surrogate", expected, identifier)


def serialize(surrogate: Callable) -> dict:
    """What `get_config` stores of a surrogate; `deserialize` undoes it."""
    if isinstance(surrogate, Surrogate):
        return {"name": surrogate.name, "parameters": dict(surrogate.parameters)}
    return keras.saving.serialize_keras_object(surrogate)


def deserialize(config: dict) -> Callable:
    """The surrogate stored by `serialize`."""
    if set(config) == {"name", "parameters"}:
        if config["name"] not in FACTORIES:
            return get(config["name"])
        return FACTORIES[config["name"]](**config["parameters"])
    return keras.saving.deserialize_keras_object(config)

"""Checks of arguments, with one form of message: which argument, what was expected, what was received."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ._misuse import refuse_misplaced


def refuse(name: str, expected: str, value: Any) -> ValueError:
    """The error for an argument `name` that must be something else, to be raised."""
    return ValueError(f"Argument `{name}` must be {expected}. Received: {name}={value!r}")


def is_number(value: Any) -> bool:
    """Whether `value` is a real number, Python's or NumPy's, and not a bool."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def number(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    unit: str = "",
    otherwise: str = "",
) -> float:
    """A finite number within bounds, as a float.

    Args:
        name: Of the argument, for the error.
        value: What was given for it.
        above, at_least, below, at_most: Bounds; None for no bound.
        unit: What the number counts, for the error, as in "a finite number of steps > 0".
        otherwise: What else the argument may be, for the error, as in "or None".

    Raises:
        ValueError: If `value` is no real number, not finite or out of bounds.
    """
    fits = (
        is_number(value)
        and math.isfinite(value)
        and (above is None or value > above)
        and (at_least is None or value >= at_least)
        and (below is None or value < below)
        and (at_most is None or value <= at_most)
    )
    if not fits:
        bounds = [(">", above), (">=", at_least), ("<", below), ("<=", at_most)]
        words = " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)
        expected = " ".join(filter(None, ["a finite number", unit and f"of {unit}", words]))
        raise refuse(name, ", ".join(filter(None, [expected, otherwise])), value)
    return float(value)


def integer(name: str, value: Any, at_least: int, unit: str = "") -> int:
    """An integer with a lower bound, Python's or NumPy's and not a bool, as Python's.

    Raises:
        ValueError: If `value` is none, or less than `at_least`.
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < at_least:
        kind = f"a whole number of {unit}" if unit else "an integer"
        raise refuse(name, f"{kind} >= {at_least}", value)
    return int(value)


def one_of(name: str, value: Any, options: Iterable[str | None]) -> str | None:
    """One of a few words, or None where that is among them.

    Raises:
        ValueError: If `value` is none of them.
    """
    options = tuple(options)
    if not isinstance(value, str | None) or value not in options:
        raise refuse(name, f"one of {options}", value)
    return value


def check_seed(name: str, value: Any) -> int | None:
    """The seed of a generator of random numbers: an integer, Python's or NumPy's, or None.

    Raises:
        ValueError: If `value` is neither.
    """
    if value is None:
        return None
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise refuse(name, "an integer or None", value)
    return int(value)


def check_examples(name: str, x: Any):
    """Refuse arrays without an example, the entries of axis 0.

    Raises:
        ValueError: If `x` has none.
    """
    if not len(x):
        raise ValueError(
            f"Argument `{name}` must contain at least one example. Received: shape {np.shape(x)}"
        )


def check_rank(layer, input_shape, mask=None):
    """Refuses inputs without a time axis, a step or units, a mask that is not one of their steps, and a wrong place."""
    refuse_misplaced(layer)
    if len(input_shape) < 3 or input_shape[1] == 0:
        raise ValueError(
            f"{type(layer).__name__} expects inputs of shape (batch, time, *units), of rank 3 or more and with a step "
            f"at least. Received: inputs of shape {tuple(input_shape)}"
        )
    if mask is not None:
        shape = tuple(np.shape(mask) if isinstance(mask, list) else mask.shape)
        pairs = zip(input_shape[:2], shape, strict=False)
        if len(shape) != 2 or any(None not in (n, m) and n != m for n, m in pairs):
            raise ValueError(
                f"{type(layer).__name__} expects a mask of shape (batch, time) for inputs of shape "
                f"{tuple(input_shape)}. Received: a mask of shape {shape}"
            )

"""Checks of arguments that stand in many places. Those of the layers, `lif._checks`, would bring Keras with them."""

import math
import numbers


def is_number(value) -> bool:
    """Whether `value` is a finite real number (Python or NumPy) and not a bool."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and -math.inf < value < math.inf


def integer(name: str, value, at_least: int, at_most: int | None = None, otherwise: str = "") -> None:
    """Refuses what is no integer (Python or NumPy) within bounds.

    Args:
        name: Of the argument, for the error.
        value: What was given for it.
        at_least, at_most: Bounds; `None` for no upper one.
        otherwise: What else the argument may be, for the error, as in "None or ".

    Raises:
        ValueError: If `value` is a bool, no integer or out of bounds.
    """
    fits = isinstance(value, numbers.Integral) and not isinstance(value, bool) and value >= at_least
    if not fits or (at_most is not None and value > at_most):
        bounds = f">= {at_least}" if at_most is None else f"from {at_least} to {at_most}"
        raise ValueError(
            f"Argument `{name}` must be {otherwise}an integer {bounds}. Received: {name}={value!r}"
        )


def number(name: str, value, above: float, below: float = math.inf, otherwise: str = "") -> None:
    """Refuses what is no finite number between two bounds, both left out.

    Raises:
        ValueError: If `value` is a bool, no real number, not finite or out of bounds.
    """
    if not (is_number(value) and above < value < below):
        bounds = f"> {above:g}" if below == math.inf else f"in ({above:g}, {below:g})"
        raise ValueError(
            f"Argument `{name}` must be {otherwise}a finite number {bounds}. Received: {name}={value!r}"
        )

"""Pictures of spiking layers: rasters, potentials, and a layer's activity as it goes on.

>>> from lifbook import plots

`import lifbook` does not load this module: it needs Matplotlib. Each function takes one example,
with time first, as `spikes[0]` of what a layer returns.
"""

import numpy as np

try:
    from matplotlib import pyplot as plt
except ModuleNotFoundError:
    raise ImportError(
        "lifbook.plots needs the package matplotlib: pip install matplotlib (lif-book[chapters] brings it)"
    ) from None
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from ._checks import number
from .animation import one_example
from .palette import INK


def raster(
    spikes: ArrayLike,
    ax: Axes | None = None,
    order: str | ArrayLike | None = None,
    time: ArrayLike | None = None,
    color: str = INK,
) -> Axes:
    """Draws a mark for every spike: time to the right, one row for each unit, the first at the top.

    Args:
        spikes: Spikes of one example, shape `(time, *units)`; whatever is not 0 is a spike.
        ax: Matplotlib axes to draw on; the current ones by default.
        order: Rows from top to bottom: `None` for the units as they are, `"busiest"` for those with most spikes
            first, `"first"` for those that spike first, or the numbers of the units to show.
        time: The moment of each step, shape `(time,)`; 1, 2, 3, ... by default.
        color: Of the marks.

    Returns:
        The axes.

    Raises:
        ValueError: If `spikes` has no axis of units, or `order` or `time` does not fit it.

    Example:

    >>> import lif, numpy as np
    >>> from lifbook import plots
    >>> spikes = lif.PoissonEncoder(steps=50, max_probability=0.3, seed=0)(np.linspace(0, 1, 20)[None])
    >>> plots.raster(spikes[0]).get_xlabel()
    'time step'
    """
    spikes = one_example("spikes", spikes)
    spikes = spikes.reshape(len(spikes), -1) != 0
    rows = _ordered(spikes, order)
    moments = _moments(time, len(spikes))
    ax = ax or plt.gca()
    step, row = np.nonzero(spikes[:, rows])
    # In points: neighbours in time stay apart, and each can be seen.
    width = np.clip(100 / len(spikes), 0.8, 3.0)
    ax.vlines(moments[step], row - 0.4, row + 0.4, color=color, lw=width)
    ax.set(ylabel="unit", ylim=(len(rows) - 0.2, -0.8), xlim=_limits(moments))
    _label_time(ax, time)
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.grid(False)
    return ax


def traces(
    potential: ArrayLike,
    spikes: ArrayLike | None = None,
    threshold: float | None = 1.0,
    ax: Axes | None = None,
    time: ArrayLike | None = None,
) -> Axes:
    """Draws membrane potentials over time, one above the other, with the threshold dashed and spikes as strokes.

    Args:
        potential: Potentials of one example, shape `(time, units)`, as from `return_potential=True`; a few units.
        spikes: Their spikes, same shape, or `None`.
        threshold: Where to draw the dashed line, > 0, or `None` for none.
        ax: Matplotlib axes to draw on; the current ones by default.
        time: The moment of each step, shape `(time,)`; 1, 2, 3, ... by default.

    Returns:
        The axes.

    Raises:
        ValueError: If shapes do not fit, there are more than twelve units, a potential is not finite, or `threshold`
            is neither `None` nor a finite number > 0.

    Example:

    >>> import lif, numpy as np
    >>> from lifbook import plots
    >>> spikes, potential = lif.reference.simulate(np.full((1, 30, 1), 0.3), leak=0.1)
    >>> plots.traces(potential[0], spikes[0]).get_ylabel()
    'potential'
    """
    if threshold is not None:
        number("threshold", threshold, above=0, otherwise="None or ")
    potential = one_example("potential", potential)
    if not np.isfinite(potential).all():
        raise ValueError("Argument `potential` must hold finite numbers. Received: NaN or infinity")
    if spikes is not None:
        spikes = one_example("spikes", spikes)
        if spikes.shape != potential.shape:
            raise ValueError(
                f"Argument `spikes` must have the shape of the potential, {potential.shape}. "
                f"Received: {spikes.shape}"
            )
        spikes = spikes.reshape(len(spikes), -1) != 0
    potential = potential.reshape(len(potential), -1)
    units = potential.shape[1]
    if units > 12:
        raise ValueError(
            f"Argument `potential` must have 12 units at most, to be told apart. Received: {units}"
        )
    moments = _moments(time, len(potential))
    unit = 1.0 if threshold is None else threshold
    low, top = min(0.0, potential.min()), max(1.6 * unit, potential.max())
    offsets = 1.15 * (top - low) * np.arange(units)[::-1]
    ax = ax or plt.gca()
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    for k, offset in enumerate(offsets):
        color = colors[k % len(colors)]
        ax.plot(moments, potential[:, k] + offset, color=color, lw=1.4)
        if threshold is not None:
            ax.axhline(threshold + offset, color=INK, lw=0.8, ls="--")
        if spikes is not None:
            fired = spikes[:, k]
            ax.vlines(moments[fired], unit + offset, top + offset, color=color, lw=2.2)
    ax.set(
        ylabel="potential", xlim=_limits(moments), ylim=(low - 0.05 * unit, offsets[0] + top + 0.05 * unit)
    )
    ax.set_yticks(np.ravel([offsets, offsets + unit], "F"), [0, f"{unit:g}"] * units)
    _label_time(ax, time)
    return ax


def _ordered(spikes, order):
    """The numbers of the units in the order of their rows."""
    units = spikes.shape[1]
    if order is None:
        return np.arange(units)
    if isinstance(order, str):
        if order == "busiest":
            return np.argsort(-spikes.sum(axis=0), kind="stable")
        if order == "first":
            return np.argsort(np.where(spikes.any(axis=0), spikes.argmax(axis=0), len(spikes)), kind="stable")
    else:
        rows = np.asarray(order)
        if (
            rows.ndim == 1
            and rows.dtype.kind in "iu"
            and rows.size
            and 0 <= rows.min()
            and rows.max() < units
        ):
            return rows
    raise ValueError(
        f"Argument `order` must be None, 'busiest', 'first' or numbers of units from 0 to {units - 1}. "
        f"Received: order={order!r}"
    )


def _moments(time, steps):
    moments = np.arange(1, steps + 1) if time is None else np.asarray(time, float)
    if moments.shape != (steps,):
        raise ValueError(
            f"Argument `time` must have a moment for each of {steps} steps. Received: {moments.shape}"
        )
    return moments


def _label_time(ax, time):
    """Steps are counted; moments have a unit that only the user knows."""
    if time is None:
        ax.set_xlabel("time step")
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _limits(moments):
    """Half a step of room on both sides."""
    half = 0.5 * (moments[-1] - moments[0]) / max(1, len(moments) - 1) or 0.5
    return moments[0] - 2 * half, moments[-1] + 2 * half

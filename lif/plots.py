"""Pictures of spiking layers: rasters, potentials, and a layer's activity as it goes on.

>>> from lif import plots

`import lif` does not load this module: it needs Matplotlib, which the layers do not. Each function takes one example,
with time first, as `spikes[0]` of what a layer returns.
"""

import base64
import html
import json
import math
import numbers
from collections.abc import Mapping
from pathlib import Path

import numpy as np

try:
    from matplotlib import pyplot as plt
except ModuleNotFoundError:
    raise ImportError(
        "lif.plots needs the package matplotlib: pip install matplotlib (lif-book[chapters] brings it)"
    ) from None
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

BLUE, DARK = "#0072B2", "#222222"


def raster(
    spikes: ArrayLike,
    ax: Axes | None = None,
    order: str | ArrayLike | None = None,
    time: ArrayLike | None = None,
    color: str = DARK,
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
    >>> from lif import plots
    >>> spikes = lif.PoissonEncoder(steps=50, max_probability=0.3, seed=0)(np.linspace(0, 1, 20)[None])
    >>> plots.raster(spikes[0]).get_xlabel()
    'time step'
    """
    spikes = _one_example("spikes", spikes)
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
    >>> from lif import plots
    >>> spikes, potential = lif.reference.simulate(np.full((1, 30, 1), 0.3), leak=0.1)
    >>> plots.traces(potential[0], spikes[0]).get_ylabel()
    'potential'
    """
    if threshold is not None and not (isinstance(threshold, numbers.Real) and 0 < threshold < math.inf):
        raise ValueError(
            f"Argument `threshold` must be None or a finite number > 0. Received: threshold={threshold!r}"
        )
    potential = _one_example("potential", potential)
    if not np.isfinite(potential).all():
        raise ValueError("Argument `potential` must hold finite numbers. Received: NaN or infinity")
    if spikes is not None:
        spikes = _one_example("spikes", spikes)
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
            ax.axhline(threshold + offset, color=DARK, lw=0.8, ls="--")
        if spikes is not None:
            fired = spikes[:, k]
            ax.vlines(moments[fired], unit + offset, top + offset, color=color, lw=2.2)
    ax.set(
        ylabel="potential", xlim=_limits(moments), ylim=(low - 0.05 * unit, offsets[0] + top + 0.05 * unit)
    )
    ax.set_yticks(np.ravel([offsets, offsets + unit], "F"), [0, f"{unit:g}"] * units)
    _label_time(ax, time)
    return ax


class Animation:
    """What `lif.plots.animate` returns: `html`, which a notebook shows as the last line of a cell."""

    def __init__(self, html: str, alt: str):
        self.html, self.alt = html, alt

    def __repr__(self):
        return self.alt

    def _repr_html_(self):
        return self.html


def animate(activity: Mapping[str, ArrayLike], alt: str, seconds: float = 0.15) -> Animation:
    """Plays the activity of layers, step by step: a grid of cells each, side by side.

    Where all numbers of a layer are 0 or 1 they are spikes: blue cells that fade over three steps. Other numbers are
    shades of orange from the layer's least to its most. The reader starts and stops it with a button and moves it with
    a slider, by hand or by keyboard. It never starts by itself, and shows the last step until then. It is one piece of
    HTML that asks no kernel and no other host for anything, so it plays in a notebook and in a page made of it.

    Args:
        activity: Name of the layer -> its activity for one example, shape `(time, units)`, `(time, rows, columns)` or
            `(time, rows, columns, channels)`; channels stand side by side.
        alt: What a reader who cannot see it should know: what is shown, and what happens.
        seconds: Time that a step is shown for, > 0.

    Returns:
        An `Animation`; a step of 1,000 spiking units takes 170 bytes.

    Raises:
        ValueError: If `alt` is empty, `seconds` is not positive, the layers have different numbers of steps, or a
            number is not finite.

    Example:

    >>> import lif, numpy as np
    >>> from lif import plots
    >>> spikes = lif.PoissonEncoder(steps=20, seed=0)(np.linspace(0, 1, 64).reshape(1, 8, 8))
    >>> plots.animate({"input": spikes[0]}, alt="Spikes get denser from the first row to the last.")
    Spikes get denser from the first row to the last.
    """
    if not alt.strip():
        raise ValueError(f"Argument `alt` must describe the animation in words. Received: alt={alt!r}")
    if not 0 < seconds < math.inf:
        raise ValueError(f"Argument `seconds` must be a number > 0. Received: seconds={seconds!r}")
    layers = {name: _one_example(name, y) for name, y in activity.items()}
    steps = {len(y) for y in layers.values()}
    if len(steps) != 1:
        raise ValueError(
            "Argument `activity` must hold layers with one number of steps. "
            f"Received: { {name: y.shape for name, y in layers.items()} }"
        )
    for name, y in layers.items():
        if not np.isfinite(y).all():
            raise ValueError(
                f"Argument `activity` must hold finite numbers. Received: NaN or infinity in {name!r}"
            )
    panels = [_panel(y, 320 if len(layers) <= 4 else 180) for y in layers.values()]
    last = steps.pop()
    data = {"steps": last, "milliseconds": round(1000 * seconds), "panels": panels}
    figures = "".join(
        f'<div><canvas width="{panel["width"]}" height="{panel["height"]}" '
        f'style="width:{panel["width"] // 2}px"></canvas><div>{html.escape(name)}</div></div>'
        for name, panel in zip(layers, panels, strict=True)
    )
    program = Path(__file__).with_name("animation.js").read_text(encoding="utf-8")
    return Animation(
        f"<style>{_CSS}</style>"
        f'<figure class="lif-animation" data-activity="{html.escape(json.dumps(data))}">'
        f'<div role="img" aria-label="{html.escape(alt)}">{figures}</div>'
        '<div><button type="button">Play</button> '
        f'<input type="range" min="1" max="{last}" value="{last}" aria-label="time step"> <output></output></div>'
        f"</figure><script>{program}</script>",
        alt,
    )


# A near-white sheet, as under the book's figures: the same on a light and on a dark page.
_CSS = (
    ".lif-animation{background:#fdfdfc;color:#222;padding:.8rem;margin:1em 0;border-radius:.3rem;"
    "font:.9rem/1.4 sans-serif}"
    ".lif-animation>div{display:flex;flex-wrap:wrap;gap:1rem 1.5rem;align-items:center;text-align:center}"
    ".lif-animation>div+div{margin-top:.8rem}.lif-animation canvas{max-width:100%;display:block;margin-bottom:.3rem}"
    ".lif-animation button{min-width:5em;min-height:2rem;font:inherit;cursor:pointer;color:#222;background:#eee;"
    "border:1px solid #888;border-radius:.3rem}.lif-animation input{flex:1;min-width:8rem;accent-color:#0072b2}"
    ".lif-animation output{min-width:8em;text-align:left}"
)


def _panel(y, width):
    """A layer's cells, row by row, packed: a bit for a spike, a byte for any other number."""
    binary = bool(np.isin(y, (0, 1)).all())
    y = y.astype(bool if binary else float)  # small integers would overflow
    if not binary:  # before cells are filled up, which must not count
        y = np.uint8(255 * (y - y.min()) / (np.ptp(y) or 1.0))
    if y.ndim == 4:
        y = np.concatenate(np.moveaxis(y, -1, 0), axis=-1)
    if y.ndim == 2:
        units = y.shape[1]
        columns = units if units <= 12 else math.ceil(math.sqrt(units))
        y = np.pad(y, ((0, 0), (0, -units % columns))).reshape(len(y), -1, columns)
    _, rows, columns = y.shape
    numbered = rows == 1 and columns <= 12
    packed = np.packbits(y) if binary else y
    side = max(2, round((440 if numbered else 1.75 * width if columns > 1.5 * rows else width) / columns))
    return {
        "rows": rows,
        "columns": columns,
        "binary": binary,
        "numbered": numbered,
        "width": side * columns,
        "height": side * rows + (36 if numbered else 0),
        "data": base64.b64encode(packed.tobytes()).decode("ascii"),
    }


def _one_example(name, y):
    """A tensor as a NumPy array with an axis of time and at least one of units."""
    if hasattr(y, "detach"):  # PyTorch's
        y = y.detach().cpu()
    y = np.asarray(y)
    y = y.astype(float) if y.dtype.kind not in "fiub" else y  # such as bfloat16
    if y.ndim < 2 or y.ndim > 4 or y.size == 0:
        raise ValueError(
            f"Argument `{name}` must be the activity of one example, shape (time, *units). Received: shape {y.shape}"
        )
    return y


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

"""A layer's activity as it goes on: one piece of HTML, which needs neither Matplotlib nor a kernel."""

import base64
import html
import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ._checks import number


class Animation:
    """What `animate` returns: `html`, which a notebook shows as the last line of a cell."""

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
    >>> from lifbook.animation import animate
    >>> spikes = lif.PoissonEncoder(steps=20, seed=0)(np.linspace(0, 1, 64).reshape(1, 8, 8))
    >>> animate({"input": spikes[0]}, alt="Spikes get denser from the first row to the last.")
    Spikes get denser from the first row to the last.
    """
    if not alt.strip():
        raise ValueError(f"Argument `alt` must describe the animation in words. Received: alt={alt!r}")
    number("seconds", seconds, above=0)
    layers = {name: one_example(name, y) for name, y in activity.items()}
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


def one_example(name, y):
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

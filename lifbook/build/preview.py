"""The picture with which other sites present a page: its title above a membrane potential that spikes."""

import re
import textwrap

import numpy as np
from matplotlib.figure import Figure

from ..palette import BLUE, INK, ORANGE
from .project import config

SHEET = "#FDFDFC"


def draw(text, path):
    """Draws a page's preview.

    Args:
        text: the page's Markdown, which begins with its title.
        path: the PNG file. 1200 by 630 is the size that sites ask for.
    """
    title = re.search(r"^# (.+)", text, re.MULTILINE)[1]
    figure = Figure(figsize=(12, 6.3), dpi=100, facecolor=SHEET)
    figure.text(0.06, 0.9, "\n".join(textwrap.wrap(title, 30)), size=42, color=INK, va="top", linespacing=1.3)
    figure.text(0.06, 0.06, config()["title"], size=17, color=INK)
    ax = figure.add_axes((0.06, 0.15, 0.88, 0.27))
    t = np.linspace(0, 5.6, 2000)
    potential = (1 - np.exp(-1.6 * (t % 1))) / (1 - np.exp(-1.6))
    ax.plot(t, potential, color=BLUE, lw=4)
    ax.vlines(np.arange(1, 6), 1, 1.8, color=BLUE, lw=4)
    ax.axhline(1, color=ORANGE, lw=2, ls="--")
    ax.axis("off")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})

"""Pictures that the project draws itself, for pages that are built where the real data cannot be had.

Each function draws one random example of a class, with intensities in [0, 1]. They are easy to tell apart,
but not by one pixel: size, place, angle, shade and texture vary.
"""

import numpy as np

# Outlines in the square from -1 to 1, x to the right and y downwards. Where two outlines of a picture overlap
# there is a hole (even-odd rule).
_T_SHIRT = "-.45 -.8 .45 -.8 .95 -.35 .75 -.05 .45 -.25 .45 .85 -.45 .85 -.45 -.25 -.75 -.05 -.95 -.35"
_SLEEVED = "-.4 -.8 .4 -.8 .75 -.5 .95 .6 .7 .65 .45 -.1 .45 .8 -.45 .8 -.45 -.1 -.7 .65 -.95 .6 -.75 -.5"
_GARMENTS = (
    (_T_SHIRT,),
    ("-.4 -.9 .4 -.9 .5 .9 .12 .9 0 -.3 -.12 .9 -.5 .9",),
    (_SLEEVED,),
    ("-.25 -.9 .25 -.9 .2 -.3 .6 .9 -.6 .9 -.2 -.3",),
    (_SLEEVED, "-.06 -.8 .06 -.8 .06 .8 -.06 .8"),
    ("-.95 .45 .95 .25 .95 .5 -.95 .7", "-.9 .45 -.2 -.3 0 -.2 -.6 .4", ".1 .3 .5 -.4 .7 -.3 .4 .25"),
    (_SLEEVED, "-.2 -.8 .2 -.8 0 -.35", "-.25 -.1 -.05 -.1 -.05 .1 -.25 .1"),
    ("-.95 .1 -.3 0 .2 -.45 .9 -.45 .95 .5 -.95 .5",),
    ("-.8 -.2 .8 -.2 .9 .8 -.9 .8", "-.45 -.2 -.35 -.75 .35 -.75 .45 -.2 .3 -.2 .22 -.6 -.22 -.6 -.3 -.2"),
    ("-.9 .35 -.2 .1 -.1 -.9 .65 -.9 .75 .8 .35 .8 .3 .65 0 .8 -.9 .8",),
)


def garments(label, rng):
    """Draw a garment of Fashion-MNIST's class `label`, shape `(28, 28)`."""
    inside, x, y = _silhouette(_GARMENTS[label], 28, rng)
    wave = np.sin(rng.uniform(2, 9) * (x * rng.normal() + y * rng.normal()) + rng.uniform(0, 6))
    shade = rng.uniform(0.5, 0.95) * (1 + rng.uniform(0, 0.35) * wave)
    return inside * np.clip(shade + 0.05 * rng.normal(size=x.shape), 0.1, 1)


def _silhouette(outlines, size, rng):
    """Draw outlines, turned, stretched and shifted at random: coverage of each pixel, and its coordinates."""
    fine = 2 * size  # four points a pixel make smooth edges
    centre = (np.arange(fine) + 0.5) / size - 1
    u, v = np.meshgrid(centre - rng.normal(0, 0.06), centre - rng.normal(0, 0.06))
    angle, stretch = rng.normal(0, 0.1), rng.uniform(0.72, 0.98, 2)
    x = (np.cos(angle) * u + np.sin(angle) * v) / stretch[0]
    y = (np.cos(angle) * v - np.sin(angle) * u) / stretch[1]
    inside = np.zeros(x.shape, bool)
    for outline in outlines:
        points = np.array(outline.split(), float).reshape(-1, 2)
        points += rng.normal(0, 0.03, points.shape)
        for (x0, y0), (x1, y1) in zip(points, np.roll(points, 1, axis=0), strict=True):
            # Odd number of edges to the right of a point: it is inside.
            crosses = (y0 > y) != (y1 > y)
            with np.errstate(divide="ignore", invalid="ignore"):
                inside ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return tuple(_halve(a) for a in (inside, x, y))


def _halve(a):
    return a.reshape(a.shape[0] // 2, 2, a.shape[1] // 2, 2).mean(axis=(1, 3))

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
_THINGS = (
    ("-.95 -.05 -.1 -.15 -.05 -.8 .1 -.8 .15 -.15 .8 -.1 .95 -.5 .98 .1 .1 .1 .1 .7 -.05 .7 -.1 .1",),
    ("-.95 .0 -.6 -.05 -.4 -.45 .35 -.45 .6 -.05 .95 .05 .95 .4 -.95 .4", "-.6 .3 -.3 .3 -.3 .55 -.6 .55"),
    ("-.95 -.15 -.6 -.35 -.3 -.1 0 -.8 .3 -.05 .95 -.1 .4 .3 .1 .35 .1 .7 .0 .7 .0 .35 -.4 .2",),
    ("-.7 -.9 -.4 -.5 .4 -.5 .7 -.9 .75 .2 .4 .7 -.4 .7 -.75 .2", "-.4 -.2 -.2 -.2 -.2 .0 -.4 .0"),
    (
        "-.6 -.9 -.5 -.5 -.3 -.9 -.4 -.4 -.1 -.1 .8 -.05 .8 .9 .65 .9 .6 .35 .0 .35 -.05 .9 -.2 .9 -.25 .1 -.7 -.3",
    ),
    ("-.9 -.3 -.5 -.6 -.3 -.2 .6 -.2 .95 -.6 .75 .0 .75 .7 .55 .7 .5 .25 -.1 .25 -.15 .7 -.35 .7 -.4 .0",),
    ("-.9 .6 -.6 -.1 -.5 -.4 -.2 -.2 .2 -.2 .5 -.4 .6 -.1 .9 .6 .4 .4 -.4 .4",),
    (
        "-.95 -.5 -.5 -.85 -.2 -.2 .7 -.25 .95 .3 .8 .3 .7 .9 .6 .9 .5 .15 -.1 .15 -.2 .9 -.35 .9 -.4 -.1 -.8 -.3",
    ),
    ("-.95 .2 -.4 .2 -.4 -.3 -.1 -.3 -.1 -.8 .1 -.8 .1 -.3 .4 -.3 .4 .2 .95 .2 .7 .7 -.7 .7",),
    ("-.95 -.6 .4 -.6 .4 -.25 .75 -.25 .95 .1 .95 .45 -.95 .45", "-.7 .3 -.45 .3 -.45 .65 -.7 .65"),
)


def garment(label, rng):
    """Draw a garment of Fashion-MNIST's class `label`, shape `(28, 28)`."""
    inside, x, y = _silhouette(_GARMENTS[label], 28, rng)
    wave = np.sin(rng.uniform(2, 9) * (x * rng.normal() + y * rng.normal()) + rng.uniform(0, 6))
    shade = rng.uniform(0.5, 0.95) * (1 + rng.uniform(0, 0.35) * wave)
    return inside * np.clip(shade + 0.05 * rng.normal(size=x.shape), 0.1, 1)


def thing(label, rng):
    """Draw a thing of CIFAR-10's class `label`, shape `(32, 32, 3)`: the shape tells, not the colours."""
    inside, x, y = _silhouette(_THINGS[label], 32, rng)
    slope = np.clip(0.5 + 0.25 * (x * rng.normal() + y * rng.normal()), 0, 1)[..., None]
    background = slope * rng.uniform(0, 1, 3) + (1 - slope) * rng.uniform(0, 1, 3)
    colour = (background.mean((0, 1)) + rng.uniform(0.3, 0.7, 3)) % 1  # far enough from the background
    picture = inside[..., None] * colour + (1 - inside[..., None]) * background
    return np.clip(picture + 0.03 * rng.normal(size=picture.shape), 0, 1)


def flower(label, size, rng):
    """Draw a flower of class `label`, shape `(size, size, 3)`.

    A class has a number of petals, a width and colour of the petals, and a size and colour of the centre.
    """
    kind = np.random.default_rng(label)
    petals = 3 + label % 6
    sharpness, centre = kind.uniform(0.4, 2.5), kind.uniform(0.12, 0.35)
    colours = _rainbow((0.618 * label + np.array([0, 0.35])) % 1 + rng.normal(0, 0.02, 2))
    axis = np.linspace(-1, 1, size, dtype="float32")
    x, y = np.meshgrid(axis - rng.normal(0, 0.12), axis - rng.normal(0, 0.12))
    radius = np.hypot(x, y * rng.uniform(0.8, 1.25)) / rng.uniform(0.55, 0.95)
    wave = np.abs(np.cos(petals / 2 * (np.arctan2(y, x) - rng.uniform(0, 7))))
    edge = 0.3 + 0.7 * wave**sharpness
    leaves = np.sin(rng.uniform(3, 8) * (x * rng.normal() + y * rng.normal()))
    picture = np.array([0.15, 0.4, 0.12], "float32") * (0.9 + 0.3 * leaves)[..., None]
    for inside, colour in ((radius < edge, colours[0]), (radius < centre, colours[1])):
        colour = (rng.uniform(0.8, 1.1) * colour).astype("float32")
        shaded = colour * (1 - 0.45 * radius)[..., None]
        picture = np.where(inside[..., None], shaded, picture)
    return np.clip(picture + 0.04 * rng.standard_normal(picture.shape, "float32"), 0, 1)


def _rainbow(hue):
    """Colours of hues from 0 to 1, shape `(n, 3)`."""
    return 0.55 + 0.45 * np.cos(2 * np.pi * (hue[:, None] - np.array([0, 1, 2]) / 3))


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

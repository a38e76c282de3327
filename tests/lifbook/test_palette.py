"""The book's colours: seen on its ground, told apart with any colour vision, one meaning each."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest

from lifbook import palette

COLOURS = {
    name: value for name, value in vars(palette).items() if isinstance(value, str) and value[:1] == "#"
}
TABLES = {name: value for name, value in vars(palette).items() if isinstance(value, dict) and name.isupper()}

# Machado, Oliveira & Fernandes (2009), severity 1, on linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
}


def linear(colour):
    values = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def luminance(rgb):
    return np.dot(rgb, (0.2126, 0.7152, 0.0722))


def lab(rgb):
    """CIE L*a*b* of linear RGB, white D65."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    t = np.dot(to_xyz, np.clip(rgb, 0, 1)) / (0.9505, 1, 1.089)
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("name", sorted(set(COLOURS) - {"PALE"}))  # that is for what lies behind the data
def test_a_line_stands_out_from_its_ground(name):
    """If this fails, a reader with weak eyes does not see a curve (WCAG 2.2, 1.4.11 asks for 3 to 1)."""
    assert 1.05 / (luminance(linear(COLOURS[name])) + 0.05) >= 3


@pytest.mark.parametrize("vision", BLINDNESS)
@pytest.mark.parametrize("table", [*TABLES, "PLAIN"])
def test_what_is_compared_is_told_apart_with_any_colour_vision(table, vision):
    """If this fails, one reader in twelve men cannot tell two curves of one figure apart."""
    plain = [palette.BLUE, palette.ORANGE, palette.GREEN, palette.PINK]
    colours = plain if table == "PLAIN" else list(TABLES[table].values())
    seen = [lab(np.dot(BLINDNESS[vision], linear(colour))) for colour in colours]
    for (a, one), (b, other) in itertools.combinations(zip(colours, seen, strict=True), 2):
        assert np.linalg.norm(one - other) > 10, (a, b)


def test_within_a_table_a_colour_has_one_meaning():
    """If this fails, two things that a figure compares have one colour."""
    pairs = [(palette.SPIKING, palette.RELU), (palette.INTEGRATOR, palette.MIXED, palette.DETECTOR)]
    for colours in [*pairs, *(table.values() for table in TABLES.values())]:
        assert len({colour.upper() for colour in colours}) == len(list(colours))
    assert all(set(table.values()) <= set(COLOURS.values()) for table in TABLES.values())


def test_a_figure_takes_the_palettes_colours_by_itself():
    """If this fails, a curve whose colour nobody chose has one that means nothing, or too pale a one."""
    with plt.style.context("lifbook.book"):
        found = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    names = ("BLUE", "ORANGE", "GREEN", "PINK", "OCHRE", "SKY", "INK")
    assert found == [COLOURS[name] for name in names]

"""Random numbers that `chance.js` repeats, so that a picture drawn here is the one in the page."""

import math

_WORD = 2**32


def uniforms(seed):
    """Numbers between 0 and 1 without end, from Marsaglia's 32-bit xorshift generator."""
    state = (seed + 1) * 0x9E3779B1 % _WORD or 1
    drawn = 0
    while True:
        state ^= state << 13 & (_WORD - 1)
        state ^= state >> 17
        state ^= state << 5 & (_WORD - 1)
        drawn += 1
        if drawn > 8:  # neighbouring seeds begin alike
            yield state / _WORD


def normals(uniform):
    """Standard normal numbers without end, after Box and Muller."""
    while True:
        radius = math.sqrt(-2 * math.log(next(uniform)))
        yield radius * math.cos(2 * math.pi * next(uniform))


def shuffle(order, uniform):
    """Brings a list into a random order, in place, after Fisher and Yates."""
    for i in range(len(order) - 1, 0, -1):
        j = math.floor(next(uniform) * (i + 1))
        order[i], order[j] = order[j], order[i]

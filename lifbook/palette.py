"""The book's colours, and what each stands for: told apart with any colour vision, the first four by Okabe and Ito.

A colour that stands for something stands for it in every chapter. What a chapter compares on its own takes the plain
names in their order, BLUE, ORANGE, GREEN, PINK. What was measured in this build and in the recorded full run differs by
form, hollow and filled, and never by colour.
"""

BLUE, ORANGE, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
OCHRE, SKY = "#805400", "#2A8FC0"
# What is given: thresholds, closed forms, other people's numbers.
INK, GREY, PALE = "#222222", "#777777", "#DDDDDD"

SPIKING, RELU = BLUE, INK  # networks of spiking neurons against the same of rectified linear units
INTEGRATOR, MIXED, DETECTOR = BLUE, GREEN, ORANGE  # what the leak makes of a neuron
SYSTEMS = {"gerum2021": BLUE, "yanguas2020": ORANGE, "hunsberger2016": GREEN}
ENCODINGS = {"constant": GREY, "regular": BLUE, "poisson": ORANGE, "latency": GREEN, "population": PINK}
SURROGATES = {
    "constant": BLUE,
    "superspike": ORANGE,
    "sigmoid": GREEN,
    "triangle": PINK,
    "arctan": OCHRE,
    "multi_gaussian": SKY,
}

"""The illustration of codes: its spikes against the encoders of the module, its readings, and a hand that draws."""

from itertools import islice

import keras
import numpy as np
import pytest
import traitlets
from sklearn.datasets import load_digits

import lif
from chrome import in_a_browser, with_javascript
from lifbook.illustrations import Encoding, chance, illustration
from lifbook.illustrations.encoding import CODES, LEVELS, STEPS

CASES = 25  # each with 64 intensities: 1,600 in all, in four codes

ANSWER = """
function answer(cases) {
  return cases.map((each) => Object.keys(CODES).map((code) => {
    const spikes = encode(code, each.drawing, each);
    return [code, [...spikes].join(""), readings(code, each.drawing, spikes, each).map((picture) => [...picture])];
  }));
}
"""


def random_case(rng):
    return {
        "digit": "drawing",
        "drawing": rng.choice(LEVELS, 64).tolist(),
        "leak": float(rng.choice([0, rng.uniform(0, 0.5)])),
        "threshold": rng.uniform(0.2, 5),
        "reset": str(rng.choice(["subtract", "zero"])),
        "max_probability": float(rng.choice([1, rng.uniform(0.05, 1)])),
        "tau": rng.uniform(1, 40),
        "theta": rng.uniform(0.02, 0.6),
        "units": int(rng.integers(2, 13)),
        "seed": int(rng.integers(1000)),
    }


@with_javascript
def test_the_codes_in_the_page_are_the_encoders_of_the_book(compute, in_book):
    rng = np.random.default_rng(0)
    cases = [random_case(rng) for _ in range(CASES)]
    sent = dict.fromkeys(CODES, 0)
    for case, answer in zip(cases, compute(illustration.bundle("encoding") + ANSWER, cases), strict=True):
        known = Encoding(**case)
        assert [code for code, *_ in answer] == list(CODES)
        for code, spikes, read in answer:
            expected = known.spikes(code)
            np.testing.assert_array_equal(np.array(list(spikes), float).reshape(STEPS, -1), expected)
            np.testing.assert_allclose(read, known.readings(code), rtol=1e-9, atol=1e-12)
            sent[code] += expected.sum()
    assert min(sent.values()) > 200, sent


def test_chance_is_the_poisson_encoders(in_book, monkeypatch):
    """Given the same random numbers, the encoders of the module send the same spikes."""
    shown = Encoding(max_probability=0.7, units=5, seed=3)
    drawn = chance.uniforms(shown.seed)

    def uniform(shape, dtype, seed):
        return keras.ops.reshape(keras.ops.array(list(islice(drawn, int(np.prod(shape)))), dtype), shape)

    monkeypatch.setattr(keras.random, "uniform", uniform)
    image = shown.image[None]
    alone = lif.PoissonEncoder(STEPS, max_probability=0.7, dtype="float64")
    population = lif.PopulationEncoder(5, dtype="float64")
    np.testing.assert_array_equal(alone(image)[0], shown.spikes("Poisson"))
    np.testing.assert_array_equal(alone(population(image))[0], shown.spikes("population"))
    assert 0 < shown.spikes("Poisson").mean() < 1


def test_regular_spikes_narrow_the_intensity_down_as_the_chapter_says(in_book):
    ramp = LEVELS[::2][:64]
    shown = Encoding(digit="drawing", drawing=ramp.tolist())
    errors = np.abs(shown.readings("regular") - ramp)
    for steps in (4, 10, 50):
        assert errors[steps].max() <= 0.5 / steps + 1 / 128
    # A reset to zero: whatever lies between one half and one sends the same spikes for ever.
    shown.reset = "zero"
    among = (ramp >= 0.5) & (ramp < 1)
    assert np.unique(shown.readings("regular")[50, among]).size == 1
    assert np.unique(shown.spikes("regular")[:, among], axis=1).shape[1] == 1


def test_poisson_and_population_approach_the_truth(in_book):
    shown = Encoding(digit="drawing", drawing=[0.6] * 64)
    for code in ("Poisson", "population"):
        read = shown.readings(code)[50]
        expected = (0.6 * 0.4 / 50) ** 0.5
        assert abs(read.mean() - 0.6) < 0.03
        assert np.std(read) < 1.4 * expected
    assert np.std(shown.readings("population")[50]) < 0.6 * np.std(shown.readings("Poisson")[50])


def test_before_the_first_step_nothing_is_known(in_book):
    for code in CODES:
        assert (Encoding().readings(code)[0] == 0.5).all()


def test_the_digits_are_real_ones(in_book):
    real = load_digits()
    for digit, image in Encoding()._digits.items():
        same = (real.data == 16 * np.array(image)).all(axis=1)
        assert real.target[same].tolist() == [int(digit)]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("drawing", [0.5] * 63, "64 numbers from 0 to 1"),
        ("drawing", [1.5] * 64, "64 numbers from 0 to 1"),
        ("digit", "10", "drawing"),
        ("pixel", 64, "from 0 to 63"),
        ("max_probability", 0, "from 0.05 to 1"),
        ("units", 2.5, "whole number"),
    ],
)
def test_a_wrong_value_is_refused(name, value, message, in_book):
    with pytest.raises(traitlets.TraitError, match=message):
        Encoding(**{name: value})


def test_a_drawing_is_kept_in_128ths(in_book):
    assert Encoding(drawing=[0.3] * 64).drawing == [38 / 128] * 64


def agrees(shown):
    state = shown.state()
    for code in CODES:
        spikes = state.spikes(code)
        np.testing.assert_array_equal(shown.result(f"{code}.spikes"), spikes.ravel())
        number = int(spikes[: state.step].sum())
        assert shown.page.locator(f"canvas[aria-label^='{code}: {number} spike']").count() == 1
        read = state.readings(code)
        errors = np.sqrt(np.mean((read - state.image) ** 2, axis=1))
        np.testing.assert_allclose(shown.result(f"{code}.read"), read[state.step], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(shown.result(f"{code}.errors"), errors, rtol=1e-9, atol=1e-9)
    return state


@in_a_browser
def test_the_keyboard_draws_and_sets_the_codes(opened):
    shown = opened(Encoding(digit="0", pixel=0), viewport={"width": 1000, "height": 1600})
    agrees(shown)
    easel = shown.page.get_by_role("application")
    for key in ("ArrowDown", "ArrowRight", "ArrowLeft", "ArrowLeft", " "):
        easel.press(key)
    state = agrees(shown)
    assert (state.digit, state.pixel) == ("drawing", 8)
    expected = np.array(Encoding()._digits["0"])
    expected[8] = 1
    assert state.drawing == expected.tolist()
    assert "row 2, column 1: intensity 1.00" in easel.get_attribute("aria-label")
    for key in ("-", "ArrowUp", "+"):
        easel.press(key)
    assert (agrees(shown).drawing[8], shown.state().drawing[0]) == (0.75, 0.25)
    easel.press("Enter")
    assert shown.state().drawing[0] == 0

    shown.press("step", "ArrowRight", "PageUp")
    shown.press("leak λ", "ArrowRight")
    shown.press("threshold ϑ", "ArrowRight")
    shown.press("probability", "ArrowLeft")
    shown.press("τ in steps", "ArrowLeft")
    shown.press("level θ", "ArrowLeft")
    shown.press("units for a pixel", "ArrowRight")
    shown.page.get_by_label("reset", exact=True).select_option("zero")
    state = agrees(shown)
    assert (state.leak, state.threshold, state.reset) == (0.005, 1.1, "zero")
    assert (state.max_probability, state.tau, state.theta, state.units) == (0.95, 19, 0.18, 5)
    assert state.step > 13
    read = ", ".join(f"{code} {state.readings(code)[state.step, 0]:.2f}" for code in CODES)
    assert f"is read as: {read}." in shown.summary()

    shown.page.get_by_role("button", name="new random spikes").press("Enter")
    assert agrees(shown).seed == state.seed + 1
    shown.page.get_by_role("button", name="clear the picture").press("Enter")
    assert agrees(shown).drawing == [0] * 64
    shown.page.get_by_role("button", name="start again").press("Enter")
    assert agrees(shown).parameters() == Encoding(digit="0", pixel=0).parameters()


@in_a_browser
def test_a_hand_draws_erases_and_looks(opened):
    shown = opened(Encoding(digit="drawing"), viewport={"width": 1000, "height": 1600})
    box = shown.page.get_by_role("application").bounding_box()

    def move(row, column, **how):
        cell = 174 / 8
        shown.page.mouse.move(
            box["x"] + 12 + (column + 0.5) * cell, box["y"] + 22 + (row + 0.5) * cell, **how
        )

    def stroke(pen):
        shown.page.get_by_label("mouse or finger", exact=True).select_option(pen)
        move(2, 1)
        shown.page.mouse.down()
        move(2, 6, steps=12)
        shown.page.mouse.up()
        return agrees(shown)

    assert np.flatnonzero(stroke("draws").image).tolist() == [17, 18, 19, 20, 21, 22]
    assert (stroke("looks").image.sum(), shown.state().pixel) == (6, 22)
    assert stroke("erases").image.sum() == 0
    shown.page.get_by_label("picture", exact=True).select_option("7")
    assert agrees(shown).image.tolist() == Encoding()._digits["7"]


@in_a_browser
@pytest.mark.parametrize(("motion", "pace"), [("no-preference", 110), ("reduce", 600)])
def test_it_plays_and_pauses_at_a_pace_the_reader_wants(motion, pace, opened):
    shown = opened(Encoding(step=46), viewport={"width": 1000, "height": 1600}, reduced_motion=motion)
    shown.hold_time()
    play = shown.page.get_by_role("button", name="play")
    pause = shown.page.get_by_role("button", name="pause")
    play.press("Enter")
    shown.pass_time(2.5 * pace)
    pause.press("Enter")
    assert agrees(shown).step == 48
    shown.pass_time(3 * pace)
    assert shown.state().step == 48 and play.inner_text() == "play"
    play.press("Enter")
    shown.pass_time(2.5 * pace)
    assert agrees(shown).step == 50
    assert play.inner_text() == "play"  # it stops by itself at the end
    play.press("Enter")
    assert shown.state().step == 0  # and begins anew


@in_a_browser
def test_it_plays_by_itself_once_asked(opened):
    shown = opened(Encoding(step=47), viewport={"width": 1000, "height": 1600})
    assert shown.state().step == 47  # nothing moves before
    shown.page.get_by_role("button", name="play").press("Enter")
    shown.page.wait_for_function("document.querySelector('.lif-stage').parameters.step === 50")

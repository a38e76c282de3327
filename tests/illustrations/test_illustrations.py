"""The illustrations: their arithmetic against NumPy, their traits, and their pages in a browser without a kernel."""

import doctest
import itertools
import json
import re
import statistics
import sys
from pathlib import Path

import numpy as np
import pytest
import traitlets

import lif
from benchmarks.illustrations import MOVE_A_SLIDER, MOVES
from chrome import COLUMN, in_a_browser, with_javascript
from lifbook import illustrations
from lifbook.illustrations import (
    Balance,
    Credit,
    Encoding,
    Learning,
    Membrane,
    Modes,
    chance,
    credit,
    illustration,
)

ILLUSTRATIONS = [getattr(illustrations, name) for name in illustrations.__all__]
HEAVIEST = 300_000  # bytes that an illustration may add to a page

EPISODE = {
    "position": [0.1 * k for k in range(6)],
    "angle": [0.02, -0.01, 0.0, 0.03, 0.01, -0.02],
    "push": "010110",
    "spikes": ["8f00", "0000", "1234", "0c00", "ffff", "0001"],
    "knocks": [2],
}
LONG_EPISODE = {name: each * 40 for name, each in EPISODE.items() if name != "knocks"} | {"knocks": [3]}


def made(kind, **parameters):
    """An illustration with its defaults; one that plays an episode needs one."""
    return kind(**({"episode": EPISODE} if kind is Balance else {}), **parameters)


ANSWER = """
function answer(cases) {
  return cases.map(({ x, units, rule, surrogate, parameters, spikeGradient, potentialGradient, detachReset }) => {
    const run = simulate(Float64Array.from(x), rule, units);
    const slope = (z) => SURROGATES[surrogate](z, ...parameters);
    const found = gradient(run, rule, slope, spikeGradient, potentialGradient, units, detachReset);
    return [run.spikes, run.potential, found.inputGradient, found.leakGradient].map((each) => [...each]);
  });
}
"""


def random_case(rng):
    steps, units = int(rng.integers(1, 40)), int(rng.integers(1, 4))
    surrogate = str(rng.choice(list(lif.reference.SURROGATES)))
    few = {"constant": 0, "multi_gaussian": 3}.get(surrogate, 1)
    return {
        "x": rng.normal(0.2, 0.5, steps * units).tolist(),
        "units": units,
        "rule": {
            "leak": float(rng.choice([0, 1, rng.uniform()])),
            "threshold": rng.uniform(0.2, 2),
            "reset": str(rng.choice(["zero", "subtract", "none"])),
            "refractory": int(rng.choice([0, 0, 1, 4])),
            "floor": [0.0, -0.5, None][rng.integers(3)],
        },
        "surrogate": surrogate,
        "parameters": rng.uniform(0.3, 5, few).tolist(),
        "spikeGradient": rng.normal(size=steps * units).tolist(),
        "potentialGradient": rng.normal(size=steps * units).tolist() if rng.uniform() < 0.5 else None,
        "detachReset": bool(rng.uniform() < 0.5),
    }


def expected(case):
    shape = (1, -1, case["units"])
    x = np.reshape(case["x"], shape)
    potential_gradient = case["potentialGradient"]
    surrogate = lif.reference.SURROGATES[case["surrogate"]]
    simulated = lif.reference.simulate(x, **case["rule"])
    gradients = lif.reference.gradient(
        x,
        spike_gradient=np.reshape(case["spikeGradient"], shape),
        potential_gradient=0.0 if potential_gradient is None else np.reshape(potential_gradient, shape),
        surrogate=lambda z: surrogate(z, *case["parameters"]),
        detach_reset=case["detachReset"],
        **case["rule"],
    )
    return [each.ravel() for each in (*simulated, *gradients)]


@with_javascript
def test_the_neuron_in_the_page_is_the_neuron_of_the_book(compute):
    rng = np.random.default_rng(0)
    cases = [random_case(rng) for _ in range(1500)]
    answers = compute(illustration.bundle("neuron") + ANSWER, cases)
    assert len(answers) == len(cases)
    fired = 0
    for case, answer in zip(cases, answers, strict=True):
        spikes, *others = expected(case)
        np.testing.assert_array_equal(answer[0], spikes)
        for ours, theirs in zip(answer[1:], others, strict=True):
            np.testing.assert_allclose(np.asarray(ours, float), theirs, rtol=1e-6, atol=1e-6)
        fired += spikes.sum()
    assert fired > 5000
    options = {(case["rule"]["reset"], case["rule"]["floor"], case["surrogate"]) for case in cases}
    assert len(options) == 3 * 3 * len(lif.reference.SURROGATES)


@with_javascript
def test_python_repeats_the_random_numbers_of_the_page(compute):
    script = (
        illustration.bundle("chance")
        + """
        function answer(seeds) {
          return seeds.map((seed) => {
            const uniform = uniforms(seed);
            const normal = normals(uniform);
            return Array.from({ length: 50 }, () => [uniform(), normal()]);
          });
        }"""
    )
    for seed, found in enumerate(compute(script, list(range(20)))):
        uniform = chance.uniforms(seed)
        normal = chance.normals(uniform)
        drawn = [[next(uniform), next(normal)] for _ in range(50)]
        np.testing.assert_allclose(found, drawn, rtol=1e-12)


def test_the_random_numbers_are_what_they_claim_to_be():
    uniform = np.array([list(itertools.islice(chance.uniforms(seed), 100)) for seed in range(1000)])
    assert 0 < uniform.min() and uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 0.005 and abs(uniform.std() - 12**-0.5) < 0.005
    assert np.abs(np.corrcoef(uniform[:-1, 0], uniform[1:, 0])[0, 1]) < 0.1
    normal = np.array(list(itertools.islice(chance.normals(chance.uniforms(1)), 20_000)))
    assert abs(normal.mean()) < 0.03 and abs(normal.std() - 1) < 0.02
    assert abs(np.mean(np.abs(normal) < 1) - 0.6827) < 0.01


@with_javascript
def test_the_map_of_modes_is_the_map_of_its_closed_forms(compute):
    places = [
        [leak, weight]
        for leak in (0.0, 0.005, 0.02, 0.3, 0.5)
        for weight in (0.02, 0.14, 0.4, 0.5, 0.7, 0.98)
    ]
    script = (
        illustration.bundle("modes")
        + """
        function answer(places) {
          return places.map(([leak, weight]) => ["2", "3", "endless"].map((arrivals) => {
            const interval = longestInterval(leak, weight, arrivals);
            return interval === Infinity ? -1 : interval;
          }));
        }"""
    )
    for (leak, weight), found in zip(places, compute(script, places), strict=True):
        known = Modes(leak=leak, weight=weight).longest_interval()
        assert [np.inf if each < 0 else each for each in found] == list(known.values())


@with_javascript
def test_the_credit_in_the_page_is_the_gradient_of_the_book(compute, in_book):
    rng = np.random.default_rng(1)
    cases = [
        {
            "errors": sorted(rng.choice(np.arange(1, 212), rng.integers(1, 6), replace=False).tolist()),
            "leak": float(rng.choice([0, rng.uniform(0, 0.5)])),
            "weight": rng.uniform(0.05, 1),
            "surrogate": str(rng.choice(["constant", "superspike", "sigmoid", "triangle"])),
            "beta": rng.uniform(1, 100),
            "reset": str(rng.choice(["zero", "subtract", "none"])),
            "detach_reset": bool(rng.uniform() < 0.5),
        }
        for _ in range(1000)
    ]
    script = (
        illustration.bundle("credit")
        + """
        function answer(cases) {
          return cases.map((each) => {
            const { spikes, potential, credit } = assignCredit(each);
            return [[...spikes], [...potential], credit];
          });
        }"""
    )
    blamed = 0
    shown = Credit()
    for case, (spikes, potential, found) in zip(cases, compute(script, cases), strict=True):
        for name, value in case.items():
            setattr(shown, name, value)
        np.testing.assert_array_equal(spikes, shown.simulate()[0])
        np.testing.assert_allclose(potential, shown.simulate()[1], rtol=1e-6, atol=1e-6)
        expected_credit = shown.credit()
        np.testing.assert_allclose(found, expected_credit, rtol=1e-6, atol=1e-6)
        blamed += np.count_nonzero(np.abs(expected_credit) > 1e-3)
    assert blamed > 4000
    assert len({(each["surrogate"], each["reset"], each["detach_reset"]) for each in cases}) == 4 * 3 * 2


@pytest.mark.parametrize(("leak", "weight"), [(0, 0.099), (0.02, 0.14), (0.3, 0.5)])
def test_credit_follows_the_closed_form_of_its_chapter(leak, weight, in_book):
    shown = Credit(leak=leak, weight=weight)
    age = 132 - credit.ARRIVALS
    between_resets = (credit.ARRIVALS > 66) & (age >= 0)
    expected_credit = np.where(between_resets, (1 - leak) ** np.maximum(age, 0), 0.0)
    np.testing.assert_allclose(shown.credit(), expected_credit, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("arrivals", [2, 3])
def test_the_closed_forms_say_what_the_neuron_does(arrivals):
    for leak, weight in itertools.product((0.013, 0.11, 0.37), (0.37, 0.53, 0.71)):
        longest = Modes(leak=leak, weight=weight).longest_interval()[str(arrivals)]
        for interval in range(1, longest + 3):
            x = np.zeros((1, arrivals * interval, 1))
            x[0, ::interval] = weight
            assert lif.reference.simulate(x, leak)[0].any() == (interval <= longest)


@pytest.mark.parametrize("kind", ILLUSTRATIONS)
def test_a_module_is_one_text_without_imports(kind):
    lines = kind._esm.splitlines()
    assert [line for line in lines if line.startswith(("import ", "export "))] == [
        "export default { render };"
    ]
    declared = re.findall(r"^(?:async )?(?:function|const|let|class) (\w+)", kind._esm, re.MULTILINE)
    assert "render" in declared and ("simulate" in declared) == (
        kind is not Balance
    )  # which plays a recording
    assert len(set(declared)) == len(declared), "two modules use one name"
    assert "</script" not in kind._esm and not re.search(r"https?://", kind._esm)


@pytest.mark.parametrize("kind", ILLUSTRATIONS)
def test_in_a_notebook_it_is_a_widget(kind, monkeypatch):
    monkeypatch.delenv("LIF_CHAPTER", raising=False)
    data, *_ = made(kind)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data and "text/html" not in data


@pytest.mark.parametrize("kind", ILLUSTRATIONS)
def test_in_the_book_it_is_a_page_of_its_own(kind, in_book):
    first, second = made(kind), made(kind)
    data, _ = first._repr_mimebundle_()
    assert first.comm is None, (
        "the kernel would send a widget's state, and the page would want a widget manager"
    )
    assert set(data) == {"text/html", "text/plain"}
    assert len(data["text/html"].encode()) < HEAVIEST
    ids = [
        re.search(r'id="([^"]+)"', each._repr_mimebundle_()[0]["text/html"])[1] for each in (first, second)
    ]
    assert ids[0] != ids[1]


@pytest.mark.parametrize("kind", ILLUSTRATIONS)
def test_parameters_are_traits_and_defaults_are_within_bounds(kind, in_book):
    widget = made(kind)
    assert set(widget._bounds) < set(widget.parameters())
    for name, value in widget.parameters().items():
        setattr(widget, name, value)
        assert getattr(widget, name) == value


@pytest.mark.parametrize(
    ("kind", "name", "value", "message"),
    [
        (Membrane, "leak", 1.0, "from 0 to 0.95"),
        (Membrane, "leak", float("nan"), "from 0 to 0.95"),
        (Membrane, "threshold", -1, "from 0.2 to 2"),
        (Membrane, "refractory", 1.5, "whole number"),
        (Membrane, "reset", "never", "zero"),
        (Membrane, "spikes", [3, 120], "steps from 0 to 119"),
        (Membrane, "current", [0.5], "120 numbers from 0 to 3"),
        (Credit, "errors", [0, 12], "steps from 1 to 211"),
        (Credit, "beta", 0.5, "from 1 to 100"),
        (Credit, "surrogate", "arctan", "superspike"),
        (Modes, "weight", 1, "from 0.02 to 0.98"),
        (Modes, "jitter", "wide", "float"),
        (Modes, "arrivals", "4", "endless"),
    ],
)
def test_a_wrong_value_is_refused_with_its_bounds(kind, name, value, message, in_book):
    with pytest.raises(traitlets.TraitError, match=message):
        kind(**{name: value})
    widget = kind()
    before = getattr(widget, name)
    with pytest.raises(traitlets.TraitError):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


def test_spikes_are_kept_in_order(in_book):
    assert Membrane(spikes=[7, 3, 7]).spikes == [3, 7]


@pytest.mark.parametrize("kind", ILLUSTRATIONS)
def test_examples_in_the_docstrings(kind, in_book):
    result = doctest.testmod(sys.modules[kind.__module__])
    assert result.attempted and not result.failed


def test_the_layers_do_without():
    for path in Path(lif.__file__).parent.glob("*.py"):
        assert not re.search(r"import.*(anywidget|illustrations)", path.read_text(encoding="utf-8")), (
            path.name
        )


def agrees(shown, path, answer):
    spikes, potential = answer
    np.testing.assert_array_equal(shown.result(f"{path}.spikes"), spikes)
    np.testing.assert_allclose(shown.result(f"{path}.potential"), potential, rtol=1e-9, atol=1e-12)


@in_a_browser
def test_the_membrane_answers_the_keyboard_as_the_reference_does(opened):
    shown = opened(Membrane(), viewport={"width": 1000, "height": 1400})
    agrees(shown, "exact", Membrane().simulate())

    shown.press("leak λ", *["ArrowLeft"] * 7)
    shown.press("refractory", "ArrowRight", "ArrowRight")
    shown.press("noise", *["ArrowRight"] * 4)
    shown.page.get_by_label("reset", exact=True).select_option("subtract")
    state = shown.state()
    assert (state.leak, state.refractory, state.noise, state.reset) == (0.03, 2, 0.04, "subtract")
    agrees(shown, "exact", state.simulate())
    fired = int(state.simulate()[0].sum())
    assert fired != Membrane().simulate()[0].sum()
    assert f"{fired} output spikes" in shown.summary()

    before = state.simulate()[1]
    shown.page.get_by_role("button", name="new noise").press("Enter")
    state = shown.state()
    assert np.abs(state.simulate()[1] - before).max() > 0
    agrees(shown, "exact", state.simulate())

    shown.page.get_by_role("button", name="start again").press("Enter")
    assert shown.state().parameters() == Membrane().parameters()


VOLLEY = 68  # the first step of the first volley


class Strip:
    """The row of input spikes or errors, and hands for it."""

    def __init__(self, shown, name, first, steps):
        self.shown, self.first, self.steps = shown, first, steps
        self.row = shown.page.get_by_role("slider", name=name)
        self.touchscreen = None

    def place(self, step):
        """The middle of a step in the page."""
        self.row.scroll_into_view_if_needed()
        box = self.row.bounding_box()
        return box["x"] + 34 + (step - self.first + 0.5) / self.steps * (box["width"] - 44), box["y"] + 45

    def click(self, step):
        self.shown.page.mouse.click(*self.place(step))
        self.shown.settle()

    def drag(self, *steps):
        mouse = self.shown.page.mouse
        mouse.move(*self.place(steps[0]))
        mouse.down()
        for step in steps[1:]:
            mouse.move(*self.place(step), steps=2)
        mouse.up()
        self.shown.settle()

    def touch(self, kind, *steps):
        """A finger goes down at a step, moves to one, or is lifted."""
        self.touchscreen = self.touchscreen or self.shown.context.new_cdp_session(self.shown.page)
        points = [dict(zip("xy", self.place(step), strict=True)) for step in steps]
        self.touchscreen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        self.shown.settle()

    def tap(self, step):
        self.touch("touchStart", step)
        self.touch("touchEnd")

    def slide(self, *steps):
        self.touch("touchStart", steps[0])
        for step in steps[1:]:
            self.touch("touchMove", step)
        self.touch("touchEnd")


def input_spikes(shown, **context):
    return Strip(shown, "Time cursor on the input", 0, 120)


@in_a_browser
@pytest.mark.parametrize("width", [COLUMN + 16, 1000])
def test_a_mouse_places_a_spike_exactly_where_it_points(width, opened):
    """Next to a volley too, as the first thing to try asks for: if this fails, it takes a spike of the volley away."""
    shown = opened(Membrane(), viewport={"width": width, "height": 900})
    strip, begun = input_spikes(shown), Membrane().spikes
    strip.click(VOLLEY - 1)
    assert shown.state().spikes == sorted([*begun, VOLLEY - 1])
    agrees(shown, "exact", shown.state().simulate())
    strip.click(VOLLEY - 2)
    strip.click(VOLLEY - 1)
    assert shown.state().spikes == sorted([*begun, VOLLEY - 2])
    strip.click(VOLLEY - 2)
    strip.click(VOLLEY)
    assert shown.state().spikes == [step for step in begun if step != VOLLEY]


@in_a_browser
def test_a_spike_is_dragged_up_to_its_neighbours_and_dropped_beyond_them(opened):
    """If this fails, a spike that is moved swallows another on its way."""
    shown = opened(Membrane(), viewport={"width": COLUMN + 16, "height": 900})
    strip, begun = input_spikes(shown), Membrane().spikes
    strip.drag(58, 62, 69)
    assert shown.state().spikes == sorted([*(set(begun) - {58}), VOLLEY - 1])
    strip.drag(VOLLEY - 1, 80)
    assert shown.state().spikes == sorted([*(set(begun) - {58}), 80])
    strip.drag(80, 84, 80)  # there and back
    strip.drag(110, 112)  # from an empty step: placed, and moved in one go
    assert shown.state().spikes == sorted([*(set(begun) - {58}), 80, 112])
    agrees(shown, "exact", shown.state().simulate())


@in_a_browser
def test_a_finger_places_moves_and_takes_spikes_on_a_phone(opened):
    """A step is narrower than a finger there. If this fails, nobody with a phone can do what the text asks for."""
    shown = opened(Membrane(), viewport={"width": 390, "height": 844}, has_touch=True)
    strip, begun = input_spikes(shown), Membrane().spikes
    strip.slide(63, 66, 69)  # down in the gap, then up to the volley
    assert shown.state().spikes == sorted([*begun, VOLLEY - 1])
    assert 70 not in np.flatnonzero(shown.state().simulate()[0])
    shown.page.get_by_role("button", name="undo").tap()
    assert shown.state().spikes == begun
    strip.tap(57)  # close to the spike at 58 is meant for it
    assert shown.state().spikes == [step for step in begun if step != 58]
    strip.tap(54)
    assert 54 in shown.state().spikes and len(shown.state().spikes) == len(begun)
    strip.slide(53, 60)  # taken one step beside it, it moves as far as the finger
    assert 61 in shown.state().spikes and 54 not in shown.state().spikes
    agrees(shown, "exact", shown.state().simulate())


@in_a_browser
def test_spikes_are_placed_moved_and_taken_by_the_keyboard(opened):
    shown = opened(Membrane(), viewport={"width": 1000, "height": 1400})
    strip, begun = input_spikes(shown).row, Membrane().spikes
    strip.focus()
    for key in ("End", "ArrowLeft", " "):
        strip.press(key)
    assert shown.state().spikes == [*begun, 118]
    assert strip.get_attribute("aria-valuetext") == "step 118, an input spike"
    for key in ("Shift+PageDown", "Shift+ArrowLeft", "Shift+ArrowLeft"):
        strip.press(key)
    assert shown.state().spikes == [*begun, 107]  # and not into the volley that ends at 106
    strip.press("Enter")
    assert shown.state().spikes == begun
    agrees(shown, "exact", shown.state().simulate())


@in_a_browser
@pytest.mark.parametrize("keys", ["Control+z", "Meta+z", None])
@pytest.mark.parametrize("kind", [Membrane, Credit])
def test_what_a_hand_did_can_be_undone(kind, keys, opened):
    """If this fails, a slip costs the reader what was placed before it."""
    shown = opened(kind(), viewport={"width": 1000, "height": 900})
    strip = input_spikes(shown) if kind is Membrane else Strip(shown, "Time cursor on the errors", 1, 211)
    button = shown.page.get_by_role("button", name="undo")
    assert button.get_attribute("aria-disabled") == "true"
    states = [shown.state().parameters()]

    def after(action):
        action()
        states.append(shown.state().parameters())
        assert states[-1] != states[-2]

    after(lambda: strip.click(100))
    after(lambda: strip.drag(100, 95))
    after(lambda: strip.row.press(" "))
    if kind is Membrane:
        after(lambda: shown.page.get_by_role("button", name="clear the input").click())
        shown.page.get_by_label("input", exact=True).select_option("current")
        states = [{**state, "input": "current"} for state in states]
        after(lambda: strip.drag(20, 40, 60))
        after(lambda: strip.row.press("ArrowUp"))
        after(lambda: shown.page.get_by_role("button", name="clear the input").click())
    else:
        after(lambda: shown.page.get_by_role("button", name="three errors").click())
    assert button.get_attribute("aria-disabled") == "false"
    for state in states[-2::-1]:
        strip.row.press(keys) if keys else button.press("Enter")
        assert shown.state().parameters() == state
    assert button.get_attribute("aria-disabled") == "true"
    button.press("Enter")
    assert shown.state().parameters() == states[0]


@in_a_browser
def test_a_current_is_drawn_and_eulers_step_stands_beside_the_exact_one(opened):
    shown = opened(Membrane(leak=0.3), viewport={"width": 1000, "height": 1400})
    shown.page.get_by_label("input", exact=True).select_option("current")
    shown.page.get_by_label("Euler's step too").press(" ")
    state = shown.state()
    agrees(shown, "exact", state.simulate())
    agrees(shown, "euler", state.simulate(leak=state.euler_leak))
    assert state.simulate()[0].sum() != state.simulate(leak=state.euler_leak)[0].sum()

    strip = shown.page.get_by_role("slider", name="Time cursor on the input")
    box = strip.bounding_box()
    mouse = shown.page.mouse
    mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 70)
    mouse.down()
    mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 30)
    mouse.up()
    drawn = shown.state()
    changed = np.flatnonzero(np.array(drawn.current) != state.current)
    assert len(changed) > 40 and max(drawn.current) > 2
    agrees(shown, "exact", drawn.simulate())
    agrees(shown, "euler", drawn.simulate(leak=drawn.euler_leak))

    strip.press("ArrowUp")
    assert np.abs(np.array(shown.state().current) - drawn.current).sum() == pytest.approx(0.1)


@in_a_browser
def test_the_point_in_the_map_is_the_neuron_beside_it(opened):
    shown = opened(Modes(), viewport={"width": 1000, "height": 1400})

    def neuron_agrees():
        state = shown.state()
        spikes, potential = state.simulate()
        agrees(shown, "volleys", (spikes[0], potential[0]))
        agrees(shown, "scattered", (spikes[1], potential[1]))
        return state

    neuron_agrees()
    chart = shown.page.get_by_role("application")
    chart.focus()
    for key in ("ArrowLeft", "ArrowUp", "ArrowUp"):
        chart.press(key)
    state = neuron_agrees()
    assert (state.leak, state.weight) == (0.29, 0.52)

    box = chart.bounding_box()
    shown.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
    shown.page.mouse.down()
    shown.page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 60)
    shown.page.mouse.up()
    moved = neuron_agrees()
    assert moved.leak < 0.29 and moved.weight > 0.7

    shown.press("jitter", *["ArrowRight"] * 8)
    shown.page.get_by_role("button", name="mixed").press("Enter")
    state = neuron_agrees()
    assert (state.leak, state.weight, state.jitter) == (0.02, 0.14, 5.0)
    assert f"endless train: up to {state.longest_interval()['endless']} steps apart" in shown.summary()
    shown.page.get_by_role("button", name="integrator").press("Enter")
    assert "endless train: at any distance" in shown.summary()


def credit_agrees(shown):
    state = shown.state()
    spikes, potential = state.simulate()
    np.testing.assert_array_equal(shown.result("spikes"), spikes)
    np.testing.assert_allclose(shown.result("potential"), potential, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(shown.result("credit"), state.credit(), rtol=1e-9, atol=1e-12)
    return state


@in_a_browser
def test_controls_change_who_is_blamed(opened):
    shown = opened(Credit(), viewport={"width": 1000, "height": 1400})
    before = credit_agrees(shown).credit()
    assert not shown.page.get_by_label("sharpness β", exact=True).is_visible()

    shown.press("leak λ", "ArrowRight", "ArrowRight")
    shown.press("weight w", *["ArrowRight"] * 5)
    shown.page.get_by_label("surrogate σ′", exact=True).select_option("superspike")
    shown.press("sharpness β", "ArrowLeft")
    shown.page.get_by_label("reset", exact=True).select_option("subtract")
    shown.page.get_by_label("reset detached").press(" ")
    state = credit_agrees(shown)
    assert (state.leak, state.weight, state.beta) == (0.03, 0.145, 9)
    assert (state.surrogate, state.reset, state.detach_reset) == ("superspike", "subtract", False)
    assert np.abs(state.credit() - before).max() > 0.1
    np.testing.assert_allclose(
        shown.result("constant.credit"), Credit(**state.parameters() | {"surrogate": "constant"}).credit()
    )

    shown.page.get_by_role("button", name="start again").press("Enter")
    shown.page.get_by_role("button", name="integrator").press("Enter")
    assert (credit_agrees(shown).leak, shown.state().weight) == (0, 0.099)
    assert "input spikes that share the credit is 11.0 of 34" in shown.summary()
    shown.page.get_by_role("button", name="three errors").press("Enter")
    assert credit_agrees(shown).errors == [30, 50, 65]


@in_a_browser
def test_errors_are_placed_dragged_and_taken_by_key_and_by_hand(opened):
    shown = opened(Credit(), viewport={"width": 1000, "height": 1400})
    strip = shown.page.get_by_role("slider", name="Time cursor on the errors")
    for key in ("ArrowLeft", "Shift+ArrowLeft", " ", "PageUp", "Shift+ArrowLeft", "Shift+PageDown"):
        strip.press(key)
    assert credit_agrees(shown).errors == [130, 132]
    assert strip.get_attribute("aria-valuetext").startswith("step 129, no error, potential ")
    strip.press("End")
    strip.press("Enter")
    strip.press("Shift+PageDown")
    assert credit_agrees(shown).errors == [130, 132, 201]

    shown.page.get_by_role("button", name="one error").press("Enter")
    hands = Strip(shown, "Time cursor on the errors", 1, 211)
    hands.drag(132, 100, 60)
    assert credit_agrees(shown).errors == [60]
    hands.click(20)
    hands.click(61)
    assert credit_agrees(shown).errors == [20, 60, 61]
    for step in (61, 60, 20):
        hands.click(step)
    assert credit_agrees(shown).errors == []
    assert "No input spike gets any credit" in shown.summary()


@in_a_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", ILLUSTRATIONS)
def test_it_fits_a_phone_and_both_themes(kind, theme, opened):
    shown = opened(made(kind), viewport={"width": 360, "height": 800}, color_scheme=theme, has_touch=True)
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert not shown.page.locator("img.lif-figure").is_visible()
    # Ink that a reader sees: more than a few pixels far from the ground, in light and dark. (A picture is what it is.)
    brightness = shown.page.locator("canvas:not([data-picture])").first.evaluate("""(canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const inked = [];
        for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200) inked.push(data[i] + data[i + 1] + data[i + 2]);
        return [inked.length, inked.reduce((sum, each) => sum + each, 0) / inked.length / 3];
    }""")
    assert brightness[0] > 300
    assert (brightness[1] > 128) == (theme == "dark")
    unnamed = "[...document.querySelectorAll('input, select')].filter((each) => !each.labels.length).length"
    assert shown.page.evaluate(unnamed) == 0
    smallest = (
        "Math.min(...[...document.querySelectorAll('.lif-stage button')].map((each) => each.offsetHeight))"
    )
    assert shown.page.evaluate(smallest) >= 24


@in_a_browser
@pytest.mark.parametrize("kind", ILLUSTRATIONS)
def test_print_and_a_page_without_programs_have_a_picture(kind, opened):
    shown = opened(made(kind))
    shown.page.emulate_media(media="print")
    assert shown.page.locator("img.lif-figure").is_visible()
    assert not shown.page.locator(".lif-stage").is_visible()
    still = opened(made(kind), java_script_enabled=False)
    assert still.page.locator("img.lif-figure").is_visible()
    assert len(still.page.locator("img.lif-figure").get_attribute("alt")) > 80


@in_a_browser
@pytest.mark.parametrize("kind", ILLUSTRATIONS)
def test_the_widget_module_draws_follows_its_model_and_cleans_up(kind, opened):
    widget = made(kind)
    name, (low, _, step) = next(iter(widget._bounds.items()))
    moved = round(low + 3 * step, 6)
    assert getattr(widget, name) != moved
    shown = opened(widget)
    found = shown.page.evaluate(
        """async ([source, values, name, moved]) => {
            const module = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
            const listeners = new Map();
            const model = {
                get: (name) => values[name],
                set: (name, value) => { values[name] = value; listeners.get("change:" + name)?.forEach((f) => f()); },
                save_changes: () => {},
                on: (event, f) => listeners.set(event, [...(listeners.get(event) ?? []), f]),
                off: (event, f) => listeners.set(event, listeners.get(event).filter((each) => each !== f)),
            };
            const el = document.createElement("div");
            document.body.append(el);
            const cleanup = module.default.render({ model, el });
            model.set(name, moved); // as Python would
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            const slider = el.querySelector(`input[name=${name}]`);
            const seen = [el.querySelector(".lif-stage").parameters[name], Number(slider.value)];
            cleanup();
            return [...seen, el.childElementCount, [...listeners.values()].flat().length];
        }""",
        [kind._esm, widget.values(), name, moved],
    )
    assert found == [moved, moved, 0, 0]


@in_a_browser
@pytest.mark.parametrize("kind", ILLUSTRATIONS)
def test_a_move_of_a_slider_is_drawn_in_the_next_picture(kind, opened, record_property):
    """The time it takes is reported here; the bound on it is `benchmarks/illustrations.py`'s."""
    shown = opened(made(kind), viewport={"width": 1000, "height": 1400})
    milliseconds = shown.page.evaluate(MOVE_A_SLIDER, MOVES)
    drawn_with, shown_on_slider = shown.page.evaluate("""() => {
        const slider = document.querySelector("input[name=leak]") ?? document.querySelector("input[type=range]");
        return [document.querySelector(".lif-stage").parameters[slider.name], Number(slider.value)];
    }""")
    record_property("median_milliseconds", statistics.median(milliseconds))
    assert drawn_with == pytest.approx(shown_on_slider) and len(milliseconds) == MOVES


# --- the episode that chapter 23 plays


@pytest.fixture
def balance(in_book):
    return Balance(episode=EPISODE)


def test_a_digit_says_in_which_steps_a_neuron_fired(balance):
    """If this fails, the page shows spikes at other times than the network fired them."""
    assert balance.times(0) == [[0], [0, 1, 2, 3], [], []]
    assert balance.times(2) == [[3], [2], [2, 3], [1]]


def test_a_wrong_episode_or_decision_is_refused(balance):
    """If this fails, a cut episode shows the spikes of one decision beside the pole of another."""
    with pytest.raises(ValueError, match="one length.*'push': 5"):
        Balance(episode={**EPISODE, "push": "01011"})
    with pytest.raises(traitlets.TraitError, match="from 0 to 5"):
        balance.decision = 6
    with pytest.raises(traitlets.TraitError, match="slow"):
        balance.speed = "fast"


def test_its_page_is_light_and_asks_for_nothing(balance):
    """An episode of ten seconds must not weigh on the page, and the figure must say what it shows in words."""
    long = {name: each * 80 for name, each in EPISODE.items() if name != "knocks"} | {"knocks": []}
    long["spikes"] = [row * 16 for row in long["spikes"]]
    data, _ = Balance(episode=long)._repr_mimebundle_()
    assert len(data["text/html"].encode()) < HEAVIEST
    assert "over 480 decisions" in data["text/plain"] and 'alt="Position of the cart' in data["text/html"]


@in_a_browser
@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_it_plays_pauses_and_obeys_the_keyboard(opened, balance, motion):
    """Nothing may move by itself; what plays must be stopped by the button that started it, at the end it stops."""
    shown = opened(
        Balance(episode=LONG_EPISODE, decision=1),
        viewport={"width": 360, "height": 900},
        reduced_motion=motion,
    )
    shown.hold_time()
    page = shown.page

    def decision():
        shown.settle()
        return page.evaluate("document.querySelector('.lif-stage').result.decision")

    shown.pass_time(700)
    assert decision() == 1
    assert shown.summary().startswith("Cart at 0.10 m, pole at -0.6 degrees; pushed to the right.")
    shown.press("decision", *["ArrowRight"] * 3)
    assert decision() == 4

    page.get_by_role("button", name="play").press("Enter")
    shown.pass_time(1100)
    page.get_by_role("button", name="pause").press("Space")
    stopped = decision()
    assert stopped > 5
    shown.pass_time(700)
    assert decision() == stopped

    shown.press("decision", "End")
    assert decision() == 239
    shown.press("decision", "ArrowLeft")
    page.get_by_role("button", name="play").click()
    shown.pass_time(1200)
    assert decision() == 239
    assert not page.evaluate("document.querySelector('.lif-stage').result.playing")
    assert page.get_by_role("button", name="play").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@in_a_browser
def test_readers_who_want_less_motion_get_less(opened, balance):
    """Half a second a decision in place of a tenth: if this fails, their setting is ignored."""
    seen = {}
    for motion in ("no-preference", "reduce"):
        shown = opened(Balance(episode=LONG_EPISODE), reduced_motion=motion)
        shown.hold_time()
        shown.page.get_by_role("button", name="play").click()
        shown.pass_time(2640)
        seen[motion] = shown.page.evaluate("document.querySelector('.lif-stage').result.decision")
    assert seen == {"no-preference": 26, "reduce": 5}


IN_SIGHT = """(wanted) => new Promise((done) => {
    const watch = new IntersectionObserver((entries) => {
        if (entries.at(-1).isIntersecting !== wanted) return;
        watch.disconnect();
        done();
    });
    watch.observe(document.querySelector(".lif-stage"));
})"""


@in_a_browser
@pytest.mark.parametrize(
    ("kind", "parameters", "start", "reached"),
    [
        (Learning, {"data": "circles"}, "train", "result.epoch"),
        (Balance, {"episode": LONG_EPISODE}, "play", "result.decision"),
        (Encoding, {}, "play", "parameters.step"),
    ],
)
def test_what_moves_rests_while_it_is_out_of_sight(kind, parameters, start, reached, opened):
    """If this fails, it empties the battery of a reader who has read on, and is over before they are back."""
    shown = opened(kind(**parameters), viewport={"width": 1000, "height": 900})
    shown.page.evaluate(
        "document.body.append(Object.assign(document.createElement('div'), {style: 'height: 5000px'}))"
    )
    shown.hold_time()

    def now():
        shown.settle()
        return shown.page.evaluate(f"document.querySelector('.lif-stage').{reached}")

    def look(away):
        shown.page.evaluate("(away) => scrollTo(0, away ? document.body.scrollHeight : 0)", away)
        shown.page.evaluate(IN_SIGHT, not away)

    if kind is Encoding:
        shown.press("step", "Home")
    shown.page.get_by_role("button", name=start).first.click()
    shown.pass_time(600)
    look(away=True)
    left = now()
    assert left > 0
    shown.pass_time(1000)
    assert now() == left
    look(away=False)
    shown.pass_time(600)
    assert now() > left


@in_a_browser
@pytest.mark.parametrize("width", [390, COLUMN + 16])
@pytest.mark.parametrize("kind", ILLUSTRATIONS)
def test_no_control_jumps_under_the_readers_hand(kind, width, opened):
    """If this fails, a sentence that gets shorter or longer moves the button that is to be pressed next."""
    shown = opened(made(kind), viewport={"width": width, "height": 900}, reduced_motion="reduce")
    where = """[...document.querySelectorAll(".lif-stage :is(input, select, button)")].map((each) =>
        [each.name, Math.round(each.getBoundingClientRect().y + scrollY)])"""
    before = shown.page.evaluate(where)
    controls = shown.page.locator(".lif-stage :is(input, select, button)")
    for k in range(controls.count()):
        control = controls.nth(k)
        if not control.is_visible() or control.inner_text() in ("play", "train", "play the steps"):
            continue
        if control.evaluate("each => each.tagName === 'SELECT'"):
            control.evaluate(
                "(each) => { each.selectedIndex += 1; each.dispatchEvent(new Event('change')); }"
            )
        else:
            control.press("End") if control.get_attribute("type") == "range" else control.press(" ")
        shown.settle()
        assert shown.page.evaluate(where) == before, control.evaluate("each => each.outerHTML.slice(0, 100)")


@with_javascript
def test_words_in_a_colour_can_be_read(compute):
    """A contrast of 4.5 to 1, light and dark: if this fails, names and numbers in a colour are too pale for many."""
    palettes = compute(illustration.bundle("drawing") + "function answer() { return PALETTES; }", None)

    def luminance(colour):
        channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return np.dot(linear, [0.2126, 0.7152, 0.0722])

    assert set(palettes) == {"light", "dark"}
    for theme, ground in {"light": "#ffffff", "dark": "#14181e"}.items():
        for name, colour in palettes[theme].items():
            low, high = sorted([luminance(colour), luminance(ground)])
            assert (high + 0.05) / (low + 0.05) >= 4.5, (theme, name)


def test_what_is_fixed_survives_as_json(balance):
    """The module in the page reads the episode from JSON; a NumPy number in it would stop the build."""
    assert json.loads(json.dumps(balance.values()))["episode"]["spikes"] == EPISODE["spikes"]

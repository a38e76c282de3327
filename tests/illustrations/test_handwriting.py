"""The net that reads handwriting: its pictures against MNIST's, the page against Keras, and a hand that writes."""

import gzip

import keras
import numpy as np
import pytest
import traitlets

import lif
from chrome import in_a_browser, with_javascript
from lifbook.datasets import mnist
from lifbook.illustrations import Handwriting, illustration
from lifbook.illustrations.handwriting import EXAMPLES, Net, ink, margin, packed

ANSWER = """
const list = (values) => [...values];
function answer({ net, pictures, strokes, leaks }) {
  const layers = unpack(net);
  return {
    pictures: strokes.map((each) => list(ink(each))),
    runs: pictures.map((picture, k) => {
      const { runs, outputs } = respond(layers, Float64Array.from(picture), net.steps, leaks[k]);
      return { spikes: runs.map(({ spikes }) => spikes.join("")), outputs: list(outputs) };
    }),
  };
}
"""


def random_strokes(rng):
    strokes = []
    for _ in range(rng.integers(1, 4)):
        path = np.cumsum(rng.normal(0, 1, (int(rng.integers(1, 20)), 2)), axis=0) + rng.normal(0, 2, 2)
        strokes.append(path)
    points = np.concatenate(strokes)
    low, size = points.min(0), max(np.ptp(points, axis=0).max(), 1e-9)
    share = rng.uniform(0.2, 1)
    return [np.clip((stroke - low) / size * share, 0, 1).tolist() for stroke in strokes]


def random_pictures(count, rng):
    """Half of them strokes, half of them noise."""
    drawn = [ink(random_strokes(rng)).ravel() for _ in range(count // 2)]
    noise = [rng.uniform(size=784) * (rng.uniform(size=784) < 0.2) for _ in range(count - len(drawn))]
    return np.round([*drawn, *noise], 4)


def spikes_in(run, layer, steps):
    return np.array(list(run["spikes"][layer]), float).reshape(steps, -1)


def keras_model(net):
    """The net as Keras has it: hidden layers' spikes, and the sums at every step."""
    inputs = keras.Input((784,))
    kernels = net.weights[::2]
    x = lif.ConstantEncoder(net.steps)(keras.layers.Dense(kernels[0].shape[1])(inputs))
    spikes = [lif.LIF(leak=net.leak, reset="subtract")(x)]
    for kernel in kernels[1:-1]:
        spikes.append(
            lif.LIF(leak=net.leak, reset="subtract")(keras.layers.Dense(kernel.shape[1])(spikes[-1]))
        )
    sums = lif.LeakyIntegrator(return_sequences=True)(keras.layers.Dense(10)(spikes[-1]))
    model = keras.Model(inputs, [*spikes, sums])
    model.set_weights(net.weights)
    return model


def real_mnist():
    data = mnist(stand_in=True)
    if data.is_stand_in:
        pytest.skip("MNIST is not here: nothing was compared with it")
    return data


@with_javascript
def test_the_net_in_the_page_is_the_keras_model(compute):
    net = Net()
    pictures = random_pictures(1200, np.random.default_rng(0))
    question = {
        "net": net.stored,
        "pictures": pictures.tolist(),
        "strokes": [],
        "leaks": [net.leak] * len(pictures),
    }
    runs = compute(illustration.bundle("handwriting") + ANSWER, question)["runs"]
    *hidden, outputs = keras_model(net).predict(pictures.astype("float32"), batch_size=400, verbose=0)
    layers, _ = net.respond(pictures)
    ties = 0
    for k, run in enumerate(runs):
        differ = [spikes_in(run, layer, net.steps) != spikes[k] for layer, spikes in enumerate(hidden)]
        if any(each.any() for each in differ):
            # Only where single precision cannot tell the potential from the threshold. What follows may differ too.
            layer = 0 if differ[0].any() else 1
            t = np.flatnonzero(differ[layer].any(axis=1))[0]
            assert np.abs(layers[layer][1][k, t][differ[layer][t]] - 1).max() < 1e-5
            ties += 1
        else:
            np.testing.assert_allclose(np.reshape(run["outputs"], (-1, 10)), outputs[k], rtol=1e-5, atol=1e-5)
    assert ties <= 10
    assert all(0.02 < spikes.mean() < 0.9 for spikes in hidden)


@with_javascript
def test_page_and_python_draw_and_read_alike(compute):
    rng = np.random.default_rng(1)
    strokes = [*EXAMPLES.values(), [], [[[0.3, 0.3]]], *(random_strokes(rng) for _ in range(150))]
    pictures = random_pictures(100, rng)
    leaks = rng.uniform(0, 0.95, len(pictures)).round(3)
    net = Net()
    question = {
        "net": net.stored,
        "pictures": pictures.tolist(),
        "strokes": strokes,
        "leaks": leaks.tolist(),
    }
    found = compute(illustration.bundle("handwriting") + ANSWER, question)
    for each, picture in zip(strokes, found["pictures"], strict=True):
        np.testing.assert_allclose(np.reshape(picture, (28, 28)), ink(each), atol=1e-9)
    for picture, leak, run in zip(pictures, leaks, found["runs"], strict=True):
        layers, outputs = net.respond(picture[None], leak)
        for layer, (spikes, _) in enumerate(layers):
            np.testing.assert_array_equal(spikes_in(run, layer, net.steps), spikes[0])
        np.testing.assert_allclose(np.reshape(run["outputs"], (-1, 10)), outputs[0], rtol=1e-9, atol=1e-9)


def box_and_centre(pictures):
    """The longest side of the box around the ink, and the pixel of the centre of mass (x, y)."""
    middle = np.arange(28) + 0.5
    sides, centres = [], []
    for picture in pictures:
        lit = np.argwhere(picture > 0)
        sides.append(np.ptp(lit, axis=0).max() + 1)
        centres.append([(picture.sum(axis) @ middle / picture.sum() + 1e-6) // 1 for axis in (0, 1)])
    return np.array(sides), np.array(centres)


def test_what_is_written_becomes_a_picture_as_mnist_has_them():
    sides, centres = box_and_centre(real_mnist().x_test[:2000] / 255)
    assert np.mean(sides == 20) > 0.99 and np.all(centres == 14)

    rng = np.random.default_rng(2)
    for share in (1, 0.6, 0.2):  # written large or small, anywhere: the picture is the same
        strokes = [[[x * share, 1 - (1 - y) * share] for x, y in stroke] for stroke in EXAMPLES["8"]]
        np.testing.assert_allclose(ink(strokes), ink(EXAMPLES["8"]), atol=1e-9)
    drawn = [ink(EXAMPLES[name]) for name in EXAMPLES] + [ink(random_strokes(rng)) for _ in range(100)]
    sides, centres = box_and_centre(drawn)
    # Ink far from the centre of mass may be moved out of the 28 pixels; then it is cut off, as in MNIST.
    whole = np.array([not (each[[0, -1]].any() or each[:, [0, -1]].any()) for each in drawn])
    assert whole.mean() > 0.8
    long_enough = sides >= 19
    assert np.all(sides[: len(EXAMPLES)] == 20) and np.all(sides[whole & long_enough] == 20)
    assert np.mean(np.all(centres[whole] == 14, axis=1)) > 0.99
    soft = np.mean([(each > 0) & (each < 1) for each in drawn])
    assert soft > 0.05, "edges are grey"


def test_a_dot_stays_a_dot_and_nothing_stays_nothing():
    dot = ink([[[0.9, 0.1]]])
    assert 0 < dot.sum() < 10 and box_and_centre([dot])[1].tolist() == [[14, 14]]
    assert not ink([]).any()


def test_the_kept_net_reads_what_its_file_says():
    data = real_mnist()
    net = Net()
    x = data.x_test.reshape(-1, 784).astype("float32") / 255
    sums = np.concatenate([net.respond(x[k : k + 2000])[1][:, -1] for k in range(0, len(x), 2000)])
    assert int(np.sum(sums.argmax(1) == data.y_test)) == net.stored["test_right"]
    assert net.stored["test_images"] == len(x)
    assert 0.88 < np.mean(margin(sums) >= net.margin) < 0.98


@pytest.mark.parametrize("digit", range(10))
def test_our_own_digits_are_read(digit, in_book):
    shown = Handwriting(strokes=EXAMPLES[str(digit)])
    assert shown.answer == digit == shown.outputs.argmax()


def test_weights_are_rounded_to_the_nearest_of_255_values():
    rng = np.random.default_rng(3)
    weights = [
        rng.normal(size=(784, 5)),
        rng.normal(size=5),
        np.zeros((5, 4)),
        np.zeros(4),
        rng.normal(size=(4, 10)),
        rng.normal(size=10),
    ]
    net = Net(packed(weights, steps=3, leak=0.2, margin=1))
    for rounded, exact in zip(net.weights[::2], weights[::2], strict=True):
        assert np.all(np.abs(rounded - exact) <= 0.5001 * np.abs(exact).max(0) / 127)
    np.testing.assert_allclose(net.weights[1], weights[1], rtol=1e-5)
    assert net.respond(np.zeros((2, 784)))[1].shape == (2, 3, 10)


def test_nothing_and_half_a_sign_are_no_digit(in_book):
    assert Handwriting(strokes=[]).answer is None
    shown = Handwriting(strokes=[[[0.5, 0.5]]])
    assert (margin(shown.outputs) >= shown.net.margin) == (shown.answer is not None)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("strokes", [[[0.5, 1.2]]], "from 0 to 1"),
        ("strokes", [[[0.5]]], "from 0 to 1"),
        ("strokes", [[]], "without points"),
        ("step", 0, "from 1 to 8"),
        ("leak", -0.1, "from 0 to 0.95"),
    ],
)
def test_a_wrong_value_is_refused(name, value, message, in_book):
    with pytest.raises(traitlets.TraitError, match=message):
        Handwriting(**{name: value})


def test_it_is_light_enough_for_a_page(in_book):
    data, _ = Handwriting()._repr_mimebundle_()
    assert len(gzip.compress(data["text/html"].encode())) < 200_000


def agrees(shown):
    """What the page has computed from its parameters is what Python computes from them."""
    state = shown.state()
    result = "document.querySelector('.lif-stage').result"
    np.testing.assert_allclose(shown.result("picture"), state.image.ravel(), atol=1e-9)
    layers, outputs = state.simulate()
    for k, (spikes, _) in enumerate(layers):
        np.testing.assert_array_equal(shown.result(f"layers[{k}].spikes"), spikes.ravel())
    np.testing.assert_allclose(shown.result("outputs"), outputs.ravel(), rtol=1e-9, atol=1e-9)
    assert shown.page.evaluate(f"{result}.answer") == state.answer
    if state.answer is not None:
        assert f"The net reads {state.answer}." in shown.summary()
    return state


def at_rest(shown):
    """Waits for the last step of the animation."""
    shown.page.wait_for_function("document.querySelector('.lif-stage').parameters.step === 8")
    shown.settle()


def write(page, strokes):
    box = page.get_by_role("application").bounding_box()
    left = box["x"] + (box["width"] - 264) / 2
    mouse = page.mouse
    for stroke in strokes:
        places = [(left + 264 * x, box["y"] + 264 * y) for x, y in stroke]
        mouse.move(*places[0])
        mouse.down()
        for place in places[1:]:
            mouse.move(*place)
        mouse.up()


@in_a_browser
def test_a_hand_writes_and_the_net_reads(opened):
    page = {"viewport": {"width": 1000, "height": 1200}, "reduced_motion": "reduce"}
    shown = opened(Handwriting(strokes=[]), **page)
    assert shown.summary() == "Nothing is written."
    for name in ("7", "4", "0"):
        write(shown.page, EXAMPLES[name])
        at_rest(shown)
        state = agrees(shown)
        assert state.answer == int(name)
        assert len(state.strokes) == len(EXAMPLES[name])
        assert np.abs(state.image - ink(EXAMPLES[name])).mean() < 0.02
        shown.page.get_by_role("button", name="clear").click()
        assert agrees(shown).answer is None

    write(shown.page, EXAMPLES["4"])
    shown.page.get_by_role("button", name="undo the last stroke").click()
    at_rest(shown)
    assert len(agrees(shown).strokes) == 1
    for name in EXAMPLES:
        shown.page.get_by_role("button", name="next example").click()
        assert agrees(shown).strokes == EXAMPLES[name]


@in_a_browser
def test_the_keyboard_writes(opened):
    shown = opened(Handwriting(strokes=[]), viewport={"width": 1000, "height": 1200})
    pad = shown.page.get_by_role("application")
    pad.focus()
    for key in [*["ArrowUp"] * 8, " ", *["ArrowDown"] * 16, " ", *["ArrowRight"] * 3]:
        pad.press(key)
    state = agrees(shown)
    assert state.strokes == [[[0.5, round(0.1 + 0.05 * k, 3)] for k in range(17)]]
    assert state.answer == 1
    assert "1 stroke" in pad.get_attribute("aria-label") and "lifted" in pad.get_attribute("aria-label")

    shown.press("leak λ", *["ArrowRight"] * 20)
    shown.press("time step", "ArrowLeft", "ArrowLeft")
    state = agrees(shown)
    assert (state.leak, state.step) == (0.3, 6)
    shown.page.get_by_role("button", name="leak back to 0.1").press("Enter")
    assert agrees(shown).leak == Net().leak


@in_a_browser
def test_a_finger_writes_and_the_page_stays(opened):
    shown = opened(Handwriting(strokes=[]), viewport={"width": 360, "height": 700}, has_touch=True)
    box = shown.page.get_by_role("application").bounding_box()
    touch = shown.context.new_cdp_session(shown.page)

    def send(kind, *point):
        points = [{"x": point[0], "y": point[1]}] if point else []
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    middle = box["x"] + box["width"] / 2
    send("touchStart", middle, box["y"] + 30)
    for k in range(1, 21):
        send("touchMove", middle, box["y"] + 30 + 10 * k)
    send("touchEnd")
    at_rest(shown)
    state = agrees(shown)
    assert state.answer == 1 and len(state.strokes) == 1
    assert np.ptp(np.array(state.strokes[0])[:, 1]) == pytest.approx(200 / 264, abs=0.02)
    assert shown.page.evaluate("scrollY") == 0


@in_a_browser
@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_spikes_fly_unless_less_motion_is_asked_for(motion, opened):
    shown = opened(Handwriting(), reduced_motion=motion)
    shown.hold_time()
    shown.page.get_by_role("button", name="play the steps").click()
    steps, pictures = [], set()
    for _ in range(60):
        shown.pass_time(80)
        step, picture = shown.page.evaluate(
            "[document.querySelector('.lif-stage').parameters.step, document.querySelectorAll('canvas')[1].toDataURL()]"
        )
        steps.append(step)
        pictures.add(picture)
    assert sorted(set(steps)) == list(range(1, 9)) and steps == sorted(steps)
    # One picture a step, or many between.
    assert len(pictures) == 8 if motion == "reduce" else len(pictures) > 30
    agrees(shown)


@with_javascript
def test_labels_are_moved_apart_and_stay_in_their_field(compute):
    """If this fails, the digit that wins is cut off at the top of the sums, or two digits lie on each other."""
    rng = np.random.default_rng(4)
    cases = [
        sorted(rng.normal(rng.uniform(20, 166), rng.uniform(0, 60), 10).tolist(), reverse=True)
        for _ in range(300)
    ]
    script = "function answer(cases) { return cases.map((ends) => spread(ends, 12, 20, 166)); }"
    found = np.array(compute(illustration.bundle("handwriting") + script, cases))
    assert np.all(found >= 20 - 1e-9) and np.all(found <= 166 + 1e-9)
    assert np.all(found[:, :-1] - found[:, 1:] >= 12 - 1e-9)
    apart = [24 + 14 * k for k in range(9, -1, -1)]
    np.testing.assert_allclose(compute(illustration.bundle("handwriting") + script, [apart])[0], apart)


NOTEBOOK = [
    "from lifbook.illustrations import Handwriting\nfrom lifbook.illustrations.handwriting import EXAMPLES",
    "mine = Handwriting(strokes=[])\nmine",
    "print(f'read {mine.answer} from {len(mine.strokes)} stroke')\nmine.strokes = EXAMPLES['5']",
]


@in_a_browser
@pytest.mark.parametrize("laboratory", [NOTEBOOK], indirect=True)
def test_what_is_written_in_jupyterlab_is_read_in_python(notebook):
    page, editors = notebook(cells=2, height=2000)
    page.locator(".lif-stage").wait_for()
    page.get_by_role("application").scroll_into_view_if_needed()
    write(page, EXAMPLES["7"])
    editors.nth(2).click()
    page.keyboard.press("Shift+Enter")
    page.get_by_text("read 7 from 1 stroke", exact=True).wait_for()
    # And what Python writes, the page reads.
    page.wait_for_function("document.querySelector('.lif-stage').result.answer === 5")

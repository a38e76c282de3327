"""Learning, live: the page's network against NumPy and Keras, its training against Python's, and a reader's hand."""

import keras
import numpy as np
import pytest
import traitlets
from keras import ops

import lif
from autodiff import value_and_gradients
from chrome import COLUMN, in_a_browser, with_javascript
from lifbook.illustrations import Learning, illustration
from lifbook.illustrations.chance import uniforms
from lifbook.illustrations.learning import Network

ANSWER = """
function answer(cases) {
  return cases.map(({ x, y, shape, weights, rule }) => {
    const net = network(shape, Float64Array.from(weights));
    const data = { x: Float64Array.from(x.flat()), y };
    const gradient = [...wholeGradient(net, data, rule)];
    return { gradient, probability: [...net.probability], loss: evaluate(net, data, rule).loss };
  });
}
"""


def random_case(rng):
    shape = {
        "inputs": int(rng.integers(1, 5)),
        "hidden": int(rng.integers(1, 7)),
        "classes": int(rng.integers(2, 4)),
    }
    examples = int(rng.integers(1, 4))
    size = (shape["inputs"] + 1) * shape["hidden"] + (shape["hidden"] + 1) * shape["classes"]
    return {
        "x": rng.uniform(-1, 1, (examples, shape["inputs"])).tolist(),
        "y": rng.integers(0, shape["classes"], examples).tolist(),
        "shape": shape,
        "weights": rng.normal(0, 0.7, size).tolist(),
        "rule": {
            "leak": float(rng.choice([0, rng.uniform(0, 0.9)])),
            "steps": int(rng.integers(1, 20)),
            "surrogate": str(rng.choice(Learning.surrogate.values)),
            "beta": float(rng.uniform(0.5, 20)),
        },
    }


def split(weights, shape):
    """The page's one array as the four of Keras and NumPy."""
    inputs, hidden, classes = shape["inputs"], shape["hidden"], shape["classes"]
    sizes = [inputs * hidden, hidden, hidden * classes, classes]
    kernel1, bias1, kernel2, bias2 = np.split(np.array(weights, float), np.cumsum(sizes)[:-1])
    return [kernel1.reshape(inputs, hidden), bias1, kernel2.reshape(hidden, classes), bias2]


def in_numpy(case):
    net = Network(*case["shape"].values(), {"learning_rate": 0.01, **case["rule"]}, uniforms(0))
    net.weights = split(case["weights"], case["shape"])
    return net


def in_keras(case):
    rule, shape = case["rule"], case["shape"]
    chosen = getattr(lif.surrogates, rule["surrogate"])
    surrogate = chosen() if rule["surrogate"] == "constant" else chosen(beta=rule["beta"])
    double = {"dtype": "float64"}
    model = keras.Sequential(
        [
            lif.ConstantEncoder(rule["steps"], **double),
            keras.layers.Dense(shape["hidden"], **double),
            lif.LIF(leak=rule["leak"], surrogate=surrogate, **double),
            keras.layers.Dense(shape["classes"], **double),
            lif.LeakyIntegrator(leak=rule["leak"], **double),
        ]
    )
    model.build((None, shape["inputs"]))
    model.set_weights(split(case["weights"], shape))
    return model


def close(found, expected, tolerance=1e-6):
    expected = np.asarray(expected)
    return np.max(np.abs(np.asarray(found) - expected)) <= tolerance * (1 + np.max(np.abs(expected)))


@with_javascript
def test_the_network_in_the_page_is_the_network_of_the_book(compute):
    """If this fails, the page trains on a wrong gradient."""
    rng = np.random.default_rng(0)
    cases = [random_case(rng) for _ in range(1200)]
    fired = 0
    for case, found in zip(cases, compute(illustration.bundle("network") + ANSWER, cases), strict=True):
        net, x, y = in_numpy(case), np.array(case["x"]), np.array(case["y"])
        probability, _, spikes = net.forward(x)
        assert close(found["loss"], net.loss(x, y))
        assert close(found["probability"], probability[-1])
        expected = np.concatenate([each.ravel() for each in net.gradient(x, y)])
        assert close(found["gradient"], expected), case["rule"]
        fired += spikes.sum()
    assert fired > 3000
    assert {case["rule"]["surrogate"] for case in cases} == set(Learning.surrogate.values)


def test_numpy_and_keras_find_the_same_gradient():
    rng = np.random.default_rng(1)
    for _ in range(24):
        case = random_case(rng)
        case["rule"]["leak"] = float(
            np.float32(case["rule"]["leak"])
        )  # the layers keep it in single precision
        net, model = in_numpy(case), in_keras(case)
        x, y = np.array(case["x"]), np.array(case["y"])

        def loss(*weights, model=model, x=x, y=y):
            outputs, _ = model.stateless_call(weights, [], x)
            return ops.mean(
                ops.categorical_crossentropy(np.eye(outputs.shape[-1])[y], ops.softmax(outputs))
            ), (outputs,)

        _, gradients = value_and_gradients(loss, *split(case["weights"], case["shape"]))
        for found, expected in zip(net.gradient(x, y), gradients, strict=True):
            assert close(found, expected), case["rule"]


def test_an_update_is_adams_as_in_keras():
    rng = np.random.default_rng(2)
    case = random_case(rng)
    net = in_numpy(case)
    variables = [keras.Variable(each, dtype="float64") for each in split(case["weights"], case["shape"])]
    optimizer = keras.optimizers.Adam(0.01)
    for _ in range(5):
        x, y = rng.uniform(-1, 1, (4, case["shape"]["inputs"])), rng.integers(0, 2, 4)
        optimizer.apply([ops.convert_to_tensor(each) for each in net.gradient(x, y)], variables)
        net.update(x, y)
    for ours, theirs in zip(net.weights, variables, strict=True):
        assert close(ours, ops.convert_to_numpy(theirs))
    assert not close(np.concatenate([w.ravel() for w in net.weights]), case["weights"], 1e-3)


TRAIN = """
function answer([values, epochs]) {
  const problem = task(values.data, values.seed, values._iris);
  const found = { problem: { x: [...problem.train.x], y: [...problem.train.y], newX: [...problem.test.x] } };
  for (const [run, end] of [["A", ""], ["B", "_b"]]) {
    const get = (name) => values[name + end];
    const rule = { rate: get("learning_rate") };
    for (const name of ["surrogate", "beta", "leak", "steps"]) rule[name] = get(name);
    const shape = { inputs: problem.inputs, hidden: get("hidden"), classes: problem.classes.length };
    const weights = initialWeights(shape, uniforms(values.seed + 1000));
    const { net, update } = trainer(shape, problem.train, weights, uniforms(values.seed + 2000), BATCH);
    const judged = () => [evaluate(net, problem.train, rule).loss, evaluate(net, problem.test, rule).accuracy];
    found[run] = [judged()];
    for (let epoch = 0; epoch < epochs; epoch++) {
      while (!update(rule));
      found[run].push(judged());
    }
  }
  return found;
}
"""


@with_javascript
@pytest.mark.parametrize("data", ["Yin-Yang", "circles", "IRIS"])
def test_python_trains_as_the_page_does(data, compute, in_book):
    made = Learning(data=data, seed=3, leak=0.2, surrogate_b="sigmoid", steps_b=7, hidden_b=12)
    found = compute(illustration.bundle("learning") + TRAIN, [made.values(), 4])
    training, new, names = made.task()
    np.testing.assert_allclose(found["problem"]["x"], training[0].ravel(), rtol=1e-12)
    np.testing.assert_allclose(found["problem"]["newX"], new[0].ravel(), rtol=1e-12)
    np.testing.assert_array_equal(found["problem"]["y"], training[1])
    history, _ = made.train(epochs=4)
    for run in ("A", "B"):
        np.testing.assert_allclose(found[run], history[run], rtol=1e-6)
        assert history[run][-1, 0] < 0.8 * history[run][0, 0]


def test_the_table_is_fishers(in_book):
    (x, y), (new_x, new_y), names = Learning(data="IRIS").task()
    assert names == ["setosa", "versicolor", "virginica"]
    assert len(x) == 100 and len(new_x) == 50 and np.bincount([*y, *new_y]).tolist() == [50, 50, 50]
    assert x.min() == -1 and x.max() == 1


def test_the_points_are_yin_and_yang(in_book):
    (x, y), (new_x, _), _ = Learning().task()
    assert np.all(np.hypot(*x.T) <= 1) and not np.array_equal(x, new_x)
    dots = np.minimum(np.hypot(x[:, 0] - 0.5, x[:, 1]), np.hypot(x[:, 0] + 0.5, x[:, 1])) <= 0.2
    np.testing.assert_array_equal(dots, y == 2)
    # A half turn makes yin of yang.
    far_from_the_border = np.abs(x[:, 1]) > 0.5
    np.testing.assert_array_equal(y[far_from_the_border] == 0, x[far_from_the_border, 1] > 0)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("leak", 0.95, "from 0 to 0.9"),
        ("beta_b", 0, "from 0.5 to 50"),
        ("hidden", 2.5, "whole number"),
        ("surrogate_b", "flat", "superspike"),
        ("probe", [0.5, 1.5], "from -1 to 1"),
        ("data", "MNIST", "circles"),
    ],
)
def test_a_wrong_value_is_refused(name, value, message, in_book):
    with pytest.raises(traitlets.TraitError, match=message):
        Learning(**{name: value})


def test_what_the_page_reaches_is_for_reading(in_book):
    made = Learning()
    assert (made.epoch, made.loss, made.accuracy) == (-1, [], [])
    assert not {"epoch", "loss", "accuracy"} & set(made.parameters())
    with pytest.raises(traitlets.TraitError):
        made.epoch = 3
    made.set_state({"epoch": 3, "loss": [0.5, 0.25], "accuracy": [0.75, 1.0]})  # as the page does
    assert (made.epoch, made.loss, made.accuracy) == (3, [0.5, 0.25], [0.75, 1.0])


DESK = {"viewport": {"width": 1000, "height": 1600}}


def history_in(shown, run):
    shown.settle()
    found = shown.page.evaluate(f"document.querySelector('.lif-stage').result.{run}.history")
    return np.array([[each["loss"], each["accuracy"]] for each in found])


def epoch_in(shown):
    shown.settle()
    return shown.page.evaluate("document.querySelector('.lif-stage').result.epoch")


def agrees_with_python(shown, epochs):
    state = shown.state()
    history, networks = state.train(epochs)
    for run in ("A", "B"):
        np.testing.assert_allclose(history_in(shown, run), history[run], rtol=1e-6)
        weights = np.concatenate([each.ravel() for each in networks[run].weights])
        np.testing.assert_allclose(shown.result(f"{run}.weights"), weights, rtol=1e-6, atol=1e-9)
    return state, history, networks


@in_a_browser
def test_epoch_by_epoch_the_page_learns_what_python_learns(opened):
    shown = opened(Learning(), **DESK)
    assert epoch_in(shown) == 0 and shown.summary().startswith("Untrained.")
    shown.press("leak λ", *["ArrowRight"] * 5)
    shown.press("hidden units, run B", *["ArrowLeft"] * 4)
    shown.press("sharpness β, run B", *["ArrowLeft"] * 6)
    shown.page.get_by_label("surrogate, run B", exact=True).select_option("sigmoid")
    one_epoch = shown.page.get_by_role("button", name="one epoch")
    for _ in range(3):
        one_epoch.press("Enter")
    state, history, networks = agrees_with_python(shown, 3)
    assert (state.leak, state.hidden_b, state.beta_b, state.surrogate_b) == (0.15, 16, 7.0, "sigmoid")
    for run in ("A", "B"):
        assert history[run][3, 0] < 0.7 * history[run][0, 0]
        assert f"{run}: {100 * history[run][3, 1]:.1f} % of new points right" in shown.summary()
    assert "A and B differ in surrogate, λ, units" in shown.summary()

    # The gradients that are shown are those of the loss.
    shown.page.get_by_label("look inside", exact=True).select_option("weights")
    training, _, _ = state.task()
    for run, net in networks.items():
        expected = np.concatenate([each.ravel() for each in net.gradient(*training)])
        np.testing.assert_allclose(shown.result(f"{run}.gradient"), expected, rtol=1e-6, atol=1e-9)


@in_a_browser
def test_it_trains_pauses_and_begins_again(opened):
    shown = opened(Learning(data="circles"), **DESK)
    train = shown.page.get_by_role("button", name="train")
    train.press("Enter")
    shown.page.wait_for_function("document.querySelector('.lif-stage').result.epoch >= 4")
    shown.page.get_by_role("button", name="pause").press("Enter")
    paused = epoch_in(shown)
    for _ in range(10):
        shown.settle()
    assert epoch_in(shown) == paused
    assert not shown.state().running
    loss = history_in(shown, "A")[:, 0]
    assert len(loss) == paused + 1 and loss[-1] < 0.6 * loss[0]
    first = history_in(shown, "B")

    shown.page.get_by_role("button", name="from scratch").press("Enter")
    assert epoch_in(shown) == 0
    for _ in range(2):
        shown.page.get_by_role("button", name="one epoch").press("Enter")
    np.testing.assert_array_equal(history_in(shown, "B"), first[:3])
    agrees_with_python(shown, 2)


@in_a_browser
def test_iris_is_learnt_in_the_page(opened):
    shown = opened(Learning(), **DESK)
    shown.page.get_by_label("data", exact=True).select_option("IRIS")
    shown.page.get_by_role("button", name="B like A").press("Enter")
    for _ in range(12):
        shown.page.get_by_role("button", name="one epoch").press("Enter")
    _, history, _ = agrees_with_python(shown, 12)
    np.testing.assert_array_equal(history["A"], history["B"])
    assert history["A"][-1, 1] > 0.8
    assert "A and B are the same" in shown.summary()


@in_a_browser
def test_the_ring_is_moved_by_key_and_by_hand(opened):
    shown = opened(Learning(), **DESK)
    chart = shown.page.get_by_role("application").first
    chart.press("ArrowLeft")
    chart.press("ArrowUp")
    assert shown.state().probe == [0.45, 0.05]
    box = chart.bounding_box()
    chart.click(position={"x": box["width"] / 2, "y": box["height"] / 4})
    state = shown.state()
    assert abs(state.probe[0]) < 0.03 and state.probe[1] > 0.4
    np.testing.assert_allclose(shown.result("B.probability"), state.answers()["B"], rtol=1e-9)
    _, currents, _ = state.train(0)[1]["B"].forward(np.array([state.probe]))
    potential = lif.reference.simulate(currents, state.leak_b)[1][0]
    np.testing.assert_allclose(shown.result("B.potential"), potential.T.ravel(), rtol=1e-9)


@in_a_browser
def test_a_change_of_the_leak_is_seen_at_once_and_the_weights_stay(opened):
    shown = opened(Learning(data="circles"), **DESK)
    for _ in range(3):
        shown.page.get_by_role("button", name="one epoch").press("Enter")
    weights, before = shown.result("A.weights"), history_in(shown, "A")
    shown.press("leak λ", *["ArrowRight"] * 30)
    after = history_in(shown, "A")
    np.testing.assert_array_equal(shown.result("A.weights"), weights)
    np.testing.assert_array_equal(after[:-1], before[:-1])
    assert abs(after[-1, 0] - before[-1, 0]) > 0.01
    shown.press("hidden units", "ArrowRight")  # other units must begin again
    assert epoch_in(shown) == 0
    shown.page.get_by_role("button", name="first settings").press("Enter")
    assert shown.state().parameters() == Learning(data="circles").parameters()


@in_a_browser
@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_it_starts_by_itself_only_where_motion_is_welcome(motion, opened):
    shown = opened(Learning(data="circles", running=True), reduced_motion=motion, **DESK)
    if motion == "reduce":
        for _ in range(10):
            shown.settle()
        assert epoch_in(shown) == 0 and not shown.state().running
    else:
        shown.page.wait_for_function("document.querySelector('.lif-stage').result.epoch >= 1")


IN_SIGHT_TOGETHER = """() => {
    const box = (all) => {
        const boxes = all.filter((each) => each.checkVisibility()).map((each) => each.getBoundingClientRect());
        return [Math.min(...boxes.map(({ top }) => top)), Math.max(...boxes.map(({ bottom }) => bottom)), boxes.length];
    };
    const within = (where, what) => [...where.querySelectorAll(what)];
    const stage = document.querySelector(".lif-stage");
    const groups = within(stage, "[role=group]");
    const curves = within(stage, "canvas[aria-label*='over epochs']");
    return {
        all: box([...groups.flatMap((group) => within(group, "canvas, input, select")), ...curves]),
        runs: groups.map((group) => box(within(group, "canvas, input, select"))),
    };
}"""


@in_a_browser
@pytest.mark.parametrize("width", [COLUMN + 16, 390])
def test_a_slider_and_what_it_changes_are_in_sight_together(width, opened):
    """If this fails, the learning rate is turned blindly, and the map is scrolled back to afterwards."""
    shown = opened(Learning(surrogate="sigmoid"), viewport={"width": width, "height": 844})
    shown.settle()
    found = shown.page.evaluate(IN_SIGHT_TOGETHER)
    top, bottom, number = found["all"]
    assert number == 2 * (1 + 6) + 2
    if width > 390:
        assert bottom - top <= 700
    for top, bottom, number in found["runs"]:
        assert number == 7 and bottom - top <= 560  # a phone shows some 650 pixels between its bars


def counted(net, x):
    """How many hidden neurons are silent, and how many saturated, from the spikes."""
    _, _, spikes = net.forward(x)
    fires, always = spikes.any(axis=1), spikes.all(axis=1)
    silent = ~fires.any(axis=0)
    return int(silent.sum()), int(np.sum(~silent & (always.sum(axis=0) > fires.sum(axis=0) / 2)))


def train_in(shown, epochs):
    button = shown.page.get_by_role("button", name="one epoch")
    for _ in range(epochs):
        button.click()


@in_a_browser
def test_the_exercise_on_silence_is_told_what_is_missing(opened):
    """If this fails, the page says that both are learning while one of them cannot."""
    shown = opened(Learning(), **DESK)
    for name in ("leak λ", "leak λ, run B"):
        shown.press(name, "End")
    shown.page.get_by_label("surrogate, run B", exact=True).select_option("triangle")
    train_in(shown, 3)
    state = shown.state()
    assert (state.leak, state.leak_b, state.surrogate, state.surrogate_b) == (
        0.9,
        0.9,
        "constant",
        "triangle",
    )
    training, _, _ = state.task()
    _, networks = state.train(3)
    kernel, bias, *_ = networks["B"].gradient(*training)
    assert counted(networks["B"], training[0])[0] == 20 and not kernel.any() and not bias.any()
    silent, saturated = counted(networks["A"], training[0])
    assert 0 < silent < 20
    said = shown.summary()
    assert (
        "B: none of its 20 neurons spikes for any training point, so the triangle passes no gradient." in said
    )
    assert f"A: {silent} of 20 neurons are silent for all training points." in said
    assert (f"A: {saturated} of 20 neurons" in said) == (saturated > 0)
    assert "A is " in said and " points ahead." in said
    train_in(shown, 31)
    assert "B is on a plateau" in shown.summary()
    # Lower its sharpness, and a gradient arrives.
    shown.press("sharpness β, run B", "Home")
    train_in(shown, 1)
    assert "so the triangle passes no gradient" not in shown.summary()


@in_a_browser
def test_a_run_that_diverges_is_said_to(opened):
    rule = {"learning_rate": 0.1, "steps": 50, "leak": 0}
    shown = opened(Learning(**rule), **DESK)
    assert "diverged" not in shown.summary()
    said = []
    for _ in range(16):
        train_in(shown, 1)
        said.append("A diverged: its loss has risen from" in shown.summary())
    loss = shown.state().train(16)[0]["A"][:, 0]
    expected = [
        now > 1.2 * np.log(3) and min(loss[: k + 2]) < 0.8 * np.log(3) for k, now in enumerate(loss[1:])
    ]
    assert said == expected and any(said)
    training, _, _ = shown.state().task()
    assert (
        f"A: {counted(shown.state().train(16)[1]['A'], training[0])[0]} of 20 neurons are silent"
        in shown.summary()
    )


STATES = {
    "well": ({}, []),
    "dead": (
        {"silent": 20, "passes": False},
        ["B: none of its 20 neurons spikes for any training point, so the sigmoid passes no gradient."],
    ),
    "silent": (
        {"silent": 20},
        ["B: none of its 20 neurons spikes for any training point; the sigmoid still passes a gradient."],
    ),
    "one": (
        {"silent": 1, "hidden": 1},
        ["B: its only neuron spikes for no training point; the sigmoid still passes a gradient."],
    ),
    "some": ({"silent": 12}, ["B: 12 of 20 neurons are silent for all training points."]),
    "saturated": (
        {"saturated": 1},
        ["B: 1 of 20 neurons is saturated (a spike at every step, or none)."],
    ),
    "diverged": (
        {"loss": [1, 0.5, 3]},
        ["B diverged: its loss has risen from 0.50 to 3.0, and equal probabilities would give 1.1."],
    ),
    "not yet": ({"loss": [3, 2.5]}, []),
    "infinite": (
        {"loss": [1, None]},
        ["B diverged: its loss has become infinite, and equal probabilities would give 1.1."],
    ),
    "plateau": (
        {"loss": [1] + [0.5] * 31},
        ["B is on a plateau: its loss has fallen by less than 2 % in 30 epochs."],
    ),
    "slow": ({"loss": [0.99**k for k in range(60)]}, []),
    "both": (
        {"silent": 2, "loss": [0.5] * 40},
        [
            "B: 2 of 20 neurons are silent for all training points.",
            "B is on a plateau: its loss has fallen by less than 2 % in 30 epochs.",
        ],
    ),
}


@with_javascript
@pytest.mark.parametrize("name", STATES)
def test_each_state_of_a_run_is_put_into_words(name, compute):
    given, expected = STATES[name]
    state = {
        "silent": 0,
        "saturated": 0,
        "hidden": 20,
        "passes": True,
        "guess": np.log(3),
        "surrogate": "sigmoid",
        **given,
    }
    state["history"] = [{"loss": loss} for loss in state.pop("loss", [1, 0.5])]
    script = """function answer(state) {
        for (const each of state.history) each.loss ??= NaN;
        return troubles("B", state).map(({ text }) => text);
    }"""
    assert compute(illustration.bundle("status") + script, state) == expected


@with_javascript
@pytest.mark.parametrize(
    ("accuracies", "said"),
    [
        ((0.93, 0.9), "A is 3 points ahead."),
        ((0.5, 0.97), "B is 47 points ahead."),
        ((0.9, 0.913), "A and B are level."),
    ],
)
def test_who_is_ahead_is_put_into_words(accuracies, said, compute):
    script = "function answer(accuracies) { return leader(...accuracies).text; }"
    assert compute(illustration.bundle("status") + script, accuracies) == said


@in_a_browser
def test_a_screen_reader_hears_what_happens_and_not_every_number(opened):
    """If this fails, whoever listens to the page hears numbers without end while it trains."""
    shown = opened(Learning(data="circles", leak=0.9, leak_b=0.9, surrogate_b="triangle"), **DESK)
    shown.page.evaluate("""() => {
        window.heard = [];
        const listen = new MutationObserver(() => {
            const live = [...document.querySelectorAll(".lif-stage [aria-live=polite]")];
            heard.push(live.map((each) => each.textContent).filter(Boolean).join(" "));
        });
        const changes = { subtree: true, childList: true, characterData: true, attributes: true };
        listen.observe(document.querySelector(".lif-stage"), changes);
    }""")
    shown.hold_time()
    shown.page.get_by_role("button", name="train").click()
    for _ in range(6):
        shown.pass_time(1000)
    heard = shown.page.evaluate("heard.filter((words, k) => words !== heard[k - 1])")
    assert epoch_in(shown) > 30
    assert len([words for words in heard if words.startswith("Training")]) <= 2
    assert "none of its 20 neurons spikes" in heard[-1] and " of new points right" not in heard[-1]
    shown.page.get_by_role("button", name="pause").click()
    shown.settle()
    heard = shown.page.evaluate("heard")[-1]
    assert heard.startswith("After ") and heard == shown.summary()


@with_javascript
def test_the_axes_include_the_first_values_and_the_last(compute):
    """If this fails, a curve begins outside its axes."""
    script = """function answer(cases) {
        return cases.map(([low, high]) => [lossAxis(low, high), accuracyAxis(100 * low)]);
    }"""
    cases = [[0.24, 1.165], [0.002, 1.1], [0.5, 8.0], [0, 0.05], [1e-6, 2e-5], [0.41, 900]]
    for (low, high), (loss, accuracy) in zip(
        cases, compute(illustration.bundle("learning") + script, cases), strict=True
    ):
        assert loss[0] <= max(low, 1e-4) and loss[-1] >= high and loss[0] <= 0.1
        assert accuracy[0] <= 100 * low and accuracy[0] <= 40 and accuracy[-1] == 100

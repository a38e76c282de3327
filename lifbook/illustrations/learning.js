import { RUNS, RULE, OWN, twoRuns } from "./runs.js";
import { favourite, wholeGradient } from "./network.js";
import { LEGEND } from "./tasks.js";
import { drawMap, listenToMap } from "./decision_map.js";
import { drawSpikes, drawWeights } from "./look_inside.js";
import { CURVES, drawCurve } from "./curves.js";
import { LONGEST, apart, commentary, differences, write } from "./commentary.js";
import { moving } from "./moving.js";
import { stage, slider, choice, buttons, canvas, element } from "./drawing.js";
import { parametersOf, changingText } from "./drawing.js";

const NAMES = ["data", ...OWN.A, ...OWN.B, "inside", "probe", "seed", "running"];
const SURROGATE_NAMES = { constant: "constant", superspike: "superspike", sigmoid: "sigmoid", triangle: "triangle" };
const PACE = 15; // epochs a second, so that the eye can follow
const PATIENCE = 7; // milliseconds of training in a frame, so that the page stays smooth
const LAST_EPOCH = 1000;
const HINTS = {
  spikes: "A row a neuron, in the colour of the class that it speaks for. The ring on the maps is the input; click or drag it, or use the arrow keys.",
  weights:
    "A row a neuron: in, what it receives from each input and its bias (b); out, what its spikes say to each class. Bars to " +
    "the right are positive, and the longest is as large as the number below.",
};

export function render({ model, el }) {
  const parameters = parametersOf(model, NAMES);
  const { get, assign } = parameters;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const runs = twoRuns(parameters);
  const place = stage(el, model, NAMES, "Illustration: learning, live", paint, LONGEST);
  const training = trainInFrames(place, runs, parameters, calm);
  const parts = furnish(place, parameters, {
    train: () => assign({ running: !get("running") }),
    "one epoch": () => trainOneEpoch(place, runs, assign),
    "from scratch": () => (runs.startFresh(), place.redraw()),
  });
  const tell = commentary(place, parts.spoken, get);

  const startOrStop = () => (get("running") ? training.start() : training.stop());
  // A changed leak or number of steps changes the answers at once, with the weights as they are.
  const rejudge = (run) => () => {
    runs.readRules();
    runs.judge([run]);
    if (!training.moves()) runs.publish();
  };
  const touched = new Set(); // runs to draw anew; all where nothing is named, as when the width changes
  const touch = (some) => () => some.forEach((run) => touched.add(run));
  place.listen(["data", "seed", "hidden", "hidden_b"], runs.startFresh);
  place.listen(["running"], startOrStop);
  // A slider of one run leaves the other's pictures as they are.
  for (const run of runs.both) {
    const [, , leak, , steps] = OWN[run.name];
    place.listen([leak, steps], rejudge(run));
    place.listen(OWN[run.name], touch([run]));
  }
  const ofOne = [...OWN.A, ...OWN.B].filter((name) => !name.startsWith("hidden"));
  place.listen(NAMES.filter((name) => !ofOne.includes(name)), touch(runs.both));

  let turn = 0;
  function paint() {
    runs.readRules();
    // While it trains one map and one inside a frame are enough for the eye, and half the work.
    const shown = training.moves() && !calm.matches ? [runs.both[turn++ % 2]] : touched.size ? [...touched] : runs.both;
    touched.clear();
    const probed = Object.fromEntries(runs.both.map((run) => [run.name, probe(run, runs.problem, get("probe"))]));
    const inside = get("inside");
    for (const run of shown) {
      const { map, inner, column } = parts[run.name];
      const pen = map.begin();
      drawMap(pen, run, runs.problem, get("probe"), inside === "weights");
      if (run.name === "B") column.style.setProperty("--run", pen.colours.pink);
      const draw = inside === "spikes" ? drawSpikes : drawWeights;
      inner.canvas.setAttribute("aria-label", draw(inner.begin(), run, runs.problem, probed[run.name].potential));
    }
    for (const [name, curve] of Object.entries(parts.curves)) {
      curve.canvas.setAttribute("aria-label", drawCurve(curve.begin(), runs.both, CURVES[name]));
    }
    describe(parts, runs, probed, get);
    tell(runs);
    return resultOf(runs, probed, inside);
  }

  runs.startFresh();
  if (get("running") && calm.matches) assign({ running: false });
  startOrStop();
  place.draw();
  return () => {
    training.stop();
    place.dispose();
  };
}

function trainOneEpoch(place, runs, assign) {
  assign({ running: false });
  if (runs.both[0].epoch >= LAST_EPOCH) return;
  runs.readRules();
  while (!runs.update());
  runs.publish();
  place.redraw();
}

// Training, a little in every frame.
function trainInFrames(place, runs, { get, assign }, calm) {
  let [undrawn, unpublished] = [Infinity, Infinity]; // milliseconds since the last picture, and the last numbers for Python
  let owed = 0; // batches that the pace asks for
  const isOver = () => runs.both[0].epoch >= LAST_EPOCH;
  return moving(
    place,
    (passed) => {
      owed = Math.min(owed + (Math.min(passed, 100) / 1000) * PACE * runs.batches, 2 * runs.batches);
      undrawn += passed;
      unpublished += passed;
      runs.readRules();
      const end = performance.now() + PATIENCE;
      while (owed >= 1 && performance.now() < end && !isOver()) {
        runs.update();
        owed -= 1;
      }
      if (isOver()) {
        assign({ running: false });
        return false;
      }
      if (unpublished > 400) {
        unpublished = 0;
        runs.publish();
      }
      if (!calm.matches || undrawn >= 500) {
        undrawn = 0;
        place.draw();
      }
      return true;
    },
    () => get("running") || runs.publish(),
  );
}

// What the reader sees and moves: a column a run, with the controls right below its map, so that both are in sight together.
function furnish(place, parameters, actions) {
  const { get, assign, initial } = parameters;
  place.plots.classList.add("lif-learning");
  const bar = buttons(place, actions);
  const [trainButton] = bar.children;
  trainButton.classList.add("lif-main");
  const epochs = element("output", { class: "lif-epoch", "aria-live": "off" });
  const dataBox = choice(place, "data", "data", { "Yin-Yang": "Yin-Yang", circles: "circles", IRIS: "IRIS" });
  dataBox.classList.add("lif-inline");
  bar.append(epochs, dataBox);
  place.plots.append(bar);

  const pair = (...children) => {
    const made = element("div", { class: "lif-pair" }, ...children);
    place.plots.append(made);
    return made;
  };
  const columns = RUNS.map((run) => element("div", { role: "group", "aria-label": `run ${run}` }));
  pair(...columns);
  const curvesRow = pair();
  place.plots.append(place.box);
  const insideBox = choice(place, "inside", "look inside", { spikes: "spikes", weights: "weights and gradients" });
  insideBox.classList.add("lif-inline");
  place.plots.append(insideBox);
  const insideRow = pair();
  const hint = changingText("lif-hint", `${HINTS.weights} ${LEGEND}`);
  place.plots.append(hint.box);
  const [A, B] = RUNS.map((run, k) => furnishRun(place, parameters, run, columns[k], insideRow));
  // The same words stand in both columns; by themselves, as a screen reader may find them, they must differ.
  for (const box of Object.values(B.boxes)) {
    box.querySelector("input, select").setAttribute("aria-label", `${box.querySelector("label").textContent}, run B`);
  }
  const curves = {
    loss: canvas(curvesRow, 138, { role: "img" }),
    accuracy: canvas(curvesRow, 138, { role: "img" }),
  };
  buttons(place, {
    "B like A": () => assign(Object.fromEntries(RULE.map((name) => [`${name}_b`, get(name)]))),
    "other points": () => assign({ seed: (get("seed") + 1) % 1000 }),
    "first settings": () => assign(initial),
  });
  // Said to those who listen, when something has happened; the numbers they hear at a pause.
  const spoken = element("p", { class: "lif-spoken", "aria-live": "polite" });
  place.root.append(spoken);
  return { trainButton, epochs, hint, A, B, curves, spoken };
}

function furnishRun(place, parameters, run, column, insideRow) {
  const head = element("p", { class: "lif-run" }, element("b", {}, run), element("span"), element("br"), element("span"));
  column.append(head);
  const map = canvas(column, (width) => Math.round(width < 220 ? width : 0.62 * width), { role: "application", tabindex: 0 });
  listenToMap(map.canvas, parameters);
  const inner = canvas(insideRow, 220, { role: "img" });
  const controls = element("div", { class: "lif-controls" });
  column.append(controls);
  const [surrogate, beta, leak, rate, steps, hidden] = OWN[run];
  const here = { ...place, controls };
  const boxes = {
    surrogate: choice(here, surrogate, "surrogate", SURROGATE_NAMES),
    beta: slider(here, beta, "sharpness β"),
    leak: slider(here, leak, "leak λ"),
    learning_rate: slider(here, rate, "learning rate"),
    steps: slider(here, steps, "steps T"),
    hidden: slider(here, hidden, "hidden units"),
  };
  return { column, head, map, inner, boxes };
}

// What a network answers at a point of the map.
const probing = new Float64Array(4);
function probe({ net, rule }, problem, point) {
  problem.place(...point, probing);
  net.forward(probing, 0, rule);
  return { probability: [...net.probability], potential: net.potential.slice() };
}

function describe(parts, { both, problem }, probed, get) {
  const { epoch } = both[0];
  write(parts.trainButton, get("running") ? "pause" : epoch ? "train on" : "train");
  parts.trainButton.setAttribute("aria-pressed", get("running"));
  write(parts.epochs, `epoch ${epoch}`);
  for (const { name, history, rule } of both) {
    const { head, map, boxes } = parts[name];
    const { loss, accuracy } = history.at(-1);
    const [what, reached] = head.querySelectorAll("span");
    write(what, ` ${apart(get, OWN[name])}`);
    write(reached, `${(100 * accuracy).toFixed(0)} % right, loss ${loss.toFixed(2)}`);
    boxes.beta.style.visibility = rule.surrogate === "constant" ? "hidden" : "visible";
    const { probability } = probed[name];
    const best = favourite(probability);
    const said = `${problem.classes[best]}, ${(100 * probability[best]).toFixed(0)} percent`;
    map.canvas.setAttribute("aria-label", `Decision map of run ${name}. At ${get("probe").join(", ")} it answers ${said}. The arrow keys move this point.`);
  }
  parts.hint.say(get("inside") === "spikes" ? HINTS.spikes : `${HINTS.weights} ${problem.legend}`);
  const different = differences(get);
  for (const name of RULE) parts.B.boxes[name].classList.toggle("differs", different.includes(name));
}

// For tests and other scripts, read when it is asked for.
function resultOf({ both, problem }, probed, inside) {
  const [A, B] = both.map(({ name, history, net, rule }) => () => ({
    history,
    weights: net.weights,
    gradient: inside === "weights" ? wholeGradient(net, problem.train, rule).slice() : null,
    ...probed[name],
  }));
  return {
    epoch: both[0].epoch,
    get A() {
      return A();
    },
    get B() {
      return B();
    },
  };
}

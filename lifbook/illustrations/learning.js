import { uniforms } from "./chance.js";
import { task, LEGEND } from "./tasks.js";
import { initialWeights, trainer, evaluate, favourite, leakySum, wholeGradient, passesGradient } from "./network.js";
import { troubles, leader } from "./status.js";
import { stage, slider, choice, buttons, canvas, element, count } from "./drawing.js";
import { scale, verticalAxis, horizontalAxis } from "./drawing.js";
import { parametersOf, followPointer, changingText } from "./drawing.js";

const RUNS = ["A", "B"];
const RULE = "surrogate beta leak learning_rate steps hidden".split(" "); // of run A; run B's end in _b
const OWN = { A: RULE, B: RULE.map((name) => `${name}_b`) };
const NAMES = ["data", ...OWN.A, ...OWN.B, "inside", "probe", "seed", "running"];
const SURROGATE_NAMES = { constant: "constant", superspike: "superspike", sigmoid: "sigmoid", triangle: "triangle" };
const WORDS = { surrogate: "surrogate", beta: "β", leak: "λ", learning_rate: "rate", steps: "T", hidden: "units" };
const BATCH = 20; // examples in an update
const PACE = 15; // epochs a second, so that the eye can follow
const PATIENCE = 7; // milliseconds of training in a frame, so that the page stays smooth
const LAST_EPOCH = 1000;
const CALM = 1000; // milliseconds for which words stand while it trains
const REACH = 1.12; // of the map, as seen from its centre
const HINTS = {
  spikes: "A row a neuron, in the colour of the class that it speaks for. The ring on the maps is the input; click or drag it, or use the arrow keys.",
  weights:
    "A row a neuron: in, what it receives from each input and its bias (b); out, what its spikes say to each class. Bars to " +
    "the right are positive, and the longest is as large as the number below.",
};
const LONGEST =
  "After 100 epochs. A: 50.0 % of new points right, loss 0.700; B: 50.0 % of new points right, loss 0.700. A is 40 points " +
  "ahead. A: 14 of 20 neurons are silent for all training points. A: 13 of 20 neurons are saturated (a spike at every step, " +
  "or none). B: none of its 20 neurons spikes for any training point, so the triangle passes no gradient. A and B differ in surrogate, β, λ.";
const CLASS_COLOURS = ["blue", "orange", "green"];
const RUN_COLOURS = { A: "ink", B: "pink" };

// An axis begins and ends with a number, and has room for all values, the first ones too.
export function lossAxis(low, high) {
  const every = [1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000];
  const from = every.findLastIndex((tick) => tick <= low);
  const to = every.findIndex((tick) => tick >= high);
  return every.slice(Math.max(0, Math.min(from, 6)), to < 0 ? undefined : to + 1);
}

export function accuracyAxis(low) {
  const first = Math.min(40, 20 * Math.floor(low / 20));
  return Array.from({ length: (100 - first) / 20 + 1 }, (_, k) => first + 20 * k);
}

export function render({ model, el }) {
  const { get, assign, initial } = parametersOf(model, NAMES);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  const ruleOf = (run) => {
    const [surrogate, beta, leak, rate, steps, hidden] = OWN[run].map(get);
    return { surrogate, beta, leak, rate, steps, hidden };
  };
  let rules = {}; // of both runs, read from the model before each use
  const readRules = () => RUNS.forEach((run) => (rules[run] = ruleOf(run)));

  // -- the two runs ---------------------------------------------------------------------------------------------------

  let problem = null; // the task with its examples
  let runs = {}; // run -> its trainer
  let history = {}; // run -> loss and accuracy after each epoch, the untrained network first
  let neurons = {}; // run -> how many of its hidden neurons are silent or saturated, and whether a gradient reaches them
  let before = null; // the history until the last fresh start, for comparison
  let trained = null; // the data of this history

  function startFresh() {
    readRules();
    problem = task(get("data"), get("seed"), get("_iris"));
    if (trained !== get("data")) before = null;
    else if (history.A.length > 1) before = { ...history };
    trained = get("data");
    for (const run of RUNS) {
      const shape = { inputs: problem.inputs, hidden: rules[run].hidden, classes: problem.classes.length };
      // Both runs begin alike and see the examples in the same order.
      const weights = initialWeights(shape, uniforms(get("seed") + 1000));
      runs[run] = trainer(shape, problem.train, weights, uniforms(get("seed") + 2000), BATCH);
      history[run] = [];
    }
    judge();
    publish();
  }

  // Loss and accuracy of the networks as they are now.
  function judge(judged = RUNS) {
    for (const run of judged) {
      const { net, epoch } = runs[run];
      const { loss, silent, saturated } = evaluate(net, problem.train, rules[run]);
      const { accuracy } = evaluate(net, problem.test, rules[run]);
      history[run][epoch] = { loss, accuracy };
      const { hidden } = net.shape;
      neurons[run] = { silent, saturated, hidden, passes: silent < hidden || passesGradient(net, problem.train, rules[run]) };
    }
  }

  const now = (run) => history[run].at(-1);

  function publish() {
    assign({
      epoch: runs.A.epoch,
      loss: RUNS.map((run) => now(run).loss),
      accuracy: RUNS.map((run) => now(run).accuracy),
    });
  }

  // One batch for each run; at the end of an epoch its loss and accuracy.
  function update() {
    const complete = RUNS.map((run) => runs[run].update(rules[run]))[0];
    if (complete) judge();
    return complete;
  }

  function trainOneEpoch() {
    assign({ running: false });
    if (runs.A.epoch >= LAST_EPOCH) return;
    readRules();
    while (!update());
    publish();
    place.redraw();
  }

  // -- training, a little in every frame ------------------------------------------------------------------------------

  let frame = 0;
  let lastFrame = 0;
  let lastDrawn = 0;
  let lastPublished = 0;
  let owed = 0; // batches that the pace asks for

  function work(time) {
    frame = requestAnimationFrame(work);
    const batches = Math.ceil(problem.train.y.length / BATCH);
    owed = Math.min(owed + (Math.min(time - lastFrame, 100) / 1000) * PACE * batches, 2 * batches);
    lastFrame = time;
    readRules();
    const end = performance.now() + PATIENCE;
    while (owed >= 1 && performance.now() < end && runs.A.epoch < LAST_EPOCH) {
      update();
      owed -= 1;
    }
    if (runs.A.epoch >= LAST_EPOCH) return assign({ running: false });
    if (time - lastPublished > 400) {
      lastPublished = time;
      publish();
    }
    if (calm.matches && time - lastDrawn < 500) return;
    lastDrawn = time;
    place.draw();
  }

  function startOrStop() {
    cancelAnimationFrame(frame);
    frame = 0;
    if (get("running") && place.inSight()) {
      lastFrame = performance.now();
      frame = requestAnimationFrame(work);
    } else publish();
  }

  // -- what the reader sees and moves ---------------------------------------------------------------------------------

  const place = stage(el, model, NAMES, "Illustration: learning, live", paint, LONGEST);
  place.plots.classList.add("lif-learning");
  const bar = buttons(place, {
    train: () => assign({ running: !get("running") }),
    "one epoch": trainOneEpoch,
    "from scratch": () => (startFresh(), place.redraw()),
  });
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
  // The controls of a run stand right below its map, so that both are in sight together.
  const columns = Object.fromEntries(RUNS.map((run) => [run, element("div", { role: "group", "aria-label": `run ${run}` })]));
  pair(...Object.values(columns));
  const curvesRow = pair();
  place.plots.append(place.box);
  const insideBox = choice(place, "inside", "look inside", { spikes: "spikes", weights: "weights and gradients" });
  insideBox.classList.add("lif-inline");
  place.plots.append(insideBox);
  const insideRow = pair();
  const hint = changingText("lif-hint", `${HINTS.weights} ${LEGEND}`);
  place.plots.append(hint.box);
  const heads = {};
  const maps = {};
  const insides = {};
  const boxes = { A: {}, B: {} };
  for (const run of RUNS) {
    heads[run] = element("p", { class: "lif-run" }, element("b", {}, run), element("span"), element("br"), element("span"));
    columns[run].append(heads[run]);
    maps[run] = canvas(columns[run], (width) => Math.round(width < 220 ? width : 0.62 * width), { role: "application", tabindex: 0 });
    listenToMap(maps[run].canvas);
    insides[run] = canvas(insideRow, 220, { role: "img" });

    const controls = element("div", { class: "lif-controls" });
    columns[run].append(controls);
    const [surrogate, beta, leak, rate, steps, hidden] = OWN[run];
    const inColumn = { ...place, controls };
    Object.assign(boxes[run], {
      surrogate: choice(inColumn, surrogate, "surrogate", SURROGATE_NAMES),
      beta: slider(inColumn, beta, "sharpness β"),
      leak: slider(inColumn, leak, "leak λ"),
      learning_rate: slider(inColumn, rate, "learning rate"),
      steps: slider(inColumn, steps, "steps T"),
      hidden: slider(inColumn, hidden, "hidden units"),
    });
  }
  // The same words stand in both columns; by themselves, as a screen reader may find them, they must differ.
  for (const box of Object.values(boxes.B)) {
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

  place.listen(["data", "seed", "hidden", "hidden_b"], startFresh);
  // A changed leak or number of steps changes the answers at once, with the weights as they are.
  const rejudge = (run) => () => {
    readRules();
    judge([run]);
    if (!frame) publish();
  };
  place.listen(["leak", "steps"], rejudge("A"));
  place.listen(["leak_b", "steps_b"], rejudge("B"));
  place.listen(["running"], startOrStop);
  place.onSight(startOrStop);
  // A slider of one run leaves the other's pictures as they are.
  for (const run of RUNS) place.listen(OWN[run], () => touched.add(run));
  const shared = [...NAMES.filter((name) => !OWN.A.includes(name) && !OWN.B.includes(name)), "hidden", "hidden_b"];
  place.listen(shared, () => RUNS.forEach((run) => touched.add(run)));

  function listenToMap(surface) {
    const bounded = (value) => Number(Math.max(-1, Math.min(1, value)).toFixed(2)) + 0; // no -0
    const moveTo = (across, up) => assign({ probe: [bounded(across), bounded(up)] });
    const follow = (event) => {
      const box = surface.getBoundingClientRect();
      const { x, y } = mapScales(box.width, box.height);
      moveTo(x.invert(event.clientX - box.left), y.invert(event.clientY - box.top));
    };
    surface.style.cursor = "crosshair";
    surface.style.touchAction = "pan-y"; // a finger that moves up or down scrolls the page
    followPointer(surface, follow);
    surface.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
      if (!(event.key in moves)) return;
      const [right, up] = moves[event.key];
      moveTo(get("probe")[0] + 0.05 * right, get("probe")[1] + 0.05 * up);
      event.preventDefault();
    });
  }

  // The same unit across and up, whatever the shape of the canvas.
  function mapScales(width, height) {
    const unit = Math.min(width, height) / (2 * REACH);
    return {
      x: scale([-1, 1], [width / 2 - unit, width / 2 + unit]),
      y: scale([-1, 1], [height / 2 + unit, height / 2 - unit]),
    };
  }

  // -- drawing --------------------------------------------------------------------------------------------------------

  const input = new Float64Array(4);
  const grid = document.createElement("canvas"); // a map's answers, one pixel a point
  const touched = new Set(); // runs to draw anew; all where nothing is named, as when the width changes
  let turn = 0;

  function paint() {
    readRules();
    // While it trains one map and one inside a frame are enough for the eye, and half the work.
    const shown = frame && !calm.matches ? [RUNS[turn++ % 2]] : touched.size ? [...touched] : RUNS;
    touched.clear();
    const probed = {};
    for (const run of RUNS) {
      const { net } = runs[run];
      problem.place(...get("probe"), input);
      net.forward(input, 0, rules[run]);
      probed[run] = { probability: [...net.probability], potential: net.potential.slice() };
    }
    for (const run of shown) {
      drawMap(run);
      if (get("inside") === "spikes") drawSpikes(run, probed[run].potential);
      else drawWeights(run);
    }
    drawCurve(curves.loss, "loss", (each) => each.loss, lossAxis, Math.log10);
    drawCurve(curves.accuracy, "accuracy (%)", (each) => 100 * each.accuracy, accuracyAxis, (each) => each);
    describe(probed);
    const results = (run) => ({
      history: history[run],
      weights: runs[run].net.weights,
      gradient: get("inside") === "weights" ? wholeGradient(runs[run].net, problem.train, rules[run]).slice() : null,
      ...probed[run],
    });
    return {
      epoch: runs.A.epoch,
      get A() {
        return results("A");
      },
      get B() {
        return results("B");
      },
    };
  }

  function drawMap(run) {
    const pen = maps[run].begin();
    const { colours, width, height, context } = pen;
    if (!width) return;
    const { x, y } = mapScales(width, height);
    const rgb = CLASS_COLOURS.map((name) => [1, 3, 5].map((at) => parseInt(colours[name].slice(at, at + 2), 16)));
    fillGrid(run, x.invert(0), x.invert(width), y.invert(0), y.invert(height), rgb);
    context.save();
    context.beginPath();
    context.roundRect(0, 0, width, height, 6);
    context.clip();
    context.imageSmoothingQuality = "high";
    context.drawImage(grid, 0, 0, width, height);
    if (get("inside") === "weights") drawBorders(run, pen, x, y);
    drawPoints(pen, x, y);
    context.restore();
    if (run === "B") columns.B.style.setProperty("--run", colours.pink);
    pen.stroke((c) => c.roundRect(0.5, 0.5, width - 1, height - 1, 6), colours.ink, { lineWidth: 1, alpha: 0.25 });
    pen.text(`${problem.labels[0]} →`, width - 6, height - 6, { align: "right", alpha: 0.75, size: 11 });
    pen.text(`↑ ${problem.labels[1]}`, 6, 14, { alpha: 0.75, size: 11 });
    const [across, up] = [x(get("probe")[0]), y(get("probe")[1])];
    pen.stroke((c) => c.arc(across, up, 7, 0, 7), colours.ink, { lineWidth: 2 });
  }

  // What the network would answer all over the map: the classes' colours, mixed by probability and paler in doubt.
  function fillGrid(run, left, right, top, bottom, rgb) {
    const { net } = runs[run];
    const { hidden, steps } = rules[run];
    const cells = Math.max(600, Math.min(2200, 1e6 / (hidden * steps))); // the price of a cell is hidden x steps
    const rows = Math.round(Math.sqrt((cells * (top - bottom)) / (right - left)));
    const columns = Math.round(cells / rows);
    if (grid.width !== columns) grid.width = columns;
    if (grid.height !== rows) grid.height = rows;
    const context = grid.getContext("2d");
    const image = context.createImageData(columns, rows);
    const { probability } = net;
    const classes = probability.length;
    let pixel = 0;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        problem.place(left + ((column + 0.5) / columns) * (right - left), top + ((row + 0.5) / rows) * (bottom - top), input);
        net.glance(input, 0, rules[run]);
        let highest = 0;
        let [red, green, blue] = [0, 0, 0];
        for (let k = 0; k < classes; k++) {
          const p = probability[k];
          red += p * rgb[k][0];
          green += p * rgb[k][1];
          blue += p * rgb[k][2];
          if (p > highest) highest = p;
        }
        const certainty = (highest * classes - 1) / (classes - 1);
        image.data[pixel++] = red;
        image.data[pixel++] = green;
        image.data[pixel++] = blue;
        image.data[pixel++] = 255 * (0.08 + 0.36 * certainty);
      }
    }
    context.putImageData(image, 0, 0);
  }

  // A shape for each class, of radius r.
  const MARKS = [
    (c, x, y, r) => (c.moveTo(x + r, y), c.arc(x, y, r, 0, 7)),
    (c, x, y, r) => c.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r),
    (c, x, y, r) => (c.moveTo(x, y - 1.3 * r), c.lineTo(x + 1.2 * r, y + 0.9 * r), c.lineTo(x - 1.2 * r, y + 0.9 * r), c.closePath()),
  ];

  // The training points.
  function drawPoints(pen, x, y) {
    const { x: values, y: classes } = problem.train;
    const [across, up] = problem.shown;
    const r = Math.max(1.5, Math.min(2.6, pen.width / 120));
    problem.classes.forEach((_, k) => {
      pen.fill((c) => {
        for (let n = 0; n < classes.length; n++) {
          if (classes[n] === k) MARKS[k](c, x(values[n * problem.inputs + across]), y(values[n * problem.inputs + up]), r);
        }
      }, pen.colours[CLASS_COLOURS[k]]);
    });
  }

  // Where each hidden unit begins to spike: a line, on one side of which it is silent.
  function drawBorders(run, pen, x, y) {
    const { weights, shape } = runs[run].net;
    const { leak, steps } = rules[run];
    const needed = 1 / leakySum(leak, steps); // the current that reaches threshold at the last step
    const corner = new Float64Array(4);
    const current = (across, up, h) => {
      problem.place(across, up, corner);
      let sum = weights[shape.inputs * shape.hidden + h];
      for (let i = 0; i < shape.inputs; i++) sum += corner[i] * weights[i * shape.hidden + h];
      return sum;
    };
    pen.stroke((c) => {
      for (let h = 0; h < shape.hidden; h++) {
        const centre = current(0, 0, h);
        const [a, b] = [current(1, 0, h) - centre, current(0, 1, h) - centre];
        const square = a * a + b * b;
        if (square < 1e-12) continue;
        const far = (needed - centre) / square; // the line's foot is far * (a, b), its direction (-b, a)
        const long = 5 / Math.sqrt(square);
        c.moveTo(x(far * a - long * b), y(far * b + long * a));
        c.lineTo(x(far * a + long * b), y(far * b - long * a));
      }
    }, pen.colours.ink, { lineWidth: 1, alpha: 0.4 });
  }

  // The hidden units' spikes and the output sums for the ringed point, over the steps.
  function drawSpikes(run, potential) {
    const pen = insides[run].begin();
    const { colours, width } = pen;
    const { leak, steps, hidden } = rules[run];
    const { weights, shape } = runs[run].net;
    const time = scale([0, steps], [8, width - 12]);
    const row = scale([0, hidden], [20, 116]);
    pen.text("spikes at the ring", 8, 12, { alpha: 0.75 });
    pen.fill((c) => c.roundRect(8, 20, width - 20, 96, 3), colours.ink, 0.05);
    const gap = row(1) - row(0);
    const classes = shape.classes;
    const kernel = (shape.inputs + 1) * hidden;
    const lineWidth = Math.max(1, Math.min(2.6, 0.4 * (time(1) - time(0))));
    for (let h = 0; h < hidden; h++) {
      // In the colour of the class that the unit speaks for most.
      const votes = weights.subarray(kernel + h * classes, kernel + (h + 1) * classes);
      pen.stroke((c) => {
        for (let t = 0; t < steps; t++) {
          if (potential[h * steps + t] < 1) continue;
          c.moveTo(time(t + 0.5), row(h) + 0.1 * gap);
          c.lineTo(time(t + 0.5), row(h + 1) - 0.1 * gap);
        }
      }, colours[CLASS_COLOURS[favourite(votes)]], { lineWidth });
    }

    // The sums again, step by step this time.
    const sums = Array.from({ length: classes }, () => [0]);
    for (let t = 0; t < steps; t++) {
      for (let k = 0; k < classes; k++) {
        let arriving = weights[kernel + hidden * classes + k];
        for (let h = 0; h < hidden; h++) if (potential[h * steps + t] >= 1) arriving += weights[kernel + h * classes + k];
        sums[k].push((1 - leak) * sums[k][t] + arriving);
      }
    }
    const all = sums.flat();
    const y = scale([Math.min(...all, -0.5), Math.max(...all, 0.5)], [182, 138]);
    pen.text("output sums", 8, 132, { alpha: 0.75 });
    pen.stroke((c) => (c.moveTo(8, y(0)), c.lineTo(width - 12, y(0))), colours.ink, { lineWidth: 1, alpha: 0.2 });
    const winner = sums.reduce((best, sum, k) => (sum.at(-1) > sums[best].at(-1) ? k : best), 0);
    sums.forEach((sum, k) => {
      pen.stroke((c) => sum.forEach((value, t) => c.lineTo(time(t), y(value))), colours[CLASS_COLOURS[k]], { lineWidth: k === winner ? 2.6 : 1.4 });
    });
    horizontalAxis(pen, time, [0, Math.round(steps / 2), steps].filter((tick, i, all) => all.indexOf(tick) === i), 184, "step");
    pen.text(problem.classes[winner], width - 12, 132, { align: "right", colour: colours[CLASS_COLOURS[winner]] });
    const fired = potential.reduce((sum, v) => sum + (v >= 1 ? 1 : 0), 0);
    insides[run].canvas.setAttribute("aria-label", `Run ${run}: ${count(fired, "hidden spike")} at the ringed point, answer ${problem.classes[winner]}`);
  }

  // One row a hidden unit: bars for its weights to the left, for their gradients to the right.
  function drawWeights(run) {
    const pen = insides[run].begin();
    const { net } = runs[run];
    const { inputs, hidden, classes } = net.shape;
    const gradient = wholeGradient(net, problem.train, rules[run]);
    const half = (pen.width - 16) / 2;
    drawBars(pen, "weights", net.weights, 0, half, pen.colours.ink);
    drawBars(pen, "gradients", gradient, half + 16, half, pen.colours.pink);
    insides[run].canvas.setAttribute("aria-label", `Run ${run}: weights of ${count(hidden, "hidden unit")} and the gradient of the loss with respect to each`);

    function drawBars(pen, title, values, left, width, colour) {
      const columns = inputs + 1 + classes;
      const each = (width - 10) / columns;
      const [top, bottom] = [46, 196];
      const row = scale([0, hidden], [top, bottom]);
      const thick = Math.max(1, 0.62 * (row(1) - row(0)));
      pen.text(title, left, 12, { alpha: 0.75 });
      const kernel2 = (inputs + 1) * hidden;
      const largest = (from, to) => {
        let most = 1e-12;
        for (let i = from; i < to; i++) most = Math.max(most, Math.abs(values[i]));
        return most;
      };
      const [into, out] = [largest(0, kernel2), largest(kernel2, kernel2 + hidden * classes)];
      for (let column = 0; column < columns; column++) {
        const isOut = column > inputs;
        const k = column - inputs - 1;
        const centre = left + each * (column + 0.5) + (isOut ? 10 : 0);
        if (isOut) pen.fill((c) => MARKS[k](c, centre, top - 8, 3), pen.colours[CLASS_COLOURS[k]]);
        else pen.text(problem.names[column] ?? "b", centre, top - 4, { align: "center", alpha: 0.75, size: 11 });
        pen.stroke((c) => (c.moveTo(centre, top), c.lineTo(centre, bottom)), pen.colours.ink, { lineWidth: 1, alpha: 0.18 });
        pen.fill((c) => {
          for (let h = 0; h < hidden; h++) {
            const value = isOut ? values[kernel2 + h * classes + k] / out : values[column * hidden + h] / into;
            const length = value * each * 0.46;
            c.rect(Math.min(centre, centre + length), row(h + 0.5) - thick / 2, Math.abs(length), thick);
          }
        }, isOut ? pen.colours[CLASS_COLOURS[k]] : colour);
      }
      const wide = pen.width > 220;
      pen.text("in", left + (each * (inputs + 1)) / 2, 28, { align: "center", alpha: 0.75, size: 11 });
      pen.text("out", left + 10 + each * (inputs + 1 + classes / 2), 28, { align: "center", alpha: 0.75, size: 11 });
      const digits = (value) => (value < 1e-9 ? "0" : value >= 0.1 ? value.toFixed(1) : value.toPrecision(1));
      pen.text(wide ? `largest ${digits(into)}` : digits(into), left + (each * (inputs + 1)) / 2, 210, { align: "center", alpha: 0.75, size: 11 });
      pen.text(digits(out), left + 10 + each * (inputs + 1 + classes / 2), 210, { align: "center", alpha: 0.75, size: 11 });
    }
  }

  function drawCurve(where, label, value, axis, bend) {
    const pen = where.begin();
    const { colours, width } = pen;
    const epoch = runs.A.epoch;
    let last = 50;
    while (last < epoch) last *= 2;
    const x = scale([0, last], [36, width - 16]);
    const all = RUNS.flatMap((run) => [...history[run], ...(before?.[run].slice(0, last + 1) ?? [])]).map(value);
    const ticks = axis(Math.min(...all), Math.max(...all));
    const straight = scale([ticks[0], ticks.at(-1)].map(bend), [104, 24]);
    const y = (each) => straight(bend(Math.max(ticks[0], each)));
    verticalAxis(pen, y, ticks, 36, width - 16, "");
    pen.text(label, 4, 12, { alpha: 0.75 });
    horizontalAxis(pen, x, [0, last / 2, last], 104, "epoch");
    const line = (values) => (c) => values.forEach((each, n) => n <= last && c.lineTo(x(n), y(value(each))));
    for (const run of RUNS) {
      const colour = colours[RUN_COLOURS[run]];
      if (before) pen.stroke(line(before[run]), colour, { lineWidth: 1, alpha: 0.45 });
      pen.stroke(line(history[run]), colour, { lineWidth: 1.7 });
      const end = now(run);
      pen.fill((c) => c.arc(x(epoch), y(value(end)), 2.8, 0, 7), colour);
    }
    // The runs' names at the ends of their lines, kept apart.
    const ends = RUNS.map((run) => ({ run, at: y(value(now(run))) })).sort((a, b) => a.at - b.at);
    const push = Math.max(0, (13 - (ends[1].at - ends[0].at)) / 2);
    ends[0].at -= push;
    ends[1].at += push;
    for (const { run, at } of ends) {
      pen.text(run, x(epoch) + 5, at, { colour: colours[RUN_COLOURS[run]], baseline: "middle", size: 12 });
    }
    const values = RUNS.map((run) => `run ${run} ${value(now(run)).toPrecision(3)}`);
    where.canvas.setAttribute("aria-label", `${label} over epochs, after ${epoch}: ${values.join(", ")}`);
  }

  function describe(probed) {
    const running = get("running");
    write(trainButton, running ? "pause" : runs.A.epoch ? "train on" : "train");
    trainButton.setAttribute("aria-pressed", running);
    write(epochs, `epoch ${runs.A.epoch}`);
    const different = differences();
    for (const run of RUNS) {
      const { loss, accuracy } = now(run);
      // What sets this run apart from the other, or else its surrogate.
      const values = OWN[run].map((name, i) => (RULE[i] === "surrogate" ? get(name) : `${WORDS[RULE[i]]} ${get(name)}`));
      const apart = different.map((name) => values[RULE.indexOf(name)]).join(", ") || get(OWN[run][0]);
      const score = `${(100 * accuracy).toFixed(0)} % right, loss ${loss.toFixed(2)}`;
      const [what, reached] = heads[run].querySelectorAll("span");
      write(what, ` ${apart}`);
      write(reached, score);
      boxes[run].beta.style.visibility = rules[run].surrogate === "constant" ? "hidden" : "visible";
      const { probability } = probed[run];
      const best = favourite(probability);
      const said = `${problem.classes[best]}, ${(100 * probability[best]).toFixed(0)} percent`;
      maps[run].canvas.setAttribute("aria-label", `Decision map of run ${run}. At ${get("probe").join(", ")} it answers ${said}. The arrow keys move this point.`);
    }
    hint.say(get("inside") === "spikes" ? HINTS.spikes : `${HINTS.weights} ${problem.legend}`);
    for (const name of RULE) boxes.B[name].classList.toggle("differs", different.includes(name));
    tell(running, different);
  }

  // The same text once more would cost a new layout of the page.
  function write(node, text) {
    if (node.textContent !== text) node.textContent = text;
  }

  // The parameters that differ and matter: the constant has no sharpness.
  function differences() {
    const constant = get("surrogate") === "constant" || get("surrogate_b") === "constant";
    return RULE.filter((name) => get(name) !== get(`${name}_b`) && !(name === "beta" && constant));
  }

  let told = { kinds: "", at: 0, spoken: 0 };

  // What is to be seen. While it trains the words change once a second, or at once when something has happened, and a
  // screen reader hears them only then.
  function tell(running, different) {
    const found = RUNS.flatMap((run) => {
      const guess = Math.log(problem.classes.length);
      return troubles(run, { history: history[run], ...neurons[run], guess, surrogate: rules[run].surrogate });
    });
    const race = runs.A.epoch && different.length ? leader(now("A").accuracy, now("B").accuracy) : { run: null, text: "" };
    const kinds = [running, race.run, ...found.map(({ kind, text }) => text[0] + kind)].join();
    const time = performance.now();
    const changed = kinds !== told.kinds;
    if (running && !changed && time - told.at < CALM) return;
    const words = different.map((name) => WORDS[name]).join(", ");
    const difference = words ? `A and B differ in ${words}.` : "A and B are the same.";
    const seen = [race.text, ...found.map(({ text }) => text), difference].filter(Boolean).join(" ");
    const scores = RUNS.map((run) => `${run}: ${(100 * now(run).accuracy).toFixed(1)} % of new points right, loss ${now(run).loss.toFixed(3)}`);
    const reached = runs.A.epoch ? `After ${count(runs.A.epoch, "epoch")}` : "Untrained";
    place.summary.setAttribute("aria-live", running ? "off" : "polite");
    place.say(running ? `Training. ${seen}` : `${reached}. ${scores.join("; ")}. ${seen}`);
    if (!running) write(spoken, "");
    else if (told.unsaid || changed) {
      told.unsaid = time - told.spoken < 4 * CALM;
      if (!told.unsaid) [spoken.textContent, told.spoken] = [`Training. ${seen}`, time];
    }
    Object.assign(told, { kinds, at: time });
  }

  startFresh();
  if (get("running") && calm.matches) assign({ running: false });
  startOrStop();
  place.draw();
  return () => {
    cancelAnimationFrame(frame);
    place.dispose();
  };
}

import { SURROGATES, simulate, gradient } from "./neuron.js";
import { stage, slider, choice, toggle, buttons, canvas, element, count } from "./drawing.js";
import { scale, verticalAxis, horizontalAxis, stairs, strokes } from "./drawing.js";
import { parametersOf, withUndo } from "./drawing.js";
import { momentStrip } from "./strip.js";

// Steps are counted from 1, as in the chapter; the value of step n is at n - 1.
const STEPS = 211;
const MARGIN = { left: 34, right: 10 };
const LONGEST =
  "20 output spikes at steps 10, 20, 30, 40, 50, 60 and later. The effective number of input spikes that share the credit is " +
  "10.0 of 34; the largest credit is 0.0025, at step 132.";
const NAMES = "errors leak weight surrogate beta reset detach_reset".split(" ");
const NEURONS = {
  integrator: { leak: 0, weight: 0.099 },
  mixed: { leak: 0.02, weight: 0.14 },
  "coincidence detector": { leak: 0.3, weight: 0.5 },
};
const ERRORS = {
  "one error": [132],
  "three errors": [30, 50, 65],
  "an error at every step": Array.from({ length: STEPS }, (_, t) => t + 1),
};
const ARRIVALS = drumroll();

// Intervals of 11, 10, ..., 1 steps, over and over.
function drumroll() {
  const steps = [];
  for (let step = 11, interval = 11; step <= STEPS; step += interval) {
    steps.push(step);
    interval = interval === 1 ? 11 : interval - 1;
  }
  return steps;
}

// What the neuron does, and the credit dL/dw of each input line. Each line has one spike of height 1, so its weight's
// gradient is that of the current at its step.
export function assignCredit({ errors, leak, weight, surrogate, beta, reset, detach_reset: detachReset }) {
  const input = new Float64Array(STEPS);
  const error = new Float64Array(STEPS);
  for (const step of ARRIVALS) input[step - 1] = weight;
  for (const step of errors) error[step - 1] = 1;
  const rule = { leak, reset };
  const run = simulate(input, rule);
  const slope = (z) => SURROGATES[surrogate](z, beta);
  const { inputGradient } = gradient(run, rule, slope, error, null, 1, detachReset);
  const { spikes, potential } = run;
  // How much of an error at each step the surrogate lets through, and how much it would at threshold.
  const slopes = potential.map((v) => slope(v - 1));
  return { spikes, potential, slopes, steepest: slope(0), credit: ARRIVALS.map((step) => inputGradient[step - 1]) };
}

const largestOf = (credit) => Math.max(...credit.map(Math.abs));

// How many inputs share the credit: n if n get the same, 1 if one gets all.
function effectiveNumber(credit) {
  const size = credit.map(Math.abs);
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  return sum(size) ** 2 / sum(size.map((value) => value ** 2));
}

export function render({ model, el }) {
  const parameters = parametersOf(model, NAMES);
  const { get, assign, all, initial } = parameters;

  const place = stage(el, model, NAMES, "Illustration: credit", paint, LONGEST);
  const past = withUndo(place, parameters);
  const above = canvas(place.plots, 214, { role: "img", "aria-label": "Input spikes, potential and output spikes" });
  const limits = { "aria-valuemin": 1, "aria-valuemax": STEPS };
  const middle = canvas(place.plots, 72, { role: "slider", tabindex: 0, ...limits });
  const below = canvas(place.plots, 142, { role: "img" });
  const strip = middle.canvas;
  strip.style.touchAction = "pan-y";
  place.plots.append(
    element(
      "p",
      { class: "lif-hint" },
      "Click or tap in the row of the error to place one, drag it to another step, click it to take it away. By " +
        "keyboard: left and right move in time, space places, Shift takes the error along, Ctrl+Z is undo.",
    ),
  );

  choice(place, "surrogate", "surrogate σ′", { constant: "constant", superspike: "superspike", sigmoid: "sigmoid", triangle: "triangle" });
  const beta = slider(place, "beta", "sharpness β");
  slider(place, "leak", "leak λ");
  slider(place, "weight", "weight w");
  choice(place, "reset", "reset", { zero: "to zero", subtract: "by subtraction", none: "none" });
  toggle(place, "detach_reset", "reset detached");
  buttons(place, {
    ...Object.fromEntries(Object.entries(NEURONS).map(([name, neuron]) => [name, () => assign(neuron)])),
    ...Object.fromEntries(Object.entries(ERRORS).map(([name, errors]) => [name, () => past.change({ errors })])),
    "start again": () => past.change(initial),
  }).prepend(past.button);

  // Step n lies between n - 1 and n, and its number stands in its middle.
  const x = () => scale([0, STEPS], [MARGIN.left, strip.clientWidth - MARGIN.right]);
  const numbers = () => scale([0.5, STEPS + 0.5], [MARGIN.left, strip.clientWidth - MARGIN.right]);
  const moments = momentStrip(place, strip, {
    name: "errors", first: 1, last: STEPS, begin: get("errors")[0] ?? 132, x: numbers, model: parameters, past,
  });
  strip.addEventListener("keydown", moments.key);

  function paint() {
    const found = assignCredit(all());
    const constant = get("surrogate") === "constant" ? null : assignCredit({ ...all(), surrogate: "constant" });
    beta.style.visibility = constant ? "visible" : "hidden";
    drawNeuron(found);
    drawErrors(found);
    drawCredit(found, constant);
    describe(found);
    return { ...found, constant };
  }

  // A reset to zero is a wall for credit: a faint line through the rows below the output spike.
  function drawWalls(pen, { spikes }, top, bottom) {
    if (get("reset") !== "zero") return;
    pen.stroke(strokes(spikes, x(), bottom, top), pen.colours.blue, { lineWidth: 1.2, alpha: 0.35, dash: [2, 3] });
  }

  function drawNeuron(found) {
    const pen = above.begin();
    const { colours } = pen;
    const horizontal = x();
    const right = pen.width - MARGIN.right;
    const lineWidth = Math.max(1.4, Math.min(2.4, 0.7 * (horizontal(1) - horizontal(0))));
    const largest = largestOf(found.credit);

    pen.text("input spikes", MARGIN.left, 13, { alpha: 0.75 });
    ARRIVALS.forEach((step, line) => {
      const at = horizontal(step - 0.5);
      const blame = largest ? Math.abs(found.credit[line]) / largest : 0;
      const isBlamed = blame > 0.01;
      const look = isBlamed ? { lineWidth: lineWidth + 0.6, alpha: 0.4 + 0.6 * blame } : { lineWidth, alpha: 0.35 };
      pen.stroke((c) => (c.moveTo(at, 20), c.lineTo(at, 46)), isBlamed ? colours.pink : colours.ink, look);
    });

    const highest = Math.max(1.25, ...found.potential);
    const level = scale([0, highest], [168, 76]);
    const unit = [1, 2, 5, 10, 20].find((size) => highest / size < 5);
    verticalAxis(pen, level, [0, 1, 2, 3, 4].map((k) => k * unit).filter((tick) => tick <= highest), MARGIN.left, right, "");
    pen.text("potential", MARGIN.left, 68, { alpha: 0.75 });
    pen.stroke((c) => (c.moveTo(MARGIN.left, level(1)), c.lineTo(right, level(1))), colours.ink, { lineWidth: 1, dash: [5, 4], alpha: 0.8 });
    const area = stairs(found.potential, horizontal, level);
    pen.fill((c) => (area(c), c.lineTo(horizontal(STEPS), level(0)), c.lineTo(horizontal(0), level(0))), colours.blue, 0.16);
    pen.stroke(area, colours.blue, { lineWidth: 1.4 });
    if (get("errors").length <= 12) {
      for (const step of get("errors")) {
        pen.fill((c) => c.arc(horizontal(step - 0.5), level(found.potential[step - 1]), 3.5, 0, 7), colours.pink);
      }
    }
    pen.text("output spikes", MARGIN.left, 188, { alpha: 0.75 });
    pen.stroke(strokes(found.spikes, horizontal, 214, 193), colours.blue, { lineWidth: 2.2 });
  }

  function drawErrors(found) {
    const pen = middle.begin();
    const { colours, width } = pen;
    const horizontal = x();
    const errors = get("errors");
    const many = errors.length > 12;
    const lineWidth = many ? Math.max(0.8, 0.6 * (horizontal(1) - horizontal(0))) : 3;
    const height = scale([0, 1], [68, 26]);

    pen.fill((c) => c.roundRect(MARGIN.left, 22, width - MARGIN.right - MARGIN.left, 50, 4), colours.ink, 0.06);
    drawWalls(pen, found, 22, 72);
    pen.text("error, and the part that σ′ lets through", MARGIN.left, 15, { alpha: 0.75 });
    for (const step of errors) {
      const at = horizontal(step - 0.5);
      const line = (value) => (c) => (c.moveTo(at, height(0)), c.lineTo(at, height(value)));
      pen.stroke(line(1), colours.pink, { lineWidth, alpha: 0.35 });
      pen.stroke(line(found.slopes[step - 1] / found.steepest), colours.pink, { lineWidth });
    }
    if (!many) labelErrors(pen, errors, found.slopes, horizontal);
    // Where a click would place an error, or which one it would take away.
    const pointed = moments.hovered();
    const here = (c) => (c.moveTo(numbers()(pointed.step), 68), c.lineTo(numbers()(pointed.step), 26));
    if (pointed) pen.stroke(here, colours.pink, { lineWidth: pointed.taken ? 9 : 2, alpha: 0.3 });
    if (document.activeElement === strip || moments.held()) {
      const at = numbers()(moments.cursor());
      pen.stroke((c) => (c.moveTo(at, 20), c.lineTo(at, 72)), colours.ink, { lineWidth: 1.2, dash: [2, 2] });
    }
  }

  // The derivative at each error that has room for it, on its right side, or on its left at the end of the row.
  function labelErrors(pen, errors, slopes, horizontal) {
    const room = 34;
    const places = errors.map((step) => horizontal(step - 0.5));
    places.forEach((at, k) => {
      const text = slopes[errors[k] - 1].toFixed(2);
      const roomRight = (places[k + 1] ?? pen.width - MARGIN.right + 4) - at >= room;
      const roomLeft = at - (places[k - 1] ?? MARGIN.left) >= (k ? 2 * room : room);
      if (roomRight) pen.text(text, at + 6, 38, { size: 11 });
      else if (roomLeft) pen.text(text, at - 6, 38, { size: 11, align: "right" });
    });
  }

  function drawCredit(found, constant) {
    const pen = below.begin();
    const { colours, width } = pen;
    const horizontal = x();
    const right = width - MARGIN.right;
    const shares = (credit) => credit.map((value) => value / (largestOf(credit) || 1));
    const shown = shares(found.credit);
    const others = constant ? shares(constant.credit) : [];
    const negative = Math.min(...shown, ...others) < -0.01;
    const level = scale([negative ? -1.1 : 0, 1.1], [108, 20]);

    drawWalls(pen, found, 20, 108);
    verticalAxis(pen, level, negative ? [-1, 0, 1] : [0, 1], MARGIN.left, right, "");
    pen.text("credit (largest = 1)", MARGIN.left, 13, { alpha: 0.75 });
    ARRIVALS.forEach((step, line) => {
      const at = horizontal(step - 0.5);
      pen.stroke((c) => (c.moveTo(at, level(0)), c.lineTo(at, level(shown[line]))), colours.pink, { lineWidth: 2 });
      const alpha = Math.abs(shown[line]) > 0.01 ? 1 : 0.4;
      pen.fill((c) => c.arc(at, level(shown[line]), 3, 0, 7), colours.pink, alpha);
      if (constant) pen.stroke((c) => c.arc(at, level(others[line]), 4.5, 0, 7), colours.ink, { lineWidth: 1.2, alpha: 0.75 });
    });
    if (constant) pen.text("rings: the constant", right, 13, { align: "right", alpha: 0.75 });
    horizontalAxis(pen, numbers(), [1, 50, 100, 150, 200], 108, "time step");
  }

  function describe({ spikes, potential, slopes, credit }) {
    const fired = [...spikes.keys()].filter((t) => spikes[t]).map((t) => t + 1);
    const firings = fired.length > 6 ? `${fired.slice(0, 6).join(", ")} and later` : fired.join(", ");
    const where = fired.length ? ` at step${fired.length === 1 ? "" : "s"} ${firings}` : "";
    const largest = largestOf(credit);
    const most = ARRIVALS[credit.findIndex((value) => Math.abs(value) === largest)];
    const sharing = effectiveNumber(credit).toFixed(1);
    const verdict = largest
      ? `The effective number of input spikes that share the credit is ${sharing} of ${ARRIVALS.length}; the largest ` +
        `credit is ${Number(largest.toPrecision(2))}, at step ${most}.`
      : "No input spike gets any credit.";
    place.say(`${count(fired.length, "output spike")}${where}. ${verdict}`);

    const cursor = moments.cursor();
    const here = get("errors").includes(cursor) ? "an error" : "no error";
    strip.setAttribute("aria-label", "Time cursor on the errors");
    strip.setAttribute("aria-valuenow", cursor);
    strip.setAttribute(
      "aria-valuetext",
      `step ${cursor}, ${here}, potential ${potential[cursor - 1].toFixed(2)}, derivative ${slopes[cursor - 1].toFixed(2)}`,
    );
    below.canvas.setAttribute("aria-label", `Credit of each input spike. ${verdict}`);
  }

  place.draw();
  return place.dispose;
}

import { simulate } from "./neuron.js";
import { uniforms, normals } from "./chance.js";
import { stage, slider, choice, buttons, canvas, element, count } from "./drawing.js";
import { scale, verticalAxis, horizontalAxis, stairs, strokes } from "./drawing.js";
import { parametersOf, followPointer } from "./drawing.js";

const STEPS = 240;
const PERIOD = 40; // steps from volley to volley
const LONGEST =
  "Leak 0.300, weight 0.500. What fires this neuron: two input spikes: up to 100 steps apart, three: up to 100 steps apart, an " +
  "endless train: up to 100 steps apart. Volleys: 20 output spikes; as many input spikes at random times: 20 output spikes.";
const NAMES = "leak weight arrivals volley_size jitter seed".split(" ");
const INTERVALS = [1, 3, 10, 30, 100]; // of the lines in the map
const NEURONS = {
  integrator: { leak: 0, weight: 0.099 },
  mixed: { leak: 0.02, weight: 0.14 },
  "coincidence detector": { leak: 0.3, weight: 0.5 },
};

// What is left of the potential from one input spike to the next, q: how much the neuron needs to fire at all.
const DECAY_NEEDED = {
  2: (weight) => 1 / weight - 1,
  3: (weight) => (Math.sqrt(4 / weight - 3) - 1) / 2,
  endless: (weight) => 1 - weight,
};
// The same solved for the weight.
const WEIGHT_NEEDED = {
  2: (q) => 1 / (1 + q),
  3: (q) => 1 / (1 + q + q * q),
  endless: (q) => 1 - q,
};

// The longest interval between input spikes at which the neuron fires, in steps; 0 if not even 1 will do.
export function longestInterval(leak, weight, arrivals) {
  const needed = DECAY_NEEDED[arrivals](weight);
  if (leak === 0) return needed <= 1 ? Infinity : 0;
  return Math.max(0, Math.floor(Math.log(needed) / Math.log1p(-leak)));
}

// Volleys of input spikes scattered around their centres, and as many spikes at random times: spikes in each step.
export function trains(volleySize, jitter, seed) {
  const uniform = uniforms(seed);
  const normal = normals(uniform);
  const volleys = new Float64Array(STEPS);
  const scattered = new Float64Array(STEPS);
  for (let centre = PERIOD / 2; centre < STEPS; centre += PERIOD) {
    for (let k = 0; k < volleySize; k++) {
      const step = Math.floor(centre + jitter * normal() + 0.5);
      volleys[((step % STEPS) + STEPS) % STEPS] += 1;
      scattered[Math.floor(uniform() * STEPS)] += 1;
    }
  }
  return { volleys, scattered };
}

export function render({ model, el }) {
  const { get, assign, initial } = parametersOf(model, NAMES);
  const bounds = get("_bounds");

  const place = stage(el, model, NAMES, "Illustration: two operating modes", paint, LONGEST);
  place.plots.classList.add("lif-side");
  const left = element("div");
  const right = element("div");
  place.plots.append(left, right);
  const chart = canvas(left, 356, { role: "application", tabindex: 0 });
  const answers = [canvas(right, 166, { role: "img" }), canvas(right, 196, { role: "img" })];

  choice(place, "arrivals", "map for", { 2: "2 spikes", 3: "3 spikes", endless: "endless" });
  slider(place, "leak", "leak λ");
  slider(place, "weight", "weight w");
  slider(place, "volley_size", "spikes a volley");
  slider(place, "jitter", "jitter");
  buttons(place, {
    ...Object.fromEntries(Object.entries(NEURONS).map(([name, neuron]) => [name, () => assign(neuron)])),
    "other random times": () => assign({ seed: (get("seed") + 1) % 1000 }),
    "start again": () => assign(initial),
  });

  const x = () => scale([0, 0.5], [34, chart.canvas.clientWidth - 12]);
  const y = scale([0, 1], [316, 24]);
  const bounded = (name, value) => {
    const [low, high, step] = bounds[name];
    return Number(Math.max(low, Math.min(high, Math.round(value / step) * step)).toFixed(4));
  };
  const moveTo = (leak, weight) => assign({ leak: bounded("leak", leak), weight: bounded("weight", weight) });

  const follow = (event) => {
    const box = chart.canvas.getBoundingClientRect();
    moveTo(x().invert(event.clientX - box.left), y.invert(event.clientY - box.top));
  };
  chart.canvas.style.touchAction = "none";
  chart.canvas.style.cursor = "pointer";
  followPointer(chart.canvas, follow);
  chart.canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
    if (!(event.key in moves)) return;
    const [right, up] = moves[event.key];
    moveTo(get("leak") + 0.01 * right, get("weight") + 0.01 * up);
    event.preventDefault();
  });

  function paint() {
    const { volleys, scattered } = trains(get("volley_size"), get("jitter"), get("seed"));
    const run = (train) => simulate(train.map((number) => get("weight") * number), { leak: get("leak") });
    const runs = { volleys: run(volleys), scattered: run(scattered) };
    const intervals = Object.fromEntries(
      Object.keys(DECAY_NEEDED).map((each) => [each, longestInterval(get("leak"), get("weight"), each)]),
    );
    drawMap();
    drawAnswer(answers[0], volleys, runs.volleys, "volleys");
    drawAnswer(answers[1], scattered, runs.scattered, "random times");
    describe(runs, intervals);
    return { ...runs, intervals };
  }

  function drawMap() {
    const pen = chart.begin();
    const { colours, width } = pen;
    const horizontal = x();
    const [west, east, south, north] = [34, width - 12, y(0), y(1)];
    const needed = WEIGHT_NEEDED[get("arrivals")];
    const leaks = Array.from({ length: 101 }, (_, k) => k / 200);
    const border = (interval) => (c) =>
      leaks.forEach((leak) => c.lineTo(horizontal(leak), y(needed((1 - leak) ** interval))));

    pen.fill((c) => c.rect(west, north, east - west, south - north), colours.ink, 0.07);
    for (const interval of INTERVALS) {
      pen.fill((c) => (border(interval)(c), c.lineTo(east, north), c.lineTo(west, north)), colours.blue, 0.17);
      pen.stroke(border(interval), colours.blue, { lineWidth: 1, alpha: 0.8 });
    }
    // Where a line leaves the map: above, or at its right side.
    const label = 0.93;
    for (const interval of INTERVALS) {
      const leak = 1 - DECAY_NEEDED[get("arrivals")](label) ** (1 / interval);
      const inside = leak < 0.47;
      const at = inside ? [horizontal(leak), y(label)] : [east - 5, y(needed(0.5 ** interval)) - 6];
      pen.text(String(interval), ...at, { align: inside ? "left" : "right", colour: colours.ink, size: 12 });
    }
    pen.text("silent", east - 8, south - 10, { align: "right", alpha: 0.75 });
    verticalAxis(pen, y, [0, 0.5, 1], west, east, "weight w");
    pen.text("longest interval (steps)", east, north - 6, { align: "right", alpha: 0.75 });
    horizontalAxis(pen, horizontal, [0, 0.1, 0.2, 0.3, 0.4, 0.5], south, "leak λ");
    for (const { leak, weight } of Object.values(NEURONS)) {
      pen.stroke((c) => c.arc(horizontal(leak), y(weight), 5, 0, 7), colours.ink, { lineWidth: 1.5, alpha: 0.8 });
    }
    const [pointX, pointY] = [horizontal(get("leak")), y(get("weight"))];
    pen.fill((c) => c.arc(pointX, pointY, 8, 0, 7), colours.orange);
    pen.stroke((c) => c.arc(pointX, pointY, 8, 0, 7), colours.ink, { lineWidth: 1.5 });
  }

  function drawAnswer(place, train, { spikes, potential }, title) {
    const pen = place.begin();
    const { colours, width } = pen;
    const horizontal = scale([0, STEPS], [34, width - 10]);
    const most = Math.max(...train);
    const number = scale([0, most], [158, 124]);
    const highest = Math.max(1.15, ...potential);
    const level = scale([0, highest], [112, 42]);
    const fired = spikes.filter(Boolean).length;
    const lineWidth = Math.max(1.2, Math.min(2.4, 0.7 * (horizontal(1) - horizontal(0))));

    pen.text(`${title}: ${count(fired, "output spike")}`, 34, 13);
    pen.stroke(strokes(spikes, horizontal, 36, 20), colours.orange, { lineWidth: 2.2 });
    verticalAxis(pen, level, [0, 1], 34, width - 10, "");
    pen.stroke((c) => (c.moveTo(34, level(1)), c.lineTo(width - 10, level(1))), colours.ink, { lineWidth: 1, dash: [5, 4], alpha: 0.8 });
    const area = stairs(potential, horizontal, level);
    pen.fill((c) => (area(c), c.lineTo(horizontal(STEPS), level(0)), c.lineTo(horizontal(0), level(0))), colours.blue, 0.16);
    pen.stroke(area, colours.blue, { lineWidth: 1.3 });
    pen.stroke((c) => (c.moveTo(34, 158), c.lineTo(width - 10, 158)), colours.ink, { lineWidth: 1, alpha: 0.3 });
    pen.stroke(strokes(train, horizontal, 158, number), colours.green, { lineWidth });
    pen.text(String(most), 28, number(most), { align: "right", baseline: "middle", alpha: 0.75, size: 11 });
    if (pen.height > 170) horizontalAxis(pen, horizontal, [0, 40, 80, 120, 160, 200, 240], 158, "time step");
    place.canvas.setAttribute("aria-label", `Input, potential and output for ${title}: ${count(fired, "output spike")}`);
  }

  function describe(runs, intervals) {
    const point = `Leak ${get("leak").toFixed(3)}, weight ${get("weight").toFixed(3)}`;
    const named = { 2: "two input spikes", 3: "three", endless: "an endless train" };
    const say = (m) => (m === Infinity ? "at any distance" : m === 0 ? "never" : `up to ${count(m, "step")} apart`);
    const waits = Object.entries(named).map(([each, words]) => `${words}: ${say(intervals[each])}`);
    const fired = (run) => count(run.spikes.filter(Boolean).length, "output spike");
    chart.canvas.setAttribute("aria-label", `Map over leak and weight. ${point}. The arrow keys move the point.`);
    place.say(`${point}. What fires this neuron: ${waits.join(", ")}. ` +
      `Volleys: ${fired(runs.volleys)}; as many input spikes at random times: ${fired(runs.scattered)}.`);
  }

  place.draw();
  return place.dispose;
}

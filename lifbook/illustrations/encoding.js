import { simulate } from "./neuron.js";
import { uniforms } from "./chance.js";
import { stage, slider, choice, buttons, canvas, element, count } from "./drawing.js";
import { scale, verticalAxis, horizontalAxis } from "./drawing.js";
import { parametersOf, followPointer } from "./drawing.js";
import { player } from "./moving.js";

const STEPS = 50;
const SIDE = 8;
const PIXELS = SIDE * SIDE;
const FINENESS = 128;
const LEVELS = Array.from({ length: FINENESS + 1 }, (_, k) => k / FINENESS); // what a reading can tell apart
const NAMES = "digit drawing pen pixel step leak threshold reset max_probability tau theta units seed".split(" ");
const CODES = {
  regular: { colour: "blue", own: ["leak", "threshold", "reset"], sliders: { leak: "leak λ", threshold: "threshold ϑ" } },
  Poisson: { colour: "orange", own: ["max_probability", "seed"], sliders: { max_probability: "probability" } },
  latency: { colour: "green", own: ["tau", "theta"], sliders: { tau: "τ in steps", theta: "level θ" } },
  population: { colour: "pink", own: ["units", "max_probability", "seed"], sliders: { units: "units for a pixel" } },
};
const EASEL = { left: 12, top: 22, size: 174 };
const PACE = { usual: 110, calm: 600 }; // milliseconds a step; calm where less motion is asked for

// Intensities of the units with Gaussian receptive fields, of one number after the other.
function activity(intensities, units) {
  const width = 1 / (1.5 * (units - 1));
  const unit = (x, k) => Math.exp(-0.5 * ((x - k / (units - 1)) / width) ** 2);
  return intensities.flatMap((x) => Array.from({ length: units }, (_, k) => unit(x, k)));
}

// The Poisson spikes come first in the sequence of random numbers, those of the population after them.
function poisson(intensities, skipped, { max_probability: maxProbability, seed }) {
  const uniform = uniforms(seed);
  for (let i = 0; i < skipped; i++) uniform();
  const spikes = new Float64Array(STEPS * intensities.length);
  for (let i = 0; i < spikes.length; i++) {
    spikes[i] = uniform() < maxProbability * intensities[i % intensities.length] ? 1 : 0;
  }
  return spikes;
}

// The codes without chance, which send the same spikes for the same intensity.
const CERTAIN = {
  regular(intensities, { leak, threshold, reset }) {
    const units = intensities.length;
    const current = new Float64Array(STEPS * units);
    for (let t = 0; t < STEPS; t++) current.set(intensities, t * units);
    return simulate(current, { leak, threshold, reset }, units).spikes;
  },
  latency(intensities, { tau, theta }) {
    const spikes = new Float64Array(STEPS * intensities.length);
    intensities.forEach((x, unit) => {
      const step = x > theta ? Math.floor(-tau * Math.log1p(-theta / x)) : STEPS;
      if (step < STEPS) spikes[step * intensities.length + unit] = 1;
    });
    return spikes;
  },
};

// The spikes of a code, time outside and pixels (for the population: units) inside.
export function encode(code, image, parameters) {
  if (code === "Poisson") return poisson(image, 0, parameters);
  if (code === "population") return poisson(activity(image, parameters.units), STEPS * PIXELS, parameters);
  return CERTAIN[code](image, parameters);
}

// The picture as read after each number of steps from 0 to 50, one array of pixels for each. Before the first step
// nothing is known, and everything is read as one half.
export function readings(code, image, spikes, parameters) {
  const pictures = Array.from({ length: STEPS + 1 }, () => new Float64Array(PIXELS).fill(0.5));
  const read = code === "Poisson" ? readCount : code === "population" ? readLikeliest : readPossible;
  read(pictures, spikes, parameters, code, image);
  return pictures;
}

function readCount(pictures, spikes, { max_probability: maxProbability }) {
  const number = new Float64Array(PIXELS);
  for (let step = 1; step <= STEPS; step++) {
    for (let pixel = 0; pixel < PIXELS; pixel++) {
      number[pixel] += spikes[(step - 1) * PIXELS + pixel];
      pictures[step][pixel] = Math.min(1, number[pixel] / (maxProbability * step));
    }
  }
}

// The mean of all levels that would have sent the same spikes so far.
function readPossible(pictures, spikes, parameters, code, image) {
  const sent = CERTAIN[code](LEVELS, parameters);
  const firstWith = new Map(); // pixels of one intensity are read alike
  for (let pixel = 0; pixel < PIXELS; pixel++) {
    const twin = firstWith.get(image[pixel]);
    if (twin === undefined) firstWith.set(image[pixel], pixel);
    let possible = twin === undefined ? [...LEVELS.keys()] : [];
    for (let step = 1; step <= STEPS; step++) {
      const now = pictures[step];
      if (twin !== undefined) {
        now[pixel] = now[twin];
        continue;
      }
      const seen = spikes[(step - 1) * PIXELS + pixel];
      possible = possible.filter((level) => sent[(step - 1) * LEVELS.length + level] === seen);
      now[pixel] = possible.reduce((sum, level) => sum + LEVELS[level], 0) / possible.length;
    }
  }
}

// The level that makes the spikes so far most likely; the first of equals, whatever their last digits are.
function readLikeliest(pictures, spikes, { max_probability: maxProbability, units }) {
  const levels = LEVELS.length;
  const silence = new Float64Array(levels); // logarithm of the likelihood of no spike at all
  const gain = new Float64Array(units * levels); // and by how much a spike of a unit changes it
  activity(LEVELS, units).forEach((each, i) => {
    const [level, unit] = [Math.floor(i / units), i % units];
    const chance = Math.max(1e-9, Math.min(1 - 1e-9, maxProbability * each));
    silence[level] += Math.log1p(-chance);
    gain[unit * levels + level] = Math.log(chance) - Math.log1p(-chance);
  });
  const likelihood = new Float64Array(levels);
  for (let pixel = 0; pixel < PIXELS; pixel++) {
    likelihood.fill(0);
    for (let step = 1; step <= STEPS; step++) {
      const from = ((step - 1) * PIXELS + pixel) * units;
      for (let unit = 0; unit < units; unit++) {
        if (!spikes[from + unit]) continue;
        const row = unit * levels;
        for (let level = 0; level < levels; level++) likelihood[level] += gain[row + level];
      }
      let highest = -Infinity;
      for (let level = 0; level < levels; level++) {
        likelihood[level] += silence[level];
        if (likelihood[level] > highest) highest = likelihood[level];
      }
      let best = 0;
      while (likelihood[best] < highest - 1e-9) best++;
      pictures[step][pixel] = LEVELS[best];
    }
  }
}

function rootMeanSquare(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return Math.sqrt(sum / a.length);
}

export function render({ model, el }) {
  const { get, assign, all, initial } = parametersOf(model, NAMES);
  const image = () => (get("digit") === "drawing" ? get("drawing") : get("_digits")[get("digit")]);

  const place = stage(el, model, NAMES, "Illustration: encoding", paint);
  const top = element("div", { style: "display: flex; flex-wrap: wrap; gap: 0.8rem 1.2rem" });
  const panels = element("div", { class: "lif-side", style: "margin-top: 1rem" });
  const hint = element(
    "p",
    { class: "lif-hint" },
    "Draw with mouse or finger. By keyboard: the arrow keys move over the pixels, space draws or erases one, " +
      "plus and minus make it lighter or darker.",
  );
  place.plots.append(top, hint, place.controls, panels); // each slider stands below what it changes
  const easel = canvas(top, 204, { role: "application", tabindex: 0, "data-picture": "" });
  const chart = canvas(top, 204, { role: "img" });
  easel.canvas.style.flex = "0 0 198px";
  chart.canvas.style.flex = "1 1 17rem";
  for (const each of [easel, chart]) each.canvas.style.minWidth = 0;

  slider(place, "step", "step");
  const digits = Object.fromEntries([..."0123456789"].map((digit) => [digit, `a ${digit}`]));
  choice(place, "digit", "picture", { ...digits, drawing: "your drawing" });
  choice(place, "pen", "mouse or finger", { draws: "draws", erases: "erases", looks: "looks" });
  const row = buttons(place, {
    play: () => film.toggle(),
    "from the beginning": () => assign({ step: 0 }),
    "clear the picture": () => assign({ digit: "drawing", drawing: Array(PIXELS).fill(0) }),
    "new random spikes": () => assign({ seed: (get("seed") + 1) % 1000 }),
    "start again": () => (film.stop(), assign(initial)),
  });
  const playButton = row.firstElementChild;

  const rasters = {};
  for (const [code, { sliders }] of Object.entries(CODES)) {
    const panel = element("div");
    const controls = element("div", { class: "lif-controls", style: "margin: 0 12px" });
    panels.append(panel);
    rasters[code] = canvas(panel, 142, { role: "img" });
    panel.append(controls);
    const here = { ...place, controls };
    for (const [name, label] of Object.entries(sliders)) slider(here, name, label);
    if (code === "regular") choice(here, "reset", "reset", { subtract: "subtracts", zero: "to zero" });
  }

  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const film = player(place, playButton, { name: "step", last: STEPS, pace: () => (calm.matches ? PACE.calm : PACE.usual) });

  function setPixel(pixel, value) {
    const drawing = image().map((each, k) => (k === pixel ? value : each));
    assign({ digit: "drawing", drawing, pixel });
  }

  const follow = (event) => {
    const box = easel.canvas.getBoundingClientRect();
    const cell = EASEL.size / SIDE;
    const column = Math.floor((event.clientX - box.left - EASEL.left) / cell);
    const row = Math.floor((event.clientY - box.top - EASEL.top) / cell);
    if (Math.min(row, column) < 0 || Math.max(row, column) >= SIDE) return;
    const pixel = row * SIDE + column;
    if (get("pen") === "looks") assign({ pixel });
    else setPixel(pixel, get("pen") === "draws" ? 1 : 0);
  };
  easel.canvas.style.touchAction = "none";
  easel.canvas.style.cursor = "crosshair";
  followPointer(easel.canvas, follow);
  easel.canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const lifts = { "+": 0.25, "-": -0.25 };
    const pixel = get("pixel");
    const value = image()[pixel];
    if (event.key in moves) {
      const [down, right] = moves[event.key];
      const bounded = (number) => Math.max(0, Math.min(SIDE - 1, number));
      assign({ pixel: SIDE * bounded(Math.floor(pixel / SIDE) + down) + bounded((pixel % SIDE) + right) });
    } else if (event.key in lifts) setPixel(pixel, Math.max(0, Math.min(1, value + lifts[event.key])));
    else if ([" ", "Enter"].includes(event.key)) setPixel(pixel, value > 0 ? 0 : 1);
    else return;
    event.preventDefault();
  });

  // What a code makes of the picture, computed anew when the picture or a parameter of its own has changed.
  const known = {};
  function respond(code, picture, parameters) {
    const key = JSON.stringify([picture, CODES[code].own.map(get)]);
    if (known[code]?.key !== key) {
      const spikes = encode(code, picture, parameters);
      const readAfter = readings(code, picture, spikes, parameters);
      const errors = readAfter.map((each) => rootMeanSquare(each, picture));
      const numbers = new Float64Array(STEPS + 1); // of spikes so far
      spikes.forEach((spike, i) => (numbers[1 + Math.floor((i * STEPS) / spikes.length)] += spike));
      for (let step = 1; step <= STEPS; step++) numbers[step] += numbers[step - 1];
      known[code] = { key, spikes, readAfter, errors, numbers };
    }
    const { spikes, readAfter, errors, numbers } = known[code];
    return { spikes, errors, read: readAfter[get("step")], number: numbers[get("step")] };
  }

  function paint() {
    const picture = image();
    const parameters = all();
    const found = Object.fromEntries(Object.keys(CODES).map((code) => [code, respond(code, picture, parameters)]));
    drawEasel(picture);
    drawChart(found);
    for (const code of Object.keys(CODES)) drawCode(code, found[code]);
    describe(picture, found);
    return found;
  }

  // Light on dark in both themes: what is bright in the picture spikes most.
  const tile = element("canvas", { width: SIDE, height: SIDE });
  function drawPicture(pen, picture, left, top, size) {
    const side = size / SIDE;
    const greys = new ImageData(SIDE, SIDE);
    picture.forEach((value, pixel) => greys.data.set([255 * value, 255 * value, 255 * value, 255], 4 * pixel));
    tile.getContext("2d").putImageData(greys, 0, 0);
    pen.context.imageSmoothingEnabled = false;
    pen.context.drawImage(tile, left, top, size, size);
    pen.stroke((c) => c.rect(left, top, size, size), pen.colours.ink, { lineWidth: 1, alpha: 0.5 });
    const [x, y] = [left + (get("pixel") % SIDE) * side, top + Math.floor(get("pixel") / SIDE) * side];
    pen.stroke((c) => c.rect(x, y, side, side), pen.colours.pink, { lineWidth: size > 120 ? 2.5 : 1.5 });
  }

  function drawEasel(picture) {
    const pen = easel.begin();
    pen.text("picture", EASEL.left, 14, { alpha: 0.75 });
    drawPicture(pen, picture, EASEL.left, EASEL.top, EASEL.size);
  }

  function drawChart(found) {
    const pen = chart.begin();
    const [left, right] = [34, pen.width - 10];
    const x = scale([0, STEPS], [left, right]);
    const highest = Math.max(0.3, ...Object.values(found).flatMap(({ errors }) => errors));
    const y = scale([0, highest], [164, 26]);
    verticalAxis(pen, y, [0, 0.2, 0.4, 0.6, 0.8].filter((tick) => tick <= highest), left, right, "");
    pen.text("error of the reading", left, 14, { alpha: 0.75 });
    horizontalAxis(pen, x, [0, 10, 20, 30, 40, 50], 164, "time step");
    const at = x(get("step"));
    pen.stroke((c) => (c.moveTo(at, 20), c.lineTo(at, 164)), pen.colours.ink, { lineWidth: 1, alpha: 0.5 });
    Object.keys(CODES).forEach((code, line) => {
      const { errors } = found[code];
      const colour = pen.colours[CODES[code].colour];
      pen.stroke((c) => errors.forEach((error, step) => c.lineTo(x(step), y(error))), colour, { lineWidth: 1.8 });
      pen.fill((c) => c.arc(at, y(errors[get("step")]), 3.5, 0, 7), colour);
      pen.text(code, right - 8, 36 + 15 * line, { align: "right", colour });
    });
  }

  function drawCode(code, { spikes, read, errors, number }) {
    const pen = rasters[code].begin();
    const { colours, width } = pen;
    const colour = colours[CODES[code].colour];
    const size = 96;
    const [top, left, right] = [24, 12, width - size - 24];
    const isPopulation = code === "population";
    const rows = isPopulation ? get("units") : PIXELS; // of the population, the units of the framed pixel
    const first = isPopulation ? get("pixel") * rows : 0;
    const x = scale([0, STEPS], [left, right]);
    const y = scale([0, rows], [top, top + size]);
    const gap = isPopulation ? 0.15 : 0;
    const error = errors[get("step")].toFixed(3);

    pen.fill((c) => c.rect(left, top, right - left, size), colours.ink, 0.06);
    if (!isPopulation) pen.fill((c) => c.rect(left, y(get("pixel")), right - left, y(1) - y(0)), colours.pink, 0.35);
    pen.context.fillStyle = colour;
    const [wide, high] = [x(0.8) - x(0), y(1 - 2 * gap) - y(0)];
    for (let t = 0; t < get("step"); t++) {
      const from = (t * spikes.length) / STEPS + first;
      for (let k = 0; k < rows; k++) if (spikes[from + k]) pen.context.fillRect(x(t + 0.1), y(k + gap), wide, high);
    }
    const at = x(get("step"));
    pen.stroke((c) => (c.moveTo(at, top), c.lineTo(at, top + size)), colours.ink, { lineWidth: 1, alpha: 0.5 });
    pen.text(code, left, 14, { colour });
    pen.text(count(number, "spike"), right, 14, { align: "right", alpha: 0.75 });
    pen.text(isPopulation ? "the framed pixel" : "64 pixels", left, top + size + 15, { alpha: 0.75, size: 11 });
    pen.text(`${STEPS} steps`, right, top + size + 15, { align: "right", alpha: 0.75, size: 11 });
    drawPicture(pen, read, width - size - 12, top, size);
    pen.text("read as", width - size - 12, 14, { alpha: 0.75 });
    pen.text(`error ${error}`, width - 12, top + size + 15, { align: "right", alpha: 0.75, size: 11 });
    const label = `${code}: ${count(number, "spike")} so far, error of the reading ${error}`;
    rasters[code].canvas.setAttribute("aria-label", label);
  }

  function describe(picture, found) {
    const pixel = get("pixel");
    const where = `row ${Math.floor(pixel / SIDE) + 1}, column ${(pixel % SIDE) + 1}`;
    easel.canvas.setAttribute(
      "aria-label",
      `Picture of 8 by 8 pixels. Pixel in ${where}: intensity ${picture[pixel].toFixed(2)}. The arrow keys move, space draws or erases.`,
    );
    const errors = Object.entries(found).map(([code, { errors }]) => `${code} ${errors[get("step")].toFixed(3)}`);
    chart.canvas.setAttribute("aria-label", `Error of the reading after each step; now ${errors.join(", ")}`);
    const read = Object.entries(found).map(([code, { read }]) => `${code} ${read[pixel].toFixed(2)}`);
    place.say(`After ${count(get("step"), "step")} the pixel in ${where}, intensity ${picture[pixel].toFixed(2)}, is read as: ${read.join(", ")}.`);
  }

  place.draw();
  return () => {
    film.stop();
    place.dispose();
  };
}

import { simulate } from "./neuron.js";
import { stage, slider, buttons, canvas, element, count } from "./drawing.js";
import { scale, verticalAxis, horizontalAxis } from "./drawing.js";
import { parametersOf } from "./drawing.js";

const LONGEST =
  "The net is not sure; its best guess is 3. The margin over the second is 10.0, and an answer needs 1.0. There were 500 and 500 " +
  "spikes in the two layers.";
const NAMES = "strokes leak step".split(" ");
const PAD = 264; // pixels on each side
const STRIDE = 0.05; // of the keyboard's pen
const STEP_SECONDS = 0.55; // in which spikes fly from layer to layer
const FLIGHTS = 4; // of a spike, along the strongest of its connections

// Of the picture: handwriting.py says what they mean.
const FIELD = 28;
const BOX = 20;
const PEN = 2.5;
const SMALLEST = 0.15;

// The picture of MNIST's kind that strokes make: scaled, with soft edges, its centre of mass in the middle.
export function ink(strokes) {
  const points = strokes.flat();
  if (points.length === 0) return new Float64Array(FIELD * FIELD);
  const [low, high] = [Math.min, Math.max].map((far) => [0, 1].map((axis) => far(...points.map((point) => point[axis]))));
  const factor = (BOX - PEN) / Math.max(high[0] - low[0], high[1] - low[1], SMALLEST);
  const moved = (by) =>
    strokes.map((stroke) =>
      stroke.map((point) => point.map((each, axis) => (each - (low[axis] + high[axis]) / 2) * factor + FIELD / 2 + by[axis])),
    );
  const picture = drawn(moved([0, 0]));
  let [mass, x, y] = [0, 0, 0];
  picture.forEach((value, pixel) => {
    mass += value;
    x += value * ((pixel % FIELD) + 0.5);
    y += value * (Math.floor(pixel / FIELD) + 0.5);
  });
  return drawn(moved([x, y].map((sum) => FIELD / 2 - Math.floor(sum / mass + 1e-6))));
}

// Lines with round ends: a pixel is as dark as its centre lies within the pen, with an edge of one pixel.
function drawn(strokes) {
  const distance = new Float64Array(FIELD * FIELD).fill(Infinity);
  for (const stroke of strokes) {
    for (let k = 0; k < Math.max(1, stroke.length - 1); k++) {
      const [startX, startY] = stroke[k];
      const [endX, endY] = stroke[k + 1] ?? stroke[k];
      const [alongX, alongY] = [endX - startX, endY - startY];
      const square = Math.max(alongX ** 2 + alongY ** 2, 1e-12);
      for (let pixel = 0; pixel < FIELD * FIELD; pixel++) {
        const [x, y] = [(pixel % FIELD) + 0.5 - startX, Math.floor(pixel / FIELD) + 0.5 - startY];
        const share = Math.max(0, Math.min(1, (x * alongX + y * alongY) / square));
        distance[pixel] = Math.min(distance[pixel], Math.hypot(x - share * alongX, y - share * alongY));
      }
    }
  }
  return distance.map((each) => Math.max(0, Math.min(1, PEN / 2 + 0.5 - each)));
}

// A stored net: for each layer the weights of one unit after the other.
export function unpack({ layers }) {
  return layers.map(({ scale: scales, bias, weights }) => {
    const bytes = Uint8Array.from(atob(weights), (character) => character.charCodeAt(0));
    const rows = new Int8Array(bytes.buffer);
    const inputs = rows.length / scales.length;
    return { inputs, units: scales.length, bias, weights: Float64Array.from(rows, (each, k) => each * scales[Math.floor(k / inputs)]) };
  });
}

// What each unit of a layer receives in each step; `arriving` has `inputs` numbers a step.
function currents({ inputs, units, bias, weights }, arriving) {
  const steps = arriving.length / inputs;
  const result = new Float64Array(steps * units);
  for (let t = 0; t < steps; t++) {
    for (let unit = 0; unit < units; unit++) {
      let sum = bias[unit];
      for (let k = 0; k < inputs; k++) sum += arriving[t * inputs + k] * weights[unit * inputs + k];
      result[t * units + unit] = sum;
    }
  }
  return result;
}

// What happens in the net while it looks at a picture: the run of each hidden layer, and the ten sums so far at each step.
export function respond(layers, picture, steps, leak) {
  const rule = { leak, reset: "subtract" };
  const constant = currents(layers[0], picture);
  const repeated = Float64Array.from({ length: steps * constant.length }, (_, k) => constant[k % constant.length]);
  const runs = [simulate(repeated, rule, layers[0].units)];
  for (const layer of layers.slice(1, -1)) runs.push(simulate(currents(layer, runs.at(-1).spikes), rule, layer.units));
  const outputs = currents(layers.at(-1), runs.at(-1).spikes);
  for (let k = 10; k < outputs.length; k++) outputs[k] += outputs[k - 10];
  return { runs, outputs };
}

// The digits from the largest sum to the smallest.
function ranking(sums) {
  return [...sums.keys()].sort((a, b) => sums[b] - sums[a]);
}

export function render({ model, el }) {
  const { get, set } = parametersOf(model, NAMES);
  const net = get("_net");
  const examples = get("_examples");
  const layers = unpack(net);
  const shapes = layers.slice(0, -1).map(({ units }) => [units / 16, 16]); // neurons side by side, and in a column
  const flights = layers.slice(1).map(strongest);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  const place = stage(el, model, NAMES, "Illustration: a net that reads your handwriting", paint, LONGEST);
  const upper = element("div", { style: "display:flex; flex-wrap:wrap; gap:0.8rem 1.2rem; justify-content:center; margin-bottom:0.6rem" });
  const leftSide = element("div", { style: `flex:0 1 ${PAD}px` });
  const rightSide = element("div", { style: "flex:1 1 300px; min-width:0" });
  upper.append(leftSide, rightSide);
  place.plots.append(upper);
  const pad = canvas(leftSide, PAD, { role: "application", tabindex: 0 });
  const inside = canvas(rightSide, PAD, { role: "img" });
  const traces = canvas(place.plots, 210, { role: "img" });
  place.plots.append(
    element("p", { class: "lif-hint" }, "Write a digit with finger or mouse. By keyboard: the arrow keys move the pen, space lowers or lifts it."),
  );

  slider(place, "step", "time step");
  slider(place, "leak", "leak λ");
  let shownExample = Object.keys(examples).findIndex((name) => JSON.stringify(examples[name]) === JSON.stringify(get("strokes")));
  buttons(place, {
    "play the steps": play,
    clear: () => replace([]),
    "undo the last stroke": () => replace(get("strokes").slice(0, -1)),
    "next example": () => {
      shownExample = (shownExample + 1) % Object.keys(examples).length;
      replace(Object.values(examples)[shownExample]);
    },
    [`leak back to ${net.leak}`]: () => set("leak", net.leak),
  });

  let frame = 0;
  let flown = 1; // how far the spikes of this step have come: 0.5 between the hidden layers, 1 at the output
  function stop() {
    cancelAnimationFrame(frame);
    frame = 0;
    flown = 1;
  }
  // Nothing flies for readers who asked for less motion: the steps only follow each other.
  function play() {
    stop();
    const begun = performance.now();
    set("step", 1);
    const next = (now) => {
      const passed = Math.max(0, now - begun) / 1000 / STEP_SECONDS;
      const step = Math.min(net.steps, Math.floor(passed) + 1);
      flown = calm.matches ? 1 : Math.min(1, passed - step + 1);
      if (step !== get("step")) set("step", step);
      if (passed < net.steps) frame = requestAnimationFrame(next);
      else stop();
      place.draw();
    };
    frame = requestAnimationFrame(next);
  }

  function write(strokes) {
    stop();
    set("strokes", strokes);
    set("step", net.steps);
  }

  // By a button: a stroke that is being drawn ends.
  function replace(strokes) {
    pen.down = drawing = false;
    write(strokes);
  }

  const rounded = (value) => Number(Math.max(0, Math.min(1, value)).toFixed(3));
  const pen = { x: 0.5, y: 0.5, down: false }; // of the keyboard
  let drawing = false;
  const board = pad.canvas;
  const corner = () => (board.clientWidth - PAD) / 2;
  function pointAt(event) {
    const box = board.getBoundingClientRect();
    return [rounded((event.clientX - box.left - corner()) / PAD), rounded((event.clientY - box.top) / PAD)];
  }
  function lengthen(point) {
    const strokes = get("strokes");
    const stroke = strokes.at(-1);
    if (!stroke) return; // Python has wiped the pad
    const [x, y] = stroke.at(-1);
    // A hand sends more points than a picture of 28 pixels can show.
    if (Math.hypot(point[0] - x, point[1] - y) >= 0.012) write([...strokes.slice(0, -1), [...stroke, point]]);
  }
  board.style.touchAction = "none";
  board.style.cursor = "crosshair";
  board.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    board.setPointerCapture(event.pointerId);
    drawing = true;
    pen.down = false;
    write([...get("strokes"), [pointAt(event)]]);
  });
  board.addEventListener("pointermove", (event) => {
    if (!drawing || !event.isPrimary) return;
    const between = event.getCoalescedEvents?.() ?? [];
    for (const each of between.length ? between : [event]) lengthen(pointAt(each));
  });
  for (const end of ["pointerup", "pointercancel"]) {
    board.addEventListener(end, () => {
      if (drawing && !calm.matches) play();
      drawing = false;
    });
  }
  board.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in moves) {
      pen.x = rounded(pen.x + STRIDE * moves[event.key][0]);
      pen.y = rounded(pen.y + STRIDE * moves[event.key][1]);
      if (pen.down) lengthen([pen.x, pen.y]);
    } else if (event.key === " ") {
      pen.down = !pen.down;
      if (pen.down) write([...get("strokes"), [[pen.x, pen.y]]]);
    } else return;
    place.redraw();
    event.preventDefault();
  });
  for (const change of ["focus", "blur"]) board.addEventListener(change, place.redraw);

  function paint() {
    const picture = ink(get("strokes"));
    const run = respond(layers, picture, net.steps, get("leak"));
    const last = run.outputs.slice(-10);
    const [first, second] = ranking(last);
    const margin = last[first] - last[second];
    const answer = get("strokes").length && margin >= net.margin ? first : null;
    if (!get("strokes").length) pen.down = false;
    drawPad();
    drawNet(picture, run);
    drawTraces(run, first, second);
    describe(run, answer, first, margin);
    return { picture, layers: run.runs, outputs: run.outputs, answer, margin };
  }

  function drawPad() {
    const page = pad.begin();
    const { colours } = page;
    const left = corner();
    page.fill((c) => c.roundRect(left, 0, PAD, PAD, 8), colours.ink, 0.06);
    if (!get("strokes").length) {
      page.text("write a digit here", left + PAD / 2, PAD / 2, { align: "center", alpha: 0.75, size: 15 });
    }
    page.context.lineCap = "round";
    for (const stroke of get("strokes")) {
      const path = stroke.length > 1 ? stroke : [stroke[0], stroke[0]];
      page.stroke((c) => path.forEach(([x, y]) => c.lineTo(left + x * PAD, y * PAD)), colours.ink, { lineWidth: 17, alpha: 0.85 });
    }
    if (document.activeElement === board) {
      const [x, y] = [left + pen.x * PAD, pen.y * PAD];
      page.fill((c) => c.arc(x, y, pen.down ? 6 : 3, 0, 7), colours.pink);
      page.stroke((c) => c.arc(x, y, 9, 0, 7), colours.pink, { lineWidth: 2 });
    }
    const state = `The pen is ${pen.down ? "down" : "lifted"}, ${Math.round(100 * pen.x)} percent from the left, ${Math.round(100 * pen.y)} from the top.`;
    board.setAttribute("aria-label", `Writing pad with ${count(get("strokes").length, "stroke")}. The arrow keys move the pen, space lowers or lifts it. ${state}`);
  }

  // From left to right: the picture, the hidden layers, the answer. Places of the neurons are kept for the spikes.
  function drawNet(picture, { runs, outputs }) {
    const page = inside.begin();
    const { colours, width } = page;
    const step = get("step");
    const unit = Math.min(13.5, width / 31);
    const side = Math.min(112, 0.25 * width);
    const sizes = [side, ...shapes.map(([columns]) => columns * unit), 46];
    const gap = (width - sizes.reduce((sum, each) => sum + each, 0)) / 3;
    const starts = sizes.map((_, k) => sizes.slice(0, k).reduce((sum, each) => sum + each + gap, 0));
    const middle = 24 + 8 * unit + (PAD - 24 - 16 * unit) / 2;

    const pixel = side / FIELD;
    page.fill((c) => c.rect(0, middle - side / 2, side, side), colours.ink, 0.06);
    picture.forEach((value, k) => {
      if (value === 0) return;
      const [x, y] = [(k % FIELD) * pixel, middle - side / 2 + Math.floor(k / FIELD) * pixel];
      page.fill((c) => c.rect(x, y, pixel + 0.3, pixel + 0.3), colours.ink, value);
    });
    page.text("28 × 28", side / 2, 13, { align: "center", alpha: 0.75 });
    for (const end of [-1, 1]) {
      const path = (c) => (c.moveTo(side, middle + (end * side) / 2), c.lineTo(starts[1] - 3, middle + 8 * end * unit));
      page.stroke(path, colours.ink, { lineWidth: 1, alpha: 0.2 });
    }

    const places = shapes.map(([columns], layer) => (neuron) => [
      starts[layer + 1] + unit * ((neuron % columns) + 0.5),
      middle + unit * (Math.floor(neuron / columns) - 7.5),
    ]);
    places.push((digit) => [starts[3] + 4, middle + 1.6 * unit * (digit - 4.5)]);
    flights.forEach((targets, layer) => {
      const share = 2 * flown - layer;
      if (frame && share > 0 && share < 1) drawFlights(page, targets, runs[layer], step, places[layer], places[layer + 1], share);
    });
    runs.forEach(({ spikes, potential }, layer) => {
      const units = layers[layer].units;
      const here = spikes.subarray((step - 1) * units, step * units);
      const level = potential.subarray((step - 1) * units, step * units);
      const arrived = 2 * flown >= layer;
      here.forEach((spike, neuron) => {
        const circle = (c) => c.arc(...places[layer](neuron), 0.4 * unit, 0, 7);
        page.fill(circle, colours.ink, 0.06 + 0.24 * Math.max(0, Math.min(1, level[neuron])));
        if (spike && arrived) page.fill(circle, layer ? colours.orange : colours.blue);
      });
      const fired = here.reduce((sum, each) => sum + each, 0);
      const words = count(fired, "spike");
      (width < 420 ? words.split(" ") : [words]).forEach((line, k) => {
        if (!arrived) return;
        page.text(line, starts[layer + 1] + sizes[layer + 1] / 2, 13 + 14 * k, { align: "center", colour: layer ? colours.orange : colours.blue });
      });
    });

    // Sums that are still on their way do not count.
    const known = flown >= 1 ? step : step - 1;
    const sums = known ? outputs.slice(10 * (known - 1), 10 * known) : new Float64Array(10);
    const [first] = ranking(sums);
    const weights = sums.map((each) => Math.exp(each - sums[first]));
    const total = weights.reduce((sum, each) => sum + each, 0);
    weights.forEach((weight, digit) => {
      const [x, y] = places.at(-1)(digit);
      const leads = known && get("strokes").length && digit === first;
      page.text(String(digit), x + 8, y, { baseline: "middle", align: "center", size: leads ? 17 : 13, alpha: leads ? 1 : 0.7 });
      if (get("strokes").length && known) {
        page.fill((c) => c.roundRect(x + 17, y - 3, 2 + (22 * weight) / total, 6, 3), colours.green, leads ? 1 : 0.6);
      }
    });
    page.text("answer", starts[3] + 22, 13, { align: "center", alpha: 0.75 });
  }

  // Spikes on their way along the strongest connections: those that excite in the layer's colour, others pale.
  function drawFlights(page, targets, { spikes }, step, from, to, share) {
    const units = targets.length;
    const eased = share * share * (3 - 2 * share);
    targets.forEach((reached, neuron) => {
      if (!spikes[(step - 1) * units + neuron]) return;
      const [startX, startY] = from(neuron);
      for (const { target, weight } of reached) {
        const [endX, endY] = to(target);
        const at = (part) => [startX + (endX - startX) * part, startY + (endY - startY) * part];
        const colour = weight > 0 ? page.colours.blue : page.colours.pink;
        const [tail, head] = [at(Math.max(0, eased - 0.25)), at(eased)];
        page.stroke((c) => (c.moveTo(...tail), c.lineTo(...head)), colour, { lineWidth: 1, alpha: 0.45 });
        page.fill((c) => c.arc(...head, 1.8, 0, 7), colour, 0.9);
      }
    });
  }

  function drawTraces({ outputs }, first, second) {
    const page = traces.begin();
    const { colours, width } = page;
    const right = width - 26;
    const x = scale([0, net.steps], [34, right]);
    const highest = Math.max(1, ...outputs);
    const lowest = Math.min(-1, ...outputs);
    const y = scale([lowest, highest], [168, 30]);
    const coarse = 10 ** Math.floor(Math.log10(highest - lowest));
    const spacing = [0.5, 1, 2, 5].map((each) => each * coarse).find((each) => (highest - lowest) / each <= 5);
    const ticks = [];
    for (let tick = Math.ceil(lowest / spacing) * spacing; tick <= highest; tick += spacing) ticks.push(Number(tick.toFixed(6)));
    const written = get("strokes").length > 0;

    verticalAxis(page, y, ticks, 34, right, "");
    page.text("ten sums of what the spikes say", 34, 14, { alpha: 0.75 });
    horizontalAxis(page, x, Array.from({ length: net.steps + 1 }, (_, t) => t), 174, "time step");
    const now = x(get("step") - 1 + flown);
    page.stroke((c) => (c.moveTo(now, 24), c.lineTo(now, 174)), colours.pink, { lineWidth: 1.5, dash: [2, 2] });
    const colourOf = (digit) => (!written ? colours.ink : digit === first ? colours.blue : digit === second ? colours.orange : colours.ink);
    const order = ranking(outputs.slice(-10)).reverse();
    for (const digit of order) {
      const stands = written && (digit === first || digit === second);
      const path = (c) => {
        c.moveTo(x(0), y(0));
        for (let t = 0; t < net.steps; t++) c.lineTo(x(t + 1), y(outputs[10 * t + digit]));
      };
      page.stroke(path, colourOf(digit), { lineWidth: stands ? 2.4 : 1, alpha: stands ? 1 : 0.4 });
    }
    const levels = spread(order.map((digit) => y(outputs[outputs.length - 10 + digit])), 12, 20, 166);
    order.forEach((digit, k) => {
      const stands = written && (digit === first || digit === second);
      page.text(String(digit), right + 8, levels[k], {
        baseline: "middle", colour: colourOf(digit), size: stands ? 14 : 11, alpha: stands ? 1 : 0.7,
      });
    });
  }

  function describe({ runs, outputs }, answer, first, margin) {
    const fired = runs.map(({ spikes }) => spikes.reduce((sum, each) => sum + each, 0));
    const spikes = `${fired[0]} and ${fired[1]} spikes in the two layers`;
    const needed = `${margin.toFixed(1)}, and an answer needs ${net.margin.toFixed(1)}`;
    place.say(
      !get("strokes").length
        ? "Nothing is written."
        : answer === null
          ? `The net is not sure; its best guess is ${first}. The margin over the second is ${needed}. There were ${spikes}.`
          : `The net reads ${answer}. Its margin over the second is ${needed}. There were ${spikes}.`,
    );
    inside.canvas.setAttribute("aria-label", `The net at step ${get("step")} of ${net.steps}: the picture, two hidden layers, ten outputs. ${spikes}.`);
    const sums = ranking(outputs.slice(-10)).map((digit) => `${digit}: ${outputs[outputs.length - 10 + digit].toFixed(1)}`);
    traces.canvas.setAttribute("aria-label", `The ten sums over the steps. At the end: ${sums.join(", ")}.`);
  }

  place.draw();
  return () => {
    stop();
    place.dispose();
  };
}

// Where labels go that belong at `ends`, from the lowest one on the page up: moved apart by `room`, first halfway between
// pushing each up and pushing each down, then into the field between `top` and `bottom`.
export function spread(ends, room, top, bottom) {
  const up = ends.reduce((levels, end) => [...levels, Math.min(end, (levels.at(-1) ?? Infinity) - room)], []);
  const down = ends.reduceRight((levels, end) => [Math.max(end, (levels[0] ?? -Infinity) + room), ...levels], []);
  const last = ends.length - 1;
  return ends.map((_, k) =>
    Math.max(top + room * (last - k), Math.min(bottom - room * k, (up[k] + down[k]) / 2)),
  );
}

// For each unit that sends spikes, its strongest connections into a layer.
function strongest({ inputs, units, weights }) {
  return Array.from({ length: inputs }, (_, sender) => {
    const all = Array.from({ length: units }, (_, target) => ({ target, weight: weights[target * inputs + sender] }));
    return all.sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight)).slice(0, FLIGHTS);
  });
}

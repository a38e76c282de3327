import { FIELD } from "./ink.js";
import { ranking } from "./reading.js";
import { PAD } from "./writing_pad.js";
import { count } from "./drawing.js";

// A net while it reads: its picture, its neurons, and the spikes that fly between them.

const FLIGHTS = 4; // of a spike, along the strongest of its connections

// From left to right: the picture, the hidden layers, the answer. While it `flies`, spikes have come as far as `flown`:
// to 0.5 between the hidden layers, to 1 at the output.
export function drawNet(page, { layers, flights }, picture, { runs, outputs }, { step, flown, flies, written }) {
  const { width } = page;
  const shapes = layers.slice(0, -1).map(({ units }) => [units / 16, 16]); // neurons side by side, and in a column
  const unit = Math.min(13.5, width / 31);
  const side = Math.min(112, 0.25 * width);
  const sizes = [side, ...shapes.map(([columns]) => columns * unit), 46];
  const gap = (width - sizes.reduce((sum, each) => sum + each, 0)) / 3;
  const starts = sizes.map((_, k) => sizes.slice(0, k).reduce((sum, each) => sum + each + gap, 0));
  const middle = 24 + 8 * unit + (PAD - 24 - 16 * unit) / 2;
  // Where the neurons of a layer are, kept for the spikes.
  const places = shapes.map(([columns], layer) => (neuron) => [
    starts[layer + 1] + unit * ((neuron % columns) + 0.5),
    middle + unit * (Math.floor(neuron / columns) - 7.5),
  ]);
  places.push((digit) => [starts[3] + 4, middle + 1.6 * unit * (digit - 4.5)]);

  drawPicture(page, picture, side, middle, [starts[1] - 3, 8 * unit]);
  flights.forEach((targets, layer) => {
    const share = 2 * flown - layer;
    if (flies && share > 0 && share < 1) drawFlights(page, targets, runs[layer], step, places[layer], places[layer + 1], share);
  });
  runs.forEach((run, layer) => {
    const centre = starts[layer + 1] + sizes[layer + 1] / 2;
    drawNeurons(page, run, layers[layer].units, step, places[layer], unit, centre, layer ? "orange" : "blue", 2 * flown >= layer);
  });
  // Sums that are still on their way do not count.
  drawAnswer(page, outputs, flown >= 1 ? step : step - 1, written, places.at(-1), starts[3] + 22);
}

// The picture as the net sees it, and the two lines to the corners of the first layer.
function drawPicture({ fill, text, stroke, colours }, picture, side, middle, [end, half]) {
  const pixel = side / FIELD;
  fill((c) => c.rect(0, middle - side / 2, side, side), colours.ink, 0.06);
  picture.forEach((value, k) => {
    if (value === 0) return;
    const [x, y] = [(k % FIELD) * pixel, middle - side / 2 + Math.floor(k / FIELD) * pixel];
    fill((c) => c.rect(x, y, pixel + 0.3, pixel + 0.3), colours.ink, value);
  });
  text("28 × 28", side / 2, 13, { align: "center", alpha: 0.75 });
  for (const sign of [-1, 1]) {
    const path = (c) => (c.moveTo(side, middle + (sign * side) / 2), c.lineTo(end, middle + sign * half));
    stroke(path, colours.ink, { lineWidth: 1, alpha: 0.2 });
  }
}

// A layer at a step: darker with the potential, in colour where there is a spike that has `arrived`.
function drawNeurons({ fill, text, width, colours }, { spikes, potential }, units, step, place, unit, centre, colour, arrived) {
  const here = spikes.subarray((step - 1) * units, step * units);
  const level = potential.subarray((step - 1) * units, step * units);
  here.forEach((spike, neuron) => {
    const circle = (c) => c.arc(...place(neuron), 0.4 * unit, 0, 7);
    fill(circle, colours.ink, 0.06 + 0.24 * Math.max(0, Math.min(1, level[neuron])));
    if (spike && arrived) fill(circle, colours[colour]);
  });
  if (!arrived) return;
  const fired = here.reduce((sum, each) => sum + each, 0);
  const words = count(fired, "spike");
  const lines = width < 420 ? words.split(" ") : [words];
  lines.forEach((line, k) => text(line, centre, 13 + 14 * k, { align: "center", colour: colours[colour] }));
}

// The ten digits, with a bar for the share of each after `known` steps.
function drawAnswer({ fill, text, colours }, outputs, known, written, place, centre) {
  const sums = known ? outputs.slice(10 * (known - 1), 10 * known) : new Float64Array(10);
  const [first] = ranking(sums);
  const shares = sums.map((each) => Math.exp(each - sums[first]));
  const total = shares.reduce((sum, each) => sum + each, 0);
  shares.forEach((share, digit) => {
    const [x, y] = place(digit);
    const leads = known && written && digit === first;
    text(String(digit), x + 8, y, { baseline: "middle", align: "center", size: leads ? 17 : 13, alpha: leads ? 1 : 0.7 });
    if (written && known) {
      fill((c) => c.roundRect(x + 17, y - 3, 2 + (22 * share) / total, 6, 3), colours.green, leads ? 1 : 0.6);
    }
  });
  text("answer", centre, 13, { align: "center", alpha: 0.75 });
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

// For each unit that sends spikes, its strongest connections into a layer.
export function strongest({ inputs, units, weights }) {
  return Array.from({ length: inputs }, (_, sender) => {
    const all = Array.from({ length: units }, (_, target) => ({ target, weight: weights[target * inputs + sender] }));
    return all.sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight)).slice(0, FLIGHTS);
  });
}

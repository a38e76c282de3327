import { favourite, wholeGradient } from "./network.js";
import { CLASS_COLOURS, MARKS } from "./decision_map.js";
import { scale, horizontalAxis, count } from "./drawing.js";

// What is inside a network: its spikes and sums for one input, or its weights and their gradients.

// The hidden units' spikes and the output sums for the ringed point, over the steps; said in words too.
export function drawSpikes(pen, { name, net, rule }, problem, potential) {
  const { colours, width } = pen;
  const { leak, steps, hidden } = rule;
  const { weights, shape } = net;
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
  return `Run ${name}: ${count(fired, "hidden spike")} at the ringed point, answer ${problem.classes[winner]}`;
}

// One row a hidden unit: bars for its weights to the left, for their gradients to the right; said in words too.
export function drawWeights(pen, { name, net, rule }, problem) {
  const gradient = wholeGradient(net, problem.train, rule);
  const half = (pen.width - 16) / 2;
  drawBars(pen, problem, net.shape, "weights", net.weights, 0, half, pen.colours.ink);
  drawBars(pen, problem, net.shape, "gradients", gradient, half + 16, half, pen.colours.pink);
  return `Run ${name}: weights of ${count(net.shape.hidden, "hidden unit")} and the gradient of the loss with respect to each`;
}

function drawBars(pen, problem, { inputs, hidden, classes }, title, values, left, width, colour) {
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

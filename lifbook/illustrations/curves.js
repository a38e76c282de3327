import { scale, verticalAxis, horizontalAxis } from "./drawing.js";

// Loss and accuracy of two runs over the epochs.

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

// A value of both runs over the epochs, its axis bent by `bend`; said in words too.
export function drawCurve(pen, runs, { label, value, axis, bend }) {
  const { colours, width } = pen;
  const { epoch } = runs[0];
  let last = 50;
  while (last < epoch) last *= 2;
  const x = scale([0, last], [36, width - 16]);
  const all = runs.flatMap(({ history, before }) => [...history, ...(before?.slice(0, last + 1) ?? [])]).map(value);
  const ticks = axis(Math.min(...all), Math.max(...all));
  const straight = scale([ticks[0], ticks.at(-1)].map(bend), [104, 24]);
  const y = (each) => straight(bend(Math.max(ticks[0], each)));
  verticalAxis(pen, y, ticks, 36, width - 16, "");
  pen.text(label, 4, 12, { alpha: 0.75 });
  horizontalAxis(pen, x, [0, last / 2, last], 104, "epoch");
  const line = (values) => (c) => values.forEach((each, n) => n <= last && c.lineTo(x(n), y(value(each))));
  for (const { name, history, before } of runs) {
    const colour = colours[RUN_COLOURS[name]];
    if (before) pen.stroke(line(before), colour, { lineWidth: 1, alpha: 0.45 });
    pen.stroke(line(history), colour, { lineWidth: 1.7 });
    const end = history.at(-1);
    pen.fill((c) => c.arc(x(epoch), y(value(end)), 2.8, 0, 7), colour);
  }
  // The runs' names at the ends of their lines, kept apart.
  const ends = runs.map(({ name, history }) => ({ name, at: y(value(history.at(-1))) })).sort((a, b) => a.at - b.at);
  const push = Math.max(0, (13 - (ends[1].at - ends[0].at)) / 2);
  ends[0].at -= push;
  ends[1].at += push;
  for (const { name, at } of ends) {
    pen.text(name, x(epoch) + 5, at, { colour: colours[RUN_COLOURS[name]], baseline: "middle", size: 12 });
  }
  const values = runs.map(({ name, history }) => `run ${name} ${value(history.at(-1)).toPrecision(3)}`);
  return `${label} over epochs, after ${epoch}: ${values.join(", ")}`;
}

export const CURVES = {
  loss: { label: "loss", value: (each) => each.loss, axis: lossAxis, bend: Math.log10 },
  accuracy: { label: "accuracy (%)", value: (each) => 100 * each.accuracy, axis: accuracyAxis, bend: (each) => each },
};

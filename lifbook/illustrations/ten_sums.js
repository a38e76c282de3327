import { ranking } from "./reading.js";
import { scale, verticalAxis, horizontalAxis } from "./drawing.js";

// The sums of the ten digits over the steps; `first` and `second` stand out where something is written.
export function drawSums(page, outputs, { steps, now: moment, written, first, second }) {
  const { colours, width } = page;
  const right = width - 26;
  const x = scale([0, steps], [34, right]);
  const highest = Math.max(1, ...outputs);
  const lowest = Math.min(-1, ...outputs);
  const y = scale([lowest, highest], [168, 30]);
  const coarse = 10 ** Math.floor(Math.log10(highest - lowest));
  const spacing = [0.5, 1, 2, 5].map((each) => each * coarse).find((each) => (highest - lowest) / each <= 5);
  const ticks = [];
  for (let tick = Math.ceil(lowest / spacing) * spacing; tick <= highest; tick += spacing) ticks.push(Number(tick.toFixed(6)));

  verticalAxis(page, y, ticks, 34, right, "");
  page.text("ten sums of what the spikes say", 34, 14, { alpha: 0.75 });
  horizontalAxis(page, x, Array.from({ length: steps + 1 }, (_, t) => t), 174, "time step");
  const now = x(moment);
  page.stroke((c) => (c.moveTo(now, 24), c.lineTo(now, 174)), colours.pink, { lineWidth: 1.5, dash: [2, 2] });
  const colourOf = (digit) => (!written ? colours.ink : digit === first ? colours.blue : digit === second ? colours.orange : colours.ink);
  const order = ranking(outputs.slice(-10)).reverse();
  for (const digit of order) {
    const stands = written && (digit === first || digit === second);
    const path = (c) => {
      c.moveTo(x(0), y(0));
      for (let t = 0; t < steps; t++) c.lineTo(x(t + 1), y(outputs[10 * t + digit]));
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

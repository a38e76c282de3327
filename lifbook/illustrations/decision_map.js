import { leakySum } from "./network.js";
import { scale, followPointer } from "./drawing.js";

// What a network would answer all over the plane, with the training points, and the point that the reader looks at.

const REACH = 1.12; // of the map, as seen from its centre
export const CLASS_COLOURS = ["blue", "orange", "green"];
// A shape for each class, of radius r.
export const MARKS = [
  (c, x, y, r) => (c.moveTo(x + r, y), c.arc(x, y, r, 0, 7)),
  (c, x, y, r) => c.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r),
  (c, x, y, r) => (c.moveTo(x, y - 1.3 * r), c.lineTo(x + 1.2 * r, y + 0.9 * r), c.lineTo(x - 1.2 * r, y + 0.9 * r), c.closePath()),
];

const input = new Float64Array(4);
let grid = null; // a canvas for a map's answers, one pixel a point

// The same unit across and up, whatever the shape of the canvas.
function mapScales(width, height) {
  const unit = Math.min(width, height) / (2 * REACH);
  return {
    x: scale([-1, 1], [width / 2 - unit, width / 2 + unit]),
    y: scale([-1, 1], [height / 2 + unit, height / 2 - unit]),
  };
}

// The reader's point on a map follows pointer and arrow keys.
export function listenToMap(surface, { get, assign }) {
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

export function drawMap(pen, { net, rule }, problem, probe, withBorders) {
  const { colours, width, height, context } = pen;
  if (!width) return;
  const { x, y } = mapScales(width, height);
  const rgb = CLASS_COLOURS.map((name) => [1, 3, 5].map((at) => parseInt(colours[name].slice(at, at + 2), 16)));
  fillGrid(net, rule, problem, x.invert(0), x.invert(width), y.invert(0), y.invert(height), rgb);
  context.save();
  context.beginPath();
  context.roundRect(0, 0, width, height, 6);
  context.clip();
  context.imageSmoothingQuality = "high";
  context.drawImage(grid, 0, 0, width, height);
  if (withBorders) drawBorders(pen, net, rule, problem, x, y);
  drawPoints(pen, problem, x, y);
  context.restore();
  pen.stroke((c) => c.roundRect(0.5, 0.5, width - 1, height - 1, 6), colours.ink, { lineWidth: 1, alpha: 0.25 });
  pen.text(`${problem.labels[0]} →`, width - 6, height - 6, { align: "right", alpha: 0.75, size: 11 });
  pen.text(`↑ ${problem.labels[1]}`, 6, 14, { alpha: 0.75, size: 11 });
  const [across, up] = [x(probe[0]), y(probe[1])];
  pen.stroke((c) => c.arc(across, up, 7, 0, 7), colours.ink, { lineWidth: 2 });
}

// What the network would answer all over the map: the classes' colours, mixed by probability and paler in doubt.
function fillGrid(net, rule, problem, left, right, top, bottom, rgb) {
  const { hidden, steps } = rule;
  const cells = Math.max(600, Math.min(2200, 1e6 / (hidden * steps))); // the price of a cell is hidden x steps
  const rows = Math.round(Math.sqrt((cells * (top - bottom)) / (right - left)));
  const columns = Math.round(cells / rows);
  grid ??= document.createElement("canvas");
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
      net.glance(input, 0, rule);
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

// The training points.
function drawPoints(pen, problem, x, y) {
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
function drawBorders(pen, { weights, shape }, { leak, steps }, problem, x, y) {
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

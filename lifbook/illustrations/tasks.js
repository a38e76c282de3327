import { uniforms, normals, shuffle } from "./chance.js";

// What a network can learn here: points in a plane, or IRIS. Every task has training and new examples, as { x, y } with
// one example after the other in x, and says which two of its inputs the map shows, with a name for each input and what
// the names mean. `place` writes the input of a point of the map.

const MAKERS = { "Yin-Yang": yinYang, circles, IRIS: iris };
export const LEGEND = "Inputs: length (1) and width (2) of the sepals, length (3) and width (4) of the petals."; // of IRIS
const EXAMPLES = 300; // for training, and as many new ones

// `table` is IRIS, as Python gives it: { flowers, species, sepals }.
export function task(name, seed, table) {
  return MAKERS[name](uniforms(seed), table);
}

function plane(classes, draw) {
  const set = () => {
    const x = new Float64Array(2 * EXAMPLES);
    const y = Uint8Array.from({ length: EXAMPLES }, (_, n) => n % classes.length);
    for (let n = 0; n < EXAMPLES; n++) x.set(draw(y[n]), 2 * n);
    return { x, y };
  };
  const place = (across, up, input) => {
    input[0] = across;
    input[1] = up;
  };
  return { train: set(), test: set(), inputs: 2, classes, shown: [0, 1], labels: ["x", "y"], names: ["x", "y"], legend: "", place };
}

// Yin, yang and the dots, after Kriener, Göltz and Petrovici, in the circle of radius 1.
function yinYang(uniform) {
  const part = (x, y) => {
    const right = Math.hypot(x - 0.5, y);
    const left = Math.hypot(x + 0.5, y);
    if (Math.min(left, right) <= 0.2) return 2;
    return left <= 0.5 || (y > 0 && right > 0.5) ? 0 : 1;
  };
  return plane(["yin", "yang", "dots"], (wanted) => {
    for (;;) {
      const x = 2 * uniform() - 1;
      const y = 2 * uniform() - 1;
      if (Math.hypot(x, y) <= 1 && part(x, y) === wanted) return [x, y];
    }
  });
}

function circles(uniform) {
  const normal = normals(uniform);
  return plane(["inner", "outer"], (wanted) => {
    const angle = 2 * Math.PI * uniform();
    const radius = [0.35, 0.8][wanted] + 0.1 * normal();
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });
}

// 100 of the 150 flowers for training. Each measurement is scaled to -1 ... 1 by the training flowers. The map shows the
// petals; its points have the sepals that go with such petals on average.
function iris(uniform, { flowers, species, sepals }) {
  const order = Uint16Array.from(flowers.keys());
  shuffle(order, uniform);
  const shuffled = Array.from(order, (n) => flowers[n]);
  const training = shuffled.slice(0, 100);
  const low = [0, 1, 2, 3].map((i) => Math.min(...training.map((flower) => flower[i])));
  const high = [0, 1, 2, 3].map((i) => Math.max(...training.map((flower) => flower[i])));
  const scaled = (value, i) => (2 * (value - low[i])) / (high[i] - low[i]) - 1;
  const set = (chosen) => ({
    x: Float64Array.from(chosen.flatMap((flower) => flower.slice(0, 4).map(scaled))),
    y: Uint8Array.from(chosen, (flower) => flower[4]),
  });
  const place = (across, up, input) => {
    const length = low[2] + ((across + 1) / 2) * (high[2] - low[2]);
    const width = low[3] + ((up + 1) / 2) * (high[3] - low[3]);
    sepals.forEach(([a, b, c], i) => (input[i] = scaled(a * length + b * width + c, i)));
    input[2] = across;
    input[3] = up;
  };
  return {
    train: set(training),
    test: set(shuffled.slice(100)),
    inputs: 4,
    classes: species,
    shown: [2, 3],
    labels: ["petal length", "petal width"],
    names: ["1", "2", "3", "4"],
    legend: LEGEND,
    place,
  };
}

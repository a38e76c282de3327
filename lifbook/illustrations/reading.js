import { simulate } from "./neuron.js";

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
export function ranking(sums) {
  return [...sums.keys()].sort((a, b) => sums[b] - sums[a]);
}

import { SURROGATES } from "./neuron.js";
import { shuffle } from "./chance.js";

// A network of LIF neurons that learns: inputs as constant currents -> dense -> LIF neurons -> dense -> leaky sums, and
// the softmax of the sums at the last step. In Keras: ConstantEncoder, Dense, LIF, Dense, LeakyIntegrator.
// The rule is lif.LIF's with its defaults: threshold 1, reset to zero and detached, no refractory period, floor 0. The
// sums have the neurons' leak. All numbers live in typed arrays made once; no update allocates anything.

// The parameters in one array, layer by layer: where each part begins, and its size at the end.
export function layout({ inputs, hidden, classes }) {
  const bias1 = inputs * hidden; // before it the first kernel, weight (i, h) at i * hidden + h
  const kernel2 = bias1 + hidden;
  const bias2 = kernel2 + hidden * classes;
  return { bias1, kernel2, bias2, size: bias2 + classes };
}

// Uniform numbers with Glorot's bounds in the first layer and smaller ones in the second, so that the first sums are
// close to zero and no class is favoured. Biases start at 0.
export function initialWeights(shape, uniform) {
  const { bias1, kernel2, bias2, size } = layout(shape);
  const weights = new Float64Array(size);
  const bound = Math.sqrt(6 / (shape.inputs + shape.hidden));
  for (let i = 0; i < bias1; i++) weights[i] = bound * (2 * uniform() - 1);
  for (let i = kernel2; i < bias2; i++) weights[i] = 0.1 * (2 * uniform() - 1);
  return weights;
}

export function network(shape, weights) {
  const { inputs, hidden, classes } = shape;
  const { bias1, kernel2, bias2, size } = layout(shape);
  const net = {
    shape,
    weights,
    gradient: new Float64Array(size),
    potential: new Float64Array(0), // of hidden unit h at step t at h * steps + t, before the reset
    trace: new Float64Array(hidden), // of each hidden unit: its spikes, added up with the leak
    probability: new Float64Array(classes),
    forward,
    glance,
    backward,
  };
  let { potential } = net;
  let powers = []; // of 1 - leak
  let powersOf = null;
  const { gradient, trace, probability } = net;

  // The answer to the example that begins at `row` of `x`, into `probability`.
  function forward(x, row, { leak, steps }) {
    if (potential.length !== hidden * steps) potential = net.potential = new Float64Array(hidden * steps);
    const kept = 1 - leak;
    for (let h = 0; h < hidden; h++) {
      let current = weights[bias1 + h];
      for (let i = 0; i < inputs; i++) current += x[row + i] * weights[i * hidden + h];
      let v = 0;
      let sum = 0;
      for (let t = h * steps; t < (h + 1) * steps; t++) {
        v = kept * v + current;
        if (v < 0) v = 0;
        potential[t] = v;
        sum *= kept;
        if (v >= 1) {
          sum += 1;
          v = 0;
        }
      }
      trace[h] = sum;
    }
    finish(leakySum(leak, steps));
  }

  // The same without the potentials, and faster. Under a constant current the neuron is a clock: it begins at 0 again
  // after each spike, so the first one tells all others.
  function glance(x, row, { leak, steps }) {
    const kept = 1 - leak;
    if (powers.length !== steps || powersOf !== kept) {
      powers = Float64Array.from({ length: steps }, (_, t) => kept ** t);
      powersOf = kept;
    }
    const whole = leakySum(leak, steps);
    for (let h = 0; h < hidden; h++) {
      let current = weights[bias1 + h];
      for (let i = 0; i < inputs; i++) current += x[row + i] * weights[i * hidden + h];
      trace[h] = 0;
      if (current * whole < 1) continue; // never reaches threshold
      let period = 0;
      for (let v = 0; v < 1 && period <= steps; period++) v = kept * v + current;
      for (let t = period; t <= steps; t += period) trace[h] += powers[steps - t];
    }
    finish(whole);
  }

  // From the traces to the probabilities; `whole` is what a constant 1 adds up to.
  function finish(whole) {
    let highest = -Infinity;
    for (let k = 0; k < classes; k++) {
      let sum = whole * weights[bias2 + k];
      for (let h = 0; h < hidden; h++) sum += trace[h] * weights[kernel2 + h * classes + k];
      probability[k] = sum;
      if (sum > highest) highest = sum;
    }
    let total = 0;
    for (let k = 0; k < classes; k++) total += probability[k] = Math.exp(probability[k] - highest);
    for (let k = 0; k < classes; k++) probability[k] /= total;
  }

  // Adds `share` of the gradient of the example's cross-entropy; call it right after `forward`.
  function backward(x, row, label, share, { leak, steps, surrogate, beta }) {
    const slope = SURROGATES[surrogate];
    const kept = 1 - leak;
    const constant = leakySum(leak, steps);
    for (let k = 0; k < classes; k++) {
      gradient[bias2 + k] += share * constant * (probability[k] - (k === label ? 1 : 0));
    }
    for (let h = 0; h < hidden; h++) {
      let blame = 0; // dL / d(spike of the last step); a step earlier it is less by the leak of the sums
      for (let k = 0; k < classes; k++) {
        const error = share * (probability[k] - (k === label ? 1 : 0));
        gradient[kernel2 + h * classes + k] += trace[h] * error;
        blame += weights[kernel2 + h * classes + k] * error;
      }
      if (potential[h * steps] === 0) continue; // no current, so on the floor all the time
      let m = 0; // dL / d(current of this step)
      let sum = 0;
      for (let t = (h + 1) * steps - 1; t >= h * steps; t--) {
        const v = potential[t];
        if (v > 0) {
          m = slope(v - 1, beta) * blame + (v >= 1 ? 0 : kept * m);
          sum += m;
        } else m = 0; // on the floor
        blame *= kept;
      }
      gradient[bias1 + h] += sum;
      for (let i = 0; i < inputs; i++) gradient[i * hidden + h] += x[row + i] * sum;
    }
  }

  return net;
}

// What a constant 1 adds up to in a leaky sum.
export function leakySum(leak, steps) {
  let sum = 0;
  for (let t = 0; t < steps; t++) sum = (1 - leak) * sum + 1;
  return sum;
}

// Adam as in Keras, with its defaults.
export function adam(size) {
  const mean = new Float64Array(size);
  const square = new Float64Array(size);
  let step = 0;
  return (weights, gradient, rate) => {
    step++;
    const scaled = (rate * Math.sqrt(1 - 0.999 ** step)) / (1 - 0.9 ** step);
    for (let i = 0; i < size; i++) {
      mean[i] += 0.1 * (gradient[i] - mean[i]);
      square[i] += 0.001 * (gradient[i] ** 2 - square[i]);
      weights[i] -= (scaled * mean[i]) / (Math.sqrt(square[i]) + 1e-7);
    }
  };
}

// Mean cross-entropy and accuracy over a set of examples, and how many of the neurons are silent (they spike for no
// example) or saturated (for most of the examples that they spike for, they spike at every step).
export function evaluate(net, { x, y }, rule) {
  const { inputs, hidden } = net.shape;
  const [everyStep, spiking, full] = [(1 - 1e-9) * leakySum(rule.leak, rule.steps), new Uint16Array(hidden), new Uint16Array(hidden)];
  let loss = 0;
  let right = 0;
  for (let n = 0; n < y.length; n++) {
    net.glance(x, n * inputs, rule);
    loss -= Math.log(Math.max(net.probability[y[n]], 1e-300));
    right += favourite(net.probability) === y[n] ? 1 : 0;
    for (let h = 0; h < hidden; h++) {
      if (net.trace[h] > 0) spiking[h]++;
      if (net.trace[h] > everyStep) full[h]++;
    }
  }
  let [silent, saturated] = [0, 0];
  for (let h = 0; h < hidden; h++) {
    if (spiking[h] === 0) silent++;
    else if (rule.steps > 1 && full[h] > spiking[h] / 2) saturated++;
  }
  return { loss: loss / y.length, accuracy: right / y.length, silent, saturated };
}

// The gradient of that mean cross-entropy with respect to all weights.
export function wholeGradient(net, { x, y }, rule) {
  net.gradient.fill(0);
  for (let n = 0; n < y.length; n++) {
    net.forward(x, n * net.shape.inputs, rule);
    net.backward(x, n * net.shape.inputs, y[n], 1 / y.length, rule);
  }
  return net.gradient;
}

// Whether that gradient reaches any weight or bias of the first layer.
export function passesGradient(net, data, rule) {
  return wholeGradient(net, data, rule).subarray(0, layout(net.shape).kernel2).some((each) => each !== 0);
}

export function favourite(probability) {
  let best = 0;
  for (let k = 1; k < probability.length; k++) if (probability[k] > probability[best]) best = k;
  return best;
}

// One run: a network with its optimiser and its own order of the examples. `update` takes one batch.
export function trainer(shape, data, weights, uniform, batch) {
  const net = network(shape, weights);
  const optimise = adam(weights.length);
  const order = Uint16Array.from({ length: data.y.length }, (_, n) => n);
  const run = { net, epoch: 0, update };
  let next = order.length; // a new epoch begins with the first batch

  function update(rule) {
    if (next >= order.length) {
      shuffle(order, uniform);
      next = 0;
    }
    const end = Math.min(next + batch, order.length);
    const share = 1 / (end - next);
    net.gradient.fill(0);
    for (; next < end; next++) {
      const row = order[next] * shape.inputs;
      net.forward(data.x, row, rule);
      net.backward(data.x, row, data.y[order[next]], share, rule);
    }
    optimise(weights, net.gradient, rule.rate);
    if (next === order.length) run.epoch++;
    return next === order.length; // whether the epoch is complete
  }

  return run;
}

// Leaky integrate-and-fire neurons and their gradient: the equations of lif/reference.py, line for line.
// Sequences are Float64Arrays with time outside and units inside: the value of unit u at step t is at t * units + u.
// A rule is { leak, threshold, reset, refractory, floor }, as for lif.LIF; what is left out has its default.

// Surrogate derivatives as functions of z = v - threshold.
export const SURROGATES = {
  constant: () => 1,
  superspike: (z, beta = 10) => 1 / ((beta * Math.abs(z) + 1) * (beta * Math.abs(z) + 1)), // faster than a power
  sigmoid: (z, beta = 10) => 0.25 / Math.cosh(Math.max(-300, Math.min(300, (beta * z) / 2))) ** 2,
  logistic: (z, beta = 5) => (beta * 0.25) / Math.cosh(Math.max(-300, Math.min(300, (beta * z) / 2))) ** 2,
  triangle: (z, beta = 10) => Math.max(0, 1 - beta * Math.abs(z)),
  arctan: (z, alpha = 2) => 1 / (1 + ((Math.PI / 2) * alpha * z) ** 2),
  multi_gaussian: (z, width = 0.5, h = 0.15, scale = 6) =>
    (1 + h) * density(z, width) - h * (density(z - width, scale * width) + density(z + width, scale * width)),
};

function density(distance, width) {
  return Math.exp(-(distance ** 2) / (2 * width ** 2)) / (width * Math.sqrt(2 * Math.PI));
}

const DEFAULTS = { threshold: 1, reset: "zero", refractory: 0, floor: 0 };

export function afterReset(v, spike, { reset, threshold }) {
  if (!spike || reset === "none") return v;
  return reset === "zero" ? 0 : v - threshold;
}

// The spikes, the potential before the reset, and which steps were open: not refractory.
export function simulate(input, rule, units = 1) {
  rule = { ...DEFAULTS, ...rule };
  const spikes = new Float64Array(input.length);
  const potential = new Float64Array(input.length);
  const open = new Uint8Array(input.length);
  for (let unit = 0; unit < units; unit++) {
    let v = 0; // the potential after the reset
    let wait = 0; // closed steps still to come
    for (let i = unit; i < input.length; i += units) {
      open[i] = wait === 0 ? 1 : 0;
      if (open[i]) {
        v = (1 - rule.leak) * v + input[i];
        if (rule.floor !== null) v = Math.max(rule.floor, v);
      }
      const spike = open[i] && v >= rule.threshold ? 1 : 0;
      spikes[i] = spike;
      potential[i] = v;
      v = afterReset(v, spike, rule);
      wait = spike ? rule.refractory : Math.max(wait - 1, 0);
    }
  }
  return { spikes, potential, open };
}

// The gradient of a loss with respect to the input and, per unit, the leak.
// `run` is what simulate returned; `spikeGradient` is dL/ds and `potentialGradient` dL/dv or null, of the input's length.
export function gradient(run, rule, surrogate, spikeGradient, potentialGradient = null, units = 1, detachReset = true) {
  rule = { ...DEFAULTS, ...rule };
  const { spikes, potential, open } = run;
  const inputGradient = new Float64Array(spikes.length);
  const leakGradient = new Float64Array(units);
  for (let unit = 0; unit < units; unit++) {
    let after = 0; // dL / d(potential after the reset of this step)
    for (let i = spikes.length - units + unit; i >= 0; i -= units) {
      const v = potential[i];
      const slope = open[i] ? surrogate(v - rule.threshold) : 0;
      let keep = spikes[i] && rule.reset === "zero" ? 0 : 1;
      if (!detachReset) keep -= { zero: v, subtract: rule.threshold, none: 0 }[rule.reset] * slope;
      const total = spikeGradient[i] * slope + (potentialGradient ? potentialGradient[i] : 0) + keep * after;
      inputGradient[i] = open[i] && (rule.floor === null || v > rule.floor) ? total : 0;
      if (i >= units) {
        leakGradient[unit] -= inputGradient[i] * afterReset(potential[i - units], spikes[i - units], rule);
      }
      after = open[i] ? (1 - rule.leak) * inputGradient[i] : total;
    }
  }
  return { inputGradient, leakGradient };
}

import { count } from "./drawing.js";

// What is to be seen of a run that learns, in words.

const PATIENT = 30; // epochs without progress that make a plateau
const NAMES_OF = { constant: "the constant", superspike: "superspike", sigmoid: "the sigmoid", triangle: "the triangle" };

// Everything that a reader should know of a run, as { kind, text } with the gravest first. `history` has the loss after
// each epoch; `silent` neurons spike for no training point, `saturated` ones in every step for most of the points they
// spike for, of `hidden` in all; `passes` says whether any gradient reaches them; `guess` is the loss of equal
// probabilities.
export function troubles(run, { history, silent, saturated, hidden, passes, guess, surrogate }) {
  const found = [];
  const loss = history.at(-1).loss;
  const least = Math.min(...history.map((each) => each.loss));
  const number = (value) => value.toPrecision(2);
  const few = hidden === 1 ? "its only neuron" : null;
  if (!Number.isFinite(loss) || (loss > 1.2 * guess && least < 0.8 * guess)) {
    const risen = Number.isFinite(loss) ? `risen from ${number(least)} to ${number(loss)}` : "become infinite";
    found.push({ kind: "diverged", text: `${run} diverged: its loss has ${risen}, and equal probabilities would give ${number(guess)}.` });
  }
  if (silent === hidden) {
    const who = few ? `${few} spikes for no training point` : `none of its ${hidden} neurons spikes for any training point`;
    const so = passes
      ? `; ${NAMES_OF[surrogate]} still passes a gradient`
      : `, so ${NAMES_OF[surrogate]} passes no gradient`;
    found.push({ kind: passes ? "silent" : "dead", text: `${run}: ${who}${so}.` });
  } else if (silent) {
    found.push({ kind: "some silent", text: `${run}: ${silent} of ${count(hidden, "neuron")} ${silent === 1 ? "is" : "are"} silent for all training points.` });
  }
  if (saturated) {
    const who = few ?? `${saturated} of ${count(hidden, "neuron")}`;
    const are = saturated === 1 ? "is" : "are";
    found.push({ kind: "saturated", text: `${run}: ${who} ${are} saturated (a spike at every step, or none).` });
  }
  const before = history.slice(0, -PATIENT);
  if (before.length) {
    const reached = Math.min(...before.map((each) => each.loss));
    if (least > 0.98 * reached) {
      found.push({ kind: "plateau", text: `${run} is on a plateau: its loss has fallen by less than 2 % in ${PATIENT} epochs.` });
    }
  }
  return found;
}

// Who is ahead, from the two accuracies: a run, or null where they are level.
export function leader(accuracyA, accuracyB) {
  const points = Math.round(100 * (accuracyA - accuracyB));
  if (Math.abs(points) < 2) return { run: null, text: "A and B are level." };
  const run = points > 0 ? "A" : "B";
  return { run, text: `${run} is ${Math.abs(points)} points ahead.` };
}

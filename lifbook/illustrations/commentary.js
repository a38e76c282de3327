import { RULE, RUNS } from "./runs.js";
import { troubles, leader } from "./status.js";
import { count } from "./drawing.js";

// What two runs are told to differ in, and what is to be seen of them, in words.

const WORDS = { surrogate: "surrogate", beta: "β", leak: "λ", learning_rate: "rate", steps: "T", hidden: "units" };
const CALM = 1000; // milliseconds for which words stand while it trains
export const LONGEST =
  "After 100 epochs. A: 50.0 % of new points right, loss 0.700; B: 50.0 % of new points right, loss 0.700. A is 40 points " +
  "ahead. A: 14 of 20 neurons are silent for all training points. A: 13 of 20 neurons are saturated (a spike at every step, " +
  "or none). B: none of its 20 neurons spikes for any training point, so the triangle passes no gradient. A and B differ in surrogate, β, λ.";

// The parameters that differ and matter: the constant has no sharpness.
export function differences(get) {
  const constant = get("surrogate") === "constant" || get("surrogate_b") === "constant";
  return RULE.filter((name) => get(name) !== get(`${name}_b`) && !(name === "beta" && constant));
}

// What sets a run apart from the other, or else its surrogate; `own` are the names of its parameters.
export function apart(get, own) {
  const values = own.map((name, i) => (RULE[i] === "surrogate" ? get(name) : `${WORDS[RULE[i]]} ${get(name)}`));
  return differences(get).map((name) => values[RULE.indexOf(name)]).join(", ") || get(own[0]);
}

// Tells what is to be seen. While it trains the words change once a second, or at once when something has happened, and a
// screen reader hears them only then, from `spoken`; the numbers it hears at a pause.
export function commentary(place, spoken, get) {
  let told = { kinds: "", at: 0, spoken: 0 };
  return ({ both, problem }) => {
    const running = get("running");
    const found = both.flatMap(({ name, history, neurons, rule }) =>
      troubles(name, { history, ...neurons, guess: Math.log(problem.classes.length), surrogate: rule.surrogate }),
    );
    const different = differences(get);
    const { epoch } = both[0];
    const now = both.map(({ history }) => history.at(-1));
    const race = epoch && different.length ? leader(...now.map(({ accuracy }) => accuracy)) : { run: null, text: "" };
    const kinds = [running, race.run, ...found.map(({ kind, text }) => text[0] + kind)].join();
    const time = performance.now();
    const changed = kinds !== told.kinds;
    if (running && !changed && time - told.at < CALM) return;
    const words = different.map((name) => WORDS[name]).join(", ");
    const difference = words ? `A and B differ in ${words}.` : "A and B are the same.";
    const seen = [race.text, ...found.map(({ text }) => text), difference].filter(Boolean).join(" ");
    const scores = now.map(({ accuracy, loss }, k) => `${RUNS[k]}: ${(100 * accuracy).toFixed(1)} % of new points right, loss ${loss.toFixed(3)}`);
    const reached = epoch ? `After ${count(epoch, "epoch")}` : "Untrained";
    place.summary.setAttribute("aria-live", running ? "off" : "polite");
    place.say(running ? `Training. ${seen}` : `${reached}. ${scores.join("; ")}. ${seen}`);
    if (!running) write(spoken, "");
    else if (told.unsaid || changed) {
      told.unsaid = time - told.spoken < 4 * CALM;
      if (!told.unsaid) [spoken.textContent, told.spoken] = [`Training. ${seen}`, time];
    }
    Object.assign(told, { kinds, at: time });
  };
}

// The same text once more would cost a new layout of the page.
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

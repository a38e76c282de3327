import { uniforms } from "./chance.js";
import { task } from "./tasks.js";
import { initialWeights, trainer, evaluate, passesGradient } from "./network.js";

// Two networks that learn the same task side by side, each by a rule of its own.

export const RUNS = ["A", "B"];
export const RULE = "surrogate beta leak learning_rate steps hidden".split(" "); // of run A; run B's end in _b
export const OWN = { A: RULE, B: RULE.map((name) => `${name}_b`) };
const BATCH = 20; // examples in an update

// Of each run there are: its `rule`, read from the model before each use; its `net` and how many epochs it has been
// trained; its `history`, loss and accuracy after each epoch with the untrained network first; `before`, the history until
// the last fresh start, or null; and `neurons`, how many are silent or saturated, and whether a gradient reaches them.
export function twoRuns({ get, assign }) {
  const both = RUNS.map((name) => ({ name, history: [], before: null }));
  const pair = { both, problem: null, readRules, startFresh, judge, publish, update };
  let trained = null; // the data of the histories

  function readRules() {
    for (const run of both) {
      const [surrogate, beta, leak, rate, steps, hidden] = OWN[run.name].map(get);
      run.rule = { surrogate, beta, leak, rate, steps, hidden };
    }
  }

  function startFresh() {
    readRules();
    pair.problem = task(get("data"), get("seed"), get("_iris"));
    const { inputs, classes, train } = pair.problem;
    for (const run of both) {
      if (trained !== get("data")) run.before = null;
      else if (run.history.length > 1) run.before = run.history;
      run.history = [];
      const shape = { inputs, hidden: run.rule.hidden, classes: classes.length };
      // Both runs begin alike and see the examples in the same order.
      const weights = initialWeights(shape, uniforms(get("seed") + 1000));
      run.trainer = trainer(shape, train, weights, uniforms(get("seed") + 2000), BATCH);
      run.net = run.trainer.net;
    }
    trained = get("data");
    pair.batches = Math.ceil(train.y.length / BATCH);
    judge();
    publish();
  }

  // Loss and accuracy of the networks as they are now.
  function judge(judged = both) {
    const { train, test } = pair.problem;
    for (const run of judged) {
      const { net, rule } = run;
      const { loss, silent, saturated } = evaluate(net, train, rule);
      const { accuracy } = evaluate(net, test, rule);
      run.epoch = run.trainer.epoch;
      run.history[run.epoch] = { loss, accuracy };
      const { hidden } = net.shape;
      run.neurons = { silent, saturated, hidden, passes: silent < hidden || passesGradient(net, train, rule) };
    }
  }

  function publish() {
    const now = both.map(({ history }) => history.at(-1));
    assign({ epoch: both[0].epoch, loss: now.map(({ loss }) => loss), accuracy: now.map(({ accuracy }) => accuracy) });
  }

  // One batch for each run; at the end of an epoch its loss and accuracy.
  function update() {
    const complete = both.map((run) => run.trainer.update(run.rule))[0];
    if (complete) judge();
    return complete;
  }

  return pair;
}

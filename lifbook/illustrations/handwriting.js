import { ink } from "./ink.js";
import { unpack, respond, ranking } from "./reading.js";
import { PAD, writingPad } from "./writing_pad.js";
import { strongest, drawNet } from "./net_picture.js";
import { drawSums } from "./ten_sums.js";
import { moving } from "./moving.js";
import { stage, slider, buttons, canvas, element } from "./drawing.js";
import { parametersOf } from "./drawing.js";

const LONGEST =
  "The net is not sure; its best guess is 3. The margin over the second is 10.0, and an answer needs 1.0. There were 500 and 500 " +
  "spikes in the two layers.";
const NAMES = "strokes leak step".split(" ");
const STEP_SECONDS = 0.55; // in which spikes fly from layer to layer

export function render({ model, el }) {
  const { get, set } = parametersOf(model, NAMES);
  const net = get("_net");
  const examples = get("_examples");
  const layers = unpack(net);
  const flights = layers.slice(1).map(strongest);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  const place = stage(el, model, NAMES, "Illustration: a net that reads your handwriting", paint, LONGEST);
  const upper = element("div", { style: "display:flex; flex-wrap:wrap; gap:0.8rem 1.2rem; justify-content:center; margin-bottom:0.6rem" });
  const leftSide = element("div", { style: `flex:0 1 ${PAD}px` });
  const rightSide = element("div", { style: "flex:1 1 300px; min-width:0" });
  upper.append(leftSide, rightSide);
  place.plots.append(upper);
  const pad = writingPad(leftSide, get, { write, written: () => calm.matches || play(), moved: place.redraw });
  const inside = canvas(rightSide, PAD, { role: "img" });
  const sums = canvas(place.plots, 210, { role: "img" });
  place.plots.append(
    element("p", { class: "lif-hint" }, "Write a digit with finger or mouse. By keyboard: the arrow keys move the pen, space lowers or lifts it."),
  );

  slider(place, "step", "time step");
  slider(place, "leak", "leak λ");
  let shownExample = Object.keys(examples).findIndex((name) => JSON.stringify(examples[name]) === JSON.stringify(get("strokes")));
  buttons(place, {
    "play the steps": play,
    clear: () => pad.replace([]),
    "undo the last stroke": () => pad.replace(get("strokes").slice(0, -1)),
    "next example": () => {
      shownExample = (shownExample + 1) % Object.keys(examples).length;
      pad.replace(Object.values(examples)[shownExample]);
    },
    [`leak back to ${net.leak}`]: () => set("leak", net.leak),
  });

  let passed = net.steps; // steps of a play
  // How far the spikes of this step have come. Nothing flies for readers who asked for less motion: the steps only follow
  // each other.
  const flown = () => (film.moves() && !calm.matches ? Math.min(1, passed - get("step") + 1) : 1);
  const film = moving(
    place,
    (milliseconds) => {
      passed += milliseconds / 1000 / STEP_SECONDS;
      const step = Math.min(net.steps, Math.floor(passed) + 1);
      if (step !== get("step")) set("step", step);
      place.draw();
      return passed < net.steps;
    },
    place.redraw,
  );
  function play() {
    set("step", 1);
    passed = 0;
    film.start();
  }
  function write(strokes) {
    film.stop();
    set("strokes", strokes);
    set("step", net.steps);
  }

  function paint() {
    const picture = ink(get("strokes"));
    const run = respond(layers, picture, net.steps, get("leak"));
    const last = run.outputs.slice(-10);
    const [first, second] = ranking(last);
    const margin = last[first] - last[second];
    const written = get("strokes").length > 0;
    const answer = written && margin >= net.margin ? first : null;
    const step = get("step");
    pad.draw();
    drawNet(inside.begin(), { layers, flights }, picture, run, { step, flown: flown(), flies: film.moves(), written });
    drawSums(sums.begin(), run.outputs, { steps: net.steps, now: step - 1 + flown(), written, first, second });
    describe(run, written, answer, first, margin);
    return { picture, layers: run.runs, outputs: run.outputs, answer, margin };
  }

  function describe({ runs, outputs }, written, answer, first, margin) {
    const fired = runs.map(({ spikes }) => spikes.reduce((sum, each) => sum + each, 0));
    const spikes = `${fired[0]} and ${fired[1]} spikes in the two layers`;
    const needed = `${margin.toFixed(1)}, and an answer needs ${net.margin.toFixed(1)}`;
    place.say(
      !written
        ? "Nothing is written."
        : answer === null
          ? `The net is not sure; its best guess is ${first}. The margin over the second is ${needed}. There were ${spikes}.`
          : `The net reads ${answer}. Its margin over the second is ${needed}. There were ${spikes}.`,
    );
    inside.canvas.setAttribute("aria-label", `The net at step ${get("step")} of ${net.steps}: the picture, two hidden layers, ten outputs. ${spikes}.`);
    const ends = ranking(outputs.slice(-10)).map((digit) => `${digit}: ${outputs[outputs.length - 10 + digit].toFixed(1)}`);
    sums.canvas.setAttribute("aria-label", `The ten sums over the steps. At the end: ${ends.join(", ")}.`);
  }

  place.draw();
  return () => {
    film.stop();
    place.dispose();
  };
}

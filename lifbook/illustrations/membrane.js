import { simulate } from "./neuron.js";
import { uniforms, normals } from "./chance.js";
import { stage, slider, choice, toggle, buttons, canvas, count } from "./drawing.js";
import { scale, verticalAxis, horizontalAxis, stairs, strokes } from "./drawing.js";
import { parametersOf, changingText, withUndo } from "./drawing.js";
import { momentStrip } from "./strip.js";

const STEPS = 120;
const HIGHEST_CURRENT = 3;
const MARGIN = { left: 34, right: 10 };
const HINTS = {
  spikes:
    "Click or tap in the row of input spikes to place one, drag one to move it, click it to remove it. By keyboard: left and " +
    "right move in time, space places, Shift takes the spike along, Ctrl+Z undoes.",
  current: "Draw the current with finger or mouse. By keyboard: left and right move in time, up and down change the current.",
};
const LONGEST = "20 input spikes. 20 output spikes at steps 10, 20, 30, 40, 50, 60, 70, 80 and later. Euler's step: 20 output spikes.";
const NAMES = "input spikes current leak weight threshold refractory reset noise seed euler".split(" ");

export function render({ model, el }) {
  const parameters = parametersOf(model, NAMES);
  const { get, set, assign, initial } = parameters;

  const place = stage(el, model, NAMES, "Illustration: the membrane", paint, LONGEST);
  const past = withUndo(place, parameters);
  choice(place, "input", "input", { spikes: "spikes", current: "a current" });
  choice(place, "reset", "reset", { zero: "to zero", subtract: "by subtraction", none: "none" });
  slider(place, "leak", "leak λ");
  const weight = slider(place, "weight", "spike weight");
  slider(place, "threshold", "threshold ϑ");
  slider(place, "refractory", "refractory");
  slider(place, "noise", "noise");
  toggle(place, "euler", "Euler's step too");
  const empty = { spikes: [], current: Array(STEPS).fill(0) };
  buttons(place, {
    "clear the input": () => past.change({ [get("input")]: empty[get("input")] }),
    "new noise": () => set("seed", (get("seed") + 1) % 1000),
    "start again": () => past.change(initial),
  }).prepend(past.button);

  const above = canvas(place.plots, 218, { role: "img", "aria-label": "Membrane potential and output spikes" });
  const below = canvas(place.plots, 112, { role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": STEPS - 1 });
  const hint = changingText("lif-hint", HINTS.spikes);
  place.plots.append(hint.box);
  const strip = below.canvas;

  const x = () => scale([0, STEPS], [MARGIN.left, strip.clientWidth - MARGIN.right]);
  const strokeWidth = () => Math.min(2.4, 0.6 * (x()(1) - x()(0)));
  const isDrawn = () => get("input") === "current";

  // Of a step's number the middle of the step: it reaches from t to t + 1.
  const middles = () => scale([-0.5, STEPS - 0.5], [MARGIN.left, strip.clientWidth - MARGIN.right]);
  const moments = momentStrip(place, strip, {
    name: "spikes", first: 0, last: STEPS - 1, begin: 0, x: middles, model: parameters, past, active: () => !isDrawn(),
  });

  function drawn(from, to, value) {
    const bounded = Number(Math.max(0, Math.min(HIGHEST_CURRENT, value)).toFixed(2));
    const [first, last] = [Math.min(from, to), Math.max(from, to)];
    return { current: get("current").map((each, t) => (t >= first && t <= last ? bounded : each)) };
  }

  let before = null; // the current before the stroke that is being drawn
  const drawHere = (event) => {
    const box = strip.getBoundingClientRect();
    const last = moments.cursor();
    const here = moments.moveTo(Math.round(middles().invert(event.clientX - box.left)));
    assign(drawn(event.type === "pointerdown" ? here : last, here, currentScale().invert(event.clientY - box.top)));
  };
  strip.addEventListener("pointerdown", (event) => {
    if (!isDrawn() || !event.isPrimary || event.button !== 0) return;
    strip.setPointerCapture(event.pointerId);
    before = get("current");
    drawHere(event);
  });
  strip.addEventListener("pointermove", (event) => before && event.isPrimary && drawHere(event));
  for (const end of ["pointerup", "pointercancel"]) {
    strip.addEventListener(end, () => {
      if (before) past.remember({ current: before });
      before = null;
    });
  }

  strip.addEventListener("keydown", (event) => {
    const lifts = { ArrowUp: 0.1, ArrowDown: -0.1 };
    if (moments.key(event) || !isDrawn() || !(event.key in lifts)) return;
    const t = moments.cursor();
    past.change(drawn(t, t, get("current")[t] + lifts[event.key]));
    event.preventDefault();
  });

  function input(leak) {
    const normal = normals(uniforms(get("seed")));
    const spikes = new Set(get("spikes"));
    const current = get("current");
    return Float64Array.from({ length: STEPS }, (_, t) => {
      const noise = get("noise") * normal();
      return (isDrawn() ? leak * current[t] : get("weight") * spikes.has(t)) + noise;
    });
  }

  // Euler's step with the same time constant: its leak is dt / tau, the exact one 1 - exp(-dt / tau).
  const eulerLeak = () => -Math.log1p(-get("leak"));

  function run(leak) {
    const rule = { leak, threshold: get("threshold"), reset: get("reset"), refractory: get("refractory") };
    return simulate(input(leak), rule);
  }

  const currentScale = () => scale([0, HIGHEST_CURRENT], [78, 22]);

  function paint() {
    const exact = run(get("leak"));
    const euler = get("euler") ? run(eulerLeak()) : null;
    weight.style.visibility = isDrawn() ? "hidden" : "visible";
    drawPotential(exact, euler);
    drawInput();
    describe(exact, euler);
    return { exact, euler };
  }

  function drawPotential(exact, euler) {
    const pen = above.begin();
    const { colours, width } = pen;
    const right = width - MARGIN.right;
    const horizontal = x();
    const threshold = get("threshold");
    const highest = Math.max(...exact.potential, ...(euler?.potential ?? []), 1.15 * threshold);
    const y = scale([0, highest], [212, 76]);
    const ticks = [0, 1, 2, 5, 10].filter((tick) => tick <= highest);

    pen.text("output spikes", MARGIN.left, 14, { alpha: 0.75 });
    pen.stroke(strokes(exact.spikes, horizontal, euler ? 35 : 52, 20), colours.blue, { lineWidth: strokeWidth() });
    if (euler) {
      pen.stroke(strokes(euler.spikes, horizontal, 54, 38), colours.orange, { lineWidth: strokeWidth() });
      pen.text("exact", right, 14, { align: "right", colour: colours.blue });
      pen.text(`Euler, λ = ${eulerLeak().toFixed(2)}`, right - 42, 14, { align: "right", colour: colours.orange });
    }

    verticalAxis(pen, y, ticks, MARGIN.left, right, "");
    pen.text("potential", MARGIN.left, 70, { alpha: 0.75 });
    pen.text("dashed: threshold", right, 70, { align: "right", alpha: 0.75 });
    pen.stroke((c) => (c.moveTo(MARGIN.left, y(threshold)), c.lineTo(right, y(threshold))), colours.ink, { lineWidth: 1, dash: [5, 4], alpha: 0.8 });
    const area = stairs(exact.potential, horizontal, y);
    pen.fill((c) => (area(c), c.lineTo(horizontal(STEPS), y(0)), c.lineTo(horizontal(0), y(0))), colours.blue, 0.16);
    if (euler) pen.stroke(stairs(euler.potential, horizontal, y), colours.orange, { lineWidth: 1.4 });
    pen.stroke(area, colours.blue);
    drawCursor(pen, 20);
  }

  function drawInput() {
    const pen = below.begin();
    const { colours, width } = pen;
    const right = width - MARGIN.right;
    const horizontal = x();
    if (isDrawn()) {
      const y = currentScale();
      const area = stairs(get("current"), horizontal, y);
      verticalAxis(pen, y, [0, 1, 2, 3], MARGIN.left, right, "");
      pen.text("current (the potential it would hold for ever)", MARGIN.left, 14, { alpha: 0.75 });
      pen.fill((c) => (area(c), c.lineTo(horizontal(STEPS), y(0)), c.lineTo(horizontal(0), y(0))), colours.green, 0.18);
      pen.stroke(area, colours.green);
    } else {
      const arrivals = Array(STEPS).fill(0);
      get("spikes").forEach((t) => (arrivals[t] = 1));
      pen.text("input spikes", MARGIN.left, 14, { alpha: 0.75 });
      pen.fill((c) => c.roundRect(MARGIN.left, 22, right - MARGIN.left, 56, 4), colours.ink, 0.06);
      // Where a click would place a spike, or which one it would take away.
      const at = moments.hovered();
      const line = (c) => (c.moveTo(middles()(at.step), 74), c.lineTo(middles()(at.step), 26));
      if (at) pen.stroke(line, colours.green, { lineWidth: strokeWidth() + (at.taken ? 5 : 0), alpha: 0.35 });
      pen.stroke(strokes(arrivals, horizontal, 74, 26), colours.green, { lineWidth: strokeWidth() });
    }
    horizontalAxis(pen, horizontal, [0, 20, 40, 60, 80, 100, 120], 78, "time step");
    drawCursor(pen, 20);
    const pointed = moments.hovered()?.step ?? (hasCursor() ? moments.cursor() : null);
    if (pointed === null) return;
    const at = Math.min(right - 28, Math.max(MARGIN.left + 100, middles()(pointed)));
    if (!isDrawn()) pen.text(`step ${pointed}`, at, 14, { align: "center", colour: colours.pink });
  }

  const hasCursor = () => document.activeElement === strip || moments.held();

  function drawCursor(pen, top) {
    if (!hasCursor()) return;
    const at = middles()(moments.cursor());
    pen.stroke((c) => (c.moveTo(at, top), c.lineTo(at, pen.height === 112 ? 82 : pen.height)), pen.colours.pink, { lineWidth: 1.5, dash: [2, 2] });
  }

  function describe(exact, euler) {
    const cursor = moments.cursor();
    const here = isDrawn()
      ? `current ${get("current")[cursor].toFixed(2)}`
      : get("spikes").includes(cursor) ? "an input spike" : "no input spike";
    strip.setAttribute("aria-label", "Time cursor on the input");
    strip.setAttribute("aria-valuenow", cursor);
    strip.setAttribute("aria-valuetext", `step ${cursor}, ${here}`);
    strip.style.touchAction = isDrawn() ? "none" : "pan-y";
    if (isDrawn()) strip.style.cursor = "crosshair";
    hint.say(HINTS[get("input")]);

    const fired = [...exact.spikes.keys()].filter((t) => exact.spikes[t]);
    const firings = fired.length > 8 ? `${fired.slice(0, 8).join(", ")} and later` : fired.join(", ");
    const input = isDrawn() ? "" : `${count(get("spikes").length, "input spike")}. `;
    const where = fired.length ? ` at step${fired.length === 1 ? "" : "s"} ${firings}` : "";
    const other = euler ? ` Euler's step: ${count(euler.spikes.filter(Boolean).length, "output spike")}.` : "";
    place.say(`${input}${count(fired.length, "output spike")}${where}.${other}`);
  }

  place.draw();
  return place.dispose;
}

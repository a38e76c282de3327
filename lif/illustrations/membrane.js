import { simulate } from "./neuron.js";
import { uniforms, normals } from "./chance.js";
import { stage, slider, choice, toggle, buttons, canvas, element, count } from "./drawing.js";
import { scale, verticalAxis, horizontalAxis, stairs, strokes } from "./drawing.js";
import { parametersOf } from "./drawing.js";

const STEPS = 120;
const HIGHEST_CURRENT = 3;
const MARGIN = { left: 34, right: 10 };
const NAMES = "input spikes current leak weight threshold refractory reset noise seed euler".split(" ");

export function render({ model, el }) {
  const { get, set, assign, initial } = parametersOf(model, NAMES);
  let cursor = 0; // the step that the arrow keys have reached

  const place = stage(el, model, NAMES, "Illustration: the membrane", paint);
  choice(place, "input", "input", { spikes: "spikes", current: "a current" });
  choice(place, "reset", "reset", { zero: "to zero", subtract: "by subtraction", none: "none" });
  slider(place, "leak", "leak λ");
  const weight = slider(place, "weight", "spike weight");
  slider(place, "threshold", "threshold ϑ");
  slider(place, "refractory", "refractory");
  slider(place, "noise", "noise");
  toggle(place, "euler", "Euler's step too");
  buttons(place, {
    "clear the input": () => set(get("input"), get("input") === "spikes" ? [] : Array(STEPS).fill(0)),
    "new noise": () => set("seed", (get("seed") + 1) % 1000),
    "start again": () => assign(initial),
  });

  const above = canvas(place.plots, 218, { role: "img", "aria-label": "Membrane potential and output spikes" });
  const below = canvas(place.plots, 112, { role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": STEPS - 1 });
  const hint = element("p", { class: "lif-hint" });
  place.plots.append(hint);
  const strip = below.canvas;

  const x = () => scale([0, STEPS], [MARGIN.left, strip.clientWidth - MARGIN.right]);
  const strokeWidth = () => Math.min(2.4, 0.6 * (x()(1) - x()(0)));
  const stepAt = (event) =>
    Math.max(0, Math.min(STEPS - 1, Math.floor(x().invert(event.clientX - strip.getBoundingClientRect().left))));
  const isDrawn = () => get("input") === "current";

  function toggleSpike(t) {
    const spikes = get("spikes");
    set("spikes", spikes.includes(t) ? spikes.filter((each) => each !== t) : [...spikes, t].sort((a, b) => a - b));
  }

  function setCurrent(from, to, value) {
    const bounded = Math.max(0, Math.min(HIGHEST_CURRENT, value));
    const [first, last] = [Math.min(from, to), Math.max(from, to)];
    set("current", get("current").map((each, t) => (t >= first && t <= last ? bounded : each)));
  }

  strip.addEventListener("click", (event) => {
    if (isDrawn()) return;
    // A finger is wider than a step: a spike close by is meant, and goes.
    const near = Math.ceil(6 / (x()(1) - x()(0)));
    const t = stepAt(event);
    const found = get("spikes").filter((each) => Math.abs(each - t) <= near);
    found.sort((a, b) => Math.abs(a - t) - Math.abs(b - t));
    cursor = found[0] ?? t;
    toggleSpike(cursor);
  });

  let last = null; // the step where a stroke of the drawing hand was seen last
  const drawHere = (event) => {
    const y = event.clientY - strip.getBoundingClientRect().top;
    cursor = stepAt(event);
    setCurrent(last ?? cursor, cursor, Number(currentScale().invert(y).toFixed(2)));
    last = cursor;
  };
  strip.addEventListener("pointerdown", (event) => {
    if (!isDrawn()) return;
    strip.setPointerCapture(event.pointerId);
    last = null;
    drawHere(event);
  });
  strip.addEventListener("pointermove", (event) => {
    if (isDrawn() && strip.hasPointerCapture(event.pointerId)) drawHere(event);
  });

  strip.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10, Home: -STEPS, End: STEPS };
    const lifts = { ArrowUp: 0.1, ArrowDown: -0.1 };
    if (event.key in moves) {
      cursor = Math.max(0, Math.min(STEPS - 1, cursor + moves[event.key]));
      place.redraw();
    } else if (isDrawn() && event.key in lifts) {
      setCurrent(cursor, cursor, Number((get("current")[cursor] + lifts[event.key]).toFixed(2)));
    } else if (!isDrawn() && [" ", "Enter"].includes(event.key)) {
      toggleSpike(cursor);
    } else return;
    event.preventDefault();
  });
  for (const change of ["focus", "blur"]) strip.addEventListener(change, place.redraw);

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
    pen.stroke((c) => (c.moveTo(MARGIN.left, y(threshold)), c.lineTo(right, y(threshold))), colours.ink, { lineWidth: 1, dash: [5, 4], alpha: 0.8 });
    pen.text("threshold", MARGIN.left + 4, y(threshold) - 5, { alpha: 0.75, size: 11 });
    const area = stairs(exact.potential, horizontal, y);
    pen.fill((c) => (area(c), c.lineTo(horizontal(STEPS), y(0)), c.lineTo(horizontal(0), y(0))), colours.blue, 0.16);
    if (euler) pen.stroke(stairs(euler.potential, horizontal, y), colours.orange, { lineWidth: 1.4 });
    pen.stroke(area, colours.blue);
    if (document.activeElement === strip) drawCursor(pen, 20);
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
      pen.stroke(strokes(arrivals, horizontal, 74, 26), colours.green, { lineWidth: strokeWidth() });
    }
    horizontalAxis(pen, horizontal, [0, 20, 40, 60, 80, 100, 120], 78, "time step");
    if (document.activeElement === strip) drawCursor(pen, 0);
  }

  function drawCursor(pen, top) {
    const at = x()(cursor + 0.5);
    pen.stroke((c) => (c.moveTo(at, top), c.lineTo(at, pen.height === 112 ? 82 : pen.height)), pen.colours.pink, { lineWidth: 1.5, dash: [2, 2] });
  }

  function describe(exact, euler) {
    const here = isDrawn()
      ? `current ${get("current")[cursor].toFixed(2)}`
      : get("spikes").includes(cursor) ? "an input spike" : "no input spike";
    strip.setAttribute("aria-label", "Time cursor on the input");
    strip.setAttribute("aria-valuenow", cursor);
    strip.setAttribute("aria-valuetext", `step ${cursor}, ${here}`);
    strip.style.touchAction = isDrawn() ? "none" : "manipulation";
    strip.style.cursor = isDrawn() ? "crosshair" : "pointer";
    hint.textContent = isDrawn()
      ? "Draw the current with finger or mouse. By keyboard: left and right move in time, up and down change the current."
      : "Click or tap below the potential to place an input spike or take one away. By keyboard: left and right move in time, space places.";

    const fired = [...exact.spikes.keys()].filter((t) => exact.spikes[t]);
    const moments = fired.length > 8 ? `${fired.slice(0, 8).join(", ")} and later` : fired.join(", ");
    const input = isDrawn() ? "" : `${count(get("spikes").length, "input spike")}. `;
    const where = fired.length ? ` at step${fired.length === 1 ? "" : "s"} ${moments}` : "";
    const other = euler ? ` Euler's step: ${count(euler.spikes.filter(Boolean).length, "output spike")}.` : "";
    place.summary.textContent = `${input}${count(fired.length, "output spike")}${where}.${other}`;
  }

  place.draw();
  return place.dispose;
}

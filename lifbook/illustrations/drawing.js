// What every illustration is made of: labelled native controls and canvases that know theme, width and pixel density.

// Okabe and Ito's colours, told apart with any colour vision; on white a little darker, so that words in them can be read
// (a contrast of 4.5), in the dark the same hues, lighter.
export const PALETTES = {
  light: { blue: "#0072b2", orange: "#bf5300", green: "#00825d", pink: "#b04f8a" },
  dark: { blue: "#5cb8f0", orange: "#ff9147", green: "#35c9a0", pink: "#e59cc8" },
};

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  // Or JupyterLab takes the arrow keys of whatever has the focus for itself.
  if (["input", "select", "button", "canvas"].includes(tag)) made.setAttribute("data-lm-suppress-shortcuts", "true");
  made.append(...children);
  return made;
}

// A model's named parameters: read one or all, set one or several, and as they were in the beginning.
export function parametersOf(model, names) {
  const get = (name) => model.get(name);
  const assign = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  };
  const set = (name, value) => assign({ [name]: value });
  const all = () => Object.fromEntries(names.map((name) => [name, get(name)]));
  return { get, set, assign, all, initial: all() };
}

// The frame of an illustration. `paint` is called by `draw`, and once a frame at most when a named parameter, the width
// or the theme has changed. What it returns is the illustration's result, for tests and other scripts to read from the
// section element, beside the parameters. `dispose` undoes everything. `longest` is the longest that `say` will have to say.
export function stage(el, model, names, title, paint, longest = "") {
  const root = element("section", { class: "lif-stage", "aria-label": title });
  const controls = element("div", { class: "lif-controls" });
  const plots = element("div", { class: "lif-plots" });
  const { box, text: summary, say } = changingText("lif-summary", longest, { "aria-live": "polite" });
  root.append(plots, box, controls); // on a phone the picture stays in sight of the sliders
  el.append(root);

  const { set, all } = parametersOf(model, names);
  const undo = [];
  let asked = 0;
  const draw = () => {
    root.result = paint();
    root.parameters = all();
  };
  const redraw = () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      draw();
    });
  };
  const listen = (changed, action) => {
    for (const name of changed) {
      model.on(`change:${name}`, action);
      undo.push(() => model.off(`change:${name}`, action));
    }
  };
  listen(names, redraw);

  const resized = new ResizeObserver(redraw);
  resized.observe(plots);
  // A page, Jupyter, Colab and VS Code each announce their theme in another attribute of these two elements.
  const themed = new MutationObserver(redraw);
  for (const each of [document.documentElement, document.body]) themed.observe(each, { attributes: true });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", redraw);

  // What moves by itself rests while nobody can see it.
  let seen = true;
  const sight = new IntersectionObserver((entries) => (seen = entries.at(-1).isIntersecting));
  sight.observe(root);
  undo.push(
    () => sight.disconnect(),
    () => cancelAnimationFrame(asked),
    () => resized.disconnect(),
    () => themed.disconnect(),
    () => system.removeEventListener("change", redraw),
    () => root.remove(),
  );
  const dispose = () => undo.forEach((action) => action());
  const inSight = () => seen;
  return { root, controls, plots, box, summary, say, model, set, listen, draw, redraw, inSight, dispose };
}

// Words that change. Their box keeps the height of the longest, so that nothing below them jumps.
export function changingText(name, longest, attributes = {}) {
  const text = element("p", attributes);
  const box = element("div", { class: `lif-room ${name}`, "data-longest": longest }, text);
  const say = (words) => {
    if (text.textContent === words) return; // once more the same would cost a new layout of the page
    text.textContent = words;
    if (words.length > box.dataset.longest.length) box.dataset.longest = words;
  };
  return { box, text, say };
}

// Changes that can be taken back, by `undo` and by Ctrl+Z or Command+Z anywhere in the illustration.
export function withUndo(stage, { get, assign }) {
  const past = [];
  const remember = (values) => {
    past.push(values);
    show();
  };
  const change = (values) => {
    const changed = Object.keys(values).filter((name) => String(values[name]) !== String(get(name)));
    if (!changed.length) return;
    remember(Object.fromEntries(changed.map((name) => [name, get(name)])));
    assign(values);
  };
  const undo = () => {
    if (past.length) assign(past.pop());
    show();
  };
  stage.root.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.shiftKey || event.key.toLowerCase() !== "z") return;
    undo();
    event.preventDefault();
  });
  // A button that has nothing to do stays in reach of the keyboard, and says so.
  const button = element("button", { type: "button", "aria-keyshortcuts": "Control+Z" }, "undo");
  button.addEventListener("click", undo);
  const show = () => button.setAttribute("aria-disabled", past.length === 0);
  show();
  return { change, remember, button };
}

let controlCount = 0;

function labelled(stage, label, control, ...more) {
  control.id = `lif-control-${Math.random().toString(36).slice(2)}-${controlCount++}`;
  const box = element("div", { class: "lif-control" }, element("label", { for: control.id }, label), ...more, control);
  stage.controls.append(box);
  return box;
}

// A slider for a number; its bounds are those of the trait in Python.
export function slider(stage, name, label, format = null) {
  const [min, max, step] = stage.model.get("_bounds")[name];
  const digits = (String(step).split(".")[1] ?? "").length;
  const text = (value) => (format ? format(value) : value.toFixed(digits));
  const input = element("input", { type: "range", min, max, step, name });
  const output = element("output", { "aria-live": "off" }); // the slider itself says its value
  const show = () => {
    const value = stage.model.get(name);
    input.value = value;
    output.textContent = text(value);
    input.setAttribute("aria-valuetext", text(value));
  };
  input.addEventListener("input", () => stage.set(name, Number(input.value)));
  stage.listen([name], show);
  show();
  return labelled(stage, label, input, output);
}

// A choice among words: `options` maps each value to what the reader sees.
export function choice(stage, name, label, options) {
  const entries = Object.entries(options).map(([value, text]) => element("option", { value }, text));
  const select = element("select", { name }, ...entries);
  const show = () => (select.value = stage.model.get(name));
  select.addEventListener("change", () => stage.set(name, select.value));
  stage.listen([name], show);
  show();
  return labelled(stage, label, select);
}

export function toggle(stage, name, label) {
  const input = element("input", { type: "checkbox", name });
  const show = () => (input.checked = stage.model.get(name));
  input.addEventListener("change", () => stage.set(name, input.checked));
  stage.listen([name], show);
  show();
  const box = labelled(stage, label, input);
  box.classList.add("lif-check");
  return box;
}

// Buttons side by side: `actions` maps what is written on each to what it does.
export function buttons(stage, actions) {
  const row = element("div", { class: "lif-buttons" });
  for (const [label, action] of Object.entries(actions)) {
    const button = element("button", { type: "button" }, label);
    button.addEventListener("click", action);
    row.append(button);
  }
  stage.controls.append(row);
  return row;
}

// A canvas as wide as its place. `begin` clears it and returns a pen for this frame. The height is in pixels, or a
// function of the width.
export function canvas(parent, height, attributes) {
  const made = element("canvas", attributes);
  const begin = () => {
    const pixels = typeof height === "function" ? height(made.clientWidth) : height;
    if (made.style.height !== `${pixels}px`) made.style.height = `${pixels}px`;
    return pen(made, pixels);
  };
  parent.append(made);
  return { canvas: made, height, begin };
}

// `follow` hears of the pointer where it goes down on a surface, and wherever it is dragged from there.
export function followPointer(surface, follow) {
  surface.addEventListener("pointerdown", (event) => {
    surface.setPointerCapture(event.pointerId);
    follow(event);
  });
  surface.addEventListener("pointermove", (event) => {
    if (surface.hasPointerCapture(event.pointerId)) follow(event);
  });
}

function pen(canvas, height) {
  const context = canvas.getContext("2d");
  const width = canvas.clientWidth;
  const density = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * density)) canvas.width = Math.round(width * density);
  if (canvas.height !== Math.round(height * density)) canvas.height = Math.round(height * density);
  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, width, height);

  const style = getComputedStyle(canvas);
  const ink = style.color;
  const [red, green, blue] = ink.match(/[\d.]+/g).map(Number);
  const colours = { ink, ...PALETTES[red + green + blue > 382 ? "dark" : "light"] };

  const stroke = (trace, colour, { lineWidth = 1.6, dash = [], alpha = 1 } = {}) => {
    context.save();
    Object.assign(context, { strokeStyle: colour, lineWidth, globalAlpha: alpha, lineJoin: "round" });
    context.setLineDash(dash);
    context.beginPath();
    trace(context);
    context.stroke();
    context.restore();
  };
  const fill = (trace, colour, alpha = 1) => {
    context.save();
    Object.assign(context, { fillStyle: colour, globalAlpha: alpha });
    context.beginPath();
    trace(context);
    context.fill();
    context.restore();
  };
  const text = (string, x, y, { align = "left", colour = ink, alpha = 1, size = 12, baseline = "alphabetic" } = {}) => {
    context.save();
    Object.assign(context, { fillStyle: colour, globalAlpha: alpha, textAlign: align, textBaseline: baseline });
    context.font = `${size}px ${style.fontFamily}`;
    context.fillText(string, x, y);
    context.restore();
  };
  return { width, height, context, colours, stroke, fill, text };
}

// A linear scale from data to pixels, with its inverse.
export function scale([low, high], [from, to]) {
  const map = (value) => from + ((value - low) / (high - low)) * (to - from);
  map.invert = (pixel) => low + ((pixel - from) / (to - from)) * (high - low);
  return map;
}

// Horizontal grid lines with their numbers to the left, and a label above.
export function verticalAxis(pen, y, ticks, left, right, label) {
  for (const tick of ticks) {
    pen.stroke((c) => (c.moveTo(left, y(tick)), c.lineTo(right, y(tick))), pen.colours.ink, { lineWidth: 1, alpha: 0.15 });
    pen.text(String(tick), left - 6, y(tick), { align: "right", baseline: "middle", alpha: 0.75, size: 11 });
  }
  pen.text(label, left, y(ticks.at(-1)) - 6, { alpha: 0.75 });
}

// Numbers below a line, and a label at its right end.
export function horizontalAxis(pen, x, ticks, bottom, label) {
  for (const tick of ticks) {
    pen.stroke((c) => (c.moveTo(x(tick), bottom), c.lineTo(x(tick), bottom + 4)), pen.colours.ink, { lineWidth: 1, alpha: 0.5 });
    pen.text(String(tick), x(tick), bottom + 16, { align: "center", alpha: 0.75, size: 11 });
  }
  pen.text(label, x(ticks.at(-1)), bottom + 31, { align: "right", alpha: 0.75 });
}

// The outline of a value that holds for one step each: flat from t to t + 1.
export function stairs(values, x, y) {
  return (context) => {
    context.moveTo(x(0), y(values[0]));
    values.forEach((value, t) => {
      context.lineTo(x(t), y(value));
      context.lineTo(x(t + 1), y(value));
    });
  };
}

// A stroke in the middle of each step at which something happened.
export function strokes(values, x, bottom, top) {
  return (context) => {
    values.forEach((value, t) => {
      if (!value) return;
      context.moveTo(x(t + 0.5), bottom);
      context.lineTo(x(t + 0.5), typeof top === "function" ? top(value) : top);
    });
  };
}

// "1 spike", "2 spikes"
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

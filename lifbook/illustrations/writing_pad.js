import { canvas, count } from "./drawing.js";

// A square on which a hand writes strokes by mouse or finger, and by a pen that the keyboard moves.

export const PAD = 264; // pixels on each side
const STRIDE = 0.05; // of the keyboard's pen

// `write` takes all strokes as they are now, `written` hears when a hand has ended one, `moved` when the pen has.
export function writingPad(parent, get, { write, written, moved }) {
  const pad = canvas(parent, PAD, { role: "application", tabindex: 0 });
  const board = pad.canvas;
  const rounded = (value) => Number(Math.max(0, Math.min(1, value)).toFixed(3));
  const pen = { x: 0.5, y: 0.5, down: false }; // of the keyboard
  let drawing = false;
  const corner = () => (board.clientWidth - PAD) / 2;
  function pointAt(event) {
    const box = board.getBoundingClientRect();
    return [rounded((event.clientX - box.left - corner()) / PAD), rounded((event.clientY - box.top) / PAD)];
  }
  function lengthen(point) {
    const strokes = get("strokes");
    const stroke = strokes.at(-1);
    if (!stroke) return; // Python has wiped the pad
    const [x, y] = stroke.at(-1);
    // A hand sends more points than a picture of 28 pixels can show.
    if (Math.hypot(point[0] - x, point[1] - y) >= 0.012) write([...strokes.slice(0, -1), [...stroke, point]]);
  }
  board.style.touchAction = "none";
  board.style.cursor = "crosshair";
  board.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    board.setPointerCapture(event.pointerId);
    drawing = true;
    pen.down = false;
    write([...get("strokes"), [pointAt(event)]]);
  });
  board.addEventListener("pointermove", (event) => {
    if (!drawing || !event.isPrimary) return;
    const between = event.getCoalescedEvents?.() ?? [];
    for (const each of between.length ? between : [event]) lengthen(pointAt(each));
  });
  for (const end of ["pointerup", "pointercancel"]) {
    board.addEventListener(end, () => {
      if (drawing) written();
      drawing = false;
    });
  }
  board.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in moves) {
      pen.x = rounded(pen.x + STRIDE * moves[event.key][0]);
      pen.y = rounded(pen.y + STRIDE * moves[event.key][1]);
      if (pen.down) lengthen([pen.x, pen.y]);
    } else if (event.key === " ") {
      pen.down = !pen.down;
      if (pen.down) write([...get("strokes"), [[pen.x, pen.y]]]);
    } else return;
    moved();
    event.preventDefault();
  });
  for (const change of ["focus", "blur"]) board.addEventListener(change, moved);

  function draw() {
    const strokes = get("strokes");
    if (!strokes.length) pen.down = false;
    const page = pad.begin();
    const { colours } = page;
    const left = corner();
    page.fill((c) => c.roundRect(left, 0, PAD, PAD, 8), colours.ink, 0.06);
    if (!strokes.length) {
      page.text("write a digit here", left + PAD / 2, PAD / 2, { align: "center", alpha: 0.75, size: 15 });
    }
    page.context.lineCap = "round";
    for (const stroke of strokes) {
      const path = stroke.length > 1 ? stroke : [stroke[0], stroke[0]];
      page.stroke((c) => path.forEach(([x, y]) => c.lineTo(left + x * PAD, y * PAD)), colours.ink, { lineWidth: 17, alpha: 0.85 });
    }
    if (document.activeElement === board) {
      const [x, y] = [left + pen.x * PAD, pen.y * PAD];
      page.fill((c) => c.arc(x, y, pen.down ? 6 : 3, 0, 7), colours.pink);
      page.stroke((c) => c.arc(x, y, 9, 0, 7), colours.pink, { lineWidth: 2 });
    }
    const state = `The pen is ${pen.down ? "down" : "lifted"}, ${Math.round(100 * pen.x)} percent from the left, ${Math.round(100 * pen.y)} from the top.`;
    board.setAttribute("aria-label", `Writing pad with ${count(strokes.length, "stroke")}. The arrow keys move the pen, space lowers or lifts it. ${state}`);
  }

  // By a button: a stroke that is being drawn ends.
  function replace(strokes) {
    pen.down = drawing = false;
    write(strokes);
  }
  return { draw, replace };
}

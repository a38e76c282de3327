import { stage, slider, choice, buttons, canvas, parametersOf } from "./drawing.js";
import { player } from "./moving.js";

const NAMES = ["decision", "speed"];
const RATES = { slow: 10, real: 50, calm: 2 }; // decisions a second
const HALF_TRACK = 2.4; // metres
const POLE = 1.0; // metres
const SHOWN = 25; // decisions in the raster
const FELT = 12; // decisions for which a knock is written beside the pole
const ROW = 2.6; // pixels for a neuron
const GAP = 14; // between the layers

export function render({ model, el }) {
  const { get, assign } = parametersOf(model, NAMES);
  const { position, angle, push, spikes, knocks, steps } = get("episode");
  const neurons = spikes[0].length;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  const place = stage(el, model, NAMES, "Illustration: spiking neurons balance a pole", paint);
  const description = `A cart with a pole on it, moving left and right so that the pole stays up, over ${push.length} decisions, and a raster of the spikes of ${neurons} neurons.`;
  const world = canvas(place.plots, 176, { role: "img", "aria-label": description });
  const raster = canvas(place.plots, 2 * 18 + neurons * ROW + GAP + 22, { role: "img", "aria-label": "Raster of spikes" });
  slider(place, "decision", "decision");
  choice(place, "speed", "speed", { slow: "slow", real: "real time" });
  const row = buttons(place, { play: () => film.toggle(), "from the beginning": () => assign({ decision: 0 }) });
  const playButton = row.firstElementChild;
  playButton.classList.add("lif-main");

  const pace = () => 1000 / (calm.matches ? RATES.calm : RATES[get("speed")]);
  const film = player(place, playButton, { name: "decision", last: push.length - 1, pace });

  function drawWorld(now) {
    const pen = world.begin();
    const { colours, width } = pen;
    const metre = Math.min(width / (2 * HALF_TRACK + 0.6), 125);
    const x = (at) => width / 2 + at * metre;
    const ground = 152;
    const [cart, axle] = [x(position[now]), ground - 24];
    const tip = [cart + POLE * metre * Math.sin(angle[now]), axle - POLE * metre * Math.cos(angle[now])];
    pen.stroke((c) => (c.moveTo(x(-HALF_TRACK), ground), c.lineTo(x(HALF_TRACK), ground)), colours.ink, { lineWidth: 1, alpha: 0.5 });
    for (const end of [-HALF_TRACK, 0, HALF_TRACK]) {
      pen.stroke((c) => (c.moveTo(x(end), ground), c.lineTo(x(end), ground + 6)), colours.ink, { lineWidth: 1, alpha: 0.5 });
    }
    pen.text("0", x(0), ground + 19, { align: "center", alpha: 0.75, size: 11 });
    pen.text(`${HALF_TRACK} m`, x(HALF_TRACK), ground + 19, { align: "right", alpha: 0.75, size: 11 });
    pen.fill((c) => c.rect(cart - 24, ground - 24, 48, 18), colours.ink, 0.75);
    for (const wheel of [-14, 14]) pen.fill((c) => c.arc(cart + wheel, ground - 5, 5, 0, 7), colours.ink, 0.75);
    pen.stroke((c) => (c.moveTo(cart, axle), c.lineTo(...tip)), colours.orange, { lineWidth: 6 });
    const side = push[now] === "1" ? 1 : -1; // the arrow pushes from behind
    const [from, to] = [cart - side * 62, cart - side * 30];
    pen.stroke((c) => (c.moveTo(from, ground - 15), c.lineTo(to, ground - 15)), colours.green, { lineWidth: 3 });
    pen.fill((c) => (c.moveTo(to + side * 3, ground - 15), c.lineTo(to - side * 7, ground - 21), c.lineTo(to - side * 7, ground - 9)), colours.green);
    const felt = knocks.findIndex((knock) => now >= knock && now < knock + FELT);
    if (felt >= 0) pen.text("knocked", tip[0] + 12, tip[1] + 12, { colour: colours.pink, size: 13 });
    pen.text(`${(now / 50).toFixed(2)} s`, width - 8, 14, { align: "right", alpha: 0.75 });
  }

  function drawRaster(now) {
    const pen = raster.begin();
    const { colours, width } = pen;
    const [left, right] = [8, width - 8];
    const column = (right - left) / (SHOWN * steps);
    const half = neurons / 2;
    const top = (neuron) => 18 + neuron * ROW + (neuron < half ? 0 : GAP + 8);
    pen.text("first layer", left, 12, { colour: colours.blue });
    pen.text("second layer", left, top(half) - 6, { colour: colours.pink });
    const bottom = top(neurons);
    const first = now - SHOWN + 1;
    for (let k = 0; k <= SHOWN; k += 1) {
      const at = left + k * steps * column;
      pen.stroke((c) => (c.moveTo(at, 16), c.lineTo(at, bottom)), colours.ink, { lineWidth: 1, alpha: k === SHOWN - 1 ? 0.6 : 0.12 });
    }
    const strokesOf = (from, to) => (context) => {
      for (let k = Math.max(0, first); k <= now; k += 1) {
        for (let neuron = from; neuron < to; neuron += 1) {
          const digit = parseInt(spikes[k][neuron], 16);
          for (let step = 0; step < steps; step += 1) {
            if (!((digit >> (steps - 1 - step)) & 1)) continue;
            context.rect(left + ((k - first) * steps + step + 0.15) * column, top(neuron), 0.7 * column, ROW - 0.6);
          }
        }
      }
    };
    pen.fill(strokesOf(0, half), colours.blue);
    pen.fill(strokesOf(half, neurons), colours.pink);
    pen.text("now", right, bottom + 15, { align: "right", alpha: 0.75, size: 11 });
    pen.text(`${SHOWN - 1} decisions ago`, left, bottom + 15, { alpha: 0.75, size: 11 });
  }

  function paint() {
    const now = get("decision");
    drawWorld(now);
    drawRaster(now);
    const lean = ((angle[now] * 180) / Math.PI).toFixed(1);
    place.say(`Cart at ${position[now].toFixed(2)} m, pole at ${lean} degrees; pushed to the ${push[now] === "1" ? "right" : "left"}.`);
    return { decision: now, playing: film.moves() };
  }
  place.draw();
  return () => {
    film.stop();
    place.dispose();
  };
}

// What moves when the reader asks for it. In each frame `advance` is given the milliseconds that have passed, and says
// whether to go on; nothing passes while nobody can see it. `changed` is told when it begins and when it ends.
export function moving(place, advance, changed) {
  let frame = 0;
  let last = 0;
  function work(time) {
    frame = requestAnimationFrame(work);
    const passed = time - last;
    last = time;
    if (place.inSight() && (!place.root.isConnected || !advance(passed))) stop();
  }
  function start() {
    cancelAnimationFrame(frame);
    last = performance.now();
    frame = requestAnimationFrame(work);
    changed();
  }
  function stop() {
    cancelAnimationFrame(frame);
    frame = 0;
    changed();
  }
  return { start, stop, moves: () => frame !== 0 };
}

// A parameter that runs from step to step up to the last one, each of `pace()` milliseconds; `toggle`, the action of a button,
// plays and pauses it.
export function player(place, button, { name, last, pace }) {
  let owed = 0; // milliseconds that have passed since the last step
  const { start, stop, moves } = moving(
    place,
    (passed) => {
      const steps = Math.floor((owed + passed) / pace());
      owed += passed - steps * pace();
      if (steps) place.set(name, Math.min(last, place.model.get(name) + steps));
      return place.model.get(name) < last;
    },
    () => {
      button.textContent = moves() ? "pause" : "play";
      place.summary.setAttribute("aria-live", moves() ? "off" : "polite"); // nobody wants to hear each step
      place.redraw();
    },
  );
  function toggle() {
    if (moves()) return stop();
    if (place.model.get(name) === last) place.set(name, 0);
    owed = 0;
    start();
  }
  return { toggle, stop, moves };
}

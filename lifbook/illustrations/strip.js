// A row of moments in the reader's hand, such as input spikes: a click at an empty step places one, a click on one takes
// it away, and dragging moves it. A step holds one, so what is dragged stops before the others and is dropped beyond them.
// By keyboard left and right move a cursor, space places or takes away, and with Shift the moment goes along.

// How far, in pixels, a pointer may be from what it means: a mouse is exact, a finger is wider than a step.
const REACH = { touch: 7, mouse: 1.5 };
const SLOP = { touch: 6, mouse: 2.5 }; // pixels within which a click is not yet a drag

// `name` is the parameter with the steps, `first` and `last` are its bounds, `x` is the scale with the middle of a step at
// its number, and `active` says whether the row can be touched. `past` is from `withUndo`.
export function momentStrip(place, surface, { name, first, last, begin, x, model: { get, assign }, past, active = () => true }) {
  let cursor = begin; // the step that the arrow keys have reached
  let held = null; // what the hand has taken: the moments before, the others, and where it was taken
  let hovered = null; // where the mouse is

  const bounded = (step) => Math.max(first, Math.min(last, step));
  const placed = (steps) => assign({ [name]: [...new Set(steps)].sort((a, b) => a - b) });
  const without = (step) => get(name).filter((each) => each !== step);
  const of = (distances, event) => distances[event.pointerType === "touch" ? "touch" : "mouse"];
  const across = (event) => event.clientX - surface.getBoundingClientRect().left;
  const stepAt = (event) => bounded(Math.round(x().invert(across(event))));

  // The moment that is meant, or none.
  function meant(event) {
    const at = stepAt(event);
    const distance = (step) => Math.abs(x()(step) - across(event));
    const near = get(name).filter((step) => step === at || distance(step) <= of(REACH, event));
    return near.sort((a, b) => distance(a) - distance(b))[0] ?? null;
  }

  // The free step closest to the wanted one, on this side of what stands in the way.
  function free(wanted, from, others) {
    const back = Math.sign(from - wanted);
    while (wanted !== from && others.includes(wanted)) wanted += back;
    return wanted;
  }

  surface.addEventListener("pointerdown", (event) => {
    if (!active() || !event.isPrimary || event.button !== 0) return;
    const found = meant(event);
    const at = stepAt(event);
    cursor = found ?? at;
    held = { before: get(name), others: without(found), from: event.clientX, offset: cursor - at, taken: found !== null, moved: false };
    surface.setPointerCapture(event.pointerId);
    if (!held.taken) placed([...held.others, cursor]);
    place.redraw();
  });
  surface.addEventListener("pointermove", (event) => {
    if (!active()) return;
    if (!held) return hover(event.pointerType === "touch" ? null : event);
    if (!event.isPrimary || (!held.moved && Math.abs(event.clientX - held.from) < of(SLOP, event))) return;
    held.moved = true;
    cursor = free(bounded(stepAt(event) + held.offset), cursor, held.others);
    placed([...held.others, cursor]);
  });
  surface.addEventListener("pointerup", (event) => {
    if (!held || !event.isPrimary) return;
    if (held.taken && !held.moved) placed(held.others);
    const { before } = held;
    held = null;
    if (String(before) !== String(get(name))) past.remember({ [name]: before });
    place.redraw();
  });
  surface.addEventListener("pointercancel", () => {
    if (held) placed(held.before); // it was the beginning of a scroll
    held = null;
  });
  surface.addEventListener("pointerleave", () => hover(null));

  function hover(event) {
    const found = event && meant(event);
    hovered = event && { step: found ?? stepAt(event), taken: found !== null };
    surface.style.cursor = hovered?.taken ? "grab" : "pointer";
    place.redraw();
  }

  // Whether the key was for the strip.
  function key(event) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10, Home: -last, End: last };
    const isPlaced = get(name).includes(cursor);
    if (event.key in moves) {
      const wanted = bounded(cursor + moves[event.key]);
      if (event.shiftKey && isPlaced) {
        const others = without(cursor);
        cursor = free(wanted, cursor, others);
        past.change({ [name]: [...others, cursor].sort((a, b) => a - b) });
      } else cursor = wanted;
      place.redraw();
    } else if (active() && [" ", "Enter"].includes(event.key)) {
      past.change({ [name]: isPlaced ? without(cursor) : [...get(name), cursor].sort((a, b) => a - b) });
    } else return false;
    event.preventDefault();
    return true;
  }
  for (const change of ["focus", "blur"]) surface.addEventListener(change, place.redraw);

  return {
    key,
    cursor: () => cursor,
    moveTo: (step) => (cursor = bounded(step)),
    held: () => held !== null,
    hovered: () => (active() && !held ? hovered : null),
  };
}

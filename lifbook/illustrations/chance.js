// Random numbers that chance.py repeats to the last digit, so that a picture drawn in Python is the one in the page.

// Marsaglia's 32-bit xorshift generator: a function that returns numbers between 0 and 1.
export function uniforms(seed) {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0 || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 8; i++) next(); // neighbouring seeds begin alike
  return next;
}

// Standard normal numbers, after Box and Muller.
export function normals(uniform) {
  return () => {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    return radius * Math.cos(2 * Math.PI * uniform());
  };
}

// Fisher and Yates' shuffle, in place.
export function shuffle(order, uniform) {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(uniform() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
}

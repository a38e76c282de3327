// Of the picture: handwriting.py says what they mean.
export const FIELD = 28;
const BOX = 20;
const PEN = 2.5;
const SMALLEST = 0.15;

// The picture of MNIST's kind that strokes make: scaled, with soft edges, its centre of mass in the middle.
export function ink(strokes) {
  const points = strokes.flat();
  if (points.length === 0) return new Float64Array(FIELD * FIELD);
  const [low, high] = [Math.min, Math.max].map((far) => [0, 1].map((axis) => far(...points.map((point) => point[axis]))));
  const factor = (BOX - PEN) / Math.max(high[0] - low[0], high[1] - low[1], SMALLEST);
  const moved = (by) =>
    strokes.map((stroke) =>
      stroke.map((point) => point.map((each, axis) => (each - (low[axis] + high[axis]) / 2) * factor + FIELD / 2 + by[axis])),
    );
  const picture = drawn(moved([0, 0]));
  let [mass, x, y] = [0, 0, 0];
  picture.forEach((value, pixel) => {
    mass += value;
    x += value * ((pixel % FIELD) + 0.5);
    y += value * (Math.floor(pixel / FIELD) + 0.5);
  });
  return drawn(moved([x, y].map((sum) => FIELD / 2 - Math.floor(sum / mass + 1e-6))));
}

// Lines with round ends: a pixel is as dark as its centre lies within the pen, with an edge of one pixel.
function drawn(strokes) {
  const distance = new Float64Array(FIELD * FIELD).fill(Infinity);
  for (const stroke of strokes) {
    for (let k = 0; k < Math.max(1, stroke.length - 1); k++) {
      const [startX, startY] = stroke[k];
      const [endX, endY] = stroke[k + 1] ?? stroke[k];
      const [alongX, alongY] = [endX - startX, endY - startY];
      const square = Math.max(alongX ** 2 + alongY ** 2, 1e-12);
      for (let pixel = 0; pixel < FIELD * FIELD; pixel++) {
        const [x, y] = [(pixel % FIELD) + 0.5 - startX, Math.floor(pixel / FIELD) + 0.5 - startY];
        const share = Math.max(0, Math.min(1, (x * alongX + y * alongY) / square));
        distance[pixel] = Math.min(distance[pixel], Math.hypot(x - share * alongX, y - share * alongY));
      }
    }
  }
  return distance.map((each) => Math.max(0, Math.min(1, PEN / 2 + 0.5 - each)));
}

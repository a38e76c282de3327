// Plays the activity of a network: a grid of cells for each layer, one picture for each step. It needs nothing else.
// A spike is a full cell that fades over the next steps; any other number is a shade between the layer's least and most.
(() => {
  const SILENT = [236, 236, 232], SPIKE = [0, 114, 178], SHADE = [213, 94, 0];
  const FADING = [1, 0.45, 0.2, 0.08];

  const colour = (full, share) => `rgb(${SILENT.map((s, i) => Math.round(s + share * (full[i] - s)))})`;

  function start(root) {
    const { steps, milliseconds, panels } = JSON.parse(root.dataset.activity);
    const [button, slider] = ["button", "input"].map((name) => root.querySelector(name));
    const canvases = root.querySelectorAll("canvas"), words = root.querySelector("output");
    for (const panel of panels) panel.bytes = Uint8Array.from(atob(panel.data), (c) => c.charCodeAt(0));

    const value = ({ bytes, rows, columns, binary }, t, unit) => {
      const at = t * rows * columns + unit;
      return binary ? (bytes[at >> 3] >> (7 - (at & 7))) & 1 : bytes[at] / 255;
    };
    const share = (panel, t, unit) =>
      panel.binary ? Math.max(...FADING.map((f, k) => (k > t ? 0 : f * value(panel, t - k, unit)))) : value(panel, t, unit);

    function draw() {
      const t = slider.value - 1;
      panels.forEach((panel, index) => {
        const { rows, columns, numbered, binary } = panel, canvas = canvases[index];
        const pen = canvas.getContext("2d"), side = canvas.width / columns, gap = side > 8 ? 2 : 0;
        pen.clearRect(0, 0, canvas.width, canvas.height);
        for (let unit = 0; unit < rows * columns; unit++) {
          const x = (unit % columns) * side, y = Math.floor(unit / columns) * side;
          pen.fillStyle = colour(binary ? SPIKE : SHADE, share(panel, t, unit));
          pen.fillRect(x, y, side - gap, side - gap);
          if (!numbered) continue;
          pen.fillStyle = "#222222";
          pen.font = `${Math.min(26, 0.7 * side)}px sans-serif`;
          pen.textAlign = "center";
          pen.fillText(unit, x + side / 2, side + 28);
        }
      });
      words.value = `step ${t + 1} of ${steps}`;
    }

    let clock = null;
    function pause() {
      clearInterval(clock);
      clock = null;
      button.textContent = "Play";
    }
    function play() {
      if (+slider.value === steps) {
        slider.value = 1;
        draw();
      }
      clock = setInterval(() => {
        slider.value = +slider.value + 1;
        draw();
        if (+slider.value === steps || !root.isConnected) pause();
      }, milliseconds);
      button.textContent = "Pause";
    }
    button.addEventListener("click", () => (clock ? pause() : play()));
    slider.addEventListener("input", () => { pause(); draw(); });
    draw();
  }

  for (const root of document.querySelectorAll(".lif-animation:not([data-live])")) {
    root.dataset.live = "";
    start(root);
  }
})();

// An illustration without a kernel: the part of an anywidget model that our modules use, over plain values.
export function inPage(render, values, figure) {
  const listeners = {};
  const model = {
    get: (name) => values[name],
    set: (name, value) => {
      values[name] = value;
      (listeners[`change:${name}`] ?? []).forEach((listener) => listener());
    },
    save_changes: () => {},
    on: (event, listener) => (listeners[event] ??= []).push(listener),
    off: (event, listener) => (listeners[event] = listeners[event].filter((each) => each !== listener)),
  };
  render({ model, el: figure.querySelector(".lif-live") });
  figure.classList.add("is-live"); // from here on the still picture is for print only
}

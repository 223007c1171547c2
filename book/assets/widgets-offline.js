// Before the widgets load: where their modules lie, and the one MathJax 2 call that they still make.

// Below this file, never on another server.
(() => {
  const vendor = new URL("vendor/", document.currentScript.src).href;
  window.requirejs.config({
    paths: {
      anywidget: `${vendor}anywidget`,
      "@jupyter-widgets": `${vendor}html-manager`, // where the icon fonts are
      "@jupyter-widgets/html-manager/dist": `${vendor}html-manager`,
    },
  });
})();

// ipywidgets' HTML and labels call MathJax.Hub.Queue, which MathJax 3 does not have. MathJax replaces its global object
// while it loads, so the call is added to every object that takes that place.
(() => {
  const Queue = ([, , element]) =>
    window.MathJax.startup?.promise?.then(() => window.MathJax.typesetPromise([element]));
  let current;
  const take = (value) => {
    current = value;
    if (value) Object.defineProperty(value, "Hub", { value: { Queue }, configurable: true });
  };
  take(window.MathJax);
  Object.defineProperty(window, "MathJax", { get: () => current, set: take, configurable: true });
})();

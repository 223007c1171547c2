// The widget of chapter 5: the regularisation path, stop by stop; the logits, their finite part, their direction.
//
// ntputils/widgets/path_player.py puts heatmap.js and path_player_core.js before this file: a widget's module is loaded
// as a blob and cannot import its neighbours. Nothing moves unless play was pressed.

const PACE = { stop: 160, slow: 1000 }; // milliseconds a stop; a decade a second where less motion is wanted
const FLOOR = 1e-11; // the lowest distance that the curves show
const KINDS = [
  { key: "off", label: "finite part to L", above: "in", unit: "distance" },
  { key: "whole", label: "logits to L", above: "mm", unit: "1 − cosine" },
  { key: "toSolution", label: "rest to L", above: "mm", unit: "1 − cosine" },
  { key: "toProxy", label: "rest to the proxy", above: "", unit: "1 − cosine" },
];

const quote = (words) => `«${words}»`;
const largest = (A) => Math.max(...A.flat().map(Math.abs), 0);
const tiny = (value) => (Math.abs(value) < 1e-9 ? 0 : value);
const brief = (value) => (Math.abs(value) < 0.005 ? "0" : format(value, Math.abs(value) < 10 ? 2 : 1)
  .replace(/^(−?)0\./, "$1."));
const raised = (number) => String(number).replace(/[-\d]/g, (digit) =>
  (digit === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]));

/** 2.2e-5 as people write it. */
function power(value) {
  if (!(value > 0)) return value === 0 ? "0" : "–";
  if (value >= 0.01) return format(value, 3);
  const [digits, exponent] = value.toExponential(1).split("e");
  return `${digits} · 10${raised(Number(exponent))}`;
}

const sub = (letter, above) => element("i", {}, letter, ...(above ? [element("sup", {}, above)] : []));
const heading = (...words) => element("p", { class: "ntp-title" }, ...words);

/** A heat map that keeps its nodes while only its entries change. */
class Steady extends Heatmap {
  layout() {
    if (!this.matrix) return;
    const { rows, cols, rowLabels, colLabels } = this.matrix;
    const form = JSON.stringify([this.node.clientWidth, ...Array.from({ length: rows }, (_, i) => rowLabels(i)), "",
      ...Array.from({ length: cols }, (_, j) => colLabels(j))]);
    if (form === this.form && this.shape) return;
    this.form = form;
    this.shape = null;
    super.layout();
  }

  describeWindow() {
    const { down, across } = this.shape;
    return down >= this.matrix.rows && across >= this.matrix.cols ? ""
      : "Scroll, or walk with the arrow keys, to see the rest.";
  }
}

/** Distances over the whole path on a logarithmic axis, and where the reader is; a press goes there. */
class Curves {
  constructor(go) {
    this.go = go;
    this.picture = element("svg:svg", { class: "ntp-curves", role: "img", onpointerdown: (event) => this.press(event) });
    this.node = element("div", {}, this.picture);
  }

  show(world, stops, at) {
    Object.assign(this, { world: world ?? this.world, stops: stops ?? this.stops, at: at ?? this.at });
    const width = this.node.clientWidth;
    if (!this.stops || width === 0) return;
    const [left, right, top, bottom, height] = [40, 12, 8, 34, 240];
    const count = this.stops.length;
    const x = (k) => left + ((width - left - right) * k) / Math.max(count - 1, 1);
    const decades = -Math.log10(FLOOR);
    const highest = Math.ceil(Math.log10(Math.max(1, ...this.stops.map(({ off }) => off))));
    const y = (value) => top + (height - top - bottom) *
      clamp((highest - Math.log10(Math.max(value, FLOOR))) / (highest + decades), 0, 1);
    this.x = x;
    const line = (x1, y1, x2, y2, kind) => element("svg:line", { x1, y1, x2, y2, class: kind });
    const text = (px, py, anchor, words) => element("svg:text", { x: px, y: py, "text-anchor": anchor }, words);
    const ticks = [];
    for (let e = 0; e >= -decades + 1; e -= 2) {
      const py = y(10 ** e);
      ticks.push(line(left, py, width - right, py, "ntp-axis"), text(left - 5, py + 4, "end", e ? `10${raised(e)}` : "1"));
    }
    const exponent = (k) => Math.log10(this.world.lambdas[k]);
    this.world.lambdas.forEach((_, k) => {
      const e = Math.round(exponent(k));
      if (Math.abs(exponent(k) - e) < 1e-6 && (e + 1) % 3 === 0) {
        ticks.push(text(x(k), height - 17, k === 0 ? "start" : k === count - 1 ? "end" : "middle", `10${raised(e)}`));
      }
    });
    ticks.push(text((left + width - right) / 2, height - 3, "middle", "λ"));
    const curves = KINDS.map(({ key }) => {
      const points = this.stops.map((stop, k) => [x(k), y(this.distance(stop, key))]).filter(([, py]) =>
        Number.isFinite(py));
      return element("svg:polyline", { class: `ntp-curve ntp-${key}`, points: points.map((p) => p.join()).join(" ") });
    });
    const here = KINDS.map(({ key }) => [key, y(this.distance(this.stops[this.at], key))])
      .filter(([, py]) => Number.isFinite(py))
      .map(([key, py]) => element("svg:circle", { class: `ntp-dot ntp-${key}`, cx: x(this.at), cy: py, r: 4 }));
    this.picture.replaceChildren(...ticks, line(x(this.at), top, x(this.at), height - bottom, "ntp-now"), ...curves,
      ...here);
    this.picture.setAttribute("width", width);
    this.picture.setAttribute("height", height);
    const ends = KINDS.map(({ key, label, above }) => `${label}${above ? ` ${above}` : ""} ` +
      `${power(this.distance(this.stops[0], key))} to ${power(this.distance(this.stops[count - 1], key))}`);
    this.picture.setAttribute("aria-label", "Distances along the path, logarithmic, from the largest λ to the " +
      `smallest: ${ends.join("; ")}.`);
  }

  distance(stop, key) {
    return key === "off" ? stop.off : Math.max(1 - stop[key], 0);
  }

  press(event) {
    if (!this.x) return;
    const px = event.clientX - this.picture.getBoundingClientRect().left;
    const count = this.stops.length;
    this.go(clamp(Math.round(((px - this.x(0)) / (this.x(count - 1) - this.x(0) || 1)) * (count - 1)), 0, count - 1));
  }
}

class PathPlayerView {
  constructor(model, host) {
    this.model = model;
    this.place = [0, 0];
    this.against = "solution";
    this.root = element("div", { class: "ntp-path-player" }, this.choices(), this.controls(), this.numbers(),
      this.pictures());
    host.replaceChildren(this.root);
    host.classList.add("ntp-host");
    this.listen();
    this.pull();
  }

  // --- the page --------------------------------------------------------------------------------------------------

  choices() {
    this.worldButtons = this.model.get("worlds").map((world, k) => element("button", { type: "button",
      onclick: () => this.choose(k) }, world.name));
    this.choice = element("div", { class: "ntp-presets", role: "group", "aria-label": "Problems" },
      element("span", {}, "Problem"), ...this.worldButtons);
    this.choice.hidden = this.worldButtons.length < 2;
    return this.choice;
  }

  controls() {
    const button = (text, label, action) => element("button", { type: "button", "aria-label": label, onclick: action },
      text);
    this.playButton = button("Play", "Play the path", () => (this.timer ? this.pause() : this.play()));
    this.back = button("◀", "One stop back, to a larger λ", () => this.go(this.at - 1));
    this.forth = button("▶", "One stop on, to a smaller λ", () => this.go(this.at + 1));
    this.slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "The ridge λ, from large to small",
      oninput: () => this.go(Number(this.slider.value)) });
    this.out = element("output");
    return element("div", { class: "ntp-transport" }, this.playButton, this.back, this.forth, this.slider, this.out);
  }

  numbers() {
    this.figures = {};
    const figure = (key, ...label) => {
      this.figures[key] = element("dd", { "data-number": key }, "–");
      return element("div", {}, element("dt", {}, ...label), this.figures[key]);
    };
    return element("dl", { class: "ntp-numbers" }, figure("leaves", "leaves the supports"),
      figure("budget", "its budget, λν"), figure("off", "finite part off by"),
      figure("share", "its share of the norm"), figure("whole", "cosine with ", sub("L", "mm")),
      figure("toProxy", "rest with the proxy"));
  }

  pictures() {
    const read = (i, j) => this.read(i, j);
    this.maps = { L: new Steady(read), finite: new Steady(read), inside: new Steady(read), direction: new Steady(read),
      other: new Steady(read) };
    this.curves = new Curves((k) => this.go(k));
    this.reading = element("p", { class: "ntp-reading" });
    const part = (map, ...words) => element("div", { class: "ntp-part" }, heading(...words), map.node);
    this.otherTitle = heading();
    this.againstButtons = ["solution", "proxy"].map((key) => element("button", { type: "button",
      onclick: () => this.compare(key) }, ...(key === "solution" ? [sub("L", "mm")] : ["the proxy ", sub("S̃")])));
    const keys = element("ul", { class: "ntp-keys" }, ...KINDS.map(({ key, label, above, unit }) =>
      element("li", {}, element("span", { class: `ntp-swatch ntp-${key}` }), above
        ? element("span", {}, `${label.slice(0, -1)}`, sub("L", above), ` (${unit})`) : `${label} (${unit})`)));
    return element("div", { class: "ntp-pictures", onfocusin: () => this.reading.setAttribute("aria-live", "polite"),
      onfocusout: () => this.reading.removeAttribute("aria-live") },
    this.reading,
    element("div", { class: "ntp-pair" }, part(this.maps.L, "The logits, ", sub("L"), element("sub", {}, "λ")),
      element("div", { class: "ntp-part" }, heading("How far from their limits"), keys, this.curves.node)),
    element("div", { class: "ntp-pair" }, part(this.maps.finite, "Their finite part"),
      part(this.maps.inside, "Its limit, ", sub("L", "in"))),
    element("div", { class: "ntp-pair" }, part(this.maps.direction, "Direction of the rest"),
      element("div", { class: "ntp-part" }, this.otherTitle, this.maps.other.node,
        element("div", { class: "ntp-presets ntp-against", role: "group", "aria-label": "Compare the direction with" },
          element("span", {}, "beside it"), ...this.againstButtons))));
  }

  // --- between the page and the model ----------------------------------------------------------------------------

  listen() {
    const changed = () => {
      if (this.pushing) return;
      this.pause();
      this.pull();
    };
    const names = ["change:worlds", "change:world", "change:stop"];
    names.forEach((name) => this.model.on(name, changed));
    let width = 0;
    const observer = new ResizeObserver(([entry]) => {
      if (Math.abs(entry.contentRect.width - width) < 1) return;
      width = entry.contentRect.width;
      Object.values(this.maps).forEach((map) => {
        map.layout();
        map.reveal();
      });
      this.curves.show();
    });
    observer.observe(this.root);
    this.stop = () => {
      this.pause();
      observer.disconnect();
      names.forEach((name) => this.model.off(name, changed));
    };
  }

  pull() {
    const worlds = this.model.get("worlds");
    const index = clamp(this.model.get("world"), 0, worlds.length - 1);
    const same = this.world === worlds[index];
    this.world = worlds[index];
    this.at = clamp(this.model.get("stop"), 0, this.world.lambdas.length - 1);
    this.worldButtons.forEach((button, k) => button.setAttribute("aria-pressed", String(k === index)));
    if (!same) {
      this.stops = this.world.lambdas.map((_, k) => stop(this.world, k));
      const last = this.stops.at(-1);
      this.limits = { L: largest(last.L), finite: Math.max(largest(last.inside), largest(last.finite), 1e-3),
        direction: Math.max(largest(last.solution), largest(last.proxy)) };
      this.slider.max = this.stops.length - 1;
      this.place = [0, 0];
    }
    this.draw();
  }

  push(values) {
    this.pushing = true;
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.pushing = false;
    this.model.save_changes();
  }

  choose(k) {
    this.pause();
    this.push({ world: k });
    this.pull();
  }

  compare(key) {
    this.against = key;
    this.draw();
  }

  go(k) {
    this.pause();
    this.at = clamp(k, 0, this.stops.length - 1);
    this.push({ stop: this.at });
    this.draw();
  }

  // --- playing -----------------------------------------------------------------------------------------------------

  play() {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const stride = calm ? Math.max(1, Math.round((this.stops.length - 1) / 9)) : 1;
    if (this.at === this.stops.length - 1) this.at = 0;
    this.timer = setInterval(() => {
      this.at = Math.min(this.at + stride, this.stops.length - 1);
      if (this.at === this.stops.length - 1) this.pause();
      this.draw();
    }, calm ? PACE.slow : PACE.stop);
    this.draw();
  }

  pause() {
    if (!this.timer) return;
    clearInterval(this.timer);
    this.timer = null;
    this.push({ stop: this.at });
    this.showControls();
  }

  // --- from the stop to the page -----------------------------------------------------------------------------------

  draw() {
    const here = this.stops[this.at];
    this.showControls();
    for (const key of ["leaves", "budget", "off"]) this.figures[key].textContent = power(here[key]);
    this.figures.share.textContent = Number.isFinite(here.share) ? `${format(100 * tiny(here.share), 1)} %` : "–";
    for (const key of ["whole", "toProxy"]) {
      this.figures[key].textContent = Number.isFinite(here[key]) ? format(here[key], 4) : "–";
    }
    const { tokens, contexts, P } = this.world;
    const sides = { rows: tokens.length, cols: contexts.length, rowKind: "words", colKind: "contexts",
      rowLabels: (i) => tokens[i], colLabels: (j) => contexts[j], signed: true, write: brief,
      marked: (i, j) => P[i][j] > 0 };
    const show = (map, A, limit, name) => map.show({ ...sides, at: (i, j) => tiny(A[i][j]), limit, name }, this.place);
    const other = this.against === "solution" ? here.solution : here.proxy;
    show(this.maps.finite, here.finite, this.limits.finite, "Finite part of the logits");
    show(this.maps.inside, here.inside, this.limits.finite, "L in, limit of the finite part");
    show(this.maps.direction, here.direction, this.limits.direction, "Direction of the rest");
    show(this.maps.other, other, this.limits.direction, this.against === "solution" ? "L mm" : "The proxy");
    show(this.maps.L, here.L, this.limits.L, "Logits");
    this.otherTitle.replaceChildren(...(this.against === "solution" ? ["Where it goes, ", sub("L", "mm")]
      : ["The proxy, ", sub("S̃")]));
    this.againstButtons.forEach((button, k) => button.setAttribute("aria-pressed",
      String((k === 0) === (this.against === "solution"))));
    this.curves.show(this.world, this.stops, this.at);
  }

  showControls() {
    const said = `λ = ${power(this.stops[this.at].lambda)}`;
    this.slider.value = this.at;
    this.slider.setAttribute("aria-valuetext", said);
    this.out.textContent = said;
    this.playButton.textContent = this.timer ? "Pause" : "Play";
    this.playButton.setAttribute("aria-label", this.timer ? "Pause" : "Play the path");
    this.back.disabled = this.at === 0;
    this.forth.disabled = this.at === this.stops.length - 1;
  }

  read(i, j) {
    const { tokens, contexts, P } = this.world;
    const { L, Q, finite, direction } = this.stops[this.at];
    this.place = [i, j];
    for (const map of Object.values(this.maps)) {
      if (!map.shape || map.cells.length !== Math.min(tokens.length, map.shape.down)) continue;
      map.focus = [i, j];
      map.mark();
    }
    this.reading.textContent = `${quote(tokens[i])} after ${quote(contexts[j])}: probability ${power(Q[i][j])}, in the ` +
      `text ${P[i][j] > 0 ? format(P[i][j], 3) : "never"}; logit ${format(tiny(L[i][j]), 2)}, finite part ` +
      `${format(tiny(finite[i][j]), 2)}, direction ${format(tiny(direction[i][j]), 2)}`;
  }
}

export default {
  render({ model, el }) {
    const view = new PathPlayerView(model, el);
    return () => view.stop();
  },
};

// The widget of chapter 10: words on a circle, a support, and the hyperplane that touches the moment curve there.
//
// ntputils/widgets/moment_curve.py puts three things before this file, because a widget's module is loaded as a blob and
// cannot import its neighbours: moment_curve_core.js (the arithmetic), heatmap.js (element, clamp, format) and LIMITS.

const quote = (words) => `«${words}»`;
const math = (symbol, below) => element("i", {}, symbol, ...(below ? [element("sub", {}, below)] : []));
const line = (x1, y1, x2, y2, kind) => element("svg:line", { x1, y1, x2, y2, class: kind });
const path = (points, kind) => element("svg:path", { d: `M${points.map((p) => p.map((c) => c.toFixed(2)).join(" "))
  .join("L")}Z`, class: kind });

/** Four digits: decimals for middling numbers, a power of ten for very small and very large ones. */
function short(value) {
  if (value === 0) return "0";
  const size = Math.floor(Math.log10(Math.abs(value)));
  if (size >= 4 || size < -3) return value.toExponential(2).replaceAll("-", "−").replace("e+", "e");
  return format(value, Math.min(3, 3 - Math.min(size, 3)));
}

class MomentCurveView {
  constructor(model, host) {
    this.model = model;
    this.prices = new Map();
    this.root = element("div", { class: "ntp-moment-curve" }, this.controls(), this.pictures(), this.numbers());
    host.replaceChildren(this.root);
    host.classList.add("ntp-host");
    this.listen();
    this.show();
  }

  // --- the page --------------------------------------------------------------------------------------------------

  controls() {
    this.sliders = {};
    this.outputs = {};
    const slider = (key, label, min, max, step) => {
      this.sliders[key] = element("input", { type: "range", min, max, step, oninput: () => this.slide(key) });
      this.outputs[key] = element("output");
      return element("label", {}, element("span", { class: "ntp-name" }, label), this.sliders[key], this.outputs[key]);
    };
    const button = (text, support) => element("button", { type: "button", onclick: () => this.choose(support()) }, text);
    const { k, V } = { k: () => this.d / 2, V: () => this.V };
    const first = (at) => Array.from({ length: k() }, (_, i) => at(i));
    return element("div", {},
      element("div", { class: "ntp-sliders" },
        slider("d", "Dimensions d", 2, LIMITS.d, 2), slider("V", "Words V", LIMITS.least, LIMITS.V, 1)),
      element("div", { class: "ntp-presets", role: "group", "aria-label": "Supports to start from" },
        element("span", {}, "Support"), button("neighbours", () => first((i) => i)),
        button("every other", () => first((i) => 2 * i)),
        button("spread out", () => first((i) => Math.round((i * V()) / k())))));
  }

  pictures() {
    const draw = (kind) => element("svg:svg", { class: kind });
    this.circle = draw("ntp-circle");
    this.circle.setAttribute("role", "group");
    this.circle.setAttribute("aria-label", "Words on the circle. Space or Enter puts a word into the support; arrow " +
      "keys go round.");
    this.unrolled = draw("ntp-unrolled");
    this.planes = element("div", { class: "ntp-planes" });
    for (const svg of [this.unrolled]) svg.setAttribute("role", "img");
    this.reading = element("p", { class: "ntp-reading", "aria-live": "polite" });
    this.note = element("p", { class: "ntp-note" });
    const part = (title, ...rest) => element("div", { class: "ntp-part" }, element("p", { class: "ntp-title" }, title),
      ...rest);
    return element("div", { class: "ntp-pair" },
      part("Words, and the height that the context gives to each angle", this.circle, this.reading),
      element("div", { class: "ntp-part" }, part("The same, unrolled", this.unrolled, this.note),
        part("The moment curve: one circle for each two dimensions", this.planes)));
  }

  numbers() {
    this.figures = {};
    const figure = (key, ...label) => {
      this.figures[key] = element("dd", { "data-number": key }, "–");
      return element("div", {}, element("dt", {}, ...label), this.figures[key]);
    };
    return element("div", {}, element("dl", { class: "ntp-numbers" },
      figure("margin", "margin"), figure("length", "length of ", math("h"), " at margin 1"),
      figure("subsets", "supports of k words"), figure("norm", "nuclear norm, all of them"),
      figure("least", "least norm, any d"), figure("price", "price: ratio of the two")),
    element("p", { class: "ntp-note" }, "The last four numbers are for all supports of k = d/2 words at once, each " +
      "scaled to margin 1. The least norm is that of the proxy, which needs V − 1 dimensions."));
  }

  // --- between the page and the model ----------------------------------------------------------------------------

  listen() {
    const names = ["change:V", "change:d", "change:support"];
    const changed = () => { if (!this.pushing) this.show(); };
    names.forEach((name) => this.model.on(name, changed));
    let width = 0;
    const observer = new ResizeObserver(([entry]) => {
      if (Math.abs(entry.contentRect.width - width) < 1) return;
      width = entry.contentRect.width;
      this.draw();
    });
    observer.observe(this.root);
    this.stop = () => {
      observer.disconnect();
      names.forEach((name) => this.model.off(name, changed));
    };
  }

  push(state) {
    this.pushing = true;
    for (const [name, value] of Object.entries(state)) this.model.set(name, value);
    this.pushing = false;
    this.model.save_changes();
    this.show();
  }

  /** d needs d + 1 words at least; a support has at most d/2 of them, all below V. */
  slide(key) {
    let [d, V] = [Number(this.sliders.d.value), Number(this.sliders.V.value)];
    if (key === "d") V = Math.max(V, d + 1);
    else d = Math.min(d, 2 * Math.floor((V - 1) / 2));
    this.push({ V, d, support: this.support.filter((z) => z < V).slice(0, d / 2) });
  }

  choose(support) {
    this.push({ support: [...new Set(support)].filter((z) => z < this.V) });
  }

  toggle(z) {
    const { support, d } = this;
    this.here = z;
    if (support.includes(z)) {
      if (support.length > 1) this.choose(support.filter((other) => other !== z));
      else this.say(`A context needs a next word: ${quote(this.name(z))} stays.`);
    } else if (support.length < d / 2) this.choose([...support, z].sort((a, b) => a - b));
    else this.say(`With d = ${d} a support has at most ${d / 2} word${d > 2 ? "s" : ""}: take one out, or raise d.`);
    this.marks[z].focus();
  }

  say(words) {
    this.reading.textContent = words;
  }

  name(z) {
    return `word ${z + 1}`;
  }

  // --- from the state to the page ----------------------------------------------------------------------------------

  show() {
    this.V = this.model.get("V");
    this.d = this.model.get("d");
    this.support = [...this.model.get("support")];
    const { V, d, support } = this;
    const k = d / 2;
    this.found = readSupport(V, k, support);
    const key = `${V},${k}`;
    if (!this.prices.has(key)) this.prices.set(key, price(V, k));
    const cost = this.prices.get(key);
    this.sliders.d.value = d;
    this.sliders.V.value = V;
    this.outputs.d.textContent = `${d}, k = ${k}`;
    this.outputs.V.textContent = String(V);
    const texts = { margin: short(this.found.margin), length: short(this.found.length),
      subsets: choose(V, k).toFixed(0), norm: short(cost.norm), least: short(cost.least), price: short(cost.ratio) };
    for (const [name, text] of Object.entries(texts)) this.figures[name].textContent = text;
    this.say(`Highest: ${support.map((z) => z + 1).join(", ")}. The next word is ${short(this.found.margin)} lower.`);
    this.note.textContent = d === 2 ? "One frequency: the height along a straight direction in the plane."
      : `${k} frequencies: a hyperplane in ${d} dimensions, seen along the curve.`;
    this.draw();
  }

  draw() {
    this.drawCircle();
    this.drawUnrolled();
    this.drawPlanes();
  }

  /** How far below the top an angle is, between 0 and 1, on a scale that shows small margins. */
  depth(t) {
    const most = Math.max(...Array.from({ length: 181 }, (_, i) => gapAt((TURN * i) / 181, this.support, this.V)));
    return (gapAt(t, this.support, this.V) / most) ** 0.5;
  }

  drawCircle() {
    const width = Math.min(this.circle.parentElement.clientWidth, 380);
    if (width < 40) return;
    const { V, support } = this;
    const [radius, middle] = [width / 2 - 26, width / 2];
    const at = (t, r) => [middle + r * Math.sin(t), middle - r * Math.cos(t)];
    const steps = Array.from({ length: 360 }, (_, i) => (TURN * i) / 360);
    const most = Math.max(...steps.map((t) => gapAt(t, support, V)));
    const curve = steps.map((t) => at(t, radius * (1 - 0.75 * (gapAt(t, support, V) / most) ** 0.5)));
    const focused = document.activeElement;
    const had = this.marks?.indexOf(focused) ?? -1;
    this.marks = Array.from({ length: V }, (_, z) => {
      const [x, y] = at(angleOf(z, V), radius);
      const [lx, ly] = at(angleOf(z, V), radius + 16);
      const inside = support.includes(z);
      const mark = element("svg:g", { class: `ntp-word ${inside ? "ntp-in" : ""}`, role: "checkbox",
        "aria-checked": String(inside), "aria-label": this.name(z), tabindex: z === (this.here ?? 0) % V ? 0 : -1,
        onclick: () => this.toggle(z), onkeydown: (event) => this.key(event, z) },
      element("svg:circle", { cx: x, cy: y, r: 15, class: "ntp-target" }),
      element("svg:circle", { cx: x, cy: y, r: inside ? 7 : 5, class: "ntp-dot" }),
      element("svg:text", { x: lx, y: ly, "text-anchor": "middle", "dominant-baseline": "central" }, String(z + 1)));
      return mark;
    });
    this.circle.replaceChildren(element("svg:circle", { cx: middle, cy: middle, r: radius, class: "ntp-rim" }),
      path(curve, "ntp-height"), ...this.marks);
    this.circle.setAttribute("width", width);
    this.circle.setAttribute("height", width);
    if (had >= 0) this.marks[Math.min(had, V - 1)].focus();
  }

  key(event, z) {
    const { V } = this;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      this.toggle(z);
    } else if (step) {
      event.preventDefault();
      this.here = (z + step + V) % V;
      this.marks.forEach((mark, i) => mark.setAttribute("tabindex", i === this.here ? 0 : -1));
      this.marks[this.here].focus();
      const lower = gapAt(angleOf(this.here, V), this.support, V);
      this.say(this.support.includes(this.here) ? `${quote(this.name(this.here))}: in the support, on top`
        : `${quote(this.name(this.here))}: ${short(lower)} lower`);
    }
  }

  drawUnrolled() {
    const width = Math.min(this.unrolled.parentElement.clientWidth, 560);
    if (width < 40) return;
    const { V, support } = this;
    const [height, pad] = [120, 10];
    const steps = Array.from({ length: 361 }, (_, i) => (TURN * i) / 360);
    const most = Math.max(...steps.map((t) => gapAt(t, support, V)));
    const at = (t) => [pad + ((width - 2 * pad) * t) / TURN,
      14 + ((height - 28) * gapAt(t, support, V)) / most];
    const points = steps.map((t) => at(t).map((c) => c.toFixed(2)).join(" ")).join("L");
    const dots = Array.from({ length: V }, (_, z) => {
      const [cx, cy] = at(angleOf(z, V));
      return element("svg:circle", { cx, cy, r: 4, class: support.includes(z) ? "ntp-dot ntp-in" : "ntp-dot" });
    });
    this.unrolled.replaceChildren(line(pad, 14, width - pad, 14, "ntp-top"),
      element("svg:path", { d: `M${points}`, class: "ntp-height" }), ...dots);
    this.unrolled.setAttribute("width", width);
    this.unrolled.setAttribute("height", height);
    this.unrolled.setAttribute("aria-label", "Height of the context by angle: it touches the line on top at words " +
      `${support.map((z) => z + 1).join(", ")}; the other words are lower, by ${short(this.found.margin)} at least.`);
  }

  /** Frequency n of the curve winds n times around its own circle; the arrow is that part of the context vector. */
  drawPlanes() {
    const { V, d, support, found } = this;
    const size = 92;
    const longest = Math.max(...Array.from({ length: d / 2 }, (_, n) => Math.hypot(found.h[2 * n], found.h[2 * n + 1])));
    this.planes.replaceChildren(...Array.from({ length: d / 2 }, (_, n) => {
      const [radius, middle] = [34, size / 2];
      const dots = Array.from({ length: V }, (_, z) => {
        const t = (n + 1) * angleOf(z, V);
        return element("svg:circle", { cx: middle + radius * Math.sin(t), cy: middle - radius * Math.cos(t),
          r: support.includes(z) ? 4.5 : 3, class: support.includes(z) ? "ntp-dot ntp-in" : "ntp-dot" });
      });
      const [x, y] = [found.h[2 * n], found.h[2 * n + 1]].map((c) => (30 * c) / (longest || 1));
      const name = `Dimensions ${2 * n + 1} and ${2 * n + 2}: the words go ${n + 1} times around`;
      const picture = element("svg:svg", { width: size, height: size, role: "img", "aria-label": name },
        element("svg:circle", { cx: middle, cy: middle, r: radius, class: "ntp-rim" }),
        line(middle, middle, middle + y, middle - x, "ntp-arrow"),
        element("svg:circle", { cx: middle + y, cy: middle - x, r: 2.5, class: "ntp-tip" }),
        ...dots.filter((dot) => !dot.classList.contains("ntp-in")), ...dots.filter((dot) => dot.classList.contains(
          "ntp-in")));
      return element("div", {}, picture, element("p", { class: "ntp-where" }, `${n + 1}t`));
    }));
  }
}

export default {
  render({ model, el }) {
    const view = new MomentCurveView(model, el);
    return () => view.stop();
  },
};

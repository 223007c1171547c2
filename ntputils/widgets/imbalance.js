// The widget of chapter 20: frequent and rare words in the limit, and how far rare ones have drawn together.
//
// ntputils/widgets/imbalance.py puts heatmap.js (`element`, `clamp` and `format`), imbalance_core.js and the limits of the
// sliders before this file, because a widget's module is loaded as a blob and cannot import its neighbours.

const RATIOS = [1, 2, 3, 5, 7, 10, 20, 30, 50, 100, 200, 300, 500, 1000];

const degrees = (cos) => (Math.acos(clamp(cos, -1, 1)) * 180) / Math.PI;
const settle = (value) => (Math.abs(value) < 1e-9 ? 0 : value);
/** A large number as people write it: two digits, and a power of ten from a hundred thousand on. */
function round(value) {
  if (value < 1000) return String(Math.round(value));
  const power = Math.floor(Math.log10(value));
  return power < 5 ? String(Math.round(value / 100) * 100) : `${(value / 10 ** power).toFixed(1)} · 10^${power}`;
}

class ImbalanceView {
  constructor(model, host) {
    this.model = model;
    this.root = element("div", { class: "ntp-imbalance" }, this.controls(), this.stage());
    host.replaceChildren(this.root);
    host.classList.add("ntp-host");
    const traits = ["V", "majority", "R", "balanced"];
    const changed = () => this.pushing || this.update();
    traits.forEach((name) => model.on(`change:${name}`, changed));
    let width = 0;
    const observer = new ResizeObserver(([entry]) => {
      if (Math.abs(entry.contentRect.width - width) < 1) return;
      width = entry.contentRect.width;
      this.draw();
    });
    observer.observe(this.root);
    this.stop = () => {
      observer.disconnect();
      traits.forEach((name) => model.off(`change:${name}`, changed));
    };
    this.update();
  }

  // --- the page --------------------------------------------------------------------------------------------------

  controls() {
    const button = (balanced, label) => element("button", { type: "button", onclick: () => this.push({ balanced }) }, label);
    this.modes = [button(false, "Every context once"), button(true, "Resampled to balance")];
    this.inputs = {};
    this.outputs = {};
    const slider = (key, label, read) => {
      this.inputs[key] = element("input", { type: "range", step: 1, oninput: () => this.push(read(Number(this.inputs[key].value))) });
      this.outputs[key] = element("output");
      return element("label", {}, element("span", { class: "ntp-name" }, label), this.inputs[key], this.outputs[key]);
    };
    return element("div", {},
      element("div", { class: "ntp-presets", role: "group", "aria-label": "Which contexts count" }, ...this.modes),
      element("div", { class: "ntp-sliders" },
        slider("R", "imbalance, R", (place) => ({ R: RATIOS[place] })),
        slider("V", "words, V", (V) => ({ V, majority: clamp(this.majority, 1, V - 1) })),
        slider("majority", "of these frequent", (majority) => ({ majority }))));
  }

  stage() {
    const part = (title, picture, note) => element("div", { class: "ntp-part" }, element("p", { class: "ntp-title" }, title),
      picture, note);
    this.planePicture = element("svg:svg", { class: "ntp-plane", role: "img" });
    this.gridPicture = element("svg:svg", { class: "ntp-cosines", role: "img" });
    this.plane = part("Words, seen along a plane", this.planePicture, element("p", { class: "ntp-note" },
      "Across: what tells the two groups apart. Upwards: what tells words of one group apart. True angles are in the table."));
    this.grid = part("Cosines of all pairs, frequent words first", this.gridPicture, element("div", { class: "ntp-legend ntp-signed" },
      element("div", { class: "ntp-ramp" }), element("div", { class: "ntp-ticks" }, element("span", {}, "−1"),
        element("span", {}, "0"), element("span", {}, "1"))));
    this.body = element("tbody");
    const heads = ["between", "cosine", "angle"].map((text) => element("th", { scope: "col" }, text));
    this.summary = element("p", { class: "ntp-note ntp-summary" });
    this.said = element("p", { class: "ntp-reading", "aria-live": "polite" });
    const key = (kind, text) => [element("span", { class: `ntp-key-mark ntp-${kind}` }), text];
    return element("div", {}, element("p", { class: "ntp-key" }, ...key("frequent", "frequent word"), ...key("rare", "rare word")),
      this.said, element("div", { class: "ntp-pair" }, this.plane, this.grid),
      element("table", {}, element("caption", {}, "Angles, in closed form"), element("thead", {}, element("tr", {}, ...heads)),
        this.body), this.summary);
  }

  // --- state -----------------------------------------------------------------------------------------------------

  push(changes) {
    this.pushing = true;
    for (const [name, value] of Object.entries(changes)) this.model.set(name, value);
    this.pushing = false;
    this.model.save_changes();
    this.update();
  }

  /** What the page shows of a state that may not fit together: fewer frequent words than words. */
  update() {
    const get = (name) => this.model.get(name);
    this.V = clamp(Math.round(get("V")), LIMITS.least, LIMITS.most);
    this.majority = clamp(Math.round(get("majority")), 1, this.V - 1);
    this.R = clamp(Math.round(get("R")), 1, LIMITS.R);
    this.balanced = Boolean(get("balanced"));
    this.world = twoGroups(this.V, this.majority, this.balanced ? 1 : this.R);
    this.showControls();
    this.showNumbers();
    this.draw();
  }

  showControls() {
    const { V, majority, R, balanced } = this;
    this.modes.forEach((button, k) => button.setAttribute("aria-pressed", String(Boolean(k) === balanced)));
    const nearest = RATIOS.reduce((best, ratio, k) => (Math.abs(ratio - R) < Math.abs(RATIOS[best] - R) ? k : best), 0);
    const settings = { R: [0, RATIOS.length - 1, nearest, R], V: [LIMITS.least, LIMITS.most, V, V],
      majority: [1, V - 1, majority, majority] };
    for (const [key, [min, max, value, text]] of Object.entries(settings)) {
      Object.assign(this.inputs[key], { min, max });
      this.inputs[key].value = value;
      this.inputs[key].setAttribute("aria-valuetext", String(text));
      this.outputs[key].textContent = String(text);
    }
  }

  showNumbers() {
    const { V, majority, R, balanced, world } = this;
    const rows = [["minority", "two rare words"], ["majority", "two frequent words"], ["mixed", "one of each"]];
    this.body.replaceChildren(...rows.map(([key, label]) => {
      const cos = world.cosines[key];
      const cells = cos === null ? ["–", "–"] : [format(settle(cos)), `${degrees(cos).toFixed(1)}°`];
      return element("tr", { "data-row": key }, element("th", { scope: "row" }, label),
        ...cells.map((text) => element("td", {}, text)));
    }));
    const rare = world.cosines.minority;
    const contexts = balanced ? `The ${majority} frequent words have ${R} contexts each, which count as one.`
      : `${majority} of ${V} words have ${R} context${R > 1 ? "s" : ""} each, the others one.`;
    this.said.textContent = rare === null ? `${contexts} There is a single rare word.`
      : `${contexts} Two rare words are ${degrees(rare).toFixed(0)}° apart.`;
    const [right, half] = [0, 0.5].map((cosine) => ratioFor(V, majority, cosine));
    const lengths = `Squared lengths: ${format(world.majority)} frequent, ${format(world.minority)} rare.`;
    this.summary.textContent = rare === null ? lengths
      : `${lengths} Rare words are at a right angle at R = ${right === null ? 1 : round(right)}, and at 60° at R = ${round(half)}.`;
  }

  // --- pictures --------------------------------------------------------------------------------------------------

  draw() {
    if (!this.world || this.root.clientWidth === 0) return;
    this.drawPlane();
    this.drawGrid();
  }

  kind(word) {
    return word < this.majority ? "ntp-frequent" : "ntp-rare";
  }

  drawPlane() {
    const { V, majority, R, balanced, planePicture: picture } = this;
    const width = this.plane.clientWidth;
    const height = Math.round(clamp(0.8 * width, 190, 300));
    const points = planePoints(V, majority, balanced ? 1 : R);
    const reach = (axis) => Math.max(...points.map((point) => Math.abs(point[axis])), 1e-9);
    const scale = Math.min((width / 2 - 26) / reach(0), (height / 2 - 16) / reach(1));
    const at = ([x, y]) => [width / 2 + scale * x, height / 2 - scale * y];
    const origin = at([0, 0]);
    const nodes = points.map((point, word) => {
      const [x, y] = at(point);
      return element("svg:line", { x1: origin[0], y1: origin[1], x2: x, y2: y, class: `ntp-ray ${this.kind(word)}` });
    });
    points.forEach((point, word) => {
      const [x, y] = at(point);
      const mark = this.kind(word) === "ntp-rare" ? element("svg:circle", { cx: x, cy: y, r: 5 })
        : element("svg:rect", { x: x - 4.5, y: y - 4.5, width: 9, height: 9 });
      mark.setAttribute("class", `ntp-mark ${this.kind(word)}`);
      mark.setAttribute("data-word", word);
      nodes.push(mark);
    });
    this.paint(picture, width, height, nodes);
    picture.setAttribute("aria-label", `${V} word vectors from one point, ${majority} frequent ones to the left and ` +
      `${V - majority} rare ones to the right. ${this.said.textContent}`);
  }

  drawGrid() {
    const { V, world, gridPicture: picture } = this;
    const size = Math.min(this.grid.clientWidth, 300);
    const cell = size / V;
    const nodes = Array.from({ length: V * V }, (_, k) => {
      const [row, column] = [Math.floor(k / V), k % V];
      const cos = cosineOf(world, row, column);
      const gap = cell > 8 ? 1 : 0;
      return element("svg:g", { class: `ntp-cell ${cos < 0 ? "ntp-below" : ""}`, style: `--t: ${Math.abs(cos).toFixed(3)}` },
        element("svg:rect", { x: column * cell, y: row * cell, width: cell - gap, height: cell - gap }));
    });
    const cut = this.majority * cell - (cell > 8 ? 0.5 : 0);
    for (const [x1, y1, x2, y2] of [[cut, 0, cut, size], [0, cut, size, cut]]) {
      nodes.push(element("svg:line", { x1, y1, x2, y2, class: "ntp-cut" }));
    }
    picture.classList.add("ntp-signed");
    this.paint(picture, size, size, nodes);
    const said = ["minority", "majority", "mixed"].filter((key) => world.cosines[key] !== null).map((key) =>
      `${{ minority: "two rare words", majority: "two frequent words", mixed: "one of each" }[key]} ` +
      `${format(settle(world.cosines[key]))}`).join(", ");
    picture.setAttribute("aria-label", `Cosines of ${V} words, frequent ones first: ${said}.`);
  }

  paint(picture, width, height, nodes) {
    picture.setAttribute("width", width);
    picture.setAttribute("height", height);
    picture.replaceChildren(...nodes);
  }
}

export default {
  render({ model, el }) {
    const view = new ImbalanceView(model, el);
    return () => view.stop();
  },
};

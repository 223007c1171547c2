// The widget of chapter 7: symmetric worlds, drawn, with every angle twice: by formula and from a solution.
//
// ntputils/widgets/symmetric.py puts svm_core.js (the solver), heatmap.js (`element` and `format`) and symmetric_core.js
// before this file, because a widget's module is loaded as a blob and cannot import its neighbours.

const WORDS = { least: 3, most: 10 };
const RATIOS = [1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000];
const FAN = { room: 52, foot: 26, head: 22 }; // pixels beside, below and above the half circle

const degrees = (cos) => (Math.acos(cos) * 180) / Math.PI;
/** Words by number; three or more in a row as a range. */
const names = (list) => {
  const runs = [];
  for (const word of list) {
    if (runs.length && runs.at(-1)[1] === word - 1) runs.at(-1)[1] = word;
    else runs.push([word, word]);
  }
  return runs.map(([a, b]) => (b - a > 1 ? `${a + 1}–${b + 1}` : b > a ? `${a + 1}, ${b + 1}` : `${a + 1}`)).join(", ");
};
const settle = (value) => (Math.abs(value) < 1e-9 ? 0 : value);

class SymmetricView {
  constructor(model, host) {
    this.model = model;
    this.root = element("div", { class: "ntp-symmetric" }, this.controls(), this.stage());
    host.replaceChildren(this.root);
    host.classList.add("ntp-host");
    const traits = ["mode", "V", "k", "R", "chosen"];
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
    const mode = (key, label) => element("button", { type: "button", onclick: () => this.push({ mode: key, chosen: 0 }) },
      label);
    this.modes = { subsets: mode("subsets", "All k-subsets"), step: mode("step", "Step imbalance") };
    this.inputs = {};
    this.outputs = {};
    this.labels = {};
    const slider = (key, label, read) => {
      this.labels[key] = element("span", { class: "ntp-name" }, label);
      this.inputs[key] = element("input", { type: "range", oninput: () => this.push(read(Number(this.inputs[key].value))) });
      this.outputs[key] = element("output");
      return element("label", {}, this.labels[key], this.inputs[key], this.outputs[key]);
    };
    return element("div", {},
      element("div", { class: "ntp-presets", role: "group", "aria-label": "Which world" }, ...Object.values(this.modes)),
      element("div", { class: "ntp-sliders" },
        slider("V", "words, V", (V) => ({ V, chosen: 0 })),
        this.sizeRow = slider("k", "next words, k", (k) => ({ k, chosen: 0 })),
        this.ratioRow = slider("R", "imbalance, R", (place) => ({ R: RATIOS[place] })),
        slider("chosen", "seen from", (chosen) => ({ chosen }))));
  }

  stage() {
    const part = (title, picture, note) => element("div", { class: "ntp-part" }, element("p", { class: "ntp-title" }, title),
      picture, note);
    this.planePicture = element("svg:svg", { class: "ntp-plane", role: "img" });
    this.fanPicture = element("svg:svg", { class: "ntp-fan", role: "img" });
    this.planeNote = element("p", { class: "ntp-note" });
    this.fanNote = element("p", { class: "ntp-note", "aria-live": "polite" });
    this.plane = part("Words and contexts", this.planePicture, this.planeNote);
    this.fan = part("True angles", this.fanPicture, this.fanNote);
    this.body = element("tbody");
    const heads = ["between", "formula", "solved", "angle"].map((text) => element("th", { scope: "col" }, text));
    this.table = element("table", {}, element("caption", {}, "Cosines"), element("thead", {}, element("tr", {}, ...heads)),
      this.body);
    this.summary = element("p", { class: "ntp-note ntp-summary" });
    return element("div", {}, element("p", { class: "ntp-key" }, element("span", { class: "ntp-key-word" }), "word",
      element("span", { class: "ntp-key-context" }), "context"),
    element("div", { class: "ntp-pair" }, this.plane, this.fan), this.table, this.summary);
  }

  // --- state -----------------------------------------------------------------------------------------------------

  push(changes) {
    this.pushing = true; // several changes are one: the page solves once, when all are there
    for (const [name, value] of Object.entries(changes)) this.model.set(name, value);
    this.pushing = false;
    this.model.save_changes();
    this.update();
  }

  /** What the page shows for a state that may not fit together: k below V, an even V under step imbalance. */
  pull() {
    const get = (name) => this.model.get(name);
    this.mode = get("mode") === "step" ? "step" : "subsets";
    const step = this.mode === "step";
    const V = clamp(Math.round(get("V")), WORDS.least, WORDS.most);
    this.V = step ? Math.max(4, V - (V % 2)) : V;
    this.k = clamp(Math.round(get("k")), 1, this.V - 1);
    this.R = clamp(Math.round(get("R")), 1, RATIOS.at(-1));
    return get("chosen");
  }

  update() {
    const chosen = this.pull();
    const { mode, V, k, R } = this;
    const step = mode === "step";
    const key = step ? `${V} ${R}` : `${V}, ${k}`;
    if (key !== this.key) {
      this.world = step ? stepWorld(V, R) : subsetWorld(V, k);
      this.solution = solveWorld(this.world);
      this.key = key;
    }
    this.chosen = clamp(Math.round(chosen), 0, this.world.columns.length - 1);
    this.showControls(step);
    this.showTable(step);
    this.draw();
  }

  showControls(step) {
    const { V, k, R, chosen } = this;
    for (const [key, button] of Object.entries(this.modes)) button.setAttribute("aria-pressed", String(key === this.mode));
    this.sizeRow.hidden = step;
    this.ratioRow.hidden = !step;
    this.labels.chosen.textContent = step ? "seen from word" : "seen from context";
    const nearest = RATIOS.reduce((best, ratio, place) => (Math.abs(ratio - R) < Math.abs(RATIOS[best] - R) ? place : best), 0);
    const settings = { V: [step ? 4 : WORDS.least, WORDS.most, V, V], k: [1, V - 1, k, k],
      R: [0, RATIOS.length - 1, nearest, R],
      chosen: [0, this.world.columns.length - 1, chosen, step ? chosen + 1 : `{${names(this.world.columns[chosen])}}`] };
    for (const [key, [least, most, value, text]] of Object.entries(settings)) {
      const input = this.inputs[key];
      Object.assign(input, { min: least, max: most, step: key === "V" && step ? 2 : 1 });
      input.value = value;
      input.setAttribute("aria-valuetext", text);
      this.outputs[key].textContent = text;
    }
  }

  showTable(step) {
    const { V, k, R, world, solution, chosen } = this;
    const rows = step ? stepTable(V, R, solution) : subsetTable(V, k, world, solution, chosen);
    this.body.replaceChildren(...rows.map(({ key, label, formula, solved }) => element("tr", { "data-row": key },
      element("th", { scope: "row" }, label), ...[format(settle(formula)), format(settle(solved)),
        `${degrees(solved).toFixed(1)}°`].map((text) => element("td", {}, text)))));
    const { norm } = step ? stepFormulas(V, R) : subsetFormulas(V, k);
    const contexts = world.counts.reduce((sum, count) => sum + count, 0);
    this.summary.textContent = `${contexts} contexts. Nuclear norm: ${format(norm)} by formula, ${format(solution.primal)} ` +
      `solved, with a duality gap of at most ${solution.gap < 1e-9 ? "10⁻⁹" : "10⁻⁶"}.`;
  }

  // --- pictures --------------------------------------------------------------------------------------------------

  draw() {
    if (!this.world || this.root.clientWidth === 0) return;
    this.drawPlane();
    this.drawFan();
  }

  drawPlane() {
    const { V, world, solution, chosen, planePicture: picture } = this;
    const step = this.mode === "step";
    const width = this.plane.clientWidth;
    const height = Math.round(clamp(0.9 * width, 200, 320));
    const words = upTo(V).map((i) => solution.wordAt(i));
    const contexts = world.columns.map((_, j) => solution.contextAt(j));
    const reach = Math.max(...[...words, ...contexts].map((point) => Math.hypot(...point)), 1e-9);
    const scale = (Math.min(width, height) / 2 - 24) / reach;
    const at = ([x, y]) => [width / 2 + scale * x, height / 2 - scale * y];
    const origin = at([0, 0]);
    const ray = (to, kind) => element("svg:line", { x1: origin[0], y1: origin[1], x2: to[0], y2: to[1], class: kind });
    const inside = (i) => (step ? i === chosen : world.columns[chosen].includes(i));
    const nodes = words.map((point, i) => ray(at(point), `ntp-ray ${inside(i) ? "ntp-inside" : ""}`));
    contexts.forEach((point, j) => {
      const [cx, cy] = at(point);
      const dot = element("svg:circle", { cx, cy, r: j === chosen ? 7 : 4, "data-context": j,
        class: `ntp-dot ${j === chosen && !step ? "ntp-here" : ""}`, onclick: () => this.push({ chosen: j }) });
      if (j === chosen) nodes.push(...(step ? [] : [ray([cx, cy], "ntp-ray ntp-of-context")]), dot);
      else nodes.unshift(dot);
    });
    words.forEach((point, i) => {
      const [x, y] = at(point);
      const long = Math.hypot(x - origin[0], y - origin[1]) || 1;
      nodes.push(element("svg:rect", { x: x - 4.5, y: y - 4.5, width: 9, height: 9, class: "ntp-word-mark",
        onclick: () => step && this.push({ chosen: i }) }),
      element("svg:text", { x: x + (13 * (x - origin[0])) / long, y: y + (13 * (y - origin[1])) / long,
        class: `ntp-tag ${inside(i) ? "ntp-inside" : ""}` }, String(i + 1)));
    });
    this.paint(picture, width, height, nodes);
    picture.setAttribute("aria-label", `${V} words and ${contexts.length} different contexts, projected on a plane.`);
    this.planeNote.textContent = step
      ? `A view from ${V - 1} dimensions. Words 1 to ${V / 2} are the majority; a circle stands for all contexts of one word.`
      : `A view from ${V - 1} dimension${V > 2 ? "s" : ""}, where the words form a regular polygon${V === 3
        ? ": here nothing is lost" : " and angles are not the true ones"}. Press a circle to choose a context.`;
  }

  /** Rays at their true angles to the chosen context, or word: { cos, kind, text }, equal angles together. */
  rays() {
    const { V, world, solution, chosen } = this;
    const solved = cosines(solution);
    const list = [];
    const add = (cos, kind, word, text) => {
      const twin = list.find((ray) => ray.kind === kind && Math.abs(ray.cos - cos) < 1e-6);
      if (!twin) list.push({ cos, kind, words: [word], text });
      else if (kind === "word") twin.words.push(word);
    };
    if (this.mode === "step") {
      upTo(V).filter((i) => i !== chosen).forEach((i) => add(solved.words(chosen, i), "word", i));
      return list;
    }
    upTo(V).forEach((i) => add(solved.mixed(i, chosen), "word", i));
    const here = world.columns[chosen];
    world.columns.forEach((column, j) => {
      if (j !== chosen) add(solved.contexts(chosen, j), "context", j, `share ${shared(column, here)}`);
    });
    return list;
  }

  drawFan() {
    const { chosen, world, fanPicture: picture } = this;
    const step = this.mode === "step";
    const width = this.fan.clientWidth;
    const radius = clamp((width - 2 * FAN.room) / 2, 60, 200);
    const height = radius + FAN.foot + FAN.head;
    const [ox, oy] = [width / 2, height - FAN.foot];
    const tip = (angle, r) => [ox + r * Math.cos(angle), oy - r * Math.sin(angle)];
    const line = (to, kind) => element("svg:line", { x1: ox, y1: oy, x2: to[0], y2: to[1], class: kind });
    const [left, right, top] = [tip(Math.PI, radius), tip(0, radius), tip(Math.PI / 2, radius)];
    const nodes = [element("svg:path", { d: `M ${left} A ${radius} ${radius} 0 0 1 ${right}`, class: "ntp-arc" }),
      line(left, "ntp-axis"), line(top, "ntp-axis"), line(right, `ntp-ray ntp-of-${step ? "word" : "context"}`)];
    const rays = this.rays();
    for (const { cos, kind, words, text } of rays) {
      const angle = Math.acos(cos);
      const reach = kind === "word" ? radius : 0.62 * radius;
      const end = tip(angle, reach);
      nodes.push(line(end, `ntp-ray ntp-of-${kind}`));
      nodes.push(kind === "word"
        ? element("svg:rect", { x: end[0] - 4.5, y: end[1] - 4.5, width: 9, height: 9, class: "ntp-word-mark" })
        : element("svg:circle", { cx: end[0], cy: end[1], r: 4, class: "ntp-dot" }));
      const [x, y] = tip(angle, reach + 9);
      const anchor = Math.abs(cos) < 0.2 ? "middle" : cos > 0 ? "start" : "end";
      nodes.push(element("svg:text", { x, y: y - (kind === "word" ? 4 : 0), "text-anchor": anchor,
        class: `ntp-tag ntp-of-${kind}` }, text ?? names(words)));
    }
    nodes.push(element("svg:text", { x: right[0], y: oy + 16, "text-anchor": "middle", class: "ntp-tag ntp-inside" },
      step ? `word ${chosen + 1}` : `{${names(world.columns[chosen])}}`));
    this.paint(picture, width, height, nodes);
    const said = rays.filter(({ kind }) => kind === "word").sort((a, b) => b.cos - a.cos).map(({ cos, words }) =>
      `${words.length > 1 ? "words" : "word"} ${names(words)} at ${degrees(cos).toFixed(0)}°`).join(", ");
    this.fanNote.textContent = step ? `From word ${chosen + 1}: ${said}.`
      : `From the context {${names(world.columns[chosen])}}: ${said}.`;
    picture.setAttribute("aria-label", this.fanNote.textContent);
  }

  paint(picture, width, height, nodes) {
    picture.setAttribute("width", width);
    picture.setAttribute("height", height);
    picture.replaceChildren(...nodes);
  }
}

export default {
  render({ model, el }) {
    const view = new SymmetricView(model, el);
    return () => view.stop();
  },
};

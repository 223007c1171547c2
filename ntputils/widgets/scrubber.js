// The widget of chapter 12: snapshots of training beside their prediction, model by model and step by step.
//
// ntputils/widgets/scrubber.py puts heatmap.js, scrubber_core.js and scrubber_parts.js before this file: a widget's
// module is loaded as a blob and cannot import its neighbours. Nothing moves unless play was pressed.

const PACE = { snapshot: 450, slow: 1000 }; // milliseconds a snapshot; the second where less motion is wanted
const MOST_WORDS = 8; // of a support, before "and so many more"

const quote = (words) => `«${words}»`;
const plural = (count, one) => `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;
const round2 = (value) => (Math.abs(value) < 0.005 ? "0.00" : format(value, 2));
const raised = (number) => String(number).replace(/[-\d]/g, (digit) =>
  (digit === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]));

/** A number with few digits, small ones as 2.2 · 10⁻⁵. */
function power(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0 || Math.abs(value) >= 0.01) return format(value, 2);
  const [digits, exponent] = value.toExponential(1).split("e");
  return `${digits.replace("-", "−")} · 10${raised(Number(exponent))}`;
}

const sub = (letter, above) => element("i", {}, letter, ...(above ? [element("sup", {}, above)] : []));
const PREDICTED = { solution: () => sub("L", "mm"), proxy: () => element("span", {}, "the proxy ", sub("S̃")) };
const SAID = { solution: "L mm", proxy: "the proxy" };

/** The three views: what is compared, and how a cell is read. */
const VIEWS = {
  contexts: { title: "cosines of contexts", sides: "context by context", measure: "correlation",
    note: "Cosines between the vectors of contexts. Those with the same support stand together; numbers name supports." },
  words: { title: "cosines of words", sides: "word by word", measure: "correlation",
    note: "Cosines between the vectors of words, those of the first support first." },
  logits: { title: "logits", sides: "word by context", measure: "cosine",
    note: "Logits, each column less its mean; those of the model are drawn at the length of the predicted." },
};

class TrainingScrubberView {
  constructor(model, host) {
    this.model = model;
    this.cells = {}; // which cell of each view is read
    this.alike = {};
    this.message = element("p", { class: "ntp-message" }, "Unpacking the snapshots.");
    this.page = element("div", { hidden: "" }, this.choices(), this.controls(), this.numbers(), this.pictures(),
      this.curves(), this.supports());
    this.root = element("div", { class: "ntp-scrubber" }, this.message, this.page);
    host.replaceChildren(this.root);
    host.classList.add("ntp-host");
    this.listen();
    this.unpack();
  }

  async unpack() {
    try {
      this.bytes = await unpack(this.model.get("packed"));
    } catch (error) {
      this.message.textContent = `The snapshots cannot be unpacked here: ${error.message}.`;
      return;
    }
    if (this.stopped) return;
    const [runs, world] = ["runs", "world"].map((name) => this.model.get(name));
    const parts = [...this.model.get("predictions").map((d) => ({ d, snapshots: 1 })),
      ...runs.map(({ d, steps }) => ({ d, snapshots: steps.length }))];
    const [solution, proxy, ...trained] = layout(parts, world.words.length + world.contexts.length);
    this.parts = { predicted: { solution, proxy }, trained };
    this.message.remove();
    this.page.hidden = false;
    this.pull();
  }

  // --- the page --------------------------------------------------------------------------------------------------

  choices() {
    this.runButtons = this.model.get("runs").map(({ name }, k) => element("button", { type: "button",
      onclick: () => this.choose(k) }, element("span", { class: `ntp-swatch ntp-run-${k}` }), name));
    return element("div", { class: "ntp-presets ntp-models", role: "group", "aria-label": "Models" },
      element("span", {}, "Model"), ...this.runButtons);
  }

  controls() {
    const button = (text, label, action) => element("button", { type: "button", "aria-label": label, onclick: action },
      text);
    this.playButton = button("Play", "Play the training", () => (this.timer ? this.pause() : this.play()));
    this.back = button("◀", "One snapshot back", () => this.go(this.at - 1));
    this.forth = button("▶", "One snapshot on", () => this.go(this.at + 1));
    this.slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "Step of training",
      oninput: () => this.go(Number(this.slider.value)) });
    this.out = element("output");
    return element("div", { class: "ntp-transport" }, this.playButton, this.back, this.forth, this.slider, this.out);
  }

  numbers() {
    this.figures = {};
    this.labels = {};
    const figure = (key, ...label) => {
      this.figures[key] = element("dd", { "data-number": key }, "–");
      this.labels[key] = element("dt", {}, ...label);
      return element("div", {}, this.labels[key], this.figures[key]);
    };
    return element("dl", { class: "ntp-numbers" }, figure("excess", "loss − entropy, nats"), figure("toSolution"),
      figure("toProxy"), figure("length", "logits’ length, ", sub("L", "mm"), " = 1"));
  }

  pictures() {
    const name = `ntp-view-${Math.random().toString(36).slice(2)}`;
    this.viewInputs = Object.fromEntries(Object.keys(VIEWS).map((key) => [key, element("input", { type: "radio", name,
      onchange: () => this.push({ view: key }) })]));
    const kinds = Object.keys(VIEWS).map((key) => element("label", {}, this.viewInputs[key], element("span", {}, key)));
    this.againstButtons = Object.fromEntries(Object.entries(PREDICTED).map(([key, words]) => [key, element("button",
      { type: "button", onclick: () => this.push({ against: key }) }, words())]));
    const acts = { move: (cell) => this.move(cell), hover: (cell) => this.hover(cell) };
    this.fields = { trained: new Field(acts), predicted: new Field(acts) };
    this.titles = { trained: element("p", { class: "ntp-title" }), predicted: element("p", { class: "ntp-title" }) };
    this.note = element("p", { class: "ntp-note" });
    this.reading = element("p", { class: "ntp-reading" });
    this.ticks = [0, 1, 2].map(() => element("span"));
    this.legend = element("div", { class: "ntp-legend ntp-signed", role: "img" }, element("div", { class: "ntp-ramp" }),
      element("div", { class: "ntp-ticks", "aria-hidden": "true" }, ...this.ticks));
    const part = (key) => element("div", { class: "ntp-part" }, this.titles[key], this.fields[key].node);
    return element("div", { class: "ntp-pictures", onfocusin: () => this.reading.setAttribute("aria-live", "polite"),
      onfocusout: () => this.reading.removeAttribute("aria-live") },
    element("div", { class: "ntp-kinds", role: "radiogroup", "aria-label": "View" }, ...kinds), this.note,
    element("div", { class: "ntp-pair" }, part("trained"), part("predicted")),
    element("div", { class: "ntp-under" }, this.legend,
      element("div", { class: "ntp-presets ntp-against", role: "group", "aria-label": "Prediction" },
        element("span", {}, "predicted by"), ...Object.values(this.againstButtons))),
    this.reading);
  }

  curves() {
    const go = (k) => this.go(k);
    this.plots = { alike: new Curve(go, { log: false, title: "" }),
      excess: new Curve(go, { log: true, title: "Loss − entropy, nats" }) };
    return element("div", { class: "ntp-pair" }, this.plots.alike.node, this.plots.excess.node);
  }

  supports() {
    const { supports, sizes, groups, words } = this.model.get("world");
    const rows = supports.map((support, g) => {
      const named = support.slice(0, MOST_WORDS).map((i) => words[i]).join(" / ");
      const rest = sizes[g] - Math.min(support.length, MOST_WORDS);
      return element("li", {}, `${named}${rest > 0 ? ` and ${rest} more` : ""}: ` +
        plural(groups.filter((group) => group === g).length, "context"));
    });
    return element("details", { class: "ntp-supports" }, element("summary", {},
      `The ${plural(supports.length, "support")} shown, by the words that can follow`), element("ol", {}, ...rows));
  }

  // --- between the page and the model ----------------------------------------------------------------------------

  listen() {
    const changed = () => {
      if (this.pushing || !this.bytes) return;
      this.pause();
      this.pull();
    };
    const names = ["change:run", "change:snapshot", "change:view", "change:against"];
    names.forEach((name) => this.model.on(name, changed));
    let width = 0;
    const resized = new ResizeObserver(([entry]) => {
      if (Math.abs(entry.contentRect.width - width) < 1) return;
      width = entry.contentRect.width;
      this.refit();
    });
    resized.observe(this.root);
    // A canvas does not follow the style sheet by itself: when the colours of the page change, it is painted anew.
    const repaint = () => {
      if (this.colours && String(palette(this.root)) !== String(this.colours)) this.show();
    };
    const schemes = ["(prefers-color-scheme: dark)", "(forced-colors: active)", "print"].map((query) => matchMedia(query));
    schemes.forEach((scheme) => scheme.addEventListener("change", repaint));
    const themed = new MutationObserver(repaint);
    for (const node of [document.documentElement, document.body]) {
      themed.observe(node, { attributeFilter: ["data-theme", "theme", "class", "data-jp-theme-light"] });
    }
    this.stop = () => {
      this.stopped = true;
      this.pause();
      [resized, themed].forEach((observer) => observer.disconnect());
      schemes.forEach((scheme) => scheme.removeEventListener("change", repaint));
      names.forEach((name) => this.model.off(name, changed));
    };
  }

  refit() {
    Object.values(this.fields).forEach((field) => field.layout());
    Object.values(this.plots).forEach((plot) => plot.show(plot.runs, plot.run, plot.at));
  }

  push(values) {
    this.pushing = true;
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.pushing = false;
    this.model.save_changes();
    this.pull();
  }

  /** Takes over what the model says. */
  pull() {
    const [runs, view, against] = ["runs", "view", "against"].map((name) => this.model.get(name));
    this.run = clamp(this.model.get("run"), 0, runs.length - 1);
    if (!this.timer) this.at = clamp(this.model.get("snapshot"), 0, runs[this.run].steps.length - 1);
    Object.assign(this, { view, against });
    this.runButtons.forEach((button, k) => button.setAttribute("aria-pressed", String(k === this.run)));
    Object.entries(this.againstButtons).forEach(([key, button]) => button.setAttribute("aria-pressed",
      String(key === against)));
    this.viewInputs[view].checked = true;
    this.slider.max = runs[this.run].steps.length - 1;
    this.show();
  }

  /** Another model, at the snapshot that is nearest in steps. */
  choose(k) {
    const runs = this.model.get("runs");
    const here = runs[this.run].steps[this.at];
    const far = runs[k].steps.map((step) => Math.abs(Math.log1p(step) - Math.log1p(here)));
    this.at = far.indexOf(Math.min(...far));
    this.push({ run: k, snapshot: this.at });
  }

  go(k) {
    this.pause();
    this.push({ snapshot: clamp(k, 0, this.model.get("runs")[this.run].steps.length - 1) });
  }

  // --- playing -----------------------------------------------------------------------------------------------------

  play() {
    const last = () => this.model.get("runs")[this.run].steps.length - 1;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (this.at === last()) this.at = 0;
    this.timer = setInterval(() => {
      this.at = Math.min(this.at + 1, last());
      if (this.at === last()) this.pause();
      this.show();
    }, calm ? PACE.slow : PACE.snapshot);
    this.show();
  }

  pause() {
    if (!this.timer) return;
    clearInterval(this.timer);
    this.timer = null;
    this.pushing = true;
    this.model.set("snapshot", this.at);
    this.pushing = false;
    this.model.save_changes();
    this.showControls();
  }

  // --- from the bytes to the page ----------------------------------------------------------------------------------

  matrix(part, k, view) {
    const { words, contexts } = this.model.get("world");
    return matrixOf(vectorsAt(this.bytes, part, k), view, words.length, contexts.length);
  }

  /** How alike every snapshot of every run is to both predictions, in the view shown. */
  likenesses() {
    const { view } = this;
    if (!this.alike[view]) {
      const predicted = Object.entries(this.parts.predicted).map(([key, part]) => [key, this.matrix(part, 0, view)]);
      this.alike[view] = this.model.get("runs").map(({ steps }, r) => steps.map((_, k) => {
        const trained = this.matrix(this.parts.trained[r], k, view);
        return Object.fromEntries(predicted.map(([key, A]) => [key, likeness(trained, A, view)]));
      }));
    }
    return this.alike[view];
  }

  show() {
    const { run, at, view, against } = this;
    const predicted = this.matrix(this.parts.predicted[against], 0, view);
    this.raw = this.matrix(this.parts.trained[run], at, view);
    this.shown = { trained: view === "logits" ? asLongAs(this.raw, predicted) : this.raw, predicted };
    this.limit = view === "logits" ? Math.max(...predicted.values.map(Math.abs)) || 1 : 1;
    this.showFields();
    this.showControls();
    this.showNumbers();
    this.showCurves();
    this.read();
  }

  showFields() {
    const { run, at, view, against, limit, shown } = this;
    const { title, sides, note } = VIEWS[view];
    const { groups } = this.model.get("world");
    const { name, steps } = this.model.get("runs")[run];
    const step = steps[at].toLocaleString("en");
    this.colours = palette(this.root);
    const how = { limit, colours: this.colours, bands: { rows: view === "contexts" ? groups : null,
      cols: view === "words" ? null : groups } };
    const say = (whose) => `${whose}: ${title}, ${sides}. Arrow keys move from cell to cell, in both pictures.`;
    this.fields.trained.show(shown.trained, { ...how, name: say(`Trained, ${name}, step ${step}`) });
    this.fields.predicted.show(shown.predicted, { ...how, name: say(`Predicted by ${SAID[against]}`) });
    this.titles.trained.replaceChildren(element("b", {}, "Trained"), ` ${name}, step ${step}`);
    this.titles.predicted.replaceChildren(element("b", {}, "Predicted"), " by ", PREDICTED[against]());
    this.note.textContent = note;
    const end = view === "logits" ? format(limit, 2) : "1";
    [`−${end}`, "0", end].forEach((tick, k) => { this.ticks[k].textContent = tick; });
    this.legend.setAttribute("aria-label", `Colours run from minus ${end} over 0 to ${end}, in both pictures.`);
  }

  showCurves() {
    const { run, at, view, against } = this;
    const [runs, { entropy }] = [this.model.get("runs"), this.model.get("world")];
    const { measure } = VIEWS[view];
    this.plots.alike.title.replaceChildren(`${measure[0].toUpperCase()}${measure.slice(1)} with `, PREDICTED[against]());
    const alike = this.likenesses();
    const show = (plot, valuesOf) => plot.show(runs.map((one, k) => ({ ...one, values: valuesOf(one, k) })), run, at);
    show(this.plots.alike, (_, k) => alike[k].map((found) => found[against]));
    show(this.plots.excess, ({ loss }) => loss.map((value) => value - entropy));
  }

  showControls() {
    const { steps } = this.model.get("runs")[this.run];
    const said = `step ${steps[this.at].toLocaleString("en")}`;
    this.slider.value = this.at;
    this.slider.setAttribute("aria-valuetext", said);
    this.out.textContent = `${said} of ${steps.at(-1).toLocaleString("en")}`;
    this.playButton.textContent = this.timer ? "Pause" : "Play";
    this.playButton.setAttribute("aria-label", this.timer ? "Pause" : "Play the training");
    this.back.disabled = this.at === 0;
    this.forth.disabled = this.at === steps.length - 1;
  }

  showNumbers() {
    const { run, at, view } = this;
    const { loss } = this.model.get("runs")[run];
    const { measure } = VIEWS[view];
    const found = this.likenesses()[run][at];
    const said = (value) => (Number.isFinite(value) ? format(value, 3) : "–");
    this.figures.excess.textContent = power(loss[at] - this.model.get("world").entropy);
    this.figures.toSolution.textContent = said(found.solution);
    this.figures.toProxy.textContent = said(found.proxy);
    this.labels.toSolution.replaceChildren(`${measure} with `, PREDICTED.solution());
    this.labels.toProxy.replaceChildren(`${measure} with `, PREDICTED.proxy());
    const wanted = length(this.matrix(this.parts.predicted.solution, 0, "logits"));
    const own = length(this.matrix(this.parts.trained[run], at, "logits"));
    this.figures.length.textContent = wanted > 0 ? power(own / wanted) : "–";
  }

  // --- one cell ----------------------------------------------------------------------------------------------------

  move(cell) {
    this.cells[this.view] = cell;
    this.over = null;
    this.read();
  }

  hover(cell) {
    if (String(cell) === String(this.over)) return;
    this.over = cell;
    this.read();
  }

  read() {
    const { view, shown: { trained: { rows, cols } } } = this;
    this.cells[view] ??= [Math.floor(0.45 * rows), Math.floor(0.05 * cols)];
    const [i, j] = this.over ?? this.cells[view];
    const { words, contexts, groups, supports } = this.model.get("world");
    Object.values(this.fields).forEach((field) => field.mark([i, j]));
    const entry = ({ values }) => values[i * cols + j];
    const [trained, predicted] = ["trained", "predicted"].map((key) => element("span", { class: "ntp-entry" },
      this.chip(entry(this.shown[key])), `${round2(entry(this.shown[key]))} ${key}`));
    const say = (start, aside = "") => this.reading.replaceChildren(`${start}: `, trained, `${aside}, `, predicted);
    const names = view === "contexts" ? contexts : words;
    if (view === "logits") {
      const inside = supports[groups[j]].includes(i) ? "in" : "not in";
      say(`${quote(words[i])} after ${quote(contexts[j])}, ${inside} the support`, ` (${round2(entry(this.raw))} unscaled)`);
    } else if (i === j) {
      say(`${quote(names[i])} with itself`);
    } else {
      const same = view === "contexts" && groups[i] === groups[j] ? ", same support" : "";
      say(`${quote(names[i])} and ${quote(names[j])}${same}`);
    }
  }

  /** The colour of an entry, as large as a letter. */
  chip(value) {
    const t = clamp(value / this.limit, -1, 1);
    return element("span", { class: `ntp-chip${t < 0 ? " ntp-below" : ""}`, style: `--t: ${Math.abs(t)}`,
      "aria-hidden": "true" });
  }
}

export default {
  render({ model, el }) {
    const view = new TrainingScrubberView(model, el);
    return () => view.stop();
  },
};

// The widget of chapter 17: choose concepts, and see their orthants fill with words and contexts.
//
// ntputils/widgets/concepts.py puts heatmap.js (elements, numbers) and concepts_core.js before this file: a widget's
// module is loaded as a blob and cannot import its neighbours.

const MOST = 4; // concepts at a time: sixteen orthants
const REACH = 3; // scores, in units of their root mean square, that a concept's axis shows
const POLES = 3; // words that stand at either end of an axis
const LARGEST = 2; // the score from which on a word is set in the largest type

const quote = (words) => `«${words}»`;
const said = (value) => `${value > 0 ? "+" : ""}${format(value, 2)}`;
const some = (count, one, many) => `${count} ${count === 1 ? one : many}`;

class ConceptsView {
  constructor(model, host) {
    this.model = model;
    this.at = null; // the item that is read: { key, index }
    this.root = element("div", { class: "ntp-concepts" }, this.choices(), this.axes(), this.settings(), this.numbers(),
      this.map());
    host.replaceChildren(this.root);
    host.classList.add("ntp-host");
    this.listen();
    this.pull();
  }

  // --- the page --------------------------------------------------------------------------------------------------

  choices() {
    this.worldButtons = this.model.get("worlds").map((world, k) => element("button", { type: "button",
      onclick: () => this.choose(k) }, world.name));
    const choice = element("div", { class: "ntp-presets", role: "group", "aria-label": "Texts" },
      element("span", {}, "Text"), ...this.worldButtons);
    choice.hidden = this.worldButtons.length < 2;
    return choice;
  }

  axes() {
    this.list = element("ol", { class: "ntp-axes" });
    this.note = element("p", { class: "ntp-note" }, `Press a number to choose a concept, ${MOST} at most. The dot on its ` +
      "line is the word or context that is read below; the bar is its size σ.");
    return element("div", { role: "group", "aria-label": "Concepts" }, this.note, this.list);
  }

  settings() {
    this.slider = element("input", { type: "range", min: 0, max: 1, step: 0.05,
      oninput: () => this.push({ tol: Number(this.slider.value) }) });
    this.output = element("output");
    return element("div", { class: "ntp-sliders" }, element("label", {},
      element("span", { class: "ntp-name" }, "Grey below"), this.slider, this.output));
  }

  numbers() {
    this.figures = {};
    const figure = (key, label) => {
      this.figures[key] = element("dd", { "data-number": key }, "–");
      return element("div", {}, element("dt", {}, label), this.figures[key]);
    };
    return element("dl", { class: "ntp-numbers" }, figure("orthants", "orthants"),
      figure("words", "with words"), figure("contexts", "with contexts"), figure("undecided", "words in grey"));
  }

  map() {
    this.reading = element("p", { class: "ntp-reading" });
    this.grid = element("div", { class: "ntp-orthants", role: "group",
      "aria-label": "Orthants. Left and right go from word to word, up and down from orthant to orthant.",
      onkeydown: (event) => this.key(event), onpointerleave: () => this.show(this.at),
      onfocusin: () => this.reading.setAttribute("aria-live", "polite"),
      onfocusout: () => this.reading.removeAttribute("aria-live") });
    return element("div", {}, this.reading, this.grid);
  }

  // --- between the page and the model ----------------------------------------------------------------------------

  listen() {
    const changed = () => { if (!this.pushing) this.pull(); };
    const names = ["change:worlds", "change:world", "change:chosen", "change:tol"];
    names.forEach((name) => this.model.on(name, changed));
    this.stop = () => names.forEach((name) => this.model.off(name, changed));
  }

  push(values) {
    this.pushing = true;
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.pushing = false;
    this.model.save_changes();
    this.pull();
  }

  choose(k) {
    const count = this.model.get("worlds")[k].sizes.length;
    const chosen = this.model.get("chosen").filter((i) => i < count);
    this.push({ world: k, chosen: chosen.length ? chosen : [0] });
  }

  toggle(i) {
    const chosen = this.chosen.includes(i) ? this.chosen.filter((other) => other !== i)
      : [...this.chosen, i].sort((a, b) => a - b);
    if (chosen.length >= 1 && chosen.length <= MOST) this.push({ chosen });
  }

  pull() {
    const worlds = this.model.get("worlds");
    const index = clamp(this.model.get("world"), 0, worlds.length - 1);
    if (this.world !== worlds[index]) {
      this.world = worlds[index];
      this.at = null;
      this.drawAxes();
    }
    this.worldButtons.forEach((button, k) => button.setAttribute("aria-pressed", String(k === index)));
    this.chosen = this.model.get("chosen").filter((i) => i < this.world.sizes.length);
    this.tol = this.model.get("tol");
    this.draw();
  }

  // --- concepts --------------------------------------------------------------------------------------------------

  drawAxes() {
    const { sizes, words } = this.world;
    this.buttons = sizes.map((_, i) => element("button", { type: "button", onclick: () => this.toggle(i) }, String(i + 1)));
    this.marks = sizes.map(() => element("span", { class: "ntp-mark" }));
    this.list.replaceChildren(...sizes.map((size, i) => {
      const { high, low } = poles(words, i, POLES);
      this.buttons[i].setAttribute("aria-label", `Concept ${i + 1}, size ${format(size, 1)}: from ${low.join(", ")} to ` +
        `${high.join(", ")}`);
      const bar = element("span", { class: "ntp-size", title: `σ = ${format(size, 2)}` });
      bar.style.setProperty("--p", size / sizes[0]);
      return element("li", {}, this.buttons[i], element("span", { class: "ntp-pole ntp-low" }, low.join(" ")),
        element("span", { class: "ntp-axis" }, this.marks[i]),
        element("span", { class: "ntp-pole ntp-high" }, high.join(" ")), bar,
        element("span", { class: "ntp-sigma" }, format(size, 1)));
    }));
  }

  // --- orthants --------------------------------------------------------------------------------------------------

  draw() {
    const { chosen, tol, world } = this;
    this.buttons.forEach((button, i) => {
      const pressed = chosen.includes(i);
      button.setAttribute("aria-pressed", String(pressed));
      button.disabled = !pressed && chosen.length >= MOST;
    });
    this.slider.value = tol;
    this.output.textContent = format(tol, 2);
    this.cells = orthants(world, chosen, tol);
    const [words, contexts] = ["words", "contexts"].map((key) => tally(this.cells, key));
    this.figures.orthants.textContent = String(this.cells.length);
    this.figures.words.textContent = String(words.inhabited);
    this.figures.contexts.textContent = String(contexts.inhabited);
    this.figures.undecided.textContent = `${words.undecided} of ${world.words.length}`;
    this.items = this.cells.map((cell) => [...this.nodes(cell, "words"), ...this.nodes(cell, "contexts")]);
    this.grid.replaceChildren(...this.cells.map((cell, c) => this.cell(cell, this.items[c])));
    const first = this.items.findIndex((row) => row.length > 0);
    const flat = this.items.flat();
    const same = flat.find(({ key, index }) => this.at && key === this.at.key && index === this.at.index);
    this.show(same ?? this.items[first]?.[0] ?? null);
    if (this.at) this.at.node.tabIndex = 0;
  }

  nodes(cell, key) {
    return cell[key].map(({ index, far, undecided }) => {
      const { name } = this.world[key][index];
      const node = element("li", { class: undecided ? "ntp-faint" : "", tabindex: -1 },
        key === "contexts" ? `${name} …` : name);
      node.style.setProperty("--t", clamp(far / LARGEST, 0, 1));
      const item = { key, index, node };
      node.addEventListener("pointerenter", () => this.show(item, true));
      node.addEventListener("focus", () => this.go(item));
      node.addEventListener("click", () => node.focus());
      return item;
    });
  }

  cell({ signs, words, contexts }, items) {
    const names = signs.map((above, k) => `${above ? "above" : "below"} zero on ${this.chosen[k] + 1}`).join(", ");
    const head = element("p", { class: "ntp-signs" }, ...signs.map((above, k) => element("span",
      { class: above ? "ntp-plus" : "ntp-minus" }, `${this.chosen[k] + 1}${above ? "+" : "−"}`)));
    const list = (key, empty) => {
      const nodes = items.filter((item) => item.key === key).map(({ node }) => node);
      return nodes.length ? element("ul", { class: `ntp-${key}`, "aria-label": key }, ...nodes)
        : element("p", { class: "ntp-empty" }, empty);
    };
    return element("section", { role: "group", "aria-label": `Orthant ${names}: ${some(words.length, "word", "words")}, ` +
      `${some(contexts.length, "context", "contexts")}` }, head, list("words", "no word"), list("contexts", "no context"));
  }

  // --- reading ---------------------------------------------------------------------------------------------------

  go(item) {
    if (this.at) this.at.node.tabIndex = -1;
    item.node.tabIndex = 0;
    this.show(item);
  }

  /** Reads an item out; for a passing pointer it does not stay. */
  show(item, passing = false) {
    if (!passing) this.at = item;
    this.items.flat().forEach(({ node }) => node.classList.toggle("ntp-here", node === item?.node));
    if (!item) return;
    const { name, scores } = this.world[item.key][item.index];
    this.marks.forEach((mark, i) => mark.style.setProperty("--x", clamp(scores[i] / REACH, -1, 1)));
    const kind = item.key === "words" ? "word" : "context";
    this.reading.textContent = `${quote(name)}, a ${kind}: ${scores.map((x, i) => `${i + 1}: ${said(x)}`).join(", ")}`;
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || !this.at) return;
    const flat = this.items.flat();
    const here = flat.indexOf(this.at);
    const row = this.items.findIndex((items) => items.includes(this.at));
    const filled = this.items.map((items, k) => (items.length ? k : -1)).filter((k) => k >= 0);
    const next = filled.find((k) => k > row);
    const before = filled.filter((k) => k < row).at(-1);
    const target = { ArrowRight: flat[here + 1], ArrowLeft: flat[here - 1], ArrowDown: this.items[next]?.[0],
      ArrowUp: this.items[before]?.[0], Home: flat[0], End: flat.at(-1) };
    if (!(event.key in target)) return;
    event.preventDefault();
    target[event.key]?.node.focus();
  }
}

export default {
  render({ model, el }) {
    const view = new ConceptsView(model, el);
    return () => view.stop();
  },
};

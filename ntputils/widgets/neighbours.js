// The panel of chapter 18: the nearest neighbours of a word under several geometries, side by side.
//
// ntputils/widgets/neighbours.py puts heatmap.js (elements, numbers) and neighbours_core.js before this file: a widget's
// module is loaded as a blob and cannot import its neighbours.

const OFFERED = 8; // words that begin with what was typed, at most

const quote = (words) => `«${words}»`;
const two = (value) => (Math.abs(value) < 0.005 ? "0.00" : value.toFixed(2).replace("-", "−"));
const times = (count) => (count === 1 ? "1 word" : `${count} words`);

class NeighboursView {
  constructor(model, host) {
    this.model = model;
    this.words = model.get("words");
    this.names = model.get("names");
    this.vectors = vectorsOf(model.get("packed"), this.words.length, model.get("dims"));
    this.root = element("div", { class: "ntp-neighbours" }, this.choice(), this.offers(), this.numbers(), this.lists());
    host.replaceChildren(this.root);
    host.classList.add("ntp-host");
    this.listen();
    this.pull();
  }

  // --- the page --------------------------------------------------------------------------------------------------

  choice() {
    this.box = element("input", { type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: "false",
      oninput: () => this.typed(), onkeydown: (event) => this.enter(event) });
    this.examples = this.model.get("examples").map((word) => element("button", { type: "button",
      onclick: () => this.choose(this.words.indexOf(word)) }, word));
    const row = element("div", { class: "ntp-presets", role: "group", "aria-label": "Words to start from" },
      element("span", {}, "or"), ...this.examples);
    row.hidden = !this.examples.length;
    return element("div", { class: "ntp-choice" },
      element("label", { class: "ntp-box" }, element("span", { class: "ntp-name" }, "Word"), this.box), row);
  }

  offers() {
    this.offered = element("div", { class: "ntp-presets ntp-offers", role: "group", "aria-label": "Words that begin so" });
    this.message = element("div", { class: "ntp-notice", role: "status" }); // an empty p is hidden, and would not be heard
    return element("div", {}, this.offered, this.message);
  }

  numbers() {
    this.figures = {};
    const figure = (key, label) => {
      this.figures[key] = element("dd", { "data-number": key }, "–");
      return element("div", {}, element("dt", {}, label), this.figures[key]);
    };
    return element("dl", { class: "ntp-numbers" }, figure("any", "different words in the lists"),
      figure("several", "of them in two lists or more"), figure("all", "in all lists"));
  }

  lists() {
    this.columns = this.names.map((name) => {
      const list = element("ol", { "aria-label": `Nearest under ${name}` });
      return { list, node: element("section", { class: "ntp-column" }, element("p", { class: "ntp-title" }, name), list) };
    });
    this.reading = element("p", { class: "ntp-reading" });
    this.note = element("p", { class: "ntp-note" }, "The small figure says in how many lists a word stands. Press a word to go "
      + `to it. Cosines are rounded: here they are within ${this.model.get("error").toFixed(3)} of the exact ones.`);
    return element("div", { onpointerleave: () => this.light(null),
      onfocusin: () => this.reading.setAttribute("aria-live", "polite"),
      onfocusout: () => this.reading.removeAttribute("aria-live") },
    this.reading, element("div", { class: "ntp-columns" }, ...this.columns.map(({ node }) => node)), this.note);
  }

  // --- between the page and the model ----------------------------------------------------------------------------

  listen() {
    const changed = () => { if (!this.pushing) this.pull(); };
    const names = ["change:word", "change:count"];
    names.forEach((name) => this.model.on(name, changed));
    this.stop = () => names.forEach((name) => this.model.off(name, changed));
  }

  /** Takes over what the model says. */
  pull() {
    this.at = Math.max(0, this.words.indexOf(this.model.get("word")));
    this.box.value = this.words[this.at];
    this.offer([]);
    this.message.textContent = "";
    this.show();
  }

  choose(i) {
    this.pushing = true;
    this.model.set("word", this.words[i]);
    this.pushing = false;
    this.model.save_changes();
    this.pull();
  }

  // --- typing ------------------------------------------------------------------------------------------------------

  typed() {
    const said = this.box.value.trim().toLowerCase();
    const exact = this.words.findIndex((word) => word.toLowerCase() === said);
    const found = beginWith(this.words, said, OFFERED);
    this.offer(found.filter((i) => i !== exact));
    this.message.textContent = said && !found.length ? `No word of these ${this.words.length.toLocaleString("en")} begins `
      + `with ${quote(said)}.` : "";
    if (exact >= 0 && exact !== this.at) {
      this.at = exact; // typing goes on: the box is left alone
      this.pushing = true;
      this.model.set("word", this.words[exact]);
      this.pushing = false;
      this.model.save_changes();
      this.show();
    }
  }

  /** Enter takes the word that stands there, or the first that begins so. */
  enter(event) {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const said = this.box.value.trim().toLowerCase();
    const exact = this.words.findIndex((word) => word.toLowerCase() === said);
    const first = exact >= 0 ? exact : beginWith(this.words, said, 1)[0];
    if (first !== undefined) this.choose(first);
  }

  offer(found) {
    this.offered.replaceChildren(...found.map((i) => element("button", { type: "button", onclick: () => {
      this.choose(i);
      this.box.focus();
    } }, this.words[i])));
    this.offered.hidden = !found.length;
  }

  // --- from the word to the page -----------------------------------------------------------------------------------

  show() {
    const { at, words, names } = this;
    const count = Math.min(this.model.get("count"), words.length - 1);
    this.cosines = this.vectors.map((vectors) => cosinesWith(vectors, at));
    this.rankings = this.cosines.map((cosines) => ranking(cosines, at));
    const lists = this.rankings.map((order) => order.slice(0, count));
    const in_ = shared(lists);
    const several = [...in_.values()].filter((k) => k > 1).length;
    this.figures.any.textContent = String(in_.size);
    this.figures.several.textContent = String(several);
    this.figures.all.textContent = String([...in_.values()].filter((k) => k === names.length).length);
    this.columns.forEach(({ list }, g) => list.replaceChildren(...lists[g].map((j) => this.item(g, j, in_.get(j)))));
    this.examples.forEach((button) => button.setAttribute("aria-pressed", String(button.textContent === words[at])));
    this.light(null);
  }

  item(g, j, k) {
    const { words, names, cosines } = this;
    const cosine = cosines[g][j];
    const said = `${words[j]}, cosine ${two(cosine)}, in ${k} of ${names.length} lists`;
    const button = element("button", { type: "button", "aria-label": said, "data-word": j,
      class: k === names.length ? "ntp-everywhere" : k > 1 ? "ntp-several" : "ntp-alone",
      onclick: () => this.press(g, j), onpointerenter: () => this.light(j), onfocus: () => this.light(j) },
    element("span", { class: "ntp-word" }, words[j]),
    ...(k > 1 && names.length > 1 ? [element("span", { class: "ntp-count" }, String(k))] : []),
    element("span", { class: "ntp-p" }, two(cosine)));
    return element("li", { style: `--p: ${clamp(cosine, 0, 1)}` }, button);
  }

  /** Goes to a word; the keyboard stays in the list. */
  press(g, j) {
    this.choose(j);
    this.columns[g].list.querySelector("button")?.focus();
  }

  /** Shows where a word stands in all lists, or, without one, what is shown. */
  light(j) {
    const { at, words, names, rankings } = this;
    this.root.querySelectorAll("[data-word]").forEach((button) => button.classList.toggle("ntp-here",
      Number(button.getAttribute("data-word")) === j));
    if (j === null) {
      this.reading.textContent = `Nearest to ${quote(words[at])}, among ${times(words.length)}.`;
      return;
    }
    const places = names.map((name, g) => `${name} ${rankings[g].indexOf(j) + 1}`);
    this.reading.textContent = `${quote(words[j])} is neighbour number: ${places.join(", ")}.`;
  }
}

export default {
  render({ model, el }) {
    const view = new NeighboursView(model, el);
    return () => view.stop();
  },
};

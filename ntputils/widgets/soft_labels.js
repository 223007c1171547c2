// The widget of chapter 1: a text, and the next-token problem it poses, live in the page.
//
// ntputils/widgets/__init__.py puts three things before this file, because a widget's module is loaded as a blob and
// cannot import its neighbours: soft_labels_core.js (the computation), heatmap.js (the matrix), and PRESETS.

const MAX_TOKENS = 5000;
const TYPING_PAUSE = 150; // milliseconds without a key before the text is counted again
const MOST_BARS = 10;

const quote = (words) => `«${words}»`;
const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
const short = (value) => format(value, 2).replace(/^(−?)0\./, "$1.");
const whole = (value) => String(Math.round(value));

/** The five matrices: how each is made, which way it runs, and how one of its cells is read aloud. */
const MATRICES = [
  {
    key: "S", symbol: "S", label: "support", make: supportMatrix, axes: "wc", write: whole,
    note: "1 where the word follows the context in this text",
    say: (cell) => `S = ${cell.value}, ${cell.membership}`,
  },
  {
    key: "P", symbol: "P", label: "soft labels", make: probabilityMatrix, axes: "wc", write: short, framed: true,
    note: "how often the word follows, given the context; framed cells are in the support",
    say: (cell) => `p = ${format(cell.value)}, ${cell.membership}`,
  },
  {
    key: "centred", symbol: "S̃", label: "centred support", make: centredSupport, axes: "wc", signed: true,
    write: short, note: "each column of S less its mean",
    say: (cell) => `S̃ = ${format(cell.value)}, ${cell.membership}`,
  },
  {
    key: "words", symbol: "S̃S̃ᵀ", label: "word Gram", make: gramWords, axes: "ww", signed: true, write: short,
    note: "inner products of the rows of S̃: large where two words follow the same contexts",
    say: (cell) => `inner product ${format(cell.value)}`,
  },
  {
    key: "contexts", symbol: "S̃ᵀS̃", label: "context Gram", make: gramContexts, axes: "cc", signed: true,
    write: short, note: "inner products of the columns of S̃: large where the same words follow two contexts",
    say: (cell) => `inner product ${format(cell.value)}`,
  },
];

class SoftLabelsView {
  constructor(model, host) {
    this.model = model;
    this.kind = MATRICES[1];
    this.matrices = new Map(); // made when first looked at, forgotten with the text
    this.place = { word: 0, context: 0 };
    this.root = element("div", { class: "ntp-soft-labels" }, this.inputs(), this.numbers(), this.picture());
    host.replaceChildren(this.root);
    host.classList.add("ntp-host");
    this.listen();
    this.pull();
    this.compute();
  }

  // --- the page --------------------------------------------------------------------------------------------------

  inputs() {
    this.text = element("textarea", { rows: 5, spellcheck: "false", autocapitalize: "off",
      placeholder: "Type or paste a text. A blank line ends a document.", oninput: () => this.typed() });
    const presets = PRESETS.map((preset) => element("button", { type: "button", title: preset.shows,
      onclick: () => this.load(preset) }, preset.name));
    const clear = element("button", { type: "button", onclick: () => this.clear() }, "Your own");
    this.notice = element("p", { class: "ntp-notice" });
    this.length = element("input", { type: "range", min: 1, max: 8, step: 1,
      oninput: () => this.push({ context_length: Math.round(Number(this.length.value)) }) });
    this.lengthOut = element("output");
    this.size = element("input", { type: "range", min: 1, max: 1, step: 1, oninput: () => this.resized() });
    this.sizeOut = element("output");
    return element("div", { class: "ntp-inputs" },
      element("div", { class: "ntp-presets", role: "group", "aria-label": "Texts to start from" },
        element("span", {}, "Start from"), ...presets, clear),
      element("label", { class: "ntp-text" }, element("span", { class: "ntp-name" }, "Text"), this.text),
      this.notice,
      element("div", { class: "ntp-sliders" },
        element("label", {}, element("span", { class: "ntp-name" }, "Context length"), this.length, this.lengthOut),
        element("label", {}, element("span", { class: "ntp-name" }, "Vocabulary size"), this.size, this.sizeOut)));
  }

  numbers() {
    this.figures = {};
    const figure = (key, label) => {
      this.figures[key] = element("dd", { "data-number": key }, "–");
      return element("div", {}, element("dt", {}, label), this.figures[key]);
    };
    return element("dl", { class: "ntp-numbers" }, figure("tokens", "tokens"), figure("V", "words, V"),
      figure("m", "contexts, m"), figure("oneHot", "one-hot contexts"), figure("support", "mean support"),
      figure("entropy", "entropy, nats"));
  }

  picture() {
    const choices = MATRICES.map((kind) => element("label", {},
      element("input", { type: "radio", name: "matrix", value: kind.key, onchange: () => this.choose(kind),
        ...(kind === this.kind ? { checked: "" } : {}) }),
      element("span", {}, element("i", {}, kind.symbol), ` ${kind.label}`)));
    this.heatmap = new Heatmap((row, column) => this.read(row, column));
    this.note = element("p", { class: "ntp-note" });
    this.legend = element("div", { class: "ntp-legend", role: "img" });
    this.reading = element("p", { class: "ntp-reading", "aria-live": "polite" });
    this.panel = element("div", { class: "ntp-panel" });
    this.message = element("p", { class: "ntp-message", role: "status" });
    this.stage = element("div", { class: "ntp-stage" },
      element("div", { class: "ntp-matrix" }, this.reading, this.heatmap.node, this.legend), this.panel);
    // A form keeps the radio buttons of one widget apart from those of another: each widget loads this module anew,
    // so that no counter could give them names of their own.
    const form = element("form", { onsubmit: (event) => event.preventDefault() },
      element("div", { class: "ntp-kinds", role: "radiogroup", "aria-label": "Matrix" }, ...choices));
    return element("div", { class: "ntp-picture" }, form,
      this.note, this.message, this.stage);
  }

  // --- between the page and the model ----------------------------------------------------------------------------

  listen() {
    const changed = () => { this.pull(); this.compute(); };
    const names = ["change:text", "change:context_length", "change:vocab_size"];
    names.forEach((name) => this.model.on(name, changed));
    // Text that wraps differently changes the height, never the width: looking at the width alone cannot loop.
    let width = 0;
    const observer = new ResizeObserver(([entry]) => {
      if (Math.abs(entry.contentRect.width - width) < 1) return;
      width = entry.contentRect.width;
      this.heatmap.layout();
      this.heatmap.reveal();
    });
    observer.observe(this.root);
    this.stop = () => {
      observer.disconnect();
      clearTimeout(this.pause);
      names.forEach((name) => this.model.off(name, changed));
    };
  }

  pull() {
    // The text box is written only when the model's text is news: else the caret would jump while one types.
    const text = this.model.get("text");
    if (text !== this.known) this.text.value = this.known = text;
    this.length.value = this.model.get("context_length");
  }

  push(values) {
    clearTimeout(this.pause);
    // What was typed a moment ago goes along: a slider moved in the pause must not undo it.
    if (this.typing) values = { text: this.text.value, ...values };
    this.typing = false;
    if (values.text === this.text.value) this.known = values.text;
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
  }

  typed() {
    this.typing = true;
    this.known = null;
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.push({}), TYPING_PAUSE);
  }

  resized() {
    const size = Math.round(Number(this.size.value));
    this.push({ vocab_size: size >= Number(this.size.max) ? 0 : size }); // the far end means: every word
  }

  load(preset) {
    this.push({ text: preset.text, context_length: preset.context_length, vocab_size: 0 });
    this.pull();
  }

  clear() {
    this.push({ text: "", vocab_size: 0 });
    this.pull();
    this.text.focus();
  }

  // --- from the text to the page ---------------------------------------------------------------------------------

  compute() {
    const vocabSize = this.model.get("vocab_size");
    const contextLength = this.model.get("context_length");
    this.result = softLabels(this.model.get("text"), { contextLength, vocabSize, maxTokens: MAX_TOKENS });
    this.matrices.clear();
    this.showSettings(contextLength, vocabSize);
    this.showNumbers();
    const { error } = this.result;
    this.message.textContent = error ?? "";
    this.stage.hidden = Boolean(error);
    this.legend.hidden = this.note.hidden = Boolean(error);
    if (error) return;
    // Begin where there is something to see without scrolling, on a phone too: the commonest context whose likeliest
    // next word is among the first rows.
    const likeliest = this.result.columns.map(({ ids, p }) => ids[p.indexOf(Math.max(...p))]);
    const context = Math.max(0, likeliest.slice(0, WINDOW.narrow).findIndex((word) => word < WINDOW.narrow));
    this.place = { context, word: likeliest[context] };
    this.showMatrix();
  }

  showSettings(contextLength, vocabSize) {
    const { distinct, truncated } = this.result;
    this.lengthOut.textContent = plural(contextLength, "word");
    this.size.max = Math.max(1, distinct);
    this.size.disabled = distinct < 2;
    this.size.value = vocabSize > 0 ? Math.min(vocabSize, distinct) : Math.max(1, distinct);
    const all = vocabSize === 0 || vocabSize >= distinct;
    this.sizeOut.textContent = all ? `all ${distinct.toLocaleString("en")}` : `${vocabSize} of ${distinct}`;
    this.size.setAttribute("aria-valuetext", this.sizeOut.textContent);
    this.length.setAttribute("aria-valuetext", this.lengthOut.textContent);
    this.notice.textContent = truncated
      ? `Your text is longer than ${MAX_TOKENS.toLocaleString("en")} words: the page counts the first ` +
        `${MAX_TOKENS.toLocaleString("en")} and leaves the rest to Python.`
      : "";
  }

  showNumbers() {
    const { result } = this;
    const set = (key, text) => { this.figures[key].textContent = text; };
    set("tokens", result.tokens.toLocaleString("en"));
    if (result.error) {
      ["V", "m", "oneHot", "support", "entropy"].forEach((key) => set(key, "–"));
      return;
    }
    const { oneHotShare, meanSupport } = supportSummary(result);
    set("V", result.V.toLocaleString("en"));
    set("m", result.m.toLocaleString("en"));
    set("oneHot", `${(100 * oneHotShare).toFixed(oneHotShare === 1 ? 0 : 1)} %`);
    set("support", meanSupport.toFixed(2));
    set("entropy", result.entropy.toFixed(3));
  }

  choose(kind) {
    this.kind = kind;
    if (!this.result.error) this.showMatrix();
  }

  word(i) { return this.result.vocab[i]; }

  context(j) { return contextWords(this.result, j).join(" "); }

  showMatrix() {
    const { kind, result, place } = this;
    if (!this.matrices.has(kind.key)) this.matrices.set(kind.key, kind.make(result));
    this.matrix = this.matrices.get(kind.key);
    const [rowAxis, colAxis] = kind.axes;
    const label = { w: (i) => this.word(i), c: (j) => this.context(j) };
    const inSupport = (i, j) => indexIn(result.columns[j].ids, i) >= 0;
    const start = { w: place.word, c: place.context };
    this.note.textContent = `${kind.note[0].toUpperCase()}${kind.note.slice(1)}.`;
    this.showLegend();
    this.heatmap.show({
      ...this.matrix, signed: kind.signed, write: kind.write, name: `${kind.symbol}, ${kind.label}`,
      rowLabels: label[rowAxis], colLabels: label[colAxis], marked: kind.framed && inSupport,
      rowKind: rowAxis === "w" ? "words" : "contexts", colKind: colAxis === "w" ? "words" : "contexts",
    }, [start[rowAxis], start[colAxis]]);
  }

  showLegend() {
    const { kind, matrix } = this;
    const end = kind.signed ? format(matrix.limit, 2) : "1";
    const ticks = kind.signed ? [`−${end}`, "0", end] : ["0", end];
    this.legend.className = `ntp-legend ${kind.signed ? "ntp-signed" : ""}`;
    this.legend.setAttribute("aria-label", `Colours run from ${ticks.join(" over ")}.`);
    this.legend.replaceChildren(element("div", { class: "ntp-ramp" }),
      element("div", { class: "ntp-ticks" }, ...ticks.map((tick) => element("span", {}, tick))));
  }

  /** One cell in words, and the distribution of its context beside it. */
  read(i, j) {
    const { kind, result, place } = this;
    if (kind.axes[0] === "w") place.word = i;
    if (kind.axes[1] === "c") place.context = j;
    const names = {
      wc: () => `after ${quote(this.context(j))}, ${quote(this.word(i))}`,
      ww: () => (i === j ? `${quote(this.word(i))} with itself` : `${quote(this.word(i))} and ${quote(this.word(j))}`),
      cc: () => (i === j ? `after ${quote(this.context(j))}, with itself`
        : `after ${quote(this.context(i))} and after ${quote(this.context(j))}`),
    };
    const membership = kind.axes === "wc" && indexIn(result.columns[j].ids, i) >= 0 ? "in support" : "not in support";
    const value = this.matrix.at(i, j);
    const rounded = Math.abs(value) < 1e-12 * Math.max(1, this.matrix.limit) ? 0 : value;
    this.reading.textContent = `${names[kind.axes]()}: ${kind.say({ value: rounded, membership })}`;
    this.showContext(place.context, place.word);
  }

  showContext(j, word) {
    const { result } = this;
    const column = result.columns[j];
    const order = column.ids.map((id, k) => ({ id, p: column.p[k] })).sort((a, b) => b.p - a.p || a.id - b.id);
    const bars = order.slice(0, MOST_BARS).map(({ id, p }) => element("li", id === word ? { class: "ntp-here" } : {},
      element("span", { class: "ntp-word" }, this.word(id)),
      element("span", { class: "ntp-bar", style: `--p: ${p}` }),
      element("span", { class: "ntp-p" }, format(p))));
    const rest = order.slice(MOST_BARS);
    const facts = `${plural(result.counts[j], "time")} in the text, ${plural(order.length, "next word")}, ` +
      `entropy ${format(columnEntropy(column))} nats`;
    this.panel.replaceChildren(
      element("p", { class: "ntp-title" }, "After ", element("b", {}, quote(this.context(j)))),
      element("ol", { class: "ntp-bars" }, ...bars),
      ...(rest.length ? [element("p", { class: "ntp-rest" }, `and ${plural(rest.length, "other word")}, together ` +
        format(rest.reduce((sum, { p }) => sum + p, 0)))] : []),
      element("p", { class: "ntp-facts" }, facts));
  }
}

export default {
  render({ model, el }) {
    const view = new SoftLabelsView(model, el);
    return () => view.stop();
  },
};

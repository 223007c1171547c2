// The widget of chapter 4: a grid of supports, and the largest-margin logits it leads to, live in the page.
//
// ntputils/widgets/support_grid.py puts three things before this file, because a widget's module is loaded as a blob
// and cannot import its neighbours: svm_core.js (the solver), heatmap.js (the matrix), and PRESETS.

const LARGEST = 12;
const FACE = 2 / (1 + Math.sqrt(5)); // 1/phi: how far the pentagon's segment of solutions goes
const SLIDER_STEPS = 100;

const quote = (words) => `«${words}»`;
const brief = (value) => (Math.abs(value) < 0.005 ? "0" : format(value, 2).replace(/^(−?)0\./, "$1."));
const settled = (value) => (Math.abs(value) < 1e-7 ? 0 : value); // the solver's zeros are zeros to its tolerance
const same = (A, B) => A.length === B.length && A.every((row, i) => row.join() === B[i].join());
const most = (rows) => Math.max(...rows.flat().map(Math.abs), 0);
const title = (...words) => element("p", { class: "ntp-title" }, ...words);
const math = (symbol, above) => element("i", {}, symbol, ...(above ? [element("sup", {}, above)] : []));

/**
 * A heat map that keeps its nodes while only its entries change, and says where it is cut off.
 *
 * To ask the page for a width or a scroll position after writing to it makes the browser lay out the whole page, and a
 * click writes into five of these: so the width is asked for once (`width = 0` forgets it), and a matrix that is seen
 * whole is not scrolled.
 */
class Matrix extends Heatmap {
  layout() {
    if (!this.matrix) return;
    const { rows, cols, rowLabels, colLabels } = this.matrix;
    this.heads = Array.from({ length: cols }, (_, j) => colLabels(j));
    const labels = [...Array.from({ length: rows }, (_, i) => rowLabels(i)), "", ...this.heads];
    this.width ||= this.node.clientWidth;
    const form = JSON.stringify([this.width, ...labels]);
    if (form === this.form && this.shape) return;
    this.form = form;
    this.shape = null; // stays so where there is no width: a hidden part is laid out when it is seen
    super.layout();
  }

  /** Columns' labels that fit over their cells stand upright: a single letter on its side is hard to read. */
  build() {
    const { left, size } = this.shape;
    const upright = Math.max(...this.heads.map((head) => this.pen.measureText(head).width)) <= size - 6;
    if (upright) Object.assign(this.shape, { top: 24, lean: 2, angle: 0 });
    super.build();
    if (!upright) return;
    this.colTexts.forEach((text, c) => {
      text.setAttribute("transform", `translate(${left + (c + 0.5) * size},${this.shape.top - 8})`);
      text.setAttribute("text-anchor", "middle");
    });
  }

  get whole() {
    return this.shape.down >= this.matrix.rows && this.shape.across >= this.matrix.cols;
  }

  origin() {
    return this.whole ? [0, 0] : super.origin();
  }

  reveal() {
    if (this.shape && this.whole) this.paint();
    else super.reveal();
  }

  describeWindow() {
    return this.whole ? "" : "Scroll, or walk with the arrow keys, to see the rest.";
  }
}

/** A matrix whose cells are switched by a click, Space or Enter, and whose labels can be renamed by a click. */
class Editor extends Matrix {
  constructor(onRead, { onToggle, onRename }) {
    super(onRead);
    Object.assign(this, { onToggle, onRename });
    this.grid.removeAttribute("aria-readonly");
    this.grid.setAttribute("aria-multiselectable", "true");
  }

  show(matrix, focus) {
    super.show(matrix, focus);
    this.grid.setAttribute("aria-label", `${this.grid.getAttribute("aria-label")} Space or Enter switches a cell.`);
  }

  paintCell(parts, i, j) {
    super.paintCell(parts, i, j);
    parts.cell.setAttribute("aria-selected", String(this.matrix.at(i, j) === 1));
    parts.cell.setAttribute("aria-label", `${this.matrix.rowLabels(i)} after ${this.matrix.colLabels(j)}`);
  }

  key(event) {
    if (event.key !== " " && event.key !== "Enter") return super.key(event);
    event.preventDefault();
    this.hover = null;
    return this.onToggle(...this.focus);
  }

  click(event) {
    const [r0, c0] = this.shape ? this.origin() : [0, 0];
    const row = this.rowTexts.indexOf(event.target);
    const column = this.colTexts.indexOf(event.target);
    if (row >= 0) return this.onRename("tokens", r0 + row);
    if (column >= 0) return this.onRename("contexts", c0 + column);
    const cell = this.cellAt(event);
    if (!cell) return undefined;
    this.focus = cell;
    this.hover = null;
    return this.onToggle(...cell);
  }
}

/** Words as squares and contexts as circles on the two largest singular directions. */
class Vectors {
  constructor() {
    this.picture = element("svg:svg", { class: "ntp-vectors", role: "img" });
    this.node = element("div", {}, this.picture);
  }

  /** `points` is a list of { x, y, name, kind, here }. */
  show(points) {
    this.points = points ?? this.points;
    this.width ||= this.node.clientWidth; // asked for once, as a matrix does
    const { width } = this;
    if (!this.points || width === 0) return;
    const height = Math.round(clamp(0.85 * width, 220, 340));
    const [xs, ys] = ["x", "y"].map((axis) => [...this.points.map((point) => point[axis]), 0]);
    const spread = (values) => Math.max(...values) - Math.min(...values);
    const scale = Math.min((width - 96) / Math.max(spread(xs), 1e-9), (height - 56) / Math.max(spread(ys), 1e-9));
    const middle = (values) => (Math.max(...values) + Math.min(...values)) / 2;
    const at = (x, y) => [width / 2 + scale * (x - middle(xs)), height / 2 - scale * (y - middle(ys))];
    const [ox, oy] = at(0, 0);
    const line = (x1, y1, x2, y2, kind) => element("svg:line", { x1, y1, x2, y2, class: kind });
    const spots = this.gather(at);
    this.picture.replaceChildren(line(0, oy, width, oy, "ntp-axis"), line(ox, 0, ox, height, "ntp-axis"),
      ...spots.map((spot) => line(ox, oy, spot.px, spot.py, `ntp-ray ${spot.here ? "ntp-here" : ""}`)),
      ...spots.map((spot) => this.mark(spot)), ...this.label(spots, width, height));
    this.picture.setAttribute("width", width);
    this.picture.setAttribute("height", height);
    this.picture.setAttribute("aria-label", "Words (squares) and contexts (circles) in the plane of the two largest " +
      `singular directions: ${this.points.map(({ name, x, y }) => `${name} ${brief(x)}, ${brief(y)}`).join("; ")}.`);
  }

  /** Points that fall on each other are one spot with all their names. */
  gather(at) {
    const spots = [];
    for (const { x, y, name, kind, here } of this.points) {
      const [px, py] = at(x, y);
      const twin = spots.find((spot) => spot.kind === kind && Math.hypot(spot.px - px, spot.py - py) < 2);
      if (twin) {
        twin.names.push(name);
        twin.here ||= here;
      } else spots.push({ px, py, kind, here, names: [name] });
    }
    return spots;
  }

  mark({ px, py, kind, here }) {
    const classes = `ntp-${kind} ${here ? "ntp-here" : ""}`;
    return kind === "token"
      ? element("svg:rect", { x: px - 4.5, y: py - 4.5, width: 9, height: 9, class: classes })
      : element("svg:circle", { cx: px, cy: py, r: 5, class: classes });
  }

  /** Puts each name on the side of its spot where it covers least of what is there already. */
  label(spots, width, height) {
    if (!this.pen) {
      const { fontSize, fontFamily } = getComputedStyle(this.picture);
      this.pen = document.createElement("canvas").getContext("2d");
      this.pen.font = `600 ${fontSize} ${fontFamily}`;
    }
    const { pen } = this;
    const taken = spots.map(({ px, py }) => [px - 6, py - 6, px + 6, py + 6]);
    const overlap = ([a, b, c, d], [e, f, g, h]) =>
      Math.max(0, Math.min(c, g) - Math.max(a, e)) * Math.max(0, Math.min(d, h) - Math.max(b, f));
    return spots.map(({ px, py, kind, here, names }) => {
      const text = names.length > 4 ? `${names.slice(0, 3).join(", ")} +${names.length - 3}` : names.join(", ");
      const long = pen.measureText(text).width;
      const places = [[8, 0], [-8 - long, 0], [-long / 2, -14], [-long / 2, 14], [7, -11], [7, 11], [-7 - long, -11],
        [-7 - long, 11]].map(([dx, dy]) => [px + dx, py + dy - 7, px + dx + long, py + dy + 7]);
      const cost = (box) => taken.reduce((sum, other) => sum + overlap(box, other), 0) +
        1e4 * (box[0] < 1 || box[2] > width - 1 || box[1] < 1 || box[3] > height - 1);
      const box = places.reduce((best, place) => (cost(place) < cost(best) - 1e-9 ? place : best));
      taken.push(box);
      return element("svg:text", { x: box[0], y: (box[1] + box[3]) / 2, "dominant-baseline": "central",
        class: `ntp-label ntp-of-${kind} ${here ? "ntp-here" : ""}` }, text);
    });
  }
}

class SupportGridView {
  constructor(model, host) {
    this.model = model;
    this.place = [0, 0];
    this.tau = 0;
    this.root = element("div", { class: "ntp-support-grid" }, this.presets(), this.problem(), this.results());
    host.replaceChildren(this.root);
    host.classList.add("ntp-host");
    this.listen();
    this.pull();
    this.compute();
  }

  // --- the page --------------------------------------------------------------------------------------------------

  presets() {
    this.buttons = Object.values(PRESETS).map((preset) => element("button", { type: "button", title: preset.shows,
      onclick: () => this.load(preset) }, preset.name));
    return element("div", { class: "ntp-presets", role: "group", "aria-label": "Grids to start from" },
      element("span", {}, "Start from"), ...this.buttons);
  }

  problem() {
    this.editor = new Editor((i, j) => this.readGrid(i, j), { onToggle: (i, j) => this.toggle(i, j),
      onRename: (kind, k) => this.rename(kind, k) });
    this.reading = element("p", { class: "ntp-reading", "aria-live": "polite" });
    const button = (action) => element("button", { type: "button", onclick: action });
    this.tools = { addToken: button(() => this.add("tokens")), dropToken: button(() => this.drop("tokens")),
      addContext: button(() => this.add("contexts")), dropContext: button(() => this.drop("contexts")) };
    this.tools.addToken.textContent = "Add a word";
    this.tools.addContext.textContent = "Add a context";
    this.fields = {};
    const field = (kind, label) => {
      this.fields[kind] = element("input", { type: "text", spellcheck: "false", autocomplete: "off",
        onchange: () => this.renamed(kind) });
      return element("label", {}, element("span", { class: "ntp-name" }, label), this.fields[kind]);
    };
    this.namesBox = element("details", { class: "ntp-names" }, element("summary", {}, "Names"),
      field("tokens", "Words, separated by commas"), field("contexts", "Contexts, separated by commas"));
    this.vectors = new Vectors();
    this.vectorsNote = element("p", { class: "ntp-note" });
    this.plane = element("div", { class: "ntp-part ntp-plane" }, title("Words and contexts as vectors"),
      element("p", { class: "ntp-key" }, element("span", { class: "ntp-key-token" }), "word",
        element("span", { class: "ntp-key-context" }), "context"), this.vectors.node, this.vectorsNote);
    this.message = element("p", { class: "ntp-message", role: "status" });
    return element("div", { class: "ntp-pair" },
      element("div", { class: "ntp-part ntp-problem" }, title("The supports, ", math("S")), this.reading,
        this.editor.node,
        element("div", { class: "ntp-presets ntp-tools", role: "group", "aria-label": "Size of the grid" },
          ...Object.values(this.tools)),
        element("p", { class: "ntp-note" }, "Press a cell to put the word into the support of the context, or to " +
          "take it out; press a label to rename it."),
        this.namesBox),
      element("div", { class: "ntp-part" }, this.message, this.plane));
  }

  results() {
    this.figures = {};
    const figure = (key, ...label) => {
      this.figures[key] = element("dd", { "data-number": key }, "–");
      return element("div", {}, element("dt", {}, ...label), this.figures[key]);
    };
    const numbers = element("dl", { class: "ntp-numbers" },
      figure("primal", "nuclear norm of ", math("L", "mm")), figure("proxy", "of the proxy, ", math("S̃")),
      figure("excess", "proxy is longer by"), figure("gap", "duality gap, at most"), figure("rank", "rank of ",
        math("L", "mm")), figure("time", "solved in"));
    this.tauInput = element("input", { type: "range", min: 0, max: SLIDER_STEPS, step: 1, value: 0,
      oninput: () => this.slide() });
    this.tauOut = element("output");
    this.face = element("div", { class: "ntp-face" },
      element("label", {}, element("span", { class: "ntp-name" }, "Along the segment of solutions, τ"), this.tauInput,
        this.tauOut),
      element("p", { class: "ntp-note" }, "All these matrices solve NTP-SVM: the word opposite each edge may stand " +
        "back by any margin from 1 to 1.618, and the nuclear norm stays 2√5."));
    this.maps = { L: new Matrix((i, j) => this.readPair("proxy", i, j)),
      proxy: new Matrix((i, j) => this.readPair("L", i, j)),
      words: new Matrix((i, k) => this.readGram("words", i, k)),
      contexts: new Matrix((i, k) => this.readGram("contexts", i, k)) };
    this.readings = { pair: element("p", { class: "ntp-reading" }), gram: element("p", { class: "ntp-reading" }) };
    this.legends = { pair: element("div", { role: "img" }), gram: element("div", { role: "img" }) };
    this.bars = element("ol", { class: "ntp-singular" });
    const section = (key, ...parts) => {
      // A reading is spoken only while one walks in its own matrices: a switched cell rewrites all of them.
      const reading = this.readings[key];
      return element("div", { class: "ntp-section", onfocusin: () => reading.setAttribute("aria-live", "polite"),
        onfocusout: () => reading.removeAttribute("aria-live") },
      reading, element("div", { class: "ntp-pair" }, ...parts), this.legends[key]);
    };
    const part = (map, ...words) => element("div", { class: "ntp-part" }, title(...words), map.node);
    this.stage = element("div", { class: "ntp-results" }, numbers, this.face,
      section("pair", part(this.maps.L, "Largest-margin logits, ", math("L", "mm")),
        part(this.maps.proxy, "The proxy, the centred support ", math("S̃"))),
      element("div", { class: "ntp-section" }, title("Singular values of ",
        element("span", { class: "ntp-key-L" }), math("L", "mm"), " and ", element("span", { class: "ntp-key-proxy" }),
        math("S̃")), this.bars),
      section("gram", part(this.maps.words, "Words, ", math("WWᵀ"), " = (", math("LLᵀ"), ")", element("sup", {}, "½")),
        part(this.maps.contexts, "Contexts, ", math("HᵀH"), " = (", math("LᵀL"), ")", element("sup", {}, "½"))));
    return this.stage;
  }

  // --- between the page and the model ----------------------------------------------------------------------------

  listen() {
    const changed = () => {
      if (this.pushing) return;
      this.pull();
      this.compute();
    };
    const names = ["change:S", "change:tokens", "change:contexts"];
    names.forEach((name) => this.model.on(name, changed));
    // Text that wraps differently changes the height, never the width: looking at the width alone cannot loop.
    let width = 0;
    const observer = new ResizeObserver(([entry]) => {
      if (Math.abs(entry.contentRect.width - width) < 1) return;
      width = entry.contentRect.width;
      this.layout();
    });
    observer.observe(this.root);
    this.stop = () => {
      observer.disconnect();
      names.forEach((name) => this.model.off(name, changed));
    };
  }

  layout() {
    const maps = [this.editor, ...Object.values(this.maps)];
    for (const part of [...maps, this.vectors]) part.width = 0;
    for (const map of maps) {
      map.layout();
      map.reveal();
    }
    this.vectors.show();
  }

  pull() {
    const fill = (names, count, kind) => Array.from({ length: count }, (_, k) => names[k] || `${kind}${k + 1}`);
    this.S = this.model.get("S").map((row) => [...row]);
    this.names = { tokens: fill(this.model.get("tokens"), this.S.length, "t"),
      contexts: fill(this.model.get("contexts"), this.S[0].length, "c") };
    this.tau = 0;
  }

  push(S, tokens, contexts) {
    this.pushing = true; // three changes are one: the page solves once, when all are there
    for (const [name, value] of Object.entries({ S, tokens, contexts })) this.model.set(name, value);
    this.pushing = false;
    this.model.save_changes();
    this.pull();
    this.compute();
  }

  load({ S, tokens, contexts }) {
    this.place = [0, 0];
    this.push(S, tokens, contexts);
  }

  toggle(i, j) {
    this.place = [i, j];
    const S = this.S.map((row, r) => row.map((value, c) => (r === i && c === j ? 1 - value : value)));
    this.push(S, this.names.tokens, this.names.contexts);
  }

  /** Adds a word that follows nothing, or a context that the chosen word follows. */
  add(kind) {
    const { tokens, contexts } = this.names;
    const fresh = (names, letter) => {
      let k = names.length + 1;
      while (names.includes(`${letter}${k}`)) k += 1;
      return [...names, `${letter}${k}`];
    };
    const [i] = this.place;
    if (kind === "tokens") {
      this.place = [tokens.length, this.place[1]];
      this.push([...this.S, contexts.map(() => 0)], fresh(tokens, "t"), contexts);
    } else {
      this.place = [i, contexts.length];
      this.push(this.S.map((row, r) => [...row, Number(r === i)]), tokens, fresh(contexts, "c"));
    }
  }

  /** Takes out the word or the context of the chosen cell. */
  drop(kind) {
    const [i, j] = this.place;
    const { tokens, contexts } = this.names;
    const without = (list, at) => list.filter((_, k) => k !== at);
    if (kind === "tokens") this.push(without(this.S, i), without(tokens, i), contexts);
    else this.push(this.S.map((row) => without(row, j)), tokens, without(contexts, j));
  }

  rename(kind, k) {
    this.namesBox.open = true;
    const field = this.fields[kind];
    const start = this.names[kind].slice(0, k).reduce((sum, name) => sum + name.length + 2, 0);
    field.focus();
    field.setSelectionRange(start, start + this.names[kind][k].length);
  }

  renamed(kind) {
    const written = this.fields[kind].value.split(",").map((name) => name.trim());
    const names = { ...this.names, [kind]: this.names[kind].map((name, k) => written[k] || name) };
    this.push(this.S, names.tokens, names.contexts);
  }

  slide() {
    this.tau = (Number(this.tauInput.value) / SLIDER_STEPS) * FACE;
    this.showSolution();
  }

  // --- from the grid to the page -----------------------------------------------------------------------------------

  compute() {
    const { S } = this;
    this.place = [clamp(this.place[0], 0, S.length - 1), clamp(this.place[1], 0, S[0].length - 1)];
    const empty = this.names.contexts.filter((_, j) => !S.some((row) => row[j]));
    this.message.textContent = empty.length
      ? `No word follows ${empty.map(quote).join(", ")} yet. A context needs a next word: press a cell in its column.`
      : "";
    this.stage.hidden = this.plane.hidden = empty.length > 0;
    this.solution = this.spectrum = null;
    if (!empty.length) {
      const start = performance.now();
      this.solution = solveNtpSvm(S);
      this.milliseconds = performance.now() - start;
      this.proxy = centredRows(S);
      this.proxyValues = spectrum(this.proxy).s;
    }
    this.showGrid();
    if (!empty.length) this.showSolution();
  }

  showGrid() {
    const { S, names, tools } = this;
    const count = { tokens: names.tokens.length, contexts: names.contexts.length };
    tools.addToken.disabled = count.tokens >= LARGEST;
    tools.addContext.disabled = count.contexts >= LARGEST;
    tools.dropToken.disabled = count.tokens <= 2;
    tools.dropContext.disabled = count.contexts <= 1;
    for (const kind of ["tokens", "contexts"]) this.fields[kind].value = names[kind].join(", ");
    Object.values(PRESETS).forEach((preset, k) => this.buttons[k].setAttribute("aria-pressed", String(
      same(S, preset.S))));
    this.editor.show({ ...this.sides("wc"), at: (i, j) => S[i][j], limit: 1, write: String, name: "S, supports" },
      this.place);
  }

  sides(axes) {
    const { tokens, contexts } = this.names;
    const [row, col] = [...axes].map((axis) => (axis === "w" ? [tokens, "words"] : [contexts, "contexts"]));
    return { rows: row[0].length, cols: col[0].length, rowKind: row[1], colKind: col[1],
      rowLabels: (i) => row[0][i], colLabels: (j) => col[0][j] };
  }

  showSolution() {
    const { S, solution, proxy } = this;
    const pentagon = same(S, PRESETS.pentagon.S);
    this.face.hidden = !pentagon;
    this.L = (pentagon ? pentagonRows(this.tau) : solution.L).map((row) => row.map(settled));
    this.spectrum = spectrum(this.L);
    if (pentagon) {
      this.tauInput.value = Math.round((this.tau / FACE) * SLIDER_STEPS);
      this.tauOut.textContent = `${format(this.tau, 2)}, margin ${format(1 + this.tau, 2)}`;
      this.tauInput.setAttribute("aria-valuetext", this.tauOut.textContent);
    }
    this.showNumbers();
    this.showBars();
    const limit = Math.max(most(this.L), most(proxy));
    const framed = { signed: true, write: brief, marked: (i, j) => S[i][j] === 1 };
    const wc = { ...this.sides("wc"), ...framed, limit };
    this.maps.L.show({ ...wc, at: (i, j) => this.L[i][j], name: "L, largest-margin logits" }, this.place);
    this.maps.proxy.show({ ...wc, at: (i, j) => proxy[i][j], name: "S̃, centred support" }, this.place);
    const { words, contexts } = this.spectrum;
    const gram = { signed: true, write: brief, limit: Math.max(most(words), most(contexts)) };
    const [i, j] = this.place;
    this.maps.contexts.show({ ...this.sides("cc"), ...gram, at: (a, b) => settled(contexts[a][b]),
      name: "Inner products of contexts" }, [j, j]);
    this.maps.words.show({ ...this.sides("ww"), ...gram, at: (a, b) => settled(words[a][b]),
      name: "Inner products of words" }, [i, i]);
    this.showLegend(this.legends.pair, limit, "The same colours in both; framed cells are in the support.");
    this.showLegend(this.legends.gram, gram.limit, "The same colours in both.");
    this.showVectors();
  }

  showNumbers() {
    const { solution } = this;
    const sum = (values) => values.reduce((total, value) => total + value, 0);
    const [primal, proxy] = [sum(this.spectrum.s), sum(this.proxyValues)];
    const gap = primal > 0 ? Math.max(0, primal - solution.dual) / primal : 0;
    const excess = primal > 0 ? proxy / primal - 1 : 0;
    const texts = { primal: format(primal), proxy: format(proxy),
      excess: excess < 2e-6 ? "0: optimal" : `${format(100 * excess, 2)} %`,
      gap: `10${superscript(Math.max(-12, Math.ceil(Math.log10(Math.max(gap, 1e-12)))))}`,
      rank: String(this.spectrum.s.filter((value) => value > 1e-4 * Math.max(this.spectrum.s[0], 1e-12)).length),
      time: `${this.milliseconds < 1 ? "under 1" : Math.round(this.milliseconds)} ms` };
    for (const [key, text] of Object.entries(texts)) this.figures[key].textContent = text;
  }

  showBars() {
    const [own, proxy] = [this.spectrum.s, this.proxyValues];
    const largest = Math.max(own[0], proxy[0]) || 1;
    const seen = Math.max(1, proxy.filter((value, k) => Math.max(value, own[k]) > 1e-6 * largest).length);
    this.bars.replaceChildren(...own.slice(0, seen).map((value, k) => element("li", {},
      element("span", { class: "ntp-columns" },
        element("span", { class: "ntp-of-L", style: `--p: ${value / largest}` }),
        element("span", { class: "ntp-of-proxy", style: `--p: ${proxy[k] / largest}` })),
      element("span", { class: "ntp-value" }, brief(value)),
      element("span", { class: "ntp-value ntp-quiet" }, brief(proxy[k])))));
  }

  showVectors() {
    const { W, H, s } = this.spectrum;
    const [i, j] = this.place;
    const point = (name, row, kind, here) => ({ name, kind, here, x: settled(row[0]), y: settled(row[1] ?? 0) });
    this.vectors.show([
      ...W.map((row, k) => point(this.names.tokens[k], row, "token", k === i)),
      ...H.map((row, k) => point(this.names.contexts[k], row, "context", k === j))]);
    const tied = s.length > 2 && s[1] - s[2] < 1e-4 * s[0] && s[0] > 0;
    const share = (s[0] + (s[1] ?? 0)) / (s.reduce((sum, value) => sum + value, 0) || 1);
    this.vectorsNote.textContent = `The two largest singular directions of L: ${Math.round(100 * share)} % of its ` +
      `nuclear norm.${tied ? " The second singular value is repeated: this is one view among equals." : ""}`;
  }

  showLegend(node, limit, note) {
    const end = format(limit, 2);
    const ticks = [`−${end}`, "0", end];
    node.className = "ntp-legend ntp-signed";
    node.setAttribute("aria-label", `Colours run from ${ticks.join(" over ")}. ${note}`);
    node.replaceChildren(element("div", { class: "ntp-ramp" }),
      element("div", { class: "ntp-ticks" }, ...ticks.map((tick) => element("span", {}, tick))),
      element("p", { class: "ntp-where" }, note));
  }

  // --- one cell in words -----------------------------------------------------------------------------------------

  readGrid(i, j) {
    const { S, names, tools } = this;
    this.place = [i, j];
    tools.dropToken.textContent = `Remove ${quote(names.tokens[i])}`;
    tools.dropContext.textContent = `Remove ${quote(names.contexts[j])}`;
    this.reading.textContent = `${quote(names.tokens[i])} after ${quote(names.contexts[j])}: ` +
      (S[i][j] ? "in the support" : "not in the support");
    if (!this.spectrum) return; // the answer to a changed grid comes right after it
    this.maps.L.focus = [i, j];
    this.maps.L.read();
    this.showVectors();
  }

  /** One cell of either matrix; the same cell of the `other` is framed too. */
  readPair(other, i, j) {
    if (!this.spectrum) return;
    const { S, L, proxy, names } = this;
    const twin = this.maps[other];
    if (twin.shape && twin.cells.length === S.length) {
      twin.focus = [i, j];
      twin.mark();
    }
    const level = S.findIndex((row) => row[j]);
    const margin = S[i][j] ? "in the support" : `margin ${format(L[level][j] - L[i][j])} against 1.000`;
    this.readings.pair.textContent = `after ${quote(names.contexts[j])}, ${quote(names.tokens[i])}: ` +
      `L = ${format(L[i][j])}, S̃ = ${format(settled(proxy[i][j]))}, ${margin}`;
  }

  readGram(kind, i, k) {
    if (!this.spectrum) return;
    const gram = this.spectrum[kind];
    const names = kind === "words" ? this.names.tokens : this.names.contexts;
    const lengths = Math.sqrt(gram[i][i] * gram[k][k]);
    const cosine = lengths > 1e-9 ? `, cosine ${format(settled(gram[i][k] / lengths))}` : "";
    const pair = i === k ? `${quote(names[i])} with itself` : `${quote(names[i])} and ${quote(names[k])}`;
    this.readings.gram.textContent = `${pair}: inner product ${format(settled(gram[i][k]))}${i === k ? "" : cosine}`;
  }
}

const superscript = (number) => String(number).replace(/[-\d]/g, (digit) =>
  (digit === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]));

export default {
  render({ model, el }) {
    const view = new SupportGridView(model, el);
    return () => view.stop();
  },
};

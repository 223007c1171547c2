// The parts of the training scrubber that draw: a heat map on a canvas, read by pointer and by keyboard, and a small
// curve over steps. ntputils/widgets/scrubber.py puts heatmap.js and scrubber_core.js before this file.

const SHADES = 100; // on either side of zero
const GUTTER = 18; // pixels beside a heat map, for the numbers of the supports
const TALLEST = 480; // pixels of a heat map
const WHOLE = 8; // pixels from which on all cells have to be of one size
const PAGE = 10; // cells that a page key moves

/** The colours from the largest negative entry over zero to the largest positive, as the style sheet has them now. */
function palette(node) {
  const probe = element("span", { class: "ntp-probe" });
  node.append(probe);
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const [zero, above, below] = ["zero", "above", "below"].map(colour);
  probe.remove();
  const canvas = element("canvas", { width: 2 * SHADES + 1, height: 1 });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  for (let shade = -SHADES; shade <= SHADES; shade++) {
    const share = (100 * Math.abs(shade)) / SHADES;
    pen.fillStyle = `color-mix(in oklab, ${zero}, ${shade < 0 ? below : above} ${share}%)`;
    pen.fillRect(shade + SHADES, 0, 1, 1);
  }
  return new Uint32Array(pen.getImageData(0, 0, 2 * SHADES + 1, 1).data.buffer);
}

/** A matrix of up to a hundred rows or so: a pixel of the canvas is a cell, and the canvas is drawn large. */
class Field {
  /** `move(cell)` is called for a key, a tap or a click, `hover(cell or null)` for a pointer that passes. */
  constructor({ move, hover }) {
    Object.assign(this, { move, hover });
    this.canvas = element("canvas");
    this.over = element("svg:svg", { "aria-hidden": "true" });
    this.plate = element("div", { class: "ntp-plate", role: "application", tabindex: 0, "aria-roledescription": "heat map",
      onkeydown: (event) => this.key(event), onclick: (event) => this.click(event),
      onpointermove: (event) => this.point(event), onpointerleave: () => this.hover(null) }, this.canvas, this.over);
    this.node = element("div", { class: "ntp-field" }, this.plate);
  }

  /**
   * Shows a matrix. `bands` are the numbers of the supports of rows and columns, or null where there are none; `limit` is
   * the entry with the strongest colour.
   */
  show(matrix, { limit, bands, name, colours }) {
    Object.assign(this, { matrix, limit, bands, colours });
    this.plate.setAttribute("aria-label", name);
    this.layout();
    this.paint();
  }

  paint() {
    const { canvas, matrix: { rows, cols, values }, limit, colours } = this;
    canvas.width = cols;
    canvas.height = rows;
    const pen = canvas.getContext("2d");
    const image = pen.createImageData(cols, rows);
    const pixels = new Uint32Array(image.data.buffer);
    values.forEach((value, at) => {
      pixels[at] = colours[SHADES + Math.round(SHADES * clamp(value / limit, -1, 1))];
    });
    pen.putImageData(image, 0, 0);
  }

  /** Fits the cells into the width there is, large ones to whole pixels of the screen, and rules the supports apart. */
  layout() {
    const room = this.node.clientWidth - GUTTER;
    if (!this.matrix || room <= 0) return;
    const { matrix: { rows, cols }, bands } = this;
    const dots = window.devicePixelRatio || 1;
    const most = Math.min(room / cols, TALLEST / rows);
    const size = most < WHOLE ? most : Math.floor(most * dots) / dots;
    const [width, height] = [cols * size, rows * size];
    Object.assign(this.canvas.style, { left: `${GUTTER}px`, top: `${GUTTER}px`, width: `${width}px`, height: `${height}px` });
    Object.assign(this.plate.style, { width: `${GUTTER + width}px`, height: `${GUTTER + height}px` });
    this.over.setAttribute("width", GUTTER + width);
    this.over.setAttribute("height", GUTTER + height);
    this.size = size;
    this.over.replaceChildren(...this.rules(bands.rows, (at) => [GUTTER, at, GUTTER + width, at], true),
      ...this.rules(bands.cols, (at) => [at, GUTTER, at, GUTTER + height], false),
      ...(this.guides = [0, 1, 2, 3].map(() => element("svg:line", { class: "ntp-guide" }))),
      this.cursor = element("svg:rect", { class: "ntp-cursor", rx: 1 }));
    this.mark(this.cell);
  }

  /** A line between two supports, and the number of each beside or above it. */
  rules(groups, ends, sideways) {
    if (!groups) return [];
    const nodes = [];
    let from = 0;
    groups.forEach((group, at) => {
      if (at + 1 < groups.length && groups[at + 1] === group) return;
      const [start, end] = [from, at + 1].map((k) => GUTTER + k * this.size);
      from = at + 1;
      if (from < groups.length) {
        const [x1, y1, x2, y2] = ends(end);
        nodes.push(element("svg:line", { class: "ntp-rule", x1, y1, x2, y2 }));
      }
      if (end - start < (group > 8 && !sideways ? 14 : 11)) return; // no room for a number
      const [x, y] = sideways ? [GUTTER - 4, (start + end) / 2] : [(start + end) / 2, GUTTER - 8];
      nodes.push(element("svg:text", { x, y, "text-anchor": sideways ? "end" : "middle", "dominant-baseline": "central" },
        String(group + 1)));
    });
    return nodes;
  }

  /** Frames a cell, and leads the eye to it from the edges. */
  mark(cell) {
    this.cell = cell;
    if (!this.cursor || !cell) return;
    const { size, matrix: { rows, cols } } = this;
    const [x, y] = [GUTTER + cell[1] * size, GUTTER + cell[0] * size];
    const spare = size < WHOLE ? 1.5 : 0; // a small cell is framed from outside
    const set = (node, values) => Object.entries(values).forEach(([name, value]) => node.setAttribute(name, value));
    set(this.cursor, { x: x - spare, y: y - spare, width: size + 2 * spare, height: size + 2 * spare });
    const [cx, cy, right, bottom] = [x + size / 2, y + size / 2, GUTTER + cols * size, GUTTER + rows * size];
    const ends = [[GUTTER, cy, x - spare, cy], [x + size + spare, cy, right, cy], [cx, GUTTER, cx, y - spare],
      [cx, y + size + spare, cx, bottom]];
    this.guides.forEach((guide, k) => ["x1", "y1", "x2", "y2"].forEach((name, at) =>
      guide.setAttribute(name, ends[k][at])));
  }

  key(event) {
    const { matrix: { rows, cols }, cell: [i, j] } = this;
    if (event.altKey || event.metaKey) return;
    const far = event.ctrlKey ? Infinity : 1;
    const moves = { ArrowUp: [-far, 0], ArrowDown: [far, 0], ArrowLeft: [0, -far], ArrowRight: [0, far],
      PageUp: [-PAGE, 0], PageDown: [PAGE, 0], Home: [event.ctrlKey ? -far : 0, -Infinity],
      End: [event.ctrlKey ? far : 0, Infinity] };
    if (!moves[event.key]) return;
    event.preventDefault();
    const [down, right] = moves[event.key];
    this.move([clamp(i + down, 0, rows - 1), clamp(j + right, 0, cols - 1)]);
  }

  at(event) {
    const frame = this.canvas.getBoundingClientRect();
    const [i, j] = [event.clientY - frame.top, event.clientX - frame.left].map((far) => Math.floor(far / this.size));
    return i >= 0 && j >= 0 && i < this.matrix.rows && j < this.matrix.cols ? [i, j] : null;
  }

  point(event) {
    if (event.pointerType !== "touch") this.hover(this.at(event)); // a finger scrolls; it reads by a tap
  }

  click(event) {
    const cell = this.at(event);
    if (cell) this.move(cell);
  }
}

/** Numbers of all runs over a logarithmic axis of steps; a press goes to the snapshot that is nearest. */
class Curve {
  constructor(go, { log, title }) {
    Object.assign(this, { go, log });
    this.title = element("p", { class: "ntp-title" }, title);
    this.picture = element("svg:svg", { class: "ntp-curves", role: "img", onpointerdown: (event) => this.press(event) });
    this.node = element("div", { class: "ntp-part" }, this.title, this.picture);
  }

  /** Shows runs { name, steps, values }, of which number `run` is the one looked at, at its snapshot `at`. */
  show(runs, run, at) {
    Object.assign(this, { runs, run, at });
    const width = this.node.clientWidth;
    if (!runs || width === 0) return;
    const [left, right, top, bottom, height] = [44, 10, 8, 34, 170];
    const far = Math.max(1, ...runs.map(({ steps }) => steps.at(-1)));
    this.x = (step) => left + ((width - left - right) * Math.log1p(step)) / Math.log1p(far);
    const found = runs.flatMap(({ values }) => values).filter((value) => Number.isFinite(value) && (!this.log || value > 0));
    const scale = this.log ? (value) => Math.log10(Math.max(value, 1e-12)) : (value) => value;
    const low = this.log ? Math.floor(scale(Math.min(1, ...found))) : Math.min(0, ...found);
    const high = this.log ? Math.max(low + 1, Math.ceil(scale(Math.max(1e-12, ...found)))) : 1;
    const y = (value) => top + (height - top - bottom) * clamp((high - scale(value)) / (high - low), 0, 1);
    const line = (x1, y1, x2, y2, kind) => element("svg:line", { x1, y1, x2, y2, class: kind });
    const text = (px, py, anchor, words) => element("svg:text", { x: px, y: py, "text-anchor": anchor }, words);
    const level = (value, words) => [line(left, y(value), width - right, y(value), "ntp-axis"),
      text(left - 6, y(value) + 4, "end", words)];
    const stride = Math.max(1, Math.ceil((high - low) / 4));
    const levels = this.log
      ? Array.from({ length: Math.floor((high - low) / stride) + 1 }, (_, k) => high - k * stride)
        .flatMap((e) => level(10 ** e, e < 0 || e > 1 ? `10${raised(e)}` : String(10 ** e)))
      : [-1, -0.5, 0, 0.5, 1].filter((value) => value >= low - 1e-9).flatMap((value) => level(value, format(value, 1)));
    const marks = [0, ...Array.from({ length: Math.floor(Math.log10(far)) + 1 }, (_, e) => 10 ** e)].map((step) =>
      text(this.x(step), height - 17, "middle", step.toLocaleString("en")));
    const lines = runs.map(({ steps, values }, k) => element("svg:polyline", {
      class: `ntp-curve ntp-run-${k}${k === run ? " ntp-here" : ""}`,
      points: values.flatMap((value, s) => (Number.isFinite(value) ? [`${this.x(steps[s])},${y(value)}`] : [])).join(" ") }));
    lines.push(...lines.splice(run, 1)); // the one looked at lies on top
    const { steps, values } = runs[run];
    const now = this.x(steps[at]);
    const dot = Number.isFinite(values[at])
      ? [element("svg:circle", { class: `ntp-dot ntp-run-${run}`, cx: now, cy: y(values[at]), r: 4.5 })] : [];
    this.picture.replaceChildren(...levels, ...marks, text((left + width - right) / 2, height - 3, "middle", "step"),
      line(now, top, now, height - bottom, "ntp-now"), ...lines, ...dot);
    this.picture.setAttribute("width", width);
    this.picture.setAttribute("height", height);
    const ends = runs.map((one) => `${one.name} from ${power(one.values[0])} at step ${one.steps[0]} to ` +
      `${power(one.values.at(-1))} at step ${one.steps.at(-1)}`);
    this.picture.setAttribute("aria-label", `${this.title.textContent}: ${ends.join("; ")}.`);
  }

  press(event) {
    const px = event.clientX - this.picture.getBoundingClientRect().left;
    const far = this.runs[this.run].steps.map((step) => Math.abs(this.x(step) - px));
    this.go(far.indexOf(Math.min(...far)));
  }
}

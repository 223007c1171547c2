// A matrix one can walk through: labelled cells, read by pointer or by keyboard, of which a window is drawn.
//
// Put before the modules of the widgets that use it by ntputils/widgets/__init__.py. Colours live in the style sheet:
// a cell only says where it stands between zero and the largest entry (`--t`), and on which side of zero.

const SVG = "http://www.w3.org/2000/svg";
const WINDOW = { wide: 24, narrow: 12 }; // cells a side that are drawn at most
const CELL = { least: 18, most: 60, numbered: 34 }; // pixels; from `numbered` on, entries are written into the cells
const NARROW = 400; // pixels of the heat map, not of the screen: a column of a notebook can be narrow too

/** An HTML element: attributes, listeners (`onclick`), children. */
export function element(tag, attributes = {}, ...children) {
  const node = tag.startsWith("svg:") ? document.createElementNS(SVG, tag.slice(4)) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

/** A number for people: three decimals, a true minus sign, and no "-0.000". */
export function format(value, digits = 3) {
  if (value === 0) return "0";
  const small = Math.abs(value) < 0.5 * 10 ** -digits;
  return (small ? value.toExponential(1) : value.toFixed(digits)).replaceAll("-", "−");
}

export class Heatmap {
  /** `onRead(row, column)` is called whenever another cell is read. */
  constructor(onRead) {
    this.onRead = onRead;
    this.grid = element("svg:svg", { class: "ntp-grid", role: "grid", tabindex: 0, "aria-readonly": "true" });
    this.spacer = element("div", { class: "ntp-spacer" }, this.grid);
    this.scroller = element("div", { class: "ntp-scroller", tabindex: -1 }, this.spacer);
    this.where = element("p", { class: "ntp-where" });
    this.node = element("div", { class: "ntp-heatmap" }, this.scroller, this.where);
    this.pen = document.createElement("canvas").getContext("2d");
    this.focus = [0, 0];
    this.hover = null;
    this.scroller.addEventListener("scroll", () => this.paint());
    this.grid.addEventListener("keydown", (event) => this.key(event));
    this.grid.addEventListener("pointermove", (event) => this.point(event));
    this.grid.addEventListener("pointerleave", () => this.leave());
    this.grid.addEventListener("click", (event) => this.click(event));
  }

  /**
   * Shows a matrix { rows, cols, at, limit, signed, rowLabels, colLabels, rowKind, colKind, name, marked }, where the
   * labels and `marked` (cells that get a thin frame) are functions, and reads the cell `focus`.
   */
  show(matrix, focus) {
    this.matrix = matrix;
    this.hover = null;
    this.focus = [clamp(focus[0], 0, matrix.rows - 1), clamp(focus[1], 0, matrix.cols - 1)];
    this.grid.setAttribute("aria-label", `${matrix.name}: ${matrix.rows} ${matrix.rowKind} by ${matrix.cols} ` +
      `${matrix.colKind}. Arrow keys move from cell to cell.`);
    this.grid.setAttribute("aria-rowcount", matrix.rows);
    this.grid.setAttribute("aria-colcount", matrix.cols);
    this.grid.classList.toggle("ntp-signed", Boolean(matrix.signed));
    this.layout();
    this.reveal();
    this.read();
  }

  /** Fits cells and labels into the width there is, and makes the nodes of the window. */
  layout() {
    const width = this.node.clientWidth;
    if (!this.matrix || width === 0) return;
    const { rows, cols, rowLabels, colLabels } = this.matrix;
    const narrow = width < NARROW;
    // The shorthand `font` is empty where a page sets tabular figures: it is put together from its parts.
    const { fontSize, fontFamily } = getComputedStyle(this.grid);
    this.pen.font = `600 ${fontSize} ${fontFamily}`; // the label that is read is set in bold
    const widest = (count, label, most) => {
      let best = 24;
      for (let k = 0; k < Math.min(count, 200) && best < most; k++) {
        best = Math.max(best, this.pen.measureText(label(k)).width + 2);
      }
      return Math.min(best, most);
    };
    const angle = narrow ? 90 : 60;
    const turn = (angle * Math.PI) / 180;
    const left = Math.ceil(widest(rows, rowLabels, narrow ? 84 : 132)) + 8;
    const long = widest(cols, colLabels, narrow ? 92 : 128);
    const top = Math.ceil(long * Math.sin(turn)) + 14;
    const lean = Math.ceil(long * Math.cos(turn)); // what the last, slanted label needs on its right
    const bar = 16; // room for a scroll bar, where one takes room
    const limit = narrow ? WINDOW.narrow : WINDOW.wide;
    const room = width - left - lean - bar;
    const across = clamp(Math.floor(room / CELL.least), 1, Math.min(cols, limit));
    const down = Math.min(rows, limit);
    const size = clamp(Math.floor(Math.min(room / across, 560 / down)), CELL.least, CELL.most);
    this.shape = { left, top, lean, long, angle, size, across, down };
    this.build();
    this.paint();
  }

  build() {
    const { left, top, lean, size, across, down, angle } = this.shape;
    const { rows, cols } = this.matrix;
    const [width, height] = [left + across * size + lean, top + down * size + 2];
    this.grid.replaceChildren();
    this.grid.setAttribute("width", width);
    this.grid.setAttribute("height", height);
    this.scroller.style.overflow = `${cols > across ? "scroll" : "hidden"} ${rows > down ? "scroll" : "hidden"}`;
    this.spacer.style.width = `${width + (cols - across) * size}px`;
    this.spacer.style.height = `${height + (rows - down) * size}px`;
    // A classic scroll bar takes room from the window, an overlaid one takes none: measure, then make up for it.
    this.scroller.style.width = `${width + this.scroller.offsetWidth - this.scroller.clientWidth}px`;
    this.scroller.style.height = `${height + this.scroller.offsetHeight - this.scroller.clientHeight}px`;

    const numbered = size >= CELL.numbered;
    const head = element("svg:g", { role: "row" });
    this.colTexts = Array.from({ length: across }, (_, c) => {
      const [x, y] = [left + (c + 0.5) * size, top - 6];
      const slant = `translate(${x + 3},${y}) rotate(${-angle})`;
      return element("svg:text", { role: "columnheader", class: "ntp-label", transform: slant });
    });
    head.append(...this.colTexts);
    this.grid.append(head);
    this.rowTexts = [];
    this.rowGroups = [];
    this.cells = Array.from({ length: down }, (_, r) => {
      const y = top + r * size;
      const label = element("svg:text", { role: "rowheader", class: "ntp-label", x: left - 8, y: y + size / 2,
        "text-anchor": "end", "dominant-baseline": "central" });
      const group = element("svg:g", { role: "row" }, label);
      const row = Array.from({ length: across }, (_, c) => {
        const x = left + c * size;
        const box = element("svg:rect", { x: x + 0.5, y: y + 0.5, width: size - 1, height: size - 1 });
        const cell = element("svg:g", { role: "gridcell", class: "ntp-cell" }, box);
        const text = numbered && element("svg:text", { x: x + size / 2, y: y + size / 2, "text-anchor": "middle",
          "dominant-baseline": "central" });
        if (text) cell.append(text);
        group.append(cell);
        return { cell, text };
      });
      this.rowTexts.push(label);
      this.rowGroups.push(group);
      this.grid.append(group);
      return row;
    });
    this.cursor = element("svg:rect", { class: "ntp-cursor", width: size, height: size, rx: 1.5 });
    this.grid.append(this.cursor);
  }

  /** First row and column of the window: where the reader has scrolled to, in whole cells. */
  origin() {
    const { size, across, down } = this.shape;
    const from = (scrolled, count, seen) => clamp(Math.round(scrolled / size), 0, count - seen);
    return [from(this.scroller.scrollTop, this.matrix.rows, down),
      from(this.scroller.scrollLeft, this.matrix.cols, across)];
  }

  paint() {
    if (!this.shape) return;
    const { matrix, shape } = this;
    const [r0, c0] = this.origin();
    this.colTexts.forEach((text, c) => {
      text.textContent = this.fit(matrix.colLabels(c0 + c), shape.long);
      text.setAttribute("aria-colindex", c0 + c + 1);
    });
    this.rowTexts.forEach((text, r) => {
      text.textContent = this.fit(matrix.rowLabels(r0 + r), shape.left - 8);
      this.rowGroups[r].setAttribute("aria-rowindex", r0 + r + 1);
    });
    this.cells.forEach((row, r) => row.forEach((cell, c) => this.paintCell(cell, r0 + r, c0 + c)));
    this.where.textContent = this.describeWindow(r0, c0);
    this.mark();
  }

  paintCell({ cell, text }, i, j) {
    const { matrix } = this;
    const value = matrix.at(i, j);
    // Gram entries come out of a subtraction: what is zero up to rounding is shown as zero.
    const t = matrix.limit > 0 ? clamp(value / matrix.limit, -1, 1) : 0;
    cell.style.setProperty("--t", Math.abs(t) < 1e-12 ? 0 : Math.abs(t));
    cell.classList.toggle("ntp-below", t < 0);
    cell.classList.toggle("ntp-strong", Math.abs(t) > 0.5);
    cell.classList.toggle("ntp-marked", Boolean(matrix.marked?.(i, j)));
    cell.setAttribute("aria-colindex", j + 1);
    if (text) text.textContent = Math.abs(t) < 1e-12 ? (matrix.signed ? "0" : "") : matrix.write(value);
  }

  /** Shortens a label from its start: the words nearest to the next one say most. */
  fit(label, room) {
    if (this.pen.measureText(label).width <= room) return label;
    const letters = Array.from(label);
    let low = 0;
    let high = letters.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.pen.measureText(`…${letters.slice(middle).join("")}`).width <= room) high = middle;
      else low = middle + 1;
    }
    return `…${letters.slice(low).join("").trimStart()}`;
  }

  describeWindow(r0, c0) {
    const { rows, cols, rowKind, colKind } = this.matrix;
    const { across, down } = this.shape;
    const part = (kind, from, seen, count) => (seen >= count
      ? `all ${count} ${kind}`
      : `${kind} ${from + 1}–${from + seen} of ${count.toLocaleString("en")}`);
    const more = rows > down || cols > across ? " Scroll, or walk with the arrow keys, to see the rest." : "";
    return `Rows: ${part(rowKind, r0, down, rows)}; columns: ${part(colKind, c0, across, cols)}; ` +
      `the most frequent first.${more}`;
  }

  /** Frames the cell that is read, and sets off its two labels. */
  mark() {
    const [i, j] = this.hover ?? this.focus;
    const { left, top, size, across, down } = this.shape;
    const [r0, c0] = this.origin();
    const [r, c] = [i - r0, j - c0];
    const seen = r >= 0 && r < down && c >= 0 && c < across;
    this.cursor.style.display = seen ? "" : "none";
    this.cursor.setAttribute("x", left + c * size);
    this.cursor.setAttribute("y", top + r * size);
    this.rowTexts.forEach((text, k) => text.classList.toggle("ntp-here", k === r));
    this.colTexts.forEach((text, k) => text.classList.toggle("ntp-here", k === c));
  }

  read() {
    if (this.shape) this.mark();
    this.onRead(...(this.hover ?? this.focus));
  }

  /** Scrolls, without animation, until the focused cell is in the window. */
  reveal() {
    if (!this.shape) return;
    const { size, across, down } = this.shape;
    const [r0, c0] = this.origin();
    const [i, j] = this.focus;
    const start = (from, at, seen) => clamp(from, at - seen + 1, at);
    this.scroller.scrollTop = start(r0, i, down) * size;
    this.scroller.scrollLeft = start(c0, j, across) * size;
    this.paint();
  }

  key(event) {
    if (event.altKey || event.metaKey || !this.shape) return;
    const { rows, cols } = this.matrix;
    const [i, j] = this.focus;
    const far = event.ctrlKey;
    const { down } = this.shape;
    const target = {
      ArrowUp: [far ? 0 : i - 1, j],
      ArrowDown: [far ? rows - 1 : i + 1, j],
      ArrowLeft: [i, far ? 0 : j - 1],
      ArrowRight: [i, far ? cols - 1 : j + 1],
      Home: [far ? 0 : i, 0],
      End: [far ? rows - 1 : i, cols - 1],
      PageUp: [i - down, j],
      PageDown: [i + down, j],
    }[event.key];
    if (!target) return;
    event.preventDefault();
    this.hover = null;
    this.focus = [clamp(target[0], 0, rows - 1), clamp(target[1], 0, cols - 1)];
    this.reveal();
    this.read();
  }

  cellAt(event) {
    if (!this.shape) return null;
    const { left, top, size, across, down } = this.shape;
    const frame = this.grid.getBoundingClientRect();
    const c = Math.floor((event.clientX - frame.left - left) / size);
    const r = Math.floor((event.clientY - frame.top - top) / size);
    if (c < 0 || r < 0 || c >= across || r >= down) return null;
    const [r0, c0] = this.origin();
    return [r0 + r, c0 + c];
  }

  point(event) {
    if (event.pointerType === "touch") return; // a finger scrolls; it reads by a tap
    const cell = this.cellAt(event);
    if (String(cell) === String(this.hover)) return;
    this.hover = cell;
    this.read();
  }

  leave() {
    if (!this.hover) return;
    this.hover = null;
    this.read();
  }

  click(event) {
    const cell = this.cellAt(event);
    if (!cell) return;
    this.focus = cell;
    this.hover = null;
    this.read();
  }
}

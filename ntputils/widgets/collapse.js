// The widget of chapter 6: context vectors before and after projection, turning under the reader's hand.
//
// ntputils/widgets/collapse.py puts three things before this file, because a widget's module is loaded as a blob and
// cannot import its neighbours: svm_core.js (singular values), heatmap.js (elements, numbers), and collapse_core.js.

const SIDE = 320; // of the picture's own coordinates
const EDGE = 26; // kept free around it
const TURN = Math.PI / 36; // by one press of an arrow key
const DRAG = 0.01; // radians for a pixel
const VIEWS = { Slanted: [0.6, 0.35], "From the side": [0.6, 0], "From above": [0, Math.PI / 2] };
const SHAPES = [ // one for each support: colour is never the only difference
  "M-5 0A5 5 0 1 0 5 0A5 5 0 1 0 -5 0Z", "M-4.5-4.5H4.5V4.5H-4.5Z", "M0-6L5.5 4H-5.5Z", "M0-6.2L6.2 0L0 6.2L-6.2 0Z",
  "M0 6L5.5-4H-5.5Z", "M-2-5.5H2V-2H5.5V2H2V5.5H-2V2H-5.5V-2H-2Z", "M-5.5-2L0-6L5.5-2L3.4 5H-3.4Z",
  "M-6-3H6V3H-6Z"];

const quote = (words) => `«${words}»`;
const superscript = (number) => String(number).replace(/[-\d]/g, (digit) =>
  (digit === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]));

/** A ridge for people: 10 to a power where it is one, or a number times that. */
function ridge(value) {
  const power = Math.floor(Math.log10(value) + 1e-9);
  const lead = value / 10 ** power;
  return `${Math.abs(lead - 1) < 1e-6 ? "" : `${format(lead, 1)} · `}10${superscript(power)}`;
}

/** A ratio with three figures that mean something, and zero where only rounding is left. */
function few(value) {
  if (!Number.isFinite(value)) return "–";
  if (value < 1e-9) return "0";
  return format(value, Math.max(0, Math.min(9, 2 - Math.floor(Math.log10(value)))));
}

/** One picture: contexts, the means of their supports, three axes. */
class Picture {
  constructor(view, title) {
    this.view = view;
    this.caption = element("p", { class: "ntp-title" }, title);
    this.svg = element("svg:svg", { class: "ntp-space", viewBox: `0 0 ${SIDE} ${SIDE}`, tabindex: 0, role: "img",
      onkeydown: (event) => view.key(event), onpointerdown: (event) => this.grab(event),
      onpointermove: (event) => this.drag(event), onpointerup: () => this.drop(), onpointercancel: () => this.drop() });
    this.node = element("div", { class: "ntp-part" }, this.caption, this.svg);
  }

  grab(event) {
    this.from = [event.clientX, event.clientY];
    this.svg.setPointerCapture(event.pointerId);
    this.svg.classList.add("ntp-held");
  }

  drag(event) {
    if (!this.from) return;
    const [x, y] = this.from;
    this.from = [event.clientX, event.clientY];
    this.view.turn((x - event.clientX) * DRAG, (event.clientY - y) * DRAG);
  }

  drop() {
    this.from = null;
    this.svg.classList.remove("ntp-held");
  }

  /** Draws points [a, b, c] of the given classes; `reach` fills the picture; `names` are written at the axes' ends. */
  show(points, means, { classes, reach, names, yaw, pitch, chosen, titles }) {
    const scale = (SIDE / 2 - EDGE) / reach;
    const at = (point) => {
      const [right, up, near] = look(point, yaw, pitch);
      return [SIDE / 2 + scale * right, SIDE / 2 - scale * up, near];
    };
    const line = ([x1, y1], [x2, y2], kind) => element("svg:line", { x1, y1, x2, y2, class: kind });
    const centre = at([0, 0, 0]);
    const spots = means.map(at);
    const here = (c) => (chosen === c ? " ntp-here" : "");
    const ends = [];
    const axes = names.flatMap((name, k) => {
      if (!name) return [];
      const unit = [0, 1, 2].map((i) => Number(i === k));
      const [to, from] = [1, -1].map((sign) => at(unit.map((x) => sign * reach * x)));
      const past = (i) => to[i] + 12 * Math.sign(Math.round((to[i] - centre[i]) / 20));
      const text = element("svg:text", { x: clamp(past(0), 22, SIDE - 22), y: clamp(past(1) + 4, 12, SIDE - 6),
        "text-anchor": "middle", class: "ntp-end" }, name);
      const short = Math.hypot(to[0] - centre[0], to[1] - centre[1]) < 24; // seen from its end, an axis has no name
      if (!short) ends.push(text);
      return [line(from, to, "ntp-axis")];
    });
    const marks = points.map((point, j) => ({ c: classes[j], j, p: at(point) })).sort((a, b) => a.p[2] - b.p[2]);
    const spokes = marks.map(({ c, p }) => line(spots[c], p, `ntp-spoke ntp-of-${c}${here(c)}`));
    const glyphs = marks.map(({ c, j, p: [x, y] }) => element("svg:path", { d: SHAPES[c],
      class: `ntp-mark ntp-of-${c}${here(c)}`, transform: `translate(${x.toFixed(2)} ${y.toFixed(2)})` },
    element("svg:title", {}, titles[j])));
    const rays = spots.map((p, c) => line(centre, p, `ntp-ray${here(c)}`));
    this.svg.replaceChildren(...axes, ...rays, ...spokes, ...glyphs, ...ends);
  }
}

class CollapseView {
  constructor(model, host) {
    this.model = model;
    [this.yaw, this.pitch] = VIEWS.Slanted;
    this.chosen = 0; // the support whose contexts are told in words
    this.root = element("div", { class: "ntp-collapse" }, this.controls(), this.numbers(), this.pictures(),
      this.words());
    host.replaceChildren(this.root);
    host.classList.add("ntp-host");
    this.listen();
    this.pull();
  }

  // --- the page --------------------------------------------------------------------------------------------------

  controls() {
    this.buttons = element("div", { class: "ntp-presets", role: "group", "aria-label": "Worlds" });
    this.shows = element("p", { class: "ntp-note" });
    this.slider = element("input", { type: "range", min: 0, step: 1,
      oninput: () => this.push("step", Number(this.slider.value)) });
    this.output = element("output");
    return element("div", {}, this.buttons, this.shows, element("div", { class: "ntp-sliders" },
      element("label", {}, element("span", { class: "ntp-name" }, "Ridge λ"), this.slider, this.output)));
  }

  numbers() {
    this.figures = {};
    const figure = (key, label) => {
      this.figures[key] = element("dd", { "data-number": key }, "–");
      return element("div", {}, element("dt", {}, label), this.figures[key]);
    };
    return element("dl", { class: "ntp-numbers" }, figure("before", "collapse ratio, all directions"),
      figure("after", "after projection"), figure("angle", "widest angle in a support"),
      figure("angleAfter", "after projection"));
  }

  pictures() {
    this.before = new Picture(this, "All directions");
    this.after = new Picture(this, "Those that grow");
    this.views = Object.entries(VIEWS).map(([name, [yaw, pitch]]) => element("button", { type: "button",
      onclick: () => { [this.yaw, this.pitch] = [yaw, pitch]; this.draw(); } }, name));
    return element("div", {}, element("div", { class: "ntp-pair" }, this.before.node, this.after.node),
      element("div", { class: "ntp-presets ntp-views", role: "group", "aria-label": "Views" },
        element("span", {}, "Drag to turn, or use the arrow keys"), ...this.views));
  }

  words() {
    this.legend = element("div", { class: "ntp-presets ntp-supports", role: "group",
      "aria-label": "Supports: the words that follow" });
    this.reading = element("div", { class: "ntp-members", "aria-live": "polite" });
    return element("div", {}, this.legend, this.reading);
  }

  // --- between the page and the model ----------------------------------------------------------------------------

  listen() {
    const changed = () => { if (!this.pushing) this.pull(); };
    const names = ["change:worlds", "change:world", "change:step"];
    names.forEach((name) => this.model.on(name, changed));
    this.stop = () => names.forEach((name) => this.model.off(name, changed));
  }

  push(name, value) {
    this.pushing = true; // a world comes with its own ridges: two changes are one
    this.model.set(name, value);
    if (name === "world") {
      const most = this.model.get("worlds")[value].lambdas.length - 1;
      if (this.model.get("step") > most) this.model.set("step", most);
    }
    this.pushing = false;
    this.model.save_changes();
    this.pull();
  }

  pull() {
    const worlds = this.model.get("worlds");
    const world = worlds[this.model.get("world")];
    if (world !== this.data) {
      this.data = world;
      this.chosen = 0;
      this.axes = axesFor(world.H[world.H.length - 1], world.rank);
      const last = coordinates(world.H[world.H.length - 1], this.axes);
      this.reach = Math.max(...last.map((point) => Math.hypot(...point))) || 1;
      this.showWorld(worlds);
    }
    this.step = clamp(this.model.get("step"), 0, world.lambdas.length - 1);
    this.compute();
  }

  showWorld(worlds) {
    const { data } = this;
    this.buttons.hidden = worlds.length < 2;
    this.buttons.replaceChildren(...worlds.map((world, k) => element("button", { type: "button",
      "aria-pressed": String(world === data), onclick: () => this.push("world", k) }, world.name)));
    this.shows.textContent = data.shows;
    this.slider.max = data.lambdas.length - 1;
    const [kept, all] = [data.rank, data.H[0].length];
    this.before.caption.textContent = `All ${all} directions`;
    this.after.caption.textContent = kept < all ? `Projected on the ${kept} that grow` : `All ${all} grow`;
    this.titles = data.contexts.map((name, j) => `${quote(name)}: ${this.oddsOf(j)}`);
    this.chips = data.supports.map((name, c) => element("button", { type: "button", "aria-pressed": "false",
      onclick: () => this.choose(c) },
    element("svg:svg", { class: "ntp-glyph", viewBox: "-8 -8 16 16", "aria-hidden": "true" },
      element("svg:path", { d: SHAPES[c], class: `ntp-mark ntp-of-${c}` })), name));
    this.legend.replaceChildren(element("span", {}, "Followed by"), ...this.chips);
    this.read();
  }

  oddsOf(j) {
    return this.data.odds[j].map(([word, p]) => `${word} ${format(p, 2)}`).join(", ");
  }

  // --- what is computed ------------------------------------------------------------------------------------------

  compute() {
    const { data } = this;
    const H = data.H[this.step];
    const kept = projectOn(H, directions(H, data.rank));
    this.points = { before: coordinates(H, this.axes), after: coordinates(kept, this.axes) };
    const means = (rows) => {
      const middle = classMeans(rows, data.classes);
      return coordinates(middle, this.axes);
    };
    this.means = { before: means(H), after: means(kept) };
    this.ratios = { before: collapseRatio(H, data.classes), after: collapseRatio(kept, data.classes) };
    const degrees = (rows) => `${few(widestAngle(rows, data.classes))}°`;
    this.figures.before.textContent = few(this.ratios.before);
    this.figures.after.textContent = few(this.ratios.after);
    this.figures.angle.textContent = degrees(H);
    this.figures.angleAfter.textContent = degrees(kept);
    this.slider.value = this.step;
    this.output.textContent = ridge(data.lambdas[this.step]);
    this.slider.setAttribute("aria-valuetext", this.output.textContent);
    this.draw();
  }

  draw() {
    const { data, yaw, pitch, chosen, titles, reach } = this;
    const third = data.rank < data.H[0].length ? "left out" : "grows";
    const here = [data.rank > 0, data.rank > 1, data.H[0].length > 2 || data.rank < data.H[0].length];
    const names = ["grows", "grows", third].map((name, k) => (here[k] ? name : ""));
    for (const kind of ["before", "after"]) {
      this[kind].show(this.points[kind], this.means[kind],
        { classes: data.classes, reach, names, yaw, pitch, chosen, titles });
      const [around, above] = [yaw, pitch].map((angle) => Math.round((angle * 180) / Math.PI));
      this[kind].svg.setAttribute("aria-label", `${data.contexts.length} contexts in ${data.supports.length} ` +
        `supports, ${kind} projection: collapse ratio ${few(this.ratios[kind])}. Seen from ${around} degrees around ` +
        `and ${above} degrees above. Arrow keys turn.`);
    }
  }

  turn(yaw, pitch) {
    const full = 2 * Math.PI;
    this.yaw = ((((this.yaw + yaw + Math.PI) % full) + full) % full) - Math.PI;
    this.pitch = clamp(this.pitch + pitch, -Math.PI / 2, Math.PI / 2);
    this.draw();
  }

  key(event) {
    const turns = { ArrowLeft: [TURN, 0], ArrowRight: [-TURN, 0], ArrowUp: [0, -TURN], ArrowDown: [0, TURN] };
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Home") [this.yaw, this.pitch] = VIEWS.Slanted;
    else if (!turns[event.key]) return;
    event.preventDefault();
    this.turn(...(turns[event.key] ?? [0, 0]));
  }

  // --- one support in words --------------------------------------------------------------------------------------

  choose(c) {
    this.chosen = c;
    this.read();
    this.draw();
  }

  read() {
    const { data, chosen } = this;
    this.chips.forEach((chip, c) => chip.setAttribute("aria-pressed", String(c === chosen)));
    const own = data.classes.flatMap((c, j) => (c === chosen ? [j] : []));
    this.reading.replaceChildren(element("ul", {}, ...own.map((j) => element("li", {}, this.titles[j]))));
  }
}

export default {
  render({ model, el }) {
    const view = new CollapseView(model, el);
    return () => view.stop();
  },
};

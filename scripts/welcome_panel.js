// The panel of the welcome page: which words follow which contexts, and where that puts them. scripts/welcome_figure.py
// puts four things before this: svm_core.js, heatmap.js, the drawing classes of support_grid.js, and START.

class WelcomePanel {
  constructor(host) {
    this.S = START.S.map((row) => [...row]);
    this.place = [0, 0];
    this.editor = new Editor((i, j) => this.read(i, j), { onToggle: (i, j) => this.toggle(i, j), onRename: () => {} });
    this.vectors = new Vectors();
    this.reading = element("p", { class: "ntp-reading", "aria-live": "polite" });
    this.said = element("p", { class: "ntp-note", role: "status" });
    this.again = element("button", { type: "button", onclick: () => this.reset() }, "Start again");
    this.root = element("div", { class: "ntp-support-grid ntp-welcome" },
      element("div", { class: "ntp-pair" },
        element("div", { class: "ntp-part ntp-problem" }, title("What has followed"), this.editor.node,
          element("div", { class: "ntp-presets ntp-tools" }, this.again)),
        element("div", { class: "ntp-part ntp-plane" }, title("The map"),
          element("p", { class: "ntp-key" }, element("span", { class: "ntp-key-token" }), "word",
            element("span", { class: "ntp-key-context" }), "context"), this.vectors.node)),
      this.reading, this.said);
    host.replaceChildren(this.root);
    let width = 0;
    new ResizeObserver(([entry]) => {
      if (Math.abs(entry.contentRect.width - width) < 1) return;
      width = entry.contentRect.width;
      this.editor.width = this.vectors.width = 0;
      this.editor.layout();
      this.vectors.show();
    }).observe(this.root);
    this.compute();
  }

  reset() {
    this.S = START.S.map((row) => [...row]);
    this.compute();
  }

  toggle(i, j) {
    this.place = [i, j];
    this.S[i][j] = 1 - this.S[i][j];
    this.compute();
  }

  compute() {
    const { S } = this;
    const { tokens, contexts } = START;
    this.empty = contexts.filter((_, j) => !S.some((row) => row[j]));
    this.found = this.empty.length ? null : spectrum(solveNtpSvm(S).L.map((row) => row.map(settled)));
    this.vectors.node.hidden = !this.found;
    this.again.disabled = same(S, START.S);
    this.editor.show({ rows: tokens.length, cols: contexts.length, rowKind: "words", colKind: "contexts",
      rowLabels: (i) => tokens[i], colLabels: (j) => contexts[j], at: (i, j) => S[i][j], limit: 1, write: String,
      name: "Supports" }, this.place);
    this.draw();
  }

  read(i, j) {
    this.place = [i, j];
    const { tokens, contexts } = START;
    this.reading.textContent = `${quote(tokens[i])} ${this.S[i][j] ? "has followed" : "has not followed"} ` +
      quote(contexts[j]);
    this.draw();
  }

  draw() {
    if (!this.found) {
      this.said.textContent = `No word follows ${this.empty.map(quote).join(", ")} yet: press a cell in its column.`;
      return;
    }
    const { W, H, s } = this.found;
    const [i, j] = this.place;
    const turn = [0, 1].map((k) => Math.sign(settled(H[0][k] ?? 0)) || 1); // signs are free: cats to the upper right
    const point = (name, row, kind, here) => ({ name, kind, here, x: turn[0] * settled(row[0]),
      y: turn[1] * settled(row[1] ?? 0) });
    this.vectors.show([...W.map((row, k) => point(START.tokens[k], row, "token", k === i)),
      ...H.map((row, k) => point(START.contexts[k], row, "context", k === j))]);
    const rank = s.filter((value) => value > 1e-4 * Math.max(s[0], 1e-12)).length;
    const share = Math.round((100 * (s[0] + (s[1] ?? 0))) / (s.reduce((sum, value) => sum + value, 0) || 1));
    const flat = rank <= 2 ? "The map is the whole of it." : `Of ${rank} dimensions the map shows the two largest, ` +
      `${share} % of the nuclear norm.`;
    this.said.textContent = `${this.twins()} ${flat}`;
  }

  /** The contexts that fall on one point, in words. */
  twins() {
    const columns = START.contexts.map((_, j) => this.S.map((row) => row[j]).join(""));
    const groups = [...new Set(columns)].map((column) => START.contexts.filter((_, j) => columns[j] === column))
      .filter((group) => group.length > 1);
    if (!groups.length) return "No two contexts have the same words after them: no two share a point.";
    const lists = groups.map((group) => group.map(quote).join(" and "));
    return `The same words follow ${lists.join("; and ")}: one point.`;
  }
}

for (const host of document.querySelectorAll(".ntp-welcome-host")) new WelcomePanel(host);

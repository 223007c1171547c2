// Filters a long list on its page: the claims ledger, the questions and answers. No kernel, no request.
//
// The form's controls are named after data attributes of the items: <select name="verdict"> keeps those whose data-verdict
// is its value; the control named "words" keeps those whose text has all its words. What is set stands in the address, as in
// ledger.html#part=B&verdict=fails, so that a view can be linked.
(() => {
  const form = document.querySelector("form.ntp-filter");
  if (!form) return;
  const output = form.querySelector("output");
  const controls = [...form.elements].filter((control) => control.name);
  const items = [...document.querySelectorAll("[data-item]")].map((node) => ({
    node,
    text: node.textContent.toLowerCase(), // before formulas are typeset
  }));
  const groups = [...document.querySelectorAll(".ntp-group")];

  const settings = () => controls.map(({ name, value }) => [name, value.trim()]).filter(([, value]) => value);

  const fits = ({ node, text }, [name, value]) =>
    name === "words"
      ? value.toLowerCase().split(/\s+/).every((word) => text.includes(word))
      : node.dataset[name] === value;

  const show = () => {
    const set = settings();
    let shown = 0;
    for (const item of items) {
      const kept = set.every((one) => fits(item, one));
      item.node.hidden = !kept;
      shown += kept;
    }
    for (const group of groups) group.hidden = !group.querySelector("[data-item]:not([hidden])");
    output.value = `${shown} of ${items.length} ${output.dataset.noun} shown`;
  };

  const write = () => {
    const state = new URLSearchParams(settings()).toString();
    const address = location.pathname + location.search;
    history.replaceState(history.state, "", state ? `#${state}` : address);
  };

  // "#verdict=fails" sets the filters; "#d-13" and other places on the page must be visible, so they clear them.
  const read = () => {
    const hash = location.hash.slice(1);
    const set = new URLSearchParams(hash.includes("=") ? hash : "");
    for (const control of controls) {
      control.value = set.get(control.name) ?? "";
      if (control.selectedIndex === -1) control.value = ""; // a value that no item has
    }
    show();
    if (hash && !hash.includes("=")) document.getElementById(hash)?.scrollIntoView();
  };

  const change = () => {
    show();
    write();
  };

  form.addEventListener("input", change);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(change)); // after the controls are cleared
  window.addEventListener("hashchange", read);
  form.hidden = false;
  read();
})();

// The list of branches: `js_on_load` of its component, so `element` and `trigger` are given. The list is HTML from view.html.
const rows = () => Array.from(element.querySelectorAll('[role="treeitem"]'));
const filled = { name: "", text: "", key: -1, note: "" }; // what the fields were last filled with
let sent = []; // what the visitor sent: the server's answer may overwrite these fields

const show = (row) => trigger("select", { key: Number(row.dataset.key) });
function reach(row) {
  for (const other of rows()) other.tabIndex = other === row ? 0 : -1;
  row.focus();
}

element.addEventListener("click", (event) => {
  const row = event.target.closest('[role="treeitem"]');
  if (row && getSelection().isCollapsed) { reach(row); show(row); }
});
element.addEventListener("keydown", (event) => {
  const row = event.target.closest?.('[role="treeitem"]');
  if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    return show(row);
  }
  const all = rows(), at = all.indexOf(row), level = (one) => Number(one.ariaLevel);
  const to = {
    ArrowDown: () => all[at + 1], ArrowUp: () => all[at - 1], Home: () => all[0], End: () => all.at(-1),
    ArrowLeft: () => all.slice(0, at).findLast((one) => level(one) < level(row)),
    ArrowRight: () => (all[at + 1] && level(all[at + 1]) > level(row) ? all[at + 1] : null),
  }[event.key]?.();
  if (to === undefined) return;
  event.preventDefault();
  if (to) reach(to);
});

// After the list was drawn anew, the focus goes back to where it was: to the row of the same branch, or the one on show.
let reached = null;
element.addEventListener("focusin", (event) => { reached = event.target.closest('[role="treeitem"]')?.dataset.key ?? null; });
document.addEventListener("focusin", (event) => { if (!element.contains(event.target)) reached = null; });
watch("value", () => {
  const on = element.querySelector('[aria-selected="true"]');
  on?.scrollIntoView?.call(on, { block: "nearest", inline: "nearest" });
  if (reached === null || document.activeElement !== document.body) return;
  const row = rows().find((one) => one.dataset.key === reached) ?? on;
  if (row) reach(row);
});

window.neoxjp.branches = {
  sent(given) { sent = given.filter((value) => typeof value === "string"); return given; },

  // The fields after something has changed: what a visitor has written in one meanwhile stays.
  fill(fresh, name, text, key) {
    if (!fresh) return [name, text, key, filled.note];
    const now = JSON.parse(fresh);
    const untouched = (value, before) => value === before || sent.includes(value);
    const named = untouched(name ?? "", filled.name);
    if (named) filled.name = now.name;
    if (untouched(text ?? "", filled.text)) {
      filled.text = now.text;
      filled.key = now.key;
      sent = [];
      filled.note = now.of;
      return [named ? now.name : name, now.text, now.key, filled.note];
    }
    filled.note = now.key === filled.key ? now.of : now.kept.replace("{n}", filled.key + 1);
    return [named ? now.name : name, text, key, filled.note];
  },

  reset(fresh, name, text, key) {
    return fresh ? this.fill(fresh, name, filled.text, key) : [name, text, key, filled.note];
  },

  save(text) { if (text) window.neoxjp.download(text, "neoxjp-branches.json", "application/json"); },
};

// The list of branches: `js_on_load` of its component, so `element` and `trigger` are given. The list is HTML from view.html.
const rows = () => Array.from(element.querySelectorAll('[role="treeitem"]'));
const filled = { name: "", text: "", key: -1, note: "" }; // what the fields were last filled with; -1: no branch
let sent = null; // the name or the text that the visitor sent: the answer may overwrite that field

const show = (row) => trigger("select", { key: Number(row.dataset.key) });
const reach = (row) => window.neoxjp.reach(rows(), row);

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
  reach(to);
});

// After the list was drawn anew, the focus goes back to where it was: to the row of the same branch, or the one on show.
let reached = null;
element.addEventListener("focusin", (event) => { reached = event.target.closest('[role="treeitem"]')?.dataset.key ?? null; });
document.addEventListener("focusin", (event) => { if (!element.contains(event.target)) reached = null; });
watch("value", () => {
  const on = element.querySelector('[aria-selected="true"]');
  on?.scrollIntoView?.call(on, { block: "nearest", inline: "nearest" });
  if (reached === null || document.activeElement !== document.body) return;
  reach(rows().find((one) => one.dataset.key === reached) ?? on);
});

// Not `watch("fields")`: Gradio (6.31) takes a property whose name is quoted here for an event.
watch(Object.keys({ fields: 0 }), () => trigger("fill", {}));

window.neoxjp.branches = {
  sent(writing, name) { sent = name; return [writing, name]; },
  edit(text) { sent = text; trigger("edit", { key: filled.key, text }); return []; },
  force(text, where) { trigger("force", { text, at: where === "chosen" ? window.neoxjp.written?.chosen ?? -1 : null }); return []; },

  // The fields after something has changed: what a visitor has written in one meanwhile stays.
  fill(name, text) {
    const now = props.fields;
    if (now.key === undefined) return [name, text, filled.note];
    const untouched = (value, before) => value === before || value === sent;
    if (untouched(name ?? "", filled.name)) name = filled.name = now.name;
    if (untouched(text ?? "", filled.text)) {
      text = now.text;
      Object.assign(filled, { text, key: now.key });
      sent = null;
    }
    filled.note = now.key === filled.key ? now.of : now.unsaved.replace("{n}", filled.key + 1);
    return [name, text, filled.note];
  },

  reset(name) { return this.fill(name, filled.text); },
};

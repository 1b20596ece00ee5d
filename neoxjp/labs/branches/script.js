// The list of branches: `js_on_load` of its component, so `element` and `trigger` are given. The list is HTML from view.html.
const rows = () => Array.from(element.querySelectorAll('[role="treeitem"]'));
let filled = ""; // what the name was last filled with
let sent = null; // the name that the visitor sent: the answer may overwrite the field

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
  force(text, where) { trigger("force", { text, at: where === "chosen" ? window.neoxjp.selection?.generated ?? -1 : null }); return []; },

  // The name after something has changed: what a visitor has written there meanwhile stays.
  fill(name) {
    const now = props.fields;
    if (now.key === undefined || ((name ?? "") !== filled && name !== sent)) return name;
    sent = null;
    return (filled = now.name);
  },
};

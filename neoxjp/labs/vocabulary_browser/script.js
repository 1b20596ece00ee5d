// The vocabulary's lists and entries: `js_on_load` of those components, so `element` and `trigger` are given. The HTML is from
// render/lexicon.py, everything escaped there. A press fills in the id to open, or adds a spelling to the text.
const mark = () => {
  const shown = document.querySelector("#v-entry .entry")?.dataset.id; // however it was looked up
  for (const row of document.querySelectorAll("#v-list tr[data-entry]")) row.classList.toggle("chosen", row.dataset.entry === shown);
};
const told = (event) => {
  const target = event.target.closest("[data-add], [data-entry]");
  if (!target || !element.contains(target)) return;
  window.neoxjp.lexicon.press = { ...target.dataset };
  trigger("select", {});
};
window.neoxjp.lexicon ??= {
  press: {},
  // What the last press makes of the id that is looked up and of the text above.
  pressed(id, text) {
    const { add, entry } = this.press;
    return add === undefined ? [entry, text] : [id, (text ?? "") + add];
  },
  // The text with the opened entry behind it.
  used: (text) => (text ?? "") + (document.querySelector("#v-entry .entry")?.dataset.use ?? ""),
};
element.addEventListener("click", told);

// The rows of the list are one stop of the Tab key; arrows walk them, Page Up and Page Down turn the page.
let arriving = null; // while a page is being turned: the row that is left, and whether the next focus is the first or the last
const openers = () => Array.from(element.querySelectorAll(".entries .open"));
const go = (rows, to) => {
  if (!rows[to]) return;
  for (const row of rows) row.tabIndex = -1;
  rows[to].tabIndex = 0;
  rows[to].focus();
};
element.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const rows = openers();
  const at = rows.indexOf(event.target);
  if (at < 0) return;
  const turn = { PageDown: "next", PageUp: "previous" }[event.key];
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
  if (turn === undefined && to === undefined) return;
  event.preventDefault();
  if (turn === undefined) return go(rows, to);
  const button = element.closest(".lexicon-list")?.querySelector(`.turn-${turn}`);
  if (!button || button.disabled) return;
  arriving = { from: rows[0].dataset.entry, last: turn === "previous" };
  button.click();
});
// Gradio changes the rows in place, so mark and focus would stay on the row of the same number.
new MutationObserver(() => {
  mark();
  const rows = arriving ? openers() : [];
  if (!rows.length || rows[0].dataset.entry === arriving.from) return;
  go(rows, arriving.last ? rows.length - 1 : 0);
  arriving = null;
}).observe(element, { childList: true, subtree: true, attributeFilter: ["data-entry", "data-id"] });

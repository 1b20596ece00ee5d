// `js_on_load` of the components of the vocabulary browser, so `element` and `trigger` are defined. A press on `data-entry` (an id)
// or `data-add` (a spelling) triggers `select`, whose handler below changes the id to look up, or the text.
const PREFIX = "vocabulary-browser";
const article = () => document.querySelector(`.${PREFIX}-article`);
const markRow = () => {
  const shown = article()?.dataset.id; // however it was looked up
  for (const row of document.querySelectorAll(`#${PREFIX}-list tr[data-entry]`)) row.classList.toggle(`${PREFIX}-chosen`, row.dataset.entry === shown);
};
window.neoxjp.vocabularyBrowser ??= {
  pressed: {},
  // The id to look up after the last press. A spelling that was pressed is appended to the text above.
  apply(id) {
    const { add, entry } = this.pressed;
    if (add === undefined) return entry;
    this.append(add);
    return id;
  },
  append(added = article()?.dataset.use ?? "") {
    const editor = window.neoxjp.editor("tokenize-text");
    editor.replace(editor.text + added);
    document.getElementById("tokenize-text").scrollIntoView({ block: "nearest" });
  },
};
element.addEventListener("click", (event) => {
  const target = event.target.closest("[data-add], [data-entry]");
  if (!target || !element.contains(target)) return;
  window.neoxjp.vocabularyBrowser.pressed = { ...target.dataset };
  trigger("select", {});
});

// The Tab key stops once at the list; arrow keys move in it, Page Up and Page Down turn the page.
let turning = null; // while a page is turned: the first row of the old page, and whether the focus goes to the last row
const openButtons = () => Array.from(element.querySelectorAll(`.${PREFIX}-table .${PREFIX}-open`));
element.addEventListener("keydown", (event) => {
  const buttons = openButtons();
  if (event.ctrlKey || event.metaKey || event.altKey || !buttons.includes(event.target)) return;
  const page = { PageDown: "next", PageUp: "previous" }[event.key];
  if (page === undefined) return window.neoxjp.rove(event, buttons, "ArrowDown", "ArrowUp");
  event.preventDefault();
  const button = element.closest(`.${PREFIX}-card`)?.querySelector(`.${PREFIX}-${page}`);
  if (!button || button.disabled) return;
  turning = { first: buttons[0].dataset.entry, toLast: page === "previous" };
  button.click();
});
// Gradio changes the rows in place: mark and focus would stay on the row at the same place.
new MutationObserver(() => {
  markRow();
  const buttons = turning ? openButtons() : [];
  if (!buttons.length || buttons[0].dataset.entry === turning.first) return;
  window.neoxjp.reach(buttons, buttons.at(turning.toLast ? -1 : 0));
  turning = null;
}).observe(element, { childList: true, subtree: true, attributeFilter: ["data-entry", "data-id"] });

// After walk.js: a press or Enter on a token makes it the selected token, here and in the text above.
let focused = false; // a token had the focus when the view was asked for again
const choosePlace = (event) => {
  const box = boxOf(event);
  if (!box?.dataset.at) return;
  focused = true;
  window.neoxjp.inside.select(Number(box.dataset.at));
  trigger("select", { at: Number(box.dataset.at) });
};
element.addEventListener("click", choosePlace);
element.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) choosePlace(event); });

// The selected token of the text above (ui/written.js) and of this section; section.py has the server's part, `selected_number`.
window.neoxjp.inside = {
  reveal: false, // scroll to the next view: another head was pressed

  // The text above, or the token selected in it, has changed.
  follow() {
    if (element.offsetParent) trigger("select", { chosen: window.neoxjp.written?.chosen });
  },
  // Select a token, by its number from 1, in the text above: only what the model generated can be selected there.
  select(at) {
    window.neoxjp.written?.mark(at - 1 - Number(element.querySelector(".walk").dataset.prompt));
  },
};

watch("value", () => {
  const walk = element.querySelector(".walk");
  if (!walk) return;
  window.neoxjp.insideHeads?.open(walk.dataset.layer, walk.dataset.head);
  if (focused && document.activeElement === document.body) walk.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
  focused = false;
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
  if (window.neoxjp.inside.reveal) walk.scrollIntoView({ block: "nearest", behavior });
  window.neoxjp.inside.reveal = false;
});

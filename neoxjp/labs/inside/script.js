// After walk.js: a press or Enter on a token makes it the selected token, here and in the text above.
let focused = false; // a token had the focus when the view was asked for again
let pressed = 0; // number of the token pressed here, from 1; 0: another one is selected in the text above
const chooseCell = (event) => {
  const box = boxOf(event);
  if (!box?.dataset.at) return;
  focused = true;
  pressed = Number(box.dataset.at);
  window.neoxjp.inside.select(pressed);
  trigger("select");
};
element.addEventListener("click", chooseCell);
element.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) chooseCell(event); });

// The selected token of the text above (ui/generate.js) and of this section; section.py has the server's part, `selected_number`.
window.neoxjp.inside = {
  reveal: false, // scroll to the next view: another head was pressed

  // The text above, or the token selected in it, has changed.
  follow() {
    if (!element.offsetParent) return;
    pressed = 0;
    trigger("select");
  },
  // For the event "select": the token number, and the token selected in the text above (null: one was pressed here; -1: none is).
  asked(at) {
    return pressed ? [pressed, null] : [at, window.neoxjp.selection?.position ?? -1];
  },
  // Select a token, by its number from 1, in the text above.
  select(at) {
    window.neoxjp.selection?.select(at - 1);
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

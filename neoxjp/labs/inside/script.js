// After walk.js: a press or Enter on a token makes it the query token.
let focused = false; // a token had the focus when the view was asked for again
const choosePlace = (event) => {
  const box = boxOf(event);
  if (!box?.dataset.at) return;
  focused = true;
  trigger("select", { at: Number(box.dataset.at) });
};
element.addEventListener("click", choosePlace);
element.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) choosePlace(event); });
watch("value", () => {
  if (focused && document.activeElement === document.body) element.querySelector('.walk [tabindex="0"]')?.focus({ preventScroll: true });
  focused = false;
});

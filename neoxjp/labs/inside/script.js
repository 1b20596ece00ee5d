// After walk.js: a press or Enter on a token makes it the query token. neoxjp.inside is its number, from 1.
let focused = false; // a token had the focus when the view was asked for again
const choosePlace = (event) => {
  const box = boxOf(event);
  if (!box?.dataset.at) return;
  window.neoxjp.inside = Number(box.dataset.at);
  focused = true;
  trigger("select", { at: window.neoxjp.inside });
};
element.addEventListener("click", choosePlace);
element.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) choosePlace(event); });
watch("value", () => {
  if (focused && document.activeElement === document.body) element.querySelector('.walk [tabindex="0"]')?.focus({ preventScroll: true });
  focused = false;
});

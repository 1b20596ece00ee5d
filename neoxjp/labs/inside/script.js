// Behind walk.js: a press or Enter on a token makes it the one that looks. neoxjp.inside is its number, from 1.
let held = false; // the focus was on a token when another answer was asked for
const look = (event) => {
  const box = boxOf(event);
  if (!box?.dataset.at) return;
  window.neoxjp.inside = Number(box.dataset.at);
  held = true;
  trigger("select", { at: window.neoxjp.inside });
};
element.addEventListener("click", look);
element.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) look(event); });
watch("value", () => {
  if (held && document.activeElement === document.body) element.querySelector('.walk [tabindex="0"]')?.focus({ preventScroll: true });
  held = false;
});

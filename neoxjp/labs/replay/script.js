// The section "replay" in the browser: `js_on_load` of its file chooser, so `element` and `trigger` are given. A file is read here
// and goes nowhere; saving and copying take what stands in the buttons. Text is only ever set through textContent and value.
const replay = {
  read: null,
  // The file that was read last, for the field.
  taken(now) { return replay.read ?? now; },
};
window.neoxjp.replay = replay;

window.neoxjp.readJson(element, (text) => {
  replay.read = text;
  trigger("select", {});
});

const copy = async (text) => (await navigator.clipboard?.writeText(text).then(() => true, () => false)) ?? false;
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("#r-save, #r-link, [data-r-copy]");
  if (!button || button.disabled) return;
  if (button.id === "r-save") return window.neoxjp.download(button.dataset.json, button.dataset.file, "application/json");
  if (button.id === "r-link") {
    const link = new URL(button.dataset.link, location.origin + location.pathname).href;
    const place = document.querySelector("#r-said");
    if (await copy(link)) { place.textContent = button.dataset.said; return; }
    const box = Object.assign(document.createElement("input"), { readOnly: true, value: link });
    box.setAttribute("aria-label", button.textContent);
    place.replaceChildren(button.dataset.shown, box);
    box.select();
    return;
  }
  const code = button.closest(".r-code"), pre = code.querySelector("pre"), state = code.querySelector("[role=status]");
  if (await copy(pre.textContent)) state.textContent = "✓ " + button.dataset.said;
  else { getSelection().selectAllChildren(pre); state.textContent = "Ctrl+C"; }
});

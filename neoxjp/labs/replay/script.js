// Replay in the browser: `js_on_load` of its file chooser, so `element` and `trigger` are given. A file is read here and not sent
// anywhere; saving and copying use the data of the buttons. Text is only ever set through textContent and value.
const replay = {
  text: null, // of the file that was read last
  pasted(now) { return replay.text ?? now; },
};
window.neoxjp.replay = replay;

window.neoxjp.readJson(element, (text) => {
  replay.text = text;
  trigger("select", {});
});

const copy = async (text) => (await navigator.clipboard?.writeText(text).then(() => true, () => false)) ?? false;
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("#replay-save, #replay-link, [data-replay-copy]");
  if (!button || button.disabled) return;
  if (button.id === "replay-save") return window.neoxjp.download(button.dataset.json, button.dataset.file, "application/json");
  if (button.id === "replay-link") {
    const link = new URL(button.dataset.link, location.origin + location.pathname).href;
    const status = document.querySelector("#replay-link-status");
    if (await copy(link)) { status.textContent = button.dataset.copied; return; }
    const box = Object.assign(document.createElement("input"), { readOnly: true, value: link });
    box.setAttribute("aria-label", button.textContent);
    status.replaceChildren(button.dataset.shown, box);
    box.select();
    return;
  }
  const code = button.closest(".replay-code"), pre = code.querySelector("pre"), status = code.querySelector("[role=status]");
  if (await copy(pre.textContent)) status.textContent = "✓ " + button.dataset.copied;
  else { getSelection().selectAllChildren(pre); status.textContent = "Ctrl+C"; }
});

// The buttons and keys of the Generate tab: `js_on_load` of the line for screen readers.
const editor = () => window.neoxjp.editor("generate-text");

window.neoxjp.generate = {
  set(text) { editor()?.set(text); },
  keep() { window.neoxjp.keepText("generate-text", "gen"); },
  // Mark the preset whose values the controls have: { name: values }.
  mark(presets, values) {
    for (const [name, wanted] of Object.entries(presets)) {
      const same = wanted.every((value, index) => Math.abs(value - values[index]) < 1e-9);
      document.getElementById(`generate-preset-${name}`)?.setAttribute("aria-pressed", same);
    }
  },
};
window.neoxjp.restoreText("generate-text", "gen");
// For the sections: the place of the selected token's first id in the text, and among the ids after the prompt; and to select one.
window.neoxjp.written = {
  get place() { return editor()?.selected ?? null; },
  get chosen() { return this.place === null || this.place < editor().prompt ? null : this.place - editor().prompt; },
  markPlace(at) { editor()?.select(at); },
  mark(at) { this.markPlace(at + editor().prompt); },
};

// What was typed last must be known to the server before a button uses it.
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("#generate-buttons button:not(#lab-open), #share-link-generate-copy-link"), text = editor();
  if (!button || !text) return;
  text.newest = button.id === "generate-step" || Boolean(button.closest("#generate-step"));
  if (!text.busy || button.closest("#generate-stop")) return;
  event.stopImmediatePropagation();
  event.preventDefault();
  const until = Date.now() + 5000, again = setInterval(() => {
    if (text.busy && Date.now() < until) return;
    clearInterval(again);
    if (!text.busy && !button.disabled) button.click();
  }, 10);
}, true);

// Keys of the whole tab. A button that cannot be pressed now ignores its key, too.
const press = (id) => {
  const found = document.getElementById(id);
  const button = found?.matches("button") ? found : found?.querySelector("button");
  if (button && !button.disabled && button.offsetParent) button.click();
};
// One token a key. Key presses during a step are queued; a key that is held down repeats without queueing.
const STEP_TIMEOUT_MS = 2000; // after this, a step that never started is given up
let stepper = null; // the button, once a key was pressed
let steps = 0, since = 0;
const onButton = new MutationObserver(() => {
  if (stepper.disabled) return;
  since = 0;
  if (steps) {
    steps -= 1;
    step(false);
  }
});
function step(held) {
  const button = document.getElementById("generate-step");
  if (button !== stepper) onButton.observe(stepper = button, { attributeFilter: ["disabled"] });
  if (stepper.disabled || Date.now() - since < STEP_TIMEOUT_MS) {
    if (!held) steps = Math.min(steps + 1, 20);
    return;
  }
  since = Date.now();
  press("generate-step");
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || !document.getElementById("generate-buttons")?.offsetParent) return;
  const control = event.ctrlKey || event.metaKey, key = event.key.toLowerCase();
  let button = null;
  if (key === "enter" && control) button = event.shiftKey ? "generate-more" : "generate-go";
  else if (key === "enter" && event.altKey) {
    event.preventDefault();
    return step(event.repeat);
  } else if (key === "escape") {
    steps = 0;
    return press("generate-stop");
  }
  else if (control && (key === "z" || key === "y")) {
    button = key === "y" || event.shiftKey ? "generate-redo" : "generate-undo";
    const field = event.target.closest?.("input, textarea"), typed = field?.value;
    if (field?.classList.contains("token-editor-field")) { // first the browser undoes what was typed; then come whole generations
      const id = button;
      setTimeout(() => { if (field.value === typed) press(id); }, 30);
    }
    if (field) return;
  }
  if (!button) return;
  event.preventDefault();
  press(button);
});
document.getElementById("generate-announce")?.setAttribute("aria-live", "polite");
// A phone has no such keys: its buttons do not name them, in whichever language Gradio writes them.
function hideKeys() {
  for (const button of document.querySelectorAll("#generate-buttons button")) {
    const label = Array.from(button.childNodes).find((node) => node.nodeType === Node.TEXT_NODE && /⏎|Esc/.test(node.data));
    if (label) label.data = label.data.replace(/\s+(Ctrl\+⏎|Alt\+⏎|Esc)\s*$/, "");
  }
}
if (matchMedia("(hover: none)").matches) {
  hideKeys();
  new MutationObserver(hideKeys).observe(document.getElementById("generate-buttons"), { subtree: true, characterData: true });
}
// On a narrow screen the settings are folded under the text until asked for. The page may still be drawing itself, and open them
// once more: so look again for a moment, until the visitor touches them.
if (matchMedia("(max-width: 640px)").matches) {
  const foldUntil = Date.now() + 4000;
  const folding = setInterval(() => {
    const button = document.querySelector("#generate-sampling > button");
    if (button?.classList.contains("open")) button.click();
    if (Date.now() > foldUntil) clearInterval(folding);
  }, 150);
  document.addEventListener("pointerdown", (event) => event.target.closest("#generate-sampling") && clearInterval(folding));
}

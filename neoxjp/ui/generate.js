// The buttons and keys of the Generate tab: `js_on_load` of the line for screen readers.
const announce = element.appendChild(document.createElement("p")); // for screen readers
const STEP_TIMEOUT_MS = 2000; // after this, a step that was not answered is given up
let steps = 0, stepping = 0; // steps that wait for the one before; when the one that is under way was asked for
const MODES = { "generate-go": "new", "generate-more": "continue", "generate-step": "step", "generate-again": "again" };
let controls = [], settings = null; // element ids of the controls, and their values; null: as they were at the start
const editor = () => window.neoxjp.editor("generate-text");

window.neoxjp.generate = {
  replace(text) { editor()?.replace(text); },
  keep() { window.neoxjp.keepText("generate-text", "gen"); },
  // The values of the controls, to go with each generation. Mark the preset that has them: { name: values }, null: any.
  settings(ids, presets, values) {
    controls = ids;
    settings = values;
    for (const [name, wanted] of Object.entries(presets)) {
      const same = wanted.every((value, index) => value === null || Math.abs(value - values[index]) < 1e-9);
      document.getElementById(`generate-preset-${name}`)?.setAttribute("aria-pressed", same);
    }
  },
};
window.neoxjp.restoreText("generate-text", "gen");
const starting = setInterval(() => {
  const text = editor();
  if (!text || !document.getElementById("generate-redo") || !document.querySelector("#generate-keys [data-keys]")) return; // they come a moment later
  clearInterval(starting);
  draw(text.also);
  const shortcuts = JSON.parse(document.querySelector("#generate-keys [data-keys]").dataset.keys);
  for (const [name, keys] of Object.entries(shortcuts)) {
    const button = document.getElementById(`generate-${name}`);
    button?.setAttribute("aria-keyshortcuts", keys.replace("Ctrl", "Control").replace("Esc", "Escape"));
    if (button) button.title = keys;
  }
  text.more = () => ({ settings: settings?.map((value, index) => valueOf(controls[index], value)) ?? null });
}, 20);
// For the sections: the position of the selected token's first id, in the text or among the ids after the prompt; and to select one.
window.neoxjp.selection = {
  get position() { return editor()?.selected ?? null; },
  get generated() { return this.position === null || this.position < editor().prompt ? null : this.position - editor().prompt; },
  select(position) { editor()?.select(position); },
  selectGenerated(position) { this.select(position + editor().prompt); },
};

// What a control holds at this moment: Gradio tells of a change some time after it. A control that is folded away has `value`.
function valueOf(id, value) {
  const root = document.getElementById(id);
  const field = ["input[type=number]", "input[type=checkbox]", "textarea", "input"].map((kind) => root?.querySelector(kind)).find(Boolean);
  if (!field) return value;
  if (field.type === "checkbox") return field.checked;
  if (field.type !== "number") return field.value;
  return field.value === "" ? value : Number(field.value);
}

// What the visitor waits for: from the press to the first new token on the page, and tokens a second after it. Milliseconds.
let timing = null, counted = null; // of the generation that is running or ended last, and its press; `text`: all that there was
function measure(generated) {
  if (typeof generated !== "number") return;
  const { pressed, running, text } = editor();
  if (generated === 0 && running) timing = pressed === counted ? null : { pressed, generated: 0 }; // null: a lab asked for it
  counted = pressed;
  if (timing && !running) timing.text = text;
  if (!timing || generated <= timing.generated) return;
  const current = timing;
  const stamp = () => {
    const now = performance.now();
    if (!current.generated) Object.assign(current, { first: now, before: generated });
    Object.assign(current, { last: now, generated });
    showTiming();
  };
  if (document.hidden) stamp();
  else requestAnimationFrame(stamp);
}
function showTiming() {
  const found = { first: NaN, speed: NaN };
  if (timing?.generated && (editor().running || editor().text === timing.text)) { // else the numbers are of another text
    found.first = (timing.first - timing.pressed) / 1000;
    found.speed = (1000 * (timing.generated - timing.before)) / (timing.last - timing.first);
  }
  for (const cell of document.querySelectorAll("#generate-stats [data-timing]")) {
    const value = found[cell.dataset.timing];
    cell.hidden = !Number.isFinite(value);
    cell.querySelector("b").textContent = value.toFixed(cell.dataset.timing === "first" ? 2 : value < 20 ? 1 : 0);
  }
}

let focused = null; // the button that had the focus when it was disabled: it gets it back

// What the server says about the text, beside its tokens and the HTML that page.js draws.
function draw(found) {
  if (typeof found.announce === "string") announce.textContent = found.announce;
  measure(found.generated);
  showTiming();
  for (const [name, on] of Object.entries(found.buttons ?? {})) {
    const button = document.getElementById(`generate-${name}`);
    if (!button) continue;
    if (!on && button === document.activeElement) focused = button;
    button.disabled = !on;
    if (!on || button !== focused) continue;
    if (document.activeElement === document.body) button.focus({ preventScroll: true });
    focused = null;
  }
  if (found.recall === false) document.getElementById("generate-recall")?.style.setProperty("display", "none");
  if (!found.buttons?.step) return;
  stepping = 0;
  if (!steps) return;
  steps -= 1;
  press("generate-step");
}
document.addEventListener("token-editor-also", (event) => event.target.closest("#generate-text") && draw(event.detail));

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("#generate-buttons button:not(#lab-open), #share-link-generate-copy-link"), text = editor();
  if (!button || !text) return;
  if (button.id === "generate-stop") return text.stop();
  const one = button.id === "generate-step";
  text.newest = one;
  if (one && Date.now() - stepping < STEP_TIMEOUT_MS) { // a step is under way: this one comes after it
    steps = Math.min(steps + 1, 20);
    return event.stopImmediatePropagation();
  }
  if (!text.busy) {
    if (one) stepping = Date.now();
    if (MODES[button.id]) text.write({ mode: MODES[button.id] });
    return;
  }
  // What was typed last must be known to the server before a button uses it.
  event.stopImmediatePropagation();
  event.preventDefault();
  text.send(); // an edit that was refused a while ago
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

document.addEventListener("keydown", (event) => {
  if (event.isComposing || !document.getElementById("generate-buttons")?.getClientRects().length) return;
  const control = event.ctrlKey || event.metaKey, key = event.key.toLowerCase();
  let button = null;
  if (key === "enter" && control) button = event.shiftKey ? "generate-more" : "generate-go";
  else if (key === "enter" && event.altKey) {
    event.preventDefault();
    if (Date.now() - stepping > STEP_TIMEOUT_MS) return press("generate-step");
    if (!event.repeat) steps = Math.min(steps + 1, 20); // a key that is held down repeats without queueing
    return undefined;
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
announce.setAttribute("aria-live", "polite");
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
// once more: so look again for a moment, until the visitor, or the tour, touches them.
if (matchMedia("(max-width: 640px)").matches) {
  const foldUntil = Date.now() + 4000;
  let own = false; // the click is this script's
  const folding = setInterval(() => {
    const button = document.querySelector("#generate-sampling > button");
    own = true;
    if (button?.classList.contains("open")) button.click();
    own = false;
    if (Date.now() > foldUntil) clearInterval(folding);
  }, 150);
  document.addEventListener("click", (event) => !own && event.target.closest?.("#generate-sampling") && clearInterval(folding), true);
}

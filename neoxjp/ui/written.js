// The written text and the panel under it: `js_on_load` of that component, so `element`, `props` and `watch` are given.
// The value is HTML from labs/common/steps.py, everything escaped there; it grows, and only what is new is added. What a piece
// carries is set through textContent.
const view = element.querySelector(".written");
const panel = element.querySelector(".alternatives");
const hint = view.firstElementChild; // what stands there before anything is written
let shown = "";
let newest = false; // tokens come one by one: the last one is looked at
let selected = null; // pinned by click, arrow keys or focus; hovering shows another for a moment

const make = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};
const pieces = () => view.getElementsByClassName("w");
const percent = (p) => (p >= 0.0995 ? (100 * p).toFixed(1) : p >= 0.00095 ? (100 * p).toFixed(2) : p > 0 ? "< 0.1" : "0") + " %";

function describe(piece) {
  const words = JSON.parse(view.querySelector(".words").dataset.words);
  const step = JSON.parse(piece.dataset.step);
  const bits = words.bits;
  const head = make("p", "head");
  const name = make("b", "name", step.s);
  name.lang = "ja";
  head.append(name);
  const facts = [[words.generate_id, step.i.join(" ")]];
  if (step.p === null) facts.push(["", words.generate_unscored]);
  else facts.push([words.generate_probability, percent(step.p)], [words.generate_surprise, step.b.toFixed(2) + bits], [words.generate_rank, String(step.r)], [words.generate_entropy, step.e.toFixed(2) + bits]);
  for (const [term, value] of facts) {
    const fact = make("span", "", term ? term + " " : "");
    fact.append(make("b", "", value));
    head.append(fact);
  }
  const table = make("table");
  const top = table.createTHead().insertRow();
  for (const word of ["", words.generate_model, words.generate_filtered]) {
    const cell = make("th", "", word);
    cell.scope = "col";
    top.append(cell);
  }
  top.append(make("td", "go"));
  const body = table.createTBody();
  for (const [text, id, before, after, kept] of step.a) {
    const row = body.insertRow();
    const drawn = id === step.i[0];
    if (drawn) row.className = "drawn";
    const title = make("th", "", text);
    title.scope = "row";
    title.lang = "ja";
    if (drawn) title.append(make("span", "sr", words.generate_drawn));
    row.append(title);
    for (const [value, note] of [[before, null], [after, after === null ? "–" : kept ? null : words.generate_removed]]) {
      const cell = row.insertCell();
      const bar = make("div", "share");
      const fill = make("i");
      fill.style.width = `${Math.max(100 * value, value > 0 ? 0.8 : 0)}%`;
      const track = make("span", "track");
      track.append(fill);
      bar.append(track, make("b", note ? "gone" : "", note ?? percent(value)));
      cell.append(bar);
    }
    const go = make("button", "go-on", "➜");
    go.type = "button";
    go.title = (drawn ? words.generate_from_here_drawn : words.generate_from_here_spoken).replace("{text}", () => text);
    go.append(make("span", "word", " " + words.generate_from_here));
    go.setAttribute("aria-label", words.generate_from_here + ": " + go.title);
    go.addEventListener("click", () => goOn(piece, id));
    const cell = row.insertCell();
    cell.className = "go";
    cell.append(go);
  }
  const parts = [head, table];
  if (step.i.length > 1) parts.push(make("p", "note", words.generate_bytes.replace("{n}", step.i.length)));
  return parts;
}

// Keep the replaced token selected while generation continues from it.
let branching = null;
function goOn(piece, id) {
  if (document.querySelector("#generate-go")?.disabled) return; // it is writing
  branching = { at: Number(piece.dataset.at), focus: panel.contains(document.activeElement) };
  newest = false;
  trigger("apply", { at: branching.at, id });
}

function show(piece) {
  panel.replaceChildren(...(piece ? describe(piece) : []));
  panel.hidden = !piece;
}

function into(box) {
  const place = box.getBoundingClientRect(), frame = view.getBoundingClientRect(); // scroll the text, never the page
  if (place.top < frame.top || place.bottom > frame.bottom) view.scrollTop += place.top - frame.top - frame.height / 3;
}

// For the sections below: which token is chosen, and to choose one from there. The view's event "select" tells them of it.
const written = {
  chosen: null, // place of the chosen piece's first token, from 0

  mark(at) {
    const box = Array.from(pieces()).findLast((piece) => Number(piece.dataset.at) <= at);
    if (!box || box === selected) return;
    select(box, false, false);
    into(box);
  },
};
window.neoxjp.written = written;

function select(piece, focus, notify = true) {
  if (selected) { selected.removeAttribute("aria-selected"); selected.tabIndex = -1; }
  selected = piece;
  piece.setAttribute("aria-selected", "true");
  piece.tabIndex = 0;
  if (focus) piece.focus({ preventScroll: true });
  show(piece);
  written.chosen = Number(piece.dataset.at);
  if (notify) trigger("select", { at: written.chosen });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("#generate-buttons button");
  if (!button) return;
  branching = null;
  newest = button.id === "generate-step" || Boolean(button.closest("#generate-step"));
});

function grow() {
  const value = props.value ?? "";
  const before = pieces().length;
  const reading = view.matches(":hover") || view.contains(document.activeElement); // then nothing may move
  const follow = !reading && view.scrollHeight - view.scrollTop - view.clientHeight < 40;
  if (shown && value.startsWith(shown)) view.insertAdjacentHTML("beforeend", value.slice(shown.length));
  else {
    view.innerHTML = value;
    if (!value) view.replaceChildren(hint);
    selected = written.chosen = null;
    show(null);
  }
  shown = value;
  const count = pieces().length;
  const words = view.querySelector(".words");
  if (words) view.setAttribute("aria-label", JSON.parse(words.dataset.words).generate_view.replace("{n}", count));
  const branched = branching && !selected ? Array.from(pieces()).find((piece) => Number(piece.dataset.at) === branching.at) : null;
  if (branched) {
    select(branched, branching.focus);
    into(branched);
    branching = null;
  } else if (newest && count && count !== before) select(pieces()[count - 1], false);
  else if (!selected && count && !branching) select(pieces()[0], false);
  if (follow) view.scrollTop = view.scrollHeight;
}

view.addEventListener("pointerover", (event) => {
  const piece = event.target.closest(".w");
  if (piece && event.pointerType !== "touch") show(piece);
});
view.addEventListener("pointerleave", () => show(selected));
view.addEventListener("click", (event) => {
  const piece = event.target.closest(".w");
  if (piece && getSelection().isCollapsed) select(piece, true);
});
view.addEventListener("focusin", (event) => {
  const piece = event.target.closest(".w");
  if (piece && piece !== selected) select(piece, false);
});
view.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const all = Array.from(pieces());
  const at = selected ? all.indexOf(selected) : -1;
  if (at < 0) return;
  const to = {
    ArrowRight: () => all[at + 1], ArrowLeft: () => all[at - 1], Home: () => all[0], End: () => all[all.length - 1],
    ArrowDown: () => window.neoxjp.onLine(all, at, 1), ArrowUp: () => window.neoxjp.onLine(all, at, -1),
  }[event.key]?.();
  if (to === undefined) return;
  event.preventDefault();
  if (to) {
    select(to, true);
    to.scrollIntoView({ block: "nearest" });
  }
});
watch("value", grow);
grow();

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
  else if (control && !event.target.closest?.("input, textarea")) { // in a field these keys undo what was typed
    if (key === "z") button = event.shiftKey ? "generate-redo" : "generate-undo";
    else if (key === "y") button = "generate-redo";
  }
  if (!button) return;
  event.preventDefault();
  press(button);
});
document.getElementById("generate-announce")?.setAttribute("aria-live", "polite");
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

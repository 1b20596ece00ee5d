// The tour: `js_on_load` of its button, so `element` and `props` are given. A step points at a control of the page and ends when the
// visitor has used it; "Next" uses it for them. Anything else that the visitor presses ends the tour.
const start = element.querySelector("#tour-start");
const words = () => props.words[window.neoxjp.language];
const editor = () => document.querySelector("#generate-text .token-editor")?.api;
const popover = () => document.querySelector("#generate-text .token-editor-popover");
const generate = () => document.getElementById("generate-go"), stop = () => document.getElementById("generate-stop");
const shown = () => [generate(), stop()].find((button) => button.checkVisibility()) ?? document.getElementById("generate-buttons"); // a phone shows one of them
const slider = () => document.querySelector("#option-temperature input[type=range]");
const WARM = "1.5", REST_MS = 700; // the temperature that "Next" sets; that the slider rests before the next step comes
const OPEN_MS = 3000; // that another tab takes to open, at most
const UNFOLD_MS = 400; // after this a folded part is open
const GAP = 12, EDGE = 8;

const make = (tag, className, parent) => parent.appendChild(Object.assign(document.createElement(tag), { className }));
let at = -1, ring, bubble, said, count, next, skip; // the number of the step; -1: no tour is running
let before = "", ran = false, spot = 0, moved = 0, first = ""; // spot: which of the generated tokens
let held = -1; // the step in which the pointer came onto the bubble: a button that is about to be pressed does not move away

// The painted tokens after the prompt.
function generated() {
  let ids = 0;
  return Array.from(document.querySelectorAll("#generate-text .token-editor-piece"))
    .filter((piece) => (ids += Number(piece.dataset.n ?? 1)) > (editor()?.prompt ?? 0));
}
const level = (piece) => Number(piece.className.match(/token-editor-l(\d)/)?.[1] ?? -1);
const darkest = () => generated().reduce((best, piece, index, all) => (level(all[best]) >= level(piece) ? best : index), 0);
const token = () => generated()[spot]; // its element is another one after a patch
const running = () => !stop().disabled || Boolean(document.querySelector("#generate-text .token-editor-running"));
const ready = () => { before = editor().text; ran = false; };
const over = () => { // a text was generated since `ready`
  ran ||= running();
  return !running() && (ran || editor().text !== before) && generated().length > 0;
};

function press(piece) { // the field lies over the painted token
  const { left, top, width, height } = piece.getClientRects()[0];
  const place = { clientX: left + width / 2, clientY: top + height / 2, bubbles: true };
  document.querySelector("#generate-text .token-editor-field").dispatchEvent(new MouseEvent("click", place));
}
function warm() {
  slider().value = WARM;
  for (const type of ["input", "change", "pointerup"]) slider().dispatchEvent(new Event(type, { bubbles: true }));
}

// `points`: what the ring is around; `allows`: what else may be pressed; `act`: what "Next" does; `done`: the visitor has done it.
const STEPS = [
  { name: "generate", enter: ready, points: shown, act: () => generate().click(), done: over },
  { name: "press", enter() { spot = darkest(); first = generated()[0].textContent.trim(); }, points: token, allows: "#generate-text", act: () => press(token()), done: () => !popover().hidden },
  { name: "read", points: token, allows: "#generate-text", act: () => go(at + 1), done: () => false },
  { name: "temperature", enter() { moved = 0; unfold(); }, points: () => document.getElementById("option-temperature"), allows: "#generate-sampling", act: warm, done: () => moved && Date.now() - moved > REST_MS },
  { name: "again", enter: ready, points: shown, act: () => generate().click(), done: over },
  { name: "changed", enter() { spot = 0; }, points: token, act: () => end(), done: () => false },
];
function unfold() { // on a phone the settings are folded
  document.querySelector("#generate-sampling > button:not(.open)")?.click();
}

function go(to) {
  at = to;
  if (at >= STEPS.length) return end();
  STEPS[at].enter?.();
  if (!STEPS[at].points()) return end();
  reveal();
  setTimeout(() => at === to && reveal(), UNFOLD_MS);
}
function reveal() {
  const target = STEPS[at].points();
  if (!target) return;
  const { top, bottom } = target.getBoundingClientRect();
  const bar = document.getElementById("generate-buttons").getBoundingClientRect();
  const hidden = top < 0 || bottom > innerHeight || (!target.closest("#generate-buttons") && top < bar.bottom && bottom > bar.top);
  const inside = target.closest(".token-editor-box");
  if (inside) inside.scrollTop += target.getBoundingClientRect().top - inside.getBoundingClientRect().top - inside.clientHeight / 3;
  if (hidden || inside) target.scrollIntoView({ block: hidden ? "center" : "nearest" });
}

function sentence() {
  const { name } = STEPS[at], t = words();
  if (["generate", "again"].includes(name) && running()) return t.wait;
  if (name !== "changed") return t[name];
  const now = token().textContent.trim();
  return t[now === first ? "same" : "changed"].replace("{old}", () => first).replace("{new}", () => now);
}

const overlap = (a, b) => Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left)) * Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));

// The ring around the control, and the bubble where it covers neither the control nor the popover.
function draw() {
  if (at < 0) return;
  const target = STEPS[at].points();
  if (!target?.isConnected || !target.checkVisibility()) return end(); // another tab, or another text
  if (STEPS[at].done()) return go(at + 1), requestAnimationFrame(draw);
  const t = words(), last = at === STEPS.length - 1, text = sentence();
  if (said.textContent !== text) said.textContent = text;
  count.textContent = `${at + 1} / ${STEPS.length}`;
  next.textContent = last ? t.finish : t.next;
  next.setAttribute("aria-disabled", text === t.wait); // not disabled: it keeps the focus
  skip.textContent = t.skip;
  skip.hidden = last;
  bubble.setAttribute("aria-label", t.name);
  const box = (target.getClientRects().length === 1 ? target : target.closest("span") ?? target).getClientRects()[0];
  const wide = Math.max(box.width, 12); // a line break has no width, but its sign has
  Object.assign(ring.style, { left: `${box.left - 5}px`, top: `${box.top - 5}px`, width: `${wide + 10}px`, height: `${box.height + 10}px` });
  if (held === at) return requestAnimationFrame(draw);
  const covered = [box, ...(popover().hidden ? [] : [popover().getBoundingClientRect()])];
  const { width, height } = bubble.getBoundingClientRect();
  const left = Math.min(...covered.map((each) => each.left)), right = Math.max(...covered.map((each) => each.right));
  const top = Math.min(...covered.map((each) => each.top)), bottom = Math.max(...covered.map((each) => each.bottom));
  const places = [[left, bottom + GAP], [left, top - GAP - height], [right + GAP, top], [left - GAP - width, top]].map(([x, y]) => {
    const l = Math.max(EDGE, Math.min(x, document.documentElement.clientWidth - width - EDGE)), u = Math.max(EDGE, Math.min(y, innerHeight - height - EDGE));
    const place = { left: l, top: u, right: l + width, bottom: u + height };
    return { ...place, cost: covered.reduce((sum, each) => sum + overlap(place, each), 0) };
  });
  const best = places.reduce((one, other) => (other.cost < one.cost ? other : one));
  Object.assign(bubble.style, { left: `${best.left}px`, top: `${best.top}px` });
  requestAnimationFrame(draw);
}

async function begin() {
  if (at >= 0) return;
  document.querySelector('#tabs > .tab-wrapper [role="tab"]')?.click(); // the Generate tab
  for (let wait = 0; wait < OPEN_MS && !(editor() && shown().checkVisibility()); wait += 50) await new Promise((done) => setTimeout(done, 50));
  if (at >= 0 || !editor()) return;
  window.neoxjp.lab?.close();
  ring = make("div", "tour-ring", document.querySelector(".gradio-container"));
  bubble = make("div", "tour-bubble", document.querySelector(".gradio-container"));
  bubble.setAttribute("role", "dialog");
  said = make("p", "", bubble);
  said.setAttribute("aria-live", "polite");
  const row = make("div", "", bubble);
  count = make("small", "", row);
  skip = make("button", "", row);
  next = make("button", "tour-next", row);
  skip.type = next.type = "button";
  skip.addEventListener("click", () => end());
  next.addEventListener("click", () => next.getAttribute("aria-disabled") === "true" || STEPS[at].act());
  bubble.addEventListener("pointermove", (event) => { if (event.movementX || event.movementY) held = at; });
  bubble.addEventListener("pointerdown", () => { held = at; });
  bubble.addEventListener("pointerleave", () => { held = -1; });
  seen();
  go(0);
  draw();
  next.focus({ preventScroll: true });
}

function end() {
  if (at < 0) return;
  at = held = -1;
  const inside = bubble.contains(document.activeElement);
  ring.remove();
  bubble.remove();
  if (inside) start.focus({ preventScroll: true });
}

function seen() {
  delete start.dataset.new;
  window.neoxjpChoice.set("tour", "seen");
}

if (!window.neoxjpChoice.read("tour")) start.dataset.new = "";
start.addEventListener("click", begin);
document.addEventListener("input", (event) => { if (at >= 0 && event.target.closest?.("#option-temperature")) moved = Date.now(); });
document.addEventListener("keydown", (event) => {
  if (at < 0 || event.key !== "Escape" || event.isComposing) return;
  event.stopPropagation(); // it neither stops a text nor closes the popover
  end();
}, true);
document.addEventListener("click", (event) => {
  const pressed = event.target.closest?.("button, a, summary, [role=tab], input, label");
  if (at < 0 || !pressed || !event.isTrusted || bubble.contains(pressed) || start.contains(pressed) || pressed.closest("#switches")) return;
  if (STEPS[at].points()?.contains(pressed) || (STEPS[at].allows && pressed.closest(STEPS[at].allows))) return;
  end();
}, true);

// A text that one edits and whose tokens one sees: a field with transparent letters over the same letters, painted token by token.
// `js_on_load` of TokenEditor, so `element`, `props`, `watch` and `trigger` are given. Text is only set through textContent and value.
//
// `pieces` are what the server knows; `overlay` is what was typed since, painted plainly until the server has answered. Positions
// of an edit count code points, as Python does. What never changes comes with the script: an update of a component that is not on the
// page yet, such as that of a closed tab, replaces all props (Gradio 6.31).
const fixed = JSON.parse(decodeURIComponent("@fixed"));
const box = element.querySelector(".token-editor-box"), paint = element.querySelector(".token-editor-paint");
const field = element.querySelector(".token-editor-field"), popover = element.querySelector(".token-editor-popover");
const message = element.querySelector(".token-editor-message"), root = element.querySelector(".token-editor");
const JOINED = /^[\p{M}\p{EMod}\u200d]/u; // what forms one character with the letter before, and so has no distance of its own to it
const SIGNS = { folded: "≈", lossy: "≠" }; // of marks: colour and underline are not the only ones
const ANSWER_MS = 5000; // after this, an edit that was not answered is sent again with the next one
const FIELD_MS = 400; // between two times that the field gets the text of a stream, for selection and screen readers
const SETTLE_MS = 300; // after the last change before the rest of the page hears of it: not while one types, or takes step after step
const OPEN_MS = 90, CLOSE_MS = 250; // that the pointer rests on a token before the popover opens, or is away before it closes
let pieces = [], spans = [], text = "", revision = -1;
let overlay = null; // { from, to, node }: spans[from…to-1] are hidden behind the node
let sent = 0, composing = false, running = false;
let filled = 0, settling = 0, unheard = false; // when the field got its text; until "changed"; whether "select" comes with it
let selected = -1, shown = -1, pinned = false, timer = 0;
let ended = 0; // how many texts of the server, such as a stream, have come to their end
let prompt = 0; // ids at the front that are the prompt
let also = {}; // what the page around the text shows: see Document.patch
let held = null; // patches of a stream that came after Stop was pressed: not shown before the last one
let newest = false, wanted = -1; // whether the last token is selected as it comes; the place of a token to select once it is there

const make = (tag, className, content) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (content !== undefined) made.textContent = content;
  return made;
};
const language = () => (document.documentElement.lang.startsWith("ja") ? "ja" : "en");
const words = () => fixed.words[language()];
const percent = (p) => (p >= 0.0995 ? (100 * p).toFixed(1) : p >= 0.00095 ? (100 * p).toFixed(2) : p > 0 ? "< 0.1" : "0") + " %";
const points = (string) => { let n = 0; for (const _ of string) n += 1; return n; };
const high = (code) => code >= 0xd800 && code < 0xdc00, low = (code) => code >= 0xdc00 && code < 0xe000;

// ---------------------------------------------------------------- requests

// Over the route (route.py) once the page knows its session, else as an event of Gradio. Answers come line by line.
const ROUTE = new URL("neoxjp/text", document.baseURI.replace(/[?#].*$/, "").replace(/\/?$/, "/")).href;
const RETRY_MS = 1500;
let known = true; // the server knows the session
async function call(name, data = {}) {
  if (!props.session || !known) return trigger(name, data);
  let refused = "";
  try {
    const body = JSON.stringify({ session: props.session, editor: props.editor, call: name, data });
    const answer = await fetch(ROUTE, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    if (answer.status === 409) {
      known = false;
      return trigger(name, data);
    }
    if (answer.ok) await lines(answer.body.getReader());
    else {
      const found = await answer.json();
      refused = (document.documentElement.lang.startsWith("ja") ? found.ja : found.error) || words().failed;
    }
  } catch (error) {
    refused = words().failed;
  }
  if (refused) say(refused);
  if (refused && name === "edit") {
    sent = 0;
    setTimeout(send, RETRY_MS);
  }
  if (running && (name === "write" || name === "apply" || name === "sync")) setTimeout(() => running && call("sync"), RETRY_MS);
}
async function lines(reader) {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const found = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = found.pop();
    for (const line of found) receive(JSON.parse(line));
  }
}
function receive(update) {
  if (update.prompt !== undefined) prompt = update.prompt;
  if (update.patch) take(update.patch);
  if (update.details) learn(update.details);
}
function say(sentence) {
  message.hidden = !sentence;
  message.textContent = sentence;
}

// ---------------------------------------------------------------- the painted text

// A piece may have marks. What is drawn above or below its letters takes no room in the line: the field has the same letters and
// none of these, and each letter must stay over its picture. So the number of byte tokens and the sign of a mark lie above the
// end of the piece (data-above). Ids are wider than most pieces: those of neighbours lie on two levels below the text (`label`), for
// which the lines and the letters of both are further apart.
function spanOf([content, ids, probability, , own, sign, marks]) {
  const span = make("span", "token-editor-piece", content);
  const level = probability === null ? -1 : fixed.levels.filter((border) => probability < border).length;
  span.classList.add(own || level < 0 ? "token-editor-own" : `token-editor-l${level}`);
  const wide = sign.startsWith("U+"); // a name of a character without width would cover what is beside it
  if (sign && !wide) span.dataset.sign = sign;
  if (ids.length > 1) span.dataset.n = ids.length;
  for (const mark of marks?.split(" ") ?? []) span.classList.add(`token-editor-${mark}`);
  const above = (wide ? sign : "") + Object.keys(SIGNS).filter((mark) => span.matches(`.token-editor-${mark}`)).map((mark) => SIGNS[mark]).join("");
  if (above || ids.length > 1) span.dataset.above = above + (ids.length > 1 ? ids.length : "");
  if (JOINED.test(content)) span.classList.add("token-editor-joined");
  if (content.endsWith("\u200d")) span.classList.add("token-editor-joins");
  if (props.ids) label(span, ids);
  return span;
}
function label(span, ids) {
  if (!ids.length) return;
  const below = make("i", "token-editor-id"); // its text is in an attribute: it is no part of the text
  below.dataset.id = ids.length > 1 ? `${ids[0]}+${ids.length - 1}` : ids[0];
  span.prepend(below);
}
function looks() {
  root.classList.toggle("token-editor-plain", fixed.look === "pieces");
  root.classList.toggle("token-editor-ids", Boolean(props.ids));
  for (const below of paint.querySelectorAll(".token-editor-id")) below.remove();
  if (props.ids) spans.forEach((span, index) => label(span, pieces[index][1]));
}

// Where two strings differ: [start, end in a, end in b], never inside a pair of surrogates.
function difference(a, b) {
  let start = 0, end = 0;
  const most = Math.min(a.length, b.length);
  while (start < most && a.charCodeAt(start) === b.charCodeAt(start)) start += 1;
  if (start && high(a.charCodeAt(start - 1))) start -= 1;
  while (end < most - start && a.charCodeAt(a.length - 1 - end) === b.charCodeAt(b.length - 1 - end)) end += 1;
  if (end && low(a.charCodeAt(a.length - end))) end -= 1;
  return [start, a.length - end, b.length - end];
}

function uncover() {
  if (!overlay) return;
  for (const span of spans.slice(overlay.from, overlay.to)) span.hidden = false;
  overlay.node.remove();
  overlay = null;
}

// Paint what the field has and the server does not know yet.
function cover() {
  uncover();
  if (field.value === text) return;
  const [start, end, until] = difference(text, field.value);
  let from = 0, at = 0;
  while (from < pieces.length && at + pieces[from][0].length <= start) at += pieces[from++][0].length;
  let to = from, stop = at;
  while (to < pieces.length && stop < end) stop += pieces[to++][0].length;
  const node = make("ins", "token-editor-typed", field.value.slice(at, until + Math.max(0, stop - end)));
  for (const span of spans.slice(from, to)) span.hidden = true;
  paint.insertBefore(node, spans[to] ?? paint.lastChild);
  overlay = { from, to, node };
}

function replace(start, count, added) {
  const made = added.map(spanOf);
  for (const span of spans.slice(start, start + count)) span.remove();
  const before = spans[start + count] ?? paint.lastChild;
  const fragment = document.createDocumentFragment();
  fragment.append(...made);
  paint.insertBefore(fragment, before);
  for (const piece of added) piece.since = revision + 1; // the patch that brought it
  pieces.splice(start, count, ...added);
  spans.splice(start, count, ...made);
  return made;
}

function take(json) {
  const patch = JSON.parse(json);
  if (patch.want) {
    sent = Date.now();
    return call("edit", { text: field.value });
  }
  if (patch.typed) sent = 0;
  if (patch.revision <= revision && !patch.whole) return; // a page gets the last patch of a stream twice
  if (held && patch.running) return held.push(json);
  if (held) {
    const waiting = held;
    held = null;
    for (const one of waiting) take(one);
  }
  if (!patch.whole && patch.base !== revision) {
    pass(patch.also);
    return call("sync");
  }
  const follow = box.scrollHeight - box.scrollTop - box.clientHeight < 40 && !box.matches(":hover") && !box.contains(document.activeElement);
  const chosen = pieces[selected], looked = pieces[shown];
  const before = text, place = selected >= 0 ? idsBefore(selected) : -1;
  uncover();
  if (patch.whole) revision = patch.revision - 1;
  const start = patch.whole ? 0 : patch.start, made = replace(start, patch.whole ? pieces.length : patch.delete, patch.pieces);
  const grew = start === pieces.length - made.length && made.length;
  revision = patch.revision;
  text = pieces.map((piece) => piece[0]).join("");
  if (running !== Boolean(patch.running)) {
    running = !running;
    field.readOnly = running;
    box.classList.toggle("token-editor-running", running);
  }
  const now = performance.now();
  if (patch.typed) for (const span of made) span.classList.add("token-editor-new");
  else if ((!running || now - filled > FIELD_MS) && field.value !== text) {
    const [from, until, upTo] = difference(field.value, text);
    field.setRangeText(text.slice(from, upTo), from, until, "preserve");
    filled = now;
  }
  if (patch.message || running) say(patch.message ?? ""); // a sentence stays until something else is typed or written
  if (!running) cover();
  if (follow) box.scrollTop = box.scrollHeight;
  selected = pieces.indexOf(chosen);
  if (selected < 0 && place >= 0 && (patch.same || text === before)) select(indexOf(place), false);
  if (looked) {
    shown = pieces.indexOf(looked);
    if (shown < 0) close();
    else put(shown);
  }
  if (patch.select !== undefined) wanted = patch.select;
  if (patch.ask) trigger("ask", { at: 0, revision });
  if (wanted >= 0 && indexOf(wanted) >= 0) choose(indexOf(wanted));
  else if (!patch.typed && grew && newest) choose(pieces.length - 1);
  name();
  pass(patch.also);
  if (running) return;
  if (!patch.typed) {
    ended += 1;
    const first = indexOf(prompt); // after the prompt
    if (selected < 0 && wanted < 0 && first >= 0) choose(first);
  }
  wanted = -1;
  if (field.value !== text) return patch.message ? undefined : send();
  clearTimeout(settling);
  settling = setTimeout(() => {
    if (field.value !== text || running) return;
    if (unheard && selected >= 0) trigger("select", { at: idsBefore(selected) });
    unheard = false;
    trigger("changed");
  }, patch.typed || newest ? SETTLE_MS : 0);
}

// What goes to the page around the text.
function pass(news) {
  if (!news) return;
  also = { ...also, ...news };
  element.dispatchEvent(new CustomEvent("token-editor-also", { bubbles: true, detail: news }));
}

// Select as the text changes: the rest of the page hears of it once nothing changes any more.
function choose(index) {
  select(index, false);
  unheard = true;
}

function name() {
  field.setAttribute("aria-label", words().label.replace("{n}", idsBefore(pieces.length)));
  field.placeholder = fixed.placeholder[language()];
  popover.setAttribute("aria-label", words().popover);
}

// ---------------------------------------------------------------- edits

function send() {
  if (composing || running || field.value === text || (sent && Date.now() - sent < ANSWER_MS)) return;
  sent = Date.now();
  if (revision < 0) return call("edit", { text: field.value }); // the server's text is not known yet
  const [start, end, until] = difference(text, field.value);
  const insert = field.value.slice(start, until);
  call("edit", { revision, start: points(text.slice(0, start)), delete: points(text.slice(start, end)), insert });
}

field.addEventListener("input", () => {
  say("");
  close();
  const whole = field.value.replace(/\p{Surrogate}/gu, "\ufffd"); // half a character: no server could take it
  if (whole !== field.value) {
    const { selectionStart, selectionEnd } = field;
    field.value = whole;
    field.setSelectionRange(selectionStart, selectionEnd);
  }
  cover();
  send();
});
field.addEventListener("compositionstart", () => { composing = true; });
field.addEventListener("compositionend", () => {
  composing = false;
  cover();
  send();
});

// ---------------------------------------------------------------- one selected token

const idsBefore = (index) => pieces.slice(0, index).reduce((sum, piece) => sum + piece[1].length, 0);
function indexOf(at) {
  let ids = 0;
  for (let index = 0; index < pieces.length; index += 1) {
    ids += pieces[index][1].length;
    if (at < ids) return index;
  }
  return -1;
}

const unitsBefore = (index) => pieces.slice(0, index).reduce((sum, piece) => sum + piece[0].length, 0);

function select(index, notify) {
  if (selected >= 0) spans[selected]?.classList.remove("token-editor-selected");
  selected = index;
  spans[index]?.classList.add("token-editor-selected");
  if (notify && index >= 0) trigger("select", { at: idsBefore(index) });
}

// The token at the caret: the one behind it, at the end the last one.
function atCaret() {
  let end = 0;
  for (let index = 0; index < pieces.length; index += 1) {
    end += pieces[index][0].length;
    if (field.selectionStart < end) return index;
  }
  return pieces.length - 1;
}

function under(event) {
  const found = document.elementsFromPoint(event.clientX, event.clientY).find((other) => other.classList?.contains("token-editor-piece"));
  const index = found && paint.contains(found) ? spans.indexOf(found) : -1;
  return index >= 0 && pieces[index][1].length ? index : -1;
}

// ---------------------------------------------------------------- the popover

function share(value, note) {
  const bar = make("div", "token-editor-share"), track = make("span", "token-editor-track"), fill = make("i");
  fill.style.width = `${Math.max(100 * (value ?? 0), value > 0 ? 1 : 0)}%`;
  track.append(fill);
  bar.append(track, make("b", note ? "token-editor-gone" : "", note ?? percent(value)));
  return bar;
}

function describe(index) {
  const [content, ids, probability, rank] = pieces[index], found = pieces[index].details, t = words();
  const head = make("p", "token-editor-head"), title = make("b", "token-editor-name", found?.name ?? (pieces[index][5] || content));
  title.lang = "ja";
  head.append(title);
  const facts = found?.facts ? [...found.facts] : [[t.id, ids.join(" ")]];
  const p = found?.probability ?? probability, r = found?.rank ?? rank;
  if (p !== null && p !== undefined) facts.push([t.probability, percent(p)], [t.surprisal, (p > 0 ? -Math.log2(p) : Infinity).toFixed(2) + t.bits]);
  if (r) facts.push([t.rank, String(r)]);
  if (found?.entropy !== undefined && found.entropy !== null) facts.push([t.entropy, found.entropy.toFixed(2) + t.bits]);
  for (const [term, value] of facts) {
    const fact = make("span", "", term + " ");
    fact.append(make("b", "", value));
    head.append(fact);
  }
  const parts = [head];
  if (ids.length > 1) parts.push(make("p", "token-editor-note", t.bytes.replace("{n}", ids.length)));
  if (!found) parts.push(make("p", "token-editor-note", t.asking));
  else if (found.note) parts.push(make("p", "token-editor-note", found.note));
  for (const [mark, sentence] of found?.notes ?? []) parts.push(make("p", "token-editor-note", `${SIGNS[mark] ?? ""} ${sentence}`));
  if (found?.texts) {
    const [heading, texts, rest] = found.texts, row = make("p", "token-editor-texts", heading + " ");
    for (const one of texts) {
      const box = make("span", one === content ? "token-editor-mine" : "", one);
      box.lang = "ja";
      box.title = Array.from(one, (character) => "U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")).join(" ");
      row.append(box, " ");
    }
    row.append(rest);
    parts.push(row);
  }
  if (found?.alternatives?.length) parts.push(table(index, found, t));
  for (const [name, title] of found?.buttons ?? []) {
    const button = make("button", "token-editor-go", title);
    button.type = "button";
    button.addEventListener("click", () => {
      const at = idsBefore(index);
      select(index, true);
      close();
      trigger("go", { at, name });
    });
    parts.push(button);
  }
  return parts;
}

// One row an alternative: its text, its probability before and after the filters, and "continue from here" as a button.
function table(index, found, t) {
  const list = make("table", "token-editor-alternatives"), top = list.createTHead().insertRow(), body = list.createTBody();
  const filtered = found.alternatives.some(([, , , after]) => after !== null);
  for (const word of ["", t.model, ...(filtered ? [t.filtered] : []), ""]) top.append(word ? Object.assign(make("th", "", word), { scope: "col" }) : make("td"));
  for (const [content, id, before, after, passed] of found.alternatives) {
    const row = body.insertRow(), drawn = id === pieces[index][1][0];
    if (drawn) row.className = "token-editor-drawn";
    const title = Object.assign(make("th", "", content), { scope: "row", lang: "ja" });
    if (drawn) title.append(make("span", "token-editor-sr", t.drawn));
    row.append(title);
    row.insertCell().append(share(before, null));
    if (filtered) row.insertCell().append(share(after, after === null ? "–" : passed ? null : t.removed));
    if (!found.can) continue;
    const go = make("button", "token-editor-go", "➜");
    go.type = "button";
    go.title = (drawn ? t.again : t.from_here).replace("{text}", () => content);
    go.setAttribute("aria-label", go.title);
    go.addEventListener("click", () => {
      if (running) return;
      wanted = idsBefore(index);
      newest = false;
      close();
      call("apply", { at: wanted, id, ...api.more?.() });
    });
    row.insertCell().append(go);
    row.addEventListener("dblclick", () => go.click());
  }
  return list;
}

// Below the token where there is room, else above it: it never covers the token and never leaves the window.
function put(index) {
  const lines = Array.from(spans[index].getClientRects()), first = lines[0], last = lines[lines.length - 1];
  if (!first) return close();
  popover.hidden = false;
  popover.style.maxHeight = "";
  const { width, height } = popover.getBoundingClientRect(), below = innerHeight - last.bottom - 12, above = first.top - 12;
  const up = below < height && above > below;
  const left = Math.max(8, Math.min((up ? first : last).left, document.documentElement.clientWidth - width - 8));
  popover.style.left = `${left}px`;
  popover.style.maxHeight = `${Math.max(80, up ? above : below)}px`;
  popover.style.top = up ? `${Math.max(4, first.top - 6 - Math.min(height, above))}px` : `${last.bottom + 6}px`;
}

function open(index, pin) {
  clearTimeout(timer);
  if (index < 0 || index >= pieces.length || overlay) return close();
  pinned = pin || (pinned && index === shown);
  if (index === shown && !popover.hidden) return;
  spans[shown]?.classList.remove("token-editor-shown");
  shown = index;
  spans[index].classList.add("token-editor-shown");
  popover.replaceChildren(...describe(index));
  put(index);
  if (!pieces[index].details) call("pick", { at: idsBefore(index), revision });
}

function close() {
  clearTimeout(timer);
  spans[shown]?.classList.remove("token-editor-shown");
  shown = -1;
  pinned = false;
  popover.hidden = true;
}

// The answer to "pick".
function learn(json) {
  const found = JSON.parse(json), index = indexOf(found.at);
  if (index < 0 || found.revision < pieces[index].since) return; // it is about another text
  if (found.ask) return trigger("ask", { at: found.at, revision });
  pieces[index].details = found;
  if (index !== shown) return;
  popover.replaceChildren(...describe(index));
  put(index);
}

let pointer = ""; // what scrolls away under a resting pointer is not pointed at
box.addEventListener("pointermove", (event) => {
  const now = `${event.screenX} ${event.screenY}`;
  if (event.pointerType === "touch" || now === pointer || event.buttons) return;
  pointer = now;
  const index = under(event);
  if (pinned && shown >= 0) return;
  clearTimeout(timer);
  if (index < 0) timer = setTimeout(close, CLOSE_MS);
  else if (index !== shown) timer = setTimeout(() => open(index, false), OPEN_MS);
});
box.addEventListener("pointerleave", () => {
  if (pinned) return;
  clearTimeout(timer);
  timer = setTimeout(close, CLOSE_MS);
});
popover.addEventListener("pointerenter", () => clearTimeout(timer));
popover.addEventListener("pointerleave", () => {
  if (!pinned) timer = setTimeout(close, CLOSE_MS);
});
field.addEventListener("click", (event) => {
  if (field.selectionStart !== field.selectionEnd) return; // a selection was made
  const index = under(event);
  if (index < 0) return close();
  select(index, true);
  open(index, true);
});
document.addEventListener("pointerdown", (event) => {
  if (!element.contains(event.target)) close();
});
box.addEventListener("scroll", () => { if (shown >= 0) put(shown); });
addEventListener("scroll", () => { if (shown >= 0) put(shown); }, { passive: true });
addEventListener("resize", close);

field.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Escape" && !popover.hidden) {
    event.stopPropagation(); // the page's Esc stops a text that is being written
    return close();
  }
  if (event.altKey && event.key === "ArrowDown") {
    event.preventDefault();
    const index = atCaret();
    select(index, true);
    open(index, true);
    popover.querySelector("button")?.focus();
  }
});
field.addEventListener("keyup", (event) => {
  if (event.isComposing || event.altKey || !/^(Arrow|Home|End|Page)/.test(event.key) || overlay || !pieces.length) return;
  const index = atCaret();
  if (index === selected) return;
  select(index, true);
  if (pinned) open(index, true);
});
popover.addEventListener("keydown", (event) => {
  const all = Array.from(popover.querySelectorAll("button")), at = all.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (event.key === "Escape") {
    event.stopPropagation();
    close();
    field.focus({ preventScroll: true });
  } else if (to !== undefined) {
    event.preventDefault();
    all[to]?.focus();
  }
});

// For the rest of the page, which may add `more()`: what goes to the server with "write" and "apply".
const api = {
  get text() { return field.value; },
  get selected() { return selected < 0 ? null : idsBefore(selected); }, // place of the first id of the selected token
  get start() { return selected < 0 ? null : points(text.slice(0, unitsBefore(selected))); }, // its place in the text, in characters
  get pieces() { return pieces.map(([content, ids, , , , sign, marks = ""]) => ({ content, ids, sign, marks: marks.split(" ") })); },
  get ended() { return ended; },
  get prompt() { return prompt; }, // ids of the prompt
  get also() { return also; },
  write(data) { call("write", { ...data, ...api.more?.() }); },
  stop() { // the text ends with what is visible now
    if (!running) return;
    held ??= [];
    call("stop", { ids: idsBefore(pieces.length) });
  },
  get busy() { return field.value !== text; }, // the server does not know the last edit yet
  set newest(on) { newest = on; },
  select(at) {
    const index = indexOf(at);
    if (index < 0 || index === selected) return;
    select(index, false);
    spans[index].scrollIntoView({ block: "nearest" });
  },
  step(by) { // to the next token (1) or the one before (-1)
    const index = selected + by;
    if (selected >= 0 && pieces[index]?.[1].length) this.choose(index);
  },
  selectStart(start) { // the token at a character
    let left = start;
    const index = pieces.findIndex((piece) => (left -= points(piece[0])) < 0);
    if (index >= 0 && index !== selected) this.choose(index);
  },
  open(index) { // the popover of a token
    this.choose(index);
    open(index, true);
  },
  async settled() { // the server knows the last edit
    const until = Date.now() + ANSWER_MS;
    while (this.busy && Date.now() < until) await new Promise((next) => setTimeout(next, 10));
  },
  choose(index) {
    select(index, true);
    spans[index].scrollIntoView({ block: "nearest" });
  },
  set(value) { // as if it was typed
    field.value = value;
    field.dispatchEvent(new Event("input"));
  },
  focus() { field.focus(); },
};
root.api = api;
paint.append(make("br"));
watch(Object.keys({ patch: 0 }), () => {
  known = true;
  receive({ patch: props.patch, prompt: props.prompt });
}); // a quoted name would be an event to Gradio (6.31)
watch(Object.keys({ details: 0 }), () => props.details && learn(props.details));
function give() {
  if (!props.given) return;
  const [given] = JSON.parse(props.given);
  api.set(api.onGiven ? api.onGiven(given) : given); // a page may have a newer text
}
watch(Object.keys({ given: 0 }), give);
looks();
watch(Object.keys({ ids: 0 }), looks);
name();
new MutationObserver(() => { // what is known about a token was said in the other language
  for (const piece of pieces) delete piece.details;
  close();
  name();
}).observe(document.documentElement, { attributeFilter: ["lang"] });
if (props.patch) receive({ patch: props.patch, prompt: props.prompt });
if (field.value !== fixed.start && revision < 0) {
  field.value = fixed.start;
  cover();
}
give(); // what came before this script ran
call("edit", { text: field.value });

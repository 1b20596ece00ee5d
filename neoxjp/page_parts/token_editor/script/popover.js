// The popover of a token: what is known about it, and its alternatives.

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
      leave();
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
      leave();
      freeze();
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
  const seen = box.getBoundingClientRect();
  if (!first || last.bottom < seen.top || first.top > seen.bottom) return close(); // hidden, or scrolled away
  popover.hidden = false;
  popover.style.maxHeight = "";
  const screen = visualViewport, bottom = screen ? screen.offsetTop + screen.height : innerHeight; // above a keyboard on the screen
  const { width, height } = popover.getBoundingClientRect(), below = bottom - last.bottom - 12, above = first.top - 12;
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
  inform();
}

function fill(index) {
  const entered = popover.contains(document.activeElement);
  popover.replaceChildren(...describe(index));
  put(index);
  if (entered) enter();
}

// Go to its first button; there is none before the answer.
function enter() {
  (popover.querySelector("button") ?? popover).focus();
}

function inform() {
  fill(shown);
  if (shown >= 0 && !pieces[shown].details) call("pick", { at: idsBefore(shown), revision });
}

function close() {
  clearTimeout(timer);
  spans[shown]?.classList.remove("token-editor-shown");
  shown = -1;
  pinned = false;
  popover.hidden = true;
}

// Close it, and go back to the field from a button in it.
function leave() {
  const inside = popover.contains(document.activeElement);
  close();
  if (inside) field.focus({ preventScroll: true });
}

// The answer to "pick".
function learn(json) {
  const found = JSON.parse(json), index = indexOf(found.at);
  if (index < 0 || found.revision < pieces[index].since) return; // it is about another text
  if (found.ask) return trigger("ask", { at: found.at, revision });
  pieces[index].details = found;
  if (index === shown) fill(index);
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
const putAgain = () => { if (shown >= 0) put(shown); };
addEventListener("scroll", putAgain, { passive: true, capture: true }); // of anything around the token
addEventListener("resize", putAgain);
visualViewport?.addEventListener("resize", putAgain);
document.addEventListener("keydown", (event) => { // where the pointer has opened it, the focus may be anywhere
  if (event.key !== "Escape" || popover.hidden || event.isComposing || element.contains(event.target)) return;
  event.stopPropagation();
  close();
}, true);

field.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Escape" && !popover.hidden) {
    event.stopPropagation(); // the page's Esc stops a text that is being written
    return close();
  }
  if (event.altKey && event.key === "ArrowDown") {
    event.preventDefault();
    const index = atCaret();
    if (!pieces[index]?.[1].length) return close(); // the end of a long text has no tokens here
    select(index, true);
    open(index, true);
    enter();
  }
});
field.addEventListener("keyup", (event) => {
  if (event.isComposing || event.altKey || !/^(Arrow|Home|End|Page)/.test(event.key) || overlay || !pieces.length) return;
  const index = atCaret();
  if (index === selected) return;
  if (!pieces[index][1].length) return close();
  select(index, true);
  if (pinned) open(index, true);
});
popover.addEventListener("keydown", (event) => {
  const all = Array.from(popover.querySelectorAll("button")), at = all.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (event.key === "Escape") {
    event.stopPropagation();
    leave();
  } else if (to !== undefined) {
    event.preventDefault();
    all[to]?.focus();
  }
});

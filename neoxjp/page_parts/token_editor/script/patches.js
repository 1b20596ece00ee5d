// Patches of the server, which say what of the text has changed: they are applied here, and the page around the text is notified.

function take(json) {
  const patch = JSON.parse(json);
  if (patch.want) return sendAll();
  // The server counts its patches: one that is behind ours is of a server that has forgotten this page. It gets the text again.
  const fresh = patch.whole || patch.base === 0;
  if (fresh && !patch.typed && revision > 0 && patch.revision < revision) return sendAll();
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
  const reads = shown >= 0 || box.matches(":hover") || (box.contains(document.activeElement) && !resting());
  const follow = !reads && box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  const chosen = pieces[selected], looked = pieces[shown];
  const before = text, place = selected >= 0 ? idsBefore(selected) : -1;
  uncover();
  if (patch.whole) revision = patch.revision - 1;
  const start = patch.whole ? 0 : patch.start, made = replace(start, patch.whole ? pieces.length : patch.delete, patch.pieces);
  if (patch.typed && made.length < pieces.length) mark(made);
  const grew = start === pieces.length - made.length && made.length;
  revision = patch.revision;
  text = pieces.map((piece) => piece[0]).join("");
  const changed = text !== before || running; // else the field may be ahead: what is being typed stays in it
  if (running !== Boolean(patch.running)) {
    running = !running;
    box.classList.toggle("token-editor-running", running);
  }
  field.readOnly = running;
  const now = performance.now();
  if (!patch.typed && changed && (!running || now - filled > FIELD_MS) && field.value !== text) {
    const [from, until, upTo] = difference(field.value, text), caretOnly = field.selectionStart === field.selectionEnd, rests = resting();
    field.setRangeText(text.slice(from, upTo), from, until, "preserve");
    const { selectionStart: first, selectionEnd: last } = field; // a caret in what was replaced has become a selection
    if (caretOnly && first !== last) field.setSelectionRange(last, last);
    if (rests) caret = last;
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
    else if (shown < start) put(shown);
    else inform(); // its numbers are of another text
  }
  if (patch.select !== undefined) wanted = patch.select;
  if (patch.ask) trigger("ask", { at: 0, revision });
  if (wanted >= 0 && indexOf(wanted) >= 0) choose(indexOf(wanted));
  else if (!patch.typed && grew && newest) choose(pieces.length - 1);
  name();
  pass(patch.also);
  if (running) return;
  if (spoken && spoken !== language()) call("sync"); // switched meanwhile: what is around the text comes in the new one
  spoken = "";
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

// What an edit has cut anew, for a moment.
function mark(made) {
  for (const span of made) {
    span.classList.add("token-editor-new");
    setTimeout(() => span.classList.remove("token-editor-new"), NEW_MS);
  }
}

// All of the text goes to the server.
function sendAll() {
  if (running) field.value = text; // it follows a stream only now and then
  running = false;
  box.classList.remove("token-editor-running");
  field.readOnly = false;
  sent = Date.now();
  return call("edit", { text: field.value });
}

// What goes to the page around the text.
function pass(news) {
  if (!news) return;
  also = { ...also, ...news };
  element.dispatchEvent(new CustomEvent("token-editor-also", { bubbles: true, detail: news }));
}

// Select as the text changes: the rest of the page is notified once nothing changes any more.
function choose(index) {
  select(index, false);
  unheard = true;
}

function name() {
  const more = pieces.some(([content, ids]) => content && !ids.length) ? "+" : ""; // the end of a long text has no tokens here
  field.setAttribute("aria-label", words().label.replace("{n}", idsBefore(pieces.length) + more));
  field.placeholder = fixed.placeholder[language()];
  popover.setAttribute("aria-label", words().popover);
}

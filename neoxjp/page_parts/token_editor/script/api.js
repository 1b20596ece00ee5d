// For the rest of the page, which may add `more()`: what goes to the server with "write" and "apply".
const api = {
  get text() { return field.value; },
  get selected() { return selected < 0 ? null : idsBefore(selected); }, // place of the first id of the selected token
  get start() { return selected < 0 ? null : points(text.slice(0, unitsBefore(selected))); }, // its place in the text, in characters
  get pieces() { return pieces.map(([content, ids, , , , sign, marks = ""]) => ({ content, ids, sign, marks: marks.split(" ") })); },
  get ended() { return ended; },
  get prompt() { return prompt; }, // ids of the prompt
  get also() { return also; },
  get running() { return running; },
  get pressed() { return pressed; }, // when "write" or "apply" was last asked for: performance.now()
  write(data) {
    freeze();
    call("write", { ...data, ...api.more?.() });
  },
  stop() { // the text ends with what is visible now
    if (!running) return;
    held ??= [];
    call("stop", { ids: idsBefore(pieces.length) });
  },
  send, // again, where an edit was refused
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
    if (index >= pieces.length) return; // the text has changed since
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
  replace(value) { // as if all was selected and this typed: Ctrl+Z brings back what was there
    const focused = document.activeElement;
    field.focus({ preventScroll: true });
    field.select();
    const typed = document.execCommand("insertText", false, value);
    if (focused === document.body) field.blur(); // where a press gives a button no focus
    else focused?.focus({ preventScroll: true });
    if (!typed || field.value !== value) this.set(value);
  },
  focus() { field.focus(); },
};

// What is typed goes to the server.

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

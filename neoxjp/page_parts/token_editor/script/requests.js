// Requests to the server and their answers.
//
// Over the route (route.py) once the page knows its session, else as an event of Gradio. Answers come line by line.
const ROUTE = new URL("neoxjp/text", document.baseURI.replace(/[?#].*$/, "").replace(/\/?$/, "/")).href;
const RETRY_MS = 1500;
const LONGEST_MS = 60_000; // for the first answer to "write" and "apply"
let known = true; // the server knows the session
let failing = false; // the sentence below the field says that the server does not answer
async function call(name, data = {}) {
  if (!props.session || !known) return trigger(name, data);
  let refused = "", again = true;
  try {
    const body = JSON.stringify({ session: props.session, editor: props.editor, call: name, data });
    const answer = await fetch(ROUTE, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    if (answer.status === 409) {
      known = false;
      return trigger(name, data);
    }
    if (failing) say("");
    if (answer.ok) await lines(answer.body.getReader());
    else {
      again = answer.status === 408 || answer.status === 429 || answer.status >= 500; // else the same would be refused again
      const found = await answer.json();
      refused = (language() === "ja" ? found.ja : found.error) || words().failed;
    }
  } catch (error) {
    refused = words().failed;
  }
  if (refused) say(refused, again && refused === words().failed);
  if (refused || name === "write" || name === "apply") thaw();
  if (refused && name === "edit") {
    sent = 0;
    if (again) setTimeout(send, RETRY_MS);
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
// Before "write" and "apply": what would be typed before the first answer would be lost. An answer or a refusal ends it.
let thawing = 0, caret = -1; // where it was then
const resting = () => running && field.selectionStart === caret && field.selectionEnd === caret;
function freeze() {
  field.readOnly = true;
  caret = field.selectionStart;
  spoken = language();
  pressed = performance.now();
  clearTimeout(thawing);
  thawing = setTimeout(thaw, props.session && known ? LONGEST_MS : ANSWER_MS); // an event of Gradio does not say that it has ended
}
function thaw() {
  clearTimeout(thawing);
  field.readOnly = running;
}
function say(sentence, failed = false) {
  failing = failed;
  message.hidden = !sentence;
  message.textContent = sentence;
}

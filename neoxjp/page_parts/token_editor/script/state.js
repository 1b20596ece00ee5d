// A text that one edits and whose tokens one sees: a field with transparent letters over the same letters, painted token by token.
// The files of this folder are one script in the order of SCRIPT in editor.py: `js_on_load` of TokenEditor, so `element`, `props`,
// `watch` and `trigger` are given. Text is only set through textContent and value.
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
const SETTLE_MS = 300; // after the last change before the rest of the page is notified: not while one types, or takes step after step
const NEW_MS = 1200; // that tokens which an edit has cut anew are marked
const OPEN_MS = 90, CLOSE_MS = 250; // that the pointer rests on a token before the popover opens, or is away before it closes
let pieces = [], spans = [], text = "", revision = -1;
let overlay = null; // { from, to, node }: spans[from…to-1] are hidden behind the node
let sent = 0, composing = false, running = false;
let filled = 0, settling = 0, unheard = false; // when the field got its text; until "changed"; whether "select" comes with it
let selected = -1, shown = -1, pinned = false, timer = 0;
let ended = 0; // how many texts of the server, such as a stream, have come to their end
let prompt = 0; // ids at the front that are the prompt
let also = {}; // what the page around the text shows: see Document.patch
let pressed = null; // when "write" or "apply" was last asked for
let spoken = ""; // the language of the page when the server was asked to write
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

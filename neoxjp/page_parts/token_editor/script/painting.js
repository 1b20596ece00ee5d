// The painted text.
//
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
  pieces.splice(start, count, ...added);
  spans.splice(start, count, ...made);
  for (const piece of pieces.slice(start)) { // those behind have another place, and another text before them
    piece.since = revision + 1;
    delete piece.details;
  }
  return made;
}

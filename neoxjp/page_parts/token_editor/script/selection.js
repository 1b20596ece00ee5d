// One selected token.

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

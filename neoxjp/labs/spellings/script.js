// Pressing a row of the matrix, or a word to correct its reading: `js_on_load` of both components, so `element` and `trigger` are
// given. The HTML is from render/matrix.py, everything escaped there; a text is only ever set through textContent and value.
const make = (tag, text, given = {}) => Object.assign(document.createElement(tag), { textContent: text }, given);

// A row: its button is what the keyboard reaches, but any of its cells may be pressed.
element.addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-key]");
  if (!row || !getSelection().isCollapsed) return;
  for (const other of element.querySelectorAll("tr[data-key]")) {
    other.classList.toggle("on", other === row);
    other.querySelector("button").setAttribute("aria-pressed", other === row);
  }
  trigger("select", { row: row.dataset.key });
});

// A word: one stop of the Tab key for all of them, arrows walk; Enter or a press opens a field behind the word.
const words = () => Array.from(element.querySelectorAll(".furigana .word"));
const close = (word) => {
  element.querySelector(".fix")?.remove();
  word?.focus();
};
function open(word) {
  close();
  const said = JSON.parse(word.closest(".furigana").dataset.words);
  const { surface, reading } = word.dataset;
  const send = (value) => {
    close(word);
    trigger("select", { word: surface, reading: value });
  };
  const box = make("form", "", { className: "fix" });
  const field = make("input", "", { type: "text", value: reading, lang: "ja", spellcheck: false, maxLength: 60 });
  field.setAttribute("aria-label", said.c_fix.replace("{word}", () => surface));
  const back = make("button", said.c_fix_back, { type: "button", onclick: () => send("") });
  const leave = make("button", said.c_fix_close, { type: "button", onclick: () => close(word) });
  box.append(make("b", said.c_fix.replace("{word}", () => surface)), field, make("button", said.c_fix_ok, { type: "submit" }), back, leave);
  box.addEventListener("submit", (event) => {
    event.preventDefault();
    send(field.value);
  });
  word.after(box);
  field.select();
}
element.addEventListener("click", (event) => {
  const word = event.target.closest(".furigana .word");
  if (word) open(word);
});
element.addEventListener("keydown", (event) => {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && event.target.closest(".fix")) {
    event.stopPropagation();
    return close(element.querySelector(".fix").previousElementSibling);
  }
  const all = words();
  const at = all.indexOf(event.target);
  if (at < 0) return;
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    return open(all[at]);
  }
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  if (!all[to]) return;
  all[at].tabIndex = -1;
  all[to].tabIndex = 0;
  all[to].focus();
});

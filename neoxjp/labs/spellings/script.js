// Clicking a row of the table, or a word to correct its reading: `js_on_load` of both components, which defines `element` and
// `trigger`. Text is set through textContent and value only, never as HTML.
const make = (tag, text, given = {}) => Object.assign(document.createElement(tag), { textContent: text }, given);

// A row: the keyboard reaches its button, but any of its cells can be clicked.
element.addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-key]");
  if (!row || !getSelection().isCollapsed) return;
  for (const other of element.querySelectorAll("tr[data-key]")) {
    other.classList.toggle("spellings-on", other === row);
    other.querySelector("button").setAttribute("aria-pressed", other === row);
  }
  trigger("select", { row: row.dataset.key });
});

// A word: the Tab key reaches one of them, arrow keys move; Enter or a click opens a field behind the word.
const words = () => Array.from(element.querySelectorAll(".spellings-ruby .spellings-word"));
const close = (word) => {
  element.querySelector(".spellings-fix")?.remove();
  word?.focus();
};
function open(word) {
  close();
  const sentences = JSON.parse(word.closest(".spellings-ruby").dataset.words);
  const { surface, reading } = word.dataset;
  const send = (value) => {
    close(word);
    trigger("select", { word: surface, reading: value });
  };
  const box = make("form", "", { className: "spellings-fix" });
  const field = make("input", "", { type: "text", value: reading, lang: "ja", spellcheck: false, maxLength: 60 });
  field.setAttribute("aria-label", sentences.fix.replace("{word}", () => surface));
  const back = make("button", sentences.fix_back, { type: "button", onclick: () => send("") });
  const leave = make("button", sentences.fix_close, { type: "button", onclick: () => close(word) });
  box.append(make("b", sentences.fix.replace("{word}", () => surface)), field, make("button", sentences.fix_ok, { type: "submit" }), back, leave);
  box.addEventListener("submit", (event) => {
    event.preventDefault();
    send(field.value);
  });
  word.after(box);
  field.select();
}
element.addEventListener("click", (event) => {
  const word = event.target.closest(".spellings-ruby .spellings-word");
  if (word) open(word);
});
element.addEventListener("keydown", (event) => {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && event.target.closest(".spellings-fix")) {
    event.stopPropagation();
    return close(element.querySelector(".spellings-fix").previousElementSibling);
  }
  const all = words();
  const at = all.indexOf(event.target);
  if (at < 0) return;
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    return open(all[at]);
  }
  window.neoxjp.rove(event, all, "ArrowRight", "ArrowLeft");
});

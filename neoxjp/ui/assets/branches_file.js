// The file of branches: `js_on_load` of its chooser, so `element` and `trigger` are given. It is read here and sent as text.
const note = element.querySelector(".br-note");
const { most, words } = JSON.parse(element.querySelector(".r-file").dataset.facts);
const said = (key, values) => words[document.documentElement.lang.startsWith("ja") ? "ja" : "en"][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);

element.addEventListener("change", async (event) => {
  const input = event.target, file = input.files?.[0];
  if (!file) return;
  if (file.size > most) note.textContent = said("branches_file_large", { size: (file.size / 2 ** 20).toFixed(1) + " MB" });
  else {
    try {
      const text = await file.text();
      note.textContent = file.name;
      trigger("select", { text });
    } catch {
      note.textContent = said("branches_file_failed", { name: file.name });
    }
  }
  input.value = ""; // the same file can be chosen again
});

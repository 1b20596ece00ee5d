// `js_on_load` of the file chooser: the content of a file as text for the field above, whatever its encoding.
const chooser = element.querySelector(".lab-file"), input = chooser.querySelector("input"), note = chooser.querySelector(".lab-note");
const words = JSON.parse(chooser.dataset.words), largest = Number(chooser.dataset.largest), start = note.innerHTML;

const decode = (bytes) => {
  const wide = bytes[0] === 0xff && bytes[1] === 0xfe ? ["utf-16le"] : bytes[0] === 0xfe && bytes[1] === 0xff ? ["utf-16be"] : [];
  const read = (name) => {
    try { return new TextDecoder(name, { fatal: true }).decode(bytes); } catch { return null; }
  };
  for (const name of [...wide, "utf-8"]) if (read(name) !== null) return read(name);
  // Most bytes of EUC-JP are half-width katakana in Shift_JIS.
  const narrow = (text) => (text.match(/[\uff61-\uff9f]/g) ?? []).length;
  return ["shift_jis", "euc-jp"].map(read).filter((text) => text !== null).sort((a, b) => narrow(a) - narrow(b))[0] ?? null;
};

let text = "";
input.addEventListener("change", async () => {
  const file = input.files[0];
  if (!file) return;
  note.innerHTML = start;
  let fault = file.size > largest ? "minimal_pairs_too_large" : "";
  const found = fault ? null : decode(new Uint8Array(await file.arrayBuffer()));
  if (found === null) fault ||= "minimal_pairs_not_text";
  if (fault) note.textContent = words[window.neoxjp.language][fault];
  else {
    text = found;
    trigger("select", {});
  }
  input.value = ""; // the same file can be chosen again after it was changed
});
window.neoxjp.minimalPairs = { text: () => text };

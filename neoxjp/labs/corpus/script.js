// `js_on_load` of the file chooser of the corpus, so `element` and `trigger` are defined. Uploads the chosen file to uploads.py, shows
// the progress, and deletes the file when the visitor leaves.
const chooser = element.querySelector(".corpus-chooser");
const input = chooser.querySelector("input");
const bar = chooser.querySelector("progress");
const note = chooser.querySelector(".corpus-note");
const both = JSON.parse(chooser.dataset.words), words = (key) => both[window.neoxjp.language][key];
const endpoint = new URL("neoxjp/file", document.baseURI.replace(/[?#].*$/, "").replace(/\/?$/, "/")).href;
const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const size = (bytes) => bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : bytes >= 1e3 ? `${(bytes / 1e3).toFixed(1)} kB` : `${bytes} B`;

let file = null;     // the chosen one
let sending = null;  // the request in progress
let arriving = null; // a promise of its key; "" where it failed
let stored = "";     // the key of a file that is stored at the server

const showNote = (sentence, wrong) => {
  note.textContent = sentence;
  note.classList.toggle("corpus-wrong", Boolean(wrong));
};

const discard = () => {
  sending?.abort();
  if (stored) fetch(`${endpoint}?file=${encodeURIComponent(stored)}`, { method: "DELETE", keepalive: true }).catch(() => {});
  stored = "";
};

const send = () => {
  discard();
  if (!file) return Promise.resolve("");
  if (file.size > Number(chooser.dataset.largest)) {
    showNote(fill(words("corpus_too_large"), { most: Number(chooser.dataset.largest) / 1e6 }), true);
    return Promise.resolve("");
  }
  const request = sending = new XMLHttpRequest();
  const chosen = file;
  bar.hidden = false;
  bar.value = 0;
  return new Promise((resolve) => {
    const end = (sentence, key) => {
      if (sending === request) sending = null;
      if (file === chosen) {
        bar.hidden = true;
        stored = key;
        showNote(sentence, !key);
      }
      resolve(key);
    };
    request.upload.onprogress = (event) => {
      bar.value = event.total ? event.loaded / event.total : 0;
      showNote(fill(words("corpus_sending"), { percent: Math.floor(100 * bar.value) }));
    };
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* not JSON: the page of a proxy */ }
      if (request.status === 200) end(fill(words("corpus_sent"), { name: chosen.name, size: size(chosen.size) }), answer.file);
      else end((window.neoxjp.language === "ja" ? answer.ja : answer.error) || words("corpus_failed"), "");
    };
    request.onerror = () => end(words("corpus_failed"), "");
    request.onabort = () => end(words("corpus_aborted"), "");
    request.open("POST", endpoint);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.send(chosen);
  });
};

const fileOf = (key) => JSON.stringify({ file: key, name: file ? file.name : "" });

const take = async (chosen) => {
  if (!chosen) return;
  file = chosen;
  const mine = arriving = send();
  const key = await mine;
  if (mine === arriving) trigger("select", {});
};

input.addEventListener("change", () => {
  take(input.files[0]);
  input.value = ""; // the same file can be chosen again after it was changed
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  chooser.addEventListener(kind, (event) => {
    event.preventDefault();
    chooser.classList.toggle("corpus-over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files[0]);
  });
}
window.addEventListener("pagehide", discard);

window.neoxjp.corpus = {
  // The file for one count; it is uploaded again where it was counted already, as a count deletes it.
  async use() {
    if (!stored && !sending && file) arriving = send();
    const key = (await arriving) ?? "";
    if (key === stored) stored = "";
    arriving = null;
    return fileOf(key);
  },
  current: () => fileOf(stored),
  stop: () => sending?.abort(),
};

// The file of the section corpus: `js_on_load` of its component, so `element` and `trigger` are given. Sends the chosen file to
// the page's own door (uploads.py), tells how far it came, and takes it back when the visitor leaves.
const chooser = element.querySelector(".k-chooser");
const input = chooser.querySelector("input");
const bar = chooser.querySelector("progress");
const note = chooser.querySelector(".k-note");
const japanese = document.documentElement.lang.startsWith("ja") || navigator.language.startsWith("ja");
const words = JSON.parse(chooser.dataset.words)[japanese ? "ja" : "en"];
const door = new URL("neoxjp/file", document.baseURI.replace(/[?#].*$/, "").replace(/\/?$/, "/")).href;
const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const size = (bytes) => bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : bytes >= 1e3 ? `${(bytes / 1e3).toFixed(1)} kB` : `${bytes} B`;

let file = null;      // what was chosen
let sending = null;   // the request under way
let arrival = null;   // a promise of its key; "" where it did not arrive
let held = "";        // the key of a file that waits at the door

const say = (sentence, wrong) => {
  note.textContent = sentence;
  note.classList.toggle("wrong", Boolean(wrong));
};

const forget = () => {
  sending?.abort();
  if (held) fetch(`${door}?file=${encodeURIComponent(held)}`, { method: "DELETE", keepalive: true }).catch(() => {});
  held = "";
};

const send = () => {
  forget();
  if (!file) return Promise.resolve("");
  if (file.size > Number(chooser.dataset.largest)) {
    say(fill(words.k_too_large, { most: Number(chooser.dataset.largest) / 1e6 }), true);
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
        held = key;
        say(sentence, !key);
      }
      resolve(key);
    };
    request.upload.onprogress = (event) => {
      bar.value = event.total ? event.loaded / event.total : 0;
      say(fill(words.k_sending, { percent: Math.floor(100 * bar.value) }));
    };
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* a proxy's page */ }
      if (request.status === 200) end(fill(words.k_sent, { name: chosen.name, size: size(chosen.size) }), answer.file);
      else end((japanese ? answer.ja : answer.error) || words.k_failed, "");
    };
    request.onerror = () => end(words.k_failed, "");
    request.onabort = () => end(words.k_aborted, "");
    request.open("POST", door);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.send(chosen);
  });
};

const given = (key) => JSON.stringify({ file: key, name: file ? file.name : "" });

const take = async (chosen) => {
  if (!chosen) return;
  file = chosen;
  const mine = arrival = send();
  const key = await mine;
  if (mine === arrival) trigger("select", { given: given(key) });
};

input.addEventListener("change", () => take(input.files[0]));
for (const kind of ["dragover", "dragleave", "drop"]) {
  chooser.addEventListener(kind, (event) => {
    event.preventDefault();
    chooser.classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files[0]);
  });
}
window.addEventListener("pagehide", forget);

window.neoxjp.corpus = {
  // The key of the file, sent again where the last one was counted already: a key is good for one count.
  async use() {
    if (!held && !sending && file) arrival = send();
    const key = (await arrival) ?? "";
    if (key === held) held = "";
    arrival = null;
    return given(key);
  },
  now: () => given(held),
  stop: () => sending?.abort(),
};

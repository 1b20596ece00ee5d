// What the page does in the browser without asking the server: texts that outlive a reload, keys, and downloads.
// Text is only ever set through textContent: nothing a user typed can become markup here.
(() => {
  "use strict";

  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  // The box on the next (step 1) or previous (-1) line that is nearest below or above the one at this place; undefined: none.
  function onLine(all, at, step) {
    const middle = (rect) => rect.left + rect.width / 2, from = all[at].getClientRects()[0];
    let best, distance = Infinity, top = null;
    for (let i = at + step; all[i]; i += step) {
      const rect = all[i].getClientRects()[0];
      if (Math.abs(rect.top - from.top) < 4) continue;
      if (top !== null && Math.abs(rect.top - top) > 4) break;
      top ??= rect.top;
      const away = Math.abs(middle(rect) - middle(from));
      if (away < distance) { distance = away; best = all[i]; }
    }
    return best;
  }

  // HTML that comes with a text, for the slots of page_parts/parts.py. As one value with the text: Gradio (6.31) takes milliseconds in
  // the browser for each component that an event changes, fifteen times a second.
  document.addEventListener("token-editor-also", (event) => {
    for (const [id, html] of Object.entries(event.detail.html ?? {})) {
      const slot = document.querySelector(`[data-slot="${id}"]`);
      if (slot && slot.drawn !== html) slot.innerHTML = slot.drawn = html; // a notice that is drawn again would be spoken again
    }
  });

  const asked = new Set();
  window.neoxjp = {
    // A text outlives a reload of the page, but not the visit, and never leaves the browser. Its name is that of its tab's links.
    keepText(id, name) {
      if (!asked.has(name)) return; // the page's own first text, before the kept one was asked for
      const { text } = this.editor(id);
      try {
        sessionStorage.setItem("neoxjp." + name, text);
        sessionStorage.setItem("neoxjp.query." + name, location.search); // of the page that it was typed on
      } catch { sessionStorage.removeItem("neoxjp." + name); }
    },
    // A link is the newer one, but not than what was typed after it was opened.
    restoreText(id, name) {
      const starting = setInterval(() => {
        const editor = this.editor(id);
        if (!editor) return;
        clearInterval(starting);
        const last = this.last(name), newer = this.linked(name) ? this.reloaded(name)[0] : last;
        if (newer !== null) editor.set(newer);
        editor.onGiven = (given) => this.reloaded(name)[0] ?? given;
        addEventListener("pagehide", () => this.keepText(id, name)); // what was typed in the last moment, too
      }, 20);
    },
    // The API of the token editor with this id: see token_editor/script/api.js.
    editor: (id) => document.getElementById(id)?.querySelector(".token-editor")?.api,
    last(name) {
      asked.add(name);
      return sessionStorage.getItem("neoxjp." + name);
    },
    onLine,
    // Of a list of elements the Tab key reaches one. `reach` moves to another; `rove` does so for the keys of the next and the
    // previous one, Home and End.
    reach(all, one) {
      if (!one) return;
      for (const other of all) other.tabIndex = other === one ? 0 : -1;
      one.focus();
    },
    rove(event, all, next, previous) {
      const at = all.indexOf(event.target), to = { [next]: at + 1, [previous]: at - 1, Home: 0, End: all.length - 1 }[event.key];
      if (at < 0 || to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.reach(all, all[to]);
    },

    // For a component whose property `file` is a file to save: page_parts/files/downloads.py.
    saveFile(watch, props) {
      watch("file", () => this.download(props.file.text, props.file.name, props.file.type));
    },
    // The event of a component of `page_parts.events.announcing`. In a lab that is closed it comes when the lab is opened.
    announce(watch, trigger, event, element) {
      watch("changed", () => window.neoxjp.lab?.postpone(element, () => trigger(event)) || trigger(event));
    },
    // The values of these sliders, at most the largest that each has now. One that is folded away keeps its value.
    withinRanges(ids, values) {
      return values.map((value, index) => {
        const range = document.getElementById(ids[index])?.querySelector("input[type=range]");
        return range ? Math.min(value, Number(range.max)) : value;
      });
    },
    download(text, name, type) {
      const link = make("a");
      link.href = URL.createObjectURL(new Blob([text], { type }));
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    },
    get language() { return document.documentElement.lang.startsWith("ja") ? "ja" : "en"; }, // of the page
    // The text of the file that is chosen in a control of chooser.py, and what became of it, in words.
    readJson(element, taken) {
      const note = element.querySelector("[role=status]");
      const { most, words } = JSON.parse(element.querySelector(".lab-file").dataset.facts);
      element.addEventListener("change", async (event) => {
        const [large, read, failed] = words[this.language];
        const input = event.target, file = input.files?.[0];
        if (!file) return;
        const say = (sentence) => { note.textContent = fill(sentence, { name: file.name, size: (file.size / 2 ** 20).toFixed(1) + " MB" }); };
        if (file.size > most) say(large);
        else {
          const text = await file.text().catch(() => null);
          say(text === null ? failed : read);
          if (text !== null) taken(text);
        }
        input.value = ""; // the same file can be chosen again
      });
    },
    // An SVG of the page as a file: as it is, or drawn into a PNG of twice its size.
    async saveDrawing(selector, name, kind) {
      const svg = document.querySelector(selector);
      if (!svg) return;
      const source = new XMLSerializer().serializeToString(svg);
      if (kind === "svg") return this.download(source, name + ".svg", "image/svg+xml");
      const picture = new Image();
      picture.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(source);
      await picture.decode();
      const canvas = Object.assign(make("canvas"), { width: 2 * picture.width, height: 2 * picture.height });
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
      this.download(await new Promise((done) => canvas.toBlob(done, "image/png")), name + ".png", "image/png");
    },
  };
})();

// What the page does in the browser without asking the server: the token view's selection, its details, and downloads.
// Text is only ever set through textContent: nothing a user typed can become markup here.
(() => {
  "use strict";

  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const hex = (text) => Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join(" ");
  const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  const bare = (piece) => Array.from(piece.childNodes).filter((node) => node.nodeName !== "SUP");

  // The user's own characters under a box: data-text where the box shows a glyph instead, else its text without the byte count.
  const surfaceOf = (piece) => piece.dataset.text ?? bare(piece).map((node) => node.textContent).join("");

  // The last table read: Gradio keeps an element and changes its attributes, so nothing may be remembered on the element.
  let last = ["", {}];
  const read = (json) => { if (last[0] !== json) last = [json, JSON.parse(json)]; return last[1]; };

  function describe(piece) {
    const view = piece.closest(".tokens");
    const words = JSON.parse(view.dataset.words);
    const entries = read(view.dataset.entries);
    const ids = piece.dataset.id.split(" ");
    const surface = surfaceOf(piece);
    const script = Object.keys(words).find((key) => piece.classList.contains(key));
    const start = Number(piece.dataset.at);
    const length = Array.from(surface).length;
    const facts = [
      [words.d_id, ids.join(" ")],
      [words.d_piece, ids.map((id) => entries[id].piece).join(" ")],
      [words.d_bytes, hex(surface)],
      [words.d_script, words[script] ?? ""],
      [words.d_kind, words["kind_" + (piece.dataset.kind ?? "word")]],
      [words.d_at, length > 1 ? `${start + 1}–${start + length}` : `${start + 1}`],
    ];
    const top = make("div", "top");
    const shown = make("span", "surface");
    shown.lang = "ja";
    shown.append(...bare(piece).map((node) => node.cloneNode(true)));
    const list = make("dl");
    for (const [term, value] of facts) {
      const row = make("div");
      row.append(make("dt", "", term), make("dd", "", ""));
      row.lastChild.append(make("code", "", value));
      list.append(row);
    }
    top.append(shown, list);
    const parts = [top];
    const mark = ["folded", "lossy"].find((name) => piece.classList.contains(name));
    if (mark) {
      const written = piece.dataset.out || words.d_nothing;
      parts.push(make("p", "note " + mark, fill(words["d_" + mark], { a: surface, b: written })));
    }
    const entry = ids.length === 1 ? entries[ids[0]] : { all: 0, spellings: [] };
    if (entry.all > 1) {
      const all = make("div", "spellings");
      all.append(make("dt", "", words.d_spellings));
      for (const spelling of entry.spellings) {
        const one = make("span", spelling === surface ? "mine" : "", spelling);
        one.title = Array.from(spelling, (character) => "U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")).join(" ");
        all.append(one);
      }
      if (entry.all > entry.spellings.length) all.append(make("small", "", fill(words.d_more, { n: entry.all - entry.spellings.length })));
      all.lang = "ja";
      parts.push(all);
    }
    return parts;
  }

  function show(view, piece) {
    const place = view.querySelector(".detail");
    place.replaceChildren(...(piece ? describe(piece) : [make("p", "hint", JSON.parse(view.dataset.words).detail_hint)]));
  }

  function select(piece, focus) {
    const view = piece.closest(".tokens");
    const old = view.querySelector('.p[aria-selected="true"]');
    if (old) { old.removeAttribute("aria-selected"); old.tabIndex = -1; }
    piece.setAttribute("aria-selected", "true");
    piece.tabIndex = 0;
    if (focus) piece.focus();
    show(view, piece);
  }

  const pieceOf = (event) => event.target.closest?.(".tokens .p");
  // "move", not "over": after another text the pointer may rest on the same element, which now is another piece.
  let pointed = null;
  document.addEventListener("pointermove", (event) => {
    const piece = pieceOf(event);
    if (!piece || event.pointerType === "touch") return;
    const view = piece.closest(".tokens");
    if (piece === pointed && !view.querySelector(".detail .hint")) return;
    pointed = piece;
    show(view, piece);
  });
  document.addEventListener("pointerout", (event) => {
    const piece = pieceOf(event);
    if (!piece || event.relatedTarget?.closest?.(".tokens .p")) return;
    const view = piece.closest(".tokens");
    pointed = null;
    show(view, view.querySelector('.p[aria-selected="true"]'));
  });
  document.addEventListener("click", (event) => {
    const piece = pieceOf(event);
    if (piece) select(piece, true);
  });
  document.addEventListener("focusin", (event) => {
    const piece = pieceOf(event);
    if (piece && piece.getAttribute("aria-selected") !== "true") select(piece, false);
  });
  document.addEventListener("keydown", (event) => {
    const piece = pieceOf(event);
    if (!piece || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = Array.from(piece.closest(".pieces").querySelectorAll(".p"));
    const at = all.indexOf(piece);
    const to = {
      ArrowRight: () => all[at + 1], ArrowLeft: () => all[at - 1], Home: () => all[0], End: () => all[all.length - 1],
      ArrowDown: () => onLine(all, at, 1), ArrowUp: () => onLine(all, at, -1),
    }[event.key]?.();
    if (to === undefined && !/^Arrow/.test(event.key)) return;
    event.preventDefault();
    if (to) select(to, true);
  });

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

  const asked = new Set();
  window.neoxjp = {
    // A text outlives a reload of the page, but not the visit, and never leaves the browser. Its name is that of its tab's links.
    keep(name, text) {
      if (!asked.has(name)) return; // the page's own first text, before the kept one was asked for
      try { sessionStorage.setItem("neoxjp." + name, text); } catch { sessionStorage.removeItem("neoxjp." + name); }
    },
    kept(name, text) {
      if (asked.has(name) || window.neoxjp.linked(name)) return text; // a link is answered by `reloaded`: see labs/share_link/page.js
      return window.neoxjp.last(name) ?? text;
    },
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

    // For a component whose property `file` is a file to save: page_parts/downloads.py.
    saveFile(watch, props) {
      watch("file", () => this.download(props.file.text, props.file.name, props.file.type));
    },
    // The event of a component of `page_parts.events.announcing`.
    announce(watch, trigger, event) {
      watch("changed", () => trigger(event));
    },
    download(text, name, type) {
      const link = make("a");
      link.href = URL.createObjectURL(new Blob([text], { type }));
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    },
    // The text of the file that is chosen in a control of chooser.py, and what became of it, in words.
    readJson(element, taken) {
      const note = element.querySelector("[role=status]");
      const { most, words } = JSON.parse(element.querySelector(".lab-file").dataset.facts);
      const [large, read, failed] = words[document.documentElement.lang.startsWith("ja") ? "ja" : "en"];
      element.addEventListener("change", async (event) => {
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

// Links to a tab and copies of the token view: to the clipboard, or to a file where the browser forbids that. The picture is drawn here,
// with the visitor's fonts and theme. Text is set through textContent, value and fillText only, never as HTML.
(() => {
  "use strict";

  const FILES = { html: ["tokens.html", "text/html"], markdown: ["tokens.md", "text/markdown"], text: ["tokens.txt", "text/plain"], png: ["tokens.png", "image/png"] };
  const NAMES = ["lab", "gen"]; // of the parameters, as in page_parts/link_address.py

  let live = () => document.querySelector("#share-link-status"); // the status line of the tab whose button was clicked last
  const words = () => JSON.parse(live().dataset.words)[window.neoxjp.language];
  function report(key, values = {}) {
    const sentence = words()[key].replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? values[name].toLocaleString("en") : values[name]));
    live().textContent = sentence;
  }

  // ---------------------------------------------------------------- the clipboard

  // Some browsers allow writing only while the click is handled, but the server answers later: a promise is written instead.
  let pending = null;
  function begin(kind) {
    const types = { html: ["text/html", "text/plain"], png: ["image/png"] }[kind] ?? ["text/plain"];
    pending?.fail?.(); // of a click that was never answered
    pending = { kind, done: null };
    const value = new Promise((settle, fail) => { pending.settle = settle; pending.fail = fail; });
    value.catch(() => {});
    if (!navigator.clipboard?.write || !window.ClipboardItem) return;
    const blobs = types.map((type) => [type, value.then((content) => (content instanceof Blob ? content : new Blob([content], { type })))]);
    for (const [, blob] of blobs) blob.catch(() => {});
    try {
      pending.done = navigator.clipboard.write([new ClipboardItem(Object.fromEntries(blobs))]).then(() => true, () => false);
    } catch { /* this browser accepts no promises: `end` writes the text */ }
  }
  async function end(value) {
    const { kind, done, settle } = pending;
    settle(value);
    if (done && (await done)) return { kind, copied: true };
    if (value instanceof Blob) return { kind, copied: false };
    return { kind, copied: (await navigator.clipboard?.writeText(value).then(() => true, () => false)) ?? false };
  }

  document.addEventListener("click", (event) => {
    const [, row, kind] = event.target.closest?.("button[id]")?.id.match(/^(share-link(?:-generate)?)-copy-(\w+)$/) ?? [];
    if (!kind) return;
    live = () => document.querySelector(`#${row}-status`);
    live().textContent = "";
    if (kind === "save") picture("save");
    else begin(kind);
    if (kind === "png") picture("png");
  }, true);

  const counted = (n, all) => ({ n, all, kind: words()["share_link_" + pending.kind] });
  async function copied({ value, n, all }) {
    if (value === undefined || !pending) { pending?.fail?.(); return; } // the page shows the error beside the button
    const link = pending.kind === "link";
    const content = link ? new URL(value, location.origin + location.pathname).href : value;
    const { kind, copied } = await end(content);
    if (link && copied) report("share_link_link_copied", { n: content.length });
    else if (link) show(content);
    else if (copied) report(n === all ? "share_link_copied" : "share_link_copied_part", counted(n, all));
    else { save(new Blob([content], { type: FILES[kind][1] }), kind); report("share_link_saved", counted(n, all)); }
  }

  function show(link) {
    report("share_link_link_shown");
    const box = document.createElement("input");
    box.readOnly = true;
    box.value = link;
    live().append(box);
    box.select();
  }

  function save(blob, kind) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = FILES[kind][0];
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  // ---------------------------------------------------------------- the picture

  const WIDTH = 960, EDGE = 24, MOST = 4_000, SCALE = 2; // CSS pixels; phones draw no canvas of more than 16 million pixels

  async function picture(kind) {
    if (kind === "save") pending = { kind };
    const { canvas, n, all } = draw(document.getElementById("tokenize-text"));
    const blob = await new Promise((give) => canvas.toBlob(give, "image/png"));
    const written = kind === "save" ? { copied: false } : await end(blob);
    if (!written.copied) save(blob, "png");
    const key = !written.copied ? "share_link_saved" : n === all ? "share_link_copied" : "share_link_copied_part";
    report(key, { n, all, kind: words().share_link_png });
  }

  function draw(view) {
    const { pieces } = view.querySelector(".token-editor").api, spans = view.querySelectorAll(".token-editor-piece");
    const style = getComputedStyle(view);
    const colour = (name) => style.getPropertyValue("--" + name).trim();
    const ids = Boolean(view.querySelector(".token-editor-ids"));
    const font = (size) => `${size}px ${style.fontFamily}`;
    const canvas = document.createElement("canvas");
    const pen = canvas.getContext("2d");
    const width = (text, size) => { pen.font = font(size); return pen.measureText(text).width; };

    // Positions first: the height is not known yet.
    const high = ids ? 43 : 27, step = high + 11, boxes = []; // height of a box without its line, and of a line
    let x = EDGE, y = EDGE, n = 0, full = false, odd = false;
    for (const [index, piece] of pieces.entries()) {
      if (!piece.ids.length) { full = true; break; } // its tokens are not shown
      const mark = piece.marks.includes("folded") ? "≈" : piece.marks.includes("lossy") ? "≠" : "", id = piece.ids.join(" ");
      const part = (text, size, more) => ({ text, size, width: width(text, size), ...more });
      const parts = [part(piece.sign || piece.content, 18, { pale: Boolean(piece.sign) })];
      if (mark) parts.unshift(part(mark, 11, { pale: true, mark: true }));
      if (piece.ids.length > 1) parts.push(part(String(piece.ids.length), 10, { raised: true }));
      const wide = Math.max(parts.reduce((sum, part) => sum + part.width, 0), ids ? width(id, 10) : 0) + 6;
      if (x + wide > WIDTH - EDGE && x > EDGE) { x = EDGE; y += step; }
      if (y + step > MOST - 4 * EDGE) { full = true; break; }
      boxes.push({ mark, id, script: getComputedStyle(spans[index]).getPropertyValue("--script"), double: piece.marks.includes("symbol"), parts, x, y, wide, odd });
      n += piece.ids.length;
      odd = !odd;
      x += wide + 1;
      if (piece.content.includes("\n")) { x = EDGE; y += step; }
    }
    const all = Number(document.querySelector("#tokenize-legend .legend").dataset.all);
    const legend = Array.from(document.querySelectorAll("#tokenize-legend .key"), (key) => ({ sign: getComputedStyle(key, "::before").content.replace(/^"|"$|^none$|^normal$/g, ""), text: key.textContent, line: getComputedStyle(key) }));
    const caption = n === all ? document.querySelector("#tokenize-legend .legend").dataset.caption : words().share_link_part.replace("{n}", n.toLocaleString("en")).replace("{all}", all.toLocaleString("en"));
    const notes = [{ sign: "", text: caption }, ...legend];
    let noteX = EDGE, noteY = y + step + (x > EDGE || full ? 8 : 0);
    for (const note of notes) {
      const wide = width(note.sign + note.text, 13);
      if (noteX + wide > WIDTH - EDGE && noteX > EDGE) { noteX = EDGE; noteY += 26; }
      Object.assign(note, { x: noteX, y: noteY, wide });
      noteX += wide + 18;
    }

    canvas.width = WIDTH * SCALE;
    canvas.height = (noteY + 26 + EDGE / 2) * SCALE;
    pen.scale(SCALE, SCALE);
    pen.fillStyle = colour("card");
    pen.fillRect(0, 0, WIDTH, canvas.height);
    pen.textBaseline = "alphabetic";
    for (const box of boxes) {
      const { parts, x, y, wide } = box;
      pen.fillStyle = colour(box.odd ? "piece-b" : "piece-a");
      pen.beginPath();
      pen.roundRect(x, y, wide, high + 3, 3);
      pen.fill();
      pen.fillStyle = colour("piece-edge");
      pen.fillRect(x + wide - 1, y + 1, 1, high - 1);
      pen.fillStyle = box.script;
      for (const [from, thick] of box.double ? [[0, 1], [2, 1]] : [[0, 3]]) pen.fillRect(x, y + high + from, wide, thick);
      let at = x + 3;
      for (const part of parts) {
        pen.font = font(part.size);
        pen.fillStyle = colour(part.pale || part.raised ? "ink-2" : "ink");
        pen.fillText(part.text, at, y + (part.raised ? 13 : 20));
        if (!part.mark && !part.raised && box.mark) underline(pen, at, y + 24, part.width, box.mark === "≠");
        at += part.width;
      }
      if (!ids) continue;
      pen.font = font(10);
      pen.fillStyle = colour("ink-2");
      pen.fillText(box.id, x + (wide - pen.measureText(box.id).width) / 2, y + 39);
    }
    pen.font = font(13);
    for (const note of notes) {
      pen.fillStyle = colour("ink-2");
      pen.fillText(note.sign + note.text, note.x, note.y + 13);
      if (!note.line || note.sign) continue;
      pen.fillStyle = note.line.borderBottomColor;
      pen.fillRect(note.x, note.y + 18, note.wide, 3);
    }
    return { canvas, n, all };
  }

  function underline(pen, x, y, width, wavy) {
    pen.strokeStyle = pen.fillStyle;
    pen.lineWidth = wavy ? 1.2 : 1.6;
    pen.setLineDash(wavy ? [] : [1.6, 2]);
    pen.beginPath();
    pen.moveTo(x, y);
    if (wavy) for (let i = 1; i <= width; i += 1) pen.lineTo(x + i, y + 1.3 * Math.sin((i * Math.PI) / 3));
    else pen.lineTo(x + width, y);
    pen.stroke();
    pen.setLineDash([]);
  }

  // ---------------------------------------------------------------- a page that was opened by a link

  const given = new URLSearchParams(location.search);
  const linked = (name) => given.has(name);
  const come = () => document.documentElement.classList.remove("share-link-arriving");
  if (NAMES.some(linked)) { // hide the default text until the link's own is there
    document.documentElement.classList.add("share-link-arriving");
    setTimeout(come, 10_000);
  }
  Object.assign(window.neoxjp, {
    copied,
    arrived(name) { if (linked(name)) come(); },
    linked,
    // A link replaces the text that the browser kept, but not what was typed after the link was opened.
    reloaded(name) {
      if (!linked(name)) return [null];
      const last = window.neoxjp.last(name), again = ["reload", "back_forward"].includes(performance.getEntriesByType("navigation")[0]?.type);
      return [again && sessionStorage.getItem("neoxjp.query." + name) === location.search ? last : null];
    },
  });
})();

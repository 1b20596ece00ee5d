// Which token the section "this token" looks at: `js_on_load` of its drawing, so `element` is given. The text above is written.js.
const written = () => window.neoxjp.written;

window.neoxjp.ledger = {
  // The position, from 1, of the piece that is chosen above; undefined: none, or nobody looks.
  chosen() {
    const at = written()?.chosen;
    return element.offsetParent && at != null ? at + 1 : undefined;
  },

  // The same when the section is just being opened.
  taken() {
    const at = written()?.chosen;
    return at == null ? undefined : at + 1;
  },

  step(by) {
    const shown = element.querySelector(".xl");
    if (!shown) return undefined;
    const at = Math.max(1, Math.min(Number(shown.dataset.count), Number(shown.dataset.place) + 1 + by));
    this.mark(at);
    return at;
  },

  mark(at) {
    written()?.mark(at - 1);
  },
};

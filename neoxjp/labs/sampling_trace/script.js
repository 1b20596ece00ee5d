// Which token the section shows: `js_on_load` of its drawing, so `element` is given. The text above is ui/generate.js.
window.neoxjp.samplingTrace = {
  // The position, from 1, of the token selected above; undefined where none is, or while the section is hidden.
  visibleSelection() {
    return element.offsetParent ? this.selection() : undefined;
  },

  selection() {
    const { position = null, generated = null } = window.neoxjp.selection ?? {};
    element.toggleAttribute("data-prompt-selected", position !== null && generated === null);
    return generated === null ? undefined : generated + 1;
  },

  step(by) {
    const shown = element.querySelector(".sampling-trace");
    if (!shown) return undefined;
    const at = Math.max(1, Math.min(Number(shown.dataset.count), Number(shown.dataset.position) + 1 + by));
    this.select(at);
    return at;
  },

  select(at) {
    if (at >= 1) window.neoxjp.selection?.selectGenerated(at - 1); // an empty field selects nothing
  },
};

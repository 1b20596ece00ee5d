// The token that is selected in the text above is the one that is explained: `js_on_load` of the explanation.
let adopted = null; // position (from 1) that was last taken over from the text above

window.neoxjp.whyThisCut = {
  // The position of the token that was selected above since the last call, else the given one.
  taken(at) {
    const start = window.neoxjp.editor("tokenize-text")?.start ?? null;
    if (start === null || start + 1 === adopted || !element.offsetParent) return at;
    return (adopted = start + 1);
  },

  // To the next token (1) or the one before (-1).
  step(by) {
    const editor = window.neoxjp.editor("tokenize-text");
    if (editor.start === null) editor.selectStart(Number(element.querySelector("[data-at]")?.dataset.at ?? 0));
    editor.step(by);
  },

  // A position that was entered here, or that a link had: its token is selected above.
  follow(at) {
    if (at === adopted || !element.offsetParent) return;
    adopted = at;
    window.neoxjp.editor("tokenize-text").selectStart(at - 1);
  },
};

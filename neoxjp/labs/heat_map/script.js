// The coloured text and the text of the tab: `js_on_load` of what is below the coloured text.
const coloured = () => window.neoxjp.editor("heat-map-text"), above = () => window.neoxjp.editor("generate-text");
const follow = (to, from) => {
  if (to && from && to.text === from.text && from.start !== null) to.selectStart(from.start);
};
window.neoxjp.heatMap = {
  lead() { follow(above(), coloured()); },
  follow() { follow(coloured(), above()); },
};
// An entry of the list leads to its token.
element.addEventListener("click", (event) => {
  const go = event.target.closest("[data-go]");
  if (go) coloured().open(Number(go.dataset.go));
});

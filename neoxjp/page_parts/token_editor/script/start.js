// Start: what the component gives is shown, and watched.

root.api = api;
paint.append(make("br"));
watch(Object.keys({ patch: 0 }), () => {
  known = true;
  receive({ patch: props.patch, prompt: props.prompt });
}); // a quoted name would be an event to Gradio (6.31)
watch(Object.keys({ details: 0 }), () => props.details && learn(props.details));
function give() {
  if (!props.given) return;
  const [given] = JSON.parse(props.given);
  api.set(api.onGiven ? api.onGiven(given) : given); // a page may have a newer text
}
watch(Object.keys({ given: 0 }), give);
looks();
watch(Object.keys({ ids: 0 }), looks);
name();
new MutationObserver(() => { // what is known about a token was said in the other language
  for (const piece of pieces) delete piece.details;
  close();
  name();
}).observe(document.documentElement, { attributeFilter: ["lang"] });
if (props.patch) receive({ patch: props.patch, prompt: props.prompt });
if (field.value !== fixed.start && revision < 0) {
  field.value = fixed.start;
  cover();
}
give(); // what came before this script ran
call("edit", { text: field.value });

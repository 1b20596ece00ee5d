// The file of branches: `js_on_load` of its chooser. It is read here and sent as text; the one to save comes as a property.
window.neoxjp.readJson(element, (text) => trigger("select", { text }));
watch(Object.keys({ saved: 0 }), () => window.neoxjp.download(props.saved.text, "neoxjp-branches.json", "application/json"));

// The file of branches: `js_on_load` of its chooser, so `element` and `trigger` are given. It is read here and sent as text.
window.neoxjp.readJson(element, (text) => trigger("select", { text }));

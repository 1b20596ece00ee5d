// The switches of language and theme: `js_on_load` of their component, so `element` and `trigger` are given. `first.js` keeps the
// choice; `change` comes when the page is shown in another language, for what the server has written.
const root = document.documentElement, theme = element.querySelector("#switch-theme");
const languages = Array.from(element.querySelectorAll("[data-language]"));

function show() {
  const japanese = window.neoxjp.language === "ja";
  for (const button of languages) button.setAttribute("aria-pressed", (button.lang === "ja") === japanese);
  theme.setAttribute("aria-pressed", document.body.classList.contains("dark"));
  theme.title = theme.querySelector(japanese ? ".only-ja" : ".only-en").textContent;
}

// Gradio's labels: its settings use this function of its module `core`. Where a later Gradio has no such function, the page is
// loaded anew; the text outlives that.
async function changeLabels(language) {
  const addresses = [...document.querySelectorAll("link[rel=modulepreload]"), ...performance.getEntriesByType("resource")];
  const core = addresses.map(({ href, name }) => href || name).find((address) => /\/assets\/core-[\w-]+\.js$/.test(address));
  try {
    (await import(core)).changeLocale(language);
  } catch {
    location.reload();
  }
}

element.addEventListener("click", async (event) => {
  const { language } = event.target.closest("button")?.dataset ?? {};
  if (event.target.closest("#switch-theme")) neoxjpChoice.set("theme", document.body.classList.contains("dark") ? "light" : "dark");
  else if (language && !root.lang.startsWith(language)) {
    neoxjpChoice.set("language", language);
    await changeLabels(language);
    trigger("change");
  }
});
new MutationObserver(show).observe(root, { attributeFilter: ["lang"] });
new MutationObserver(show).observe(document.body, { attributeFilter: ["class"] });
show();

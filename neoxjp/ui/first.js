// Runs before anything is drawn: what the visitor has chosen with the switches in the head, which `switches.js` changes. Without a
// choice the browser's language and theme count.
//
// It also makes the page open faster: see `Events`.
//
// Gradio (6.31) reads the language from `navigator.language` and sets the class "dark" of the body; the server reads Accept-Language.
(() => {
  "use strict";

  const read = (name) => { try { return localStorage.getItem("neoxjp." + name); } catch { return null; } };
  const choice = window.neoxjpChoice = {
    read,
    language: read("language"), // "ja", "en"; null: the browser's
    theme: read("theme"), // "light", "dark"; null: the address (`?__theme=`) or the browser's
    set(name, value) {
      choice[name] = value;
      try { localStorage.setItem("neoxjp." + name, value); } catch { /* then the choice ends with the page */ }
      if (name === "theme") follow();
    },
  };

  const browsers = navigator.language;
  Object.defineProperty(navigator, "language", { configurable: true, get: () => choice.language ?? browsers });
  const ask = window.fetch;
  window.fetch = (address, options = {}) => { // the page asks no other site
    if (!choice.language) return ask(address, options);
    const headers = new Headers(options.headers ?? (address instanceof Request ? address.headers : {}));
    headers.set("Accept-Language", choice.language);
    return ask(address, { ...options, headers });
  };

  // Gradio looks through the events of the page once for each component, 200,000 looks. Svelte puts a proxy around each array, which
  // makes that take half a second; but not around an array of a class.
  class Events extends Array {}
  let config;
  Object.defineProperty(window, "gradio_config", {
    configurable: true,
    get: () => config,
    set(given) {
      config = given;
      if (Array.isArray(given?.dependencies)) Object.setPrototypeOf(given.dependencies, Events.prototype);
    },
  });

  const root = document.documentElement;
  function follow() {
    if (!choice.theme) return;
    root.style.colorScheme = choice.theme; // of the window, also before there is a style
    if (document.body && document.body.classList.contains("dark") !== (choice.theme === "dark")) document.body.classList.toggle("dark");
  }
  follow();
  // Gradio sets the browser's theme when it starts, and when that changes: an observer answers before it is drawn.
  new MutationObserver((_, waiting) => {
    if (!document.body) return;
    waiting.disconnect();
    follow();
    new MutationObserver(follow).observe(document.body, { attributeFilter: ["class"] });
  }).observe(root, { childList: true });
  if (choice.theme) { // the background that Gradio's HTML has, by the choice instead of the browser's theme
    const style = document.createElement("style"), dark = choice.theme === "dark" ? "-dark" : "";
    style.textContent = `html body { background: var(--bg${dark}); color: var(--col${dark}); }`;
    document.head.append(style);
  }
})();

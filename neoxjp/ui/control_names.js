// Japanese names for Gradio's own controls on a Japanese page. Gradio translates what is written on the page, but not every name that
// only a screen reader or a tooltip says: "range slider for 温度", "Reset to default value". Exactly the names in this table are
// replaced, and brought back when the page becomes English; where a later Gradio has Japanese names of its own, nothing happens.
(() => {
  "use strict";

  const NAMES = [
    [/^number input for (.*)$/s, "$1（数値）"],
    [/^range slider for (.*)$/s, "$1（スライダー）"],
    [/^Number$/, "数値"],
    [/^Reset to default value$/, "初期値に戻す"],
    [/^More tabs$/, "ほかのタブ"],
    [/^Copy$/i, "コピー"],
    [/^Copied!?$/i, "コピーしました"],
    [/^Clear$/i, "消去"],
    [/^(Close|Dismiss)$/, "閉じる"],
    [/^Remove this file$/, "ファイルを外す"],
    [/^View full screen$/, "全画面で表示"],
    [/^Loading Progress$/, "読み込みの進み具合"],
    [/^Gradio footer navigation$/, "ページの下のメニュー"],
    [/^Stop Recording$/, "録画を停止"],
  ];
  const ATTRIBUTES = ["aria-label", "title", "alt"];
  const replaced = new WeakMap(); // element → { attribute: [English name, Japanese name] }

  function rename(element) {
    for (const attribute of ATTRIBUTES) {
      const name = element.getAttribute(attribute);
      const found = name && NAMES.find(([english]) => english.test(name));
      if (!found) continue;
      element.setAttribute(attribute, name.replace(...found));
      replaced.set(element, { ...replaced.get(element), [attribute]: [name, element.getAttribute(attribute)] });
    }
    // The tooltip of a choice is its value in code ("bytes"); the label beside it says the same in the visitor's language.
    if (element.matches("label > input[title]")) element.removeAttribute("title");
  }

  function bringBack(element) {
    for (const [attribute, [english, japanese]] of Object.entries(replaced.get(element) ?? {})) {
      if (element.getAttribute(attribute) === japanese) element.setAttribute(attribute, english);
    }
  }

  function renameAll(root) {
    rename(root);
    for (const element of root.querySelectorAll("[aria-label], [title], [alt]")) rename(element);
  }

  function start() {
    // Gradio sets the language of the page when it starts, and writes a name anew when the label changes.
    const japanese = () => window.neoxjp.language === "ja";
    new MutationObserver((changes) => {
      if (!japanese()) {
        const changed = changes.some(({ target }) => target === document.documentElement);
        if (changed) for (const element of document.querySelectorAll("[aria-label], [title], [alt]")) bringBack(element);
        return;
      }
      for (const { type, target, addedNodes } of changes) {
        if (type === "attributes") target === document.documentElement ? renameAll(document.body) : rename(target);
        else for (const node of addedNodes) if (node.nodeType === Node.ELEMENT_NODE) renameAll(node);
      }
    }).observe(document.documentElement, { subtree: true, childList: true, attributes: true, attributeFilter: [...ATTRIBUTES, "lang"] });
    if (japanese()) renameAll(document.body);
  }

  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start);
})();

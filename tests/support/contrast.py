"""Which text on the page is too faint to read: computed styles against WCAG's 4.5:1, or 3:1 where it is large."""

from typing import Any


def low_contrast(page: Any) -> list[str]:
    """Each visible text under its bound, as "ratio element text". Disabled controls are exempt, as WCAG has it.

    What is faint only while it fades in is waited for.
    """
    for _ in range(20):
        found: list[str] = page.evaluate(SCRIPT)
        if not found:
            break
        page.wait_for_timeout(250)
    return found


SCRIPT = r"""() => {
  const parse = (color) => {
    const [r, g, b, a = 1] = (color.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
    return color.startsWith("color(srgb") ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const linear = (v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const chain = (element) => { const all = []; for (let e = element; e; e = e.parentElement) all.unshift(e); return all; };
  const low = new Set();
  const walk = document.createTreeWalker(document.querySelector(".gradio-container"), NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.data.trim(), element = walk.currentNode.parentElement;
    if (!text || element.closest(".sr, [disabled], style, script")) continue;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const parents = chain(element), style = getComputedStyle(element);
    const ground = parents.reduce((below, e) => over(parse(getComputedStyle(e).backgroundColor), below), [255, 255, 255]);
    const opacity = parents.reduce((product, e) => product * Number(getComputedStyle(e).opacity), 1);
    const [r, g, b, a] = parse(style.color);
    const [dark, bright] = [luminance(over([r, g, b, a * opacity], ground)), luminance(ground)].sort((x, y) => x - y);
    const ratio = (bright + 0.05) / (dark + 0.05), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) low.add(`${ratio.toFixed(2)} ${element.tagName}.${element.className} ${text.slice(0, 20)}`);
  }
  return [...low];
}"""

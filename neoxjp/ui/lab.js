// The lab of the Generate tab where it is no column: a drawer from the right, on a phone a sheet from the bottom. The text stays in use
// beside it, so nothing behind it is inert. `js_on_load` of the lab's own head line.
const panel = document.getElementById("generate-lab"), opener = () => document.getElementById("lab-open");
const narrow = matchMedia("(max-width: 1199px)");
const waiting = new Map(); // heading of a section → its event that came while the lab was closed

const closed = () => narrow.matches && panel.dataset.open === undefined;
window.neoxjp.lab = {
  // Whether an event of this element is kept until the lab is opened.
  postpone(heading, event) {
    if (!panel.contains(heading) || !closed()) return false;
    waiting.set(heading, event);
    return true;
  },
  open() {
    if (!closed()) return;
    panel.dataset.open = "";
    opener().setAttribute("aria-expanded", "true");
    panel.querySelector('[role="tab"][aria-selected="true"]')?.focus({ preventScroll: true });
    catchUp();
  },
  close() {
    if (panel.dataset.open === undefined) return;
    const inside = panel.contains(document.activeElement) || document.activeElement === document.body;
    delete panel.dataset.open;
    opener().setAttribute("aria-expanded", "false");
    if (inside && narrow.matches) opener().focus({ preventScroll: true });
  },
};
function catchUp() {
  const events = Array.from(waiting.values());
  waiting.clear();
  for (const event of events) event();
}
narrow.addEventListener("change", () => closed() || catchUp());

panel.setAttribute("role", "region");
panel.setAttribute("aria-labelledby", "lab-name");
document.addEventListener("click", (event) => {
  if (event.target.closest?.("#lab-close")) window.neoxjp.lab.close();
  else if (event.target.closest?.("#lab-open")) closed() ? window.neoxjp.lab.open() : window.neoxjp.lab.close();
});
// In the lab Esc closes it. Elsewhere it first stops a text that is being written.
panel.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing || !narrow.matches || event.target.getAttribute("aria-expanded") === "true") return;
  event.stopPropagation();
  window.neoxjp.lab.close();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing && narrow.matches && document.getElementById("generate-stop")?.disabled) window.neoxjp.lab.close();
});

// The opener names the open section.
const tabs = () => panel.querySelector('[role="tablist"]');
function name() {
  const place = opener()?.querySelector("b + span"), open = panel.querySelector('[role="tab"][aria-selected="true"]');
  if (place && open) place.textContent = open.textContent.trim();
}
const starting = setInterval(() => {
  if (!opener() || !tabs()) return;
  clearInterval(starting);
  new MutationObserver(name).observe(tabs(), { subtree: true, childList: true, characterData: true, attributeFilter: ["aria-selected"] });
  name();
  // On a phone the buttons are a bar at the bottom of the window; the sheet and the end of the page leave room for it.
  const bar = document.getElementById("generate-buttons");
  new ResizeObserver(() => {
    const fixed = bar.offsetHeight && getComputedStyle(bar).position === "fixed";
    document.documentElement.style.setProperty("--generate-bar", fixed ? `${bar.offsetHeight}px` : "");
  }).observe(bar);
}, 20);

// The strip of the section "why this cut": `js_on_load` of that component, so `element`, `trigger` and `watch` are given.
// The strip's HTML does not say which token is chosen; that is marked here, so that a step leaves the strip as it is.
const boxes = () => Array.from(element.querySelectorAll(".w-strip .p"));
const chosen = () => Number(document.querySelector("#w-place .why")?.dataset.at ?? 0);
const atOf = (box) => Number(box.dataset.at);
let held = false; // the chosen token had the focus when the strip was drawn anew
let adopted = null; // the piece of the view above that was taken over last: [its text's pieces, its place]

const why = {
  wanted: 1,

  // Choose the token at a character, counted from 0; the section counts from 1.
  go(at) {
    why.wanted = at + 1;
    trigger("select", { at });
  },

  // The place of the token so many steps away, for the position field.
  step(by) {
    const all = boxes(), now = all.findIndex((box) => atOf(box) === chosen());
    if (all[now + by]) return atOf(all[now + by]) + 1;
    const page = Array.from(element.querySelectorAll("[data-go]")).find((button) => Math.sign(Number(button.dataset.go) - chosen()) === by);
    return page ? Number(page.dataset.go) + 1 : undefined;
  },

  // A piece that was selected in the view above since the last time, else the place as it is.
  taken(at) {
    const piece = document.querySelector('#t-view .p[aria-selected="true"]');
    const place = piece?.dataset.at ?? null;
    if (place === null || place === adopted) return at;
    adopted = place;
    return Number(place) + 1;
  },

  mark() {
    const at = chosen();
    for (const box of boxes()) {
      const mine = atOf(box) === at;
      box.tabIndex = mine ? 0 : -1;
      if (mine) box.setAttribute("aria-selected", "true"); else box.removeAttribute("aria-selected");
      if (!mine) continue;
      if (held && !document.activeElement?.matches("input, textarea")) box.focus({ preventScroll: true });
      const strip = box.parentElement, top = box.offsetTop - strip.offsetTop; // scroll the strip, never the page
      if (top < strip.scrollTop || top + box.offsetHeight > strip.scrollTop + strip.clientHeight) strip.scrollTop = top - strip.clientHeight / 2;
    }
  },
};
window.neoxjp.why = why;

element.addEventListener("click", (event) => {
  const box = event.target.closest(".w-strip .p, [data-go]");
  if (!box) return;
  if (box.dataset.at) box.focus({ preventScroll: true });
  why.go(Number(box.dataset.at ?? box.dataset.go));
});
element.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !event.target.matches(".w-strip .p")) return;
  const all = boxes(), now = all.indexOf(event.target);
  const to = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const box = to ? all[now + to] : { Home: all[0], End: all[all.length - 1] }[event.key];
  if (!to && !box) return;
  event.preventDefault();
  if (box) {
    box.focus({ preventScroll: true });
    why.go(atOf(box));
  } else {
    const place = why.step(to);
    if (place !== undefined) why.go(place - 1);
  }
});
// While the section is open, a piece chosen in the view above is explained at once.
document.addEventListener("focusin", (event) => {
  held = event.target.matches?.("#w-strip .p") ?? false; // nothing tells that the focus is lost because the strip was drawn anew
  const piece = event.target.closest?.("#t-view .p");
  if (!piece || !element.offsetParent) return;
  adopted = piece.dataset.at;
  why.go(Number(piece.dataset.at));
});
watch("value", () => why.mark());

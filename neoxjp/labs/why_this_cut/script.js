// The tokens to choose from: `js_on_load` of that component, which defines `element`, `trigger` and `watch`.
// The chosen token is marked here, not in the HTML, so that the HTML stays the same from token to token.
const boxes = () => Array.from(element.querySelectorAll(".why-this-cut-strip .p"));
const chosen = () => Number(document.querySelector("#why-this-cut-place .why-this-cut-place")?.dataset.at ?? 0);
const atOf = (box) => Number(box.dataset.at);
let focused = false; // the chosen token had the focus before the strip was drawn again
let adopted = null; // position of the token that was last taken over from the view above

const why = {
  wanted: 1,

  // Choose the token at a character, counted from 0; the section counts from 1.
  go(at) {
    why.wanted = at + 1;
    trigger("select", { at });
  },

  // The position (from 1) of the token `by` steps away; undefined: there is none.
  step(by) {
    const all = boxes(), now = all.findIndex((box) => atOf(box) === chosen());
    if (all[now + by]) return atOf(all[now + by]) + 1;
    const page = Array.from(element.querySelectorAll("[data-go]")).find((button) => Math.sign(Number(button.dataset.go) - chosen()) === by);
    return page ? Number(page.dataset.go) + 1 : undefined;
  },

  // The position of a token that was selected in the view above since the last call, else the given one.
  taken(at) {
    const piece = document.querySelector('#tokenize-view .p[aria-selected="true"]');
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
      if (focused && !document.activeElement?.matches("input, textarea")) box.focus({ preventScroll: true });
      const strip = box.parentElement, top = box.offsetTop - strip.offsetTop; // scroll the strip, not the page
      if (top < strip.scrollTop || top + box.offsetHeight > strip.scrollTop + strip.clientHeight) strip.scrollTop = top - strip.clientHeight / 2;
    }
  },
};
window.neoxjp.whyThisCut = why;

element.addEventListener("click", (event) => {
  const box = event.target.closest(".why-this-cut-strip .p, [data-go]");
  if (!box) return;
  if (box.dataset.at) box.focus({ preventScroll: true });
  why.go(Number(box.dataset.at ?? box.dataset.go));
});
element.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !event.target.matches(".why-this-cut-strip .p")) return;
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
// While the section is open, a token that is selected in the view above is explained at once.
document.addEventListener("focusin", (event) => {
  focused = event.target.matches?.("#why-this-cut-strip .p") ?? false; // drawing again removes the focus without an event
  const piece = event.target.closest?.("#tokenize-view .p");
  if (!piece || !element.offsetParent) return;
  adopted = piece.dataset.at;
  why.go(Number(piece.dataset.at));
});
watch("value", () => why.mark());

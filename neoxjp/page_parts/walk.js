// Boxes that arrow keys walk: `js_on_load` of a component with a `.walk` of [role=option] and a `.lab-facts`, which shows the facts
// of the box under the pointer: its aria-label, that is a name, a newline, the rest. The boxes of a tree also have data-step and,
// except for the first ones, data-parent.
const boxes = (walk) => Array.from(walk.querySelectorAll('[role="option"]'));
const boxOf = (event) => event.target.closest?.('.walk [role="option"]');
const chosen = (walk) => walk?.querySelector('[aria-selected="true"]');

function showFacts(box, walk) {
  const place = walk.closest(".prose, .html-container, div[id]")?.querySelector(".lab-facts") ?? element.querySelector(".lab-facts");
  if (!place) return;
  if (!box) { place.textContent = place.dataset.hint; return; }
  const [name, ...rest] = box.getAttribute("aria-label").split("\n");
  const shown = document.createElement("bdi");
  shown.lang = "ja";
  shown.textContent = name;
  const facts = document.createElement("span");
  facts.textContent = rest.join(" ");
  place.replaceChildren(shown, facts);
}

function choose(box, focus) {
  const walk = box.closest(".walk"), old = chosen(walk);
  for (const other of walk.querySelectorAll('[tabindex="0"]')) other.setAttribute("tabindex", "-1");
  old?.removeAttribute("aria-selected");
  box.setAttribute("aria-selected", "true");
  box.setAttribute("tabindex", "0");
  if (focus) box.focus({ preventScroll: true });
  if (focus) box.scrollIntoView({ block: "nearest", inline: "nearest" });
  showFacts(box, walk);
}

function target(box, key) {
  const all = boxes(box.closest(".walk")), at = all.indexOf(box);
  if (key === "Home") return all[0];
  if (key === "End") return all[all.length - 1];
  if (box.dataset.step === undefined) {
    if (key === "ArrowRight" || key === "ArrowLeft") return all[at + (key === "ArrowRight" ? 1 : -1)];
    return window.neoxjp.onLine(all, at, key === "ArrowDown" ? 1 : -1);
  }
  if (key === "ArrowLeft") return all.find((other) => other.dataset.node === box.dataset.parent);
  if (key === "ArrowRight") return all.find((other) => other.dataset.parent === box.dataset.node);
  const next = all[at + (key === "ArrowDown" ? 1 : -1)];
  return next?.dataset.step === box.dataset.step ? next : undefined;
}

let pointer = ""; // where it was: what scrolls away under a resting pointer is not pointed at
element.addEventListener("pointermove", (event) => {
  const box = boxOf(event), now = `${event.screenX} ${event.screenY}`;
  if (now === pointer) return;
  pointer = now;
  if (box && event.pointerType !== "touch") showFacts(box, box.closest(".walk"));
});
element.addEventListener("pointerout", (event) => {
  const box = boxOf(event);
  if (box && !event.relatedTarget?.closest?.('.walk [role="option"]')) showFacts(chosen(box.closest(".walk")), box.closest(".walk"));
});
element.addEventListener("click", (event) => {
  const box = boxOf(event), place = event.target.closest?.("[data-go]")?.dataset.go; // of a button in a list beside the boxes
  if (box) choose(box, true);
  else if (place !== undefined) choose(boxes(element.querySelector(".walk"))[Number(place)], true);
});
element.addEventListener("focusin", (event) => {
  const box = boxOf(event);
  if (box && box.getAttribute("aria-selected") !== "true") choose(box, false);
});
element.addEventListener("keydown", (event) => {
  const box = boxOf(event);
  if (!box || event.ctrlKey || event.metaKey || event.altKey || !/^(Arrow(Left|Right|Up|Down)|Home|End)$/.test(event.key)) return;
  event.preventDefault();
  const to = target(box, event.key);
  if (to) choose(to, true);
});

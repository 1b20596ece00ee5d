// All heads as small pictures, after walk.js: drawn from the rows in data-rows, sorted by a score, a page at a time. A press or
// Enter on one shows its weights. A row is layer, head, the five scores, and the picture: a digit 0 to 5 (colour) for each cell of
// the lower triangle.
const TILES = 48; // on one page: drawing 1,024 would be slow
const KEYS = ["layer", "head", "itself", "previous", "first", "induction", "entropy"];
const SHARES = ["itself", "previous", "first", "induction"];
const order = { by: "layer", reversed: false, page: 0 };
let rows = [], words = {}, open = ""; // the head whose weights are shown, "3 0"

const grid = () => element.querySelector(".inside-heads");
const score = (row, name) => row[KEYS.indexOf(name)];
const share = (value) => (value === null ? "–" : `${(100 * value).toFixed(1)} %`);
const short = (value) => (value >= 0.0995 ? `${Math.round(100 * value)} %` : share(value)); // for the narrow tile
const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);

const rising = () => (order.by === "layer" || order.by === "entropy") !== order.reversed;
function sorted() {
  if (order.by === "layer") return rising() ? rows : [...rows].reverse();
  const sign = rising() ? 1 : -1, worth = (row) => score(row, order.by) ?? sign * 1e9; // without a score: last
  return [...rows].sort((one, other) => sign * (worth(one) - worth(other)));
}

function paint(canvas, digits) {
  const size = (Math.sqrt(8 * digits.length + 1) - 1) / 2, style = getComputedStyle(element);
  const colours = [0, 1, 2, 3, 4, 5].map((level) => style.getPropertyValue(`--inside-cell-${level}`));
  canvas.width = canvas.height = size;
  const pen = canvas.getContext("2d");
  let at = 0;
  for (let y = 0; y < size; y++) for (let x = 0; x <= y; x++) {
    pen.fillStyle = colours[digits[at++]];
    pen.fillRect(x, y, 1, 1);
  }
}

function tile(row) {
  const made = element.querySelector("template").content.firstElementChild.cloneNode(true);
  const [layer, head] = row;
  const strongest = SHARES.reduce((best, name) => (score(row, name) > score(row, best) ? name : best));
  const name = SHARES.includes(order.by) ? order.by : strongest;
  const entropy = score(row, "entropy") === null ? "–" : score(row, "entropy").toFixed(2);
  const facts = Object.fromEntries(SHARES.map((each) => [each, share(score(row, each))]));
  made.dataset.head = `${layer} ${head}`;
  made.setAttribute("aria-label", `${fill(words.name, { layer, head })}\n${fill(words.facts, { ...facts, entropy })}`);
  made.querySelector("b").dataset.text = `${layer}·${head}`;
  made.querySelector("small").dataset.text = order.by === "entropy" ? entropy : short(score(row, name));
  if (order.by === "layer") made.querySelector("em").dataset.text = words[name];
  const bar = order.by === "entropy" ? score(row, "entropy") / Math.max(...rows.map((each) => score(each, "entropy"))) : score(row, name);
  made.querySelector("i").style.width = `${100 * (bar || 0)}%`;
  paint(made.querySelector("canvas"), row.at(-1));
  return made;
}

function draw() {
  const found = sorted(), pages = Math.ceil(found.length / TILES), focused = grid().contains(document.activeElement);
  const start = order.page * TILES, end = Math.min(start + TILES, found.length);
  grid().replaceChildren(...found.slice(start, end).map(tile));
  grid().firstElementChild?.setAttribute("tabindex", "0");
  const line = element.querySelector(".inside-pages");
  line.hidden = pages < 2;
  line.querySelector("span").textContent = fill(words.range, { start: start + 1, end, all: found.length.toLocaleString("en") });
  line.querySelector('[data-page="-1"]').disabled = !order.page;
  line.querySelector('[data-page="1"]').disabled = order.page === pages - 1;
  for (const button of element.querySelectorAll("[data-sort]")) {
    button.setAttribute("aria-pressed", button.dataset.sort === order.by);
    button.classList.toggle("inside-rising", rising());
  }
  for (const means of element.querySelectorAll(".inside-means")) means.hidden = means.dataset.of !== order.by;
  mark();
  if (focused) grid().firstElementChild.focus({ preventScroll: true });
}

function mark() {
  for (const each of grid()?.children ?? []) each.classList.toggle("inside-open", each.dataset.head === open);
}

function read() {
  if (!grid()) return;
  rows = JSON.parse(grid().dataset.rows);
  words = JSON.parse(grid().dataset.words);
  order.page = 0;
  draw();
}

function press(box) {
  window.neoxjp.insideHeads.pressed = box.dataset.head.split(" ").map(Number);
  window.neoxjp.inside.reveal = true;
  trigger("select");
}

element.addEventListener("click", (event) => {
  const sort = event.target.closest("[data-sort]")?.dataset.sort, turn = event.target.closest("[data-page]")?.dataset.page;
  const box = boxOf(event);
  if (box) press(box);
  else if (sort) {
    order.reversed = sort === order.by && !order.reversed;
    order.by = sort;
    order.page = 0;
    draw();
  } else if (turn) {
    order.page += Number(turn);
    draw();
  }
});
element.addEventListener("keydown", (event) => {
  const box = boxOf(event);
  if (box && (event.key === "Enter" || event.key === " ") && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    press(box);
  }
});
new MutationObserver(() => grid() && draw()).observe(document.body, { attributes: true, attributeFilter: ["class"] }); // the theme
window.neoxjp.insideHeads = {
  pressed: [0, 0], // layer and head, for the event "select"
  open(layer, head) { open = `${layer} ${head}`; mark(); },
};
watch("value", read);
read();

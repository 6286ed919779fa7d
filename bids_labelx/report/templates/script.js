// A module, so that its names are not global.
const element = (tag, properties) => Object.assign(document.createElement(tag), properties);

// ---- Tables: sorting and filtering ----

const FEW_ROWS = 8; // They need no filter.
const NO_VALUE = new Set(["", "n/a", "–", "-", "not known", "nan"]);
const NEXT = { null: "ascending", ascending: "descending" };
const byName = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

const asNumber = (text) =>
  +text.replace(/[\s,%]/g, "").replace("−", "-").replace(/inf$/i, "Infinity");

/** Rows by the cells of a column; those without a value are last whichever way it goes. */
function sorted(rows, column, numeric, order) {
  const sign = order === "ascending" ? 1 : -1;
  // Not the difference of the numbers: that of two infinities is none.
  const compare = numeric ? (a, b) => (a > b) - (a < b) : byName.compare;
  return rows.map((row) => {
    const text = row.cells[column].textContent.trim();
    const key = numeric ? asNumber(text) : text;
    return { row, key, missing: NO_VALUE.has(text.toLowerCase()) || Number.isNaN(key) };
  }).sort((a, b) => a.missing - b.missing || sign * compare(a.key, b.key))
    .map(({ row }) => row);
}

function addSorting(table, rows) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    const button = element("button", { type: "button", className: "sort" });
    button.append(...header.childNodes);
    button.append(element("span", { className: "arrow", ariaHidden: "true" }));
    header.append(button);
    button.addEventListener("click", () => {
      const order = NEXT[header.getAttribute("aria-sort")];
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      if (order) header.setAttribute("aria-sort", order);
      const numeric = header.classList.contains("number");
      table.tBodies[0].replaceChildren(...(order ? sorted(rows, column, numeric, order) : rows));
    });
  });
}

function addFilter(table, rows, box) {
  const label = element("label", { textContent: "Filter rows" });
  const input = element("input", { type: "search", autocomplete: "off" });
  input.ariaLabel = `Filter rows: ${box.getAttribute("aria-label")}`;
  const count = element("span", { role: "status", textContent: `${rows.length} rows` });
  const line = element("div", { className: "filter" });
  label.append(input);
  line.append(label, count);
  box.before(line);

  let texts = null;
  input.addEventListener("input", () => {
    // A word has no line break, so none is found across two cells.
    texts ??= rows.map(({ cells }) =>
      Array.from(cells, (cell) => cell.textContent).join("\n").toLowerCase());
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, i) => {
      const fits = words.every((word) => texts[i].includes(word));
      row.hidden = !fits;
      if (fits) shown += 1;
    });
    count.textContent = `${words.length ? `${shown} of ` : ""}${rows.length} rows`;
  });
}

for (const table of document.querySelectorAll(".scroll > table")) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length > 1) addSorting(table, rows);
  if (rows.length > FEW_ROWS) addFilter(table, rows, table.parentElement);
}

// ---- Figures: tooltips ----

const waiting = new Map(); // Figures by the script that is being loaded.
const tip = element("div", { className: "tip", ariaHidden: "true", hidden: true });
const mark = element("div", { className: "mark", hidden: true });
const spoken = element("div", { className: "unseen", role: "status" });

window.bids_labelx_hover = ({ names, texts, boxes }) => {
  const state = waiting.get(document.currentScript);
  if (!state) return;
  state.boxes = boxes.map((box) => (
    { ...box, text: box.cells ? regionsOf(box, texts) : valuesOf(box, names) }
  ));
  if (state.pointer) showUnder(state);
};

function regionsOf({ columns, cells }, texts) {
  const regions = [];
  for (let i = 0; i < cells.length; i += 2) {
    for (let n = cells[i + 1]; n > 0; n -= 1) regions.push(cells[i]);
  }
  return (row, column) => texts[regions[row * columns + column]] ?? "";
}

function valuesOf({ columns, symmetric, values }, names) {
  const bytes = Uint8Array.from(atob(values), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return (row, column) => {
    const [i, j] = symmetric && row > column ? [column, row] : [row, column];
    const at = i * columns + j - (symmetric ? (i * (i + 1)) / 2 : 0);
    return `${names[row]} – ${names[column]}: ${shortNumber(view.getFloat32(4 * at, true))}`;
  };
}

/** Three digits, or all those before the point. */
function shortNumber(value) {
  if (Number.isNaN(value)) return "n/a";
  if (value === 0) return "0";
  return Math.abs(value) >= 999.5 ? value.toFixed(0) : value.toPrecision(3);
}

/** Where in the window a box is, and how large its cells are. */
function placeOf(image, { box: [left, top, right, bottom], rows, columns }) {
  const shown = image.getBoundingClientRect();
  return {
    x: shown.x + left * shown.width,
    y: shown.y + top * shown.height,
    width: ((right - left) * shown.width) / columns,
    height: ((bottom - top) * shown.height) / rows,
  };
}

const inside = (box, row, column) =>
  row >= 0 && row < box.rows && column >= 0 && column < box.columns;

function hide() {
  tip.hidden = mark.hidden = true;
  tip.textContent = "";
}

/** Show a text above a point of the window, or below it where there is no room. */
function show(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const most = document.documentElement.clientWidth - tip.offsetWidth - 4;
  const above = y - tip.offsetHeight - 12;
  tip.style.left = `${Math.max(4, Math.min(x + 12, most))}px`;
  tip.style.top = `${above >= 4 ? above : y + 20}px`;
}

function showUnder({ image, boxes, pointer: [x, y] }) {
  hide();
  for (const box of boxes ?? []) {
    const place = placeOf(image, box);
    const row = Math.floor((y - place.y) / place.height);
    const column = Math.floor((x - place.x) / place.width);
    const text = inside(box, row, column) && box.text(row, column);
    if (text) show(text, x, y);
  }
}

function showSelected({ image, selected: { box, row, column, text } }) {
  const { x, y, width, height } = placeOf(image, box);
  const left = x + column * width;
  const top = y + row * height;
  show(text, left + width, top);
  mark.style.cssText = `left:${left}px;top:${top}px;width:${width}px;height:${height}px`;
  mark.hidden = false;
  spoken.textContent = text;
}

/** The cell with a text that is nearest to the middle of a box. */
function middleOf(box) {
  let [best, least] = [null, Infinity];
  for (let row = 0; row < box.rows; row += 1) {
    for (let column = 0; column < box.columns; column += 1) {
      const far = Math.hypot(row + 0.5 - box.rows / 2, column + 0.5 - box.columns / 2);
      const text = far < least && box.text(row, column);
      if (text) [best, least] = [{ box, row, column, text }, far];
    }
  }
  return best;
}

/** The next cell with another text in a direction, in this box or another. */
function nextCell(boxes, from, [across, down]) {
  let [row, column] = [from.row + down, from.column + across];
  for (; inside(from.box, row, column); row += down, column += across) {
    const text = from.box.text(row, column);
    if (text && text !== from.text) return { box: from.box, row, column, text };
  }
  return boxes.map((box) => {
    const [x, y] = [0, 1].map((i) => box.box[i] - from.box.box[i]);
    const along = x * across + y * down;
    return { box, along, far: along + 3 * Math.abs(x * down + y * across) };
  }).filter(({ along }) => along > 1e-6).sort((a, b) => a.far - b.far)
    .map(({ box }) => middleOf(box)).find(Boolean) ?? from;
}

const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function addTooltips(figure) {
  const image = figure.querySelector("a img");
  const link = image.closest("a");
  // The pointer is kept for when the file comes later than it.
  const state = { image, boxes: null, selected: null, pointer: null };
  let touched = false;
  let script = null;
  const load = () => {
    if (script) return;
    script = element("script", { src: figure.dataset.tooltips });
    script.onerror = () => { state.boxes = []; };
    waiting.set(script, state);
    document.head.append(script);
  };
  image.addEventListener("pointerenter", load);
  link.addEventListener("focus", load);

  image.addEventListener("pointermove", (event) => {
    state.pointer = [event.clientX, event.clientY];
    showUnder(state);
  });
  image.addEventListener("pointerleave", (event) => {
    // A lifted finger leaves its tooltip.
    if (event.pointerType === "touch") return;
    state.pointer = null;
    hide();
  });
  image.addEventListener("pointerdown", (event) => {
    touched = event.pointerType === "touch";
  });
  link.addEventListener("click", (event) => {
    if (!touched) return;
    // The first tap shows the tooltip, another one opens the figure.
    const before = tip.textContent;
    state.pointer = [event.clientX, event.clientY];
    showUnder(state);
    if (!state.boxes || !["", before].includes(tip.textContent)) event.preventDefault();
  });

  link.ariaDescription = "The arrow keys move through the tooltips of the figure.";
  link.addEventListener("blur", hide);
  link.addEventListener("keydown", (event) => {
    touched = false;
    const { boxes, selected } = state;
    const step = KEYS[event.key];
    if (!step || !boxes || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    state.selected = selected
      ? nextCell(boxes, selected, step)
      : boxes.map(middleOf).find(Boolean);
    if (state.selected) showSelected(state);
  });
}

const figures = document.querySelectorAll("figure[data-tooltips]");
if (figures.length) {
  figures.forEach(addTooltips);
  document.body.append(tip, mark, spoken);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  document.addEventListener("scroll", hide, { capture: true, passive: true });
}

const data = JSON.parse(byId("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const ROW_PX = 64;
const BINS = 24;
const VIEWS = { "pa-bilateral": "both knees", "pa-single": "one knee", lateral: "lateral" };
const SIDES = { R: "right", L: "left" };

/* what a row is searched by, once */
for (const [place, row] of data.rows.entries()) {
  row.place = place;
  row.key = `${row.path} ${row.name} ${row.flags.flat().join(" ")}`.toLowerCase();
}

const measure = (index) => (row) => row.values[index] ?? null;
const unitOf = (unit) => (unit === "deg" ? "°" : unit);
const digits = (unit) => (unit === "deg" ? 1 : 2);

const columns = [
  { id: "picture", label: "Picture", fill: fillPicture },
  { id: "path", label: "Radiograph", sort: (row) => row.path.toLowerCase(), fill: fillName },
  { id: "side", label: "Side", sort: (row) => row.side, fill: (cell, row) => { cell.textContent = SIDES[row.side] || ""; } },
  { id: "view", label: "View", sort: (row) => row.view, fill: (cell, row) => { cell.textContent = VIEWS[row.view] || ""; } },
  { id: "flags", label: "Flags", sort: (row) => row.flags.map((flag) => flag[0]).join(" ") || null, fill: fillFlags },
  { id: "confidence", label: "Confidence", number: true, sort: (row) => row.confidence, fill: (cell, row) => fillNumber(cell, row.confidence, 2) },
  ...data.columns.map((index) => {
    const { name, label, unit } = data.measurements[index];
    const value = measure(index);
    return { id: name, label: `${label}, ${unitOf(unit)}`, number: true, sort: value, fill: (cell, row) => fillNumber(cell, value(row), digits(unit)) };
  }),
];

const query = { text: "", side: "", view: "", flag: "", sort: "", down: false };
let rows = data.rows;
let active = -1;
let drawn = "";

const scroller = byId("table");
const table = scroller.querySelector("table");
const body = table.tBodies[0];

function make(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function linkTo(row) {
  return `${row.page}${row.side && row.view !== "lateral" ? `#${row.side}` : ""}`;
}

function fillPicture(cell, row) {
  if (!row.picture) return;
  const image = make("img");
  image.loading = "lazy";
  image.alt = "";
  image.src = row.picture;
  cell.append(image);
}

function fillName(cell, row) {
  const name = row.path.split(/[\\/]/).pop();
  const title = row.page ? make("a", name) : make("span", name);
  if (row.page) title.href = linkTo(row);
  title.classList.add("open");
  title.title = row.path;
  cell.append(title, make("small", row.path.slice(0, row.path.length - name.length)));
}

function fillFlags(cell, row) {
  for (const [code, message] of row.flags) {
    const mark = make("span", code.replaceAll("_", " "), "mark");
    mark.title = message;
    cell.append(mark);
  }
  if (row.flags.length) cell.append(make("small", row.flags.map((flag) => flag[1]).join("; ")));
  else if (!row.found) cell.append(make("small", "no knee found"));
}

function fillNumber(cell, value, places) {
  cell.textContent = value === null ? "" : value.toFixed(places);
}

/* the head of the table */
function makeHead() {
  const head = table.tHead.rows[0];
  for (const column of columns) {
    const cell = make("th", undefined, column.number ? "number" : column.id);
    cell.scope = "col";
    cell.dataset.column = column.id;
    if (column.sort) {
      const button = make("button", column.label);
      button.type = "button";
      button.addEventListener("click", () => sortBy(column.id));
      cell.append(button);
    } else cell.append(make("span", column.label, "sr"));
    head.append(cell);
  }
}

function sortBy(id) {
  query.down = query.sort === id ? !query.down : false;
  query.sort = id;
  update();
}

const collator = new Intl.Collator(undefined, { numeric: true });

function compare(a, b) {
  return typeof a === "string" ? collator.compare(a, b) : a - b;
}

function select() {
  const words = query.text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = data.rows.filter((row) => {
    if (query.side && row.side !== query.side) return false;
    if (query.view && row.view !== query.view) return false;
    if (query.flag === "+" && !row.flags.length) return false;
    if (query.flag === "-" && row.flags.length) return false;
    if (query.flag.length > 1 && !row.flags.some((flag) => flag[0] === query.flag)) return false;
    return words.every((word) => row.key.includes(word));
  });
  const column = columns.find((other) => other.id === query.sort);
  if (!column) return found;
  const sign = query.down ? -1 : 1;
  const keyed = found.map((row) => ({ row, key: column.sort(row) ?? null }));
  const known = keyed.filter(({ key }) => key !== null);
  known.sort((a, b) => sign * compare(a.key, b.key) || a.row.place - b.row.place);
  // missing values come last, whichever way the others are sorted
  return [...known, ...keyed.filter(({ key }) => key === null)].map(({ row }) => row);
}

function update() {
  rows = select();
  active = -1;
  scroller.scrollTop = 0;
  for (const cell of table.tHead.rows[0].cells) {
    const own = cell.dataset.column === query.sort;
    if (own) cell.setAttribute("aria-sort", query.down ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  }
  table.setAttribute("aria-rowcount", rows.length + 1);
  byId("shown").textContent = `${rows.length} of ${data.rows.length} rows`;
  for (const id of ["text", "side", "view", "flag"]) byId(id).value = query[id];
  drawn = "";
  draw();
  drawSummary();
  remember();
}

/* only the rows in sight are in the document */
function draw(all = false) {
  const first = all ? 0 : Math.max(0, Math.floor(scroller.scrollTop / ROW_PX) - 8);
  const last = all ? rows.length : Math.min(rows.length, first + Math.ceil(scroller.clientHeight / ROW_PX) + 16);
  const state = `${first} ${last}`;
  if (state === drawn) return;
  drawn = state;
  const parts = [makeSpace(first), ...rows.slice(first, last).map((row, place) => makeRow(row, first + place)), makeSpace(rows.length - last)];
  if (!rows.length) parts.push(makeEmpty());
  body.replaceChildren(...parts);
}

function makeSpace(count) {
  const space = make("tr", undefined, "space");
  space.setAttribute("aria-hidden", "true");
  const cell = make("td");
  cell.colSpan = columns.length;
  cell.style.height = `${count * ROW_PX}px`;
  space.append(cell);
  space.hidden = !count;
  return space;
}

function makeEmpty() {
  const row = make("tr");
  const cell = make("td", "No row fits the filters.", "nothing-found");
  cell.colSpan = columns.length;
  row.append(cell);
  return row;
}

function makeRow(row, place) {
  const element = make("tr", undefined, place === active ? "row active" : "row");
  element.setAttribute("aria-rowindex", place + 2);
  element.dataset.place = place;
  for (const column of columns) {
    const cell = make("td", undefined, column.number ? "number" : column.id);
    const inner = make("div");
    column.fill(inner, row);
    cell.append(inner);
    element.append(cell);
  }
  return element;
}

function move(step) {
  if (!rows.length) return;
  active = Math.min(rows.length - 1, Math.max(0, active + step));
  const top = active * ROW_PX;
  const room = scroller.clientHeight - table.tHead.offsetHeight - ROW_PX;
  if (top < scroller.scrollTop) scroller.scrollTop = top;
  else if (top > scroller.scrollTop + room) scroller.scrollTop = top - room;
  drawn = "";
  draw();
  const link = body.querySelector("tr.active a.open");
  if (link) link.focus({ preventScroll: true });
}

/* summary */
function drawSummary() {
  if (!byId("summary").open) return;
  for (const plot of document.querySelectorAll(".plot[data-plot]")) {
    const choice = plot.querySelector("select");
    if (choice && !choice.options.length) {
      plot.hidden = true;
      continue;
    }
    const chosen = choice ? data.measurements[Number(choice.value)] : { label: "Mean confidence", unit: "" };
    const value = choice ? measure(Number(choice.value)) : (row) => row.confidence;
    const values = rows.map(value).filter((number) => number !== null);
    drawHistogram(plot, values, chosen);
  }
  drawFlagCounts();
}

function drawHistogram(plot, values, { label, unit }) {
  const chart = plot.querySelector(".chart");
  const numbers = plot.querySelector(".numbers");
  chart.replaceChildren();
  if (!values.length) {
    numbers.textContent = "no values";
    return;
  }
  const sorted = Float64Array.from(values).sort();
  const [low, high] = [sorted[0], sorted[sorted.length - 1]];
  const width = (high - low) / BINS || 1;
  const counts = new Array(BINS).fill(0);
  for (const value of sorted) counts[Math.min(BINS - 1, Math.floor((value - low) / width))] += 1;
  const most = Math.max(...counts);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${BINS * 10} 84`);
  svg.setAttribute("role", "img");
  const places = unit === "" ? 2 : digits(unit);
  const shown = (value) => `${value.toFixed(places)}${unit ? ` ${unitOf(unit)}` : ""}`;
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  const text = `n ${sorted.length}, median ${shown(middle)}, from ${shown(low)} to ${shown(high)}`;
  svg.setAttribute("aria-label", `Histogram of ${label}: ${text}`);
  for (const [place, count] of counts.entries()) {
    const bar = document.createElementNS(SVG, "rect");
    const height = (count / most) * 66;
    for (const [key, value] of Object.entries({ x: place * 10 + 0.5, y: 68 - height, width: 9, height })) bar.setAttribute(key, value);
    const title = document.createElementNS(SVG, "title");
    title.textContent = `${shown(low + place * width)} to ${shown(low + (place + 1) * width)}: ${count}`;
    bar.append(title);
    svg.append(bar);
  }
  for (const [x, anchor, value] of [[0, "start", low], [BINS * 10, "end", high]]) {
    const tick = document.createElementNS(SVG, "text");
    for (const [key, setting] of Object.entries({ x, y: 82, "text-anchor": anchor })) tick.setAttribute(key, setting);
    tick.textContent = shown(value);
    svg.append(tick);
  }
  chart.append(svg);
  numbers.textContent = text;
}

function countFlags(some) {
  const counts = new Map();
  for (const row of some) for (const code of new Set(row.flags.map((flag) => flag[0]))) counts.set(code, (counts.get(code) || 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

function drawFlagCounts() {
  const counts = countFlags(rows);
  const most = Math.max(1, ...counts.map(([, count]) => count));
  const items = counts.map(([code, count]) => {
    const item = make("li");
    const button = make("button");
    button.type = "button";
    button.title = `Show the rows with the flag ${code}`;
    const bar = make("span", undefined, "bar");
    bar.style.width = `${(count / most) * 100}%`;
    button.append(bar, make("span", code.replaceAll("_", " "), "code"), make("span", String(count), "count"));
    button.addEventListener("click", () => { query.flag = query.flag === code ? "" : code; update(); });
    item.append(button);
    return item;
  });
  if (!items.length) items.push(make("li", "none"));
  byId("flag-counts").replaceChildren(...items);
}

/* the filters are kept in the address, so that the way back from a page finds them again */
function remember() {
  const kept = Object.entries(query).filter(([, value]) => value).map(([key, value]) => [key, value === true ? "1" : value]);
  history.replaceState(null, "", `#${new URLSearchParams(kept)}`);
}

function recall() {
  const kept = new URLSearchParams(location.hash.slice(1));
  for (const key of ["text", "side", "view", "flag", "sort"]) query[key] = kept.get(key) || "";
  query.down = kept.get("down") === "1";
}

function fillChoices() {
  for (const [code, count] of countFlags(data.rows)) {
    const option = make("option", `${code.replaceAll("_", " ")} (${count})`);
    option.value = code;
    byId("flag").append(option);
  }
  const plots = document.querySelectorAll(".plot[data-plot] select");
  for (const [place, choice] of plots.entries()) {
    for (const [index, { label }] of data.measurements.entries()) {
      const option = make("option", label);
      option.value = index;
      choice.append(option);
    }
    choice.value = data.columns[Math.min(place, data.columns.length - 1)] ?? "";
    choice.addEventListener("change", drawSummary);
  }
}

function clearFilters() {
  Object.assign(query, { text: "", side: "", view: "", flag: "" });
  update();
}

function showHelp() {
  const keys = byId("keys");
  keys.hidden = !keys.hidden;
  byId("help").setAttribute("aria-expanded", String(!keys.hidden));
}

makeHead();
fillChoices();
recall();
update();
scroller.addEventListener("scroll", () => draw(), { passive: true });
addEventListener("resize", () => draw());
addEventListener("beforeprint", () => draw(true));
addEventListener("afterprint", () => { drawn = ""; draw(); });
addEventListener("hashchange", () => { recall(); update(); });
byId("text").addEventListener("input", (event) => { query.text = event.target.value; update(); });
for (const id of ["side", "view", "flag"]) byId(id).addEventListener("change", (event) => { query[id] = event.target.value; update(); });
byId("clear").addEventListener("click", clearFilters);
byId("help").addEventListener("click", showHelp);
byId("summary").addEventListener("toggle", drawSummary);
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
body.addEventListener("click", (event) => {
  const row = event.target.closest("tr.row");
  if (!row) return;
  active = Number(row.dataset.place);
  drawn = "";
  if (!event.target.closest("a")) draw();
});

const KEYS = {
  "/": () => byId("text").focus(),
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  s: () => { byId("summary").open = !byId("summary").open; },
  x: clearFilters,
  t: switchTheme,
  "?": showHelp,
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target === byId("text")) event.target.blur();
  if (isTyping(event)) return;
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

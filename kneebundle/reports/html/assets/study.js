const state = JSON.parse(byId("state").textContent);
const SVG = "http://www.w3.org/2000/svg";
const STEP = 1.25;
const LEAST_MM = 2;

/* a view: an svg whose viewBox is moved */
class View {
  constructor(svg) {
    this.svg = svg;
    this.home = svg.dataset.home.split(" ").map(Number);
    this.pointers = new Map();
    this.scale = this.addScale();
    const pieces = svg.querySelector(".pieces");
    for (const image of document.querySelectorAll(".defs image[id^=piece]")) {
      const use = document.createElementNS(SVG, "use");
      use.setAttribute("href", `#${image.id}`);
      pieces.append(use);
    }
    this.reset();
    svg.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    svg.addEventListener("pointerdown", (event) => this.onDown(event));
    svg.addEventListener("pointermove", (event) => this.onMove(event));
    for (const name of ["pointerup", "pointercancel"]) svg.addEventListener(name, (event) => this.onUp(event));
    svg.addEventListener("pointerleave", () => { byId("readout").textContent = ""; });
    svg.addEventListener("contextmenu", (event) => event.preventDefault());
    svg.addEventListener("dblclick", () => this.reset());
    svg.addEventListener("keydown", (event) => this.onKey(event));
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  addScale() {
    const group = document.createElementNS(SVG, "g");
    group.setAttribute("class", "scale");
    group.append(document.createElementNS(SVG, "line"), document.createElementNS(SVG, "text"));
    if (state.calibrated) this.svg.querySelector(".overlay").append(group);
    return group;
  }

  reset() {
    this.box = [...this.home];
    this.draw();
  }

  /* mm for a pixel of the screen */
  get unit() {
    const { clientWidth: width, clientHeight: height } = this.svg;
    return width && height ? Math.max(this.box[2] / width, this.box[3] / height) : this.box[2] / 600;
  }

  draw() {
    const unit = this.unit;
    this.svg.setAttribute("viewBox", this.box.map((v) => v.toFixed(4)).join(" "));
    this.svg.style.setProperty("--u", unit.toFixed(6));
    const length = [1, 2, 5, 10, 20, 50, 100].find((mm) => mm / unit >= 60) || 200;
    const right = this.box[0] + this.box[2] / 2 + (this.svg.clientWidth / 2 - 16) * unit;
    const bottom = this.box[1] + this.box[3] / 2 + (this.svg.clientHeight / 2 - 12) * unit;
    const [line, text] = this.scale.children;
    for (const [key, value] of Object.entries({ x1: right - length, x2: right, y1: bottom, y2: bottom })) line.setAttribute(key, value);
    text.setAttribute("x", right - length / 2);
    text.setAttribute("y", bottom - 7 * unit);
    text.textContent = `${length} mm`;
  }

  /* a place of the screen in mm of the radiograph */
  locate(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    return [point.x, point.y];
  }

  zoom(factor, at) {
    const [x, y, width, height] = this.box;
    const center = at || [x + width / 2, y + height / 2];
    const most = 4 * Math.max(this.home[2], this.home[3]);
    const limited = Math.min(Math.max(factor, LEAST_MM / width), most / width);
    this.box = [center[0] + (x - center[0]) * limited, center[1] + (y - center[1]) * limited, width * limited, height * limited];
    this.draw();
  }

  pan(dx, dy) {
    this.box[0] += dx;
    this.box[1] += dy;
    this.draw();
  }

  onWheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? event.deltaY * 30 : event.deltaY;
    this.zoom(Math.exp(Math.max(-200, Math.min(200, lines)) * 0.002), this.locate(event));
  }

  onDown(event) {
    this.svg.focus({ preventScroll: true });
    this.svg.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    this.windowing = event.button === 2 || event.shiftKey;
  }

  onMove(event) {
    showPlace(this.locate(event));
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    const [dx, dy] = [event.clientX - last[0], event.clientY - last[1]];
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId);
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (others.length) {
      const [, other] = others[0];
      const before = Math.hypot(last[0] - other[0], last[1] - other[1]);
      const after = Math.hypot(event.clientX - other[0], event.clientY - other[1]);
      if (before && after) this.zoom(before / after, this.locate(event));
    } else if (this.windowing) {
      changeWindow(-dy * 0.5, dx * 0.8);
    } else {
      this.pan(-dx * this.unit, -dy * this.unit);
    }
  }

  onUp(event) {
    this.pointers.delete(event.pointerId);
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 40 * this.unit;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (moves[event.key]) this.pan(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoom(1 / STEP);
    else if (event.key === "-") this.zoom(STEP);
    else return;
    event.preventDefault();
  }
}

function showPlace([x, y]) {
  const [first, second] = state.toStored.map(([a, b, c]) => a * x + b * y + c);
  byId("readout").textContent = `x ${first.toFixed(1)}, y ${second.toFixed(1)} px`;
}

/* level and width of the window, in greys of 8 bits */
const shown = {};

function resetWindow() {
  const [low, high] = state.window;
  Object.assign(shown, { level: (low + high) / 2, width: high - low, inverted: false });
  applyWindow();
}

function changeWindow(level, width) {
  shown.level = Math.min(255, Math.max(0, shown.level + level));
  shown.width = Math.min(400, Math.max(2, shown.width + width));
  applyWindow();
}

function applyWindow() {
  const slope = (shown.inverted ? -1 : 1) * (255 / shown.width);
  const intercept = 0.5 - (shown.level / 255) * slope;
  for (const band of byId("window").querySelectorAll("feFuncR, feFuncG, feFuncB")) {
    band.setAttribute("slope", slope.toFixed(5));
    band.setAttribute("intercept", intercept.toFixed(5));
  }
  byId("level").value = shown.level;
  byId("width").value = shown.width;
  byId("invert").checked = shown.inverted;
}

function showLayer(box) {
  document.body.classList.toggle(`hide-${box.dataset.layer}`, !box.checked);
}

/* a measurement that is chosen in a table stands out in the drawing of that knee */
function chooseMeasurement(button) {
  const card = button.closest(".knee-card");
  const chosen = button.getAttribute("aria-pressed") !== "true";
  for (const other of card.querySelectorAll("button.show")) other.setAttribute("aria-pressed", "false");
  button.setAttribute("aria-pressed", String(chosen));
  for (const group of card.querySelectorAll(".measure")) {
    group.classList.toggle("chosen", chosen && group.dataset.name === button.dataset.name);
  }
}

function enlarge(button) {
  const large = button.closest(".viewer").classList.toggle("large");
  button.setAttribute("aria-pressed", String(large));
}

function showHelp() {
  const keys = byId("keys");
  keys.hidden = !keys.hidden;
  byId("help").setAttribute("aria-expanded", String(!keys.hidden));
}

const views = [...document.querySelectorAll("svg.view")].map((svg) => new View(svg));
const layers = [...document.querySelectorAll("[data-layer]")];
for (const box of layers) {
  showLayer(box);
  box.addEventListener("change", () => showLayer(box));
}
byId("level").addEventListener("input", (event) => { shown.level = Number(event.target.value); applyWindow(); });
byId("width").addEventListener("input", (event) => { shown.width = Number(event.target.value); applyWindow(); });
byId("invert").addEventListener("change", (event) => { shown.inverted = event.target.checked; applyWindow(); });
byId("help").addEventListener("click", showHelp);
byId("reset").addEventListener("click", resetAll);
for (const button of document.querySelectorAll("button.show")) button.addEventListener("click", () => chooseMeasurement(button));
for (const button of document.querySelectorAll("button.enlarge")) button.addEventListener("click", () => enlarge(button));
resetWindow();

function resetAll() {
  for (const view of views) view.reset();
  resetWindow();
}

const LAYER_KEYS = { l: "landmarks", n: "numbers", o: "outlines", m: "measurements", a: "further", r: "radii", f: "regions" };
const KEYS = {
  i: () => { shown.inverted = !shown.inverted; applyWindow(); },
  0: resetAll,
  t: switchTheme,
  "?": showHelp,
  h: () => document.querySelector("nav a").click(),
  ",": () => changeWindow(-6, 0),
  ".": () => changeWindow(6, 0),
  "[": () => changeWindow(0, -10),
  "]": () => changeWindow(0, 10),
};

document.addEventListener("keydown", (event) => {
  if (isTyping(event)) return;
  const key = event.key.toLowerCase();
  const box = layers.find((layer) => layer.dataset.layer === LAYER_KEYS[key]);
  if (box) {
    box.checked = !box.checked;
    showLayer(box);
  } else if (KEYS[key]) KEYS[key]();
  else return;
  event.preventDefault();
});

// The page: opens radiographs, draws them, and saves what is done to them.

import { listFilms, readFilm, readImage } from "./api.js";
import { FilmState } from "./film_state.js";
import { watchKeys, watchPointer } from "./input.js";
import { drawLoupeMarks, drawMarks } from "./marks.js";
import { arrange, byId, describeSide, drawCurrent, drawList, drawSidePanel, isTodo } from "./panel.js";
import { save } from "./saving.js";
import { View } from "./view.js";

const SAVE_AFTER_MS = 500;
const PICTURE_AFTER_MS = 250;

const stage = byId("stage");
const loupe = byId("loupe");
const view = new View(stage, byId("film"), loupe.querySelector("canvas"), byId("greys"));
const states = new Map(); // radiographs that were opened, with what can be undone
let films = [];
let state = null; // the radiograph on the stage; null: none that can be shown
let current = null; // its name
let placing = null; // {side} while a knee is being added, {point} while a point is
let pictureTimer = null;
let zoomed = false; // show the knee that is worked on, and not the whole radiograph
let ahead = { name: null, image: null }; // the picture of the radiograph that comes next

const shown = () => arrange(films, byId("filter").value, byId("order").value);

// drawing

function draw() {
  if (!state) return;
  view.draw();
  drawMarks(byId("marks"), state, view);
  const point = state.point >= 0 ? state.current?.points?.[state.point] : null;
  loupe.hidden = !point;
  if (point) {
    const drawn = view.drawLoupe(point);
    drawLoupeMarks(loupe.querySelector("svg"), state, drawn);
    const [x, y] = view.toScreen(point);
    loupe.classList.toggle("left", x > stage.clientWidth - 290 && y < 290);
    loupe.querySelector("figcaption").textContent =
      `${state.names[state.point]}  ${point[0].toFixed(1)}, ${point[1].toFixed(1)}`;
  }
  byId("hint").textContent = `${Math.round(view.scale * 100)} %`;
}

function drawAll() {
  drawCurrent(films, current);
  if (state) drawSidePanel(state, act);
  draw();
}

function showMessage(text) {
  byId("message").textContent = text;
  byId("message").hidden = !text;
}

function showSaved(text, bad = false) {
  byId("saved").textContent = text;
  byId("saved").classList.toggle("bad", bad);
}

// opening

async function open(name) {
  if (!name) return;
  stopPlacing();
  void saveNow();
  current = name;
  state = null;
  history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  view.close();
  drawMarks(byId("marks"), null, view);
  loupe.hidden = true;
  byId("hint").textContent = "";
  showMessage("");
  showConflict(states.get(name));
  byId("title").textContent = name;
  byId("path").textContent = films.find((film) => film.name === name)?.path ?? "";
  showSaved("");
  for (const id of ["flags", "knees", "points", "adding", "state"]) byId(id).replaceChildren();
  for (const id of ["accept", "reject", "undo", "redo"]) byId(id).disabled = true;
  drawCurrent(films, current);
  byId("place").textContent = "Loading ...";
  try {
    const known = states.get(name);
    while (known?.saving) await known.saving;
    const film = await readFilm(name);
    if (film.problem) throw new Error(film.problem);
    const image = (ahead.name === name && (await ahead.image)) || (await readImage(name, ...film.window));
    if (current !== name) return; // another one was chosen in the meantime
    if (!known) states.set(name, new FilmState(film));
    else if (!known.dirty && !known.conflict && film.revision !== known.revision) known.take(film); // saved elsewhere
    state = states.get(name);
    view.open(film, image);
    byId("place").textContent = "";
    if (zoomed) act.fitKnee();
    showSaved(film.revision ? `Saved by ${film.rater || "somebody"}, ${new Date(film.saved_at).toLocaleString()}` : "");
    byId("path").textContent = `${film.path} (${film.columns} x ${film.rows} px` +
      (film.calibrated ? `, ${film.spacing_mm.map((mm) => +mm.toPrecision(4)).join(" x ")} mm)` : ", size of a pixel unknown)");
    drawAll();
    prefetch();
  } catch (error) {
    if (current !== name) return;
    byId("place").textContent = "";
    showMessage(error.message);
  }
}

/** Get the picture of the next radiograph before it is asked for. */
function prefetch() {
  const next = neighbour(1, isTodo, true) ?? neighbour(1);
  if (!next || next === ahead.name) return;
  const image = readFilm(next).then((film) => (film.problem ? null : readImage(next, ...film.window)));
  ahead = { name: next, image: image.catch(() => null) };
}

/** The next radiograph of the list that is wanted, from the present one on. */
function neighbour(step, wanted = () => true, around = false) {
  const all = arrange(films, "all", byId("order").value);
  const listed = new Set(shown());
  const at = all.findIndex((film) => film.name === current);
  for (let i = 1; i < all.length; i++) {
    const place = at + i * step;
    const film = around ? all[(place + all.length) % all.length] : all[place];
    if (film && listed.has(film) && wanted(film)) return film.name;
  }
  return null;
}

// saving

function changed() {
  state.dirty = true;
  const film = films.find((one) => one.name === current);
  if (film) film.status = state.summarize();
  const [own, name] = [state, current];
  clearTimeout(own.timer);
  own.timer = setTimeout(() => void save(own, name, tell), SAVE_AFTER_MS);
  if (!own.conflict) showSaved("Saving ...");
  drawAll();
}

const saveNow = () => (state ? save(state, current, tell) : Promise.resolve());

/** Say how saving went, if the radiograph is still the one on the stage. */
function tell(name, text, bad = false) {
  if (name !== current) return;
  showSaved(text, bad);
  showConflict(states.get(name));
}

function showConflict(own) {
  byId("conflict").hidden = !own?.conflict;
  if (own?.conflict) byId("conflict").querySelector("p").textContent = own.conflict.message;
}

function settleConflict(keepMine) {
  const other = state.conflict.film;
  state.conflict = null;
  if (keepMine) {
    state.revision = other.revision;
    changed();
    void saveNow();
  } else {
    state.take(other);
    state.dirty = false;
    showSaved(`Saved by ${other.rater || "somebody"}, ${new Date(other.saved_at).toLocaleString()}`);
    const film = films.find((one) => one.name === current);
    if (film) film.status = state.summarize();
  }
  showConflict(state);
  drawAll();
}

// what keys, buttons and the mouse do

function stopPlacing() {
  placing = null;
  stage.classList.remove("placing");
  byId("place").textContent = "";
}

function startPlacing(what, text) {
  placing = what;
  stage.classList.add("placing");
  byId("place").textContent = text;
}

const act = {
  draw,
  changed,
  stopPlacing,
  get state() { return state; },
  get placing() { return placing; },

  chooseKnee(index) {
    stopPlacing();
    state.item = index;
    state.point = -1;
    if (zoomed) act.fitKnee();
    drawAll();
  },

  choosePoint(index, item = state.item) {
    stopPlacing();
    state.item = item;
    state.point = index;
    const point = state.current.points?.[index];
    if (point) view.reveal(point);
    else if (index >= 0) startPlacing({ point: index }, `Click where ${state.names[index]} is`);
    drawSidePanel(state, act);
    draw();
    stage.focus({ preventScroll: true });
  },

  stepPoint(step) {
    if (!state.current?.points) return;
    const count = state.names.length;
    act.choosePoint(state.point < 0 ? (step > 0 ? 0 : count - 1) : (state.point + step + count) % count);
  },

  nudge(dx, dy) {
    const point = state.current?.points?.[state.point];
    if (!point) return;
    state.remember(undefined, `nudge ${state.item} ${state.point}`);
    state.put(state.point, [point[0] + dx, point[1] + dy]);
    view.reveal(state.current.points[state.point]);
    changed();
  },

  toggleVisible(index = state.point) {
    if (index < 0 || !state.current?.points) return;
    state.point = index;
    if (state.toggleVisible(index)) changed();
    else act.choosePoint(index); // nothing tells where it is: the next click does
  },

  startPlacing(side) {
    const what = side === undefined || state.lateral ? "p_tmc" : "the middle of the tibial plateau, between the spines";
    startPlacing({ side }, `Click on ${what}${state.lateral ? "" : ` of the ${side === "R" ? "right" : "left"} knee`}`);
    stage.focus({ preventScroll: true });
  },

  /** A click while something is being placed. */
  placeAt(place) {
    const { side, point } = placing;
    stopPlacing();
    if (point === undefined) state.addKnee(side, place);
    else {
      state.remember();
      state.point = point;
      state.put(point, place);
    }
    changed();
  },

  removeKnee() {
    state.removeKnee();
    changed();
  },

  undo() { if (state.undo()) changed(); },
  redo() { if (state.redo()) changed(); },

  accept() {
    stopPlacing();
    state.decide("accepted");
    changed();
    act.goOn();
  },

  askReason() {
    byId("rejecting-title").textContent = `Reject: ${state.current ? describeSide(state.current) : "this radiograph"}`;
    byId("reason").value = state.current?.reason ?? "";
    byId("rejecting").showModal();
    byId("reason").focus();
  },

  reject(reason) {
    stopPlacing();
    state.decide("rejected", reason);
    changed();
    act.goOn();
  },

  /** To the next knee that is to do: of this radiograph, else of the following ones. */
  goOn() {
    const todo = state.items.findIndex((item) => item.status === "open");
    if (todo >= 0) {
      act.chooseKnee(todo);
      return;
    }
    void saveNow();
    const next = neighbour(1, isTodo, true);
    if (next) void open(next);
    else byId("place").textContent = "All radiographs of this list are done.";
  },

  go(step) { void open(neighbour(step)); },

  /** Show the knee that is worked on, now and from here on. */
  fitKnee() {
    zoomed = true;
    const there = state.current?.points?.filter(Boolean) ?? [];
    if (there.length > 1) view.fitTo(there);
    else view.fit();
    draw();
  },

  /** Show the whole radiograph, now and from here on. */
  fit() {
    zoomed = false;
    view.fit();
    draw();
  },

  invert() {
    view.inverted = !view.inverted;
    view.applyGreys();
  },

  resetGreys() {
    view.window = [...state.film.window];
    view.inverted = false;
    view.applyGreys();
    act.greysChanged();
  },

  /** Get the picture for the greys that are wanted, once they rest: eight bits of a wide window show too little. */
  greysChanged() {
    clearTimeout(pictureTimer);
    pictureTimer = setTimeout(async () => {
      if (!state || !view.wantsPicture) return;
      const [name, wanted] = [current, [...view.window]];
      const image = await readImage(name, ...wanted).catch(() => null);
      if (image && name === current && state) view.takePicture(image, wanted);
      draw();
    }, PICTURE_AFTER_MS);
  },
};

// start

function connect(id, run, needsState = true) {
  byId(id).addEventListener("click", () => {
    if (state || !needsState) run();
    stage.focus({ preventScroll: true });
  });
}

connect("accept", () => act.accept());
byId("reject").addEventListener("click", () => state && act.askReason());
connect("undo", () => act.undo());
connect("redo", () => act.redo());
connect("next", () => act.go(1), false);
connect("previous", () => act.go(-1), false);
byId("help").addEventListener("click", () => byId("keys").showModal());
connect("mine", () => settleConflict(true));
connect("theirs", () => settleConflict(false));
byId("cancel-reject").addEventListener("click", () => byId("rejecting").close("cancel"));
byId("rejecting").addEventListener("submit", (event) => {
  if (!byId("reason").value.trim()) {
    event.preventDefault();
    byId("reason").focus();
  }
});
byId("rejecting").addEventListener("close", () => {
  const reason = byId("reason").value.trim();
  if (byId("rejecting").returnValue === "reject" && reason && state) act.reject(reason);
  byId("rejecting").returnValue = "";
  stage.focus({ preventScroll: true });
});
for (const id of ["filter", "order"]) {
  byId(id).addEventListener("change", () => {
    drawList(shown(), open);
    drawCurrent(films, current);
  });
}
new ResizeObserver(draw).observe(stage);
addEventListener("pagehide", () => void saveNow());
addEventListener("beforeunload", (event) => {
  if ([...states.values()].some((one) => one.dirty)) event.preventDefault();
});
watchKeys(act);
watchPointer(stage, view, act);

async function start() {
  try {
    const listed = await listFilms();
    films = listed.films;
    drawList(shown(), open);
    document.title = `kneebundle annotate: ${listed.folder}`;
    const wanted = decodeURIComponent(location.hash.slice(1));
    const first = films.find((film) => film.name === wanted) ?? films.find((film) => film.status === "new") ?? films[0];
    await open(first?.name);
    if (listed.broken.length) showSaved(listed.broken[0], true);
  } catch (error) {
    showMessage(error.message);
  }
}
void start();

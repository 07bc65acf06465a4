// A radiograph that is worked on: its knees with their points, what is chosen, undo and redo. Knows nothing of the page.

const TIBIA = 9; // points 0 to 8 of a knee from the front
export const CENTER = 4;
export const PA_NAMES = [
  "tibia lateral edge", "tibia lateral plateau outer", "tibia lateral plateau inner", "tibia lateral spine",
  "tibia center", "tibia medial spine", "tibia medial plateau inner", "tibia medial plateau outer",
  "tibia medial edge", "femur lateral edge", "femur lateral condyle outer", "femur lateral condyle inner",
  "femur center", "femur medial condyle inner", "femur medial condyle outer", "femur medial edge",
];
export const LATERAL_NAMES = ["p_blum", "p_tmc", "p_prox", "p_dist"];
const SMALLEST_MOVE = 0.0006;
const copy = (value) => JSON.parse(JSON.stringify(value));
const round = (value) => Math.round(value * 1000) / 1000;

export class FilmState {
  /** @param film what the server tells of it */
  constructor(film) {
    this.undone = [];
    this.done = [];
    this.take(film);
  }

  /** Take what the server tells; what was done here is forgotten. */
  take(film) {
    this.film = film;
    this.items = copy(film.items);
    this.status = film.status === "accepted" || film.status === "rejected" ? film.status : "open";
    this.revision = film.revision;
    this.done.length = this.undone.length = 0;
    const todo = this.items.findIndex((item) => item.status === "open");
    this.item = Math.max(todo, 0);
    this.point = -1;
  }

  get lateral() { return this.film.lateral; }
  get names() { return this.lateral ? LATERAL_NAMES : PA_NAMES; }
  get current() { return this.items[this.item]; }
  get size() { return [this.film.columns, this.film.rows]; }

  boneOf(index) { return this.lateral ? "lateral" : index < TIBIA ? "tibia" : "femur"; }

  isMoved(item, index) {
    const now = item.points?.[index] ?? null;
    const was = item.predicted?.[index] ?? null;
    if (!now || !was) return now !== was;
    return Math.abs(now[0] - was[0]) >= SMALLEST_MOVE || Math.abs(now[1] - was[1]) >= SMALLEST_MOVE;
  }

  /** The status with the word for accepted points that are not the predicted ones. */
  describeStatus(item) {
    if (item.status !== "accepted") return item.status;
    return this.names.some((_, index) => this.isMoved(item, index)) ? "corrected" : "accepted";
  }

  /** Status of the whole radiograph, as the server works it out. */
  summarize() {
    const all = this.items.map((item) => this.describeStatus(item));
    if (!all.length) return this.status;
    if (all.includes("open")) return "open";
    if (all.every((status) => status === "rejected")) return "rejected";
    return all.includes("corrected") ? "corrected" : "accepted";
  }

  snapshot() {
    return copy({ items: this.items, status: this.status, item: this.item, point: this.point });
  }

  /** Remember the state before a change; `key` joins changes that follow each other, such as nudges of a point. */
  remember(before = this.snapshot(), key = null) {
    const last = this.done.at(-1);
    const joined = key !== null && last?.key === key && Date.now() - last.time < 1000;
    if (joined) last.time = Date.now();
    else this.done.push({ before, key, time: Date.now() });
    this.undone.length = 0;
  }

  undo() { return this.#step(this.done, this.undone); }
  redo() { return this.#step(this.undone, this.done); }

  #step(from, to) {
    const step = from.pop();
    if (!step) return false;
    to.push({ before: this.snapshot(), key: null, time: 0 });
    Object.assign(this, copy(step.before));
    return true;
  }

  /** Put a point somewhere, inside the image; a rejected knee is open again. */
  put(index, [x, y]) {
    const [columns, rows] = this.size;
    const item = this.current;
    item.points[index] = [round(Math.min(Math.max(x, 0), columns - 1)), round(Math.min(Math.max(y, 0), rows - 1))];
    this.reopen();
  }

  /** Move all points of the chosen knee from where they were; as far as all stay inside. */
  shift(points, dx, dy) {
    const there = points.filter(Boolean);
    const [columns, rows] = this.size;
    const limit = (d, values, most) =>
      Math.min(Math.max(d, -Math.max(Math.min(...values), 0)), most - Math.min(Math.max(...values), most));
    const x = limit(dx, there.map((p) => p[0]), columns - 1);
    const y = limit(dy, there.map((p) => p[1]), rows - 1);
    this.current.points = points.map((p) => p && [round(p[0] + x), round(p[1] + y)]);
    this.reopen();
  }

  reopen() {
    if (this.current.status === "rejected") {
      this.current.status = "open";
      this.current.reason = "";
    }
  }

  /** The point is not visible, or is again: where it was predicted. False where nothing tells where. */
  toggleVisible(index) {
    const item = this.current;
    if (!item.points) return false;
    if (item.points[index]) {
      this.remember();
      item.points[index] = null;
      if (item.points.every((point) => !point)) item.points = null;
      this.reopen();
      return true;
    }
    if (!item.predicted?.[index]) return false;
    this.remember();
    this.put(index, item.predicted[index]);
    return true;
  }

  /** Add a knee, or give one its points: the mean shape around a place. */
  addKnee(side, place) {
    this.remember();
    const [rowMm, columnMm] = this.film.spacing_mm;
    const mirrored = side === "L" && !this.lateral ? -1 : 1;
    const points = this.film.template_mm.map(([x, y]) => [place[0] + (mirrored * x) / columnMm, place[1] + y / rowMm]);
    let index = this.items.findIndex((item) => item.side === side);
    if (index < 0) {
      const added = { side, status: "open", reason: "", added: true, predicted: null, confidence: [], flags: [] };
      index = this.items.push({ ...added, points: null, center: null }) - 1;
    }
    this.item = index;
    this.current.points = points;
    points.forEach((point, i) => this.put(i, point));
    this.point = -1;
  }

  removeKnee() {
    this.remember();
    this.items.splice(this.item, 1);
    this.item = 0;
    this.point = -1;
  }

  decide(status, reason = "") {
    this.remember();
    if (this.items.length) Object.assign(this.current, { status, reason });
    else this.status = status;
  }

  /** What is sent to be saved. */
  toSave() {
    const items = this.items.map(({ side, status, reason, points }) => ({ side, status, reason, points }));
    return { revision: this.revision, status: this.status, items };
  }
}

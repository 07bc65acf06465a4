// The radiograph on the screen: zoom, pan, greys, the loupe. Points are x, y in pixels, their centres at integers.

const LOUPE_MM = 12;
const LOUPE_PX = 220;
const MOST_ZOOM = 40;

export class View {
  constructor(stage, canvas, loupe, filter) {
    this.stage = stage;
    this.canvas = canvas;
    this.loupe = loupe;
    this.functions = [...filter.querySelectorAll("feFuncR, feFuncG, feFuncB")];
    this.image = null;
    this.scale = 1;
    this.offset = [0, 0];
    this.inverted = false;
  }

  /** Show another radiograph. */
  open(film, image) {
    this.film = film;
    this.image = image;
    this.imageWindow = [...film.window]; // the greys that the picture was made with
    this.window = [...film.window]; // the greys that are wanted
    const smallest = Math.min(...film.spacing_mm);
    this.aspect = [film.spacing_mm[1] / smallest, film.spacing_mm[0] / smallest];
    this.fit();
    this.applyGreys();
  }

  close() {
    this.image = null;
    this.draw();
  }

  get size() { return [this.stage.clientWidth, this.stage.clientHeight]; }

  toScreen([x, y]) {
    return [
      this.offset[0] + (x + 0.5) * this.scale * this.aspect[0],
      this.offset[1] + (y + 0.5) * this.scale * this.aspect[1],
    ];
  }

  toImage([x, y]) {
    return [
      (x - this.offset[0]) / (this.scale * this.aspect[0]) - 0.5,
      (y - this.offset[1]) / (this.scale * this.aspect[1]) - 0.5,
    ];
  }

  /** Show the whole radiograph. */
  fit() { this.fitTo([[-0.5, -0.5], [this.film.columns - 0.5, this.film.rows - 0.5]], 1); }

  /** Show all of some points, with room around them. */
  fitTo(points, room = 1.35) {
    const xs = points.map((p) => (p[0] + 0.5) * this.aspect[0]);
    const ys = points.map((p) => (p[1] + 0.5) * this.aspect[1]);
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const [width, height] = this.size;
    this.scale = Math.min(width / ((right - left) * room + 1e-6), height / ((bottom - top) * room + 1e-6), MOST_ZOOM);
    this.offset = [width / 2 - ((left + right) / 2) * this.scale, height / 2 - ((top + bottom) / 2) * this.scale];
  }

  /** Zoom so that what lies at a place of the screen stays there. */
  zoom(factor, at = this.size.map((length) => length / 2)) {
    const place = this.toImage(at);
    this.scale = Math.min(Math.max(this.scale * factor, 0.02), MOST_ZOOM);
    const there = this.toScreen(place);
    this.pan(at[0] - there[0], at[1] - there[1]);
  }

  pan(dx, dy) { this.offset = [this.offset[0] + dx, this.offset[1] + dy]; }

  /** Pan, if need be, so that a point is seen. */
  reveal(point) {
    const [x, y] = this.toScreen(point);
    const [width, height] = this.size;
    const need = (value, most) => (value < 30 ? 30 - value : value > most - 30 ? most - 30 - value : 0);
    this.pan(need(x, width), need(y, height));
  }

  /** Change the greys by a drag: sideways the width of the window, up and down its level. */
  dragGreys(start, dx, dy) {
    const [low, high] = start;
    const [least, most] = this.film.range;
    const width = Math.max((high - low) * Math.exp(dx / 250), (most - least) / 1000);
    const level = (low + high) / 2 + (dy / 400) * (high - low);
    this.window = [level - width / 2, level + width / 2];
    this.applyGreys();
  }

  /** Take the picture from the greys that it was made with to those that are wanted, by an SVG filter. */
  applyGreys() {
    const [madeLow, madeHigh] = this.imageWindow;
    const [low, high] = this.window;
    let slope = (madeHigh - madeLow) / (high - low);
    let intercept = (madeLow - low) / (high - low);
    if (this.inverted) [slope, intercept] = [-slope, 1 - intercept];
    for (const f of this.functions) {
      f.setAttribute("slope", slope);
      f.setAttribute("intercept", intercept);
    }
    const plain = slope === 1 && intercept === 0;
    for (const canvas of [this.canvas, this.loupe]) canvas.style.filter = plain ? "none" : "url(#greys)";
  }

  /** Whether a picture made for the wanted greys would show more than this one. */
  get wantsPicture() {
    return this.imageWindow.some((value, i) => Math.abs(value - this.window[i]) > 1e-6);
  }

  takePicture(image, window) {
    this.image = image;
    this.imageWindow = window;
    this.applyGreys();
    this.draw();
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = this.size;
    if (this.canvas.width !== Math.round(width * ratio)) this.canvas.width = Math.round(width * ratio);
    if (this.canvas.height !== Math.round(height * ratio)) this.canvas.height = Math.round(height * ratio);
    const pen = this.canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.image) return;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.imageSmoothingEnabled = this.scale < 6; // from there on pixels are seen as squares
    pen.imageSmoothingQuality = "high";
    const [sx, sy] = this.aspect.map((a) => a * this.scale);
    pen.drawImage(this.image, ...this.offset, this.film.columns * sx, this.film.rows * sy);
  }

  /** Draw what lies around a point, larger; gives the magnification. */
  drawLoupe(point) {
    const ratio = window.devicePixelRatio || 1;
    const side = Math.round(LOUPE_PX * ratio);
    if (this.loupe.width !== side) this.loupe.width = this.loupe.height = side;
    const pen = this.loupe.getContext("2d");
    const smallest = Math.min(...this.film.spacing_mm);
    const scale = Math.max((LOUPE_PX / LOUPE_MM) * smallest, 2 * this.scale);
    const [sx, sy] = this.aspect.map((a) => a * scale);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, side, side);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.imageSmoothingEnabled = scale < 12;
    const left = LOUPE_PX / 2 - (point[0] + 0.5) * sx;
    const top = LOUPE_PX / 2 - (point[1] + 0.5) * sy;
    pen.drawImage(this.image, left, top, this.film.columns * sx, this.film.rows * sy);
    return { scale, place: ([x, y]) => [left + (x + 0.5) * sx, top + (y + 0.5) * sy] };
  }
}

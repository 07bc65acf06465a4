// The points and lines over the radiograph, as SVG; and the marks in the loupe.

import { constructPlan } from "./lateral.js";

const OUTLINES = [["tibia", 0, 9], ["femur", 9, 16]];

function make(name, attributes, text = null) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== null) element.textContent = text;
  return element;
}

const shorten = (value) => Math.round(value * 100) / 100;
const line = (name, a, b) =>
  make("line", { class: name, x1: shorten(a[0]), y1: shorten(a[1]), x2: shorten(b[0]), y2: shorten(b[1]) });
const circle = (name, [x, y], r, further = {}) =>
  make("circle", { class: name, cx: shorten(x), cy: shorten(y), r, ...further });

/** Draw all knees of a radiograph. */
export function drawMarks(svg, state, view) {
  const parts = state ? state.items.flatMap((item, index) => drawItem(item, index, state, view)) : [];
  svg.replaceChildren(...parts);
}

function drawItem(item, number, state, view) {
  const isCurrent = number === state.item;
  const dim = (isCurrent ? "" : " other") + (item.status === "rejected" ? " rejected" : "");
  if (!item.points) {
    if (!item.center) return [];
    const [x, y] = view.toScreen(item.center);
    return [make("text", { class: "side", x, y, "text-anchor": "middle" }, `${item.side}: no points`)];
  }
  const places = item.points.map((point) => point && view.toScreen(point));
  const lines = state.lateral ? drawPlan(item, state, view, dim) : drawOutlines(places, dim);
  const points = places.flatMap((place, index) => {
    if (!place) return [];
    const chosen = isCurrent && index === state.point;
    const bone = state.boneOf(index);
    return [
      ...drawShift(item, index, place, state, view),
      circle(`point ${bone}${dim}`, place, 5, { "data-item": number, "data-point": index }),
      ...(chosen ? [circle("chosen", place, 9)] : []),
      make("text", { class: `label${dim}`, x: place[0] + 8, y: place[1] - 7 }, state.lateral ? state.names[index] : index),
    ];
  });
  return [...lines, ...points, ...drawSide(item, places, state)];
}

function drawOutlines(places, dim) {
  return OUTLINES.map(([bone, first, end]) => {
    const there = places.slice(first, end).filter(Boolean);
    return make("polyline", { class: bone + dim, points: there.map((p) => p.map(shorten).join(",")).join(" ") });
  });
}

function drawPlan(item, state, view, dim) {
  const plan = constructPlan(item.points, state.film.spacing_mm, state.film.anterior);
  const parts = Object.entries(plan.lines).flatMap(([name, ends]) => {
    const [from, to] = ends.map((end) => view.toScreen(end));
    return [line(`construction${dim}`, from, to), make("text", { x: to[0], y: to[1] }, name)];
  });
  if (plan.point && !dim.includes("rejected")) {
    const radius = (plan.radiusMm / Math.min(...state.film.spacing_mm)) * view.scale;
    const place = view.toScreen(plan.point);
    parts.push(circle("circle schoettle", place, shorten(radius)), circle("circle", place, 2));
  }
  return parts;
}

/** Where a moved point was predicted. */
function drawShift(item, index, place, state, view) {
  const was = item.predicted?.[index];
  if (!was || !state.isMoved(item, index)) return [];
  const there = view.toScreen(was);
  return [line("shift", there, place), circle("ghost", there, 4)];
}

function drawSide(item, places, state) {
  if (state.lateral || !item.side) return [];
  const there = places.filter(Boolean);
  const x = there.reduce((sum, p) => sum + p[0], 0) / there.length;
  const y = Math.min(...there.map((p) => p[1])) - 26;
  return [make("text", { class: "side", x, y, "text-anchor": "middle" }, item.side)];
}

/** Draw the cross in the loupe, the points around it, and where the point was predicted. */
export function drawLoupeMarks(svg, state, drawn) {
  const middle = 110;
  const gap = 5;
  const parts = [
    line("", [middle - 28, middle], [middle - gap, middle]), line("", [middle + gap, middle], [middle + 28, middle]),
    line("", [middle, middle - 28], [middle, middle - gap]), line("", [middle, middle + gap], [middle, middle + 28]),
  ];
  state.current.points.forEach((point, index) => {
    if (point && index !== state.point) parts.push(circle("neighbour", drawn.place(point), 5));
  });
  const was = state.current.predicted?.[state.point];
  if (was && state.isMoved(state.current, state.point)) parts.push(circle("ghost", drawn.place(was), 5));
  svg.replaceChildren(...parts);
}

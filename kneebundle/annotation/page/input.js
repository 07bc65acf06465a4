// Keys and mouse on the stage.

import { byId } from "./panel.js";

const REACH_PX = 14; // a point is taken hold of from this near
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const isTyping = (target) => target.matches("input, select, textarea") || document.querySelector("dialog[open]");

export function watchKeys(act) {
  const always = { n: () => act.go(1), p: () => act.go(-1), h: () => byId("keys").showModal(), "?": () => byId("keys").showModal() };
  const withFilm = {
    a: () => act.accept(),
    r: () => act.askReason(),
    u: () => act.undo(),
    U: () => act.redo(),
    v: () => act.toggleVisible(),
    k: () => act.state.items.length > 1 && act.chooseKnee((act.state.item + 1) % act.state.items.length),
    f: () => act.fit(),
    z: () => act.fitKnee(),
    i: () => act.invert(),
    0: () => act.resetGreys(),
    "+": () => act.zoom(1.25),
    "=": () => act.zoom(1.25),
    "-": () => act.zoom(0.8),
    l: () => byId("marks").classList.toggle("plain"),
    Escape: () => act.stopPlacing(),
  };
  addEventListener("keydown", (event) => {
    if (isTyping(event.target)) return;
    if ((event.ctrlKey || event.metaKey) && act.state && ["z", "y", "Z"].includes(event.key)) {
      if (event.key === "z") act.undo();
      else act.redo();
      event.preventDefault();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (act.state && ARROWS[event.key]) {
      const step = event.shiftKey ? 1 : 0.1;
      act.nudge(...ARROWS[event.key].map((value) => value * step));
    } else if (act.state && event.key === "Tab" && isOnStage(event.target)) {
      act.stepPoint(event.shiftKey ? -1 : 1);
    } else if (act.state && event.key === " " && isOnStage(event.target)) {
      byId("marks").classList.add("off");
    } else if (always[event.key]) {
      always[event.key]();
    } else if (act.state && withFilm[event.key]) {
      withFilm[event.key]();
    } else {
      return;
    }
    event.preventDefault();
  });
  addEventListener("keyup", (event) => event.key === " " && byId("marks").classList.remove("off"));
  addEventListener("blur", () => byId("marks").classList.remove("off"));
}

const isOnStage = (target) => target === document.body || target.id === "stage";

/** Drags and clicks on the stage. */
export function watchPointer(stage, view, act) {
  let drag = null;
  const placeOf = (event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  act.zoom = (factor, at) => {
    view.zoom(factor, at);
    act.draw();
  };

  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (act.state) act.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), placeOf(event));
  }, { passive: false });

  stage.addEventListener("pointerdown", (event) => {
    if (!act.state || drag) return;
    stage.focus({ preventScroll: true });
    event.preventDefault();
    const at = placeOf(event);
    if (event.button === 0 && act.placing) {
      const place = view.toImage(at);
      const { columns, rows } = act.state.film;
      if (place[0] >= -0.5 && place[1] >= -0.5 && place[0] < columns && place[1] < rows) act.placeAt(place);
      return;
    }
    drag = { at, id: event.pointerId };
    if (event.button === 2) drag.greys = [...view.window];
    else if (event.button === 0) takeHold(at, event.shiftKey);
    stage.setPointerCapture(event.pointerId);
    stage.classList.add(drag.hold ? "dragging" : "panning");
  });

  function takeHold(at, whole) {
    const near = findPoint(act.state, view, at);
    if (!near) return;
    if (near.item !== act.state.item || near.point !== act.state.point) act.choosePoint(near.point, near.item);
    const points = act.state.current.points.map((point) => point && [...point]);
    drag.hold = { ...near, points, whole, start: view.toImage(at), before: act.state.snapshot(), moved: false };
  }

  stage.addEventListener("pointermove", (event) => {
    if (!drag || event.pointerId !== drag.id || !act.state) return;
    const at = placeOf(event);
    const [dx, dy] = [at[0] - drag.at[0], at[1] - drag.at[1]];
    if (drag.hold) {
      movePoint(at);
    } else if (drag.greys) {
      view.dragGreys(drag.greys, dx, dy);
    } else {
      view.pan(dx, dy);
      drag.at = at;
    }
    act.draw();
  });

  function movePoint(at) {
    const { hold } = drag;
    const here = view.toImage(at);
    const [dx, dy] = [here[0] - hold.start[0], here[1] - hold.start[1]];
    if (!hold.moved && Math.hypot(at[0] - drag.at[0], at[1] - drag.at[1]) < 2) return; // a click alone moves nothing
    hold.moved = true;
    if (hold.whole) act.state.shift(hold.points, dx, dy);
    else act.state.put(hold.point, [hold.points[hold.point][0] + dx, hold.points[hold.point][1] + dy]);
  }

  const end = (event) => {
    if (!drag || event.pointerId !== drag.id) return;
    const { hold, greys } = drag;
    drag = null;
    stage.classList.remove("dragging", "panning");
    if (hold?.moved && act.state) {
      act.state.remember(hold.before);
      act.changed();
    }
    if (greys) act.greysChanged();
  };
  stage.addEventListener("pointerup", end);
  stage.addEventListener("pointercancel", end);
  stage.addEventListener("dblclick", () => act.state && !act.placing && act.fit());
}

/** The point that is nearest to a place on the screen, within reach; those of the chosen knee go first. */
function findPoint(state, view, at) {
  let found = null;
  state.items.forEach((item, number) => {
    item.points?.forEach((point, index) => {
      if (!point) return;
      const [x, y] = view.toScreen(point);
      const away = Math.hypot(x - at[0], y - at[1]) + (number === state.item ? 0 : 3);
      if (away <= REACH_PX && (!found || away < found.away)) found = { item: number, point: index, away };
    });
  });
  return found;
}

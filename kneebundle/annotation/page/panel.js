// The panels beside the radiograph: the list of radiographs, and what is known and to be done about this one.

const WORDS = { new: "to do", open: "to do", accepted: "accepted", corrected: "corrected", rejected: "rejected" };
const SIDES = { R: "Right knee", L: "Left knee" };

export const byId = (id) => document.getElementById(id);
export const describeSide = (item) => SIDES[item.side] ?? "Lateral radiograph";

export function element(name, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  if (text !== undefined) made.append(text);
  made.append(...children);
  return made;
}

/** Choose and order what the list shows. */
export function arrange(films, filter, order) {
  const wanted = (film) => {
    if (filter === "all") return true;
    if (filter === "todo") return isTodo(film);
    return filter === "flagged" ? film.flags.length > 0 : film.status === filter;
  };
  const chosen = films.filter(wanted);
  return order === "name" ? chosen : chosen.sort((a, b) => (a.confidence ?? -1) - (b.confidence ?? -1));
}

export const isTodo = (film) => film.status === "new" || film.status === "open";

/** Draw the list; that of many thousands takes a moment, so it is drawn when what it shows is another selection. */
export function drawList(shown, open) {
  byId("films").replaceChildren(
    ...shown.map((film) => {
      const button = element(
        "button",
        { type: "button", title: film.path, "data-name": film.name },
        element("span", { role: "img" }),
        element("span", { class: "name", text: film.name }),
        element("span", { class: "flag", text: film.flags.length ? "\u2691" : "", title: film.flags.join(", ") }),
      );
      button.addEventListener("click", () => open(film.name));
      drawStatus(button, film);
      return element("li", {}, button);
    }),
  );
}

function drawStatus(button, film) {
  button.firstChild.className = `dot ${film.status}`;
  button.firstChild.setAttribute("aria-label", WORDS[film.status]);
}

/** Show in the list which radiograph is open, its status, and how many are done. */
export function drawCurrent(films, current) {
  byId("progress").textContent = `${films.filter((film) => !isTodo(film)).length} of ${films.length} done`;
  document.querySelector("#films [aria-current]")?.removeAttribute("aria-current");
  const button = document.querySelector(`#films button[data-name="${CSS.escape(current ?? "")}"]`);
  if (!button) return;
  button.setAttribute("aria-current", "true");
  drawStatus(button, films.find((film) => film.name === current));
  button.scrollIntoView({ block: "nearest" });
}

/** Describe the radiograph: flags, knees, state, points. `act` has what the buttons do. */
export function drawSidePanel(state, act) {
  const current = state.current;
  const notes = [
    ...state.film.flags.map((flag) => flag.message),
    ...(current?.flags ?? []).map((flag) => flag.message),
    ...(state.film.refused ? [`no Schoettle point: ${state.film.refused}`] : []),
    ...(state.film.stale ? ["the prediction was made again since these points were saved"] : []),
  ];
  byId("flags").replaceChildren(...notes.map((text) => element("li", { text })));
  drawKnees(state, act);
  byId("state").textContent = describe(state);
  const decided = current ?? state;
  byId("accept").disabled = decided.status === "accepted";
  byId("reject").disabled = false;
  byId("undo").disabled = !state.done.length;
  byId("redo").disabled = !state.undone.length;
  drawAdding(state, act);
  drawPoints(state, act);
}

function describe(state) {
  const item = state.current;
  if (!item) return `No knee was found here. ${state.status === "open" ? "To do" : WORDS[state.status]}.`;
  const status = WORDS[state.describeStatus(item)];
  const points = item.points ? "" : " It has no points.";
  return `${describeSide(item)}: ${status}${item.reason ? ` (${item.reason})` : ""}.${points}`;
}

function drawKnees(state, act) {
  const tabs = state.items.map((item, index) => {
    const button = element(
      "button",
      { type: "button", role: "tab", "aria-selected": String(index === state.item), tabindex: "-1" },
      element("span", { class: `dot ${state.describeStatus(item)}` }),
      element("span", { text: describeSide(item) }),
    );
    button.addEventListener("click", () => act.chooseKnee(index));
    return button;
  });
  byId("knees").replaceChildren(...tabs);
}

function drawAdding(state, act) {
  const missing = state.lateral ? [] : ["R", "L"].filter((side) => !state.items.some((item) => item.side === side));
  const buttons = missing.map((side) => [`Add ${SIDES[side].toLowerCase()}`, () => act.startPlacing(side)]);
  const item = state.current;
  if (item && !item.points) buttons.unshift(["Place its points", () => act.startPlacing(item.side)]);
  if (item?.added && !state.lateral) buttons.push(["Remove this knee", act.removeKnee]);
  byId("adding").replaceChildren(
    ...buttons.map(([text, run]) => {
      const button = element("button", { type: "button", text });
      button.addEventListener("click", run);
      return button;
    }),
  );
}

function drawPoints(state, act) {
  const item = state.current;
  const rows = !item?.points ? [] : state.names.map((name, index) => {
    const confidence = item.confidence[index];
    const pick = element(
      "button",
      { type: "button", class: "pick", "data-row": index },
      element("span", { text: state.lateral ? "" : index }),
      element("span", { text: name }),
      element("small", { text: confidence == null ? "" : confidence.toFixed(2), title: "confidence of the prediction" }),
    );
    pick.addEventListener("click", () => act.choosePoint(index));
    const there = item.points[index] !== null;
    const eye = element("button", {
      type: "button", class: "eye", text: there ? "visible" : "not visible",
      title: "Say whether the point can be seen (v)", "aria-pressed": String(!there),
    });
    eye.addEventListener("click", () => act.toggleVisible(index));
    const names = [index === state.point && "chosen", state.isMoved(item, index) && "moved", !there && "missing"];
    return element("li", { class: names.filter(Boolean).join(" ") }, pick, eye);
  });
  const list = byId("points");
  const top = list.scrollTop;
  list.replaceChildren(...rows);
  list.scrollTop = top;
  if (state.point >= 0) rows[state.point]?.scrollIntoView({ block: "nearest" });
}

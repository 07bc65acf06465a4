// Requests to the server; addresses are relative to the page, which holds the token.

/** What the server, or the network, says is wrong: one line. */
export class ServerError extends Error {
  constructor(message, status = 0, content = {}) {
    super(message);
    this.status = status;
    this.content = content;
  }
}

async function request(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new ServerError("the server does not answer; is it still running?");
  }
  const content = await response.json().catch(() => ({}));
  if (!response.ok) {
    const about = content.path ? `${content.path}: ` : "";
    throw new ServerError(about + (content.error || `the server says ${response.status}`), response.status, content);
  }
  return content;
}

const filmAddress = (name) => `films/${encodeURIComponent(name)}`;

export const listFilms = () => request("films");
export const readFilm = (name) => request(filmAddress(name));

export const saveFilm = (name, content) =>
  request(filmAddress(name), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(content),
    keepalive: true, // a tab that is being closed still saves
  });

/** The picture with `low` black and `high` white. */
export async function readImage(name, low, high) {
  const image = new Image();
  image.src = `${filmAddress(name)}/image?low=${low}&high=${high}`;
  try {
    await image.decode();
  } catch {
    throw new ServerError("the picture of the radiograph did not arrive; is the server still running?");
  }
  return image;
}
